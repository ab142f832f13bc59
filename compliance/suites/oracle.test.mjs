// The oracle of the durability suite must be able to say no: each wrong history is found out.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { judge, judgeReader } from "../lib/senders.mjs";

const message = (n, body) => ({
  id: `0190f5fe-7c00-7a00-8000-00000000000${n}`,
  room_id: "room",
  sender_id: "ada",
  body,
  created_at: `2026-01-01T00:00:00.00${n}Z`,
});
const told = [message(1, "first"), message(2, "second"), message(3, "third")];
const acked = (at) => ({ body: told[at].body, id: told[at].body, acked: { success: true, ...told[at] } });
const sender = (...sent) => ({ problems: [], sent });
const good = () => sender(acked(0), acked(1), acked(2));

describe("the oracle", () => {
  test("accepts what is right", () => {
    assert.deepEqual(judge([good()], told), { acked: 3, found: 3 });
    const lost = { body: "never committed", id: undefined, acked: null };
    judge([sender(acked(0), acked(1), acked(2), lost)], told);
    judgeReader(told.slice(0, 2), told);
    judgeReader(told.slice(1), told);
    judgeReader([], told);
  });

  const second = { body: "second", id: undefined, acked: null };
  for (const [what, senders, history, words] of [
    ["lost", [good()], [told[0], told[2]], /stands 0 times/],
    ["doubled", [good()], [...told, message(4, "first")], /stands 2 times/],
    ["changed", [good()], [told[0], { ...told[1], created_at: "2026-01-02T00:00:00.000Z" }, told[2]], /acknowledged as/],
    ["cut", [good()], [told[0], { ...told[1], body: "secon" }, told[2]], /stands 0 times/],
    ["out of order", [sender(acked(1), acked(0), acked(2))], told, /out of its sender's order/],
    ["under falling ids", [good()], [told[1], told[0], told[2]], /ids do not rise/],
    ["that nobody sent", [sender(acked(0), acked(1))], told, /nobody sent/],
    ["repeated with an id and missing", [sender(acked(0), acked(1), acked(2), { body: "x", id: "x", acked: null })], told, /missing: x/],
    ["sent once and doubled", [sender(acked(0), second)], [told[0], told[1], message(3, "second")], /stands 2 times: second/],
    ["acknowledged twice as two", [{ ...good(), problems: ["first was acknowledged as 1 and as 2"] }], told, /as 1 and as 2/],
  ]) {
    test(`finds a message ${what}`, () => assert.throws(() => judge(senders, history), words));
  }

  test("finds a reader who saw another order, a hole, or what did not last", () => {
    assert.throws(() => judgeReader([told[1], told[0]], told));
    assert.throws(() => judgeReader([told[0], told[2]], told));
    assert.throws(() => judgeReader([told[0], message(4, "gone")], told));
    assert.throws(() => judgeReader([message(4, "gone")], told));
  });
});

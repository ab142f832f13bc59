// The judge of the recovery suite must be able to say no: each way to lose, double or disorder what
// a client sees is found out.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { judgeRecovery } from "../lib/recovery-oracle.mjs";

const [ADA, BEN, CAY] = ["ada", "ben", "cay"];

/** Messages 1 to 6 of two rooms, in turn; those with even numbers are Ben's or Cay's to Ada. */
const written = [1, 2, 3, 4, 5, 6].map((n) => ({
  id: `0190f5fe-7c00-7a00-8000-00000000000${n}`,
  room_id: n % 3 === 0 ? "ac" : "ab",
  sender_id: n % 2 ? ADA : n % 3 === 0 ? CAY : BEN,
  body: `body ${n}`,
  created_at: `2026-01-01T00:00:00.00${n}Z`,
}));
const message = (n) => written[n - 1];
const roomsOf = (messages = written) =>
  new Map([
    ["ab", { people: [ADA, BEN], messages: messages.filter(({ room_id }) => room_id === "ab") }],
    ["ac", { people: [ADA, CAY], messages: messages.filter(({ room_id }) => room_id === "ac") }],
  ]);

const key = (g, part = 0, r = -1) => [7, g, part, r];
const event = (name, payload, offset) => ({ what: "event", event: name, payload, offset });
const connect = (sid, recovered = false) => ({ what: "connect", sid, recovered });
const cut = { what: "disconnect", reason: "transport close" };
const registered = { what: "registered" };
const told = (n, offset = key(n)) => event("new_message", message(n), offset);
const heard = (n, offset = key(n, 1)) => {
  const { room_id, body, sender_id, created_at } = message(n);
  return event("chat_list_update", { room_id, last_message: body, sender_id, updated_at: created_at }, offset);
};
/** The answer to a join: the room's messages up to number `n`, at the place of that. */
const joined = (roomId, n, r = 0) => [
  event("room_joined", { roomId, room: {} }, key(n, 35, r)),
  event("message_history", { messages: written.filter(({ room_id, id }) => room_id === roomId && id <= (message(n)?.id ?? "")) }, key(n, 35, r + 1)),
];
const page = (messages, offset, more = {}) => event("more_messages", { messages, offset: messages.length, ...more }, offset);

/** A participant with this log; ticks are places in it, and messages are sent at 1.5, 2.5, ... */
const participant = (log, more = {}) => ({
  ...{ name: "ada-1", user: ADA, kind: "trusting", rejoins: false, repeats: true, registers: false },
  ...{ sent: [], problems: [], joins: new Map([[BEN, {}]]) },
  ...more,
  log: log.flat().map((entry, at) => ({ tick: at, ...entry })),
});
/** All that is written was sent by somebody who looked at nothing, at these ticks. */
const crowd = (tick = () => 1000) => participant([], {
  name: "crowd",
  sent: written.map(({ id, room_id, body }, at) => ({ roomId: room_id, body, id, acked: null, tick: tick(at + 1), connection: 1 })),
});
const verdict = (log, more) => judgeRecovery([participant(log, more), crowd(more?.tick)], more?.rooms ?? roomsOf());
const finds = (words, log, more) => assert.throws(() => verdict(log, more), words);

/** Joined two rooms, lost the line twice, the second time for good: then it began anew. */
const first = [connect("s1"), joined("ab", 0), joined("ac", 0, 2), told(1), told(2)];
const second = [cut, connect("s1", true), told(3), told(4)];
const third = [cut, connect("s2"), joined("ab", 4), joined("ac", 4, 2), told(5), told(6)];

describe("the oracle of recovery", () => {
  test("accepts what is right", () => {
    const confused = { kind: "confused" };
    const all = verdict([...first, ...second, ...third], confused);
    const counts = { reconnects: 2, recovered: 1, fresh: 1, rejoined: 0, acked: 0, seen: 14 };
    assert.deepEqual(all, counts);
    verdict([connect("s1"), joined("ab", 1), cut, cut, connect("s1", true), told(2), told(4), told(5)]);
    verdict([connect("s1"), joined("ab", 1), told(2), joined("ab", 2), page([message(1), message(2)], key(2, 35, 2)), told(4), told(5)]);
    // A new session may show more history than the old one had shown, and the updates between are gone.
    const registers = { registers: true, tick: (n) => (n < 6 ? 2 : 1000) };
    verdict([connect("s1"), registered, heard(2), cut, connect("s2"), heard(6)], { ...registers, ...confused });
    verdict([connect("s1"), joined("ab", 1), cut, connect("s2"), joined("ab", 5)], confused);
    // Nobody has told it of anything yet, so it asks again.
    verdict([connect("s1"), cut, connect("s2"), joined("ab", 5)]);
    // The answer to register_user was lost, but it was taken.
    verdict([connect("s1"), cut, connect("s1", true), registered, heard(4), heard(6)], registers);
    const rejoins = { kind: "rejoining", rejoins: true };
    verdict([connect("s1"), joined("ab", 1), told(2), cut, connect("s2"), joined("ab", 2), told(4), told(5)], rejoins);
    const bare = joined("ab", 4).map((entry) => ({ ...entry, offset: null }));
    verdict([connect("s1"), bare, told(5, null)], { kind: "spared", rejoins: true });
  });

  for (const [what, words, log, more] of [
    ["missed on one connection", /new_message is 1 of its room, from 0 on it is missed/, [connect("s1"), joined("ab", 0), told(2), told(4), told(5)]],
    ["missed over a reconnect", /from 2 on it is missed/, [...first, cut, connect("s1", true), told(3), told(5), told(6)]],
    ["missed at the end", /of ac the last 1 messages are missed/, [...first, ...second, told(5)]],
    ["missed by whoever joined an empty room", /of ab the last 4 messages are missed/, [connect("s1"), joined("ab", 0), cut, connect("s1", true)]],
    ["seen twice over a reconnect", /is 1 of its room and was seen before/, [...first, cut, connect("s1", true), told(2, key(2, 36)), told(3), told(4), told(5), told(6)]],
    ["out of its room's order", /from 1 on it is missed/, [connect("s1"), joined("ab", 1), told(4, key(2)), told(2, key(3)), told(5)]],
    ["out of the order over rooms", /its offset is not above the one before/, [...first, cut, connect("s1", true), told(4), told(3), told(5), told(6)]],
    ["out of the order over rooms, with rising numbers", /an older message has a higher one/, [...first, cut, connect("s1", true), told(4, key(3)), told(3, key(4)), told(5), told(6)]],
    ["that is not in the history", /is not in the history/, [...first, ...second, told(5), told(6)], { rooms: roomsOf(written.slice(0, 5)) }],
    ["told otherwise", /is told otherwise/, [connect("s1"), joined("ab", 4), event("new_message", { ...message(5), body: "bod" }, key(5))]],
    ["of a room that it has not joined", /whose join was not answered/, [connect("s1"), joined("ab", 4), told(5), told(6)]],
    ["without an offset", /without an offset/, [connect("s1"), joined("ab", 4), told(5, null)]],
    ["with an offset that it does not want", /not wanted/, [connect("s1"), joined("ab", 4).map((e) => ({ ...e, offset: null })), told(5)], { kind: "spared", rejoins: true }],
    ["before CONNECT", /before CONNECT/, [told(5)]],
  ]) {
    test(`finds a message ${what}`, () => finds(words, log, more));
  }

  test("finds a message with another offset than others saw", () => {
    const other = participant([connect("s9"), joined("ab", 4), told(5, key(6))], { name: "ada-2" });
    const one = participant([connect("s1"), joined("ab", 4), told(5)]);
    assert.throws(() => judgeRecovery([one, other, crowd()], roomsOf()), /ada-2.*another offset than others saw/);
  });

  const history = (messages, g = 4) => [event("room_joined", { roomId: "ab", room: {} }, key(g, 35, 0)), event("message_history", { messages }, key(g, 35, 1))];
  for (const [what, words, log, more] of [
    ["with a hole", /not the 3 messages up to 3/, [connect("s1"), history([message(1), message(4)]), told(5)]],
    ["with what was never written", /ends with a message that is not in the history/, [connect("s1"), history([message(1), { ...message(4), id: "x" }])]],
    ["that is ahead of the stream", /ends at 3, it has seen 2/, [connect("s1"), joined("ab", 2), joined("ab", 4), told(5)]],
    ["that is behind the stream", /ends at 1, it has seen 2/, [connect("s1"), joined("ab", 2), history([message(1)], 3), told(4), told(5)]],
    ["of a new session that goes back", /ends at 2, it has seen 3 before/, [connect("s1"), joined("ab", 4), cut, connect("s2"), history([message(1), message(2)]), told(4), told(5)]],
    ["without its history", /room_joined is not followed/, [connect("s1"), history([])[0], told(5)]],
    ["whose history never comes", /room_joined is not followed/, [connect("s1"), history([])[0], cut, connect("s1", true)]],
    ["whose room is not named", /message_history without room_joined/, [connect("s1"), history([])[1]]],
  ]) {
    test(`finds an answer to a join ${what}`, () => finds(words, log, more));
  }

  test("finds a page that is not at its place", () => {
    const begin = [connect("s1"), joined("ab", 2)];
    const end = [told(4), told(5)];
    finds(/more_messages is not the 1 messages up to 2/, [...begin, page([message(4)], key(3)), ...end]);
    finds(/more_messages is not the 2 messages up to 2/, [...begin, page([message(2), message(1)], key(3)), ...end]);
    finds(/more_messages goes on at 5/, [...begin, page([message(2)], key(3), { offset: 5 }), ...end]);
  });

  test("finds a client that began anew without need", () => {
    finds(/began anew, and nothing kept it/, [connect("s1"), joined("ab", 1), cut, connect("s2"), joined("ab", 5)]);
    finds(/began anew, and nothing kept it/, [connect("s1"), registered, cut, connect("s2"), heard(2), heard(4), heard(6)], { registers: true });
  });

  test("finds a client that was not told who it is", () => {
    finds(/a recovered session has another id/, [connect("s1"), joined("ab", 5), cut, connect("s2", true)]);
    finds(/has the id of an earlier one/, [connect("s1"), joined("ab", 5), cut, connect("s1"), joined("ab", 5)]);
    finds(/recovered what it never had/, [connect("s1", true)]);
  });

  test("finds a client that is deaf after it began anew", () => {
    finds(/it has joined ab and does not hear it any more/, [connect("s1"), joined("ab", 5), cut, connect("s2")]);
    finds(/it has joined ac and does not hear/, [...first, cut, connect("s2"), joined("ab", 5)]);
    const twice = [connect("s1"), joined("ab", 5), cut, connect("s2"), cut, connect("s3")];
    finds(/it has joined ab and does not hear it any more/, twice);
    finds(/it has joined ab and does not hear/, [connect("s1")], { kind: "rejoining", rejoins: true });
  });

  const registers = { registers: true };
  for (const [what, words, log, more] of [
    ["missed between two", /is 2 of its person, from 1 on it is missed/, [connect("s1"), registered, heard(2), cut, connect("s1", true), heard(6)], registers],
    ["missed at the end", /the last 1 updates are missed/, [connect("s1"), registered, heard(2), heard(4)], registers],
    ["missed at the beginning", /of body 2 is missed/, [connect("s1"), registered, heard(4), heard(6)], registers],
    ["missed although it had registered", /of body 2 is missed/, [connect("s1"), registered, cut, connect("s1", true)], registers],
    ["missed by a new session", /of body 4 is missed/, [connect("s1"), registered, heard(2), cut, connect("s2"), heard(6)], registers],
    ["heard twice", /is 0 of its person and was seen before/, [connect("s1"), registered, heard(2), heard(2, key(3, 1)), heard(4), heard(6)], registers],
    ["heard again by a new session", /is 0 of its person and was seen before/, [connect("s1"), registered, heard(2), cut, connect("s2"), heard(2), heard(4), heard(6)], registers],
    ["of one's own message", /of what is not in the history/, [connect("s1"), registered, heard(1), heard(2), heard(4), heard(6)], registers],
    ["told otherwise", /is told otherwise/, [connect("s1"), registered, heard(2), heard(4), { ...heard(6), payload: { ...heard(6).payload, updated_at: "then" } }], registers],
    ["that nobody asked for", /without register_user/, [connect("s1"), heard(2), heard(4), heard(6)]],
  ]) {
    test(`finds an update ${what}`, () => finds(words, log, more));
  }

  test("finds what the histories and the clients themselves tell", () => {
    const missing = () => judgeRecovery([crowd()], roomsOf(written.slice(1)));
    assert.throws(missing, /sent with an id until answered, and missing: body 1/);
    assert.throws(() => judgeRecovery([crowd()], roomsOf([...written, { ...message(6), id: "1" }])), /stands 2 times: body 6/);
    finds(/ada-1: error: no/, [connect("s1")], { problems: ["error: no"] });
    finds(/an event that nobody knows: typing/, [connect("s1"), event("typing", {}, key(1))]);
  });

  test("does not mind the order of one sender's connections, only that of each", () => {
    const say = (n, connection) => ({ roomId: "ab", body: `body ${n}`, id: undefined, acked: null, tick: 0, connection });
    const rest = crowd().sent.filter(({ roomId }) => roomId === "ac");
    const sent = (...order) => [participant([], { repeats: false, sent: [...order, ...rest] })];
    judgeRecovery(sent(say(4, 1), say(5, 1), say(1, 2), say(2, 2)), roomsOf());
    assert.throws(() => judgeRecovery(sent(say(4, 1), say(5, 1), say(2, 2), say(1, 2)), roomsOf()), /out of its sender's order/);
  });
});

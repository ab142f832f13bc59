// Every field of every event of `pair`, filled with what it must not be, beside two people who play.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { person } from "../lib/direct.mjs";
import { conversation, register, send, settle, tokenOf } from "../lib/pair.mjs";
import { checkEach, clients, serve, server } from "../lib/stage.mjs";

const ID = "must be a whole number or a string of 1 to 256 bytes";
const NO_ID = [null, true, 1.5, [7], {}, "", "  ", "x".repeat(257), 2 ** 60];
const MISSING = {
  registerMessages: "token",
  conversation: "id",
  message: "to and content",
  startWriting: "id",
  stopWriting: "id",
};
/** Event, payload without the field, field, what it must not be, words. */
const FIELDS = [
  ["registerMessages", {}, "token", [null, 7, true, [], {}], "must be a string"],
  ["conversation", {}, "id", NO_ID, ID],
  ["conversation", { id: "b" }, "before", [null, 7, "x", {}, "0123456789ab4cde8f0123456789abcd"], "must be a UUID"],
  ["conversation", { id: "b" }, "limit", [null, 0, -1, 1.5, "20", [], 2 ** 60], "must be a whole number from 1 to 1000"],
  ["message", { content: "x" }, "to", NO_ID, ID],
  ["message", { to: "b" }, "content", [null, 7, true, [], {}], "must be a string"],
  ["message", { to: "b" }, "content", ["", " \n\u2003"], "must not be blank"],
  ["message", { to: "b" }, "content", ["x".repeat(65_537)], "is longer than 65536 bytes"],
  ["message", { to: "b" }, "content", ["\ud800"], "must be valid Unicode, without half surrogate pairs"],
  ["message", { to: "b", content: "x" }, "clientMessageId", [null, 7, {}], "must be a string"],
  ["message", { to: "b", content: "x" }, "clientMessageId", ["", "x".repeat(129)], "must be a string of 1 to 128 bytes"],
  ["startWriting", {}, "id", NO_ID, ID],
  ["stopWriting", {}, "id", NO_ID, ID],
  ["stopWriting", { id: "b" }, "token", [null, 7, {}], "must be a string"],
];

describe("bad input to pair", () => {
  serve();
  checkEach();
  const open = async (id) => register(await clients.open({ name: "alice" }), tokenOf(server.app.secret, id));

  /** It is refused in these words, by the event and the acknowledgement, and the socket lives on. */
  async function refused(client, event, payload, words) {
    const answer = await client.ask(event, payload);
    assert.equal(answer.success, false, `${event} ${JSON.stringify(payload)?.slice(0, 80)}`);
    assert.equal(answer.error.message, words);
    assert.equal(await client.expect("info"), words);
  }

  for (const [event, fields] of Object.entries(MISSING)) {
    test(`${event} with a payload that is none`, async () => {
      const client = await open(person());
      for (const payload of [null, 7, "x", true, [], [{}]]) await refused(client, event, payload, `payload must be an object with ${fields}`);
    });
  }

  for (const [event, rest, field, values, words] of FIELDS) {
    test(`${event} with a ${field} that ${words}`, async () => {
      const client = await open(person());
      if (field !== "before" && field !== "limit" && field !== "clientMessageId" && field !== "token") {
        await refused(client, event, rest, `${field} is missing`);
      }
      for (const value of values) await refused(client, event, { ...rest, [field]: value }, `${field} ${words}`);
      assert.deepEqual((await client.ask("snippets")).snippets, [], "nothing was sent");
    });
  }

  test("a page that sends much of it keeps what it is and was", async () => {
    const [a, b] = [person(), person()];
    const client = await open(a);
    await send(client, b, "before");
    const rounds = Array.from({ length: 30 }, (_, n) => client.ask("message", n % 2 ? { to: {}, content: "x" } : { to: a, content: "x" }));
    for (const answer of await Promise.all(rounds)) assert.equal(answer.success, false);
    await settle(client);
    assert.equal(client.seen("info").length, 30);
    await send(client, b, "after");
    assert.deepEqual((await conversation(client, b)).messages.map(({ content }) => content), ["before", "after"]);
  });
});

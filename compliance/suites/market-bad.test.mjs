// Every field of every event of `market`, filled with what it must not be, beside two people who play.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { number, Person } from "../lib/market.mjs";
import { checkEach, clients, serve, server } from "../lib/stage.mjs";

const ID = "must be a whole number or a string of 1 to 256 bytes";
const NO_ID = [null, true, 1.5, [7], {}, "", "  ", "x".repeat(257), 2 ** 60];
const NO_TEXT = [null, 7, true, [], {}];
const NO_UUID = [null, 7, "", "67c041dd744c61c167a18a32", {}, "0123456789ab4cde8f0123456789abcd"];
const NO_PAGE = [null, 0, -1, 1.5, "1", [], 2 ** 60];
const PAGE = "must be a whole number, 1 or more";
const ABOUT = { productId: "1", recipientId: 2 };
const MESSAGE = { ...ABOUT, text: "x" };
const CHAT = { chatId: "01234567-89ab-4cde-8f01-23456789abcd" };

const WHOLE = {
  sendMessage: "payload must be an object with productId, recipientId and text",
  joinChat: "payload must be an object with chatId",
  markAsRead: "payload must be an object with productId and recipientId",
  deleteMessage: "payload must be an object with productId and recipientId",
  typing: "payload must be an object with productId and recipientId",
  stoppedTyping: "payload must be an object with productId and recipientId",
};
const LISTS = "payload must be an object with page, limit, messagePage and messageLimit, or nothing";
/** Event, a good payload, field, what it must not be, words; and whether it may be missing. */
const FIELDS = [
  ["sendMessage", MESSAGE, "productId", NO_ID, ID, false],
  ["sendMessage", MESSAGE, "recipientId", NO_ID, ID, false],
  ["sendMessage", MESSAGE, "text", NO_TEXT, "must be a string", false],
  ["sendMessage", MESSAGE, "text", ["", " \n\u2003"], "must not be blank", false],
  ["sendMessage", MESSAGE, "text", ["x".repeat(65_537)], "is longer than 65536 bytes", false],
  ["sendMessage", MESSAGE, "text", ["\ud800"], "must be valid Unicode, without half surrogate pairs", false],
  ["sendMessage", { text: "x" }, "chatId", NO_UUID.slice(1), "must be a UUID", true],
  ["sendMessage", MESSAGE, "clientMessageId", [7, {}], "must be a string", true],
  ["sendMessage", MESSAGE, "clientMessageId", ["", "x".repeat(129)], "must be a string of 1 to 128 bytes", true],
  ["sendMessage", MESSAGE, "productPrice", [true, [], {}, "9".repeat(65), 1e300], "must be a string or number of at most 64 bytes", true],
  ...["productName", "storeName", "customerName"].flatMap((field) => [
    ["sendMessage", MESSAGE, field, NO_TEXT.slice(1), "must be a string", true],
    ["sendMessage", MESSAGE, field, ["x".repeat(257)], "must be a string of at most 256 bytes", true],
  ]),
  ...["productImageUrl", "storeLogoUrl", "customerProfilePic"].flatMap((field) => [
    ["sendMessage", MESSAGE, field, NO_TEXT.slice(1), "must be a string", true],
    ["sendMessage", MESSAGE, field, ["x".repeat(2_049)], "must be a string of at most 2048 bytes", true],
  ]),
  ["joinChat", CHAT, "chatId", NO_UUID, "must be a UUID", false],
  ...["messagePage", "messageLimit"].map((field) => ["joinChat", CHAT, field, NO_PAGE, PAGE, true]),
  ...["joinRooms", "getUserChats"].flatMap((event) =>
    ["page", "limit", "messagePage", "messageLimit"].map((field) => [event, {}, field, NO_PAGE, PAGE, true]),
  ),
  ...["markAsRead", "deleteMessage", "typing", "stoppedTyping"].flatMap((event) => [
    [event, ABOUT, "productId", NO_ID, ID, false],
    [event, ABOUT, "recipientId", NO_ID, ID, false],
  ]),
  ["deleteMessage", ABOUT, "messageId", NO_UUID, "must be a UUID", false],
];

describe("bad input to market", () => {
  serve();
  checkEach();
  const come = () => Person.come(clients, server, "customer", number());

  /** It is refused in these words, by the event and the acknowledgement. */
  async function refused({ chat }, event, payload, words, status = 400) {
    const { success, error } = await chat.ask(event, ...(payload === undefined ? [] : [payload]));
    assert.deepEqual([success, error?.message], [false, words], `${event} ${JSON.stringify(payload)?.slice(0, 80)}`);
    assert.deepEqual(await chat.expect("appError"), { error: true, message: words, statusCode: status });
  }

  for (const [event, words] of Object.entries(WHOLE)) {
    test(`${event} with a payload that is none`, async () => {
      const ann = await come();
      for (const payload of [undefined, null, 7, "x", true, [], [{}]]) await refused(ann, event, payload, words);
    });
  }

  test("lists with a payload that is none", async () => {
    const ann = await come();
    for (const event of ["joinRooms", "getUserChats"]) for (const payload of [7, "x", true, [], [{}]]) await refused(ann, event, payload, LISTS);
  });

  for (const [event, good, field, values, words, optional] of FIELDS) {
    test(`${event} with a ${field} that ${words}`, async () => {
      const ann = await come();
      if (!optional) {
        const { [field]: _, ...rest } = good;
        await refused(ann, event, rest, `${field} is missing`);
      }
      const status = /is longer than/.test(words) ? 413 : 400;
      for (const value of values) await refused(ann, event, { ...good, [field]: value }, `${field} ${words}`, status);
      assert.deepEqual(await ann.chats(), [], "nothing was sent");
    });
  }

  test("events of other dialects, of nobody, and on /presence", async () => {
    const ann = await come();
    for (const [event, payload] of [["send_message", {}], ["message", { to: "x" }], ["room.join", {}], ["leaveChat", {}]]) {
      await refused(ann, event, payload, "no such event here");
    }
    for (const event of ["joinRooms", "sendMessage", "typing"]) {
      assert.equal((await ann.presence.ask(event, MESSAGE)).error.code, "unknown_event");
      assert.equal((await ann.presence.expect("appError")).statusCode, 400);
    }
  });

  test("a page that sends much of it keeps what it is and was", async () => {
    const ann = await come();
    const vendor = number();
    await ann.send("1", vendor, "before");
    const rounds = Array.from({ length: 30 }, (_, n) => ann.chat.ask("sendMessage", n % 2 ? { ...MESSAGE, text: {} } : { chatId: CHAT.chatId, text: "x" }));
    for (const { success } of await Promise.all(rounds)) assert.equal(success, false);
    await ann.send("1", vendor, "after");
    assert.equal(ann.chat.seen("appError").length, 30);
    const [chat] = await ann.chats();
    assert.deepEqual(chat.messages.map(({ text }) => text), ["before", "after"]);
  });
});

// The `market` API with real clients: every version over every transport does all of it.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, WAYS } from "../lib/client.mjs";
import { checkChat, checkMessage, DETAILS, number, Person, product } from "../lib/market.mjs";
import { Api, form, PNG } from "../lib/minchat.mjs";
import { Server } from "../lib/server.mjs";

const TEXTS = [
  "é".repeat(32_768),
  "👩🏽‍🚀 e\u0301 \u00e9 שלום \u202Eabc\u202C",
  `"\\"\\\\" \\u0041 \b\f\n\r\t\u0000\u001f \u2028\u2029 </script><!-- ' \``,
  '42/chat,["sendMessage",{}]\u001e2 {"_placeholder":true,"num":0}',
  "1a2b3c.7.0",
];

describe("market", () => {
  let server;
  const clients = new Clients(() => server.url);
  before(async () => {
    server = await Server.start({ label: "market" });
  });
  afterEach(() => clients.closeAll());
  after(() => server?.stop());

  const come = (role, id = number(), options = {}) => Person.come(clients, server, role, id, options);

  for (const way of WAYS) {
    test(`the whole document: ${way.name}`, { timeout: 120_000 }, async () => {
      const p = product();
      // One number for both: a customer and a vendor are different people.
      const id = number();
      const ann = await come("customer", id, way);

      // To somebody who is not there.
      const { message: first, chat } = await ann.send(p, id, "Are you there?", DETAILS);
      checkChat(chat);
      assert.deepEqual([first.recipientOnline, first.read, first.senderId, first.senderType], [false, false, id, "CUSTOMER"]);
      const { id: chatId, messages, createdAt, updatedAt, lastMessageAt, ...about } = chat;
      assert.deepEqual(about, { productId: p, vendorId: id, customerId: id, ...DETAILS });
      assert.deepEqual(messages, [first]);

      // Who comes is told what was missed, once, and others are told who comes.
      const vic = new Person(clients, server, "vendor", id, way);
      const greeting = await vic.greeted();
      assert.deepEqual(greeting.missed, [first]);
      assert.deepEqual(greeting.chats.map(({ id: known }) => known), [chatId]);
      for (const socket of [ann.chat, ann.presence]) {
        const { message, data } = await socket.expect("userIsOnline", ({ data }) => data.userType === "VENDOR");
        assert.deepEqual([message, data], ["User is online", { userId: id, userType: "VENDOR" }]);
      }
      for (const socket of [vic.chat, vic.presence]) {
        await socket.expect("userIsOnline", ({ data }) => data.userType === "CUSTOMER" && data.userId === id);
      }
      const second = await come("vendor", id, way);
      assert.deepEqual(second.chat.seen("offlineMessages"), []);
      second.close();

      // Reading it.
      const who = (userType) => ({ chatId, productId: p, userId: id, userType });
      const loaded = await vic.join(chatId);
      assert.deepEqual(loaded.messages, [{ ...first, read: true }]);
      const receipt = await ann.told("updateReadReceipts");
      assert.deepEqual([receipt.message, receipt.data], ["Messages marked as read", who("VENDOR")]);

      // Both get what either says.
      const { message: answer } = await vic.send(p, id, "Now I am");
      assert.deepEqual([answer.recipientOnline, answer.senderType], [true, "VENDOR"]);
      assert.deepEqual(await ann.heard(), answer);
      for (const text of TEXTS) {
        const { message } = await ann.send(p, id, text);
        assert.equal(message.text, text);
        assert.deepEqual(await vic.heard(), message);
      }

      // Typing.
      for (const [event, told, words] of [["typing", "userTyping", "User is typing"], ["stoppedTyping", "stoppedTyping", "User has stopped typing"]]) {
        vic.chat.emit(event, { productId: p, recipientId: id });
        const { message, data } = await ann.told(told);
        assert.deepEqual([message, data], [words, who("VENDOR")]);
      }

      // Receipts, also when there is nothing new.
      for (const _ of [1, 2]) {
        assert.deepEqual(await ann.chat.ask("markAsRead", { productId: p, recipientId: id }), { success: true });
        assert.deepEqual((await vic.told("updateReadReceipts")).data, who("CUSTOMER"));
      }

      // A new chat comes as a whole to the other one.
      const { message: other } = await ann.send(product(), id, "And this?");
      const begun = await vic.chat.expect("newChat");
      assert.deepEqual([begun.statusCode, begun.error, begun.data], [200, false, {}]);
      checkChat(begun.message);
      assert.deepEqual(begun.message.messages, [other]);

      // Deleting one's own.
      const gone = { productId: p, recipientId: id, messageId: first.id };
      assert.deepEqual(await ann.chat.ask("deleteMessage", gone), { success: true });
      for (const person of [ann, vic]) {
        const { message, data } = await person.told("messageDeleted");
        assert.deepEqual([message, data], ["Message has been deleted successfully", { ...who("CUSTOMER"), messageId: first.id }]);
      }

      // A picture.
      const picture = new File([PNG], "heron.png", { type: "image/png" });
      const api = new Api(server.url, ann.token);
      const upload = await api.call("POST", "/api/v1/chat/send-image", form({ productId: p, recipientId: String(id), picture }));
      assert.equal(upload.status, 201, JSON.stringify(upload.body));
      for (const person of [ann, vic]) {
        const media = await person.heard("receiveMedia");
        assert.deepEqual(media, upload.body.data);
        assert.equal(media.text, null);
        const [file] = media.messageMedias;
        assert.deepEqual([file.imageUrl, file.size, file.mimeType], [file.url, String(PNG.length), "image/png"]);
        for (const url of [file.url, file.thumbnail]) assert.equal((await fetch(url)).status, 200);
      }

      // The lists.
      assert.deepEqual(await ann.chat.ask("joinRooms"), { success: true });
      const { message, data } = await ann.told("userChats");
      assert.equal(message, "Chats has been sent successfully");
      const [mine, theirs] = [data, await vic.chats()];
      assert.deepEqual(mine, theirs);
      assert.equal(mine.length, 2);
      const said = mine.find((it) => it.id === chatId).messages;
      assert.deepEqual(said.map(({ text }) => text), ["Now I am", ...TEXTS, null]);

      // Errors.
      const refused = await ann.chat.ask("joinChat", { chatId: "67c041dd744c61c167a18a32" });
      assert.deepEqual(refused, { success: false, error: { code: "invalid", message: "chatId must be a UUID" } });
      assert.deepEqual(await ann.chat.expect("appError"), { error: true, message: "chatId must be a UUID", statusCode: 400 });

      // Who goes is missed. A server that has just started waits a while with that.
      vic.close();
      for (const socket of [ann.chat, ann.presence]) {
        const { message: words, data: whom } = await socket.expect("userIsOffline", () => true, 40_000);
        assert.deepEqual([words, whom], ["User has gone offline", { userId: id, userType: "VENDOR" }]);
      }
    });
  }

  test("two devices of both are told alike", async () => {
    const [p, c, v] = [product(), number(), number()];
    const [ann, tab] = [await come("customer", c), await come("customer", c)];
    const [vic, desk] = [await come("vendor", v), await come("vendor", v)];
    const { message: first } = await ann.send(p, v, "one");
    assert.deepEqual(await tab.heard(), first);
    for (const it of [vic, desk]) assert.deepEqual((await it.chat.expect("newChat")).message.messages, [first]);
    const { message: second } = await desk.send(p, c, "two");
    for (const it of [ann, tab, vic]) assert.deepEqual(await it.heard(), second);
    // What one does not tell oneself.
    tab.chat.emit("typing", { productId: p, recipientId: v });
    for (const it of [vic, desk]) await it.told("userTyping");
    await tab.join(first.chatId);
    for (const it of [vic, desk]) await it.told("updateReadReceipts");
    for (const it of [ann, tab, vic, desk]) await it.settle();
    for (const it of [ann, tab]) assert.deepEqual([it.chat.seen("userTyping"), it.chat.seen("updateReadReceipts")], [[], []]);
  });

  test("a second device goes without anybody noticing", async () => {
    const [p, c, v] = [product(), number(), number()];
    const [ann, tab] = [await come("customer", c), await come("customer", c)];
    const vic = await come("vendor", v);
    await ann.send(p, v, "hello");
    await vic.chat.expect("newChat");
    tab.close();
    await vic.settle();
    for (const socket of [vic.chat, vic.presence]) assert.deepEqual(socket.seen("userIsOffline"), []);
    assert.equal((await vic.send(p, c, "still there?")).message.recipientOnline, true);
  });

  test("/chat waits for /presence, and what it says with it", async () => {
    const [p, c, v] = [product(), number(), number()];
    const ann = new Person(clients, server, "customer", c);
    ann.presence.close();
    const answer = ann.chat.ask("sendMessage", { productId: p, recipientId: v, text: "early" });
    const late = clients.make({ name: "late", url: `${server.url}/presence`, auth: { token: ann.token } });
    await late.connected();
    assert.equal((await answer).text, "early");
    await ann.told("userChats");
  });

  test("/chat without /presence is told so, and put out", async () => {
    const { chat, presence } = new Person(clients, server, "vendor", number());
    presence.close();
    await chat.connected();
    assert.deepEqual(await chat.expect("appError"), { error: true, message: "connect to /presence first", statusCode: 400 });
    assert.equal((await chat.disconnected()).detail, "io server disconnect");
    assert.deepEqual(chat.seen("userChats"), []);
  });

  test("a third person sees, changes and learns nothing", async () => {
    const [p, c, v] = [product(), number(), number()];
    const [ann, vic, eve] = [await come("customer", c), await come("vendor", v), await come("vendor", c)];
    // Of oneself one is told on both.
    for (const socket of [eve.chat, eve.presence]) socket.seen("userIsOnline");
    const { message, chat } = await ann.send(p, v, "between us");
    await vic.chat.expect("newChat");
    for (const [event, payload, status] of [
      ["joinChat", { chatId: chat.id }, 404],
      ["sendMessage", { chatId: chat.id, text: "x" }, 404],
      ["markAsRead", { productId: p, recipientId: c }, 404],
      ["deleteMessage", { productId: p, recipientId: c, messageId: message.id }, 404],
    ]) {
      assert.equal((await eve.chat.ask(event, payload)).success, false, event);
      assert.equal((await eve.chat.expect("appError")).statusCode, status, event);
    }
    assert.deepEqual(await eve.chat.ask("typing", { productId: p, recipientId: c }), { success: true });
    assert.deepEqual(await eve.chats(), []);
    // Nor can somebody delete what the other one wrote.
    const answer = await vic.chat.ask("deleteMessage", { productId: p, recipientId: c, messageId: message.id });
    assert.equal(answer.error.code, "not_allowed");
    for (const it of [ann, vic, eve]) await it.settle();
    assert.deepEqual(ann.chat.inbox.drain(({ event }) => event !== "userIsOnline"), []);
    assert.deepEqual(eve.chat.inbox.drain(({ event }) => event !== "userIsOnline"), []);
    for (const socket of [ann.chat, ann.presence]) {
      assert.deepEqual(socket.seen("userIsOnline").filter(({ data }) => data.userType === "VENDOR"), [], "nobody is told of her");
    }
    assert.deepEqual((await vic.chats())[0].messages, [message]);
  });

  test("somebody who is blocked writes no more", async () => {
    const [p, c, v] = [product(), number(), number()];
    const [ann, vic] = [await come("customer", c), await come("vendor", v)];
    await ann.send(p, v, "hello");
    await vic.chat.expect("newChat");
    const api = new Api(server.url, server.app.server_key);
    const [a, b] = [await api.ask("GET", `/v1/user?username=customer:${c}`), await api.ask("GET", `/v1/user?username=vendor:${v}`)];
    const path = `/v1/user/${a.user.id}/blocks/${b.user.id}`;
    await api.ask("PUT", path);
    for (const productId of [p, product()]) {
      const { error } = await vic.chat.ask("sendMessage", { productId, recipientId: c, text: "Buy!" });
      assert.deepEqual(error, { code: "blocked", message: "recipientId takes no messages from you" });
      assert.equal((await vic.chat.expect("appError")).statusCode, 403);
    }
    await api.ask("DELETE", path);
    const { message } = await vic.send(p, c, "sorry");
    assert.deepEqual(await ann.heard(), message);
  });

  test("a send that is tried again is one message", async () => {
    const [p, c, v] = [product(), number(), number()];
    const [ann, vic] = [await come("customer", c), await come("vendor", v)];
    const payload = { productId: p, recipientId: v, text: "once", clientMessageId: "try" };
    const tries = await Promise.all([1, 2, 3].map(() => ann.chat.ask("sendMessage", payload)));
    for (const answer of tries) assert.deepEqual(answer, tries[0]);
    checkMessage(await ann.heard());
    await vic.chat.expect("newChat");
    for (const it of [ann, vic]) await it.settle();
    for (const it of [ann, vic]) assert.deepEqual(it.chat.inbox.drain(({ event }) => event !== "userIsOnline"), []);
  });
});

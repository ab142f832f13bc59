// `market` over lines that break and servers that start anew. The two sockets of a page come back each by itself:
// /chat may be there long before /presence.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients } from "../lib/client.mjs";
import { number, Person, product, tokenOf } from "../lib/market.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { Server } from "../lib/server.mjs";

const TRANSPORTS = { websocket: { transports: ["websocket"] }, polling: { transports: ["polling"] } };

describe("market comes back", () => {
  let server;
  const lines = {};
  const clients = new Clients(() => server.url);
  before(async () => {
    server = await Server.start({ label: "market-returns" });
    for (const namespace of ["presence", "chat"]) lines[namespace] = await startProxy(server.port);
  });
  afterEach(() => {
    for (const line of Object.values(lines)) {
      line.goOnline();
      line.release();
    }
    clients.closeAll();
  });
  after(async () => {
    for (const line of Object.values(lines)) await line.close();
    await server?.stop();
  });

  /** Ann over lines that can be broken, Vic over one that is not. They have a chat. */
  async function scene(options) {
    const [p, c, v] = [product(), number(), number()];
    const line = { presence: lines.presence.url, chat: lines.chat.url };
    const ann = await Person.come(clients, server, "customer", c, { line, options });
    const vic = await Person.come(clients, server, "vendor", v);
    const { chat } = await vic.send(p, c, "first");
    await ann.chat.expect("newChat");
    // From here on the page says nothing that the test does not have it say.
    ann.said = [];
    for (const client of [ann.presence, ann.chat]) client.socket.onAnyOutgoing?.((event) => ann.said.push(event));
    return { p, c, v, ann, vic, chatId: chat.id };
  }

  for (const [transport, options] of Object.entries(TRANSPORTS)) {
    test(`/chat is back before /presence, over ${transport}`, { timeout: 60_000 }, async () => {
      const { p, c, v, ann, vic } = await scene(options);
      const back = { chat: ann.chat.back(30_000), presence: ann.presence.back(30_000) };
      for (const line of Object.values(lines)) line.goOffline();
      await vic.send(p, c, "second");
      lines.chat.goOnline();
      assert.equal(await back.chat, true, "it goes on with its session");
      assert.equal(ann.presence.socket.connected, false);
      // What was missed comes at once.
      assert.equal((await ann.heard()).text, "second");
      await vic.send(p, c, "third");
      assert.equal((await ann.heard()).text, "third");
      const sent = ann.send(p, v, "and on");
      lines.presence.goOnline();
      assert.equal(await back.presence, true);
      const { message } = await sent;
      assert.deepEqual(await vic.heard(), message);
      await ann.settle();
      for (const event of ["receiveMessage", "newChat", "offlineMessages", "appError"]) assert.deepEqual(ann.chat.seen(event), [], event);
    });

    for (const end of ["kill", "terminate"]) {
      test(`after ${end} both go on, over ${transport}`, { timeout: 90_000 }, async () => {
        const { p, c, v, ann, vic, chatId } = await scene(options);
        const back = [ann.chat.back(40_000), ann.presence.back(40_000)];
        const returned = [vic.chat.back(40_000), vic.presence.back(40_000)];
        for (const line of Object.values(lines)) line.goOffline();
        await vic.send(p, c, "second");
        await server[end]();
        await server.up();
        await Promise.all(returned);
        await vic.send(p, c, "third");
        // The other way round: whoever talks comes last.
        lines.presence.goOnline();
        assert.equal(await back[1], true);
        lines.chat.goOnline();
        assert.equal(await back[0], true);
        for (const text of ["second", "third"]) assert.equal((await ann.heard()).text, text);
        assert.deepEqual(ann.said, [], "the page says nothing to be told");

        const { message } = await ann.send(p, v, "I am back");
        assert.deepEqual(await vic.heard(), message);
        vic.chat.emit("typing", { productId: p, recipientId: c });
        await ann.told("userTyping");
        ann.chat.emit("markAsRead", { productId: p, recipientId: v });
        await vic.told("updateReadReceipts");
        const { messages } = await ann.join(chatId);
        assert.deepEqual(messages.map(({ text }) => text), ["first", "second", "third", "I am back"]);
        await ann.settle();
        for (const event of ["receiveMessage", "newChat", "offlineMessages", "appError"]) assert.deepEqual(ann.chat.seen(event), [], event);
      });
    }
  }

  test("a reconnect is no going and no coming to others", { timeout: 60_000 }, async () => {
    const { ann, vic } = await scene(TRANSPORTS.websocket);
    for (const client of [vic.chat, vic.presence]) client.inbox.drain();
    for (let round = 0; round < 5; round += 1) {
      const back = [ann.chat.back(30_000), ann.presence.back(30_000)];
      for (const line of Object.values(lines)) line.cut();
      assert.deepEqual(await Promise.all(back), [true, true]);
    }
    await vic.settle();
    for (const client of [vic.chat, vic.presence]) {
      for (const event of ["userIsOnline", "userIsOffline"]) assert.deepEqual(client.seen(event), [], event);
    }
  });

  test("what was sent while the line was down arrives once, in its order", { timeout: 60_000 }, async () => {
    const { p, v, ann, vic } = await scene();
    const back = [ann.chat.back(30_000), ann.presence.back(30_000)];
    for (const line of Object.values(lines)) line.goOffline();
    await new Promise((resolve) => ann.chat.socket.connected ? ann.chat.socket.once("disconnect", resolve) : resolve());
    const texts = ["one", "two", "three"];
    const sent = texts.map((text) => ann.chat.ask("sendMessage", { productId: p, recipientId: v, text, clientMessageId: text }));
    for (const line of Object.values(lines)) line.goOnline();
    await Promise.all(back);
    await Promise.all(sent);
    for (const text of texts) {
      assert.equal((await vic.heard()).text, text);
      assert.equal((await ann.heard()).text, text);
    }
  });

  test("a greeting that was lost on its way is said again", { timeout: 60_000 }, async () => {
    const { c, v, p, vic } = await scene();
    const tab = clients.make({ name: "tab", url: `${lines.chat.url}/chat`, auth: { token: tokenOf(server.app.secret, "customer", c) }, transports: ["websocket"] });
    await tab.connected();
    // Perhaps after it has come: either way it is there once, at the end.
    const back = tab.back(30_000);
    lines.chat.hold({ down: true });
    lines.chat.abandon();
    lines.chat.flow();
    assert.equal(await back, true);
    await vic.send(p, c, "anew");
    await tab.expect("receiveMessage", ({ data: [{ text }] }) => text === "anew");
    assert.equal(tab.seen("userChats").length, 1);
    assert.ok(v);
  });

  test("a client without recovery is greeted each time, and misses nothing", { timeout: 60_000 }, async () => {
    const { p, c, ann, vic } = await scene({ version: "4.1" });
    for (const line of Object.values(lines)) line.goOffline();
    await vic.send(p, c, "second");
    for (const line of Object.values(lines)) line.goOnline();
    const { data } = await ann.told("userChats", () => true, 30_000);
    assert.deepEqual(data[0].messages.map(({ text }) => text), ["first", "second"]);
    await vic.send(p, c, "third");
    assert.equal((await ann.heard()).text, "third");
  });
});

// The SDK where time matters: lines that break and servers that start anew, after which it never says
// again what it listens to; and requests that follow an event at once, without waiting for an answer.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { Api, Pages, quietly, username } from "../lib/minchat.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { Server } from "../lib/server.mjs";

describe("@minchat/js in a hurry", () => {
  let server;
  let proxy;
  let api;
  const key = () => server.app.client_key;
  const pages = new Pages(() => server.url, key);
  before(async () => {
    server = await Server.start({ label: "minchat-returns" });
    proxy = await startProxy(server.port);
    api = new Api(server.url, key());
  });
  afterEach(() => {
    proxy.goOnline();
    pages.closeAll();
  });
  after(async () => {
    await proxy?.close();
    await server?.stop();
  });

  describe("coming back", () => {
    /** Ada's page over a line that can be broken, in a chat of two and a group; and Bob, who has no page. */
    async function scene() {
      const ada = await pages.open("Ada", { url: proxy.url });
      const bob = await api.user(username("bob"));
      const chat = ada.hear(await ada.instance.chat(bob.username));
      const group = await ada.instance.groupChat({ memberUsernames: [bob.username] });
      await ada.status();
      // What the SDK says from here on it says because of the break.
      ada.said = [];
      ada.socket.onAnyOutgoing((event) => ada.said.push(event));
      const say = (text, chat_id = chat.getId()) => api.ask("POST", "/v1/messages", { chat_id, user_id: bob.id, text });
      return { ada, bob, chat, group, say };
    }

    /** Everything that Ada was told, in its order; then as text. */
    async function heard(ada) {
      await ada.status();
      return ada.inbox.drain().map(({ what, value, chat }) => `${what} ${value?.text ?? chat?.getLastMessage().text ?? value}`);
    }

    async function during(it, outage) {
      const { ada, bob, chat, group, say } = it;
      const first = await say("first");
      assert.equal((await ada.expect("message")).text, "first");
      await ada.expect("chat");
      let gone;
      await outage(async () => {
        await say("away");
        await api.ask("PATCH", `/v1/messages/${first.id}`, { text: "first!" });
        await say("in the group", group.getId());
        gone = await say("gone");
        await api.ask("DELETE", `/v1/messages/${gone.id}`);
      });
      assert.equal(await ada.back(30_000), true, "it goes on with its session");
      assert.deepEqual(ada.said, [], "the SDK says nothing when it comes back");
      const last = await say("last");
      // What was deleted meanwhile is not brought back from the disk; from memory it may be, before its deletion.
      const list = (await heard(ada)).filter((line) => !line.endsWith(" gone"));
      const chats = ["chat away", "chat in the group", "chat last"];
      assert.deepEqual(list.filter((line) => line.startsWith("chat ")), chats);
      const rest = list.filter((line) => !line.startsWith("chat "));
      assert.deepEqual(rest, ["message away", "update first!", `delete ${gone.id}`, "message last"]);
      // The other direction stands too.
      ada.said = [];
      assert.equal((await ada.send(chat, "I am back")).success, true);
      chat.setSeen(last.id);
      assert.equal(await ada.expect("seen"), last.id);
      const { messages } = await chat.getMessages();
      assert.deepEqual(messages.map(({ text }) => text), ["first!", "away", "last", "I am back"]);
      assert.equal((await api.call("GET", `/v1/user?id=${bob.id}`)).status, 200);
    }

    test("after a cut", async () => {
      await during(await scene(), async (meanwhile) => {
        proxy.goOffline();
        await meanwhile();
        proxy.goOnline();
      });
    });

    test("after a line on which nothing came through", async () => {
      await during(await scene(), async (meanwhile) => {
        proxy.hold({ down: true });
        await meanwhile();
        proxy.abandon();
        proxy.flow();
      });
    });

    test("after kill -9", async () => {
      await during(await scene(), async (meanwhile) => {
        proxy.goOffline();
        await meanwhile();
        await server.kill();
        await server.up();
        proxy.goOnline();
      });
    });

    test("after SIGTERM", async () => {
      await during(await scene(), async (meanwhile) => {
        await server.terminate();
        await server.up();
        await meanwhile();
      });
    });

    test("what was sent while the line was down arrives once", async () => {
      const { ada, bob, chat } = await scene();
      proxy.goOffline();
      await ada.life.take("disconnect", (what) => what === "disconnect");
      const sent = ["one", "two", "three"].map((text) => ada.send(chat, { text, metadata: { clientMessageId: text } }));
      proxy.goOnline();
      for (const [n, message] of (await Promise.all(sent)).entries()) assert.equal(message.text, ["one", "two", "three"][n]);
      const { messages } = await api.messages(chat.getId(), bob.id);
      assert.deepEqual(messages.map(({ text }) => text), ["one", "two", "three"]);
    });
  });

  // The SDK answers `await sendMessage()` when it has emitted. Two milliseconds later its next request may be here.
  describe("right after an event", () => {
    const ROUNDS = 20;
    const soon = () => pause(2);

    test("a request sees what was sent", async () => {
      const [ada, bob] = [await pages.open("Ada"), await pages.open("Bob")];
      for (let round = 1; round <= ROUNDS; round += 1) {
        const chat = await ada.instance.groupChat({ memberUsernames: [bob.user.username] });
        await chat.sendMessage({ text: `${round}` });
        await soon();
        const list = await bob.instance.getChats();
        assert.equal(list.totalChats, round);
        assert.equal(list.chats[0].getLastMessage().text, `${round}`);
        assert.equal((await chat.getMessages()).totalMessages, 1);
      }
    });

    test("a deleted chat stays deleted", async () => {
      const [ada, bob] = [await pages.open("Ada"), await pages.open("Bob")];
      for (let round = 1; round <= ROUNDS; round += 1) {
        const chat = await ada.instance.groupChat({ memberUsernames: [bob.user.username] });
        await chat.sendMessage({ text: "before" });
        await soon();
        assert.equal(await ada.instance.deleteChat(chat.getId()), true);
        assert.equal(await ada.instance.deleteChat(chat.getId()), false);
        const refused = await ada.send(chat, "after");
        assert.equal(refused.success, false, JSON.stringify(refused));
        assert.equal((await bob.instance.getChats()).totalChats, 0);
        assert.equal((await chat.getMessages()).success, false);
      }
    });

    test("a deleted user has written nothing", async () => {
      const bob = await pages.open("Bob");
      const carol = await api.user(username("carol"));
      for (let round = 1; round <= 5; round += 1) {
        const ada = await pages.open("Ada");
        const [pair, hers] = [await ada.instance.chat(bob.user.username), await ada.instance.groupChat({ memberUsernames: [bob.user.username, carol.username] })];
        const his = await bob.instance.groupChat({ memberUsernames: [ada.user.username, carol.username] });
        for (const chat of [pair, hers]) await chat.sendMessage({ text: "Hello" });
        await his.sendMessage({ text: "Hello" });
        await ada.instance.deleteUser(ada.user.username);
        const list = await bob.instance.getChats();
        assert.deepEqual([list.totalChats, list.chats[0].getId()], [round, his.getId()]);
        assert.equal((await his.getMessages()).totalMessages, 1);
        assert.equal((await quietly(() => ada.instance.getChats())).totalChats, 0);
        assert.equal((await pair.getMessages()).totalMessages, 0);
        assert.equal((await ada.send(hers, "a ghost")).success, false);
        assert.equal((await his.getMessages()).totalMessages, 1);
      }
    });

    test("who joins a chat is told of what is written next", async () => {
      const [ada, bob] = [await pages.open("Ada"), await api.user(username("bob"))];
      for (let round = 0; round < ROUNDS; round += 1) {
        const { id } = await api.ask("POST", "/v1/chat", { usernames: [bob.username, ada.user.username], user_id: bob.id, title: "new" });
        const chat = (await ada.instance.chat(bob.username));
        chat.config.channelId = id;
        chat.joinRoom();
        ada.socket.once("message", (value) => ada.inbox.push({ what: "message", value }));
        await soon();
        await api.ask("POST", "/v1/messages", { chat_id: id, user_id: bob.id, text: `${round}` });
        assert.equal((await ada.expect("message")).text, `${round}`);
        await ada.expect("chat");
      }
    });

    test("who has just come is told of what another page sends", async () => {
      const ada = await pages.open("Ada");
      for (let round = 0; round < ROUNDS; round += 1) {
        const bob = pages.make({ name: "Bob" });
        await bob.life.take("connect");
        const { user } = await bob.connect({ username: username("bob"), name: "Bob" });
        bob.hearChats();
        const chat = await ada.instance.chat(user.username);
        await chat.sendMessage({ text: `${round}` });
        assert.equal((await bob.expect("chat")).getLastMessage().text, `${round}`);
        bob.close();
      }
    });
  });
});

// The vendor's own SDK, unmodified, in Node: everything that it can ask for.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { UUID } from "../lib/direct.mjs";
import { eventually } from "../lib/inbox.mjs";
import { Api, file, GIF, Pages, PNG, quietly, Status, username } from "../lib/minchat.mjs";
import { Server } from "../lib/server.mjs";

describe("@minchat/js in Node", () => {
  let server;
  let api;
  const pages = new Pages(
    () => server.url,
    () => server.app.client_key,
  );
  before(async () => {
    server = await Server.start({ label: "minchat" });
    api = new Api(server.url, server.app.client_key);
  });
  afterEach(() => pages.closeAll());
  after(() => server?.stop());

  /** Two people with a chat of two, each on a page that hears everything of it. */
  async function two() {
    const [ada, bob] = [await pages.open("Ada"), await pages.open("Bob")];
    const chatOfAda = ada.hear(await ada.instance.chat(bob.user.username));
    const chatOfBob = bob.hear(await bob.instance.chat(ada.user.username));
    assert.equal(chatOfAda.getId(), chatOfBob.getId());
    await Promise.all([ada.status(), bob.status()]);
    return { ada, bob, chatOfAda, chatOfBob };
  }

  /** Three people, the first of whom made a group; all hear everything of it. */
  async function group(more = {}) {
    const members = [await pages.open("Ada"), await pages.open("Bob"), await pages.open("Carol")];
    const [ada, ...others] = members;
    const chat = ada.hear(
      await ada.instance.groupChat({ memberUsernames: others.map(({ user }) => user.username), ...more }),
    );
    return { members, chat };
  }

  describe("users", () => {
    test("connecting makes the user once, and changes who is there already", async () => {
      const name = username("ada");
      const first = await pages.open("Ada", { user: { username: name, name: "Ada", metadata: { age: 36 } } });
      const { user } = first;
      assert.match(user.id, UUID);
      assert.equal(user.username, name);
      assert.equal(user.name, "Ada");
      assert.deepEqual(user.metadata, { age: 36 });
      assert.ok(user.createdAt instanceof Date && !Number.isNaN(user.createdAt.getTime()));
      const again = await pages.open("Ada", { user: { username: name, name: "Ada L." } });
      assert.equal(again.user.id, user.id);
      assert.equal(again.user.name, "Ada L.");
      assert.deepEqual(again.user.metadata, { age: 36 }, "what was not said stays");
    });

    test("a user reads the same however one asks, and asking changes nothing", async () => {
      const { instance } = pages.make();
      const made = await instance.createUser({
        username: username("ada"),
        name: "Ada",
        avatar: "https://example.org/ada.png",
        metadata: { text: "x", number: 1.5, yes: true },
      });
      const bare = await instance.createUser({ username: username("bare"), name: "Bare" });
      assert.deepEqual(await instance.fetchUser(made.username), made);
      assert.deepEqual(await instance.fetchUserById(made.id), made);
      assert.deepEqual(await instance.getUsers([bare.username, made.username]), [bare, made]);
      assert.deepEqual(await instance.getUsers([made.username, bare.username]), [made, bare]);
      assert.deepEqual(await instance.fetchUser(bare.username), bare);
      assert.ok(made.id < bare.id, "ids sort by age");
    });

    test("changes: only what is named, metadata merged, null removes", async () => {
      const { instance } = pages.make();
      const { id } = await instance.createUser({ username: username("ada"), name: "Ada", metadata: { test: "test" } });
      const metadata = { test: "test2", age: 23 };
      const changed = await instance.updateUserById(id, { name: "Ada L.", avatar: "ada.png", metadata });
      assert.equal(changed.name, "Ada L.");
      assert.equal(changed.avatar, "ada.png");
      assert.deepEqual(changed.metadata, metadata);
      assert.deepEqual(await instance.fetchUserById(id), changed);
      const renamed = await instance.updateUserById(id, { name: "Countess" });
      assert.deepEqual([renamed.name, renamed.avatar], ["Countess", "ada.png"]);
      assert.deepEqual(renamed.metadata, metadata);
      const fewer = await instance.updateUserById(id, { metadata: { test: null, more: false } });
      assert.deepEqual(fewer.metadata, { age: 23, more: false });
    });

    test("who is not there is an error, or left out of a list", async () => {
      const { instance } = pages.make();
      const ada = await instance.createUser({ username: username("ada"), name: "Ada" });
      const isUnknown = ({ response }) => response.status === 404 && response.data.success === false;
      await assert.rejects(instance.fetchUser(username("nobody")), isUnknown);
      await assert.rejects(instance.fetchUserById("0192d3a4-0000-7000-8000-000000000000"), isUnknown);
      assert.deepEqual(await instance.getUsers([username("nobody"), ada.username]), [ada]);
      assert.equal(await instance.deleteUser(ada.username), true);
      await assert.rejects(instance.fetchUser(ada.username), isUnknown);
      await assert.rejects(instance.deleteUserById(ada.id), isUnknown);
    });
  });

  describe("chats", () => {
    test("two people have one chat, named for each by the other", async () => {
      const [ada, bob] = [await pages.open("Ada"), await pages.open("Bob", { user: { avatar: "bob.png" } })];
      const mine = await ada.instance.chat(bob.user.username, { metadata: { test: 3 } });
      const his = await bob.instance.chat(ada.user.username);
      assert.equal((await ada.instance.chat(bob.user.username)).getId(), mine.getId());
      assert.equal(his.getId(), mine.getId());
      assert.deepEqual([mine.getTitle(), his.getTitle()], ["Bob", "Ada"]);
      assert.equal(mine.getChatAvatar(), "bob.png");
      assert.deepEqual(mine.getMemberIds(), [bob.user.id]);
      assert.deepEqual(his.getMemberIds(), [ada.user.id]);
      assert.deepEqual(his.getMetadata(), { test: 3 });
      await mine.setMetaData({ updated: true });
      assert.deepEqual(mine.getMetadata(), { test: 3, updated: true });

      assert.equal((await ada.instance.getChats()).totalChats, 0, "a chat without a message is not listed");
      await ada.send(mine, "Hello");
      for (const [page, title] of [[ada, "Bob"], [bob, "Ada"]]) {
        const list = await page.instance.getChats();
        assert.deepEqual([list.success, list.page, list.totalChats, list.totalPages], [true, 1, 1, 1]);
        const [chat] = list.chats;
        assert.equal(chat.getId(), mine.getId());
        assert.equal(chat.getTitle(), title);
        assert.deepEqual(chat.getMetadata(), { test: 3, updated: true });
        assert.equal(chat.getLastMessage().text, "Hello");
      }
      assert.equal(await quietly(() => ada.instance.chat(username("nobody"))), undefined);
    });

    test("a group has its title, else a fixed one; and is new each time", async () => {
      const { members: [ada, bob], chat } = await group({ title: "Tea", avatar: "tea.png", metadata: { room: 4 } });
      assert.deepEqual([chat.getTitle(), chat.getChatAvatar()], ["Tea", "tea.png"]);
      assert.deepEqual(chat.getMetadata(), { room: 4 });
      assert.equal(chat.getMemberIds().length, 2);
      const pair = { memberUsernames: [bob.user.username] };
      const [one, other] = [await ada.instance.groupChat(pair), await ada.instance.groupChat(pair)];
      assert.notEqual(one.getId(), other.getId());
      assert.notEqual(one.getId(), (await ada.instance.chat(bob.user.username)).getId());
      assert.equal(one.getTitle(), "Group Chat");
      assert.ok(!one.getChatAvatar());
      await ada.send(one, "For two");
      const heard = await bob.expect("chat");
      assert.deepEqual([heard.getId(), heard.getTitle()], [one.getId(), "Group Chat"]);
    });

    test("people come and go", async () => {
      const ada = await pages.open("Ada");
      const made = [];
      for (const name of ["bob", "carol", "dave"]) {
        made.push(await ada.instance.createUser({ username: username(name), name }));
      }
      const [bob, carol, dave] = made;
      const chat = await ada.instance.groupChat({ memberUsernames: [bob.username] });
      await chat.addMember(carol.username);
      await chat.addMemberById(dave.id);
      await quietly(() => chat.addMember(dave.username));
      assert.deepEqual(chat.getMemberIds(), [bob.id, carol.id, dave.id]);
      assert.deepEqual(chat.getMembers(), [bob, carol, dave]);
      await chat.removeMember(carol.username);
      await quietly(() => chat.removeMember(carol.username));
      await chat.removeMemberById(dave.id);
      await ada.send(chat, "Who is there?");
      const [listed] = (await ada.instance.getChats()).chats;
      assert.deepEqual(listed.getMemberIds(), [bob.id]);
    });

    test("who joins a group is told of what comes, who left is not", async () => {
      const { members: [ada, bob, carol], chat } = await group();
      await chat.removeMember(carol.user.username);
      await ada.send(chat, "without Carol");
      assert.equal((await bob.expect("chat")).getLastMessage().text, "without Carol");
      await carol.nothingElse();
      await chat.addMember(carol.user.username);
      await ada.send(chat, "with Carol");
      assert.equal((await carol.expect("chat")).getLastMessage().text, "with Carol");
      assert.equal((await carol.instance.getChats()).totalChats, 1);
    });

    test("lists have 25 on a page, the newest first", async () => {
      const ada = await pages.open("Ada");
      const bob = await pages.open("Bob");
      const ids = [];
      for (let n = 0; n < 27; n += 1) {
        const chat = await ada.instance.groupChat({ memberUsernames: [bob.user.username], title: `${n}` });
        await ada.send(chat, `in ${n}`);
        ids.unshift(chat.getId());
      }
      const idsOn = async (page) => {
        const { chats, totalChats, totalPages } = await bob.instance.getChats(page);
        assert.deepEqual([totalChats, totalPages], [27, 2]);
        return chats.map((chat) => chat.getId());
      };
      assert.deepEqual(await idsOn(undefined), ids.slice(0, 25));
      assert.deepEqual(await idsOn(2), ids.slice(25));
      assert.deepEqual(await idsOn(3), []);
      assert.equal((await quietly(() => bob.instance.getChats(0))).success, false);
    });
  });

  describe("messages", () => {
    test("reach everybody in the chat but the page that sent them, and everybody's list but the author's", async () => {
      const { ada, bob, chatOfAda, chatOfBob } = await two();
      const metadata = { colour: "red", size: 2, bold: true };
      const sent = await ada.send(chatOfAda, { text: "Hello", metadata });
      assert.match(sent.id, UUID);
      assert.deepEqual([sent.chat_id, sent.text, sent.seen, sent.success], [chatOfAda.getId(), "Hello", false, true]);
      const { minchatJSIdentifier, ...rest } = sent.metadata;
      assert.match(minchatJSIdentifier, /^\d{4}-/);
      assert.deepEqual(rest, { colour: "red", size: 2, bold: true });
      assert.equal(sent.user.username, ada.user.username);
      assert.ok(sent.createdAt instanceof Date);
      assert.deepEqual(await bob.expect("message"), sent);
      const heard = await bob.expect("chat");
      assert.equal(heard.getTitle(), "Ada");
      assert.deepEqual(heard.getLastMessage(), sent);
      assert.deepEqual(chatOfBob.getLastMessage(), sent);
      const { messages, totalMessages } = await chatOfBob.getMessages();
      assert.equal(totalMessages, 1);
      assert.deepEqual(messages, [sent]);
      await ada.nothingElse();
      await bob.nothingElse();
    });

    test("in a group", async () => {
      const { members: [ada, bob, carol], chat } = await group({ title: "Tea" });
      await ada.send(chat, "Hello");
      const [ofBob, ofCarol] = [await bob.expect("chat"), await carol.expect("chat")];
      for (const [page, heard] of [[bob, ofBob], [carol, ofCarol]]) {
        assert.deepEqual([heard.getTitle(), heard.getLastMessage().text], ["Tea", "Hello"]);
        page.hear(heard);
        await page.status();
      }
      await bob.send(ofBob, "Hi");
      assert.equal((await ada.expect("message")).user.name, "Bob");
      assert.equal((await ada.expect("chat")).getLastMessage().text, "Hi");
      assert.equal((await carol.expect("message")).text, "Hi");
      assert.equal((await carol.expect("chat")).getTitle(), "Tea");
      for (const page of [ada, bob, carol]) await page.nothingElse();
    });

    test("a user's other page gets them too, in the chat", async () => {
      const { ada, bob, chatOfAda } = await two();
      const { username: same, name } = ada.user;
      const tablet = await pages.open("Ada's tablet", { user: { username: same, name } });
      const chat = tablet.hear(await tablet.instance.chat(bob.user.username));
      await tablet.status();
      await ada.send(chatOfAda, "from the phone");
      assert.equal((await tablet.expect("message")).text, "from the phone");
      await tablet.send(chat, "from the tablet");
      assert.equal((await ada.expect("message")).text, "from the tablet");
      await ada.nothingElse();
      await tablet.nothingElse();
    });

    test("a file arrives byte for byte, and is what its content says", async () => {
      const { ada, bob, chatOfAda } = await two();
      const papers = Buffer.from("not a picture at all, ".repeat(20_000));
      for (const [name, said, bytes, type] of [
        ["pixel.png", "image/png", PNG, "image"],
        ["pixel.gif", "image/gif", GIF, "gif"],
        ["lie.png", "image/png", papers, "file"],
      ]) {
        const sent = await ada.send(chatOfAda, { text: name, file: file(name, said, bytes) });
        assert.equal(sent.success, true, JSON.stringify(sent));
        assert.deepEqual([sent.file.type, sent.file.name], [type, name]);
        assert.match(sent.file.size, /^[\d.]+ KB$/);
        const heard = await bob.expect("message");
        assert.deepEqual(heard.file, sent.file);
        const answer = await fetch(heard.file.url);
        assert.equal(answer.status, 200);
        assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes);
        await bob.expect("chat");
      }
      const alone = await ada.send(chatOfAda, { file: file("alone.png", "image/png", PNG) });
      assert.deepEqual([alone.text, alone.file.name], ["", "alone.png"]);
    });

    test("one id of the page's own makes one message", async () => {
      const { ada, bob, chatOfAda, chatOfBob } = await two();
      const once = () => ({ text: "once", metadata: { clientMessageId: "7" } });
      const first = await ada.send(chatOfAda, once());
      const again = await ada.send(chatOfAda, once());
      assert.equal(again.id, first.id);
      assert.equal((await bob.expect("message")).id, first.id);
      await bob.expect("chat");
      await bob.nothingElse();
      assert.equal((await chatOfBob.getMessages()).totalMessages, 1);
    });

    test("changes are shown to all once, and what was not changed stays", async () => {
      const { ada, bob, chatOfAda, chatOfBob } = await two();
      const { id } = await ada.send(chatOfAda, { text: "Helo", metadata: { a: 1 } });
      const changed = await ada.update(chatOfAda, id, { text: "Hello" });
      assert.deepEqual([changed.id, changed.text, changed.metadata.a], [id, "Hello", 1]);
      await ada.update(chatOfAda, id, { metadata: { b: 2 } });
      for (const page of [ada, bob]) {
        assert.deepEqual(await page.expect("update"), changed);
        const second = await page.expect("update");
        assert.deepEqual([second.text, second.metadata.a, second.metadata.b], ["Hello", 1, 2]);
      }
      await bob.expect("message");
      await bob.expect("chat");
      await ada.nothingElse();
      await bob.nothingElse();
      assert.equal((await chatOfBob.getMessages()).messages[0].text, "Hello");
      assert.equal((await bob.instance.getChats()).chats[0].getLastMessage().text, "Hello");
    });

    test("deletions are shown to all once, and the message is gone", async () => {
      const { ada, bob, chatOfAda, chatOfBob } = await two();
      const kept = await ada.send(chatOfAda, "kept");
      const { id } = await ada.send(chatOfAda, "gone");
      await chatOfAda.deleteMessage(id);
      for (const page of [ada, bob]) assert.equal(await page.expect("delete"), id);
      const { messages, totalMessages } = await chatOfBob.getMessages();
      assert.deepEqual([messages.map(({ id }) => id), totalMessages], [[kept.id], 1]);
      assert.equal((await bob.instance.getChats()).chats[0].getLastMessage().text, "kept");
      await chatOfAda.deleteMessage(id);
      assert.match(await ada.expect("error"), /message/i);
      await bob.status();
      assert.equal(bob.inbox.drain(({ what }) => what === "delete").length, 0);
    });

    test("pages of 25: the newest on the first, each with its oldest first", async () => {
      const { ada, bob, chatOfAda, chatOfBob } = await two();
      const texts = Array.from({ length: 60 }, (_, n) => `${n}`);
      for (const text of texts) await chatOfAda.sendMessage({ text });
      await ada.status();
      const page = async (number) => {
        const { success, page, totalMessages, totalPages, messages } = await chatOfBob.getMessages(number);
        assert.deepEqual([success, page, totalMessages, totalPages], [true, number ?? 1, 60, 3]);
        return messages.map(({ text }) => text);
      };
      assert.deepEqual(await page(undefined), texts.slice(35));
      assert.deepEqual(await page(2), texts.slice(10, 35));
      assert.deepEqual(await page(3), texts.slice(0, 10));
      assert.deepEqual(await page(4), []);
      assert.equal((await chatOfBob.getMessages(0)).success, false);
      const heard = [];
      while (heard.length < 60) heard.push((await bob.expect("message")).text);
      assert.deepEqual(heard, texts, "live, in order");
    });
  });

  describe("what passes", () => {
    test("seen: told to the members, wherever they look, and true in history by then", async () => {
      const { ada, bob, chatOfAda, chatOfBob } = await two();
      const [first, second] = [await ada.send(chatOfAda, "one"), await ada.send(chatOfAda, "two")];
      assert.equal((await chatOfAda.getMessages()).messages[1].seen, false);
      // Her tablet shows the list only: receipts are for people, not for chats.
      const tablet = pages.make({ name: "Ada's tablet" });
      const { username: same, name } = ada.user;
      await tablet.connect({ username: same, name });
      tablet.socket.on("message.seen", (id) => tablet.inbox.push({ what: "seen", value: id }));
      await tablet.status();
      chatOfBob.setSeen(second.id);
      for (const page of [ada, tablet]) assert.equal(await page.expect("seen"), second.id);
      const { messages } = await chatOfAda.getMessages();
      assert.deepEqual(messages.map(({ id, seen }) => [id, seen]), [[first.id, true], [second.id, true]]);
    });

    test("typing: to the others in the chat, with who it is", async () => {
      const { ada, bob, chatOfAda, chatOfBob } = await two();
      await chatOfAda.startTyping();
      const who = await bob.expect("typing");
      assert.deepEqual([who.id, who.username, who.name], [ada.user.id, ada.user.username, "Ada"]);
      await chatOfAda.stopTyping();
      assert.equal((await bob.expect("stopped")).id, ada.user.id);
      await chatOfBob.startTyping();
      assert.equal((await ada.expect("typing")).id, bob.user.id);
      await ada.nothingElse();
      await bob.nothingElse();
    });

    test("who types and goes away has stopped", async () => {
      const { ada, bob, chatOfAda } = await two();
      await chatOfAda.startTyping();
      await bob.expect("typing");
      ada.close();
      assert.equal((await bob.expect("stopped")).id, ada.user.id);
    });

    test("a page that lets go of a chat hears nothing of it", async () => {
      const { ada, bob, chatOfAda, chatOfBob } = await two();
      chatOfBob.release();
      await bob.status();
      await ada.send(chatOfAda, "anybody?");
      assert.equal((await bob.expect("chat")).getLastMessage().text, "anybody?");
      await chatOfAda.startTyping();
      await ada.status();
      await bob.nothingElse();
    });

    test("status: online while a page of the user is there", async () => {
      const [ada, bob] = [await pages.open("Ada"), await pages.open("Bob")];
      const chat = await ada.instance.chat(bob.user.username);
      chat.onMemberStatusChanged((value, status) => ada.inbox.push({ what: "status", value, status }));
      const item = await ada.inbox.take("status", ({ what }) => what === "status");
      assert.deepEqual([item.value, item.status], [bob.user.id, Status.ONLINE]);
      const before = (await ada.instance.fetchUserById(bob.user.id)).lastActive;
      bob.close();
      const second = await pages.open("Carol");
      assert.equal((await second.status()).status, "online");
      const never = await api.user(username("never"));
      assert.deepEqual(await ada.status(never.id), { memberId: never.id, status: "offline" });
      await eventually("Bob to be offline", async () => (await ada.status(bob.user.id)).status === "offline");
      const lastActive = async () => (await ada.instance.fetchUserById(bob.user.id)).lastActive;
      await eventually("last_active to be when his last page went", async () => (await lastActive()) > before);
    });

    test("a page with another user hears for that one only", async () => {
      const { ada, bob, chatOfAda } = await two();
      const page = await pages.open("Carol");
      const carol = page.user;
      await page.connect({ username: username("dave"), name: "Dave" });
      await page.status();
      assert.notEqual(page.user.id, carol.id);
      const toCarol = await ada.instance.chat(carol.username);
      await ada.send(toCarol, "for Carol");
      const toDave = await ada.instance.chat(page.user.username);
      await ada.send(toDave, "for Dave");
      assert.equal((await page.expect("chat")).getLastMessage().text, "for Dave");
      await page.nothingElse();
      await ada.send(chatOfAda, "for Bob");
      assert.equal((await bob.expect("message")).text, "for Bob");
    });

    test("a wrong key is an error that the page is told", async () => {
      const page = pages.make({ key: "pk_nothing" });
      const user = await api.user(username("ada"));
      await assert.rejects(page.instance.connectUser({ username: user.username, name: "Ada" }), ({ response }) => {
        assert.equal(response.status, 401);
        assert.deepEqual(Object.keys(response.data).sort(), ["code", "message", "success"]);
        return true;
      });
      const told = new Promise((resolve) => page.socket.once("error", resolve));
      page.socket.emit("room.user.join", { channelUserId: user.id, apiKey: "pk_nothing" });
      const error = await told;
      assert.equal(error.code, "unknown_key");
      assert.match(error.message, /apiKey/);
    });
  });
});

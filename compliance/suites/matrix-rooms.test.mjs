// A chatroom in `stream` that is a group chat in `minchat`: what readers and members are told of what the others
// do, with the vendor's unmodified SDK on one side.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients } from "../lib/client.mjs";
import { Api, file, Pages, PNG, username } from "../lib/minchat.mjs";
import { Server } from "../lib/server.mjs";
import { checkMessage, name, Overlay, Room, tokenOf } from "../lib/stream.mjs";

describe("stream and minchat in one room", () => {
  let server;
  const clients = new Clients(() => server.url);
  const pages = new Pages(
    () => server.url,
    () => server.app.client_key,
  );
  before(async () => {
    server = await Server.start({ label: "matrix-rooms" });
  });
  afterEach(() => {
    clients.closeAll();
    pages.closeAll();
  });
  after(() => server?.stop());

  /** A room that Olga owns, of which Mia is a member, both at pages of `minchat`; and a reader without a name. */
  async function scene() {
    // Bans go by name, and nobody else here shall have these.
    const [owner, member] = [username("Olga"), username("Mia")];
    const olga = await pages.open("Olga", { user: { username: owner, name: owner } });
    const mia = await pages.open("Mia", { user: { username: member, name: member } });
    const room = await Room.open(server, { title: "An evening", owner: olga.user.username });
    const added = await room.api.call("POST", `/v1/chat/${room.channel.chat_id}/participants`, { user_id: mia.user.id });
    assert.equal(added.status, 200, JSON.stringify(added.body));
    // Lists there have chats in which somebody has said something.
    await room.say("Kim", "welcome");
    const chats = {};
    for (const page of [olga, mia]) {
      const { chats: list } = await page.instance.getChats();
      assert.deepEqual(list.map((chat) => [chat.getId(), chat.getTitle()]), [[room.channel.chat_id, "An evening"]]);
      chats[page.name] = page.hear(list[0]);
      await page.status();
    }
    const overlay = new Overlay(await clients.open({ name: "overlay" }));
    overlay.subscribe(room.slug, room.id);
    await overlay.settle();
    for (const page of [olga, mia]) page.inbox.drain();
    return { room, overlay, olga, mia, chat: chats.Mia, olgas: chats.Olga };
  }

  /** Who writes what, in both histories. */
  async function histories({ room, chat }) {
    const said = (await room.history()).map(({ id, content }) => [id, content]);
    const { messages } = await chat.getMessages();
    assert.deepEqual(messages.map(({ id, text }) => [id, text]), said);
    return said.map(([, content]) => content);
  }

  test("a member writes there, and readers see it", async () => {
    const it = await scene();
    const { room, overlay, mia, olga, chat, olgas } = it;
    const text = "Grüße 🐙 <b>&amp;</b> [emote:37221:EZ]";
    const sent = await mia.send(chat, text);
    const told = await overlay.hear("message");
    assert.deepEqual(checkMessage(told, room, room.slug), { content: text, type: "message", username: mia.user.name, badges: [] });
    assert.equal(told.id, sent.id);
    assert.equal((await olga.expect("message")).id, sent.id);
    await olga.send(olgas, "as its owner");
    const owners = checkMessage(await overlay.hear("message"), room, room.slug);
    assert.deepEqual(owners.badges, [{ type: "broadcaster", text: "Broadcaster" }]);
    const picture = await mia.send(chat, { file: file("heron.png", "image/png", PNG) });
    const { id, content } = await overlay.hear("message");
    assert.deepEqual([id, content], [picture.id, picture.file.url]);
    assert.equal((await fetch(content)).status, 200);
    await overlay.nothingElse();
    assert.equal((await room.history()).length, 4);
  });

  test("who writes over HTTP is seen in both", async () => {
    const it = await scene();
    const { room, overlay, mia, olga, chat } = it;
    const vera = name("vera");
    const { status, body: byToken } = await room.as(tokenOf(server, vera, { name: "Vera" })).write("by a token");
    assert.equal(status, 201);
    const byKey = await room.say("Kim", "by a server key");
    const hers = await room.as(tokenOf(server, mia.user.username)).write("by a member's token");
    assert.equal(hers.status, 201);
    for (const [{ id, content }, who] of [[byToken, "Vera"], [byKey, "Kim"], [hers.body, mia.user.name]]) {
      assert.equal((await overlay.hear("message")).id, id);
      for (const page of [olga, mia]) {
        const message = await page.expect("message");
        assert.deepEqual([message.id, message.text, message.user.name], [id, content, who], page.name);
        // One's own message is no news in one's own list.
        if (who === page.user.name) continue;
        const listed = await page.expect("chat", (it) => it.getLastMessage().id === id);
        assert.deepEqual([listed.getId(), listed.getTitle()], [chat.getId(), "An evening"]);
      }
    }
    assert.deepEqual(await histories(it), ["welcome", "by a token", "by a server key", "by a member's token"]);
    await overlay.nothingElse();
    await mia.nothingElse();
  });

  test("a reply in one is one in the other", async () => {
    const { room, overlay, mia, chat } = await scene();
    const first = await room.say("Kim", "a question");
    await room.say("Lou", "an answer", { type: "reply", metadata: { original_message: { id: first.id } } });
    await overlay.hear("message");
    assert.equal((await overlay.hear("message")).metadata.original_message.content, "a question");
    await mia.expect("message", ({ text }) => text === "an answer");
    const { messages } = await chat.getMessages();
    assert.deepEqual(messages.map(({ text }) => text), ["welcome", "a question", "an answer"]);
  });

  test("what is deleted or cleared in one is gone in both", async () => {
    const it = await scene();
    const { room, overlay, mia, chat } = it;
    const mine = await mia.send(chat, "mine");
    const yours = await room.say("Kim", "yours");
    for (const { id } of [mine, yours]) await overlay.hear("message", (message) => message.id === id);
    await chat.deleteMessage(mine.id);
    assert.deepEqual((await overlay.hear("deleted")).message, { id: mine.id });
    await room.remove(yours.id);
    assert.deepEqual((await overlay.hear("deleted")).message, { id: yours.id });
    for (const { id } of [mine, yours]) assert.equal(await mia.expect("delete", (gone) => gone === id), id);
    assert.deepEqual(await histories(it), ["welcome"]);
    await room.say("Kim", "before it is cleared");
    await overlay.hear("message");
    await room.ask("POST", "chat-commands", { command: "clear" });
    await overlay.hear("cleared");
    assert.deepEqual(await histories(it), []);
    await mia.send(chat, "after");
    assert.equal((await overlay.hear("message")).content, "after");
    assert.deepEqual(await histories(it), ["after"]);
    await overlay.nothingElse();
  });

  test("who is banned over HTTP is refused in minchat, until the ban is lifted", async () => {
    const it = await scene();
    const { room, overlay, mia, olga, chat, olgas } = it;
    for (const ban of [{ permanent: true }, { permanent: false, duration: 5 }]) {
      await room.ask("POST", "bans", { banned_username: mia.user.name.toUpperCase(), ...ban });
      assert.equal((await overlay.hear("banned")).user.username, mia.user.name);
      const refused = await mia.send(chat, "unheard");
      assert.equal(refused.success, false, JSON.stringify(refused));
      const api = new Api(server.url, server.app.client_key);
      const { status, body } = await api.call("POST", "/v1/messages", { chat_id: chat.getId(), user_id: mia.user.id, text: "unheard" });
      assert.deepEqual([status, body.code], [403, "banned"]);
      await room.ask("DELETE", `bans/${mia.user.name}`);
      await overlay.hear("unbanned");
    }
    await mia.send(chat, "back");
    assert.equal((await overlay.hear("message")).content, "back");
    // Its owner cannot be.
    const { status } = await room.call("POST", "bans", { banned_username: olga.user.name, permanent: true });
    assert.equal(status, 403);
    await olga.send(olgas, "still mine");
    assert.deepEqual(await histories(it), ["welcome", "back", "still mine"]);
    assert.equal((await overlay.hear("message")).content, "still mine");
    await overlay.nothingElse();
  });

  test("the room's modes are for members too, but not for who rules it", async () => {
    const { room, overlay, mia, olga, chat, olgas } = await scene();
    await room.ask("PUT", "chatroom", { emotes_mode: { enabled: true } });
    await overlay.hear("updated");
    assert.equal((await mia.send(chat, "words")).success, false);
    await mia.send(chat, "[emote:1:EZ] [emote:2:HI]");
    assert.equal((await overlay.hear("message")).content, "[emote:1:EZ] [emote:2:HI]");
    await olga.send(olgas, "words");
    assert.equal((await overlay.hear("message")).content, "words");
    await room.ask("PUT", "chatroom", { emotes_mode: { enabled: false }, subscribers_mode: { enabled: true } });
    await overlay.hear("updated");
    assert.equal((await mia.send(chat, "words")).success, false);
    await overlay.nothingElse();
  });

  test("readers are told nothing of what only members do, and members nothing of what only readers show", async () => {
    const { room, overlay, mia, olga, chat, olgas } = await scene();
    const sent = await mia.send(chat, "to be changed");
    await overlay.hear("message");
    await olga.expect("message");
    await olga.expect("chat");
    await mia.update(chat, sent.id, { text: "changed" });
    await olga.expect("update");
    olgas.setSeen(sent.id);
    await mia.expect("seen");
    await chat.startTyping();
    await olga.expect("typing");
    await chat.stopTyping();
    await olga.expect("stopped");
    await overlay.nothingElse();
    assert.deepEqual((await room.history()).map(({ content }) => content), ["welcome", "changed"]);
    for (const page of [mia, olga]) {
      await page.status();
      page.inbox.drain();
    }
    await room.ask("PUT", "livestream", { is_live: true, session_title: "x" });
    await room.ask("POST", "pinned-message", { message: { id: sent.id } });
    await room.ask("POST", "polls", { title: "?", options: ["a", "b"], duration: 60 });
    for (const what of ["livestream", "pinned", "poll"]) await overlay.hear(what);
    for (const page of [mia, olga]) await page.nothingElse();
  });

  test("who is not a member finds no such chat in minchat", async () => {
    const { room, chat } = await scene();
    const eve = await pages.open("Eve");
    assert.equal((await eve.instance.getChats()).totalChats, 0);
    const key = tokenOf(server, username("eve"));
    const api = new Api(server.url, key);
    const { status } = await api.call("GET", `/v1/chat/${chat.getId()}`);
    assert.equal(status, 404);
    assert.equal((await room.history()).length, 1);
  });
});

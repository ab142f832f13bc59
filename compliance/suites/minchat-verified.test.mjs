// `minchat` in an app that believes tokens only: a user's token stands where the API key stands, and
// nobody acts, looks or listens as somebody else.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients } from "../lib/client.mjs";
import { Api, form, Page, username } from "../lib/minchat.mjs";
import { createApp, Server, signToken } from "../lib/server.mjs";
import { inSeconds, token } from "../lib/tokens.mjs";

describe("minchat in a verified app", () => {
  let server;
  let admin;
  const pages = [];
  const clients = new Clients(() => server.url);
  before(async () => {
    server = await Server.start({ label: "minchat-verified", identity: "verified" });
    admin = new Api(server.url, server.app.server_key);
  });
  afterEach(() => {
    for (const page of pages.splice(0)) page.close();
    clients.closeAll();
  });
  after(() => server?.stop());

  /** Somebody with a token, a page of the SDK opened by it, and the HTTP API. */
  async function person(name) {
    const own = username(name);
    const key = await signToken(server.data, server.app.id, own);
    const page = new Page(server.url, key, name);
    pages.push(page);
    await page.connect({ username: own, name });
    await page.status();
    page.hearChats();
    return { page, key, api: new Api(server.url, key), user: page.user };
  }

  /** Ada and Bob with a chat and a message of hers; and Eve, who is no part of it. */
  async function scene() {
    const [ada, bob, eve] = [await person("Ada"), await person("Bob"), await person("Eve")];
    const chat = await ada.page.instance.chat(bob.user.username);
    const message = await ada.page.send(chat, "between us");
    return { ada, bob, eve, chat, id: chat.getId(), message };
  }

  /** All that others can see of a scene, by the app's own key. */
  async function everything({ ada, bob, eve, id }) {
    const users = await admin.ask("GET", `/v1/user/list?${[ada, bob, eve].map(({ user }) => `usernames[]=${user.username}`).join("&")}`);
    const chat = await admin.ask("GET", `/v1/chat/${id}`);
    const counts = [];
    for (const { user } of [ada, bob, eve]) counts.push((await admin.chats(user.id)).total_chats);
    return { users, chat, counts, messages: await admin.messages(id, ada.user.id) };
  }

  test("the SDK works with a token in the place of the key", async () => {
    const { ada, bob, chat, message } = await scene();
    const heard = await bob.page.expect("chat");
    assert.deepEqual([heard.getTitle(), heard.getLastMessage().id], ["Ada", message.id]);
    bob.page.hear(heard);
    ada.page.hear(chat);
    assert.deepEqual((await heard.getMessages()).messages.map(({ text }) => text), ["between us"]);
    await bob.page.send(heard, "so it is");
    assert.equal((await ada.page.expect("message")).text, "so it is");
    await ada.page.expect("chat");
    heard.setSeen(message.id);
    assert.equal(await ada.page.expect("seen"), message.id);
    await heard.startTyping();
    assert.equal((await ada.page.expect("typing")).id, bob.user.id);
    assert.equal((await ada.page.update(chat, message.id, { text: "changed" })).text, "changed");
    assert.equal((await bob.page.expect("update")).text, "changed");
    await chat.deleteMessage(message.id);
    assert.equal(await bob.page.expect("delete"), message.id);
    const group = await ada.page.instance.groupChat({ memberUsernames: [bob.user.username], title: "Tea" });
    await ada.page.send(group, "tea?");
    assert.equal((await bob.page.expect("chat", (it) => it.getTitle() === "Tea")).getLastMessage().text, "tea?");
    assert.equal((await ada.page.instance.updateUserById(ada.user.id, { name: "Ada L." })).name, "Ada L.");
  });

  describe("nobody is taken for somebody else", () => {
    /** What Eve may try as Ada: words, and how. */
    const EVENTS = [
      ["room.user.join", ({ ada }) => ({ channelUserId: ada.user.id })],
      ["message", ({ ada, id }) => ({ chat_id: id, user_id: ada.user.id, text: "as Ada" })],
      ["message.seen", ({ bob, message }) => ({ lastMessageId: message.id, user: { id: bob.user.id } })],
      ["typing.start", ({ ada, id }) => ({ channelId: id, user: { id: ada.user.id } })],
      ["typing.stop", ({ ada, id }) => ({ channelId: id, user: { id: ada.user.id } })],
    ];
    /** What needs a member or an author, and names nobody. */
    const STRANGE_EVENTS = [
      ["room.join", ({ id }) => ({ channelId: id })],
      ["message", ({ eve, id }) => ({ chat_id: id, user_id: eve.user.id, text: "as myself" })],
      ["message.update", ({ message }) => ({ messageId: message.id, text: "changed" })],
      ["message.delete", ({ message }) => ({ messageId: message.id })],
      ["message.seen", ({ eve, message }) => ({ lastMessageId: message.id, user: { id: eve.user.id } })],
      ["typing.start", ({ eve, id }) => ({ channelId: id, user: { id: eve.user.id } })],
    ];
    const REQUESTS = [
      ["POST", () => "/v1/user", ({ ada }) => form({ username: ada.user.username, name: "Changed" })],
      ["PATCH", ({ ada }) => `/v1/user/${ada.user.id}`, () => form({ name: "Changed" })],
      ["DELETE", ({ ada }) => `/v1/user/${ada.user.id}`],
      ["POST", () => "/v1/chat", ({ ada, eve }) => ({ usernames: [ada.user.username, eve.user.username], user_id: ada.user.id })],
      ["POST", () => "/v1/chat", ({ ada, eve }) => form({ usernames: [ada.user.username, eve.user.username], user_id: ada.user.id })],
      ["GET", ({ ada }) => `/v1/chat/list?user_id=${ada.user.id}`],
      ["GET", ({ ada, id }) => `/v1/messages?chat_id=${id}&user_id=${ada.user.id}`],
      ["POST", () => "/v1/messages", ({ ada, id }) => form({ chat_id: id, user_id: ada.user.id, text: "as Ada" })],
      ["POST", ({ message }) => `/v1/messages/${message.id}/seen`, ({ bob }) => ({ user_id: bob.user.id })],
    ];
    const STRANGE_REQUESTS = [
      ["GET", ({ id }) => `/v1/chat/${id}`],
      ["PATCH", ({ id }) => `/v1/chat/${id}`, () => ({ metadata: { mine: true } })],
      ["DELETE", ({ id }) => `/v1/chat/${id}`],
      ["POST", ({ id }) => `/v1/chat/${id}/participants`, ({ eve }) => ({ user_id: eve.user.id })],
      ["DELETE", ({ bob, id }) => `/v1/chat/${id}/participants/${bob.user.id}`],
      ["GET", ({ id }) => `/v1/messages?chat_id=${id}`],
      ["GET", ({ eve, id }) => `/v1/messages?chat_id=${id}&user_id=${eve.user.id}`],
      ["POST", () => "/v1/messages", ({ eve, id }) => form({ chat_id: id, user_id: eve.user.id, text: "as myself" })],
      ["PATCH", ({ message }) => `/v1/messages/${message.id}`, () => form({ text: "changed" })],
      ["DELETE", ({ message }) => `/v1/messages/${message.id}`],
      ["POST", ({ message }) => `/v1/messages/${message.id}/seen`, ({ eve }) => ({ user_id: eve.user.id })],
    ];

    /** Emits each event with a key; answers the codes of the refusals. */
    async function codes(key, events, it) {
      const client = await clients.open({ name: "a stranger" });
      const found = [];
      for (const [event, payload] of events) {
        const answer = await client.ask(event, { ...payload(it), apiKey: key });
        assert.equal(answer.success, false, `${event}: ${JSON.stringify(answer)}`);
        assert.equal((await client.expect("error")).code, answer.code);
        found.push(`${event} ${answer.code}`);
      }
      return found;
    }

    async function statuses(api, requests, it) {
      const found = [];
      for (const [method, path, body] of requests) {
        const { status, body: answer } = await api.call(method, path(it), body?.(it));
        assert.deepEqual(Object.keys(answer).sort(), ["code", "message", "success"], `${method} ${path(it)}: ${JSON.stringify(answer)}`);
        found.push(`${method} ${path(it)} ${status} ${answer.code}`);
      }
      return found;
    }

    test("with one's own token and another's id", async () => {
      const it = await scene();
      const before = await everything(it);
      const subject = EVENTS.map(([event]) => `${event} not_the_tokens_subject`);
      assert.deepEqual(await codes(it.eve.key, EVENTS, it), subject);
      const refused = REQUESTS.map(([method, path]) => `${method} ${path(it)} 403 not_the_tokens_subject`);
      assert.deepEqual(await statuses(it.eve.api, REQUESTS, it), refused);
      assert.deepEqual(await everything(it), before, "nothing was changed");
      await it.bob.page.expect("chat");
      await it.bob.page.nothingElse();
      // Letting go is of one's own socket, whatever is named.
      const client = await clients.open({ name: "Eve" });
      await client.ask("room.user.leave", { channelUserId: it.ada.user.id, apiKey: it.eve.key });
      assert.equal((await it.bob.page.status(it.ada.user.id)).status, "online");
      await it.bob.page.send(await it.bob.page.instance.chat(it.ada.user.username), "still there?");
      assert.equal((await it.ada.page.expect("chat")).getLastMessage().text, "still there?");
    });

    test("a stranger finds nothing of a chat, and cannot tell it from none", async () => {
      const it = await scene();
      const before = await everything(it);
      const nothing = { ...it, id: "0192d3a4-0000-7000-8000-000000000000", message: { id: "0192d3a4-0000-7000-8000-000000000001" } };
      assert.deepEqual(await codes(it.eve.key, STRANGE_EVENTS, it), await codes(it.eve.key, STRANGE_EVENTS, nothing));
      const words = (list) => list.map((line) => line.split(" ").filter((_, at) => at !== 1).join(" "));
      const found = words(await statuses(it.eve.api, STRANGE_REQUESTS, it));
      assert.deepEqual(found, words(await statuses(it.eve.api, STRANGE_REQUESTS, nothing)));
      for (const line of found) assert.match(line, / 404 /);
      assert.deepEqual(await everything(it), before, "nothing was changed");
    });

    test("a member is not the author", async () => {
      const it = await scene();
      const before = await everything(it);
      const own = [["message.update", ({ message }) => ({ messageId: message.id, text: "x" })], ["message.delete", ({ message }) => ({ messageId: message.id })]];
      assert.deepEqual(await codes(it.bob.key, own, it), own.map(([event]) => `${event} not_allowed`));
      const path = `/v1/messages/${it.message.id}`;
      const requests = [["PATCH", () => path, () => form({ text: "x" })], ["DELETE", () => path]];
      assert.deepEqual(await statuses(it.bob.api, requests, it), requests.map(([method]) => `${method} ${path} 403 not_allowed`));
      assert.deepEqual(await everything(it), before);
    });

    test("a page's key reads what is public, and does nothing else", async () => {
      const it = await scene();
      const before = await everything(it);
      const open = new Api(server.url, server.app.client_key);
      assert.equal((await open.ask("GET", `/v1/user?id=${it.ada.user.id}`)).user.id, it.ada.user.id);
      assert.equal((await open.ask("GET", `/v1/user?username=${it.ada.user.username}`)).user.id, it.ada.user.id);
      assert.equal((await open.ask("GET", `/v1/user/list?usernames[]=${it.ada.user.username}`)).users.length, 1);
      const client = await clients.open({ name: "a page" });
      const status = await client.ask("user.status", { memberId: it.ada.user.id, apiKey: server.app.client_key });
      assert.deepEqual(status, { memberId: it.ada.user.id, status: "online" });
      const every = [...EVENTS, ...STRANGE_EVENTS];
      assert.deepEqual(
        await codes(server.app.client_key, every, it),
        every.map(([event]) => `${event} token_required`),
      );
      for (const line of await statuses(open, [...REQUESTS, ...STRANGE_REQUESTS], it)) {
        // Where nobody is named who would look, there is nothing to be seen.
        assert.match(line, / (403 token_required|404 unknown_conversation)$/);
      }
      assert.deepEqual(await everything(it), before);
    });

    test("the key and the ids of another app", async () => {
      const it = await scene();
      const before = await everything(it);
      const other = await createApp(server.data, username("other"), "open", []);
      const theirs = new Api(server.url, other.server_key);
      const every = [...EVENTS, ...STRANGE_EVENTS];
      for (const line of await codes(other.client_key, every, it)) {
        assert.match(line, / (unknown_user|unknown_conversation|unknown_message)$/);
      }
      const requests = [...REQUESTS, ...STRANGE_REQUESTS].filter(([, path]) => path(it) !== "/v1/user");
      for (const line of await statuses(theirs, requests, it)) assert.match(line, / 404 /);
      const same = await theirs.user(it.ada.user.username, { name: "Another" });
      assert.notEqual(same.id, it.ada.user.id, "the same username is somebody else there");
      assert.deepEqual(await everything(it), before);
    });
  });

  test("tokens that are none", async () => {
    const it = await scene();
    const { username: sub } = it.ada.user;
    const { secret } = server.app;
    for (const [what, key, code] of [
      ["no token", "rubbish", "unknown_key"],
      ["another's signature", token("another secret", { sub, exp: inSeconds(60) }), null],
      ["expired", token(secret, { sub, exp: inSeconds(-60) }), "token_expired"],
      ["without a signature", token(null, { sub, exp: inSeconds(60) }, { header: { alg: "none", typ: "JWT" } }), null],
    ]) {
      const { status, body } = await new Api(server.url, key).call("GET", `/v1/chat/list?user_id=${it.ada.user.id}`);
      assert.deepEqual([status, body.success], [401, false], `${what}: ${JSON.stringify(body)}`);
      if (code) assert.equal(body.code, code, what);
      const client = await clients.open({ name: what });
      const answer = await client.ask("room.user.join", { channelUserId: it.ada.user.id, apiKey: key });
      assert.deepEqual([answer.success, answer.code], [false, body.code], what);
      const user = await admin.ask("GET", `/v1/user?id=${it.ada.user.id}`);
      assert.equal(user.user.id, it.ada.user.id);
    }
  });

  test("the app's own server does all of it", async () => {
    const it = await scene();
    const ask = (method, path, body) => admin.ask(method, path, body);
    assert.equal((await ask("PATCH", `/v1/user/${it.ada.user.id}`, form({ name: "Renamed" }))).user.name, "Renamed");
    const { success, ...sent } = await ask("POST", "/v1/messages", form({ chat_id: it.id, user_id: it.bob.user.id, text: "by the server" }));
    assert.deepEqual([success, sent.user.id], [true, it.bob.user.id]);
    assert.equal((await ask("PATCH", `/v1/messages/${sent.id}`, form({ text: "changed" }))).text, "changed");
    await ask("POST", `/v1/messages/${sent.id}/seen`, { user_id: it.ada.user.id });
    await ask("DELETE", `/v1/messages/${it.message.id}`);
    const { messages } = await admin.messages(it.id, it.ada.user.id);
    assert.deepEqual(messages.map(({ text, seen }) => [text, seen]), [["changed", true]]);
    const group = await ask("POST", "/v1/chat", form({ user_id: it.ada.user.id, usernames: [it.ada, it.eve].map(({ user }) => user.username) }));
    await ask("POST", `/v1/chat/${group.id}/participants`, { user_id: it.bob.user.id });
    assert.equal((await ask("GET", `/v1/chat/${group.id}`)).participant_user_ids.length, 3);
    await ask("DELETE", `/v1/chat/${group.id}`);
    await ask("DELETE", `/v1/user/${it.eve.user.id}`);
  });
});

// `minchat` as its document has it, without the SDK: the document's calls in the document's order, by
// every version of socket.io-client over every transport.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, readOffset, WAYS } from "../lib/client.mjs";
import { TIME, UUID } from "../lib/direct.mjs";
import { Api, form, PNG, username } from "../lib/minchat.mjs";
import { Server } from "../lib/server.mjs";

describe("minchat without the SDK", () => {
  let server;
  let api;
  const clients = new Clients(() => server.url);
  before(async () => {
    server = await Server.start({ label: "minchat-plain" });
    api = new Api(server.url, server.app.client_key);
  });
  afterEach(() => clients.closeAll());
  after(() => server?.stop());

  const withKey = (payload) => ({ ...payload, apiKey: server.app.client_key });
  const make = (name) => api.user(username(name), { name });
  /** Waits for all that was on its way. */
  const settle = (client, user) => client.ask("user.status", withKey({ memberId: user.id }));

  async function pair() {
    const [ada, bob] = [await make("Ada"), await make("Bob")];
    return { ada, bob, chat: await api.chat(ada, bob) };
  }

  for (const way of WAYS) {
    describe(way.name, () => {
      const open = (name) => clients.open({ ...way.options, name });

      test("the document from its first call to its last", async () => {
        const { ada, bob, chat } = await pair();
        const reader = await open("bob");

        reader.emit("room.user.join", withKey({ channelUserId: bob.id }));
        await settle(reader, bob);
        const first = await api.ask("POST", "/v1/messages", form({ chat_id: chat.id, user_id: ada.id, text: "one" }));
        const listed = await reader.expect("chat");
        assert.deepEqual(Object.keys(listed).sort(), [
          ...["avatar", "created_at", "id", "last_message", "metadata", "participant_user_ids", "success", "title"],
        ]);
        assert.deepEqual([listed.id, listed.title, listed.success], [chat.id, "Ada", true]);
        assert.deepEqual([...listed.participant_user_ids].sort(), [ada.id, bob.id].sort());
        assert.deepEqual(listed.last_message, first);

        reader.emit("room.join", withKey({ channelId: chat.id }));
        await settle(reader, bob);
        assert.equal(reader.inbox.size, 0, "a chat that was not joined is not heard");
        const second = await api.ask("POST", "/v1/messages", form({ chat_id: chat.id, user_id: ada.id, text: "two" }));
        const message = await reader.expect("message");
        assert.deepEqual(message, second);
        assert.match(message.id, UUID);
        assert.match(message.created_at, TIME);
        assert.deepEqual([message.chat_id, message.text, message.seen], [chat.id, "two", false]);
        assert.deepEqual([message.user.id, message.user.username, message.user.name], [ada.id, ada.username, "Ada"]);
        await reader.expect("chat");

        const changed = await api.ask("PATCH", `/v1/messages/${message.id}`, form({ text: "two!" }));
        const update = await reader.expect("message.update");
        assert.deepEqual(update, changed);
        assert.deepEqual([update.id, update.text], [message.id, "two!"]);

        await api.ask("DELETE", `/v1/messages/${message.id}`);
        assert.equal(await reader.expect("message.delete"), message.id);

        const writer = await open("ada");
        const user = { id: ada.id, username: "somebody else", isAdmin: true };
        assert.deepEqual(await writer.ask("typing.start", withKey({ channelId: chat.id, user })), { success: true });
        assert.deepEqual(await reader.expect("typing.start"), ada, "as the server knows her");
        writer.emit("typing.stop", withKey({ channelId: chat.id, user }));
        assert.deepEqual(await reader.expect("typing.stop"), ada);
        await settle(reader, bob);
        assert.equal(reader.inbox.size, 0, "nothing came twice");
        assert.equal(reader.transport === "websocket", way.transport !== "polling" && (await isUp(reader)));
      });

      const isUp = async (client) => {
        if (way.transport === "upgrade") await client.upgraded();
        return true;
      };

      test("sending by the socket: the acknowledgement is the message", async () => {
        const { ada, bob, chat } = await pair();
        const [writer, reader] = [await open("ada"), await open("bob")];
        for (const [client, user] of [[writer, ada], [reader, bob]]) {
          assert.equal((await client.ask("room.user.join", withKey({ channelUserId: user.id }))).success, true);
          assert.equal((await client.ask("room.join", withKey({ channelId: chat.id }))).success, true);
          assert.equal((await client.ask("room.join", withKey({ channelId: chat.id }))).success, true, "again");
        }
        const payload = withKey({ chat_id: chat.id, user_id: ada.id, text: "Hello", metadata: { n: 1 }, clientMessageId: "a" });
        const sent = await writer.ask("message", payload);
        assert.deepEqual([sent.success, sent.text, sent.chat_id, sent.metadata.n], [true, "Hello", chat.id, 1]);
        assert.deepEqual(await writer.ask("message", payload), sent, "the same again");
        assert.deepEqual(await reader.expect("message"), sent);
        assert.equal((await reader.expect("chat")).last_message.id, sent.id);
        assert.equal((await writer.ask("message.update", withKey({ messageId: sent.id, text: "Hi" }))).text, "Hi");
        for (const client of [writer, reader]) assert.equal((await client.expect("message.update")).text, "Hi");
        const seen = withKey({ lastMessageId: sent.id, user: { id: bob.id } });
        assert.deepEqual(await reader.ask("message.seen", seen), { success: true });
        for (const client of [writer, reader]) assert.equal(await client.expect("message.seen"), sent.id);
        const { messages } = await api.messages(chat.id, ada.id);
        assert.deepEqual(messages.map(({ text, seen }) => [text, seen]), [["Hi", true]]);
        assert.deepEqual(await writer.ask("message.delete", withKey({ messageId: sent.id })), { success: true });
        for (const client of [writer, reader]) assert.equal(await client.expect("message.delete"), sent.id);
        assert.deepEqual(await settle(writer, bob), { memberId: bob.id, status: "online" });
        reader.emit("room.leave", withKey({ channelId: chat.id }));
        reader.emit("room.user.leave", withKey({ channelUserId: bob.id }));
        await settle(reader, bob);
        assert.equal((await writer.ask("message", { ...payload, clientMessageId: "b" })).success, true);
        for (const [client, user] of [[writer, ada], [reader, bob]]) {
          await settle(client, user);
          assert.equal(client.inbox.size, 0, `${client.name} is told nothing else`);
        }
      });

      test("what is wrong is said, and changes nothing", async () => {
        const { ada, bob, chat } = await pair();
        const client = await open("ada");
        const nobody = "0192d3a4-0000-7000-8000-000000000000";
        for (const [event, payload, code, field] of [
          ["room.user.join", { channelUserId: ada.id }, "invalid", "apiKey"],
          ["room.user.join", { channelUserId: ada.id, apiKey: "pk_x" }, "unknown_key", "apiKey"],
          ["room.user.join", withKey({}), "invalid", "channelUserId"],
          ["room.user.join", withKey({ channelUserId: nobody }), null, "channelUserId"],
          ["room.join", withKey({ channelId: 7 }), "invalid", "channelId"],
          ["room.join", withKey({ channelId: nobody }), "unknown_conversation", "channelId"],
          ["message", withKey({ chat_id: chat.id, user_id: ada.id, text: " " }), "blank_text", "text"],
          ["message", withKey({ chat_id: chat.id, text: "x" }), "invalid", "user_id"],
          ["message", withKey({ chat_id: nobody, user_id: ada.id, text: "x" }), "unknown_conversation", "chat_id"],
          ["message", withKey({ chat_id: chat.id, user_id: ada.id, text: "x", metadata: [] }), "invalid", "metadata"],
          ["message", withKey({ chat_id: chat.id, user_id: ada.id, file: { buffer: "x" } }), "invalid", "file.buffer"],
          ["message.update", withKey({ messageId: nobody, text: "x" }), null, "messageId"],
          ["message.delete", withKey({ messageId: "x" }), "invalid", "messageId"],
          ["message.seen", withKey({ lastMessageId: nobody, user: { id: bob.id } }), null, "lastMessageId"],
          ["typing.start", withKey({ channelId: chat.id }), "invalid", "user"],
          ["user.status", withKey({ memberId: null }), "invalid", "memberId"],
        ]) {
          const answer = await client.ask(event, payload);
          const what = `${event}: ${JSON.stringify(answer)}`;
          assert.equal(answer.success, false, what);
          if (code) assert.equal(answer.code, code, what);
          assert.ok(answer.message.includes(field), what);
          assert.deepEqual(answer.error, { code: answer.code, message: answer.message });
          assert.deepEqual(await client.expect("error"), { message: answer.message, code: answer.code });
        }
        const { total_messages: total } = await api.messages(chat.id, ada.id);
        assert.equal(total, 0);
        assert.equal(client.inbox.size, 0);
      });

      test("a file as an attachment", async () => {
        const { ada, bob, chat } = await pair();
        const [writer, reader] = [await open("ada"), await open("bob")];
        await reader.ask("room.join", withKey({ channelId: chat.id }));
        const file = { name: "pixel.png", type: "image/png", buffer: PNG };
        const sent = await writer.ask("message", withKey({ chat_id: chat.id, user_id: ada.id, text: "look", file }));
        assert.deepEqual([sent.file?.type, sent.file?.name], ["image", "pixel.png"]);
        assert.deepEqual(await reader.expect("message"), sent);
        const answer = await fetch(sent.file.url);
        assert.equal(answer.headers.get("content-type"), "image/png");
        assert.deepEqual(Buffer.from(await answer.arrayBuffer()), PNG);
        await settle(reader, bob);
      });

      test("every event of ours ends with an offset, so that a client that comes back misses nothing", async () => {
        const { ada, bob, chat } = await pair();
        const reader = await open("bob");
        await reader.ask("room.user.join", withKey({ channelUserId: bob.id }));
        await reader.ask("room.join", withKey({ channelId: chat.id }));
        const say = (text) => api.ask("POST", "/v1/messages", { chat_id: chat.id, user_id: ada.id, text });
        await say("one");
        for (const event of ["message", "chat"]) {
          const item = await reader.inbox.take(event, (it) => it.event === event);
          assert.ok(readOffset(item.offset), event);
        }
        reader.socket.io.engine.close();
        await say("two");
        assert.equal(await reader.back(), true, "it goes on with its session");
        assert.equal((await reader.expect("message")).text, "two");
        assert.equal((await reader.expect("chat")).last_message.text, "two");
        await settle(reader, bob);
        assert.equal(reader.inbox.size, 0, "nothing came twice");
      });
    });
  }
});

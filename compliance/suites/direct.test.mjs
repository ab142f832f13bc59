// The `direct` API with real clients: every version over every transport does all of it.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, WAYS } from "../lib/client.mjs";
import { checkMessage, history, join, person, send, settle, TIME, UUID } from "../lib/direct.mjs";
import { Server, createApp } from "../lib/server.mjs";

const TEXTS = {
  "20,000 characters": "All work and no play. ".repeat(910).slice(0, 20_000),
  "20,000 four-byte characters in UTF-16 pairs": "🐙🦀".repeat(5_000),
  "64 KiB to the byte": "é".repeat(32_768),
  "emoji with joiners, skin tones and flags": "👩🏽‍🚀 👨‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🇺🇦 ❤️‍🔥 1️⃣",
  "right to left, mixed, with marks": "שלום \u200fworld\u200e مرحبا بالعالم ١٢٣ \u202Eabc\u202C",
  "combining marks, not normalised": "e\u0301 \u00e9 \u1100\u1161\u11a8 각 Z̸̢͓͔͉a̵̺̽l̷͝g̶͘o̵",
  "NUL and the other control characters": Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join("x"),
  "everything that needs an escape": `"\\"\\\\" \\u0041 \\n / \b\f\n\r\t \u2028\u2029 \u007f \ufeff </script><!-- ]]> ' \``,
  "what looks like packets": '42["new_message",{"body":"x"}]\u001e2\u001e41\u001eb4AAAA {"_placeholder":true,"num":0}',
  "what looks like an offset": "1a2b3c.7.0",
  "blanks around": "  \t two words \n ",
  "noncharacters and the last code point": "\ufffe\uffff\ufffd \u{10ffff} \u{1f600}",
};

describe("direct", () => {
  let server;
  const clients = new Clients(() => server.url);
  before(async () => {
    server = await Server.start({ label: "direct" });
  });
  afterEach(() => clients.closeAll());
  after(() => server?.stop());

  for (const way of WAYS) {
    describe(way.name, () => {
      const open = (name) => clients.open({ ...way.options, name });

      test("two people talk", async () => {
        const [a, b] = [person(), person()];
        const [alice, bob] = [await open("alice"), await open("bob")];
        const first = await join(alice, a, b);
        assert.match(first.roomId, UUID);
        assert.deepEqual(first.messages, []);
        assert.deepEqual(Object.keys(first.room).sort(), [
          ...["created_at", "id", "last_message_at", "participant1", "participant2", "updated_at"],
        ]);
        assert.equal(first.room.id, first.roomId);
        assert.deepEqual([first.room.participant1, first.room.participant2].sort(), [a, b].sort());
        assert.match(first.room.created_at, TIME);
        assert.match(first.room.updated_at, TIME);
        assert.equal(first.room.last_message_at, null);

        const second = await join(bob, b, a);
        assert.deepEqual(second.room, first.room);

        const ack = await send(alice, first.roomId, a, "Hello world!");
        assert.equal(ack.success, true);
        const { success, ...sent } = ack;
        checkMessage(sent, { roomId: first.roomId, senderId: a, body: "Hello world!" });
        for (const client of [alice, bob]) {
          assert.deepEqual(await client.expect("new_message"), sent);
        }

        bob.emit("send_message", { roomId: first.roomId, senderId: b, body: "Hi" });
        for (const client of [alice, bob]) {
          checkMessage(await client.expect("new_message"), { roomId: first.roomId, senderId: b, body: "Hi" });
        }
        const third = await join(await open("carol, for alice"), a, b);
        assert.deepEqual(third.messages.map(({ body }) => body), ["Hello world!", "Hi"]);
        assert.match(third.room.last_message_at, TIME);
        await settle(alice, first.roomId);
        await settle(bob, first.roomId);
        assert.equal(alice.inbox.size, 0, "nothing else came");
        assert.equal(bob.inbox.size, 0, "nothing else came");
        if (way.transport === "upgrade") await alice.upgraded();
        assert.equal(alice.transport, way.transport === "polling" ? "polling" : "websocket");
      });

      test("the other person's list is updated, in the room or not, and nobody else's", async () => {
        const [a, b, stranger] = [person(), person(), person()];
        const alice = await open("alice");
        const inRoom = await open("bob in the room");
        const outside = await open("bob outside");
        const other = await open("a stranger");
        for (const [client, id] of [[alice, a], [inRoom, b], [outside, b], [other, stranger]]) {
          assert.equal((await client.ask("register_user", id)).success, true);
        }
        const { roomId } = await join(alice, a, b);
        await join(inRoom, b, a);
        const { id, created_at } = await send(alice, roomId, a, "news");
        assert.match(id, UUID);
        for (const client of [inRoom, outside]) {
          const update = await client.expect("chat_list_update");
          assert.deepEqual(update, { room_id: roomId, last_message: "news", sender_id: a, updated_at: created_at });
        }
        await inRoom.expect("new_message");
        await alice.expect("new_message");
        await settle(alice, roomId);
        await settle(inRoom, roomId);
        await settle(outside, roomId);
        await other.ask("register_user", stranger);
        for (const client of [alice, inRoom, outside, other]) {
          assert.equal(client.inbox.size, 0, `${client.name} got nothing else`);
        }
      });

      test("history and paging", async () => {
        const [a, b] = [person(), person()];
        const alice = await open("alice");
        const { roomId } = await join(alice, a, b);
        const bodies = Array.from({ length: 130 }, (_, n) => `message ${n}`);
        await Promise.all(bodies.map((body, n) => send(alice, roomId, n % 3 ? a : b, body)));

        const bob = await open("bob");
        const { messages } = await join(bob, b, a);
        assert.deepEqual(messages.map(({ body }) => body), bodies.slice(80), "the last 50, oldest first");

        const page = async (more) => {
          bob.emit("fetch_messages", { roomId, ...more });
          const { messages, offset } = await bob.expect("more_messages");
          return { bodies: messages.map(({ body }) => body), offset };
        };
        assert.deepEqual(await page({ limit: 20, offset: 50 }), { bodies: bodies.slice(60, 80), offset: 70 });
        assert.deepEqual(await page({ offset: 70 }), { bodies: bodies.slice(40, 60), offset: 90 }, "limit is 20 unless said");
        assert.deepEqual(await page({}), { bodies: bodies.slice(110), offset: 20 }, "offset is 0 unless said");
        assert.deepEqual(await page({ limit: 5000 }), { bodies: bodies.slice(30), offset: 100 }, "a limit over 100 is 100");
        assert.deepEqual(await page({ limit: 100, offset: 100 }), { bodies: bodies.slice(0, 30), offset: 130 });
        assert.deepEqual(await page({ limit: 1, offset: 129 }), { bodies: bodies.slice(0, 1), offset: 130 });
        assert.deepEqual(await page({ offset: 130 }), { bodies: [], offset: 130 });
        assert.deepEqual(await page({ offset: 100_000 }), { bodies: [], offset: 100_000 });

        const ack = await bob.ask("fetch_messages", { roomId, limit: 2, offset: 0 });
        assert.equal(ack.success, true);
        assert.deepEqual(ack.messages.map(({ body }) => body), bodies.slice(128));
        assert.equal(ack.offset, 2);
        await bob.expect("more_messages");
        const all = await history(bob, roomId, 7);
        assert.deepEqual(all.map(({ body }) => body), bodies);
        assert.deepEqual(all.map(({ id }) => id), all.map(({ id }) => id).sort(), "ids sort in creation order");
      });

      test("texts arrive byte for byte, live, in the ack, in lists and in history", async () => {
        const [a, b] = [person(), person()];
        const [alice, bob] = [await open("alice"), await open("bob")];
        await bob.ask("register_user", b);
        const { roomId } = await join(alice, a, b);
        await join(bob, b, a);
        for (const [what, body] of Object.entries(TEXTS)) {
          const ack = await send(alice, roomId, a, body);
          assert.equal(ack.success, true, `${what}: ${JSON.stringify(ack).slice(0, 200)}`);
          assert.equal(ack.body, body, `${what} in the ack`);
          assert.equal((await bob.expect("new_message")).body, body, `${what} live`);
          assert.equal((await alice.expect("new_message")).body, body, `${what} to the sender`);
          assert.equal((await bob.expect("chat_list_update")).last_message, body, `${what} in the list`);
        }
        const bodies = (await history(bob, roomId)).map(({ body }) => body);
        assert.deepEqual(bodies, Object.values(TEXTS));
      });

      test("three devices of one person", async () => {
        const [a, b] = [person(), person()];
        const devices = [await open("phone"), await open("laptop"), await open("tablet")];
        const bob = await open("bob");
        const rooms = [];
        for (const device of devices) {
          await device.ask("register_user", a);
          rooms.push((await join(device, a, b)).roomId);
        }
        assert.equal(new Set(rooms).size, 1);
        const roomId = rooms[0];
        await join(bob, b, a);
        await bob.ask("register_user", b);

        await send(devices[0], roomId, a, "from the phone");
        for (const client of [...devices, bob]) {
          checkMessage(await client.expect("new_message"), { roomId, senderId: a, body: "from the phone" });
        }
        await send(bob, roomId, b, "to all of you");
        for (const client of [...devices, bob]) {
          checkMessage(await client.expect("new_message"), { roomId, senderId: b, body: "to all of you" });
        }
        for (const device of devices) {
          assert.equal((await device.expect("chat_list_update")).last_message, "to all of you");
        }
        assert.equal((await bob.expect("chat_list_update")).last_message, "from the phone");
        devices[1].close();
        await send(bob, roomId, b, "one is gone");
        for (const client of [devices[0], devices[2]]) await client.expect("new_message");
      });

      test("several rooms on one socket", async () => {
        const a = person();
        const alice = await open("alice");
        const friends = [];
        for (let n = 0; n < 5; n += 1) {
          const id = person();
          const client = await open(`friend ${n}`);
          const { roomId } = await join(alice, a, id);
          assert.equal((await join(client, id, a)).roomId, roomId);
          friends.push({ id, client, roomId });
        }
        assert.equal(new Set(friends.map(({ roomId }) => roomId)).size, 5);
        await Promise.all(friends.map(({ id, client, roomId }) => send(client, roomId, id, `from ${id}`)));
        const got = [];
        for (let n = 0; n < 5; n += 1) got.push(await alice.expect("new_message"));
        for (const { id, client, roomId } of friends) {
          assert.equal(got.find((message) => message.room_id === roomId).body, `from ${id}`);
          checkMessage(await client.expect("new_message"), { roomId, senderId: id, body: `from ${id}` });
          await settle(client, roomId);
          assert.equal(client.inbox.size, 0, "rooms do not leak into each other");
        }
      });

      test("joining twice shows every message once", async () => {
        const [a, b] = [person(), person()];
        const alice = await open("alice");
        const { roomId } = await join(alice, a, b);
        await join(alice, a, b);
        await join(alice, b, a);
        await send(alice, roomId, a, "once");
        await alice.expect("new_message");
        await settle(alice, roomId);
        assert.equal(alice.inbox.size, 0);
      });

      test("a sender need not be in the room, and sending does not join", async () => {
        const [a, b] = [person(), person()];
        const [alice, outside] = [await open("alice"), await open("outside")];
        const { roomId } = await join(alice, a, b);
        assert.equal((await send(outside, roomId, b, "from outside")).success, true);
        await alice.expect("new_message", ({ body }) => body === "from outside");
        await send(alice, roomId, a, "you do not hear this");
        await alice.expect("new_message");
        await outside.ask("register_user", b);
        await settle(outside, roomId);
        assert.equal(outside.inbox.size, 0);
      });

      test("errors say what is wrong, and the socket lives on", async () => {
        const [a, b, stranger] = [person(), person(), person()];
        const alice = await open("alice");
        const eve = await open("eve, a stranger");
        const { roomId } = await join(alice, a, b);
        await send(alice, roomId, a, "private");
        await alice.expect("new_message");
        await eve.ask("register_user", stranger);
        const good = { roomId, senderId: a, body: "x" };
        const cases = [
          ["register_user", ["bob"], "invalid"],
          ["register_user", [7], "invalid"],
          ["register_user", [null], "invalid"],
          ["register_user", [{ id: a }], "invalid"],
          ["register_user", [], "invalid"],
          ["join_chat", [], "invalid"],
          ["join_chat", [null], "invalid"],
          ["join_chat", ["a string"], "invalid"],
          ["join_chat", [[a, b]], "invalid"],
          ["join_chat", [{}], "invalid", "userId"],
          ["join_chat", [{ userId: a }], "invalid", "targetUserId"],
          ["join_chat", [{ userId: a, targetUserId: "bob" }], "invalid", "targetUserId"],
          ["join_chat", [{ userId: 5, targetUserId: b }], "invalid", "userId"],
          ["join_chat", [{ userId: a, targetUserId: a }], "same_person"],
          ["join_chat", [{ userId: a, targetUserId: a.toUpperCase() }], "same_person"],
          ["send_message", [], "invalid"],
          ["send_message", [{ ...good, roomId: undefined }], "invalid", "roomId"],
          ["send_message", [{ ...good, roomId: "lobby" }], "invalid", "roomId"],
          ["send_message", [{ ...good, roomId: person() }], "unknown_conversation"],
          ["send_message", [{ ...good, senderId: undefined }], "invalid", "senderId"],
          ["send_message", [{ ...good, senderId: stranger }], "unknown_conversation"],
          ["send_message", [{ ...good, senderId: person() }], "unknown_conversation"],
          ["send_message", [{ ...good, body: undefined }], "invalid", "body"],
          ["send_message", [{ ...good, body: 12 }], "invalid", "body"],
          ["send_message", [{ ...good, body: { toString: "x" } }], "invalid", "body"],
          ["send_message", [{ ...good, body: "" }], "blank_text", "body"],
          ["send_message", [{ ...good, body: " \n\t\u00a0\u3000" }], "blank_text", "body"],
          ["send_message", [{ ...good, body: "x".repeat(65_537) }], "text_too_long", "body"],
          ["send_message", [{ ...good, body: `${"é".repeat(32_768)}.` }], "text_too_long", "body"],
          ["send_message", [{ ...good, clientMessageId: 7 }], "invalid", "clientMessageId"],
          ["send_message", [{ ...good, clientMessageId: "" }], "invalid", "clientMessageId"],
          ["send_message", [{ ...good, clientMessageId: "x".repeat(129) }], "invalid", "clientMessageId"],
          ["fetch_messages", [{}], "invalid", "roomId"],
          ["fetch_messages", [{ roomId, limit: 0 }], "invalid", "limit"],
          ["fetch_messages", [{ roomId, limit: -1 }], "invalid", "limit"],
          ["fetch_messages", [{ roomId, limit: 2.5 }], "invalid", "limit"],
          ["fetch_messages", [{ roomId, limit: "20" }], "invalid", "limit"],
          ["fetch_messages", [{ roomId, offset: -1 }], "invalid", "offset"],
          ["fetch_messages", [{ roomId, offset: 0.5 }], "invalid", "offset"],
          ["fetch_messages", [{ roomId: person() }], "unknown_conversation"],
          ["no_such_event", [{}], "unknown_event"],
          ["registerMessages", ["token"], "unknown_event"],
        ];
        for (const [event, args, code, field] of cases) {
          const what = `${event} ${JSON.stringify(args).slice(0, 120)}`;
          alice.emit(event, ...args);
          const error = await alice.expect("error");
          assert.deepEqual(Object.keys(error).sort(), ["code", "message"], what);
          assert.equal(error.code, code, `${what}: ${error.message}`);
          assert.ok(error.message.length > 8, what);
          if (field) assert.ok(error.message.includes(field), `${what}: "${error.message}" names ${field}`);
          const answer = await alice.ask(event, ...args);
          assert.deepEqual(answer, { success: false, error: { code, message: error.message } }, what);
          await alice.expect("error");
        }
        const spied = await eve.ask("fetch_messages", { roomId });
        const unknown = await eve.ask("fetch_messages", { roomId: person() });
        assert.deepEqual(spied, unknown, "a stranger cannot tell a room that exists from one that does not");
        assert.equal(spied.error.code, "unknown_conversation");
        const posted = await send(eve, roomId, stranger, "let me in");
        assert.deepEqual(posted, await send(eve, person(), stranger, "let me in"));
        assert.equal((await send(alice, roomId, a, "still here")).success, true);
        const bodies = (await history(alice, roomId)).map(({ body }) => body);
        assert.deepEqual(bodies, ["private", "still here"], "no error left anything behind");
      });

      test("extra fields and extra arguments are ignored", async () => {
        const [a, b] = [person(), person()];
        const alice = await open("alice");
        alice.emit("join_chat", { userId: a, targetUserId: b, theme: "dark" }, "more", 7);
        const { roomId } = await alice.expect("room_joined");
        const ack = await alice.ask("send_message", { roomId, senderId: a, body: "x", id: "mine", room_id: 1 }, null);
        assert.equal(ack.success, true);
        checkMessage(await alice.expect("new_message"), { roomId, senderId: a, body: "x" });
      });

      test("a send that is repeated makes one message", async () => {
        const [a, b] = [person(), person()];
        const [alice, bob] = [await open("alice"), await open("bob")];
        const { roomId } = await join(alice, a, b);
        await join(bob, b, a);
        const clientMessageId = person();
        const first = await send(alice, roomId, a, "once", { clientMessageId });
        assert.equal(first.success, true);
        const again = await send(alice, roomId, a, "once", { clientMessageId });
        assert.deepEqual(again, first, "the same answer");
        const changed = await send(alice, roomId, a, "another text", { clientMessageId });
        assert.deepEqual(changed, first, "the first text stands");
        const burst = await Promise.all(
          Array.from({ length: 10 }, () => send(alice, roomId, a, "burst", { clientMessageId: "burst" })),
        );
        assert.equal(new Set(burst.map(({ id }) => id)).size, 1, "also within one commit");
        const other = await send(bob, roomId, b, "bob's own", { clientMessageId });
        assert.notEqual(other.id, first.id, "ids are per sender");
        const { roomId: elsewhere } = await join(alice, a, person());
        const there = await send(alice, elsewhere, a, "elsewhere", { clientMessageId });
        assert.notEqual(there.id, first.id, "and per room");
        assert.equal((await send(alice, roomId, a, "twice")).success, true);
        assert.equal((await send(alice, roomId, a, "twice")).success, true);
        const bodies = (await history(bob, roomId)).map(({ body }) => body);
        assert.deepEqual(bodies, ["once", "burst", "bob's own", "twice", "twice"], "equal texts without an id are two");
        await settle(bob, roomId);
        assert.deepEqual(bob.seen("new_message").map(({ body }) => body), bodies, "shown once each");
      });

      test("what is typed before the page says who it is waits a moment", async () => {
        const [a, b] = [person(), person()];
        const alice = await open("alice");
        const { roomId } = await join(alice, a, b);
        await send(alice, roomId, a, "earlier");
        const bob = clients.make({ ...way.options, name: "bob", autoConnect: false });
        bob.emit("fetch_messages", { roomId, limit: 5, offset: 0 });
        bob.socket.on("connect", () => bob.emit("join_chat", { userId: b, targetUserId: a }));
        bob.socket.connect();
        const { messages } = await bob.expect("more_messages");
        assert.deepEqual(messages.map(({ body }) => body), ["earlier"]);
        await bob.expect("room_joined");

        const nobody = await open("nobody");
        const answer = await nobody.ask("fetch_messages", { roomId, limit: 5, offset: 0 });
        assert.equal(answer.success, false, "who never says it is refused in the end");
        assert.equal(answer.error.code, "not_identified");
      });

      test("a burst of 120 messages, sent without waiting, comes whole and in order", async () => {
        const [a, b] = [person(), person()];
        const [alice, bob] = [await open("alice"), await open("bob")];
        const { roomId } = await join(alice, a, b);
        await join(bob, b, a);
        // As many as the default rate lets pass at once.
        const bodies = Array.from({ length: 120 }, (_, n) => `burst ${n}`);
        for (const body of bodies) alice.emit("send_message", { roomId, senderId: a, body });
        for (const body of bodies) assert.equal((await bob.expect("new_message")).body, body);
        for (const body of bodies) assert.equal((await alice.expect("new_message")).body, body);
      });
    });
  }

  test("people of different versions and transports are in one room", async () => {
    const [a, b] = [person(), person()];
    const all = [];
    let roomId;
    for (const way of WAYS) {
      const client = await clients.open({ ...way.options, name: way.name });
      ({ roomId } = await join(client, a, b));
      all.push(client);
    }
    for (const client of all) await send(client, roomId, a, `by ${client.name}`);
    const orders = [];
    for (const client of all) {
      const seen = [];
      while (seen.length < all.length) seen.push((await client.expect("new_message")).body);
      orders.push(seen);
    }
    for (const order of orders) assert.deepEqual(order, all.map(({ name }) => `by ${name}`));
  });

  test("ids are compared without case", async () => {
    const [a, b] = [person(), person()];
    const alice = await clients.open({ name: "alice" });
    const { roomId } = await join(alice, a, b);
    const loud = await clients.open({ name: "ALICE" });
    assert.equal((await join(loud, a.toUpperCase(), b.toUpperCase())).roomId, roomId);
  });

  test("apps do not see each other, and an unknown appKey is refused", async () => {
    const other = await createApp(server.data, `other-${person()}`, "open", []);
    const [a, b] = [person(), person()];
    const here = await clients.open({ name: "in the default app" });
    const there = await clients.open({ name: "in another app", auth: { appKey: other.client_key } });
    const byQuery = await clients.open({ name: "in another app by query", query: { appKey: other.client_key } });
    const first = await join(here, a, b);
    const second = await join(there, a, b);
    assert.notEqual(first.roomId, second.roomId);
    assert.equal((await join(byQuery, b, a)).roomId, second.roomId);
    assert.equal((await send(there, first.roomId, a, "across")).error.code, "unknown_conversation");
    const wrong = clients.make({ name: "with a wrong key", auth: { appKey: "no-such-key" } });
    assert.ok((await wrong.refused()).detail);
  });
});

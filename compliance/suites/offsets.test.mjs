// What an unmodified client needs to be able to go on where it was: a pid in the CONNECT answer, an
// offset behind every event that counts, and nothing of it for clients that would break.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, readOffset } from "../lib/client.mjs";
import { join, person, send, settle } from "../lib/direct.mjs";
import { RawWebSocket } from "../lib/raw.mjs";
import { Server } from "../lib/server.mjs";

const after4 = (a, b) => {
  for (let at = 1; at < 4; at += 1) if (a[at] !== b[at]) return a[at] > b[at];
  return false;
};

describe("offsets", () => {
  let server;
  const raws = [];
  const clients = new Clients(() => server.url);
  const raw = async (options) => {
    const client = await RawWebSocket.connect(server.port, options);
    raws.push(client);
    return client;
  };
  before(async () => {
    server = await Server.start({ label: "offsets" });
  });
  afterEach(() => {
    clients.closeAll();
    for (const client of raws.splice(0)) client.destroy();
  });
  after(() => server?.stop());

  /** Every kind of event that `direct` has, on one socket. */
  async function everything(client, other) {
    const [a, b] = [person(), person()];
    await client.ask("register_user", a);
    const { roomId } = await join(client, a, b);
    await send(client, roomId, a, "one");
    await client.expect("new_message");
    assert.equal((await send(other, roomId, b, "two")).success, true);
    await client.expect("new_message");
    await client.expect("chat_list_update");
    client.emit("fetch_messages", { roomId });
    await client.expect("more_messages");
    client.emit("send_message", { roomId, senderId: a, body: "" });
    await client.expect("error");
    await settle(client, roomId);
    return { roomId, a, b };
  }

  for (const transport of ["websocket", "polling"]) {
    test(`${transport}: a pid, and an offset behind every event, strictly rising`, async () => {
      const client = await clients.open({ name: "alice", transports: [transport] });
      const [answer] = client.answers;
      assert.deepEqual(Object.keys(answer).sort(), ["pid", "sid"]);
      assert.ok(answer.pid.length >= 20, "128 random bits");
      assert.notEqual(answer.pid, answer.sid);
      assert.equal(client.socket.id, answer.sid);
      await everything(client, await clients.open({ name: "bob" }));

      const events = client.packets.filter((packet) => packet[0] === "2");
      assert.ok(events.length >= 8, `${events.length} events`);
      let last = null;
      for (const packet of events) {
        assert.equal(packet[1], "[", `no event asks for an acknowledgement: ${packet}`);
        const args = JSON.parse(packet.slice(1));
        assert.equal(args.length, 3, `name, payload, offset: ${packet}`);
        const offset = readOffset(args[2]);
        assert.ok(offset, `${args[2]} is an offset`);
        if (last) assert.ok(after4(offset, last), `${args[2]} comes after what was before it`);
        last = offset;
      }
      const acks = client.packets.filter((packet) => packet[0] === "3");
      assert.ok(acks.length >= 3);
      for (const packet of acks) {
        assert.equal(JSON.parse(packet.replace(/^3\d+/, "")).length, 1, `an ack has one argument: ${packet}`);
      }
    });
  }

  test("one event has the same offset on all sockets", async () => {
    const [a, b] = [person(), person()];
    const all = [];
    for (const name of ["alice", "bob", "alice again"]) all.push(await clients.open({ name }));
    let roomId;
    for (const client of all) ({ roomId } = await join(client, a, b));
    await send(all[0], roomId, a, "same for all");
    const offsets = [];
    for (const client of all) {
      offsets.push((await client.inbox.take("new_message", ({ event }) => event === "new_message")).offset);
    }
    assert.equal(new Set(offsets).size, 1, offsets.join(" "));
  });

  test("the client reports the offset of its last event when it comes back, not one of an ack", async () => {
    const client = await clients.open({ name: "alice", transports: ["websocket"] });
    const [a, b] = [person(), person()];
    const { roomId } = await join(client, a, b);
    await send(client, roomId, a, "x");
    await client.ask("register_user", a);
    await settle(client, roomId);
    const events = client.packets.filter((packet) => packet[0] === "2");
    const last = JSON.parse(events.at(-1).slice(1)).at(-1);
    client.engine.close();
    await client.back();
    const { pid, offset } = client.connects.at(-1);
    assert.deepEqual([pid, offset], [client.answers[0].pid, last]);
    const back = await join(client, a, b);
    assert.deepEqual(back.messages.map(({ body }) => body), ["x"], "the connection works after it came back");
  });

  const without = [
    ["auth.recovery is false", { auth: { recovery: false } }],
    ["?recovery=0", { query: "EIO=4&transport=websocket&recovery=0" }],
    ["the client is Python by its User-Agent", { headers: { "User-Agent": "python-requests/2.31.0" } }],
    ["the client is Python's websockets", { headers: { "User-Agent": "Python/3.12 websockets/12.0" } }],
    ["the client is Dart", { headers: { "User-Agent": "Dart/3.2 (dart:io)" } }],
  ];
  for (const [why, options] of without) {
    test(`no pid and no offsets when ${why}`, async () => {
      const client = await raw(options);
      assert.deepEqual(Object.keys(client.connected), ["sid"]);
      const [a, b] = [person(), person()];
      assert.equal((await client.ask("register_user", a)).success, true);
      const { roomId } = await client.ask("join_chat", { userId: a, targetUserId: b }).then(async (ack) => {
        assert.equal(ack.success, true);
        return client.event("room_joined", (...args) => args.length === 1);
      });
      await client.event("message_history", (...args) => args.length === 1);
      assert.equal((await client.ask("send_message", { roomId, senderId: a, body: "x" })).success, true);
      await client.event("new_message", (...args) => args.length === 1);
      await client.ask("send_message", { roomId, senderId: b, body: "y" });
      await client.event("chat_list_update", (...args) => args.length === 1);
      await client.ask("send_message", { roomId, senderId: b, body: "" });
      await client.event("error", (...args) => args.length === 1);
    });
  }

  test("one with and one without offsets in the same room", async () => {
    const [a, b] = [person(), person()];
    const plain = await raw({ auth: { recovery: false } });
    const usual = await raw({});
    for (const client of [plain, usual]) {
      const ack = await client.ask("join_chat", { userId: a, targetUserId: b });
      assert.equal(ack.success, true);
    }
    const { roomId } = await plain.event("room_joined");
    await usual.ask("send_message", { roomId, senderId: a, body: "both" });
    await plain.event("new_message", (...args) => args.length === 1);
    await usual.event("new_message", (...args) => args.length === 2 && readOffset(args[1]) !== null);
  });
});

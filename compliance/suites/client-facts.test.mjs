// What an unmodified socket.io-client really does, one test for each fact, and that the server
// reckons with it. What other suites show at length: `offsets` that every event of `direct` ends with
// an offset (F2, F3, F13), `direct` that what is typed early waits, on all transports (F9), `python`
// whole conversations with handlers of one argument (F13).

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, readOffset } from "../lib/client.mjs";
import { history, join, person, send, settle } from "../lib/direct.mjs";
import { eventually, within } from "../lib/inbox.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { PythonClient, python } from "../lib/python.mjs";
import { Polling, RawWebSocket, request } from "../lib/raw.mjs";
import { Server } from "../lib/server.mjs";
import { UNLIMITED_RATES, settings } from "../lib/settings.mjs";

describe("facts about socket.io-client", () => {
  let server;
  let proxy;
  const clients = new Clients(() => server.url);
  const websocket = { transports: ["websocket"] };
  const polling = { transports: ["polling"] };
  before(async () => {
    server = await Server.start({ label: "client-facts", settings: settings(UNLIMITED_RATES) });
    proxy = await startProxy(server.port);
  });
  afterEach(() => {
    clients.closeAll();
    proxy.release();
    proxy.goOnline();
  });
  after(async () => {
    await proxy?.close();
    await server?.stop();
  });

  /** Two people in one room, she behind the line that can be cut. */
  async function pair(options = websocket) {
    const [a, b] = [person(), person()];
    const alice = await clients.open({ name: "alice", url: proxy.url, ...options });
    const bob = await clients.open({ name: "bob", ...websocket });
    const { roomId } = await join(alice, a, b);
    await join(bob, b, a);
    return { alice, bob, a, b, roomId };
  }

  /** Loses the line, and has the server say something meanwhile. */
  async function miss({ alice, bob, b, roomId }, ...bodies) {
    proxy.goOffline();
    await alice.disconnected();
    for (const body of bodies) assert.equal((await send(bob, roomId, b, body)).success, true);
    proxy.goOnline();
    await alice.connected();
    return alice.socket.recovered;
  }

  const bodies = (client) => client.seen("new_message").map(({ body }) => body);

  test("F1: `retries` sends a message under new ids, and a clientMessageId makes one message of them", async () => {
    const { alice, bob, roomId, a } = await pair({ ...websocket, retries: 10, ackTimeout: 100 });
    const ids = new Set();
    const write = alice.socket.io._packet;
    const enough = new Promise((resolve) => {
      alice.socket.io._packet = (packet) => {
        ids.add(packet.id);
        if (ids.size === 3) resolve();
        write(packet);
      };
    });
    proxy.hold({ down: true });
    const answered = new Promise((resolve) =>
      alice.socket.emit("send_message", { roomId, senderId: a, body: "tried", clientMessageId: "once" }, (error, answer) =>
        resolve({ error, answer }),
      ),
    );
    await within(enough, "three tries");
    proxy.release();
    const { error, answer } = await within(answered, "an answer");
    assert.deepEqual([error, answer.success], [null, true]);
    assert.deepEqual((await history(bob, roomId)).map(({ body }) => body), ["tried"]);
  });

  test("F2: whatever kind of event came last, answers too, the client comes back to the place behind it", async () => {
    const room = await pair();
    const { alice, bob, a, b, roomId } = room;
    const lasts = {
      message_history: () => join(alice, a, b),
      new_message: () => send(bob, roomId, b, "live").then(() => alice.expect("new_message")),
      more_messages: () => history(alice, roomId),
      error: () => (alice.emit("send_message", { roomId, senderId: a, body: " " }), alice.expect("error")),
      chat_list_update: async () => {
        await alice.ask("register_user", a);
        await send(bob, roomId, b, "listed");
        await alice.expect("new_message");
        await alice.expect("chat_list_update");
      },
    };
    for (const [event, act] of Object.entries(lasts)) {
      await act();
      const last = JSON.parse(alice.packets.findLast((packet) => packet[0] === "2").slice(1));
      assert.equal(last[0], event);
      assert.equal(await miss(room, `missed after ${event}`), true, event);
      const { offset } = alice.connects.at(-1);
      assert.ok(readOffset(offset), `${offset} is a place`);
      assert.equal(offset, last.at(-1));
      assert.equal((await alice.expect("new_message")).body, `missed after ${event}`);
      if (event === "chat_list_update") await alice.expect("chat_list_update");
      await settle(alice, roomId);
      assert.deepEqual(alice.inbox.drain(), [], `nothing twice after ${event}`);
    }
  });

  test("F3: no event asks for an acknowledgement, which would keep its place from being noted", async () => {
    const room = await pair();
    const { alice, bob, a, b, roomId } = room;
    await alice.ask("register_user", a);
    await send(bob, roomId, b, "one");
    await send(alice, roomId, a, "two");
    await history(alice, roomId);
    await miss(room, "three");
    await alice.expect("new_message", ({ body }) => body === "three");
    const events = alice.packets.filter((packet) => packet[0] === "2");
    assert.ok(events.length >= 8, events.join("\n"));
    for (const packet of events) assert.equal(packet[1], "[", packet);
  });

  for (const transport of [websocket, polling]) {
    test(`F4: CONNECT is answered before what was missed, over ${transport.transports}`, async () => {
      const room = await pair(transport);
      const before = room.alice.packets.length;
      assert.equal(await miss(room, "one", "two"), true);
      await room.alice.expect("new_message", ({ body }) => body === "two");
      const [first, ...rest] = room.alice.packets.slice(before);
      assert.match(first, /^0\{/);
      assert.deepEqual(rest.map((packet) => JSON.parse(packet.slice(1))[0]), ["new_message", "new_message"]);
      // So they moved its place: lost once more, nothing of it comes again.
      bodies(room.alice);
      assert.equal(await miss(room), true);
      await settle(room.alice, room.roomId);
      assert.deepEqual(bodies(room.alice), []);
    });
  }

  test("F5: the close packet shares no polling payload with events, also when the server ends under load", async () => {
    const own = await Server.start({ label: "closing", settings: settings(UNLIMITED_RATES) });
    const people = new Clients(() => own.url);
    try {
      const [a, b] = [person(), person()];
      const writer = await people.open({ name: "writer", ...websocket });
      const { roomId } = await join(writer, a, b);
      const payloads = [];
      const poll = async () => {
        const raw = await Polling.connect(own.port);
        await raw.ask("join_chat", { userId: b, targetUserId: a });
        for (;;) {
          const { status, body } = await raw.poll();
          if (status !== 200) return;
          const packets = body.split("\x1e");
          payloads.push(packets);
          if (packets.includes("1")) return;
        }
      };
      const readers = Array.from({ length: 10 }, poll);
      let talking = true;
      let sent = 0;
      writer.socket.on("new_message", () => talking && writer.emit("send_message", { roomId, senderId: a, body: `${sent++}` }));
      for (let n = 0; n < 20; n += 1) writer.emit("send_message", { roomId, senderId: a, body: "go" });
      await eventually("traffic", () => payloads.length > 100);
      await own.terminate();
      talking = false;
      await Promise.all(readers);
      const closing = payloads.filter((packets) => packets.includes("1"));
      assert.ok(closing.length > 0, "somebody was told over a poll");
      for (const packets of closing) assert.deepEqual(packets, ["1"]);
    } finally {
      people.closeAll();
      await own.stop();
    }
  });

  test("F6: an event whose handler threw comes again, and no other", async () => {
    const room = await pair();
    const { alice } = room;
    const handled = [];
    const thrown = [];
    alice.socket.on("new_message", ({ body }) => {
      if (body === "two" && thrown.length === 0) throw new Error("a page's own mistake");
      handled.push(body);
    });
    process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error.message));
    try {
      await send(room.bob, room.roomId, room.b, "one");
      await send(room.bob, room.roomId, room.b, "two");
      await eventually("the handler to throw", () => thrown.length > 0);
      assert.equal(await miss(room, "three"), true);
      await eventually("all to be handled", () => handled.includes("three"));
    } finally {
      process.setUncaughtExceptionCaptureCallback(null);
    }
    assert.deepEqual(thrown, ["a page's own mistake"]);
    assert.deepEqual(handled, ["one", "two", "three"]);
  });

  test("F7: overload is a 503 before the handshake, after which a client tries again; a refusal ends it for good", async () => {
    const small = await Server.start({ label: "small", identity: "verified", settings: { limits: { connections: 1 } } });
    const people = new Clients(() => small.url);
    try {
      const first = await people.open({ name: "first", ...websocket });
      assert.equal((await request(small.port, "GET", "/socket.io/?EIO=4&transport=polling")).status, 503);
      const raw = await RawWebSocket.open(small.port, { handshake: false });
      assert.equal(raw.upgrade.status, 503);
      raw.destroy();
      const second = people.make({ name: "second", ...websocket });
      await second.refused();
      await second.refused();
      assert.equal(second.socket.active, true);
      first.close();
      await second.connected();
      second.close();
      const stranger = people.make({ name: "stranger", ...websocket, auth: { token: "none" } });
      await eventually("room again", async () => {
        const { data } = await stranger.refused();
        return data?.code;
      });
      assert.equal(stranger.socket.active, false);
    } finally {
      people.closeAll();
      await small.stop();
    }
  });

  test("F8: an acknowledgement that was lost does not come, the message does, and a repeated send is answered by it", async () => {
    const { alice, bob, a, roomId } = await pair();
    proxy.hold({ down: true });
    let called = false;
    const message = { roomId, senderId: a, body: "unanswered", clientMessageId: "id" };
    alice.emit("send_message", message, () => (called = true));
    const stored = await bob.expect("new_message");
    proxy.cut();
    proxy.release();
    assert.equal(await alice.back(), true);
    assert.deepEqual(await alice.expect("new_message"), stored);
    const { success, ...answer } = await alice.ask("send_message", message);
    assert.deepEqual([success, answer], [true, stored]);
    await settle(bob, roomId);
    assert.deepEqual([called, bodies(alice), bodies(bob)], [false, [], []]);
  });

  test("F9: what was typed offline goes out before `connect` handlers run, and waits for who it is from", async () => {
    const [a, b] = [person(), person()];
    const bob = await clients.open({ name: "bob", ...websocket });
    const { roomId } = await join(bob, b, a);
    const alice = clients.make({ name: "alice", ...websocket, autoConnect: false });
    const typed = alice.ask("fetch_messages", { roomId, limit: 5, offset: 0 });
    const said = alice.ask("send_message", { roomId, senderId: a, body: "typed offline" });
    alice.socket.on("connect", () => alice.emit("register_user", a));
    alice.socket.connect();
    assert.deepEqual([(await typed).success, (await said).success], [true, true]);
    assert.equal((await bob.expect("new_message")).body, "typed offline");
  });

  test("F10: a client that said goodbye still brings its old session, and does not get it back", async () => {
    const { alice, bob, b, roomId } = await pair();
    const { pid } = alice.answers[0];
    alice.socket.disconnect();
    await alice.disconnected();
    alice.socket.connect();
    await alice.connected();
    assert.equal(alice.connects.at(-1).pid, pid, "it tries");
    assert.equal(alice.socket.recovered, false);
    await send(bob, roomId, b, "not for her");
    assert.equal((await alice.ask("fetch_messages", { roomId })).error.code, "not_identified");
    assert.deepEqual(bodies(alice), []);
  });

  test("F11: a page joins once, ever, and hears its rooms after every loss and every start of the server", async () => {
    const room = await pair();
    const { alice, bob, roomId } = room;
    await alice.ask("register_user", room.a);
    for (const what of ["a loss", "kill -9", "SIGTERM"]) {
      if (what === "a loss") proxy.cut();
      else {
        await (what === "kill -9" ? server.kill() : server.terminate());
        await server.up();
        await bob.back();
      }
      assert.equal(await alice.back(), true, what);
      await send(bob, roomId, room.b, `after ${what}`);
      assert.equal((await alice.expect("new_message")).body, `after ${what}`);
      assert.equal((await alice.expect("chat_list_update")).last_message, `after ${what}`);
    }
  });

  // `market` with its two namespaces is not spoken yet. What holds without it: two managers of one page
  // come back in any order, each to its own session, and a namespace that nobody speaks costs its
  // neighbours on the same line nothing. What waits for it: `/chat` that is back before `/presence`.
  test("F12: managers of one page come back apart, in any order", async () => {
    const [a, b] = [person(), person()];
    const bob = await clients.open({ name: "bob", ...websocket });
    const early = await clients.open({ name: "early", url: proxy.url, ...websocket });
    const late = await clients.open({ name: "late", url: proxy.url, ...websocket, reconnectionDelay: 600, randomizationFactor: 0 });
    const { roomId } = await join(early, a, b);
    await late.ask("register_user", a);
    const ids = [early.socket.id, late.socket.id];
    const elsewhere = late.socket.io.socket("/nowhere");
    const refused = new Promise((resolve) => elsewhere.once("connect_error", ({ message }) => resolve(message)));
    elsewhere.connect();
    assert.equal(await within(refused, "a refusal"), "Invalid namespace");
    proxy.cut();
    assert.equal(await early.back(), true);
    await send(bob, roomId, b, "to both");
    assert.equal((await early.expect("new_message")).body, "to both");
    assert.equal(await late.back(), true);
    assert.equal((await late.expect("chat_list_update")).last_message, "to both");
    assert.deepEqual([early.socket.id, late.socket.id], ids);
  });

  const skip = python() ? false : "no Python environment: see run.mjs";
  test("F13: a client in Python gets no further argument, neither live nor after it came back", { skip }, async () => {
    const [a, b] = [person(), person()];
    const bob = await clients.open({ name: "bob", ...websocket });
    const alice = await PythonClient.open(proxy.url, { name: "alice in Python", ...websocket, auth: { recovery: false } });
    try {
      const { roomId } = await join(alice, a, b);
      await send(bob, roomId, b, "one");
      assert.equal((await alice.expect("new_message")).body, "one");
      proxy.cut();
      await alice.take("to be back", (said) => said.connected !== undefined);
      await join(alice, a, b);
      await send(bob, roomId, b, "two");
      assert.equal((await alice.expect("new_message")).body, "two");
      assert.deepEqual(alice.failures, []);
    } finally {
      await alice.close();
    }
  });
});

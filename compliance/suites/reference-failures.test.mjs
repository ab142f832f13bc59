// Where recovery fails in the reference server, told by what happens. The numbers are those of
// issues at https://github.com/socketio/socket.io; each says how to see it there.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients } from "../lib/client.mjs";
import { join, person, send, settle } from "../lib/direct.mjs";
import { eventually } from "../lib/inbox.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { Server, sum } from "../lib/server.mjs";
import { UNLIMITED_RATES, settings } from "../lib/settings.mjs";

describe("what the reference server does not recover", () => {
  let server;
  let proxy;
  const clients = new Clients(() => server.url);
  /** A client whose line can be cut. */
  const behindProxy = (name, options) => clients.open({ name, url: proxy.url, ...options });
  before(async () => {
    // A server is started again within these tests; whoever it lost in the middle of an upgrade
    // notices by the heartbeat.
    const heartbeat = { interval_seconds: 1, timeout_seconds: 1 };
    server = await Server.start({ label: "reference-failures", settings: settings(UNLIMITED_RATES, { heartbeat }) });
    proxy = await startProxy(server.port);
  });
  afterEach(() => {
    clients.closeAll();
    proxy.goOnline();
  });
  after(async () => {
    await proxy?.close();
    await server?.stop();
  });

  test("a client that lost its line before any event came is still in its rooms (#5538)", async () => {
    const [a, b] = [person(), person()];
    const alice = await behindProxy("alice");
    assert.equal((await alice.ask("register_user", a)).success, true);
    const { id } = alice.socket;
    const bob = await clients.open({ name: "bob" });
    const { roomId } = await join(bob, b, a);
    proxy.goOffline();
    await alice.disconnected();
    await send(bob, roomId, b, "while she is away");
    proxy.goOnline();
    await alice.connected();
    assert.equal(alice.connects.at(-1).offset, undefined, "it has no place to tell");
    assert.deepEqual([alice.socket.recovered, alice.socket.id], [true, id]);
    assert.equal((await alice.expect("chat_list_update")).last_message, "while she is away");
  });

  test("a client that only ever spoke is known again after the server was replaced (#4888)", async () => {
    const [a, b] = [person(), person()];
    const bob = await clients.open({ name: "bob" });
    const { roomId } = await join(bob, b, a);
    const alice = await behindProxy("alice");
    assert.equal((await alice.ask("register_user", a)).success, true);
    for (const body of ["one", "two"]) assert.equal((await send(alice, roomId, a, body)).success, true);
    proxy.goOffline();
    await server.terminate();
    await server.up();
    await bob.back();
    await send(bob, roomId, b, "three");
    proxy.goOnline();
    assert.equal(await alice.back(), true);
    assert.equal(alice.connects.at(-1).offset, undefined, "it has received nothing but acknowledgements");
    assert.equal((await alice.expect("chat_list_update")).last_message, "three");
  });

  test("a client comes back again and again, also when the server had not noticed that it was gone (#4880)", async () => {
    const [a, b] = [person(), person()];
    const bob = await clients.open({ name: "bob" });
    const alice = await behindProxy("alice", { transports: ["websocket"] });
    const { roomId } = await join(alice, a, b);
    const { id } = alice.socket;
    for (let round = 0; round < 3; round += 1) {
      proxy.abandon();
      assert.equal(await alice.back(), true, `round ${round}`);
      assert.equal(alice.socket.id, id);
      // There, what ends the later recoveries is the ping timeout of the line before.
      for (let pings = 0; round < 2 && pings < 3; pings += 1) await new Promise((pinged) => alice.socket.io.once("ping", pinged));
      await eventually("the line before to end", () => proxy.abandoned === 0);
      await send(bob, roomId, b, `after round ${round}`);
      assert.equal((await alice.expect("new_message")).body, `after round ${round}`);
    }
  });

  for (const signal of ["SIGTERM", "SIGKILL"]) {
    test(`clients go on where they were when the server is started again, and ask it for nothing: ${signal} (#5413)`, async () => {
      const [a, b] = [person(), person()];
      const people = await Promise.all(
        [{ transports: ["polling"] }, { transports: ["websocket"] }, {}].map((options, at) => behindProxy(`reader ${at}`, options)),
      );
      let roomId;
      for (const reader of people) ({ roomId } = await join(reader, a, b));
      const ids = people.map(({ socket }) => socket.id);
      const bob = await clients.open({ name: "bob" });
      await send(bob, roomId, b, "before");
      for (const reader of people) await reader.expect("new_message");
      proxy.goOffline();
      await send(bob, roomId, b, "missed");
      if (signal === "SIGTERM") await server.terminate();
      else await server.kill();
      await server.up();
      proxy.goOnline();
      for (const reader of people) assert.equal(await reader.back(), true, reader.name);
      assert.deepEqual(people.map(({ socket }) => socket.id), ids);
      for (const reader of people) assert.equal((await reader.expect("new_message")).body, "missed");
      const metrics = await server.metrics();
      assert.equal(metrics.get('palaver_events_total{dialect="direct"}') ?? 0, 0, "nobody asked for anything");
      assert.ok(sum(metrics, "palaver_recovered_total") >= people.length);
    });
  }

  test("what was recovered counts as received: lost once more, nothing comes twice (#5419)", async () => {
    const [a, b] = [person(), person()];
    const bob = await clients.open({ name: "bob" });
    const alice = await behindProxy("alice");
    const { roomId } = await join(alice, a, b);
    await alice.upgraded();
    proxy.goOffline();
    await alice.disconnected();
    const missed = ["one", "two", "three"];
    for (const body of missed) await send(bob, roomId, b, body);
    proxy.goOnline();
    await alice.connected();
    for (const body of missed) assert.equal((await alice.expect("new_message")).body, body);
    const places = [];
    for (let round = 0; round < 3; round += 1) {
      // Between two polls there is no line that could be cut.
      await alice.upgraded();
      proxy.cut();
      assert.equal(await alice.back(), true);
      places.push(alice.connects.at(-1).offset);
    }
    assert.notEqual(places[0], alice.connects[1].offset, "its place has moved with what was recovered");
    assert.equal(new Set(places).size, 1, "and then it stays");
    await settle(alice, roomId);
    assert.deepEqual(alice.seen("new_message"), []);
  });

  test("after closing its engine a client goes on hearing its rooms, recovered or not (#4733)", async () => {
    const [a, b] = [person(), person()];
    const bob = await clients.open({ name: "bob" });
    const { roomId } = await join(bob, b, a);
    // One to which the server has said nothing yet, and one whose place the server does not know.
    const silent = await behindProxy("silent");
    await silent.ask("register_user", a);
    silent.engine.close();
    assert.equal(await silent.back(), true);
    const lost = await behindProxy("lost");
    await join(lost, a, b);
    lost.socket._lastOffset = "gone";
    lost.engine.close();
    assert.equal(await lost.back(), false);
    assert.equal((await lost.expect("room_joined")).roomId, roomId);
    await send(bob, roomId, b, "does anybody hear this?");
    await silent.expect("chat_list_update");
    await lost.expect("new_message");
  });
});

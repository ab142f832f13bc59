// Coming back, in all the ways in which a connection is made and lost. What a client saw over all its
// connections is what happened: everything, once, in order, and it never joins a second time.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, TRANSPORTS, readOffset } from "../lib/client.mjs";
import { join, person, send, settle } from "../lib/direct.mjs";
import { eventually } from "../lib/inbox.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { Server } from "../lib/server.mjs";
import { UNLIMITED_RATES, settings } from "../lib/settings.mjs";
import { inSeconds, token } from "../lib/tokens.mjs";

// Whoever lost its line in the middle of an upgrade holds a paused transport and notices by the
// heartbeat only.
const heartbeat = { interval_seconds: 1, timeout_seconds: 1 };

// A token that has expired has half a minute of grace, and the other tests need not wait for that.
describe("all at the same time", { concurrency: true }, () => {
  describe("coming back", { concurrency: false }, () => {
    let server;
    let proxy;
    const clients = new Clients(() => server.url);
    before(async () => {
      server = await Server.start({ label: "coming-back", settings: settings(UNLIMITED_RATES, { heartbeat, server: { shutdown_seconds: 1 } }) });
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

    /** A reader whose line can be cut, and what its handlers saw over all its connections. */
    async function reader(name, options) {
      const client = await clients.open({ name, url: proxy.url, ...options });
      client.bodies = [];
      client.socket.on("new_message", ({ body }) => client.bodies.push(body));
      return client;
    }

    /** Somebody who says one number after the other in a room, until told to stop. */
    async function talker(a, b) {
      const client = await clients.open({ name: "talker", transports: ["websocket"] });
      const { roomId } = await join(client, a, b);
      const talk = { client, roomId, said: 0, stop: () => (talk.over = true) };
      const next = async () => {
        while (!talk.over) {
          assert.equal((await send(client, roomId, a, `${talk.said}`)).success, true);
          talk.said += 1;
        }
      };
      talk.ended = next();
      return talk;
    }

    const numbers = (from, to) => Array.from({ length: to - from }, (_, at) => `${from + at}`);

    /** It saw every number from its first one on, once and in order. */
    async function sawAll(client, talk) {
      talk.stop();
      await talk.ended;
      await eventually(`${client.name} to see the last message`, () => client.bodies.at(-1) === `${talk.said - 1}`);
      assert.deepEqual(client.bodies, numbers(Number(client.bodies[0]), talk.said));
    }

    for (const [name, options] of Object.entries(TRANSPORTS)) {
      describe(`over ${name}`, () => {
        const ready = (client) => (name === "upgrade" ? client.upgraded() : undefined);

        test("10 times in a row, in the middle of traffic", async () => {
          const [a, b] = [person(), person()];
          const alice = await reader("alice", options);
          await join(alice, b, a);
          const { id } = alice.socket;
          const talk = await talker(a, b);
          for (let round = 0; round < 10; round += 1) {
            await alice.expect("new_message");
            await ready(alice);
            // Between two polls there is no line that could be cut, so nobody gets through for a moment.
            proxy.goOffline();
            await alice.disconnected();
            proxy.goOnline();
            await alice.connected();
            assert.deepEqual([alice.socket.recovered, alice.socket.id], [true, id], `round ${round}`);
            alice.inbox.drain();
          }
          await sawAll(alice, talk);
        });

        test("before any event had come", async () => {
          const [a, b] = [person(), person()];
          const bob = await clients.open({ name: "bob" });
          const { roomId } = await join(bob, b, a);
          const alice = await reader("alice", options);
          await alice.ask("register_user", a);
          for (let round = 0; round < 3; round += 1) {
            await ready(alice);
            proxy.goOffline();
            await alice.disconnected();
            if (round === 2) await send(bob, roomId, b, "at last");
            proxy.goOnline();
            await alice.connected();
            assert.equal(alice.socket.recovered, true);
            assert.equal(alice.connects.at(-1).offset, undefined);
          }
          assert.equal((await alice.expect("chat_list_update")).last_message, "at last");
        });

        test("with 50 conversations on one socket: all of them, in one order", async () => {
          const a = person();
          const others = Array.from({ length: 50 }, person);
          const alice = await reader("alice", options);
          const rooms = [];
          for (const other of others) rooms.push((await join(alice, a, other)).roomId);
          await ready(alice);
          const bob = await clients.open({ name: "everybody else", transports: ["websocket"] });
          proxy.goOffline();
          await alice.disconnected();
          const said = [];
          await Promise.all(
            [0, 1, 2].flatMap((round) =>
              others.map(async (other, at) => {
                const { success } = await send(bob, rooms[at], other, `${at} in round ${round}`);
                said.push(`${at} in round ${round}`);
                assert.equal(success, true);
              }),
            ),
          );
          proxy.goOnline();
          await alice.connected();
          assert.equal(alice.socket.recovered, true);
          await settle(alice, rooms[0]);
          // Acknowledgements come in the order of the commits, and so does what was missed.
          assert.deepEqual(alice.bodies, said);
          const places = alice.inbox.drain(({ event }) => event === "new_message").map(({ offset }) => readOffset(offset)[1]);
          assert.deepEqual(places, [...places].sort((one, other) => one - other));
        });

        test("while the server believes the line alive: what it still writes there comes again", async () => {
          const [a, b] = [person(), person()];
          const alice = await reader("alice", options);
          await join(alice, b, a);
          const talk = await talker(a, b);
          await alice.expect("new_message");
          await ready(alice);
          proxy.hold({ down: true });
          const held = talk.said;
          await eventually("more to be said", () => talk.said > held + 20);
          proxy.abandon();
          proxy.release();
          // Polling notices only when its poll breaks, and that was just abandoned too.
          await alice.disconnected();
          await alice.connected();
          assert.equal(alice.socket.recovered, true);
          await sawAll(alice, talk);
          await eventually("the line before to end", () => proxy.abandoned === 0);
        });
      });
    }

    test("cut at every step of an upgrade, in the middle of traffic", async () => {
      const [a, b] = [person(), person()];
      const alice = await reader("alice", {});
      await join(alice, b, a);
      const talk = await talker(a, b);
      const { id } = alice.socket;
      const steps = {
        "the probe is about to be sent": (engine, cut) => setImmediate(cut),
        "the probe is answered, polling pauses": (engine, cut) => engine.once("upgrading", cut),
        "it goes on over WebSocket": (engine, cut) => engine.once("upgrade", cut),
      };
      for (const [step, arrange] of Object.entries(steps)) {
        await alice.upgraded();
        let cut;
        alice.socket.io.once("open", () => {
          const { engine } = alice.socket.io;
          arrange(engine, () => {
            cut = engine;
            proxy.cut();
          });
        });
        proxy.cut();
        await eventually(`${step}: to be back`, () => cut && alice.socket.io.engine !== cut && alice.socket.connected);
        assert.deepEqual([alice.socket.recovered, alice.socket.id], [true, id], step);
      }
      await sawAll(alice, talk);
    });

    for (const how of ["SIGTERM", "kill -9"]) {
      test(`the server ends by ${how} and comes again: over all transports at once`, async () => {
        const [a, b] = [person(), person()];
        const readers = [];
        for (const [name, options] of Object.entries(TRANSPORTS)) readers.push(await reader(name, options));
        for (const each of readers) await join(each, b, a);
        const writer = await clients.open({ name: "writer", transports: ["websocket"] });
        const { roomId } = await join(writer, a, b);
        const ids = readers.map(({ socket }) => socket.id);
        let said = 0;
        const say = async (many) => {
          for (let n = 0; n < many; n += 1) assert.equal((await send(writer, roomId, a, `${said++}`)).success, true);
        };
        for (let round = 0; round < 2; round += 1) {
          await say(20);
          proxy.goOffline();
          await say(20);
          await (how === "SIGTERM" ? server.terminate() : server.kill());
          await server.up();
          await writer.back();
          await say(20);
          proxy.goOnline();
          for (const each of readers) assert.equal(await each.back(), true, each.name);
          assert.deepEqual(readers.map(({ socket }) => socket.id), ids);
          for (const each of readers) {
            await eventually(`${each.name} to see the last message`, () => each.bodies.at(-1) === `${said - 1}`);
            assert.deepEqual(each.bodies, numbers(0, said));
          }
        }
      });
    }
  });

  describe("coming back with a new token", { concurrency: false }, () => {
    let server;
    const clients = new Clients(() => server.url);
    before(async () => {
      server = await Server.start({ label: "renewal", identity: "verified", settings: settings(UNLIMITED_RATES) });
    });
    after(async () => {
      clients.closeAll();
      await server?.stop();
    });

    /** A page whose `auth` is a function that makes a token for each CONNECT. */
    const page = (name, make) => clients.open({ name, auth: (answer) => answer({ token: token(server.app.secret, make()) }) });

    test("a token that expires is renewed by the client itself: one session, nothing missed", { timeout: 60_000 }, async () => {
      const [a, b] = [person(), person()];
      // The first token is good for 2 seconds; the server lets its bearer stay for 30 more.
      let tokens = 0;
      const alice = await page("alice", () => ({ sub: a, exp: inSeconds(tokens++ === 0 ? 2 : 3_600) }));
      const bob = await page("bob", () => ({ sub: b, exp: inSeconds(3_600) }));
      const { roomId } = await join(alice, a, b);
      const { id } = alice.socket;
      assert.equal((await alice.expect("error")).code, "token_expired");
      alice.socket.io.reconnectionDelay(1_000);
      assert.match((await alice.disconnected(45_000)).detail, /^transport/);
      await send(bob, roomId, b, "between two tokens");
      await alice.connected();
      assert.deepEqual([tokens, alice.socket.recovered, alice.socket.id], [2, true, id]);
      assert.equal((await alice.expect("new_message")).body, "between two tokens");
      assert.equal((await send(alice, roomId, a, "and on")).success, true);
    });

    test("somebody else's token does not get the session", async () => {
      const [a, b, eve] = [person(), person(), person()];
      let subject = a;
      const alice = await page("alice", () => ({ sub: subject, exp: inSeconds(3_600) }));
      const bob = await page("bob", () => ({ sub: b, exp: inSeconds(3_600) }));
      const { roomId } = await join(alice, a, b);
      subject = eve;
      alice.engine.close();
      assert.equal(await alice.back(), false);
      await send(bob, roomId, b, "not for eve");
      assert.equal((await alice.ask("register_user", eve)).success, true);
      assert.deepEqual(alice.seen("new_message"), []);
    });
  });
});

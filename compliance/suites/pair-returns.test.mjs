// `pair` over lines that break and servers that start anew: a page registers once, and never again.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients } from "../lib/client.mjs";
import { person } from "../lib/direct.mjs";
import { conversation, heard, register, send, settle, tokenOf } from "../lib/pair.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { Server } from "../lib/server.mjs";

for (const identity of ["open", "verified"]) {
  describe(`pair comes back in an app that is ${identity}`, () => {
    let server;
    let proxy;
    const clients = new Clients(() => server.url);
    before(async () => {
      server = await Server.start({ label: `pair-returns-${identity}`, identity });
      proxy = await startProxy(server.port);
    });
    afterEach(() => {
      proxy.goOnline();
      proxy.release();
      clients.closeAll();
    });
    after(async () => {
      await proxy?.close();
      await server?.stop();
    });

    const sign = (sub, more) => tokenOf(server.app.secret, sub, more);
    const open = (name, options) => clients.open({ name, url: proxy.url, ...options });

    /** Alice over a line that can be broken; Bob over one that is not, who registers whenever he connects. */
    async function scene(transport) {
      const [a, b] = [person(), person()];
      const alice = await register(await open("alice", transport), sign(a));
      alice.said = [];
      alice.socket.onAnyOutgoing((event) => alice.said.push(event));
      const bob = clients.make({ name: "bob" });
      bob.socket.on("connect", () => bob.emit("registerMessages", { token: sign(b) }));
      const there = async () => assert.equal(await bob.expect("registerMessages"), "OK");
      await there();
      await send(bob, a, "first");
      assert.equal((await heard(alice)).content, "first");
      return { a, b, alice, bob, there };
    }

    const OUTAGES = {
      "a cut": async (meanwhile) => {
        proxy.goOffline();
        await meanwhile();
        proxy.goOnline();
      },
      "a line on which nothing came through": async (meanwhile) => {
        proxy.hold({ down: true });
        await meanwhile();
        proxy.abandon();
        proxy.flow();
      },
      "kill -9": async (meanwhile, { there }) => {
        proxy.goOffline();
        await meanwhile();
        await server.kill();
        await server.up();
        await there();
        proxy.goOnline();
      },
      SIGTERM: async (meanwhile, { there }) => {
        proxy.goOffline();
        await server.terminate();
        await server.up();
        await there();
        await meanwhile();
        proxy.goOnline();
      },
    };

    for (const [what, outage] of Object.entries(OUTAGES)) {
      for (const [transport, options] of [["websocket", { transports: ["websocket"] }], ["polling", { transports: ["polling"] }]]) {
        test(`after ${what}, over ${transport}`, { timeout: 60_000 }, async () => {
          const it = await scene(options);
          const { a, b, alice, bob } = it;
          const { id } = alice.socket;
          const back = alice.back(30_000);
          await outage(async () => {
            for (const text of ["second", "third"]) await send(bob, a, text);
          }, it);
          assert.equal(await back, true, "it goes on with its session");
          assert.equal(alice.socket.id, id);
          await send(bob, a, "fourth");
          for (const text of ["second", "third", "fourth"]) assert.equal((await heard(alice)).content, text);

          // It is who it was, without a word: it sends, asks, reads and types.
          assert.deepEqual(alice.said, []);
          const { success, ...sent } = await send(alice, b, "I am back");
          assert.deepEqual(await heard(bob), sent);
          assert.equal(sent.from, a);
          const { messages } = await conversation(alice, b);
          assert.deepEqual(messages.map(({ content }) => content), ["first", "second", "third", "fourth", "I am back"]);
          const { snippets } = await alice.ask("snippets");
          assert.deepEqual(snippets.map(({ id: other }) => other), [b]);
          alice.emit("startWriting", { id: b });
          assert.deepEqual(await bob.expect("startWriting"), { id: a });
          alice.emit("stopWriting", { id: b, token: sign(a) });
          assert.deepEqual(await bob.expect("stopWriting"), { id: a });
          bob.emit("startWriting", { id: a });
          assert.deepEqual(await alice.expect("startWriting"), { id: b });
          alice.seen("snippets");
          await settle(alice);
          assert.deepEqual(alice.inbox.drain(), [], "nothing came twice");
        });
      }
    }

    test("again and again, the last registration counts", { timeout: 60_000 }, async () => {
      const { a, b, alice, bob, there } = await scene();
      const c = person();
      await register(alice, sign(c));
      for (let round = 0; round < 6; round += 1) {
        const back = alice.back(30_000);
        if (round % 3 === 2) {
          await OUTAGES["kill -9"](async () => {}, { there });
        } else proxy.cut();
        assert.equal(await back, true);
        await send(bob, a, `for nobody ${round}`);
        await send(bob, c, `for her ${round}`);
        assert.equal((await heard(alice)).content, `for her ${round}`);
        assert.equal((await send(alice, b, `by her ${round}`)).from, c);
        assert.equal((await heard(bob)).from, c);
      }
    });

    test("an OK that was lost on its way is said again", { timeout: 60_000 }, async () => {
      for (const outage of ["a line on which nothing came through", "kill -9"]) {
        const [a, b] = [person(), person()];
        const bob = clients.make({ name: "bob" });
        bob.socket.on("connect", () => bob.emit("registerMessages", { token: sign(b) }));
        const there = async () => assert.equal(await bob.expect("registerMessages"), "OK");
        await there();
        const alice = await open("alice", { transports: ["websocket"] });
        const back = alice.back(30_000);
        proxy.hold({ down: true });
        alice.emit("registerMessages", { token: sign(a) });
        // What she sends behind it tells that she is registered.
        alice.emit("message", { to: b, content: "registered?" });
        assert.equal((await heard(bob)).from, a);
        if (outage === "kill -9") {
          await server.kill();
          await server.up();
          await there();
        }
        proxy.abandon();
        proxy.flow();
        assert.equal(await back, true);
        assert.equal(await alice.expect("registerMessages"), "OK", outage);
        assert.equal((await send(alice, b, "and on")).from, a);
      }
    });

    test("what was sent while the line was down arrives once, in its order", async () => {
      const { a, b, alice, bob } = await scene();
      proxy.goOffline();
      await alice.disconnected();
      const sent = ["one", "two", "three"].map((text) => send(alice, b, text, { clientMessageId: text }));
      proxy.goOnline();
      await alice.connected();
      assert.equal(alice.socket.recovered, true);
      await Promise.all(sent);
      for (const text of ["one", "two", "three"]) assert.equal((await heard(bob)).content, text);
      const { messages } = await conversation(bob, a);
      assert.deepEqual(messages.map(({ content }) => content), ["first", "one", "two", "three"]);
    });

    test("a client without recovery registers again and asks", async () => {
      const [a, b] = [person(), person()];
      const old = clients.make({ name: "alice", version: "4.1", url: proxy.url });
      old.socket.on("connect", () => old.emit("registerMessages", { token: sign(a) }));
      assert.equal(await old.expect("registerMessages"), "OK");
      const bob = await register(await clients.open({ name: "bob" }), sign(b));
      proxy.goOffline();
      await send(bob, a, "missed");
      proxy.goOnline();
      assert.equal(await old.expect("registerMessages", () => true, 30_000), "OK");
      assert.deepEqual((await conversation(old, b)).messages.map(({ content }) => content), ["missed"]);
      await send(bob, a, "not missed");
      assert.equal((await heard(old)).content, "not missed");
    });

    test("who said goodbye is not brought back", async () => {
      const { a, alice, bob } = await scene();
      alice.socket.disconnect();
      await send(bob, a, "gone?");
      alice.socket.connect();
      await alice.connected();
      assert.equal(alice.socket.recovered, false);
      const answer = await alice.ask("snippets");
      assert.equal(answer.error?.code, "not_identified");
      assert.deepEqual(alice.seen("message"), []);
    });
  });
}

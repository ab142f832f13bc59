// `stream` over lines that break, servers that start anew and pages that are loaded again, in the middle of
// 1,000 messages: a page that subscribes once has all of them, each once, in their order.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Browser, bundle, NO_BROWSER } from "../lib/browser.mjs";
import { Clients } from "../lib/client.mjs";
import { eventually } from "../lib/inbox.mjs";
import { Feed } from "../lib/page/overlay.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { Server } from "../lib/server.mjs";
import { Crowd, EVENTS, name, Overlay, Room, tokenOf } from "../lib/stream.mjs";

const TRANSPORTS = { websocket: { transports: ["websocket"] }, polling: { transports: ["polling"] } };

describe("stream comes back", () => {
  let server;
  let proxy;
  const clients = new Clients(() => proxy.url);
  before(async () => {
    server = await Server.start({ label: "stream-returns" });
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

  /** What becomes of the line or the server while a crowd writes; how often the page comes back. */
  const OUTAGES = {
    "three short times without a line": async (crowd, client) => {
      for (const count of [250, 450, 650]) {
        await crowd.at(count);
        // A single cut may come when a polling client has nothing on its way.
        proxy.goOffline();
        await client.disconnected();
        const back = client.connected(30_000);
        proxy.goOnline();
        await back;
        assert.equal(client.socket.recovered, true);
      }
    },
    "a while without a line": async (crowd, client) => {
      await crowd.at(300);
      const back = client.back(30_000);
      proxy.goOffline();
      await crowd.at(700);
      proxy.goOnline();
      assert.equal(await back, true);
    },
    "a line on which nothing came through": async (crowd, client) => {
      await crowd.at(300);
      proxy.hold({ down: true });
      await crowd.at(600);
      const back = client.back(30_000);
      proxy.abandon();
      proxy.flow();
      assert.equal(await back, true);
    },
    "kill -9": async (crowd, client) => {
      await crowd.at(400);
      const back = client.back(40_000);
      await server.kill();
      await server.up();
      assert.equal(await back, true);
    },
    "SIGTERM": async (crowd, client) => {
      await crowd.at(400);
      const back = client.back(40_000);
      await server.terminate();
      await server.up();
      assert.equal(await back, true);
    },
  };

  for (const [transport, options] of Object.entries(TRANSPORTS)) {
    for (const [what, outage] of Object.entries(OUTAGES)) {
      test(`${what}, over ${transport}: all 1,000 once, without a word from the page`, { timeout: 120_000 }, async () => {
        const room = await Room.open(server);
        const client = clients.make({ name: "overlay", ...options });
        const overlay = new Overlay(client);
        // Before it is connected, and never again.
        overlay.subscribe("My Stream", String(room.id));
        await client.connected();
        await overlay.settle();
        overlay.said.length = 0;
        const crowd = new Crowd(room);
        await Promise.all([crowd.done, outage(crowd, client)]);
        await eventually("all messages", () => overlay.messages().length >= crowd.total);
        assert.deepEqual(overlay.said, [], "the page says nothing to be told");
        await overlay.settle();
        const told = overlay.messages();
        assert.deepEqual(told.map(({ id, content }) => [id, content]), (await room.history()).map(({ id, content }) => [id, content]));
        assert.deepEqual(told.map(({ id }) => id).sort(), [...crowd.taken].sort());
        assert.equal(told.length, 1_000);
        assert.ok(told.every(({ channel_name: called }) => called === "My Stream"), "in its own spelling");
      });
    }
  }

  /** What a page has is what was written, in its order, each once. */
  async function hasAll(room, crowd, messages, twice) {
    const history = (await room.history()).map(({ id, content }) => ({ id, content }));
    assert.equal(history.length, crowd.total);
    assert.deepEqual(messages, history);
    assert.deepEqual(twice, [], "nothing was told twice");
  }

  for (const [transport, options] of Object.entries(TRANSPORTS)) {
    for (const dies of [false, true]) {
      const how = dies ? "kill -9 while it is away" : "nothing else";
      test(`a page that is loaded again, with ${how}, over ${transport}`, { timeout: 120_000 }, async () => {
        const room = await Room.open(server);
        const called = { channelName: room.slug, chatroomId: String(room.id), slug: room.slug };
        const load = async (client) => {
          await client.connected();
          return new Feed(client.socket, server.url, called);
        };
        const crowd = new Crowd(room);
        const first = clients.make({ name: "before", ...options });
        const before = await load(first);
        await before.loaded;
        await crowd.at(350);
        // Nothing of a page is left when it is loaded again.
        first.close();
        if (dies) {
          await server.kill();
          await server.up();
        }
        await crowd.at(650);
        const feed = await load(clients.make({ name: "after", ...options }));
        await feed.loaded;
        await crowd.done;
        await eventually("all messages", () => feed.size >= crowd.total);
        await hasAll(room, crowd, feed.messages, feed.twice);
        assert.ok(feed.pages >= 13 && feed.pages <= 21, `${feed.pages} pages`);
        assert.ok(before.size < crowd.total);
      });
    }
  }

  test("a session that cannot go on leaves its rooms, names and rights to the next", { timeout: 60_000 }, async () => {
    const [open, closed] = [await Room.open(server), await Room.open(server, { private: true })];
    const auth = (tell) => tell({ token: tokenOf(server, "reader"), ...(said ? { offset: "none.of.yours" } : {}) });
    let said = false;
    const client = clients.make({ name: "overlay", auth });
    const overlay = new Overlay(client);
    overlay.subscribe("Open", open.id);
    overlay.subscribe("Closed", closed.id);
    await client.connected();
    await overlay.settle();
    overlay.said.length = 0;
    for (let round = 0; round < 3; round += 1) {
      said = true;
      const back = client.back(30_000);
      if (round < 2) proxy.cut();
      else {
        await server.kill();
        await server.up();
      }
      assert.equal(await back, false, "it is another session");
      for (const [room, called] of [[open, "Open"], [closed, "Closed"]]) {
        await room.say("Mika", `${called} ${round}`);
        const { content, channel_name: name } = await overlay.hear("message");
        assert.deepEqual([content, name], [`${called} ${round}`, called]);
      }
    }
    assert.deepEqual(overlay.said, [], "the page says nothing to be told");
    await overlay.nothingElse();
  });

  test("who comes back without the token reads a private room no longer", { timeout: 60_000 }, async () => {
    const room = await Room.open(server, { private: true });
    let claims = { token: tokenOf(server, name("guest")) };
    const client = clients.make({ name: "overlay", auth: (tell) => tell(claims) });
    const overlay = new Overlay(client);
    overlay.subscribe(room.slug, room.id);
    await client.connected();
    await overlay.settle();
    await room.say("Mika", "among us");
    await overlay.hear("message");
    claims = {};
    const back = client.back(30_000);
    proxy.cut();
    await back;
    await room.say("Mika", "still among us");
    await overlay.nothingElse();
    const { error } = await client.ask("subscribe", { channelName: room.slug, chatroomId: room.id });
    assert.equal(error.code, "token_required");
  });

  test("a client without recovery subscribes when it connects, and looks up what it missed", { timeout: 60_000 }, async () => {
    const room = await Room.open(server);
    const client = clients.make({ name: "4.1", version: "4.1" });
    const overlay = new Overlay(client);
    client.socket.on("connect", () => overlay.subscribe(room.slug, room.id));
    await client.connected();
    await overlay.settle();
    await room.say("Mika", "first");
    await overlay.hear("message");
    const back = client.back(30_000);
    proxy.goOffline();
    await room.say("Mika", "missed");
    proxy.goOnline();
    assert.ok(!(await back));
    await overlay.settle();
    await room.say("Mika", "last");
    assert.equal((await overlay.hear("message")).content, "last");
    await overlay.nothingElse();
    assert.deepEqual((await room.history()).map(({ content }) => content), ["first", "missed", "last"]);
  });

  test("what was left stays left, and what happens besides messages is not missed", { timeout: 60_000 }, async () => {
    const [kept, left] = [await Room.open(server), await Room.open(server)];
    const client = await clients.open({ name: "overlay" });
    const overlay = new Overlay(client);
    for (const room of [kept, left]) overlay.subscribe(room.slug, room.id);
    overlay.unsubscribe(left.slug, left.id);
    await overlay.settle();
    const first = await kept.say("Mika", "first");
    await overlay.hear("message");
    for (const end of [null, "kill", "terminate"]) {
      overlay.told.length = 0;
      const back = client.back(40_000);
      proxy.goOffline();
      for (const room of [kept, left]) {
        await room.ask("PUT", "livestream", { is_live: true, session_title: `before ${end}` });
        await room.ask("POST", "bans", { banned_username: name("Eve"), permanent: true });
        await room.ask("POST", "subscriptions", { username: "Mika", months: 2 });
      }
      await kept.ask("POST", "pinned-message", { message: { id: first.id } });
      if (end) {
        await server[end]();
        await server.up();
      }
      proxy.goOnline();
      assert.equal(await back, true);
      await kept.ask("DELETE", "pinned-message");
      await left.say("Mika", "unheard");
      await overlay.hear("unpinned");
      await overlay.settle();
      const happened = ["livestream", "banned", "subscribed", "pinned", "unpinned"].map((what) => EVENTS[what]);
      assert.deepEqual(overlay.told.map(({ event }) => event), happened);
      assert.ok(overlay.told.every(({ data }) => data.channel_name === kept.slug));
    }
  });

  test("a room with a crowd of readers who come and go: everybody has what was said while they were there", { timeout: 60_000 }, async () => {
    const room = await Room.open(server);
    const stays = new Overlay(await clients.open({ name: "stays" }));
    stays.subscribe(room.slug, room.id);
    await stays.settle();
    const crowd = new Crowd(room, { people: 2, each: 150 });
    const guests = [];
    for (let n = 0; n < 15; n += 1) {
      const guest = new Overlay(await clients.open({ name: `guest ${n}`, ...(n % 2 ? TRANSPORTS.polling : TRANSPORTS.websocket) }));
      guest.subscribe(`guest ${n % 3}`, room.id);
      await guest.settle();
      if (n % 5 === 4) guest.client.close();
      guests.push(guest);
    }
    await crowd.done;
    await eventually("all messages", () => stays.messages().length >= crowd.total);
    const all = stays.messages().map(({ id }) => id);
    assert.deepEqual(all, (await room.history()).map(({ id }) => id));
    for (const guest of guests.filter(({ client }) => client.socket.connected)) {
      await guest.settle();
      const ids = guest.messages().map(({ id }) => id);
      assert.deepEqual(ids, all.slice(all.length - ids.length), guest.client.name);
    }
  });

  describe("in Chromium", { skip: NO_BROWSER }, () => {
    let browser;
    let program;
    before(async () => {
      browser = await Browser.start();
      program = await bundle('import "./overlay-page.mjs";');
    });
    after(() => browser?.stop());

    for (const [transport, options] of Object.entries(TRANSPORTS)) {
      test(`a page that is loaded again, and then loses its line and its server, over ${transport}`, { timeout: 120_000 }, async () => {
        const room = await Room.open(server);
        const called = { channelName: "My Stream", chatroomId: String(room.id), slug: room.slug };
        const page = await browser.open(program);
        const load = () => page.evaluate((args) => globalThis.overlay.open(...args), [proxy.url, called, options]);
        const shown = () => page.evaluate(() => globalThis.overlay.shown());
        await load();
        const crowd = new Crowd(room);
        await crowd.at(250);
        assert.ok((await shown()).lines.length > 0);
        await page.reload();
        await page.addScriptTag({ content: program });
        await load();
        const { pages } = await shown();
        const lives = (...wanted) => eventually(`the page's life to be ${wanted}`, async () => `${(await shown()).life}` === `${wanted}`, 40_000);
        await crowd.at(500);
        proxy.goOffline();
        await lives("new", "gone");
        proxy.goOnline();
        await lives("new", "gone", "known");
        await crowd.at(700);
        await server.kill();
        await server.up();
        await lives("new", "gone", "known", "gone", "known");
        await crowd.done;
        await eventually("all messages", () => page.evaluate((total) => globalThis.overlay.count() >= total, crowd.total));
        const { lines, twice, pages: asked } = await shown();
        await hasAll(room, crowd, lines, twice);
        assert.equal(asked, pages, "and looked nothing up for that");
        await page.context().close();
      });
    }
  });
});

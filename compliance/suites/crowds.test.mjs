// Clients that hang, and too many of them: each is ended or slowed down, others notice nothing, memory returns.

import assert from "node:assert/strict";
import net from "node:net";
import { after, describe, test } from "node:test";
import { Clients } from "../lib/client.mjs";
import { join, person, send } from "../lib/direct.mjs";
import { eventually } from "../lib/inbox.mjs";
import { Line, OP, Polling, RawWebSocket, frame } from "../lib/raw.mjs";
import { Server, sum } from "../lib/server.mjs";
import { UNLIMITED_RATES, settings } from "../lib/settings.mjs";
import { MB, checkEach, clearStage, clients, connectRaw, game, keep, line, openRaw, serve, server } from "../lib/stage.mjs";

describe("clients that hang", { concurrency: true }, () => {
  after(async () => {
    clearStage();
    await game.check();
  });
  // The deadlines that an operator can set are short here; the others stand at their defaults, so all
  // of these wait at the same time.
  serve({
    settings: settings(UNLIMITED_RATES, {
      limits: { connect_timeout_seconds: 2, slow_timeout_seconds: 3 },
      // Longer together than an upgrade may take: while one is under way no ping can be written.
      heartbeat: { interval_seconds: 6, timeout_seconds: 6 },
    }),
  });
  test("no CONNECT in time: the connection is closed with 4003", async () => {
    const raw = await openRaw();
    assert.equal(await raw.closed(), 4003);
  });

  test("no CONNECT in time over polling: the session ends", async () => {
    const polling = await Polling.open(server.port);
    await eventually("the session to end", async () => {
      const { status, body } = await polling.poll();
      if (body === "2") await polling.post("3");
      return status === 400 || body === "1";
    });
  });

  test("no pong in time: the connection is closed with 4002", async () => {
    const raw = await connectRaw();
    raw.answersPings = false;
    assert.equal(await raw.closed(30_000), 4002);
  });

  test("no poll and no pong: the session ends", async () => {
    const polling = await Polling.connect(server.port);
    const gone = () => server.metrics().then((now) => now.get('palaver_closed_total{reason="ping_timeout"}') ?? 0);
    await eventually("a ping timeout", async () => (await gone()) > 0, 30_000);
    await eventually("the session to be dead", async () => (await polling.poll()).status === 400);
  });

  test("a probe that never says a word: polling goes on, the probe is dropped", async () => {
    const polling = await Polling.connect(server.port);
    const probe = keep(
      await RawWebSocket.open(server.port, { query: `EIO=4&transport=websocket&sid=${polling.open.sid}`, handshake: false }),
    );
    assert.equal(probe.upgrade.status, 101);
    assert.equal((await polling.ask("no_such_event")).success, false);
    await Promise.all([probe.line.gone("the silent probe", 30_000), polls(polling, () => probe.line.ended)]);
    assert.equal((await polling.ask("no_such_event")).success, false);
  });

  test("a probe that never finishes: polling goes on, nothing is lost", async () => {
    const polling = await Polling.connect(server.port);
    const probe = keep(
      await RawWebSocket.open(server.port, { query: `EIO=4&transport=websocket&sid=${polling.open.sid}`, handshake: false }),
    );
    probe.send("2probe");
    await probe.text((packet) => packet === "3probe");
    await polling.post('420["no_such_event"]');
    await Promise.all([probe.line.gone("the half-open upgrade", 30_000), polls(polling, () => probe.line.ended)]);
    await polling.packet((packet) => packet.startsWith('42["error"'));
    await polling.packet((packet) => packet.startsWith("430["));
  });

  test("a probe that says something else is dropped, and polling goes on", async () => {
    const polling = await Polling.connect(server.port);
    const probe = keep(
      await RawWebSocket.open(server.port, { query: `EIO=4&transport=websocket&sid=${polling.open.sid}`, handshake: false }),
    );
    probe.send("4hello");
    await probe.line.gone("the wrong probe");
    assert.equal((await polling.ask("no_such_event")).success, false);
  });

  test("a second WebSocket for one session is closed, the first goes on", async () => {
    const polling = await Polling.connect(server.port);
    const options = { query: `EIO=4&transport=websocket&sid=${polling.open.sid}`, handshake: false };
    const first = keep(await RawWebSocket.open(server.port, options));
    first.send("2probe");
    await first.text((packet) => packet === "3probe");
    first.send("5");
    await eventually("polling to be over", async () => (await polling.poll()).status === 400);
    const second = keep(await RawWebSocket.open(server.port, options));
    if (second.upgrade.status === 101) await second.line.gone("the second WebSocket");
    assert.equal((await first.ask("no_such_event")).success, false);
  });

  test("a head that comes byte by byte, for ever", async () => {
    const slow = line();
    await slow.write("GET /healthz HTTP/1.1\r\n");
    const timer = setInterval(() => slow.write("X"), 200);
    try {
      await slow.gone("a slow head", 45_000);
    } finally {
      clearInterval(timer);
    }
  });

  test("a body that was promised and does not come", async () => {
    const polling = await Polling.connect(server.port);
    const slow = line();
    await slow.write(`POST ${polling.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n42["x"`);
    await slow.gone("a slow body", 60_000);
  });

  test("a connection that says nothing at all", async () => {
    await line().gone("a silent line", 45_000);
  });

  test("half a frame, and then silence: the heartbeat ends it", async () => {
    const raw = await connectRaw();
    await raw.write(frame("4".repeat(1000)).subarray(0, 20));
    raw.answersPings = false;
    await raw.line.gone("half a frame", 20_000);
  });
});

/** Goes on polling, and answering pings, until the condition holds. */
async function polls(polling, is) {
  while (!is()) {
    const { status, body } = await polling.poll();
    assert.equal(status, 200, "polling goes on");
    const packets = body.split("\x1e");
    if (packets.includes("2")) await polling.post("3");
    polling.packets.push(...packets.filter((packet) => !["2", "6"].includes(packet)));
  }
}

describe("too many and too much", () => {
  serve({
    settings: settings(UNLIMITED_RATES, {
      limits: { connect_timeout_seconds: 3, slow_timeout_seconds: 3 },
      sessions: { recent_bytes: 16 << 20 },
    }),
  });
  checkEach();

  test("2,000 connections that never CONNECT are closed, and their memory returns", { timeout: 120_000 }, async () => {
    const earlier = server.rss();
    const crowd = [];
    for (let n = 0; n < 2_000; n += 100) {
      crowd.push(...(await Promise.all(Array.from({ length: 100 }, () => openRaw({ name: "silent" })))));
    }
    await game.check();
    assert.deepEqual([...new Set(await Promise.all(crowd.map((raw) => raw.closed(30_000))))], [4003]);
    await server.rssBelow(earlier + 24_000);
  });

  test("2,000 sessions over polling that never come back end by themselves", { timeout: 120_000 }, async () => {
    const earlier = server.rss();
    for (let n = 0; n < 2_000; n += 100) {
      const opened = await Promise.all(Array.from({ length: 100 }, () => Polling.open(server.port)));
      for (const { answer } of opened) assert.equal(answer.status, 200);
    }
    await eventually(
      "the sessions to end",
      async () => sum(await server.metrics(), "palaver_connections") <= 4,
      60_000,
      500,
    );
    await server.rssBelow(earlier + 24_000);
  });

  test("50 frozen readers of a busy room are closed as slow, and memory stays", { timeout: 120_000 }, async () => {
    const [a, b] = [person(), person()];
    const talker = await clients.open({ name: "talker", transports: ["websocket"] });
    const { roomId } = await join(talker, a, b);
    const body = "f".repeat(16_000);
    const talk = async (messages) => {
      let peak = 0;
      for (let n = 0; n < messages; n += 100) {
        const acks = await Promise.all(Array.from({ length: 100 }, () => send(talker, roomId, a, body)));
        for (const ack of acks) assert.equal(ack.success, true);
        peak = Math.max(peak, server.rss());
        talker.inbox.drain();
      }
      return peak;
    };
    // What a busy room costs by itself, with nobody frozen in it.
    const earlier = await talk(2_000);
    const frozen = [];
    for (let n = 0; n < 50; n += 1) {
      const raw = await connectRaw({ name: "frozen" });
      raw.send(`42["join_chat",{"userId":"${b}","targetUserId":"${a}"}]`);
      await raw.event("message_history");
      raw.line.socket.pause();
      frozen.push(raw);
    }
    const slow = async () => (await server.metrics()).get('palaver_closed_total{reason="slow"}') ?? 0;
    // 48 MB for each of the 50: in queues of their own that would be 2.4 GB.
    const peak = await talk(3_000);
    assert.ok(peak < earlier + 64_000, `${earlier} kB without frozen readers, ${peak} kB with them`);
    await eventually("all of them to be closed as slow", async () => (await slow()) >= 50, 30_000, 200);
    for (const raw of frozen) raw.destroy();
    await server.rssBelow(earlier + 32_000);
  });

  test("who does not read answers is not read either, and loses nothing", { timeout: 120_000 }, async () => {
    const [a, b] = [person(), person()];
    const raw = await connectRaw({ name: "does not drink" });
    raw.send(`42["join_chat",{"userId":"${b}","targetUserId":"${a}"}]`);
    const { roomId } = await raw.event("room_joined");
    await raw.event("message_history");
    const fetching = await connectRaw({ name: "asks and does not read" });
    fetching.send(`42["join_chat",{"userId":"${b}","targetUserId":"${a}"}]`);
    await fetching.event("message_history");
    const body = "m".repeat(10_000);
    for (let n = 0; n < 100; n += 1) assert.equal((await raw.ask("send_message", { roomId, senderId: b, body })).success, true);
    const earlier = server.rss();
    fetching.line.socket.pause();
    // 2,000 answers of a megabyte each, if somebody were to make them all.
    const question = frame(`42["fetch_messages",{"roomId":"${roomId}","limit":100,"offset":0}]`);
    fetching.write(Buffer.concat(Array.from({ length: 2_000 }, () => question)));
    await game.check(40, 20_000);
    const now = server.rss();
    assert.ok(now < earlier + 64_000, `${earlier} kB before, ${now} kB with unread answers`);
  });

  test("500 people who ask for whole pages and hang up leave nothing behind", { timeout: 60_000 }, async () => {
    const [a, b] = [person(), person()];
    const talker = await connectRaw();
    talker.send(`42["join_chat",{"userId":"${a}","targetUserId":"${b}"}]`);
    const { roomId } = await talker.event("room_joined");
    for (let n = 0; n < 50; n += 1) await talker.ask("send_message", { roomId, senderId: a, body: "m".repeat(10_000) });
    const earlier = server.rss();
    for (let n = 0; n < 500; n += 1) {
      const raw = await connectRaw();
      raw.send(`42["join_chat",{"userId":"${a}","targetUserId":"${b}"}]`);
      raw.send(`42["fetch_messages",{"roomId":"${roomId}","limit":100}]`);
      raw.line.socket.resetAndDestroy();
    }
    await server.rssBelow(earlier + 32_000);
  });

  test("10,000 lines opened and dropped", { timeout: 60_000 }, async () => {
    const earlier = server.rss();
    for (let n = 0; n < 10_000; n += 200) {
      await Promise.all(
        Array.from(
          { length: 200 },
          () =>
            new Promise((resolve) => {
              const socket = net.connect(server.port, "127.0.0.1", () => socket.resetAndDestroy());
              socket.on("close", resolve);
              socket.on("error", () => {});
            }),
        ),
      );
    }
    await server.rssBelow(earlier + 24_000);
  });

  test("100 attachments of a megabyte that break off leave nothing behind", { timeout: 60_000 }, async () => {
    const earlier = server.rss();
    for (let n = 0; n < 100; n += 1) {
      const raw = await connectRaw();
      raw.send('451-["register_user",{"_placeholder":true,"num":0}]');
      await raw.write(frame(Buffer.alloc(MB, n), { opcode: OP.BINARY }).subarray(0, MB - 10));
      raw.destroy();
    }
    await server.rssBelow(earlier + 32_000);
  });
});

describe("no room", () => {
  test("without file descriptors the server waits, and goes on when there are some", async () => {
    const poor = await Server.start({
      label: "poor",
      wrap: ([bin, ...args]) => ["bash", "-c", 'ulimit -n 96; exec "$0" "$@"', bin, ...args],
    });
    const people = new Clients(() => poor.url);
    try {
      const lucky = await people.open({ name: "lucky", transports: ["websocket"] });
      const lines = Array.from({ length: 150 }, () => new Line(poor.port));
      await Promise.all(lines.map(({ opened }) => opened));
      const [a, b] = [person(), person()];
      const { roomId } = await join(lucky, a, b);
      assert.equal((await send(lucky, roomId, a, "still served")).success, true);
      for (const each of lines) each.destroy();
      await people.open({ name: "later", transports: ["websocket"] });
    } finally {
      people.closeAll();
      await poor.stop();
    }
  });
});

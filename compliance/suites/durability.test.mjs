// What was acknowledged stays: through kill -9 at random moments, and through SIGTERM under load.
// KILLS and SEED: see lib/long-run.mjs.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { Client, TRANSPORTS } from "../lib/client.mjs";
import { history, join, person, send } from "../lib/direct.mjs";
import { KILLS, LongRun } from "../lib/long-run.mjs";
import { seeded } from "../lib/random.mjs";
import { Sender, judge, judgeReader } from "../lib/senders.mjs";
import { Server, createApp } from "../lib/server.mjs";
import { UNLIMITED_RATES, settings } from "../lib/settings.mjs";

const WAYS = Object.values(TRANSPORTS);

// A socket.io-client whose server goes between the probe's pong and the upgrade holds a paused
// transport and notices by the heartbeat only, so that has to be quick here.
const heartbeat = { interval_seconds: 2, timeout_seconds: 2 };

/** A reader who joins on every connect, as a page does that was written with care. */
function watch(url, userId, targetUserId, options) {
  const client = new Client(url, { name: "reader", ...options });
  client.messages = [[]];
  client.socket.on("connect", () => {
    client.messages.push([]);
    client.emit("join_chat", { userId, targetUserId });
  });
  client.socket.on("new_message", (message) => client.messages.at(-1).push(message));
  return client;
}

/** Senders talk, the server is killed at a moment that `random` chooses, and comes back. */
async function killOnce(server, random, round) {
  const [a, b] = [person(), person()];
  const opener = await Client.open(server.url, { name: "opener" });
  const { roomId } = await join(opener, a, b);
  opener.close();
  const text = random.below(4) === 0 ? (body) => `${body} ${"x".repeat(random.below(4000))}` : undefined;
  const senders = Array.from({ length: 2 + random.below(6) }, (_, number) => {
    return new Sender(server.url, {
      name: `s${round}-${number}`,
      roomId,
      senderId: random.pick([a, b]),
      repeats: number % 2 === 0,
      window: random.pick([1, 4, 16, 64]),
      options: { ...WAYS[random.below(WAYS.length)], version: random.pick(["4.8", "4.8", "4.1"]) },
      text,
    });
  });
  const readers = [watch(server.url, a, b, WAYS[random.below(3)]), watch(server.url, b, a, WAYS[1])];
  try {
    // Mostly when acknowledgements flow, sometimes while everybody is still coming in.
    if (random.below(5) > 0) {
      await Promise.all(senders.map((sender) => sender.until("a first answer", () => sender.acked > 0)));
    }
    await new Promise((resolve) => setTimeout(resolve, random.next() ** 2 * 400));
    await server.kill();
    await server.up();
    await Promise.all(
      senders.map(async (sender) => {
        if (sender.client.socket.connected === false) await sender.until("to be back", () => sender.client.socket.connected, 30_000);
        await sender.finish();
      }),
    );
    const keeper = await Client.open(server.url, { name: "keeper", transports: ["websocket"] });
    await join(keeper, a, b);
    const told = await history(keeper, roomId);
    const verdict = judge(senders, told);
    for (const reader of readers) for (const seen of reader.messages) judgeReader(seen, told);
    // What was acknowledged long ago is still recognised when it is sent once more.
    for (const sender of senders.filter(({ repeats }) => repeats)) {
      const message = sender.sent[random.below(sender.sent.length)];
      if (!message?.acked) continue;
      const again = await send(keeper, roomId, sender.senderId, message.body, { clientMessageId: message.id });
      assert.deepEqual(again, message.acked, "the same id is answered by the same message");
    }
    assert.equal((await history(keeper, roomId)).length, told.length);
    keeper.close();
    return { ...verdict, room: { a, b, roomId, count: told.length, last: told.at(-1)?.id } };
  } finally {
    for (const sender of senders) sender.close();
    for (const reader of readers) reader.close();
  }
}

describe("durability", () => {
  test(`what is acknowledged before kill -9 is there afterwards, once: ${KILLS} kills`, { timeout: Infinity }, async (t) => {
    const run = new LongRun("kills", { acked: 0, rooms: [] });
    const { state } = run;
    const options = { label: "kills", data: state.data, identity: null, settings: settings(UNLIMITED_RATES, { heartbeat }) };
    if (run.isNew) await createApp(state.data, "kills", "open");
    const server = await Server.start(options);
    t.diagnostic(run.title);
    try {
      while (state.done < KILLS) {
        const random = seeded(`${state.seed}:${state.done}`);
        try {
          const { acked, room } = await killOnce(server, random, `${state.done}-${randomUUID().slice(0, 4)}`);
          state.acked += acked;
          state.rooms.push(room);
        } catch (error) {
          error.message = `SEED=${state.seed}, kill ${state.done + 1}: ${error.message}`;
          throw error;
        }
        run.did(1, () => `${state.acked} acknowledged`);
      }
      // Later kills took nothing away from earlier rounds.
      const keeper = await Client.open(server.url, { name: "keeper", transports: ["websocket"] });
      for (const { a, b, roomId, count, last } of state.rooms.slice(-100)) {
        await join(keeper, a, b);
        const told = await history(keeper, roomId);
        assert.equal(told.length, count);
        assert.equal(told.at(-1)?.id, last);
      }
      keeper.close();
      t.diagnostic(`${state.acked} acknowledged messages, all there`);
      assert.ok(state.acked > KILLS, "there was load at all");
    } finally {
      await server.stop();
    }
    run.end();
  });

  test("SIGTERM under load: nothing acknowledged is lost, clients come back by themselves", async (t) => {
    const [a, b] = [person(), person()];
    const patience = 10;
    const server = await Server.start({
      label: "sigterm",
      settings: settings(UNLIMITED_RATES, { heartbeat, server: { shutdown_seconds: patience } }),
    });
    const senders = [];
    const idle = [];
    try {
      const opener = await Client.open(server.url, { name: "opener" });
      const { roomId } = await join(opener, a, b);
      opener.close();
      for (const version of ["4.8", "4.1"]) {
        for (const way of WAYS) {
          senders.push(
            new Sender(server.url, {
              name: `${version}-${senders.length}`,
              roomId,
              senderId: a,
              repeats: true,
              window: 32,
              options: { ...way, version },
            }),
          );
          const reader = watch(server.url, b, a, { ...way, version });
          await reader.connected();
          idle.push(reader);
        }
      }
      await Promise.all(senders.map((sender) => sender.until("200 answers", () => sender.acked >= 200)));
      const { code, signal, ms } = await server.terminate();
      assert.deepEqual({ code, signal }, { code: 0, signal: null });
      assert.ok(ms < (patience + 5) * 1000, `it took ${ms} ms`);
      t.diagnostic(`exit after ${ms} ms`);
      assert.doesNotMatch(server.log(), /did not take what was written/, "nobody had to be cut off");
      for (const { client } of [...senders, ...idle.map((client) => ({ client }))]) {
        const { detail } = await client.disconnected();
        assert.match(detail, /^transport (close|error)$/, `${client.name}: ${detail}`);
      }
      const ackedBefore = senders.map(({ acked }) => acked);
      await server.up();
      await Promise.all(
        senders.map(async (sender, at) => {
          await sender.until("more answers", () => sender.acked > ackedBefore[at] + 20, 30_000);
          await sender.finish();
        }),
      );
      for (const reader of idle) await reader.connected();
      const keeper = await Client.open(server.url, { name: "keeper" });
      await join(keeper, a, b);
      const told = await history(keeper, roomId);
      judge(senders, told);
      for (const reader of idle) for (const seen of reader.messages) judgeReader(seen, told);
      keeper.close();
    } finally {
      for (const sender of senders) sender.close();
      for (const reader of idle) reader.close();
      await server.stop();
    }
  });

  test("an idle server ends at once on SIGTERM and on SIGINT", async () => {
    for (const signal of ["SIGTERM", "SIGINT"]) {
      const server = await Server.start({ label: "idle" });
      const client = await Client.open(server.url, { name: "idle", reconnection: false });
      server.child.kill(signal);
      const { code } = await server.exited;
      assert.equal(code, 0, signal);
      assert.match((await client.disconnected()).detail, /^transport (close|error)$/);
      client.close();
      await server.stop();
    }
  });
});

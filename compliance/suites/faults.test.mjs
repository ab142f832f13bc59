// The disk fails while people are connected: what cannot be stored is refused or left open, nothing
// that was acknowledged is lost, reading goes on, and all is well again once the cause is gone,
// without a restart.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { Clients } from "../lib/client.mjs";
import { history, join, person, send } from "../lib/direct.mjs";
import { databaseSizes, limitFiles, lockDatabase, mountDisk, survivesLimits } from "../lib/disk.mjs";
import { eventually } from "../lib/inbox.mjs";
import { request } from "../lib/raw.mjs";
import { Server } from "../lib/server.mjs";
import { UNLIMITED_RATES, settings } from "../lib/settings.mjs";

/** No floor: it is the database that meets the end of the disk. */
const NO_FLOOR = { store: { free_space_floor_bytes: 0 } };

describe("the disk fails while people are connected", () => {
  let server;
  let clients;
  let disk;
  let people;
  afterEach(async () => {
    clients?.closeAll();
    try {
      await server?.stop();
    } finally {
      disk?.unmount();
      server = disk = undefined;
    }
  });

  /** Three people in one room over all transports, and an outcome for every message. */
  async function start(options) {
    server = await Server.start({ label: "faults", wrap: survivesLimits, ...options });
    clients = new Clients(() => server.url);
    const [a, b] = [person(), person()];
    const writer = await clients.open({ name: "writer", transports: ["websocket"] });
    const readers = [await clients.open({ name: "polling", transports: ["polling"] }), await clients.open({ name: "upgraded" })];
    let roomId;
    for (const client of [writer, ...readers]) ({ roomId } = await join(client, a, b));
    people = { a, b, writer, readers, roomId, acked: [], open: [] };
  }

  /** The answer, or null when the connection was closed without one. */
  async function say(body, more) {
    const { writer, roomId, a } = people;
    const closed = new Promise((resolve) => writer.socket.once("disconnect", () => resolve(null)));
    const answer = await Promise.race([send(writer, roomId, a, body, { clientMessageId: body.slice(0, 40), ...more }), closed]);
    if (answer?.success) people.acked.push(body);
    if (answer === null) {
      people.open.push(body);
      await writer.connected();
    }
    return answer;
  }

  const refused = (answer) => {
    assert.equal(answer?.success, false, `not refused: ${answer?.body?.slice(0, 40)}`);
    assert.equal(answer.error.code, "unavailable");
  };
  const ready = async () => (await request(server.port, "GET", "/readyz")).status;

  /** Reading and coming back work, and everybody who was connected still is. */
  async function checkReading() {
    const { readers, roomId, a, acked } = people;
    for (const reader of readers) {
      assert.equal(reader.socket.connected, true, reader.name);
      const told = (await history(reader, roomId)).map(({ body }) => body);
      for (const body of acked) assert.ok(told.includes(body), `${reader.name} finds what was acknowledged`);
    }
    readers[1].engine.close();
    assert.equal(await readers[1].back(), true, "somebody comes back meanwhile");
  }

  /** All is well: in the history stands what was acknowledged, once, and everybody has seen it. */
  async function checkAll() {
    const { writer, readers, roomId, acked, open } = people;
    await eventually("to be ready", async () => (await ready()) === 200);
    // What was left without an answer is sent again under its id.
    for (const body of open) assert.equal((await say(body)).success, true);
    assert.equal((await say("all is well")).success, true);
    const told = (await history(writer, roomId)).map(({ body }) => body);
    assert.deepEqual([...told].sort(), [...new Set(acked)].sort());
    for (const reader of readers) {
      await reader.expect("new_message", ({ body }) => body === "all is well");
    }
    assert.equal(server.starts, 1, "nobody started it again");
  }

  test("a full disk", async (t) => {
    disk = mountDisk(16 << 20);
    if (!disk) {
      // Without root: the same refusal by SQLite, because its files may not grow.
      t.diagnostic("NO ROOT: cannot mount a small disk, limiting the size of files instead");
      await start({ settings: settings(UNLIMITED_RATES, NO_FLOOR) });
      await say("before");
      const { database, wal } = databaseSizes(server.data);
      limitFiles(server.pid, Math.max(database, wal) + 20_000);
    } else {
      await start({ data: `${disk.path}/data`, settings: settings(UNLIMITED_RATES, NO_FLOOR) });
      await say("before");
      disk.fill();
    }
    let answer;
    for (let n = 0; n < 100 && answer?.success !== false; n += 1) answer = await say(`${n} ${"x".repeat(8_000)}`);
    refused(answer);
    // Where files are limited the WAL has been emptied by now, so that this may fit.
    const again = await say(`and again ${"x".repeat(30_000)}`);
    if (disk) refused(again);
    await checkReading();
    if (disk) disk.empty();
    else limitFiles(server.pid);
    await checkAll();
  });

  test("less free space than the floor: messages are refused before the disk is full, joining works", async (t) => {
    disk = mountDisk(96 << 20);
    if (!disk) {
      t.diagnostic("NO ROOT: cannot mount a small disk; the floor is above what any disk has instead");
      await start({ settings: settings(UNLIMITED_RATES, { store: { free_space_floor_bytes: 1e12 } }) });
      refused(await say("too much"));
      return checkReading();
    }
    await start({ data: `${disk.path}/data`, settings: settings(UNLIMITED_RATES) });
    assert.equal((await say("before")).success, true);
    disk.fill(32 << 20);
    refused(await say("too much"));
    await join(await clients.open({ name: "newcomer" }), person(), people.a);
    await checkReading();
    disk.empty();
    await checkAll();
  });

  // What a disk that has become read-only does to a server with open files: every write fails.
  test("a disk that takes no more writes", async () => {
    await start({ settings: settings(UNLIMITED_RATES, NO_FLOOR) });
    assert.equal((await say("before")).success, true);
    limitFiles(server.pid, 0);
    for (const body of ["one", "two", "three"]) {
      // The first one may be lost in the middle of its commit; from then on all is refused.
      const answer = await say(body);
      if (answer !== null || body !== "one") refused(answer);
    }
    assert.equal(await ready(), 503);
    limitFiles(server.pid);
    await checkAll();
  });

  test("a commit that fails in the middle", async () => {
    await start({ settings: settings(UNLIMITED_RATES, NO_FLOOR) });
    for (let round = 0; round < 2; round += 1) {
      // The WAL is full of small commits then and much longer than the database.
      for (let n = 0; n < 50; n += 1) assert.equal((await say(`small ${n} in round ${round}`)).success, true);
      const { database, wal } = databaseSizes(server.data);
      limitFiles(server.pid, Math.max(database, wal) + 5_000);
      const answer = await say(`in round ${round} ${"x".repeat(60_000)}`);
      if (answer !== null) refused(answer);
      limitFiles(server.pid);
      assert.equal((await say(`after round ${round}`)).success, true);
    }
    await checkReading();
    await checkAll();
  });

  test("a database that another process holds", async () => {
    await start({ settings: settings(UNLIMITED_RATES) });
    assert.equal((await say("before")).success, true);
    const holder = await lockDatabase(server.data);
    refused(await say("not now"));
    await checkReading();
    assert.equal(await ready(), 503);
    await holder.release();
    await checkAll();
  });
});

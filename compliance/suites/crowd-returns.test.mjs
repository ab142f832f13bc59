// Everybody comes back at once: what they missed comes from memory, and who they are costs the
// store a few reads, not one for each of them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "../lib/client.mjs";
import { send } from "../lib/direct.mjs";
import { Returns, loadBinary } from "../lib/load.mjs";
import { Server, sum } from "../lib/server.mjs";

const skip = loadBinary() ? false : "no load client: cargo build --example load";
const READERS = 5_000;

describe(`${READERS} readers of one conversation come back at once`, { skip }, () => {
  let server;
  let readers;
  before(async () => {
    server = await Server.start({ label: "crowd-returns" });
    readers = await Returns.start(server, READERS);
  });
  after(async () => {
    await readers?.stop();
    await server?.stop();
  });

  /** Somebody says something that all of them miss. */
  async function say(body) {
    const writer = await Client.open(server.url, { name: "writer" });
    assert.equal((await send(writer, readers.roomId, readers.people[0], body)).success, true);
    writer.close();
  }

  async function reads(act) {
    const count = async () => sum(await server.metrics(), "palaver_store_reads_total");
    const earlier = await count();
    const report = await act();
    return { ...report, reads: (await count()) - earlier };
  }

  test("after a cut of all lines, when nothing had been said before: no read", async (t) => {
    await say("missed by all");
    const report = await reads(() => readers.back("missed by all"));
    t.diagnostic(JSON.stringify(report));
    assert.equal(report.reads, 0);
  });

  test("after kill -9 and a start: they are looked up together", async (t) => {
    await say("before the kill");
    await server.kill();
    await server.up();
    const report = await reads(() => readers.back("before the kill"));
    t.diagnostic(JSON.stringify(report));
    assert.ok(report.reads < READERS / 10, `${report.reads} reads for ${READERS} clients`);
    assert.equal(sum(await server.metrics(), "palaver_recovered_total"), READERS);
  });
});

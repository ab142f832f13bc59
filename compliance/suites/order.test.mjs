// Order and bursts, at a rate at which a library would be the bottleneck. What is checked of every
// single message is in the load client; here stands how much of it, and what it may cost.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { load, loadBinary } from "../lib/load.mjs";
import { Server, sum } from "../lib/server.mjs";
import { UNLIMITED_RATES, settings } from "../lib/settings.mjs";

/** Readers that share two cores with fifty senders fall behind by more than memory holds by default. They
 * would be closed as slow, and rightly so, but that is tested elsewhere. */
const PATIENT = { sessions: { recent_bytes: 2 ** 30 } };

const skip = loadBinary() ? false : "no load client: cargo build --example load";

describe("order", { skip }, () => {
  let server;
  before(async () => {
    server = await Server.start({ label: "order", settings: settings(UNLIMITED_RATES, PATIENT) });
  });
  after(() => server?.stop());

  async function run(t, scenario, options) {
    const earlier = await server.metrics();
    const report = await load(server, scenario, { deadline: 240, ...options });
    const later = await server.metrics();
    const grown = (name) => sum(later, name) - sum(earlier, name);
    t.diagnostic(JSON.stringify({ ...report, commits: grown("palaver_commits_total"), rss_kB: server.rss() }));
    assert.deepEqual(report.problems, []);
    for (const [name, value] of later) {
      if (!/^palaver_closed_total\{reason="(?!client_closed|transport_error)/.test(name)) continue;
      assert.equal(value - (earlier.get(name) ?? 0), 0, `nobody was closed by the server: ${name}`);
    }
    return { report, grown };
  }

  test("50 senders of 10,000 messages back to back: 3 readers see each one's order, and one order", { timeout: 300_000 }, async (t) => {
    const { report, grown } = await run(t, "stream", { senders: 50, messages: 10_000, readers: 3 });
    assert.equal(report.acked, 500_000);
    assert.equal(report.delivered, 1_500_000);
    assert.equal(report.orders, 1);
    assert.equal(grown("palaver_acked_messages_total"), 500_000);
  });

  test("1,000 senders in flight share their commits: fewer than 0.02 for each message", { timeout: 300_000 }, async (t) => {
    const { report, grown } = await run(t, "turns", { senders: 1_000, messages: 20, readers: 1 });
    assert.equal(report.acked, 20_000);
    const share = grown("palaver_commits_total") / grown("palaver_acked_messages_total");
    t.diagnostic(`${share} commits for each acknowledged message`);
    assert.ok(share < 0.02, `${share} commits for each acknowledged message`);
  });

  test("one socket that sends 10,000 messages without waiting: fewer than 0.01 commits for each", { timeout: 300_000 }, async (t) => {
    // How many gather during one commit depends on who gets the processor; so the best of three counts.
    const shares = [];
    while (shares.length < 3 && !shares.some((share) => share < 0.01)) {
      const { report, grown } = await run(t, "stream", { senders: 1, messages: 10_000, readers: 1 });
      assert.equal(report.acked, 10_000);
      shares.push(grown("palaver_commits_total") / grown("palaver_acked_messages_total"));
    }
    t.diagnostic(`${shares} commits for each acknowledged message`);
    assert.ok(Math.min(...shares) < 0.01, `${shares} commits for each acknowledged message`);
  });

  test("a burst of 10,000 messages to 1,000 healthy readers loses nothing and closes nobody", { timeout: 300_000 }, async (t) => {
    const { report } = await run(t, "stream", { senders: 1, messages: 10_000, readers: 1_000 });
    assert.equal(report.acked, 10_000);
    assert.equal(report.delivered, 10_000_000);
    assert.equal(report.orders, 1);
  });

  test("100 frozen readers in the room change nothing for 1,000 others, and cost no frames", { timeout: 300_000 }, async (t) => {
    const options = { senders: 4, messages: 1_000, readers: 1_000, bytes: 400 };
    const alone = await run(t, "stream", options);
    const beside = await run(t, "stream", { ...options, frozen: 100 });
    for (const { report } of [alone, beside]) {
      assert.equal(report.acked, 4_000);
      assert.equal(report.delivered, 4_000_000);
      assert.equal(report.orders, 1);
    }
    const frames = ({ grown }) => grown("palaver_frames_built_total") / grown("palaver_acked_messages_total");
    assert.equal(frames(beside), frames(alone));
    // They took something, and then no more.
    const given = ({ grown }) => grown("palaver_deliveries_total");
    const taken = (given(beside) - given(alone)) / 100;
    assert.ok(taken > 0 && taken < 3_000, `each frozen reader was given ${taken} messages`);
  });
});

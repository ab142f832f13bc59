// From polling to WebSocket: nothing lost, nothing doubled, whatever goes on meanwhile, whether it succeeds or not.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { CALM, SEPARATOR, start, until } from "./fixture.js";

let fixture, impatient;
before(async () => {
  [fixture, impatient] = await Promise.all([
    start([...CALM, "--upgrade-timeout", "10000"]),
    start([...CALM, "--upgrade-timeout", "200"]),
  ]);
});
after(() => Promise.all([fixture.stop(), impatient.stop()]));

async function probing(session) {
  const socket = session.probe();
  await socket.opened();
  socket.send("2probe");
  assert.equal(await socket.next("the probe's answer"), "3probe");
  return socket;
}

describe("an upgrade", () => {
  it("answers the poll that waits with a noop", async () => {
    const session = await fixture.open();
    const poll = session.packets();
    const socket = await probing(session);
    assert.deepEqual(await poll, ["6"]);
    assert.deepEqual(await session.packets(), ["6"]);
    socket.send("5");
    socket.send("4hello");
    assert.equal(await socket.next(), "4hello");
    socket.close();
  });

  it("ends polling", async () => {
    const session = await fixture.open();
    const socket = await probing(session);
    socket.send("5");
    socket.send("4hello");
    assert.equal(await socket.next(), "4hello");
    assert.equal((await session.poll()).status, 400);
    assert.equal((await session.post("4lost")).status, 400);
    socket.send("4still here");
    assert.equal(await socket.next(), "4still here");
    socket.close();
  });

  it("may be hurried: 2probe and 5 without waiting", async () => {
    const session = await fixture.open();
    const socket = session.probe();
    await socket.opened();
    socket.send("2probe");
    socket.send("5");
    socket.send("4hello");
    assert.equal(await socket.next(), "3probe");
    assert.equal(await socket.next(), "4hello");
    socket.close();
  });

  it("leaves no room for a second WebSocket, before and after", async () => {
    const session = await fixture.open();
    const socket = await probing(session);
    await session.probe().closed();
    socket.send("5");
    socket.send("4one");
    assert.equal(await socket.next(), "4one");
    const late = session.probe();
    await late.opened();
    await late.closed();
    socket.send("4two");
    assert.equal(await socket.next(), "4two");
    socket.close();
  });

  it("brings what was waiting for a poll", async () => {
    const session = await fixture.open();
    const texts = Array.from({ length: 200 }, (_, i) => `4${i}`);
    await session.post(texts.join(SEPARATOR));
    await session.post("bAQID");
    const socket = await probing(session);
    socket.send("5");
    for (const text of texts) assert.equal(await socket.next(), text);
    assert.deepEqual(await socket.next(), Buffer.from([1, 2, 3]));
    socket.close();
  });

  it("is counted once", async () => {
    const server = await start(CALM);
    const session = await server.open();
    assert.equal((await server.counts()).open, 1);
    const socket = await probing(session);
    socket.send("5");
    socket.send("4hello");
    await socket.next();
    assert.equal((await server.counts()).open, 1);
    socket.close();
    await until("nobody to be connected", async () => (await server.counts()).open === 0);
    await server.stop();
  });
});

describe("an upgrade under traffic", () => {
  // The echo makes traffic in both directions. The upgrade begins after so many messages, while posts and polls go on.
  for (let begin = 0; begin < 12; begin++) {
    it(`loses and doubles nothing when it begins after ${begin * 3} messages`, async () => {
      const session = await fixture.open();
      const got = [];
      const total = 120;
      let sent = 0;
      let polling = true;
      const polls = (async () => {
        while (polling) got.push(...(await session.packets()).filter((packet) => packet !== "6"));
      })();
      const post = async () => {
        const packets = Array.from({ length: 1 + (sent % 4) }, () => `4${sent++}`);
        assert.equal((await session.post(packets.join(SEPARATOR))).status, 200);
      };
      while (sent < begin * 3) await post();

      let probed = false;
      const socket = session.probe();
      const probe = socket
        .opened()
        .then(() => socket.send("2probe"))
        .then(() => socket.next("the probe's answer"))
        .then((answer) => {
          assert.equal(answer, "3probe");
          polling = false;
          probed = true;
        });
      while (!probed && sent < total) await post();
      await probe;
      // As clients do: let the poll and the post in flight end, then go over.
      await polls;
      socket.send("5");
      while (sent < total) socket.send(`4${sent++}`);
      while (got.length < sent) got.push(await socket.next(`message ${got.length} of ${sent}`));
      assert.deepEqual(got, Array.from({ length: sent }, (_, i) => `4${i}`));
      socket.close();
    });
  }
});

describe("an upgrade that fails", () => {
  async function stillPolls(session) {
    await session.post("4still polling");
    // While the server has not seen the end of the probe, polls are kept short.
    for (;;) {
      const packets = await session.packets();
      if (packets[0] !== "6") return assert.deepEqual(packets, ["4still polling"]);
    }
  }

  it("because the probe goes away leaves polling as it was", async () => {
    const session = await fixture.open();
    const socket = session.probe();
    await socket.opened();
    socket.close();
    await stillPolls(session);
  });

  it("half-way, after the probe was answered, loses nothing", async () => {
    const session = await fixture.open();
    const socket = await probing(session);
    await session.post("4said meanwhile");
    socket.raw.terminate();
    for (;;) {
      const packets = await session.packets();
      if (packets[0] === "6") continue;
      assert.deepEqual(packets, ["4said meanwhile"]);
      break;
    }
    const again = await probing(session);
    again.send("5");
    again.send("4over at last");
    assert.equal(await again.next(), "4over at last");
    again.close();
  });

  for (const [what, packets] of [
    ["says nothing", []],
    ["never says 5", ["2probe"]],
  ]) {
    it(`because the probe ${what} is given up after a time`, async () => {
      const session = await impatient.open();
      const socket = session.probe();
      await socket.opened();
      for (const packet of packets) socket.send(packet);
      await socket.closed();
      await stillPolls(session);
    });
  }

  for (const packet of ["2", "2wrong", "4hello", "5", "nonsense"]) {
    it(`because the probe says "${packet}" leaves polling as it was`, async () => {
      const session = await fixture.open();
      const socket = session.probe();
      await socket.opened();
      socket.send(packet);
      await socket.closed();
      await stillPolls(session);
    });
  }
});

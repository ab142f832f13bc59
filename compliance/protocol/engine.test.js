// Engine.IO v4: handshake, messages, heartbeat, close, over both transports.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { CALM, SEPARATOR, start, until, within } from "./fixture.js";

let calm, beating;
before(async () => {
  [calm, beating] = await Promise.all([start(CALM), start()]);
});
after(() => Promise.all([calm.stop(), beating.stop()]));

const KEYS = ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"];

describe("the handshake", () => {
  it("over polling tells five things, and that a WebSocket may follow", async () => {
    const response = await fetch(beating.at("engine.io", "transport=polling"));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/plain; charset=UTF-8");
    const text = await response.text();
    assert.equal(text[0], "0");
    const told = JSON.parse(text.slice(1));
    assert.deepEqual(Object.keys(told).sort(), KEYS);
    assert.deepEqual(
      { ...told, sid: typeof told.sid },
      { sid: "string", upgrades: ["websocket"], pingInterval: 300, pingTimeout: 200, maxPayload: 1_000_000 },
    );
  });

  it("over WebSocket tells the same without an upgrade", async () => {
    const socket = beating.socket();
    const hello = await socket.next("the handshake");
    assert.equal(hello[0], "0");
    const told = JSON.parse(hello.slice(1));
    assert.deepEqual(Object.keys(told).sort(), KEYS);
    assert.deepEqual(told.upgrades, []);
    socket.close();
  });

  it("gives everybody a sid of their own", async () => {
    const sessions = await Promise.all(Array.from({ length: 50 }, () => calm.open()));
    assert.equal(new Set(sessions.map(({ sid }) => sid)).size, 50);
  });

  for (const [query, code] of [
    ["EIO=4", 0],
    ["EIO=4&transport=tube", 0],
    ["transport=polling", 5],
    ["EIO=abc&transport=polling", 5],
    ["EIO=3&transport=polling", 5],
    ["EIO=4&transport=polling&sid=nobody", 1],
    ["EIO=4&transport=websocket", 3],
  ]) {
    it(`is refused with code ${code} for ?${query}`, async () => {
      const response = await fetch(`${calm.url}/engine.io/?${query}`);
      assert.equal(response.status, 400);
      assert.equal((await response.json()).code, code);
    });
  }

  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    it(`is refused with code 2 for ${method}`, async () => {
      const response = await fetch(calm.at("engine.io", "transport=polling"), { method });
      assert.equal(response.status, 400);
      assert.equal((await response.json()).code, 2);
    });
  }

  for (const [query, code] of [
    ["transport=websocket", 5],
    ["EIO=3&transport=websocket", 5],
    ["EIO=4&transport=tube", 0],
    ["EIO=4&transport=polling", 3],
    ["EIO=4&transport=websocket&sid=nobody", 1],
  ]) {
    it(`of a WebSocket is refused with code ${code} for ?${query}`, async () => {
      const { WebSocket } = await import("ws");
      const socket = new WebSocket(`${calm.ws}/engine.io/?${query}`);
      const response = await within(
        "a refusal",
        new Promise((resolve) => socket.once("unexpected-response", (_, response) => resolve(response))),
      );
      assert.equal(response.statusCode, 400);
      let text = "";
      for await (const data of response) text += data;
      assert.equal(JSON.parse(text).code, code);
    });
  }

  it("works without the last slash of the path", async () => {
    const response = await fetch(`${calm.url}/engine.io?EIO=4&transport=polling`);
    assert.equal(response.status, 200);
  });
});

describe("messages over polling", () => {
  for (const [what, body] of [
    ["one text", "4hello"],
    ["several texts", ["4one", "4two", "4three"].join(SEPARATOR)],
    ["text and bytes", ["4hello", "bAQIDBA=="].join(SEPARATOR)],
    ["bytes alone", "bAAECAwQFBgcICQ=="],
    ["an empty text", "4"],
    ["letters of all scripts", "4grün 日本語 עברית 👩‍👩‍👧"],
  ]) {
    it(`echo ${what} in one poll`, async () => {
      const session = await calm.open();
      const post = await session.post(body);
      assert.deepEqual([post.status, post.text], [200, "ok"]);
      const poll = await session.poll();
      assert.deepEqual([poll.status, poll.text], [200, body]);
      assert.equal(poll.headers.get("content-type"), "text/plain; charset=UTF-8");
    });
  }

  it("end a poll that waits", async () => {
    const session = await calm.open();
    const poll = session.packets();
    await session.post("4wake up");
    assert.deepEqual(await poll, ["4wake up"]);
  });

  it("take bytes without padding, and give them back with it", async () => {
    const session = await calm.open();
    await session.post("bAQIDBA");
    assert.deepEqual(await session.packets(), ["bAQIDBA=="]);
  });

  for (const body of ["abc", "", "4good\x1e", "2", "5", "0{}", "b!", Buffer.from([0x34, 0xff])]) {
    it(`that are malformed end the session: ${JSON.stringify(body.toString())}`, async () => {
      const session = await calm.open();
      assert.equal((await session.post(body)).status, 400);
      assert.equal((await session.poll()).status, 400);
    });
  }

  it("end the session when two polls wait at once", async () => {
    const session = await calm.open();
    // Which of two requests comes first is not ours to say; the one that waited is told.
    const answers = await Promise.all([session.poll(), session.poll()]);
    answers.sort((a, b) => a.status - b.status);
    assert.deepEqual([answers[0].status, answers[0].text], [200, "1"]);
    assert.equal(answers[1].status, 400);
    assert.equal((await session.poll()).status, 400);
  });

  it("end the session when a poll is given up", async () => {
    const session = await calm.open();
    const before = (await calm.counts()).closed.transport_error;
    const giveUp = new AbortController();
    const poll = session.poll({ signal: giveUp.signal });
    // A post is answered after the poll has come, for both are handled in order on this server.
    await session.post("6");
    giveUp.abort();
    await assert.rejects(poll, { name: "AbortError" });
    await until("the end of the session", async () => (await calm.counts()).closed.transport_error > before);
    assert.equal((await session.poll()).status, 400);
  });
});

describe("messages over WebSocket", () => {
  it("echo text and bytes in order", async () => {
    const socket = calm.socket();
    await socket.next("the handshake");
    const messages = ["4first", Buffer.from([1, 2, 3, 4]), "4third", Buffer.alloc(0), "4"];
    for (const message of messages) socket.send(message);
    for (const message of messages) assert.deepEqual(await socket.next(), message);
    socket.close();
  });

  for (const size of [125, 126, 65_535, 65_536, 999_999]) {
    it(`echo a text of ${size} bytes`, async () => {
      const socket = calm.socket();
      await socket.next("the handshake");
      const text = "4" + "x".repeat(size - 1);
      socket.send(text);
      assert.equal(await socket.next(), text);
      socket.close();
    });
  }

  it("echo 10,000 messages in order", async () => {
    const socket = calm.socket();
    await socket.next("the handshake");
    for (let i = 0; i < 10_000; i++) socket.send(`4${i}`);
    for (let i = 0; i < 10_000; i++) assert.equal(await socket.next(), `4${i}`);
    socket.close();
  });

  for (const packet of ["abc", "", "2", "5", "0{}", "1extra"]) {
    it(`that are malformed end the connection: "${packet}"`, async () => {
      const socket = calm.socket();
      await socket.next("the handshake");
      socket.send(packet);
      assert.equal((await socket.closed()).code, 1002);
    });
  }

  it("may be interrupted by control frames", async () => {
    const socket = calm.socket();
    await socket.next("the handshake");
    const ponged = new Promise((resolve) => socket.raw.once("pong", resolve));
    socket.raw.send("4in ", { fin: false });
    socket.raw.ping("data");
    socket.raw.send("two", { fin: true });
    assert.equal((await within("a pong", ponged)).toString(), "data");
    assert.equal(await socket.next(), "4in two");
    socket.close();
  });
});

describe("the heartbeat", () => {
  it("goes on over polling as long as it is answered", async () => {
    const session = await beating.open();
    for (let i = 0; i < 4; i++) {
      assert.deepEqual(await session.packets(), ["2"]);
      assert.equal((await session.post("3")).status, 200);
    }
  });

  it("goes on over WebSocket as long as it is answered", async () => {
    const socket = beating.socket();
    await socket.next("the handshake");
    for (let i = 0; i < 4; i++) {
      assert.equal(await socket.next("a ping"), "2");
      socket.send("3");
    }
    socket.close();
  });

  it("ends a session that does not answer", async () => {
    const session = await beating.open();
    assert.deepEqual(await session.packets(), ["2"]);
    // The poll that waits is told; the one after it finds nobody.
    assert.deepEqual(await session.packets(), ["1"]);
    assert.equal((await session.poll()).status, 400);
  });

  it("ends a WebSocket that does not answer", async () => {
    const socket = beating.socket();
    await socket.next("the handshake");
    assert.equal((await socket.closed()).code, 4002);
  });
});

describe("closing", () => {
  it("by the client answers its waiting poll with a noop", async () => {
    const session = await calm.open();
    const poll = session.packets();
    await session.post("6");
    assert.equal((await session.post("1")).text, "ok");
    assert.deepEqual(await poll, ["6"]);
    assert.equal((await session.poll()).status, 400);
  });

  it("by packet 1 over WebSocket closes it", async () => {
    const socket = calm.socket();
    await socket.next("the handshake");
    socket.send("1");
    assert.equal((await socket.closed()).code, 1000);
  });

  it("by a close frame is answered with the same code", async () => {
    const socket = calm.socket();
    await socket.next("the handshake");
    socket.raw.close(3456, "enough");
    assert.equal((await socket.closed()).code, 3456);
  });

  it("of the server tells everybody, and not by a Socket.IO packet", async () => {
    const server = await start(CALM);
    const socket = server.socket("socket.io");
    await socket.next("the handshake");
    socket.send("40");
    await socket.event("the answer to CONNECT");
    await socket.event("auth");
    const session = await server.open();
    const poll = session.packets();
    await session.post("6");
    server.child.kill("SIGINT");
    assert.deepEqual(await poll, ["1"]);
    assert.deepEqual(await socket.closed(), { code: 1001, reason: "shutdown" });
    assert.equal(socket.waiting.length, 0);
    assert.equal(await within("the fixture's end", server.ended), 0);
  });
});

// What a server on the open internet meets: too much, too slow, half-open, from the wrong place. Nobody else shall notice.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import net from "node:net";
import { after, before, describe, it } from "node:test";
import { CALM, start, until, within } from "./fixture.js";

let fixture;
before(async () => {
  fixture = await start(CALM);
});
after(() => fixture.stop());

/** Whether the server still serves others. */
async function servesOthers(server = fixture) {
  const socket = server.socket();
  await socket.next("the handshake of another client");
  socket.send("4are you there?");
  assert.equal(await socket.next(), "4are you there?");
  socket.close();
}

/** A TCP connection that has sent `text`; its answer as it comes. */
async function raw(text, server = fixture) {
  const socket = net.connect(server.port, "127.0.0.1");
  const state = { socket, text: "", ended: false };
  socket.on("data", (data) => (state.text += data.toString("latin1")));
  socket.on("error", () => (state.ended = true));
  socket.on("close", () => (state.ended = true));
  socket.write(text);
  return state;
}

/** A WebSocket by hand, after its handshake. */
async function rawWebSocket(server = fixture, where = "engine.io") {
  const state = await raw(
    `GET /${where}/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n` +
      `Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
    server,
  );
  await until("the Engine.IO handshake", () => state.text.includes('"sid"'));
  return state;
}

/** A client's frame: masked with zeros. */
function frame(first, payload, { mask = 0x80, length = payload.length } = {}) {
  const head = Buffer.alloc(10);
  head[0] = first;
  if (length < 126) {
    head[1] = mask | length;
    return Buffer.concat([head.subarray(0, 2), Buffer.alloc(mask ? 4 : 0), payload]);
  }
  if (length < 65_536) {
    head[1] = mask | 126;
    head.writeUInt16BE(length, 2);
    return Buffer.concat([head.subarray(0, 4), Buffer.alloc(mask ? 4 : 0), payload]);
  }
  head[1] = mask | 127;
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(mask ? 4 : 0), payload]);
}

describe("too much", () => {
  for (const [what, message] of [
    ["a text above a million bytes", "4" + "x".repeat(1_000_000)],
    ["bytes above ten million", Buffer.alloc(10_000_001)],
  ]) {
    it(`${what} over WebSocket is closed with 1009`, async () => {
      const socket = fixture.socket();
      await socket.next("the handshake");
      socket.send(message);
      assert.equal((await socket.closed()).code, 1009);
      await servesOthers();
    });
  }

  it("a text whose fragments are too much together is closed with 1009", async () => {
    const socket = fixture.socket();
    await socket.next("the handshake");
    socket.raw.send("4" + "x".repeat(600_000), { fin: false });
    socket.raw.send("x".repeat(600_000), { fin: false });
    assert.equal((await socket.closed()).code, 1009);
  });

  it("a frame is refused on its header, before its bytes come", async () => {
    const state = await rawWebSocket();
    state.socket.write(frame(0x81, Buffer.from("4x"), { length: 2 ** 40 }));
    await until("the close frame", () => state.text.includes("\x03\xf1too_large"));
    state.socket.destroy();
  });

  it("a text packet that is too long over polling gets 413", async () => {
    const session = await fixture.open();
    assert.equal((await session.post("4" + "x".repeat(1_000_000))).status, 413);
    assert.equal((await session.poll()).status, 400);
  });

  it("a body that is too long gets 413, announced or not", async () => {
    const body = Buffer.alloc(16_000_000, "x");
    const session = await fixture.open();
    assert.equal((await session.post(body)).status, 413);
    assert.equal((await session.poll()).status, 400);

    const other = await fixture.open();
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 16; i++) controller.enqueue(body.subarray(0, 1_000_000));
        controller.close();
      },
    });
    assert.equal((await other.post(stream, { duplex: "half" })).status, 413);
    assert.equal((await other.poll()).status, 400);
  });

  it("a head that is too long gets 431", async () => {
    const answer = await fixture.request({ path: "/counts", headers: { "x-long": "x".repeat(40_000) } }).catch((error) => error);
    // The server need not wait for the end of such a head, so the client may not get to read the answer.
    assert.ok(answer.status === 431 || answer instanceof Error, `${answer.status}`);
    await servesOthers();
  });

  it("a flood of pings by a client that reads nothing does not pile up", async () => {
    const server = await start([...CALM, "--slow-timeout", "500"]);
    const state = await rawWebSocket(server);
    state.socket.pause();
    const pings = Buffer.concat(Array.from({ length: 500 }, () => frame(0x89, Buffer.alloc(125))));
    const flood = () => {
      while (!state.ended && state.socket.write(pings));
    };
    state.socket.on("drain", flood);
    flood();
    await until("the end of the flood", async () => (await server.counts()).closed.slow === 1);
    await servesOthers(server);
    state.socket.destroy();
    await server.stop();
  });

  it("more connections than allowed get 503, and room again when others leave", async () => {
    const server = await start([...CALM, "--max-connections", "3"]);
    const sockets = [server.socket(), server.socket(), server.socket()];
    for (const socket of sockets) await socket.next("the handshake");
    const response = await fetch(server.at("engine.io", "transport=polling"));
    assert.equal(response.status, 503);
    assert.ok(response.headers.get("retry-after"));
    assert.equal((await server.socket().closed()).status, 503);
    sockets.pop().close();
    await until("room", async () => (await fetch(server.at("engine.io", "transport=polling"))).status === 200);
    await server.stop();
  });
});

describe("too slow", () => {
  it("a client that takes nothing is closed as slow, and nobody else notices", async () => {
    const server = await start([...CALM, "--slow-timeout", "500"]);
    const state = await rawWebSocket(server);
    state.socket.pause();
    const message = frame(0x81, Buffer.concat([Buffer.from("4"), Buffer.alloc(900_000, "x")]));
    for (let i = 0; i < 30; i++) state.socket.write(message);
    await servesOthers(server);
    await until("the slow client's end", async () => (await server.counts()).closed.slow === 1);
    await servesOthers(server);
    state.socket.destroy();
    await server.stop();
  });

  it("2,000 clients that never CONNECT are gone after a while", async () => {
    const server = await start();
    const sockets = Array.from({ length: 2000 }, () => server.socket("socket.io"));
    for (const socket of sockets) {
      await socket.opened();
      socket.raw.on("message", (data) => data.toString() === "2" && socket.send("3"));
    }
    await Promise.all(sockets.map((socket) => socket.closed()));
    await until("nobody to be connected", async () => (await server.counts()).open === 0);
    await servesOthers(server);
    await server.stop();
  });

  it("a server out of file descriptors takes clients again when others leave", async () => {
    const server = await start(CALM, { files: 40 });
    const held = [];
    for (let i = 0; i < 60; i++) held.push(await raw("", server));
    await until("the log to say so", () => server.log().includes("cannot accept connections"));
    for (const { socket } of held) socket.destroy();
    await until("another client to be served", () => servesOthers(server).then(() => true));
    assert.equal(server.log().split("cannot accept connections").length, 2, "said once");
    await server.stop();
  });
});

describe("half-open", () => {
  it("a post that is cut off ends its session", async () => {
    const session = await fixture.open();
    const before = (await fixture.counts()).closed.transport_error;
    const state = await raw(
      `POST /engine.io/?EIO=4&transport=polling&sid=${session.sid} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n4half`,
    );
    await until("the bytes to be sent", () => state.socket.writableLength === 0);
    state.socket.destroy();
    await until("the end of the session", async () => (await fixture.counts()).closed.transport_error > before);
    assert.equal((await session.poll()).status, 400);
  });

  it("a WebSocket that is cut off is noticed at once", async () => {
    const server = await start(CALM);
    const state = await rawWebSocket(server);
    state.socket.destroy();
    await until("its end", async () => (await server.counts()).closed.transport_error === 1);
    await server.stop();
  });

  for (const [what, bytes, code] of [
    ["is not masked", frame(0x81, Buffer.from("4x"), { mask: 0 }), 1002],
    ["has a reserved bit", frame(0xc1, Buffer.from("4x")), 1002],
    ["has an unknown opcode", frame(0x83, Buffer.from("4x")), 1002],
    ["continues nothing", frame(0x80, Buffer.from("4x")), 1002],
    ["is a fragmented control frame", frame(0x09, Buffer.from("x")), 1002],
    ["is text that is not UTF-8", frame(0x81, Buffer.from([0x34, 0xff])), 1007],
    ["closes with a code that must not be sent", frame(0x88, Buffer.from([0x03, 0xed])), 1002],
  ]) {
    it(`a frame that ${what} is answered with ${code}`, async () => {
      const state = await rawWebSocket();
      state.socket.write(bytes);
      await until("the close frame", () => {
        const at = state.text.lastIndexOf("\x88");
        return at >= 0 && state.text.length >= at + 4;
      });
      const at = state.text.lastIndexOf("\x88");
      assert.equal(Buffer.from(state.text.slice(at + 2, at + 4), "latin1").readUInt16BE(), code);
      state.socket.destroy();
      await servesOthers();
    });
  }

  it("a second post while one is under way ends the session", async () => {
    const session = await fixture.open();
    const state = await raw(
      `POST /engine.io/?EIO=4&transport=polling&sid=${session.sid} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n`,
    );
    // The server asks for the body once it reads it.
    await until("the server to read the body", () => state.text.includes("100 Continue"));
    assert.equal((await session.post("4hello")).status, 400);
    assert.equal((await session.poll()).status, 400);
    state.socket.destroy();
  });
});

describe("from the wrong place", () => {
  const handshake = "/engine.io/?EIO=4&transport=polling";

  it("an old client is refused with code 5, and the log names it", async () => {
    const answer = await fixture.request({
      path: "/engine.io/?EIO=3&transport=polling",
      headers: { "user-agent": "old-client/2" },
    });
    assert.equal(answer.status, 400);
    assert.deepEqual(JSON.parse(answer.text), { code: 5, message: "Unsupported protocol version" });
    await until("a line in the log", () => {
      const line = fixture.log().split("\n").find((line) => line.includes("old-client/2"));
      return line && line.includes("127.0.0.1") && /eio.*3/.test(line);
    });
  });

  for (const host of ["rebound.example", "rebound.example:3000", "localhost.rebound.example"]) {
    it(`a request for the host ${host} is refused everywhere`, async () => {
      const polling = await fixture.request({ path: handshake, headers: { host } });
      assert.equal(polling.status, 403);
      assert.equal(JSON.parse(polling.text).code, 4);
      assert.equal((await fixture.request({ path: "/counts", headers: { host } })).status, 403);
      const socket = fixture.socket("engine.io", "", { headers: { host } });
      assert.equal((await socket.closed()).status, 403);
    });
  }

  for (const origin of ["https://evil.example", "null", "http://localhost.evil.example"]) {
    it(`a page of ${origin} is refused everywhere`, async () => {
      const polling = await fixture.request({ path: handshake, headers: { origin } });
      assert.equal(polling.status, 403);
      assert.equal(JSON.parse(polling.text).code, 4);
      assert.equal(polling.headers["access-control-allow-origin"], undefined);
      assert.equal((await fixture.request({ path: "/counts", headers: { origin } })).status, 403);
      const socket = fixture.socket("engine.io", "", { origin });
      assert.equal((await socket.closed()).status, 403);
      const preflight = await fixture.request({
        method: "OPTIONS",
        path: "/echo",
        headers: { origin, "access-control-request-method": "POST" },
      });
      assert.equal(preflight.status, 403);
    });
  }

  for (const origin of ["http://localhost:5173", "http://127.0.0.1:8080", "https://[::1]"]) {
    it(`a page of ${origin} is let in everywhere`, async () => {
      for (const path of [handshake, "/counts", "/nowhere", "/engine.io/?EIO=3&transport=polling"]) {
        const answer = await fixture.request({ path, headers: { origin } });
        assert.equal(answer.headers["access-control-allow-origin"], origin, path);
        assert.equal(answer.headers["access-control-allow-credentials"], "true");
        assert.match(answer.headers.vary, /origin/i);
      }
      const socket = fixture.socket("engine.io", "", { origin });
      await socket.next("the handshake");
      socket.close();
      for (const path of ["/echo", handshake]) {
        const preflight = await fixture.request({
          method: "OPTIONS",
          path,
          headers: {
            origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
          },
        });
        assert.equal(preflight.status, 204);
        assert.equal(preflight.headers["access-control-allow-origin"], origin);
        assert.match(preflight.headers["access-control-allow-methods"], /PATCH/);
        assert.equal(preflight.headers["access-control-allow-headers"], "authorization,content-type");
      }
    });
  }

  it("compression is not agreed on", async () => {
    const socket = fixture.socket("engine.io", "", { perMessageDeflate: true });
    await socket.next("the handshake");
    assert.equal(socket.raw.extensions, "");
    socket.close();
  });

  for (const [what, headers, status] of [
    ["version 8", { "sec-websocket-version": "8" }, 426],
    ["a bad key", { "sec-websocket-key": "short" }, 400],
  ]) {
    it(`a WebSocket with ${what} is refused with ${status}`, async () => {
      const answer = await fixture.request({
        path: "/engine.io/?EIO=4&transport=websocket",
        headers: {
          connection: "upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": randomBytes(16).toString("base64"),
          ...headers,
        },
      });
      assert.equal(answer.status, status);
    });
  }

  it("nothing of this has kept anybody connected", async () => {
    await within("an answer", servesOthers());
  });
});

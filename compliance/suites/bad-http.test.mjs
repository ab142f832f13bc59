// HTTP that is broken or hostile. After each case two well-behaved people still play ping-pong.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually } from "../lib/inbox.mjs";
import { Polling, request } from "../lib/raw.mjs";
import { sum } from "../lib/server.mjs";
import { MB, checkEach, get, line, openRaw, serve, server } from "../lib/stage.mjs";

/** An answer of Engine.IO: a status and a code. */
function isRefused({ status, body }, code, expected = 400) {
  assert.equal(status, expected, body);
  const told = JSON.parse(body);
  assert.equal(told.code, code, body);
  assert.ok(told.message.length > 4, body);
}

describe("bad HTTP", () => {
  serve();
  checkEach();

  test("the old protocol version gets code 5, and a line in the log that names the client", async () => {
    isRefused(await get("EIO=3&transport=polling", { headers: { "User-Agent": "ancient/2.0" } }), 5);
    await eventually("the log line", () => server.log().includes("ancient/2.0"));
  });
  test("no protocol version gets code 5", async () => isRefused(await get("transport=polling"), 5));
  test("a protocol version that is no number gets code 5", async () => isRefused(await get("EIO=four&transport=polling"), 5));
  test("an unknown transport gets code 0", async () => isRefused(await get("EIO=4&transport=pigeon"), 0));
  test("no transport gets code 0", async () => isRefused(await get("EIO=4"), 0));
  test("no query at all is a 400", async () => assert.equal((await request(server.port, "GET", "/socket.io/")).status, 400));
  test("an unknown sid gets code 1", async () => isRefused(await get("EIO=4&transport=polling&sid=nobody"), 1));
  test("a sid of odd characters gets code 1", async () => isRefused(await get("EIO=4&transport=polling&sid=%00%ff%2e%2e%2f"), 1));
  test("a sid of 8,000 characters gets code 1", async () => isRefused(await get(`EIO=4&transport=polling&sid=${"s".repeat(8000)}`), 1));
  test("POST to an unknown sid gets code 1", async () => {
    isRefused(await request(server.port, "POST", "/socket.io/?EIO=4&transport=polling&sid=nobody", { body: "40" }), 1);
  });
  test("POST without a sid gets code 2", async () => {
    isRefused(await request(server.port, "POST", "/socket.io/?EIO=4&transport=polling", { body: "40" }), 2);
  });
  test("PUT gets code 2", async () => {
    isRefused(await request(server.port, "PUT", "/socket.io/?EIO=4&transport=polling", { body: "40" }), 2);
  });
  test("the WebSocket transport without an upgrade gets code 3", async () => {
    isRefused(await get("EIO=4&transport=websocket"), 3);
  });
  test("an unknown path is a 404", async () => assert.equal((await request(server.port, "GET", "/etc/passwd")).status, 404));

  for (const [what, body] of [
    ["an unknown packet type", "9hello"],
    ["an empty body", ""],
    ["broken base64", "b@@@@"],
    ["an empty packet between two", "40\x1e\x1e41"],
    ["bytes that are no UTF-8", Buffer.from([0x34, 0x32, 0xff, 0xfe])],
    ["a packet that only servers send", '0{"sid":"x"}'],
    ["a Socket.IO packet of no type", "4x"],
    ["half an array", '42["send_message"'],
  ]) {
    test(`POST of ${what} gets a 400, and the session is dead`, async () => {
      const polling = await Polling.connect(server.port);
      const { status } = await polling.post(body);
      // What Engine.IO can read and Socket.IO cannot is found when the answer may be out already.
      if (!/^4./.test(body.toString("latin1"))) assert.equal(status, 400);
      await eventually("the session to be dead", async () => (await polling.poll()).status === 400);
    });
  }

  test("POST of more than the limit is a 413", async () => {
    const polling = await Polling.connect(server.port);
    const { status } = await polling.post(`42["send_message","${"x".repeat(1.2 * MB)}"]`).catch(() => ({ status: 413 }));
    assert.equal(status, 413);
  });

  test("a body without end is cut off at the limit", async () => {
    const polling = await Polling.connect(server.port);
    const endless = line();
    await endless.write(
      `POST ${polling.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const chunk = `10000\r\n${"4".repeat(65_536)}\r\n`;
    const read = async () => sum(await server.metrics(), "palaver_received_bytes_total");
    const earlier = await read();
    const pour = () => !endless.ended && endless.socket.writable && endless.socket.write(chunk, () => setImmediate(pour));
    pour();
    await endless.gone("a body without end");
    assert.ok((await read()) - earlier < 64 * MB, "the server read 64 MB");
    if (endless.bytes.length) assert.match(endless.bytes.toString(), /^HTTP\/1\.1 4(00|13) /);
  });

  test("two polls at once end the session", async () => {
    const polling = await Polling.connect(server.port);
    const [first, second] = await Promise.all([polling.poll(), polling.poll()]);
    assert.deepEqual([first.status, second.status].sort(), [200, 400]);
    assert.equal([first, second].find(({ status }) => status === 200).body, "1");
    assert.equal((await polling.poll()).status, 400);
  });

  test("a poll that is given up ends the session", async () => {
    const polling = await Polling.connect(server.port);
    const gone = line();
    await gone.write(`GET ${polling.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    // The server has the request once it answers a second one behind it on another line.
    await eventually("the session to be dead", async () => {
      gone.destroy();
      return (await polling.poll({ ms: 500 }).catch(() => ({}))).status === 400;
    });
  });

  test("a page of a foreign origin gets 403 and code 4, over polling and WebSocket", async () => {
    const headers = { Origin: "https://evil.example" };
    isRefused(await get("EIO=4&transport=polling", { headers }), 4, 403);
    const raw = await openRaw({ headers, handshake: false });
    assert.equal(raw.upgrade.status, 403);
    const answer = await get("EIO=4&transport=polling", { headers: { Origin: "http://localhost:5173" } });
    assert.equal(answer.status, 200, "a page on this machine may come in");
    assert.equal(answer.headers["access-control-allow-origin"], "http://localhost:5173");
  });

  test("a foreign origin gets no way around by preflight", async () => {
    const headers = { Origin: "https://evil.example", "Access-Control-Request-Method": "POST" };
    const answer = await request(server.port, "OPTIONS", "/socket.io/?EIO=4&transport=polling", { headers });
    assert.equal(answer.headers["access-control-allow-origin"], undefined);
    const allowed = await request(server.port, "OPTIONS", "/socket.io/?EIO=4&transport=polling", {
      headers: { ...headers, Origin: "http://127.0.0.1:8080" },
    });
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers["access-control-allow-origin"], "http://127.0.0.1:8080");
  });

  test("a foreign Host gets 403: a page must not reach this machine by a name of its own", async () => {
    for (const path of ["/socket.io/?EIO=4&transport=polling", "/healthz"]) {
      for (const Host of ["evil.example", `evil.example:${server.port}`, "127.0.0.1.evil.example", "localhost.evil.example"]) {
        assert.equal((await request(server.port, "GET", path, { headers: { Host } })).status, 403, `${Host} ${path}`);
      }
    }
    for (const Host of ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:3000"]) {
      assert.equal((await get("EIO=4&transport=polling", { headers: { Host } })).status, 200, Host);
    }
  });

  test("a head of 64 KiB is refused", async () => {
    const fat = line();
    await fat.write(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Fat: ${"f".repeat(65_536)}\r\n\r\n`);
    await fat.gone("after a fat head");
    assert.match(fat.bytes.toString("latin1"), /^(HTTP\/1\.1 4(31|00) |$)/);
  });

  for (const [what, bytes] of [
    ["a TLS hello", Buffer.from("16030100c8010000c40303", "hex")],
    ["noise", Buffer.from(Array.from({ length: 512 }, (_, n) => (n * 151 + 7) & 0xff))],
    ["a request line of nonsense", Buffer.from("BREW\x00 coffee HTCPCP/1.0\r\n\r\n")],
    ["two different lengths", Buffer.from("POST /socket.io/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nContent-Length: 9\r\n\r\nabcd")],
  ]) {
    test(`${what} instead of HTTP: the line is closed`, async () => {
      const bad = line();
      await bad.write(bytes);
      bad.socket.end();
      await bad.gone(what);
      assert.match(bad.bytes.toString("latin1"), /^(HTTP\/1\.1 400 |$)/);
    });
  }

  for (const [what, headers, status] of [
    ["version 8", { "Sec-WebSocket-Version": "8" }, 426],
    ["no version", { "Sec-WebSocket-Version": null }, 426],
    ["no key", { "Sec-WebSocket-Key": null }, 400],
    ["a key of 3 bytes", { "Sec-WebSocket-Key": "AAAA" }, 400],
    ["another protocol to upgrade to", { Upgrade: "h2c" }, 400],
  ]) {
    test(`a WebSocket handshake with ${what} gets a ${status}`, async () => {
      const raw = await openRaw({ headers, handshake: false });
      assert.equal(raw.upgrade.status, status);
      if (status === 426) assert.equal(raw.upgrade.headers["sec-websocket-version"], "13");
    });
  }

  test("a WebSocket for an unknown sid is refused", async () => {
    const raw = await openRaw({ query: "EIO=4&transport=websocket&sid=nobody", handshake: false });
    assert.equal(raw.upgrade.status, 400);
  });
});

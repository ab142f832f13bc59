// Clients that are broken, hostile or half gone, at every layer. After each case two well-behaved
// people still play ping-pong without having noticed; at the end the server's memory is back.

import assert from "node:assert/strict";
import net from "node:net";
import { after, afterEach, before, describe, test } from "node:test";
import { Bystanders } from "../lib/bystanders.mjs";
import { Clients } from "../lib/client.mjs";
import { join, person, send } from "../lib/direct.mjs";
import { eventually } from "../lib/inbox.mjs";
import { Line, OP, Polling, RawWebSocket, closeFrame, frame, request } from "../lib/raw.mjs";
import { Server, createApp, signToken, sum } from "../lib/server.mjs";
import { UNLIMITED_RATES, settings } from "../lib/settings.mjs";
import { inSeconds, token } from "../lib/tokens.mjs";

const MB = 1_000_000;

let server;
let game;
const raws = [];
const clients = new Clients(() => server.url);

/** A server of this suite's own, with people on it, for the tests of one `describe`. */
function serve(options) {
  before(async () => {
    server = await Server.start({ label: "bad-input", ...options });
    game = await Bystanders.start(server.url);
    await game.check();
  });
  afterEach(async () => {
    for (const raw of raws.splice(0)) raw.destroy();
    clients.closeAll();
    await game.check();
    assert.equal(server.panics(), null);
  });
  after(async () => {
    game?.stop();
    await server?.stop();
  });
}

const keep = (raw) => {
  raws.push(raw);
  return raw;
};
const openRaw = async (options) => keep(await RawWebSocket.open(server.port, options));
const connectRaw = async (options) => keep(await RawWebSocket.connect(server.port, options));
const get = (query, options) => request(server.port, "GET", `/socket.io/?${query}`, options);
const line = () => keep(new Line(server.port));

/** An answer of Engine.IO: a status and a code. */
function isRefused({ status, body }, code, expected = 400) {
  assert.equal(status, expected, body);
  const told = JSON.parse(body);
  assert.equal(told.code, code, body);
  assert.ok(told.message.length > 4, body);
}

describe("bad HTTP", () => {
  serve();

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

describe("bad WebSocket frames", () => {
  serve();
  const text = '42["no_such_event"]';

  for (const [what, bytes, code] of [
    ["an unmasked frame", [frame("40", { masked: false })], 1002],
    ["a reserved bit", [frame(text, { rsv: 4 })], 1002],
    ["another reserved bit", [frame(text, { rsv: 1 })], 1002],
    ["an unknown data opcode", [frame(text, { opcode: 3 })], 1002],
    ["an unknown control opcode", [frame("", { opcode: 11 })], 1002],
    ["a ping in fragments", [frame("a", { opcode: OP.PING, fin: false })], 1002],
    ["a ping of 126 bytes", [frame("x".repeat(126), { opcode: OP.PING })], 1002],
    ["a continuation of nothing", [frame(text, { opcode: OP.CONTINUE })], 1002],
    ["a new message within a message", [frame("4", { fin: false }), frame(text)], 1002],
    ["a length of 5 written in 16 bits", [frame("4aaaa", { longForm: 16 })], 1002],
    ["a length of 5 written in 64 bits", [frame("4aaaa", { longForm: 64 })], 1002],
    ["a length above 2^63", [Buffer.from([0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4])], 1002],
    ["bytes that are no UTF-8", [frame(Buffer.from([0x34, 0x32, 0xc3, 0x28]))], 1007],
    ["an encoded surrogate", [frame(Buffer.from([0x34, 0x32, 0xed, 0xa0, 0x80]))], 1007],
    ["UTF-8 that breaks in the second fragment", [frame(Buffer.from([0x34, 0xf0, 0x9f]), { fin: false }), frame(Buffer.from([0x41]), { opcode: OP.CONTINUE })], 1007],
    ["a text that ends within a character", [frame(Buffer.from([0x34, 0x32, 0xf0, 0x9f]))], 1007],
    ["an announced text of 2 GB", [frame("4", { length: 2 ** 31 })], 1009],
    ["an announced binary of 1 TB", [frame("4", { opcode: OP.BINARY, length: 2 ** 40 })], 1009],
    ["a text of one byte more than the limit", [frame("4".repeat(MB + 1))], 1009],
    ["fragments that together are too long", [frame("4".repeat(MB / 2), { fin: false }), frame("4".repeat(MB / 2), { fin: false, opcode: OP.CONTINUE }), frame("4", { opcode: OP.CONTINUE })], 1009],
    ["a close frame with half a code", [frame(Buffer.from([3]), { opcode: OP.CLOSE })], 1002],
    ["close code 999", [closeFrame(999)], 1002],
    ["close code 1005", [closeFrame(1005)], 1002],
    ["close code 1006", [closeFrame(1006)], 1002],
    ["a close reason that is no UTF-8", [frame(Buffer.from([3, 232, 0xff]), { opcode: OP.CLOSE })], 1007],
    ["a normal close", [closeFrame(1000, "bye")], 1000],
    ["a close of an application's own", [closeFrame(4321)], 4321],
  ]) {
    test(`${what} is answered by a close frame with ${code}`, async () => {
      const raw = await connectRaw({ name: what });
      for (const part of bytes) raw.write(part);
      assert.equal(await raw.closed(), code);
    });
  }

  test("a message of 20,000 empty fragments is still one message", async () => {
    const raw = await connectRaw();
    const empty = Buffer.concat(Array.from({ length: 20_000 }, () => frame("", { fin: false, opcode: OP.CONTINUE })));
    await raw.write(frame("42[", { fin: false }));
    await raw.write(empty);
    await raw.write(frame('"no_such_event"]', { opcode: OP.CONTINUE }));
    assert.equal((await raw.event("error")).code, "unknown_event");
  });

  test("a message byte by byte, with pings in between, is one message", async () => {
    const raw = await connectRaw();
    const bytes = Buffer.from('42["send_message",{"body":"é🦀"}]');
    for (let at = 0; at < bytes.length; at += 1) {
      raw.write(frame(bytes.subarray(at, at + 1), { fin: at === bytes.length - 1, opcode: at ? OP.CONTINUE : OP.TEXT }));
      if (at % 5 === 0) raw.write(frame(`${at}`, { opcode: OP.PING }));
    }
    assert.equal((await raw.event("error")).code, "invalid");
    await raw.inbox.take("the last pong", ({ pong }) => pong !== undefined);
  });

  test("every byte in a packet of its own", async () => {
    const raw = await connectRaw();
    raw.line.socket.setNoDelay(true);
    for (const byte of frame('42["no_such_event"]')) await raw.write(Buffer.from([byte]));
    assert.equal((await raw.event("error")).code, "unknown_event");
  });

  test("50,000 pings in one go: answered or the sender is slowed, memory stays", async () => {
    const raw = await connectRaw();
    const earlier = server.rss();
    const ping = frame("p".repeat(100), { opcode: OP.PING });
    raw.write(Buffer.concat(Array.from({ length: 50_000 }, () => ping)));
    await raw.inbox.take("a pong", ({ pong }) => pong !== undefined);
    raw.send('42["no_such_event"]');
    assert.equal((await raw.event("error", () => true, 30_000)).code, "unknown_event");
    await server.rssBelow(earlier + 24_000);
  });

  test("100,000 pings by somebody who never reads: memory stays", async () => {
    const raw = await connectRaw();
    const earlier = server.rss();
    raw.line.socket.pause();
    const ping = Buffer.concat(Array.from({ length: 1_000 }, () => frame("p".repeat(125), { opcode: OP.PING })));
    for (let n = 0; n < 100; n += 1) raw.line.socket.write(ping);
    await game.check(20);
    const now = server.rss();
    assert.ok(now < earlier + 32_000, `${earlier} kB before, ${now} kB with 13 MB of unread pongs`);
  });

  test("10,000 pongs that nobody asked for are let pass", async () => {
    const raw = await connectRaw();
    raw.write(Buffer.concat(Array.from({ length: 10_000 }, () => frame("", { opcode: OP.PONG }))));
    raw.write(Buffer.concat(Array.from({ length: 10_000 }, () => frame("3"))));
    raw.send('42["no_such_event"]');
    assert.equal((await raw.event("error")).code, "unknown_event");
  });

  test("a line that is reset in the middle of a frame", async () => {
    const raw = await connectRaw();
    await raw.write(frame("4".repeat(1000)).subarray(0, 500));
    raw.line.socket.resetAndDestroy();
  });

  test("a line whose writing side is closed without a close frame", async () => {
    const raw = await connectRaw();
    raw.line.socket.end();
    await raw.line.gone("after its client's end");
  });
});

describe("bad packets", () => {
  serve();

  for (const [what, sent] of [
    ["an empty message", ""],
    ["an unknown Engine.IO type", "8"],
    ["an Engine.IO handshake by the client", '0{"sid":"x"}'],
    ["an Engine.IO upgrade on a WebSocket", "5"],
    ["an Engine.IO ping by the client", "2"],
    ["data behind a noop", "6x"],
    ["an empty Socket.IO packet", "4"],
    ["an unknown Socket.IO type", "47"],
    ["an event that is no array", '42{"a":1}'],
    ["an event of an empty array", "42[]"],
    ["an event whose name is a number", "42[1]"],
    ["an event without end", '42["send_message",{"body":"x"'],
    ["an event with rubbish behind it", '42["x"]x'],
    ["a reserved event name", '42["connect"]'],
    ["another reserved event name", '42["disconnect","x"]'],
    ["an event name of 300 bytes", `42["${"n".repeat(300)}"]`],
    ["an event with 1,000 arguments", `42["x"${",1".repeat(1000)}]`],
    ["an ack id beyond 64 bits", '4299999999999999999999["x"]'],
    ["a binary event that announces 9 attachments", '459-["x"]'],
    ["a binary event that announces nothing", '45["x"]'],
    ["a binary event that announces -1", '45-1-["x"]'],
    ["a placeholder that names no attachment", '451-["x",{"_placeholder":true,"num":7}]'],
    ["an event to a namespace that was never entered", '42/elsewhere,["x"]'],
    ["a CONNECT while connected", "40"],
    ["a packet that only servers send", '44{"message":"x"}'],
    ["a namespace of 10,000 bytes", `40/${"n".repeat(10_000)},`],
    ["a CONNECT whose auth is no object", "40/x,[1]"],
    ["a DISCONNECT with something behind it", "41[1]"],
    ["an acknowledgement without an id", "43[1]"],
    ["NaN in an event", '42["x",NaN]'],
    ["a bare control character in a string", '42["x","\u0001"]'],
  ]) {
    test(`${what}: the connection is closed`, async () => {
      const raw = await connectRaw({ name: what });
      raw.send(sent);
      assert.equal(await raw.closed(), 1002);
    });
  }

  test("an event before CONNECT: the connection is closed", async () => {
    const raw = await openRaw();
    raw.send('42["register_user","x"]');
    assert.equal(await raw.closed(), 1002);
  });

  test("an attachment that nobody announced: the connection is closed", async () => {
    const raw = await connectRaw();
    raw.write(frame(Buffer.from([1, 2, 3]), { opcode: OP.BINARY }));
    assert.equal(await raw.closed(), 1002);
  });

  test("text where an attachment was due: the connection is closed", async () => {
    const raw = await connectRaw();
    raw.send('451-["x",{"_placeholder":true,"num":0}]');
    raw.send('42["x"]');
    assert.equal(await raw.closed(), 1002);
  });

  test("an attachment above its limit: the connection is closed", async () => {
    const raw = await connectRaw();
    raw.send('451-["x",{"_placeholder":true,"num":0}]');
    raw.write(frame(Buffer.alloc(10 * MB + 1), { opcode: OP.BINARY }));
    assert.equal(await raw.closed(), 1009);
  });

  for (const [what, sent] of [
    ["a namespace that is not there", "40/nope,"],
    ["a namespace with a query", "40/nope?x=1,"],
    ["a namespace of odd characters", '40/"\\\u0007{},'],
    ["a namespace called __proto__", "40/__proto__,{}"],
  ]) {
    test(`${what} is answered by a CONNECT_ERROR, and the connection stands`, async () => {
      const raw = await openRaw();
      raw.send(sent);
      assert.match(await raw.text((packet) => packet.startsWith("44/")), /"message":"Invalid namespace"/);
      raw.send("40");
      assert.match(await raw.text((packet) => packet.startsWith("40")), /"sid"/);
    });
  }

  test("CONNECTs that are refused again and again: the connection is closed", async () => {
    const raw = await openRaw();
    for (let n = 0; n < 100; n += 1) raw.send(`40/flood${n},`);
    assert.equal(await raw.closed(), 1002);
  });

  test("auth of the wrong type is a CONNECT_ERROR", async () => {
    for (const auth of ['{"token":7}', '{"appKey":{}}', '{"recovery":"no"}', '{"token":["x"]}']) {
      const raw = await openRaw();
      raw.send(`40${auth}`);
      assert.match(await raw.text((packet) => packet.startsWith("44")), /"message":"/, auth);
    }
  });

  test("what is sent after one's own DISCONNECT is dropped, and CONNECT works again", async () => {
    const raw = await connectRaw();
    raw.send("41");
    raw.send('42["no_such_event"]');
    raw.send("40");
    assert.match(await raw.text((packet) => packet.startsWith("4")), /^40\{/);
    raw.send('42["no_such_event"]');
    assert.equal((await raw.event("error")).code, "unknown_event");
  });

  test("acknowledgements of nothing are ignored", async () => {
    const raw = await connectRaw();
    for (let n = 0; n < 100; n += 1) raw.send(`43${n}[1,2,3]`);
    raw.send('42["no_such_event"]');
    assert.equal((await raw.event("error")).code, "unknown_event");
  });

  for (const [what, sent, code] of [
    ["100,000 nested arrays", `42["send_message",{"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}]`, null],
    ["100,000 nested objects", `42["send_message",${'{"x":'.repeat(100_000)}1${"}".repeat(100_000)}]`, null],
    ["90,000 fields", `42["send_message",{${Array.from({ length: 90_000 }, (_, n) => `"f${n}":1`).join()}}]`, "invalid"],
    ["the same field three times", '42["send_message",{"roomId":1,"roomId":2,"roomId":"x"}]', "invalid"],
    ["fields called __proto__ and constructor", '42["join_chat",{"__proto__":{"userId":"x"},"constructor":{}}]', "invalid"],
    ["numbers beyond all measure", '42["fetch_messages",{"roomId":"0190f5fe-7c00-7a00-8000-000000000000","limit":1e400}]', null],
    ["half of a surrogate pair", '42["register_user","\\ud800"]', "invalid"],
    ["an attachment where a text belongs", '451-["register_user",{"_placeholder":true,"num":0}]', "invalid"],
  ]) {
    test(`a payload with ${what}: an error or the end, for this socket only`, async () => {
      const raw = await connectRaw({ name: what });
      raw.send(sent);
      if (sent.startsWith("45")) raw.write(frame(Buffer.from([1, 2]), { opcode: OP.BINARY }));
      const told = await raw.inbox.take("an error or the end", ({ text, close }) => close || text?.startsWith('42["error"'));
      if (code) assert.equal(JSON.parse(told.text.slice(2))[1].code, code);
      else if (told.close) assert.equal(told.close, 1002);
      else assert.ok(JSON.parse(told.text.slice(2))[1].code);
    });
  }

  test("150 unknown events in a row are 150 errors", async () => {
    const raw = await connectRaw();
    for (let n = 0; n < 150; n += 1) raw.send(`42${n}["no_such_event",${n}]`);
    for (let n = 0; n < 150; n += 1) {
      await raw.event("error");
      assert.match(await raw.text((packet) => packet.startsWith("43")), new RegExp(`^43${n}\\[`));
    }
  });

  test("events above the rate are slowed down, not refused", async () => {
    const raw = await connectRaw();
    const flood = Buffer.concat(Array.from({ length: 300 }, (_, n) => frame(`42${n}["no_such_event"]`)));
    raw.write(flood);
    await raw.text((packet) => packet.startsWith("43299["), 20_000);
  });
});

describe("bad tokens", () => {
  let other;
  serve({ identity: "open" });
  let verified;
  before(async () => {
    verified = await Server.start({ label: "bad-tokens", identity: "verified" });
    other = await createApp(verified.data, "other", "verified", []);
  });
  after(() => verified?.stop());

  const sub = person();
  const cases = {
    "alg none": () => token(null, { sub }, { header: { alg: "none" } }),
    "alg NONE with a signature": () => token(verified.app.secret, { sub }, { header: { alg: "NONE" } }),
    "an unknown alg": () => token(verified.app.secret, { sub }, { header: { alg: "HS1024" } }),
    "alg RS256 signed with the secret": () => token(verified.app.secret, { sub }, { header: { alg: "RS256" } }),
    "no alg": () => token(verified.app.secret, { sub }, { header: {} }),
    "a wrong secret": () => token("another", { sub }),
    "an empty secret": () => token("", { sub }),
    "the secret of another app": () => token(other.secret, { sub }),
    "another digest than it says": () => token(verified.app.secret, { sub }, { digest: "sha512" }),
    "expired": () => token(verified.app.secret, { sub, exp: inSeconds(-60) }),
    "not valid yet": () => token(verified.app.secret, { sub, nbf: inSeconds(3600) }),
    "exp that is a text": () => token(verified.app.secret, { sub, exp: "tomorrow" }),
    "no subject": () => token(verified.app.secret, { name: "nobody" }),
    "a subject that is an object": () => token(verified.app.secret, { sub: { id: sub } }),
    "a blank subject": () => token(verified.app.secret, { sub: " " }),
    "claims that are no object": () => token(verified.app.secret, [sub]),
    "claims that are no JSON": () => token(verified.app.secret, "{"),
    "9,000 bytes": () => token(verified.app.secret, { sub, fat: "x".repeat(9_000) }),
    "a cut signature": () => token(verified.app.secret, { sub }).slice(0, -3),
    "no signature": () => token(verified.app.secret, { sub }).replace(/[^.]*$/, ""),
    "four parts": () => `${token(verified.app.secret, { sub })}.x`,
    "an empty text": () => "",
  };
  for (const [what, make] of Object.entries(cases)) {
    test(`a token with ${what} is a CONNECT_ERROR that does not tell the secret`, async () => {
      const client = clients.make({ url: verified.url, name: what, auth: { token: make() }, transports: ["websocket"] });
      const { detail } = await client.refused();
      assert.match(detail, /token/);
      assert.ok(!detail.includes(verified.app.secret));
    });
  }

  test("a good token, made by hand, comes in", async () => {
    for (const [alg, digest] of [["HS256", "sha256"], ["HS384", "sha384"], ["HS512", "sha512"]]) {
      const made = token(verified.app.secret, { sub, exp: inSeconds(60) }, { header: { alg }, digest });
      const client = await clients.open({ url: verified.url, name: alg, auth: { token: made } });
      assert.equal((await client.ask("register_user", sub)).success, true);
    }
    const byId = token(verified.app.secret, { data: { id: sub } });
    const client = await clients.open({ url: verified.url, name: "data.id", auth: { token: byId } });
    assert.equal((await client.ask("register_user", sub)).success, true);
  });

  test("secrets, tokens and texts are not in the log", async () => {
    const made = token(verified.app.secret, { sub });
    const client = await clients.open({ url: verified.url, name: "alice", auth: { token: made } });
    const { roomId } = await join(client, sub, person());
    await send(client, roomId, sub, "a text nobody shall find in the log");
    const log = verified.log();
    for (const secret of [verified.app.secret, made, "nobody shall find", client.answers[0].pid]) {
      assert.ok(!log.includes(secret));
    }
  });
});

describe("clients that hang", { concurrency: true }, () => {
  // The deadlines that an operator can set are short here; the others stand at their defaults, so all
  // of these wait at the same time.
  before(async () => {
    server = await Server.start({
      label: "hanging",
      settings: settings(UNLIMITED_RATES, {
        limits: { connect_timeout_seconds: 2, slow_timeout_seconds: 3 },
        // Longer together than an upgrade may take: while one is under way no ping can be written.
        heartbeat: { interval_seconds: 6, timeout_seconds: 6 },
      }),
    });
    game = await Bystanders.start(server.url);
  });
  after(async () => {
    await game?.check();
    game?.stop();
    for (const raw of raws.splice(0)) raw.destroy();
    clients.closeAll();
    await server?.stop();
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
  test("above the limit of connections a handshake gets a 503, and the client comes back by itself", async () => {
    const small = await Server.start({ label: "small", settings: { limits: { connections: 2 } } });
    const people = new Clients(() => small.url);
    try {
      const first = await people.open({ name: "first" });
      await people.open({ name: "second", transports: ["websocket"] });
      assert.equal((await request(small.port, "GET", "/socket.io/?EIO=4&transport=polling")).status, 503);
      const raw = await RawWebSocket.open(small.port, { handshake: false });
      assert.equal(raw.upgrade.status, 503);
      raw.destroy();
      const third = people.make({ name: "third" });
      await third.refused();
      await third.refused();
      assert.equal(third.socket.active, true, "it goes on trying");
      first.close();
      await third.connected();
    } finally {
      people.closeAll();
      await small.stop();
    }
  });

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

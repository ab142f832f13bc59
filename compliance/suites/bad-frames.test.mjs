// WebSocket frames that break RFC 6455, or keep to it in an unfriendly way.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OP, closeFrame, frame } from "../lib/raw.mjs";
import { MB, checkEach, connectRaw, game, serve, server } from "../lib/stage.mjs";

describe("bad WebSocket frames", () => {
  serve();
  checkEach();
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

// Engine.IO and Socket.IO packets that are malformed, too many or not allowed.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OP, frame } from "../lib/raw.mjs";
import { MB, checkEach, connectRaw, openRaw, serve } from "../lib/stage.mjs";

describe("bad packets", () => {
  serve();
  checkEach();

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

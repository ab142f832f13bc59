// Socket.IO v5: namespaces, events, acknowledgements, bytes; over WebSocket, polling, and an upgraded connection.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { CALM, SEPARATOR, start } from "./fixture.js";

let calm, beating;
before(async () => {
  [calm, beating] = await Promise.all([start(CALM), start(["--ping-timeout", "5000"])]);
});
after(() => Promise.all([calm.stop(), beating.stop()]));

async function engine(fixture = calm) {
  const socket = fixture.socket("socket.io");
  assert.equal((await socket.next("the handshake"))[0], "0");
  return socket;
}

async function connect(socket, namespace = "/", auth) {
  const prefix = namespace === "/" ? "" : namespace;
  const comma = prefix && ",";
  socket.send(`40${prefix}${auth ? comma + JSON.stringify(auth) : ""}`);
  const answer = await socket.event("the answer to CONNECT");
  assert.ok(answer.startsWith(`40${prefix}${comma}`), answer);
  const told = JSON.parse(answer.slice(2 + prefix.length + comma.length));
  assert.deepEqual(Object.keys(told), ["sid"]);
  assert.equal(await socket.event("auth"), `42${prefix}${comma}["auth",${JSON.stringify(auth ?? {})}]`);
  return told.sid;
}

describe("CONNECT", () => {
  it("lets a client into the main namespace", async () => {
    const socket = await engine();
    assert.equal(typeof (await connect(socket)), "string");
    socket.close();
  });

  it("hands over what the client brings", async () => {
    const socket = await engine();
    await connect(socket, "/", { token: "123", deep: [1, { two: "ü" }] });
    socket.close();
  });

  it("lets it into another one, with a comma or without", async () => {
    for (const packet of ["40/custom", "40/custom,"]) {
      const socket = await engine();
      socket.send(packet);
      assert.ok((await socket.next()).startsWith('40/custom,{"sid":'));
      assert.equal(await socket.next(), '42/custom,["auth",{}]');
      socket.close();
    }
  });

  it("is refused for an unknown namespace, and the connection goes on", async () => {
    const socket = await engine();
    socket.send("40/random");
    assert.equal(await socket.next(), '44/random,{"message":"Invalid namespace"}');
    await connect(socket);
    socket.close();
  });

  it("that never comes ends the connection, over both transports", async () => {
    const socket = beating.socket("socket.io");
    await socket.next("the handshake");
    socket.raw.on("message", (data) => data.toString() === "2" && socket.send("3"));
    assert.deepEqual(await socket.closed(), { code: 4003, reason: "no_connect" });

    const session = await calm.open("socket.io");
    assert.deepEqual(await session.packets(), ["1"]);
    assert.equal((await session.poll()).status, 400);
  });

  it("in several namespaces keeps them apart", async () => {
    const socket = await engine();
    const main = await connect(socket);
    const custom = await connect(socket, "/custom", { who: "me" });
    assert.notEqual(main, custom);
    socket.send('42["message","one"]');
    socket.send('42/custom,["message","not echoed there"]');
    socket.send('427["message-with-ack","two"]');
    assert.equal(await socket.next(), '42["message-back","one"]');
    assert.equal(await socket.next(), '437["two"]');
    socket.close();
  });
});

describe("DISCONNECT", () => {
  it("leaves the connection and its heartbeat alive", async () => {
    const socket = await engine(beating);
    await connect(socket);
    socket.send("41");
    for (let i = 0; i < 2; i++) {
      assert.equal(await socket.next("a ping, and nothing else"), "2");
      socket.send("3");
    }
    await connect(socket, "/custom");
    socket.close();
  });

  it("of one namespace does not touch the other", async () => {
    const socket = await engine();
    await connect(socket);
    await connect(socket, "/custom");
    socket.send("41/custom");
    socket.send('42["message","to main"]');
    assert.equal(await socket.next(), '42["message-back","to main"]');
    socket.close();
  });
});

describe("events", () => {
  it("come back with the same arguments, byte for byte", async () => {
    const socket = await engine();
    await connect(socket);
    for (const args of ['1,"2",{"3":[true]}', "null", '1e400,0.10,"\\u0000 \\ud83d"', '"👋🏽 ‏שלום"', "{ \"a\" : [ ] }"]) {
      socket.send(`42["message",${args}]`);
      assert.equal(await socket.next(), `42["message-back",${args}]`);
    }
    socket.send('42["message"]');
    assert.equal(await socket.next(), '42["message-back"]');
    socket.close();
  });

  it("are acknowledged", async () => {
    const socket = await engine();
    await connect(socket);
    socket.send('42456["message-with-ack",1,"2",{"3":[false]}]');
    assert.equal(await socket.next(), '43456[1,"2",{"3":[false]}]');
    socket.send('420["message-with-ack"]');
    assert.equal(await socket.next(), "430[]");
    socket.close();
  });

  const bytes = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];
  const holes = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';

  it("carry bytes, and so do acknowledgements", async () => {
    const socket = await engine();
    await connect(socket);
    for (const [sent, wanted] of [
      [`452-["message",${holes}]`, `452-["message-back",${holes}]`],
      [`452-789["message-with-ack",${holes}]`, `462-789[${holes}]`],
    ]) {
      for (const message of [sent, ...bytes]) socket.send(message);
      assert.equal(await socket.next(), wanted);
      for (const attachment of bytes) assert.deepEqual(await socket.next(), attachment);
    }
    socket.close();
  });

  it("carry bytes over polling", async () => {
    const session = await calm.open("socket.io");
    await session.post("40");
    let packets = await session.packets();
    assert.match(packets[0], /^40\{"sid":/);
    if (packets.length === 1) packets = await session.packets();
    assert.equal(packets.at(-1), '42["auth",{}]');
    const encoded = bytes.map((attachment) => `b${attachment.toString("base64")}`);
    await session.post([`452-["message",${holes}]`, ...encoded].join(SEPARATOR));
    assert.deepEqual(await session.packets(), [`452-["message-back",${holes}]`, ...encoded]);
  });

  it("whose bytes come in two posts, or before and after an upgrade, are whole", async () => {
    const session = await calm.open("socket.io");
    await session.post("40");
    let got = [];
    while (got.length < 2) got.push(...(await session.packets()));
    await session.post(`452-["message",${holes}]`);
    await session.post("bAQID");
    const socket = session.probe();
    await socket.opened();
    socket.send("2probe");
    assert.equal(await socket.next(), "3probe");
    socket.send("5");
    socket.send(bytes[1]);
    assert.equal(await socket.next(), `452-["message-back",${holes}]`);
    assert.deepEqual(await socket.next(), bytes[0]);
    assert.deepEqual(await socket.next(), bytes[1]);
    socket.close();
  });
});

describe("a packet that breaks the protocol ends the connection:", () => {
  for (const [what, packet] of [
    ["an unknown type", "4abc"],
    ["no type", "4"],
    ["a payload that is no array", "42{}"],
    ["an array without a name", "42[]"],
    ["a name that is no string", "42[1]"],
    ["a reserved name", '42["connect"]'],
    ["an array that does not end", '42["message"'],
    ["a bad ack id", '42abc["message-with-ack",1,"2",{"3":[false]}]'],
    ["an ack id beyond 64 bits", '4299999999999999999999["message-with-ack"]'],
    ["too many attachments", `4511-["message"]`],
    ["no number of attachments", '45["message"]'],
    ["a placeholder without its attachment", '451-["message",{"_placeholder":true,"num":1}]'],
    ["a second CONNECT", "40"],
    ["an event for a namespace that was not entered", '42/custom,["message"]'],
    ["bytes that were not announced", Buffer.from([1])],
  ]) {
    it(what, async () => {
      const socket = await engine();
      await connect(socket);
      socket.send(packet);
      assert.equal((await socket.closed()).code, 1002);
    });
  }

  it("a CONNECT whose payload is no object, before anything else", async () => {
    const socket = await engine();
    socket.send("40[1]");
    assert.equal((await socket.closed()).code, 1002);
  });

  it("and only that connection", async () => {
    const [good, bad] = [await engine(), await engine()];
    await Promise.all([connect(good), connect(bad)]);
    bad.send("4abc");
    await bad.closed();
    good.send('42["message","still here"]');
    assert.equal(await good.next(), '42["message-back","still here"]');
    good.close();
  });
});

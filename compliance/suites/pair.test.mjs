// The `pair` API with real clients: every version over every transport does all of it.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, WAYS } from "../lib/client.mjs";
import { person } from "../lib/direct.mjs";
import { checkMessage, conversation, heard, register, send, settle, tokenOf } from "../lib/pair.mjs";
import { Server } from "../lib/server.mjs";

const TEXTS = [
  "é".repeat(32_768),
  "👩🏽‍🚀 🏴󠁧󠁢󠁳󠁣󠁴󠁿 e\u0301 \u00e9 שלום \u202Eabc\u202C",
  `"\\"\\\\" \\u0041 \b\f\n\r\t\u0000\u001f \u2028\u2029 </script><!-- ' \``,
  '42["message",{"content":"x"}]\u001e2 {"_placeholder":true,"num":0}',
  "1a2b3c.7.0",
  "  two words \n ",
];

describe("pair", () => {
  let server;
  const clients = new Clients(() => server.url);
  before(async () => {
    server = await Server.start({ label: "pair" });
  });
  afterEach(() => clients.closeAll());
  after(() => server?.stop());

  /** Ids of people of whom nobody has heard, as a shop's database would count them. */
  let last = 1_000;
  const number = () => (last += 1);
  const sign = (sub) => tokenOf(server.app.secret, sub);

  for (const way of WAYS) {
    describe(way.name, () => {
      const open = (name) => clients.open({ ...way.options, name });
      const as = async (name, id) => register(await open(name), sign(id));

      test("the document from its first to its last line", async () => {
        const [a, b] = [person(), person()];
        const [alice, bob] = [await as("alice", a), await as("bob", b)];
        const sent = await send(alice, b, "Hello");
        const { success, ...first } = sent;
        assert.equal(success, true);
        checkMessage(first, { from: a, to: b, content: "Hello" });
        assert.deepEqual(await heard(bob), first);

        alice.emit("startWriting", { id: b });
        assert.deepEqual(await bob.expect("startWriting"), { id: a });
        alice.emit("stopWriting", { token: sign(a), id: b });
        assert.deepEqual(await bob.expect("stopWriting"), { id: a });

        bob.emit("message", { to: a, content: "Hi" });
        assert.deepEqual(await bob.expect("message"), { success: true });
        const second = await heard(alice);
        checkMessage(second, { from: b, to: a, content: "Hi" });

        alice.emit("snippets");
        assert.deepEqual(await alice.expect("snippets"), { id: b, message: second });
        assert.deepEqual(await conversation(alice, b), { id: b, messages: [first, { ...second, read: true }] });
        bob.emit("snippets");
        assert.deepEqual(await bob.expect("snippets"), { id: a, message: { ...second, read: true } });

        bob.emit("message", { to: b, content: "To myself" });
        assert.equal(await bob.expect("info"), "to must be somebody else than you");
        await settle(alice);
        await settle(bob);
        assert.deepEqual([alice.inbox.size, bob.inbox.size], [0, 0], "nothing else came");
      });

      test("numeric ids stay numbers", async () => {
        const [a, b] = [number(), number()];
        const [alice, bob] = [await as("alice", a), await as("bob", b)];
        checkMessage((({ success, ...it }) => it)(await send(alice, b, "by number")), { from: a, to: b, content: "by number" });
        checkMessage(await heard(bob), { from: a, to: b, content: "by number" });
        await send(bob, `${a}`, "by text");
        checkMessage(await heard(alice), { from: b, to: a, content: "by text" });
        assert.equal((await conversation(alice, `${b}`)).id, b);
        alice.emit("startWriting", { id: `${b}` });
        assert.deepEqual(await bob.expect("startWriting"), { id: a });
        alice.emit("snippets");
        assert.equal((await alice.expect("snippets")).id, b);
        // Somebody first seen as text stays text, whatever the token says later.
        const c = number();
        await send(alice, `${c}`, "first seen as text");
        const carol = await as("carol", c);
        assert.equal((await conversation(carol, a)).messages[0].to, `${c}`);
      });

      test("what was typed before the connection stood waits for registration", async () => {
        const [a, b] = [person(), person()];
        const bob = await as("bob", b);
        const alice = clients.make({ ...way.options, name: "alice", autoConnect: false });
        for (const text of ["one", "two", "three"]) alice.emit("message", { to: b, content: text });
        alice.emit("conversation", { id: b });
        alice.socket.on("connect", () => alice.emit("registerMessages", { token: sign(a) }));
        alice.socket.connect();
        await alice.connected();
        for (const text of ["one", "two", "three"]) assert.equal((await heard(bob)).content, text);
        assert.equal(await alice.expect("registerMessages"), "OK");
        const { messages } = await alice.expect("conversation");
        assert.deepEqual(messages.map(({ content }) => content), ["one", "two", "three"]);
      });

      test("all windows of both, and nobody else", async () => {
        const [a, b, c] = [person(), person(), person()];
        const [alice, phone] = [await as("alice", a), await as("alice's phone", a)];
        const [bob, tablet] = [await as("bob", b), await as("bob's tablet", b)];
        const [carol, silent] = [await as("carol", c), await open("bob, who has not registered")];
        const { success, ...message } = await send(alice, b, "to all windows");
        for (const window of [phone, bob, tablet]) assert.deepEqual(await heard(window), message, window.name);
        alice.emit("startWriting", { id: b });
        for (const window of [bob, tablet]) assert.deepEqual(await window.expect("startWriting"), { id: a });
        for (const window of [alice, phone, bob, tablet, carol]) await settle(window);
        for (const window of [alice, phone, bob, tablet, carol, silent]) {
          assert.equal(window.inbox.size, 0, `${window.name} got nothing else`);
        }
        // Registering as somebody else replaces who is there.
        await register(tablet, sign(c));
        await send(alice, b, "not for the tablet");
        await send(bob, c, "for the tablet");
        assert.equal((await heard(tablet)).content, "for the tablet");
        assert.equal((await heard(carol)).content, "for the tablet");
      });

      test("texts arrive as they were sent", async () => {
        const [a, b] = [person(), person()];
        const [alice, bob] = [await as("alice", a), await as("bob", b)];
        for (const text of TEXTS) {
          assert.equal((await send(alice, b, text)).content, text);
          assert.equal((await heard(bob)).content, text);
        }
        assert.deepEqual((await conversation(bob, a)).messages.map(({ content }) => content), TEXTS);
      });
    });
  }

  const as = async (name, id) => register(await clients.open({ name }), sign(id));

  test("pages of a long conversation, back to its beginning", async () => {
    const [a, b] = [person(), person()];
    const [alice, bob] = [await as("alice", a), await as("bob", b)];
    const bodies = Array.from({ length: 120 }, (_, n) => `message ${n}`);
    // Below the default rate of a user.
    await Promise.all(bodies.map((body, n) => (n % 2 ? send(alice, b, body) : send(bob, a, body))));
    const all = (await conversation(bob, a)).messages;
    assert.deepEqual(all.map(({ content }) => content).sort(), [...bodies].sort());
    let pages = [];
    for (let before; ; before = pages[0].id) {
      const { messages } = await conversation(bob, a, { limit: 50, ...(before ? { before } : {}) });
      if (messages.length === 0) break;
      pages = [...messages, ...pages];
    }
    assert.deepEqual(pages, all);
  });

  test("a retry with its own id is one message", async () => {
    const [a, b] = [person(), person()];
    const [alice, bob] = [await as("alice", a), await as("bob", b)];
    const first = await send(alice, b, "once", { clientMessageId: "a-1" });
    assert.deepEqual(await send(alice, b, "once", { clientMessageId: "a-1" }), first);
    assert.equal((await heard(bob)).id, first.id);
    await settle(bob);
    assert.equal(bob.inbox.size, 0);
    assert.equal((await conversation(bob, a)).messages.length, 1);
  });

  test("snippets of many people, the newest first", async () => {
    const a = person();
    const alice = await as("alice", a);
    const others = Array.from({ length: 40 }, person);
    for (const other of others) await send(alice, other, `to ${other}`);
    const { snippets } = await alice.ask("snippets");
    const told = alice.seen("snippets");
    assert.deepEqual(told, snippets);
    assert.deepEqual(told.map(({ id }) => id), [...others].reverse());
    assert.ok(told.every(({ id, message }) => message.content === `to ${id}`));
  });
});

// People of all dialects in one conversation: what each is told of what another does. What is seen here
// is the table in docs/dialects/README.md; with MATRIX=write it is written there.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { PARTICIPANTS } from "../lib/dialects.mjs";
import { join as openRoom, person } from "../lib/direct.mjs";
import { eventually } from "../lib/inbox.mjs";
import { Api, file, PNG } from "../lib/minchat.mjs";
import { Server } from "../lib/server.mjs";

const PAGE = fileURLToPath(new URL("../../docs/dialects/README.md", import.meta.url));
const HEAD = "| who acts | who is told | a message | changes it | deletes it | has read it | types |";
const RULE = "| --- | --- | --- | --- | --- | --- | --- |";
/** What the first may not have, and what the second is not told of. */
const NO_ACT = "";
const NOTHING = "nothing";

const NAMES = Object.keys(PARTICIPANTS);
const PAIRS = NAMES.flatMap((from) => NAMES.map((to) => [from, to]));

describe("all dialects in one conversation", () => {
  let server;
  let open = [];
  before(async () => {
    server = await Server.start({ label: "matrix" });
  });
  afterEach(() => {
    for (const participant of open.splice(0)) participant.close();
  });
  after(() => server?.stop());

  async function join(dialect, me, other, name) {
    const participant = await PARTICIPANTS[dialect].open(server, me, other, name);
    open.push(participant);
    return participant;
  }

  const rows = [];
  for (const [from, to] of PAIRS) {
    test(`${from} to ${to}`, async () => {
      const [a, b] = [person(), person()];
      const ada = await join(from, a, b, `Ada in ${from}`);
      const bob = await join(to, b, a, `Bob in ${to}`);
      await ada.events();
      await bob.events();

      /** Ada does something; answers what Bob was told: names of events, in their order. */
      const told = async (act, ...args) => {
        if (!ada[act]) return NO_ACT;
        const found = await ada[act](...args);
        const heard = await bob.events();
        return { found, heard, cell: heard.map(({ event }) => `\`${event}\``).join(", ") || NOTHING };
      };
      /** Whether Bob's history has become this. */
      const isThere = async (wanted) => {
        const history = await bob.history();
        await bob.events();
        return JSON.stringify(history) === JSON.stringify(wanted);
      };
      /** A cell for an act that must show in history, whether it is told or not. */
      const lasting = (happened, seen) => {
        if (happened === NO_ACT) return NO_ACT;
        assert.ok(seen, "history has it");
        return happened.cell === NOTHING ? "history" : happened.cell;
      };

      const text = "Grüße 🐙 <b>&amp;</b>";
      const sent = await told("send", text);
      const id = sent.found;
      assert.ok(sent.heard.some(({ payload }) => JSON.stringify(payload).includes(JSON.stringify(text))), "the text arrives");
      const message = lasting(sent, await isThere([{ id, by: a, text }]));

      // Messages have one name in all dialects, and an answer stands for all.
      const answer = await bob.send("Received");
      const heard = await ada.events();
      assert.ok(heard.some(({ payload }) => JSON.stringify(payload).includes(answer)), "the answer arrives");
      assert.deepEqual(await ada.history(), [{ id, by: a, text }, { id: answer, by: b, text: "Received" }]);
      await ada.events();
      await bob.events();

      const read = await told("read", answer);
      if (read.cell === NOTHING && (await bob.isRead?.(answer))) read.cell = "history";
      await bob.events();
      const typed = await told("type");
      const edited = await told("edit", id, "changed");
      const change = lasting(edited, !ada.edit || (await isThere([{ id, by: a, text: "changed" }, { id: answer, by: b, text: "Received" }])));
      const removed = await told("remove", id);
      const deletion = lasting(removed, !ada.remove || (await isThere([{ id: answer, by: b, text: "Received" }])));
      const cells = [message, change, deletion, read.cell ?? read, typed.cell ?? typed];
      rows.push(`| \`${from}\` | \`${to}\` | ${cells.join(" | ")} |`.replaceAll("|  |", "| |").replaceAll("|  |", "| |"));
    });
  }

  test("what was seen is what is documented", () => {
    assert.equal(rows.length, PAIRS.length, "every pair was seen");
    const table = [HEAD, RULE, ...rows].join("\n");
    const page = fs.readFileSync(PAGE, "utf8");
    const documented = /^\| who acts \|(?:.*\n)+?(?=\n|$(?![\s\S]))/m.exec(page)?.[0].trimEnd();
    if (process.env.MATRIX === "write" && documented) fs.writeFileSync(PAGE, page.replace(documented, () => table));
    else assert.equal(documented, table, "docs/dialects/README.md; MATRIX=write writes it");
  });

  test("one's own other windows are told, whatever they speak", async () => {
    const [a, b] = [person(), person()];
    const windows = {};
    for (const dialect of NAMES) windows[dialect] = await join(dialect, a, b, `Ada in ${dialect}`);
    for (const dialect of NAMES) await windows[dialect].events();
    for (const writer of NAMES) {
      const id = await windows[writer].send(`by ${writer}`);
      for (const reader of NAMES.filter((it) => it !== writer)) {
        const heard = await windows[reader].events();
        assert.equal(heard.filter(({ payload }) => payload.id === id).length, 1, `${writer} to ${reader}`);
        assert.equal(heard.length, 1, "a list of chats is for the others");
      }
      await windows[writer].events();
    }
  });

  test("both are online, and one of them while any window is there", async () => {
    const [a, b] = [person(), person()];
    const ada = await join("minchat", a, b, "Ada");
    const bob = await join("direct", b, a, "Bob");
    const { id } = await ada.page.instance.fetchUser(b);
    assert.equal((await ada.page.status(id)).status, "online");
    bob.close();
    await eventually("Bob to be offline", async () => (await ada.page.status(id)).status === "offline");
  });

  test("groups are not for those who know none", async () => {
    const [a, b] = [person(), person()];
    const ada = await join("minchat", a, b, "Ada");
    const bob = await join("direct", b, a, "Bob");
    await bob.events();
    const group = await ada.page.instance.groupChat({ memberUsernames: [b] });
    await ada.page.send(group, "in the group");
    assert.deepEqual(await bob.events(), []);
    assert.deepEqual(await bob.history(), []);
  });

  test("a file without words is shown by its address to those who know no files", async () => {
    const [a, b] = [person(), person()];
    const ada = await join("minchat", a, b, "Ada");
    const readers = { body: await join("direct", b, a, "Bob in direct"), content: await join("pair", b, a, "Bob in pair") };
    for (const bob of Object.values(readers)) await bob.events();
    const sent = await ada.page.send(ada.chat, { file: file("heron.png", "image/png", PNG) });
    for (const [field, bob] of Object.entries(readers)) {
      const { payload } = (await bob.events()).find((it) => it.payload.id === sent.id);
      assert.equal(payload[field], sent.file.url);
      assert.equal((await fetch(payload[field])).status, 200);
    }
  });

  test("what is deleted in one is gone for the other", async () => {
    const api = new Api(server.url, server.app.client_key);
    const [a, b] = [person(), person()];
    const ada = await join("minchat", a, b, "Ada");
    const bob = await join("direct", b, a, "Bob");
    await bob.send("before");
    await api.ask("DELETE", `/v1/chat/${ada.chat.getId()}`);
    const answer = await bob.client.ask("send_message", { roomId: bob.roomId, senderId: b, body: "after" });
    assert.equal(answer.error?.code, "unknown_conversation", JSON.stringify(answer));
    await bob.client.expect("error");
    const { roomId, messages } = await openRoom(bob.client, b, a);
    assert.notEqual(roomId, bob.roomId, "a new conversation");
    assert.deepEqual(messages, []);
  });

  test("with a person goes what that person wrote", async () => {
    const api = new Api(server.url, server.app.client_key);
    const [a, b] = [person(), person()];
    const ada = await join("minchat", a, b, "Ada");
    const bob = await join("direct", b, a, "Bob");
    await ada.send("hers");
    const id = await bob.send("his");
    await api.ask("DELETE", `/v1/user/${ada.page.user.id}`);
    assert.deepEqual(await bob.history(), [{ id, by: b, text: "his" }]);
    assert.equal((await ada.page.send(ada.chat, "a ghost")).success, false);
    assert.deepEqual(await bob.history(), [{ id, by: b, text: "his" }]);
  });
});

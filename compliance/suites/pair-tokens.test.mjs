// `pair` and its tokens: which are believed, for how long, and what somebody without one learns.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { person } from "../lib/direct.mjs";
import { conversation, heard, register, send, settle, tokenOf } from "../lib/pair.mjs";
import { cli, createApp } from "../lib/server.mjs";
import { checkEach, clients, serve, server } from "../lib/stage.mjs";
import { inSeconds, token } from "../lib/tokens.mjs";

serve({ settings: { identity: { expiry_grace_seconds: 1 } } });
checkEach();

for (const identity of ["open", "verified"]) {
  describe(`tokens of pair in an app that is ${identity}`, () => {
    // The bystanders are in an app of their own.
    let app;
    let other;
    before(async () => {
      app = await createApp(server.data, identity, identity, []);
      other = await createApp(server.data, `other ${identity}`, identity, []);
    });

    /** A page in that app; `auth` is what it says beside the app's key. */
    const open = (name, auth = {}) => {
      const appKey = app.client_key;
      const says = typeof auth === "function" ? (answer) => auth((more) => answer({ appKey, ...more })) : { appKey, ...auth };
      return clients.make({ name, auth: says });
    };
    const page = async (name, auth) => {
      const client = open(name, auth);
      await client.connected();
      return client;
    };
    const secret = () => app.secret;
    const sign = (sub, more) => tokenOf(secret(), sub, more);
    const sub = person();
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = publicKey.export({ type: "spki", format: "pem" });

    const cases = {
      "blank": [() => "", /a token is needed/],
      "that is no token": [() => "rubbish", /malformed/],
      "that is an API key": [() => app.client_key, /malformed/],
      "with alg none": [() => token(null, { sub }, { header: { alg: "none" } }), /algorithm is not supported/],
      "with alg None and a signature": [() => token(secret(), { sub }, { header: { alg: "None" } }), /algorithm is not supported/],
      "with RS256, signed by the secret": [() => token(secret(), { sub }, { header: { alg: "RS256" } }), /no key for the token's algorithm/],
      "with HS256, signed by a public key": [() => token(pem, { sub }), /signature is wrong/],
      "of a wrong secret": [() => token("another", { sub }), /signature is wrong/],
      "of another app": [() => tokenOf(other.secret, sub), /signature is wrong/],
      "that was changed": [() => sign(sub).replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ sub: "x" })).toString("base64url")}.`), /signature is wrong/],
      "that has expired": [() => token(secret(), { sub, exp: inSeconds(-60) }), /the token has expired/],
      "that is not yet valid": [() => token(secret(), { sub, nbf: inSeconds(3_600) }), /not valid yet/],
      "without a subject": [() => token(secret(), { name: "nobody" }), /names no subject/],
      "about a blank subject": [() => token(secret(), { sub: " " }), /subject must be/],
    };
    /** What such a token comes to; the page may try again. */
    const refused = async (what, make, words) => {
      const client = await page(what);
      const answer = await client.ask("registerMessages", { token: make() });
      assert.equal(answer.success, false, what);
      assert.match(answer.error.message, words, what);
      assert.equal(await client.expect("info"), answer.error.message);
      assert.ok(!answer.error.message.includes(secret()));
      const late = await client.ask("snippets");
      assert.equal(late.error.message, "send registerMessages first", what);
      await client.expect("info");
      await register(client, sign(sub));
    };
    // All at once: each of them waits until it is clear that nobody registers.
    test(`tokens that are none are refused in words: ${Object.keys(cases).join(", ")}`, async () => {
      await Promise.all(Object.entries(cases).map(([what, [make, words]]) => refused(what, make, words)));
    });

    test("claims name the subject in more than one way, and numbers are subjects", async () => {
      for (const claims of [{ id: 4711 }, { data: { id: 4711 } }, { sub: 4711 }, { sub: "4711" }]) {
        const client = await page(JSON.stringify(claims));
        const answer = await client.ask("registerMessages", { token: token(secret(), claims) });
        assert.deepEqual(answer, { success: true, id: 4711 });
      }
    });

    test("a socket's own token and the registered one are about one person, or it is refused", async () => {
      const [a, b] = [person(), person()];
      const client = await page("two tokens", { token: sign(a) });
      const answer = await client.ask("registerMessages", { token: sign(b) });
      assert.equal(answer.error?.code, "not_the_tokens_subject");
      await client.expect("info");
      await register(client, sign(a));
      await send(client, b, "as the one that both name");
    });

    test("nobody without a token sees, changes or learns anything", async () => {
      const [a, b, c] = [person(), person(), person()];
      const alice = await register(await page("alice"), sign(a));
      const bob = await register(await page("bob"), sign(b));
      const eve = await page("eve");
      const { id } = await send(alice, b, "between us");
      await heard(bob);
      // First as nobody, then as a third person.
      for (const [event, payload] of [["snippets"], ["conversation", { id: a }], ["message", { to: b, content: "x" }], ["startWriting", { id: b }]]) {
        const answer = await eve.ask(event, ...(payload ? [payload] : []));
        assert.equal(answer.error?.code, "not_identified", event);
        await eve.expect("info");
      }
      await register(eve, sign(c));
      assert.deepEqual((await eve.ask("snippets")).snippets, []);
      for (const known of [a, b]) {
        assert.deepEqual(await conversation(eve, known), { id: known, messages: [] });
        assert.deepEqual(await conversation(eve, known, { before: id }), { id: known, messages: [] });
        assert.equal((await eve.ask("startWriting", { id: known })).success, true);
        assert.equal((await eve.ask("stopWriting", { id: known, token: sign(a) })).error?.code, "not_the_tokens_subject");
        await eve.expect("info");
      }
      await send(alice, b, "still between us");
      await heard(bob);
      for (const client of [alice, bob, eve]) await settle(client);
      assert.deepEqual([alice.inbox.size, bob.inbox.size, eve.inbox.size], [0, 0, 0]);
      const { messages } = await conversation(alice, b);
      assert.deepEqual(messages.map(({ read }) => read), [false, false]);
    });

    test("a token that expires ends the connection, and a page that registers anew goes on", { timeout: 60_000 }, async () => {
      const [a, b] = [person(), person()];
      const bob = await register(await page("bob"), sign(b));
      const alice = open("alice");
      let tokens = 0;
      alice.socket.on("connect", () => alice.emit("registerMessages", { token: sign(a, tokens++ === 0 ? { exp: inSeconds(1) } : {}) }));
      assert.equal(await alice.expect("registerMessages"), "OK");
      assert.equal(await alice.expect("info", () => true, 20_000), "your token has expired; connect again with a new one");
      assert.match((await alice.disconnected(20_000)).detail, /^transport/);
      await alice.connected();
      assert.equal(await alice.expect("registerMessages"), "OK");
      await send(bob, a, "with the new token");
      assert.equal((await heard(alice)).content, "with the new token");
      await send(alice, b, "and back");
      assert.equal(tokens, 2);
    });

    test("a token that has expired does not come back", { timeout: 60_000 }, async () => {
      const [a, b] = [person(), person()];
      const alice = await register(await page("alice"), sign(a, { exp: inSeconds(1) }));
      const bob = await register(await page("bob"), sign(b));
      await alice.expect("info", () => true, 20_000);
      await alice.disconnected(20_000);
      await alice.connected();
      await send(bob, a, "too late");
      const answer = await alice.ask("conversation", { id: b });
      assert.equal(answer.error?.code, "not_identified");
      assert.deepEqual(alice.seen("message"), []);
    });

    test("a new registration in time outlives the token before", { timeout: 60_000 }, async () => {
      const [a, b] = [person(), person()];
      const bob = await register(await page("bob"), sign(b));
      const alice = await register(await page("alice"), sign(a, { exp: inSeconds(1) }));
      await register(alice, sign(a));
      const witness = await register(await page("witness"), sign(a, { exp: inSeconds(1) }));
      await witness.disconnected(20_000);
      await send(bob, a, "still there");
      assert.equal((await heard(alice)).content, "still there");
      assert.deepEqual(alice.seen("info"), []);
      assert.deepEqual(alice.life.drain(({ what }) => what === "disconnect"), []);
    });

    test("a token of the socket's own that expires is renewed by the client itself", { timeout: 60_000 }, async () => {
      const [a, b] = [person(), person()];
      const bob = await register(await page("bob"), sign(b));
      let tokens = 0;
      const auth = (answer) => answer({ token: sign(a, tokens++ === 0 ? { exp: inSeconds(1) } : {}) });
      const alice = await register(await page("alice", auth), sign(a));
      await alice.expect("info", () => true, 20_000);
      assert.equal(await alice.back(20_000), true);
      assert.equal(tokens, 2);
      await send(bob, a, "after the renewal");
      assert.equal((await heard(alice)).content, "after the renewal");
      await send(alice, b, "without registering again");
    });

    test("an app key that is revoked puts out who came with it", async () => {
      const made = JSON.parse((await cli(["key", "create", "--data", server.data, "--app", app.id, "--scope", "client", "--json"])).stdout);
      const alice = await register(await page("alice", { appKey: made.key }), sign(person()));
      await cli(["key", "revoke", String(made.id), "--data", server.data]);
      assert.equal((await alice.disconnected()).detail, "io server disconnect");
    });
  });
}

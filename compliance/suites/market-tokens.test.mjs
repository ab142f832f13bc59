// `market` and its tokens: which are believed, for how long, and how somebody is told who has none.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { before, describe, test } from "node:test";
import { number, Person, product, tokenOf } from "../lib/market.mjs";
import { cli, createApp } from "../lib/server.mjs";
import { checkEach, clients, serve, server } from "../lib/stage.mjs";
import { inSeconds, token } from "../lib/tokens.mjs";

const ROLE = "the token's role must be customer or vendor";

for (const identity of ["open", "verified"]) {
  describe(`tokens of market in an app that is ${identity}`, () => {
    serve({ identity, settings: { identity: { expiry_grace_seconds: 1 } } });
    checkEach();
    let other;
    before(async () => {
      other = await createApp(server.data, "other", identity, []);
    });

    const secret = () => server.app.secret;
    const claims = { sub: 2, role: "customer" };
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = publicKey.export({ type: "spki", format: "pem" });
    const changed = (good) => good.replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ ...claims, sub: 3 })).toString("base64url")}.`);

    /** What a token is, how it is made, what is said of it, and with which status. */
    const cases = [
      ["missing", () => undefined, "a token is missing: connect with auth.token or the header token"],
      ["empty", () => "", "a token is missing: connect with auth.token or the header token"],
      ["none", () => "rubbish", "the token is malformed"],
      ["an API key", () => server.app.client_key, "the token is malformed"],
      ["expired", () => token(secret(), { ...claims, exp: inSeconds(-60) }), "the token has expired"],
      ["not yet valid", () => token(secret(), { ...claims, nbf: inSeconds(3_600) }), "the token is not valid yet"],
      ["of a wrong secret", () => token("another", claims), "the token's signature is wrong"],
      ["of another app", () => token(other.secret, claims), "the token's signature is wrong"],
      ["changed", () => changed(token(secret(), claims)), "the token's signature is wrong"],
      ["of alg none", () => token(null, claims, { header: { alg: "none" } }), "the token's algorithm is not supported"],
      ["of alg none with a signature", () => token(secret(), claims, { header: { alg: "none" } }), "the token's algorithm is not supported"],
      ["of RS256, signed by the secret", () => token(secret(), claims, { header: { alg: "RS256" } }), "this app has no key for the token's algorithm"],
      ["of HS256, signed by a public key", () => token(pem, claims), "the token's signature is wrong"],
      ["without a subject", () => token(secret(), { role: "customer" }), "the token names no subject"],
      ["without a role", () => token(secret(), { sub: 2 }), ROLE, 403],
      ["of an unknown role", () => token(secret(), { sub: 2, types: ["owner"] }), ROLE, 403],
    ];
    for (const [what, make, words, statusCode = 401] of cases) {
      for (const namespace of ["presence", "chat"]) {
        test(`a token that is ${what}: let in, told why, put out of /${namespace}`, async () => {
          const auth = make() === undefined ? {} : { token: make() };
          const client = clients.make({ name: what, url: `${server.url}/${namespace}`, auth });
          await client.connected();
          const error = await client.expect("appError");
          assert.deepEqual(error, { error: true, message: words, statusCode });
          assert.equal((await client.disconnected()).detail, "io server disconnect");
          assert.ok(!JSON.stringify(client.packets).includes(secret()));
          assert.deepEqual(client.inbox.drain(), []);
          // The page may try again with a better one.
          client.socket.auth = { token: tokenOf(secret(), "customer", number()) };
          client.socket.connect();
          await client.connected();
        });
      }
    }

    test("an admin may say that they are there, and does not talk", async () => {
      const auth = { token: token(secret(), { sub: 1, types: ["admin"] }) };
      const presence = await clients.open({ name: "presence", url: `${server.url}/presence`, auth });
      assert.deepEqual((await presence.expect("userIsOnline")).data, { userId: 1, userType: "ADMIN" });
      const chat = await clients.open({ name: "chat", url: `${server.url}/chat`, auth });
      assert.deepEqual(await chat.expect("appError"), { error: true, message: ROLE, statusCode: 403 });
      await chat.disconnected();
      assert.equal(presence.socket.connected, true);
    });

    test("claims name subject and role in more than one way", async () => {
      const id = number();
      const auths = [{ sub: id, role: "vendor" }, { id, types: ["vendor"] }, { data: { id }, types: ["VENDOR", "customer"] }];
      for (const more of auths) {
        const it = new Person(clients, server, "vendor", id, { auth: { token: token(secret(), more) } });
        await it.greeted();
        const { data } = await it.presence.expect("userIsOnline");
        assert.deepEqual(data, { userId: id, userType: "VENDOR" });
        it.close();
      }
    });

    for (const transports of [["websocket"], ["polling"]]) {
      test(`the header token does as well, over ${transports}`, async () => {
        const id = number();
        const extraHeaders = { token: tokenOf(secret(), "customer", id) };
        await Person.come(clients, server, "customer", id, { auth: {}, options: { extraHeaders, transports } });
        // auth.token is looked at first.
        const options = { extraHeaders, transports, name: "two", url: `${server.url}/presence` };
        const two = await clients.open({ ...options, auth: { token: "rubbish" } });
        assert.equal((await two.expect("appError")).message, "the token is malformed");
      });
    }

    test("what a payload says of its sender is not believed", async () => {
      const [p, c, v] = [product(), number(), number()];
      const ann = await Person.come(clients, server, "customer", c);
      const vic = await Person.come(clients, server, "vendor", v);
      const { message } = await ann.send(p, v, "I", { senderId: v, senderType: "VENDOR", customerId: 7, vendorId: 8, userId: v });
      assert.deepEqual([message.senderId, message.senderType], [c, "CUSTOMER"]);
      const { message: chat } = await vic.chat.expect("newChat");
      assert.deepEqual([chat.customerId, chat.vendorId], [c, v]);
    });

    test("tokens that expire are renewed by the client, and nothing is missed", { timeout: 60_000 }, async () => {
      const [p, c, v] = [product(), number(), number()];
      const vic = await Person.come(clients, server, "vendor", v);
      let tokens = 0;
      // One short token for each of the two sockets.
      const auth = (answer) => answer({ token: tokenOf(secret(), "customer", c, (tokens += 1) <= 2 ? { exp: inSeconds(1) } : {}) });
      const ann = await Person.come(clients, server, "customer", c, { auth });
      await ann.send(p, v, "first");
      for (const client of [ann.chat, ann.presence]) {
        assert.deepEqual(await client.expect("appError", () => true, 20_000), { error: true, message: "your token has expired; connect again with a new one", statusCode: 401 });
      }
      const back = [ann.chat.back(20_000), ann.presence.back(20_000)];
      await vic.chat.expect("newChat");
      await vic.send(p, c, "meanwhile");
      assert.deepEqual(await Promise.all(back), [true, true]);
      assert.equal(tokens, 4);
      assert.equal((await ann.heard()).text, "meanwhile");
      await ann.send(p, v, "after the renewal");
      assert.equal((await vic.heard()).text, "after the renewal");
      assert.deepEqual(ann.chat.seen("appError"), []);
    });

    test("an app key that is revoked puts out who came with it", async () => {
      const key = await cli(["key", "create", "--data", server.data, "--app", server.app.id, "--scope", "client", "--json"]);
      const { id, key: appKey } = JSON.parse(key.stdout);
      const c = number();
      const ann = await Person.come(clients, server, "customer", c, { auth: { appKey, token: tokenOf(secret(), "customer", c) } });
      await cli(["key", "revoke", String(id), "--data", server.data]);
      for (const client of [ann.chat, ann.presence]) assert.equal((await client.disconnected()).detail, "io server disconnect");
    });
  });
}

// Tokens that must not be believed.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { join, person, send } from "../lib/direct.mjs";
import { Server, createApp } from "../lib/server.mjs";
import { checkEach, clients, serve } from "../lib/stage.mjs";
import { inSeconds, token } from "../lib/tokens.mjs";

describe("bad tokens", () => {
  let other;
  serve({ identity: "open" });
  checkEach();
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

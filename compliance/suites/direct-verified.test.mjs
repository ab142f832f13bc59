// `direct` in an app that believes tokens only.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, WAYS } from "../lib/client.mjs";
import { checkMessage, history, join, person, send } from "../lib/direct.mjs";
import { Server, signToken } from "../lib/server.mjs";

describe("direct in a verified app", () => {
  let server;
  const clients = new Clients(() => server.url);
  const sign = (subject, more) => signToken(server.data, server.app.id, subject, more);
  before(async () => {
    server = await Server.start({ label: "direct-verified", identity: "verified" });
  });
  afterEach(() => clients.closeAll());
  after(() => server?.stop());

  for (const way of WAYS) {
    describe(way.name, () => {
      const open = (name, auth) => clients.open({ ...way.options, name, auth });

      test("two people with tokens talk; one by an object, one by a function", async () => {
        const [a, b] = [person(), person()];
        const alice = await open("alice", { token: await sign(a) });
        const token = await sign(b);
        let asked = 0;
        const bob = await open("bob", (answer) => {
          asked += 1;
          answer({ token });
        });
        assert.equal(asked, 1);
        await bob.ask("register_user", b);
        const { roomId } = await join(alice, a, b);
        assert.equal((await join(bob, b, a)).roomId, roomId);
        await send(alice, roomId, a, "verified");
        checkMessage(await bob.expect("new_message"), { roomId, senderId: a, body: "verified" });
        assert.equal((await bob.expect("chat_list_update")).last_message, "verified");
        assert.deepEqual((await history(bob, roomId)).map(({ body }) => body), ["verified"]);
      });

      test("nobody acts as somebody else", async () => {
        const [a, b, eve] = [person(), person(), person()];
        const alice = await open("alice", { token: await sign(a) });
        const { roomId } = await join(alice, a, b);
        const thief = await open("eve", { token: await sign(eve) });
        for (const [event, payload] of [
          ["register_user", a],
          ["join_chat", { userId: a, targetUserId: b }],
          ["join_chat", { userId: a, targetUserId: eve }],
          ["send_message", { roomId, senderId: a, body: "as alice" }],
        ]) {
          thief.emit(event, payload);
          const error = await thief.expect("error");
          assert.equal(error.code, "not_the_tokens_subject", `${event}: ${error.message}`);
          const ack = await thief.ask(event, payload);
          assert.deepEqual(ack, { success: false, error: { code: error.code, message: error.message } });
          await thief.expect("error");
        }
        assert.deepEqual(await history(alice, roomId), []);
      });

      test("without a token the connection stands and the first event is refused", async () => {
        const [a, b] = [person(), person()];
        const client = await open("no token", undefined);
        for (const [event, payload] of [
          ["register_user", a],
          ["join_chat", { userId: a, targetUserId: b }],
          ["send_message", { roomId: person(), senderId: a, body: "x" }],
        ]) {
          assert.equal((await client.ask(event, payload)).error.code, "token_required", event);
          assert.equal((await client.expect("error")).code, "token_required", event);
        }
      });

      test("a bad token is a CONNECT_ERROR that says why", async () => {
        for (const token of ["rubbish", "a.b.c", `${await sign(person())}x`]) {
          const client = clients.make({ ...way.options, name: "bad token", auth: { token } });
          const { detail } = await client.refused();
          assert.ok(detail.length > 3, detail);
          assert.equal(client.socket.connected, false);
        }
      });
    });
  }
});

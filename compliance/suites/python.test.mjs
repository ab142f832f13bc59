// The same conversation from a second language, whose client forgives less than JavaScript does.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients } from "../lib/client.mjs";
import { checkMessage, history, join, person, send } from "../lib/direct.mjs";
import { python, PythonClient } from "../lib/python.mjs";
import { Server, signToken } from "../lib/server.mjs";

const skip = python() ? false : "no Python environment: see run.mjs";

// A WebSocket made by python-socketio sends no User-Agent at all, so there it has to ask.
const WAYS = [
  { name: "polling", transports: ["polling"], transport: "polling" },
  { name: "websocket, asking for no recovery by query", transports: ["websocket"], query: "?recovery=0", transport: "websocket" },
  { name: "websocket, asking for no recovery by auth", transports: ["websocket"], auth: { recovery: false }, transport: "websocket" },
  { name: "the default, polling and then an upgrade", transport: "websocket" },
];

describe("python-socketio", { skip }, () => {
  let server;
  let verified;
  const open = [];
  const clients = new Clients(() => server.url);
  before(async () => {
    server = await Server.start({ label: "python" });
    verified = await Server.start({ label: "python-verified", identity: "verified" });
  });
  afterEach(async () => {
    clients.closeAll();
    await Promise.all(open.splice(0).map((client) => client.close()));
  });
  after(async () => {
    await server?.stop();
    await verified?.stop();
  });

  for (const way of WAYS) {
    describe(way.name, () => {
      const connect = async (name, at = server, auth = {}) => {
        const merged = { ...way.auth, ...auth };
        const client = await PythonClient.open(`${at.url}${way.query ?? ""}`, {
          name,
          transports: way.transports,
          auth: Object.keys(merged).length ? merged : undefined,
        });
        open.push(client);
        assert.equal(client.transport, way.transport);
        return client;
      };

      test("talks with JavaScript, with handlers that take one argument", async () => {
        const [a, b] = [person(), person()];
        const alice = await connect("alice in Python");
        const bob = await clients.open({ name: "bob in JavaScript" });
        assert.equal((await alice.ask("register_user", a)).success, true);
        const { roomId, messages } = await join(alice, a, b);
        assert.deepEqual(messages, []);
        assert.equal((await join(bob, b, a)).roomId, roomId);

        const sent = await send(alice, roomId, a, "olá 🐍 \u0000 \u2028 שלום");
        assert.equal(sent.success, true);
        checkMessage(await bob.expect("new_message"), { roomId, senderId: a, body: sent.body });
        checkMessage(await alice.expect("new_message"), { roomId, senderId: a, body: sent.body });

        const long = "ł".repeat(20_000);
        await send(bob, roomId, b, long);
        checkMessage(await alice.expect("new_message"), { roomId, senderId: b, body: long });
        assert.equal((await alice.expect("chat_list_update")).last_message, long);

        assert.deepEqual((await history(alice, roomId)).map(({ body }) => body), [sent.body, long]);
        alice.emit("send_message", { roomId, senderId: a, body: " " });
        assert.equal((await alice.expect("error")).code, "blank_text");
        const again = await Promise.all([1, 2].map(() => send(alice, roomId, a, "x", { clientMessageId: "same" })));
        assert.equal(again[0].id, again[1].id);
        assert.deepEqual(alice.failures, []);
      });

      test("comes in with a token, and with a wrong one does not", async () => {
        const a = person();
        const token = await signToken(verified.data, verified.app.id, a);
        const alice = await connect("alice with a token", verified, { token });
        await join(alice, a, person());
        const thief = new PythonClient("a thief");
        thief.tell({
          do: "connect",
          url: `${verified.url}${way.query ?? ""}`,
          transports: way.transports,
          auth: { ...way.auth, token: "rubbish" },
        });
        await thief.take("to be refused", (said) => said.refused !== undefined);
        thief.child.kill("SIGKILL");
        await thief.ended;
      });
    });
  }
});

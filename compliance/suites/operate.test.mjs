// Palaver as an operator meets it: the command line, its exit statuses, its files, its pages.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Client, Clients } from "../lib/client.mjs";
import { history, join, person, send } from "../lib/direct.mjs";
import { eventually, within } from "../lib/inbox.mjs";
import { Server, cli, createApp, signToken, sum, tempFolder } from "../lib/server.mjs";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const folders = [];
const folder = (label) => {
  folders.push(tempFolder(label));
  return folders.at(-1);
};
after(() => {
  for (const each of folders) fs.rmSync(each, { recursive: true, force: true });
});

/** Ended with this status; what it said to standard error, which is where reasons belong. */
function ended({ status, stdout, stderr }, expected) {
  assert.equal(status, expected, `status ${status}\n${stdout}\n${stderr}`);
  if (expected !== 0) assert.ok(stderr.trim().length > 8, "the reason stands on standard error");
  return stderr;
}

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

for (const online of [false, true]) {
  describe(online ? "the command line beside a running server" : "the command line on a folder", () => {
    let data;
    let server;
    before(async () => {
      if (online) {
        server = await Server.start({ label: "operate", identity: null });
        data = server.data;
      } else data = folder("operate");
    });
    after(() => server?.stop());

    test("app create, app list", async () => {
      const app = await createApp(data, "first", "verified", ["--default"]);
      assert.deepEqual(Object.keys(app).sort(), ["client_key", "id", "name", "secret", "server_key"]);
      assert.equal(app.name, "first");
      for (const key of ["client_key", "server_key", "secret"]) assert.ok(app[key].length >= 27, `160 bits: ${app[key]}`);
      const second = await createApp(data, "second", "open", []);
      assert.equal(new Set([app, second].flatMap((each) => [each.client_key, each.server_key, each.secret, each.id])).size, 8);
      const listed = await cli(["app", "list", "--data", data]);
      ended(listed, 0);
      for (const each of [app, second]) {
        assert.ok(listed.stdout.includes(each.name));
        assert.ok(listed.stdout.includes(each.id));
        assert.ok(!listed.stdout.includes(each.secret), "secrets are told once, when they are made");
        assert.ok(!listed.stdout.includes(each.server_key));
      }
      assert.match(ended(await cli(["app", "create", "first", "--data", data]), 1), /first|taken/);
    });

    test("token sign", async () => {
      const app = await createApp(data, "tokens", "verified", []);
      const sub = person();
      const plain = claims(await signToken(data, app.id, sub));
      assert.equal(plain.sub, sub);
      const token = await signToken(data, app.id, "7", ["--role", "vendor", "--ttl", "60"]);
      const said = claims(token);
      assert.equal(String(said.sub), "7");
      assert.ok(JSON.stringify(said).includes("vendor"));
      const left = said.exp - Date.now() / 1000;
      assert.ok(left > 30 && left <= 61, `${left} s`);
      ended(await cli(["token", "sign", "--data", data, "--app", person(), "--subject", "x"]), 1);
      ended(await cli(["token", "sign", "--data", data, "--app", app.id, "--subject", "x", "--role", "king"]), 2);
      ended(await cli(["token", "sign", "--data", data, "--app", app.id]), 2);
    });

    test("key create, key revoke", async () => {
      const app = await createApp(data, "keys", "open", []);
      const help = await cli(["key", "create", "--help"]);
      ended(help, 0);
      const made = await cli(["key", "create", "--data", data, "--app", app.id, "--scope", "client", "--json"]);
      ended(made, 0);
      const key = JSON.parse(made.stdout);
      assert.ok(key.key.length >= 27);
      if (online) {
        const clients = new Clients(() => server.url);
        const client = await clients.open({ name: "by the new key", auth: { appKey: key.key } });
        ended(await cli(["key", "revoke", String(key.id), "--data", data]), 0);
        assert.equal((await client.disconnected()).detail, "io server disconnect");
        const late = clients.make({ name: "with a revoked key", auth: { appKey: key.key } });
        await late.refused();
        clients.closeAll();
      } else ended(await cli(["key", "revoke", String(key.id), "--data", data]), 0);
      ended(await cli(["key", "revoke", "999999", "--data", data]), 1);
    });

    test("backup: a folder that a server starts on, with everything that was acknowledged", async () => {
      const app = await createApp(data, `backed up ${online}`, "open", []);
      const at = server ?? (await Server.start({ label: "before", data, identity: null }));
      const [a, b] = [person(), person()];
      const alice = await Client.open(at.url, { name: "alice", auth: { appKey: app.client_key } });
      const { roomId } = await join(alice, a, b);
      const bodies = [];
      let writing = true;
      const write = (async () => {
        while (writing) {
          const body = `message ${bodies.length}`;
          assert.equal((await send(alice, roomId, a, body)).success, true);
          bodies.push(body);
        }
      })();
      await eventually("some messages", () => bodies.length >= 20);
      const to = path.join(folder("backup"), "copy");
      const before = bodies.length;
      ended(await cli(["backup", "--data", data, "--to", to]), 0);
      writing = false;
      await write;
      alice.close();
      if (!server) await at.stop();

      const restored = await Server.start({ label: "restored", data: to, identity: null });
      const bob = await Client.open(restored.url, { name: "bob", auth: { appKey: app.client_key } });
      assert.equal((await join(bob, b, a)).roomId, roomId);
      const kept = (await history(bob, roomId)).map(({ body }) => body);
      assert.ok(kept.length >= before, `${kept.length} of at least ${before}`);
      assert.deepEqual(kept, bodies.slice(0, kept.length));
      assert.equal((await send(bob, roomId, b, "on the copy")).success, true);
      bob.close();
      await restored.stop();
      ended(await cli(["backup", "--data", data, "--to", to]), 1);
    });

    test("a folder that others cannot read", () => {
      assert.equal(fs.statSync(data).mode & 0o077, 0, "the folder");
      for (const name of fs.readdirSync(data)) {
        assert.equal(fs.statSync(path.join(data, name)).mode & 0o077, 0, name);
      }
    });
  });
}

describe("serve", () => {
  test("two servers on one folder: the second is refused with words, the first goes on", async () => {
    const server = await Server.start({ label: "first" });
    const refused = await cli(["serve", "--data", server.data, "--listen", "127.0.0.1:0"]);
    assert.match(ended(refused, 1), new RegExp(`${server.pid}|already|in use|lock`, "i"));
    assert.ok(!refused.stdout.includes("listening"));
    const client = await Client.open(server.url, { name: "still served" });
    client.close();
    await server.stop();
  });

  test("a folder is free again after kill -9", async () => {
    const server = await Server.start({ label: "killed" });
    await server.kill();
    await server.up();
    await server.stop();
  });

  test("a port that is taken, a folder that is a file, a database that is none", async () => {
    const server = await Server.start({ label: "taken" });
    const data = folder("other");
    const taken = await cli(["serve", "--data", data, "--listen", `127.0.0.1:${server.port}`]);
    assert.match(ended(taken, 1), new RegExp(String(server.port)));
    await server.stop();
    const file = path.join(folder("file"), "file");
    fs.writeFileSync(file, "x");
    ended(await cli(["serve", "--data", file, "--listen", "127.0.0.1:0"]), 1);
    const damaged = folder("damaged");
    await createApp(damaged, "app");
    const database = fs.readdirSync(damaged).find((name) => /\.(db|sqlite3?)$/.test(name));
    assert.ok(database, `a database among ${fs.readdirSync(damaged)}`);
    for (const each of fs.readdirSync(damaged)) if (each !== database && each.startsWith(database)) fs.rmSync(path.join(damaged, each));
    fs.writeFileSync(path.join(damaged, database), "This is a letter and no database. ".repeat(400));
    ended(await cli(["serve", "--data", damaged, "--listen", "127.0.0.1:0"]), 1);
  });

  test("an open app on an address that others can reach is refused, unless the operator says so", async () => {
    const data = folder("public");
    await createApp(data, "open to all", "open");
    assert.match(ended(await cli(["serve", "--data", data, "--listen", "0.0.0.0:0"]), 1), /open/);
    const file = path.join(folder("config"), "palaver.toml");
    fs.writeFileSync(file, "[identity]\nallow_open_on_public_address = true\n");
    const server = new Server({ label: "public", data, wrap: (line) => line.map((word) => word.replace("127.0.0.1:0", "0.0.0.0:0")) });
    fs.copyFileSync(file, server.configFile);
    await server.up();
    await server.stop();
  });

  test("while a server is on a public address no open app can be added", async () => {
    const data = folder("public");
    await createApp(data, "careful", "verified");
    const server = new Server({ label: "public", data, wrap: (line) => line.map((word) => word.replace("127.0.0.1:0", "0.0.0.0:0")) });
    await server.up();
    ended(await cli(["app", "create", "careless", "--data", data, "--identity", "open"]), 1);
    await server.stop();
  });

  test("pages: /healthz, /readyz, /metrics", async () => {
    const server = await Server.start({ label: "pages" });
    for (const page of ["/healthz", "/readyz"]) assert.equal((await fetch(server.url + page)).status, 200, page);
    const client = await Client.open(server.url, { name: "alice" });
    const [a, b] = [person(), person()];
    const { roomId } = await join(client, a, b);
    const earlier = await server.metrics();
    for (let n = 0; n < 10; n += 1) await send(client, roomId, a, `message ${n}`);
    const later = await server.metrics();
    const grown = (name) => sum(later, name) - sum(earlier, name);
    assert.equal(grown("palaver_acked_messages_total"), 10);
    assert.equal(grown("palaver_messages_total"), 10);
    assert.ok(grown("palaver_commits_total") >= 1 && grown("palaver_commits_total") <= 10);
    client.close();
    await server.stop();
  });

  test("the log can be JSON, one object a line", async () => {
    const server = await Server.start({ label: "json", settings: { log: { format: "json" } } });
    const client = await Client.open(server.url, { name: "alice" });
    client.close();
    await server.stop();
    const lines = server.log().split("\n").filter((text) => text.startsWith("{"));
    assert.ok(lines.length > 0);
    for (const text of lines) assert.ok(JSON.parse(text).level, text);
  });
});

describe("serve --demo", () => {
  test("prints a snippet that works as it is pasted", async () => {
    const server = await Server.start({ label: "demo", identity: null, args: ["--demo"] });
    const snippet = await eventually("the snippet", () => extractSnippet(server.stdout));
    const { status, output } = await runSnippet(snippet);
    assert.equal(status, 0, output);
    assert.match(output, /Hello Bob[\s\S]*Hello Ada/);
    const key = /\b(demo|pk_\w+)\b/.exec(server.stdout);
    assert.ok(key, "the key of the demo app stands there");
    assert.ok(server.stdout.includes(server.url));
    await server.stop();
  });

  test("twice on the same folder is one demo app", async () => {
    const server = await Server.start({ label: "demo", identity: null, args: ["--demo"] });
    await server.terminate();
    await server.up();
    const listed = await cli(["app", "list", "--data", server.data]);
    assert.equal(listed.stdout.split("\n").filter((text) => /\bdemo\b/.test(text)).length, 1, listed.stdout);
    await server.stop();
  });
});

/** The JavaScript in what the server printed: what it says to paste into a shell feeds it to Node. */
function extractSnippet(printed) {
  return /node [^\n]*<<'?(\w+)'?\n([\s\S]*?)\n\1\n/.exec(printed)?.[2];
}

/** Runs it as somebody would who has npm's socket.io-client beside it. */
async function runSnippet(code) {
  const at = folder("snippet");
  fs.symlinkSync(path.join(ROOT, "node_modules"), path.join(at, "node_modules"));
  fs.writeFileSync(path.join(at, "chat.mjs"), code);
  return within(
    new Promise((resolve) => {
      execFile(process.execPath, ["chat.mjs"], { cwd: at, timeout: 20_000 }, (error, stdout, stderr) =>
        resolve({ status: error ? (error.code ?? error.signal) : 0, output: stdout + stderr }),
      );
    }),
    "the snippet to end",
    25_000,
  );
}

describe("config", () => {
  const check = async (toml) => {
    const file = path.join(folder("config"), "palaver.toml");
    fs.writeFileSync(file, toml);
    return cli(["config", "check", "--config", file]);
  };

  test("default prints an example that check accepts, and that mentions every section", async () => {
    const printed = await cli(["config", "default"]);
    ended(printed, 0);
    ended(await check(printed.stdout), 0);
    for (const section of ["server", "limits", "heartbeat", "log"]) assert.ok(printed.stdout.includes(`[${section}]`));
  });

  test("an empty file is fine, a missing one is not", async () => {
    ended(await check(""), 0);
    ended(await cli(["config", "check", "--config", path.join(os.tmpdir(), "nowhere.toml")]), 1);
  });

  for (const [what, toml, words] of [
    ["an unknown key, with the nearest known one", "[server]\nlissten = '127.0.0.1:1'\n", /lissten[\s\S]*listen/],
    ["an unknown section, with the nearest known one", "[limit]\nconnections = 5\n", /limit[\s\S]*limits/],
    ["a value of the wrong type", "[limits]\nconnections = 'many'\n", /connections[\s\S]*number/],
    ["a value out of its range", "[limits]\nconnections = 0\n", /connections/],
    ["a file that is no TOML", "[server\n", /line 1|1:/],
  ]) {
    test(`check refuses ${what}`, async () => {
      assert.match(ended(await check(toml), 1), words);
    });
  }

  test("environment over file, flags over environment", async () => {
    const server = await Server.start({
      label: "layers",
      settings: { limits: { connections: 7 }, log: { level: "error" } },
      env: { PALAVER_LIMITS_CONNECTIONS: "1", PALAVER_SERVER_LISTEN: "127.0.0.1:1" },
    });
    const client = await Client.open(server.url, { name: "the only one", transports: ["websocket"] });
    assert.equal((await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`)).status, 503);
    client.close();
    await server.stop();
    const wrong = await cli(["config", "check"], { env: { PALAVER_LIMITS_CONNECTIONS: "none" } });
    assert.match(ended(wrong, 1), /PALAVER_LIMITS_CONNECTIONS|connections/);
  });
});

describe("usage", () => {
  for (const args of [[], ["dance"], ["serve", "--loud"], ["serve", "--listen", "nowhere"], ["app"], ["app", "create"]]) {
    test(`palaver ${args.join(" ")} ends with status 2`, async () => {
      ended(await cli(args, { cwd: folder("cwd") }), 2);
    });
  }
  test("help and version end with status 0", async () => {
    for (const flag of ["--help", "--version"]) ended(await cli([flag]), 0);
  });
});

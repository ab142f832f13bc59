// python-socketio, driven over a pipe.

import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";
import { Inbox } from "./inbox.mjs";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");

/** The interpreter of the environment that the runner makes; null if there is none. */
export function python() {
  const at = process.env.PALAVER_PYTHON ?? path.join(ROOT, ".venv/bin/python");
  return fs.existsSync(at) ? at : null;
}

export class PythonClient {
  static async open(url, { name = "python", transports, auth } = {}) {
    const client = new PythonClient(name);
    client.tell({ do: "connect", url, transports, auth });
    client.transport = (await client.take("to connect", (said) => said.connected !== undefined)).connected;
    return client;
  }

  constructor(name) {
    this.name = name;
    this.inbox = new Inbox(name);
    this.acks = 0;
    this.failures = [];
    this.child = spawn(python(), [path.join(ROOT, "python/client.py")], { stdio: ["pipe", "pipe", "pipe"] });
    this.stderr = "";
    this.child.stderr.on("data", (text) => (this.stderr += text));
    this.child.stdin.on("error", () => {});
    readline.createInterface({ input: this.child.stdout }).on("line", (line) => {
      const said = JSON.parse(line);
      if (said.failed) this.failures.push(said.failed);
      this.inbox.push(said);
    });
    this.ended = new Promise((resolve) =>
      this.child.once("close", (code) => {
        this.inbox.end(`the Python process ended with ${code}: ${this.stderr.slice(-500)}`);
        resolve();
      }),
    );
  }

  tell(order) {
    this.child.stdin.write(`${JSON.stringify(order)}\n`);
  }

  take(what, matches, ms) {
    return this.inbox.take(what, matches, ms);
  }

  emit(event, data) {
    this.tell({ do: "emit", event, data });
  }

  async ask(event, data) {
    const ack = this.acks++;
    this.tell({ do: "emit", event, data, ack });
    return (await this.take(`the acknowledgement of ${event}`, (said) => said.ack === ack)).args[0];
  }

  async expect(event, matches = () => true) {
    const said = await this.take(event, (item) => item.event === event && matches(...item.args));
    return said.args[0];
  }

  seen(event) {
    return this.inbox.drain((item) => item.event === event).map(({ args }) => args[0]);
  }

  async close() {
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 5_000);
    await this.ended;
    clearTimeout(timer);
    if (this.failures.length) throw new Error(`${this.name}: ${this.failures.join("; ")}`);
  }
}

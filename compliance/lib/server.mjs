// A palaver of our own: a fresh folder, a free port, started, killed and started again.
// Knows the command line as the documentation has it and nothing of the inside.

import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, within } from "./inbox.mjs";
import { toToml } from "./settings.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));

/** The binary under test. */
export const BIN = path.resolve(
  process.env.PALAVER_BIN ?? path.join(HERE, "../../target/debug/palaver"),
);

/** Where logs of servers are kept; the runner removes those of suites that passed. */
export const LOGS = process.env.PALAVER_LOGS ?? path.join(HERE, "../.work/logs");

const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

export function tempFolder(label = "data") {
  return fs.mkdtempSync(path.join(os.tmpdir(), `palaver-${label}-`));
}

/** Runs `palaver ARGS` to its end. Never throws: the exit status is part of the answer. */
export function cli(args, { input, env, cwd, ms = 30_000 } = {}) {
  return new Promise((resolve) => {
    const child = execFile(
      BIN,
      args,
      { env: { ...process.env, ...env }, cwd, timeout: ms, maxBuffer: 16 << 20 },
      (error, stdout, stderr) => {
        const status = error ? (error.code ?? `killed by ${error.signal}`) : 0;
        resolve({ status, stdout, stderr });
      },
    );
    if (input !== undefined) child.stdin.end(input);
  });
}

/** `palaver app create`, parsed. */
export async function createApp(data, name, identity = "open", more = ["--default"]) {
  const { status, stdout, stderr } = await cli([
    ...["app", "create", name, "--data", data, "--identity", identity],
    ...more,
    "--json",
  ]);
  if (status !== 0) throw new Error(`app create ${name}: status ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

/** `palaver token sign`, trimmed. */
export async function signToken(data, app, subject, more = []) {
  const { status, stdout, stderr } = await cli([
    ...["token", "sign", "--data", data, "--app", app, "--subject", subject],
    ...more,
  ]);
  if (status !== 0) throw new Error(`token sign: status ${status}: ${stderr}`);
  return stdout.trim();
}

export class Server {
  /**
   * Makes a folder with one app (`identity`: "open", "verified" or null for none) and serves it.
   * `settings` become the configuration file, `args` go to `serve` as they are.
   */
  static async start(options = {}) {
    const server = new Server(options);
    try {
      if (options.identity !== null) {
        server.app = await createApp(server.data, "compliance", options.identity ?? "open");
      }
      await server.up();
    } catch (error) {
      server.remove();
      throw error;
    }
    return server;
  }

  constructor({ label = "server", settings = {}, args = [], env = {}, data, wrap } = {}) {
    this.ownsData = data === undefined;
    this.data = data ?? tempFolder();
    this.args = args;
    this.env = env;
    this.wrap = wrap;
    this.port = 0;
    this.starts = 0;
    fs.mkdirSync(LOGS, { recursive: true });
    this.logFile = path.join(LOGS, `${label}-${process.pid}-${path.basename(this.data)}.log`);
    this.configFolder = tempFolder("config");
    this.configFile = path.join(this.configFolder, "palaver.toml");
    fs.writeFileSync(this.configFile, toToml(settings));
  }

  /** Starts the process and waits for the line that says where it listens. */
  async up(ms = 30_000) {
    this.starts += 1;
    const line = [
      ...["serve", "--data", this.data, "--listen", `127.0.0.1:${this.port}`],
      ...["--config", this.configFile, ...this.args],
    ];
    const command = this.wrap ? this.wrap([BIN, ...line]) : [BIN, ...line];
    const child = spawn(command[0], command.slice(1), {
      env: { ...process.env, RUST_BACKTRACE: "1", ...this.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(child);
    this.child = child;
    this.stdout = "";
    const log = fs.createWriteStream(this.logFile, { flags: "a" });
    log.write(`--- start ${this.starts}: ${command.join(" ")}\n`);
    child.stderr.pipe(log, { end: false });
    this.exited = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        running.delete(child);
        log.write(`--- ended: status ${code}, signal ${signal}\n`);
        log.end();
        resolve({ code, signal });
      });
    });
    const listening = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.stdout.setEncoding("utf8");
      child.stdout.on("data", (text) => {
        log.write(text);
        this.stdout += text;
        const at = /^listening on (https?:\/\/(\S+):(\d+))$/m.exec(this.stdout);
        if (at) {
          this.url = at[1];
          this.port = Number(at[3]);
          resolve();
        }
      });
      this.exited.then((end) =>
        reject(new Error(`serve ended early: ${JSON.stringify(end)}; log: ${this.logFile}\n${this.tail()}`)),
      );
    });
    await within(listening, `"listening on" from ${command.join(" ")}`, ms);
    return this;
  }

  get pid() {
    return this.child.pid;
  }

  /** kill -9, as a power cut would. */
  async kill() {
    this.child.kill("SIGKILL");
    await within(this.exited, "the killed server to be gone");
  }

  /** SIGTERM; answers exit status and milliseconds. */
  async terminate(ms = 60_000) {
    const from = Date.now();
    this.child.kill("SIGTERM");
    const end = await within(this.exited, "the server to end after SIGTERM", ms);
    return { ...end, ms: Date.now() - from };
  }

  /** Ends the process, checks its log and removes the folder. For `after` hooks. */
  async stop() {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) {
      try {
        await this.terminate(20_000);
      } catch {
        await this.kill();
      }
    }
    this.remove();
    const panic = this.panics();
    if (panic) throw new Error(`the server panicked: ${panic}; log: ${this.logFile}`);
  }

  remove() {
    fs.rmSync(this.configFolder, { recursive: true, force: true });
    if (this.ownsData) fs.rmSync(this.data, { recursive: true, force: true });
  }

  log() {
    return fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, "utf8") : "";
  }

  tail(lines = 15) {
    return this.log().split("\n").slice(-lines).join("\n");
  }

  /** The first line of the log that tells of a panic, or null. */
  panics() {
    return /^.*panicked at.*$/m.exec(this.log())?.[0] ?? null;
  }

  /** Resident memory in kB. */
  rss() {
    const status = fs.readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]);
  }

  /** Waits until resident memory is at most `kB`. */
  async rssBelow(kB, ms = 30_000) {
    let now = 0;
    try {
      await eventually("memory to return", () => (now = this.rss()) <= kB, ms, 200);
    } catch {
      throw new Error(`memory did not return: ${now} kB resident, at most ${kB} kB wanted within ${ms} ms`);
    }
    return now;
  }

  /** The metrics page: name with its labels, as printed, to number. */
  async metrics() {
    const answer = await fetch(`${this.url}/metrics`);
    if (answer.status !== 200) throw new Error(`/metrics answers ${answer.status}`);
    const values = new Map();
    for (const line of (await answer.text()).split("\n")) {
      const row = /^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)/.exec(line);
      if (row) values.set(row[1], Number(row[2]));
    }
    return values;
  }
}

/** Sum of a metric over all its labels. Throws when the page has no such metric. */
export function sum(metrics, name) {
  let total = null;
  for (const [key, value] of metrics) {
    if (key === name || key.startsWith(`${name}{`)) total = (total ?? 0) + value;
  }
  if (total === null) throw new Error(`no metric ${name}`);
  return total;
}

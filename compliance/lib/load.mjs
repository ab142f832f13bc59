// The load client, which is written in Rust because Node would be what is measured.

import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";
import { Inbox } from "./inbox.mjs";
import { BIN } from "./server.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));

/** Where it is: PALAVER_LOAD, or among the examples that were built beside the server. Null if nowhere. */
export function loadBinary() {
  const places = [
    process.env.PALAVER_LOAD,
    path.join(path.dirname(BIN), "examples/load"),
    path.join(HERE, "../../target/release/examples/load"),
    path.join(HERE, "../../target/debug/examples/load"),
  ];
  return places.find((place) => place && fs.existsSync(place)) ?? null;
}

/** Runs a scenario; answers its report. */
export function load(server, scenario, options) {
  const args = [scenario, "--at", `127.0.0.1:${server.port}`];
  for (const [key, value] of Object.entries(options)) args.push(`--${key}`, String(value));
  return new Promise((resolve, reject) => {
    execFile(loadBinary(), args, { maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout));
      } catch {
        reject(new Error(`load ${args.join(" ")}: ${error?.message ?? ""} ${stdout} ${stderr}`));
      }
    });
  });
}

/** Many readers of one room that lose their lines together and come back together. */
export class Returns {
  /** Starts it; resolves when all have joined and are gone. */
  static async start(server, readers, deadline = 120) {
    const returns = new Returns(server, readers, deadline);
    await returns.gone();
    return returns;
  }

  constructor(server, readers, deadline) {
    const args = ["returns", "--at", `127.0.0.1:${server.port}`, "--readers", readers, "--deadline", deadline];
    this.ms = deadline * 1_000;
    this.said = new Inbox("the load client");
    this.child = spawn(loadBinary(), args.map(String), { stdio: ["pipe", "pipe", "inherit"] });
    this.child.stdin.on("error", () => {});
    readline.createInterface({ input: this.child.stdout }).on("line", (line) => {
      const said = JSON.parse(line);
      if (said.problem) this.said.end(said.problem);
      else this.said.push(said);
    });
    this.ended = new Promise((resolve) => this.child.once("close", resolve));
    this.ended.then((code) => this.said.end(`it ended with ${code}`));
  }

  async gone() {
    const { room, people } = await this.said.take("all to be gone", ({ gone }) => gone !== undefined, this.ms);
    this.roomId = room;
    this.people = people;
  }

  /** Has all of them come back, to find one message that says `body`; then they are gone again. */
  async back(body) {
    this.child.stdin.write(`${body}\n`);
    const report = await this.said.take("all to be back", ({ back }) => back !== undefined, this.ms);
    await this.gone();
    return report;
  }

  async stop() {
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 5_000);
    await this.ended;
    clearTimeout(timer);
  }
}

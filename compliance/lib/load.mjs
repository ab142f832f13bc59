// The load client, which is written in Rust because Node would be what is measured.

import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
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

// Ways in which a disk fails under a running server.

import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { within } from "./inbox.mjs";
import { tempFolder } from "./server.mjs";

/** A small disk of its own, in memory. Null where mounting is not allowed, which needs root. */
export function mountDisk(bytes) {
  const at = tempFolder("disk");
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "palaver-test", at], { stdio: "pipe" });
  } catch {
    fs.rmdirSync(at);
    return null;
  }
  const ballast = path.join(at, "ballast");
  return {
    path: at,
    /** Takes the room that is left, but for so many bytes. */
    fill(left = 0) {
      const file = fs.openSync(ballast, "w");
      const piece = Buffer.alloc(4_096);
      const free = () => {
        const { bavail, bsize } = fs.statfsSync(at);
        return bavail * bsize;
      };
      try {
        while (left === 0 || free() > left) fs.writeSync(file, piece);
      } catch (error) {
        if (error.code !== "ENOSPC") throw error;
      } finally {
        fs.closeSync(file);
      }
    },
    empty: () => fs.rmSync(ballast),
    unmount() {
      execFileSync("umount", [at]);
      fs.rmdirSync(at);
    },
  };
}

/** For `Server`: a write past a limit on the size of files is an error for it, not its end. */
export const survivesLimits = (command) => ["sh", "-c", 'trap "" XFSZ; exec "$0" "$@"', ...command];

/** From now on no file of this process grows past so many bytes; without an argument there is no limit. */
export function limitFiles(pid, bytes = "unlimited") {
  execFileSync("prlimit", ["--pid", `${pid}`, `--fsize=${bytes}:`]);
}

/** The database and its WAL, in bytes. */
export function databaseSizes(data) {
  const size = (name) => fs.statSync(path.join(data, name)).size;
  return { database: size("palaver.db"), wal: size("palaver.db-wal") };
}

/** Another process that holds the database for writing, as a careless backup script would. */
export async function lockDatabase(data) {
  const script =
    "import sqlite3, sys; held = sqlite3.connect(sys.argv[1], isolation_level=None); " +
    "held.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read(); held.execute('ROLLBACK')";
  const holder = spawn("python3", ["-c", script, path.join(data, "palaver.db")], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => holder.once("close", resolve));
  await within(
    new Promise((resolve, reject) => {
      holder.stdout.once("data", resolve);
      ended.then((code) => reject(new Error(`the holder ended with ${code}`)));
    }),
    "the database to be held",
  );
  return {
    async release() {
      holder.stdin.end();
      await within(ended, "the holder to let go");
    },
  };
}

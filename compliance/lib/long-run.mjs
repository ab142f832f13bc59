// A suite that kills servers for as long as KILLS says (20 unless said), from choices that SEED brings
// back. Above 100 kills it can be interrupted and goes on where it was: its state and its database
// stand in .work/.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { tempFolder } from "./server.mjs";

export const KILLS = Number(process.env.KILLS ?? 20);
const WORK = path.join(path.dirname(fileURLToPath(import.meta.url)), "../.work");
const RESUMABLE = KILLS > 100;

export class LongRun {
  /** The run of this name that was interrupted, or a new one whose state begins with `zero`. */
  constructor(name, zero) {
    this.file = path.join(WORK, `${name}.json`);
    this.state = this.#left() ?? this.#begin(name, zero);
    fs.mkdirSync(this.state.data, { recursive: true });
  }

  #left() {
    if (!RESUMABLE || !fs.existsSync(this.file)) return null;
    const state = JSON.parse(fs.readFileSync(this.file, "utf8"));
    return state.kills === KILLS && state.done < KILLS && fs.existsSync(state.data) ? state : null;
  }

  #begin(name, zero) {
    const seed = process.env.SEED ?? String(Math.floor(Math.random() * 1e9));
    const data = RESUMABLE ? path.join(WORK, `${name}-${seed}`) : tempFolder(name);
    return { kills: KILLS, seed, data, done: 0, ...zero };
  }

  get isNew() {
    return this.state.done === 0;
  }

  /** One line about how it begins. */
  get title() {
    return `SEED=${this.state.seed}${this.isNew ? "" : `, going on after ${this.state.done} kills`}`;
  }

  /** Notes that so many kills more are done; tells of it now and then if the run is long. */
  did(kills, progress) {
    const before = this.state.done;
    this.state.done += kills;
    if (!RESUMABLE) return;
    fs.writeFileSync(`${this.file}.new`, JSON.stringify(this.state));
    fs.renameSync(`${this.file}.new`, this.file);
    if (Math.floor(this.state.done / 10) > Math.floor(before / 10)) {
      process.stderr.write(`${this.state.done} of ${KILLS} kills, ${progress()}\n`);
    }
  }

  /** Nothing is left to go on with. */
  end() {
    fs.rmSync(this.file, { force: true });
    fs.rmSync(this.state.data, { recursive: true, force: true });
  }
}

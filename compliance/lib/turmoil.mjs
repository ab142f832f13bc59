// Breaks lines and servers at moments and in ways that a random generator chooses, all of it drawn
// when a trouble begins. Troubles go on by themselves; `calm` waits for them.

import { setTimeout as pause } from "node:timers/promises";

/** Mostly short, sometimes as long as `most` milliseconds. */
export const moment = (random, most) => random.next() ** 2 * most;

/** Some small pieces, and what they cost. */
const trickle = (random) => {
  const [piece, most] = [1 + random.below(200), random.below(4)];
  let n = 0;
  return { piece, delay: () => ((n += 1) % 3 === 0 ? most : 0) };
};
/** Whole pieces, each delayed by another time. */
const jitter = (random) => {
  const delays = Array.from({ length: 7 }, () => moment(random, 60));
  let n = 0;
  return { delay: () => delays[(n += 1) % delays.length] };
};

/** What may happen to a line, each as often as it stands here; the names are those of the totals. */
const LINE_TROUBLES = [
  // Several losses in a row: some before the client has heard anything again.
  ...Array(3).fill(function cuts(line, random) {
    const pauses = Array.from({ length: random.pick([1, 1, 2, 4]) }, () => moment(random, 150));
    return async () => {
      for (const ms of pauses) {
        line.cut();
        await pause(ms);
      }
    };
  }),
  // The server believes the old connection alive when the client comes back; what the client had said
  // on it arrives late, or never.
  ...Array(3).fill(function halfOpens(line, random) {
    const [silence, absence, late] = [moment(random, 200), moment(random, 1500), random.below(3) > 0];
    const hold = random.pick([{}, { up: true }, { down: true }, { up: true, down: true }]);
    return async () => {
      line.hold(hold);
      await pause(silence);
      line.strand();
      line.flow();
      await pause(absence);
      if (late) line.release();
      else line.cut();
    };
  }),
  // One direction is silent for a while, and then goes on.
  ...Array(2).fill(function holds(line, random) {
    const hold = random.pick([{ up: true }, { down: true }, { up: true, down: true }]);
    const silence = moment(random, 1200);
    return async () => {
      line.hold(hold);
      await pause(silence);
      line.release();
    };
  }),
  function slows(line, random) {
    const pace = random.pick([trickle, jitter])(random);
    const long = moment(random, 800);
    return async () => {
      line.slow(pace);
      await pause(long);
      line.slow();
    };
  },
];

export class Turmoil {
  #going = new Set();
  #outage = null;

  constructor(server, random) {
    this.server = server;
    this.random = random;
    /** How often each trouble was made. */
    this.made = { kills: 0, terms: 0, cuts: 0, halfOpens: 0, holds: 0, slows: 0 };
  }

  #go(act) {
    const going = act().finally(() => this.#going.delete(going));
    // Whoever waits for calm is told; until then it is not unhandled.
    going.catch(() => {});
    this.#going.add(going);
    return going;
  }

  /** Something happens to one of these lines, or the same kind of thing to all. */
  trouble(lines) {
    const make = this.random.pick(LINE_TROUBLES);
    const all = this.random.below(8) === 0;
    for (const line of all ? lines : [this.random.pick(lines)]) {
      this.made[make.name] += 1;
      this.#go(make(line, this.random));
    }
  }

  /** The server is killed, or asked to end, and comes back; not while it is away already. */
  async outage(isKill) {
    await this.#outage;
    const away = moment(this.random, 200);
    // With hardly any memory for what happened lately, whoever comes back is served from the log.
    this.server.args = ["--set", `sessions.recent_bytes=${this.random.pick([65_536, 67_108_864])}`];
    this.made[isKill ? "kills" : "terms"] += 1;
    this.#outage = this.#go(async () => {
      if (isKill) await this.server.kill();
      else {
        const { code, signal } = await this.server.terminate(20_000);
        if (code !== 0) throw new Error(`SIGTERM ended the server with ${code ?? signal}`);
      }
      await pause(away);
      await this.server.up();
    });
  }

  /** Resolves when all troubles are over. */
  async calm(lines) {
    await Promise.all(this.#going);
    for (const line of lines) {
      line.release();
      line.slow();
    }
  }
}

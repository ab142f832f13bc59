// Who comes back goes on where it was: real clients talk and listen in many rooms, over lines that
// are cut, held, left half-open and slowed down, to a server that is killed and asked to end at
// random moments. Nothing is missed, nothing comes twice, everything comes in order.
// KILLS and SEED: see lib/long-run.mjs; every fourth of the kills is SIGTERM. The judge is
// lib/recovery-oracle.mjs.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client, TRANSPORTS } from "../lib/client.mjs";
import { history, join, person } from "../lib/direct.mjs";
import { KILLS, LongRun } from "../lib/long-run.mjs";
import { KINDS, Participant } from "../lib/participant.mjs";
import { seeded } from "../lib/random.mjs";
import { judgeRecovery } from "../lib/recovery-oracle.mjs";
import { Server, createApp } from "../lib/server.mjs";
import { UNLIMITED_RATES, settings } from "../lib/settings.mjs";
import { Turmoil, moment } from "../lib/turmoil.mjs";

const CONFIG = settings(UNLIMITED_RATES, {
  // A client whose server goes in the middle of its upgrade notices by the heartbeat only.
  heartbeat: { interval_seconds: 1, timeout_seconds: 1 },
  // Held clients do not take what is written; SIGTERM waits no longer for them than this.
  server: { shutdown_seconds: 1 },
});

const MOST_PARTICIPANTS = 10;
const others = Object.keys(KINDS).filter((kind) => kind !== "trusting");
const usual = [...Array(6).fill("trusting"), ...others];

/** Some people, and a room for any two of them. */
async function openRooms(server, random) {
  const people = Array.from({ length: 3 + random.below(2) }, person);
  const keeper = await Client.open(server.url, { name: "keeper" });
  const rooms = new Map();
  for (const [at, a] of people.entries()) {
    for (const b of people.slice(at + 1)) rooms.set((await join(keeper, a, b)).roomId, { people: [a, b], messages: [] });
  }
  keeper.close();
  return { people, rooms };
}

async function readRooms(server, rooms) {
  const keeper = await Client.open(server.url, { name: "keeper" });
  for (const [roomId, room] of rooms) {
    await join(keeper, ...room.people);
    room.messages = await history(keeper, roomId);
  }
  keeper.close();
  return [...rooms.values()].reduce((sum, { messages }) => sum + messages.length, 0);
}

/** One story: some people come, talk, lose their lines and their server, and settle. */
class Story {
  /** `outages`: whether it is a kill, for each time that the server goes. */
  constructor(server, seed, outages) {
    this.server = server;
    this.outages = outages;
    this.random = seeded(seed);
    this.name = `${seed.split(":").at(-1)}-${randomUUID().slice(0, 4)}`;
    this.participants = [];
    this.turmoil = new Turmoil(server, this.random);
    this.seed = seed;
  }

  get lines() {
    return this.participants.map(({ line }) => line);
  }

  roomsOf(user) {
    return [...this.rooms].filter(([, { people }]) => people.includes(user)).map(([roomId]) => roomId);
  }

  async come() {
    const { random } = this;
    const name = `${this.name}-${this.participants.length}`;
    const participant = await Participant.come(this.server.port, {
      name,
      user: random.pick(this.people),
      kind: random.pick(this.participants.length === 0 ? others : usual),
      transport: random.pick(Object.values(TRANSPORTS)),
      repeats: random.below(3) > 0,
      random: seeded(`${this.seed}:${name.split("-").at(-1)}`),
    });
    this.participants.push(participant);
    if (random.below(2) === 0) participant.register();
    for (let joins = random.below(3); joins > 0; joins -= 1) this.join(participant);
  }

  join(participant) {
    participant.join(this.random.pick(this.people.filter((other) => other !== participant.user)));
  }

  talk(participant) {
    const { random } = this;
    const rooms = this.roomsOf(participant.user);
    const long = random.below(10) === 0 ? random.below(3000) : 0;
    for (let count = random.pick([1, 1, 2, 5, 30]); count > 0; count -= 1) {
      participant.say(random.pick(rooms), `${participant.name} ${participant.sent.length} ${"x".repeat(long)}`);
    }
  }

  async step() {
    const { random } = this;
    const participant = random.pick(this.participants);
    const dice = random.below(100);
    if (dice < 60) this.talk(participant);
    else if (dice < 70) participant.read(random.pick(this.roomsOf(participant.user)));
    else if (dice < 76) this.join(participant);
    else if (dice < 79) participant.register();
    else if (dice < 85 && this.participants.length < MOST_PARTICIPANTS) await this.come();
    else this.turmoil.trouble(this.lines);
  }

  async act() {
    for (let steps = 20 + this.random.below(60); steps > 0; steps -= 1) {
      await this.step();
      await pause(moment(this.random, 40));
    }
  }

  /** Tells it, and answers what was made and what was judged. */
  async tell() {
    const { random, turmoil } = this;
    Object.assign(this, await openRooms(this.server, random));
    try {
      for (let count = 3 + random.below(4); count > 0; count -= 1) await this.come();
      await this.act();
      for (const isKill of this.outages) {
        await turmoil.outage(isKill);
        await this.act();
      }
      await turmoil.calm(this.lines);
      await this.settle();
      return { ...turmoil.made, ...judgeRecovery(this.participants, this.rooms) };
    } finally {
      // Whatever went wrong, the server is up for the next one to look at it, and the lines are closed.
      await turmoil.calm(this.lines).catch(() => {});
      await Promise.all(this.participants.map((participant) => participant.leave()));
    }
  }

  /**
   * Until everybody has settled and the histories are what they were before that: what was held on
   * a line may still arrive after some have settled.
   */
  async settle() {
    for (let before = -1, now = 0; now !== before; ) {
      before = now;
      await Promise.all(this.participants.map((each) => each.settled(this.roomsOf(each.user)[0])));
      now = await readRooms(this.server, this.rooms);
    }
  }
}

const NOTHING = {
  ...{ kills: 0, terms: 0, cuts: 0, halfOpens: 0, holds: 0, slows: 0 },
  ...{ reconnects: 0, recovered: 0, fresh: 0, rejoined: 0, acked: 0, seen: 0 },
};
const inWords = (counts) => Object.entries(counts).map(([what, count]) => `${what} ${count}`).join(", ");

describe("recovery", () => {
  test(`what clients see over all their connections is the history, once, in order: ${KILLS} kills`, { timeout: Infinity }, async (t) => {
    const run = new LongRun("recoveries", { totals: NOTHING });
    const { state } = run;
    if (run.isNew) await createApp(state.data, "recoveries", "open");
    const server = await Server.start({ label: "recoveries", data: state.data, identity: null, settings: CONFIG });
    t.diagnostic(run.title);
    try {
      while (state.done < KILLS) {
        const seed = `${state.seed}:${state.done}`;
        const kills = Math.min(1 + (state.done % 3), KILLS - state.done);
        const outages = Array.from({ length: kills }, (_, at) => (state.done + at) % 4 < 3);
        let made;
        try {
          made = await new Story(server, seed, outages).tell();
        } catch (error) {
          error.message = `SEED=${state.seed}, after ${state.done} kills: ${error.message}`;
          throw error;
        }
        for (const [what, count] of Object.entries(made)) state.totals[what] += count;
        run.did(kills, () => inWords(state.totals));
      }
      t.diagnostic(inWords(state.totals));
    } finally {
      await server.stop();
    }
    // Each kind of thing did happen.
    if (KILLS >= 20) for (const [what, count] of Object.entries(state.totals)) assert.ok(count > 0, what);
    run.end();
  });
});

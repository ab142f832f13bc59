// People who go on talking whatever happens to the server, and an oracle that knows what they may
// find in the history afterwards.

import assert from "node:assert/strict";
import { Client } from "./client.mjs";
import { SOON, within } from "./inbox.mjs";

/** One socket that keeps some messages in flight. */
export class Sender {
  /** `repeats`: it gives its messages ids and sends those without an answer again on a new connection. */
  constructor(url, { name, roomId, senderId, repeats, window = 16, options = {}, text = (body) => body }) {
    this.name = name;
    this.roomId = roomId;
    this.senderId = senderId;
    this.repeats = repeats;
    this.window = window;
    this.text = text;
    this.talking = true;
    /** Every message ever sent, in order: `{ body, id, acked }`. */
    this.sent = [];
    this.open = new Set();
    this.problems = [];
    this.waiters = [];
    this.client = new Client(url, { name, ...options });
    this.client.socket.on("connect", () => this.#connected());
    this.client.socket.on("disconnect", () => this.#disconnected());
  }

  #connected() {
    if (this.repeats) for (const message of this.open) this.#emit(message);
    this.#fill();
  }

  #disconnected() {
    if (!this.repeats) this.open.clear();
    this.#tell();
  }

  #fill() {
    while (this.talking && this.client.socket.connected && this.open.size < this.window) {
      const n = this.sent.length;
      const message = { body: this.text(`${this.name} ${n}`), id: this.repeats ? `${this.name}-${n}` : undefined, acked: null };
      this.sent.push(message);
      this.open.add(message);
      this.#emit(message);
    }
  }

  #emit(message) {
    const payload = { roomId: this.roomId, senderId: this.senderId, body: message.body };
    if (message.id) payload.clientMessageId = message.id;
    this.client.socket.emit("send_message", payload, (answer) => {
      if (answer.success !== true) {
        this.problems.push(`${message.body}: ${JSON.stringify(answer)}`);
      } else if (message.acked && message.acked.id !== answer.id) {
        this.problems.push(`${message.body} was acknowledged as ${message.acked.id} and as ${answer.id}`);
      } else message.acked = answer;
      this.open.delete(message);
      this.#fill();
      this.#tell();
    });
  }

  #tell() {
    this.waiters = this.waiters.filter((waiter) => !waiter());
  }

  /** Resolves once `is` holds; asked after every answer. */
  until(what, is, ms = SOON) {
    const held = new Promise((resolve) => {
      const look = () => {
        if (!is()) return false;
        resolve();
        return true;
      };
      if (!look()) this.waiters.push(look);
    });
    return within(held, `${this.name}: ${what}`, ms);
  }

  get acked() {
    return this.sent.filter(({ acked }) => acked).length;
  }

  /** Says nothing new; resolves when nothing is open any more. */
  async finish(ms = 30_000) {
    this.talking = false;
    await this.until("every message answered", () => this.open.size === 0 && (this.client.socket.connected || !this.repeats), ms);
  }

  close() {
    this.talking = false;
    this.client.close();
  }
}

/**
 * What was acknowledged stands in the history exactly once and as it was answered; what was sent
 * with an id stands there exactly once; what else was sent at most once; and nothing else does.
 * Each sender's messages stand in sending order. Answers how many were acknowledged and found.
 */
export function judge(senders, history) {
  const problems = senders.flatMap((sender) => sender.problems);
  const places = new Map();
  history.forEach((message, place) => {
    places.set(message.body, [...(places.get(message.body) ?? []), place]);
  });
  const say = (words) => problems.length < 20 && problems.push(words);
  let found = 0;
  let acked = 0;
  for (const sender of senders) {
    let before = -1;
    for (const message of sender.sent) {
      const at = places.get(message.body) ?? [];
      found += at.length;
      if (message.acked) {
        acked += 1;
        const { success, ...answered } = message.acked;
        if (at.length !== 1) say(`acknowledged, but stands ${at.length} times in the history: ${message.body.slice(0, 60)}`);
        else {
          try {
            assert.deepEqual(history[at[0]], answered);
          } catch {
            say(`acknowledged as ${JSON.stringify(answered)}, stands as ${JSON.stringify(history[at[0]])}`);
          }
        }
      } else if (at.length > 1) say(`stands ${at.length} times: ${message.body.slice(0, 60)}`);
      else if (message.id && at.length !== 1) say(`sent with an id until answered, and missing: ${message.body.slice(0, 60)}`);
      if (at.length > 0) {
        if (at[0] < before) say(`out of its sender's order: ${message.body.slice(0, 60)}`);
        before = at[0];
      }
    }
  }
  if (found !== history.length) say(`${history.length - found} messages in the history that nobody sent`);
  const ids = history.map(({ id }) => id);
  if (ids.some((id, at) => at > 0 && id <= ids[at - 1])) say("ids do not rise in the history");
  assert.deepEqual(problems, []);
  return { acked, found };
}

/** A reader saw only what lasts: in the history's order, without a hole up to the cut. */
export function judgeReader(seen, history) {
  const ids = history.map(({ id }) => id);
  if (seen.length === 0) return;
  const start = ids.indexOf(seen[0].id);
  assert.notEqual(start, -1, "what a reader saw first is in the history");
  assert.deepEqual(seen.map(({ id }) => id), ids.slice(start, start + seen.length), "a reader saw the history's own order");
}

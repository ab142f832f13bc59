// A person at a page that talks and listens in several rooms whatever happens to its line and to the
// server, and notes all that its handlers see. `recovery-oracle.mjs` judges the notes.

import { Client, readOffset } from "./client.mjs";
import { SOON, within } from "./inbox.mjs";
import { startProxy } from "./proxy.mjs";

let clock = 0;
/** Of two moments in this process, whatever the participant, the later has the higher number. */
export const tick = () => (clock += 1);

/** How a page deals with a lost connection. */
export const KINDS = {
  /** It joins once and relies on recovery. */
  trusting: { version: "4.8", rejoins: false },
  /** The same, but it often says an offset that nobody gave it: its sessions begin anew. */
  confused: { version: "4.8", rejoins: false, confused: true },
  /** It has no recovery and joins whenever it connects. */
  rejoining: { version: "4.1", rejoins: true },
  /** The same, by a client that could recover and does not want to. */
  spared: { version: "4.8", rejoins: true, auth: { recovery: false } },
};

export class Participant {
  /** Comes over a line of its own, which a test may break. */
  static async come(port, options) {
    const line = await startProxy(port);
    return new Participant(line, options);
  }

  /** `repeats`: it gives its messages ids and sends those without an answer again on a new connection. */
  constructor(line, { name, user, kind, transport, repeats, random }) {
    Object.assign(this, { name, user, kind, line, repeats });
    this.rejoins = KINDS[kind].rejoins;
    /** What its handlers saw, in order: `{ tick, what, ... }`. */
    this.log = [];
    /** Every message ever sent, in order: `{ roomId, body, id, acked, tick, connection }`. */
    this.sent = [];
    this.problems = [];
    this.connection = 0;
    this.registers = false;
    this.registered = false;
    /** The people it has asked to talk to, each with the room once that is shown. */
    this.joins = new Map();
    this.open = new Set();
    this.settling = { asked: 0, answered: 0, roomId: null };
    this.waiters = [];
    const { version, auth, confused } = KINDS[kind];
    const guess = (tell) => tell(random.below(2) === 0 ? { offset: "none.of.yours" } : {});
    this.client = new Client(line.url, { name, version, auth: confused ? guess : auth, ...transport });
    this.socket = this.client.socket;
    this.socket.on("connect", () => this.#connected());
    this.socket.on("disconnect", (reason) => this.#disconnected(reason));
    this.socket.on("connect_error", ({ data }) => data && this.problems.push(`refused: ${JSON.stringify(data)}`));
    this.socket.onAny((event, ...args) => this.#saw(event, args));
  }

  #note(what, more) {
    this.log.push({ tick: tick(), what, ...more });
    this.waiters = this.waiters.filter((waiter) => !waiter());
  }

  #connected() {
    this.connection += 1;
    if (this.rejoins) {
      this.registered = false;
      for (const join of this.joins.values()) join.roomId = null;
    }
    this.#note("connect", { recovered: this.socket.recovered === true, sid: this.socket.id });
    if (this.registers && !this.registered) this.#register();
    for (const [other, { roomId }] of this.joins) if (!roomId) this.#join(other);
    if (this.repeats) for (const message of this.open) this.#send(message);
    if (this.settling.answered < this.settling.asked) this.#settle();
  }

  #disconnected(reason) {
    // What it said between the last heartbeat and this is kept for the next connection by the client
    // itself, and would go out before what it repeats.
    this.socket.sendBuffer = [];
    if (!this.repeats) this.open.clear();
    if (reason === "io server disconnect") this.problems.push("the server disconnected it for good");
    this.#note("disconnect", { reason });
  }

  #saw(event, args) {
    const offset = readOffset(args.at(-1));
    const payload = args[0];
    if (args.length !== (offset ? 2 : 1)) this.problems.push(`${event} came with ${JSON.stringify(args)}`);
    if (event === "error") this.problems.push(`error: ${JSON.stringify(payload)}`);
    if (event === "room_joined") {
      const { participant1, participant2 } = payload.room;
      const join = this.joins.get(participant1 === this.user ? participant2 : participant1);
      if (join) join.roomId = payload.roomId;
    }
    this.#note("event", { event, payload, offset });
  }

  register() {
    this.registers = true;
    if (this.socket.connected) this.#register();
  }

  #register() {
    const { connection } = this;
    this.socket.emit("register_user", this.user, (answer) => {
      if (answer.success !== true) this.problems.push(`register_user: ${JSON.stringify(answer)}`);
      // A version without recovery may call this after a reconnect it does not belong to.
      if (connection !== this.connection) return;
      this.registered = true;
      this.#note("registered");
    });
  }

  /** Opens the room with somebody; if it has done so already, once more. */
  join(other) {
    if (!this.joins.has(other)) this.joins.set(other, { roomId: null });
    if (this.socket.connected) this.#join(other);
  }

  #join(other) {
    this.socket.emit("join_chat", { userId: this.user, targetUserId: other });
  }

  /** Asks for the newest messages of a room, if it has said who it is. */
  read(roomId) {
    if (this.socket.connected && (this.registers || this.joins.size > 0)) this.socket.emit("fetch_messages", { roomId, limit: 20 });
  }

  /** Sends; typed offline, it goes out with the next connection. */
  say(roomId, body) {
    // What is repeated on connect must not be typed offline too: it would go out twice, out of order.
    if (this.repeats && !this.socket.connected) return;
    const message = {
      ...{ roomId, body, acked: null, tick: tick() },
      id: this.repeats ? `${this.name}-${this.sent.length}` : undefined,
      connection: this.connection + (this.socket.connected ? 0 : 1),
    };
    this.sent.push(message);
    this.open.add(message);
    this.#send(message);
  }

  #send(message) {
    const payload = { roomId: message.roomId, senderId: this.user, body: message.body, clientMessageId: message.id };
    this.socket.emit("send_message", payload, (answer) => {
      if (answer.success !== true) {
        this.problems.push(`${message.body}: ${JSON.stringify(answer)}`);
      } else if (message.acked && message.acked.id !== answer.id) {
        this.problems.push(`${message.body} was acknowledged as ${message.acked.id} and as ${answer.id}`);
      } else message.acked = answer;
      this.open.delete(message);
      this.#note("acked", { body: message.body });
    });
  }

  /** Resolves once `is` holds; asked whenever something was noted. */
  until(what, is, ms = SOON) {
    const held = new Promise((resolve) => {
      const look = () => {
        if (!is()) return false;
        resolve();
        return true;
      };
      if (!look()) this.waiters.push(look);
    });
    return within(held, what, ms).catch((error) => {
      const last = this.log.slice(-8).map(show).join("\n  ");
      throw new Error(`${this.name} (${this.kind}): ${error.message}; it saw last\n  ${last}\n${this.problems.join("\n")}`);
    });
  }

  /**
   * Resolves when it is connected, nothing that it asked for is open, and everything that was on its
   * way has been seen: an answer stands behind all earlier events. `roomId` is a room of its person.
   */
  async settled(roomId, ms = 30_000) {
    await this.until("everything answered", () => this.socket.connected && this.#hasAll(), ms);
    if (!this.registers && this.joins.size === 0) return;
    this.settling = { ...this.settling, asked: this.settling.asked + 1, roomId };
    this.#settle();
    await this.until("an answer behind all that was on its way", () => this.settling.answered === this.settling.asked, ms);
  }

  #hasAll() {
    const hasJoined = [...this.joins.values()].every(({ roomId }) => roomId);
    return hasJoined && this.registered === this.registers && this.open.size === 0;
  }

  #settle() {
    const { asked, roomId } = this.settling;
    this.socket.emit("fetch_messages", { roomId, limit: 1 }, (answer) => {
      if (answer.success !== true) this.problems.push(`it is not known any more: ${JSON.stringify(answer)}`);
      this.settling.answered = asked;
      this.#note("settled");
    });
  }

  async leave() {
    this.client.close();
    await this.line.close();
  }
}

/** An entry of a log in one line. */
export function show({ tick: at, what, event, payload, offset, ...more }) {
  const text = (value) => JSON.stringify(value)?.slice(0, 160) ?? "";
  const about = {
    new_message: () => `${payload.room_id} ${payload.body.slice(0, 40)} (${payload.id})`,
    chat_list_update: () => `${payload.room_id} ${payload.last_message.slice(0, 40)}`,
    room_joined: () => payload.roomId,
    message_history: () => bodies(payload.messages),
    more_messages: () => bodies(payload.messages),
  };
  if (what !== "event") return `${at} ${what} ${text(more)}`;
  const key = offset ? ` at ${offset.slice(1).join(".")}` : "";
  return `${at} ${event}${key}: ${about[event]?.() ?? text(payload)}`;
}

const bodies = (messages) => `${messages.length} messages, the last is ${messages.at(-1)?.body.slice(0, 40)}`;

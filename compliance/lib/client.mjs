// An unmodified socket.io-client, with an inbox for what it receives.

import { io as io48 } from "socket.io-client";
import { io as io41 } from "socket.io-client-4.1";
import { Inbox, SOON, within } from "./inbox.mjs";

export const VERSIONS = { 4.8: io48, 4.1: io41 };

/** How a client reaches the server; `upgrade` is what it does when nobody tells it anything. */
export const TRANSPORTS = {
  polling: { transports: ["polling"] },
  websocket: { transports: ["websocket"] },
  upgrade: {},
};

/** Every pair of client version and transport: the name of a suite, and options for `Client`. */
export const WAYS = Object.keys(VERSIONS)
  .sort()
  .reverse()
  .flatMap((version) =>
    Object.entries(TRANSPORTS).map(([transport, options]) => ({
      name: `socket.io-client ${version} over ${transport}`,
      version,
      transport,
      options: { version, ...options },
    })),
  );

const OFFSET = /^[0-9a-z]+\.[0-9a-z]+\.[0-9a-z]+(\.[0-9a-z]+)?$/;

/** The parts of a recovery offset as numbers [epoch, G, part, r], or null if it is none. */
export function readOffset(text) {
  if (typeof text !== "string" || !OFFSET.test(text)) return null;
  const parts = text.split(".").map((part) => Number.parseInt(part, 36));
  return [parts[0], parts[1], parts[2], parts[3] ?? -1];
}

export class Client {
  /** Connects, and waits until the server has answered. */
  static async open(url, options) {
    const client = new Client(url, options);
    await client.connected();
    return client;
  }

  constructor(url, { version = "4.8", name = "client", ...options } = {}) {
    this.name = name;
    this.inbox = new Inbox(name);
    /** connect, disconnect, connect_error, in the order in which they happened. */
    this.life = new Inbox(`${name} (connection)`);
    /** Everything as it came off the wire: the text of each Socket.IO packet. */
    this.packets = [];
    /** The payloads of the CONNECT answers. */
    this.answers = [];
    /** What it said of itself with each CONNECT. */
    this.connects = [];
    this.socket = VERSIONS[version](url, {
      forceNew: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 200,
      ...options,
    });
    this.socket.onAny((event, ...args) => {
      const offset = readOffset(args.at(-1)) ? args.pop() : null;
      this.inbox.push({ event, args, offset });
    });
    for (const what of ["connect", "disconnect", "connect_error"]) {
      this.socket.on(what, (detail) =>
        this.life.push({ what, detail: detail instanceof Error ? detail.message : detail, data: detail?.data }),
      );
    }
    this.#listenToEngine();
    // No event of the library tells what it says with a CONNECT.
    const { io } = this.socket;
    const write = io._packet.bind(io);
    io._packet = (packet) => {
      if (packet.type === 0) this.connects.push(packet.data ?? {});
      write(packet);
    };
  }

  #listenToEngine() {
    const attach = () => {
      this.engine = this.socket.io.engine;
      this.engine.on("packet", ({ type, data }) => {
        if (type !== "message" || typeof data !== "string") return;
        this.packets.push(data);
        const connect = /^0(?:\/[^,]*,)?(\{.*\})$/.exec(data);
        if (connect) this.answers.push(JSON.parse(connect[1]));
      });
    };
    this.socket.io.on("open", attach);
  }

  connected(ms = SOON) {
    return this.life.take("connect", ({ what }) => what === "connect", ms);
  }

  disconnected(ms = SOON) {
    return this.life.take("disconnect", ({ what }) => what === "disconnect", ms);
  }

  refused(ms = SOON) {
    return this.life.take("connect_error", ({ what }) => what === "connect_error", ms);
  }

  /** Waits until it has lost its connection and has one again; answers whether the server knew it. */
  async back(ms = SOON) {
    await this.disconnected(ms);
    await this.connected(ms);
    return this.socket.recovered;
  }

  emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Emits, and waits for the acknowledgement. */
  ask(event, ...args) {
    return within(
      new Promise((resolve, reject) => {
        this.socket.emit(event, ...args, (...answer) => {
          if (answer.length !== 1) reject(new Error(`an acknowledgement with ${answer.length} arguments`));
          resolve(answer[0]);
        });
      }),
      `${this.name}: the acknowledgement of ${event}`,
    );
  }

  /** The payload of the next event of this name that matches. */
  async expect(event, matches = () => true, ms = SOON) {
    const { args } = await this.inbox.take(
      `${event}${matches.length ? ` where ${matches}` : ""}`,
      (item) => item.event === event && matches(...item.args),
      ms,
    );
    return args[0];
  }

  /** Payloads of the events of this name that are here already; they count as seen then. */
  seen(event) {
    return this.inbox.drain((item) => item.event === event).map(({ args }) => args[0]);
  }

  async upgraded(ms = SOON) {
    const engine = this.socket.io.engine;
    if (engine.transport.name === "websocket") return;
    await within(new Promise((resolve) => engine.once("upgrade", resolve)), `${this.name}: the upgrade`, ms);
  }

  get transport() {
    return this.socket.io.engine.transport.name;
  }

  close() {
    this.socket.disconnect();
    this.socket.io.engine?.close();
  }
}

/** Clients of a test or suite, all closed by one call. */
export class Clients {
  #open = [];

  constructor(url) {
    this.url = url;
  }

  make(options = {}) {
    const client = new Client(options.url ?? this.url(), options);
    this.#open.push(client);
    return client;
  }

  async open(options) {
    const client = this.make(options);
    await client.connected();
    return client;
  }

  closeAll() {
    for (const client of this.#open.splice(0)) client.close();
  }
}

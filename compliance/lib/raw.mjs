// Clients that do what no library lets them do: WebSocket frames written byte by byte, HTTP
// requests that stop half-way, polling without manners.

import { randomBytes } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { Inbox, SOON, within } from "./inbox.mjs";

export const OP = { CONTINUE: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };

/** One client-to-server frame; every field can be made wrong. */
export function frame(payload, { opcode = OP.TEXT, fin = true, rsv = 0, masked = true, length, longForm } = {}) {
  const body = Buffer.isBuffer(payload) ? payload : Buffer.from(payload);
  const size = length ?? body.length;
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const bit = masked ? 0x80 : 0;
  let extended = Buffer.alloc(0);
  if (size < 126 && !longForm) head.push(bit | size);
  else if (size < 65_536 && longForm !== 64) {
    head.push(bit | 126);
    extended = Buffer.alloc(2);
    extended.writeUInt16BE(size);
  } else {
    head.push(bit | 127);
    extended = Buffer.alloc(8);
    extended.writeBigUInt64BE(BigInt(size));
  }
  if (!masked) return Buffer.concat([Buffer.from(head), extended, body]);
  const key = randomBytes(4);
  const hidden = Buffer.from(body);
  for (let at = 0; at < hidden.length; at += 1) hidden[at] ^= key[at & 3];
  return Buffer.concat([Buffer.from(head), extended, key, hidden]);
}

export function closeFrame(code, reason = "", more = {}) {
  const body = Buffer.alloc(2 + Buffer.byteLength(reason));
  body.writeUInt16BE(code);
  body.write(reason, 2);
  return frame(body, { opcode: OP.CLOSE, ...more });
}

/** A TCP connection with an inbox of what came, and of how it ended. */
export class Line {
  constructor(port, { allowHalfOpen = false } = {}) {
    this.bytes = Buffer.alloc(0);
    this.ended = false;
    this.socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen });
    this.socket.on("error", () => {});
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("connect", resolve);
      this.socket.once("error", reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.socket.on("data", (bytes) => this.receive(bytes));
    for (const end of ["end", "close"]) {
      this.socket.on(end, () => {
        this.ended = true;
        this.receive(Buffer.alloc(0));
      });
    }
    this.waiting = [];
  }

  receive(bytes) {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    this.waiting = this.waiting.filter((wait) => !wait());
  }

  write(bytes) {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  /** The status line and headers of an HTTP answer, and as much of the body as Content-Length says. */
  answer(ms = SOON) {
    const wanted = new Promise((resolve, reject) => {
      const look = () => {
        const end = this.bytes.indexOf("\r\n\r\n");
        if (end < 0) {
          if (this.ended) reject(new Error(`closed before an answer: ${this.bytes.toString("latin1")}`));
          return this.ended;
        }
        const head = this.bytes.subarray(0, end).toString("latin1");
        const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
        if (this.bytes.length < end + 4 + length && !this.ended) return false;
        const body = this.bytes.subarray(end + 4, end + 4 + length).toString();
        this.bytes = this.bytes.subarray(end + 4 + length);
        const headers = Object.fromEntries(
          head
            .split("\r\n")
            .slice(1)
            .map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
        );
        resolve({ status: Number(head.split(" ")[1]), headers, body });
        return true;
      };
      if (!look()) this.waiting.push(look);
    });
    return within(wanted, "an HTTP answer", ms);
  }

  gone(what, ms = SOON) {
    return within(this.closed, `the server to close the line: ${what}`, ms);
  }

  destroy() {
    this.socket.destroy();
  }
}

/** A WebSocket on a bare line. */
export class RawWebSocket {
  /** Opens `/socket.io/?EIO=4&transport=websocket` and reads the Engine.IO handshake. */
  static async open(port, { query = "EIO=4&transport=websocket", headers = {}, handshake = true, name = "raw" } = {}) {
    const raw = new RawWebSocket(port, name);
    raw.upgrade = await raw.#ask(query, headers);
    if (raw.upgrade.status !== 101) return raw;
    raw.#listen();
    if (handshake) raw.open = JSON.parse((await raw.text((text) => text[0] === "0")).slice(1));
    return raw;
  }

  /** Also CONNECTs to the namespace `/`; the answer is in `connected`. */
  static async connect(port, { auth, ...options } = {}) {
    const raw = await RawWebSocket.open(port, options);
    raw.send(`40${auth === undefined ? "" : JSON.stringify(auth)}`);
    raw.connected = JSON.parse((await raw.text((text) => /^4[04]/.test(text))).slice(2));
    return raw;
  }

  constructor(port, name) {
    this.name = name;
    this.line = new Line(port);
    this.inbox = new Inbox(name);
    this.acks = 0;
    this.answersPings = true;
  }

  async #ask(query, headers) {
    const all = {
      Host: `127.0.0.1:${this.line.socket.remotePort ?? "0"}`,
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      ...headers,
    };
    await within(this.line.opened, "the connection");
    if (headers.Host === undefined) all.Host = `127.0.0.1:${this.line.socket.remotePort}`;
    const lines = Object.entries(all)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => `${key}: ${value}\r\n`);
    this.line.socket.write(`GET /socket.io/?${query} HTTP/1.1\r\n${lines.join("")}\r\n`);
    return this.line.answer();
  }

  #listen() {
    const { line } = this;
    const read = () => {
      for (;;) {
        const { bytes } = line;
        if (bytes.length < 2) break;
        let size = bytes[1] & 0x7f;
        let at = 2;
        if (size === 126) {
          if (bytes.length < 4) break;
          size = bytes.readUInt16BE(2);
          at = 4;
        } else if (size === 127) {
          if (bytes.length < 10) break;
          size = Number(bytes.readBigUInt64BE(2));
          at = 10;
        }
        if (bytes.length < at + size) break;
        const payload = bytes.subarray(at, at + size);
        line.bytes = bytes.subarray(at + size);
        this.#arrived(bytes[0] & 0x0f, payload);
      }
      if (line.ended) this.inbox.end("the server closed the connection");
      return false;
    };
    line.waiting.push(read);
    read();
  }

  #arrived(opcode, payload) {
    if (opcode === OP.TEXT) {
      const text = payload.toString();
      if (text === "2" && this.answersPings) return this.send("3");
      this.inbox.push({ text });
    } else if (opcode === OP.CLOSE) {
      const code = payload.length >= 2 ? payload.readUInt16BE(0) : null;
      this.inbox.push({ close: code, reason: payload.subarray(2).toString() });
    } else if (opcode === OP.PONG) this.inbox.push({ pong: payload.toString("latin1") });
    else this.inbox.push({ opcode, payload: payload.toString("base64") });
  }

  /** Sends one text frame. */
  send(text, options) {
    return this.line.write(frame(text, options));
  }

  write(bytes) {
    return this.line.write(bytes);
  }

  async text(matches = () => true, ms = SOON) {
    return (await this.inbox.take("a text frame", (item) => item.text !== undefined && matches(item.text), ms)).text;
  }

  /** Emits an event with an acknowledgement and waits for it. */
  async ask(event, ...args) {
    const id = this.acks++;
    this.send(`42${id}${JSON.stringify([event, ...args])}`);
    const text = await this.text((text) => text.startsWith(`43${id}[`));
    return JSON.parse(text.slice(2 + String(id).length))[0];
  }

  /** The next event of this name. */
  async event(name, matches = () => true, ms = SOON) {
    const text = await this.text((text) => {
      if (!text.startsWith('42["')) return false;
      const [event, ...args] = JSON.parse(text.slice(2));
      return event === name && matches(...args);
    }, ms);
    return JSON.parse(text.slice(2))[1];
  }

  /** Waits for the close frame, answers its code; then for the end of the line. */
  async closed(ms = SOON) {
    const { close } = await this.inbox.take("a close frame", (item) => item.close !== undefined, ms);
    await this.line.gone("after its close frame", ms);
    return close;
  }

  destroy() {
    this.line.destroy();
  }
}

/** One HTTP request; never throws for a status. */
export function request(port, method, path, { headers = {}, body, ms = SOON, agent } = {}) {
  const asked = new Promise((resolve, reject) => {
    const sent = http.request(
      { host: "127.0.0.1", port, method, path, headers, agent: agent ?? new http.Agent() },
      (answer) => {
        const parts = [];
        answer.on("data", (part) => parts.push(part));
        answer.on("error", reject);
        answer.on("end", () =>
          resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
  return within(asked, `an answer to ${method} ${path.slice(0, 80)}`, ms);
}

/** A long-polling client that does one thing at a time. */
export class Polling {
  static async open(port, query = "EIO=4&transport=polling", options = {}) {
    const polling = new Polling(port, query);
    polling.answer = await request(port, "GET", `/socket.io/?${query}`, options);
    if (polling.answer.status === 200) {
      polling.open = JSON.parse(polling.answer.body.slice(1));
      polling.path = `/socket.io/?${query}&sid=${polling.open.sid}`;
    }
    return polling;
  }

  /** Also CONNECTs to the namespace `/`. */
  static async connect(port, auth) {
    const polling = await Polling.open(port);
    await polling.post(`40${auth === undefined ? "" : JSON.stringify(auth)}`);
    polling.connected = JSON.parse((await polling.packet((packet) => packet.startsWith("40"))).slice(2));
    return polling;
  }

  constructor(port) {
    this.port = port;
    this.packets = [];
    this.acks = 0;
  }

  post(body, options = {}) {
    return request(this.port, "POST", this.path, { body, ...options });
  }

  poll(options = {}) {
    return request(this.port, "GET", this.path, options);
  }

  /** Polls until a packet matches. */
  async packet(matches) {
    const end = Date.now() + SOON;
    for (;;) {
      const at = this.packets.findIndex(matches);
      if (at >= 0) return this.packets.splice(at, 1)[0];
      if (Date.now() > end) throw new Error(`polled in vain; got ${this.packets.join(" | ").slice(0, 500)}`);
      const { status, body } = await this.poll();
      if (status !== 200) throw new Error(`a poll got ${status}: ${body}`);
      this.packets.push(...body.split("\x1e"));
    }
  }

  async ask(event, ...args) {
    const id = this.acks++;
    await this.post(`42${id}${JSON.stringify([event, ...args])}`);
    const packet = await this.packet((packet) => packet.startsWith(`43${id}[`));
    return JSON.parse(packet.slice(2 + String(id).length))[0];
  }
}

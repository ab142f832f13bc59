// Starts the protocol fixture and speaks to it: HTTP polling by hand, WebSockets with a queue of messages.
//
// Nothing here waits for a time to pass: every wait names what it waits for and gives up after DEADLINE.

import { spawn } from "node:child_process";
import http from "node:http";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";

export const DEADLINE = 10_000;
export const SEPARATOR = "\x1e";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROGRAM =
  process.env.PALAVER_FIXTURE ?? path.join(ROOT, "target/debug/examples/protocol-fixture");

/** Arguments for tests in which no heartbeat shall come in between. */
export const CALM = ["--ping-interval", "25000", "--ping-timeout", "20000"];

/** Waits for `promise`; fails with what was `wanted`. */
export async function within(wanted, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`did not come: ${wanted}`)), DEADLINE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks `question` again and again until its answer is true. */
export async function until(wanted, question) {
  const end = Date.now() + DEADLINE;
  while (!(await question())) {
    if (Date.now() > end) throw new Error(`did not come: ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Starts a fixture on a free port. `files` limits its file descriptors. */
export async function start(args = [], { files } = {}) {
  const command = files
    ? ["sh", "-c", `ulimit -n ${files}; exec "$0" "$@"`, PROGRAM, "--port", "0", ...args]
    : [PROGRAM, "--port", "0", ...args];
  const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (data) => (log += data));
  const ended = new Promise((resolve) => child.once("close", resolve));
  const line = new Promise((resolve, reject) => {
    createInterface(child.stdout).once("line", resolve);
    child.once("error", reject);
    ended.then((status) => reject(new Error(`the fixture ended with ${status}: ${log}`)));
  });
  const url = (await within("the line that says where it listens", line)).replace(/^listening on /, "");
  return new Fixture(url, child, ended, () => log);
}

class Fixture {
  constructor(url, child, ended, log) {
    Object.assign(this, { url, child, ended, log });
    this.ws = url.replace(/^http/, "ws");
    this.port = Number(new URL(url).port);
  }

  async stop() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  /** The query of a request on `where`, `engine.io` or `socket.io`. */
  at(where, query) {
    return `${this.url}/${where}/?EIO=4&${query}`;
  }

  async open(where = "engine.io") {
    const response = await fetch(this.at(where, "transport=polling"));
    const text = await response.text();
    return new Polling(this, where, JSON.parse(text.slice(1)).sid);
  }

  /** A WebSocket; `query` may name a session. */
  socket(where = "engine.io", query = "", options = {}) {
    return new Socket(`${this.ws}/${where}/?EIO=4&transport=websocket${query}`, options);
  }

  async counts() {
    return (await fetch(`${this.url}/counts`)).json();
  }

  /** Any request, with any header. */
  request(options, body) {
    const { promise, resolve, reject } = withResolvers();
    const request = http.request({ host: "127.0.0.1", port: this.port, agent: false, ...options });
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (data) => (text += data));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    request.on("error", reject);
    request.end(body);
    return within("an answer", promise);
  }
}

/** A session over long-polling. */
class Polling {
  constructor(fixture, where, sid) {
    Object.assign(this, { fixture, where, sid });
    this.url = fixture.at(where, `transport=polling&sid=${sid}`);
  }

  async poll(options) {
    const response = await within("the answer to a poll", fetch(this.url, options));
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  /** The packets of one poll. */
  async packets() {
    const { status, text } = await this.poll();
    if (status !== 200) throw new Error(`a poll got status ${status}`);
    return text.split(SEPARATOR);
  }

  async post(body, options) {
    const response = await within("the answer to a post", fetch(this.url, { method: "POST", body, ...options }));
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  /** A WebSocket that names this session. */
  probe() {
    return this.fixture.socket(this.where, `&sid=${this.sid}`);
  }
}

/** A WebSocket whose messages wait until they are asked for. */
class Socket {
  constructor(url, options) {
    this.raw = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.waiting = [];
    this.takers = [];
    const closed = withResolvers();
    const opened = withResolvers();
    opened.promise.catch(() => {});
    this.closedPromise = closed.promise;
    this.openedPromise = opened.promise;
    this.raw.on("open", () => opened.resolve());
    this.raw.on("message", (data, binary) => {
      const message = binary ? data : data.toString();
      const taker = this.takers.shift();
      if (taker) taker.resolve(message);
      else this.waiting.push(message);
    });
    this.raw.on("unexpected-response", (request, response) => {
      let text = "";
      response.on("data", (data) => (text += data));
      response.on("end", () => {
        const refusal = { status: response.statusCode, text };
        opened.reject(Object.assign(new Error(`refused with ${refusal.status}`), refusal));
        closed.resolve(refusal);
        request.destroy();
      });
    });
    this.raw.on("error", (error) => opened.reject(error));
    this.raw.on("close", (code, reason) => {
      closed.resolve({ code, reason: reason.toString() });
      for (const taker of this.takers) taker.reject(new Error(`closed with ${code} ${reason}`));
    });
  }

  opened() {
    return within("an open WebSocket", this.openedPromise);
  }

  closed() {
    return within("the end of a WebSocket", this.closedPromise);
  }

  send(data) {
    this.raw.send(data);
  }

  next(wanted = "a message") {
    if (this.waiting.length > 0) return Promise.resolve(this.waiting.shift());
    const taker = withResolvers();
    this.takers.push(taker);
    return within(wanted, taker.promise);
  }

  /** The next message that is no heartbeat; heartbeats are answered. */
  async event(wanted) {
    for (;;) {
      const message = await this.next(wanted);
      if (message !== "2") return message;
      this.send("3");
    }
  }

  close() {
    this.raw.close();
  }
}

export function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
}

// What programs written against the `minchat` API do: with its vendor's unmodified SDK, and by HTTP alone.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import SendableForm from "form-data";
import { Inbox, SOON, within } from "./inbox.mjs";

const BrowserForm = globalThis.FormData;
// The SDK makes its forms with a global. In Node its HTTP client can send this kind only.
globalThis.FormData = SendableForm;
const { default: MinChat, Status } = createRequire(import.meta.url)("@minchat/js");
export { Status };

/** A username that nobody has. */
export const username = (name) => `${name}-${randomBytes(4).toString("hex")}`;

/** A page's forms, for `Api`. What is undefined is left out, a list is a field for each of its items. */
export function form(fields) {
  const made = new BrowserForm();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) made.append(name, one);
  }
  return made;
}

/** The HTTP API with a key: an API key, or a user's token. */
export class Api {
  constructor(url, key) {
    this.url = url;
    this.key = key;
  }

  /** `body` is a form, or becomes JSON. Answers status, headers and the parsed body. */
  async call(method, path, body, headers = {}) {
    const isForm = body instanceof BrowserForm;
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(this.key === undefined ? {} : { authorization: `Bearer ${this.key}` }),
        ...(body === undefined || isForm ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined || isForm ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(SOON),
    });
    const text = await answer.text();
    let parsed = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // Whoever asked will say what was wanted.
    }
    return { status: answer.status, headers: answer.headers, body: parsed };
  }

  /** The body of an answer that must be a success. */
  async ask(method, path, body, headers) {
    const answer = await this.call(method, path, body, headers);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async user(name, more = {}) {
    const { user } = await this.ask("POST", "/v1/user", form({ username: name, name, ...more }));
    return user;
  }

  chat(one, other) {
    return this.ask("POST", "/v1/chat", { usernames: [one.username, other.username], user_id: one.id });
  }

  messages(chatId, userId, page) {
    const query = new URLSearchParams({ chat_id: chatId, user_id: userId, ...(page === undefined ? {} : { page }) });
    return this.ask("GET", `/v1/messages?${query}`);
  }

  chats(userId, page) {
    const query = new URLSearchParams({ user_id: userId, ...(page === undefined ? {} : { page }) });
    return this.ask("GET", `/v1/chat/list?${query}`);
  }
}

/** The SDK prints what its requests came to; here only the tests speak. */
export async function quietly(act) {
  const { log } = console;
  console.log = () => {};
  try {
    return await act();
  } finally {
    console.log = log;
  }
}

/** One instance of the SDK, as a page would have it, with an inbox for what its listeners are told. */
export class Page {
  constructor(url, key, name) {
    this.name = name;
    this.key = key;
    this.inbox = new Inbox(name);
    this.instance = MinChat.getInstance(key);
    this.instance.config.localhostPath = url;
    this.instance.init({ test: true, socketOptions: { reconnectionDelay: 20, reconnectionDelayMax: 200 } });
    this.socket = this.instance.config.socket;
    this.life = new Inbox(`${name} (connection)`);
    for (const what of ["connect", "disconnect"]) this.socket.on(what, () => this.life.push(what));
    this.socket.io.setMaxListeners?.(0);
  }

  get user() {
    return this.instance.getConnectedUser();
  }

  async connect(user) {
    await this.instance.connectUser(user);
    return this;
  }

  /** From now on every event of its chats lands in the inbox. */
  hearChats() {
    this.instance.onChat((chat) => this.inbox.push({ what: "chat", chat }));
    return this;
  }

  /** From now on everything that the SDK tells of this chat lands in the inbox. Typing carries the user. */
  hear(chat) {
    const keep = (what) => (value) => this.inbox.push({ what, value });
    chat.onMessage(keep("message"));
    chat.onMessageUpdated(keep("update"));
    chat.onMessageDeleted(keep("delete"));
    chat.onMessageSeen(keep("seen"));
    chat.onTypingStarted(keep("typing"));
    chat.onTypingStopped(keep("stopped"));
    chat.onError(keep("error"));
    return chat;
  }

  /** The next thing of this kind that its listeners were told. */
  async expect(what, matches = () => true, ms = SOON) {
    const item = await this.inbox.take(`${what} where ${matches}`, (it) => it.what === what && matches(it.value ?? it.chat), ms);
    return item.value ?? item.chat;
  }

  /** Sends by the SDK and waits until it says that the server has it. */
  send(chat, message) {
    return within(
      new Promise((resolve) => chat.sendMessage(typeof message === "string" ? { text: message } : message, resolve)),
      `${this.name}: that a message was sent`,
    );
  }

  update(chat, id, message) {
    return within(new Promise((resolve) => chat.updateMessage(id, message, resolve)), `${this.name}: that a message was changed`);
  }

  /** Whether somebody is online, as the server says. The answer stands behind all that was on its way. */
  status(memberId = this.user.id) {
    return within(
      new Promise((resolve) => this.socket.emit("user.status", { memberId, apiKey: this.key }, resolve)),
      `${this.name}: the answer to user.status`,
    );
  }

  /** Waits for all that was on its way; nothing may have come that nobody asked for. */
  async nothingElse() {
    await this.status();
    assert.deepEqual(this.inbox.drain(), [], `${this.name} was told something else`);
  }

  /** Waits until it has lost its connection and has one again; answers whether it went on with its session. */
  async back(ms = SOON) {
    await this.life.take("disconnect", (what) => what === "disconnect", ms);
    await this.life.take("connect", (what) => what === "connect", ms);
    return this.socket.recovered;
  }

  close() {
    this.socket.disconnect();
  }
}

/** Pages of a test or suite, all closed by one call. */
export class Pages {
  #open = [];

  constructor(url, key) {
    this.url = url;
    this.key = key;
  }

  /** A page without a user. */
  make({ url = this.url(), key = this.key(), name = "page" } = {}) {
    const page = new Page(url, key, name);
    this.#open.push(page);
    return page;
  }

  /** A page whose user is new, unless `user` says otherwise, and whose socket has joined that user's room. */
  async open(name, { user = {}, ...more } = {}) {
    const page = this.make({ ...more, name });
    await page.connect({ username: username(name), name, ...user });
    await page.status();
    return page.hearChats();
  }

  closeAll() {
    for (const page of this.#open.splice(0)) page.close();
  }
}

/** A file as a page has it. Node's own cannot go over a socket, but bytes that look like one can. */
export function file(name, type, bytes) {
  return Object.assign(Buffer.from(bytes), { name, type, stream() {} });
}

/** The smallest picture there is: one transparent pixel. */
export const GIF = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");
export const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

// One person in a conversation of two, by each dialect: what the matrix of dialects is filled with. An
// act that a dialect does not have is missing here too.

import { Client } from "./client.mjs";
import * as direct from "./direct.mjs";
import { Page } from "./minchat.mjs";
import * as pair from "./pair.mjs";

/** Somebody who talks to `other` in this dialect. Both are external ids, which are UUIDs. */
class Participant {
  constructor(name) {
    this.name = name;
    /** Names of the events that came and were not asked for yet, and their payloads. */
    this.heard = [];
  }

  /** Everything that has come so far, once what was on its way is here. */
  async events() {
    await this.settle();
    return this.heard.splice(0);
  }
}

class InDirect extends Participant {
  static async open(server, me, other, name) {
    const it = new InDirect(name);
    it.client = await Client.open(server.url, { name });
    await it.client.ask("register_user", me);
    it.me = me;
    it.roomId = (await direct.join(it.client, me, other)).roomId;
    it.client.socket.onAny((event, payload) => it.heard.push({ event, payload }));
    return it;
  }

  async send(text) {
    return (await direct.send(this.client, this.roomId, this.me, text)).id;
  }

  async history() {
    const messages = await direct.history(this.client, this.roomId);
    return messages.map(({ id, sender_id: by, body: text }) => ({ id, by, text }));
  }

  async settle() {
    await direct.settle(this.client, this.roomId);
    this.heard = this.heard.filter(({ event }) => event !== "more_messages");
  }

  close() {
    this.client.close();
  }
}

class InMinchat extends Participant {
  static async open(server, me, other, name) {
    const it = new InMinchat(name);
    it.page = new Page(server.url, server.app.client_key, name);
    await it.page.connect({ username: me, name });
    await it.page.instance.createUser({ username: other, name: other });
    it.chat = it.page.hear(await it.page.instance.chat(other));
    await it.page.status();
    it.page.socket.onAny((event, payload) => it.heard.push({ event, payload }));
    return it;
  }

  async send(text) {
    return (await this.page.send(this.chat, text)).id;
  }

  async edit(id, text) {
    await this.page.update(this.chat, id, { text });
  }

  async remove(id) {
    await this.chat.deleteMessage(id);
    await this.page.status();
  }

  async read(id) {
    this.chat.setSeen(id);
    await this.page.status();
  }

  async type() {
    await this.chat.startTyping();
    await this.chat.stopTyping();
    await this.page.status();
  }

  async history() {
    const { messages } = await this.chat.getMessages();
    return messages.map(({ id, user, text }) => ({ id, by: user.username, text }));
  }

  async settle() {
    await this.page.status();
  }

  close() {
    this.page.close();
  }
}

class InPair extends Participant {
  static async open(server, me, other, name) {
    const it = new InPair(name);
    it.client = await Client.open(server.url, { name });
    await pair.register(it.client, pair.tokenOf(server.app.secret, me));
    it.other = other;
    it.client.socket.onAny((event, payload) => it.heard.push({ event, payload }));
    return it;
  }

  async send(text) {
    return (await pair.send(this.client, this.other, text)).id;
  }

  async read() {
    await this.client.ask("conversation", { id: this.other });
  }

  async type() {
    for (const event of ["startWriting", "stopWriting"]) await this.client.ask(event, { id: this.other });
  }

  /** Without reading it: the newest message, and those before it. */
  async #messages() {
    const { snippets } = await this.client.ask("snippets");
    const newest = snippets.find(({ id }) => id === this.other)?.message;
    if (!newest) return [];
    const { messages } = await this.client.ask("conversation", { id: this.other, before: newest.id });
    return [...messages, newest];
  }

  async history() {
    const messages = await this.#messages();
    return messages.map(({ id, from: by, content: text }) => ({ id, by, text }));
  }

  async isRead(wanted) {
    return (await this.#messages()).find(({ id }) => id === wanted)?.read === true;
  }

  async settle() {
    await pair.settle(this.client);
    // What it asked for itself.
    const isAnswer = ({ event, payload }) => ["conversation", "snippets"].includes(event) || payload.success;
    this.heard = this.heard.filter((it) => !isAnswer(it));
  }

  close() {
    this.client.close();
  }
}

/** By name; a further dialect is a line here. */
export const PARTICIPANTS = { direct: InDirect, minchat: InMinchat, pair: InPair };

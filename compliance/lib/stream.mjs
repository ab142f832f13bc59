// What programs written against the `stream` API do: an app's own server that makes rooms and rules them by
// HTTP, people who write there, and pages that read along.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { UUID } from "./direct.mjs";
import { eventually } from "./inbox.mjs";
import { Api } from "./minchat.mjs";
import { inSeconds, token } from "./tokens.mjs";

const named = (name) => `App\\Events\\${name}`;

/** The events of the document, by what happens. */
export const EVENTS = {
  message: named("ChatMessageEvent"),
  deleted: named("MessageDeletedEvent"),
  banned: named("UserBannedEvent"),
  unbanned: named("UserUnbannedEvent"),
  cleared: named("ChatroomClearEvent"),
  updated: named("ChatroomUpdatedEvent"),
  poll: named("PollUpdateEvent"),
  pollGone: named("PollDeleteEvent"),
  pinned: named("PinnedMessageCreatedEvent"),
  unpinned: named("PinnedMessageDeletedEvent"),
  subscribed: named("SubscriptionEvent"),
  livestream: named("LivestreamUpdated"),
};

/** The options with which the document connects. */
export const OPTIONS = {
  path: "/socket.io/",
  transports: ["websocket", "polling"],
  reconnection: true,
  reconnectionDelay: 1000,
  reconnectionDelayMax: 5000,
  reconnectionAttempts: 20,
  timeout: 45000,
  autoConnect: true,
};

/** Whole seconds, without the letter Z. */
export const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/;

/** A name that nobody has; of a person, or a channel. */
export const name = (of) => `${of}-${randomBytes(4).toString("hex")}`;

/** A good token of somebody; `more` claims win. */
export const tokenOf = (server, sub, more = {}) => token(server.app.secret, { sub, exp: inSeconds(3_600), ...more });

/** A page that shows what happens in rooms. It subscribes when it is told to and never by itself. */
export class Overlay {
  constructor(client) {
    this.client = client;
    /** All that its handlers were told, in their order: `{ event, data }`. */
    this.told = [];
    for (const event of Object.values(EVENTS)) client.socket.on(event, (data) => this.told.push({ event, data }));
    /** Names of what it says to the server. */
    this.said = [];
    client.socket.onAnyOutgoing?.((event) => this.said.push(event));
  }

  /** As in the document: without waiting for a connection or an answer. */
  subscribe(channelName, chatroomId) {
    this.client.emit("subscribe", { channelName, chatroomId });
  }

  unsubscribe(channelName, chatroomId) {
    this.client.emit("unsubscribe", { channelName, chatroomId });
  }

  /** The payload of the next event that happens like this. */
  hear(what, matches) {
    return this.client.expect(EVENTS[what], matches);
  }

  /** The messages that its handlers were told. */
  messages() {
    return this.told.filter(({ event }) => event === EVENTS.message).map(({ data }) => data);
  }

  /** Waits until it has seen all that was on its way: an answer stands behind it. */
  async settle() {
    const answer = await this.client.ask("unsubscribe", { channelName: "elsewhere", chatroomId: 1 });
    assert.deepEqual(answer, { success: true });
  }

  /** Waits for all that was on its way; nothing may have come that nobody asked for. */
  async nothingElse() {
    await this.settle();
    assert.deepEqual(this.client.inbox.drain().map(({ event, args }) => [event, ...args]), []);
  }
}

/** A channel with its chatroom, in the hands of the app's own server. */
export class Room {
  /** A new one; `more` goes with the request. */
  static async open(server, more = {}) {
    const api = new Api(server.url, server.app.server_key);
    return new Room(api, await api.ask("POST", "/api/v2/channels", { slug: name("room"), ...more }));
  }

  constructor(api, channel) {
    Object.assign(this, { api, channel, slug: channel.slug, id: channel.chatroom.id, owner: channel.user.username });
    assert.ok(Number.isInteger(this.id) && Number.isInteger(channel.id));
  }

  /** The same room as somebody else asks for it: with another key or a token, or with nothing. */
  as(key) {
    return new Room(new Api(this.api.url, key), this.channel);
  }

  /** Does something; answers status, headers and body. */
  call(method, what, body, headers) {
    return this.api.call(method, this.path(what), body, headers);
  }

  /** Does something that must succeed. */
  ask(method, what, body, headers) {
    return this.api.ask(method, this.path(what), body, headers);
  }

  path(what) {
    return `/api/v2/channels/${this.slug}${what && `/${what}`}`;
  }

  get sending() {
    return `/api/v2/messages/send/${this.id}`;
  }

  /** Writes for somebody, as a server key may. */
  say(username, content, more = {}, headers = {}) {
    return this.api.ask("POST", this.sending, { content, type: "message", sender: { username }, ...more }, headers);
  }

  /** Writes as who asks. */
  write(content, more = {}) {
    return this.api.call("POST", this.sending, { content, type: "message", ...more });
  }

  remove(id) {
    return this.api.ask("DELETE", `/api/v2/chatrooms/${this.id}/messages/${id}`);
  }

  /** A page of the history, without what stands around it. */
  async page(cursor) {
    const { data } = await this.ask("GET", `messages${cursor === undefined ? "" : `?cursor=${cursor}`}`);
    return data;
  }

  /** All that was said, oldest first, page by page. */
  async history() {
    const all = [];
    let cursor;
    for (;;) {
      const { messages, cursor: older } = await this.page(cursor);
      all.unshift(...messages.reverse());
      if (!older || messages.length === 0) return all;
      cursor = older;
    }
  }

  /** What it says of itself to everybody. */
  async state() {
    const answers = await Promise.all(["", "chatroom", "messages", "polls", "moderators"].map((what) => this.call("GET", what)));
    return answers.map(({ status, body }) => [status, body]);
  }
}

/** People who write into a room as fast as they are answered, whatever happens to the server. */
export class Crowd {
  constructor(room, { people = 5, each = 200 } = {}) {
    Object.assign(this, { room, total: people * each });
    /** Ids of what was taken. */
    this.taken = [];
    const writers = Array.from({ length: people }, (_, n) => this.#talk(`viewer-${n}`, each));
    /** Resolves when all of it is taken. */
    this.done = Promise.all(writers);
    this.done.catch(() => {});
  }

  async #talk(username, each) {
    for (let n = 0; n < each; n += 1) this.taken.push(await this.#write(username, `${username} ${n}`));
  }

  /** Again and again with the same key, until there is an answer. */
  #write(username, content) {
    const attempt = async () => {
      const body = { content, sender: { username } };
      const answer = await this.room.api.call("POST", this.room.sending, body, { "idempotency-key": content }).catch(() => null);
      if (!answer || answer.status === 503) return null;
      assert.equal(answer.status, 201, JSON.stringify(answer.body));
      return answer.body.id;
    };
    return eventually(`${content} to be taken`, attempt, 60_000);
  }

  /** Resolves when so many are taken. */
  async at(count) {
    await Promise.race([
      eventually(`${count} messages to be taken`, () => this.taken.length >= count, 60_000, 5),
      this.done,
    ]);
  }
}

/** Of a message as readers are told; answers what its sender decided. */
export function checkMessage(message, room, channelName) {
  const { id, chatroom_id, created_at, sender, channel_name, badges, ...said } = message;
  assert.match(id, UUID);
  assert.equal(chatroom_id, room.id);
  assert.match(created_at, SECONDS);
  checkPerson(sender, ["identity"]);
  assert.match(sender.identity.color, /^#[0-9A-F]{6}$/i);
  assert.deepEqual(badges, sender.identity.badges);
  assert.equal(channel_name, channelName);
  return { ...said, username: sender.username, badges };
}

/** Of a user as everybody sees one. */
export function checkPerson(person, more = []) {
  assert.deepEqual(Object.keys(person).sort(), ["id", "slug", "username", ...more].sort());
  assert.ok(Number.isInteger(person.id));
  assert.equal(person.slug, person.username.toLowerCase().replaceAll("_", "-"));
}

// What a shop's page written against the `market` API does, in a few words each: a socket on /presence that
// says that somebody is there, and one on /chat to talk.

import assert from "node:assert/strict";
import { TIME, UUID } from "./direct.mjs";
import { inSeconds, token } from "./tokens.mjs";

/** A good token of a customer or vendor; `more` claims win. */
export const tokenOf = (secret, role, sub, more = {}) => token(secret, { sub, types: [role], exp: inSeconds(3_600), ...more });

let last = 1_000;
/** An id of which nobody has heard, as a shop's database would count it. */
export const number = () => (last += 1);
export const product = () => String(number());

/** What begins a chat. */
export const DETAILS = {
  productName: "Wireless Headphones",
  productPrice: "299.99",
  productImageUrl: "https://example.com/product.jpg",
  storeName: "Tech Haven",
  storeLogoUrl: null,
  customerName: "Johnny Storm",
  customerProfilePic: "https://example.com/buyer.jpg",
};
const CHAT = ["createdAt", "customerId", "customerName", "customerProfilePic", "id", "lastMessageAt", "messages", "productId"]
  .concat(["productImageUrl", "productName", "productPrice", "storeLogoUrl", "storeName", "updatedAt", "vendorId"]);
const MESSAGE = ["chatId", "id", "messageMedias", "read", "recipientOnline", "senderId", "senderType", "text", "timestamp"];

/** A customer or vendor with a page open. */
export class Person {
  /** Comes, as pages do: both sockets at once. `line` is where it comes from, if not straight. */
  static async come(clients, server, role, id, { line = {}, options = {}, auth } = {}) {
    const it = new Person(clients, server, role, id, { line, options, auth });
    await it.greeted();
    return it;
  }

  constructor(clients, server, role, id, { line = {}, options = {}, auth } = {}) {
    Object.assign(this, { role, id, type: role.toUpperCase() });
    this.token = tokenOf(server.app.secret, role, id);
    const open = (namespace) =>
      clients.make({ name: `${role} ${id} on ${namespace}`, url: `${line[namespace] ?? server.url}/${namespace}`, auth: auth ?? { token: this.token }, ...options });
    this.presence = open("presence");
    this.chat = open("chat");
  }

  /** Both sockets are in; answers what it was greeted with. */
  async greeted() {
    await Promise.all([this.presence.connected(), this.chat.connected()]);
    const chats = await this.told("userChats");
    const missed = await this.told("offlineMessages");
    assert.equal(chats.message, "Chats have been sent successfully");
    return { chats: chats.data, missed: missed.data };
  }

  /** The next event of this name, in its envelope. */
  async told(event, matches = () => true, ms) {
    const envelope = await this.chat.expect(event, matches, ms);
    assert.deepEqual(Object.keys(envelope).sort(), ["data", "error", "message", "statusCode"], event);
    assert.deepEqual([envelope.error, envelope.statusCode], [false, 200]);
    return envelope;
  }

  /** The next message in an event of this name. */
  async heard(event = "receiveMessage") {
    const { message, data } = await this.told(event);
    assert.equal(message, null);
    assert.equal(data.length, 1);
    checkMessage(data[0]);
    return data[0];
  }

  /** Sends to somebody about a product; answers the acknowledgement, behind the event that its own sockets get. */
  async send(productId, to, text, more = {}) {
    const { success, error, chat, ...message } = await this.chat.ask("sendMessage", { productId, recipientId: to, text, ...more });
    assert.equal(success, true, JSON.stringify(error));
    assert.deepEqual(await this.heard(), message);
    return { message, chat };
  }

  async chats(more) {
    const answer = await this.chat.ask("getUserChats", ...(more ? [more] : []));
    assert.equal(answer.success, true, JSON.stringify(answer));
    const { data } = await this.told("userChats");
    data.forEach(checkChat);
    return data;
  }

  /** Opens a chat, which reads it. */
  async join(chatId, more = {}) {
    this.chat.emit("joinChat", { chatId, ...more });
    const { message, data } = await this.told("loadMessages", ({ data }) => data.id === chatId);
    assert.equal(message, "Chats has been loaded");
    checkChat(data);
    return data;
  }

  /** Waits until its page has seen everything that was on its way; what passes comes with the next answer at the latest. */
  async settle() {
    for (let times = 0; times < 2; times += 1) await this.chats({ limit: 1, messageLimit: 1 });
  }

  close() {
    this.chat.close();
    this.presence.close();
  }
}

export function checkMessage(message) {
  assert.deepEqual(Object.keys(message).sort(), MESSAGE);
  for (const id of [message.id, message.chatId]) assert.match(id, UUID);
  assert.match(message.timestamp, TIME);
}

export function checkChat(chat) {
  assert.deepEqual(Object.keys(chat).sort(), CHAT);
  assert.match(chat.id, UUID);
  for (const time of [chat.createdAt, chat.updatedAt, chat.lastMessageAt]) assert.match(time, TIME);
  chat.messages.forEach(checkMessage);
}

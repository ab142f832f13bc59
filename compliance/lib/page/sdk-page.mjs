// A page with the SDK: it keeps what its listeners are told, and does what a test asks of it. What
// it answers is made of plain values, for they go to another process.

import MinChat from "@minchat/js";

const told = [];
const chats = new Map();
let instance;

const keep = (what) => (value) => told.push({ what, value });
const sent = (chat, message) => new Promise((resolve) => chat.sendMessage(message, resolve));
const fromText = (base64) => Uint8Array.from(atob(base64), (letter) => letter.codePointAt(0));
const fileOf = ({ name, type, base64 }) => new File([fromText(base64)], name, { type });

globalThis.sdkPage = {
  /** What has been told since the last time that this was asked. */
  told: () => told.splice(0),

  async connect(url, key, user) {
    instance = MinChat.getInstance(key);
    instance.config.localhostPath = url;
    instance.init({ test: true });
    const { socket } = instance.config;
    for (const what of ["connect", "disconnect"]) {
      socket.on(what, () => told.push({ what, value: { recovered: socket.recovered } }));
    }
    const { avatar, ...rest } = user;
    await instance.connectUser(avatar ? { ...rest, avatar: fileOf(avatar) } : user);
    instance.onChat((chat) => told.push({ what: "chat", value: { title: chat.getTitle(), text: chat.getLastMessage().text } }));
    return instance.getConnectedUser();
  },

  /** Opens the chat with somebody, and listens to all of it. */
  async chat(username) {
    const chat = await instance.chat(username);
    chats.set(chat.getId(), chat);
    chat.onMessage(keep("message"));
    chat.onMessageUpdated(keep("update"));
    chat.onMessageDeleted(keep("delete"));
    chat.onMessageSeen(keep("seen"));
    chat.onTypingStarted(keep("typing"));
    chat.onError(keep("error"));
    return { id: chat.getId(), title: chat.getTitle() };
  },

  send: (id, { file, ...message }) => sent(chats.get(id), file ? { ...message, file: fileOf(file) } : message),
  update: (id, message, text) => new Promise((resolve) => chats.get(id).updateMessage(message, { text }, resolve)),
  delete: (id, message) => chats.get(id).deleteMessage(message),
  seen: (id, message) => chats.get(id).setSeen(message),
  type: (id) => chats.get(id).startTyping(),
  messages: async (id) => (await chats.get(id).getMessages()).messages.map(({ text }) => text),
  rename: (id, name) => instance.updateUserById(id, { name }),
  groups: async (memberUsernames, avatar) => {
    const chat = await instance.groupChat({ memberUsernames, avatar: fileOf(avatar) });
    return { id: chat.getId(), avatar: chat.getChatAvatar(), removed: await instance.deleteChat(chat.getId()) };
  },

  /** SHA-256 of what is there, in hexadecimal. */
  async digest(url) {
    const bytes = await (await fetch(url)).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  },

  /** What the SDK's HTTP client makes of an answer that is an error: without CORS it would see none. */
  async failure(act, ...args) {
    try {
      await instance[act](...args);
      return null;
    } catch (error) {
      return { status: error.response?.status, data: error.response?.data, message: error.message };
    }
  },
};

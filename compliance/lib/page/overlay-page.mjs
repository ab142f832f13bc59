// A page with the chat of a live stream in it, as a list. Its address says which.

import { io } from "socket.io-client";
import { Feed } from "./overlay.mjs";

const list = document.body.appendChild(document.createElement("ul"));

function show(messages) {
  for (const [n, { id, content }] of messages.entries()) {
    if (list.children[n]?.id === id) continue;
    const line = Object.assign(document.createElement("li"), { id, textContent: content });
    list.insertBefore(line, list.children[n] ?? null);
  }
}

globalThis.overlay = {
  open(url, room, options) {
    const socket = io(url, options);
    this.life = [];
    socket.on("connect", () => this.life.push(socket.recovered ? "known" : "new"));
    socket.on("disconnect", () => this.life.push("gone"));
    this.feed = new Feed(socket, url, room, show);
    return this.feed.loaded;
  },

  /** What it shows, and how it came to that. */
  shown() {
    const { twice, pages } = this.feed;
    const lines = [...list.children].map(({ id, textContent }) => ({ id, content: textContent }));
    return { lines, twice, pages, life: this.life };
  },

  count: () => list.children.length,
};

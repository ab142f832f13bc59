// What a page that shows the chat of a live stream has in it: all messages of a room, each once, in their
// order. It subscribes when it is opened and never again, and looks up once what was said before that. It
// runs in browsers and in Node.

export class Feed {
  #messages = new Map();
  #live = new Set();

  /** `room` is `{ channelName, chatroomId, slug }`; `changed` is called with all messages whenever they change. */
  constructor(socket, url, room, changed = () => {}) {
    Object.assign(this, { socket, url, room, changed });
    /** Ids that an event told a second time. */
    this.twice = [];
    /** Requests for pages of the history. */
    this.pages = 0;
    /** Resolves when all that was said before is here. */
    this.loaded = new Promise((resolve, reject) => {
      const { channelName, chatroomId } = room;
      socket.on("App\\Events\\ChatMessageEvent", (message) => this.#tell(message));
      // What is said from the answer on is told, so what was said before it is in the history.
      socket.emit("subscribe", { channelName, chatroomId }, ({ success, error }) => {
        if (success) this.#load().then(resolve, reject);
        else reject(new Error(error.message));
      });
    });
  }

  /** In their order: ids sort by age. */
  get messages() {
    return [...this.#messages.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  get size() {
    return this.#messages.size;
  }

  #tell(message) {
    if (this.#live.has(message.id)) this.twice.push(message.id);
    this.#live.add(message.id);
    this.#add([message]);
  }

  #add(messages) {
    for (const { id, content } of messages) this.#messages.set(id, { id, content });
    this.changed(this.messages);
  }

  async #load() {
    let cursor;
    do {
      const query = cursor ? `?cursor=${cursor}` : "";
      const answer = await fetch(`${this.url}/api/v2/channels/${this.room.slug}/messages${query}`);
      if (!answer.ok) throw new Error(`history: ${answer.status}`);
      const { data } = await answer.json();
      this.pages += 1;
      this.#add(data.messages);
      cursor = data.messages.length > 0 && data.cursor;
    } while (cursor);
  }
}

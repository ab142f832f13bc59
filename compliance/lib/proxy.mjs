// A line between client and server that a test can hold, slow down, cut, or cut at the client's end
// only, so that the server believes it alive.

import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** Bytes of one direction that are kept before its source is not read any more. */
const ROOM = 64 << 10;

/** One direction of a connection: bytes that have been read and are not written yet. */
class Flow {
  #waiting = [];
  #bytes = 0;
  #writing = false;
  #ended = false;
  held;

  /** `pace()` is what holds at the moment: `{ piece, delay }`, or null for as fast as it goes. */
  constructor(from, to, pace, held) {
    this.from = from;
    this.to = to;
    this.pace = pace;
    this.held = held;
    from.on("data", (bytes) => {
      this.#waiting.push(bytes);
      this.#bytes += bytes.length;
      if (this.#bytes > ROOM) from.pause();
      this.run();
    });
    for (const over of ["end", "close"]) {
      from.on(over, () => {
        this.#ended = true;
        this.run();
      });
    }
  }

  release() {
    this.held = false;
    this.run();
  }

  /** What was said before the end still arrives, and then the end. */
  async run() {
    if (this.#writing) return;
    this.#writing = true;
    while (!this.held && this.#waiting.length > 0) {
      const pace = this.pace();
      const ms = pace?.delay() ?? 0;
      if (ms > 0) {
        await pause(ms);
        if (this.held) break;
      }
      const bytes = this.#take(pace?.piece ?? ROOM);
      // Who is gone hears nothing, and keeps nobody from talking.
      if (this.to.destroyed || this.to.writableEnded || this.to.write(bytes)) continue;
      await this.#room();
    }
    this.#writing = false;
    if (this.#ended && !this.held) this.to.end();
  }

  /** Resolves when the other side takes more, or is gone. */
  #room() {
    return new Promise((resolve) => {
      const go = () => {
        for (const event of ["drain", "close"]) this.to.off(event, go);
        resolve();
      };
      for (const event of ["drain", "close"]) this.to.on(event, go);
    });
  }

  #take(most) {
    const first = this.#waiting.shift();
    const bytes = first.subarray(0, most);
    if (first.length > most) this.#waiting.unshift(first.subarray(most));
    this.#bytes -= bytes.length;
    if (this.#bytes <= ROOM) this.from.resume();
    return bytes;
  }
}

export async function startProxy(port) {
  const lines = new Set();
  let held = { up: false, down: false };
  let pace = null;
  let offline = false;
  const proxy = net.createServer((near) => {
    if (offline) return near.resetAndDestroy();
    const far = net.connect(port, "127.0.0.1");
    const line = {
      near,
      far,
      up: new Flow(near, far, () => pace, held.up),
      down: new Flow(far, near, () => pace, held.down),
    };
    lines.add(line);
    for (const side of [near, far]) {
      // Whatever went wrong, the side is closed then, and the other one is told by its flow.
      side.on("error", () => {});
      side.on("close", () => {
        if (near.destroyed && far.destroyed) lines.delete(line);
      });
    }
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    /** From now on nothing comes through of what the client says (`up`) or the server (`down`). */
    hold({ up = false, down = false }) {
      held = { up: held.up || up, down: held.down || down };
      for (const line of lines) {
        line.up.held ||= up;
        line.down.held ||= down;
      }
    },
    /** New lines are not held; those that are stay so. */
    flow() {
      held = { up: false, down: false };
    },
    /** Everything comes through again; what was held arrives late. */
    release() {
      this.flow();
      for (const { up, down } of lines) {
        up.release();
        down.release();
      }
    },
    /** Bytes go in pieces of `piece`, each after `delay()` milliseconds; without arguments as they come. */
    slow(how = null) {
      pace = how;
    },
    /** Cuts all lines, without a goodbye. */
    cut() {
      for (const { near, far } of [...lines]) {
        near.resetAndDestroy();
        far.resetAndDestroy();
      }
    },
    /** Cuts all lines, and lets nobody through until it is told otherwise. */
    goOffline() {
      offline = true;
      this.cut();
    },
    goOnline() {
      offline = false;
    },
    /**
     * Cuts the clients' ends. The server's stay open and take what it says, with nobody at them. The
     * clients may come back over new lines.
     */
    abandon() {
      for (const { near, up } of [...lines]) {
        up.held = true;
        near.resetAndDestroy();
      }
    },
    /** How many of those lines the server has not closed yet. */
    get abandoned() {
      return [...lines].filter(({ near, far }) => near.destroyed && !far.destroyed).length;
    },
    /** The same, but the server's words are not even taken, until `release` or `cut`. */
    strand() {
      for (const { near, up, down } of [...lines]) {
        up.held = true;
        down.held = true;
        near.resetAndDestroy();
      }
    },
    async close() {
      this.cut();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

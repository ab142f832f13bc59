// A line between client and server that a test can hold, cut, or count.

import net from "node:net";

export async function startProxy(port) {
  const pairs = new Set();
  const abandoned = new Set();
  let held = false;
  let offline = false;
  const proxy = net.createServer((near) => {
    if (offline) return near.resetAndDestroy();
    const far = net.connect(port, "127.0.0.1");
    const pair = { near, far };
    pairs.add(pair);
    near.on("data", (bytes) => far.write(bytes));
    far.on("data", (bytes) => near.write(bytes));
    if (held) far.pause();
    const end = () => {
      near.destroy();
      far.destroy();
      pairs.delete(pair);
    };
    for (const side of [near, far]) {
      side.on("close", end);
      side.on("error", end);
    }
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    /** From now on nothing of what the server says comes through. */
    holdAnswers() {
      held = true;
      for (const { far } of pairs) far.pause();
    },
    release() {
      held = false;
      for (const { far } of pairs) far.resume();
    },
    /** Cuts all lines, without a goodbye. */
    cut() {
      for (const { near, far } of [...pairs]) {
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
    /** Cuts the clients' ends. The server's stay open, with nobody at them. */
    abandon() {
      for (const pair of [...pairs]) {
        pairs.delete(pair);
        const { near, far } = pair;
        for (const event of ["data", "close"]) {
          near.removeAllListeners(event);
          far.removeAllListeners(event);
        }
        abandoned.add(far);
        far.once("close", () => abandoned.delete(far));
        far.resume();
        near.resetAndDestroy();
      }
    },
    /** How many of those lines the server has not closed yet. */
    get abandoned() {
      return abandoned.size;
    },
    async close() {
      this.cut();
      for (const far of abandoned) far.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

// What has arrived, kept until a test asks for it. Nothing here sleeps: a test says what it waits
// for and how long that may take, and gets told what was there instead when the time is over.

/** Deadline for anything that a healthy server does at once, in milliseconds. */
export const SOON = 10_000;

export class Inbox {
  #items = [];
  #waiting = new Set();
  #ended = null;

  constructor(owner) {
    this.owner = owner;
  }

  push(item) {
    for (const wait of this.#waiting) {
      if (wait.matches(item)) {
        this.#waiting.delete(wait);
        wait.resolve(item);
        return;
      }
    }
    this.#items.push(item);
  }

  /** Whoever waits, or will wait, is told that nothing comes any more. */
  end(reason) {
    this.#ended = reason;
    for (const wait of this.#waiting) wait.fail(reason);
    this.#waiting.clear();
  }

  reopen() {
    this.#ended = null;
  }

  /** Takes the first item that matches and has not been taken, now or when it arrives. */
  take(what, matches = () => true, ms = SOON) {
    const at = this.#items.findIndex(matches);
    if (at >= 0) return Promise.resolve(this.#items.splice(at, 1)[0]);
    if (this.#ended) return Promise.reject(this.#failure(what, this.#ended));
    return new Promise((resolve, reject) => {
      const wait = {
        matches,
        resolve: (item) => {
          clearTimeout(timer);
          resolve(item);
        },
        fail: (reason) => {
          clearTimeout(timer);
          reject(this.#failure(what, reason));
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(wait);
        wait.fail(`nothing like it within ${ms} ms`);
      }, ms);
      this.#waiting.add(wait);
    });
  }

  /** Takes everything that matches and is here already. */
  drain(matches = () => true) {
    const taken = this.#items.filter(matches);
    this.#items = this.#items.filter((item) => !taken.includes(item));
    return taken;
  }

  get size() {
    return this.#items.length;
  }

  #failure(what, reason) {
    const seen = this.#items.slice(-8).map((item) => JSON.stringify(item)?.slice(0, 300));
    return new Error(
      `${this.owner}: wanted ${what}; ${reason}. Here and not asked for: ${seen.join(" | ") || "nothing"}`,
    );
  }
}

/** Waits for a promise, but not for ever. */
export function within(promise, what, ms = SOON) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`wanted ${what} within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks again and again until the answer is true; for facts that no event announces (memory, files). */
export async function eventually(what, ask, ms = SOON, every = 50) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    last = await ask();
    if (last) return last;
    if (Date.now() > end) throw new Error(`wanted ${what} within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

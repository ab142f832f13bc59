// What a page written against the `pair` API does, in a few words each.

import assert from "node:assert/strict";
import { TIME, UUID } from "./direct.mjs";
import { inSeconds, token } from "./tokens.mjs";

/** A good token about somebody; `more` claims win. */
export const tokenOf = (secret, sub, more = {}) => token(secret, { sub, exp: inSeconds(3_600), ...more });

/** Registers, and waits for the "OK". */
export async function register(client, token) {
  client.emit("registerMessages", { token });
  assert.equal(await client.expect("registerMessages"), "OK");
  return client;
}

/** Sends, and answers the acknowledgement, behind the documented `{ success: true }`. */
export async function send(client, to, content, more = {}) {
  const answer = await client.ask("message", { to, content, ...more });
  if (answer.success) assert.deepEqual(await client.expect("message", ({ success }) => success === true), { success: true });
  return answer;
}

/** The next message of somebody else, or of another window of one's own. */
export const heard = (client, matches = () => true) => client.expect("message", (it) => it.id !== undefined && matches(it));

/** The conversation with somebody, as the event has it. */
export async function conversation(client, id, more = {}) {
  client.emit("conversation", { id, ...more });
  return client.expect("conversation");
}

/**
 * Waits until this socket has seen everything that was on its way: an answer stands behind all earlier
 * events, but for what passes, which comes with the next one at the latest.
 */
export async function settle(client) {
  for (let times = 0; times < 2; times += 1) {
    const answer = await client.ask("conversation", { id: "nobody" });
    assert.equal(answer.success, true, `settling: ${JSON.stringify(answer)}`);
    await client.expect("conversation", ({ id }) => id === "nobody");
  }
}

export function checkMessage(message, { from, to, content, read = false }) {
  assert.deepEqual(Object.keys(message).sort(), ["content", "createdAt", "from", "id", "read", "to"]);
  assert.match(message.id, UUID);
  assert.match(message.createdAt, TIME);
  assert.deepEqual([message.from, message.to, message.content, message.read], [from, to, content, read]);
}

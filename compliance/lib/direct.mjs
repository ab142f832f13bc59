// What a page written against the `direct` API does, in a few words each.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

export const person = () => randomUUID();

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Opens the room of two people; answers `{ roomId, room, messages }`. */
export async function join(client, userId, targetUserId) {
  client.emit("join_chat", { userId, targetUserId });
  const joined = await client.expect("room_joined");
  const { messages } = await client.expect("message_history");
  return { ...joined, messages };
}

/** Sends and answers the acknowledgement. */
export function send(client, roomId, senderId, body, more = {}) {
  return client.ask("send_message", { roomId, senderId, body, ...more });
}

/** The whole history of a room, oldest first, page by page. */
export async function history(client, roomId, limit = 100) {
  let all = [];
  for (;;) {
    client.emit("fetch_messages", { roomId, limit, offset: all.length });
    const page = await client.expect("more_messages");
    assert.equal(page.offset, all.length + page.messages.length);
    if (page.messages.length === 0) return all;
    all = [...page.messages, ...all];
  }
}

/**
 * Waits until this socket has seen everything that was on its way: the answer to a question stands
 * behind all earlier events. The client must be in the room.
 */
export async function settle(client, roomId) {
  const answer = await client.ask("fetch_messages", { roomId, limit: 1, offset: 0 });
  assert.equal(answer.success, true, `settling: ${JSON.stringify(answer)}`);
  client.seen("more_messages");
}

export function checkMessage(message, { roomId, senderId, body }) {
  assert.deepEqual(Object.keys(message).sort(), ["body", "created_at", "id", "room_id", "sender_id"]);
  assert.match(message.id, UUID);
  assert.equal(message.room_id, roomId);
  assert.equal(message.sender_id, senderId);
  assert.equal(message.body, body);
  assert.match(message.created_at, TIME);
}

// The judge of what participants saw while their lines broke and their server died.
//
// It knows the promises and the histories, and nothing of the server. In the words used here a *run*
// is a session as its client sees it: a fresh connection and all recovered ones after it.

import assert from "node:assert/strict";
import { show } from "./participant.mjs";
import { judge } from "./senders.mjs";

/** Messages in the answer to a join. */
const HISTORY = 50;
const MOST_PROBLEMS = 20;

/**
 * Holds what participants saw against the histories: `rooms` maps the id of a room to
 * `{ people, messages }`, its two people and all its messages, oldest first. Every participant has
 * settled: it has seen everything. Throws with all that is wrong; answers how much was judged.
 *
 * - What was acknowledged stands in the history once, and nothing stands there twice (`judge`).
 * - In each room a run shows its history's messages from the join's answer on: all, once, in order.
 *   Another answer to a join or a page ends at exactly that place.
 * - Over rooms a run shows messages in one order, the one in which they were written, with rising
 *   offsets; and a message has one offset, whoever sees it.
 * - Who has registered gets every message to that person in the same way.
 * - A client that has been told of a join or of its registration and comes back with what it was given
 *   is recovered.
 * - A fresh run of a client that does not join by itself begins with answers to all its joins, which
 *   do not go back behind what it has seen, and goes on with its person.
 */
export function judgeRecovery(participants, rooms) {
  const world = new World(participants, rooms);
  const problems = [];
  for (const [roomId, { messages }] of rooms) {
    try {
      judge(world.senders(roomId), messages);
    } catch (error) {
      problems.push(`room ${roomId}: ${error.message}`);
    }
  }
  for (const participant of participants) {
    problems.push(...participant.problems.map((words) => `${participant.name}: ${words}`));
    problems.push(...new Judge(participant, world).problems());
  }
  problems.push(...world.disorder());
  if (problems.length > 0) {
    const more = problems.length - MOST_PROBLEMS;
    const said = problems.slice(0, MOST_PROBLEMS).join("\n");
    throw new assert.AssertionError({ message: more > 0 ? `${said}\n... and ${more} more` : said });
  }
  return totals(participants);
}

function totals(participants) {
  const returns = participants.flatMap(({ log, rejoins }) => {
    const [, ...later] = log.filter(({ what }) => what === "connect");
    return later.map(({ recovered }) => (recovered ? "recovered" : rejoins ? "rejoined" : "fresh"));
  });
  const count = (how) => returns.filter((other) => other === how).length;
  return {
    reconnects: returns.length,
    recovered: count("recovered"),
    fresh: count("fresh"),
    rejoined: count("rejoined"),
    acked: participants.flatMap(({ sent }) => sent).filter(({ acked }) => acked).length,
    seen: participants.flatMap(({ log }) => log).filter(({ what }) => what === "event").length,
  };
}

/** The histories, indexed. */
class World {
  constructor(participants, rooms) {
    this.participants = participants;
    this.rooms = rooms;
    /** Offsets by the id of the message, as somebody saw them. */
    this.offsets = new Map();
    this.places = new Map([...rooms.values()].flatMap(({ messages }) => messages.map(({ id }, place) => [id, place])));
    this.sentAt = new Map(participants.flatMap(({ sent }) => sent.map(({ body, tick }) => [body, tick])));
  }

  history(roomId) {
    return this.rooms.get(roomId)?.messages ?? [];
  }

  /** Where a message stands in the history of its room; -1 if it does not. */
  place({ room_id, id }) {
    return this.rooms.has(room_id) ? (this.places.get(id) ?? -1) : -1;
  }

  /**
   * The senders of a room as `judge` wants them. Who repeats is one sender; of who does not, each
   * connection is one: what was held on an old line may arrive after what was said on a new one.
   */
  senders(roomId) {
    return this.participants.flatMap(({ sent, repeats }) => {
      const here = sent.filter((message) => message.roomId === roomId);
      const connections = repeats ? [null] : [...new Set(here.map(({ connection }) => connection))];
      return connections.map((own) => ({
        problems: [],
        sent: here.filter(({ connection }) => own === null || connection === own),
      }));
    });
  }

  /** Messages whose numbers are not in the order in which they were written. */
  disorder() {
    const written = [...this.offsets].sort(([a], [b]) => (a < b ? -1 : 1));
    const falls = ([, offset], at) => at > 0 && compareKeys(offset, written[at - 1][1]) <= 0;
    return written.filter(falls).map(([id, [, g]]) => `${id} has the number ${g}, an older message has a higher one`);
  }

  /** All messages to a person, in the order in which they were written; ids rise with it. */
  inbox(user) {
    return [...this.rooms.values()]
      .filter(({ people }) => people.includes(user))
      .flatMap(({ messages }) => messages)
      .filter(({ sender_id }) => sender_id !== user)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

/** Compares keys [epoch, G, part, r] by G, part and r. */
function compareKeys(a, b) {
  for (let at = 1; at < 4; at += 1) if (a[at] !== b[at]) return a[at] - b[at];
  return 0;
}

const isSame = (a, b) => {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
};

/** Walks through the log of one participant. */
class Judge {
  #problems = [];
  /** Where the entry under judgement stands. */
  #at = 0;
  #run = null;
  /** Rooms of which an answer to a join was ever shown, each with what had been seen of it. */
  #known = new Map();
  /** Messages to its person that had been seen. */
  #heard = 0;
  #isRegistered = false;

  constructor(participant, world) {
    this.participant = participant;
    this.world = world;
    this.inbox = world.inbox(participant.user);
    this.places = new Map(this.inbox.map(({ body }, place) => [body, place]));
  }

  problems() {
    const { log } = this.participant;
    for (this.#at = 0; this.#at < log.length; this.#at += 1) {
      const entry = log[this.#at];
      if (entry.what === "connect") this.#connect(entry);
      else if (entry.what === "registered") this.#registered(entry.tick);
      else if (entry.what === "event") this.#event(entry);
    }
    this.#end();
    return this.#problems;
  }

  #say(words) {
    const { name, kind, log } = this.participant;
    const near = log.slice(Math.max(0, this.#at - 6), this.#at + 3);
    this.#problems.push([`${name} (${kind}): ${words}`, ...near.map(show)].join("\n    "));
  }

  #connect({ tick, recovered, sid }) {
    if (recovered) {
      if (this.#run && sid !== this.#run.sid) this.#say("a recovered session has another id");
      if (this.#run) return;
      this.#say("recovered what it never had");
    } else if (this.#run && sid === this.#run.sid) this.#say("a fresh session has the id of an earlier one");
    this.#keep();
    const hasMore = this.#known.size > 0 || this.#isRegistered;
    if (hasMore && this.participant.kind === "trusting") this.#say("began anew, and nothing kept it from going on");
    const goesOn = !this.participant.rejoins;
    this.#run = {
      ...{ sid, key: null, joining: null, places: new Map() },
      // Messages sent after this moment must be heard.
      hears: goesOn && this.#isRegistered ? tick : null,
      heard: null,
    };
    if (!goesOn) this.#known.clear();
    if (!goesOn) this.#isRegistered = false;
  }

  /** What the run that ends now has seen. */
  #keep() {
    if (!this.#run) return;
    for (const [roomId, place] of this.#run.places) this.#known.set(roomId, place);
    this.#heard = Math.max(this.#heard, this.#run.heard ?? 0);
  }

  #registered(tick) {
    this.#isRegistered = true;
    if (this.#run) this.#run.hears ??= tick;
  }

  #event({ event, payload, offset }) {
    if (!this.#run) return this.#say("an event before CONNECT was answered");
    this.#offset(offset);
    if (this.#run.joining && event !== "message_history") {
      this.#say("room_joined is not followed by message_history");
      this.#run.joining = null;
    }
    if (event === "room_joined") this.#run.joining = payload.roomId;
    else if (event === "message_history") this.#joined(payload.messages);
    else if (event === "new_message") this.#message(payload, offset);
    else if (event === "chat_list_update") this.#update(payload);
    else if (event === "more_messages") this.#page(payload);
    else if (event !== "error") this.#say(`an event that nobody knows: ${event}`);
  }

  #offset(offset) {
    const wants = this.participant.kind !== "spared";
    if (wants !== (offset !== null)) this.#say(wants ? "an event without an offset" : "an offset that was not wanted");
    if (!offset) return;
    if (this.#run.key && compareKeys(offset, this.#run.key) <= 0) this.#say("its offset is not above the one before");
    this.#run.key = offset;
  }

  #joined(messages) {
    const roomId = this.#run.joining;
    this.#run.joining = null;
    if (!roomId) return this.#say("message_history without room_joined");
    const history = this.world.history(roomId);
    const last = messages.at(-1);
    const end = last ? this.world.place(last) + 1 : 0;
    if (last && end === 0) this.#say("message_history ends with a message that is not in the history");
    else this.#ends("message_history", messages, history, end, HISTORY);
    const place = this.#run.places.get(roomId);
    if (place !== undefined && place !== end) this.#say(`message_history ends at ${end}, it has seen ${place}`);
    const known = this.#known.get(roomId) ?? 0;
    if (place === undefined && end < known) this.#say(`message_history ends at ${end}, it has seen ${known} before`);
    this.#run.places.set(roomId, end);
  }

  /** Whether messages are the last up to a place, at most so many. */
  #ends(what, messages, history, end, most) {
    const told = history.slice(Math.max(0, end - most), end);
    if (!isSame(messages, told)) this.#say(`${what} is not the ${told.length} messages up to ${end}`);
  }

  #message(message, offset) {
    const history = this.world.history(message.room_id);
    const place = this.#run.places.get(message.room_id);
    const at = this.world.place(message);
    if (at < 0) return this.#say("new_message is not in the history");
    if (!isSame(message, history[at])) this.#say("new_message is told otherwise in the history");
    if (place === undefined) return this.#say("new_message of a room whose join was not answered");
    if (at < place) this.#say(`new_message is ${at} of its room and was seen before`);
    if (at > place) this.#say(`new_message is ${at} of its room, from ${place} on it is missed`);
    this.#run.places.set(message.room_id, at + 1);
    if (!offset) return;
    const known = this.world.offsets.get(message.id) ?? offset;
    this.world.offsets.set(message.id, known);
    if (!isSame(known, offset)) this.#say("new_message has another offset than others saw");
  }

  #update({ room_id, last_message, sender_id, updated_at }) {
    const at = this.places.get(last_message);
    if (at === undefined) return this.#say("chat_list_update of what is not in the history");
    const { room_id: room, sender_id: sender, created_at } = this.inbox[at];
    if (!isSame([room_id, sender_id, updated_at], [room, sender, created_at])) {
      this.#say("chat_list_update is told otherwise in the history");
    }
    if (!this.participant.registers) this.#say("chat_list_update without register_user");
    if (this.#run.heard === null) this.#missed(at);
    else if (at < this.#run.heard) this.#say(`chat_list_update is ${at} of its person and was seen before`);
    else if (at > this.#run.heard) this.#say(`chat_list_update is ${at} of its person, from ${this.#run.heard} on it is missed`);
    this.#run.heard = at + 1;
  }

  /** The first message to its person that a run hears is the one at `first`. */
  #missed(first) {
    if (first < this.#heard) this.#say(`chat_list_update is ${first} of its person and was seen before`);
    const { hears } = this.#run;
    if (hears === null) return;
    const missed = this.inbox.slice(this.#heard, first).find(({ body }) => this.world.sentAt.get(body) > hears);
    if (missed) this.#say(`chat_list_update of ${missed.body.slice(0, 40)} is missed, which was sent after it had registered`);
  }

  /** Pages are always asked for from the newest on. */
  #page({ messages, offset }) {
    if (offset !== messages.length) this.#say(`more_messages goes on at ${offset}`);
    if (messages.length === 0) return;
    const roomId = messages[0].room_id;
    const history = this.world.history(roomId);
    const seen = this.#run.places.get(roomId);
    const end = seen ?? this.world.place(messages.at(-1)) + 1;
    this.#ends("more_messages", messages, history, end, messages.length);
  }

  #end() {
    if (!this.#run) return;
    const { places, heard } = this.#run;
    if (this.#run.joining) this.#say("room_joined is not followed by message_history");
    const wanted = this.participant.rejoins ? this.#wanted() : [...this.#known.keys()];
    for (const roomId of wanted) {
      if (!places.has(roomId)) this.#say(`it has joined ${roomId} and does not hear it any more`);
    }
    for (const [roomId, place] of places) {
      const { length } = this.world.history(roomId);
      if (place < length) this.#say(`of ${roomId} the last ${length - place} messages are missed, from ${place} on`);
    }
    if (heard === null) this.#missed(this.inbox.length);
    else if (heard < this.inbox.length) this.#say(`the last ${this.inbox.length - heard} updates are missed, from ${heard} on`);
  }

  /** The rooms that it joins whenever it connects. */
  #wanted() {
    const others = [...this.participant.joins.keys()];
    const isWanted = ({ people }) => people.includes(this.participant.user) && others.some((other) => people.includes(other));
    return [...this.world.rooms].filter(([, room]) => isWanted(room)).map(([roomId]) => roomId);
  }
}

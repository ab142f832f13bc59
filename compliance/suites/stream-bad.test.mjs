// Every field of every event and request of `stream`, filled with what it must not be, beside two who play and
// one who reads; and everybody who asks for what is not theirs to do.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { Api } from "../lib/minchat.mjs";
import { checkEach, clients, serve, server } from "../lib/stage.mjs";
import { name, Overlay, Room, tokenOf } from "../lib/stream.mjs";

const NO_TEXT = [null, 7, true, [], {}];
const NO_FLAG = ["true", 1, [], {}];
const NO_OBJECT = [7, "x", true, [1]];
const NO_NUMBER = ["x", "1", 1.5, -1, true, [], {}, 2 ** 60];
const NO_UUID = [7, "", "x", {}, "0123456789ab4cde8f0123456789abcd"];
const TEXT = "must be a string";
const FLAG = "must be true or false";
const WORDS = "must be a string of 1 to 256 bytes";
const NO_WORDS = ["", "  ", "x".repeat(257)];
const ID = "01234567-89ab-4cde-8f01-23456789abcd";
const SLUG = "must be 1 to 64 letters, digits, hyphens and underscores, and not only digits";
const ANSWERS = "must be 2 to 10 strings of 1 to 100 bytes";
const WEEK = "must be a whole number of minutes from 1 to 10080";
const YEAR = "must be a whole number of minutes from 0 to 525600";
const NUMBER = "must be a whole number, or its digits in a string";
const LONG = { k: "x".repeat(16_384) };

const SEND = ["POST", "/api/v2/messages/send/ROOM", { content: "x", sender: { username: "Eve" } }];
const REPLY = ["POST", SEND[1], { ...SEND[2], type: "reply", metadata: { original_message: { id: ID } } }];
const CREATE = ["POST", "/api/v2/channels", { slug: "never-made" }];
const BAN = ["POST", "/api/v2/channels/SLUG/bans", { banned_username: "Eve", duration: 5 }];
const COMMAND = ["POST", "/api/v2/channels/SLUG/chat-commands", { command: "clear" }];
const MODES = ["PUT", "/api/v2/channels/SLUG/chatroom", { emotes_mode: { enabled: true } }];
const PIN = ["POST", "/api/v2/channels/SLUG/pinned-message", { message: { id: ID } }];
const POLL = ["POST", "/api/v2/channels/SLUG/polls", { title: "?", options: ["a", "b"], duration: 60 }];
const VOTE = ["POST", "/api/v2/channels/SLUG/polls/vote", { id: 1, sender: { username: "Eve" } }];
const SUBSCRIPTION = ["POST", "/api/v2/channels/SLUG/subscriptions", { username: "Eve", months: 2 }];
const LIVESTREAM = ["PUT", "/api/v2/channels/SLUG/livestream", { is_live: true }];
const EVENT = ["POST", "/api/v2/channels/SLUG/events", { event: "PointsUpdated", data: {} }];
const HOST = ["POST", EVENT[1], { event: "App\\Events\\StreamHostEvent", data: { chatroom_id: 1, host_username: "Eve", number_viewers: 1 } }];
const MODERATOR = ["POST", "/api/v2/channels/SLUG/moderators", { username: "Eve" }];
const ACTIONS = [SEND, CREATE, BAN, COMMAND, MODES, PIN, POLL, VOTE, SUBSCRIPTION, LIVESTREAM, EVENT, MODERATOR];

/** A good request, a field, what it must not be, words; and whether it may be missing. */
const FIELDS = [
  [CREATE, "slug", NO_TEXT, TEXT, false],
  [CREATE, "slug", ["", "a b", "1234", "straße", "a/b", "x".repeat(65)], SLUG, false],
  [CREATE, "private", NO_FLAG, FLAG, true],
  ...["title", "owner"].flatMap((field) => [
    [CREATE, field, NO_TEXT.slice(1), TEXT, true],
    [CREATE, field, NO_WORDS, WORDS, true],
  ]),
  [SEND, "content", NO_TEXT, TEXT, false],
  [SEND, "content", ["", " \n\u2003"], "must not be blank", false],
  [SEND, "content", ["x".repeat(65_537)], "is longer than 65536 bytes", false],
  [SEND, "content", ["\ud800"], "must be valid Unicode, without half surrogate pairs", false],
  [SEND, "type", [7, true, [], {}], TEXT, true],
  [SEND, "type", ["", "celebration", "REPLY"], "must be message or reply", true],
  [SEND, "metadata", NO_OBJECT, "must be an object", true],
  [SEND, "metadata", [LONG], "is longer than 16384 bytes", true],
  [REPLY, "metadata", NO_OBJECT, "must be an object", false],
  [REPLY, "metadata.original_message", NO_OBJECT, "must be an object", false],
  [REPLY, "metadata.original_message.id", NO_UUID, "must be a UUID", false],
  [REPLY, "metadata.original_message.id", [ID], "is not a message of this chatroom", false],
  ...[SEND, VOTE].flatMap((action) => [
    [action, "sender", NO_OBJECT, "must be an object", false],
    [action, "sender.username", NO_TEXT, TEXT, false],
    [action, "sender.username", NO_WORDS, WORDS, false],
    [action, "sender.follower_since", ["yesterday", true, [], {}, -1], "must be a time like 2026-03-01T12:30:05Z, or seconds since 1970", true],
    [action, "sender.subscriber_months", [...NO_NUMBER, 1_201], "must be a whole number from 0 to 1200", true],
  ]),
  [BAN, "banned_username", NO_TEXT, TEXT, false],
  [BAN, "banned_username", NO_WORDS, WORDS, false],
  [BAN, "permanent", NO_FLAG, FLAG, true],
  [BAN, "duration", [...NO_NUMBER, 0, 10_081], WEEK, true],
  [BAN, "reason", NO_TEXT.slice(1), TEXT, true],
  [BAN, "reason", ["x".repeat(257)], "must have at most 256 bytes", true],
  [COMMAND, "command", NO_TEXT, TEXT, false],
  [COMMAND, "command", ["", "CLEAR", "/clear"], "must be clear", false],
  ...["slow_mode", "subscribers_mode", "followers_mode", "emotes_mode", "account_age", "show_quick_emotes", "show_banners"]
    .concat(["gifts_enabled", "gifts_week_enabled", "gifts_month_enabled"])
    .flatMap((mode) => [
      [MODES, mode, NO_OBJECT, "must be an object", true],
      [MODES, `${mode}.enabled`, NO_FLAG, FLAG, true],
    ]),
  [MODES, "slow_mode.message_interval", [...NO_NUMBER, 0, 3_601], "must be a whole number of seconds from 1 to 3600", true],
  ...["followers_mode", "account_age"].map((mode) => [MODES, `${mode}.min_duration`, [...NO_NUMBER, 525_601], YEAR, true]),
  [PIN, "message", NO_OBJECT, "must be an object", false],
  [PIN, "message.id", NO_UUID, "must be a UUID", false],
  [PIN, "message.id", [ID], "is not a message of this chatroom", false],
  [PIN, "duration", ["x", 1.5, -1, 0, 86_401, "0", true, [], {}], "must be a whole number of seconds from 1 to 86400", true],
  [POLL, "title", NO_TEXT, TEXT, false],
  [POLL, "title", NO_WORDS, WORDS, false],
  [POLL, "options", [7, "a", {}, [1, 2], [null, "a"]], "must be an array of strings", false],
  [POLL, "options", [[], ["a"], ["a", ""], ["a", " "], ["a", "x".repeat(101)], Array(11).fill("a")], ANSWERS, false],
  [POLL, "duration", [...NO_NUMBER, 4, 86_401], "must be a whole number of seconds from 5 to 86400", false],
  [POLL, "result_display_duration", [...NO_NUMBER, 86_401], "must be a whole number of seconds from 0 to 86400", true],
  [VOTE, "id", NO_NUMBER, "must be that of an option of the poll", false],
  [SUBSCRIPTION, "username", NO_TEXT, TEXT, false],
  [SUBSCRIPTION, "username", NO_WORDS, WORDS, false],
  [SUBSCRIPTION, "months", [...NO_NUMBER, 0, 1_201], "must be a whole number from 1 to 1200", false],
  ...["is_live", "is_mature"].map((field) => [LIVESTREAM, field, NO_FLAG, FLAG, true]),
  ...[["session_title", 256], ["language", 64], ["lang_iso", 16], ["thumbnail", 2_048]].flatMap(([field, most]) => [
    [LIVESTREAM, field, NO_TEXT.slice(1), TEXT, true],
    [LIVESTREAM, field, ["", " ", "x".repeat(most + 1)], `must be a string of 1 to ${most} bytes`, true],
  ]),
  [LIVESTREAM, "viewer_count", NO_NUMBER, "must be a whole number from 0 to 4294967295", true],
  [LIVESTREAM, "tags", [7, "a", {}, [1]], "must be an array of strings", true],
  [LIVESTREAM, "tags", [Array(21).fill("a"), ["x".repeat(65)]], "must be at most 20 strings of at most 64 bytes", true],
  [LIVESTREAM, "categories", [7, "a", {}, [1]], "must be an array of objects", true],
  [LIVESTREAM, "categories", [Array(11).fill({}), [LONG]], "must be at most 10 objects of at most 16384 bytes of JSON text in all", true],
  [EVENT, "event", NO_TEXT, TEXT, false],
  [EVENT, "event", ["", "x".repeat(201)], "must be a string of 1 to 200 bytes", false],
  [EVENT, "event", ["connect", "error", "App\\Events\\ChatMessageEvent"],
    "must be an event that no action tells, such as GiftedSubscriptionsEvent or App\\Events\\StreamHostEvent", false],
  [EVENT, "data", NO_OBJECT, "must be an object", false],
  [EVENT, "data", [{ k: "x".repeat(65_536) }], "must be at most 65536 bytes of JSON", false],
  [HOST, "data.host_username", NO_TEXT, TEXT, false],
  [HOST, "data.number_viewers", ["1", 1.5, [], {}], "must be a whole number", false],
  [MODERATOR, "username", NO_TEXT, TEXT, false],
  [MODERATOR, "username", NO_WORDS, WORDS, false],
];

/** A copy with a field in it changed; `undefined` takes it away. */
function changed(body, field, value) {
  const [key, ...rest] = field.split(".");
  return { ...body, [key]: rest.length ? changed(body[key] ?? {}, rest.join("."), value) : value };
}

describe("bad input to stream", () => {
  serve();
  checkEach();
  let room;
  before(async () => {
    room = await Room.open(server);
    await room.say("Mika", "before");
  });

  const at = (path) => path.replace("SLUG", room.slug).replace("ROOM", room.id);
  const ask = ([method, path, body], api = room.api) => api.call(method, at(path), body);

  /** A page that reads along while something is done that must change nothing. */
  async function unheard(act) {
    const overlay = new Overlay(await clients.open({ name: "overlay" }));
    overlay.subscribe(room.slug, room.id);
    await overlay.settle();
    const was = await room.state();
    await act();
    await overlay.nothingElse();
    assert.deepEqual(await room.state(), was, "nothing has changed");
  }

  for (const [event, others] of [["subscribe", [["channelName", ["", "x".repeat(101), "ä".repeat(51)], "must be a string of 1 to 100 bytes"], ["channelName", NO_TEXT.slice(1), TEXT]]], ["unsubscribe", []]]) {
    test(`${event}: each field`, async () => {
      const client = await clients.open({ name: "bad" });
      const refused = async (payload, words, code = "invalid") => {
        const { success, error } = await client.ask(event, ...(payload === undefined ? [] : [payload]));
        assert.deepEqual([success, error], [false, { code, message: words }], JSON.stringify(payload)?.slice(0, 80));
        assert.deepEqual(await client.expect("error"), { message: words, code });
      };
      for (const payload of [undefined, null, 7, "x", true, [], [{}]]) await refused(payload, "payload must be an object with channelName and chatroomId");
      await refused({ channelName: "x" }, "chatroomId is missing");
      const numbers = [null, true, 0, -1, 1.5, "", "x", "1.0", " 1", "1e3", "-1", 2 ** 53, "9007199254740992", [7], {}];
      for (const chatroomId of numbers) await refused({ channelName: "x", chatroomId }, `chatroomId ${NUMBER}`);
      for (const [field, values, words] of others) for (const value of values) await refused({ chatroomId: room.id, [field]: value }, `${field} ${words}`);
      if (event === "subscribe") {
        for (const chatroomId of [1, room.id + 1_000_000, "9007199254740991"]) {
          await refused({ chatroomId }, "chatroomId is not a room here", "unknown_conversation");
        }
      }
      // None of it was a subscription.
      await room.say("Mika", "unheard");
      await new Overlay(client).nothingElse();
    });
  }

  test("events of other dialects, and of nobody", async () => {
    const overlay = new Overlay(await clients.open({ name: "bad" }));
    overlay.subscribe(room.slug, room.id);
    for (const event of ["send_message", "message", "room.join", "registerMessages", "joinChat", "App\\Events\\ChatMessageEvent"]) {
      const { error } = await overlay.client.ask(event, { content: "x" });
      assert.deepEqual(error, { code: "unknown_event", message: "no such event here" }, event);
      await overlay.client.expect("error");
    }
    const { id } = await room.say("Mika", "after");
    assert.equal((await overlay.hear("message")).id, id);
    await overlay.nothingElse();
  });

  for (const [action, field, values, words, optional] of FIELDS) {
    const [method, path, body] = action;
    test(`${method} ${path} with a ${field} that ${words}`, () =>
      unheard(async () => {
        const bad = values.map((value) => [value, `${field} ${words}`]);
        if (!optional) bad.push([undefined, `${field} is missing`]);
        for (const [value, message] of bad) {
          const answer = await ask([method, path, changed(body, field, value)]);
          const what = JSON.stringify(value)?.slice(0, 80);
          assert.deepEqual(answer.body, { message, code: answer.body.code }, what);
          assert.equal(answer.status, answer.body.code === "unknown_message" ? 404 : 422, what);
        }
      }));
  }

  test("bodies that are none", () =>
    unheard(async () => {
      for (const [method, path] of ACTIONS) {
        for (const body of [[], [{}], 7, "x", true, null]) {
          const answer = await ask([method, path, body]);
          assert.deepEqual([answer.status, answer.body.message], [422, "body must be a JSON object"], `${path} ${JSON.stringify(body)}`);
        }
        for (const [type, body, status] of [["application/json", "{", 422], ["application/json", "\xff", 422], ["text/plain", "{}", 415], ["multipart/form-data", "x", 422]]) {
          const headers = { authorization: `Bearer ${server.app.server_key}`, "content-type": type };
          const answer = await fetch(server.url + at(path), { method, headers, body });
          const told = await answer.json();
          assert.deepEqual([answer.status, Object.keys(told).sort()], [status, ["code", "message"]], `${path} ${type} ${JSON.stringify(told)}`);
        }
      }
      for (const [action, words] of [[MODES, "body must have a mode to change, like slow_mode"], [LIVESTREAM, "body must have something to change, like is_live"], [BAN, "banned_username is missing"]]) {
        assert.equal((await ask([action[0], action[1], {}])).body.message, words);
      }
      const { body } = await ask([BAN[0], BAN[1], { banned_username: "Eve", permanent: false }]);
      assert.equal(body.message, "duration is missing, and permanent is not true");
    }));

  test("paths that name nothing here", () =>
    unheard(async () => {
      const nowhere = [["SLUG", "no-such-channel"], ["SLUG", "1"], ["SLUG", "9".repeat(30)], ["SLUG", "%00"], ["ROOM", "1"], ["ROOM", "x"], ["ROOM", "9".repeat(30)], ["ROOM", "-1"]];
      const others = [["DELETE", "/api/v2/chatrooms/ROOM/messages/01234567-89ab-4cde-8f01-23456789abcd"], ["DELETE", "/api/v2/channels/SLUG/bans/Eve"], ["DELETE", "/api/v2/channels/SLUG/polls"]]
        .concat([["DELETE", "/api/v2/channels/SLUG/pinned-message"], ["DELETE", "/api/v2/channels/SLUG/moderators/Eve"]])
        .concat(["", "/chatroom", "/messages", "/polls", "/livestream", "/moderators", "/info"].map((what) => ["GET", `/api/v2/channels/SLUG${what}`]));
      for (const [method, path, body] of [...ACTIONS, ...others]) {
        for (const [part, by] of nowhere.filter(([part]) => path.includes(part))) {
          const { status, body: told } = await room.api.call(method, path.replace(part, by), body);
          assert.deepEqual([status, told.code], [404, "unknown_conversation"], `${method} ${path} ${by}`);
        }
      }
      for (const [method, path, code] of [
        ["DELETE", "/api/v2/chatrooms/ROOM/messages/x", "unknown_message"],
        ["DELETE", "/api/v2/chatrooms/ROOM/messages/01234567-89ab-4cde-8f01-23456789abcd", "unknown_message"],
        ["DELETE", "/api/v2/channels/SLUG/bans/Eve", "nothing_there"],
        ["DELETE", "/api/v2/channels/SLUG/moderators/Eve", "nothing_there"],
        ["DELETE", "/api/v2/channels/SLUG/pinned-message", "nothing_there"],
        ["DELETE", "/api/v2/channels/SLUG/polls", "no_poll"],
        ["POST", "/api/v2/channels/SLUG/polls/vote", "no_poll"],
      ]) {
        const { status, body } = await ask([method, path, method === "POST" ? VOTE[2] : undefined]);
        assert.deepEqual([status, body.code], [404, code], path);
      }
      const { status, body } = await ask([CREATE[0], CREATE[1], { slug: room.slug.toUpperCase() }]);
      assert.deepEqual([status, body], [409, { message: "slug is taken", code: "name_taken" }]);
      for (const cursor of ["!", "-1", "z".repeat(40), "%00"]) {
        const answer = await room.call("GET", `messages?cursor=${cursor}`);
        assert.deepEqual([answer.status, answer.body.message], [422, "cursor must be the cursor of a page of this history"], cursor);
      }
    }));

  test("a message of another room is not one of this", async () => {
    const other = await Room.open(server);
    const { id } = await other.say("Mika", "elsewhere");
    await unheard(async () => {
      for (const [method, path, body] of [
        ["DELETE", `/api/v2/chatrooms/ROOM/messages/${id}`],
        [PIN[0], PIN[1], { message: { id } }],
        [REPLY[0], REPLY[1], changed(REPLY[2], "metadata.original_message.id", id)],
      ]) {
        assert.deepEqual((await ask([method, path, body])).body.code, "unknown_message", path);
      }
    });
    assert.equal((await other.history()).length, 1);
  });

  test("nobody does what is not theirs to do", async () => {
    const mine = await Room.open(server, { owner: name("Olga") });
    const { id } = await mine.say("Mika", "mine to delete");
    const moderator = name("Mona");
    await mine.ask("POST", "moderators", { username: moderator });
    const foreign = await Room.open(server, { owner: name("Otto") });
    const who = {
      nobody: undefined,
      "a client key": server.app.client_key,
      "a viewer": tokenOf(server, name("viewer")),
      "another room's owner": tokenOf(server, foreign.owner),
      "somebody called like the owner": tokenOf(server, name("eve"), { name: mine.owner }),
      "a moderator": tokenOf(server, moderator),
      "the owner": tokenOf(server, mine.owner),
      "a server key": server.app.server_key,
    };
    const [app, owner, moderates] = [["a server key"], ["a server key", "the owner"], ["a server key", "the owner", "a moderator"]];
    const acts = [
      [CREATE, app],
      [EVENT, app],
      [["POST", `${MODERATOR[1]}`, { username: moderator }], owner],
      [["DELETE", `${MODERATOR[1]}/${name("nobody")}`], owner],
      ...[BAN, COMMAND, MODES, PIN, POLL, SUBSCRIPTION, LIVESTREAM].map((act) => [act, moderates]),
      ...["bans/Eve", "polls", "pinned-message"].map((what) => [["DELETE", `/api/v2/channels/SLUG/${what}`], moderates]),
      [["DELETE", `/api/v2/chatrooms/ROOM/messages/${id}`], moderates],
    ];
    const was = await mine.state();
    const refusals = { nobody: [401, "unknown_key"], "a client key": [403, "token_required"] };
    const there = ([method, path, body], key) => new Api(server.url, key).call(method, path.replace("SLUG", mine.slug).replace("ROOM", mine.id), body);
    for (const [act, allowed] of acts) {
      for (const [person, key] of Object.entries(who).filter(([person]) => !allowed.includes(person))) {
        const { status, body } = await there(act, key);
        const [wanted, code] = refusals[person] ?? [403, "not_allowed"];
        assert.equal(status, wanted, `${act[0]} ${act[1]} by ${person}: ${JSON.stringify(body)}`);
        if (person !== "a client key") assert.equal(body.code, code, `${act[1]} by ${person}`);
      }
    }
    assert.deepEqual(await mine.state(), was, "nothing has changed");
    // Those who may, can. What it says about the room is asked elsewhere.
    for (const [act, allowed] of acts) {
      for (const person of allowed) {
        const { status, body } = await there(act, who[person]);
        assert.ok(![401, 403].includes(status), `${act[0]} ${act[1]} by ${person}: ${JSON.stringify(body)}`);
      }
    }
  });

  test("a socket that sends much of it keeps what it is and was", async () => {
    const overlay = new Overlay(await clients.open({ name: "bad" }));
    overlay.subscribe(room.slug, room.id);
    const rounds = Array.from({ length: 60 }, (_, n) => overlay.client.ask(n % 2 ? "subscribe" : "nonsense", { chatroomId: n % 4 ? {} : 1 }));
    for (const { success } of await Promise.all(rounds)) assert.equal(success, false);
    const { id } = await room.say("Mika", "still here");
    assert.equal((await overlay.hear("message")).id, id);
    assert.equal(overlay.client.seen("error").length, 60);
    await overlay.nothingElse();
  });
});

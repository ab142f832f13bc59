// The `stream` API with real clients: every version over every transport does what the document's complete
// example does, and is told of all that happens in a room.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, TRANSPORTS, VERSIONS } from "../lib/client.mjs";
import { UUID } from "../lib/direct.mjs";
import { eventually } from "../lib/inbox.mjs";
import { Api } from "../lib/minchat.mjs";
import { python, PythonClient } from "../lib/python.mjs";
import { Server } from "../lib/server.mjs";
import { checkMessage, checkPerson, EVENTS, name, OPTIONS, Overlay, Room, SECONDS, tokenOf } from "../lib/stream.mjs";

/** The document's transports, and the others that its table of options allows. */
const WAYS = Object.keys(VERSIONS).flatMap((version) =>
  Object.entries({
    "as the document connects": OPTIONS,
    "with its transports reversed": { ...OPTIONS, transports: ["polling", "websocket"] },
    "over polling": { ...OPTIONS, ...TRANSPORTS.polling },
  }).map(([how, options]) => ({ name: `socket.io-client ${version} ${how}`, options: { version, ...options } })),
);

describe("stream", () => {
  let server;
  let verified;
  const clients = new Clients(() => server.url);
  before(async () => {
    server = await Server.start({ label: "stream" });
    verified = await Server.start({ label: "stream-verified", identity: "verified" });
  });
  afterEach(() => clients.closeAll());
  after(async () => {
    await server?.stop();
    await verified?.stop();
  });

  /** A page that reads along in a room, which it calls as it likes. */
  async function open(room, { channelName = room.slug, ...options } = {}) {
    const overlay = new Overlay(await clients.open({ name: channelName, ...options }));
    overlay.subscribe(channelName, String(room.id));
    await overlay.settle();
    return overlay;
  }

  for (const way of WAYS) {
    test(`all that happens: ${way.name}`, { timeout: 60_000 }, async () => {
      const room = await Room.open(server, { title: "An evening", owner: name("Robin_K") });
      const called = room.slug.toUpperCase();
      const client = clients.make({ name: "overlay", ...way.options });
      const overlay = new Overlay(client);
      // The document subscribes before it can be connected.
      overlay.subscribe(called, String(room.id));
      await client.connected();
      await overlay.settle();
      const person = (username) => ({ username, slug: username.toLowerCase().replaceAll("_", "-") });
      const owner = person(room.owner);
      const known = ({ id, ...rest }) => {
        checkPerson({ id, ...rest });
        return rest;
      };
      /** What readers are told is what the asker is answered, with their name for the room. */
      const heard = async (what, answer) => {
        const told = await overlay.hear(what);
        assert.deepEqual(told, { ...answer, channel_name: called });
        return told;
      };

      // Messages.
      const viewer = name("Mika_X");
      const sent = await room.say(viewer, "gg [emote:37221:EZ] all", {
        metadata: { message_ref: "1763657110123" },
        sender: { username: viewer, subscriber_months: 7 },
      });
      const told = await overlay.hear("message");
      const badges = [{ type: "subscriber", text: "Subscriber", count: 7 }];
      const said = { content: "gg [emote:37221:EZ] all", type: "message", metadata: { message_ref: "1763657110123" } };
      assert.deepEqual(checkMessage(told, room, called), { ...said, username: viewer, badges });
      assert.deepEqual(told, { ...sent, badges, channel_name: called });
      const reply = await room.say(room.owner, "welcome", { type: "reply", metadata: { original_message: { id: sent.id }, message_ref: "2" } });
      assert.deepEqual(checkMessage(await overlay.hear("message"), room, called), {
        ...{ content: "welcome", type: "reply", thread_parent_id: sent.id, username: room.owner },
        metadata: {
          original_sender: { id: sent.sender.id, username: viewer },
          original_message: { id: sent.id, content: said.content },
          message_ref: "2",
        },
        badges: [{ type: "broadcaster", text: "Broadcaster" }],
      });

      // Pins, whose duration is text.
      const pin = { message: { id: sent.id }, duration: 1_200 };
      const pinned = await heard("pinned", await room.ask("POST", "pinned-message", pin));
      assert.deepEqual([pinned.message, pinned.duration], [sent, "1200"]);
      checkPerson(pinned.pinnedBy, ["identity"]);
      const { pinned_message: shown } = await room.ask("GET", "chatroom");
      assert.deepEqual([shown.message.id, shown.duration], [sent.id, 1_200]);
      await heard("unpinned", await room.ask("DELETE", "pinned-message"));

      // Deletions say which message, not what it said.
      const gone = await heard("deleted", await room.remove(reply.id));
      const { id: deletion, message, ...why } = gone;
      assert.match(deletion, UUID);
      assert.deepEqual([message, why], [{ id: reply.id }, { aiModerated: false, violatedRules: [], channel_name: called }]);

      // A timeout, a ban, and its end.
      const away = await heard("banned", await room.ask("POST", "bans", { banned_username: viewer, permanent: false, duration: 5 }));
      assert.deepEqual([known(away.user), known(away.banned_by)], [person(viewer), owner]);
      assert.deepEqual([away.permanent, away.duration], [false, 5]);
      assert.match(away.expires_at, SECONDS);
      assert.equal((await room.api.call("POST", room.sending, { content: "x", sender: { username: viewer } })).body.code, "banned");
      const banned = await heard("banned", await room.ask("POST", "bans", { banned_username: viewer, permanent: true, reason: "spam" }));
      assert.deepEqual(Object.keys(banned).sort(), ["banned_by", "channel_name", "id", "permanent", "user"]);
      assert.equal(banned.permanent, true);
      const back = await heard("unbanned", await room.ask("DELETE", `bans/${viewer.toLowerCase()}`));
      assert.deepEqual([known(back.user), known(back.unbanned_by), back.permanent], [person(viewer), owner, true]);

      // Modes: the whole state each time.
      const modes = await heard("updated", await room.ask("PUT", "chatroom", { slow_mode: { enabled: true, message_interval: 10 } }));
      assert.deepEqual([modes.id, modes.slow_mode], [room.id, { enabled: true, message_interval: 10 }]);
      const { pinned_message: none, ...state } = await room.ask("GET", "chatroom");
      assert.equal(none, null);
      assert.deepEqual({ ...state, channel_name: called }, modes);
      for (const mode of ["subscribers_mode", "emotes_mode", "followers_mode", "account_age"]) assert.equal(modes[mode].enabled, false, mode);

      // A poll.
      const question = { title: "Next game?", options: ["Chess", "Go"], duration: 300, result_display_duration: 15 };
      const { poll } = await heard("poll", await room.ask("POST", "polls", question));
      const options = (chess, go) => [{ id: 1, label: "Chess", votes: chess }, { id: 2, label: "Go", votes: go }];
      assert.deepEqual(poll, { ...question, options: options(0, 0), remaining: 300, has_voted: false, voted_option_id: null });
      const voted = await room.ask("POST", "polls/vote", { id: 2, sender: { username: viewer } });
      assert.deepEqual([voted.poll.options, voted.poll.has_voted, voted.poll.voted_option_id], [options(0, 1), true, 2]);
      const { poll: after } = await overlay.hear("poll");
      assert.deepEqual([after.options, after.has_voted, after.voted_option_id], [options(0, 1), false, null]);
      const again = await room.call("POST", "polls/vote", { id: 1, sender: { username: viewer } });
      assert.deepEqual([again.status, again.body.code], [409, "already_voted"]);
      await heard("pollGone", await room.ask("DELETE", "polls"));
      assert.equal((await room.call("GET", "polls")).status, 404);

      // Subscriptions, the live stream, and what an app says in its own words.
      const subscription = await heard("subscribed", await room.ask("POST", "subscriptions", { username: viewer, months: 2 }));
      assert.deepEqual(subscription, { chatroom_id: room.id, username: viewer, months: 2, channel_name: called });
      const news = { session_title: "Speedrun", is_live: true, viewer_count: 12, language: "English", tags: ["new"], categories: [{ id: 7, name: "Games" }] };
      const { livestream } = await heard("livestream", await room.ask("PUT", "livestream", news));
      for (const [key, value] of Object.entries(news)) assert.deepEqual(livestream[key], value, key);
      assert.equal(livestream.channel_id, room.channel.id);
      assert.match(livestream.start_time, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      assert.equal((await room.ask("GET", "")).livestream.session_title, "Speedrun");
      const gift = { chatroom_id: room.id, gifted_usernames: [viewer], gifter_username: room.owner, gifter_total: 3 };
      await room.ask("POST", "events", { event: "GiftedSubscriptionsEvent", data: gift });
      assert.deepEqual(await client.expect("GiftedSubscriptionsEvent"), { ...gift, channel_name: called });

      // Clearing.
      const cleared = await heard("cleared", await room.ask("POST", "chat-commands", { command: "clear" }));
      assert.deepEqual(Object.keys(cleared), ["id", "channel_name"]);
      assert.match(cleared.id, UUID);
      assert.deepEqual(await room.history(), []);

      await overlay.nothingElse();
      const happened = new Set(overlay.told.map(({ event }) => event));
      assert.deepEqual([...happened].sort(), Object.values(EVENTS).sort(), "all twelve");

      // And silence.
      overlay.unsubscribe(called, String(room.id));
      await overlay.settle();
      await room.say(room.owner, "still there?");
      await overlay.nothingElse();
    });
  }

  test("pins, and polls with their results, end by themselves", { timeout: 60_000 }, async () => {
    const room = await Room.open(server);
    const overlay = await open(room);
    const { id } = await room.say("Mika", "pin me");
    await room.ask("POST", "pinned-message", { message: { id }, duration: 1 });
    await overlay.hear("pinned");
    assert.deepEqual(await overlay.hear("unpinned"), { channel_name: room.slug });
    assert.equal((await room.ask("GET", "chatroom")).pinned_message, null);
    await room.ask("POST", "polls", { title: "?", options: ["a", "b"], duration: 5, result_display_duration: 1 });
    await room.ask("POST", "polls/vote", { id: 1, sender: { username: "Mika" } });
    const { poll } = await overlay.hear("poll", ({ poll }) => poll.remaining === 0);
    assert.deepEqual(poll.options.map(({ votes }) => votes), [1, 0]);
    assert.deepEqual(await overlay.hear("pollGone"), { channel_name: room.slug });
    assert.equal((await room.call("GET", "polls")).status, 404);
  });

  test("two rooms on one socket are told apart, and left one by one", async () => {
    const [one, two] = [await Room.open(server), await Room.open(server)];
    const overlay = await open(one);
    overlay.subscribe(two.slug, String(two.id));
    await overlay.settle();
    for (const room of [one, two]) {
      const { id } = await room.say("Mika", "here");
      await room.ask("POST", "bans", { banned_username: "Mika", permanent: true });
      await room.remove(id);
      // Of a ban and a deletion only the name says where it was.
      for (const what of ["message", "banned", "deleted"]) assert.equal((await overlay.hear(what)).channel_name, room.slug);
    }
    overlay.unsubscribe(one.slug, String(one.id));
    await overlay.settle();
    await one.say("Ann", "unheard");
    await two.say("Ann", "heard");
    assert.equal((await overlay.hear("message")).content, "heard");
    await overlay.nothingElse();
  });

  test("everyone is told in their own spelling, and the last one counts", async () => {
    const room = await Room.open(server, { slug: name("Spelled").toLowerCase() });
    const names = [room.slug, room.slug.toUpperCase(), "another name entirely", "Straße 🐙"];
    const overlays = [];
    for (const channelName of names) overlays.push(await open(room, { channelName }));
    const heard = async (wanted) => {
      const { id } = await room.say("Mika", "who am I?");
      for (const [n, overlay] of overlays.entries()) {
        const message = await overlay.hear("message");
        assert.deepEqual([message.id, message.channel_name], [id, wanted[n]]);
      }
    };
    await heard(names);
    overlays[1].subscribe("renamed", room.id);
    await overlays[1].settle();
    await heard([names[0], "renamed", names[2], names[3]]);
    for (const overlay of overlays) await overlay.nothingElse();
  });

  test("the room's number is text or a number, and its name is not needed", async () => {
    const room = await Room.open(server);
    const overlay = new Overlay(await clients.open({ name: "overlay" }));
    for (const payload of [{ chatroomId: room.id }, { channelName: room.slug, chatroomId: `${room.id}` }, { channelName: room.slug, chatroomId: room.id }]) {
      assert.deepEqual(await overlay.client.ask("subscribe", payload), { success: true });
    }
    await room.say("Mika", "once");
    assert.equal((await overlay.hear("message")).channel_name, room.slug);
    await overlay.nothingElse();
  });

  test("what the document asks for is found by the channel's name", async () => {
    const room = await Room.open(server, { slug: name("Found") });
    const nobody = room.as(undefined);
    const { chatroom, slug, id } = await nobody.ask("GET", "");
    assert.deepEqual([chatroom.id, slug], [room.id, slug.toLowerCase()]);
    assert.deepEqual(await nobody.api.ask("GET", `/api/v2/channels/${id}`), room.channel);
    assert.equal((await nobody.api.call("GET", "/api/v2/channels/no-such-channel")).status, 404);
    const routes = await nobody.api.ask("GET", "/routes");
    assert.ok(routes.some(({ method, path }) => method === "GET" && path === "/api/v2/channels/{slug}"), JSON.stringify(routes[0]));
  });

  test("with a token and without one, in an open app and in a verified one", async () => {
    for (const at of [server, verified]) {
      const room = await Room.open(at);
      const auths = [{}, { token: tokenOf(at, name("reader")) }];
      const overlays = [];
      for (const auth of auths) overlays.push(await open(room, { url: at.url, auth }));
      const viewer = name("viewer");
      const { status, body } = await room.as(tokenOf(at, viewer, { name: "Vera", subscriber_months: 3 })).write("by a token");
      assert.equal(status, 201, JSON.stringify(body));
      for (const overlay of overlays) {
        const { content, username, badges } = checkMessage(await overlay.hear("message"), room, room.slug);
        assert.deepEqual([content, username, badges[0].count], ["by a token", "Vera", 3]);
      }
    }
  });

  test("a private room is for those with a token", async () => {
    const room = await Room.open(server, { private: true });
    const stranger = await clients.open({ name: "stranger" });
    const { success, error } = await stranger.ask("subscribe", { channelName: room.slug, chatroomId: room.id });
    assert.deepEqual([success, error.code], [false, "token_required"]);
    assert.deepEqual(await stranger.expect("error"), error);
    const guest = await open(room, { auth: { token: tokenOf(server, name("guest")) } });
    await room.say("Mika", "among us");
    assert.equal((await guest.hear("message")).content, "among us");
    await new Overlay(stranger).nothingElse();
    for (const what of ["", "messages", "chatroom", "polls", "livestream"]) {
      assert.equal((await room.as(undefined).call("GET", what)).status, 401, what);
    }
    assert.equal((await room.as(tokenOf(server, name("guest"))).page()).messages.length, 1);
  });

  test("of those who do not say who they are, ten read from one address", async () => {
    const limited = await Server.start({ label: "stream-limits", identity: "verified", settings: { proxies: { trusted: ["127.0.0.1"] } } });
    try {
      const room = await Room.open(limited);
      const reader = { channelName: room.slug, chatroomId: room.id };
      const from = (address, more = {}) =>
        clients.open({ name: address, url: limited.url, extraHeaders: { "x-forwarded-for": address }, ...more });
      const ten = [];
      for (let n = 0; n < 10; n += 1) ten.push(await from("192.0.2.7", n % 2 ? TRANSPORTS.polling : TRANSPORTS.websocket));
      for (const client of ten) assert.deepEqual(await client.ask("subscribe", reader), { success: true });
      const eleventh = await from("192.0.2.7");
      const refused = async () => {
        const { success, error } = await eleventh.ask("subscribe", reader);
        assert.equal(success, false);
        assert.deepEqual(await eleventh.expect("error"), error);
        return error.code;
      };
      assert.equal(await refused(), "too_many_readers");
      // Elsewhere, or by name, one more may.
      const others = [await from("192.0.2.8"), await from("192.0.2.7", { auth: { token: tokenOf(limited, name("reader")) } })];
      for (const client of others) assert.deepEqual(await client.ask("subscribe", reader), { success: true });
      const { id } = await room.say("Mika", "to twelve");
      for (const client of [...ten, ...others]) assert.equal((await client.expect(EVENTS.message)).id, id);
      // Who leaves, or goes, makes room.
      await ten[0].ask("unsubscribe", reader);
      await eventually("a place", async () => (await eleventh.ask("subscribe", reader)).success);
      await ten[0].ask("subscribe", reader);
      assert.equal((await ten[0].expect("error")).code, "too_many_readers");
      ten[1].close();
      await eventually("a place", async () => (await ten[0].ask("subscribe", reader)).success);

      // Requests without a key are counted too.
      const keyless = async (headers) => (await fetch(`${limited.url}/api/v2/channels/${room.slug}`, { headers })).status;
      const asked = [];
      while (asked.length < 101) asked.push(await keyless({ "x-forwarded-for": "192.0.2.9" }));
      assert.deepEqual([...new Set(asked.slice(0, 100))], [200]);
      assert.ok(asked.includes(429) || (await keyless({ "x-forwarded-for": "192.0.2.9" })) === 429);
      const key = { authorization: `Bearer ${limited.app.server_key}` };
      assert.equal(await keyless({ "x-forwarded-for": "192.0.2.9", ...key }), 200);
      assert.equal(await keyless({ "x-forwarded-for": "192.0.2.10" }), 200);
    } finally {
      clients.closeAll();
      await limited.stop();
    }
  });

  test("a message that is tried again is one", async () => {
    const room = await Room.open(server);
    const overlay = await open(room);
    const tries = [1, 2, 3].map(() => room.say("Mika", "once", {}, { "idempotency-key": "try" }));
    const [first, ...others] = await Promise.all(tries);
    for (const other of others) assert.deepEqual(other, first);
    assert.equal((await overlay.hear("message")).id, first.id);
    await overlay.nothingElse();
    assert.deepEqual((await room.history()).map(({ id }) => id), [first.id]);
  });

  test("the history goes back page by page to the first word", async () => {
    const room = await Room.open(server);
    const texts = Array.from({ length: 120 }, (_, n) => `${n}`);
    for (const text of texts) await room.say(`viewer ${text % 3}`, text);
    const reader = room.as(undefined);
    const { messages, pinned_message: pinned } = await reader.page();
    assert.equal(messages.length, 50);
    assert.deepEqual([messages[0].content, messages[0].chat_id, pinned], ["119", room.id, null]);
    assert.deepEqual((await reader.history()).map(({ content }) => content), texts);
  });

  for (const transports of [["polling"], ["websocket"]]) {
    test(`from Python, over ${transports}`, { skip: python() ? false : "no Python environment: see run.mjs" }, async () => {
      const room = await Room.open(server);
      const overlay = await PythonClient.open(server.url, { name: "overlay in Python", transports, auth: { recovery: false } });
      try {
        assert.deepEqual(await overlay.ask("subscribe", { channelName: "Py", chatroomId: String(room.id) }), { success: true });
        await room.say("Mika", "olá 🐍 \u0000 \u2028 שלום");
        checkMessage(await overlay.expect(EVENTS.message), room, "Py");
        await room.ask("POST", "bans", { banned_username: "Mika", permanent: true });
        assert.equal((await overlay.expect(EVENTS.banned)).channel_name, "Py");
        assert.deepEqual(overlay.failures, []);
      } finally {
        await overlay.close();
      }
    });
  }

  test("another app's people and rooms are not here", async () => {
    const room = await Room.open(server);
    const elsewhere = new Api(server.url, verified.app.server_key);
    assert.equal((await elsewhere.call("POST", room.sending, { content: "x", sender: { username: "Eve" } })).status, 401);
    const foreign = room.as(tokenOf(verified, "eve"));
    assert.equal((await foreign.write("x")).status, 401);
    assert.deepEqual(await room.history(), []);
  });
});

//! What each action changes, as everybody sees it.

use std::time::Duration;

use chat::Identity;
use serde_json::{Value, json};

use super::{CHANNEL, Channel, refused};
use crate::{
    client::{delete, get, post},
    server::text,
};

#[test]
fn a_channel_is_found_by_its_slug_and_its_id() {
    let room = Channel::new(Identity::Verified);
    let channel = room.get("");
    assert_eq!(
        (&channel["slug"], &channel["title"], &channel["livestream"]),
        (&"gaming".into(), &"Games".into(), &Value::Null)
    );
    assert_eq!(channel["user"]["username"], "Robin");
    assert_eq!(channel["chatroom"]["chatable_id"], channel["id"]);
    let id = &channel["id"];
    for path in ["gaming", "GAMING", "gaming/info", &id.to_string()] {
        let found = room.ask(&get(&format!("/api/v2/channels/{path}"))).good();
        assert_eq!(found, channel, "{path}");
    }
    for path in [
        "other",
        "0",
        "99999999999999999999",
        "%20",
        "other/chatroom",
        "other/messages",
    ] {
        let answer = room.ask(&get(&format!("/api/v2/channels/{path}")));
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["code"], "unknown_conversation");
    }
    // Each gets numbers of its own.
    let other = json!({ "slug": "other" });
    let other = post("/api/v2/channels").with(&room.app.server).json(&other);
    let other = room.ask(&other).good();
    assert_ne!(other["id"], *id);
    assert_eq!(other["user"]["username"], "other");
    let again = json!({ "slug": "GAMING" });
    let again = post("/api/v2/channels").with(&room.app.server).json(&again);
    refused(&room.ask(&again), 409, "name_taken", "slug");
}

#[test]
fn what_is_said_is_shown_until_it_is_deleted() {
    let room = Channel::new(Identity::Verified);
    let by_token = room.say(&room.vera, "hello");
    let sent = by_token.json();
    assert_eq!((by_token.status, &sent["type"]), (201, &"message".into()));
    assert_eq!(sent["chatroom_id"], room.id);
    assert_eq!(sent["sender"]["username"], "Vera");
    assert_eq!(sent["sender"]["identity"]["badges"], json!([]));
    let sender = json!({ "username": "Sam", "subscriber_months": 3 });
    let by_app = room.say_as(&sender, "hi").good();
    assert_eq!(by_app["sender"]["username"], "Sam");
    let badge = json!([{ "type": "subscriber", "text": "Subscriber", "count": 3 }]);
    assert_eq!(by_app["sender"]["identity"]["badges"], badge);
    let by_owner = room.say(&room.robin, "hey").good();
    assert_eq!(
        by_owner["sender"]["identity"]["badges"][0]["type"],
        "broadcaster"
    );
    assert_eq!(room.texts(), ["hey", "hi", "hello"]);

    let delete_as = |key: &str, message: &Value| {
        let id = text(&message["id"]);
        let path = format!("/api/v2/chatrooms/{}/messages/{id}", room.id);
        room.ask(&delete(&path).with(key))
    };
    refused(&delete_as(&room.vera, &by_app), 403, "not_allowed", "");
    // One's own, and whose is ruled.
    let deleted = delete_as(&room.vera, &sent).good();
    assert_eq!(deleted["message"]["id"], sent["id"]);
    assert_eq!(deleted["aiModerated"], false);
    delete_as(&room.mika, &by_app).good();
    assert_eq!(room.texts(), ["hey"]);
    refused(
        &delete_as(&room.mika, &by_app),
        404,
        "unknown_message",
        "id",
    );
}

#[test]
fn a_reply_shows_what_it_answers_in_the_servers_words() {
    let room = Channel::new(Identity::Verified);
    let first = room.said(&room.vera, "where from?");
    let reply = |metadata: Value| {
        let body = json!({ "content": "here", "type": "reply", "metadata": metadata });
        room.ask(&post(&room.send_path()).with(&room.mika).json(&body))
    };
    let sent = reply(json!({
        "original_message": { "id": first, "content": "I am a fool" },
        "original_sender": { "id": 1, "username": "Robin" },
        "message_ref": "1763657111000",
    }));
    let sent = sent.good();
    assert_eq!(
        (&sent["type"], &sent["thread_parent_id"]),
        (&"reply".into(), &first.clone().into())
    );
    let metadata = &sent["metadata"];
    assert_eq!(
        metadata["original_message"],
        json!({ "id": first, "content": "where from?" })
    );
    assert_eq!(metadata["original_sender"]["username"], "Vera");
    assert_eq!(metadata["message_ref"], "1763657111000");
    // In the history it is text.
    let page = room.get("/messages");
    let kept = &page["data"]["messages"][0]["metadata"];
    let kept: Value = serde_json::from_str(kept.as_str().unwrap()).unwrap();
    assert_eq!(kept, *metadata);

    let other = room.ask(
        &post("/api/v2/channels")
            .with(&room.app.server)
            .json(&json!({ "slug": "x" })),
    );
    let other = other.good()["chatroom"]["id"].clone();
    let body = json!({ "content": "a", "sender": { "username": "Sam" } });
    let path = format!("/api/v2/messages/send/{other}");
    let elsewhere = room
        .ask(&post(&path).with(&room.app.server).json(&body))
        .good();
    let answer = reply(json!({ "original_message": { "id": elsewhere["id"] } }));
    refused(
        &answer,
        404,
        "unknown_message",
        "metadata.original_message.id",
    );
}

#[test]
fn a_send_that_is_repeated_makes_one_message() {
    let room = Channel::new(Identity::Verified);
    let send = || {
        let ask = post(&room.send_path()).with(&room.vera);
        let ask = ask.header("Idempotency-Key", "k1");
        let answer = room.ask(&ask.json(&json!({ "content": "once" })));
        assert_eq!(answer.status, 201);
        answer.json()
    };
    assert_eq!(send(), send());
    assert_eq!(room.texts(), ["once"]);
}

#[test]
fn who_is_banned_is_silent_until_that_is_lifted() {
    let room = Channel::new(Identity::Verified);
    let ban = json!({ "banned_username": "VERA", "permanent": true, "reason": "spam" });
    let banned = room.posts("/bans", &room.mika, &ban);
    assert_eq!(banned["user"]["username"], "VERA");
    assert_eq!(banned["banned_by"]["username"], "Mika");
    assert_eq!(
        (&banned["permanent"], banned.get("expires_at")),
        (&true.into(), None)
    );
    // The name was not known; who comes under it is meant.
    refused(
        &room.say(&room.app.user_key("vera"), "x"),
        403,
        "banned",
        "banned",
    );
    let unbanned = room.deletes("/bans/vera", &room.mika);
    assert_eq!(
        (&unbanned["permanent"], &unbanned["unbanned_by"]["username"]),
        (&true.into(), &"Mika".into())
    );
    let again = room.does("DELETE", "/bans/vera", &room.mika, &Value::Null);
    refused(&again, 404, "nothing_there", "username");
    assert_eq!(room.texts(), <[&str; 0]>::default());
}

#[test]
fn a_timeout_ends_by_itself() {
    let room = Channel::new(Identity::Verified);
    room.said(&room.vera, "a");
    let ban = json!({ "banned_username": "Vera", "permanent": false, "duration": 5 });
    let banned = room.posts("/bans", &room.app.server, &ban);
    assert_eq!(
        (&banned["permanent"], &banned["duration"]),
        (&false.into(), &5.into())
    );
    // The app acts for the owner.
    assert_eq!(banned["banned_by"]["username"], "Robin");
    refused(&room.say(&room.vera, "b"), 403, "banned", "for a while");
    room.server.clock.advance(Duration::from_secs(299));
    refused(&room.say(&room.vera, "b"), 403, "banned", "for a while");
    room.server.clock.advance(Duration::from_secs(2));
    room.said(&room.vera, "c");
    assert_eq!(room.texts(), ["c", "a"]);
    room.await_that("the ban is gone", |room| {
        let answer = room.does("DELETE", "/bans/Vera", &room.mika, &Value::Null);
        answer.status == 404
    });
}

#[test]
fn a_clear_empties_the_history() {
    let room = Channel::new(Identity::Verified);
    let first = room.said(&room.vera, "a");
    room.said(&room.vera, "b");
    let clear = json!({ "command": "clear" });
    let cleared = room.does("POST", "/chat-commands", &room.mika, &clear);
    assert_eq!(cleared.status, 200);
    text(&cleared.json()["id"]);
    assert_eq!(room.texts(), <[&str; 0]>::default());
    room.said(&room.vera, "c");
    assert_eq!(room.texts(), ["c"]);
    let pin = json!({ "message": { "id": first } });
    let answer = room.does("POST", "/pinned-message", &room.mika, &pin);
    refused(&answer, 404, "unknown_message", "message.id");
}

#[test]
fn a_pin_is_shown_until_it_ends() {
    let room = Channel::new(Identity::Verified);
    let pinned = |room: &Channel| room.get("/chatroom")["pinned_message"].clone();
    let [a, b] = ["a", "b"].map(|words| room.said(&room.vera, words));
    let pin = |id: &str, duration: Value| {
        let pin = json!({ "message": { "id": id }, "duration": duration });
        room.posts("/pinned-message", &room.mika, &pin)
    };
    let told = pin(&a, json!("60"));
    assert_eq!(
        (&told["duration"], &told["message"]["id"]),
        (&"60".into(), &a.clone().into())
    );
    assert_eq!(told["pinnedBy"]["username"], "Mika");
    assert_eq!(pinned(&room)["message"], told["message"]);
    let page = room.get("/messages")["data"].clone();
    assert_eq!(page["pinned_message"]["duration"], 60);
    // Another one takes its place, and goes when it is deleted.
    pin(&b, json!(60));
    assert_eq!(pinned(&room)["message"]["content"], "b");
    let path = format!("/api/v2/chatrooms/{}/messages/{b}", room.id);
    room.ask(&delete(&path).with(&room.mika)).good();
    assert_eq!(pinned(&room), Value::Null);
    pin(&a, json!(60));
    assert_eq!(room.deletes("/pinned-message", &room.mika), json!({}));
    let answer = room.does("DELETE", "/pinned-message", &room.mika, &Value::Null);
    refused(&answer, 404, "nothing_there", "pinned");

    pin(&a, json!(60));
    room.server.clock.advance(Duration::from_secs(59));
    assert_eq!(pinned(&room)["message"]["id"], a);
    room.server.clock.advance(Duration::from_secs(2));
    room.await_that("the pin is gone", |room| pinned(room).is_null());
}

#[test]
fn a_poll_counts_each_once_ends_and_is_gone() {
    let room = Channel::new(Identity::Verified);
    let poll = json!({
        "title": "Next?", "options": ["Chess", "Go"], "duration": 60, "result_display_duration": 15,
    });
    let opened = room.posts("/polls", &room.mika, &poll);
    assert_eq!(opened["poll"]["remaining"], 60);
    let options = json!([
        { "id": 1, "label": "Chess", "votes": 0 },
        { "id": 2, "label": "Go", "votes": 0 },
    ]);
    assert_eq!(opened["poll"]["options"], options);
    let second = room.does("POST", "/polls", &room.mika, &poll);
    refused(&second, 409, "poll_is_open", "poll");

    let vote = |key: &str, body: &Value| room.does("POST", "/polls/vote", key, body);
    let voted = vote(&room.vera, &json!({ "id": 2 })).good();
    assert_eq!(
        (
            &voted["poll"]["has_voted"],
            &voted["poll"]["voted_option_id"]
        ),
        (&true.into(), &2.into())
    );
    refused(
        &vote(&room.vera, &json!({ "id": 1 })),
        409,
        "already_voted",
        "voted",
    );
    refused(&vote(&room.mika, &json!({ "id": 3 })), 422, "invalid", "id");
    vote(
        &room.app.server,
        &json!({ "id": 2, "sender": { "username": "Sam" } }),
    )
    .good();
    let again = json!({ "id": 1, "sender": { "username": "sam" } });
    refused(
        &vote(&room.app.server, &again),
        409,
        "already_voted",
        "voted",
    );

    let seen = room.get("/polls");
    assert_eq!(
        (&seen["status"]["error"], &seen["message"]),
        (&false.into(), &"success".into())
    );
    let seen = &seen["data"]["poll"];
    assert_eq!(seen["options"][1]["votes"], 2);
    assert_eq!(
        (&seen["has_voted"], &seen["voted_option_id"]),
        (&false.into(), &Value::Null)
    );
    let own = room
        .ask(&get(&format!("{CHANNEL}/polls")).with(&room.vera))
        .good();
    assert_eq!(own["data"]["poll"]["voted_option_id"], 2);

    room.server.clock.advance(Duration::from_secs(61));
    refused(
        &vote(&room.mika, &json!({ "id": 1 })),
        404,
        "no_poll",
        "poll",
    );
    assert_eq!(room.get("/polls")["data"]["poll"]["remaining"], 0);
    room.server.clock.advance(Duration::from_secs(15));
    room.await_that("the poll is gone", |room| {
        room.ask(&get(&format!("{CHANNEL}/polls"))).status == 404
    });
    let answer = room.ask(&get(&format!("{CHANNEL}/polls")));
    refused(&answer, 404, "no_poll", "there is no poll");
    // Who voted then may vote now.
    room.posts("/polls", &room.robin, &poll);
    vote(&room.vera, &json!({ "id": 1 })).good();
    assert_eq!(room.deletes("/polls", &room.robin), json!({}));
    let answer = room.does("DELETE", "/polls", &room.robin, &Value::Null);
    refused(&answer, 404, "no_poll", "there is no poll");
}

#[test]
fn a_live_stream_begins_changes_and_ends() {
    let room = Channel::new(Identity::Verified);
    assert_eq!(room.get("/livestream"), json!({ "data": null }));
    let live = json!({
        "is_live": true, "session_title": "Late night", "viewer_count": 7, "language": "Deutsch",
        "lang_iso": "de", "is_mature": true, "thumbnail": "https://pictures.example/1.png",
        "tags": ["chess"], "categories": [{ "name": "Games", "slug": "games" }],
    });
    let told = room.puts("/livestream", &room.robin, &live)["livestream"].clone();
    for field in [
        "is_live",
        "session_title",
        "viewer_count",
        "language",
        "lang_iso",
        "is_mature",
        "tags",
        "categories",
    ] {
        assert_eq!(told[field], live[field], "{field}");
    }
    assert_eq!(room.get("")["livestream"], told);
    let shown = room.get("/livestream")["data"].clone();
    assert_eq!((&shown["id"], &shown["viewers"]), (&told["id"], &7.into()));
    assert_eq!(shown["category"]["name"], "Games");
    assert_eq!(shown["thumbnail"]["src"], live["thumbnail"]);
    // What is absent stays, and what changes nothing is answered alike.
    for _ in 0..2 {
        let change = json!({ "viewer_count": 8 });
        let changed = room.puts("/livestream", &room.mika, &change)["livestream"].clone();
        assert_eq!(
            (&changed["id"], &changed["session_title"]),
            (&told["id"], &"Late night".into())
        );
        assert_eq!(changed["viewer_count"], 8);
    }
    room.puts("/livestream", &room.robin, &json!({ "is_live": false }));
    assert_eq!(room.get("")["livestream"], Value::Null);
    assert_eq!(room.get("/livestream")["data"], Value::Null);
    let next = room.puts("/livestream", &room.robin, &json!({ "is_live": true }));
    assert_ne!(next["livestream"]["id"], told["id"]);
}

#[test]
fn an_app_tells_what_its_pages_know() {
    let room = Channel::new(Identity::Verified);
    let subscription = json!({ "username": "Sam", "months": 2 });
    let told = room.posts("/subscriptions", &room.app.server, &subscription);
    assert_eq!(
        told,
        json!({ "chatroom_id": room.id, "username": "Sam", "months": 2 })
    );
    let data = json!({
        "chatroom_id": room.id, "host_username": "Mika", "number_viewers": 3, "optional_message": "",
    });
    let event = json!({ "event": r"App\Events\StreamHostEvent", "data": data });
    assert_eq!(room.posts("/events", &room.app.server, &event), data);
}

#[test]
fn moderators_come_and_go() {
    let room = Channel::new(Identity::Verified);
    let names = |answer: &Value| {
        let people = answer["data"].as_array().unwrap();
        people
            .iter()
            .map(|person| text(&person["username"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&room.get("/moderators")), ["Mika"]);
    for _ in 0..2 {
        let all = room.posts("/moderators", &room.robin, &json!({ "username": "Vera" }));
        assert_eq!(names(&all), ["Mika", "Vera"]);
    }
    let poll = json!({ "title": "?", "options": ["a", "b"], "duration": 60 });
    room.posts("/polls", &room.vera, &poll);
    assert_eq!(
        names(&room.deletes("/moderators/vera", &room.robin)),
        ["Mika"]
    );
    let answer = room.does("DELETE", "/moderators/vera", &room.robin, &Value::Null);
    refused(&answer, 404, "nothing_there", "username");
    let closed = room.does("DELETE", "/polls", &room.vera, &Value::Null);
    refused(&closed, 403, "not_allowed", "");
}

#[test]
fn a_private_room_is_read_with_a_token_or_server_key() {
    for identity in [Identity::Open, Identity::Verified] {
        let room = Channel::private(identity);
        room.said(&room.robin, "psst");
        for path in [
            "",
            "/info",
            "/chatroom",
            "/messages",
            "/polls",
            "/livestream",
            "/moderators",
        ] {
            let ask = || get(&format!("{CHANNEL}{path}"));
            let nobody = room.ask(&ask());
            refused(&nobody, 401, "token_required", "private");
            assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
            refused(
                &room.ask(&ask().with(&room.app.client)),
                401,
                "token_required",
                "private",
            );
            for key in [&room.vera, &room.app.server] {
                let status = if path == "/polls" { 404 } else { 200 };
                assert_eq!(room.ask(&ask().with(key)).status, status, "{path}");
            }
        }
        // Who may read may write.
        room.said(&room.vera, "what?");
    }
}

#[test]
fn members_of_the_chat_read_and_write_in_the_room() {
    let room = Channel::new(Identity::Verified);
    room.said(&room.vera, "from a stream");
    let chat = text(&room.get("")["chat_id"]);
    let key = &room.app.server;
    let ada = room.server.user(key, "ada");
    let path = format!("/v1/chat/{chat}/participants");
    let joins = post(&path).with(key).json(&json!({ "user_id": ada }));
    room.ask(&joins).good();
    let ada_key = room.app.user_key("ada");
    assert_eq!(
        text(&room.server.messages(&ada_key, &chat, &ada)[0]["text"]),
        "from a stream"
    );
    room.server.message(&ada_key, &chat, &ada, "from a chat");
    assert_eq!(room.texts(), ["from a chat", "from a stream"]);
}

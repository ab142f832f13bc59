//! Who may write in a chatroom, and how often: each mode by its own clock.

use std::time::Duration;

use chat::{Identity, Timestamp, room::Standing};
use serde_json::{Value, json};

use super::{Channel, refused};

fn turn(room: &Channel, mode: &str, value: &Value) {
    let told = room.puts("/chatroom", &room.mika, &json!({ mode: value }));
    for (field, value) in value.as_object().unwrap() {
        assert_eq!(told[mode][field], *value, "{mode}");
    }
    let mut shown = room.get("/chatroom");
    assert!(
        shown
            .as_object_mut()
            .unwrap()
            .remove("pinned_message")
            .is_some()
    );
    assert_eq!(shown, told);
}

#[test]
fn slow_mode_lets_each_write_once_in_a_while() {
    let room = Channel::new(Identity::Verified);
    turn(
        &room,
        "slow_mode",
        &json!({ "enabled": true, "message_interval": 30 }),
    );
    assert_eq!(room.get("")["chatroom"]["slow_mode"], true);
    room.said(&room.vera, "a");
    let early = room.say(&room.vera, "b");
    refused(&early, 429, "slow_mode", "write again in");
    let wait: u64 = early.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    // Others wait for themselves, and who rules does not wait.
    room.said(&room.app.user_key("Sam"), "c");
    room.said(&room.mika, "d");
    room.said(&room.mika, "e");
    room.server.clock.advance(Duration::from_secs(31));
    room.said(&room.vera, "f");
    turn(&room, "slow_mode", &json!({ "enabled": false }));
    room.said(&room.vera, "g");
    // The measure is kept, and what changes nothing is answered alike.
    let told = room.puts(
        "/chatroom",
        &room.mika,
        &json!({ "slow_mode": { "enabled": false } }),
    );
    assert_eq!(
        told["slow_mode"],
        json!({ "enabled": false, "message_interval": 30 })
    );
}

#[test]
fn followers_only_asks_the_token_or_the_app_since_when() {
    let room = Channel::new(Identity::Verified);
    turn(
        &room,
        "followers_mode",
        &json!({ "enabled": true, "min_duration": 10 }),
    );
    let now = server::clock::system_time();
    let since = |minutes: i64| Standing {
        follower_since: Some(Timestamp(now.0 - minutes * 60_000)),
        ..Standing::default()
    };
    refused(&room.say(&room.vera, "a"), 403, "followers_only", "10 min");
    let fan = room.app.viewer("Fan", since(9));
    refused(&room.say(&fan, "a"), 403, "followers_only", "10 min");
    room.said(&room.app.viewer("Old", since(11)), "b");
    let seconds = (now.0 - 8 * 60_000) / 1_000;
    let sender = json!({ "username": "Sam", "follower_since": seconds });
    refused(&room.say_as(&sender, "c"), 403, "followers_only", "10 min");
    room.server.clock.advance(Duration::from_mins(3));
    assert_eq!(room.say_as(&sender, "c").status, 201);
    room.said(&fan, "d");
    let sender = json!({ "username": "Sam", "follower_since": "2026-01-01T00:00:00Z" });
    assert_eq!(room.say_as(&sender, "e").status, 201);
    refused(
        &room.say_as(&json!({ "username": "Sam" }), "f"),
        403,
        "followers_only",
        "",
    );
}

#[test]
fn subscribers_only_asks_for_months() {
    let room = Channel::new(Identity::Verified);
    turn(&room, "subscribers_mode", &json!({ "enabled": true }));
    refused(
        &room.say(&room.vera, "a"),
        403,
        "subscribers_only",
        "subscribers",
    );
    let months = Standing {
        subscriber_months: 2,
        ..Standing::default()
    };
    let answer = room.say(&room.app.viewer("Vera", months), "b").good();
    assert_eq!(answer["sender"]["identity"]["badges"][0]["count"], 2);
    let sender = |months: u32| json!({ "username": "Sam", "subscriber_months": months });
    refused(&room.say_as(&sender(0), "c"), 403, "subscribers_only", "");
    assert_eq!(room.say_as(&sender(1), "c").status, 201);
    // What a client says about itself does not count.
    let body = json!({ "content": "d", "sender": sender(9) });
    let ask = crate::client::post(&room.send_path()).with(&room.vera);
    refused(&room.ask(&ask.json(&body)), 403, "subscribers_only", "");
}

#[test]
fn emotes_only_takes_nothing_else() {
    let room = Channel::new(Identity::Verified);
    turn(&room, "emotes_mode", &json!({ "enabled": true }));
    refused(
        &room.say(&room.vera, "gg [emote:1:EZ]"),
        403,
        "emotes_only",
        "emotes",
    );
    room.said(&room.vera, "[emote:1:EZ] [emote:2:GG]");
    room.said(&room.robin, "words");
}

#[test]
fn accounts_get_older() {
    let room = Channel::new(Identity::Verified);
    room.said(&room.vera, "a");
    turn(
        &room,
        "account_age",
        &json!({ "enabled": true, "min_duration": 5 }),
    );
    refused(
        &room.say(&room.vera, "b"),
        403,
        "account_too_young",
        "5 min",
    );
    room.server.clock.advance(Duration::from_secs(301));
    room.said(&room.vera, "b");
    refused(
        &room.say(&room.app.user_key("New"), "c"),
        403,
        "account_too_young",
        "5 min",
    );
}

#[test]
fn what_is_for_pages_is_kept() {
    let room = Channel::new(Identity::Verified);
    let pages = [
        "show_quick_emotes",
        "show_banners",
        "gifts_enabled",
        "gifts_week_enabled",
        "gifts_month_enabled",
    ];
    for mode in pages {
        assert_eq!(room.get("/chatroom")[mode]["enabled"], true);
        turn(&room, mode, &json!({ "enabled": false }));
    }
}

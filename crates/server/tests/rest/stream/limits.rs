//! How often those may ask who bring no key.

use chat::Identity;
use serde_json::json;

use super::{CHANNEL, Channel, refused};
use crate::client::{Ask, get, post};

const SETTINGS: [(&str, &str); 2] = [
    ("proxies.trusted", "127.0.0.1"),
    ("identity.allow_open_on_public_address", "true"),
];

fn from(ip: &str, ask: Ask) -> Ask {
    ask.header("X-Forwarded-For", ip)
}

fn look() -> Ask {
    get(CHANNEL)
}

#[test]
fn a_hundred_a_minute_come_from_one_address() {
    let room = Channel::with(Identity::Open, &json!({}), &SETTINGS);
    // Some come back meanwhile.
    let mut answers = (0..500).map(|_| room.ask(&from("192.0.2.1", look())));
    let passed = answers.by_ref().take_while(|answer| answer.status == 200);
    assert!(passed.count() >= 100);
    let refusal = answers.find(|answer| answer.status == 429).unwrap();
    refused(&refusal, 429, "too_many_requests", "later");
    let wait: u64 = refusal.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[test]
fn only_a_key_is_not_counted() {
    let slow = ("limits.stream_requests_per_minute", "1");
    let settings = [&SETTINGS[..], &[slow]].concat();
    let room = Channel::with(Identity::Open, &json!({}), &settings);
    let ip = "192.0.2.1";
    assert_eq!(room.ask(&from(ip, look())).status, 200);
    let say = || post(&room.send_path()).json(&json!({ "content": "a" }));
    for ask in [
        look(),
        look().with(&room.vera),
        look().with("nobody"),
        look().header("appKey", &room.app.client),
        say().with(&room.vera),
        say(),
        get("/routes"),
    ] {
        let answer = room.ask(&from(ip, ask));
        refused(&answer, 429, "too_many_requests", "later");
        assert!(answer.header("retry-after").is_some());
    }
    for key in [&room.app.client, &room.app.server] {
        for _ in 0..3 {
            assert_eq!(room.ask(&from(ip, look().with(key))).status, 200);
        }
    }
    // Neither are other addresses, this machine, or what is about something else.
    assert_eq!(room.ask(&from("192.0.2.2", look())).status, 200);
    for _ in 0..3 {
        assert_eq!(room.ask(&look()).status, 200);
        let user = get("/v1/user?username=ada").with(&room.vera);
        assert_eq!(room.ask(&from(ip, user)).status, 404);
    }
}

#[test]
fn without_a_limit_nobody_waits() {
    let none = ("limits.stream_requests_per_minute", "0");
    let settings = [&SETTINGS[..], &[none]].concat();
    let room = Channel::with(Identity::Open, &json!({}), &settings);
    for _ in 0..150 {
        assert_eq!(room.ask(&from("192.0.2.1", look())).status, 200);
    }
}

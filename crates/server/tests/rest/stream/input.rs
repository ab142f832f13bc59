//! Everything that can be wrong about a request: refused by name, and without a trace.

use chat::Identity;
use serde_json::{Value, json};

use super::{CHANNEL, Channel, refused};
use crate::client::{Ask, delete, get, post, put};

const NOBODY: &str = "01234567-89ab-7cde-8f01-23456789abcd";

/// A field and what is wrong there.
type Case = (Value, &'static str);

impl Channel {
    /// Asks with each body, and looks whether anything came of it.
    fn refuses(&self, ask: impl Fn() -> Ask, cases: Vec<Case>) {
        let before = self.server.state();
        for (body, field) in cases {
            let said = body.to_string();
            let answer = self.ask(&ask().with(&self.app.server).json(&body));
            let words = answer.json()["message"].to_string();
            assert!(
                words.starts_with(&format!("\"{field} ")),
                "{words} to {said}"
            );
            refused(&answer, 422, "invalid", field);
            assert_eq!(self.server.state(), before, "{said}");
        }
    }

    fn refuses_below(&self, method: &str, path: &str, cases: Vec<Case>) {
        let path = format!("{CHANNEL}{path}");
        self.refuses(|| Ask::new(method, &path), cases);
    }
}

fn long(length: usize) -> String {
    "x".repeat(length)
}

/// The same object with another value of one field, or without it.
fn with(object: &Value, field: &str, value: Value) -> Value {
    let mut changed = object.clone();
    let fields = changed.as_object_mut().unwrap();
    match value {
        Value::Null => fields.remove(field),
        value => fields.insert(field.to_owned(), value),
    };
    changed
}

/// A body with each of these values in a field; absent too, if it must be there.
fn wrong(good: &Value, field: &'static str, values: &[Value]) -> Vec<Case> {
    let case = |value: &Value| (with(good, field, value.clone()), field);
    values.iter().map(case).collect()
}

fn names() -> Vec<Value> {
    vec![
        Value::Null,
        json!(""),
        json!(" "),
        json!(7),
        json!(long(257)),
    ]
}

fn numbers(min: i64, max: i64) -> Vec<Value> {
    let words = json!("many");
    vec![
        json!(min - 1),
        json!(max + 1),
        json!(1.5),
        json!(true),
        words,
    ]
}

#[test]
fn channels() {
    let room = Channel::new(Identity::Verified);
    let good = json!({ "slug": "new", "owner": "Robin" });
    let slugs = [
        Value::Null,
        json!(""),
        json!("12"),
        json!("a b"),
        json!("ä"),
        json!("a/b"),
        json!(7),
        json!(long(65)),
    ];
    let mut cases = wrong(&good, "slug", &slugs);
    cases.extend(wrong(&good, "title", &names()[1..]));
    cases.extend(wrong(&good, "owner", &names()[1..]));
    cases.extend(wrong(&good, "private", &[json!("yes"), json!(1)]));
    cases.push((json!([]), "body"));
    cases.push((json!("x"), "body"));
    room.refuses(|| post("/api/v2/channels"), cases);
}

#[test]
fn messages() {
    let room = Channel::new(Identity::Verified);
    let path = room.send_path();
    let good = json!({ "content": "a", "sender": { "username": "Sam" } });
    let answers = json!({ "original_message": { "id": NOBODY } });
    let reply = json!({
        "content": "a", "type": "reply", "sender": { "username": "Sam" }, "metadata": answers,
    });
    let sender = |field: &'static str, values: &[Value]| -> Vec<Case> {
        let path: &'static str = match field {
            "username" => "sender.username",
            "follower_since" => "sender.follower_since",
            _ => "sender.subscriber_months",
        };
        let sender = |value: &Value| with(&good["sender"], field, value.clone());
        let case = |value: &Value| (with(&good, "sender", sender(value)), path);
        values.iter().map(case).collect()
    };
    let original = |value: Value| with(&reply, "metadata", json!({ "original_message": value }));
    let mut cases = wrong(&good, "content", &[Value::Null, json!(7), json!(["a"])]);
    cases.extend(wrong(
        &good,
        "type",
        &[json!("celebration"), json!(""), json!(1)],
    ));
    cases.extend(wrong(&good, "metadata", &[json!("x"), json!([])]));
    cases.extend(wrong(&good, "sender", &[Value::Null, json!("Sam")]));
    cases.extend(sender("username", &names()));
    let times = [
        json!("yesterday"),
        json!(-1),
        json!(1e15),
        json!(1.5),
        json!(true),
        json!(""),
    ];
    cases.extend(sender("follower_since", &times));
    cases.extend(sender("subscriber_months", &numbers(0, 1_200)));
    cases.extend([
        (with(&reply, "metadata", Value::Null), "metadata"),
        (
            with(&reply, "metadata", json!({})),
            "metadata.original_message",
        ),
        (original(json!(NOBODY)), "metadata.original_message"),
        (original(json!({})), "metadata.original_message.id"),
        (
            original(json!({ "id": "x" })),
            "metadata.original_message.id",
        ),
    ]);
    room.refuses(|| post(&path), cases);
}

#[test]
fn messages_that_are_well_formed() {
    let room = Channel::new(Identity::Verified);
    let path = room.send_path();
    let good = json!({ "content": "a", "sender": { "username": "Sam" } });
    let reply = json!({
        "content": "a", "type": "reply", "sender": { "username": "Sam" },
        "metadata": { "original_message": { "id": NOBODY } },
    });
    let say = |body: &Value| room.ask(&post(&path).with(&room.app.server).json(body));
    let before = room.server.state();
    refused(
        &say(&with(&good, "content", json!(" \n"))),
        422,
        "blank_text",
        "content",
    );
    refused(
        &say(&with(&good, "content", json!(long(65_537)))),
        422,
        "text_too_long",
        "content",
    );
    let much = json!({ "x": long(17_000) });
    refused(
        &say(&with(&good, "metadata", much)),
        422,
        "metadata_too_large",
        "metadata",
    );
    refused(
        &say(&reply),
        404,
        "unknown_message",
        "metadata.original_message.id",
    );
    for key in [String::new(), long(129)] {
        let ask = post(&path)
            .with(&room.app.server)
            .header("Idempotency-Key", &key);
        refused(
            &room.ask(&ask.json(&good)),
            422,
            "invalid",
            "Idempotency-Key",
        );
    }
    for path in [
        "/api/v2/messages/send/gaming",
        "/api/v2/messages/send/-1",
        "/api/v2/messages/send/7",
    ] {
        let answer = room.ask(&post(path).with(&room.app.server).json(&good));
        assert_eq!(answer.json()["code"], "unknown_conversation", "{path}");
        assert_eq!(answer.status, 404);
    }
    let path = format!("/api/v2/chatrooms/{}/messages/x", room.id);
    let answer = room.ask(&delete(&path).with(&room.app.server));
    refused(&answer, 404, "unknown_message", "id");
    assert_eq!(room.server.state(), before);
}

#[test]
fn bans_and_moderators() {
    let room = Channel::new(Identity::Verified);
    let good = json!({ "banned_username": "Sam", "permanent": false, "duration": 5 });
    let mut cases = wrong(&good, "banned_username", &names());
    cases.extend(wrong(&good, "permanent", &[json!("no"), json!(0)]));
    cases.extend(wrong(&good, "duration", &numbers(1, 10_080)));
    cases.extend(wrong(&good, "duration", &[Value::Null]));
    cases.extend(wrong(&good, "reason", &[json!(7), json!(long(257))]));
    room.refuses_below("POST", "/bans", cases);
    room.refuses_below(
        "POST",
        "/moderators",
        wrong(&json!({}), "username", &names()),
    );
    let commands = [Value::Null, json!("CLEAR"), json!(""), json!(1)];
    room.refuses_below(
        "POST",
        "/chat-commands",
        wrong(&json!({}), "command", &commands),
    );
    for path in ["/bans/Sam", "/moderators/Sam", "/bans/%20", "/bans/a%2Fb"] {
        let answer = room.does("DELETE", path, &room.app.server, &Value::Null);
        refused(&answer, 404, "nothing_there", "username");
    }
}

#[test]
fn modes() {
    let room = Channel::new(Identity::Verified);
    let mut cases = vec![
        (json!({}), "body"),
        (json!({ "slow_mode": {} }), "body"),
        (json!({ "slow": { "enabled": true } }), "body"),
        (json!([]), "body"),
    ];
    for (mode, enabled) in [
        ("slow_mode", "slow_mode.enabled"),
        ("subscribers_mode", "subscribers_mode.enabled"),
        ("followers_mode", "followers_mode.enabled"),
        ("emotes_mode", "emotes_mode.enabled"),
        ("account_age", "account_age.enabled"),
        ("show_quick_emotes", "show_quick_emotes.enabled"),
        ("show_banners", "show_banners.enabled"),
        ("gifts_enabled", "gifts_enabled.enabled"),
        ("gifts_week_enabled", "gifts_week_enabled.enabled"),
        ("gifts_month_enabled", "gifts_month_enabled.enabled"),
    ] {
        cases.push((json!({ mode: true }), mode));
        cases.push((json!({ mode: { "enabled": "yes" } }), enabled));
    }
    for (mode, field, path, min, max) in [
        (
            "slow_mode",
            "message_interval",
            "slow_mode.message_interval",
            1,
            3_600,
        ),
        (
            "followers_mode",
            "min_duration",
            "followers_mode.min_duration",
            0,
            525_600,
        ),
        (
            "account_age",
            "min_duration",
            "account_age.min_duration",
            0,
            525_600,
        ),
    ] {
        let amounts = numbers(min, max).into_iter();
        let all = json!({ "emotes_mode": { "enabled": true } });
        let mode = |amount| with(&all, mode, json!({ "enabled": true, field: amount }));
        cases.extend(amounts.map(|amount| (mode(amount), path)));
    }
    room.refuses_below("PUT", "/chatroom", cases);
}

#[test]
fn pins_and_polls() {
    let room = Channel::new(Identity::Verified);
    let id = room.said(&room.vera, "a");
    let good = json!({ "message": { "id": id }, "duration": 60 });
    let mut cases = wrong(&good, "message", &[Value::Null, json!(id)]);
    for value in [json!({}), json!({ "id": 7 }), json!({ "id": "x" })] {
        cases.push((with(&good, "message", value), "message.id"));
    }
    cases.extend(wrong(&good, "duration", &numbers(1, 86_400)));
    cases.extend(wrong(
        &good,
        "duration",
        &[json!("0"), json!("86401"), json!("+5"), json!("")],
    ));
    room.refuses_below("POST", "/pinned-message", cases);

    let good = json!({ "title": "?", "options": ["a", "b"], "duration": 60 });
    let mut cases = wrong(&good, "title", &names());
    let options = [
        Value::Null,
        json!("a"),
        json!([]),
        json!(["a"]),
        json!(["a", " "]),
        json!(["a", 7]),
        json!(["a", long(101)]),
        json!(vec!["a"; 11]),
    ];
    cases.extend(wrong(&good, "options", &options));
    cases.extend(wrong(&good, "duration", &numbers(5, 86_400)));
    cases.extend(wrong(&good, "duration", &[Value::Null]));
    cases.extend(wrong(&good, "result_display_duration", &numbers(0, 86_400)));
    room.refuses_below("POST", "/polls", cases);

    room.posts("/polls", &room.robin, &good);
    let vote = json!({ "id": 1, "sender": { "username": "Sam" } });
    let ids = [
        Value::Null,
        json!(0),
        json!(3),
        json!("1"),
        json!(1.5),
        json!(5_000_000_000_u64),
    ];
    let mut cases = wrong(&vote, "id", &ids);
    cases.extend(wrong(&vote, "sender", &[Value::Null, json!("Sam")]));
    for name in names() {
        let sender = with(&json!({}), "username", name);
        cases.push((with(&vote, "sender", sender), "sender.username"));
    }
    room.refuses_below("POST", "/polls/vote", cases);
}

#[test]
fn what_is_told() {
    let room = Channel::new(Identity::Verified);
    let good = json!({ "username": "Sam", "months": 2 });
    let mut cases = wrong(&good, "username", &names());
    cases.extend(wrong(&good, "months", &numbers(1, 1_200)));
    cases.extend(wrong(&good, "months", &[Value::Null]));
    room.refuses_below("POST", "/subscriptions", cases);

    let good = json!({ "is_live": true });
    let mut cases = wrong(&good, "is_live", &[json!("yes"), json!(1)]);
    cases.extend([(json!({}), "body"), (json!({ "id": 7 }), "body")]);
    for field in ["session_title", "language", "lang_iso", "thumbnail"] {
        cases.extend(wrong(
            &good,
            field,
            &[json!(""), json!(" "), json!(7), json!(long(2_049))],
        ));
    }
    cases.extend(wrong(&good, "is_mature", &[json!("no")]));
    cases.extend(wrong(&good, "viewer_count", &numbers(0, u32::MAX.into())));
    let tags = [
        json!("a"),
        json!([7]),
        json!([long(65)]),
        json!(vec!["a"; 21]),
    ];
    cases.extend(wrong(&good, "tags", &tags));
    let categories = [
        json!({}),
        json!(["a"]),
        json!(vec![json!({}); 11]),
        json!([{ "x": long(17_000) }]),
    ];
    cases.extend(wrong(&good, "categories", &categories));
    room.refuses_below("PUT", "/livestream", cases);

    let host = json!({ "chatroom_id": 1, "host_username": "a", "number_viewers": 1 });
    let good = json!({ "event": r"App\Events\StreamHostEvent", "data": host });
    let mut cases = wrong(&good, "event", &names()[..4]);
    cases.extend(wrong(
        &good,
        "event",
        &[json!("Nothing"), json!(r"App\Events\ChatMessageEvent")],
    ));
    cases.extend(wrong(&good, "data", &[Value::Null, json!([]), json!("x")]));
    for (field, value, path) in [
        ("host_username", json!(7), "data.host_username"),
        ("host_username", Value::Null, "data.host_username"),
        ("number_viewers", json!("many"), "data.number_viewers"),
    ] {
        cases.push((with(&good, "data", with(&host, field, value)), path));
    }
    let much = with(&host, "more", json!(long(70_000)));
    cases.push((with(&good, "data", much), "data"));
    room.refuses_below("POST", "/events", cases);
}

/// What is wrong before a field is looked at has the same form.
#[test]
fn requests() {
    let room = Channel::new(Identity::Verified);
    let before = room.server.state();
    let key = &room.app.server;
    let bans = || post(&format!("{CHANNEL}/bans")).with(key);
    for (ask, status, code, words) in [
        (bans(), 415, "unsupported_media_type", "Content-Type"),
        (
            bans().raw("text/plain", "{}"),
            415,
            "unsupported_media_type",
            "Content-Type",
        ),
        (bans().raw("application/json", "{"), 422, "invalid", "body"),
        (
            bans().texts(&[("banned_username", "Sam")]),
            422,
            "invalid",
            "body must be a JSON object",
        ),
        (
            bans().json(&json!({ "x": long(1_000_001) })),
            413,
            "too_large",
            "body",
        ),
        (
            put(&format!("{CHANNEL}/bans")).with(key),
            405,
            "wrong_method",
            "methods",
        ),
        (get("/api/v2/nothing"), 404, "unknown_path", "endpoint"),
        (get(CHANNEL).with("nobody"), 401, "unknown_key", "key"),
        (
            get(CHANNEL).header("Authorization", "Basic x"),
            401,
            "unknown_key",
            "Bearer",
        ),
        (
            get(CHANNEL).header("appKey", "nobody"),
            401,
            "unknown_key",
            "appKey",
        ),
        (
            get(&format!("{CHANNEL}?appKey=nobody")),
            401,
            "unknown_key",
            "appKey",
        ),
        (
            get(CHANNEL).with(&room.app.old_user_key("Vera")),
            401,
            "token_expired",
            "expired",
        ),
    ] {
        let answer = room.ask(&ask);
        refused(&answer, status, code, words);
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(room.server.state(), before);
}

#[test]
fn a_request_finds_its_app() {
    let room = Channel::new(Identity::Verified);
    let other = room.server.app("other", Identity::Verified);
    let elsewhere = format!("{CHANNEL}?appKey={}", other.client);
    assert_eq!(room.ask(&get(&elsewhere)).status, 404);
    assert_eq!(
        room.ask(&get(CHANNEL).header("appKey", &other.client))
            .status,
        404
    );
    assert_eq!(room.ask(&get(CHANNEL).with(&other.client)).status, 404);
    let own = format!("{CHANNEL}?appKey={}", room.app.client);
    assert_eq!(room.ask(&get(&own)).status, 200);
    // A token is one of the app that the request names.
    let token = other.user_key("Robin");
    refused(
        &room.ask(&get(CHANNEL).with(&token)),
        401,
        "unknown_key",
        "key",
    );
    assert_eq!(room.ask(&get(&elsewhere).with(&token)).status, 404);
}

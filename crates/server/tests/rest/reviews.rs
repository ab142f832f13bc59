//! Filters, reports, and what waits to be looked at, over HTTP.

use chat::Identity;
use serde_json::{Value, json};

use crate::{
    client::{Ask, delete, get, post},
    server::{Server, text},
    stream::Channel,
};

fn filter(words: &str, action: &str) -> Ask {
    post("/v1/filters").json(&json!({ "words": words, "action": action }))
}

fn list(server: &Server, key: &str, query: &str) -> Vec<Value> {
    let listed = server
        .ask(&get(&format!("/v1/reviews{query}")).with(key))
        .good();
    listed["reviews"].as_array().unwrap().clone()
}

fn decide(id: &Value, verdict: &str) -> Ask {
    let path = format!("/v1/reviews/{}", text(id));
    post(&path).json(&json!({ "verdict": verdict }))
}

#[test]
fn words_are_refused_or_looked_at_first() {
    let server = Server::start();
    let bank = server.app("bank", Identity::Verified);
    let [ada, bob] = ["ada", "bob"].map(|name| server.user(&bank.server, name));
    let group = json!({ "usernames": ["ada", "bob"], "title": "Us" });
    let group = server.ask(&post("/v1/chat").with(&bank.server).json(&group));
    let group = text(&group.good()["id"]);
    for (words, action) in [("bad*", "block"), ("odd", "hold")] {
        let made = server.ask(&filter(words, action).with(&bank.server)).good();
        assert_eq!(
            (&made["words"], &made["action"]),
            (&json!(words), &json!(action))
        );
    }
    let of_bob = &bank.user_key("bob");
    let say = |words: &str| {
        let parts = [
            ("chat_id", &*group),
            ("user_id", &bob),
            ("text", words),
            ("clientMessageId", words),
        ];
        server.ask(&post("/v1/messages").with(of_bob).texts(&parts))
    };
    let before = server.state();
    say("so badly").refused(422, "filtered", "");
    assert_eq!(server.state(), before);
    for _ in 0..2 {
        say("How ODD!").refused(202, "held_for_review", "");
    }
    let waiting = list(&server, &bank.server, "");
    assert_eq!(waiting.len(), 1, "kept once");
    assert_eq!(waiting[0]["kind"], "held");
    assert_eq!(waiting[0]["text"], "How ODD!");
    assert_eq!(text(&waiting[0]["user"]["id"]), bob);
    let messages = format!("/v1/messages?chat_id={group}&user_id={ada}");
    let total = || server.ask(&get(&messages).with(&bank.server)).good()["total_messages"].clone();
    assert_eq!(total(), 0);
    let approve = decide(&waiting[0]["id"], "approve").with(&bank.server);
    server.ask(&approve).good();
    assert_eq!(total(), 1);
    server.ask(&approve).refused(404, "unknown_message", "id");
    assert!(list(&server, &bank.server, "").is_empty());
    // What was said is reported, once by each, and deleted.
    let listed = server.ask(&get(&messages).with(&bank.server)).good();
    let said = text(&listed["messages"][0]["id"]);
    let reports = format!("/v1/messages/{said}/reports");
    let by_ada = post(&reports).with(&bank.user_key("ada"));
    for _ in 0..2 {
        server
            .ask(&by_ada.clone().json(&json!({ "reason": "odd" })))
            .good();
    }
    let waiting = list(&server, &bank.server, "?page=1");
    assert_eq!(waiting[0]["kind"], "reported");
    assert_eq!(text(&waiting[0]["message"]["id"]), said);
    assert_eq!(waiting[0]["reports"].as_array().unwrap().len(), 1);
    assert_eq!(waiting[0]["reports"][0]["reason"], "odd");
    assert!(list(&server, &bank.server, "?page=2").is_empty());
    server
        .ask(&decide(&waiting[0]["id"], "reject").with(&bank.server))
        .good();
    assert_eq!(total(), 0);
    // Filters are taken back.
    let filters = server.ask(&get("/v1/filters").with(&bank.server)).good();
    for filter in filters["filters"].as_array().unwrap() {
        let path = format!("/v1/filters/{}", text(&filter["id"]));
        server.ask(&delete(&path).with(&bank.server)).good();
        server
            .ask(&delete(&path).with(&bank.server))
            .refused(404, "nothing_there", "id");
    }
    say("bad").good();
}

#[test]
fn bad_input_and_strangers_change_nothing() {
    let server = Server::start();
    let bank = server.app("bank", Identity::Verified);
    let [ada, _] = ["ada", "bob"].map(|name| server.user(&bank.server, name));
    let chat = server.chat(&bank.server, "ada", "bob");
    let said = server.message(&bank.server, &chat, &ada, "rude");
    let reports = format!("/v1/messages/{said}/reports");
    let eve = server.user(&bank.server, "eve");
    let report = post(&reports).json(&json!({ "user_id": ada }));
    server.ask(&report.with(&bank.server)).good();
    let item = list(&server, &bank.server, "").remove(0)["id"].clone();
    let made = server
        .ask(&filter("bad", "block").with(&bank.server))
        .good();
    let of_filter = format!("/v1/filters/{}", text(&made["id"]));
    let other = server.app("other", Identity::Verified);
    let before = server.state();
    let key = &bank.server;
    let long = "x".repeat(501);
    for (ask, status, code, words) in [
        (
            post("/v1/filters").json(&json!({})),
            422,
            "invalid",
            "words",
        ),
        (filter("", "block"), 422, "invalid", "words"),
        (filter("*", "block"), 422, "invalid", "words"),
        (filter(&long, "block"), 422, "invalid", "words"),
        (filter("bad", "burn"), 422, "invalid", "action"),
        (
            post("/v1/filters").json(&json!({ "words": "a", "action": "hold", "room": "none" })),
            404,
            "unknown_conversation",
            "room",
        ),
        (delete("/v1/filters/7"), 404, "nothing_there", "id"),
        (get("/v1/reviews?page=0"), 422, "invalid", "page"),
        (
            get("/v1/reviews?room=none"),
            404,
            "unknown_conversation",
            "room",
        ),
        (decide(&item, "burn"), 422, "invalid", "verdict"),
        (decide(&json!("7"), "reject"), 404, "unknown_message", "id"),
        (post(&reports).json(&json!({})), 403, "token_required", ""),
        (
            post(&reports).json(&json!({ "user_id": ada, "reason": long })),
            422,
            "invalid",
            "reason",
        ),
        (
            post(&reports).json(&json!({ "user_id": eve })),
            404,
            "unknown_message",
            "id",
        ),
        (
            post(&reports).json(&json!({ "user_id": item })),
            404,
            "unknown_user",
            "user_id",
        ),
    ] {
        server.ask(&ask.with(key)).refused(status, code, words);
    }
    // Whose business it is not.
    for (key, filtering, deciding) in [
        (&bank.client, 403, 403),
        (&bank.user_key("ada"), 403, 403),
        (&other.server, 404, 404),
    ] {
        let refused = [
            (delete(&of_filter), filtering),
            (decide(&item, "reject"), deciding),
        ];
        for (ask, status) in refused {
            assert_eq!(server.ask(&ask.with(key)).status, status);
        }
    }
    for key in [&bank.client, &bank.user_key("ada")] {
        for ask in [
            filter("bad", "block"),
            get("/v1/filters"),
            get("/v1/reviews"),
        ] {
            server.ask(&ask.with(key)).refused(403, "not_allowed", "");
        }
    }
    assert!(list(&server, &other.server, "").is_empty());
    assert_eq!(server.state(), before);
}

#[test]
fn who_rules_a_room_decides_there() {
    let channel = Channel::new(Identity::Verified);
    let (server, app) = (&channel.server, &channel.app);
    let hold = json!({ "words": "odd", "action": "hold", "room": "Gaming" });
    server
        .ask(&post("/v1/filters").with(&app.server).json(&hold))
        .good();
    let path = format!("/api/v2/messages/send/{}", channel.id);
    let say = |key: &str| {
        let body = json!({ "content": "odd", "type": "message" });
        server.ask(&post(&path).with(key).json(&body)).status
    };
    let [robin, mika, vera] = ["Robin", "Mika", "Vera"].map(|name| app.user_key(name));
    assert_eq!(say(&vera), 202);
    assert_eq!(say(&robin), 201, "not filtered");
    for key in [&robin, &mika] {
        assert_eq!(list(server, key, "?room=gaming").len(), 1);
        server
            .ask(&get("/v1/reviews").with(key))
            .refused(403, "not_allowed", "");
    }
    let by_number = format!("?room={}", channel.id);
    let item = list(server, &app.server, &by_number).remove(0)["id"].clone();
    server
        .ask(&get("/v1/reviews?room=gaming").with(&vera))
        .refused(403, "not_allowed", "");
    server
        .ask(&decide(&item, "approve").with(&vera))
        .refused(403, "not_allowed", "");
    server.ask(&decide(&item, "approve").with(&mika)).good();
    let history = channel.get("/messages").to_string();
    assert_eq!(history.matches("\"content\":\"odd\"").count(), 2);
}

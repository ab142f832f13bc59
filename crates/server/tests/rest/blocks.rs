//! Who takes no messages from whom.

use chat::Identity;
use serde_json::Value;

use crate::{
    client::{Ask, delete, get, post, put},
    server::{Server, text},
};

fn blocks(server: &Server, key: &str, user: &str) -> Vec<String> {
    let path = format!("/v1/user/{user}/blocks");
    let list = server.ask(&get(&path).with(key)).good();
    let users = list["users"].as_array().unwrap().iter();
    users.map(|user| text(&user["id"])).collect()
}

#[test]
fn a_user_blocks_another_until_that_is_taken_back() {
    let server = Server::start();
    let bank = server.app("bank", Identity::Verified);
    let key = &bank.user_key("ada");
    let ada = server.user(key, "ada");
    let [bob, eve] = ["bob", "eve"].map(|name| server.user(&bank.server, name));
    let of_bob = &bank.user_key("bob");
    let chat = server.chat(key, "ada", "bob");
    let say = || {
        let parts = [("chat_id", &*chat), ("user_id", &bob), ("text", "Hi")];
        server.ask(&post("/v1/messages").with(of_bob).texts(&parts))
    };
    say().good();
    assert!(blocks(&server, key, &ada).is_empty());
    let path = |whom: &str| format!("/v1/user/{ada}/blocks/{whom}");
    // By herself and by the app; twice is once.
    for (key, whom) in [(key, &bob), (&bank.server, &eve), (key, &bob)] {
        let done = server.ask(&put(&path(whom)).with(key)).good();
        assert_eq!(done["success"], Value::Bool(true));
    }
    for key in [key, &bank.server] {
        assert_eq!(blocks(&server, key, &ada), [bob.clone(), eve.clone()]);
    }
    say().refused(403, "blocked", "");
    for _ in 0..2 {
        server.ask(&delete(&path(&bob)).with(key)).good();
    }
    assert_eq!(blocks(&server, key, &ada), [eve]);
    say().good();
}

#[test]
fn bad_input_and_strangers_change_nothing() {
    let server = Server::start();
    let bank = server.app("bank", Identity::Verified);
    let other = server.app("other", Identity::Verified);
    let [ada, bob] = ["ada", "bob"].map(|name| server.user(&bank.server, name));
    let foreign = server.user(&other.server, "ada");
    let of = |user: &str| format!("/v1/user/{user}/blocks");
    let both = |user: &str, whom: &str| format!("{}/{whom}", of(user));
    server
        .ask(&put(&both(&ada, &bob)).with(&bank.server))
        .good();
    let before = server.state();
    let asks = |path: &str| -> [Ask; 2] { [put(path), delete(path)] };
    let (of_ada, of_bob) = (&bank.user_key("ada"), &bank.user_key("bob"));
    for (path, key, status, code, words) in [
        (both("7", &bob), of_ada, 404, "unknown_user", "id"),
        (both(&ada, "7"), of_ada, 404, "unknown_user", "id"),
        (
            both(&ada, &foreign),
            of_ada,
            404,
            "unknown_user",
            "other_id",
        ),
        (
            both(&foreign, &bob),
            &bank.server,
            404,
            "unknown_user",
            "id",
        ),
        (
            both(&ada, &bob),
            of_bob,
            403,
            "not_the_tokens_subject",
            "id",
        ),
        (
            both(&ada, &bob),
            &bank.client,
            403,
            "token_required",
            "Authorization",
        ),
    ] {
        for ask in asks(&path) {
            server.ask(&ask.with(key)).refused(status, code, words);
        }
    }
    let oneself = server.ask(&put(&both(&ada, &ada)).with(of_ada));
    oneself.refused(422, "same_person", "id and other_id");
    for (path, key, status, code) in [
        (of("7"), of_ada, 404, "unknown_user"),
        (of(&foreign), &bank.server, 404, "unknown_user"),
        (of(&ada), of_bob, 403, "not_the_tokens_subject"),
        (of(&ada), &bank.client, 403, "token_required"),
    ] {
        server.ask(&get(&path).with(key)).refused(status, code, "");
    }
    assert_eq!(server.state(), before);
    assert_eq!(blocks(&server, of_ada, &ada), [bob]);
}

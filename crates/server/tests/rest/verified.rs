//! A verified app: nobody acts or looks as somebody else.

use chat::Identity;
use serde_json::json;

use crate::{
    client::{Ask, Part, delete, get, patch, post},
    server::Server,
};

/// What can be asked about two people, their chat and a message in it, by `bob`'s own wish.
fn wishes(ada: &str, bob: &str, chat: &str, message: &str) -> Vec<Ask> {
    let path = |path: &str| path.replace("{c}", chat).replace("{m}", message);
    let by = |user: &str| json!({ "user_id": user });
    vec![
        post("/v1/user").texts(&[("username", "bob"), ("name", "Mallory")]),
        patch(&format!("/v1/user/{bob}")).texts(&[("name", "Mallory")]),
        patch(&format!("/v1/user/{bob}")).form(&[Part::File(
            "avatar_file",
            "a.gif",
            "",
            b"GIF89a....",
        )]),
        delete(&format!("/v1/user/{bob}")),
        post("/v1/chat").json(&json!({ "usernames": ["bob", "ada"], "user_id": bob })),
        post("/v1/chat").texts(&[("usernames", "bob"), ("usernames", "ada")]),
        get(&format!("/v1/chat/list?user_id={bob}")),
        get(&path(&format!("/v1/chat/{{c}}?user_id={bob}"))),
        get(&path(&format!("/v1/messages?chat_id={{c}}&user_id={bob}"))),
        post("/v1/messages").texts(&[("chat_id", chat), ("user_id", bob), ("text", "I am bob")]),
        post(&path("/v1/messages/{m}/seen")).json(&by(bob)),
        // Nobody is named here: the message and the group are bob's and ada's.
        patch(&path("/v1/messages/{m}")).texts(&[("text", "never said")]),
        delete(&path("/v1/messages/{m}")),
        delete(&path("/v1/chat/{c}")),
        patch(&path("/v1/chat/{c}")).json(&json!({ "metadata": { "a": 1 } })),
        post(&path("/v1/chat/{c}/participants")).json(&by(ada)),
        delete(&path(&format!("/v1/chat/{{c}}/participants/{ada}"))),
    ]
}

#[test]
fn a_client_key_reads_what_is_public_and_a_strangers_key_nothing_more() {
    let server = Server::start();
    let bank = server.app("bank", Identity::Verified);
    let ada = server.user(&bank.server, "ada");
    let bob = server.user(&bank.user_key("bob"), "bob");
    server.user(&bank.server, "eve");
    // A group, which its owner may rule, so that every wish is one that somebody may have.
    let form = [("usernames", "ada"), ("usernames", "bob")];
    let group = post("/v1/chat").with(&bank.user_key("ada")).texts(&form);
    let chat = crate::server::text(&server.ask(&group).good()["id"]);
    let message = server.message(&bank.user_key("bob"), &chat, &bob, "mine");
    let before = server.state();

    for (key, codes) in [
        (bank.client.clone(), &["token_required"][..]),
        (
            bank.user_key("eve"),
            &[
                "not_the_tokens_subject",
                "unknown_conversation",
                "unknown_message",
                "not_allowed",
            ][..],
        ),
    ] {
        for wish in wishes(&ada, &bob, &chat, &message) {
            let wish = wish.with("KEY");
            let said = format!("{wish:?}");
            let answer = server.ask(&wish.replacing("KEY", &key));
            let body = answer.json();
            assert!(matches!(answer.status, 403 | 404), "{body} to {said}");
            let code = body["code"].as_str().unwrap();
            assert!(codes.contains(&code), "{code} to {said}");
            server.await_files(&before.1);
        }
        for path in ["/v1/user?username=ada", "/v1/user/list?usernames[]=ada"] {
            server.ask(&get(path).with(&key)).good();
        }
    }
    assert_eq!(server.state(), before);
}

#[test]
fn each_acts_as_oneself_and_the_apps_server_as_anybody() {
    let server = Server::start();
    let bank = server.app("bank", Identity::Verified);
    for (round, of_bob) in [bank.user_key("bob"), bank.server.clone()]
        .iter()
        .enumerate()
    {
        server.user(&bank.server, "ada");
        let bob = server.user(of_bob, "bob");
        let chat = server.chat(of_bob, "bob", "ada");
        let message = server.message(of_bob, &chat, &bob, "mine");
        assert_eq!(server.messages(of_bob, &chat, &bob).len(), 1, "{round}");
        for wish in [
            patch(&format!("/v1/messages/{message}")).texts(&[("text", "changed")]),
            get(&format!("/v1/chat/{chat}")),
            get(&format!("/v1/messages?chat_id={chat}")),
            delete(&format!("/v1/messages/{message}")),
            delete(&format!("/v1/chat/{chat}")),
            delete(&format!("/v1/user/{bob}")),
        ] {
            server.ask(&wish.with(of_bob)).good();
        }
    }
}

#[test]
fn a_user_key_is_one_of_its_app_and_ends() {
    let server = Server::start();
    let bank = server.app("bank", Identity::Verified);
    let other = server.app("other", Identity::Verified);
    server.user(&bank.server, "ada");
    let ask = |key: &str, app: &str| {
        let path = format!("/v1/user?username=ada{app}");
        server.ask(&get(&path).with(key))
    };
    // The first app is the default one; a token says nothing of its app.
    let home = format!("&appKey={}", bank.client);
    ask(&bank.user_key("ada"), &home).good();
    ask(&bank.user_key("ada"), "").good();
    let by_header = get("/v1/user?username=ada").with(&other.user_key("ada"));
    let by_header = by_header.header("appKey", &other.client);
    assert_eq!(server.ask(&by_header).status, 404);
    let elsewhere = format!("&appKey={}", other.client);
    for (key, app) in [
        (bank.user_key("ada"), &*elsewhere),
        (other.user_key("ada"), &home),
        (other.user_key("ada"), ""),
        (bank.user_key("ada"), "&appKey=nobody"),
        (format!("{}x", bank.user_key("ada")), &home),
    ] {
        ask(&key, app).refused(401, "unknown_key", "Authorization");
    }
    ask(&bank.old_user_key("ada"), &home).refused(401, "token_expired", "expired");
}

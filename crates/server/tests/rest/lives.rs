//! What goes well: the life of users, chats and messages, and what their lists show.

use chat::Identity;
use serde_json::{Value, json};

use crate::{
    client::{Part, delete, get, patch, post},
    server::{Server, text},
};

fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|entry| text(&entry["id"])).collect()
}

#[test]
fn a_user_is_the_same_wherever_it_is_shown() {
    let server = Server::start();
    let key = &server.app("shop", Identity::Open).client;
    let form = [
        ("username", "ada"),
        ("name", "Ada"),
        ("metadata", r#"{"age":36,"admin":true}"#),
    ];
    let made = server.ask(&post("/v1/user").with(key).texts(&form)).good();
    let ada = &made["user"];
    assert_eq!(ada["metadata"], json!({ "age": 36, "admin": true }));
    // Again, as JSON.
    let body = json!({ "username": "ada", "name": "Ada" });
    let again = server.ask(&post("/v1/user").with(key).json(&body)).good();
    assert_eq!(&again["user"], ada);
    let id = text(&ada["id"]);
    for path in [format!("/v1/user?id={id}"), "/v1/user?username=ada".into()] {
        assert_eq!(&server.ask(&get(&path).with(key)).good()["user"], ada);
    }
    let bob = server.user(key, "bob");
    for path in [
        "/v1/user/list?usernames[]=bob&usernames[]=nobody&usernames[]=ada",
        "/v1/user/list?usernames%5B%5D=bob&usernames%5B%5D=ada",
        "/v1/user/list?usernames=bob&usernames=ada",
    ] {
        let list = server.ask(&get(path).with(key)).good();
        assert_eq!(ids(&list["users"]), [bob.clone(), id.clone()], "{path}");
    }
    let form = [("metadata", r#"{"age":37,"admin":null}"#)];
    let path = format!("/v1/user/{id}");
    let changed = server.ask(&patch(&path).with(key).texts(&form)).good();
    assert_eq!(changed["user"]["metadata"], json!({ "age": 37 }));
    assert_eq!(changed["user"]["name"], "Ada");
    assert_eq!(changed["user"]["last_active"], ada["last_active"]);
    server.ask(&delete(&path).with(key)).good();
    let gone = server.ask(&get("/v1/user?username=ada").with(key));
    gone.refused(404, "unknown_user", "username");
}

#[test]
fn a_chat_of_two_is_titled_by_the_other_and_listed_once_something_is_said() {
    let server = Server::start();
    let key = &server.app("shop", Identity::Open).client;
    let (ada, bob) = (server.user(key, "ada"), server.user(key, "bob"));
    let chat = server.chat(key, "ada", "bob");
    assert_eq!(server.chat(key, "bob", "ada"), chat);
    let list = |user: &str| {
        let path = format!("/v1/chat/list?user_id={user}");
        server.ask(&get(&path).with(key)).good()
    };
    assert_eq!(list(&ada)["total_chats"], 0);
    let message = server.message(key, &chat, &ada, "hello");
    for (viewer, title) in [(&ada, "bob"), (&bob, "ada")] {
        let listed = list(viewer);
        assert_eq!(listed["total_chats"], 1);
        assert_eq!(listed["chats"][0]["title"], title);
        assert_eq!(listed["chats"][0]["last_message"]["id"], *message);
    }
    let seen = |reader: &str| {
        let path = format!("/v1/messages/{message}/seen");
        let body = json!({ "user_id": reader });
        server.ask(&post(&path).with(key).json(&body)).good();
        server.messages(key, &chat, &ada)[0]["seen"].clone()
    };
    assert_eq!(seen(&ada), false);
    assert_eq!(seen(&bob), true);
    let path = format!("/v1/messages/{message}");
    let form = [("text", "hello, all")];
    let edited = server.ask(&patch(&path).with(key).texts(&form)).good();
    assert_eq!(edited["text"], "hello, all");
    server.ask(&delete(&path).with(key)).good();
    assert_eq!(list(&ada)["total_chats"], 0);
    let path = format!("/v1/chat/{chat}");
    server.ask(&delete(&path).with(key)).good();
    let again = server.ask(&delete(&path).with(key));
    again.refused(404, "unknown_conversation", "id");
    assert_ne!(server.chat(key, "ada", "bob"), chat);
}

#[test]
fn a_group_takes_people_in_and_puts_them_out() {
    let server = Server::start();
    let key = &server.app("shop", Identity::Open).client;
    let ada = server.user(key, "ada");
    let (bob, eve) = (server.user(key, "bob"), server.user(key, "eve"));
    let form = [
        ("user_id", &*ada),
        ("usernames", "ada"),
        ("usernames", "bob"),
        ("metadata", r#"{"test":3}"#),
    ];
    let made = || server.ask(&post("/v1/chat").with(key).texts(&form)).good();
    let group = made();
    assert_eq!(group["title"], "Group Chat");
    assert_eq!(group["participant_user_ids"], json!([ada, bob]));
    assert_ne!(made()["id"], group["id"]);
    let chat = text(&group["id"]);
    let path = format!("/v1/chat/{chat}");
    let body = json!({ "metadata": { "updated": true }, "title": "Us" });
    let changed = server.ask(&patch(&path).with(key).json(&body)).good();
    assert_eq!(changed["metadata"], json!({ "test": 3, "updated": true }));
    assert_eq!(changed["title"], "Us");
    let participants = format!("{path}/participants");
    let add = post(&participants)
        .with(key)
        .json(&json!({ "user_id": eve }));
    for _ in 0..2 {
        let added = server.ask(&add).good();
        assert_eq!(
            (&added["success"], &added["participant"]["id"]),
            (&json!(true), &json!(eve))
        );
    }
    server.message(key, &chat, &eve, "here I am");
    let remove = delete(&format!("{participants}/{eve}")).with(key);
    assert_eq!(server.ask(&remove).good()["participant"]["id"], *eve);
    server.ask(&remove).refused(404, "not_a_member", "user_id");
    let form = [
        ("chat_id", &*chat),
        ("user_id", &*eve),
        ("text", "and again"),
    ];
    let late = server.ask(&post("/v1/messages").with(key).texts(&form));
    late.refused(404, "unknown_conversation", "chat_id");
    let shown = server
        .ask(&get(&format!("{path}?user_id={ada}")).with(key))
        .good();
    assert_eq!(shown["participant_user_ids"], json!([ada, bob]));
    assert_eq!(shown["last_message"]["text"], "here I am");
}

#[test]
fn pages_have_the_newest_first_and_each_its_oldest_first() {
    let server = Server::start();
    let key = &server.app("shop", Identity::Open).client;
    let (ada, _) = (server.user(key, "ada"), server.user(key, "bob"));
    let chat = server.chat(key, "ada", "bob");
    for number in 1..=30 {
        server.message(key, &chat, &ada, &number.to_string());
    }
    let page = |page: &str| {
        let path = format!("/v1/messages?chat_id={chat}&user_id={ada}{page}");
        let page = server.ask(&get(&path).with(key)).good();
        assert_eq!(
            (&page["total_messages"], &page["total_pages"]),
            (&json!(30), &json!(2))
        );
        let messages = page["messages"].as_array().unwrap().iter();
        messages
            .map(|message| text(&message["text"]))
            .collect::<Vec<_>>()
    };
    let numbers = |from: u32, to: u32| (from..=to).map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(page(""), numbers(6, 30));
    assert_eq!(page("&page=1"), numbers(6, 30));
    assert_eq!(page("&page=2"), numbers(1, 5));
    assert_eq!(page("&page=3"), numbers(1, 0));
    assert_eq!(page("&page=4000000000"), numbers(1, 0));
}

#[test]
fn the_same_send_makes_one_message() {
    let server = Server::start();
    let key = &server.app("shop", Identity::Open).client;
    let (ada, _) = (server.user(key, "ada"), server.user(key, "bob"));
    let chat = server.chat(key, "ada", "bob");
    let body = json!({ "chat_id": chat, "user_id": ada, "text": "once" });
    let send = post("/v1/messages")
        .with(key)
        .json(&body)
        .header("Idempotency-Key", "a");
    let first = server.ask(&send).good();
    assert_eq!(server.ask(&send).good()["id"], first["id"]);
    let other = post("/v1/messages")
        .with(key)
        .json(&body)
        .header("Idempotency-Key", "b");
    assert_ne!(server.ask(&other).good()["id"], first["id"]);

    // With a file, the second one is not kept.
    let part = Part::File("file", "a.bin", "text/plain", b"content");
    let texts = [
        ("chat_id", &*chat),
        ("user_id", &*ada),
        ("clientMessageId", "c"),
    ];
    let mut parts = vec![part];
    parts.extend(texts.map(|(name, text)| Part::Text(name, text)));
    let send = post("/v1/messages").with(key).form(&parts);
    let first = server.ask(&send).good();
    let files = server.files();
    assert_eq!(files.len(), 1);
    assert_eq!(server.ask(&send).good()["file"], first["file"]);
    server.await_files(&files);
}

/// Whoever comes to the demo finds a chat with a message in it, however often.
#[test]
fn the_demo_is_never_empty() {
    let server = Server::demo();
    for _ in 0..2 {
        let ada = server.user("demo", "ada");
        for viewer in [&*ada, "demo"] {
            let path = format!("/v1/chat/list?user_id={viewer}");
            let list = server.ask(&get(&path).with("demo")).good();
            assert_eq!(list["total_chats"], 1, "{viewer}");
            let chat = text(&list["chats"][0]["id"]);
            assert_eq!(server.messages("demo", &chat, viewer).len(), 1, "{viewer}");
        }
    }
    let keys = get("/v1/keys").with("demo");
    server.ask(&keys).refused(403, "not_allowed", "");
    // Its key is no key where the demo is off, and is stored nowhere.
    let other = Server::start();
    other.app("demo", Identity::Open);
    let asked = other.ask(&get("/v1/user?username=demo").with("demo"));
    asked.refused(401, "unknown_key", "Authorization");
}

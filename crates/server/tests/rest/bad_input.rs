//! Everything that can be wrong about a request: refused by name, in one shape, and without a trace.

use chat::Identity;
use serde_json::json;

use crate::{
    client::{Ask, Part, delete, get, patch, post},
    server::{Server, text},
};

const NOBODY: &str = "01234567-89ab-7cde-8f01-23456789abcd";

/// A request, the status and code of its refusal, and the field that the message names.
type Case = (Ask, u16, &'static str, &'static str);

/// An app with two people, their chat, a group of theirs and a message; and another app.
struct World {
    server: Server,
    key: String,
    ada: String,
    eve: String,
    chat: String,
    group: String,
    message: String,
    /// User, chat and message of the other app.
    foreign: [String; 3],
}

impl World {
    fn new() -> Self {
        let server = Server::start();
        let key = server.app("shop", Identity::Open).client;
        let other = server.app("other", Identity::Open).client;
        let ada = server.user(&key, "ada");
        server.user(&key, "bob");
        let eve = server.user(&key, "eve");
        let chat = server.chat(&key, "ada", "bob");
        let message = server.message(&key, &chat, &ada, "hello");
        let form = [("usernames", "ada"), ("usernames", "bob")];
        let group = server.ask(&post("/v1/chat").with(&key).texts(&form)).good();
        let stranger = server.user(&other, "ada");
        server.user(&other, "bob");
        let theirs = server.chat(&other, "ada", "bob");
        let said = server.message(&other, &theirs, &stranger, "hello");
        Self {
            server,
            key,
            ada,
            eve,
            chat,
            group: text(&group["id"]),
            message,
            foreign: [stranger, theirs, said],
        }
    }

    /// Asks each and looks whether anything came of it.
    fn refuses(&self, cases: Vec<Case>) {
        let before = self.server.state();
        for (ask, status, code, field) in cases {
            let said = format!("{ask:?}");
            let said = said.get(..400).unwrap_or(&said);
            let answer = self.server.ask(&ask.with(&self.key));
            answer.refused(status, code, field);
            self.server.await_files(&before.1);
            assert_eq!(self.server.state(), before, "{said}");
        }
    }
}

fn long(length: usize) -> String {
    "x".repeat(length)
}

#[test]
fn bodies() {
    let world = World::new();
    let user = || post("/v1/user");
    let many: Vec<_> = (0..1_101).map(|_| Part::Text("username", "x")).collect();
    let kind = "multipart/form-data; boundary=b";
    world.refuses(vec![
        (user(), 415, "unsupported_media_type", "Content-Type"),
        (user().raw("text/plain", "{}"), 415, "unsupported_media_type", "Content-Type"),
        (
            user().raw("application/x-www-form-urlencoded", "username=ada"),
            415,
            "unsupported_media_type",
            "Content-Type",
        ),
        (user().raw("?", "x"), 415, "unsupported_media_type", "Content-Type"),
        (user().raw("application/json", "{"), 422, "invalid", "body"),
        (user().raw("application/json", ""), 422, "invalid", "body"),
        (user().raw("application/json", "{} {}"), 422, "invalid", "body"),
        (user().raw("application/json", b"{\"username\":\"\xff\"}"), 422, "invalid", "body"),
        (user().raw("application/json", "[".repeat(100_000)), 422, "invalid", "body"),
        (user().json(&json!([])), 422, "invalid", "body"),
        (user().json(&json!("ada")), 422, "invalid", "body"),
        (user().json(&json!({ "username": long(1_000_001) })), 413, "too_large", "body"),
        (
            user().json(&json!({ "username": "ada" })).ending_early(50),
            422,
            "invalid",
            "body",
        ),
        (user().raw("multipart/form-data", "x"), 422, "invalid", "Content-Type"),
        (user().raw(kind, "nothing of the kind"), 422, "invalid", "body"),
        (user().raw(kind, ""), 422, "invalid", "body"),
        (
            user().raw(kind, "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
            422,
            "invalid",
            "body",
        ),
        // The head of a part that does not end.
        (user().raw(kind, format!("--b\r\nX: {}", long(900_000))), 422, "invalid", "body"),
        (user().form(&many), 422, "invalid", "body"),
        (user().texts(&[("a", &long(600_000)), ("b", &long(600_000))]), 413, "too_large", "body"),
        (
            user().raw(
                kind,
                b"--b\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\n\xff\r\n--b--\r\n",
            ),
            422,
            "invalid",
            "username",
        ),
        (user().texts(&[("username", "ada")]).ending_early(70), 422, "invalid", "body"),
    ]);
}

#[test]
fn users() {
    let world = World::new();
    let [foreign, ..] = &world.foreign;
    let wrong = |body| (post("/v1/user").json(&body), 422, "invalid");
    let case = |(ask, status, code): (Ask, u16, &'static str), field| (ask, status, code, field);
    let ada = format!("/v1/user/{}", world.ada);
    let large = json!({ "a": long(17_000) });
    world.refuses(vec![
        case(wrong(json!({})), "username"),
        case(wrong(json!({ "username": 1 })), "username"),
        case(wrong(json!({ "username": "" })), "username"),
        case(wrong(json!({ "username": long(257) })), "username"),
        case(wrong(json!({ "username": "ada", "name": [] })), "name"),
        case(
            wrong(json!({ "username": "ada", "name": long(257) })),
            "name",
        ),
        case(wrong(json!({ "username": "ada", "avatar": 7 })), "avatar"),
        case(
            wrong(json!({ "username": "ada", "avatar": long(2049) })),
            "avatar",
        ),
        case(
            wrong(json!({ "username": "ada", "metadata": "{}" })),
            "metadata",
        ),
        case(
            wrong(json!({ "username": "ada", "metadata": [1] })),
            "metadata",
        ),
        (
            post("/v1/user").json(&json!({ "username": "ada", "metadata": large })),
            422,
            "metadata_too_large",
            "metadata",
        ),
        (
            post("/v1/user").texts(&[("username", "ada"), ("metadata", "no JSON")]),
            422,
            "invalid",
            "metadata",
        ),
        (
            post("/v1/user").texts(&[("name", "Ada")]),
            422,
            "invalid",
            "username",
        ),
        (get("/v1/user"), 422, "invalid", "username"),
        (get("/v1/user?id=7"), 422, "invalid", "id"),
        (
            get(&format!("/v1/user?id={NOBODY}")),
            404,
            "unknown_user",
            "id",
        ),
        (
            get(&format!("/v1/user?id={foreign}")),
            404,
            "unknown_user",
            "id",
        ),
        (
            get("/v1/user?username=nobody"),
            404,
            "unknown_user",
            "username",
        ),
        (get("/v1/user/list"), 422, "invalid", "usernames"),
        (
            patch(&ada).json(&json!({ "name": 1 })),
            422,
            "invalid",
            "name",
        ),
        (
            patch(&ada).json(&json!({ "metadata": 1 })),
            422,
            "invalid",
            "metadata",
        ),
        (
            patch("/v1/user/7").json(&json!({})),
            404,
            "unknown_user",
            "id",
        ),
        (
            patch(&format!("/v1/user/{foreign}")).json(&json!({ "name": "x" })),
            404,
            "unknown_user",
            "id",
        ),
        (delete("/v1/user/7"), 404, "unknown_user", "id"),
        (
            delete(&format!("/v1/user/{foreign}")),
            404,
            "unknown_user",
            "id",
        ),
    ]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn chats() {
    let world = World::new();
    let [foreign, foreign_chat, _] = &world.foreign;
    let open = |body| post("/v1/chat").json(&body);
    let many: Vec<_> = (0..1_001).map(|number| number.to_string()).collect();
    let of_direct = format!("/v1/chat/{}", world.chat);
    let of_group = format!("/v1/chat/{}", world.group);
    let theirs = format!("/v1/chat/{foreign_chat}");
    let add = |chat: &str, body| post(&format!("{chat}/participants")).json(&body);
    let put_out = |chat: &str, user: &str| delete(&format!("{chat}/participants/{user}"));
    let list = |query: &str| get(&format!("/v1/chat/list{query}"));
    let page = |page: &str| list(&format!("?user_id={}&page={page}", world.ada));
    world.refuses(vec![
        (open(json!({})), 422, "invalid", "usernames"),
        (
            open(json!({ "usernames": "ada" })),
            422,
            "invalid",
            "usernames",
        ),
        (
            open(json!({ "usernames": ["ada", 1] })),
            422,
            "invalid",
            "usernames",
        ),
        (
            open(json!({ "usernames": ["ada"] })),
            422,
            "invalid",
            "usernames",
        ),
        (
            open(json!({ "usernames": ["ada", "ada"] })),
            422,
            "same_person",
            "usernames",
        ),
        (
            open(json!({ "usernames": ["ada", "x"] })),
            404,
            "unknown_user",
            "usernames",
        ),
        (
            open(json!({ "usernames": many })),
            422,
            "invalid",
            "usernames",
        ),
        (
            open(json!({ "usernames": ["ada", "bob"], "user_id": 1 })),
            422,
            "invalid",
            "user_id",
        ),
        (
            open(json!({ "usernames": ["ada", "bob"], "user_id": foreign })),
            404,
            "unknown_user",
            "user_id",
        ),
        (
            open(json!({ "usernames": ["ada", "bob"], "metadata": 1 })),
            422,
            "invalid",
            "metadata",
        ),
        (
            post("/v1/chat").texts(&[("usernames", "ada"), ("title", &long(257))]),
            422,
            "invalid",
            "title",
        ),
        (get("/v1/chat/7"), 404, "unknown_conversation", "id"),
        (get(&theirs), 404, "unknown_conversation", "id"),
        (
            get(&format!("{of_direct}?user_id={}", world.eve)),
            404,
            "unknown_conversation",
            "id",
        ),
        (
            patch(&of_group).json(&json!({ "title": 1 })),
            422,
            "invalid",
            "title",
        ),
        (
            patch(&of_group).json(&json!({ "metadata": [] })),
            422,
            "invalid",
            "metadata",
        ),
        (
            patch(&of_direct).json(&json!({ "title": "x" })),
            403,
            "not_allowed",
            "",
        ),
        (
            patch(&theirs).json(&json!({})),
            404,
            "unknown_conversation",
            "id",
        ),
        (delete(&theirs), 404, "unknown_conversation", "id"),
        (delete("/v1/chat/7"), 404, "unknown_conversation", "id"),
        (add(&of_group, json!({})), 422, "invalid", "user_id"),
        (
            add(&of_group, json!({ "user_id": "eve" })),
            422,
            "invalid",
            "user_id",
        ),
        (
            add(&of_group, json!({ "user_id": foreign })),
            404,
            "unknown_user",
            "user_id",
        ),
        (
            add(&of_direct, json!({ "user_id": world.eve })),
            409,
            "fixed_members",
            "",
        ),
        (
            add(&theirs, json!({ "user_id": world.eve })),
            404,
            "unknown_conversation",
            "id",
        ),
        (
            put_out(&of_group, &world.eve),
            404,
            "not_a_member",
            "user_id",
        ),
        (put_out(&of_group, "7"), 404, "unknown_user", "id"),
        (put_out(&of_direct, &world.ada), 409, "fixed_members", ""),
        (put_out(&theirs, foreign), 404, "unknown_conversation", "id"),
        (list(""), 422, "invalid", "user_id"),
        (list("?user_id=7"), 422, "invalid", "user_id"),
        (
            list(&format!("?user_id={foreign}")),
            404,
            "unknown_user",
            "user_id",
        ),
        (page("0"), 422, "invalid", "page"),
        (page("-1"), 422, "invalid", "page"),
        (page("1.5"), 422, "invalid", "page"),
        (page("two"), 422, "invalid", "page"),
        (page(""), 422, "invalid", "page"),
    ]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn messages() {
    let world = World::new();
    let [foreign, foreign_chat, foreign_message] = &world.foreign;
    let (chat, ada) = (&*world.chat, &*world.ada);
    let send = |chat: &str, user: &str, text: &str| {
        post("/v1/messages").texts(&[("chat_id", chat), ("user_id", user), ("text", text)])
    };
    let more = |name: &str, value: serde_json::Value| {
        let mut body = json!({ "chat_id": chat, "user_id": ada, "text": "x" });
        body[name] = value;
        post("/v1/messages").json(&body)
    };
    let own = format!("/v1/messages/{}", world.message);
    let theirs = format!("/v1/messages/{foreign_message}");
    let seen = |message: &str, body| post(&format!("{message}/seen")).json(&body);
    let list = |chat: &str, user: &str, page: &str| {
        get(&format!(
            "/v1/messages?chat_id={chat}&user_id={user}&page={page}"
        ))
    };
    world.refuses(vec![
        (
            post("/v1/messages").json(&json!({})),
            422,
            "invalid",
            "chat_id",
        ),
        (
            post("/v1/messages").texts(&[("chat_id", chat)]),
            422,
            "invalid",
            "user_id",
        ),
        (send("7", ada, "x"), 422, "invalid", "chat_id"),
        (send(chat, "ada", "x"), 422, "invalid", "user_id"),
        (send(chat, ada, " \n"), 422, "blank_text", "text"),
        (send(chat, ada, &long(65_537)), 422, "text_too_long", "text"),
        (
            send(chat, foreign, "x"),
            404,
            "unknown_conversation",
            "chat_id",
        ),
        (
            send(chat, &world.eve, "x"),
            404,
            "unknown_conversation",
            "chat_id",
        ),
        (
            send(foreign_chat, ada, "x"),
            404,
            "unknown_conversation",
            "chat_id",
        ),
        (
            send(NOBODY, ada, "x"),
            404,
            "unknown_conversation",
            "chat_id",
        ),
        (more("text", json!(7)), 422, "invalid", "text"),
        (more("metadata", json!("x")), 422, "invalid", "metadata"),
        (
            more("metadata", json!({ "a": long(17_000) })),
            422,
            "metadata_too_large",
            "metadata",
        ),
        (
            more("clientMessageId", json!(7)),
            422,
            "invalid",
            "clientMessageId",
        ),
        (
            more("clientMessageId", json!(long(129))),
            422,
            "invalid",
            "clientMessageId",
        ),
        (
            send(chat, ada, "x").header("Idempotency-Key", &long(129)),
            422,
            "invalid",
            "Idempotency-Key",
        ),
        (
            send(chat, ada, "x").header("Idempotency-Key", "\u{e9}"),
            422,
            "invalid",
            "Idempotency-Key",
        ),
        (
            patch(&own).json(&json!({ "text": 7 })),
            422,
            "invalid",
            "text",
        ),
        (
            patch(&own).json(&json!({ "text": "" })),
            422,
            "blank_text",
            "text",
        ),
        (
            patch(&own).json(&json!({ "text": long(65_537) })),
            422,
            "text_too_long",
            "text",
        ),
        (
            patch(&theirs).json(&json!({ "text": "x" })),
            404,
            "unknown_message",
            "id",
        ),
        (
            patch("/v1/messages/7").json(&json!({ "text": "x" })),
            404,
            "unknown_message",
            "id",
        ),
        (delete(&theirs), 404, "unknown_message", "id"),
        (delete("/v1/messages/7"), 404, "unknown_message", "id"),
        (seen(&own, json!({})), 422, "invalid", "user_id"),
        (
            seen(&own, json!({ "user_id": "ada" })),
            422,
            "invalid",
            "user_id",
        ),
        (
            seen(&own, json!({ "user_id": world.eve })),
            404,
            "unknown_message",
            "id",
        ),
        (
            seen(&own, json!({ "user_id": foreign })),
            404,
            "unknown_message",
            "id",
        ),
        (
            seen(&theirs, json!({ "user_id": ada })),
            404,
            "unknown_message",
            "id",
        ),
        (get("/v1/messages"), 422, "invalid", "chat_id"),
        (list("7", ada, "1"), 422, "invalid", "chat_id"),
        (list(chat, "7", "1"), 422, "invalid", "user_id"),
        (list(chat, ada, "0"), 422, "invalid", "page"),
        (list(chat, ada, "x"), 422, "invalid", "page"),
        (
            list(chat, &world.eve, "1"),
            404,
            "unknown_conversation",
            "chat_id",
        ),
        (
            list(foreign_chat, ada, "1"),
            404,
            "unknown_conversation",
            "chat_id",
        ),
        (
            list(foreign_chat, foreign, "1"),
            404,
            "unknown_conversation",
            "chat_id",
        ),
    ]);
}

#[test]
fn what_is_gone_takes_nothing_more() {
    let world = World::new();
    let (server, key) = (&world.server, &*world.key);
    let form = [
        ("chat_id", &*world.chat),
        ("user_id", &*world.ada),
        ("text", "x"),
    ];
    let send = || post("/v1/messages").texts(&form);
    server
        .ask(&delete(&format!("/v1/user/{}", world.ada)).with(key))
        .good();
    let messages = format!("/v1/messages?chat_id={}&user_id={}", world.chat, world.ada);
    let chats = format!("/v1/chat/list?user_id={}", world.ada);
    world.refuses(vec![
        (send(), 404, "unknown_conversation", "chat_id"),
        (get(&messages), 404, "unknown_conversation", "chat_id"),
        (get(&chats), 404, "unknown_user", "user_id"),
        (
            delete(&format!("/v1/messages/{}", world.message)),
            404,
            "unknown_message",
            "id",
        ),
    ]);
    server
        .ask(&delete(&format!("/v1/chat/{}", world.chat)).with(key))
        .good();
    world.refuses(vec![
        (send(), 404, "unknown_conversation", "chat_id"),
        (
            get(&format!("/v1/chat/{}", world.chat)),
            404,
            "unknown_conversation",
            "id",
        ),
    ]);
}

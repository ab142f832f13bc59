//! The history of a chatroom, page by page.

use chat::Identity;
use serde_json::{Value, json};

use super::{CHANNEL, Channel, refused};
use crate::{
    client::{delete, get},
    server::text,
};

fn page(room: &Channel, cursor: &str) -> Value {
    room.get(&format!("/messages?cursor={cursor}"))["data"].clone()
}

/// The texts of a page, newest first.
fn texts(page: &Value) -> Vec<String> {
    let messages = page["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| text(&message["content"]))
        .collect()
}

fn counted(from: i32, down_to: i32) -> Vec<String> {
    (down_to..=from)
        .rev()
        .map(|number| number.to_string())
        .collect()
}

#[test]
fn a_cursor_leads_back_while_messages_come_and_go() {
    let room = Channel::new(Identity::Verified);
    let ids: Vec<_> = (0..120)
        .map(|number| room.said(&room.vera, &number.to_string()))
        .collect();
    let first = page(&room, "");
    assert_eq!(texts(&first), counted(119, 70));
    assert_eq!(first, room.get("/messages")["data"]);

    // What comes meanwhile, and what goes, moves nothing.
    room.said(&room.mika, "new");
    for gone in [&ids[119], &ids[60], &ids[70]] {
        let path = format!("/api/v2/chatrooms/{}/messages/{gone}", room.id);
        room.ask(&delete(&path).with(&room.mika)).good();
    }
    let second = page(&room, &text(&first["cursor"]));
    let mut expected = counted(69, 19);
    expected.retain(|number| number != "60");
    assert_eq!(texts(&second), expected);
    assert_eq!(second["messages"][0]["chat_id"], room.id);
    assert_eq!(
        second["messages"][0]["user_id"],
        second["messages"][0]["sender"]["id"]
    );
    let third = page(&room, &text(&second["cursor"]));
    assert_eq!(texts(&third), counted(18, 0));
    let end = page(&room, &text(&third["cursor"]));
    assert_eq!(
        (&end["messages"], &end["cursor"]),
        (&json!([]), &Value::Null)
    );

    // The same under its other path, which has the channel's id.
    let by_id = format!(
        "/api/v1/chat/{}/history?cursor={}",
        room.id,
        text(&first["cursor"])
    );
    assert_eq!(room.ask(&get(&by_id)).good()["data"], second);
    let clear = json!({ "command": "clear" });
    room.does("POST", "/chat-commands", &room.robin, &clear)
        .good();
    let after = page(&room, &text(&first["cursor"]));
    assert_eq!(
        (&after["messages"], &after["cursor"]),
        (&json!([]), &Value::Null)
    );
}

#[test]
fn the_pinned_message_is_on_the_newest_page() {
    let room = Channel::new(Identity::Verified);
    let first = room.said(&room.vera, "first");
    room.posts(
        "/pinned-message",
        &room.mika,
        &json!({ "message": { "id": first } }),
    );
    let newest = page(&room, "");
    assert_eq!(newest["pinned_message"]["message"]["id"], first);
    assert_eq!(newest["pinned_message"]["duration"], 1200);
    let older = page(&room, &text(&newest["cursor"]));
    assert_eq!(older["pinned_message"], Value::Null);
}

#[test]
fn a_wrong_query_is_refused_by_name() {
    let room = Channel::new(Identity::Verified);
    for (query, field) in [
        ("cursor=-1", "cursor"),
        ("cursor=%2B1", "cursor"),
        ("cursor=zzzzzzzzzzzzzzzz", "cursor"),
        ("start_time=2026-03-01T12:30:05.250Z", "start_time"),
    ] {
        let answer = room.ask(&get(&format!("{CHANNEL}/messages?{query}")));
        refused(&answer, 422, "invalid", field);
    }
    assert_eq!(page(&room, "3w5e11264sgsf")["messages"], json!([]));
}

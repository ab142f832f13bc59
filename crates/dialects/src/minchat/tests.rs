//! What needs no conversation to be tested; conversations are in `transcripts/`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::borrow::Cow;

use std::sync::Arc;

use bytes::Bytes;
use chat::{
    Body, Command, ConversationKind, ConversationView, Event, ExternalId, Media, MessageView,
    Passing, Query, Refusal, Timestamp, User, UserId, UserRef,
    event::{Happening, Sign},
    model::{Details, MediaKind, Metadata, Picture, Secret},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Minchat, incoming};
use crate::{
    Audience, Credential, Dialect, Incoming, Request, Seat,
    sample::{self, incoming as event, seat, site, stage},
};

const A: &str = "00000000-0000-0000-0000-000000000001";
const C: &str = "00000000-0000-0000-0000-00000000000c";
const D: &str = "00000000-0000-0000-0000-00000000000d";

const EVENTS: &[(&str, &[&str])] = &[
    ("room.user.join", &["channelUserId"]),
    ("room.user.leave", &["channelUserId"]),
    ("room.join", &["channelId"]),
    ("room.leave", &["channelId"]),
    (
        "message",
        &[
            "text",
            "file",
            "metadata",
            "chat_id",
            "user_id",
            "clientMessageId",
        ],
    ),
    ("message.update", &["text", "file", "metadata", "messageId"]),
    ("message.delete", &["messageId"]),
    ("message.seen", &["lastMessageId", "user"]),
    ("typing.start", &["channelId", "user"]),
    ("typing.stop", &["channelId", "user"]),
    ("user.status", &["memberId"]),
];

fn read(name: &str, payload: &Value) -> Result<Request, Refusal> {
    incoming::read(&seat(), &event(name, &[&payload.to_string()]))
}

fn refusal(name: &str, payload: &Value) -> String {
    read(name, payload).unwrap_err().to_string()
}

fn uuid(id: u128) -> Uuid {
    Uuid::from_u128(id)
}

#[test]
fn claims_its_own_events_and_of_message_its_own_payload() {
    let names = EVENTS.iter().filter(|(name, _)| *name != "message");
    for (name, _) in names {
        assert!(Minchat.claims(&event(name, &[])), "{name}");
    }
    for name in ["send_message", "subscribe", "Room.join", ""] {
        assert!(!Minchat.claims(&event(name, &[])), "{name}");
        assert_eq!(
            incoming::read(&seat(), &event(name, &[])).unwrap_err(),
            Refusal::UnknownEvent
        );
    }
    for (payload, claimed) in [
        (r#"{"chat_id":1}"#, true),
        (r#"{"apiKey":null}"#, true),
        (r#"{"to":"b","text":"x"}"#, false),
        ("{}", false),
        (r#""chat_id""#, false),
    ] {
        assert_eq!(
            Minchat.claims(&event("message", &[payload])),
            claimed,
            "{payload}"
        );
    }
    assert!(!Minchat.claims(&event("message", &[])));
}

#[test]
fn who_opens_a_chat_was_said_before() {
    let claimed = UserRef::Uuid(uuid(1));
    let payload = json!({"channelId": C, "apiKey": "pk"}).to_string();
    let join = event("room.join", &[&payload]);
    for claimed in [None, Some(&claimed)] {
        let seat = Seat { claimed, ..seat() };
        let Some(Command::Join { by, .. }) = Minchat.read(&seat, &join).unwrap().command else {
            panic!("a join");
        };
        assert_eq!(by.as_ref(), claimed);
    }
}

#[test]
fn events_become_commands_and_queries() {
    let key = "pk";
    let user = json!({"id": A, "name": "not believed", "createdAt": "2023"});
    for (name, payload, expected) in [
        (
            "room.user.join",
            json!({"channelUserId": A, "apiKey": key}),
            r#"Register { user: Uuid(00000000-0000-0000-0000-000000000001), dialect: "minchat", alone: false }"#,
        ),
        (
            "room.user.leave",
            json!({"channelUserId": A, "apiKey": key}),
            r#"Deregister { user: Uuid(00000000-0000-0000-0000-000000000001), dialect: "minchat" }"#,
        ),
        (
            "room.join",
            json!({"channelId": C, "apiKey": key}),
            r#"Join { conversation: Uuid(00000000-0000-0000-0000-00000000000c), by: None, spelling: None, dialect: "minchat" }"#,
        ),
        (
            "room.leave",
            json!({"channelId": C, "apiKey": key}),
            r#"Leave { conversation: Uuid(00000000-0000-0000-0000-00000000000c), dialect: "minchat" }"#,
        ),
        (
            "message",
            json!({"text": "Hi", "chat_id": C, "user_id": A, "apiKey": key, "file": null}),
            r#"Send { to: Conversation(Uuid(00000000-0000-0000-0000-00000000000c)), sender: Uuid(00000000-0000-0000-0000-000000000001), body: Body { text: "Hi", media: [], metadata: None, reply_to: None }, client_id: None }"#,
        ),
        (
            "message.update",
            json!({"metadata": {"a": null}, "messageId": D, "apiKey": key}),
            r#"EditMessage { message: 00000000-0000-0000-0000-00000000000d, by: None, patch: BodyPatch { text: None, media: None, metadata: Some(Metadata({"a": Null})) } }"#,
        ),
        (
            "message.delete",
            json!({"messageId": D, "apiKey": key}),
            "DeleteMessage { message: 00000000-0000-0000-0000-00000000000d, within: None, by: None }",
        ),
        (
            "message.seen",
            json!({"lastMessageId": D, "user": user, "apiKey": key}),
            "MarkRead { message: 00000000-0000-0000-0000-00000000000d, reader: Uuid(00000000-0000-0000-0000-000000000001) }",
        ),
        (
            "typing.start",
            json!({"channelId": C, "user": user, "apiKey": key}),
            "Typing { conversation: Uuid(00000000-0000-0000-0000-00000000000c), user: Uuid(00000000-0000-0000-0000-000000000001), writes: true }",
        ),
        (
            "typing.stop",
            json!({"channelId": C, "user": user, "apiKey": key}),
            "Typing { conversation: Uuid(00000000-0000-0000-0000-00000000000c), user: Uuid(00000000-0000-0000-0000-000000000001), writes: false }",
        ),
    ] {
        let request = read(name, &payload).unwrap();
        assert_eq!(format!("{:?}", request.command.unwrap()), expected);
        assert_eq!(
            request.credential,
            Some(Credential::Key(Secret(key.to_owned())))
        );
        assert!(request.query.is_none() && request.upload.is_none());
    }
    let request = read("user.status", &json!({"memberId": A, "apiKey": key})).unwrap();
    let user = UserRef::Uuid(uuid(1));
    assert_eq!(request.query, Some(Query::Status { user }));
    assert!(request.command.is_none());
}

/// The API's own client leaves these out in a chat that has no messages, or is not opened.
#[test]
fn what_a_new_chat_has_no_id_for_asks_nothing() {
    for (name, payload) in [
        ("room.leave", json!({"apiKey": "pk"})),
        ("message.seen", json!({"user": {"id": A}, "apiKey": "pk"})),
        ("typing.start", json!({"user": {"id": A}, "apiKey": "pk"})),
        (
            "typing.stop",
            json!({"channelId": null, "user": {"id": A}, "apiKey": "pk"}),
        ),
    ] {
        let request = read(name, &payload).unwrap();
        assert!(matches!(request.command, Some(Command::Fence)), "{name}");
        assert!(request.credential.is_some(), "{name}");
    }
}

#[test]
fn refusals_name_what_is_wrong_within_objects_too() {
    let key = "pk";
    for (name, payload, expected) in [
        ("room.join", json!({"channelId": C}), "apiKey is missing"),
        (
            "room.join",
            json!({"channelId": C, "apiKey": 7}),
            "apiKey must be a string",
        ),
        (
            "room.join",
            json!([]),
            "payload must be an object with apiKey",
        ),
        (
            "message.seen",
            json!({"lastMessageId": D, "apiKey": key}),
            "user is missing",
        ),
        (
            "message.seen",
            json!({"lastMessageId": D, "user": A, "apiKey": key}),
            "user must be an object",
        ),
        (
            "typing.start",
            json!({"channelId": C, "user": {}, "apiKey": key}),
            "user.id is missing",
        ),
        (
            "message",
            json!({"chat_id": C, "user_id": A, "metadata": [], "apiKey": key}),
            "metadata must be an object",
        ),
        (
            "message",
            json!({"chat_id": C, "user_id": A, "file": "x", "apiKey": key}),
            "file must be an object",
        ),
        (
            "message",
            json!({"chat_id": C, "user_id": A, "file": {"buffer": "eA=="}, "apiKey": key}),
            "file.buffer must be binary data",
        ),
        (
            "message",
            json!({"chat_id": C, "user_id": A, "file": {"name": "x"}, "apiKey": key}),
            "file.buffer is missing",
        ),
        (
            "message",
            json!({"chat_id": C, "user_id": A, "clientMessageId": "", "apiKey": key}),
            "clientMessageId must be a string of 1 to 128 bytes",
        ),
        (
            "message",
            json!({"chat_id": C, "user_id": A, "metadata": {"clientMessageId": 7}, "apiKey": key}),
            "metadata.clientMessageId must be a string of 1 to 128 bytes",
        ),
    ] {
        assert_eq!(refusal(name, &payload), expected);
    }
}

#[test]
fn the_id_of_a_retry_may_stand_in_the_metadata() {
    let client_id = |payload: Value| match read("message", &payload).unwrap().command {
        Some(Command::Send { client_id, .. }) => client_id,
        other => panic!("{other:?}"),
    };
    let message = json!({"chat_id": C, "user_id": A, "apiKey": "pk"});
    assert_eq!(client_id(message.clone()), None);
    let mut in_metadata = message;
    in_metadata["metadata"] = json!({"clientMessageId": "m", "minchatJSIdentifier": "2023"});
    assert_eq!(client_id(in_metadata.clone()).as_deref(), Some("m"));
    let mut in_both = in_metadata;
    in_both["clientMessageId"] = json!("own");
    assert_eq!(client_id(in_both).as_deref(), Some("own"));
}

#[test]
fn a_file_comes_as_an_attachment() {
    let with_file = |name: Value| {
        let payload = json!({
            "chat_id": C, "user_id": A, "apiKey": "pk",
            "file": {"name": name, "type": "image/png", "buffer": {"_placeholder": true, "num": 0}},
        });
        Incoming {
            attachments: vec![Bytes::from_static(b"bytes")],
            ..event("message", &[&payload.to_string()])
        }
    };
    for (name, expected) in [
        (json!("heron.png"), Some("heron.png")),
        (json!(""), None),
        (json!(null), None),
    ] {
        let upload = incoming::read(&seat(), &with_file(name))
            .unwrap()
            .upload
            .unwrap();
        assert_eq!(upload.title.as_deref(), expected);
        assert_eq!(upload.bytes, "bytes");
    }
    let refused = incoming::read(&seat(), &with_file(json!("x".repeat(257)))).unwrap_err();
    assert_eq!(refused.to_string(), "file.name must have at most 256 bytes");
}

fn ada() -> Arc<User> {
    sample::user(1, ExternalId::text("ada"))
}

fn bob() -> Arc<User> {
    let mut bob = sample::user(2, ExternalId::text("bob"));
    let profile = &mut Arc::make_mut(&mut bob).profile;
    profile.name = Some("Bob \"B\"".to_owned());
    profile.avatar = Some(Picture::Url("img.co".to_owned()));
    bob
}

fn shown(event: &Event, audience: Audience) -> Option<(u8, &'static str, Value, bool)> {
    let mut shown = Minchat.show(&stage(audience), event);
    assert!(shown.len() < 2);
    shown.pop().map(|shown| {
        let value = serde_json::from_str(&shown.emit.args).unwrap();
        let name = match shown.emit.name {
            Cow::Borrowed(name) => name,
            Cow::Owned(name) => panic!("{name}"),
        };
        (shown.part, name, value, shown.skips_origin)
    })
}

fn direct() -> (ConversationView, MessageView) {
    let place = sample::conversation(ConversationKind::Direct, &[&ada(), &bob()]);
    let message = sample::message(&place, &ada(), Body::text("two\nlines"));
    (place, message)
}

fn ada_shown() -> Value {
    json!({"id": A, "username": "ada", "name": "ada", "created_at": "2023-11-14T22:13:20.000Z",
        "last_active": "2023-11-14T22:13:20.000Z"})
}

fn message_shown() -> Value {
    json!({"id": D, "chat_id": C, "text": "two\nlines", "metadata": null, "seen": false,
        "created_at": "2023-11-14T22:13:20.000Z", "user": ada_shown(), "success": true})
}

#[test]
fn a_message_is_shown_in_its_chat_and_the_chat_to_the_others() {
    let (place, message) = direct();
    let event = sample::event(&place, Happening::MessageSent(message.into()));
    assert_eq!(
        shown(&event, Audience::Conversation),
        Some((0, "message", message_shown(), true))
    );
    let chat = json!({"id": C, "title": "ada", "avatar": null, "metadata": null,
        "participant_user_ids": [A, "00000000-0000-0000-0000-000000000002"],
        "created_at": "2023-11-14T22:13:20.000Z", "last_message": message_shown(),
        "success": true});
    assert_eq!(
        shown(&event, Audience::Person(UserId(2))),
        Some((1, "chat", chat, false))
    );
    assert_eq!(shown(&event, Audience::Person(UserId(1))), None);
}

#[test]
fn edits_and_deletions_are_shown_in_the_chat_and_receipts_in_person() {
    let (place, mut message) = direct();
    message.message.edited_at = Some(Timestamp(1_700_000_000_001));
    message.seen = true;
    let edited = sample::event(&place, Happening::MessageEdited(message.into()));
    let mut expected = message_shown();
    expected["seen"] = json!(true);
    expected["updatedAt"] = json!("2023-11-14T22:13:20.001Z");
    assert_eq!(
        shown(&edited, Audience::Conversation),
        Some((2, "message.update", expected, false))
    );
    assert_eq!(shown(&edited, Audience::Person(UserId(2))), None);

    let message = uuid(0xd);
    let deleted = sample::event(
        &place,
        Happening::MessageDeleted {
            message,
            by: Some(UserId(1)),
        },
    );
    assert_eq!(
        shown(&deleted, Audience::Conversation),
        Some((3, "message.delete", json!(D), false))
    );
    assert_eq!(shown(&deleted, Audience::Person(UserId(2))), None);

    let reader = bob();
    let seen = sample::event(&place, Happening::Read { reader, message });
    for user in [1, 2] {
        assert_eq!(
            shown(&seen, Audience::Person(UserId(user))),
            Some((4, "message.seen", json!(D), false))
        );
    }
    assert_eq!(shown(&seen, Audience::Conversation), None);
}

#[test]
fn typing_shows_the_user_as_we_know_it() {
    let place = sample::conversation(ConversationKind::Direct, &[&ada(), &bob()]);
    for (sign, name) in [
        (Sign::Writing, "typing.start"),
        (Sign::Stopped, "typing.stop"),
    ] {
        let passing = Passing {
            scene: sample::scene(&place),
            origin: None,
            user: ada(),
            sign,
        };
        let in_person = stage(Audience::Person(UserId(2)));
        assert_eq!(Minchat.pass(&in_person, &passing), None);
        let emit = Minchat
            .pass(&stage(Audience::Conversation), &passing)
            .unwrap();
        assert_eq!(emit.name, name);
        let value: Value = serde_json::from_str(&emit.args).unwrap();
        assert_eq!(value, ada_shown());
    }
}

/// Title and picture of a chat as `viewer` is told.
fn face(place: &ConversationView, viewer: i64) -> (Value, Value) {
    let message = sample::message(
        place,
        &sample::user(9, ExternalId::text("x")),
        Body::text("x"),
    );
    let event = sample::event(place, Happening::MessageSent(message.into()));
    let (_, _, chat, _) = shown(&event, Audience::Person(UserId(viewer))).unwrap();
    (chat["title"].clone(), chat["avatar"].clone())
}

#[test]
fn a_chat_is_called_by_who_looks_and_what_it_is() {
    let of_two = sample::conversation(ConversationKind::Direct, &[&ada(), &bob()]);
    assert_eq!(face(&of_two, 1), (json!("Bob \"B\""), json!("img.co")));
    assert_eq!(face(&of_two, 2), (json!("ada"), Value::Null));
    let alone = sample::conversation(ConversationKind::Direct, &[&ada()]);
    assert_eq!(face(&alone, 1), (json!("Deleted user"), Value::Null));
    for kind in [
        ConversationKind::Group,
        ConversationKind::Product,
        ConversationKind::Room,
    ] {
        let mut group = sample::conversation(kind, &[&ada(), &bob()]);
        assert_eq!(face(&group, 1), (json!("Group Chat"), Value::Null));
        group.details = Arc::new(Details {
            title: Some("Herons".to_owned()),
            avatar: Some(Picture::Media(heron())),
            ..Details::default()
        });
        let url = json!("https://chat.example/media/5f.png");
        assert_eq!(face(&group, 1), (json!("Herons"), url));
    }
}

fn heron() -> Media {
    Media {
        name: "5f.png".to_owned(),
        kind: MediaKind::Image,
        mime: "image/png".to_owned(),
        bytes: 2048,
        title: Some("heron.png".to_owned()),
        thumbnail: None,
    }
}

#[test]
fn files_and_metadata_are_shown_as_they_are_kept() {
    let place = sample::conversation(ConversationKind::Group, &[&ada()]);
    let metadata = json!({"n": 1, "flag": true, "at": {"x": null}});
    let body = Body {
        text: String::new(),
        media: vec![heron()],
        metadata: Some(Metadata(metadata.as_object().unwrap().clone())),
        ..Body::default()
    };
    let message = sample::message(&place, &bob(), body);
    let event = sample::event(&place, Happening::MessageSent(message.into()));
    let (_, _, shown, _) = shown(&event, Audience::Conversation).unwrap();
    assert_eq!(shown["metadata"], metadata);
    assert_eq!(shown["text"], "");
    let file = json!({"type": "image", "url": "https://chat.example/media/5f.png",
        "name": "heron.png", "size": "2.00 KB"});
    assert_eq!(shown["file"], file);
    assert_eq!(shown["user"]["avatar"], "img.co");
}

/// JSON with this dialect's names.
fn json() -> impl Strategy<Value = String> {
    let names = [
        "apiKey",
        "channelUserId",
        "channelId",
        "chat_id",
        "user_id",
        "text",
        "file",
        "metadata",
        "messageId",
        "lastMessageId",
        "user",
        "id",
        "memberId",
        "name",
        "buffer",
        "clientMessageId",
    ];
    let (id, user) = (format!("{A:?}"), format!("{{\"id\":{A:?}}}"));
    sample::json(&names, &[r#"{"_placeholder":true,"num":0}"#, &id, &user])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_refusal_names_a_field_of_its_event(
        which in 0..EVENTS.len(),
        args in prop::collection::vec(json(), 0..3),
        attachments in 0..2_usize,
    ) {
        let (name, fields) = EVENTS[which];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let event = Incoming {
            attachments: vec![Bytes::from_static(b"x"); attachments],
            ..event(name, &args)
        };
        if let Err(refusal) = Minchat.read(&seat(), &event) {
            let message = refusal.to_string();
            let named = fields.iter().chain(&["apiKey"]).any(|field| message.contains(field));
            prop_assert!(named, "{}", message);
            let answer = Minchat.answer(&site(), None, Err(&refusal));
            let ack: Value = serde_json::from_str(&answer.ack).unwrap();
            let expected = json!({
                "success": false,
                "error": {"code": "invalid", "message": message},
                "message": message,
                "code": "invalid",
            });
            prop_assert_eq!(ack, expected);
            let error: Value = serde_json::from_str(&answer.events[0].args).unwrap();
            prop_assert_eq!(error, json!({"message": message, "code": "invalid"}));
        }
    }

    #[test]
    fn what_is_shown_is_json_that_says_what_was_written(text in any::<String>()) {
        let place = sample::conversation(ConversationKind::Direct, &[&ada(), &bob()]);
        let message = sample::message(&place, &ada(), Body::text(&*text));
        let event = sample::event(&place, Happening::MessageSent(message.into()));
        let (_, _, shown, _) = shown(&event, Audience::Conversation).unwrap();
        prop_assert_eq!(&shown["text"], &Value::from(text));
    }
}

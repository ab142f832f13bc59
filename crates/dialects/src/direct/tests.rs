//! What needs no conversation to be tested; conversations are in `transcripts/`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use chat::{
    Body, Command, ConversationKind, Event, ExternalId, Query, Refusal, Subject, UserId, UserRef,
    event::Happening,
};
use proptest::prelude::*;

use super::{Direct, incoming};
use crate::{
    Audience, Dialect,
    sample::{self, incoming as event, seat, site, stage, user},
};

const EVENTS: &[(&str, &[&str])] = &[
    ("register_user", &["userId"]),
    ("join_chat", &["userId", "targetUserId"]),
    (
        "send_message",
        &["roomId", "senderId", "body", "clientMessageId"],
    ),
    ("fetch_messages", &["roomId", "limit", "offset"]),
];

#[test]
fn claims_its_own_events_only() {
    for (name, _) in EVENTS {
        assert!(Direct.claims(&event(name, &[])), "{name}");
    }
    for name in ["message", "subscribe", "registerMessages", "", "Join_chat"] {
        assert!(!Direct.claims(&event(name, &[])), "{name}");
        let refused = incoming::read(&event(name, &[])).unwrap_err();
        assert_eq!(refused, Refusal::UnknownEvent);
    }
}

#[test]
fn further_arguments_and_fields_are_ignored() {
    let upper = r#""01234567-89AB-4CDE-8F01-23456789ABCD""#;
    let request = incoming::read(&event("register_user", &[upper, "{}", "7"])).unwrap();
    let Some(Command::Register {
        user: UserRef::Named(user),
        ..
    }) = request.command
    else {
        panic!("{request:?}");
    };
    assert_eq!(user.text, "01234567-89ab-4cde-8f01-23456789abcd");
    assert!(!user.number);
}

#[test]
fn the_limit_of_a_page_has_a_default_and_a_ceiling() {
    let room = "01234567-89ab-4cde-8f01-23456789abcd";
    for (rest, expected) in [
        ("", (20, 0)),
        (r#","limit":1,"offset":50"#, (1, 50)),
        (r#","limit":100"#, (100, 0)),
        (r#","limit":101"#, (100, 0)),
        (r#","limit":1e9,"offset":0"#, (100, 0)),
    ] {
        let payload = format!(r#"{{"roomId":"{room}"{rest}}}"#);
        let request = incoming::read(&event("fetch_messages", &[&payload])).unwrap();
        let Some(Query::History { limit, offset, .. }) = request.query else {
            panic!("{request:?}");
        };
        assert_eq!((limit, offset), expected, "{rest}");
        assert!(request.needs_identity);
    }
}

#[test]
fn a_token_speaks_for_the_uuid_in_lower_case() {
    let person = |text: &str| {
        let subject = Subject::new(ExternalId::text(text), None);
        Direct.person(&subject).text
    };
    assert_eq!(
        person("01234567-89AB-4CDE-8F01-23456789ABCD"),
        "01234567-89ab-4cde-8f01-23456789abcd"
    );
    assert_eq!(person("Ada"), "Ada");
    assert_eq!(
        person("0123456789AB4CDE8F0123456789ABCD"),
        "0123456789AB4CDE8F0123456789ABCD"
    );
}

fn message(kind: ConversationKind, text: &str) -> Event {
    let number = ExternalId {
        text: "7".to_owned(),
        number: true,
    };
    let (receiver, sender) = (user(1, ExternalId::text("a")), user(2, number));
    let place = sample::conversation(kind, &[&receiver, &sender]);
    let sent = sample::message(&place, &sender, Body::text(text));
    sample::event(&place, Happening::MessageSent(sent.into()))
}

#[test]
fn a_message_is_shown_in_the_room_and_to_the_receiver_in_person() {
    let event = message(ConversationKind::Direct, "two\n\"lines\"");
    let room = Direct.show(&stage(Audience::Conversation), &event);
    assert_eq!(room.len(), 1);
    assert_eq!((room[0].part, &*room[0].emit.name), (0, "new_message"));
    assert_eq!(
        room[0].emit.args,
        r#"{"id":"00000000-0000-0000-0000-00000000000d","room_id":"00000000-0000-0000-0000-00000000000c","sender_id":7,"body":"two\n\"lines\"","created_at":"2023-11-14T22:13:20.000Z"}"#
    );
    let receiver = Direct.show(&stage(Audience::Person(UserId(1))), &event);
    assert_eq!(receiver.len(), 1);
    assert_eq!(
        (receiver[0].part, &*receiver[0].emit.name),
        (1, "chat_list_update")
    );
    assert_eq!(
        receiver[0].emit.args,
        r#"{"room_id":"00000000-0000-0000-0000-00000000000c","last_message":"two\n\"lines\"","sender_id":7,"updated_at":"2023-11-14T22:13:20.000Z"}"#
    );
    assert_eq!(
        Direct.show(&stage(Audience::Person(UserId(2))), &event),
        vec![]
    );
}

#[test]
fn other_kinds_of_conversation_are_not_shown() {
    for kind in [
        ConversationKind::Group,
        ConversationKind::Product,
        ConversationKind::Room,
    ] {
        let event = message(kind, "x");
        assert_eq!(Direct.show(&stage(Audience::Conversation), &event), vec![]);
        assert_eq!(
            Direct.show(&stage(Audience::Person(UserId(1))), &event),
            vec![]
        );
    }
}

/// JSON with this dialect's names.
fn json() -> impl Strategy<Value = String> {
    let names: Vec<_> = EVENTS
        .iter()
        .flat_map(|(_, fields)| *fields)
        .copied()
        .collect();
    let uuids = [
        r#""01234567-89ab-4cde-8f01-23456789abcd""#,
        r#""01234567-89AB-4CDE-8F01-23456789ABCE""#,
    ];
    sample::json(&names, &uuids)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_refusal_names_a_field_of_its_event(
        which in 0..EVENTS.len(),
        args in prop::collection::vec(json(), 0..3),
    ) {
        let (name, fields) = EVENTS[which];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let event = event(name, &args);
        match Direct.read(&seat(), &event) {
            Ok(request) => {
                let page = |query: &Query| {
                    let Query::History { limit, .. } = query else { panic!("{query:?}") };
                    (1..=100).contains(limit)
                };
                prop_assert!(request.query.as_ref().is_none_or(page));
            }
            Err(refusal) => {
                let message = refusal.to_string();
                prop_assert!(fields.iter().any(|field| message.contains(field)), "{}", message);
                let answer = Direct.answer(&site(), None, Err(&refusal));
                let ack: serde_json::Value = serde_json::from_str(&answer.ack).unwrap();
                prop_assert_eq!(&ack["error"]["message"], &serde_json::Value::from(message));
                prop_assert_eq!(&ack["success"], &serde_json::Value::from(false));
                prop_assert_eq!(answer.events.len(), 1);
            }
        }
    }

    #[test]
    fn what_is_shown_is_json_that_says_what_was_written(text in any::<String>()) {
        let event = message(ConversationKind::Direct, &text);
        let shown = Direct.show(&stage(Audience::Conversation), &event);
        let value: serde_json::Value = serde_json::from_str(&shown[0].emit.args).unwrap();
        prop_assert_eq!(&value["body"], &serde_json::Value::from(text));
    }
}

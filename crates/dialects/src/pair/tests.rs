//! What needs no conversation to be tested; conversations are in `transcripts/`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use chat::{
    Body, Command, ConversationKind, ConversationRef, Destination, Event, ExternalId, Media,
    Passing, Query, Refusal, Reply, Topic, User, UserId, UserRef, View,
    event::{Happening, Sign},
    model::{MediaKind, Secret},
    store::ConversationSummary,
};
use proptest::prelude::*;

use super::{Pair, incoming};
use crate::{
    Answer, Answered, Audience, Credential, Dialect, Request,
    sample::{self, incoming as event, seat, site, stage, user},
};

const EVENTS: &[(&str, &[&str])] = &[
    ("registerMessages", &["token"]),
    ("snippets", &[]),
    ("conversation", &["id", "before", "limit"]),
    ("message", &["to", "content", "clientMessageId"]),
    ("startWriting", &["id"]),
    ("stopWriting", &["id", "token"]),
];

const UUID: &str = "01234567-89ab-4cde-8f01-23456789abcd";

fn read(name: &str, payload: &str) -> Result<Request, Refusal> {
    incoming::read(&event(name, &[payload]))
}

fn number(text: &str) -> ExternalId {
    ExternalId {
        text: text.to_owned(),
        number: true,
    }
}

#[test]
fn claims_its_own_events_only() {
    for (name, _) in EVENTS.iter().filter(|(name, _)| *name != "message") {
        assert!(Pair.claims(&event(name, &[])), "{name}");
    }
    for name in ["send_message", "subscribe", "room.join", "", "Snippets"] {
        assert!(!Pair.claims(&event(name, &[])), "{name}");
        let refused = incoming::read(&event(name, &[])).unwrap_err();
        assert_eq!(refused, Refusal::UnknownEvent);
    }
}

#[test]
fn a_message_is_its_own_if_the_payload_says_to_whom() {
    for (payload, is_own) in [
        (r#"{"to":"b","content":"x"}"#, true),
        (r#"{"to":null}"#, true),
        (r#"{"content":"x"}"#, false),
        (r#"{"to":"b","chat_id":"c"}"#, false),
        (r#"{"to":"b","apiKey":"k"}"#, false),
        ("[]", false),
        ("null", false),
    ] {
        assert_eq!(
            Pair.claims(&event("message", &[payload])),
            is_own,
            "{payload}"
        );
    }
    assert!(!Pair.claims(&event("message", &[])));
}

#[test]
fn only_registering_needs_no_identity() {
    for (name, payload) in [
        ("snippets", "{}"),
        ("conversation", r#"{"id":"b"}"#),
        ("message", r#"{"to":"b","content":"x"}"#),
        ("startWriting", r#"{"id":"b"}"#),
        ("stopWriting", r#"{"id":"b"}"#),
    ] {
        let request = read(name, payload).unwrap();
        assert!(request.needs_identity, "{name}");
        assert_eq!(request.credential, None, "{name}");
    }
    let request = read("registerMessages", r#"{"token":"a.b.c"}"#).unwrap();
    assert!(!request.needs_identity);
    let token = Secret("a.b.c".to_owned());
    assert_eq!(request.credential, Some(Credential::Token(token)));
    assert!(matches!(
        request.command,
        Some(Command::Register {
            user: UserRef::Subject,
            alone: true,
            ..
        })
    ));
}

#[test]
fn a_token_beside_typing_counts_where_it_stops() {
    let both = r#"{"id":7,"token":"a.b.c"}"#;
    let stopped = read("stopWriting", both).unwrap();
    let token = Secret("a.b.c".to_owned());
    assert_eq!(stopped.credential, Some(Credential::Same(token)));
    assert_eq!(read("startWriting", both).unwrap().credential, None);
}

#[test]
fn ids_are_texts_or_whole_numbers() {
    let read_to = |json: &str| -> Result<_, Refusal> {
        let payload = format!(r#"{{"to":{json},"content":"x"}}"#);
        match read("message", &payload)?.command {
            Some(Command::Send {
                to: Destination::Direct(UserRef::Named(id)),
                ..
            }) => Ok((id.text, id.number)),
            other => panic!("{other:?}"),
        }
    };
    for (json, text, is_number) in [
        ("7", "7", true),
        ("7.0", "7", true),
        ("7e0", "7", true),
        ("-0", "0", true),
        ("-7", "-7", true),
        ("9007199254740991", "9007199254740991", true),
        (r#""7""#, "7", false),
        (r#"" 7""#, " 7", false),
        (r#""Ada""#, "Ada", false),
    ] {
        assert_eq!(read_to(json), Ok((text.to_owned(), is_number)), "{json}");
    }
    let long = format!(r#""{}""#, "x".repeat(257));
    for json in [
        "1.5", "1e999", "null", "true", "[7]", "{}", r#""""#, r#"" ""#, &long,
    ] {
        assert_eq!(
            read_to(json).unwrap_err().to_string(),
            "to must be a whole number or a string of 1 to 256 bytes",
            "{json}"
        );
    }
}

#[test]
fn a_page_has_a_ceiling_and_only_the_newest_one_is_read() {
    let before = format!(r#","before":"{UUID}""#);
    for (rest, limit, reads) in [
        ("", 1_000, true),
        (r#","limit":1"#, 1, true),
        (r#","limit":1000"#, 1_000, true),
        (r#","limit":1e9"#, 1_000, true),
        (&*before, 1_000, false),
    ] {
        let request = read("conversation", &format!(r#"{{"id":7{rest}}}"#)).unwrap();
        let Some(Query::History {
            limit: found,
            offset: 0,
            before,
            ..
        }) = request.query
        else {
            panic!("{request:?}");
        };
        assert_eq!(found, limit, "{rest}");
        assert_eq!(before.is_some(), !reads);
        assert_eq!(request.command.is_some(), reads, "{rest}");
    }
}

fn two() -> (Arc<User>, Arc<User>) {
    (user(1, ExternalId::text("a")), user(2, number("7")))
}

/// User 2 writes to user 1.
fn message(kind: ConversationKind, body: Body) -> Event {
    let (receiver, sender) = two();
    let place = sample::conversation(kind, &[&receiver, &sender]);
    let sent = sample::message(&place, &sender, body);
    sample::event(&place, Happening::MessageSent(sent.into()))
}

const SHOWN: &str = r#"{"id":"00000000-0000-0000-0000-00000000000d","from":7,"to":"a","content":"two\n\"lines\"","createdAt":"2023-11-14T22:13:20.000Z","read":false}"#;

#[test]
fn a_message_is_shown_to_both_but_not_to_the_socket_that_sent_it() {
    let event = message(ConversationKind::Direct, Body::text("two\n\"lines\""));
    for (person, skips_origin) in [(UserId(1), false), (UserId(2), true)] {
        let shown = Pair.show(&stage(Audience::Person(person)), &event);
        assert_eq!(shown.len(), 1);
        assert_eq!((shown[0].part, &*shown[0].emit.name), (0, "message"));
        assert_eq!(shown[0].emit.args, SHOWN);
        assert_eq!(shown[0].skips_origin, skips_origin);
    }
    assert_eq!(Pair.show(&stage(Audience::Conversation), &event), vec![]);
}

#[test]
fn other_kinds_of_conversation_are_not_shown() {
    for kind in [
        ConversationKind::Group,
        ConversationKind::Product,
        ConversationKind::Room,
    ] {
        let event = message(kind, Body::text("x"));
        let person = stage(Audience::Person(UserId(1)));
        assert_eq!(Pair.show(&person, &event), vec![]);
        assert_eq!(
            typing(kind, Sign::Writing, Audience::Person(UserId(1))),
            None
        );
    }
}

fn typing(kind: ConversationKind, sign: Sign, audience: Audience) -> Option<(String, String)> {
    let (receiver, writer) = two();
    let place = sample::conversation(kind, &[&receiver, &writer]);
    let passing = Passing {
        scene: sample::scene(&place),
        origin: None,
        user: writer,
        sign,
    };
    let emit = Pair.pass(&stage(audience), &passing)?;
    Some((emit.name.into_owned(), emit.args))
}

#[test]
fn typing_names_who_writes() {
    let person = Audience::Person(UserId(1));
    for (sign, expected) in [
        (Sign::Writing, Some("startWriting")),
        (Sign::Stopped, Some("stopWriting")),
        (Sign::ReadAgain, None),
    ] {
        let shown = typing(ConversationKind::Direct, sign, person);
        assert_eq!(
            shown,
            expected.map(|name| (name.to_owned(), r#"{"id":7}"#.to_owned()))
        );
    }
    let room = typing(
        ConversationKind::Direct,
        Sign::Writing,
        Audience::Conversation,
    );
    assert_eq!(room, None);
}

fn answer(request: Option<&Request>, reply: Option<Reply>, view: Option<View>) -> Answer {
    Pair.answer(&site(), request, Ok(&Answered { reply, view }))
}

fn only_event(answer: &Answer) -> (&str, &str) {
    assert_eq!(answer.events.len(), 1, "{answer:?}");
    (&answer.events[0].name, &answer.events[0].args)
}

#[test]
fn registering_is_answered_with_ok_and_so_is_coming_back() {
    let (_, me) = two();
    let reply = Reply::Registered {
        user: me,
        replaced: Vec::new(),
    };
    let first = answer(None, Some(reply), None);
    assert_eq!(only_event(&first), ("registerMessages", r#""OK""#));
    assert_eq!(first.ack, r#"{"success":true,"id":7}"#);

    let again = Pair.rejoin("/", Topic::Person(UserId(1))).unwrap();
    let request = Request::query(again.query);
    let second = answer(Some(&request), None, Some(View::Users(Vec::new())));
    assert_eq!(second.events, first.events);
    assert_eq!(again.events as usize, second.events.len());
    assert!(
        Pair.rejoin("/", Topic::Conversation(chat::ConversationId(1)))
            .is_none()
    );
}

#[test]
fn a_sender_gets_success_and_the_message_in_the_acknowledgement() {
    let (receiver, sender) = two();
    let place = sample::conversation(ConversationKind::Direct, &[&receiver, &sender]);
    let reply = Reply::Sent {
        message: Arc::new(sample::message(
            &place,
            &sender,
            Body::text("two\n\"lines\""),
        )),
        members: Arc::clone(&place.members),
        repeated: false,
        opened: None,
    };
    let sent = answer(None, Some(reply), None);
    assert_eq!(only_event(&sent), ("message", r#"{"success":true}"#));
    assert_eq!(sent.ack, SHOWN.replacen('{', r#"{"success":true,"#, 1));
}

#[test]
fn a_conversation_says_what_is_read() {
    let (me, other) = two();
    let place = sample::conversation(ConversationKind::Direct, &[&me, &other]);
    let mut seen = sample::message(&place, &other, Body::text("x"));
    seen.seen = true;
    let own = sample::message(&place, &me, Body::text("y"));
    let request = read("conversation", r#"{"id":"7"}"#).unwrap();
    let view = View::History {
        conversation: place,
        viewer: Some(me),
        messages: vec![seen, own],
    };
    let shown = answer(
        Some(&request),
        Some(Reply::Read { changed: true }),
        Some(view),
    );
    let value: serde_json::Value = serde_json::from_str(only_event(&shown).1).unwrap();
    // In the type of first sight, not in that of the question.
    assert_eq!(value["id"], 7);
    let told: Vec<_> = value["messages"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&told[0]["from"], &told[0]["to"], &told[0]["read"]),
        (&7.into(), &"a".into(), &true.into())
    );
    assert_eq!(
        (&told[1]["from"], &told[1]["to"], &told[1]["read"]),
        (&"a".into(), &7.into(), &false.into())
    );
    assert_eq!(
        shown.ack,
        only_event(&shown).1.replacen('{', r#"{"success":true,"#, 1)
    );
}

#[test]
fn a_correspondent_whom_nobody_knows_has_an_empty_conversation() {
    let request = read("conversation", r#"{"id":8}"#).unwrap();
    let empty = Pair.answer(&site(), Some(&request), Err(&Refusal::UnknownConversation));
    assert_eq!(
        only_event(&empty),
        ("conversation", r#"{"id":8,"messages":[]}"#)
    );
    assert_eq!(empty.ack, r#"{"success":true,"id":8,"messages":[]}"#);
    let other = Pair.answer(&site(), Some(&request), Err(&Refusal::UnknownMessage));
    assert_eq!(
        only_event(&other),
        ("info", r#""before is no message of this conversation""#)
    );
}

#[test]
fn snippets_are_an_event_for_each_correspondent() {
    let (me, other) = two();
    let third = user(3, ExternalId::text("c"));
    let summary = |people: &[&Arc<User>], text: &str| {
        let conversation = sample::conversation(ConversationKind::Direct, people);
        let newest = sample::message(&conversation, people[1], Body::text(text));
        ConversationSummary {
            conversation,
            messages: vec![newest],
        }
    };
    let mut emptied = summary(&[&me, &other], "deleted since");
    emptied.messages.clear();
    let mut left = summary(&[&me, &me], "to somebody who was deleted");
    left.conversation.members = left.conversation.members[..1].into();
    let view = View::Conversations {
        viewer: Arc::clone(&me),
        conversations: vec![
            summary(&[&me, &third], "newer"),
            emptied,
            left,
            summary(&[&me, &other], "older"),
        ],
        total: 4,
    };
    let shown = answer(None, None, Some(view));
    let told: Vec<serde_json::Value> = shown
        .events
        .iter()
        .map(|emit| serde_json::from_str(&emit.args).unwrap())
        .collect();
    assert!(shown.events.iter().all(|emit| emit.name == "snippets"));
    assert_eq!(told.len(), 2);
    assert_eq!(
        (&told[0]["id"], &told[0]["message"]["content"]),
        (&"c".into(), &"newer".into())
    );
    assert_eq!(
        (&told[1]["id"], &told[1]["message"]["content"]),
        (&7.into(), &"older".into())
    );
    let ack: serde_json::Value = serde_json::from_str(&shown.ack).unwrap();
    assert_eq!(ack["snippets"], serde_json::Value::from(told));
}

#[test]
fn a_file_without_text_is_shown_by_its_address() {
    let file = Media {
        name: "f.png".to_owned(),
        kind: MediaKind::Image,
        mime: "image/png".to_owned(),
        bytes: 1,
        title: None,
        thumbnail: None,
    };
    for (text, expected) in [("", "https://chat.example/media/f.png"), ("look", "look")] {
        let body = Body {
            media: vec![file.clone()],
            ..Body::text(text)
        };
        let event = message(ConversationKind::Direct, body);
        let shown = Pair.show(&stage(Audience::Person(UserId(1))), &event);
        let value: serde_json::Value = serde_json::from_str(&shown[0].emit.args).unwrap();
        assert_eq!(value["content"], expected);
    }
}

#[test]
fn refusals_are_said_in_its_own_words() {
    let said = |payload: Option<(&str, &str)>, refusal: Refusal| {
        let request = payload.map(|(name, payload)| read(name, payload).unwrap());
        let answer = Pair.answer(&site(), request.as_ref(), Err(&refusal));
        let (name, args) = only_event(&answer);
        assert_eq!(name, "info");
        serde_json::from_str::<String>(args).unwrap()
    };
    let message = Some(("message", r#"{"to":"b","content":"x"}"#));
    let register = Some(("registerMessages", r#"{"token":"t"}"#));
    let stop = Some(("stopWriting", r#"{"id":"b","token":"t"}"#));
    for (asked, refusal, words) in [
        (message, Refusal::BlankText, "content must not be blank"),
        (
            message,
            Refusal::TextTooLong { limit: 9 },
            "content is longer than 9 bytes",
        ),
        (
            message,
            Refusal::SamePerson,
            "to must be somebody else than you",
        ),
        (
            message,
            Refusal::NotIdentified,
            "send registerMessages first",
        ),
        (
            message,
            Refusal::Blocked,
            "this person takes no messages from you",
        ),
        (register, Refusal::TokenExpired, "the token has expired"),
        (
            None,
            Refusal::TokenExpired,
            "your token has expired; connect again with a new one",
        ),
        (
            register,
            Refusal::NotTheTokensSubject,
            "token is for somebody else than the auth.token of your socket",
        ),
        (
            stop,
            Refusal::NotTheTokensSubject,
            "token is for somebody else than you",
        ),
    ] {
        assert_eq!(said(asked, refusal), words);
    }
}

/// JSON with this dialect's names.
fn json() -> impl Strategy<Value = String> {
    let names: Vec<_> = EVENTS
        .iter()
        .flat_map(|(_, fields)| *fields)
        .copied()
        .collect();
    sample::json(&names, &[&format!("{UUID:?}")])
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
        match Pair.read(&seat(), &event) {
            Ok(request) => {
                // Whatever is asked can be answered with any refusal.
                let refused = Pair.answer(&site(), Some(&request), Err(&Refusal::UnknownConversation));
                serde_json::from_str::<serde_json::Value>(&refused.ack).unwrap();
                let asked = matches!(
                    request.query,
                    Some(Query::History { conversation: ConversationRef::Direct(..), limit: 1..=1_000, .. })
                );
                prop_assert_eq!(asked, name == "conversation");
            }
            Err(refusal) => {
                let message = refusal.to_string();
                prop_assert!(fields.iter().any(|field| message.contains(field)), "{}", message);
                let answer = Pair.answer(&site(), None, Err(&refusal));
                let ack: serde_json::Value = serde_json::from_str(&answer.ack).unwrap();
                prop_assert_eq!(&ack["error"]["message"], &serde_json::Value::from(message.as_str()));
                prop_assert_eq!(&ack["success"], &serde_json::Value::from(false));
                prop_assert_eq!(answer.events.len(), 1);
                let told: String = serde_json::from_str(&answer.events[0].args).unwrap();
                prop_assert_eq!(told, message);
            }
        }
    }

    #[test]
    fn what_is_shown_is_json_that_says_what_was_written(text in any::<String>()) {
        let event = message(ConversationKind::Direct, Body::text(text.as_str()));
        let shown = Pair.show(&stage(Audience::Person(UserId(1))), &event);
        let value: serde_json::Value = serde_json::from_str(&shown[0].emit.args).unwrap();
        prop_assert_eq!(&value["content"], &serde_json::Value::from(text));
    }
}

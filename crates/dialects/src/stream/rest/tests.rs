//! Every endpoint: what it asks of the core, and what a refusal is answered.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};

use super::{answer::cursor, *};
use crate::{rest::Call as _, sample};

const M: &str = "00000000-0000-0000-0000-00000000000a";

/// What a body is read into.
fn read<T>(body: &Value, read: impl FnOnce(Input<'_>) -> Result<T, Refusal>) -> Result<T, Refusal> {
    let raw = RawValue::from_string(body.to_string()).unwrap();
    read(Input::Json(&raw))
}

/// What an action does to a room, and the room.
fn act(call: Result<Call, Refusal>) -> (RoomName, RoomAct) {
    match call.unwrap().request.command {
        Some(Command::InRoom {
            room,
            by: None,
            act,
        }) => (room, *act),
        other => panic!("{other:?}"),
    }
}

fn gaming() -> RoomName {
    RoomName::Slug("gaming".to_owned())
}

#[test]
fn channels_go_by_slug_or_number_and_chatrooms_by_number() {
    for (text, expected) in [
        ("gaming", gaming()),
        ("GamIng", gaming()),
        ("1a", RoomName::Slug("1a".to_owned())),
        ("676", RoomName::Channel(676)),
    ] {
        let call = get_channel(text).unwrap();
        let Some(Query::Room {
            room,
            before: None,
            limit: 0,
        }) = call.request.query
        else {
            panic!("{call:?}");
        };
        assert_eq!(room, expected);
        assert_eq!(act(unpin(text)).0, expected);
    }
    assert!(matches!(
        get_channel("99999999999999999999"),
        Err(Refusal::UnknownConversation)
    ));
    let (room, deleted) = act(delete_message("668", M));
    let message = M.parse().unwrap();
    assert_eq!(
        (room, deleted),
        (RoomName::Chatroom(668), RoomAct::DeleteMessage { message })
    );
    for text in ["gaming", "-1", "+1", ""] {
        let refused = delete_message(text, M);
        assert!(
            matches!(refused, Err(Refusal::UnknownConversation)),
            "{text}"
        );
    }
    assert!(matches!(
        delete_message("668", "x"),
        Err(Refusal::UnknownMessage)
    ));
}

#[test]
fn a_cursor_is_read_as_it_was_written() {
    for g in [1, 35, 36, 1_000_000_007, u64::MAX] {
        let form = Form {
            texts: vec![("cursor".to_owned(), cursor(g))],
            ..Form::default()
        };
        let call = list_messages("gaming", &form).unwrap();
        let query = Query::Room {
            room: gaming(),
            before: Some(Before::G(g)),
            limit: 50,
        };
        assert_eq!(call.request.query, Some(query));
    }
    assert_eq!(cursor(35 * 36 + 1), "z1");
}

#[test]
fn a_channel_has_an_owner_whoever_makes_it() {
    let made = |body: &Value| {
        let call = read(body, create_channel).unwrap();
        match call.request.command {
            Some(Command::CreateRoom {
                slug,
                title,
                owner,
                private,
            }) => (slug, title, owner, private),
            other => panic!("{other:?}"),
        }
    };
    let alone = made(&json!({ "slug": "xQc_1", "title": null }));
    assert_eq!(alone, ("xqc_1".to_owned(), None, "xQc_1".to_owned(), false));
    let more = json!({ "slug": "a", "title": " A ", "owner": " Bea ", "private": true });
    let expected = ("a".to_owned(), Some("A".to_owned()), "Bea".to_owned(), true);
    assert_eq!(made(&more), expected);
}

#[test]
fn a_message_is_the_tokens_or_the_one_whom_the_app_names() {
    let send = |asker, body: &Value| {
        let key = Some("k");
        let call = read(body, |input| send_message(asker, "668", input, key)).unwrap();
        match call.request.command {
            Some(Command::Send {
                to: Destination::Room { room, standing },
                sender,
                body,
                client_id,
            }) => {
                assert_eq!((room, client_id.as_deref()), (RoomName::Chatroom(668), key));
                (sender, standing, body)
            }
            other => panic!("{other:?}"),
        }
    };
    let body = json!({
        "content": " a ", "type": "reply", "sender": {
            "username": "Sam", "follower_since": "1970-01-01T00:00:01Z", "subscriber_months": 2,
        },
        "metadata": {
            "original_message": { "id": M, "content": "b" }, "original_sender": {}, "message_ref": "7",
        },
    });
    let (sender, standing, said) = send(Scope::Client, &body);
    assert_eq!((sender, standing), (UserRef::Subject, None));
    assert_eq!(
        (&*said.text, said.reply_to),
        (" a ", Some(M.parse().unwrap()))
    );
    assert_eq!(json!(said.metadata), json!({ "message_ref": "7" }));
    let (sender, standing, _) = send(Scope::Server, &body);
    assert_eq!(sender, UserRef::Called("Sam".to_owned()));
    let standing = standing.unwrap();
    assert_eq!(standing.follower_since, Some(Timestamp(1_000)));
    assert_eq!(standing.subscriber_months, 2);

    // Of a message that is no reply nothing is an answer.
    let plain = json!({ "content": "a", "metadata": { "original_message": { "id": M } } });
    let (_, _, said) = send(Scope::Client, &plain);
    assert_eq!((said.reply_to, said.metadata), (None, None));
}

#[test]
fn each_body_becomes_an_act() {
    let username = || "Sam".to_owned();
    for (body, minutes) in [
        (
            json!({ "banned_username": " Sam ", "permanent": true, "duration": 5 }),
            None,
        ),
        (json!({ "banned_username": "Sam", "duration": 5 }), Some(5)),
        (
            json!({ "banned_username": "Sam", "permanent": false, "duration": 5 }),
            Some(5),
        ),
    ] {
        let (room, banned) = act(read(&body, |input| ban("Gaming", input)));
        let username = username();
        assert_eq!(
            (room, banned),
            (gaming(), RoomAct::Ban { username, minutes })
        );
    }
    for (duration, seconds) in [(Value::Null, 1_200), (json!("60"), 60), (json!(60), 60)] {
        let body = json!({ "message": { "id": M, "content": "a" }, "duration": duration });
        let (_, pinned) = act(read(&body, |input| pin("gaming", input)));
        let message = M.parse().unwrap();
        assert_eq!(pinned, RoomAct::Pin { message, seconds });
    }
    let body = json!({ "title": " ? ", "options": ["a ", "b"], "duration": 60 });
    let (_, opened) = act(read(&body, |input| open_poll("gaming", input)));
    let expected = RoomAct::OpenPoll {
        title: "?".to_owned(),
        options: vec!["a".to_owned(), "b".to_owned()],
        seconds: 60,
        display_seconds: 15,
    };
    assert_eq!(opened, expected);
    let body = json!({ "id": 2, "sender": { "username": "Sam" } });
    for (asker, voter) in [
        (Scope::Client, UserRef::Subject),
        (Scope::Server, UserRef::Called(username())),
    ] {
        let now = Timestamp(0);
        let (_, voted) = act(read(&body, |input| vote(asker, "gaming", input, now)));
        assert_eq!(voted, RoomAct::Vote { option: 2, voter });
    }
    let body =
        json!({ "followers_mode": { "min_duration": 10 }, "emotes_mode": { "enabled": true } });
    let (_, changed) = act(read(&body, |input| set_modes("gaming", input)));
    let RoomAct::SetModes(patch) = changed else {
        panic!("not modes");
    };
    assert_eq!(
        (patch.followers.enabled, patch.followers.amount),
        (None, Some(10))
    );
    assert_eq!((patch.emotes, patch.subscribers), (Some(true), None));
}

#[test]
fn a_form_is_no_body_here() {
    let form = Form {
        texts: vec![("username".to_owned(), "Sam".to_owned())],
        ..Form::default()
    };
    let refusal = add_moderator("gaming", Input::Form(&form)).unwrap_err();
    let answer = Call::refuse(&refusal);
    let expected = r#"{"message":"body must be a JSON object","code":"invalid"}"#;
    assert_eq!((answer.status, &*answer.body), (422, expected));
}

#[test]
fn refusals_are_said_of_what_was_asked_for() {
    let now = Timestamp(0);
    let body = json!({ "id": 1 });
    let voted = read(&body, |input| vote(Scope::Client, "gaming", input, now));
    let send = json!({ "content": "a" });
    let send = read(&send, |input| {
        send_message(Scope::Client, "668", input, None)
    });
    for (call, refusal, status, message) in [
        (
            get_channel("a"),
            Refusal::UnknownConversation,
            404,
            "slug is not a channel here",
        ),
        (
            delete_message("1", M),
            Refusal::UnknownConversation,
            404,
            "chatroom_id is not a chatroom here",
        ),
        (
            delete_message("1", M),
            Refusal::UnknownMessage,
            404,
            "id is not a message of this chatroom",
        ),
        (
            unban("a", "b"),
            Refusal::NothingThere,
            404,
            "username is not banned here",
        ),
        (
            unpin("a"),
            Refusal::NothingThere,
            404,
            "no message is pinned here",
        ),
        (
            voted,
            Refusal::NoPoll,
            404,
            "there is no poll in which one can vote",
        ),
        (get_poll("a", now), Refusal::NoPoll, 404, "there is no poll"),
        (
            unpin("a"),
            Refusal::NotAllowed,
            403,
            "you may not change this",
        ),
        (
            send,
            Refusal::HeldForReview,
            202,
            "the text waits until somebody has looked at it",
        ),
    ] {
        let call = call.unwrap();
        let answer = call.answer(&Site::default(), Err(&refusal));
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, &body["message"]), (status, &json!(message)));
        assert_eq!(body["code"], refusal.code());
    }
    // Who only looks has perhaps not said who it is.
    let [looks, acts] = [get_channel("a"), unpin("a")].map(|call| {
        let answer = call
            .unwrap()
            .answer(&Site::default(), Err(&Refusal::TokenRequired));
        answer.status
    });
    assert_eq!((looks, acts), (401, 403));
}

type Reader = fn(Input<'_>) -> Result<Call, Refusal>;

/// The endpoints that take a body.
const READERS: &[Reader] = &[
    create_channel,
    |input| send_message(Scope::Server, "1", input, None),
    |input| ban("a", input),
    |input| run_command("a", input),
    |input| set_modes("a", input),
    |input| pin("a", input),
    |input| open_poll("a", input),
    |input| vote(Scope::Server, "a", input, Timestamp(0)),
    |input| tell_subscription("a", input),
    |input| set_livestream("a", input),
    |input| tell_event("a", input),
    |input| add_moderator("a", input),
];

const FIELDS: &[&str] = &[
    "slug",
    "title",
    "owner",
    "private",
    "content",
    "type",
    "metadata",
    "sender",
    "username",
    "original_message",
    "id",
    "banned_username",
    "permanent",
    "duration",
    "command",
    "slow_mode",
    "enabled",
    "message_interval",
    "followers_mode",
    "min_duration",
    "message",
    "options",
    "months",
    "is_live",
    "tags",
    "categories",
    "event",
    "data",
    "follower_since",
];

proptest! {
    /// Whatever is JSON is read, or a field is named that a client knows.
    #[test]
    fn any_body_is_read_or_refused_by_name(
        body in sample::json(FIELDS, &[&format!("{M:?}"), r#""reply""#, r#""60""#, r#""a""#]),
    ) {
        let raw = RawValue::from_string(body).unwrap();
        for read in READERS {
            match read(Input::Json(&raw)) {
                Ok(call) => prop_assert!(call.request.command.is_some()),
                Err(refusal) => {
                    let named = matches!(refusal, Refusal::Invalid { .. });
                    prop_assert!(named, "{refusal:?}");
                    let answer = Call::refuse(&refusal);
                    prop_assert_eq!(answer.status, 422);
                }
            }
        }
    }
}

//! Every endpoint: what it asks of the core, what it refuses, what it answers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use chat::{
    Body, ConversationKind, ExternalId, Media, Refusal, Reply, View,
    model::{MediaKind, Metadata},
    store::ConversationSummary,
};
use serde_json::{Value, json, value::RawValue};

use super::*;
use crate::{
    rest::Call as _,
    sample::{self, site},
};

const A: &str = "00000000-0000-0000-0000-000000000001";
const B: &str = "00000000-0000-0000-0000-000000000002";
const C: &str = "00000000-0000-0000-0000-00000000000c";
const D: &str = "00000000-0000-0000-0000-00000000000d";

fn form(texts: &[(&str, &str)]) -> Form {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    Form {
        texts: texts.iter().map(owned).collect(),
        files: Vec::new(),
    }
}

fn body<T>(value: &Value, read: impl FnOnce(Input<'_>) -> T) -> T {
    let raw = RawValue::from_string(value.to_string()).unwrap();
    read(Input::Json(&raw))
}

fn heron() -> Media {
    Media {
        name: "5f.png".to_owned(),
        kind: MediaKind::Image,
        mime: "image/png".to_owned(),
        bytes: 2048,
        title: None,
        thumbnail: None,
    }
}

fn command(call: &Call) -> String {
    format!("{:?}", call.request.command.as_ref().unwrap())
}

fn query(call: &Call) -> String {
    format!("{:?}", call.request.query.as_ref().unwrap())
}

/// What the caller is told when the core refuses.
fn told(call: &Call, refusal: &Refusal) -> (u16, Value) {
    let response = call.answer(&site(), Err(refusal));
    (
        response.status,
        serde_json::from_str(&response.body).unwrap(),
    )
}

fn answered(call: &Call, reply: Option<Reply>, view: Option<View>) -> Value {
    let response = call.answer(&site(), Ok(&Answered { reply, view }));
    assert_eq!(response.status, 200);
    serde_json::from_str(&response.body).unwrap()
}

#[test]
fn a_form_and_json_mean_the_same() {
    let mut multipart = form(&[
        ("username", "ada"),
        ("name", "Ada"),
        ("avatar", "img.co"),
        ("metadata", r#"{"test":3,"gone":null}"#),
    ]);
    let from_form = put_user(Input::Form(&multipart)).unwrap();
    let from_json = body(
        &json!({"username": "ada", "name": "Ada", "avatar": "img.co",
            "metadata": {"test": 3, "gone": null}}),
        put_user,
    );
    let expected = r#"PutUser { user: ExternalId { text: "ada", number: false }, patch: ProfilePatch { name: Some("Ada"), avatar: Some(Url("img.co")), metadata: Some(Metadata({"gone": Null, "test": Number(3)})) } }"#;
    assert_eq!(command(&from_form), expected);
    assert_eq!(command(&from_json.unwrap()), expected);

    // A file counts more than an address.
    multipart.files.push(("avatar_file".to_owned(), heron()));
    let with_file = put_user(Input::Form(&multipart)).unwrap();
    assert!(command(&with_file).contains(r#"avatar: Some(Media(Media { name: "5f.png""#));
}

#[test]
fn blank_names_and_absent_fields_change_nothing() {
    let call = body(
        &json!({"name": "  ", "avatar": "", "metadata": null}),
        |body| update_user(A, body),
    );
    assert_eq!(
        command(&call.unwrap()),
        format!(
            "UpdateUser {{ user: Uuid({A}), patch: ProfilePatch {{ name: None, avatar: None, metadata: None }} }}"
        )
    );
}

#[test]
fn two_people_in_json_are_their_chat_and_all_else_is_a_group() {
    let pair = json!({"usernames": ["ada", "bob"], "user_id": A, "metadata": {"test": 3}});
    let call = body(&pair, open_chat).unwrap();
    assert_eq!(
        command(&call),
        format!(
            r#"OpenDirect {{ user: Both({A}, "ada"), other: Known("bob"), metadata: Some(Metadata({{"test": Number(3)}})), dialect: None }}"#
        )
    );
    assert_eq!(
        query(&call),
        format!(
            r#"History {{ conversation: Opened, viewer: Some(Both({A}, "ada")), before: None, offset: 0, limit: 1 }}"#
        )
    );
    let anonymous = body(&json!({"usernames": ["ada", "bob"]}), open_chat).unwrap();
    assert!(command(&anonymous).starts_with(r#"OpenDirect { user: Known("ada")"#));

    let group = r#"members: [Known("bob")], details: Details { title: None, avatar: None, metadata: None, product: None, room: None } }"#;
    let multipart = form(&[("user_id", A), ("usernames", "ada"), ("usernames", "bob")]);
    let call = open_chat(Input::Form(&multipart)).unwrap();
    assert_eq!(
        command(&call),
        format!(r#"CreateGroup {{ owner: Both({A}, "ada"), {group}"#)
    );
    for more in [
        json!({"usernames": ["ada", "bob", "eve"]}),
        json!({"usernames": ["ada", "bob"], "title": "Herons"}),
        json!({"usernames": ["ada", "bob"], "avatar": "img.co"}),
    ] {
        let call = body(&more, open_chat).unwrap();
        assert!(command(&call).starts_with("CreateGroup"), "{more}");
    }
}

#[test]
fn lists_of_names_come_with_and_without_brackets() {
    let bracketed = form(&[("usernames[]", "a"), ("usernames[]", "b")]);
    let plain = form(&[("usernames", "a"), ("usernames", "b")]);
    let expected = r#"Users { users: [Known("a"), Known("b")] }"#;
    assert_eq!(query(&list_users(&bracketed).unwrap()), expected);
    assert_eq!(query(&list_users(&plain).unwrap()), expected);
}

#[test]
fn pages_begin_at_1() {
    for (page, offset) in [(None, 0), (Some("1"), 0), (Some("3"), 50)] {
        let mut texts = vec![("user_id", A), ("chat_id", C)];
        texts.extend(page.map(|page| ("page", page)));
        let chats = list_chats(&form(&texts)).unwrap();
        let expected = format!(
            "Conversations {{ user: Uuid({A}), kind: None, offset: {offset}, limit: 25, message_offset: 0, message_limit: 1 }}"
        );
        assert_eq!(query(&chats), expected);
        let messages = list_messages(&form(&texts)).unwrap();
        let expected = format!(
            "History {{ conversation: Uuid({C}), viewer: Some(Uuid({A})), before: None, offset: {offset}, limit: 25 }}"
        );
        assert_eq!(query(&messages), expected);
    }
    for page in ["0", "-1", "+1", "1.5", "one", "", " 1", "4294967296"] {
        let query = form(&[("user_id", A), ("page", page)]);
        let refusal = list_chats(&query).unwrap_err().to_string();
        assert_eq!(refusal, "page must be a whole number, 1 or more", "{page}");
    }
}

#[test]
fn a_page_in_demo_mode_looks_as_the_user_demo() {
    let call = list_chats(&form(&[("user_id", "demo")])).unwrap();
    assert!(query(&call).contains(r#"user: Known("demo")"#));
}

#[test]
fn the_other_endpoints_ask_what_they_say() {
    let sent = form(&[("chat_id", C), ("user_id", A), ("text", "Hi")]);
    let id = json!({"user_id": B});
    for (call, expected) in [
        (delete_user(A), format!("DeleteUser {{ user: Uuid({A}) }}")),
        (
            block(A, B),
            format!("Block {{ user: Uuid({A}), whom: Uuid({B}) }}"),
        ),
        (
            unblock(A, B),
            format!("Unblock {{ user: Uuid({A}), whom: Uuid({B}) }}"),
        ),
        (
            body(&json!({"metadata": {"a": 1}}), |body| update_chat(C, body)),
            format!(
                r#"UpdateConversation {{ conversation: {C}, by: None, patch: DetailsPatch {{ title: None, avatar: None, metadata: Some(Metadata({{"a": Number(1)}})) }} }}"#
            ),
        ),
        (
            delete_chat(C),
            format!("DeleteConversation {{ conversation: {C}, by: None }}"),
        ),
        (
            body(&id, |body| add_participant(C, body)),
            format!("AddMember {{ conversation: {C}, user: Uuid({B}), by: None }}"),
        ),
        (
            remove_participant(C, B),
            format!("RemoveMember {{ conversation: {C}, user: Uuid({B}), by: None }}"),
        ),
        (
            send_message(Input::Form(&sent), Some("key")),
            format!(
                r#"Send {{ to: Conversation(Uuid({C})), sender: Uuid({A}), body: Body {{ text: "Hi", media: [], metadata: None, reply_to: None }}, client_id: Some("key") }}"#
            ),
        ),
        (
            body(&json!({"text": "Ho"}), |body| edit_message(D, body)),
            format!(
                r#"EditMessage {{ message: {D}, by: None, patch: BodyPatch {{ text: Some("Ho"), media: None, metadata: None }} }}"#
            ),
        ),
        (
            delete_message(D),
            format!("DeleteMessage {{ message: {D}, within: None, by: None }}"),
        ),
        (
            body(&id, |body| mark_seen(D, body)),
            format!("MarkRead {{ message: {D}, reader: Uuid({B}) }}"),
        ),
    ] {
        assert_eq!(command(&call.unwrap()), expected);
    }
    let blocks = list_blocks(A).unwrap();
    assert_eq!(query(&blocks), format!("Blocks {{ user: Uuid({A}) }}"));
    let by_id = get_user(&form(&[("id", A), ("username", "ada")])).unwrap();
    assert_eq!(query(&by_id), format!("Users {{ users: [Uuid({A})] }}"));
    let by_name = get_user(&form(&[("username", "ada")])).unwrap();
    assert_eq!(query(&by_name), r#"Users { users: [Known("ada")] }"#);
}

#[test]
fn bad_input_is_refused_by_the_field_that_is_bad() {
    let long = "x".repeat(257);
    let url = "x".repeat(2049);
    let usernames = vec!["x"; 1_001];
    let nobody = Form::default();
    for (result, expected) in [
        (put_user(Input::Form(&nobody)), "username is missing"),
        (body(&json!([]), put_user), "payload must be an object"),
        (
            body(&json!({"username": 7}), put_user),
            "username must be a string",
        ),
        (
            body(&json!({"username": ""}), put_user),
            "username must be a string of 1 to 256 bytes",
        ),
        (
            body(&json!({"username": long}), put_user),
            "username must be a string of 1 to 256 bytes",
        ),
        (
            body(&json!({"username": "a", "name": long}), put_user),
            "name must have at most 256 bytes",
        ),
        (
            body(&json!({"username": "a", "avatar": url}), put_user),
            "avatar must have at most 2048 bytes",
        ),
        (
            body(&json!({"username": "a", "metadata": []}), put_user),
            "metadata must be an object",
        ),
        (
            put_user(Input::Form(&form(&[("username", "a"), ("metadata", "{")]))),
            "metadata must be a JSON object",
        ),
        (get_user(&nobody), "username is missing"),
        (get_user(&form(&[("id", "7")])), "id must be a UUID"),
        (list_users(&nobody), "usernames is missing"),
        (
            body(&json!({"usernames": "ada"}), open_chat),
            "usernames must be an array of strings",
        ),
        (
            body(&json!({"usernames": ["ada"]}), open_chat),
            "usernames must be two",
        ),
        (
            body(&json!({"usernames": usernames}), open_chat),
            "usernames must be at most 1000",
        ),
        (
            body(&json!({"usernames": ["a", "b"], "user_id": "a"}), open_chat),
            "user_id must be a UUID",
        ),
        (list_chats(&nobody), "user_id is missing"),
        (list_messages(&nobody), "chat_id is missing"),
        (
            get_chat(C, &form(&[("user_id", "me")])),
            "user_id must be a UUID",
        ),
        (
            body(&json!({}), |body| add_participant(C, body)),
            "user_id is missing",
        ),
        (
            body(&json!({"user_id": A}), |body| send_message(body, None)),
            "chat_id is missing",
        ),
        (
            body(&json!({"chat_id": C}), |body| send_message(body, None)),
            "user_id is missing",
        ),
        (
            body(&json!({"chat_id": C, "user_id": A}), |body| {
                send_message(body, Some(""))
            }),
            "Idempotency-Key must be a string of 1 to 128 bytes",
        ),
        (
            body(&json!({"text": 1}), |body| edit_message(D, body)),
            "text must be a string",
        ),
    ] {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_id_in_a_path_that_can_be_none_names_nothing() {
    for call in [
        delete_user("x"),
        list_blocks("x"),
        block("x", A),
        unblock(A, "x"),
    ] {
        assert_eq!(call.unwrap_err(), Refusal::UnknownUser);
    }
    assert_eq!(delete_chat("x").unwrap_err(), Refusal::UnknownConversation);
    assert_eq!(delete_message("x").unwrap_err(), Refusal::UnknownMessage);
    assert_eq!(
        remove_participant(C, "x").unwrap_err(),
        Refusal::UnknownUser
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn refusals_of_the_core_speak_of_the_callers_own_fields() {
    let pair = body(&json!({"usernames": ["a", "b"]}), open_chat).unwrap();
    let sent = json!({"chat_id": C, "user_id": A});
    let sent = body(&sent, |body| send_message(body, None)).unwrap();
    let added = body(&json!({"user_id": B}), |body| add_participant(C, body)).unwrap();
    let chat = get_chat(C, &Form::default()).unwrap();
    let messages = list_messages(&form(&[("chat_id", C), ("user_id", A)])).unwrap();
    let user = get_user(&form(&[("username", "x")])).unwrap();
    let put = body(&json!({"username": "x"}), put_user).unwrap();
    let (blocked, blocks) = (block(A, B).unwrap(), list_blocks(A).unwrap());
    for (call, refusal, status, message) in [
        (
            &blocked,
            Refusal::SamePerson,
            422,
            "id and other_id must be two different people",
        ),
        (
            &blocked,
            Refusal::UnknownUser,
            404,
            "id or other_id is not a user of this app",
        ),
        (
            &blocked,
            Refusal::NotTheTokensSubject,
            403,
            "id is not the user of your key",
        ),
        (
            &blocks,
            Refusal::UnknownUser,
            404,
            "id is not a user of this app",
        ),
        (
            &pair,
            Refusal::SamePerson,
            422,
            "usernames must be two different people",
        ),
        (
            &pair,
            Refusal::UnknownUser,
            404,
            "somebody in usernames, or user_id, is not a user of this app",
        ),
        (
            &pair,
            Refusal::NotTheTokensSubject,
            403,
            "the first of usernames is not the user of your key",
        ),
        (
            &sent,
            Refusal::UnknownConversation,
            404,
            "chat_id is not a chat that user_id may see",
        ),
        (&sent, Refusal::BlankText, 422, "text must not be blank"),
        (
            &sent,
            Refusal::TextTooLong { limit: 9 },
            422,
            "text is longer than 9 bytes",
        ),
        (
            &sent,
            Refusal::MetadataTooLarge { limit: 9 },
            422,
            "metadata is longer than 9 bytes",
        ),
        (
            &added,
            Refusal::UnknownUser,
            404,
            "user_id is not a user of this app",
        ),
        (
            &added,
            Refusal::NotAMember,
            404,
            "user_id does not belong to this chat",
        ),
        (
            &added,
            Refusal::FixedMembers,
            409,
            "a chat of two people keeps its two people",
        ),
        (
            &chat,
            Refusal::UnknownConversation,
            404,
            "id is not a chat that you may see",
        ),
        (
            &messages,
            Refusal::UnknownConversation,
            404,
            "chat_id is not a chat that user_id may see",
        ),
        (
            &user,
            Refusal::UnknownUser,
            404,
            "username is not a user of this app",
        ),
        (
            &put,
            Refusal::TokenRequired,
            403,
            "this app needs a user key, which is a signed token, in Authorization",
        ),
        (
            &put,
            Refusal::NotTheTokensSubject,
            403,
            "username is not the user of your key",
        ),
        (
            &put,
            Refusal::UnknownKey,
            401,
            "Authorization has no key that this server knows",
        ),
    ] {
        let expected = json!({"success": false, "message": message, "code": refusal.code()});
        assert_eq!(told(call, &refusal), (status, expected));
    }
}

#[test]
fn what_is_no_object_is_called_the_body() {
    let unread = refuse(
        None,
        &Refusal::Invalid {
            field: "",
            must: "must be an object",
        },
    );
    assert_eq!(unread.status, 422);
    assert!(
        unread.body.contains("body must be an object"),
        "{}",
        unread.body
    );
}

#[test]
fn a_user_who_is_not_there_is_404() {
    let call = get_user(&form(&[("id", A)])).unwrap();
    let result = Answered {
        reply: None,
        view: Some(View::Users(Vec::new())),
    };
    let response = call.answer(&site(), Ok(&result));
    assert_eq!(response.status, 404);
    assert!(response.body.contains("id is not a user of this app"));
}

#[test]
fn answers_have_their_objects_in_their_envelopes() {
    let (ada, bob) = (
        sample::user(1, ExternalId::text("ada")),
        sample::user(2, ExternalId::text("bob")),
    );
    let mut place = sample::conversation(ConversationKind::Direct, &[&ada, &bob]);
    place.messages = 26;
    let message = sample::message(&place, &ada, Body::text("Hi"));
    let user = json!({"id": A, "username": "ada", "name": "ada",
        "created_at": "2023-11-14T22:13:20.000Z", "last_active": "2023-11-14T22:13:20.000Z"});
    let said = json!({"id": D, "chat_id": C, "text": "Hi", "metadata": null, "seen": false,
        "created_at": "2023-11-14T22:13:20.000Z", "user": user, "success": true});
    let chat = |title: &str| {
        json!({"id": C, "title": title, "avatar": null, "metadata": null,
            "participant_user_ids": [A, B], "created_at": "2023-11-14T22:13:20.000Z",
            "last_message": said, "success": true})
    };

    let put = body(&json!({"username": "ada"}), put_user).unwrap();
    let reply = Reply::User {
        user: Arc::clone(&ada),
    };
    assert_eq!(answered(&put, Some(reply), None), json!({"user": user}));

    let listed = list_users(&form(&[("usernames", "ada")])).unwrap();
    let view = View::Users(vec![Arc::clone(&ada)]);
    assert_eq!(
        answered(&listed, None, Some(view)),
        json!({"users": [user]})
    );

    let added = body(&json!({"user_id": A}), |body| add_participant(C, body)).unwrap();
    let reply = Reply::Membership {
        user: Arc::clone(&ada),
        unchanged: true,
    };
    assert_eq!(
        answered(&added, Some(reply), None),
        json!({"success": true, "participant": user})
    );

    let opened = get_chat(C, &Form::default()).unwrap();
    let history = |viewer: Option<&Arc<chat::User>>| View::History {
        conversation: place.clone(),
        viewer: viewer.map(Arc::clone),
        messages: vec![message.clone()],
    };
    assert_eq!(
        answered(&opened, None, Some(history(Some(&ada)))),
        chat("bob")
    );
    assert_eq!(
        answered(&opened, None, Some(history(None))),
        chat("ada, bob")
    );

    let messages = list_messages(&form(&[("chat_id", C), ("page", "2")])).unwrap();
    assert_eq!(
        answered(&messages, None, Some(history(None))),
        json!({"success": true, "page": 2, "total_messages": 26, "total_pages": 2,
            "messages": [said]})
    );

    let chats = list_chats(&form(&[("user_id", B)])).unwrap();
    let view = View::Conversations {
        viewer: Arc::clone(&bob),
        conversations: vec![ConversationSummary {
            conversation: place.clone(),
            messages: vec![message.clone()],
        }],
        total: 25,
    };
    assert_eq!(
        answered(&chats, None, Some(view)),
        json!({"success": true, "page": 1, "total_chats": 25, "total_pages": 1,
            "chats": [chat("ada")]})
    );

    let sent = json!({"chat_id": C, "user_id": A, "text": "Hi"});
    let sent = body(&sent, |body| send_message(body, None)).unwrap();
    let reply = Reply::Sent {
        message: Arc::new(message),
        members: Arc::new([]),
        repeated: false,
        opened: None,
    };
    assert_eq!(answered(&sent, Some(reply), None), said);

    let deleted = delete_chat(C).unwrap();
    assert_eq!(
        answered(&deleted, Some(Reply::Done), None),
        json!({"success": true})
    );
}

/// A request's file goes into what it makes.
#[test]
fn files_of_a_form_are_placed() {
    let mut multipart = form(&[("chat_id", C), ("user_id", A)]);
    multipart.files.push(("file".to_owned(), heron()));
    let call = send_message(Input::Form(&multipart), None).unwrap();
    let Some(Command::Send { body, .. }) = call.request.command else {
        panic!("{call:?}");
    };
    assert_eq!(body.media, [heron()]);
    assert_eq!(body.metadata, None::<Metadata>);
}

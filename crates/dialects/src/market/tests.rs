//! What needs no conversation to be tested; conversations are in `transcripts/`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::borrow::Cow;

use std::sync::Arc;

use chat::{
    Body, ConversationKind, ConversationView, Event, ExternalId, Media, MessageView, Passing,
    Query, Refusal, Role, Subject, User, UserId,
    event::{Happening, Sign},
    model::{Details, MediaKind, Product},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CHAT, Market, PRESENCE};
use crate::{
    Audience, Dialect, Incoming, Request, Seat, Stage,
    sample::{self, seat, site},
};

const C: &str = "00000000-0000-0000-0000-00000000000c";
const D: &str = "00000000-0000-0000-0000-00000000000d";
const T: &str = "2023-11-14T22:13:20.000Z";

const ABOUT: &[&str] = &["productId", "recipientId"];
const PAGES: &[&str] = &["page", "limit", "messagePage", "messageLimit"];
const EVENTS: &[(&str, &[&str])] = &[
    ("joinChat", &["chatId", "messagePage", "messageLimit"]),
    ("joinRooms", PAGES),
    ("getUserChats", PAGES),
    (
        "sendMessage",
        &[
            "productId",
            "recipientId",
            "chatId",
            "text",
            "clientMessageId",
            "productName",
            "productPrice",
            "productImageUrl",
            "storeName",
            "storeLogoUrl",
            "customerName",
            "customerProfilePic",
        ],
    ),
    ("markAsRead", ABOUT),
    ("deleteMessage", &["productId", "recipientId", "messageId"]),
    ("typing", ABOUT),
    ("stoppedTyping", ABOUT),
];

fn number(id: i64) -> ExternalId {
    ExternalId {
        text: id.to_string(),
        number: true,
    }
}

fn subject(role: Option<Role>) -> Subject {
    let id = number(2);
    Subject::new(id, role)
}

fn event(name: &str, args: &[&str]) -> Incoming {
    Incoming {
        namespace: CHAT.to_owned(),
        ..sample::incoming(name, args)
    }
}

fn read_as(role: Role, name: &str, payload: &Value) -> Result<Request, Refusal> {
    let subject = subject(Some(role));
    let seat = Seat {
        subject: Some(&subject),
        ..seat()
    };
    Market.read(&seat, &event(name, &[&payload.to_string()]))
}

fn read(name: &str, payload: &Value) -> Result<Request, Refusal> {
    read_as(Role::Customer, name, payload)
}

fn refusal(name: &str, payload: &Value) -> String {
    read(name, payload).unwrap_err().to_string()
}

#[test]
fn claims_its_own_events_where_people_talk() {
    for (name, _) in EVENTS {
        assert!(Market.claims(&event(name, &[])), "{name}");
        for namespace in ["/", PRESENCE] {
            let namespace = namespace.to_owned();
            let elsewhere = Incoming {
                namespace,
                ..event(name, &[])
            };
            assert!(!Market.claims(&elsewhere), "{name}");
            let refused = Market.read(&seat(), &elsewhere).unwrap_err();
            assert_eq!(refused, Refusal::UnknownEvent);
        }
    }
    for name in ["message", "receiveMessage", "joinchat", ""] {
        assert!(!Market.claims(&event(name, &[])), "{name}");
    }
}

#[test]
fn customers_and_vendors_come_in_and_admins_only_say_that_they_are_there() {
    let wrong = Refusal::WrongRole {
        must: "must be customer or vendor",
    };
    for (role, presence, chat) in [
        (Some(Role::Customer), Ok(()), Ok(())),
        (Some(Role::Vendor), Ok(()), Ok(())),
        (Some(Role::Admin), Ok(()), Err(wrong.clone())),
        (None, Err(wrong.clone()), Err(wrong)),
    ] {
        let subject = subject(role);
        assert_eq!(Market.admit(PRESENCE, Some(&subject)), presence, "{role:?}");
        assert_eq!(Market.admit(CHAT, Some(&subject)), chat, "{role:?}");
    }
    for namespace in [PRESENCE, CHAT] {
        assert_eq!(Market.admit(namespace, None), Err(Refusal::TokenRequired));
    }
}

#[test]
fn customer_2_and_vendor_2_are_different_people() {
    let person = |role| Market.person(&subject(role));
    for (role, text) in [
        (Some(Role::Customer), "customer:2"),
        (Some(Role::Vendor), "vendor:2"),
        (Some(Role::Admin), "admin:2"),
        (None, "2"),
    ] {
        assert_eq!(person(role).text, text);
        assert!(person(role).number);
    }
}

#[test]
fn events_become_commands_and_queries() {
    let about = json!({"productId": 12345, "recipientId": 2});
    let shown = |request: Request| {
        let Request { command, query, .. } = request;
        (
            command.map(|command| format!("{command:?}")),
            query.map(|query| format!("{query:?}")),
        )
    };
    let vendor_2 = r#"Named(ExternalId { text: "vendor:2", number: true })"#;
    let customer_2 = r#"Named(ExternalId { text: "customer:2", number: true })"#;
    for (role, vendor, customer) in [
        (Role::Customer, vendor_2, "Subject"),
        (Role::Vendor, "Subject", customer_2),
    ] {
        let chat = format!(
            r#"Product(ProductRef {{ product: "12345", vendor: {vendor}, customer: {customer} }})"#
        );
        let mut unsend = about.clone();
        unsend["messageId"] = json!(D);
        for (name, payload, expected) in [
            (
                "markAsRead",
                &about,
                format!("MarkAllRead {{ conversation: {chat}, reader: Subject, tells: true }}"),
            ),
            (
                "typing",
                &about,
                format!("Typing {{ conversation: {chat}, user: Subject, writes: true }}"),
            ),
            (
                "stoppedTyping",
                &about,
                format!("Typing {{ conversation: {chat}, user: Subject, writes: false }}"),
            ),
            (
                "deleteMessage",
                &unsend,
                format!(
                    "DeleteMessage {{ message: {D}, within: Some({chat}), by: Some(Subject) }}"
                ),
            ),
        ] {
            let request = read_as(role, name, payload).unwrap();
            assert_eq!(shown(request), (Some(expected), None), "{name}");
        }
    }
    let join = read("joinChat", &json!({"chatId": C})).unwrap();
    let chat = format!("OfKind({C}, Product)");
    let expected = (
        Some(format!(
            "MarkAllRead {{ conversation: {chat}, reader: Subject, tells: false }}"
        )),
        Some(format!(
            "History {{ conversation: {chat}, viewer: Some(Subject), before: None, offset: 0, limit: 1000 }}"
        )),
    );
    assert_eq!(shown(join), expected);
}

#[test]
fn a_message_goes_to_a_person_about_a_product_or_into_a_chat() {
    let to = |payload: Value| match read("sendMessage", &payload).unwrap().command {
        Some(chat::Command::Send { to, .. }) => format!("{to:?}"),
        other => panic!("{other:?}"),
    };
    let of_the_two = to(json!({
        "productId": "p", "recipientId": "2", "text": "x", "chatId": "of another server",
        "productName": "Apple", "productPrice": 299.5, "productImageUrl": "p.png",
        "storeName": "Store", "storeLogoUrl": null, "customerName": "Ann",
        "customerProfilePic": "a.png",
    }));
    assert_eq!(
        of_the_two,
        r#"Product { vendor: Named(ExternalId { text: "vendor:2", number: false }), customer: Subject, product: Product { id: "p", name: Some("Apple"), price: Some("299.5"), image_url: Some("p.png"), store_name: Some("Store"), store_logo_url: None, customer_name: Some("Ann"), customer_picture: Some("a.png") } }"#
    );
    let chat = format!("Conversation(OfKind({C}, Product))");
    for payload in [
        json!({"chatId": C, "text": "x"}),
        json!({"chatId": C, "text": "x", "productId": "p"}),
        json!({"chatId": C, "text": "x", "productId": null, "recipientId": 2}),
    ] {
        assert_eq!(to(payload), chat);
    }
}

#[test]
fn pages_have_defaults_and_ceilings() {
    for (payload, expected) in [
        (None, (0, 50, 0, 20)),
        (Some("null"), (0, 50, 0, 20)),
        (Some("{}"), (0, 50, 0, 20)),
        (Some(r#"{"page":3}"#), (100, 50, 0, 20)),
        (
            Some(r#"{"page":2,"limit":7,"messagePage":3,"messageLimit":5}"#),
            (7, 7, 10, 5),
        ),
        (
            Some(r#"{"limit":1e9,"messageLimit":101}"#),
            (0, 100, 0, 100),
        ),
    ] {
        let args = Vec::from_iter(payload);
        for name in ["joinRooms", "getUserChats"] {
            let Some(Query::Conversations {
                offset,
                limit,
                message_offset,
                message_limit,
                ..
            }) = Market.read(&seat(), &event(name, &args)).unwrap().query
            else {
                panic!("a page of chats");
            };
            let page = (offset, limit, message_offset, message_limit);
            assert_eq!(page, expected, "{payload:?}");
        }
    }
    for (page, expected) in [
        (json!({}), (0, 1000)),
        (json!({"messageLimit": 5000}), (0, 1000)),
        (json!({"messageLimit": 20, "messagePage": 3}), (40, 20)),
    ] {
        let mut payload = page;
        payload["chatId"] = json!(C);
        let Some(Query::History { offset, limit, .. }) = read("joinChat", &payload).unwrap().query
        else {
            panic!("a page of messages");
        };
        assert_eq!((offset, limit), expected);
    }
}

fn with(base: &Value, field: &str, value: Value) -> Value {
    let mut payload = base.clone();
    payload[field] = value;
    payload
}

#[test]
fn refusals_name_what_is_wrong() {
    let id = "must be a whole number or a string of 1 to 256 bytes";
    let name = "must be a string of at most 256 bytes";
    let url = "must be a string of at most 2048 bytes";
    let message = json!({"productId": "p", "recipientId": 2, "text": "x"});
    let long = |bytes| json!("x".repeat(bytes));
    for (field, value, must) in [
        ("productId", json!(""), id),
        ("productId", json!(1.5), id),
        ("productId", long(257), id),
        ("recipientId", json!([2]), id),
        ("recipientId", json!(" "), id),
        ("text", json!(7), "must be a string"),
        ("text", Value::Null, "must be a string"),
        (
            "clientMessageId",
            json!(""),
            "must be a string of 1 to 128 bytes",
        ),
        ("clientMessageId", json!(1), "must be a string"),
        ("productName", long(257), name),
        ("storeName", long(257), name),
        ("customerName", json!({}), "must be a string"),
        ("productImageUrl", long(2049), url),
        ("storeLogoUrl", long(2049), url),
        ("customerProfilePic", json!(true), "must be a string"),
        (
            "productPrice",
            long(65),
            "must be a string or number of at most 64 bytes",
        ),
    ] {
        let payload = with(&message, field, value);
        assert_eq!(refusal("sendMessage", &payload), format!("{field} {must}"));
    }
}

#[test]
fn refusals_name_what_is_missing_or_of_no_use() {
    for (event, payload, expected) in [
        ("sendMessage", json!({}), "productId is missing"),
        (
            "sendMessage",
            json!({"productId": 1}),
            "recipientId is missing",
        ),
        (
            "sendMessage",
            json!({"chatId": 1, "text": "x"}),
            "chatId must be a UUID",
        ),
        ("sendMessage", json!({"chatId": C}), "text is missing"),
        (
            "sendMessage",
            json!([]),
            "payload must be an object with productId, recipientId and text",
        ),
        ("joinChat", json!({}), "chatId is missing"),
        (
            "joinChat",
            json!({"chatId": "67c0"}),
            "chatId must be a UUID",
        ),
        (
            "joinChat",
            json!(C),
            "payload must be an object with chatId",
        ),
        (
            "joinRooms",
            json!("all"),
            "payload must be an object with page, limit, messagePage and messageLimit, or nothing",
        ),
        (
            "deleteMessage",
            json!({"productId": 1, "recipientId": 2}),
            "messageId is missing",
        ),
        (
            "deleteMessage",
            json!({"productId": 1, "recipientId": 2, "messageId": "67c0"}),
            "messageId must be a UUID",
        ),
        (
            "typing",
            json!(7),
            "payload must be an object with productId and recipientId",
        ),
    ] {
        assert_eq!(refusal(event, &payload), expected);
    }
    for event in ["markAsRead", "deleteMessage", "typing", "stoppedTyping"] {
        assert_eq!(refusal(event, &json!({})), "productId is missing");
        let payload = json!({"productId": 1});
        assert_eq!(refusal(event, &payload), "recipientId is missing");
    }
    let whole = "must be a whole number, 1 or more";
    for field in PAGES {
        for value in [json!(0), json!(-1), json!(1.5), json!("1"), Value::Null] {
            let payload = with(&json!({}), field, value);
            assert_eq!(
                refusal("getUserChats", &payload),
                format!("{field} {whole}")
            );
        }
    }
    for field in ["messagePage", "messageLimit"] {
        let payload = with(&json!({"chatId": C}), field, json!(0));
        assert_eq!(refusal("joinChat", &payload), format!("{field} {whole}"));
    }
}

fn vendor() -> Arc<User> {
    sample::user(1, Market.person(&subject(Some(Role::Vendor))))
}

fn customer() -> Arc<User> {
    let id = ExternalId::text("2");
    let role = Some(Role::Customer);
    sample::user(2, Market.person(&Subject::new(id, role)))
}

fn place() -> ConversationView {
    ConversationView {
        details: Arc::new(Details {
            title: Some("Apple".to_owned()),
            product: Some(Box::new(Product {
                id: "p".to_owned(),
                name: Some("Apple".to_owned()),
                price: Some("2390".to_owned()),
                store_name: Some("Store".to_owned()),
                ..Product::default()
            })),
            ..Details::default()
        }),
        ..sample::conversation(ConversationKind::Product, &[&vendor(), &customer()])
    }
}

fn written(body: Body) -> MessageView {
    sample::message(&place(), &customer(), body)
}

fn sent(view: MessageView) -> Event {
    sample::event(&place(), Happening::MessageSent(view.into()))
}

fn stage(audience: Audience) -> Stage<'static> {
    Stage {
        namespace: CHAT,
        ..sample::stage(audience)
    }
}

/// What one of the two is shown.
fn shown(event: &Event, viewer: i64) -> Option<(u8, &'static str, Value)> {
    let mut shown = Market.show(&stage(Audience::Person(UserId(viewer))), event);
    assert!(shown.len() < 2);
    shown.pop().map(|shown| {
        assert!(!shown.skips_origin);
        let value = serde_json::from_str(&shown.emit.args).unwrap();
        let name = match shown.emit.name {
            Cow::Borrowed(name) => name,
            Cow::Owned(name) => panic!("{name}"),
        };
        (shown.part, name, value)
    })
}

const VENDOR: i64 = 1;
const CUSTOMER: i64 = 2;

fn message_shown() -> Value {
    json!({"id": D, "senderId": "2", "text": "Hi", "timestamp": T, "read": false,
        "recipientOnline": true, "chatId": C, "senderType": "CUSTOMER", "messageMedias": []})
}

fn in_envelope(message: impl Into<Value>, data: impl Into<Value>) -> Value {
    let (message, data) = (message.into(), data.into());
    json!({"statusCode": 200, "error": false, "message": message, "data": data})
}

#[test]
fn the_first_message_brings_the_chat_to_the_other_one() {
    let event = sent(written(Body::text("Hi")));
    let chat = json!({"id": C, "productId": "p", "vendorId": 2, "customerId": "2",
        "productImageUrl": null, "productPrice": "2390", "productName": "Apple",
        "storeLogoUrl": null, "customerProfilePic": null, "customerName": null,
        "storeName": "Store", "lastMessageAt": T, "createdAt": T, "updatedAt": T,
        "messages": [message_shown()]});
    assert_eq!(
        shown(&event, VENDOR),
        Some((1, "newChat", in_envelope(chat, json!({}))))
    );
    let receive = in_envelope(Value::Null, json!([message_shown()]));
    assert_eq!(
        shown(&event, CUSTOMER),
        Some((0, "receiveMessage", receive))
    );
}

#[test]
fn later_messages_come_to_both() {
    let mut view = written(Body::text("Hi"));
    view.message.seq = 2;
    view.message.recipient_online = Some(false);
    let mut expected = message_shown();
    expected["recipientOnline"] = json!(false);
    let expected = in_envelope(Value::Null, json!([expected]));
    let event = sent(view);
    for viewer in [VENDOR, CUSTOMER] {
        let receive = Some((0, "receiveMessage", expected.clone()));
        assert_eq!(shown(&event, viewer), receive);
    }
}

#[test]
fn files_come_as_media() {
    let file = |name: &str, thumbnail| Media {
        name: name.to_owned(),
        kind: MediaKind::Image,
        mime: "image/jpeg".to_owned(),
        bytes: 115_998,
        title: None,
        thumbnail,
    };
    let mut view = written(Body {
        media: vec![
            file("abc.jpg", Some(Box::new(file("small.jpg", None)))),
            file("def", None),
        ],
        ..Body::default()
    });
    view.message.seq = 2;
    let (part, name, value) = shown(&sent(view), VENDOR).unwrap();
    assert_eq!((part, name), (2, "receiveMedia"));
    assert_eq!(value["data"][0]["text"], Value::Null);
    let entry = |id: &str, url: &str, thumbnail: Option<&str>| {
        json!({"id": id, "imageUrl": url, "url": url, "size": "115998",
            "mimeType": "image/jpeg", "thumbnail": thumbnail})
    };
    let expected = json!([
        entry(
            "abc",
            "https://chat.example/media/abc.jpg",
            Some("https://chat.example/media/small.jpg")
        ),
        entry("def", "https://chat.example/media/def", None),
    ]);
    assert_eq!(value["data"][0]["messageMedias"], expected);
}

#[test]
fn a_deletion_names_who_did_it_and_which() {
    let message = uuid::Uuid::from_u128(0xd);
    for (by, user_id, user_type) in [
        (Some(UserId(CUSTOMER)), json!("2"), json!("CUSTOMER")),
        (Some(UserId(VENDOR)), json!(2), json!("VENDOR")),
        (Some(UserId(9)), Value::Null, Value::Null),
        (None, Value::Null, Value::Null),
    ] {
        let deleted = Happening::MessageDeleted { message, by };
        let event = sample::event(&place(), deleted);
        let data = json!({"chatId": C, "productId": "p", "messageId": D,
            "userId": user_id, "userType": user_type});
        let words = json!("Message has been deleted successfully");
        let expected = Some((3, "messageDeleted", in_envelope(words, data)));
        for viewer in [VENDOR, CUSTOMER] {
            assert_eq!(shown(&event, viewer), expected);
        }
    }
}

fn acting(user_id: &Value, user_type: &str) -> Value {
    json!({"chatId": C, "productId": "p", "userId": user_id, "userType": user_type})
}

#[test]
fn receipts_do_not_go_to_the_reader() {
    let (reader, message) = (vendor(), uuid::Uuid::from_u128(0xd));
    let event = sample::event(&place(), Happening::Read { reader, message });
    assert_eq!(shown(&event, VENDOR), None);
    let words = json!("Messages marked as read");
    let receipt = in_envelope(words, acting(&json!(2), "VENDOR"));
    let expected = Some((4, "updateReadReceipts", receipt));
    assert_eq!(shown(&event, CUSTOMER), expected);
}

#[test]
fn what_passes_is_told_in_person_where_people_talk() {
    for (sign, name, words) in [
        (Sign::Writing, "userTyping", "User is typing"),
        (Sign::Stopped, "stoppedTyping", "User has stopped typing"),
        (
            Sign::ReadAgain,
            "updateReadReceipts",
            "Messages marked as read",
        ),
    ] {
        let passing = Passing {
            scene: sample::scene(&place()),
            origin: None,
            user: customer(),
            sign,
        };
        let in_person = stage(Audience::Person(UserId(VENDOR)));
        let emit = Market.pass(&in_person, &passing).unwrap();
        let value: Value = serde_json::from_str(&emit.args).unwrap();
        assert_eq!(emit.name, name);
        let expected = in_envelope(json!(words), acting(&json!("2"), "CUSTOMER"));
        assert_eq!(value, expected);
        for elsewhere in [
            stage(Audience::Conversation),
            Stage {
                namespace: PRESENCE,
                ..in_person
            },
        ] {
            assert_eq!(Market.pass(&elsewhere, &passing), None);
        }
    }
}

#[test]
fn only_chats_about_products_are_shown_and_only_in_person_where_people_talk() {
    let event = sent(written(Body::text("Hi")));
    let in_person = stage(Audience::Person(UserId(VENDOR)));
    for elsewhere in [
        stage(Audience::Conversation),
        Stage {
            namespace: PRESENCE,
            ..in_person
        },
    ] {
        assert_eq!(Market.show(&elsewhere, &event), vec![]);
    }
    for kind in [
        ConversationKind::Direct,
        ConversationKind::Group,
        ConversationKind::Room,
    ] {
        let place = sample::conversation(kind, &[&vendor(), &customer()]);
        let message = sample::message(&place, &customer(), Body::text("Hi"));
        let event = sample::event(&place, Happening::MessageSent(message.into()));
        assert_eq!(Market.show(&in_person, &event), vec![]);
    }
}

#[test]
fn presence_names_the_person() {
    for (present, name, words) in [
        (true, "userIsOnline", "User is online"),
        (false, "userIsOffline", "User has gone offline"),
    ] {
        let emit = Market.show_presence(&vendor(), present).unwrap();
        let value: Value = serde_json::from_str(&emit.args).unwrap();
        assert_eq!(emit.name, name);
        let who = json!({"userId": 2, "userType": "VENDOR"});
        assert_eq!(value, in_envelope(json!(words), who));
    }
}

#[test]
fn errors_have_a_status() {
    for (refusal, status, words) in [
        (Refusal::BlankText, 400, "text must not be blank"),
        (Refusal::NotPresent, 400, "connect to /presence first"),
        (
            Refusal::TokenRequired,
            401,
            "a token is missing: connect with auth.token or the header token",
        ),
        (
            Refusal::Blocked,
            403,
            "recipientId takes no messages from you",
        ),
        (
            Refusal::UnknownConversation,
            404,
            "productId and recipientId name no chat of yours",
        ),
        (
            Refusal::TextTooLong { limit: 7 },
            413,
            "text is longer than 7 bytes",
        ),
        (
            Refusal::Unavailable,
            503,
            "the server cannot store anything just now; try again",
        ),
    ] {
        let answer = Market.answer(&site(), None, Err(&refusal));
        assert_eq!(answer.events.len(), 1);
        assert_eq!(answer.events[0].name, "appError");
        let error: Value = serde_json::from_str(&answer.events[0].args).unwrap();
        let expected = json!({"error": true, "message": words, "statusCode": status});
        assert_eq!(error, expected);
        let ack: Value = serde_json::from_str(&answer.ack).unwrap();
        let failure = json!({"code": refusal.code(), "message": words});
        assert_eq!(ack, json!({"success": false, "error": failure}));
    }
}

/// JSON with this dialect's names.
fn any_json() -> impl Strategy<Value = String> {
    let names: Vec<_> = EVENTS
        .iter()
        .flat_map(|(_, fields)| *fields)
        .copied()
        .collect();
    sample::json(&names, &[&format!("{C:?}")])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_refusal_names_a_field_of_its_event(
        which in 0..EVENTS.len(),
        args in prop::collection::vec(any_json(), 0..3),
    ) {
        let (name, fields) = EVENTS[which];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let subject = subject(Some(Role::Customer));
        let seat = Seat { subject: Some(&subject), ..seat() };
        match Market.read(&seat, &event(name, &args)) {
            Ok(request) => {
                let bounded = |query: &Query| match query {
                    Query::History { limit, .. } => (1..=1_000).contains(limit),
                    Query::Conversations { limit, message_limit, .. } => {
                        (1..=100).contains(limit) && (1..=100).contains(message_limit)
                    }
                    other => panic!("{other:?}"),
                };
                prop_assert!(request.query.as_ref().is_none_or(bounded));
            }
            Err(refusal) => {
                let message = refusal.to_string();
                prop_assert!(fields.iter().any(|field| message.contains(field)), "{}", message);
            }
        }
    }

    #[test]
    fn what_is_shown_is_json_that_says_what_was_written(
        text in any::<String>(), id in any::<String>(), seq in 1..3_u64,
    ) {
        let id = ExternalId::text(id);
        let writer = sample::user(2, Market.person(&Subject::new(id.clone(), Some(Role::Customer))));
        let mut place = sample::conversation(ConversationKind::Product, &[&vendor(), &writer]);
        place.details = Arc::new(Details {
            product: Some(Box::new(Product { id: text.clone(), ..Product::default() })),
            ..Details::default()
        });
        let mut view = sample::message(&place, &writer, Body::text(&*text));
        view.message.seq = seq;
        let event = sample::event(&place, Happening::MessageSent(view.into()));
        let (_, name, value) = shown(&event, VENDOR).unwrap();
        let message = if name == "newChat" {
            prop_assert_eq!(&value["message"]["productId"], &json!(text));
            prop_assert_eq!(&value["message"]["customerId"], &json!(id.text));
            &value["message"]["messages"][0]
        } else {
            &value["data"][0]
        };
        let expected = if text.is_empty() { Value::Null } else { json!(text) };
        prop_assert_eq!(&message["text"], &expected);
        prop_assert_eq!(&message["senderId"], &json!(id.text));
    }
}

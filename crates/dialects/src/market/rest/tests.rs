//! Every endpoint: what it asks of the core, what it refuses, what it answers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use chat::{
    ConversationView, ExternalId, Media,
    model::{Details, MediaKind, Product},
    store::ConversationSummary,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    rest::Call as _,
    sample::{self, site},
};

const C: &str = "00000000-0000-0000-0000-00000000000c";

fn subject(role: Role, id: &str, number: bool) -> Subject {
    let id = ExternalId {
        text: format!("{role:?}:{id}").to_lowercase(),
        number,
    };
    let role = Some(role);
    Subject::new(id, role)
}

fn form(texts: &[(&str, &str)]) -> Form {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    Form {
        texts: texts.iter().map(owned).collect(),
        files: Vec::new(),
    }
}

fn picture(name: &str) -> Media {
    Media {
        name: format!("{name}.png"),
        kind: MediaKind::Image,
        mime: "image/png".to_owned(),
        bytes: 2048,
        title: None,
        thumbnail: Some(Box::new(Media {
            name: format!("{name}s.jpg"),
            kind: MediaKind::Image,
            mime: "image/jpeg".to_owned(),
            bytes: 20,
            title: None,
            thumbnail: None,
        })),
    }
}

/// A form with two pictures and these texts.
fn album(texts: &[(&str, &str)]) -> Form {
    let files = ["5f", "6a"].map(|name| (name.to_owned(), picture(name)));
    Form {
        files: files.into(),
        ..form(texts)
    }
}

fn sent(asker: &Subject, texts: &[(&str, &str)]) -> Call {
    send_files(asker, Input::Form(&album(texts)), None).unwrap()
}

fn send(call: &Call) -> (&Destination, &UserRef, &Body, Option<&str>) {
    let Some(Command::Send {
        to,
        sender,
        body,
        client_id,
    }) = &call.request.command
    else {
        panic!("{call:?}");
    };
    (to, sender, body, client_id.as_deref())
}

#[test]
fn files_go_to_the_other_side_of_the_chat() {
    let texts = [
        ("productId", "p1"),
        ("recipientId", "2"),
        ("text", "Look"),
        ("clientMessageId", "k"),
        ("productName", "Mac"),
        ("productPrice", "2334"),
        ("productImageUrl", "p.png"),
        ("storeName", "Jay Tech"),
        ("storeLogoUrl", "s.png"),
        ("customerName", "Johnny"),
        ("customerProfilePic", "c.png"),
        ("other", "is nobody's"),
    ];
    let some = |text: &str| Some(text.to_owned());
    let product = Box::new(Product {
        id: "p1".to_owned(),
        name: some("Mac"),
        price: some("2334"),
        image_url: some("p.png"),
        store_name: some("Jay Tech"),
        store_logo_url: some("s.png"),
        customer_name: some("Johnny"),
        customer_picture: some("c.png"),
    });
    let named = |text: &str| UserRef::Named(ExternalId::text(text));
    for (role, vendor, customer) in [
        (Role::Customer, named("vendor:2"), UserRef::Subject),
        (Role::Vendor, UserRef::Subject, named("customer:2")),
    ] {
        let call = sent(&subject(role, "7", false), &texts);
        let (to, sender, body, client_id) = send(&call);
        let expected = Destination::Product {
            vendor,
            customer,
            product: product.clone(),
        };
        assert_eq!(to, &expected);
        assert_eq!(sender, &UserRef::Subject);
        assert_eq!(body.text, "Look");
        assert_eq!(body.media, [picture("5f"), picture("6a")]);
        assert_eq!(client_id, Some("k"));
    }
    let asker = subject(Role::Customer, "7", false);
    let album = album(&texts);
    let call = send_files(&asker, Input::Form(&album), Some("header")).unwrap();
    assert_eq!(send(&call).3, Some("header"));
}

/// A form has only texts, and the recipient may be one whom nobody has seen yet.
#[test]
fn a_recipient_is_shown_as_the_sender_is() {
    for (id, of_number, of_text) in [
        ("2", true, false),
        ("-2", true, false),
        ("02", false, false),
        ("+2", false, false),
        ("2.0", false, false),
        ("two", false, false),
        ("99999999999999999999", false, false),
    ] {
        for (asker_is_number, expected) in [(true, of_number), (false, of_text)] {
            let asker = subject(Role::Customer, "7", asker_is_number);
            let call = sent(&asker, &[("productId", "p"), ("recipientId", id)]);
            let Destination::Product {
                vendor: UserRef::Named(vendor),
                ..
            } = send(&call).0
            else {
                panic!("{call:?}");
            };
            assert_eq!(
                (&*vendor.text, vendor.number),
                (&*format!("vendor:{id}"), expected)
            );
        }
    }
}

#[test]
fn lists_have_pages() {
    let query = |texts: &[(&str, &str)]| list_chats(&form(texts)).unwrap().request.query;
    let expected = |offset, limit, message_offset, message_limit| {
        Some(Query::Conversations {
            user: UserRef::Subject,
            kind: Some(ConversationKind::Product),
            offset,
            limit,
            message_offset,
            message_limit,
        })
    };
    assert_eq!(query(&[]), expected(0, 50, 0, 20));
    let second = [
        ("page", "2"),
        ("limit", "10"),
        ("messagePage", "3"),
        ("messageLimit", "5"),
    ];
    assert_eq!(query(&second), expected(10, 10, 10, 5));
    let large = [("limit", "1000"), ("messageLimit", "1000")];
    assert_eq!(query(&large), expected(0, 100, 0, 100));

    let query = |texts: &[(&str, &str)]| get_chat("p", "2", "3", &form(texts)).unwrap().request;
    let expected = |offset, limit| {
        Some(Query::History {
            conversation: ConversationRef::Product(ProductRef {
                product: "p".to_owned(),
                vendor: UserRef::Known("vendor:2".to_owned()),
                customer: UserRef::Known("customer:3".to_owned()),
            }),
            viewer: Some(UserRef::Subject),
            before: None,
            offset,
            limit,
        })
    };
    assert_eq!(query(&[]).query, expected(0, 1_000));
    let second = [("messagePage", "2"), ("messageLimit", "30")];
    assert_eq!(query(&second).query, expected(30, 30));
}

#[test]
fn bad_input_is_refused_by_the_field_that_is_bad() {
    const ID: &str = "must be a string of 1 to 256 bytes";
    let asker = subject(Role::Customer, "7", true);
    let refused = |texts: &[(&str, &str)]| {
        let read = send_files(&asker, Input::Form(&album(texts)), None);
        read.unwrap_err().to_string()
    };
    let (p, r) = (("productId", "p"), ("recipientId", "2"));
    let (name, url) = ("x".repeat(257), "x".repeat(2_049));
    assert_eq!(refused(&[r]), "productId is missing");
    assert_eq!(refused(&[p]), "recipientId is missing");
    for bad in ["", " ", &name] {
        assert_eq!(refused(&[("productId", bad), r]), format!("productId {ID}"));
        assert_eq!(
            refused(&[p, ("recipientId", bad)]),
            format!("recipientId {ID}")
        );
    }
    for (field, bad, must) in [
        ("clientMessageId", "", "must be a string of 1 to 128 bytes"),
        ("productName", &*name, "must have at most 256 bytes"),
        ("productPrice", &name[..65], "must have at most 64 bytes"),
        ("productImageUrl", &url, "must have at most 2048 bytes"),
        ("storeName", &name, "must have at most 256 bytes"),
        ("storeLogoUrl", &url, "must have at most 2048 bytes"),
        ("customerName", &name, "must have at most 256 bytes"),
        ("customerProfilePic", &url, "must have at most 2048 bytes"),
    ] {
        assert_eq!(refused(&[p, r, (field, bad)]), format!("{field} {must}"));
    }
    let read = |form: &Form, key| send_files(&asker, Input::Form(form), key);
    assert_eq!(
        read(&form(&[p, r]), None).unwrap_err().to_string(),
        "body must be a multipart form with a file"
    );
    assert_eq!(
        read(&album(&[p, r]), Some("")).unwrap_err().to_string(),
        "Idempotency-Key must be a string of 1 to 128 bytes"
    );
    for page in ["0", "-1", "1.5", "one", "", "4294967296"] {
        for name in ["page", "limit", "messagePage", "messageLimit"] {
            let read = list_chats(&form(&[(name, page)]));
            let expected = format!("{name} must be a whole number, 1 or more");
            assert_eq!(read.unwrap_err().to_string(), expected, "{page}");
        }
        for name in ["messagePage", "messageLimit"] {
            assert!(get_chat("p", "2", "3", &form(&[(name, page)])).is_err());
        }
    }
    assert_eq!(hide_chat("7").unwrap_err(), Refusal::UnknownConversation);
}

fn told(call: &Call, result: Result<&Answered, &Refusal>) -> (u16, Value) {
    let response = call.answer(&site(), result);
    let body = serde_json::from_str(&response.body).unwrap();
    (response.status, body)
}

#[test]
fn refusals_are_said_in_the_callers_own_words() {
    let asker = subject(Role::Customer, "7", true);
    let send = sent(&asker, &[("productId", "p"), ("recipientId", "2")]);
    let chat = get_chat("p", "2", "7", &Form::default()).unwrap();
    let hide = hide_chat(C).unwrap();
    for (call, refusal, status, message) in [
        (
            &send,
            Refusal::Blocked,
            403,
            "recipientId takes no messages from you",
        ),
        (
            &send,
            Refusal::TextTooLong { limit: 9 },
            413,
            "text is longer than 9 bytes",
        ),
        (
            &chat,
            Refusal::UnknownConversation,
            404,
            "productId, vendorId and customerId name no chat of yours",
        ),
        (
            &hide,
            Refusal::UnknownConversation,
            404,
            "id is not a chat of yours",
        ),
    ] {
        let expected = json!({"error": true, "message": message, "statusCode": status});
        assert_eq!(told(call, Err(&refusal)), (status, expected));
    }
    let unread = Call::refuse(&Refusal::Invalid {
        field: "productId",
        must: "is missing",
    });
    assert_eq!(unread.status, 400);
    // What the server says by itself has the same status.
    assert_eq!(failure(422, "productId is missing"), unread);
    assert_eq!(failure(429, "later").status, 429);
}

/// A chat about a Mac, and a message with a picture in it.
fn talk() -> (ConversationView, chat::MessageView) {
    let person = |id: u8, text: &str| {
        sample::user(
            id,
            ExternalId {
                text: text.to_owned(),
                number: true,
            },
        )
    };
    let (vendor, customer) = (person(1, "vendor:2"), person(2, "customer:3"));
    let mut place = sample::conversation(ConversationKind::Product, &[&vendor, &customer]);
    place.details = Arc::new(Details {
        product: Some(Box::new(Product {
            id: "p".to_owned(),
            name: Some("Mac".to_owned()),
            ..Product::default()
        })),
        ..Details::default()
    });
    let body = Body {
        media: vec![picture("5f")],
        ..Body::default()
    };
    let mut message = sample::message(&place, &customer, body);
    message.message.recipient_online = Some(false);
    (place, message)
}

#[test]
fn answers_have_their_objects_in_their_envelopes() {
    const AT: &str = "2023-11-14T22:13:20.000Z";
    let (place, message) = talk();
    let said = json!({"id": "00000000-0000-0000-0000-00000000000d", "senderId": 3, "text": null,
        "timestamp": AT, "read": false, "recipientOnline": false, "chatId": C,
        "senderType": "CUSTOMER", "messageMedias": [{
            "id": "5f", "imageUrl": "https://chat.example/media/5f.png",
            "url": "https://chat.example/media/5f.png", "size": "2048", "mimeType": "image/png",
            "thumbnail": "https://chat.example/media/5fs.jpg"}]});
    let chat = json!({"id": C, "productId": "p", "vendorId": 2, "customerId": 3,
        "productImageUrl": null, "productPrice": null, "productName": "Mac",
        "storeLogoUrl": null, "customerProfilePic": null, "customerName": null,
        "storeName": null, "lastMessageAt": AT, "createdAt": AT, "updatedAt": AT,
        "messages": [said]});

    let asker = subject(Role::Customer, "3", true);
    let send = sent(&asker, &[("productId", "p"), ("recipientId", "2")]);
    for (opened, data) in [(None, &said), (Some(Box::new(place.clone())), &chat)] {
        let answered = Answered {
            reply: Some(Reply::Sent {
                message: Arc::new(message.clone()),
                members: Arc::clone(&place.members),
                repeated: false,
                opened,
            }),
            view: None,
        };
        let expected = json!({"statusCode": 201, "error": false, "message": null, "data": data});
        assert_eq!(told(&send, Ok(&answered)), (201, expected));
    }

    let looked = |view| Answered {
        reply: None,
        view: Some(view),
    };
    let viewer = Arc::clone(&place.members[1].user);
    let view = View::Conversations {
        viewer: Arc::clone(&viewer),
        conversations: vec![ConversationSummary {
            conversation: place.clone(),
            messages: vec![message.clone()],
        }],
        total: 1,
    };
    let expected = json!({"statusCode": 200, "error": false,
        "message": "Chats has been sent successfully", "data": [chat]});
    let list = list_chats(&Form::default()).unwrap();
    assert_eq!(told(&list, Ok(&looked(view))), (200, expected));

    let view = View::History {
        conversation: place,
        viewer: Some(viewer),
        messages: vec![message],
    };
    let expected = json!({"statusCode": 200, "error": false,
        "message": "Chats has been loaded", "data": chat});
    let one = get_chat("p", "2", "3", &Form::default()).unwrap();
    assert_eq!(told(&one, Ok(&looked(view))), (200, expected));

    let done = Answered {
        reply: Some(Reply::Done),
        view: None,
    };
    let expected = json!({"statusCode": 200, "error": false,
        "message": "Chat has been deleted successfully", "data": {}});
    assert_eq!(told(&hide_chat(C).unwrap(), Ok(&done)), (200, expected));
}

//! `market` over HTTP: files between customers and vendors, and their chats without a socket.

use std::{collections::BTreeSet, io::Cursor};

use chat::{Identity, Role};
use image::{ImageFormat, RgbImage};
use serde_json::Value;

use crate::{
    client::{Answer, Ask, Part, delete, get, post, put},
    server::{App, Server, text},
};

const MP4: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom";
const PDF: &[u8] = b"%PDF-1.7\n";
const SEND_IMAGE: &str = "/api/v1/chat/send-image";
const SEND_VIDEO: &str = "/api/v1/chat/send-video";
const SEND_PDF: &str = "/api/v1/chat/send-pdf";

fn png() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = RgbImage::new(640, 320);
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// An app with customer 1 and vendor 2.
struct Shop {
    server: Server,
    app: App,
    customer: String,
    vendor: String,
    png: Vec<u8>,
}

impl Shop {
    fn with(settings: &[(&str, &str)]) -> Self {
        let server = Server::with(settings);
        let app = server.app("shop", Identity::Open);
        Self {
            customer: app.token(Some(Role::Customer), "1"),
            vendor: app.token(Some(Role::Vendor), "2"),
            server,
            app,
            png: png(),
        }
    }

    fn new() -> Self {
        Self::with(&[])
    }

    /// A send to vendor 2 about product p, if a customer sends; else to customer 1.
    fn send(&self, path: &str, token: &str, files: &[&[u8]], texts: &[(&str, &str)]) -> Ask {
        let recipient = if token == self.vendor { "1" } else { "2" };
        let names: Vec<_> = (0..files.len()).map(|at| format!("file{at}")).collect();
        let mut parts = vec![
            Part::Text("productId", "p"),
            Part::Text("recipientId", recipient),
        ];
        parts.extend(texts.iter().map(|(name, text)| Part::Text(name, text)));
        let files = names.iter().zip(files);
        parts.extend(files.map(|(name, content)| Part::File(name, "a", "", content)));
        post(path).with(token).form(&parts)
    }

    fn send_image(&self, token: &str) -> Ask {
        self.send(SEND_IMAGE, token, &[&self.png], &[])
    }

    fn sent(&self, ask: &Ask) -> Value {
        let answer = self.server.ask(ask);
        assert_eq!(answer.status, 201);
        data(&answer, None)
    }

    /// What a token's holder lists.
    fn chats(&self, token: &str) -> Vec<Value> {
        let answer = self.server.ask(&get("/api/v1/chat").with(token));
        let chats = data(&answer, Some("Chats has been sent successfully"));
        chats.as_array().unwrap().clone()
    }

    fn path_of(&self, url: &Value) -> String {
        let url = text(url);
        let path = url.strip_prefix(&format!("http://{}", self.server.address));
        path.unwrap_or_else(|| panic!("{url}")).to_owned()
    }

    /// Asks, and looks whether anything came of it.
    #[track_caller]
    fn refuses(&self, ask: &Ask, status: u16, words: &str) {
        let before = self.server.state();
        failed(&self.server.ask(ask), status, words);
        self.server.await_files(&before.1);
        assert_eq!(self.server.state(), before, "{words}");
    }
}

/// What is in the envelope of a success.
#[track_caller]
fn data(answer: &Answer, message: Option<&str>) -> Value {
    let mut body = answer.good();
    assert_eq!(body["statusCode"], answer.status);
    assert_eq!(body["error"], false);
    assert_eq!(body["message"].as_str(), message);
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    body["data"].take()
}

/// Asserts a refusal in the form of this dialect. Its message must have `words` in it.
#[track_caller]
fn failed(answer: &Answer, status: u16, words: &str) {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(body["error"], true, "{body}");
    assert_eq!(body["statusCode"], status, "{body}");
    let message = body["message"].as_str().unwrap();
    assert!(message.contains(words), "{words:?} is not in {message:?}");
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
}

#[test]
fn pictures_begin_a_chat_and_go_on_in_it() {
    let shop = Shop::new();
    let texts = [
        ("text", "Look"),
        ("productName", "Mac"),
        ("storeName", "Jay"),
    ];
    let first = shop.send(
        SEND_IMAGE,
        &shop.customer,
        &[&shop.png, b"GIF89a...."],
        &texts,
    );
    let chat = shop.sent(&first);
    assert_eq!(chat["productId"], "p");
    assert_eq!(
        (&chat["vendorId"], &chat["customerId"]),
        (&"2".into(), &"1".into())
    );
    assert_eq!(
        (&chat["productName"], &chat["storeName"]),
        (&"Mac".into(), &"Jay".into())
    );
    let message = &chat["messages"][0];
    assert_eq!(
        (&message["text"], &message["senderType"]),
        (&"Look".into(), &"CUSTOMER".into())
    );
    assert_eq!(message["recipientOnline"], false);
    let [picture, broken] = message["messageMedias"].as_array().unwrap().as_slice() else {
        panic!("{message}");
    };
    assert_eq!(picture["size"], shop.png.len().to_string());
    assert_eq!(picture["mimeType"], "image/png");
    let whole = shop.server.ask(&get(&shop.path_of(&picture["imageUrl"])));
    assert_eq!((whole.status, &whole.body), (200, &shop.png));
    let small = shop.server.ask(&get(&shop.path_of(&picture["thumbnail"])));
    assert_eq!(
        (small.status, small.header("content-type")),
        (200, Some("image/jpeg"))
    );
    let small = image::load_from_memory(&small.body).unwrap();
    assert_eq!((small.width(), small.height()), (320, 160));
    assert_eq!(
        (&broken["mimeType"], &broken["thumbnail"]),
        (&"image/gif".into(), &Value::Null)
    );

    let second = shop.sent(&shop.send(SEND_PDF, &shop.vendor, &[PDF], &[]));
    assert_eq!(
        (&second["chatId"], &second["text"]),
        (&chat["id"], &Value::Null)
    );
    assert_eq!(second["messageMedias"][0]["mimeType"], "application/pdf");
    let third = shop.sent(&shop.send(SEND_VIDEO, &shop.customer, &[MP4], &[]));
    assert_eq!(third["messageMedias"][0]["mimeType"], "video/mp4");

    for token in [&shop.customer, &shop.vendor] {
        let chats = shop.chats(token);
        assert_eq!(chats.len(), 1);
        let messages = chats[0]["messages"].as_array().unwrap();
        let ids: Vec<_> = messages.iter().map(|message| &message["id"]).collect();
        assert_eq!(ids, [&message["id"], &second["id"], &third["id"]]);
        let path = "/api/v1/chat/p/2/1?messagePage=2&messageLimit=2";
        let one = shop.server.ask(&get(path).with(token));
        let one = data(&one, Some("Chats has been loaded"));
        assert_eq!(one["messages"].as_array().unwrap().len(), 1);
        assert_eq!(one["messages"][0]["id"], message["id"]);
    }
}

#[test]
fn a_send_that_is_repeated_makes_one_message() {
    let shop = Shop::new();
    let named = |token: &str, key: &str| shop.send_image(token).header("Idempotency-Key", key);
    let first = shop.sent(&named(&shop.customer, "a"));
    let files = shop.server.files();
    assert_eq!(files.len(), 2, "a picture and its thumbnail");
    let again = shop.sent(&named(&shop.customer, "a"));
    assert_eq!(again, first);
    let in_body = shop.send(
        SEND_IMAGE,
        &shop.customer,
        &[&shop.png],
        &[("clientMessageId", "a")],
    );
    assert_eq!(shop.sent(&in_body), first);
    shop.server.await_files(&files);
    // The other one's ids are another's.
    assert_ne!(
        shop.sent(&named(&shop.vendor, "a"))["id"],
        first["messages"][0]["id"]
    );
    assert_eq!(shop.server.files().len(), 4);
}

#[test]
fn a_chat_that_is_hidden_comes_back_with_the_next_message() {
    let shop = Shop::new();
    let id = text(&shop.sent(&shop.send_image(&shop.customer))["id"]);
    let hide = delete(&format!("/api/v1/chat/{id}"));
    let answer = shop.server.ask(&hide.with(&shop.customer));
    let words = Some("Chat has been deleted successfully");
    assert_eq!(data(&answer, words).as_object().unwrap().len(), 0);
    assert!(shop.chats(&shop.customer).is_empty());
    assert_eq!(shop.chats(&shop.vendor).len(), 1);
    shop.sent(&shop.send_image(&shop.vendor));
    assert_eq!(shop.chats(&shop.customer).len(), 1);
}

#[test]
fn files_must_be_what_the_path_says() {
    let shop = Shop::new();
    let png = &*shop.png;
    for (path, files, words) in [
        (SEND_IMAGE, &[PDF][..], "file0 must be a picture"),
        (SEND_IMAGE, &[MP4], "file0 must be a picture"),
        (
            SEND_IMAGE,
            &[b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"],
            "file0 must be a picture",
        ),
        (SEND_IMAGE, &[png, png, PDF], "file2 must be a picture"),
        (SEND_VIDEO, &[png], "file0 must be a video"),
        (SEND_PDF, &[png], "file0 must be a PDF"),
        (SEND_PDF, &[b"just words"], "file0 must be a PDF"),
    ] {
        shop.refuses(&shop.send(path, &shop.customer, files, &[]), 415, words);
    }
    let eleven = [png; 11];
    let send = |files| shop.send(SEND_IMAGE, &shop.customer, files, &[]);
    shop.refuses(
        &send(&eleven),
        400,
        "file10 must be one of at most 10 files",
    );
    let ten = shop.sent(&send(&eleven[1..]));
    let medias = ten["messages"][0]["messageMedias"].as_array().unwrap();
    assert_eq!(medias.len(), 10);
    let names: BTreeSet<_> = medias.iter().map(|media| text(&media["id"])).collect();
    assert_eq!(names.len(), 10);
    assert_eq!(shop.server.files().len(), 20);
}

#[test]
fn many_files_that_are_too_long_leave_nothing() {
    let shop = Shop::with(&[("media.max_bytes", "4096")]);
    let long = [PDF, &[b'x'; 5_000]].concat();
    let fits = [PDF, &[b'x'; 4_000]].concat();
    let send = |files: &[&[u8]]| shop.send(SEND_PDF, &shop.customer, files, &[]);
    shop.refuses(
        &send(&[&fits, &long]),
        413,
        "file1 is longer than 4096 bytes",
    );
    let half = send(&[&fits, &fits, &fits]).ending_early(70);
    shop.refuses(&half, 400, "body");
    shop.sent(&send(&[&fits, &fits, &fits]));
}

#[test]
fn bad_input_is_refused_by_the_field_that_is_bad() {
    let shop = Shop::new();
    let (name, url, text) = ("x".repeat(257), "x".repeat(2_049), "x".repeat(65_537));
    for (field, bad, status) in [
        ("productId", "", 400),
        ("productId", " ", 400),
        ("productId", &*name, 400),
        ("recipientId", "", 400),
        ("recipientId", &name, 400),
        ("text", &text, 413),
        ("clientMessageId", "", 400),
        ("clientMessageId", &name, 400),
        ("productName", &name, 400),
        ("productPrice", &name, 400),
        ("productImageUrl", &url, 400),
        ("storeName", &name, 400),
        ("storeLogoUrl", &url, 400),
        ("customerName", &name, 400),
        ("customerProfilePic", &url, 400),
    ] {
        let ask = shop.send(SEND_IMAGE, &shop.customer, &[&shop.png], &[(field, bad)]);
        shop.refuses(&ask, status, field);
    }
    let without = |texts: &[(&str, &str)]| {
        let mut parts: Vec<_> = texts.iter().map(|(n, t)| Part::Text(n, t)).collect();
        parts.push(Part::File("file", "a.png", "", &shop.png));
        post(SEND_IMAGE).with(&shop.customer).form(&parts)
    };
    shop.refuses(
        &without(&[("recipientId", "2")]),
        400,
        "productId is missing",
    );
    shop.refuses(
        &without(&[("productId", "p")]),
        400,
        "recipientId is missing",
    );
    let send = |files: &[&[u8]]| shop.send(SEND_IMAGE, &shop.customer, files, &[]);
    shop.refuses(&send(&[]), 400, "body must be a multipart form with a file");
    let json = post(SEND_IMAGE).with(&shop.customer);
    let json = json.raw("application/json", r#"{"productId":"p","recipientId":"2"}"#);
    shop.refuses(&json, 400, "body must be a multipart form with a file");
    let plain = post(SEND_IMAGE).with(&shop.customer).raw("text/plain", "x");
    shop.refuses(&plain, 415, "Content-Type");
    let key = send(&[&shop.png]).header("Idempotency-Key", &name);
    shop.refuses(&key, 400, "Idempotency-Key");
    let key = send(&[&shop.png]).header("Idempotency-Key", "\u{e9}");
    shop.refuses(&key, 400, "Idempotency-Key");

    shop.sent(&shop.send_image(&shop.customer));
    for field in ["page", "limit", "messagePage", "messageLimit"] {
        for bad in ["0", "-1", "1.5", "one", ""] {
            let list = get(&format!("/api/v1/chat?{field}={bad}"));
            shop.refuses(&list.with(&shop.customer), 400, field);
        }
    }
    for field in ["messagePage", "messageLimit"] {
        let one = get(&format!("/api/v1/chat/p/2/1?{field}=0"));
        shop.refuses(&one.with(&shop.customer), 400, field);
    }
}

/// Nobody learns whether a chat is there.
#[test]
fn a_third_person_sees_and_changes_nothing() {
    let shop = Shop::new();
    let id = text(&shop.sent(&shop.send_image(&shop.customer))["id"]);
    let nobody = "01234567-89ab-7cde-8f01-23456789abcd";
    for stranger in [
        // Customer 2 is somebody else than vendor 2, and so is vendor 1.
        shop.app.token(Some(Role::Customer), "2"),
        shop.app.token(Some(Role::Vendor), "1"),
    ] {
        // Also once they are known.
        for known in [false, true] {
            if known {
                let about = [("productId", "q"), ("recipientId", "9")];
                shop.sent(&shop.send(SEND_IMAGE, &stranger, &[&shop.png], &about));
            }
            for path in [
                "/api/v1/chat/p/2/1",
                "/api/v1/chat/none/2/1",
                "/api/v1/chat/p/8/9",
            ] {
                let words = "productId, vendorId and customerId name no chat of yours";
                shop.refuses(&get(path).with(&stranger), 404, words);
            }
            for chat in [&*id, nobody, "7"] {
                let hide = delete(&format!("/api/v1/chat/{chat}"));
                shop.refuses(&hide.with(&stranger), 404, "id is not a chat of yours");
            }
        }
        assert_eq!(shop.chats(&stranger).len(), 1);
    }
    assert_eq!(shop.chats(&shop.vendor).len(), 1);
}

#[test]
fn only_a_customers_or_vendors_token_opens() {
    let shop = Shop::new();
    let other = shop.server.app("other", Identity::Verified);
    let list = || get("/api/v1/chat");
    let strange = other.token(Some(Role::Customer), "1");
    for (token, status, words) in [
        (String::new(), 401, "Authorization"),
        ("x".to_owned(), 401, "malformed"),
        (shop.app.client.clone(), 401, "malformed"),
        (shop.app.server.clone(), 401, "malformed"),
        (strange.clone(), 401, "signature"),
        (shop.app.old_user_key("1"), 401, "expired"),
        (shop.app.token(None, "1"), 403, "role"),
        (shop.app.token(Some(Role::Admin), "1"), 403, "role"),
    ] {
        shop.refuses(&list().with(&token), status, words);
        let send = shop.send(SEND_IMAGE, &token, &[&shop.png], &[]);
        shop.refuses(&send, status, words);
        let hide = delete("/api/v1/chat/7").with(&token);
        shop.refuses(&hide, status, words);
        shop.refuses(&get("/api/v1/chat/p/2/1").with(&token), status, words);
    }
    let missing = shop.server.ask(&list());
    failed(&missing, 401, "Authorization");
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    // The header of the document, and another app by its key.
    shop.sent(&shop.send_image(&shop.customer));
    let by_header = shop.server.ask(&list().header("token", &shop.customer));
    assert_eq!(by_header.good()["data"].as_array().unwrap().len(), 1);
    let elsewhere = format!("/api/v1/chat?appKey={}", other.client);
    failed(
        &shop.server.ask(&get(&elsewhere).with(&shop.customer)),
        401,
        "signature",
    );
    let unknown = get("/api/v1/chat?appKey=nobody").with(&shop.customer);
    failed(&shop.server.ask(&unknown), 401, "appKey");
    // Whoever has a good token and is not known yet has no chats.
    let there = shop.server.ask(&get(&elsewhere).with(&strange));
    assert_eq!(
        data(&there, Some("Chats has been sent successfully")),
        Value::Array(Vec::new())
    );
}

#[test]
fn whoever_is_blocked_sends_nothing() {
    let shop = Shop::new();
    shop.sent(&shop.send_image(&shop.customer));
    let key = &shop.app.server;
    let id = |username: &str| {
        let found = get(&format!("/v1/user?username={username}")).with(key);
        text(&shop.server.ask(&found).good()["user"]["id"])
    };
    let (customer, vendor) = (id("customer:1"), id("vendor:2"));
    let block = format!("/v1/user/{vendor}/blocks/{customer}");
    shop.server.ask(&put(&block).with(key)).good();
    let words = "recipientId takes no messages from you";
    shop.refuses(&shop.send_image(&shop.customer), 403, words);
    let elsewhere = shop.send(
        SEND_IMAGE,
        &shop.customer,
        &[&shop.png],
        &[("productId", "q")],
    );
    shop.refuses(&elsewhere, 403, words);
    // The other way it goes on.
    shop.sent(&shop.send_image(&shop.vendor));
    shop.server.ask(&delete(&block).with(key)).good();
    shop.sent(&shop.send_image(&shop.customer));
}

#[test]
fn everything_that_fails_has_one_form() {
    let shop = Shop::with(&[
        ("limits.per_user_per_second", "1"),
        ("limits.per_user_burst", "3"),
    ]);
    let list = get("/api/v1/chat").with(&shop.customer);
    let answers = (0..500).map(|_| shop.server.ask(&list));
    let refused = answers.into_iter().find(|answer| answer.status == 429);
    let refused = refused.expect("500 requests are too many");
    failed(&refused, 429, "too many requests");
    assert!(refused.header("retry-after").is_some());
    // Another one is not hindered.
    shop.chats(&shop.vendor);
    failed(
        &shop.server.ask(&get("/api/v1/nothing")),
        404,
        "no such endpoint",
    );
    failed(&shop.server.ask(&put("/api/v1/chat")), 405, "other methods");
}

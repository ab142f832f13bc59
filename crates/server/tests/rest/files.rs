//! Files: what they are taken for, how they are given out, and what is left of them.

use std::{collections::BTreeSet, time::Instant};

use chat::Identity;
use serde_json::Value;

use crate::{
    client::{Answer, Ask, DEADLINE, Part, delete, get, patch, post},
    server::{App, Server, text},
};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and then some";
const SVG: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";

/// A chat of two, and who writes there.
struct Talk {
    server: Server,
    app: App,
    chat: String,
    ada: String,
}

impl Talk {
    fn with(settings: &[(&str, &str)]) -> Self {
        let server = Server::with(settings);
        let app = server.app("shop", Identity::Open);
        let ada = server.user(&app.client, "ada");
        server.user(&app.client, "bob");
        let chat = server.chat(&app.client, "ada", "bob");
        Self {
            server,
            app,
            chat,
            ada,
        }
    }

    fn upload(&self, name: &str, stated: &str, content: &[u8]) -> Ask {
        post("/v1/messages").with(&self.app.client).form(&[
            Part::Text("chat_id", &self.chat),
            Part::Text("user_id", &self.ada),
            Part::File("file", name, stated, content),
        ])
    }

    /// Sends a file and returns what the message says of it.
    fn send(&self, name: &str, stated: &str, content: &[u8]) -> Value {
        self.server.ask(&self.upload(name, stated, content)).good()["file"].clone()
    }

    fn path_of(&self, file: &Value) -> String {
        let url = text(&file["url"]);
        let path = url.strip_prefix(&format!("http://{}", self.server.address));
        path.unwrap_or_else(|| panic!("{url}")).to_owned()
    }
}

fn is_guarded(answer: &Answer) {
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("sandbox; default-src 'none'"),
        "{policy}"
    );
    let others = answer.header("cross-origin-resource-policy");
    assert_eq!(others, Some("cross-origin"));
}

#[test]
fn a_file_is_what_it_contains_and_never_what_it_is_called() {
    let talk = Talk::with(&[]);
    let cases: &[(&str, &str, &[u8], &str, &str, &str)] = &[
        ("a.png", "image/png", PNG, "image", "image/png", "inline"),
        (
            "page.html",
            "text/html",
            b"GIF89a....",
            "gif",
            "image/gif",
            "inline",
        ),
        (
            "film",
            "",
            b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
            "video",
            "video/mp4",
            "inline",
        ),
        (
            "a.pdf",
            "image/png",
            b"%PDF-1.7\n",
            "file",
            "application/pdf",
            "attachment",
        ),
        (
            "a.png",
            "image/png",
            SVG,
            "file",
            "application/octet-stream",
            "attachment",
        ),
        (
            "a.jpg",
            "image/jpeg",
            b"<!DOCTYPE html><script>alert(1)</script>",
            "file",
            "application/octet-stream",
            "attachment",
        ),
        (
            "a.js",
            "text/javascript",
            b"alert(1)",
            "file",
            "application/octet-stream",
            "attachment",
        ),
    ];
    for (name, stated, content, kind, mime, shown) in cases {
        let file = talk.send(name, stated, content);
        assert_eq!(file["type"], *kind, "{name}");
        assert_eq!(file["name"], *name);
        let answer = talk.server.ask(&get(&talk.path_of(&file)));
        assert_eq!((answer.status, &*answer.body), (200, *content), "{name}");
        assert_eq!(answer.header("content-type"), Some(*mime), "{name}");
        let disposition = answer.header("content-disposition").unwrap();
        assert!(disposition.starts_with(shown), "{name}: {disposition}");
        is_guarded(&answer);
    }
}

#[test]
fn names_cannot_be_guessed_and_do_not_leave_the_folder() {
    let talk = Talk::with(&[]);
    let (one, two) = (talk.send("a", "", PNG), talk.send("a", "", PNG));
    assert_ne!(one["url"], two["url"]);
    let path = talk.path_of(&one);
    let name = path.strip_prefix("/media/").unwrap();
    let (random, extension) = name.split_once('.').unwrap();
    assert_eq!((random.len(), extension), (32, "png"));
    for path in [
        "/media/",
        "/media/incoming",
        "/media/..%2Fpalaver.lock",
        "/media/%2e%2e/palaver.lock",
        "/media/../palaver.lock",
        "/media/0123456789abcdef0123456789abcdef.png",
        &path.to_uppercase(),
    ] {
        assert_eq!(talk.server.ask(&get(path)).status, 404, "{path}");
    }
}

#[test]
fn parts_conditions_and_heads() {
    let talk = Talk::with(&[]);
    let path = talk.path_of(&talk.send("a 'ü'.png", "image/png", PNG));
    let whole = talk.server.ask(&get(&path));
    let disposition = whole.header("content-disposition");
    assert_eq!(
        disposition,
        Some("inline; filename*=UTF-8''a%20%27%C3%BC%27.png")
    );
    let cache = whole.header("cache-control").unwrap();
    assert!(
        cache.contains("immutable") && cache.contains("private"),
        "{cache}"
    );
    let etag = whole.header("etag").unwrap();

    let part = talk.server.ask(&get(&path).header("Range", "bytes=1-3"));
    assert_eq!((part.status, &*part.body), (206, &b"PNG"[..]));
    let range = format!("bytes 1-3/{}", PNG.len());
    assert_eq!(part.header("content-range"), Some(&*range));
    is_guarded(&part);
    let last = talk.server.ask(&get(&path).header("Range", "bytes=-4"));
    assert_eq!((last.status, &*last.body), (206, &b"some"[..]));
    let behind = talk.server.ask(&get(&path).header("Range", "bytes=1000-"));
    assert_eq!(behind.status, 416);
    let changed = get(&path)
        .header("Range", "bytes=1-3")
        .header("If-Range", "\"else\"");
    assert_eq!(talk.server.ask(&changed).status, 200);
    let same = get(&path)
        .header("Range", "bytes=1-3")
        .header("If-Range", etag);
    assert_eq!(talk.server.ask(&same).status, 206);

    let known = talk.server.ask(&get(&path).header("If-None-Match", etag));
    assert_eq!((known.status, known.body.len()), (304, 0));
    let head = talk.server.ask(&Ask::new("HEAD", &path));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(&*PNG.len().to_string()));
    assert_eq!(talk.server.ask(&post(&path)).status, 405);
}

#[test]
fn pictures_of_users_and_groups() {
    let talk = Talk::with(&[]);
    let (server, key) = (&talk.server, &talk.app.client);
    let picture = Part::File("avatar_file", "me.png", "image/png", PNG);
    let form = [Part::Text("username", "ada"), picture];
    let user = server.ask(&post("/v1/user").with(key).form(&form)).good();
    let first = text(&user["user"]["avatar"]);
    let path = first
        .strip_prefix(&format!("http://{}", server.address))
        .unwrap();
    assert_eq!(server.ask(&get(path)).status, 200);
    let path_of_user = format!("/v1/user/{}", talk.ada);
    let picture = Part::File("avatar_file", "me.gif", "image/gif", b"GIF89a....");
    let user = server
        .ask(&patch(&path_of_user).with(key).form(&[picture]))
        .good();
    assert_ne!(user["user"]["avatar"], *first);
    // Nothing refers to the first one any longer.
    assert_eq!(server.ask(&get(path)).status, 404);

    let before = server.state();
    let page = Part::File("avatar_file", "me.png", "image/png", SVG);
    let refused = server.ask(&patch(&path_of_user).with(key).form(&[page]));
    refused.refused(422, "invalid", "avatar_file");
    server.await_files(&before.1);
    assert_eq!(server.state(), before);

    let picture = Part::File("avatar_file", "us.png", "", PNG);
    let form = [
        Part::Text("usernames", "ada"),
        Part::Text("usernames", "bob"),
        picture,
    ];
    let group = server.ask(&post("/v1/chat").with(key).form(&form)).good();
    assert!(text(&group["avatar"]).ends_with(".png"));
}

#[test]
fn what_is_deleted_is_given_out_no_longer() {
    let talk = Talk::with(&[]);
    let sent = talk.server.ask(&talk.upload("a", "", PNG)).good();
    let path = talk.path_of(&sent["file"]);
    assert_eq!(talk.server.ask(&get(&path)).status, 200);
    let message = format!("/v1/messages/{}", text(&sent["id"]));
    talk.server
        .ask(&delete(&message).with(&talk.app.client))
        .good();
    talk.server
        .ask(&get(&path))
        .refused(404, "unknown_file", "file");
}

/// The client must read the answer although it has not yet written all.
#[test]
fn a_file_that_is_too_long_leaves_nothing() {
    let talk = Talk::with(&[("media.max_bytes", "4096")]);
    let before = talk.server.state();
    talk.send("fits", "", &[b'x'; 4096]);
    let after = talk.server.state();
    assert_eq!(after.1.len(), before.1.len() + 1);
    for length in [4097, 1 << 20, 8 << 20] {
        let refused = talk
            .server
            .ask(&talk.upload("long", "", &vec![b'x'; length]));
        let words = if length < 1 << 21 { "file" } else { "" };
        refused.refused(413, "too_large", words);
        talk.server.await_files(&after.1);
    }
    assert_eq!(talk.server.state(), after);
}

#[test]
fn half_a_file_leaves_nothing() {
    let talk = Talk::with(&[]);
    let before = talk.server.state();
    let content = vec![b'x'; 600_000];
    for share in [1, 50, 99] {
        let half = talk.upload("half", "", &content).ending_early(share);
        talk.server.ask(&half).refused(422, "invalid", "body");
        talk.server.await_files(&before.1);
    }
    assert_eq!(talk.server.state(), before);
}

#[test]
fn a_nearly_full_disk_takes_no_files_and_still_takes_words() {
    let talk = Talk::with(&[("store.free_space_floor_bytes", "1000000000000")]);
    // The floor of the store is its own; here it is the default.
    let refused = talk.server.ask(&talk.upload("a", "", PNG));
    refused.refused(503, "unavailable", "");
    assert!(refused.header("retry-after").is_some());
    let key = &talk.app.client;
    talk.server.message(key, &talk.chat, &talk.ada, "words");
    assert!(talk.server.files().is_empty());
}

/// A form in which somebody else's field stands where a file belongs, and the reverse.
#[test]
fn odd_forms() {
    let talk = Talk::with(&[]);
    let (server, key) = (&talk.server, &talk.app.client);
    let post_with = |parts: &[Part<'_>]| {
        let common = [
            ("chat_id", &*talk.chat),
            ("user_id", &*talk.ada),
            ("text", "x"),
        ];
        let mut all: Vec<_> = common.iter().map(|(n, t)| Part::Text(n, t)).collect();
        all.extend(parts.iter().map(|part| match part {
            Part::Text(name, text) => Part::Text(name, text),
            Part::File(field, name, kind, content) => Part::File(field, name, kind, content),
        }));
        server.ask(&post("/v1/messages").with(key).form(&all))
    };
    // A page sends an empty part where no file was chosen.
    let sent = post_with(&[Part::File("file", "", "application/octet-stream", b"")]).good();
    assert_eq!(sent.get("file"), None);
    // Nobody asked for this one.
    let sent = post_with(&[Part::File("other", "a.png", "image/png", PNG)]);
    sent.refused(422, "invalid", "other");
    let sent = post_with(&[
        Part::File("file", "a.png", "image/png", PNG),
        Part::File("file", "b.png", "image/png", PNG),
    ]);
    sent.refused(422, "invalid", "file");
    server.await_files(&BTreeSet::new());
}

/// Whoever sends slowly holds a seat, and gives it back by going away.
#[test]
fn so_many_files_may_be_on_their_way() {
    let talk = Talk::with(&[
        ("media.uploads", "1"),
        ("limits.per_ip_burst", "1000000"),
        ("limits.per_app_burst", "1000000"),
    ]);
    let content = vec![b'x'; 100_000];
    let slow = talk.upload("slow", "", &content).ending_early(50);
    let held = slow.begin(&talk.server.address);
    let deadline = Instant::now() + DEADLINE;
    while talk.server.files().is_empty() {
        assert!(Instant::now() < deadline, "waited for half a file");
    }
    let upload = talk.upload("next", "", &content);
    let refused = talk.server.ask(&upload);
    refused.refused(503, "unavailable", "");
    assert!(refused.header("retry-after").is_some());
    // Words need no seat.
    let key = &talk.app.client;
    talk.server.message(key, &talk.chat, &talk.ada, "words");
    drop(held);
    let deadline = Instant::now() + DEADLINE;
    while talk.server.ask(&upload).status != 200 {
        assert!(Instant::now() < deadline, "waited for the seat");
    }
}

//! The protocol vectors in `vectors/*.json`: what each layer makes of given bytes, or why it refuses them.
//!
//! `packets` and `messages` are what comes out before the end or the `error`, which is a variant's name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};
use wire::engineio::{Message, Packet, payload};
use wire::socketio::{self, Input, Session};
use wire::websocket::{Decoder, Incoming};
use wire::{Limits, engineio};

fn vectors(text: &str) -> Vec<Value> {
    let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() > 30, "the file is not empty");
    vectors
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// Compares what came out with `expected` and the vector's `error`.
fn check<E: std::fmt::Debug>(vector: &Value, key: &str, seen: Vec<Value>, error: Option<E>) {
    let name = &vector["name"];
    assert_eq!(Value::from(seen), vector[key], "{key} of {name}");
    let error = error.map_or(Value::Null, |error| format!("{error:?}").into());
    assert_eq!(error, vector["error"], "error of {name}");
}

#[test]
fn engineio_payloads() {
    let limits = Limits {
        max_text_bytes: 40,
        max_binary_bytes: 8,
        ..Limits::default()
    };
    for vector in vectors(include_str!("../vectors/engineio_payloads.json")) {
        let body = match vector["hex"].as_str() {
            Some(hex) => unhex(hex),
            None => vector["payload"].as_str().unwrap().into(),
        };
        let (mut seen, mut error) = (Vec::new(), None);
        for packet in payload::decode(body.into(), &limits) {
            match packet {
                Ok(packet) => seen.push(match packet {
                    Packet::Open(json) => json!(["open", json]),
                    Packet::Close => json!(["close"]),
                    Packet::Ping(data) => json!(["ping", data]),
                    Packet::Pong(data) => json!(["pong", data]),
                    Packet::Message(Message::Text(text)) => json!(["text", text]),
                    Packet::Message(Message::Binary(bytes)) => json!(["binary", hex(&bytes)]),
                    Packet::Upgrade => json!(["upgrade"]),
                    Packet::Noop => json!(["noop"]),
                }),
                Err(malformed) => error = Some(malformed),
            }
        }
        check(&vector, "packets", seen, error);
    }
}

fn packet_json(packet: &socketio::Packet) -> Value {
    let parsed =
        |raw: &serde_json::value::RawValue| -> Value { serde_json::from_str(raw.get()).unwrap() };
    let args = |args: &[Box<serde_json::value::RawValue>]| -> Value {
        args.iter().map(|raw| parsed(raw)).collect()
    };
    let mut out = json!({ "namespace": packet.namespace() });
    match packet {
        socketio::Packet::Connect { auth, .. } => {
            out["type"] = "connect".into();
            if let Some(auth) = auth {
                out["auth"] = parsed(auth);
            }
        }
        socketio::Packet::Disconnect { .. } => out["type"] = "disconnect".into(),
        socketio::Packet::Event(event) => {
            out["type"] = "event".into();
            out["name"] = event.name.clone().into();
            out["args"] = args(&event.args);
            if let Some(ack) = event.ack {
                out["ack"] = ack.into();
            }
        }
        socketio::Packet::Ack(ack) => {
            out["type"] = "ack".into();
            out["id"] = ack.id.into();
            out["args"] = args(&ack.args);
        }
        socketio::Packet::ConnectError { error, .. } => {
            out["type"] = "connect_error".into();
            out["error"] = parsed(error);
        }
    }
    out
}

fn fill(packet: &mut socketio::Packet, count: usize) {
    let attachments = vec![Bytes::from_static(b"bytes"); count];
    match packet {
        socketio::Packet::Event(event) => event.attachments = attachments,
        socketio::Packet::Ack(ack) => ack.attachments = attachments,
        _ => assert_eq!(count, 0, "only events and acks have attachments"),
    }
}

#[test]
fn socketio_packets() {
    let limits = Limits {
        max_attachments: 2,
        max_namespace_bytes: 40,
        max_event_name_bytes: 20,
        max_args: 6,
        ..Limits::default()
    };
    for vector in vectors(include_str!("../vectors/socketio_packets.json")) {
        let name = &vector["name"];
        let text = vector["text"].as_str().unwrap();
        match socketio::Packet::parse(text, &limits) {
            Ok((mut packet, count)) => {
                assert_eq!(Value::Null, vector["error"], "error of {name}");
                assert_eq!(packet_json(&packet), vector["packet"], "packet of {name}");
                assert_eq!(
                    count as u64,
                    vector["attachments"].as_u64().unwrap_or(0),
                    "attachments of {name}"
                );
                fill(&mut packet, count);
                let mut written = String::new();
                packet.write(&mut written);
                assert_eq!(
                    written,
                    vector["writes"].as_str().unwrap_or(text),
                    "{name}, written again"
                );
            }
            Err(violation) => {
                assert_eq!(format!("{violation:?}"), vector["error"], "error of {name}");
            }
        }
    }
}

#[test]
fn websocket_frames() {
    let limits = Limits {
        max_text_bytes: 200,
        max_binary_bytes: 300,
        ..Limits::default()
    };
    for vector in vectors(include_str!("../vectors/websocket_frames.json")) {
        let mut bytes = unhex(vector["hex"].as_str().unwrap());
        let zeros = vector["zeros"].as_u64().unwrap_or(0) as usize;
        bytes.resize(bytes.len() + zeros, 0);
        for size in [bytes.len(), 1, 3] {
            let (mut seen, mut error) = (Vec::new(), None);
            let mut decoder = Decoder::new(&limits);
            'pieces: for mut piece in bytes.chunks(size) {
                loop {
                    seen.push(match decoder.decode(&mut piece) {
                        Ok(None) => break,
                        Ok(Some(Incoming::Text(text))) => json!(["text", text]),
                        Ok(Some(Incoming::Binary(bytes))) if bytes.len() > 100 => {
                            json!(["binary", "zeros", bytes.len()])
                        }
                        Ok(Some(Incoming::Binary(bytes))) => json!(["binary", hex(&bytes)]),
                        Ok(Some(Incoming::Ping(bytes))) => json!(["ping", hex(&bytes)]),
                        Ok(Some(Incoming::Pong(bytes))) => json!(["pong", hex(&bytes)]),
                        Ok(Some(Incoming::Close(None))) => json!(["close"]),
                        Ok(Some(Incoming::Close(Some((code, reason))))) => {
                            json!(["close", code.number(), reason])
                        }
                        Err(fault) => {
                            error = Some(fault);
                            break 'pieces;
                        }
                    });
                }
            }
            check(&vector, "messages", seen, error);
        }
    }
}

/// What a session says to a conversation of messages, each line `T text` or `B bytes`, with the namespaces that the
/// server lets in named in `accepts`.
fn converse(
    limits: &Arc<Limits>,
    accepts: &[&str],
    messages: &[Message],
) -> Result<Vec<String>, socketio::Violation> {
    let now = Instant::now();
    let mut session = Session::new(limits.clone(), now);
    let mut seen = Vec::new();
    for message in messages {
        match session.receive(message.clone(), now)? {
            None => {}
            Some(Input::Connect { namespace, auth }) => {
                seen.push(format!(
                    "connect {namespace} {}",
                    auth.as_ref().map_or("", |auth| auth.get())
                ));
                if accepts.contains(&namespace.as_str()) {
                    assert!(session.accept(&namespace));
                } else {
                    session.reject(&namespace, now)?;
                }
            }
            Some(Input::Event(event)) => {
                let attachments: Vec<String> =
                    event.attachments.iter().map(|bytes| hex(bytes)).collect();
                seen.push(format!(
                    "event {} {} {attachments:?}",
                    event.namespace, event.name
                ));
            }
            Some(Input::Ack(ack)) => seen.push(format!("ack {} {}", ack.namespace, ack.id)),
            Some(Input::Disconnect { namespace }) => seen.push(format!("disconnect {namespace}")),
        }
    }
    Ok(seen)
}

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

fn binary(bytes: &'static [u8]) -> Message {
    Message::Binary(Bytes::from_static(bytes))
}

#[test]
fn a_session_follows_its_namespaces() {
    use socketio::Violation;
    let limits = Arc::new(Limits {
        max_attachments: 2,
        max_namespaces: 2,
        max_rejected_connects: 3,
        ..Limits::default()
    });
    let converse = |messages: &[Message]| converse(&limits, &["/", "/a", "/b"], messages);
    let ok = |lines: &[&str]| {
        Ok(lines
            .iter()
            .map(|&line| line.to_owned())
            .collect::<Vec<_>>())
    };

    assert_eq!(
        converse(&[
            text(r#"0{"t":1}"#),
            text("0/a"),
            text(r#"2["x"]"#),
            text(r#"2/a,["y"]"#),
            text("31[]"),
            text("1/a")
        ]),
        ok(&[
            r#"connect / {"t":1}"#,
            "connect /a ",
            "event / x []",
            "event /a y []",
            "ack / 1",
            "disconnect /a"
        ]),
    );
    // What was on its way when a namespace ended is dropped, but another CONNECT counts.
    assert_eq!(
        converse(&[
            text("0"),
            text("1"),
            text(r#"2["x"]"#),
            text("31[]"),
            text("1"),
            text("0"),
            text(r#"2["y"]"#)
        ]),
        ok(&["connect / ", "disconnect /", "connect / ", "event / y []"]),
    );
    assert_eq!(
        converse(&[text("0/no"), text(r#"2/no,["x"]"#), text("1/no")]),
        ok(&["connect /no "]),
        "a client that was turned down and does not know it yet"
    );
    assert_eq!(
        converse(&[
            text("0"),
            text(r#"52-["x",{"_placeholder":true,"num":1}]"#),
            binary(b"\x01"),
            binary(b"\x02\x03")
        ]),
        ok(&["connect / ", r#"event / x ["01", "0203"]"#]),
    );
    assert_eq!(
        converse(&[
            text("0"),
            text("1"),
            text(r#"51-["x"]"#),
            binary(b"\x01"),
            text("0")
        ]),
        ok(&["connect / ", "disconnect /", "connect / "]),
        "a binary event for a namespace that is gone is taken whole, then dropped"
    );

    assert_eq!(converse(&[text(r#"2["x"]"#)]), Err(Violation::NotConnected));
    assert_eq!(
        converse(&[text("0"), text(r#"2/a,["x"]"#)]),
        Err(Violation::NotConnected)
    );
    assert_eq!(
        converse(&[text("0"), text(r#"51-/a,["x"]"#)]),
        Err(Violation::NotConnected)
    );
    assert_eq!(
        converse(&[text("0"), text("1/a")]),
        Err(Violation::NotConnected)
    );
    assert_eq!(
        converse(&[text("0"), text("0")]),
        Err(Violation::AlreadyConnected)
    );
    assert_eq!(
        converse(&[text("0"), text(r#"4{"message":"no"}"#)]),
        Err(Violation::ServerPacket)
    );
    assert_eq!(
        converse(&[text("0"), text("0/a"), text("0/b")]),
        Err(Violation::TooManyNamespaces)
    );
    assert_eq!(
        converse(&[text("0"), binary(b"x")]),
        Err(Violation::UnexpectedAttachment)
    );
    assert_eq!(
        converse(&[text("0"), text(r#"51-["x"]"#), text(r#"2["y"]"#)]),
        Err(Violation::AttachmentExpected)
    );
    assert_eq!(
        converse(&[text("0"), text(r#"51-["x"]"#), binary(b"a"), binary(b"b")]),
        Err(Violation::UnexpectedAttachment)
    );
    let no = text("0/no");
    assert_eq!(
        converse(&[no.clone(), no.clone(), no.clone()]),
        Err(Violation::TooManyRejectedConnects)
    );
    assert_eq!(
        converse(&[no.clone(), no.clone(), text("0"), no.clone(), no.clone()])
            .map(|seen| seen.len()),
        Ok(5),
        "an accepted CONNECT begins the count anew"
    );
    // Names that are gone give way, so that a long life with changing namespaces stays within the limit.
    let mut long = vec![text("0")];
    for name in ["/a", "/b", "/a", "/b", "/a"] {
        long.extend([text(&format!("0{name}")), text(&format!("1{name}"))]);
    }
    assert_eq!(converse(&long).map(|seen| seen.len()), Ok(11));
}

#[test]
fn a_session_that_is_nowhere_has_a_deadline() {
    let limits = Arc::new(Limits::default());
    let start = Instant::now();
    let at = |seconds| start + std::time::Duration::from_secs(seconds);
    let mut session = Session::new(limits.clone(), start);
    assert_eq!(session.deadline(), Some(at(45)));
    session.receive(text("0"), at(1)).unwrap();
    assert_eq!(session.deadline(), Some(at(45)), "asking is not being in");
    assert!(session.accept("/"));
    assert!(!session.accept("/"), "accepted once");
    assert!(!session.accept("/a"), "nobody asked");
    assert_eq!(session.deadline(), None);
    assert_eq!(session.connected().collect::<Vec<_>>(), ["/"]);
    session.receive(text("0/a"), at(50)).unwrap();
    session.leave("/", at(60));
    assert_eq!(session.deadline(), Some(at(105)));
    assert!(session.accept("/a"));
    assert_eq!(session.deadline(), None);
    session.receive(text("1/a"), at(70)).unwrap();
    assert_eq!(session.deadline(), Some(at(115)));
    session.receive(text("0/b"), at(80)).unwrap();
    session.reject("/b", at(80)).unwrap();
    assert_eq!(
        session.deadline(),
        Some(at(115)),
        "a CONNECT that fails gives no more time"
    );
}

#[test]
fn limits_are_bounds_of_a_whole_message() {
    let limits = Limits {
        max_text_bytes: 10,
        max_binary_bytes: 3,
        ..Limits::default()
    };
    assert_eq!(
        socketio::Packet::parse(r#"2["12345"]"#, &limits).map(|(_, count)| count),
        Ok(0),
        "ten bytes"
    );
    assert_eq!(
        socketio::Packet::parse(r#"2["123456"]"#, &limits).map(|(_, count)| count),
        Err(socketio::Violation::TextTooLarge)
    );
    let seen = converse(
        &Arc::new(limits),
        &["/"],
        &[text("0"), text(r#"51-["x"]"#), binary(b"1234")],
    );
    assert_eq!(seen, Err(socketio::Violation::AttachmentTooLarge));
    assert_eq!(
        Limits::default().max_body_bytes(),
        1_000_000 + 13_333_336 + 2
    );
}

/// An idle connection's wire state, in bytes. The architecture counts them, so growing them is a decision.
#[test]
fn idle_state_is_small() {
    let sizes = [
        ("Decoder", size_of::<Decoder>(), 32),
        ("Session", size_of::<Session>(), 64),
        ("Connection", size_of::<engineio::Connection>(), 8),
    ];
    for (name, size, most) in sizes {
        assert!(size <= most, "{name} has {size} bytes");
    }
    let limits = Limits::default();
    let mut decoder = Decoder::new(&limits);
    let burst: Vec<u8> = [0x82, 0xff]
        .into_iter()
        .chain(100_000_u64.to_be_bytes())
        .chain(vec![0; 100_004])
        .collect();
    let (first, mut last) = burst.split_at(60_000);
    let mut piece = first;
    assert_eq!(decoder.decode(&mut piece), Ok(None));
    assert!(decoder.buffered() > 59_000);
    assert!(
        decoder.buffered() < 101_000,
        "never more than the frame needs"
    );
    assert!(
        matches!(decoder.decode(&mut last), Ok(Some(Incoming::Binary(bytes))) if bytes.len() == 100_000)
    );
    assert_eq!(decoder.buffered(), 0, "nothing is kept after a burst");
    let mut announced: &[u8] = &[0x82, 0xff, 0, 0, 0, 0, 0, 0x98, 0x96, 0x80, 0, 0, 0, 0, 7];
    assert_eq!(decoder.decode(&mut announced), Ok(None));
    assert!(
        decoder.buffered() < 300,
        "ten megabytes are announced, one byte has come"
    );
}

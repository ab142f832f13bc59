//! The protocol vectors in `vectors/*.json`: what each layer makes of given bytes, or why it refuses them.
//!
//! `packets` and `messages` are what comes out before the end or the `error`, which is a variant's name.

use bytes::Bytes;
use serde_json::{Value, json};
use wire::Limits;
use wire::engineio::{Message, Packet, payload};
use wire::socketio;
use wire::websocket::{Decoder, Incoming};

use crate::support::{hex, unhex, vectors};

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
    for vector in vectors(include_str!("../../vectors/engineio_payloads.json")) {
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
    for vector in vectors(include_str!("../../vectors/socketio_packets.json")) {
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
    for vector in vectors(include_str!("../../vectors/websocket_frames.json")) {
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

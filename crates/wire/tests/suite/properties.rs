//! What was written is what is read, whatever it is and however it comes.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;
use wire::Limits;
use wire::engineio::{self, Message, payload};
use wire::frame::{self, frames};
use wire::socketio::{self, Ack, Event, Input, Packet, Placeholder, Session, join_args};
use wire::websocket::{Decoder, Incoming};

use crate::support::client_frame;

fn limits() -> Limits {
    Limits {
        max_attachments: 3,
        max_event_name_bytes: 10_000,
        ..Limits::default()
    }
}

fn namespace() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), "/[a-z0-9é_/-]{1,20}"]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        any::<char>().prop_map(|char| Value::from(char.to_string())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("\\PC{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Arguments, and attachments with their placeholders somewhere among them.
fn args() -> impl Strategy<Value = (Vec<Box<RawValue>>, Vec<Bytes>)> {
    let attachments = prop::collection::vec(
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        0..3,
    );
    (prop::collection::vec(json(), 0..4), attachments).prop_map(|(mut values, attachments)| {
        for num in 0..attachments.len() {
            let placeholder = serde_json::json!({ "_placeholder": true, "num": num });
            if num % 2 == 0 {
                values.insert(0, placeholder);
            } else {
                values.push(serde_json::json!({ "deep": [placeholder] }));
            }
        }
        let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
        (values.iter().map(raw).collect(), attachments)
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z.:_]{1,12}",
        "\\PC{0,12}",
        any::<char>().prop_map(String::from)
    ]
    .prop_filter("reserved", |name| {
        !["connect", "disconnect"].contains(&name.as_str())
    })
}

fn event() -> impl Strategy<Value = Event> {
    (namespace(), any::<Option<u64>>(), name(), args()).prop_map(
        |(namespace, ack, name, (args, attachments))| Event {
            namespace,
            ack,
            name,
            args,
            attachments,
        },
    )
}

fn packet() -> impl Strategy<Value = Packet> {
    let object = || {
        prop::collection::hash_map("[a-z]{1,6}", json(), 0..4).prop_map(|map| {
            let object = Value::Object(map.into_iter().collect());
            RawValue::from_string(object.to_string()).unwrap()
        })
    };
    prop_oneof![
        (namespace(), prop::option::of(object()))
            .prop_map(|(namespace, auth)| Packet::Connect { namespace, auth }),
        namespace().prop_map(|namespace| Packet::Disconnect { namespace }),
        (namespace(), object())
            .prop_map(|(namespace, error)| Packet::ConnectError { namespace, error }),
        event().prop_map(Packet::Event),
        (namespace(), any::<u64>(), args()).prop_map(|(namespace, id, (args, attachments))| {
            Packet::Ack(Ack {
                namespace,
                id,
                args,
                attachments,
            })
        }),
    ]
}

/// A session that is in `namespace`.
fn session_in(namespace: &str) -> Session {
    let now = Instant::now();
    let mut session = Session::new(Arc::new(limits()), now);
    let mut text = String::new();
    Packet::Connect {
        namespace: namespace.to_owned(),
        auth: None,
    }
    .write(&mut text);
    assert!(matches!(
        session.receive(Message::Text(text), now),
        Ok(Some(Input::Connect { .. }))
    ));
    assert!(session.accept(namespace));
    session
}

/// The packet that `write` writes, as a client would read it.
fn read_back(write: impl FnOnce(&mut Vec<u8>)) -> Packet {
    let mut out = Vec::new();
    write(&mut out);
    let mut frames = frames(&out);
    let text = String::from_utf8(frames.next().unwrap().payload().to_vec()).unwrap();
    let engineio::Packet::Message(Message::Text(text)) =
        engineio::Packet::decode_text(text).unwrap()
    else {
        panic!("a message packet");
    };
    let (mut packet, count) = Packet::parse(&text, &limits()).unwrap();
    let bytes: Vec<Bytes> = frames
        .map(|frame| Bytes::copy_from_slice(frame.payload()))
        .collect();
    assert_eq!(bytes.len(), count);
    match &mut packet {
        Packet::Event(event) => event.attachments = bytes,
        Packet::Ack(ack) => ack.attachments = bytes,
        _ => {}
    }
    packet
}

proptest! {
    #[test]
    fn a_packet_that_was_written_is_read(packet in packet()) {
        let mut text = String::new();
        packet.write(&mut text);
        let (mut read, count) = Packet::parse(&text, &limits()).unwrap();
        prop_assert_eq!(count, packet.attachments().len());
        match &mut read {
            Packet::Event(event) => event.attachments = packet.attachments().to_vec(),
            Packet::Ack(ack) => ack.attachments = packet.attachments().to_vec(),
            _ => {}
        }
        prop_assert_eq!(read, packet);
    }

    #[test]
    fn a_session_puts_binary_packets_together(event in event()) {
        let mut session = session_in(&event.namespace);
        let now = Instant::now();
        let mut text = String::new();
        let packet = Packet::Event(event.clone());
        packet.write(&mut text);
        let messages: Vec<Message> = std::iter::once(Message::Text(text))
            .chain(event.attachments.iter().cloned().map(Message::Binary))
            .collect();
        let last = messages.len() - 1;
        for (place, message) in messages.into_iter().enumerate() {
            match session.receive(message, now).unwrap() {
                Some(Input::Event(read)) => {
                    prop_assert_eq!(place, last);
                    prop_assert_eq!(&read, &event);
                }
                None => prop_assert!(place < last),
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
        prop_assert_eq!(session.buffered(), 0);
    }

    #[test]
    fn a_frame_that_was_written_is_read(event in event(), offset in prop::option::of("[a-z0-9.]{1,20}")) {
        let args = join_args(&event.args);
        let mut expected = Event { ack: None, ..event.clone() };
        if let Some(offset) = &offset {
            expected.args.push(RawValue::from_string(format!("\"{offset}\"")).unwrap());
        }
        let read = read_back(|out| {
            let (name, offset) = (&event.name, offset.as_deref());
            if event.attachments.is_empty() {
                frame::write_event(out, &event.namespace, name, &args, offset);
            } else {
                frame::write_binary_event(out, &event.namespace, name, &args, offset, &event.attachments);
            }
        });
        prop_assert_eq!(read, Packet::Event(expected));

        let id = event.ack.unwrap_or(0);
        let read = read_back(|out| {
            if event.attachments.is_empty() {
                frame::write_ack(out, &event.namespace, id, &args);
            } else {
                frame::write_binary_ack(out, &event.namespace, id, &args, &event.attachments);
            }
        });
        let Event { namespace, args, attachments, .. } = event;
        prop_assert_eq!(read, Packet::Ack(Ack { namespace, id, args, attachments }));
    }

    #[test]
    fn messages_survive_fragments_and_pieces(
        messages in prop::collection::vec(("\\PC{0,60}", any::<bool>(), any::<[u8; 4]>(), 1..40_usize), 1..6),
        piece in 1..50_usize,
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (text, as_text, mask, fragment) in messages {
            let mut opcode = if as_text { 1 } else { 2 };
            let mut rest = text.as_bytes();
            loop {
                let (head, tail) = rest.split_at(fragment.min(rest.len()));
                rest = tail;
                bytes.extend(client_frame(rest.is_empty(), opcode, mask, head));
                opcode = 0;
                if rest.is_empty() {
                    break;
                }
                bytes.extend(client_frame(true, 0xa, mask, head));
                expected.push(Incoming::Pong(Bytes::copy_from_slice(head)));
            }
            expected.push(if as_text { Incoming::Text(text) } else { Incoming::Binary(text.into()) });
        }
        let mut decoder = Decoder::new(&limits());
        let mut seen = Vec::new();
        for mut piece in bytes.chunks(piece) {
            while let Some(incoming) = decoder.decode(&mut piece).unwrap() {
                seen.push(incoming);
            }
        }
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(decoder.buffered(), 0);
    }

    #[test]
    fn long_messages_survive_masks_and_pieces(
        len in 0..100_000_usize,
        mask in any::<[u8; 4]>(),
        piece in 1..70_000_usize,
    ) {
        let payload: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
        let bytes = client_frame(true, 2, mask, &payload);
        let mut decoder = Decoder::new(&limits());
        let mut seen = None;
        for mut piece in bytes.chunks(piece) {
            if let Some(incoming) = decoder.decode(&mut piece).unwrap() {
                prop_assert!(seen.replace(incoming).is_none());
            }
        }
        prop_assert!(seen == Some(Incoming::Binary(payload.into())));
    }

    #[test]
    fn payloads_survive(packets in prop::collection::vec(engine_packet(), 1..8)) {
        let mut writer = payload::Writer::new(usize::MAX);
        for packet in &packets {
            prop_assert!(writer.push(packet));
        }
        let read: Result<Vec<_>, _> = payload::decode(writer.finish(), &limits()).collect();
        prop_assert_eq!(read, Ok(packets));
    }
}

fn engine_packet() -> impl Strategy<Value = engineio::Packet> {
    use engineio::Packet::{Close, Message as Said, Noop, Open, Ping, Pong, Upgrade};
    let text = || "[^\u{1e}]{0,30}";
    prop_oneof![
        prop::sample::select(vec![Close, Upgrade, Noop]),
        text().prop_map(Open),
        text().prop_map(Ping),
        text().prop_map(Pong),
        text().prop_map(|text| Said(Message::Text(text))),
        prop::collection::vec(any::<u8>(), 0..50)
            .prop_map(|bytes| Said(Message::Binary(bytes.into()))),
    ]
}

#[test]
fn placeholders_are_found_by_their_type() {
    #[derive(serde::Deserialize)]
    struct File {
        buffer: Placeholder,
    }
    let attachments = [Bytes::from_static(b"first"), Bytes::from_static(b"second")];
    let file: File =
        serde_json::from_str(r#"{"name":"a","buffer":{"_placeholder":true,"num":1}}"#).unwrap();
    assert_eq!(file.buffer.resolve(&attachments), Some(&attachments[1]));
    assert_eq!(file.buffer.resolve(&[]), None);
    for other in [
        r#"{"num":1}"#,
        r#"{"_placeholder":false,"num":1}"#,
        r#"{"_placeholder":true}"#,
        "1",
        "null",
    ] {
        assert!(
            serde_json::from_str::<Placeholder>(other).is_err(),
            "{other}"
        );
    }
}

#[test]
fn json_of_any_depth_is_no_danger() {
    let deep = |event: &str| {
        format!(
            r#"{event}["x",{}{}]"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        )
    };
    let limits = limits();
    assert!(
        Packet::parse(&deep("2"), &limits).is_ok(),
        "raw arguments are not descended into"
    );
    assert_eq!(
        Packet::parse(&deep("51-"), &limits),
        Err(socketio::Violation::BadPayload)
    );
}

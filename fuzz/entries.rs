//! What the fuzz targets do with their input. The wire's own tests run the same functions on random and mutated bytes.
//!
//! Each holds for every input: no panic, bounded memory, and what was read can be written and read again unchanged.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use wire::Limits;
use wire::engineio::{Connection, Message, Transport, payload};
use wire::frame::{frames, write_packet};
use wire::socketio::{self, Input, Session};
use wire::websocket::{Decoder, Incoming, ProtocolError};

/// Small enough that random input meets them.
fn limits() -> Limits {
    Limits {
        max_text_bytes: 1_000,
        max_binary_bytes: 600,
        max_attachments: 2,
        max_namespaces: 3,
        max_args: 8,
        max_event_name_bytes: 32,
        max_namespace_bytes: 32,
        ..Limits::default()
    }
}

/// The body of a POST, through the payload and the connection.
pub(crate) fn polling_payload(data: &[u8]) {
    let limits = limits();
    let mut reader = payload::decode(Bytes::copy_from_slice(data), &limits);
    let mut packets = Vec::new();
    for packet in reader.by_ref() {
        match packet {
            Ok(packet) => packets.push(packet),
            Err(_) => break,
        }
    }
    assert!(
        reader.next().is_none(),
        "nothing comes after the end or an error"
    );

    // Written as packets, or taken apart from finished frames, they are the same.
    let mut as_packets = payload::Writer::new(usize::MAX);
    let mut as_frames = payload::Writer::new(usize::MAX);
    let mut joined = Vec::new();
    for packet in &packets {
        assert!(as_packets.push(packet), "there is room without end");
        write_packet(&mut joined, packet);
    }
    for frame in frames(&joined) {
        assert!(as_frames.push_frame(frame), "there is room without end");
    }
    let written = as_packets.finish();
    assert_eq!(
        written,
        as_frames.finish(),
        "a frame and its packet are the same payload"
    );
    if !packets.is_empty() {
        let again: Result<Vec<_>, _> = payload::decode(written, &limits).collect();
        assert_eq!(again.as_ref(), Ok(&packets), "written and read again");
    }

    let mut connection = Connection::new(Transport::Polling);
    for packet in packets {
        connection.receive(packet);
    }
}

/// Messages of one connection, separated by byte 0: UTF-8 is a text message, anything else a binary one.
pub(crate) fn socketio_packet(data: &[u8]) {
    let limits = Arc::new(limits());
    let now = Instant::now();
    let mut session = Session::new(limits.clone(), now);
    let mut received = 0;
    for message in data.split(|byte| *byte == 0) {
        received += message.len();
        let message = match std::str::from_utf8(message) {
            Ok(text) => {
                read_and_write(text, &limits);
                Message::Text(text.to_owned())
            }
            Err(_) => Message::Binary(Bytes::copy_from_slice(message)),
        };
        match session.receive(message, now) {
            Err(_) => return,
            Ok(None) => {}
            Ok(Some(Input::Connect { namespace, .. })) => {
                // Some are turned down, so that both ways are gone.
                if namespace.len() % 3 == 2 {
                    if session.reject(&namespace, now).is_err() {
                        return;
                    }
                    assert!(!session.is_connected(&namespace));
                } else {
                    assert!(session.accept(&namespace), "it has just asked");
                }
            }
            Ok(Some(Input::Event(event))) => {
                assert!(
                    session.is_connected(&event.namespace),
                    "an event is for a namespace that is connected"
                );
                assert!(event.args.len() <= limits.max_args);
                assert!(event.attachments.len() <= limits.max_attachments);
            }
            Ok(Some(Input::Ack(ack))) => assert!(session.is_connected(&ack.namespace)),
            Ok(Some(Input::Disconnect { namespace })) => assert!(!session.is_connected(&namespace)),
        }
        assert!(session.connected().count() <= limits.max_namespaces);
        assert_eq!(
            session.deadline().is_none(),
            session.connected().next().is_some()
        );
        assert!(session.buffered() <= received);
    }
}

fn read_and_write(text: &str, limits: &Limits) {
    let Ok((packet, missing)) = socketio::Packet::parse(text, limits) else {
        return;
    };
    // What is missing would have to be there to be announced.
    if missing > 0 {
        return;
    }
    let mut written = String::new();
    packet.write(&mut written);
    let again = socketio::Packet::parse(&written, limits);
    assert_eq!(again.as_ref(), Ok(&(packet, 0)), "written and read again");
}

/// A client's bytes. Whole and in pieces they are the same messages and the same end.
pub(crate) fn websocket_frames(data: &[u8]) {
    let whole = read_frames(data, data.len().max(1));
    for size in [1, 2, 7, 64] {
        assert_eq!(read_frames(data, size), whole, "in pieces of {size} bytes");
    }
}

fn read_frames(data: &[u8], size: usize) -> (Vec<Incoming>, Option<ProtocolError>) {
    let limits = limits();
    let mut decoder = Decoder::new(&limits);
    let mut seen = Vec::new();
    for mut piece in data.chunks(size) {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(incoming)) => {
                    match &incoming {
                        Incoming::Text(text) => assert!(text.len() <= limits.max_text_bytes),
                        Incoming::Binary(bytes) => assert!(bytes.len() <= limits.max_binary_bytes),
                        Incoming::Ping(bytes) | Incoming::Pong(bytes) => {
                            assert!(bytes.len() <= 125);
                        }
                        Incoming::Close(_) => {}
                    }
                    seen.push(incoming);
                }
                Ok(None) => break,
                Err(error) => return (seen, Some(error)),
            }
        }
        assert!(piece.is_empty(), "everything was taken");
        assert!(
            decoder.buffered() <= 400 + limits.max_text_bytes,
            "no more than a message is kept"
        );
    }
    (seen, None)
}

//! The bytes that the server writes.

use bytes::Bytes;
use wire::engineio::{self, Open, Packet, Transport, payload};
use wire::frame::{self, Frame, frames};
use wire::websocket::{CloseCode, write_close, write_empty_close, write_pong};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// The payload of the only frame that `write` appends, as text.
fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let frame = Frame::build(write);
    assert!(!frame.is_binary());
    assert_eq!(frame.payload(), frame.view().payload());
    String::from_utf8(frame.payload().to_vec()).unwrap()
}

#[test]
fn events() {
    let event = |namespace, name, args, offset| {
        text(|out| frame::write_event(out, namespace, name, args, offset))
    };
    assert_eq!(event("/", "hi", "", None), r#"42["hi"]"#);
    assert_eq!(
        event("/", "hi", r#"1,{"a":2}"#, None),
        r#"42["hi",1,{"a":2}]"#
    );
    assert_eq!(event("/", "hi", "", Some("k.1.0")), r#"42["hi","k.1.0"]"#);
    assert_eq!(
        event("/chat", "hi", "1", Some("k.1.0")),
        r#"42/chat,["hi",1,"k.1.0"]"#
    );
    assert_eq!(
        event("/", "a\"b\\\n\u{1}é", "", None),
        r#"42["a\"b\\\n\u0001é"]"#
    );
}

#[test]
fn answers() {
    let ack = |namespace, id, args| text(|out| frame::write_ack(out, namespace, id, args));
    assert_eq!(ack("/", 0, ""), "430[]");
    assert_eq!(
        ack("/chat", u64::MAX, r#"{"ok":true}"#),
        r#"43/chat,18446744073709551615[{"ok":true}]"#
    );
    let connect = |namespace| text(|out| frame::write_connect(out, namespace, r#"{"sid":"a"}"#));
    assert_eq!(connect("/"), r#"40{"sid":"a"}"#);
    assert_eq!(connect("/chat"), r#"40/chat,{"sid":"a"}"#);
    let refused = |data| {
        text(|out| frame::write_connect_error(out, "/random", "Invalid \"namespace\"", data))
    };
    assert_eq!(
        refused(None),
        r#"44/random,{"message":"Invalid \"namespace\""}"#
    );
    assert_eq!(
        refused(Some("[1]")),
        r#"44/random,{"message":"Invalid \"namespace\"","data":[1]}"#
    );
    assert_eq!(text(|out| frame::write_disconnect(out, "/")), "41");
    assert_eq!(
        text(|out| frame::write_disconnect(out, "/chat")),
        "41/chat,"
    );
}

#[test]
fn binary_packets_are_followed_by_their_attachments() {
    let attachments = [Bytes::from_static(b"\x01\x02"), Bytes::from_static(b"")];
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    let out = written(|out| {
        frame::write_binary_event(out, "/a", "file", placeholder, Some("o"), &attachments);
        frame::write_binary_ack(out, "/", 7, placeholder, &attachments[..1]);
    });
    let seen: Vec<_> = frames(&out)
        .map(|frame| (frame.is_binary(), frame.payload()))
        .collect();
    assert_eq!(
        seen,
        [
            (
                false,
                &br#"452-/a,["file",{"_placeholder":true,"num":0},"o"]"#[..]
            ),
            (true, b"\x01\x02"),
            (true, b""),
            (false, br#"461-7[{"_placeholder":true,"num":0}]"#),
            (true, b"\x01\x02"),
        ]
    );
}

#[test]
fn engine_packets_and_control_frames() {
    assert_eq!(written(frame::write_ping), b"\x81\x012");
    let pong = Packet::Pong("probe".to_owned());
    assert_eq!(
        written(|out| frame::write_packet(out, &pong)),
        b"\x81\x063probe"
    );
    let binary = Packet::Message(engineio::Message::Binary(Bytes::from_static(b"\xff")));
    assert_eq!(
        written(|out| frame::write_packet(out, &binary)),
        b"\x82\x01\xff"
    );
    assert_eq!(written(|out| write_pong(out, b"x")), b"\x8a\x01x");
    assert_eq!(written(write_empty_close), b"\x88\x00");
    assert_eq!(
        written(|out| write_close(out, CloseCode::AWAY, "bye")),
        b"\x88\x05\x03\xe9bye"
    );
    // A reason of 126 bytes is cut, and not within a character.
    let out = written(|out| write_close(out, CloseCode::NORMAL, &"€".repeat(42)));
    assert_eq!((out.len(), out[1]), (2 + 2 + 123, 2 + 123));
    let out = written(|out| write_close(out, CloseCode::NORMAL, &format!("a{}", "€".repeat(41))));
    assert_eq!(
        std::str::from_utf8(&out[4..]),
        Ok(format!("a{}", "€".repeat(40)).as_str())
    );
}

#[test]
fn the_handshake_answer_has_its_five_keys() {
    let open = Open::new(
        "abc".to_owned(),
        Transport::Polling,
        25_000,
        20_000,
        1_000_000,
    );
    let Packet::Open(json) = open.packet() else {
        panic!("an open packet")
    };
    assert_eq!(
        json,
        r#"{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
    );
    let open = Open::new("abc".to_owned(), Transport::WebSocket, 1, 2, 3);
    assert!(matches!(open.packet(), Packet::Open(json) if json.contains(r#""upgrades":[],"#)));
}

#[test]
fn headers_have_three_lengths() {
    for (len, header) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
        let args = "1".repeat(len - r#"42["x",]"#.len());
        let out = written(|out| {
            frame::write_event(out, "/", "x", &args, None);
            frame::write_ping(out);
        });
        assert_eq!(out.len(), header + len + 3, "a payload of {len} bytes");
        let mut frames = frames(&out);
        assert_eq!(frames.next().unwrap().payload().len(), len);
        assert_eq!(frames.rest(), b"\x81\x012");
        assert_eq!(frames.next().unwrap().payload(), b"2");
        assert_eq!(frames.next(), None);
    }
}

#[test]
fn a_payload_is_no_longer_than_the_client_was_told() {
    let out = written(|out| {
        for name in ["aaaa", "bbbb", "cccc"] {
            frame::write_event(out, "/", name, "", None);
        }
        let bytes = engineio::Message::Binary(Bytes::from_static(b"1234"));
        frame::write_packet(out, &Packet::Message(bytes));
    });
    // Each event has ten bytes, the binary packet nine.
    let fill = |max, bytes: &[u8]| -> (String, usize) {
        let mut writer = payload::Writer::new(max);
        assert!(writer.is_empty());
        let mut reader = frames(bytes);
        loop {
            let rest = reader.rest().len();
            match reader.next() {
                Some(frame) if writer.push_frame(frame) => {}
                _ => return (String::from_utf8(writer.finish().to_vec()).unwrap(), rest),
            }
        }
    };
    assert_eq!(
        fill(21, &out),
        ("42[\"aaaa\"]\x1e42[\"bbbb\"]".to_owned(), 12 + 6)
    );
    assert_eq!(fill(20, &out), (r#"42["aaaa"]"#.to_owned(), 24 + 6));
    assert_eq!(
        fill(1, &out),
        (r#"42["aaaa"]"#.to_owned(), 24 + 6),
        "the first always goes"
    );
    let all = "42[\"aaaa\"]\x1e42[\"bbbb\"]\x1e42[\"cccc\"]\x1ebMTIzNA==";
    assert_eq!(fill(all.len(), &out), (all.to_owned(), 0));
    assert_eq!(fill(all.len() - 1, &out), (all[..32].to_owned(), 6));
}

//! Our WebSocket framing against tungstenite's, which was written by others from the same document.

use std::io::{self, Cursor, Read, Write};

use bytes::Bytes;
use proptest::prelude::*;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode as TheirCode, Data, OpCode};
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};
use wire::Limits;
use wire::engineio;
use wire::frame::{write_event, write_packet};
use wire::websocket::{CloseCode, Decoder, Incoming, ProtocolError, write_close, write_pong};

use crate::support::{mutated, seeds};

/// A socket that has said all it will say and remembers what it is told.
struct Pipe {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.input.read(room)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const LIMIT: usize = 70_000;

fn limits() -> Limits {
    Limits {
        max_text_bytes: LIMIT,
        max_binary_bytes: LIMIT,
        ..Limits::default()
    }
}

fn theirs(role: Role, input: Vec<u8>) -> WebSocket<Pipe> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    WebSocket::from_raw_socket(
        Pipe {
            input: Cursor::new(input),
            output: Vec::new(),
        },
        role,
        Some(config),
    )
}

/// What came, as both sides can say it.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Text(String),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<(u16, String)>),
    Refused,
}

fn read_ours(input: &[u8]) -> (Vec<Seen>, Option<ProtocolError>) {
    let mut decoder = Decoder::new(&limits());
    let mut rest = input;
    let mut seen = Vec::new();
    loop {
        seen.push(match decoder.decode(&mut rest) {
            Ok(None) => return (seen, None),
            Ok(Some(Incoming::Text(text))) => Seen::Text(text),
            Ok(Some(Incoming::Binary(bytes))) => Seen::Binary(bytes),
            Ok(Some(Incoming::Ping(bytes))) => Seen::Ping(bytes),
            Ok(Some(Incoming::Pong(bytes))) => Seen::Pong(bytes),
            Ok(Some(Incoming::Close(close))) => {
                seen.push(Seen::Close(
                    close.map(|(code, reason)| (code.number(), reason)),
                ));
                return (seen, None);
            }
            Err(error) => {
                seen.push(Seen::Refused);
                return (seen, Some(error));
            }
        });
    }
}

/// What tungstenite reads. The end of the bytes is an end, not a refusal.
fn read_theirs(role: Role, input: Vec<u8>) -> Vec<Seen> {
    let mut socket = theirs(role, input);
    let mut seen = Vec::new();
    loop {
        seen.push(match socket.read() {
            Ok(Message::Text(text)) => Seen::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Seen::Binary(bytes),
            Ok(Message::Ping(bytes)) => Seen::Ping(bytes),
            Ok(Message::Pong(bytes)) => Seen::Pong(bytes),
            Ok(Message::Close(close)) => {
                // It puts this in the place of a close frame with a code that must not be sent.
                let refused = close.as_ref().is_some_and(|close| {
                    close.code == TheirCode::Protocol
                        && close.reason.as_str() == "Protocol violation"
                });
                seen.push(if refused {
                    Seen::Refused
                } else {
                    Seen::Close(
                        close.map(|close| (close.code.into(), close.reason.as_str().to_owned())),
                    )
                });
                return seen;
            }
            Ok(Message::Frame(_)) => panic!("reading never gives raw frames"),
            Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => return seen,
            Err(_) => {
                seen.push(Seen::Refused);
                return seen;
            }
        });
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![8 => 0..300_usize, 1 => 65_500..65_600_usize];
    (any::<u8>(), len)
        .prop_map(|(first, len)| (0..len).map(|at| first.wrapping_add(at as u8)).collect())
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![8 => "\\PC{0,80}", 1 => "[é€🦀]{20,30}".prop_map(|text| text.repeat(500))]
}

#[derive(Debug, Clone)]
enum Said {
    /// A text, cut into this many fragments.
    Text(String, usize),
    Binary(Vec<u8>, usize),
    Ping(Vec<u8>),
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        (words(), 1..5_usize).prop_map(|(text, cuts)| Said::Text(text, cuts)),
        (payload(), 1..5_usize).prop_map(|(bytes, cuts)| Said::Binary(bytes, cuts)),
        prop::collection::vec(any::<u8>(), 0..126).prop_map(Said::Ping),
    ]
}

proptest! {
    /// What their client writes, fragments and pings between them included, we read, in any pieces.
    #[test]
    fn we_read_what_their_client_writes(
        messages in prop::collection::vec(said(), 0..6),
        close in prop::option::of((prop_oneof![Just(1000_u16), Just(1001), 3000..=4999_u16], "\\PC{0,30}")),
        piece in 1..5_000_usize,
    ) {
        let mut client = theirs(Role::Client, Vec::new());
        let mut expected = Vec::new();
        for message in messages {
            match message {
                Said::Text(text, cuts) => {
                    write_fragments(&mut client, Data::Text, text.as_bytes(), cuts, &mut expected);
                    expected.push(Seen::Text(text));
                }
                Said::Binary(bytes, cuts) => {
                    write_fragments(&mut client, Data::Binary, &bytes, cuts, &mut expected);
                    expected.push(Seen::Binary(bytes.into()));
                }
                Said::Ping(bytes) => {
                    client.write(Message::Ping(bytes.clone().into())).unwrap();
                    expected.push(Seen::Ping(bytes.into()));
                }
            }
        }
        if let Some((code, reason)) = close {
            let frame = CloseFrame { code: code.into(), reason: reason.clone().into() };
            client.close(Some(frame)).unwrap();
            expected.push(Seen::Close(Some((code, reason))));
        }
        client.flush().unwrap();
        let bytes = &client.get_ref().output;
        prop_assert_eq!(read_ours(bytes), (expected.clone(), None));

        let mut decoder = Decoder::new(&limits());
        let mut count = 0;
        for mut piece in bytes.chunks(piece) {
            while decoder.decode(&mut piece).unwrap().is_some() {
                count += 1;
            }
        }
        prop_assert_eq!(count, expected.len());
        prop_assert_eq!(decoder.buffered(), 0);
    }

    /// What we write, their client reads.
    #[test]
    fn their_client_reads_what_we_write(
        messages in prop::collection::vec(said(), 0..6),
        reason in "\\PC{0,200}",
    ) {
        let mut out = Vec::new();
        let mut expected = Vec::new();
        for message in messages {
            match message {
                Said::Text(text, 1) => {
                    write_event(&mut out, "/ns", &text, "1", None);
                    let packet = format!("42/ns,[{},1]", serde_json::to_string(&text).unwrap());
                    expected.push(Seen::Text(packet));
                }
                Said::Text(text, _) => {
                    let packet = engineio::Packet::Message(engineio::Message::Text(text.clone()));
                    write_packet(&mut out, &packet);
                    expected.push(Seen::Text(format!("4{text}")));
                }
                Said::Binary(bytes, _) => {
                    let bytes = Bytes::from(bytes);
                    write_packet(&mut out, &engineio::Packet::Message(engineio::Message::Binary(bytes.clone())));
                    expected.push(Seen::Binary(bytes));
                }
                Said::Ping(bytes) => {
                    write_pong(&mut out, &bytes);
                    expected.push(Seen::Pong(bytes.into()));
                }
            }
        }
        write_close(&mut out, CloseCode::POLICY, &reason);
        let mut seen = read_theirs(Role::Client, out);
        let Some(Seen::Close(Some((1008, kept)))) = seen.pop() else {
            return Err(TestCaseError::fail("the close frame comes last"));
        };
        prop_assert!(reason.starts_with(&kept) && kept.len() + 4 > reason.len().min(123));
        prop_assert_eq!(seen, expected);
    }

    /// On damaged bytes both sides see the same messages and refuse at the same place.
    #[test]
    fn both_refuse_the_same(bytes in mutated(seeds(include_str!("../../vectors/websocket_frames.json")), b"")) {
        both_agree(bytes)?;
    }

    /// The same on frames that are mostly well-formed.
    #[test]
    fn both_refuse_the_same_frames(frames in prop::collection::vec(frame(), 1..6)) {
        both_agree(frames.concat())?;
    }
}

/// A masked frame whose head may be wrong.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![6 => 0..3_u8, 3 => 8..11_u8, 1 => 0..16_u8];
    let payload = prop_oneof![
        3 => "\\PC{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => prop_oneof![Just(1000_u16), Just(1003), Just(1005), Just(1011), Just(1016), 2990..=5010_u16]
            .prop_map(|code| code.to_be_bytes().to_vec()),
    ];
    (
        any::<[u8; 4]>(),
        opcode,
        prop::bool::weighted(0.7),
        prop::num::u8::ANY,
        payload,
    )
        .prop_map(|(mask, opcode, fin, odd, payload)| {
            let mut frame = crate::support::client_frame(fin, opcode, mask, &payload);
            // Now and then a reserved bit.
            frame[0] |= if odd < 8 { odd << 4 & 0x70 } else { 0 };
            frame
        })
}

fn both_agree(mut bytes: Vec<u8>) -> Result<(), TestCaseError> {
    // They look at a frame when all of it is there, so what is begun has to end. Zeros are refused by both in the end.
    bytes.resize(bytes.len() + LIMIT + 14, 0);
    let (ours, error) = read_ours(&bytes);
    let their = read_theirs(Role::Server, bytes);
    match error {
        // They do not mind a length in more bytes than it needs, not even a control frame's; the document does.
        Some(ProtocolError::BadLength | ProtocolError::LongControl) => {
            let agreed = ours.len() - 1;
            prop_assert_eq!(Some(&ours[..agreed]), their.get(..agreed));
        }
        // They do not know 1014 (bad gateway), which has been registered since.
        None if matches!(ours.last(), Some(Seen::Close(Some((1014, _))))) => {
            prop_assert_eq!(their.last(), Some(&Seen::Refused));
        }
        _ => prop_assert_eq!(ours, their),
    }
    Ok(())
}

fn write_fragments(
    client: &mut WebSocket<Pipe>,
    kind: Data,
    bytes: &[u8],
    cuts: usize,
    expected: &mut Vec<Seen>,
) {
    let size = bytes.len().div_ceil(cuts).max(1);
    let mut rest = bytes;
    let mut opcode = kind;
    loop {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        let frame = Frame::message(piece.to_vec(), OpCode::Data(opcode), rest.is_empty());
        client.write(Message::Frame(frame)).unwrap();
        opcode = Data::Continue;
        if rest.is_empty() {
            return;
        }
        let between = Bytes::from_static(b"between");
        client.write(Message::Ping(between.clone())).unwrap();
        expected.push(Seen::Ping(between));
    }
}

//! What is said to each server: Palaver speaks its dialect `direct`, all others *rooms*, which is
//! the same job in the fewest words. In rooms of a live stream Palaver is read in its dialect
//! `stream` and written to in `minchat`.
//!
//! ```text
//! 420["join","<room>"]                                             -> 430[{"success":true}]
//! 421["send",{id, room_id, sender_id, body, created_at}]           -> 431[{"success":true}]
//!     and to everybody in the room: 42["new_message",{id, room_id, sender_id, body, created_at}]
//! ```
//!
//! A message's body begins with the number of its stream and its number in it, so that a reader
//! can tell what is missing. Who writes is not in the room, so only readers get the message.

use std::{fmt::Write as _, time::Duration};

use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Plan, http,
    socket::{Outcome, Reader, frame},
};

/// How long a join may take before it is sent again.
const JOIN_WITHIN: Duration = Duration::from_secs(5);
/// How often it is sent.
const JOINS: u32 = 4;

/// Which words a server understands.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Talk {
    /// Palaver's dialect for chats of two.
    Direct,
    /// What the other servers of this folder speak.
    Rooms,
    /// Palaver's dialect for rooms of live streams, in which members of `minchat` write.
    Stream,
}

/// Where messages go, and between whom.
#[derive(Clone, Default)]
pub(crate) struct Room {
    id: String,
    writer: String,
    /// Who reads; of a live stream, the payload of what lets somebody in.
    reader: String,
    /// What lets the writer in, where that takes a key.
    key: String,
}

impl Room {
    /// Room number `number`. Palaver gives it its id when somebody enters.
    pub(crate) fn new(number: usize) -> Self {
        Self {
            id: uuid(1, number),
            writer: uuid(2, number),
            reader: uuid(3, number),
            key: String::new(),
        }
    }

    /// Makes the room number `number` of a live stream, whose owner writes in it.
    async fn make(plan: &Plan, number: usize) -> Outcome<Self> {
        let post = async |path, body: Value| {
            let answer = http::ask(&plan.at, "POST", path, &plan.key, &body.to_string()).await?;
            serde_json::from_str::<Value>(&answer).map_err(|error| format!("{path}: {error}"))
        };
        let text = |answer: &Value, pointer| {
            let found = answer.pointer(pointer).and_then(Value::as_str);
            let found = found.map(str::to_owned);
            found.ok_or_else(|| format!("no {pointer} in {answer}"))
        };
        // Of the same length, so that all frames are.
        let slug = format!("channel-{number:03}");
        let user = post("/v1/user", json!({"username": "writer"})).await?;
        let channel = json!({"slug": slug, "owner": "writer"});
        let channel = post("/api/v2/channels", channel).await?;
        let chatroom = channel.pointer("/chatroom/id").and_then(Value::as_i64);
        let chatroom = chatroom.ok_or_else(|| format!("no chatroom in {channel}"))?;
        Ok(Self {
            id: text(&channel, "/chat_id")?,
            writer: text(&user, "/user/id")?,
            reader: json!({"channelName": slug, "chatroomId": chatroom}).to_string(),
            key: plan.key.clone(),
        })
    }

    /// The frame by which a socket enters or leaves a room of a live stream.
    pub(crate) fn moves(&self, number: u64, enters: bool) -> Vec<u8> {
        let name = if enters { "subscribe" } else { "unsubscribe" };
        frame(&format!(r#"42{number}["{name}",{}]"#, self.reader))
    }
}

impl Talk {
    /// So many rooms, which nobody has entered.
    pub(super) async fn rooms(self, plan: &Plan, count: usize) -> Outcome<Vec<Room>> {
        let mut rooms = Vec::with_capacity(count);
        for number in 0..count {
            rooms.push(match self {
                Self::Direct | Self::Rooms => Room::new(number),
                Self::Stream => Room::make(plan, number).await?,
            });
        }
        Ok(rooms)
    }

    /// How the packet of a message that arrives begins, and what stands before its body.
    pub(crate) fn arrival(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Direct | Self::Rooms => (br#"42["new_message""#, br#""body":""#),
            Self::Stream => (br#"42["App\\Events\\ChatMessageEvent""#, br#""content":""#),
        }
    }

    /// Puts the reader's socket into the room; how often it had to ask again.
    pub(crate) async fn enter(self, socket: &mut Reader, room: &mut Room) -> Outcome<u64> {
        let Room {
            id, writer, reader, ..
        } = &room;
        match self {
            Self::Direct => {
                let event = format!(
                    r#"420["join_chat",{{"userId":"{reader}","targetUserId":"{writer}"}}]"#
                );
                let (answer, again) = ask(socket, &event).await?;
                let id = answer
                    .split_once(r#""roomId":""#)
                    .and_then(|(_, rest)| rest.split('"').next());
                id.ok_or_else(|| format!("no room: {answer}"))?
                    .clone_into(&mut room.id);
                Ok(again)
            }
            Self::Rooms => Ok(ask(socket, &format!(r#"420["join","{id}"]"#)).await?.1),
            Self::Stream => {
                let event = format!(r#"420["subscribe",{reader}]"#);
                Ok(ask(socket, &event).await?.1)
            }
        }
    }

    /// Says who is at a socket that will be idle: person number `number`.
    pub(crate) async fn identify(self, socket: &mut Reader, number: usize) -> Outcome<u64> {
        let name = match self {
            Self::Direct => "register_user",
            Self::Rooms => "join",
            Self::Stream => {
                return Err("readers of a live stream do not say who they are".to_owned());
            }
        };
        let person = uuid(4, number);
        Ok(ask(socket, &format!(r#"420["{name}","{person}"]"#))
            .await?
            .1)
    }

    /// The frame of message number `n` of a stream, with a body of `length` bytes.
    pub(crate) fn message(self, room: &Room, stream: usize, n: u64, length: usize) -> Vec<u8> {
        let Room {
            id, writer, key, ..
        } = room;
        let mut body = String::with_capacity(length);
        // Writing to a String cannot fail.
        let _ = write!(body, "{stream} {n} ");
        while body.len() < length {
            body.push('.');
        }
        frame(&match self {
            Self::Direct => format!(
                r#"42{n}["send_message",{{"roomId":"{id}","senderId":"{writer}","body":"{body}"}}]"#
            ),
            Self::Rooms => format!(
                r#"42{n}["send",{{"id":"{}","room_id":"{id}","sender_id":"{writer}","body":"{body}","created_at":"2026-01-01T00:00:00.000Z"}}]"#,
                uuid(5, n as usize)
            ),
            Self::Stream => format!(
                r#"42{n}["message",{{"chat_id":"{id}","user_id":"{writer}","apiKey":"{key}","text":"{body}"}}]"#
            ),
        })
    }
}

/// Sends an event that asks for acknowledgement 0, and waits for it.
async fn ask(socket: &mut Reader, event: &str) -> Outcome<(String, u64)> {
    for again in 0..JOINS {
        socket.writer.write(&frame(event));
        match timeout(JOIN_WITHIN, socket.find(b"430[")).await {
            Ok(Ok(answer)) if answer.starts_with(r#"430[{"success":true"#) => {
                return Ok((answer, u64::from(again)));
            }
            Ok(Ok(answer)) => return Err(format!("{event} was answered {answer}")),
            Ok(Err(problem)) => return Err(problem),
            Err(_) => {}
        }
    }
    Err(format!("{event} was not answered"))
}

/// Stream and number out of a delivered message, whose body stands behind `key`: mostly where it
/// stood last time, at `hint`.
pub(crate) fn read_body(packet: &[u8], key: &[u8], hint: &mut usize) -> Option<(usize, u64)> {
    if !packet
        .get(*hint..)
        .is_some_and(|rest| rest.starts_with(key))
    {
        *hint = packet.windows(key.len()).position(|part| part == key)?;
    }
    let (stream, rest) = read_number(packet.get(*hint + key.len()..)?)?;
    let (n, _) = read_number(rest.strip_prefix(b" ")?)?;
    Some((usize::try_from(stream).ok()?, n))
}

/// The number of an acknowledgement that says yes: in so many words, or by the object that was made.
pub(crate) fn read_ack(packet: &[u8]) -> Option<u64> {
    let (n, rest) = read_number(packet.strip_prefix(b"43")?)?;
    let answer = rest.strip_prefix(b"[{")?;
    let says_yes = answer.starts_with(br#""success":true"#) || answer.starts_with(br#""id":"#);
    says_yes.then_some(n)
}

fn read_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = bytes.split_at_checked(end)?;
    let number = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    (end > 0).then_some((number, rest))
}

/// A UUID of a kind of thing and its number.
fn uuid(kind: u8, number: usize) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

//! A page with an unmodified `socket.io-client`: what the client remembers and when it sends, as
//! observed of version 4.8, and a page on top that chats.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};
use wire::socketio::{Event, Packet};

/// What the page asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Register,
    Join { other: usize },
    Send { body: String, retried: bool },
    Fetch { room: String },
    Nonsense,
}

/// An event that the page has emitted, on the connection that lives.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) ack: Option<u64>,
    pub(crate) wish: Wish,
    /// The server may not have known who it is.
    early: bool,
}

/// How the page is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// It says who it is and joins in a `connect` handler, so after each reconnect; else once, ever.
    pub(crate) joins_on_connect: bool,
    /// Percent of its events that ask for an acknowledgement.
    pub(crate) acks: u8,
    /// It repeats sends, with an id of their own, until they are acknowledged.
    pub(crate) retries: bool,
}

/// What an acknowledgement or an event told the page, for the checker.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It is let in.
    Connected { recovered: bool },
    /// An event, after the client has taken note of it.
    Event { event: Event },
    /// The acknowledgement of the oldest open ask that wants one.
    Acked { ask: Ask, answer: Value },
}

/// What no client must ever see.
pub(crate) type Complaint = String;

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Client {
    pub(crate) user: usize,
    pub(crate) style: Style,
    /// It wants to be connected.
    pub(crate) is_active: bool,
    /// It takes no byte.
    pub(crate) is_frozen: bool,
    /// The number of its connection, while it has one.
    pub(crate) line: Option<u32>,
    pub(crate) pid: Option<String>,
    pub(crate) offset: Option<String>,
    is_connected: bool,
    next_ack: u64,
    /// Emitted and not answered, on this connection.
    open: VecDeque<Ask>,
    /// Emitted while it was not connected.
    unsent: Vec<(String, Ask)>,
    /// What is to be sent over the connection that it has.
    pub(crate) outbox: VecDeque<String>,
    /// The page registers.
    wants_register: bool,
    /// Whom the page chats with.
    wants: BTreeSet<usize>,
    /// Rooms that the page has learned of.
    pub(crate) rooms: BTreeSet<String>,
    /// Rooms that it must hear of from now on: it was told that it is in.
    pub(crate) listens: BTreeSet<String>,
    /// It was told that it is registered.
    pub(crate) is_registered: bool,
    /// Sends that are repeated until they are acknowledged: by client id, room and body.
    unacked: BTreeMap<String, (String, String)>,
}

impl Client {
    pub(crate) fn new(user: usize, style: Style) -> Self {
        Self {
            user,
            style,
            is_active: true,
            is_frozen: false,
            line: None,
            pid: None,
            offset: None,
            is_connected: false,
            next_ack: 0,
            open: VecDeque::new(),
            unsent: Vec::new(),
            outbox: VecDeque::new(),
            wants_register: false,
            wants: BTreeSet::new(),
            rooms: BTreeSet::new(),
            listens: BTreeSet::new(),
            is_registered: false,
            unacked: BTreeMap::new(),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Whether the page was told who it is, so that the server knows.
    pub(crate) fn is_identified(&self) -> bool {
        self.is_registered || !self.listens.is_empty()
    }

    /// Asks on this connection that must still be acknowledged.
    pub(crate) fn unanswered(&self) -> Vec<&Ask> {
        self.open.iter().filter(|ask| ask.ack.is_some()).collect()
    }

    /// Sends that are to be repeated until they are acknowledged.
    pub(crate) fn unacked(&self) -> usize {
        self.unacked.len()
    }

    /// It has a transport: the first packet.
    pub(crate) fn opened(&mut self, line: u32) {
        self.line = Some(line);
        self.outbox.clear();
        let auth = match (&self.pid, &self.offset) {
            (None, _) => String::new(),
            (Some(pid), None) => json!({ "pid": pid }).to_string(),
            (Some(pid), Some(offset)) => json!({ "pid": pid, "offset": offset }).to_string(),
        };
        self.outbox.push_back(format!("0{auth}"));
    }

    /// Its transport is gone. Callbacks of what was sent are dropped with it.
    pub(crate) fn lost(&mut self) {
        self.line = None;
        self.is_connected = false;
        self.open.clear();
        self.outbox.clear();
    }

    /// `disconnect()`: it says so, and the page starts over. The recovery id stays.
    pub(crate) fn log_out(&mut self) {
        if self.is_connected {
            self.outbox.push_back("1".to_owned());
        }
        self.is_active = false;
        self.unsent.clear();
        self.unacked.clear();
        self.wants.clear();
        self.wants_register = false;
        self.listens.clear();
        self.is_registered = false;
    }

    pub(crate) fn register(&mut self, ack: bool) {
        self.wants_register = true;
        self.emit(
            &json!(["register_user", person(self.user)]),
            ack,
            Wish::Register,
        );
    }

    pub(crate) fn join(&mut self, other: usize, ack: bool) {
        self.wants.insert(other);
        let people = json!({ "userId": person(self.user), "targetUserId": person(other) });
        self.emit(&json!(["join_chat", people]), ack, Wish::Join { other });
    }

    pub(crate) fn send(&mut self, room: &str, body: String, ack: bool) {
        let retried = self.style.retries;
        if retried {
            self.unacked
                .insert(body.clone(), (room.to_owned(), body.clone()));
        }
        self.send_again(room, body, ack || retried, retried);
    }

    fn send_again(&mut self, room: &str, body: String, ack: bool, retried: bool) {
        let mut message = json!({ "roomId": room, "senderId": person(self.user), "body": body });
        if retried {
            message["clientMessageId"] = json!(body.trim_end_matches('-'));
        }
        self.emit(
            &json!(["send_message", message]),
            ack,
            Wish::Send { body, retried },
        );
    }

    /// Repeats what is not acknowledged.
    pub(crate) fn retry(&mut self) {
        for (room, body) in self.unacked.clone().into_values() {
            self.send_again(&room, body, true, true);
        }
    }

    pub(crate) fn fetch(&mut self, room: &str, limit: usize, offset: usize, ack: bool) {
        let page = json!({ "roomId": room, "limit": limit, "offset": offset });
        let wish = Wish::Fetch {
            room: room.to_owned(),
        };
        self.emit(&json!(["fetch_messages", page]), ack, wish);
    }

    pub(crate) fn talk_nonsense(&mut self, ack: bool) {
        self.emit(&json!(["no_such_event", 1]), ack, Wish::Nonsense);
    }

    fn emit(&mut self, event: &Value, ack: bool, wish: Wish) {
        let ack = ack.then(|| {
            self.next_ack += 1;
            self.next_ack
        });
        let id = ack.map(|id| id.to_string()).unwrap_or_default();
        let early = !self.is_identified();
        let (packet, ask) = (format!("2{id}{event}"), Ask { ack, wish, early });
        if self.is_connected {
            self.outbox.push_back(packet);
            self.open.push_back(ask);
        } else {
            self.unsent.push((packet, ask));
        }
    }

    /// Takes what the server sends.
    pub(crate) fn receive(&mut self, packet: &Packet) -> Result<Heard, Complaint> {
        match packet {
            Packet::Connect {
                auth: Some(answer), ..
            } => {
                let answer: Value = serde_json::from_str(answer.get()).unwrap();
                Ok(self.connected(&answer))
            }
            Packet::Event(event) => {
                if !self.is_connected {
                    return Err(format!("an event before the answer to CONNECT: {event:?}"));
                }
                if event.ack.is_some() {
                    return Err(format!(
                        "an event that asks for an acknowledgement: {event:?}"
                    ));
                }
                self.note_offset(event);
                Ok(Heard::Event {
                    event: event.clone(),
                })
            }
            Packet::Ack(ack) => {
                let answer = serde_json::from_str(ack.args[0].get()).unwrap();
                self.acked(ack.id, answer)
            }
            other => Err(format!(
                "a client does not come back by itself after {other:?}"
            )),
        }
    }

    fn connected(&mut self, answer: &Value) -> Heard {
        let pid = answer["pid"].as_str().map(str::to_owned);
        let recovered = pid.is_some() && self.pid == pid;
        self.pid = pid;
        self.is_connected = true;
        // What was emitted meanwhile goes first; then the `connect` handlers run.
        for (packet, ask) in std::mem::take(&mut self.unsent) {
            self.outbox.push_back(packet);
            self.open.push_back(ask);
        }
        if self.style.joins_on_connect {
            if self.wants_register {
                self.register(true);
            }
            for other in self.wants.clone() {
                self.join(other, true);
            }
        }
        self.retry();
        Heard::Connected { recovered }
    }

    /// The last argument, or the name where there is none, if it is a string.
    fn note_offset(&mut self, event: &Event) {
        let last = match event.args.last() {
            Some(last) => serde_json::from_str::<String>(last.get()).ok(),
            None => Some(event.name.clone()),
        };
        if let (Some(_), Some(last)) = (&self.pid, last) {
            self.offset = Some(last);
        }
    }

    fn acked(&mut self, id: u64, answer: Value) -> Result<Heard, Complaint> {
        let Some(place) = self.open.iter().position(|ask| ask.ack == Some(id)) else {
            return Err(format!("an acknowledgement {id} that nobody waits for"));
        };
        // What needs to know who it is waits for that, and all else behind it.
        let identifies = matches!(self.open[place].wish, Wish::Register | Wish::Join { .. });
        let may_wait = |ask: &&Ask| ask.ack.is_none() || (identifies && ask.early);
        if let Some(passed) = self.open.iter().take(place).find(|ask| !may_wait(ask)) {
            return Err(format!("{id} is answered before {passed:?}"));
        }
        let ask = self.open.remove(place).unwrap();
        self.learn(&ask, &answer);
        Ok(Heard::Acked { ask, answer })
    }

    fn learn(&mut self, ask: &Ask, answer: &Value) {
        if answer["success"] != true {
            return;
        }
        match &ask.wish {
            Wish::Register => self.is_registered = true,
            Wish::Join { .. } => self.is_in(answer["roomId"].as_str().unwrap()),
            Wish::Send { body, .. } => {
                self.unacked.remove(body);
            }
            Wish::Fetch { .. } | Wish::Nonsense => {}
        }
    }

    /// The page was told that it is in this room.
    pub(crate) fn is_in(&mut self, room: &str) {
        self.rooms.insert(room.to_owned());
        self.listens.insert(room.to_owned());
    }
}

/// The id of a simulated person.
pub(crate) fn person(number: usize) -> String {
    let number = u128::try_from(number).unwrap();
    uuid::Uuid::from_u128(0xaaaa_0000_0000_4000_8000_0000_0000_0000 + number).to_string()
}

//! Plays a transcript: does what its lines say and compares what comes, frame by frame.
//!
//! Every frame that a socket gets must be accounted for. Offsets are no matter of transcripts:
//! here they are checked for their form, and for rising on each socket.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chat::{Identity, Refusal};
use serde_json::{Value, json, value::RawValue};
use wire::{
    Limits,
    socketio::{Event, Packet},
};

use super::{
    http::Request,
    network,
    pattern::{Bindings, short},
    player::{Connection, Heard, Player},
    script::{Action, Asker, Deed, Script, SocketName, Step, Welcome},
};

/// How long a frame may take. Generous: it is only waited out by a transcript that fails. A server
/// that has just started tells nobody for 20 s that somebody is gone.
const PATIENCE: Duration = Duration::from_secs(40);
/// An event that no dialect has; its refusal comes after all that was due before.
const PROBE: &str = "transcript.probe";

/// Plays `script` in an app of this kind; `Err` says which line went wrong, and how.
pub(crate) fn play(
    script: &Script,
    identity: Identity,
    player: &mut dyn Player,
) -> Result<(), String> {
    let mut stage = Stage {
        player,
        identity,
        bindings: Bindings::default(),
        connections: HashMap::new(),
        sockets: BTreeMap::new(),
        answer: None,
    };
    for step in &script.steps {
        stage
            .perform(step)
            .map_err(|what| format!("{}:{}: {}\n  {what}", script.name, step.line, step.text))?;
    }
    stage
        .end()
        .map_err(|what| format!("{}: at the end\n  {what}", script.name))
}

/// Everything that a play has at hand.
struct Stage<'p> {
    player: &'p mut dyn Player,
    identity: Identity,
    bindings: Bindings,
    connections: HashMap<String, Line>,
    sockets: BTreeMap<SocketName, Socket>,
    /// What the last request over HTTP was answered.
    answer: Option<(u16, Value)>,
}

/// A connection and what came over it for sockets that were not asked yet.
struct Line {
    connection: Box<dyn Connection>,
    recovery: bool,
    waiting: HashMap<String, VecDeque<Packet>>,
}

/// A socket that is connected to its namespace.
#[derive(Default)]
struct Socket {
    /// Whether its events end with offsets.
    offsets: bool,
    last: Option<Offset>,
    next_ack: u64,
    unanswered: VecDeque<u64>,
}

impl Stage<'_> {
    fn perform(&mut self, step: &Step) -> Result<(), String> {
        let (who, deed) = match &step.action {
            Action::Restart => {
                self.connections.clear();
                self.sockets.clear();
                return self.player.restart();
            }
            Action::Advance(by) => return self.player.advance(*by),
            Action::Let { name, value } => {
                let value = self.bindings.fill(value, self.player)?;
                return self.bindings.bind(name, &value);
            }
            Action::Request {
                asker,
                method,
                path,
                body,
            } => return self.request(asker, method, path, body.as_ref()),
            Action::Response { status, body } => return self.expect_answer(*status, body),
            Action::Socket(who, deed) => (who, deed),
        };
        match deed {
            Deed::Open { query } => self.open(who, query),
            Deed::Connect {
                subject,
                auth,
                welcome,
            } => self.connect(who, subject.as_ref(), auth.as_ref(), welcome),
            Deed::Dismissed => self.expect_dismissed(who),
            Deed::Disconnect => {
                self.sockets.remove(who);
                self.send(
                    who,
                    &Packet::Disconnect {
                        namespace: who.namespace.clone(),
                    },
                )
            }
            Deed::Close => {
                self.sockets
                    .retain(|name, _| name.connection != who.connection);
                let mut line = self
                    .connections
                    .remove(&who.connection)
                    .ok_or("is not open")?;
                line.connection.close();
                Ok(())
            }
            Deed::Closed => self.expect_closed(who),
            Deed::Emit { ack, name, args } => self.emit(who, *ack, name, args),
            Deed::Expect { name, args } => self.expect(who, name, args),
            Deed::ExpectPassing { name, args } => self.expect_passing(who, name, args),
            Deed::ExpectAck { args } => self.expect_ack(who, args),
            Deed::Quiet => self.expect_quiet(who),
        }
    }

    /// Nothing may be left over.
    fn end(mut self) -> Result<(), String> {
        self.check_answered()?;
        let names: Vec<SocketName> = self.sockets.keys().cloned().collect();
        for name in names {
            self.expect_quiet(&name)
                .map_err(|what| format!("{}{}: {what}", name.connection, name.namespace))?;
            let socket = self.socket(&name)?;
            if !socket.unanswered.is_empty() {
                return Err(format!("{} waits for an acknowledgement", name.connection));
            }
        }
        for line in self.connections.values_mut() {
            line.connection.close();
        }
        Ok(())
    }

    fn request(
        &mut self,
        asker: &Asker,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(), String> {
        self.check_answered()?;
        let key = match asker {
            Asker::Page => self.player.user_key(None)?,
            Asker::Subject(subject) => {
                let subject = self.bindings.fill(subject, self.player)?;
                self.player.user_key(Some(&subject))?
            }
            Asker::App => self.player.server_key()?,
        };
        let body = match body {
            Some(body) => Some(self.bindings.fill(body, self.player)?),
            None => None,
        };
        let request = Request {
            key,
            method: method.to_owned(),
            target: self.bindings.fill_text(path)?,
            body,
        };
        self.answer = Some(self.player.request(&request)?);
        Ok(())
    }

    fn expect_answer(&mut self, status: u16, body: &Value) -> Result<(), String> {
        let (got, answer) = self.answer.take().ok_or("nothing was requested")?;
        let came = format!("came: {got} {}", short(&answer));
        if got != status {
            return Err(format!("expected {status}\n  {came}"));
        }
        self.bindings
            .compare(body, &answer, "the answer")
            .map_err(|difference| format!("{difference}\n  {came}"))
    }

    /// What is answered over HTTP must be accounted for too.
    fn check_answered(&self) -> Result<(), String> {
        match &self.answer {
            Some((status, body)) => Err(format!(
                "the last request was answered {status} {}, of which no line says so",
                short(body)
            )),
            None => Ok(()),
        }
    }

    fn socket(&mut self, who: &SocketName) -> Result<&mut Socket, String> {
        self.sockets
            .get_mut(who)
            .ok_or_else(|| format!("{} is not connected", who.connection))
    }

    fn open(&mut self, who: &SocketName, query: &[(String, String)]) -> Result<(), String> {
        let mut filled = Vec::new();
        for (key, value) in query {
            let value = self
                .bindings
                .fill(&Value::from(value.as_str()), self.player)?;
            let value = value
                .as_str()
                .ok_or("a query holds strings only")?
                .to_owned();
            filled.push((key.clone(), value));
        }
        let recovery = !filled
            .iter()
            .any(|(key, value)| key == "recovery" && value == "0");
        let line = Line {
            connection: self.player.open(&filled)?,
            recovery,
            waiting: HashMap::new(),
        };
        self.connections.insert(who.connection.clone(), line);
        Ok(())
    }

    fn connect(
        &mut self,
        who: &SocketName,
        subject: Option<&Value>,
        auth: Option<&Value>,
        welcome: &Welcome,
    ) -> Result<(), String> {
        if !self.connections.contains_key(&who.connection) {
            self.open(who, &[])?;
        }
        let mut auth = match auth {
            Some(auth) => Some(self.bindings.fill(auth, self.player)?),
            None => None,
        };
        if let Some(subject) = subject {
            let subject = self.bindings.fill(subject, self.player)?;
            // An open app is told nothing: there the payloads are believed. A role only a token tells.
            if self.identity == Identity::Verified || subject.is_object() {
                let token = self.player.token(&subject, None, false)?;
                let auth = auth.get_or_insert_with(|| json!({}));
                let fields = auth.as_object_mut().ok_or("AUTH must be an object")?;
                fields.insert("token".to_owned(), Value::from(token));
            }
        }
        let recovery = auth
            .as_ref()
            .is_none_or(|auth| auth["recovery"] != json!(false))
            && self
                .connections
                .get(&who.connection)
                .is_some_and(|line| line.recovery);
        let packet = Packet::Connect {
            namespace: who.namespace.clone(),
            auth: auth.as_ref().map(raw).transpose()?,
        };
        self.send(who, &packet)?;
        let has_pid = auth.as_ref().is_some_and(|auth| !auth["pid"].is_null());
        match (self.receive(who)?, welcome) {
            (Packet::Connect { auth: answer, .. }, Welcome::In | Welcome::Told { .. }) => {
                let answer: Value = answer
                    .and_then(|answer| serde_json::from_str(answer.get()).ok())
                    .ok_or("the answer to CONNECT is empty")?;
                let is_told = matches!(welcome, Welcome::Told { .. });
                // Nobody comes back to where nobody was let in.
                let recovery = recovery && (!is_told || has_pid);
                let expected = if recovery {
                    json!({"sid": "$=string", "pid": "$=string"})
                } else {
                    json!({"sid": "$=string"})
                };
                self.bindings
                    .compare(&expected, &answer, "the answer to CONNECT")?;
                if let Welcome::Told { name, args } = welcome {
                    self.expect_passing(who, name, args)?;
                    return self.expect_dismissed(who);
                }
                let socket = Socket {
                    offsets: recovery,
                    ..Socket::default()
                };
                self.sockets.insert(who.clone(), socket);
                Ok(())
            }
            (Packet::ConnectError { error, .. }, Welcome::Refused(expected)) => {
                let error: Value = serde_json::from_str(error.get()).map_err(|e| e.to_string())?;
                self.bindings.compare(expected, &error, "the refusal")
            }
            (other, _) => Err(format!("got {}", describe(&other))),
        }
    }

    fn emit(
        &mut self,
        who: &SocketName,
        ack: bool,
        name: &str,
        args: &[Value],
    ) -> Result<(), String> {
        let mut filled = Vec::new();
        for arg in args {
            filled.push(raw(&self.bindings.fill(arg, self.player)?)?);
        }
        let attachments = self.bindings.attachments();
        self.emit_raw(who, ack, name, filled, &attachments)
    }

    fn emit_raw(
        &mut self,
        who: &SocketName,
        ack: bool,
        name: &str,
        args: Vec<Box<RawValue>>,
        attachments: &[Vec<u8>],
    ) -> Result<(), String> {
        let socket = self.socket(who)?;
        let ack = ack.then(|| {
            let id = socket.next_ack;
            socket.next_ack += 1;
            socket.unanswered.push_back(id);
            id
        });
        let event = Event {
            namespace: who.namespace.clone(),
            ack,
            name: name.to_owned(),
            args,
            attachments: attachments.iter().cloned().map(Bytes::from).collect(),
        };
        self.send(who, &Packet::Event(event))?;
        let line = self.line(who)?;
        for attachment in attachments {
            line.connection.attach(attachment)?;
        }
        Ok(())
    }

    fn send(&mut self, who: &SocketName, packet: &Packet) -> Result<(), String> {
        let mut text = String::new();
        packet.write(&mut text);
        self.line(who)?.connection.send(&text)
    }

    fn line(&mut self, who: &SocketName) -> Result<&mut Line, String> {
        self.connections
            .get_mut(&who.connection)
            .ok_or_else(|| "is not open".to_owned())
    }

    /// The next packet for this socket that has its place.
    fn receive(&mut self, who: &SocketName) -> Result<Packet, String> {
        self.receive_of(who, false)
    }

    /// The next packet for this socket, of those that pass or of the others: between the two there is
    /// no order. Where events have no offsets nobody can tell them apart.
    fn receive_of(&mut self, who: &SocketName, passing: bool) -> Result<Packet, String> {
        let has_offsets = self.sockets.get(who).is_some_and(|socket| socket.offsets);
        let line = self.line(who)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let waiting = line.waiting.entry(who.namespace.clone()).or_default();
            let wanted = |packet: &Packet| !has_offsets || passes(packet) == passing;
            if let Some(packet) = waiting
                .iter()
                .position(wanted)
                .and_then(|at| waiting.remove(at))
            {
                return Ok(packet);
            }
            let came = waiting.front().map(describe);
            let heard = line.connection.receive(deadline);
            let text = match heard.map_err(|error| match came {
                Some(came) => format!("{error}, but {came}"),
                None => error,
            })? {
                Heard::Text(text) => text,
                Heard::Closed => return Err("the connection was closed".to_owned()),
            };
            let (packet, attachments) = Packet::parse(&text, &Limits::default())
                .map_err(|violation| format!("a bad packet came ({violation}): {text}"))?;
            if attachments > 0 {
                return Err(format!("a packet with attachments came: {text}"));
            }
            let waiting = line.waiting.entry(packet.namespace().to_owned());
            waiting.or_default().push_back(packet);
        }
    }

    fn expect_dismissed(&mut self, who: &SocketName) -> Result<(), String> {
        match self.receive(who)? {
            Packet::Disconnect { .. } => {
                self.sockets.remove(who);
                Ok(())
            }
            other => Err(format!("got {}", describe(&other))),
        }
    }

    fn expect_closed(&mut self, who: &SocketName) -> Result<(), String> {
        self.sockets
            .retain(|name, _| name.connection != who.connection);
        let mut line = self
            .connections
            .remove(&who.connection)
            .ok_or("is not open")?;
        match line.connection.receive(Instant::now() + PATIENCE)? {
            Heard::Closed => Ok(()),
            Heard::Text(text) => Err(format!("got {text}")),
        }
    }

    fn expect(&mut self, who: &SocketName, name: &str, args: &[Value]) -> Result<(), String> {
        match self.receive(who)? {
            Packet::Event(event) => {
                let got = self.take_event(who, &event)?;
                self.compare_event(name, args, &event, got)
            }
            other => Err(format!("got {}", describe(&other))),
        }
    }

    /// Typing has no place in a stream, so it has no offset.
    fn expect_passing(
        &mut self,
        who: &SocketName,
        name: &str,
        args: &[Value],
    ) -> Result<(), String> {
        match self.receive_of(who, true)? {
            Packet::Event(event) => {
                let got = values(&event.args)?;
                self.compare_event(name, args, &event, got)
            }
            other => Err(format!("got {}", describe(&other))),
        }
    }

    fn compare_event(
        &mut self,
        name: &str,
        args: &[Value],
        event: &Event,
        got: Vec<Value>,
    ) -> Result<(), String> {
        let came = format!("came: {} {}", event.name, list(&got));
        if event.name != name {
            return Err(format!("expected the event {name}\n  {came}"));
        }
        network::check(name, &got)?;
        self.bindings
            .compare(&Value::from(args), &Value::from(got), name)
            .map_err(|difference| format!("{difference}\n  {came}"))
    }

    /// The arguments of an event, without its offset, which is checked.
    fn take_event(&mut self, who: &SocketName, event: &Event) -> Result<Vec<Value>, String> {
        if event.ack.is_some() {
            return Err(format!("{} asks for an acknowledgement", event.name));
        }
        let mut args = values(&event.args)?;
        let socket = self.socket(who)?;
        if socket.offsets {
            let last: Option<Value> = args.pop();
            let offset = last
                .as_ref()
                .and_then(Value::as_str)
                .ok_or_else(|| format!("{} does not end with an offset", event.name))?;
            let offset = Offset::parse(offset)
                .ok_or_else(|| format!("{} ends with no offset: {offset:?}", event.name))?;
            if let Some(last) = socket.last.filter(|last| *last >= offset) {
                return Err(format!(
                    "the offset of {} falls: {last:?}, then {offset:?}",
                    event.name
                ));
            }
            socket.last = Some(offset);
        }
        Ok(args)
    }

    fn expect_ack(&mut self, who: &SocketName, args: &[Value]) -> Result<(), String> {
        let packet = self.receive(who)?;
        let got = self.take_ack(who, &packet)?;
        self.bindings
            .compare(
                &Value::from(args),
                &Value::from(got.clone()),
                "the acknowledgement",
            )
            .map_err(|difference| format!("{difference}\n  came: {}", list(&got)))
    }

    fn take_ack(&mut self, who: &SocketName, packet: &Packet) -> Result<Vec<Value>, String> {
        let Packet::Ack(ack) = packet else {
            return Err(format!(
                "expected an acknowledgement, got {}",
                describe(packet)
            ));
        };
        let due = self.socket(who)?.unanswered.pop_front();
        if due != Some(ack.id) {
            return Err(format!(
                "the acknowledgement is of event {}, not {due:?}",
                ack.id
            ));
        }
        values(&ack.args)
    }

    /// Asks something whose answer comes after all that is due, and accepts only that answer.
    fn expect_quiet(&mut self, who: &SocketName) -> Result<(), String> {
        if !self.socket(who)?.unanswered.is_empty() {
            return Err("waits for an acknowledgement".to_owned());
        }
        self.emit_raw(who, true, PROBE, Vec::new(), &[])?;
        match self.receive(who)? {
            Packet::Event(event) => {
                let got = self.take_event(who, &event)?;
                let words = json!(Refusal::UnknownEvent.to_string());
                let says_so = |arg: &Value| {
                    arg["code"] == json!("unknown_event")
                        || arg["message"] == words
                        || *arg == words
                };
                if !got.iter().any(says_so) {
                    return Err(format!("something came: {} {}", event.name, list(&got)));
                }
            }
            other => return Err(format!("something came: {}", describe(&other))),
        }
        let packet = self.receive(who)?;
        let got = self.take_ack(who, &packet)?;
        // A dialect may have more to say than this.
        let ack = got.first().unwrap_or(&Value::Null);
        if ack["success"] != json!(false) || ack["error"]["code"] != json!("unknown_event") {
            return Err(format!("the acknowledgement was {}", list(&got)));
        }
        let waiting = self.line(who)?.waiting.get(&who.namespace);
        match waiting.and_then(VecDeque::front) {
            Some(passing) => Err(format!("something came: {}", describe(passing))),
            None => Ok(()),
        }
    }
}

/// A place in a socket's stream. Compared without the epoch, which belongs to the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offset {
    g: u64,
    part: u64,
    r: u64,
}

impl Offset {
    /// The part that stands for answers.
    const ANSWER: u64 = 35;

    /// `epoch.g.part`, or `epoch.g.part.r` for answers, in base 36.
    fn parse(text: &str) -> Option<Self> {
        let number = |part: &str| {
            let lower = !part.is_empty() && !part.contains(|c: char| c == '+' || c.is_uppercase());
            lower.then(|| u64::from_str_radix(part, 36).ok()).flatten()
        };
        let parts: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
        let (epoch, g, part, r) = match *parts.as_slice() {
            [epoch, g, part] if part < Self::ANSWER => (epoch, g, part, 0),
            [epoch, g, part, r] if part == Self::ANSWER => (epoch, g, part, r),
            _ => return None,
        };
        u32::try_from(epoch).ok()?;
        Some(Self { g, part, r })
    }
}

/// Whether it is an event that passes: an offset is a string, and those end with none.
fn passes(packet: &Packet) -> bool {
    let Packet::Event(event) = packet else {
        return false;
    };
    let last = event.args.last();
    !last.is_some_and(|last| last.get().starts_with('"'))
}

fn values(args: &[Box<RawValue>]) -> Result<Vec<Value>, String> {
    let texts = args.iter().map(|arg| serde_json::from_str(arg.get()));
    texts
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

fn raw(value: &Value) -> Result<Box<RawValue>, String> {
    RawValue::from_string(value.to_string()).map_err(|error| error.to_string())
}

fn list(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(short).collect();
    texts.join(", ")
}

fn describe(packet: &Packet) -> String {
    let mut text = String::new();
    packet.write(&mut text);
    format!("the packet {}", short(&Value::from(text)))
}

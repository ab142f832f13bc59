//! What must always hold, judged from outside: from what is committed, what the server writes, and
//! what clients get. It knows nothing of topics, cursors or rings: what a session hears is a
//! function of the log and of its subscriptions, and its last offset names how much of it it has.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use chat::{ConversationId, G, MessageView, Topic, UserId};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use wire::socketio::{Event, Packet};

use crate::{
    client::{Ask, Complaint, Wish},
    disk::{Disk, Join},
    model::Rows,
};

/// A place in a socket's stream, as its offset names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Key {
    pub(crate) g: G,
    part: u64,
    r: u64,
}

/// Parts of the dialect's events, and of answers.
const NEW_MESSAGE: u64 = 0;
const CHAT_LIST_UPDATE: u64 = 1;
const ANSWER: u64 = 35;
/// How much of a room one gets on joining it.
const HISTORY: usize = 50;

/// What one client has seen under one recovery id.
#[derive(Default)]
pub(crate) struct Seen {
    pid_hash: [u8; 32],
    /// The last key.
    position: Key,
    /// Rooms whose answer to a join has come.
    joined: BTreeSet<ConversationId>,
    /// The room of the last `room_joined`, whose history comes next.
    room: Option<ConversationId>,
    /// Events in all.
    pub(crate) events: u64,
}

pub(crate) struct Checker {
    disk: Arc<Disk>,
    /// All messages, in the order of their G.
    log: Vec<Arc<MessageView>>,
    by_conversation: HashMap<ConversationId, Vec<Arc<MessageView>>>,
    by_uuid: HashMap<Uuid, Arc<MessageView>>,
    by_room: HashMap<String, ConversationId>,
    members: HashMap<ConversationId, Vec<UserId>>,
    bodies: HashSet<String>,
    /// What was acknowledged.
    acked: BTreeMap<Uuid, String>,
    seen: Vec<Seen>,
    /// Sessions whose client said goodbye, and nothing failed since.
    ended: HashSet<[u8; 32]>,
}

impl Checker {
    pub(crate) fn new(disk: Arc<Disk>, clients: usize) -> Self {
        Self {
            disk,
            log: Vec::new(),
            by_conversation: HashMap::new(),
            by_uuid: HashMap::new(),
            by_room: HashMap::new(),
            members: HashMap::new(),
            bodies: HashSet::new(),
            acked: BTreeMap::new(),
            seen: (0..clients).map(|_| Seen::default()).collect(),
            ended: HashSet::new(),
        }
    }

    pub(crate) fn messages(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn acked(&self) -> usize {
        self.acked.len()
    }

    pub(crate) fn seen(&self, client: usize) -> &Seen {
        &self.seen[client]
    }

    /// Takes in what was committed: numbers rise, nothing is stored twice.
    pub(crate) fn committed(&mut self) -> Result<(), Complaint> {
        let known = self.log.len();
        let (new, last_g) = self.disk.look(|rows| {
            let new = rows.messages.get(known..).unwrap_or_default().to_vec();
            (new, rows.counters.last_g)
        });
        for view in new {
            let message = &view.message;
            let before = self.log.last().map_or(0, |last| last.message.g);
            if message.g <= before || message.g > last_g {
                return Err(format!(
                    "G {} after {before}, counted to {last_g}",
                    message.g
                ));
            }
            let conversation = self
                .by_conversation
                .entry(message.conversation)
                .or_default();
            if message.seq != conversation.len() as u64 + 1 {
                return Err(format!("seq {} in {message:?}", message.seq));
            }
            if !self.bodies.insert(message.body.text.clone()) {
                return Err(format!("stored twice: {:?}", message.body.text));
            }
            conversation.push(Arc::clone(&view));
            self.by_uuid.insert(message.uuid, Arc::clone(&view));
            let room = view.conversation.uuid.to_string();
            self.by_room.insert(room, message.conversation);
            self.members.entry(message.conversation).or_insert_with(|| {
                let members = |rows: &Rows| {
                    let view = rows.view(message.conversation).unwrap();
                    view.members.iter().map(|member| member.user.id).collect()
                };
                self.disk.look(members)
            });
            self.log.push(view);
        }
        Ok(())
    }

    fn conversation(&mut self, room: &str) -> Option<ConversationId> {
        if let Some(known) = self.by_room.get(room) {
            return Some(*known);
        }
        let found = self.disk.look(|rows| {
            let is_it = |view: &&chat::ConversationView| view.conversation.uuid.to_string() == room;
            rows.conversations
                .iter()
                .find(is_it)
                .map(|view| view.conversation.id)
        })?;
        self.by_room.insert(room.to_owned(), found);
        Some(found)
    }

    /// The server writes a packet: all that it tells is committed.
    pub(crate) fn written(
        &mut self,
        packet: &Packet,
        last: &mut Option<Key>,
    ) -> Result<(), Complaint> {
        let args = match packet {
            Packet::Event(event) => {
                let key = key_of(event)?;
                if last.is_some_and(|last| last >= key) {
                    return Err(format!("{key:?} is written after {last:?}"));
                }
                *last = Some(key);
                &event.args
            }
            Packet::Ack(ack) => &ack.args,
            _ => return Ok(()),
        };
        let payload: Value = serde_json::from_str(args[0].get()).unwrap();
        let listed = payload["messages"].as_array();
        let own = std::iter::once(&payload).filter(|payload| payload.get("body").is_some());
        for message in own.chain(listed.into_iter().flatten()) {
            self.find(message)?;
        }
        if let Some(body) = payload["last_message"].as_str()
            && !self.bodies.contains(body)
        {
            return Err(format!("shown, and not committed: {payload}"));
        }
        Ok(())
    }

    /// The committed message that a payload shows.
    fn find(&self, message: &Value) -> Result<&Arc<MessageView>, Complaint> {
        let uuid = message["id"]
            .as_str()
            .and_then(|id| Uuid::parse_str(id).ok());
        let found = uuid.and_then(|uuid| self.by_uuid.get(&uuid));
        let found = found.ok_or_else(|| format!("shown, and not committed: {message}"))?;
        let same = found.message.body.text == message["body"]
            && found.conversation.uuid.to_string() == message["room_id"]
            && found.sender.external.text == message["sender_id"];
        if same {
            Ok(found)
        } else {
            Err(format!("{message} is not {:?}", found.message))
        }
    }

    /// A client is let in under this recovery id.
    pub(crate) fn connected(
        &mut self,
        client: usize,
        pid: Option<&str>,
        recovered: bool,
    ) -> Result<(), Complaint> {
        let pid_hash: [u8; 32] = Sha256::digest(pid.unwrap_or_default()).into();
        if !recovered {
            self.seen[client] = Seen {
                pid_hash,
                ..Seen::default()
            };
        } else if self.ended.contains(&pid_hash) {
            return Err("a logout is undone".to_owned());
        }
        Ok(())
    }

    /// The server has read a client's goodbye.
    pub(crate) fn said_goodbye(&mut self, client: usize) {
        self.ended.insert(self.seen[client].pid_hash);
    }

    /// Goodbyes so far may not have been written.
    pub(crate) fn forget_goodbyes(&mut self) {
        self.ended.clear();
    }

    /// A client gets an event: the next one in order of all that its session listens to, or an
    /// answer at a place up to which it has everything.
    pub(crate) fn heard(
        &mut self,
        client: usize,
        event: &Event,
        identified: bool,
    ) -> Result<(), Complaint> {
        let key = key_of(event)?;
        let payload: Value = serde_json::from_str(event.args[0].get()).unwrap();
        let position = self.seen[client].position;
        if key <= position {
            return Err(format!("{key:?} comes after {position:?}"));
        }
        let next = self.next(client);
        let complain = |why: &str| {
            let next = next
                .as_ref()
                .map(|(key, view)| (*key, brief(&view.message.body.text)));
            let payload = payload.to_string();
            Err(format!(
                "{why}: {} at {key:?}; it has {position:?}, next is {next:?}; {}",
                event.name,
                brief(&payload)
            ))
        };
        match &*event.name {
            "new_message" | "chat_list_update" => {
                if next.as_ref().map(|(key, _)| *key) != Some(key) {
                    return complain("a gap or a stranger");
                }
                let part = if event.name == "new_message" {
                    NEW_MESSAGE
                } else {
                    CHAT_LIST_UPDATE
                };
                let view = next.clone().map(|(_, view)| view).expect("it was compared");
                let text = payload.get("body").or(payload.get("last_message"));
                if key.part != part || text.is_none_or(|text| view.message.body.text != *text) {
                    return complain("not what was said");
                }
                if part == NEW_MESSAGE && !self.is_answered(client, view.message.conversation) {
                    return complain("before the answer to the join");
                }
            }
            // Words of a start that is over may arrive late, with a number that was never stored and
            // was given again by the next start. They are before what that one tells.
            _ if next.as_ref().is_some_and(|(next, _)| {
                *next < key && next.g < self.disk.end_of_start(epoch_of(event))
            }) =>
            {
                return complain("an answer overtakes");
            }
            "room_joined" => {
                let room = payload["roomId"]
                    .as_str()
                    .and_then(|room| self.conversation(room));
                let Some(room) = room else {
                    return complain("no such room");
                };
                let joins = self.disk.joins(&self.seen[client].pid_hash);
                let is_here =
                    |join: &Join| join.place == Topic::Conversation(room) && join.since <= key.g;
                if !joins.iter().any(is_here) {
                    return complain("the join is not on disk");
                }
                let seen = &mut self.seen[client];
                seen.joined.insert(room);
                seen.room = Some(room);
            }
            "message_history" => {
                let room = self.seen[client].room;
                if room.is_none() && self.disk.unread() == 0 {
                    return complain("no room");
                }
                if !self.is_page(&payload, room, key.g, HISTORY, 0) {
                    return complain("not the history at its place");
                }
            }
            "more_messages" => {
                let messages = payload["messages"].as_array().unwrap().len();
                let next = usize::try_from(payload["offset"].as_u64().unwrap()).unwrap();
                if !self.is_page(&payload, None, key.g, messages, next - messages) {
                    return complain("not the page at its place");
                }
            }
            "error" if self.may_refuse(&payload["code"], identified) => {}
            _ => return complain("out of the blue"),
        }
        let seen = &mut self.seen[client];
        if event.name != "room_joined" {
            seen.room = None;
        }
        seen.position = key;
        seen.events += 1;
        Ok(())
    }

    /// Whether a client has the answer to its join. One whose history could not be read is told so
    /// instead, and listens all the same.
    fn is_answered(&self, client: usize, room: ConversationId) -> bool {
        self.seen[client].joined.contains(&room) || self.disk.unread() > 0
    }

    /// Nobody here asks for what is forbidden: only for what does not exist, or too early.
    fn may_refuse(&self, code: &Value, identified: bool) -> bool {
        match code.as_str() {
            Some("unavailable") => self.disk.failures() > 0,
            Some("not_identified") => !identified,
            Some("unknown_event") => true,
            _ => false,
        }
    }

    /// Whether these are the messages of a room as of `at`, behind the `offset` newest.
    fn is_page(
        &self,
        payload: &Value,
        room: Option<ConversationId>,
        at: G,
        limit: usize,
        offset: usize,
    ) -> bool {
        let messages = payload["messages"].as_array().unwrap();
        let room = room.or_else(|| {
            let room = messages.first()?["room_id"].as_str()?;
            self.by_room.get(room).copied()
        });
        let Some(log) = room.and_then(|room| self.by_conversation.get(&room)) else {
            return messages.is_empty();
        };
        let end = log
            .partition_point(|view| view.message.g <= at)
            .saturating_sub(offset);
        let page = &log[end.saturating_sub(limit)..end];
        page.len() == messages.len()
            && page
                .iter()
                .zip(messages)
                .all(|(view, shown)| shown["id"] == view.message.uuid.to_string())
    }

    /// What a client's session must be shown next, if there is anything that it does not have.
    fn next(&self, client: usize) -> Option<(Key, Arc<MessageView>)> {
        let seen = &self.seen[client];
        let joins = self.disk.joins(&seen.pid_hash);
        let next = joins
            .iter()
            .filter_map(|join| self.next_of(join, seen.position));
        next.min_by_key(|(key, _)| *key)
    }

    fn next_of(&self, join: &Join, position: Key) -> Option<(Key, Arc<MessageView>)> {
        let part = match join.place {
            Topic::Conversation(_) => NEW_MESSAGE,
            Topic::Person(_) => CHAT_LIST_UPDATE,
        };
        let log = match join.place {
            Topic::Conversation(id) => self.by_conversation.get(&id)?,
            Topic::Person(_) => &self.log,
        };
        let key = |view: &Arc<MessageView>| Key {
            g: view.message.g,
            part,
            r: 0,
        };
        let is_shown = |view: &&Arc<MessageView>| match join.place {
            Topic::Conversation(_) => true,
            Topic::Person(user) => {
                self.members[&view.message.conversation].contains(&user)
                    && view.message.sender != user
            }
        };
        let behind =
            log.partition_point(|view| key(view) <= position || view.message.g <= join.since);
        let view = log[behind..].iter().find(is_shown)?;
        Some((key(view), Arc::clone(view)))
    }

    /// A client gets an acknowledgement: what it says is done is on disk.
    pub(crate) fn acknowledged(
        &mut self,
        client: usize,
        ask: &Ask,
        answer: &Value,
        identified: bool,
    ) -> Result<(), Complaint> {
        let is_done = answer["success"] == true;
        let complain = |why: &str| Err(format!("{why}: {:?} is answered {answer}", ask.wish));
        match &ask.wish {
            Wish::Send { body, .. } if is_done => {
                let found = self.find(answer)?;
                if found.message.body.text != *body {
                    return complain("another message");
                }
                let uuid = found.message.uuid;
                self.acked.insert(uuid, body.clone());
            }
            Wish::Register | Wish::Join { .. } if is_done => {
                let joins = self.disk.joins(&self.seen[client].pid_hash);
                let room = answer["roomId"].as_str().map(str::to_owned);
                let room = room.and_then(|room| self.conversation(&room));
                let is_here = |join: &Join| match (join.place, room) {
                    (Topic::Conversation(id), Some(room)) => id == room,
                    (Topic::Person(_), None) => true,
                    _ => false,
                };
                if !joins.iter().any(is_here) {
                    return complain("the subscription is not on disk");
                }
            }
            Wish::Nonsense if is_done => return complain("nonsense"),
            _ if is_done || self.may_refuse(&answer["error"]["code"], identified) => {}
            _ => return complain("refused"),
        }
        Ok(())
    }

    /// After everything has healed: a client's session listens to all that its page was told that
    /// it listens to, and has all of it.
    pub(crate) fn is_whole(
        &mut self,
        client: usize,
        rooms: &BTreeSet<String>,
        is_registered: bool,
    ) -> Result<(), Complaint> {
        if let Some((key, view)) = self.next(client) {
            return Err(format!(
                "it is deaf to {:?} at {key:?}",
                brief(&view.message.body.text)
            ));
        }
        let joins = self.disk.joins(&self.seen[client].pid_hash);
        if is_registered
            && !joins
                .iter()
                .any(|join| matches!(join.place, Topic::Person(_)))
        {
            return Err("its registration is forgotten".to_owned());
        }
        for room in rooms {
            let id = self.conversation(room);
            let is_here = |join: &Join| id.map(Topic::Conversation) == Some(join.place);
            if !joins.iter().any(is_here) {
                return Err(format!("it is deaf in room {room}"));
            }
        }
        for join in joins {
            if let Topic::Conversation(id) = join.place
                && !self.is_answered(client, id)
            {
                return Err(format!(
                    "its join of {id:?} at {} has no answer",
                    join.since
                ));
            }
            if self.disk.has_ended(join.session) {
                return Err(format!("its session {:?} has ended", join.session));
            }
        }
        Ok(())
    }

    /// What was acknowledged is stored, once, for ever.
    pub(crate) fn nothing_is_lost(&self) -> Result<(), Complaint> {
        let stored = self.disk.look(|rows| rows.messages.clone());
        for (uuid, body) in &self.acked {
            let here = stored.iter().filter(|view| view.message.uuid == *uuid);
            let texts: Vec<&String> = here.map(|view| &view.message.body.text).collect();
            if texts != [body] {
                return Err(format!(
                    "{body} was acknowledged and is stored as {texts:?}"
                ));
            }
        }
        Ok(())
    }
}

/// The beginning of a text.
fn brief(text: &str) -> &str {
    text.get(..120).unwrap_or(text)
}

/// The start of the server that stands in the offset behind an event.
fn epoch_of(event: &Event) -> Option<u32> {
    let last = event.args.last()?;
    let offset: String = serde_json::from_str(last.get()).ok()?;
    u32::from_str_radix(offset.split('.').next()?, 36).ok()
}

/// The key that stands behind an event. Every event has one.
pub(crate) fn key_of(event: &Event) -> Result<Key, Complaint> {
    let last = event.args.last().filter(|_| event.args.len() > 1);
    let offset = last.and_then(|last| serde_json::from_str::<String>(last.get()).ok());
    let numbers: Option<Vec<u64>> = offset.as_ref().and_then(|offset| {
        let numbers = offset.split('.').map(|n| u64::from_str_radix(n, 36).ok());
        numbers.collect()
    });
    match numbers.as_deref() {
        Some([_, g, part, rest @ ..]) if rest.len() == usize::from(*part == ANSWER) => Ok(Key {
            g: *g,
            part: *part,
            r: rest.first().copied().unwrap_or(0),
        }),
        _ => Err(format!("an event without an offset: {event:?}")),
    }
}

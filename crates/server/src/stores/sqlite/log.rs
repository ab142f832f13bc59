//! What happened at a place, in the order of G, out of the rows of messages and of other changes.
//!
//! A conversation's entries are indexed by `seq`, which rises with `g`; an index by `g` would cost
//! every send a page in the WAL. So the place to begin is searched for, from the newest backwards,
//! because whoever comes back was seldom away for long.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque, hash_map},
    sync::Arc,
};

use chat::{
    ConversationId, Event, G, Happening, Message, MessageView, SessionId, Timestamp, Topic, UserId,
    event::{RoomHappening, Scene},
    room::RoomNote,
};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use uuid::Uuid;

use super::{
    conversations,
    convert::{from_json, signed, unsigned, uuid},
    messages::{self, Quotes},
    read::{self, one},
    users::People,
};

/// A conversation in which something happened after ?2: from where it is seen, the number of its newest
/// entry, and whether not all entries are messages that are still there.
const OF_CONVERSATION: &str = "SELECT id, 0, last_seq, messages < last_seq
    FROM conversation WHERE id = ?1 AND last_g > ?2 AND deleted_at IS NULL";
/// The same for all conversations of a person.
const OF_PERSON: &str = "SELECT conversation.id, since_g, last_seq, messages < last_seq
    FROM member JOIN conversation ON conversation.id = member.conversation
    WHERE member.user = ?1 AND left_g IS NULL AND conversation.last_g > ?2";

/// One of the two tables whose rows are the log.
struct Table {
    /// The first entry of a conversation from a number on.
    first: &'static str,
    /// Entries from a number on, oldest first.
    from: &'static str,
    row: fn(&Row<'_>) -> Result<Entry>,
}

const MESSAGES: Table = Table {
    first: "SELECT seq, g FROM message WHERE conversation = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1",
    from: messages::FROM,
    row: sent,
};
const CHANGES: Table = Table {
    first: "SELECT seq, g FROM change WHERE conversation = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1",
    from: "SELECT g, seq, kind, actor, origin, subject_g, subject, data, created_at FROM change
     WHERE conversation = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
    row: changed,
};

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    OF_CONVERSATION,
    OF_PERSON,
    MESSAGES.first,
    CHANGES.first,
    CHANGES.from,
];

/// Up to `limit` events of a place with `after < g <= up_to`.
pub(super) fn read(
    connection: &Connection,
    place: Topic,
    after: G,
    up_to: G,
    limit: u32,
) -> Result<Vec<Arc<Event>>> {
    // What is beyond the range of a column is beyond every row.
    let after = signed(after).unwrap_or(i64::MAX);
    let (query, id) = match place {
        Topic::Conversation(id) => (OF_CONVERSATION, id.0),
        Topic::Person(id) => (OF_PERSON, id.0),
    };
    let pairs = read::all(connection, query, params![id, after], |row| {
        let source = |table| Source::new(row, after, table);
        let changes = row.get(3)?;
        let changes = if changes {
            Some(source(&CHANGES)?)
        } else {
            None
        };
        Ok([Some(source(&MESSAGES)?), changes])
    })?;
    let count = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
    let mut sources: Vec<_> = pairs.into_iter().flatten().flatten().collect();
    let mut merge = Merge {
        connection,
        up_to,
        chunk: limit.div_ceil(count.max(1)),
        heads: BinaryHeap::new(),
        teller: Teller {
            connection,
            scenes: HashMap::new(),
            people: People::default(),
            quotes: Quotes::default(),
        },
    };
    for (index, source) in sources.iter_mut().enumerate() {
        source.seek(connection)?;
        merge.advance(index, source)?;
    }
    let mut events = Vec::new();
    while events.len() < limit as usize
        && let Some(Reverse((_, index))) = merge.heads.pop()
        && let Some(source) = sources.get_mut(index)
    {
        if let Some(entry) = source.page.pop_front() {
            events.extend(merge.teller.event(source.id, entry)?.map(Arc::new));
        }
        merge.advance(index, source)?;
    }
    Ok(events)
}

/// One entry in the log of a conversation.
struct Entry {
    g: G,
    seq: u64,
    at: Timestamp,
    origin: Option<SessionId>,
    what: What,
}

enum What {
    Sent(Box<Message>),
    /// The message with this number was edited, and had been read by then or not.
    Edited(i64, bool),
    Deleted(Uuid, Option<UserId>),
    Read(UserId, Uuid),
    /// Who caused it, if a user did.
    Room(RoomNote, Option<UserId>),
    /// Nobody is told.
    Silent,
}

fn sent(row: &Row<'_>) -> Result<Entry> {
    let message = messages::message(row)?;
    Ok(Entry {
        g: message.g,
        seq: message.seq,
        at: message.created_at,
        origin: message.origin,
        what: What::Sent(Box::new(message)),
    })
}

fn changed(row: &Row<'_>) -> Result<Entry> {
    let actor = row.get::<_, Option<i64>>(3)?.map(UserId);
    let what = match row.get_ref(2)?.as_str()? {
        "edit" => {
            let data = row.get_ref(7)?.as_str_or_null()?;
            What::Edited(row.get(5)?, data == Some(messages::SEEN))
        }
        "delete" => What::Deleted(uuid(row.get(6)?), actor),
        "receipt" => What::Read(UserId(row.get(3)?), uuid(row.get(6)?)),
        "ban" | "unban" | "pin" | "room" => {
            let note = from_json(row, 7)?;
            What::Room(note.ok_or(rusqlite::Error::QueryReturnedNoRows)?, actor)
        }
        _ => What::Silent,
    };
    Ok(Entry {
        g: unsigned(row.get(0)?)?,
        seq: unsigned(row.get(1)?)?,
        at: Timestamp(row.get(8)?),
        origin: row.get::<_, Option<i64>>(4)?.map(SessionId),
        what,
    })
}

/// The entries of one conversation in one table.
struct Source {
    id: ConversationId,
    table: &'static Table,
    /// Only what has a higher G counts.
    after: i64,
    /// While it is being searched for, the newest; then the next to be read.
    seq: i64,
    /// Nothing comes after what is in the page.
    ended: bool,
    page: VecDeque<Entry>,
}

impl Source {
    fn new(row: &Row<'_>, after: i64, table: &'static Table) -> Result<Self> {
        Ok(Self {
            id: ConversationId(row.get(0)?),
            table,
            after: after.max(row.get(1)?),
            seq: row.get(2)?,
            ended: false,
            page: VecDeque::new(),
        })
    }

    /// Finds the first entry after `after`: in steps that double, back from the newest, then by
    /// halving. A table does not have an entry for every number.
    fn seek(&mut self, connection: &Connection) -> Result<()> {
        let place = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let mut probe = connection.prepare_cached(self.table.first)?;
        // The first entry from `seq` on, if it does not count; what follows may.
        let mut older = |seq: i64| -> Result<Option<i64>> {
            let found = probe.query_row(params![self.id.0, seq], place).optional()?;
            Ok(found.and_then(|(seq, g)| (g <= self.after).then_some(seq)))
        };
        let (mut low, mut high, mut step) = (0, self.seq + 1, 1);
        while high > 1 {
            let seq = (high - step).max(1);
            if let Some(seq) = older(seq)? {
                low = seq;
                break;
            }
            (high, step) = (seq, step * 2);
        }
        while high - low > 1 {
            let seq = low + (high - low) / 2;
            match older(seq)? {
                Some(seq) => low = seq,
                None => high = seq,
            }
        }
        self.seq = high;
        Ok(())
    }
}

/// Sources on their way into one order.
struct Merge<'a> {
    connection: &'a Connection,
    up_to: G,
    /// Entries that are read of a source at once: few when there are many sources.
    chunk: u32,
    heads: BinaryHeap<Reverse<(G, usize)>>,
    teller: Teller<'a>,
}

impl Merge<'_> {
    /// Puts the next entry of a source in line.
    fn advance(&mut self, index: usize, source: &mut Source) -> Result<()> {
        if source.page.is_empty() && !source.ended {
            self.fill(source)?;
        }
        if let Some(next) = source.page.front() {
            self.heads.push(Reverse((next.g, index)));
        }
        Ok(())
    }

    fn fill(&self, source: &mut Source) -> Result<()> {
        let mut statement = self.connection.prepare_cached(source.table.from)?;
        let mut rows = statement.query(params![source.id.0, source.seq, self.chunk])?;
        source.ended = true;
        while let Some(row) = rows.next()? {
            let entry = (source.table.row)(row)?;
            if entry.g > self.up_to {
                source.ended = true;
                break;
            }
            source.seq = signed(entry.seq)? + 1;
            source.page.push_back(entry);
            source.ended = source.page.len() < self.chunk as usize;
        }
        Ok(())
    }
}

/// Makes events of entries, with conversations and people as they are now.
struct Teller<'a> {
    connection: &'a Connection,
    scenes: HashMap<ConversationId, Scene>,
    people: People,
    quotes: Quotes,
}

impl Teller<'_> {
    /// The event that was shown at an entry; `None` where nobody was told, or what it was about is
    /// gone.
    fn event(&mut self, place: ConversationId, entry: Entry) -> Result<Option<Event>> {
        let scene = self.scene(place)?;
        let happening = match entry.what {
            // Nobody had read it when it was sent.
            What::Sent(message) => Happening::MessageSent(self.view(&scene, *message, false)?),
            What::Edited(g, seen) => {
                let Some(message) = one(self.connection, messages::BY_G, [g], messages::message)?
                else {
                    return Ok(None);
                };
                Happening::MessageEdited(self.view(&scene, message, seen)?)
            }
            What::Deleted(message, by) => Happening::MessageDeleted { message, by },
            What::Read(reader, message) => {
                let Some(reader) = self.people.find(self.connection, reader)? else {
                    return Ok(None);
                };
                Happening::Read { reader, message }
            }
            What::Room(note, by) => match self.in_room(&scene, note, by)? {
                Some(happening) => Happening::Room(happening),
                None => return Ok(None),
            },
            What::Silent => return Ok(None),
        };
        Ok(Some(Event {
            g: entry.g,
            at: entry.at,
            origin: entry.origin,
            scene,
            happening,
        }))
    }

    fn in_room(
        &mut self,
        scene: &Scene,
        note: RoomNote,
        by: Option<UserId>,
    ) -> Result<Option<RoomHappening>> {
        let by = by.map(|by| self.people.find(self.connection, by));
        let by = by.transpose()?.flatten();
        Ok(match note {
            RoomNote::Banned { ban, minutes } => {
                let user = self.people.find(self.connection, ban.user)?;
                user.map(|user| RoomHappening::Banned {
                    user,
                    by,
                    until: ban.until,
                    minutes,
                })
            }
            RoomNote::Unbanned { user, permanent } => {
                let user = self.people.find(self.connection, user)?;
                user.map(|user| RoomHappening::Unbanned {
                    user,
                    by,
                    permanent,
                })
            }
            RoomNote::Pinned { g, seconds } => {
                let g = signed(g)?;
                match one(self.connection, messages::BY_G, [g], messages::message)? {
                    Some(message) => Some(RoomHappening::Pinned {
                        // Whether somebody had read it is of no matter here.
                        message: self.view(scene, message, false)?,
                        by,
                        seconds,
                    }),
                    None => None,
                }
            }
            RoomNote::News(news) => Some(RoomHappening::News(Arc::new(news))),
        })
    }

    fn scene(&mut self, id: ConversationId) -> Result<Scene> {
        Ok(match self.scenes.entry(id) {
            hash_map::Entry::Occupied(known) => known.get().clone(),
            hash_map::Entry::Vacant(free) => {
                let view = conversations::by_id(self.connection, id)?;
                let view = view.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                self.people
                    .meet(view.members.iter().map(|member| &member.user));
                let scene = Scene {
                    conversation: view.conversation,
                    details: view.details,
                    members: view.members,
                };
                free.insert(scene).clone()
            }
        })
    }

    fn view(&mut self, scene: &Scene, message: Message, seen: bool) -> Result<Arc<MessageView>> {
        Ok(Arc::new(MessageView {
            conversation: Arc::clone(&scene.conversation),
            sender: self.people.must_find(self.connection, message.sender)?,
            quoted: self
                .quotes
                .of(self.connection, &mut self.people, &message)?,
            message,
            seen,
        }))
    }
}

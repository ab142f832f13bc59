//! What happened at a place, in the order of G, out of the rows of messages.
//!
//! A conversation's messages are indexed by `seq`, which rises with `g`; an index by `g` would cost
//! every send a page in the WAL. So the place to begin is searched for, from the newest backwards,
//! because whoever comes back was seldom away for long.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use chat::{Conversation, ConversationId, Event, G, Happening, Message, MessageView, Topic};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{
    convert::signed,
    read::{self, People},
};

/// The newest place of a conversation in which something happened after ?2.
const OF_CONVERSATION: &str =
    "SELECT id, 0, last_seq FROM conversation WHERE id = ?1 AND last_g > ?2";
/// The same for all conversations of a person, and from where each is seen.
const OF_PERSON: &str = "SELECT member.conversation, member.since_g, conversation.last_seq
    FROM member JOIN conversation ON conversation.id = member.conversation
    WHERE member.user = ?1 AND conversation.last_g > ?2";
const FIRST_FROM: &str =
    "SELECT seq, g FROM message WHERE conversation = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[OF_CONVERSATION, OF_PERSON, FIRST_FROM];

/// Up to `limit` events of a place with `after < g <= up_to`, of one moment.
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
    let moment = connection.unchecked_transaction()?;
    let mut sources = read::all(&moment, query, params![id, after], |row| {
        Source::new(row, after)
    })?;
    let count = u32::try_from(sources.len()).unwrap_or(u32::MAX);
    let mut merge = Merge {
        connection: &moment,
        up_to,
        chunk: limit.div_ceil(count.max(1)),
        heads: BinaryHeap::new(),
        people: People::default(),
    };
    for (index, source) in sources.iter_mut().enumerate() {
        source.seek(&moment)?;
        merge.advance(index, source)?;
    }
    let mut events = Vec::new();
    while events.len() < limit as usize
        && let Some(Reverse((_, index))) = merge.heads.pop()
        && let Some(source) = sources.get_mut(index)
    {
        if let Some(message) = source.page.pop_front() {
            events.push(merge.event(source, message)?);
        }
        merge.advance(index, source)?;
    }
    Ok(events)
}

/// One conversation that is read.
struct Source {
    id: ConversationId,
    /// Only what has a higher G counts.
    after: i64,
    /// While it is being searched for, the newest; then the next to be read.
    seq: i64,
    /// Nothing comes after what is in the page.
    ended: bool,
    page: VecDeque<Message>,
    conversation: Option<Arc<Conversation>>,
}

impl Source {
    fn new(row: &Row<'_>, after: i64) -> Result<Self> {
        Ok(Self {
            id: ConversationId(row.get(0)?),
            after: after.max(row.get(1)?),
            seq: row.get(2)?,
            ended: false,
            page: VecDeque::new(),
            conversation: None,
        })
    }

    /// Finds the first message after `after`: in steps that double, back from the newest, then by
    /// halving. A message is not there for every number, for other changes have numbers too.
    fn seek(&mut self, connection: &Connection) -> Result<()> {
        let mut probe = connection.prepare_cached(FIRST_FROM)?;
        // The first message from `seq` on, if it does not count; what follows may.
        let mut older = |seq: i64| -> Result<Option<i64>> {
            let found = probe
                .query_row(params![self.id.0, seq], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()?;
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
    /// Messages that are read of a source at once: few when there are many sources.
    chunk: u32,
    heads: BinaryHeap<Reverse<(G, usize)>>,
    people: People,
}

impl Merge<'_> {
    /// Puts the next message of a source in line.
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
        let mut statement = self.connection.prepare_cached(read::MESSAGES_FROM)?;
        let mut rows = statement.query(params![source.id.0, source.seq, self.chunk])?;
        source.ended = true;
        while let Some(row) = rows.next()? {
            let message = read::message(row, source.id)?;
            if message.g > self.up_to {
                source.ended = true;
                break;
            }
            source.seq = signed(message.seq)? + 1;
            source.page.push_back(message);
            source.ended = source.page.len() < self.chunk as usize;
        }
        Ok(())
    }

    /// The event that was shown when the message was sent.
    fn event(&mut self, source: &mut Source, message: Message) -> Result<Arc<Event>> {
        let conversation = if let Some(known) = &source.conversation {
            Arc::clone(known)
        } else {
            let found = read::conversation_by_id(self.connection, source.id)?;
            let view = found.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            self.people.meet(&view.conversation.pair);
            Arc::clone(source.conversation.insert(view.conversation))
        };
        let sender = self.people.find(self.connection, message.sender)?;
        Ok(Arc::new(Event {
            g: message.g,
            origin: message.origin,
            happening: Happening::MessageSent(Arc::new(MessageView {
                conversation,
                sender,
                message,
            })),
        }))
    }
}

//! Messages, and the other entries in the log of a conversation, as rows: read by anybody, written
//! inside the writer's transaction.

use std::{collections::HashMap, sync::Arc};

use chat::{
    AppId, Body, Conversation, ConversationId, ConversationKind, ConversationView, G, Media,
    Message, MessageView, SessionId, Timestamp, UserId,
    model::{Metadata, Quote},
    store::{Entry, Newest, Page},
};
use rusqlite::{Connection, Params, Result, Row, params};
use uuid::Uuid;

use super::{
    conversations,
    convert::{from_json, json, list, signed, unsigned, uuid},
    media,
    read::{all, one},
    rooms,
    users::People,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT g, conversation, seq, uuid, sender, text, media, metadata, created_at, \
             edited_at, origin, client_id, recipient_online, reply_to, badges FROM message ",
            $rest
        )
    };
}

/// By number.
pub(super) const BY_G: &str = select!("WHERE g = ?1");
const BY_UUID: &str = select!("WHERE uuid = ?1");
const BY_CLIENT_ID: &str = select!("WHERE conversation = ?1 AND sender = ?2 AND client_id = ?3");
const HISTORY: &str = select!(
    "WHERE conversation = ?1 AND g <= ?2 AND seq > (SELECT cleared_seq FROM conversation
        WHERE id = ?1 AND deleted_at IS NULL) ORDER BY seq DESC LIMIT ?3 OFFSET ?4"
);
/// From a place in a conversation on, oldest first.
pub(super) const FROM: &str =
    select!("WHERE conversation = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3");
const READERS: &str = "SELECT user, read_seq FROM member
     WHERE conversation = ?1 AND left_g IS NULL AND read_seq > 0";
const NEWEST_OF_OTHERS: &str = "SELECT seq, uuid FROM message
     WHERE conversation = ?1 AND sender <> ?2 AND seq > coalesce((SELECT read_seq FROM member
        WHERE user = ?2 AND member.conversation = ?1), 0) AND seq > (SELECT cleared_seq
        FROM conversation WHERE id = ?1 AND deleted_at IS NULL) ORDER BY seq DESC LIMIT 1";
const QUOTED: &str = "SELECT sender, text FROM message WHERE uuid = ?1";
pub(super) const MISSED: &str = select!(
    "WHERE recipient_online = 0 AND conversation = ?1 AND g > ?2 AND g <= ?3 AND sender <> ?4
     ORDER BY g DESC LIMIT ?5"
);
const FILES_OF: &str = "SELECT media FROM message WHERE g = ?1";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    BY_G,
    BY_UUID,
    BY_CLIENT_ID,
    HISTORY,
    FROM,
    READERS,
    NEWEST_OF_OTHERS,
    QUOTED,
    MISSED,
    FILES_OF,
];

/// Out of a row with the columns of a message.
pub(super) fn message(row: &Row<'_>) -> Result<Message> {
    Ok(Message {
        g: unsigned(row.get(0)?)?,
        conversation: ConversationId(row.get(1)?),
        seq: unsigned(row.get(2)?)?,
        uuid: uuid(row.get(3)?),
        sender: UserId(row.get(4)?),
        body: Body {
            text: row.get(5)?,
            media: from_json(row, 6)?.unwrap_or_default(),
            metadata: from_json(row, 7)?,
            reply_to: row.get::<_, Option<[u8; 16]>>(13)?.map(uuid),
        },
        created_at: Timestamp(row.get(8)?),
        edited_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        origin: row.get::<_, Option<i64>>(10)?.map(SessionId),
        client_id: row.get(11)?,
        recipient_online: row.get(12)?,
        badges: from_json(row, 14)?.unwrap_or_default(),
    })
}

/// What showing messages of one conversation needs.
struct Look<'a> {
    connection: &'a Connection,
    conversation: &'a Arc<Conversation>,
    people: People,
    quotes: Quotes,
    readers: Readers,
}

impl<'a> Look<'a> {
    fn new(connection: &'a Connection, conversation: &'a Arc<Conversation>) -> Result<Self> {
        Ok(Self {
            connection,
            conversation,
            people: People::default(),
            quotes: Quotes::default(),
            readers: Readers::of(connection, conversation.id)?,
        })
    }

    fn at(connection: &'a Connection, view: &'a ConversationView) -> Result<Self> {
        let mut look = Self::new(connection, &view.conversation)?;
        look.people
            .meet(view.members.iter().map(|member| &member.user));
        Ok(look)
    }

    fn view(&mut self, message: Message) -> Result<MessageView> {
        Ok(MessageView {
            conversation: Arc::clone(self.conversation),
            sender: self.people.must_find(self.connection, message.sender)?,
            seen: self.readers.have_seen(&message),
            quoted: self
                .quotes
                .of(self.connection, &mut self.people, &message)?,
            message,
        })
    }
}

/// Messages that others answer, as a read has come across them.
#[derive(Default)]
pub(super) struct Quotes(HashMap<Uuid, Option<Arc<Quote>>>);

impl Quotes {
    /// What a message answers, while that is there; looked up at most once.
    pub(super) fn of(
        &mut self,
        connection: &Connection,
        people: &mut People,
        message: &Message,
    ) -> Result<Option<Arc<Quote>>> {
        let Some(answered) = message.body.reply_to else {
            return Ok(None);
        };
        if let Some(known) = self.0.get(&answered) {
            return Ok(known.clone());
        }
        let row = |row: &Row<'_>| Ok((UserId(row.get(0)?), row.get(1)?));
        let quote = match one(connection, QUOTED, [answered.as_bytes()], row)? {
            Some((sender, text)) => Some(Arc::new(Quote {
                message: answered,
                sender: people.must_find(connection, sender)?,
                text,
            })),
            None => None,
        };
        self.0.insert(answered, quote.clone());
        Ok(quote)
    }
}

/// The two members of a conversation who have read the most: one of them did not write a message.
#[derive(Default)]
struct Readers {
    first: Option<(UserId, u64)>,
    second: Option<(UserId, u64)>,
}

impl Readers {
    fn of(connection: &Connection, conversation: ConversationId) -> Result<Self> {
        let row = |row: &Row<'_>| Ok((UserId(row.get(0)?), unsigned(row.get(1)?)?));
        let mut readers = Self::default();
        for reader in all(connection, READERS, [conversation.0], row)? {
            let seq = |reader: Option<(UserId, u64)>| reader.map(|(_, seq)| seq);
            if Some(reader.1) > seq(readers.first) {
                readers.second = readers.first.replace(reader);
            } else if Some(reader.1) > seq(readers.second) {
                readers.second = Some(reader);
            }
        }
        Ok(readers)
    }

    /// Whether somebody else than its author has read a message.
    fn have_seen(&self, message: &Message) -> bool {
        [self.first, self.second]
            .into_iter()
            .flatten()
            .any(|(user, seq)| user != message.sender && seq >= message.seq)
    }
}

/// A message of a conversation by its number.
pub(super) fn by_g(
    connection: &Connection,
    g: i64,
    view: &ConversationView,
) -> Result<Option<MessageView>> {
    let found = one(connection, BY_G, [g], message)?;
    let shown = |message| Look::at(connection, view)?.view(message);
    found.map(shown).transpose()
}

/// A message, and the conversation in which it stands.
pub(super) fn by_uuid(
    connection: &Connection,
    app: AppId,
    uuid: Uuid,
) -> Result<Option<(MessageView, ConversationView)>> {
    let Some(found) = one(connection, BY_UUID, [uuid.as_bytes()], message)? else {
        return Ok(None);
    };
    let view = conversations::by_id(connection, found.conversation)?;
    let Some(view) = view.filter(|view| view.conversation.app == app) else {
        return Ok(None);
    };
    let shown = Look::at(connection, &view)?.view(found)?;
    Ok(Some((shown, view)))
}

/// The message that a sender made under a client id.
pub(super) fn sent(
    connection: &Connection,
    place: ConversationId,
    sender: UserId,
    client_id: &str,
) -> Result<Option<MessageView>> {
    let params = params![place.0, sender.0, client_id];
    let Some(found) = one(connection, BY_CLIENT_ID, params, message)? else {
        return Ok(None);
    };
    let Some(view) = conversations::by_id(connection, place)? else {
        return Ok(None);
    };
    let shown = Look::at(connection, &view)?.view(found)?;
    Ok(Some(shown))
}

/// Newest last. In a conversation the order of `seq` is that of `g`.
pub(super) fn history(
    connection: &Connection,
    conversation: &Arc<Conversation>,
    at: G,
    page: &Page,
) -> Result<Vec<MessageView>> {
    // What is beyond the range of a column is beyond every row.
    let at = signed(at).unwrap_or(i64::MAX);
    let offset = signed(page.offset).unwrap_or(i64::MAX);
    let params = params![conversation.id.0, at, page.limit, offset];
    let look = Look::new(connection, conversation)?;
    let mut found = newest(look, HISTORY, params, page)?;
    found.reverse();
    Ok(found)
}

/// What others wrote to a user who was not there, newest first.
pub(super) fn missed(
    connection: &Connection,
    view: &ConversationView,
    user: UserId,
    after: i64,
    up_to: G,
    page: &Page,
) -> Result<Vec<MessageView>> {
    let up_to = signed(up_to).unwrap_or(i64::MAX);
    let limit = signed(page.offset.saturating_add(u64::from(page.limit))).unwrap_or(i64::MAX);
    let params = params![view.conversation.id.0, after, up_to, user.0, limit];
    newest(Look::at(connection, view)?, MISSED, params, page)
}

/// The newest message that somebody else than a user wrote.
pub(super) fn newest_of_others(
    connection: &Connection,
    conversation: ConversationId,
    user: UserId,
) -> Result<Option<Newest>> {
    let row = |row: &Row<'_>| {
        Ok(Newest {
            seq: unsigned(row.get(0)?)?,
            uuid: uuid(row.get(1)?),
        })
    };
    one(connection, NEWEST_OF_OTHERS, [conversation.0, user.0], row)
}

/// Rows from the newest on, as many as a page has room for, so that long texts are not all held in
/// memory at once.
fn newest(
    mut look: Look<'_>,
    query: &str,
    params: impl Params,
    page: &Page,
) -> Result<Vec<MessageView>> {
    let mut statement = look.connection.prepare_cached(query)?;
    let mut rows = statement.query(params)?;
    let (mut found, mut space) = (Vec::new(), Space::of(page));
    while let Some(row) = rows.next()? {
        let view = look.view(message(row)?)?;
        if !space.has(weight(&view)) {
            break;
        }
        found.push(view);
    }
    Ok(found)
}

/// Bytes that are left for messages; the first one is always taken.
pub(super) struct Space {
    left: usize,
    is_empty: bool,
}

impl Space {
    pub(super) fn of(page: &Page) -> Self {
        Self {
            left: page.bytes,
            is_empty: true,
        }
    }

    pub(super) fn has(&mut self, bytes: usize) -> bool {
        let fits = self.is_empty || bytes <= self.left;
        self.left = self.left.saturating_sub(bytes);
        self.is_empty = false;
        fits
    }
}

/// Bytes of text and metadata in a message, roughly.
pub(super) fn weight(view: &MessageView) -> usize {
    const FIXED: usize = 256;
    let body = &view.message.body;
    let metadata = body.metadata.as_ref().map_or(0, Metadata::weight);
    let quoted = view.quoted.as_ref().map_or(0, |quote| quote.text.len());
    FIXED * (1 + body.media.len()) + body.text.len() + metadata + quoted
}

pub(super) fn add(connection: &Connection, view: &MessageView) -> Result<()> {
    let message = &view.message;
    let body = &message.body;
    connection
        .prepare_cached(
            "INSERT INTO message
                (g, conversation, seq, uuid, sender, text, media, metadata, created_at, origin,
                 client_id, recipient_online, reply_to, badges)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            signed(message.g)?,
            message.conversation.0,
            signed(message.seq)?,
            message.uuid.as_bytes(),
            message.sender.0,
            body.text,
            list(&body.media)?,
            json(body.metadata.as_ref())?,
            message.created_at.0,
            message.origin.map(|session| session.0),
            message.client_id,
            message.recipient_online,
            body.reply_to.as_ref().map(Uuid::as_bytes),
            list(&message.badges)?,
        ])?;
    if view.conversation.kind == ConversationKind::Room {
        rooms::note_speaker(connection, message.conversation, message.sender)?;
    }
    for file in &body.media {
        media::hold(connection, view.conversation.app, message.created_at, file)?;
    }
    Ok(())
}

/// Stores what a message says now. The log keeps that it was changed, not what it said before.
pub(super) fn edit(connection: &Connection, entry: &Entry, view: &MessageView) -> Result<()> {
    let message = &view.message;
    let body = &message.body;
    let g = signed(message.g)?;
    let old = files_of(connection, g)?;
    connection
        .prepare_cached(
            "UPDATE message SET text = ?2, media = ?3, metadata = ?4, edited_at = ?5 WHERE g = ?1",
        )?
        .execute(params![
            g,
            body.text,
            list(&body.media)?,
            json(body.metadata.as_ref())?,
            message.edited_at.map(|at| at.0),
        ])?;
    let (app, at) = (view.conversation.app, entry.at);
    media::change(connection, app, at, &old, &body.media)
}

fn files_of(connection: &Connection, g: i64) -> Result<Vec<Media>> {
    let files: Option<Option<Vec<Media>>> =
        one(connection, FILES_OF, [g], |row| from_json(row, 0))?;
    Ok(files.flatten().unwrap_or_default())
}

/// In the data of an edit: somebody had read the message.
pub(super) const SEEN: &str = "seen";

/// What an entry in the log that is no message says.
#[derive(Default)]
pub(super) struct Note {
    pub(super) kind: &'static str,
    /// The message that it is about.
    pub(super) subject_g: Option<G>,
    /// That message's outside id, where it is to be told after the message is gone.
    pub(super) subject: Option<Uuid>,
    /// What else there is to tell.
    pub(super) data: Option<String>,
}

impl Note {
    pub(super) fn of(kind: &'static str) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    pub(super) fn with_data(self, data: i64) -> Self {
        Self {
            data: Some(data.to_string()),
            ..self
        }
    }
}

pub(super) fn note(connection: &Connection, entry: &Entry, note: &Note) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO change
                (g, conversation, seq, kind, actor, origin, subject_g, subject, data, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            signed(entry.g)?,
            entry.conversation.0,
            signed(entry.seq)?,
            note.kind,
            entry.actor.map(|user| user.0),
            entry.origin.map(|session| session.0),
            note.subject_g.map(signed).transpose()?,
            note.subject.as_ref().map(Uuid::as_bytes),
            note.data,
            entry.at.0,
        ])?;
    Ok(())
}

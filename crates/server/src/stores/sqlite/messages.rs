//! Messages, and the other entries in the log of a conversation, as rows: read by anybody, written
//! inside the writer's transaction.

use std::sync::Arc;

use chat::{
    AppId, Body, Conversation, ConversationId, ConversationView, G, Media, Message, MessageView,
    SessionId, Timestamp, UserId, store::Entry,
};
use rusqlite::{Connection, Result, Row, params};
use uuid::Uuid;

use super::{
    conversations,
    convert::{from_json, json, signed, unsigned, uuid},
    media,
    read::{all, one},
    users::People,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT g, conversation, seq, uuid, sender, text, media, metadata, created_at, \
             edited_at, origin, client_id FROM message ",
            $rest
        )
    };
}

/// By number.
pub(super) const BY_G: &str = select!("WHERE g = ?1");
const BY_UUID: &str = select!("WHERE uuid = ?1");
const BY_CLIENT_ID: &str = select!("WHERE conversation = ?1 AND sender = ?2 AND client_id = ?3");
const HISTORY: &str =
    select!("WHERE conversation = ?1 AND g <= ?2 ORDER BY seq DESC LIMIT ?3 OFFSET ?4");
/// From a place in a conversation on, oldest first.
pub(super) const FROM: &str =
    select!("WHERE conversation = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3");
const READERS: &str = "SELECT user, read_seq FROM member
     WHERE conversation = ?1 AND left_g IS NULL AND read_seq > 0";
const FILE_OF: &str = "SELECT media FROM message WHERE g = ?1";
const UUID_OF: &str = "SELECT uuid FROM message WHERE g = ?1";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    BY_G,
    BY_UUID,
    BY_CLIENT_ID,
    HISTORY,
    FROM,
    READERS,
    FILE_OF,
    UUID_OF,
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
            media: from_json(row, 6)?,
            metadata: from_json(row, 7)?,
        },
        created_at: Timestamp(row.get(8)?),
        edited_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        origin: row.get::<_, Option<i64>>(10)?.map(SessionId),
        client_id: row.get(11)?,
    })
}

/// What showing messages of one conversation needs.
struct Look<'a> {
    connection: &'a Connection,
    conversation: &'a Arc<Conversation>,
    people: People,
    readers: Readers,
}

impl<'a> Look<'a> {
    fn new(connection: &'a Connection, conversation: &'a Arc<Conversation>) -> Result<Self> {
        Ok(Self {
            connection,
            conversation,
            people: People::default(),
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
            message,
        })
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
    let view = conversations::by_id(connection, place)?;
    let view = view.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let shown = Look::at(connection, &view)?.view(found)?;
    Ok(Some(shown))
}

/// Newest last. In a conversation the order of `seq` is that of `g`.
pub(super) fn history(
    connection: &Connection,
    conversation: &Arc<Conversation>,
    at: G,
    offset: u64,
    limit: u32,
) -> Result<Vec<MessageView>> {
    // What is beyond the range of a column is beyond every row.
    let at = signed(at).unwrap_or(i64::MAX);
    let offset = signed(offset).unwrap_or(i64::MAX);
    let params = params![conversation.id.0, at, limit, offset];
    let found = all(connection, HISTORY, params, message)?;
    let mut look = Look::new(connection, conversation)?;
    let views = found.into_iter().rev().map(|message| look.view(message));
    views.collect()
}

pub(super) fn add(connection: &Connection, view: &MessageView) -> Result<()> {
    let message = &view.message;
    let body = &message.body;
    connection
        .prepare_cached(
            "INSERT INTO message
                (g, conversation, seq, uuid, sender, text, media, metadata, created_at, origin,
                 client_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            signed(message.g)?,
            message.conversation.0,
            signed(message.seq)?,
            message.uuid.as_bytes(),
            message.sender.0,
            body.text,
            json(body.media.as_ref())?,
            json(body.metadata.as_ref())?,
            message.created_at.0,
            message.origin.map(|session| session.0),
            message.client_id,
        ])?;
    if let Some(file) = &body.media {
        media::hold(connection, view.conversation.app, message.created_at, file)?;
    }
    Ok(())
}

/// The outside id of a message.
pub(super) fn uuid_of(connection: &Connection, g: G) -> Result<Option<Uuid>> {
    one(connection, UUID_OF, [signed(g)?], |row| {
        row.get(0).map(uuid)
    })
}

/// Stores what a message says now. The log keeps that it was changed, not what it said before.
pub(super) fn edit(connection: &Connection, entry: &Entry, view: &MessageView) -> Result<()> {
    let message = &view.message;
    let body = &message.body;
    let g = signed(message.g)?;
    let old = file_of(connection, g)?;
    connection
        .prepare_cached(
            "UPDATE message SET text = ?2, media = ?3, metadata = ?4, edited_at = ?5 WHERE g = ?1",
        )?
        .execute(params![
            g,
            body.text,
            json(body.media.as_ref())?,
            json(body.metadata.as_ref())?,
            message.edited_at.map(|at| at.0),
        ])?;
    let (app, at) = (view.conversation.app, entry.at);
    media::change(connection, app, at, old.as_ref(), body.media.as_ref())
}

fn file_of(connection: &Connection, g: i64) -> Result<Option<Media>> {
    Ok(one(connection, FILE_OF, [g], |row| from_json(row, 0))?.flatten())
}

/// Erases a message. What is left of it is its place in the log, which stays empty.
pub(super) fn delete(connection: &Connection, g: G) -> Result<()> {
    let g = signed(g)?;
    if let Some(file) = file_of(connection, g)? {
        media::release(connection, &file)?;
    }
    connection
        .prepare_cached("DELETE FROM message WHERE g = ?1")?
        .execute([g])?;
    Ok(())
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

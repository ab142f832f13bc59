//! Filters, and what waits to be looked at, as rows: read by anybody, written inside the writer's
//! transaction. Next: `erase` for what goes with users, conversations and messages.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use chat::{
    AppId, Body, ConversationId, ConversationView, Media, Timestamp, UserId,
    review::{Filter, Matter, Report, Review},
    store::Change,
};
use rusqlite::{Connection, Params, Result, Row, params};
use uuid::Uuid;

use super::{
    conversations,
    convert::{filter_action, filter_action_name, from_json, json, list, signed, uuid},
    media, messages,
    read::{all, one},
    users::People,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, uuid, conversation, sender, created_at, g, text, media, metadata, reply_to, \
             badges, client_id FROM review ",
            $rest
        )
    };
}

const FILTERS: &str =
    "SELECT uuid, words, action, conversation FROM filter WHERE app = ?1 ORDER BY id";
const BY_UUID: &str = select!("WHERE uuid = ?1");
const BY_MESSAGE: &str = select!("WHERE g = (SELECT message.g FROM message WHERE uuid = ?1)");
const OF_APP: &str = select!(
    "WHERE app = ?1 AND EXISTS (SELECT 1 FROM conversation
        WHERE conversation.id = review.conversation AND deleted_at IS NULL)
     ORDER BY id LIMIT ?2 OFFSET ?3"
);
const OF_CONVERSATION: &str = select!("WHERE conversation = ?1 ORDER BY id LIMIT ?2 OFFSET ?3");
const REPORTS: &str = "SELECT user, reason, created_at FROM report WHERE review = ?1";
const HELD_AS: &str =
    "SELECT 1 FROM review WHERE sender = ?1 AND conversation = ?2 AND client_id = ?3";
const OPEN: &str = "SELECT count(*) FROM review WHERE app = ?1";
const CLOSE: &str = "DELETE FROM review WHERE uuid = ?1 RETURNING id, media";
const CLOSE_OF_MESSAGE: &str = "DELETE FROM review WHERE g = ?1 RETURNING id, media";
const CLOSE_OF_SENDER: &str = "DELETE FROM review WHERE sender = ?1 RETURNING id, media";
const CLOSE_SOME: &str = "DELETE FROM review WHERE id IN
        (SELECT id FROM review WHERE conversation = ?1 LIMIT ?2) RETURNING id, media";
const REPORTS_OF: &str = "DELETE FROM report WHERE review = ?1";
const REPORTS_BY: &str = "DELETE FROM report WHERE user = ?1";
const FILTERS_OF: &str = "DELETE FROM filter WHERE conversation = ?1";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    FILTERS,
    BY_UUID,
    BY_MESSAGE,
    OF_APP,
    OF_CONVERSATION,
    REPORTS,
    HELD_AS,
    OPEN,
    CLOSE,
    CLOSE_OF_MESSAGE,
    CLOSE_OF_SENDER,
    CLOSE_SOME,
    REPORTS_OF,
    REPORTS_BY,
    FILTERS_OF,
];

/// Oldest first.
pub(super) fn filters(connection: &Connection, app: AppId) -> Result<Vec<Arc<Filter>>> {
    let row = |row: &Row<'_>| {
        let room: Option<i64> = row.get(3)?;
        let filter = Filter {
            id: uuid(row.get(0)?),
            app,
            words: row.get(1)?,
            action: filter_action(row.get_ref(2)?.as_str()?)?,
            room: None,
        };
        Ok((filter, room.map(ConversationId)))
    };
    let mut places = Places::new(connection);
    let mut filters = Vec::new();
    for (mut filter, room) in all(connection, FILTERS, [app.0], row)? {
        if let Some(room) = room {
            let view = places.find(room)?;
            filter.room = view.map(|view| Arc::clone(&view.conversation));
        }
        filters.push(Arc::new(filter));
    }
    Ok(filters)
}

/// What waits under an id.
pub(super) fn by_uuid(
    connection: &Connection,
    app: AppId,
    id: Uuid,
) -> Result<Option<(Arc<Review>, ConversationView)>> {
    found(connection, app, BY_UUID, [id.as_bytes()])
}

/// What waits of a message.
pub(super) fn of_message(
    connection: &Connection,
    app: AppId,
    message: Uuid,
) -> Result<Option<(Arc<Review>, ConversationView)>> {
    found(connection, app, BY_MESSAGE, [message.as_bytes()])
}

fn found(
    connection: &Connection,
    app: AppId,
    query: &str,
    params: impl Params,
) -> Result<Option<(Arc<Review>, ConversationView)>> {
    let Some(kept) = one(connection, query, params, kept)? else {
        return Ok(None);
    };
    let mut places = Places::new(connection);
    let place = kept.conversation;
    let review = places.review(kept)?;
    let view = places.find(place)?.cloned();
    let found = review.zip(view);
    Ok(found.filter(|(_, view)| view.conversation.app == app))
}

/// Oldest first, of an app or of one conversation of it.
pub(super) fn waiting(
    connection: &Connection,
    app: AppId,
    room: Option<ConversationId>,
    offset: u64,
    limit: u32,
) -> Result<Vec<Arc<Review>>> {
    // What is beyond the range of a column is beyond every row.
    let offset = signed(offset).unwrap_or(i64::MAX);
    let (query, place) = match room {
        Some(room) => (OF_CONVERSATION, room.0),
        None => (OF_APP, app.0),
    };
    let mut places = Places::new(connection);
    let mut reviews = Vec::new();
    for kept in all(connection, query, params![place, limit, offset], kept)? {
        reviews.extend(places.review(kept)?);
    }
    Ok(reviews)
}

/// Whether a message of this sender waits under this client id.
pub(super) fn is_held(
    connection: &Connection,
    conversation: ConversationId,
    sender: UserId,
    client_id: &str,
) -> Result<bool> {
    let params = params![sender.0, conversation.0, client_id];
    Ok(one(connection, HELD_AS, params, |_| Ok(()))?.is_some())
}

/// How much of an app waits.
pub(super) fn open(connection: &Connection, app: AppId) -> Result<u64> {
    let count = one(connection, OPEN, [app.0], |row| row.get(0))?;
    super::convert::unsigned(count.unwrap_or(0))
}

/// A row of what waits.
struct Kept {
    id: i64,
    uuid: Uuid,
    conversation: ConversationId,
    sender: UserId,
    at: Timestamp,
    g: Option<i64>,
    /// Of one that was not sent.
    held: Matter,
}

fn kept(row: &Row<'_>) -> Result<Kept> {
    Ok(Kept {
        id: row.get(0)?,
        uuid: uuid(row.get(1)?),
        conversation: ConversationId(row.get(2)?),
        sender: UserId(row.get(3)?),
        at: Timestamp(row.get(4)?),
        g: row.get(5)?,
        held: Matter::Held {
            body: Body {
                text: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
                media: from_json(row, 7)?.unwrap_or_default(),
                metadata: from_json(row, 8)?,
                reply_to: row.get::<_, Option<[u8; 16]>>(9)?.map(uuid),
            },
            badges: from_json(row, 10)?.unwrap_or_default(),
            client_id: row.get(11)?,
        },
    })
}

/// Conversations and people, as a read comes across them.
struct Places<'a> {
    connection: &'a Connection,
    known: HashMap<ConversationId, Option<ConversationView>>,
    people: People,
}

impl<'a> Places<'a> {
    fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            known: HashMap::new(),
            people: People::default(),
        }
    }

    /// A conversation that is not deleted; looked up at most once.
    fn find(&mut self, id: ConversationId) -> Result<Option<&ConversationView>> {
        let found = match self.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(conversations::by_id(self.connection, id)?),
        };
        Ok(found.as_ref())
    }

    /// Nothing where the conversation is deleted, or the message is.
    fn review(&mut self, kept: Kept) -> Result<Option<Arc<Review>>> {
        let connection = self.connection;
        let Some(view) = self.find(kept.conversation)? else {
            return Ok(None);
        };
        let conversation = Arc::clone(&view.conversation);
        let matter = match kept.g {
            None => kept.held,
            Some(g) => {
                let Some(message) = messages::by_g(connection, g, view)? else {
                    return Ok(None);
                };
                Matter::Reported {
                    message: Arc::new(message),
                    reports: self.reports(kept.id)?,
                }
            }
        };
        Ok(Some(Arc::new(Review {
            id: kept.uuid,
            conversation,
            sender: self.people.must_find(connection, kept.sender)?,
            at: kept.at,
            matter,
        })))
    }

    /// The earliest first.
    fn reports(&mut self, review: i64) -> Result<Vec<Report>> {
        let row = |row: &Row<'_>| {
            let at = Timestamp(row.get(2)?);
            Ok((UserId(row.get(0)?), row.get(1)?, at))
        };
        let mut reports = Vec::new();
        for (by, reason, at) in all(self.connection, REPORTS, [review], row)? {
            let by = self.people.must_find(self.connection, by)?;
            reports.push(Report { by, reason, at });
        }
        reports.sort_by_key(|report| report.at);
        Ok(reports)
    }
}

/// Writes a change to filters or to what waits; others are not for here.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<()> {
    match change {
        Change::FilterAdded(filter) => {
            connection
                .prepare_cached(
                    "INSERT INTO filter (uuid, app, words, action, conversation)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    filter.id.as_bytes(),
                    filter.app.0,
                    filter.words,
                    filter_action_name(filter.action),
                    filter.room.as_ref().map(|room| room.id.0),
                ])?;
        }
        Change::FilterRemoved(_, id) => {
            connection
                .prepare_cached("DELETE FROM filter WHERE uuid = ?1")?
                .execute([id.as_bytes()])?;
        }
        Change::ReviewOpened(review) => add(connection, review)?,
        Change::Reported { review } => {
            let row = |row: &Row<'_>| row.get::<_, i64>(0);
            if let Some(id) = one(connection, BY_UUID, [review.id.as_bytes()], row)? {
                add_report(connection, id, review)?;
            }
        }
        Change::ReviewClosed(review) => close(connection, CLOSE, [review.id.as_bytes()])?,
        _ => {}
    }
    Ok(())
}

fn add(connection: &Connection, review: &Review) -> Result<()> {
    let (g, held) = match &review.matter {
        Matter::Reported { message, .. } => (Some(signed(message.message.g)?), None),
        Matter::Held {
            body,
            badges,
            client_id,
        } => (None, Some((body, badges, client_id))),
    };
    let body = held.map(|(body, ..)| body);
    connection
        .prepare_cached(
            "INSERT INTO review (uuid, app, conversation, sender, created_at, g, text, media,
                metadata, reply_to, badges, client_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            review.id.as_bytes(),
            review.conversation.app.0,
            review.conversation.id.0,
            review.sender.id.0,
            review.at.0,
            g,
            body.map(|body| &body.text),
            body.map_or(Ok(None), |body| list(&body.media))?,
            json(body.and_then(|body| body.metadata.as_ref()))?,
            body.and_then(|body| body.reply_to.as_ref().map(Uuid::as_bytes)),
            held.map_or(Ok(None), |(_, badges, _)| list(badges))?,
            held.and_then(|(.., client_id)| client_id.as_ref()),
        ])?;
    let id = connection.last_insert_rowid();
    for file in body.iter().flat_map(|body| &body.media) {
        media::hold(connection, review.conversation.app, review.at, file)?;
    }
    add_report(connection, id, review)
}

fn add_report(connection: &Connection, id: i64, review: &Review) -> Result<()> {
    let Matter::Reported { reports, .. } = &review.matter else {
        return Ok(());
    };
    // The last one is new; the others were stored when they came.
    if let Some(report) = reports.last() {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO report (review, user, reason, created_at)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![id, report.by.id.0, report.reason, report.at.0])?;
    }
    Ok(())
}

/// A message is gone, and with it what was reported of it.
pub(super) fn close_of_message(connection: &Connection, g: i64) -> Result<()> {
    close(connection, CLOSE_OF_MESSAGE, [g])
}

/// A user is gone.
pub(super) fn forget_user(connection: &Connection, user: UserId) -> Result<()> {
    connection.prepare_cached(REPORTS_BY)?.execute([user.0])?;
    close(connection, CLOSE_OF_SENDER, [user.0])
}

/// A conversation is deleted: its filters go at once.
pub(super) fn forget_filters(connection: &Connection, id: ConversationId) -> Result<()> {
    connection.prepare_cached(FILTERS_OF)?.execute([id.0])?;
    Ok(())
}

/// So much of what waits in a deleted conversation goes, at most; tells how much did.
pub(super) fn close_some(connection: &Connection, id: ConversationId, rows: i64) -> Result<usize> {
    close_all(connection, CLOSE_SOME, [id.0, rows])
}

fn close(connection: &Connection, query: &str, params: impl Params) -> Result<()> {
    close_all(connection, query, params).map(drop)
}

fn close_all(connection: &Connection, query: &str, params: impl Params) -> Result<usize> {
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, from_json(row, 1)?));
    let closed = all(connection, query, params, row)?;
    for (id, files) in &closed {
        connection.prepare_cached(REPORTS_OF)?.execute([id])?;
        let files: &Option<Vec<Media>> = files;
        for file in files.iter().flatten() {
            media::release(connection, file)?;
        }
    }
    Ok(closed.len())
}

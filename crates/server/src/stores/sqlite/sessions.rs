//! Sessions and what they listen to, as rows: written inside the writer's transaction, read by whoever
//! comes back.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use chat::{
    AppId, G, SessionId, SessionSeed, StoredSession, StoredSubscription, Timestamp, Topic, UserId,
};
use rusqlite::{Connection, Params, Result, Row, params};

use super::{
    convert::{signed, topic, topic_of, unsigned},
    read::all,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app, pid_hash, sid, namespace, subject, start_g, seen_at FROM session ",
            $rest
        )
    };
}

const BY_ID: &str = select!("WHERE id = ?1");
// Many at once: a JSON array is the one list that a statement takes as a parameter.
const BY_PIDS: &str = select!("WHERE pid_hash IN (SELECT unhex(value) FROM json_each(?1))");
const SUBSCRIPTIONS: &str = "SELECT topic, topic_id, user, dialect, since_g, session \
     FROM subscription WHERE session IN (SELECT value FROM json_each(?1))";
const SEEN_BEFORE: &str = "SELECT id FROM session WHERE seen_at < ?1 ORDER BY seen_at LIMIT ?2";
const SEE: &str = "UPDATE session SET seen_at = ?2 WHERE id = ?1 AND seen_at < ?2";
const END_SUBSCRIPTIONS: &str = "DELETE FROM subscription WHERE session = ?1";
const END: &str = "DELETE FROM session WHERE id = ?1";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    BY_ID,
    BY_PIDS,
    SUBSCRIPTIONS,
    SEEN_BEFORE,
    SEE,
    END_SUBSCRIPTIONS,
    END,
];

pub(super) fn by_id(connection: &Connection, id: SessionId) -> Result<Option<StoredSession>> {
    find(connection, BY_ID, [id.0]).map(|mut found| found.pop())
}

pub(super) fn by_pids(connection: &Connection, hashes: &[[u8; 32]]) -> Result<Vec<StoredSession>> {
    let mut array = String::from("[");
    for (at, hash) in hashes.iter().enumerate() {
        array.push_str(if at == 0 { "\"" } else { ",\"" });
        for byte in hash {
            // Writing to a String cannot fail.
            let _ = write!(array, "{byte:02x}");
        }
        array.push('"');
    }
    array.push(']');
    find(connection, BY_PIDS, [array])
}

pub(super) fn seen_before(
    connection: &Connection,
    time: Timestamp,
    limit: u32,
) -> Result<Vec<SessionId>> {
    let id = |row: &Row<'_>| row.get(0).map(SessionId);
    all(connection, SEEN_BEFORE, params![time.0, limit], id)
}

/// Sessions with their subscriptions, of one moment.
fn find(connection: &Connection, query: &str, params: impl Params) -> Result<Vec<StoredSession>> {
    // The writer asks between its transactions, a reader has none of its own.
    let moment = connection.unchecked_transaction()?;
    let mut found = all(&moment, query, params, session)?;
    let ids: Vec<_> = found.iter().map(|session| session.seed.id.0).collect();
    let mut subscriptions: HashMap<i64, Vec<StoredSubscription>> = HashMap::new();
    let rows = all(&moment, SUBSCRIPTIONS, [format!("{ids:?}")], |row| {
        Ok((row.get(5)?, subscription(row)?))
    })?;
    for (session, subscription) in rows {
        subscriptions.entry(session).or_default().push(subscription);
    }
    for session in &mut found {
        session.subscriptions = subscriptions.remove(&session.seed.id.0).unwrap_or_default();
        session
            .subscriptions
            .sort_by_key(|subscription| subscription.since);
    }
    Ok(found)
}

/// Without what it listens to.
fn session(row: &Row<'_>) -> Result<StoredSession> {
    Ok(StoredSession {
        seed: Arc::new(SessionSeed {
            id: SessionId(row.get(0)?),
            pid_hash: row.get(2)?,
            sid: row.get(3)?,
            namespace: row.get(4)?,
            start_g: unsigned(row.get(6)?)?,
        }),
        app: AppId(row.get(1)?),
        subject: row.get(5)?,
        subscriptions: Vec::new(),
        seen_at: Timestamp(row.get(7)?),
    })
}

fn subscription(row: &Row<'_>) -> Result<StoredSubscription> {
    Ok(StoredSubscription {
        topic: topic_of(row.get_ref(0)?.as_str()?, row.get(1)?)?,
        user: UserId(row.get(2)?),
        dialect: row.get(3)?,
        since: unsigned(row.get(4)?)?,
    })
}

/// A session as it is when it begins.
pub(super) struct Beginning<'a> {
    pub(super) seed: &'a SessionSeed,
    pub(super) app: AppId,
    pub(super) subject: Option<&'a str>,
    pub(super) at: Timestamp,
}

/// Stores a session; of one that is stored already, notes that it was seen. `generation` has no
/// meaning any more; taking the column out would write the whole table anew.
pub(super) fn begin(connection: &Connection, new: &Beginning<'_>) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO session
                (id, app, pid_hash, sid, namespace, subject, start_g, generation, created_at,
                 seen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?8)
             ON CONFLICT (id) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at)",
        )?
        .execute(params![
            new.seed.id.0,
            new.app.0,
            new.seed.pid_hash,
            new.seed.sid,
            new.seed.namespace,
            new.subject,
            signed(new.seed.start_g)?,
            new.at.0,
        ])?;
    Ok(())
}

/// One row of what a session listens to.
pub(super) struct Listening<'a> {
    pub(super) topic: Topic,
    pub(super) user: UserId,
    pub(super) dialect: &'a str,
    pub(super) since: G,
    pub(super) at: Timestamp,
}

/// Whoever is subscribed already keeps the older place.
pub(super) fn subscribe(
    connection: &Connection,
    session: SessionId,
    new: &Listening<'_>,
) -> Result<()> {
    let (kind, id) = topic(new.topic);
    connection
        .prepare_cached(
            "INSERT INTO subscription
                (session, topic, topic_id, dialect, user, since_g, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            session.0,
            kind,
            id,
            new.dialect,
            new.user.0,
            signed(new.since)?,
            new.at.0,
        ])?;
    Ok(())
}

/// Stores a session that begins with all that it listens to.
pub(super) fn begin_with_all(connection: &Connection, new: &StoredSession) -> Result<()> {
    let beginning = Beginning {
        seed: &new.seed,
        app: new.app,
        subject: new.subject.as_deref(),
        at: new.seen_at,
    };
    begin(connection, &beginning)?;
    for subscription in &new.subscriptions {
        let listening = Listening {
            topic: subscription.topic,
            user: subscription.user,
            dialect: &subscription.dialect,
            since: subscription.since,
            at: new.seen_at,
        };
        subscribe(connection, new.seed.id, &listening)?;
    }
    Ok(())
}

pub(super) fn see(connection: &Connection, sessions: &[SessionId], at: Timestamp) -> Result<()> {
    let mut see = connection.prepare_cached(SEE)?;
    for session in sessions {
        see.execute(params![session.0, at.0])?;
    }
    Ok(())
}

/// Forgets a session and what it listens to.
pub(super) fn end(connection: &Connection, id: SessionId) -> Result<()> {
    for end in [END_SUBSCRIPTIONS, END] {
        connection.prepare_cached(end)?.execute([id.0])?;
    }
    Ok(())
}

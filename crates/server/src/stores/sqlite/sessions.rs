//! Sessions and what they listen to, as rows: written inside the writer's transaction, read by whoever
//! comes back.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use chat::{
    AppId, KeyId, Proof, SessionId, SessionSeed, StoredSession, StoredSubscription, Timestamp,
    UserId, store::Change,
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
/// Whether a subscription still counts: what it is about is there, and if that is a conversation, its
/// user belongs to it since before and without a break. Nobody listens to a person as another one.
macro_rules! stands {
    () => {
        "CASE topic \
            WHEN 'person' THEN EXISTS (SELECT 1 FROM user WHERE id = topic_id) \
            ELSE CASE WHEN subscription.user IS NULL \
                THEN EXISTS (SELECT 1 FROM conversation WHERE id = topic_id AND deleted_at IS NULL) \
                ELSE EXISTS (SELECT 1 FROM member WHERE member.user = subscription.user \
                    AND member.conversation = topic_id AND left_g IS NULL \
                    AND member.since_g < subscription.since_g) \
                END \
            END"
    };
}

const SUBSCRIPTIONS: &str = concat!(
    "SELECT topic, topic_id, user, dialect, since_g, key, until, spelling, session FROM subscription
     WHERE session IN (SELECT value FROM json_each(?1)) AND ",
    stands!()
);
/// What counts already keeps its place; the right to it hangs on what was brought last.
const SUBSCRIBE: &str = concat!(
    "INSERT INTO subscription
        (session, topic, topic_id, dialect, user, since_g, created_at, key, until, spelling)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
     ON CONFLICT (session, topic, topic_id, dialect) DO UPDATE SET user = excluded.user,
        since_g = iif(",
    stands!(),
    ", since_g, excluded.since_g), created_at = excluded.created_at, key = excluded.key,
        until = excluded.until, spelling = excluded.spelling
     WHERE user IS excluded.user OR NOT (",
    stands!(),
    ")"
);
/// What counts already for another user stays, but for what it is called.
const SPELL: &str = "UPDATE subscription SET spelling = ?5
     WHERE session = ?1 AND topic = ?2 AND topic_id = ?3 AND dialect = ?4";
const UNSUBSCRIBE: &str = "DELETE FROM subscription
     WHERE session = ?1 AND topic = ?2 AND topic_id = ?3 AND dialect = ?4";
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
    SPELL,
    UNSUBSCRIBE,
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

/// Sessions with the subscriptions that still stand, of one moment: a reader asks within a transaction,
/// and while the writer asks nobody writes.
fn find(connection: &Connection, query: &str, params: impl Params) -> Result<Vec<StoredSession>> {
    let mut found = all(connection, query, params, session)?;
    let ids: Vec<_> = found.iter().map(|session| session.seed.id.0).collect();
    let mut subscriptions: HashMap<i64, Vec<StoredSubscription>> = HashMap::new();
    let rows = all(connection, SUBSCRIPTIONS, [format!("{ids:?}")], |row| {
        Ok((row.get(8)?, subscription(row)?))
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
            app: AppId(row.get(1)?),
            pid_hash: row.get(2)?,
            sid: row.get(3)?,
            namespace: row.get(4)?,
            subject: row.get(5)?,
            start_g: unsigned(row.get(6)?)?,
        }),
        subscriptions: Vec::new(),
        seen_at: Timestamp(row.get(7)?),
    })
}

fn subscription(row: &Row<'_>) -> Result<StoredSubscription> {
    Ok(StoredSubscription {
        topic: topic_of(row.get_ref(0)?.as_str()?, row.get(1)?)?,
        user: row.get::<_, Option<i64>>(2)?.map(UserId),
        dialect: row.get(3)?,
        since: unsigned(row.get(4)?)?,
        proof: Proof {
            key: row.get::<_, Option<i64>>(5)?.map(KeyId),
            until: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        },
        spelling: row.get(7)?,
    })
}

/// Writes a change that is about sessions; others change nothing here.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<()> {
    match change {
        Change::Subscription {
            session,
            user,
            proof,
            topic,
            dialect,
            since,
            at,
            spelling,
        } => {
            begin(connection, session, *at)?;
            let new = StoredSubscription {
                spelling: spelling.clone(),
                topic: *topic,
                user: *user,
                proof: *proof,
                dialect: (*dialect).to_owned(),
                since: *since,
            };
            subscribe(connection, session.id, &new, *at)
        }
        Change::Unsubscription {
            session,
            topic: place,
            dialect,
        } => {
            let (kind, id) = topic(*place);
            connection
                .prepare_cached(UNSUBSCRIBE)?
                .execute(params![session.0, kind, id, dialect])?;
            Ok(())
        }
        Change::SessionBegun(session) => {
            begin(connection, &session.seed, session.seen_at)?;
            let mut subscriptions = session.subscriptions.iter();
            subscriptions
                .try_for_each(|new| subscribe(connection, session.seed.id, new, session.seen_at))
        }
        Change::SessionsSeen { sessions, at } => {
            let mut see = connection.prepare_cached(SEE)?;
            for session in sessions {
                see.execute(params![session.0, at.0])?;
            }
            Ok(())
        }
        Change::SessionEnded(id) => {
            for end in [END_SUBSCRIPTIONS, END] {
                connection.prepare_cached(end)?.execute([id.0])?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Stores a session; of one that is stored already, notes that it was seen.
fn begin(connection: &Connection, seed: &SessionSeed, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO session
                (id, app, pid_hash, sid, namespace, subject, start_g, created_at, seen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
             ON CONFLICT (id) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at)",
        )?
        .execute(params![
            seed.id.0,
            seed.app.0,
            seed.pid_hash,
            seed.sid,
            seed.namespace,
            seed.subject,
            signed(seed.start_g)?,
            at.0,
        ])?;
    Ok(())
}

fn subscribe(
    connection: &Connection,
    session: SessionId,
    new: &StoredSubscription,
    at: Timestamp,
) -> Result<()> {
    let (kind, id) = topic(new.topic);
    let changed = connection.prepare_cached(SUBSCRIBE)?.execute(params![
        session.0,
        kind,
        id,
        new.dialect,
        new.user.map(|user| user.0),
        signed(new.since)?,
        at.0,
        new.proof.key.map(|key| key.0),
        new.proof.until.map(|until| until.0),
        new.spelling,
    ])?;
    if changed == 0 {
        let place = params![session.0, kind, id, new.dialect, new.spelling];
        connection.prepare_cached(SPELL)?.execute(place)?;
    }
    Ok(())
}

//! Users as rows: read by anybody, written inside the writer's transaction. Next: `erase` for their
//! end.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use chat::{
    AppId, ExternalId, G, Timestamp, User, UserId,
    model::Profile,
    room::folded,
    store::{Change, UserName},
};
use rusqlite::{Connection, Result, Row, params};
use uuid::Uuid;

use super::{
    convert::{from_json, json, signed, unsigned, uuid},
    media,
    read::{all, one},
};

/// The columns of [`user`], which no table that is joined with this one has too.
macro_rules! columns {
    () => {
        "id, app, uuid, external, external_number, name, avatar, metadata, created_at, \
         updated_at, last_active, number"
    };
}
pub(super) use columns;
/// How many they are.
pub(super) const COLUMNS: usize = 12;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM user ", $rest)
    };
}

const BY_ID: &str = select!("WHERE id = ?1");
// Many at once: a JSON array is the one list that a statement takes as a parameter.
const BY_IDS: &str = select!("WHERE id IN (SELECT value FROM json_each(?1))");
const BY_EXTERNAL: &str = select!("WHERE app = ?1 AND external = ?2");
const BY_UUID: &str = select!("WHERE uuid = ?1 AND app = ?2");
const CALLED: &str = select!("WHERE app = ?1 AND called = ?2 ORDER BY id LIMIT 100");
const COLLECTED: &str = "SELECT collected_g FROM user WHERE id = ?1";
const BLOCKED: &str = concat!(
    "SELECT ",
    columns!(),
    ", blocked_at FROM (SELECT whom, created_at AS blocked_at FROM block WHERE user = ?1)
     JOIN user ON id = whom"
);

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    BY_ID,
    BY_IDS,
    BY_EXTERNAL,
    BY_UUID,
    CALLED,
    COLLECTED,
    BLOCKED,
];

pub(super) fn by_id(connection: &Connection, id: UserId) -> Result<Option<Arc<User>>> {
    Ok(one(connection, BY_ID, [id.0], user)?.map(Arc::new))
}

pub(super) fn by_ids(connection: &Connection, ids: &[UserId]) -> Result<Vec<Arc<User>>> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let found = all(connection, BY_IDS, [format!("{ids:?}")], user)?;
    Ok(found.into_iter().map(Arc::new).collect())
}

pub(super) fn by_external(
    connection: &Connection,
    app: AppId,
    external: &str,
) -> Result<Option<Arc<User>>> {
    let found = one(connection, BY_EXTERNAL, params![app.0, external], user)?;
    Ok(found.map(Arc::new))
}

pub(super) fn by_uuid(
    connection: &Connection,
    app: AppId,
    uuid: Uuid,
) -> Result<Option<Arc<User>>> {
    let found = one(connection, BY_UUID, params![uuid.as_bytes(), app.0], user)?;
    Ok(found.map(Arc::new))
}

/// Those of a name, which is folded; the oldest of them where they are many.
pub(super) fn called(connection: &Connection, app: AppId, name: &str) -> Result<Vec<Arc<User>>> {
    let found = all(connection, CALLED, params![app.0, name], user)?;
    Ok(found.into_iter().map(Arc::new).collect())
}

pub(super) fn by_name(
    connection: &Connection,
    app: AppId,
    name: &UserName,
) -> Result<Option<Arc<User>>> {
    match name {
        UserName::External(external) => by_external(connection, app, external),
        UserName::Uuid(uuid) => by_uuid(connection, app, *uuid),
        UserName::Id(id) => Ok(by_id(connection, *id)?.filter(|user| user.app == app)),
    }
}

/// Users that a read has come across.
#[derive(Default)]
pub(super) struct People(HashMap<UserId, Option<Arc<User>>>);

impl People {
    /// Takes in users that are known.
    pub(super) fn meet<'u>(&mut self, users: impl IntoIterator<Item = &'u Arc<User>>) {
        for user in users {
            self.0.insert(user.id, Some(Arc::clone(user)));
        }
    }

    /// The user of this id, if there; looked up at most once.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        id: UserId,
    ) -> Result<Option<Arc<User>>> {
        Ok(match self.0.entry(id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(free) => free.insert(by_id(connection, id)?).clone(),
        })
    }

    /// The user of this id, to whom something refers that goes when the user goes.
    pub(super) fn must_find(&mut self, connection: &Connection, id: UserId) -> Result<Arc<User>> {
        let found = self.find(connection, id)?;
        found.ok_or(rusqlite::Error::QueryReturnedNoRows)
    }
}

/// Out of a row that begins with the columns of a user.
pub(super) fn user(row: &Row<'_>) -> Result<User> {
    Ok(User {
        id: UserId(row.get(0)?),
        app: AppId(row.get(1)?),
        uuid: uuid(row.get(2)?),
        external: ExternalId {
            text: row.get(3)?,
            number: row.get(4)?,
        },
        profile: Profile {
            name: row.get(5)?,
            avatar: from_json(row, 6)?,
            metadata: from_json(row, 7)?,
        },
        created_at: Timestamp(row.get(8)?),
        updated_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        last_active: Timestamp(row.get(10)?),
        number: row.get(11)?,
    })
}

pub(super) fn add(connection: &Connection, user: &User) -> Result<()> {
    let profile = &user.profile;
    connection
        .prepare_cached(concat!(
            "INSERT INTO user (",
            columns!(),
            ", called) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        ))?
        .execute(params![
            user.id.0,
            user.app.0,
            user.uuid.as_bytes(),
            user.external.text,
            user.external.number,
            profile.name,
            json(profile.avatar.as_ref())?,
            json(profile.metadata.as_ref())?,
            user.created_at.0,
            user.updated_at.map(|at| at.0),
            user.last_active.0,
            user.number,
            folded(user.name()),
        ])?;
    let new = media::of_picture(profile.avatar.as_ref());
    media::change(connection, user.app, user.created_at, &[], new)
}

/// Writes a change of a user who is there; others are not for here.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<()> {
    match change {
        Change::UserUpdated(user) => update(connection, user),
        Change::UserWentOffline(user, at) => note_offline(connection, *user, *at),
        Change::Blocked { user, whom, at } => block(connection, *user, *whom, *at),
        Change::Unblocked { user, whom } => unblock(connection, *user, *whom),
        Change::MissedCollected { user, up_to } => note_collected(connection, *user, *up_to),
        _ => Ok(()),
    }
}

/// Stores another profile of a user.
fn update(connection: &Connection, user: &User) -> Result<()> {
    let Some(old) = by_id(connection, user.id)? else {
        return Ok(());
    };
    let profile = &user.profile;
    connection
        .prepare_cached(
            "UPDATE user SET name = ?2, avatar = ?3, metadata = ?4, updated_at = ?5, called = ?6
             WHERE id = ?1",
        )?
        .execute(params![
            user.id.0,
            profile.name,
            json(profile.avatar.as_ref())?,
            json(profile.metadata.as_ref())?,
            user.updated_at.map(|at| at.0),
            folded(user.name()),
        ])?;
    let at = user.updated_at.unwrap_or(user.created_at);
    let [old, new] =
        [&old.profile, profile].map(|profile| media::of_picture(profile.avatar.as_ref()));
    media::change(connection, user.app, at, old, new)
}

/// Up to where what a user missed was handed out.
pub(super) fn collected_up_to(connection: &Connection, id: UserId) -> Result<G> {
    let found = one(connection, COLLECTED, [id.0], |row| unsigned(row.get(0)?))?;
    Ok(found.unwrap_or(0))
}

fn note_collected(connection: &Connection, id: UserId, up_to: G) -> Result<()> {
    connection
        .prepare_cached("UPDATE user SET collected_g = ?2 WHERE id = ?1")?
        .execute(params![id.0, signed(up_to)?])?;
    Ok(())
}

/// Whom a user blocks, the latest last.
pub(super) fn blocks(connection: &Connection, id: UserId) -> Result<Vec<Arc<User>>> {
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(COLUMNS)?, Arc::new(user(row)?)));
    let mut found = all(connection, BLOCKED, [id.0], row)?;
    found.sort_by_key(|(at, user)| (*at, user.id));
    Ok(found.into_iter().map(|(_, user)| user).collect())
}

fn block(connection: &Connection, id: UserId, whom: UserId, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO block (user, whom, created_at) VALUES (?1, ?2, ?3)")?
        .execute(params![id.0, whom.0, at.0])?;
    Ok(())
}

fn unblock(connection: &Connection, id: UserId, whom: UserId) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM block WHERE user = ?1 AND whom = ?2")?
        .execute([id.0, whom.0])?;
    Ok(())
}

fn note_offline(connection: &Connection, id: UserId, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE user SET last_active = ?2 WHERE id = ?1")?
        .execute(params![id.0, at.0])?;
    Ok(())
}

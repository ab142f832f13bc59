//! Apps and their keys as rows: read by anybody, written inside the writer's transaction.

use chat::{
    App, AppId, KeyId, Timestamp,
    model::{ApiKey, Secret},
    store::Numbers,
};
use rusqlite::{Connection, Result, Row, params};

use super::{
    convert::{identity, identity_name, scope, scope_name, small, uuid},
    read::{all, one},
};

macro_rules! select {
    (app $rest:literal) => {
        concat!(
            "SELECT id, uuid, name, identity, is_default, max_text_bytes, secret, public_keys, \
             created_at FROM app ",
            $rest
        )
    };
    (key $rest:literal) => {
        concat!(
            "SELECT id, app, scope, hash, prefix, created_at, revoked_at FROM api_key ",
            $rest
        )
    };
}

const APPS: &str = select!(app "ORDER BY id");
const APP_BY_NAME: &str = select!(app "WHERE name = ?1");
const KEY_BY_ID: &str = select!(key "WHERE id = ?1");
const KEY_BY_HASH: &str = select!(key "WHERE hash = ?1");
const KEYS_OF_APP: &str = select!(key "WHERE app = ?1 ORDER BY id");

const NUMBERS: &str = "SELECT last_user, last_room FROM app WHERE id = ?1";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[APP_BY_NAME, KEY_BY_ID, KEY_BY_HASH, KEYS_OF_APP, NUMBERS];

pub(super) fn apps(connection: &Connection) -> Result<Vec<App>> {
    all(connection, APPS, [], app)
}

pub(super) fn by_name(connection: &Connection, name: &str) -> Result<Option<App>> {
    one(connection, APP_BY_NAME, [name], app)
}

pub(super) fn key_by_id(connection: &Connection, id: KeyId) -> Result<Option<ApiKey>> {
    one(connection, KEY_BY_ID, [id.0], key)
}

pub(super) fn key_by_hash(connection: &Connection, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
    one(connection, KEY_BY_HASH, [hash], key)
}

pub(super) fn keys(connection: &Connection, app: AppId) -> Result<Vec<ApiKey>> {
    all(connection, KEYS_OF_APP, [app.0], key)
}

/// The highest numbers given in an app.
pub(super) fn numbers(connection: &Connection, app: AppId) -> Result<Numbers> {
    let row = |row: &Row<'_>| {
        Ok(Numbers {
            user: row.get(0)?,
            room: row.get(1)?,
        })
    };
    Ok(one(connection, NUMBERS, [app.0], row)?.unwrap_or_default())
}

/// Notes the highest numbers given in an app, where they are higher than before.
pub(super) fn note_numbers(connection: &Connection, app: AppId, given: Numbers) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE app SET last_user = max(last_user, ?2), last_room = max(last_room, ?3)
             WHERE id = ?1",
        )?
        .execute([app.0, given.user, given.room])?;
    Ok(())
}

fn app(row: &Row<'_>) -> Result<App> {
    Ok(App {
        id: AppId(row.get(0)?),
        uuid: uuid(row.get(1)?),
        name: row.get(2)?,
        identity: identity(row.get_ref(3)?.as_str()?)?,
        is_default: row.get(4)?,
        max_text_bytes: small(row.get(5)?)?,
        secret: Secret(row.get(6)?),
        public_keys: row.get(7)?,
        created_at: Timestamp(row.get(8)?),
    })
}

fn key(row: &Row<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        id: KeyId(row.get(0)?),
        app: AppId(row.get(1)?),
        scope: scope(row.get_ref(2)?.as_str()?)?,
        hash: row.get(3)?,
        prefix: row.get(4)?,
        created_at: Timestamp(row.get(5)?),
        revoked_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
    })
}

/// Stores a new app. If it is the default, no other is any longer.
pub(super) fn add(connection: &Connection, app: &App) -> Result<()> {
    if app.is_default {
        connection
            .prepare_cached("UPDATE app SET is_default = 0 WHERE is_default")?
            .execute([])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO app
                (id, uuid, name, identity, is_default, max_text_bytes, secret, public_keys,
                 created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            app.id.0,
            app.uuid.as_bytes(),
            app.name,
            identity_name(app.identity),
            app.is_default,
            app.max_text_bytes,
            app.secret.0,
            app.public_keys,
            app.created_at.0,
        ])?;
    Ok(())
}

pub(super) fn add_key(connection: &Connection, key: &ApiKey) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO api_key (id, app, scope, hash, prefix, created_at, revoked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            key.id.0,
            key.app.0,
            scope_name(key.scope),
            key.hash,
            key.prefix,
            key.created_at.0,
            key.revoked_at.map(|at| at.0),
        ])?;
    Ok(())
}

pub(super) fn revoke_key(connection: &Connection, id: KeyId, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE api_key SET revoked_at = ?2 WHERE id = ?1")?
        .execute(params![id.0, at.0])?;
    Ok(())
}

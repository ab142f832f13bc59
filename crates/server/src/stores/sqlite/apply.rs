//! A batch as rows. Runs inside the writer's transaction.

use std::collections::BTreeMap;

use chat::{
    ConversationId, ConversationKind, G, MessageView, Timestamp, User,
    model::{ApiKey, App, Conversation},
    store::{Batch, Change},
};
use rusqlite::{Connection, Result, params};
use uuid::Uuid;

use super::{
    convert::{identity_name, kind_name, scope_name, signed},
    sessions,
};

/// What a batch comes to beside its rows: written once at its end.
#[derive(Default)]
struct Sums {
    /// The newest message of each conversation. Sorted, so that neighbours in the table are
    /// written one after the other.
    conversations: BTreeMap<ConversationId, (u64, G, Timestamp)>,
    app: i64,
    user: i64,
    conversation: i64,
    key: i64,
    uuid: Uuid,
}

/// Writes all changes of a batch, then each conversation that it moved and the counters.
pub(super) fn batch(connection: &Connection, batch: &Batch) -> Result<()> {
    let mut sums = Sums::default();
    for change in &batch.changes {
        match change {
            Change::User(user) => add_user(connection, user, &mut sums)?,
            Change::Conversation(conversation) => {
                add_conversation(connection, conversation, &mut sums)?;
            }
            Change::Message(view) => add_message(connection, view, &mut sums)?,
            Change::Subscription {
                session,
                app,
                user,
                subject,
                topic,
                dialect,
                since,
                at,
            } => {
                let beginning = sessions::Beginning {
                    seed: session,
                    app: *app,
                    subject: subject.as_deref(),
                    at: *at,
                };
                sessions::begin(connection, &beginning)?;
                let listening = sessions::Listening {
                    topic: *topic,
                    user: *user,
                    dialect,
                    since: *since,
                    at: *at,
                };
                sessions::subscribe(connection, session.id, &listening)?;
            }
            Change::SessionBegun(session) => sessions::begin_with_all(connection, session)?,
            Change::SessionsSeen { sessions, at } => sessions::see(connection, sessions, *at)?,
            Change::SessionEnded(session) => sessions::end(connection, *session)?,
            Change::App(app) => add_app(connection, app, &mut sums)?,
            Change::Key(key) => add_key(connection, key, &mut sums)?,
            Change::KeyRevoked(id, at) => {
                connection
                    .prepare_cached("UPDATE api_key SET revoked_at = ?2 WHERE id = ?1")?
                    .execute(params![id.0, at.0])?;
            }
        }
    }
    let mut update = connection.prepare_cached(
        "UPDATE conversation SET last_seq = ?2, last_g = ?3, updated_at = ?4, last_message_at = ?4
         WHERE id = ?1",
    )?;
    for (id, (seq, g, at)) in &sums.conversations {
        update.execute(params![id.0, signed(*seq)?, signed(*g)?, at.0])?;
    }
    connection
        .prepare_cached(
            "UPDATE node SET commits = commits + 1, last_g = max(last_g, ?1),
                last_app = max(last_app, ?2), last_user = max(last_user, ?3),
                last_conversation = max(last_conversation, ?4), last_key = max(last_key, ?5),
                last_uuid = max(last_uuid, ?6)",
        )?
        .execute(params![
            signed(batch.last_g)?,
            sums.app,
            sums.user,
            sums.conversation,
            sums.key,
            sums.uuid.as_bytes(),
        ])?;
    Ok(())
}

fn add_user(connection: &Connection, user: &User, sums: &mut Sums) -> Result<()> {
    sums.user = sums.user.max(user.id.0);
    sums.uuid = sums.uuid.max(user.uuid);
    connection
        .prepare_cached(
            "INSERT INTO user (id, app, uuid, external, external_number, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            user.id.0,
            user.app.0,
            user.uuid.as_bytes(),
            user.external.text,
            user.external.number,
            user.created_at.0,
        ])?;
    Ok(())
}

fn add_conversation(
    connection: &Connection,
    conversation: &Conversation,
    sums: &mut Sums,
) -> Result<()> {
    sums.conversation = sums.conversation.max(conversation.id.0);
    sums.uuid = sums.uuid.max(conversation.uuid);
    connection
        .prepare_cached(
            "INSERT INTO conversation
                (id, app, uuid, kind, key, created_at, last_seq, last_g, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?6)",
        )?
        .execute(params![
            conversation.id.0,
            conversation.app.0,
            conversation.uuid.as_bytes(),
            kind_name(conversation.kind),
            conversation.key,
            conversation.created_at.0,
        ])?;
    if conversation.kind == ConversationKind::Direct {
        // The two see all of it, from its first message on.
        let mut insert = connection.prepare_cached(
            "INSERT INTO member (user, conversation, role, since_g, read_seq)
             VALUES (?1, ?2, 'member', 0, 0)",
        )?;
        for user in &conversation.pair {
            insert.execute(params![user.id.0, conversation.id.0])?;
        }
    }
    Ok(())
}

fn add_message(connection: &Connection, view: &MessageView, sums: &mut Sums) -> Result<()> {
    let message = &view.message;
    sums.uuid = sums.uuid.max(message.uuid);
    let newest = (message.seq, message.g, message.created_at);
    sums.conversations.insert(message.conversation, newest);
    connection
        .prepare_cached(
            "INSERT INTO message
                (g, conversation, seq, uuid, sender, text, created_at, origin, client_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            signed(message.g)?,
            message.conversation.0,
            signed(message.seq)?,
            message.uuid.as_bytes(),
            message.sender.0,
            message.text,
            message.created_at.0,
            message.origin.map(|session| session.0),
            message.client_id,
        ])?;
    Ok(())
}

fn add_app(connection: &Connection, app: &App, sums: &mut Sums) -> Result<()> {
    sums.app = sums.app.max(app.id.0);
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

fn add_key(connection: &Connection, key: &ApiKey, sums: &mut Sums) -> Result<()> {
    sums.key = sums.key.max(key.id.0);
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

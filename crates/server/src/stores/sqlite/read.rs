//! The queries. Every one is answered from an index; the tests ask SQLite for its plan.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use chat::{
    AppId, Conversation, ConversationId, ConversationKind, ConversationView, ExternalId, G,
    Message, MessageView, SessionId, Timestamp, User, UserId,
    model::{ApiKey, App, KeyId, Secret},
    store::{Boot, Counters, Found, Need},
};
use rusqlite::{Connection, OptionalExtension, Params, Result, Row, params};
use uuid::Uuid;

use super::{
    convert::{identity, kind, kind_name, scope, signed, small, unsigned, uuid},
    sessions,
};

macro_rules! select {
    (user $rest:literal) => {
        concat!(
            "SELECT id, app, uuid, external, external_number, created_at FROM user ",
            $rest
        )
    };
    (conversation $rest:literal) => {
        concat!(
            "SELECT id, app, uuid, kind, key, created_at, last_seq, last_g, updated_at, \
             last_message_at FROM conversation ",
            $rest
        )
    };
    (message $rest:literal) => {
        concat!(
            "SELECT g, seq, uuid, sender, text, created_at, origin, client_id FROM message ",
            $rest
        )
    };
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

const USER_BY_ID: &str = select!(user "WHERE id = ?1");
const USER_BY_EXTERNAL: &str = select!(user "WHERE app = ?1 AND external = ?2");
const MEMBERS: &str =
    select!(user "WHERE id IN (SELECT user FROM member WHERE conversation = ?1) ORDER BY id");
const CONVERSATION_BY_ID: &str = select!(conversation "WHERE id = ?1");
const CONVERSATION_BY_KEY: &str = select!(conversation "WHERE app = ?1 AND kind = ?2 AND key = ?3");
const CONVERSATION_BY_UUID: &str = select!(conversation "WHERE uuid = ?1 AND app = ?2");
const MESSAGE_BY_CLIENT_ID: &str =
    select!(message "WHERE conversation = ?1 AND sender = ?2 AND client_id = ?3");
const HISTORY: &str = select!(message
    "WHERE conversation = ?1 AND g <= ?2 ORDER BY seq DESC LIMIT ?3 OFFSET ?4");
/// From a place in a conversation on, oldest first.
pub(super) const MESSAGES_FROM: &str =
    select!(message "WHERE conversation = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3");
const APPS: &str = select!(app "ORDER BY id");
const APP_BY_NAME: &str = select!(app "WHERE name = ?1");
const KEY_BY_ID: &str = select!(key "WHERE id = ?1");
const KEY_BY_HASH: &str = select!(key "WHERE hash = ?1");
const KEYS_OF_APP: &str = select!(key "WHERE app = ?1 ORDER BY id");

/// Every query whose table grows with use, for a test of their plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    USER_BY_ID,
    USER_BY_EXTERNAL,
    MEMBERS,
    CONVERSATION_BY_ID,
    CONVERSATION_BY_KEY,
    CONVERSATION_BY_UUID,
    MESSAGE_BY_CLIENT_ID,
    HISTORY,
    MESSAGES_FROM,
    APP_BY_NAME,
    KEY_BY_ID,
    KEY_BY_HASH,
    KEYS_OF_APP,
];

/// The first row of a query, if there is one.
pub(super) fn one<T>(
    connection: &Connection,
    query: &str,
    params: impl Params,
    row: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(query)?;
    statement.query_row(params, row).optional()
}

/// All rows of a query.
pub(super) fn all<T>(
    connection: &Connection,
    query: &str,
    params: impl Params,
    row: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(query)?;
    statement.query_map(params, row)?.collect()
}

pub(super) fn counters(connection: &Connection) -> Result<Counters> {
    connection
        .prepare_cached(
            "SELECT last_g, last_app, last_user, last_conversation, last_key, last_uuid FROM node",
        )?
        .query_row([], |row| {
            Ok(Counters {
                last_g: unsigned(row.get(0)?)?,
                last_app: row.get(1)?,
                last_user: row.get(2)?,
                last_conversation: row.get(3)?,
                last_key: row.get(4)?,
                last_uuid: uuid(row.get(5)?),
            })
        })
}

pub(super) fn boots(connection: &Connection) -> Result<Vec<Boot>> {
    connection
        .prepare_cached("SELECT epoch, first_g FROM boot ORDER BY id")?
        .query_map([], |row| {
            Ok(Boot {
                epoch: small(row.get(0)?)?,
                first_g: unsigned(row.get(1)?)?,
            })
        })?
        .collect()
}

/// Answers what a decision needs.
pub(super) fn load(connection: &Connection, need: &Need) -> Result<Found> {
    Ok(match need {
        Need::User(app, external) => {
            let found = one(connection, USER_BY_EXTERNAL, params![app.0, external], user)?;
            Found::User(found.map(Arc::new))
        }
        Need::ConversationByKey(app, kind, key) => {
            let params = params![app.0, kind_name(*kind), key];
            let found = one(connection, CONVERSATION_BY_KEY, params, conversation)?;
            Found::Conversation(with_pair(connection, found)?)
        }
        Need::ConversationByUuid(app, uuid) => {
            Found::Conversation(conversation_by_uuid(connection, *app, *uuid)?)
        }
        Need::Sent(conversation, sender, client_id) => {
            Found::Sent(sent(connection, *conversation, *sender, client_id)?)
        }
        Need::AppByName(name) => {
            Found::App(one(connection, APP_BY_NAME, [name], app)?.map(Arc::new))
        }
        Need::Key(id) => Found::Key(one(connection, KEY_BY_ID, [id.0], key)?.map(Arc::new)),
        Need::Session(id) => Found::Session(sessions::by_id(connection, *id)?.map(Arc::new)),
        Need::SessionsSeenBefore(time, limit) => {
            Found::Sessions(sessions::seen_before(connection, *time, *limit)?)
        }
    })
}

pub(super) fn conversation_by_uuid(
    connection: &Connection,
    app: AppId,
    uuid: Uuid,
) -> Result<Option<ConversationView>> {
    let params = params![uuid.as_bytes(), app.0];
    let found = one(connection, CONVERSATION_BY_UUID, params, conversation)?;
    with_pair(connection, found)
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
    let row = |row: &Row<'_>| message(row, conversation.id);
    let messages = all(connection, HISTORY, params, row)?;
    let mut people = People::default();
    people.meet(&conversation.pair);
    let view = |message: Message| {
        Ok(MessageView {
            conversation: Arc::clone(conversation),
            sender: people.find(connection, message.sender)?,
            message,
        })
    };
    messages.into_iter().rev().map(view).collect()
}

/// Users that a read has come across.
#[derive(Default)]
pub(super) struct People(HashMap<UserId, Arc<User>>);

impl People {
    /// Takes in users that are known.
    pub(super) fn meet(&mut self, users: &[Arc<User>]) {
        for user in users {
            self.0.insert(user.id, Arc::clone(user));
        }
    }

    /// The user of this id, looked up at most once.
    pub(super) fn find(&mut self, connection: &Connection, id: UserId) -> Result<Arc<User>> {
        Ok(match self.0.entry(id) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(free) => {
                let found = user_by_id(connection, id)?;
                let found = found.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                Arc::clone(free.insert(Arc::new(found)))
            }
        })
    }
}

pub(super) fn apps(connection: &Connection) -> Result<Vec<App>> {
    all(connection, APPS, [], app)
}

pub(super) fn key_by_hash(connection: &Connection, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
    one(connection, KEY_BY_HASH, [hash], key)
}

pub(super) fn keys(connection: &Connection, app: AppId) -> Result<Vec<ApiKey>> {
    all(connection, KEYS_OF_APP, [app.0], key)
}

pub(super) fn user_by_id(connection: &Connection, id: UserId) -> Result<Option<User>> {
    one(connection, USER_BY_ID, [id.0], user)
}

pub(super) fn conversation_by_id(
    connection: &Connection,
    id: ConversationId,
) -> Result<Option<ConversationView>> {
    let found = one(connection, CONVERSATION_BY_ID, [id.0], conversation)?;
    with_pair(connection, found)
}

/// The message that a sender made under a client id.
fn sent(
    connection: &Connection,
    place: ConversationId,
    sender: UserId,
    client_id: &str,
) -> Result<Option<Arc<MessageView>>> {
    let params = params![place.0, sender.0, client_id];
    let row = |row: &Row<'_>| message(row, place);
    let Some(message) = one(connection, MESSAGE_BY_CLIENT_ID, params, row)? else {
        return Ok(None);
    };
    let found = conversation_by_id(connection, place)?;
    let view = found.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let mut people = People::default();
    people.meet(&view.conversation.pair);
    let sender = people.find(connection, sender)?;
    Ok(Some(Arc::new(MessageView {
        conversation: view.conversation,
        sender,
        message,
    })))
}

/// Puts the two people into a direct conversation, in the order of their ids, which is that of
/// its key.
fn with_pair(
    connection: &Connection,
    found: Option<ConversationView>,
) -> Result<Option<ConversationView>> {
    let Some(mut view) = found else {
        return Ok(None);
    };
    if view.conversation.kind == ConversationKind::Direct {
        let people = all(connection, MEMBERS, [view.conversation.id.0], user)?;
        Arc::make_mut(&mut view.conversation).pair = people.into_iter().map(Arc::new).collect();
    }
    Ok(Some(view))
}

fn user(row: &Row<'_>) -> Result<User> {
    Ok(User {
        id: UserId(row.get(0)?),
        app: AppId(row.get(1)?),
        uuid: uuid(row.get(2)?),
        external: ExternalId {
            text: row.get(3)?,
            number: row.get(4)?,
        },
        created_at: Timestamp(row.get(5)?),
    })
}

/// Without its people; see [`with_pair`].
fn conversation(row: &Row<'_>) -> Result<ConversationView> {
    Ok(ConversationView {
        conversation: Arc::new(Conversation {
            id: ConversationId(row.get(0)?),
            app: AppId(row.get(1)?),
            uuid: uuid(row.get(2)?),
            kind: kind(row.get_ref(3)?.as_str()?)?,
            key: row.get(4)?,
            pair: Vec::new(),
            created_at: Timestamp(row.get(5)?),
        }),
        last_seq: unsigned(row.get(6)?)?,
        last_g: unsigned(row.get(7)?)?,
        updated_at: Timestamp(row.get(8)?),
        last_message_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
    })
}

pub(super) fn message(row: &Row<'_>, conversation: ConversationId) -> Result<Message> {
    Ok(Message {
        g: unsigned(row.get(0)?)?,
        conversation,
        seq: unsigned(row.get(1)?)?,
        uuid: uuid(row.get(2)?),
        sender: UserId(row.get(3)?),
        text: row.get(4)?,
        created_at: Timestamp(row.get(5)?),
        origin: row.get::<_, Option<i64>>(6)?.map(SessionId),
        client_id: row.get(7)?,
    })
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

//! What a decision needs, the counters, and how queries are run. Next: the file of each noun for its
//! queries. Every one is answered from an index; the tests ask SQLite for its plan.

use std::sync::Arc;

use chat::store::{Boot, Counters, Found, Need};
use rusqlite::{Connection, OptionalExtension, Params, Result, Row};

use super::{
    apps, conversations,
    convert::{small, unsigned, uuid},
    erase, messages, reviews, rooms, sessions, users,
};

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
        Need::User(app, external) => Found::User(users::by_external(connection, *app, external)?),
        Need::UserByUuid(app, uuid) => Found::User(users::by_uuid(connection, *app, *uuid)?),
        Need::UsersCalled(app, name) => Found::People(users::called(connection, *app, name)?),
        Need::Numbers(app) => Found::Numbers(apps::numbers(connection, *app)?),
        Need::Room(app, name) => {
            Found::Conversation(conversations::by_room(connection, *app, name)?)
        }
        Need::Ban(room, user) => Found::Ban(rooms::ban_of(connection, *room, *user)?),
        Need::WroteSince(room, since) => {
            Found::Wrote(rooms::wrote_since(connection, *room, *since)?)
        }
        Need::Vote(room, user) => Found::Vote(rooms::vote(connection, *room, *user)?),
        Need::Due(by, limit) => Found::Due(rooms::due(connection, *by, *limit)?),
        Need::ConversationByKey(app, kind, key) => {
            Found::Conversation(conversations::by_key(connection, *app, *kind, key)?)
        }
        Need::ConversationByUuid(app, uuid) => {
            Found::Conversation(conversations::by_uuid(connection, *app, *uuid)?)
        }
        Need::Message(app, uuid) => {
            let found = messages::by_uuid(connection, *app, *uuid)?;
            Found::Message(found.map(|(message, view)| (Arc::new(message), view)))
        }
        Need::Sent(conversation, sender, client_id) => {
            let found = messages::sent(connection, *conversation, *sender, client_id)?;
            Found::Sent(found.map(Arc::new))
        }
        Need::ReadUpTo(conversation, user) => {
            Found::ReadUpTo(conversations::read_up_to(connection, *conversation, *user)?)
        }
        Need::NewestOfOthers(conversation, user) => Found::Newest(messages::newest_of_others(
            connection,
            *conversation,
            *user,
        )?),
        Need::Blocks(user) => {
            let blocked = users::blocks(connection, *user)?;
            Found::Users(blocked.iter().map(|user| user.id).collect())
        }
        Need::CollectedUpTo(user) => {
            Found::CollectedUpTo(users::collected_up_to(connection, *user)?)
        }
        Need::ConversationsOf(user) => {
            Found::Conversations(conversations::of_user(connection, *user)?)
        }
        Need::HeirsOf(user) => Found::Heirs(conversations::heirs_of(connection, *user)?),
        Need::Unsearched(user) => Found::Unsearched(erase::unsearched(connection, *user)?),
        Need::AppByName(name) => Found::App(apps::by_name(connection, name)?.map(Arc::new)),
        Need::Key(id) => Found::Key(apps::key_by_id(connection, *id)?.map(Arc::new)),
        Need::Session(id) => Found::Session(sessions::by_id(connection, *id)?.map(Arc::new)),
        Need::SessionsSeenBefore(time, limit) => {
            Found::Sessions(sessions::seen_before(connection, *time, *limit)?)
        }
        Need::Leftover => Found::Leftover(erase::leftover(connection)?),
        Need::Filters(app) => Found::Filters(reviews::filters(connection, *app)?),
        Need::Review(app, id) => Found::Review(reviews::by_uuid(connection, *app, *id)?),
        Need::ReviewOf(app, message) => {
            Found::Review(reviews::of_message(connection, *app, *message)?)
        }
        Need::HeldAs(conversation, sender, client_id) => Found::HeldAs(reviews::is_held(
            connection,
            *conversation,
            *sender,
            client_id,
        )?),
        Need::OpenReviews(app) => Found::OpenReviews(reviews::open(connection, *app)?),
    })
}

//! Between the domain's values and those of columns. Integers are signed 64 bits in SQLite.

use chat::{
    ConversationId, ConversationKind, Identity, Topic, UserId,
    model::{MediaKind, MemberRole, Scope},
    review::FilterAction,
};
use rusqlite::{
    Error, Result, Row,
    types::{FromSqlError, Type},
};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// A counter as a column holds it.
pub(super) fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

/// A counter out of a column.
pub(super) fn unsigned(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| FromSqlError::OutOfRange(value).into())
}

/// A small number out of a column.
pub(super) fn small(value: i64) -> Result<u32> {
    u32::try_from(value).map_err(|_| FromSqlError::OutOfRange(value).into())
}

/// A UUID out of a column.
pub(super) fn uuid(value: [u8; 16]) -> Uuid {
    Uuid::from_bytes(value)
}

pub(super) fn identity_name(identity: Identity) -> &'static str {
    match identity {
        Identity::Open => "open",
        Identity::Verified => "verified",
    }
}

pub(super) fn identity(name: &str) -> Result<Identity> {
    match name {
        "open" => Ok(Identity::Open),
        "verified" => Ok(Identity::Verified),
        _ => Err(unknown(name)),
    }
}

pub(super) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Client => "client",
        Scope::Server => "server",
    }
}

pub(super) fn scope(name: &str) -> Result<Scope> {
    match name {
        "client" => Ok(Scope::Client),
        "server" => Ok(Scope::Server),
        _ => Err(unknown(name)),
    }
}

pub(super) fn filter_action_name(action: FilterAction) -> &'static str {
    match action {
        FilterAction::Hold => "hold",
        FilterAction::Block => "block",
    }
}

pub(super) fn filter_action(name: &str) -> Result<FilterAction> {
    match name {
        "hold" => Ok(FilterAction::Hold),
        "block" => Ok(FilterAction::Block),
        _ => Err(unknown(name)),
    }
}

pub(super) fn kind_name(kind: ConversationKind) -> &'static str {
    match kind {
        ConversationKind::Direct => "direct",
        ConversationKind::Group => "group",
        ConversationKind::Product => "product",
        ConversationKind::Room => "room",
    }
}

pub(super) fn kind(name: &str) -> Result<ConversationKind> {
    match name {
        "direct" => Ok(ConversationKind::Direct),
        "group" => Ok(ConversationKind::Group),
        "product" => Ok(ConversationKind::Product),
        "room" => Ok(ConversationKind::Room),
        _ => Err(unknown(name)),
    }
}

/// The two columns of a topic.
pub(super) fn topic(topic: Topic) -> (&'static str, i64) {
    match topic {
        Topic::Conversation(id) => ("conversation", id.0),
        Topic::Person(id) => ("person", id.0),
    }
}

/// A topic out of its two columns.
pub(super) fn topic_of(name: &str, id: i64) -> Result<Topic> {
    match name {
        "conversation" => Ok(Topic::Conversation(ConversationId(id))),
        "person" => Ok(Topic::Person(UserId(id))),
        _ => Err(unknown(name)),
    }
}

pub(super) fn role_name(role: MemberRole) -> &'static str {
    match role {
        MemberRole::Owner => "owner",
        MemberRole::Moderator => "moderator",
        MemberRole::Member => "member",
    }
}

pub(super) fn role(name: &str) -> Result<MemberRole> {
    match name {
        "owner" => Ok(MemberRole::Owner),
        "moderator" => Ok(MemberRole::Moderator),
        "member" => Ok(MemberRole::Member),
        _ => Err(unknown(name)),
    }
}

pub(super) fn media_kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Gif => "gif",
        MediaKind::Video => "video",
        MediaKind::File => "file",
    }
}

pub(super) fn media_kind(name: &str) -> Result<MediaKind> {
    match name {
        "image" => Ok(MediaKind::Image),
        "gif" => Ok(MediaKind::Gif),
        "video" => Ok(MediaKind::Video),
        "file" => Ok(MediaKind::File),
        _ => Err(unknown(name)),
    }
}

/// A value as a column of JSON text.
pub(super) fn json<T: Serialize>(value: Option<&T>) -> Result<Option<String>> {
    let text = value.map(serde_json::to_string).transpose();
    text.map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

/// A list as a column of JSON text; NULL where nothing is in it.
pub(super) fn list<T: Serialize>(items: &[T]) -> Result<Option<String>> {
    json(Some(&items).filter(|items| !items.is_empty()))
}

/// A value out of a column of JSON text.
pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    let value = text.map(serde_json::from_str).transpose();
    value.map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

fn unknown(name: &str) -> Error {
    let words = format!("unknown value {name:?}");
    Error::FromSqlConversionFailure(0, Type::Text, words.into())
}

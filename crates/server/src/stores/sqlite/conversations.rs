//! Conversations and who belongs to them, as rows: read by anybody, written inside the writer's
//! transaction. Next: `messages` for what stands in them, `erase` for their end.

use std::{cmp::Reverse, collections::HashSet, sync::Arc};

use chat::{
    AppId, Conversation, ConversationId, ConversationKind, ConversationView, G, MessageView,
    Timestamp, UserId,
    model::{Details, Member, MemberRole, Members},
    room::{RoomName, RoomNumbers},
    store::{Change, ConversationName, ConversationSummary, Entry, ListPage, Page},
};
use rusqlite::{Connection, Params, Result, Row, params};
use uuid::Uuid;

use super::{
    convert::{from_json, json, kind, kind_name, role, role_name, signed, unsigned, uuid},
    media, messages,
    read::{all, one},
    rooms, users,
};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, app, uuid, kind, key, created_at, title, avatar, metadata, product, last_seq, \
             last_g, messages, updated_at, last_message_at, channel, chatroom, room \
             FROM conversation ",
            $rest
        )
    };
}

const BY_ID: &str = select!("WHERE id = ?1 AND deleted_at IS NULL");
const BY_KEY: &str = select!("WHERE app = ?1 AND kind = ?2 AND key = ?3");
const BY_UUID: &str = select!("WHERE uuid = ?1 AND app = ?2 AND deleted_at IS NULL");
const BY_CHANNEL: &str = select!("WHERE app = ?1 AND channel = ?2");
const BY_CHATROOM: &str = select!("WHERE app = ?1 AND chatroom = ?2");
const MEMBERS: &str = concat!(
    "SELECT ",
    users::columns!(),
    ", role, since_g, place FROM member JOIN user ON user.id = member.user
     WHERE conversation = ?1 AND left_g IS NULL"
);
const OF_USER: &str = "SELECT conversation FROM member WHERE user = ?1 AND left_g IS NULL";
const OWNED: &str = "SELECT conversation FROM member
     WHERE user = ?1 AND left_g IS NULL AND role = 'owner'";
/// In the order of joining; in a room those who moderate it.
const OTHERS: &str = "SELECT since_g, place, user
     FROM member JOIN conversation ON conversation.id = member.conversation
     WHERE conversation = ?1 AND left_g IS NULL AND user <> ?2
        AND (kind <> 'room' OR role = 'moderator')";
const READ_UP_TO: &str =
    "SELECT read_seq FROM member WHERE user = ?1 AND conversation = ?2 AND left_g IS NULL";
/// With the newest message of each.
const SPOKEN: &str = "SELECT newest_g, conversation.id
     FROM member JOIN conversation ON conversation.id = member.conversation
     WHERE member.user = ?1 AND left_g IS NULL AND newest_g > hidden_g
        AND (?2 IS NULL OR kind = ?2)";
/// With the newest messages first.
const CONTACTS: &str = "SELECT other.user, newest_g
     FROM member JOIN conversation ON conversation.id = member.conversation
        JOIN member AS other ON other.conversation = conversation.id
     WHERE member.user = ?1 AND member.left_g IS NULL AND kind = ?2 AND newest_g IS NOT NULL
        AND other.user <> ?1 AND other.left_g IS NULL";
/// In which something was missed, perhaps.
const MISSED_IN: &str = "SELECT conversation.id
     FROM member JOIN conversation ON conversation.id = member.conversation
     WHERE member.user = ?1 AND left_g IS NULL AND kind = 'product' AND newest_g > ?2";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    BY_ID,
    BY_KEY,
    BY_UUID,
    BY_CHANNEL,
    BY_CHATROOM,
    MEMBERS,
    OF_USER,
    OWNED,
    OTHERS,
    READ_UP_TO,
    SPOKEN,
    CONTACTS,
    MISSED_IN,
];

pub(super) fn by_id(
    connection: &Connection,
    id: ConversationId,
) -> Result<Option<ConversationView>> {
    find(connection, BY_ID, [id.0])
}

pub(super) fn by_uuid(
    connection: &Connection,
    app: AppId,
    uuid: Uuid,
) -> Result<Option<ConversationView>> {
    find(connection, BY_UUID, params![uuid.as_bytes(), app.0])
}

pub(super) fn by_key(
    connection: &Connection,
    app: AppId,
    kind: ConversationKind,
    key: &str,
) -> Result<Option<ConversationView>> {
    find(connection, BY_KEY, params![app.0, kind_name(kind), key])
}

pub(super) fn by_room(
    connection: &Connection,
    app: AppId,
    name: &RoomName,
) -> Result<Option<ConversationView>> {
    match name {
        RoomName::Slug(slug) => by_key(connection, app, ConversationKind::Room, slug),
        RoomName::Channel(number) => find(connection, BY_CHANNEL, [app.0, *number]),
        RoomName::Chatroom(number) => find(connection, BY_CHATROOM, [app.0, *number]),
    }
}

pub(super) fn by_name(
    connection: &Connection,
    app: AppId,
    name: &ConversationName,
) -> Result<Option<ConversationView>> {
    match name {
        ConversationName::Uuid(uuid) => by_uuid(connection, app, *uuid),
        ConversationName::Id(id) => {
            let found = by_id(connection, *id)?;
            Ok(found.filter(|view| view.conversation.app == app))
        }
        ConversationName::Key(kind, key) => by_key(connection, app, *kind, key),
        ConversationName::Room(name) => by_room(connection, app, name),
    }
}

fn find(
    connection: &Connection,
    query: &str,
    params: impl Params,
) -> Result<Option<ConversationView>> {
    let Some(mut found) = one(connection, query, params, conversation)? else {
        return Ok(None);
    };
    found.members = members(connection, found.conversation.id)?;
    Ok(Some(found))
}

/// In the order of joining.
fn members(connection: &Connection, id: ConversationId) -> Result<Members> {
    const ROLE: usize = users::COLUMNS;
    let row = |row: &Row<'_>| {
        let member = Member {
            user: Arc::new(users::user(row)?),
            role: role(row.get_ref(ROLE)?.as_str()?)?,
        };
        let joined: (i64, i64) = (row.get(ROLE + 1)?, row.get(ROLE + 2)?);
        Ok((joined, member))
    };
    let mut all = all(connection, MEMBERS, [id.0], row)?;
    // The people of an old direct conversation have the same place: there it is the order of ids.
    all.sort_by_key(|(joined, member)| (*joined, member.user.id));
    Ok(all.into_iter().map(|(_, member)| member).collect())
}

/// Without its members.
fn conversation(row: &Row<'_>) -> Result<ConversationView> {
    let numbers = row.get::<_, Option<i64>>(15)?.zip(row.get(16)?);
    Ok(ConversationView {
        conversation: Arc::new(Conversation {
            id: ConversationId(row.get(0)?),
            app: AppId(row.get(1)?),
            uuid: uuid(row.get(2)?),
            kind: kind(row.get_ref(3)?.as_str()?)?,
            key: row.get(4)?,
            numbers: numbers.map(|(channel, chatroom)| RoomNumbers { channel, chatroom }),
            created_at: Timestamp(row.get(5)?),
        }),
        details: Arc::new(Details {
            title: row.get(6)?,
            avatar: from_json(row, 7)?,
            metadata: from_json(row, 8)?,
            product: from_json(row, 9)?,
            room: from_json(row, 17)?,
        }),
        members: Arc::new([]),
        last_seq: unsigned(row.get(10)?)?,
        last_g: unsigned(row.get(11)?)?,
        messages: unsigned(row.get(12)?)?,
        updated_at: Timestamp(row.get(13)?),
        last_message_at: row.get::<_, Option<i64>>(14)?.map(Timestamp),
    })
}

pub(super) fn of_user(connection: &Connection, user: UserId) -> Result<Vec<ConversationId>> {
    let row = |row: &Row<'_>| row.get(0).map(ConversationId);
    all(connection, OF_USER, [user.0], row)
}

/// Who comes next in each group and room that a user owns.
pub(super) fn heirs_of(
    connection: &Connection,
    user: UserId,
) -> Result<Vec<(ConversationId, UserId)>> {
    let owned = all(connection, OWNED, [user.0], |row| row.get(0))?;
    let mut heirs = Vec::new();
    for group in owned {
        let row = |row: &Row<'_>| {
            let place: (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((place, row.get(2)?))
        };
        let others = all(connection, OTHERS, [group, user.0], row)?;
        let heir = others.into_iter().min().map(|(_, heir)| UserId(heir));
        heirs.extend(heir.map(|heir| (ConversationId(group), heir)));
    }
    Ok(heirs)
}

pub(super) fn read_up_to(
    connection: &Connection,
    conversation: ConversationId,
    user: UserId,
) -> Result<u64> {
    let row = |row: &Row<'_>| unsigned(row.get(0)?);
    let params = params![user.0, conversation.0];
    Ok(one(connection, READ_UP_TO, params, row)?.unwrap_or(0))
}

/// A page of those in which something was said, and how many they are.
pub(super) fn spoken(
    connection: &Connection,
    user: UserId,
    page: &ListPage,
) -> Result<(Vec<ConversationSummary>, u64)> {
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1).map(ConversationId)?));
    let kind = page.kind.map(kind_name);
    let mut all = all(connection, SPOKEN, params![user.0, kind], row)?;
    let total = all.len() as u64;
    all.sort_unstable_by_key(|(newest, _)| Reverse(*newest));
    let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let chosen = all.into_iter().skip(offset).take(page.limit as usize);
    let mut left = page.messages;
    let mut summaries = Vec::new();
    for (newest, id) in chosen {
        let view = by_id(connection, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let messages = if (left.offset, left.limit) == (0, 1) {
            Vec::from_iter(messages::by_g(connection, newest, &view)?)
        } else {
            messages::history(connection, &view.conversation, G::MAX, &left)?
        };
        let weight: usize = messages.iter().map(messages::weight).sum();
        left.bytes = left.bytes.saturating_sub(weight);
        summaries.push(ConversationSummary {
            conversation: view,
            messages,
        });
    }
    Ok((summaries, total))
}

/// The other people in the conversations of a kind.
pub(super) fn contacts(
    connection: &Connection,
    user: UserId,
    kind: ConversationKind,
    limit: u32,
) -> Result<Vec<UserId>> {
    let row = |row: &Row<'_>| Ok((row.get(0).map(UserId)?, row.get::<_, i64>(1)?));
    let mut found = all(connection, CONTACTS, params![user.0, kind_name(kind)], row)?;
    found.sort_unstable_by_key(|(_, newest)| Reverse(*newest));
    let mut seen = HashSet::new();
    let others = found.into_iter().map(|(other, _)| other);
    let others = others.filter(|other| seen.insert(*other));
    Ok(others.take(limit as usize).collect())
}

/// The newest messages that others wrote to a user who was not there.
pub(super) fn missed(
    connection: &Connection,
    user: UserId,
    after: G,
    up_to: G,
    page: &Page,
) -> Result<Vec<MessageView>> {
    let row = |row: &Row<'_>| row.get(0).map(ConversationId);
    let after = signed(after).unwrap_or(i64::MAX);
    let mut missed = Vec::new();
    for id in all(connection, MISSED_IN, params![user.0, after], row)? {
        let view = by_id(connection, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        missed.extend(messages::missed(
            connection, &view, user, after, up_to, page,
        )?);
    }
    missed.sort_unstable_by_key(|view| Reverse(view.message.g));
    let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let newest = missed.into_iter().skip(offset).take(page.limit as usize);
    let mut space = messages::Space::of(page);
    let mut newest: Vec<_> = newest
        .take_while(|view| space.has(messages::weight(view)))
        .collect();
    newest.reverse();
    Ok(newest)
}

/// Writes a change of a member that stands in no log; others are not for here.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<()> {
    match change {
        Change::Inherited(conversation, heir) => {
            set_role(connection, *conversation, *heir, MemberRole::Owner)
        }
        Change::ReadThrough {
            conversation,
            reader,
            seq,
        } => note_read(connection, *conversation, *reader, *seq),
        Change::ConversationHidden {
            conversation,
            user,
            up_to,
        } => hide(connection, *conversation, *user, *up_to),
        _ => Ok(()),
    }
}

/// Notes that a member does not list a conversation for now.
fn hide(connection: &Connection, id: ConversationId, user: UserId, up_to: G) -> Result<()> {
    connection
        .prepare_cached("UPDATE member SET hidden_g = ?3 WHERE user = ?1 AND conversation = ?2")?
        .execute(params![user.0, id.0, signed(up_to)?])?;
    Ok(())
}

pub(super) fn add(connection: &Connection, view: &ConversationView) -> Result<()> {
    let conversation = &view.conversation;
    let details = &view.details;
    connection
        .prepare_cached(
            "INSERT INTO conversation
                (id, app, uuid, kind, key, created_at, title, avatar, metadata, product, last_seq,
                 last_g, messages, updated_at, channel, chatroom, room, due_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, 0, ?6, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            conversation.id.0,
            conversation.app.0,
            conversation.uuid.as_bytes(),
            kind_name(conversation.kind),
            conversation.key,
            conversation.created_at.0,
            details.title,
            json(details.avatar.as_ref())?,
            json(details.metadata.as_ref())?,
            json(details.product.as_ref())?,
            conversation.numbers.map(|numbers| numbers.channel),
            conversation.numbers.map(|numbers| numbers.chatroom),
            json(details.room.as_ref())?,
            details.room.as_deref().and_then(rooms::due_at),
        ])?;
    for (place, member) in (0..).zip(view.members.iter()) {
        // They see all of it, from its first message on.
        add_member(connection, conversation.id, member, 0, place)?;
    }
    let (app, at) = (conversation.app, conversation.created_at);
    let new = media::of_picture(details.avatar.as_ref());
    media::change(connection, app, at, &[], new)
}

/// Whoever was there before comes in anew.
pub(super) fn add_member(
    connection: &Connection,
    id: ConversationId,
    member: &Member,
    since: G,
    place: i64,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO member (user, conversation, role, since_g, read_seq, place)
             VALUES (?1, ?2, ?3, ?4, 0, ?5)
             ON CONFLICT (user, conversation) DO UPDATE SET role = excluded.role,
                since_g = excluded.since_g, read_seq = 0, place = excluded.place, left_g = NULL,
                hidden_g = 0",
        )?
        .execute(params![
            member.user.id.0,
            id.0,
            role_name(member.role),
            signed(since)?,
            place,
        ])?;
    Ok(())
}

pub(super) fn remove_member(
    connection: &Connection,
    entry: &Entry,
    user: UserId,
    heir: Option<UserId>,
) -> Result<()> {
    connection
        .prepare_cached("UPDATE member SET left_g = ?3 WHERE user = ?1 AND conversation = ?2")?
        .execute(params![user.0, entry.conversation.0, signed(entry.g)?])?;
    heir.map_or(Ok(()), |heir| {
        set_role(connection, entry.conversation, heir, MemberRole::Owner)
    })
}

/// A member is something else in a conversation from now on.
pub(super) fn set_role(
    connection: &Connection,
    id: ConversationId,
    user: UserId,
    role: MemberRole,
) -> Result<()> {
    connection
        .prepare_cached("UPDATE member SET role = ?3 WHERE user = ?1 AND conversation = ?2")?
        .execute(params![user.0, id.0, role_name(role)])?;
    Ok(())
}

/// Stores what a conversation is called now.
pub(super) fn update(connection: &Connection, entry: &Entry, details: &Details) -> Result<()> {
    let id = entry.conversation;
    let Some(old) = one(connection, BY_ID, [id.0], conversation)? else {
        return Ok(());
    };
    connection
        .prepare_cached(
            "UPDATE conversation SET title = ?2, avatar = ?3, metadata = ?4 WHERE id = ?1",
        )?
        .execute(params![
            id.0,
            details.title,
            json(details.avatar.as_ref())?,
            json(details.metadata.as_ref())?,
        ])?;
    let [was, is] =
        [&*old.details, details].map(|details| media::of_picture(details.avatar.as_ref()));
    media::change(connection, old.conversation.app, entry.at, was, is)
}

/// Notes up to where a member has read.
pub(super) fn note_read(
    connection: &Connection,
    id: ConversationId,
    user: UserId,
    seq: u64,
) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE member SET read_seq = max(read_seq, ?3) WHERE user = ?1 AND conversation = ?2",
        )?
        .execute(params![user.0, id.0, signed(seq)?])?;
    Ok(())
}

//! What only rooms have, as rows: bans, votes, their state, and what ends in them by itself. Read by
//! the writer, written inside its transaction. Next: `conversations` for what they have in common with
//! all others, `log` for what is told of them.

use std::collections::{HashMap, hash_map::Entry};

use chat::{
    ConversationId, Timestamp, UserId,
    room::{Ban, Room, RoomNote},
    store::{Change, Due},
};
use rusqlite::{Connection, Result, Row, params};

use super::{
    conversations,
    convert::{json, signed},
    messages::Note,
    read::{all, one},
    users::People,
};

const BAN: &str = "SELECT conversation, user, until FROM ban WHERE conversation = ?1 AND user = ?2";
const VOTE: &str = "SELECT option FROM vote WHERE conversation = ?1 AND user = ?2";
/// From the newest on.
const WROTE: &str =
    "SELECT sender, created_at FROM message WHERE conversation = ?1 ORDER BY seq DESC";
const DUE_ROOMS: &str = "SELECT id FROM conversation WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2";
const DUE_BANS: &str = "SELECT conversation, user, until FROM ban
     WHERE until <= ?1 AND EXISTS (SELECT 1 FROM conversation
        WHERE id = conversation AND deleted_at IS NULL) ORDER BY until LIMIT ?2";
const FORGET_VOTES: &str = "DELETE FROM vote WHERE conversation = ?1";
/// What is there now counts no longer. Nothing happens where that was noted before.
const CLEAR: &str = "UPDATE conversation SET cleared_g = ?2, messages = 0, newest_g = NULL,
        last_message_at = coalesce(?3, last_message_at),
        cleared_seq = coalesce((SELECT seq FROM message
            WHERE conversation = ?1 AND g <= ?2 ORDER BY seq DESC LIMIT 1), cleared_seq)
     WHERE id = ?1 AND cleared_g < ?2";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[BAN, VOTE, WROTE, DUE_ROOMS, DUE_BANS, FORGET_VOTES, CLEAR];

/// The ban of a user in a room, also one that has ended.
pub(super) fn ban_of(
    connection: &Connection,
    room: ConversationId,
    user: UserId,
) -> Result<Option<Ban>> {
    one(connection, BAN, [room.0, user.0], ban)
}

fn ban(row: &Row<'_>) -> Result<Ban> {
    Ok(Ban {
        conversation: ConversationId(row.get(0)?),
        user: UserId(row.get(1)?),
        until: row.get::<_, Option<i64>>(2)?.map(Timestamp),
    })
}

/// Which answer a user chose.
pub(super) fn vote(
    connection: &Connection,
    room: ConversationId,
    user: UserId,
) -> Result<Option<u32>> {
    one(connection, VOTE, [room.0, user.0], |row| row.get(0))
}

/// Who wrote in a room since a time, and when last.
pub(super) fn wrote_since(
    connection: &Connection,
    room: ConversationId,
    since: Timestamp,
) -> Result<Vec<(UserId, Timestamp)>> {
    let mut statement = connection.prepare_cached(WROTE)?;
    let mut rows = statement.query([room.0])?;
    let mut last = HashMap::new();
    while let Some(row) = rows.next()? {
        let at = Timestamp(row.get(1)?);
        if at < since {
            break;
        }
        last.entry(UserId(row.get(0)?)).or_insert(at);
    }
    Ok(last.into_iter().collect())
}

/// What has ended by a time.
pub(super) fn due(connection: &Connection, by: Timestamp, limit: u32) -> Result<Due> {
    let id = |row: &Row<'_>| row.get(0).map(ConversationId);
    let mut due = Due::default();
    for id in all(connection, DUE_ROOMS, params![by.0, limit], id)? {
        due.rooms.extend(conversations::by_id(connection, id)?);
    }
    let mut people = People::default();
    let mut rooms = HashMap::new();
    for ban in all(connection, DUE_BANS, params![by.0, limit], ban)? {
        let room = match rooms.entry(ban.conversation) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let view = conversations::by_id(connection, ban.conversation)?;
                free.insert(view.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
            }
        };
        let user = people.must_find(connection, ban.user)?;
        due.bans.push((ban, user, room.clone()));
    }
    Ok(due)
}

/// Stores the state of a room, and when something in it ends. Tells whether the room was cleared by
/// this, where the newest message was sent at a time that is not stored yet.
pub(super) fn update(
    connection: &Connection,
    id: ConversationId,
    room: &Room,
    said_at: Option<Timestamp>,
) -> Result<bool> {
    connection
        .prepare_cached("UPDATE conversation SET room = ?2, due_at = ?3 WHERE id = ?1")?
        .execute(params![id.0, json(Some(room))?, due_at(room)])?;
    let cleared = connection.prepare_cached(CLEAR)?.execute(params![
        id.0,
        signed(room.cleared_g)?,
        said_at.map(|at| at.0),
    ])?;
    Ok(cleared > 0)
}

/// When something in a room ends by itself, as its column holds it.
pub(super) fn due_at(room: &Room) -> Option<i64> {
    room.due().map(|at| at.0)
}

/// Writes a change that stands in no log and moves no conversation; others are not for here.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<()> {
    match change {
        Change::Banned(ban) => {
            let until = ban.until.map(|until| until.0);
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO ban (conversation, user, until) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![ban.conversation.0, ban.user.0, until])?;
        }
        Change::Unbanned(room, user) => {
            connection
                .prepare_cached("DELETE FROM ban WHERE conversation = ?1 AND user = ?2")?
                .execute([room.0, user.0])?;
        }
        Change::Voted {
            conversation,
            user,
            option,
        } => {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO vote (conversation, user, option) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![conversation.0, user.0, option])?;
        }
        Change::VotesForgotten(room) => {
            connection.prepare_cached(FORGET_VOTES)?.execute([room.0])?;
        }
        Change::RoleChanged(conversation, user, role) => {
            conversations::set_role(connection, *conversation, *user, *role)?;
        }
        _ => {}
    }
    Ok(())
}

/// Somebody who writes in a room need not belong to it. A row like that of a member who has left says
/// where to look for messages when the user is deleted.
pub(super) fn note_speaker(
    connection: &Connection,
    room: ConversationId,
    user: UserId,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO member (user, conversation, role, since_g, read_seq, left_g)
             VALUES (?1, ?2, 'member', 0, 0, 0)",
        )?
        .execute([user.0, room.0])?;
    Ok(())
}

/// What the log of a room says, whole.
pub(super) fn note(note: &RoomNote) -> Result<Note> {
    let kind = match note {
        RoomNote::Banned { .. } => "ban",
        RoomNote::Unbanned { .. } => "unban",
        RoomNote::Pinned { .. } => "pin",
        RoomNote::News(_) => "room",
    };
    Ok(Note {
        data: json(Some(note))?,
        ..Note::of(kind)
    })
}

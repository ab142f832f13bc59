//! The end of a user and of a conversation: every row goes, with the rows of the files that nothing
//! else refers to. Runs inside the writer's transaction, which all others wait for: so a conversation
//! is only said to be gone, and what is in it goes in steps.
//!
//! What they wrote is found by reading the conversations in which they are or were: an index by
//! sender would cost every send a page. That too goes in steps, and how far they have got in each
//! conversation is noted, so that nothing is read twice.

use chat::{ConversationId, G, Media, Timestamp, UserId};
use rusqlite::{Connection, Params, Result, Row};

use super::{
    convert::{from_json, signed, unsigned},
    media,
    read::{all, one},
};

const EVER_IN: &str = "SELECT conversation, searched_seq FROM member WHERE user = ?1";
const UNSEARCHED: &str = "SELECT member.conversation, searched_seq, last_seq FROM member
     JOIN conversation ON conversation.id = member.conversation
     WHERE member.user = ?1 AND searched_seq < last_seq";
/// With whether each was counted among the messages of its conversation.
macro_rules! erase {
    ($which:literal) => {
        concat!(
            "DELETE FROM message WHERE ",
            $which,
            " RETURNING media, seq > (SELECT cleared_seq FROM conversation WHERE id = conversation)"
        )
    };
}
const WRITTEN: &str = erase!("conversation = ?1 AND sender = ?2 AND seq > ?3 AND seq <= ?4");
const SEARCHED: &str = "UPDATE member SET searched_seq = ?3 WHERE user = ?1 AND conversation = ?2";
const MESSAGE: &str = erase!("g = ?1");
const MEMBERSHIPS: &str = "DELETE FROM member WHERE user = ?1";
const BLOCKS: &str = "DELETE FROM block WHERE user = ?1";
const BLOCKED: &str = "DELETE FROM block WHERE whom = ?1";
const BANS_OF: &str = "DELETE FROM ban WHERE user = ?1";
const VOTES_OF: &str = "DELETE FROM vote WHERE user = ?1";
const USER: &str = "DELETE FROM user WHERE id = ?1 RETURNING avatar";
const PICTURE: &str = "SELECT avatar FROM conversation WHERE id = ?1 AND deleted_at IS NULL";
/// What people wrote goes at once; what it takes to find the rest stays.
const BURY: &str =
    "UPDATE conversation SET deleted_at = ?2, key = NULL, title = NULL, avatar = NULL,
        metadata = NULL, product = NULL, channel = NULL, chatroom = NULL, room = NULL,
        due_at = NULL
     WHERE id = ?1";
/// They keep a row each: it says where to look for messages when the user is deleted.
const PUT_OUT: &str = "UPDATE member SET left_g = 0 WHERE conversation = ?1 AND left_g IS NULL";
const LEFTOVER: &str =
    "SELECT id FROM conversation WHERE deleted_at IS NOT NULL ORDER BY deleted_at
     LIMIT 1";
const SAID: &str =
    erase!("g IN (SELECT g FROM message WHERE conversation = ?1 ORDER BY seq LIMIT ?2)");
const CHANGES: &str = "DELETE FROM change WHERE g IN
        (SELECT g FROM change WHERE conversation = ?1 ORDER BY seq LIMIT ?2)";
const MEMBERS: &str = "DELETE FROM member WHERE (user, conversation) IN
        (SELECT user, conversation FROM member WHERE conversation = ?1 LIMIT ?2)";
const BANS: &str = "DELETE FROM ban WHERE (conversation, user) IN
        (SELECT conversation, user FROM ban WHERE conversation = ?1 LIMIT ?2)";
const VOTES: &str = "DELETE FROM vote WHERE (conversation, user) IN
        (SELECT conversation, user FROM vote WHERE conversation = ?1 LIMIT ?2)";
const CONVERSATION: &str = "DELETE FROM conversation WHERE id = ?1 AND deleted_at IS NOT NULL";
/// Entries that are looked through between two looks at how much was erased.
const SLICE: i64 = 100;
/// Messages of a user that a step erases, about: they may lie far from each other, and then each
/// writes pages of its own.
const ERASED: i64 = 100;
/// What goes with the word that a conversation is deleted: all of most.
const AT_ONCE: u32 = 500;

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    EVER_IN,
    UNSEARCHED,
    WRITTEN,
    SEARCHED,
    MESSAGE,
    MEMBERSHIPS,
    BLOCKS,
    BLOCKED,
    BANS_OF,
    VOTES_OF,
    USER,
    PICTURE,
    BURY,
    PUT_OUT,
    LEFTOVER,
    SAID,
    CHANGES,
    MEMBERS,
    BANS,
    VOTES,
    CONVERSATION,
];

/// What was erased.
#[derive(Default)]
struct Erased {
    messages: i64,
    /// Those of them that were counted.
    counted: i64,
}

/// Erases a message, and tells how many its conversation counts less. What is left of it is its place
/// in the log, which stays empty.
pub(super) fn message(connection: &Connection, g: G) -> Result<i64> {
    let erased = erase_messages(connection, MESSAGE, [signed(g)?])?;
    Ok(erased.counted)
}

/// Erases a user, and tells which conversations count how many messages less.
pub(super) fn user(connection: &Connection, id: UserId) -> Result<Vec<(ConversationId, i64)>> {
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let mut gone = Vec::new();
    for (conversation, searched) in all(connection, EVER_IN, [id.0], row)? {
        let place = [conversation, id.0, searched, i64::MAX];
        let written = erase_messages(connection, WRITTEN, place)?;
        if written.counted > 0 {
            gone.push((ConversationId(conversation), written.counted));
        }
    }
    for step in [MEMBERSHIPS, BLOCKS, BLOCKED, BANS_OF, VOTES_OF] {
        connection.prepare_cached(step)?.execute([id.0])?;
    }
    erase_with_picture(connection, USER, id.0)?;
    Ok(gone)
}

/// Looks through so many more entries for what a user wrote, or fewer if much of it is the user's;
/// erases that, and tells which conversations count how many messages less.
pub(super) fn written(
    connection: &Connection,
    id: UserId,
    entries: u32,
) -> Result<Vec<(ConversationId, i64)>> {
    let (mut left, mut erased, mut gone) = (i64::from(entries), 0, Vec::new());
    for place in unsearched_places(connection, id)? {
        let Unsearched {
            conversation,
            mut from,
            to: end,
        } = place;
        let mut counted = 0;
        while from < end && left > 0 && erased < ERASED {
            let to = end.min(from + left.min(SLICE));
            let slice = erase_messages(connection, WRITTEN, [conversation, id.0, from, to])?;
            erased += slice.messages;
            counted += slice.counted;
            left -= to - from;
            from = to;
        }
        if counted > 0 {
            gone.push((ConversationId(conversation), counted));
        }
        connection
            .prepare_cached(SEARCHED)?
            .execute([id.0, conversation, from])?;
        if left == 0 || erased >= ERASED {
            break;
        }
    }
    Ok(gone)
}

/// How many entries were not looked through for what a user wrote.
pub(super) fn unsearched(connection: &Connection, id: UserId) -> Result<u64> {
    let places = unsearched_places(connection, id)?;
    let entries = places.iter().map(|place| place.to - place.from).sum();
    unsigned(entries)
}

/// The end of a conversation that was not looked through.
struct Unsearched {
    conversation: i64,
    /// Up to this sequence number it was.
    from: i64,
    /// The last one.
    to: i64,
}

fn unsearched_places(connection: &Connection, id: UserId) -> Result<Vec<Unsearched>> {
    all(connection, UNSEARCHED, [id.0], |row| {
        Ok(Unsearched {
            conversation: row.get(0)?,
            from: row.get(1)?,
            to: row.get(2)?,
        })
    })
}

/// Makes a conversation one that is not there, and begins to erase what is in it.
pub(super) fn conversation(
    connection: &Connection,
    id: ConversationId,
    at: Timestamp,
) -> Result<()> {
    erase_with_picture(connection, PICTURE, id.0)?;
    connection.prepare_cached(BURY)?.execute([id.0, at.0])?;
    connection.prepare_cached(PUT_OUT)?.execute([id.0])?;
    more(connection, id, AT_ONCE)
}

/// A deleted conversation that is not erased yet, the earliest first.
pub(super) fn leftover(connection: &Connection) -> Result<Option<ConversationId>> {
    one(connection, LEFTOVER, [], |row| {
        row.get(0).map(ConversationId)
    })
}

/// Erases so many rows of a deleted conversation, and its own if they were the last.
pub(super) fn more(connection: &Connection, id: ConversationId, rows: u32) -> Result<()> {
    let mut left = i64::from(rows);
    left -= erase_messages(connection, SAID, [id.0, left])?.messages;
    for step in [CHANGES, MEMBERS, BANS, VOTES] {
        let gone = connection.prepare_cached(step)?.execute([id.0, left])?;
        left = left.saturating_sub_unsigned(gone as u64);
    }
    if left > 0 {
        connection.prepare_cached(CONVERSATION)?.execute([id.0])?;
    }
    Ok(())
}

fn erase_messages(connection: &Connection, query: &str, params: impl Params) -> Result<Erased> {
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query(params)?;
    let (mut erased, mut files) = (Erased::default(), Vec::new());
    while let Some(row) = rows.next()? {
        erased.messages += 1;
        erased.counted += row.get::<_, i64>(1)?;
        files.extend(from_json::<Vec<Media>>(row, 0)?.unwrap_or_default());
    }
    for file in &files {
        media::release(connection, file)?;
    }
    Ok(erased)
}

fn erase_with_picture(connection: &Connection, query: &str, id: i64) -> Result<()> {
    let pictures = all(connection, query, [id], |row| from_json(row, 0))?;
    for picture in pictures.iter().flatten() {
        for file in media::of_picture(Some(picture)) {
            media::release(connection, file)?;
        }
    }
    Ok(())
}

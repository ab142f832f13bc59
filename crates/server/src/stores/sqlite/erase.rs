//! The end of a user and of a conversation: every row goes, with the rows of the files that nothing
//! else refers to. Runs inside the writer's transaction, which all others wait for: so a conversation
//! is only said to be gone, and what is in it goes in steps.
//!
//! What they wrote is found by reading the conversations in which they are or were: an index by
//! sender would cost every send a page.

use chat::{ConversationId, G, Media, Timestamp, UserId};
use rusqlite::{Connection, Params, Result, Row};

use super::{
    convert::{from_json, signed},
    media,
    read::{all, one},
};

const EVER_IN: &str = "SELECT conversation FROM member WHERE user = ?1";
/// With whether the messages of the conversation are counted without each from now on.
macro_rules! erase {
    ($rest:literal) => {
        concat!(
            "DELETE FROM message WHERE ",
            $rest,
            " RETURNING media, seq > (SELECT cleared_seq FROM conversation WHERE id = conversation)"
        )
    };
}
const WRITTEN: &str = erase!("conversation = ?1 AND sender = ?2");
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
/// What goes with the word that a conversation is deleted: all of most.
const AT_ONCE: u32 = 500;

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    EVER_IN,
    WRITTEN,
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
    let row = |row: &Row<'_>| row.get(0).map(ConversationId);
    let mut gone = Vec::new();
    for conversation in all(connection, EVER_IN, [id.0], row)? {
        let written = erase_messages(connection, WRITTEN, [conversation.0, id.0])?;
        if written.counted > 0 {
            gone.push((conversation, written.counted));
        }
    }
    for step in [MEMBERSHIPS, BLOCKS, BLOCKED, BANS_OF, VOTES_OF] {
        connection.prepare_cached(step)?.execute([id.0])?;
    }
    erase_with_picture(connection, USER, id.0)?;
    Ok(gone)
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

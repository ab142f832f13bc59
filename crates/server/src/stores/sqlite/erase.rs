//! The end of a user and of a conversation: every row goes, with the rows of the files that nothing
//! else refers to. Runs inside the writer's transaction.
//!
//! What they wrote is found by reading the conversations in which they are or were: an index by
//! sender would cost every send a page.

use chat::{ConversationId, Media, UserId};
use rusqlite::{Connection, Params, Result, Row};

use super::{convert::from_json, media, read::all};

const EVER_IN: &str = "SELECT conversation FROM member WHERE user = ?1";
const WRITTEN: &str = "DELETE FROM message WHERE conversation = ?1 AND sender = ?2 RETURNING media";
const MEMBERSHIPS: &str = "DELETE FROM member WHERE user = ?1";
const BLOCKS: &str = "DELETE FROM block WHERE user = ?1";
const BLOCKED: &str = "DELETE FROM block WHERE whom = ?1";
const USER: &str = "DELETE FROM user WHERE id = ?1 RETURNING avatar";
const SAID: &str = "DELETE FROM message WHERE conversation = ?1 RETURNING media";
const CHANGES: &str = "DELETE FROM change WHERE conversation = ?1";
const MEMBERS: &str = "DELETE FROM member WHERE conversation = ?1";
const CONVERSATION: &str = "DELETE FROM conversation WHERE id = ?1 RETURNING avatar";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[
    EVER_IN,
    WRITTEN,
    MEMBERSHIPS,
    BLOCKS,
    BLOCKED,
    USER,
    SAID,
    CHANGES,
    MEMBERS,
    CONVERSATION,
];

/// Erases a user, and tells in which conversations how many messages are gone.
pub(super) fn user(connection: &Connection, id: UserId) -> Result<Vec<(ConversationId, i64)>> {
    let row = |row: &Row<'_>| row.get(0).map(ConversationId);
    let mut gone = Vec::new();
    for conversation in all(connection, EVER_IN, [id.0], row)? {
        let written = erase_messages(connection, WRITTEN, [conversation.0, id.0])?;
        if written > 0 {
            gone.push((conversation, written));
        }
    }
    for step in [MEMBERSHIPS, BLOCKS, BLOCKED] {
        connection.prepare_cached(step)?.execute([id.0])?;
    }
    erase_with_picture(connection, USER, id.0)?;
    Ok(gone)
}

/// Erases a conversation with all that is in it.
pub(super) fn conversation(connection: &Connection, id: ConversationId) -> Result<()> {
    erase_messages(connection, SAID, [id.0])?;
    for step in [CHANGES, MEMBERS] {
        connection.prepare_cached(step)?.execute([id.0])?;
    }
    erase_with_picture(connection, CONVERSATION, id.0)
}

fn erase_messages(connection: &Connection, query: &str, params: impl Params) -> Result<i64> {
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query(params)?;
    let (mut count, mut files) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        count += 1;
        files.extend(from_json::<Vec<Media>>(row, 0)?.unwrap_or_default());
    }
    for file in &files {
        media::release(connection, file)?;
    }
    Ok(count)
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

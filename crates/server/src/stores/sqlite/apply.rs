//! A batch as rows. Runs inside the writer's transaction. Next: the file of each noun for its rows.

use std::collections::BTreeMap;

use chat::{
    AppId, ConversationId, G, MessageView, Timestamp,
    store::{Batch, Change, Entry, Numbers},
};
use rusqlite::{Connection, Result, params};
use uuid::Uuid;

use super::{
    apps, conversations,
    convert::signed,
    erase,
    messages::{self, Note},
    reviews, rooms, sessions, users,
};

/// What a batch comes to beside its rows: written once at its end.
#[derive(Default)]
struct Sums {
    /// Sorted, so that neighbours in the table are written one after the other.
    conversations: BTreeMap<ConversationId, Moved>,
    app: i64,
    user: i64,
    conversation: i64,
    key: i64,
    uuid: Uuid,
    /// Given in each app.
    numbers: BTreeMap<AppId, Numbers>,
}

/// Where a conversation has moved to.
#[derive(Default)]
struct Moved {
    /// The newest entry in its log, if there is a new one.
    entry: Option<(u64, G, Timestamp)>,
    /// The newest message, if there is a new one.
    message: Option<(G, Timestamp)>,
    /// Messages that came, less those that went.
    messages: i64,
    /// Some went, so the newest may be another one.
    lost: bool,
}

impl Sums {
    fn sent(&mut self, view: &MessageView) {
        let message = &view.message;
        self.uuid = self.uuid.max(message.uuid);
        let moved = self.conversations.entry(message.conversation).or_default();
        moved.entry = Some((message.seq, message.g, message.created_at));
        moved.message = Some((message.g, message.created_at));
        moved.messages += 1;
    }

    fn numbered(&mut self, app: AppId, user: i64, room: i64) {
        let given = self.numbers.entry(app).or_default();
        given.user = given.user.max(user);
        given.room = given.room.max(room);
    }

    fn lost_all(&mut self, gone: Vec<(ConversationId, i64)>) {
        for (conversation, messages) in gone {
            self.lost(conversation, messages);
        }
    }

    fn lost(&mut self, conversation: ConversationId, messages: i64) {
        let moved = self.conversations.entry(conversation).or_default();
        moved.messages -= messages;
        moved.lost = true;
    }

    /// Nothing that was said so far counts.
    fn cleared(&mut self, conversation: ConversationId) {
        if let Some(moved) = self.conversations.get_mut(&conversation) {
            (moved.message, moved.messages, moved.lost) = (None, 0, false);
        }
    }
}

/// Writes all changes of a batch, then each conversation that it moved and the counters.
pub(super) fn batch(connection: &Connection, batch: &Batch) -> Result<()> {
    let mut sums = Sums::default();
    for change in &batch.changes {
        apply(connection, change, &mut sums)?;
    }
    for (id, moved) in &sums.conversations {
        move_conversation(connection, *id, moved)?;
    }
    for (app, given) in &sums.numbers {
        apps::note_numbers(connection, *app, *given)?;
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

#[expect(clippy::too_many_lines, reason = "one arm for each change")]
fn apply(connection: &Connection, change: &Change, sums: &mut Sums) -> Result<()> {
    match change {
        Change::User(user) => {
            sums.user = sums.user.max(user.id.0);
            sums.uuid = sums.uuid.max(user.uuid);
            sums.numbered(user.app, user.number, 0);
            users::add(connection, user)
        }
        Change::UserDeleted(user, _) => {
            sums.lost_all(erase::user(connection, *user)?);
            Ok(())
        }
        Change::WrittenErased(user, entries) => {
            sums.lost_all(erase::written(connection, *user, *entries)?);
            Ok(())
        }
        Change::UserUpdated(_)
        | Change::UserWentOffline(..)
        | Change::Blocked { .. }
        | Change::Unblocked { .. }
        | Change::MissedCollected { .. } => users::apply(connection, change),
        Change::Inherited(..) | Change::ReadThrough { .. } | Change::ConversationHidden { .. } => {
            conversations::apply(connection, change)
        }
        Change::Conversation(view) => {
            sums.conversation = sums.conversation.max(view.conversation.id.0);
            sums.uuid = sums.uuid.max(view.conversation.uuid);
            if let Some(numbers) = view.conversation.numbers {
                let highest = numbers.channel.max(numbers.chatroom);
                sums.numbered(view.conversation.app, 0, highest);
            }
            conversations::add(connection, view)
        }
        Change::ConversationDeleted(id, at) => erase::conversation(connection, *id, *at),
        Change::Erased(id, rows) => erase::more(connection, *id, *rows),
        Change::Message(view) => {
            sums.sent(view);
            messages::add(connection, view)
        }
        Change::ConversationUpdated { entry, details } => {
            conversations::update(connection, entry, details)?;
            enter(connection, entry, &Note::of("details"), sums)
        }
        Change::MemberAdded { entry, member } => {
            conversations::add_member(connection, entry.conversation, member, entry.g, 0)?;
            let note = Note::of("join").with_data(member.user.id.0);
            enter(connection, entry, &note, sums)
        }
        Change::MemberRemoved { entry, user, heir } => {
            conversations::remove_member(connection, entry, *user, *heir)?;
            let note = Note::of("leave").with_data(user.0);
            enter(connection, entry, &note, sums)
        }
        Change::MessageEdited { entry, message } => {
            messages::edit(connection, entry, message)?;
            let note = Note {
                subject_g: Some(message.message.g),
                data: message.seen.then(|| messages::SEEN.to_owned()),
                ..Note::of("edit")
            };
            enter(connection, entry, &note, sums)
        }
        Change::MessageDeleted { entry, message } => {
            let gone = erase::message(connection, message.message.g)?;
            sums.lost(entry.conversation, gone);
            let note = Note {
                subject: Some(message.message.uuid),
                ..Note::of("delete")
            };
            enter(connection, entry, &note, sums)
        }
        Change::Read {
            entry,
            reader,
            message,
            seq,
        } => {
            conversations::note_read(connection, entry.conversation, *reader, *seq)?;
            let note = Note {
                subject: Some(*message),
                ..Note::of("receipt")
            };
            enter(connection, entry, &note, sums)
        }
        Change::RoomUpdated { conversation, room } => {
            let moved = sums.conversations.get(conversation);
            let said_at = moved.and_then(|moved| moved.message).map(|(_, at)| at);
            if rooms::update(connection, *conversation, room, said_at)? {
                sums.cleared(*conversation);
            }
            Ok(())
        }
        Change::RoomNoted { entry, note } => enter(connection, entry, &rooms::note(note)?, sums),
        Change::Banned(_)
        | Change::Unbanned(..)
        | Change::Voted { .. }
        | Change::VotesForgotten(_)
        | Change::RoleChanged(..) => rooms::apply(connection, change),
        Change::NumberGiven(app, number) => {
            sums.numbered(*app, 0, *number);
            Ok(())
        }
        Change::FilterAdded(filter) => {
            sums.uuid = sums.uuid.max(filter.id);
            reviews::apply(connection, change)
        }
        Change::ReviewOpened(review) => {
            sums.uuid = sums.uuid.max(review.id);
            reviews::apply(connection, change)
        }
        Change::FilterRemoved(..) | Change::Reported { .. } | Change::ReviewClosed(_) => {
            reviews::apply(connection, change)
        }
        Change::Subscription { .. }
        | Change::Unsubscription { .. }
        | Change::SessionBegun(_)
        | Change::SessionsSeen { .. }
        | Change::SessionEnded(_) => sessions::apply(connection, change),
        Change::App(app) => {
            sums.app = sums.app.max(app.id.0);
            apps::add(connection, app)
        }
        Change::Key(key) => {
            sums.key = sums.key.max(key.id.0);
            apps::add_key(connection, key)
        }
        Change::KeyRevoked(id, at) => apps::revoke_key(connection, *id, *at),
    }
}

/// Writes an entry into the log of a conversation.
fn enter(connection: &Connection, entry: &Entry, note: &Note, sums: &mut Sums) -> Result<()> {
    let moved = sums.conversations.entry(entry.conversation).or_default();
    moved.entry = Some((entry.seq, entry.g, entry.at));
    messages::note(connection, entry, note)
}

fn move_conversation(connection: &Connection, id: ConversationId, moved: &Moved) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE conversation SET last_seq = coalesce(?2, last_seq),
                last_g = coalesce(?3, last_g), updated_at = coalesce(?4, updated_at),
                messages = messages + ?5, newest_g = coalesce(?6, newest_g),
                last_message_at = coalesce(?7, last_message_at)
             WHERE id = ?1",
        )?
        .execute(params![
            id.0,
            moved.entry.map(|(seq, ..)| signed(seq)).transpose()?,
            moved.entry.map(|(_, g, _)| signed(g)).transpose()?,
            moved.entry.map(|(.., at)| at.0),
            moved.messages,
            moved.message.map(|(g, _)| signed(g)).transpose()?,
            moved.message.map(|(_, at)| at.0),
        ])?;
    if moved.lost {
        connection
            .prepare_cached(
                "UPDATE conversation SET newest_g = (SELECT g FROM message
                    WHERE conversation = ?1 AND seq > cleared_seq ORDER BY seq DESC LIMIT 1)
                 WHERE id = ?1",
            )?
            .execute([id.0])?;
    }
    Ok(())
}

//! Rules about messages: writing, changing, deleting and reading them.

use std::{borrow::Cow, sync::Arc};

use uuid::Uuid;

use super::{
    Draft, merged,
    rooms::{badges, rules},
};
use crate::{
    command::{BodyPatch, ConversationRef, Destination, Reply, UserRef},
    event::{Effect, Happening, Passing, Sign},
    facts::Halt,
    model::{Body, ConversationKind, ConversationView, Message, MessageView, Quote, User, UserId},
    refusal::Refusal,
    store::Change,
};

/// Entries in a conversation, none of them new to a member, from which on that is noted.
const LOOKED_THROUGH: u64 = 256;

impl<'a> Draft<'a> {
    pub(super) fn send(
        &mut self,
        to: &Destination,
        sender: &UserRef,
        body: &Body,
        client_id: Option<&str>,
    ) -> Result<Reply, Halt> {
        let (sender, view) = self.destination(to, sender, body)?;
        let is_direct = matches!(to, Destination::Direct(_) | Destination::Product { .. });
        let is_opening = view.last_seq == 0 && is_direct;
        let other = view.other(sender.id);
        self.check_body(body)?;
        // A conversation made just now has no past, and was looked at when it was made; nor has a
        // user made just now.
        if matches!(view, Cow::Borrowed(_)) && !self.is_made_now(&sender) {
            if let Some(client_id) = client_id
                && let Some(first) = self
                    .facts
                    .sent(view.conversation.id, sender.id, client_id)?
            {
                let is_opening = first.message.seq == 1;
                let opened = is_opening.then(|| Box::new(self.refreshed(&view)));
                return Ok(Reply::Sent {
                    message: Arc::clone(first),
                    members: Arc::clone(&view.members),
                    repeated: true,
                    opened: opened.filter(|_| is_direct),
                });
            }
            self.check_not_blocked(&view, sender.id)?;
        }
        let recipient_online = match view.conversation.kind {
            ConversationKind::Product => other.map(|user| self.presence.is_present(user)),
            ConversationKind::Direct | ConversationKind::Group | ConversationKind::Room => None,
        };
        let given = match to {
            Destination::Room { standing, .. } => *standing,
            _ => None,
        };
        let standing = self.standing(&sender, given);
        self.check_may_speak(&view, &sender, standing, body)?;
        let quoted = self.quoted(&view, body.reply_to)?;
        let body = Body {
            metadata: merged(None, body.metadata.as_ref())?,
            ..body.clone()
        };
        let g = self.mint.g();
        let message = Arc::new(MessageView {
            conversation: Arc::clone(&view.conversation),
            sender: Arc::clone(&sender),
            message: Message {
                g,
                conversation: view.conversation.id,
                seq: view.last_seq + 1,
                uuid: self.mint.uuid(self.now),
                sender: sender.id,
                body,
                created_at: self.now,
                edited_at: None,
                recipient_online,
                origin: self.origin(),
                client_id: client_id.map(str::to_owned),
                badges: badges(&view, &sender, standing),
            },
            seen: false,
            quoted,
        });
        self.changes.push(Change::Message(Arc::clone(&message)));
        let scene = self.scene(&view);
        self.show(g, scene, Happening::MessageSent(Arc::clone(&message)));
        let members = Arc::clone(&view.members);
        let opened = is_opening.then(|| {
            let at = self.now;
            Box::new(ConversationView {
                last_seq: 1,
                last_g: g,
                messages: 1,
                updated_at: at,
                last_message_at: Some(at),
                ..self.refreshed(&view)
            })
        });
        Ok(Reply::Sent {
            message,
            members,
            repeated: false,
            opened,
        })
    }

    /// Where a message goes: one's own conversation, or one that is made for it.
    fn destination(
        &mut self,
        to: &Destination,
        sender: &UserRef,
        body: &Body,
    ) -> Result<(Arc<User>, Cow<'a, ConversationView>), Halt> {
        match to {
            Destination::Conversation(name) => {
                let (sender, view) = self.member_at(name, sender)?;
                if view.conversation.kind.is_of_two() && view.members.len() < 2 {
                    // The other one was deleted, and nobody would ever read it.
                    return Err(Refusal::UnknownUser.into());
                }
                Ok((Arc::clone(sender), Cow::Borrowed(view)))
            }
            Destination::Direct(other) => {
                // Nothing is made for a message that is refused.
                self.check_body(body)?;
                let (sender, _, view) = self.direct(sender, other, None, true)?;
                Ok((sender, view))
            }
            Destination::Product {
                vendor,
                customer,
                product,
            } => {
                self.check_body(body)?;
                self.product(sender, vendor, customer, product)
            }
            Destination::Room { room, .. } => self.room_to_write(room, sender),
        }
    }

    /// The message that another one answers.
    fn quoted(
        &self,
        view: &ConversationView,
        reply_to: Option<Uuid>,
    ) -> Result<Option<Arc<Quote>>, Halt> {
        let Some(message) = reply_to else {
            return Ok(None);
        };
        let found = self.facts.message(self.app(), message)?;
        let here = found.filter(|(_, at)| at.conversation.id == view.conversation.id);
        let (answered, _) = here.ok_or(Refusal::UnknownMessage)?;
        Ok(Some(Arc::new(Quote {
            message,
            sender: self.facts.current(&answered.sender),
            text: answered.message.body.text.clone(),
        })))
    }

    /// Where only two are, each may refuse the other.
    fn check_not_blocked(&self, view: &ConversationView, sender: UserId) -> Result<(), Halt> {
        match view.other(sender) {
            Some(other) => self.check_takes_messages(other.id, sender),
            None => Ok(()),
        }
    }

    pub(super) fn check_takes_messages(&self, user: UserId, sender: UserId) -> Result<(), Halt> {
        if self.facts.blocks(user)?.contains(&sender) {
            return Err(Refusal::Blocked.into());
        }
        Ok(())
    }

    pub(super) fn edit_message(
        &mut self,
        message: Uuid,
        by: Option<&UserRef>,
        patch: &BodyPatch,
    ) -> Result<Reply, Halt> {
        let (who, message, view) = self.visible_message(message, by)?;
        if who.is_some_and(|user| user.id != message.sender.id) {
            return Err(Refusal::NotAllowed.into());
        }
        let old = &message.message.body;
        let body = Body {
            text: patch.text.clone().unwrap_or_else(|| old.text.clone()),
            media: match &patch.media {
                Some(new) => vec![new.clone()],
                None => old.media.clone(),
            },
            metadata: merged(old.metadata.as_ref(), patch.metadata.as_ref())?,
            reply_to: old.reply_to,
        };
        self.check_body(&body)?;
        if let Some(author) = who {
            self.check_may_rewrite(view, author, &body)?;
        }
        let entry = self.entry(view, who.map(|user| user.id));
        let message = Arc::new(MessageView {
            sender: self.facts.current(&message.sender),
            message: Message {
                body,
                edited_at: Some(self.now),
                ..message.message.clone()
            },
            conversation: Arc::clone(&message.conversation),
            seen: self.facts.is_seen(message),
            quoted: message.quoted.clone(),
        });
        self.changes.push(Change::MessageEdited {
            entry,
            message: Arc::clone(&message),
        });
        let scene = self.scene(view);
        self.show(
            entry.g,
            scene,
            Happening::MessageEdited(Arc::clone(&message)),
        );
        Ok(Reply::Edited { message })
    }

    pub(super) fn delete_message(
        &mut self,
        message: Uuid,
        within: Option<&ConversationRef>,
        by: Option<&UserRef>,
    ) -> Result<Reply, Halt> {
        let (who, message, view) = self.visible_message(message, by)?;
        if who.is_some_and(|user| user.id != message.sender.id && !rules(view, user)) {
            return Err(Refusal::NotAllowed.into());
        }
        if let Some(within) = within {
            let named = self.conversation(within)?;
            if named.is_none_or(|named| named.conversation.id != view.conversation.id) {
                return Err(Refusal::UnknownMessage.into());
            }
        }
        self.erase_message(view, message, who);
        Ok(Reply::Done)
    }

    pub(super) fn mark_read(&mut self, message: Uuid, reader: &UserRef) -> Result<Reply, Halt> {
        let reader = self.acting(reader)?.map(Arc::clone);
        let found = self.facts.message(self.app(), message)?;
        let (Some(reader), Some((message, view))) = (reader, found) else {
            return Err(Refusal::UnknownMessage.into());
        };
        if !view.has(reader.id) {
            return Err(Refusal::UnknownMessage.into());
        }
        let seq = message.message.seq;
        if self.facts.read_up_to(view.conversation.id, reader.id)? >= seq {
            return Ok(Reply::Done);
        }
        let entry = self.entry(view, Some(reader.id));
        self.changes.push(Change::Read {
            entry,
            reader: reader.id,
            message: message.message.uuid,
            seq,
        });
        let scene = self.scene(view);
        let message = message.message.uuid;
        self.show(entry.g, scene, Happening::Read { reader, message });
        Ok(Reply::Done)
    }

    pub(super) fn mark_all_read(
        &mut self,
        conversation: &ConversationRef,
        reader: &UserRef,
        tells: bool,
    ) -> Result<Reply, Halt> {
        let (reader, view) = self.member_at(conversation, reader)?;
        let id = view.conversation.id;
        let read_up_to = self.facts.read_up_to(id, reader.id)?;
        let newest = self.facts.newest_of_others(id, reader.id)?;
        let Some(newest) = newest.filter(|newest| newest.seq > read_up_to) else {
            // Whoever writes much and is not answered must not have all of that looked through again.
            if view.last_seq >= read_up_to + LOOKED_THROUGH {
                self.changes.push(Change::ReadThrough {
                    conversation: id,
                    reader: reader.id,
                    seq: view.last_seq,
                });
            }
            if tells {
                self.pass(view, reader, Sign::ReadAgain);
            }
            return Ok(Reply::Read { changed: false });
        };
        let entry = self.entry(view, Some(reader.id));
        self.changes.push(Change::Read {
            entry,
            reader: reader.id,
            message: newest.uuid,
            seq: newest.seq,
        });
        let (scene, message, reader) = (self.scene(view), newest.uuid, Arc::clone(reader));
        self.show(entry.g, scene, Happening::Read { reader, message });
        Ok(Reply::Read { changed: true })
    }

    pub(super) fn typing(
        &mut self,
        conversation: &ConversationRef,
        user: &UserRef,
        writes: bool,
    ) -> Result<Reply, Halt> {
        let (user, view) = match self.member_at(conversation, user) {
            // The two have not spoken yet.
            Err(Halt::Refuse(Refusal::UnknownConversation))
                if matches!(
                    conversation,
                    ConversationRef::Direct(..) | ConversationRef::Product(_)
                ) =>
            {
                return Ok(Reply::Done);
            }
            found => found?,
        };
        match self.check_not_blocked(view, user.id) {
            // Whoever takes no messages is not told of their making.
            Err(Halt::Refuse(_)) => return Ok(Reply::Done),
            allowed => allowed?,
        }
        let sign = if writes { Sign::Writing } else { Sign::Stopped };
        self.pass(view, user, sign);
        Ok(Reply::Done)
    }

    fn pass(&mut self, view: &ConversationView, user: &Arc<User>, sign: Sign) {
        self.effects.push(Effect::Pass(Passing {
            scene: self.scene(view),
            origin: self.origin(),
            user: Arc::clone(user),
            sign,
        }));
    }

    /// The user who acts in a conversation. Who is no member learns nothing, not even which of the
    /// other fields were wrong.
    pub(super) fn member_at(
        &self,
        conversation: &ConversationRef,
        user: &UserRef,
    ) -> Result<(&'a Arc<User>, &'a ConversationView), Halt> {
        let user = self.acting(user)?;
        let view = self.conversation(conversation)?;
        match (user, view) {
            (Some(user), Some(view)) if view.has(user.id) => Ok((user, view)),
            _ => Err(Refusal::UnknownConversation.into()),
        }
    }

    /// A message that the one who acts may see; the app itself sees any.
    #[expect(
        clippy::type_complexity,
        reason = "three things that were looked up together"
    )]
    fn visible_message(
        &self,
        message: Uuid,
        by: Option<&UserRef>,
    ) -> Result<
        (
            Option<&'a Arc<User>>,
            &'a Arc<MessageView>,
            &'a ConversationView,
        ),
        Halt,
    > {
        let who = self.acting_or_app(by)?;
        let (message, view) = self
            .facts
            .message(self.app(), message)?
            .filter(|(_, view)| who.is_none_or(|user| view.has(user.id)))
            .ok_or(Refusal::UnknownMessage)?;
        Ok((who, message, view))
    }

    fn check_body(&self, body: &Body) -> Result<(), Refusal> {
        if body.media.is_empty() && body.text.trim().is_empty() {
            return Err(Refusal::BlankText);
        }
        let limit = self.actor.app.max_text_bytes;
        if body.text.len() > limit as usize {
            return Err(Refusal::TextTooLong { limit });
        }
        Ok(())
    }
}

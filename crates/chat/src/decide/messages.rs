//! Rules about messages: writing, changing, deleting and reading them.

use std::sync::Arc;

use uuid::Uuid;

use super::{Draft, merged};
use crate::{
    command::{BodyPatch, Reply, UserRef},
    event::{Effect, Happening, Passing},
    facts::Halt,
    model::{Body, ConversationView, Message, MessageView, User},
    refusal::Refusal,
    store::Change,
};

impl<'a> Draft<'a> {
    pub(super) fn send(
        &mut self,
        conversation: Uuid,
        sender: &UserRef,
        body: &Body,
        client_id: Option<&str>,
    ) -> Result<Reply, Halt> {
        let (sender, view) = self.member_at(conversation, sender)?;
        self.check_body(body)?;
        if let Some(client_id) = client_id
            && let Some(first) = self
                .facts
                .sent(view.conversation.id, sender.id, client_id)?
        {
            return Ok(Reply::Sent {
                message: Arc::clone(first),
                repeated: true,
            });
        }
        let g = self.mint.g();
        let message = Arc::new(MessageView {
            conversation: Arc::clone(&view.conversation),
            sender: Arc::clone(sender),
            message: Message {
                g,
                conversation: view.conversation.id,
                seq: view.last_seq + 1,
                uuid: self.mint.uuid(self.now),
                sender: sender.id,
                body: Body {
                    metadata: merged(None, body.metadata.as_ref())?,
                    ..body.clone()
                },
                created_at: self.now,
                edited_at: None,
                origin: self.origin(),
                client_id: client_id.map(str::to_owned),
            },
            seen: false,
        });
        self.changes.push(Change::Message(Arc::clone(&message)));
        let scene = self.scene(view);
        self.show(g, scene, Happening::MessageSent(Arc::clone(&message)));
        Ok(Reply::Sent {
            message,
            repeated: false,
        })
    }

    pub(super) fn edit_message(
        &mut self,
        message: Uuid,
        by: Option<&UserRef>,
        patch: &BodyPatch,
    ) -> Result<Reply, Halt> {
        let (who, message, view) = self.own_message(message, by)?;
        let old = &message.message.body;
        let body = Body {
            text: patch.text.clone().unwrap_or_else(|| old.text.clone()),
            media: patch.media.clone().or_else(|| old.media.clone()),
            metadata: merged(old.metadata.as_ref(), patch.metadata.as_ref())?,
        };
        self.check_body(&body)?;
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
        by: Option<&UserRef>,
    ) -> Result<Reply, Halt> {
        let (who, message, view) = self.own_message(message, by)?;
        let entry = self.entry(view, who.map(|user| user.id));
        self.changes.push(Change::MessageDeleted {
            entry,
            message: Arc::clone(message),
        });
        let scene = self.scene(view);
        let message = message.message.uuid;
        self.show(entry.g, scene, Happening::MessageDeleted { message });
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
            message: message.message.g,
            seq,
        });
        let scene = self.scene(view);
        let message = message.message.uuid;
        self.show(entry.g, scene, Happening::Read { reader, message });
        Ok(Reply::Done)
    }

    pub(super) fn typing(
        &mut self,
        conversation: Uuid,
        user: &UserRef,
        writes: bool,
    ) -> Result<Reply, Halt> {
        let (user, view) = self.member_at(conversation, user)?;
        self.effects.push(Effect::Pass(Passing {
            conversation: Arc::clone(&view.conversation),
            origin: self.origin(),
            user: Arc::clone(user),
            writes,
        }));
        Ok(Reply::Done)
    }

    /// The user who acts in a conversation. Who is no member learns nothing, not even which of the
    /// other fields were wrong.
    fn member_at(
        &self,
        conversation: Uuid,
        user: &UserRef,
    ) -> Result<(&'a Arc<User>, &'a ConversationView), Halt> {
        let user = self.acting(user)?;
        let view = self.facts.conversation_by_uuid(self.app(), conversation)?;
        match (user, view) {
            (Some(user), Some(view)) if view.has(user.id) => Ok((user, view)),
            _ => Err(Refusal::UnknownConversation.into()),
        }
    }

    /// A message that the one who acts has written; the app itself may take any.
    #[expect(
        clippy::type_complexity,
        reason = "three things that were looked up together"
    )]
    fn own_message(
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
        if who.is_some_and(|user| user.id != message.sender.id) {
            return Err(Refusal::NotAllowed.into());
        }
        Ok((who, message, view))
    }

    fn check_body(&self, body: &Body) -> Result<(), Refusal> {
        if body.media.is_none() && body.text.trim().is_empty() {
            return Err(Refusal::BlankText);
        }
        let limit = self.actor.app.max_text_bytes;
        if body.text.len() > limit as usize {
            return Err(Refusal::TextTooLong { limit });
        }
        Ok(())
    }
}

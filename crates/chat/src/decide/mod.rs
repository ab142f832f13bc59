//! The rules. Pure: facts, a command and the time in; changes, effects and a reply out.
//!
//! Every rule is here and nowhere else: dialects translate, stores keep, this module says yes or no.
//! `users`, `conversations`, `messages`, `sessions` and `apps` have the rules of each noun; who may
//! act as whom is here.

mod apps;
mod conversations;
mod messages;
mod rooms;
mod sessions;
mod users;

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    actor::Actor,
    command::{Command, ConversationRef, ProductRef, Reply, UserRef},
    event::{Effect, Event, Happening, Scene},
    facts::{Facts, Halt},
    mint::Mint,
    model::{
        AppId, ConversationId, ConversationKind, ConversationView, ExternalId, G, Identity,
        Metadata, Scope, Timestamp, User, UserId, pair_key, product_key,
    },
    query::Presence,
    refusal::Refusal,
    room::folded,
    store::{Change, Entry},
};

pub use self::conversations::MAX_MEMBERS;

/// The most that is kept of one piece of metadata, in bytes of JSON text.
pub const MAX_METADATA: usize = 16 << 10;

/// What a decision leads to.
#[derive(Debug)]
pub struct Decision {
    /// To be committed, in this order.
    pub changes: Vec<Change>,
    /// To be done after the commit, in this order.
    pub effects: Vec<Effect>,
    /// The answer.
    pub reply: Reply,
}

/// What a decision may see beside the facts.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The time.
    pub now: Timestamp,
    /// Who is online.
    pub presence: &'a dyn Presence,
}

/// Decides one command. Changes nothing itself; a refusal leaves no trace.
pub fn decide(
    facts: &Facts,
    mint: &mut Mint,
    moment: Moment<'_>,
    actor: &Actor,
    command: &Command,
) -> Result<Decision, Halt> {
    let mut draft = Draft {
        facts,
        mint,
        now: moment.now,
        presence: moment.presence,
        actor,
        changes: Vec::new(),
        effects: Vec::new(),
        entered: Vec::new(),
    };
    let reply = draft.decide(command)?;
    Ok(Decision {
        changes: draft.changes,
        effects: draft.effects,
        reply,
    })
}

/// A decision in the making.
struct Draft<'a> {
    facts: &'a Facts,
    mint: &'a mut Mint,
    now: Timestamp,
    presence: &'a dyn Presence,
    actor: &'a Actor,
    changes: Vec<Change>,
    effects: Vec<Effect>,
    /// Where this decision has made entries in logs, once for each.
    entered: Vec<ConversationId>,
}

impl<'a> Draft<'a> {
    #[expect(clippy::too_many_lines, reason = "one arm for each command")]
    fn decide(&mut self, command: &Command) -> Result<Reply, Halt> {
        match command {
            Command::Fence => Ok(Reply::Done),
            Command::Register {
                user,
                dialect,
                alone,
            } => self.register(user, dialect, *alone),
            Command::Deregister { user, dialect } => self.deregister(user, dialect),
            Command::Join {
                conversation,
                by,
                spelling,
                dialect,
            } => self.join(conversation, by.as_ref(), spelling.as_deref(), dialect),
            Command::Leave {
                conversation,
                dialect,
            } => self.leave(conversation, dialect),
            Command::OpenDirect {
                user,
                other,
                metadata,
                dialect,
            } => self.open_direct(user, other, metadata.as_ref(), *dialect),
            Command::CreateGroup {
                owner,
                members,
                details,
            } => self.create_group(owner, members, details),
            Command::UpdateConversation {
                conversation,
                by,
                patch,
            } => self.update_conversation(*conversation, by.as_ref(), patch),
            Command::DeleteConversation { conversation, by } => {
                self.delete_conversation(*conversation, by.as_ref())
            }
            Command::AddMember {
                conversation,
                user,
                by,
            } => self.add_member(*conversation, user, by.as_ref()),
            Command::RemoveMember {
                conversation,
                user,
                by,
            } => self.remove_member(*conversation, user, by.as_ref()),
            Command::Send {
                to,
                sender,
                body,
                client_id,
            } => self.send(to, sender, body, client_id.as_deref()),
            Command::EditMessage { message, by, patch } => {
                self.edit_message(*message, by.as_ref(), patch)
            }
            Command::DeleteMessage {
                message,
                within,
                by,
            } => self.delete_message(*message, within.as_ref(), by.as_ref()),
            Command::MarkRead { message, reader } => self.mark_read(*message, reader),
            Command::MarkAllRead {
                conversation,
                reader,
                tells,
            } => self.mark_all_read(conversation, reader, *tells),
            Command::HideConversation { conversation, user } => {
                self.hide_conversation(conversation, user)
            }
            Command::Typing {
                conversation,
                user,
                writes,
            } => self.typing(conversation, user, *writes),
            Command::CreateRoom {
                slug,
                title,
                owner,
                private,
            } => self.create_room(slug, title.as_ref(), owner, *private),
            Command::InRoom { room, by, act } => self.in_room(room, by.as_ref(), act),
            Command::EndDue => self.end_due(),
            Command::PutUser { user, patch } => self.put_user(user, patch),
            Command::UpdateUser { user, patch } => self.update_user(user, patch),
            Command::DeleteUser { user } => self.delete_user(user),
            Command::EraseWritten { user } => self.erase_written(user),
            Command::Block { user, whom } => self.block(user, whom),
            Command::Unblock { user, whom } => self.unblock(user, whom),
            Command::CollectMissed { user } => self.collect_missed(user),
            Command::UserWentOffline { user, at } => {
                self.changes.push(Change::UserWentOffline(*user, *at));
                Ok(Reply::Done)
            }
            Command::InheritSession { from } => self.inherit_session(*from),
            Command::SeenSessions { sessions } => Ok(self.see_sessions(sessions)),
            Command::ForgetSessions { before } => self.forget_sessions(*before),
            Command::EraseLeftovers => self.erase_leftovers(),
            Command::EndSession { session } => {
                self.changes.push(Change::SessionEnded(*session));
                Ok(Reply::Done)
            }
            Command::CreateApp { app, keys } => self.create_app(app, keys),
            Command::CreateKey { key } => self.create_key(key),
            Command::RevokeKey { key } => self.revoke_key(*key),
        }
    }

    fn app(&self) -> AppId {
        self.actor.app.id
    }

    /// Whether ids in payloads are believed: in an open app, and from the app's own server.
    fn believes(&self) -> bool {
        self.actor.app.identity == Identity::Open || self.actor.scope == Scope::Server
    }

    /// The id that a token proves, which must be there in an app that does not believe.
    fn subject(&self) -> Result<&'a ExternalId, Refusal> {
        let subject = self.actor.subject.as_ref();
        Ok(&subject.ok_or(Refusal::TokenRequired)?.id)
    }

    /// Refuses whoever may not act as `user`.
    fn check_acts_as(&self, user: &UserRef) -> Result<(), Halt> {
        match user {
            UserRef::Subject => return self.subject().map(drop).map_err(Halt::from),
            UserRef::Called(_) if self.actor.scope != Scope::Server => {
                return Err(Refusal::NotAllowed.into());
            }
            _ => {}
        }
        if self.believes() {
            return Ok(());
        }
        let subject = self.subject()?;
        let is_subject = match user {
            UserRef::Named(external) => external == subject,
            UserRef::Known(external) | UserRef::Both(_, external) => *external == subject.text,
            UserRef::Uuid(uuid) => {
                let user = self.facts.user_by_uuid(self.app(), *uuid)?;
                user.is_some_and(|user| user.external == *subject)
            }
            UserRef::Subject => true,
            // Names are not ids: nobody proves one.
            UserRef::Called(_) => false,
        };
        if is_subject {
            Ok(())
        } else {
            Err(Refusal::NotTheTokensSubject.into())
        }
    }

    /// The user who acts, if there.
    fn acting(&self, user: &UserRef) -> Result<Option<&'a Arc<User>>, Halt> {
        self.check_acts_as(user)?;
        self.find(user)
    }

    /// The user who acts, where a command may leave that open; `None` is the app itself.
    fn acting_or_app(&self, by: Option<&UserRef>) -> Result<Option<&'a Arc<User>>, Halt> {
        let user = match by {
            Some(by) => self.acting(by)?,
            None if self.believes() => return Ok(None),
            None => self.facts.user(self.app(), &self.subject()?.text)?,
        };
        Ok(Some(user.ok_or(Refusal::UnknownUser)?))
    }

    fn find(&self, user: &UserRef) -> Result<Option<&'a Arc<User>>, Halt> {
        match user {
            UserRef::Named(external) => self.facts.user(self.app(), &external.text),
            UserRef::Known(external) => self.facts.user(self.app(), external),
            UserRef::Uuid(uuid) => self.facts.user_by_uuid(self.app(), *uuid),
            UserRef::Both(uuid, external) => {
                let user = self.facts.user_by_uuid(self.app(), *uuid)?;
                Ok(user.filter(|user| user.external.text == *external))
            }
            UserRef::Subject => self.facts.user(self.app(), &self.subject()?.text),
            UserRef::Called(name) => {
                let called = self.facts.users_called(self.app(), &folded(name))?;
                let mut named = called.iter().filter(|user| user.external.text == *name);
                match named.next().or(called.first()) {
                    Some(user) => Ok(Some(user)),
                    None => self.facts.user(self.app(), name.trim()),
                }
            }
        }
    }

    fn find_or_make(&mut self, user: &UserRef) -> Result<Arc<User>, Halt> {
        match (self.find(user)?, user) {
            (Some(user), _) => Ok(Arc::clone(user)),
            (None, UserRef::Named(external)) => self.made_or_make(external),
            (None, UserRef::Subject) => self.made_or_make(self.subject()?),
            (None, UserRef::Called(name)) => self.made_or_make(&ExternalId::text(name.trim())),
            (None, _) => Err(Refusal::UnknownUser.into()),
        }
    }

    fn made_or_make(&mut self, external: &ExternalId) -> Result<Arc<User>, Halt> {
        match self.made(external) {
            Some(user) => Ok(Arc::clone(user)),
            None => self.make_user(external),
        }
    }

    /// A user whom this decision has made: one command may name somebody twice.
    fn made(&self, external: &ExternalId) -> Option<&Arc<User>> {
        let mut changes = self.changes.iter();
        changes.find_map(|change| match change {
            Change::User(user) if user.external == *external => Some(user),
            _ => None,
        })
    }

    /// The conversation of this name, if it is there.
    fn conversation(&self, name: &ConversationRef) -> Result<Option<&'a ConversationView>, Halt> {
        let app = self.app();
        let by_key = |kind, key| self.facts.conversation_by_key(app, kind, key);
        match name {
            ConversationRef::Uuid(uuid) => self.facts.conversation_by_uuid(app, *uuid),
            ConversationRef::OfKind(uuid, kind) => {
                let found = self.facts.conversation_by_uuid(app, *uuid)?;
                Ok(found.filter(|view| view.conversation.kind == *kind))
            }
            ConversationRef::Direct(a, b) => match (self.find(a)?, self.find(b)?) {
                (Some(a), Some(b)) => by_key(ConversationKind::Direct, pair_key(a.id, b.id)),
                _ => Ok(None),
            },
            ConversationRef::Product(ProductRef {
                product,
                vendor,
                customer,
            }) => match (self.find(vendor)?, self.find(customer)?) {
                (Some(vendor), Some(customer)) => by_key(
                    ConversationKind::Product,
                    product_key(product, vendor.id, customer.id),
                ),
                _ => Ok(None),
            },
            ConversationRef::Room(name) => self.facts.room(app, name),
            // Only queries name one so.
            ConversationRef::Id(_) | ConversationRef::Opened => Ok(None),
        }
    }

    /// A conversation that `who` may see; the app itself sees all of its own.
    fn visible(
        &self,
        conversation: Uuid,
        who: Option<&Arc<User>>,
    ) -> Result<&'a ConversationView, Halt> {
        self.visible_at(&ConversationRef::Uuid(conversation), who)
    }

    fn visible_at(
        &self,
        conversation: &ConversationRef,
        who: Option<&Arc<User>>,
    ) -> Result<&'a ConversationView, Halt> {
        let found = self.conversation(conversation)?;
        let is_visible = |view: &&ConversationView| who.is_none_or(|user| view.has(user.id));
        Ok(found
            .filter(is_visible)
            .ok_or(Refusal::UnknownConversation)?)
    }

    /// The next entry in the log of a conversation.
    fn entry(&mut self, view: &ConversationView, actor: Option<UserId>) -> Entry {
        let conversation = view.conversation.id;
        self.entered.push(conversation);
        let entered = self.entered.iter().filter(|id| **id == conversation);
        Entry {
            g: self.mint.g(),
            conversation,
            seq: view.last_seq + entered.count() as u64,
            actor,
            origin: self.origin(),
            at: self.now,
        }
    }

    fn origin(&self) -> Option<crate::model::SessionId> {
        self.actor.session.as_ref().map(|session| session.id)
    }

    fn show(&mut self, g: G, scene: Scene, happening: Happening) {
        self.effects.push(Effect::Show(Arc::new(Event {
            g,
            at: self.now,
            origin: self.origin(),
            scene,
            happening,
        })));
    }

    /// The newest event that this decision shows.
    fn shown(&self) -> Option<Arc<Event>> {
        let mut effects = self.effects.iter().rev();
        effects.find_map(|effect| match effect {
            Effect::Show(event) => Some(Arc::clone(event)),
            _ => None,
        })
    }

    /// A conversation as it is now. Who looks at a direct one sees the other person, so the two
    /// stand in it as they are now too.
    fn scene(&self, view: &ConversationView) -> Scene {
        let members = if view.conversation.kind.is_of_two() {
            self.facts.refreshed(&view.members)
        } else {
            Arc::clone(&view.members)
        };
        Scene {
            conversation: Arc::clone(&view.conversation),
            details: Arc::clone(&view.details),
            members,
        }
    }
}

/// What is kept with `patch` merged into it.
fn merged(kept: Option<&Metadata>, patch: Option<&Metadata>) -> Result<Option<Metadata>, Refusal> {
    let Some(patch) = patch else {
        return Ok(kept.cloned());
    };
    let mut merged = kept.cloned().unwrap_or_default();
    merged.merge(patch);
    if merged.weight() > MAX_METADATA {
        let limit = MAX_METADATA;
        return Err(Refusal::MetadataTooLarge { limit });
    }
    Ok(Some(merged))
}

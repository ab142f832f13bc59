//! The rules. Pure: facts, a command and the time in; changes, effects and a reply out.
//!
//! Every rule is here and nowhere else: dialects translate, stores keep, this module says yes or no.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    actor::Actor,
    command::{Command, Reply},
    event::{Effect, Event, Happening, Subscribe, Topic},
    facts::{Facts, Halt},
    mint::Mint,
    model::{
        ApiKey, App, AppId, Conversation, ConversationKind, ConversationView, ExternalId, G,
        Identity, KeyId, Message, MessageView, SessionId, Timestamp, User, pair_key,
    },
    refusal::Refusal,
    session::{StoredSession, StoredSubscription},
    store::Change,
};

/// Sessions forgotten in one step: about a millisecond of the writer's time.
const FORGET_STEP: u32 = 200;

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

/// Decides one command. Changes nothing itself; a refusal leaves no trace.
pub fn decide(
    facts: &Facts,
    mint: &mut Mint,
    now: Timestamp,
    actor: &Actor,
    command: &Command,
) -> Result<Decision, Halt> {
    check_identity(actor, command)?;
    let mut draft = Draft {
        facts,
        mint,
        now,
        actor,
        changes: Vec::new(),
        effects: Vec::new(),
    };
    let reply = match command {
        Command::Fence => Reply::Done,
        Command::Register { user, dialect } => draft.register(user, dialect)?,
        Command::OpenDirect {
            user,
            other,
            dialect,
        } => draft.open_direct(user, other, dialect)?,
        Command::Send {
            conversation,
            sender,
            text,
            client_id,
        } => draft.send(*conversation, sender, text, client_id.as_deref())?,
        Command::InheritSession { from } => draft.inherit_session(*from)?,
        Command::SeenSessions { sessions } => {
            let (sessions, at) = (sessions.clone(), now);
            draft.changes.push(Change::SessionsSeen { sessions, at });
            Reply::Done
        }
        Command::ForgetSessions { before } => draft.forget_sessions(*before)?,
        Command::EndSession { session } => {
            draft.changes.push(Change::SessionEnded(*session));
            Reply::Done
        }
        Command::CreateApp { app, keys } => draft.create_app(app, keys)?,
        Command::CreateKey { key } => draft.create_key(key),
        Command::RevokeKey { key } => draft.revoke_key(*key)?,
    };
    Ok(Decision {
        changes: draft.changes,
        effects: draft.effects,
        reply,
    })
}

/// In a verified app, whoever acts must be the token's subject.
fn check_identity(actor: &Actor, command: &Command) -> Result<(), Refusal> {
    let Some(claimed) = command.acts_as() else {
        return Ok(());
    };
    if actor.app.identity == Identity::Open {
        return Ok(());
    }
    let subject = actor.subject.as_ref().ok_or(Refusal::TokenRequired)?;
    if subject.id == *claimed {
        Ok(())
    } else {
        Err(Refusal::NotTheTokensSubject)
    }
}

/// A decision in the making.
struct Draft<'a> {
    facts: &'a Facts,
    mint: &'a mut Mint,
    now: Timestamp,
    actor: &'a Actor,
    changes: Vec<Change>,
    effects: Vec<Effect>,
}

impl Draft<'_> {
    fn app(&self) -> AppId {
        self.actor.app.id
    }

    fn register(&mut self, user: &ExternalId, dialect: &'static str) -> Result<Reply, Halt> {
        let user = self.find_or_make_user(user)?;
        self.subscribe(&user, Topic::Person(user.id), dialect);
        Ok(Reply::Registered { user })
    }

    fn open_direct(
        &mut self,
        user: &ExternalId,
        other: &ExternalId,
        dialect: &'static str,
    ) -> Result<Reply, Halt> {
        if user == other {
            return Err(Refusal::SamePerson.into());
        }
        // Both are looked up before either is made: a decision that stops for a need is thrown away.
        self.facts.user(self.app(), &user.text)?;
        self.facts.user(self.app(), &other.text)?;
        let user = self.find_or_make_user(user)?;
        let other = self.find_or_make_user(other)?;
        let conversation = self.find_or_make_direct(&user, &other)?;
        self.subscribe(
            &user,
            Topic::Conversation(conversation.conversation.id),
            dialect,
        );
        Ok(Reply::Opened { user, conversation })
    }

    fn send(
        &mut self,
        conversation: Uuid,
        sender: &ExternalId,
        text: &str,
        client_id: Option<&str>,
    ) -> Result<Reply, Halt> {
        // Who is no member learns nothing, not even which of the other fields were wrong.
        let sender = self.facts.user(self.app(), &sender.text)?;
        let state = self.facts.conversation_by_uuid(self.app(), conversation)?;
        let (Some(sender), Some(state)) = (sender, state) else {
            return Err(Refusal::UnknownConversation.into());
        };
        if !state.conversation.has(sender.id) {
            return Err(Refusal::UnknownConversation.into());
        }
        if text.trim().is_empty() {
            return Err(Refusal::BlankText.into());
        }
        let limit = self.actor.app.max_text_bytes;
        if text.len() > limit as usize {
            return Err(Refusal::TextTooLong { limit }.into());
        }
        if let Some(client_id) = client_id
            && let Some(first) = self
                .facts
                .sent(state.conversation.id, sender.id, client_id)?
        {
            return Ok(Reply::Sent {
                message: Arc::clone(first),
                repeated: true,
            });
        }
        let origin = self.actor.session.as_ref().map(|session| session.id);
        let g = self.mint.g();
        let message = Arc::new(MessageView {
            conversation: Arc::clone(&state.conversation),
            sender: Arc::clone(sender),
            message: Message {
                g,
                conversation: state.conversation.id,
                seq: state.last_seq + 1,
                uuid: self.mint.uuid(self.now),
                sender: sender.id,
                text: text.to_owned(),
                created_at: self.now,
                origin,
                client_id: client_id.map(str::to_owned),
            },
        });
        self.changes.push(Change::Message(Arc::clone(&message)));
        self.show(g, Happening::MessageSent(Arc::clone(&message)));
        Ok(Reply::Sent {
            message,
            repeated: false,
        })
    }

    fn inherit_session(&mut self, from: SessionId) -> Result<Reply, Halt> {
        let earlier = self.session_of_asker(from)?;
        let own = self.actor.session.as_ref().ok_or(Refusal::UnknownSession)?;
        let subscriptions: Vec<_> = earlier
            .subscriptions
            .iter()
            .map(|subscription| StoredSubscription {
                // Each has its own, as if it had been joined again: so their order stays.
                since: self.mint.g(),
                ..subscription.clone()
            })
            .collect();
        let session = Arc::new(StoredSession {
            seed: Arc::clone(own),
            subscriptions,
            seen_at: self.now,
            ..StoredSession::clone(&earlier)
        });
        self.changes
            .push(Change::SessionBegun(Arc::clone(&session)));
        self.effects.push(Effect::Attach(Arc::clone(&session)));
        Ok(Reply::Inherited { session })
    }

    /// A stored session, if whoever asks is what it is bound to.
    fn session_of_asker(&self, id: SessionId) -> Result<Arc<StoredSession>, Halt> {
        let known = self.facts.session(id)?.ok_or(Refusal::UnknownSession)?;
        let subject = self.actor.subject.as_ref();
        let namespace = self.actor.session.as_ref().map(|own| &own.namespace);
        let is_bound_so = known.app == self.app()
            && known.subject.as_ref() == subject.map(|subject| &subject.id.text)
            && namespace == Some(&known.seed.namespace);
        if is_bound_so {
            Ok(Arc::clone(known))
        } else {
            Err(Refusal::UnknownSession.into())
        }
    }

    fn forget_sessions(&mut self, before: Timestamp) -> Result<Reply, Halt> {
        let old = self.facts.sessions_seen_before(before, FORGET_STEP)?;
        let more = old.len() >= FORGET_STEP as usize;
        let gone = old
            .iter()
            .filter(|id| self.facts.is_still_older(**id, before));
        self.changes
            .extend(gone.map(|id| Change::SessionEnded(*id)));
        Ok(Reply::Forgotten { more })
    }

    fn create_app(&mut self, app: &App, keys: &[ApiKey]) -> Result<Reply, Halt> {
        if self.facts.app(&app.name)?.is_some() {
            return Err(Refusal::NameTaken.into());
        }
        let app = Arc::new(App {
            id: self.mint.app(),
            ..app.clone()
        });
        self.changes.push(Change::App(Arc::clone(&app)));
        for key in keys {
            let key = ApiKey {
                id: self.mint.key(),
                app: app.id,
                ..key.clone()
            };
            self.changes.push(Change::Key(Arc::new(key)));
        }
        Ok(Reply::AppCreated { app })
    }

    fn create_key(&mut self, key: &ApiKey) -> Reply {
        let key = Arc::new(ApiKey {
            id: self.mint.key(),
            ..key.clone()
        });
        let id = key.id;
        self.changes.push(Change::Key(key));
        Reply::KeyCreated { key: id }
    }

    fn revoke_key(&mut self, id: KeyId) -> Result<Reply, Halt> {
        let key = self.facts.key(id)?.ok_or(Refusal::UnknownKey)?;
        if key.revoked_at.is_none() {
            self.changes.push(Change::KeyRevoked(id, self.now));
        }
        Ok(Reply::Done)
    }

    fn find_or_make_user(&mut self, external: &ExternalId) -> Result<Arc<User>, Halt> {
        if let Some(user) = self.facts.user(self.app(), &external.text)? {
            return Ok(Arc::clone(user));
        }
        let user = Arc::new(User {
            id: self.mint.user(),
            app: self.app(),
            uuid: self.mint.uuid(self.now),
            external: external.clone(),
            created_at: self.now,
        });
        self.changes.push(Change::User(Arc::clone(&user)));
        Ok(user)
    }

    fn find_or_make_direct(
        &mut self,
        a: &Arc<User>,
        b: &Arc<User>,
    ) -> Result<ConversationView, Halt> {
        let key = pair_key(a.id, b.id);
        let kind = ConversationKind::Direct;
        // Users made just now cannot have a conversation, so nothing is looked up for them.
        if self.changes.is_empty()
            && let Some(state) = self
                .facts
                .conversation_by_key(self.app(), kind, key.clone())?
        {
            return Ok(state.clone());
        }
        let (first, second) = if a.id < b.id { (a, b) } else { (b, a) };
        let conversation = Arc::new(Conversation {
            id: self.mint.conversation(),
            app: self.app(),
            uuid: self.mint.uuid(self.now),
            kind,
            key: Some(key),
            pair: vec![Arc::clone(first), Arc::clone(second)],
            created_at: self.now,
        });
        self.changes
            .push(Change::Conversation(Arc::clone(&conversation)));
        Ok(ConversationView {
            conversation,
            last_seq: 0,
            last_g: 0,
            updated_at: self.now,
            last_message_at: None,
        })
    }

    /// A join is numbered like an event: what has a higher G is shown, the rest is history.
    fn subscribe(&mut self, user: &User, topic: Topic, dialect: &'static str) {
        let Some(session) = &self.actor.session else {
            return;
        };
        let since = self.mint.g();
        self.changes.push(Change::Subscription {
            session: Arc::clone(session),
            app: self.app(),
            user: user.id,
            subject: self
                .actor
                .subject
                .as_ref()
                .map(|subject| subject.id.text.clone()),
            topic,
            dialect,
            since,
            at: self.now,
        });
        self.effects.push(Effect::Subscribe(Subscribe {
            session: session.id,
            user: user.id,
            topic,
            dialect,
            since,
        }));
    }

    fn show(&mut self, g: G, happening: Happening) {
        let origin = self.actor.session.as_ref().map(|session| session.id);
        self.effects.push(Effect::Show(Arc::new(Event {
            g,
            origin,
            happening,
        })));
    }
}

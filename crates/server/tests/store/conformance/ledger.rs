//! What a store should hold, kept in the plainest way out of the batches that were committed to it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use chat::{
    App, AppId, Conversation, ConversationId, ConversationView, Event, Fault, G, Happening, Media,
    Message, MessageView, SessionId, Store, StoredSession, Topic, User, UserId,
    event::Scene,
    model::{ApiKey, Member, MemberRole, Picture},
    session,
    store::{
        Batch, Boot, Change, CommitError, ConversationName, ConversationSummary, Counters, Entry,
        Found, ListPage, Need, Page, UserName,
    },
};
use parking_lot::Mutex;
use uuid::Uuid;

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) users: BTreeMap<UserId, Arc<User>>,
    pub(super) chats: BTreeMap<ConversationId, Chat>,
    pub(super) messages: BTreeMap<G, Message>,
    pub(super) sessions: HashMap<SessionId, Option<Arc<StoredSession>>>,
}

pub(super) struct Chat {
    view: ConversationView,
    /// From which G on each member sees it, and up to where each has read.
    members: HashMap<UserId, (G, u64)>,
}

impl Ledger {
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::User(user) => {
                self.users.insert(user.id, Arc::clone(user));
            }
            Change::UserUpdated(user) => {
                let known = self.users.get_mut(&user.id).unwrap();
                *known = Arc::clone(user);
            }
            Change::UserWentOffline(id, at) => {
                if let Some(user) = self.users.get_mut(id) {
                    Arc::make_mut(user).last_active = *at;
                }
            }
            Change::UserDeleted(id, _) => self.delete_user(*id),
            Change::Conversation(view) => {
                let members = view.members.iter();
                let chat = Chat {
                    view: view.clone(),
                    members: members.map(|member| (member.user.id, (0, 0))).collect(),
                };
                self.chats.insert(view.conversation.id, chat);
            }
            Change::ConversationUpdated { entry, details } => {
                self.log(entry).view.details = Arc::clone(details);
            }
            Change::ConversationDeleted(id, _) => {
                self.chats.remove(id);
                self.messages.retain(|_, row| row.conversation != *id);
                self.end_listening(|topic, _| topic == Topic::Conversation(*id));
            }
            Change::MemberAdded { entry, member } => {
                let chat = self.log(entry);
                chat.members.insert(member.user.id, (entry.g, 0));
                let members = chat.view.members.iter().chain([member]);
                chat.view.members = members.cloned().collect();
            }
            Change::MemberRemoved { entry, user, heir } => self.remove(entry, *user, *heir),
            Change::Message(view) => {
                let message = &view.message;
                let chat = self.chats.get_mut(&message.conversation).unwrap();
                chat.view.last_seq = message.seq;
                chat.view.last_g = message.g;
                chat.view.updated_at = message.created_at;
                chat.view.last_message_at = Some(message.created_at);
                self.messages.insert(message.g, message.clone());
            }
            Change::MessageEdited { entry, message } => {
                self.log(entry);
                let known = self.messages.get_mut(&message.message.g).unwrap();
                *known = message.message.clone();
            }
            Change::MessageDeleted { entry, message } => {
                self.log(entry);
                self.messages.remove(&message.message.g);
            }
            Change::Read {
                entry, reader, seq, ..
            } => {
                let chat = self.log(entry);
                chat.members.get_mut(reader).unwrap().1 = *seq;
            }
            Change::SessionsSeen { sessions, .. } => {
                for id in sessions {
                    session::apply(self.sessions.entry(*id).or_default(), change);
                }
            }
            Change::Subscription { session, .. } => self.apply_to(session.id, change),
            Change::SessionBegun(session) => self.apply_to(session.seed.id, change),
            Change::Unsubscription { session, .. } | Change::SessionEnded(session) => {
                self.apply_to(*session, change);
            }
            Change::App(_) | Change::Key(_) | Change::KeyRevoked(..) => {}
        }
    }

    fn apply_to(&mut self, id: SessionId, change: &Change) {
        session::apply(self.sessions.entry(id).or_default(), change);
    }

    fn log(&mut self, entry: &Entry) -> &mut Chat {
        let chat = self.chats.get_mut(&entry.conversation).unwrap();
        chat.view.last_seq = entry.seq;
        chat.view.last_g = entry.g;
        chat.view.updated_at = entry.at;
        chat
    }

    fn remove(&mut self, entry: &Entry, user: UserId, heir: Option<UserId>) {
        let chat = self.log(entry);
        chat.members.remove(&user);
        let mut members = chat.view.members.to_vec();
        members.retain(|member| member.user.id != user);
        for member in &mut members {
            if Some(member.user.id) == heir {
                member.role = MemberRole::Owner;
            }
        }
        chat.view.members = members.into();
        let place = Topic::Conversation(entry.conversation);
        self.end_listening(|topic, whose| topic == place && whose == Some(user));
    }

    fn delete_user(&mut self, id: UserId) {
        self.users.remove(&id);
        self.messages.retain(|_, row| row.sender != id);
        for chat in self.chats.values_mut() {
            chat.members.remove(&id);
            let mut members = chat.view.members.to_vec();
            members.retain(|member| member.user.id != id);
            chat.view.members = members.into();
        }
        self.end_listening(|topic, whose| topic == Topic::Person(id) || whose == Some(id));
    }

    fn end_listening(&mut self, ends: impl Fn(Topic, Option<UserId>) -> bool) {
        for session in self.sessions.values_mut().flatten() {
            let session = Arc::make_mut(session);
            session
                .subscriptions
                .retain(|one| !ends(one.topic, one.user));
        }
    }

    /// A conversation as it should be found.
    pub(super) fn view(&self, id: ConversationId) -> Option<ConversationView> {
        let chat = self.chats.get(&id)?;
        let current = |member: &Member| Member {
            user: Arc::clone(&self.users[&member.user.id]),
            role: member.role,
        };
        Some(ConversationView {
            members: chat.view.members.iter().map(current).collect(),
            messages: self.messages_in(id).count() as u64,
            ..chat.view.clone()
        })
    }

    fn messages_in(&self, id: ConversationId) -> impl DoubleEndedIterator<Item = &Message> {
        let all = self.messages.values();
        all.filter(move |message| message.conversation == id)
    }

    /// A message as it should be found.
    pub(super) fn shown(&self, message: &Message) -> MessageView {
        let chat = &self.chats[&message.conversation];
        let mut others = chat.members.iter();
        MessageView {
            conversation: Arc::clone(&chat.view.conversation),
            sender: Arc::clone(&self.users[&message.sender]),
            message: message.clone(),
            seen: others.any(|(user, (_, read))| *user != message.sender && *read >= message.seq),
        }
    }

    pub(super) fn history(&self, id: ConversationId) -> Vec<MessageView> {
        let messages = self.messages_in(id);
        messages.map(|message| self.shown(message)).collect()
    }

    pub(super) fn conversations(&self, user: UserId) -> Vec<ConversationSummary> {
        let mine = self.chats.values().filter(|chat| chat.view.has(user));
        let mut all: Vec<_> = mine
            .filter_map(|chat| {
                let id = chat.view.conversation.id;
                let newest = self.messages_in(id).next_back()?;
                Some(ConversationSummary {
                    conversation: self.view(id)?,
                    messages: vec![self.shown(newest)],
                })
            })
            .collect();
        all.sort_by_key(|one| one.last_message.as_ref().unwrap().message.g);
        all.reverse();
        all
    }

    /// The names of the files that something refers to.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let picture = |picture: &Option<Picture>| match picture {
            Some(Picture::Media(media)) => Some(media.name.clone()),
            _ => None,
        };
        let users = self.users.values().map(|user| &user.profile.avatar);
        let chats = self.chats.values().map(|chat| &chat.view.details.avatar);
        let name = |media: &Media| media.name.clone();
        let sent = self.messages.values();
        let sent = sent.filter_map(|message| message.body.media.first().map(name));
        users.chain(chats).filter_map(picture).chain(sent).collect()
    }

    /// What the log of a place should tell of an event that was shown: the conversation, the people
    /// and what a message says are as they are now, and what is gone is not told.
    pub(super) fn told(&self, place: Topic, event: &Event) -> Option<Event> {
        let id = event.conversation().id;
        let chat = self.chats.get(&id)?;
        let is_there = match place {
            Topic::Conversation(place) => place == id,
            Topic::Person(user) => {
                let member = chat.members.get(&user);
                member.is_some_and(|(since, _)| event.g > *since)
            }
        };
        let view = self.view(id)?;
        let current = |shown: &MessageView| {
            let message = self.messages.get(&shown.message.g)?;
            Some(Arc::new(MessageView {
                seen: shown.seen,
                ..self.shown(message)
            }))
        };
        let happening = match &event.happening {
            Happening::MessageSent(shown) => Happening::MessageSent(current(shown)?),
            Happening::MessageEdited(shown) => Happening::MessageEdited(current(shown)?),
            Happening::MessageDeleted { message, by } => Happening::MessageDeleted {
                message: *message,
                by: *by,
            },
            Happening::Read { reader, message } => Happening::Read {
                reader: Arc::clone(self.users.get(&reader.id)?),
                message: *message,
            },
        };
        is_there.then(|| Event {
            scene: Scene {
                conversation: view.conversation,
                details: view.details,
                members: view.members,
            },
            happening,
            ..event.clone()
        })
    }
}

/// A store, and the ledger of what is committed to it.
pub(super) struct Tap {
    pub(super) store: Arc<dyn Store>,
    pub(super) ledger: Mutex<Ledger>,
}

impl Store for Tap {
    fn boot(&self, epoch: u32) -> Result<Vec<Boot>, Fault> {
        self.store.boot(epoch)
    }
    fn counters(&self) -> Result<Counters, Fault> {
        self.store.counters()
    }
    fn load(&self, need: &Need) -> Result<Found, Fault> {
        self.store.load(need)
    }
    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.store.commit(batch)?;
        let mut ledger = self.ledger.lock();
        batch.changes.iter().for_each(|change| ledger.apply(change));
        Ok(())
    }
    fn apps(&self) -> Result<Vec<App>, Fault> {
        self.store.apps()
    }
    fn key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, Fault> {
        self.store.key(hash)
    }
    fn keys(&self, app: AppId) -> Result<Vec<ApiKey>, Fault> {
        self.store.keys(app)
    }
    fn conversation(
        &self,
        app: AppId,
        name: &ConversationName,
    ) -> Result<Option<ConversationView>, Fault> {
        self.store.conversation(app, name)
    }
    fn conversations(
        &self,
        user: UserId,
        page: &ListPage,
    ) -> Result<(Vec<ConversationSummary>, u64), Fault> {
        self.store.conversations(user, page)
    }
    fn history(
        &self,
        conversation: &Arc<Conversation>,
        at: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        self.store.history(conversation, at, page)
    }
    fn missed(
        &self,
        user: UserId,
        after: G,
        up_to: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        self.store.missed(user, after, up_to, page)
    }
    fn contacts(
        &self,
        user: UserId,
        kind: ConversationKind,
        limit: u32,
    ) -> Result<Vec<UserId>, Fault> {
        self.store.contacts(user, kind, limit)
    }
    fn blocks(&self, user: UserId) -> Result<Vec<Arc<User>>, Fault> {
        self.store.blocks(user)
    }
    fn message(&self, app: AppId, uuid: Uuid) -> Result<Option<MessageView>, Fault> {
        self.store.message(app, uuid)
    }
    fn user(&self, app: AppId, name: &UserName) -> Result<Option<Arc<User>>, Fault> {
        self.store.user(app, name)
    }
    fn users(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>, Fault> {
        self.store.users(ids)
    }
    fn media(&self, name: &str) -> Result<Option<Media>, Fault> {
        self.store.media(name)
    }
    fn sessions(&self, pid_hashes: &[[u8; 32]]) -> Result<Vec<StoredSession>, Fault> {
        self.store.sessions(pid_hashes)
    }
    fn log(&self, place: Topic, after: G, up_to: G, limit: u32) -> Result<Vec<Arc<Event>>, Fault> {
        self.store.log(place, after, up_to, limit)
    }
    fn check(&self) -> Result<(), Fault> {
        self.store.check()
    }
    fn backup(&self, folder: &Path) -> Result<(), Fault> {
        self.store.backup(folder)
    }
}

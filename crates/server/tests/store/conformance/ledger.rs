//! What a store should hold, kept in the plainest way out of the batches that were committed to it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use chat::{
    App, AppId, Conversation, ConversationId, ConversationKind, ConversationView, Event, Fault, G,
    Happening, Media, Message, MessageView, SessionId, Store, StoredSession, Timestamp, Topic,
    User, UserId,
    event::{RoomHappening, Scene},
    model::{ApiKey, Details, Member, MemberRole, Picture, Quote, with_role},
    review::{Filter, Review},
    room::Ban,
    session,
    store::{
        Batch, Boot, Change, CommitError, ConversationName, ConversationSummary, Counters, Entry,
        Found, ListPage, Need, Newest, Numbers, Page, UserName,
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
    /// Who blocks whom since when.
    blocks: BTreeMap<(UserId, UserId), Timestamp>,
    /// Up to where what each missed was handed out.
    collected: HashMap<UserId, G>,
    pub(super) numbers: HashMap<AppId, Numbers>,
    pub(super) bans: BTreeMap<(ConversationId, UserId), Ban>,
    pub(super) votes: BTreeMap<(ConversationId, UserId), u32>,
}

pub(super) struct Chat {
    view: ConversationView,
    /// From which G on each member sees it, and up to where each has read.
    members: HashMap<UserId, (G, u64)>,
    /// Up to which G each does not list it.
    hidden: HashMap<UserId, G>,
}

fn id_of(chat: &Chat) -> ConversationId {
    chat.view.conversation.id
}

impl Ledger {
    #[expect(clippy::too_many_lines, reason = "one arm for each change")]
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::User(user) => {
                self.give(user.app, user.number, 0);
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
            Change::Inherited(id, heir) => self.set_role(*id, *heir, MemberRole::Owner),
            Change::RoomUpdated { .. }
            | Change::RoomNoted { .. }
            | Change::Banned(_)
            | Change::Unbanned(..)
            | Change::Voted { .. }
            | Change::VotesForgotten(_)
            | Change::RoleChanged(..)
            | Change::NumberGiven(..) => self.apply_to_room(change),
            Change::Blocked { .. }
            | Change::Unblocked { .. }
            | Change::MissedCollected { .. }
            | Change::ReadThrough { .. }
            | Change::ConversationHidden { .. } => self.apply_to_one(change),
            Change::Conversation(view) => {
                if let Some(numbers) = view.conversation.numbers {
                    let highest = numbers.channel.max(numbers.chatroom);
                    self.give(view.conversation.app, 0, highest);
                }
                let members = view.members.iter();
                let chat = Chat {
                    view: view.clone(),
                    members: members.map(|member| (member.user.id, (0, 0))).collect(),
                    hidden: HashMap::new(),
                };
                self.chats.insert(view.conversation.id, chat);
            }
            Change::ConversationUpdated { entry, details } => {
                self.log(entry).view.details = Arc::clone(details);
            }
            Change::ConversationDeleted(id, _) => {
                self.chats.remove(id);
                self.messages.retain(|_, row| row.conversation != *id);
                self.bans.retain(|(room, _), _| room != id);
                self.votes.retain(|(room, _), _| room != id);
                self.end_listening(|topic, _| topic == Topic::Conversation(*id));
            }
            Change::MemberAdded { entry, member } => {
                let chat = self.log(entry);
                chat.members.insert(member.user.id, (entry.g, 0));
                chat.hidden.remove(&member.user.id);
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
            // Nothing is told of these, and nobody's list shows them.
            Change::FilterAdded(_)
            | Change::FilterRemoved(..)
            | Change::ReviewOpened(_)
            | Change::Reported { .. }
            | Change::ReviewClosed(_) => {}
            Change::App(_) | Change::Key(_) | Change::KeyRevoked(..) | Change::Erased(..) => {}
            Change::WrittenErased(..) => unreachable!("nobody here asks for it"),
        }
    }

    /// What only rooms have.
    fn apply_to_room(&mut self, change: &Change) {
        match change {
            Change::RoomUpdated { conversation, room } => {
                let chat = self.chats.get_mut(conversation).unwrap();
                chat.view.details = Arc::new(Details {
                    room: Some(Arc::clone(room)),
                    ..Details::clone(&chat.view.details)
                });
            }
            Change::RoomNoted { entry, .. } => {
                self.log(entry);
            }
            Change::Banned(ban) => {
                self.bans.insert((ban.conversation, ban.user), *ban);
            }
            Change::Unbanned(room, user) => {
                self.bans.remove(&(*room, *user));
            }
            Change::Voted {
                conversation,
                user,
                option,
            } => {
                self.votes.insert((*conversation, *user), *option);
            }
            Change::VotesForgotten(room) => self.votes.retain(|(at, _), _| at != room),
            Change::RoleChanged(room, user, role) => self.set_role(*room, *user, *role),
            Change::NumberGiven(app, number) => self.give(*app, 0, *number),
            other => panic!("{other:?} concerns others too"),
        }
    }

    fn set_role(&mut self, id: ConversationId, user: UserId, role: MemberRole) {
        let chat = self.chats.get_mut(&id).unwrap();
        chat.view.members = with_role(&chat.view.members, user, role);
    }

    fn give(&mut self, app: AppId, user: i64, room: i64) {
        let given = self.numbers.entry(app).or_default();
        given.user = given.user.max(user);
        given.room = given.room.max(room);
    }

    /// What concerns one user alone.
    fn apply_to_one(&mut self, change: &Change) {
        match change {
            Change::Blocked { user, whom, at } => {
                self.blocks.insert((*user, *whom), *at);
            }
            Change::Unblocked { user, whom } => {
                self.blocks.remove(&(*user, *whom));
            }
            Change::MissedCollected { user, up_to } => {
                self.collected.insert(*user, *up_to);
            }
            Change::ReadThrough {
                conversation,
                reader,
                seq,
            } => {
                let chat = self.chats.get_mut(conversation).unwrap();
                if let Some((_, read)) = chat.members.get_mut(reader) {
                    *read = (*read).max(*seq);
                }
            }
            Change::ConversationHidden {
                conversation,
                user,
                up_to,
            } => {
                let chat = self.chats.get_mut(conversation).unwrap();
                chat.hidden.insert(*user, *up_to);
            }
            other => panic!("{other:?} concerns others too"),
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
        chat.view.members = members.into();
        if let Some(heir) = heir {
            self.set_role(entry.conversation, heir, MemberRole::Owner);
        }
        let place = Topic::Conversation(entry.conversation);
        self.end_listening(|topic, whose| topic == place && whose == Some(user));
    }

    fn delete_user(&mut self, id: UserId) {
        self.users.remove(&id);
        self.blocks
            .retain(|(who, whom), _| *who != id && *whom != id);
        self.messages.retain(|_, row| row.sender != id);
        self.bans.retain(|(_, user), _| *user != id);
        self.votes.retain(|(_, user), _| *user != id);
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
            messages: self.listed_in(id).count() as u64,
            ..chat.view.clone()
        })
    }

    /// The messages in a conversation but for those that were cleared from it.
    fn listed_in(&self, id: ConversationId) -> impl DoubleEndedIterator<Item = &Message> {
        let room = self.chats.get(&id).and_then(|chat| chat.view.room());
        let cleared = room.map_or(0, |room| room.cleared_g);
        let all = self.messages.values();
        all.filter(move |message| message.conversation == id && message.g > cleared)
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
            quoted: self.quoted(message),
        }
    }

    fn quoted(&self, message: &Message) -> Option<Arc<Quote>> {
        let answered = message.body.reply_to?;
        let mut all = self.messages.values();
        let answered = all.find(|message| message.uuid == answered)?;
        Some(Arc::new(Quote {
            message: answered.uuid,
            sender: Arc::clone(&self.users[&answered.sender]),
            text: answered.body.text.clone(),
        }))
    }

    /// What ends in rooms, and when.
    pub(super) fn due(&self) -> (BTreeSet<(Timestamp, ConversationId)>, Vec<Ban>) {
        let rooms = self.chats.values().filter_map(|chat| {
            let at = chat.view.room()?.due()?;
            Some((at, id_of(chat)))
        });
        let mut bans: Vec<_> = self.bans.values().copied().collect();
        bans.retain(|ban| ban.until.is_some());
        bans.sort_by_key(|ban| ban.until);
        (rooms.collect(), bans)
    }

    /// Who wrote in a conversation since a time, and when last.
    pub(super) fn wrote(
        &self,
        id: ConversationId,
        since: Timestamp,
    ) -> BTreeMap<UserId, Timestamp> {
        let all = self.messages.values();
        let late = all.filter(|message| message.conversation == id && message.created_at >= since);
        late.map(|message| (message.sender, message.created_at))
            .collect()
    }

    pub(super) fn history(&self, id: ConversationId) -> Vec<MessageView> {
        let messages = self.listed_in(id);
        messages.map(|message| self.shown(message)).collect()
    }

    /// The conversations in which somebody is and something was said, those with the newest first.
    fn spoken(&self, user: UserId, kind: Option<ConversationKind>) -> Vec<(G, &Chat)> {
        let is_meant = |chat: &&Chat| {
            let is_kind = kind.is_none_or(|kind| kind == chat.view.conversation.kind);
            chat.view.has(user) && is_kind
        };
        let mine = self.chats.values().filter(is_meant);
        let with_newest = |chat| {
            let newest = self.listed_in(id_of(chat)).next_back()?;
            Some((newest.g, chat))
        };
        let mut all: Vec<_> = mine.filter_map(with_newest).collect();
        all.sort_by_key(|(newest, _)| Reverse(*newest));
        all
    }

    /// All that somebody lists, with all messages.
    pub(super) fn conversations(
        &self,
        user: UserId,
        kind: Option<ConversationKind>,
    ) -> Vec<ConversationSummary> {
        let mut all = self.spoken(user, kind);
        all.retain(|(newest, chat)| chat.hidden.get(&user) < Some(newest));
        let summary = |(_, chat)| ConversationSummary {
            conversation: self.view(id_of(chat)).unwrap(),
            messages: self.history(id_of(chat)),
        };
        all.into_iter().map(summary).collect()
    }

    /// With whom somebody talks in conversations of two.
    pub(super) fn contacts(&self, user: UserId, kind: ConversationKind) -> Vec<UserId> {
        let other = |(_, chat): (G, &Chat)| chat.view.other(user).map(|other| other.id);
        let mut contacts = Vec::new();
        for other in self.spoken(user, Some(kind)).into_iter().filter_map(other) {
            if !contacts.contains(&other) {
                contacts.push(other);
            }
        }
        contacts
    }

    /// What others wrote to somebody who was not there.
    pub(super) fn missed(&self, user: UserId, after: G, up_to: G) -> Vec<MessageView> {
        let is_missed = |message: &&Message| {
            let is_member = self.chats[&message.conversation].view.has(user);
            let is_others = message.recipient_online == Some(false) && message.sender != user;
            is_member && is_others && after < message.g && message.g <= up_to
        };
        let missed = self.messages.values().filter(is_missed);
        missed.map(|message| self.shown(message)).collect()
    }

    /// Whom somebody blocks, the latest last.
    pub(super) fn blocks(&self, user: UserId) -> Vec<Arc<User>> {
        let own = self.blocks.iter().filter(|((who, _), _)| *who == user);
        let mut own: Vec<_> = own.map(|((_, whom), at)| (*at, *whom)).collect();
        own.sort_unstable();
        let user = |(_, whom)| Arc::clone(&self.users[&whom]);
        own.into_iter().map(user).collect()
    }

    pub(super) fn collected_up_to(&self, user: UserId) -> G {
        self.collected.get(&user).copied().unwrap_or(0)
    }

    pub(super) fn newest_of_others(&self, id: ConversationId, user: UserId) -> Option<Newest> {
        let chat = self.chats.get(&id);
        let read = chat.and_then(|chat| chat.members.get(&user));
        let read = read.map_or(0, |(_, seq)| *seq);
        let mut of_others = self
            .listed_in(id)
            .filter(|message| message.sender != user && message.seq > read);
        of_others.next_back().map(|message| Newest {
            seq: message.seq,
            uuid: message.uuid,
        })
    }

    /// The names of the files that something refers to.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let picture = |picture: &Option<Picture>| match picture {
            Some(Picture::Media(media)) => Some(media.name.clone()),
            _ => None,
        };
        let users = self.users.values().map(|user| &user.profile.avatar);
        let chats = self.chats.values().map(|chat| &chat.view.details.avatar);
        let names = |media: &Media| {
            let small = media.thumbnail.as_ref().map(|small| small.name.clone());
            [Some(media.name.clone()), small].into_iter().flatten()
        };
        let sent = self.messages.values();
        let sent = sent.flat_map(|message| message.body.media.iter().flat_map(names));
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
            Happening::Room(happening) => Happening::Room(self.told_of_room(happening)?),
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

    fn told_of_room(&self, happening: &RoomHappening) -> Option<RoomHappening> {
        let now = |user: &Arc<User>| self.users.get(&user.id).map(Arc::clone);
        Some(match happening.clone() {
            RoomHappening::Banned {
                user,
                by,
                until,
                minutes,
            } => RoomHappening::Banned {
                user: now(&user)?,
                by: by.as_ref().and_then(now),
                until,
                minutes,
            },
            RoomHappening::Unbanned {
                user,
                by,
                permanent,
            } => RoomHappening::Unbanned {
                user: now(&user)?,
                by: by.as_ref().and_then(now),
                permanent,
            },
            RoomHappening::Pinned {
                message,
                by,
                seconds,
            } => RoomHappening::Pinned {
                message: Arc::new(MessageView {
                    // Whether somebody had read it is of no matter.
                    seen: false,
                    ..self.shown(self.messages.get(&message.message.g)?)
                }),
                by: by.as_ref().and_then(now),
                seconds,
            },
            RoomHappening::News(news) => RoomHappening::News(news),
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
    fn vote(&self, room: ConversationId, user: UserId) -> Result<Option<u32>, Fault> {
        self.store.vote(room, user)
    }
    fn filters(&self, app: AppId) -> Result<Vec<Arc<Filter>>, Fault> {
        self.store.filters(app)
    }
    fn reviews(
        &self,
        app: AppId,
        room: Option<ConversationId>,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<Arc<Review>>, Fault> {
        self.store.reviews(app, room, offset, limit)
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

//! A store in memory, as simple as can be, which fails when it is told to.

// By its path, because the simulation of the server includes this file from elsewhere.
#[path = "model/reviews.rs"]
mod reviews;
#[path = "model/rooms.rs"]
mod rooms;
#[path = "model/sessions.rs"]
mod sessions;

use std::{collections::HashMap, sync::Arc};

use chat::{
    AppId, Conversation, ConversationId, ConversationKind, ConversationView, Event, Fault, G,
    Happening, Media, MessageView, Store, StoredSession, Topic, User, UserId,
    event::Scene,
    model::{ApiKey, App, MemberRole},
    review::{Filter, Review},
    room::{Ban, RoomNote},
    store::{
        Batch, Boot, Change, CommitError, ConversationName, ConversationSummary, Counters, Entry,
        Found, ListPage, Need, Newest, Numbers, Page, UserName,
    },
};
use parking_lot::Mutex;
use uuid::Uuid;

use self::rooms::{cleared, is_room};

/// How the next commit goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    RolledBack,
    UnknownButStored,
    UnknownAndNotStored,
}

#[derive(Default)]
pub(crate) struct Model {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Rows,
    next_commit: Option<Failure>,
    loads_fail: bool,
    loads: usize,
    commits: usize,
}

/// What is stored.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) boots: Vec<Boot>,
    pub(crate) counters: Counters,
    pub(crate) apps: Vec<Arc<App>>,
    pub(crate) keys: Vec<ApiKey>,
    pub(crate) users: Vec<Arc<User>>,
    pub(crate) conversations: Vec<ConversationView>,
    pub(crate) messages: Vec<Arc<MessageView>>,
    pub(crate) reads: Vec<(ConversationId, UserId, u64)>,
    /// Deleted conversations, and how much is left of each.
    pub(crate) leftovers: Vec<(ConversationId, usize)>,
    /// Whose conversations were looked through, and up to which entry; the newest last.
    pub(crate) searched: Vec<(UserId, ConversationId, u64)>,
    /// Who blocks whom.
    pub(crate) blocks: Vec<(UserId, UserId)>,
    /// Up to where what each missed was handed out, the newest last.
    pub(crate) collected: Vec<(UserId, G)>,
    /// Up to where each does not list it, the newest last.
    pub(crate) hidden: Vec<(ConversationId, UserId, G)>,
    pub(crate) sessions: Vec<StoredSession>,
    /// The highest numbers given in each app.
    pub(crate) numbers: HashMap<AppId, Numbers>,
    pub(crate) bans: Vec<Ban>,
    pub(crate) votes: Vec<(ConversationId, UserId, u32)>,
    /// The log of rooms beside messages.
    pub(crate) notes: Vec<(Entry, RoomNote)>,
    pub(crate) filters: Vec<Arc<Filter>>,
    pub(crate) reviews: Vec<Arc<Review>>,
    pub(crate) last_commit: Vec<Change>,
}

impl Model {
    pub(crate) fn rows(&self) -> Rows {
        self.look(Rows::clone)
    }

    /// What `at` says of what is stored.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Rows) -> T) -> T {
        at(&self.state.lock().rows)
    }

    pub(crate) fn fail_next_commit(&self, failure: Failure) {
        self.state.lock().next_commit = Some(failure);
    }

    /// The next commit goes well, whatever was said before.
    pub(crate) fn forget_failure(&self) {
        self.state.lock().next_commit = None;
    }

    pub(crate) fn fail_loads(&self, fail: bool) {
        self.state.lock().loads_fail = fail;
    }

    pub(crate) fn loads(&self) -> usize {
        self.state.lock().loads
    }

    pub(crate) fn commits(&self) -> usize {
        self.state.lock().commits
    }
}

impl Rows {
    #[expect(clippy::too_many_lines, reason = "one arm for each need")]
    fn find(&self, need: &Need) -> Found {
        match need {
            Need::User(app, text) => {
                let is_it = |user: &&Arc<User>| user.app == *app && user.external.text == *text;
                Found::User(self.users.iter().find(is_it).cloned())
            }
            Need::UserByUuid(app, uuid) => {
                let is_it = |user: &&Arc<User>| (user.app, user.uuid) == (*app, *uuid);
                Found::User(self.users.iter().find(is_it).cloned())
            }
            Need::Message(app, uuid) => {
                let is_it = |view: &&Arc<MessageView>| {
                    (view.conversation.app, view.message.uuid) == (*app, *uuid)
                };
                let message = self.messages.iter().find(is_it);
                let with_view = |view: &Arc<MessageView>| {
                    let conversation = self.view(view.conversation.id)?;
                    Some((Arc::clone(view), conversation.clone()))
                };
                Found::Message(message.and_then(with_view))
            }
            Need::ReadUpTo(conversation, user) => {
                let of =
                    |(a, b, _): &&(ConversationId, UserId, u64)| (a, b) == (conversation, user);
                let read = self.reads.iter().filter(of).map(|(_, _, seq)| *seq);
                Found::ReadUpTo(read.max().unwrap_or(0))
            }
            Need::HeirsOf(user) => {
                let heir = |view: &ConversationView| {
                    let owner = view.member(*user)?;
                    let heir = rooms::heir(view, *user)?;
                    (owner.role == MemberRole::Owner).then_some((view.conversation.id, heir))
                };
                Found::Heirs(self.conversations.iter().filter_map(heir).collect())
            }
            Need::Unsearched(user) => {
                let places = self.unsearched(*user).into_iter();
                Found::Unsearched(places.map(|(_, from, to)| to - from).sum())
            }
            Need::NewestOfOthers(conversation, user) => {
                let is_meant = |view: &&Arc<MessageView>| {
                    view.conversation.id == *conversation && view.sender.id != *user
                };
                let newest = self.messages.iter().rev().find(is_meant);
                Found::Newest(newest.map(|view| Newest {
                    seq: view.message.seq,
                    uuid: view.message.uuid,
                }))
            }
            Need::Blocks(user) => {
                let own = self.blocks.iter().filter(|(who, _)| who == user);
                Found::Users(own.map(|(_, whom)| *whom).collect())
            }
            Need::CollectedUpTo(user) => {
                let mut own = self.collected.iter().rev();
                let last = own.find(|(who, _)| who == user);
                Found::CollectedUpTo(last.map_or(0, |(_, up_to)| *up_to))
            }
            Need::ConversationsOf(user) => {
                let mine = self.conversations.iter().filter(|view| view.has(*user));
                Found::Conversations(mine.map(|view| view.conversation.id).collect())
            }
            Need::ConversationByKey(app, kind, key) => self.find_conversation(|conversation| {
                (
                    conversation.app,
                    conversation.kind,
                    conversation.key.as_ref(),
                ) == (*app, *kind, Some(key))
            }),
            Need::ConversationByUuid(app, uuid) => self.find_conversation(|conversation| {
                (conversation.app, conversation.uuid) == (*app, *uuid)
            }),
            Need::Sent(conversation, sender, client_id) => {
                let is_it = |view: &&Arc<MessageView>| {
                    let message = &view.message;
                    (
                        message.conversation,
                        message.sender,
                        message.client_id.as_ref(),
                    ) == (*conversation, *sender, Some(client_id))
                };
                Found::Sent(self.messages.iter().find(is_it).cloned())
            }
            Need::AppByName(name) => {
                Found::App(self.apps.iter().find(|app| app.name == *name).cloned())
            }
            Need::Key(id) => {
                let key = self.keys.iter().find(|key| key.id == *id);
                Found::Key(key.cloned().map(Arc::new))
            }
            Need::Session(id) => Found::Session(self.session(id.0).cloned().map(Arc::new)),
            Need::UsersCalled(..)
            | Need::Numbers(_)
            | Need::Room(..)
            | Need::Ban(..)
            | Need::WroteSince(..)
            | Need::Vote(..)
            | Need::Due(..) => self.find_in_rooms(need),
            Need::Filters(_)
            | Need::Review(..)
            | Need::ReviewOf(..)
            | Need::HeldAs(..)
            | Need::OpenReviews(_) => self.find_in_reviews(need),
            Need::Leftover => Found::Leftover(self.leftovers.first().map(|(id, _)| *id)),
            Need::SessionsSeenBefore(time, limit) => {
                let mut old: Vec<_> = self.sessions.iter().collect();
                old.retain(|row| row.seen_at < *time);
                old.sort_by_key(|row| row.seen_at);
                old.truncate(*limit as usize);
                Found::Sessions(old.into_iter().map(|row| row.seed.id).collect())
            }
        }
    }

    pub(crate) fn view(&self, id: ConversationId) -> Option<&ConversationView> {
        let mut all = self.conversations.iter();
        all.find(|view| view.conversation.id == id)
    }

    fn view_mut(&mut self, id: ConversationId) -> &mut ConversationView {
        let mut all = self.conversations.iter_mut();
        all.find(|view| view.conversation.id == id).unwrap()
    }

    /// Moves a conversation to a new entry of its log.
    fn log(&mut self, entry: &Entry) -> &mut ConversationView {
        let view = self.view_mut(entry.conversation);
        assert_eq!(
            entry.seq,
            view.last_seq + 1,
            "sequence numbers have no holes"
        );
        view.last_seq = entry.seq;
        view.last_g = entry.g;
        view.updated_at = entry.at;
        view
    }

    fn find_conversation(&self, is_it: impl Fn(&Conversation) -> bool) -> Found {
        let mut all = self.conversations.iter();
        Found::Conversation(all.find(|view| is_it(&view.conversation)).cloned())
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each change")]
    fn apply(&mut self, batch: &Batch) {
        self.counters.last_g = self.counters.last_g.max(batch.last_g);
        for change in &batch.changes {
            self.apply_to_sessions(change);
            let counters = &mut self.counters;
            match change {
                Change::User(user) => {
                    counters.last_user = user.id.0;
                    counters.last_uuid = user.uuid;
                    let numbers = self.numbers.entry(user.app).or_default();
                    assert!(user.number > numbers.user, "numbers of users rise");
                    numbers.user = user.number;
                    let mut others = self.users.iter();
                    assert!(
                        others.all(|row| (row.app, &row.external) != (user.app, &user.external)),
                        "an app's own id names one user"
                    );
                    self.users.push(Arc::clone(user));
                }
                Change::UserUpdated(user) => {
                    let row = self.users.iter_mut().find(|row| row.id == user.id);
                    *row.unwrap() = Arc::clone(user);
                }
                Change::UserWentOffline(id, at) => {
                    for user in self.users.iter_mut().filter(|user| user.id == *id) {
                        Arc::make_mut(user).last_active = *at;
                    }
                }
                Change::UserDeleted(id, _) => self.delete_user(*id),
                Change::WrittenErased(id, entries) => self.erase_written(*id, *entries),
                Change::Inherited(id, heir) => {
                    let view = self.view_mut(*id);
                    let mut members = view.members.to_vec();
                    let heir = members.iter_mut().find(|member| member.user.id == *heir);
                    heir.unwrap().role = MemberRole::Owner;
                    view.members = members.into();
                }
                Change::Blocked { user, whom, .. } => {
                    assert!(!self.blocks.contains(&(*user, *whom)), "once");
                    self.blocks.push((*user, *whom));
                }
                Change::Unblocked { user, whom } => {
                    assert!(self.blocks.contains(&(*user, *whom)), "it was there");
                    self.blocks.retain(|block| *block != (*user, *whom));
                }
                Change::MissedCollected { user, up_to } => self.collected.push((*user, *up_to)),
                Change::ReadThrough {
                    conversation,
                    reader,
                    seq,
                } => self.reads.push((*conversation, *reader, *seq)),
                Change::ConversationHidden {
                    conversation,
                    user,
                    up_to,
                } => self.hidden.push((*conversation, *user, *up_to)),
                Change::Conversation(view) => {
                    counters.last_conversation = view.conversation.id.0;
                    counters.last_uuid = view.conversation.uuid;
                    if let Some(given) = view.conversation.numbers {
                        self.give(view.conversation.app, given.chatroom);
                    }
                    self.conversations.push(view.clone());
                }
                Change::ConversationUpdated { entry, details } => {
                    self.log(entry).details = Arc::clone(details);
                }
                Change::ConversationDeleted(id, _) => {
                    self.conversations
                        .retain(|view| view.conversation.id != *id);
                    let before = self.messages.len();
                    self.messages.retain(|view| view.conversation.id != *id);
                    self.leftovers.push((*id, before - self.messages.len()));
                    self.bans.retain(|ban| ban.conversation != *id);
                    self.forget_reviews(|review| review.conversation.id == *id);
                    self.votes.retain(|(room, ..)| room != id);
                }
                Change::Erased(id, rows) => {
                    for (_, left) in self.leftovers.iter_mut().filter(|(own, _)| own == id) {
                        *left = left.saturating_sub(*rows as usize);
                    }
                    self.leftovers.retain(|(_, left)| *left > 0);
                }
                Change::MemberAdded { entry, member } => {
                    let view = self.log(entry);
                    let members = view.members.iter().chain([member]);
                    view.members = members.cloned().collect();
                }
                Change::MemberRemoved { entry, user, heir } => {
                    let view = self.log(entry);
                    let mut members = view.members.to_vec();
                    members.retain(|member| member.user.id != *user);
                    for member in &mut members {
                        if Some(member.user.id) == *heir {
                            member.role = MemberRole::Owner;
                        }
                    }
                    view.members = members.into();
                }
                Change::MessageEdited { entry, message } => {
                    self.log(entry);
                    let mut rows = self.messages.iter_mut();
                    let row = rows.find(|row| row.message.g == message.message.g);
                    *row.unwrap() = Arc::clone(message);
                }
                Change::MessageDeleted { entry, message } => {
                    self.log(entry).messages -= 1;
                    self.messages
                        .retain(|row| row.message.g != message.message.g);
                    let g = message.message.g;
                    self.forget_reviews(|review| reviews::is_of(review, g));
                }
                Change::Read {
                    entry, reader, seq, ..
                } => {
                    self.log(entry);
                    self.reads.push((entry.conversation, *reader, *seq));
                }
                Change::Message(view) => {
                    let message = &view.message;
                    counters.last_uuid = message.uuid;
                    self.messages.push(Arc::clone(view));
                    let state = self.view_mut(message.conversation);
                    assert_eq!(message.seq, state.last_seq + 1, "nor with messages");
                    state.last_seq = message.seq;
                    state.last_g = message.g;
                    state.messages += 1;
                    state.updated_at = message.created_at;
                    state.last_message_at = Some(message.created_at);
                }
                Change::RoomUpdated { .. }
                | Change::RoomNoted { .. }
                | Change::Banned(_)
                | Change::Unbanned(..)
                | Change::Voted { .. }
                | Change::VotesForgotten(_)
                | Change::RoleChanged(..)
                | Change::NumberGiven(..) => self.apply_to_rooms(change),
                Change::FilterAdded(_)
                | Change::FilterRemoved(..)
                | Change::ReviewOpened(_)
                | Change::Reported { .. }
                | Change::ReviewClosed(_) => self.apply_to_reviews(change),
                Change::Subscription { .. }
                | Change::SessionBegun(_)
                | Change::Unsubscription { .. }
                | Change::SessionsSeen { .. }
                | Change::SessionEnded(_) => {}
                Change::App(app) => {
                    counters.last_app = app.id.0;
                    self.apps.push(Arc::clone(app));
                }
                Change::Key(key) => {
                    counters.last_key = key.id.0;
                    self.keys.push(ApiKey::clone(key));
                }
                Change::KeyRevoked(id, at) => {
                    for key in self.keys.iter_mut().filter(|key| key.id == *id) {
                        key.revoked_at = Some(*at);
                    }
                }
            }
        }
        self.last_commit.clone_from(&batch.changes);
    }

    /// Everything that the user wrote and belonged to; the id names nobody any longer.
    /// Where a user is, up to where it was looked through for what the user wrote, and its end.
    fn unsearched(&self, id: UserId) -> Vec<(ConversationId, u64, u64)> {
        let mine = self.conversations.iter().filter(|view| view.has(id));
        mine.map(|view| {
            let place = view.conversation.id;
            let mut searched = self.searched.iter().rev();
            let from = searched.find(|(who, of, _)| (*who, *of) == (id, place));
            (place, from.map_or(0, |(.., seq)| *seq), view.last_seq)
        })
        .collect()
    }

    fn erase_written(&mut self, id: UserId, entries: u32) {
        let mut left = u64::from(entries);
        for (place, from, to) in self.unsearched(id) {
            let to = to.min(from + left);
            left -= to - from;
            let before = self.messages.len();
            self.messages.retain(|row| {
                let message = &row.message;
                (message.conversation, message.sender) != (place, id)
                    || !(from + 1..=to).contains(&message.seq)
            });
            let gone = before - self.messages.len();
            self.view_mut(place).messages -= gone as u64;
            self.searched.push((id, place, to));
        }
    }

    fn delete_user(&mut self, id: UserId) {
        self.users.retain(|user| user.id != id);
        for view in &mut self.conversations {
            let conversation = view.conversation.id;
            let wrote = |row: &Arc<MessageView>| {
                row.message.conversation == conversation && row.message.sender == id
            };
            let counts = |row: &&Arc<MessageView>| wrote(row) && row.message.g > cleared(view);
            view.messages -= self.messages.iter().filter(counts).count() as u64;
            let stays = view.members.iter().filter(|member| member.user.id != id);
            view.members = stays.cloned().collect();
        }
        self.messages.retain(|row| row.message.sender != id);
        self.blocks.retain(|(who, whom)| *who != id && *whom != id);
        self.bans.retain(|ban| ban.user != id);
        self.forget_reviews(|review| review.sender.id == id);
        self.votes.retain(|(_, user, _)| *user != id);
    }

    fn newest_in(&self, id: ConversationId) -> Option<G> {
        let mut newest_first = self.messages.iter().rev();
        let newest = newest_first.find(|row| row.conversation.id == id)?;
        Some(newest.message.g)
    }

    fn is_hidden(&self, id: ConversationId, user: UserId) -> bool {
        let mut hidden = self.hidden.iter().rev();
        let up_to = hidden.find(|(place, who, _)| (*place, *who) == (id, user));
        up_to.is_some_and(|(.., up_to)| self.newest_in(id) <= Some(*up_to))
    }
}

impl Store for Model {
    fn boot(&self, epoch: u32) -> Result<Vec<Boot>, Fault> {
        let rows = &mut self.state.lock().rows;
        let first_g = rows.counters.last_g + 1;
        rows.boots.push(Boot { epoch, first_g });
        Ok(rows.boots.clone())
    }

    fn counters(&self) -> Result<Counters, Fault> {
        Ok(self.state.lock().rows.counters)
    }

    fn load(&self, need: &Need) -> Result<Found, Fault> {
        let mut state = self.state.lock();
        state.loads += 1;
        if state.loads_fail {
            return Err(Fault::new("loading", "told to fail"));
        }
        Ok(state.rows.find(need))
    }

    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut state = self.state.lock();
        state.commits += 1;
        let fault = || Fault::new("committing", "told to fail");
        match state.next_commit.take() {
            None => {
                state.rows.apply(batch);
                Ok(())
            }
            Some(Failure::RolledBack) => Err(CommitError::RolledBack(fault())),
            Some(Failure::UnknownButStored) => {
                state.rows.apply(batch);
                Err(CommitError::Unknown(fault()))
            }
            Some(Failure::UnknownAndNotStored) => Err(CommitError::Unknown(fault())),
        }
    }

    fn apps(&self) -> Result<Vec<App>, Fault> {
        Ok(self.look(|rows| rows.apps.iter().map(|app| App::clone(app)).collect()))
    }

    fn key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, Fault> {
        Ok(self.look(|rows| rows.keys.iter().find(|key| key.hash == *hash).cloned()))
    }

    fn keys(&self, app: AppId) -> Result<Vec<ApiKey>, Fault> {
        let of_app = |key: &&ApiKey| key.app == app;
        Ok(self.look(|rows| rows.keys.iter().filter(of_app).cloned().collect()))
    }

    fn conversation(
        &self,
        app: AppId,
        name: &ConversationName,
    ) -> Result<Option<ConversationView>, Fault> {
        let is_it = |view: &&ConversationView| match name {
            ConversationName::Uuid(uuid) => view.conversation.uuid == *uuid,
            ConversationName::Id(id) => view.conversation.id == *id,
            ConversationName::Key(kind, key) => {
                let found = &view.conversation;
                (found.kind, found.key.as_ref()) == (*kind, Some(key))
            }
            ConversationName::Room(name) => is_room(&view.conversation, name),
        };
        let is_own = |view: &&ConversationView| view.conversation.app == app;
        Ok(self.look(|rows| {
            let mut own = rows.conversations.iter().filter(is_own);
            own.find(is_it).cloned()
        }))
    }

    fn conversations(
        &self,
        user: UserId,
        page: &ListPage,
    ) -> Result<(Vec<ConversationSummary>, u64), Fault> {
        let rows = self.rows();
        let is_listed = |view: &&ConversationView| {
            let id = view.conversation.id;
            let is_meant = page.kind.is_none_or(|kind| kind == view.conversation.kind);
            view.has(user) && view.messages > 0 && is_meant && !rows.is_hidden(id, user)
        };
        let mut own: Vec<_> = rows.conversations.iter().filter(is_listed).collect();
        own.sort_by_key(|view| std::cmp::Reverse(rows.newest_in(view.conversation.id)));
        let total = own.len() as u64;
        let chosen = own.into_iter().skip(usize::try_from(page.offset).unwrap());
        let summary = |view: &ConversationView| {
            Ok(ConversationSummary {
                conversation: view.clone(),
                messages: self.history(&view.conversation, G::MAX, &page.messages)?,
            })
        };
        let all: Result<_, _> = chosen.take(page.limit as usize).map(summary).collect();
        Ok((all?, total))
    }

    fn history(
        &self,
        conversation: &Arc<Conversation>,
        at: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        let here = |view: &&Arc<MessageView>| {
            view.message.conversation == conversation.id && view.message.g <= at
        };
        let mut found: Vec<_> = self.look(|rows| {
            let cleared = rows.view(conversation.id).map_or(0, cleared);
            let here = |view: &&Arc<MessageView>| here(view) && view.message.g > cleared;
            let newest_first = rows.messages.iter().rev().filter(here);
            let found = newest_first
                .skip(usize::try_from(page.offset).unwrap())
                .take(page.limit as usize);
            found.map(|view| MessageView::clone(view)).collect()
        });
        found.reverse();
        Ok(found)
    }

    fn missed(
        &self,
        user: UserId,
        after: G,
        up_to: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        Ok(self.look(|rows| {
            let is_missed = |view: &&Arc<MessageView>| {
                let message = &view.message;
                let is_between = after < message.g && message.g <= up_to;
                let is_member = rows.view(message.conversation).unwrap().has(user);
                let is_others = message.sender != user && message.recipient_online == Some(false);
                is_between && is_member && is_others
            };
            let missed: Vec<_> = rows.messages.iter().filter(is_missed).collect();
            let offset = usize::try_from(page.offset).unwrap();
            let newest_first = missed.into_iter().rev().skip(offset);
            let page = newest_first.take(page.limit as usize);
            let mut page: Vec<_> = page.map(|view| MessageView::clone(view)).collect();
            page.reverse();
            page
        }))
    }

    fn contacts(&self, _: UserId, _: ConversationKind, _: u32) -> Result<Vec<UserId>, Fault> {
        // No rule asks for them.
        Err(Fault::new(
            "listing contacts",
            "a model has no list of them",
        ))
    }

    fn blocks(&self, user: UserId) -> Result<Vec<Arc<User>>, Fault> {
        Ok(self.look(|rows| {
            let own = rows.blocks.iter().filter(|(who, _)| *who == user);
            let row = |(_, whom): &(UserId, UserId)| {
                rows.users.iter().find(|row| row.id == *whom).cloned()
            };
            own.filter_map(row).collect()
        }))
    }

    fn filters(&self, app: AppId) -> Result<Vec<Arc<Filter>>, Fault> {
        Ok(self.look(|rows| rows.filters_of(app)))
    }

    fn reviews(
        &self,
        app: AppId,
        room: Option<ConversationId>,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<Arc<Review>>, Fault> {
        Ok(self.look(|rows| rows.waiting(app, room, offset, limit)))
    }

    fn vote(&self, room: ConversationId, user: UserId) -> Result<Option<u32>, Fault> {
        Ok(self.look(|rows| rows.vote(room, user)))
    }

    fn message(&self, app: AppId, uuid: Uuid) -> Result<Option<MessageView>, Fault> {
        let is_it =
            |view: &&Arc<MessageView>| (view.conversation.app, view.message.uuid) == (app, uuid);
        Ok(self.look(|rows| {
            let found = rows.messages.iter().find(is_it);
            found.map(|row| MessageView::clone(row))
        }))
    }

    fn users(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>, Fault> {
        Ok(self.look(|rows| {
            let users = rows.users.iter().filter(|user| ids.contains(&user.id));
            users.cloned().collect()
        }))
    }
    fn user(&self, app: AppId, name: &UserName) -> Result<Option<Arc<User>>, Fault> {
        let is_it = |user: &&Arc<User>| match name {
            UserName::External(text) => user.external.text == *text,
            UserName::Uuid(uuid) => user.uuid == *uuid,
            UserName::Id(id) => user.id == *id,
        };
        Ok(self.look(|rows| {
            let mut own = rows.users.iter().filter(|user| user.app == app);
            own.find(is_it).cloned()
        }))
    }

    fn media(&self, _: &str) -> Result<Option<Media>, Fault> {
        Ok(None)
    }

    fn sessions(&self, pid_hashes: &[[u8; 32]]) -> Result<Vec<StoredSession>, Fault> {
        let is_one = |row: &&StoredSession| pid_hashes.contains(&row.seed.pid_hash);
        Ok(self.look(|rows| rows.sessions.iter().filter(is_one).cloned().collect()))
    }

    fn log(&self, place: Topic, after: G, up_to: G, limit: u32) -> Result<Vec<Arc<Event>>, Fault> {
        Ok(self.look(|rows| {
            let here = |view: &&Arc<MessageView>| match place {
                Topic::Conversation(id) => view.conversation.id == id,
                Topic::Person(user) => rows.view(view.conversation.id).unwrap().has(user),
            };
            let event = |view: &Arc<MessageView>| {
                let place = rows.view(view.conversation.id).unwrap();
                Arc::new(Event {
                    g: view.message.g,
                    at: view.message.created_at,
                    origin: view.message.origin,
                    scene: Scene {
                        conversation: Arc::clone(&place.conversation),
                        details: Arc::clone(&place.details),
                        members: Arc::clone(&place.members),
                    },
                    happening: Happening::MessageSent(Arc::clone(view)),
                })
            };
            let range =
                |view: &&Arc<MessageView>| after < view.message.g && view.message.g <= up_to;
            let events = rows.messages.iter().filter(range).filter(here);
            events.take(limit as usize).map(event).collect()
        }))
    }

    fn check(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn backup(&self, _: &std::path::Path) -> Result<(), Fault> {
        Err(Fault::new("backing up", "a model has no files"))
    }
}

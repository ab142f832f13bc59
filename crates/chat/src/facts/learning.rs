//! How facts come to be known: by what the store answers, and by what this batch changes.

use std::{collections::HashMap, sync::Arc};

use super::{Facts, Known, Wrote};
use crate::{
    model::{ConversationId, ConversationView, Details, MemberRole, MessageView, User, with_role},
    room::{Room, RoomName, folded},
    session,
    store::{Change, Entry, Found, Need, Newest},
};

impl Facts {
    /// Takes in what the store answered.
    #[expect(clippy::too_many_lines, reason = "one arm for each need")]
    pub fn learn(&mut self, need: Need, found: Found) {
        self.held += 1;
        match (need, found) {
            (Need::User(app, external), Found::User(user)) => {
                let id = user.as_ref().map(|user| user.id);
                self.by_external
                    .entry(app)
                    .or_default()
                    .insert(external, id);
                self.meet(user.iter());
            }
            (Need::UserByUuid(app, uuid), Found::User(user)) => {
                let id = user.as_ref().map(|user| user.id);
                self.by_user_uuid.insert((app, uuid), id);
                self.meet(user.iter());
            }
            (Need::UsersCalled(app, name), Found::People(users)) => {
                self.meet(users.iter());
                // The store does not know yet whom this batch has made or renamed.
                let mut ids: Vec<_> = users.iter().map(|user| user.id).collect();
                let renamed = self.renamed.iter().filter_map(|id| self.users.get(id));
                let meant = renamed.filter(|user| user.app == app && user.is_called(&name));
                ids.extend(meant.map(|user| user.id));
                ids.sort_unstable();
                ids.dedup();
                self.held += ids.len();
                self.called.insert((app, name), ids);
            }
            (Need::Numbers(app), Found::Numbers(numbers)) => {
                self.numbers.insert(app, numbers);
            }
            (Need::Room(app, name), Found::Conversation(view)) => {
                let id = view.as_ref().map(|view| view.conversation.id);
                self.by_number.insert((app, name), id);
                self.remember(view);
            }
            (Need::Ban(room, user), Found::Ban(ban)) => {
                self.bans.insert((room, user), ban);
            }
            (Need::WroteSince(room, since), Found::Wrote(wrote)) => {
                self.held += wrote.len();
                let mut last: HashMap<_, _, _> = wrote.into_iter().collect();
                // What this batch has brought is newer.
                let brought = self.messages.values().flatten();
                for view in brought.filter(|view| view.conversation.id == room) {
                    let message = &view.message;
                    let at = last.entry(message.sender).or_insert(message.created_at);
                    *at = message.created_at.max(*at);
                }
                self.wrote.insert(room, Wrote { since, last });
            }
            (Need::Vote(room, user), Found::Vote(option)) => {
                let option = option.filter(|_| !self.voteless.contains(&room));
                self.votes.insert((room, user), option);
            }
            (Need::Due(now, limit), Found::Due(due)) => {
                for view in due
                    .rooms
                    .iter()
                    .chain(due.bans.iter().map(|(.., view)| view))
                {
                    self.remember(Some(view.clone()));
                }
                self.meet(due.bans.iter().map(|(_, user, _)| user));
                for (ban, ..) in &due.bans {
                    let key = (ban.conversation, ban.user);
                    self.bans.entry(key).or_insert(Some(*ban));
                }
                self.due.insert((now, limit), due);
            }
            (Need::ConversationByKey(app, kind, key), Found::Conversation(view)) => {
                self.by_key
                    .insert((app, kind, key), view.as_ref().map(|v| v.conversation.id));
                self.remember(view);
            }
            (Need::ConversationByUuid(app, uuid), Found::Conversation(view)) => {
                self.by_uuid
                    .insert((app, uuid), view.as_ref().map(|v| v.conversation.id));
                self.remember(view);
            }
            (Need::Message(app, uuid), Found::Message(found)) => {
                let (message, view) = found.unzip();
                self.messages.insert((app, uuid), message);
                self.remember(view);
            }
            (Need::ReadUpTo(conversation, user), Found::ReadUpTo(seq)) => {
                self.read_up_to.insert((conversation, user), seq);
            }
            (Need::NewestOfOthers(conversation, user), Found::Newest(stored)) => {
                // The store does not know yet what this batch has brought.
                let is_meant = |view: &&Arc<MessageView>| {
                    view.conversation.id == conversation && view.sender.id != user
                };
                let brought = self.messages.values().flatten().filter(is_meant);
                let newest = brought.map(|view| newest(view)).chain(stored);
                let newest = newest.max_by_key(|newest| newest.seq);
                self.newest_of_others.insert((conversation, user), newest);
            }
            (Need::Blocks(user), Found::Users(blocked)) => {
                self.blocks.insert(user, blocked);
            }
            (Need::CollectedUpTo(user), Found::CollectedUpTo(g)) => {
                self.collected_up_to.insert(user, g);
            }
            (Need::ConversationsOf(user), Found::Conversations(ids)) => {
                self.conversations_of.insert(user, ids);
            }
            (Need::HeirsOf(user), Found::Heirs(heirs)) => {
                self.heirs_of.insert(user, heirs);
            }
            (Need::Unsearched(user), Found::Unsearched(entries)) => {
                self.unsearched.insert(user, entries);
            }
            (Need::Sent(conversation, sender, client_id), Found::Sent(message)) => {
                self.sent.insert((conversation, sender, client_id), message);
            }
            (Need::AppByName(name), Found::App(app)) => {
                self.apps.insert(name, app);
            }
            (Need::Key(id), Found::Key(key)) => {
                self.keys.insert(id, key);
            }
            (Need::Session(id), Found::Session(stored)) => {
                let mut state = stored;
                if let Some(Known::Changes(changes)) = self.sessions.get(&id) {
                    for change in changes {
                        session::apply(&mut state, change);
                    }
                }
                self.sessions.insert(id, Known::State(state));
            }
            (Need::SessionsSeenBefore(time, limit), Found::Sessions(ids)) => {
                self.seen_before.insert((time, limit), ids);
            }
            (Need::Leftover, Found::Leftover(id)) => {
                (self.leftover, self.knows_leftover) = (id, true);
            }
            // A store that answers another question than the one asked has a bug of its own; the
            // executor gives up on the command because the same need comes again.
            _ => {}
        }
    }

    /// Users who were found by one name are known by all. What this batch changed about them is newer
    /// than what the store says, so it stays.
    fn meet<'u>(&mut self, users: impl Iterator<Item = &'u Arc<User>>) {
        for user in users {
            let known = self.users.entry(user.id);
            known.or_insert_with(|| match self.went_offline.get(&user.id) {
                Some(at) => Arc::new(User {
                    last_active: *at,
                    ..User::clone(user)
                }),
                None => Arc::clone(user),
            });
            self.by_user_uuid
                .insert((user.app, user.uuid), Some(user.id));
            let externals = self.by_external.entry(user.app).or_default();
            externals.insert(user.external.text.clone(), Some(user.id));
        }
    }

    /// A conversation that was found by one name is known by all. What this batch changed about it
    /// is newer than what the store says, so it stays.
    fn remember(&mut self, view: Option<ConversationView>) {
        let Some(view) = view else { return };
        let conversation = &view.conversation;
        self.by_uuid
            .insert((conversation.app, conversation.uuid), Some(conversation.id));
        if let Some(key) = &conversation.key {
            let key = (conversation.app, conversation.kind, key.clone());
            self.by_key.insert(key, Some(conversation.id));
        }
        if let Some(numbers) = conversation.numbers {
            let names = [
                RoomName::Channel(numbers.channel),
                RoomName::Chatroom(numbers.chatroom),
            ];
            for name in names {
                let key = (conversation.app, name);
                self.by_number.insert(key, Some(conversation.id));
            }
        }
        self.meet(view.members.iter().map(|member| &member.user));
        self.conversations
            .entry(view.conversation.id)
            .or_insert(view);
    }

    /// Takes in what a decision changed, so that the next one in the batch sees it.
    #[expect(clippy::too_many_lines, reason = "one arm for each change")]
    pub fn apply(&mut self, change: &Change) {
        self.held += 1;
        match change {
            Change::User(user) => {
                self.meet(std::iter::once(user));
                self.call(user);
                if let Some(numbers) = self.numbers.get_mut(&user.app) {
                    numbers.user = numbers.user.max(user.number);
                }
            }
            Change::UserUpdated(user) => {
                self.users.insert(user.id, Arc::clone(user));
                self.call(user);
            }
            Change::RoomUpdated { conversation, room } => self.update_room(*conversation, room),
            Change::RoomNoted { entry, .. } => {
                self.log(entry);
            }
            Change::Banned(ban) => {
                self.bans.insert((ban.conversation, ban.user), Some(*ban));
            }
            Change::Unbanned(room, user) => {
                self.bans.insert((*room, *user), None);
            }
            Change::Voted {
                conversation,
                user,
                option,
            } => {
                self.votes.insert((*conversation, *user), Some(*option));
            }
            Change::VotesForgotten(room) => {
                // Nobody in this room has voted, but the store says otherwise until the commit.
                for ((at, _), vote) in &mut self.votes {
                    if at == room {
                        *vote = None;
                    }
                }
                self.voteless.push(*room);
            }
            Change::RoleChanged(conversation, user, role) => {
                if let Some(view) = self.conversations.get_mut(conversation) {
                    view.members = with_role(&view.members, *user, *role);
                }
            }
            Change::NumberGiven(app, number) => {
                if let Some(numbers) = self.numbers.get_mut(app) {
                    numbers.room = numbers.room.max(*number);
                }
            }
            Change::UserWentOffline(user, at) => {
                self.went_offline.insert(*user, *at);
                if let Some(user) = self.users.get_mut(user) {
                    Arc::make_mut(user).last_active = *at;
                }
            }
            Change::Blocked { user, whom, .. } => {
                if let Some(blocked) = self.blocks.get_mut(user) {
                    blocked.push(*whom);
                }
            }
            Change::Unblocked { user, whom } => {
                if let Some(blocked) = self.blocks.get_mut(user) {
                    blocked.retain(|other| other != whom);
                }
            }
            Change::MissedCollected { user, up_to } => {
                self.collected_up_to.insert(*user, *up_to);
            }
            Change::ReadThrough {
                conversation,
                reader,
                seq,
            } => {
                self.read_up_to.insert((*conversation, *reader), *seq);
            }
            // Nothing is decided by these.
            Change::ConversationHidden { .. } | Change::Erased(..) => {}
            Change::Conversation(view) => {
                if let Some(given) = view.conversation.numbers
                    && let Some(numbers) = self.numbers.get_mut(&view.conversation.app)
                {
                    numbers.room = numbers.room.max(given.chatroom);
                }
                self.remember(Some(view.clone()));
            }
            Change::ConversationUpdated { entry, details } => {
                if let Some(view) = self.log(entry) {
                    view.details = Arc::clone(details);
                }
            }
            Change::MemberAdded { entry, member } => {
                if let Some(view) = self.log(entry) {
                    let members = view.members.iter().chain([member]);
                    view.members = members.cloned().collect();
                }
                let key = (entry.conversation, member.user.id);
                self.read_up_to.insert(key, 0);
            }
            Change::MemberRemoved { entry, user, heir } => {
                if let Some(view) = self.log(entry) {
                    let stays = view.members.iter().filter(|member| member.user.id != *user);
                    view.members = stays.cloned().collect();
                    if let Some(heir) = heir {
                        view.members = with_role(&view.members, *heir, MemberRole::Owner);
                    }
                }
            }
            Change::Message(message) => self.apply_message(message),
            Change::MessageEdited { entry, message } => {
                self.log(entry);
                self.replace(message, Some(message));
            }
            Change::MessageDeleted { entry, message } => {
                // It may stay the newest: reading up to it is reading up to what is left.
                if let Some(view) = self.log(entry) {
                    view.messages = view.messages.saturating_sub(1);
                }
                self.replace(message, None);
            }
            Change::Read {
                entry, reader, seq, ..
            } => {
                self.log(entry);
                self.read_up_to.insert((entry.conversation, *reader), *seq);
            }
            // These change more than is known here. They are alone in their batch, and the executor
            // begins the next one with nothing known.
            Change::Inherited(..)
            | Change::UserDeleted(..)
            | Change::WrittenErased(..)
            | Change::ConversationDeleted(..) => {}
            Change::Subscription { .. }
            | Change::Unsubscription { .. }
            | Change::SessionBegun(_)
            | Change::SessionsSeen { .. }
            | Change::SessionEnded(_) => self.apply_to_sessions(change),
            Change::App(app) => {
                self.apps.insert(app.name.clone(), Some(Arc::clone(app)));
            }
            Change::Key(key) => {
                self.keys.insert(key.id, Some(Arc::clone(key)));
            }
            Change::KeyRevoked(id, at) => {
                if let Some(Some(key)) = self.keys.get_mut(id) {
                    Arc::make_mut(key).revoked_at = Some(*at);
                }
            }
        }
    }

    /// A user is called otherwise, or was made, after others of that name were looked up.
    fn call(&mut self, user: &User) {
        self.renamed.push(user.id);
        let key = (user.app, folded(user.name()));
        if let Some(ids) = self.called.get_mut(&key)
            && let Err(place) = ids.binary_search(&user.id)
        {
            ids.insert(place, user.id);
        }
    }

    fn update_room(&mut self, id: ConversationId, room: &Arc<Room>) {
        let Some(view) = self.conversations.get_mut(&id) else {
            return;
        };
        let earlier = view.room();
        if earlier.is_some_and(|earlier| earlier.cleared_g != room.cleared_g) {
            view.messages = 0;
        }
        view.details = Arc::new(Details {
            room: Some(Arc::clone(room)),
            ..Details::clone(&view.details)
        });
    }

    /// Moves a conversation to a new entry of its log.
    fn log(&mut self, entry: &Entry) -> Option<&mut ConversationView> {
        let view = self.conversations.get_mut(&entry.conversation)?;
        view.last_seq = entry.seq;
        view.last_g = entry.g;
        view.updated_at = entry.at;
        Some(view)
    }

    fn apply_message(&mut self, view: &Arc<MessageView>) {
        let message = &view.message;
        if let Some(state) = self.conversations.get_mut(&message.conversation) {
            state.last_seq = message.seq;
            state.last_g = message.g;
            state.messages += 1;
            state.updated_at = message.created_at;
            state.last_message_at = Some(message.created_at);
        }
        if let Some(wrote) = self.wrote.get_mut(&message.conversation) {
            wrote.last.insert(message.sender, message.created_at);
        }
        for ((conversation, user), known) in &mut self.newest_of_others {
            if *conversation == message.conversation && *user != message.sender {
                *known = Some(newest(view));
            }
        }
        self.replace(view, Some(view));
    }

    /// What is known of a message, under both of its names.
    fn replace(&mut self, old: &MessageView, new: Option<&Arc<MessageView>>) {
        let message = &old.message;
        let key = (old.conversation.app, message.uuid);
        self.messages.insert(key, new.map(Arc::clone));
        if let Some(client_id) = &message.client_id {
            let key = (message.conversation, message.sender, client_id.clone());
            self.sent.insert(key, new.map(Arc::clone));
        }
    }

    fn apply_to_sessions(&mut self, change: &Change) {
        for id in session::sessions_of(change) {
            let known = self.sessions.entry(*id);
            match known.or_insert_with(|| Known::Changes(Vec::new())) {
                Known::Changes(changes) => changes.push(match change {
                    Change::SessionsSeen { at, .. } => Change::SessionsSeen {
                        sessions: vec![*id],
                        at: *at,
                    },
                    change => change.clone(),
                }),
                Known::State(state) => session::apply(state, change),
            }
        }
    }
}

fn newest(view: &MessageView) -> Newest {
    let message = &view.message;
    Newest {
        seq: message.seq,
        uuid: message.uuid,
    }
}

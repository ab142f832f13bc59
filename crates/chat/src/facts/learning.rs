//! How facts come to be known: by what the store answers, and by what this batch changes.

use std::sync::Arc;

use super::{Facts, Known};
use crate::{
    model::{ConversationView, Member, MemberRole, MessageView, User},
    session,
    store::{Change, Entry, Found, Need, Newest},
};

impl Facts {
    /// Takes in what the store answered.
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
        self.meet(view.members.iter().map(|member| &member.user));
        self.conversations
            .entry(view.conversation.id)
            .or_insert(view);
    }

    /// Takes in what a decision changed, so that the next one in the batch sees it.
    pub fn apply(&mut self, change: &Change) {
        self.held += 1;
        match change {
            Change::User(user) => self.meet(std::iter::once(user)),
            Change::UserUpdated(user) => {
                self.users.insert(user.id, Arc::clone(user));
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
            Change::Conversation(view) => self.remember(Some(view.clone())),
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
                    let with_role = |member: &Member| Member {
                        user: Arc::clone(&member.user),
                        role: if Some(member.user.id) == *heir {
                            MemberRole::Owner
                        } else {
                            member.role
                        },
                    };
                    view.members = stays.map(with_role).collect();
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

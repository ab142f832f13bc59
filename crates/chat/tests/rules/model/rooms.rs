//! What the store in memory keeps of rooms.

use std::sync::Arc;

use chat::{
    AppId, Conversation, ConversationId, ConversationView, G, User, UserId,
    model::{Details, Member, MemberRole},
    room::RoomName,
    store::{Change, Due, Found, Need},
};

use super::Rows;

impl Rows {
    pub(super) fn find_in_rooms(&self, need: &Need) -> Found {
        match need {
            Need::UsersCalled(app, name) => {
                let is_it = |user: &&Arc<User>| user.app == *app && user.is_called(name);
                Found::People(self.users.iter().filter(is_it).cloned().collect())
            }
            Need::Numbers(app) => {
                Found::Numbers(self.numbers.get(app).copied().unwrap_or_default())
            }
            Need::Room(app, name) => {
                self.find_conversation(|found| found.app == *app && is_room(found, name))
            }
            Need::Ban(room, user) => {
                let mut bans = self.bans.iter();
                let ban = bans.find(|ban| (ban.conversation, ban.user) == (*room, *user));
                Found::Ban(ban.copied())
            }
            Need::WroteSince(room, since) => {
                let there = self.messages.iter().map(|view| &view.message);
                let late = there
                    .filter(|message| message.conversation == *room && message.created_at > *since);
                let mut last: Vec<(UserId, _)> = Vec::new();
                for message in late {
                    last.retain(|(user, _)| *user != message.sender);
                    last.push((message.sender, message.created_at));
                }
                Found::Wrote(last)
            }
            Need::Vote(room, user) => Found::Vote(self.vote(*room, *user)),
            Need::Due(now, limit) => {
                let is_due = |view: &&ConversationView| {
                    let due = view.room().and_then(|room| room.due());
                    due.is_some_and(|due| due <= *now)
                };
                let rooms = self.conversations.iter().filter(is_due).cloned();
                let over = self.bans.iter().filter(|ban| !ban.holds(*now));
                let bans = over.map(|ban| {
                    let mut users = self.users.iter();
                    let user = users.find(|user| user.id == ban.user).unwrap();
                    let view = self.view(ban.conversation).unwrap();
                    (*ban, Arc::clone(user), view.clone())
                });
                Found::Due(Due {
                    rooms: rooms.take(*limit as usize).collect(),
                    bans: bans.take(*limit as usize).collect(),
                })
            }
            other => panic!("not about rooms: {other:?}"),
        }
    }

    pub(super) fn apply_to_rooms(&mut self, change: &Change) {
        match change {
            Change::RoomUpdated { conversation, room } => {
                let view = self.view_mut(*conversation);
                if cleared(view) != room.cleared_g {
                    view.messages = 0;
                }
                view.details = Arc::new(Details {
                    room: Some(Arc::clone(room)),
                    ..Details::clone(&view.details)
                });
            }
            Change::RoomNoted { entry, note } => {
                self.log(entry);
                self.notes.push((*entry, note.clone()));
            }
            Change::Banned(ban) => {
                self.bans
                    .retain(|old| (old.conversation, old.user) != (ban.conversation, ban.user));
                self.bans.push(*ban);
            }
            Change::Unbanned(room, user) => {
                let before = self.bans.len();
                self.bans
                    .retain(|ban| (ban.conversation, ban.user) != (*room, *user));
                assert_eq!(self.bans.len() + 1, before, "there was a ban");
            }
            Change::Voted {
                conversation,
                user,
                option,
            } => {
                assert_eq!(self.vote(*conversation, *user), None, "once");
                self.votes.push((*conversation, *user, *option));
            }
            Change::VotesForgotten(room) => self.votes.retain(|(at, ..)| at != room),
            Change::RoleChanged(room, user, role) => {
                let view = self.view_mut(*room);
                let changed = |member: &Member| Member {
                    user: Arc::clone(&member.user),
                    role: if member.user.id == *user {
                        *role
                    } else {
                        member.role
                    },
                };
                view.members = view.members.iter().map(changed).collect();
            }
            Change::NumberGiven(app, number) => self.give(*app, *number),
            other => panic!("not about rooms: {other:?}"),
        }
    }

    pub(super) fn give(&mut self, app: AppId, number: i64) {
        let numbers = self.numbers.entry(app).or_default();
        assert!(number > numbers.room, "numbers of rooms rise");
        numbers.room = number;
    }

    pub(crate) fn vote(&self, room: ConversationId, user: UserId) -> Option<u32> {
        let mut votes = self.votes.iter();
        let vote = votes.find(|(at, who, _)| (*at, *who) == (room, user));
        vote.map(|(.., option)| *option)
    }
}

/// Whether a room is the one of a name.
pub(super) fn is_room(conversation: &Conversation, name: &RoomName) -> bool {
    let numbers = conversation.numbers;
    match name {
        RoomName::Slug(slug) => numbers.is_some() && conversation.key.as_ref() == Some(slug),
        RoomName::Channel(number) => numbers.is_some_and(|own| own.channel == *number),
        RoomName::Chatroom(number) => numbers.is_some_and(|own| own.chatroom == *number),
    }
}

/// What was said up to here stands in no history.
pub(super) fn cleared(view: &ConversationView) -> G {
    view.room().map_or(0, |room| room.cleared_g)
}

/// Who owns a conversation when its owner goes: of a room the first of its moderators, if any; of a
/// group whoever came next.
pub(super) fn heir(view: &ConversationView, owner: UserId) -> Option<UserId> {
    let may_own = |member: &&Member| {
        let is_heir = view.room().is_none() || member.role == MemberRole::Moderator;
        is_heir && member.user.id != owner
    };
    view.members.iter().find(may_own).map(|heir| heir.user.id)
}

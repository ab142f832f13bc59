//! Rules about rooms: who rules them, and what they do. Who is banned is in `rooms::banning`, what is
//! asked in `rooms::polls`, what ends by itself in `rooms::ending`, who may write in
//! `rooms::speaking`.

mod banning;
mod ending;
mod polls;
mod speaking;

use self::polls::new_poll;
pub(super) use self::{
    banning::check_may_touch,
    speaking::{badges, rules},
};

use std::sync::Arc;

use uuid::Uuid;

use super::Draft;
use crate::{
    command::{Reply, UserRef},
    event::{Happening, RoomHappening},
    facts::Halt,
    model::{
        ConversationKind, ConversationView, Details, Member, MemberRole, Members, MessageView,
        Scope, Timestamp, User, UserId, with_role,
    },
    refusal::Refusal,
    room::{
        Livestream, LivestreamPatch, ModesPatch, Pin, Room, RoomAct, RoomName, RoomNews, RoomNote,
        RoomNumbers,
    },
    store::{Change, Entry},
};

/// What rooms are numbered from: far above the numbers of the rooms that a bridge brings from
/// elsewhere, and within what any client takes for an integer.
const FIRST_ROOM: i64 = 1_000_000_000;

/// Who may do something to a room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    /// The app itself.
    App,
    /// And the owner.
    Owner,
    /// And the moderators.
    Moderator,
}

impl<'a> Draft<'a> {
    pub(super) fn create_room(
        &mut self,
        slug: &str,
        title: Option<&String>,
        owner: &str,
        private: bool,
    ) -> Result<Reply, Halt> {
        if self.actor.scope != Scope::Server {
            return Err(Refusal::NotAllowed.into());
        }
        let kind = ConversationKind::Room;
        let taken = self
            .facts
            .conversation_by_key(self.app(), kind, slug.to_owned())?;
        if taken.is_some() {
            return Err(Refusal::NameTaken.into());
        }
        let number = FIRST_ROOM.max(self.facts.numbers(self.app())?.room) + 1;
        let owner = self.find_or_make(&UserRef::Called(owner.to_owned()))?;
        let room = Room {
            private,
            ..Room::default()
        };
        let details = Details {
            title: Some(title.cloned().unwrap_or_else(|| slug.to_owned())),
            room: Some(Arc::new(room)),
            ..Details::default()
        };
        let owner = Member {
            user: owner,
            role: MemberRole::Owner,
        };
        let numbers = RoomNumbers {
            channel: number,
            chatroom: number,
        };
        let names = (kind, Some(slug.to_owned()), Some(numbers));
        let conversation = self.new_conversation(names, details, vec![owner]);
        Ok(Reply::InRoom {
            event: None,
            conversation,
        })
    }

    pub(super) fn in_room(
        &mut self,
        room: &RoomName,
        by: Option<&UserRef>,
        act: &RoomAct,
    ) -> Result<Reply, Halt> {
        let view = self.facts.room(self.app(), room)?;
        let view = view.ok_or(Refusal::UnknownConversation)?;
        if let RoomAct::Vote { option, voter } = act {
            return self.vote(view, *option, voter);
        }
        if let RoomAct::DeleteMessage { message } = act {
            return self.delete_from_room(view, *message, by);
        }
        let right = match act {
            RoomAct::Announce { .. } => Right::App,
            RoomAct::AddModerator { .. } | RoomAct::RemoveModerator { .. } => Right::Owner,
            _ => Right::Moderator,
        };
        let by = self.ruler(view, by, right)?.map(Arc::clone);
        let mut scene = RoomDraft::new(view, by);
        match act {
            RoomAct::Ban { username, minutes } => self.ban(&mut scene, username, *minutes)?,
            RoomAct::Unban { username } => self.unban(&mut scene, username)?,
            RoomAct::Clear => self.clear(&mut scene),
            RoomAct::SetModes(patch) => self.set_modes(&mut scene, patch),
            RoomAct::Pin { message, seconds } => self.pin(&mut scene, *message, *seconds)?,
            RoomAct::Unpin => {
                scene.room.pin.take().ok_or(Refusal::NothingThere)?;
                self.tell(&mut scene, RoomNews::Unpinned);
            }
            RoomAct::OpenPoll {
                title,
                options,
                seconds,
                display_seconds,
            } => {
                let poll = new_poll(title, options, *seconds, *display_seconds, self.now);
                self.open_poll(&mut scene, poll)?;
            }
            RoomAct::ClosePoll => {
                scene.room.poll.take().ok_or(Refusal::NoPoll)?;
                self.end_poll(&mut scene);
            }
            RoomAct::Subscription { username, months } => {
                let (username, months) = (username.clone(), *months);
                self.tell(&mut scene, RoomNews::Subscribed { username, months });
            }
            RoomAct::SetLivestream(patch) => self.set_livestream(&mut scene, patch)?,
            RoomAct::Announce { event, data } => {
                let (event, data) = (event.clone(), data.clone());
                self.tell(&mut scene, RoomNews::Other { event, data });
            }
            RoomAct::AddModerator { username } => self.add_moderator(&mut scene, username)?,
            RoomAct::RemoveModerator { username } => self.remove_moderator(&mut scene, username)?,
            // Done above: they are for others too.
            RoomAct::Vote { .. } | RoomAct::DeleteMessage { .. } => {}
        }
        Ok(self.answered(scene))
    }

    /// Who acts, if that one has the right; `None` is the app itself.
    fn ruler(
        &self,
        view: &ConversationView,
        by: Option<&UserRef>,
        right: Right,
    ) -> Result<Option<&'a Arc<User>>, Halt> {
        if by.is_none() && self.actor.scope == Scope::Server {
            return Ok(None);
        }
        let user = self.acting(by.unwrap_or(&UserRef::Subject))?;
        let role = user.and_then(|user| view.member(user.id)).map(|m| m.role);
        let may = match role {
            Some(MemberRole::Owner) => right != Right::App,
            Some(MemberRole::Moderator) => right == Right::Moderator,
            Some(MemberRole::Member) | None => false,
        };
        if may {
            Ok(user)
        } else {
            Err(Refusal::NotAllowed.into())
        }
    }

    /// Tells something, and notes it in the log.
    fn tell(&mut self, scene: &mut RoomDraft<'_>, news: RoomNews) {
        let happening = RoomHappening::News(Arc::new(news.clone()));
        self.note(scene, RoomNote::News(news), happening);
    }

    fn note(&mut self, scene: &mut RoomDraft<'_>, note: RoomNote, happening: RoomHappening) {
        let entry = self.entry(scene.view, scene.by());
        self.changes.push(Change::RoomNoted { entry, note });
        let place = self.scene(scene.view);
        self.show(entry.g, place, Happening::Room(happening));
        scene.last = Some(entry);
    }

    fn answered(&mut self, scene: RoomDraft<'_>) -> Reply {
        Reply::InRoom {
            event: self.shown(),
            conversation: self.done(scene),
        }
    }

    /// Writes down what has become of the room, and tells it.
    fn done(&mut self, scene: RoomDraft<'_>) -> ConversationView {
        let mut now = ConversationView {
            members: self.facts.refreshed(&scene.members),
            messages: scene.messages,
            ..scene.view.clone()
        };
        if scene.view.room().is_some_and(|room| **room != scene.room) {
            let room = Arc::new(scene.room);
            self.changes.push(Change::RoomUpdated {
                conversation: now.conversation.id,
                room: Arc::clone(&room),
            });
            now.details = Arc::new(Details {
                room: Some(room),
                ..Details::clone(&now.details)
            });
        }
        if let Some(entry) = scene.last {
            now.last_seq = entry.seq;
            now.last_g = entry.g;
            now.updated_at = entry.at;
        }
        now
    }

    fn clear(&mut self, scene: &mut RoomDraft<'_>) {
        self.tell(scene, RoomNews::Cleared);
        let cleared = scene.last.map(|entry| entry.g);
        scene.room.cleared_g = cleared.unwrap_or(scene.room.cleared_g);
        scene.messages = 0;
    }

    fn set_modes(&mut self, scene: &mut RoomDraft<'_>, patch: &ModesPatch) {
        let modes = scene.room.modes.patched(patch);
        if modes != scene.room.modes {
            scene.room.modes = modes;
            self.tell(scene, RoomNews::Modes(modes));
        }
    }

    fn pin(&mut self, scene: &mut RoomDraft<'_>, message: Uuid, seconds: u32) -> Result<(), Halt> {
        let found = self.facts.message(self.app(), message)?;
        let here = found.filter(|(_, view)| view.conversation.id == scene.view.conversation.id);
        let (message, _) = here.ok_or(Refusal::UnknownMessage)?;
        let g = message.message.g;
        scene.room.pin = Some(Pin {
            message: message.message.uuid,
            g,
            by: scene.by(),
            seconds,
            until: Timestamp(self.now.0 + i64::from(seconds) * 1_000),
        });
        let happening = RoomHappening::Pinned {
            message: Arc::clone(message),
            by: scene.by.clone(),
            seconds,
        };
        self.note(scene, RoomNote::Pinned { g, seconds }, happening);
        Ok(())
    }

    fn set_livestream(
        &mut self,
        scene: &mut RoomDraft<'_>,
        patch: &LivestreamPatch,
    ) -> Result<(), Halt> {
        let known = scene.room.livestream.clone();
        let was_live = known.as_ref().is_some_and(|stream| stream.is_live);
        let is_new = known.is_none() || (!was_live && patch.is_live == Some(true));
        let mut stream = patched(known.unwrap_or_default(), patch);
        if is_new {
            let app = self.app();
            stream.id = FIRST_ROOM.max(self.facts.numbers(app)?.room) + 1;
            stream.started_at = self.now.0;
            self.changes.push(Change::NumberGiven(app, stream.id));
        }
        if scene.room.livestream.as_ref() != Some(&stream) {
            scene.room.livestream = Some(stream.clone());
            self.tell(scene, RoomNews::Livestream(stream));
        }
        Ok(())
    }

    fn add_moderator(&mut self, scene: &mut RoomDraft<'_>, username: &str) -> Result<(), Halt> {
        let user = self.find_or_make(&UserRef::Called(username.to_owned()))?;
        let role = MemberRole::Moderator;
        match scene.view.member(user.id).map(|member| member.role) {
            Some(MemberRole::Owner | MemberRole::Moderator) => {}
            Some(MemberRole::Member) => self.change_role(scene, user.id, role),
            None => {
                super::conversations::check_room(scene.view.members.len())?;
                let entry = self.entry(scene.view, scene.by());
                let member = Member { user, role };
                let members = scene.members.iter().chain([&member]);
                scene.members = members.cloned().collect();
                scene.last = Some(entry);
                self.changes.push(Change::MemberAdded { entry, member });
            }
        }
        Ok(())
    }

    fn remove_moderator(&mut self, scene: &mut RoomDraft<'_>, username: &str) -> Result<(), Halt> {
        let users = self.called(username)?;
        let is_moderator = |user: &&Arc<User>| {
            let member = scene.view.member(user.id);
            member.is_some_and(|member| member.role == MemberRole::Moderator)
        };
        let moderator = users.iter().find(is_moderator);
        let moderator = moderator.ok_or(Refusal::NothingThere)?.id;
        self.change_role(scene, moderator, MemberRole::Member);
        Ok(())
    }

    fn change_role(&mut self, scene: &mut RoomDraft<'_>, user: UserId, role: MemberRole) {
        let id = scene.view.conversation.id;
        self.changes.push(Change::RoleChanged(id, user, role));
        scene.members = with_role(&scene.members, user, role);
    }

    /// The author may delete a message, and who rules the room.
    fn delete_from_room(
        &mut self,
        view: &'a ConversationView,
        message: Uuid,
        by: Option<&UserRef>,
    ) -> Result<Reply, Halt> {
        let found = self.facts.message(self.app(), message)?;
        let here = found.filter(|(_, at)| at.conversation.id == view.conversation.id);
        let by = match self.ruler(view, by, Right::Moderator) {
            Err(Halt::Refuse(Refusal::NotAllowed)) => {
                let user = self.acting(by.unwrap_or(&UserRef::Subject))?;
                let is_author = |user: &&Arc<User>| {
                    here.is_some_and(|(message, _)| message.sender.id == user.id)
                };
                Some(user.filter(is_author).ok_or(Refusal::NotAllowed)?)
            }
            ruler => ruler?,
        };
        let (message, view) = here.ok_or(Refusal::UnknownMessage)?;
        let conversation = self.erase_message(view, message, by);
        Ok(Reply::InRoom {
            event: self.shown(),
            conversation,
        })
    }

    /// Deletes a message, which is not pinned any longer then; its conversation after that.
    pub(super) fn erase_message(
        &mut self,
        view: &ConversationView,
        message: &Arc<MessageView>,
        by: Option<&Arc<User>>,
    ) -> ConversationView {
        let uuid = message.message.uuid;
        let mut scene = RoomDraft::new(view, by.map(Arc::clone));
        if scene.room.pin.take_if(|pin| pin.message == uuid).is_some() {
            self.tell(&mut scene, RoomNews::Unpinned);
        }
        let entry = self.entry(view, scene.by());
        self.changes.push(Change::MessageDeleted {
            entry,
            message: Arc::clone(message),
        });
        let (place, by) = (self.scene(view), scene.by());
        self.show(
            entry.g,
            place,
            Happening::MessageDeleted { message: uuid, by },
        );
        scene.last = Some(entry);
        scene.messages = scene.messages.saturating_sub(1);
        self.done(scene)
    }
}

/// What becomes of a room in a decision.
struct RoomDraft<'v> {
    view: &'v ConversationView,
    by: Option<Arc<User>>,
    room: Room,
    members: Members,
    messages: u64,
    /// The newest entry in its log that the decision made.
    last: Option<Entry>,
}

impl<'v> RoomDraft<'v> {
    fn new(view: &'v ConversationView, by: Option<Arc<User>>) -> Self {
        let room = view.room().map(|room| Room::clone(room));
        Self {
            room: room.unwrap_or_default(),
            members: Arc::clone(&view.members),
            messages: view.messages,
            view,
            by,
            last: None,
        }
    }

    fn by(&self) -> Option<UserId> {
        self.by.as_ref().map(|user| user.id)
    }
}

fn patched(known: Livestream, patch: &LivestreamPatch) -> Livestream {
    let patch = patch.clone();
    Livestream {
        is_live: patch.is_live.unwrap_or(known.is_live),
        session_title: patch.session_title.unwrap_or(known.session_title),
        language: patch.language.or(known.language),
        lang_iso: patch.lang_iso.or(known.lang_iso),
        is_mature: patch.is_mature.unwrap_or(known.is_mature),
        viewer_count: patch.viewer_count.unwrap_or(known.viewer_count),
        thumbnail: patch.thumbnail.or(known.thumbnail),
        tags: patch.tags.unwrap_or(known.tags),
        categories: patch.categories.unwrap_or(known.categories),
        ..known
    }
}

//! Rules about rooms: who rules them, who is banned, what is pinned and asked, and what ends by
//! itself. Who may write in them is in `rooms::speaking`.

mod speaking;

pub(super) use self::speaking::{badges, rules};

use std::sync::Arc;

use uuid::Uuid;

use super::Draft;
use crate::{
    command::{Reply, UserRef},
    event::{Happening, RoomHappening},
    facts::Halt,
    model::{
        ConversationKind, ConversationView, Details, Member, MemberRole, Scope, Timestamp, User,
        UserId,
    },
    refusal::Refusal,
    room::{
        Ban, Livestream, LivestreamPatch, ModesPatch, Pin, Poll, PollOption, Room, RoomAct,
        RoomName, RoomNews, RoomNote, RoomNumbers, folded,
    },
    store::Change,
};

/// What rooms are numbered from: far above the numbers of the rooms that a bridge brings from
/// elsewhere, and within what any client takes for an integer.
const FIRST_ROOM: i64 = 1_000_000_000;
/// What ends in one step: about a millisecond of the writer's time.
const END_STEP: u32 = 100;
const MINUTE: i64 = 60_000;

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
            RoomAct::RemoveModerator { username } => self.remove_moderator(&scene, username)?,
            // Done above: they are for others too.
            RoomAct::Vote { .. } | RoomAct::DeleteMessage { .. } => {}
        }
        Ok(self.done(scene))
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

    /// Writes down what has become of the room.
    fn done(&mut self, scene: RoomDraft<'_>) -> Reply {
        let mut conversation = self.refreshed(scene.view);
        if Some(&scene.room) != scene.view.room().map(Arc::as_ref) {
            let room = Arc::new(scene.room);
            self.changes.push(Change::RoomUpdated {
                conversation: conversation.conversation.id,
                room: Arc::clone(&room),
            });
            conversation.details = Arc::new(Details {
                room: Some(room),
                ..Details::clone(&conversation.details)
            });
        }
        if let Some(entry) = scene.last {
            conversation.last_seq = entry.seq;
            conversation.last_g = entry.g;
            conversation.updated_at = entry.at;
        }
        let event = self.shown().filter(|_| scene.last.is_some());
        Reply::InRoom {
            event,
            conversation,
        }
    }

    fn ban(
        &mut self,
        scene: &mut RoomDraft<'_>,
        username: &str,
        minutes: Option<u32>,
    ) -> Result<(), Halt> {
        let mut users = self.called(username)?;
        for user in &users {
            scene.check_may_touch(user.id)?;
        }
        if users.is_empty() {
            // So that the ban waits for whoever comes under this name.
            users.push(self.find_or_make(&UserRef::Called(username.to_owned()))?);
        }
        let until = minutes.map(|minutes| Timestamp(self.now.0 + i64::from(minutes) * MINUTE));
        for user in users {
            let ban = Ban {
                conversation: scene.view.conversation.id,
                user: user.id,
                until,
            };
            self.changes.push(Change::Banned(ban));
            let by = scene.by.clone();
            let happening = RoomHappening::Banned {
                user,
                by,
                until,
                minutes,
            };
            self.note(scene, RoomNote::Banned { ban, minutes }, happening);
        }
        Ok(())
    }

    fn unban(&mut self, scene: &mut RoomDraft<'_>, username: &str) -> Result<(), Halt> {
        let mut banned = Vec::new();
        for user in self.called(username)? {
            let ban = self.facts.ban(scene.view.conversation.id, user.id)?;
            banned.extend(ban.map(|ban| (user, ban)));
        }
        if banned.is_empty() {
            return Err(Refusal::NothingThere.into());
        }
        for (user, ban) in banned {
            self.lift(scene, user, ban);
        }
        Ok(())
    }

    fn lift(&mut self, scene: &mut RoomDraft<'_>, user: Arc<User>, ban: Ban) {
        self.changes
            .push(Change::Unbanned(ban.conversation, ban.user));
        let permanent = ban.until.is_none();
        let note = RoomNote::Unbanned {
            user: user.id,
            permanent,
        };
        let by = scene.by.clone();
        let happening = RoomHappening::Unbanned {
            user,
            by,
            permanent,
        };
        self.note(scene, note, happening);
    }

    /// Those whom others see under a name.
    fn called(&self, username: &str) -> Result<Vec<Arc<User>>, Halt> {
        let users = self.facts.users_called(self.app(), &folded(username))?;
        Ok(users.into_iter().map(Arc::clone).collect())
    }

    fn clear(&mut self, scene: &mut RoomDraft<'_>) {
        self.tell(scene, RoomNews::Cleared);
        let cleared = scene.last.map(|entry| entry.g);
        scene.room.cleared_g = cleared.unwrap_or(scene.room.cleared_g);
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
        if g <= scene.room.cleared_g {
            return Err(Refusal::UnknownMessage.into());
        }
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

    fn open_poll(&mut self, scene: &mut RoomDraft<'_>, poll: Poll) -> Result<(), Halt> {
        let earlier = scene.room.poll.replace(poll.clone());
        if earlier.is_some_and(|earlier| self.now < earlier.ends_at()) {
            return Err(Refusal::PollIsOpen.into());
        }
        self.forget_votes(scene);
        self.tell(scene, RoomNews::Poll(poll));
        Ok(())
    }

    fn end_poll(&mut self, scene: &mut RoomDraft<'_>) {
        self.forget_votes(scene);
        self.tell(scene, RoomNews::PollGone);
    }

    fn forget_votes(&mut self, scene: &RoomDraft<'_>) {
        let id = scene.view.conversation.id;
        self.changes.push(Change::VotesForgotten(id));
    }

    fn vote(
        &mut self,
        view: &'a ConversationView,
        option: u32,
        voter: &UserRef,
    ) -> Result<Reply, Halt> {
        self.check_readable(view)?;
        let mut scene = RoomDraft::new(view, None);
        let now = self.now;
        let poll = scene.room.poll.as_mut();
        let poll = poll.filter(|poll| now < poll.ends_at());
        let poll = poll.ok_or(Refusal::NoPoll)?;
        let place = option.checked_sub(1).and_then(|at| at.try_into().ok());
        let chosen = place.and_then(|at: usize| poll.options.get_mut(at));
        let chosen = chosen.ok_or(Refusal::Invalid {
            field: "id",
            must: "must be that of an option of the poll",
        })?;
        chosen.votes += 1;
        let is_told = now.0 >= poll.told_at.0 + Poll::PACE;
        poll.untold = !is_told;
        if is_told {
            poll.told_at = now;
        }
        let poll = poll.clone();
        let id = view.conversation.id;
        let (voter, is_new) = self.speaker(voter)?;
        // Nobody knows anything yet about who is new.
        if !is_new {
            self.check_not_banned(view, &voter)?;
            if self.facts.vote(id, voter.id)?.is_some() {
                return Err(Refusal::AlreadyVoted.into());
            }
        }
        self.changes.push(Change::Voted {
            conversation: id,
            user: voter.id,
            option,
        });
        if is_told {
            self.tell(&mut scene, RoomNews::Poll(poll));
        }
        Ok(self.done(scene))
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
        let id = scene.view.conversation.id;
        match scene.view.member(user.id).map(|member| member.role) {
            Some(MemberRole::Owner | MemberRole::Moderator) => {}
            Some(MemberRole::Member) => {
                self.changes.push(Change::RoleChanged(id, user.id, role));
            }
            None => {
                super::conversations::check_room(scene.view.members.len())?;
                let entry = self.entry(scene.view, scene.by());
                let member = Member { user, role };
                self.changes.push(Change::MemberAdded { entry, member });
            }
        }
        Ok(())
    }

    fn remove_moderator(&mut self, scene: &RoomDraft<'_>, username: &str) -> Result<(), Halt> {
        let users = self.called(username)?;
        let id = scene.view.conversation.id;
        let is_moderator = |user: &&Arc<User>| {
            let member = scene.view.member(user.id);
            member.is_some_and(|member| member.role == MemberRole::Moderator)
        };
        let moderator = users.iter().find(is_moderator);
        let moderator = moderator.ok_or(Refusal::NothingThere)?;
        let role = MemberRole::Member;
        self.changes
            .push(Change::RoleChanged(id, moderator.id, role));
        Ok(())
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
        self.erase_message(view, message, by.map(|user| user.id));
        Ok(Reply::InRoom {
            event: self.shown(),
            conversation: self.refreshed(view),
        })
    }

    /// What follows for a room when a message in it is deleted.
    pub(super) fn unpin_deleted(
        &mut self,
        view: &ConversationView,
        message: Uuid,
        by: Option<UserId>,
    ) {
        let pinned = view.room().and_then(|room| room.pin.as_ref());
        if pinned.is_none_or(|pin| pin.message != message) {
            return;
        }
        let by = by.and_then(|by| view.member(by));
        let mut scene = RoomDraft::new(view, by.map(|member| Arc::clone(&member.user)));
        scene.room.pin = None;
        self.tell(&mut scene, RoomNews::Unpinned);
        self.done(scene);
    }

    pub(super) fn end_due(&mut self) -> Result<Reply, Halt> {
        let due = self.facts.due(self.now, END_STEP)?;
        for view in &due.rooms {
            // As it is after what this batch has changed.
            if let Some(view) = self.facts.conversation_now(view) {
                self.end_in_room(view);
            }
        }
        for (ban, user, view) in &due.bans {
            let Some(view) = self.facts.conversation_now(view) else {
                continue;
            };
            if self.facts.ban(ban.conversation, ban.user)? == Some(*ban) {
                let mut scene = RoomDraft::new(view, None);
                self.lift(&mut scene, self.facts.current(user), *ban);
            }
        }
        let step = END_STEP as usize;
        let more = due.rooms.len() >= step || due.bans.len() >= step;
        Ok(Reply::Forgotten { more })
    }

    fn end_in_room(&mut self, view: &ConversationView) {
        let now = self.now;
        let mut scene = RoomDraft::new(view, None);
        if scene.room.pin.take_if(|pin| pin.until <= now).is_some() {
            self.tell(&mut scene, RoomNews::Unpinned);
        }
        let gone = |poll: &mut Poll| poll.ended && poll.vanishes_at() <= now;
        if scene.room.poll.take_if(gone).is_some() {
            self.end_poll(&mut scene);
        }
        if let Some(poll) = &mut scene.room.poll
            && !poll.ended
        {
            poll.ended = poll.ends_at() <= now;
            if poll.ended || (poll.untold && poll.told_at.0 + Poll::PACE <= now.0) {
                (poll.told_at, poll.untold) = (now, false);
                let poll = poll.clone();
                self.tell(&mut scene, RoomNews::Poll(poll));
            }
        }
        self.done(scene);
    }
}

/// What becomes of a room in a decision.
struct RoomDraft<'v> {
    view: &'v ConversationView,
    by: Option<Arc<User>>,
    room: Room,
    /// The newest entry in its log that the decision made.
    last: Option<crate::store::Entry>,
}

impl<'v> RoomDraft<'v> {
    fn new(view: &'v ConversationView, by: Option<Arc<User>>) -> Self {
        Self {
            room: view
                .room()
                .map(|room| Room::clone(room))
                .unwrap_or_default(),
            view,
            by,
            last: None,
        }
    }

    fn by(&self) -> Option<UserId> {
        self.by.as_ref().map(|user| user.id)
    }

    /// Nobody bans the owner, and moderators do not ban each other.
    fn check_may_touch(&self, user: UserId) -> Result<(), Refusal> {
        let role = |user| self.view.member(user).map(|member| member.role);
        let may = match role(user) {
            Some(MemberRole::Owner) => false,
            Some(MemberRole::Moderator) => self
                .by()
                .is_none_or(|by| role(by) == Some(MemberRole::Owner)),
            Some(MemberRole::Member) | None => true,
        };
        if may {
            Ok(())
        } else {
            Err(Refusal::NotAllowed)
        }
    }
}

fn new_poll(
    title: &str,
    options: &[String],
    seconds: u32,
    display_seconds: u32,
    now: Timestamp,
) -> Poll {
    let option = |label: &String| PollOption {
        label: label.clone(),
        votes: 0,
    };
    Poll {
        title: title.to_owned(),
        options: options.iter().map(option).collect(),
        seconds,
        display_seconds,
        opened_at: now,
        ended: false,
        told_at: now,
        untold: false,
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

//! Who is banned in a room, by whom, and who is called so.

use std::sync::Arc;

use super::RoomDraft;
use crate::{
    command::UserRef,
    decide::Draft,
    event::RoomHappening,
    facts::Halt,
    model::{ConversationView, MemberRole, Timestamp, User, UserId},
    refusal::Refusal,
    room::{Ban, RoomNote, folded},
    store::Change,
};

const MINUTE: i64 = 60_000;

impl Draft<'_> {
    pub(super) fn ban(
        &mut self,
        scene: &mut RoomDraft<'_>,
        username: &str,
        minutes: Option<u32>,
    ) -> Result<(), Halt> {
        let mut users = self.called(username)?;
        if users.is_empty() {
            // So that the ban waits for whoever comes under this name.
            users.push(self.find_or_make(&UserRef::Called(username.to_owned()))?);
        }
        // Whoever takes the name of one who rules the room is not protected by that.
        users.retain(|user| may_touch(scene.view, scene.by(), user.id));
        if users.is_empty() {
            return Err(Refusal::NotAllowed.into());
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

    pub(super) fn unban(&mut self, scene: &mut RoomDraft<'_>, username: &str) -> Result<(), Halt> {
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

    pub(super) fn lift(&mut self, scene: &mut RoomDraft<'_>, user: Arc<User>, ban: Ban) {
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

    /// Those whom others see under a name; if nobody is called so, whom the app knows by it.
    pub(super) fn called(&self, username: &str) -> Result<Vec<Arc<User>>, Halt> {
        let mut users = self.facts.users_called(self.app(), &folded(username))?;
        if users.is_empty() {
            users.extend(self.facts.user(self.app(), username.trim())?);
        }
        Ok(users.into_iter().map(Arc::clone).collect())
    }
}

/// Refuses who may not put a user out of a room.
pub(crate) fn check_may_touch(
    view: &ConversationView,
    by: &User,
    user: &User,
) -> Result<(), Refusal> {
    if may_touch(view, Some(by.id), user.id) {
        Ok(())
    } else {
        Err(Refusal::NotAllowed)
    }
}

/// Whether somebody who rules a room may do something to a user there: not to its owner, and
/// moderators not to each other. `None` is the app itself.
fn may_touch(view: &ConversationView, by: Option<UserId>, user: UserId) -> bool {
    let role = |user| view.member(user).map(|member| member.role);
    match role(user) {
        Some(MemberRole::Owner) => false,
        Some(MemberRole::Moderator) => by.is_none_or(|by| role(by) == Some(MemberRole::Owner)),
        Some(MemberRole::Member) | None => true,
    }
}

//! Who may write in a room: bans, and the modes that its rulers have set.

use std::{borrow::Cow, sync::Arc};

use crate::{
    actor::Subject,
    command::UserRef,
    decide::Draft,
    facts::Halt,
    model::{Body, ConversationView, ExternalId, MemberRole, Profile, Scope, Timestamp, User},
    refusal::Refusal,
    room::{Badge, RoomName, Standing, folded},
    store::Change,
};

impl<'a> Draft<'a> {
    /// The room into which somebody writes who need not belong to it, and that one; whether the
    /// user was made just now.
    pub(crate) fn room_to_write(
        &mut self,
        room: &RoomName,
        sender: &UserRef,
    ) -> Result<(Arc<User>, Cow<'a, ConversationView>), Halt> {
        let view = self.facts.room(self.app(), room)?;
        let view = view.ok_or(Refusal::UnknownConversation)?;
        self.check_readable(view)?;
        let (sender, _) = self.speaker(sender)?;
        Ok((sender, Cow::Borrowed(view)))
    }

    /// Refuses those to whom a private room is closed.
    pub(crate) fn check_readable(&self, view: &ConversationView) -> Result<(), Refusal> {
        let is_private = view.room().is_some_and(|room| room.private);
        if is_private && self.actor.subject.is_none() && self.actor.scope != Scope::Server {
            return Err(Refusal::TokenRequired);
        }
        Ok(())
    }

    /// Who speaks under a name: the one of the token, or the one that the app itself gives. Made at
    /// first mention; true if that was just now.
    pub(crate) fn speaker(&mut self, user: &UserRef) -> Result<(Arc<User>, bool), Halt> {
        self.check_acts_as(user)?;
        let token: Option<&'a Subject> = match user {
            UserRef::Subject => self.actor.subject.as_ref(),
            _ => None,
        };
        let name = token.and_then(|subject| subject.name.as_ref());
        let Some(known) = self.find(user)? else {
            let profile = Profile {
                name: name.cloned(),
                ..Profile::default()
            };
            let external = match (user, token) {
                (UserRef::Called(name), _) => ExternalId::text(name.trim()),
                (UserRef::Named(external), _) => external.clone(),
                (_, Some(subject)) => subject.id.clone(),
                _ => return Err(Refusal::UnknownUser.into()),
            };
            return Ok((self.new_user(&external, profile)?, true));
        };
        let is_called_so = name.is_none_or(|name| known.profile.name.as_ref() == Some(name));
        if is_called_so {
            return Ok((Arc::clone(known), false));
        }
        let mut renamed = User::clone(known);
        renamed.profile.name = name.cloned();
        renamed.updated_at = Some(self.now);
        let renamed = Arc::new(renamed);
        self.changes.push(Change::UserUpdated(Arc::clone(&renamed)));
        Ok((renamed, false))
    }

    /// Refuses whoever may not write this in a room now. Those who rule it always may.
    pub(crate) fn check_may_speak(
        &self,
        view: &ConversationView,
        sender: &Arc<User>,
        standing: Standing,
        body: &Body,
    ) -> Result<(), Halt> {
        let Some(room) = view.room() else {
            return Ok(());
        };
        if rules(view, sender) {
            return Ok(());
        }
        self.check_not_banned(view, sender)?;
        let modes = &room.modes;
        let since = |at: Timestamp| self.now.0.saturating_sub(at.0).max(0);
        let is_for = |at: Timestamp, minutes: u32| since(at) >= i64::from(minutes) * 60_000;
        if modes.subscribers && standing.subscriber_months == 0 {
            return Err(Refusal::SubscribersOnly.into());
        }
        if let Some(minutes) = modes.followers.amount() {
            let follows = standing
                .follower_since
                .is_some_and(|at| is_for(at, minutes));
            if !follows {
                return Err(Refusal::FollowersOnly { minutes }.into());
            }
        }
        if let Some(minutes) = modes.account_age.amount()
            && !is_for(sender.created_at, minutes)
        {
            return Err(Refusal::AccountTooYoung { minutes }.into());
        }
        if modes.emotes && !is_emotes(&body.text) {
            return Err(Refusal::EmotesOnly.into());
        }
        if let Some(seconds) = modes.slow.amount()
            && !self.is_made_now(sender)
        {
            let interval = i64::from(seconds) * 1_000;
            let from = Timestamp(self.now.0 - interval);
            let id = view.conversation.id;
            let last = self.facts.wrote_since(id, from, sender.id)?;
            let left = last.map_or(0, |last| interval - since(last));
            if left > 0 {
                let wait_seconds = u32::try_from((left + 999) / 1_000).unwrap_or(seconds);
                return Err(Refusal::SlowMode { wait_seconds }.into());
            }
        }
        Ok(())
    }

    /// Refuses an author who may not say this in a room any longer.
    pub(crate) fn check_may_rewrite(
        &self,
        view: &ConversationView,
        author: &Arc<User>,
        body: &Body,
    ) -> Result<(), Halt> {
        let Some(room) = view.room().filter(|_| !rules(view, author)) else {
            return Ok(());
        };
        self.check_not_banned(view, author)?;
        if room.modes.emotes && !is_emotes(&body.text) {
            return Err(Refusal::EmotesOnly.into());
        }
        Ok(())
    }

    /// Refuses whoever is banned. Nobody is, who was made just now; but a ban that waits for whoever
    /// comes under a name waits for that one.
    pub(crate) fn check_not_banned(
        &self,
        view: &ConversationView,
        user: &User,
    ) -> Result<(), Halt> {
        if !self.is_made_now(user) {
            return self.check_no_ban(view, user);
        }
        let namesakes = self.facts.users_called(self.app(), &folded(user.name()))?;
        let mut namesakes = namesakes.into_iter();
        namesakes.try_for_each(|other| self.check_no_ban(view, other))
    }

    fn check_no_ban(&self, view: &ConversationView, user: &User) -> Result<(), Halt> {
        let ban = self.facts.ban(view.conversation.id, user.id)?;
        match ban.filter(|ban| ban.holds(self.now)) {
            Some(ban) => Err(Refusal::Banned { until: ban.until }.into()),
            None => Ok(()),
        }
    }

    /// What the app says about a sender.
    pub(crate) fn standing(&self, sender: &User, given: Option<Standing>) -> Standing {
        let token = self.actor.subject.as_ref();
        let own = token.filter(|subject| subject.id == sender.external);
        match self.actor.scope {
            Scope::Server => given.unwrap_or_default(),
            Scope::Client => own.map(|subject| subject.standing).unwrap_or_default(),
        }
    }

    /// Whether this decision has made a user, of whom the store knows nothing.
    pub(crate) fn is_made_now(&self, user: &User) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|change| matches!(change, Change::User(made) if made.id == user.id))
    }
}

/// What stands beside a name in a room.
pub(crate) fn badges(view: &ConversationView, sender: &User, standing: Standing) -> Vec<Badge> {
    if view.room().is_none() {
        return Vec::new();
    }
    let badge = |kind: &str, text: &str, count| Badge {
        kind: kind.to_owned(),
        text: text.to_owned(),
        count,
    };
    let mut badges = Vec::new();
    match view.member(sender.id).map(|member| member.role) {
        Some(MemberRole::Owner) => badges.push(badge("broadcaster", "Broadcaster", None)),
        Some(MemberRole::Moderator) => badges.push(badge("moderator", "Moderator", None)),
        Some(MemberRole::Member) | None => {}
    }
    if standing.subscriber_months > 0 {
        let months = Some(standing.subscriber_months);
        badges.push(badge("subscriber", "Subscriber", months));
    }
    badges
}

/// Whether a user rules a room.
pub(crate) fn rules(view: &ConversationView, user: &User) -> bool {
    let role = view.member(user.id).map(|member| member.role);
    view.room().is_some() && matches!(role, Some(MemberRole::Owner | MemberRole::Moderator))
}

/// Whether a text is nothing but emotes: `[emote:37221:EZ]`, with or without space between them.
fn is_emotes(text: &str) -> bool {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let inner = ["[emote:", "[emoji:"]
            .into_iter()
            .find_map(|start| rest.strip_prefix(start));
        let Some((emote, after)) = inner.and_then(|inner| inner.split_once(']')) else {
            return false;
        };
        let Some((id, name)) = emote.split_once(':') else {
            return false;
        };
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id || name.is_empty() || name.contains(['[', ':']) {
            return false;
        }
        rest = after.trim_start();
    }
    true
}

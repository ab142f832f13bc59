//! Rules about users: who is at a socket, profiles, and the end of a user.

use std::sync::Arc;

use super::{Draft, merged};
use crate::{
    command::{ProfilePatch, Reply, UserRef},
    event::{Effect, Subscribe, Topic, Unsubscribe, Whose},
    facts::Halt,
    model::{ExternalId, Profile, User, UserId},
    refusal::Refusal,
    store::Change,
};

/// The most users that one may block.
const MAX_BLOCKS: usize = 1_000;
/// Entries looked through in one step for what a user wrote: some milliseconds of the writer's time.
const SEARCH_STEP: u32 = 1_000;
/// Entries that are looked through when the user is deleted, at most, but for what comes meanwhile.
const SEARCH_LAST: u64 = 100;

impl Draft<'_> {
    pub(super) fn register(
        &mut self,
        user: &UserRef,
        dialect: &'static str,
        alone: bool,
    ) -> Result<Reply, Halt> {
        self.check_acts_as(user)?;
        let earlier = self.registered(dialect, alone)?;
        let user = self.find_or_make(user)?;
        let mut replaced = Vec::new();
        for other in earlier.into_iter().filter(|other| *other != user.id) {
            self.unsubscribe(Topic::Person(other), dialect);
            replaced.push(other);
        }
        self.subscribe(Some(user.id), Topic::Person(user.id), dialect);
        Ok(Reply::Registered { user, replaced })
    }

    /// Who is at the asker's socket, if that `matters`.
    fn registered(&self, dialect: &'static str, matters: bool) -> Result<Vec<UserId>, Halt> {
        let Some(session) = self.actor.session.as_ref().filter(|_| matters) else {
            return Ok(Vec::new());
        };
        let Some(stored) = self.facts.session(session.id)? else {
            return Ok(Vec::new());
        };
        let subscriptions = stored.subscriptions.iter();
        let own = subscriptions.filter(|subscription| subscription.dialect == dialect);
        let person = own.filter_map(|subscription| match subscription.topic {
            Topic::Person(user) => Some(user),
            Topic::Conversation(_) => None,
        });
        Ok(person.collect())
    }

    pub(super) fn deregister(
        &mut self,
        user: &UserRef,
        dialect: &'static str,
    ) -> Result<Reply, Halt> {
        let user = self.find(user)?.map(|user| user.id);
        if let Some(user) = user {
            self.unsubscribe(Topic::Person(user), dialect);
        }
        Ok(Reply::Deregistered { user })
    }

    pub(super) fn put_user(
        &mut self,
        external: &ExternalId,
        patch: &ProfilePatch,
    ) -> Result<Reply, Halt> {
        let name = UserRef::Named(external.clone());
        self.check_acts_as(&name)?;
        if let Some(user) = self.find(&name)? {
            return self.change_profile(&Arc::clone(user), patch);
        }
        let profile = patched(&Profile::default(), patch)?;
        let user = self.new_user(external, profile)?;
        Ok(Reply::User { user })
    }

    pub(super) fn update_user(
        &mut self,
        user: &UserRef,
        patch: &ProfilePatch,
    ) -> Result<Reply, Halt> {
        let user = self.acting(user)?.ok_or(Refusal::UnknownUser)?;
        self.change_profile(&Arc::clone(user), patch)
    }

    fn change_profile(&mut self, user: &Arc<User>, patch: &ProfilePatch) -> Result<Reply, Halt> {
        let profile = patched(&user.profile, patch)?;
        if profile == user.profile {
            let user = Arc::clone(user);
            return Ok(Reply::User { user });
        }
        let user = Arc::new(User {
            profile,
            updated_at: Some(self.now),
            ..User::clone(user)
        });
        self.changes.push(Change::UserUpdated(Arc::clone(&user)));
        Ok(Reply::User { user })
    }

    pub(super) fn delete_user(&mut self, user: &UserRef) -> Result<Reply, Halt> {
        let user = Arc::clone(self.acting(user)?.ok_or(Refusal::UnknownUser)?);
        let conversations = self.facts.conversations_of(user.id)?;
        // A group whose owner goes belongs to whoever came next, as when the owner leaves.
        let heirs = self.facts.heirs_of(user.id)?.iter();
        let inherited = heirs.map(|(group, heir)| Change::Inherited(*group, *heir));
        self.changes.extend(inherited);
        let until = self.mint.g();
        let mut unsubscribe = |topic, whose| {
            self.effects.push(Effect::Unsubscribe(Unsubscribe {
                whose,
                topic,
                dialect: None,
                until,
            }));
        };
        unsubscribe(Topic::Person(user.id), Whose::Everybody);
        for conversation in conversations {
            unsubscribe(Topic::Conversation(*conversation), Whose::User(user.id));
        }
        self.changes.push(Change::UserDeleted(user.id, self.now));
        Ok(Reply::User { user })
    }

    pub(super) fn erase_written(&mut self, user: &UserRef) -> Result<Reply, Halt> {
        let user = self.acting(user)?.ok_or(Refusal::UnknownUser)?.id;
        let more = self.facts.unsearched(user)? > SEARCH_LAST;
        if more {
            let step = Change::WrittenErased(user, SEARCH_STEP);
            self.changes.push(step);
        }
        Ok(Reply::Forgotten { more })
    }

    pub(super) fn block(&mut self, user: &UserRef, whom: &UserRef) -> Result<Reply, Halt> {
        let user = self.acting(user)?.ok_or(Refusal::UnknownUser)?.id;
        let whom = self.find(whom)?.ok_or(Refusal::UnknownUser)?.id;
        if user == whom {
            return Err(Refusal::SamePerson.into());
        }
        let blocked = self.facts.blocks(user)?;
        if blocked.contains(&whom) {
            return Ok(Reply::Done);
        }
        if blocked.len() >= MAX_BLOCKS {
            let limit = MAX_BLOCKS;
            return Err(Refusal::TooManyBlocks { limit }.into());
        }
        let at = self.now;
        self.changes.push(Change::Blocked { user, whom, at });
        Ok(Reply::Done)
    }

    pub(super) fn unblock(&mut self, user: &UserRef, whom: &UserRef) -> Result<Reply, Halt> {
        let user = self.acting(user)?.ok_or(Refusal::UnknownUser)?.id;
        let whom = self.find(whom)?.ok_or(Refusal::UnknownUser)?.id;
        if self.facts.blocks(user)?.contains(&whom) {
            self.changes.push(Change::Unblocked { user, whom });
        }
        Ok(Reply::Done)
    }

    pub(super) fn collect_missed(&mut self, user: &UserRef) -> Result<Reply, Halt> {
        let user = self.acting(user)?.ok_or(Refusal::UnknownUser)?.id;
        let after = self.facts.collected_up_to(user)?;
        let up_to = self.mint.g();
        self.changes.push(Change::MissedCollected { user, up_to });
        Ok(Reply::Missed { after, up_to })
    }

    /// A user of whom only the id is known.
    pub(super) fn make_user(&mut self, external: &ExternalId) -> Result<Arc<User>, Halt> {
        self.new_user(external, Profile::default())
    }

    pub(super) fn new_user(
        &mut self,
        external: &ExternalId,
        profile: Profile,
    ) -> Result<Arc<User>, Halt> {
        let known = self.facts.numbers(self.app())?.user;
        let made = self.changes.iter().rev().find_map(|change| match change {
            Change::User(user) => Some(user.number),
            _ => None,
        });
        let number = made.unwrap_or(known) + 1;
        let user = Arc::new(User {
            id: self.mint.user(),
            app: self.app(),
            uuid: self.mint.uuid(self.now),
            external: external.clone(),
            number,
            profile,
            created_at: self.now,
            updated_at: None,
            last_active: self.now,
        });
        self.changes.push(Change::User(Arc::clone(&user)));
        Ok(user)
    }

    /// A join is numbered like an event: what has a higher G is shown, the rest is history.
    pub(super) fn subscribe(&mut self, user: Option<UserId>, topic: Topic, dialect: &'static str) {
        self.subscribe_as(user, topic, dialect, None);
    }

    /// The same for a session that has its own name for the place.
    pub(super) fn subscribe_as(
        &mut self,
        user: Option<UserId>,
        topic: Topic,
        dialect: &'static str,
        spelling: Option<Arc<str>>,
    ) {
        let Some(session) = &self.actor.session else {
            return;
        };
        let since = self.mint.g();
        self.changes.push(Change::Subscription {
            session: Arc::clone(session),
            user,
            proof: self.actor.proof,
            topic,
            dialect,
            spelling: spelling.clone(),
            since,
            at: self.now,
        });
        self.effects.push(Effect::Subscribe(Subscribe {
            session: session.id,
            user,
            proof: self.actor.proof,
            topic,
            dialect,
            spelling,
            since,
        }));
    }

    /// Ends the asker's listening.
    pub(super) fn unsubscribe(&mut self, topic: Topic, dialect: &'static str) {
        let Some(session) = &self.actor.session else {
            return;
        };
        let (session, until) = (session.id, self.mint.g());
        self.changes.push(Change::Unsubscription {
            session,
            topic,
            dialect,
        });
        self.effects.push(Effect::Unsubscribe(Unsubscribe {
            whose: Whose::Session(session),
            topic,
            dialect: Some(dialect),
            until,
        }));
    }
}

fn patched(profile: &Profile, patch: &ProfilePatch) -> Result<Profile, Refusal> {
    Ok(Profile {
        name: patch.name.clone().or_else(|| profile.name.clone()),
        avatar: patch.avatar.clone().or_else(|| profile.avatar.clone()),
        metadata: merged(profile.metadata.as_ref(), patch.metadata.as_ref())?,
    })
}

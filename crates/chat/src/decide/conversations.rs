//! Rules about conversations: how they are made and deleted, who belongs to them, who listens.

use std::sync::Arc;

use uuid::Uuid;

use super::{Draft, merged};
use crate::{
    command::{DetailsPatch, Reply, UserRef},
    event::{Effect, Topic, Unsubscribe, Whose},
    facts::Halt,
    model::{
        Conversation, ConversationKind, ConversationView, Details, Member, MemberRole, Metadata,
        User, pair_key,
    },
    refusal::Refusal,
    store::Change,
};

/// The most members that a group may have.
pub const MAX_MEMBERS: usize = 1_000;

impl Draft<'_> {
    pub(super) fn join(
        &mut self,
        conversation: Uuid,
        by: Option<&UserRef>,
        dialect: &'static str,
    ) -> Result<Reply, Halt> {
        let user = self.acting_or_app(by)?.map(Arc::clone);
        let view = self.visible(conversation, user.as_ref())?.clone();
        let topic = Topic::Conversation(view.conversation.id);
        self.subscribe(user.as_ref().map(|user| user.id), topic, dialect);
        Ok(Reply::Opened {
            user,
            conversation: view,
        })
    }

    pub(super) fn leave(
        &mut self,
        conversation: Uuid,
        dialect: &'static str,
    ) -> Result<Reply, Halt> {
        let found = self.facts.conversation_by_uuid(self.app(), conversation)?;
        if let Some(view) = found {
            self.unsubscribe(Topic::Conversation(view.conversation.id), dialect);
        }
        Ok(Reply::Done)
    }

    pub(super) fn open_direct(
        &mut self,
        user: &UserRef,
        other: &UserRef,
        metadata: Option<&Metadata>,
        dialect: Option<&'static str>,
    ) -> Result<Reply, Halt> {
        self.check_acts_as(user)?;
        // Both are looked up before either is made: a decision that stops for a need is thrown away.
        self.find(user)?;
        self.find(other)?;
        if user == other {
            return Err(Refusal::SamePerson.into());
        }
        let user = self.find_or_make(user)?;
        let other = self.find_or_make(other)?;
        if user.id == other.id {
            return Err(Refusal::SamePerson.into());
        }
        let conversation = self.find_or_make_direct(&user, &other, metadata)?;
        if let Some(dialect) = dialect {
            let topic = Topic::Conversation(conversation.conversation.id);
            self.subscribe(Some(user.id), topic, dialect);
        }
        Ok(Reply::Opened {
            user: Some(user),
            conversation,
        })
    }

    fn find_or_make_direct(
        &mut self,
        a: &Arc<User>,
        b: &Arc<User>,
        metadata: Option<&Metadata>,
    ) -> Result<ConversationView, Halt> {
        let key = pair_key(a.id, b.id);
        let kind = ConversationKind::Direct;
        // Users made just now cannot have a conversation, so nothing is looked up for them.
        if self.changes.is_empty()
            && let Some(view) = self
                .facts
                .conversation_by_key(self.app(), kind, key.clone())?
        {
            return Ok(self.refreshed(view));
        }
        let (first, second) = if a.id < b.id { (a, b) } else { (b, a) };
        let member = |user: &Arc<User>| Member {
            user: Arc::clone(user),
            role: MemberRole::Member,
        };
        let details = Details {
            metadata: merged(None, metadata)?,
            ..Details::default()
        };
        let members = vec![member(first), member(second)];
        Ok(self.new_conversation(kind, Some(key), details, members))
    }

    pub(super) fn create_group(
        &mut self,
        owner: &UserRef,
        members: &[UserRef],
        details: &Details,
    ) -> Result<Reply, Halt> {
        self.check_acts_as(owner)?;
        if members.len() > MAX_MEMBERS {
            let limit = MAX_MEMBERS;
            return Err(Refusal::TooManyMembers { limit }.into());
        }
        // All are looked up before any is made: a decision that stops for a need is thrown away.
        for user in members.iter().chain([owner]) {
            self.find(user)?;
        }
        let owner = self.find_or_make(owner)?;
        let mut belonging = vec![Member {
            user: Arc::clone(&owner),
            role: MemberRole::Owner,
        }];
        for user in members {
            let user = self.find_or_make(user)?;
            if belonging.iter().all(|member| member.user.id != user.id) {
                let role = MemberRole::Member;
                belonging.push(Member { user, role });
            }
        }
        let details = Details {
            metadata: merged(None, details.metadata.as_ref())?,
            ..details.clone()
        };
        let kind = ConversationKind::Group;
        let conversation = self.new_conversation(kind, None, details, belonging);
        Ok(Reply::Opened {
            user: Some(owner),
            conversation,
        })
    }

    fn new_conversation(
        &mut self,
        kind: ConversationKind,
        key: Option<String>,
        details: Details,
        members: Vec<Member>,
    ) -> ConversationView {
        let view = ConversationView {
            conversation: Arc::new(Conversation {
                id: self.mint.conversation(),
                app: self.app(),
                uuid: self.mint.uuid(self.now),
                kind,
                key,
                created_at: self.now,
            }),
            details: Arc::new(details),
            members: members.into(),
            last_seq: 0,
            last_g: 0,
            messages: 0,
            updated_at: self.now,
            last_message_at: None,
        };
        self.changes.push(Change::Conversation(view.clone()));
        view
    }

    pub(super) fn update_conversation(
        &mut self,
        conversation: Uuid,
        by: Option<&UserRef>,
        patch: &DetailsPatch,
    ) -> Result<Reply, Halt> {
        let who = self.acting_or_app(by)?;
        let view = self.visible(conversation, who)?;
        let is_direct = view.conversation.kind == ConversationKind::Direct;
        if is_direct && (patch.title.is_some() || patch.avatar.is_some()) {
            // Each of the two sees the other one's name and picture there.
            return Err(Refusal::NotAllowed.into());
        }
        let details = Details {
            title: patch.title.clone().or_else(|| view.details.title.clone()),
            avatar: patch.avatar.clone().or_else(|| view.details.avatar.clone()),
            metadata: merged(view.details.metadata.as_ref(), patch.metadata.as_ref())?,
        };
        let mut updated = self.refreshed(view);
        if details != *view.details {
            let entry = self.entry(view, who.map(|user| user.id));
            updated.details = Arc::new(details);
            updated.last_seq = entry.seq;
            updated.last_g = entry.g;
            updated.updated_at = self.now;
            let details = Arc::clone(&updated.details);
            self.changes
                .push(Change::ConversationUpdated { entry, details });
        }
        Ok(Reply::Updated {
            conversation: updated,
        })
    }

    pub(super) fn delete_conversation(
        &mut self,
        conversation: Uuid,
        by: Option<&UserRef>,
    ) -> Result<Reply, Halt> {
        let who = self.acting_or_app(by)?;
        let view = self.visible(conversation, who)?;
        check_may_rule(view, who)?;
        let id = view.conversation.id;
        self.changes.push(Change::ConversationDeleted(id, self.now));
        self.end_listening(view, Whose::Everybody);
        Ok(Reply::Done)
    }

    pub(super) fn add_member(
        &mut self,
        conversation: Uuid,
        user: &UserRef,
        by: Option<&UserRef>,
    ) -> Result<Reply, Halt> {
        let who = self.acting_or_app(by)?.map(Arc::clone);
        let view = self.visible(conversation, who.as_ref())?;
        check_members_change(view)?;
        let user = self.find_or_make(user)?;
        let unchanged = view.has(user.id);
        if !unchanged {
            if view.members.len() >= MAX_MEMBERS {
                let limit = MAX_MEMBERS;
                return Err(Refusal::TooManyMembers { limit }.into());
            }
            let entry = self.entry(view, who.map(|user| user.id));
            let member = Member {
                user: Arc::clone(&user),
                role: MemberRole::Member,
            };
            self.changes.push(Change::MemberAdded { entry, member });
        }
        Ok(Reply::Membership { user, unchanged })
    }

    pub(super) fn remove_member(
        &mut self,
        conversation: Uuid,
        user: &UserRef,
        by: Option<&UserRef>,
    ) -> Result<Reply, Halt> {
        let who = self.acting_or_app(by)?;
        let view = self.visible(conversation, who)?;
        check_members_change(view)?;
        let user = Arc::clone(self.find(user)?.ok_or(Refusal::UnknownUser)?);
        let member = view.member(user.id).ok_or(Refusal::NotAMember)?;
        if who.is_none_or(|who| who.id != user.id) {
            check_may_rule(view, who)?;
        }
        // A group that its owner leaves belongs to whoever came next.
        let heir = match member.role {
            MemberRole::Owner => view.members.iter().find(|other| other.user.id != user.id),
            MemberRole::Member => None,
        };
        let entry = self.entry(view, who.map(|user| user.id));
        self.changes.push(Change::MemberRemoved {
            entry,
            user: user.id,
            heir: heir.map(|heir| heir.user.id),
        });
        self.end_listening_at(view, Whose::User(user.id), entry.g);
        Ok(Reply::Membership {
            user,
            unchanged: false,
        })
    }

    fn end_listening(&mut self, view: &ConversationView, whose: Whose) {
        let until = self.mint.g();
        self.end_listening_at(view, whose, until);
    }

    fn end_listening_at(&mut self, view: &ConversationView, whose: Whose, until: u64) {
        self.effects.push(Effect::Unsubscribe(Unsubscribe {
            whose,
            topic: Topic::Conversation(view.conversation.id),
            dialect: None,
            until,
        }));
    }

    /// A view to be answered with, its members as they are now.
    fn refreshed(&self, view: &ConversationView) -> ConversationView {
        ConversationView {
            members: self.facts.refreshed(&view.members),
            ..view.clone()
        }
    }
}

/// The two people of a direct conversation are what makes it.
fn check_members_change(view: &ConversationView) -> Result<(), Refusal> {
    match view.conversation.kind {
        ConversationKind::Direct | ConversationKind::Product => Err(Refusal::FixedMembers),
        ConversationKind::Group | ConversationKind::Room => Ok(()),
    }
}

/// Whether `who` may do what concerns all: the app itself, the owner of a group, each of two people.
fn check_may_rule(view: &ConversationView, who: Option<&Arc<User>>) -> Result<(), Refusal> {
    let may = match (view.conversation.kind, who) {
        (_, None) | (ConversationKind::Direct, Some(_)) => true,
        (_, Some(user)) => view
            .member(user.id)
            .is_some_and(|member| member.role == MemberRole::Owner),
    };
    if may {
        Ok(())
    } else {
        Err(Refusal::NotAllowed)
    }
}

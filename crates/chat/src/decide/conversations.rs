//! Rules about conversations: how they are made and deleted, who belongs to them, who listens.

use std::{borrow::Cow, sync::Arc};

use uuid::Uuid;

use super::{
    Draft, merged,
    rooms::{check_may_touch, rules},
};
use crate::{
    command::{ConversationRef, DetailsPatch, Reply, UserRef},
    event::{Effect, Topic, Unsubscribe, Whose},
    facts::Halt,
    model::{
        Conversation, ConversationKind, ConversationView, Details, Member, MemberRole, Metadata,
        Product, User, UserId, pair_key, product_key,
    },
    refusal::Refusal,
    room::RoomNumbers,
    store::Change,
};

/// The most members that a group may have.
pub const MAX_MEMBERS: usize = 1_000;

/// Rows erased in one step: a few milliseconds of the writer's time.
const ERASE_STEP: u32 = 500;

impl<'a> Draft<'a> {
    pub(super) fn join(
        &mut self,
        conversation: &ConversationRef,
        by: Option<&UserRef>,
        spelling: Option<&str>,
        dialect: &'static str,
    ) -> Result<Reply, Halt> {
        let (user, view) = if let ConversationRef::Room(_) = conversation {
            let view = self.conversation(conversation)?;
            let view = view.ok_or(Refusal::UnknownConversation)?;
            self.check_readable(view)?;
            (None, view)
        } else if self.believes() {
            // Everybody may listen here. Who belongs to it listens as that user all the same, so that
            // it ends when the user is put out.
            let view = self.visible_at(conversation, None)?;
            let by = by.map(|by| self.find(by)).transpose()?.flatten();
            (by.filter(|user| view.has(user.id)), view)
        } else {
            let user = self.acting_or_app(by)?;
            (user, self.visible_at(conversation, user)?)
        };
        let (user, view) = (user.map(Arc::clone), view.clone());
        let topic = Topic::Conversation(view.conversation.id);
        let id = user.as_ref().map(|user| user.id);
        // Its own name is what those are shown who give it none.
        let own = view.conversation.key.as_deref();
        let spelling = spelling.filter(|spelling| Some(*spelling) != own);
        self.subscribe_as(id, topic, dialect, spelling.map(Arc::from));
        Ok(Reply::Opened {
            user,
            conversation: view,
        })
    }

    pub(super) fn leave(
        &mut self,
        conversation: &ConversationRef,
        dialect: &'static str,
    ) -> Result<Reply, Halt> {
        let found = self.conversation(conversation)?;
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
        let (user, _, view) = self.direct(user, other, metadata, false)?;
        let conversation = self.refreshed(&view);
        if let Some(dialect) = dialect {
            let topic = Topic::Conversation(conversation.conversation.id);
            self.subscribe(Some(user.id), topic, dialect);
        }
        Ok(Reply::Opened {
            user: Some(user),
            conversation,
        })
    }

    /// The direct conversation of the one who acts with another, made if there is none; `to_write`
    /// in it, the other must take messages.
    #[expect(
        clippy::type_complexity,
        reason = "three things that were looked up together"
    )]
    pub(super) fn direct(
        &mut self,
        user: &UserRef,
        other: &UserRef,
        metadata: Option<&Metadata>,
        to_write: bool,
    ) -> Result<(Arc<User>, Arc<User>, Cow<'a, ConversationView>), Halt> {
        let (user, other) = self.two_people(user, user, other)?;
        let key = pair_key(user.id, other.id);
        let kind = ConversationKind::Direct;
        if let Some(view) = self.spoken_before(kind, &key)? {
            return Ok((user, other, Cow::Borrowed(view)));
        }
        if to_write {
            self.check_may_begin(&other, &user)?;
        }
        let details = Details {
            metadata: merged(None, metadata)?,
            ..Details::default()
        };
        let (first, second) = if user.id < other.id {
            (&user, &other)
        } else {
            (&other, &user)
        };
        let members = vec![member(first), member(second)];
        let view = self.new_conversation((kind, Some(key), None), details, members);
        Ok((user, other, Cow::Owned(view)))
    }

    /// Who acts, and the conversation of a vendor and a customer, one of whom that is, about a product;
    /// made if there is none, to write in it.
    pub(super) fn product(
        &mut self,
        acting: &UserRef,
        vendor: &UserRef,
        customer: &UserRef,
        product: &Product,
    ) -> Result<(Arc<User>, Cow<'a, ConversationView>), Halt> {
        self.check_acts_as(acting)?;
        // Looked up before anybody is made, like the two.
        self.find(acting)?;
        let (vendor, customer) = self.two_people(acting, vendor, customer)?;
        let sender = self.find_or_make(acting)?;
        let other = match sender.id {
            id if id == vendor.id => &customer,
            id if id == customer.id => &vendor,
            _ => return Err(Refusal::NotAllowed.into()),
        };
        let key = product_key(&product.id, vendor.id, customer.id);
        let kind = ConversationKind::Product;
        if let Some(view) = self.spoken_before(kind, &key)? {
            return Ok((sender, Cow::Borrowed(view)));
        }
        self.check_may_begin(other, &sender)?;
        let details = Details {
            title: product.name.clone(),
            product: Some(Box::new(product.clone())),
            ..Details::default()
        };
        let members = vec![member(&vendor), member(&customer)];
        let view = self.new_conversation((kind, Some(key), None), details, members);
        Ok((sender, Cow::Owned(view)))
    }

    /// Two people, one of whom acts, made at first mention.
    fn two_people(
        &mut self,
        acting: &UserRef,
        a: &UserRef,
        b: &UserRef,
    ) -> Result<(Arc<User>, Arc<User>), Halt> {
        self.check_acts_as(acting)?;
        // Both are looked up before either is made: a decision that stops for a need is thrown away.
        self.find(a)?;
        self.find(b)?;
        if a == b {
            return Err(Refusal::SamePerson.into());
        }
        let (a, b) = (self.find_or_make(a)?, self.find_or_make(b)?);
        if a.id == b.id {
            return Err(Refusal::SamePerson.into());
        }
        Ok((a, b))
    }

    /// The conversation with this key. Users made just now cannot have one, so nothing is looked up
    /// for them.
    fn spoken_before(
        &self,
        kind: ConversationKind,
        key: &str,
    ) -> Result<Option<&'a ConversationView>, Halt> {
        if self.changes.is_empty() {
            self.facts
                .conversation_by_key(self.app(), kind, key.to_owned())
        } else {
            Ok(None)
        }
    }

    /// Whether a user takes messages from one with whom there is no conversation yet. Nobody has
    /// anything against a user made just now.
    fn check_may_begin(&self, user: &User, sender: &User) -> Result<(), Halt> {
        if self.changes.is_empty() {
            self.check_takes_messages(user.id, sender.id)?;
        }
        Ok(())
    }

    pub(super) fn create_group(
        &mut self,
        owner: &UserRef,
        members: &[UserRef],
        details: &Details,
    ) -> Result<Reply, Halt> {
        self.check_acts_as(owner)?;
        // The owner may be among them; nobody needs to stand there twice.
        check_room(members.len().saturating_sub(1))?;
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
        check_room(belonging.len() - 1)?;
        let details = Details {
            metadata: merged(None, details.metadata.as_ref())?,
            ..details.clone()
        };
        let kind = ConversationKind::Group;
        let conversation = self.new_conversation((kind, None, None), details, belonging);
        Ok(Reply::Opened {
            user: Some(owner),
            conversation,
        })
    }

    /// What names it: its kind, what makes it unique, a room's numbers.
    pub(super) fn new_conversation(
        &mut self,
        (kind, key, numbers): (ConversationKind, Option<String>, Option<RoomNumbers>),
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
                numbers,
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
        if view.room().is_some() && who.is_some_and(|user| !rules(view, user)) {
            return Err(Refusal::NotAllowed.into());
        }
        let is_direct = view.conversation.kind == ConversationKind::Direct;
        if is_direct && (patch.title.is_some() || patch.avatar.is_some()) {
            // Each of the two sees the other one's name and picture there.
            return Err(Refusal::NotAllowed.into());
        }
        let details = Details {
            title: patch.title.clone().or_else(|| view.details.title.clone()),
            avatar: patch.avatar.clone().or_else(|| view.details.avatar.clone()),
            metadata: merged(view.details.metadata.as_ref(), patch.metadata.as_ref())?,
            product: view.details.product.clone(),
            room: view.details.room.clone(),
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

    pub(super) fn hide_conversation(
        &mut self,
        conversation: &ConversationRef,
        user: &UserRef,
    ) -> Result<Reply, Halt> {
        let (user, view) = self.member_at(conversation, user)?;
        self.changes.push(Change::ConversationHidden {
            conversation: view.conversation.id,
            user: user.id,
            up_to: view.last_g,
        });
        Ok(Reply::Done)
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

    pub(super) fn erase_leftovers(&mut self) -> Result<Reply, Halt> {
        let leftover = self.facts.leftover()?;
        let step = leftover.map(|id| Change::Erased(id, ERASE_STEP));
        self.changes.extend(step);
        // Whether that was the last of it the next step finds out.
        let more = leftover.is_some();
        Ok(Reply::Forgotten { more })
    }

    pub(super) fn add_member(
        &mut self,
        conversation: Uuid,
        user: &UserRef,
        by: Option<&UserRef>,
    ) -> Result<Reply, Halt> {
        let who = self.acting_or_app(by)?.map(Arc::clone);
        let view = self.addable(conversation, who.as_ref(), user)?;
        check_members_change(view)?;
        let user = self.find_or_make(user)?;
        let unchanged = view.has(user.id);
        if !unchanged {
            check_room(view.members.len())?;
            let entry = self.entry(view, who.map(|user| user.id));
            let member = Member {
                user: Arc::clone(&user),
                role: MemberRole::Member,
            };
            self.changes.push(Change::MemberAdded { entry, member });
        }
        Ok(Reply::Membership { user, unchanged })
    }

    /// The conversation into which `who` takes a user: in a room those who rule it may, and everybody
    /// oneself.
    fn addable(
        &self,
        conversation: Uuid,
        who: Option<&Arc<User>>,
        user: &UserRef,
    ) -> Result<&'a ConversationView, Halt> {
        let view = self.visible(conversation, None)?;
        let Some(who) = who else {
            return Ok(view);
        };
        if view.room().is_none() {
            return self.visible(conversation, Some(who));
        }
        self.check_readable(view)?;
        let is_oneself = self.find(user)?.is_some_and(|user| user.id == who.id);
        if is_oneself || rules(view, who) {
            Ok(view)
        } else {
            Err(Refusal::NotAllowed.into())
        }
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
        if let Some(who) = who.filter(|who| who.id != user.id) {
            if rules(view, who) {
                check_may_touch(view, who, &user)?;
            } else {
                check_may_rule(view, Some(who))?;
            }
        }
        let heir = match member.role {
            MemberRole::Owner => heir(view, user.id),
            MemberRole::Moderator | MemberRole::Member => None,
        };
        let entry = self.entry(view, who.map(|user| user.id));
        self.changes.push(Change::MemberRemoved {
            entry,
            user: user.id,
            heir,
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
    pub(super) fn refreshed(&self, view: &ConversationView) -> ConversationView {
        ConversationView {
            members: self.facts.refreshed(&view.members),
            ..view.clone()
        }
    }
}

fn member(user: &Arc<User>) -> Member {
    Member {
        user: Arc::clone(user),
        role: MemberRole::Member,
    }
}

/// Whether one more belongs into a group of this size.
pub(super) fn check_room(members: usize) -> Result<(), Refusal> {
    if members < MAX_MEMBERS {
        Ok(())
    } else {
        let limit = MAX_MEMBERS;
        Err(Refusal::TooManyMembers { limit })
    }
}

/// Whose a conversation is when its owner leaves: of a room that of a moderator, if there is one, for
/// everybody may be a member of it; of a group whoever came next.
fn heir(view: &ConversationView, owner: UserId) -> Option<UserId> {
    let may_own = |member: &&Member| {
        let is_heir = view.room().is_none() || member.role == MemberRole::Moderator;
        is_heir && member.user.id != owner
    };
    let mut others = view.members.iter();
    others.find(may_own).map(|heir| heir.user.id)
}

/// The two people of a direct conversation are what makes it.
fn check_members_change(view: &ConversationView) -> Result<(), Refusal> {
    if view.conversation.kind.is_of_two() {
        return Err(Refusal::FixedMembers);
    }
    Ok(())
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

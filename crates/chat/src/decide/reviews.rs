//! Rules about words that are not taken, and about messages that somebody has to look at.

use std::sync::Arc;

use uuid::Uuid;

use super::{Draft, messages::Words, rooms::rules};
use crate::{
    command::{Reply, UserRef},
    facts::Halt,
    model::{ConversationKind, ConversationView, Scope, User},
    refusal::Refusal,
    review::{
        Filter, FilterAction, MAX_REASON, MAX_REPORTS, MAX_REVIEWS, Matter, Report, Review, Verdict,
    },
    room::RoomName,
    store::Change,
};

impl Draft<'_> {
    pub(super) fn add_filter(
        &mut self,
        words: &str,
        action: FilterAction,
        room: Option<&RoomName>,
    ) -> Result<Reply, Halt> {
        self.check_is_app()?;
        Filter::check_words(words)?;
        let limit = Filter::MAX;
        if self.facts.filters(self.app())?.len() >= limit {
            return Err(Refusal::TooManyFilters { limit }.into());
        }
        let room = match room {
            Some(name) => {
                let view = self.facts.room(self.app(), name)?;
                let view = view.ok_or(Refusal::UnknownConversation)?;
                Some(Arc::clone(&view.conversation))
            }
            None => None,
        };
        let filter = Arc::new(Filter {
            id: self.mint.uuid(self.now),
            app: self.app(),
            words: words.to_owned(),
            action,
            room,
        });
        self.changes.push(Change::FilterAdded(Arc::clone(&filter)));
        Ok(Reply::Filtering { filter })
    }

    pub(super) fn remove_filter(&mut self, filter: Uuid) -> Result<Reply, Halt> {
        self.check_is_app()?;
        if !self.facts.filters(self.app())?.has(filter) {
            return Err(Refusal::NothingThere.into());
        }
        let app = self.app();
        self.changes.push(Change::FilterRemoved(app, filter));
        Ok(Reply::Done)
    }

    fn check_is_app(&self) -> Result<(), Refusal> {
        match self.actor.scope {
            Scope::Server => Ok(()),
            Scope::Client => Err(Refusal::NotAllowed),
        }
    }

    /// Whether a text is looked at before anybody is shown it; refuses it if it is not taken. Who
    /// rules a room is not filtered there, and nobody where two people are in private.
    pub(super) fn must_hold(
        &self,
        view: &ConversationView,
        sender: &User,
        text: &str,
    ) -> Result<bool, Halt> {
        if view.conversation.kind == ConversationKind::Direct || rules(view, sender) {
            return Ok(false);
        }
        let filters = self.facts.filters(self.app())?;
        match filters.action(view.conversation.id, text) {
            Some(FilterAction::Block) => Err(Refusal::Filtered.into()),
            Some(FilterAction::Hold) => Ok(true),
            None => Ok(false),
        }
    }

    /// Keeps a message until somebody has looked at it. Nothing is held of those whom this decision
    /// has made; where `is_known`, the same may wait already.
    pub(super) fn hold(
        &mut self,
        view: &ConversationView,
        sender: Arc<User>,
        words: Words,
        is_known: bool,
    ) -> Result<Reply, Halt> {
        let id = view.conversation.id;
        if is_known
            && let Some(client_id) = &words.client_id
            && self.facts.is_held(id, sender.id, client_id)?
        {
            return Ok(Reply::Held);
        }
        if self.facts.open_reviews(self.app())? >= MAX_REVIEWS {
            // Nobody looks at so much.
            return Err(Refusal::Filtered.into());
        }
        let matter = Matter::Held {
            body: words.body,
            badges: words.badges,
            client_id: words.client_id,
        };
        self.open_review(view, sender, matter);
        Ok(Reply::Held)
    }

    fn open_review(&mut self, view: &ConversationView, sender: Arc<User>, matter: Matter) {
        let review = Review {
            id: self.mint.uuid(self.now),
            conversation: Arc::clone(&view.conversation),
            sender,
            at: self.now,
            matter,
        };
        self.changes.push(Change::ReviewOpened(Arc::new(review)));
    }

    pub(super) fn report(
        &mut self,
        message: Uuid,
        by: &UserRef,
        reason: &str,
    ) -> Result<Reply, Halt> {
        if reason.len() > MAX_REASON {
            return Err(Refusal::Invalid {
                field: "reason",
                must: "must have at most 500 bytes",
            }
            .into());
        }
        let (by, _) = self.speaker(by)?;
        let found = self.facts.message(self.app(), message)?;
        let (reported, view) = found.ok_or(Refusal::UnknownMessage)?;
        if !view.has(by.id) {
            // Everybody may see what stands in a room, unless it is private.
            view.room().ok_or(Refusal::UnknownMessage)?;
            self.check_readable(view)?;
        }
        let open = self.facts.review_of(self.app(), message)?;
        let mut reports = match open.map(|review| &review.matter) {
            Some(Matter::Reported { reports, .. }) => reports.clone(),
            Some(Matter::Held { .. }) | None => Vec::new(),
        };
        if reports.len() >= MAX_REPORTS || reports.iter().any(|report| report.by.id == by.id) {
            return Ok(Reply::Done);
        }
        let (reason, at) = (reason.to_owned(), self.now);
        reports.push(Report { by, reason, at });
        let matter = Matter::Reported {
            message: Arc::clone(reported),
            reports,
        };
        if let Some(open) = open {
            let review = Review {
                matter,
                ..Review::clone(open)
            };
            let review = Arc::new(review);
            self.changes.push(Change::Reported { review });
        } else {
            let limit = MAX_REVIEWS;
            if self.facts.open_reviews(self.app())? >= limit {
                return Err(Refusal::TooManyReviews { limit }.into());
            }
            self.open_review(view, Arc::clone(&reported.sender), matter);
        }
        Ok(Reply::Done)
    }

    pub(super) fn review(
        &mut self,
        item: Uuid,
        by: Option<&UserRef>,
        verdict: Verdict,
    ) -> Result<Reply, Halt> {
        if self.actor.scope != Scope::Server {
            // Who is nobody does not learn whether there is such a thing.
            self.check_acts_as(by.unwrap_or(&UserRef::Subject))?;
        }
        let found = self.facts.review(self.app(), item)?;
        let (review, view) = found.ok_or(Refusal::UnknownMessage)?;
        let by = self.reviewer(view, by)?;
        match (&review.matter, verdict) {
            (
                Matter::Held {
                    body,
                    badges,
                    client_id,
                },
                Verdict::Approve,
            ) => {
                let words = Words {
                    body: body.clone(),
                    badges: badges.clone(),
                    client_id: client_id.clone(),
                };
                self.send_held(view, self.facts.current(&review.sender), words)?;
            }
            (Matter::Reported { message, .. }, Verdict::Reject) => {
                let found = self.facts.message(self.app(), message.message.uuid)?;
                if let Some((message, view)) = found {
                    self.erase_message(view, message, by);
                }
            }
            (Matter::Held { .. }, Verdict::Reject)
            | (Matter::Reported { .. }, Verdict::Approve) => {}
        }
        let review = Arc::clone(review);
        self.changes.push(Change::ReviewClosed(review));
        Ok(Reply::Done)
    }

    /// Sends what was held, unless its sender has said it meanwhile, or may not write there any longer.
    fn send_held(
        &mut self,
        view: &ConversationView,
        sender: Arc<User>,
        words: Words,
    ) -> Result<(), Halt> {
        let id = view.conversation.id;
        if let Some(client_id) = &words.client_id
            && self.facts.sent(id, sender.id, client_id)?.is_some()
        {
            return Ok(());
        }
        if view.room().is_none() && !view.has(sender.id) {
            return Err(Refusal::NotAMember.into());
        }
        self.check_not_banned(view, &sender)?;
        self.check_not_blocked(view, sender.id)?;
        let quoted = match self.quoted(view, words.body.reply_to) {
            // What it answers is gone.
            Err(Halt::Refuse(_)) => None,
            found => found?,
        };
        self.post(view, sender, words, quoted);
        Ok(())
    }
}

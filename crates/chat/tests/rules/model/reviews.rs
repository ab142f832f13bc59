//! What the store in memory keeps of filters, and of what waits to be looked at.

use std::sync::Arc;

use chat::{
    AppId, ConversationId, G,
    review::{Filter, Matter, Review},
    store::{Change, Found, Need},
};

use super::Rows;

impl Rows {
    pub(super) fn find_in_reviews(&self, need: &Need) -> Found {
        let found = |is_it: &dyn Fn(&Review) -> bool| {
            let review = self.reviews.iter().find(|review| is_it(review))?;
            let view = self.view(review.conversation.id)?;
            Some((Arc::clone(review), view.clone()))
        };
        match need {
            Need::Filters(app) => Found::Filters(self.filters_of(*app)),
            Need::Review(app, id) => {
                Found::Review(found(&|row| (row.conversation.app, row.id) == (*app, *id)))
            }
            Need::ReviewOf(app, uuid) => Found::Review(found(&|row| match &row.matter {
                Matter::Reported { message, .. } => {
                    (row.conversation.app, message.message.uuid) == (*app, *uuid)
                }
                Matter::Held { .. } => false,
            })),
            Need::HeldAs(conversation, sender, id) => {
                let is_it = |row: &Arc<Review>| match &row.matter {
                    Matter::Held { client_id, .. } => {
                        (row.conversation.id, row.sender.id, client_id.as_ref())
                            == (*conversation, *sender, Some(id))
                    }
                    Matter::Reported { .. } => false,
                };
                Found::HeldAs(self.reviews.iter().any(is_it))
            }
            Need::OpenReviews(app) => {
                Found::OpenReviews(self.waiting(*app, None, 0, u32::MAX).len() as u64)
            }
            other => panic!("not about reviews: {other:?}"),
        }
    }

    pub(super) fn apply_to_reviews(&mut self, change: &Change) {
        match change {
            Change::FilterAdded(filter) => self.filters.push(Arc::clone(filter)),
            Change::FilterRemoved(_, id) => self.filters.retain(|filter| filter.id != *id),
            Change::ReviewOpened(review) => self.reviews.push(Arc::clone(review)),
            Change::Reported { review } => {
                let row = self.reviews.iter_mut().find(|row| row.id == review.id);
                *row.unwrap() = Arc::clone(review);
            }
            Change::ReviewClosed(review) => self.forget_reviews(|row| row.id == review.id),
            other => panic!("not about reviews: {other:?}"),
        }
    }

    pub(super) fn forget_reviews(&mut self, is_gone: impl Fn(&Review) -> bool) {
        self.reviews.retain(|review| !is_gone(review));
    }

    pub(super) fn filters_of(&self, app: AppId) -> Vec<Arc<Filter>> {
        let own = self.filters.iter().filter(|filter| filter.app == app);
        own.cloned().collect()
    }

    pub(super) fn waiting(
        &self,
        app: AppId,
        room: Option<ConversationId>,
        offset: u64,
        limit: u32,
    ) -> Vec<Arc<Review>> {
        let own = self.reviews.iter().filter(|row| {
            let place = &row.conversation;
            place.app == app && room.is_none_or(|room| room == place.id)
        });
        let page = own.skip(usize::try_from(offset).unwrap());
        page.take(limit as usize).cloned().collect()
    }
}

/// Whether this waits because of that message.
pub(super) fn is_of(review: &Review, g: G) -> bool {
    match &review.matter {
        Matter::Reported { message, .. } => message.message.g == g,
        Matter::Held { .. } => false,
    }
}

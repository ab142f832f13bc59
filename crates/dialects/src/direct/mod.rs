//! The `direct` dialect: one-to-one chats between users who are UUIDs.
//!
//! `incoming` reads its four events, `outgoing` writes its seven; the contract and what it leaves
//! open are in `docs/dialects/direct.md`, and `transcripts/` holds it as conversations.

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use chat::{Event, ExternalId, Passing, Query, Refusal, Subject, Topic};
use uuid::Uuid;

use crate::{
    Answer, Answered, Audience, Dialect, Emit, Incoming, Request, Seat, Shown, Site, payload,
};

/// The dialect. It keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Direct;

impl Dialect for Direct {
    fn name(&self) -> &'static str {
        NAME
    }

    fn namespaces(&self) -> &'static [&'static str] {
        &["/"]
    }

    fn claims(&self, event: &Incoming) -> bool {
        incoming::claims(event)
    }

    fn person(&self, subject: &Subject) -> ExternalId {
        payload::uuid(&subject.id.text).map_or_else(|| subject.id.clone(), external)
    }

    fn read(&self, _seat: &Seat<'_>, event: &Incoming) -> Result<Request, Refusal> {
        incoming::read(event)
    }

    fn answer(
        &self,
        site: &Site,
        request: Option<&Request>,
        result: Result<&Answered, &Refusal>,
    ) -> Answer {
        match result {
            Ok(answered) => outgoing::answer(site, request, answered),
            Err(refusal) => outgoing::refuse(request, refusal),
        }
    }

    fn rejoin(&self, place: Topic) -> Option<Query> {
        incoming::rejoin(place)
    }

    fn events_of_join(&self) -> u32 {
        outgoing::EVENTS_OF_JOIN
    }

    fn show(&self, site: &Site, event: &Event, audience: Audience) -> Vec<Shown> {
        outgoing::show(site, event, audience).into_iter().collect()
    }

    /// Its document has no word for typing.
    fn pass(&self, _site: &Site, _passing: &Passing) -> Option<Emit> {
        None
    }
}

const NAME: &str = "direct";

/// UUIDs are compared without case, so the id that the app knows is the lower-case form.
fn external(uuid: Uuid) -> ExternalId {
    ExternalId::text(uuid.hyphenated().to_string())
}

//! The `direct` dialect: one-to-one chats between users who are UUIDs.
//!
//! `incoming` reads its four events, `outgoing` writes its seven; the contract and what it leaves
//! open are in `docs/dialects/direct.md`, and `transcripts/` holds it as conversations.

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use chat::{Event, ExternalId, Passing, Refusal, Subject, Topic};
use uuid::Uuid;

use crate::{
    Answer, Answered, Dialect, Emit, Incoming, Rejoin, Request, Seat, Shown, Site, Stage, payload,
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

    fn rejoin(&self, _namespace: &str, place: Topic) -> Option<Rejoin> {
        Some(Rejoin {
            query: incoming::rejoin(place)?,
            events: outgoing::EVENTS_OF_JOIN,
        })
    }

    fn show(&self, stage: &Stage<'_>, event: &Event) -> Vec<Shown> {
        outgoing::show(stage, event).into_iter().collect()
    }

    /// Its document has no word for typing.
    fn pass(&self, _stage: &Stage<'_>, _passing: &Passing) -> Option<Emit> {
        None
    }
}

const NAME: &str = "direct";

/// UUIDs are compared without case, so the id that the app knows is the lower-case form.
fn external(uuid: Uuid) -> ExternalId {
    ExternalId::text(uuid.hyphenated().to_string())
}

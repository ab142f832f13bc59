//! The `market` dialect: customers and vendors talk about a product.
//!
//! Its users come with a token whose role tells customers from vendors. On `/presence` they say that
//! they are there, on `/chat` they talk. `incoming` reads its events, `outgoing` writes them; `objects`
//! are what it shows, `words` how it explains. The contract and what it leaves open are in `docs/dialects/market.md`,
//! and `transcripts/` holds it as conversations.

mod incoming;
pub mod objects;
mod outgoing;
pub mod rest;
#[cfg(test)]
mod tests;
pub mod words;

use chat::{Event, ExternalId, Passing, Refusal, Subject, Topic, User};

use crate::{
    Answer, Answered, Dialect, Emit, Incoming, PresenceOf, Rejoin, Request, Seat, Shown, Site,
    Stage,
};

/// The dialect. It keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Market;

impl Dialect for Market {
    fn name(&self) -> &'static str {
        NAME
    }

    fn namespaces(&self) -> &'static [&'static str] {
        &[CHAT, PRESENCE]
    }

    fn claims(&self, event: &Incoming) -> bool {
        incoming::claims(event)
    }

    fn demands_token(&self) -> bool {
        true
    }

    fn admit(&self, namespace: &str, subject: Option<&Subject>) -> Result<(), Refusal> {
        incoming::admit(namespace, subject)
    }

    fn greet(&self, namespace: &str) -> Vec<Request> {
        incoming::greet(namespace)
    }

    fn presence(&self, namespace: &str) -> PresenceOf {
        match namespace {
            PRESENCE => PresenceOf::Announced,
            _ => PresenceOf::Awaited,
        }
    }

    fn show_presence(&self, user: &User, present: bool) -> Option<Emit> {
        Some(outgoing::presence(user, present))
    }

    /// Customer 2 and vendor 2 are different people.
    fn person(&self, subject: &Subject) -> ExternalId {
        match subject.role {
            Some(role) => objects::external(role, &subject.id),
            None => subject.id.clone(),
        }
    }

    fn read(&self, seat: &Seat<'_>, event: &Incoming) -> Result<Request, Refusal> {
        incoming::read(seat, event)
    }

    fn answer(
        &self,
        site: &Site,
        request: Option<&Request>,
        result: Result<&Answered, &Refusal>,
    ) -> Answer {
        match result {
            Ok(answered) => outgoing::answer(site, answered),
            Err(refusal) => outgoing::refuse(request, refusal),
        }
    }

    fn rejoin(&self, namespace: &str, _place: Topic) -> Option<Rejoin> {
        (namespace == CHAT).then(|| Rejoin {
            query: incoming::all_chats(),
            events: 1,
        })
    }

    fn shows_lasting(&self, namespace: &str) -> bool {
        namespace == CHAT
    }

    fn show(&self, stage: &Stage<'_>, event: &Event) -> Vec<Shown> {
        outgoing::show(stage, event).into_iter().collect()
    }

    fn pass(&self, stage: &Stage<'_>, passing: &Passing) -> Option<Emit> {
        outgoing::pass(stage, passing)
    }
}

const NAME: &str = "market";
/// Where people talk.
pub const CHAT: &str = "/chat";
/// Where they say that they are there.
const PRESENCE: &str = "/presence";

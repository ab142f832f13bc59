//! The `pair` dialect: a token, then snippets, conversations of two, messages and typing.
//!
//! `incoming` reads its events, `outgoing` writes them. The contract and what it leaves open are in
//! `docs/dialects/pair.md`, and `transcripts/` holds it as conversations.

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use chat::{Event, Passing, Query, Refusal, Topic};

use crate::{Answer, Answered, Dialect, Emit, Incoming, Rejoin, Request, Seat, Shown, Site, Stage};

/// The dialect. It keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Pair;

impl Dialect for Pair {
    fn name(&self) -> &'static str {
        NAME
    }

    fn namespaces(&self) -> &'static [&'static str] {
        &["/"]
    }

    fn registers_by_token(&self) -> bool {
        true
    }

    fn claims(&self, event: &Incoming) -> bool {
        incoming::claims(event)
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

    /// Registering is answered again by its "OK", for which nothing has to be looked up.
    fn rejoin(&self, _namespace: &str, place: Topic) -> Option<Rejoin> {
        let Topic::Person(_) = place else { return None };
        Some(Rejoin {
            query: Query::Users { users: Vec::new() },
            events: outgoing::EVENTS_OF_REGISTERING,
        })
    }

    fn show(&self, stage: &Stage<'_>, event: &Event) -> Vec<Shown> {
        outgoing::show(stage, event).into_iter().collect()
    }

    fn pass(&self, stage: &Stage<'_>, passing: &Passing) -> Option<Emit> {
        outgoing::pass(stage, passing)
    }
}

const NAME: &str = "pair";

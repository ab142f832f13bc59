//! The `pair` dialect: a token, then snippets, conversations of two, messages and typing.
//!
//! `incoming` reads its events, `outgoing` writes them. The contract and what it leaves open are in
//! `docs/dialects/pair.md`, and `transcripts/` holds it as conversations.

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use chat::{Event, Passing, Refusal, Topic};

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

    /// Who comes back is registered still, and the page does not wait for it.
    fn rejoin(&self, _namespace: &str, _place: Topic) -> Option<Rejoin> {
        None
    }

    fn show(&self, stage: &Stage<'_>, event: &Event) -> Vec<Shown> {
        outgoing::show(stage, event).into_iter().collect()
    }

    fn pass(&self, stage: &Stage<'_>, passing: &Passing) -> Option<Emit> {
        outgoing::pass(stage, passing)
    }
}

const NAME: &str = "pair";

//! The `minchat` dialect: users with profiles, chats of two and of many, over sockets and HTTP.
//!
//! `incoming` reads its events, `outgoing` writes them, `rest` is its HTTP side; `objects` are what
//! both show, `words` how both explain. The contract and what it leaves open are in
//! `docs/dialects/minchat.md`, and `transcripts/` holds it as conversations.

mod incoming;
pub mod objects;
mod outgoing;
pub mod rest;
#[cfg(test)]
mod tests;
mod words;

use chat::{Event, Passing, Refusal, Topic};

use crate::{Answer, Answered, Dialect, Emit, Incoming, Rejoin, Request, Seat, Shown, Site, Stage};

/// The dialect. It keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Minchat;

impl Dialect for Minchat {
    fn name(&self) -> &'static str {
        NAME
    }

    fn namespaces(&self) -> &'static [&'static str] {
        &["/"]
    }

    fn claims(&self, event: &Incoming) -> bool {
        incoming::claims(event)
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

    /// Joining is answered by its acknowledgement alone.
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

const NAME: &str = "minchat";

//! The `stream` dialect: the chatrooms of live streams, for readers who need not say who they are.
//!
//! `incoming` reads its two events, `outgoing` writes what happens in a room; `objects` are what it
//! shows, `pages` what it shows over HTTP only, `words` how it explains. The contract and what it leaves open are
//! in `docs/dialects/stream.md`, and `transcripts/` holds it as conversations.

pub mod further;
mod incoming;
pub mod objects;
mod outgoing;
pub mod pages;
pub mod rest;
#[cfg(test)]
mod tests;
pub mod words;

use chat::{Event, Passing, Refusal, Topic};

use crate::{Answer, Answered, Dialect, Emit, Incoming, Rejoin, Request, Seat, Shown, Site, Stage};

/// The dialect. It keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Stream;

impl Dialect for Stream {
    fn name(&self) -> &'static str {
        NAME
    }

    fn namespaces(&self) -> &'static [&'static str] {
        &["/"]
    }

    fn claims(&self, event: &Incoming) -> bool {
        incoming::claims(event)
    }

    fn is_read_by_anybody(&self) -> bool {
        true
    }

    fn read(&self, _seat: &Seat<'_>, event: &Incoming) -> Result<Request, Refusal> {
        incoming::read(event)
    }

    fn answer(
        &self,
        _site: &Site,
        _request: Option<&Request>,
        result: Result<&Answered, &Refusal>,
    ) -> Answer {
        match result {
            Ok(_) => outgoing::done(),
            Err(refusal) => outgoing::refuse(refusal),
        }
    }

    /// A join has no answer but its acknowledgement.
    fn rejoin(&self, _namespace: &str, _place: Topic) -> Option<Rejoin> {
        None
    }

    fn show(&self, stage: &Stage<'_>, event: &Event) -> Vec<Shown> {
        outgoing::show(stage, event).into_iter().collect()
    }

    /// Its document has no word for typing.
    fn pass(&self, _stage: &Stage<'_>, _passing: &Passing) -> Option<Emit> {
        None
    }
}

const NAME: &str = "stream";

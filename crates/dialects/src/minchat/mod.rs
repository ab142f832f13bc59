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

use chat::{Event, Passing, Query, Refusal, Topic};

use crate::{Answer, Answered, Audience, Dialect, Emit, Incoming, Request, Seat, Shown, Site};

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
            Ok(answered) => outgoing::answer(site, answered),
            Err(refusal) => outgoing::refuse(request, refusal),
        }
    }

    /// Joining is answered by its acknowledgement alone.
    fn rejoin(&self, _place: Topic) -> Option<Query> {
        None
    }

    /// Joining is not answered by events.
    fn events_of_join(&self) -> u32 {
        0
    }

    fn show(&self, site: &Site, event: &Event, audience: Audience) -> Vec<Shown> {
        outgoing::show(site, event, audience).into_iter().collect()
    }

    fn pass(&self, site: &Site, passing: &Passing) -> Option<Emit> {
        Some(outgoing::pass(site, passing))
    }
}

const NAME: &str = "minchat";

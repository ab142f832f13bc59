//! What comes too early waits a moment: for the socket to say who it is, or for its user to be present.

use std::time::{Duration, Instant};

use chat::{Command, Refusal};
use dialects::Request;

use super::{OPEN_BYTES, Seat};
use crate::hub::timers;

/// Events that may wait.
const EVENTS: usize = 64;
/// How long they may wait for the socket to say who it is.
const FOR_IDENTITY: Duration = Duration::from_secs(2);
/// How long for a user to be present of whom nothing is known.
const FOR_PRESENCE: Duration = Duration::from_secs(2);
/// How long for one who was here before: each of the two sockets comes back after a delay of its own.
const FOR_RETURN: Duration = Duration::from_secs(30);

/// An event that waits.
pub(super) struct Early {
    ack: Option<u64>,
    request: Result<Request, Refusal>,
    weight: usize,
    until: Instant,
}

impl Seat {
    /// Its client is in. What its dialect greets with comes before anything that the client asks, and
    /// where its user must be present, all of that waits. `returns` if the client says that it was here
    /// before.
    pub(in crate::hub) fn begin(&mut self, returns: bool) {
        if self.is_expected() {
            return self.greet();
        }
        let is_known = self.stream.standing().is_some_and(|standing| {
            let present = &self.hub.presence.present;
            present.had_lately(&standing.person)
        });
        let patience = if returns || is_known {
            FOR_RETURN
        } else {
            FOR_PRESENCE
        };
        timers::wake_later(&self.stream.socket.handle, patience);
        self.absent_until = Some(timers::now() + patience);
    }

    /// Whether it need not wait for its user to be present, any longer or at all. If it must, it is
    /// woken when that changes.
    fn is_expected(&self) -> bool {
        let socket = &self.stream.socket;
        let Some(standing) = self.stream.standing().filter(|own| !own.announces) else {
            return true;
        };
        let (present, session) = (&self.hub.presence.present, socket.session.seed.id);
        present.has_or_wakes(&standing.person, session, &socket.handle)
    }

    /// Sees whether the wait for its user is over.
    pub(super) fn await_presence(&mut self) {
        let Some(until) = self.absent_until else {
            return;
        };
        if self.is_expected() {
            self.absent_until = None;
            self.greet();
        } else if until <= timers::now() {
            self.absent_until = None;
            self.early.clear();
            let refusal = Refusal::NotPresent;
            self.stream.refuse(self.voice.dialect, None, None, refusal);
            self.leaves = true;
        }
    }

    /// socket.io-client sends what was typed offline before the page can say who it is. So what
    /// needs that waits a moment, and all the rest waits behind it, but for saying who one is.
    pub(super) fn must_wait(&self, request: Result<&Request, &Refusal>) -> bool {
        if self.absent_until.is_some() {
            return true;
        }
        if self.stream.is_identified() {
            return false;
        }
        match request {
            Ok(request) if request.needs_identity => true,
            Ok(Request {
                command: Some(command),
                ..
            }) if command.identifies().is_some() => false,
            _ => !self.early.is_empty(),
        }
    }

    pub(super) fn wait(
        &mut self,
        ack: Option<u64>,
        request: Result<Request, Refusal>,
        now: Instant,
    ) {
        let asked = request.as_ref().ok();
        let command = asked.and_then(|request| request.command.as_ref());
        let upload = asked.and_then(|request| request.upload.as_ref());
        let weight =
            command.map_or(0, Command::weight) + upload.map_or(0, |upload| upload.bytes.len());
        let waiting: usize = self.early.iter().map(|early| early.weight).sum();
        if self.early.len() == EVENTS || waiting + weight > OPEN_BYTES {
            let refusal = if self.absent_until.is_some() {
                Refusal::NotPresent
            } else {
                Refusal::NotIdentified
            };
            self.stream
                .refuse(self.voice.dialect, ack, request.ok(), refusal);
            return;
        }
        timers::wake_later(&self.stream.socket.handle, FOR_IDENTITY);
        self.early.push_back(Early {
            ack,
            request,
            weight,
            until: now + FOR_IDENTITY,
        });
    }

    /// Goes on with what waited: for good if the socket has said who it is, as refusals if it did
    /// not in time.
    pub(super) fn release_early(&mut self, now: Instant) {
        // Who asks is known once it is decided whether a token's holder has registered.
        if self.absent_until.is_some() || self.stream.socket.is_registering() {
            return;
        }
        let identified = !self.early.is_empty() && self.stream.is_identified();
        while self.uploading.is_none()
            && let Some(Early { ack, request, .. }) = self
                .early
                .pop_front_if(|early| identified || early.until <= now)
        {
            match request {
                Ok(request) if request.needs_identity && !identified => {
                    let refusal = Refusal::NotIdentified;
                    self.stream
                        .refuse(self.voice.dialect, ack, Some(request), refusal);
                }
                request => self.submit(ack, request),
            }
        }
    }
}

//! What `market` clients are told: answers to the asker, and events to listeners.
//!
//! `objects` are what they are made of; `incoming` is the way in.

use chat::{Event, Passing, Refusal, User};

use crate::{Answer, Answered, Emit, Request, Shown, Site, Stage};

pub(super) fn answer(_site: &Site, _request: Option<&Request>, _answered: &Answered) -> Answer {
    Answer::default()
}

pub(super) fn refuse(_request: Option<&Request>, refusal: &Refusal) -> Answer {
    crate::refuse(refusal)
}

pub(super) fn presence(_user: &User, present: bool) -> Emit {
    Emit {
        name: if present {
            "userIsOnline"
        } else {
            "userIsOffline"
        },
        args: "{}".to_owned(),
    }
}

pub(super) fn show(_stage: &Stage<'_>, _event: &Event) -> Option<Shown> {
    None
}

pub(super) fn pass(_stage: &Stage<'_>, _passing: &Passing) -> Option<Emit> {
    None
}

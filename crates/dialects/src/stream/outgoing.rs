//! What `stream` clients are told: answers to the asker, and events to listeners.
//!
//! `objects` are what they are made of, `words` how a no is said; `incoming` is the way in.

use chat::{Event, Refusal};

use super::words;
use crate::{Answer, Emit, Shown, Stage, json};

/// A yes has no event of its own.
pub(super) fn done() -> Answer {
    Answer {
        events: Vec::new(),
        ack: String::from(r#"{"success":true}"#),
    }
}

/// `error { message, code }`, and the same as an acknowledgement.
pub(super) fn refuse(refusal: &Refusal) -> Answer {
    let message = words::explain(refusal);
    Answer {
        events: vec![Emit {
            name: "error".into(),
            args: json::error(refusal, &message),
        }],
        ack: json::refused_ack(refusal, &message),
    }
}

/// What listeners see of an event.
pub(super) fn show(_stage: &Stage<'_>, _event: &Event) -> Option<Shown> {
    None
}

//! Client events of `pair`, read into commands and queries.
//!
//! Checks forms only; what is allowed is decided in `chat`. `outgoing` is the way back.

use chat::Refusal;

use crate::{Incoming, Request};

pub(super) fn claims(_event: &Incoming) -> bool {
    false
}

pub(super) fn read(_event: &Incoming) -> Result<Request, Refusal> {
    Err(Refusal::UnknownEvent)
}

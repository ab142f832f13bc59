//! What a request over HTTP is answered with that was not carried out.

use std::time::Duration;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chat::{Fault, Refusal};
use dialects::{minchat::rest as minchat, rest::Response as Shown};

use super::run::{respond, retry_after};

/// When to come again, where nothing says it better.
const LATER: Duration = Duration::from_secs(2);

/// Nothing was changed. Answered as `{ success: false, message, code }`; where another dialect speaks,
/// its routes say it in their own form: see [`Rejection::retold`].
#[derive(Clone, Debug)]
pub struct Rejection {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// When to come again.
    retry_after: Option<Duration>,
}

impl Rejection {
    /// A rejection with this status; `code` is for programs and does not change between releases,
    /// `message` is for people and names the field.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    /// What the core says, of something that was not read yet.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        Self::told(refusal, minchat::status(refusal), minchat::explain(refusal))
    }

    /// What the core says, with this status and in these words.
    pub(super) fn told(refusal: &Refusal, status: u16, message: impl Into<String>) -> Self {
        if *refusal == Refusal::Unavailable {
            return Self::busy();
        }
        let status = StatusCode::from_u16(status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, refusal.code(), message)
    }

    /// `field` is wrong; `must` continues the sentence.
    pub(super) fn invalid(field: &str, must: &str) -> Self {
        let words = format!("{field} {must}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", words)
    }

    /// More bytes than are taken.
    pub(super) fn too_large(field: &str, limit: u64) -> Self {
        let words = format!("{field} is longer than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", words)
    }

    /// Something is of another type than is taken.
    pub(super) fn unsupported(message: &str) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "unsupported_media_type", message)
    }

    /// The server has no room for it just now.
    pub(super) fn busy() -> Self {
        let words = "the server has no room for this just now; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", words).after(LATER)
    }

    /// The asker asks too often.
    pub(super) fn too_often(wait: Duration) -> Self {
        let words = "too many requests; try again later";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", words).after(wait)
    }

    /// Our fault, which is logged here.
    pub(super) fn internal(fault: &Fault) -> Self {
        tracing::error!(%fault, "a request could not be answered");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "internal", "the server could not do this")
    }

    /// The asker may come again after this time.
    fn after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// The same answer, if it is a rejection, in another form; `tell` makes it of status, code and
    /// message.
    pub(super) fn retold(response: Response, tell: fn(u16, &str, &str) -> Shown) -> Response {
        match response.extensions().get::<Self>() {
            Some(told) => told.respond(tell(told.status.as_u16(), told.code, &told.message)),
            None => response,
        }
    }

    fn respond(&self, shown: Shown) -> Response {
        let mut response = respond(shown);
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            retry_after(&mut response, seconds.max(1));
        }
        response
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let status = self.status.as_u16();
        let mut response = self.respond(minchat::failure(status, self.code, &self.message));
        response.extensions_mut().insert(self);
        response
    }
}

//! The HTTP side of dialects: what a request brought, and what comes back.
//!
//! Each endpoint of a dialect is a pure function that reads an [`Input`] into a [`Call`]; the server
//! has its request decided and gives back its answer. Which fields there are and what is shown, each
//! dialect says in its own `rest`.

use std::ops::RangeInclusive;

use chat::{Media, Refusal};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    Answered, Request, Site,
    payload::{self, Field, fields, invalid},
};

/// A request that was read.
pub trait Call: Send + Sync {
    /// What it asks of the core: the command first, then the query as of the command's place.
    fn request(&self) -> &Request;

    /// What comes back.
    fn answer(&self, site: &Site, result: Result<&Answered, &Refusal>) -> Response;

    /// What comes back where reading was refused already.
    fn refuse(refusal: &Refusal) -> Response
    where
        Self: Sized;
}

/// What goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// A JSON object.
    pub body: String,
}

impl Response {
    pub(crate) fn new(status: u16, body: &impl Serialize) -> Self {
        // What is answered has string keys and no errors of its own.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self { status, body }
    }
}

/// A request's body, or its query.
///
/// JSON bodies, form fields and query parameters are read alike: a form's texts and a query's values
/// stand for strings.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A body of JSON.
    Json(&'a RawValue),
    /// A multipart body or a query.
    Form(&'a Form),
}

/// Named texts and files, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// Of several with one name the last one counts, except in lists.
    pub texts: Vec<(String, String)>,
    /// Files, already in the media store.
    pub files: Vec<(String, Media)>,
}

impl Input<'_> {
    /// The string called `name`. In JSON, `null` is as good as absent.
    pub(crate) fn text(self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self {
            Self::Json(json) => field(json, name)?.optional(Field::text),
            Self::Form(form) => Ok(form.text(name).map(str::to_owned)),
        }
    }

    /// The same, of at most `max` bytes; `must` says so.
    pub(crate) fn label(
        self,
        name: &'static str,
        max: usize,
        must: &'static str,
    ) -> Result<Option<String>, Refusal> {
        let text = self.text(name)?;
        match text {
            Some(text) if text.len() > max => Err(invalid(name, must)),
            text => Ok(text),
        }
    }

    pub(crate) fn uuid(self, name: &'static str) -> Result<Option<Uuid>, Refusal> {
        match self {
            Self::Json(json) => field(json, name)?.optional(Field::uuid),
            Self::Form(form) => form.text(name).map(|text| uuid(name, text)).transpose(),
        }
    }

    /// The string called `name` that has only digits, as a number; `must` says in which range.
    pub(crate) fn digits(
        self,
        name: &'static str,
        range: RangeInclusive<u32>,
        must: &'static str,
    ) -> Result<Option<u32>, Refusal> {
        let read = |text: String| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| is_plain);
            number
                .filter(|number| range.contains(number))
                .ok_or_else(|| invalid(name, must))
        };
        self.text(name)?.map(read).transpose()
    }

    /// The file called `name`, which only a form can have.
    pub(crate) fn file(self, name: &str) -> Option<Media> {
        match self {
            Self::Json(_) => None,
            Self::Form(form) => {
                let mut files = form.files.iter().rev();
                files
                    .find(|(found, _)| found == name)
                    .map(|(_, media)| media.clone())
            }
        }
    }
}

impl Form {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut texts = self.texts.iter().rev();
        texts
            .find(|(found, _)| found == name)
            .map(|(_, text)| text.as_str())
    }
}

pub(crate) fn field<'a>(json: &'a RawValue, name: &'static str) -> Result<Field<'a>, Refusal> {
    let [field] = fields(Some(json), [name], "must be an object")?;
    Ok(field)
}

fn uuid(name: &'static str, text: &str) -> Result<Uuid, Refusal> {
    payload::uuid(text).ok_or_else(|| invalid(name, "must be a UUID"))
}

pub(crate) fn required<T>(name: &'static str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| invalid(name, "is missing"))
}

/// The id of a retry, as it stands in the header `Idempotency-Key`.
pub(crate) fn idempotency_key(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.len() > payload::MAX_CLIENT_ID {
        return Err(invalid(
            "Idempotency-Key",
            "must be a string of 1 to 128 bytes",
        ));
    }
    Ok(text.to_owned())
}

/// The HTTP status of a refusal, where a dialect has none of its own.
pub fn status(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::UnknownKey
        | Refusal::TokenRefused { .. }
        | Refusal::TokenExpired
        | Refusal::NotIdentified => 401,
        Refusal::TokenRequired
        | Refusal::NotTheTokensSubject
        | Refusal::NotAllowed
        | Refusal::Blocked
        | Refusal::Banned { .. }
        | Refusal::FollowersOnly { .. }
        | Refusal::SubscribersOnly
        | Refusal::EmotesOnly
        | Refusal::AccountTooYoung { .. }
        | Refusal::WrongRole { .. } => 403,
        Refusal::UnknownConversation
        | Refusal::UnknownMessage
        | Refusal::UnknownUser
        | Refusal::NotAMember
        | Refusal::NothingThere
        | Refusal::UnknownSession
        | Refusal::UnknownEvent => 404,
        Refusal::FixedMembers
        | Refusal::NameTaken
        | Refusal::NotPresent
        | Refusal::PollIsOpen
        | Refusal::NoPoll
        | Refusal::AlreadyVoted
        | Refusal::TooManyReviews { .. } => 409,
        Refusal::FileTooLarge { .. } => 413,
        Refusal::Invalid { .. }
        | Refusal::BlankText
        | Refusal::SamePerson
        | Refusal::TextTooLong { .. }
        | Refusal::Filtered
        | Refusal::MetadataTooLarge { .. }
        | Refusal::TooManyMembers { .. }
        | Refusal::TooManyFilters { .. }
        | Refusal::TooManyBlocks { .. } => 422,
        Refusal::HeldForReview => 202,
        Refusal::SlowMode { .. } | Refusal::TooManyReaders { .. } => 429,
        Refusal::Unavailable => 503,
    }
}

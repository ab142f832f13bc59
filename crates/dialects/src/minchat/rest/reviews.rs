//! Filters, and messages that somebody has to look at, over HTTP: what a request asks for, and what it
//! is answered.

use std::borrow::Cow;

use chat::{
    Command, Query, Refusal, Reply, UserRef, View,
    review::{Filter, FilterAction, Matter, Report, Review, Verdict},
    room::RoomName,
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    answer::{self, Done, failure},
    status,
};
use crate::{
    Answered, Request, Site,
    minchat::objects::{File, Message, User},
    payload::{self, invalid},
    rest::{self, Form, Input, Response, required},
    timestamp::Rfc3339,
};

/// Reviews on a page.
const PAGE: u32 = 25;

/// A request that was read.
#[derive(Clone, Debug)]
pub struct ReviewCall(Request);

/// Has messages with certain words refused, or held until somebody has looked at them.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what add_filter reads")]
pub struct AddFilter {
    /// Up to 100 bytes: words that are found as a whole, whatever their case; with a `*` at the end
    /// also as the beginning of a word.
    words: String,
    /// `block` or `hold`.
    action: String,
    /// The slug of a room, or the number of its channel: only there. Else wherever more than two
    /// people may be, and in chats about products.
    #[schema(nullable = false)]
    room: Option<String>,
}

/// Tells those who look at such things of a message.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what report reads")]
pub struct ReportMessage {
    /// Who reports it; without it the user of the key.
    #[schema(nullable = false)]
    user_id: Option<Uuid>,
    /// Why: up to 500 bytes.
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// Decides about a message that waits.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what review reads")]
pub struct Decide {
    /// `approve`: what was held is sent, what was reported stays. `reject`: what was held is
    /// dropped, what was reported is deleted.
    verdict: String,
}

/// Which page of what waits.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what list_reviews reads")]
pub struct ReviewsQuery {
    /// From 1, the oldest first.
    page: Option<u32>,
    /// The slug of a room, or the number of its channel: only what waits there.
    room: Option<String>,
}

/// `GET /v1/filters`
pub fn list_filters() -> ReviewCall {
    look(Query::Filters)
}

/// `POST /v1/filters`
pub fn add_filter(body: Input<'_>) -> Result<ReviewCall, Refusal> {
    let words = required("words", body.text("words")?)?;
    let action = match required("action", body.text("action")?)?.as_str() {
        "block" => FilterAction::Block,
        "hold" => FilterAction::Hold,
        _ => return Err(invalid("action", "must be block or hold")),
    };
    Ok(command(Command::AddFilter {
        words,
        action,
        room: room(body)?,
    }))
}

/// `DELETE /v1/filters/{id}`
pub fn remove_filter(id: &str) -> Result<ReviewCall, Refusal> {
    let filter = payload::uuid(id).ok_or(Refusal::NothingThere)?;
    Ok(command(Command::RemoveFilter { filter }))
}

/// `POST /v1/messages/{id}/reports`
pub fn report_message(id: &str, body: Input<'_>) -> Result<ReviewCall, Refusal> {
    let message = payload::uuid(id).ok_or(Refusal::UnknownMessage)?;
    let by = body.uuid("user_id")?;
    Ok(command(Command::Report {
        message,
        by: by.map_or(UserRef::Subject, UserRef::Uuid),
        reason: body.text("reason")?.unwrap_or_default(),
    }))
}

/// `GET /v1/reviews`
pub fn list_reviews(query: &Form) -> Result<ReviewCall, Refusal> {
    let query = Input::Form(query);
    let must = "must be a whole number, 1 or more";
    let page = query.digits("page", 1..=u32::MAX, must)?.unwrap_or(1);
    Ok(look(Query::Reviews {
        room: room(query)?,
        offset: u64::from(page - 1) * u64::from(PAGE),
        limit: PAGE,
    }))
}

/// `POST /v1/reviews/{id}`
pub fn review(id: &str, body: Input<'_>) -> Result<ReviewCall, Refusal> {
    let item = payload::uuid(id).ok_or(Refusal::UnknownMessage)?;
    let verdict = match required("verdict", body.text("verdict")?)?.as_str() {
        "approve" => Verdict::Approve,
        "reject" => Verdict::Reject,
        _ => return Err(invalid("verdict", "must be approve or reject")),
    };
    Ok(command(Command::Review {
        item,
        by: None,
        verdict,
    }))
}

fn command(command: Command) -> ReviewCall {
    ReviewCall(Request::command(command))
}

fn look(query: Query) -> ReviewCall {
    ReviewCall(Request::query(query))
}

fn room(input: Input<'_>) -> Result<Option<RoomName>, Refusal> {
    let name = |text: String| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if is_number => RoomName::Channel(number),
            _ => RoomName::Slug(text.to_ascii_lowercase()),
        }
    };
    Ok(input.text("room")?.map(name))
}

/// Words that are looked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneFilter<'a> {
    /// Names it in `DELETE /v1/filters/{id}`.
    id: Uuid,
    /// As they came.
    words: &'a str,
    /// `block` or `hold`.
    action: &'static str,
    /// The slug of the room, if it is only for one.
    room: Option<&'a str>,
}

/// The filters of the app, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Filters<'a> {
    /// Always true.
    success: bool,
    /// All of them.
    filters: Vec<OneFilter<'a>>,
}

impl<'a> OneFilter<'a> {
    fn new(filter: &'a Filter) -> Self {
        let room = filter.room.as_ref();
        Self {
            id: filter.id,
            words: &filter.words,
            action: match filter.action {
                FilterAction::Block => "block",
                FilterAction::Hold => "hold",
            },
            room: room.and_then(|room| room.key.as_deref()),
        }
    }
}

/// A message that waits until somebody has looked at it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneReview<'a> {
    /// Names it in `POST /v1/reviews/{id}`.
    id: Uuid,
    /// `held`: it was not sent yet; `reported`: somebody has reported it.
    kind: &'static str,
    /// Where it was written, or was to be.
    chat_id: Uuid,
    /// Since when it waits.
    #[schema(value_type = String, format = DateTime)]
    created_at: Rfc3339,
    /// Who wrote it.
    user: User<'a>,
    /// What it says.
    text: &'a str,
    /// Its file, if it has one.
    file: Option<File<'a>>,
    /// The message that was reported, as it is now.
    message: Option<Message<'a>>,
    /// Who has reported it, the earliest first.
    reports: Vec<OneReport<'a>>,
}

/// Somebody's word about a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneReport<'a> {
    /// Whose.
    user: User<'a>,
    /// Why.
    reason: &'a str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    created_at: Rfc3339,
}

/// A page of 25 messages that wait, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reviews<'a> {
    /// Always true.
    success: bool,
    /// Empty behind the last page.
    reviews: Vec<OneReview<'a>>,
}

impl<'a> OneReview<'a> {
    fn new(site: &Site, review: &'a Review) -> Self {
        let (kind, body, message, reports) = match &review.matter {
            Matter::Held { body, .. } => ("held", body, None, [].as_slice()),
            Matter::Reported { message, reports } => {
                let body = &message.message.body;
                ("reported", body, Some(message), reports.as_slice())
            }
        };
        let report = |report: &'a Report| OneReport {
            user: User::new(site, &report.by),
            reason: &report.reason,
            created_at: Rfc3339(report.at),
        };
        Self {
            id: review.id,
            kind,
            chat_id: review.conversation.uuid,
            created_at: Rfc3339(review.at),
            user: User::new(site, &review.sender),
            text: &body.text,
            file: body.media.first().map(|file| File::new(site, file)),
            message: message.map(|view| Message::new(site, view)),
            reports: reports.iter().map(report).collect(),
        }
    }
}

impl rest::Call for ReviewCall {
    fn request(&self) -> &Request {
        &self.0
    }

    fn answer(&self, site: &Site, result: Result<&Answered, &Refusal>) -> Response {
        let answered = match result {
            Ok(answered) => answered,
            Err(refusal) => return <Self as rest::Call>::refuse(refusal),
        };
        match (&answered.reply, &answered.view) {
            (Some(Reply::Filtering { filter }), _) => answer::ok(&OneFilter::new(filter)),
            (_, Some(View::Filters(filters))) => answer::ok(&Filters {
                success: true,
                filters: filters.iter().map(|one| OneFilter::new(one)).collect(),
            }),
            (_, Some(View::Reviews(reviews))) => answer::ok(&Reviews {
                success: true,
                reviews: reviews
                    .iter()
                    .map(|one| OneReview::new(site, one))
                    .collect(),
            }),
            _ => answer::ok(&Done { success: true }),
        }
    }

    fn refuse(refusal: &Refusal) -> Response {
        let words: Cow<'static, str> = match refusal {
            Refusal::UnknownConversation => "room is no room of this app".into(),
            Refusal::UnknownMessage => "id names nothing here, or nothing that you may see".into(),
            Refusal::UnknownUser => "user_id is not a user of this app".into(),
            Refusal::NothingThere => "id is not a filter of this app".into(),
            Refusal::Invalid { field: "", must } => format!("body {must}").into(),
            refusal => refusal.to_string().into(),
        };
        failure(status(refusal), refusal.code(), &words)
    }
}

//! `/v1/filters` and `/v1/reviews`: words that are not taken, and messages that somebody looks at.

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use dialects::{
    minchat::rest::{
        Done, Failure,
        reviews::{
            self, AddFilter, Decide, Filters, OneFilter, ReportMessage, Reviews, ReviewsQuery,
        },
    },
    rest::Input,
};

use super::{Rest, body::Files, caller::Caller};

/// The filters of the app, oldest first. Only for a server key.
#[utoipa::path(
    get, path = "/v1/filters", tag = "reviews",
    responses(
        (status = 200, description = "The filters.", body = Filters<'static>),
        (status = "default", description = "Only for a server key.", body = Failure<'static>),
    ),
)]
pub(super) async fn list_filters(State(rest): State<Rest>, caller: Caller) -> Response {
    rest.carry_out(&caller, Ok(reviews::list_filters())).await
}

/// Have messages with certain words refused, or held until somebody has looked at them. Only for a
/// server key.
#[utoipa::path(
    post, path = "/v1/filters", tag = "reviews",
    request_body = AddFilter,
    responses(
        (status = 200, description = "The filter.", body = OneFilter<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn add_filter(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    rest.take_body(&caller, request, Files::None, reviews::add_filter)
        .await
}

/// Take messages with these words again. Only for a server key.
#[utoipa::path(
    delete, path = "/v1/filters/{id}", tag = "reviews",
    params(("id" = String, Path, description = "The filter's id.")),
    responses(
        (status = 200, description = "The filter is gone.", body = Done),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn remove_filter(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    rest.carry_out(&caller, reviews::remove_filter(&id)).await
}

/// Report a message. Whoever may see it may, once.
#[utoipa::path(
    post, path = "/v1/messages/{id}/reports", tag = "reviews",
    params(("id" = String, Path, description = "The message's id.")),
    request_body = ReportMessage,
    responses(
        (status = 200, description = "It waits to be looked at.", body = Done),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn report_message(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| reviews::report_message(&id, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// A page of what waits, oldest first: for a server key, and what waits in a room for its owner and
/// moderators.
#[utoipa::path(
    get, path = "/v1/reviews", tag = "reviews",
    params(ReviewsQuery),
    responses(
        (status = 200, description = "The page.", body = Reviews<'static>),
        (status = "default", description = "Not for this key.", body = Failure<'static>),
    ),
)]
pub(super) async fn list_reviews(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    rest.take_query(&caller, request, reviews::list_reviews)
        .await
}

/// Decide about a message that waits: for those who see it in the list.
#[utoipa::path(
    post, path = "/v1/reviews/{id}", tag = "reviews",
    params(("id" = String, Path, description = "The id from the list.")),
    request_body = Decide,
    responses(
        (status = 200, description = "It waits no longer.", body = Done),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn review(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| reviews::review(&id, input);
    rest.take_body(&caller, request, Files::None, read).await
}

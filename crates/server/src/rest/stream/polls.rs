//! Polls: what is asked in a chatroom, and votes.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use dialects::{
    rest::Input,
    stream::{
        objects::{Empty, PollUpdate},
        rest::{self as stream, CreatePoll, Failure, Success, Vote},
    },
};

use super::{Chatter, Viewer};
use crate::rest::{Rest, body::Files};

/// The poll of a chatroom, until its result is shown no longer.
#[utoipa::path(
    get, path = "/api/v2/channels/{slug}/polls", tag = "stream polls",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    security((), ("key" = [])),
    responses(
        (status = 200, description = "The poll.", body = Success<PollUpdate<'static>>),
        (status = "default", description = "There is none.", body = Failure<'static>),
    ),
)]
pub(super) async fn get_poll(
    State(rest): State<Rest>,
    Viewer(caller): Viewer,
    Path(slug): Path<String>,
) -> Response {
    let now = rest.parts().hub.now();
    rest.carry_out(&caller, stream::get_poll(&slug, now)).await
}

/// Ask something in a chatroom.
#[utoipa::path(
    post, path = "/api/v2/channels/{slug}/polls", tag = "stream polls",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = CreatePoll,
    responses(
        (status = 201, description = "What readers are told.", body = PollUpdate<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn open_poll(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::open_poll(&slug, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// Take the poll of a chatroom away.
#[utoipa::path(
    delete, path = "/api/v2/channels/{slug}/polls", tag = "stream polls",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    responses(
        (status = 200, description = "There is no poll.", body = Empty),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn close_poll(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
) -> Response {
    rest.carry_out(&caller, stream::close_poll(&slug)).await
}

/// Vote in the poll of a chatroom, once.
#[utoipa::path(
    post, path = "/api/v2/channels/{slug}/polls/vote", tag = "stream polls",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = Vote,
    responses(
        (status = 200, description = "How the poll stands.", body = PollUpdate<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn vote(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let (asker, now) = (caller.actor.scope, rest.parts().hub.now());
    let read = |input: Input<'_>| stream::vote(asker, &slug, input, now);
    rest.take_body(&caller, request, Files::None, read).await
}

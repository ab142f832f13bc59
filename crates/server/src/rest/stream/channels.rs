//! Channels: what they are, what they broadcast, and what their app tells about them.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use dialects::{
    rest::Input,
    stream::{
        objects::{LivestreamUpdated, Subscription},
        pages::{Channel, CurrentLivestream},
        rest::{
            self as stream, CreateChannel, Data, Failure, PostEvent, Subscribe, UpdateLivestream,
        },
    },
};

use super::{Chatter, Viewer};
use crate::rest::{Rest, body::Files};

/// Make a channel with its chatroom.
#[utoipa::path(
    post, path = "/api/v2/channels", tag = "stream channels",
    request_body = CreateChannel,
    responses(
        (status = 201, description = "The channel.", body = Channel<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn create_channel(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::create_channel(input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// A channel, with its chatroom and live stream.
#[utoipa::path(
    get, path = "/api/v2/channels/{slug}", tag = "stream channels",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    security((), ("key" = [])),
    responses(
        (status = 200, description = "The channel.", body = Channel<'static>),
        (status = "default", description = "There is none.", body = Failure<'static>),
    ),
)]
pub(super) async fn get_channel(
    State(rest): State<Rest>,
    Viewer(caller): Viewer,
    Path(slug): Path<String>,
) -> Response {
    rest.carry_out(&caller, stream::get_channel(&slug)).await
}

/// The same.
#[utoipa::path(
    get, path = "/api/v2/channels/{slug}/info", tag = "stream channels",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    security((), ("key" = [])),
    responses(
        (status = 200, description = "The channel.", body = Channel<'static>),
        (status = "default", description = "There is none.", body = Failure<'static>),
    ),
)]
pub(super) async fn get_channel_info(
    State(rest): State<Rest>,
    Viewer(caller): Viewer,
    Path(slug): Path<String>,
) -> Response {
    rest.carry_out(&caller, stream::get_channel(&slug)).await
}

/// The live stream of a channel.
#[utoipa::path(
    get, path = "/api/v2/channels/{slug}/livestream", tag = "stream channels",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    security((), ("key" = [])),
    responses(
        (status = 200, description = "The live stream; `null` when there is none.",
            body = Data<Option<CurrentLivestream<'static>>>),
        (status = "default", description = "There is no such channel.", body = Failure<'static>),
    ),
)]
pub(super) async fn get_livestream(
    State(rest): State<Rest>,
    Viewer(caller): Viewer,
    Path(slug): Path<String>,
) -> Response {
    rest.carry_out(&caller, stream::get_livestream(&slug)).await
}

/// Go live, change the live stream, or end it. What is absent stays.
#[utoipa::path(
    put, path = "/api/v2/channels/{slug}/livestream", tag = "stream channels",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = UpdateLivestream,
    responses(
        (status = 200, description = "What readers are told.", body = LivestreamUpdated<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn set_livestream(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::set_livestream(&slug, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// Tell that somebody has subscribed to a channel.
#[utoipa::path(
    post, path = "/api/v2/channels/{slug}/subscriptions", tag = "stream channels",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = Subscribe,
    responses(
        (status = 201, description = "What readers are told.", body = Subscription<'static>),
        (status = "default", description = "Nothing was told.", body = Failure<'static>),
    ),
)]
pub(super) async fn tell_subscription(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::tell_subscription(&slug, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// Tell readers of a channel any further event that their pages know.
#[utoipa::path(
    post, path = "/api/v2/channels/{slug}/events", tag = "stream channels",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = PostEvent,
    responses(
        (status = 201, description = "What readers are told.", body = Object),
        (status = "default", description = "Nothing was told.", body = Failure<'static>),
    ),
)]
pub(super) async fn tell_event(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::tell_event(&slug, input);
    rest.take_body(&caller, request, Files::None, read).await
}

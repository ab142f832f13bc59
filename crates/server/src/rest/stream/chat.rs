//! Chatrooms: what is said there, who may, and what is pinned.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use dialects::{
    rest::{Form, Input},
    stream::{
        objects::{Empty, Message, MessageDeleted, Modes, PinnedMessage},
        pages::{Chatroom, History},
        rest::{
            self as stream, Failure, MessagesQuery, PinMessage, SendMessage, Success,
            UpdateChatroom,
        },
    },
};

use super::{Chatter, Viewer};
use crate::rest::{
    Rest,
    body::{Files, idempotency_key},
};

/// Messages of a chatroom, the newest first, 50 on a page.
#[utoipa::path(
    get, path = "/api/v2/channels/{slug}/messages", tag = "stream chat",
    params(
        ("slug" = String, Path, description = "The channel's slug or id."),
        MessagesQuery,
    ),
    security((), ("key" = [])),
    responses(
        (status = 200, description = "A page of messages.", body = Success<History<'static>>),
        (status = "default", description = "There is no such channel.", body = Failure<'static>),
    ),
)]
pub(super) async fn list_channel_messages(
    State(rest): State<Rest>,
    Viewer(caller): Viewer,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |query: &Form| stream::list_messages(&slug, query);
    rest.take_query(&caller, request, read).await
}

/// The same under a later path.
#[utoipa::path(
    get, path = "/api/v1/chat/{id}/history", tag = "stream chat",
    params(
        ("id" = String, Path, description = "The channel's id or slug."),
        MessagesQuery,
    ),
    security((), ("key" = [])),
    responses(
        (status = 200, description = "A page of messages.", body = Success<History<'static>>),
        (status = "default", description = "There is no such channel.", body = Failure<'static>),
    ),
)]
pub(super) async fn chat_history(
    State(rest): State<Rest>,
    Viewer(caller): Viewer,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let read = |query: &Form| stream::list_messages(&id, query);
    rest.take_query(&caller, request, read).await
}

/// Write a message, or answer one.
#[utoipa::path(
    post, path = "/api/v2/messages/send/{chatroom_id}", tag = "stream chat",
    params(
        ("chatroom_id" = String, Path, description = "The chatroom's id."),
        ("Idempotency-Key" = Option<String>, Header,
            description = "The same key from the same sender in the same room makes one message."),
    ),
    request_body = SendMessage,
    responses(
        (status = 201, description = "The message; it is on disk.", body = Message<'static>),
        (status = 202, description = "It is on disk, and somebody looks at it before it is shown.",
            body = Failure<'static>),
        (status = "default", description = "Nothing was written.", body = Failure<'static>),
    ),
)]
pub(super) async fn send_chat_message(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(chatroom): Path<String>,
    request: Request,
) -> Response {
    let key = match idempotency_key(&request) {
        Ok(key) => key,
        Err(rejection) => return rejection.into_response(),
    };
    let asker = caller.actor.scope;
    let read = |input: Input<'_>| stream::send_message(asker, &chatroom, input, key.as_deref());
    rest.take_body(&caller, request, Files::None, read).await
}

/// Delete a message.
#[utoipa::path(
    delete, path = "/api/v2/chatrooms/{chatroom_id}/messages/{id}", tag = "stream chat",
    params(
        ("chatroom_id" = String, Path, description = "The chatroom's id."),
        ("id" = String, Path, description = "The message's id."),
    ),
    responses(
        (status = 200, description = "What readers are told.", body = MessageDeleted),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn delete_chat_message(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path((chatroom, id)): Path<(String, String)>,
) -> Response {
    let call = stream::delete_message(&chatroom, &id);
    rest.carry_out(&caller, call).await
}

/// What a chatroom allows, and what is pinned there.
#[utoipa::path(
    get, path = "/api/v2/channels/{slug}/chatroom", tag = "stream chat",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    security((), ("key" = [])),
    responses(
        (status = 200, description = "The chatroom.", body = Chatroom<'static>),
        (status = "default", description = "There is no such channel.", body = Failure<'static>),
    ),
)]
pub(super) async fn get_chatroom(
    State(rest): State<Rest>,
    Viewer(caller): Viewer,
    Path(slug): Path<String>,
) -> Response {
    rest.carry_out(&caller, stream::get_chatroom(&slug)).await
}

/// Change what a chatroom allows. What is absent stays.
#[utoipa::path(
    put, path = "/api/v2/channels/{slug}/chatroom", tag = "stream chat",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = UpdateChatroom,
    responses(
        (status = 200, description = "What readers are told, if it has changed.", body = Modes),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn set_chatroom(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::set_modes(&slug, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// Pin a message, in place of the one before.
#[utoipa::path(
    post, path = "/api/v2/channels/{slug}/pinned-message", tag = "stream chat",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = PinMessage,
    responses(
        (status = 201, description = "What readers are told.", body = PinnedMessage<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn pin_message(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::pin(&slug, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// Take the pinned message down.
#[utoipa::path(
    delete, path = "/api/v2/channels/{slug}/pinned-message", tag = "stream chat",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    responses(
        (status = 200, description = "No message is pinned.", body = Empty),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn unpin_message(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
) -> Response {
    rest.carry_out(&caller, stream::unpin(&slug)).await
}

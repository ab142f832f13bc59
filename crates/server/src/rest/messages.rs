//! `/v1/messages`: what people write.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use dialects::{
    minchat::{
        objects::Message,
        rest::{
            self as minchat, ByUser, Done, EditMessage, Failure, Messages, MessagesQuery,
            SendMessage,
        },
    },
    rest::Input,
};

use super::{
    Rest,
    body::{Files, idempotency_key},
    caller::Caller,
};

/// Messages of a chat, 25 on a page: page 1 has the newest, each page its oldest first.
#[utoipa::path(
    get, path = "/v1/messages", tag = "messages",
    params(MessagesQuery),
    responses(
        (status = 200, description = "A page of messages.", body = Messages<'static>),
        (status = "default", description = "There is no such chat.", body = Failure<'static>),
    ),
)]
pub(super) async fn list_messages(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    rest.take_query(&caller, request, minchat::list_messages)
        .await
}

/// Write a message: a text, a file, or both.
#[utoipa::path(
    post, path = "/v1/messages", tag = "messages",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "The same key from the same user in the same chat makes one message.",
    )),
    request_body(content(
        (SendMessage = "multipart/form-data"),
        (SendMessage = "application/json"),
    )),
    responses(
        (status = 200, description = "The message; it is on disk.", body = Message<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn send_message(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    let key = match idempotency_key(&request) {
        Ok(key) => key,
        Err(rejection) => return rejection.into_response(),
    };
    let read = |input: Input<'_>| minchat::send_message(input, key.as_deref());
    rest.take_body(&caller, request, Files::One, read).await
}

/// Change a message. What is absent stays.
#[utoipa::path(
    patch, path = "/v1/messages/{id}", tag = "messages",
    params(("id" = String, Path, description = "The message's id.")),
    request_body(content(
        (EditMessage = "multipart/form-data"),
        (EditMessage = "application/json"),
    )),
    responses(
        (status = 200, description = "The message as it is now.", body = Message<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn edit_message(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| minchat::edit_message(&id, input);
    rest.take_body(&caller, request, Files::One, read).await
}

/// Delete a message.
#[utoipa::path(
    delete, path = "/v1/messages/{id}", tag = "messages",
    params(("id" = String, Path, description = "The message's id.")),
    responses(
        (status = 200, description = "The message is gone.", body = Done),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn delete_message(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    let call = minchat::delete_message(&id);
    rest.carry_out(&caller, call).await
}

/// Mark everything up to a message as read.
#[utoipa::path(
    post, path = "/v1/messages/{id}/seen", tag = "messages",
    params(("id" = String, Path, description = "The message's id.")),
    request_body(content((ByUser = "application/json"), (ByUser = "multipart/form-data"))),
    responses(
        (status = 200, description = "It is marked.", body = Done),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn mark_seen(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| minchat::mark_seen(&id, input);
    rest.take_body(&caller, request, Files::None, read).await
}

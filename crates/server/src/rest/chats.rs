//! `/v1/chat`: chats of two people and of many, and who belongs to them.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use dialects::{
    minchat::{
        objects::Chat,
        rest::{
            self as minchat, ByUser, Chats, ChatsQuery, Done, Failure, OpenChat, Participant,
            UpdateChat, ViewerQuery,
        },
    },
    rest::{Form, Input},
};

use super::{Rest, body::Files, caller::Caller};

/// Open the chat of two people, which is there once, or make a group.
///
/// As JSON, with two usernames and neither title nor picture, it is the chat of the two; otherwise a
/// new group.
#[utoipa::path(
    post, path = "/v1/chat", tag = "chats",
    request_body(content(
        (OpenChat = "application/json"),
        (OpenChat = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "The chat.", body = Chat<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn open_chat(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    rest.take_body(&caller, request, Files::Avatar, |input| {
        minchat::open_chat(input)
    })
    .await
}

/// The chats of a user in which something was said, newest first, 25 on a page.
#[utoipa::path(
    get, path = "/v1/chat/list", tag = "chats",
    params(ChatsQuery),
    responses(
        (status = 200, description = "A page of chats.", body = Chats<'static>),
        (status = "default", description = "The request is wrong.", body = Failure<'static>),
    ),
)]
pub(super) async fn list_chats(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    rest.take_query(&caller, request, minchat::list_chats).await
}

/// A chat, with its newest message.
#[utoipa::path(
    get, path = "/v1/chat/{id}", tag = "chats",
    params(("id" = String, Path, description = "The chat's id."), ViewerQuery),
    responses(
        (status = 200, description = "The chat.", body = Chat<'static>),
        (status = "default", description = "There is none.", body = Failure<'static>),
    ),
)]
pub(super) async fn get_chat(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let read = |query: &Form| minchat::get_chat(&id, query);
    rest.take_query(&caller, request, read).await
}

/// Change a chat. What is absent stays; metadata is merged.
#[utoipa::path(
    patch, path = "/v1/chat/{id}", tag = "chats",
    params(("id" = String, Path, description = "The chat's id.")),
    request_body(content(
        (UpdateChat = "application/json"),
        (UpdateChat = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "The chat as it is now.", body = Chat<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn update_chat(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| minchat::update_chat(&id, input);
    rest.take_body(&caller, request, Files::Avatar, read).await
}

/// Delete a chat, with all that was said in it.
#[utoipa::path(
    delete, path = "/v1/chat/{id}", tag = "chats",
    params(("id" = String, Path, description = "The chat's id.")),
    responses(
        (status = 200, description = "The chat is gone.", body = Done),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn delete_chat(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    rest.carry_out(&caller, minchat::delete_chat(&id)).await
}

/// Take a user into a group. Nothing changes if the user is in it.
#[utoipa::path(
    post, path = "/v1/chat/{id}/participants", tag = "chats",
    params(("id" = String, Path, description = "The chat's id.")),
    request_body(content((ByUser = "application/json"), (ByUser = "multipart/form-data"))),
    responses(
        (status = 200, description = "The user is in the group.", body = Participant<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn add_participant(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| minchat::add_participant(&id, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// Put a user out of a group.
#[utoipa::path(
    delete, path = "/v1/chat/{id}/participants/{user_id}", tag = "chats",
    params(
        ("id" = String, Path, description = "The chat's id."),
        ("user_id" = String, Path, description = "The user's id."),
    ),
    responses(
        (status = 200, description = "The user is out of the group.", body = Participant<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn remove_participant(
    State(rest): State<Rest>,
    caller: Caller,
    Path((id, user_id)): Path<(String, String)>,
) -> Response {
    let call = minchat::remove_participant(&id, &user_id);
    rest.carry_out(&caller, call).await
}

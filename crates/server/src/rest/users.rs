//! `/v1/user`: people.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use chat::Reply;
use dialects::{
    minchat::rest::{
        self as minchat, Done, Failure, OneUser, PutUser, UpdateUser, UserQuery, Users, UsersQuery,
    },
    rest::Input,
};

use super::{Rest, body::Files, caller::Caller, demo};

/// Make a user, or change the one that has this username.
#[utoipa::path(
    post, path = "/v1/user", tag = "users",
    request_body(content(
        (PutUser = "multipart/form-data"),
        (PutUser = "application/json"),
    )),
    responses(
        (status = 200, description = "The user.", body = OneUser<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn put_user(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    let body = match rest.read_body(&caller, request, Files::Avatar).await {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let call = match minchat::put_user(body.input()) {
        Ok(call) => call,
        refused => return rest.carry_out(&caller, refused).await,
    };
    let done = rest.run(&caller.actor, &call, body.kept).await;
    if let Ok(Ok(answered)) = &done
        && let Some(Reply::User { user }) = &answered.reply
        && rest.parts().directory.is_demo(caller.actor.app.id)
    {
        demo::welcome(&rest, &caller.actor.app, user).await;
    }
    rest.answer(&call, done)
}

/// A user by id or username.
#[utoipa::path(
    get, path = "/v1/user", tag = "users",
    params(UserQuery),
    responses(
        (status = 200, description = "The user.", body = OneUser<'static>),
        (status = "default", description = "There is none.", body = Failure<'static>),
    ),
)]
pub(super) async fn get_user(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    rest.take_query(&caller, request, minchat::get_user).await
}

/// Users by username, in the order of the request. Those who are not there are left out.
#[utoipa::path(
    get, path = "/v1/user/list", tag = "users",
    params(UsersQuery),
    responses(
        (status = 200, description = "The users.", body = Users<'static>),
        (status = "default", description = "The request is wrong.", body = Failure<'static>),
    ),
)]
pub(super) async fn list_users(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    rest.take_query(&caller, request, minchat::list_users).await
}

/// Change a user. What is absent stays.
#[utoipa::path(
    patch, path = "/v1/user/{id}", tag = "users",
    params(("id" = String, Path, description = "The user's id.")),
    request_body(content(
        (UpdateUser = "multipart/form-data"),
        (UpdateUser = "application/json"),
    )),
    responses(
        (status = 200, description = "The user as it is now.", body = OneUser<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn update_user(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| minchat::update_user(&id, input);
    rest.take_body(&caller, request, Files::Avatar, read).await
}

/// Delete a user, with all that the user wrote.
#[utoipa::path(
    delete, path = "/v1/user/{id}", tag = "users",
    params(("id" = String, Path, description = "The user's id.")),
    responses(
        (status = 200, description = "The user is gone.", body = Done),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn delete_user(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    rest.carry_out(&caller, minchat::delete_user(&id)).await
}

/// Whom a user blocks, the latest last.
#[utoipa::path(
    get, path = "/v1/user/{id}/blocks", tag = "users",
    params(("id" = String, Path, description = "The user's id.")),
    responses(
        (status = 200, description = "Those who are blocked.", body = Users<'static>),
        (status = "default", description = "There is no such user.", body = Failure<'static>),
    ),
)]
pub(super) async fn list_blocks(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    rest.carry_out(&caller, minchat::list_blocks(&id)).await
}

/// Refuse what another one writes to a user, wherever only the two are. Nothing changes if that is so.
#[utoipa::path(
    put, path = "/v1/user/{id}/blocks/{other_id}", tag = "users",
    params(
        ("id" = String, Path, description = "The user's id."),
        ("other_id" = String, Path, description = "The id of the one who is to be blocked."),
    ),
    responses(
        (status = 200, description = "The other one is blocked.", body = Done),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn block(
    State(rest): State<Rest>,
    caller: Caller,
    Path((id, other_id)): Path<(String, String)>,
) -> Response {
    let call = minchat::block(&id, &other_id);
    rest.carry_out(&caller, call).await
}

/// Take what another one writes again. Nothing changes if that is so.
#[utoipa::path(
    delete, path = "/v1/user/{id}/blocks/{other_id}", tag = "users",
    params(
        ("id" = String, Path, description = "The user's id."),
        ("other_id" = String, Path, description = "The id of the one who is blocked."),
    ),
    responses(
        (status = 200, description = "The other one is blocked no longer.", body = Done),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn unblock(
    State(rest): State<Rest>,
    caller: Caller,
    Path((id, other_id)): Path<(String, String)>,
) -> Response {
    let call = minchat::unblock(&id, &other_id);
    rest.carry_out(&caller, call).await
}

//! Who rules a chatroom, and what they do there beside pinning and deleting.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use dialects::{
    rest::Input,
    stream::{
        objects::{ChatroomClear, Person, UserBanned, UserUnbanned},
        rest::{self as stream, AddModerator, BanUser, ChatCommand, Data, Failure},
    },
};

use super::{Chatter, Viewer};
use crate::rest::{Rest, body::Files};

/// Ban somebody from a chatroom, or for a while.
#[utoipa::path(
    post, path = "/api/v2/channels/{slug}/bans", tag = "stream moderation",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = BanUser,
    responses(
        (status = 201, description = "What readers are told.", body = UserBanned<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn ban_user(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::ban(&slug, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// Lift a ban.
#[utoipa::path(
    delete, path = "/api/v2/channels/{slug}/bans/{username}", tag = "stream moderation",
    params(
        ("slug" = String, Path, description = "The channel's slug or id."),
        ("username" = String, Path, description = "Whose, by name."),
    ),
    responses(
        (status = 200, description = "What readers are told.", body = UserUnbanned<'static>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn unban_user(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path((slug, username)): Path<(String, String)>,
) -> Response {
    rest.carry_out(&caller, stream::unban(&slug, &username))
        .await
}

/// Run a chat command: clear the chatroom.
#[utoipa::path(
    post, path = "/api/v2/channels/{slug}/chat-commands", tag = "stream moderation",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = ChatCommand,
    responses(
        (status = 200, description = "What readers are told.", body = ChatroomClear),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn run_chat_command(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::run_command(&slug, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// Who moderates a chatroom, beside the broadcaster.
#[utoipa::path(
    get, path = "/api/v2/channels/{slug}/moderators", tag = "stream moderation",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    security((), ("key" = [])),
    responses(
        (status = 200, description = "They, in the order in which they came.",
            body = Data<Vec<Person<'static>>>),
        (status = "default", description = "There is no such channel.", body = Failure<'static>),
    ),
)]
pub(super) async fn list_moderators(
    State(rest): State<Rest>,
    Viewer(caller): Viewer,
    Path(slug): Path<String>,
) -> Response {
    rest.carry_out(&caller, stream::get_moderators(&slug)).await
}

/// Let somebody moderate a chatroom.
#[utoipa::path(
    post, path = "/api/v2/channels/{slug}/moderators", tag = "stream moderation",
    params(("slug" = String, Path, description = "The channel's slug or id.")),
    request_body = AddModerator,
    responses(
        (status = 201, description = "All moderators.", body = Data<Vec<Person<'static>>>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn add_moderator(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path(slug): Path<String>,
    request: Request,
) -> Response {
    let read = |input: Input<'_>| stream::add_moderator(&slug, input);
    rest.take_body(&caller, request, Files::None, read).await
}

/// Let somebody moderate a chatroom no longer.
#[utoipa::path(
    delete, path = "/api/v2/channels/{slug}/moderators/{username}", tag = "stream moderation",
    params(
        ("slug" = String, Path, description = "The channel's slug or id."),
        ("username" = String, Path, description = "Whom, by name."),
    ),
    responses(
        (status = 200, description = "Those who are left.", body = Data<Vec<Person<'static>>>),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn remove_moderator(
    State(rest): State<Rest>,
    Chatter(caller): Chatter,
    Path((slug, username)): Path<(String, String)>,
) -> Response {
    let call = stream::remove_moderator(&slug, &username);
    rest.carry_out(&caller, call).await
}

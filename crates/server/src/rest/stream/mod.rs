//! `/api/v2`: the channels of live streams and their chatrooms. Everybody may look, without a key;
//! what goes wrong is said in the form of `stream`.

mod channels;
mod chat;
mod moderation;
mod polls;

use std::sync::Arc;

use ::chat::{Actor, Proof, Refusal, model::Scope};
use axum::{
    Extension,
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
    response::Response,
};
use dialects::{rest::Response as Shown, stream::rest as stream};
use serde::Serialize;
use utoipa::{ToSchema, openapi::OpenApi as Description};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Rejection, Rest, RestParts,
    caller::{Caller, authenticate, home},
    run::respond,
};
use crate::listen::Peer;

/// What the tags of these endpoints begin with in the description; the rest is the category.
const TAG: &str = "stream ";

/// All of them.
pub(super) fn routes() -> OpenApiRouter<Rest> {
    OpenApiRouter::new()
        .routes(routes!(channels::create_channel))
        .routes(routes!(channels::get_channel))
        .routes(routes!(channels::get_channel_info))
        .routes(routes!(channels::get_livestream, channels::set_livestream))
        .routes(routes!(channels::tell_subscription))
        .routes(routes!(channels::tell_event))
        .routes(routes!(chat::list_channel_messages))
        .routes(routes!(chat::chat_history))
        .routes(routes!(chat::send_chat_message))
        .routes(routes!(chat::delete_chat_message))
        .routes(routes!(chat::get_chatroom, chat::set_chatroom))
        .routes(routes!(chat::pin_message, chat::unpin_message))
        .routes(routes!(moderation::ban_user))
        .routes(routes!(moderation::unban_user))
        .routes(routes!(moderation::run_chat_command))
        .routes(routes!(
            moderation::list_moderators,
            moderation::add_moderator
        ))
        .routes(routes!(moderation::remove_moderator))
        .routes(routes!(
            polls::get_poll,
            polls::open_poll,
            polls::close_poll
        ))
        .routes(routes!(polls::vote))
        .routes(routes!(list_routes))
}

/// Whoever looks, with a key, a token or nothing. The request has been counted.
pub(super) struct Viewer(Caller);

impl FromRequestParts<Rest> for Viewer {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Rejection> {
        let shared = rest.parts();
        let peer = parts.extensions.get::<Peer>();
        let found = if parts.headers.contains_key(header::AUTHORIZATION) {
            authenticate(shared, peer, &parts.headers)
        } else {
            nobody(shared, peer, &parts.headers).map_err(|refusal| rejection(&refusal))
        };
        counted(shared, peer, found).map(Self)
    }
}

/// Who acts, with a key or a token. The request has been counted.
pub(super) struct Chatter(Caller);

impl FromRequestParts<Rest> for Chatter {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Rejection> {
        let shared = rest.parts();
        let peer = parts.extensions.get::<Peer>();
        let found = authenticate(shared, peer, &parts.headers);
        counted(shared, peer, found).map(Self)
    }
}

/// Nobody in particular, in the app that the request names.
fn nobody(shared: &RestParts, peer: Option<&Peer>, headers: &HeaderMap) -> Result<Actor, Refusal> {
    let app = home(&shared.directory, peer, headers)?;
    Ok(Actor {
        app: app.ok_or(Refusal::UnknownKey)?,
        subject: None,
        scope: Scope::Client,
        proof: Proof::default(),
        session: None,
    })
}

/// Counts a request; one without a key twice, the second time with the others that have none.
fn counted(
    shared: &RestParts,
    peer: Option<&Peer>,
    found: Result<Actor, Rejection>,
) -> Result<Caller, Rejection> {
    let has_key = found.as_ref().is_ok_and(|actor| actor.proof.key.is_some());
    let caller = Caller::counted(shared, peer, found);
    if !has_key && let Some(wait) = shared.limits.check_keyless(Caller::ip(peer)) {
        return Err(Rejection::too_often(wait));
    }
    caller
}

fn rejection(refusal: &Refusal) -> Rejection {
    let words = stream::explain(None, refusal);
    Rejection::told(refusal, stream::status(None, refusal), words)
}

/// Says a rejection in the form of this dialect.
pub(super) fn retold(response: Response) -> Response {
    Rejection::retold(response, stream::failure)
}

/// The list of the routes, as JSON text.
#[derive(Clone)]
pub(super) struct Listed(Arc<str>);

/// An endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = stream::Route)]
struct Route<'a> {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    method: &'static str,
    /// With its parameters in braces.
    path: &'a str,
    /// What it does.
    description: &'a str,
    /// What it is about.
    category: &'a str,
}

impl Listed {
    /// Those that are described.
    pub(super) fn new(description: &Description) -> Self {
        let mut routes = Vec::new();
        for (path, item) in &description.paths.paths {
            let methods = [
                ("GET", &item.get),
                ("POST", &item.post),
                ("PUT", &item.put),
                ("DELETE", &item.delete),
            ];
            for (method, operation) in methods {
                let Some(operation) = operation else { continue };
                let mut tags = operation.tags.iter().flatten();
                routes.push(Route {
                    method,
                    path,
                    description: operation.summary.as_deref().unwrap_or_default(),
                    category: tags
                        .find_map(|tag| tag.strip_prefix(TAG))
                        .unwrap_or_default(),
                });
            }
        }
        // They have string keys and no errors of their own.
        Self(serde_json::to_string(&routes).unwrap_or_default().into())
    }
}

/// These endpoints.
#[utoipa::path(
    get, path = "/routes", tag = "stream channels",
    security((), ("key" = [])),
    responses(
        (status = 200, description = "All of them.", body = Vec<Route<'static>>),
        (status = "default", description = "Too many requests.", body = stream::Failure<'static>),
    ),
)]
async fn list_routes(_viewer: Viewer, Extension(listed): Extension<Listed>) -> Response {
    let body = listed.0.to_string();
    respond(Shown { status: 200, body })
}

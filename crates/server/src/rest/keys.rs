//! `/v1/keys`: the API keys of an app, for its own servers.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chat::{
    Command, Fault, Refusal, Reply,
    model::{ApiKey, KeyId, Scope},
};
use dialects::{
    minchat::rest::{Done, Failure},
    rest::Input,
    timestamp::Rfc3339,
};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use super::{Rejection, Rest, body::Files, caller::Caller};
use crate::identity::key;

/// What a key opens.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KeyScope {
    /// What a page in a browser may carry.
    Client,
    /// Everything in the app.
    Server,
}

impl From<KeyScope> for Scope {
    fn from(scope: KeyScope) -> Self {
        match scope {
            KeyScope::Client => Self::Client,
            KeyScope::Server => Self::Server,
        }
    }
}

impl From<Scope> for KeyScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Client => Self::Client,
            Scope::Server => Self::Server,
        }
    }
}

/// Makes a key.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct CreateKey {
    /// What it opens.
    scope: KeyScope,
}

/// A key, as far as it is kept.
#[derive(Debug, Serialize, ToSchema)]
struct Key {
    /// Names it in `DELETE /v1/keys/{id}`.
    id: i64,
    /// What it opens.
    scope: KeyScope,
    /// The first characters of its text.
    prefix: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Rfc3339,
    /// When it stopped working, if it did.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Rfc3339>,
}

impl Key {
    fn new(key: &ApiKey) -> Self {
        Self {
            id: key.id.0,
            scope: key.scope.into(),
            prefix: key.prefix.clone(),
            created_at: Rfc3339(key.created_at),
            revoked_at: key.revoked_at.map(Rfc3339),
        }
    }
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewKey {
    /// Always true.
    success: bool,
    /// Its text, told this once: only its hash is kept.
    key: String,
    /// What is kept of it.
    #[serde(flatten)]
    kept: Key,
}

/// The keys of the app, oldest first, with those that do not work any longer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Keys {
    /// Always true.
    success: bool,
    /// The keys.
    keys: Vec<Key>,
}

/// Make a key.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys",
    request_body = CreateKey,
    responses(
        (status = 201, description = "The key. Its text is told this once.", body = NewKey),
        (status = "default", description = "Nothing was changed.", body = Failure<'static>),
    ),
)]
pub(super) async fn create_key(
    State(rest): State<Rest>,
    caller: Caller,
    request: Request,
) -> Response {
    try_to_create(&rest, &caller, request)
        .await
        .unwrap_or_else(Rejection::into_response)
}

async fn try_to_create(
    rest: &Rest,
    caller: &Caller,
    request: Request,
) -> Result<Response, Rejection> {
    caller.must_be_server()?;
    let body = rest.read_body(caller, request, Files::None).await?;
    let wrong = || Rejection::invalid("scope", "must be client or server");
    let scope = match body.input() {
        Input::Json(json) => serde_json::from_str::<CreateKey>(json.get()).map_err(|_| wrong())?,
        Input::Form(_) => return Err(wrong()),
    };
    let scope = scope.scope.into();
    let fault = |error| Rejection::internal(&Fault::new("making a key", error));
    let text = key::make(scope).map_err(fault)?;
    let kept = ApiKey {
        id: KeyId(0),
        app: caller.actor.app.id,
        scope,
        hash: key::hash(&text.0),
        prefix: key::prefix(&text.0),
        created_at: rest.parts().hub.now(),
        revoked_at: None,
    };
    let command = Command::CreateKey {
        key: Box::new(kept.clone()),
    };
    let made = rest.parts().queue.run(Arc::clone(&caller.actor), command);
    let id = match made.await {
        Ok(Reply::KeyCreated { key }) => key,
        Ok(_) => return Err(Rejection::busy()),
        Err(refusal) => return Err(Rejection::refused(&refusal)),
    };
    reload(rest).await?;
    let answer = NewKey {
        success: true,
        key: text.0,
        kept: Key::new(&ApiKey { id, ..kept }),
    };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// The keys of the app.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys",
    responses(
        (status = 200, description = "The keys.", body = Keys),
        (status = "default", description = "Only for a server key.", body = Failure<'static>),
    ),
)]
pub(super) async fn list_keys(State(rest): State<Rest>, caller: Caller) -> Response {
    if let Err(refused) = caller.must_be_server() {
        return refused.into_response();
    }
    let (store, app) = (Arc::clone(&rest.parts().store), caller.actor.app.id);
    let found = spawn_blocking(move || store.keys(app)).await;
    let found = found.unwrap_or_else(|error| Err(Fault::new("listing keys", error)));
    match found {
        Ok(keys) => Json(Keys {
            success: true,
            keys: keys.iter().map(Key::new).collect(),
        })
        .into_response(),
        Err(fault) => Rejection::internal(&fault).into_response(),
    }
}

/// Make a key stop working.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys",
    params(("id" = i64, Path, description = "The key's id.")),
    responses(
        (status = 200, description = "The key works no longer.", body = Done),
        (status = "default", description = "There is none.", body = Failure<'static>),
    ),
)]
pub(super) async fn revoke_key(
    State(rest): State<Rest>,
    caller: Caller,
    Path(id): Path<String>,
) -> Response {
    try_to_revoke(&rest, &caller, &id)
        .await
        .unwrap_or_else(Rejection::into_response)
}

async fn try_to_revoke(rest: &Rest, caller: &Caller, id: &str) -> Result<Response, Rejection> {
    caller.must_be_server()?;
    let unknown = || {
        Rejection::new(
            StatusCode::NOT_FOUND,
            "unknown_key",
            "id is not a key of this app",
        )
    };
    let key = id.parse().map(KeyId).map_err(|_| unknown())?;
    let revoke = Command::RevokeKey { key };
    match rest
        .parts()
        .queue
        .run(Arc::clone(&caller.actor), revoke)
        .await
    {
        Ok(_) => {}
        // The words of the dialect speak of the key that was brought.
        Err(Refusal::UnknownKey) => return Err(unknown()),
        Err(refusal) => return Err(Rejection::refused(&refusal)),
    }
    reload(rest).await?;
    Ok(Json(Done { success: true }).into_response())
}

/// Lets everybody who comes in see the change.
async fn reload(rest: &Rest) -> Result<(), Rejection> {
    let directory = Arc::clone(&rest.parts().directory);
    let reloaded = spawn_blocking(move || directory.reload()).await;
    let reloaded = reloaded.unwrap_or_else(|error| Err(Fault::new("reading the keys anew", error)));
    reloaded.map_err(|fault| Rejection::internal(&fault))
}

//! `/api/v1/chat`: files for chats about products, and those chats without a socket. Who asks is the
//! person whom a token proves; what goes wrong is said in the form of `market`.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path, Request, State},
    http::{HeaderMap, request::Parts},
    response::{IntoResponse, Response},
};
use chat::{Actor, Proof, Refusal, model::Scope};
use dialects::{
    market::{
        CHAT, Market,
        objects::{AppError, Chat, Envelope, Message},
        rest::{self as market, ChatQuery, ChatsQuery, SendFiles},
    },
    rest::{Form, Input},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Rejection, Rest, RestParts,
    body::{Files, Kind, idempotency_key},
    caller::{Caller, bearer, home},
};
use crate::listen::Peer;

/// Where a token may stand beside `Authorization`.
const TOKEN: &str = "token";

/// A customer or vendor. The request has been counted.
pub(super) struct Trader(Caller);

impl FromRequestParts<Rest> for Trader {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Rejection> {
        let shared = rest.parts();
        let peer = parts.extensions.get::<Peer>();
        let found = prove(shared, peer, &parts.headers).map_err(|refusal| rejection(&refusal));
        Caller::counted(shared, peer, found).map(Self)
    }
}

fn rejection(refusal: &Refusal) -> Rejection {
    let words = market::explain(None, refusal);
    Rejection::told(refusal, market::status(refusal), words)
}

fn prove(shared: &RestParts, peer: Option<&Peer>, headers: &HeaderMap) -> Result<Actor, Refusal> {
    let app = home(&shared.directory, peer, headers)?.ok_or(Refusal::UnknownKey)?;
    let alone = || headers.get(TOKEN)?.to_str().ok();
    let token = bearer(headers).or_else(alone);
    let verified = shared.hub.prove(&app, &Market, CHAT, token)?;
    Ok(Actor {
        app: Arc::clone(&app),
        subject: Some(verified.subject),
        scope: Scope::Client,
        proof: Proof {
            key: None,
            until: verified.expires_at,
        },
        session: None,
    })
}

/// What a send is answered with.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = market::Sent)]
#[expect(dead_code, reason = "describes what the dialect writes")]
pub(super) enum Sent {
    /// The chat, if the message began it.
    Chat(Chat<'static>),
    /// The message.
    Message(Message<'static>),
}

/// Nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = market::Nothing)]
pub(super) struct Nothing {}

/// Send pictures.
#[utoipa::path(
    post, path = "/api/v1/chat/send-image", tag = "market",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "The same key from the same sender in the same chat makes one message.",
    )),
    request_body(content((SendFiles = "multipart/form-data"))),
    responses(
        (status = 201, description = "The message, or the chat that it began; it is on disk.",
            body = Envelope<Sent>),
        (status = "default", description = "Nothing was changed.", body = AppError<'static>),
    ),
)]
pub(super) async fn send_image(
    State(rest): State<Rest>,
    trader: Trader,
    request: Request,
) -> Response {
    send(&rest, &trader, request, Kind::Picture).await
}

/// Send videos.
#[utoipa::path(
    post, path = "/api/v1/chat/send-video", tag = "market",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "The same key from the same sender in the same chat makes one message.",
    )),
    request_body(content((SendFiles = "multipart/form-data"))),
    responses(
        (status = 201, description = "The message, or the chat that it began; it is on disk.",
            body = Envelope<Sent>),
        (status = "default", description = "Nothing was changed.", body = AppError<'static>),
    ),
)]
pub(super) async fn send_video(
    State(rest): State<Rest>,
    trader: Trader,
    request: Request,
) -> Response {
    send(&rest, &trader, request, Kind::Video).await
}

/// Send PDFs.
#[utoipa::path(
    post, path = "/api/v1/chat/send-pdf", tag = "market",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "The same key from the same sender in the same chat makes one message.",
    )),
    request_body(content((SendFiles = "multipart/form-data"))),
    responses(
        (status = 201, description = "The message, or the chat that it began; it is on disk.",
            body = Envelope<Sent>),
        (status = "default", description = "Nothing was changed.", body = AppError<'static>),
    ),
)]
pub(super) async fn send_pdf(
    State(rest): State<Rest>,
    trader: Trader,
    request: Request,
) -> Response {
    send(&rest, &trader, request, Kind::Pdf).await
}

async fn send(rest: &Rest, Trader(caller): &Trader, request: Request, kind: Kind) -> Response {
    let key = match idempotency_key(&request) {
        Ok(key) => key,
        Err(rejection) => return rejection.into_response(),
    };
    let asker = caller.actor.subject.clone();
    let read = |input: Input<'_>| {
        let asker = asker.ok_or(Refusal::TokenRequired)?;
        market::send_files(&asker, input, key.as_deref())
    };
    rest.take_body(caller, request, Files::All(kind), read)
        .await
}

/// The asker's chats, the one with the newest message first.
#[utoipa::path(
    get, path = "/api/v1/chat", tag = "market",
    params(ChatsQuery),
    responses(
        (status = 200, description = "A page of chats.", body = Envelope<Vec<Chat<'static>>>),
        (status = "default", description = "The request is wrong.", body = AppError<'static>),
    ),
)]
pub(super) async fn product_chats(
    State(rest): State<Rest>,
    Trader(caller): Trader,
    request: Request,
) -> Response {
    rest.take_query(&caller, request, market::list_chats).await
}

/// A chat of the asker's. Nothing is marked as read.
#[utoipa::path(
    get, path = "/api/v1/chat/{product_id}/{vendor_id}/{customer_id}", tag = "market",
    params(
        ("product_id" = String, Path, description = "The shop's own id of the product."),
        ("vendor_id" = String, Path, description = "The shop's own id of the vendor."),
        ("customer_id" = String, Path, description = "The shop's own id of the customer."),
        ChatQuery,
    ),
    responses(
        (status = 200, description = "The chat.", body = Envelope<Chat<'static>>),
        (status = "default", description = "There is none.", body = AppError<'static>),
    ),
)]
pub(super) async fn product_chat(
    State(rest): State<Rest>,
    Trader(caller): Trader,
    Path((product, vendor, customer)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    let read = |query: &Form| market::get_chat(&product, &vendor, &customer, query);
    rest.take_query(&caller, request, read).await
}

/// Leave a chat out of the asker's list until something more is said in it. The other one keeps it.
#[utoipa::path(
    delete, path = "/api/v1/chat/{id}", tag = "market",
    params(("id" = String, Path, description = "The chat's id.")),
    responses(
        (status = 200, description = "It is left out.", body = Envelope<Nothing>),
        (status = "default", description = "Nothing was changed.", body = AppError<'static>),
    ),
)]
pub(super) async fn hide_product_chat(
    State(rest): State<Rest>,
    Trader(caller): Trader,
    Path(id): Path<String>,
) -> Response {
    rest.carry_out(&caller, market::hide_chat(&id)).await
}

/// Says a rejection in the form of this dialect.
pub(super) fn retold(response: Response) -> Response {
    Rejection::retold(response, |status, _, message| {
        market::failure(status, message)
    })
}

//! The HTTP side of dialects, played straight into the core: what a request asks for, and its answer.

use std::sync::Arc;

use chat::{
    Actor, Command, Proof, Refusal, Reply, Subject,
    model::Scope,
    query::{self, QueryError, Reader, Sources},
};
use dialects::{
    Answered, Dialect, Site,
    market::{self, Market},
    minchat::{
        self,
        rest::reviews::{self, ReviewCall},
    },
    rest::{Call, Form, Input, Response},
    stream,
};
use serde_json::{Value, value::RawValue};
use server::{
    core::Core,
    identity::{self, credential},
};

/// A request with a JSON body, as a transcript says it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) key: String,
    pub(crate) method: String,
    /// With its query.
    pub(crate) target: String,
    pub(crate) body: Option<Value>,
}

/// Asks, and tells the status and the body of the answer.
pub(super) async fn ask(core: &Core, request: &Request) -> Result<(u16, Value), String> {
    let raw = RawValue::from_string(request.body.clone().unwrap_or_default().to_string());
    let raw = raw.map_err(|error| error.to_string())?;
    let body = Input::Json(&raw);
    let response = if request.target.starts_with("/api/v1/chat") {
        let actor = open_market(core, &request.key);
        answer(core, actor, read_market(request)?).await
    } else {
        let actor = open(core, &request.key);
        if request.target.starts_with("/api/v2/") {
            let asker = actor.as_ref().map_or(Scope::Client, |actor| actor.scope);
            answer(core, actor, read_stream(core, asker, request, body)?).await
        } else if let Some(call) = read_reviews(request, body) {
            answer(core, actor, call).await
        } else {
            answer(core, actor, read(request, body)?).await
        }
    };
    let body = serde_json::from_str(&response.body).map_err(|error| error.to_string())?;
    Ok((response.status, body))
}

fn open(core: &Core, key: &str) -> Result<Actor, Refusal> {
    let home = core.directory.default_app();
    let opened = credential::open(&core.directory, home.as_ref(), key, core.clock.now())?;
    Ok(Actor {
        app: opened.app,
        subject: opened.subject,
        scope: opened.scope,
        proof: opened.proof,
        session: None,
    })
}

/// The person whom a token of the default app proves.
fn open_market(core: &Core, token: &str) -> Result<Actor, Refusal> {
    let app = core.directory.default_app().ok_or(Refusal::UnknownKey)?;
    let verified = identity::verify(&app, token, core.clock.now());
    let verified = verified.map_err(|error| Refusal::TokenRefused {
        why: error.to_string(),
    })?;
    Market.admit(market::CHAT, Some(&verified.subject))?;
    let id = Market.person(&verified.subject);
    Ok(Actor {
        app,
        subject: Some(Subject {
            id,
            ..verified.subject
        }),
        scope: Scope::Client,
        proof: Proof::default(),
        session: None,
    })
}

async fn answer<C: Call>(
    core: &Core,
    actor: Result<Actor, Refusal>,
    call: Result<C, Refusal>,
) -> Response {
    let (actor, call) = match (actor, call) {
        (Ok(actor), Ok(call)) => (Arc::new(actor), call),
        (Err(refusal), _) | (_, Err(refusal)) => return C::refuse(&refusal),
    };
    let result = perform(core, &actor, &call).await;
    call.answer(&Site::default(), result.as_ref())
}

async fn perform(core: &Core, actor: &Arc<Actor>, call: &impl Call) -> Result<Answered, Refusal> {
    let command = call.request().command.clone();
    let has_command = command.is_some();
    let command = command.unwrap_or(Command::Fence);
    let reply = core.queue.run(Arc::clone(actor), command).await?;
    if matches!(reply, Reply::Held) {
        return Err(Refusal::HeldForReview);
    }
    let sources = Sources {
        store: &*core.store,
        presence: core.hub.presence(),
    };
    let reader = Reader {
        app: actor.app.id,
        users: &[],
        is_server: actor.is_app(),
        is_believed: actor.looks_as_anybody(),
        subject: actor.subject.as_ref().map(|subject| &subject.id),
    };
    let look = |query| query::run(sources, reader, query, i64::MAX as u64, Some(&reply));
    let view = call.request().query.as_ref().map(look).transpose();
    let view = view.map_err(|error| match error {
        QueryError::Refused(refusal) => refusal,
        QueryError::Failed(fault) => panic!("{fault}"),
    })?;
    let reply = has_command.then_some(reply);
    Ok(Answered { reply, view })
}

/// The path of a request in parts, and its query.
fn target(request: &Request) -> (Vec<&str>, Form) {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    (path.split('/').skip(1).collect(), form(query))
}

/// The endpoint of filters and reviews that a request names, if it is one.
fn read_reviews(request: &Request, body: Input<'_>) -> Option<Result<ReviewCall, Refusal>> {
    let (parts, query) = target(request);
    Some(match (&*request.method, &*parts) {
        ("GET", ["v1", "filters"]) => Ok(reviews::list_filters()),
        ("POST", ["v1", "filters"]) => reviews::add_filter(body),
        ("DELETE", ["v1", "filters", id]) => reviews::remove_filter(id),
        ("POST", ["v1", "messages", id, "reports"]) => reviews::report_message(id, body),
        ("GET", ["v1", "reviews"]) => reviews::list_reviews(&query),
        ("POST", ["v1", "reviews", id]) => reviews::review(id, body),
        _ => return None,
    })
}

/// The endpoint of `market` that a request names; files have none here.
fn read_market(request: &Request) -> Result<Result<market::rest::Call, Refusal>, String> {
    let (parts, query) = target(request);
    Ok(match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["api", "v1", "chat"]) => market::rest::list_chats(&query),
        ("GET", ["api", "v1", "chat", product, vendor, customer]) => {
            market::rest::get_chat(product, vendor, customer, &query)
        }
        ("DELETE", ["api", "v1", "chat", id]) => market::rest::hide_chat(id),
        (method, _) => return Err(format!("{method} {} is no endpoint", request.target)),
    })
}

/// The endpoint of `stream` that a request names.
fn read_stream(
    core: &Core,
    asker: Scope,
    request: &Request,
    body: Input<'_>,
) -> Result<Result<stream::rest::Call, Refusal>, String> {
    use stream::rest;

    let (parts, query) = target(request);
    let parts = parts.get(2..).unwrap_or_default();
    let now = core.clock.now();
    Ok(match (request.method.as_str(), parts) {
        ("POST", ["messages", "send", room]) => rest::send_message(asker, room, body, None),
        ("DELETE", ["chatrooms", room, "messages", id]) => rest::delete_message(room, id),
        ("POST", ["channels"]) => rest::create_channel(body),
        ("GET", ["channels", slug]) => rest::get_channel(slug),
        ("GET", ["channels", slug, "chatroom"]) => rest::get_chatroom(slug),
        ("PUT", ["channels", slug, "chatroom"]) => rest::set_modes(slug, body),
        ("GET", ["channels", slug, "messages"]) => rest::list_messages(slug, &query),
        ("POST", ["channels", slug, "bans"]) => rest::ban(slug, body),
        ("DELETE", ["channels", slug, "bans", name]) => rest::unban(slug, name),
        ("POST", ["channels", slug, "chat-commands"]) => rest::run_command(slug, body),
        ("POST", ["channels", slug, "pinned-message"]) => rest::pin(slug, body),
        ("DELETE", ["channels", slug, "pinned-message"]) => rest::unpin(slug),
        ("GET", ["channels", slug, "polls"]) => rest::get_poll(slug, now),
        ("POST", ["channels", slug, "polls"]) => rest::open_poll(slug, body),
        ("DELETE", ["channels", slug, "polls"]) => rest::close_poll(slug),
        ("POST", ["channels", slug, "polls", "vote"]) => rest::vote(asker, slug, body, now),
        ("POST", ["channels", slug, "subscriptions"]) => rest::tell_subscription(slug, body),
        ("GET", ["channels", slug, "livestream"]) => rest::get_livestream(slug),
        ("PUT", ["channels", slug, "livestream"]) => rest::set_livestream(slug, body),
        ("POST", ["channels", slug, "events"]) => rest::tell_event(slug, body),
        ("GET", ["channels", slug, "moderators"]) => rest::get_moderators(slug),
        ("POST", ["channels", slug, "moderators"]) => rest::add_moderator(slug, body),
        ("DELETE", ["channels", slug, "moderators", name]) => rest::remove_moderator(slug, name),
        (method, _) => return Err(format!("{method} {} is no endpoint", request.target)),
    })
}

/// The endpoint of `minchat` that a request names.
fn read(
    request: &Request,
    body: Input<'_>,
) -> Result<Result<minchat::rest::Call, Refusal>, String> {
    use minchat::rest;

    let (parts, query) = target(request);
    Ok(match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["v1", "user"]) => rest::put_user(body),
        ("GET", ["v1", "user"]) => rest::get_user(&query),
        ("GET", ["v1", "user", "list"]) => rest::list_users(&query),
        ("PATCH", ["v1", "user", id]) => rest::update_user(id, body),
        ("DELETE", ["v1", "user", id]) => rest::delete_user(id),
        ("GET", ["v1", "user", id, "blocks"]) => rest::list_blocks(id),
        ("PUT", ["v1", "user", id, "blocks", other]) => rest::block(id, other),
        ("DELETE", ["v1", "user", id, "blocks", other]) => rest::unblock(id, other),
        ("POST", ["v1", "chat"]) => rest::open_chat(body),
        ("GET", ["v1", "chat", "list"]) => rest::list_chats(&query),
        ("GET", ["v1", "chat", id]) => rest::get_chat(id, &query),
        ("PATCH", ["v1", "chat", id]) => rest::update_chat(id, body),
        ("DELETE", ["v1", "chat", id]) => rest::delete_chat(id),
        ("POST", ["v1", "chat", id, "participants"]) => rest::add_participant(id, body),
        ("DELETE", ["v1", "chat", id, "participants", user]) => rest::remove_participant(id, user),
        ("GET", ["v1", "messages"]) => rest::list_messages(&query),
        ("POST", ["v1", "messages"]) => rest::send_message(body, None),
        ("PATCH", ["v1", "messages", id]) => rest::edit_message(id, body),
        ("DELETE", ["v1", "messages", id]) => rest::delete_message(id),
        ("POST", ["v1", "messages", id, "seen"]) => rest::mark_seen(id, body),
        (method, _) => return Err(format!("{method} {} is no endpoint", request.target)),
    })
}

fn form(query: &str) -> Form {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    Form {
        texts: pairs.map(pair).collect(),
        files: Vec::new(),
    }
}

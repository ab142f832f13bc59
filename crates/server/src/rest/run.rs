//! Carries out what a request asks for: the command, then the query as of its place.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chat::{
    Actor, Command, Fault, Query, Refusal, Reply, UserRef, View,
    query::{self, QueryError, Reader, Sources},
};
use dialects::{
    Answered,
    rest::{Call, Form, Input, Response as Shown},
};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    Rejection, Rest,
    body::{Files, query},
    caller::Caller,
};
use crate::{
    core::BETWEEN_STEPS,
    media::{Kept, is_in_use},
};

/// How long a request waits while too many others are carried out.
const PATIENCE: Duration = Duration::from_secs(2);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

/// What came of a request: what the core says, or why it was not asked.
pub(super) type Done = Result<Result<Answered, Refusal>, Rejection>;

impl Rest {
    /// Carries out a call and says what comes back.
    pub(super) async fn carry_out<C: Call>(
        &self,
        caller: &Caller,
        call: Result<C, Refusal>,
    ) -> Response {
        self.carry_out_with(caller, call, Vec::new()).await
    }

    /// The same with the query of a request, from which `read` makes the call.
    pub(super) async fn take_query<C: Call>(
        &self,
        caller: &Caller,
        request: Request,
        read: impl FnOnce(&Form) -> Result<C, Refusal>,
    ) -> Response {
        match query(&request) {
            Ok(query) => self.carry_out(caller, read(&query)).await,
            Err(rejection) => rejection.into_response(),
        }
    }

    /// The same with a body.
    pub(super) async fn take_body<C: Call>(
        &self,
        caller: &Caller,
        request: Request,
        files: Files,
        read: impl FnOnce(Input<'_>) -> Result<C, Refusal>,
    ) -> Response {
        match self.read_body(caller, request, files).await {
            Ok(body) => {
                let call = read(body.input());
                self.carry_out_with(caller, call, body.kept).await
            }
            Err(rejection) => rejection.into_response(),
        }
    }

    /// `kept` are the files in the call.
    async fn carry_out_with<C: Call>(
        &self,
        caller: &Caller,
        call: Result<C, Refusal>,
        kept: Vec<Kept>,
    ) -> Response {
        match call {
            Ok(call) => {
                let done = self.run(&caller.actor, &call, kept).await;
                self.answer(&call, done)
            }
            Err(refusal) => respond(C::refuse(&refusal)),
        }
    }

    pub(super) fn answer(&self, call: &impl Call, done: Done) -> Response {
        match done {
            Ok(Err(Refusal::Unavailable)) => Rejection::busy().into_response(),
            Ok(result) => {
                let shown = call.answer(&self.parts().site, result.as_ref());
                let mut response = respond(shown);
                if let Err(Refusal::SlowMode { wait_seconds }) = result {
                    retry_after(&mut response, wait_seconds.into());
                }
                response
            }
            Err(rejection) => rejection.into_response(),
        }
    }

    /// Has a call decided, and looks at what it asks to see.
    pub(super) async fn run(&self, actor: &Arc<Actor>, call: &impl Call, kept: Vec<Kept>) -> Done {
        let Ok(Ok(_permit)) = timeout(PATIENCE, self.0.permits.acquire()).await else {
            return Err(Rejection::busy());
        };
        // Also what only looks waits for its turn: it sees everything that was asked before it.
        let request = call.request();
        let command = request.command.clone().unwrap_or(Command::Fence);
        let reply = match self.command(actor, command, kept).await {
            Ok(Reply::Held) => return Ok(Err(Refusal::HeldForReview)),
            Ok(reply) => reply,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let view = match &request.query {
            Some(query) => {
                let before = reply.clone();
                match self.look(Arc::clone(actor), query.clone(), before).await {
                    Ok(view) => Some(view),
                    Err(QueryError::Refused(refusal)) => return Ok(Err(refusal)),
                    Err(QueryError::Failed(fault)) => return Err(Rejection::internal(&fault)),
                }
            }
            None => None,
        };
        let reply = Some(reply);
        Ok(Ok(Answered { reply, view }))
    }

    /// Has a command decided. The files that came with it stay only if something may refer to them.
    async fn command(
        &self,
        actor: &Arc<Actor>,
        command: Command,
        kept: Vec<Kept>,
    ) -> Result<Reply, Refusal> {
        let parts = self.parts();
        let files: Vec<_> = kept.into_iter().map(Kept::release).collect();
        let result = match command {
            Command::DeleteUser { user } => self.delete_user(actor, user).await,
            command => parts.queue.run(Arc::clone(actor), command).await,
        };
        if !is_in_use(&result) {
            for file in &files {
                parts.media.discard(file);
            }
        }
        result
    }

    /// Deletes a user. Most of what the user wrote goes first, step by step, so that whoever writes
    /// meanwhile waits for one step at most. Goes on if the one who asked does not wait for it.
    async fn delete_user(&self, actor: &Arc<Actor>, user: UserRef) -> Result<Reply, Refusal> {
        let (queue, actor) = (Arc::clone(&self.parts().queue), Arc::clone(actor));
        let deleting = tokio::spawn(async move {
            let step = || {
                let user = user.clone();
                queue.run(Arc::clone(&actor), Command::EraseWritten { user })
            };
            while let Reply::Forgotten { more: true } = step().await? {
                sleep(BETWEEN_STEPS).await;
            }
            queue
                .run(Arc::clone(&actor), Command::DeleteUser { user })
                .await
        });
        deleting.await.unwrap_or(Err(Refusal::Unavailable))
    }

    /// Looks at what everybody has been shown so far.
    async fn look(
        &self,
        actor: Arc<Actor>,
        query: Query,
        reply: Reply,
    ) -> Result<View, QueryError> {
        let rest = self.clone();
        let looked = spawn_blocking(move || {
            let parts = rest.parts();
            let sources = Sources {
                store: &*parts.store,
                presence: parts.hub.presence(),
            };
            let reader = Reader {
                app: actor.app.id,
                users: &[],
                is_server: actor.is_app(),
                is_believed: actor.looks_as_anybody(),
                subject: actor.subject.as_ref().map(|subject| &subject.id),
            };
            let at = parts.hub.barrier();
            query::run(sources, reader, &query, at, Some(&reply))
        });
        looked.await.unwrap_or_else(|error| {
            let fault = Fault::new("looking something up", error);
            Err(QueryError::Failed(fault))
        })
    }
}

/// An answer of the dialect's, on its way.
pub(super) fn respond(shown: Shown) -> Response {
    let mut response = Response::new(Body::from(shown.body));
    *response.status_mut() =
        StatusCode::from_u16(shown.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let is_unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if is_unauthorized {
        // RFC 9110, section 15.5.2.
        headers.insert(header::WWW_AUTHENTICATE, BEARER);
    }
    headers.insert(header::CONTENT_TYPE, JSON);
    // What a key shows is for its holder.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Says when to come again, in seconds.
pub(super) fn retry_after(response: &mut Response, seconds: u64) {
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
}

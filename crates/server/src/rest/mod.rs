//! The HTTP sides of dialects, and the keys of an app.
//!
//! A request is looked at in this order: who asks ([`caller`]), whether too often, what it brought
//! ([`body`]), what the dialect makes of that, and what the core says (`Rest::run`). Handlers only
//! name these steps. Must not decide what is allowed, and must not write what a dialect shows.

mod body;
mod caller;
mod chats;
mod demo;
mod describe;
mod drain;
mod keys;
mod market;
mod messages;
mod pace;
mod rejection;
mod reviews;
mod run;
mod stream;
mod users;

use std::{future::ready, sync::Arc};

use axum::{Router, http::StatusCode, middleware, response::Response};
use chat::{Fault, Queue, Store};
use dialects::Site;
use tokio::sync::Semaphore;

pub use self::rejection::Rejection;
use crate::{
    hub::Hub,
    identity::Directory,
    limits::Limits,
    listen::Seats,
    media::{self, MediaStore},
    metrics::Metrics,
};

/// What requests are answered with.
pub struct RestParts {
    /// Where queries are answered.
    pub store: Arc<dyn Store>,
    /// Where commands go.
    pub queue: Arc<Queue>,
    /// Apps and keys.
    pub directory: Arc<Directory>,
    /// Who is online, and how far everybody has been shown what happened.
    pub hub: Arc<Hub>,
    /// Files.
    pub media: Arc<MediaStore>,
    /// How often somebody may ask.
    pub limits: Arc<Limits>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How clients reach this server.
    pub site: Arc<Site>,
    /// Requests that are carried out at once.
    pub requests: usize,
    /// Large bodies that may be on their way in at once, in all and from one place.
    pub uploads: (usize, usize),
}

/// What all handlers share.
struct Shared {
    parts: RestParts,
    permits: Semaphore,
    seats: Arc<Seats>,
}

/// The HTTP side. Cheap to clone.
#[derive(Clone)]
pub struct Rest(Arc<Shared>);

impl Rest {
    /// Over these parts.
    pub fn new(parts: RestParts) -> Self {
        let permits = Semaphore::new(parts.requests);
        let (all, per_ip) = parts.uploads;
        let seats = Arc::new(Seats::new(all, per_ip));
        Self(Arc::new(Shared {
            parts,
            permits,
            seats,
        }))
    }

    /// The routes.
    pub fn router(self) -> Router {
        let parts = &self.0.parts;
        let metrics = Arc::clone(&parts.metrics);
        let files = media::router(Arc::clone(&parts.media), Arc::clone(&parts.store));
        let count = middleware::map_response(move |response: Response| {
            metrics.count_request(response.status().as_u16());
            ready(response)
        });
        describe::router(self).merge(files).layer(count)
    }

    /// Makes what the demo app shows, if the demo is on.
    ///
    /// # Errors
    /// It could not be made.
    pub async fn prepare_demo(&self) -> Result<(), Fault> {
        match self.0.parts.directory.demo_app() {
            Some(app) => demo::prepare(self, app).await,
            None => Ok(()),
        }
    }

    fn parts(&self) -> &RestParts {
        &self.0.parts
    }
}

/// What is under the path of an API and is no endpoint.
async fn unknown() -> Rejection {
    Rejection::new(StatusCode::NOT_FOUND, "unknown_path", "no such endpoint")
}

/// An endpoint, asked with another method than it has.
async fn wrong_method() -> Rejection {
    let words = "this endpoint has other methods";
    Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", words)
}

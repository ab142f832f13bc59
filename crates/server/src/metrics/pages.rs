//! `/metrics`, `/healthz` and `/readyz`.
//!
//! Health says that the process answers; readiness, that it should be sent clients: the store
//! works and nobody has asked the server to stop. Metrics are for loopback peers and the networks
//! that the operator names, because they tell a stranger how busy the server is.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use chat::Store;
use ipnet::IpNet;

use super::Metrics;
use crate::listen::Peer;

/// How long the store may take to show that it works.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// What the pages tell about. Cheap to clone.
#[derive(Clone)]
pub struct Pages {
    metrics: Arc<Metrics>,
    store: Arc<dyn Store>,
    allow: Arc<[IpNet]>,
    stopping: Arc<AtomicBool>,
}

impl Pages {
    /// Pages over these. Peers in `allow` may read the metrics, as may loopback ones.
    pub fn new(metrics: Arc<Metrics>, store: Arc<dyn Store>, allow: Vec<IpNet>) -> Self {
        Self {
            metrics,
            store,
            allow: allow.into(),
            stopping: Arc::new(AtomicBool::new(false)),
        }
    }

    /// From now on the server is not ready: load balancers send clients elsewhere.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

async fn ready(State(pages): State<Pages>) -> Response {
    if pages.stopping.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    let check = tokio::task::spawn_blocking(move || pages.store.check());
    match tokio::time::timeout(READY_WITHIN, check).await {
        Ok(Ok(Ok(()))) => "ready\n".into_response(),
        Ok(Ok(Err(fault))) => {
            tracing::warn!(%fault, "not ready: the store does not work");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not work\n").into_response()
        }
        Ok(Err(_)) | Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer\n",
        )
            .into_response(),
    }
}

async fn metrics(State(pages): State<Pages>, request: Request) -> Response {
    let peer = peer_address(&request);
    if !peer.is_some_and(|ip| ip.is_loopback() || pages.allow.iter().any(|net| net.contains(&ip))) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], pages.metrics.page()).into_response()
}

/// The client's address as the listener found it, behind trusted proxies too.
fn peer_address(request: &Request) -> Option<IpAddr> {
    let extensions = request.extensions();
    let ip = match extensions.get::<Peer>() {
        Some(peer) => peer.ip,
        None => extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip(),
    };
    Some(ip.to_canonical())
}

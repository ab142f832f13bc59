//! Everything outside of Palaver: listeners, hub, stores, buses, REST, configuration.
//!
//! This crate sees all the others; none of them sees it. [`run`] puts the parts together.

pub mod buses;
pub mod cli;
pub mod config;
pub mod core;
pub mod hub;
pub mod identity;
pub mod listen;
pub mod logging;
pub mod metrics;
pub mod operate;
pub mod origin;
pub mod proxy;
pub mod stores;
pub mod tls;
pub mod writer;

use std::{path::Path, sync::Arc};

use chat::{Fault, Store};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

use crate::{
    config::Config,
    core::Core,
    hub::Door,
    listen::ListenMetrics,
    metrics::{Metrics, pages::Pages},
    operate::{Desk, socket::Socket},
    tls::Tls,
};

/// Serves `store` on `listener` until `shutdown` is ready, then ends in good order: takes no more
/// connections, writes what waits, closes the transports. `ready` is called once clients can come;
/// it must not block. Within a multi-threaded tokio runtime.
///
/// # Errors
/// What kept the server from starting.
pub async fn run(
    config: Config,
    store: Arc<dyn Store>,
    listener: TcpListener,
    ready: impl FnOnce(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Fault> {
    let tls = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Some(load_tls(certificate, key)?),
        _ => None,
    };
    let metrics = Metrics::new();
    let core = Core::start(
        Arc::clone(&store),
        config.hub_config(),
        Arc::clone(&metrics),
    )?;

    let socket = Socket::bind(&config.server.data)
        .map_err(|error| Fault::new("making the operator's socket", error))?;
    let desk = Desk::in_server(
        Arc::clone(&store),
        Arc::clone(&core.queue),
        Arc::clone(&core.directory),
        config.forbids_open_apps(),
    );
    let operators = tokio::spawn(socket.serve(Arc::new(desk)));

    let counted = Arc::new(ListenMetrics::default());
    metrics.show_listener(Arc::clone(&counted));
    let pages = Pages::new(metrics, store, config.metrics_networks());
    let server = listen::Server {
        config: config.listen_config(),
        tls,
        router: pages.clone().router(),
        accept: Arc::new(Door(Arc::clone(&core.hub))),
        metrics: counted,
    };
    let stopped = async move {
        shutdown.await;
        pages.stopping();
    };
    ready();
    server.serve(listener, stopped).await;
    operators.abort();
    core.stop().await;
    Ok(())
}

/// Loads the certificate, and keeps it fresh: on SIGHUP, and when its file changes.
fn load_tls(certificate: &Path, key: &Path) -> Result<Arc<Tls>, Fault> {
    let doing = "loading the TLS certificate";
    let tls = Tls::load(certificate, key).map_err(|words| Fault::new(doing, words))?;
    let tls = Arc::new(tls);
    let mut hangups =
        signal(SignalKind::hangup()).map_err(|error| Fault::new("listening to SIGHUP", error))?;
    let asked = Arc::new(Notify::new());
    let asks = Arc::clone(&asked);
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            asks.notify_one();
        }
    });
    let kept = Arc::clone(&tls);
    tokio::spawn(async move {
        let asked = &*asked;
        kept.keep_fresh(|| asked.notified()).await;
    });
    Ok(tls)
}

//! Everything outside of Palaver: listeners, hub, stores, buses, REST, configuration.
//!
//! This crate sees all the others; none of them sees it. [`run`] puts the parts together.

pub mod buses;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod hub;
pub mod identity;
pub mod limits;
pub mod listen;
pub mod logging;
pub mod media;
pub mod metrics;
pub mod operate;
pub mod origin;
pub mod proxy;
pub mod rest;
pub mod stores;
pub mod tls;
pub mod writer;

use std::{path::Path, sync::Arc};

use chat::{AppId, Fault, Store};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

use crate::{
    clock::Clock,
    config::Config,
    core::Core,
    hub::{Door, HubConfig},
    limits::Limits,
    listen::ListenMetrics,
    media::MediaStore,
    metrics::{Metrics, pages::Pages},
    operate::{Desk, socket::Socket},
    rest::{Rest, RestParts},
    tls::Tls,
};

/// Serves `store` on `listener` until `shutdown` is ready, then ends in good order: takes no more
/// connections, writes what waits, closes the transports. With a `demo` app its key works meanwhile.
/// `ready` is called once clients can come; it must not block. Within a multi-threaded tokio runtime.
///
/// # Errors
/// What kept the server from starting.
pub async fn run(
    config: Config,
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    demo: Option<AppId>,
    listener: TcpListener,
    ready: impl FnOnce(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Fault> {
    let tls = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Some(load_tls(certificate, key)?),
        _ => None,
    };
    let address = listener
        .local_addr()
        .map_err(|error| Fault::new("finding out the listener's address", error))?;
    let site = Arc::new(config.site(address));
    let media = MediaStore::open(&config.server.data, config.media_config())?;
    let media = Arc::new(media);
    let limits = Arc::new(Limits::new(config.rates()));
    limits.keep_small();
    let metrics = Metrics::new();
    let hub_config = HubConfig {
        shared_rates: Arc::clone(&limits),
        site: Arc::clone(&site),
        media: Some(Arc::clone(&media)),
        clock,
        ..config.hub_config()
    };
    let core = Core::start(Arc::clone(&store), hub_config, Arc::clone(&metrics))?;
    if let Some(app) = demo {
        core.directory.open_demo(app)?;
    }

    let socket = Socket::bind(&config.server.data)
        .map_err(|error| Fault::new("making the operator's socket", error))?;
    let desk = Desk::in_server(
        Arc::clone(&store),
        &config.server.data,
        Arc::clone(&core.queue),
        Arc::clone(&core.directory),
        config.forbids_open_apps(),
    );
    let operators = tokio::spawn(socket.serve(Arc::new(desk)));

    let janitor = tokio::spawn(media::keep_clean(Arc::clone(&media), Arc::clone(&store)));
    let rest = Rest::new(RestParts {
        store: Arc::clone(&store),
        queue: Arc::clone(&core.queue),
        directory: Arc::clone(&core.directory),
        hub: Arc::clone(&core.hub),
        media,
        limits,
        metrics: Arc::clone(&metrics),
        site,
        requests: config.limits.requests,
        uploads: (config.media.uploads, config.media.uploads_per_ip),
    });
    rest.prepare_demo().await?;

    let counted = Arc::new(ListenMetrics::default());
    metrics.show_listener(Arc::clone(&counted));
    let pages = Pages::new(metrics, store, config.metrics_networks());
    let server = listen::Server {
        config: config.listen_config(),
        tls,
        router: pages.clone().router().merge(rest.router()),
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
    janitor.abort();
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

//! `palaver serve`: opens everything, says where it listens, and runs until it is told to stop.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
};

use super::{Failure, ServeArgs, commands::store_options, demo};
use crate::{config::Config, logging, operate::Desk, stores::sqlite::Sqlite};

/// Connections that may wait to be accepted, while many come back at once.
const BACKLOG: i32 = 4_096;

pub(super) fn serve(args: &ServeArgs) -> Result<(), Failure> {
    let config = args.settings.load_with(args.listen)?;
    logging::start(&config.log);
    raise_open_files();
    let store = Arc::new(Sqlite::open(&config.server.data, &store_options(&config))?);
    let demo = if args.demo {
        let desk = Desk::alone(Arc::clone(&store) as Arc<_>, &config.server.data)?;
        Some(desk.demo_app()?)
    } else {
        None
    };
    refuse_open_apps(&config, &*store)?;
    let mut builder = runtime::Builder::new_multi_thread();
    if config.server.threads > 0 {
        builder.worker_threads(config.server.threads);
    }
    let runtime = builder.enable_all().build()?;
    runtime.block_on(async {
        let listener = listen(config.server.listen).map_err(|error| {
            Failure::Refused(format!(
                "cannot listen on {}: {error}",
                config.server.listen
            ))
        })?;
        let address = listener.local_addr()?;
        let scheme = if config.tls.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        let url = format!("{scheme}://{address}");
        let with_demo = args.demo;
        let ready = move || announce(&url, with_demo);
        crate::run(
            config,
            store,
            Arc::default(),
            demo,
            listener,
            ready,
            stop_signal()?,
        )
        .await?;
        Ok(())
    })
}

/// The line that scripts wait for, then what people want to see.
fn announce(url: &str, with_demo: bool) {
    let mut out = io::stdout().lock();
    // A server whose output nobody reads goes on serving.
    let _ = writeln!(out, "listening on {url}").and_then(|()| out.flush());
    drop(out);
    if with_demo {
        let _ = demo::print(url);
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Open identity lets everybody be anybody: fine on this machine, not on a network.
fn refuse_open_apps(config: &Config, store: &dyn chat::Store) -> Result<(), Failure> {
    if !config.forbids_open_apps() {
        return Ok(());
    }
    let apps = store.apps()?;
    let open: Vec<_> = apps
        .iter()
        .filter(|app| app.identity == chat::Identity::Open)
        .map(|app| format!("{:?}", app.name))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "{} can be reached by others, and in these apps everybody is who they say they are: {}; \
         listen on a loopback address, or allow it with \
         --set identity.allow_open_on_public_address=true",
        config.server.listen,
        open.join(", "),
    )))
}

/// Each connection is an open file, and the usual limit of 1,024 is soon reached.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::info!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files is left as it is"),
    }
}

/// Comes when the process is asked to end. Asked a second time, it ends at once.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let mut either = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let name = either().await;
        tracing::info!(signal = name, "stopping");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

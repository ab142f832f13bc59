//! Takes sockets, and looks after them until they are closed or handed to a connection; stops in order.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::listener::Listener;
use super::metrics::Refused;
use super::shared::Order;
use super::socket::Socket;
use super::{Accept, ListenConfig, ListenMetrics, http};
use crate::tls::Tls;

/// Waits after a failed accept, doubling from the first to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How often the log says that accepting fails.
const SAY_AGAIN: Duration = Duration::from_mins(1);
/// How long connections that were told to end at once may take for it.
const KILL_TIME: Duration = Duration::from_secs(2);
/// hyper's smallest buffer.
const MIN_BUFFER: usize = 8 * 1024;
const MAX_HEADERS: usize = 100;

/// One listener, ready to serve.
pub struct Server {
    /// Its settings.
    pub config: ListenConfig,
    /// The certificate, if it speaks TLS.
    pub tls: Option<Arc<Tls>>,
    /// All that is not Engine.IO. Requests bring a [`Peer`](super::Peer) as an extension.
    pub router: Router,
    /// Makes the drivers.
    pub accept: Arc<dyn Accept>,
    /// What it counts.
    pub metrics: Arc<ListenMetrics>,
}

/// What a socket that still speaks HTTP is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Not,
    AfterRequest,
    Now,
}

impl Server {
    /// Serves until `shutdown` is ready; then refuses handshakes (503), lets each connection flush and closes its transport
    /// (never with a Socket.IO DISCONNECT, after which clients would stay away), for at most
    /// [`shutdown_timeout`](ListenConfig::shutdown_timeout).
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let loopback = listener
            .local_addr()
            .is_ok_and(|address| address.ip().to_canonical().is_loopback());
        let patience = self.config.shutdown_timeout;
        let shared = Arc::new(Listener::new(
            self.config,
            self.metrics,
            self.accept,
            self.router,
            loopback,
        ));
        let (stop, stopped) = watch::channel(Stop::Not);
        tokio::select! {
            () = shutdown => {}
            () = accept_all(&shared, &listener, self.tls.as_ref(), &stopped) => {}
            () = shared.deadlines.run() => {}
        }
        shared.stop();
        shared.order_all(Order::Stop);
        let end = async {
            // Sockets stay a little longer, and new ones are taken: over polling, a client's next request comes to fetch
            // what is left for it. Handshakes are refused (503).
            tokio::select! {
                () = shared.connections_ended() => {}
                () = accept_all(&shared, &listener, self.tls.as_ref(), &stopped) => {}
            }
            drop(listener);
            stop.send_replace(Stop::AfterRequest);
            shared.sockets_ended().await;
        };
        if tokio::time::timeout(patience, end).await.is_err() {
            tracing::info!("some clients did not take what was written for them before the end");
            stop.send_replace(Stop::Now);
            shared.order_all(Order::Kill);
            let end = async {
                shared.connections_ended().await;
                shared.sockets_ended().await;
            };
            // They need no client for this, only their turn.
            let _ = tokio::time::timeout(KILL_TIME, end).await;
        }
    }
}

/// Accepts for ever. Running out of file descriptors is waited out.
async fn accept_all(
    shared: &Arc<Listener>,
    listener: &TcpListener,
    tls: Option<&Arc<Tls>>,
    stopped: &watch::Receiver<Stop>,
) {
    let mut wait = BACK_OFF.0;
    let mut said: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                wait = BACK_OFF.0;
                take(shared, stream, address, tls, stopped.clone());
            }
            // One client's own trouble, seen before it was accepted.
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                // At the limit it fails and succeeds in turns: saying so now and then is enough.
                if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
                    said = Some(Instant::now());
                    tracing::error!(%error, "cannot accept connections; trying again and again");
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACK_OFF.1);
            }
        }
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

fn take(
    shared: &Arc<Listener>,
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<&Arc<Tls>>,
    stopped: watch::Receiver<Stop>,
) {
    shared.metrics.accepted.add_one();
    let has_room = shared.enter_socket();
    // Counts the socket out again, whatever becomes of it.
    let guard = SocketCount(Some(Arc::clone(shared)));
    if !has_room {
        shared.metrics.count_refusal(Refused::Sockets);
        tokio::spawn(turn_away(stream, guard));
        return;
    }
    let socket = SockRef::from(&stream);
    let tuned = socket
        .set_tcp_nodelay(true)
        // Linux takes twice of what it is told (socket(7)).
        .and_then(|()| socket.set_send_buffer_size(shared.config.send_buffer / 2));
    if let Err(error) = tuned {
        // It is closed already, or will work less well.
        tracing::debug!(%error, "cannot tune a socket");
    }
    let Some(tls) = tls else {
        let socket = Socket::plain(stream, guard.pass_on());
        tokio::spawn(speak_http(socket, address, false, stopped));
        return;
    };
    let handshake = tls.acceptor().accept(stream);
    let patience = shared.config.body_timeout;
    tokio::spawn(async move {
        match tokio::time::timeout(patience, handshake).await {
            Ok(Ok(stream)) => {
                let socket = Socket::tls(stream, guard.pass_on());
                speak_http(socket, address, true, stopped).await;
            }
            Ok(Err(error)) => {
                guard.count_refusal(Refused::Tls);
                tracing::debug!(ip = %address.ip(), %error, "a TLS handshake failed");
            }
            Err(_) => guard.count_refusal(Refused::Tls),
        }
    });
}

/// One socket that was counted in, until a [`Socket`] answers for it.
struct SocketCount(Option<Arc<Listener>>);

impl SocketCount {
    fn pass_on(mut self) -> Arc<Listener> {
        self.0.take().expect("passed on once, by value")
    }

    fn count_refusal(&self, reason: Refused) {
        if let Some(listener) = &self.0 {
            listener.metrics.count_refusal(reason);
        }
    }
}

impl Drop for SocketCount {
    fn drop(&mut self) {
        if let Some(listener) = &self.0 {
            listener.leave_socket();
        }
    }
}

/// Says that there is no room, in a few bytes that any socket takes, and does not wait for the request.
async fn turn_away(mut stream: TcpStream, guard: SocketCount) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 5\r\n\r\n";
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(ANSWER)).await;
    drop(guard);
}

/// Answers the requests of one socket, until it is closed or has become a WebSocket.
async fn speak_http(
    socket: Socket,
    address: SocketAddr,
    secure: bool,
    mut stopped: watch::Receiver<Stop>,
) {
    let listener = Arc::clone(socket.listener());
    let config = &listener.config;
    let service = service_fn(|request| {
        let listener = Arc::clone(&listener);
        async move {
            let ip = address.ip().to_canonical();
            Ok::<_, Infallible>(http::answer(listener, ip, secure, request).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(config.max_header_bytes.max(MIN_BUFFER))
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut told = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    // Mostly clients that went away; nobody's fault here.
                    tracing::debug!(ip = %address.ip(), %error, "an HTTP connection ended");
                }
                return;
            }
            change = stopped.wait_for(|stop| *stop == Stop::Now || (!told && *stop != Stop::Not)) => {
                let now = change.map_or(Stop::Now, |stop| *stop);
                if now == Stop::Now {
                    return;
                }
                told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

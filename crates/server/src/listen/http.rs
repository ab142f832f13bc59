//! HTTP requests: who may ask at all, Engine.IO's own requests, and the rest to the router.
//!
//! A request on an Engine.IO path opens a connection or brings something to one (`shared.rs`, `Mail`) and waits for the
//! answer. What happens then is `connection.rs`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tower::ServiceExt as _;
use tower_http::timeout::TimeoutBody;
use wire::engineio::{self, HandshakeError, Open, Query, Transport, payload};
use wire::frame;
use wire::websocket::Handshake;

use super::connection::Connection;
use super::listener::Listener;
use super::metrics::Refused;
use super::shared::{Answer, Mail, Shared};
use super::socket::Socket;
use super::{Close, Handle, HandshakeRefusal, Peer, cors};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What of a header is kept or logged.
const HEADER_LENGTH: usize = 512;

/// Answers one request that came from `ip`, over TLS or not.
pub(super) async fn answer(
    listener: Arc<Listener>,
    ip: IpAddr,
    secure: bool,
    mut request: Request<Incoming>,
) -> Response {
    let asked_host = host_of(&request);
    let mut peer = peer_of(&listener, ip, secure, &request, asked_host.as_deref());
    let is_socket_path = is_socket_path(&listener, request.uri().path());
    // Not the forwarded host: a rebound page could write that itself.
    if !listener.rules.allow(asked_host.as_deref()) {
        listener.metrics.count_refusal(Refused::Host);
        tracing::info!(ip = %peer.ip, host = ?asked_host, "refused: not a name of this server (setting `hosts`)");
        return forbid(
            is_socket_path,
            "this server does not answer to that host name",
        );
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    if let Some(origin) = &origin {
        // What is no text is no origin of anybody's list.
        let text = origin.to_str().unwrap_or_default();
        let host = peer.host.as_deref();
        if !listener.config.origins.allows(text, host, &listener.rules) {
            listener.metrics.count_refusal(Refused::Origin);
            tracing::info!(ip = %peer.ip, origin = cut(text), "refused: not an allowed origin (setting `origins`)");
            return forbid(
                is_socket_path,
                "pages of this origin may not use this server",
            );
        }
        peer.origin = Some(cut(text).into());
    }
    let mut response = if cors::is_preflight(request.method(), request.headers()) {
        cors::preflight(request.headers())
    } else if is_socket_path {
        answer_socket(&listener, peer, request).await
    } else {
        request.extensions_mut().insert(peer);
        let patience = listener.config.body_timeout;
        let request = request.map(|body| Body::new(TimeoutBody::new(patience, body)));
        match listener.router().oneshot(request).await {
            Ok(response) => response,
            Err(impossible) => match impossible {},
        }
    };
    if let Some(origin) = origin {
        cors::allow(origin, response.headers_mut());
    }
    response
}

/// The host that a client asks for: `Host`, or the authority of an absolute request target.
fn host_of(request: &Request<Incoming>) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str().to_owned());
    }
    let host = request.headers().get(header::HOST)?;
    Some(String::from_utf8_lossy(host.as_bytes()).into_owned())
}

fn peer_of(
    listener: &Listener,
    ip: IpAddr,
    secure: bool,
    request: &Request<Incoming>,
    host: Option<&str>,
) -> Peer {
    let headers = request.headers();
    let source = listener.config.proxies.trace(ip, secure, headers);
    let text = |name| header_text(headers, name).map(|text| cut(text).into());
    Peer {
        ip: source.ip,
        secure: source.secure,
        path: request.uri().path().into(),
        raw_query: request.uri().query().unwrap_or_default().into(),
        host: source.host.as_deref().or(host).map(|host| cut(host).into()),
        origin: None,
        user_agent: text("user-agent"),
        // Tokens may be long, and a part of one is worth nothing; the head as a whole is limited.
        token: header_text(headers, "token").map(Into::into),
        transport: None,
    }
}

fn is_socket_path(listener: &Listener, path: &str) -> bool {
    let paths = &listener.config.paths;
    paths
        .iter()
        .any(|known| path == known || known.strip_suffix('/') == Some(path))
}

/// An Engine.IO request.
async fn answer_socket(
    listener: &Arc<Listener>,
    peer: Peer,
    request: Request<Incoming>,
) -> Response {
    if request.method() == Method::OPTIONS {
        return status(StatusCode::NO_CONTENT);
    }
    let headers = request.headers();
    let handshake = Handshake {
        method: request.method().as_str(),
        upgrade: header_text(headers, "upgrade"),
        connection: header_text(headers, "connection"),
        version: header_text(headers, "sec-websocket-version"),
        key: header_text(headers, "sec-websocket-key"),
    };
    let raw_query = peer.raw_query.clone();
    let query = Query::new(&raw_query);
    let wanted = match engineio::route(handshake.method, query, handshake.is_wanted()) {
        Ok(wanted) => wanted,
        Err(error) => return refuse(listener, &peer, error),
    };
    let accept_key = match handshake.is_wanted().then(|| handshake.check()).transpose() {
        Ok(key) => key,
        Err(refusal) => {
            listener.metrics.count_refusal(Refused::BadHandshake);
            tracing::info!(ip = %peer.ip, %refusal, "refused a WebSocket");
            let code = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = text(code, refusal.to_string());
            let version = HeaderValue::from_static("13");
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_VERSION, version);
            return response;
        }
    };
    let find = |sid: &str| listener.find(sid);
    match wanted {
        engineio::Request::Handshake(transport) => {
            open(listener, peer, transport, accept_key.as_deref(), request)
        }
        engineio::Request::Poll { sid } => match find(&sid) {
            Some(shared) => poll(&shared).await,
            None => refuse(listener, &peer, HandshakeError::UnknownSid),
        },
        engineio::Request::Post { sid } => match find(&sid) {
            Some(shared) => post(listener, &shared, request.into_body()).await,
            None => refuse(listener, &peer, HandshakeError::UnknownSid),
        },
        engineio::Request::Probe { sid } => match (find(&sid), accept_key) {
            (Some(shared), Some(key)) => probe(shared, &key, request),
            _ => refuse(listener, &peer, HandshakeError::UnknownSid),
        },
    }
}

/// Opens a connection.
fn open(
    listener: &Arc<Listener>,
    mut peer: Peer,
    transport: Transport,
    accept_key: Option<&str>,
    request: Request<Incoming>,
) -> Response {
    if listener.is_stopping() {
        return refuse_driver(listener, HandshakeRefusal::Unavailable);
    }
    let seat = match listener.seats.take(peer.ip) {
        Ok(seat) => seat,
        Err(reason) => {
            listener.metrics.count_refusal(reason);
            tracing::debug!(ip = %peer.ip, ?reason, "refused a connection");
            return overloaded("too many connections");
        }
    };
    let Some(sid) = Listener::make_sid() else {
        tracing::error!("the system gives no random bytes");
        return refuse_driver(listener, HandshakeRefusal::Unavailable);
    };
    let config = &listener.config;
    let hello = Open::new(
        sid.clone().into_string(),
        transport,
        milliseconds(config.ping_interval),
        milliseconds(config.ping_timeout),
        config.limits.max_text_bytes,
    )
    .packet();
    let shared = Arc::new(Shared::new(sid));
    peer.transport = Some(transport);
    let handle = Handle {
        shared: Arc::clone(&shared),
    };
    let driver = match listener.accept().open(peer, handle) {
        Ok(driver) => driver,
        Err(refusal) => return refuse_driver(listener, refusal),
    };
    let mut connection = Connection::open(listener, &shared, driver, transport, seat);
    let Some(accept_key) = accept_key else {
        tokio::spawn(connection);
        let mut payload = payload::Writer::new(usize::MAX);
        // Without a limit there is room.
        let _ = payload.push(&hello);
        return packets(payload.finish());
    };
    upgrade(accept_key, request, move |socket, read| {
        let mut frame = Vec::new();
        frame::write_packet(&mut frame, &hello);
        connection.attach(socket, read, frame.into());
        // A task of its own, so that it has the size of a connection and not that of an upgrade.
        tokio::spawn(connection);
    })
}

/// A GET of a session.
async fn poll(shared: &Shared) -> Response {
    let (reply, answer) = oneshot::channel();
    shared.bring(Mail::Poll(reply));
    respond(answer.await.unwrap_or(Answer::Refused))
}

/// A POST of a session.
async fn post(listener: &Listener, shared: &Shared, body: Incoming) -> Response {
    if !shared.begin_post() {
        shared.bring(Mail::Broken(Close::Protocol("two posts at once".into())));
        return respond(Answer::Refused);
    }
    // If the client goes away in the middle, this future is dropped and the guard says so.
    let mut guard = PostGuard {
        shared,
        broken: Some(Close::TransportError),
    };
    let max = listener.config.limits.max_body_bytes();
    let read = tokio::time::timeout(listener.config.body_timeout, read_body(body, max));
    let body = match read.await {
        Ok(Ok(body)) => body,
        Ok(Err(Unreadable::TooLarge)) => {
            listener.metrics.count_refusal(Refused::TooLarge);
            guard.broken = Some(Close::TooLarge);
            return respond(Answer::TooLarge);
        }
        Ok(Err(Unreadable::Broken)) => return respond(Answer::Refused),
        Err(_) => return status(StatusCode::REQUEST_TIMEOUT),
    };
    guard.broken = None;
    let (reply, answer) = oneshot::channel();
    shared.bring(Mail::Post(body, reply));
    respond(answer.await.unwrap_or(Answer::Refused))
}

struct PostGuard<'a> {
    shared: &'a Shared,
    /// Why the connection ends if this is dropped.
    broken: Option<Close>,
}

impl Drop for PostGuard<'_> {
    fn drop(&mut self) {
        if let Some(reason) = self.broken.take() {
            self.shared.bring(Mail::Broken(reason));
        }
        self.shared.end_post();
    }
}

enum Unreadable {
    TooLarge,
    Broken,
}

/// Reads a body of at most `max` bytes. What comes above that is read as well, up to as much again, and thrown away: a
/// client that is cut off in the middle of writing would not see the answer.
async fn read_body(mut body: Incoming, max: usize) -> Result<Bytes, Unreadable> {
    let announced = body.size_hint().lower();
    let mut too_large = announced > max as u64;
    let mut bytes = BytesMut::new();
    let mut thrown = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unreadable::Broken)?.into_data() else {
            continue;
        };
        too_large = too_large || bytes.len() + data.len() > max;
        if too_large {
            bytes = BytesMut::new();
            thrown += data.len();
            if thrown > max {
                break;
            }
        } else if bytes.is_empty() && data.len() as u64 == announced {
            // The usual small body came in one piece.
            return Ok(data);
        } else {
            bytes.extend_from_slice(&data);
        }
    }
    if too_large {
        return Err(Unreadable::TooLarge);
    }
    Ok(bytes.freeze())
}

/// A WebSocket for a session that polls.
fn probe(shared: Arc<Shared>, accept_key: &str, request: Request<Incoming>) -> Response {
    upgrade(accept_key, request, move |socket, read| {
        shared.bring(Mail::Probe(Box::new((socket, read))));
    })
}

/// Answers 101, and hands over the socket once that is written.
fn upgrade(
    accept_key: &str,
    request: Request<Incoming>,
    take: impl FnOnce(Socket, Bytes) + Send + 'static,
) -> Response {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Some((socket, read)) = take_socket(upgrade).await {
            take(socket, read);
        }
    });
    let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(key) = HeaderValue::from_str(accept_key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    response
}

async fn take_socket(upgrade: OnUpgrade) -> Option<(Socket, Bytes)> {
    // Fails when the client is gone before it has the answer.
    let upgraded = upgrade.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<Socket>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Payload(payload) => packets(payload),
        Answer::Received => text(StatusCode::OK, "ok"),
        Answer::Refused => json(StatusCode::BAD_REQUEST, HandshakeError::BadRequest.body()),
        Answer::TooLarge => status(StatusCode::PAYLOAD_TOO_LARGE),
    }
}

fn refuse(listener: &Listener, peer: &Peer, error: HandshakeError) -> Response {
    listener.metrics.count_refusal(Refused::BadHandshake);
    let eio = peer.query("EIO").unwrap_or_default();
    let user_agent = peer.user_agent.as_deref().unwrap_or_default();
    if error == HandshakeError::UnsupportedVersion {
        tracing::warn!(ip = %peer.ip, user_agent, eio = cut(&eio), code = error.code(), "refused a client: {error}; Engine.IO 4 is spoken here, which is Socket.IO 3 and later");
    } else {
        tracing::debug!(ip = %peer.ip, user_agent, eio = cut(&eio), code = error.code(), "refused a client: {error}");
    }
    let code = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    json(code, error.body())
}

fn refuse_driver(listener: &Listener, refusal: HandshakeRefusal) -> Response {
    match refusal {
        HandshakeRefusal::Forbidden => json(refusal.status(), HandshakeError::Forbidden.body()),
        HandshakeRefusal::Overload | HandshakeRefusal::Unavailable => {
            listener.metrics.count_refusal(Refused::Overload);
            overloaded(refusal.words())
        }
    }
}

fn overloaded(words: &'static str) -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, words);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn forbid(is_socket_path: bool, words: &'static str) -> Response {
    if is_socket_path {
        json(StatusCode::FORBIDDEN, HandshakeError::Forbidden.body())
    } else {
        text(StatusCode::FORBIDDEN, words)
    }
}

fn packets(payload: Bytes) -> Response {
    let mut response = text(StatusCode::OK, payload);
    let cache = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    response
}

fn text(code: StatusCode, body: impl Into<Body>) -> Response {
    with_type(code, body, TEXT)
}

fn json(code: StatusCode, body: impl Into<Body>) -> Response {
    with_type(code, body, JSON)
}

fn with_type(code: StatusCode, body: impl Into<Body>, kind: HeaderValue) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn status(code: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// At most so much of what a stranger wrote.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(HEADER_LENGTH))
        .unwrap_or(text)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

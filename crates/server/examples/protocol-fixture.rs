//! A server of fixed behaviour for protocol conformance suites: the project's wire and listener code, and no chat.
//!
//! `/engine.io/` echoes every message. `/socket.io/` has the namespaces `/` and `/custom`: both answer a CONNECT with the
//! event `auth`; in `/`, `message` comes back as `message-back`, and `message-with-ack` is acknowledged with its arguments.
//! Run with `--port N` (0 for any); it prints where it listens.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use clap::Parser;
use server::listen::{
    Accept, Close, Driver, Handle, HandshakeRefusal, ListenConfig, ListenMetrics, Message,
    Outgoing, Peer, Server,
};
use wire::engineio::Packet;
use wire::frame::{self, Frame};
use wire::socketio::{Ack, Event, Input, Session, Violation};
use wire::{Limits, socketio};

/// Suites wait for heartbeats, so these are short.
const PING_INTERVAL: Duration = Duration::from_millis(300);
const PING_TIMEOUT: Duration = Duration::from_millis(200);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Between the answer to a CONNECT and the event after it. The suites' client looks for one message at a time and would
/// not see the second of two that came in one read.
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes of output that may wait before the client is not read any more.
const MAX_WAITING: usize = 256 * 1024;

#[derive(Parser)]
#[command(about = "A server of fixed behaviour for Engine.IO and Socket.IO conformance suites")]
struct Arguments {
    /// Port on 127.0.0.1 to listen on; 0 for any free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Milliseconds between two pings.
    #[arg(long, default_value_t = milliseconds(PING_INTERVAL))]
    ping_interval: u64,
    /// Milliseconds that a pong may take.
    #[arg(long, default_value_t = milliseconds(PING_TIMEOUT))]
    ping_timeout: u64,
    /// Milliseconds within which an upgrade must be completed.
    #[arg(long, default_value_t = 1000)]
    upgrade_timeout: u64,
    /// Milliseconds after which a client that takes no byte is closed.
    #[arg(long, default_value_t = 1000)]
    slow_timeout: u64,
    /// Most connections in all.
    #[arg(long, default_value_t = 10_000)]
    max_connections: usize,
}

const fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

// One thread: requests are handled in the order in which they came, which the suites' own races count on.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let limits = Limits {
        max_attachments: 10,
        connect_timeout: CONNECT_TIMEOUT,
        ..Limits::default()
    };
    let config = ListenConfig {
        paths: vec!["/engine.io/".to_owned(), "/socket.io/".to_owned()],
        ping_interval: Duration::from_millis(arguments.ping_interval),
        ping_timeout: Duration::from_millis(arguments.ping_timeout),
        upgrade_timeout: Duration::from_millis(arguments.upgrade_timeout),
        slow_timeout: Duration::from_millis(arguments.slow_timeout),
        max_connections: arguments.max_connections,
        limits: limits.clone(),
        ..ListenConfig::default()
    };
    let metrics = Arc::new(ListenMetrics::default());
    let server = Server {
        config,
        tls: None,
        router: routes(&metrics),
        accept: Arc::new(Fixture {
            limits: Arc::new(limits),
        }),
        metrics,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = tokio::net::TcpListener::bind(address).await?;
    writeln!(
        std::io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    )?;
    let stop = async {
        // Without the signal there is nothing to wait for, and it runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    server.serve(listener, stop).await;
    Ok(())
}

/// What a suite may want beside the sockets: how many connections there are, and some REST.
fn routes(metrics: &Arc<ListenMetrics>) -> Router {
    let metrics = Arc::clone(metrics);
    let counts = move || {
        let open = metrics.polling.get() + metrics.websocket.get();
        let closed: serde_json::Map<_, _> = metrics
            .closed_by_name()
            .map(|(name, count)| (name.to_owned(), count.into()))
            .collect();
        std::future::ready(axum::Json(
            serde_json::json!({ "open": open, "closed": closed }),
        ))
    };
    Router::new()
        .route("/counts", get(counts))
        .route("/echo", post(|body: String| std::future::ready(body)))
}

/// Makes the driver that the path asks for.
struct Fixture {
    limits: Arc<Limits>,
}

impl Accept for Fixture {
    fn open(&self, peer: Peer, handle: Handle) -> Result<Box<dyn Driver>, HandshakeRefusal> {
        if peer.path.starts_with("/engine.io") {
            return Ok(Box::<Echo>::default());
        }
        Ok(Box::new(Namespaces {
            session: Session::new(Arc::clone(&self.limits), Instant::now()),
            handle,
            waiting: Waiting::default(),
            greetings: VecDeque::new(),
        }))
    }
}

/// Frames that wait for their transport.
#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.add(Frame::build(write));
    }

    fn add(&mut self, frame: Frame) {
        self.bytes += frame.as_bytes().len();
        self.frames.push_back(frame);
    }

    fn move_to(&mut self, out: &mut Outgoing) -> Poll<Result<(), Close>> {
        let mut moved = false;
        while !out.is_full()
            && let Some(frame) = self.frames.pop_front()
        {
            self.bytes -= frame.as_bytes().len();
            out.push(frame.into_bytes());
            moved = true;
        }
        if moved {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

/// Engine.IO alone: all messages come back as they are.
#[derive(Default)]
struct Echo {
    waiting: Waiting,
}

impl Driver for Echo {
    fn receive(&mut self, message: Message, _now: Instant) -> Result<(), Close> {
        self.waiting
            .push(|out| frame::write_packet(out, &Packet::Message(message)));
        Ok(())
    }

    fn wants_input(&self) -> bool {
        self.waiting.bytes < MAX_WAITING
    }

    fn poll_output(&mut self, _now: Instant, out: &mut Outgoing) -> Poll<Result<(), Close>> {
        self.waiting.move_to(out)
    }

    fn ponged(&mut self, _now: Instant) {}

    fn connect_due(&mut self, _now: Instant) -> Result<(), Close> {
        Ok(())
    }

    fn closed(&mut self, _reason: Close) {}
}

/// Socket.IO with two namespaces.
struct Namespaces {
    session: Session,
    handle: Handle,
    waiting: Waiting,
    /// `auth` events, each with its time.
    greetings: VecDeque<(Instant, Frame)>,
}

impl Namespaces {
    fn connect(&mut self, namespace: &str, auth: &str, now: Instant) -> Result<(), Violation> {
        if namespace != "/" && namespace != "/custom" {
            self.waiting.push(|out| {
                frame::write_connect_error(out, namespace, "Invalid namespace", None);
            });
            return self.session.reject(namespace, now);
        }
        if !self.session.accept(namespace) {
            return Ok(());
        }
        // A namespace has a sid of its own; nobody here needs to keep it secret.
        let answer = format!(r#"{{"sid":"{}{}"}}"#, self.handle.sid(), namespace.len());
        self.waiting
            .push(|out| frame::write_connect(out, namespace, &answer));
        let greeting = Frame::build(|out| frame::write_event(out, namespace, "auth", auth, None));
        self.greetings.push_back((now + PAUSE, greeting));
        let handle = self.handle.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            handle.wake();
        });
        Ok(())
    }

    fn answer(&mut self, event: Event) {
        let packet = match (event.namespace.as_str(), event.name.as_str(), event.ack) {
            ("/", "message", _) => socketio::Packet::Event(Event {
                name: "message-back".to_owned(),
                ack: None,
                ..event
            }),
            ("/", "message-with-ack", Some(id)) => socketio::Packet::Ack(Ack {
                namespace: event.namespace,
                id,
                args: event.args,
                attachments: event.attachments,
            }),
            _ => return,
        };
        let mut text = String::new();
        packet.write(&mut text);
        let attachments = packet.attachments().iter().cloned().map(Message::Binary);
        for message in std::iter::once(Message::Text(text)).chain(attachments) {
            self.waiting
                .push(|out| frame::write_packet(out, &Packet::Message(message)));
        }
    }
}

impl Driver for Namespaces {
    fn receive(&mut self, message: Message, now: Instant) -> Result<(), Close> {
        let refuse = |violation: Violation| Close::Protocol(violation.to_string().into());
        match self.session.receive(message, now).map_err(refuse)? {
            Some(Input::Connect { namespace, auth }) => {
                let auth = auth.as_ref().map_or("{}", |auth| auth.get());
                self.connect(&namespace, auth, now).map_err(refuse)?;
            }
            Some(Input::Event(event)) => self.answer(event),
            Some(Input::Ack(_) | Input::Disconnect { .. }) | None => {}
        }
        Ok(())
    }

    fn wants_input(&self) -> bool {
        self.waiting.bytes < MAX_WAITING
    }

    fn poll_output(&mut self, now: Instant, out: &mut Outgoing) -> Poll<Result<(), Close>> {
        while let Some((_, greeting)) = self.greetings.pop_front_if(|(at, _)| now >= *at) {
            self.waiting.add(greeting);
        }
        self.waiting.move_to(out)
    }

    fn ponged(&mut self, _now: Instant) {}

    fn connect_due(&mut self, now: Instant) -> Result<(), Close> {
        self.heartbeat(now)
    }

    fn heartbeat(&mut self, now: Instant) -> Result<(), Close> {
        match self.session.deadline() {
            Some(deadline) if now >= deadline => Err(Close::NoConnect),
            _ => Ok(()),
        }
    }

    fn closed(&mut self, _reason: Close) {}
}

//! A listener whose drivers do what a test tells them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use axum::Router;
use bytes::Bytes;
use parking_lot::Mutex;
use server::listen::{
    Accept, Close, Driver, Handle, HandshakeRefusal, ListenConfig, ListenMetrics, Message,
    Outgoing, Peer, Server,
};
use server::tls::Tls;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};
use wire::engineio::Packet;
use wire::frame::{self, Frame};

use super::client::within;

#[derive(Default)]
struct State {
    output: VecDeque<Bytes>,
    end: Option<Close>,
    deaf: bool,
    pending: bool,
    received: Vec<String>,
    ponged: usize,
    closed: Option<Close>,
}

/// The test's side of one driver.
#[derive(Clone)]
pub(crate) struct Script {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    handle: Handle,
    peer: Peer,
}

impl Script {
    /// Says an Engine.IO packet to the client, at once.
    pub(crate) fn say(&self, packet: &str) {
        self.say_quietly(packet);
        self.wake();
    }

    /// Says it whenever the driver is asked next.
    pub(crate) fn say_quietly(&self, packet: &str) {
        let packet = Packet::decode_text(packet.to_owned()).unwrap();
        let frame = Frame::build(|out| frame::write_packet(out, &packet));
        self.state.lock().output.push_back(frame.into_bytes());
    }

    pub(crate) fn wake(&self) {
        self.handle.wake();
    }

    /// Ends the connection behind what was said.
    pub(crate) fn end(&self, reason: Close) {
        self.state.lock().end = Some(reason);
        self.wake();
    }

    pub(crate) fn set_wants_input(&self, wants: bool) {
        self.state.lock().deaf = !wants;
        self.wake();
    }

    pub(crate) fn set_pending(&self, pending: bool) {
        self.state.lock().pending = pending;
        self.wake();
    }

    pub(crate) fn peer(&self) -> Peer {
        self.peer.clone()
    }

    pub(crate) fn received(&self) -> Vec<String> {
        self.state.lock().received.clone()
    }

    pub(crate) fn closed(&self) -> Option<Close> {
        self.state.lock().closed.clone()
    }

    pub(crate) async fn wait_received(&self, text: &str) {
        self.wait(text, |state| {
            state.received.iter().any(|one| one == text).then_some(())
        })
        .await;
    }

    pub(crate) async fn wait_ponged(&self, times: usize) {
        self.wait("a pong", |state| (state.ponged >= times).then_some(()))
            .await;
    }

    pub(crate) async fn wait_closed(&self) -> Close {
        self.wait("the end of the connection", |state| state.closed.clone())
            .await
    }

    async fn wait<T>(&self, wanted: &str, look: impl Fn(&State) -> Option<T>) -> T {
        within(wanted, async {
            loop {
                let changed = self.changed.notified();
                if let Some(found) = look(&self.state.lock()) {
                    return found;
                }
                changed.await;
            }
        })
        .await
    }
}

impl Driver for Script {
    fn receive(&mut self, message: Message, _now: Instant) -> Result<(), Close> {
        let Message::Text(text) = message else {
            return Err(Close::Protocol("not a text".into()));
        };
        assert!(text != "panic", "as the test wanted");
        self.state.lock().received.push(text);
        self.changed.notify_one();
        Ok(())
    }

    fn wants_input(&self) -> bool {
        !self.state.lock().deaf
    }

    fn poll_output(&mut self, _now: Instant, out: &mut Outgoing) -> Poll<Result<(), Close>> {
        let mut state = self.state.lock();
        while !out.is_full()
            && let Some(frame) = state.output.pop_front()
        {
            out.push(frame);
        }
        if state.output.is_empty()
            && let Some(reason) = state.end.take()
        {
            return Poll::Ready(Err(reason));
        }
        if out.bytes() > 0 {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn has_pending(&self) -> bool {
        self.state.lock().pending
    }

    fn ponged(&mut self, _now: Instant) {
        self.state.lock().ponged += 1;
        self.changed.notify_one();
    }

    fn connect_due(&mut self, _now: Instant) -> Result<(), Close> {
        Err(Close::NoConnect)
    }

    fn closed(&mut self, reason: Close) {
        let before = self.state.lock().closed.replace(reason);
        assert_eq!(before, None, "closed twice");
        self.changed.notify_one();
    }
}

struct Door {
    scripts: mpsc::UnboundedSender<Script>,
    refusal: Mutex<Option<HandshakeRefusal>>,
    first_words: Mutex<Option<String>>,
}

impl Accept for Door {
    fn open(&self, peer: Peer, handle: Handle) -> Result<Box<dyn Driver>, HandshakeRefusal> {
        if let Some(refusal) = *self.refusal.lock() {
            return Err(refusal);
        }
        let script = Script {
            state: Arc::default(),
            changed: Arc::default(),
            handle,
            peer,
        };
        if let Some(words) = self.first_words.lock().clone() {
            let script = script.clone();
            std::thread::spawn(move || script.say(&words));
        }
        self.scripts.send(script.clone()).unwrap();
        Ok(Box::new(script))
    }
}

/// A listener that serves.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<ListenMetrics>,
    door: Arc<Door>,
    scripts: tokio::sync::Mutex<mpsc::UnboundedReceiver<Script>>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    ended: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

pub(crate) async fn start(config: ListenConfig) -> Running {
    start_with(config, super::routes(), None).await
}

pub(crate) async fn start_with(
    config: ListenConfig,
    router: Router,
    tls: Option<Arc<Tls>>,
) -> Running {
    let (to_test, scripts) = mpsc::unbounded_channel();
    let door = Arc::new(Door {
        scripts: to_test,
        refusal: Mutex::new(None),
        first_words: Mutex::new(None),
    });
    let metrics = Arc::new(ListenMetrics::default());
    let server = Server {
        config,
        tls,
        router,
        accept: Arc::clone(&door) as Arc<dyn Accept>,
        metrics: Arc::clone(&metrics),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    Running {
        address,
        metrics,
        door,
        scripts: tokio::sync::Mutex::new(scripts),
        stop: Mutex::new(Some(stop)),
        ended: Mutex::new(Some(ended)),
    }
}

impl Running {
    /// The script of the next connection.
    pub(crate) async fn next_script(&self) -> Script {
        let mut scripts = self.scripts.lock().await;
        within("a connection", scripts.recv()).await.unwrap()
    }

    pub(crate) fn refuse(&self, refusal: Option<HandshakeRefusal>) {
        *self.door.refusal.lock() = refusal;
    }

    /// Lets another thread say this as soon as a driver is there.
    pub(crate) fn say_at_open(&self, words: &str) {
        *self.door.first_words.lock() = Some(words.to_owned());
    }

    pub(crate) fn stop(&self) {
        let _ = self.stop.lock().take().unwrap().send(());
    }

    pub(crate) async fn ended(&self) {
        let ended = self.ended.lock().take().unwrap();
        within("the listener's end", ended).await.unwrap();
    }
}

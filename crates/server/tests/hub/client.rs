//! A client whose connection is driven by hand, and a core for it to talk to.

use std::{
    sync::Arc,
    task::{Poll, Wake, Waker},
    time::{Duration, Instant},
};

use chat::{
    Store, Timestamp,
    actor::Proof,
    model::{ApiKey, KeyId, Scope},
};
use serde_json::{Value, json};
use server::{
    core::Core,
    hub::{Door, HubConfig},
    listen::{Accept, Close, Driver, Handle, Outgoing, Peer},
    metrics::Metrics,
    stores::sqlite::{Options, Sqlite},
};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, mpsc};
use wire::{
    engineio::Message,
    socketio::{Event, Packet},
};

pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Begins what a test's client sends as bytes.
pub(crate) const BYTES: char = 'b';

/// Said by a test's client to let one heartbeat pass.
pub(crate) const HEARTBEAT: &str = "23";

pub(crate) fn config() -> HubConfig {
    HubConfig {
        without_recovery: vec!["python-".to_owned()],
        ..HubConfig::default()
    }
}

/// A core over what a folder holds.
pub(crate) async fn restart(folder: &std::path::Path, config: HubConfig) -> Core {
    let begun = Instant::now();
    // The connections of the core before let go of the store when their tasks end.
    let store = loop {
        match Sqlite::open(folder, &Options::default()) {
            Ok(store) => break store,
            Err(error) => assert!(begun.elapsed() < DEADLINE, "{error}"),
        }
        tokio::task::yield_now().await;
    };
    Core::start(Arc::new(store), config, Metrics::new()).unwrap()
}

/// A core with an open default app, in a folder of its own.
pub(crate) async fn core(folder: &std::path::Path, config: HubConfig) -> Core {
    let store = Sqlite::open(folder, &Options::default()).unwrap();
    core_over(Arc::new(store), config).await
}

/// The same over any store.
pub(crate) async fn core_over(store: Arc<dyn Store>, config: HubConfig) -> Core {
    let core = Core::start(store, config, Metrics::new()).unwrap();
    let app = chat::App {
        id: chat::AppId(0),
        uuid: uuid::Uuid::from_u128(1),
        name: "test".to_owned(),
        identity: chat::Identity::Open,
        is_default: true,
        max_text_bytes: 65_536,
        secret: chat::model::Secret("s".repeat(40)),
        public_keys: String::new(),
        created_at: Timestamp(0),
    };
    let actor = Arc::new(chat::Actor {
        app: Arc::new(app.clone()),
        subject: None,
        scope: Scope::Server,
        proof: Proof::default(),
        session: None,
    });
    let command = chat::Command::CreateApp {
        app: Box::new(app),
        keys: vec![
            key(Scope::Client, "a client key"),
            key(Scope::Server, "a server key"),
        ],
    };
    core.queue.run(actor, command).await.unwrap();
    core.directory.reload().unwrap();
    core
}

pub(crate) fn key(scope: Scope, text: &str) -> ApiKey {
    ApiKey {
        id: KeyId(0),
        app: chat::AppId(0),
        scope,
        hash: server::identity::key::hash(text),
        prefix: String::new(),
        created_at: Timestamp(0),
        revoked_at: None,
    }
}

/// Whether the store knows a session.
pub(crate) fn is_stored(core: &Core, pid: Option<&str>) -> bool {
    let hash = Sha256::digest(pid.unwrap().as_bytes()).into();
    !core.store.sessions(&[hash]).unwrap().is_empty()
}

/// Waits for a change that nobody is told of.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        tokio::task::yield_now().await;
    }
}

pub(crate) struct Bell(pub(crate) Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// A client whose connection runs in a task of its own, as it does behind the listener.
pub(crate) struct Client {
    pub(crate) input: mpsc::UnboundedSender<String>,
    pub(crate) output: mpsc::UnboundedReceiver<Packet>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) last: Option<(u64, u64, Option<u64>)>,
    /// What `socket.io-client` remembers.
    pub(crate) pid: Option<String>,
    pub(crate) offset: Option<String>,
}

impl Client {
    pub(crate) async fn connect(core: &Core) -> Self {
        Self::connect_as(core, None, "40").await
    }

    pub(crate) fn open(core: &Core, user_agent: Option<&str>) -> Self {
        let peer = Peer {
            user_agent: user_agent.map(Into::into),
            ..Peer::local()
        };
        Self::open_from(core, peer)
    }

    pub(crate) fn open_from(core: &Core, peer: Peer) -> Self {
        let bell = Arc::new(Bell(Notify::new()));
        let handle = Handle::detached(Waker::from(Arc::clone(&bell)));
        let driver = Door(Arc::clone(&core.hub)).open(peer, handle).unwrap();
        let (input, from_test) = mpsc::unbounded_channel();
        let (to_test, output) = mpsc::unbounded_channel();
        tokio::spawn(drive(driver, Arc::clone(&bell), from_test, to_test));
        Self {
            input,
            output,
            bell,
            last: None,
            pid: None,
            offset: None,
        }
    }

    pub(crate) async fn connect_as(core: &Core, user_agent: Option<&str>, connect: &str) -> Self {
        let mut client = Self::open(core, user_agent);
        client.send(connect);
        client.welcomed().await;
        client
    }

    /// Waits for the answer to CONNECT, which must come before anything else.
    pub(crate) async fn welcomed(&mut self) {
        let answer = self.next("the answer to CONNECT").await;
        let Packet::Connect {
            auth: Some(answer), ..
        } = answer
        else {
            panic!("{answer:?}")
        };
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        self.pid = answer["pid"].as_str().map(str::to_owned);
    }

    /// Waits for the end of its connection; gives what came before that.
    pub(crate) async fn rest(&mut self) -> Vec<Packet> {
        let rest = async {
            let mut packets = Vec::new();
            while let Some(packet) = self.output.recv().await {
                packets.push(packet);
            }
            packets
        };
        let rest = tokio::time::timeout(DEADLINE, rest).await;
        rest.expect("the connection is closed")
    }

    /// Comes back as `socket.io-client` does, and tells whether it was recognised.
    pub(crate) async fn come_back(self, core: &Core) -> (Self, bool) {
        self.come_back_from(core, Peer::local()).await
    }

    pub(crate) async fn come_back_from(self, core: &Core, peer: Peer) -> (Self, bool) {
        let (pid, offset, last) = (self.pid.clone(), self.offset.clone(), self.last);
        let auth = match &offset {
            Some(offset) => json!({ "pid": pid, "offset": offset }),
            None => json!({ "pid": pid }),
        };
        let mut client = Self::open_from(core, peer);
        client.send(&format!("40{auth}"));
        client.welcomed().await;
        let recovered = client.pid == pid;
        client.offset = offset;
        if recovered {
            client.last = last;
        }
        (client, recovered)
    }

    /// Loses its transport.
    pub(crate) fn cut(&mut self) {
        let (input, _) = mpsc::unbounded_channel();
        self.input = input;
        while let Ok(packet) = self.output.try_recv() {
            drop(packet);
        }
    }

    pub(crate) fn send(&self, packet: &str) {
        self.input.send(packet.to_owned()).unwrap();
    }

    pub(crate) fn emit(&self, name: &str, payload: &Value) {
        self.send(&format!("42{}", json!([name, payload])));
    }

    pub(crate) async fn next(&mut self, what: &str) -> Packet {
        let packet = tokio::time::timeout(DEADLINE, self.output.recv()).await;
        packet
            .unwrap_or_else(|_| panic!("no {what}"))
            .unwrap_or_else(|| panic!("closed: {what}"))
    }

    /// The next event of this name; others are passed over. Checks that offsets rise.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            if let Packet::Event(event) = self.next(name).await {
                self.check_offset(&event);
                if event.name == name {
                    return serde_json::from_str(event.args[0].get()).unwrap();
                }
                assert_ne!(event.name, "error", "{:?}", event.args);
            }
        }
    }

    pub(crate) fn check_offset(&mut self, event: &Event) {
        let offset: String = serde_json::from_str(event.args.last().unwrap().get()).unwrap();
        let mut parts = offset
            .split('.')
            .skip(1)
            .map(|n| u64::from_str_radix(n, 36).unwrap());
        let key = (parts.next().unwrap(), parts.next().unwrap(), parts.next());
        assert!(self.last < Some(key), "{key:?} came after {:?}", self.last);
        self.last = Some(key);
        self.offset = Some(offset);
    }

    pub(crate) async fn join(&mut self, me: u32, other: u32) -> (String, Vec<Value>) {
        self.emit(
            "join_chat",
            &json!({ "userId": person(me), "targetUserId": person(other) }),
        );
        let room = self.event("room_joined").await;
        let history = self.event("message_history").await;
        let messages = history["messages"].as_array().unwrap().clone();
        (room["roomId"].as_str().unwrap().to_owned(), messages)
    }

    pub(crate) fn say(&self, room: &str, me: u32, text: &str) {
        let payload = json!({ "roomId": room, "senderId": person(me), "body": text });
        self.emit("send_message", &payload);
    }
}

pub(crate) fn person(number: u32) -> String {
    uuid::Uuid::from_u128(0xaaaa_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
        .to_string()
}

async fn drive(
    mut driver: Box<dyn Driver>,
    bell: Arc<Bell>,
    mut input: mpsc::UnboundedReceiver<String>,
    output: mpsc::UnboundedSender<Packet>,
) {
    let limits = wire::Limits {
        max_text_bytes: 100_000_000,
        ..wire::Limits::default()
    };
    loop {
        if let Err(reason) = driver.woken(Instant::now()) {
            driver.closed(reason);
            return;
        }
        let mut out = Outgoing::new(64 << 10);
        let polled = driver.poll_output(Instant::now(), &mut out);
        for frame in out
            .chunks()
            .iter()
            .flat_map(|chunk| wire::frame::frames(chunk))
        {
            let text = std::str::from_utf8(frame.payload()).unwrap();
            let packet = Packet::parse(text.strip_prefix('4').unwrap(), &limits)
                .unwrap()
                .0;
            let _ = output.send(packet);
        }
        match polled {
            Poll::Ready(Ok(())) => continue,
            Poll::Ready(Err(reason)) => {
                driver.closed(reason);
                return;
            }
            Poll::Pending => {}
        }
        tokio::select! {
            message = input.recv(), if driver.wants_input() => if let Some(text) = message {
                if text == HEARTBEAT {
                    driver.heartbeat(Instant::now()).unwrap();
                    driver.ponged(Instant::now());
                    continue;
                }
                let message = match text.strip_prefix(BYTES) {
                    Some(bytes) => Message::Binary(bytes.to_owned().into()),
                    None => Message::Text(text.strip_prefix('4').unwrap().to_owned()),
                };
                driver.receive(message, Instant::now()).unwrap();
            } else {
                driver.closed(Close::ClientClosed);
                return;
            },
            () = bell.0.notified() => {}
        }
    }
}

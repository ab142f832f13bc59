//! The hub without sockets: connections driven by hand, on several threads, over a real store.
//!
//! What must hold under any interleaving: one order, no gap, no double, answers in their place.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    clippy::missing_panics_doc
)]

use std::{
    sync::Arc,
    task::{Poll, Wake, Waker},
    time::{Duration, Instant},
};

use chat::{Store, Timestamp};
use serde_json::{Value, json};
use server::{
    core::Core,
    hub::{Door, HubConfig},
    listen::{Accept, Close, Driver, Handle, Outgoing, Peer},
    metrics::Metrics,
    stores::sqlite::{Options, Sqlite},
};
use tokio::sync::{Notify, mpsc};
use wire::{
    engineio::Message,
    socketio::{Event, Packet},
};

const DEADLINE: Duration = Duration::from_mins(1);

fn config() -> HubConfig {
    HubConfig {
        without_recovery: vec!["python-".to_owned()],
        ..HubConfig::default()
    }
}

/// A core over what a folder holds.
async fn restart(folder: &std::path::Path) -> Core {
    let begun = Instant::now();
    // The connections of the core before let go of the store when their tasks end.
    let store = loop {
        match Sqlite::open(folder, &Options::default()) {
            Ok(store) => break store,
            Err(error) => assert!(begun.elapsed() < DEADLINE, "{error}"),
        }
        tokio::task::yield_now().await;
    };
    Core::start(Arc::new(store), config(), Metrics::new()).unwrap()
}

/// A core with an open default app, in a folder of its own.
async fn core(folder: &std::path::Path, config: HubConfig) -> Core {
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(folder, &Options::default()).unwrap());
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
        session: None,
    });
    let command = chat::Command::CreateApp {
        app: Box::new(app),
        keys: Vec::new(),
    };
    core.queue.run(actor, command).await.unwrap();
    core.directory.reload().unwrap();
    core
}

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// A client whose connection runs in a task of its own, as it does behind the listener.
struct Client {
    input: mpsc::UnboundedSender<String>,
    output: mpsc::UnboundedReceiver<Packet>,
    bell: Arc<Bell>,
    last: Option<(u64, u64, Option<u64>)>,
    /// What `socket.io-client` remembers.
    pid: Option<String>,
    offset: Option<String>,
}

impl Client {
    async fn connect(core: &Core) -> Self {
        Self::connect_as(core, None, "40").await
    }

    async fn connect_as(core: &Core, user_agent: Option<&str>, connect: &str) -> Self {
        let bell = Arc::new(Bell(Notify::new()));
        let handle = Handle::detached(Waker::from(Arc::clone(&bell)));
        let peer = Peer {
            user_agent: user_agent.map(Into::into),
            ..Peer::local()
        };
        let driver = Door(Arc::clone(&core.hub)).open(peer, handle).unwrap();
        let (input, from_test) = mpsc::unbounded_channel();
        let (to_test, output) = mpsc::unbounded_channel();
        tokio::spawn(drive(driver, Arc::clone(&bell), from_test, to_test));
        let mut client = Self {
            input,
            output,
            bell,
            last: None,
            pid: None,
            offset: None,
        };
        client.send(connect);
        let answer = client.next("the answer to CONNECT").await;
        let Packet::Connect {
            auth: Some(answer), ..
        } = answer
        else {
            panic!("{answer:?}")
        };
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        client.pid = answer["pid"].as_str().map(str::to_owned);
        client
    }

    /// Comes back as `socket.io-client` does, and tells whether it was recognised.
    async fn come_back(self, core: &Core) -> (Self, bool) {
        let (pid, offset, last) = (self.pid.clone(), self.offset.clone(), self.last);
        let auth = match &offset {
            Some(offset) => json!({ "pid": pid, "offset": offset }),
            None => json!({ "pid": pid }),
        };
        let mut client = Self::connect_as(core, None, &format!("40{auth}")).await;
        let recovered = client.pid == pid;
        client.offset = offset;
        if recovered {
            client.last = last;
        }
        (client, recovered)
    }

    /// Loses its transport.
    fn cut(&mut self) {
        let (input, _) = mpsc::unbounded_channel();
        self.input = input;
        while let Ok(packet) = self.output.try_recv() {
            drop(packet);
        }
    }

    fn send(&self, packet: &str) {
        self.input.send(packet.to_owned()).unwrap();
    }

    fn emit(&self, name: &str, payload: &Value) {
        self.send(&format!("42{}", json!([name, payload])));
    }

    async fn next(&mut self, what: &str) -> Packet {
        let packet = tokio::time::timeout(DEADLINE, self.output.recv()).await;
        packet
            .unwrap_or_else(|_| panic!("no {what}"))
            .unwrap_or_else(|| panic!("closed: {what}"))
    }

    /// The next event of this name; others are passed over. Checks that offsets rise.
    async fn event(&mut self, name: &str) -> Value {
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

    fn check_offset(&mut self, event: &Event) {
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

    async fn join(&mut self, me: u32, other: u32) -> (String, Vec<Value>) {
        self.emit(
            "join_chat",
            &json!({ "userId": person(me), "targetUserId": person(other) }),
        );
        let room = self.event("room_joined").await;
        let history = self.event("message_history").await;
        let messages = history["messages"].as_array().unwrap().clone();
        (room["roomId"].as_str().unwrap().to_owned(), messages)
    }

    fn say(&self, room: &str, me: u32, text: &str) {
        let payload = json!({ "roomId": room, "senderId": person(me), "body": text });
        self.emit("send_message", &payload);
    }
}

fn person(number: u32) -> String {
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
                let message = Message::Text(text.strip_prefix('4').unwrap().to_owned());
                driver.receive(message, Instant::now()).unwrap();
            } else {
                driver.closed(Close::ClientClosed);
                return;
            },
            () = bell.0.notified() => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_reader_of_several_rooms_sees_one_order_without_a_gap() {
    const ROOMS: u32 = 8;
    const LISTENERS: usize = 150;
    const EACH: usize = 150;
    const BURST: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut reader = Client::connect(&core).await;
    let mut rooms = Vec::new();
    for number in 1..=ROOMS {
        let (room, _) = reader.join(0, number).await;
        // Listeners make the marking of a room take its time, which is when order is at risk.
        let mut listeners = Vec::new();
        for _ in 0..LISTENERS {
            let mut listener = Client::connect(&core).await;
            listener.join(number, 0).await;
            listeners.push(listener);
        }
        let mut sender = Client::connect(&core).await;
        sender.join(number, 0).await;
        rooms.push((number, room, sender, listeners));
    }
    let mut senders = tokio::task::JoinSet::new();
    for (number, room, mut sender, listeners) in rooms {
        senders.spawn(async move {
            // In one turn each room has earlier and later messages than the others.
            for burst in 0..EACH / BURST {
                for i in 0..BURST {
                    sender.say(&room, number, &(burst * BURST + i).to_string());
                    tokio::task::yield_now().await;
                }
                for _ in 0..BURST {
                    sender.event("new_message").await;
                }
            }
            listeners
        });
    }
    // A connection may be polled at any moment; this one is polled all the time.
    let bell = Arc::clone(&reader.bell);
    let ringing = tokio::spawn(async move {
        loop {
            bell.0.notify_one();
            tokio::task::yield_now().await;
        }
    });
    let mut next = vec![0; ROOMS as usize + 1];
    for _ in 0..EACH * ROOMS as usize {
        // `event` checks that the offsets rise over all rooms.
        let message = reader.event("new_message").await;
        let sender = (1..=ROOMS)
            .find(|n| message["sender_id"] == person(*n))
            .unwrap() as usize;
        assert_eq!(
            message["body"],
            next[sender].to_string(),
            "a gap or a double"
        );
        next[sender] += 1;
    }
    ringing.abort();
    senders.join_all().await;
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn joining_in_the_middle_of_traffic_leaves_no_gap_and_no_double() {
    const MESSAGES: usize = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut sender = Client::connect(&core).await;
    let (room, _) = sender.join(1, 2).await;
    for i in 0..MESSAGES {
        sender.say(&room, 1, &i.to_string());
    }
    // Each joins when about another hundred messages have come by.
    for step in 1..10 {
        for _ in 0..100 {
            sender.event("new_message").await;
        }
        let mut late = Client::connect(&core).await;
        let (_, history) = late.join(2, 1).await;
        let mut seen: Vec<usize> = history
            .iter()
            .map(|m| m["body"].as_str().unwrap().parse().unwrap())
            .collect();
        assert_eq!(seen.len(), 50, "step {step}: the last 50 messages");
        while *seen.last().unwrap() < MESSAGES - 1 && seen.len() < 150 {
            let message = late.event("new_message").await;
            seen.push(message["body"].as_str().unwrap().parse().unwrap());
        }
        let expected: Vec<usize> = (seen[0]..seen[0] + seen.len()).collect();
        assert_eq!(seen, expected, "step {step}");
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_acknowledgement_stands_behind_ones_own_message() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut client = Client::connect(&core).await;
    let (room, _) = client.join(1, 2).await;
    let noise = Client::connect(&core).await;
    for i in 0..500 {
        let payload = json!({ "roomId": room, "senderId": person(1), "body": format!("mine {i}") });
        client.send(&format!("42{i}{}", json!(["send_message", payload])));
        noise.say(&room, 2, "noise");
    }
    let mut shown: Vec<String> = Vec::new();
    let mut acked = 0;
    while acked < 500 {
        match client.next("an event or an acknowledgement").await {
            Packet::Event(event) => {
                client.check_offset(&event);
                let message: Value = serde_json::from_str(event.args[0].get()).unwrap();
                shown.push(message["body"].as_str().unwrap().to_owned());
            }
            Packet::Ack(ack) => {
                assert_eq!(
                    ack.id, acked,
                    "acknowledgements keep the order of the sends"
                );
                let own = format!("mine {acked}");
                assert_eq!(shown.last(), Some(&own), "right behind its own message");
                acked += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_reaches_every_reader_and_is_rendered_once() {
    const READERS: usize = 100;
    const MESSAGES: usize = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut sender = Client::connect(&core).await;
    let (room, _) = sender.join(1, 2).await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut reader = Client::connect(&core).await;
        reader.join(2, 1).await;
        readers.push(reader);
    }
    let built = core.metrics.frames_built.get();
    for i in 0..MESSAGES {
        sender.say(&room, 1, &i.to_string());
    }
    for reader in &mut readers {
        for i in 0..MESSAGES {
            assert_eq!(reader.event("new_message").await["body"], i.to_string());
        }
    }
    assert_eq!(core.metrics.frames_built.get() - built, MESSAGES as u64);
    core.stop().await;
}

#[tokio::test]
async fn what_was_typed_early_waits_for_the_identity() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut first = Client::connect(&core).await;
    let (room, _) = first.join(1, 2).await;
    first.say(&room, 1, "hello");
    let mut early = Client::connect(&core).await;
    early.emit("fetch_messages", &json!({ "roomId": room }));
    early.emit("register_user", &json!(person(2)));
    let page = early.event("more_messages").await;
    assert_eq!(page["messages"][0]["body"], "hello");

    let mut nobody = Client::connect(&core).await;
    nobody.emit("fetch_messages", &json!({ "roomId": room }));
    let Packet::Event(error) = nobody.next("the refusal after the wait").await else {
        panic!()
    };
    assert_eq!(error.name, "error");
    assert!(
        error.args[0].get().contains("not_identified"),
        "{}",
        error.args[0]
    );
    core.stop().await;
}

#[tokio::test]
async fn clients_that_break_on_a_further_argument_are_spared_it() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut plain = vec![
        Client::connect_as(&core, Some("python-requests/2"), "40").await,
        Client::connect_as(&core, None, r#"40{"recovery":false}"#).await,
    ];
    let mut usual = Client::connect(&core).await;
    let (room, _) = usual.join(1, 2).await;
    let payload = json!({ "userId": person(2), "targetUserId": person(1) });
    for client in &mut plain {
        client.emit("join_chat", &payload);
        for _ in 0..2 {
            let Packet::Event(event) = client.next("the answers").await else {
                panic!()
            };
            assert_eq!(event.args.len(), 1, "{event:?}");
        }
    }
    usual.say(&room, 1, "x");
    usual.event("new_message").await;
    for client in &mut plain {
        let Packet::Event(event) = client.next("the message").await else {
            panic!()
        };
        assert_eq!((event.name.as_str(), event.args.len()), ("new_message", 1));
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refusals_and_pages_stand_between_the_messages_around_them() {
    const ROUNDS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut client = Client::connect(&core).await;
    let (room, _) = client.join(1, 2).await;
    let noise = Client::connect(&core).await;
    for i in 0..ROUNDS {
        client.say(&room, 1, &format!("mine {i}"));
        client.emit(
            "send_message",
            &json!({ "roomId": room, "senderId": person(1), "body": i }),
        );
        client.emit("fetch_messages", &json!({ "roomId": room, "limit": 100 }));
        if i % 10 == 0 {
            noise.say(&room, 2, "noise");
        }
    }
    let mut own = 0;
    for i in 0..ROUNDS {
        // Its own message, the refusal of what was sent next, the page as it was then.
        for expected in ["new_message", "error", "more_messages"] {
            loop {
                let Packet::Event(event) = client.next(expected).await else {
                    panic!("no acknowledgement was asked for")
                };
                client.check_offset(&event);
                let payload: Value = serde_json::from_str(event.args[0].get()).unwrap();
                match (event.name.as_str(), expected) {
                    ("new_message", _) if payload["body"] == "noise" => continue,
                    ("new_message", "new_message") => {
                        assert_eq!(payload["body"], format!("mine {i}"));
                        own += 1;
                    }
                    ("error", "error") => assert_eq!(payload["code"], "invalid"),
                    ("more_messages", "more_messages") => {
                        let page = payload["messages"].as_array().unwrap();
                        let mut mine = page.iter().rev().filter(|m| m["body"] != "noise");
                        let newest = mine.next().unwrap()["body"].as_str().unwrap().to_owned();
                        assert_eq!(newest, format!("mine {}", own - 1), "a page from the past");
                    }
                    (name, _) => panic!("{name} came where {expected} was due: {payload}"),
                }
                break;
            }
        }
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_comes_back_gets_what_was_missed_once_and_in_order() {
    const MESSAGES: usize = 3_000;
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut reader = Client::connect(&core).await;
    let (room, _) = reader.join(2, 1).await;
    let mut sender = Client::connect(&core).await;
    sender.join(1, 2).await;
    let sending = tokio::spawn(async move {
        for i in 0..MESSAGES {
            sender.say(&room, 1, &i.to_string());
            if i % 50 == 0 {
                sender.event("new_message").await;
            }
        }
        sender
    });
    let mut next = 0;
    let mut returns = 0;
    while next < MESSAGES {
        // What is on its way when the transport breaks is lost, and must come again.
        for _ in 0..(next % 37 + 1).min(MESSAGES - next) {
            assert_eq!(reader.event("new_message").await["body"], next.to_string());
            next += 1;
        }
        reader.cut();
        let (back, recovered) = reader.come_back(&core).await;
        assert!(recovered, "after message {next}");
        reader = back;
        returns += 1;
    }
    assert!(returns > 50);
    drop(sending.await.unwrap());
    assert_eq!(
        core.metrics.store_reads.get(),
        2,
        "only the two joins read the store"
    );
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_between_is_not_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path(), config()).await;
    let mut reader = Client::connect(&core).await;
    let mut rooms = Vec::new();
    for other in 1..=3 {
        rooms.push((other, reader.join(0, other).await.0));
    }
    let mut said = 0;
    for _ in 0..4 {
        let mut writer = Client::connect(&core).await;
        for round in 0..30 {
            for (other, room) in &rooms {
                let body = format!("{said} in round {round}");
                let payload = json!({ "roomId": room, "senderId": person(*other), "body": body });
                writer.send(&format!("42{said}{}", json!(["send_message", payload])));
                said += 1;
            }
        }
        for _ in 0..90 {
            let answer = writer.next("the acknowledgement").await;
            assert!(matches!(answer, Packet::Ack(_)), "{answer:?}");
        }
        // The reader has seen some of it when everything stops.
        for _ in 0..30 {
            reader.event("new_message").await;
        }
        reader.cut();
        drop(writer);
        core.stop().await;
        core = restart(folder.path()).await;
        let (back, recovered) = reader.come_back(&core).await;
        assert!(recovered);
        reader = back;
        for _ in 0..60 {
            reader.event("new_message").await;
        }
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_had_any_more_is_said_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut reader = Client::connect(&core).await;
    let (room, _) = reader.join(2, 1).await;
    let mut writer = Client::connect(&core).await;
    writer.join(1, 2).await;
    writer.say(&room, 1, "before");
    reader.event("new_message").await;
    reader.offset = Some("not an offset of ours".to_owned());
    reader.cut();
    let (mut back, recovered) = reader.come_back(&core).await;
    assert!(!recovered);
    // It joins nothing by itself, and yet it is in the room.
    let again = back.event("room_joined").await;
    assert_eq!(again["roomId"], room);
    let history = back.event("message_history").await;
    assert_eq!(history["messages"][0]["body"], "before");
    writer.say(&room, 1, "after");
    assert_eq!(back.event("new_message").await["body"], "after");
    back.emit("fetch_messages", &json!({ "roomId": room }));
    assert_eq!(
        back.event("more_messages").await["messages"][1]["body"],
        "after"
    );
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_a_join_comes_again_if_it_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    for restarted in [false, true] {
        let mut reader = Client::connect(&core).await;
        reader.emit(
            "join_chat",
            &json!({ "userId": person(2), "targetUserId": person(1) }),
        );
        // It is decided and written, but nobody has looked at it.
        let mut probe = Client::connect(&core).await;
        probe.join(1, 2).await;
        if restarted {
            // Seen by half: the room has arrived, its history has not.
            reader.event("room_joined").await;
        }
        reader.cut();
        let (mut back, recovered) = reader.come_back(&core).await;
        assert!(recovered);
        if !restarted {
            back.event("room_joined").await;
        }
        back.event("message_history").await;
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_silences_the_connection_before() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut first = Client::connect(&core).await;
    let (room, _) = first.join(1, 2).await;
    // The first connection is not cut: it is half open, as far as the server knows.
    let auth = json!({ "pid": first.pid, "offset": first.offset });
    let mut second = Client::connect_as(&core, None, &format!("40{auth}")).await;
    assert_eq!(second.pid, first.pid);
    second.say(&room, 1, "from the second");
    second.event("new_message").await;
    let heard = tokio::time::timeout(DEADLINE, async {
        let mut heard = Vec::new();
        while let Some(packet) = first.output.recv().await {
            heard.push(packet);
        }
        heard
    });
    assert!(heard.await.expect("the first is closed").is_empty());
    core.stop().await;
}

#[tokio::test]
async fn a_goodbye_ends_the_session_and_nobody_elses_can_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut client = Client::connect(&core).await;
    let (room, _) = client.join(1, 2).await;
    client.send("41");
    let begun = Instant::now();
    while core.metrics.sockets.get() > 0 {
        assert!(begun.elapsed() < DEADLINE, "no goodbye");
        tokio::task::yield_now().await;
    }
    let (mut back, recovered) = client.come_back(&core).await;
    assert!(!recovered, "a logout is not undone");
    back.emit("fetch_messages", &json!({ "roomId": room }));
    let Packet::Event(error) = back.next("the refusal").await else {
        panic!()
    };
    assert!(error.args[0].get().contains("not_identified"));
    let guess = Client::connect_as(&core, None, r#"40{"pid":"guess","offset":"1.1.1"}"#).await;
    assert_ne!(guess.pid.as_deref(), Some("guess"));
    core.stop().await;
}

//! Who is online and who is writing: what is told of people, and never kept for long.

use std::{
    sync::Arc,
    task::{Poll, Waker},
    time::Instant,
};

use chat::{Timestamp, store::UserName};
use serde_json::{Value, json};
use server::{
    core::Core,
    hub::Door,
    listen::{Accept, Driver, Handle, Outgoing, Peer},
};
use tokio::sync::Notify;
use wire::{engineio::Message, socketio::Packet};

use crate::{
    client::{Bell, Client, DEADLINE, config, core, until},
    leaving::{Group, group},
};

const KEY: &str = "a client key";
/// What a client that says goodbye sends.
const GOODBYE: &str = "41";
/// More than may wait for a socket.
const MANY: usize = 200;

impl Client {
    async fn status(&mut self, user: &str) -> Value {
        let question = json!({ "memberId": user });
        self.ask("user.status", question).await.1["status"].take()
    }
}

fn last_active(core: &Core, name: &str) -> Timestamp {
    let app = core.directory.default_app().unwrap();
    let name = UserName::External(name.to_owned());
    core.store.user(app.id, &name).unwrap().unwrap().last_active
}

async fn sockets(core: &Core, count: u64) {
    until("sockets come and go", || {
        core.metrics.sockets.get() == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_online_until_the_last_socket_says_goodbye() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { ann, bob, .. } = group(&core).await;
    let made = last_active(&core, "bob");
    let mut ann_there = Client::connect(&core).await;
    let me = json!({ "channelUserId": ann });
    ann_there.ask("room.user.join", me).await;
    assert_eq!(ann_there.status(&bob).await, "offline");
    let me = json!({ "channelUserId": bob });
    let mut here = Client::connect(&core).await;
    here.ask("room.user.join", me.clone()).await;
    let mut there = Client::connect(&core).await;
    there.ask("room.user.join", me.clone()).await;
    there.ask("room.user.join", me.clone()).await;
    assert_eq!(ann_there.status(&bob).await, "online");
    there.send(GOODBYE);
    sockets(&core, 2).await;
    assert_eq!(ann_there.status(&bob).await, "online", "one is left");
    // Who only lost the connection may be back at once.
    here.cut();
    sockets(&core, 1).await;
    assert_eq!(ann_there.status(&bob).await, "online");
    let (here, recovered) = here.come_back(&core).await;
    assert!(recovered);
    assert_eq!(ann_there.status(&bob).await, "online");
    assert_eq!(last_active(&core, "bob"), made, "still the same visit");
    here.send(GOODBYE);
    sockets(&core, 1).await;
    assert_eq!(ann_there.status(&bob).await, "offline");
    until("the end of the visit is stored", || {
        last_active(&core, "bob") > made
    })
    .await;
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_ones_own_room_is_offline_and_the_socket_stays() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { bob, .. } = group(&core).await;
    let mut client = Client::connect(&core).await;
    let me = json!({ "channelUserId": bob });
    client.ask("room.user.join", me.clone()).await;
    assert_eq!(client.status(&bob).await, "online");
    client.ask("room.user.leave", me).await;
    assert_eq!(client.status(&bob).await, "offline");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_no_more_has_stopped_writing() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { chat, ann, bob } = group(&core).await;
    let mut reader = Client::connect(&core).await;
    reader.enter(&chat, &ann).await;
    let mut typist = Client::connect(&core).await;
    typist.enter(&chat, &bob).await;
    let typing = json!({ "channelId": chat, "user": { "id": bob } });
    typist.ask("typing.start", typing).await;
    for name in ["typing.start", "typing.stop"] {
        let Packet::Event(event) = reader.next(name).await else {
            panic!("an event")
        };
        assert_eq!(event.name, name);
    }
    assert_eq!(reader.status(&bob).await, "online", "and is still there");
    core.stop().await;
}

/// A client that reads only when it is told to.
struct Idler {
    driver: Box<dyn Driver>,
    bell: Arc<Bell>,
}

impl Idler {
    fn connect(core: &Core) -> Self {
        let bell = Arc::new(Bell(Notify::new()));
        let handle = Handle::detached(Waker::from(Arc::clone(&bell)));
        let door = Door(Arc::clone(&core.hub));
        let driver = door.open(Peer::local(), handle).unwrap();
        let mut idler = Self { driver, bell };
        idler.say("0");
        idler
    }

    fn say(&mut self, packet: &str) {
        let message = Message::Text(packet.to_owned());
        self.driver.receive(message, Instant::now()).unwrap();
    }

    /// All that there is now.
    fn read(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        self.driver.woken(Instant::now()).unwrap();
        loop {
            let mut out = Outgoing::new(64 << 10);
            let polled = self.driver.poll_output(Instant::now(), &mut out);
            for frame in out
                .chunks()
                .iter()
                .flat_map(|chunk| wire::frame::frames(chunk))
            {
                let text = std::str::from_utf8(frame.payload()).unwrap();
                let packet = text.strip_prefix('4').unwrap();
                packets.push(Packet::parse(packet, &wire::Limits::default()).unwrap().0);
            }
            match polled {
                Poll::Ready(result) => result.unwrap(),
                Poll::Pending => return packets,
            }
        }
    }

    async fn ask(&mut self, name: &str, payload: &Value) {
        self.say(&format!("27{}", json!([name, payload])));
        let answered = async {
            let is_ack = |packet: &Packet| matches!(packet, Packet::Ack(_));
            while !self.read().iter().any(is_ack) {
                self.bell.0.notified().await;
            }
        };
        let answered = tokio::time::timeout(DEADLINE, answered).await;
        answered.unwrap_or_else(|_| panic!("no answer to {name}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_does_not_pile_up_before_who_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { chat, bob, .. } = group(&core).await;
    let mut idler = Idler::connect(&core);
    let join = json!({ "channelId": chat, "apiKey": KEY });
    idler.ask("room.join", &join).await;
    let mut typist = Client::connect(&core).await;
    typist.enter(&chat, &bob).await;
    let typing = json!({ "channelId": chat, "user": { "id": bob } });
    for _ in 0..MANY {
        typist.ask("typing.start", typing.clone()).await;
    }
    typist.ask("typing.stop", typing).await;
    let passed: Vec<_> = idler
        .read()
        .into_iter()
        .map(|packet| match packet {
            Packet::Event(event) => event.name,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!((2..MANY).contains(&passed.len()), "{} waited", passed.len());
    assert_eq!(
        passed.last().map(String::as_str),
        Some("typing.stop"),
        "the newest stays"
    );
    core.stop().await;
}

//! Who is present, and what waits for that: sockets on `/presence` and `/chat`, of which either may come
//! first, come back, or go.

use std::{sync::mpsc, time::Duration};

use chat::{Refusal, Role};
use dialects::{Dialect, Site, market::Market};
use serde_json::{Value, json};
use server::core::Core;
use wire::socketio::Packet;

use crate::{
    client::{Client, DEADLINE, config, core, is_stored, restart, until},
    gate::{Failure, gated_core},
    tokens::token,
};

/// Longer than others are told nothing after a start, and than somebody who is lost stays.
const LONG: Duration = Duration::from_secs(25);
/// Longer than a socket waits for a user of whom nothing is known, and shorter than for another.
const SHORT: Duration = Duration::from_secs(3);

/// Time that stands still but for [`tokio::time::advance`]: it would run whenever nothing is to be done,
/// and what is done in other threads counts for that, but for blocking work. That gives up in the end,
/// so that what is waited for in vain is noticed.
struct StoppedClock(#[expect(dead_code, reason = "held")] mpsc::Sender<()>);

impl StoppedClock {
    fn new() -> Self {
        let (held, gone) = mpsc::channel();
        tokio::task::spawn_blocking(move || gone.recv_timeout(DEADLINE).is_ok());
        Self(held)
    }
}

/// A socket of somebody's.
struct Shopper {
    client: Client,
    namespace: &'static str,
    token: String,
}

impl Shopper {
    fn open(core: &Core, who: (&str, Role), namespace: &'static str) -> Self {
        let token = token(core, who.0, Some(who.1), 0);
        let client = Client::open(core, None);
        client.send(&format!("40{namespace},{}", json!({ "token": token })));
        Self {
            client,
            namespace,
            token,
        }
    }

    async fn connect(core: &Core, who: (&str, Role), namespace: &'static str) -> Self {
        let mut shopper = Self::open(core, who, namespace);
        shopper.client.welcomed().await;
        shopper
    }

    /// Loses its transport and comes back; tells whether it was recognised.
    async fn come_back(mut self, core: &Core) -> (Self, bool) {
        self.client.cut();
        let auth = json!({
            "token": self.token, "pid": self.client.pid, "offset": self.client.offset
        });
        let mut client = Client::open(core, None);
        client.send(&format!("40{},{auth}", self.namespace));
        client.welcomed().await;
        let recovered = client.pid == self.client.pid;
        if recovered {
            (client.last, client.offset) = (self.client.last, self.client.offset.clone());
        }
        (Self { client, ..self }, recovered)
    }

    fn say(&self, event: &Value) {
        self.client.send(&format!("42{},{event}", self.namespace));
    }

    fn leave(&self) {
        self.client.send(&format!("41{},", self.namespace));
    }

    /// The next event, whatever it is; checks that what has a place comes in its order.
    async fn hear(&mut self, what: &str) -> (String, Value) {
        let Packet::Event(event) = self.client.next(what).await else {
            panic!("no event where {what} was due")
        };
        if event.args.len() > 1 {
            self.client.check_offset(&event);
        }
        (
            event.name,
            serde_json::from_str(event.args[0].get()).unwrap(),
        )
    }

    /// The next event, which must be this one. One that has its place is not held up by those that
    /// pass.
    async fn hears(&mut self, name: &str) -> Value {
        const PASSING: &[&str] = &["userIsOnline", "userIsOffline"];
        loop {
            let (heard, payload) = self.hear(name).await;
            if heard == name {
                return payload;
            }
            let passes = PASSING.contains(&&*heard) && !PASSING.contains(&name);
            assert!(passes, "{heard} where {name} was due: {payload}");
        }
    }

    /// That somebody is there, or no longer.
    async fn learns(&mut self, name: &str, who: (&str, Role)) {
        let payload = self.hears(name).await;
        let data = &payload["data"];
        assert_eq!(data["userId"], who.0, "{payload}");
        let role = if who.1 == Role::Customer {
            "CUSTOMER"
        } else {
            "VENDOR"
        };
        assert_eq!(data["userType"], role, "{payload}");
    }

    async fn greeted(&mut self) -> (Value, Value) {
        (
            self.hears("userChats").await["data"].take(),
            self.hears("offlineMessages").await["data"].take(),
        )
    }

    /// Sends a message about the one product, to the other one.
    fn ask(&self, text: &str) {
        let message = json!({ "productId": "p", "recipientId": "2", "text": text });
        self.say(&json!(["sendMessage", message]));
    }
}

const BUYER: (&str, Role) = ("2", Role::Customer);
const SELLER: (&str, Role) = ("2", Role::Vendor);
const STRANGER: (&str, Role) = ("3", Role::Customer);

/// The two have talked, and all their sockets are gone.
async fn acquaint(core: &Core) {
    let mut here = Shopper::connect(core, BUYER, "/presence").await;
    here.learns("userIsOnline", BUYER).await;
    let mut chat = Shopper::connect(core, BUYER, "/chat").await;
    chat.greeted().await;
    chat.ask("hello");
    chat.hears("receiveMessage").await;
    chat.leave();
    here.leave();
    until("they are gone", || core.metrics.sockets.get() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_in_is_told_the_chats_and_once_what_was_missed() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    acquaint(&core).await;
    let _here = Shopper::connect(&core, SELLER, "/presence").await;
    let mut first = Shopper::connect(&core, SELLER, "/chat").await;
    // What the client asks comes after what it is told.
    first.ask("at once");
    let (chats, missed) = first.greeted().await;
    assert_eq!(chats[0]["messages"][0]["text"], "hello", "{chats}");
    assert_eq!(missed[0]["text"], "hello", "{missed}");
    let mut second = Shopper::connect(&core, SELLER, "/chat").await;
    let (_, missed) = second.greeted().await;
    assert_eq!(missed, json!([]), "once for all devices");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_is_not_greeted_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path(), config()).await;
    for restarts in [false, true] {
        let here = Shopper::connect(&core, SELLER, "/presence").await;
        let mut chat = Shopper::connect(&core, SELLER, "/chat").await;
        chat.greeted().await;
        if restarts {
            chat.client.cut();
            drop(here);
            core.stop().await;
            core = restart(folder.path(), config()).await;
        }
        // Before the other one is back, and behind it what is asked waits.
        let (mut chat, recovered) = chat.come_back(&core).await;
        assert!(recovered);
        chat.ask("again");
        let _here = Shopper::connect(&core, SELLER, "/presence").await;
        chat.hears("receiveMessage").await;
        chat.leave();
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_must_begin_anew_is_greeted_once() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let _here = Shopper::connect(&core, SELLER, "/presence").await;
    let mut chat = Shopper::connect(&core, SELLER, "/chat").await;
    chat.greeted().await;
    chat.client.offset = Some("not an offset of ours".to_owned());
    let (mut chat, recovered) = chat.come_back(&core).await;
    assert!(!recovered);
    chat.client.last = None;
    chat.greeted().await;
    chat.ask("and no second time");
    chat.hears("receiveMessage").await;
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greeting_that_nobody_heard_is_said_again() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, core) = gated_core(folder.path(), config()).await;
    let mut here = Shopper::connect(&core, SELLER, "/presence").await;
    here.learns("userIsOnline", SELLER).await;
    gate.hold();
    let chat = Shopper::connect(&core, SELLER, "/chat").await;
    gate.reached().await;
    let (mut chat, recovered) = chat.come_back(&core).await;
    assert!(recovered);
    gate.open();
    chat.greeted().await;
    chat.ask("and it is in its rooms");
    chat.hears("receiveMessage").await;
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_handed_out_to_whoever_goes_on_with_the_session() {
    for is_back_first in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (gate, core) = gated_core(folder.path(), config()).await;
        acquaint(&core).await;
        let mut here = Shopper::connect(&core, SELLER, "/presence").await;
        here.learns("userIsOnline", SELLER).await;
        gate.hold();
        let before = core.metrics.barrier.get();
        let mut chat = Shopper::connect(&core, SELLER, "/chat").await;
        gate.reached().await;
        if !is_back_first {
            chat.client.cut();
            gate.open();
            // That it listens, and that it was handed out.
            let is_handed_out = || core.metrics.barrier.get() == before + 2;
            until("it is handed out", is_handed_out).await;
        }
        let (mut chat, recovered) = chat.come_back(&core).await;
        assert!(recovered);
        gate.open();
        let (_, missed) = chat.greeted().await;
        assert_eq!(missed[0]["text"], "hello", "{is_back_first}: {missed}");
        let (mut chat, recovered) = chat.come_back(&core).await;
        assert!(recovered);
        chat.ask("and once");
        chat.hears("receiveMessage").await;
        core.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_greeting_that_cannot_be_stored_is_owed() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, core) = gated_core(folder.path(), config()).await;
    gate.fail_next(Failure::RolledBack);
    let mut here = Shopper::connect(&core, SELLER, "/presence").await;
    assert_eq!(here.client.rest().await.len(), 0, "its client comes back");
    let (mut here, recovered) = here.come_back(&core).await;
    assert!(recovered);
    here.learns("userIsOnline", SELLER).await;
    assert!(is_stored(&core, here.client.pid.as_deref()));
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_before_its_user_is_present_waits_for_that() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut chat = Shopper::connect(&core, BUYER, "/chat").await;
    chat.ask("one");
    chat.ask("two");
    let mut stranger = Shopper::connect(&core, STRANGER, "/presence").await;
    stranger.learns("userIsOnline", STRANGER).await;
    let _here = Shopper::connect(&core, BUYER, "/presence").await;
    chat.greeted().await;
    for text in ["one", "two"] {
        let message = chat.hears("receiveMessage").await;
        assert_eq!(message["data"][0]["text"], text);
    }
    core.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whose_user_does_not_come_is_told_so_and_put_out() {
    let _clock = StoppedClock::new();
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut chat = Shopper::connect(&core, BUYER, "/chat").await;
    chat.ask("is anybody there");
    let pid = chat.client.pid.clone();
    tokio::time::advance(SHORT).await;
    assert_put_out(&chat.client.rest().await);
    // Of whom it is known that they were here, more time is given.
    let mut here = Shopper::connect(&core, BUYER, "/presence").await;
    here.learns("userIsOnline", BUYER).await;
    here.leave();
    until("it is gone", || core.metrics.sockets.get() == 0).await;
    let mut late = Shopper::connect(&core, BUYER, "/chat").await;
    let mut says_so = Shopper::open(&core, STRANGER, "/chat");
    says_so.client.cut();
    let mut says_so = {
        let mut client = Client::open(&core, None);
        let auth = json!({ "token": says_so.token, "pid": pid });
        client.send(&format!("40/chat,{auth}"));
        client.welcomed().await;
        Shopper { client, ..says_so }
    };
    tokio::time::advance(SHORT).await;
    let _buyer = Shopper::connect(&core, BUYER, "/presence").await;
    let _stranger = Shopper::connect(&core, STRANGER, "/presence").await;
    for chat in [&mut late, &mut says_so] {
        chat.greeted().await;
    }
    core.stop().await;
}

fn assert_put_out(packets: &[Packet]) {
    let told = Market.answer(&Site::default(), None, Err(&Refusal::NotPresent));
    let [Packet::Event(event), Packet::Disconnect { .. }] = packets else {
        panic!("{packets:?}")
    };
    assert_eq!(event.name, told.events[0].name);
    assert_eq!(event.args[0].get(), told.events[0].args);
}

#[tokio::test(start_paused = true)]
async fn those_who_share_a_chat_learn_who_comes_and_goes() {
    let _clock = StoppedClock::new();
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    acquaint(&core).await;
    tokio::time::advance(LONG).await;
    let mut stranger = Shopper::connect(&core, STRANGER, "/presence").await;
    stranger.learns("userIsOnline", STRANGER).await;
    let mut seller = Shopper::connect(&core, SELLER, "/presence").await;
    seller.learns("userIsOnline", SELLER).await;
    let mut seller_chat = Shopper::connect(&core, SELLER, "/chat").await;
    seller_chat.greeted().await;
    let mut buyer = Shopper::connect(&core, BUYER, "/presence").await;
    buyer.learns("userIsOnline", BUYER).await;
    buyer.learns("userIsOnline", SELLER).await;
    seller.learns("userIsOnline", BUYER).await;
    seller_chat.learns("userIsOnline", BUYER).await;
    // A second device is told, and tells nobody else.
    let mut second = Shopper::connect(&core, BUYER, "/presence").await;
    second.learns("userIsOnline", BUYER).await;
    second.learns("userIsOnline", SELLER).await;
    buyer.learns("userIsOnline", BUYER).await;
    second.leave();
    until("it is gone", || core.metrics.sockets.get() == 4).await;
    // Nobody notices who is back soon.
    let (mut buyer, recovered) = buyer.come_back(&core).await;
    assert!(recovered);
    buyer.learns("userIsOnline", BUYER).await;
    buyer.learns("userIsOnline", SELLER).await;
    tokio::time::advance(LONG).await;
    buyer.leave();
    until("it is gone", || core.metrics.sockets.get() == 3).await;
    tokio::time::advance(SHORT).await;
    seller.learns("userIsOffline", BUYER).await;
    seller_chat.learns("userIsOffline", BUYER).await;
    // Who is lost stays for a while.
    let mut buyer = Shopper::connect(&core, BUYER, "/presence").await;
    seller.learns("userIsOnline", BUYER).await;
    buyer.client.cut();
    until("it is gone", || core.metrics.sockets.get() == 3).await;
    tokio::time::advance(SHORT).await;
    let mut third = Shopper::connect(&core, SELLER, "/presence").await;
    third.learns("userIsOnline", SELLER).await;
    third.learns("userIsOnline", BUYER).await;
    seller.learns("userIsOnline", SELLER).await;
    tokio::time::advance(LONG).await;
    seller.learns("userIsOffline", BUYER).await;
    // What the stranger hears next is its own.
    let _second = Shopper::connect(&core, STRANGER, "/presence").await;
    stranger.learns("userIsOnline", STRANGER).await;
    core.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_start_nobody_is_said_to_be_gone() {
    let _clock = StoppedClock::new();
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    acquaint(&core).await;
    let mut seller = Shopper::connect(&core, SELLER, "/presence").await;
    seller.learns("userIsOnline", SELLER).await;
    let mut first = Shopper::connect(&core, BUYER, "/presence").await;
    first.learns("userIsOnline", BUYER).await;
    seller.learns("userIsOnline", BUYER).await;
    first.leave();
    until("it is gone", || core.metrics.sockets.get() == 1).await;
    tokio::time::advance(SHORT).await;
    // Back before anything was said; and nothing is said of that either.
    let mut again = Shopper::connect(&core, BUYER, "/presence").await;
    again.learns("userIsOnline", BUYER).await;
    again.leave();
    until("it is gone", || core.metrics.sockets.get() == 1).await;
    tokio::time::advance(LONG).await;
    seller.learns("userIsOffline", BUYER).await;
    core.stop().await;
}

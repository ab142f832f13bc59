//! Who registers with a token acts as its subject, also after coming back, as long as the token is good.

use std::time::Duration;

use serde_json::{Value, json};
use server::{core::Core, hub::HubConfig};
use wire::socketio::Packet;

use crate::{
    client::{Client, config, core, restart, until},
    gate::{Failure, gated_core},
    tokens::token,
};

/// A token that is over in a second: an hour and the leeway of 5 s are almost past.
const ALMOST_OVER: i64 = 3_604;

impl Client {
    fn register(&self, token: &str) {
        self.emit("registerMessages", &json!({ "token": token }));
    }

    fn tell(&self, to: &str, content: &str) {
        self.emit("message", &json!({ "to": to, "content": content }));
    }

    /// The next event and its payload, in its order.
    async fn hear(&mut self, what: &str) -> (String, Value) {
        let Packet::Event(event) = self.next(what).await else {
            panic!("no event where {what} was due")
        };
        self.check_offset(&event);
        (
            event.name,
            serde_json::from_str(event.args[0].get()).unwrap(),
        )
    }

    async fn is_told(&mut self, name: &str, payload: Value) {
        assert_eq!(self.hear(name).await, (name.to_owned(), payload));
    }

    async fn is_registered(&mut self) {
        self.is_told("registerMessages", json!("OK")).await;
    }

    async fn is_refused(&mut self) -> String {
        let (name, words) = self.hear("a refusal").await;
        assert_eq!(name, "info", "{words}");
        words.as_str().unwrap().to_owned()
    }

    /// The next message of somebody's.
    async fn reads(&mut self) -> (String, String) {
        let (name, message) = self.hear("a message").await;
        assert_eq!(name, "message", "{message}");
        let text = |field: &str| message[field].as_str().unwrap_or_default().to_owned();
        (text("from"), text("content"))
    }
}

/// A client that has registered.
async fn registered(core: &Core, name: &str) -> Client {
    let mut client = Client::connect(core).await;
    client.register(&token(core, name, None, 0));
    client.is_registered().await;
    client
}

fn said(from: &str, content: &str) -> (String, String) {
    (from.to_owned(), content.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_typed_before_and_behind_the_token_is_its_subject_s() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut bob = registered(&core, "bob").await;
    let mut ann = Client::connect(&core).await;
    ann.tell("bob", "one");
    ann.register("nonsense");
    ann.register(&token(&core, "ann", None, 0));
    ann.tell("bob", "two");
    ann.is_refused().await;
    ann.is_registered().await;
    for text in ["one", "two"] {
        ann.is_told("message", json!({ "success": true })).await;
        assert_eq!(bob.reads().await, said("ann", text));
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_registers_again_is_somebody_else_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut bob = registered(&core, "bob").await;
    let mut client = registered(&core, "ann").await;
    client.tell("bob", "as ann");
    client.register(&token(&core, "eve", None, 0));
    client.tell("bob", "as eve");
    client.register("nonsense");
    client.tell("bob", "still as eve");
    assert_eq!(bob.reads().await, said("ann", "as ann"));
    assert_eq!(bob.reads().await, said("eve", "as eve"));
    assert_eq!(bob.reads().await, said("eve", "still as eve"));
    client.is_told("message", json!({ "success": true })).await;
    client.is_registered().await;
    client.is_told("message", json!({ "success": true })).await;
    client.is_refused().await;
    client.is_told("message", json!({ "success": true })).await;
    // What is for ann does not come here any longer, nor to whoever comes back.
    let (mut client, recovered) = client.come_back(&core).await;
    assert!(recovered);
    bob.tell("ann", "are you there");
    bob.tell("eve", "and you");
    assert_eq!(client.reads().await, said("bob", "and you"));
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_that_fails_leaves_the_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, core) = gated_core(folder.path(), config()).await;
    let mut bob = registered(&core, "bob").await;
    let mut client = registered(&core, "ann").await;
    gate.hold();
    gate.fail_next(Failure::RolledBack);
    client.register(&token(&core, "eve", None, 0));
    gate.reached().await;
    client.tell("bob", "who am I");
    gate.open();
    client.is_refused().await;
    client.is_told("message", json!({ "success": true })).await;
    assert_eq!(bob.reads().await, said("ann", "who am I"));
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_need_not_say_it_again() {
    for (restarts, begins_anew) in [(false, false), (true, false), (false, true), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        let mut core = core(folder.path(), config()).await;
        let mut client = registered(&core, "ann").await;
        client.cut();
        until("its connection is lost", || core.metrics.sockets.get() == 0).await;
        if restarts {
            core.stop().await;
            core = restart(folder.path(), config()).await;
        }
        if begins_anew {
            client.offset = Some("not an offset of ours".to_owned());
        }
        let mut bob = registered(&core, "bob").await;
        let (mut client, recovered) = client.come_back(&core).await;
        assert_eq!(recovered, !begins_anew);
        client.last = None;
        client.tell("bob", "it is me");
        assert_eq!(bob.reads().await, said("ann", "it is me"));
        core.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_cut_before_the_answer_is_registered_too() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, core) = gated_core(folder.path(), config()).await;
    let mut bob = registered(&core, "bob").await;
    let client = Client::connect(&core).await;
    gate.hold();
    client.register(&token(&core, "ann", None, 0));
    gate.reached().await;
    let (client, recovered) = client.come_back(&core).await;
    assert!(recovered);
    client.tell("bob", "it is me");
    gate.open();
    assert_eq!(bob.reads().await, said("ann", "it is me"));
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_token_is_the_end_of_that() {
    for restarts in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let config = || HubConfig {
            expiry_grace: Duration::from_millis(1),
            ..config()
        };
        let mut core = core(folder.path(), config()).await;
        let mut client = Client::connect(&core).await;
        client.register(&token(&core, "ann", None, ALMOST_OVER));
        client.is_registered().await;
        let offset = client.offset.clone();
        let words = client.is_refused().await;
        assert!(words.contains("expired"), "{words}");
        assert!(client.rest().await.is_empty());
        // As if that had not arrived: it is not said again to who may have a new token.
        client.offset = offset;
        if restarts {
            core.stop().await;
            core = restart(folder.path(), config()).await;
        }
        let (mut client, _) = client.come_back(&core).await;
        client.last = None;
        client.tell("bob", "who am I");
        let words = client.is_refused().await;
        assert!(words.contains("registerMessages"), "{words}");
        client.register(&token(&core, "ann", None, ALMOST_OVER + 10));
        let words = client.is_refused().await;
        assert!(words.contains("expired"), "{words}");
        core.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_token_takes_the_place_of_the_one_before() {
    for restarts in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let config = || HubConfig {
            expiry_grace: Duration::from_millis(1),
            ..config()
        };
        let mut core = core(folder.path(), config()).await;
        let mut client = Client::connect(&core).await;
        client.register(&token(&core, "ann", None, ALMOST_OVER));
        client.is_registered().await;
        client.register(&token(&core, "ann", None, 0));
        client.is_registered().await;
        let mut other = Client::connect(&core).await;
        other.register(&token(&core, "ann", None, ALMOST_OVER));
        other.is_registered().await;
        other.rest().await;
        if restarts {
            client.cut();
            core.stop().await;
            core = restart(folder.path(), config()).await;
        }
        let mut bob = registered(&core, "bob").await;
        let (client, recovered) = client.come_back(&core).await;
        assert!(recovered);
        client.tell("bob", "it is me");
        assert_eq!(bob.reads().await, said("ann", "it is me"));
        core.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tokens_of_one_socket_must_agree() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let ann = token(&core, "ann", None, 0);
    let auth = json!({ "token": ann });
    let mut client = Client::connect_as(&core, None, &format!("40{auth}")).await;
    client.register(&token(&core, "eve", None, 0));
    client.is_refused().await;
    client.register(&ann);
    client.is_registered().await;
    core.stop().await;
}

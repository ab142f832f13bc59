//! Dialects that demand a token: who comes in, by which namespace, and how the others are told.

use std::{
    sync::Arc,
    task::{Poll, Waker},
    time::Instant,
};

use chat::{ExternalId, Refusal, Role, Subject, Timestamp};
use dialects::{Dialect, Site, market::Market};
use serde_json::json;
use server::{
    clock,
    core::Core,
    hub::Door,
    identity::{TokenError, token::sign},
    listen::{Accept, Close, Driver, Handle, Outgoing, Peer},
};
use wire::{engineio::Message, socketio::Packet};

use crate::client::{Client, config, core};

/// A token of the default app, good for an hour from so many seconds ago.
pub(crate) fn token(core: &Core, id: &str, role: Option<Role>, seconds_ago: i64) -> String {
    let subject = Subject::new(ExternalId::text(id), role);
    let now = Timestamp(clock::system_time().0 - 1_000 * seconds_ago);
    sign(&core.directory.default_app().unwrap(), &subject, now, 3_600).unwrap()
}

/// A CONNECT that brings a token.
pub(crate) fn connect(namespace: &str, token: &str) -> String {
    format!("0{namespace},{}", json!({ "token": token }))
}

/// A connection that does nothing until it is told to.
struct Still(Box<dyn Driver>);

impl Still {
    fn open(core: &Core, peer: Peer) -> Self {
        let handle = Handle::detached(Waker::noop().clone());
        let door = Door(Arc::clone(&core.hub));
        Self(door.open(peer, handle).unwrap())
    }

    fn say(&mut self, packet: &str) -> Result<(), Close> {
        let message = Message::Text(packet.to_owned());
        self.0.receive(message, Instant::now())
    }

    /// All that there is now, and why the connection ends, if it does.
    fn read(&mut self) -> (Vec<Packet>, Option<Close>) {
        let mut out = Outgoing::new(64 << 10);
        let polled = self.0.poll_output(Instant::now(), &mut out);
        let chunks = out.chunks();
        let frames = chunks.iter().flat_map(|chunk| wire::frame::frames(chunk));
        let packet = |frame: wire::frame::FrameRef<'_>| {
            let text = std::str::from_utf8(frame.payload()).unwrap();
            let packet = text.strip_prefix('4').unwrap();
            Packet::parse(packet, &wire::Limits::default()).unwrap().0
        };
        let packets = frames.map(packet).collect();
        match polled {
            Poll::Ready(Err(reason)) => (packets, Some(reason)),
            _ => (packets, None),
        }
    }
}

/// Whether these packets let somebody in, say what the dialect says to this refusal, and put out.
fn assert_told(packets: &[Packet], namespace: &str, refusal: &Refusal) {
    let told = Market.answer(&Site::default(), None, Err(refusal)).events;
    let [
        Packet::Connect { .. },
        Packet::Event(event),
        Packet::Disconnect { .. },
    ] = packets
    else {
        panic!("{packets:?}")
    };
    let all_there = packets.iter().all(|packet| packet.namespace() == namespace);
    assert!(all_there, "{packets:?}");
    assert_eq!(told.len(), 1);
    assert_eq!(event.name, told[0].name);
    assert_eq!(event.args.len(), 1, "an offset would be taken for one");
    assert_eq!(event.args[0].get(), told[0].args);
}

fn refused(error: &TokenError) -> Refusal {
    Refusal::TokenRefused {
        why: error.to_string(),
    }
}

#[tokio::test]
async fn who_has_no_good_token_is_told_by_the_dialect_and_put_out() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let customer = token(&core, "2", Some(Role::Customer), 0);
    let mut altered = customer.clone();
    altered.pop();
    let cases = [
        ("0/presence,".to_owned(), Refusal::TokenRequired),
        (connect("/chat", ""), Refusal::TokenRequired),
        (connect("/chat", "x"), refused(&TokenError::Malformed)),
        (
            connect("/presence", &altered),
            refused(&TokenError::BadSignature),
        ),
        (
            connect("/chat", &token(&core, "2", Some(Role::Vendor), 7_200)),
            refused(&TokenError::Expired),
        ),
        (
            connect("/chat", &token(&core, "2", Some(Role::Admin), 0)),
            Market
                .admit(
                    "/chat",
                    Some(&Subject::new(ExternalId::text("2"), Some(Role::Admin))),
                )
                .unwrap_err(),
        ),
    ];
    for (packet, refusal) in cases {
        let mut still = Still::open(&core, Peer::local());
        still.say(&packet).unwrap();
        let (packets, end) = still.read();
        let namespace = packet[1..].split(',').next().unwrap();
        assert_told(&packets, namespace, &refusal);
        assert_eq!(end, Some(Close::Dismissed), "it is in no other namespace");
    }
    assert_eq!(core.metrics.sockets.get(), 0, "nothing was made for them");
    core.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_no_matter_of_the_dialect() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut still = Still::open(&core, Peer::local());
    still.say(r#"0/chat,{"appKey":"nonsense"}"#).unwrap();
    let (packets, end) = still.read();
    assert!(
        matches!(packets[..], [Packet::ConnectError { .. }]),
        "{packets:?}"
    );
    assert_eq!(end, None);
    core.stop().await;
}

#[tokio::test]
async fn the_other_namespaces_of_the_connection_live_on() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut still = Still::open(&core, Peer::local());
    still.say("0").unwrap();
    still.say("0/presence,").unwrap();
    still.say(r#"2/presence,["userIsOnline"]"#).unwrap();
    let (packets, end) = still.read();
    assert!(matches!(packets[0], Packet::Connect { .. }));
    assert_told(&packets[1..], "/presence", &Refusal::TokenRequired);
    assert_eq!(end, None);
    still
        .say(&connect(
            "/presence",
            &token(&core, "2", Some(Role::Vendor), 0),
        ))
        .unwrap();
    let (packets, end) = still.read();
    assert!(
        matches!(packets[..], [Packet::Connect { .. }]),
        "{packets:?}"
    );
    assert_eq!(end, None);
    core.stop().await;
}

#[tokio::test]
async fn a_token_may_come_in_the_handshake_s_header() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let good = token(&core, "2", Some(Role::Customer), 0);
    let peer = |token: &str| Peer {
        token: Some(token.into()),
        ..Peer::local()
    };
    let mut still = Still::open(&core, peer(&good));
    still.say("0/presence,").unwrap();
    let (packets, end) = still.read();
    assert!(
        matches!(packets[..], [Packet::Connect { .. }]),
        "{packets:?}"
    );
    assert_eq!(end, None);
    // What stands in the CONNECT is newer.
    still.say(&connect("/chat", "x")).unwrap();
    assert_told(&still.read().0, "/chat", &refused(&TokenError::Malformed));
    // Other dialects do not ask for it.
    let mut still = Still::open(&core, peer("nonsense"));
    still.say("0").unwrap();
    assert!(matches!(still.read().0[..], [Packet::Connect { .. }]));
    core.stop().await;
}

#[tokio::test]
async fn who_tries_again_and_again_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut still = Still::open(&core, Peer::local());
    let tries = wire::Limits::default().max_rejected_connects;
    for _ in 1..tries {
        still.say("0/presence,").unwrap();
    }
    let end = still.say("0/presence,");
    assert!(matches!(end, Err(Close::Protocol(_))), "{end:?}");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_of_one_dialect_says_what_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let good = token(&core, "2", Some(Role::Vendor), 0);
    let mut client =
        Client::connect_as(&core, None, &format!("4{}", connect("/presence", &good))).await;
    // An event of another dialect, as the first one.
    client.send(&format!(
        "42/presence,7{}",
        json!(["register_user", crate::client::person(1)])
    ));
    loop {
        if let Packet::Ack(ack) = client.next("a refusal").await {
            let expected = Market.answer(&Site::default(), None, Err(&Refusal::UnknownEvent));
            break assert_eq!(ack.args[0].get(), expected.ack);
        }
    }
    core.stop().await;
}

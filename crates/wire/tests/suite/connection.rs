//! The life of a connection: the cases of the protocol one by one, then random lives that must keep their promises.

use proptest::prelude::*;
use wire::engineio::connection::{Farewell, Outlet, Poll, Post, ProbeStep, Received};
use wire::engineio::{Connection, Message, Packet, Transport};

fn polling() -> Connection {
    Connection::new(Transport::Polling)
}

fn probe() -> Packet {
    Packet::Ping("probe".to_owned())
}

#[test]
fn a_poll_waits_and_is_answered() {
    let mut connection = polling();
    assert_eq!(connection.outlet(), Outlet::None);
    assert_eq!(connection.begin_poll(), Poll::Wait);
    assert_eq!(connection.outlet(), Outlet::Poll);
    connection.end_poll();
    assert_eq!(connection.outlet(), Outlet::None);
    assert_eq!(connection.begin_poll(), Poll::Wait);
}

#[test]
fn two_polls_or_two_posts_at_once_end_it() {
    let mut connection = polling();
    assert_eq!(connection.begin_poll(), Poll::Wait);
    assert_eq!(connection.begin_poll(), Poll::Overlap);
    assert!(connection.is_closed());
    assert_eq!(connection.begin_poll(), Poll::Refuse);

    let mut connection = polling();
    assert_eq!(connection.begin_post(), Post::Read);
    connection.end_post();
    assert_eq!(connection.begin_post(), Post::Read);
    assert_eq!(connection.begin_post(), Post::Overlap);
    assert_eq!(connection.close(), Farewell::NextPoll);
    assert_eq!(connection.begin_post(), Post::Refuse);
    assert_eq!(connection.begin_poll(), Poll::Close);
    assert!(connection.is_closed());
}

#[test]
fn a_cancelled_poll_ends_it() {
    let mut connection = polling();
    assert!(!connection.cancel_poll(), "no poll is waiting");
    assert_eq!(connection.begin_poll(), Poll::Wait);
    assert!(connection.cancel_poll());
    assert!(!connection.cancel_poll());
    assert_eq!(connection.begin_poll(), Poll::Refuse);
}

#[test]
fn an_upgrade_releases_the_poll_and_ends_polling() {
    let mut connection = polling();
    assert_eq!(connection.begin_poll(), Poll::Wait);
    assert!(connection.open_probe());
    assert!(!connection.open_probe(), "one at a time");
    assert_eq!(
        connection.outlet(),
        Outlet::Poll,
        "a WebSocket that says nothing changes nothing"
    );
    assert_eq!(
        connection.receive_probe(&probe()),
        ProbeStep::Answer { release_poll: true }
    );
    assert_eq!(connection.outlet(), Outlet::None);
    assert_eq!(connection.begin_poll(), Poll::Noop);
    connection.ping();
    assert!(!connection.take_ping(), "a ping waits for the upgrade too");
    assert_eq!(
        connection.receive_probe(&Packet::Upgrade),
        ProbeStep::Upgraded
    );
    assert_eq!(connection.outlet(), Outlet::WebSocket);
    assert_eq!(connection.transport(), Some(Transport::WebSocket));
    assert!(connection.take_ping());
    assert!(!connection.take_ping());
    assert_eq!(connection.begin_poll(), Poll::Refuse);
    assert_eq!(connection.begin_post(), Post::Refuse);
    assert!(!connection.open_probe());
    assert!(!connection.is_closed(), "what was refused does not harm it");
    assert_eq!(connection.close(), Farewell::WebSocket);
}

#[test]
fn an_upgrade_that_fails_leaves_polling_as_it_was() {
    let mut connection = polling();
    assert!(connection.open_probe());
    assert_eq!(
        connection.receive_probe(&Packet::Upgrade),
        ProbeStep::Drop,
        "5 before the probe"
    );
    assert!(connection.open_probe());
    assert_eq!(
        connection.receive_probe(&probe()),
        ProbeStep::Answer {
            release_poll: false
        }
    );
    connection.close_probe();
    assert_eq!(connection.begin_poll(), Poll::Wait);
    assert_eq!(connection.outlet(), Outlet::Poll);
    assert!(connection.open_probe());
    assert_eq!(
        connection.receive_probe(&Packet::Ping(String::new())),
        ProbeStep::Drop
    );
    assert_eq!(connection.outlet(), Outlet::Poll);
}

#[test]
fn packets_of_the_client() {
    let mut connection = Connection::new(Transport::WebSocket);
    let message = Message::Text("hi".to_owned());
    assert_eq!(
        connection.receive(Packet::Message(message.clone())),
        Received::Message(message)
    );
    connection.ping();
    assert!(connection.awaits_pong());
    assert_eq!(
        connection.receive(Packet::Pong(String::new())),
        Received::Pong
    );
    assert!(!connection.awaits_pong());
    assert_eq!(connection.receive(Packet::Noop), Received::Nothing);
    for packet in [
        Packet::Ping(String::new()),
        Packet::Open(String::new()),
        Packet::Upgrade,
    ] {
        assert_eq!(connection.receive(packet), Received::Unexpected);
    }
    assert_eq!(
        connection.receive(Packet::Close),
        Received::Closed {
            release_poll: false
        }
    );
    assert_eq!(connection.receive(Packet::Close), Received::Nothing);
    assert_eq!(connection.close(), Farewell::None);

    let mut connection = polling();
    assert_eq!(connection.begin_poll(), Poll::Wait);
    assert_eq!(
        connection.receive(Packet::Close),
        Received::Closed { release_poll: true }
    );
    assert_eq!(connection.begin_poll(), Poll::Refuse);
}

#[test]
fn the_server_ends_it() {
    let mut connection = polling();
    assert_eq!(connection.begin_poll(), Poll::Wait);
    assert_eq!(connection.close(), Farewell::Poll);
    assert!(connection.is_closed());
    let mut connection = polling();
    connection.abandon();
    assert_eq!(connection.begin_poll(), Poll::Refuse);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Poll,
    EndPoll,
    CancelPoll,
    Post,
    EndPost,
    OpenProbe,
    Probe,
    Upgrade,
    CloseProbe,
    ClientClose,
    Pong,
    Ping,
    TakePing,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::{
        CancelPoll, ClientClose, Close, CloseProbe, EndPoll, EndPost, OpenProbe, Ping, Poll, Pong,
        Post, Probe, TakePing, Upgrade,
    };
    prop_oneof![
        12 => prop::sample::select(vec![
            Poll, Post, EndPoll, EndPost, OpenProbe, Probe, Upgrade, CloseProbe, Pong, Ping, TakePing,
        ]),
        1 => prop::sample::select(vec![CancelPoll, ClientClose, Close]),
    ]
}

proptest! {
    /// Each poll gets exactly one answer, none waits when the connection has left polling, every ping is written at
    /// most once, and the end is the end.
    #[test]
    fn no_poll_is_forgotten(steps in prop::collection::vec(step(), 0..60)) {
        let mut connection = polling();
        let (mut waiting, mut pings) = (false, 0);
        for step in steps {
            let was_closed = connection.is_closed();
            match step {
                Step::Poll => match connection.begin_poll() {
                    Poll::Wait => {
                        prop_assert!(!waiting);
                        waiting = true;
                    }
                    Poll::Overlap => {
                        prop_assert!(waiting, "there is another one to answer");
                        waiting = false;
                    }
                    Poll::Noop | Poll::Close | Poll::Refuse => prop_assert!(!waiting),
                },
                Step::EndPoll if waiting && connection.outlet() == Outlet::Poll => {
                    connection.end_poll();
                    waiting = false;
                }
                Step::CancelPoll if waiting => {
                    prop_assert!(connection.cancel_poll());
                    waiting = false;
                }
                Step::EndPoll | Step::CancelPoll => {}
                Step::Post => {
                    connection.begin_post();
                }
                Step::EndPost => connection.end_post(),
                Step::OpenProbe => {
                    let opened = connection.open_probe();
                    prop_assert!(!opened || connection.transport() == Some(Transport::Polling));
                }
                Step::Probe | Step::Upgrade => {
                    let packet = if matches!(step, Step::Probe) { probe() } else { Packet::Upgrade };
                    match connection.receive_probe(&packet) {
                        ProbeStep::Answer { release_poll } => {
                            prop_assert_eq!(release_poll, waiting);
                            waiting = false;
                        }
                        ProbeStep::Upgraded => prop_assert!(!waiting),
                        ProbeStep::Drop => {}
                    }
                }
                Step::CloseProbe => connection.close_probe(),
                Step::ClientClose => {
                    if let Received::Closed { release_poll } = connection.receive(Packet::Close) {
                        prop_assert_eq!(release_poll, waiting);
                        waiting = false;
                    }
                }
                Step::Pong => {
                    connection.receive(Packet::Pong(String::new()));
                }
                Step::Ping => {
                    connection.ping();
                    pings = 1;
                }
                Step::TakePing => {
                    if connection.take_ping() {
                        prop_assert!(connection.outlet() != Outlet::None);
                        pings -= 1;
                    }
                }
                Step::Close => {
                    let farewell = connection.close();
                    prop_assert_eq!(farewell == Farewell::Poll, waiting);
                    waiting = false;
                }
            }
            prop_assert!(pings >= 0, "a ping is written once");
            prop_assert_eq!(connection.outlet() == Outlet::Poll, waiting, "a waiting poll is an outlet");
            prop_assert!(!was_closed || connection.is_closed(), "the end is the end");
            if connection.is_closed() {
                prop_assert_eq!(connection.transport(), None);
            }
        }
    }
}

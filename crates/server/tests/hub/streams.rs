//! What one socket gets while it stays: one order, each answer in its place.

use std::sync::Arc;

use serde_json::{Value, json};
use wire::socketio::Packet;

use crate::client::{Client, config, core, person};

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

#[tokio::test]
async fn a_client_key_opens_the_door_and_a_server_key_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    Client::connect_as(&core, None, r#"40{"appKey":"a client key"}"#).await;
    let mut wrong = Client::open(&core, None);
    wrong.send(r#"40{"appKey":"a server key"}"#);
    let Packet::ConnectError { error, .. } = wrong.next("the refusal").await else {
        panic!("a server key must not be in a client")
    };
    assert!(error.get().contains("server_key"), "{error}");
    core.stop().await;
}

//! What one gets who was away: everything that was missed, once and in order, or a word that it is gone.

use std::time::{Duration, Instant};

use chat::{ExternalId, Subject};
use serde_json::json;
use server::{clock, hub::HubConfig, identity::token::sign};
use wire::socketio::Packet;

use crate::client::{Client, DEADLINE, config, core, person, restart};
use crate::gate::gated_core;

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
        core = restart(folder.path(), config()).await;
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
async fn who_missed_nothing_takes_nothing_from_who_missed_more() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let mut behind = Client::connect(&core).await;
    let (room, _) = behind.join(2, 1).await;
    behind.cut();
    let mut writer = Client::connect(&core).await;
    writer.join(1, 2).await;
    for body in ["one", "two"] {
        writer.say(&room, 1, body);
        writer.event("new_message").await;
    }
    // An answer is the last that it sees, and what is numbered later happens elsewhere: there is
    // something to look for in the room, and nothing to be found.
    writer.emit("fetch_messages", &json!({ "roomId": room }));
    writer.event("more_messages").await;
    Client::connect(&core).await.join(3, 4).await;
    writer.cut();
    core.stop().await;

    let core = restart(folder.path(), config()).await;
    let (mut writer, recovered) = writer.come_back(&core).await;
    assert!(recovered);
    let (mut behind, recovered) = behind.come_back(&core).await;
    assert!(recovered);
    writer.say(&room, 1, "three");
    writer.event("new_message").await;
    for body in ["one", "two", "three"] {
        assert_eq!(behind.event("new_message").await["body"], body);
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
    for half_seen in [false, true] {
        let mut reader = Client::connect(&core).await;
        let decided = core.metrics.commands.get();
        reader.emit(
            "join_chat",
            &json!({ "userId": person(2), "targetUserId": person(1) }),
        );
        // It is decided, and nobody has looked at the answer.
        let begun = Instant::now();
        while core.metrics.commands.get() <= decided {
            assert!(begun.elapsed() < DEADLINE, "no join was decided");
            tokio::task::yield_now().await;
        }
        if half_seen {
            // The room has arrived, its history has not.
            reader.event("room_joined").await;
        }
        reader.cut();
        let (mut back, recovered) = reader.come_back(&core).await;
        assert!(recovered);
        if !half_seen {
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
    assert!(first.rest().await.is_empty());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_is_decided_after_a_take_over_is_answered_to_the_heir() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, core) = gated_core(folder.path(), config()).await;
    let client = Client::connect(&core).await;
    gate.hold();
    let people = json!({ "userId": person(2), "targetUserId": person(1) });
    client.emit("join_chat", &people);
    gate.reached().await;
    // The join is on its way when the transport breaks and the client comes back.
    let (mut heir, recovered) = client.come_back(&core).await;
    assert!(recovered);
    gate.open();
    let room = heir.event("room_joined").await["roomId"]
        .as_str()
        .unwrap()
        .to_owned();
    heir.event("message_history").await;
    heir.say(&room, 2, "heard");
    assert_eq!(heir.event("new_message").await["body"], "heard");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_memory_has_no_room_for_comes_from_the_log() {
    const MISSED: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let small = HubConfig {
        recent_bytes: 16 << 10,
        ..config()
    };
    let core = core(folder.path(), small).await;
    let mut reader = Client::connect(&core).await;
    let (room, _) = reader.join(2, 1).await;
    let mut writer = Client::connect(&core).await;
    writer.join(1, 2).await;
    for round in 0..3 {
        reader.cut();
        for i in 0..MISSED {
            writer.say(&room, 1, &(round * MISSED + i).to_string());
            writer.event("new_message").await;
        }
        let reads = core.metrics.store_reads.get();
        let (back, recovered) = reader.come_back(&core).await;
        assert!(recovered);
        reader = back;
        for i in 0..MISSED {
            let message = reader.event("new_message").await;
            assert_eq!(message["body"], (round * MISSED + i).to_string());
        }
        // In later rounds it may still be in memory: what was brought back stays for a while.
        assert!(round > 0 || core.metrics.store_reads.get() > reads);
    }
    core.stop().await;
}

#[tokio::test]
async fn a_new_token_for_the_same_person_goes_on_with_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let config = HubConfig {
        expiry_grace: Duration::from_millis(10),
        ..config()
    };
    let core = core(folder.path(), config).await;
    let app = core.directory.default_app().unwrap();
    let token = |number, signed_at| {
        let subject = Subject::new(ExternalId::text(person(number)), None);
        sign(&app, &subject, signed_at, 1).unwrap()
    };
    let now = clock::system_time();
    let mut client = Client::open(&core, None);
    client.send(&format!("40{}", json!({ "token": token(2, now) })));
    client.welcomed().await;
    let (room, _) = client.join(2, 1).await;
    // It expires, and the page asks for a new one while others go on.
    for packet in client.rest().await {
        if let Packet::Event(event) = packet {
            client.check_offset(&event);
        }
    }
    let mut sender = Client::connect(&core).await;
    sender.join(1, 2).await;
    sender.say(&room, 1, "meanwhile");
    sender.event("new_message").await;
    let come_back = |token| {
        let auth = json!({ "token": token, "pid": client.pid, "offset": client.offset });
        let mut back = Client::open(&core, None);
        back.send(&format!("40{auth}"));
        back.last = client.last;
        async {
            back.welcomed().await;
            back
        }
    };
    let somebody_else = come_back(token(3, clock::system_time())).await;
    assert_ne!(somebody_else.pid, client.pid);
    let mut back = come_back(token(2, clock::system_time())).await;
    assert_eq!(back.pid, client.pid);
    assert_eq!(back.event("new_message").await["body"], "meanwhile");
    core.stop().await;
}

#[tokio::test]
async fn only_what_is_still_subscribed_is_heard_again() {
    for offset in [None, Some("lost".to_owned())] {
        let folder = tempfile::tempdir().unwrap();
        let core = core(folder.path(), config()).await;
        let mut client = Client::connect(&core).await;
        let (ended, _) = client.join(3, 1).await;
        let (kept, _) = client.join(3, 2).await;
        client.cut();
        core.stop().await;
        // The subscription to the first one ends while nobody is there.
        let database = rusqlite::Connection::open(folder.path().join("palaver.db")).unwrap();
        let first = "SELECT min(topic_id) FROM subscription";
        let end = format!("DELETE FROM subscription WHERE topic_id = ({first})");
        assert_eq!(database.execute(&end, []).unwrap(), 1);
        drop(database);
        let core = restart(folder.path(), config()).await;
        let anew = offset.is_some();
        client.offset = offset.or(client.offset);
        let (mut back, recovered) = client.come_back(&core).await;
        assert_eq!(recovered, !anew);
        if anew {
            assert_eq!(back.event("room_joined").await["roomId"], kept);
        }
        let sender = Client::connect(&core).await;
        sender.say(&ended, 1, "not for everybody");
        sender.say(&kept, 2, "heard");
        assert_eq!(back.event("new_message").await["body"], "heard");
        core.stop().await;
    }
}

//! Who comes back too late for its events: a new session that inherits from the one before. At no
//! moment is there a client whose recovery id nobody knows.

use serde_json::{Value, json};
use server::core::Core;
use wire::socketio::Packet;

use crate::client::{Client, HEARTBEAT, config, core, is_stored, person, until};
use crate::gate::{Failure, gated_core};

/// A second connection of a client whose offset is none.
fn open_lost(client: &Client, core: &Core) -> Client {
    let back = Client::open(core, None);
    let auth = json!({ "pid": client.pid, "offset": "lost" });
    back.send(&format!("40{auth}"));
    back
}

/// Loses its transport, and comes back with an offset that is none.
fn come_back_lost(mut client: Client, core: &Core) -> Client {
    client.cut();
    open_lost(&client, core)
}

/// Waits until it has rejoined a room by itself, and gives what is in there.
async fn rejoined(client: &mut Client, room: &str) -> Value {
    assert_eq!(client.event("room_joined").await["roomId"], room);
    client.event("message_history").await["messages"].clone()
}

#[tokio::test]
async fn nobody_is_told_of_a_session_that_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, core) = gated_core(folder.path(), config()).await;
    let mut client = Client::connect(&core).await;
    let (room, _) = client.join(2, 1).await;
    for failure in [Failure::RolledBack, Failure::UnknownButStored] {
        let known = client.pid.clone();
        gate.fail_next(failure);
        let mut back = come_back_lost(client, &core);
        assert!(back.rest().await.is_empty(), "{failure:?}: closed, unsaid");
        // All that it knows is the session before, and that still leads to its room.
        back.pid.clone_from(&known);
        let mut back = come_back_lost(back, &core);
        back.welcomed().await;
        assert_ne!(back.pid, known);
        rejoined(&mut back, &room).await;
        back.say(&room, 2, "heard");
        assert_eq!(back.event("new_message").await["body"], "heard");
        client = back;
    }
    core.stop().await;
}

#[tokio::test]
async fn a_session_that_nobody_was_told_of_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, core) = gated_core(folder.path(), config()).await;
    let mut client = Client::connect(&core).await;
    client.join(2, 1).await;
    let known = client.pid.clone();
    gate.hold();
    let mut back = come_back_lost(client, &core);
    gate.reached().await;
    back.cut();
    until("its connection is lost", || core.metrics.sockets.get() == 0).await;
    gate.open();
    until("it is ended", || gate.heirs() == 0).await;
    assert!(is_stored(&core, known.as_deref()));
    core.stop().await;
}

#[tokio::test]
async fn a_join_under_way_is_inherited_too() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, core) = gated_core(folder.path(), config()).await;
    let mut client = Client::connect(&core).await;
    gate.hold();
    let people = json!({ "userId": person(2), "targetUserId": person(1) });
    client.emit("join_chat", &people);
    gate.reached().await;
    // The server does not know yet that the first connection is broken; it closes it for the second.
    let mut back = open_lost(&client, &core);
    assert!(client.rest().await.is_empty());
    gate.open();
    back.welcomed().await;
    let room = back.event("room_joined").await["roomId"].clone();
    back.event("message_history").await;
    back.say(room.as_str().unwrap(), 2, "heard");
    assert_eq!(back.event("new_message").await["body"], "heard");
    core.stop().await;
}

#[tokio::test]
async fn the_session_before_ends_when_the_new_one_is_known_to_have_arrived() {
    type Confirms = fn(&mut Client, &str);
    let confirmations: [(&str, Confirms, bool); 3] = [
        ("an event", |client, room| client.say(room, 2, "here"), true),
        (
            "the second pong",
            |client, _| {
                client.send(HEARTBEAT);
                client.send(HEARTBEAT);
            },
            true,
        ),
        ("a goodbye", |client, _| client.send("41"), false),
    ];
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    for (what, confirm, stays) in confirmations {
        let mut client = Client::connect(&core).await;
        let (room, _) = client.join(2, 1).await;
        let first = client.pid.clone();
        // Whatever became of the welcome, the session before is there to come back with.
        for _ in 0..2 {
            client = come_back_lost(client, &core);
            client.welcomed().await;
            rejoined(&mut client, &room).await;
            client.pid.clone_from(&first);
        }
        client = come_back_lost(client, &core);
        client.welcomed().await;
        client.send(HEARTBEAT);
        rejoined(&mut client, &room).await;
        assert!(is_stored(&core, first.as_deref()), "before {what}");
        confirm(&mut client, &room);
        until(what, || !is_stored(&core, first.as_deref())).await;
        if stays {
            assert!(is_stored(&core, client.pid.as_deref()), "after {what}");
            let (back, recovered) = client.come_back(&core).await;
            assert!(recovered, "after {what}");
            client = back;
        } else {
            until("the end", || !is_stored(&core, client.pid.as_deref())).await;
        }
        client.pid.clone_from(&first);
        let (mut stranger, _) = client.come_back(&core).await;
        stranger.emit("fetch_messages", &json!({ "roomId": room }));
        let Packet::Event(error) = stranger.next("the refusal").await else {
            panic!("the session before is ended after {what}")
        };
        assert!(error.args[0].get().contains("not_identified"));
    }
    core.stop().await;
}

#[tokio::test]
async fn who_had_nothing_to_inherit_is_welcome_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let client = Client::connect(&core).await;
    let mut back = come_back_lost(client, &core);
    back.welcomed().await;
    // No word of an error comes before the answer to this.
    back.join(2, 1).await;
    core.stop().await;
}

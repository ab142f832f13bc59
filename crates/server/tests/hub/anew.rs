//! Who comes back too late for its events: a new session that inherits from the one before. At no
//! moment is there a client whose recovery id nobody knows.

use serde_json::{Value, json};
use server::core::Core;

use crate::client::{Client, config, core, person};
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
    let (gate, core) = gated_core(folder.path()).await;
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
async fn a_join_under_way_is_inherited_too() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, core) = gated_core(folder.path()).await;
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

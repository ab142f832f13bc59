//! How long, and how much: what is replayed, and whom the store remembers.

use std::{path::Path, time::Duration};

use serde_json::json;
use server::{core::Core, hub::HubConfig};
use wire::socketio::Packet;

use crate::client::{Client, config, core, is_stored, person, restart, until};

/// Says something, and waits until it is acknowledged.
async fn say(core: &Core, room: &str, text: &str) {
    let mut writer = Client::connect(core).await;
    let payload = json!({ "roomId": room, "senderId": person(1), "body": text });
    writer.send(&format!("420{}", json!(["send_message", payload])));
    let answer = writer.next("the acknowledgement").await;
    assert!(matches!(answer, Packet::Ack(_)), "{answer:?}");
}

/// Comes back and expects that all was in vain but for the history.
async fn begin_anew(mut client: Client, core: &Core, room: &str, newest: &str) -> Client {
    client.cut();
    let (mut back, recovered) = client.come_back(core).await;
    assert!(!recovered, "{newest}");
    assert_eq!(back.event("room_joined").await["roomId"], room);
    let history = back.event("message_history").await;
    let messages = history["messages"].as_array().unwrap();
    assert_eq!(messages.last().unwrap()["body"], newest);
    back
}

async fn again(core: Core, folder: &Path, config: &HubConfig) -> Core {
    core.stop().await;
    restart(folder, config.clone()).await
}

#[tokio::test]
async fn what_happened_too_long_ago_is_history() {
    let config = HubConfig {
        replay: Duration::ZERO,
        ..config()
    };
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path(), config.clone()).await;
    let mut client = Client::connect(&core).await;
    let (room, _) = client.join(2, 1).await;
    say(&core, &room, "seen").await;
    client.event("new_message").await;
    for restarted in [false, true] {
        if restarted {
            client.cut();
            core = again(core, folder.path(), &config).await;
        }
        // However old the newest message is: nothing was missed.
        client.cut();
        let (back, recovered) = client.come_back(&core).await;
        assert!(recovered, "restarted: {restarted}");
        client = back;
        client.cut();
        say(&core, &room, "missed").await;
        if restarted {
            core = again(core, folder.path(), &config).await;
        }
        client = begin_anew(client, &core, &room, "missed").await;
        say(&core, &room, "heard").await;
        assert_eq!(client.event("new_message").await["body"], "heard");
    }
    core.stop().await;
}

#[tokio::test]
async fn who_missed_more_than_the_budget_begins_anew() {
    let budgets = [
        HubConfig {
            replay_events: 3,
            ..config()
        },
        HubConfig {
            replay_bytes: 3 * 500,
            ..config()
        },
    ];
    for config in budgets {
        let folder = tempfile::tempdir().unwrap();
        let mut core = core(folder.path(), config.clone()).await;
        let mut client = Client::connect(&core).await;
        let (room, _) = client.join(2, 1).await;
        for missed in [3, 4] {
            client.cut();
            for count in 1..=missed {
                say(&core, &room, &count.to_string()).await;
            }
            core = again(core, folder.path(), &config).await;
            if missed == 4 {
                client = begin_anew(client, &core, &room, "4").await;
            } else {
                let (back, recovered) = client.come_back(&core).await;
                assert!(recovered);
                client = back;
                for count in 1..=missed {
                    let message = client.event("new_message").await;
                    assert_eq!(message["body"], count.to_string());
                }
            }
        }
        core.stop().await;
    }
}

#[tokio::test]
async fn who_stays_is_remembered_and_who_does_not_return_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let config = HubConfig {
        remember: Duration::from_millis(700),
        ..config()
    };
    let core = core(folder.path(), config).await;
    let mut stays = Client::connect(&core).await;
    let (room, _) = stays.join(1, 2).await;
    for _ in 0..3 {
        let mut leaves = Client::connect(&core).await;
        leaves.join(2, 1).await;
        leaves.cut();
        let is_forgotten = || !is_stored(&core, leaves.pid.as_deref());
        until("nobody is forgotten", is_forgotten).await;
        assert!(is_stored(&core, stays.pid.as_deref()));
    }
    stays.say(&room, 1, "still here");
    stays.event("new_message").await;
    core.stop().await;
}

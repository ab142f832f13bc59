//! Rooms of live streams: read by many who do not say who they are, each under its own name for them.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use chat::{
    Command, Refusal, Reply, UserRef,
    command::Destination,
    model::Body,
    room::{RoomAct, RoomName},
};
use serde_json::{Value, json};
use server::{core::Core, hub::HubConfig, listen::Peer};
use wire::socketio::Packet;

use crate::{
    client::{Client, config, core, restart},
    leaving::run,
    tokens::token,
};

const MESSAGE: &str = r"App\Events\ChatMessageEvent";

/// Makes a room; its number.
async fn room(core: &Core, slug: &str, private: bool) -> i64 {
    let create = Command::CreateRoom {
        slug: slug.to_owned(),
        title: None,
        owner: "olga".to_owned(),
        private,
    };
    let Reply::InRoom { conversation, .. } = run(core, create).await else {
        panic!("a room");
    };
    conversation.conversation.numbers.unwrap().chatroom
}

/// Somebody writes in a room.
async fn say(core: &Core, room: i64, text: &str) {
    let send = Command::Send {
        to: Destination::Room {
            room: RoomName::Chatroom(room),
            standing: None,
        },
        sender: UserRef::Called("ada".to_owned()),
        body: Body::text(text),
        client_id: None,
    };
    run(core, send).await;
}

fn from(address: &str) -> Peer {
    Peer {
        ip: address.parse::<IpAddr>().unwrap(),
        ..Peer::local()
    }
}

async fn reader_from(core: &Core, peer: Peer) -> Client {
    let mut client = Client::open_from(core, peer);
    client.send("40");
    client.welcomed().await;
    client
}

impl Client {
    /// Asks, and waits for the acknowledgement; what came before it.
    async fn ask_about(
        &mut self,
        event: &str,
        room: i64,
        name: Option<&str>,
    ) -> (Value, Vec<Value>) {
        let payload = json!({ "channelName": name, "chatroomId": room.to_string() });
        self.send(&format!("421{}", json!([event, payload])));
        let mut before = Vec::new();
        loop {
            match self.next("an acknowledgement").await {
                Packet::Ack(ack) => {
                    return (serde_json::from_str(ack.args[0].get()).unwrap(), before);
                }
                Packet::Event(event) => {
                    self.check_offset(&event);
                    before.push(serde_json::from_str(event.args[0].get()).unwrap());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn subscribe(&mut self, room: i64, name: Option<&str>) {
        let (ack, _) = self.ask_about("subscribe", room, name).await;
        assert_eq!(ack, json!({ "success": true }));
    }

    /// Is refused, by the dialect's event and by the acknowledgement.
    async fn subscribe_in_vain(&mut self, room: i64, code: &str) {
        let (ack, before) = self.ask_about("subscribe", room, None).await;
        assert_eq!(ack["error"]["code"], code);
        assert_eq!(before.len(), 1, "{before:?}");
        assert_eq!(before[0]["code"], code);
    }

    async fn unsubscribe(&mut self, room: i64) {
        let (ack, _) = self.ask_about("unsubscribe", room, None).await;
        assert_eq!(ack, json!({ "success": true }));
    }

    /// The next message, and what the room is called in it.
    async fn message(&mut self) -> (String, String) {
        let message = self.event(MESSAGE).await;
        let text = |key: &str| message[key].as_str().unwrap().to_owned();
        (text("content"), text("channel_name"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reader_is_told_its_own_name_and_those_of_one_name_share_their_frames() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let room = room(&core, "xqc", false).await;
    let names = ["Xqc", "Xqc", "XQC", "xQc", "xqC"];
    let shown_the_slug = [Some("fifth"), Some("xqc"), None];
    let mut readers = Vec::new();
    for name in names.map(Some).into_iter().chain(shown_the_slug) {
        let mut reader = Client::connect(&core).await;
        reader.subscribe(room, name).await;
        readers.push((reader, name.unwrap_or("xqc")));
    }
    let before = core.metrics.frames_built.get();
    say(&core, room, "hello").await;
    for (reader, name) in &mut readers {
        let name = if *name == "fifth" { "xqc" } else { name };
        assert_eq!(
            reader.message().await,
            ("hello".to_owned(), name.to_owned())
        );
    }
    let built = core.metrics.frames_built.get() - before;
    assert_eq!(built, 5, "four names and the slug");

    // A name that nobody uses any longer makes room for another one.
    let (mut last, _) = readers.remove(4);
    last.unsubscribe(room).await;
    let mut next = Client::connect(&core).await;
    next.subscribe(room, Some("sixth")).await;
    say(&core, room, "again").await;
    assert_eq!(next.message().await.1, "sixth");
    let (fifth, _) = &mut readers[4];
    assert_eq!(fifth.message().await.1, "xqc");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_name_counts_from_then_on_and_nothing_is_lost_or_doubled() {
    const MESSAGES: usize = 600;
    let folder = tempfile::tempdir().unwrap();
    let core = Arc::new(core(folder.path(), config()).await);
    let room = room(&core, "xqc", false).await;
    let mut reader = Client::connect(&core).await;
    reader.subscribe(room, Some("first")).await;
    let writer = {
        let core = Arc::clone(&core);
        tokio::spawn(async move {
            for count in 0..MESSAGES {
                say(&core, room, &count.to_string()).await;
            }
        })
    };
    let (mut heard, mut names) = (Vec::new(), HashMap::new());
    for turn in 0.. {
        let is_last = writer.is_finished();
        let name = format!("name {turn}");
        let (ack, before) = reader.ask_about("subscribe", room, Some(&name)).await;
        assert_eq!(ack, json!({ "success": true }));
        for message in before {
            heard.push(message["content"].as_str().unwrap().to_owned());
            let name = message["channel_name"].as_str().unwrap().to_owned();
            *names.entry(name).or_insert(0) += 1;
        }
        if is_last {
            break;
        }
    }
    writer.await.unwrap();
    let all: Vec<_> = (0..MESSAGES).map(|count| count.to_string()).collect();
    assert_eq!(heard, all);
    assert!(names.len() > 1, "it was always called {names:?}");
    reader.subscribe(room, Some("last")).await;
    say(&core, room, "now").await;
    assert_eq!(
        reader.message().await,
        ("now".to_owned(), "last".to_owned())
    );
    Arc::into_inner(core).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_is_kept_for_who_comes_back_from_memory_from_the_store_and_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path(), config()).await;
    let room = room(&core, "xqc", false).await;
    let mut reader = Client::connect(&core).await;
    reader.subscribe(room, Some("old name")).await;
    reader.subscribe(room, Some("Their Name")).await;
    say(&core, room, "0").await;
    reader.message().await;

    reader.cut();
    say(&core, room, "1").await;
    let (mut reader, recovered) = reader.come_back(&core).await;
    assert!(recovered);
    let mine = |text: &str| (text.to_owned(), "Their Name".to_owned());
    assert_eq!(reader.message().await, mine("1"));

    reader.cut();
    say(&core, room, "2").await;
    core.stop().await;
    core = restart(folder.path(), config()).await;
    let (mut reader, recovered) = reader.come_back(&core).await;
    assert!(recovered);
    assert_eq!(reader.message().await, mine("2"));

    // What was missed cannot be had: the room is kept, and the name.
    reader.cut();
    say(&core, room, "3").await;
    core.stop().await;
    let nothing = HubConfig {
        replay_events: 0,
        ..config()
    };
    core = restart(folder.path(), nothing).await;
    let (mut reader, recovered) = reader.come_back(&core).await;
    assert!(!recovered);
    say(&core, room, "4").await;
    assert_eq!(reader.message().await, mine("4"));
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_a_few_readers_who_bring_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let two = HubConfig {
        readers_per_ip: 2,
        ..config()
    };
    let core = core(folder.path(), two).await;
    let (room, other) = (
        room(&core, "xqc", false).await,
        self::room(&core, "other", false).await,
    );
    let here = || from("192.0.2.1");
    let mut first = reader_from(&core, here()).await;
    first.subscribe(room, None).await;
    first.subscribe(other, None).await;
    // A room that is not there takes no place, and nor does a place twice taken count twice.
    let mut second = reader_from(&core, here()).await;
    second.subscribe_in_vain(1, "unknown_conversation").await;
    let mut third = reader_from(&core, here()).await;
    third.subscribe(room, None).await;
    second.subscribe_in_vain(room, "too_many_readers").await;

    // Neither another address, nor this machine, nor whoever brings something.
    reader_from(&core, from("192.0.2.2"))
        .await
        .subscribe(room, None)
        .await;
    for _ in 0..3 {
        Client::connect(&core).await.subscribe(room, None).await;
        let mut keyed = Client::open_from(&core, here());
        keyed.send(r#"40{"appKey":"a client key"}"#);
        keyed.welcomed().await;
        keyed.subscribe(room, None).await;
        let mut known = Client::open_from(&core, here());
        known.send(&format!(
            "40{}",
            json!({ "token": token(&core, "ann", None, 0) })
        ));
        known.welcomed().await;
        known.subscribe(room, None).await;
    }

    // Who leaves one of two rooms still reads; who leaves the last one makes room, as does who goes.
    first.unsubscribe(other).await;
    second.subscribe_in_vain(room, "too_many_readers").await;
    first.unsubscribe(room).await;
    second.subscribe(room, None).await;
    first.subscribe_in_vain(room, "too_many_readers").await;
    say(&core, room, "hello").await;
    assert_eq!(third.message().await.0, "hello");
    third.cut();
    crate::client::until("the place of who has gone", || third.output.is_closed()).await;
    first.subscribe(room, None).await;
    say(&core, room, "once more").await;
    assert_eq!(
        first.message().await.0,
        "once more",
        "and not what was before"
    );
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_needs_a_place_too() {
    let folder = tempfile::tempdir().unwrap();
    let one = || HubConfig {
        readers_per_ip: 1,
        ..config()
    };
    let mut core = core(folder.path(), one()).await;
    let room = room(&core, "xqc", false).await;
    let here = || from("192.0.2.1");
    let mut reader = reader_from(&core, here()).await;
    reader.subscribe(room, None).await;
    say(&core, room, "0").await;
    reader.message().await;

    // Its connection before is still there: the place is its own.
    let (reader, recovered) = reader.come_back_from(&core, here()).await;
    assert!(recovered);
    // From another address it takes one there, and leaves the one here.
    let (mut reader, recovered) = reader.come_back_from(&core, from("192.0.2.9")).await;
    assert!(recovered);
    let mut other = reader_from(&core, here()).await;
    other.subscribe(room, None).await;

    for is_restarted in [false, true] {
        reader.cut();
        if is_restarted {
            other.cut();
            core.stop().await;
            core = restart(folder.path(), one()).await;
            (other, _) = other.come_back_from(&core, here()).await;
        }
        let (mut back, recovered) = reader.come_back_from(&core, here()).await;
        assert!(!recovered, "there is no place");
        let refusal = Refusal::TooManyReaders { limit: 1 };
        let Packet::Event(told) = back.next("why").await else {
            panic!("an event");
        };
        back.check_offset(&told);
        assert_eq!(told.name, "error");
        let told: Value = serde_json::from_str(told.args[0].get()).unwrap();
        assert_eq!(told["code"], refusal.code());
        say(&core, room, "for others").await;
        assert_eq!(other.message().await.0, "for others");
        back.subscribe_in_vain(room, refusal.code()).await;
        other.unsubscribe(room).await;
        back.subscribe(room, None).await;
        say(&core, room, "for both").await;
        assert_eq!(back.message().await.0, "for both");
        (reader, other) = (back, reader_from(&core, here()).await);
        reader.unsubscribe(room).await;
        other.subscribe(room, None).await;
        reader.subscribe_in_vain(room, refusal.code()).await;
        other.unsubscribe(room).await;
        reader.subscribe(room, None).await;
        say(&core, room, "last").await;
        reader.message().await;
        reader.cut();
        crate::client::until("the place of who has gone", || reader.output.is_closed()).await;
        other.subscribe(room, None).await;
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_room_and_one_that_is_gone_are_closed_to_who_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let (secret, gone) = (
        room(&core, "secret", true).await,
        room(&core, "gone", false).await,
    );
    let mut nobody = Client::connect(&core).await;
    nobody.subscribe_in_vain(secret, "token_required").await;
    let auth = json!({ "token": token(&core, "ann", None, 0) });
    let mut known = Client::connect_as(&core, None, &format!("40{auth}")).await;
    known.subscribe(secret, None).await;
    known.subscribe(gone, None).await;
    say(&core, secret, "0").await;
    known.message().await;
    known.cut();

    let (pid, offset) = (known.pid.clone(), known.offset.clone());
    let mut back = json!({ "pid": pid, "offset": offset });
    let mut thief = Client::connect_as(&core, None, &format!("40{back}")).await;
    assert_ne!(thief.pid, pid, "the session is of who brings the token");

    let find = chat::store::ConversationName::Room(RoomName::Chatroom(gone));
    let app = core.directory.default_app().unwrap().id;
    let found = core.store.conversation(app, &find).unwrap().unwrap();
    let delete = Command::DeleteConversation {
        conversation: found.conversation.uuid,
        by: None,
    };
    run(&core, delete).await;
    say(&core, secret, "1").await;
    back["token"] = auth["token"].clone();
    let mut known = Client::connect_as(&core, None, &format!("40{back}")).await;
    assert_eq!(known.pid, pid);
    assert_eq!(known.message().await.0, "1");
    let (ack, _) = known.ask_about("subscribe", gone, None).await;
    assert_eq!(ack["error"]["code"], "unknown_conversation");
    thief.subscribe_in_vain(secret, "token_required").await;
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_by_itself_ends_when_its_time_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let room = room(&core, "xqc", false).await;
    say(&core, room, "0").await;
    let mut reader = Client::connect(&core).await;
    reader.subscribe(room, None).await;
    let ban = Command::InRoom {
        room: RoomName::Chatroom(room),
        by: None,
        act: Box::new(RoomAct::Ban {
            username: "ada".to_owned(),
            minutes: Some(1),
        }),
    };
    run(&core, ban).await;
    reader.event(r"App\Events\UserBannedEvent").await;
    core.clock.advance(Duration::from_secs(59));
    core.end_due().await;
    let (_, before) = reader.ask_about("subscribe", room, None).await;
    assert!(before.is_empty(), "{before:?}");
    // Nobody asks for it.
    core.clock.advance(Duration::from_secs(2));
    let unbanned = reader.event(r"App\Events\UserUnbannedEvent").await;
    assert_eq!(unbanned["permanent"], false);
    core.stop().await;
}

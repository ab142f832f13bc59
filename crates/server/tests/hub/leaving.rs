//! The end of listening, what its cause does not hear, and what passes: in `minchat`, which has them.

use std::sync::Arc;

use chat::{
    Actor, Command, ExternalId, Proof, Reply, UserRef,
    model::{Details, Scope},
};
use serde_json::{Value, json};
use server::core::Core;
use wire::socketio::Packet;

use crate::client::{Client, config, core, restart};

const KEY: &str = "a client key";

/// A group of two, made by the app's own server.
pub(crate) struct Group {
    pub(crate) chat: String,
    pub(crate) ann: String,
    pub(crate) bob: String,
}

pub(crate) async fn run(core: &Core, command: Command) -> Reply {
    let actor = Arc::new(Actor {
        app: core.directory.default_app().unwrap(),
        subject: None,
        scope: Scope::Server,
        proof: Proof::default(),
        session: None,
    });
    core.queue.run(actor, command).await.unwrap()
}

pub(crate) async fn group(core: &Core) -> Group {
    let named = |name| UserRef::Named(ExternalId::text(name));
    let made = run(
        core,
        Command::CreateGroup {
            owner: named("ann"),
            members: vec![named("bob")],
            details: Details::default(),
        },
    )
    .await;
    let Reply::Opened { conversation, .. } = made else {
        panic!("a group, not {made:?}");
    };
    let [ann, bob] = &*conversation.members else {
        panic!("two members");
    };
    Group {
        chat: conversation.conversation.uuid.to_string(),
        ann: ann.user.uuid.to_string(),
        bob: bob.user.uuid.to_string(),
    }
}

impl Client {
    /// Emits an event and waits for its acknowledgement; the names of the events before it.
    pub(crate) async fn ask(&mut self, name: &str, mut payload: Value) -> (Vec<String>, Value) {
        payload["apiKey"] = json!(KEY);
        self.send(&format!("427{}", json!([name, payload])));
        let mut before = Vec::new();
        loop {
            match self.next("an acknowledgement").await {
                Packet::Ack(ack) => {
                    let ack: Value = serde_json::from_str(ack.args[0].get()).unwrap();
                    assert_ne!(ack["success"], false, "{name}: {ack}");
                    return (before, ack);
                }
                Packet::Event(event) => {
                    self.check_offset(&event);
                    before.push(event.name);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Says who it is and listens to the chat.
    pub(crate) async fn enter(&mut self, chat: &str, user: &str) {
        self.ask("room.user.join", json!({ "channelUserId": user }))
            .await;
        self.ask("room.join", json!({ "channelId": chat })).await;
    }

    pub(crate) async fn write(&mut self, chat: &str, user: &str, text: &str) -> Vec<String> {
        let message = json!({ "chat_id": chat, "user_id": user, "text": text });
        self.ask("message", message).await.0
    }

    /// The texts of the messages that came before the answer to a question.
    pub(crate) async fn heard(&mut self, user: &str) -> Vec<String> {
        let question = json!(["user.status", { "memberId": user, "apiKey": KEY }]);
        self.send(&format!("428{question}"));
        let mut texts = Vec::new();
        loop {
            match self.next("an acknowledgement").await {
                Packet::Ack(_) => return texts,
                Packet::Event(event) => {
                    self.check_offset(&event);
                    if event.name == "message" {
                        let message: Value = serde_json::from_str(event.args[0].get()).unwrap();
                        texts.push(message["text"].as_str().unwrap().to_owned());
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_hears_nothing_until_joining_again() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { chat, ann, bob } = group(&core).await;
    let mut writer = Client::connect(&core).await;
    let mut reader = Client::connect(&core).await;
    reader.enter(&chat, &bob).await;
    for round in 0..20 {
        writer.write(&chat, &ann, &format!("heard {round}")).await;
        assert_eq!(reader.heard(&bob).await, [format!("heard {round}")]);
        reader.ask("room.leave", json!({ "channelId": chat })).await;
        writer.write(&chat, &ann, "not heard").await;
        assert!(reader.heard(&bob).await.is_empty(), "round {round}");
        reader.ask("room.join", json!({ "channelId": chat })).await;
    }
    // What it had left is not shown to it when it comes back either.
    reader.cut();
    let (mut reader, recovered) = reader.come_back(&core).await;
    assert!(recovered && reader.heard(&bob).await.is_empty());
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_put_out_hears_nothing_more_not_even_on_coming_back() {
    for is_there in [true, false] {
        for restarts in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let mut core = core(folder.path(), config()).await;
            let Group { chat, ann, bob } = group(&core).await;
            let mut reader = Client::connect(&core).await;
            reader.enter(&chat, &bob).await;
            let mut writer = Client::connect(&core).await;
            writer.write(&chat, &ann, "for both").await;
            assert_eq!(reader.heard(&bob).await, ["for both"]);
            if !is_there {
                reader.cut();
            }
            let conversation = chat.parse().unwrap();
            let user = UserRef::Known("bob".to_owned());
            let by = None;
            let put_out = Command::RemoveMember {
                conversation,
                user,
                by,
            };
            run(&core, put_out).await;
            writer.write(&chat, &ann, "for ann alone").await;
            if is_there {
                assert!(reader.heard(&bob).await.is_empty());
                reader.cut();
            }
            if restarts {
                drop(writer);
                core.stop().await;
                core = restart(folder.path(), config()).await;
            }
            let (mut reader, recovered) = reader.come_back(&core).await;
            let mut writer = Client::connect(&core).await;
            writer.write(&chat, &ann, "for ann alone, still").await;
            let heard = reader.heard(&bob).await;
            assert!(
                heard.is_empty(),
                "{is_there} {restarts} {recovered}: {heard:?}"
            );
            core.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_chat_is_heard_of_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { chat, ann, bob } = group(&core).await;
    let mut reader = Client::connect(&core).await;
    reader.enter(&chat, &bob).await;
    let mut writer = Client::connect(&core).await;
    let conversation = chat.parse().unwrap();
    let by = None;
    run(&core, Command::DeleteConversation { conversation, by }).await;
    let message = json!(["message", {
        "chat_id": chat, "user_id": ann, "text": "to nobody", "apiKey": KEY }]);
    writer.send(&format!("421{message}"));
    loop {
        if let Packet::Ack(ack) = writer.next("a refusal").await {
            let ack: Value = serde_json::from_str(ack.args[0].get()).unwrap();
            assert_eq!(ack["error"]["code"], "unknown_conversation");
            break;
        }
    }
    assert!(reader.heard(&bob).await.is_empty());
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_does_not_hear_its_own_messages_live_or_again() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { chat, ann, bob } = group(&core).await;
    let mut writer = Client::connect(&core).await;
    writer.enter(&chat, &ann).await;
    let mut other = Client::connect(&core).await;
    other.enter(&chat, &bob).await;
    let offset = writer.offset.clone();
    for text in ["one", "two"] {
        assert!(writer.write(&chat, &ann, text).await.is_empty());
    }
    assert_eq!(other.heard(&bob).await, ["one", "two"]);
    other.write(&chat, &bob, "three").await;
    assert_eq!(writer.heard(&ann).await, ["three"]);
    // Again from its beginning, out of the same memory.
    writer.offset = offset;
    writer.last = None;
    writer.cut();
    let (mut writer, recovered) = writer.come_back(&core).await;
    assert!(recovered);
    assert_eq!(writer.heard(&ann).await, ["three"]);
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_is_shown_to_others_and_ends_when_its_socket_goes() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { chat, ann, bob } = group(&core).await;
    let mut reader = Client::connect(&core).await;
    reader.enter(&chat, &ann).await;
    let mut elsewhere = Client::connect(&core).await;
    elsewhere.enter(&chat, &bob).await;
    let mut typist = Client::connect(&core).await;
    typist.enter(&chat, &bob).await;
    let typing = json!({ "channelId": chat, "user": { "id": bob } });
    typist.ask("typing.start", typing).await;
    for name in ["typing.start", "typing.stop"] {
        let Packet::Event(event) = reader.next(name).await else {
            panic!("an event")
        };
        assert_eq!((&*event.name, event.args.len()), (name, 1), "no offset");
        let user: Value = serde_json::from_str(event.args[0].get()).unwrap();
        assert_eq!(user["username"], "bob");
        // Then its connection is lost, before it has said that it stopped.
        typist.cut();
    }
    let status = elsewhere.ask("user.status", json!({ "memberId": bob }));
    let (before, status) = status.await;
    assert!(before.is_empty(), "one's own sockets are not told");
    assert_eq!(status["status"], "online");
    core.stop().await;
}

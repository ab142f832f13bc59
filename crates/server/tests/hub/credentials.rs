//! Keys and tokens that stand in payloads: what they open, and what becomes of listening when they end.

use std::sync::Arc;

use chat::{
    App, AppId, Command, ExternalId, Identity, KeyId, Reply, Subject,
    model::{Scope, Secret},
    store::UserName,
};
use serde_json::{Value, json};
use server::{clock, core::Core, identity::token};
use wire::socketio::Packet;

use crate::{
    client::{Client, config, core, key, restart, until},
    leaving::{Group, group, run},
};

const KEY: &str = "a client key";

impl Client {
    /// Asks with a key; the code of the refusal, if it is one.
    async fn ask_with(&mut self, key: &str, name: &str, mut payload: Value) -> Option<String> {
        payload["apiKey"] = json!(key);
        self.send(&format!("429{}", json!([name, payload])));
        loop {
            match self.next("an acknowledgement").await {
                Packet::Ack(ack) => {
                    let ack: Value = serde_json::from_str(ack.args[0].get()).unwrap();
                    return ack["error"]["code"].as_str().map(str::to_owned);
                }
                Packet::Event(event) => self.check_offset(&event),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Another app, where tokens must say who acts; its client key is its name.
async fn verified_app(core: &Core, name: &str) -> Arc<App> {
    let app = App {
        name: name.to_owned(),
        uuid: uuid::Uuid::from_u128(2),
        identity: Identity::Verified,
        is_default: false,
        secret: Secret("t".repeat(40)),
        ..App::clone(&core.directory.default_app().unwrap())
    };
    let create = Command::CreateApp {
        app: Box::new(app),
        keys: vec![key(Scope::Client, name)],
    };
    let Reply::AppCreated { app } = run(core, create).await else {
        panic!("made")
    };
    core.directory.reload().unwrap();
    app
}

/// A token of a user, good for an hour from so many seconds ago.
fn user_key(app: &App, name: &str, seconds_ago: i64) -> String {
    let subject = Subject::new(ExternalId::text(name), None);
    let now = chat::Timestamp(clock::system_time().0 - 1_000 * seconds_ago);
    token::sign(app, &subject, now, 3_600).unwrap()
}

fn key_id(core: &Core, app: AppId, scope: Scope) -> KeyId {
    let keys = core.store.keys(app).unwrap();
    keys.iter().find(|key| key.scope == scope).unwrap().id
}

async fn revoke(core: &Core, key: KeyId) {
    run(core, Command::RevokeKey { key }).await;
    core.directory.reload().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_opens_its_own_app_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { chat, bob, .. } = group(&core).await;
    verified_app(&core, "shop").await;
    let mut client = Client::connect(&core).await;
    let join = json!({ "channelId": chat });
    let me = json!({ "channelUserId": bob });
    for wrong in ["nonsense", ""] {
        let refused = client.ask_with(wrong, "room.join", join.clone()).await;
        assert_eq!(refused.as_deref(), Some("unknown_key"), "{wrong}");
    }
    let refused = client.ask_with("shop", "room.user.join", me.clone()).await;
    assert_eq!(refused.as_deref(), Some("token_required"));
    for own in [KEY, "a server key"] {
        assert_eq!(client.ask_with(own, "room.join", join.clone()).await, None);
        assert_eq!(
            client.ask_with(own, "room.user.join", me.clone()).await,
            None
        );
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_key_speaks_for_its_user_while_it_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let shop = verified_app(&core, "shop").await;
    let mut client = Client::connect_as(&core, None, r#"40{"appKey":"shop"}"#).await;
    let put = |name| Command::PutUser {
        user: ExternalId::text(name),
        patch: chat::command::ProfilePatch::default(),
    };
    let server = Arc::new(chat::Actor {
        app: Arc::clone(&shop),
        subject: None,
        scope: Scope::Server,
        proof: chat::Proof::default(),
        session: None,
    });
    for name in ["ann", "bob"] {
        core.queue
            .run(Arc::clone(&server), put(name))
            .await
            .unwrap();
    }
    let uuid = |name: &str| {
        let name = UserName::External(name.to_owned());
        let user = core.store.user(shop.id, &name).unwrap().unwrap();
        json!({ "channelUserId": user.uuid })
    };
    let other = App {
        secret: Secret("u".repeat(40)),
        ..App::clone(&shop)
    };
    for (key, user, expected) in [
        (user_key(&shop, "ann", 0), "ann", None),
        (
            user_key(&shop, "ann", 0),
            "bob",
            Some("not_the_tokens_subject"),
        ),
        (user_key(&shop, "ann", 7_200), "ann", Some("token_expired")),
        (user_key(&other, "ann", 0), "ann", Some("unknown_key")),
        ("shop".to_owned(), "ann", Some("token_required")),
        (user_key(&shop, "bob", 0), "bob", None),
    ] {
        let answer = client.ask_with(&key, "room.user.join", uuid(user)).await;
        assert_eq!(answer.as_deref(), expected, "{user}");
    }
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_by_a_revoked_key_is_put_out() {
    let folder = tempfile::tempdir().unwrap();
    let core = core(folder.path(), config()).await;
    let Group { chat, bob, .. } = group(&core).await;
    let mut client = Client::connect(&core).await;
    client.enter(&chat, &bob).await;
    let app = core.directory.default_app().unwrap().id;
    revoke(&core, key_id(&core, app, Scope::Client)).await;
    let last = client.rest().await.pop();
    assert!(matches!(last, Some(Packet::Disconnect { .. })), "{last:?}");
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_after_the_key_was_revoked_hears_nothing() {
    for restarts in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let mut core = core(folder.path(), config()).await;
        let Group { chat, ann, bob } = group(&core).await;
        let mut client = Client::connect(&core).await;
        client.enter(&chat, &bob).await;
        client.cut();
        until("its connection is lost", || core.metrics.sockets.get() == 0).await;
        let app = core.directory.default_app().unwrap().id;
        revoke(&core, key_id(&core, app, Scope::Client)).await;
        if restarts {
            core.stop().await;
            core = restart(folder.path(), config()).await;
        }
        let mut writer = Client::connect(&core).await;
        let message = json!({ "chat_id": chat, "user_id": ann, "text": "not for you" });
        for _ in 0..2 {
            let answer = writer.ask_with("a server key", "message", message.clone());
            assert_eq!(answer.await, None);
        }
        let (mut client, _) = client.come_back(&core).await;
        let answer = writer.ask_with("a server key", "message", message.clone());
        assert_eq!(answer.await, None);
        // What comes next is the answer to this, and nothing before it.
        client.send(&format!(
            "429{}",
            json!(["room.join", { "channelId": chat, "apiKey": KEY }])
        ));
        loop {
            match client.next("a refusal").await {
                Packet::Event(event) => assert_eq!(event.name, "error"),
                Packet::Ack(ack) => break assert!(ack.args[0].get().contains("unknown_key")),
                other => panic!("{other:?}"),
            }
        }
        core.stop().await;
    }
}

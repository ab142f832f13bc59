//! Files that come with events: on disk before anybody is told, in their place, and gone if the event
//! was refused.

use std::{path::Path, sync::Arc};

use chat::{
    Actor, App, Command, ExternalId, Proof, Reply, User, UserRef, command::ProfilePatch,
    model::Scope,
};
use serde_json::{Value, json};
use server::{
    core::Core,
    hub::HubConfig,
    media::{MediaConfig, MediaStore},
};
use wire::socketio::Packet;

use crate::client::{BYTES, Client, config, core, until};

const LIMIT: u64 = 100_000;
const FILE: &str = r#"{"_placeholder":true,"num":0}"#;

struct Scene {
    core: Core,
    client: Client,
    chat: uuid::Uuid,
    ada: uuid::Uuid,
}

fn with_media(folder: &Path) -> HubConfig {
    let media = MediaConfig {
        max_bytes: LIMIT,
        free_space_floor: 0,
    };
    let media = MediaStore::open(folder, media).unwrap();
    HubConfig {
        media: Some(Arc::new(media)),
        ..config()
    }
}

async fn scene(folder: &Path, config: HubConfig) -> Scene {
    let core = core(folder, config).await;
    let app = core.directory.default_app().unwrap();
    let ada = put(&core, &app, "ada").await;
    put(&core, &app, "bob").await;
    let open = Command::OpenDirect {
        user: UserRef::Uuid(ada.uuid),
        other: UserRef::Known("bob".to_owned()),
        metadata: None,
        dialect: None,
    };
    let Reply::Opened { conversation, .. } = core.queue.run(actor(&app), open).await.unwrap()
    else {
        panic!("no chat")
    };
    let client = Client::connect(&core).await;
    Scene {
        client,
        chat: conversation.conversation.uuid,
        ada: ada.uuid,
        core,
    }
}

async fn put(core: &Core, app: &Arc<App>, name: &str) -> Arc<User> {
    let command = Command::PutUser {
        user: ExternalId::text(name),
        patch: ProfilePatch::default(),
    };
    match core.queue.run(actor(app), command).await {
        Ok(Reply::User { user }) => user,
        other => panic!("{other:?}"),
    }
}

fn actor(app: &Arc<App>) -> Arc<Actor> {
    Arc::new(Actor {
        app: Arc::clone(app),
        subject: None,
        scope: Scope::Server,
        proof: Proof::default(),
        session: None,
    })
}

impl Scene {
    fn say(&self, ack: u32, text: &str) {
        let payload = json!(["message", self.payload(text)]);
        self.client.send(&format!("42{ack}{payload}"));
    }

    fn say_with(&self, ack: u32, text: &str, bytes: &str) {
        let mut payload = self.payload(text);
        payload["file"] = json!({ "name": "notes.txt", "buffer": "FILE" });
        let payload = json!(["message", payload]).to_string();
        let payload = payload.replace(r#""FILE""#, FILE);
        self.client.send(&format!("451-{ack}{payload}"));
        self.client.send(&format!("{BYTES}{bytes}"));
    }

    fn payload(&self, text: &str) -> Value {
        json!({ "text": text, "chat_id": self.chat, "user_id": self.ada, "apiKey": "a client key" })
    }

    /// The next acknowledgement, which must be this one.
    async fn ack(&mut self, id: u64) -> Value {
        loop {
            if let Packet::Ack(ack) = self.client.next("an acknowledgement").await {
                assert_eq!(ack.id, id);
                return serde_json::from_str(ack.args[0].get()).unwrap();
            }
        }
    }
}

/// What is in the folder of files and is whole.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = folder.join("media").read_dir().unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    files.map(|path| std::fs::read(path).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_is_on_disk_before_its_message_and_nothing_overtakes_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = scene(folder.path(), with_media(folder.path())).await;
    scene.say(1, "before");
    scene.say_with(2, "with a file", "what is in it");
    scene.say(3, "after");
    assert_eq!(scene.ack(1).await["text"], "before");
    let message = scene.ack(2).await;
    assert_eq!(message["success"], true, "{message}");
    assert_eq!(message["file"]["name"], "notes.txt");
    assert_eq!(files(folder.path()), [b"what is in it"]);
    let after = scene.ack(3).await;
    assert!(message["id"].as_str() < after["id"].as_str());
    scene.core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_file_of_a_refused_or_repeated_message_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = scene(folder.path(), with_media(folder.path())).await;
    let chat = std::mem::replace(&mut scene.chat, uuid::Uuid::from_u128(7));
    scene.say_with(1, "to nobody", "lost");
    assert_eq!(scene.ack(1).await["code"], "unknown_conversation");
    until("the file of a refused message is there", || {
        files(folder.path()).is_empty()
    })
    .await;
    scene.chat = chat;
    let long = "x".repeat(usize::try_from(LIMIT).unwrap() + 1);
    scene.say_with(2, "too long", &long);
    let refused = scene.ack(2).await;
    assert_eq!(refused["code"], "file_too_large");
    assert!(refused["message"].as_str().unwrap().starts_with("file "));
    assert!(files(folder.path()).is_empty());
    scene.say(3, "goes on");
    assert_eq!(scene.ack(3).await["success"], true);
    scene.core.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn where_no_files_are_kept_none_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = scene(folder.path(), config()).await;
    scene.say_with(1, "with a file", "what is in it");
    assert_eq!(scene.ack(1).await["code"], "unavailable");
    scene.core.stop().await;
}

//! What the embedded store costs: bytes in the WAL, time per commit, time per read.
//!
//!     cargo run --release -p server --example store-figures [FOLDER]
//!
//! Writes into a new folder inside FOLDER (the system's temporary folder by default; mind that it
//! is on the disk that you mean) and takes it away afterwards. Takes a minute or two.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chat::{
    App, AppId, Conversation, ConversationId, ConversationKind, ExternalId, Identity, Message,
    MessageView, Store, Timestamp, User, UserId,
    model::{Secret, pair_key},
    store::{Batch, Change, Need},
};
use server::stores::{Options, Sqlite};
use tempfile::TempDir;
use uuid::Uuid;

const TEXT: usize = 150;

fn main() {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(TempDir::new, TempDir::new_in)
        .unwrap();
    println!("Texts of {TEXT} bytes, in {}\n", folder.path().display());
    println!(
        "| conversations | messages before | messages a commit | client ids | WAL bytes a message | ms a commit | \
         slowest of 100 | messages/s |\n| ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |"
    );
    let mut lines = Vec::new();
    for conversations in [1_000, 50_000] {
        for client_ids in [false, true] {
            let name = format!("{conversations}-{client_ids}");
            let store = Sqlite::open(&folder.path().join(name), &Options::default()).unwrap();
            let mut world = World::populate(&store, conversations, client_ids);
            // So that the tables have their shape before anything is measured.
            for _ in 0..conversations / 500 {
                store.commit(&world.batch(1_000)).unwrap();
            }
            for (size, commits) in [(500, 20), (500, 200), (50, 500), (1, 4_000)] {
                commit(&store, &mut world, size, commits);
            }
            if client_ids {
                lines.push(read(&store, &mut world));
            }
        }
    }
    println!("\n{}", lines.join("\n"));
}

/// Commits batches and prints what they cost.
fn commit(store: &Sqlite, world: &mut World, size: usize, commits: usize) {
    let before = world.g;
    let batches: Vec<_> = (0..commits).map(|_| world.batch(size)).collect();
    let bytes = store.wal_bytes();
    let mut times = Vec::new();
    let started = Instant::now();
    for batch in &batches {
        let begun = Instant::now();
        store.commit(batch).unwrap();
        times.push(begun.elapsed());
    }
    let whole = started.elapsed().as_secs_f64();
    times.sort();
    let slower_than = |share: usize| ms(*times.get(times.len() * share / 100).unwrap());
    let messages = (size * commits) as u64;
    println!(
        "| {} | {before} | {size} | {} | {} | {:.2} | {:.2} | {:.0} |",
        world.conversations.len(),
        if world.client_ids { "yes" } else { "no" },
        (store.wal_bytes() - bytes) / messages,
        slower_than(50),
        slower_than(99),
        messages as f64 / whole,
    );
}

/// What reads cost, in words.
fn read(store: &Sqlite, world: &mut World) -> String {
    const ROUNDS: u32 = 2_000;
    let places: Vec<_> = (0..ROUNDS).map(|_| world.place()).collect();
    let chats = || {
        places
            .iter()
            .map(|place| &world.conversations.get(*place).unwrap().0)
    };
    let begun = Instant::now();
    let mut found = 0;
    for chat in chats() {
        found += store.history(chat, u64::MAX, 0, 50).unwrap().len();
    }
    let history = begun.elapsed() / ROUNDS;
    let begun = Instant::now();
    for chat in chats() {
        let sender = chat.pair.first().unwrap().id;
        let need = Need::Sent(chat.id, sender, "never used".to_owned());
        store.load(&need).unwrap();
    }
    let lookup = begun.elapsed() / ROUNDS;
    format!(
        "{} conversations: a page of history ({} messages) {:.3} ms, looking up a retry {:.4} ms",
        world.conversations.len(),
        found / places.len(),
        ms(history),
        ms(lookup),
    )
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Numbers, ids, and conversations with the number of their last message.
struct World {
    g: u64,
    uuid: u128,
    random: u64,
    client_ids: bool,
    conversations: Vec<(Arc<Conversation>, u64)>,
}

impl World {
    /// People, and the conversations of as many pairs as are wanted.
    fn populate(store: &Sqlite, conversations: usize, client_ids: bool) -> Self {
        let mut world = Self {
            g: 0,
            uuid: 0x0190_0000_0000_7000_8000_0000_0000_0000,
            random: 0x9e37_79b9_7f4a_7c15,
            client_ids,
            conversations: Vec::new(),
        };
        let app = Arc::new(App {
            id: AppId(1),
            uuid: Uuid::nil(),
            name: "figures".to_owned(),
            identity: Identity::Open,
            is_default: true,
            max_text_bytes: 65_536,
            secret: Secret(String::new()),
            public_keys: String::new(),
            created_at: Timestamp(0),
        });
        let mut people: Vec<Arc<User>> = Vec::new();
        let mut changes = vec![Change::App(app)];
        while world.conversations.len() < conversations {
            let person = Arc::new(User {
                id: UserId(people.len() as i64 + 1),
                app: AppId(1),
                uuid: world.uuid(),
                external: ExternalId::text(format!("person {}", people.len())),
                created_at: Timestamp(0),
            });
            changes.push(Change::User(Arc::clone(&person)));
            for other in &people {
                if world.conversations.len() < conversations {
                    let chat = world.direct(other, &person);
                    changes.push(Change::Conversation(chat));
                }
            }
            people.push(person);
        }
        store.commit(&Batch { changes, last_g: 0 }).unwrap();
        world
    }

    fn direct(&mut self, a: &Arc<User>, b: &Arc<User>) -> Arc<Conversation> {
        let chat = Arc::new(Conversation {
            id: ConversationId(self.conversations.len() as i64 + 1),
            app: a.app,
            uuid: self.uuid(),
            kind: ConversationKind::Direct,
            key: Some(pair_key(a.id, b.id)),
            pair: vec![Arc::clone(a), Arc::clone(b)],
            created_at: Timestamp(0),
        });
        self.conversations.push((Arc::clone(&chat), 0));
        chat
    }

    fn batch(&mut self, messages: usize) -> Batch {
        let changes = (0..messages).map(|_| self.message()).collect();
        let last_g = self.g;
        Batch { changes, last_g }
    }

    /// A message in a conversation chosen at random.
    fn message(&mut self) -> Change {
        let uuid = self.uuid();
        let client_id = self
            .client_ids
            .then(|| Uuid::from_u64_pair(self.random(), self.random()));
        let place = self.place();
        let (conversation, seq) = self.conversations.get_mut(place).unwrap();
        *seq += 1;
        self.g += 1;
        let sender = conversation.pair.first().unwrap();
        Change::Message(Arc::new(MessageView {
            conversation: Arc::clone(conversation),
            sender: Arc::clone(sender),
            message: Message {
                g: self.g,
                conversation: conversation.id,
                seq: *seq,
                uuid,
                sender: sender.id,
                text: "x".repeat(TEXT),
                created_at: Timestamp(1_700_000_000_000),
                origin: None,
                client_id: client_id.map(|id| id.to_string()),
            },
        }))
    }

    fn place(&mut self) -> usize {
        self.random() as usize % self.conversations.len()
    }

    fn uuid(&mut self) -> Uuid {
        self.uuid += 1 << 64;
        Uuid::from_u128(self.uuid | u128::from(self.random()))
    }

    /// The xorshift generator: the same run each time.
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

//! What the embedded store costs: bytes in the WAL, time per commit, time per read, and what it
//! takes to come back to a session and to what was missed.
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
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use chat::{
    App, AppId, Body, Conversation, ConversationId, ConversationKind, ConversationView, ExternalId,
    Identity, Message, MessageView, Proof, SessionId, SessionSeed, Store, Timestamp, Topic, User,
    UserId,
    model::{Details, Member, MemberRole, Profile, Secret, pair_key},
    store::{Batch, Change, Entry, Found, ListPage, Need, Page},
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
    println!("\n{}\n", lines.join("\n"));
    come_back(&folder.path().join("come-back"));
    keep_sessions(&folder.path().join("sessions"));
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
        let chat = &chat.conversation;
        found += store.history(chat, u64::MAX, &newest(50)).unwrap().len();
    }
    let history = begun.elapsed() / ROUNDS;
    let begun = Instant::now();
    for chat in chats() {
        let need = Need::Sent(
            chat.conversation.id,
            first(chat).id,
            "never used".to_owned(),
        );
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

/// Pages of the log, out of a million messages of which half are in one conversation and a quarter
/// in the 10,000 of one person.
fn come_back(folder: &Path) {
    const MESSAGES: u64 = 1_000_000;
    let store = Sqlite::open(folder, &Options::default()).unwrap();
    let mut world = World::populate(&store, 1_000, false);
    let agent = world.befriend(&store, 10_000);
    while world.g < MESSAGES {
        let changes = (0..2_000)
            .map(|number| match number % 4 {
                0 | 2 => world.message_in(0),
                1 => world.message(),
                _ => {
                    let place = 1_000 + world.random() as usize % 10_000;
                    world.message_in(place)
                }
            })
            .collect();
        let last_g = world.g;
        store.commit(&Batch { changes, last_g }).unwrap();
    }
    let hot = &world.conversations.first().unwrap().0;
    let quiet = &world.conversations.get(500).unwrap().0;
    let busy = first(hot).id;
    let (hot, quiet) = (&hot.conversation, &quiet.conversation);
    println!("| a page of 500, of {MESSAGES} messages | missed | ms |\n| --- | ---: | ---: |");
    let places = [
        (
            "the conversation with half of them",
            Topic::Conversation(hot.id),
        ),
        (
            "a conversation with a few hundred",
            Topic::Conversation(quiet.id),
        ),
        (
            "a person in 44 conversations, one with half",
            Topic::Person(busy),
        ),
        ("a person in 10,000 conversations", Topic::Person(agent)),
    ];
    for (name, place) in places {
        for missed in [MESSAGES, MESSAGES / 2, 10_000, 2_000, 20, 0] {
            let after = MESSAGES - missed;
            let rounds = 20;
            let begun = Instant::now();
            for _ in 0..rounds {
                store.log(place, after, u64::MAX, 500).unwrap();
            }
            let each = ms(begun.elapsed() / rounds);
            let found = store.log(place, after, u64::MAX, u32::MAX).unwrap().len();
            println!("| {name} | {found} | {each:.3} |");
        }
    }
    let list = ListPage {
        kind: None,
        offset: 0,
        limit: 25,
        messages: newest(1),
    };
    let begun = Instant::now();
    let rounds = 20;
    for _ in 0..rounds {
        let (page, total) = store.conversations(agent, &list).unwrap();
        assert_eq!((page.len(), total), (25, 10_000));
    }
    let each = ms(begun.elapsed() / rounds);
    println!("\nThe 25 newest of 10,000 conversations: {each:.3} ms");
    change_and_erase(&store, &mut world, agent);
}

/// What is no message, and the end of users and conversations.
fn change_and_erase(store: &Sqlite, world: &mut World, agent: UserId) {
    let commit = |name: &str, changes: Vec<Change>, last_g: u64| {
        let (bytes, begun) = (store.wal_bytes(), Instant::now());
        store.commit(&Batch { changes, last_g }).unwrap();
        let (bytes, time) = (store.wal_bytes() - bytes, ms(begun.elapsed()));
        println!("{name}: {time:.1} ms, {bytes} bytes in the WAL");
    };
    let reads = (0..500).map(|place| {
        let (chat, seq) = world.conversations.get_mut(place).unwrap();
        let reader = chat.members.last().unwrap().user.id;
        *seq += 1;
        world.g += 1;
        let entry = Entry {
            g: world.g,
            conversation: chat.conversation.id,
            seq: *seq,
            actor: Some(reader),
            origin: None,
            at: Timestamp(0),
        };
        Change::Read {
            entry,
            reader,
            message: Uuid::nil(),
            seq: *seq - 1,
        }
    });
    let reads = reads.collect();
    commit("500 receipts in 500 conversations", reads, world.g);
    let hot = world.conversations.first().unwrap().0.clone();
    let reader = hot.members.last().unwrap().user.id;
    for (user, name) in [
        (reader, "is silent in the conversation with half a million"),
        (
            agent,
            "wrote a quarter of a million, in 10,000 conversations",
        ),
    ] {
        let step = || match store.load(&Need::Unsearched(user)).unwrap() {
            Found::Unsearched(entries) if entries > 100 => Some(Change::WrittenErased(user, 1_000)),
            _ => None,
        };
        println!("A person who {name}");
        erase(store, world.g, step);
        let changes = vec![Change::UserDeleted(user, Timestamp(0))];
        commit("deleting that person", changes, world.g);
    }
    let changes = vec![Change::ConversationDeleted(
        hot.conversation.id,
        Timestamp(0),
    )];
    commit("deleting that conversation", changes, world.g);
    erase(store, world.g, || {
        match store.load(&Need::Leftover).unwrap() {
            Found::Leftover(id) => Some(Change::Erased(id?, 500)),
            _ => None,
        }
    });
}

/// Takes all steps, each of which is found out first, as the writer does it.
fn erase(store: &Sqlite, last_g: u64, next: impl Fn() -> Option<Change>) {
    let (bytes, begun) = (store.wal_bytes(), Instant::now());
    let (mut steps, mut slowest) = (0, Duration::ZERO);
    loop {
        let step = Instant::now();
        let Some(change) = next() else { break };
        let changes = vec![change];
        store.commit(&Batch { changes, last_g }).unwrap();
        slowest = slowest.max(step.elapsed());
        steps += 1;
    }
    let (bytes, time) = (store.wal_bytes() - bytes, ms(begun.elapsed()));
    println!(
        "erasing step by step: {steps} steps, the slowest {:.1} ms, {time:.0} ms in all, {bytes} bytes in the WAL",
        ms(slowest)
    );
}

/// So many of the newest messages.
fn newest(limit: u32) -> Page {
    Page {
        offset: 0,
        limit,
        bytes: usize::MAX,
    }
}

/// Sessions that listen to much, and many sessions.
fn keep_sessions(folder: &Path) {
    const SESSIONS: i64 = 100_000;
    let store = Sqlite::open(folder, &Options::default()).unwrap();
    let mut world = World::populate(&store, 1_000, false);
    let mut changes = Vec::new();
    for id in 0..SESSIONS {
        // One in a thousand listens to 100 places, the others to two.
        let places = if id % 1_000 == 0 { 100 } else { 2 };
        for _ in 0..places {
            let place = world.place();
            changes.push(world.subscription(id, place));
        }
        if changes.len() > 1_000 || id + 1 == SESSIONS {
            let (changes, last_g) = (std::mem::take(&mut changes), world.g);
            store.commit(&Batch { changes, last_g }).unwrap();
        }
    }
    let timed = |name: &str, rounds: u32, act: &mut dyn FnMut(i64)| {
        let begun = Instant::now();
        (0..i64::from(rounds)).for_each(act);
        println!("{name}: {:.4} ms", ms(begun.elapsed() / rounds));
    };
    println!("\nOf {SESSIONS} sessions:");
    timed(
        "one that listens to about 100 places",
        1_000,
        &mut |round| {
            let found = store.sessions(&[pid_hash(round % 100 * 1_000)]).unwrap();
            assert!(found.first().unwrap().subscriptions.len() > 80);
        },
    );
    timed("one that listens to 2", 1_000, &mut |round| {
        let found = store.sessions(&[pid_hash(round * 97 % SESSIONS)]).unwrap();
        assert_eq!(found.len(), 1);
    });
    timed("1,000 of them that listen to 2", 20, &mut |round| {
        let hashes = (0..1_000).map(|one| pid_hash((round * 1_000 + one) * 97 % SESSIONS));
        let found = store.sessions(&hashes.collect::<Vec<_>>()).unwrap();
        assert_eq!(found.len(), 1_000);
    });
    timed("none of them", 1_000, &mut |round| {
        let found = store.sessions(&[pid_hash(SESSIONS + round)]).unwrap();
        assert!(found.is_empty());
    });
    let commit = |name: &str, rounds: u32, changes: &mut dyn FnMut(i64) -> Vec<Change>| {
        let bytes = store.wal_bytes();
        timed(name, rounds, &mut |round| {
            let (changes, last_g) = (changes(round), world.g);
            store.commit(&Batch { changes, last_g }).unwrap();
        });
        let bytes = (store.wal_bytes() - bytes) / u64::from(rounds);
        println!("    {bytes} bytes in the WAL");
    };
    let some = |round: i64, many: i64| {
        (0..many).map(move |one| SessionId((round * many + one) * 7_919 % SESSIONS))
    };
    commit("noting 1,000 as seen", 20, &mut |round| {
        vec![Change::SessionsSeen {
            sessions: some(round, 1_000).collect(),
            at: Timestamp(1_000 + round),
        }]
    });
    commit("forgetting 200", 100, &mut |_| {
        let need = Need::SessionsSeenBefore(Timestamp(i64::MAX), 200);
        let Found::Sessions(old) = store.load(&need).unwrap() else {
            return Vec::new();
        };
        old.into_iter().map(Change::SessionEnded).collect()
    });
}

fn pid_hash(id: i64) -> [u8; 32] {
    let mut hash = [0; 32];
    // As good as random, like a hash.
    let spread = id.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for (place, byte) in hash.iter_mut().zip(spread.to_be_bytes()) {
        *place = byte;
    }
    hash
}

/// The first of the people in a conversation.
fn first(chat: &ConversationView) -> &Arc<User> {
    &chat.members.first().unwrap().user
}

fn person(id: i64, uuid: Uuid) -> Arc<User> {
    Arc::new(User {
        id: UserId(id),
        app: AppId(1),
        uuid,
        external: ExternalId::text(format!("person {id}")),
        number: id,
        profile: Profile::default(),
        created_at: Timestamp(0),
        updated_at: None,
        last_active: Timestamp(0),
    })
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
    conversations: Vec<(ConversationView, u64)>,
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
            let person = person(people.len() as i64 + 1, world.uuid());
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

    fn direct(&mut self, a: &Arc<User>, b: &Arc<User>) -> ConversationView {
        let member = |user: &Arc<User>| Member {
            user: Arc::clone(user),
            role: MemberRole::Member,
        };
        let conversation = Arc::new(Conversation {
            id: ConversationId(self.conversations.len() as i64 + 1),
            app: a.app,
            uuid: self.uuid(),
            kind: ConversationKind::Direct,
            key: Some(pair_key(a.id, b.id)),
            numbers: None,
            created_at: Timestamp(0),
        });
        let chat = ConversationView {
            conversation,
            details: Arc::new(Details::default()),
            members: [a, b].map(member).into(),
            last_seq: 0,
            last_g: 0,
            messages: 0,
            updated_at: Timestamp(0),
            last_message_at: None,
        };
        self.conversations.push((chat.clone(), 0));
        chat
    }

    fn batch(&mut self, messages: usize) -> Batch {
        let changes = (0..messages).map(|_| self.message()).collect();
        let last_g = self.g;
        Batch { changes, last_g }
    }

    /// A person who has a conversation with each of so many others.
    fn befriend(&mut self, store: &Sqlite, others: i64) -> UserId {
        let agent = person(1_000_000, self.uuid());
        let mut changes = vec![Change::User(Arc::clone(&agent))];
        for id in 1..=others {
            let other = person(1_000_000 + id, self.uuid());
            changes.push(Change::User(Arc::clone(&other)));
            changes.push(Change::Conversation(self.direct(&agent, &other)));
        }
        store.commit(&Batch { changes, last_g: 0 }).unwrap();
        agent.id
    }

    fn subscription(&mut self, session: i64, place: usize) -> Change {
        self.g += 1;
        let chat = &self.conversations.get(place).unwrap().0;
        Change::Subscription {
            session: Arc::new(SessionSeed {
                id: SessionId(session),
                app: AppId(1),
                subject: None,
                pid_hash: pid_hash(session),
                sid: format!("sid {session:016}"),
                namespace: "/".to_owned(),
                start_g: 0,
            }),
            user: Some(first(chat).id),
            proof: Proof::default(),
            topic: Topic::Conversation(chat.conversation.id),
            dialect: "direct",
            spelling: None,
            since: self.g,
            at: Timestamp(0),
        }
    }

    /// A message in a conversation chosen at random.
    fn message(&mut self) -> Change {
        let place = self.place();
        self.message_in(place)
    }

    fn message_in(&mut self, place: usize) -> Change {
        let uuid = self.uuid();
        let client_id = self
            .client_ids
            .then(|| Uuid::from_u64_pair(self.random(), self.random()));
        let (chat, seq) = self.conversations.get_mut(place).unwrap();
        *seq += 1;
        self.g += 1;
        let (conversation, sender) = (&chat.conversation, first(chat));
        Change::Message(Arc::new(MessageView {
            conversation: Arc::clone(conversation),
            sender: Arc::clone(sender),
            message: Message {
                g: self.g,
                conversation: conversation.id,
                seq: *seq,
                uuid,
                sender: sender.id,
                body: Body::text("x".repeat(TEXT)),
                created_at: Timestamp(1_700_000_000_000),
                edited_at: None,
                recipient_online: None,
                origin: None,
                client_id: client_id.map(|id| id.to_string()),
                badges: Vec::new(),
            },
            seen: false,
            quoted: None,
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

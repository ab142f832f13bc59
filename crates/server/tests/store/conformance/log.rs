//! Promises about the log of a place, by example. Next: `histories`, for any history.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use chat::{
    Conversation, ConversationId, ConversationView, Event, G, Happening, MessageView, Store, Topic,
    User, UserId, event::Scene, store::Change,
};

use super::Place;
use crate::world::{self, message, session};

fn event(view: &MessageView, scene: &ConversationView) -> Event {
    Event {
        g: view.message.g,
        at: view.message.created_at,
        origin: view.message.origin,
        scene: Scene {
            conversation: Arc::clone(&scene.conversation),
            details: Arc::clone(&scene.details),
            members: Arc::clone(&scene.members),
        },
        happening: Happening::MessageSent(Arc::new(view.clone())),
    }
}

/// Three people, each of whom has a chat with each other one, and what is said there in turn.
struct Talk {
    scene: world::Scene,
    people: [UserId; 3],
    chats: [ConversationView; 3],
    said: Vec<MessageView>,
}

impl Talk {
    fn new(store: &dyn Store, rounds: usize) -> Self {
        let mut scene = world::Scene::new(store);
        let cid = scene.world.user(&scene.app, "cid");
        let chats = [
            scene.view.clone(),
            scene.world.direct(&scene.bob, &cid),
            scene.world.direct(&scene.ann, &cid),
        ];
        let people = [scene.ann.id, scene.bob.id, cid.id];
        let changes = [
            Change::User(cid),
            Change::Conversation(chats[1].clone()),
            Change::Conversation(chats[2].clone()),
        ];
        store.commit(&scene.world.batch(changes)).unwrap();
        let mut said = Vec::new();
        for round in 0..rounds {
            // The first chat is as busy as the others together.
            for chat in [0, 1, 0, 2] {
                // Numbers of joins stand between those of messages.
                scene.world.g();
                let chat = &chats[chat];
                let sender = &chat.members[round % 2].user;
                let text = round.to_string();
                let mut view = scene.world.message(&chat.conversation, sender, text);
                view.message.origin = (round % 3 > 0).then_some(session(7).id);
                said.push(view);
            }
        }
        let batch = scene.world.batch(said.iter().cloned().map(message));
        store.commit(&batch).unwrap();
        Self {
            scene,
            people,
            chats,
            said,
        }
    }

    fn ids(&self) -> [ConversationId; 3] {
        self.chats.each_ref().map(|chat| chat.conversation.id)
    }

    /// Somebody in the first chat, and that chat.
    fn hot(&self) -> (Arc<User>, Arc<Conversation>) {
        let chat = &self.chats[0];
        let sender = Arc::clone(&chat.members[0].user);
        (sender, Arc::clone(&chat.conversation))
    }

    /// What is due at a place.
    fn due(&self, place: Topic, after: G, up_to: G) -> Vec<Event> {
        let chat = |view: &MessageView| {
            let mut chats = self.chats.iter();
            chats
                .find(|chat| chat.conversation == view.conversation)
                .unwrap()
        };
        let here = |view: &&MessageView| match place {
            Topic::Conversation(id) => view.conversation.id == id,
            Topic::Person(user) => chat(view).has(user),
        };
        let said = self.said.iter().filter(here);
        said.filter(|view| after < view.message.g && view.message.g <= up_to)
            .map(|view| event(view, chat(view)))
            .collect()
    }
}

/// The log of a place, as values.
fn log(store: &dyn Store, place: Topic, after: G, up_to: G, limit: u32) -> Vec<Event> {
    let events = store.log(place, after, up_to, limit).unwrap();
    events.into_iter().map(Arc::unwrap_or_clone).collect()
}

pub(super) fn a_log_is_what_happened_in_any_range(place: &dyn Place) {
    let store = place.open();
    let talk = Talk::new(&*store, 12);
    let last = talk.scene.world.last_g();
    let conversations = talk.ids().map(Topic::Conversation);
    let people = talk.people.map(Topic::Person);
    for place in conversations.into_iter().chain(people) {
        for after in 0..=last + 1 {
            for up_to in [0, after, after + 1, after + 2, after + 9, last, u64::MAX] {
                let due = talk.due(place, after, up_to);
                let events = log(&*store, place, after, up_to, u32::MAX);
                assert_eq!(events, due, "{place:?} after {after} up to {up_to}");
            }
        }
    }
}

pub(super) fn a_log_is_read_in_pages(place: &dyn Place) {
    let store = place.open();
    let talk = Talk::new(&*store, 20);
    let places = [
        Topic::Conversation(talk.ids()[0]),
        Topic::Person(talk.people[0]),
    ];
    for place in places {
        let due = talk.due(place, 9, u64::MAX);
        for limit in [1, 2, 3, 7, 50, 1_000] {
            let (mut after, mut all) = (9, Vec::new());
            loop {
                let page = log(&*store, place, after, u64::MAX, limit);
                assert!(page.len() <= limit as usize);
                let ended = page.len() < limit as usize;
                after = page.last().map_or(after, |event| event.g);
                all.extend(page);
                if ended {
                    break;
                }
            }
            assert_eq!(all, due, "in pages of {limit}");
        }
        assert!(log(&*store, place, 9, u64::MAX, 0).is_empty());
    }
}

pub(super) fn what_is_no_message_has_numbers_too(place: &dyn Place) {
    let store = place.open();
    let mut talk = Talk::new(&*store, 1);
    // As if other changes stood between: gaps in the conversation's numbers, of all sizes.
    for gap in [1, 0, 2, 5, 0, 0, 17, 40, 3] {
        let (sender, chat) = talk.hot();
        let last = talk
            .said
            .iter()
            .rev()
            .find(|view| view.conversation == chat);
        let seq = last.unwrap().message.seq + gap;
        talk.scene.world.set_seq(&chat, seq);
        for _ in 0..gap {
            talk.scene.world.g();
        }
        let view = talk.scene.world.message(&chat, &sender, "x");
        let batch = talk.scene.world.batch([message(view.clone())]);
        store.commit(&batch).unwrap();
        talk.said.push(view);
    }
    let last = talk.scene.world.last_g();
    for place in [
        Topic::Conversation(talk.ids()[0]),
        Topic::Person(talk.people[0]),
    ] {
        for after in 0..=last {
            for (up_to, limit) in [(after + 20, 100), (last, 100), (last, 2), (last, 5)] {
                let events = log(&*store, place, after, up_to, limit);
                let mut due = talk.due(place, after, up_to);
                due.truncate(limit as usize);
                assert_eq!(events, due, "{place:?} after {after}");
            }
        }
    }
}

pub(super) fn a_log_is_of_one_moment(place: &dyn Place) {
    let store = place.open();
    let mut talk = Talk::new(&*store, 0);
    let ann = Topic::Person(talk.people[0]);
    let chats = [talk.chats[2].clone(), talk.chats[0].clone()];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Both of a batch, or none of it.
                    let seen = log(&*store, ann, 0, u64::MAX, u32::MAX);
                    let batches = seen.chunks(2).map(|pair| (pair.len(), pair[0].g));
                    let whole: Vec<_> = (0..seen.len() / 2).map(|n| (2, 1 + 2 * n as G)).collect();
                    assert_eq!(batches.collect::<Vec<_>>(), whole);
                }
            });
        }
        for _ in 0..200 {
            let views = chats.each_ref().map(|chat| {
                let sender = &chat.members[0].user;
                talk.scene.world.message(&chat.conversation, sender, "x")
            });
            store
                .commit(&talk.scene.world.batch(views.map(message)))
                .unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(log(&*store, ann, 0, u64::MAX, u32::MAX).len(), 400);
}

pub(super) fn where_nothing_happened_the_log_is_empty(place: &dyn Place) {
    let store = place.open();
    let mut talk = Talk::new(&*store, 3);
    let lonely = talk.scene.world.user(&talk.scene.app, "dan");
    let quiet = talk.scene.world.direct(&talk.scene.ann, &lonely);
    let changes = [
        Change::User(Arc::clone(&lonely)),
        Change::Conversation(quiet.clone()),
    ];
    store.commit(&talk.scene.world.batch(changes)).unwrap();
    for place in [
        Topic::Conversation(quiet.conversation.id),
        Topic::Person(lonely.id),
        Topic::Conversation(ConversationId(99)),
        Topic::Person(UserId(99)),
    ] {
        assert!(log(&*store, place, 0, u64::MAX, 100).is_empty());
    }
    for chat in talk.ids() {
        for after in [u64::MAX, u64::MAX - 1, talk.scene.world.last_g()] {
            assert!(log(&*store, Topic::Conversation(chat), after, u64::MAX, 9).is_empty());
        }
    }
}

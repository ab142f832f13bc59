//! Promises about the end of conversations in which much was said, and of users who said much.

use std::sync::Arc;

use chat::{
    ConversationId, ConversationKind, ConversationView, MessageView, Store, Timestamp, Topic, User,
    UserId,
    model::{Details, Media, Picture},
    store::{Change, ConversationName, Found, Need},
};

use super::{Place, groups::view};
use crate::world::{Scene, list, message, page, session};

/// More than any store erases at once.
const MUCH: usize = 2_000;

fn leftover(store: &dyn Store) -> Option<ConversationId> {
    match store.load(&Need::Leftover).unwrap() {
        Found::Leftover(id) => id,
        other => panic!("asked for what is left, got {other:?}"),
    }
}

/// A group with much in it, deleted, and what was in it.
struct Deleted {
    view: ConversationView,
    first: MessageView,
    last: MessageView,
    files: [Media; 3],
}

impl Deleted {
    fn new(store: &dyn Store, scene: &mut Scene) -> Self {
        let files = [(); 3].map(|()| scene.world.file());
        let details = Details {
            avatar: Some(Picture::Media(files[0].clone())),
            ..Details::default()
        };
        let view = scene.world.group(&[&scene.ann, &scene.bob], details);
        let chat = Arc::clone(&view.conversation);
        let mut changes = vec![Change::Conversation(view.clone())];
        let mut said = Vec::new();
        for number in 0..MUCH {
            let mut one = scene.world.message(&chat, &scene.ann, "x");
            one.message.recipient_online = Some(false);
            one.message.client_id = Some(number.to_string());
            if number == 0 || number == MUCH - 1 {
                one.message.body.media = vec![files[1 + usize::from(number > 0)].clone()];
                said.push(one.clone());
            }
            changes.push(message(one));
        }
        for _ in 0..MUCH {
            changes.push(Change::Read {
                entry: scene.world.entry(&chat, &scene.bob),
                reader: scene.bob.id,
                message: said[0].message.uuid,
                seq: 1,
            });
        }
        let topic = Topic::Conversation(chat.id);
        changes.push(scene.world.subscription(&session(1), &scene.ann, topic));
        let Change::Subscription {
            session: seed,
            proof,
            dialect,
            ..
        } = changes.last().unwrap()
        else {
            unreachable!("it was pushed");
        };
        // And as nobody in particular.
        changes.push(Change::Subscription {
            session: Arc::new(chat::SessionSeed {
                id: chat::SessionId(2),
                pid_hash: [2; 32],
                ..chat::SessionSeed::clone(seed)
            }),
            user: None,
            proof: *proof,
            topic,
            dialect,
            spelling: None,
            since: scene.world.g(),
            at: Timestamp(1),
        });
        store.commit(&scene.world.batch(changes)).unwrap();
        let gone = Change::ConversationDeleted(chat.id, scene.world.now());
        scene.world.g();
        store.commit(&scene.world.batch([gone])).unwrap();
        let last = said.pop().unwrap();
        let first = said.pop().unwrap();
        Self {
            view,
            first,
            last,
            files,
        }
    }

    /// Nothing of it is found, by any name; its last file may be there.
    fn check(&self, store: &dyn Store, scene: &Scene) {
        let chat = &self.view.conversation;
        assert_eq!(view(store, &self.view), None);
        let app = scene.app.id;
        for name in [
            ConversationName::Uuid(chat.uuid),
            ConversationName::Id(chat.id),
        ] {
            assert_eq!(store.conversation(app, &name).unwrap(), None);
        }
        for said in [&self.first, &self.last] {
            let uuid = said.message.uuid;
            assert_eq!(store.message(app, uuid).unwrap(), None);
            let found = store.load(&Need::Message(app, uuid)).unwrap();
            assert!(matches!(found, Found::Message(None)));
            let client_id = said.message.client_id.clone().unwrap();
            let found = store.load(&Need::Sent(chat.id, scene.ann.id, client_id));
            assert!(matches!(found.unwrap(), Found::Sent(None)));
        }
        assert_eq!(store.history(chat, u64::MAX, &page(0, 9)).unwrap(), []);
        let here = Topic::Conversation(chat.id);
        assert!(store.log(here, 0, u64::MAX, 9).unwrap().is_empty());
        for user in [&scene.ann, &scene.bob] {
            assert_eq!(
                store.conversations(user.id, &list(0, 9)).unwrap(),
                (Vec::new(), 0)
            );
            let log = store.log(Topic::Person(user.id), 0, u64::MAX, 9).unwrap();
            assert!(log.is_empty());
            assert!(
                store
                    .missed(user.id, 0, u64::MAX, &page(0, 9))
                    .unwrap()
                    .is_empty()
            );
            let contacts = store.contacts(user.id, ConversationKind::Group, 9).unwrap();
            assert!(contacts.is_empty());
            let found = store.load(&Need::ConversationsOf(user.id)).unwrap();
            let Found::Conversations(ids) = found else {
                panic!("asked for conversations");
            };
            assert_eq!(ids, [scene.chat.id]);
            let found = store.load(&Need::ReadUpTo(chat.id, user.id)).unwrap();
            assert!(matches!(found, Found::ReadUpTo(0)));
            let found = store.load(&Need::NewestOfOthers(chat.id, user.id)).unwrap();
            assert!(matches!(found, Found::Newest(None)));
        }
        for listener in store.sessions(&[session(1).pid_hash, [2; 32]]).unwrap() {
            assert!(listener.subscriptions.is_empty());
        }
        let picture = store.media(&self.files[0].name).unwrap();
        assert_eq!(picture, None, "what it was called goes at once");
    }

    fn has_last_file(&self, store: &dyn Store) -> bool {
        store.media(&self.files[2].name).unwrap().is_some()
    }
}

/// Erases a step; whether there was something to erase.
fn erase(store: &dyn Store, scene: &Scene, rows: u32) -> bool {
    let Some(id) = leftover(store) else {
        return false;
    };
    let batch = scene.world.batch([Change::Erased(id, rows)]);
    store.commit(&batch).unwrap();
    true
}

pub(super) fn a_large_conversation_is_gone_at_once_and_erased_in_steps(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let deleted = Deleted::new(&*store, &mut scene);
    deleted.check(&*store, &scene);
    assert_eq!(leftover(&*store), Some(deleted.view.conversation.id));
    assert!(deleted.has_last_file(&*store), "it goes with its message");
    let mut steps = 0;
    while erase(&*store, &scene, 300) {
        deleted.check(&*store, &scene);
        steps += 1;
        assert!(steps < 2 * MUCH, "it comes to an end");
    }
    assert!(steps > 2);
    deleted.check(&*store, &scene);
    assert!(!deleted.has_last_file(&*store));
    // What is not there is not erased again, and others are as they were.
    let batch = scene.world.batch([
        Change::Erased(deleted.view.conversation.id, 300),
        Change::Erased(scene.chat.id, 0),
    ]);
    store.commit(&batch).unwrap();
    assert_eq!(view(&*store, &scene.view).as_ref(), Some(&scene.view));
    assert_eq!(store.counters().unwrap(), scene.world.counters());
}

pub(super) fn erasing_goes_on_after_a_start(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    // The two of them begin anew while the old one is being erased.
    let said = (0..MUCH).map(|_| scene.world.message(&scene.chat, &scene.bob, "x"));
    let said: Vec<_> = said.map(message).collect();
    store.commit(&scene.world.batch(said)).unwrap();
    let gone = Change::ConversationDeleted(scene.chat.id, scene.world.now());
    store.commit(&scene.world.batch([gone])).unwrap();
    let again = scene.world.direct(&scene.ann, &scene.bob);
    let made = Change::Conversation(again.clone());
    store.commit(&scene.world.batch([made])).unwrap();
    assert!(erase(&*store, &scene, 100));
    drop(store);
    let store = place.open();
    assert_eq!(leftover(&*store), Some(scene.chat.id));
    assert_eq!(view(&*store, &scene.view), None);
    let key = scene.chat.key.clone().unwrap();
    let name = ConversationName::Key(ConversationKind::Direct, key);
    let found = store.conversation(scene.app.id, &name).unwrap();
    assert_eq!(found, Some(again.clone()));
    // One of the two goes meanwhile.
    let gone = Change::UserDeleted(scene.bob.id, scene.world.now());
    store.commit(&scene.world.batch([gone])).unwrap();
    while erase(&*store, &scene, 100) {}
    assert_eq!(leftover(&*store), None);
    assert_eq!(view(&*store, &again).unwrap().members.len(), 1);
}

fn unsearched(store: &dyn Store, user: &User) -> u64 {
    match store.load(&Need::Unsearched(user.id)).unwrap() {
        Found::Unsearched(entries) => entries,
        other => panic!("asked for what was not looked through, got {other:?}"),
    }
}

pub(super) fn what_a_user_wrote_is_erased_in_steps(place: &dyn Place) {
    const STEP: usize = 300;
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let file = scene.world.file();
    // In one place only the other one speaks, in the other both do, in turn.
    let silent = scene
        .world
        .group(&[&scene.ann, &scene.bob], Details::default());
    let mut changes = vec![Change::Conversation(silent.clone())];
    for _ in 0..STEP / 2 {
        let said = scene.world.message(&silent.conversation, &scene.ann, "x");
        changes.push(message(said));
    }
    for number in 0..MUCH {
        let speaker = [&scene.ann, &scene.bob][number % 2];
        let mut said = scene.world.message(&scene.chat, speaker, "x");
        if number == 1 {
            said.message.body.media = vec![file.clone()];
        }
        changes.push(message(said));
    }
    store.commit(&scene.world.batch(changes)).unwrap();
    let before = unsearched(&*store, &scene.bob);
    assert_eq!(before, (STEP / 2 + MUCH) as u64);
    let (chat, view_of_chat) = (Arc::clone(&scene.chat), scene.view.clone());
    let (ann, bob) = (Arc::clone(&scene.ann), Arc::clone(&scene.bob));
    let said = |store: &dyn Store| {
        let all = store.history(&chat, u64::MAX, &page(0, 9_999)).unwrap();
        let messages = view(store, &view_of_chat).unwrap().messages;
        assert_eq!(
            messages,
            all.len() as u64,
            "those that are left are counted"
        );
        let of = |who: UserId| all.iter().filter(|one| one.sender.id == who).count();
        (of(ann.id), of(bob.id))
    };
    let half = MUCH / 2;
    let mut store = store;
    let mut searched = 0;
    for _ in 0..4 {
        let change = Change::WrittenErased(bob.id, STEP as u32);
        store.commit(&scene.world.batch([change])).unwrap();
        drop(store);
        store = place.open();
        let step = before as usize - searched - unsearched(&*store, &bob) as usize;
        assert!((1..=STEP).contains(&step), "{step} entries");
        searched += step;
        let (of_ann, of_bob) = said(&*store);
        assert_eq!(of_ann, half);
        // Every other one, but for where only the other one speaks.
        let most = searched / 2;
        assert!(
            (most.saturating_sub(STEP / 4)..=most).contains(&(half - of_bob)),
            "{of_bob}"
        );
    }
    let late = scene.world.message(&chat, &bob, "x");
    store.commit(&scene.world.batch([message(late)])).unwrap();
    let gone = Change::UserDeleted(bob.id, scene.world.now());
    store.commit(&scene.world.batch([gone])).unwrap();
    assert_eq!(said(&*store), (half, 0));
    assert_eq!(store.media(&file.name).unwrap(), None);
    assert_eq!(unsearched(&*store, &bob), 0);
}

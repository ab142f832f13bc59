//! Promises about rooms, by example. Next: `ruling`, for what is done to them in any order.

use std::{collections::BTreeMap, slice::from_ref, sync::Arc};

use chat::{
    Conversation, ConversationId, ConversationView, Happening, Message, MessageView, Store,
    Timestamp, Topic, User, UserId,
    event::RoomHappening,
    model::{Details, MemberRole, Profile, Quote},
    room::{
        Badge, Ban, Limit, Livestream, Modes, Pin, Poll, PollOption, Room, RoomName, RoomNews,
        RoomNote,
    },
    store::{Change, ConversationName, Found, Need, Numbers},
};

use super::{
    Place,
    groups::view,
    ruling::{ban, called, due, names, numbers, vote, wrote},
};
use crate::world::{Scene, World, list, message, page};

/// A room of ann, which bob moderates, in the app of a scene.
struct Live {
    scene: Scene,
    view: ConversationView,
}

impl Live {
    fn new(store: &dyn Store) -> Self {
        let mut scene = Scene::new(store);
        let view = scene.world.room("live", &[&scene.ann, &scene.bob]);
        let made = Change::Conversation(view.clone());
        store.commit(&scene.world.batch([made])).unwrap();
        Self { scene, view }
    }

    /// A room of the same names, which may be there when the first one is gone.
    fn another(&mut self) -> ConversationView {
        let mut another = self.scene.world.room("live", &[&self.scene.ann]);
        another.conversation = Arc::new(Conversation {
            numbers: self.view.conversation.numbers,
            ..Conversation::clone(&another.conversation)
        });
        another
    }

    fn id(&self) -> ConversationId {
        self.view.conversation.id
    }

    fn commit(&self, store: &dyn Store, changes: impl IntoIterator<Item = Change>) {
        store.commit(&self.scene.world.batch(changes)).unwrap();
    }

    fn say(&mut self, by: &Arc<User>, text: &str) -> MessageView {
        let conversation = &self.view.conversation;
        self.scene.world.message(conversation, by, text)
    }

    /// A viewer, who does not belong to the room.
    fn viewer(&mut self, store: &dyn Store, name: &str) -> Arc<User> {
        let viewer = self.scene.world.user(&self.scene.app, name);
        self.commit(store, [Change::User(Arc::clone(&viewer))]);
        viewer
    }

    fn note(&mut self, note: RoomNote) -> Change {
        let entry = self
            .scene
            .world
            .entry(&self.view.conversation, &self.scene.bob);
        Change::RoomNoted { entry, note }
    }

    fn update(&self, room: Room) -> Change {
        Change::RoomUpdated {
            conversation: self.id(),
            room: Arc::new(room),
        }
    }

    /// All that was said is shown no longer.
    fn clear(&mut self) -> [Change; 2] {
        let note = self.note(RoomNote::News(RoomNews::Cleared));
        let cleared_g = self.scene.world.last_g();
        let update = self.update(Room {
            cleared_g,
            ..Room::default()
        });
        [note, update]
    }

    fn history(&self, store: &dyn Store) -> Vec<MessageView> {
        let all = page(0, 9_999);
        let history = store.history(&self.view.conversation, u64::MAX, &all);
        history.unwrap()
    }

    fn now(&self, store: &dyn Store) -> ConversationView {
        view(store, &self.view).unwrap()
    }
}

/// A room in which everything is something.
fn full(said: &Message, by: &User) -> Room {
    Room {
        private: true,
        modes: Modes {
            slow: Limit {
                enabled: true,
                amount: 7,
            },
            emotes: true,
            gifts: false,
            ..Modes::default()
        },
        pin: Some(Pin {
            message: said.uuid,
            g: said.g,
            by: Some(by.id),
            seconds: 60,
            until: Timestamp(5_000),
        }),
        poll: Some(Poll {
            title: "which \u{1f600}?".to_owned(),
            options: vec![PollOption {
                label: "this".to_owned(),
                votes: 3,
            }],
            seconds: 1,
            display_seconds: 9,
            opened_at: Timestamp(1_000),
            ended: false,
            told_at: Timestamp(1_500),
            untold: true,
        }),
        livestream: Some(Livestream {
            id: i64::MAX,
            is_live: true,
            session_title: "'); DROP TABLE user; --".to_owned(),
            started_at: 5,
            tags: vec!["one".to_owned()],
            categories: vec![crate::world::metadata("x").0],
            ..Livestream::default()
        }),
        cleared_g: 0,
    }
}

pub(super) fn a_room_comes_back_whole(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let app = live.scene.app.id;
    let elsewhere = live.scene.world.app("elsewhere");
    live.commit(&*store, [Change::App(Arc::clone(&elsewhere))]);
    let found = |store: &dyn Store, app, name: &RoomName| {
        let read = store.conversation(app, &ConversationName::Room(name.clone()));
        let read = read.unwrap();
        match store.load(&Need::Room(app, name.clone())).unwrap() {
            Found::Conversation(loaded) => assert_eq!(loaded, read),
            other => panic!("asked for a room, got {other:?}"),
        }
        read
    };
    for name in names(&live.view) {
        assert_eq!(found(&*store, app, &name).as_ref(), Some(&live.view));
        assert_eq!(found(&*store, elsewhere.id, &name), None);
    }
    let numbers_of = live.view.conversation.numbers.unwrap();
    for name in [
        RoomName::Channel(numbers_of.chatroom),
        RoomName::Chatroom(numbers_of.channel),
        RoomName::Slug("LIVE".to_owned()),
    ] {
        assert_eq!(found(&*store, app, &name), None);
    }

    let ann = Arc::clone(&live.scene.ann);
    let said = live.say(&ann, "x");
    let room = full(&said.message, &live.scene.bob);
    let role = Change::RoleChanged(live.id(), live.scene.bob.id, MemberRole::Member);
    let changes = [message(said), live.update(room.clone()), role];
    live.commit(&*store, changes);
    drop(store);
    let store = place.open();
    let now = live.now(&*store);
    assert_eq!(now.room().map(Arc::as_ref), Some(&room));
    assert_eq!(
        (now.messages, &now.details.title),
        (1, &live.view.details.title)
    );
    let roles = now.members.iter().map(|member| member.role);
    assert!(roles.eq([MemberRole::Owner, MemberRole::Member]));
    // Being called otherwise does not touch that.
    let entry = live.scene.world.entry(&live.view.conversation, &ann);
    let details = Arc::new(Details {
        title: Some("another".to_owned()),
        ..Details::clone(&now.details)
    });
    let renamed = Change::ConversationUpdated {
        entry,
        details: Arc::clone(&details),
    };
    live.commit(&*store, [renamed]);
    assert_eq!(live.now(&*store).details, details);

    // Whoever comes next may have all its names.
    let gone = Change::ConversationDeleted(live.id(), Timestamp(1));
    let next = live.another();
    live.commit(&*store, [gone, Change::Conversation(next.clone())]);
    for name in names(&live.view) {
        assert_eq!(found(&*store, app, &name).as_ref(), Some(&next));
    }
}

pub(super) fn numbers_never_go_back(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let app = live.scene.app.id;
    let chatroom = live.view.conversation.numbers.unwrap().chatroom;
    let given = |user, room| Numbers { user, room };
    assert_eq!(numbers(&*store, app), given(2, chatroom));
    let cid = live.viewer(&*store, "cid");
    assert_eq!(cid.number, 3);
    live.commit(
        &*store,
        [
            Change::NumberGiven(app, chatroom + 5),
            Change::NumberGiven(app, chatroom + 4),
        ],
    );
    let gone = [
        Change::UserDeleted(cid.id, Timestamp(1)),
        Change::ConversationDeleted(live.id(), Timestamp(1)),
    ];
    live.commit(&*store, gone);
    drop(store);
    let store = place.open();
    assert_eq!(numbers(&*store, app), given(3, chatroom + 5));
    // Each app counts for itself.
    let other = live.scene.world.app("elsewhere");
    live.commit(&*store, [Change::App(Arc::clone(&other))]);
    assert_eq!(numbers(&*store, other.id), given(0, 0));
    live.commit(&*store, [Change::NumberGiven(other.id, 1)]);
    assert_eq!(numbers(&*store, other.id), given(0, 1));
    assert_eq!(numbers(&*store, app), given(3, chatroom + 5));
}

pub(super) fn people_are_found_by_what_they_are_called(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let app = live.scene.app.id;
    let named = |user: &User, name: &str| {
        let profile = Profile {
            name: Some(name.to_owned()),
            ..Profile::default()
        };
        Arc::new(User {
            profile,
            ..User::clone(user)
        })
    };
    let ids = |name: &str| -> Vec<i64> {
        let found = called(&*store, app, name);
        found.iter().map(|user| user.number).collect()
    };
    assert_eq!(
        (ids("ann"), ids("Ann"), ids("an")),
        (vec![1], vec![], vec![])
    );
    let cid = named(&live.scene.world.user(&live.scene.app, "cid"), " ÄNN ");
    let dan = live.scene.world.user(&live.scene.app, "Änn");
    let made = [&dan, &cid].map(|user| Change::User(Arc::clone(user)));
    live.commit(&*store, made);
    assert_eq!(ids("änn"), [3, 4], "oldest first");
    assert_eq!(called(&*store, app, "änn"), [cid.clone(), dan.clone()]);
    assert_eq!(ids("cid"), [0; 0], "by the name alone");
    let renamed = [named(&dan, "Dan"), named(&live.scene.ann, "DAN")];
    live.commit(&*store, renamed.map(Change::UserUpdated));
    assert_eq!(
        (ids("änn"), ids("dan"), ids("ann")),
        (vec![3], vec![1, 4], vec![])
    );
    live.commit(&*store, [Change::UserDeleted(dan.id, Timestamp(1))]);
    assert_eq!(ids("dan"), [1]);

    let many = (0..150).map(|place: i32| {
        let user = live.scene.world.user(&live.scene.app, place.to_string());
        Change::User(named(&user, "same"))
    });
    let many: Vec<_> = many.collect();
    live.commit(&*store, many);
    let found = ids("same");
    assert_eq!((found.len(), found[0]), (100, 5), "the oldest of them");
}

pub(super) fn what_was_cleared_is_in_no_history(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let (ann, bob) = (Arc::clone(&live.scene.ann), Arc::clone(&live.scene.bob));
    let before = ["one", "two", "three"].map(|text| live.say(&ann, text));
    live.commit(&*store, before.clone().map(message));
    // In the middle of a batch.
    let late = live.say(&bob, "just before");
    let clear = live.clear();
    let after = live.say(&ann, "after");
    let changes = [message(late.clone())].into_iter().chain(clear);
    live.commit(&*store, changes.chain([message(after.clone())]));
    let listed = |store: &dyn Store| {
        let (found, _) = store.conversations(ann.id, &list(0, 9)).unwrap();
        found
            .into_iter()
            .flat_map(|one| one.messages)
            .collect::<Vec<_>>()
    };
    assert_eq!(live.history(&*store), from_ref(&after));
    assert_eq!(listed(&*store), from_ref(&after));
    assert_eq!(live.now(&*store).messages, 1);
    // What was cleared is there for those who know its name, and in the log.
    let app = live.scene.app.id;
    let read = store.message(app, before[0].message.uuid).unwrap();
    assert_eq!(read.as_ref(), Some(&before[0]));
    let log = store.log(Topic::Conversation(live.id()), 0, u64::MAX, 99);
    assert_eq!(log.unwrap().len(), 6);

    // Whoever takes away what is not counted takes nothing from the count.
    let deleted = |live: &mut Live, of: &MessageView| Change::MessageDeleted {
        entry: live.scene.world.entry(&live.view.conversation, &ann),
        message: Arc::new(of.clone()),
    };
    let gone = [&before[0], &before[1]].map(|of| deleted(&mut live, of));
    live.commit(&*store, gone);
    assert_eq!(live.now(&*store).messages, 1);
    let gone = deleted(&mut live, &after);
    live.commit(&*store, [gone]);
    assert_eq!(live.now(&*store).messages, 0);
    assert_eq!((live.history(&*store), listed(&*store)), (vec![], vec![]));
    let newest = store.load(&Need::NewestOfOthers(live.id(), UserId(9)));
    assert!(matches!(newest.unwrap(), Found::Newest(None)));

    // The state of the room may change without clearing it again.
    let again = live.say(&bob, "again");
    let cleared_g = live.now(&*store).room().unwrap().cleared_g;
    let same = live.update(Room {
        cleared_g,
        private: true,
        ..Room::default()
    });
    live.commit(&*store, [message(again.clone()), same]);
    drop(store);
    let store = place.open();
    assert_eq!(live.history(&*store), from_ref(&again));
    assert_eq!(live.now(&*store).messages, 1);
    // A user goes, who wrote before and after.
    let more = live.say(&ann, "more");
    live.commit(&*store, [message(more)]);
    live.commit(&*store, [Change::UserDeleted(bob.id, Timestamp(1))]);
    assert_eq!(live.now(&*store).messages, 1);
    // And where nothing was said since, nothing is left.
    let clear = live.clear();
    live.commit(&*store, clear);
    let clear = live.clear();
    let said_at = live.now(&*store).last_message_at;
    live.commit(&*store, clear);
    let now = live.now(&*store);
    assert_eq!((now.messages, now.last_message_at), (0, said_at));
    assert_eq!(live.history(&*store), []);
}

pub(super) fn bans_and_votes_are_there_until_they_are_taken_back(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let people = ["cid", "dan", "eve"].map(|name| live.viewer(&*store, name));
    let second = live.scene.world.room("second", &[&live.scene.ann]);
    live.commit(&*store, [Change::Conversation(second.clone())]);
    let (room, other) = (live.id(), second.conversation.id);
    let banned = |conversation, user: usize, until: Option<i64>| {
        Change::Banned(Ban {
            conversation,
            user: people[user].id,
            until: until.map(Timestamp),
        })
    };
    let voted = |user: usize, option| Change::Voted {
        conversation: room,
        user: people[user].id,
        option,
    };
    let changes = [
        banned(room, 0, None),
        banned(room, 1, Some(30)),
        banned(room, 2, Some(20)),
        banned(other, 0, Some(10)),
        voted(0, 1),
        voted(1, 2),
    ];
    live.commit(&*store, changes);
    let until = |store: &dyn Store, room, user: usize| {
        let found = ban(store, room, people[user].id);
        found.map(|ban| ban.until.map(|until| until.0))
    };
    assert_eq!(until(&*store, room, 0), Some(None));
    assert_eq!(until(&*store, room, 1), Some(Some(30)));
    assert_eq!(until(&*store, other, 0), Some(Some(10)));
    assert_eq!(until(&*store, other, 1), None);
    assert_eq!(vote(&*store, room, people[1].id), Some(2));
    assert_eq!(vote(&*store, other, people[1].id), None);
    let over = |store: &dyn Store, by, limit| -> Vec<i64> {
        let found = due(store, Timestamp(by), limit).bans;
        for (ban, user, place) in &found {
            assert_eq!(
                (ban.user, ban.conversation),
                (user.id, place.conversation.id)
            );
            assert_eq!(view(store, place).as_ref(), Some(place));
        }
        let until = |ban: Ban| ban.until.unwrap().0;
        found.into_iter().map(|(ban, ..)| until(ban)).collect()
    };
    assert_eq!(over(&*store, 9, 9), [0; 0]);
    assert_eq!(over(&*store, 20, 9), [10, 20]);
    assert_eq!(over(&*store, 99, 2), [10, 20], "the first to end");

    // Again, in place of the earlier one; and taken back, twice.
    let changes = [
        banned(room, 1, None),
        banned(room, 0, Some(40)),
        Change::Unbanned(room, people[2].id),
        Change::Unbanned(room, people[2].id),
        Change::VotesForgotten(room),
        voted(1, 1),
    ];
    live.commit(&*store, changes);
    drop(store);
    let store = place.open();
    assert_eq!(over(&*store, 99, 9), [10, 40]);
    assert_eq!(until(&*store, room, 1), Some(None));
    assert_eq!(until(&*store, room, 2), None);
    assert_eq!(vote(&*store, room, people[0].id), None);
    assert_eq!(vote(&*store, room, people[1].id), Some(1));

    // They go with the user, and are due no longer when the room is gone.
    live.commit(&*store, [Change::UserDeleted(people[1].id, Timestamp(1))]);
    assert_eq!(until(&*store, room, 1), None);
    assert_eq!(vote(&*store, room, people[1].id), None);
    live.commit(&*store, [Change::ConversationDeleted(other, Timestamp(1))]);
    assert_eq!(over(&*store, 99, 9), [40]);
    assert_eq!(until(&*store, other, 0), None);
}

pub(super) fn what_is_due_in_rooms_is_found_by_its_time(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let ann = Arc::clone(&live.scene.ann);
    let said = live.say(&ann, "x");
    let room = full(&said.message, &ann);
    // In the first room the poll is due, in the second one the pin; nothing in the third.
    let pinned = Room {
        poll: None,
        ..room.clone()
    };
    let mut others = ["second", "third"].map(|slug| live.scene.world.room(slug, &[&ann]));
    others[0].details = Arc::new(Details {
        room: Some(Arc::new(pinned)),
        ..Details::clone(&others[0].details)
    });
    let update = live.update(room.clone());
    let made = others.clone().map(Change::Conversation);
    live.commit(&*store, [message(said), update].into_iter().chain(made));
    let rooms = |by: i64, limit| -> Vec<ConversationId> {
        let found = due(&*store, Timestamp(by), limit).rooms;
        found.iter().map(|view| view.conversation.id).collect()
    };
    let second = others[0].conversation.id;
    assert_eq!(room.due(), Some(Timestamp(2_000)));
    assert_eq!(rooms(1_999, 9), []);
    assert_eq!(rooms(2_000, 9), [live.id()]);
    assert_eq!(rooms(5_000, 9), [live.id(), second]);
    assert_eq!(rooms(5_000, 1), [live.id()]);
    let found = due(&*store, Timestamp(2_000), 9).rooms;
    assert_eq!(found, [live.now(&*store)]);
    let quiet = live.update(Room::default());
    live.commit(&*store, [quiet]);
    assert_eq!(rooms(i64::MAX, 9), [second]);
    live.commit(&*store, [Change::ConversationDeleted(second, Timestamp(1))]);
    assert_eq!(rooms(i64::MAX, 9), []);
}

pub(super) fn who_wrote_lately_is_found(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let (ann, bob) = (Arc::clone(&live.scene.ann), Arc::clone(&live.scene.bob));
    let elsewhere = live
        .scene
        .world
        .message(&live.scene.chat, &ann, "elsewhere");
    let said = [&ann, &bob, &ann].map(|by| live.say(by, "x"));
    let at = [0, 1, 2].map(|place: usize| said[place].message.created_at);
    live.commit(
        &*store,
        said.map(message).into_iter().chain([message(elsewhere)]),
    );
    let both = BTreeMap::from([(ann.id, at[2]), (bob.id, at[1])]);
    let id = live.id();
    assert_eq!(wrote(&*store, id, Timestamp(i64::MIN)), both);
    assert_eq!(wrote(&*store, id, at[1]), both);
    let later = Timestamp(at[1].0 + 1);
    assert_eq!(wrote(&*store, id, later), BTreeMap::from([(ann.id, at[2])]));
    assert!(wrote(&*store, id, Timestamp(i64::MAX)).is_empty());
}

pub(super) fn replies_and_badges_come_back_whole(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let cid = live.viewer(&*store, "cid");
    let (app, bob) = (live.scene.app.id, Arc::clone(&live.scene.bob));
    let first = live.say(&cid, "what?");
    let mut answer = live.say(&bob, "that");
    answer.message.client_id = Some("once".to_owned());
    answer.message.body.reply_to = Some(first.message.uuid);
    let badge = |kind: &str, count| Badge {
        kind: kind.to_owned(),
        text: "In words".to_owned(),
        count,
    };
    answer.message.badges = vec![badge("moderator", None), badge("subscriber", Some(7))];
    let quote = Quote {
        message: first.message.uuid,
        sender: Arc::clone(&cid),
        text: "what?".to_owned(),
    };
    answer.quoted = Some(Arc::new(quote.clone()));
    live.commit(&*store, [first.clone(), answer.clone()].map(message));
    let check = |store: &dyn Store, due: &MessageView| {
        let history = live.history(store);
        assert_eq!(history.last(), Some(due));
        let uuid = due.message.uuid;
        assert_eq!(store.message(app, uuid).unwrap().as_ref(), Some(due));
        let need = Need::Sent(live.view.conversation.id, bob.id, "once".to_owned());
        match store.load(&need).unwrap() {
            Found::Sent(found) => assert_eq!(found.as_deref(), Some(due)),
            other => panic!("asked for a message, got {other:?}"),
        }
        let place = Topic::Conversation(live.view.conversation.id);
        let log = store
            .log(place, due.message.g - 1, due.message.g, 9)
            .unwrap();
        match &log[0].happening {
            Happening::MessageSent(told) => assert_eq!(**told, *due),
            other => panic!("a message was told, got {other:?}"),
        }
    };
    check(&*store, &answer);
    drop(store);
    let store = place.open();
    check(&*store, &answer);
    // As it is now, and no longer when it is gone; that it was an answer stays.
    let mut edited = first.clone();
    "pardon?".clone_into(&mut edited.message.body.text);
    let world = &mut Scene::of(&*store).world;
    world.set_seq(&live.view.conversation, 2);
    let entry = world.entry(&live.view.conversation, &cid);
    let message = Arc::new(edited);
    let edit = Change::MessageEdited { entry, message };
    store.commit(&world.batch([edit])).unwrap();
    answer.quoted = Some(Arc::new(Quote {
        text: "pardon?".to_owned(),
        ..quote
    }));
    check(&*store, &answer);
    let entry = world.entry(&live.view.conversation, &cid);
    let message = Arc::new(first);
    let gone = Change::MessageDeleted { entry, message };
    store.commit(&world.batch([gone])).unwrap();
    answer.quoted = None;
    check(&*store, &answer);
}

#[expect(clippy::too_many_lines, reason = "one note of each kind")]
pub(super) fn the_log_tells_what_happened_in_a_room(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let cid = live.viewer(&*store, "cid");
    let (ann, bob) = (Arc::clone(&live.scene.ann), Arc::clone(&live.scene.bob));
    let said = live.say(&ann, "x");
    let room = full(&said.message, &ann);
    let ban = Ban {
        conversation: live.id(),
        user: cid.id,
        until: Some(Timestamp(9)),
    };
    let g = said.message.g;
    let (event, data) = ("Event".to_owned(), crate::world::metadata("x").0);
    let username = "cid".to_owned();
    let news = [
        RoomNews::Cleared,
        RoomNews::Modes(room.modes),
        RoomNews::Poll(room.poll.unwrap()),
        RoomNews::PollGone,
        RoomNews::Unpinned,
        RoomNews::Subscribed {
            username,
            months: 3,
        },
        RoomNews::Livestream(room.livestream.unwrap()),
        RoomNews::Other { event, data },
    ];
    let mut notes = vec![
        RoomNote::Banned {
            ban,
            minutes: Some(4),
        },
        RoomNote::Unbanned {
            user: cid.id,
            permanent: false,
        },
        RoomNote::Pinned { g, seconds: 5 },
    ];
    notes.extend(news.iter().cloned().map(RoomNote::News));
    // By bob, but for the last one, which nobody in particular does.
    let mut changes = vec![message(said.clone())];
    changes.extend(notes.into_iter().map(|note| live.note(note)));
    let lifted = RoomNote::Unbanned {
        user: cid.id,
        permanent: true,
    };
    let mut lifted = live.note(lifted);
    if let Change::RoomNoted { entry, .. } = &mut lifted {
        (entry.actor, entry.origin) = (None, None);
    }
    changes.push(lifted);
    live.commit(&*store, changes);
    drop(store);
    let store = place.open();
    let due = |user: Option<&Arc<User>>, by: Option<&Arc<User>>, pinned: Option<&MessageView>| {
        let by = by.cloned();
        let mut all = Vec::new();
        if let Some(user) = user.cloned() {
            let (user, by) = (|| Arc::clone(&user), || by.clone());
            all.push(RoomHappening::Banned {
                user: user(),
                by: by(),
                until: ban.until,
                minutes: Some(4),
            });
            all.push(RoomHappening::Unbanned {
                user: user(),
                by: by(),
                permanent: false,
            });
        }
        all.extend(pinned.map(|message| RoomHappening::Pinned {
            message: Arc::new(message.clone()),
            by: by.clone(),
            seconds: 5,
        }));
        let news = news.iter().cloned().map(Arc::new);
        all.extend(news.map(RoomHappening::News));
        all.extend(user.map(|user| RoomHappening::Unbanned {
            user: Arc::clone(user),
            by: None,
            permanent: true,
        }));
        all
    };
    let told = |place: Topic| {
        let log = store.log(place, 0, u64::MAX, 99).unwrap();
        let told = log.iter().filter_map(|event| match &event.happening {
            Happening::Room(told) => Some(told.clone()),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let here = Topic::Conversation(live.id());
    assert_eq!(told(here), due(Some(&cid), Some(&bob), Some(&said)));
    assert_eq!(told(Topic::Person(ann.id)), told(here));
    // What is gone is not told, and whoever is gone has done nothing.
    let entry = live.scene.world.entry(&live.view.conversation, &ann);
    let gone = Change::MessageDeleted {
        entry,
        message: Arc::new(said),
    };
    live.commit(&*store, [gone]);
    assert_eq!(told(here), due(Some(&cid), Some(&bob), None));
    live.commit(&*store, [Change::UserDeleted(bob.id, Timestamp(1))]);
    assert_eq!(told(here), due(Some(&cid), None, None));
    live.commit(&*store, [Change::UserDeleted(cid.id, Timestamp(1))]);
    assert_eq!(told(here), due(None, None, None));
}

pub(super) fn whoever_wrote_in_a_room_leaves_nothing_there(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let (cid, dan) = (live.viewer(&*store, "cid"), live.viewer(&*store, "dan"));
    let said = [&cid, &dan, &cid].map(|by| live.say(by, "x"));
    live.commit(&*store, said.clone().map(message));
    assert_eq!(
        live.now(&*store).members.len(),
        2,
        "they do not belong to it"
    );
    assert_eq!(live.history(&*store).len(), 3);
    let conversations = store.load(&Need::ConversationsOf(cid.id)).unwrap();
    assert!(matches!(conversations, Found::Conversations(ids) if ids.is_empty()));
    // One of them comes in, and is put out again.
    let (world, room): (&mut World, _) = (&mut live.scene.world, &live.view.conversation);
    let member = crate::world::member(&dan);
    let came = Change::MemberAdded {
        entry: world.entry(room, &dan),
        member,
    };
    let left = Change::MemberRemoved {
        entry: world.entry(room, &dan),
        user: dan.id,
        heir: None,
    };
    live.commit(&*store, [came]);
    assert_eq!(live.now(&*store).members.len(), 3);
    live.commit(&*store, [left]);
    live.commit(&*store, [Change::UserDeleted(cid.id, Timestamp(1))]);
    assert_eq!(live.history(&*store), [said[1].clone()]);
    assert_eq!(live.now(&*store).messages, 1);
    live.commit(&*store, [Change::UserDeleted(dan.id, Timestamp(1))]);
    assert_eq!(live.history(&*store), []);
    assert_eq!(live.now(&*store).messages, 0);
}

pub(super) fn a_room_whose_owner_goes_is_for_a_moderator(place: &dyn Place) {
    let store = place.open();
    let mut live = Live::new(&*store);
    let cid = live.viewer(&*store, "cid");
    let (ann, bob) = (Arc::clone(&live.scene.ann), Arc::clone(&live.scene.bob));
    // The one who moderates came last.
    let other = live.scene.world.room("other", &[&ann, &cid, &bob]);
    let plain = live.scene.world.room("plain", &[&ann, &cid]);
    let id = other.conversation.id;
    let roles = [
        Change::RoleChanged(id, cid.id, MemberRole::Member),
        Change::RoleChanged(id, bob.id, MemberRole::Moderator),
        Change::RoleChanged(plain.conversation.id, cid.id, MemberRole::Member),
    ];
    let made = [other, plain].map(Change::Conversation);
    live.commit(&*store, made.into_iter().chain(roles));
    match store.load(&Need::HeirsOf(ann.id)).unwrap() {
        Found::Heirs(mut heirs) => {
            heirs.sort();
            assert_eq!(heirs, [(live.id(), bob.id), (id, bob.id)]);
        }
        other => panic!("asked for heirs, got {other:?}"),
    }
}

pub(super) fn what_a_large_room_left_is_erased_in_steps(place: &dyn Place) {
    const MUCH: usize = 2_000;
    let store = place.open();
    let mut live = Live::new(&*store);
    let people: Vec<_> = (0..MUCH)
        .map(|place| live.scene.world.user(&live.scene.app, place.to_string()))
        .collect();
    let id = live.id();
    let mut changes: Vec<_> = people.iter().cloned().map(Change::User).collect();
    for user in &people {
        let said = live.say(user, "x");
        changes.push(message(said));
        changes.push(Change::Voted {
            conversation: id,
            user: user.id,
            option: 1,
        });
        changes.push(Change::Banned(Ban {
            conversation: id,
            user: user.id,
            until: Some(Timestamp(1)),
        }));
    }
    live.commit(&*store, changes);
    live.commit(&*store, [Change::ConversationDeleted(id, Timestamp(1))]);
    let over = due(&*store, Timestamp(9), 9);
    assert!(over.bans.is_empty(), "nobody can be told");
    let next = live.another();
    live.commit(&*store, [Change::Conversation(next.clone())]);
    for name in names(&next) {
        let found = store.conversation(live.scene.app.id, &ConversationName::Room(name));
        assert_eq!(found.unwrap().as_ref(), Some(&next));
    }
    let mut steps = 0;
    while let Found::Leftover(Some(left)) = store.load(&Need::Leftover).unwrap() {
        live.commit(&*store, [Change::Erased(left, 500)]);
        steps += 1;
        assert!(steps < MUCH, "it comes to an end");
    }
    // A message, a row that says who wrote, a ban and a vote each, less what went at once.
    assert!(steps >= 4 * MUCH / 500 - 1, "{steps} steps");
    for user in [&people[0], &people[MUCH - 1]] {
        assert_eq!(ban(&*store, id, user.id), None);
        assert_eq!(vote(&*store, id, user.id), None);
    }
}

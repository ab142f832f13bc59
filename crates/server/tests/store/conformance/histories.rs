//! Whatever is asked of the domain's writer on a store: all that is found in it is what `ledger` says,
//! and the log of every place is what was shown there.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use chat::{
    Actor, App, Asker, Body, Command, ConversationKind, ConversationRef, Effect, Event, Executor,
    ExternalId, Identity, Media, MessageView, Outcome, Presence, Proof, Reply, SessionId, Store,
    Submission, Timestamp, Topic, User, UserId, UserRef,
    command::{BodyPatch, Destination, DetailsPatch, ProfilePatch},
    model::{Details, Metadata, Picture, Product, Scope},
    room::{RoomName, Standing},
    store::{ConversationName, Found, ListPage, Need, Page, UserName},
};
use parking_lot::Mutex;
use proptest::{
    prelude::*,
    test_runner::{TestCaseResult, TestRunner},
};
use uuid::Uuid;

use super::{
    Place,
    ledger::{Ledger, Tap},
    ruling::{Act, act, check_rooms},
};
use crate::world::{Scene, list, metadata, page, session};

const PEOPLE: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];
const DIALECT: &str = "direct";

/// What somebody may ask, with places in lists for people, conversations and messages of any time.
#[derive(Clone, Debug)]
enum Ask {
    Register(usize),
    Deregister(usize),
    Open(usize, usize),
    Group(usize, Vec<usize>, bool),
    Join(usize, Option<usize>),
    Leave(usize),
    Add(usize, usize),
    Remove(usize, usize),
    Rename(usize, usize, bool),
    Send(usize, usize, bool),
    Edit(usize, bool),
    Delete(usize),
    Read(usize, usize),
    Put(usize, bool),
    Offline(usize),
    DeleteUser(usize),
    /// Nobody in particular: the app itself.
    DeleteChat(usize, Option<usize>),
    SendTo(usize, usize, bool),
    /// Who sells, who buys, whether the one who sells writes; a file or none.
    SendAbout(usize, usize, bool, bool),
    ReadAll(usize, usize),
    Hide(usize, usize),
    Block(usize, usize),
    Unblock(usize, usize),
    Collect(usize),
    /// A new session carries on with the one of this number.
    Inherit(i64),
    End(i64),
    Restart,
    Room(usize, usize),
    /// Somebody who rules it, perhaps, or the app itself.
    InRoom(usize, Option<usize>, Act),
    /// In answer to a message, perhaps of elsewhere.
    SayInRoom(usize, usize, Option<usize>),
    Listen(usize, bool),
    /// Until much that ends by itself has ended.
    Wait,
}

impl Ask {
    /// Only the app's own server may ask for it.
    fn is_servers(&self) -> bool {
        matches!(
            self,
            Self::Room(..) | Self::InRoom(..) | Self::SayInRoom(..)
        )
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    let person = || 0..PEOPLE.len();
    // Of the first few there are always many.
    let chat = || 0..6_usize;
    let message = || 0..40_usize;
    let session = || 1..5_i64;
    let some = any::<bool>;
    let room = || 0..2_usize;
    prop_oneof![
        2 => person().prop_map(Ask::Register),
        1 => person().prop_map(Ask::Deregister),
        3 => (person(), person()).prop_map(|(a, b)| Ask::Open(a, b)),
        3 => (person(), prop::collection::vec(person(), 0..4), some())
            .prop_map(|(owner, others, file)| Ask::Group(owner, others, file)),
        4 => (chat(), prop::option::of(person())).prop_map(|(chat, who)| Ask::Join(chat, who)),
        1 => chat().prop_map(Ask::Leave),
        3 => (chat(), person()).prop_map(|(chat, who)| Ask::Add(chat, who)),
        3 => (chat(), person()).prop_map(|(chat, who)| Ask::Remove(chat, who)),
        1 => (chat(), person(), some()).prop_map(|(chat, who, file)| Ask::Rename(chat, who, file)),
        24 => (chat(), person(), some()).prop_map(|(chat, who, file)| Ask::Send(chat, who, file)),
        5 => (message(), some()).prop_map(|(message, file)| Ask::Edit(message, file)),
        4 => message().prop_map(Ask::Delete),
        8 => (message(), person()).prop_map(|(message, who)| Ask::Read(message, who)),
        2 => (person(), some()).prop_map(|(who, file)| Ask::Put(who, file)),
        1 => person().prop_map(Ask::Offline),
        1 => person().prop_map(Ask::DeleteUser),
        1 => (chat(), prop::option::of(person())).prop_map(|(chat, who)| Ask::DeleteChat(chat, who)),
        4 => (person(), person(), some()).prop_map(|(a, b, file)| Ask::SendTo(a, b, file)),
        8 => (person(), person(), some(), some())
            .prop_map(|(vendor, customer, sells, file)| Ask::SendAbout(vendor, customer, sells, file)),
        4 => (chat(), person()).prop_map(|(chat, who)| Ask::ReadAll(chat, who)),
        2 => (chat(), person()).prop_map(|(chat, who)| Ask::Hide(chat, who)),
        2 => (person(), person()).prop_map(|(user, whom)| Ask::Block(user, whom)),
        2 => (person(), person()).prop_map(|(user, whom)| Ask::Unblock(user, whom)),
        2 => person().prop_map(Ask::Collect),
        1 => session().prop_map(Ask::Inherit),
        1 => session().prop_map(Ask::End),
        1 => Just(Ask::Restart),
        4 => (room(), person()).prop_map(|(room, owner)| Ask::Room(room, owner)),
        24 => (room(), prop::option::of(person()), act())
            .prop_map(|(room, by, act)| Ask::InRoom(room, by, act)),
        16 => (room(), person(), prop::option::of(message()))
            .prop_map(|(room, sender, answered)| Ask::SayInRoom(room, sender, answered)),
        3 => (room(), some()).prop_map(|(room, spelled)| Ask::Listen(room, spelled)),
        4 => Just(Ask::Wait),
    ]
}

fn room_name(room: usize) -> RoomName {
    RoomName::Slug(format!("live{room}"))
}

/// The part of all messages that a page is.
fn newest(all: &[MessageView], page: &Page) -> Vec<MessageView> {
    let offset = usize::try_from(page.offset).unwrap();
    let newest_first = all.iter().rev().skip(offset).take(page.limit as usize);
    let mut part: Vec<_> = newest_first.cloned().collect();
    part.reverse();
    part
}

struct Nobody;

/// Everybody with an odd number is there.
impl Presence for Nobody {
    fn is_online(&self, user: &User) -> bool {
        self.is_present(user)
    }
    fn is_present(&self, user: &User) -> bool {
        user.id.0 % 2 == 1
    }
}

impl Asker for Nobody {
    fn answered(&self, _: Outcome) {}
    fn wake(&self) {}
    fn lost(&self) {}
}

/// The writer on a store, and all that was shown and made.
struct History {
    tap: Arc<Tap>,
    executor: Executor,
    scene: Scene,
    app: Arc<App>,
    clock: i64,
    chats: Vec<Uuid>,
    messages: Vec<Uuid>,
    files: BTreeSet<String>,
    shown: Vec<Arc<Event>>,
    next_session: i64,
}

impl History {
    fn new(place: &dyn Place) -> Self {
        let store = place.open();
        let scene = Scene::new(&*store);
        let mut ledger = Ledger::default();
        scene
            .changes()
            .iter()
            .for_each(|change| ledger.apply(change));
        let tap = Arc::new(Tap {
            store,
            ledger: Mutex::new(ledger),
        });
        Self {
            executor: Executor::new(Arc::clone(&tap) as Arc<dyn Store>, Arc::new(Nobody), 5)
                .unwrap(),
            app: Arc::new(App {
                identity: Identity::Open,
                ..App::clone(&scene.app)
            }),
            tap,
            clock: 1_800_000_000_000,
            chats: vec![scene.chat.uuid],
            messages: Vec::new(),
            files: BTreeSet::new(),
            shown: Vec::new(),
            next_session: 100,
            scene,
        }
    }

    fn file(&mut self) -> Media {
        let file = self.scene.world.file();
        self.files.insert(file.name.clone());
        file
    }

    /// Several files, one of them with a small picture.
    fn album(&mut self, is_there: bool) -> Vec<Media> {
        if !is_there {
            return Vec::new();
        }
        let picture = self.scene.world.picture();
        let small = picture.thumbnail.iter().map(|small| small.name.clone());
        let names: Vec<_> = small.chain([picture.name.clone()]).collect();
        self.files.extend(names);
        vec![self.file(), picture]
    }

    fn picture(&mut self, is_file: bool) -> Picture {
        if is_file {
            Picture::Media(self.file())
        } else {
            Picture::Url(format!("https://example.org/{}", self.clock))
        }
    }

    fn something(&self) -> Metadata {
        metadata(&self.clock.to_string())
    }

    /// The session that asks, and what for.
    #[expect(clippy::too_many_lines, reason = "one arm for each command")]
    fn command(&mut self, asker: i64, ask: &Ask) -> (i64, Command) {
        let named = |who: usize| UserRef::Named(ExternalId::text(PEOPLE[who]));
        let chat = |chat: usize| self.chats[chat % self.chats.len()];
        let message = |which: usize| {
            let newest = self.messages.len().max(1);
            // Rather one of the newest.
            let place = (newest - 1).checked_sub(which % newest);
            place.and_then(|place| self.messages.get(place)).copied()
        };
        let command = match ask {
            Ask::Register(user) => Command::Register {
                user: named(*user),
                dialect: DIALECT,
                alone: false,
            },
            Ask::Deregister(user) => Command::Deregister {
                user: named(*user),
                dialect: DIALECT,
            },
            Ask::Open(user, other) => Command::OpenDirect {
                user: named(*user),
                other: named(*other),
                metadata: Some(self.something()),
                dialect: Some(DIALECT),
            },
            Ask::Group(owner, others, file) => Command::CreateGroup {
                owner: named(*owner),
                members: others.iter().copied().map(named).collect(),
                details: Details {
                    title: Some("a group".to_owned()),
                    avatar: file.then(|| self.picture(*file)),
                    metadata: Some(self.something()),
                    product: None,
                    room: None,
                },
            },
            Ask::Join(place, by) => Command::Join {
                conversation: chat(*place).into(),
                by: by.map(named),
                spelling: by.map(|who| format!("room {who}")),
                dialect: DIALECT,
            },
            Ask::Leave(place) => Command::Leave {
                conversation: chat(*place).into(),
                dialect: DIALECT,
            },
            Ask::Add(place, user) => Command::AddMember {
                conversation: chat(*place),
                user: named(*user),
                by: None,
            },
            Ask::Remove(place, user) => Command::RemoveMember {
                conversation: chat(*place),
                user: named(*user),
                by: None,
            },
            Ask::Rename(place, by, file) => Command::UpdateConversation {
                conversation: chat(*place),
                by: Some(named(*by)),
                patch: DetailsPatch {
                    title: Some(format!("at {}", self.clock)),
                    avatar: Some(self.picture(*file)),
                    metadata: None,
                },
            },
            Ask::Send(place, sender, file) => Command::Send {
                to: chat(*place).into(),
                sender: named(*sender),
                body: Body {
                    text: format!("{asker} says at {}", self.clock),
                    media: self.album(*file),
                    metadata: file.then(|| self.something()),
                    reply_to: None,
                },
                client_id: (*sender > 2).then(|| self.clock.to_string()),
            },
            Ask::Edit(which, file) => Command::EditMessage {
                message: message(*which).unwrap_or_default(),
                by: None,
                patch: BodyPatch {
                    text: Some(format!("no, at {}", self.clock)),
                    media: file.then(|| self.file()),
                    metadata: Some(self.something()),
                },
            },
            Ask::Delete(which) => Command::DeleteMessage {
                message: message(*which).unwrap_or_default(),
                within: None,
                by: None,
            },
            Ask::Read(which, reader) => Command::MarkRead {
                message: message(*which).unwrap_or_default(),
                reader: named(*reader),
            },
            Ask::Put(user, file) => Command::PutUser {
                user: ExternalId::text(PEOPLE[*user]),
                patch: ProfilePatch {
                    name: Some(format!("at {}", self.clock)),
                    avatar: Some(self.picture(*file)),
                    metadata: Some(self.something()),
                },
            },
            Ask::Offline(user) => {
                let name = UserName::External(PEOPLE[*user].to_owned());
                match self.tap.user(self.app.id, &name).unwrap() {
                    Some(user) => Command::UserWentOffline {
                        user: user.id,
                        at: Timestamp(self.clock + 7),
                    },
                    None => Command::Fence,
                }
            }
            Ask::DeleteUser(user) => Command::DeleteUser { user: named(*user) },
            Ask::DeleteChat(place, by) => Command::DeleteConversation {
                conversation: chat(*place),
                by: by.map(named),
            },
            Ask::SendTo(sender, other, file) => Command::Send {
                to: Destination::Direct(named(*other)),
                sender: named(*sender),
                body: Body {
                    media: self.album(*file),
                    ..Body::text("to you alone")
                },
                client_id: None,
            },
            Ask::SendAbout(vendor, customer, sells, file) => Command::Send {
                to: Destination::Product {
                    vendor: named(*vendor),
                    customer: named(*customer),
                    product: Box::new(Product {
                        id: "lamp".to_owned(),
                        name: Some(format!("a lamp at {}", self.clock)),
                        ..Product::default()
                    }),
                },
                sender: named(if *sells { *vendor } else { *customer }),
                body: Body {
                    media: self.album(*file),
                    ..Body::text(format!("about it at {}", self.clock))
                },
                client_id: Some(format!("{}", self.clock / 3)),
            },
            Ask::ReadAll(place, reader) => Command::MarkAllRead {
                conversation: chat(*place).into(),
                reader: named(*reader),
                tells: true,
            },
            Ask::Hide(place, user) => Command::HideConversation {
                conversation: chat(*place).into(),
                user: named(*user),
            },
            Ask::Block(user, whom) => Command::Block {
                user: named(*user),
                whom: named(*whom),
            },
            Ask::Unblock(user, whom) => Command::Unblock {
                user: named(*user),
                whom: named(*whom),
            },
            Ask::Collect(user) => Command::CollectMissed { user: named(*user) },
            Ask::Inherit(from) => {
                self.next_session += 1;
                let from = SessionId(*from);
                return (self.next_session, Command::InheritSession { from });
            }
            Ask::End(id) => {
                let session = SessionId(*id);
                return (*id, Command::EndSession { session });
            }
            Ask::Restart => Command::Fence,
            Ask::Room(room, owner) => Command::CreateRoom {
                slug: format!("live{room}"),
                title: None,
                owner: PEOPLE[*owner].to_owned(),
                private: *room == 1,
            },
            Ask::InRoom(room, by, act) => Command::InRoom {
                room: room_name(*room),
                by: by.map(named),
                act: Box::new(act.to_act(&PEOPLE, |which| message(which).unwrap_or_default())),
            },
            Ask::SayInRoom(room, sender, answered) => Command::Send {
                to: Destination::Room {
                    room: room_name(*room),
                    standing: answered.map(|_| Standing {
                        follower_since: None,
                        subscriber_months: 3,
                    }),
                },
                sender: UserRef::Called(PEOPLE[*sender].to_uppercase()),
                body: Body {
                    reply_to: answered.and_then(message),
                    ..Body::text(format!("live at {}", self.clock))
                },
                client_id: None,
            },
            Ask::Listen(room, spelled) => Command::Join {
                conversation: ConversationRef::Room(room_name(*room)),
                by: None,
                spelling: spelled.then(|| format!("spelled at {}", self.clock)),
                dialect: DIALECT,
            },
            Ask::Wait => {
                self.clock += 65_000;
                Command::EndDue
            }
        };
        (asker, command)
    }

    /// Asks for all of it in as few turns as may be.
    fn ask(&mut self, asks: &[(i64, Ask)]) {
        if asks.iter().any(|(_, ask)| matches!(ask, Ask::Restart)) {
            let store = Arc::clone(&self.tap) as Arc<dyn Store>;
            self.executor = Executor::new(store, Arc::new(Nobody), 6).unwrap();
        }
        let mut waiting = VecDeque::new();
        for (asker, ask) in asks {
            self.clock += 1;
            let (asker, command) = self.command(*asker, ask);
            let sweeps = command.is_sweeping();
            if sweeps {
                self.turn(std::mem::take(&mut waiting));
            }
            let actor = Actor {
                app: Arc::clone(&self.app),
                subject: None,
                scope: if ask.is_servers() {
                    Scope::Server
                } else {
                    Scope::Client
                },
                proof: Proof {
                    key: (asker > 2).then_some(chat::KeyId(asker)),
                    until: (asker > 3).then_some(Timestamp(asker)),
                },
                session: Some(session(asker)),
            };
            waiting.push_back(Submission {
                actor: Arc::new(actor),
                command,
                asker: Arc::new(Nobody),
            });
            if sweeps {
                self.turn(std::mem::take(&mut waiting));
            }
        }
        self.turn(waiting);
    }

    fn turn(&mut self, submissions: VecDeque<Submission>) {
        let turn = self.executor.turn(submissions, Timestamp(self.clock));
        assert!(!turn.failed && turn.faults.is_empty(), "{:?}", turn.faults);
        for effect in turn.effects {
            if let Effect::Show(event) = effect {
                self.shown.push(event);
            }
        }
        for (_, outcome) in turn.answers {
            match outcome.result {
                Ok(Reply::Sent {
                    message, opened, ..
                }) => {
                    self.messages.push(message.message.uuid);
                    let opened = opened.map(|view| view.conversation.uuid);
                    let known = opened.filter(|uuid| !self.chats.contains(uuid));
                    self.chats.extend(known);
                }
                Ok(Reply::Opened { conversation, .. }) => {
                    let uuid = conversation.conversation.uuid;
                    if !self.chats.contains(&uuid) {
                        self.chats.push(uuid);
                    }
                }
                Ok(Reply::InRoom { conversation, .. }) => {
                    let uuid = conversation.conversation.uuid;
                    if !self.chats.contains(&uuid) {
                        self.chats.push(uuid);
                    }
                }
                _ => {}
            }
        }
    }

    fn check(&self, ranges: &[(u64, u64, u32)]) -> TestCaseResult {
        let ledger = self.tap.ledger.lock();
        self.check_what_is_found(&ledger)?;
        self.check_what_is_ones_own(&ledger, ranges)?;
        check_rooms(&*self.tap, &ledger, self.app.id, Timestamp(self.clock))?;
        for id in (0..5).chain(100..=self.next_session) {
            let found = self.tap.sessions(&[session(id).pid_hash]).unwrap().pop();
            let due = ledger.sessions.get(&SessionId(id)).cloned().flatten();
            prop_assert_eq!(found.map(Arc::new), due, "session {}", id);
        }
        let chats = ledger.chats.keys().copied().map(Topic::Conversation);
        let people = ledger.users.keys().copied().map(Topic::Person);
        for place in chats.chain(people) {
            self.check_log(&ledger, place, ranges)?;
        }
        Ok(())
    }

    fn check_what_is_found(&self, ledger: &Ledger) -> TestCaseResult {
        let app = self.app.id;
        for uuid in &self.chats {
            let name = ConversationName::Uuid(*uuid);
            let found = self.tap.conversation(app, &name).unwrap();
            let mut chats = ledger.chats.keys().map(|id| ledger.view(*id).unwrap());
            let due = chats.find(|view| view.conversation.uuid == *uuid);
            prop_assert_eq!(&found, &due);
            if let Some(view) = found {
                let history = self
                    .tap
                    .history(&view.conversation, u64::MAX, &page(0, u32::MAX));
                prop_assert_eq!(history.unwrap(), ledger.history(view.conversation.id));
            }
        }
        for uuid in &self.messages {
            let found = self.tap.message(app, *uuid).unwrap();
            let mut all = ledger.messages.values();
            let due = all.find(|message| message.uuid == *uuid);
            prop_assert_eq!(found, due.map(|message| ledger.shown(message)));
        }
        for name in PEOPLE {
            let found = self
                .tap
                .user(app, &UserName::External(name.to_owned()))
                .unwrap();
            let due = ledger
                .users
                .values()
                .find(|user| user.external.text == name);
            prop_assert_eq!(&found, &due.cloned());
            let Some(user) = found else { continue };
            for kind in [
                None,
                Some(ConversationKind::Direct),
                Some(ConversationKind::Product),
                Some(ConversationKind::Room),
            ] {
                self.check_list(ledger, user.id, kind)?;
            }
        }
        let kept = self.files.iter().cloned();
        let kept = kept.filter(|name| self.tap.media(name).unwrap().is_some());
        prop_assert_eq!(kept.collect::<BTreeSet<_>>(), ledger.files());
        Ok(())
    }

    fn check_list(
        &self,
        ledger: &Ledger,
        user: UserId,
        kind: Option<ConversationKind>,
    ) -> TestCaseResult {
        let due = ledger.conversations(user, kind);
        let total = due.len() as u64;
        for (offset, limit) in [(0, 99), (0, 2), (1, 1), (total, 3)] {
            for messages in [page(0, 1), page(0, 3), page(1, 2), page(0, 0)] {
                let list = ListPage {
                    kind,
                    messages,
                    ..list(offset, limit)
                };
                let found = self.tap.conversations(user, &list).unwrap();
                let chosen = due.iter().skip(usize::try_from(offset).unwrap());
                let mut chosen: Vec<_> = chosen.take(limit as usize).cloned().collect();
                for one in &mut chosen {
                    one.messages = newest(&one.messages, &messages);
                }
                prop_assert_eq!(found, (chosen, total));
            }
        }
        Ok(())
    }

    fn check_what_is_ones_own(
        &self,
        ledger: &Ledger,
        ranges: &[(u64, u64, u32)],
    ) -> TestCaseResult {
        let last = self.executor.last_g();
        for user in ledger.users.keys().copied() {
            let blocks = ledger.blocks(user);
            prop_assert_eq!(&self.tap.blocks(user).unwrap(), &blocks);
            let Found::Users(found) = self.tap.load(&Need::Blocks(user)).unwrap() else {
                panic!("asked for users");
            };
            prop_assert!(blocks.iter().map(|user| user.id).eq(found));
            let Found::CollectedUpTo(found) = self.tap.load(&Need::CollectedUpTo(user)).unwrap()
            else {
                panic!("asked for a number");
            };
            prop_assert_eq!(found, ledger.collected_up_to(user));
            for kind in [ConversationKind::Direct, ConversationKind::Product] {
                let due = ledger.contacts(user, kind);
                prop_assert_eq!(&self.tap.contacts(user, kind, 99).unwrap(), &due);
                let some = self.tap.contacts(user, kind, 2).unwrap();
                prop_assert_eq!(&some, &due[..due.len().min(2)]);
            }
            for (from, to, limit) in ranges {
                let (after, up_to) = (from % (last + 1), to % (last + 2));
                let due = ledger.missed(user, after, up_to);
                for part in [page(0, *limit), page(1, 3)] {
                    let found = self.tap.missed(user, after, up_to, &part).unwrap();
                    prop_assert_eq!(found, newest(&due, &part));
                }
            }
            for id in ledger.chats.keys() {
                let Found::Newest(found) = self.tap.load(&Need::NewestOfOthers(*id, user)).unwrap()
                else {
                    panic!("asked for a message");
                };
                prop_assert_eq!(found, ledger.newest_of_others(*id, user));
            }
        }
        Ok(())
    }

    fn check_log(
        &self,
        ledger: &Ledger,
        place: Topic,
        ranges: &[(u64, u64, u32)],
    ) -> TestCaseResult {
        let last = self.executor.last_g();
        let shown = self.shown.iter();
        let told: Vec<_> = shown
            .filter_map(|event| ledger.told(place, event))
            .collect();
        let log = |after, up_to, limit| -> Vec<Event> {
            let page = self.tap.log(place, after, up_to, limit).unwrap();
            page.into_iter().map(Arc::unwrap_or_clone).collect()
        };
        prop_assert_eq!(&log(0, last, u32::MAX), &told, "{:?}", place);
        for (from, to, limit) in ranges {
            let (after, up_to) = (from % (last + 1), to % (last + 2));
            let mut due = told.clone();
            due.retain(|event| after < event.g && event.g <= up_to);
            due.truncate(*limit as usize);
            let page = log(after, up_to, *limit);
            prop_assert_eq!(page, due, "{:?} {}..={}", place, after, up_to);
        }
        Ok(())
    }
}

pub(super) fn any_history_is_told_again_as_it_was_shown(place: &dyn Place) {
    let batch = prop::collection::vec((1..5_i64, ask()), 1..12);
    let batches = prop::collection::vec(batch, 1..20);
    let ranges = prop::collection::vec((any::<u64>(), any::<u64>(), 0..40_u32), 8);
    let config = ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let tried = TestRunner::new(config).run(&(batches, ranges), |(batches, ranges)| {
        let place = place.another();
        let mut history = History::new(&*place);
        for batch in &batches {
            history.ask(batch);
        }
        history.check(&ranges)
    });
    if let Err(failed) = tried {
        panic!("{failed}");
    }
}

//! What is done to rooms in any history, and what a store should know of them after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chat::{
    AppId, ConversationId, ConversationView, Store, Timestamp, User, UserId, UserRef,
    room::{Ban, LimitPatch, LivestreamPatch, ModesPatch, RoomAct, RoomName, folded},
    store::{ConversationName, Due, Found, Need, Numbers},
};
use proptest::{prelude::*, test_runner::TestCaseResult};
use uuid::Uuid;

use super::ledger::Ledger;

/// What somebody may do to a room, with places in lists for people and messages.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Ban(usize, Option<u32>),
    Unban(usize),
    Clear,
    SetModes(bool),
    Pin(usize),
    Unpin,
    Delete(usize),
    OpenPoll,
    ClosePoll,
    Vote(u32, usize),
    Subscription(usize),
    SetLivestream(bool),
    Announce,
    AddModerator(usize),
    RemoveModerator(usize),
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    let person = || 0..5_usize;
    let message = || 0..20_usize;
    prop_oneof![
        4 => (person(), prop::option::of(1..3_u32)).prop_map(|(who, for_)| Act::Ban(who, for_)),
        3 => person().prop_map(Act::Unban),
        2 => Just(Act::Clear),
        1 => any::<bool>().prop_map(Act::SetModes),
        4 => message().prop_map(Act::Pin),
        1 => Just(Act::Unpin),
        2 => message().prop_map(Act::Delete),
        3 => Just(Act::OpenPoll),
        1 => Just(Act::ClosePoll),
        5 => (1..3_u32, person()).prop_map(|(option, who)| Act::Vote(option, who)),
        1 => person().prop_map(Act::Subscription),
        2 => any::<bool>().prop_map(Act::SetLivestream),
        1 => Just(Act::Announce),
        3 => person().prop_map(Act::AddModerator),
        1 => person().prop_map(Act::RemoveModerator),
    ]
}

impl Act {
    pub(super) fn to_act(&self, people: &[&str], message: impl Fn(usize) -> Uuid) -> RoomAct {
        let username = |who: usize| people[who].to_owned();
        match *self {
            Self::Ban(who, minutes) => RoomAct::Ban {
                username: username(who),
                minutes,
            },
            Self::Unban(who) => RoomAct::Unban {
                username: username(who),
            },
            Self::Clear => RoomAct::Clear,
            Self::SetModes(enabled) => RoomAct::SetModes(ModesPatch {
                slow: LimitPatch {
                    enabled: Some(enabled),
                    amount: Some(1),
                },
                ..ModesPatch::default()
            }),
            Self::Pin(which) => RoomAct::Pin {
                message: message(which),
                seconds: 60,
            },
            Self::Unpin => RoomAct::Unpin,
            Self::Delete(which) => RoomAct::DeleteMessage {
                message: message(which),
            },
            Self::OpenPoll => RoomAct::OpenPoll {
                title: "which?".to_owned(),
                options: ["this", "that"].map(str::to_owned).into(),
                seconds: 60,
                display_seconds: 30,
            },
            Self::ClosePoll => RoomAct::ClosePoll,
            Self::Vote(option, who) => RoomAct::Vote {
                option,
                voter: UserRef::Called(username(who)),
            },
            Self::Subscription(who) => RoomAct::Subscription {
                username: username(who),
                months: 2,
            },
            Self::SetLivestream(is_live) => RoomAct::SetLivestream(LivestreamPatch {
                is_live: Some(is_live),
                ..LivestreamPatch::default()
            }),
            Self::Announce => RoomAct::Announce {
                event: "Event".to_owned(),
                data: crate::world::metadata("x").0,
            },
            Self::AddModerator(who) => RoomAct::AddModerator {
                username: username(who),
            },
            Self::RemoveModerator(who) => RoomAct::RemoveModerator {
                username: username(who),
            },
        }
    }
}

/// All that a store knows of rooms is what the ledger says.
pub(super) fn check_rooms(
    store: &dyn Store,
    ledger: &Ledger,
    app: AppId,
    now: Timestamp,
) -> TestCaseResult {
    let given = ledger.numbers.get(&app).copied().unwrap_or_default();
    prop_assert_eq!(numbers(store, app), given);
    for user in ledger.users.values() {
        let name = folded(user.name());
        let all = ledger.users.values();
        let due: Vec<_> = all.filter(|user| user.is_called(&name)).cloned().collect();
        prop_assert_eq!(called(store, app, &name), due);
    }
    for id in ledger.chats.keys() {
        let due = ledger.view(*id).unwrap();
        for name in names(&due) {
            let found = store
                .conversation(app, &ConversationName::Room(name))
                .unwrap();
            prop_assert_eq!(found.as_ref(), Some(&due));
        }
        for user in ledger.users.keys() {
            let due = ledger.bans.get(&(*id, *user)).copied();
            prop_assert_eq!(ban(store, *id, *user), due);
            let due = ledger.votes.get(&(*id, *user)).copied();
            prop_assert_eq!(vote(store, *id, *user), due);
        }
        for ago in [0, 5, 100_000] {
            let since = Timestamp(now.0 - ago);
            prop_assert_eq!(wrote(store, *id, since), ledger.wrote(*id, since));
        }
    }
    let (rooms, bans) = ledger.due();
    for by in [now, Timestamp(i64::MAX)] {
        let found = due(store, by, 99);
        let ids = found.rooms.iter().map(|view| view.conversation.id);
        let ids: BTreeSet<_> = ids.collect();
        let wanted = rooms.iter().filter(|(at, _)| *at <= by);
        let wanted: BTreeSet<_> = wanted.map(|(_, id)| *id).collect();
        prop_assert_eq!(ids, wanted);
        for view in found.rooms {
            let wanted = ledger.view(view.conversation.id);
            prop_assert_eq!(Some(view), wanted);
        }
        let found = found.bans.into_iter();
        let found: BTreeMap<_, _> = found
            .map(|(ban, user, view)| ((ban.conversation, ban.user), (ban, user, view)))
            .collect();
        let wanted = bans.iter().filter(|ban| ban.until <= Some(by));
        let wanted: BTreeMap<_, _> = wanted
            .map(|ban| {
                let user = Arc::clone(&ledger.users[&ban.user]);
                let view = ledger.view(ban.conversation).unwrap();
                ((ban.conversation, ban.user), (*ban, user, view))
            })
            .collect();
        prop_assert_eq!(found, wanted);
    }
    Ok(())
}

/// All names of a room; none of what is no room.
pub(super) fn names(view: &ConversationView) -> Vec<RoomName> {
    let conversation = &view.conversation;
    let Some(numbers) = conversation.numbers else {
        return Vec::new();
    };
    vec![
        RoomName::Slug(conversation.key.clone().unwrap()),
        RoomName::Channel(numbers.channel),
        RoomName::Chatroom(numbers.chatroom),
    ]
}

pub(super) fn numbers(store: &dyn Store, app: AppId) -> Numbers {
    match store.load(&Need::Numbers(app)).unwrap() {
        Found::Numbers(numbers) => numbers,
        other => panic!("asked for numbers, got {other:?}"),
    }
}

pub(super) fn called(store: &dyn Store, app: AppId, name: &str) -> Vec<Arc<User>> {
    let need = Need::UsersCalled(app, name.to_owned());
    match store.load(&need).unwrap() {
        Found::People(users) => users,
        other => panic!("asked for users, got {other:?}"),
    }
}

pub(super) fn ban(store: &dyn Store, room: ConversationId, user: UserId) -> Option<Ban> {
    match store.load(&Need::Ban(room, user)).unwrap() {
        Found::Ban(ban) => ban,
        other => panic!("asked for a ban, got {other:?}"),
    }
}

pub(super) fn vote(store: &dyn Store, room: ConversationId, user: UserId) -> Option<u32> {
    match store.load(&Need::Vote(room, user)).unwrap() {
        Found::Vote(vote) => {
            assert_eq!(store.vote(room, user).unwrap(), vote);
            vote
        }
        other => panic!("asked for a vote, got {other:?}"),
    }
}

pub(super) fn wrote(
    store: &dyn Store,
    room: ConversationId,
    since: Timestamp,
) -> BTreeMap<UserId, Timestamp> {
    match store.load(&Need::WroteSince(room, since)).unwrap() {
        Found::Wrote(wrote) => {
            let last: BTreeMap<_, _> = wrote.iter().copied().collect();
            assert_eq!(last.len(), wrote.len(), "each once");
            last
        }
        other => panic!("asked who wrote, got {other:?}"),
    }
}

pub(super) fn due(store: &dyn Store, by: Timestamp, limit: u32) -> Due {
    match store.load(&Need::Due(by, limit)).unwrap() {
        Found::Due(due) => due,
        other => panic!("asked for what is due, got {other:?}"),
    }
}

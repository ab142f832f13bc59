//! Rooms: how they are made, who may do what in them, and what everybody is told of it. Who may write
//! is in `speaking`, what is asked in `polls`, what ends by itself in `ending`, what members of other
//! dialects may do in `members`.

mod ending;
mod members;
mod polls;
mod speaking;

use std::sync::Arc;

use chat::{
    Actor, Body, Command, ConversationView, Event, ExternalId, Happening, Refusal, Reply, Subject,
    UserRef,
    command::Destination,
    event::RoomHappening,
    model::Message,
    room::{LimitPatch, LivestreamPatch, ModesPatch, Room, RoomAct, RoomName, RoomNews, Standing},
    store::Change,
};
use serde_json::json;
use uuid::Uuid;

use crate::world::{World, anybody, app, call, refusal, sent, server, shown, verified};

/// A room with an owner, a moderator and a viewer who has written there.
pub(crate) fn stage() -> World {
    let mut world = World::new();
    world.one(&server(), create("club", "ann")).unwrap();
    let moderator = RoomAct::AddModerator {
        username: "mod".to_owned(),
    };
    world.one(&server(), in_room(moderator)).unwrap();
    world.one(&token("bob"), say("hello")).unwrap();
    world
}

pub(crate) fn club() -> RoomName {
    RoomName::Slug("club".to_owned())
}

pub(crate) fn create(slug: &str, owner: &str) -> Command {
    Command::CreateRoom {
        slug: slug.to_owned(),
        title: None,
        owner: owner.to_owned(),
        private: false,
    }
}

pub(crate) fn in_room(act: RoomAct) -> Command {
    Command::InRoom {
        room: club(),
        by: None,
        act: Box::new(act),
    }
}

/// Somebody whom a token proves.
pub(crate) fn token(who: &str) -> Arc<Actor> {
    verified(Some(who))
}

/// The same with a name of that one's own, and what the token says about a viewer.
pub(crate) fn token_of(who: &str, name: Option<&str>, standing: Standing) -> Arc<Actor> {
    let actor = Actor::clone(&verified(Some(who)));
    let subject = Subject {
        name: name.map(str::to_owned),
        standing,
        ..Subject::new(ExternalId::text(who), None)
    };
    Arc::new(Actor {
        subject: Some(subject),
        ..actor
    })
}

/// Says something in the room, as whom the token proves.
pub(crate) fn say(text: &str) -> Command {
    speak(UserRef::Subject, None, text, None)
}

/// Has the app say something in somebody's name.
pub(crate) fn say_as(who: &str, text: &str) -> Command {
    speak(UserRef::Called(who.to_owned()), None, text, None)
}

pub(crate) fn speak(
    sender: UserRef,
    standing: Option<Standing>,
    text: &str,
    client_id: Option<&str>,
) -> Command {
    Command::Send {
        to: Destination::Room {
            room: club(),
            standing,
        },
        sender,
        body: Body::text(text),
        client_id: client_id.map(str::to_owned),
    }
}

pub(crate) fn ban(username: &str, minutes: Option<u32>) -> RoomAct {
    RoomAct::Ban {
        username: username.to_owned(),
        minutes,
    }
}

pub(crate) fn unban(username: &str) -> RoomAct {
    RoomAct::Unban {
        username: username.to_owned(),
    }
}

pub(crate) fn add_moderator(username: &str) -> RoomAct {
    RoomAct::AddModerator {
        username: username.to_owned(),
    }
}

pub(crate) fn remove_moderator(username: &str) -> RoomAct {
    RoomAct::RemoveModerator {
        username: username.to_owned(),
    }
}

pub(crate) fn pin(message: Uuid, seconds: u32) -> RoomAct {
    RoomAct::Pin { message, seconds }
}

pub(crate) fn poll(title: &str) -> RoomAct {
    RoomAct::OpenPoll {
        title: title.to_owned(),
        options: vec!["yes".to_owned(), "no".to_owned()],
        seconds: 30,
        display_seconds: 15,
    }
}

pub(crate) fn vote(option: u32) -> RoomAct {
    RoomAct::Vote {
        option,
        voter: UserRef::Subject,
    }
}

pub(crate) fn enabled(amount: u32) -> LimitPatch {
    LimitPatch {
        enabled: Some(true),
        amount: Some(amount),
    }
}

pub(crate) fn set(patch: ModesPatch) -> Command {
    in_room(RoomAct::SetModes(patch))
}

/// The room, as stored.
pub(crate) fn room(world: &World) -> ConversationView {
    let mut all = world.store.rows().conversations.into_iter();
    all.find(|view| view.room().is_some()).unwrap()
}

pub(crate) fn state(world: &World) -> Room {
    Room::clone(room(world).room().unwrap())
}

/// The id of a message of the room that says this.
pub(crate) fn message(world: &World, text: &str) -> Message {
    let rows = world.store.rows().messages;
    let row = rows.iter().find(|row| row.message.body.text == text);
    row.unwrap().message.clone()
}

/// Does something, and what everybody is told then. What is told is stored, under rising numbers,
/// and what is answered is how things are.
pub(crate) fn told(world: &mut World, actor: &Arc<Actor>, command: Command) -> Vec<String> {
    let turn = world.turn(vec![(Arc::clone(actor), command)]);
    let events = shown(&turn);
    let result = &turn.answers[0].1.result;
    let rows = world.store.rows();
    for event in &events {
        if matches!(event.happening, Happening::Room(_)) {
            let noted = |entry: &chat::store::Entry| (entry.g, entry.at) == (event.g, event.at);
            assert!(
                rows.notes.iter().any(|(entry, _)| noted(entry)),
                "{event:?}"
            );
        }
    }
    assert!(events.is_sorted_by(|one, next| one.g < next.g));
    match result {
        Ok(Reply::InRoom {
            event,
            conversation,
        }) => {
            assert_eq!(*conversation, room(world), "the answer is how it is now");
            assert_eq!(event.as_ref(), events.last());
        }
        Ok(_) => {}
        Err(refusal) => panic!("refused: {refusal:?}"),
    }
    events.iter().map(|event| words(event)).collect()
}

fn words(event: &Event) -> String {
    let by = |by: &Option<Arc<chat::User>>| match by {
        Some(user) => format!(" by {}", user.name()),
        None => String::new(),
    };
    match &event.happening {
        Happening::MessageSent(view) => {
            format!("{} says {}", view.sender.name(), view.message.body.text)
        }
        Happening::MessageDeleted { by, .. } => match by {
            Some(_) => "deleted by somebody".to_owned(),
            None => "deleted".to_owned(),
        },
        Happening::Room(RoomHappening::Banned {
            user,
            by: who,
            until,
            minutes,
        }) => {
            let left = until.map(|until| (until.0 - event.at.0) / 60_000);
            assert_eq!(left, minutes.map(i64::from));
            let how_long = minutes.map_or(String::new(), |minutes| format!(" for {minutes}"));
            format!("banned {}{how_long}{}", user.name(), by(who))
        }
        Happening::Room(RoomHappening::Unbanned {
            user,
            by: who,
            permanent,
        }) => {
            let what = if *permanent { "unbanned" } else { "timed in" };
            format!("{what} {}{}", user.name(), by(who))
        }
        Happening::Room(RoomHappening::Pinned {
            message,
            by: who,
            seconds,
        }) => {
            let text = &message.message.body.text;
            format!("pinned {text} for {seconds}{}", by(who))
        }
        Happening::Room(RoomHappening::News(news)) => news_words(news),
        other => format!("{other:?}"),
    }
}

fn news_words(news: &RoomNews) -> String {
    match news {
        RoomNews::Cleared => "cleared".to_owned(),
        RoomNews::Modes(modes) => format!("modes: slow {:?}", modes.slow.amount()),
        RoomNews::Poll(poll) => {
            let votes: Vec<_> = poll.options.iter().map(|option| option.votes).collect();
            let ended = if poll.ended { " ended" } else { "" };
            format!("{} {votes:?}{ended}", poll.title)
        }
        RoomNews::PollGone => "poll gone".to_owned(),
        RoomNews::Unpinned => "unpinned".to_owned(),
        RoomNews::Subscribed { username, months } => format!("{username} subscribes, {months}"),
        RoomNews::Livestream(stream) => {
            format!(
                "{} {}, live {}",
                stream.session_title, stream.id, stream.is_live
            )
        }
        RoomNews::Other { event, data } => format!("{event} {}", json!(data)),
    }
}

#[test]
fn a_room_is_made_by_the_app_with_numbers_of_its_own() {
    let mut world = World::new();
    for actor in [anybody(), verified(None), token("ann")] {
        let refused = world.refused(&actor, create("club", "ann"));
        assert_eq!(refused, Refusal::NotAllowed);
    }
    // Three in one batch: of one slug the first.
    let results = world.all(vec![
        (server(), create("club", "ann")),
        (server(), create("club", "bob")),
        (server(), create("den", "Ann")),
    ]);
    assert_eq!(refusal(results[1].clone()), Refusal::NameTaken);
    let rows = world.store.rows();
    let numbers = |at: usize| rows.conversations[at].conversation.numbers.unwrap();
    assert_eq!(
        (numbers(0).channel, numbers(0).chatroom),
        (1_000_000_001, 1_000_000_001)
    );
    assert_eq!(numbers(1).chatroom, 1_000_000_002);
    assert_eq!(rows.users.len(), 1, "Ann is ann");
    assert_eq!(rows.conversations[0].details.title.as_deref(), Some("club"));
    let mut world = world.restart();
    assert_eq!(
        world.refused(&server(), create("club", "cid")),
        Refusal::NameTaken
    );
    world.one(&server(), create("attic", "cid")).unwrap();
    let rows = world.store.rows();
    let third = rows.conversations[2].conversation.numbers.unwrap();
    assert_eq!(third.chatroom, 1_000_000_003, "numbers are not given twice");
    assert_eq!(rows.users[1].number, 2);
    // Another app has slugs and numbers of its own.
    let elsewhere = Arc::new(Actor {
        app: app(2, chat::Identity::Verified),
        ..Actor::clone(&server())
    });
    world.one(&elsewhere, create("club", "ann")).unwrap();
}

#[test]
fn a_room_is_found_by_all_of_its_names_in_its_app_only() {
    let mut world = stage().restart();
    let number = 1_000_000_001;
    let names = [
        club(),
        RoomName::Channel(number),
        RoomName::Chatroom(number),
    ];
    let clear = |room: &RoomName| Command::InRoom {
        room: room.clone(),
        by: None,
        act: Box::new(RoomAct::Clear),
    };
    let elsewhere = Arc::new(Actor {
        app: app(2, chat::Identity::Verified),
        ..Actor::clone(&server())
    });
    for name in &names {
        world.one(&server(), clear(name)).unwrap();
        let refused = world.refused(&elsewhere, clear(name));
        assert_eq!(refused, Refusal::UnknownConversation);
    }
    for name in [
        RoomName::Slug("den".to_owned()),
        RoomName::Channel(1),
        RoomName::Chatroom(number + 1),
    ] {
        let refused = world.refused(&server(), clear(&name));
        assert_eq!(refused, Refusal::UnknownConversation);
    }
}

/// Every act, with who may: the app, the owner, a moderator, everybody with a token.
fn acts(message: Uuid) -> Vec<(RoomAct, &'static str)> {
    let text = |text: &str| text.to_owned();
    vec![
        (ban("eve", None), "moderator"),
        (unban("eve"), "moderator"),
        (pin(message, 60), "moderator"),
        (RoomAct::Unpin, "moderator"),
        (
            RoomAct::SetModes(ModesPatch {
                slow: enabled(5),
                ..ModesPatch::default()
            }),
            "moderator",
        ),
        (poll("Tea?"), "moderator"),
        (vote(1), "viewer"),
        (RoomAct::ClosePoll, "moderator"),
        (
            RoomAct::Subscription {
                username: text("eve"),
                months: 3,
            },
            "moderator",
        ),
        (
            RoomAct::SetLivestream(LivestreamPatch {
                session_title: Some(text("Live")),
                is_live: Some(true),
                ..LivestreamPatch::default()
            }),
            "moderator",
        ),
        (
            RoomAct::Announce {
                event: text("Event"),
                data: json!({"a": 1}).as_object().unwrap().clone(),
            },
            "app",
        ),
        (add_moderator("dan"), "owner"),
        (remove_moderator("dan"), "owner"),
        (RoomAct::DeleteMessage { message }, "moderator"),
        (RoomAct::Clear, "moderator"),
    ]
}

#[test]
fn each_act_is_for_those_who_may_and_is_told() {
    let told_of = [
        vec!["banned eve"],
        vec!["unbanned eve"],
        vec!["pinned hello for 60"],
        vec!["unpinned"],
        vec!["modes: slow Some(5)"],
        vec!["Tea? [0, 0]"],
        // The app votes in somebody's name; below. It is told a moment later.
        vec![],
        vec!["poll gone"],
        vec!["eve subscribes, 3"],
        vec!["Live 1000000002, live true"],
        vec!["Event {\"a\":1}"],
        vec![],
        vec![],
        vec!["deleted"],
        vec!["cleared"],
    ];
    let askers: [(&str, Arc<Actor>); 7] = [
        ("nobody", verified(None)),
        ("client key of an open app", anybody()),
        ("viewer", token("zoe")),
        ("moderator", token("mod")),
        ("owner", token("ann")),
        ("app", server()),
        (
            "another app",
            Arc::new(Actor {
                app: app(2, chat::Identity::Verified),
                ..Actor::clone(&server())
            }),
        ),
    ];
    let ranks = ["viewer", "moderator", "owner", "app"];
    let rank = |who: &str| ranks.iter().position(|rank| *rank == who);
    for (who, actor) in &askers {
        let mut world = stage();
        let hello = message(&world, "hello").uuid;
        for (at, (act, least)) in acts(hello).into_iter().enumerate() {
            let by_app = act == vote(1);
            let least = rank(least);
            let voted = RoomAct::Vote {
                option: 1,
                voter: UserRef::Called("zoe".to_owned()),
            };
            let own = match *who {
                "app" if by_app => voted.clone(),
                _ => act.clone(),
            };
            if rank(who).is_some() && rank(who) >= least {
                let by_whom = |words: &&str| match *who {
                    "app" => (*words).to_owned(),
                    "owner" => with_by(words, "ann"),
                    _ => with_by(words, "mod"),
                };
                let expected: Vec<_> = told_of[at].iter().map(by_whom).collect();
                assert_eq!(told(&mut world, actor, in_room(own)), expected, "{who}");
                continue;
            }
            let refused = world.refused(actor, in_room(own.clone()));
            let expected = match *who {
                "another app" => Refusal::UnknownConversation,
                "nobody" | "client key of an open app" => Refusal::TokenRequired,
                _ => Refusal::NotAllowed,
            };
            assert_eq!(refused, expected, "{who}: {own:?}");
            // So that the next act finds what it is about.
            let done = if by_app { voted } else { act };
            world.one(&server(), in_room(done)).unwrap();
        }
    }
}

/// Bans and pins say who decided them; a deletion that somebody did.
fn with_by(words: &str, who: &str) -> String {
    let says_who = ["banned", "unbanned", "pinned"];
    if words == "deleted" {
        "deleted by somebody".to_owned()
    } else if says_who.iter().any(|start| words.starts_with(start)) {
        format!("{words} by {who}")
    } else {
        words.to_owned()
    }
}

#[test]
fn what_changes_nothing_is_told_to_nobody() {
    let mut world = stage();
    let act = |patch| in_room(RoomAct::SetLivestream(patch));
    assert!(told(&mut world, &server(), set(ModesPatch::default())).is_empty());
    let first = told(&mut world, &server(), act(LivestreamPatch::default()));
    assert_eq!(first.len(), 1, "a stream that nobody knew of");
    let commits = world.store.commits();
    assert!(told(&mut world, &server(), act(LivestreamPatch::default())).is_empty());
    assert!(told(&mut world, &server(), in_room(add_moderator("mod"))).is_empty());
    assert!(told(&mut world, &server(), in_room(add_moderator("ann"))).is_empty());
    assert_eq!(world.store.commits(), commits, "nor stored");
    for act in [
        unban("bob"),
        unban("nobody"),
        RoomAct::Unpin,
        remove_moderator("bob"),
        remove_moderator("ann"),
    ] {
        let refused = world.refused(&server(), in_room(act));
        assert_eq!(refused, Refusal::NothingThere);
    }
    let refused = world.refused(&server(), in_room(RoomAct::ClosePoll));
    assert_eq!(refused, Refusal::NoPoll);
}

#[test]
fn a_stream_has_another_number_each_time_that_it_goes_live() {
    let mut world = stage();
    let live = |is_live| {
        in_room(RoomAct::SetLivestream(LivestreamPatch {
            is_live: Some(is_live),
            ..LivestreamPatch::default()
        }))
    };
    let number = |world: &World| state(world).livestream.unwrap().id;
    world.one(&server(), live(true)).unwrap();
    assert_eq!(number(&world), 1_000_000_002);
    let began = world.now;
    world.one(&server(), live(true)).unwrap();
    world.one(&server(), live(false)).unwrap();
    let stream = state(&world).livestream.unwrap();
    assert_eq!((stream.id, stream.started_at), (1_000_000_002, began));
    // Two rooms in one batch, after a restart.
    let mut world = world.restart();
    let results = world.all(vec![
        (server(), live(true)),
        (server(), create("den", "bob")),
    ]);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(number(&world), 1_000_000_003);
    let rows = world.store.rows();
    let den = rows.conversations[1].conversation.numbers.unwrap();
    assert_eq!(den.chatroom, 1_000_000_004);
}

#[test]
fn a_clear_empties_the_history_and_what_was_said_is_unknown_from_then_on() {
    let mut world = stage();
    let hello = message(&world, "hello").uuid;
    assert_eq!(
        told(&mut world, &token("ann"), in_room(RoomAct::Clear)),
        ["cleared"]
    );
    assert_eq!(room(&world).messages, 0);
    world.one(&token("bob"), say("again")).unwrap();
    let again = message(&world, "again").uuid;
    let unknown = |world: &mut World, command| {
        assert_eq!(world.refused(&server(), command), Refusal::UnknownMessage);
    };
    for restarts in [false, true] {
        if restarts {
            world = world.restart();
        }
        unknown(&mut world, in_room(pin(hello, 5)));
        unknown(
            &mut world,
            in_room(RoomAct::DeleteMessage { message: hello }),
        );
        let mut reply = say_as("bob", "re");
        if let Command::Send { body, .. } = &mut reply {
            body.reply_to = Some(hello);
        }
        unknown(&mut world, reply);
        assert_eq!(room(&world).messages, 1);
    }
    let deleted = in_room(RoomAct::DeleteMessage { message: again });
    assert_eq!(
        told(&mut world, &token("bob"), deleted),
        ["deleted by somebody"]
    );
    assert_eq!(room(&world).messages, 0);
}

#[test]
fn a_message_is_deleted_by_its_author_too_and_only_in_its_room() {
    let mut world = stage();
    world.one(&server(), create("den", "ann")).unwrap();
    let hello = message(&world, "hello").uuid;
    let delete = in_room(RoomAct::DeleteMessage { message: hello });
    let in_den = Command::InRoom {
        room: RoomName::Slug("den".to_owned()),
        by: None,
        act: Box::new(RoomAct::DeleteMessage { message: hello }),
    };
    assert_eq!(
        world.refused(&token("ann"), in_den),
        Refusal::UnknownMessage
    );
    assert_eq!(
        world.refused(&token("zoe"), delete.clone()),
        Refusal::NotAllowed
    );
    assert_eq!(
        told(&mut world, &token("bob"), delete.clone()),
        ["deleted by somebody"]
    );
    assert_eq!(world.refused(&server(), delete), Refusal::UnknownMessage);
}

#[test]
fn an_answer_says_what_it_answers() {
    let mut world = stage();
    let hello = message(&world, "hello");
    let mut reply = say("hi bob");
    if let Command::Send { body, .. } = &mut reply {
        body.reply_to = Some(hello.uuid);
    }
    let Ok(Reply::Sent { message, .. }) = world.one(&token("mod"), reply) else {
        panic!("said");
    };
    let quoted = message.quoted.as_ref().unwrap();
    assert_eq!(
        (quoted.message, quoted.text.as_str()),
        (hello.uuid, "hello")
    );
    assert_eq!(quoted.sender.name(), "bob");
    let elsewhere = world.group("bob", &[]).conversation.uuid;
    let mut reply = crate::world::send(elsewhere, "bob", "re");
    if let Command::Send { body, .. } = &mut reply {
        body.reply_to = Some(hello.uuid);
    }
    assert_eq!(world.refused(&anybody(), reply), Refusal::UnknownMessage);
}

#[test]
fn a_token_says_what_its_holder_is_called() {
    let mut world = stage();
    let standing = Standing::default();
    let robert = token_of("b1", Some("Robert"), standing);
    let said = told(&mut world, &robert, say("one"));
    assert_eq!(said, ["Robert says one"]);
    let user = world.user("b1");
    assert_eq!((user.name(), user.number), ("Robert", 4));
    let rob = token_of("b1", Some("Rob"), standing);
    assert_eq!(told(&mut world, &rob, say("two")), ["Rob says two"]);
    assert_eq!(world.store.rows().users.len(), 4);
    // The app finds that one under the new name, and by its own id, but not under the old name.
    for (called, found) in [
        ("ROB", "b1"),
        (" rob ", "b1"),
        ("b1", "b1"),
        ("Robert", "Robert"),
    ] {
        let said = world.one(&server(), say_as(called, "hi"));
        let (message, _) = sent(&said);
        let users = world.store.rows().users;
        let sender = users.iter().find(|user| user.id == message.sender).unwrap();
        assert_eq!(sender.external.text, found);
    }
    // A token without a name changes none.
    assert_eq!(
        told(&mut world, &token("b1"), say("three")),
        ["Rob says three"]
    );
}

#[test]
fn one_who_is_renamed_in_a_batch_is_found_by_the_new_name_in_it() {
    let mut world = stage();
    for command in [call("b1", "Robert"), call("b2", "robert")] {
        world.one(&anybody(), command).unwrap();
    }
    let mut world = world.restart();
    let results = world.all(vec![
        (anybody(), call("b1", "Zed")),
        (anybody(), call("b3", "Robert")),
        (server(), in_room(ban("robert", None))),
        (server(), in_room(ban("zed", None))),
    ]);
    assert!(results.iter().all(Result::is_ok));
    let rows = world.store.rows();
    let banned = rows.bans.iter().map(|ban| {
        let user = rows.users.iter().find(|user| user.id == ban.user);
        user.unwrap().external.text.clone()
    });
    assert_eq!(banned.collect::<Vec<_>>(), ["b2", "b3", "b1"]);
}

#[test]
fn nothing_of_a_failed_commit_is_believed() {
    let mut world = stage();
    for failure in [
        crate::model::Failure::RolledBack,
        crate::model::Failure::UnknownAndNotStored,
    ] {
        world.store.fail_next_commit(failure);
        let turn = world.turn(vec![
            (server(), in_room(ban("bob", None))),
            (server(), in_room(poll("Tea?"))),
            (token("zoe"), in_room(vote(1))),
            (server(), create("den", "ann")),
        ]);
        assert!(turn.effects.is_empty());
    }
    world.one(&token("bob"), say("I am not banned")).unwrap();
    assert_eq!(
        world.refused(&token("zoe"), in_room(vote(1))),
        Refusal::NoPoll
    );
    world.one(&server(), in_room(poll("Tea?"))).unwrap();
    world.one(&token("zoe"), in_room(vote(1))).unwrap();
    world.one(&server(), create("den", "ann")).unwrap();
    assert_eq!(world.user("zoe").number, 4);
}

#[test]
fn one_decision_that_makes_several_entries_numbers_them_in_a_row() {
    let mut world = stage();
    for user in ["b1", "b2", "b3"] {
        world.one(&anybody(), call(user, "Spam")).unwrap();
    }
    let before = room(&world);
    let said = told(&mut world, &token("ann"), in_room(ban("spam", Some(5))));
    assert_eq!(said, vec!["banned Spam for 5 by ann"; 3]);
    assert_eq!(room(&world).last_seq, before.last_seq + 3);
    let changes = world.store.rows().last_commit;
    let entries: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::RoomNoted { entry, .. } => Some((entry.g, entry.seq)),
            _ => None,
        })
        .collect();
    let first = (before.last_seq + 1, entries[0].0);
    let expected: Vec<_> = (0..3).map(|at| (first.1 + at, first.0 + at)).collect();
    assert_eq!(entries, expected);
    let turn = world.turn(vec![(server(), in_room(unban("SPAM")))]);
    assert_eq!(shown(&turn).len(), 3);
    assert!(world.store.rows().bans.is_empty());
}

#[test]
fn events_have_ids_that_do_not_change() {
    let mut world = stage();
    let turn = world.turn(vec![
        (server(), in_room(ban("bob", None))),
        (server(), in_room(unban("bob"))),
    ]);
    let ids: Vec<_> = shown(&turn).iter().map(|event| event.uuid()).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[0], shown(&turn)[0].uuid());
    assert_eq!(ids[0].get_version_num(), 8);
}

#[test]
fn the_app_names_somebody_by_its_own_id_too() {
    let mut world = World::new();
    world.one(&anybody(), call("7", "Ann")).unwrap();
    world.one(&server(), create("club", "7")).unwrap();
    assert_eq!(world.store.rows().users.len(), 1, "nobody is made beside");
    assert_eq!(world.members(room(&world).conversation.uuid), ["7"]);
    // The moderator of a room does not put its owner out by that other name.
    world.one(&server(), in_room(add_moderator("mod"))).unwrap();
    for name in ["7", "ann", "ANN"] {
        let refused = world.refused(&token("mod"), in_room(ban(name, None)));
        assert_eq!(refused, Refusal::NotAllowed);
    }
    assert_eq!(
        told(&mut world, &server(), say_as("7", "hi")),
        ["Ann says hi"]
    );
}

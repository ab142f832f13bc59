//! Who may write in a room. The clock is the test's.

use chat::{
    Refusal, Reply, Timestamp, UserRef,
    room::{Badge, ModesPatch, RoomAct, Standing},
};

use super::{
    add_moderator, ban, enabled, in_room, message, room, say, say_as, set, speak, stage, token,
    token_of, told,
};
use crate::world::{World, anybody, edit, refusal, sent, server, verified};

const MINUTE: i64 = 60_000;

fn follows(since: i64) -> Standing {
    Standing {
        follower_since: Some(Timestamp(since)),
        subscriber_months: 0,
    }
}

fn subscribes(months: u32) -> Standing {
    Standing {
        follower_since: None,
        subscriber_months: months,
    }
}

/// Says it as the app, in the name of one of whom it says this.
fn say_with(who: &str, standing: Standing, text: &str) -> chat::Command {
    let sender = UserRef::Called(who.to_owned());
    speak(sender, Some(standing), text, None)
}

#[test]
fn everybody_with_a_token_writes_and_nobody_without() {
    let mut world = stage();
    for actor in [verified(None), anybody()] {
        assert_eq!(world.refused(&actor, say("hi")), Refusal::TokenRequired);
    }
    let as_bob = world.refused(&token("zoe"), say_as("bob", "hi"));
    assert_eq!(as_bob, Refusal::NotAllowed);
    let named = speak(UserRef::Subject, Some(subscribes(9)), "hi", None);
    let Ok(Reply::Sent { message, .. }) = world.one(&token("zoe"), named) else {
        panic!("said");
    };
    assert!(
        message.message.badges.is_empty(),
        "only the app says who pays"
    );
    // To write is not to belong.
    assert_eq!(room(&world).members.len(), 2);
    assert_eq!(world.refused(&token("zoe"), say(" ")), Refusal::BlankText);
}

#[test]
fn what_stands_beside_a_name_is_kept_with_the_message() {
    let mut world = stage();
    let badges = |world: &mut World, actor, command| -> Vec<(String, Option<u32>)> {
        let Ok(Reply::Sent { message, .. }) = world.one(&actor, command) else {
            panic!("said");
        };
        let named = |badge: &Badge| (badge.kind.clone(), badge.count);
        message.message.badges.iter().map(named).collect()
    };
    let badge = |kind: &str, count| (kind.to_owned(), count);
    let own = token_of("zoe", None, subscribes(3));
    assert_eq!(
        badges(&mut world, own, say("hi")),
        [badge("subscriber", Some(3))]
    );
    assert_eq!(
        badges(&mut world, server(), say_with("ann", subscribes(1), "hi")),
        [badge("broadcaster", None), badge("subscriber", Some(1))]
    );
    assert_eq!(
        badges(&mut world, token("mod"), say("hi")),
        [badge("moderator", None)]
    );
}

#[test]
fn a_ban_is_for_all_of_a_name_and_waits_for_who_comes() {
    let mut world = stage();
    assert_eq!(
        told(&mut world, &token("mod"), in_room(ban("BOB", None))),
        ["banned bob by mod"]
    );
    let banned = Refusal::Banned { until: None };
    assert_eq!(world.refused(&token("bob"), say("let me")), banned);
    assert_eq!(world.refused(&server(), say_as("Bob", "let me")), banned);
    // A name that nobody has seen.
    assert_eq!(
        told(&mut world, &token("mod"), in_room(ban("Mallory", Some(5)))),
        ["banned Mallory for 5 by mod"]
    );
    let mallory = token_of("m1", Some("mallory"), Standing::default());
    let until = Some(Timestamp(world.now + 5 * MINUTE));
    let refused = world.refused(&mallory, say("hi"));
    assert_eq!(refused, Refusal::Banned { until });
    assert_eq!(world.refused(&server(), say_as("mallory", "hi")), refused);
    let mut world = world.restart();
    assert_eq!(world.refused(&token("bob"), say("let me")), banned);
    assert_eq!(world.refused(&mallory, say("hi")), refused);
}

#[test]
fn moderators_ban_neither_each_other_nor_the_owner() {
    let mut world = stage();
    world.one(&server(), in_room(add_moderator("sue"))).unwrap();
    for whom in ["sue", "ann", "mod"] {
        let refused = world.refused(&token("mod"), in_room(ban(whom, None)));
        assert_eq!(refused, Refusal::NotAllowed);
    }
    let refused = world.refused(&server(), in_room(ban("ann", None)));
    assert_eq!(
        refused,
        Refusal::NotAllowed,
        "the app deletes the room instead"
    );
    world.one(&token("ann"), in_room(ban("sue", None))).unwrap();
    // Whoever takes the owner's name is not protected by it.
    let fake = token_of("f1", Some("Ann"), Standing::default());
    world.one(&fake, say("I am ann")).unwrap();
    assert_eq!(
        told(&mut world, &token("mod"), in_room(ban("ann", None))),
        ["banned Ann by mod"]
    );
    assert!(matches!(
        world.refused(&fake, say("hey")),
        Refusal::Banned { .. }
    ));
    world.one(&token("ann"), say("that was me not")).unwrap();
}

#[test]
fn slow_mode_counts_from_ones_last_message() {
    let mut world = stage();
    let slow = |seconds| {
        set(ModesPatch {
            slow: enabled(seconds),
            ..ModesPatch::default()
        })
    };
    world.one(&token("mod"), slow(5)).unwrap();
    let wait = |refused| match refused {
        Refusal::SlowMode { wait_seconds } => wait_seconds,
        other => panic!("slow mode, got {other:?}"),
    };
    // What was said before counts; two in one batch; one who is new in it.
    assert_eq!(wait(world.refused(&token("bob"), say("again"))), 5);
    world.now += 5_000;
    let results = world.all(vec![
        (token("bob"), say("one")),
        (token("bob"), say("two")),
        (token("zoe"), say("one")),
        (token("zoe"), say("two")),
        (token("mod"), say("one")),
        (token("mod"), say("two")),
    ]);
    let refused: Vec<_> = results.into_iter().map(|r| r.err().map(wait)).collect();
    assert_eq!(refused, [None, Some(5), None, Some(5), None, None]);
    // The last moment before, also for a writer who knows nothing, and with a longer interval.
    let mut world = world.restart();
    world.now += 4_000;
    assert_eq!(wait(world.refused(&token("bob"), say("three"))), 1);
    world.one(&token("mod"), slow(60)).unwrap();
    assert_eq!(wait(world.refused(&token("bob"), say("three"))), 56);
    world.one(&token("mod"), slow(5)).unwrap();
    world.now += 1_000;
    world.one(&token("bob"), say("three")).unwrap();
    // In the batch that sets it.
    world.now += 60_000;
    let results = world.all(vec![
        (token("bob"), say("four")),
        (token("ann"), slow(60)),
        (token("bob"), say("five")),
    ]);
    assert_eq!(wait(refusal(results[2].clone())), 60);
}

#[test]
fn slow_mode_does_not_ask_the_store_again_for_each_message() {
    let mut world = stage();
    let slow = ModesPatch {
        slow: enabled(5),
        ..ModesPatch::default()
    };
    world.one(&server(), set(slow)).unwrap();
    for who in ["a", "b", "c"] {
        world.one(&token(who), say("first")).unwrap();
        world.now += 5_000;
        world.one(&token(who), say("second")).unwrap();
    }
    world.now += 5_000;
    let loads = world.store.loads();
    for who in ["a", "b", "c"] {
        world.one(&token(who), say("third")).unwrap();
    }
    assert_eq!(world.store.loads(), loads);
}

#[test]
fn followers_only_is_for_those_who_have_followed_long_enough() {
    let mut world = stage();
    let followers = ModesPatch {
        followers: enabled(10),
        ..ModesPatch::default()
    };
    world.one(&token("mod"), set(followers)).unwrap();
    let only = Refusal::FollowersOnly { minutes: 10 };
    let since = world.now;
    let zoe = token_of("zoe", None, follows(since));
    assert_eq!(
        world.refused(&token("bob"), say("hi")),
        only,
        "unknown is no"
    );
    world.now = since + 10 * MINUTE - 2;
    assert_eq!(world.refused(&zoe, say("hi")), only);
    world.one(&zoe, say("hi")).unwrap();
    let future = token_of("fay", None, follows(since + 100 * MINUTE));
    assert_eq!(world.refused(&future, say("hi")), only);
    // What the app says about a sender counts, and nothing else does.
    assert_eq!(world.refused(&server(), say_as("zoe", "hi")), only);
    world
        .one(&server(), say_with("bob", follows(since), "hi"))
        .unwrap();
    for ruler in ["ann", "mod"] {
        world.one(&token(ruler), say("hi")).unwrap();
        world.one(&server(), say_as(ruler, "hi")).unwrap();
    }
}

#[test]
fn subscribers_only_is_for_those_who_pay() {
    let mut world = stage();
    let subscribers = ModesPatch {
        subscribers: Some(true),
        ..ModesPatch::default()
    };
    world.one(&token("mod"), set(subscribers)).unwrap();
    let refused = world.refused(&token_of("zoe", None, follows(0)), say("hi"));
    assert_eq!(refused, Refusal::SubscribersOnly);
    world
        .one(&token_of("zoe", None, subscribes(1)), say("hi"))
        .unwrap();
    world
        .one(&server(), say_with("bob", subscribes(2), "hi"))
        .unwrap();
    let refused = world.refused(&server(), say_as("bob", "hi"));
    assert_eq!(refused, Refusal::SubscribersOnly);
}

#[test]
fn a_young_account_waits() {
    let mut world = stage();
    let age = ModesPatch {
        account_age: enabled(10),
        ..ModesPatch::default()
    };
    world.one(&token("mod"), set(age)).unwrap();
    let young = Refusal::AccountTooYoung { minutes: 10 };
    let made = world.user("bob").created_at.0;
    assert_eq!(world.refused(&token("new"), say("hi")), young);
    world.now = made + 10 * MINUTE - 2;
    assert_eq!(world.refused(&token("bob"), say("hi")), young);
    world.one(&token("bob"), say("hi")).unwrap();
}

#[test]
fn emotes_only_takes_emotes() {
    let mut world = stage();
    let emotes = ModesPatch {
        emotes: Some(true),
        ..ModesPatch::default()
    };
    world.one(&token("mod"), set(emotes)).unwrap();
    for text in [
        "[emote:37221:EZ]",
        " [emote:37221:EZ][emote:1:a] \n[emoji:smile:a b]",
        "[emote:37221:KEKW!]",
    ] {
        world.one(&token("bob"), say(text)).unwrap();
    }
    for text in [
        "hello",
        "[emote:37221:EZ] hello",
        "[emote:37221:EZ",
        "[emote:37221]",
        "[emote::EZ]",
        "[emote:37221:]",
        "[emote:3 7:EZ]",
        "[emote:1:[emote:2:a]",
        "[sticker:1:a]",
        "[]",
    ] {
        let refused = world.refused(&token("bob"), say(text));
        assert_eq!(refused, Refusal::EmotesOnly, "{text}");
    }
    world.one(&token("ann"), say("hello")).unwrap();
}

#[test]
fn a_retry_makes_no_second_message_whoever_sends_it() {
    let mut world = stage();
    let once = |who: UserRef| speak(who, None, "once", Some("c1"));
    let called = |who: &str| UserRef::Called(who.to_owned());
    // In the batch of the first, by one who is new; later; and after a ban.
    let results = world.all(vec![
        (token("zoe"), once(UserRef::Subject)),
        (token("zoe"), once(UserRef::Subject)),
        (server(), once(called("yan"))),
        (server(), once(called("yan"))),
    ]);
    let repeated: Vec<_> = results.iter().map(|result| sent(result).1).collect();
    assert_eq!(repeated, [false, true, false, true]);
    world.one(&server(), in_room(ban("zoe", None))).unwrap();
    let slow = ModesPatch {
        slow: enabled(60),
        ..ModesPatch::default()
    };
    world.one(&server(), set(slow)).unwrap();
    let mut world = world.restart();
    let again = world.one(&token("zoe"), once(UserRef::Subject));
    assert_eq!(sent(&again).0, sent(&results[0]).0);
    let again = world.one(&server(), once(called("YAN")));
    assert!(sent(&again).1);
}

#[test]
fn who_writes_into_a_room_has_written_as_far_as_its_modes_go() {
    // A ban and modes hold in every dialect: members write by the conversation's id.
    let mut world = stage();
    let uuid = room(&world).conversation.uuid;
    world
        .one(&token("bob"), crate::world::add(uuid, "bob", Some("bob")))
        .unwrap();
    let send = |text: &str| crate::world::send(uuid, "bob", text);
    let emotes = ModesPatch {
        emotes: Some(true),
        ..ModesPatch::default()
    };
    world.one(&server(), set(emotes)).unwrap();
    let hello = message(&world, "hello").uuid;
    assert_eq!(
        world.refused(&token("bob"), send("hi")),
        Refusal::EmotesOnly
    );
    let change = |text: &str| edit(hello, text, Some("bob"));
    let refused = world.refused(&token("bob"), change("words"));
    assert_eq!(refused, Refusal::EmotesOnly);
    world.one(&token("bob"), change("[emote:1:a]")).unwrap();
    world.one(&server(), in_room(ban("bob", None))).unwrap();
    let banned = Refusal::Banned { until: None };
    for command in [send("[emote:1:a]"), change("[emote:2:b]")] {
        assert_eq!(world.refused(&token("bob"), command), banned);
    }
    // Still there, and reads.
    assert!(room(&world).has(world.user("bob").id));
    world
        .one(&token("bob"), crate::world::join(uuid, Some("bob")))
        .unwrap();
    // What was said may be taken back, by its author too.
    let delete = in_room(RoomAct::DeleteMessage { message: hello });
    world.one(&token("bob"), delete).unwrap();
}

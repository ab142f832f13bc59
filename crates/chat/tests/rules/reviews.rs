//! Words that are not taken, and messages that somebody has to look at.

use std::sync::Arc;

use chat::{
    Actor, Command, Query, Refusal, Reply, UserRef, View,
    review::{Filter, FilterAction, MAX_REASON, Matter, Review, Verdict},
    room::RoomName,
};
use uuid::Uuid;

use crate::{
    rooms::{ban, club, create, in_room, message, room, say, speak, stage, token},
    world::{
        World, about, add, anybody, app, delete_user, drop_conversation, edit, named, open,
        refusal, remove, send, send_to, sent, server, shown, unsend, verified,
    },
};

fn filter(words: &str, action: FilterAction) -> Command {
    Command::AddFilter {
        words: words.to_owned(),
        action,
        room: None,
    }
}

fn report(message: Uuid, by: &str) -> Command {
    Command::Report {
        message,
        by: named(by),
        reason: format!("{by} says so"),
    }
}

fn review(item: Uuid, verdict: Verdict) -> Command {
    Command::Review {
        item,
        by: None,
        verdict,
    }
}

fn waiting(world: &World) -> Vec<Arc<Review>> {
    world.store.rows().reviews
}

/// A group with a filter for each action.
fn group() -> (World, Uuid) {
    let mut world = World::new();
    let group = world.group("ann", &["bob"]).conversation.uuid;
    for command in [
        filter("bad", FilterAction::Block),
        filter("odd*", FilterAction::Hold),
    ] {
        world.one(&server(), command).unwrap();
    }
    (world, group)
}

fn held(result: &Result<Reply, Refusal>) -> bool {
    matches!(result, Ok(Reply::Held))
}

#[test]
fn words_are_found_however_they_are_written_and_nowhere_else() {
    let (mut world, group) = group();
    for words in ["buy  now", "na\u{ef}ve", "$$$", "Straße*"] {
        let command = filter(words, FilterAction::Block);
        world.one(&server(), command).unwrap();
    }
    for text in [
        "bad",
        "so BAD!",
        "ｂａｄ",
        "b\u{200b}ad",
        "b\u{ad}ad",
        "not,bad,",
        "Buy now",
        "buy \n now",
        "nai\u{308}ve",
        "a$$$b",
        "STRAßENBAHN",
        "𝓫𝓪𝓭",
    ] {
        let refused = world.refused(&anybody(), send(group, "bob", text));
        assert_eq!(refused, Refusal::Filtered, "{text}");
    }
    for text in [
        "badge",
        "abad",
        "bad1",
        "ba d",
        "buynow",
        "buy it now",
        "naive",
        "$$",
        "modd",
        "strasse",
    ] {
        let said = world.one(&anybody(), send(group, "bob", text));
        sent(&said);
    }
    for text in ["odd", "how oddly", "ODD!"] {
        assert!(
            held(&world.one(&anybody(), send(group, "bob", text))),
            "{text}"
        );
    }
    // What is refused is severer than what is held.
    let refused = world.refused(&anybody(), send(group, "bob", "odd and bad"));
    assert_eq!(refused, Refusal::Filtered);
    // Also for a writer that starts anew.
    let mut world = world.restart();
    let refused = world.refused(&anybody(), send(group, "bob", "bad"));
    assert_eq!(refused, Refusal::Filtered);
}

#[test]
fn filters_are_the_apps_business_and_hold_from_the_next_command_on() {
    let mut world = World::new();
    let group = world.group("ann", &["bob"]).conversation.uuid;
    for actor in [anybody(), verified(None), token("ann")] {
        let refused = world.refused(&actor, filter("bad", FilterAction::Block));
        assert_eq!(refused, Refusal::NotAllowed);
        let remove = Command::RemoveFilter {
            filter: Uuid::nil(),
        };
        assert_eq!(world.refused(&actor, remove), Refusal::NotAllowed);
        let listed = world.look(&actor, &Query::Filters);
        assert_eq!(listed.unwrap_err(), Refusal::NotAllowed);
    }
    for words in ["", " ", "*", " * ", "\u{200b}", &"x".repeat(101)] {
        let refused = world.refused(&server(), filter(words, FilterAction::Hold));
        assert!(
            matches!(refused, Refusal::Invalid { field: "words", .. }),
            "{words:?}"
        );
    }
    let results = world.all(vec![
        (anybody(), send(group, "bob", "bad")),
        (server(), filter("bad", FilterAction::Block)),
        (anybody(), send(group, "bob", "bad")),
    ]);
    assert_eq!(refusal(results[2].clone()), Refusal::Filtered);
    let Ok(Reply::Filtering { filter: made }) = &results[1] else {
        panic!("a filter");
    };
    let Ok(View::Filters(listed)) = world.look(&server(), &Query::Filters) else {
        panic!("filters");
    };
    assert_eq!(listed, [Arc::clone(made)]);
    let take_back = Command::RemoveFilter { filter: made.id };
    let elsewhere = Arc::new(Actor {
        app: app(2, chat::Identity::Verified),
        ..Actor::clone(&server())
    });
    assert_eq!(
        world.refused(&elsewhere, take_back.clone()),
        Refusal::NothingThere
    );
    let results = world.all(vec![
        (server(), take_back.clone()),
        (anybody(), send(group, "bob", "bad")),
    ]);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(world.refused(&server(), take_back), Refusal::NothingThere);
}

#[test]
fn an_app_has_so_many_filters_and_no_more() {
    let mut world = World::new();
    let add = |number| {
        (
            server(),
            filter(&format!("word{number}"), FilterAction::Block),
        )
    };
    let results = world.all((0..=Filter::MAX).map(add).collect());
    let limit = Filter::MAX;
    assert_eq!(
        refusal(results[limit].clone()),
        Refusal::TooManyFilters { limit }
    );
    assert!(results[..limit].iter().all(Result::is_ok));
    let group = world.group("ann", &[]).conversation.uuid;
    let refused = world.refused(&anybody(), send(group, "ann", "a word999 b"));
    assert_eq!(refused, Refusal::Filtered);
}

#[test]
fn two_people_in_private_are_not_filtered_nor_who_rules_a_room() {
    let (mut world, _) = group();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    sent(&world.one(&anybody(), send(chat, "ann", "bad")));
    let shop = about("vase", "vic", "cus");
    let refused = world.refused(&anybody(), send_to(shop.clone(), named("cus"), "bad"));
    assert_eq!(refused, Refusal::Filtered);
    // A conversation about a product is made for what is held, too.
    let result = world.one(&anybody(), send_to(shop, named("cus"), "odd"));
    assert!(held(&result));
    let waits = &waiting(&world)[0];
    assert_eq!(waits.conversation.kind, chat::ConversationKind::Product);
    let item = waits.id;
    let turn = world.turn(vec![(server(), review(item, Verdict::Approve))]);
    assert_eq!(shown(&turn).len(), 1);

    let mut world = stage();
    world.one(&server(), create("den", "ann")).unwrap();
    let own = |room: Option<&str>, words: &str| Command::AddFilter {
        words: words.to_owned(),
        action: FilterAction::Block,
        room: room.map(|slug| RoomName::Slug(slug.to_owned())),
    };
    let nowhere = world.refused(&server(), own(Some("attic"), "bad"));
    assert_eq!(nowhere, Refusal::UnknownConversation);
    world.one(&server(), own(Some("club"), "bad")).unwrap();
    world.one(&server(), own(Some("den"), "sad")).unwrap();
    assert_eq!(world.refused(&token("bob"), say("bad")), Refusal::Filtered);
    world.one(&token("bob"), say("sad")).unwrap();
    for ruler in ["ann", "mod"] {
        world.one(&token(ruler), say("bad")).unwrap();
    }
    let den = world.store.rows().conversations[1].conversation.uuid;
    world.one(&server(), drop_conversation(den, None)).unwrap();
}

#[test]
fn what_is_said_is_not_changed_into_what_is_not_taken() {
    let (mut world, group) = group();
    let said = world.say(group, "bob", "fine");
    for text in ["bad", "odd"] {
        let refused = world.refused(&anybody(), edit(said, text, Some("bob")));
        assert_eq!(refused, Refusal::Filtered);
    }
    world.one(&server(), edit(said, "bad", None)).unwrap();
    assert!(waiting(&world).is_empty());
}

#[test]
fn what_is_held_is_kept_once_and_shown_to_nobody() {
    let mut world = stage();
    world
        .one(&server(), filter("odd", FilterAction::Hold))
        .unwrap();
    let odd = || speak(UserRef::Subject, None, "odd", Some("c1"));
    // In one batch, by one who is new.
    let turn = world.turn(vec![(token("zoe"), odd()), (token("zoe"), odd())]);
    assert!(turn.answers.iter().all(|(_, answer)| held(&answer.result)));
    assert!(shown(&turn).is_empty());
    let mut world = world.restart();
    assert!(held(&world.one(&token("zoe"), odd())));
    assert_eq!(waiting(&world).len(), 1);
    assert_eq!(world.store.rows().messages.len(), 1, "only hello");
    // Without an id every try is one of its own.
    for _ in 0..2 {
        assert!(held(&world.one(&token("zoe"), say("odd"))));
    }
    assert_eq!(waiting(&world).len(), 3);
}

#[test]
fn what_was_held_is_sent_once_as_of_now_or_dropped() {
    let mut world = stage();
    world
        .one(&server(), filter("odd*", FilterAction::Hold))
        .unwrap();
    let odd = |text: &str| speak(UserRef::Subject, None, text, Some(text));
    for text in ["odd one", "odd two", "odd three"] {
        assert!(held(&world.one(&token("bob"), odd(text))));
    }
    let items: Vec<_> = waiting(&world).iter().map(|review| review.id).collect();
    world.now += 60_000;
    let mut world = world.restart();
    let turn = world.turn(vec![
        (token("mod"), review(items[0], Verdict::Approve)),
        (token("mod"), review(items[0], Verdict::Approve)),
        (token("ann"), review(items[1], Verdict::Reject)),
        (server(), review(items[1], Verdict::Reject)),
    ]);
    let results: Vec<_> = turn.answers.iter().map(|(_, a)| a.result.is_ok()).collect();
    assert_eq!(results, [true, false, true, false], "each once");
    assert_eq!(shown(&turn).len(), 1);
    let said = message(&world, "odd one");
    assert_eq!(said.created_at.0, world.now);
    assert_eq!(said.sender, world.user("bob").id);
    // A retry of what was sent finds it; one of what was dropped waits again.
    let again = world.one(&token("bob"), odd("odd one"));
    assert_eq!(sent(&again), (&said, true));
    assert!(held(&world.one(&token("bob"), odd("odd two"))));
    // What was said meanwhile under the same id is not said again.
    let clean = speak(UserRef::Subject, None, "even", Some("odd three"));
    sent(&world.one(&token("bob"), clean));
    let turn = world.turn(vec![(server(), review(items[2], Verdict::Approve))]);
    assert!(shown(&turn).is_empty());
    // A ban counts; the item waits for another day.
    let item = waiting(&world)[0].id;
    world.one(&server(), in_room(ban("bob", None))).unwrap();
    let refused = world.refused(&server(), review(item, Verdict::Approve));
    assert_eq!(refused, Refusal::Banned { until: None });
    world.one(&server(), review(item, Verdict::Reject)).unwrap();
    assert!(waiting(&world).is_empty());
}

#[test]
fn one_who_has_left_does_not_speak_by_approval() {
    let (mut world, group) = group();
    assert!(held(&world.one(&anybody(), send(group, "bob", "odd"))));
    let item = waiting(&world)[0].id;
    world
        .one(&anybody(), remove(group, "bob", Some("bob")))
        .unwrap();
    let refused = world.refused(&server(), review(item, Verdict::Approve));
    assert_eq!(refused, Refusal::NotAMember);
    world
        .one(&anybody(), add(group, "bob", Some("ann")))
        .unwrap();
    world
        .one(&server(), review(item, Verdict::Approve))
        .unwrap();
}

#[test]
fn who_may_see_a_message_reports_it_once() {
    let (mut world, group) = group();
    world.one(&anybody(), open("eve", "cid")).unwrap();
    let said = world.say(group, "bob", "rude");
    let unseen = world.refused(&anybody(), report(said, "eve"));
    assert_eq!(unseen, Refusal::UnknownMessage);
    let long = Command::Report {
        message: said,
        by: named("ann"),
        reason: "x".repeat(MAX_REASON + 1),
    };
    assert!(matches!(
        world.refused(&anybody(), long),
        Refusal::Invalid {
            field: "reason",
            ..
        }
    ));
    let results = world.all(vec![
        (anybody(), report(said, "ann")),
        (anybody(), report(said, "ann")),
        (anybody(), report(said, "bob")),
    ]);
    assert!(results.iter().all(Result::is_ok));
    let mut world = world.restart();
    world.one(&anybody(), report(said, "ann")).unwrap();
    let items = waiting(&world);
    assert_eq!(items.len(), 1);
    let Matter::Reported { message, reports } = &items[0].matter else {
        panic!("reported");
    };
    assert_eq!(message.message.uuid, said);
    let by: Vec<_> = reports.iter().map(|report| report.by.name()).collect();
    assert_eq!(by, ["ann", "bob"]);
    assert_eq!(reports[0].reason, "ann says so");
    // It stays; later it is deleted.
    world
        .one(&server(), review(items[0].id, Verdict::Approve))
        .unwrap();
    assert_eq!(world.store.rows().messages.len(), 1);
    world.one(&anybody(), report(said, "ann")).unwrap();
    let item = waiting(&world)[0].id;
    let turn = world.turn(vec![(server(), review(item, Verdict::Reject))]);
    assert_eq!(shown(&turn).len(), 1);
    assert!(world.store.rows().messages.is_empty());
    assert!(waiting(&world).is_empty());
}

#[test]
fn in_a_room_everybody_with_a_token_reports() {
    let mut world = stage();
    let hello = message(&world, "hello").uuid;
    let by_token = || Command::Report {
        message: hello,
        by: UserRef::Subject,
        reason: String::new(),
    };
    let refused = world.refused(&verified(None), by_token());
    assert_eq!(refused, Refusal::TokenRequired);
    world.one(&token("newcomer"), by_token()).unwrap();
    assert_eq!(waiting(&world).len(), 1);
    // The message is deleted, and what was reported of it is gone; also within a batch.
    let results = world.all(vec![
        (server(), unsend(hello, None)),
        (token("zoe"), by_token()),
        (server(), review(waiting(&world)[0].id, Verdict::Reject)),
    ]);
    assert_eq!(refusal(results[1].clone()), Refusal::UnknownMessage);
    assert!(waiting(&world).is_empty());
}

#[test]
fn who_decides_is_the_app_and_in_a_room_who_rules_it() {
    let (mut world, group) = group();
    let said = world.say(group, "bob", "rude");
    world.one(&anybody(), report(said, "ann")).unwrap();
    let item = waiting(&world)[0].id;
    let elsewhere = Arc::new(Actor {
        app: app(2, chat::Identity::Verified),
        ..Actor::clone(&server())
    });
    let decide = || review(item, Verdict::Reject);
    // Who owns a group does not rule over what is written there.
    for (actor, due) in [
        (anybody(), Refusal::TokenRequired),
        (verified(None), Refusal::TokenRequired),
        (token("ann"), Refusal::NotAllowed),
        (elsewhere.clone(), Refusal::UnknownMessage),
    ] {
        assert_eq!(world.refused(&actor, decide()), due);
    }
    world.one(&server(), decide()).unwrap();

    let mut world = stage();
    world.one(&server(), create("den", "dan")).unwrap();
    let hello = message(&world, "hello").uuid;
    let report = Command::Report {
        message: hello,
        by: UserRef::Subject,
        reason: String::new(),
    };
    world.one(&token("zoe"), report).unwrap();
    let item = waiting(&world)[0].id;
    let list = |room: Option<RoomName>| Query::Reviews {
        room,
        offset: 0,
        limit: 9,
    };
    for who in ["zoe", "bob", "dan"] {
        let refused = world.refused(&token(who), review(item, Verdict::Reject));
        assert_eq!(refused, Refusal::NotAllowed);
        let listed = world.look(&token(who), &list(Some(club())));
        assert_eq!(listed.unwrap_err(), Refusal::NotAllowed);
    }
    for actor in [token("ann"), token("mod"), server()] {
        let listed = world.look(&actor, &list(Some(club())));
        assert!(matches!(listed, Ok(View::Reviews(items)) if items.len() == 1));
    }
    for actor in [token("ann"), token("mod"), verified(None), anybody()] {
        let listed = world.look(&actor, &list(None));
        assert_eq!(listed.unwrap_err(), Refusal::NotAllowed, "of all rooms");
    }
    let listed = world.look(&elsewhere, &list(None));
    assert!(matches!(listed, Ok(View::Reviews(items)) if items.is_empty()));
    world
        .one(&token("mod"), review(item, Verdict::Reject))
        .unwrap();
    assert_eq!(room(&world).messages, 0);
}

#[test]
fn what_waits_goes_with_its_author() {
    let (mut world, group) = group();
    assert!(held(&world.one(&anybody(), send(group, "bob", "odd"))));
    let said = world.say(group, "bob", "rude");
    world.one(&anybody(), report(said, "ann")).unwrap();
    assert_eq!(waiting(&world).len(), 2);
    world.one(&server(), delete_user("bob")).unwrap();
    assert!(waiting(&world).is_empty());
}

#[test]
fn nothing_that_failed_waits() {
    let (mut world, group) = group();
    world
        .store
        .fail_next_commit(crate::model::Failure::RolledBack);
    let turn = world.turn(vec![(anybody(), send(group, "bob", "odd"))]);
    let refused = turn.answers[0].1.result.clone();
    assert_eq!(refusal(refused), Refusal::Unavailable);
    assert!(waiting(&world).is_empty());
    assert!(held(&world.one(&anybody(), send(group, "bob", "odd"))));
    assert_eq!(waiting(&world).len(), 1);
}

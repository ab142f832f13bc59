//! Polls: each voter counts once, whatever happens between.

use chat::{Refusal, UserRef, room::RoomAct};

use super::{ban, in_room, poll, stage, state, token, token_of, told, vote};
use crate::world::{World, server, shown, verified};

fn votes(world: &World) -> Vec<u32> {
    let poll = state(world).poll.unwrap();
    poll.options.iter().map(|option| option.votes).collect()
}

fn vote_as(who: &str, option: u32) -> RoomAct {
    RoomAct::Vote {
        option,
        voter: UserRef::Called(who.to_owned()),
    }
}

#[test]
fn each_voter_counts_once() {
    let mut world = stage();
    world.one(&server(), in_room(poll("Tea?"))).unwrap();
    // Twice in one batch, by one who was not known before.
    let results = world.all(vec![
        (token("zoe"), in_room(vote(1))),
        (token("zoe"), in_room(vote(2))),
        (server(), in_room(vote_as("Zoe", 2))),
        (server(), in_room(vote_as("BOB", 2))),
    ]);
    let voted: Vec<_> = results.into_iter().map(Result::err).collect();
    let already = Some(Refusal::AlreadyVoted);
    assert_eq!(voted, [None, already.clone(), already.clone(), None]);
    let mut world = world.restart();
    for who in ["zoe", "bob"] {
        assert_eq!(
            world.refused(&token(who), in_room(vote(1))),
            Refusal::AlreadyVoted
        );
    }
    assert_eq!(votes(&world), [1, 1]);
}

#[test]
fn a_second_poll_waits_for_the_end_of_the_first_and_counts_anew() {
    let mut world = stage();
    world.one(&server(), in_room(poll("Tea?"))).unwrap();
    world.one(&token("bob"), in_room(vote(1))).unwrap();
    assert_eq!(
        world.refused(&token("mod"), in_room(poll("Milk?"))),
        Refusal::PollIsOpen
    );
    world.now += 30_000;
    let turn = world.turn(vec![
        (token("mod"), in_room(poll("Milk?"))),
        (token("bob"), in_room(vote(2))),
        (token("bob"), in_room(vote(2))),
        (token("mod"), in_room(RoomAct::ClosePoll)),
        (token("mod"), in_room(poll("Sugar?"))),
        (token("bob"), in_room(vote(1))),
        (token("bob"), in_room(vote(1))),
        (token("ann"), in_room(vote(1))),
    ]);
    let refused: Vec<_> = turn
        .answers
        .iter()
        .map(|(_, outcome)| outcome.result.as_ref().err())
        .collect();
    let already = Some(&Refusal::AlreadyVoted);
    assert_eq!(
        refused,
        [None, None, already, None, None, None, already, None]
    );
    assert_eq!(votes(&world), [2, 0]);
    assert_eq!(world.store.rows().votes.len(), 2);
}

#[test]
fn how_it_stands_is_told_at_most_once_a_second() {
    let mut world = stage();
    world.one(&server(), in_room(poll("Tea?"))).unwrap();
    assert!(told(&mut world, &token("v1"), in_room(vote(1))).is_empty());
    assert!(told(&mut world, &token("v2"), in_room(vote(1))).is_empty());
    world.now += 1_000;
    assert_eq!(
        told(&mut world, &token("v3"), in_room(vote(2))),
        ["Tea? [2, 1]"]
    );
    assert!(told(&mut world, &token("v4"), in_room(vote(2))).is_empty());
    let end = |world: &mut World| told(world, &server(), chat::Command::EndDue);
    assert!(end(&mut world).is_empty(), "not yet");
    world.now += 1_000;
    assert_eq!(end(&mut world), ["Tea? [2, 2]"]);
    world.now += 1_000;
    assert!(end(&mut world).is_empty(), "nobody has voted since");
}

#[test]
fn a_vote_in_the_batch_of_the_end_counts_until_the_end() {
    let mut world = stage();
    world.one(&server(), in_room(poll("Tea?"))).unwrap();
    let opened = world.now;
    world.now = opened + 30_000 - 2;
    let turn = world.turn(vec![
        (token("v1"), in_room(vote(1))),
        (server(), chat::Command::EndDue),
    ]);
    assert_eq!(shown(&turn).len(), 1);
    let turn = world.turn(vec![
        (token("v2"), in_room(vote(1))),
        (server(), chat::Command::EndDue),
        (token("v3"), in_room(vote(1))),
    ]);
    let results: Vec<_> = turn.answers.iter().map(|(_, o)| o.result.is_ok()).collect();
    assert_eq!(results, [false, true, false]);
    assert_eq!(votes(&world), [1, 0]);
    assert!(state(&world).poll.unwrap().ended);
}

#[test]
fn who_may_not_vote_is_told_so_and_makes_nobody() {
    let mut world = stage();
    // Who nobody is, is no matter of polls.
    let refused = world.refused(&verified(None), in_room(vote(1)));
    assert_eq!(refused, Refusal::TokenRequired);
    assert_eq!(
        world.refused(&token("zoe"), in_room(vote(1))),
        Refusal::NoPoll
    );
    world.one(&server(), in_room(poll("Tea?"))).unwrap();
    let users = world.store.rows().users.len();
    for option in [0, 3, u32::MAX] {
        let refused = world.refused(&token("zoe"), in_room(vote(option)));
        assert!(matches!(refused, Refusal::Invalid { field: "id", .. }));
    }
    // A client does not vote in others' names.
    let others = world.refused(&token("zoe"), in_room(vote_as("bob", 1)));
    assert_eq!(others, Refusal::NotAllowed);
    assert_eq!(world.store.rows().users.len(), users);
    for name in ["bob", "Newcomer"] {
        world.one(&server(), in_room(ban(name, None))).unwrap();
    }
    let newcomer = token_of("n1", Some("newcomer"), chat::room::Standing::default());
    for voter in [token("bob"), newcomer] {
        let refused = world.refused(&voter, in_room(vote(1)));
        assert_eq!(refused, Refusal::Banned { until: None });
    }
    assert_eq!(votes(&world), [0, 0]);
}

#[test]
fn a_vote_of_an_earlier_poll_does_not_count_against_a_later_one() {
    let mut world = stage();
    world.one(&server(), in_room(poll("Tea?"))).unwrap();
    world.one(&token("bob"), in_room(vote(1))).unwrap();
    // A writer that knows nothing of that vote, but what the store says until the commit.
    let mut world = world.restart();
    let results = world.all(vec![
        (server(), in_room(RoomAct::ClosePoll)),
        (server(), in_room(poll("Milk?"))),
        (token("bob"), in_room(vote(2))),
    ]);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(votes(&world), [0, 1]);
}

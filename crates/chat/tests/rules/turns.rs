//! Batches: their order, what a refusal costs, and what becomes of them when a commit fails.

use std::sync::Arc;

use chat::{
    Actor, AppId, Command, Conversation, ConversationId, ConversationKind, ConversationView,
    Effect, Event, Executor, Fault, G, Media, MessageView, Refusal, Reply, Store, StoredSession,
    Timestamp, Topic, Turn, User, UserId,
    model::{ApiKey, App},
    query::Nobody,
    review::{Filter, Review},
    store::{
        Batch, Boot, CommitError, ConversationName, ConversationSummary, Counters, Found, ListPage,
        Need, Page, UserName,
    },
};
use uuid::Uuid;

use crate::{
    model::Failure,
    world::{Ear, World, anybody, open, refusal, register, send, send_as, sent, somebody},
};

fn effect_g(effect: &Effect) -> G {
    match effect {
        Effect::Show(event) => event.g,
        Effect::Subscribe(chat::event::Subscribe { since, .. }) => *since,
        other => panic!("nothing else happens here: {other:?}"),
    }
}

fn results(turn: &Turn) -> Vec<Option<Refusal>> {
    let answers = turn.answers.iter();
    answers
        .map(|(_, outcome)| outcome.result.as_ref().err().cloned())
        .collect()
}

#[test]
fn answers_come_in_the_order_of_submission_each_at_its_g() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let before = world.executor.last_g();
    let turn = world.turn(vec![
        (anybody(), Command::Fence),
        (anybody(), send(chat, "ann", "one")),
        (anybody(), send(chat, "ann", " ")),
        (anybody(), Command::Fence),
        (anybody(), send(chat, "bob", "two")),
    ]);
    let blank = Some(Refusal::BlankText);
    assert_eq!(results(&turn), [None, None, blank, None, None]);
    let places: Vec<_> = turn
        .answers
        .iter()
        .map(|(_, outcome)| outcome.g - before)
        .collect();
    assert_eq!(places, [0, 1, 1, 1, 2]);
    let shown: Vec<_> = turn
        .effects
        .iter()
        .map(|effect| effect_g(effect) - before)
        .collect();
    assert_eq!(shown, [1, 2]);
    assert_eq!(turn.last_g, before + 2);
    assert!(turn.committed && !turn.failed);
    assert_eq!(turn.messages(), 2);
}

#[test]
fn a_batch_is_one_commit_and_nothing_is_none() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let commits = world.store.commits();
    let many = (0..500)
        .map(|_| (anybody(), send(chat, "ann", "x")))
        .collect();
    assert!(world.turn(many).committed);
    assert_eq!(world.store.commits(), commits + 1);
    let turn = world.turn(vec![
        (anybody(), Command::Fence),
        (anybody(), send(chat, "ann", "")),
        (anybody(), open("ann", "ann")),
    ]);
    assert!(!turn.committed && turn.effects.is_empty());
    assert_eq!(world.turn(Vec::new()).answers.len(), 0);
    assert_eq!(world.store.commits(), commits + 1);
}

#[test]
fn a_warm_writer_sends_without_reading() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let loads = world.store.loads();
    for sender in ["ann", "bob"] {
        world.one(&anybody(), send(chat, sender, "x")).unwrap();
    }
    assert_eq!(world.store.loads(), loads + 2, "whom each of them blocks");
    let loads = world.store.loads();
    for _ in 0..10 {
        world.one(&anybody(), send(chat, "ann", "x")).unwrap();
        world.one(&anybody(), send(chat, "bob", "x")).unwrap();
    }
    assert_eq!(world.store.loads(), loads);
    // What may be a retry is looked up once per batch.
    let tries = (0..5)
        .map(|_| (anybody(), send_as(chat, "ann", "x", "1")))
        .collect();
    world.all(tries);
    assert_eq!(world.store.loads(), loads + 1);
}

#[test]
fn a_batch_that_is_rolled_back_leaves_no_trace() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let before = world.store.rows();
    world.store.fail_next_commit(Failure::RolledBack);
    let turn = world.turn(vec![
        (anybody(), send(chat, "ann", "one")),
        (anybody(), register("cid")),
        (anybody(), send(chat, "ann", "")),
        (anybody(), Command::Fence),
    ]);
    let all = vec![Some(Refusal::Unavailable); 4];
    assert_eq!(
        results(&turn),
        all,
        "also what rested on facts that never came true"
    );
    assert!(turn.effects.is_empty() && turn.lost.is_empty());
    assert!(turn.failed && !turn.committed && turn.faults.len() == 1);
    assert_eq!(world.store.rows().counters, before.counters);

    // The next batch knows nothing of it, and gives none of its numbers again.
    let later = world.all(vec![
        (anybody(), send(chat, "ann", "two")),
        (anybody(), register("cid")),
    ]);
    let (message, _) = sent(&later[0]);
    assert_eq!((message.seq, message.body.text.as_str()), (1, "two"));
    assert!(message.g > turn.last_g);
    assert_eq!(world.store.rows().users.len(), 3);
}

#[test]
fn a_batch_that_nobody_can_look_up_gets_no_answers() {
    for failure in [Failure::UnknownButStored, Failure::UnknownAndNotStored] {
        let mut world = World::new();
        let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
        world.store.fail_next_commit(failure);
        let turn = world.turn(vec![
            (anybody(), send_as(chat, "ann", "one", "1")),
            (anybody(), register("cid")),
        ]);
        assert!(
            turn.answers.is_empty() && turn.effects.is_empty(),
            "{failure:?}"
        );
        assert_eq!(turn.lost.len(), 2);
        assert!(turn.failed && !turn.committed);

        // A retry finds out, and what follows is dense either way.
        let stored = matches!(failure, Failure::UnknownButStored);
        let retry = world.one(&anybody(), send_as(chat, "ann", "one", "1"));
        assert_eq!(sent(&retry).1, stored);
        world.one(&anybody(), register("cid")).unwrap();
        world.one(&anybody(), send(chat, "bob", "two")).unwrap();
        let rows = world.store.rows();
        let seqs: Vec<_> = rows.messages.iter().map(|view| view.message.seq).collect();
        assert_eq!(seqs, [1, 2]);
        assert_eq!(rows.users.len(), 3);
    }
}

#[test]
fn a_lookup_that_fails_costs_only_its_own_command() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    for sender in ["ann", "bob"] {
        world.one(&anybody(), send(chat, sender, "zero")).unwrap();
    }
    world.store.fail_loads(true);
    let turn = world.turn(vec![
        (anybody(), send(chat, "ann", "one")),
        (anybody(), register("new")),
        (anybody(), send(chat, "bob", "two")),
    ]);
    assert_eq!(results(&turn), [None, Some(Refusal::Unavailable), None]);
    assert_eq!(turn.faults.len(), 1);
    assert!(turn.committed);
    world.store.fail_loads(false);
    world.one(&anybody(), register("new")).unwrap();
}

#[test]
fn a_restarted_writer_goes_on_above_what_is_stored() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    world.one(&anybody(), send(chat, "ann", "one")).unwrap();
    let last = world.store.rows().counters;
    let mut world = world.restart();
    assert_eq!(world.executor.last_g(), last.last_g);
    // A clock that went back does not bring ids back.
    world.now = 5;
    let said = world.one(&anybody(), send(chat, "ann", "two"));
    let (message, _) = sent(&said);
    assert_eq!((message.g, message.seq), (last.last_g + 1, 2));
    assert!(message.uuid > last.last_uuid);
    world.open(&somebody(1, None), "ann", "cid");
    let rows = world.store.rows();
    assert_eq!(rows.users.last().unwrap().id.0, last.last_user + 1);
}

/// A store that answers every question with something else.
struct Confused;

impl Store for Confused {
    fn boot(&self, _: u32) -> Result<Vec<Boot>, Fault> {
        Ok(Vec::new())
    }
    fn counters(&self) -> Result<Counters, Fault> {
        Ok(Counters::default())
    }
    fn load(&self, _: &Need) -> Result<Found, Fault> {
        Ok(Found::App(None))
    }
    fn commit(&self, _: &Batch) -> Result<(), CommitError> {
        Ok(())
    }
    fn apps(&self) -> Result<Vec<App>, Fault> {
        Ok(Vec::new())
    }
    fn key(&self, _: &[u8; 32]) -> Result<Option<ApiKey>, Fault> {
        Ok(None)
    }
    fn keys(&self, _: AppId) -> Result<Vec<ApiKey>, Fault> {
        Ok(Vec::new())
    }
    fn conversation(
        &self,
        _: AppId,
        _: &ConversationName,
    ) -> Result<Option<ConversationView>, Fault> {
        Ok(None)
    }
    fn conversations(
        &self,
        _: UserId,
        _: &ListPage,
    ) -> Result<(Vec<ConversationSummary>, u64), Fault> {
        Ok((Vec::new(), 0))
    }
    fn message(&self, _: AppId, _: Uuid) -> Result<Option<MessageView>, Fault> {
        Ok(None)
    }
    fn media(&self, _: &str) -> Result<Option<Media>, Fault> {
        Ok(None)
    }
    fn history(&self, _: &Arc<Conversation>, _: G, _: &Page) -> Result<Vec<MessageView>, Fault> {
        Ok(Vec::new())
    }
    fn missed(&self, _: UserId, _: G, _: G, _: &Page) -> Result<Vec<MessageView>, Fault> {
        Ok(Vec::new())
    }
    fn contacts(&self, _: UserId, _: ConversationKind, _: u32) -> Result<Vec<UserId>, Fault> {
        Ok(Vec::new())
    }
    fn blocks(&self, _: UserId) -> Result<Vec<Arc<User>>, Fault> {
        Ok(Vec::new())
    }
    fn filters(&self, _: AppId) -> Result<Vec<Arc<Filter>>, Fault> {
        Ok(Vec::new())
    }
    fn reviews(
        &self,
        _: AppId,
        _: Option<ConversationId>,
        _: u64,
        _: u32,
    ) -> Result<Vec<Arc<Review>>, Fault> {
        Ok(Vec::new())
    }
    fn vote(&self, _: ConversationId, _: UserId) -> Result<Option<u32>, Fault> {
        Ok(None)
    }
    fn user(&self, _: AppId, _: &UserName) -> Result<Option<Arc<User>>, Fault> {
        Ok(None)
    }
    fn users(&self, _: &[UserId]) -> Result<Vec<Arc<User>>, Fault> {
        Ok(Vec::new())
    }
    fn sessions(&self, _: &[[u8; 32]]) -> Result<Vec<StoredSession>, Fault> {
        Ok(Vec::new())
    }
    fn log(&self, _: Topic, _: G, _: G, _: u32) -> Result<Vec<Arc<Event>>, Fault> {
        Ok(Vec::new())
    }
    fn check(&self) -> Result<(), Fault> {
        Ok(())
    }
    fn backup(&self, _: &std::path::Path) -> Result<(), Fault> {
        Ok(())
    }
}

#[test]
fn a_store_that_never_answers_does_not_hang_the_writer() {
    let mut executor = Executor::new(Arc::new(Confused), Arc::new(Nobody), 1).unwrap();
    let actor: Arc<Actor> = anybody();
    let submission = chat::Submission {
        actor,
        command: register("ann"),
        asker: Arc::new(Ear::default()),
    };
    let turn = executor.turn([submission].into(), Timestamp(1));
    assert_eq!(results(&turn), [Some(Refusal::Unavailable)]);
    assert_eq!(turn.faults.len(), 1);
}

#[test]
fn refusals_do_not_hide_behind_each_other() {
    let mut world = World::new();
    let refused = refusal(world.one(&anybody(), open("ann", "ann")));
    assert_eq!(refused, Refusal::SamePerson);
    assert!(matches!(
        world.one(&anybody(), Command::Fence),
        Ok(Reply::Done)
    ));
}

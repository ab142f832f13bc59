//! Puts commands in order: decides a batch of them one after the other, commits it, and hands on
//! what followed. Pure but for the store; the thread that drives it lives in the server.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    actor::Actor,
    command::{Command, Outcome},
    decide::{Decision, MAX_MEMBERS, Moment, decide},
    event::{Effect, Happening},
    facts::{Facts, Halt},
    mint::Mint,
    model::{G, Timestamp},
    query::Presence,
    refusal::{Fault, Refusal},
    store::{Batch, Change, CommitError, Store},
};

/// Who waits for an outcome. Both calls must return at once.
pub trait Asker: Send + Sync {
    /// The outcome of this asker's oldest open command. Comes before the barrier moves past it,
    /// so whoever sees the barrier sees the outcome.
    fn answered(&self, outcome: Outcome);
    /// The barrier has moved past the outcome.
    fn wake(&self);
    /// Nobody can say whether the command was stored. The asker must break off without an answer.
    fn lost(&self);
}

/// A command on its way to the writer.
pub struct Submission {
    /// Who asks.
    pub actor: Arc<Actor>,
    /// What for.
    pub command: Command,
    /// Who is told.
    pub asker: Arc<dyn Asker>,
}

/// What a batch came to. To be worked through in this order by the sequencer.
#[derive(Default)]
pub struct Turn {
    /// What others are shown, in G order.
    pub effects: Vec<Effect>,
    /// Who gets which answer, in the order of submission.
    pub answers: Vec<(Arc<dyn Asker>, Outcome)>,
    /// Askers whose commands have an unknown outcome.
    pub lost: Vec<Arc<dyn Asker>>,
    /// Everything up to this G is decided: where the barrier goes.
    pub last_g: G,
    /// Whether something was committed.
    pub committed: bool,
    /// Whether a commit failed, or may have.
    pub failed: bool,
    /// What went wrong, to be logged once.
    pub faults: Vec<Fault>,
}

impl Turn {
    /// Messages that were committed.
    pub fn messages(&self) -> u64 {
        let is_message = |effect: &&Effect| match effect {
            Effect::Show(event) => matches!(event.happening, Happening::MessageSent(_)),
            _ => false,
        };
        self.effects.iter().filter(is_message).count() as u64
    }
}

/// What a decision may look up, one thing after the other: a few for each member of a new group. More
/// is a rule that asks for what it has made itself, without end, and the writer is one for all.
const MAX_NEEDS: usize = 4 * MAX_MEMBERS;

/// The writer's state.
pub struct Executor {
    store: Arc<dyn Store>,
    presence: Arc<dyn Presence>,
    facts: Facts,
    mint: Mint,
}

impl Executor {
    /// Continues after what the store holds. `seed` is for the random part of ids.
    pub fn new(
        store: Arc<dyn Store>,
        presence: Arc<dyn Presence>,
        seed: u64,
    ) -> Result<Self, Fault> {
        let mint = Mint::new(store.counters()?, seed);
        Ok(Self {
            store,
            presence,
            facts: Facts::default(),
            mint,
        })
    }

    /// The highest G given so far.
    pub fn last_g(&self) -> G {
        self.mint.last_g()
    }

    /// Decides `submissions` in order, each against what the earlier ones changed, and commits
    /// them together. A refusal changes nothing and costs the others nothing. A command that
    /// [`Command::is_sweeping`] must be the only one.
    pub fn turn(&mut self, submissions: VecDeque<Submission>, now: Timestamp) -> Turn {
        let mut turn = Turn::default();
        let mut batch = Batch::default();
        for Submission {
            actor,
            command,
            asker,
        } in submissions
        {
            let result = match self.decide(&actor, &command, now) {
                Ok(decision) => {
                    decision
                        .changes
                        .iter()
                        .for_each(|change| self.facts.apply(change));
                    batch.changes.extend(decision.changes);
                    turn.effects.extend(decision.effects);
                    Ok(decision.reply)
                }
                Err(Stop::Refused(refusal)) => Err(refusal),
                Err(Stop::Failed(fault)) => {
                    turn.faults.push(fault);
                    Err(Refusal::Unavailable)
                }
            };
            turn.answers.push((
                asker,
                Outcome {
                    g: self.mint.last_g(),
                    result,
                },
            ));
        }
        turn.last_g = self.mint.last_g();
        if !batch.changes.is_empty() {
            batch.last_g = turn.last_g;
            match self.store.commit(&batch) {
                Ok(()) => turn.committed = true,
                Err(error) => self.undo(&mut turn, error),
            }
        }
        // What was only asked for and refused costs the others nothing.
        if batch.changes.iter().any(Change::is_sweeping) {
            self.facts = Facts::default();
        }
        self.facts.trim();
        turn
    }

    /// Looks up what the decision asks for until it is taken: a few things for most, every member of
    /// a new group.
    fn decide(
        &mut self,
        actor: &Actor,
        command: &Command,
        now: Timestamp,
    ) -> Result<Decision, Stop> {
        let mut needs = 0;
        let mut answered = None;
        let presence = Arc::clone(&self.presence);
        let moment = Moment {
            now,
            presence: &*presence,
        };
        loop {
            match decide(&self.facts, &mut self.mint, moment, actor, command) {
                Ok(decision) => return Ok(decision),
                Err(Halt::Refuse(refusal)) => return Err(Stop::Refused(refusal)),
                Err(Halt::Need(need)) if answered.as_ref() == Some(&need) => {
                    let cause = "the store answers another question";
                    return Err(Stop::Failed(Fault::new("deciding a command", cause)));
                }
                Err(Halt::Need(_)) if needs == MAX_NEEDS => {
                    let cause = "it needs more than anything can";
                    return Err(Stop::Failed(Fault::new("deciding a command", cause)));
                }
                Err(Halt::Need(need)) => {
                    needs += 1;
                    answered = Some(need.clone());
                    let found = self.store.load(&need).map_err(Stop::Failed)?;
                    self.facts.learn(need, found);
                }
            }
        }
    }

    /// The batch is not stored, or nobody knows: no effect may show, and the facts are stale.
    /// Refusals of the batch go too, for they may rest on facts that never came true.
    fn undo(&mut self, turn: &mut Turn, error: CommitError) {
        self.facts = Facts::default();
        turn.failed = true;
        turn.effects.clear();
        match error {
            CommitError::RolledBack(fault) => {
                turn.faults.push(fault);
                for (_, outcome) in &mut turn.answers {
                    outcome.result = Err(Refusal::Unavailable);
                }
            }
            CommitError::Unknown(fault) => {
                turn.faults.push(fault);
                turn.lost
                    .extend(turn.answers.drain(..).map(|(asker, _)| asker));
            }
        }
    }
}

enum Stop {
    Refused(Refusal),
    Failed(Fault),
}

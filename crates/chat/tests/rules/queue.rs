//! The way in: order, the size of batches, and closing.

use std::{collections::VecDeque, sync::Arc, thread};

use chat::{Asker, Command, Outcome, Queue, Refusal, Reply, Submission};
use uuid::Uuid;

use crate::world::{Ear, anybody, delete_user, drop_conversation, send};

fn submission(command: Command, asker: &Arc<Ear>) -> Submission {
    Submission {
        actor: anybody(),
        command,
        asker: Arc::clone(asker) as Arc<dyn Asker>,
    }
}

fn text(submission: &Submission) -> &str {
    match &submission.command {
        Command::Send { body, .. } => &body.text,
        _ => "",
    }
}

#[test]
fn what_waits_is_taken_at_once_and_in_order() {
    let queue = Queue::default();
    let ear = Arc::default();
    for number in 0..10 {
        queue.submit(submission(
            send(Uuid::nil(), "ann", &number.to_string()),
            &ear,
        ));
    }
    let batch = queue.take().unwrap();
    let texts: Vec<_> = batch.iter().map(text).collect();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[test]
fn a_batch_has_a_most_number_of_commands() {
    let queue = Queue::default();
    let ear = Arc::default();
    for _ in 0..10_000 {
        queue.submit(submission(Command::Fence, &ear));
    }
    queue.close();
    let sizes: Vec<_> = std::iter::from_fn(|| queue.take())
        .map(|batch| batch.len())
        .collect();
    assert_eq!(sizes, [4_096, 4_096, 1_808]);
}

#[test]
fn a_batch_has_a_most_number_of_bytes_and_at_least_one_command() {
    let queue = Queue::default();
    let ear = Arc::default();
    let mebibyte = "x".repeat(1 << 20);
    for _ in 0..9 {
        queue.submit(submission(send(Uuid::nil(), "ann", &mebibyte), &ear));
    }
    queue.submit(submission(
        send(Uuid::nil(), "ann", &"x".repeat(9 << 20)),
        &ear,
    ));
    queue.submit(submission(Command::Fence, &ear));
    queue.close();
    let sizes: Vec<_> = std::iter::from_fn(|| queue.take())
        .map(|batch| batch.len())
        .collect();
    // The one that crosses the limit of 4 MiB is still in.
    assert_eq!(sizes, [4, 4, 2, 1]);
}

#[test]
fn what_sweeps_has_a_batch_of_its_own() {
    let queue = Queue::default();
    let ear = Arc::default();
    for command in [
        send(Uuid::nil(), "ann", "one"),
        drop_conversation(Uuid::nil(), None),
        delete_user("ann"),
        Command::Fence,
        send(Uuid::nil(), "ann", "two"),
        delete_user("bob"),
        Command::Fence,
    ] {
        queue.submit(submission(command, &ear));
    }
    queue.close();
    let batches: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
    let sizes: Vec<_> = batches.iter().map(VecDeque::len).collect();
    assert_eq!(sizes, [1, 1, 1, 2, 1, 1]);
    let sweeps = |batch: &VecDeque<Submission>| batch.iter().any(|one| one.command.is_sweeping());
    let sweeping: Vec<_> = batches.iter().map(sweeps).collect();
    assert_eq!(sweeping, [false, true, true, false, true, false]);
}

#[test]
fn taking_waits_for_the_first_command() {
    let queue = Queue::default();
    let ear = Arc::default();
    thread::scope(|scope| {
        let taker = scope.spawn(|| {
            let mut taken = 0;
            while let Some(batch) = queue.take() {
                taken += batch.len();
            }
            taken
        });
        for _ in 0..1_000 {
            queue.submit(submission(Command::Fence, &ear));
        }
        queue.close();
        assert_eq!(taker.join().unwrap(), 1_000);
    });
}

#[test]
fn a_closed_queue_loses_what_comes_and_keeps_what_waits() {
    let queue = Queue::default();
    let (early, late) = (Arc::default(), Arc::default());
    queue.submit(submission(Command::Fence, &early));
    queue.close();
    queue.submit(submission(Command::Fence, &late));
    assert_eq!((*late.lost.lock(), *late.woken.lock()), (1, 1));
    assert_eq!(*early.lost.lock(), 0);
    assert_eq!(queue.take().unwrap().len(), 1);
    assert!(queue.take().is_none());
}

#[test]
fn whoever_runs_a_command_is_told_when_others_can_see_it() {
    let queue = Queue::default();
    let mut run = std::pin::pin!(queue.run(anybody(), Command::Fence));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(run.as_mut().poll(&mut context).is_pending());
    let asker = Arc::clone(&queue.take().unwrap()[0].asker);
    let result = Ok(Reply::Done);
    asker.answered(Outcome { g: 1, result });
    assert!(run.as_mut().poll(&mut context).is_pending(), "not yet");
    asker.wake();
    assert!(run.as_mut().poll(&mut context).is_ready());
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = std::task::Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn whoever_runs_a_command_gets_its_outcome() {
    let queue = Queue::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            let outcomes = [Ok(Reply::Done), Err(Refusal::NameTaken)];
            for result in outcomes {
                let batch = queue.take().unwrap();
                batch[0].asker.answered(Outcome { g: 1, result });
                batch[0].asker.wake();
            }
            queue.take().unwrap()[0].asker.lost();
        });
        assert!(matches!(
            block_on(queue.run(anybody(), Command::Fence)),
            Ok(Reply::Done)
        ));
        let refused = block_on(queue.run(anybody(), Command::Fence));
        assert_eq!(refused.err(), Some(Refusal::NameTaken));
        let lost = block_on(queue.run(anybody(), Command::Fence));
        assert_eq!(lost.err(), Some(Refusal::Unavailable));
    });
    queue.close();
    let closed = block_on(queue.run(anybody(), Command::Fence));
    assert_eq!(closed.err(), Some(Refusal::Unavailable));
}

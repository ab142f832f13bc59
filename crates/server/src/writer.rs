//! The writer's thread: takes batches, has them decided and committed, hands the turns on.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use chat::{Executor, Queue, Turn};
use tokio::sync::mpsc;

use crate::{clock::Clock, metrics::Metrics};

/// Starts the one thread that decides and commits. It ends, and with it the turns, once the queue
/// is closed and empty.
pub fn start(
    mut executor: Executor,
    queue: Arc<Queue>,
    turns: mpsc::Sender<Turn>,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("writer".to_owned())
        .spawn(move || {
            while let Some(batch) = queue.take() {
                let (commands, started) = (batch.len() as u32, Instant::now());
                let turn = executor.turn(batch, clock.now());
                metrics.commands.inc_by(u64::from(commands));
                metrics.batch_commands.observe(f64::from(commands));
                metrics
                    .batch_seconds
                    .observe(started.elapsed().as_secs_f64());
                metrics.commits.inc_by(u64::from(turn.committed));
                metrics.commits_failed.inc_by(u64::from(turn.failed));
                metrics.messages.inc_by(turn.messages());
                for fault in &turn.faults {
                    metrics.faults.inc();
                    tracing::error!(%fault, "a batch was not written");
                }
                if turns.blocking_send(turn).is_err() {
                    break;
                }
            }
        })
}

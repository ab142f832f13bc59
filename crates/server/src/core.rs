//! The server without its outside: store, queue, writer, sequencer and hub, put together.
//!
//! What listens, prints or reads files comes on top; tests and the command line use it as it is.

use std::{
    sync::{Arc, Weak},
    thread::JoinHandle,
    time::Duration,
};

use chat::{
    Actor, App, Command, Executor, Fault, Proof, Queue, Reply, Store, Timestamp, model::Scope,
};
use tokio::{
    sync::{mpsc, watch},
    task,
    time::MissedTickBehavior,
};

use crate::{
    buses::Local,
    clock::Clock,
    hub::{Hub, HubConfig, HubParts, Presence, Sequencer, Strides, TURNS_AHEAD},
    identity::{Directory, key::random_u64},
    metrics::Metrics,
    writer,
};

/// A running core. To be stopped with [`Core::stop`], so that what waits is still written.
pub struct Core {
    /// What lasts.
    pub store: Arc<dyn Store>,
    /// Where commands go.
    pub queue: Arc<Queue>,
    /// Apps and keys.
    pub directory: Arc<Directory>,
    /// Who is connected.
    pub hub: Arc<Hub>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What time it is.
    pub clock: Arc<Clock>,
    writer: JoinHandle<()>,
    sequencer: task::JoinHandle<()>,
    upkeep: task::JoinHandle<()>,
}

/// Sessions of which the store is told at once: about 5 ms of the writer's time.
const SESSIONS_AT_ONCE: usize = 200;
/// Pause between two such commands, so that sends do not notice.
const BETWEEN_SESSIONS: Duration = Duration::from_secs(1);
/// How often it is looked for what deleted conversations have left behind.
const BETWEEN_ERASURES: Duration = Duration::from_secs(10);
/// Between the steps of erasing much: the writer is there for others most of the time.
pub(crate) const BETWEEN_STEPS: Duration = Duration::from_millis(20);
const MINUTE: Duration = Duration::from_mins(1);

impl Core {
    /// Notes a new start in the store and begins to work. Within a tokio runtime.
    pub fn start(
        store: Arc<dyn Store>,
        config: HubConfig,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Fault> {
        let random = |doing| move |error| Fault::new(doing, error);
        let epoch = random_u64().map_err(random("naming this start"))? as u32;
        let boots = store.boot(epoch)?;
        let seed = random_u64().map_err(random("seeding ids"))?;
        let presence = Arc::new(Presence::default());
        let executor = Executor::new(Arc::clone(&store), Arc::clone(&presence) as _, seed)?;
        let directory = Arc::new(Directory::load(Arc::clone(&store))?);
        let queue = Arc::new(Queue::default());
        let (remember, clock) = (config.remember, Arc::clone(&config.clock));
        let parts = HubParts {
            config,
            store: Arc::clone(&store),
            reads: Arc::new(|read| {
                task::spawn_blocking(read);
            }),
            queue: Arc::clone(&queue),
            directory: Arc::clone(&directory),
            metrics: Arc::clone(&metrics),
            presence,
            boots,
            last_g: executor.last_g(),
        };
        let hub = Hub::new(parts, |listener| Arc::new(Local::new(listener)));
        tokio::spawn(watch_keys(Arc::downgrade(&hub), directory.changes()));
        tokio::spawn(sweep(Arc::downgrade(&hub)));
        tokio::spawn(watch_people(Arc::downgrade(&hub), Arc::clone(&queue)));
        tokio::spawn(watch_due(
            Arc::downgrade(&hub),
            Arc::clone(&queue),
            Arc::clone(&clock),
        ));
        tokio::spawn(erase_leftovers(Arc::downgrade(&hub), Arc::clone(&queue)));
        let (turns, incoming) = mpsc::channel(TURNS_AHEAD);
        let sequencer =
            tokio::spawn(Sequencer::new(Arc::clone(&hub), Strides::default()).run(incoming));
        let now = Arc::clone(&clock);
        let writer = writer::start(
            executor,
            Arc::clone(&queue),
            turns,
            now,
            Arc::clone(&metrics),
        )
        .map_err(|error| Fault::new("starting the writer's thread", error))?;
        let upkeep = tokio::spawn(keep_sessions(
            Arc::downgrade(&hub),
            Arc::clone(&queue),
            Arc::clone(&clock),
            remember,
        ));
        Ok(Self {
            store,
            queue,
            directory,
            hub,
            metrics,
            clock,
            writer,
            sequencer,
            upkeep,
        })
    }

    /// Ends what is over in rooms by now. This happens by itself about once a second.
    pub async fn end_due(&self) {
        end_due(self.hub.any_app(), &self.queue).await;
    }

    /// Takes no more commands, writes those that wait, shows them, and ends.
    pub async fn stop(self) {
        self.upkeep.abort();
        self.queue.close();
        let writer = self.writer;
        let ended = task::spawn_blocking(move || writer.join()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::error!("the writer's thread did not end well");
        }
        // It ends by itself once the writer, the only one who sends it turns, has gone.
        let _ = self.sequencer.await;
    }
}

/// Sessions and topics that nobody came back to are let go of.
async fn sweep(hub: Weak<Hub>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    loop {
        ticks.tick().await;
        let Some(hub) = hub.upgrade() else { break };
        hub.sweep();
    }
}

/// Stops the typing of those who are silent, tells who is gone, and stores when users went offline.
async fn watch_people(hub: Weak<Hub>, queue: Arc<Queue>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let Some(hub) = hub.upgrade() else { break };
        hub.stop_silent_typists();
        hub.tell_gone();
        let gone = hub.gone_offline();
        let Some(app) = hub.any_app().filter(|_| !gone.is_empty()) else {
            continue;
        };
        let actor = of_the_server(app);
        for (user, at) in gone {
            // Not worth a second try: it is known again when the user goes the next time.
            let _ = queue
                .run(Arc::clone(&actor), Command::UserWentOffline { user, at })
                .await;
        }
    }
}

/// Ends what is over in rooms: looks every second, and when the clock was moved.
async fn watch_due(hub: Weak<Hub>, queue: Arc<Queue>, clock: Arc<Clock>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = clock.moved() => {}
        }
        let Some(hub) = hub.upgrade() else { break };
        let app = hub.any_app();
        drop(hub);
        end_due(app, &queue).await;
    }
}

/// Step by step, so that whoever writes meanwhile waits for one of them at most.
async fn end_due(app: Option<Arc<App>>, queue: &Queue) {
    let Some(app) = app else { return };
    let actor = of_the_server(app);
    let step = || queue.run(Arc::clone(&actor), Command::EndDue);
    while let Ok(Reply::Forgotten { more: true }) = step().await {}
}

/// Erases what large conversations have left behind, also what an earlier start did not get to: step
/// by step, so that whoever writes meanwhile waits for one of them at most.
async fn erase_leftovers(hub: Weak<Hub>, queue: Arc<Queue>) {
    let mut ticks = tokio::time::interval(BETWEEN_ERASURES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(hub) = hub.upgrade() else { break };
        let Some(app) = hub.any_app() else { continue };
        drop(hub);
        let actor = of_the_server(app);
        let step = || queue.run(Arc::clone(&actor), Command::EraseLeftovers);
        while let Ok(Reply::Forgotten { more: true }) = step().await {
            tokio::time::sleep(BETWEEN_STEPS).await;
        }
    }
}

/// The server itself, in the name of an app, for what concerns all of them.
fn of_the_server(app: Arc<App>) -> Arc<Actor> {
    Arc::new(Actor {
        app,
        subject: None,
        scope: Scope::Server,
        proof: Proof::default(),
        session: None,
    })
}

/// Tells the store which sessions are live, each one seven times within `remember` (so once a day by
/// default), and has it forget those of which it was told nothing for that long and one time more.
async fn keep_sessions(hub: Weak<Hub>, queue: Arc<Queue>, clock: Arc<Clock>, remember: Duration) {
    let apart = remember / 7;
    let mut ticks = tokio::time::interval(apart.clamp(Duration::from_millis(1), MINUTE));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = clock.now();
        let due = ago(now, apart);
        let Some((app, live)) = hub.upgrade().and_then(|hub| hub.unseen_sessions(due)) else {
            continue;
        };
        let actor = of_the_server(app);
        let run = |command| queue.run(Arc::clone(&actor), command);
        for (count, some) in live.chunks(SESSIONS_AT_ONCE).enumerate() {
            if count > 0 {
                tokio::time::sleep(BETWEEN_SESSIONS).await;
            }
            let sessions = some.iter().map(|session| session.seed.id).collect();
            // Of whom it cannot be told now, it is told the next time.
            if run(Command::SeenSessions { sessions }).await.is_ok() {
                for session in some {
                    session.see(now);
                }
            }
        }
        let before = ago(now, remember + apart);
        while let Ok(Reply::Forgotten { more: true }) =
            run(Command::ForgetSessions { before }).await
        {}
    }
}

fn ago(now: Timestamp, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_sub(age))
}

/// A key that is revoked takes the sockets with it that came with it.
async fn watch_keys(hub: Weak<Hub>, mut changes: watch::Receiver<u64>) {
    while changes.changed().await.is_ok() {
        let Some(hub) = hub.upgrade() else { break };
        hub.dismiss_revoked();
    }
}

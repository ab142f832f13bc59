//! The simulation: writer, sequencer and hub, the network, the disk and clients in one thread, with
//! everything that happens chosen by a seed. A seed that fails, fails again:
//!
//! `SEED=123 cargo test -p server --test simulation` replays one and prints all that happened;
//! `SEEDS=5000` tries so many, beginning with `FROM`. What was found is told in `found`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    clippy::missing_panics_doc
)]

mod checker;
mod client;
mod disk;
mod found;
mod line;
#[path = "../../../chat/tests/rules/model.rs"]
#[allow(dead_code, reason = "the rules of chat are tested with it too")]
mod model;
mod node;
mod plan;
mod trace;
mod world;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use self::{
    trace::Trace,
    world::{Tally, World},
};

/// Runs one world from its beginning to its end.
fn run(seed: u64, trace: &Trace) -> Result<Tally, String> {
    let world = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new(seed, trace.clone());
            world.run().await.map(|()| world.tally)
        })
    };
    catch_unwind(AssertUnwindSafe(world)).unwrap_or_else(|panic| Err(words(&*panic)))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    format!("panicked: {}", text.unwrap_or_default())
}

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

#[test]
fn whatever_happens_nobody_misses_anything() {
    if let Some(seed) = setting("SEED") {
        let trace = Trace::kept();
        let result = run(seed, &trace);
        for line in trace.lines() {
            println!("{line}");
        }
        let tally = result.unwrap_or_else(|complaint| panic!("seed {seed}: {complaint}"));
        println!("seed {seed}: {tally:?}");
        return;
    }
    let (from, count) = (
        setting("FROM").unwrap_or(1),
        setting("SEEDS").unwrap_or(1_000),
    );
    let (next, total) = (AtomicU64::new(from), Mutex::new(Tally::default()));
    let failed: Mutex<Vec<(u64, String)>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + count || failed.lock().len() >= 5 {
                break;
            }
            match run(seed, &Trace::default()) {
                Ok(tally) => total.lock().add(&tally),
                Err(complaint) => failed.lock().push((seed, complaint)),
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    println!("{:?}", total.lock());
    let failed = failed.into_inner();
    for (seed, complaint) in &failed {
        println!("SEED={seed}: {complaint}");
    }
    assert!(
        failed.is_empty(),
        "seeds failed; replay one with SEED={}",
        failed[0].0
    );
}

#[test]
fn a_seed_is_the_same_world_each_time() {
    for seed in 1..20 {
        let traces = [Trace::kept(), Trace::kept()];
        let results = traces.each_ref().map(|trace| run(seed, trace).is_ok());
        assert_eq!(results[0], results[1], "seed {seed}");
        assert_eq!(traces[0].hash(), traces[1].hash(), "seed {seed}");
    }
}

//! The load client: a process of its own, so that it can be put on a core of its own. It prints a
//! [`Sample`] as one line of JSON. All that it does is on one thread.

mod beat;
mod churn;
mod crowd;
mod http;
mod idle;
mod meter;
mod relay;
mod socket;
mod talk;

use std::{rc::Rc, time::Duration};

use clap::Args;
use tokio::{runtime, time::timeout};

pub(crate) use self::talk::Talk;
use self::{
    relay::{Pace, Shape},
    socket::Outcome,
};
use crate::{sample::Sample, scenario::Scenario};

/// Said on standard output when measuring begins, for whoever wants to look at the server then.
pub(crate) const OPEN: &str = "measuring";
/// Deliveries a second of a steady load.
const STEADY: f64 = 50_000.0;
/// Broadcasts under way at once when saturated.
const OUTSTANDING: usize = 8;
/// Connections that do nothing.
pub(crate) const IDLE: usize = 10_000;
/// Rooms, where there are several, of a live stream.
const ROOMS: usize = 50;
/// Readers of all of them.
const WATCHERS: usize = 25_000;
/// Sockets that enter and leave them.
const CHURNERS: usize = 100;
/// Bytes of a delivered packet that has room for all that a live stream says of a message.
const WATCHED_BYTES: usize = 480;
/// Connections that it takes to have all readers of a live stream.
pub(crate) const CONNECTIONS: usize = WATCHERS + ROOMS + CHURNERS;

/// Puts one load on one server.
#[derive(Args)]
pub(crate) struct LoadArgs {
    #[arg(long)]
    scenario: Scenario,
    /// Where the server listens, as ADDR:PORT.
    #[arg(long)]
    at: String,
    /// Its process.
    #[arg(long)]
    pid: u32,
    #[arg(long)]
    talk: Talk,
    /// An API key for administration, where the server has such keys.
    #[arg(long, default_value = "")]
    key: String,
    /// It collects garbage at SIGUSR2.
    #[arg(long)]
    collects: bool,
    /// Bytes of each delivered packet.
    #[arg(long, default_value_t = 240)]
    bytes: usize,
    /// Seconds to measure.
    #[arg(long)]
    seconds: f64,
    /// Connections at most.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Seconds after which it gives up.
    #[arg(long, default_value_t = 120)]
    deadline: u64,
}

/// What the parts of a run need to know.
struct Plan {
    at: Rc<str>,
    pid: u32,
    talk: Talk,
    key: String,
    collects: bool,
    bytes: usize,
    time: Duration,
}

impl Plan {
    /// Whether the server has a page of counters: Palaver has.
    fn is_counted(&self) -> bool {
        self.talk != Talk::Rooms
    }

    fn announce(&self) {
        println!("{OPEN} {}", self.pid);
    }
}

/// Carries out what the arguments say.
pub(crate) fn run(args: LoadArgs) -> Outcome<Sample> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(runtime::LocalOptions::default())
        .map_err(|error| error.to_string())?;
    let limit = Duration::from_secs(args.deadline);
    let done = runtime.block_on(async { timeout(limit, carry_out(args)).await });
    done.map_err(|_| "not done in time".to_owned())?
}

async fn carry_out(args: LoadArgs) -> Outcome<Sample> {
    let plan = Plan {
        at: args.at.into(),
        pid: args.pid,
        talk: args.talk,
        key: args.key,
        collects: args.collects,
        bytes: match args.talk {
            Talk::Stream => WATCHED_BYTES,
            Talk::Direct | Talk::Rooms => args.bytes,
        },
        time: Duration::from_secs_f64(args.seconds),
    };
    let room = |readers: usize, writers| Shape {
        rooms: 1,
        readers: readers.min(args.connections - OUTSTANDING),
        frozen: args.scenario.frozen(),
        writers,
        churners: 0,
    };
    // The same sockets, and as many messages for each, in one room or in many.
    let watched = |rooms: usize| {
        let readers = WATCHERS.min(args.connections - ROOMS - CHURNERS) / ROOMS;
        Shape {
            rooms,
            readers: readers * (ROOMS / rooms),
            frozen: 0,
            writers: ROOMS / rooms,
            churners: CHURNERS,
        }
    };
    match args.scenario {
        Scenario::Steady1000 | Scenario::Steady5000 => {
            let shape = room(args.scenario.readers(), OUTSTANDING);
            let pace = Pace::Steady(STEADY / shape.readers as f64);
            relay::run(&plan, &shape, pace).await
        }
        Scenario::Saturated1000
        | Scenario::Saturated5000
        | Scenario::Frozen1
        | Scenario::Frozen100 => {
            let shape = room(args.scenario.readers(), OUTSTANDING);
            relay::run(&plan, &shape, Pace::Saturated).await
        }
        Scenario::Pairs => {
            let shape = Shape {
                rooms: 1_000.min(args.connections / 2),
                readers: 1,
                frozen: 0,
                writers: 1,
                churners: 0,
            };
            relay::run(&plan, &shape, Pace::Saturated).await
        }
        Scenario::Burst => relay::run(&plan, &room(100, 1), Pace::Burst(1_000)).await,
        Scenario::Room | Scenario::Rooms => {
            let shape = watched(match args.scenario {
                Scenario::Room => 1,
                _ => ROOMS,
            });
            let pace = Pace::Steady(STEADY / shape.readers as f64);
            relay::run(&plan, &shape, pace).await
        }
        Scenario::Idle => {
            let many = IDLE.min(args.connections);
            idle::run(&plan, many / 10, many).await
        }
    }
}

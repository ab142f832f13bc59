//! What a seed decides before anything happens: how large the world is, how it is set up, and
//! which faults it knows. Not every seed knows every fault, so that each also meets the others alone.

use std::time::Duration;

use server::hub::HubConfig;

use crate::client::Style;

/// What may go wrong, or change, between two steps of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A connection breaks; what was on its way to the client is gone.
    Cut,
    /// A client gives its connection up, and the server does not notice.
    HalfOpen,
    /// A client takes no byte any more, or takes them again.
    Freeze,
    /// A client says goodbye, or comes back after that.
    Logout,
    /// The process dies and starts again.
    Crash,
    /// The process ends in good order and starts again.
    Restart,
    /// Commits are rolled back from now on.
    DiskFull,
    /// One commit fails, and nobody knows whether it is stored.
    UnknownCommit,
    /// Reads fail from now on.
    Unreadable,
    /// The disk is well again.
    Repair,
    /// Some seconds pass.
    Wait,
    /// Minutes pass, after which memory lets go of who is away.
    LongWait,
}

impl Fault {
    const ALL: [Self; 12] = [
        Self::Cut,
        Self::HalfOpen,
        Self::Freeze,
        Self::Logout,
        Self::Crash,
        Self::Restart,
        Self::DiskFull,
        Self::UnknownCommit,
        Self::Unreadable,
        Self::Repair,
        Self::Wait,
        Self::LongWait,
    ];

    /// How often it comes, beside the others.
    fn weight(self) -> u32 {
        match self {
            Self::Cut | Self::HalfOpen => 12,
            Self::Freeze | Self::Wait => 8,
            Self::Repair => 6,
            Self::Logout => 4,
            Self::Crash | Self::Restart | Self::LongWait => 3,
            Self::DiskFull | Self::UnknownCommit | Self::Unreadable => 2,
        }
    }
}

/// In 2023 and in 2096.
const PAST: i64 = 1_700_000_000_000;
const FUTURE: i64 = 4_000_000_000_000;

pub(crate) struct Plan {
    pub(crate) users: usize,
    pub(crate) styles: Vec<Style>,
    pub(crate) config: HubConfig,
    /// Listeners between two yields of the sequencer.
    pub(crate) stride: usize,
    /// Steps of the storm.
    pub(crate) steps: usize,
    /// Of 1,000 steps so many are faults.
    pub(crate) per_mille: u32,
    pub(crate) faults: Vec<(Fault, u32)>,
    /// The time on the wall when the world begins, in milliseconds. The hub compares what was missed
    /// with the real time: it is all too old to be replayed, or never is.
    pub(crate) begin: i64,
    /// Of 100 messages so many are long.
    pub(crate) long_messages: u8,
    /// Bytes that a connection holds on its way to a client.
    pub(crate) window: usize,
    /// Bytes that a driver may give at once.
    pub(crate) budget: usize,
}

impl Plan {
    pub(crate) fn new(rng: &mut fastrand::Rng) -> Self {
        let users = rng.usize(2..=5);
        let clients = rng.usize(users..=users + 3);
        let style = |rng: &mut fastrand::Rng| Style {
            joins_on_connect: rng.u8(..4) == 0,
            acks: *pick(rng, &[0, 50, 100]),
            retries: rng.u8(..3) == 0,
        };
        let styles = (0..clients).map(|_| style(rng)).collect();
        let config = HubConfig {
            recent: *pick(rng, &[Duration::from_secs(20), Duration::from_mins(5)]),
            replay_events: *pick(rng, &[3, 10_000, 10_000]),
            replay_bytes: *pick(rng, &[2 << 10, 8 << 20, 8 << 20]),
            recent_bytes: *pick(rng, &[0, 2 << 10, 16 << 10, 64 << 20]),
            waiting_commands: *pick(rng, &[1, 3, 20, 8_192]),
            waiting_commands_per_app: *pick(rng, &[1, 3, 20, 4_096]),
            ..HubConfig::default()
        };
        let known: Vec<_> = Fault::ALL
            .into_iter()
            .filter(|_| rng.u8(..5) < 3)
            .map(|fault| (fault, fault.weight()))
            .collect();
        Self {
            users,
            styles,
            config,
            stride: *pick(rng, &[1, 1, 2, 128]),
            steps: rng.usize(150..1_000),
            per_mille: *pick(rng, &[0, 10, 30, 80]),
            faults: known,
            begin: *pick(rng, &[PAST, FUTURE, FUTURE, FUTURE]),
            long_messages: *pick(rng, &[0, 5, 50]),
            window: *pick(rng, &[100, 1_000, 256 << 10]),
            budget: *pick(rng, &[200, 2_000, 64 << 10]),
        }
    }

    /// A world in which nothing goes wrong by itself: each client is a user of its own, and asks for
    /// acknowledgements. Its connections hold so many bytes on their way to a client.
    pub(crate) fn calm(clients: usize, window: usize) -> Self {
        let style = Style {
            joins_on_connect: false,
            acks: 100,
            retries: false,
        };
        Self {
            users: clients,
            styles: vec![style; clients],
            config: HubConfig::default(),
            stride: 1,
            steps: 0,
            per_mille: 0,
            faults: Vec::new(),
            begin: FUTURE,
            long_messages: 0,
            window,
            budget: 64 << 10,
        }
    }

    /// Whether whatever was missed can be had.
    pub(crate) fn replays_all(&self) -> bool {
        let usual = HubConfig::default();
        let enough = (self.config.replay_events, self.config.replay_bytes)
            == (usual.replay_events, usual.replay_bytes);
        enough && self.begin == FUTURE
    }

    /// What of the configuration differs between seeds.
    pub(crate) fn config_words(&self) -> String {
        let config = &self.config;
        format!(
            "recent {:?} {} B, replay {} events {} B, {} and {} commands, begin {}",
            config.recent,
            config.recent_bytes,
            config.replay_events,
            config.replay_bytes,
            config.waiting_commands,
            config.waiting_commands_per_app,
            self.begin,
        )
    }
}

/// One of several.
pub(crate) fn pick<'a, T>(rng: &mut fastrand::Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(..from.len())]
}

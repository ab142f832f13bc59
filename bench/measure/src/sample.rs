//! What one run of the load client has measured; it comes out of that process as a line of JSON.

use serde::{Deserialize, Serialize};

/// One server under one load, once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Length of the time in which was measured.
    pub(crate) seconds: f64,
    /// Messages that reached a client in it; acknowledgements are not counted.
    pub(crate) events: u64,
    /// Mean length of their packets.
    pub(crate) frame_bytes: f64,
    /// CPU seconds of the server in it, outside of the kernel and in it.
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// CPU seconds of the load client in it.
    pub(crate) client: f64,
    /// CPU seconds of everything else on the machine in it: the kernel on behalf of nobody, and
    /// whatever else runs.
    pub(crate) others: f64,
    /// Resident memory of the server at its end, in kB.
    pub(crate) resident: u64,
    /// Messages that should have reached a client in the whole run, and did not.
    pub(crate) missing: u64,
    /// Messages that should have.
    pub(crate) expected: u64,
    /// Messages that came after a later one of the same sender, or twice.
    pub(crate) disordered: u64,
    /// Acknowledgements that did not come.
    pub(crate) unacknowledged: u64,
    /// Joins that were not answered in time and sent again.
    pub(crate) rejoined: u64,
    /// What Palaver says itself about that time.
    pub(crate) counts: Option<Counts>,
    /// And about its whole life, at the end, when nothing is under way.
    pub(crate) life: Option<Counts>,
    /// What the kernel keeps for readers that are frozen.
    pub(crate) held: Option<Held>,
    /// What it took to have all readers in their rooms.
    pub(crate) joining: Option<Joining>,
    /// How long a message of a steady load took until everybody had it.
    pub(crate) reached: Option<Reached>,
    /// Memory with few and with many idle connections.
    pub(crate) idle: Option<Idle>,
    /// Whatever else went wrong.
    pub(crate) problems: Vec<String>,
}

/// Counters of Palaver's `/metrics`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) writes: u64,
    pub(crate) deliveries: u64,
    pub(crate) frames: u64,
    pub(crate) messages: u64,
    pub(crate) commits: u64,
}

/// What the server's end of the connections to frozen readers holds in the kernel, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// How many of them are open.
    pub(crate) readers: u64,
    /// Written, and not taken by the reader's end.
    pub(crate) unsent: u64,
    /// Memory that this takes, with all that the kernel needs around it.
    pub(crate) memory: u64,
}

/// What it took to connect readers and put them into their rooms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Joining {
    pub(crate) readers: u64,
    /// From the first to the last.
    pub(crate) seconds: f64,
    /// CPU seconds of the server.
    pub(crate) cpu: f64,
    /// By how much its resident memory has grown, in kB.
    pub(crate) grown: u64,
}

/// Milliseconds from sending a message until it has reached all readers and is acknowledged, the
/// client's own work with it included.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reached {
    pub(crate) median: f64,
    pub(crate) longest: f64,
}

/// Resident memory in kB with so many idle connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Idle {
    pub(crate) few: u64,
    pub(crate) few_resident: u64,
    pub(crate) many: u64,
    pub(crate) many_resident: u64,
}

impl Sample {
    /// CPU microseconds of the server for each event.
    pub(crate) fn cpu(&self) -> f64 {
        (self.user + self.system) * 1e6 / self.events.max(1) as f64
    }

    /// The part of it outside of the kernel.
    pub(crate) fn user_cpu(&self) -> f64 {
        self.user * 1e6 / self.events.max(1) as f64
    }

    /// Events in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.events as f64 / self.seconds.max(0.001)
    }

    /// How busy the server's core was, from 0 to 1.
    pub(crate) fn server_busy(&self) -> f64 {
        (self.user + self.system) / self.seconds.max(0.001)
    }

    /// How busy the client's core was.
    pub(crate) fn client_busy(&self) -> f64 {
        self.client / self.seconds.max(0.001)
    }

    /// How busy everything else was; 1 is a whole core.
    pub(crate) fn others_busy(&self) -> f64 {
        self.others / self.seconds.max(0.001)
    }

    /// Whether that was so much that the figures may suffer: more than a tenth of a core.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.others_busy() > 0.1
    }

    /// kB for each idle connection.
    pub(crate) fn slope(&self) -> Option<f64> {
        let idle = self.idle.as_ref()?;
        let grown = idle.many_resident as f64 - idle.few_resident as f64;
        Some(grown / (idle.many - idle.few).max(1) as f64)
    }
}

impl Joining {
    /// CPU microseconds of the server for each reader.
    pub(crate) fn cpu_each(&self) -> f64 {
        self.cpu * 1e6 / self.readers.max(1) as f64
    }

    /// kB of its memory for each reader.
    pub(crate) fn kilobytes_each(&self) -> f64 {
        self.grown as f64 / self.readers.max(1) as f64
    }
}

impl Counts {
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            writes: self.writes - before.writes,
            deliveries: self.deliveries - before.deliveries,
            frames: self.frames - before.frames,
            messages: self.messages - before.messages,
            commits: self.commits - before.commits,
        }
    }
}

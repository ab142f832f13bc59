//! What a process has used, and what Palaver has counted, between two points in time.

use std::{
    fs,
    process::{self, Command},
    time::Instant,
};

use super::{http, socket::Outcome};
use crate::sample::{Counts, Held, Sample};

/// Ticks per second in `/proc/PID/stat` (`USER_HZ`), the same on all machines that matter here.
const TICKS: f64 = 100.0;

/// CPU seconds of a process so far, all its threads together.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    pub(crate) fn of(pid: u32) -> Outcome<Self> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        // The second field is a name in brackets, which may hold anything. utime is the 14th.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<f64>().ok();
        match (ticks(), ticks()) {
            (Some(user), Some(system)) => Ok(Self {
                user: user / TICKS,
                system: system / TICKS,
            }),
            _ => Err(format!("{path}: no times")),
        }
    }

    pub(crate) fn all(self) -> f64 {
        self.user + self.system
    }
}

/// CPU seconds of the whole machine so far, but for those that it idled or that its host took.
fn machine() -> Outcome<f64> {
    let path = "/proc/stat";
    let stat = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let fields = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace();
    let ticks: Vec<f64> = fields
        .skip(1)
        .map_while(|field| field.parse().ok())
        .collect();
    match ticks[..] {
        [user, nice, system, _idle, _disk, hard, soft, ..] => {
            Ok((user + nice + system + hard + soft) / TICKS)
        }
        _ => Err(format!("{path}: no times")),
    }
}

/// Memory of a process that is in RAM, in kB.
pub(crate) fn resident(pid: u32) -> Outcome<u64> {
    let read = |file: &str, key: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    // The first counts pages; the second is a sum that may lag behind.
    read("smaps_rollup", "Rss:")
        .or_else(|| read("status", "VmRSS:"))
        .ok_or_else(|| format!("/proc/{pid} does not say how much memory is resident"))
}

/// What the kernel holds at the server's end of connections to these ports of the client.
pub(crate) fn held(at: &str, ports: &[u16]) -> Outcome<Held> {
    let server = at.rsplit_once(':').map_or("", |(_, port)| port);
    let done = Command::new("ss")
        .args([
            "-tmnH",
            "state",
            "established",
            &format!("( sport = :{server} )"),
        ])
        .output()
        .map_err(|error| format!("ss (of iproute2): {error}"))?;
    let text = String::from_utf8_lossy(&done.stdout);
    let mut all = Held::default();
    let mut lines = text.lines();
    // A connection is a line of Recv-Q, Send-Q and both addresses, and one about its memory.
    while let (Some(connection), Some(memory)) = (lines.next(), lines.next()) {
        let words: Vec<_> = connection.split_whitespace().collect();
        let [_, unsent, _, peer] = words[..] else {
            return Err(format!("ss said {connection:?}"));
        };
        let port = peer
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        if !port.is_some_and(|port| ports.contains(&port)) {
            continue;
        }
        all.readers += 1;
        all.unsent += unsent.parse::<u64>().unwrap_or_default();
        all.memory += buffers(memory).ok_or_else(|| format!("ss said {memory:?}"))?;
    }
    Ok(all)
}

/// Bytes of `skmem:(r0,rb131072,t0,tb524288,f1024,w2048,...)`: received, forward allocated, written.
fn buffers(memory: &str) -> Option<u64> {
    let fields = memory.trim().strip_prefix("skmem:(")?.strip_suffix(')')?;
    let value = |name: &str| {
        let digits = fields
            .split(',')
            .find_map(|field| field.strip_prefix(name)?.parse().ok());
        digits.unwrap_or(0_u64)
    };
    Some(value("r") + value("f") + value("w"))
}

/// The beginning of a time in which is measured.
pub(crate) struct Window<'a> {
    at: &'a str,
    pid: u32,
    since: Instant,
    server: Cpu,
    client: Cpu,
    machine: f64,
    counts: Option<Counts>,
    events: u64,
    bytes: u64,
}

impl<'a> Window<'a> {
    /// Begins; `events` have reached clients so far, with so many bytes.
    pub(crate) async fn open(
        at: &'a str,
        pid: u32,
        counted: bool,
        so_far: impl Fn() -> (u64, u64),
    ) -> Outcome<Self> {
        let counts = if counted {
            Some(counts(at).await?)
        } else {
            None
        };
        let (events, bytes) = so_far();
        Ok(Self {
            at,
            pid,
            since: Instant::now(),
            server: Cpu::of(pid)?,
            client: Cpu::of(process::id())?,
            machine: machine()?,
            counts,
            events,
            bytes,
        })
    }

    /// Ends, and notes what was used since the beginning.
    pub(crate) async fn close(
        self,
        so_far: impl Fn() -> (u64, u64),
        sample: &mut Sample,
    ) -> Outcome<()> {
        let (server, client) = (Cpu::of(self.pid)?, Cpu::of(process::id())?);
        let all = machine()? - self.machine;
        let (events, bytes) = so_far();
        sample.seconds = self.since.elapsed().as_secs_f64();
        sample.events = events - self.events;
        sample.frame_bytes = (bytes - self.bytes) as f64 / sample.events.max(1) as f64;
        sample.user = server.user - self.server.user;
        sample.system = server.system - self.server.system;
        sample.client = client.all() - self.client.all();
        let ours = sample.user + sample.system + sample.client;
        sample.others = (all - ours).max(0.0);
        sample.resident = resident(self.pid)?;
        if let Some(before) = self.counts {
            sample.counts = Some(counts(self.at).await?.since(&before));
        }
        Ok(())
    }
}

/// What Palaver's page says now.
pub(crate) async fn counts(at: &str) -> Outcome<Counts> {
    let page = http::ask(at, "GET", "/metrics", "", "").await?;
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|rest| rest.trim().parse().ok());
        value.ok_or_else(|| format!("/metrics has no {name}"))
    };
    Ok(Counts {
        writes: value("palaver_write_calls_total ")?,
        deliveries: value("palaver_deliveries_total ")?,
        frames: value("palaver_frames_built_total ")?,
        messages: value("palaver_messages_total ")?,
        commits: value("palaver_commits_total ")?,
    })
}

//! What the server counts, with one typed field per metric; and the page that shows it.
//!
//! Counting is an atomic addition and may stand on the hot path. Labels come from closed tables,
//! never from a client's input, so that nobody can make the page grow. Read [`pages`] for the
//! routes; what the listener counts by itself comes in through [`Metrics::show_listener`].

mod collect;
pub mod pages;

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::listen::ListenMetrics;

/// A gauge of a size or of a position, which is never negative.
pub type Level = Gauge<u64, AtomicU64>;

/// The name of a dialect, or `none` for a socket that speaks none yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByDialect {
    /// From [`dialects::DIALECTS`].
    pub dialect: &'static str,
}

/// A stable code, such as [`chat::Refusal::code`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByCode {
    /// From a closed table.
    pub code: &'static str,
}

/// The status of an HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByStatus {
    /// Such as 404.
    pub status: u16,
}

/// All metrics of one server. Each is exported under `palaver_` and its field's name; counters end
/// in `_total`.
#[derive(Debug)]
pub struct Metrics {
    registry: parking_lot::RwLock<Registry>,

    /// Commits to the store that succeeded.
    pub commits: Counter,
    /// Commits that failed, or whose outcome nobody knows.
    pub commits_failed: Counter,
    /// Commands per batch, refused ones included.
    pub batch_commands: Histogram,
    /// Seconds from taking a batch to its commit.
    pub batch_seconds: Histogram,
    /// Commands decided, refused ones included.
    pub commands: Counter,
    /// Messages that were committed.
    pub messages: Counter,
    /// Queries answered from the store.
    pub store_reads: Counter,
    /// Faults of the server's own, each of which is in the log as well.
    pub faults: Counter,
    /// The highest number of a lasting change that is committed and shown.
    pub barrier: Level,

    /// Sockets connected to a namespace now.
    pub sockets: Level,
    /// Clients that came back and went on with their session.
    pub recovered: Counter,
    /// Connections that were refused (503) because commands had waited too long for the writer.
    pub handshakes_refused: Counter,
    /// Connections to a namespace that were refused, by why.
    pub connects_refused: Family<ByCode, Counter>,
    /// Events from clients, by the dialect of the socket.
    pub events: Family<ByDialect, Counter>,
    /// Refused events and commands, by the refusal's code.
    pub refusals: Family<ByCode, Counter>,
    /// Messages whose sender was told that they are stored, repeated ones included.
    pub acked_messages: Counter,
    /// Times a socket was not read for a while because it sent faster than its rate.
    pub read_pauses: Counter,

    /// Requests to the HTTP API and for files, by the status of the answer.
    pub requests: Family<ByStatus, Counter>,
    /// Bytes of files that came whole.
    pub media_bytes: Counter,

    /// Events handed to a socket for writing, over all sockets.
    pub deliveries: Counter,
    /// Frames built for events; far fewer than deliveries, because listeners share them.
    pub frames_built: Counter,
    /// Topics with at least one listener now.
    pub topics: Level,
    /// Bytes of events and frames that the topics keep in memory now.
    pub topic_bytes: Level,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("palaver");
        let r = &mut registry;
        let (power_of_two, milliseconds_up) = (
            || Histogram::new((0..=12).map(|power| f64::from(1 << power))),
            || Histogram::new((0..=14).map(|power| f64::from(1 << power) / 10_000.0)),
        );
        let metrics = Self {
            commits: count(r, "commits", "Commits to the store that succeeded"),
            commits_failed: count(r, "commits_failed", "Commits that failed or are in doubt"),
            batch_commands: keep(r, "batch_commands", "Commands per batch", power_of_two()),
            batch_seconds: {
                let histogram = milliseconds_up();
                let help = "Time from taking a batch to its commit";
                r.register_with_unit("batch", help, Unit::Seconds, histogram.clone());
                histogram
            },
            commands: count(r, "commands", "Commands decided"),
            messages: count(r, "messages", "Messages committed"),
            store_reads: count(r, "store_reads", "Queries answered from the store"),
            faults: count(r, "faults", "Faults of the server's own"),
            barrier: level(r, "barrier", "Highest number committed and shown"),
            sockets: level(r, "sockets", "Sockets connected to a namespace"),
            recovered: count(r, "recovered", "Clients that went on with their session"),
            handshakes_refused: count(
                r,
                "handshakes_refused",
                "Connections refused because the writer was behind",
            ),
            connects_refused: keep(
                r,
                "connects_refused",
                "Refused namespace connections",
                Family::default(),
            ),
            events: keep(r, "events", "Events from clients", Family::default()),
            refusals: keep(r, "refusals", "Refused events", Family::default()),
            acked_messages: count(
                r,
                "acked_messages",
                "Messages whose sender knows they are stored",
            ),
            read_pauses: count(r, "read_pauses", "Times a socket was faster than its rate"),
            requests: keep(r, "requests", "Requests to the HTTP API", Family::default()),
            media_bytes: count(r, "media_bytes", "Bytes of files that came whole"),
            deliveries: count(r, "deliveries", "Events handed to sockets for writing"),
            frames_built: count(r, "frames_built", "Frames built for events"),
            topics: level(r, "topics", "Topics with listeners"),
            topic_bytes: level(r, "topic_bytes", "Bytes that topics keep in memory"),
            registry: parking_lot::RwLock::new(Registry::default()),
        };
        registry.register_collector(Box::new(collect::Process));
        *metrics.registry.write() = registry;
        Arc::new(metrics)
    }

    /// Adds what a listener counts to the page. Once per server.
    pub fn show_listener(&self, listener: Arc<ListenMetrics>) {
        let collector = Box::new(collect::Listener(listener));
        self.registry.write().register_collector(collector);
    }

    /// One more event of a socket that speaks this dialect.
    pub fn count_event(&self, dialect: &'static str) {
        self.events.get_or_create(&ByDialect { dialect }).inc();
    }

    /// One more refusal.
    pub fn count_refusal(&self, refusal: &chat::Refusal) {
        let code = refusal.code();
        self.refusals.get_or_create(&ByCode { code }).inc();
    }

    /// One more refused CONNECT. `code` comes from a closed table.
    pub fn count_connect_refused(&self, code: &'static str) {
        self.connects_refused.get_or_create(&ByCode { code }).inc();
    }

    /// One more answer to a request of the HTTP API.
    pub fn count_request(&self, status: u16) {
        self.requests.get_or_create(&ByStatus { status }).inc();
    }

    /// The page, in the `OpenMetrics` text format.
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut page, &self.registry.read());
        page
    }
}

fn count(registry: &mut Registry, name: &str, help: &str) -> Counter {
    keep(registry, name, help, Counter::default())
}

fn level(registry: &mut Registry, name: &str, help: &str) -> Level {
    keep(registry, name, help, Level::default())
}

fn keep<M>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M
where
    M: prometheus_client::registry::Metric + Clone,
{
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn value(page: &str, line: &str) -> String {
        page.lines()
            .find_map(|found| found.strip_prefix(line)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("no line {line:?} in\n{page}"))
            .to_owned()
    }

    #[test]
    fn the_page_shows_what_was_counted() {
        let metrics = Metrics::new();
        metrics.commits.inc();
        metrics.acked_messages.inc_by(120);
        metrics.barrier.set(77);
        metrics.batch_commands.observe(3.0);
        metrics.count_event("direct");
        metrics.count_event("direct");
        metrics.count_refusal(&chat::Refusal::BlankText);
        let page = metrics.page();
        assert_eq!(value(&page, "palaver_commits_total"), "1");
        assert_eq!(value(&page, "palaver_acked_messages_total"), "120");
        assert_eq!(value(&page, "palaver_barrier"), "77");
        assert_eq!(
            value(&page, "palaver_batch_commands_bucket{le=\"4.0\"}"),
            "1"
        );
        let events = "palaver_events_total{dialect=\"direct\"}";
        assert_eq!(value(&page, events), "2");
        let refusals = "palaver_refusals_total{code=\"blank_text\"}";
        assert_eq!(value(&page, refusals), "1");
        assert!(page.ends_with("# EOF\n"));
    }

    #[test]
    fn the_listener_is_on_the_page() {
        let metrics = Metrics::new();
        let listener = Arc::new(ListenMetrics::default());
        listener.writes.add(5);
        listener.bytes_out.add(512);
        metrics.show_listener(Arc::clone(&listener));
        let page = metrics.page();
        let resident: u64 = value(&page, "palaver_resident_bytes").parse().unwrap();
        assert!(resident > 1 << 20, "{resident}");
        assert_eq!(value(&page, "palaver_write_calls_total"), "5");
        assert_eq!(value(&page, "palaver_sent_bytes_total"), "512");
        assert_eq!(
            value(&page, "palaver_closed_total{reason=\"ping_timeout\"}"),
            "0"
        );
        listener.writes.add(1);
        assert_eq!(value(&metrics.page(), "palaver_write_calls_total"), "6");
    }
}

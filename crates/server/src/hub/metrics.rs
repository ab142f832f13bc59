//! What the hub and the writer count. Names are part of the product: they do not change lightly.

use chat::Refusal;
use dialects::Dialect;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Counters of the way from a command to its readers.
#[derive(Default)]
pub struct HubMetrics {
    /// Commits of the store.
    pub commits: Counter,
    /// Commands that were decided, refusals included.
    pub commands: Counter,
    /// Sends that were acknowledged to a client that asked for it.
    pub acked: Counter,
    /// Events handed to clients' transports, one for each client.
    pub deliveries: Counter,
    /// Distinct frames rendered for listeners; each serves all its readers.
    pub frames_built: Counter,
    /// Queries answered from the store.
    pub store_reads: Counter,
    /// Bytes held for readers who are a little behind.
    pub recent_bytes: Gauge,
    /// Sockets that are connected to a namespace.
    pub sockets: Gauge,
    refusals: Family<Code, Counter>,
    events: Family<Name, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    dialect: &'static str,
}

impl HubMetrics {
    /// Counts a refusal by its code.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        self.refusals.get_or_create(&Code { code: refusal.code() }).inc();
    }

    /// Counts a client event by the dialect of its socket.
    pub(crate) fn event(&self, dialect: Option<&'static dyn Dialect>) {
        let dialect = dialect.map_or("none", |dialect| dialect.name());
        self.events.get_or_create(&Name { dialect }).inc();
    }

    /// Puts everything on the metrics page.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("commits", "Commits of the store", self.commits.clone());
        registry.register("commands", "Commands decided, refusals included", self.commands.clone());
        registry.register("acked_messages", "Sends acknowledged to a client", self.acked.clone());
        registry.register("deliveries", "Events handed to clients, one per client", self.deliveries.clone());
        registry.register("frames_built", "Distinct frames rendered for listeners", self.frames_built.clone());
        registry.register("store_reads", "Queries answered from the store", self.store_reads.clone());
        registry.register("recent_bytes", "Bytes held for readers who are behind", self.recent_bytes.clone());
        registry.register("sockets", "Sockets connected to a namespace", self.sockets.clone());
        registry.register("refusals", "Requests refused, by code", self.refusals.clone());
        registry.register("events", "Client events, by dialect", self.events.clone());
    }
}

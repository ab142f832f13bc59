//! Numbers that are read at each scrape: the listener's plain counters, and the process itself.
//!
//! The listener does not know Prometheus; what it counts gets its names here.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::listen::{ListenMetrics, Refused};

/// What one listener counts.
#[derive(Debug)]
pub(super) struct Listener(pub(super) Arc<ListenMetrics>);

impl Collector for Listener {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let from = &self.0;
        for (name, help, value) in [
            ("accepted", "TCP connections taken", from.accepted.get()),
            (
                "opened",
                "Engine.IO handshakes that succeeded",
                from.opened.get(),
            ),
            (
                "upgrades",
                "Upgrades to WebSocket completed",
                from.upgrades.get(),
            ),
            (
                "upgrades_failed",
                "Upgrades given up half-way",
                from.upgrades_failed.get(),
            ),
            (
                "messages_in",
                "Engine.IO messages from clients",
                from.messages_in.get(),
            ),
            (
                "received_bytes",
                "Bytes read from sockets",
                from.bytes_in.get(),
            ),
            (
                "sent_bytes",
                "Bytes written to sockets",
                from.bytes_out.get(),
            ),
            (
                "write_calls",
                "Calls that wrote to a socket",
                from.writes.get(),
            ),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let tcp = ConstGauge::new(from.sockets.get());
        let help = "TCP connections open";
        tcp.encode(encoder.encode_descriptor("tcp_connections", help, None, MetricType::Gauge)?)?;

        let help = "Engine.IO connections open";
        let mut family = encoder.encode_descriptor("connections", help, None, MetricType::Gauge)?;
        for (transport, gauge) in [("polling", &from.polling), ("websocket", &from.websocket)] {
            let labels = [("transport", transport)];
            ConstGauge::new(gauge.get()).encode(family.encode_family(&labels)?)?;
        }
        let help = "Engine.IO connections that ended, by why";
        let mut family = encoder.encode_descriptor("closed", help, None, MetricType::Counter)?;
        for (reason, closed) in from.closed_by_name() {
            ConstCounter::new(closed).encode(family.encode_family(&[("reason", reason)])?)?;
        }
        let help = "Requests and sockets turned away before there was a connection, by why";
        let mut family =
            encoder.encode_descriptor("turned_away", help, None, MetricType::Counter)?;
        for (reason, name) in Refused::ALL {
            let refused = ConstCounter::new(from.refused(reason));
            refused.encode(family.encode_family(&[("reason", name)])?)?;
        }
        Ok(())
    }
}

/// What the operating system says about this process.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        if let Some(bytes) = resident_bytes() {
            let help = "Memory of the process that is in RAM";
            let encoder =
                encoder.encode_descriptor("resident_bytes", help, None, MetricType::Gauge)?;
            ConstGauge::new(bytes).encode(encoder)?;
        }
        Ok(())
    }
}

/// `VmRSS` of proc(5), where there is one.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

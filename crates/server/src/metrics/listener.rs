//! Shows the listener's plain counters on the metrics page.
//!
//! The listener does not know Prometheus; this reads its numbers at each scrape.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::listen::{ListenMetrics, Refused};

#[derive(Debug)]
pub(super) struct Collector(pub(super) Arc<ListenMetrics>);

impl collector::Collector for Collector {
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

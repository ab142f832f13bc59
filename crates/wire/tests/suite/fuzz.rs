//! The fuzz targets' functions on random bytes and on the protocol vectors, joined and damaged. `PROPTEST_CASES` makes
//! this run longer; `fuzz/` runs the same functions under libFuzzer.

use proptest::prelude::*;

use crate::support::{mutated, seeds};

#[path = "../../../../fuzz/entries.rs"]
mod entries;

fn payloads() -> Vec<Vec<u8>> {
    seeds(include_str!("../../vectors/engineio_payloads.json"))
}

fn packets() -> Vec<Vec<u8>> {
    let mut seeds = seeds(include_str!("../../vectors/socketio_packets.json"));
    // Without these most conversations would end at their first event.
    seeds.extend([
        b"0".to_vec(),
        b"0\x00".to_vec(),
        b"0/admin,\x000".to_vec(),
        b"\xff".to_vec(),
    ]);
    seeds
}

fn streams() -> Vec<Vec<u8>> {
    seeds(include_str!("../../vectors/websocket_frames.json"))
}

#[test]
fn every_vector() {
    for data in payloads() {
        entries::polling_payload(&data);
    }
    for data in packets() {
        entries::socketio_packet(&data);
    }
    for data in streams() {
        entries::websocket_frames(&data);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn polling_payload(data in mutated(payloads(), b"\x1e")) {
        entries::polling_payload(&data);
    }

    #[test]
    fn socketio_packet(data in mutated(packets(), b"\x00")) {
        entries::socketio_packet(&data);
    }

    #[test]
    fn websocket_frames(data in mutated(streams(), b"")) {
        entries::websocket_frames(&data);
    }

    #[test]
    fn noise(data in prop::collection::vec(any::<u8>(), 0..300)) {
        entries::polling_payload(&data);
        entries::socketio_packet(&data);
        entries::websocket_frames(&data);
    }
}

/// More than proptest's 256, for these are cheap; the environment has the last word.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    asked.unwrap_or(4_000)
}

//! What the wire holds for a connection.

use wire::Limits;
use wire::engineio::Connection;
use wire::socketio::Session;
use wire::websocket::{Decoder, Incoming, ProtocolError};

use crate::support::client_frame;

/// An idle connection's wire state, in bytes. The architecture counts them, so growing them is a decision.
#[test]
fn idle_state_is_small() {
    let sizes = [
        ("Decoder", size_of::<Decoder>(), 32),
        ("Session", size_of::<Session>(), 64),
        ("Connection", size_of::<Connection>(), 8),
    ];
    for (name, size, most) in sizes {
        assert!(size <= most, "{name} has {size} bytes");
    }
    let limits = Limits::default();
    let mut decoder = Decoder::new(&limits);
    let burst: Vec<u8> = [0x82, 0xff]
        .into_iter()
        .chain(100_000_u64.to_be_bytes())
        .chain(vec![0; 100_004])
        .collect();
    let (first, mut last) = burst.split_at(60_000);
    let mut piece = first;
    assert_eq!(decoder.decode(&mut piece), Ok(None));
    assert!(decoder.buffered() > 59_000);
    assert!(
        decoder.buffered() < 101_000,
        "never more than the frame needs"
    );
    assert!(
        matches!(decoder.decode(&mut last), Ok(Some(Incoming::Binary(bytes))) if bytes.len() == 100_000)
    );
    assert_eq!(decoder.buffered(), 0, "nothing is kept after a burst");
    let mut announced: &[u8] = &[0x82, 0xff, 0, 0, 0, 0, 0, 0x98, 0x96, 0x80, 0, 0, 0, 0, 7];
    assert_eq!(decoder.decode(&mut announced), Ok(None));
    assert!(
        decoder.buffered() < 300,
        "ten megabytes are announced, one byte has come"
    );
}

/// A message in fragments of one byte each: its memory grows by doubling, not with each fragment.
#[test]
fn many_fragments_are_cheap() {
    let limits = Limits {
        max_text_bytes: 50_000,
        ..Limits::default()
    };
    let mut decoder = Decoder::new(&limits);
    let mut sizes = std::collections::BTreeSet::new();
    for number in 0..50_000 {
        let frame = client_frame(false, u8::from(number == 0), [0; 4], b"a");
        assert_eq!(decoder.decode(&mut &frame[..]), Ok(None));
        sizes.insert(decoder.buffered());
    }
    assert!(sizes.len() < 20, "{} sizes", sizes.len());
    assert!(
        sizes.last().is_some_and(|size| *size < 50_400),
        "no more than the limit"
    );
    let one_more = client_frame(true, 0, [0; 4], b"a");
    assert_eq!(
        decoder.decode(&mut &one_more[..]),
        Err(ProtocolError::TextTooBig)
    );
    assert_eq!(decoder.buffered(), 0, "nothing is kept after a refusal");
}

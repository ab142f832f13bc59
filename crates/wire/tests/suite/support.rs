//! What several tests need: the vector files, hexadecimal, and a client's frames.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

pub(crate) fn vectors(text: &str) -> Vec<Value> {
    let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(vectors.len() > 30, "the file is not empty");
    vectors
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// A frame as a client sends it: masked.
pub(crate) fn client_frame(fin: bool, opcode: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut out = vec![u8::from(fin) << 7 | opcode];
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            out.push(0xfe);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0xff);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    out
}

/// The inputs of a vector file, as bytes: what the random tests begin with.
pub(crate) fn seeds(text: &str) -> Vec<Vec<u8>> {
    vectors(text)
        .iter()
        .map(
            |vector| match (vector["hex"].as_str(), vector["payload"].as_str()) {
                (Some(hex), _) => unhex(hex),
                (None, Some(payload)) => payload.into(),
                (None, None) => vector["text"].as_str().unwrap().into(),
            },
        )
        .collect()
}

/// A seed, or several joined, with some bytes changed, inserted, removed or repeated.
pub(crate) fn mutated(
    seeds: Vec<Vec<u8>>,
    separator: &'static [u8],
) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<Index>(), 0..6_u8, any::<u8>()), 0..4);
    (
        prop::collection::vec(prop::sample::select(seeds), 1..5),
        changes,
    )
        .prop_map(move |(seeds, changes)| {
            let mut bytes = seeds.join(separator);
            for (place, change, value) in changes {
                if bytes.is_empty() {
                    bytes.push(value);
                }
                let at = place.index(bytes.len());
                match change {
                    0 => bytes[at] = value,
                    1 => bytes[at] ^= 1 << (value % 8),
                    2 => bytes.insert(at, value),
                    3 => drop(bytes.remove(at)),
                    4 => bytes.truncate(at),
                    _ => {
                        let end = bytes.len().min(at + usize::from(value));
                        bytes.extend_from_within(at..end);
                    }
                }
            }
            bytes
        })
}

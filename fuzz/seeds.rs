//! Writes `corpus/<target>/` from the wire's protocol vectors, so that fuzzing begins with well-formed input.

use std::path::Path;
use std::{fs, io};

use serde_json::Value;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, file, key) in [
        ("polling_payload", "engineio_payloads", "payload"),
        ("socketio_packet", "socketio_packets", "text"),
        ("websocket_frames", "websocket_frames", "hex"),
    ] {
        let text = fs::read_to_string(
            root.join("../crates/wire/vectors")
                .join(file)
                .with_extension("json"),
        )?;
        let vectors: Vec<Value> = serde_json::from_str(&text)?;
        let folder = root.join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (number, vector) in vectors.iter().enumerate() {
            let seed = match (vector["hex"].as_str(), vector[key].as_str()) {
                (Some(hex), _) => unhex(hex),
                (None, Some(text)) => text.as_bytes().to_vec(),
                (None, None) => {
                    return Err(io::Error::other(format!("a vector of {file} has no {key}")));
                }
            };
            // A packet is worth more after a CONNECT; byte 0 separates messages in that target.
            let seed = if target == "socketio_packet" {
                [b"0\0".as_slice(), &seed].concat()
            } else {
                seed
            };
            fs::write(folder.join(format!("vector-{number:02}")), seed)?;
        }
    }
    Ok(())
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

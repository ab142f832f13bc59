//! API keys and secrets: made from the operating system's randomness, stored as SHA-256.
//!
//! A key carries 256 random bits, so a fast hash is enough: there is nothing to guess.

use std::fmt::Write;

use chat::model::{Scope, Secret};
use sha2::{Digest, Sha256};

/// Random bytes of a key or secret.
const RANDOM_BYTES: usize = 32;
/// Characters of a key that are kept readable, so that people can tell keys apart.
const PREFIX_CHARS: usize = 9;
/// The client key of the demo app. Known to everybody, which is the point of a demo.
pub const DEMO: &str = "demo";

/// The operating system gave no random bytes.
#[derive(Debug)]
pub struct NoRandomness(getrandom::Error);

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the operating system gives no random bytes: {}", self.0)
    }
}

impl std::error::Error for NoRandomness {}

/// A new key, for example `pk_` and 64 hexadecimal digits: `pk` opens what a page may carry, `sk`
/// administration.
pub fn make(scope: Scope) -> Result<Secret, NoRandomness> {
    let prefix = match scope {
        Scope::Client => "pk_",
        Scope::Server => "sk_",
    };
    random_text(prefix)
}

/// A new shared secret for tokens.
pub fn make_secret() -> Result<Secret, NoRandomness> {
    random_text("")
}

/// What is stored of a key.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The readable beginning of a key.
pub fn prefix(text: &str) -> String {
    text.chars().take(PREFIX_CHARS).collect()
}

/// A random number of the operating system.
pub fn random_u64() -> Result<u64, NoRandomness> {
    getrandom::u64().map_err(NoRandomness)
}

/// Random bytes of the operating system.
pub fn random_bytes<const COUNT: usize>() -> Result<[u8; COUNT], NoRandomness> {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

fn random_text(prefix: &str) -> Result<Secret, NoRandomness> {
    let bytes = random_bytes::<RANDOM_BYTES>()?;
    let mut text = String::with_capacity(prefix.len() + 2 * RANDOM_BYTES);
    text.push_str(prefix);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Secret(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_tell_their_scope_and_are_never_the_same() {
        let client = make(Scope::Client).unwrap().0;
        let server = make(Scope::Server).unwrap().0;
        assert!(client.starts_with("pk_") && client.len() == 67, "{client}");
        assert!(server.starts_with("sk_") && server.len() == 67, "{server}");
        assert_ne!(client, make(Scope::Client).unwrap().0);
        assert_ne!(make_secret().unwrap(), make_secret().unwrap());
    }

    #[test]
    fn the_hash_is_sha256_and_the_prefix_gives_little_away() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut hex = String::new();
        for byte in hash("abc") {
            write!(hex, "{byte:02x}").unwrap();
        }
        assert_eq!(hex, expected);
        assert_eq!(prefix("pk_0123456789"), "pk_012345");
        assert_eq!(prefix("demo"), "demo");
    }
}

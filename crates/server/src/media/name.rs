//! The names of kept files: 128 random bits as hexadecimal digits, and the extension of the type.

use std::fmt::Write;

use chat::Fault;

use super::{MediaError, random_bytes};

/// Random bytes of a name.
const RANDOM_BYTES: usize = 16;
/// Longest extension.
const MAX_EXTENSION: usize = 8;

/// The name of a kept file. It has neither slashes nor anything else that means something in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName(String);

impl FileName {
    /// A new name, which nobody can guess.
    pub(super) fn random(extension: &str) -> Result<Self, MediaError> {
        Ok(Self(format!("{}.{extension}", Self::random_part()?)))
    }

    /// A name without extension.
    pub(super) fn random_part() -> Result<String, MediaError> {
        let fault = |error| MediaError::Failed(Fault::new("naming a file", error));
        let bytes = random_bytes::<RANDOM_BYTES>().map_err(fault)?;
        let mut name = String::with_capacity(2 * RANDOM_BYTES);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        Ok(name)
    }

    /// A name that came from outside, if it can be one of ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (random, extension) = text.split_once('.')?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_extension = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        let fits = random.len() == 2 * RANDOM_BYTES
            && random.bytes().all(is_digit)
            && (1..=MAX_EXTENSION).contains(&extension.len())
            && extension.bytes().all(is_extension);
        fits.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_names_of_ours_are_read() {
        let name = FileName::random("png").unwrap();
        assert_eq!(FileName::parse(name.as_str()), Some(name.clone()));
        assert_ne!(FileName::random("png").unwrap(), name);
        let random = "0123456789abcdef0123456789abcdef";
        assert!(FileName::parse(&format!("{random}.7z")).is_some());
        for wrong in [
            random.to_owned(),
            format!("{random}."),
            format!("{random}.tar.gz"),
            format!("{random}.PNG"),
            format!("{random}.png/x"),
            format!("{random}0.png"),
            format!("{}.png", &random[1..]),
            format!("../{random}.png"),
            format!("{}.png", random.to_uppercase()),
            "incoming".to_owned(),
            "..".to_owned(),
            String::new(),
        ] {
            assert_eq!(FileName::parse(&wrong), None, "{wrong}");
        }
    }
}

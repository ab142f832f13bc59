//! Who is there: tokens, keys, and the apps they belong to.
//!
//! [`token`] verifies and signs JSON Web Tokens, [`public`] reads the public keys that an app
//! verifies with, [`key`] makes API keys and secrets. Nothing here knows sockets, dialects or the
//! store, and nothing here logs. Where apps and keys are looked up: [`crate::directory`].

pub mod key;
pub mod public;
pub mod token;

pub use token::{TokenError, Verified, verify};

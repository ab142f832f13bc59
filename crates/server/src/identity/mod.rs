//! Who is there: tokens, keys, and the apps they belong to.
//!
//! [`credential`] opens an app with what a client brings, [`token`] verifies and signs JSON Web Tokens, [`public`] reads the public keys that an app
//! verifies with, [`key`] makes API keys and secrets. [`Directory`] holds apps and keys in
//! memory. Nothing here knows sockets or dialects, and nothing here logs.

pub mod credential;
mod directory;
pub mod key;
pub mod public;
pub mod token;

pub use directory::Directory;
pub use token::{TokenError, Verified, verify};

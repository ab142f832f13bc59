//! The hub without sockets: connections driven by hand, on several threads, over a real store.
//!
//! What must hold under any interleaving: one order, no gap, no double, answers in their place.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    clippy::missing_panics_doc
)]

mod anew;
mod client;
mod credentials;
mod crowds;
mod gate;
mod leaving;
mod market;
mod memories;
mod overload;
mod pair;
mod people;
mod rates;
mod returning;
mod rooms;
mod streams;
mod tokens;
mod uploads;

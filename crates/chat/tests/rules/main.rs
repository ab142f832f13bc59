//! The rules (`decisions`; by noun `users`, `blocks`, `groups`, `destinations`, `messages`, `receipts`,
//! `listening`, `sessions`, `rooms`; what is asked, `queries`), what the writer remembers (`facts`), the order in which it works (`turns`, `queue`), and what holds for any
//! sequence of commands (`properties`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod blocks;
mod decisions;
mod destinations;
mod facts;
mod groups;
mod listening;
mod messages;
mod model;
mod properties;
mod queries;
mod queue;
mod receipts;
mod rooms;
mod sessions;
mod turns;
mod users;
mod world;

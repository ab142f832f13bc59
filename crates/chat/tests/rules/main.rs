//! The rules (`decisions`; by noun `users`, `groups`, `messages`, `listening`, `sessions`), what the
//! writer remembers (`facts`), the order in which it works (`turns`, `queue`), and what holds for any
//! sequence of commands (`properties`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod decisions;
mod facts;
mod groups;
mod listening;
mod messages;
mod model;
mod properties;
mod queue;
mod sessions;
mod turns;
mod users;
mod world;

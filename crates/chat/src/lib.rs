//! The chat domain: who may do what, in which order it happened, and what others are told.
//!
//! Knows apps, users, conversations, messages and subscriptions. Must not know Socket.IO, HTTP,
//! SQL or any dialect. [`Command`] is the only way in, [`Event`] the only way out; both are closed.
//! Start with [`model`] for the nouns, [`decide`] for the rules, [`executor`] for the order.

pub mod actor;
pub mod bus;
pub mod command;
pub mod decide;
pub mod event;
pub mod executor;
pub mod facts;
pub mod mint;
pub mod model;
mod need;
pub mod query;
pub mod queue;
pub mod refusal;
mod reply;
pub mod review;
pub mod room;
pub mod session;
pub mod store;

pub use actor::{Actor, Proof, Role, SessionSeed, Subject};
pub use command::{Command, ConversationRef, Destination, Outcome, Reply, UserRef};
pub use event::{Effect, Event, Happening, Passing, Topic};
pub use executor::{Asker, Executor, Submission, Turn};
pub use model::{
    App, AppId, Body, Conversation, ConversationId, ConversationKind, ConversationView, ExternalId,
    G, Identity, KeyId, Media, Message, MessageView, SessionId, Timestamp, User, UserId,
};
pub use query::{Presence, Query, View};
pub use queue::Queue;
pub use refusal::{Fault, Refusal};
pub use session::{StoredSession, StoredSubscription};
pub use store::Store;

//! Socket.IO v5: packets in text with binary attachments, and the namespaces of one connection.
//!
//! Knows no transport: it reads [`crate::engineio::Message`]s. Arguments stay raw JSON; what they mean is for others.

mod event;
mod packet;
mod placeholder;
mod session;
mod violation;

pub use event::{Ack, Event};
pub use packet::{Packet, join_args};
pub use placeholder::Placeholder;
pub use session::{Input, Session};
pub use violation::Violation;

//! What happened in a world, line by line, and what of it is remembered.

use std::{
    cell::RefCell,
    hash::{DefaultHasher, Hasher},
    rc::Rc,
};

use wire::socketio::Packet;

/// A trace. Cheap to clone; all clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Rc<RefCell<Vec<String>>>>);

impl Trace {
    /// One that remembers; the default forgets.
    pub(crate) fn kept() -> Self {
        Self(Some(Rc::default()))
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            lines.borrow_mut().push(line());
        }
    }

    /// A packet without what is random in it.
    pub(crate) fn packet(&self, what: &str, packet: &Packet) {
        self.note(|| match packet {
            Packet::Event(event) => {
                let args: Vec<&str> = event.args.iter().map(|arg| arg.get()).collect();
                format!("{what} {} {}", event.name, args.join(" "))
            }
            Packet::Ack(ack) => {
                let args: Vec<&str> = ack.args.iter().map(|arg| arg.get()).collect();
                format!("{what} ack {} {}", ack.id, args.join(" "))
            }
            Packet::Connect { .. } => format!("{what} CONNECT"),
            other => format!("{what} {other:?}"),
        });
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0
            .as_ref()
            .map(|lines| lines.borrow().clone())
            .unwrap_or_default()
    }

    /// The same for the same lines.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for line in self.lines() {
            hasher.write(line.as_bytes());
        }
        hasher.finish()
    }
}

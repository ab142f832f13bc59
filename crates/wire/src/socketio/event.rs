//! The two packets that carry meaning: events and their acknowledgements.

use bytes::Bytes;
use serde_json::value::RawValue;

/// An event, by either side.
#[derive(Debug, Clone)]
pub struct Event {
    /// The namespace; `/` is the main one.
    pub namespace: String,
    /// The id to acknowledge with, if the sender asks for it.
    pub ack: Option<u64>,
    /// The event's name.
    pub name: String,
    /// What came after the name, as JSON.
    pub args: Vec<Box<RawValue>>,
    /// Binary arguments; [`super::Placeholder`]s in `args` say where they belong. Each placeholder was checked.
    pub attachments: Vec<Bytes>,
}

/// The answer to an event.
#[derive(Debug, Clone)]
pub struct Ack {
    /// The namespace; `/` is the main one.
    pub namespace: String,
    /// The id that the event asked with.
    pub id: u64,
    /// The answer's arguments, as JSON.
    pub args: Vec<Box<RawValue>>,
    /// Binary arguments, as in [`Event::attachments`].
    pub attachments: Vec<Bytes>,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.namespace == other.namespace
            && self.ack == other.ack
            && self.name == other.name
            && same_json(&self.args, &other.args)
            && self.attachments == other.attachments
    }
}

impl PartialEq for Ack {
    fn eq(&self, other: &Self) -> bool {
        self.namespace == other.namespace
            && self.id == other.id
            && same_json(&self.args, &other.args)
            && self.attachments == other.attachments
    }
}

/// Equal as text, which is what raw JSON is.
fn same_json(left: &[Box<RawValue>], right: &[Box<RawValue>]) -> bool {
    left.iter()
        .map(|raw| raw.get())
        .eq(right.iter().map(|raw| raw.get()))
}

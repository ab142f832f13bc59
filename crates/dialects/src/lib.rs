//! The chat APIs that Palaver speaks: pure translation between their words and the domain's.
//!
//! A dialect reads events into commands and queries, answers the asker, and shows what happened to
//! others. It touches no socket, no database, no bus, and awaits nothing. A further dialect is one
//! folder and one line in [`DIALECTS`].

pub mod direct;
pub mod json;
pub mod payload;
pub mod timestamp;

use chat::{App, Command, Event, ExternalId, Query, Refusal, Reply, Subject, Topic, UserId, View};
use wire::socketio::Event as Incoming;

/// All dialects, in the order in which a first event is offered to them.
pub static DIALECTS: &[&dyn Dialect] = &[&direct::Direct];

/// One chat API.
pub trait Dialect: Sync {
    /// Its name in configuration, logs and the store. Never changes.
    fn name(&self) -> &'static str;

    /// The Socket.IO namespaces on which it is spoken.
    fn namespaces(&self) -> &'static [&'static str];

    /// Whether this event is one of its own. On a socket that speaks no dialect yet, the first one
    /// that claims the event becomes the socket's.
    fn claims(&self, event: &Incoming) -> bool;

    /// Under which id the app knows the person for whom a token speaks. The server puts it into the
    /// actor once the socket's dialect is known; ids in payloads are compared with it.
    fn person(&self, subject: &Subject) -> ExternalId {
        subject.id.clone()
    }

    /// What a client event asks for. A refusal changes nothing and is shown by [`Dialect::answer`].
    fn read(&self, seat: &Seat<'_>, event: &Incoming) -> Result<Request, Refusal>;

    /// What the asker is told. `request` is `None` when reading the event was refused already.
    fn answer(&self, request: Option<&Request>, result: Result<&Answered, &Refusal>) -> Answer;

    /// What answers a join of this place once more: for clients that come back after the first answer
    /// may have been lost, and do not join again by themselves. `None` where joining has no answer.
    fn rejoin(&self, place: Topic) -> Option<Query>;

    /// How many events answer a join: whoever has seen the last of them needs no second answer.
    fn events_of_join(&self) -> u32;

    /// What listeners are told about an event: each part that this audience gets, in its fixed place.
    fn show(&self, event: &Event, audience: Audience) -> Vec<Shown>;
}

/// What reading an event may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
    /// The socket's app.
    pub app: &'a App,
    /// The user whom the socket's token proves, if it brought one.
    pub subject: Option<&'a Subject>,
}

/// What a client event asks for: a command, then a query as of that command's place, or one of both.
#[derive(Clone, Debug)]
pub struct Request {
    /// To be decided by the writer.
    pub command: Option<Command>,
    /// To be answered by a reader afterwards.
    pub query: Option<Query>,
    /// Whether the socket must have said who it is. It is given a moment, because
    /// socket.io-client sends what was typed offline before the page can say so.
    pub needs_identity: bool,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Of the command.
    pub reply: Option<Reply>,
    /// Of the query.
    pub view: Option<View>,
}

impl Answered {
    /// Whether a message is stored by it, now or before.
    pub fn is_sent(&self) -> bool {
        matches!(self.reply, Some(Reply::Sent { .. }))
    }
}

/// What goes back to the asker, in this order: the events, then the acknowledgement.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Events for the asking socket only.
    pub events: Vec<Emit>,
    /// The argument of the acknowledgement, as JSON; sent only if the client asked for one.
    pub ack: String,
}

/// An event for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emit {
    /// Its name.
    pub name: &'static str,
    /// Its arguments as JSON, separated by commas. At least one, and the last one no string: the
    /// server adds the recovery offset behind it.
    pub args: String,
}

/// An event for listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its place among what its dialect can show of one happening, from 0, below 35. Part of the
    /// recovery offset, so it never changes.
    pub part: u8,
    /// What they get.
    pub emit: Emit,
}

/// Who is being shown an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Those who listen to the conversation.
    Conversation,
    /// The sockets of one of its people.
    Person(UserId),
}

/// How a refusal is told to a socket that does not speak a dialect yet: an `error` event, and the
/// acknowledgement.
pub fn refuse(refusal: &Refusal) -> Answer {
    let message = refusal.to_string();
    Answer {
        events: vec![Emit {
            name: "error",
            args: json::error(refusal, &message),
        }],
        ack: json::refused_ack(refusal, &message),
    }
}

/// The dialect of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Dialect> {
    DIALECTS
        .iter()
        .find(|dialect| dialect.name() == name)
        .copied()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use chat::{AppId, Identity, Timestamp, model::Secret};
    use uuid::Uuid;

    use super::*;

    static APP: LazyLock<App> = LazyLock::new(|| App {
        id: AppId(1),
        uuid: Uuid::nil(),
        name: "test".to_owned(),
        identity: Identity::Open,
        is_default: true,
        max_text_bytes: 65_536,
        secret: Secret(String::new()),
        public_keys: String::new(),
        created_at: Timestamp(0),
    });

    pub(crate) fn seat() -> Seat<'static> {
        Seat {
            app: &APP,
            subject: None,
        }
    }

    #[test]
    fn every_dialect_is_found_by_its_name() {
        for dialect in DIALECTS {
            let found = by_name(dialect.name()).map(Dialect::name);
            assert_eq!(found, Some(dialect.name()));
        }
        assert!(by_name("esperanto").is_none());
    }

    #[test]
    fn a_socket_without_a_dialect_hears_of_errors_too() {
        let answer = refuse(&Refusal::UnknownEvent);
        assert_eq!(
            answer.events,
            vec![Emit {
                name: "error",
                args: r#"{"message":"no such event here","code":"unknown_event"}"#.to_owned(),
            }]
        );
        assert_eq!(
            answer.ack,
            r#"{"success":false,"error":{"code":"unknown_event","message":"no such event here"}}"#
        );
    }
}

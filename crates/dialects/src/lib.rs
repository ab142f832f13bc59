//! The chat APIs that Palaver speaks: pure translation between their words and the domain's.
//!
//! A dialect reads events into commands and queries, answers the asker, and shows what happened to
//! others. It touches no socket, no database, no bus, and awaits nothing. A further dialect is one
//! folder and one line in [`DIALECTS`].

pub mod direct;
pub mod json;
pub mod market;
pub mod minchat;
pub mod pair;
pub mod payload;
pub mod rest;
#[cfg(test)]
mod sample;
pub mod stream;
pub mod timestamp;

use std::borrow::Cow;

use bytes::Bytes;
use chat::{
    App, Command, Event, ExternalId, Media, Passing, Query, Refusal, Reply, Subject, Topic, User,
    UserId, UserRef, View,
    model::{Picture, Secret},
};
use wire::socketio::Event as Incoming;

/// All dialects, in the order in which a first event is offered to them.
pub static DIALECTS: &[&dyn Dialect] = &[
    &direct::Direct,
    &minchat::Minchat,
    &market::Market,
    &pair::Pair,
    &stream::Stream,
];

/// One chat API.
pub trait Dialect: Sync {
    /// Its name in configuration, logs and the store. Never changes.
    fn name(&self) -> &'static str;

    /// The Socket.IO namespaces on which it is spoken.
    fn namespaces(&self) -> &'static [&'static str];

    /// Whether this event is one of its own. On a socket that speaks no dialect yet, the first one
    /// that claims the event becomes the socket's.
    fn claims(&self, event: &Incoming) -> bool;

    /// Who may come into one of its namespaces. A refusal is told by an event, as [`Dialect::answer`]
    /// says it, between the answer to CONNECT and a DISCONNECT.
    fn admit(&self, _namespace: &str, _subject: Option<&Subject>) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether nobody comes into its namespaces without a token. A bad or missing one is then told as
    /// [`Dialect::admit`] says, and else by CONNECT_ERROR.
    fn demands_token(&self) -> bool {
        false
    }

    /// What a socket is told when it comes in: what to do and to answer as if its client had asked.
    /// One that goes on with its session has been told before.
    fn greet(&self, _namespace: &str) -> Vec<Request> {
        Vec::new()
    }

    /// What its sockets in a namespace have to do with who is present.
    fn presence(&self, _namespace: &str) -> PresenceOf {
        PresenceOf::Nobody
    }

    /// What others, and the user's own sockets, are told when a user is present now, or no longer.
    fn show_presence(&self, _user: &User, _present: bool) -> Option<Emit> {
        None
    }

    /// Whether whoever registers through it has brought a token ([`Credential::Token`]). Then a session
    /// that comes back acts as whom it has registered.
    fn registers_by_token(&self) -> bool {
        false
    }

    /// Under which id the app knows the person for whom a token speaks. The server puts it into the
    /// actor once the socket's dialect is known; ids in payloads are compared with it.
    fn person(&self, subject: &Subject) -> ExternalId {
        subject.id.clone()
    }

    /// Whether whoever listens through it need not say who they are. Then the server lets an address
    /// have a few such sockets at once.
    fn is_read_by_anybody(&self) -> bool {
        false
    }

    /// What a client event asks for. A refusal changes nothing and is shown by [`Dialect::answer`].
    fn read(&self, seat: &Seat<'_>, event: &Incoming) -> Result<Request, Refusal>;

    /// What the asker is told. `request` is `None` when reading the event was refused already.
    fn answer(
        &self,
        site: &Site,
        request: Option<&Request>,
        result: Result<&Answered, &Refusal>,
    ) -> Answer;

    /// What answers a join of this place, or a greeting that listens to it, once more: for clients that
    /// come back after the first answer may have been lost, and do not join again by themselves. `None`
    /// where it has no answer.
    fn rejoin(&self, namespace: &str, place: Topic) -> Option<Rejoin>;

    /// Whether listeners in a namespace are ever told of anything that lasts. Where not, nothing is kept
    /// for them, or brought back when they return.
    fn shows_lasting(&self, _namespace: &str) -> bool {
        true
    }

    /// What listeners are told about an event: each part that they get, in its fixed place.
    fn show(&self, stage: &Stage<'_>, event: &Event) -> Vec<Shown>;

    /// What listeners are told about something that passes; the sockets of its own user are not. It has
    /// no offset, so its last argument is no string, which a client would take for one.
    fn pass(&self, stage: &Stage<'_>, passing: &Passing) -> Option<Emit>;
}

/// What the sockets of a namespace have to do with who is present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceOf {
    /// Nothing.
    Nobody,
    /// Whoever has one is present, and those who talk with that user are told.
    Announced,
    /// They work only for users who are present; what they ask waits a while for that.
    Awaited,
}

/// Where something is shown.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// How clients reach this server.
    pub site: &'a Site,
    /// The Socket.IO namespace.
    pub namespace: &'a str,
    /// To whom.
    pub audience: Audience,
    /// What the listeners call the conversation, where they said so.
    pub spelling: Option<&'a str>,
}

/// How clients reach this server from outside.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Scheme, host and port, without a slash at its end.
    pub url: String,
}

impl Site {
    /// Where a file of the media store is found.
    pub fn media_url(&self, media: &Media) -> String {
        format!("{}/media/{}", self.url, media.name)
    }

    /// Where a picture is found.
    pub fn picture_url<'a>(&self, picture: &'a Picture) -> Cow<'a, str> {
        match picture {
            Picture::Url(url) => Cow::Borrowed(url),
            Picture::Media(media) => Cow::Owned(self.media_url(media)),
        }
    }
}

/// What reading an event may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
    /// The socket's app.
    pub app: &'a App,
    /// The user whom the socket's token proves, if it brought one.
    pub subject: Option<&'a Subject>,
    /// Who the socket has said it is, last.
    pub claimed: Option<&'a UserRef>,
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
    /// What stands in the payload to say who acts, where the dialect has it there.
    pub credential: Option<Credential>,
    /// A file to be stored first. Where it is then goes into the command by [`Request::place`].
    pub upload: Option<Upload>,
}

/// What says who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An API key, or a token in its place: for this event alone. A key also says which app is meant.
    Key(Secret),
    /// A token of the socket's app: for this event and, once it has succeeded, for what the socket asks
    /// afterwards.
    Token(Secret),
    /// A token that must be for whoever the socket is already; it changes nothing else.
    Same(Secret),
}

/// A file that came with an event.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What its sender calls it.
    pub title: Option<String>,
    /// What is in it.
    pub bytes: Bytes,
}

impl Request {
    /// Only a command.
    pub fn command(command: Command) -> Self {
        Self {
            command: Some(command),
            ..Self::nothing()
        }
    }

    /// Only a query.
    pub fn query(query: Query) -> Self {
        Self {
            query: Some(query),
            ..Self::nothing()
        }
    }

    fn nothing() -> Self {
        Self {
            command: None,
            query: None,
            needs_identity: false,
            credential: None,
            upload: None,
        }
    }

    /// The files in the command.
    pub fn placed(&self) -> &[Media] {
        match &self.command {
            Some(Command::Send { body, .. }) => &body.media,
            Some(Command::EditMessage { patch, .. }) => patch.media.as_slice(),
            _ => &[],
        }
    }

    /// Puts a file that was stored into the command.
    pub fn place(&mut self, stored: Media) {
        match &mut self.command {
            Some(Command::Send { body, .. }) => body.media.push(stored),
            Some(Command::EditMessage { patch, .. }) => patch.media = Some(stored),
            _ => {}
        }
    }
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

/// What answers a join once more.
#[derive(Clone, Debug)]
pub struct Rejoin {
    /// Finds what the answer says.
    pub query: Query,
    /// How many events it has: whoever has seen the last of them needs no second answer.
    pub events: u32,
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
    pub name: Cow<'static, str>,
    /// Its arguments as JSON, separated by commas. At least one. The server adds the recovery offset
    /// behind them, except where [`Dialect::pass`] made them: there the last one is no string.
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
    /// The session that caused it does not get it.
    pub skips_origin: bool,
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
            name: "error".into(),
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
    use super::*;

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
                name: "error".into(),
                args: r#"{"message":"no such event here","code":"unknown_event"}"#.to_owned(),
            }]
        );
        assert_eq!(
            answer.ack,
            r#"{"success":false,"error":{"code":"unknown_event","message":"no such event here"}}"#
        );
    }
}

//! How a client named what it asked about, so that refusals speak of its own fields.

use std::borrow::Cow;

use chat::{Command, Query, Refusal, UserRef};

use super::rest::{Call, Shape};
use crate::Request;

/// The client's names for things, in one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// The whole of what it sent.
    payload: &'static str,
    /// The API key, or what stands in its place.
    key: &'static str,
    /// The chat.
    chat: &'static str,
    /// The message.
    message: &'static str,
    /// The user who acts.
    actor: &'static str,
    /// A user who must be there.
    user: &'static str,
    /// Two who must not be one.
    people: &'static str,
}

/// Who acts where the request names nobody.
const YOU: &str = "you";
/// Who that is, if anybody is meant who must be there.
const KEY_USER: &str = "the user of your key";

impl Words {
    /// Those of an event.
    pub(super) fn of_event(request: Option<&Request>) -> Self {
        let words = Self {
            payload: "payload",
            key: "apiKey",
            chat: "channelId",
            message: "messageId",
            actor: YOU,
            user: KEY_USER,
            people: "usernames",
        };
        let Some(request) = request else { return words };
        match (&request.command, &request.query) {
            (Some(Command::Register { .. } | Command::Deregister { .. }), _) => {
                words.by("channelUserId")
            }
            (Some(Command::Send { .. }), _) => Self {
                chat: "chat_id",
                ..words.by("user_id")
            },
            (Some(Command::MarkRead { .. }), _) => Self {
                message: "lastMessageId",
                ..words.by("user.id")
            },
            (Some(Command::Typing { .. }), _) => words.by("user.id"),
            (_, Some(Query::Status { .. })) => words.by("memberId"),
            _ => words,
        }
    }

    /// Those of a request over HTTP. One that could not be read names nobody but in its path.
    pub(super) fn of_rest(call: Option<&Call>) -> Self {
        let words = Self {
            payload: "body",
            key: "Authorization",
            chat: "id",
            message: "id",
            actor: YOU,
            user: KEY_USER,
            people: "usernames",
        };
        let Some(call) = call else {
            return Self {
                user: "id",
                ..words
            };
        };
        match (&call.request.command, &call.request.query) {
            (Some(Command::PutUser { .. }), _) => words.by("username"),
            (Some(Command::UpdateUser { .. } | Command::DeleteUser { .. }), _) => words.by("id"),
            (Some(Command::Block { .. } | Command::Unblock { .. }), _) => Self {
                actor: "id",
                user: "id or other_id",
                people: "id and other_id",
                ..words
            },
            (None, Some(Query::Blocks { .. })) => words.by("id"),
            (Some(Command::OpenDirect { .. } | Command::CreateGroup { .. }), _) => Self {
                actor: "the first of usernames",
                user: "somebody in usernames, or user_id,",
                ..words
            },
            (Some(Command::AddMember { .. } | Command::RemoveMember { .. }), _) => Self {
                user: "user_id",
                ..words
            },
            (Some(Command::Send { .. }), _) => Self {
                chat: "chat_id",
                ..words.by("user_id")
            },
            (Some(Command::MarkRead { .. }), _) => words.by("user_id"),
            (None, Some(Query::Users { users })) => match users.as_slice() {
                [UserRef::Uuid(_)] => words.by("id"),
                _ => words.by("username"),
            },
            (None, Some(Query::Conversations { .. })) => words.by("user_id"),
            (None, Some(Query::History { viewer, .. })) => {
                let words = match call.shape {
                    Shape::Messages { .. } => Self {
                        chat: "chat_id",
                        ..words
                    },
                    _ => words,
                };
                match viewer {
                    Some(_) => words.by("user_id"),
                    None => words,
                }
            }
            _ => words,
        }
    }

    fn by(self, user: &'static str) -> Self {
        Self {
            actor: user,
            user,
            ..self
        }
    }

    /// Says a refusal in these words.
    pub(super) fn explain(self, refusal: &Refusal) -> Cow<'static, str> {
        let Self {
            payload,
            key,
            chat,
            message,
            actor,
            user,
            people,
        } = self;
        let text = match refusal {
            Refusal::Invalid { field: "", must } => format!("{payload} {must}"),
            Refusal::BlankText => return "text must not be blank".into(),
            Refusal::TextTooLong { limit } => format!("text is longer than {limit} bytes"),
            Refusal::FileTooLarge { limit } => format!("file is longer than {limit} bytes"),
            Refusal::MetadataTooLarge { limit } => {
                format!("metadata is longer than {limit} bytes")
            }
            Refusal::SamePerson => format!("{people} must be two different people"),
            Refusal::UnknownConversation => {
                format!("{chat} is not a chat that {actor} may see")
            }
            Refusal::UnknownMessage => format!("{message} is not a message that {actor} may see"),
            Refusal::UnknownUser => format!("{user} is not a user of this app"),
            Refusal::FixedMembers => return "a chat of two people keeps its two people".into(),
            Refusal::NotAMember => format!("{user} does not belong to this chat"),
            Refusal::TokenRequired => {
                format!("this app needs a user key, which is a signed token, in {key}")
            }
            Refusal::TokenExpired => format!("the user key in {key} has expired"),
            Refusal::NotTheTokensSubject => format!("{actor} is not the user of your key"),
            Refusal::UnknownKey => format!("{key} has no key that this server knows"),
            other => other.to_string(),
        };
        Cow::Owned(text)
    }
}

//! How a client named what it asked about, so that refusals speak of its own fields.

use std::borrow::Cow;

use chat::{Command, Query, Refusal, UserRef};

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
}

/// Where the user who acts is not named, it is the one of the key.
const KEY_USER: &str = "the user of your key";

impl Words {
    /// Those of an event.
    pub(super) fn of_event(request: Option<&Request>) -> Self {
        let words = Self {
            payload: "payload",
            key: "apiKey",
            chat: "channelId",
            message: "messageId",
            actor: KEY_USER,
            user: KEY_USER,
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

    /// Those of a request over HTTP.
    pub(super) fn of_rest(request: Option<&Request>) -> Self {
        let words = Self {
            payload: "body",
            key: "Authorization",
            chat: "id",
            message: "id",
            actor: KEY_USER,
            user: KEY_USER,
        };
        let Some(request) = request else {
            return words.by("id");
        };
        match (&request.command, &request.query) {
            (Some(Command::PutUser { .. }), _) => words.by("username"),
            (Some(Command::UpdateUser { .. } | Command::DeleteUser { .. }), _) => words.by("id"),
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
            (None, Some(Query::History { limit, .. })) => Self {
                // A page of messages names its chat in the query, a chat in the path.
                chat: if *limit == 1 { "id" } else { "chat_id" },
                ..words.by("user_id")
            },
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
        } = self;
        let text = match refusal {
            Refusal::Invalid { field: "", must } => format!("{payload} {must}"),
            Refusal::BlankText => return "text must not be blank".into(),
            Refusal::TextTooLong { limit } => format!("text is longer than {limit} bytes"),
            Refusal::MetadataTooLarge { limit } => {
                format!("metadata is longer than {limit} bytes")
            }
            Refusal::SamePerson => return "usernames must be two different people".into(),
            Refusal::UnknownConversation => format!("{chat} is not a chat of {actor}"),
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

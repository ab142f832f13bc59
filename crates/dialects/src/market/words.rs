//! How `market` says no: in its own fields, and with the status that it has for it.

use std::borrow::Cow;

use chat::{Command, ConversationRef, Destination, Refusal};

use crate::Request;

/// The status of a refusal, on sockets as over HTTP.
pub fn status(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Invalid { .. }
        | Refusal::BlankText
        | Refusal::SamePerson
        | Refusal::FixedMembers
        | Refusal::TooManyBlocks { .. }
        | Refusal::TooManyMembers { .. }
        | Refusal::NameTaken
        | Refusal::NotPresent
        | Refusal::PollIsOpen
        | Refusal::NoPoll
        | Refusal::AlreadyVoted
        | Refusal::Filtered
        | Refusal::UnknownEvent => 400,
        Refusal::TokenRequired
        | Refusal::TokenRefused { .. }
        | Refusal::TokenExpired
        | Refusal::NotIdentified
        | Refusal::UnknownKey => 401,
        Refusal::WrongRole { .. }
        | Refusal::NotTheTokensSubject
        | Refusal::NotAllowed
        | Refusal::Banned { .. }
        | Refusal::FollowersOnly { .. }
        | Refusal::SubscribersOnly
        | Refusal::EmotesOnly
        | Refusal::AccountTooYoung { .. }
        | Refusal::Blocked => 403,
        Refusal::UnknownConversation
        | Refusal::UnknownMessage
        | Refusal::UnknownUser
        | Refusal::NotAMember
        | Refusal::NothingThere
        | Refusal::UnknownSession => 404,
        Refusal::HeldForReview => 202,
        Refusal::SlowMode { .. } | Refusal::TooManyReaders { .. } => 429,
        Refusal::TextTooLong { .. }
        | Refusal::MetadataTooLarge { .. }
        | Refusal::FileTooLarge { .. } => 413,
        Refusal::Unavailable => 503,
    }
}

/// Says a refusal in the words of this dialect: its fields, its events.
pub(super) fn explain(request: Option<&Request>, refusal: &Refusal) -> Cow<'static, str> {
    let command = request.and_then(|request| request.command.as_ref());
    let words = match refusal {
        Refusal::BlankText => "text must not be blank",
        Refusal::TextTooLong { limit } => {
            return format!("text is longer than {limit} bytes").into();
        }
        Refusal::UnknownConversation if names_chat_by_id(command) => {
            "chatId is not a chat of yours"
        }
        Refusal::UnknownConversation => "productId and recipientId name no chat of yours",
        Refusal::UnknownMessage => "messageId is not a message of that chat",
        Refusal::NotAllowed => "messageId is not a message of yours",
        Refusal::UnknownUser => "the other person of chatId is deleted",
        Refusal::Blocked => "recipientId takes no messages from you",
        Refusal::TokenRequired => "a token is missing: connect with auth.token or the header token",
        Refusal::NotPresent => "connect to /presence first",
        other => return other.to_string().into(),
    };
    Cow::Borrowed(words)
}

fn names_chat_by_id(command: Option<&Command>) -> bool {
    let name = match command {
        Some(
            Command::MarkAllRead { conversation, .. }
            | Command::HideConversation { conversation, .. },
        ) => conversation,
        Some(Command::Send {
            to: Destination::Conversation(conversation),
            ..
        }) => conversation,
        _ => return false,
    };
    matches!(name, ConversationRef::OfKind(..))
}

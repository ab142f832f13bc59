//! How `stream` says no: in its own fields.

use std::borrow::Cow;

use chat::Refusal;

/// Says a refusal in the words of its two events.
pub(super) fn explain(refusal: &Refusal) -> Cow<'static, str> {
    let words = match refusal {
        Refusal::UnknownConversation => "chatroomId is not a room here",
        Refusal::TokenRequired => "this room is private: connect with auth.token",
        other => return other.to_string().into(),
    };
    Cow::Borrowed(words)
}

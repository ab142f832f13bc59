//! Client events of `market`, read into commands and queries.
//!
//! Checks forms only; what is allowed is decided in `chat`. `outgoing` is the way back.

use chat::{Command, ConversationKind, Query, Refusal, Role, Subject, UserRef};

use crate::{
    Incoming, Request, Seat,
    market::{CHAT, NAME},
};

/// How many chats one is sent that asks for no page.
const CHATS: u32 = 50;
/// And how many of the newest messages of each.
const MESSAGES: u32 = 20;
/// The most messages that are handed out as missed.
const MISSED: u32 = 1_000;

/// Who may come in: customers and vendors, and on `/presence` whoever has a role.
pub(super) fn admit(namespace: &str, subject: Option<&Subject>) -> Result<(), Refusal> {
    match subject.map(|subject| subject.role) {
        Some(Some(Role::Customer | Role::Vendor)) => Ok(()),
        Some(Some(Role::Admin)) if namespace != CHAT => Ok(()),
        Some(_) => Err(Refusal::WrongRole {
            must: "must be customer or vendor",
        }),
        None => Err(Refusal::TokenRequired),
    }
}

/// On `/chat` the chats, and what was missed.
pub(super) fn greet(namespace: &str) -> Vec<Request> {
    let register = Request::command(Command::Register {
        user: UserRef::Subject,
        dialect: NAME,
        alone: false,
    });
    if namespace != CHAT {
        return vec![register];
    }
    let chats = Request {
        query: Some(all_chats()),
        ..register
    };
    let missed = Request {
        query: Some(Query::Missed {
            user: UserRef::Subject,
            limit: MISSED,
        }),
        ..Request::command(Command::CollectMissed {
            user: UserRef::Subject,
        })
    };
    vec![chats, missed]
}

/// The first page of the asker's chats.
pub(super) fn all_chats() -> Query {
    Query::Conversations {
        user: UserRef::Subject,
        kind: Some(ConversationKind::Product),
        offset: 0,
        limit: CHATS,
        message_offset: 0,
        message_limit: MESSAGES,
    }
}

pub(super) fn claims(_event: &Incoming) -> bool {
    false
}

pub(super) fn read(_seat: &Seat<'_>, _event: &Incoming) -> Result<Request, Refusal> {
    Err(Refusal::UnknownEvent)
}

//! What goes wrong: a [`Refusal`] is the asker's fault and is told, a [`Fault`] is ours and is logged.

use std::fmt;

use crate::model::Timestamp;

/// The asker's fault, with a stable code. The words are the core's; a dialect that knows how its
/// client named the field says it in its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A field is missing, or not of its type or form.
    Invalid {
        /// The field as the client named it; empty for the payload itself.
        field: &'static str,
        /// What it must be: continues "`field` ".
        must: &'static str,
    },
    /// The text is empty or only white space.
    BlankText,
    /// A conversation with oneself.
    SamePerson,
    /// The text has more bytes than the app allows.
    TextTooLong {
        /// The limit in UTF-8 bytes.
        limit: u32,
    },
    /// No such conversation, or not the asker's: the two are not told apart.
    UnknownConversation,
    /// No such message, or none that the asker may see: the two are not told apart.
    UnknownMessage,
    /// No such user.
    UnknownUser,
    /// The asker sees it, but may not change it.
    NotAllowed,
    /// A direct conversation has its two people, and no others.
    FixedMembers,
    /// The other one takes no messages from the asker.
    Blocked,
    /// More users than one may block.
    TooManyBlocks {
        /// The limit.
        limit: usize,
    },
    /// The user does not belong to the conversation.
    NotAMember,
    /// The metadata, with what is merged into it, has more bytes than are kept.
    MetadataTooLarge {
        /// The limit in bytes of JSON text.
        limit: usize,
    },
    /// Somebody who rules a room does not let the asker write in it.
    Banned {
        /// Until when; `None` for good.
        until: Option<Timestamp>,
    },
    /// The room takes the asker's next message only after a while.
    SlowMode {
        /// How long, in whole seconds.
        wait_seconds: u32,
    },
    /// The room is for those who have followed its channel for a while.
    FollowersOnly {
        /// How long, in minutes.
        minutes: u32,
    },
    /// The room is for those who subscribe to its channel.
    SubscribersOnly,
    /// The room takes only emotes.
    EmotesOnly,
    /// The room is for those who have been known for a while.
    AccountTooYoung {
        /// How long, in minutes.
        minutes: u32,
    },
    /// The room has a poll that has not ended.
    PollIsOpen,
    /// The room has no poll, or none in which one can vote any longer.
    NoPoll,
    /// The asker has voted.
    AlreadyVoted,
    /// There is nothing of that kind to take back.
    NothingThere,
    /// The message has words that are not taken here.
    Filtered,
    /// The message has words that somebody looks at first; it is kept until then.
    HeldForReview,
    /// A file has more bytes than are kept.
    FileTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// More members than a group may have.
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
    /// More sockets than one address may have that read without a token or key.
    TooManyReaders {
        /// The limit.
        limit: usize,
    },
    /// The socket has not said who it is.
    NotIdentified,
    /// In a verified app the socket brought no token.
    TokenRequired,
    /// A token is needed and there is no good one.
    TokenRefused {
        /// In words.
        why: String,
    },
    /// The role that the token names, or its lack of one, does not do here.
    WrongRole {
        /// Continues "the token's role ".
        must: &'static str,
    },
    /// The socket has to wait for another one of its user's that did not come.
    NotPresent,
    /// The token with which the socket came has expired; it is closed soon, to come back with another.
    TokenExpired,
    /// The id in the payload is not the one that the token proves.
    NotTheTokensSubject,
    /// The event belongs to another dialect, or to none.
    UnknownEvent,
    /// A name that must be unique is taken.
    NameTaken,
    /// No such app or key.
    UnknownKey,
    /// No such session, or not the asker's, or it has ended: the three are not told apart.
    UnknownSession,
    /// The server cannot write just now; the command changed nothing and may be tried again.
    Unavailable,
}

impl Refusal {
    /// Every code, for tests that ask whether all are covered.
    pub const CODES: &'static [&'static str] = &[
        "invalid",
        "blank_text",
        "same_person",
        "text_too_long",
        "unknown_conversation",
        "unknown_message",
        "unknown_user",
        "not_allowed",
        "fixed_members",
        "blocked",
        "too_many_blocks",
        "not_a_member",
        "metadata_too_large",
        "banned",
        "slow_mode",
        "followers_only",
        "subscribers_only",
        "emotes_only",
        "account_too_young",
        "poll_is_open",
        "no_poll",
        "already_voted",
        "nothing_there",
        "filtered",
        "held_for_review",
        "file_too_large",
        "too_many_members",
        "too_many_readers",
        "not_identified",
        "token_required",
        "token_refused",
        "wrong_role",
        "not_present",
        "token_expired",
        "not_the_tokens_subject",
        "unknown_event",
        "name_taken",
        "unknown_key",
        "unknown_session",
        "unavailable",
    ];

    /// A short name that does not change between releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid",
            Self::BlankText => "blank_text",
            Self::SamePerson => "same_person",
            Self::TextTooLong { .. } => "text_too_long",
            Self::UnknownConversation => "unknown_conversation",
            Self::UnknownMessage => "unknown_message",
            Self::UnknownUser => "unknown_user",
            Self::NotAllowed => "not_allowed",
            Self::FixedMembers => "fixed_members",
            Self::Blocked => "blocked",
            Self::TooManyBlocks { .. } => "too_many_blocks",
            Self::NotAMember => "not_a_member",
            Self::MetadataTooLarge { .. } => "metadata_too_large",
            Self::Banned { .. } => "banned",
            Self::SlowMode { .. } => "slow_mode",
            Self::FollowersOnly { .. } => "followers_only",
            Self::SubscribersOnly => "subscribers_only",
            Self::EmotesOnly => "emotes_only",
            Self::AccountTooYoung { .. } => "account_too_young",
            Self::PollIsOpen => "poll_is_open",
            Self::NoPoll => "no_poll",
            Self::AlreadyVoted => "already_voted",
            Self::NothingThere => "nothing_there",
            Self::Filtered => "filtered",
            Self::HeldForReview => "held_for_review",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::TooManyMembers { .. } => "too_many_members",
            Self::TooManyReaders { .. } => "too_many_readers",
            Self::NotIdentified => "not_identified",
            Self::TokenRequired => "token_required",
            Self::TokenRefused { .. } => "token_refused",
            Self::WrongRole { .. } => "wrong_role",
            Self::NotPresent => "not_present",
            Self::TokenExpired => "token_expired",
            Self::NotTheTokensSubject => "not_the_tokens_subject",
            Self::UnknownEvent => "unknown_event",
            Self::NameTaken => "name_taken",
            Self::UnknownKey => "unknown_key",
            Self::UnknownSession => "unknown_session",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { field: "", must } => write!(f, "payload {must}"),
            Self::Invalid { field, must } => write!(f, "{field} {must}"),
            Self::BlankText => f.write_str("the text must not be blank"),
            Self::SamePerson => f.write_str("the two people must be different"),
            Self::TextTooLong { limit } => write!(f, "the text is longer than {limit} bytes"),
            Self::UnknownConversation => f.write_str("no such conversation, or you are not in it"),
            Self::UnknownMessage => f.write_str("no such message, or none that you may see"),
            Self::UnknownUser => f.write_str("no such user"),
            Self::NotAllowed => f.write_str("you may not change this"),
            Self::FixedMembers => f.write_str("a conversation of two people keeps its two people"),
            Self::Blocked => f.write_str("this person takes no messages from you"),
            Self::TooManyBlocks { limit } => write!(f, "a user blocks at most {limit} others"),
            Self::NotAMember => f.write_str("the user is not a member of the conversation"),
            Self::MetadataTooLarge { limit } => {
                write!(f, "the metadata is longer than {limit} bytes")
            }
            Self::Banned { until: None } => f.write_str("you are banned here"),
            Self::Banned { until: Some(_) } => f.write_str("you may not write here for a while"),
            Self::SlowMode { wait_seconds } => {
                write!(f, "slow mode: write again in {wait_seconds} s")
            }
            Self::FollowersOnly { minutes: 0 } => f.write_str("only followers may write here"),
            Self::FollowersOnly { minutes } => {
                write!(
                    f,
                    "only those who have followed for {minutes} min may write here"
                )
            }
            Self::SubscribersOnly => f.write_str("only subscribers may write here"),
            Self::EmotesOnly => f.write_str("only emotes may be written here"),
            Self::AccountTooYoung { minutes } => {
                write!(f, "only those known for {minutes} min may write here")
            }
            Self::PollIsOpen => f.write_str("there is a poll that has not ended"),
            Self::NoPoll => f.write_str("there is no poll to vote in"),
            Self::AlreadyVoted => f.write_str("you have voted"),
            Self::NothingThere => f.write_str("there is nothing to take back"),
            Self::Filtered => f.write_str("the text has words that are not taken here"),
            Self::HeldForReview => f.write_str("the text waits until somebody has looked at it"),
            Self::FileTooLarge { limit } => write!(f, "the file is longer than {limit} bytes"),
            Self::TooManyMembers { limit } => {
                write!(f, "a group has at most {limit} members")
            }
            Self::TooManyReaders { limit } => write!(
                f,
                "at most {limit} sockets of one address may read without a token or key"
            ),
            Self::NotIdentified => f.write_str("say who you are first"),
            Self::TokenRequired => f.write_str("this app needs a token: connect with auth.token"),
            Self::TokenRefused { why } => f.write_str(why),
            Self::WrongRole { must } => write!(f, "the token's role {must}"),
            Self::NotPresent => f.write_str("your presence socket has to be connected first"),
            Self::TokenExpired => {
                f.write_str("your token has expired; connect again with a new one")
            }
            Self::NotTheTokensSubject => f.write_str("your token is for somebody else"),
            Self::UnknownEvent => f.write_str("no such event here"),
            Self::NameTaken => f.write_str("name is taken"),
            Self::UnknownKey => f.write_str("no such app or key"),
            Self::UnknownSession => f.write_str("no such session, or it has ended"),
            Self::Unavailable => {
                f.write_str("the server cannot store anything just now; try again")
            }
        }
    }
}

/// Our fault: logged once where it is met, shown outside as "internal".
#[derive(Debug)]
pub struct Fault {
    /// What was being done.
    pub doing: &'static str,
    /// What the part that failed said.
    pub cause: String,
}

impl Fault {
    /// A fault while `doing` something.
    pub fn new(doing: &'static str, cause: impl fmt::Display) -> Self {
        Self {
            doing,
            cause: cause.to_string(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

impl std::error::Error for Fault {}

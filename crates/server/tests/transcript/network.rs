//! What `stream` shows, read by a client library of the network from which its events come.

use dialects::stream::further;
use kicksdk::events::{KickEvent, parse};
use serde_json::Value;

/// Events of that network of which this reader knows nothing.
const NOT_READ: &[&str] = &[
    r"App\Events\ChatroomUpdatedEvent",
    r"App\Events\LivestreamUpdated",
    r"App\Events\FollowersUpdated",
    "PredictionCreated",
    "GoalProgressUpdateEvent",
];

/// Refuses an event of that network in which its reader misses something.
pub(crate) fn check(name: &str, args: &[Value]) -> Result<(), String> {
    let is_its_own = name.starts_with(r"App\") || further::names().any(|known| known == name);
    if !is_its_own || NOT_READ.contains(&name) {
        return Ok(());
    }
    let read = parse(name, args.first().unwrap_or(&Value::Null));
    let is_whole = match &read {
        KickEvent::Unknown { .. } => false,
        KickEvent::ChatMessage(message) => {
            let sender = &message.sender;
            let is_reply = message.kind == "reply";
            sender.id.is_some()
                && sender.slug.is_some()
                && sender.color.is_some()
                && message.chatroom_id.is_some()
                && message.created_at.is_some()
                && message.reply_to.is_some() == is_reply
                && message.thread_parent_id.is_some() == is_reply
        }
        KickEvent::UserBanned {
            user,
            banned_by,
            permanent,
            duration,
            expires_at,
        } => {
            user.is_some()
                && banned_by.is_some()
                && duration.is_none() == *permanent
                && expires_at.is_none() == *permanent
        }
        KickEvent::UserUnbanned {
            user, unbanned_by, ..
        } => user.is_some() && unbanned_by.is_some(),
        KickEvent::PinCreated {
            message,
            pinned_by,
            duration,
            ..
        } => message.is_some() && pinned_by.is_some() && duration.is_some(),
        KickEvent::Subscription { username, months } => username.is_some() && months.is_some(),
        KickEvent::GiftedSubscriptions { gifter, recipients } => {
            gifter.is_some() && !recipients.is_empty()
        }
        KickEvent::PollUpdated { poll } => poll.is_object(),
        _ => true,
    };
    if is_whole {
        Ok(())
    } else {
        Err(format!("{name} is read as {read:?}"))
    }
}

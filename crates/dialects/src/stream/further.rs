//! Events that an app tells a channel's pages in its own words: which there are, and what they must
//! say. Rooms have twelve more, which follow from what is done in them.

use chat::Refusal;
use serde_json::{Map, Value};

use self::Shape::{Flag, FlagOrObject, Id, Integer, Integers, Object, Places, Text, Texts};
use crate::payload::invalid;

/// The most that such an event may say, in bytes of JSON text.
pub const MAX_DATA: usize = 64 << 10;

/// Refuses what is no such event, or has not its shape. What its shape does not name may stand there
/// too.
pub fn check_event(name: &str, data: &Map<String, Value>) -> Result<(), Refusal> {
    let known = FURTHER.iter().find(|(names, _)| names.contains(&name));
    let (_, rules) = known.ok_or_else(|| invalid("event", MUST_BE_FURTHER))?;
    for rule in *rules {
        rule.check(data)?;
    }
    let bytes = serde_json::to_string(data).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_DATA {
        return Err(invalid("data", "must be at most 65536 bytes of JSON"));
    }
    Ok(())
}

const MUST_BE_FURTHER: &str = "must be an event that no action tells, such as GiftedSubscriptionsEvent or \
                               App\\Events\\StreamHostEvent";

/// What a field must be.
struct Rule {
    /// Where it stands, with the objects that hold it: as errors name it.
    path: &'static str,
    shape: Shape,
    /// Whether it may be missing or `null`.
    is_optional: bool,
}

#[derive(Clone, Copy)]
enum Shape {
    Integer,
    /// An id: whole numbers in some recordings, text in others.
    Id,
    Text,
    Flag,
    Object,
    /// `false`, or an object that says more.
    FlagOrObject,
    Integers,
    Texts,
    /// Of a leaderboard.
    Places,
}

const fn must(path: &'static str, shape: Shape) -> Rule {
    let is_optional = false;
    Rule {
        path,
        shape,
        is_optional,
    }
}

const fn may(path: &'static str, shape: Shape) -> Rule {
    let is_optional = true;
    Rule {
        path,
        shape,
        is_optional,
    }
}

impl Rule {
    fn check(&self, data: &Map<String, Value>) -> Result<(), Refusal> {
        match self.find(data) {
            None | Some(Value::Null) if self.is_optional => Ok(()),
            None => Err(invalid(self.path, "is missing")),
            Some(value) if self.shape.is_of(value) => Ok(()),
            Some(_) => Err(invalid(self.path, self.shape.must())),
        }
    }

    fn find<'a>(&self, data: &'a Map<String, Value>) -> Option<&'a Value> {
        // All paths begin with `data`.
        let mut steps = self.path.split('.').skip(1);
        let first = data.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    }
}

impl Shape {
    fn is_of(self, value: &Value) -> bool {
        let is_integer = |value: &Value| value.is_i64() || value.is_u64();
        let all = |is: fn(&Value) -> bool| {
            let values = value.as_array();
            values.is_some_and(|values| values.iter().all(is))
        };
        match self {
            Self::Integer => is_integer(value),
            Self::Id => is_integer(value) || value.is_string(),
            Self::Text => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::FlagOrObject => value.is_boolean() || value.is_object(),
            Self::Integers => all(|value| value.is_i64() || value.is_u64()),
            Self::Texts => all(Value::is_string),
            Self::Places => all(|place| {
                let has = |key: &str, is: fn(&Value) -> bool| place.get(key).is_some_and(is);
                has("user_id", Value::is_number)
                    && has("username", Value::is_string)
                    && has("quantity", Value::is_number)
            }),
        }
    }

    fn must(self) -> &'static str {
        match self {
            Self::Integer => "must be a whole number",
            Self::Id => "must be a whole number or a string",
            Self::Text => "must be a string",
            Self::Flag => "must be true or false",
            Self::Object => "must be an object",
            Self::FlagOrObject => "must be true, false or an object",
            Self::Integers => "must be an array of whole numbers",
            Self::Texts => "must be an array of strings",
            Self::Places => "must be an array of objects with user_id, username and quantity",
        }
    }
}

/// The events by their names, some of which have two, and their shapes as they were seen. Where nobody
/// has seen one, any object does.
static FURTHER: &[(&[&str], &[Rule])] = &[
    (
        &[
            "GiftedSubscriptionsEvent",
            r"App\Events\GiftedSubscriptionsEvent",
        ],
        &[
            must("data.chatroom_id", Integer),
            must("data.gifted_usernames", Texts),
            must("data.gifter_username", Text),
            may("data.gifter_total", Integer),
        ],
    ),
    (
        &[r"App\Events\StreamHostEvent"],
        &[
            must("data.chatroom_id", Integer),
            must("data.host_username", Text),
            must("data.number_viewers", Integer),
            may("data.optional_message", Text),
        ],
    ),
    (
        &[r"App\Events\StreamHostedEvent"],
        &[
            must("data.message.id", Id),
            must("data.message.numberOfViewers", Integer),
            may("data.message.optionalMessage", Text),
            must("data.message.createdAt", Id),
            must("data.user.id", Id),
            must("data.user.username", Text),
            may("data.user.isSuperAdmin", Flag),
            may("data.user.verified", FlagOrObject),
        ],
    ),
    (
        &[r"App\Events\ChatMessageSentEvent"],
        &[
            must("data.message.id", Id),
            must("data.message.type", Text),
            may("data.message.action", Text),
            must("data.message.created_at", Integer),
            must("data.user.id", Id),
            must("data.user.username", Text),
        ],
    ),
    (
        &["RewardRedeemedEvent"],
        &[
            must("data.reward_title", Text),
            must("data.user_id", Integer),
            must("data.channel_id", Integer),
            must("data.username", Text),
            must("data.user_input", Text),
            must("data.reward_background_color", Text),
        ],
    ),
    (
        &[r"App\Events\StreamerIsLive"],
        &[
            must("data.livestream.id", Integer),
            must("data.livestream.channel_id", Integer),
            must("data.livestream.session_title", Text),
            must("data.livestream.created_at", Text),
        ],
    ),
    (
        &[r"App\Events\StopStreamBroadcast"],
        &[
            must("data.livestream.id", Integer),
            must("data.livestream.channel.id", Integer),
            must("data.livestream.channel.is_banned", Flag),
        ],
    ),
    (
        &[r"App\Events\FollowersUpdated"],
        &[
            must("data.followersCount", Integer),
            must("data.channel_id", Integer),
            may("data.username", Text),
            must("data.created_at", Integer),
            must("data.followed", Flag),
        ],
    ),
    (
        &[r"App\Events\ChannelSubscriptionEvent"],
        &[
            must("data.user_ids", Integers),
            must("data.username", Text),
            must("data.channel_id", Integer),
        ],
    ),
    (
        &[r"App\Events\LuckyUsersWhoGotGiftSubscriptionsEvent"],
        &[
            must("data.channel", Object),
            must("data.usernames", Texts),
            must("data.gifter_username", Text),
        ],
    ),
    (
        &[
            "GiftsLeaderboardUpdated",
            r"App\Events\GiftsLeaderboardUpdated",
        ],
        &[
            must("data.leaderboard", Places),
            must("data.weekly_leaderboard", Places),
            must("data.monthly_leaderboard", Places),
            must("data.gifter_id", Integer),
            may("data.gifter_username", Text),
            must("data.gifted_quantity", Integer),
        ],
    ),
    (
        &[r"App\Events\ChatMoveToSupportedChannelEvent"],
        &[
            must("data.channel.id", Integer),
            must("data.channel.slug", Text),
            must("data.slug", Text),
            must("data.hosted.id", Integer),
            must("data.hosted.username", Text),
            must("data.hosted.slug", Text),
            must("data.hosted.viewers_count", Integer),
            must("data.hosted.is_live", Flag),
        ],
    ),
    (
        &["KicksGifted"],
        &[
            must("data.gift_transaction_id", Text),
            must("data.message", Text),
            must("data.sender.id", Integer),
            must("data.sender.username", Text),
            must("data.sender.username_color", Text),
            must("data.gift.gift_id", Text),
            must("data.gift.name", Text),
            must("data.gift.amount", Integer),
            may("data.gift.type", Text),
            may("data.gift.tier", Text),
            may("data.gift.pinned_time", Integer),
            must("data.created_at", Text),
            may("data.expires_at", Text),
        ],
    ),
    (
        &[
            "KicksLeaderboardUpdated",
            "PredictionCreated",
            "PredictionUpdated",
            "GoalCreatedEvent",
            "GoalProgressUpdateEvent",
            "GoalUpdatedEvent",
            "GoalAchievedEvent",
            "GoalCanceledEvent",
            r"App\Events\VideoPrivatedEvent",
            "ChatSettingsChanged",
            "PointsUpdated",
        ],
        &[],
    ),
];

/// The names of all such events.
pub fn names() -> impl Iterator<Item = &'static str> {
    FURTHER.iter().flat_map(|(names, _)| names.iter().copied())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kicksdk::events::{KickEvent, parse};
    use serde_json::json;

    use super::*;

    /// An example of each further event that has a shape.
    fn examples() -> Vec<(&'static str, Value)> {
        let channel = json!({"id": 676, "user_id": 1, "slug": "robin_k", "is_banned": false});
        let places = json!([{"user_id": 2, "username": "Mika", "quantity": 5}]);
        let gifted = json!({"chatroom_id": 668, "gifted_usernames": ["Mika"], "gifter_username": "Robin_K", "gifter_total": 3});
        let board = json!({"channel": channel, "leaderboard": places, "weekly_leaderboard": places, "monthly_leaderboard": [],
            "gifter_id": 1, "gifter_username": "Robin_K", "gifted_quantity": 1});
        vec![
            ("GiftedSubscriptionsEvent", gifted.clone()),
            (r"App\Events\GiftedSubscriptionsEvent", gifted),
            (
                r"App\Events\StreamHostEvent",
                json!({"chatroom_id": 668, "host_username": "Mika", "number_viewers": 7, "optional_message": null}),
            ),
            (
                r"App\Events\StreamHostedEvent",
                json!({"message": {"id": "m1", "numberOfViewers": 7, "optionalMessage": "", "createdAt": "2026-11-20T16:45:10.000000Z"},
                    "user": {"id": 2, "username": "Mika", "isSuperAdmin": false, "verified": {"id": 1}}}),
            ),
            (
                r"App\Events\ChatMessageSentEvent",
                json!({"message": {"id": "m1", "type": "info", "action": "gift", "subscriptions_count": 1,
                    "giftedUsers": [{"username": "Mika", "monthsSubscribed": 1}], "months_subscribed": 0, "created_at": 1_763_657_110},
                    "user": {"id": 1, "username": "Robin_K", "role": null}}),
            ),
            (
                "RewardRedeemedEvent",
                json!({"reward_title": "Hydrate", "user_id": 2, "channel_id": 676, "username": "Mika", "user_input": "",
                    "reward_background_color": "#1f8fbf"}),
            ),
            (
                r"App\Events\StreamerIsLive",
                json!({"livestream": {"id": 7, "channel_id": 676, "session_title": "Late game", "source": null,
                    "created_at": "2026-11-20T16:45:10.000000Z"}}),
            ),
            (
                r"App\Events\StopStreamBroadcast",
                json!({"livestream": {"id": 7, "channel": {"id": 676, "is_banned": false}}}),
            ),
            (
                r"App\Events\FollowersUpdated",
                json!({"followersCount": 9, "channel_id": 676, "username": null, "created_at": 1_763_657_110, "followed": true}),
            ),
            (
                r"App\Events\ChannelSubscriptionEvent",
                json!({"user_ids": [2], "username": "", "channel_id": 676}),
            ),
            (
                r"App\Events\LuckyUsersWhoGotGiftSubscriptionsEvent",
                json!({"channel": channel, "usernames": ["Mika"], "gifter_username": "Robin_K"}),
            ),
            ("GiftsLeaderboardUpdated", board.clone()),
            (r"App\Events\GiftsLeaderboardUpdated", board),
            (
                r"App\Events\ChatMoveToSupportedChannelEvent",
                json!({"channel": channel, "slug": "mika", "hosted": {"id": 9, "username": "Mika", "slug": "mika", "viewers_count": 7,
                    "is_live": true}}),
            ),
            (
                "KicksGifted",
                json!({"gift_transaction_id": "t1", "message": "gg", "sender": {"id": 2, "username": "Mika",
                    "username_color": "#1F8FBF", "profile_picture": null}, "gift": {"gift_id": "rage", "name": "Rage", "amount": 500,
                    "type": "LEVEL_UP", "tier": "MID", "character_limit": 150, "pinned_time": 600},
                    "created_at": "2026-11-20T16:45:10Z", "expires_at": "2026-11-20T16:55:10Z"}),
            ),
        ]
    }

    fn object(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    #[test]
    fn further_events_have_their_shapes() {
        let shaped = examples();
        for (name, data) in &shaped {
            assert_eq!(check_event(name, object(data)), Ok(()), "{name}");
            let read = parse(name, data);
            let is_known = [
                "Gifted",
                "StreamHost",
                "RewardRedeemed",
                "StreamerIsLive",
                "StopStream",
                "ChatMoveTo",
            ];
            if is_known.iter().any(|known| name.contains(known)) && !name.contains("Leaderboard") {
                assert!(!matches!(read, KickEvent::Unknown { .. }), "{read:?}");
            }
        }
        // Where nobody has seen a shape, any object does.
        let shaped: Vec<_> = shaped.iter().map(|(name, _)| *name).collect();
        let nothing = Map::new();
        for name in names() {
            assert_eq!(
                check_event(name, &nothing).is_err(),
                shaped.contains(&name),
                "{name}"
            );
        }
    }

    #[test]
    fn what_a_further_event_lacks_is_named() {
        for (name, data, words) in [
            (
                "GiftedSubscriptionsEvent",
                json!({"chatroom_id": 668, "gifted_usernames": ["Mika", 7], "gifter_username": "Robin_K"}),
                "data.gifted_usernames must be an array of strings",
            ),
            (
                "GiftedSubscriptionsEvent",
                json!({"chatroom_id": 668.5, "gifted_usernames": [], "gifter_username": "Robin_K"}),
                "data.chatroom_id must be a whole number",
            ),
            (
                r"App\Events\StopStreamBroadcast",
                json!({"livestream": {"id": 7, "channel": {"id": 676}}}),
                "data.livestream.channel.is_banned is missing",
            ),
            (
                r"App\Events\StopStreamBroadcast",
                json!({"livestream": []}),
                "data.livestream.id is missing",
            ),
            (
                "GiftsLeaderboardUpdated",
                json!({"leaderboard": [{"user_id": 2}]}),
                "data.leaderboard must be an array of objects with user_id, username and quantity",
            ),
            (
                "PointsUpdated",
                json!({"a": "x".repeat(MAX_DATA)}),
                "data must be at most 65536 bytes of JSON",
            ),
        ] {
            let refused = check_event(name, object(&data)).unwrap_err();
            assert_eq!(refused.to_string(), words);
        }
        for name in [
            "",
            "StreamHostEvent",
            r"App\Events\ChatMessageEvent",
            r"App\\Events\\StreamHostEvent",
            "connect",
        ] {
            let refused = check_event(name, &Map::new()).unwrap_err().to_string();
            assert!(
                refused.starts_with("event must be an event that"),
                "{refused}"
            );
        }
    }
}

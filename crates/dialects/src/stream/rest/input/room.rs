//! Channels and chatrooms: what makes and changes them.

use chat::{
    Refusal,
    room::{LimitPatch, LivestreamPatch, ModesPatch},
};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{MAX_OBJECT, MAX_TITLE, TITLE, body, name, weight};
use crate::{
    payload::{Field, invalid},
    rest::Input,
};

/// The longest slug.
const MAX_SLUG: usize = 64;

/// Makes a channel with its chatroom.
#[derive(Debug, ToSchema)]
#[schema(as = stream::CreateChannel)]
pub struct CreateChannel {
    /// Names it in paths: 1 to 64 letters of ASCII, digits, `-` and `_`, not only digits. Case does
    /// not count.
    pub slug: String,
    /// What it is called, up to 256 bytes; else the slug.
    #[schema(nullable = false)]
    pub title: Option<String>,
    /// The name of its broadcaster, who need not be known yet; else the slug.
    #[schema(nullable = false)]
    pub owner: Option<String>,
    /// Whether only who brings a token or a server key may read it.
    #[schema(nullable = false)]
    pub private: Option<bool>,
}

impl CreateChannel {
    pub(in super::super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        const SLUG: &str = "must be 1 to 64 letters, digits, hyphens and underscores, and not \
                            only digits";
        let [slug, title, owner, private] = body(input, ["slug", "title", "owner", "private"])?;
        let slug = slug.label(MAX_SLUG, SLUG)?;
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_number = slug.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || !slug.bytes().all(is_good) {
            return Err(invalid("slug", SLUG));
        }
        Ok(Self {
            slug,
            title: title.optional(|title| title.words(MAX_TITLE, TITLE))?,
            owner: owner.optional(name)?,
            private: private.optional(Field::flag)?,
        })
    }
}

/// Whether something is on.
#[derive(Debug, Default, ToSchema)]
#[schema(as = stream::SetSwitch)]
pub struct Switch {
    /// What is absent stays.
    #[schema(nullable = false)]
    pub enabled: Option<bool>,
}

/// Each writes once in a while.
#[derive(Debug, Default, ToSchema)]
#[schema(as = stream::SetSlowMode)]
pub struct SlowMode {
    /// What is absent stays.
    #[schema(nullable = false)]
    pub enabled: Option<bool>,
    /// In seconds, from 1 to 3600.
    #[schema(nullable = false)]
    pub message_interval: Option<u32>,
}

/// For those only who have been there for a while.
#[derive(Debug, Default, ToSchema)]
#[schema(as = stream::SetMinDuration)]
pub struct MinDuration {
    /// What is absent stays.
    #[schema(nullable = false)]
    pub enabled: Option<bool>,
    /// In minutes, up to 525600, a year.
    #[schema(nullable = false)]
    pub min_duration: Option<u32>,
}

/// Changes what a chatroom allows. What is absent stays; one mode must be there.
#[derive(Debug, Default, ToSchema)]
#[schema(as = stream::UpdateChatroom)]
pub struct UpdateChatroom {
    /// Each writes once in so many seconds.
    #[schema(nullable = false)]
    pub slow_mode: Option<SlowMode>,
    /// Only for subscribers.
    #[schema(nullable = false)]
    pub subscribers_mode: Option<Switch>,
    /// Only for those who have followed for so many minutes.
    #[schema(nullable = false)]
    pub followers_mode: Option<MinDuration>,
    /// Only emotes.
    #[schema(nullable = false)]
    pub emotes_mode: Option<Switch>,
    /// Only for those who have been known here for so many minutes.
    #[schema(nullable = false)]
    pub account_age: Option<MinDuration>,
    /// For pages: kept and shown.
    #[schema(nullable = false)]
    pub show_quick_emotes: Option<Switch>,
    /// For pages.
    #[schema(nullable = false)]
    pub show_banners: Option<Switch>,
    /// For pages.
    #[schema(nullable = false)]
    pub gifts_enabled: Option<Switch>,
    /// For pages.
    #[schema(nullable = false)]
    pub gifts_week_enabled: Option<Switch>,
    /// For pages.
    #[schema(nullable = false)]
    pub gifts_month_enabled: Option<Switch>,
}

impl UpdateChatroom {
    pub(in super::super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        let names = [
            "slow_mode",
            "subscribers_mode",
            "followers_mode",
            "emotes_mode",
            "account_age",
            "show_quick_emotes",
            "show_banners",
            "gifts_enabled",
            "gifts_week_enabled",
            "gifts_month_enabled",
        ];
        let [
            slow,
            subscribers,
            followers,
            emotes,
            age,
            quick,
            banners,
            gifts,
            week,
            month,
        ] = body(input, names)?;
        let switch = |field: Field<'_>, path| {
            field.optional(|field| {
                let enabled = field.within("enabled", path)?.optional(Field::flag)?;
                Ok(Switch { enabled })
            })
        };
        Ok(Self {
            slow_mode: slow.optional(SlowMode::read)?,
            subscribers_mode: switch(subscribers, "subscribers_mode.enabled")?,
            followers_mode: followers.optional(|field| {
                MinDuration::read(
                    field,
                    "followers_mode.enabled",
                    "followers_mode.min_duration",
                )
            })?,
            emotes_mode: switch(emotes, "emotes_mode.enabled")?,
            account_age: age.optional(|field| {
                MinDuration::read(field, "account_age.enabled", "account_age.min_duration")
            })?,
            show_quick_emotes: switch(quick, "show_quick_emotes.enabled")?,
            show_banners: switch(banners, "show_banners.enabled")?,
            gifts_enabled: switch(gifts, "gifts_enabled.enabled")?,
            gifts_week_enabled: switch(week, "gifts_week_enabled.enabled")?,
            gifts_month_enabled: switch(month, "gifts_month_enabled.enabled")?,
        })
    }

    /// As the core takes it.
    pub(in super::super) fn patch(self) -> Result<ModesPatch, Refusal> {
        let switch = |switch: Option<Switch>| switch.and_then(|switch| switch.enabled);
        let slow = self.slow_mode.unwrap_or_default();
        let duration = |mode: Option<MinDuration>| {
            let mode = mode.unwrap_or_default();
            LimitPatch {
                enabled: mode.enabled,
                amount: mode.min_duration,
            }
        };
        let patch = ModesPatch {
            slow: LimitPatch {
                enabled: slow.enabled,
                amount: slow.message_interval,
            },
            followers: duration(self.followers_mode),
            subscribers: switch(self.subscribers_mode),
            emotes: switch(self.emotes_mode),
            account_age: duration(self.account_age),
            quick_emotes: switch(self.show_quick_emotes),
            banners: switch(self.show_banners),
            gifts: switch(self.gifts_enabled),
            gifts_week: switch(self.gifts_week_enabled),
            gifts_month: switch(self.gifts_month_enabled),
        };
        if patch == ModesPatch::default() {
            return Err(invalid("", "must have a mode to change, like slow_mode"));
        }
        Ok(patch)
    }
}

impl SlowMode {
    fn read(field: Field<'_>) -> Result<Self, Refusal> {
        const MUST: &str = "must be a whole number of seconds from 1 to 3600";
        let enabled = field.within("enabled", "slow_mode.enabled")?;
        let interval = field.within("message_interval", "slow_mode.message_interval")?;
        Ok(Self {
            enabled: enabled.optional(Field::flag)?,
            message_interval: interval.optional(|field| field.whole(1..=3_600, MUST))?,
        })
    }
}

impl MinDuration {
    fn read(
        field: Field<'_>,
        enabled: &'static str,
        duration: &'static str,
    ) -> Result<Self, Refusal> {
        const MUST: &str = "must be a whole number of minutes from 0 to 525600";
        let enabled = field.within("enabled", enabled)?;
        let duration = field.within("min_duration", duration)?;
        Ok(Self {
            enabled: enabled.optional(Field::flag)?,
            min_duration: duration.optional(|field| field.whole(0..=525_600, MUST))?,
        })
    }
}

/// Changes what is known of the live stream. What is absent stays; something must be there.
#[derive(Debug, ToSchema)]
#[schema(as = stream::UpdateLivestream)]
pub struct UpdateLivestream {
    /// Whether it runs. Going live begins another one, with an id of its own.
    #[schema(nullable = false)]
    pub is_live: Option<bool>,
    /// What it is called, up to 256 bytes.
    #[schema(nullable = false)]
    pub session_title: Option<String>,
    /// Its language in English, up to 64 bytes.
    #[schema(nullable = false)]
    pub language: Option<String>,
    /// Its language by the ISO 639 code, up to 16 bytes.
    #[schema(nullable = false)]
    pub lang_iso: Option<String>,
    /// Not for everybody.
    #[schema(nullable = false)]
    pub is_mature: Option<bool>,
    /// How many watch.
    #[schema(nullable = false)]
    pub viewer_count: Option<u32>,
    /// URL of a picture, up to 2048 bytes.
    #[schema(nullable = false)]
    pub thumbnail: Option<String>,
    /// Up to 20 strings of up to 64 bytes each.
    #[schema(nullable = false)]
    pub tags: Option<Vec<String>>,
    /// Up to 10 objects, up to 16 KiB in all, shown as they are.
    #[schema(value_type = Option<Vec<Object>>, nullable = false)]
    pub categories: Option<Vec<Map<String, Value>>>,
}

impl UpdateLivestream {
    pub(in super::super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        const URL: &str = "must be a string of 1 to 2048 bytes";
        const LANGUAGE: &str = "must be a string of 1 to 64 bytes";
        const ISO: &str = "must be a string of 1 to 16 bytes";
        const VIEWERS: &str = "must be a whole number from 0 to 4294967295";
        let names = [
            "is_live",
            "session_title",
            "language",
            "lang_iso",
            "is_mature",
            "viewer_count",
            "thumbnail",
            "tags",
            "categories",
        ];
        let [
            live,
            title,
            language,
            iso,
            mature,
            viewers,
            thumbnail,
            tags,
            categories,
        ] = body(input, names)?;
        Ok(Self {
            is_live: live.optional(Field::flag)?,
            session_title: title.optional(|title| title.words(MAX_TITLE, TITLE))?,
            language: language.optional(|language| language.words(64, LANGUAGE))?,
            lang_iso: iso.optional(|iso| iso.words(16, ISO))?,
            is_mature: mature.optional(Field::flag)?,
            viewer_count: viewers.optional(|viewers| viewers.whole(0..=u32::MAX, VIEWERS))?,
            thumbnail: thumbnail.optional(|thumbnail| thumbnail.words(2_048, URL))?,
            tags: tags.optional(read_tags)?,
            categories: categories.optional(read_categories)?,
        })
    }

    /// As the core takes it.
    pub(in super::super) fn patch(self) -> Result<LivestreamPatch, Refusal> {
        let patch = LivestreamPatch {
            is_live: self.is_live,
            session_title: self.session_title,
            language: self.language,
            lang_iso: self.lang_iso,
            is_mature: self.is_mature,
            viewer_count: self.viewer_count,
            thumbnail: self.thumbnail,
            tags: self.tags,
            categories: self.categories,
        };
        if patch == LivestreamPatch::default() {
            return Err(invalid("", "must have something to change, like is_live"));
        }
        Ok(patch)
    }
}

fn read_tags(field: Field<'_>) -> Result<Vec<String>, Refusal> {
    const MUST: &str = "must be at most 20 strings of at most 64 bytes";
    let tags = field.texts()?;
    if tags.len() > 20 || tags.iter().any(|tag| tag.len() > 64) {
        return Err(field.wrong(MUST));
    }
    Ok(tags)
}

fn read_categories(field: Field<'_>) -> Result<Vec<Map<String, Value>>, Refusal> {
    const MUST: &str = "must be at most 10 objects of at most 16384 bytes of JSON text in all";
    let categories: Vec<_> = field.objects()?;
    if categories.len() > 10 || weight(&categories) > MAX_OBJECT {
        return Err(field.wrong(MUST));
    }
    Ok(categories)
}

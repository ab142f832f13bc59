//! How often somebody may ask: per address, per app, and per user whom a token proves.
//!
//! One count for HTTP requests and socket events. Who asks too often is told when to come again;
//! a socket is not read until then. Ids that nobody has proved are not counted by, or anybody could
//! silence anybody.

use std::{
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Weak},
    time::Duration,
};

use chat::AppId;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::listen::place_of;

/// How often what nobody counts by any longer is forgotten.
const SWEEP: Duration = Duration::from_secs(10);

/// How fast, in the long run and at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// The limits; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsConfig {
    /// From one IPv4 address or one IPv6 /64 network. Loopback is not counted.
    pub per_ip: Option<Rate>,
    /// In one app.
    pub per_app: Option<Rate>,
    /// By one user whom a token proves.
    pub per_user: Option<Rate>,
    /// Requests a minute about live streams, without a key, from one address or network as above.
    pub keyless_per_minute: Option<NonZeroU32>,
}

/// Who asks, as far as that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// From where; `None` for the app's own servers, which may have one address for all their users.
    pub ip: Option<IpAddr>,
    /// In which app; `None` before that is known.
    pub app: Option<AppId>,
    /// The app's own id of the user whom a token proves.
    pub user: Option<&'a str>,
}

/// What has been asked lately.
#[derive(Debug, Default)]
pub struct Limits {
    ips: Option<DefaultKeyedRateLimiter<IpAddr>>,
    apps: Option<DefaultKeyedRateLimiter<AppId>>,
    users: Option<DefaultKeyedRateLimiter<(AppId, Box<str>)>>,
    keyless: Option<DefaultKeyedRateLimiter<IpAddr>>,
}

impl Limits {
    /// Nothing has been asked yet.
    pub fn new(config: LimitsConfig) -> Self {
        Self {
            ips: config.per_ip.map(limiter),
            apps: config.per_app.map(limiter),
            users: config.per_user.map(limiter),
            keyless: config
                .keyless_per_minute
                .map(|rate| RateLimiter::hashmap(Quota::per_minute(rate))),
        }
    }

    /// Counts one request or event. If it is one too many: how long to wait before the next try.
    pub fn check(&self, asking: &Asking<'_>) -> Option<Duration> {
        let place = asking.ip.and_then(place_of);
        let user = asking.app.zip(asking.user);
        let user = user.map(|(app, user)| (app, user.into()));
        wait(self.ips.as_ref(), place.as_ref())
            .or_else(|| wait(self.users.as_ref(), user.as_ref()))
            .or_else(|| wait(self.apps.as_ref(), asking.app.as_ref()))
    }

    /// Counts one request about live streams that brought no key, beside [`Limits::check`].
    pub fn check_keyless(&self, ip: IpAddr) -> Option<Duration> {
        wait(self.keyless.as_ref(), place_of(ip).as_ref())
    }

    /// Forgets those who may ask as much as anybody again, for as long as the limits are in use.
    /// Within a tokio runtime.
    pub fn keep_small(self: &Arc<Self>) {
        let limits = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SWEEP);
            while let Some(limits) = {
                ticks.tick().await;
                Weak::upgrade(&limits)
            } {
                limits.sweep();
            }
        });
    }

    fn sweep(&self) {
        forget(self.ips.as_ref());
        forget(self.apps.as_ref());
        forget(self.users.as_ref());
        forget(self.keyless.as_ref());
    }
}

fn limiter<K: Clone + Eq + Hash>(rate: Rate) -> DefaultKeyedRateLimiter<K> {
    let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
    RateLimiter::hashmap(quota)
}

fn wait<K: Clone + Eq + Hash>(
    limiter: Option<&DefaultKeyedRateLimiter<K>>,
    key: Option<&K>,
) -> Option<Duration> {
    let too_early = limiter?.check_key(key?).err()?;
    Some(too_early.wait_time_from(DefaultClock::default().now()))
}

fn forget<K: Clone + Eq + Hash>(limiter: Option<&DefaultKeyedRateLimiter<K>>) {
    if let Some(limiter) = limiter {
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// So slow that nothing comes back while a test runs.
    fn at_most(burst: u32) -> Rate {
        Rate {
            per_second: NonZeroU32::MIN,
            burst: NonZeroU32::new(burst).unwrap(),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn asking(text: &str) -> Asking<'_> {
        Asking {
            ip: Some(ip(text)),
            app: None,
            user: None,
        }
    }

    #[test]
    fn each_address_has_its_own_count_and_loopback_has_none() {
        let limits = Limits::new(LimitsConfig {
            per_ip: Some(at_most(2)),
            ..LimitsConfig::default()
        });
        for _ in 0..2 {
            assert_eq!(limits.check(&asking("192.0.2.1")), None);
            assert_eq!(limits.check(&asking("2001:db8::1")), None);
        }
        let wait = limits.check(&asking("::ffff:192.0.2.1")).unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1));
        assert!(limits.check(&asking("2001:db8::2")).is_some());
        assert_eq!(limits.check(&asking("192.0.2.2")), None);
        for _ in 0..10 {
            assert_eq!(limits.check(&asking("127.0.0.1")), None);
        }
    }

    #[test]
    fn users_are_counted_in_their_app() {
        let limits = Limits::new(LimitsConfig {
            per_user: Some(at_most(1)),
            per_app: Some(at_most(3)),
            ..LimitsConfig::default()
        });
        let ask = |app, user| {
            limits.check(&Asking {
                ip: Some(ip("192.0.2.1")),
                app: Some(AppId(app)),
                user,
            })
        };
        assert_eq!(ask(1, Some("ada")), None);
        assert!(ask(1, Some("ada")).is_some());
        assert_eq!(ask(2, Some("ada")), None);
        assert_eq!(ask(1, Some("bob")), None);
        // A user who is over the limit takes nothing from the app's.
        assert_eq!(ask(1, None), None);
        assert!(ask(1, None).is_some());
    }

    #[test]
    fn those_without_a_key_have_a_count_of_their_own() {
        let limits = Limits::new(LimitsConfig {
            keyless_per_minute: NonZeroU32::new(2),
            ..LimitsConfig::default()
        });
        for _ in 0..2 {
            assert_eq!(limits.check_keyless(ip("192.0.2.1")), None);
        }
        let wait = limits.check_keyless(ip("192.0.2.1")).unwrap();
        assert!(wait > Duration::from_secs(1) && wait <= Duration::from_secs(30));
        assert_eq!(limits.check_keyless(ip("192.0.2.2")), None);
        assert_eq!(limits.check(&asking("192.0.2.1")), None);
        for _ in 0..10 {
            assert_eq!(limits.check_keyless(ip("127.0.0.1")), None);
        }
    }

    #[test]
    fn without_limits_nothing_is_too_much() {
        let limits = Limits::default();
        assert!((0..1_000).all(|_| limits.check(&asking("192.0.2.1")).is_none()));
    }

    #[test]
    fn who_has_long_been_silent_is_forgotten() {
        let limits = Limits::new(LimitsConfig {
            per_ip: Some(Rate {
                per_second: NonZeroU32::MAX,
                burst: NonZeroU32::MIN,
            }),
            ..LimitsConfig::default()
        });
        for last in 0..=255 {
            limits.check(&asking(&format!("192.0.2.{last}")));
        }
        let held = || limits.ips.as_ref().unwrap().len();
        assert_eq!(held(), 256);
        // Each gets its one back within nanoseconds.
        limits.sweep();
        assert_eq!(held(), 0);
    }
}

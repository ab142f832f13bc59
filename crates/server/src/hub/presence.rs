//! Who is online: a user with any socket that has said who it is, in any dialect. Who is present, by a
//! socket that tells others so, is in `present`.
//!
//! Somebody who lost the connection stays for a moment, so that a reconnect shows nobody a blink;
//! somebody who said goodbye does not.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chat::{Timestamp, User, UserId};
use parking_lot::Mutex;

use super::{Hub, present::Present, timers};

/// How long a user stays without a socket.
pub(super) const GRACE: Duration = Duration::from_secs(15);

/// All who are online, and all who are present.
#[derive(Default)]
pub struct Presence {
    /// Known once the writer has said who they are.
    pub(super) online: Online,
    /// Known by their token alone, as soon as they come in.
    pub(super) present: Present,
}

/// Who is online, by the number of their sockets.
#[derive(Default)]
pub(super) struct Online(Mutex<HashMap<UserId, Seen>>);

struct Seen {
    sockets: u32,
    /// When the last socket went.
    gone: Option<(Instant, Timestamp)>,
}

/// How a socket goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// Its connection was lost; it may come back.
    Lost,
    /// It has said so.
    Goodbye,
}

impl Online {
    /// One more socket is this one's.
    pub(super) fn enter(&self, who: UserId) {
        let mut seen = self.0.lock();
        let seen = seen.entry(who).or_insert(Seen {
            sockets: 0,
            gone: None,
        });
        seen.sockets += 1;
        seen.gone = None;
    }

    /// One socket fewer is this one's, from this time on.
    pub(super) fn leave(&self, who: UserId, going: Going, at: Timestamp) {
        let mut all = self.0.lock();
        let Some(seen) = all.get_mut(&who) else {
            return;
        };
        seen.sockets = seen.sockets.saturating_sub(1);
        if seen.sockets == 0 {
            let now = timers::now();
            let until = match going {
                Going::Lost => now + GRACE,
                Going::Goodbye => now,
            };
            seen.gone = Some((until, at));
        }
    }

    /// Whether somebody is here.
    pub(super) fn has(&self, who: UserId) -> bool {
        let now = timers::now();
        let all = self.0.lock();
        all.get(&who)
            .is_some_and(|seen| seen.gone.is_none_or(|(until, _)| now < until))
    }

    /// Those who have gone since the last time that this was asked, and when they went.
    fn take_gone(&self) -> Vec<(UserId, Timestamp)> {
        let now = timers::now();
        let mut all = self.0.lock();
        let gone = all.extract_if(|_, seen| seen.gone.is_some_and(|(until, _)| until <= now));
        let gone = gone.filter_map(|(who, seen)| Some((who, seen.gone?.1)));
        gone.collect()
    }
}

impl chat::Presence for Presence {
    fn is_online(&self, user: &User) -> bool {
        self.online.has(user.id)
    }

    fn is_present(&self, user: &User) -> bool {
        self.present.has(&(user.app, user.external.text.clone()))
    }
}

impl Hub {
    /// Those who have gone offline since the last time that this was asked, and when.
    pub(crate) fn gone_offline(&self) -> Vec<(UserId, Timestamp)> {
        self.presence.online.take_gone()
    }
}

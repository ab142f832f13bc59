//! Who is online: a user with any socket that has said who it is, in any dialect.
//!
//! Somebody who lost the connection stays online for a moment, so that a reconnect shows nobody a
//! blink; somebody who said goodbye does not.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chat::{Timestamp, UserId};
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::{Hub, timers};
use crate::writer;

/// How long a user stays online without a socket.
const GRACE: Duration = Duration::from_secs(15);

/// All who are online.
#[derive(Default)]
pub(super) struct Presence(Mutex<HashMap<UserId, Seen, RandomState>>);

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

impl Presence {
    /// One more socket is this user's.
    pub(super) fn enter(&self, user: UserId) {
        let mut seen = self.0.lock();
        let seen = seen.entry(user).or_insert(Seen {
            sockets: 0,
            gone: None,
        });
        seen.sockets += 1;
        seen.gone = None;
    }

    /// One socket fewer is this user's.
    pub(super) fn leave(&self, user: UserId, going: Going) {
        let mut all = self.0.lock();
        let Some(seen) = all.get_mut(&user) else {
            return;
        };
        seen.sockets = seen.sockets.saturating_sub(1);
        if seen.sockets == 0 {
            let now = timers::now();
            let until = match going {
                Going::Lost => now + GRACE,
                Going::Goodbye => now,
            };
            seen.gone = Some((until, writer::now()));
        }
    }

    /// Those who have gone since the last time that this was asked, and when they went.
    fn take_gone(&self) -> Vec<(UserId, Timestamp)> {
        let now = timers::now();
        let mut all = self.0.lock();
        let gone = all.extract_if(|_, seen| seen.gone.is_some_and(|(until, _)| until <= now));
        let gone = gone.filter_map(|(user, seen)| Some((user, seen.gone?.1)));
        gone.collect()
    }
}

impl chat::query::Presence for Hub {
    fn is_online(&self, user: UserId) -> bool {
        let now = timers::now();
        let seen = self.presence.0.lock();
        seen.get(&user)
            .is_some_and(|seen| seen.gone.is_none_or(|(until, _)| now < until))
    }
}

impl Hub {
    /// Those who have gone offline since the last time that this was asked, and when.
    pub(crate) fn gone_offline(&self) -> Vec<(UserId, Timestamp)> {
        self.presence.take_gone()
    }
}

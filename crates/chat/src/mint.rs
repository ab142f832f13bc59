//! Gives out numbers and ids. Deterministic: time and randomness come from outside.

use uuid::Uuid;

use crate::{
    model::{AppId, ConversationId, G, KeyId, Timestamp, UserId},
    store::Counters,
};

/// The writer's counters. Numbers taken by a command that is refused afterwards are simply skipped.
#[derive(Clone, Debug)]
pub struct Mint {
    counters: Counters,
    random: u64,
}

impl Mint {
    /// Continues after what is stored. `seed` makes the random part of ids unguessable in
    /// production and repeatable in tests.
    pub fn new(counters: Counters, seed: u64) -> Self {
        Self {
            counters,
            random: seed | 1,
        }
    }

    /// The highest G given so far.
    pub fn last_g(&self) -> G {
        self.counters.last_g
    }

    /// The next number of a lasting change.
    pub fn g(&mut self) -> G {
        self.counters.last_g += 1;
        self.counters.last_g
    }

    /// The next app id.
    pub fn app(&mut self) -> AppId {
        self.counters.last_app += 1;
        AppId(self.counters.last_app)
    }

    /// The next user id.
    pub fn user(&mut self) -> UserId {
        self.counters.last_user += 1;
        UserId(self.counters.last_user)
    }

    /// The next conversation id.
    pub fn conversation(&mut self) -> ConversationId {
        self.counters.last_conversation += 1;
        ConversationId(self.counters.last_conversation)
    }

    /// The next key id.
    pub fn key(&mut self) -> KeyId {
        self.counters.last_key += 1;
        KeyId(self.counters.last_key)
    }

    /// A version 7 UUID (RFC 9562, section 5.7) above every one given or stored before, also when
    /// the clock went back: 48 bits of milliseconds, then 12 bits that count within one of them.
    pub fn uuid(&mut self, now: Timestamp) -> Uuid {
        let last = self.counters.last_uuid.as_u128();
        let (last_ms, last_count) = ((last >> 80) as u64, (last >> 64) as u64 & 0xfff);
        let now_ms = u64::try_from(now.0).unwrap_or(0) & 0xffff_ffff_ffff;
        let (ms, count) = if now_ms > last_ms {
            (now_ms, 0)
        } else if last_count < 0xfff {
            (last_ms, last_count + 1)
        } else {
            (last_ms + 1, 0)
        };
        let high = (u128::from(ms) << 16) | 0x7000 | u128::from(count);
        let low = (u128::from(self.next_random()) & 0x3fff_ffff_ffff_ffff) | (0b10 << 62);
        self.counters.last_uuid = Uuid::from_u128((high << 64) | low);
        self.counters.last_uuid
    }

    /// The `SplitMix64` generator: enough to keep ids from colliding; secrets come from the operating system.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_rise_within_a_millisecond_and_when_the_clock_goes_back() {
        let mut mint = Mint::new(Counters::default(), 7);
        let mut last = Uuid::nil();
        for step in 0..20_000_i64 {
            let now = Timestamp(1_700_000_000_000 + if step % 3 == 0 { -step } else { 5 });
            let next = mint.uuid(now);
            assert!(next > last, "{next} after {last}");
            assert_eq!(next.get_version_num(), 7);
            assert_eq!(next.get_variant(), uuid::Variant::RFC4122);
            last = next;
        }
    }

    #[test]
    fn uuids_continue_above_the_last_one_stored() {
        let mut first = Mint::new(Counters::default(), 1);
        let stored = first.uuid(Timestamp(2_000_000_000_000));
        let counters = Counters {
            last_uuid: stored,
            ..Counters::default()
        };
        let mut restarted = Mint::new(counters, 2);
        assert!(restarted.uuid(Timestamp(1_000_000_000_000)) > stored);
    }
}

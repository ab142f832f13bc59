//! Going round the members of a topic, a stride at a time, to wake them. A turn that comes meanwhile
//! does not begin anew: those ahead learn of both at once, and only those passed are visited again.
//! So a large topic that has more turns than it can be gone round writes to each socket less often,
//! but more at a time. Knows places of a slab and nothing else; `topic` has the members.

use std::ops::Range;

/// Places visited at once, between two yields of the sequencer.
pub(super) const STRIDE: usize = 32;

/// Where a lap stands. The default is that there is none.
#[derive(Debug, Default)]
pub(super) struct Lap {
    /// The place to go on from.
    next: usize,
    /// Where to stop; `usize::MAX` stands for the last place, wherever that will be by then.
    end: usize,
    /// The places before this one come after that.
    again: usize,
}

impl Lap {
    /// Everybody is to be visited from now on. True if no lap was under way.
    pub(super) fn begin(&mut self) -> bool {
        let is_first = self.end == 0;
        self.end = usize::MAX;
        self.again = self.next;
        is_first
    }

    /// The places to visit now, of `places` that there are, and whether there are more to come.
    pub(super) fn stride(&mut self, places: usize) -> (Range<usize>, bool) {
        if self.next >= self.end.min(places) {
            (self.next, self.end, self.again) = (0, self.again, 0);
        }
        let end = self.end.min(places);
        let from = self.next.min(end);
        self.next = (from + STRIDE).min(end);
        let has_more = self.next < end || self.again > 0;
        if !has_more {
            *self = Self::default();
            return (from..end, false);
        }
        (from..self.next, true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_turn_on_the_way_visits_those_ahead_once_and_those_passed_again() {
        let places = 2 * STRIDE + 5;
        let mut lap = Lap::default();
        assert!(lap.begin());
        assert_eq!(lap.stride(places), (0..STRIDE, true));
        assert!(!lap.begin());
        assert_eq!(lap.stride(places), (STRIDE..2 * STRIDE, true));
        assert_eq!(lap.stride(places), (2 * STRIDE..places, true));
        assert_eq!(lap.stride(places), (0..STRIDE, false));
        assert!(lap.begin(), "it has ended");
    }

    proptest! {
        /// Whatever comes in between, everybody who is there all the time is visited after a turn.
        #[test]
        fn nobody_is_passed_over(
            steps in prop::collection::vec((any::<bool>(), 0_usize..400), 1..60),
            least in 0_usize..400,
        ) {
            let mut lap = Lap::default();
            let mut unvisited = vec![false; least];
            let mut under_way = false;
            let visit = |lap: &mut Lap, unvisited: &mut Vec<bool>, more: usize| {
                let (places, has_more) = lap.stride(least + more);
                prop_assert!(places.len() <= STRIDE);
                for place in places {
                    if let Some(waits) = unvisited.get_mut(place) {
                        *waits = false;
                    }
                }
                Ok(has_more)
            };
            for (is_turn, more) in steps {
                if is_turn {
                    prop_assert_eq!(lap.begin(), !under_way);
                    under_way = true;
                    unvisited.fill(true);
                } else if under_way {
                    under_way = visit(&mut lap, &mut unvisited, more)?;
                    prop_assert!(under_way || !unvisited.contains(&true));
                }
            }
            while under_way {
                under_way = visit(&mut lap, &mut unvisited, 0)?;
            }
            prop_assert!(!unvisited.contains(&true));
        }
    }
}

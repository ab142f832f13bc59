//! Places in a socket's stream, and how they are written behind events.
//!
//! An offset is a function of event and dialect only, so one frame serves every socket.
//! Form: `epoch.g.part` for events, `epoch.g.part.r` for answers, each number in base 36.

use chat::{G, store::Boot};

/// A place in a socket's stream. What a socket gets has strictly rising keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Key {
    /// The number of the change.
    pub(crate) g: G,
    /// The place among what the dialect shows of it.
    pub(crate) part: u8,
    /// For answers: counts them within one `g`.
    pub(crate) r: u32,
}

impl Key {
    /// The part of answers: after everything that a dialect can show of the same change.
    pub(crate) const ANSWER: u8 = 35;

    /// After everything that a dialect shows of `g`, before the answers at it.
    pub(crate) fn end_of(g: G) -> Self {
        Self {
            g,
            part: Self::ANSWER - 1,
            r: u32::MAX,
        }
    }

    /// The first answer at `g`.
    pub(crate) fn answer(g: G) -> Self {
        Self {
            g,
            part: Self::ANSWER,
            r: 0,
        }
    }

    /// Everything that is shown up to this G lies before the key or at it.
    pub(crate) fn whole(self) -> G {
        if self >= Self::end_of(self.g) {
            self.g
        } else {
            self.g.saturating_sub(1)
        }
    }
}

/// All starts of the server, oldest first: which epoch a G belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Epochs(Vec<Boot>);

impl Epochs {
    pub(crate) fn new(boots: Vec<Boot>) -> Self {
        Self(boots)
    }

    /// The epoch of the boot that gave `g`; the oldest one for a G from before any boot.
    fn of(&self, g: G) -> u32 {
        let mut newest = self.0.iter().rev();
        newest
            .clone()
            .find(|boot| boot.first_g <= g)
            .or(newest.next_back())
            .map_or(0, |boot| boot.epoch)
    }

    /// The key that an offset names. `None` if it is no offset of ours, or of a G that its epoch
    /// never gave, or of one that nobody has been shown yet.
    pub(crate) fn key(&self, offset: &str, barrier: G) -> Option<Key> {
        if offset.len() > Offset::LONGEST {
            return None;
        }
        let mut numbers = offset.split('.').map(number);
        let epoch = numbers.next()??;
        let g = numbers.next()??;
        let part = u8::try_from(numbers.next()??).ok()?;
        let r = match (part, numbers.next()) {
            (Key::ANSWER, Some(r)) => u32::try_from(r?).ok()?,
            (0..Key::ANSWER, None) => 0,
            _ => return None,
        };
        let is_ours = u64::from(self.of(g)) == epoch && g <= barrier;
        (numbers.next().is_none() && is_ours).then_some(Key { g, part, r })
    }

    /// The offset that stands behind the event or answer at `key`.
    pub(crate) fn offset(&self, key: Key) -> Offset {
        let mut offset = Offset {
            bytes: [0; Offset::LONGEST],
            start: Offset::LONGEST,
        };
        if key.part == Key::ANSWER {
            offset.prepend(u64::from(key.r), b'.');
        }
        offset.prepend(u64::from(key.part), b'.');
        offset.prepend(key.g, b'.');
        offset.prepend(u64::from(self.of(key.g)), b'.');
        offset.start += 1;
        offset
    }
}

/// A number in base 36, in the one form in which we write it.
fn number(text: &str) -> Option<u64> {
    let is_ours = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    let is_shortest = text == "0" || !text.starts_with('0');
    (is_shortest && text.bytes().all(is_ours))
        .then(|| u64::from_str_radix(text, 36).ok())
        .flatten()
}

/// A written offset, without an allocation.
pub(crate) struct Offset {
    bytes: [u8; Self::LONGEST],
    start: usize,
}

impl Offset {
    /// Four separators; 32 bits take 7 digits of base 36, 64 bits 13, a part 2.
    const LONGEST: usize = 4 + 7 + 13 + 2 + 7;

    fn prepend(&mut self, mut number: u64, separator: u8) {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        loop {
            let digit = DIGITS.get((number % 36) as usize).copied().unwrap_or(b'0');
            self.write(digit);
            number /= 36;
            if number == 0 {
                break;
            }
        }
        self.write(separator);
    }

    fn write(&mut self, byte: u8) {
        self.start -= 1;
        if let Some(place) = self.bytes.get_mut(self.start) {
            *place = byte;
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        let written = self.bytes.get(self.start..).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs() -> Epochs {
        Epochs::new(vec![
            Boot {
                epoch: 35,
                first_g: 1,
            },
            Boot {
                epoch: u32::MAX,
                first_g: 100,
            },
        ])
    }

    #[test]
    fn offsets_name_the_epoch_that_gave_the_g() {
        let at = |g| {
            epochs()
                .offset(Key { g, part: 1, r: 0 })
                .as_str()
                .to_owned()
        };
        assert_eq!(at(99), "z.2r.1");
        assert_eq!(at(100), "1z141z3.2s.1");
        assert_eq!(at(u64::MAX), "1z141z3.3w5e11264sgsf.1");
    }

    #[test]
    fn answers_carry_their_count() {
        let key = Key {
            g: 7,
            part: Key::ANSWER,
            r: 40,
        };
        assert_eq!(epochs().offset(key).as_str(), "z.7.z.14");
        let longest = Key {
            g: u64::MAX,
            part: Key::ANSWER,
            r: u32::MAX,
        };
        assert_eq!(
            epochs().offset(longest).as_str(),
            "1z141z3.3w5e11264sgsf.z.1z141z3"
        );
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let epochs = epochs();
        for key in [
            Key {
                g: 99,
                part: 0,
                r: 0,
            },
            Key {
                g: 100,
                part: 34,
                r: 0,
            },
            Key {
                g: 500,
                part: Key::ANSWER,
                r: 7,
            },
        ] {
            let text = epochs.offset(key).as_str().to_owned();
            assert_eq!(epochs.key(&text, 500), Some(key), "{text}");
            assert_eq!(epochs.key(&text, key.g - 1), None, "not shown yet");
        }
        for wrong in [
            "",
            "OK",
            "z",
            "z.2r",
            "z.2r.0.1",
            "z.2r.z",
            "z.2s.0",
            "1z141z3.2r.0",
            "Z.2r.0",
            "z.02r.0",
            "z.2r.0 ",
            "z.2r.-1",
            "z.2r.10",
            "z.2r.z.1.1",
            "z..0",
            "....",
            "zzzzzzzzzzzzzzzzzzzz.1.0",
        ] {
            assert_eq!(epochs.key(wrong, 500), None, "{wrong:?}");
        }
    }
}

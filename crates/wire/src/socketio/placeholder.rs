//! Where an attachment belongs among the arguments: `{"_placeholder":true,"num":0}`.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Violation;

/// An argument, or a part of one, that stands for an attachment. Deserialises from the placeholder object only, so a
/// field of this type tells binary data from everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Placeholder(usize);

#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "_placeholder")]
    is_placeholder: bool,
    num: usize,
}

impl TryFrom<Fields> for Placeholder {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        if fields.is_placeholder {
            Ok(Self(fields.num))
        } else {
            Err("not a placeholder")
        }
    }
}

impl Placeholder {
    /// The attachment among those of its packet. `None` in a packet without attachments: there it is only an object.
    pub fn resolve(self, attachments: &[Bytes]) -> Option<&Bytes> {
        attachments.get(self.0)
    }
}

/// Checks that every placeholder within `json` names one of `count` attachments.
pub(super) fn check(json: &str, count: usize) -> Result<(), Violation> {
    let mut bad = false;
    let mut reader = serde_json::Deserializer::from_str(json);
    let walked = Walk {
        count,
        bad: &mut bad,
    }
    .deserialize(&mut reader);
    if bad {
        return Err(Violation::BadPlaceholder);
    }
    walked.map(drop).map_err(|_| Violation::BadPayload)
}

/// Walks a value and looks at each object.
struct Walk<'a> {
    count: usize,
    bad: &'a mut bool,
}

/// What an object's reader needs to know of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    True,
    Index(u64),
    Other,
}

/// The keys that matter.
enum Key {
    Placeholder,
    Num,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "_placeholder" => Key::Placeholder,
                    "num" => Key::Num,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Index(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Seen, A::Error> {
        while values
            .next_element_seed(Walk {
                count: self.count,
                bad: self.bad,
            })?
            .is_some()
        {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Seen, A::Error> {
        let (mut placeholder, mut num) = (Seen::Other, Seen::Other);
        while let Some(key) = entries.next_key::<Key>()? {
            let value = entries.next_value_seed(Walk {
                count: self.count,
                bad: self.bad,
            })?;
            match key {
                Key::Placeholder => placeholder = value,
                Key::Num => num = value,
                Key::Other => {}
            }
        }
        let in_range = matches!(num, Seen::Index(num) if num < self.count as u64);
        if placeholder == Seen::True && !in_range {
            *self.bad = true;
        }
        Ok(Seen::Other)
    }
}

//! Reading what clients send: typed fields of a payload that is still JSON text.
//!
//! Every error names the field as the client does. Knows no dialect; each dialect says which
//! fields it wants. What is not asked for is skipped without being kept. See `json` for writing.

use std::{fmt, ops::RangeInclusive};

use bytes::Bytes;
use chat::{ExternalId, Refusal, model::Metadata};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;
use wire::socketio::Placeholder;

/// The longest id of the app's own, in UTF-8 bytes.
pub const MAX_EXTERNAL_ID: usize = 256;
/// The largest whole number that a JavaScript number holds exactly: 2^53 - 1.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// The longest id of a retry, in UTF-8 bytes.
pub const MAX_CLIENT_ID: usize = 128;

/// A refusal of `field`; `must` continues the sentence, as in "roomId must be a UUID".
pub fn invalid(field: &'static str, must: &'static str) -> Refusal {
    Refusal::Invalid { field, must }
}

/// A UUID in the text form of RFC 9562, section 4, and no other: 36 characters, in either case.
pub fn uuid(text: &str) -> Option<Uuid> {
    const LENGTH: usize = 36;
    // The parser knows shorter and longer forms too.
    (text.len() == LENGTH)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

/// The fields called `names` of a payload that must be an object; `must` says so in words that name
/// them ("must be an object with ..."). Other fields are skipped. Of a field that stands there
/// twice the last one counts, as in JavaScript.
pub fn fields<'a, const N: usize>(
    payload: Option<&'a RawValue>,
    names: [&'static str; N],
    must: &'static str,
) -> Result<[Field<'a>; N], Refusal> {
    let found = payload
        .filter(|payload| payload.get().starts_with('{'))
        .and_then(|payload| {
            let mut reader = serde_json::Deserializer::from_str(payload.get());
            reader.deserialize_map(Object { names: &names }).ok()
        });
    let found: [Option<&RawValue>; N] = found.ok_or_else(|| invalid("", must))?;
    let mut at = 0;
    Ok(found.map(|value| {
        let name = names.get(at).copied().unwrap_or_default();
        at += 1;
        Field { name, value }
    }))
}

/// One field of a payload, perhaps absent. `null` counts as a value, and is of no type: a page that
/// computes NaN sends `null`, and must hear of it.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    name: &'static str,
    value: Option<&'a RawValue>,
}

impl<'a> Field<'a> {
    /// An argument that is a value by itself, under the name that errors shall give it.
    pub fn argument(name: &'static str, value: Option<&'a RawValue>) -> Self {
        Self { name, value }
    }

    /// Whether it stands in the payload at all.
    pub fn is_there(self) -> bool {
        self.value.is_some()
    }

    /// What `read` makes of it, if the field is there and not `null`: for dialects whose clients mean
    /// the same by both.
    pub fn optional<T>(
        self,
        read: impl FnOnce(Self) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        match self.value.map(RawValue::get) {
            None | Some("null") => Ok(None),
            Some(_) => read(self).map(Some),
        }
    }

    /// The field called `key` of this one, which must be an object. Errors call it `path`.
    pub fn within(self, key: &'static str, path: &'static str) -> Result<Self, Refusal> {
        let json = self.json()?;
        let [found] = json
            .starts_with('{')
            .then(|| fields(self.value, [key], "").ok())
            .flatten()
            .ok_or_else(|| invalid(self.name, "must be an object"))?;
        Ok(Self {
            name: path,
            value: found.value,
        })
    }

    /// An object of the app's own use.
    pub fn metadata(self) -> Result<Metadata, Refusal> {
        serde_json::from_str(self.json()?).map_err(|_| invalid(self.name, "must be an object"))
    }

    /// Strings.
    pub fn texts(self) -> Result<Vec<String>, Refusal> {
        serde_json::from_str(self.json()?)
            .map_err(|_| invalid(self.name, "must be an array of strings"))
    }

    /// Binary data that came beside the payload.
    pub fn binary(self, attachments: &[Bytes]) -> Result<&Bytes, Refusal> {
        serde_json::from_str::<Placeholder>(self.json()?)
            .ok()
            .and_then(|placeholder| placeholder.resolve(attachments))
            .ok_or_else(|| invalid(self.name, "must be binary data"))
    }

    /// Objects.
    pub fn objects(self) -> Result<Vec<Map<String, Value>>, Refusal> {
        serde_json::from_str(self.json()?)
            .map_err(|_| invalid(self.name, "must be an array of objects"))
    }

    /// A string, as it came. JSON can carry half of a surrogate pair, text cannot.
    pub fn text(self) -> Result<String, Refusal> {
        let json = self.json()?;
        if !json.starts_with('"') {
            return Err(invalid(self.name, "must be a string"));
        }
        serde_json::from_str(json).map_err(|_| {
            invalid(
                self.name,
                "must be valid Unicode, without half surrogate pairs",
            )
        })
    }

    /// A UUID, as [`uuid`] reads it.
    pub fn uuid(self) -> Result<Uuid, Refusal> {
        let json = self.json()?;
        // A UUID needs no escapes in JSON, but a client may write them all the same.
        serde_json::from_str::<String>(json)
            .ok()
            .and_then(|text| uuid(&text))
            .ok_or_else(|| invalid(self.name, "must be a UUID"))
    }

    /// An id of the app's own, in the JSON type in which it comes: a string of 1 to 256 bytes which is
    /// not blank, or a whole number of which JavaScript knows every digit.
    pub fn external_id(self) -> Result<ExternalId, Refusal> {
        const MUST: &str = "must be a whole number or a string of 1 to 256 bytes";
        let json = self.json()?;
        let id = if json.starts_with('"') {
            ExternalId::text(self.text()?)
        } else {
            let number = self.number().filter(|number| number.fract() == 0.0);
            let number = number.filter(|number| number.abs() <= MAX_SAFE_INTEGER);
            let number = number.ok_or_else(|| invalid(self.name, MUST))?;
            ExternalId {
                // Minus zero is zero.
                text: (number as i64).to_string(),
                number: true,
            }
        };
        if id.text.trim().is_empty() || id.text.len() > MAX_EXTERNAL_ID {
            return Err(invalid(self.name, MUST));
        }
        Ok(id)
    }

    /// A string of at most `max` bytes; `must` says so.
    pub fn label(self, max: usize, must: &'static str) -> Result<String, Refusal> {
        let text = self.text()?;
        if text.len() > max {
            return Err(invalid(self.name, must));
        }
        Ok(text)
    }

    /// A string, or a number as text, of at most `max` bytes; `must` says so.
    pub fn text_or_number(self, max: usize, must: &'static str) -> Result<String, Refusal> {
        match self.number().map(|number| number.to_string()) {
            Some(text) if text.len() <= max => Ok(text),
            None if self.json()?.starts_with('"') => self.label(max, must),
            _ => Err(invalid(self.name, must)),
        }
    }

    /// A string of `1..=max` bytes, if the field is there at all; `must` says so.
    pub fn optional_label(self, max: usize, must: &'static str) -> Result<Option<String>, Refusal> {
        if self.value.is_none() {
            return Ok(None);
        }
        let text = self.text()?;
        if text.is_empty() || text.len() > max {
            return Err(invalid(self.name, must));
        }
        Ok(Some(text))
    }

    /// A whole number of at least `min` and at most 2^53 - 1, if the field is there at all; `must`
    /// says so. JSON has one type of numbers, so `20.0` and `2e1` are 20.
    pub fn optional_whole(self, min: u32, must: &'static str) -> Result<Option<u64>, Refusal> {
        if self.value.is_none() {
            return Ok(None);
        }
        let number = self
            .number()
            .filter(|number| number.fract() == 0.0)
            .filter(|number| (f64::from(min)..=MAX_SAFE_INTEGER).contains(number));
        #[expect(clippy::cast_sign_loss, reason = "at least `min`, which has no sign")]
        let whole = number.map(|number| number as u64);
        whole.ok_or_else(|| invalid(self.name, must)).map(Some)
    }

    /// A whole number from 1 to 2^53 - 1, or a string of its digits; `must` says so.
    pub fn number_or_digits(self, must: &'static str) -> Result<i64, Refusal> {
        const MAX: i64 = MAX_SAFE_INTEGER as i64;
        let number = if self.json()?.starts_with('"') {
            let text = self.text()?;
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_plain)
        } else {
            let number = self.number().filter(|number| number.fract() == 0.0);
            number.map(|number| number as i64)
        };
        let number = number.filter(|number| (1..=MAX).contains(number));
        number.ok_or_else(|| invalid(self.name, must))
    }

    /// A whole number in a range; `must` says so.
    pub fn whole(self, range: RangeInclusive<u32>, must: &'static str) -> Result<u32, Refusal> {
        self.json()?;
        let number = self.optional_whole(*range.start(), must)?;
        let number = number.and_then(|number| number.try_into().ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| invalid(self.name, must))
    }

    /// A truth value.
    pub fn flag(self) -> Result<bool, Refusal> {
        serde_json::from_str(self.json()?).map_err(|_| invalid(self.name, "must be true or false"))
    }

    /// A string of at most `max` bytes that is not blank, without the space around it; `must` says
    /// so.
    pub fn words(self, max: usize, must: &'static str) -> Result<String, Refusal> {
        let text = self.label(max, must)?;
        let text = text.trim();
        if text.is_empty() {
            return Err(invalid(self.name, must));
        }
        Ok(text.to_owned())
    }

    /// What it is, if that is a finite number.
    fn number(self) -> Option<f64> {
        let json = self.value?.get();
        // What starts like a number is one: the payload has been checked to be JSON.
        json.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            .then(|| json.parse::<f64>().ok())
            .flatten()
            .filter(|number| number.is_finite())
    }

    /// A refusal of it; `must` continues the sentence.
    pub fn wrong(self, must: &'static str) -> Refusal {
        invalid(self.name, must)
    }

    fn json(self) -> Result<&'a str, Refusal> {
        self.value
            .map(RawValue::get)
            .ok_or_else(|| invalid(self.name, "is missing"))
    }
}

/// Collects the values of the named fields and skips the others.
struct Object<'n, const N: usize> {
    names: &'n [&'static str; N],
}

impl<'de, const N: usize> Visitor<'de> for Object<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(place) = map.next_key_seed(Name { names: self.names })? {
            match place.and_then(|place| found.get_mut(place)) {
                Some(slot) => *slot = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Finds a field's place among the names. Read as bytes, so that a name which is not Unicode is
/// just one that nobody asked for.
struct Name<'n> {
    names: &'n [&'static str],
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|name| name.as_bytes() == key))
    }
}

#[cfg(test)]
mod tests;

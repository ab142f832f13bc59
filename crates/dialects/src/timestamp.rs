//! Times as clients read them: RFC 3339, UTC, milliseconds, `Z`; and in the forms that `stream` has.

use std::fmt::{self, Display, Write};

use chat::Timestamp;
use serde::{Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known};

/// A time as text, as in `2026-03-01T12:30:05.250Z`. RFC 3339 has years of four digits; a time outside
/// of them, which no clock gives, becomes the nearest one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(pub Timestamp);

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = moment(self.0);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            moment.year(),
            u8::from(moment.month()),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second(),
            moment.millisecond(),
        )
    }
}

/// A time in UTC, within years of four digits.
fn moment(at: Timestamp) -> OffsetDateTime {
    const YEAR_0: i64 = -62_167_219_200_000;
    const YEAR_9999_END: i64 = 253_402_300_799_999;
    let ms = at.0.clamp(YEAR_0, YEAR_9999_END);
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A time in whole seconds, as in `2026-03-01T12:30:05+00:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Timestamp);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = moment(self.0);
        let (date, hour) = (moment.date(), moment.hour());
        let (minute, second) = (moment.minute(), moment.second());
        write!(f, "{date}T{hour:02}:{minute:02}:{second:02}+00:00")
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time in whole seconds and no words for its zone, as in `2026-03-01 12:30:05`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain(pub Timestamp);

impl Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = moment(self.0);
        let (date, hour) = (moment.date(), moment.hour());
        let (minute, second) = (moment.minute(), moment.second());
        write!(f, "{date} {hour:02}:{minute:02}:{second:02}")
    }
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time in microseconds, as in `2026-03-01T12:30:05.250000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Micros(pub Timestamp);

impl Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = moment(self.0);
        let (date, hour) = (moment.date(), moment.hour());
        let (minute, second) = (moment.minute(), moment.second());
        let micros = moment.microsecond();
        write!(f, "{date}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time as text, of any zone (RFC 3339).
pub fn read_timestamp(text: &str) -> Option<Timestamp> {
    let moment = OffsetDateTime::parse(text, &well_known::Rfc3339).ok()?;
    let ms = moment.unix_timestamp_nanos().div_euclid(1_000_000);
    ms.try_into().ok().map(Timestamp)
}

/// Appends a time as a JSON string.
pub fn write_timestamp(out: &mut String, at: Timestamp) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\"{}\"", Rfc3339(at));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ms: i64) -> String {
        let mut out = String::new();
        write_timestamp(&mut out, Timestamp(ms));
        out
    }

    #[test]
    fn milliseconds_always_have_three_digits() {
        assert_eq!(text(0), r#""1970-01-01T00:00:00.000Z""#);
        assert_eq!(text(1_709_209_845_007), r#""2024-02-29T12:30:45.007Z""#);
        assert_eq!(text(-1), r#""1969-12-31T23:59:59.999Z""#);
    }

    #[test]
    fn other_forms_have_whole_seconds() {
        let at = Timestamp(1_709_209_845_999);
        assert_eq!(Seconds(at).to_string(), "2024-02-29T12:30:45+00:00");
        assert_eq!(Plain(at).to_string(), "2024-02-29 12:30:45");
        assert_eq!(Micros(at).to_string(), "2024-02-29T12:30:45.999000Z");
        let first = Timestamp(i64::MIN);
        assert_eq!(Seconds(first).to_string(), "0000-01-01T00:00:00+00:00");
        assert_eq!(Plain(Timestamp(-1)).to_string(), "1969-12-31 23:59:59");
    }

    #[test]
    fn times_are_read_in_any_zone() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T02:00:00.2504+02:00", 250),
            ("1969-12-31T23:59:59.9999Z", -1),
        ] {
            assert_eq!(read_timestamp(text), Some(Timestamp(ms)), "{text}");
        }
        for text in [
            "",
            "1970-01-01",
            "1970-01-01 00:00:00",
            "0",
            "1970-13-01T00:00:00Z",
        ] {
            assert_eq!(read_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn years_stay_within_four_digits() {
        assert_eq!(text(i64::MAX), r#""9999-12-31T23:59:59.999Z""#);
        assert_eq!(text(i64::MIN), r#""0000-01-01T00:00:00.000Z""#);
    }
}

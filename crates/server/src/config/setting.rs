//! What a setting's value can be, and how it is read and shown.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use toml::de::DeValue;

/// A value as it came.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    /// From the file.
    Toml(&'a DeValue<'a>),
    /// From the environment or a flag.
    Text(&'a str),
}

impl Given<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Toml(value) => value.as_str(),
            Self::Text(text) => Some(text),
        }
    }

    /// As the operator wrote it, for messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Toml(DeValue::String(text)) => format!("{text:?}"),
            Self::Toml(DeValue::Integer(number)) => number.to_string(),
            Self::Toml(DeValue::Float(number)) => number.to_string(),
            Self::Toml(DeValue::Boolean(value)) => value.to_string(),
            Self::Toml(value) => format!("a {}", value.type_str()),
            Self::Text(text) => format!("{text:?}"),
        }
    }
}

/// A type that settings can have.
pub(super) trait Value: Sized {
    /// Continues "must be ".
    const ALLOWED: &'static str;
    fn read(given: Given<'_>) -> Option<Self>;
    /// As TOML.
    fn show(&self) -> String;
    /// For settings with a range.
    fn number(&self) -> f64 {
        f64::NAN
    }
}

impl Value for bool {
    const ALLOWED: &'static str = "true or false";
    fn read(given: Given<'_>) -> Option<Self> {
        match given {
            Given::Toml(value) => value.as_bool(),
            Given::Text(text) => text.parse().ok(),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

fn read_whole(given: Given<'_>) -> Option<u64> {
    match given {
        Given::Toml(value) => {
            let number = value.as_integer()?;
            u64::from_str_radix(number.as_str(), number.radix()).ok()
        }
        Given::Text(text) => text.replace('_', "").parse().ok(),
    }
}

/// With an underscore between thousands, as TOML allows.
fn show_whole(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        #[allow(clippy::cast_lossless, clippy::cast_precision_loss, reason = "one text for all widths")]
        impl Value for $type {
            const ALLOWED: &'static str = "a whole number";
            fn read(given: Given<'_>) -> Option<Self> {
                read_whole(given)?.try_into().ok()
            }
            fn show(&self) -> String {
                show_whole(*self as u64)
            }
            fn number(&self) -> f64 {
                *self as f64
            }
        }
    )*};
}
whole!(u32, u64, usize);

/// A time in seconds, with or without a fraction.
pub type Seconds = Duration;

impl Value for Seconds {
    const ALLOWED: &'static str = "a number of seconds";
    fn read(given: Given<'_>) -> Option<Self> {
        let seconds: f64 = match given {
            Given::Toml(DeValue::Float(number)) => number.as_str().parse().ok()?,
            Given::Toml(_) => f64::from(u32::try_from(read_whole(given)?).ok()?),
            Given::Text(text) => text.parse().ok()?,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }
    fn show(&self) -> String {
        self.as_secs_f64().to_string()
    }
    fn number(&self) -> f64 {
        self.as_secs_f64()
    }
}

impl Value for SocketAddr {
    const ALLOWED: &'static str = "an address and a port, like 127.0.0.1:3000 or [::1]:3000";
    fn read(given: Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }
    fn show(&self) -> String {
        format!("{:?}", self.to_string())
    }
}

impl Value for String {
    const ALLOWED: &'static str = "a string";
    fn read(given: Given<'_>) -> Option<Self> {
        given.text().map(str::to_owned)
    }
    fn show(&self) -> String {
        quote(self)
    }
}

impl Value for PathBuf {
    const ALLOWED: &'static str = "a path";
    fn read(given: Given<'_>) -> Option<Self> {
        given.text().filter(|text| !text.is_empty()).map(Self::from)
    }
    fn show(&self) -> String {
        quote(&self.to_string_lossy())
    }
}

/// A file that may be left out.
impl Value for Option<PathBuf> {
    const ALLOWED: &'static str = "a path, or \"\" for none";
    fn read(given: Given<'_>) -> Option<Self> {
        let text = given.text()?;
        Some((!text.is_empty()).then(|| PathBuf::from(text)))
    }
    fn show(&self) -> String {
        quote(&self.as_deref().unwrap_or("".as_ref()).to_string_lossy())
    }
}

impl Value for Vec<String> {
    const ALLOWED: &'static str = "a list of strings";
    fn read(given: Given<'_>) -> Option<Self> {
        match given {
            Given::Toml(value) => value
                .as_array()?
                .iter()
                .map(|entry| entry.get_ref().as_str().map(str::to_owned))
                .collect(),
            Given::Text(text) => {
                let entries = text.split(',').map(str::trim);
                let entries = entries.filter(|entry| !entry.is_empty());
                Some(entries.map(str::to_owned).collect())
            }
        }
    }
    fn show(&self) -> String {
        let entries: Vec<_> = self.iter().map(|entry| quote(entry)).collect();
        format!("[{}]", entries.join(", "))
    }
}

fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

macro_rules! choice {
    ($(#[doc = $doc:literal])* $name:ident, $allowed:literal, { $($(#[doc = $words:literal])* $variant:ident = $text:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $words])* $variant,)*
        }
        impl Value for $name {
            const ALLOWED: &'static str = $allowed;
            fn read(given: Given<'_>) -> Option<Self> {
                match given.text()? {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
            fn show(&self) -> String {
                match self {
                    $(Self::$variant => quote($text),)*
                }
            }
        }
    };
}

choice!(
    /// How much is logged.
    LogLevel, "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"", {
    /// What must be looked into.
    Error = "error",
    /// What should be.
    Warn = "warn",
    /// What an operator wants to know.
    Info = "info",
    /// What a developer wants to know.
    Debug = "debug",
    /// Everything.
    Trace = "trace",
});

choice!(
    /// How the log looks.
    LogFormat, "\"text\" or \"json\"", {
    /// For people.
    Text = "text",
    /// One JSON object a line.
    Json = "json",
});

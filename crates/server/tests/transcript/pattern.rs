//! Values with slots: `$name` binds at first sight and must match afterwards.
//!
//! The same text serves both ways: filled in before it is sent, compared with what comes. The
//! table of slots is in `docs/dialects/transcripts.md`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

/// What the names stand for so far.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    values: BTreeMap<String, Value>,
    /// What `$=bytes(...)` stands for, in the event that is being filled in.
    attachments: Vec<Vec<u8>>,
}

/// Makes what needs more than the names: keys and tokens of the apps.
pub(crate) trait Credentials {
    /// The public key of an app.
    fn key(&self, app: &str) -> Result<String, String>;
    /// A token of an app (`None`: of the default one) for a subject. One that is `aging` has a few
    /// seconds to live.
    fn token(&self, subject: &Value, app: Option<&str>, aging: bool) -> Result<String, String>;
    /// What a user of the default app brings where an API key is asked for: a token in a verified app,
    /// the public key in an open one; that too for nobody in particular.
    fn user_key(&self, subject: Option<&Value>) -> Result<String, String>;
    /// A server key of the default app.
    fn server_key(&self) -> Result<String, String>;
}

/// `$name`, `$name=kind`, `$=kind`, `$=kind(argument)`.
struct Slot<'a> {
    name: &'a str,
    kind: Option<(&'a str, &'a str)>,
}

impl<'a> Slot<'a> {
    /// The slot that a string is. `$$` at the start stands for one `$`.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('$')?;
        if text.starts_with('$') {
            return None;
        }
        let (name, kind) = match text.split_once('=') {
            Some((name, kind)) => (name, Some(kind)),
            None => (text, None),
        };
        let kind = kind.map(|kind| match kind.split_once('(') {
            Some((kind, argument)) => (kind, argument.strip_suffix(')').unwrap_or(argument)),
            None => (kind, ""),
        });
        Some(Self { name, kind })
    }
}

fn literal(text: &str) -> &str {
    match text.strip_prefix('$') {
        Some(rest) if rest.starts_with('$') => rest,
        _ => text,
    }
}

impl Bindings {
    fn value(&self, name: &str) -> Result<&Value, String> {
        self.values
            .get(name)
            .ok_or_else(|| format!("nothing is bound to ${name} yet"))
    }

    fn text(&self, name: &str) -> Result<&str, String> {
        let value = self.value(name)?;
        value
            .as_str()
            .ok_or_else(|| format!("${name} is no string but {value}"))
    }

    /// Binds, or compares with what is bound.
    pub(crate) fn bind(&mut self, name: &str, value: &Value) -> Result<(), String> {
        if name.is_empty() {
            return Ok(());
        }
        match self.values.get(name) {
            Some(bound) if bound == value => Ok(()),
            Some(bound) => Err(format!(
                "expected ${name}, which is {bound}, got {}",
                short(value)
            )),
            None => {
                self.values.insert(name.to_owned(), value.clone());
                Ok(())
            }
        }
    }

    /// The value to send for a pattern.
    pub(crate) fn fill(
        &mut self,
        pattern: &Value,
        credentials: &dyn Credentials,
    ) -> Result<Value, String> {
        Ok(match pattern {
            Value::String(text) => match Slot::parse(text) {
                Some(slot) => self.make(&slot, credentials)?,
                None => Value::from(literal(text)),
            },
            Value::Array(items) => {
                let fill = |item| self.fill(item, credentials);
                Value::Array(items.iter().map(fill).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let fill = |(key, value): (&String, &Value)| {
                    Ok((key.clone(), self.fill(value, credentials)?))
                };
                Value::Object(fields.iter().map(fill).collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    /// The attachments of what was filled in since this was asked last.
    pub(crate) fn attachments(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.attachments)
    }

    /// Text in which `$name` stands for what is bound to it.
    pub(crate) fn fill_text(&self, text: &str) -> Result<String, String> {
        let mut parts = text.split('$');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !c.is_alphanumeric());
            let (name, rest) = part.split_at(end.unwrap_or(part.len()));
            match self.value(name)? {
                Value::String(text) => filled.push_str(text),
                Value::Number(number) => filled.push_str(&number.to_string()),
                other => return Err(format!("${name} is no string or number but {other}")),
            }
            filled.push_str(rest);
        }
        Ok(filled)
    }

    fn make(&mut self, slot: &Slot<'_>, credentials: &dyn Credentials) -> Result<Value, String> {
        let Some((kind, argument)) = slot.kind else {
            return self.value(slot.name).cloned();
        };
        if !slot.name.is_empty() && self.values.contains_key(slot.name) {
            return Err(format!("${} is bound already", slot.name));
        }
        let made = match kind {
            "uuid" => Value::from(Uuid::from_u128(random()).hyphenated().to_string()),
            "upper" => Value::from(self.text(argument)?.to_uppercase()),
            "text" => Value::from(long_text(argument)?),
            "key" => Value::from(credentials.key(argument)?),
            "userkey" => Value::from(credentials.user_key(Some(self.value(argument)?))?),
            "bytes" => {
                self.attachments.push(argument.as_bytes().to_vec());
                json!({"_placeholder": true, "num": self.attachments.len() - 1})
            }
            "token" | "aging" => {
                let (name, app) = match argument.split_once(',') {
                    Some((name, app)) => (name.trim(), Some(app.trim())),
                    None => (argument, None),
                };
                let subject = self.value(name)?;
                Value::from(credentials.token(subject, app, kind == "aging")?)
            }
            other => return Err(format!("${other} is nothing that can be sent")),
        };
        self.bind(slot.name, &made)?;
        Ok(made)
    }

    /// Compares what came with a pattern. Objects must have the same keys, arrays the same length.
    /// An error says where the first difference is; `path` is where we are.
    pub(crate) fn compare(
        &mut self,
        pattern: &Value,
        actual: &Value,
        path: &str,
    ) -> Result<(), String> {
        match (pattern, actual) {
            (Value::String(text), _) => match Slot::parse(text) {
                Some(slot) => self
                    .compare_slot(&slot, actual)
                    .map_err(|difference| format!("at {path}: {difference}")),
                None => same(&Value::from(literal(text)), actual, path),
            },
            (Value::Array(patterns), Value::Array(items)) => {
                for (at, (pattern, item)) in patterns.iter().zip(items).enumerate() {
                    self.compare(pattern, item, &format!("{path}[{at}]"))?;
                }
                if patterns.len() == items.len() {
                    Ok(())
                } else {
                    let (expected, got) = (patterns.len(), items.len());
                    Err(format!("at {path}: expected {expected} items, got {got}"))
                }
            }
            (Value::Object(patterns), Value::Object(fields)) => {
                for (key, pattern) in patterns {
                    let field = fields
                        .get(key)
                        .ok_or_else(|| format!("at {path}: {key} is missing"))?;
                    self.compare(pattern, field, &format!("{path}.{key}"))?;
                }
                match fields.keys().find(|key| !patterns.contains_key(*key)) {
                    Some(key) => Err(format!("at {path}: {key} is one too many")),
                    None => Ok(()),
                }
            }
            _ => same(pattern, actual, path),
        }
    }

    fn compare_slot(&mut self, slot: &Slot<'_>, actual: &Value) -> Result<(), String> {
        let text = actual.as_str();
        let fits = match slot.kind {
            None | Some(("any", _)) => true,
            Some(("uuid", _)) => text.is_some_and(is_uuid),
            Some(("timestamp", _)) => text.is_some_and(is_timestamp),
            Some(("number", _)) => actual.is_number(),
            Some(("string", _)) => text.is_some(),
            Some(("list", argument)) => {
                let length = actual.as_array().map(|items| items.len().to_string());
                length.as_deref() == Some(argument)
            }
            Some(("text", argument)) => text == Some(&long_text(argument)?),
            Some((other, _)) => return Err(format!("${other} is nothing that can come")),
        };
        if !fits {
            let kind = slot.kind.map_or("", |(kind, _)| kind);
            return Err(format!("expected a {kind}, got {}", short(actual)));
        }
        // Ids that are new must be: two messages never share one.
        if matches!(slot.kind, Some(("uuid", _)))
            && !self.values.contains_key(slot.name)
            && let Some((name, _)) = self.values.iter().find(|(_, bound)| *bound == actual)
        {
            return Err(format!("expected a new id, got that of ${name}"));
        }
        self.bind(slot.name, actual)
    }
}

fn same(expected: &Value, actual: &Value, path: &str) -> Result<(), String> {
    if expected == actual {
        return Ok(());
    }
    let (expected, actual) = (short(expected), short(actual));
    Err(format!("at {path}: expected {expected}, got {actual}"))
}

/// JSON, cut where it gets long.
pub(crate) fn short(value: &Value) -> String {
    const LONGEST: usize = 300;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}... ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}

fn long_text(length: &str) -> Result<String, String> {
    let length: usize = length
        .parse()
        .map_err(|_| format!("text({length}) has no length"))?;
    Ok("x".repeat(length))
}

fn is_uuid(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|uuid| uuid.hyphenated().to_string() == text)
}

/// `2026-03-01T12:30:05.250Z`
fn is_timestamp(text: &str) -> bool {
    const FORM: &str = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == FORM.len()
        && text
            .chars()
            .zip(FORM.chars())
            .all(|(character, form)| match form {
                'd' => character.is_ascii_digit(),
                other => character == other,
            })
}

/// A random number, by the keys that the standard library draws for its maps.
fn random() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(0));
    (half() << 64) | half()
}

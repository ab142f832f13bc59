//! Writing what clients get: pieces of JSON into one string, without a tree in between.
//!
//! Showing a message is on the hot path, so these only append. See `payload` for reading.

use chat::{ExternalId, Refusal};
use uuid::Uuid;

/// Appends `text` as a JSON string.
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
    {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = special.chars();
        if let Some(character) = characters.next() {
            write_escape(out, character);
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// RFC 8259, section 7: the short forms where there are any.
fn write_escape(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        other => {
            let code = u32::from(other);
            out.push_str(if code < 0x10 { "\\u000" } else { "\\u001" });
            out.extend(char::from_digit(code & 0xf, 16));
        }
    }
}

/// Appends a UUID as a JSON string, in lower case.
pub fn write_uuid(out: &mut String, uuid: Uuid) {
    let mut buffer = Uuid::encode_buffer();
    out.push('"');
    out.push_str(uuid.hyphenated().encode_lower(&mut buffer));
    out.push('"');
}

/// Appends a user's id in the JSON type in which it first came.
pub fn write_external(out: &mut String, id: &ExternalId) {
    if id.number {
        out.push_str(&id.text);
    } else {
        write_text(out, &id.text);
    }
}

/// The argument of an acknowledgement that says no, alike in all dialects.
pub fn refused_ack(refusal: &Refusal, message: &str) -> String {
    let mut out = String::from(r#"{"success":false,"error":{"code":"#);
    write_text(&mut out, refusal.code());
    out.push_str(r#","message":"#);
    write_text(&mut out, message);
    out.push_str("}}");
    out
}

/// The argument of an `error` event.
pub fn error(refusal: &Refusal, message: &str) -> String {
    let mut out = String::from(r#"{"message":"#);
    write_text(&mut out, message);
    out.push_str(r#","code":"#);
    write_text(&mut out, refusal.code());
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = String::new();
        write_text(&mut out, text);
        out
    }

    #[test]
    fn only_what_must_be_escaped_is() {
        assert_eq!(written("שלום / 👋\u{2028}"), "\"שלום / 👋\u{2028}\"");
        assert_eq!(
            written("\0\u{1f}\u{8}\u{c}\n\r\t\"\\\u{7f}"),
            "\"\\u0000\\u001f\\b\\f\\n\\r\\t\\\"\\\\\u{7f}\""
        );
    }

    #[test]
    fn ids_keep_their_json_type() {
        let mut out = String::new();
        write_external(&mut out, &ExternalId::text("7"));
        let number = ExternalId {
            text: "7".to_owned(),
            number: true,
        };
        write_external(&mut out, &number);
        assert_eq!(out, "\"7\"7");
    }

    proptest! {
        #[test]
        fn texts_read_back_as_they_were(text in any::<String>()) {
            let back: String = serde_json::from_str(&written(&text)).unwrap();
            prop_assert_eq!(back, text);
        }

        #[test]
        fn texts_with_many_escapes_read_back_as_they_were(text in "[\\x00-\\x22\\\\a]{0,64}") {
            let back: String = serde_json::from_str(&written(&text)).unwrap();
            prop_assert_eq!(back, text);
        }
    }
}

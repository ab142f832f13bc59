//! Writing JSON that cannot fail to be written.

use serde::Serialize;

/// `value` as JSON. For this crate's own types and strings: nothing that can refuse to be serialised.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("strings, numbers and lists of them always serialise")
}

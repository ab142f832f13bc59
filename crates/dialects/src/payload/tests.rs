//! What is read of payloads, and what is refused.
#![allow(clippy::unwrap_used)]

use super::*;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn number(json: &str) -> Result<Option<u64>, Refusal> {
    Field::argument("n", Some(&raw(json))).optional_whole(1, "must be whole")
}

#[test]
fn fields_are_found_in_any_order_and_others_skipped() {
    let payload = raw(r#" {"x":[{"a":1}], "b":"two", "\u0061":"one", "\ud800":0} "#);
    let [a, b, c] = fields(Some(&payload), ["a", "b", "c"], "must be an object").unwrap();
    assert_eq!(a.text().unwrap(), "one");
    assert_eq!(b.text().unwrap(), "two");
    assert_eq!(c.text().unwrap_err().to_string(), "c is missing");
}

#[test]
fn the_last_of_two_equal_fields_counts() {
    let payload = raw(r#"{"a":"first","a":"last"}"#);
    let [a] = fields(Some(&payload), ["a"], "must be an object").unwrap();
    assert_eq!(a.text().unwrap(), "last");
}

#[test]
fn what_is_no_object_is_refused() {
    for json in ["[]", "null", "\"{}\"", "7", "true"] {
        let payload = raw(json);
        let refusal = fields(Some(&payload), ["a"], "must be an object").unwrap_err();
        assert_eq!(refusal.to_string(), "payload must be an object", "{json}");
    }
    assert!(fields(None, ["a"], "must be an object").is_err());
}

#[test]
fn whole_numbers_may_be_written_with_a_point_or_an_exponent() {
    for (json, expected) in [
        ("1", 1),
        ("20", 20),
        ("20.0", 20),
        ("2e1", 20),
        ("2000e-2", 20),
        ("9007199254740991", 9_007_199_254_740_991),
    ] {
        assert_eq!(number(json), Ok(Some(expected)), "{json}");
    }
}

#[test]
fn what_is_no_whole_number_in_range_is_refused() {
    for json in [
        "0",
        "-0",
        "-1",
        "0.5",
        "1.5",
        "1e400",
        "9007199254740992",
        "\"1\"",
        "null",
        "true",
        "[1]",
        "{}",
    ] {
        assert!(number(json).is_err(), "{json}");
    }
    let absent = Field::argument("n", None).optional_whole(1, "must be whole");
    assert_eq!(absent, Ok(None));
}

#[test]
fn a_whole_number_lies_in_its_range() {
    let whole = |json: &str| Field::argument("n", Some(&raw(json))).whole(2..=10, "is wrong");
    assert_eq!(whole("2"), Ok(2));
    assert_eq!(whole("1e1"), Ok(10));
    for json in [
        "1",
        "11",
        "4294967298",
        "2.5",
        "-2",
        "\"2\"",
        "null",
        "true",
    ] {
        assert_eq!(whole(json), Err(invalid("n", "is wrong")), "{json}");
    }
    let absent = Field::argument("n", None).whole(2..=10, "is wrong");
    assert_eq!(absent, Err(invalid("n", "is missing")));
}

#[test]
fn truth_is_no_number_and_no_string() {
    let flag = |json: &str| Field::argument("b", Some(&raw(json))).flag();
    assert_eq!((flag("true"), flag("false")), (Ok(true), Ok(false)));
    for json in ["1", "\"true\"", "null", "[]"] {
        assert!(flag(json).is_err(), "{json}");
    }
}

#[test]
fn words_are_not_blank_and_have_no_space_around_them() {
    let words = |json: &str| Field::argument("w", Some(&raw(json))).words(3, "is wrong");
    assert_eq!(words(r#"" a""#).as_deref(), Ok("a"));
    for json in [r#""""#, r#""  ""#, r#""abcd""#, "1"] {
        assert!(words(json).is_err(), "{json}");
    }
}

#[test]
fn uuids_have_one_form_in_either_case() {
    let uuid = |json: &str| Field::argument("id", Some(&raw(json))).uuid();
    let expected = Uuid::from_u128(0x0123_4567_89ab_4cde_8f01_2345_6789_abcd);
    for json in [
        r#""01234567-89ab-4cde-8f01-23456789abcd""#,
        r#""01234567-89AB-4CDE-8F01-23456789ABCD""#,
        r#""\u00301234567-89ab-4cde-8f01-23456789abcd""#,
    ] {
        assert_eq!(uuid(json), Ok(expected), "{json}");
    }
    for json in [
        r#""0123456789ab4cde8f0123456789abcd""#,
        r#""{01234567-89ab-4cde-8f01-23456789abcd}""#,
        r#""urn:uuid:01234567-89ab-4cde-8f01-23456789abcd""#,
        r#""g1234567-89ab-4cde-8f01-23456789abcd""#,
        r#"" 01234567-89ab-4cde-8f01-23456789abc""#,
        r#""""#,
        "12",
        "null",
    ] {
        assert_eq!(
            uuid(json).unwrap_err().to_string(),
            "id must be a UUID",
            "{json}"
        );
    }
}

#[test]
fn numbers_may_stand_as_digits_in_a_string() {
    let number =
        |json: &str| Field::argument("n", Some(&raw(json))).number_or_digits("must be one");
    for (json, expected) in [
        ("668", 668),
        (r#""668""#, 668),
        (r#""\u0036""#, 6),
        ("1.0", 1),
        ("9007199254740991", 9_007_199_254_740_991),
        (r#""9007199254740991""#, 9_007_199_254_740_991),
    ] {
        assert_eq!(number(json), Ok(expected), "{json}");
    }
    for json in [
        "0",
        "-1",
        "1.5",
        "1e400",
        "9007199254740992",
        r#""9007199254740992""#,
        r#""99999999999999999999""#,
        r#""0""#,
        r#""""#,
        r#""+5""#,
        r#"" 5""#,
        r#""5a""#,
        "null",
        "true",
        "[5]",
        "{}",
    ] {
        let refused = number(json).unwrap_err().to_string();
        assert_eq!(refused, "n must be one", "{json}");
    }
    let missing = Field::argument("n", None).number_or_digits("must be one");
    assert_eq!(missing.unwrap_err().to_string(), "n is missing");
}

#[test]
fn ids_of_the_apps_own_are_strings_or_whole_numbers() {
    let id = |json: &str| Field::argument("id", Some(&raw(json))).external_id();
    for (json, text, number) in [
        ("2", "2", true),
        ("-7", "-7", true),
        ("-0", "0", true),
        ("2.0", "2", true),
        ("9007199254740991", "9007199254740991", true),
        (r#""2""#, "2", false),
        (r#"" ü ""#, " ü ", false),
    ] {
        let id = id(json).unwrap();
        assert_eq!((id.text.as_str(), id.number), (text, number), "{json}");
    }
    assert_eq!(
        id(&format!("{:?}", "x".repeat(256))).unwrap().text.len(),
        256
    );
    let long = format!("{:?}", "x".repeat(257));
    for json in [
        "2.5",
        "1e999",
        "9007199254740992",
        "null",
        "true",
        "[2]",
        "{}",
        r#""""#,
        r#"" ""#,
        &long,
    ] {
        assert_eq!(
            id(json).unwrap_err().to_string(),
            "id must be a whole number or a string of 1 to 256 bytes",
            "{json}"
        );
    }
    let missing = Field::argument("id", None).external_id().unwrap_err();
    assert_eq!(missing.to_string(), "id is missing");
}

#[test]
fn a_number_may_stand_for_a_text() {
    let price =
        |json: &str| Field::argument("price", Some(&raw(json))).text_or_number(6, "must be short");
    for (json, text) in [
        ("299", "299"),
        ("299.99", "299.99"),
        ("2.5e2", "250"),
        (r#""""#, ""),
        (r#""2,9€""#, "2,9€"),
    ] {
        assert_eq!(price(json).as_deref(), Ok(text), "{json}");
    }
    for json in ["1e999", "1234567", "null", "true", "[]", r#""1234567""#] {
        let refused = price(json).unwrap_err().to_string();
        assert_eq!(refused, "price must be short", "{json}");
    }
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    let refusal = Field::argument("body", Some(&raw(r#""a\ud83d""#)))
        .text()
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "body must be valid Unicode, without half surrogate pairs"
    );
}

#[test]
fn labels_are_measured_in_bytes() {
    let label =
        |json: &str| Field::argument("l", Some(&raw(json))).optional_label(4, "must be short");
    assert_eq!(label(r#""éé""#), Ok(Some("éé".to_owned())));
    assert!(label(r#""ééa""#).is_err());
    assert!(label(r#""""#).is_err());
    assert!(label("null").is_err());
    assert_eq!(
        Field::argument("l", None).optional_label(4, "must be short"),
        Ok(None)
    );
}

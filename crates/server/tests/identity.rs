//! Tokens: every way in which one can be good, and every way in which one can be bad.
//!
//! The tokens are put together here by hand, so that what is verified is not signed by the same code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chat::{
    App, AppId, ExternalId, Identity, Role, Subject, Timestamp, model::Secret, room::Standing,
};
use serde_json::{Value, json};
use server::identity::{
    TokenError, Verified, public,
    token::{MAX_SUBJECT_BYTES, MAX_TOKEN_BYTES, sign},
    verify,
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// `NOW` as tokens tell the time.
const NOW_SECONDS: i64 = 1_800_000_000;
/// Makes a signature.
type Signer = fn(&[u8]) -> Vec<u8>;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

static RSA: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
static P256: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap());
static P384: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap());
static ED: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::generate().unwrap());

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with this header and payload, signed by `signer` over whatever they are.
fn token_of(header: &Value, payload: &Value, signer: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!(
        "{}.{}",
        base64url(header.to_string()),
        base64url(payload.to_string())
    );
    let signature = signer(message.as_bytes());
    format!("{message}.{}", base64url(signature))
}

fn hs256(secret: &str) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    move |message| hmac::sign(&key, message).as_ref().to_vec()
}

fn rs256(message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; RSA.public_modulus_len()];
    RSA.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .unwrap();
    signature
}

fn es256(message: &[u8]) -> Vec<u8> {
    P256.sign(&SystemRandom::new(), message)
        .unwrap()
        .as_ref()
        .to_vec()
}

fn eddsa(message: &[u8]) -> Vec<u8> {
    ED.sign(message).as_ref().to_vec()
}

fn pem<K: AsDer<PublicKeyX509Der<'static>>>(key: &K) -> String {
    let der = key.as_der().unwrap();
    let text = STANDARD.encode(der.as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

fn all_pem() -> String {
    [
        pem(RSA.public_key()),
        pem(P256.public_key()),
        pem(ED.public_key()),
    ]
    .concat()
}

fn rsa_jwk() -> Value {
    let public = RSA.public_key();
    json!({
        "kty": "RSA",
        "n": base64url(public.modulus().big_endian_without_leading_zero()),
        "e": base64url(public.exponent().big_endian_without_leading_zero()),
    })
}

fn p256_jwk() -> Value {
    let point = P256.public_key().as_ref();
    json!({
        "kty": "EC", "crv": "P-256",
        "x": base64url(&point[1..33]), "y": base64url(&point[33..65]),
    })
}

fn ed_jwk() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(ED.public_key()) })
}

/// `jwk` with further members.
fn with(mut jwk: Value, mut more: Value) -> Value {
    for (name, value) in more.as_object_mut().unwrap() {
        jwk[name] = value.take();
    }
    jwk
}

fn app(secret: &str, public_keys: &str) -> App {
    App {
        id: AppId(1),
        uuid: uuid::Uuid::from_u128(1),
        name: "test".to_owned(),
        identity: Identity::Verified,
        is_default: true,
        max_text_bytes: 1_000,
        secret: Secret(secret.to_owned()),
        public_keys: public_keys.to_owned(),
        created_at: NOW,
    }
}

/// What an app with a shared secret makes of a payload.
fn verify_payload(payload: &Value) -> Result<Verified, TokenError> {
    let token = token_of(&json!({"alg": "HS256"}), payload, hs256(SECRET));
    verify(&app(SECRET, ""), &token, NOW)
}

#[test]
fn every_algorithm_verifies_with_the_right_key_alone() {
    let payload = json!({"sub": "u"});
    let app = app(SECRET, &all_pem());
    for (name, algorithm) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
    ] {
        let signed = |secret: &str| {
            let key = hmac::Key::new(algorithm, secret.as_bytes());
            token_of(&json!({"alg": name, "typ": "JWT"}), &payload, |message| {
                hmac::sign(&key, message).as_ref().to_vec()
            })
        };
        assert!(verify(&app, &signed(SECRET), NOW).is_ok(), "{name}");
        let wrong = verify(&app, &signed("another secret"), NOW);
        assert_eq!(wrong, Err(TokenError::BadSignature), "{name}");
    }
    for (name, signer, others) in [
        (
            "RS256",
            rs256 as Signer,
            [pem(P256.public_key()), pem(ED.public_key())],
        ),
        (
            "ES256",
            es256 as Signer,
            [pem(RSA.public_key()), pem(ED.public_key())],
        ),
        (
            "EdDSA",
            eddsa as Signer,
            [pem(RSA.public_key()), pem(P256.public_key())],
        ),
    ] {
        let token = token_of(&json!({ "alg": name }), &payload, signer);
        assert!(verify(&app, &token, NOW).is_ok(), "{name}");
        let mut changed = token.clone().into_bytes();
        let place = changed.len() - 20;
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(
            verify(&app, &changed, NOW),
            Err(TokenError::BadSignature),
            "{name}"
        );
        let strangers = self::app(SECRET, &others.concat());
        assert_eq!(
            verify(&strangers, &token, NOW),
            Err(TokenError::NoKeyForAlgorithm),
            "{name}"
        );
        let without = self::app(SECRET, "");
        assert_eq!(
            verify(&without, &token, NOW),
            Err(TokenError::NoKeyForAlgorithm),
            "{name}"
        );
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let payload = json!({"sub": "admin"});
    let public = pem(RSA.public_key());
    // The classic: sign with HMAC, using the public key's text as the secret.
    for text in [public.as_str(), public.trim(), ""] {
        let token = token_of(&json!({"alg": "HS256"}), &payload, hs256(text));
        let with_secret = verify(&app(SECRET, &public), &token, NOW);
        assert_eq!(with_secret, Err(TokenError::BadSignature));
        let without_secret = verify(&app("", &public), &token, NOW);
        assert_eq!(without_secret, Err(TokenError::NoKeyForAlgorithm));
    }
    // A signature of one kind under the name of another.
    let app = app(SECRET, &all_pem());
    let token = token_of(&json!({"alg": "ES256"}), &payload, rs256);
    assert_eq!(verify(&app, &token, NOW), Err(TokenError::BadSignature));
    let token = token_of(&json!({"alg": "EdDSA"}), &payload, es256);
    assert_eq!(verify(&app, &token, NOW), Err(TokenError::BadSignature));
}

#[test]
fn other_algorithms_are_not_supported() {
    let app = app(SECRET, &all_pem());
    for name in [
        "none", "None", "NONE", "nOnE", "", "hs256", "RS384", "RS512", "PS256", "ES384", "ES512",
        "ES256K", "HS1", "RSA-OAEP", "dir",
    ] {
        for signer in [hs256(SECRET), hs256("")] {
            let token = token_of(&json!({ "alg": name }), &json!({"sub": "u"}), signer);
            let refused = verify(&app, &token, NOW);
            assert_eq!(refused, Err(TokenError::UnsupportedAlgorithm), "{name:?}");
        }
        let unsigned = token_of(&json!({ "alg": name }), &json!({"sub": "u"}), |_| {
            Vec::new()
        });
        let refused = verify(&app, &unsigned, NOW);
        assert_eq!(refused, Err(TokenError::UnsupportedAlgorithm), "{name:?}");
    }
    let empty = token_of(&json!({"alg": "HS256"}), &json!({"sub": "u"}), |_| {
        Vec::new()
    });
    assert_eq!(verify(&app, &empty, NOW), Err(TokenError::BadSignature));
}

#[test]
fn what_is_no_token_is_malformed() {
    let app = app(SECRET, "");
    let good = token_of(
        &json!({"alg": "HS256"}),
        &json!({"sub": "u"}),
        hs256(SECRET),
    );
    let payload = base64url(json!({"sub": "u"}).to_string());
    let head = |json: Value| base64url(json.to_string());
    let cases = [
        "x".to_owned(),
        "..".to_owned(),
        "a.b".to_owned(),
        "a.b.c.d".to_owned(),
        good.replacen('.', "", 1),
        format!(" {good}"),
        format!("Bearer {good}"),
        format!("{}.{payload}.x", base64url("no json")),
        format!("{}.{payload}.x", head(json!([]))),
        format!("{}.{payload}.x", head(json!({}))),
        format!("{}.{payload}.x", head(json!({"alg": 5}))),
        format!("{}.{payload}.x", head(json!({"alg": null}))),
        format!("{}.{payload}.x", head(json!({"alg": "HS256", "kid": 5}))),
        token_of(
            &json!({"alg": "HS256", "crit": ["b64"], "b64": false}),
            &json!({"sub": "u"}),
            hs256(SECRET),
        ),
        "\u{1F600}.\u{1F600}.\u{1F600}".to_owned(),
    ];
    for token in cases {
        assert_eq!(
            verify(&app, &token, NOW),
            Err(TokenError::Malformed),
            "{token}"
        );
    }
    // With padding it is another text than the one that was signed.
    assert!(verify(&app, &format!("{good}="), NOW).is_err());
    assert_eq!(verify(&app, "", NOW), Err(TokenError::Missing));
    let long = format!("{good}{}", "A".repeat(MAX_TOKEN_BYTES));
    assert_eq!(verify(&app, &long, NOW), Err(TokenError::TooLarge));
    // Signed, but the payload is no object.
    for payload in [json!([]), json!("text"), json!(null)] {
        assert_eq!(
            verify_payload(&payload),
            Err(TokenError::NoSubject),
            "{payload}"
        );
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let message = format!("{}.{}", head(json!({"alg": "HS256"})), base64url("{"));
    let signature = base64url(hmac::sign(&key, message.as_bytes()));
    assert_eq!(
        verify(&app, &format!("{message}.{signature}"), NOW),
        Err(TokenError::Malformed)
    );
}

#[test]
fn a_token_has_its_time() {
    let at = |payload: Value| verify_payload(&with(payload, json!({"sub": "u"})));
    let ends = |seconds: i64| Ok(Some(Timestamp(seconds * 1_000)));
    let cases = [
        (json!({}), Ok(None)),
        (json!({"exp": null, "nbf": null}), Ok(None)),
        // Five seconds of leeway are in the end that is told.
        (json!({"exp": NOW_SECONDS + 60}), ends(NOW_SECONDS + 65)),
        (json!({"exp": NOW_SECONDS - 4}), ends(NOW_SECONDS + 1)),
        (json!({"exp": NOW_SECONDS - 5}), Err(TokenError::Expired)),
        (
            json!({"exp": NOW_SECONDS - 3_600}),
            Err(TokenError::Expired),
        ),
        (json!({"exp": 0}), Err(TokenError::Expired)),
        (json!({"exp": -1}), Err(TokenError::Expired)),
        (
            json!({"exp": 1_799_999_996.5}),
            Ok(Some(Timestamp(NOW.0 + 1_500))),
        ),
        (json!({"exp": 1e300}), Ok(Some(Timestamp(i64::MAX)))),
        (json!({"exp": "soon"}), Err(TokenError::BadTime)),
        (json!({"exp": true}), Err(TokenError::BadTime)),
        (json!({"exp": [NOW_SECONDS + 60]}), Err(TokenError::BadTime)),
        (json!({"nbf": NOW_SECONDS}), Ok(None)),
        (json!({"nbf": NOW_SECONDS + 5}), Ok(None)),
        (
            json!({"nbf": NOW_SECONDS + 6}),
            Err(TokenError::NotYetValid),
        ),
        (json!({"nbf": 1e300}), Err(TokenError::NotYetValid)),
        (json!({"nbf": "later"}), Err(TokenError::BadTime)),
        (
            json!({"exp": NOW_SECONDS - 60, "nbf": NOW_SECONDS + 60}),
            Err(TokenError::Expired),
        ),
    ];
    for (payload, expected) in cases {
        let found = at(payload.clone()).map(|verified| verified.expires_at);
        assert_eq!(found, expected, "{payload}");
    }
}

#[test]
fn the_subject_is_found_where_apps_put_it() {
    let text = |text: &str| Ok((text.to_owned(), false));
    let number = |text: &str| Ok((text.to_owned(), true));
    let longest = "x".repeat(MAX_SUBJECT_BYTES);
    let cases = [
        (json!({"sub": "u1"}), text("u1")),
        (
            json!({"sub": "u1", "id": "u2", "data": {"id": "u3"}}),
            text("u1"),
        ),
        (json!({"id": "u2", "data": {"id": "u3"}}), text("u2")),
        (json!({"data": {"id": "u3"}}), text("u3")),
        (
            json!({"sub": null, "id": null, "data": {"id": 3}}),
            number("3"),
        ),
        (json!({"sub": 42}), number("42")),
        (json!({"sub": "42"}), text("42")),
        (json!({"sub": -7}), number("-7")),
        (json!({"sub": u64::MAX}), number("18446744073709551615")),
        (json!({"sub": " ada "}), text(" ada ")),
        (json!({"sub": longest}), text(&longest)),
        (json!({}), Err(TokenError::NoSubject)),
        (json!({"data": 5}), Err(TokenError::NoSubject)),
        (json!({"name": "ada"}), Err(TokenError::NoSubject)),
        (json!({"sub": ""}), Err(TokenError::BadSubject)),
        (json!({"sub": " \t"}), Err(TokenError::BadSubject)),
        (json!({"sub": 1.5}), Err(TokenError::BadSubject)),
        (
            json!({"sub": true, "id": "u2"}),
            Err(TokenError::BadSubject),
        ),
        (json!({"sub": {"id": 1}}), Err(TokenError::BadSubject)),
        (json!({"sub": ["u"]}), Err(TokenError::BadSubject)),
        (
            json!({"sub": format!("{longest}x")}),
            Err(TokenError::BadSubject),
        ),
    ];
    for (payload, expected) in cases {
        let found = verify_payload(&payload)
            .map(|verified| (verified.subject.id.text, verified.subject.id.number));
        assert_eq!(found, expected, "{payload}");
    }
}

#[test]
fn the_role_is_one_of_three_or_none() {
    let cases = [
        (json!({}), None),
        (json!({"role": "customer"}), Some(Role::Customer)),
        (json!({"role": "vendor"}), Some(Role::Vendor)),
        (json!({"role": "ADMIN"}), Some(Role::Admin)),
        (json!({"types": ["vendor", "admin"]}), Some(Role::Vendor)),
        (
            json!({"types": ["vendor"], "role": "admin"}),
            Some(Role::Vendor),
        ),
        (json!({"types": [], "role": "admin"}), Some(Role::Admin)),
        (json!({"types": "vendor"}), None),
        (json!({"role": "moderator"}), None),
        (json!({"role": 5}), None),
    ];
    for (payload, expected) in cases {
        let verified = verify_payload(&with(payload.clone(), json!({"sub": "u"}))).unwrap();
        assert_eq!(verified.subject.role, expected, "{payload}");
    }
}

#[test]
fn what_a_token_says_of_a_viewer_is_taken_or_unknown() {
    let cases = [
        (json!({}), None, None, 0),
        (json!({"name": "Ada"}), Some("Ada"), None, 0),
        (json!({"name": "  "}), None, None, 0),
        (json!({"name": 5}), None, None, 0),
        (json!({"name": "x".repeat(257)}), None, None, 0),
        (
            json!({"follower_since": "2026-03-01T13:30:05+01:00"}),
            None,
            Some(1_772_368_205_000),
            0,
        ),
        (
            json!({"follower_since": 1_772_368_205.25}),
            None,
            Some(1_772_368_205_250),
            0,
        ),
        (json!({"follower_since": "yesterday"}), None, None, 0),
        (json!({"follower_since": -1}), None, None, 0),
        (json!({"follower_since": 1e300}), None, None, 0),
        (json!({"follower_since": true}), None, None, 0),
        (json!({"subscriber_months": 1_200}), None, None, 1_200),
        (json!({"subscriber_months": 1_201}), None, None, 0),
        (json!({"subscriber_months": -1}), None, None, 0),
        (json!({"subscriber_months": 1.5}), None, None, 0),
        (json!({"subscriber_months": "3"}), None, None, 0),
    ];
    for (payload, name, since, months) in cases {
        let verified = verify_payload(&with(payload.clone(), json!({"sub": "u"}))).unwrap();
        let Subject {
            name: is, standing, ..
        } = verified.subject;
        assert_eq!(is.as_deref(), name, "{payload}");
        assert_eq!(standing.follower_since, since.map(Timestamp), "{payload}");
        assert_eq!(standing.subscriber_months, months, "{payload}");
    }
}

#[test]
fn a_key_of_a_set_is_chosen_by_its_name() {
    let set = json!({"keys": [
        with(rsa_jwk(), json!({"kid": "r", "alg": "RS256", "use": "sig"})),
        with(p256_jwk(), json!({"kid": "e"})),
        with(ed_jwk(), json!({"kid": "d", "key_ops": ["verify"]})),
        // For encryption: nothing of ours, and passed over.
        with(rsa_jwk(), json!({"kid": "other", "use": "enc"})),
    ]});
    let app = app("", &set.to_string());
    let payload = json!({"sub": "u"});
    let cases: [(Value, Signer, Result<(), TokenError>); 8] = [
        (json!({"alg": "RS256", "kid": "r"}), rs256, Ok(())),
        (json!({"alg": "ES256", "kid": "e"}), es256, Ok(())),
        (json!({"alg": "EdDSA", "kid": "d"}), eddsa, Ok(())),
        (json!({"alg": "RS256"}), rs256, Ok(())),
        (
            json!({"alg": "RS256", "kid": "x"}),
            rs256,
            Err(TokenError::UnknownKeyId),
        ),
        (
            json!({"alg": "RS256", "kid": "e"}),
            rs256,
            Err(TokenError::UnknownKeyId),
        ),
        (
            json!({"alg": "RS256", "kid": "other"}),
            rs256,
            Err(TokenError::UnknownKeyId),
        ),
        (
            json!({"alg": "RS256", "kid": "r"}),
            es256,
            Err(TokenError::BadSignature),
        ),
    ];
    for (header, signer, expected) in cases {
        let token = token_of(&header, &payload, signer);
        assert_eq!(verify(&app, &token, NOW).map(|_| ()), expected, "{header}");
    }
    // Keys without names fit every name.
    for keys in [
        json!({"keys": [rsa_jwk()]}).to_string(),
        rsa_jwk().to_string(),
        pem(RSA.public_key()),
    ] {
        let app = self::app("", &keys);
        let token = token_of(&json!({"alg": "RS256", "kid": "anything"}), &payload, rs256);
        assert!(verify(&app, &token, NOW).is_ok());
    }
}

#[test]
fn public_keys_that_cannot_be_used_are_refused_with_words() {
    let short = URL_SAFE_NO_PAD.encode([0x81; 128]);
    let cases = [
        (String::new(), "neither PEM text nor a JWK set"),
        ("hello".to_owned(), "neither PEM text nor a JWK set"),
        ("{".to_owned(), "no JWK set"),
        (json!({"keys": []}).to_string(), "hold no key"),
        (
            json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string(),
            "shared secret",
        ),
        (
            json!({"keys": [{"kty": "RSA", "n": short, "e": "AQAB"}]}).to_string(),
            "2048",
        ),
        (
            json!({"keys": [with(p256_jwk(), json!({"crv": "P-384"}))]}).to_string(),
            "neither RSA, P-256 nor Ed25519",
        ),
        (
            json!({"keys": [with(rsa_jwk(), json!({"alg": "RS512", "kid": "big"}))]}).to_string(),
            "another algorithm than RS256 (kid \"big\")",
        ),
        (pem(P384.public_key()), "not on P-256"),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n".to_owned(),
            "without an end",
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned(),
            "no RSA, P-256 or Ed25519 public key",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned(),
            "private key",
        ),
        (pem(ED.public_key()).repeat(17), "are 17, and at most 16"),
        ("x".repeat(public::MAX_BYTES + 1), "longer than"),
    ];
    for (text, words) in cases {
        let Err(found) = public::read(&text) else {
            panic!("these keys must be refused ({words}): {text}");
        };
        assert!(found.contains(words), "{found:?} does not say {words:?}");
    }
    assert_eq!(public::read(&all_pem()).unwrap().len(), 3);
}

#[test]
fn what_the_command_line_signs_verifies() {
    let app = app(SECRET, "");
    let subject = Subject {
        name: Some("Ada L.".to_owned()),
        standing: Standing {
            follower_since: Some(Timestamp(1_772_368_205_250)),
            subscriber_months: 7,
        },
        ..Subject::new(ExternalId::text("ada"), Some(Role::Vendor))
    };
    let token = sign(&app, &subject, NOW, 60).unwrap();
    let verified = verify(&app, &token, NOW).unwrap();
    assert_eq!(verified.subject, subject);
    assert_eq!(verified.expires_at, Some(Timestamp(NOW.0 + 65_000)));
    let later = Timestamp(NOW.0 + 65_000);
    assert_eq!(verify(&app, &token, later), Err(TokenError::Expired));

    let other = self::app("another secret", "");
    assert_eq!(verify(&other, &token, NOW), Err(TokenError::BadSignature));
    let without = self::app("", &all_pem());
    assert_eq!(
        sign(&without, &subject, NOW, 60),
        Err(TokenError::NoKeyForAlgorithm)
    );
    let nobody = Subject::new(ExternalId::text(" "), None);
    assert_eq!(sign(&app, &nobody, NOW, 60), Err(TokenError::BadSubject));
    assert!(verify(&app, &sign(&app, &subject, NOW, u64::MAX).unwrap(), NOW).is_ok());
}

#[test]
fn every_refusal_has_a_code_and_words_of_its_own() {
    let all = [
        TokenError::Missing,
        TokenError::TooLarge,
        TokenError::Malformed,
        TokenError::UnsupportedAlgorithm,
        TokenError::NoKeyForAlgorithm,
        TokenError::UnknownKeyId,
        TokenError::BadSignature,
        TokenError::Expired,
        TokenError::NotYetValid,
        TokenError::BadTime,
        TokenError::NoSubject,
        TokenError::BadSubject,
    ];
    let codes: std::collections::HashSet<_> = all.iter().map(TokenError::code).collect();
    let words: std::collections::HashSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!((codes.len(), words.len()), (all.len(), all.len()));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_verifier_panic(text in "\\PC{0,200}", header in "\\PC{0,60}", payload in "\\PC{0,60}") {
        let app = app(SECRET, "");
        proptest::prop_assert!(verify(&app, &text, NOW).is_err());
        let made = format!("{}.{}.{}", base64url(header), base64url(payload), base64url("x"));
        proptest::prop_assert!(verify(&app, &made, NOW).is_err());
        let _ = public::read(&text);
    }
}

//! JSON Web Tokens (RFC 7519, RFC 7515): verified against the keys of one app, and signed for tests
//! and scripts with the app's shared secret.
//!
//! The algorithm in a token's header only chooses among what the app's key record allows: an HMAC
//! is checked with the secret and nothing else, a signature with the public keys of its own kind
//! and nothing else. So a public key can never be taken for a secret, and `none` is no algorithm.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chat::{App, ExternalId, Role, Subject, Timestamp, room::Standing};
use dialects::timestamp::{Rfc3339, read_timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use serde::Deserialize;
use serde_json::{Value, json};

use super::public::{self, PublicKey};

/// Longest token, in bytes. Request heads have 16 KiB in all.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Longest user id, in bytes.
pub const MAX_SUBJECT_BYTES: usize = 256;
/// Longest time of a subscription that is believed, in months.
const MAX_MONTHS: u64 = 1_200;
/// The end of the year 9999, in seconds since 1970.
const END_OF_TIME: f64 = 253_402_300_799.0;
/// How far the clocks of the token's maker and this server may be apart.
const LEEWAY_MS: i64 = 5_000;

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who its holder is.
    pub subject: Subject,
    /// When it ends, if it does; the leeway is in it.
    pub expires_at: Option<Timestamp>,
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// There is none, or an empty one.
    Missing,
    /// More than [`MAX_TOKEN_BYTES`].
    TooLarge,
    /// Not three parts of base64url with JSON in the first two.
    Malformed,
    /// An algorithm that no app can use, such as `none`.
    UnsupportedAlgorithm,
    /// An algorithm for which this app has no key.
    NoKeyForAlgorithm,
    /// The token names a key that the app's set does not hold.
    UnknownKeyId,
    /// Not signed by this app: another secret or key, or changed afterwards.
    BadSignature,
    /// `exp` is past.
    Expired,
    /// `nbf` is to come.
    NotYetValid,
    /// `exp` or `nbf` is no number.
    BadTime,
    /// Neither `sub`, `id` nor `data.id` is there.
    NoSubject,
    /// The subject is no string or whole number, blank, or longer than [`MAX_SUBJECT_BYTES`].
    BadSubject,
}

impl TokenError {
    /// A short name that does not change between releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::TooLarge => "token_too_large",
            Self::Malformed => "token_malformed",
            Self::UnsupportedAlgorithm => "token_algorithm_unsupported",
            Self::NoKeyForAlgorithm => "token_algorithm_without_key",
            Self::UnknownKeyId => "token_key_unknown",
            Self::BadSignature => "token_signature_wrong",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::BadTime => "token_time_invalid",
            Self::NoSubject => "token_subject_missing",
            Self::BadSubject => "token_subject_invalid",
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("a token is needed"),
            Self::TooLarge => write!(f, "the token is longer than {MAX_TOKEN_BYTES} bytes"),
            Self::Malformed => f.write_str("the token is malformed"),
            Self::UnsupportedAlgorithm => f.write_str("the token's algorithm is not supported"),
            Self::NoKeyForAlgorithm => f.write_str("this app has no key for the token's algorithm"),
            Self::UnknownKeyId => f.write_str("this app has no key with the token's kid"),
            Self::BadSignature => f.write_str("the token's signature is wrong"),
            Self::Expired => f.write_str("the token has expired"),
            Self::NotYetValid => f.write_str("the token is not valid yet"),
            Self::BadTime => f.write_str("the token's exp and nbf must be numbers"),
            Self::NoSubject => f.write_str("the token names no subject"),
            Self::BadSubject => write!(
                f,
                "the token's subject must be a string or a whole number, not blank and at most {MAX_SUBJECT_BYTES} bytes"
            ),
        }
    }
}

impl std::error::Error for TokenError {}

/// The part of the header (RFC 7515, section 4.1) that matters here.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// Verifies `token` against the keys of `app` alone, as of `now`.
///
/// # Errors
/// The first reason for which the token is refused. What a token claims is looked at only once its
/// signature has been found good.
pub fn verify(app: &App, token: &str, now: Timestamp) -> Result<Verified, TokenError> {
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLarge);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (head, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let head: Head = read_part(head)?;
    // Extensions that must be understood are not (RFC 7515, section 4.1.11).
    if head.crit.is_some() {
        return Err(TokenError::Malformed);
    }
    check_signature(app, &head, message, signature)?;
    let claims: Value = read_part(claims)?;
    let expires_at = check_times(&claims, now)?;
    Ok(Verified {
        subject: Subject {
            id: read_subject(&claims)?,
            role: read_role(&claims),
            name: read_name(&claims),
            standing: read_standing(&claims),
        },
        expires_at,
    })
}

fn read_part<'a, T: for<'de> Deserialize<'de>>(part: &'a str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

fn check_signature(
    app: &App,
    head: &Head,
    message: &str,
    signature: &str,
) -> Result<(), TokenError> {
    let matches = |key: &DecodingKey, algorithm| {
        crypto::verify(signature, message.as_bytes(), key, algorithm).unwrap_or(false)
    };
    let algorithm = match head.alg.as_str() {
        "HS256" => Algorithm::HS256,
        "HS384" => Algorithm::HS384,
        "HS512" => Algorithm::HS512,
        "RS256" => Algorithm::RS256,
        "ES256" => Algorithm::ES256,
        "EdDSA" => Algorithm::EdDSA,
        _ => return Err(TokenError::UnsupportedAlgorithm),
    };
    if matches!(
        algorithm,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
    ) {
        if app.secret.0.is_empty() {
            return Err(TokenError::NoKeyForAlgorithm);
        }
        let key = DecodingKey::from_secret(app.secret.0.as_bytes());
        return if matches(&key, algorithm) {
            Ok(())
        } else {
            Err(TokenError::BadSignature)
        };
    }
    let mut keys = match app.public_keys.as_str() {
        "" => Vec::new(),
        // They were read once before they were stored, so this is what a downgrade would meet.
        text => public::read(text).map_err(|_| TokenError::NoKeyForAlgorithm)?,
    };
    keys.retain(|key| key.algorithm == algorithm);
    if keys.is_empty() {
        return Err(TokenError::NoKeyForAlgorithm);
    }
    retain_named(&mut keys, head.kid.as_deref())?;
    if keys.iter().any(|found| matches(&found.key, algorithm)) {
        Ok(())
    } else {
        Err(TokenError::BadSignature)
    }
}

/// Keeps the keys that a token with this `kid` can be signed with. Keys without a name fit any.
fn retain_named(keys: &mut Vec<PublicKey>, kid: Option<&str>) -> Result<(), TokenError> {
    let Some(kid) = kid else { return Ok(()) };
    keys.retain(|key| key.kid.as_deref().is_none_or(|name| name == kid));
    if keys.iter().any(|key| key.kid.is_some()) {
        keys.retain(|key| key.kid.is_some());
    }
    if keys.is_empty() {
        return Err(TokenError::UnknownKeyId);
    }
    Ok(())
}

/// Seconds since 1970, perhaps with a fraction (RFC 7519, section 2, "`NumericDate`").
fn read_time(claims: &Value, name: &str) -> Result<Option<Timestamp>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(seconds)) => {
            let seconds = seconds.as_f64().ok_or(TokenError::BadTime)?;
            // A cast from float saturates, and the far future is as good as any later one.
            Ok(Some(Timestamp((seconds * 1_000.0) as i64)))
        }
        Some(_) => Err(TokenError::BadTime),
    }
}

fn check_times(claims: &Value, now: Timestamp) -> Result<Option<Timestamp>, TokenError> {
    let expires_at =
        read_time(claims, "exp")?.map(|exp| Timestamp(exp.0.saturating_add(LEEWAY_MS)));
    if expires_at.is_some_and(|end| end <= now) {
        return Err(TokenError::Expired);
    }
    let starts_at = read_time(claims, "nbf")?.map(|nbf| nbf.0.saturating_sub(LEEWAY_MS));
    if starts_at.is_some_and(|start| start > now.0) {
        return Err(TokenError::NotYetValid);
    }
    Ok(expires_at)
}

fn read_subject(claims: &Value) -> Result<ExternalId, TokenError> {
    let subject = [
        claims.get("sub"),
        claims.get("id"),
        claims.pointer("/data/id"),
    ]
    .into_iter()
    .flatten()
    .find(|value| !value.is_null())
    .ok_or(TokenError::NoSubject)?;
    let id = match subject {
        Value::String(text) => ExternalId::text(text.as_str()),
        Value::Number(number) if number.is_i64() || number.is_u64() => ExternalId {
            text: number.to_string(),
            number: true,
        },
        _ => return Err(TokenError::BadSubject),
    };
    if id.text.trim().is_empty() || id.text.len() > MAX_SUBJECT_BYTES {
        return Err(TokenError::BadSubject);
    }
    Ok(id)
}

/// A role of ours, or none: other words in there are the app's own business.
fn read_role(claims: &Value) -> Option<Role> {
    let stated = [claims.pointer("/types/0"), claims.get("role")];
    let role = stated.into_iter().flatten().find_map(Value::as_str)?;
    parse_role(&role.to_ascii_lowercase())
}

/// What to call the user; nothing that would be refused as an id.
fn read_name(claims: &Value) -> Option<String> {
    let name = claims.get("name")?.as_str()?;
    let is_good = !name.trim().is_empty() && name.len() <= MAX_SUBJECT_BYTES;
    is_good.then(|| name.to_owned())
}

/// What else a token may say of a viewer. A claim that is not of its form says nothing: those who
/// make tokens for other services too may mean something else by it.
fn read_standing(claims: &Value) -> Standing {
    let follower_since = match claims.get("follower_since") {
        Some(Value::String(text)) => read_timestamp(text),
        Some(Value::Number(seconds)) => seconds
            .as_f64()
            .filter(|seconds| (0.0..=END_OF_TIME).contains(seconds))
            .map(|seconds| Timestamp((seconds * 1_000.0) as i64)),
        _ => None,
    };
    let months = claims.get("subscriber_months").and_then(Value::as_u64);
    let months = months.filter(|months| *months <= MAX_MONTHS);
    let subscriber_months = months.and_then(|months| months.try_into().ok());
    Standing {
        follower_since,
        subscriber_months: subscriber_months.unwrap_or(0),
    }
}

fn parse_role(text: &str) -> Option<Role> {
    match text {
        "customer" => Some(Role::Customer),
        "vendor" => Some(Role::Vendor),
        "admin" => Some(Role::Admin),
        _ => None,
    }
}

/// Signs a token with the secret of `app` (HS256).
///
/// # Errors
/// [`TokenError::NoKeyForAlgorithm`] if the app has no secret, [`TokenError::BadSubject`] for an
/// empty or too long one.
pub fn sign(
    app: &App,
    subject: &Subject,
    now: Timestamp,
    ttl_seconds: u64,
) -> Result<String, TokenError> {
    if app.secret.0.is_empty() {
        return Err(TokenError::NoKeyForAlgorithm);
    }
    let issued = now.0.div_euclid(1_000);
    let ttl = i64::try_from(ttl_seconds).unwrap_or(i64::MAX);
    let ExternalId { text, number } = &subject.id;
    let number = number.then(|| text.parse::<i64>().ok()).flatten();
    let mut claims = json!({
        "sub": number.map_or_else(|| Value::from(text.as_str()), Value::from),
        "iat": issued,
        "exp": issued.saturating_add(ttl),
    });
    read_subject(&claims)?;
    let role = subject.role.map(|role| match role {
        Role::Customer => "customer",
        Role::Vendor => "vendor",
        Role::Admin => "admin",
    });
    let Standing {
        follower_since,
        subscriber_months,
    } = subject.standing;
    let further = [
        ("role", role.map(Value::from)),
        ("name", subject.name.as_deref().map(Value::from)),
        (
            "follower_since",
            follower_since.map(|at| json!(Rfc3339(at))),
        ),
        (
            "subscriber_months",
            (subscriber_months > 0).then(|| subscriber_months.into()),
        ),
    ];
    for (name, value) in further {
        if let (Some(claims), Some(value)) = (claims.as_object_mut(), value) {
            claims.insert(name.to_owned(), value);
        }
    }
    let key = EncodingKey::from_secret(app.secret.0.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|_| TokenError::NoKeyForAlgorithm)
}

//! The public keys with which an app verifies tokens: PEM text or a JWK set (RFC 7517).
//!
//! One algorithm per kind of key: RS256 for RSA, ES256 for P-256, `EdDSA` for Ed25519. A key is
//! never tried with another algorithm than its own.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};

/// Most keys of one app: a token without `kid` may be tried against all of them.
pub const MAX_KEYS: usize = 16;
/// Most bytes of an app's public keys as text.
pub const MAX_BYTES: usize = 64 * 1024;
/// Shortest RSA modulus, in bytes (2,048 bits; RFC 7518, section 3.3).
const MIN_RSA_BYTES: usize = 256;
/// An uncompressed point of P-256 (SEC 1, section 2.3.3).
const P256_POINT_BYTES: usize = 65;

/// A public key with the only algorithm that it is used with.
pub struct PublicKey {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Its name in a JWK set.
    pub kid: Option<String>,
    /// The key.
    pub key: DecodingKey,
}

/// Reads what an app has stored, or what an operator wants to store.
///
/// # Errors
/// Words that continue "the public keys ".
pub fn read(text: &str) -> Result<Vec<PublicKey>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("are longer than {MAX_BYTES} bytes"));
    }
    // Somebody who gives a private key by mistake should hear of it before it is stored.
    if text.contains("PRIVATE KEY-----") {
        return Err("hold a private key; give the public one".to_owned());
    }
    let text = text.trim();
    let keys = if text.starts_with('{') {
        read_jwk_set(text)?
    } else {
        read_pem(text)?
    };
    match keys.len() {
        0 => Err("hold no key".to_owned()),
        1..=MAX_KEYS => Ok(keys),
        count => Err(format!("are {count}, and at most {MAX_KEYS} are taken")),
    }
}

/// One or more PEM blocks, one behind the other (RFC 7468).
fn read_pem(text: &str) -> Result<Vec<PublicKey>, String> {
    const END: &str = "-----END ";
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let block = rest.get(begin..).unwrap_or_default();
        let end = block
            .find(END)
            .and_then(|end| {
                let label = block.get(end + END.len()..)?;
                Some(end + END.len() + label.find("-----")? + 5)
            })
            .ok_or("have a PEM block without an end")?;
        let (block, after) = block.split_at(end);
        keys.push(read_pem_block(block)?);
        rest = after;
    }
    if keys.is_empty() {
        return Err("are neither PEM text nor a JWK set".to_owned());
    }
    Ok(keys)
}

fn read_pem_block(block: &str) -> Result<PublicKey, String> {
    let bytes = block.as_bytes();
    let (algorithm, key) = if let Ok(key) = DecodingKey::from_rsa_pem(bytes) {
        // PKCS #1 adds about a dozen bytes to the modulus.
        let size = key.try_get_as_bytes().map_or(0, <[u8]>::len);
        if size < MIN_RSA_BYTES {
            return Err("hold an RSA key of fewer than 2048 bits".to_owned());
        }
        (Algorithm::RS256, key)
    } else if let Ok(key) = DecodingKey::from_ec_pem(bytes) {
        if key.try_get_as_bytes().map_or(0, <[u8]>::len) != P256_POINT_BYTES {
            return Err("hold an elliptic-curve key that is not on P-256".to_owned());
        }
        (Algorithm::ES256, key)
    } else if let Ok(key) = DecodingKey::from_ed_pem(bytes) {
        (Algorithm::EdDSA, key)
    } else {
        return Err("hold a PEM block that is no RSA, P-256 or Ed25519 public key".to_owned());
    };
    Ok(PublicKey {
        algorithm,
        kid: None,
        key,
    })
}

fn read_jwk_set(text: &str) -> Result<Vec<PublicKey>, String> {
    let set: JwkSet = match serde_json::from_str(text) {
        Ok(set) => set,
        // A single key is a fair thing to give, too.
        Err(error) => match serde_json::from_str::<Jwk>(text) {
            Ok(jwk) => JwkSet { keys: vec![jwk] },
            Err(_) => return Err(format!("are no JWK set: {error}")),
        },
    };
    let mut keys = Vec::new();
    for jwk in &set.keys {
        // A set may hold keys for other purposes (RFC 7517, section 4.2).
        if !matches!(
            jwk.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        ) {
            continue;
        }
        keys.push(read_jwk(jwk).map_err(|words| match &jwk.common.key_id {
            Some(kid) => format!("{words} (kid {kid:?})"),
            None => words,
        })?);
    }
    Ok(keys)
}

fn read_jwk(jwk: &Jwk) -> Result<PublicKey, String> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::OctetKey(_) => {
            return Err("hold a shared secret, which is not public".to_owned());
        }
        _ => return Err("hold a key that is neither RSA, P-256 nor Ed25519".to_owned()),
    };
    if jwk
        .common
        .key_algorithm
        .is_some_and(|stated| stated != name)
    {
        return Err(format!(
            "hold a key for another algorithm than {algorithm:?}"
        ));
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|error| format!("hold a broken key: {error}"))?;
    if let AlgorithmParameters::RSA(rsa) = &jwk.algorithm {
        // Four characters of base64 are three bytes; a leading zero byte is not allowed in there.
        if rsa.n.len() * 3 / 4 < MIN_RSA_BYTES {
            return Err("hold an RSA key of fewer than 2048 bits".to_owned());
        }
    }
    Ok(PublicKey {
        algorithm,
        kid: jwk.common.key_id.clone(),
        key,
    })
}

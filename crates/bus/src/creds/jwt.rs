//! NATS's tokens: claims as JSON, signed with an ed25519 key (`ed25519-nkey`).
//!
//! We make the claims of an operator, its accounts and their users; the server
//! judges them. What is here follows `github.com/nats-io/jwt/v2`.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use jiff::Timestamp;
use nkeys::KeyPair;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha512_256};

use crate::Cause;

/// The version of the claims' shape.
const CLAIMS_VERSION: u64 = 2;
/// Longest token that is looked at: that of an account with thousands of
/// revocations.
const TOKEN_BYTES_MAX: usize = 4 << 20;

/// What a token is about, beside its `nats` part.
#[derive(Clone, Debug)]
pub(super) struct About<'a> {
    /// The public key that it speaks of.
    pub(super) subject: &'a str,
    /// What people call its holder.
    pub(super) name: &'a str,
    /// When it ends; never unless set.
    pub(super) expires: Option<Timestamp>,
    /// The second that it is issued in.
    pub(super) issued: i64,
}

/// The `nats` part of claims.
pub(super) type Nats = Map<String, Value>;

/// What a token says. What is missing is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(super) iss: String,
    pub(crate) name: String,
    pub(super) iat: i64,
    pub(crate) exp: Option<i64>,
    pub(crate) nats: Nats,
}

/// Makes a token; `kind` is `operator`, `account` or `user`.
pub(super) fn encode(
    kind: &str,
    about: &About<'_>,
    mut nats: Nats,
    signer: &KeyPair,
) -> Result<String, Cause> {
    nats.insert("type".to_owned(), json!(kind));
    nats.insert("version".to_owned(), json!(CLAIMS_VERSION));
    let mut claims = Map::new();
    let mut claim = |key: &str, value| claims.insert(key.to_owned(), value);
    claim("iat", json!(about.issued));
    claim("iss", json!(signer.public_key()));
    claim("name", json!(about.name));
    claim("sub", json!(about.subject));
    claim("nats", Value::Object(nats));
    if let Some(expires) = about.expires {
        claim("exp", json!(expires.as_second()));
    }
    // The server takes two tokens with the same id for the same: other claims,
    // another id.
    let text = Value::Object(claims.clone()).to_string();
    let id = BASE32_NOPAD.encode(&Sha512_256::digest(text.as_bytes()));
    claims.insert("jti".to_owned(), json!(id));
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let signed = [header, Value::Object(claims)]
        .map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()))
        .join(".");
    let signature = signer.sign(signed.as_bytes()).map_err(|error| Cause::of(&error))?;
    Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
}

/// The claims of a token, whoever signed it: the server checks that.
pub(crate) fn decode(token: &str) -> Result<Claims, Cause> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Cause::said(format!("a token of {} bytes", token.len())));
    }
    let mut parts = token.trim().split('.');
    let (Some(_header), Some(claims), Some(_signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Cause::said("not three parts joined by dots"));
    };
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).map_err(|error| Cause::of(&error))?;
    serde_json::from_slice(&claims).map_err(|error| Cause::of(&error))
}

#[cfg(test)]
mod tests {
    use super::{About, decode, encode};

    #[test]
    fn a_token_says_what_was_put_in_and_is_signed_over_all_of_it() {
        let signer = nkeys::KeyPair::new_account();
        let about = About { subject: "U", name: "n1", expires: None, issued: 1 };
        let nats = serde_json::from_str(r#"{"tags": ["a"]}"#).unwrap();
        let token = encode("user", &about, nats, &signer).unwrap();
        let claims = decode(&token).unwrap();
        assert_eq!((claims.name.as_str(), claims.iss), ("n1", signer.public_key()));
        assert_eq!(claims.nats.get("type"), Some(&"user".into()));
        assert_eq!(claims.nats.get("tags"), Some(&serde_json::json!(["a"])));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        signer.verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        for text in ["", ".", "a.b", "a.b.c", "a.b.c.d", "e30.e30", "\u{e9}.\u{e9}.\u{e9}"] {
            assert!(decode(text).is_err(), "{text:?}");
        }
        assert!(decode("x.e30.y").is_ok());
    }
}

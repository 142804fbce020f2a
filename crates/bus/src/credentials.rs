//! A `.creds` file: a user's token and the seed of its key, as `nsc` writes it.

use std::{fmt, path::Path};

use nkeys::{KeyPair, KeyPairType};

use crate::{Cause, creds::jwt, secret};

/// Longest file that is looked at.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Who a `.creds` file is for, and what proves it.
pub(crate) struct Credentials {
    pub(crate) token: String,
    key: KeyPair,
    /// Who that is on the bus: `forwarder.n1.lanner`, as a certificate would say.
    pub(crate) identity: String,
    /// Seconds since 1970; `None` for ever.
    pub(crate) expires: Option<i64>,
}

impl Credentials {
    /// Reads a file that only its owner and group may read.
    pub(crate) fn read(path: &Path) -> Result<Self, secret::ReadError> {
        let text = secret::read(path, FILE_BYTES_MAX)?;
        Self::parse(&text)
            .map_err(|source| secret::ReadError::Unusable { path: path.to_owned(), source })
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Cause> {
        let token = block(text, "NATS USER JWT").ok_or_else(|| Cause::said("no user's token"))?;
        let seed = block(text, "USER NKEY SEED").ok_or_else(|| Cause::said("no user's seed"))?;
        // The library's error would be of its own making, and never holds the seed.
        let key = KeyPair::from_seed(seed).map_err(|error| Cause::of(&error))?;
        let claims = jwt::decode(token)?;
        if key.key_pair_type() != KeyPairType::User || claims.sub != key.public_key() {
            return Err(Cause::said("its seed is not the one of its token"));
        }
        let name = claims.name;
        let tags = claims.nats.get("tags").and_then(serde_json::Value::as_array);
        let role = tags.into_iter().flatten().find_map(|tag| tag.as_str()?.strip_prefix(ROLE_TAG));
        let identity = match role {
            Some(role @ ("forwarder" | "gateway" | "reader")) => format!("{role}.{name}.lanner"),
            Some(role) => format!("{role}.lanner"),
            // Made by somebody else's tool.
            None => name,
        };
        Ok(Self { token: token.to_owned(), key, identity, expires: claims.exp })
    }

    /// The seed of its key, for the file that takes the place of this one.
    pub(crate) fn seed(&self) -> Result<String, Cause> {
        self.key.seed().map_err(|error| Cause::of(&error))
    }

    pub(crate) fn sign(&self, nonce: &[u8]) -> Result<Vec<u8>, Cause> {
        self.key.sign(nonce).map_err(|error| Cause::of(&error))
    }
}

/// In front of the role, among the tags of a user's claims. The server takes
/// tags as lower case.
pub(crate) const ROLE_TAG: &str = "lanner-role:";

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, [redacted])", self.identity)
    }
}

/// The text of the file.
pub(crate) fn render(token: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         ************************* IMPORTANT *************************\n\
         The seed below proves who its holder is: keep it secret.\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

/// The line after `-----BEGIN <label>-----`.
fn block<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.trim_matches('-') == format!("BEGIN {label}"))?;
    lines.next().filter(|line| !line.is_empty() && !line.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::{Credentials, render};

    #[test]
    fn what_is_no_credentials_file_is_an_error_without_its_secret() {
        let (one, other) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
        let seed = one.seed().unwrap();
        let claims = serde_json::json!({"sub": other.public_key(), "name": "x"}).to_string();
        let token = format!("h.{}.s", data_encoding::BASE64URL_NOPAD.encode(claims.as_bytes()));
        for text in [
            "",
            "-----BEGIN NATS USER JWT-----",
            &render("", ""),
            &render("a.b.c", &seed),
            &render(&token, &seed),
        ] {
            let error = Credentials::parse(text).unwrap_err().to_string();
            assert!(!error.contains(&seed), "{error}");
        }
    }
}

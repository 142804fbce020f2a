//! A forwarder that publishes for nodes which have none of their own.
//!
//! Whose word an alert is has to be something that the gateway cannot leave
//! out. A header can be left out; a subject cannot be, since the bus lets each
//! publish under its own subjects only. So the mark is in the token of the node,
//! where every filter already has a wildcard:
//!
//! ```text
//! lanner.alerts.critical.shell.terminal_shell.n1               said by node n1
//! lanner.alerts.critical.shell.terminal_shell.n1=via=edge-1    said of node n1 by gateway edge-1
//! ```
//!
//! No node's own token holds `=via=`: there two hexadecimal digits follow `=`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::node_token;

const NAME_BYTES_MAX: usize = 63;
const MARK: &str = "=via=";

/// A gateway's name: letters a to z, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(transparent))]
pub struct GatewayName(String);

/// Not a gateway's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no gateway's name: 1 to {NAME_BYTES_MAX} letters a to z, digits and -")]
pub struct InvalidGatewayName {
    text: String,
}

impl GatewayName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GatewayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for GatewayName {
    type Err = InvalidGatewayName;

    fn from_str(text: &str) -> Result<Self, InvalidGatewayName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidGatewayName { text: text.chars().take(64).collect() })
    }
}

impl<'de> Deserialize<'de> for GatewayName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for GatewayName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The token of a node whose alerts a gateway publishes, or of one that speaks
/// for itself.
pub fn node_token_via(node: &str, gateway: Option<&GatewayName>) -> String {
    match gateway {
        Some(gateway) => {
            let mut token = node_token(node);
            mark(&mut token, gateway);
            token
        }
        None => node_token(node),
    }
}

/// Marks a token of a node, or a subject that ends with one.
pub(crate) fn mark(token: &mut String, gateway: &GatewayName) {
    token.push_str(MARK);
    token.push_str(gateway.as_str());
}

/// The node's own token, and the gateway that published for it.
pub(crate) fn split_token(token: &str) -> (&str, Option<&str>) {
    match token.split_once(MARK) {
        Some((node, gateway)) => (node, Some(gateway)),
        None => (token, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{GatewayName, node_token_via, split_token};

    #[test]
    fn names_stay_within_their_token() {
        for name in ["edge-1", "0", &"a".repeat(63)] {
            name.parse::<GatewayName>().unwrap();
        }
        for name in ["", "Edge", "a.b", "a=via=b", "*", ">", "a b", &"a".repeat(64)] {
            name.parse::<GatewayName>().unwrap_err();
        }
    }

    proptest! {
        /// Whatever a node is called, it does not pass for a gateway's, nor the
        /// other way round.
        #[test]
        fn a_node_cannot_bear_the_mark(node in any::<String>(), gateway in "[a-z0-9-]{1,63}") {
            let own = node_token_via(&node, None);
            prop_assert_eq!(split_token(&own), (own.as_str(), None));
            let gateway: GatewayName = gateway.parse().unwrap();
            let via = node_token_via(&node, Some(&gateway));
            prop_assert_eq!(split_token(&via), (own.as_str(), Some(gateway.as_str())));
            prop_assert!(!via.contains(['.', '*', '>', ' ']));
        }
    }
}

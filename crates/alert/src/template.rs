use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer};

use crate::{Alert, GatewayName, Subject, SubjectRoot, node_token_via, slug};

/// Most tokens of a template.
const TOKENS_MAX: usize = 8;

/// Where subscribers of Falcosidekick look for alerts: `falco.<priority>.<rule>`.
///
/// Its placeholders are Falcosidekick's, `<priority>` and `<rule>`, slugged as
/// there, and `<node>`, by which the bus can hold each node to its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectTemplate(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Fixed(String),
    Priority,
    Rule,
    Node,
}

/// A template that gives no subject, or one in somebody else's place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// Not the form of a template.
    #[error(
        "subject template {text:?} is not 2 to {TOKENS_MAX} tokens joined by dots, each either letters, digits, \
         _ and - or one of <priority>, <rule>, <node>, with a letter or digit in front"
    )]
    Form {
        /// As written.
        text: String,
    },
    /// Each alert would go to the same subject.
    #[error("subject template {text:?} lacks a placeholder; write falco.<priority>.<rule>")]
    Constant {
        /// As written.
        text: String,
    },
}

impl SubjectTemplate {
    /// The subject of this alert, which a gateway may have published.
    pub fn subject(&self, alert: &Alert, gateway: Option<&GatewayName>) -> Subject {
        Subject::of_tokens(self.fill(|token| match token {
            Token::Fixed(text) => text.clone(),
            Token::Priority => alert.priority.as_token().to_owned(),
            Token::Rule => as_falcosidekick(&alert.rule),
            Token::Node => node_token_via(&alert.node, gateway),
        }))
    }

    /// All subjects that alerts have, with `node` in place of the node's token.
    pub fn pattern(&self, node: &str) -> String {
        self.fill(|token| match token {
            Token::Fixed(text) => text.clone(),
            Token::Node => node.to_owned(),
            Token::Priority | Token::Rule => "*".to_owned(),
        })
    }

    /// Whether its subjects lie below `root`, among those that we give a meaning.
    pub fn is_below(&self, root: &SubjectRoot) -> bool {
        let mut tokens = self.0.iter();
        root.as_str().split('.').all(|of_root| {
            tokens.next().is_some_and(|token| match token {
                Token::Fixed(text) => text == of_root,
                // Could be anything, the root's token too.
                _ => true,
            })
        })
    }

    fn fill(&self, text: impl Fn(&Token) -> String) -> String {
        let tokens: Vec<String> = self.0.iter().map(text).collect();
        tokens.join(".")
    }
}

/// Falcosidekick's own slug has no `_` at its ends.
fn as_falcosidekick(rule: &str) -> String {
    let token = slug(rule);
    let trimmed = token.trim_matches('_');
    if trimmed.is_empty() { token } else { trimmed.to_owned() }
}

impl FromStr for SubjectTemplate {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let shown = || text.chars().take(128).collect();
        let fixed = |token: &str| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            (1..=64).contains(&token.len()) && token.bytes().all(allowed)
        };
        let tokens: Option<Vec<Token>> = text
            .split('.')
            .map(|token| match token {
                "<priority>" => Some(Token::Priority),
                "<rule>" => Some(Token::Rule),
                "<node>" => Some(Token::Node),
                token => fixed(token).then(|| Token::Fixed(token.to_owned())),
            })
            .collect();
        // What begins with _ is an inbox, and with $ the server's own.
        let keeps_its_place = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let tokens =
            tokens.filter(|tokens| keeps_its_place && (2..=TOKENS_MAX).contains(&tokens.len()));
        let Some(tokens) = tokens else {
            return Err(InvalidTemplate::Form { text: shown() });
        };
        if tokens.iter().all(|token| matches!(token, Token::Fixed(_))) {
            return Err(InvalidTemplate::Constant { text: shown() });
        }
        Ok(Self(tokens))
    }
}

impl fmt::Display for SubjectTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fill(|token| match token {
            Token::Fixed(text) => text.clone(),
            Token::Priority => "<priority>".to_owned(),
            Token::Rule => "<rule>".to_owned(),
            Token::Node => "<node>".to_owned(),
        }))
    }
}

impl<'de> Deserialize<'de> for SubjectTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

//! Grants: what somebody who is not of the security team may read.
//!
//! A reader may take messages from durable consumers that `setup` made for its
//! grant, and subscribe to the same subjects; nothing else. It makes no consumer
//! of its own: in that request a client chooses the filter, and may have the
//! server push whatever it reads to any subject, in the server's own name.
//!
//! What a grant covers:
//!
//! ```text
//! no tags         every alert without a restricted tag   LANNER_ALERTS           <root>.alerts.<priority>.>
//! a tag           every alert that has it                LANNER_TAG_<TAG>        <root>.tags.<tag>.<priority>.>
//! a restricted    every alert that has it, and if the    LANNER_RESTRICTED_<TAG> <root>.restricted.<tag>.alerts.<priority>.>
//! tag             priority is not bounded what was done                          <root>.restricted.<tag>.responses.>
//! ```

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use lanner_alert::{Priority, Tag};
use serde::{Deserialize, Deserializer};

use crate::{
    Durable,
    layout::{ALERTS, Layout, restricted_stream, tag_stream},
};

const NAME_BYTES_MAX: usize = 32;
/// Messages that a reader may hold unacknowledged.
const UNACKNOWLEDGED_MAX: i64 = 1000;
/// Longest that one request for messages may wait: the server forgets after two
/// minutes how an answer finds its way into another account.
const REQUEST_EXPIRES_MAX: Duration = Duration::from_secs(100);
/// What a reader did not acknowledge comes again after that.
const ACK_WAIT: Duration = Duration::from_secs(60);

/// What one reader may read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// Alerts that have one of these tags; without any, all that have no
    /// restricted one.
    pub tags: BTreeSet<Tag>,
    /// Of these, alerts of this priority and more urgent ones.
    pub priority: Option<Priority>,
}

/// A reader's name: up to 32 of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderName(String);

/// A text that is no reader's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("reader {text:?} is not named by up to {NAME_BYTES_MAX} of a-z, 0-9 and -")]
pub struct InvalidReaderName {
    text: String,
}

/// Who may read what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Its name.
    pub name: ReaderName,
    /// What it may read.
    pub grant: Grant,
}

/// Where a reader finds a part of what it may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The stream.
    pub stream: String,
    /// Subjects of that stream.
    pub subjects: Vec<String>,
}

/// A grant that cannot be kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrant {
    /// No stream holds every alert with this tag.
    #[error(
        "tag {tag} has no stream of its own; add it to tag_streams of the layout file and of every forwarder, \
         or to restricted_tags, and run `lanner bus permissions` and `lanner bus setup` again"
    )]
    NoStream {
        /// The tag.
        tag: Tag,
    },
}

impl Grant {
    /// Whether each tag has a stream.
    ///
    /// # Errors
    /// The first that has none.
    pub fn check(&self, layout: &Layout) -> Result<(), InvalidGrant> {
        let has_stream = |tag: &Tag| {
            layout.tag_streams.contains_key(tag) || layout.restricted_tags.contains_key(tag)
        };
        match self.tags.iter().find(|tag| !has_stream(tag)) {
            Some(tag) => Err(InvalidGrant::NoStream { tag: tag.clone() }),
            None => Ok(()),
        }
    }

    /// `<before>.<priority>.>` for each priority, or `<before>.>` for all.
    fn by_priority(&self, before: &str) -> Vec<String> {
        match self.priority {
            None | Some(Priority::Debug) => vec![format!("{before}.>")],
            Some(least) => Priority::ALL
                .iter()
                .filter(|priority| **priority >= least)
                .map(|priority| format!("{before}.{}.>", priority.as_token()))
                .collect(),
        }
    }

    fn is_of_all_priorities(&self) -> bool {
        matches!(self.priority, None | Some(Priority::Debug))
    }
}

impl Reader {
    /// Its consumers, from which it takes what was granted.
    pub fn durables(&self, layout: &Layout) -> Vec<Durable> {
        let consumer = self.durable();
        let sources = self.sources(layout).into_iter();
        sources
            .map(|Source { stream, .. }| Durable { stream, consumer: consumer.clone() })
            .collect()
    }

    /// The name of its consumer, in each of its streams.
    pub fn durable(&self) -> String {
        format!("reader_{}", self.name)
    }

    /// Where it finds what it may read. A tag that has no stream has no source.
    pub fn sources(&self, layout: &Layout) -> Vec<Source> {
        let root = layout.subject_root.as_str();
        if self.grant.tags.is_empty() {
            let subjects = self.grant.by_priority(&format!("{root}.alerts"));
            return vec![Source { stream: ALERTS.to_owned(), subjects }];
        }
        let of_tag = |tag: &Tag| {
            if layout.restricted_tags.contains_key(tag) {
                let before = format!("{root}.restricted.{tag}");
                let mut subjects = self.grant.by_priority(&format!("{before}.alerts"));
                // A response tells no priority, and would tell of alerts that are not granted.
                if self.grant.is_of_all_priorities() {
                    subjects.push(format!("{before}.responses.>"));
                }
                return Some(Source { stream: restricted_stream(tag), subjects });
            }
            let subjects = self.grant.by_priority(&format!("{root}.tags.{tag}"));
            let source = Source { stream: tag_stream(tag), subjects };
            layout.tag_streams.contains_key(tag).then_some(source)
        };
        self.grant.tags.iter().filter_map(of_tag).collect()
    }

    pub(crate) fn consumer(&self, source: &Source) -> pull::Config {
        pull::Config {
            durable_name: Some(self.durable()),
            description: Some(format!("what reader {} may read", self.name)),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            // Again for ever: what a reader cannot work off is its own affair.
            max_deliver: -1,
            max_ack_pending: UNACKNOWLEDGED_MAX,
            max_expires: REQUEST_EXPIRES_MAX,
            filter_subjects: source.subjects.clone(),
            ..Default::default()
        }
    }
}

impl ReaderName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReaderName {
    type Err = InvalidReaderName;

    fn from_str(text: &str) -> Result<Self, InvalidReaderName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidReaderName { text: text.chars().take(64).collect() })
    }
}

impl fmt::Display for ReaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ReaderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

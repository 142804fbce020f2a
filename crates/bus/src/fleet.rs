//! The nodes, by their heartbeats: each forwarder writes its own key of the
//! bucket [`FLEET`](crate::layout::FLEET), and whoever may read it sees all of them.
//!
//! Promises:
//! - Ages are by the server's clock alone: when a heartbeat was stored, and what
//!   time it is now. A reader's wrong clock makes no node silent.
//! - Reading takes no consumer, and leaves nothing behind on the server.
//! - A heartbeat counts for the node of its key, which the server's permissions
//!   prove. Whatever else a node writes there shows as a bad heartbeat of it, and
//!   never as if there were no such node: a node that is taken over cannot have
//!   itself forgotten.

use std::{collections::BTreeMap, time::Duration};

use async_nats::{HeaderMap, Message, client::RequestErrorKind};
use bytes::Bytes;
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use lanner_alert::{Drops, HEARTBEAT_SCHEMA, Heartbeat, SpoolBrief, node_of_token, node_token};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    Cause, Connection,
    layout::{FLEET, FLEET_STREAM},
    publisher,
    rights::USER_INFO,
};

/// How long the server may take to store a heartbeat, or for a page of them.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Heartbeats that the server sends at a time.
const PAGE: u32 = 256;
/// Nodes beat while we read, so that there may be more to read than there are
/// nodes; but not without end.
const PAGES_MAX: u32 = 400;
/// What is taken for the interval of a node that does not say it.
const INTERVAL_SECONDS: u32 = 15;
/// The trouble of a node whose key holds something else than its heartbeat.
const BAD_HEARTBEAT: &str = "bad-heartbeat";
/// The server's "that is all" and "there is none".
const END_OF_PAGE: u16 = 204;
const NOT_FOUND: u16 = 404;

/// All nodes, at one moment.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// The moment, by the server's clock.
    pub now: Timestamp,
    /// The nodes, by their tokens.
    pub nodes: BTreeMap<String, NodeHealth>,
    /// Keys that are no node's.
    pub unreadable: u64,
}

/// The newest heartbeat of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHealth {
    /// When the server stored it.
    pub stored: Timestamp,
    /// What the node said.
    pub beat: Heartbeat,
}

/// Why heartbeats cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// There is no such bucket.
    #[error("there is no bucket {FLEET}; `lanner bus setup` creates it")]
    Missing,
    /// Our identity may not.
    #[error("the bus does not let us {deed}")]
    Denied {
        /// What we wanted to do.
        deed: &'static str,
    },
    /// The server did not answer, or with something else than we asked for.
    #[error("cannot {deed}")]
    Failed {
        /// What we wanted to do.
        deed: &'static str,
        /// What went wrong.
        source: Cause,
    },
}

impl NodeHealth {
    /// How long ago that was, at the moment `now`.
    pub fn age(&self, now: Timestamp) -> Duration {
        now.duration_since(self.stored).try_into().unwrap_or_default()
    }

    /// Whether so many heartbeats are missing that the node is silent.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        self.age(now) > self.beat.silent_after()
    }

    /// How far the node's clock is ahead of the server's. The way of the message
    /// is in it.
    pub fn clock_skew(&self) -> SignedDuration {
        self.beat.time.duration_since(self.stored)
    }
}

impl Connection {
    /// Writes the heartbeat of our node; returns once it is stored.
    ///
    /// # Errors
    /// When it is not, within some seconds: the next one will tell more.
    pub async fn beat(&self, beat: &Heartbeat) -> Result<(), FleetError> {
        const DEED: &str = "write the heartbeat";
        let json = beat
            .to_json()
            .map_err(|error| FleetError::Failed { deed: DEED, source: Cause::of(&error) })?;
        self.write_key(DEED, &node_token(&beat.node), HeaderMap::new(), json.into()).await
    }

    /// Forgets a node that will not come back, until it does.
    ///
    /// # Errors
    /// When the server does not do it; it is for the admin.
    pub async fn forget_node(&self, node: &str) -> Result<(), FleetError> {
        // Not by a mark of deletion, for a node can write that, too.
        const DEED: &str = "forget the node";
        let subject = format!("$JS.API.STREAM.PURGE.{FLEET_STREAM}");
        let which = json!({"filter": format!("$KV.{FLEET}.{}", node_token(node))}).to_string();
        let answer = self.request(DEED, subject, HeaderMap::new(), which.into()).await?;
        let Purged { success, error } =
            serde_json::from_slice(&answer).map_err(|error| failed(DEED, Cause::of(&error)))?;
        match error {
            None if success => Ok(()),
            error => Err(failed(DEED, Cause::said(error.unwrap_or_default().description))),
        }
    }

    /// Reads all nodes.
    ///
    /// # Errors
    /// When the server does not answer, or does not let us.
    pub async fn fleet(&self) -> Result<Fleet, FleetError> {
        let mut fleet = Fleet { now: Timestamp::UNIX_EPOCH, nodes: BTreeMap::new(), unreadable: 0 };
        let mut next = 1;
        for _ in 0..PAGES_MAX {
            match self.fleet_page(&mut fleet, next).await? {
                Some(after) => next = after,
                None => {
                    // Asked for last, so that nothing is from the future.
                    fleet.now = self.server_time().await?;
                    return Ok(fleet);
                }
            }
        }
        Err(failed("read the heartbeats", Cause::said("there is no end of them")))
    }

    /// Reads heartbeats from the message numbered `next` on; where to go on, if
    /// there are more.
    async fn fleet_page(&self, fleet: &mut Fleet, next: u64) -> Result<Option<u64>, FleetError> {
        const DEED: &str = "read the heartbeats";
        let subject = format!("$JS.API.DIRECT.GET.{FLEET_STREAM}");
        let refusal = self.refusal_of(&subject);
        let inbox = self.client.new_inbox();
        let page = async {
            let broken = |error: &(dyn std::error::Error + 'static)| failed(DEED, Cause::of(error));
            let mut answers =
                self.client.subscribe(inbox.clone()).await.map_err(|error| broken(&error))?;
            let request = serde_json::json!(
                {"seq": next, "batch": PAGE, "next_by_subj": format!("$KV.{FLEET}.>")}
            );
            let request = Bytes::from(request.to_string());
            self.client
                .publish_with_reply(subject.clone(), inbox, request)
                .await
                .map_err(|error| broken(&error))?;
            let mut after = None;
            while let Some(answer) = answers.next().await {
                match answer.status.map(|status| status.as_u16()) {
                    Some(END_OF_PAGE) => return Ok(after),
                    Some(NOT_FOUND) => return Ok(None),
                    Some(503) => return Err(FleetError::Missing),
                    Some(status) => {
                        let said = answer.description.as_deref().unwrap_or_default();
                        return Err(failed(DEED, Cause::said(format!("{status} {said}"))));
                    }
                    None => {}
                }
                let sequence: u64 = header(&answer, "Nats-Sequence").unwrap_or(next);
                after = Some(sequence.saturating_add(1));
                fleet.take_in(&answer);
            }
            Err(failed(DEED, Cause::said("the connection is closed")))
        };
        tokio::select! {
            page = timeout(ANSWER_MAX, page) => match page {
                Ok(page) => page,
                Err(_elapsed) => Err(failed(DEED, Cause::said("no answer"))),
            },
            () = refusal => Err(FleetError::Denied { deed: DEED }),
        }
    }

    /// What time it is on the server, which it tells beside what we may do.
    async fn server_time(&self) -> Result<Timestamp, FleetError> {
        #[derive(Deserialize)]
        struct Answer {
            server: Server,
        }
        #[derive(Deserialize)]
        struct Server {
            time: Timestamp,
        }
        const DEED: &str = "ask the server for its time";
        let subject = USER_INFO.to_owned();
        let answer = self.request(DEED, subject, HeaderMap::new(), Bytes::new()).await?;
        let Answer { server } =
            serde_json::from_slice(&answer).map_err(|error| failed(DEED, Cause::of(&error)))?;
        Ok(server.time)
    }

    async fn write_key(
        &self,
        deed: &'static str,
        key: &str,
        headers: HeaderMap,
        value: Bytes,
    ) -> Result<(), FleetError> {
        let answer = self.request(deed, format!("$KV.{FLEET}.{key}"), headers, value).await?;
        publisher::parse(&answer).map(drop).map_err(|source| failed(deed, source))
    }

    async fn request(
        &self,
        deed: &'static str,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Bytes, FleetError> {
        let refusal = self.refusal_of(&subject);
        let request = self.client.request_with_headers(subject, headers, payload);
        tokio::select! {
            answer = timeout(ANSWER_MAX, request) => match answer {
                Ok(Ok(answer)) => Ok(answer.payload),
                Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                    Err(FleetError::Missing)
                }
                Ok(Err(error)) => Err(failed(deed, Cause::of(&error))),
                Err(_elapsed) => Err(failed(deed, Cause::said("no answer"))),
            },
            () = refusal => Err(FleetError::Denied { deed }),
        }
    }
}

impl Fleet {
    fn take_in(&mut self, message: &Message) {
        let Some(token) = text(message, "Nats-Subject").and_then(|subject| {
            subject.strip_prefix("$KV.")?.strip_prefix(FLEET)?.strip_prefix('.')
        }) else {
            self.unreadable += 1;
            return;
        };
        let Some((node, stored)) = node_of_token(token).zip(header(message, "Nats-Time-Stamp"))
        else {
            self.unreadable += 1;
            return;
        };
        let is_mark =
            message.headers.as_ref().is_some_and(|headers| headers.get("KV-Operation").is_some());
        let beat = Heartbeat::from_json(&message.payload).ok();
        let beat = beat.filter(|beat| !is_mark && beat.node == node);
        // A later message of the same key, stored while we read, comes later.
        let beat = beat.unwrap_or_else(|| bad_beat(node, stored));
        self.nodes.insert(token.to_owned(), NodeHealth { stored, beat });
    }
}

/// In place of what a node wrote that is no heartbeat of it.
fn bad_beat(node: String, stored: Timestamp) -> Heartbeat {
    Heartbeat {
        schema: HEARTBEAT_SCHEMA,
        node,
        cluster: None,
        time: stored,
        interval_seconds: INTERVAL_SECONDS,
        forwarder_version: String::new(),
        sensor: None,
        drops: Drops::default(),
        spool: SpoolBrief::default(),
        troubles: vec![BAD_HEARTBEAT.to_owned()],
    }
}

#[derive(Deserialize)]
struct Purged {
    #[serde(default)]
    success: bool,
    error: Option<PurgeError>,
}

#[derive(Default, Deserialize)]
struct PurgeError {
    #[serde(default)]
    description: String,
}

fn text<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    Some(message.headers.as_ref()?.get(name)?.as_str())
}

fn header<T: std::str::FromStr>(message: &Message, name: &str) -> Option<T> {
    text(message, name)?.parse().ok()
}

fn failed(deed: &'static str, source: Cause) -> FleetError {
    FleetError::Failed { deed, source }
}

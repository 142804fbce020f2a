//! Raises an alert when a node falls silent, and when it is heard again.
//!
//! ```text
//! heartbeats on the bus ─▶ what is new? ─▶ record: silent nodes, alerts to publish ─▶ bus
//!                             ▲                │ compare-and-set: one replica wins
//!                             └────────────────┘
//! ```
//!
//! Promises:
//! - Each silence is told once, by however many replicas, and not again after
//!   they start anew: what was told stands in a record that they share. An alert
//!   stands in it before it is published, under an id that stays the same.
//! - Many nodes that fall silent within a window are one alert; so is their return.
//! - Nobody is called silent because *we* saw nothing: a node must be missing for
//!   as long as it takes while we were connected and could read.

mod news;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use lanner_alert::{Alert, RoutingTags, SilenceRecord, SubjectRoot};
use lanner_bus::{Connection, Message, Publisher, Store, StoreError, headers::Headers, layout};
use lanner_service::{CancellationToken, Chain};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

pub use self::news::Thresholds;
use self::news::{News, Seen};

/// The record's key in the bucket of locks.
const KEY: &str = "fleet.silence";
/// How long the bus may take for an alert.
const PUBLISH_MAX: Duration = Duration::from_secs(20);

/// How fast a replica is.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two looks at the nodes.
    pub poll: Duration,
    /// Alerts that another replica wrote down and did not publish are published
    /// after that.
    pub adopt_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { poll: Duration::from_secs(10), adopt_after: Duration::from_secs(30) }
    }
}

/// Watches the nodes of one cluster.
pub struct FleetWatch {
    connection: Connection,
    publisher: Publisher,
    root: SubjectRoot,
    news: News,
    pace: Pace,
    /// The revision with alerts that another replica is to publish, and since
    /// when we know it.
    left_to_others: Option<(u64, Instant)>,
    /// Since when every look at the nodes was good.
    reading_since: Option<Instant>,
    failing: bool,
}

impl FleetWatch {
    /// Watches over `connection`, as a responder. Alerts name `cluster`.
    pub fn new(connection: Connection, root: SubjectRoot, cluster: Option<String>) -> Self {
        Self {
            publisher: Publisher::new(connection.clone()),
            connection,
            root,
            news: News { cluster, thresholds: Thresholds::default() },
            pace: Pace::default(),
            left_to_others: None,
            reading_since: None,
            failing: false,
        }
    }

    /// With another pace.
    pub fn with_pace(mut self, pace: Pace, thresholds: Thresholds) -> Self {
        self.pace = pace;
        self.news.thresholds = thresholds;
        self
    }

    /// Works until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = sleep(self.pace.poll) => {}
                () = stop.cancelled() => return,
            }
            // A look that is broken off half way is made up for by the next one.
            let looked = tokio::select! {
                looked = self.look() => looked,
                () = stop.cancelled() => return,
            };
            match looked {
                Ok(()) => self.failing = false,
                Err(error) => {
                    self.reading_since = None;
                    if !std::mem::replace(&mut self.failing, true) {
                        warn!(error = %format!("{error:#}"), "cannot look after the nodes, tries again");
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let fleet = self.connection.fleet().await?;
        let reading_for = self.reading_since.get_or_insert_with(Instant::now).elapsed();
        let connected_for = self.connection.connected_for().unwrap_or_default();
        let seen = Seen { fleet: &fleet, watched_for: reading_for.min(connected_for) };

        let locks = self.connection.store(layout::LOCKS).await?;
        let found = locks.get(KEY).await?;
        let record = match &found {
            Some(entry) => serde_json::from_slice(&entry.value)
                .context("what is known of silent nodes is not a record that this version reads")?,
            None => SilenceRecord::default(),
        };
        let mut revision = found.map(|entry| entry.revision);
        let mut newer = self.news.since(&record, &seen);
        if newer != record {
            // Where another replica was first, the next look sees what it wrote.
            let Some(written) = write(&locks, &newer, revision).await? else { return Ok(()) };
            revision = Some(written);
        }
        let is_ours = newer != record;
        if newer.to_publish.is_empty() || !is_ours && !self.is_left_alone(revision) {
            return Ok(());
        }
        for alert in &newer.to_publish {
            self.publish(alert).await?;
        }
        newer.to_publish.clear();
        write(&locks, &newer, revision).await?;
        Ok(())
    }

    /// Whether alerts stand there for so long that who wrote them must be gone.
    /// At once they would be published twice, and who listens live sees both.
    fn is_left_alone(&mut self, revision: Option<u64>) -> bool {
        let Some(revision) = revision else { return false };
        match self.left_to_others {
            Some((known, since)) if known == revision => since.elapsed() >= self.pace.adopt_after,
            _ => {
                self.left_to_others = Some((revision, Instant::now()));
                false
            }
        }
    }

    async fn publish(&self, alert: &Alert) -> anyhow::Result<()> {
        let payload = bytes::Bytes::from(alert.to_json()?);
        let message = Message {
            subject: self.root.alert(alert, &RoutingTags::default()).to_string(),
            id: alert.id.to_string(),
            headers: Headers::of_alert(alert),
            payload: payload.clone(),
        };
        let stored = timeout(PUBLISH_MAX, self.publisher.publish(&message)).await;
        let stored = stored.context("the bus does not take an alert")??;
        if stored.duplicate {
            return Ok(());
        }
        info!(rule = alert.rule, output = ?alert.output, "raised an alert");
        for tag in &alert.tags {
            let copy = self.root.tag_copy(alert, tag);
            let sent = self.connection.publish_live(
                copy.as_str(),
                message.headers.clone(),
                payload.clone(),
            );
            if let Err(error) = sent.await {
                // Whoever listens for tags live misses it; the alert itself is stored.
                warn!(error = %Chain(&error), "the copy of an alert for a tag is not sent");
            }
        }
        Ok(())
    }
}

/// The revision it has then; `None` when somebody else was first.
async fn write(
    locks: &Store,
    record: &SilenceRecord,
    revision: Option<u64>,
) -> anyhow::Result<Option<u64>> {
    let value = bytes::Bytes::from(serde_json::to_vec(record)?);
    let written = match revision {
        Some(revision) => locks.update(KEY, value, revision).await,
        None => locks.create(KEY, value).await,
    };
    match written {
        Ok(revision) => Ok(Some(revision)),
        Err(StoreError::Conflict { .. } | StoreError::Exists { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

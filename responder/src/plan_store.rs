//! Plans, leases and what is no news, in the bus's buckets.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use lanner_alert::{PlanId, PlanRecord, StepState, UndoRequest};
use lanner_bus::{Change, Connection, Entry, Store, StoreError, layout};

mod lease;

pub use self::lease::Lease;

/// Most bytes of one record: half of the server's default `max_payload`, and more
/// than a plan of the greatest length takes with its outcome, which repeats it.
const RECORD_BYTES_MAX: usize = 512 << 10;

/// The plans of one cluster, shared by its responders.
#[derive(Clone)]
pub struct PlanStore {
    plans: Store,
    locks: Store,
}

/// A record as it was read, to be written back only if nobody else did.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The record.
    pub record: PlanRecord,
    revision: u64,
}

impl PlanStore {
    /// Opens the buckets that `lanner bus setup` made.
    ///
    /// # Errors
    /// When they are not there, or the server does not answer.
    pub async fn open(connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self {
            plans: connection.store(layout::PLANS).await?,
            locks: connection.store(layout::LOCKS).await?,
        })
    }

    /// Stores a new plan; `false` when it is there already.
    ///
    /// # Errors
    /// When it is too long, or the server did not take it; it may be stored.
    pub async fn create(&self, record: &PlanRecord) -> anyhow::Result<bool> {
        let value = encode(record)?;
        match self.plans.create(&record.plan.id.to_string(), value).await {
            Ok(_) => Ok(true),
            Err(StoreError::Exists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The plan of that id.
    ///
    /// # Errors
    /// When the server does not answer, or the record is not one that we can read.
    pub async fn get(&self, id: PlanId) -> anyhow::Result<Option<Stored>> {
        let entry = self.plans.get(&id.to_string()).await?;
        entry.as_ref().map(decode).transpose()
    }

    /// The one plan whose id begins with `start`.
    ///
    /// # Errors
    /// When there is none, or more than one, or the server does not answer.
    pub async fn find(&self, start: &str) -> anyhow::Result<Stored> {
        let keys = self.plans.keys().await?;
        let mut found = keys.iter().filter(|key| key.starts_with(start));
        let (Some(key), None) = (found.next(), found.next()) else {
            anyhow::bail!("no plan, or more than one, has an id that begins with {start:?}");
        };
        self.get(key.parse()?).await?.with_context(|| format!("plan {key} is gone"))
    }

    /// Asks the responders to take a plan back; they do it when they see it.
    ///
    /// # Errors
    /// When the plan is still under way or nothing was done, or the server did
    /// not take it.
    pub async fn ask_undo(&self, stored: &mut Stored, by: &str) -> anyhow::Result<()> {
        let record = &mut stored.record;
        anyhow::ensure!(
            record.outcome.is_some() && record.told && record.undo.is_none(),
            "plan {} is still under way",
            record.plan.id
        );
        let to_undo = record.steps.iter().any(|step| {
            step.undo.is_some() && !matches!(step.state, StepState::Pending | StepState::Undone)
        });
        anyhow::ensure!(to_undo, "plan {} has nothing that can be taken back", record.plan.id);
        record.undo = Some(UndoRequest { by: by.to_owned(), at: Timestamp::now() });
        self.save(stored).await
    }

    /// Writes a changed record back.
    ///
    /// # Errors
    /// When somebody else wrote it since, or the server did not take it.
    pub async fn save(&self, stored: &mut Stored) -> anyhow::Result<()> {
        let key = stored.record.plan.id.to_string();
        let value = encode(&stored.record)?;
        stored.revision = self.plans.update(&key, value, stored.revision).await?;
        Ok(())
    }

    /// All plans that can be read, the newest first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn list(&self) -> anyhow::Result<Vec<PlanRecord>> {
        let mut records = Vec::new();
        for key in self.plans.keys().await? {
            // One that expires meanwhile is no error, nor one of a newer version.
            if let Some(entry) = self.plans.get(&key).await?
                && let Ok(stored) = decode(&entry)
            {
                records.push(stored.record);
            }
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.plan.made));
        Ok(records)
    }

    /// Each plan that is there, and then each that changes, as it stands then.
    ///
    /// # Errors
    /// When the server does not answer. An error in the stream ends it.
    pub async fn watch(
        &self,
    ) -> Result<impl Stream<Item = Result<PlanRecord, StoreError>> + Send + Unpin + use<>, StoreError>
    {
        let changes = self.plans.watch().await?;
        Ok(Box::pin(changes.filter_map(async |change| match change {
            Ok(Change::Put(entry)) => match decode(&entry) {
                Ok(stored) => Some(Ok(stored.record)),
                Err(error) => {
                    tracing::warn!(key = entry.key, error = %format!("{error:#}"), "plan cannot be read");
                    None
                }
            },
            Ok(Change::Gone { .. }) => None,
            Err(error) => Some(Err(error)),
        })))
    }

    /// Whether `plan` is the first about `key` within `window`. It is so each
    /// time that it asks.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn is_news(
        &self,
        key: &str,
        plan: PlanId,
        window: Duration,
    ) -> Result<bool, StoreError> {
        let key = format!("dedup.{key}");
        let value = Bytes::from(plan.to_string());
        match self.locks.create_with_ttl(&key, value.clone(), window).await {
            Ok(_) => Ok(true),
            Err(StoreError::Exists { .. }) => {
                let first = self.locks.get(&key).await?;
                Ok(first.is_none_or(|first| first.value == value))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the plan for `owner` if nobody has it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn lease(
        &self,
        id: PlanId,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        Lease::take(self.locks.clone(), format!("plan.{id}"), owner, ttl).await
    }
}

fn encode(record: &PlanRecord) -> anyhow::Result<Bytes> {
    let bytes = serde_json::to_vec(record)?;
    anyhow::ensure!(
        bytes.len() <= RECORD_BYTES_MAX,
        "plan {} takes {} bytes, more than {RECORD_BYTES_MAX}",
        record.plan.id,
        bytes.len()
    );
    Ok(bytes.into())
}

fn decode(entry: &Entry) -> anyhow::Result<Stored> {
    let record = serde_json::from_slice(&entry.value)
        .with_context(|| format!("plan {} is not a record that this version reads", entry.key))?;
    Ok(Stored { record, revision: entry.revision })
}

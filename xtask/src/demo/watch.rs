//! What the bus carries, read as any subscriber reads it.

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_alert::{Alert, Outcome};
use lanner_bus::{Connection, ConnectionConfig, Seen, Subscription};

/// Alerts and outcomes, as they are published.
pub(crate) struct Watch {
    alerts: Subscription,
    outcomes: Subscription,
}

/// One of them, with its subject and when we saw it.
pub(crate) enum News {
    Alert { subject: String, seen: Timestamp, alert: Box<Alert> },
    Outcome { subject: String, seen: Timestamp, outcome: Box<Outcome> },
}

impl Watch {
    pub(crate) async fn start(reader: &ConnectionConfig) -> anyhow::Result<Self> {
        let connection = Connection::connect(reader).await?;
        let alerts = connection.subscribe("lanner.alerts.>").await?;
        let outcomes = connection.subscribe("lanner.responses.>").await?;
        Ok(Self { alerts, outcomes })
    }

    pub(crate) async fn next(&mut self) -> anyhow::Result<News> {
        tokio::select! {
            biased;
            seen = self.alerts.next() => {
                let Seen { subject, payload, .. } = seen?.context("the bus is gone")?;
                let alert = Box::new(Alert::from_json(&payload)?);
                Ok(News::Alert { subject, seen: Timestamp::now(), alert })
            }
            seen = self.outcomes.next() => {
                let Seen { subject, payload, .. } = seen?.context("the bus is gone")?;
                let outcome = serde_json::from_slice(&payload).context("not an outcome")?;
                Ok(News::Outcome { subject, seen: Timestamp::now(), outcome })
            }
        }
    }
}

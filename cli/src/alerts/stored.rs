//! What the stream keeps, read on through outages.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_bus::{Archive, ArchiveError, Connection, Seen, layout};

/// How long the bus may be away before we give up.
const AWAY_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// Stored alerts, the oldest first.
pub(super) struct Stored(Archive);

impl Stored {
    pub(super) async fn since(
        connection: &Connection,
        time: Timestamp,
        subject: &str,
    ) -> anyhow::Result<Self> {
        Ok(Self(connection.archive(layout::ALERTS).await?.since(time).only(subject)))
    }

    /// The next one; `None` at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Seen>> {
        let began = Instant::now();
        loop {
            match self.0.next().await {
                Ok(seen) => return Ok(seen),
                Err(error @ ArchiveError::Refused { .. }) => {
                    return Err(error).context(
                        "`lanner bus certs issue --dir DIR subscriber` makes a certificate that may",
                    );
                }
                Err(error) if began.elapsed() > AWAY_MAX => return Err(error.into()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Whether the next one is at hand already.
    pub(super) fn is_at_hand(&self) -> bool {
        self.0.ahead() > 0
    }
}

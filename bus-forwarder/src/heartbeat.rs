//! Tells the bus every few seconds how this node is.

use std::time::Duration;

use lanner_bus::{Connection, FleetError};
use lanner_service::Chain;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::{seldom::Seldom, vitals::Vitals};

/// Works until it is dropped.
pub(crate) async fn run(vitals: &Vitals, connection: &Connection) {
    let failed = Seldom::every(Duration::from_secs(600));
    let beating = async {
        loop {
            // At once when the bus is back: until then the node counts as silent.
            connection.connected().await;
            match connection.beat(&vitals.heartbeat()).await {
                Ok(()) => vitals.counters.beat(true),
                Err(error) => {
                    vitals.counters.beat(false);
                    tell(&error, &failed);
                }
            }
            sleep(vitals.heartbeat).await;
        }
    };
    let turning = async {
        loop {
            vitals.beating.beat().await;
        }
    };
    tokio::join!(beating, turning);
}

/// A bus that was set up by an older version has no place for heartbeats, and
/// that is no reason for a line every few seconds.
fn tell(error: &FleetError, failed: &Seldom) {
    if failed.now() {
        warn!(error = %Chain(error), "the heartbeat of this node is not stored");
    } else {
        debug!(error = %Chain(error), "the heartbeat of this node is not stored");
    }
}

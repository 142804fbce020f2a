//! The local syslog daemon or journald, by its Unix datagram socket.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use jiff::{Timestamp, tz::TimeZone};
use lanner_alert::{Alert, Priority};
use tokio::net::UnixDatagram;

use super::{DropCounts, Format, Health, queue::Receiver};

/// `LOG_USER`, as Falco uses.
const FACILITY: u8 = 1;

pub(super) async fn run(
    path: PathBuf,
    format: Format,
    mut alerts: Receiver,
    drops: Arc<DropCounts>,
) {
    let mut health = Health::new("syslog");
    while let Some(alert) = alerts.recv().await {
        let written = async {
            let message = message(&alert, &format.line(&alert)?);
            // Made for each alert: the daemon may have been restarted, and alerts are few.
            let socket = UnixDatagram::unbound()?;
            socket
                .send_to(&message, &path)
                .await
                .with_context(|| format!("cannot write to {}", path.display()))?;
            anyhow::Ok(())
        };
        match written.await {
            Ok(()) => health.good(),
            Err(error) => {
                health.bad(&format_args!("{error:#}"));
                drops.add(alert.priority);
            }
        }
    }
}

/// RFC 3164 as local daemons take it: no host name.
fn message(alert: &Alert, line: &[u8]) -> Vec<u8> {
    let severity = match alert.priority {
        Priority::Emergency => 0,
        Priority::Alert => 1,
        Priority::Critical => 2,
        Priority::Error => 3,
        Priority::Warning => 4,
        Priority::Notice => 5,
        Priority::Informational => 6,
        Priority::Debug => 7,
    };
    let time = Timestamp::now().to_zoned(TimeZone::system()).strftime("%b %e %H:%M:%S").to_string();
    let head =
        format!("<{}>{time} lanner-sensor[{}]: ", FACILITY * 8 + severity, std::process::id());
    [head.as_bytes(), line].concat()
}

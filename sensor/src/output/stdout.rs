//! Standard output: what `kubectl logs` and `journalctl` show.

use std::sync::Arc;

use lanner_alert::Alert;
use tokio::{io::AsyncWriteExt as _, sync::mpsc};

use super::{DropCounts, Format, Health};

pub(super) async fn run(
    format: Format,
    mut alerts: mpsc::Receiver<Arc<Alert>>,
    drops: Arc<DropCounts>,
) {
    let mut stdout = tokio::io::stdout();
    let mut health = Health::new("stdout");
    while let Some(alert) = alerts.recv().await {
        let written = async {
            let mut line = format.line(&alert)?;
            line.push(b'\n');
            stdout.write_all(&line).await?;
            stdout.flush().await?;
            anyhow::Ok(())
        };
        match written.await {
            Ok(()) => health.good(),
            Err(error) => {
                health.bad(&error);
                drops.add(alert.priority);
            }
        }
    }
}

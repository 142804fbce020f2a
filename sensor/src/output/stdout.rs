//! Standard output: what `kubectl logs` and `journalctl` show.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;

use super::{DropCounts, Format, Health, queue::Receiver};

pub(super) async fn run(format: Format, mut alerts: Receiver, drops: Arc<DropCounts>) {
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

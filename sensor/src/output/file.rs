//! A file that lines are added to. It is opened for each alert, so that a
//! rotated log needs no signal.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use tokio::{fs::OpenOptions, io::AsyncWriteExt as _};

use super::{DropCounts, Format, Health, queue::Receiver};

pub(super) async fn run(
    path: PathBuf,
    format: Format,
    mut alerts: Receiver,
    drops: Arc<DropCounts>,
) {
    let mut health = Health::new("file");
    while let Some(alert) = alerts.recv().await {
        let written = async {
            let mut line = format.line(&alert)?;
            line.push(b'\n');
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                // Alerts tell an intruder what was seen.
                .mode(0o600)
                .open(&path)
                .await
                .with_context(|| format!("cannot open {}", path.display()))?;
            file.write_all(&line).await?;
            file.flush().await?;
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

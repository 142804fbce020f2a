//! A named pipe. Nobody at its other end means that alerts are dropped and
//! counted; it never blocks us.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use tokio::{
    io::AsyncWriteExt as _,
    net::unix::pipe::{OpenOptions, Sender},
};

use super::{DropCounts, Format, Health, queue::Receiver};

pub(super) async fn run(
    path: PathBuf,
    format: Format,
    mut alerts: Receiver,
    drops: Arc<DropCounts>,
) {
    let mut health = Health::new("fifo");
    let mut pipe: Option<Sender> = None;
    while let Some(alert) = alerts.recv().await {
        let written = async {
            let mut line = format.line(&alert)?;
            line.push(b'\n');
            let mut open = match pipe.take() {
                Some(open) => open,
                None => OpenOptions::new()
                    .open_sender(&path)
                    .with_context(|| format!("nobody reads the pipe {}", path.display()))?,
            };
            open.write_all(&line).await?;
            anyhow::Ok(open)
        };
        match written.await {
            Ok(open) => {
                pipe = Some(open);
                health.good();
            }
            Err(error) => {
                health.bad(&format_args!("{error:#}"));
                drops.add(alert.priority);
            }
        }
    }
}

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_testkit::scene::ScenePod;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::unix::pipe::OpenOptions,
    time::{MissedTickBehavior, interval, timeout},
};

/// The field that numbers the alerts, from 0.
pub(super) const NUMBER: &str = "soak.number";

/// How long the pipe may stay full: far longer than any outage.
const STUCK_MAX: Duration = Duration::from_secs(60);

/// Writes as a Falco does that keeps its pipe open.
pub(super) struct Writer {
    pub(super) pod: ScenePod,
    /// Alerts a second.
    pub(super) rate: u32,
    pub(super) total: u32,
}

/// Whether a playbook is for the alert of that number: one a second is.
pub(super) fn is_for_playbook(number: u32, rate: u32) -> bool {
    number.is_multiple_of(rate)
}

impl Writer {
    /// Returns the number of alerts that were written.
    pub(super) async fn run(&self, pipe: &Path) -> anyhow::Result<u32> {
        let mut pipe = OpenOptions::new().open_sender(pipe).context("cannot open the pipe")?;
        let mut tick = interval(Duration::from_secs(1) / self.rate);
        // While the forwarder is away the pipe fills up and we wait, as Falco
        // does; what is late is not written in one go.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0..self.total {
            tick.tick().await;
            let line = self.line(number);
            // Far shorter than the 4096 bytes that a pipe takes as one.
            timeout(STUCK_MAX, pipe.write_all(line.as_bytes()))
                .await
                .with_context(|| format!("nobody read the pipe for {STUCK_MAX:?}"))?
                .context("cannot write into the pipe")?;
        }
        Ok(self.total)
    }

    fn line(&self, number: u32) -> String {
        let mut alert = if is_for_playbook(number, self.rate) {
            self.pod.shell_told_by_falco().parse().expect("an alert is JSON")
        } else {
            json!({
                "hostname": "falco-x7k2p", "rule": "Soak", "priority": "Informational",
                "source": "syscall", "tags": ["soak"], "time": Timestamp::now().to_string(),
                "output": "One of many alerts that no playbook is for",
                "output_fields": { "proc.cmdline": "sleep 1", "proc.pid": 4711, "user.uid": 0 },
            })
        };
        alert["output_fields"][NUMBER] = Value::from(number);
        format!("{alert}\n")
    }
}

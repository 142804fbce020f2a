//! Alerts that come in, against what is true of the deeds they should be about.

mod alerts;
mod truth;

use std::{thread, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

pub(super) use self::alerts::Source;
use self::{
    alerts::{Seen, mentions, read_bus, read_lines},
    truth::differences,
};
use super::perform::{Ended, Performed};

/// Alerts of one run that may wait here while it goes on.
const WAITING_MAX: usize = 4096;

/// Gathers the alerts of a run while it goes on.
pub(super) struct Watch {
    alerts: mpsc::Receiver<anyhow::Result<Seen>>,
    task: Option<JoinHandle<()>>,
}

impl Watch {
    /// Gathers the alerts that hold a text with `run` in it.
    pub(super) fn start(source: Source, run: &str) -> Self {
        let (send, alerts) = mpsc::channel(WAITING_MAX);
        let run = run.to_owned();
        let task = match source {
            Source::Bus(subscription) => Some(tokio::spawn(read_bus(subscription, run, send))),
            Source::Lines(lines) => {
                // It may wait for a line for ever, so nobody waits for it.
                thread::spawn(move || read_lines(lines, &run, &send));
                None
            }
        };
        Self { alerts, task }
    }

    /// Waits until every action that acted has its alert, or for `wait`.
    ///
    /// # Errors
    /// When alerts cannot be read any more.
    pub(super) async fn findings(
        mut self,
        performed: Vec<Performed>,
        wait: Duration,
    ) -> anyhow::Result<Vec<Finding>> {
        let mut findings: Vec<Finding> = performed.into_iter().map(Finding::new).collect();
        let until = Instant::now() + wait;
        while findings.iter().any(Finding::is_open) {
            match timeout_at(until, self.alerts.recv()).await {
                Ok(Some(seen)) => {
                    let seen = seen?;
                    for finding in &mut findings {
                        finding.consider(&seen);
                    }
                }
                // No more will come, or it took too long.
                Ok(None) | Err(_) => break,
            }
        }
        Ok(findings)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What was found out about one action.
pub(super) struct Finding {
    pub(super) performed: Performed,
    /// The best of the alerts that it should bring.
    pub(super) notice: Option<Notice>,
}

/// An alert of a rule that should notice the action.
pub(super) struct Notice {
    pub(super) rule: String,
    pub(super) alert_id: String,
    /// From the event to here.
    pub(super) milliseconds: f64,
    /// What it says and is not so.
    pub(super) wrong: Vec<String>,
}

impl Finding {
    fn new(performed: Performed) -> Self {
        Self { performed, notice: None }
    }

    /// Whether a better alert may come.
    fn is_open(&self) -> bool {
        matches!(self.performed.ended, Ended::Acted(_))
            && self.notice.as_ref().is_none_or(|notice| !notice.wrong.is_empty())
    }

    fn consider(&mut self, seen: &Seen) {
        let Performed { action, rules, token, ended } = &self.performed;
        let Ended::Acted(deed) = ended else { return };
        let alert = &seen.alert;
        if !rules.contains(&alert.rule.as_str()) || !mentions(alert, token) {
            return;
        }
        let wrong = differences(action, deed, alert);
        let is_better = self.notice.as_ref().is_none_or(|before| wrong.len() < before.wrong.len());
        if is_better {
            self.notice = Some(Notice {
                rule: alert.rule.clone(),
                alert_id: alert.id.to_string(),
                milliseconds: (seen.at.as_nanosecond() - alert.time.as_nanosecond()) as f64 / 1e6,
                wrong,
            });
        }
    }
}

#[cfg(test)]
mod tests;

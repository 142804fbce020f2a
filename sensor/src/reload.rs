//! Takes over rules and settings that changed, without a restart.
//!
//! ```text
//! files, each second ─┬▶ read ▶ check ─┬ good ▶ LiveRules (all partitions at once)
//! SIGHUP ─────────────┘                └ bad ─▶ alert, and nothing changes
//! ```
//!
//! Files are looked at instead of watched by inotify: that sees changes on network mounts and
//! of bind-mounted files too, whatever was swapped on the way to them (a ConfigMap's `..data`,
//! an editor's rename), needs no watch to be set up again, and costs a `stat` for each file.

mod stamps;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_alert::Priority;
use lanner_engine::RuleSet;
use lanner_service::CancellationToken;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

pub use self::stamps::Stamps;
use crate::{
    alerts::AlertMaker,
    config::Config,
    output::AlertSender,
    repetition::Repetition,
    rules::{self, LiveRules},
};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Errors that are told of a version that is refused.
const ERRORS_TOLD_MAX: usize = 3;

/// Names of rules that a log line holds.
const NAMES_TOLD_MAX: usize = 10;

/// Looks for changes and takes them over.
pub struct Reloader {
    /// What is in use, and its files as they were before they were read.
    pub config: Config,
    pub stamps: Stamps,
    pub rules: LiveRules,
    pub repetition: Arc<Mutex<Repetition>>,
    pub maker: AlertMaker,
    pub alerts: AlertSender,
}

impl Reloader {
    /// Works until `stop`.
    ///
    /// # Errors
    /// When it cannot be listened for SIGHUP.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut hangup: Signal =
            signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_seen = self.stamps.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = hangup.recv() => {
                    info!("SIGHUP: rules and settings are read again");
                    self.stamps = Stamps::of(&self.config);
                    self.reload().await;
                }
                _ = tick.tick(), if self.config.watch_config_files => {
                    let seen = Stamps::of(&self.config);
                    // Not before it rests: somebody may still be writing it.
                    if seen != self.stamps && seen == last_seen {
                        self.stamps = seen.clone();
                        self.reload().await;
                    }
                    last_seen = seen;
                }
            }
        }
    }

    async fn reload(&mut self) {
        let (path, old) = (self.config.path.clone(), self.config.clone());
        let read = tokio::task::spawn_blocking(move || read(path, old)).await;
        match read.map_err(anyhow::Error::from).and_then(|read| read) {
            Ok((config, rules)) => self.take_over(config, rules),
            Err(error) => self.refuse(&error),
        }
    }

    fn take_over(&mut self, config: Config, rules: RuleSet) {
        let difference = self.rules.apply(rules);
        let limit = config.repetition.limit();
        self.repetition.lock().unwrap_or_else(PoisonError::into_inner).limit(limit);
        if difference.is_empty() {
            info!("rules and settings read again; no rule is different");
        } else {
            info!(
                added = names(&difference.added),
                removed = names(&difference.removed),
                changed = names(&difference.changed),
                "rules reloaded"
            );
        }
        let waiting = self.config.needs_restart(&config);
        if !waiting.is_empty() {
            warn!(keys = waiting.join(", "), "settings changed that are read at the start only");
        }
        // What needs a restart stays what it is, so that it is told again.
        self.config.take_live(config);
    }

    fn refuse(&self, error: &anyhow::Error) {
        let message = format!(
            "Lanner rules reload failed: the old rules and settings stay in use | {error:#}"
        );
        warn!("{message}");
        let now = Timestamp::now();
        let alert = self.maker.own("Lanner rules reload failed", Priority::Critical, &message, now);
        self.alerts.send(&Arc::new(alert));
    }
}

/// Reads settings and rules as they are now, and checks all of it.
fn read(path: Option<PathBuf>, old: Config) -> anyhow::Result<(Config, RuleSet)> {
    let config = match path {
        Some(path) => {
            let mut config: Config = lanner_service::config::load(&path)?;
            config.path = Some(path);
            config
        }
        None => old,
    };
    config.check()?;
    let (set, diagnostics) = rules::read(&config.rule_files()?, &config.rule_options())?;
    let errors: Vec<_> = rules::errors(&diagnostics).collect();
    let told = errors.iter().take(ERRORS_TOLD_MAX).map(|error| {
        let what = if error.message.is_empty() { error.code.description() } else { &error.message };
        format!("{}:{}:{}: {what}", error.file, error.line, error.column)
    });
    let told = told.collect::<Vec<_>>().join("; ");
    match errors.len() {
        0 => Ok((config, set)),
        1..=ERRORS_TOLD_MAX => anyhow::bail!("{told}"),
        more => anyhow::bail!("{told}; and {} more errors", more - ERRORS_TOLD_MAX),
    }
}

fn names(names: &[String]) -> String {
    let told = names.iter().take(NAMES_TOLD_MAX).map(String::as_str);
    let told = told.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_TOLD_MAX) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

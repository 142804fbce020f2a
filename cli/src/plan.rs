//! `lanner plan`: what the responders did, and how to have it taken back.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Subcommand;
use lanner_alert::{PlanRecord, Status};
use lanner_responder::{
    explain,
    plan_store::{PlanStore, Stored},
};

use crate::{Verdict, connection::ConnectionArgs};

const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List plans, the newest first
    List {
        #[command(flatten)]
        bus: ConnectionArgs,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show a plan, its steps and its outcome
    Show {
        #[command(flatten)]
        bus: ConnectionArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The plan's id, or its first digits
        id: String,
    },
    /// Have a plan's steps taken back by the responders
    Undo {
        #[command(flatten)]
        bus: ConnectionArgs,
        /// Seconds to wait for it
        #[arg(long, default_value_t = 60)]
        wait_seconds: u64,
        /// The plan's id, or its first digits
        id: String,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::List { bus, json } => on_plans(bus, async |plans| list(&plans, json).await),
        Command::Show { bus, json, id } => {
            on_plans(bus, async |plans| show(&plans, &id, json).await)
        }
        Command::Undo { bus, wait_seconds, id } => {
            let wait = Duration::from_secs(wait_seconds);
            on_plans(bus, async |plans| undo(&plans, &id, wait).await)
        }
    }
}

fn on_plans(
    bus: ConnectionArgs,
    work: impl AsyncFnOnce(PlanStore) -> anyhow::Result<Verdict>,
) -> anyhow::Result<Verdict> {
    bus.on_bus(async |connection| work(PlanStore::open(&connection).await?).await)
}

async fn list(plans: &PlanStore, json: bool) -> anyhow::Result<Verdict> {
    for record in plans.list().await? {
        if json {
            println!("{}", serde_json::to_string(&record)?);
            continue;
        }
        let plan = &record.plan;
        let target = plan.steps.iter().find_map(|step| step.target.as_ref());
        println!(
            "{}  {:<9} {}  {:<24} {}",
            plan.id,
            status(&record),
            plan.made.strftime("%Y-%m-%d %H:%M:%SZ"),
            plan.playbook,
            target.map(ToString::to_string).unwrap_or_default()
        );
    }
    Ok(Verdict::Good)
}

fn status(record: &PlanRecord) -> String {
    match &record.outcome {
        _ if record.undo.is_some() => "undoing".to_owned(),
        Some(outcome) => outcome.status.to_string(),
        None => "running".to_owned(),
    }
}

async fn show(plans: &PlanStore, id: &str, json: bool) -> anyhow::Result<Verdict> {
    let Stored { record, .. } = plans.find(id).await?;
    if json {
        println!("{}", serde_json::to_string(&record)?);
    } else {
        print!("{}", explain::show(&record));
    }
    Ok(Verdict::Good)
}

async fn undo(plans: &PlanStore, id: &str, wait: Duration) -> anyhow::Result<Verdict> {
    let mut stored = plans.find(id).await?;
    let plan = stored.record.plan.id;
    plans.ask_undo(&mut stored, &asker()).await?;
    let asked = Instant::now();
    loop {
        let Stored { record, .. } = plans.get(plan).await?.context("the plan is gone")?;
        if record.is_finished() {
            print!("{}", explain::show(&record));
            let undone = record.outcome.is_some_and(|outcome| outcome.status == Status::Undone);
            return Ok(if undone { Verdict::Good } else { Verdict::BadInput });
        }
        anyhow::ensure!(
            asked.elapsed() < wait,
            "asked, but no responder did it within {} s; it stays asked",
            wait.as_secs()
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Who asks, as far as this machine says. The bus's certificate is the proof.
fn asker() -> String {
    let user = std::env::var("USER").unwrap_or_default();
    let host = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname"));
    format!("{user}@{}", host.unwrap_or_default().trim())
}

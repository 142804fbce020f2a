//! `lanner plan`: what the responders did, and how to have it taken back.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use lanner_alert::{PlanRecord, Status};
use lanner_bus::{Connection, ConnectionConfig};
use lanner_responder::{
    explain,
    plan_store::{PlanStore, Stored},
};
use serde::Deserialize;

use crate::Verdict;

const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List plans, the newest first
    List {
        #[command(flatten)]
        bus: BusArgs,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show a plan, its steps and its outcome
    Show {
        #[command(flatten)]
        bus: BusArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The plan's id, or its first digits
        id: String,
    },
    /// Have a plan's steps taken back by the responders
    Undo {
        #[command(flatten)]
        bus: BusArgs,
        /// Seconds to wait for it
        #[arg(long, default_value_t = 60)]
        wait_seconds: u64,
        /// The plan's id, or its first digits
        id: String,
    },
}

/// How to reach the bus: a file, or flags.
#[derive(Debug, Args)]
pub(crate) struct BusArgs {
    /// A file with the section `bus` of the daemons' settings, and nothing else
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "servers",
        required_unless_present = "servers"
    )]
    config: Option<PathBuf>,
    /// Address of a server; once for each
    #[arg(long = "server", value_name = "URL")]
    servers: Vec<String>,
    /// Certificate of the authority
    #[arg(long, value_name = "FILE", requires = "servers")]
    ca: Option<PathBuf>,
    /// Our certificate
    #[arg(long, value_name = "FILE", requires = "servers")]
    cert: Option<PathBuf>,
    /// The key of our certificate
    #[arg(long, value_name = "FILE", requires = "servers")]
    key: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    bus: ConnectionConfig,
}

impl BusArgs {
    fn resolve(self) -> anyhow::Result<ConnectionConfig> {
        match self.config {
            Some(path) => Ok(lanner_service::config::load::<ConfigFile>(&path)?.bus),
            None => Ok(ConnectionConfig {
                servers: self.servers,
                ca_file: self.ca,
                cert_file: self.cert,
                key_file: self.key,
                name: None,
            }),
        }
    }
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    lanner_service::install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::List { bus, json } => list(&open(bus).await?, json).await,
            Command::Show { bus, json, id } => show(&open(bus).await?, &id, json).await,
            Command::Undo { bus, wait_seconds, id } => {
                undo(&open(bus).await?, &id, Duration::from_secs(wait_seconds)).await
            }
        }
    })
}

async fn open(bus: BusArgs) -> anyhow::Result<PlanStore> {
    let connection = Connection::connect(&bus.resolve()?).await?;
    Ok(PlanStore::open(&connection).await?)
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

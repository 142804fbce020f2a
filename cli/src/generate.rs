//! `lanner generate`: harmless real deeds, to see that rules notice them.
//!
//! ```text
//! catalog  all actions: what each does, which rules should notice, what it needs
//! perform  runs them one after the other in a folder of its own (run_folder)
//!            └─▶ processes: our own program by other names, one starting the next,
//!                into a container (container) where the action wants one;
//!                the last one acts, and tells what is true of it (told)
//! verify   the alerts that came, against what is true
//! report   the table for people, the lines for programs
//! ```
//!
//! An *action* is an entry of the catalog. A *deed* is an action that was done: what it did, and
//! what is true of the process that did it. A *token* marks all that belongs to one deed. *Orders*
//! are what a process is told when it is started.

mod action;
mod catalog;
mod container;
mod perform;
mod processes;
mod report;
mod run_folder;
mod system_calls;
mod told;
mod verify;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use lanner_alert::SubjectRoot;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use self::processes::{orders, run_process};
use self::{
    action::Action,
    perform::{Performed, Performer},
    verify::{Source, Watch},
};
use crate::{Verdict, connection::ConnectionArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the actions: what each does, and which rules should notice it
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Perform actions on this host, or in the container where this runs
    Run(Box<RunArgs>),
}

#[derive(Debug, Args)]
// Only --verify needs the bus.
#[command(mut_group("ConnectionArgs", |group| group.required(false)))]
pub(crate) struct RunArgs {
    /// Names of actions, or of rules for all actions that they should notice; `all` for all that
    /// Lanner's rules should notice, `falco` for all that Falco's should
    #[arg(required = true, value_name = "ACTION|RULE")]
    names: Vec<String>,
    /// Wait for the alerts on the bus and compare them with what was done
    #[arg(long, requires = "ConnectionArgs", conflicts_with = "verify_file")]
    verify: bool,
    /// As --verify, with the alerts that a sensor writes as JSON to this file; `-` for standard input
    #[arg(long, value_name = "FILE")]
    verify_file: Option<PathBuf>,
    /// Seconds to wait for an alert
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// What the subjects of the cluster begin with
    #[arg(long, value_name = "ROOT", default_value = "lanner")]
    subject_root: SubjectRoot,
    #[command(flatten)]
    bus: Option<ConnectionArgs>,
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::List { json } => {
            report::list(catalog::all(), json)?;
            Ok(Verdict::Good)
        }
        Command::Run(args) => run_actions(*args),
    }
}

fn run_actions(args: RunArgs) -> anyhow::Result<Verdict> {
    let actions = choose(&args.names)?;
    let wait = Duration::from_secs(args.timeout);
    let json = args.json;
    match (args.bus, args.verify_file) {
        (Some(bus), None) if args.verify => {
            let filter = format!("{}.alerts.>", args.subject_root.as_str());
            bus.on_bus(async |connection| {
                let source = Source::Bus(connection.subscribe(&filter).await?);
                until_interrupted(verified(&actions, source, wait, json)).await
            })
        }
        (_, file) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(until_interrupted(async {
                match file {
                    Some(file) => verified(&actions, Source::file(&file)?, wait, json).await,
                    None => unverified(&actions, json).await,
                }
            }))
        }
    }
}

/// An action, and the rules of which one should notice it.
#[derive(Clone)]
struct Chosen {
    action: &'static Action,
    rules: Vec<&'static str>,
}

fn choose(names: &[String]) -> anyhow::Result<Vec<Chosen>> {
    let mut chosen: Vec<Chosen> =
        catalog::all().iter().map(|action| Chosen { action, rules: Vec::new() }).collect();
    for name in names {
        let mut is_known = false;
        for Chosen { action, rules } in &mut chosen {
            let wanted = match name.as_str() {
                "all" => action.rules.to_vec(),
                "falco" => action.falco.to_vec(),
                name if action.is_called(name) => action.expected(),
                _ => continue,
            };
            is_known = true;
            rules.extend(wanted);
        }
        anyhow::ensure!(
            is_known,
            "no action and no rule is called {name:?}; `lanner generate list` shows them"
        );
    }
    chosen.retain(|chosen| !chosen.rules.is_empty());
    Ok(chosen)
}

/// Whatever is being done is dropped then, and with it all that it made.
async fn until_interrupted(
    work: impl Future<Output = anyhow::Result<Verdict>>,
) -> anyhow::Result<Verdict> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            anyhow::bail!("interrupted; nothing is left behind")
        }
        _ = terminate.recv() => anyhow::bail!("terminated; nothing is left behind"),
    }
}

async fn perform_all(performer: &Performer, actions: &[Chosen]) -> Vec<Performed> {
    let mut performed = Vec::with_capacity(actions.len());
    for (index, chosen) in actions.iter().enumerate() {
        performed.push(performer.perform(index, chosen).await);
    }
    performed
}

async fn unverified(actions: &[Chosen], json: bool) -> anyhow::Result<Verdict> {
    let performer = Performer::new()?;
    let performed = perform_all(&performer, actions).await;
    report::performed(&performed, json)
}

async fn verified(
    actions: &[Chosen],
    source: Source,
    wait: Duration,
    json: bool,
) -> anyhow::Result<Verdict> {
    let performer = Performer::new()?;
    let watch = Watch::start(source, performer.run());
    let performed = perform_all(&performer, actions).await;
    let findings = watch.findings(performed, wait).await?;
    report::findings(&findings, json)
}

//! `lanner playbook`: new, check, test, explain, list.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use clap::Subcommand;
use lanner_alert::{Alert, FalcoInput};
use lanner_responder::{
    cases,
    explain::{self, Answer},
    guard::Guard,
    playbook::{AlertFacts, Playbooks, Problem},
    scaffold,
};
use serde_json::json;

use crate::Verdict;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a new playbook and its test
    New {
        /// The playbook's name
        name: String,
        /// Where it is written
        #[arg(long, default_value = "playbooks")]
        dir: PathBuf,
    },
    /// Say whether playbooks are good, and what is wrong with them where
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Folders or files
        #[arg(default_value = "playbooks")]
        paths: Vec<PathBuf>,
    },
    /// Run the tests (tests/*.test.yaml) of folders of playbooks
    Test {
        /// Folders
        #[arg(default_value = "playbooks")]
        dirs: Vec<PathBuf>,
    },
    /// Show what playbooks would do about an alert
    Explain {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Folders or files of playbooks
        #[arg(long, default_value = "playbooks", num_args = 1..)]
        playbooks: Vec<PathBuf>,
        /// A file with one alert: ours, or Falco's JSON
        alert: PathBuf,
    },
    /// List playbooks
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Folders or files
        #[arg(default_value = "playbooks")]
        paths: Vec<PathBuf>,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::New { name, dir } => {
            for path in scaffold::write(&dir, &name)? {
                println!("wrote {}", path.display());
            }
            Ok(Verdict::Good)
        }
        Command::Check { json, paths } => check(&paths, json),
        Command::Test { dirs } => {
            let report = cases::run(&dirs, &Guard::default())?;
            println!("{report}");
            Ok(if report.is_good() { Verdict::Good } else { Verdict::BadInput })
        }
        Command::Explain { json, playbooks, alert } => explain(&playbooks, &alert, json),
        Command::List { json, paths } => list(&paths, json),
    }
}

fn check(paths: &[PathBuf], as_json: bool) -> anyhow::Result<Verdict> {
    let (playbooks, problems) = Playbooks::load(paths);
    if as_json {
        let problems: Vec<_> = problems.iter().map(problem_json).collect();
        let names: Vec<_> = playbooks.iter().map(|playbook| &playbook.head.name).collect();
        println!("{}", json!({ "playbooks": names, "problems": problems }));
    } else {
        for problem in &problems {
            println!("{problem}");
        }
        println!("{} good, {} problems", playbooks.iter().count(), problems.len());
    }
    Ok(if problems.is_empty() { Verdict::Good } else { Verdict::BadInput })
}

fn problem_json(problem: &Problem) -> serde_json::Value {
    let (line, column) = problem.at.unzip();
    json!({ "file": problem.file, "line": line, "column": column, "message": problem.message })
}

fn explain(paths: &[PathBuf], alert: &Path, as_json: bool) -> anyhow::Result<Verdict> {
    let playbooks = load_and_tell(paths);
    let facts = Arc::new(AlertFacts::new(read_alert(alert)?));
    let guard = Guard::default();
    let mut answers = serde_json::Map::new();
    for playbook in playbooks.iter() {
        let answer = explain::ask(&playbooks, playbook, &facts, &guard);
        let name = &playbook.head.name;
        match &answer {
            _ if as_json => {}
            Answer::NoMatch => println!("{name}  does not answer this alert"),
            Answer::Plan { plan, refused } => {
                print!("{}", explain::explain(plan, refused.as_deref()));
            }
            Answer::Error(error) => println!("{name}  ends in an error: {error}"),
        }
        answers.insert(name.clone(), serde_json::to_value(answer)?);
    }
    if as_json {
        println!("{}", serde_json::Value::Object(answers));
    }
    Ok(Verdict::Good)
}

fn list(paths: &[PathBuf], as_json: bool) -> anyhow::Result<Verdict> {
    let playbooks = load_and_tell(paths);
    for playbook in playbooks.iter() {
        let head = &playbook.head;
        let needs: Vec<&str> = head.needs.iter().map(|need| need.as_str()).collect();
        if as_json {
            println!(
                "{}",
                json!({
                    "name": head.name, "owner": head.owner, "mode": head.mode, "needs": needs,
                    "file": playbook.file, "version": playbook.version, "runbook": head.runbook,
                })
            );
        } else {
            println!(
                "{:<24} {:<8} {:<16} {}  ({})",
                head.name,
                head.mode.to_string(),
                head.owner,
                needs.join(" "),
                playbook.file
            );
        }
    }
    Ok(Verdict::Good)
}

/// What is wrong goes to standard error; the good ones are worked with.
fn load_and_tell(paths: &[PathBuf]) -> Playbooks {
    let (playbooks, problems) = Playbooks::load(paths);
    for problem in &problems {
        eprintln!("left out: {problem}");
    }
    playbooks
}

fn read_alert(path: &Path) -> anyhow::Result<Alert> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not JSON", path.display()))?;
    let is_ours = value.get("schema").is_some() && value.get("id").is_some();
    let alert = if is_ours {
        Alert::from_json(&bytes)
    } else {
        // Falco does not say which node it watches; its host's name is the best guess here.
        let node = value.get("hostname").and_then(serde_json::Value::as_str);
        let node = node.filter(|node| !node.is_empty()).unwrap_or("unknown").to_owned();
        FalcoInput { node, cluster: None }.read(&bytes)
    };
    alert.with_context(|| format!("{} is not an alert", path.display()))
}

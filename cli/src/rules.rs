//! `lanner rules`: check, describe, evaluate and test rule files.

mod catalog;
mod check;
mod describe;
mod eval;
mod explain;
mod fields;
mod noise;
mod test;

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use lanner_engine::{Diagnostic, Options, RuleSet, Severity, SourceFile};

use crate::Verdict;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether rule files are good, and what is wrong with them where
    Check {
        /// Print the result as Falco's JSON
        #[arg(long)]
        json: bool,
        /// Rule files and folders of them, in the order in which they are loaded
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Show each rule with its lists, macros and exceptions resolved
    Describe {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Print a page to read: what each rule is for
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
        /// Recorded events (`lanner-sensor run --record`): say how many of each kind the kernel
        /// would report with these rules, and which rules are to blame
        #[arg(long, value_name = "FILE", conflicts_with = "markdown")]
        events: Option<PathBuf>,
        /// Rule files and folders of them, in the order in which they are loaded
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Evaluate rules over events and print the alerts, one JSON object a line
    Eval {
        /// Rule files and folders of them, in the order in which they are loaded
        #[arg(long, required = true, num_args = 1..)]
        rules: Vec<PathBuf>,
        /// Recorded events, one JSON object a line; for k8s_audit an audit log as well
        #[arg(long)]
        events: PathBuf,
        /// Where the events come from
        #[arg(long, value_enum, default_value_t = Source::Syscall)]
        source: Source,
        /// Which of several matching rules count
        #[arg(long, value_enum, default_value_t = Matching::All)]
        matching: Matching,
    },
    /// Show why a rule matches an event or does not: each part of its condition with what it gives
    Explain {
        /// The rule's name
        rule: String,
        /// Rule files and folders of them, in the order in which they are loaded
        #[arg(long, required = true, num_args = 1..)]
        rules: Vec<PathBuf>,
        /// A file with one event, recorded or of the Kubernetes audit log; - for standard input
        #[arg(long)]
        event: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run the tests (*.test.yaml) under a directory, and say what they leave untested
    Test {
        /// Where the tests are: a directory, or one file
        path: PathBuf,
        /// Fail unless each rule is expected by a case and spared by another, and each macro
        /// matters
        #[arg(long)]
        require_coverage: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Group the alerts there are too many of, and write exceptions for them
    Noise(noise::Arguments),
    /// List the fields that conditions and outputs may name
    Fields {
        /// Print docs/fields.md
        #[arg(long)]
        markdown: bool,
        /// Print JSON
        #[arg(long, conflicts_with = "markdown")]
        json: bool,
    },
}

/// Where events come from.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Source {
    #[value(name = "syscall")]
    Syscall,
    #[value(name = "k8s_audit")]
    K8sAudit,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::K8sAudit => "k8s_audit",
        }
    }
}

/// Which of several matching rules count.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Matching {
    First,
    All,
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::Check { json, files } => check::run(&files, json),
        Command::Describe { markdown: true, files, .. } => {
            let Some(rules) = load_good(&files, &Options::default())? else {
                return Ok(Verdict::BadInput);
            };
            print!("{}", catalog::page(&rules));
            Ok(Verdict::Good)
        }
        Command::Describe { json, events, files, .. } => {
            describe::run(&files, events.as_deref(), json)
        }
        Command::Eval { rules, events, source, matching } => {
            eval::run(&rules, &events, source, matching)
        }
        Command::Explain { rule, rules, event, json } => explain::run(&rule, &rules, &event, json),
        Command::Test { path, require_coverage, json } => test::run(&path, require_coverage, json),
        Command::Noise(arguments) => noise::run(&arguments),
        Command::Fields { markdown: true, .. } => fields::run(fields::Form::Markdown),
        Command::Fields { json: true, .. } => fields::run(fields::Form::Json),
        Command::Fields { .. } => fields::run(fields::Form::Plain),
    }
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<SourceFile>> {
    let file = |path: &PathBuf| {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read rules {}", path.display()))?;
        Ok(SourceFile { name: path.display().to_string(), text })
    };
    files_of(paths)?.iter().map(file).collect()
}

/// The files to load: a folder stands for its `*.yaml` and `*.yml`, in the order of their names, as in the
/// sensor's `rules_files`.
fn files_of(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let cannot_read = || format!("cannot read folder {}", path.display());
        let mut found = Vec::new();
        for entry in fs::read_dir(path).with_context(cannot_read)? {
            let file = entry.with_context(cannot_read)?.path();
            let is_rules = file.extension().is_some_and(|end| end == "yaml" || end == "yml");
            if is_rules && file.is_file() {
                found.push(file);
            }
        }
        anyhow::ensure!(!found.is_empty(), "no rule file (*.yaml, *.yml) in {}", path.display());
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// Loads rules for a command that needs good ones; prints what is wrong with them.
fn load_good(paths: &[PathBuf], options: &Options) -> anyhow::Result<Option<RuleSet>> {
    let (rules, diagnostics) = lanner_engine::load(&read(paths)?, options);
    let errors: Vec<&Diagnostic> =
        diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
    for error in &errors {
        eprintln!("{error}\n");
    }
    Ok(errors.is_empty().then_some(rules))
}

//! `lanner filter`: one condition, checked or evaluated.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Subcommand;
use lanner_engine::{Filter, RecordedEvent};

use crate::Verdict;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether a condition is good
    Check {
        /// Look at the grammar alone: names are not looked up, an identifier is a macro
        #[arg(long)]
        syntax: bool,
        /// The condition, or - for standard input
        #[arg(allow_hyphen_values = true)]
        expr: String,
    },
    /// Print whether a condition holds for an event: true or false
    Eval {
        /// The condition, or - for standard input
        #[arg(allow_hyphen_values = true)]
        expr: String,
        /// A file with one recorded event, a JSON object
        #[arg(long)]
        event: PathBuf,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::Check { syntax, expr } => check(&text_of(expr)?, syntax),
        Command::Eval { expr, event } => eval(&text_of(expr)?, &event),
    }
}

fn check(text: &str, syntax: bool) -> anyhow::Result<Verdict> {
    let checked =
        if syntax { Filter::check_syntax(text) } else { Filter::compile(text).map(|_| ()) };
    match checked {
        Ok(()) => {
            println!("Ok");
            Ok(Verdict::Good)
        }
        Err(error) => {
            println!("{error}");
            Ok(Verdict::BadInput)
        }
    }
}

fn eval(text: &str, event: &Path) -> anyhow::Result<Verdict> {
    let filter = match Filter::compile(text) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("{error}");
            return Ok(Verdict::BadInput);
        }
    };
    let json = fs::read_to_string(event)
        .with_context(|| format!("cannot read event {}", event.display()))?;
    let event = RecordedEvent::from_json(&json)
        .with_context(|| format!("cannot parse event {}", event.display()))?;
    println!("{}", filter.matches(&event));
    Ok(Verdict::Good)
}

fn text_of(expr: String) -> anyhow::Result<String> {
    if expr != "-" {
        return Ok(expr);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    // The line's end is no part of the condition: an error at the end points into the line.
    text.truncate(text.trim_end().len());
    Ok(text)
}

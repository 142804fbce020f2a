//! `lanner filter`: one condition, checked or evaluated.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use lanner_engine::{Diagnostic, Filter};
use serde_json::{Value as Json, json};

use crate::{
    Verdict,
    event::{read_one, read_text},
    explanation::{Tree, to_json},
    printable::PrintableJson,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether a condition is good
    Check {
        /// Look at the grammar alone: names are not looked up, an identifier is a macro
        #[arg(long)]
        syntax: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The condition, or - for standard input
        #[arg(allow_hyphen_values = true)]
        expr: String,
    },
    /// Print whether a condition holds for an event: true or false
    Eval {
        /// The condition, or - for standard input
        #[arg(allow_hyphen_values = true)]
        expr: String,
        /// A file with one event, recorded or of the Kubernetes audit log; - for standard input
        #[arg(long)]
        event: PathBuf,
        /// Show each part of the condition with what it gives, and `*` before what decided
        #[arg(long)]
        explain: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::Check { syntax, json, expr } => check(&text_of(expr)?, syntax, json),
        Command::Eval { expr, event, explain, json } => {
            let both = expr == "-" && event.as_os_str() == "-";
            anyhow::ensure!(!both, "the condition or the event is standard input, not both");
            eval(&text_of(expr)?, &event, explain, json)
        }
    }
}

fn check(text: &str, syntax: bool, json: bool) -> anyhow::Result<Verdict> {
    let checked =
        if syntax { Filter::check_syntax(text) } else { Filter::compile(text).map(|_| ()) };
    let error = checked.err();
    match &error {
        _ if json => print_json(&json!({
            "successful": error.is_none(),
            "error": error.as_deref().map(error_json),
        })),
        Some(error) => println!("{error}"),
        None => println!("Ok"),
    }
    Ok(if error.is_none() { Verdict::Good } else { Verdict::BadInput })
}

fn error_json(error: &Diagnostic) -> Json {
    json!({
        "code": error.code.as_str(),
        "message": error.message,
        "line": error.line,
        "column": error.column,
        "offset": error.offset,
        "suggestion": error.suggestion,
    })
}

fn eval(text: &str, event: &Path, explain: bool, json: bool) -> anyhow::Result<Verdict> {
    let filter = match Filter::compile(text) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("{error}");
            return Ok(Verdict::BadInput);
        }
    };
    let event = read_one(event)?;
    let matches = filter.matches(&*event);
    let explanation = filter.explainer().filter(|_| explain).map(|one| one.explain(&*event));
    if json {
        let mut printed = explanation.as_ref().map_or_else(|| json!({}), to_json);
        printed["matches"] = json!(matches);
        print_json(&printed);
    } else {
        println!("{matches}");
        explanation.iter().for_each(|explanation| print!("\n{}", Tree(explanation)));
    }
    Ok(Verdict::Good)
}

fn print_json(json: &Json) {
    println!("{}", PrintableJson(&json.to_string()));
}

fn text_of(expr: String) -> anyhow::Result<String> {
    if expr != "-" {
        return Ok(expr);
    }
    let mut text = read_text(Path::new("-")).context("cannot read standard input")?;
    // The line's end is no part of the condition: an error at the end points into the line.
    text.truncate(text.trim_end().len());
    Ok(text)
}

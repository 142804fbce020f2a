//! `lanner rules noise`: which alerts there are too many of, and exceptions for those.
//!
//! ```text
//! lines ─▶ alert ─▶ pattern ─▶ groups ─▶ report
//!                                │ --accept
//!                                ▼
//!                    choice ─▶ exceptions ─▶ rules file ─▶ rerun over the same alerts
//! ```
//!
//! The alerts are read once to be grouped, and twice more when groups are accepted, so that none
//! of them need be kept. What they say may be an attacker's: memory, lines and values are bounded,
//! and what is written means one value and no more.

mod alert;
mod choice;
mod exceptions;
mod groups;
mod lines;
mod pattern;
mod quote;
mod report;
mod rerun;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _, Write as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, error::ErrorKind};
use lanner_engine::{Options, RuleSet};

use self::{
    alert::{Alert, Read},
    exceptions::{Accepted, Refused},
    groups::{Group, Groups},
    lines::{Line, Lines},
    report::Tuned,
    rerun::Rerun,
};
use crate::{Verdict, printable::PrintableJson};

/// What to read, and what to do about it.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  journalctl -u lanner-sensor -o cat > alerts.jsonl
  lanner rules noise alerts.jsonl
  kubectl logs -n falco ds/falco --timestamps | lanner rules noise -
  lanner rules noise alerts.jsonl --rules rules.yaml --accept 1,3 > exceptions.yaml
  lanner rules noise alerts.jsonl --rules rules.yaml --accept 2 --fields proc.name,fd.name")]
pub(crate) struct Arguments {
    /// Files with alerts, or - for standard input
    ///
    /// Falco's JSON or text, one alert a line, as it is or as `journalctl` and `kubectl logs`
    /// print it. Other lines are counted.
    #[arg(value_name = "ALERTS", required = true)]
    alerts: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The rule files that made the alerts, in the order in which they are loaded
    #[arg(long, num_args = 1.., requires = "accept")]
    rules: Vec<PathBuf>,
    /// Numbers of groups that are noise: prints exceptions for them, as a rules file
    ///
    /// What the exceptions do to the alerts goes to standard error.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', requires = "rules")]
    accept: Vec<NonZeroUsize>,
    /// The fields of the exceptions, instead of those that fit each group best
    #[arg(long, value_delimiter = ',', requires = "accept")]
    fields: Vec<String>,
}

/// How many lines were what.
#[derive(Debug, Default)]
struct Tally {
    alerts: u64,
    foreign: u64,
    too_long: u64,
    /// Alerts of small groups that had to make room.
    ungrouped: u64,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Verdict> {
    if !arguments.accept.is_empty() && arguments.alerts.iter().any(|path| is_stdin(path)) {
        let message = "--accept reads the alerts more than once: write them to a file first\n";
        clap::Error::raw(ErrorKind::ValueValidation, message).exit();
    }
    let mut tally = Tally::default();
    let mut groups = Groups::default();
    let mut sizes = Vec::new();
    for path in &arguments.alerts {
        let size = read_alerts(path, u64::MAX, &mut tally, |alert| groups.add(alert))?;
        sizes.push((path.as_path(), size));
    }
    tally.ungrouped = groups.ungrouped;
    let groups = groups.ranked();
    let tuned = match arguments.accept.as_slice() {
        [] => None,
        numbers => {
            let fields = arguments.fields.as_slice();
            let Some(tuned) = tune(&sizes, &groups, numbers, fields, &arguments.rules)? else {
                return Ok(Verdict::BadInput);
            };
            Some(tuned)
        }
    };
    let output = match &tuned {
        _ if arguments.json => {
            let json = report::to_json(&tally, &groups, tuned.as_ref()).to_string();
            format!("{}\n", PrintableJson(&json))
        }
        Some(tuned) => {
            eprint!("{}", report::tuned_text(tuned));
            tuned.file.clone().unwrap_or_default()
        }
        None => report::groups_text(&tally, &groups),
    };
    match io::stdout().write_all(output.as_bytes()) {
        // Whoever read along (`| head`) has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("cannot print")?,
    }
    let refused = tuned.is_some_and(|tuned| !tuned.refused.is_empty());
    let nothing = tally.alerts == 0 && tally.foreign + tally.too_long > 0;
    Ok(if refused || nothing { Verdict::BadInput } else { Verdict::Good })
}

/// Makes exceptions for the groups of these numbers and tries them; `None` when the rules are bad.
fn tune(
    alerts: &[(&Path, u64)],
    groups: &[Group],
    numbers: &[NonZeroUsize],
    fields: &[String],
    paths: &[PathBuf],
) -> anyhow::Result<Option<Tuned>> {
    let fields = choice::read_fields(fields).map_err(anyhow::Error::msg).context("--fields")?;
    let Some(rules) = super::load_good(paths, &Options::default())? else { return Ok(None) };
    let mut tuned = Tuned::default();
    let mut accepted: Vec<Accepted> = Vec::new();
    for number in numbers.iter().map(|number| number.get()) {
        let group = groups.get(number - 1).with_context(|| {
            format!("there is no group {number}: the alerts make {}", groups.len())
        })?;
        if accepted.iter().any(|known| known.number == number) {
            continue;
        }
        match Accepted::new(number, group, &fields, &rules) {
            Ok(one) => accepted.push(one),
            Err(refused) => tuned.refused.push(refused),
        }
    }
    again(alerts, |alert| {
        let key = groups::Key::of(alert);
        accepted.iter_mut().filter(|one| one.key == key).for_each(|one| one.add(alert));
    })?;
    let (accepted, refused) = checked(accepted, &rules);
    tuned.refused.extend(refused);
    tuned.refused.sort_by_key(|refused| refused.number);
    if accepted.is_empty() {
        return Ok(Some(tuned));
    }
    let file = exceptions::rules_file(&accepted, &rules);
    let mut rerun = Rerun::new(&super::read(paths)?, &file, &accepted)?;
    again(alerts, |alert| rerun.add(alert))?;
    tuned.outcomes =
        rerun.outcomes().map(|(rule, outcome)| (rule.to_owned(), outcome.clone())).collect();
    tuned.file = Some(file);
    Ok(Some(tuned))
}

fn checked(accepted: Vec<Accepted>, rules: &RuleSet) -> (Vec<Accepted>, Vec<Refused>) {
    let mut refused = Vec::new();
    let mut good = accepted;
    good.retain(|one| match one.check(rules) {
        Ok(()) => true,
        Err(why) => {
            refused.push(why);
            false
        }
    });
    (good, refused)
}

/// Reads the same alerts again: a log that has grown since is read as far as it went.
fn again(alerts: &[(&Path, u64)], mut each: impl FnMut(&Alert)) -> anyhow::Result<()> {
    for (path, size) in alerts {
        read_alerts(path, *size, &mut Tally::default(), &mut each)?;
    }
    Ok(())
}

/// Calls `each` with the alerts among the first `size` bytes; gives how many bytes were read.
fn read_alerts(
    path: &Path,
    size: u64,
    tally: &mut Tally,
    mut each: impl FnMut(&Alert),
) -> anyhow::Result<u64> {
    let cannot_read = || format!("cannot read alerts {}", path.display());
    let input: Box<dyn BufRead> = if is_stdin(path) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).with_context(cannot_read)?))
    };
    let mut lines = Lines::new(input.take(size));
    while let Some(line) = lines.next().with_context(cannot_read)? {
        match line {
            Line::TooLong => tally.too_long += 1,
            Line::Text(text) if text.trim().is_empty() => {}
            Line::Text(text) => match alert::read(&text) {
                Read::Alert(alert) => {
                    tally.alerts += 1;
                    each(&alert);
                }
                Read::Foreign => tally.foreign += 1,
            },
        }
    }
    Ok(lines.read_bytes())
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

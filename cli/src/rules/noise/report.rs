//! What was found, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::{
    Tally,
    exceptions::Refused,
    groups::{Group, Seen},
    pattern::cut,
    rerun::Outcome,
};
use crate::printable::Printable;

/// How many groups people are shown.
const GROUPS_SHOWN: usize = 30;

/// What came of `--accept`.
#[derive(Debug, Default)]
pub(super) struct Tuned {
    /// The rules file, unless every group was refused.
    pub(super) file: Option<String>,
    pub(super) refused: Vec<Refused>,
    pub(super) outcomes: Vec<(String, Outcome)>,
}

/// The groups, the largest first.
pub(super) fn groups_text(tally: &Tally, groups: &[Group]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", summary(tally, groups));
    for (index, group) in groups.iter().take(GROUPS_SHOWN).enumerate() {
        let _ = group_text(&mut text, index + 1, group, tally);
    }
    let rest = groups.get(GROUPS_SHOWN..).unwrap_or_default();
    if !rest.is_empty() {
        let alerts: u64 = rest.iter().map(|group| group.count).sum();
        let groups = rest.len();
        let _ = writeln!(text, "\n{groups} more groups hold {alerts} alerts: --json shows them.");
    }
    text
}

fn summary(tally: &Tally, groups: &[Group]) -> String {
    let mut text = format!(
        "{} in {}, {} that {}",
        counted(tally.alerts, "alert"),
        counted(groups.len() as u64, "group"),
        counted(tally.foreign, "other line"),
        if tally.foreign == 1 { "is no alert" } else { "are no alerts" },
    );
    if tally.too_long > 0 {
        let _ = write!(text, ", {} too long to be read", counted(tally.too_long, "line"));
    }
    if tally.ungrouped > 0 {
        let _ = write!(
            text,
            "; {} of small groups that are not kept",
            counted(tally.ungrouped, "alert")
        );
    }
    text
}

fn group_text(text: &mut String, number: usize, group: &Group, tally: &Tally) -> std::fmt::Result {
    let rule = match group.key.rule.as_str() {
        "" => "(a line of text, which does not name its rule)",
        rule => rule,
    };
    let (count, percent) = (group.count, percent(group.count, tally.alerts));
    let priority = Printable(&group.key.priority);
    writeln!(text, "\n{number}. {count} ({percent}%)  {}  {priority}", Printable(rule))?;
    writeln!(text, "   {}", Printable(&group.key.pattern))?;
    if let (Some(first), Some(last)) = (group.first, group.last) {
        let format = "%Y-%m-%d %H:%M:%SZ";
        writeln!(text, "   from {} to {}", first.strftime(format), last.strftime(format))?;
    }
    writeln!(text, "   for example: {}", Printable(cut(&group.example, 400)))?;
    let same: Vec<_> =
        group.constant().map(|(name, seen)| format!("{name}={}", quoted(&seen.sample))).collect();
    if !same.is_empty() {
        writeln!(text, "   always: {}", Printable(&same.join(" ")))?;
    }
    let varying = |(name, seen): (&String, &Seen)| {
        let values = format!("{}{}", seen.values(), if seen.more { "+" } else { "" });
        match group.missing(seen) {
            0 => format!("{name} ({values})"),
            missing => format!("{name} ({values}, none in {missing})"),
        }
    };
    let varying: Vec<_> = group.varying().map(varying).collect();
    if !varying.is_empty() {
        writeln!(text, "   varies: {}", Printable(&varying.join(" ")))?;
    }
    Ok(())
}

fn quoted(value: &str) -> String {
    if value.is_empty() || value.contains(' ') { format!("\"{value}\"") } else { value.to_owned() }
}

fn percent(part: u64, whole: u64) -> String {
    let tenths = part.saturating_mul(1000).checked_div(whole).unwrap_or_default();
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// What the exceptions do.
pub(super) fn tuned_text(tuned: &Tuned) -> String {
    let mut text = String::new();
    for refused in &tuned.refused {
        let reason = Printable(&refused.reason);
        let _ = writeln!(text, "no exception for group {}: {reason}", refused.number);
    }
    for (rule, outcome) in &tuned.outcomes {
        let Outcome { before, after, not_judged, not_accepted } = outcome;
        let rule = Printable(rule);
        let _ = writeln!(text, "{rule}: {} before, {after} after", counted(*before, "alert"));
        if *not_judged > 0 {
            let _ = writeln!(
                text,
                "  {not_judged} of those left lack a field of an exception: nobody can tell from \
                 the alerts whether it holds for them"
            );
        }
        if *not_accepted > 0 {
            let _ = writeln!(
                text,
                "  {not_accepted} of those gone are in groups that were not accepted: look at them"
            );
        }
        if *after == 0 {
            let _ = writeln!(text, "  nothing that this rule said here is left: look at it again");
        }
    }
    text
}

/// Everything, as JSON.
pub(super) fn to_json(tally: &Tally, groups: &[Group], tuned: Option<&Tuned>) -> Json {
    let groups: Vec<Json> = groups
        .iter()
        .enumerate()
        .map(|(index, group)| group_json(index + 1, group, tally))
        .collect();
    let mut all = json!({
        "alerts": tally.alerts,
        "foreign_lines": tally.foreign,
        "too_long_lines": tally.too_long,
        "ungrouped_alerts": tally.ungrouped,
        "groups": groups,
    });
    if let Some(tuned) = tuned {
        let refused = |one: &Refused| json!({ "group": one.number, "reason": one.reason });
        let outcome = |(rule, outcome): &(String, Outcome)| {
            json!({
                "rule": rule,
                "before": outcome.before,
                "after": outcome.after,
                "not_judged": outcome.not_judged,
                "not_accepted": outcome.not_accepted,
            })
        };
        all["tuned"] = json!({
            "exceptions": tuned.file,
            "refused": tuned.refused.iter().map(refused).collect::<Vec<_>>(),
            "rules": tuned.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        });
    }
    all
}

fn group_json(number: usize, group: &Group, tally: &Tally) -> Json {
    let constant: serde_json::Map<_, _> =
        group.constant().map(|(name, seen)| (name.clone(), json!(seen.sample))).collect();
    let varying: serde_json::Map<_, _> = group
        .varying()
        .map(|(name, seen)| {
            let missing = group.missing(seen);
            (name.clone(), json!({"values": seen.values(), "more": seen.more, "missing": missing}))
        })
        .collect();
    json!({
        "group": number,
        "rule": if group.key.rule.is_empty() { Json::Null } else { json!(group.key.rule) },
        "priority": group.key.priority,
        "source": group.source,
        "alerts": group.count,
        "percent": percent(group.count, tally.alerts).parse::<f64>().unwrap_or_default(),
        "first": group.first.map(|time| time.to_string()),
        "last": group.last.map(|time| time.to_string()),
        "pattern": group.key.pattern,
        "example": group.example,
        "constant": constant,
        "varying": varying,
    })
}

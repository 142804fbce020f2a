//! `lanner rules describe`: what the rules are after everything is resolved, and what of them the
//! kernel can decide.

mod passed;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use lanner_engine::{
    FailedExec, FieldRef, Options, Rule, RuleSet,
    projection::{Clauses, Family, Projection, RuleFilter, TypeFilter},
};
use serde_json::{Value as Json, json};

use self::passed::Passed;
use crate::Verdict;

/// The source whose events the kernel filters.
const SOURCE: &str = "syscall";

/// With `events`, a recording, also how many of them the kernel would report.
pub(super) fn run(paths: &[PathBuf], events: Option<&Path>, json: bool) -> anyhow::Result<Verdict> {
    // As the sensor has it, unless it is told otherwise.
    let options = Options { failed_exec: FailedExec::AskingRules, ..Options::default() };
    let Some(rules) = super::load_good(paths, &options)? else {
        return Ok(Verdict::BadInput);
    };
    let projection = rules.projection(SOURCE);
    let filter = Filter { rules: &rules, projection: &projection };
    let counted = |recording| anyhow::Ok((recording, Passed::count(recording, filter)?));
    let counted = events.map(counted).transpose()?;
    if json {
        let filters: BTreeMap<&str, &RuleFilter> =
            projection.rules().iter().map(|filter| (&*filter.rule, filter)).collect();
        let rules: Vec<Json> =
            rules.rules().map(|rule| rule_json(rule, filters.get(&*rule.name).copied())).collect();
        let mut described = json!({ "rules": rules });
        if let Some((_, passed)) = counted {
            described["recorded"] = passed.to_json();
        }
        println!("{described}");
    } else {
        rules.rules().for_each(print);
        print_filter(filter);
        if let Some((recording, passed)) = counted {
            passed.print(recording);
        }
    }
    Ok(Verdict::Good)
}

/// What the kernel is given of a set of rules.
#[derive(Clone, Copy)]
struct Filter<'r> {
    rules: &'r RuleSet,
    projection: &'r Projection,
}

impl<'r> Filter<'r> {
    /// What each rule contributes for an event type.
    fn parts(self, event_type: &str) -> impl Iterator<Item = (&'r str, &'r TypeFilter)> {
        let rules = self.rules.rules().filter(|rule| rule.source == SOURCE);
        rules.zip(self.projection.rules()).filter_map(move |(rule, filter)| {
            let is_used = rule.enabled && self.rules.projects(rule, event_type);
            let mut types = filter.event_types.iter().filter(|_| is_used);
            Some((&*rule.name, types.find(|known| known.event_type == event_type)?))
        })
    }
}

fn rule_json(rule: &Rule, filter: Option<&RuleFilter>) -> Json {
    let fields: BTreeSet<String> = rule.fields().iter().map(FieldRef::to_string).collect();
    json!({
        "name": rule.name,
        "condition_compiled": rule.condition_compiled(),
        "evt_types": rule.event_types(),
        "fields": fields,
        // None for rules whose events do not come out of the kernel.
        "kernel_filter": filter.map(filter_json),
    })
}

fn filter_json(filter: &RuleFilter) -> Json {
    let types = filter.event_types.iter().map(|known| {
        let passes = match known.clauses.is_everything() {
            true => json!("everything"),
            false => json!(lines(&known.clauses)),
        };
        let filter = json!({"passes": passes, "defeated_by": known.defeated_by});
        (known.event_type.to_owned(), filter)
    });
    Json::Object(types.collect())
}

fn lines(clauses: &Clauses) -> Vec<String> {
    clauses.iter().map(ToString::to_string).collect()
}

fn print(rule: &Rule) {
    /// More names than this say "nearly all".
    const EVENT_TYPES_SHOWN_MAX: usize = 20;
    let event_types = rule.event_types();
    println!("{} ({}, {})", rule.name, rule.priority, rule.source);
    println!("  {}", rule.desc.replace('\n', " "));
    if event_types.len() > EVENT_TYPES_SHOWN_MAX {
        println!("  event types: {} of them", event_types.len());
    } else {
        println!("  event types: {}", event_types.join(", "));
    }
    println!("  condition: {}\n", rule.condition_compiled());
}

/// For each family of events what leaves the kernel, and whose doing it is if that is nearly all.
fn print_filter(filter: Filter<'_>) {
    let projection = filter.projection;
    println!(
        "What the kernel passes on, so that no rule misses an event. How much that is, --events tells\n\
         of a recording, and the sensor counts: metrics lanner.kernel_filter.TYPE.seen and .passed"
    );
    for family in Family::ALL {
        let mut alike: Vec<(Vec<&str>, &Clauses)> = Vec::new();
        let types: BTreeMap<&str, &Clauses> = projection.event_types().collect();
        for event_type in family.event_types() {
            let Some(clauses) = types.get(event_type) else { continue };
            match alike.iter_mut().find(|(_, known)| known == clauses) {
                Some((names, _)) => names.push(event_type),
                None => alike.push((vec![event_type], clauses)),
            }
        }
        if alike.is_empty() {
            match family {
                Family::Exec => println!("\nexec: each program that starts"),
                _ => println!("\n{}: nothing", family.as_str()),
            }
            continue;
        }
        match family {
            Family::Exec => println!("\nexec, of calls that fail (a program that starts passes):"),
            _ => println!("\n{}:", family.as_str()),
        }
        for (names, clauses) in alike {
            println!("  {}", names.join(", "));
            for line in lines(clauses) {
                println!("    {line}");
            }
        }
        let mut wide: Vec<(&str, Vec<&TypeFilter>)> = Vec::new();
        for (rule, part) in family.event_types().flat_map(|name| filter.parts(name)) {
            match wide.iter_mut().find(|(known, _)| *known == rule) {
                _ if !part.is_wide() => {}
                Some((_, parts)) => parts.push(part),
                None => wide.push((rule, vec![part])),
            }
        }
        for (rule, parts) in wide {
            println!("  nearly all because of: {rule} ({})", reason(&parts));
        }
    }
}

fn reason(wide: &[&TypeFilter]) -> String {
    let fields: BTreeSet<&str> =
        wide.iter().flat_map(|known| &known.defeated_by).map(String::as_str).collect();
    match fields.len() {
        0 => "it has no test that keeps much away".to_owned(),
        _ => {
            let fields: Vec<&str> = fields.into_iter().collect();
            format!("the kernel cannot test {}", fields.join(", "))
        }
    }
}

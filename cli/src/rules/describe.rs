//! `lanner rules describe`: what the rules are after everything is resolved, and what of them the
//! kernel can decide.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use lanner_engine::{
    FieldRef, Options, Rule,
    projection::{Clauses, Family, Projection, RuleFilter, TypeFilter},
};
use serde_json::{Value as Json, json};

use crate::Verdict;

/// The source whose events the kernel filters.
const SOURCE: &str = "syscall";

pub(super) fn run(paths: &[PathBuf], json: bool) -> anyhow::Result<Verdict> {
    let Some(rules) = super::load_good(paths, &Options::default())? else {
        return Ok(Verdict::BadInput);
    };
    let projection = rules.projection(SOURCE);
    if json {
        let filters: BTreeMap<&str, &RuleFilter> =
            projection.rules().iter().map(|filter| (&*filter.rule, filter)).collect();
        let rules: Vec<Json> =
            rules.rules().map(|rule| rule_json(rule, filters.get(&*rule.name).copied())).collect();
        println!("{}", json!({ "rules": rules }));
    } else {
        rules.rules().for_each(print);
        print_filter(&projection);
    }
    Ok(Verdict::Good)
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
fn print_filter(projection: &Projection) {
    println!(
        "What the kernel passes on, so that no rule misses an event. How much that is, the sensor\n\
         counts: metrics lanner.kernel_filter.TYPE.seen and .passed"
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
            println!("\n{}: nothing", family.as_str());
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
        for rule in projection.rules().iter().filter(|rule| rule.enabled) {
            let of_family = |known: &&TypeFilter| Family::of(known.event_type) == Some(family);
            let wide = rule.event_types.iter().filter(of_family).filter(|known| known.is_wide());
            let wide: Vec<&TypeFilter> = wide.collect();
            if !wide.is_empty() {
                println!("  nearly all because of: {} ({})", rule.rule, reason(&wide));
            }
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

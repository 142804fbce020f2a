//! `lanner rules describe`: what the rules are after everything is resolved.

use std::{collections::BTreeSet, path::PathBuf};

use lanner_engine::{FieldRef, Options, Rule};
use serde_json::{Value as Json, json};

use crate::Verdict;

pub(super) fn run(paths: &[PathBuf], json: bool) -> anyhow::Result<Verdict> {
    let Some(rules) = super::load_good(paths, &Options::default())? else {
        return Ok(Verdict::BadInput);
    };
    if json {
        let rules: Vec<Json> = rules.rules().map(rule_json).collect();
        println!("{}", json!({ "rules": rules }));
    } else {
        rules.rules().for_each(print);
    }
    Ok(Verdict::Good)
}

fn rule_json(rule: &Rule) -> Json {
    let fields: BTreeSet<String> = rule.fields().iter().map(FieldRef::to_string).collect();
    json!({
        "name": rule.name,
        "condition_compiled": rule.condition_compiled(),
        "evt_types": rule.event_types(),
        "fields": fields,
        // What the kernel filter can decide is known once the engine derives it.
        "kernel_filter": null,
    })
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

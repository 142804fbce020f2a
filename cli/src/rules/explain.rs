//! `lanner rules explain`: why a rule matches an event, or does not.

use std::path::{Path, PathBuf};

use lanner_engine::Options;
use serde_json::json;

use crate::{
    Verdict,
    event::read_one,
    explanation::{Reasons, Tree, to_json},
    printable::PrintableJson,
};

pub(super) fn run(
    name: &str,
    rules: &[PathBuf],
    event: &Path,
    json: bool,
) -> anyhow::Result<Verdict> {
    let Some(rules) = super::load_good(rules, &Options::default())? else {
        return Ok(Verdict::BadInput);
    };
    let (rule, explainer) = rules
        .rules()
        .find(|rule| rule.name == name)
        .zip(rules.explainer(name))
        .ok_or_else(|| anyhow::anyhow!("no rule is named '{name}'"))?;
    let explanation = explainer.explain(&*read_one(event)?);

    if json {
        let mut printed = to_json(&explanation);
        printed["rule"] = json!(rule.name);
        printed["enabled"] = json!(rule.enabled);
        printed["matches"] = json!(explanation.holds);
        println!("{}", PrintableJson(&printed.to_string()));
    } else {
        let (matches, off) = (
            if explanation.holds { "matches" } else { "does not match" },
            if rule.enabled { "" } else { " (the rule is not enabled)" },
        );
        println!("{name}: {matches}{off}, because\n{}", Reasons(&explanation));
        print!("{}", Tree(&explanation));
    }
    Ok(Verdict::Good)
}

//! What was done and found, for people and programs.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::{
    action::{Action, Place},
    perform::{Ended, Performed},
    verify::Finding,
};
use crate::{
    Verdict,
    printable::{Printable, PrintableJson},
};

/// Prints every action.
pub(super) fn list(actions: &[&Action], json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for action in actions {
        let mut needs: Vec<String> = action.needs.iter().map(ToString::to_string).collect();
        if action.place != Place::Host {
            needs.push("root, CAP_SYS_ADMIN or a container".to_owned());
        }
        if json {
            let object = json!({
                "action": action.name, "does": action.does, "harmless": action.harmless,
                "rules": action.rules, "falco_rules": action.falco, "mitre": action.mitre,
                "event": action.event, "needs": needs,
            });
            writeln!(out, "{object}")?;
            continue;
        }
        writeln!(out, "{}: {} ({})", action.name, action.does, action.mitre)?;
        for (rules, whose) in [(action.rules, "rule"), (action.falco, "Falco's")] {
            if !rules.is_empty() {
                writeln!(out, "    {whose:8}  {}", rules.join(" | "))?;
            }
        }
        writeln!(out, "    harmless  {}", action.harmless)?;
        if !needs.is_empty() {
            writeln!(out, "    needs     {}", needs.join(", "))?;
        }
    }
    Ok(())
}

/// What a row says of an action.
struct Row<'a> {
    performed: &'a Performed,
    result: &'static str,
    text: String,
    more: Vec<String>,
    detail: Value,
}

/// Prints what was done. Good when nothing failed and something was done.
pub(super) fn performed(performed: &[Performed], json: bool) -> anyhow::Result<Verdict> {
    print(performed.iter().map(row_of_deed).collect(), json)
}

/// Prints what was found. Good when every deed was noticed as it was, and there was one.
pub(super) fn findings(findings: &[Finding], json: bool) -> anyhow::Result<Verdict> {
    print(findings.iter().map(row_of_finding).collect(), json)
}

fn row_of_deed(performed: &Performed) -> Row<'_> {
    let (result, text, detail) = match &performed.ended {
        Ended::Acted(deed) => ("done", String::new(), json!(deed)),
        Ended::NotRun(why) => ("not run", why.clone(), Value::Null),
        Ended::Failed(why) => ("failed", why.clone(), Value::Null),
    };
    Row { performed, result, text, more: Vec::new(), detail }
}

fn row_of_finding(finding: &Finding) -> Row<'_> {
    let mut row = row_of_deed(&finding.performed);
    if row.result != "done" {
        return row;
    }
    match &finding.notice {
        None => row.result = "missing",
        Some(notice) => {
            row.result = if notice.wrong.is_empty() { "alerted" } else { "wrong" };
            row.text = format!("after {:.1} ms", notice.milliseconds);
            row.more = notice.wrong.clone();
            row.detail["alert"] = json!({
                "id": notice.alert_id, "rule": notice.rule, "milliseconds": notice.milliseconds,
            });
        }
    }
    row
}

fn print(rows: Vec<Row<'_>>, json: bool) -> anyhow::Result<Verdict> {
    let mut out = io::stdout().lock();
    let width = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let name_width = width(|row| row.performed.action.name.len());
    let rule_width = width(|row| row.rule().len());
    for row in &rows {
        if json {
            let object = json!({
                "action": row.performed.action.name, "rules": row.performed.rules,
                "token": row.performed.token, "result": row.result, "why": row.text,
                "wrong": row.more, "deed": row.detail,
            });
            writeln!(out, "{}", PrintableJson(&object.to_string()))?;
            continue;
        }
        let line = format!(
            "{:name_width$}  {:rule_width$}  {:7}  {}",
            row.performed.action.name,
            row.rule(),
            row.result,
            row.text
        );
        writeln!(out, "{}", Printable(line.trim_end()))?;
        for wrong in &row.more {
            writeln!(out, "{:name_width$}    {}", "", Printable(wrong))?;
        }
    }
    let count = |result: &str| rows.iter().filter(|row| row.result == result).count();
    let results = ["alerted", "done", "missing", "wrong", "failed", "not run"];
    if !json {
        let told: Vec<String> = results
            .iter()
            .filter(|result| count(result) > 0)
            .map(|result| format!("{} {result}", count(result)))
            .collect();
        writeln!(out, "{}", told.join(", "))?;
    }
    let good = count("alerted") + count("done") > 0
        && count("missing") + count("wrong") + count("failed") == 0;
    Ok(if good { Verdict::Good } else { Verdict::BadInput })
}

impl Row<'_> {
    /// The rule that noticed, or else the first that should.
    fn rule(&self) -> String {
        let noticed = self.detail["alert"]["rule"].as_str();
        let expected = || self.performed.rules.first().copied().unwrap_or_default();
        noticed.unwrap_or_else(expected).to_owned()
    }
}

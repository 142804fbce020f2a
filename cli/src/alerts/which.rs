//! Which alerts: what the subjects can say, the server decides; the rest is
//! looked at here. So is the node: who publishes for another one has a part of
//! its own in the subject.

use std::{collections::BTreeSet, str::FromStr};

use clap::Args;
use lanner_alert::{Alert, Priority, SubjectRoot, slug};
use lanner_engine::Diagnostic;
use regex::Regex;

use super::condition::Condition;

/// Subscriptions that one reader makes; with more combinations than that it
/// takes more alerts than it shows.
const SUBJECTS_MAX: usize = 64;

/// Which alerts. Of several flags each must hold, of one flag given several
/// times one value must.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// Those of this priority and the more urgent ones
    #[arg(long)]
    priority: Option<Priority>,
    /// Those with this tag; once for each of several
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Those of this rule; `*` stands for anything, `?` for one character
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<Name>,
    /// Those of this node; `*` and `?` as above
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<Name>,
    /// Those for which this condition holds, in the language of the rules
    ///
    /// It asks for what the alert says: its `output_fields` and its `entity`
    /// by their fields' names, such as `k8s.ns.name = prod and proc.name != sh`.
    /// What an alert does not say is missing, and no comparison with it holds.
    #[arg(long = "where", value_name = "CONDITION")]
    condition: Option<String>,
    /// Those on these subjects
    ///
    /// An alert is on `lanner.alerts.<priority>.<tag>.<rule>.<node>`, and a copy for each of
    /// its tags on `lanner.tags.<tag>.<priority>.<rule>.<node>`. `*` stands for one part,
    /// `>` for all that follow. Unless given, the other flags choose the subjects.
    #[arg(long, value_name = "FILTER")]
    subject: Option<String>,
    /// What the subjects of the cluster begin with
    #[arg(long, value_name = "ROOT", default_value = "lanner", conflicts_with = "subject")]
    subject_root: SubjectRoot,
}

/// A name, or what it looks like.
#[derive(Clone, Debug)]
enum Name {
    Exact(String),
    Like(Regex),
}

impl FromStr for Name {
    type Err = regex::Error;

    fn from_str(text: &str) -> Result<Self, regex::Error> {
        if !text.contains(['*', '?']) {
            return Ok(Self::Exact(text.to_owned()));
        }
        let pattern = regex::escape(text).replace(r"\*", ".*").replace(r"\?", ".");
        Regex::new(&format!("(?is)^{pattern}$")).map(Self::Like)
    }
}

impl Name {
    /// `same` compares as the part of a subject that holds such a name does.
    fn is(&self, name: &str, same: impl Fn(&str) -> String) -> bool {
        match self {
            Self::Exact(wanted) => same(wanted) == same(name),
            Self::Like(pattern) => pattern.is_match(name),
        }
    }
}

impl Which {
    /// The condition; `None` when there is none to hold.
    pub(super) fn condition(&self) -> Result<Option<Condition>, Box<Diagnostic>> {
        self.condition.as_deref().map(Condition::compile).transpose()
    }

    /// Whether this alert is one of those, but for the condition.
    pub(super) fn takes(&self, alert: &Alert) -> bool {
        let has = |wanted: &String| alert.tags.iter().any(|tag| slug(tag) == slug(wanted));
        self.priority.is_none_or(|least| alert.priority >= least)
            && (self.tags.is_empty() || self.tags.iter().any(has))
            && (self.rules.is_empty() || self.rules.iter().any(|name| name.is(&alert.rule, slug)))
            && (self.nodes.is_empty()
                || self.nodes.iter().any(|name| name.is(&alert.node, str::to_owned)))
    }

    /// Subjects whose live messages hold all of those alerts: those of a tag
    /// come as the tag's copies, which is all that some may read.
    pub(super) fn live_subjects(&self) -> Vec<String> {
        if let Some(subject) = &self.subject {
            return vec![subject.clone()];
        }
        let root = self.subject_root.as_str();
        let (priorities, rules) = (self.priorities(), self.rules());
        let tags: BTreeSet<String> = self.tags.iter().map(|tag| slug(tag)).collect();
        let combinations = |rules: &[String]| {
            let mut subjects = Vec::new();
            for priority in &priorities {
                for rule in rules {
                    if tags.is_empty() {
                        subjects.push(format!("{root}.alerts.{priority}.*.{rule}.*"));
                    }
                    for tag in &tags {
                        subjects.push(format!("{root}.tags.{tag}.{priority}.{rule}.*"));
                    }
                }
            }
            subjects
        };
        let mut subjects = combinations(&rules);
        if subjects.len() > SUBJECTS_MAX {
            subjects = combinations(&any());
        }
        subjects.iter().map(|subject| shortened(subject)).collect()
    }

    /// One subject that covers all of those alerts in their stream; `None` when
    /// they are not there, only their copies are.
    pub(super) fn stored_subject(&self) -> Option<String> {
        if let Some(subject) = &self.subject {
            return (!subject.contains(".tags.")).then(|| subject.clone());
        }
        // The server takes one filter of one subject.
        let one = |values: Vec<String>| match <[String; 1]>::try_from(values) {
            Ok([value]) => value,
            Err(_) => "*".to_owned(),
        };
        let root = self.subject_root.as_str();
        let (priority, rule) = (one(self.priorities()), one(self.rules()));
        Some(shortened(&format!("{root}.alerts.{priority}.*.{rule}.*")))
    }

    fn priorities(&self) -> Vec<String> {
        match self.priority {
            None | Some(Priority::Debug) => any(),
            Some(least) => {
                let wanted = Priority::ALL.into_iter().filter(|priority| *priority >= least);
                wanted.map(|priority| priority.as_token().to_owned()).collect()
            }
        }
    }

    /// The parts of subjects that hold these rules, or any part.
    fn rules(&self) -> Vec<String> {
        let exact = |name: &Name| match name {
            Name::Exact(name) => Some(slug(name)),
            Name::Like(_) => None,
        };
        match self.rules.iter().map(exact).collect::<Option<BTreeSet<_>>>() {
            Some(tokens) if !tokens.is_empty() => tokens.into_iter().collect(),
            _ => any(),
        }
    }
}

fn any() -> Vec<String> {
    vec!["*".to_owned()]
}

/// `a.b.*.*` as `a.b.>`: permissions are written that way.
fn shortened(subject: &str) -> String {
    let start = subject.trim_end_matches(".*");
    if start.len() == subject.len() { subject.to_owned() } else { format!("{start}.>") }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        which: Which,
    }

    fn which(flags: &str) -> Which {
        Flags::try_parse_from(format!("x {flags}").split(' ').filter(|flag| !flag.is_empty()))
            .unwrap_or_else(|error| panic!("{error}"))
            .which
    }

    #[test]
    fn flags_become_subjects() {
        for (flags, live, stored) in [
            ("", "lanner.alerts.>", "lanner.alerts.>"),
            ("--priority debug", "lanner.alerts.>", "lanner.alerts.>"),
            ("--priority emergency", "lanner.alerts.emergency.>", "lanner.alerts.emergency.>"),
            (
                "--priority alert",
                "lanner.alerts.emergency.> lanner.alerts.alert.>",
                "lanner.alerts.>",
            ),
            ("--tag T1059.004", "lanner.tags.t1059_004.>", "lanner.alerts.>"),
            ("--tag a --tag A", "lanner.tags.a.>", "lanner.alerts.>"),
            (
                "--tag b --tag a --priority emergency",
                "lanner.tags.a.emergency.> lanner.tags.b.emergency.>",
                "lanner.alerts.emergency.>",
            ),
            ("--node a.b", "lanner.alerts.>", "lanner.alerts.>"),
            ("--rule A-b", "lanner.alerts.*.*.a_b.>", "lanner.alerts.*.*.a_b.>"),
            ("--rule A-b --rule c*", "lanner.alerts.>", "lanner.alerts.>"),
            ("--rule a --rule b", "lanner.alerts.*.*.a.> lanner.alerts.*.*.b.>", "lanner.alerts.>"),
            ("--subject-root eu.x --rule r", "eu.x.alerts.*.*.r.>", "eu.x.alerts.*.*.r.>"),
            ("--subject x.y", "x.y", "x.y"),
        ] {
            let which = which(flags);
            assert_eq!(which.live_subjects().join(" "), live, "{flags}");
            assert_eq!(which.stored_subject().as_deref(), Some(stored), "{flags}");
        }
        assert_eq!(which("--subject lanner.tags.a.>").stored_subject(), None);
    }

    #[test]
    fn too_many_combinations_become_fewer() {
        let rules: String = (0..10).map(|rule| format!("--rule {rule} ")).collect();
        let subjects = which(&format!("{rules} --priority notice")).live_subjects();
        assert_eq!(subjects.len(), SUBJECTS_MAX - 4);
        let subjects = which(&format!("{rules} --priority notice --tag a --tag b")).live_subjects();
        assert_eq!(subjects.len(), 12);
        assert_eq!(subjects[0], "lanner.tags.a.emergency.>");
    }

    #[test]
    fn what_no_subject_says_is_looked_at_here() {
        let alert = json!({
            "id": "00000000-0000-7000-8000-000000000000", "schema": 1,
            "time": "2026-01-02T03:04:05Z", "node": "node-7.eu", "hostname": "", "output": "",
            "rule": "Terminal shell (new)", "priority": "Warning", "source": "syscall",
            "tags": ["T1059.004", "shell"],
        });
        let alert = Alert::from_json(alert.to_string().as_bytes()).unwrap();
        for (flags, takes) in [
            ("", true),
            ("--priority warning", true),
            ("--priority INFO", true),
            ("--priority error", false),
            ("--tag Shell", true),
            ("--tag t1059_004 --tag x", true),
            ("--tag she", false),
            ("--rule terminal_shell_new_", true),
            ("--rule terminal*", true),
            ("--rule *SHELL*", true),
            ("--rule terminal", false),
            ("--rule shell*", false),
            ("--node node-7.eu", true),
            ("--node node-?.eu", true),
            ("--node node-7", false),
            ("--node NODE-7.eu", false),
            ("--tag shell --priority error", false),
        ] {
            assert_eq!(which(flags).takes(&alert), takes, "{flags}");
        }
    }
}

//! Exceptions for the groups that were accepted, as a rules file.

use std::collections::{BTreeMap, BTreeSet};

use lanner_engine::{FieldRef, RuleSet};

use super::{
    alert::Alert,
    choice::{self, silences_rule, value_of},
    groups::{Group, Key},
    pattern::cut,
    quote::{condition_text, yaml_text},
};
use crate::printable::Printable;

/// How many different values one group may add: more is no exception but a hole.
const ROWS_MAX: usize = 100;

/// An accepted group, and the values that its alerts have.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) number: usize,
    pub(super) key: Key,
    pub(super) count: u64,
    pub(super) fields: Vec<FieldRef>,
    rows: BTreeSet<Vec<String>>,
    too_many: bool,
    /// How many alerts an exception cannot be made of, by field and reason.
    unusable: BTreeMap<String, u64>,
}

/// An accepted group for which there is no exception.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) number: usize,
    pub(super) reason: String,
}

impl Accepted {
    /// Starts with a group's fields: those given, or else those that fit it best.
    pub(super) fn new(
        number: usize,
        group: &Group,
        given: &[FieldRef],
        rules: &RuleSet,
    ) -> Result<Self, Refused> {
        let refused = |reason: String| Refused { number, reason };
        let key = group.key.clone();
        if key.rule.is_empty() {
            let reason = "its alerts are lines of text, which name neither rule nor fields: have \
                          them written as JSON (json_output: true)";
            return Err(refused(reason.to_owned()));
        }
        if rules.rules().all(|rule| rule.name != key.rule) {
            return Err(refused(format!("the rules given with --rules have no '{}'", key.rule)));
        }
        if group.fields.is_empty() {
            return Err(refused("its alerts have no output fields".to_owned()));
        }
        let fields = match given {
            [] => choice::choose(group).map_err(refused)?,
            given => given.to_vec(),
        };
        let (rows, unusable) = (BTreeSet::new(), BTreeMap::new());
        Ok(Self { number, key, count: group.count, fields, rows, too_many: false, unusable })
    }

    /// Takes the values of one of its alerts.
    pub(super) fn add(&mut self, alert: &Alert) {
        let none = serde_json::Map::new();
        let fields = alert.fields.as_ref().unwrap_or(&none);
        let mut row = Vec::new();
        for field in &self.fields {
            match value_of(field, fields) {
                Ok(value) => row.push(value),
                Err(reason) => {
                    *self.unusable.entry(format!("{field} {reason}")).or_default() += 1;
                    return;
                }
            }
        }
        if self.rows.len() < ROWS_MAX {
            self.rows.insert(row);
        } else {
            self.too_many |= !self.rows.contains(&row);
        }
    }

    /// Says whether there is an exception once all its alerts were added.
    pub(super) fn check(&self, rules: &RuleSet) -> Result<(), Refused> {
        let refused = |reason: String| Err(Refused { number: self.number, reason });
        let Some(rule) = rules.rules().find(|rule| rule.name == self.key.rule) else {
            return refused("its rule is gone".to_owned());
        };
        if self.rows.is_empty() {
            return refused(format!("in all its alerts {}", self.unusable()));
        }
        let names = || self.fields.iter().map(FieldRef::to_string).collect::<Vec<_>>().join(", ");
        if self.too_many {
            return refused(format!("{} has more than {ROWS_MAX} different values", names()));
        }
        if self.rows.iter().any(|row| silences_rule(&self.fields, row, rule)) {
            return refused(format!(
                "it would silence the whole rule, whose condition demands that value of {}: \
                 choose other fields with --fields, or disable the rule",
                names()
            ));
        }
        Ok(())
    }

    /// What is in the way of some of its alerts.
    fn unusable(&self) -> String {
        self.unusable.keys().cloned().collect::<Vec<_>>().join(" or ")
    }
}

/// The rules file: one item a rule, one exception for each choice of fields.
pub(super) fn rules_file(accepted: &[Accepted], rules: &RuleSet) -> String {
    let lists: Vec<&str> = rules.list_names().collect();
    let mut by_rule: BTreeMap<&str, BTreeMap<Vec<String>, Vec<&Accepted>>> = BTreeMap::new();
    for one in accepted {
        let fields = one.fields.iter().map(FieldRef::to_string).collect();
        by_rule.entry(&one.key.rule).or_default().entry(fields).or_default().push(one);
    }
    let mut file =
        "# Exceptions for alerts that were accepted as noise. Load this file after the rules.\n"
            .to_owned();
    for (rule, by_fields) in by_rule {
        file.push_str(&format!("- rule: {}\n  exceptions:\n", yaml_text(rule)));
        let mut taken: BTreeSet<String> = rules.exception_names(rule).map(str::to_owned).collect();
        for (fields, groups) in by_fields {
            for group in &groups {
                let pattern = cut(&group.key.pattern, 160);
                let alerts = if group.count == 1 { "alert" } else { "alerts" };
                let pattern = Printable(pattern);
                file.push_str(&format!("    # {} {alerts}: {pattern}\n", group.count));
            }
            let name = free_name(&fields, &mut taken);
            let names = fields.iter().map(|field| yaml_text(field)).collect::<Vec<_>>().join(", ");
            let comps = vec!["'='"; fields.len()].join(", ");
            file.push_str(&format!(
                "    - name: {name}\n      fields: [{names}]\n      comps: [{comps}]\n      values:\n"
            ));
            let rows: BTreeSet<&Vec<String>> =
                groups.iter().flat_map(|group| &group.rows).collect();
            for row in rows {
                let value = |value: &String| yaml_text(&condition_text(value, &lists));
                let row = row.iter().map(value).collect::<Vec<_>>().join(", ");
                file.push_str(&format!("        - [{row}]\n"));
            }
        }
        file.push_str("  override:\n    exceptions: append\n");
    }
    file
}

/// A name that no exception of the rule has: to append to one of the same name, Falco wants values
/// alone.
fn free_name(fields: &[String], taken: &mut BTreeSet<String>) -> String {
    let letters = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let base: String = fields.join("_").chars().map(letters).collect();
    let numbered = (2..).map(|number| format!("{base}_{number}"));
    let mut names = std::iter::once(base.clone()).chain(numbered);
    let name = names.find(|name| !taken.contains(name)).unwrap_or(base);
    taken.insert(name.clone());
    name
}

#[cfg(test)]
mod tests {
    use lanner_engine::{Options, SourceFile, load};
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::rules::noise::{groups::Groups, rerun::Rerun};

    const RULES: &str = "\
- list: shells
  items: [sh, bash]
- list: odd
  items: ['\"x\" or proc.name exists']
- list: a list
  items: [1]
- list: none
  items: []
- rule: 'Odd: [rule] #1'
  desc: d
  condition: evt.type=openat and proc.name=cat and fd.name in (shells)
  output: o
  priority: INFO
  exceptions:
    - {name: proc_cmdline, fields: [proc.cmdline], values: [[x]]}
";

    fn rules() -> Vec<SourceFile> {
        vec![SourceFile { name: "rules.yaml".to_owned(), text: RULES.to_owned() }]
    }

    fn alert(fields: Json) -> Alert {
        Alert {
            rule: "Odd: [rule] #1".to_owned(),
            source: "syscall".to_owned(),
            message: "m".to_owned(),
            fields: fields.as_object().cloned(),
            ..Alert::default()
        }
    }

    /// The file for these alerts, or why there is none.
    fn written(fields: &[&str], alerts: &[Alert]) -> Result<(Accepted, String), Refused> {
        let (rules, _) = load(&rules(), &Options::default());
        let mut groups = Groups::default();
        alerts.iter().for_each(|alert| groups.add(alert));
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        let fields = choice::read_fields(&fields).unwrap();
        let mut accepted = Accepted::new(1, &groups.ranked()[0], &fields, &rules)?;
        alerts.iter().for_each(|alert| accepted.add(alert));
        accepted.check(&rules)?;
        let file = rules_file(std::slice::from_ref(&accepted), &rules);
        Ok((accepted, file))
    }

    #[test]
    fn the_file_is_as_a_person_would_write_it() {
        let alerts = [
            alert(json!({"proc.name": "cat", "fd.name": "/etc/shadow"})),
            alert(json!({"proc.name": "cat", "fd.name": "/etc/my secrets"})),
        ];
        let (_, file) = written(&["proc.name", "fd.name"], &alerts).unwrap();
        expect_test::expect![[r#"
            # Exceptions for alerts that were accepted as noise. Load this file after the rules.
            - rule: 'Odd: [rule] #1'
              exceptions:
                # 2 alerts: m
                - name: proc_name_fd_name
                  fields: [proc.name, fd.name]
                  comps: ['=', '=']
                  values:
                    - [cat, '"/etc/my secrets"']
                    - [cat, /etc/shadow]
              override:
                exceptions: append
        "#]]
        .assert_eq(&file);
        let (_, file) = written(&["proc.cmdline"], &[alert(json!({"proc.cmdline": "y"}))]).unwrap();
        assert!(file.contains("- name: proc_cmdline_2\n"), "{file}");
    }

    #[test]
    fn what_cannot_be_an_exception_is_refused() {
        let many = |number: usize| alert(json!({"fd.name": format!("/{}", "x".repeat(number))}));
        for (fields, alerts, reason) in [
            ("proc.name", vec![alert(json!({"proc.name": "cat"}))], "silence the whole rule"),
            ("proc.pname", vec![alert(json!({"proc.name": "cat"}))], "proc.pname has no value"),
            ("fd.name", (1..=ROWS_MAX + 1).map(many).collect(), "more than 100"),
            ("fd.name", vec![alert(json!({}))], "no output fields"),
            ("fd.name", vec![Alert { rule: String::new(), ..many(1) }], "lines of text"),
            ("fd.name", vec![Alert { rule: "Gone".to_owned(), ..many(1) }], "have no 'Gone'"),
        ] {
            let refused = written(&[fields], &alerts).unwrap_err();
            assert!(refused.reason.contains(reason), "{fields}: {}", refused.reason);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// However hostile the value, the file loads and excepts that value and no other.
        #[test]
        fn an_exception_is_for_its_values_alone(
            value in "(\\PC|[,()=\\[\\]{}:#&*!|>%@` \n\t\r\u{1}\u{7f}\u{85}\u{2028}\u{feff}]|\\\\|\"|'| | or |shells|odd|a list|none|anyof|evt.num exists|\\\\x20|<NA>){1,6}",
            other in "(\\PC| |\"|\\\\|sh|bash|shells){0,4}",
        ) {
            let alerts = [alert(json!({"proc.cmdline": value, "proc.exe": value}))];
            let Ok((accepted, file)) = written(&["proc.cmdline", "proc.exe"], &alerts) else {
                prop_assert!(value == "<NA>" || value.contains(['\0', '\u{fffd}']), "{value:?}");
                return Ok(());
            };
            let rerun = Rerun::new(&rules(), &file, &[accepted]).map_err(|error| {
                TestCaseError::fail(format!("{value:?}: {error:#}\n{file}"))
            })?;
            prop_assert!(!rerun.remains(&alerts[0]), "{value:?}\n{file}");
            for (cmdline, exe) in
                [(&*other, &*value), (&*value, &*other), ("sh", "sh"), ("x", "bash"), ("", "")]
            {
                let another = alert(json!({"proc.cmdline": cmdline, "proc.exe": exe}));
                if (cmdline, exe) != (&*value, &*value) {
                    prop_assert!(rerun.remains(&another), "{cmdline:?} {exe:?}\n{file}");
                }
            }
        }
    }
}

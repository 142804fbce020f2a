//! What tests leave untested.
//!
//! A rule is tested when a case expects it and another, with an event of a type that the rule looks
//! at, does not. A macro matters when its opposite would have changed what some rule made of some
//! event: one that never does may say anything, and one that does only where it holds might as well
//! hold always.

use std::collections::{BTreeMap, BTreeSet};

use lanner_engine::{Event, Explainer, RuleSet};
use serde_json::{Value as Json, json};

use super::suite::Expected;

/// The enabled rules of all test files, and the macros in them.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    rules: BTreeMap<String, RuleCoverage>,
    macros: BTreeMap<String, MacroCoverage>,
}

#[derive(Debug, Default)]
struct RuleCoverage {
    is_expected: bool,
    has_near_miss: bool,
}

/// Whether it mattered where it held, and where it did not.
#[derive(Clone, Copy, Debug, Default)]
struct MacroCoverage {
    as_true: bool,
    as_false: bool,
}

/// The rules that one test file is about.
pub(super) struct Tested<'r> {
    source: String,
    rules: Vec<TestedRule<'r>>,
}

struct TestedRule<'r> {
    name: &'r str,
    source: &'r str,
    event_types: BTreeSet<&'r str>,
    explainer: Explainer,
}

impl<'r> Tested<'r> {
    /// The enabled rules of a test file whose events are of `source`.
    pub(super) fn new(rules: &'r RuleSet, source: &str) -> Self {
        let enabled = rules.rules().filter(|rule| rule.enabled);
        let rules = enabled.filter_map(|rule| {
            Some(TestedRule {
                name: &rule.name,
                source: &rule.source,
                event_types: rule.event_types().into_iter().collect(),
                explainer: rules.explainer(&rule.name)?,
            })
        });
        Self { source: source.to_owned(), rules: rules.collect() }
    }
}

impl MacroCoverage {
    fn matters(&self) -> bool {
        self.as_true || self.as_false
    }

    fn both_ways(&self) -> bool {
        self.as_true && self.as_false
    }
}

impl Coverage {
    /// Takes note of what there is to test.
    pub(super) fn add_rules(&mut self, tested: &Tested<'_>) {
        for rule in &tested.rules {
            self.rules.entry(rule.name.to_owned()).or_default();
            for name in rule.explainer.macros() {
                self.macros.entry(name.to_owned()).or_default();
            }
        }
    }

    /// Takes note of what a case tests.
    pub(super) fn add_case(
        &mut self,
        tested: &Tested<'_>,
        events: &[Box<dyn Event>],
        expect: &[Expected],
    ) {
        for rule in tested.rules.iter().filter(|rule| rule.source == tested.source) {
            let is_expected = expect.iter().any(|expected| expected.rule() == rule.name);
            // An audit event has no type: each rule looks at each.
            let fits = events.iter().any(|event| {
                event.event_type().is_empty() || rule.event_types.contains(event.event_type())
            });
            let covered = self.rules.entry(rule.name.to_owned()).or_default();
            covered.is_expected |= is_expected;
            covered.has_near_miss |= fits && !is_expected;

            let mut open = rule.explainer.macros();
            open.retain(|name| self.macros.get(*name).is_none_or(|covered| !covered.both_ways()));
            for event in events {
                if open.is_empty() {
                    break;
                }
                let explanation = rule.explainer.explain(&**event);
                open.retain(|name| {
                    let given = |value| explanation.holds_if(name, value);
                    let (if_true, if_false) = (given(true), given(false));
                    let covered = self.macros.entry((*name).to_owned()).or_default();
                    if if_true != if_false {
                        covered.as_true |= explanation.holds == if_true;
                        covered.as_false |= explanation.holds == if_false;
                    }
                    !covered.both_ways()
                });
            }
        }
    }

    /// Whether nothing is left untested.
    pub(super) fn is_full(&self) -> bool {
        self.rules.values().all(|rule| rule.is_expected && rule.has_near_miss)
            && self.macros.values().all(MacroCoverage::matters)
    }

    pub(super) fn print(&self) {
        let rules_without = |has: fn(&RuleCoverage) -> bool| {
            let without = self.rules.iter().filter(move |(_, covered)| !has(covered));
            without.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
        };
        let macros_that = |are: fn(&MacroCoverage) -> bool| {
            let those = self.macros.iter().filter(move |(_, covered)| are(covered));
            those.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
        };
        let unexpected = rules_without(|rule| rule.is_expected);
        let unmissed = rules_without(|rule| rule.has_near_miss);
        let idle = macros_that(|covered| !covered.matters());
        let (rules, macros) = (self.rules.len(), self.macros.len());
        println!(
            "coverage: of {rules} rules {} are expected and {} narrowly missed; of {macros} macros {} matter, {} both ways",
            rules - unexpected.len(),
            rules - unmissed.len(),
            macros - idle.len(),
            macros_that(MacroCoverage::both_ways).len(),
        );
        for (what, names) in [
            ("no case expects", unexpected),
            ("no case narrowly misses", unmissed),
            ("never matters", idle),
            ("matters only where it holds", macros_that(|one| one.as_true && !one.as_false)),
            (
                "matters only where it does not hold",
                macros_that(|one| one.as_false && !one.as_true),
            ),
        ] {
            names.iter().for_each(|name| println!("  {what}: {name}"));
        }
    }

    pub(super) fn to_json(&self) -> Json {
        let rules = self.rules.iter().map(|(name, covered)| {
            json!({
                "name": name,
                "expected": covered.is_expected,
                "near_miss": covered.has_near_miss,
            })
        });
        let macros = self.macros.iter().map(|(name, covered)| {
            json!({
                "name": name,
                "matters": covered.matters(),
                "as_true": covered.as_true,
                "as_false": covered.as_false,
            })
        });
        json!({
            "full": self.is_full(),
            "rules": rules.collect::<Vec<_>>(),
            "macros": macros.collect::<Vec<_>>(),
        })
    }
}

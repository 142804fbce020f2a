//! What of the rules the kernel can decide.
//!
//! ```text
//! Predicate of each rule ─▶ derive, once for each event type ─▶ clauses of the rule
//!                                                                    │ or
//!                    sensor's maps ◀── Projection ◀── clauses of the event type, for all rules
//! ```
//!
//! A rule that matches an event has one of its clauses pass, so an event that passes none of its
//! type's clauses can match no rule and need not leave the kernel. It is a superset test, never a
//! decision: what passes is evaluated as if there were no filter.
//!
//! Promises:
//! - If a rule matches an event, [`Projection::admits`] it, as long as the sensor keeps the
//!   [obligation](Fact::obligation) of each fact.
//! - What is not known of an event passes; so does each event type that has no filter.
//! - An event type has at most [`CLAUSES_MAX`] clauses of at most [`CHECKS_MAX`] checks of at most
//!   [`VALUES_MAX`] values. Where rules ask for more, clauses become wider.
//!
//! Not here: how a filter is loaded. The sensor tests each check that is made here, unless there are
//! more than it has room for.

mod check;
mod clauses;
mod derive;
mod fact;
mod failure;
mod family;
mod known;
mod literal;
mod pattern;
mod source;

use std::collections::{BTreeMap, BTreeSet};

pub use check::{Check, Known, Ranges, Subnet, VALUES_MAX, Wanted};
pub use clauses::{CHECKS_MAX, CLAUSES_MAX, Clause, Clauses};
pub use fact::Fact;
pub use family::Family;
pub use known::{KernelFacts, ShownFacts};
pub use pattern::{NEEDLE_LEN_MAX, PATTERN_LEN_MAX, Pattern};

use crate::rules::{Rule, RuleSet};
use derive::derive;
pub(crate) use failure::asks_for_failure;
use family::EventType;

/// The source whose events come out of the kernel.
const SOURCE: &str = "syscall";

/// What the kernel can decide of a set of rules.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    rules: Vec<RuleFilter>,
    event_types: BTreeMap<&'static str, Clauses>,
}

/// What the kernel can decide of one rule.
#[derive(Clone, Debug)]
pub struct RuleFilter {
    /// The rule's name.
    pub rule: String,
    /// Whether the rule takes part in the filter of the whole set.
    pub enabled: bool,
    /// One for each event type that the rule looks at and that the kernel can filter.
    pub event_types: Vec<TypeFilter>,
}

/// What the kernel can decide of one rule and events of one type.
#[derive(Clone, Debug)]
pub struct TypeFilter {
    /// `evt.type`.
    pub event_type: &'static str,
    /// What an event of this type must be like for the rule to match.
    pub clauses: Clauses,
    /// Where all events pass, or nearly all: the fields of which a test would narrow that, if the
    /// kernel could make it.
    pub defeated_by: Vec<String>,
}

impl RuleSet {
    /// What the kernel can decide of the rules of `source`; nothing but for `syscall`.
    pub fn projection(&self, source: &str) -> Projection {
        let mut projection = Projection::default();
        let rules = self.rules().filter(|rule| rule.source == source && source == SOURCE);
        for rule in rules {
            let filter = RuleFilter::of(rule);
            let is_used =
                |known: &&TypeFilter| rule.enabled && self.projects(rule, known.event_type);
            for known in filter.event_types.iter().filter(is_used) {
                let all = projection.event_types.entry(known.event_type).or_default();
                *all = std::mem::take(all).or(&known.clauses, CLAUSES_MAX);
            }
            projection.rules.push(filter);
        }
        projection.event_types.values_mut().for_each(Clauses::tidy);
        projection
    }
}

impl RuleFilter {
    fn of(rule: &Rule) -> Self {
        let wanted = EventType::all().filter(|known| rule.event_types.contains(known.name));
        let filters = wanted.map(|known| {
            let derived = derive(&rule.predicate, known);
            let defeated = derived.clauses.is_wide();
            let names = derived.defeats.names().iter().filter(|_| defeated);
            TypeFilter {
                event_type: known.name,
                defeated_by: names.cloned().collect(),
                clauses: derived.clauses,
            }
        });
        Self { rule: rule.name.clone(), enabled: rule.enabled, event_types: filters.collect() }
    }
}

impl TypeFilter {
    /// Whether the rule makes the kernel report nearly every event of the type.
    pub fn is_wide(&self) -> bool {
        self.clauses.is_wide()
    }
}

impl Projection {
    /// Whether an event must be reported: whether it may match a rule.
    pub fn admits(&self, event_type: &str, facts: &dyn KernelFacts) -> bool {
        match self.event_types.get(event_type) {
            Some(clauses) => clauses.admit(facts),
            // Of a type without a filter nothing is withheld; one that no rule wants is.
            None => Family::of(event_type).is_none(),
        }
    }

    /// Each event type that an enabled rule looks at and the kernel can filter, with its clauses.
    pub fn event_types(&self) -> impl Iterator<Item = (&'static str, &Clauses)> {
        self.event_types.iter().map(|(event_type, clauses)| (*event_type, clauses))
    }

    /// What each rule contributes, in the order of definition.
    pub fn rules(&self) -> &[RuleFilter] {
        &self.rules
    }

    /// Every fact that a check looks at: what the filter rests on, see [`Fact::obligation`].
    pub fn facts(&self) -> BTreeSet<Fact> {
        let clauses = self.event_types.values().flat_map(Clauses::iter);
        clauses.flat_map(Clause::checks).map(|check| check.fact).collect()
    }
}

impl Clauses {
    /// Whether one of the clauses passes.
    pub fn admit(&self, facts: &dyn KernelFacts) -> bool {
        self.iter().any(|clause| {
            clause.checks().iter().all(|check| check.passes(&facts.known(check.fact)))
        })
    }
}

//! The fast evaluator: the conditions of all rules of a source as one program.
//!
//! ```text
//! Predicate ─▶ lower ─▶ Graph (equal parts once, one kind of connective)
//!                         │  special for each event type: tests of evt.type are folded
//!                         ▼
//! Graph ─▶ groups: a field's tests of one kind, decided in one look ─▶ Classifier
//!       └▶ guards: for each rule atoms of which one must hold ───────▶ Plan of an event type
//! ```
//!
//! For an event the classifiers of the type's guards run first: they look a value up in tables and
//! automata, whatever number of rules ask about it. Only rules one of whose guards holds are
//! evaluated, and what they share is evaluated once.
//!
//! Promises:
//! - It gives what [`Predicate::holds`] gives for each rule; that one is the reference.
//! - An event that matches nothing costs no allocation, apart from the event's own.
//!
//! [`Predicate::holds`]: crate::predicate::Predicate::holds

mod classifier;
mod estimate;
mod graph;
mod group;
mod guard;
mod lower;
mod run;
mod scratch;

#[cfg(test)]
mod tests;

use classifier::Classifier;
use graph::{Graph, Literal, Node};
use guard::Plan;
use lower::{EventType, Lowered};
pub use scratch::Scratch;

use crate::{
    event::{Event, Value},
    field::FieldRef,
    predicate::{Extract, Predicate, Test, is_event_field},
};

/// The conditions of one source's rules, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Program {
    nodes: Box<[Step]>,
    parts: Box<[Literal]>,
    groups: Box<[Group]>,
    tests: Box<[Test]>,
    plans: Box<[Plan]>,
}

/// A node, laid out for evaluation.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A range of `parts`. One that several nodes have in common is remembered.
    Or {
        start: u32,
        end: u32,
        is_shared: bool,
    },
    /// A bit of `Scratch::atoms`, once the group has run.
    Atom {
        group: u32,
        bit: u32,
    },
    Test(u32),
}

/// Atoms that are decided together.
#[derive(Debug)]
struct Group {
    reading: Reading,
    classifier: Classifier,
    /// Its words in `Scratch::atoms`.
    words: std::ops::Range<usize>,
}

/// How a value is got.
#[derive(Debug, PartialEq)]
enum Reading {
    /// By asking the event.
    Event(FieldRef),
    /// With what the engine knows or does.
    Engine(Extract),
}

/// Which rules a [`Plan`] evaluates, and for which events.
pub(crate) struct PlanOf<'a> {
    /// `None` for all types that have no plan of their own.
    pub(crate) event_type: Option<&'a str>,
    /// Positions in the list of conditions, in the order of definition.
    pub(crate) rules: Vec<usize>,
}

impl Program {
    /// Builds the program for `conditions`, with a plan for each of `plans`, in their order.
    pub(crate) fn new(conditions: &[&Predicate], plans: &[PlanOf<'_>]) -> Self {
        let mut graph = Graph::new();
        let lowered: Vec<Lowered> =
            conditions.iter().map(|predicate| lower::lower(&mut graph, predicate, false)).collect();
        let rules_of_plan = |graph: &mut Graph, plan: &PlanOf<'_>| -> Vec<(usize, Literal)> {
            let event_type = plan.event_type.map_or(EventType::Other, EventType::Named);
            let rules = plan.rules.iter().filter_map(|rule| {
                let root = lowered.get(*rule)?.special(graph, event_type);
                (root != Literal::FALSE).then_some((*rule, root))
            });
            rules.collect()
        };
        let rules: Vec<_> = plans.iter().map(|plan| rules_of_plan(&mut graph, plan)).collect();

        let mut first_word = 0;
        let groups: Box<[Group]> = graph
            .groups
            .iter()
            .map(|((extract, means), atoms)| {
                let words = first_word..first_word + atoms.atoms.len().div_ceil(64);
                first_word = words.end;
                let classifier = Classifier::new(*means, atoms);
                Group { reading: Reading::of(extract), classifier, words }
            })
            .collect();
        let plans = rules.into_iter().map(|rules| Plan::new(&graph, &groups, rules)).collect();
        let (nodes, parts) = lay_out(&graph, &groups);
        Self { nodes, parts, groups, tests: graph.tests.into_iter().collect(), plans }
    }
}

impl Reading {
    fn of(extract: &Extract) -> Self {
        match extract.as_plain_field().filter(|wanted| is_event_field(wanted.field)) {
            Some(wanted) => Self::Event(wanted.clone()),
            None => Self::Engine(extract.clone()),
        }
    }

    fn read<'e>(&'e self, event: &'e dyn Event) -> Option<Value<'e>> {
        match self {
            Self::Event(wanted) => event.get(wanted.field, wanted.arg.as_deref()),
            Self::Engine(extract) => extract.read(event),
        }
    }
}

fn lay_out(graph: &Graph, groups: &[Group]) -> (Box<[Step]>, Box<[Literal]>) {
    let mut uses = vec![0_u8; graph.nodes.len()];
    for node in &graph.nodes {
        let Node::Or(children) = node else { continue };
        for child in children {
            if let Some(count) = uses.get_mut(child.node()) {
                *count = count.saturating_add(1);
            }
        }
    }
    let mut parts: Vec<Literal> = Vec::new();
    let mut steps = Vec::with_capacity(graph.nodes.len());
    for (node, uses) in graph.nodes.iter().zip(uses) {
        steps.push(match node {
            Node::Or(children) => {
                let start = graph::narrow(parts.len());
                let mut children = children.to_vec();
                let rank = |literal: &Literal| graph.estimate(*literal).rank_in_or();
                children.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
                parts.append(&mut children);
                Step::Or { start, end: graph::narrow(parts.len()), is_shared: uses > 1 }
            }
            Node::Atom { group, atom } => {
                let first = groups.get(*group as usize).map_or(0, |group| group.words.start);
                Step::Atom { group: *group, bit: graph::narrow(first * 64) + atom }
            }
            Node::Test(test) => Step::Test(*test),
        });
    }
    (steps.into(), parts.into())
}

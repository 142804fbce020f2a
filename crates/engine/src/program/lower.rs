//! A typed condition to the nodes of the graph.

use indexmap::IndexMap;

use super::{
    graph::{Graph, Literal},
    group::{self, Key, Means},
};
use crate::{
    event::{Event, Value},
    field::Field,
    predicate::{Constant, Predicate, Right, Test},
    syntax::Operator,
};

/// A condition in which only what depends on the type of the event is still open.
#[derive(Clone, Debug)]
pub(super) enum Lowered {
    Done(Literal),
    /// A test of `evt.type`.
    Type {
        test: Test,
        negated: bool,
    },
    Or {
        parts: Vec<Lowered>,
        negated: bool,
    },
}

/// The type of the events that a condition is made special for.
#[derive(Clone, Copy, Debug)]
pub(super) enum EventType<'a> {
    Named(&'a str),
    /// Any type but those that have a program of their own.
    Other,
}

/// Lowers `predicate`, or its opposite if `negated`.
pub(super) fn lower(graph: &mut Graph, predicate: &Predicate, negated: bool) -> Lowered {
    match predicate {
        Predicate::Test(test) if is_about_type(test) => {
            Lowered::Type { test: test.clone(), negated }
        }
        Predicate::Test(test) => Lowered::Done(test_literal(graph, test).negated_if(negated)),
        Predicate::Not(inner) => lower(graph, inner, !negated),
        Predicate::And(_) | Predicate::Or(_) => {
            // De Morgan: `a and b` is the opposite of `not a or not b`.
            let is_or = matches!(predicate, Predicate::Or(_)) != negated;
            let mut parts = Vec::new();
            collect(graph, predicate, if is_or { negated } else { !negated }, &mut parts);
            any(graph, parts, !is_or)
        }
    }
}

/// Takes the parts of an `or` apart, those of an `or` in it too.
fn collect(graph: &mut Graph, predicate: &Predicate, negated: bool, parts: &mut Vec<Lowered>) {
    match (predicate, negated) {
        (Predicate::Or(inner), false) | (Predicate::And(inner), true) => {
            inner.iter().for_each(|part| collect(graph, part, negated, parts));
        }
        (Predicate::Not(inner), _) => collect(graph, inner, !negated, parts),
        _ => parts.push(lower(graph, predicate, negated)),
    }
}

fn any(graph: &mut Graph, parts: Vec<Lowered>, negated: bool) -> Lowered {
    let (mut done, mut open) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Lowered::Done(literal) => done.push(literal),
            part => open.push(part),
        }
    }
    let done = graph.or(done);
    if open.is_empty() {
        return Lowered::Done(done.negated_if(negated));
    }
    open.push(Lowered::Done(done));
    Lowered::Or { parts: open, negated }
}

impl Lowered {
    /// The condition for events of one type.
    pub(super) fn special(&self, graph: &mut Graph, event_type: EventType<'_>) -> Literal {
        match self {
            Self::Done(literal) => *literal,
            Self::Type { test, negated } => {
                type_literal(graph, test, event_type).negated_if(*negated)
            }
            Self::Or { parts, negated } => {
                let parts = parts.iter().map(|part| part.special(graph, event_type)).collect();
                graph.or(parts).negated_if(*negated)
            }
        }
    }
}

fn constant(holds: bool) -> Literal {
    if holds { Literal::TRUE } else { Literal::FALSE }
}

fn is_about_type(test: &Test) -> bool {
    let field = test.left.as_plain_field().map(|left| left.field);
    field == Some(Field::EvtType) && !matches!(test.right, Right::Extract(_))
}

fn type_literal(graph: &mut Graph, test: &Test, event_type: EventType<'_>) -> Literal {
    match event_type {
        EventType::Named(name) => constant(test.holds(&OnlyType(name))),
        EventType::Other => graph.test(test),
    }
}

fn test_literal(graph: &mut Graph, test: &Test) -> Literal {
    let field = test.left.as_plain_field().map(|left| left.field);
    if field == Some(Field::EvtDir) && !matches!(test.right, Right::Extract(_)) {
        return constant(test.holds(&OnlyType("")));
    }
    if field == Some(Field::EvtNum) && is_of_no_event(test) {
        return Literal::FALSE;
    }
    let any_of = |graph: &mut Graph, by_means: IndexMap<Means, Vec<Key>>| {
        let atoms = by_means.into_iter();
        let atoms = atoms.map(|(means, keys)| graph.atom(&test.left, means, keys)).collect();
        graph.or(atoms)
    };
    if let Some(keys) = group::keys_of(test) {
        return any_of(graph, keys);
    }
    let whole = graph.test(test);
    match group::implied_by(test) {
        Some(keys) => {
            let implied = any_of(graph, keys);
            graph.or(vec![implied.negated_if(true), whole.negated_if(true)]).negated_if(true)
        }
        None => whole,
    }
}

/// `evt.num=0`: numbers count from 1, and rules say this to mean never.
fn is_of_no_event(test: &Test) -> bool {
    let zero = |constant: &Constant| *constant == Constant::Number(0);
    match &test.right {
        Right::Constants(_, constants) => {
            matches!(test.operator, Operator::Equal | Operator::In) && constants.iter().all(zero)
        }
        _ => false,
    }
}

/// An event of which only the type is known.
struct OnlyType<'a>(&'a str);

impl Event for OnlyType<'_> {
    fn event_type(&self) -> &str {
        self.0
    }

    fn time_ns(&self) -> i64 {
        0
    }

    fn get(&self, _field: Field, _arg: Option<&str>) -> Option<Value<'_>> {
        None
    }
}

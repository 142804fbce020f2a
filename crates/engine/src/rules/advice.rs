//! What works today and should be written otherwise: deprecated fields, comparisons with `<NA>`.

use crate::syntax::{Check, Expr, Literal, Operator, Right, Span};

/// Fields that Falco is about to drop, and its words on them.
const DEPRECATED: [(&str, &str); 6] = [
    (
        "evt.dir",
        "due to the drop of enter events, 'evt.dir = <' always evaluates to true, and 'evt.dir = \
         >' always evaluates to false. The rule expression can be simplified by removing the \
         condition on 'evt.dir'",
    ),
    ("evt.latency", NO_ENTER_EVENTS),
    ("evt.latency.s", NO_ENTER_EVENTS),
    ("evt.latency.ns", NO_ENTER_EVENTS),
    ("evt.latency.human", NO_ENTER_EVENTS),
    ("evt.wait_latency", NO_ENTER_EVENTS),
];

const NO_ENTER_EVENTS: &str = "field is not available due to the drop of enter events.";

/// What there is to say of a condition: each thing once, where it is first to be seen.
#[derive(Debug, Default)]
pub(super) struct Advice {
    /// A field of JSON is compared with `<NA>`, which such a field never is.
    pub(super) unsafe_na_check: Option<Span>,
    /// Deprecated fields, in the order of Falco's list, with its words on them.
    pub(super) deprecated: Vec<(&'static str, &'static str, Span)>,
}

impl Advice {
    pub(super) fn on(condition: &Expr) -> Self {
        let mut advice = Self::default();
        let mut found = [None; DEPRECATED.len()];
        let mut parts = vec![condition];
        while let Some(part) = parts.pop() {
            match part {
                Expr::And(children) | Expr::Or(children) => parts.extend(children.iter().rev()),
                Expr::Not(child) => parts.push(child),
                Expr::Macro { .. } => {}
                Expr::Check(check) => {
                    check.left.for_each_field(&mut |name, _, span| {
                        for ((deprecated, _), found) in DEPRECATED.iter().zip(&mut found) {
                            if *deprecated == name && found.is_none() {
                                *found = Some(span);
                            }
                        }
                    });
                    advice.unsafe_na_check = advice.unsafe_na_check.or(na_check(check));
                }
            }
        }
        let deprecated = DEPRECATED.into_iter().zip(found);
        advice.deprecated =
            deprecated.filter_map(|((name, words), at)| Some((name, words, at?))).collect();
        advice
    }
}

/// The deprecated fields whose names stand in an output: of a name that begins another, both.
pub(super) fn deprecated_in_output(output: &str) -> impl Iterator<Item = &'static str> {
    DEPRECATED.into_iter().map(|(name, _)| name).filter(move |name| output.contains(name))
}

fn na_check(check: &Check) -> Option<Span> {
    use Operator as Op;
    let equality = matches!(
        check.operator,
        Op::Equal | Op::NotEqual | Op::In | Op::Intersects | Op::PathMatch
    );
    let mut of_json = false;
    check.left.for_each_field(&mut |name, _, _| {
        of_json = name.starts_with("ka.") || name.starts_with("jevt.");
    });
    let literals: &[Literal] = match &check.right {
        Right::Value(literal) => std::slice::from_ref(literal),
        Right::List(literals) => literals,
        Right::Nothing | Right::Operand(_) => &[],
    };
    let no_value = literals.iter().find(|literal| literal.value == b"<NA>")?;
    (equality && of_json).then_some(no_value.span)
}

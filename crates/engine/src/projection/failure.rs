//! Which rules ask for calls that failed.

use super::{check::Known, clauses::Clauses, derive::derive_as, fact::Fact, family::EventType};
use crate::{
    field::{Field, FieldRef},
    predicate::Predicate,
};

/// The highest number of an error, as in `include/linux/err.h`.
const ERROR_MAX: i128 = 4095;

/// Whether the condition asks how a call of this type ended, and may hold for one that failed.
pub(crate) fn asks_for_failure(predicate: &Predicate, event_type: &str) -> bool {
    let mut mentioned = false;
    predicate.for_each_field(&mut |field| mentioned |= is_about_result(field));
    let Some(event_type) = EventType::by_name(event_type).filter(|_| mentioned) else {
        return false;
    };
    asks(predicate, event_type, false) && may_fail(&derive_as(predicate, event_type, false))
}

fn is_about_result(field: &FieldRef) -> bool {
    match field.field {
        Field::EvtFailed | Field::EvtRes | Field::EvtRawres => true,
        Field::EvtArg | Field::EvtRawarg => matches!(field.arg.as_deref(), Some("res" | "0")),
        _ => false,
    }
}

/// Whether the result is asked for in a part that events of this type can reach.
fn asks(predicate: &Predicate, event_type: EventType, negated: bool) -> bool {
    match predicate {
        _ if derive_as(predicate, event_type, negated).is_nothing() => false,
        Predicate::Not(inner) => asks(inner, event_type, !negated),
        Predicate::And(parts) | Predicate::Or(parts) => {
            parts.iter().any(|part| asks(part, event_type, negated))
        }
        Predicate::Test(_) => {
            let mut mentioned = false;
            predicate.for_each_field(&mut |field| mentioned |= is_about_result(field));
            mentioned
        }
    }
}

fn may_fail(clauses: &Clauses) -> bool {
    clauses.iter().any(|clause| {
        let of_result = clause.checks().iter().filter(|check| check.fact == Fact::Result);
        (1..=ERROR_MAX)
            .any(|error| of_result.clone().all(|check| check.passes(&Known::Number(-error))))
    })
}

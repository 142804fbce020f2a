//! Tests of addresses, and of either end of a connection.

use std::collections::BTreeSet;

use super::{Values, exactly, inexact, plain};
use crate::{
    predicate::{Constant, Network, Right, Test},
    projection::{
        check::{Check, Subnet, Wanted},
        source::Ends,
    },
    syntax::{Operator, Quantifier},
};

pub(super) fn addresses(test: &Test) -> Option<Values> {
    let Right::Constants(quantifier, constants) = &test.right else { return None };
    let subnet = |constant: &Constant| match constant {
        Constant::Address(address) => Some(Subnet::new(Network::of_one(address.to_canonical()))),
        Constant::Network(network) => Some(Subnet::new(*network)),
        _ => None,
    };
    let subnets: BTreeSet<Subnet> = constants.iter().map(subnet).collect::<Option<_>>()?;
    let one = constants.len() == 1;
    match (test.operator, quantifier) {
        (Operator::NotEqual, Quantifier::All) => exactly(Wanted::NoAddress(subnets)),
        (Operator::NotEqual, _) if one => exactly(Wanted::NoAddress(subnets)),
        (Operator::Equal | Operator::In | Operator::Intersects, Quantifier::Any) => {
            exactly(Wanted::Address(subnets))
        }
        (Operator::Equal | Operator::In | Operator::Intersects, _) if one => {
            exactly(Wanted::Address(subnets))
        }
        (Operator::Equal | Operator::In | Operator::Intersects, Quantifier::One) => {
            inexact(exactly(Wanted::Address(subnets)))
        }
        _ => None,
    }
}

/// A test of an end of the connection, when the field is both ends, or one of which it is not known
/// which it is.
pub(super) fn at_ends(
    test: &Test,
    ends: &Ends,
    values: Option<Values>,
    negated: bool,
) -> Option<Vec<Vec<Check>>> {
    let mut of_each = Vec::new();
    for fact in ends.facts() {
        let values = values.as_ref().map(|values| Values {
            alternatives: values.alternatives.clone(),
            exact: values.exact,
        });
        of_each.push(plain(*fact, values, negated)?);
    }
    // Both ends must fit where the test is `!=`, or where it is the opposite of one of them does.
    if ends.is_both() && test.needs_all() != negated {
        let [one, two] = <[Vec<Vec<Check>>; 2]>::try_from(of_each).ok()?;
        let pairs = one
            .iter()
            .flat_map(|one| two.iter().map(move |two| [one.clone(), two.clone()].concat()));
        return Some(pairs.collect());
    }
    Some(of_each.into_iter().flatten().collect())
}

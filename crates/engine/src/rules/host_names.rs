//! The host names that rules compare addresses with.

use std::collections::BTreeSet;

use super::RuleSet;
use crate::{
    field::Field,
    predicate::{Constant, Predicate, Right, Test},
    syntax::Operator,
};

impl RuleSet {
    /// Every name that an enabled rule compares `fd.sip.name` and its like with, by `=`, `!=` and
    /// `in`: whoever fills these fields must know which of them an address has.
    pub fn host_names(&self) -> BTreeSet<Vec<u8>> {
        let mut names = BTreeSet::new();
        for rule in self.rules().filter(|rule| rule.enabled) {
            rule.predicate.for_each_test(&mut |test| add_names(test, &mut names));
        }
        names
    }
}

fn add_names(test: &Test, names: &mut BTreeSet<Vec<u8>>) {
    let is_name = |field: Field| {
        matches!(field, Field::FdSipName | Field::FdCipName | Field::FdLipName | Field::FdRipName)
    };
    let is_equality = matches!(
        test.operator,
        Operator::Equal | Operator::NotEqual | Operator::In | Operator::Intersects
    );
    if !is_equality || !test.left.as_plain_field().is_some_and(|left| is_name(left.field)) {
        return;
    }
    match &test.right {
        Right::Texts(texts) => names.extend(texts.iter().cloned()),
        Right::Constants(_, constants) => {
            names.extend(constants.iter().filter_map(|constant| match constant {
                Constant::Text(text) => Some(text.clone()),
                _ => None,
            }));
        }
        Right::Nothing | Right::Extract(_) => {}
    }
}

impl Predicate {
    fn for_each_test(&self, found: &mut impl FnMut(&Test)) {
        match self {
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.for_each_test(found));
            }
            Self::Not(inner) => inner.for_each_test(found),
            Self::Test(test) => found(test),
        }
    }
}

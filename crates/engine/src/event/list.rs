//! The values of a field that has several, without a copy of them.

use std::{fmt, net::IpAddr};

use super::Value;
use crate::field::Field;

/// The values of a list field.
///
/// An event answers with values that it has at hand ([`List::from`] of a slice, [`List::both`]) or
/// with itself ([`List::of`]): a condition looks at many events' lists and keeps none, so making a
/// `Vec` for each would be most of its work.
#[derive(Clone)]
pub struct List<'a>(Items<'a>);

/// Something that can be asked for the elements of its list fields one by one.
pub trait Elements: Sync {
    /// How many elements `field` has, those without a value, too.
    fn count(&self, field: Field) -> usize;

    /// One of them, from 0; `None` for one that has no value and is left out.
    fn element(&self, field: Field, index: usize) -> Option<Value<'_>>;
}

#[derive(Clone)]
enum Items<'a> {
    Borrowed(&'a [Value<'a>]),
    Owned(Vec<Value<'a>>),
    Addresses([IpAddr; 2]),
    Numbers([u64; 2]),
    Elements { of: &'a dyn Elements, field: Field },
}

impl<'a> List<'a> {
    /// The list that `elements` has for `field`, asked for when it is looked at.
    pub fn of(elements: &'a dyn Elements, field: Field) -> Self {
        Self(Items::Elements { of: elements, field })
    }

    /// Two values: both ends of a connection.
    pub fn both(first: Value<'a>, second: Value<'a>) -> Self {
        Self(match (first, second) {
            (Value::Ip(first), Value::Ip(second)) => Items::Addresses([first, second]),
            (Value::Uint(first), Value::Uint(second)) => Items::Numbers([first, second]),
            (first, second) => Items::Owned(vec![first, second]),
        })
    }

    /// Its values in order; nothing is copied.
    pub fn iter(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.slots()).filter_map(|index| self.slot(index))
    }

    /// One of its values, from 0.
    pub fn get(&self, index: usize) -> Option<Value<'_>> {
        self.iter().nth(index)
    }

    /// Its values, to be kept.
    pub fn into_vec(self) -> Vec<Value<'a>> {
        match self.0 {
            Items::Owned(values) => values,
            Items::Borrowed(values) => values.iter().map(Value::borrowed).collect(),
            Items::Addresses(both) => both.map(Value::Ip).to_vec(),
            Items::Numbers(both) => both.map(Value::Uint).to_vec(),
            Items::Elements { of, field } => {
                (0..of.count(field)).filter_map(|index| of.element(field, index)).collect()
            }
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Items::Elements { .. } => self.iter().count(),
            _ => self.slots(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The same list, borrowing from this one.
    pub(super) fn borrowed(&self) -> List<'_> {
        List(match &self.0 {
            Items::Owned(values) => Items::Borrowed(values),
            Items::Borrowed(values) => Items::Borrowed(values),
            Items::Addresses(both) => Items::Addresses(*both),
            Items::Numbers(both) => Items::Numbers(*both),
            Items::Elements { of, field } => Items::Elements { of: *of, field: *field },
        })
    }

    fn slots(&self) -> usize {
        match &self.0 {
            Items::Borrowed(values) => values.len(),
            Items::Owned(values) => values.len(),
            Items::Addresses(_) | Items::Numbers(_) => 2,
            Items::Elements { of, field } => of.count(*field),
        }
    }

    fn slot(&self, index: usize) -> Option<Value<'_>> {
        match &self.0 {
            Items::Borrowed(values) => values.get(index).map(Value::borrowed),
            Items::Owned(values) => values.get(index).map(Value::borrowed),
            Items::Addresses(both) => both.get(index).copied().map(Value::Ip),
            Items::Numbers(both) => both.get(index).copied().map(Value::Uint),
            Items::Elements { of, field } => of.element(*field, index),
        }
    }
}

impl<'a> From<Vec<Value<'a>>> for List<'a> {
    fn from(values: Vec<Value<'a>>) -> Self {
        Self(Items::Owned(values))
    }
}

impl<'a> From<&'a [Value<'a>]> for List<'a> {
    fn from(values: &'a [Value<'a>]) -> Self {
        Self(Items::Borrowed(values))
    }
}

impl<'a> FromIterator<Value<'a>> for List<'a> {
    fn from_iter<I: IntoIterator<Item = Value<'a>>>(values: I) -> Self {
        Self(Items::Owned(values.into_iter().collect()))
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Elements, List};
    use crate::{event::Value, field::Field};

    struct Ancestors(Vec<Option<&'static str>>);

    impl Elements for Ancestors {
        fn count(&self, _field: Field) -> usize {
            self.0.len()
        }

        fn element(&self, _field: Field, index: usize) -> Option<Value<'_>> {
            self.0.get(index)?.map(Value::text)
        }
    }

    #[track_caller]
    fn check(list: &List<'_>, expected: &[Value<'_>]) {
        assert_eq!(list.iter().collect::<Vec<_>>(), expected);
        assert_eq!(list.borrowed().iter().collect::<Vec<_>>(), expected);
        assert_eq!(list.clone().into_vec(), expected);
        assert_eq!((list.len(), list.is_empty()), (expected.len(), expected.is_empty()));
        assert_eq!(*list, List::from(expected));
    }

    #[test]
    fn every_form_has_the_same_values() {
        let (sh, sshd) = (Value::text("sh"), Value::text("sshd"));
        let both = [sh.clone(), sshd.clone()];
        check(&List::from(both.to_vec()), &both);
        check(&List::from(&both[..]), &both);
        check(&List::both(sh, sshd), &both);
        check(&List::of(&Ancestors(vec![Some("sh"), None, Some("sshd")]), Field::ProcAname), &both);
        check(&List::of(&Ancestors(vec![None]), Field::ProcAname), &[]);
        check(&List::from(vec![]), &[]);

        let addresses = ["10.0.0.1", "::1"].map(|text| Value::Ip(text.parse().unwrap()));
        check(&List::both(addresses[0].clone(), addresses[1].clone()), &addresses);
        let ports = [Value::Uint(80), Value::Uint(50_000)];
        check(&List::both(ports[0].clone(), ports[1].clone()), &ports);
    }
}

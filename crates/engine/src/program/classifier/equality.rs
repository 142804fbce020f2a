//! Which of many keys a value is.

use std::{collections::HashMap, net::IpAddr};

use foldhash::fast::FixedState;

use crate::{event::Value, program::group::Key};

/// Keys by value.
///
/// The hash need not withstand an attacker: what is stored is the rules' text, and looking up an
/// event's text adds nothing.
#[derive(Debug)]
pub(super) struct Table {
    /// A bit for each length below 63 that a text has; the last for all longer ones.
    lengths: u64,
    texts: HashMap<Box<[u8]>, u32, FixedState>,
    /// Sorted.
    numbers: Vec<(i128, u32)>,
    addresses: Vec<(IpAddr, u32)>,
    booleans: [Option<u32>; 2],
}

impl Table {
    pub(super) fn new<'k>(keys: impl Iterator<Item = &'k Key>) -> Self {
        let mut table = Self {
            lengths: 0,
            texts: HashMap::with_hasher(FixedState::default()),
            numbers: Vec::new(),
            addresses: Vec::new(),
            booleans: [None; 2],
        };
        for (index, key) in (0_u32..).zip(keys) {
            match key {
                Key::Text(text) => {
                    table.lengths |= length_bit(text);
                    table.texts.insert(text.as_slice().into(), index);
                }
                Key::Number(number) => table.numbers.push((*number, index)),
                Key::Address(address) => table.addresses.push((*address, index)),
                Key::Bool(false) => table.booleans[0] = Some(index),
                Key::Bool(true) => table.booleans[1] = Some(index),
            }
        }
        table.numbers.sort_unstable();
        table.addresses.sort_unstable();
        table
    }

    pub(super) fn find(&self, value: &Value<'_>) -> Option<u32> {
        match value {
            Value::Text(text) if self.lengths & length_bit(text) == 0 => None,
            Value::Text(text) => self.texts.get(text.as_ref()).copied(),
            Value::Int(number) => sorted(&self.numbers, i128::from(*number)),
            Value::Uint(number) => sorted(&self.numbers, i128::from(*number)),
            Value::Ip(address) => sorted(&self.addresses, address.to_canonical()),
            Value::Bool(value) => self.booleans.get(usize::from(*value)).copied()?,
            Value::List(_) => None,
        }
    }
}

fn length_bit(text: &[u8]) -> u64 {
    1 << text.len().min(63)
}

fn sorted<K: Ord + Copy>(pairs: &[(K, u32)], wanted: K) -> Option<u32> {
    let found = pairs.binary_search_by_key(&wanted, |(key, _)| *key).ok()?;
    pairs.get(found).map(|(_, index)| *index)
}

#[cfg(test)]
mod tests {
    use super::Table;
    use crate::{event::Value, program::group::Key};

    #[test]
    fn each_kind_is_found_by_its_value() {
        let long = vec![b'x'; 100];
        let keys = [
            Key::Text(b"sh".to_vec()),
            Key::Text(long.clone()),
            Key::Number(-1),
            Key::Number(i128::from(u64::MAX)),
            Key::Bool(true),
            Key::Address("10.0.0.1".parse().unwrap()),
            Key::Text(vec![]),
        ];
        let table = Table::new(keys.iter());
        let check = |value: Value<'_>, expected| assert_eq!(table.find(&value), expected);
        check("sh".into(), Some(0));
        check("sx".into(), None);
        check("bash".into(), None);
        check(Value::text(&long), Some(1));
        check(Value::text(&[b'x'; 99]), None);
        check("".into(), Some(6));
        check(Value::Int(-1), Some(2));
        check(Value::Uint(u64::MAX), Some(3));
        check(Value::Int(1), None);
        check(true.into(), Some(4));
        check(false.into(), None);
        check(Value::Ip("::ffff:10.0.0.1".parse().unwrap()), Some(5));
        check(Value::Ip("10.0.0.2".parse().unwrap()), None);
    }
}

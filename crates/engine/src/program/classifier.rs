//! All tests of one field by one means, decided in one look at its value.

mod affix;
mod equality;
mod substring;

use affix::Trie;
use equality::Table;
use substring::Substrings;

use super::{
    graph::GroupAtoms,
    group::{Key, Means},
};
use crate::event::Value;

/// Decides which atoms of a group hold for a value.
#[derive(Debug)]
pub(super) struct Classifier {
    lookup: Lookup,
    atoms: AtomsOfKeys,
}

#[derive(Debug)]
enum Lookup {
    Equal(Table),
    StartsWith(Trie),
    EndsWith(Trie),
    Contains(Substrings),
}

/// For each key the atoms that have it, as bits.
#[derive(Debug, Default)]
struct AtomsOfKeys {
    /// Where a key's atoms end, and those of the next begin.
    ends: Vec<u32>,
    bits: Vec<u32>,
}

/// Where the atoms that hold are noted: one bit each.
pub(super) type Bits<'b> = &'b mut [u64];

impl Classifier {
    pub(super) fn new(means: Means, group: &GroupAtoms) -> Self {
        let texts = || {
            group.keys.iter().map(|key| match key {
                Key::Text(text) => text.as_slice(),
                _ => &[],
            })
        };
        let lookup = match means {
            Means::Equal => Lookup::Equal(Table::new(group.keys.iter())),
            Means::StartsWith => Lookup::StartsWith(Trie::forward(texts())),
            Means::EndsWith => Lookup::EndsWith(Trie::backward(texts())),
            Means::Contains => Lookup::Contains(Substrings::new(texts(), false)),
            Means::ContainsNoCase => Lookup::Contains(Substrings::new(texts(), true)),
        };
        Self { lookup, atoms: AtomsOfKeys::new(group) }
    }

    /// Adds the atoms that hold for `value` to `bits`.
    pub(super) fn classify(&self, value: &Value<'_>, bits: Bits<'_>) {
        let mut hit = |key: u32| self.atoms.set(key, bits);
        match (&self.lookup, value) {
            (Lookup::Equal(table), value) => {
                if let Some(key) = table.find(value) {
                    hit(key);
                }
            }
            (Lookup::StartsWith(trie), Value::Text(text)) => trie.each_at_start(text, &mut hit),
            (Lookup::EndsWith(trie), Value::Text(text)) => trie.each_at_end(text, &mut hit),
            (Lookup::Contains(substrings), Value::Text(text)) => substrings.each_in(text, &mut hit),
            _ => {}
        }
    }
}

impl AtomsOfKeys {
    fn new(group: &GroupAtoms) -> Self {
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for (atom, keys) in (0_u32..).zip(&group.atoms) {
            pairs.extend(keys.iter().map(|key| (*key, atom)));
        }
        pairs.sort_unstable();
        let mut ends = Vec::with_capacity(group.keys.len());
        let mut next = 0_u32;
        for key in (0_u32..).take(group.keys.len()) {
            while pairs.get(next as usize).is_some_and(|(of, _)| *of == key) {
                next += 1;
            }
            ends.push(next);
        }
        Self { ends, bits: pairs.into_iter().map(|(_, atom)| atom).collect() }
    }

    fn set(&self, key: u32, bits: Bits<'_>) {
        let key = key as usize;
        let start = key.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(key).copied().unwrap_or(0);
        let range = start.unwrap_or(0) as usize..end as usize;
        for bit in self.bits.get(range).unwrap_or_default() {
            if let Some(word) = bits.get_mut((bit / 64) as usize) {
                *word |= 1 << (bit % 64);
            }
        }
    }
}

//! Conditions of many rules as one graph, in which equal parts are one node.
//!
//! `or` is the only connective: `a and b` is `not (not a or not b)`, and a [`Literal`] says whether
//! a node is meant or its opposite. So a condition and its negation are one node, too.

use indexmap::{IndexMap, IndexSet};

use super::{
    estimate::{self, Estimate},
    group::{Key, Means},
};
use crate::predicate::{Extract, Test};

/// A node or its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal(u32);

impl Literal {
    /// An `or` of nothing is the first node.
    pub(super) const FALSE: Self = Self(0);
    pub(super) const TRUE: Self = Self(1);

    pub(super) fn is_negated(self) -> bool {
        self.0 & 1 == 1
    }

    pub(super) fn node(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// The opposite if `negated`.
    pub(super) fn negated_if(self, negated: bool) -> Self {
        Self(self.0 ^ u32::from(negated))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Or(Box<[Literal]>),
    /// One of the atoms of a group.
    Atom {
        group: u32,
        atom: u32,
    },
    /// A test that is made by itself.
    Test(u32),
}

/// The atoms that one look at a value decides: sets of keys, and one in a set is enough.
#[derive(Debug, Default)]
pub(super) struct GroupAtoms {
    pub(super) keys: IndexSet<Key>,
    /// Positions of keys, sorted.
    pub(super) atoms: IndexSet<Box<[u32]>>,
}

#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: IndexSet<Node>,
    /// For each node how likely it holds and what it costs to know.
    pub(super) estimates: Vec<Estimate>,
    pub(super) groups: IndexMap<(Extract, Means), GroupAtoms>,
    pub(super) tests: IndexSet<Test>,
}

impl Graph {
    pub(super) fn new() -> Self {
        let mut graph = Self {
            nodes: IndexSet::new(),
            estimates: Vec::new(),
            groups: IndexMap::new(),
            tests: IndexSet::new(),
        };
        graph.intern(Node::Or(Box::new([])), Estimate::NEVER);
        graph
    }

    /// A test that is made by itself.
    pub(super) fn test(&mut self, test: &Test) -> Literal {
        let estimate = estimate::of_test(test);
        let index = match self.tests.get_index_of(test) {
            Some(index) => index,
            None => self.tests.insert_full(test.clone()).0,
        };
        self.intern(Node::Test(narrow(index)), estimate)
    }

    /// Whether a value of `extract` is, starts with, ... one of `keys`.
    pub(super) fn atom(&mut self, extract: &Extract, means: Means, keys: Vec<Key>) -> Literal {
        let entry = self.groups.entry((extract.clone(), means));
        let group = entry.index();
        let atoms = entry.or_default();
        let keys = keys.into_iter().map(|key| narrow(atoms.keys.insert_full(key).0)).collect();
        self.atom_of_keys(group, keys)
    }

    fn atom_of_keys(&mut self, group: usize, mut keys: Vec<u32>) -> Literal {
        keys.sort_unstable();
        keys.dedup();
        let Some(((extract, means), atoms)) = self.groups.get_index_mut(group) else {
            return Literal::FALSE;
        };
        let of_keys = keys.iter().filter_map(|key| atoms.keys.get_index(*key as usize));
        let estimate = estimate::of_keys(extract, *means, of_keys);
        let (atom, _) = atoms.atoms.insert_full(keys.into());
        self.intern(Node::Atom { group: narrow(group), atom: narrow(atom) }, estimate)
    }

    /// Whether any of `parts` holds.
    ///
    /// Atoms of one group become one: a long `or` of tests of one field is one bit in the end.
    pub(super) fn or(&mut self, parts: Vec<Literal>) -> Literal {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match self.nodes.get_index(part.node()) {
                Some(Node::Or(inner)) if !part.is_negated() => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        self.merge_atoms(&mut flat);
        flat.sort_unstable();
        flat.dedup();
        let opposites = |pair: &[Literal]| matches!(pair, [a, b] if a.node() == b.node());
        if flat.contains(&Literal::TRUE) || flat.windows(2).any(opposites) {
            return Literal::TRUE;
        }
        if let [only] = flat[..] {
            return only;
        }
        let estimate = Estimate::of_any(flat.iter().map(|part| self.estimate(*part)));
        self.intern(Node::Or(flat.into()), estimate)
    }

    fn merge_atoms(&mut self, parts: &mut Vec<Literal>) {
        let mut by_group: IndexMap<u32, Vec<u32>> = IndexMap::new();
        for part in parts.iter().filter(|part| !part.is_negated()) {
            if let Some(Node::Atom { group, atom }) = self.nodes.get_index(part.node()) {
                by_group.entry(*group).or_default().push(*atom);
            }
        }
        by_group.retain(|_, atoms| atoms.len() > 1);
        if by_group.is_empty() {
            return;
        }
        parts.retain(|part| match self.nodes.get_index(part.node()) {
            Some(Node::Atom { group, .. }) => part.is_negated() || !by_group.contains_key(group),
            _ => true,
        });
        for (group, atoms) in by_group {
            let Some((_, known)) = self.groups.get_index(group as usize) else { continue };
            let sets = atoms.iter().filter_map(|atom| known.atoms.get_index(*atom as usize));
            let keys = sets.flat_map(|keys| keys.iter().copied()).collect();
            parts.push(self.atom_of_keys(group as usize, keys));
        }
    }

    pub(super) fn estimate(&self, literal: Literal) -> Estimate {
        let estimate = self.estimates.get(literal.node()).copied().unwrap_or(Estimate::NEVER);
        if literal.is_negated() { estimate.opposite() } else { estimate }
    }

    fn intern(&mut self, node: Node, estimate: Estimate) -> Literal {
        let (index, is_new) = self.nodes.insert_full(node);
        if is_new {
            self.estimates.push(estimate);
        }
        Literal(narrow(index) << 1)
    }
}

/// A position in a table of what a rule's text names, which is far smaller than this can hold.
pub(super) fn narrow(index: usize) -> u32 {
    // Rule files are limited to less than this many bytes.
    u32::try_from(index).unwrap_or(u32::MAX)
}

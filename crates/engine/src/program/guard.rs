//! Which rules of an event type need not be looked at.

use std::collections::HashMap;

use super::{
    Group, Reading,
    graph::{Graph, Literal, Node},
};

/// A guard that holds more often than this saves nothing.
const CHANCE_MAX: f32 = 0.7;

/// Guards of more parts than this are not tried.
const PARTS_MAX: usize = 64;

/// The rules of one event type.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Position of the rule, and its condition.
    pub(super) rules: Box<[(usize, Literal)]>,
    /// The rules without a guard, a bit each.
    pub(super) always: Box<[u64]>,
    pub(super) tests: Box<[TestGuard]>,
    /// Those of one field are together, so that it is read once.
    pub(super) columns: Box<[Box<[GroupGuard]>]>,
}

/// Some rules' guard that is a test made by itself.
#[derive(Debug)]
pub(super) struct TestGuard {
    pub(super) test: u32,
    pub(super) rules: Box<[u64]>,
}

/// Some rules' guards that are atoms of one group.
#[derive(Debug)]
pub(super) struct GroupGuard {
    pub(super) group: u32,
    /// The atoms that guard a rule.
    pub(super) mask: Box<[u64]>,
    /// For each of those atoms, in order, its rules.
    pub(super) rules: Box<[(u32, Box<[u64]>)]>,
}

/// What decides a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Decider {
    Group(u32),
    Test(u32),
}

/// Nodes of which one holds if the rule does.
#[derive(Clone, Debug)]
struct Candidate {
    nodes: Vec<Literal>,
    chance: f32,
}

impl Plan {
    pub(super) fn new(graph: &Graph, groups: &[Group], rules: Vec<(usize, Literal)>) -> Self {
        let candidates: Vec<Vec<Candidate>> =
            rules.iter().map(|(_, root)| candidates(graph, *root)).collect();

        // A decider that many rules could have costs each of them less.
        let mut popularity: HashMap<Decider, f32> = HashMap::new();
        for candidates in &candidates {
            let mut deciders: Vec<Decider> =
                candidates.iter().flat_map(|candidate| deciders(graph, candidate)).collect();
            deciders.sort_unstable();
            deciders.dedup();
            for decider in deciders {
                *popularity.entry(decider).or_default() += 1.0;
            }
        }
        let price = |candidate: &Candidate, rule_cost: f32| {
            let mut deciders: Vec<Decider> = deciders(graph, candidate).collect();
            deciders.sort_unstable();
            deciders.dedup();
            let shares = deciders.iter().map(|decider| {
                let cost = candidate
                    .nodes
                    .iter()
                    .filter(|node| decider_of(graph, **node) == Some(*decider))
                    .map(|node| graph.estimate(*node).cost)
                    .fold(0.0, f32::max);
                cost / popularity.get(decider).copied().unwrap_or(1.0)
            });
            shares.sum::<f32>() + candidate.chance * rule_cost
        };

        let words = rules.len().div_ceil(64);
        let mut always = vec![0_u64; words];
        let mut guarded: HashMap<Decider, HashMap<u32, Vec<u64>>> = HashMap::new();
        for (rule, (candidates, (_, root))) in candidates.iter().zip(&rules).enumerate() {
            let rule_cost = RULE_COST + graph.estimate(*root).cost;
            let best = candidates
                .iter()
                .filter(|candidate| candidate.chance <= CHANCE_MAX)
                .min_by(|a, b| price(a, rule_cost).total_cmp(&price(b, rule_cost)));
            let Some(best) = best else {
                set(&mut always, rule);
                continue;
            };
            for node in &best.nodes {
                let (Some(decider), Some(bit)) = (decider_of(graph, *node), bit_of(graph, *node))
                else {
                    continue;
                };
                let rules = guarded.entry(decider).or_default().entry(bit);
                set(rules.or_insert_with(|| vec![0; words]), rule);
            }
        }
        let mut guarded: Vec<_> = guarded.into_iter().collect();
        guarded.sort_unstable_by_key(|(decider, _)| *decider);
        let (mut tests, mut columns) = (Vec::new(), Vec::<(&Reading, Vec<GroupGuard>)>::new());
        for (decider, by_bit) in guarded {
            match decider {
                Decider::Test(test) => {
                    let rules = by_bit.into_values().next().unwrap_or_default().into();
                    tests.push(TestGuard { test, rules });
                }
                Decider::Group(index) => {
                    let Some(group) = groups.get(index as usize) else { continue };
                    let guard = GroupGuard::new(index, group, by_bit);
                    match columns.iter_mut().find(|(reading, _)| **reading == group.reading) {
                        Some((_, guards)) => guards.push(guard),
                        None => columns.push((&group.reading, vec![guard])),
                    }
                }
            }
        }
        let columns = columns.into_iter().map(|(_, guards)| guards.into()).collect();
        Self { rules: rules.into(), always: always.into(), tests: tests.into(), columns }
    }
}

/// What it costs to look at a rule whose guard holds, beside its tests.
const RULE_COST: f32 = 20.0;

impl GroupGuard {
    fn new(index: u32, group: &Group, by_atom: HashMap<u32, Vec<u64>>) -> Self {
        let mut mask = vec![0; group.words.len()];
        let mut rules: Vec<(u32, Box<[u64]>)> =
            by_atom.into_iter().map(|(atom, rules)| (atom, rules.into())).collect();
        rules.sort_unstable_by_key(|(atom, _)| *atom);
        for (atom, _) in &rules {
            set(&mut mask, *atom as usize);
        }
        Self { group: index, mask: mask.into(), rules: rules.into() }
    }
}

fn set(bits: &mut [u64], index: usize) {
    if let Some(word) = bits.get_mut(index / 64) {
        *word |= 1 << (index % 64);
    }
}

fn deciders(graph: &Graph, candidate: &Candidate) -> impl Iterator<Item = Decider> {
    candidate.nodes.iter().filter_map(|node| decider_of(graph, *node))
}

fn decider_of(graph: &Graph, literal: Literal) -> Option<Decider> {
    match graph.nodes.get_index(literal.node())? {
        Node::Atom { group, .. } => Some(Decider::Group(*group)),
        Node::Test(test) => Some(Decider::Test(*test)),
        Node::Or(_) => None,
    }
}

/// The atom in its group.
fn bit_of(graph: &Graph, literal: Literal) -> Option<u32> {
    match graph.nodes.get_index(literal.node())? {
        Node::Atom { atom, .. } => Some(*atom),
        _ => Some(0),
    }
}

/// The guards that a condition could have, one for each part of an `and`.
fn candidates(graph: &Graph, root: Literal) -> Vec<Candidate> {
    match graph.nodes.get_index(root.node()) {
        Some(Node::Or(parts)) if root.is_negated() => {
            parts.iter().filter_map(|part| guard(graph, part.negated_if(true), 0)).collect()
        }
        _ => guard(graph, root, 0).into_iter().collect(),
    }
}

/// How deep a guard is looked for.
const DEPTH_MAX: usize = 8;

/// The best guard of a part of a condition.
fn guard(graph: &Graph, literal: Literal, depth: usize) -> Option<Candidate> {
    let node = graph.nodes.get_index(literal.node())?;
    match (node, literal.is_negated()) {
        _ if depth > DEPTH_MAX => None,
        (Node::Atom { .. } | Node::Test(_), false) => {
            let chance = graph.estimate(literal).chance;
            Some(Candidate { nodes: vec![literal], chance })
        }
        // What must be missing guards nothing: the rule would be looked at nearly always.
        (Node::Atom { .. } | Node::Test(_), true) => None,
        (Node::Or(parts), false) => {
            let mut all = Candidate { nodes: Vec::new(), chance: 0.0 };
            for part in parts {
                let part = guard(graph, *part, depth + 1)?;
                all.nodes.extend(part.nodes);
                all.chance += part.chance * (1.0 - all.chance);
                if all.nodes.len() > PARTS_MAX {
                    return None;
                }
            }
            Some(all)
        }
        (Node::Or(parts), true) => {
            let each =
                parts.iter().filter_map(|part| guard(graph, part.negated_if(true), depth + 1));
            each.min_by(|a, b| {
                let rank = |candidate: &Candidate| {
                    let costs = candidate.nodes.iter().map(|node| graph.estimate(*node).cost);
                    candidate.chance * RULE_COST + costs.sum::<f32>()
                };
                rank(a).total_cmp(&rank(b))
            })
        }
    }
}

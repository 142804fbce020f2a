//! One test of one fact, and what two of them have in common.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use super::{fact::Fact, pattern::Pattern};
use crate::predicate::Network;

/// The most values a check may list. One that would need more is left out.
pub const VALUES_MAX: usize = 512;

/// A fact and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check {
    /// What is looked at.
    pub fact: Fact,
    /// What it must be.
    pub wanted: Wanted,
}

/// What a fact must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// A text that fits one of the patterns.
    Text(BTreeSet<Pattern>),
    /// A text that fits none of the patterns.
    NoText(BTreeSet<Pattern>),
    /// A number in one of the ranges.
    Number(Ranges),
    /// An address in one of the networks.
    Address(BTreeSet<Subnet>),
    /// An address in none of the networks.
    NoAddress(BTreeSet<Subnet>),
}

/// Numbers: sorted ranges with both ends in them, with gaps between.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranges(Vec<(i128, i128)>);

/// Addresses with the same leading bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet(Network);

/// What is known of a fact of one event.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Nothing: every check passes.
    Nothing,
    /// The texts it may be seen as, e.g. the two paths of a file or the names of all ancestors.
    Texts(Vec<Vec<u8>>),
    /// A number; a flag is 0 or 1.
    Number(i128),
    /// An address.
    Address(IpAddr),
}

impl Check {
    /// Whether an event of which this is known must be reported, as far as this check goes.
    ///
    /// Of several texts one has to do.
    pub fn passes(&self, known: &Known) -> bool {
        let fits = |patterns: &BTreeSet<Pattern>, text: &Vec<u8>| {
            patterns.iter().any(|pattern| pattern.matches(text))
        };
        let inside = |subnets: &BTreeSet<Subnet>, address: &IpAddr| {
            subnets.iter().any(|subnet| subnet.0.contains(address.to_canonical()))
        };
        match (&self.wanted, known) {
            (Wanted::Text(patterns), Known::Texts(texts)) => {
                texts.iter().any(|text| fits(patterns, text))
            }
            (Wanted::NoText(patterns), Known::Texts(texts)) => {
                texts.iter().any(|text| !fits(patterns, text))
            }
            (Wanted::Number(ranges), Known::Number(number)) => ranges.contains(*number),
            (Wanted::Address(subnets), Known::Address(address)) => inside(subnets, address),
            (Wanted::NoAddress(subnets), Known::Address(address)) => !inside(subnets, address),
            // Not known, or not comparable: that is not the kernel's to judge.
            _ => true,
        }
    }

    /// A check that passes whatever one of the two passes; `None` when it would pass nearly all.
    pub(super) fn either(&self, other: &Self) -> Option<Self> {
        use Wanted as W;
        let wanted = match (&self.wanted, &other.wanted) {
            _ if self.fact != other.fact => return None,
            (W::Text(a), W::Text(b)) => W::Text(a | b),
            (W::NoText(a), W::NoText(b)) => W::NoText(a & b),
            (W::Text(a), W::NoText(b)) | (W::NoText(b), W::Text(a)) => {
                // Whole texts exclude each other; of wider patterns two may fit the same text.
                if !a.iter().chain(b).all(Pattern::is_one_text) {
                    return None;
                }
                W::NoText(b - a)
            }
            (W::Number(a), W::Number(b)) => W::Number(a.or(b)),
            (W::Address(a), W::Address(b)) => W::Address(a | b),
            (W::NoAddress(a), W::NoAddress(b)) => W::NoAddress(a & b),
            _ => return None,
        };
        Self { fact: self.fact, wanted }.bounded()
    }

    /// The check if it may keep an event away, and is not too long.
    pub(super) fn bounded(self) -> Option<Self> {
        // Whether it is a container that a process runs in is not known, only that it is none.
        let host = || Known::Texts(vec![b"host".to_vec()]);
        if self.fact == Fact::Place && self.passes(&host()) {
            return None;
        }
        let len = match &self.wanted {
            Wanted::Text(patterns) => patterns.len(),
            Wanted::NoText(patterns) if patterns.is_empty() => return None,
            Wanted::NoText(patterns) => patterns.len(),
            Wanted::Number(ranges) if *ranges == Ranges::all() => return None,
            Wanted::Number(ranges) if matches!(self.fact, Fact::Flag(_)) => {
                if ranges.contains(0) && ranges.contains(1) {
                    return None;
                }
                1
            }
            Wanted::Number(ranges) => ranges.0.len(),
            Wanted::NoAddress(subnets) if subnets.is_empty() => return None,
            Wanted::Address(subnets) | Wanted::NoAddress(subnets) => subnets.len(),
        };
        (len <= VALUES_MAX).then_some(self)
    }

    /// Leaves out patterns that others of the check cover. It then means the same.
    pub(super) fn simplify(&mut self) {
        let Wanted::Text(patterns) = &mut self.wanted else { return };
        let wide: Vec<Pattern> =
            patterns.iter().filter(|pattern| !pattern.is_one_text()).cloned().collect();
        patterns.retain(|one| !wide.iter().any(|pattern| pattern != one && pattern.covers(one)));
    }

    /// Whether whatever passes `other` passes this.
    pub(super) fn covers(&self, other: &Self) -> bool {
        use Wanted as W;
        self.fact == other.fact
            && match (&self.wanted, &other.wanted) {
                (W::Text(wide), W::Text(narrow)) => narrow.iter().all(|one| {
                    wide.contains(one) || wide.iter().any(|pattern| pattern.covers(one))
                }),
                (W::NoText(wide), W::NoText(narrow)) => wide.is_subset(narrow),
                (W::Number(wide), W::Number(narrow)) => wide.or(narrow) == *wide,
                (W::Address(wide), W::Address(narrow)) => narrow.is_subset(wide),
                (W::NoAddress(wide), W::NoAddress(narrow)) => wide.is_subset(narrow),
                _ => false,
            }
    }

    /// How much it keeps away: 0 is next to nothing.
    pub(super) fn weight(&self) -> u32 {
        match &self.wanted {
            Wanted::NoText(_) | Wanted::NoAddress(_) => 0,
            // That something is not so is common, and so are most errors and ports.
            Wanted::Number(ranges) if matches!(self.fact, Fact::Flag(_)) && ranges.contains(0) => 0,
            Wanted::Number(ranges) if matches!(self.fact, Fact::Result | Fact::Descriptor) => {
                // A few results are rare, half of all numbers are not.
                let few = ranges.iter().all(|ends| ends.0 > i128::MIN && ends.1 < i128::MAX);
                if few { 2 } else { 0 }
            }
            _ => self.fact.weight(),
        }
    }
}

impl Ranges {
    /// From the first to the last number, both in it.
    pub fn between(first: i128, last: i128) -> Self {
        Self(if first <= last { vec![(first, last)] } else { Vec::new() })
    }

    pub(super) fn all() -> Self {
        Self::between(i128::MIN, i128::MAX)
    }

    /// The ranges, ascending; the first and the last number of each.
    pub fn iter(&self) -> impl Iterator<Item = (i128, i128)> {
        self.0.iter().copied()
    }

    /// Whether the number is in one of the ranges.
    pub fn contains(&self, number: i128) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    pub(super) fn or(&self, other: &Self) -> Self {
        let mut sorted: Vec<_> = self.iter().chain(other.iter()).collect();
        sorted.sort_unstable();
        let mut joined: Vec<(i128, i128)> = Vec::new();
        for (first, last) in sorted {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    pub(super) fn not(&self) -> Self {
        let mut rest = Vec::new();
        let mut next = Some(i128::MIN);
        for (first, last) in self.iter() {
            if let Some(start) = next
                && start < first
            {
                rest.push((start, first - 1));
            }
            next = last.checked_add(1);
        }
        rest.extend(next.map(|start| (start, i128::MAX)));
        Self(rest)
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        self.not().or(&other.not()).not()
    }
}

impl Subnet {
    pub(super) fn new(network: Network) -> Self {
        Self(network)
    }

    /// Its first address, as the rule has it: bits behind the prefix may be set.
    pub fn address(self) -> IpAddr {
        self.0.address()
    }

    /// How many leading bits count.
    pub fn prefix_len(self) -> u32 {
        self.0.prefix_len()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fact = self.fact;
        match &self.wanted {
            Wanted::Text(patterns) => write!(f, "{fact} {}", one_of(patterns)),
            Wanted::NoText(patterns) => write!(f, "{fact} not {}", one_of(patterns)),
            Wanted::Number(ranges) if matches!(fact, Fact::Flag(_)) => {
                match (ranges.contains(0), ranges.contains(1)) {
                    (false, true) => write!(f, "{fact}"),
                    (true, false) => write!(f, "not {fact}"),
                    _ => write!(f, "{fact} unknown"),
                }
            }
            Wanted::Number(ranges) => write!(f, "{fact} {ranges}"),
            Wanted::Address(subnets) => write!(f, "{fact} {}", one_of(subnets)),
            Wanted::NoAddress(subnets) => write!(f, "{fact} not {}", one_of(subnets)),
        }
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self
            .iter()
            .map(|(first, last)| match (first, last) {
                (first, last) if first == last => first.to_string(),
                (i128::MIN, last) => format!("<= {last}"),
                (first, i128::MAX) => format!(">= {first}"),
                (first, last) => format!("{first} to {last}"),
            })
            .collect();
        f.write_str(&listed(&texts))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.prefix_len())
    }
}

fn one_of<T: fmt::Display>(values: &BTreeSet<T>) -> String {
    listed(&values.iter().map(T::to_string).collect::<Vec<_>>())
}

fn listed(texts: &[String]) -> String {
    match texts {
        [] => "unknown".to_owned(),
        [only] => only.clone(),
        several => format!("({})", several.join(", ")),
    }
}

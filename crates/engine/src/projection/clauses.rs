//! A disjunction of conjunctions, kept small.
//!
//! Whatever is done to one here, it passes what it passed before: when there are too many clauses
//! two become one that passes what either did, and when one has too many checks it loses some.

use std::fmt;

use super::check::{Check, Wanted};

/// The most checks of one clause.
pub const CHECKS_MAX: usize = 8;

/// The most clauses of one event type, for one rule.
pub(super) const RULE_CLAUSES_MAX: usize = 16;

/// The most clauses of one event type, for all rules together.
pub const CLAUSES_MAX: usize = 32;

/// Checks that all have to pass. Without any, every event passes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clause(Vec<Check>);

/// Clauses of which one has to pass. Without any, no event passes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Clauses(Vec<Clause>);

impl Clause {
    /// Its checks.
    pub fn checks(&self) -> &[Check] {
        &self.0
    }

    pub(super) fn of(check: Option<Check>) -> Self {
        Self(check.into_iter().collect())
    }

    /// A clause that passes what both pass.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for check in &other.0 {
            both.add(check.clone());
        }
        both.0.sort_unstable();
        while both.0.len() > CHECKS_MAX {
            // The later one of equals is the narrower fact: they are sorted by fact.
            let Some(lightest) =
                (0..both.0.len()).min_by_key(|&at| both.0.get(at).map(Check::weight))
            else {
                break;
            };
            both.0.remove(lightest);
        }
        both
    }

    fn add(&mut self, check: Check) {
        use Wanted as W;
        if self.0.iter().any(|own| check.covers(own)) {
            return;
        }
        self.0.retain(|own| !own.covers(&check));
        for own in self.0.iter_mut().filter(|own| own.fact == check.fact) {
            let joined = match (&own.wanted, &check.wanted) {
                (W::Number(a), W::Number(b)) => W::Number(a.and(b)),
                (W::NoText(a), W::NoText(b)) => W::NoText(a | b),
                (W::NoAddress(a), W::NoAddress(b)) => W::NoAddress(a | b),
                _ => continue,
            };
            // What became too long is still there as it was.
            if let Some(joined) = (Check { fact: check.fact, wanted: joined }).bounded() {
                *own = joined;
            }
            return;
        }
        self.0.push(check);
    }

    /// Whether whatever passes `other` passes this.
    fn covers(&self, other: &Self) -> bool {
        self.0.iter().all(|wide| other.0.iter().any(|narrow| wide.covers(narrow)))
    }

    /// A clause that passes what either passes, and as little else as is simple.
    fn either(&self, other: &Self) -> Self {
        let mut either = Self::default();
        for own in &self.0 {
            let common = other.0.iter().find_map(|its| {
                if own.covers(its) {
                    Some(own.clone())
                } else if its.covers(own) {
                    Some(its.clone())
                } else {
                    own.either(its)
                }
            });
            if let Some(check) = common {
                either.add(check);
            }
        }
        either.0.sort_unstable();
        either
    }

    /// One clause in place of two that passes exactly the same, where they differ in one fact.
    fn either_exactly(&self, other: &Self) -> Option<Self> {
        use Wanted as W;
        let mut pairs = self.0.iter().zip(&other.0).enumerate();
        let differs = |pair: &(usize, (&Check, &Check))| pair.1.0 != pair.1.1;
        if self.0.len() != other.0.len() {
            return None;
        }
        let (at, (own, its)) = pairs.find(differs)?;
        if pairs.any(|pair| differs(&pair)) {
            return None;
        }
        let exact = matches!(
            (&own.wanted, &its.wanted),
            (W::Text(_), W::Text(_))
                | (W::Number(_), W::Number(_))
                | (W::Address(_), W::Address(_))
        );
        let joined = if exact { own.either(its) } else { None };
        let mut clause = self.clone();
        *clause.0.get_mut(at)? = joined?;
        Some(clause)
    }

    /// How much its narrowest check keeps away: 0 is next to nothing.
    pub(super) fn weight(&self) -> u32 {
        self.0.iter().map(Check::weight).max().unwrap_or(0)
    }

    /// How much would be lost if the two became one, told by the facts they share.
    fn distance(&self, other: &Self) -> u32 {
        let lost = |from: &Self, to: &Self| -> u32 {
            let alone = from.0.iter().filter(|check| {
                let same = |other: &&Check| {
                    other.fact == check.fact
                        && std::mem::discriminant(&other.wanted)
                            == std::mem::discriminant(&check.wanted)
                };
                !to.0.iter().any(|other| same(&other))
            });
            alone.map(|check| 1 + 4 * check.weight()).sum()
        };
        lost(self, other) + lost(other, self)
    }
}

impl Clauses {
    /// Passes every event.
    pub(super) fn everything() -> Self {
        Self(vec![Clause::default()])
    }

    /// Passes no event.
    pub(super) fn nothing() -> Self {
        Self::default()
    }

    pub(super) fn of(clause: Clause) -> Self {
        Self(vec![clause])
    }

    /// The clauses.
    pub fn iter(&self) -> impl Iterator<Item = &Clause> {
        self.0.iter()
    }

    /// Whether every event passes.
    pub fn is_everything(&self) -> bool {
        self.0.iter().any(|clause| clause.0.is_empty())
    }

    /// Whether no event passes.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some clause keeps next to nothing away.
    pub(super) fn is_wide(&self) -> bool {
        self.0.iter().any(|clause| clause.weight() == 0)
    }

    /// Passes what either passes, in at most `max` clauses.
    pub(super) fn or(mut self, other: &Self, max: usize) -> Self {
        for clause in &other.0 {
            self.insert(clause.clone(), max);
        }
        self
    }

    /// Passes what both pass.
    pub(super) fn and(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.clone(), other.clone());
        while left.0.len() * right.0.len() > 4 * RULE_CLAUSES_MAX {
            let longer = if left.0.len() > right.0.len() { &mut left } else { &mut right };
            longer.join_nearest();
        }
        let mut both = Self::nothing();
        for own in &left.0 {
            for its in &right.0 {
                both.insert(own.and(its), RULE_CLAUSES_MAX);
            }
        }
        both
    }

    fn insert(&mut self, mut clause: Clause, max: usize) {
        loop {
            if self.0.iter().any(|own| own.covers(&clause)) {
                return;
            }
            self.0.retain(|own| !clause.covers(own));
            let joined = self.0.iter().enumerate().find_map(|(at, own)| {
                let joined = own.either_exactly(&clause)?;
                Some((at, joined))
            });
            let Some((at, joined)) = joined else { break };
            self.0.remove(at);
            clause = joined;
        }
        self.0.push(clause);
        while self.0.len() > max {
            self.join_nearest();
        }
    }

    /// Makes one clause of the two that have most in common.
    fn join_nearest(&mut self) {
        let pairs =
            (1..self.0.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
        let nearest = pairs
            .filter_map(|(first, second)| {
                let distance = self.0.get(first)?.distance(self.0.get(second)?);
                Some((distance, first, second))
            })
            .min();
        if let Some((_, first, second)) = nearest {
            // The second stands behind the first, so that one keeps its place.
            let second = self.0.remove(second);
            let first = self.0.remove(first);
            let joined = first.either(&second);
            self.0.retain(|own| !joined.covers(own));
            self.0.push(joined);
        }
    }

    /// Leaves out what is in there twice, and puts the clauses in the order of their checks, so that
    /// the same rules give the same text.
    pub(super) fn tidy(&mut self) {
        for clause in &mut self.0 {
            clause.0.iter_mut().for_each(Check::simplify);
        }
        self.0.sort_unstable();
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("everything");
        }
        for (at, check) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { " and " };
            write!(f, "{between}{check}")?;
        }
        Ok(())
    }
}

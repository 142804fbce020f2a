//! What went by in one partition, told to whoever asks without slowing it down.

use std::{
    iter::Sum,
    sync::{Arc, Mutex},
};

use super::locked;
use crate::decode::Family;

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Records read, by family.
    pub read: [u64; Family::ALL.len()],
    /// Events that rules looked at, each once.
    pub evaluated: u64,
    pub alerts: u64,
    /// Events whose alerts waited for what the runtime knows, and those that found no room to.
    pub held: u64,
    pub held_refused: u64,
    /// Events that were read before what their parent became, those of them that did not
    /// wait for it any longer, and those that found no room to: they may have overtaken others.
    pub early: u64,
    pub early_given_up: u64,
    pub early_refused: u64,
}

impl Totals {
    pub fn records(&self) -> u64 {
        self.read.iter().sum()
    }

    pub(super) fn count_record(&mut self, family: Family) {
        if let Some(read) = self.read.get_mut(family.index()) {
            *read += 1;
        }
    }
}

impl Sum for Totals {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            for (sum, one) in sum.read.iter_mut().zip(one.read) {
                *sum += one;
            }
            sum.evaluated += one.evaluated;
            sum.alerts += one.alerts;
            sum.held += one.held;
            sum.held_refused += one.held_refused;
            sum.early += one.early;
            sum.early_given_up += one.early_given_up;
            sum.early_refused += one.early_refused;
            sum
        })
    }
}

/// The partition's end: it counts for itself and shows the counts now and then.
pub(super) struct TotalsWriter {
    pub(super) own: Totals,
    shown: Arc<Mutex<Totals>>,
}

/// The other end.
pub struct TotalsReader(Arc<Mutex<Totals>>);

pub(super) fn shared() -> (TotalsWriter, TotalsReader) {
    let shown = Arc::new(Mutex::new(Totals::default()));
    (TotalsWriter { own: Totals::default(), shown: Arc::clone(&shown) }, TotalsReader(shown))
}

impl TotalsWriter {
    pub(super) fn show(&self) {
        *locked(&self.shown) = self.own;
    }
}

impl TotalsReader {
    pub fn read(&self) -> Totals {
        *locked(&self.0)
    }
}

//! What an evaluation writes to, kept for the next one.

/// Working memory for evaluating events.
///
/// Made once and used for one event after another: it grows to what the rules in use need and is
/// never cleared, as what is from an older evaluation carries an older number.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The number of this evaluation, from 1.
    pub(super) epoch: u32,
    /// For each node the evaluation that knew it, and whether it held, in the last bit.
    pub(super) nodes: Vec<u32>,
    pub(super) tests: Vec<u32>,
    /// For each group the evaluation that it ran in.
    pub(super) groups: Vec<u32>,
    pub(super) atoms: Vec<u64>,
    /// A bit for each rule of the plan: those to be evaluated, then those that match.
    pub(super) rules: Vec<u64>,
}

/// The last bit is for the answer.
const EPOCH_MAX: u32 = u32::MAX >> 1;

impl Scratch {
    /// Begins another evaluation with room for so many of each.
    pub(super) fn begin(&mut self, nodes: usize, tests: usize, groups: usize, words: usize) {
        if self.epoch == EPOCH_MAX {
            *self = Self::default();
        }
        self.epoch += 1;
        grow(&mut self.nodes, nodes);
        grow(&mut self.tests, tests);
        grow(&mut self.groups, groups);
        grow(&mut self.atoms, words);
    }
}

fn grow<T: Clone + Default>(values: &mut Vec<T>, len: usize) {
    if values.len() < len {
        values.resize(len, T::default());
    }
}

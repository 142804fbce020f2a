//! The evaluation of one event.

use super::{
    Group, Program, Step,
    graph::Literal,
    guard::{GroupGuard, Plan},
    scratch::Scratch,
};
use crate::event::{Event, Value};

impl Program {
    /// Calls `matching` with the position of each rule of the plan that matches, in order, until it
    /// wants no more.
    pub(crate) fn evaluate(
        &self,
        plan: usize,
        event: &dyn Event,
        scratch: &mut Scratch,
        mut matching: impl FnMut(usize) -> bool,
    ) {
        let Some(plan) = self.plans.get(plan) else { return };
        let mut run = Run::new(self, scratch, event);
        run.candidates(plan);
        for word in 0..plan.always.len() {
            let mut left = run.scratch.rules.get(word).copied().unwrap_or(0);
            while left != 0 {
                let rule = word * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let Some((position, root)) = plan.rules.get(rule) else { continue };
                if run.holds(*root) && !matching(*position) {
                    return;
                }
            }
        }
    }
}

impl Program {
    fn group(&self, index: u32) -> Option<&Group> {
        self.groups.get(index as usize)
    }
}

struct Run<'p, 's, 'e> {
    program: &'p Program,
    scratch: &'s mut Scratch,
    event: &'e dyn Event,
}

impl<'p, 's, 'e> Run<'p, 's, 'e> {
    fn new(program: &'p Program, scratch: &'s mut Scratch, event: &'e dyn Event) -> Self {
        let words = program.groups.last().map_or(0, |group| group.words.end);
        scratch.begin(program.nodes.len(), program.tests.len(), program.groups.len(), words);
        Self { program, scratch, event }
    }

    /// Notes the rules whose guards hold.
    fn candidates(&mut self, plan: &Plan) {
        self.scratch.rules.clear();
        self.scratch.rules.extend_from_slice(&plan.always);
        for guard in &plan.tests {
            if self.test(guard.test) {
                add(&mut self.scratch.rules, &guard.rules);
            }
        }
        for column in &plan.columns {
            let first = column.first().and_then(|guard| self.program.group(guard.group));
            let Some(first) = first else { continue };
            let value = first.reading.read(self.event);
            for guard in column {
                self.decide(guard.group, value.as_ref());
                self.add_guarded(guard);
            }
        }
    }

    /// Notes the rules whose guard is an atom that holds.
    fn add_guarded(&mut self, guard: &GroupGuard) {
        let Some(group) = self.program.group(guard.group) else { return };
        let atoms = self.scratch.atoms.get(group.words.clone()).unwrap_or_default();
        for (word, (atoms, mask)) in (0_u32..).zip(atoms.iter().zip(&guard.mask)) {
            let mut left = atoms & mask;
            while left != 0 {
                let atom = word * 64 + left.trailing_zeros();
                left &= left - 1;
                let found = guard.rules.binary_search_by_key(&atom, |(atom, _)| *atom);
                if let Some((_, rules)) = found.ok().and_then(|found| guard.rules.get(found)) {
                    add(&mut self.scratch.rules, rules);
                }
            }
        }
    }

    fn holds(&mut self, literal: Literal) -> bool {
        self.node(literal.node()) != literal.is_negated()
    }

    fn node(&mut self, node: usize) -> bool {
        match self.program.nodes.get(node) {
            Some(Step::Atom { group, bit }) => {
                self.run_group(*group);
                let word = self.scratch.atoms.get((*bit / 64) as usize).copied().unwrap_or(0);
                word >> (bit % 64) & 1 == 1
            }
            Some(Step::Test(test)) => self.test(*test),
            Some(Step::Or { start, end, is_shared }) => {
                if *is_shared
                    && let Some(known) = self.scratch.nodes.get(node)
                    && known >> 1 == self.scratch.epoch
                {
                    return known & 1 == 1;
                }
                let parts = self.program.parts.get(*start as usize..*end as usize);
                let any = parts.unwrap_or_default().iter().any(|part| self.holds(*part));
                if *is_shared && let Some(known) = self.scratch.nodes.get_mut(node) {
                    *known = self.scratch.epoch << 1 | u32::from(any);
                }
                any
            }
            None => false,
        }
    }

    fn test(&mut self, index: u32) -> bool {
        let index = index as usize;
        if let Some(known) = self.scratch.tests.get(index)
            && known >> 1 == self.scratch.epoch
        {
            return known & 1 == 1;
        }
        let holds = self.program.tests.get(index).is_some_and(|test| test.holds(self.event));
        if let Some(known) = self.scratch.tests.get_mut(index) {
            *known = self.scratch.epoch << 1 | u32::from(holds);
        }
        holds
    }

    /// Decides all atoms of a group, if this was not done for this event.
    fn run_group(&mut self, index: u32) {
        if self.scratch.groups.get(index as usize) == Some(&self.scratch.epoch) {
            return;
        }
        let Some(group) = self.program.group(index) else { return };
        let value = group.reading.read(self.event);
        self.decide(index, value.as_ref());
    }

    fn decide(&mut self, index: u32, value: Option<&Value<'_>>) {
        let Some(group) = self.program.group(index) else { return };
        if let Some(ran) = self.scratch.groups.get_mut(index as usize) {
            *ran = self.scratch.epoch;
        }
        let Some(bits) = self.scratch.atoms.get_mut(group.words.clone()) else { return };
        bits.fill(0);
        match value {
            None => {}
            Some(Value::List(list)) => {
                list.iter().for_each(|value| group.classifier.classify(&value, bits));
            }
            Some(value) => group.classifier.classify(value, bits),
        }
    }
}

fn add(to: &mut [u64], from: &[u64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to |= from);
}

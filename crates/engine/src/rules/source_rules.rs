//! The enabled rules of one source, by the event types they can match.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;

use super::Rule;
use crate::{
    event::Event,
    event_types::EventTypes,
    program::{PlanOf, Program, Scratch},
};

#[derive(Debug)]
pub(super) struct SourceRules {
    pub(super) name: String,
    program: Program,
    /// The program numbers the rules of this source alone: their positions among all.
    positions: Vec<usize>,
    /// Plans of the program; the names are those that rules test `evt.type` for.
    by_type: HashMap<String, usize, FixedState>,
    /// For each plan the positions of its rules; the last is for types that no rule names.
    candidates: Vec<Vec<usize>>,
}

impl SourceRules {
    pub(super) fn new(name: &str, rules: &[Rule]) -> Self {
        let of_source = rules.iter().enumerate();
        let of_source = of_source.filter(|(_, rule)| rule.enabled && rule.source == name);
        let (positions, rules): (Vec<usize>, Vec<&Rule>) = of_source.unzip();

        let mut types: BTreeSet<&str> = BTreeSet::new();
        for rule in &rules {
            let (EventTypes::Only(names) | EventTypes::AllBut(names)) = &rule.event_types;
            types.extend(names.iter().map(String::as_str));
        }
        let numbered = || rules.iter().enumerate();
        let mut plans: Vec<PlanOf<'_>> = Vec::with_capacity(types.len() + 1);
        for name in &types {
            let fitting = numbered().filter(|(_, rule)| rule.event_types.contains(name));
            let rules = fitting.map(|(number, _)| number).collect();
            plans.push(PlanOf { event_type: Some(name), rules });
        }
        let fitting =
            numbered().filter(|(_, rule)| matches!(rule.event_types, EventTypes::AllBut(_)));
        let unnamed = fitting.map(|(number, _)| number).collect();
        plans.push(PlanOf { event_type: None, rules: unnamed });

        let conditions: Vec<_> = rules.iter().map(|rule| &rule.predicate).collect();
        let program = Program::new(&conditions, &plans);
        let position = |number: &usize| positions.get(*number).copied();
        let candidates =
            plans.iter().map(|plan| plan.rules.iter().filter_map(position).collect()).collect();
        let by_type = types.into_iter().map(str::to_owned).zip(0..).collect();
        Self { name: name.to_owned(), program, positions, by_type, candidates }
    }

    /// Calls `matching` with the position of each rule that matches, in order, until it wants no
    /// more.
    pub(super) fn evaluate(
        &self,
        scratch: &mut Scratch,
        event: &dyn Event,
        matching: &mut dyn FnMut(usize) -> bool,
    ) {
        self.program.evaluate(self.plan(event.event_type()), event, scratch, |number| {
            self.positions.get(number).is_none_or(|position| matching(*position))
        });
    }

    /// The positions of the rules that may match an event of this type.
    pub(super) fn candidates(&self, event_type: &str) -> &[usize] {
        self.candidates.get(self.plan(event_type)).map_or(&[], Vec::as_slice)
    }

    fn plan(&self, event_type: &str) -> usize {
        self.by_type.get(event_type).copied().unwrap_or(self.by_type.len())
    }
}

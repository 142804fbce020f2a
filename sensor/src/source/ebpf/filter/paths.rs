//! The patterns of one path, as a table.

use std::collections::BTreeMap;

use lanner_engine::projection::{Check, Clauses, Fact, Pattern, Wanted};

use super::image::{Kind, Mask, NEEDLES, Needle, PREFIX_LENS, Paths, SUFFIXES, Suffix};

/// Most checks of one table: a bit each.
const CHECKS_MAX: usize = 64;

/// The table of that path for these clauses; `None` if none of them looks at it.
///
/// A check that does not fit is left out: its clause then passes more.
pub(super) fn table(clauses: &Clauses, fact: Fact) -> Option<Paths> {
    let mut table = Builder::default();
    for (number, clause) in clauses.iter().enumerate() {
        for check in clause.checks().iter().filter(|check| check.fact == fact) {
            table.add(number, check);
        }
    }
    table.finish()
}

#[derive(Default)]
struct Builder {
    paths: Paths,
    /// Each list of patterns and its bit.
    known: BTreeMap<Vec<Pattern>, u64>,
    /// Prefixes' lengths, so that they are sorted.
    lens: BTreeMap<u16, ()>,
    texts: BTreeMap<(u8, Vec<u8>), u64>,
    has_checks: bool,
}

impl Builder {
    fn add(&mut self, clause: usize, check: &Check) {
        let (Wanted::Text(patterns) | Wanted::NoText(patterns)) = &check.wanted else { return };
        // No path has a zero in it.
        let can_fit = |pattern: &&Pattern| !text_of(pattern).contains(&0);
        let patterns: Vec<Pattern> = patterns.iter().filter(can_fit).cloned().collect();
        let bit = match self.known.get(&patterns) {
            Some(bit) => *bit,
            None if !self.has_room_for(&patterns) => {
                self.paths.left_out += 1;
                return;
            }
            None => {
                let bit = 1 << self.known.len();
                patterns.iter().for_each(|pattern| self.add_pattern(pattern, bit));
                self.known.insert(patterns.clone(), bit);
                bit
            }
        };
        self.has_checks = true;
        if let Some(own) = self.paths.clauses.get_mut(clause) {
            match &check.wanted {
                Wanted::Text(_) => own.wanted |= bit,
                _ => own.unwanted |= bit,
            }
        }
        let clause: Mask = 1 << clause;
        for pattern in &patterns {
            let tests = match pattern {
                Pattern::Is(_) => &mut self.paths.is_tests,
                Pattern::InDirectory(_) | Pattern::HasName(_) => &mut self.paths.part_tests,
                Pattern::StartsWith(_) => &mut self.paths.prefix_tests,
                Pattern::EndsWith(_) => &mut self.paths.suffix_tests,
                Pattern::Contains(_) => &mut self.paths.needle_tests,
            };
            *tests |= clause;
        }
    }

    fn has_room_for(&self, patterns: &[Pattern]) -> bool {
        let mut lens = self.lens.clone();
        let (mut suffixes, mut needles) = (self.paths.suffixes.len(), self.paths.needles.len());
        for pattern in patterns {
            let text = text_of(pattern);
            match pattern {
                Pattern::StartsWith(_) | Pattern::EndsWith(_) | Pattern::Contains(_)
                    if text.is_empty() =>
                {
                    return false;
                }
                Pattern::StartsWith(_) => {
                    lens.insert(length(text), ());
                }
                Pattern::EndsWith(_) => suffixes += 1,
                Pattern::Contains(_) if text.len() > size_of::<u64>() => return false,
                Pattern::Contains(_) => needles += 1,
                _ => {}
            }
        }
        self.known.len() < CHECKS_MAX
            && lens.len() <= PREFIX_LENS
            && suffixes <= SUFFIXES
            && needles <= NEEDLES
    }

    fn add_pattern(&mut self, pattern: &Pattern, bit: u64) {
        let text = text_of(pattern).to_vec();
        let kind = match pattern {
            Pattern::Is(_) => Kind::Is,
            Pattern::InDirectory(_) => Kind::InDirectory,
            Pattern::HasName(_) => Kind::HasName,
            Pattern::StartsWith(_) => {
                self.lens.insert(length(&text), ());
                Kind::StartsWith
            }
            Pattern::EndsWith(_) => {
                match self.paths.suffixes.iter_mut().find(|known| known.text == text) {
                    Some(known) => known.checks |= bit,
                    None => self.paths.suffixes.push(Suffix { text, checks: bit }),
                }
                return;
            }
            Pattern::Contains(_) => {
                match self.paths.needles.iter_mut().find(|known| known.text == text) {
                    Some(known) => known.checks |= bit,
                    None => self.paths.needles.push(Needle { text, checks: bit }),
                }
                return;
            }
        };
        *self.texts.entry((kind as u8, text)).or_default() |= bit;
    }

    fn finish(mut self) -> Option<Paths> {
        let needs_nothing = |(number, _): &(usize, _)| {
            self.paths.clauses.get(*number).is_none_or(|clause| clause.wanted == 0)
        };
        let all = self.paths.clauses.iter().enumerate().filter(needs_nothing);
        self.paths.when_nothing = all.fold(0, |mask, (number, _)| mask | 1 << number);
        self.paths.prefix_lens = self.lens.into_keys().collect();
        let kinds = [Kind::Is, Kind::InDirectory, Kind::HasName, Kind::StartsWith];
        let texts = self.texts.into_iter().filter_map(|((kind, text), checks)| {
            Some((*kinds.get(usize::from(kind))?, text, checks))
        });
        self.paths.texts = texts.collect();
        (self.has_checks || self.paths.left_out > 0).then_some(self.paths)
    }
}

fn length(text: &[u8]) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

fn text_of(pattern: &Pattern) -> &[u8] {
    match pattern {
        Pattern::Is(text)
        | Pattern::StartsWith(text)
        | Pattern::EndsWith(text)
        | Pattern::Contains(text)
        | Pattern::InDirectory(text)
        | Pattern::HasName(text) => text,
    }
}

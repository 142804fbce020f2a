//! Which of many keys are somewhere in a text.

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;

/// So few keys are looked for one after another: each search goes many bytes at a time.
const FEW: usize = 3;

/// An automaton takes some dozen bytes for each byte of its keys; with more than this it would be
/// a danger of its own.
const AUTOMATON_BYTES_MAX: usize = 4 << 20;

/// Keys to look for.
#[derive(Debug)]
pub(super) enum Substrings {
    Finders(Vec<Finder<'static>>),
    Automaton(Box<AhoCorasick>),
    /// In lower case; what is too much for an automaton.
    NoCase(Vec<Vec<u8>>),
}

impl Substrings {
    /// With `no_case` the keys are in lower case, and `A` in a text is `a`.
    pub(super) fn new<'k>(keys: impl Iterator<Item = &'k [u8]> + Clone, no_case: bool) -> Self {
        let (count, bytes) = keys.clone().fold((0, 0), |(n, sum), key| (n + 1, sum + key.len()));
        if (no_case || count > FEW) && bytes <= AUTOMATON_BYTES_MAX {
            let automaton =
                AhoCorasick::builder().ascii_case_insensitive(no_case).build(keys.clone());
            if let Ok(automaton) = automaton {
                return Self::Automaton(Box::new(automaton));
            }
        }
        if no_case {
            Self::NoCase(keys.map(<[u8]>::to_vec).collect())
        } else {
            Self::Finders(keys.map(|key| Finder::new(key).into_owned()).collect())
        }
    }

    /// Calls `hit` with each key in `text`, some more than once.
    pub(super) fn each_in(&self, text: &[u8], hit: &mut impl FnMut(u32)) {
        match self {
            Self::Finders(finders) => {
                for (index, finder) in (0_u32..).zip(finders) {
                    if finder.find(text).is_some() {
                        hit(index);
                    }
                }
            }
            Self::Automaton(automaton) => {
                for found in automaton.find_overlapping_iter(text) {
                    hit(found.pattern().as_u32());
                }
            }
            Self::NoCase(keys) => {
                for (index, key) in (0_u32..).zip(keys) {
                    let mut windows = text.windows(key.len().max(1));
                    if key.is_empty() || windows.any(|window| window.eq_ignore_ascii_case(key)) {
                        hit(index);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Substrings;

    #[track_caller]
    fn check(keys: &[&str], no_case: bool, text: &str, expected: &[u32]) {
        let bytes = keys.iter().map(|key| key.as_bytes());
        let mut found = Vec::new();
        Substrings::new(bytes, no_case).each_in(text.as_bytes(), &mut |key| found.push(key));
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn all_keys_in_the_text_are_found() {
        check(&["ab", "b"], false, "xabx", &[0, 1]);
        check(&["ab", "b"], false, "AB", &[]);
        let many = ["ab", "b", "abc", "bcd", "x"];
        check(&many, false, "abcd", &[0, 1, 2, 3]);
        check(&many, false, "ABCD", &[]);
        check(&many, true, "aBcD", &[0, 1, 2, 3]);
        check(&["ab"], true, "xAbx", &[0]);
        check(&["ab"], true, "", &[]);
    }

    #[test]
    fn more_than_an_automaton_takes_is_found_as_well() {
        let long = "y".repeat(super::AUTOMATON_BYTES_MAX);
        check(&[&long, "ab", "bc", "cd", "q"], false, "abcd", &[1, 2, 3]);
        check(&[&long, "ab"], true, "xABx", &[1]);
    }
}

//! Rules turned on and off by whoever runs them, whatever the files say.

use super::{Rule, definitions::Definitions};
use crate::{
    diagnostic::{Code, Diagnostic},
    sources::Sources,
    suggest,
    traced::Place,
};

/// Turns rules on or off. The selections of [`Options`](crate::Options) are applied in order, after
/// all files are loaded, so that a later one has the last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// On, or off.
    pub enable: bool,
    /// Which rules.
    pub which: Selector,
}

/// Which rules are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Those of this name, in which `*` stands for any text.
    Rule(String),
    /// Those with this tag.
    Tag(String),
}

impl Selector {
    fn fits(&self, name: &str, has_tag: impl Fn(&String) -> bool) -> bool {
        match self {
            Self::Rule(pattern) => fits_pattern(pattern, name),
            Self::Tag(wanted) => has_tag(wanted),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Rule(text) | Self::Tag(text) => text,
        }
    }
}

/// Applies the selections to a rule.
pub(super) fn apply(selections: &[Selection], rule: &mut Rule) {
    let fits =
        |selection: &&Selection| selection.which.fits(&rule.name, |tag| rule.tags.contains(tag));
    let last = selections.iter().rfind(fits);
    rule.enabled = last.map_or(rule.enabled, |selection| selection.enable);
}

/// Tells of the selections that no rule fits, as a misspelled one turns off nothing.
pub(super) fn tell_unmatched(
    selections: &[Selection],
    definitions: &Definitions,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let unmatched = selections.iter().filter(|selection| {
        let mut rules = definitions.rules.iter();
        !rules.any(|(name, rule)| selection.which.fits(name, |tag| rule.tags.contains(tag)))
    });
    for selection in unmatched {
        let verb = if selection.enable { "enable" } else { "disable" };
        let wanted = selection.which.text();
        let (key, message, nearest) = match &selection.which {
            Selector::Rule(_) => {
                let names = definitions.rules.keys().map(String::as_str);
                ("rule", format!("no rule is named '{wanted}'"), suggest::nearest(wanted, names))
            }
            Selector::Tag(_) => {
                let tags = definitions.rules.values().flat_map(|rule| &rule.tags);
                let tags = tags.map(String::as_str);
                ("tag", format!("no rule has the tag '{wanted}'"), suggest::nearest(wanted, tags))
            }
        };
        let head = format!("- {verb}: {{{key}: ");
        let file = sources.add_file("rules", &format!("{head}{wanted}}}"));
        let place = Place { file, offset: head.len() };
        let mut told = sources.diagnostic(Code::UnmatchedSetting, message, place);
        told.suggestion = nearest;
        diagnostics.push(told);
    }
}

/// Whether `name` is `pattern`, in which `*` stands for any text.
fn fits_pattern(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // The earliest fit of each part leaves the most room for the next.
    for part in parts {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits_pattern;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: bool) {
        assert_eq!(fits_pattern(pattern, name), expected, "{pattern:?} {name:?}");
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for name in ["first actual rule", "second disabled rule", "third disabled rule"] {
            check("*", name, true);
            check("***", name, true);
            check("*rule", name, true);
            check("*second*r*", name, name.starts_with("second"));
            check("first actual rule", name, name.starts_with("first"));
            check("rule", name, false);
            check("", name, false);
        }
        check("a*b", "ab", true);
        check("a*b", "aXbXb", true);
        check("a*a", "a", false);
        check("*a*a*", "a", false);
        check("*rule", "rule of a rule", true);
        check("*", "", true);
    }

    #[test]
    fn a_hostile_pattern_takes_little_time() {
        let (pattern, name) = ("*a".repeat(50_000), "a".repeat(50_000));
        check(&format!("{pattern}*b"), &name, false);
    }
}

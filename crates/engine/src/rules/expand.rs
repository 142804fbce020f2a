//! Lists are text: their names are replaced in a condition before it is parsed, as Falco does.

use std::ops::Range;

use indexmap::IndexMap;

use super::definitions::ListDefinition;
use crate::traced::TracedText;

/// How long a condition, or a list, may become. A list of lists of lists grows fast.
const EXPANDED_BYTES_MAX: usize = 1 << 20;

/// Lists in the order of definition.
pub(super) struct Lists {
    lists: Vec<List>,
}

struct List {
    name: String,
    /// What replaces the name, unless it is too long.
    text: Option<String>,
    used: bool,
}

impl Lists {
    /// An item that names a list defined earlier is replaced by that list's own items.
    pub(super) fn new(definitions: &IndexMap<String, ListDefinition>) -> Self {
        let mut used = vec![false; definitions.len()];
        let mut texts = Vec::new();
        for list in definitions.values() {
            let mut text = Some(String::new());
            for item in &list.items {
                let inner = definitions.get_full(item.as_str());
                match inner.filter(|(_, _, inner)| inner.index < list.visibility) {
                    Some((position, _, inner)) => {
                        used.iter_mut().skip(position).take(1).for_each(|used| *used = true);
                        inner.items.iter().for_each(|item| add_item(&mut text, item));
                    }
                    None => add_item(&mut text, item),
                }
            }
            texts.push(text);
        }
        let lists = definitions.keys().cloned().zip(texts).zip(used);
        Self { lists: lists.map(|((name, text), used)| List { name, text, used }).collect() }
    }

    /// Replaces the names of lists in `condition`.
    pub(super) fn expand(&mut self, condition: &mut TracedText) -> Result<(), String> {
        for list in &mut self.lists {
            let ranges = find_names(condition.as_str(), list);
            if ranges.is_empty() {
                continue;
            }
            list.used = true;
            let text = list.text.as_deref().filter(|text| {
                condition.as_str().len() + ranges.len() * text.len() <= EXPANDED_BYTES_MAX
            });
            let too_long =
                || format!("the condition grows past {EXPANDED_BYTES_MAX} bytes by its lists");
            condition.replace_all(&ranges, text.ok_or_else(too_long)?);
        }
        Ok(())
    }

    /// The names of the lists that nothing used.
    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().filter(|list| !list.used).map(|list| list.name.as_str())
    }
}

/// Adds an item to a list's text; an item with a blank is quoted, unless it brings its own quotes.
fn add_item(text: &mut Option<String>, item: &str) {
    let Some(before) = text else { return };
    let separator = if before.is_empty() { "" } else { ", " };
    let bare = !item.contains(' ') || item.starts_with(['"', '\'']);
    let quote = if bare { "" } else { "\"" };
    before.push_str(&format!("{separator}{quote}{item}{quote}"));
    if before.len() > EXPANDED_BYTES_MAX {
        *text = None;
    }
}

/// Where a list's name stands as a word of its own. An empty list takes a comma with it.
fn find_names(text: &str, list: &List) -> Vec<Range<usize>> {
    let delimiter = |byte: Option<&u8>| {
        byte.is_none_or(|byte| {
            matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'(' | b')' | b',' | b'=')
        })
    };
    let empty = list.text.as_deref() == Some("");
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (start, name) in text.match_indices(&list.name) {
        let end = start + name.len();
        let before = start.checked_sub(1).and_then(|index| text.as_bytes().get(index));
        if delimiter(before) && delimiter(text.as_bytes().get(end)) {
            let taken = ranges.last().map_or(0, |range| range.end);
            ranges.push(if empty { with_one_comma(text, taken, start..end) } else { start..end });
        }
    }
    ranges
}

/// Widens a range by the comma before it, if it is not taken yet, or else by the one after it.
fn with_one_comma(text: &str, taken: usize, range: Range<usize>) -> Range<usize> {
    let before = text.get(taken..range.start).unwrap_or_default().trim_ascii_end();
    if before.ends_with(',') {
        return taken + before.len() - 1..range.end;
    }
    let after = text.get(range.end..).unwrap_or_default();
    let trimmed = after.trim_ascii_start();
    let comma = if trimmed.starts_with(',') { after.len() - trimmed.len() + 1 } else { 0 };
    range.start..range.end + comma
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::{ListDefinition, Lists};
    use crate::traced::{Place, TracedText};

    #[track_caller]
    fn check(lists: &[(&str, &[&str])], condition: &str, expected: &str) {
        let place = Place { file: 0, offset: 0 };
        let mut definitions = IndexMap::new();
        for (index, (name, items)) in lists.iter().enumerate() {
            let items = items.iter().map(|item| (*item).to_owned()).collect();
            let list = ListDefinition { items, place, index, visibility: index };
            definitions.insert((*name).to_owned(), list);
        }
        let mut text = TracedText::verbatim(condition, place);
        Lists::new(&definitions).expand(&mut text).unwrap();
        assert_eq!(text.as_str(), expected);
    }

    #[test]
    fn names_become_items() {
        let shells: (&str, &[&str]) = ("shells", &["sh", "bash"]);
        check(&[shells], "a in (shells)", "a in (sh, bash)");
        check(&[shells], "a in (x,shells , y)", "a in (x,sh, bash , y)");
        check(&[shells], "a in (myshells, shells2)", "a in (myshells, shells2)");
        check(&[shells], "a=shells", "a=sh, bash");
        check(&[("l", &["two words", "'own quotes'"])], "(l)", "(\"two words\", 'own quotes')");
    }

    #[test]
    fn an_empty_list_takes_a_comma_with_it() {
        let none: (&str, &[&str]) = ("none", &[]);
        check(&[none], "a in (none)", "a in ()");
        check(&[none], "a in (x, none)", "a in (x)");
        check(&[none], "a in (none , x)", "a in ( x)");
        check(&[none], "a in (x, none, y)", "a in (x, y)");
        check(&[none], "a in (none, none, y)", "a in (  y)");
        check(&[none], "a in (x, none, none)", "a in (x)");
    }

    #[test]
    fn lists_of_lists() {
        let a: (&str, &[&str]) = ("a", &["1", "2"]);
        check(&[a, ("b", &["a", "3"])], "x in (b)", "x in (1, 2, 3)");
        // A list defined later is still found in the text; one defined earlier no more.
        check(&[("b", &["c", "3"]), ("c", &["4"])], "x in (b)", "x in (4, 3)");
        check(&[a, ("b", &["a"]), ("c", &["b"])], "x in (c)", "x in (a)");
        check(&[("b", &["b"])], "x in (b)", "x in (b)");
    }
}

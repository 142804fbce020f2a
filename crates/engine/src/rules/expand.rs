//! Lists are text: their names are replaced in a condition before it is parsed, as Falco does.

use indexmap::IndexMap;

use super::definitions::ListDefinition;
use crate::traced::TracedText;

/// How long a condition may become. A list of lists of lists grows fast.
const EXPANDED_BYTES_MAX: usize = 4 << 20;

/// Lists in the order of definition, with the text that replaces their names.
pub(super) struct Lists {
    texts: Vec<(String, String)>,
    used: Vec<bool>,
}

impl Lists {
    /// An item that names a list defined earlier is replaced by that list's own items.
    pub(super) fn new(definitions: &IndexMap<String, ListDefinition>) -> Self {
        let mut used = vec![false; definitions.len()];
        let mut texts = Vec::new();
        for (name, list) in definitions {
            let mut items: Vec<&str> = Vec::new();
            for item in &list.items {
                let inner = definitions.get_full(item.as_str());
                match inner.filter(|(_, _, inner)| inner.index < list.visibility) {
                    Some((position, _, inner)) => {
                        used.iter_mut().skip(position).take(1).for_each(|used| *used = true);
                        items.extend(inner.items.iter().map(String::as_str));
                    }
                    None => items.push(item),
                }
            }
            let items = items.into_iter().map(quote).collect::<Vec<_>>();
            texts.push((name.clone(), items.join(", ")));
        }
        Self { texts, used }
    }

    /// Replaces the names of lists in `condition`.
    pub(super) fn expand(&mut self, condition: &mut TracedText) -> Result<(), String> {
        for ((name, text), used) in self.texts.iter().zip(&mut self.used) {
            let mut from = 0;
            while let Some(found) = find_name(condition.as_str(), name, from) {
                *used = true;
                if condition.as_str().len() + text.len() > EXPANDED_BYTES_MAX {
                    let message = format!("grows past {EXPANDED_BYTES_MAX} bytes by its lists");
                    return Err(format!("the condition {message}"));
                }
                let (start, end) = if text.is_empty() {
                    with_one_comma(condition.as_str(), found, found + name.len())
                } else {
                    (found, found + name.len())
                };
                condition.replace(start..end, text);
                from = start + text.len();
            }
        }
        Ok(())
    }

    /// The names of the lists that nothing used.
    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        let unused = self.texts.iter().zip(&self.used).filter(|(_, used)| !**used);
        unused.map(|((name, _), _)| name.as_str())
    }
}

/// Where `name` stands as a word of its own, at or after `from`.
fn find_name(text: &str, name: &str, mut from: usize) -> Option<usize> {
    let delimiter = |byte: Option<&u8>| {
        byte.is_none_or(|byte| {
            matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'(' | b')' | b',' | b'=')
        })
    };
    let bytes = text.as_bytes();
    loop {
        let found = from + text.get(from..)?.find(name)?;
        let before = found.checked_sub(1).and_then(|index| bytes.get(index));
        if delimiter(before) && delimiter(bytes.get(found + name.len())) {
            return Some(found);
        }
        from = found + name.len().max(1);
    }
}

/// Widens a range by the comma before it, or else the one after it.
fn with_one_comma(text: &str, start: usize, end: usize) -> (usize, usize) {
    let before = text.get(..start).unwrap_or_default().trim_ascii_end();
    if before.ends_with(',') {
        return (before.len() - 1, end);
    }
    let after = text.get(end..).unwrap_or_default();
    let blanks = after.len() - after.trim_ascii_start().len();
    if after.trim_ascii_start().starts_with(',') { (start, end + blanks + 1) } else { (start, end) }
}

/// An item with a blank is one value, unless it brings its own quotes.
fn quote(item: &str) -> String {
    let bare = !item.contains(' ') || item.starts_with(['"', '\'']);
    if bare { item.to_owned() } else { format!("\"{item}\"") }
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

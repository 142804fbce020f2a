//! Lists are text: their names are replaced in a condition before it is parsed, as Falco does.
//!
//! Falco goes through the whole text once for each list, in the order of definition. So a name that
//! comes in with the items of a list is replaced by a list defined later, and by no earlier one. The
//! same comes out here in one pass over the words, as each list's text has the later lists in it.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::{definitions::ListDefinition, exceptions::push_quoted};
use crate::traced::TracedText;

/// How long a condition, or the text of a list, may become.
const EXPANDED_BYTES_MAX: usize = 16 << 20;

/// How much all lists together, and all conditions, may grow: lists of lists of lists grow fast.
const EXPANDED_BYTES_TOTAL_MAX: usize = 64 << 20;

/// How many lists may have names of several words that begin with the same one.
const SAME_FIRST_WORD_MAX: usize = 16;

const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Lists in the order of definition.
pub(super) struct Lists {
    names: Names,
    lists: Vec<List>,
    /// How much the conditions may still grow, all together.
    room: usize,
}

struct List {
    name: String,
    /// What replaces the name, unless it is too long.
    text: Option<String>,
    /// The later lists that are in the text.
    inner: Vec<usize>,
    /// Whether its items are in a condition, or in another list.
    used: bool,
    in_condition: bool,
}

/// A name of a list, found in a text.
struct Found {
    start: usize,
    end: usize,
    list: usize,
}

impl Lists {
    /// An item that names a list defined earlier is replaced by that list's own items.
    pub(super) fn new(definitions: &IndexMap<String, ListDefinition>) -> Self {
        let names = Names::new(definitions.keys());
        let mut lists: Vec<List> = definitions
            .keys()
            .map(|name| List {
                name: name.clone(),
                text: None,
                inner: Vec::new(),
                used: false,
                in_condition: false,
            })
            .collect();
        let mut room = EXPANDED_BYTES_TOTAL_MAX;
        // From the last one on, so that the texts of the later ones are there.
        for (position, definition) in definitions.values().enumerate().rev() {
            let (text, earlier) = items_text(definition, definitions, room);
            for position in earlier {
                lists.iter_mut().skip(position).take(1).for_each(|list| list.used = true);
            }
            let Some(mut text) = text else { continue };
            room = room.saturating_sub(text.len());
            let found = names.find(&text, position + 1);
            if !found.is_empty() {
                let traced = TracedText::made_at(&text, definition.trail.place());
                let Some(expanded) = replace(&traced, &found, &lists, room) else { continue };
                text = expanded.as_str().to_owned();
                room = room.saturating_sub(text.len());
            }
            if let Some(list) = lists.get_mut(position) {
                list.text = Some(text);
                list.inner = found.iter().map(|found| found.list).collect();
            }
        }
        Self { names, lists, room: EXPANDED_BYTES_TOTAL_MAX }
    }

    /// Replaces the names of lists in `condition`.
    pub(super) fn expand(&mut self, condition: &mut TracedText) -> Result<(), String> {
        let found = self.names.find(condition.as_str(), 0);
        if found.is_empty() {
            return Ok(());
        }
        let expanded = replace(condition, &found, &self.lists, self.room).ok_or_else(|| {
            format!(
                "the condition grows past {EXPANDED_BYTES_MAX} bytes by its lists, or all conditions past {EXPANDED_BYTES_TOTAL_MAX}"
            )
        })?;
        self.room = self.room.saturating_sub(expanded.as_str().len());
        *condition = expanded;
        found.iter().for_each(|found| mark_used(&mut self.lists, found.list));
        Ok(())
    }

    /// The names of the lists that nothing used.
    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().filter(|list| !list.used).map(|list| list.name.as_str())
    }
}

/// A list's items as text, and the positions of the earlier lists whose items are among them.
fn items_text(
    definition: &ListDefinition,
    definitions: &IndexMap<String, ListDefinition>,
    room: usize,
) -> (Option<String>, Vec<usize>) {
    let mut text = String::new();
    let mut earlier = Vec::new();
    // An empty item adds no byte, but takes time.
    let mut items = 0;
    let mut add = |item: &String| {
        text.push_str(if text.is_empty() { "" } else { ", " });
        push_quoted(&mut text, item);
        items += 1;
        text.len() + items <= room.min(EXPANDED_BYTES_MAX)
    };
    for item in &definition.items {
        let inner = definitions.get_full(item.as_str());
        let fits = match inner.filter(|(_, _, inner)| inner.index < definition.visibility) {
            Some((position, _, inner)) => {
                earlier.push(position);
                inner.items.iter().all(&mut add)
            }
            None => add(item),
        };
        if !fits {
            return (None, earlier);
        }
    }
    (Some(text), earlier)
}

/// Marks a list that is put into a condition, and those that come with it.
fn mark_used(lists: &mut [List], position: usize) {
    let mut positions = vec![position];
    while let Some(position) = positions.pop() {
        if let Some(list) = lists.get_mut(position).filter(|list| !list.in_condition) {
            (list.used, list.in_condition) = (true, true);
            positions.extend(&list.inner);
        }
    }
}

/// Puts lists in place of their names, with one blank to either side in place of those that were
/// there. An empty list takes a comma with it. Nothing if it becomes too long.
fn replace(text: &TracedText, found: &[Found], lists: &[List], room: usize) -> Option<TracedText> {
    let room = room.min(EXPANDED_BYTES_MAX);
    let source = text.as_str();
    let mut replaced = TracedText::default();
    let mut copied = 0;
    for Found { start, end, list } in found {
        replaced.copy(text, copied..*start);
        replaced.trim_end(&BLANKS);
        copied = *end + count_blanks(source, *end);
        let items = lists.get(*list)?.text.as_deref()?;
        if replaced.as_str().len() + items.len() > room {
            return None;
        }
        let place = text.place(*start);
        if items.trim_end_matches(BLANKS).is_empty()
            && !replaced.pop(',')
            && source.as_bytes().get(copied) == Some(&b',')
        {
            copied += 1;
        }
        if !replaced.as_str().is_empty() {
            replaced.push_made_at(" ", place);
        }
        replaced.push_made_at(items.trim_end_matches(BLANKS), place);
        replaced.push_made_at(" ", place);
    }
    replaced.copy(text, copied..source.len());
    Some(replaced)
}

fn count_blanks(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.len() - rest.trim_start_matches(BLANKS).len()
}

/// The names of lists, by their words.
struct Names {
    /// Names without blanks, brackets, commas and equal signs.
    words: HashMap<String, usize>,
    /// Other names, by their first words. Falco warns of them, but replaces them.
    odd: HashMap<String, Vec<(String, usize)>>,
}

fn is_delimiter(c: char) -> bool {
    BLANKS.contains(&c) || matches!(c, '(' | ')' | ',' | '=')
}

impl Names {
    fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        let mut words = HashMap::new();
        let mut odd: HashMap<String, Vec<(String, usize)>> = HashMap::new();
        for (position, name) in names.enumerate() {
            match name.split_once(is_delimiter) {
                None => {
                    words.insert(name.clone(), position);
                }
                Some((first, _)) => {
                    let same = odd.entry(first.to_owned()).or_default();
                    if same.len() < SAME_FIRST_WORD_MAX && !first.is_empty() {
                        same.push((name.clone(), position));
                    }
                }
            }
        }
        Self { words, odd }
    }

    /// Where names stand as words of their own, of the lists from `first` on.
    fn find(&self, text: &str, first: usize) -> Vec<Found> {
        let mut found = Vec::new();
        let mut start = 0;
        while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
            let length = rest.find(is_delimiter).unwrap_or(rest.len());
            let word = rest.get(..length).unwrap_or_default();
            let name = match self.words.get(word).filter(|list| **list >= first) {
                Some(list) => Some((start + length, *list)),
                None => {
                    self.find_odd(word, rest, first).map(|(length, list)| (start + length, list))
                }
            };
            match name {
                Some((end, list)) => {
                    found.push(Found { start, end, list });
                    start = end;
                }
                None => {
                    let delimiter = rest.get(length..).and_then(|rest| rest.chars().next());
                    start += length + delimiter.map_or(0, char::len_utf8);
                }
            }
        }
        found
    }

    /// A name of several words at the start of `rest`, whose first word is given.
    fn find_odd(&self, word: &str, rest: &str, first: usize) -> Option<(usize, usize)> {
        let fits = |(name, list): &&(String, usize)| {
            let after = rest.strip_prefix(name.as_str());
            *list >= first
                && after.is_some_and(|after| after.is_empty() || after.starts_with(is_delimiter))
        };
        let (name, list) = self.odd.get(word)?.iter().find(fits)?;
        Some((name.len(), *list))
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::{ListDefinition, Lists};
    use crate::{
        rules::trail::Trail,
        traced::{Place, TracedText},
    };

    #[track_caller]
    fn check(lists: &[(&str, &[&str])], condition: &str, expected: &str) {
        check_unused(lists, condition, expected, &[]);
    }

    #[track_caller]
    fn check_unused(lists: &[(&str, &[&str])], condition: &str, expected: &str, unused: &[&str]) {
        let place = Place { file: 0, offset: 0 };
        let mut definitions = IndexMap::new();
        for (index, (name, items)) in lists.iter().enumerate() {
            let items = items.iter().map(|item| (*item).to_owned()).collect();
            let trail = Trail::of_file(0);
            let list = ListDefinition { items, trail, index, visibility: index };
            definitions.insert((*name).to_owned(), list);
        }
        let mut text = TracedText::verbatim(condition, place);
        let mut lists = Lists::new(&definitions);
        lists.expand(&mut text).unwrap();
        assert_eq!(text.as_str(), expected);
        assert_eq!(lists.unused().collect::<Vec<_>>(), unused);
    }

    #[test]
    fn names_become_items() {
        let shells: (&str, &[&str]) = ("shells", &["sh", "bash"]);
        check(&[shells], "a in (shells)", "a in ( sh, bash )");
        check(&[shells], "a in (x,shells\n , y)", "a in (x, sh, bash , y)");
        check_unused(
            &[shells],
            "a in (myshells, shells2)",
            "a in (myshells, shells2)",
            &["shells"],
        );
        check(&[shells], "a=shells", "a= sh, bash ");
        check(&[("l", &["two words", "'own quotes'"])], "(l)", "( \"two words\", 'own quotes' )");
        check(&[("ü", &["1"])], "x in (ü, é)", "x in ( 1 , é)");
        check(&[shells, ("l", &["1"])], "(l,shells,l)", "( 1 , sh, bash , 1 )");
    }

    #[test]
    fn an_empty_list_takes_a_comma_with_it() {
        let none: (&str, &[&str]) = ("none", &[]);
        check(&[none], "a in (none)", "a in (  )");
        check(&[none], "a in (x, none)", "a in (x  )");
        check(&[none], "a in (none , x)", "a in (   x)");
        check(&[none], "a in (x, none, y)", "a in (x  , y)");
        check(&[none], "a in (none, none, y)", "a in (   y)");
        check(&[none], "a in (x, none, none)", "a in (x    )");
        check(&[("l", &["none"]), none], "a in (x, l, y)", "a in (x  , y)");
        check(&[("l", &["none", "z"]), none], "a in (x, l)", "a in (x,   z )");
    }

    #[test]
    fn lists_of_lists() {
        let a: (&str, &[&str]) = ("a", &["1", "2"]);
        check(&[a, ("b", &["a", "3"])], "x in (b)", "x in ( 1, 2, 3 )");
        // A list defined later is still found in the text; one defined earlier no more.
        check(&[("b", &["c", "3"]), ("c", &["4"])], "x in (b)", "x in ( 4 , 3 )");
        check(&[a, ("b", &["a"]), ("c", &["b"])], "x in (c)", "x in ( a )");
        check(&[("b", &["b"])], "x in (b)", "x in ( b )");
        check(&[("b", &["c"]), ("c", &["d"]), ("d", &["b", "5"])], "x in (b)", "x in ( c, 5 )");
        check_unused(&[("b", &["c"]), ("c", &["4"])], "x in (y)", "x in (y)", &["b", "c"]);
        check_unused(&[a, ("b", &["a"])], "x in (y)", "x in (y)", &["b"]);
    }

    #[test]
    fn names_of_several_words() {
        let list: (&str, &[&str]) = ("my list", &["1", "2"]);
        check(&[list], "x in (my list)", "x in ( 1, 2 )");
        check_unused(
            &[list],
            "x in (my lists, amy list)",
            "x in (my lists, amy list)",
            &["my list"],
        );
    }
}

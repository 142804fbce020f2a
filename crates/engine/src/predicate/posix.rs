//! Regular expressions in the syntax that RE2 calls POSIX, rewritten for the `regex` crate.
//!
//! The two read much of the same text differently: here `\d`, `\b`, `(?i)` and `(?:...)` are
//! errors, `+?` is one repetition of another, `{` may stand for itself, and a set holds no set.

use std::fmt::Write as _;

/// How often a repetition may repeat, those inside of it counted.
const REPEAT_MAX: u32 = 1000;

/// The pattern as the `regex` crate reads it, or RE2's message.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut groups: Vec<Group> = Vec::new();
    let mut group = Group::default();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at_checked(first.len_utf8()).unwrap_or((rest, ""));
        if let Some((least, most, after)) = repetition(rest)? {
            let operator = rest.strip_suffix(after).unwrap_or(rest);
            group.repeat(operator, least, most)?;
            rest = after;
            continue;
        }
        rest = after;
        match first {
            '(' => groups.push(std::mem::take(&mut group)),
            ')' => {
                let Some(outer) = groups.pop() else {
                    return Err(format!("unexpected ): {pattern}"));
                };
                let inner = std::mem::replace(&mut group, outer);
                group.atom(&format!("(?:{})", inner.text), inner.repeats.max(1));
            }
            '|' => group.alternative(),
            '^' => group.atom("(?m:^)", 1),
            '$' => group.atom("(?m:$)", 1),
            '.' => group.atom(".", 1),
            '[' => {
                let (set, after) = set(rest)?;
                group.atom(&set, 1);
                rest = after;
            }
            '\\' => {
                let (literal, after) = escape(rest)?;
                group.atom(&literal_text(literal), 1);
                rest = after;
            }
            _ => group.atom(&regex::escape(token), 1),
        }
    }
    if groups.is_empty() { Ok(group.text) } else { Err(format!("missing ): {pattern}")) }
}

/// What stands between one pair of brackets, so far.
#[derive(Default)]
struct Group {
    text: String,
    /// Where in `text` the last atom begins, and how often repetitions in it repeat: what the next
    /// repetition repeats.
    last: Option<(usize, u32)>,
    /// The most that repetitions in it repeat.
    repeats: u32,
}

impl Group {
    fn atom(&mut self, text: &str, repeats: u32) {
        self.last = Some((self.text.len(), repeats));
        self.repeats = self.repeats.max(repeats);
        self.text.push_str(text);
    }

    fn alternative(&mut self) {
        self.last = None;
        self.text.push('|');
    }

    fn repeat(&mut self, operator: &str, least: u32, most: Option<u32>) -> Result<(), String> {
        let Some((start, inner)) = self.last else {
            return Err(format!("no argument for repetition operator: {operator}"));
        };
        let counted = operator.starts_with('{');
        let times = if counted { most.unwrap_or(least).max(1) } else { 1 };
        let repeats = inner.saturating_mul(times);
        if repeats > REPEAT_MAX || most.is_some_and(|most| most < least) {
            return Err(format!("invalid repetition size: {operator}"));
        }
        let atom = self.text.split_off(start);
        let most = most.map_or_else(String::new, |most| most.to_string());
        // In brackets, so that another repetition repeats this one.
        let _ = write!(self.text, "(?:(?:{atom}){{{least},{most}}})");
        self.last = Some((start, repeats));
        self.repeats = self.repeats.max(repeats);
        Ok(())
    }
}

type Repetition<'p> = (u32, Option<u32>, &'p str);

/// Reads a repetition; gives what follows it. Braces that hold none stand for themselves.
fn repetition(text: &str) -> Result<Option<Repetition<'_>>, String> {
    let (first, after) = match text.split_at_checked(1) {
        Some(split) => split,
        None => return Ok(None),
    };
    Ok(match first {
        "*" => Some((0, None, after)),
        "+" => Some((1, None, after)),
        "?" => Some((0, Some(1), after)),
        "{" => braces(after),
        _ => None,
    })
}

fn braces(text: &str) -> Option<Repetition<'_>> {
    let (inside, after) = text.split_once('}')?;
    let (least, most) = match inside.split_once(',') {
        None => (integer(inside)?, Some(integer(inside)?)),
        Some((least, "")) => (integer(least)?, None),
        Some((least, most)) => (integer(least)?, Some(integer(most)?)),
    };
    Some((least, most, after))
}

fn integer(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then_some(())?;
    Some(text.parse().unwrap_or(u32::MAX))
}

/// Reads a set after its bracket; gives what follows it.
fn set(text: &str) -> Result<(String, &str), String> {
    let unclosed = || format!("missing ]: [{text}");
    let (negated, mut rest) = match text.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut set = String::from(if negated { "[^" } else { "[" });
    let mut first = true;
    loop {
        if !first && let Some(after) = rest.strip_prefix(']') {
            set.push(']');
            return Ok((set, after));
        }
        if !first && rest.starts_with('-') && !rest.starts_with("-]") {
            let range: String = rest.chars().take(2).collect();
            return Err(format!("invalid character class range: {range}"));
        }
        first = false;
        if rest.starts_with("[:")
            && let Some((class, after)) = rest.split_once(":]")
        {
            let name = class.trim_start_matches("[:");
            if !CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
                return Err(format!("invalid character class range: {class}:]"));
            }
            let _ = write!(set, "{class}:]");
            rest = after;
            continue;
        }
        let start = rest;
        let (low, after) = set_char(rest)?.ok_or_else(unclosed)?;
        rest = after;
        let mut high = low;
        if rest.starts_with('-') && !rest.starts_with("-]") && rest != "-" {
            let after = rest.strip_prefix('-').unwrap_or_default();
            let (end, after) = set_char(after)?.ok_or_else(unclosed)?;
            (high, rest) = (end, after);
        }
        if high < low {
            let range = start.strip_suffix(rest).unwrap_or(start);
            return Err(format!("invalid character class range: {range}"));
        }
        let _ = write!(set, r"\x{{{low:X}}}-\x{{{high:X}}}");
    }
}

const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Takes one character of a set, as its number; `None` at the end of the text.
fn set_char(text: &str) -> Result<Option<(u32, &str)>, String> {
    if let Some(rest) = text.strip_prefix('\\') {
        return escape(rest).map(Some);
    }
    let mut chars = text.chars();
    Ok(chars.next().map(|first| (u32::from(first), chars.as_str())))
}

/// Reads what follows a backslash: a character's number, and the text after it.
fn escape(text: &str) -> Result<(u32, &str), String> {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return Err(r"trailing \".to_owned()) };
    let rest = chars.as_str();
    let refused = || format!(r"invalid escape sequence: \{first}");
    let octal = |text: &str| text.starts_with(|next: char| next.is_digit(8));
    Ok(match first {
        // One digit alone would be a back reference.
        '1'..='7' if !octal(rest) => return Err(refused()),
        '0'..='7' => {
            let length = 1 + rest.chars().take(2).take_while(|next| next.is_digit(8)).count();
            let (digits, after) = text.split_at_checked(length).ok_or_else(refused)?;
            (u32::from_str_radix(digits, 8).ok().ok_or_else(refused)?, after)
        }
        'x' => hex(rest).ok_or_else(refused)?,
        'a' => (0x07, rest),
        'f' => (0x0c, rest),
        'n' => (0x0a, rest),
        'r' => (0x0d, rest),
        't' => (0x09, rest),
        'v' => (0x0b, rest),
        _ if first.is_ascii() && !first.is_ascii_alphanumeric() && first != '_' => {
            (u32::from(first), rest)
        }
        _ => return Err(refused()),
    })
}

fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, after) = match text.strip_prefix('{') {
        Some(inside) => inside.split_once('}')?,
        None => text.split_at_checked(2)?,
    };
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok().filter(|number| *number <= 0x10_ffff);
    valid.then_some((number?, after))
}

fn literal_text(literal: u32) -> String {
    format!(r"\x{{{literal:X}}}")
}

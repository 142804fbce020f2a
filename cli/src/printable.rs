//! Text that an attacker may have written, made safe for a terminal.

use std::fmt::{self, Write as _};

/// Prints `�` for each character that a terminal acts on instead of showing it.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |c| if acts_on_terminal(c) { char::REPLACEMENT_CHARACTER } else { c };
        self.0.chars().map(shown).try_for_each(|c| f.write_char(c))
    }
}

/// Prints JSON that means the same, with each such character escaped. (JSON
/// itself wants that of the first 32 alone.)
pub(crate) struct PrintableJson<'a>(pub(crate) &'a str);

impl fmt::Display for PrintableJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            // All of them are below U+10000, and JSON has them in its strings only.
            c if acts_on_terminal(c) => write!(f, "\\u{:04x}", u32::from(c)),
            c => f.write_char(c),
        })
    }
}

/// Control characters, and those that end a line or turn the direction of what
/// follows: `a<RLO>txt.exe` would be shown as another name than it is.
pub(crate) fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_text_reaches_the_terminal() {
        for (text, shown) in [
            ("cat /etc/shadow", "cat /etc/shadow"),
            ("é 鷹 🦅 �", "é 鷹 🦅 �"),
            ("\u{1b}[2J\r\n\t\0", "�[2J����"),
            ("\u{7f}\u{9b}31m", "��31m"),
            ("a\u{202e}exe.txt\u{2066}\u{2029}", "a�exe.txt��"),
        ] {
            assert_eq!(Printable(text).to_string(), shown, "{text:?}");
        }
    }

    #[test]
    fn json_means_the_same() {
        let text = "\u{1b}[2J \u{7f}\u{9b}\u{202e} 🦅";
        let json = serde_json::to_string(text).unwrap();
        let printed = PrintableJson(&json).to_string();
        assert_eq!(printed, r#""\u001b[2J \u007f\u009b\u202e 🦅""#);
        assert_eq!(serde_json::from_str::<String>(&printed).unwrap(), text);
    }
}

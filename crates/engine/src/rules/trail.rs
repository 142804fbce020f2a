//! The way from a file down to what a problem is in, as Falco tells it.

use crate::{
    diagnostic::{Context, Position},
    sources::Sources,
    traced::Place,
};

/// What a step leads into. The words are Falco's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemType {
    ValueFor,
    Exceptions,
    Exception,
    ExceptionValues,
    ExceptionValue,
    RulesContent,
    RulesContentItem,
    RequiredEngineVersion,
    RequiredPluginVersions,
    RequiredPluginVersionsEntry,
    RequiredPluginVersionsAlternative,
    List,
    ListItem,
    Macro,
    MacroCondition,
    Rule,
    RuleCondition,
    ConditionExpression,
    RuleOutput,
    RulePriority,
    Override,
}

impl ItemType {
    fn as_str(self) -> &'static str {
        match self {
            Self::ValueFor => "value for",
            Self::Exceptions => "exceptions",
            Self::Exception => "exception",
            Self::ExceptionValues => "exception values",
            Self::ExceptionValue => "exception value",
            Self::RulesContent => "rules content",
            Self::RulesContentItem => "rules content item",
            Self::RequiredEngineVersion => "required_engine_version",
            Self::RequiredPluginVersions => "required plugin versions",
            Self::RequiredPluginVersionsEntry => "required plugin versions entry",
            Self::RequiredPluginVersionsAlternative => "required plugin versions alternative",
            Self::List => "list",
            Self::ListItem => "list item",
            Self::Macro => "macro",
            Self::MacroCondition => "macro condition",
            Self::Rule => "rule",
            Self::RuleCondition => "rule condition",
            Self::ConditionExpression => "condition expression",
            Self::RuleOutput => "rule output",
            Self::RulePriority => "rule priority",
            Self::Override => "overrides",
        }
    }
}

/// A file and the steps down from it.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    file: usize,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    item_type: ItemType,
    name: String,
    place: Place,
}

/// A position in a condition, which is a text of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expression<'a> {
    /// The condition that is shown, which need not be the one that was parsed: lists and macros
    /// are not replaced in it.
    pub(super) shown: &'a str,
    /// Line and column counted from 1, bytes from 0: the parser's way. All 0 for the whole.
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) offset: usize,
}

impl<'a> Expression<'a> {
    /// The condition as a whole.
    pub(super) fn whole(shown: &'a str) -> Self {
        Self { shown, line: 0, column: 0, offset: 0 }
    }

    /// A position in `parsed`, with `shown` to be shown.
    pub(super) fn at(shown: &'a str, parsed: &str, offset: usize) -> Self {
        let before = parsed.as_bytes().get(..offset).unwrap_or(parsed.as_bytes());
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Self { shown, line, column: before.len() - line_start + 1, offset }
    }
}

impl Trail {
    pub(super) fn of_file(file: usize) -> Self {
        Self { file, steps: Vec::new() }
    }

    /// One step further down.
    pub(super) fn step(&self, item_type: ItemType, name: &str, place: Place) -> Self {
        let mut trail = self.clone();
        trail.steps.push(Step { item_type, name: name.to_owned(), place });
        trail
    }

    /// Where it ends.
    pub(super) fn place(&self) -> Place {
        self.steps.last().map_or(Place { file: self.file, offset: 0 }, |step| step.place)
    }

    /// Its steps, the file first and a condition's position last.
    pub(super) fn contexts(
        &self,
        sources: &Sources,
        expression: Option<Expression<'_>>,
    ) -> Vec<Context> {
        let name = sources.name(self.file);
        let start = Position { name: name.to_owned(), line: 0, column: 0, offset: 0 };
        let mut contexts = vec![Context {
            item_type: ItemType::RulesContent.as_str(),
            item_name: String::new(),
            position: start,
        }];
        contexts.extend(self.steps.iter().map(|step| {
            let (line, column) = sources.line_and_column(step.place);
            let offset = step.place.offset;
            Context {
                item_type: step.item_type.as_str(),
                item_name: step.name.clone(),
                position: Position { name: name.to_owned(), line, column, offset },
            }
        }));
        // The two are added up although they count in different texts, as Falco does.
        if let (Some(expression), Some(last)) = (expression, contexts.last()) {
            let position = Position {
                name: head(expression.shown),
                line: last.position.line + expression.line,
                column: last.position.column + expression.column,
                offset: last.position.offset + expression.offset,
            };
            let item_type = ItemType::ConditionExpression.as_str();
            contexts.push(Context { item_type, item_name: String::new(), position });
        }
        contexts
    }

    /// The line around where it ends, with a caret under it.
    pub(super) fn snippet(&self, sources: &Sources, expression: Option<Expression<'_>>) -> String {
        match expression {
            Some(expression) if !expression.shown.is_empty() => {
                snippet(expression.shown, self.place().offset + expression.offset)
            }
            _ => snippet(sources.text(self.file), self.place().offset),
        }
    }
}

/// The beginning of a condition, in quotes.
fn head(condition: &str) -> String {
    let cut = condition.get(..condition.floor_char_boundary(17)).unwrap_or_default();
    let (text, more) = if condition.len() > 20 { (cut, "...") } else { (condition, "") };
    format!("\"{text}{more}\"").replace(['\n', '\r'], " ")
}

/// What Falco cuts out of a text to show a position in it: at most 80 bytes to either side. A
/// position past the end, as those in conditions mostly are, shows the end.
fn snippet(text: &str, offset: usize) -> String {
    const HALF_BYTES_MAX: usize = 80;
    let bytes = text.as_bytes();
    let Some(last) = bytes.len().checked_sub(1) else {
        return "<No context available>\n".to_owned();
    };
    let newline = |at: usize| bytes.get(at) == Some(&b'\n');
    let mut position = offset.min(last);
    while position > 0 && newline(position) {
        position -= 1;
    }
    let mut from = position;
    while from > 0 && !newline(from) && position - from < HALF_BYTES_MAX {
        from -= 1;
    }
    let mut to = position;
    while to < last && !newline(to) && to - position < HALF_BYTES_MAX {
        to += 1;
    }
    if newline(from) {
        from += 1;
    }
    if newline(to) {
        to = to.saturating_sub(1);
    }
    let mut line = bytes.get(from..=to).unwrap_or_default().to_vec();
    if line.is_empty() {
        return "<No context available>\n".to_owned();
    }
    let caret = position.saturating_sub(from);
    if caret >= HALF_BYTES_MAX {
        line.splice(..3, *b"...");
    }
    if to.saturating_sub(position) >= HALF_BYTES_MAX {
        let end = line.len() - 3;
        line.splice(end.., *b"...");
    }
    let width = line.len();
    let line = String::from_utf8_lossy(&line);
    let caret = if caret <= width { format!("{}^\n", " ".repeat(caret)) } else { String::new() };
    format!("{line}\n{caret}")
}

#[cfg(test)]
mod tests {
    use super::{head, snippet};

    #[test]
    fn snippets_are_cut_as_falco_does() {
        let check = |text: &str, offset, expected: &str| {
            assert_eq!(snippet(text, offset), expected, "{offset} in {text:?}");
        };
        check("", 0, "<No context available>\n");
        check("\n", 0, "<No context available>\n");
        check("ab\ncde\nf", 4, "cde\n ^\n");
        check("ab\ncde\nf", 0, "ab\n^\n");
        check("ab\ncde\n", 99, "cde\n  ^\n");
        check("é", 1, "é\n ^\n");
        let long = "x".repeat(500);
        let cut = format!("...{}...\n{}^\n", "x".repeat(155), " ".repeat(80));
        check(&long, 250, &cut);
        check(&long, 10, &format!("{}...\n{}^\n", "x".repeat(88), " ".repeat(10)));
    }

    #[test]
    fn conditions_are_named_by_their_beginning() {
        assert_eq!(head("evt.type=open"), "\"evt.type=open\"");
        assert_eq!(head("evt.type=open and proc.name=x"), "\"evt.type=open and...\"");
        assert_eq!(head("a.b=c\nand\r\nd.e=f or x"), "\"a.b=c and  d.e=f ...\"");
    }
}

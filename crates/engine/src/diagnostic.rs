//! What is wrong with a rule file or a filter, and where.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The item is not in the rule set.
    Error,
    /// The item works, perhaps not as its author thinks.
    Warning,
}

/// Falco's code for the kind of problem, or one of ours where Falco has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each code's meaning is its `description`")]
pub enum Code {
    FileRead,
    YamlParse,
    YamlValidate,
    CompileCondition,
    CompileOutput,
    Validate,
    UnknownSource,
    UnsafeNaCheck,
    NoEventType,
    UnknownFilter,
    UnusedMacro,
    UnusedList,
    UnknownItem,
    DeprecatedItem,
    AppendNoValues,
    ExceptionNameNotUnique,
    InvalidMacroName,
    InvalidListName,
    MisusedCondition,
    UnknownKey,
    /// Ours: a field that Falco has and nothing fills here.
    UnfilledField,
    /// Ours: Falco says nothing.
    UnmatchedSetting,
    /// Ours: Falco takes the first of two equal keys and says nothing.
    DuplicateKey,
    /// Ours: the rule works, but nothing is captured.
    UnsupportedCapture,
}

impl Code {
    /// The code as Falco prints it, e.g. `LOAD_ERR_COMPILE_CONDITION`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileRead => "LOAD_ERR_FILE_READ",
            Self::YamlParse => "LOAD_ERR_YAML_PARSE",
            Self::YamlValidate => "LOAD_ERR_YAML_VALIDATE",
            Self::CompileCondition => "LOAD_ERR_COMPILE_CONDITION",
            Self::CompileOutput => "LOAD_ERR_COMPILE_OUTPUT",
            Self::Validate => "LOAD_ERR_VALIDATE",
            Self::UnknownSource => "LOAD_UNKNOWN_SOURCE",
            Self::UnsafeNaCheck => "LOAD_UNSAFE_NA_CHECK",
            Self::NoEventType => "LOAD_NO_EVTTYPE",
            Self::UnknownFilter => "LOAD_UNKNOWN_FILTER",
            Self::UnusedMacro => "LOAD_UNUSED_MACRO",
            Self::UnusedList => "LOAD_UNUSED_LIST",
            Self::UnknownItem => "LOAD_UNKNOWN_ITEM",
            Self::DeprecatedItem => "LOAD_DEPRECATED_ITEM",
            Self::AppendNoValues => "LOAD_APPEND_NO_VALUES",
            Self::ExceptionNameNotUnique => "LOAD_EXCEPTION_NAME_NOT_UNIQUE",
            Self::InvalidMacroName => "LOAD_INVALID_MACRO_NAME",
            Self::InvalidListName => "LOAD_INVALID_LIST_NAME",
            Self::MisusedCondition => "LOAD_COMPILE_CONDITION",
            Self::UnknownKey => "LOAD_UNKNOWN_KEY",
            Self::UnfilledField => "LOAD_UNFILLED_FIELD",
            Self::UnmatchedSetting => "LOAD_UNMATCHED_SETTING",
            Self::DuplicateKey => "LOAD_DUPLICATE_KEY",
            Self::UnsupportedCapture => "LOAD_UNSUPPORTED_CAPTURE",
        }
    }

    /// The short words for the code.
    pub fn description(self) -> &'static str {
        match self {
            Self::FileRead => "File read error",
            Self::YamlParse => "YAML parse error",
            Self::YamlValidate => "Error validating internal structure of YAML file",
            Self::CompileCondition => "Error compiling condition",
            Self::CompileOutput => "Error compiling output",
            Self::Validate => "Error validating rule/macro/list/exception objects",
            Self::UnknownSource => "Unknown event source",
            Self::UnsafeNaCheck => "Unsafe <NA> comparison in condition",
            Self::NoEventType => "Condition has no event-type restriction",
            Self::UnknownFilter => "Unknown field or event-type in condition or output",
            Self::UnusedMacro => "Unused macro",
            Self::UnusedList => "Unused list",
            Self::UnknownItem => "Unknown rules file item",
            Self::DeprecatedItem => "Used deprecated item",
            Self::AppendNoValues => "Overriding/appending with no values",
            Self::ExceptionNameNotUnique => "Multiple exceptions defined with the same name",
            Self::InvalidMacroName => "Invalid macro name",
            Self::InvalidListName => "Invalid list name",
            Self::UnfilledField => "Field without a value in condition or output",
            Self::UnmatchedSetting => "Setting that no rule fits",
            Self::MisusedCondition => "Warning in rule condition",
            Self::UnknownKey => "Unknown key in item definition",
            Self::DuplicateKey => "Key defined twice",
            Self::UnsupportedCapture => "Capture is not supported",
        }
    }

    /// What Falco's JSON calls `codedesc`: of a warning a sentence or more, of an error the short
    /// words again.
    pub fn long_description(self) -> &'static str {
        match self {
            Self::UnknownSource => {
                "A rule has a unknown event source. This can occur when reading rules content \
                 without having a corresponding plugin loaded, etc. The rule will be silently ignored."
            }
            Self::UnsafeNaCheck => {
                "Comparing a field value with <NA> is unsafe and can lead to unpredictable behavior \
                 of the rule condition. If you need to check for the existence of a field, consider \
                 using the 'exists' operator instead."
            }
            Self::NoEventType => {
                "A rule condition matches too many evt.type values. This has a significant \
                 performance penalty. Make the condition more specific by adding an evt.type field \
                 or further restricting the number of evt.type values in the condition."
            }
            Self::UnknownFilter => {
                "A rule condition or output refers to a field or evt.type that does not exist. This \
                 is normally an error, but if a rule has a skip-if-unknown-filter property, the \
                 error is downgraded to a warning."
            }
            Self::UnusedMacro => {
                "A macro is defined in the rules content but is not used by any other macro or rule."
            }
            Self::UnusedList => {
                "A list is defined in the rules content but is not used by any other list, macro, \
                 or rule."
            }
            Self::UnknownItem => {
                "An unknown top-level object is in the rules content. It will be ignored."
            }
            Self::DeprecatedItem => "A deprecated item is employed by lists, macros, or rules.",
            Self::AppendNoValues => "A rule exception is overriding/appending with no values",
            Self::ExceptionNameNotUnique => {
                "A rule is defining multiple exceptions with the same name"
            }
            Self::InvalidMacroName => "A macro is defined with an invalid name",
            Self::InvalidListName => "A list is defined with an invalid name",
            Self::MisusedCondition => "A rule condition or output have been parsed with a warning",
            Self::UnknownKey => {
                "An item in the rules content contains an unrecognized key. The key will be \
                 ignored. This may indicate a typo or a property placed on the wrong item type."
            }
            Self::UnfilledField => {
                "A rule condition or output refers to a field that exists in Falco and that nothing \
                 fills here. It evaluates as missing."
            }
            Self::UnmatchedSetting => "A setting chooses rules, and no rule is among them.",
            Self::DuplicateKey => "An item has a key twice. The first one counts.",
            Self::UnsupportedCapture => {
                "A rule asks for a capture of what follows its match. The rule works, but nothing \
                 is captured."
            }
            Self::FileRead
            | Self::YamlParse
            | Self::YamlValidate
            | Self::CompileCondition
            | Self::CompileOutput
            | Self::Validate => self.description(),
        }
    }

    /// Whether the item is left out, or only remarked on.
    pub fn severity(self) -> Severity {
        match self {
            Self::FileRead
            | Self::YamlParse
            | Self::YamlValidate
            | Self::CompileCondition
            | Self::CompileOutput
            | Self::Validate => Severity::Error,
            _ => Severity::Warning,
        }
    }
}

/// One step of the way from a file down to what a problem is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The kind of item, in Falco's words: `rule`, `rule condition`, `exception`.
    pub item_type: &'static str,
    /// The item's name; empty if its kind has none.
    pub item_name: String,
    /// Where it begins.
    pub position: Position,
}

/// A position as Falco's JSON has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file's name, or the head of a condition in quotes: an expression has positions of its
    /// own.
    pub name: String,
    /// Line, counted from 0.
    pub line: usize,
    /// Column in bytes, counted from 0.
    pub column: usize,
    /// Bytes from the start.
    pub offset: usize,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.item_type, self.item_name)
    }
}

/// One problem, with its place.
///
/// Printed as a person reads it: the message, `file:line:column`, the line, a caret, and what may
/// have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of problem.
    pub code: Code,
    /// What is wrong, in one line; empty if the code says it all.
    pub message: String,
    /// The way from the file to what is wrong, outermost first.
    pub context: Vec<Context>,
    /// The text around the last step of `context`, with a caret under it: what Falco's JSON shows.
    pub context_snippet: String,
    /// The deprecated field that is used, if that is the problem.
    pub deprecated_field: Option<&'static str>,
    /// The file's name as it was given; empty for a filter.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Position in bytes from the start of the file.
    pub offset: usize,
    /// The line itself, or what fits of it around the position.
    pub snippet: String,
    /// Where the caret goes under `snippet`: how many characters are before it.
    pub caret: usize,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let message = if self.message.is_empty() { self.code.description() } else { &self.message };
        writeln!(f, "{severity}[{}]: {}", self.code.as_str(), printable(message))?;
        let file = if self.file.is_empty() { "<expression>" } else { &self.file };
        let gutter = self.line.to_string();
        let pad = " ".repeat(gutter.len());
        writeln!(f, "{pad}--> {file}:{}:{}", self.line, self.column)?;
        writeln!(f, "{pad} |")?;
        writeln!(f, "{gutter} | {}", self.snippet)?;
        write!(f, "{pad} | {}^", " ".repeat(self.caret))?;
        for context in self.context.iter().filter(|context| !context.item_name.is_empty()) {
            write!(f, "\n{pad} = in {}", printable(&context.to_string()))?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "\n{pad} = did you mean '{}'?", printable(suggestion))?;
        }
        Ok(())
    }
}

/// Text of a file without what would steer a terminal.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

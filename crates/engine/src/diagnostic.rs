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

/// Falco's code for the kind of problem.
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
    UnfilledField,
    UnmatchedSetting,
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
            // Ours: Falco says nothing.
            Self::UnmatchedSetting => "LOAD_UNMATCHED_SETTING",
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
            Self::NoEventType => "Condition has no event-type restriction",
            Self::UnknownFilter => "Unknown field or event-type in condition or output",
            Self::UnusedMacro => "Unused macro",
            Self::UnusedList => "Unused list",
            Self::UnknownItem => "Unknown rules file item",
            Self::DeprecatedItem => "Used deprecated item",
            Self::AppendNoValues => "Overriding/appending exception with no values",
            Self::ExceptionNameNotUnique => "Multiple exceptions defined with the same name",
            Self::InvalidMacroName => "Invalid macro name",
            Self::InvalidListName => "Invalid list name",
            Self::MisusedCondition => "Condition may not mean what it says",
            Self::UnknownKey => "Unknown key in item",
            Self::UnfilledField => "Field without a value in condition or output",
            Self::UnmatchedSetting => "Setting that no rule fits",
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

/// The item that a problem is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The kind of item: `rule`, `macro`, `list`.
    pub item_type: &'static str,
    /// The item's name.
    pub item_name: String,
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
    /// What is wrong, in one line.
    pub message: String,
    /// What it is wrong with, outermost first.
    pub context: Vec<Context>,
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
        writeln!(f, "{severity}[{}]: {}", self.code.as_str(), self.message)?;
        let file = if self.file.is_empty() { "<expression>" } else { &self.file };
        let gutter = self.line.to_string();
        let pad = " ".repeat(gutter.len());
        writeln!(f, "{pad}--> {file}:{}:{}", self.line, self.column)?;
        writeln!(f, "{pad} |")?;
        writeln!(f, "{gutter} | {}", self.snippet)?;
        write!(f, "{pad} | {}^", " ".repeat(self.caret))?;
        for context in &self.context {
            write!(f, "\n{pad} = in {context}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "\n{pad} = did you mean '{suggestion}'?")?;
        }
        Ok(())
    }
}

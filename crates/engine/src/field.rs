//! The names that conditions and outputs use, and what may be done with each.

use std::fmt;

use crate::suggest;

mod audit;
mod audit_pod;
mod container;
mod descriptor;
mod event;
mod json;
mod kubernetes;
mod process;
mod table;
mod user;

pub use table::Field;

/// What a field's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    Text,
    /// A path: text whose components `pmatch` looks at.
    Path,
    /// Bytes that need not be text.
    Bytes,
    /// A number that may be negative.
    Int,
    /// A number that is never negative.
    Uint,
    /// A port: a number.
    Port,
    /// Nanoseconds since the Unix epoch.
    Time,
    /// `true` or `false`.
    Bool,
    /// An address.
    Ip,
    /// An address that is compared with networks.
    Net,
}

impl Kind {
    /// The word that the reference page and the messages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Path => "path",
            Self::Bytes => "bytes",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Port => "port",
            Self::Time => "time",
            Self::Bool => "bool",
            Self::Ip => "ip",
            Self::Net => "net",
        }
    }
}

/// How many values a field has and how a comparison treats them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One value.
    Scalar,
    /// A list: only `in` (all of them), `intersects` (one of them) and `exists`.
    List,
    /// Without an argument, a comparison holds if it holds for any of the values.
    AnyOf,
    /// Both ends of a connection: `!=` must hold for both, the rest for either.
    EitherEnd,
}

/// What may stand in the brackets after a field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgumentRule {
    /// Nothing: there are no brackets.
    None,
    /// A number, or no brackets.
    OptionalIndex,
    /// A name, or no brackets.
    OptionalKey,
    /// A name or a number, or no brackets.
    OptionalKeyOrIndex,
    /// A name.
    RequiredKey,
    /// A name or a number.
    RequiredKeyOrIndex,
    /// A name after a dot, as in `evt.rawarg.flags`; there are no brackets.
    RequiredName,
    /// A name or a number; a name may also follow a dot, as in `evt.arg.flags`.
    RequiredNameOrIndex,
}

/// Who gives a field its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filler {
    /// The engine itself, from the event's time and type or from other fields.
    Engine,
    /// The sensor, for system calls.
    Syscall,
    /// An [`AuditEvent`](crate::AuditEvent).
    Audit,
    /// The sensor, and audit events.
    Both,
    /// Nobody yet: the field is Falco's or will be ours, and has no value.
    Nobody,
}

impl Filler {
    /// The word that the reference page uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Syscall => "syscall",
            Self::Audit => "k8s_audit",
            Self::Both => "syscall, k8s_audit",
            Self::Nobody => "nobody yet",
        }
    }
}

/// What is special about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Flag {
    /// Falco's rules should not use it any more.
    Deprecated,
    /// Lanner's: Falco does not know it.
    Own,
    /// Falco knows it and does not list it.
    Hidden,
    /// It cannot stand on the right side of a comparison, nor be compared with a field.
    LeftOnly,
    /// No transformer takes it.
    NoTransformer,
    /// It has no place in an output.
    ConditionOnly,
    /// Falco fills it for outputs only.
    OutputOnly,
}

/// One row of the table, in the order of its columns.
struct Info {
    name: &'static str,
    kind: Kind,
    shape: Shape,
    argument: ArgumentRule,
    filler: Filler,
    flags: &'static [Flag],
    description: &'static str,
}

impl Field {
    /// The dotted name, e.g. `proc.name`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// What its values are.
    pub fn kind(self) -> Kind {
        self.info().kind
    }

    /// How many values it has.
    pub fn shape(self) -> Shape {
        self.info().shape
    }

    /// What may stand in its brackets.
    pub fn argument(self) -> ArgumentRule {
        self.info().argument
    }

    /// Who gives it its values.
    pub fn filler(self) -> Filler {
        self.info().filler
    }

    /// Whether events of that source can have a value for it at all.
    pub fn is_filled_for(self, source: &str) -> bool {
        match self.filler() {
            Filler::Engine => true,
            Filler::Syscall => source == "syscall",
            Filler::Audit => source == "k8s_audit",
            Filler::Both => source == "syscall" || source == "k8s_audit",
            Filler::Nobody => false,
        }
    }

    /// Whether Falco advises against it.
    pub fn is_deprecated(self) -> bool {
        self.has(Flag::Deprecated)
    }

    /// Whether it is Lanner's: a stock Falco refuses rules that name it.
    pub fn is_own(self) -> bool {
        self.has(Flag::Own)
    }

    /// Whether Falco knows it but leaves it out of its own list.
    pub fn is_hidden(self) -> bool {
        self.has(Flag::Hidden)
    }

    /// Whether it may be compared with another field, from either side.
    pub fn is_comparable_with_fields(self) -> bool {
        !self.has(Flag::LeftOnly)
    }

    /// Whether transformers take it.
    pub fn takes_transformers(self) -> bool {
        !self.has(Flag::NoTransformer)
    }

    /// Whether an output may show it.
    pub fn is_for_outputs(self) -> bool {
        !self.has(Flag::ConditionOnly)
    }

    /// One sentence for the reference page.
    pub fn description(self) -> &'static str {
        self.info().description
    }

    fn has(self, flag: Flag) -> bool {
        self.info().flags.contains(&flag)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A field with its argument: what a condition or an output names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldRef {
    /// The field.
    pub field: Field,
    /// The text in its brackets, or the name after the dot of `evt.arg.flags`.
    pub arg: Option<String>,
}

/// Why a name is no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldRefError {
    /// No field has that name.
    #[error("filter_check called with nonexistent field {name}")]
    Unknown {
        /// The name.
        name: String,
        /// The field whose name is nearest, if any is near.
        nearest: Option<String>,
    },
    /// The field takes no argument.
    #[error("filter {field} takes no argument")]
    UnexpectedArgument {
        /// The field.
        field: Field,
    },
    /// The field needs an argument.
    #[error("filter {field} needs an argument, as in {field}[...]")]
    MissingArgument {
        /// The field.
        field: Field,
    },
    /// The argument must be a number.
    #[error("filter {field} takes a number as its argument, not '{argument}'")]
    NotAnIndex {
        /// The field.
        field: Field,
        /// What was given.
        argument: String,
    },
    /// The text is not `name` or `name[argument]`.
    #[error("'{text}' is not a field: write name or name[argument]")]
    Malformed {
        /// The text.
        text: String,
    },
}

impl FieldRef {
    /// Looks up a name and its argument, as the condition grammar delivers them.
    ///
    /// # Errors
    /// When no field has the name, or the argument is not one the field takes.
    pub fn resolve(name: &str, arg: Option<&str>) -> Result<Self, FieldRefError> {
        if let Some(field) = Field::by_name(name) {
            return Self::with_argument(field, arg);
        }
        let dotted = Field::all().iter().find_map(|&field| {
            let rest = name.strip_prefix(field.name())?.strip_prefix('.')?;
            (field.argument() == ArgumentRule::RequiredNameOrIndex).then_some((field, rest))
        });
        match (dotted, arg) {
            (Some((field, rest)), None) if !rest.is_empty() => {
                Ok(Self { field, arg: Some(rest.to_owned()) })
            }
            _ => Err(FieldRefError::Unknown {
                name: name.to_owned(),
                nearest: suggest::nearest(name, Field::all().iter().map(|field| field.name())),
            }),
        }
    }

    /// Reads `proc.name`, `proc.aname[2]` or `evt.arg.flags`.
    ///
    /// # Errors
    /// As [`FieldRef::resolve`], and when the brackets do not close.
    pub fn parse(text: &str) -> Result<Self, FieldRefError> {
        let Some((name, rest)) = text.split_once('[') else {
            return Self::resolve(text, None);
        };
        match rest.strip_suffix(']') {
            Some(arg) if !arg.is_empty() => Self::resolve(name, Some(arg)),
            _ => Err(FieldRefError::Malformed { text: text.to_owned() }),
        }
    }

    /// Whether the values of this field and argument form a list in the sense of the operators.
    pub(crate) fn shape(&self) -> Shape {
        match (self.field.shape(), &self.arg) {
            (Shape::AnyOf, Some(_)) => Shape::Scalar,
            (shape, _) => shape,
        }
    }

    fn with_argument(field: Field, arg: Option<&str>) -> Result<Self, FieldRefError> {
        let index = arg.map(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match (field.argument(), arg, index) {
            (ArgumentRule::None, Some(_), _) => Err(FieldRefError::UnexpectedArgument { field }),
            (ArgumentRule::OptionalIndex, Some(argument), Some(false)) => {
                Err(FieldRefError::NotAnIndex { field, argument: argument.to_owned() })
            }
            (ArgumentRule::RequiredKey | ArgumentRule::RequiredNameOrIndex, None, _) => {
                Err(FieldRefError::MissingArgument { field })
            }
            _ => Ok(Self { field, arg: arg.map(str::to_owned) }),
        }
    }
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(arg) = &self.arg else { return f.write_str(self.field.name()) };
        let named = self.field.argument() == ArgumentRule::RequiredNameOrIndex
            && arg.starts_with(|first: char| first.is_ascii_alphabetic());
        if named { write!(f, "{}.{arg}", self.field) } else { write!(f, "{}[{arg}]", self.field) }
    }
}

//! The names that conditions and outputs use, and what may be done with each.

use std::fmt;

mod audit;
mod audit_pod;
mod container;
mod descriptor;
mod event;
mod event_arguments;
mod json;
mod kubernetes;
mod process;
mod reference;
mod table;
mod user;

pub use reference::{FieldRef, FieldRefError};
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
    /// Both ends of a connection, or all names of one: `!=` must hold for each, the rest for either.
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

    /// Whether rules of that source may name it, as Falco has it: each source has its own fields.
    pub fn is_known_to(self, source: &str) -> bool {
        let class = self.name().split('.').next().unwrap_or_default();
        match (source, class) {
            ("k8s_audit", "evt") => self.is_of_every_source(),
            ("k8s_audit", _) => matches!(class, "ka" | "json" | "jevt"),
            _ => class != "ka",
        }
    }

    fn is_of_every_source(self) -> bool {
        matches!(
            self,
            Self::EvtNum
                | Self::EvtTime
                | Self::EvtTimeS
                | Self::EvtTimeIso8601
                | Self::EvtDatetime
                | Self::EvtDatetimeS
                | Self::EvtRawtime
                | Self::EvtRawtimeS
                | Self::EvtRawtimeNs
                | Self::EvtReltime
                | Self::EvtReltimeS
                | Self::EvtReltimeNs
                | Self::EvtPluginname
                | Self::EvtPlugininfo
                | Self::EvtSource
                | Self::EvtIsAsync
                | Self::EvtAsynctype
                | Self::EvtHostname
        )
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

    /// Whether a plugin brings it to Falco, whose messages differ from those of other fields.
    fn is_of_plugin(self) -> bool {
        let class = self.name().split('.').next().unwrap_or_default();
        matches!(class, "container" | "k8s" | "k8smeta" | "json" | "jevt" | "ka")
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

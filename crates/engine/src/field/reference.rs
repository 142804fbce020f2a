//! A field as rules name it, with its argument: `proc.aname[2]`, `evt.arg.flags`.

use std::fmt;

use super::{ArgumentRule, Field, Kind, Shape, event_arguments};
use crate::{event_names, suggest};

/// A field with its argument: what a condition or an output names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldRef {
    /// The field.
    pub field: Field,
    /// The text in its brackets, or the name after the dot of `evt.arg.flags`.
    pub arg: Option<String>,
}

/// Why a name is no field. The messages are Falco's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldRefError {
    /// No field has that name, or the one that has it takes no such argument.
    #[error("filter_check called with nonexistent field {name}")]
    Unknown {
        /// The name, with its argument.
        name: String,
        /// The field whose name is nearest, if any is near.
        nearest: Option<String>,
    },
    /// The field takes no argument.
    #[error(
        "filter '{field}[{argument}]': {field} does not allow nor require an argument but one is \
         provided: {argument}"
    )]
    UnexpectedArgument {
        /// The field.
        field: Field,
        /// What was given.
        argument: String,
    },
    /// The field needs an argument in brackets.
    #[error("filter '{field}': {field} requires an argument but none provided")]
    MissingArgument {
        /// The field.
        field: Field,
    },
    /// The field needs a name after a dot.
    #[error("filter syntax error: {text}")]
    MissingName {
        /// What was given.
        text: String,
    },
    /// No event has an argument of that name.
    #[error("unknown event argument {name}")]
    UnknownEventArgument {
        /// The name.
        name: String,
        /// The argument whose name is nearest, if any is near.
        nearest: Option<String>,
    },
    /// The argument must be a number.
    #[error(
        "filter {field}[{argument}] {field} has an invalid index argument not composed only by \
         digits: {argument}"
    )]
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

impl FieldRefError {
    /// The name that may have been meant.
    pub fn nearest(&self) -> Option<&str> {
        match self {
            Self::Unknown { nearest, .. } | Self::UnknownEventArgument { nearest, .. } => {
                nearest.as_deref()
            }
            _ => None,
        }
    }
}

/// Fields that take a name after a dot.
const DOTTED: [Field; 4] = [Field::EvtArg, Field::EvtRawarg, Field::EvtTypeIs, Field::ThreadCgroup];

impl FieldRef {
    /// Looks up a name and its argument, as the condition grammar delivers them.
    ///
    /// # Errors
    /// When no field has the name, or the argument is not one the field takes.
    pub fn resolve(name: &str, arg: Option<&str>) -> Result<Self, FieldRefError> {
        if let Some(field) = Field::by_name(name) {
            return Self::with_argument(field, arg);
        }
        let dotted = DOTTED
            .into_iter()
            .find_map(|field| Some((field, name.strip_prefix(field.name())?.strip_prefix('.')?)));
        match (dotted, arg) {
            (Some((field, rest)), None) if !rest.is_empty() => Self::with_name(field, rest),
            (_, Some(arg)) => Err(unknown(&format!("{name}[{arg}]"))),
            (_, None) => Err(unknown(name)),
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

    /// What its values are: for `evt.rawarg` those of the argument.
    pub fn kind(&self) -> Kind {
        match (self.field, &self.arg) {
            (Field::EvtRawarg, Some(name)) => {
                event_arguments::kind_of(name).unwrap_or(self.field.kind())
            }
            _ => self.field.kind(),
        }
    }

    fn with_argument(field: Field, arg: Option<&str>) -> Result<Self, FieldRefError> {
        use ArgumentRule as Rule;
        let Some(argument) = arg else {
            return match field.argument() {
                Rule::RequiredKey | Rule::RequiredKeyOrIndex => {
                    Err(FieldRefError::MissingArgument { field })
                }
                Rule::RequiredName | Rule::RequiredNameOrIndex => {
                    Err(FieldRefError::MissingName { text: field.name().to_owned() })
                }
                _ => Ok(Self { field, arg: None }),
            };
        };
        let is_index = is_index(argument);
        let is_of_plugin = field.is_of_plugin();
        match field.argument() {
            Rule::OptionalKey
            | Rule::OptionalKeyOrIndex
            | Rule::RequiredKey
            | Rule::RequiredKeyOrIndex => {}
            Rule::OptionalIndex | Rule::RequiredNameOrIndex if is_index => {}
            Rule::OptionalIndex if is_of_plugin => {
                let argument = argument.to_owned();
                return Err(FieldRefError::NotAnIndex { field, argument });
            }
            Rule::None if is_of_plugin => {
                let argument = argument.to_owned();
                return Err(FieldRefError::UnexpectedArgument { field, argument });
            }
            Rule::RequiredName => {
                let text = format!("{field}[{argument}]");
                return Err(FieldRefError::MissingName { text });
            }
            // To Falco the whole text is the name of the field.
            Rule::None | Rule::OptionalIndex | Rule::RequiredNameOrIndex => {
                return Err(unknown(&format!("{field}[{argument}]")));
            }
        }
        Ok(Self { field, arg: Some(argument.to_owned()) })
    }

    /// `evt.arg.flags` and the like.
    fn with_name(field: Field, name: &str) -> Result<Self, FieldRefError> {
        let is_known = match field {
            Field::EvtTypeIs => event_names::is_known(name),
            Field::ThreadCgroup => name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_'),
            _ if event_arguments::kind_of(name).is_some() => true,
            _ => {
                return Err(FieldRefError::UnknownEventArgument {
                    name: name.to_owned(),
                    nearest: suggest::nearest(name, event_arguments::names()),
                });
            }
        };
        match is_known {
            true => Ok(Self { field, arg: Some(name.to_owned()) }),
            false => Err(unknown(&format!("{field}.{name}"))),
        }
    }
}

fn unknown(name: &str) -> FieldRefError {
    FieldRefError::Unknown {
        name: name.to_owned(),
        nearest: suggest::nearest(name, Field::all().iter().map(|field| field.name())),
    }
}

/// Digits without a leading zero, as Falco counts.
fn is_index(text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && text.parse::<u32>().is_ok() && (text == "0" || !text.starts_with('0'))
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(arg) = &self.arg else { return f.write_str(self.field.name()) };
        let named = match self.field.argument() {
            ArgumentRule::RequiredName => true,
            ArgumentRule::RequiredNameOrIndex => !is_index(arg),
            _ => false,
        };
        if named { write!(f, "{}.{arg}", self.field) } else { write!(f, "{}[{arg}]", self.field) }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::event_arguments, ArgumentRule, Field, FieldRef, Shape};

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let found = FieldRef::parse(text).map(|field| field.to_string());
        let found = found.as_deref().map_err(ToString::to_string);
        assert_eq!(found, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn arguments_are_taken_as_falco_takes_them() {
        for good in [
            "proc.name",
            "proc.aname[2]",
            "proc.env[HOME]",
            "proc.aenv[2]",
            "proc.aenv[HOME]",
            "evt.arg.flags",
            "evt.arg[0]",
            "evt.rawarg.flags",
            "evt.type.is.openat",
            "thread.cgroup.cpu_acct",
            "container.mount.dest[/proc*]",
            "container.mount.dest[0]",
            "jevt.value[/a/b]",
            "ka.req.pod.containers.image[0]",
        ] {
            check(good, Ok(good));
        }
    }

    #[test]
    fn what_is_no_field_is_told_in_falcos_words() {
        let nonexistent = |name: &str| format!("filter_check called with nonexistent field {name}");
        for bad in [
            "proc.nmae",
            "proc.nmae[1]",
            "proc.name[1]",
            "proc.aname[x]",
            "proc.aname[01]",
            "evt.arg[x]",
            "evt.type.is.openta",
            "thread.cgroup.9",
            "container.label.app",
        ] {
            check(bad, Err(&nonexistent(bad)));
        }
        check("evt.arg", Err("filter syntax error: evt.arg"));
        check("evt.rawarg[1]", Err("filter syntax error: evt.rawarg[1]"));
        check("evt.arg.flgas", Err("unknown event argument flgas"));
        check(
            "jevt.value",
            Err("filter 'jevt.value': jevt.value requires an argument but none provided"),
        );
        check(
            "container.id[1]",
            Err(
                "filter 'container.id[1]': container.id does not allow nor require an argument but \
                 one is provided: 1",
            ),
        );
        check(
            "ka.sourceips[x]",
            Err("filter ka.sourceips[x] ka.sourceips has an invalid index argument not composed \
                 only by digits: x"),
        );
    }

    #[test]
    fn a_near_name_is_offered() {
        for (bad, near) in [("proc.nmae", "proc.name"), ("evt.arg.flgas", "flags")] {
            assert_eq!(FieldRef::parse(bad).unwrap_err().nearest(), Some(near), "{bad}");
        }
    }

    #[test]
    fn the_table_is_whole() {
        for field in Field::all() {
            assert_eq!(Field::by_name(field.name()), Some(*field));
            assert!(!field.description().is_empty());
            if field.shape() == Shape::AnyOf {
                assert_ne!(field.argument(), ArgumentRule::None, "{field} has an index");
            }
        }
        assert!(event_arguments::names().is_sorted_by(|a, b| a < b));
    }
}

//! Reading a value off an event.

use super::functions::call;
use crate::{
    derived,
    event::{Event, List, Value},
    field::{Field, FieldRef, Filler, Kind, Shape},
    syntax::Function,
};

/// Where a value comes from, and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Extract {
    Field(FieldRef),
    /// A constant among the arguments of a call.
    Text(Vec<u8>),
    /// A list written out among the arguments of a call.
    List(Vec<Extract>),
    /// A call has as many arguments, of the kinds and shapes, as its function takes: whoever makes
    /// one has checked it.
    Call {
        function: Function,
        arguments: Vec<Extract>,
        /// The letter in the brackets after `getopt(...)`.
        option: Option<u8>,
    },
}

impl Extract {
    /// The field, if it is one and nothing is done to it.
    pub(crate) fn as_plain_field(&self) -> Option<&FieldRef> {
        match self {
            Self::Field(field) => Some(field),
            Self::Call { .. } | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The field that functions of one value are applied to, if it is one.
    pub(super) fn innermost_field(&self) -> Option<&FieldRef> {
        match self {
            Self::Field(field) => Some(field),
            Self::Call { arguments, .. } => match arguments.as_slice() {
                [argument] => argument.innermost_field(),
                _ => None,
            },
            Self::Text(_) | Self::List(_) => None,
        }
    }

    /// Whether it may stand on either side of a comparison of two fields.
    pub(super) fn is_comparable_with_fields(&self) -> bool {
        self.innermost_field().is_none_or(|field| field.field.is_comparable_with_fields())
    }

    /// Whether functions may be applied to it.
    pub(super) fn takes_transformers(&self) -> bool {
        self.innermost_field().is_none_or(|field| field.field.takes_transformers())
    }

    /// Calls `found` with every field it asks for.
    pub(crate) fn for_each_field(&self, found: &mut impl FnMut(&FieldRef)) {
        match self {
            Self::Field(field) => found(field),
            Self::Text(_) => {}
            Self::List(parts) | Self::Call { arguments: parts, .. } => {
                parts.iter().for_each(|part| part.for_each_field(found));
            }
        }
    }

    /// What its values are.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Field(field) => field.kind(),
            Self::Text(_) | Self::List(_) => Kind::Text,
            Self::Call { function, arguments, .. } => match function {
                Function::Len => Kind::Uint,
                Function::Join | Function::Concat | Function::GetOpt => Kind::Text,
                _ => arguments.first().map_or(Kind::Text, Self::kind),
            },
        }
    }

    /// How its values are compared.
    pub(crate) fn shape(&self) -> Shape {
        match self {
            Self::Field(field) => field.shape(),
            Self::Text(_) => Shape::Scalar,
            Self::List(_) => Shape::List,
            Self::Call { function, arguments, option } => match function {
                Function::Join | Function::Concat => Shape::Scalar,
                Function::GetOpt if option.is_some() => Shape::Scalar,
                Function::GetOpt => Shape::List,
                function => match arguments.first().map(Self::shape) {
                    // The length of a list is one number.
                    Some(Shape::List) if *function == Function::Len => Shape::Scalar,
                    shape => shape.unwrap_or(Shape::Scalar),
                },
            },
        }
    }

    /// The value, or `None` when the event has none.
    ///
    /// A list is empty only where a function made it so: a list field without values has none.
    pub(crate) fn read<'e>(&'e self, event: &'e dyn Event) -> Option<Value<'e>> {
        match self {
            Self::Field(field) => read_field(event, field),
            Self::Text(text) => Some(Value::text(text)),
            Self::List(parts) => {
                let parts = parts.iter().map(|part| part.read(event));
                let parts: Option<Vec<_>> = parts.collect();
                Some(Value::List(parts?.into()))
            }
            Self::Call { function, arguments, option } => {
                let arguments = arguments.iter().map(|argument| argument.read(event));
                let value = call(*function, arguments.collect::<Option<_>>()?, *option)?;
                let decoded_text = *function == Function::Base64 && self.kind() != Kind::Bytes;
                Some(if decoded_text { until_nul(value) } else { value })
            }
        }
    }
}

/// A text as C would see it.
fn until_nul(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Text(text) => {
            let mut text = text.into_owned();
            text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
            Value::from(text)
        }
        value => value,
    }
}

/// The value of a field, with what the engine itself knows.
fn read_field<'e>(event: &'e dyn Event, wanted: &FieldRef) -> Option<Value<'e>> {
    value_of(event, wanted).filter(|value| !matches!(value, Value::List(list) if list.is_empty()))
}

/// Whether a field's value is the event's own, as it is.
pub(crate) fn is_event_field(field: Field) -> bool {
    use Field as F;
    let ends = [F::FdNet, F::FdCnet, F::FdSnet, F::FdLnet, F::FdRnet, F::FdIp, F::FdPort];
    !ends.contains(&field) && field.filler() != Filler::Engine
}

fn value_of<'e>(event: &'e dyn Event, wanted: &FieldRef) -> Option<Value<'e>> {
    let both = |first, second| {
        Some(Value::List(match (event.get(first, None), event.get(second, None)) {
            (Some(first), Some(second)) => List::both(first, second),
            (Some(only), None) | (None, Some(only)) => List::from(vec![only]),
            (None, None) => return None,
        }))
    };
    match wanted.field {
        // A network field is its address, compared with networks.
        Field::FdNet => value_of(event, &FieldRef { field: Field::FdIp, arg: None }),
        Field::FdCnet => event.get(Field::FdCip, None),
        Field::FdSnet => event.get(Field::FdSip, None),
        Field::FdLnet => event.get(Field::FdLip, None),
        Field::FdRnet => event.get(Field::FdRip, None),
        Field::FdIp => event.get(Field::FdIp, None).or_else(|| both(Field::FdCip, Field::FdSip)),
        Field::FdPort => {
            event.get(Field::FdPort, None).or_else(|| both(Field::FdCport, Field::FdSport))
        }
        field if field.filler() == Filler::Engine => {
            derived::value(event, field, wanted.arg.as_deref())
        }
        field => event.get(field, wanted.arg.as_deref()),
    }
}

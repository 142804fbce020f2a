//! Reading a value off an event.

use std::borrow::Cow;

use crate::{
    derived,
    event::{Event, List, Value},
    field::{Field, FieldRef, Filler, Kind, Shape},
    syntax::Function,
};

/// A field, and what is done to its value, the innermost function first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Extract {
    pub(crate) field: FieldRef,
    pub(crate) functions: Vec<Function>,
}

impl Extract {
    /// What its values are.
    pub(crate) fn kind(&self) -> Kind {
        if self.functions.contains(&Function::Len) { Kind::Uint } else { self.field.kind() }
    }

    /// How its values are compared.
    pub(crate) fn shape(&self) -> Shape {
        match self.field.shape() {
            // The length of a list is one number.
            Shape::List if self.functions.contains(&Function::Len) => Shape::Scalar,
            shape => shape,
        }
    }

    /// The value, or `None` when the event has none.
    pub(crate) fn read<'e>(&self, event: &'e dyn Event) -> Option<Value<'e>> {
        let value = read_field(event, &self.field)?;
        self.functions.iter().try_fold(value, |value, function| apply(*function, value))
    }
}

/// The value of a field, with what the engine itself knows.
pub(crate) fn read_field<'e>(event: &'e dyn Event, wanted: &FieldRef) -> Option<Value<'e>> {
    let both = |first, second| {
        Some(Value::List(match (event.get(first, None), event.get(second, None)) {
            (Some(first), Some(second)) => List::both(first, second),
            (Some(only), None) | (None, Some(only)) => List::from(vec![only]),
            (None, None) => return None,
        }))
    };
    match wanted.field {
        // A network field is its address, compared with networks.
        Field::FdNet => read_field(event, &FieldRef { field: Field::FdIp, arg: None }),
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

fn apply(function: Function, value: Value<'_>) -> Option<Value<'_>> {
    match (function, value) {
        (Function::Val, value) => Some(value),
        (Function::Len, Value::List(list)) => u64::try_from(list.len()).ok().map(Value::Uint),
        (Function::Len, Value::Text(text)) => u64::try_from(text.len()).ok().map(Value::Uint),
        (function, Value::List(list)) => {
            let list = list.into_vec().into_iter().map(|value| apply(function, value));
            list.collect::<Option<_>>().map(Value::List)
        }
        (Function::ToLower, Value::Text(text)) => Some(text.to_ascii_lowercase().into()),
        (Function::ToUpper, Value::Text(text)) => Some(text.to_ascii_uppercase().into()),
        (Function::Base64, Value::Text(text)) => decode_base64(&text).map(Value::from),
        (Function::Basename, Value::Text(text)) => Some(Value::Text(basename(text))),
        _ => None,
    }
}

fn basename(path: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else { return path };
    match path {
        Cow::Borrowed(path) => Cow::Borrowed(path.get(slash + 1..).unwrap_or_default()),
        Cow::Owned(mut path) => Cow::Owned(path.split_off(slash + 1)),
    }
}

/// Standard base64, with or without padding; `None` when it is not.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let (digits, padding) = text.split_at_checked(end)?;
    let padded = !padding.is_empty() && !text.len().is_multiple_of(4);
    if padding.len() > 2 || padded || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut bits = 0;
        for index in 0..4 {
            let digit = chunk.get(index).map_or(Some(0), |byte| sextet(*byte))?;
            bits = bits << 6 | u32::from(digit);
        }
        let [_, decoded @ ..] = bits.to_be_bytes();
        bytes.extend(decoded.into_iter().take(chunk.len() - 1));
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode_base64;

    #[test]
    fn base64_is_decoded_or_refused() {
        assert_eq!(decode_base64(b"aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(decode_base64(b"aGVsbG8"), Some(b"hello".to_vec()));
        assert_eq!(decode_base64(b"/etc"), Some(vec![0xfd, 0xeb, 0x5c]));
        assert_eq!(decode_base64(b""), Some(vec![]));
        for refused in [&b"a"[..], b"a===", b"aGVsbG8==", b"aG sbG8="] {
            assert_eq!(decode_base64(refused), None, "{refused:?}");
        }
    }
}

//! What a rule can ask of an event.

mod list;

use std::{borrow::Cow, net::IpAddr};

pub use list::{Elements, List};

use crate::field::Field;

/// One event as the rules see it: a system call with its process, or an audit record.
pub trait Event {
    /// `evt.type`, e.g. `openat`; empty when the source has no event types.
    fn event_type(&self) -> &str;

    /// When it happened, in nanoseconds since the Unix epoch.
    fn time_ns(&self) -> i64;

    /// The value of `field`, or `None` when this event has none.
    ///
    /// `arg` is the text in the brackets of `proc.aname[2]`, or the name after the dot of
    /// `evt.arg.flags`. The engine answers some fields itself and never asks for them: those whose
    /// [`Filler`](crate::Filler) it is, such as `evt.type` and `evt.time`, and the networks, which
    /// it takes from the addresses (`fd.snet` from `fd.sip`, `fd.net` from `fd.ip`). Where there is
    /// no `fd.ip` or `fd.port` it takes those of client and server.
    ///
    /// Fields whose [`Shape`](crate::Shape) is `AnyOf` or `EitherEnd` give a
    /// [`Value::List`] when they have no argument: `proc.aname` the names of the ancestors, the
    /// parent first; `fd.ip` both addresses.
    fn get(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>>;

    /// Whether its file has another path than `fd.name` says: the one behind links, say.
    ///
    /// Rules are evaluated with each path, never with a mixture.
    fn has_other_path(&self) -> bool {
        false
    }

    /// As [`Event::get`], with the other path in place of the first.
    fn get_with_other_path(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        self.get(field, arg)
    }
}

/// An event as it is with its other path.
pub(crate) struct OtherPath<'e>(pub(crate) &'e dyn Event);

impl Event for OtherPath<'_> {
    fn event_type(&self) -> &str {
        self.0.event_type()
    }

    fn time_ns(&self) -> i64 {
        self.0.time_ns()
    }

    fn get(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        self.0.get_with_other_path(field, arg)
    }
}

/// A value of a field.
///
/// Text is bytes, as paths and arguments in the kernel need not be UTF-8.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A number that may be negative.
    Int(i64),
    /// A number that is never negative.
    Uint(u64),
    /// Text, a path or a byte buffer.
    Text(Cow<'a, [u8]>),
    /// An address.
    Ip(IpAddr),
    /// The values of a list field.
    List(List<'a>),
}

impl<'a> Value<'a> {
    /// A text value that borrows.
    pub fn text(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self::Text(Cow::Borrowed(text.as_ref()))
    }

    /// The same value, borrowing from this one.
    pub fn borrowed(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Uint(value) => Value::Uint(*value),
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Ip(address) => Value::Ip(*address),
            Self::List(list) => Value::List(list.borrowed()),
        }
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Uint(value)
    }
}

impl From<IpAddr> for Value<'_> {
    fn from(value: IpAddr) -> Self {
        Self::Ip(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::text(value)
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value.into_bytes()))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

//! What the kernel would know of an event, told from what user space shows of it.

use super::{
    check::Known,
    fact::Fact,
    family::{EventType, Family},
    literal::FD_TYPES,
};
use crate::{
    event::{Event, Value},
    field::Field,
};

/// What is known of one event.
///
/// The sensor's program in the kernel is one; [`ShownFacts`] is another, for tests and replays.
pub trait KernelFacts {
    /// What is known of that fact.
    fn known(&self, fact: Fact) -> Known;
}

/// The facts of an event that user space has, with both paths of a file that has two. What the event
/// does not show is not known.
#[derive(Clone, Copy)]
pub struct ShownFacts<'e> {
    event: &'e dyn Event,
}

impl<'e> ShownFacts<'e> {
    /// The facts that an event shows.
    pub fn new(event: &'e dyn Event) -> Self {
        Self { event }
    }

    fn event_type(&self) -> Option<EventType> {
        EventType::by_name(self.event.event_type())
    }

    fn value(&self, field: Field, arg: Option<&str>) -> Option<Value<'_>> {
        self.event.get(field, arg)
    }

    fn text(&self, field: Field, arg: Option<&str>) -> Option<Vec<u8>> {
        as_text(self.value(field, arg)?)
    }

    fn number(&self, field: Field) -> Known {
        match self.value(field, None) {
            Some(Value::Int(number)) => Known::Number(number.into()),
            Some(Value::Uint(number)) => Known::Number(number.into()),
            Some(Value::Bool(value)) => Known::Number(value.into()),
            _ => Known::Nothing,
        }
    }

    /// Each path of the file; nothing when one of them is not known.
    fn paths(&self, fact: Fact) -> Known {
        let Some(event_type) = self.event_type() else { return Known::Nothing };
        let argument = event_type.argument_of(fact);
        let path = |named: Option<Value<'_>>, given: Option<Value<'_>>| {
            named.filter(|_| fact == Fact::Path).or(given).and_then(as_text)
        };
        let (name, event) = (Field::FdName, self.event);
        let given = argument.and_then(|argument| event.get(Field::EvtArg, Some(argument)));
        let first = path(event.get(name, None), given.clone());
        let other = path(event.get_with_other_path(name, None), given);
        let other = Some(other).filter(|_| self.event.has_other_path());
        let paths: Option<Vec<_>> = [Some(first), other].into_iter().flatten().collect();
        let known = |path: &Vec<u8>| match event_type.family {
            // The name of another socket is its addresses.
            Family::Connect => path.starts_with(b"/") || path.starts_with(b"@"),
            _ => fact == Fact::LinkTarget || is_plain(path),
        };
        texts(paths.filter(|paths| paths.iter().all(known)))
    }

    /// The two ends in the order local, peer.
    fn end(&self, fact: Fact) -> Known {
        let is_local = matches!(fact, Fact::LocalAddress | Fact::LocalPort);
        let is_port = matches!(fact, Fact::LocalPort | Fact::PeerPort);
        let connects = self.event_type().is_some_and(|known| known.family == Family::Connect);
        let field = match (connects, is_local, is_port) {
            (true, true, false) => Field::FdCip,
            (true, false, false) => Field::FdSip,
            (true, true, true) => Field::FdCport,
            (true, false, true) => Field::FdSport,
            (false, true, false) => Field::FdLip,
            (false, false, false) => Field::FdRip,
            (false, true, true) => Field::FdLport,
            (false, false, true) => Field::FdRport,
        };
        match self.value(field, None) {
            Some(Value::Ip(address)) => Known::Address(address),
            _ if is_port => self.number(field),
            _ => Known::Nothing,
        }
    }

    fn fd_type(&self) -> Option<Vec<u8>> {
        let is_known = |name: &Vec<u8>| FD_TYPES.iter().any(|(known, _)| known.as_bytes() == name);
        if let Some(name) = self.text(Field::FdType, None) {
            return Some(name).filter(is_known);
        }
        let shown = self.text(Field::FdTypechar, None)?;
        let mut fitting = FD_TYPES.iter().filter(|(_, char)| char.as_bytes() == shown);
        let (name, _) = fitting.next()?;
        // Two types have the same character.
        fitting.next().is_none().then(|| name.as_bytes().to_vec())
    }
}

impl KernelFacts for ShownFacts<'_> {
    fn known(&self, fact: Fact) -> Known {
        let one = |text: Option<Vec<u8>>| texts(text.map(|text| vec![text]));
        match fact {
            Fact::Path | Fact::OldPath | Fact::NewPath | Fact::LinkTarget => self.paths(fact),
            Fact::RawPath => one(self.text(Field::FdNameraw, None)),
            Fact::FdType => one(self.fd_type()),
            Fact::Transport => one(self.text(Field::FdL4proto, None))
                .only_if(|text| [&b"tcp"[..], b"udp", b"icmp", b"raw"].contains(&text)),
            Fact::Argument(name) => one(self.text(Field::EvtArg, Some(name))),
            Fact::Result => self.number(Field::EvtRawres),
            Fact::Descriptor => self.number(Field::FdNum),
            Fact::Flag(field) | Fact::ProcessNumber(field) => self.number(field),
            Fact::LocalAddress | Fact::PeerAddress | Fact::LocalPort | Fact::PeerPort => {
                self.end(fact)
            }
            Fact::Place => one(self.text(Field::ContainerId, None).filter(|id| id == b"host")),
            Fact::ProcessName => one(self.text(Field::ProcName, None)),
            Fact::Capabilities(field) => one(self.text(field, None)),
        }
    }
}

impl Known {
    fn only_if(self, wanted: impl Fn(&[u8]) -> bool) -> Self {
        match self {
            Self::Texts(texts) if !texts.iter().all(|text| wanted(text)) => Self::Nothing,
            known => known,
        }
    }
}

fn texts(texts: Option<Vec<Vec<u8>>>) -> Known {
    texts.map_or(Known::Nothing, Known::Texts)
}

fn as_text(value: Value<'_>) -> Option<Vec<u8>> {
    match value {
        Value::Text(text) => Some(text.into_owned()),
        _ => None,
    }
}

/// Absolute, and without a component that means another place.
fn is_plain(path: &[u8]) -> bool {
    let Some(relative) = path.strip_prefix(b"/") else { return false };
    relative.is_empty()
        || relative.split(|byte| *byte == b'/').all(|name| !matches!(name, b"" | b"." | b".."))
}

//! One test of a condition, as checks of what the kernel knows.

mod addresses;
mod numbers;
mod paths;
mod texts;

use self::{
    addresses::{addresses, at_ends},
    numbers::{numbers, open_descriptor, results},
    paths::{has_name, in_directory, part, socket_name},
    texts::{is_equality, tabulated, texts},
};
use super::{
    check::{Check, Ranges, Wanted},
    fact::Fact,
    family::EventType,
    pattern::Pattern,
    source::{Source, source_of},
};
use crate::{
    event::{Event, Value},
    field::Field,
    predicate::{Constant, Right, Test},
    syntax::{Operator, Quantifier},
};

/// What can be said of a test, or of its opposite, for one event type.
pub(super) enum Outcome {
    /// It holds for every event, or may.
    Always,
    /// It holds for none.
    Never,
    /// Where it holds, all checks of one of these pass.
    Checks(Vec<Vec<Check>>),
    /// The kernel cannot tell.
    Unknown,
}

/// `fd.type` and `fd.typechar` of what a descriptor can be.
pub(super) const FD_TYPES: [(&str, &str); 16] = [
    ("file", "f"),
    ("directory", "d"),
    ("ipv4", "4"),
    ("ipv6", "6"),
    ("unix", "u"),
    ("pipe", "p"),
    ("event", "e"),
    ("signalfd", "s"),
    ("eventpoll", "l"),
    ("inotify", "i"),
    ("timerfd", "t"),
    ("netlink", "n"),
    ("bpf", "b"),
    ("userfaultfd", "u"),
    ("io_uring", "r"),
    ("memfd", "m"),
];

const TRANSPORTS: [&str; 4] = ["tcp", "udp", "icmp", "raw"];

/// What the values are for which a test holds: all of one of these.
struct Values {
    alternatives: Vec<Vec<Wanted>>,
    /// Whether the test holds for all of these values, too.
    exact: bool,
}

pub(super) fn outcome(test: &Test, event_type: EventType, negated: bool) -> Outcome {
    let Some(field) = test.left.as_plain_field() else { return Outcome::Unknown };
    if matches!(test.right, Right::Extract(_)) {
        return Outcome::Unknown;
    }
    if let Field::EvtType | Field::EvtDir = field.field {
        let holds = test.holds(&OnlyType(event_type.name));
        return if holds == negated { Outcome::Never } else { Outcome::Always };
    }
    if field.field == Field::EvtNum {
        return event_number(test, negated);
    }
    let argument = field.arg.as_deref().filter(|_| field.field == Field::EvtArg);
    if argument.is_some_and(|name| event_type.lacks_argument(name)) {
        return if negated { Outcome::Always } else { Outcome::Never };
    }
    let Some(source) = source_of(field, event_type) else { return Outcome::Unknown };
    if matches!(test.right, Right::Nothing) {
        return existence(field.field, source, negated);
    }
    if is_empty_list(test) {
        return if negated { Outcome::Always } else { Outcome::Never };
    }
    let found = match source {
        Source::Text(fact) => plain(fact, texts(test, fact), negated),
        // Recordings have no ancestor 0, so that there its opposite holds for any name.
        Source::OwnName => {
            plain(Fact::ProcessName, inexact(texts(test, Fact::ProcessName)), negated)
        }
        Source::Directory => part(test, in_directory, negated),
        Source::FileName => part(test, has_name, negated),
        Source::FdType => {
            plain(Fact::FdType, tabulated(test, FD_TYPES.map(|(name, _)| (name, name))), negated)
        }
        Source::TypeChar => {
            plain(Fact::FdType, tabulated(test, FD_TYPES.map(|(name, char)| (char, name))), negated)
        }
        Source::SocketFamily => {
            let names = [("ip", "ipv4"), ("ip", "ipv6"), ("unix", "unix")];
            plain(Fact::FdType, inexact(tabulated(test, names)), negated)
        }
        Source::Transport => {
            plain(Fact::Transport, tabulated(test, TRANSPORTS.map(|name| (name, name))), negated)
        }
        Source::SocketName => socket_name(test, negated),
        Source::Place => plain(Fact::Place, place(test), negated),
        Source::Container => in_container(test, negated),
        Source::Error => plain(Fact::Result, results(test), negated),
        Source::Failed => {
            let failed = |failed| holds_for(test, &Value::Bool(failed));
            let sides =
                [(true, Ranges::between(i128::MIN, -1)), (false, Ranges::between(0, i128::MAX))];
            let ranges = sides.into_iter().filter(|(side, _)| failed(*side));
            let ranges = ranges.fold(Ranges::default(), |all, (_, ranges)| all.or(&ranges));
            plain(Fact::Result, exactly(Wanted::Number(ranges)), negated)
        }
        Source::OpenDescriptor => plain(Fact::Result, open_descriptor(test), negated),
        Source::Number(fact) => plain(fact, numbers(test), negated),
        Source::Flag(fact) => {
            let sides = [(false, Ranges::between(0, 0)), (true, Ranges::between(1, 1))];
            let ranges = sides.into_iter().filter(|(side, _)| holds_for(test, &Value::Bool(*side)));
            let ranges = ranges.fold(Ranges::default(), |all, (_, ranges)| all.or(&ranges));
            plain(fact, exactly(Wanted::Number(ranges)), negated)
        }
        Source::Addresses(ends) => at_ends(test, &ends, addresses(test), negated),
        Source::Ports(ends) => at_ends(test, &ends, numbers(test), negated),
    };
    found.map_or(Outcome::Unknown, Outcome::Checks)
}

/// An event of which nothing but its type is known.
struct OnlyType(&'static str);

impl Event for OnlyType {
    fn event_type(&self) -> &str {
        self.0
    }

    fn time_ns(&self) -> i64 {
        0
    }

    fn get(&self, _field: Field, _arg: Option<&str>) -> Option<Value<'_>> {
        None
    }
}

fn holds_for(test: &Test, value: &Value<'_>) -> bool {
    test.value_holds(value, &OnlyType(""))
}

/// Events are counted from 1: the usual way to say "never" is `evt.num=0`.
fn event_number(test: &Test, negated: bool) -> Outcome {
    let counted = Ranges::between(1, i128::MAX);
    match numbers(test) {
        Some(Values { alternatives, .. }) if !negated => match alternatives.as_slice() {
            [one] => match one.as_slice() {
                [Wanted::Number(ranges)] if ranges.and(&counted) == Ranges::default() => {
                    Outcome::Never
                }
                _ => Outcome::Unknown,
            },
            _ => Outcome::Unknown,
        },
        // That it is not 0 says nothing.
        _ => Outcome::Always,
    }
}

/// That there is a value narrows nothing, but of what only containers have.
fn existence(field: Field, source: Source, negated: bool) -> Outcome {
    match source {
        Source::Container if !negated && !is_shown_of_host(field) => {
            Outcome::Checks(vec![vec![runs_in_container()]])
        }
        _ => Outcome::Unknown,
    }
}

/// The host has a name and a type, too, and they are `host`.
fn is_shown_of_host(field: Field) -> bool {
    matches!(field, Field::ContainerName | Field::ContainerType)
}

/// `in ()`, for which no value fits.
fn is_empty_list(test: &Test) -> bool {
    match &test.right {
        Right::Texts(texts) => texts.is_empty(),
        Right::Constants(quantifier, constants) => {
            constants.is_empty() && *quantifier != Quantifier::All
        }
        Right::Nothing | Right::Extract(_) => false,
    }
}

fn exactly(wanted: Wanted) -> Option<Values> {
    Some(Values { alternatives: vec![vec![wanted]], exact: true })
}

fn inexact(values: Option<Values>) -> Option<Values> {
    values.map(|values| Values { exact: false, ..values })
}

/// Checks of one fact; of its opposite only where that is known exactly.
fn plain(fact: Fact, values: Option<Values>, negated: bool) -> Option<Vec<Vec<Check>>> {
    let values = values?;
    if !negated {
        let checks = |wanted: Vec<Wanted>| {
            wanted.into_iter().map(|wanted| Check { fact, wanted }).collect::<Vec<_>>()
        };
        return Some(values.alternatives.into_iter().map(checks).collect());
    }
    let opposite = opposite(fact, values)?;
    Some(vec![vec![Check { fact, wanted: opposite }]])
}

fn opposite(fact: Fact, values: Values) -> Option<Wanted> {
    if !values.exact || !fact.is_always_shown() {
        return None;
    }
    let [alternative] = <[_; 1]>::try_from(values.alternatives).ok()?;
    let [wanted] = <[_; 1]>::try_from(alternative).ok()?;
    Some(match wanted {
        Wanted::Text(patterns) => Wanted::NoText(patterns),
        Wanted::NoText(patterns) => Wanted::Text(patterns),
        Wanted::Number(ranges) => Wanted::Number(ranges.not()),
        Wanted::Address(subnets) => Wanted::NoAddress(subnets),
        Wanted::NoAddress(subnets) => Wanted::Address(subnets),
    })
}

fn runs_in_container() -> Check {
    let container = Pattern::Is(b"container".to_vec());
    Check { fact: Fact::Place, wanted: Wanted::Text([container].into()) }
}

/// `container.id` is `host`, or one of endlessly many others.
fn place(test: &Test) -> Option<Values> {
    let host = holds_for(test, &Value::text("host"));
    let equality = is_equality(test.operator);
    let only_host = |text: &[u8]| text == b"host";
    // Whether the test is about "host" alone, so that all containers are alike to it.
    let alone = match &test.right {
        Right::Texts(texts) => texts.iter().all(|text| only_host(text)),
        Right::Constants(_, constants) => constants.iter().all(|constant| match constant {
            Constant::Text(text) => only_host(text),
            _ => false,
        }),
        Right::Nothing | Right::Extract(_) => false,
    };
    let alone = alone && (equality || test.operator == Operator::NotEqual);
    let container = !(alone && equality);
    if host && container {
        return None;
    }
    let places = [(host, "host"), (container, "container")];
    let fitting = places.into_iter().filter(|(fits, _)| *fits);
    let fitting = fitting.map(|(_, name)| Pattern::Is(name.into())).collect();
    Some(Values { alternatives: vec![vec![Wanted::Text(fitting)]], exact: alone })
}

/// What only containers have. Nothing can be said of its opposite: the host has no value.
fn in_container(test: &Test, negated: bool) -> Option<Vec<Vec<Check>>> {
    let shown = test.left.as_plain_field().is_some_and(|field| is_shown_of_host(field.field));
    let fits_host = shown && holds_for(test, &Value::text("host"));
    (!negated && !fits_host).then(|| vec![vec![runs_in_container()]])
}

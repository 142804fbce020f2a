//! One test of a condition, as checks of what the kernel knows.

use std::collections::BTreeSet;

use super::{
    check::{Check, Ranges, Subnet, Wanted},
    fact::{Domain, Fact},
    family::EventType,
    pattern::{Pattern, implied_by_glob},
    source::{Ends, Source, source_of},
};
use crate::{
    event::{Event, Value},
    field::{Field, Shape},
    predicate::{Constant, Glob, Network, Right, Test},
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

/// The texts of errors that conditions ask for, and their numbers; `evt.res` of others is not told
/// apart.
const ERRORS: [(&str, i128); 12] = [
    ("EPERM", -1),
    ("ENOENT", -2),
    ("EINTR", -4),
    ("EAGAIN", -11),
    ("EACCES", -13),
    ("EEXIST", -17),
    ("EROFS", -30),
    ("ENETUNREACH", -101),
    ("ETIMEDOUT", -110),
    ("ECONNREFUSED", -111),
    ("EHOSTUNREACH", -113),
    ("EINPROGRESS", -115),
];

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

/// The constants of a test as texts that fit, each as what they imply.
fn texts(test: &Test, fact: Fact) -> Option<Values> {
    let one = |text: &[u8]| Constant::Text(text.to_vec());
    let (quantifier, constants) = match &test.right {
        Right::Texts(texts) => (Quantifier::Any, texts.iter().map(|text| one(text)).collect()),
        Right::Constants(quantifier, constants) => (*quantifier, constants.clone()),
        Right::Nothing | Right::Extract(_) => return None,
    };
    if test.operator == Operator::NotEqual {
        let several = constants.len() > 1 && quantifier != Quantifier::All;
        // Of any ancestor it may be said that it is not the one.
        if several || test.left.shape() == Shape::AnyOf {
            return None;
        }
        let is = |constant: Constant| match constant {
            Constant::Text(text) => Pattern::Is(text).bounded().filter(|(_, exact)| *exact),
            _ => None,
        };
        let patterns: Option<BTreeSet<_>> = constants
            .into_iter()
            .map(|constant| is(constant).map(|(pattern, _)| pattern))
            .collect();
        let usable = fact.domain() != Domain::Flags;
        return patterns.filter(|_| usable).and_then(|patterns| exactly(Wanted::NoText(patterns)));
    }
    if quantifier == Quantifier::All && constants.len() > 1 {
        return None;
    }
    let mut exact = quantifier != Quantifier::One || constants.len() == 1;
    let mut single = BTreeSet::new();
    let mut alternatives = Vec::new();
    for constant in constants {
        let (implied, same) = implied(test.operator, constant, fact)?;
        exact &= same;
        match implied {
            Implied::AnyOf(patterns) => single.extend(patterns),
            Implied::AllOf(patterns) => alternatives
                .push(patterns.into_iter().map(|pattern| Wanted::Text([pattern].into())).collect()),
        }
    }
    if !single.is_empty() || alternatives.is_empty() {
        alternatives.push(vec![Wanted::Text(single)]);
    }
    Some(Values { alternatives, exact })
}

enum Implied {
    AnyOf(Vec<Pattern>),
    AllOf(Vec<Pattern>),
}

/// What a text must be that fits one constant, and whether that is all it must be.
fn implied(operator: Operator, constant: Constant, fact: Fact) -> Option<(Implied, bool)> {
    use Operator as Op;
    let domain = fact.domain();
    let pattern = match (operator, constant) {
        (Op::Contains | Op::ContainsNoCase, Constant::Text(text)) if domain == Domain::Flags => {
            let name = if operator == Op::Contains { text } else { text.to_ascii_uppercase() };
            let usable = is_one_flag(&name);
            return usable.then_some((Implied::AnyOf(vec![Pattern::Contains(name)]), true));
        }
        _ if domain == Domain::Flags => return None,
        // Names of processes are looked up as a whole.
        (operator, _) if fact == Fact::ProcessName && !is_equality(operator) => return None,
        (Op::Equal | Op::In | Op::Intersects, Constant::Text(text)) => Pattern::Is(text),
        (Op::StartsWith, Constant::Text(text)) => Pattern::StartsWith(text),
        (Op::EndsWith, Constant::Text(text)) => Pattern::EndsWith(text),
        (Op::Contains, Constant::Text(text)) => Pattern::Contains(text),
        (Op::Glob | Op::GlobNoCase, Constant::Glob(glob)) => {
            let (patterns, exact) = implied_by_glob(&glob);
            return all_of(patterns, exact, domain);
        }
        (Op::PathMatch, Constant::Components(components)) if is_plain(fact) => {
            return components_implied(&components);
        }
        _ => return None,
    };
    all_of(vec![pattern], true, domain)
}

fn is_equality(operator: Operator) -> bool {
    matches!(operator, Operator::Equal | Operator::In | Operator::Intersects)
}

/// Whether it is shown exactly where some bit is set.
fn is_one_flag(name: &[u8]) -> bool {
    /// Opens show these for several bits, for none or for what else is known of the file.
    const OTHERS: [&str; 10] = [
        "O_NONE",
        "O_RDONLY",
        "O_WRONLY",
        "O_RDWR",
        "O_SYNC",
        "O_DSYNC",
        "O_TMPFILE",
        "O_F_CREATED",
        "FD_UPPER_LAYER",
        "FD_LOWER_LAYER",
    ];
    // A name does not reach over what joins them, and bits without a name are shown as a number.
    let is_apart = |byte: &u8| b"| ,".contains(byte) || byte.is_ascii_digit();
    let of_others = |other: &&str| other.as_bytes().windows(name.len()).any(|part| part == name);
    !name.is_empty() && !name.iter().any(is_apart) && !OTHERS.iter().any(of_others)
}

/// Paths that have no empty component, nor `.` and `..`.
fn is_plain(fact: Fact) -> bool {
    matches!(fact, Fact::Path | Fact::OldPath | Fact::NewPath)
}

fn all_of(patterns: Vec<Pattern>, exact: bool, domain: Domain) -> Option<(Implied, bool)> {
    let mut all_exact = exact;
    let mut bounded = Vec::new();
    for pattern in patterns {
        // User space and tables have no limit on what they test.
        let cut = if domain == Domain::Path { pattern.bounded() } else { Some((pattern, true)) };
        if let Some((pattern, exact)) = cut {
            all_exact &= exact;
            bounded.push(pattern);
        }
    }
    match <[Pattern; 1]>::try_from(bounded) {
        Ok(one) => Some((Implied::AnyOf(one.into()), all_exact)),
        Err(none) if none.is_empty() => None,
        Err(several) => Some((Implied::AllOf(several), all_exact)),
    }
}

fn components_implied(components: &[Glob]) -> Option<(Implied, bool)> {
    let mut text = Vec::new();
    for (at, component) in components.iter().enumerate() {
        if at > 0 {
            text.push(b'/');
        }
        let pieces = component.literal_pieces();
        text.extend(pieces.first()?);
        if pieces.len() > 1 {
            let (pattern, _) = Pattern::StartsWith(text).bounded()?;
            return Some((Implied::AnyOf(vec![pattern]), false));
        }
    }
    let below = [text.as_slice(), b"/"].concat();
    let (itself, exact) = Pattern::Is(text).bounded()?;
    let (below, below_exact) = Pattern::StartsWith(below).bounded()?;
    Some((Implied::AnyOf(vec![itself, below]), exact && below_exact))
}

/// A test of a part of the path, as one of the path. Its opposite is not told: the part may be
/// missing where the path is not.
fn part(
    test: &Test,
    of_path: fn(Pattern) -> Option<Pattern>,
    negated: bool,
) -> Option<Vec<Vec<Check>>> {
    if negated || test.operator == Operator::NotEqual {
        return None;
    }
    let path = |wanted: Wanted| match wanted {
        Wanted::Text(patterns) => {
            let patterns: Option<BTreeSet<_>> = patterns
                .into_iter()
                .map(|pattern| of_path(pattern)?.bounded().map(|(pattern, _)| pattern))
                .collect();
            patterns.map(|patterns| Check { fact: Fact::Path, wanted: Wanted::Text(patterns) })
        }
        _ => None,
    };
    let alternatives = texts(test, Fact::Path)?.alternatives.into_iter().map(|all| {
        let checks: Vec<Check> = all.into_iter().filter_map(path).collect();
        (!checks.is_empty()).then_some(checks)
    });
    alternatives.collect()
}

fn in_directory(pattern: Pattern) -> Option<Pattern> {
    match pattern {
        Pattern::Is(text) => Some(Pattern::InDirectory(text)),
        // A directory stands at the start of its paths, so what it begins with or has in it, they
        // begin with or have in them, too.
        Pattern::StartsWith(_) | Pattern::Contains(_) => Some(pattern),
        _ => None,
    }
}

fn has_name(pattern: Pattern) -> Option<Pattern> {
    match pattern {
        Pattern::Is(text) => Some(Pattern::HasName(text)),
        Pattern::EndsWith(_) | Pattern::Contains(_) => Some(pattern),
        Pattern::StartsWith(text) => Some(Pattern::Contains([b"/", text.as_slice()].concat())),
        _ => None,
    }
}

/// For a value out of few: those that fit, whatever the operator. Each is `(shown, name)`.
fn tabulated<const N: usize>(test: &Test, table: [(&str, &str); N]) -> Option<Values> {
    let fitting = table.into_iter().filter(|(shown, _)| holds_for(test, &Value::text(shown)));
    exactly(Wanted::Text(fitting.map(|(_, name)| Pattern::Is(name.into())).collect()))
}

/// `fd.name` of a socket is a path only if it is a Unix one.
fn socket_name(test: &Test, negated: bool) -> Option<Vec<Vec<Check>>> {
    // As the program gave it, it may have empty components.
    if negated || test.operator == Operator::PathMatch {
        return None;
    }
    let values = texts(test, Fact::Path)?;
    let is_path = |wanted: &Wanted| match wanted {
        Wanted::Text(patterns) => patterns.iter().all(|pattern| match pattern {
            Pattern::Is(text) | Pattern::StartsWith(text) => text.starts_with(b"/"),
            _ => false,
        }),
        _ => false,
    };
    let with_type = |alternative: Vec<Wanted>| {
        alternative.iter().any(is_path).then(|| {
            let unix = Wanted::Text([Pattern::Is(b"unix".to_vec())].into());
            let paths = alternative.into_iter().map(|wanted| Check { fact: Fact::Path, wanted });
            paths.chain([Check { fact: Fact::FdType, wanted: unix }]).collect()
        })
    };
    values.alternatives.into_iter().map(with_type).collect()
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

/// `evt.res` as the number behind it.
fn results(test: &Test) -> Option<Values> {
    let success = holds_for(test, &Value::text("SUCCESS"));
    let known =
        |text: &[u8]| text == b"SUCCESS" || ERRORS.iter().any(|(name, _)| name.as_bytes() == text);
    let equality = is_equality(test.operator) || test.operator == Operator::NotEqual;
    let all_known = match &test.right {
        Right::Texts(texts) => texts.iter().all(|text| known(text)),
        Right::Constants(_, constants) => constants.iter().all(|constant| match constant {
            Constant::Text(text) => known(text),
            _ => false,
        }),
        Right::Nothing | Right::Extract(_) => false,
    };
    let exact = equality && all_known;
    let mut ranges = Ranges::default();
    let mut others = Ranges::between(i128::MIN, -1);
    for (name, number) in ERRORS {
        let one = Ranges::between(number, number);
        others = others.and(&one.not());
        if holds_for(test, &Value::text(name)) {
            ranges = ranges.or(&one);
        }
    }
    // An error without a row may have any name but those, so what no row has may be its name.
    if !exact || holds_for(test, &Value::text("E")) {
        ranges = ranges.or(&others);
    }
    if success {
        ranges = ranges.or(&Ranges::between(0, i128::MAX));
    }
    Some(Values { alternatives: vec![vec![Wanted::Number(ranges)]], exact })
}

/// The descriptor that an open gives is its result; where it fails, some negative number.
fn open_descriptor(test: &Test) -> Option<Values> {
    let values = numbers(test)?;
    let negative = Ranges::between(i128::MIN, -1);
    let result = |wanted: Wanted| match wanted {
        Wanted::Number(ranges) if ranges.and(&negative) == Ranges::default() => {
            Wanted::Number(ranges)
        }
        Wanted::Number(ranges) => Wanted::Number(ranges.or(&negative)),
        other => other,
    };
    let alternatives = values
        .alternatives
        .into_iter()
        .map(|alternative| alternative.into_iter().map(result).collect())
        .collect();
    Some(Values { alternatives, exact: false })
}

fn numbers(test: &Test) -> Option<Values> {
    let Right::Constants(quantifier, constants) = &test.right else { return None };
    let number = |constant: &Constant| match constant {
        Constant::Number(number) => Some(*number),
        _ => None,
    };
    let numbers: Vec<i128> = constants.iter().map(number).collect::<Option<_>>()?;
    let fitting = numbers.iter().map(|number| {
        let (below, above) = (number.saturating_sub(1), number.saturating_add(1));
        Some(match test.operator {
            Operator::Equal | Operator::In | Operator::Intersects => {
                Ranges::between(*number, *number)
            }
            Operator::NotEqual => Ranges::between(*number, *number).not(),
            Operator::Less => Ranges::between(i128::MIN, below),
            Operator::LessOrEqual => Ranges::between(i128::MIN, *number),
            Operator::Greater => Ranges::between(above, i128::MAX),
            Operator::GreaterOrEqual => Ranges::between(*number, i128::MAX),
            _ => return None,
        })
    });
    let fitting: Vec<Ranges> = fitting.collect::<Option<_>>()?;
    let ranges = match quantifier {
        Quantifier::All => fitting.iter().fold(Ranges::all(), |all, one| all.and(one)),
        _ => fitting.iter().fold(Ranges::default(), |any, one| any.or(one)),
    };
    let exact = *quantifier != Quantifier::One || numbers.len() == 1;
    Some(Values { alternatives: vec![vec![Wanted::Number(ranges)]], exact })
}

fn addresses(test: &Test) -> Option<Values> {
    let Right::Constants(quantifier, constants) = &test.right else { return None };
    let subnet = |constant: &Constant| match constant {
        Constant::Address(address) => Some(Subnet::new(Network::of_one(address.to_canonical()))),
        Constant::Network(network) => Some(Subnet::new(*network)),
        _ => None,
    };
    let subnets: BTreeSet<Subnet> = constants.iter().map(subnet).collect::<Option<_>>()?;
    let one = constants.len() == 1;
    match (test.operator, quantifier) {
        (Operator::NotEqual, Quantifier::All) => exactly(Wanted::NoAddress(subnets)),
        (Operator::NotEqual, _) if one => exactly(Wanted::NoAddress(subnets)),
        (Operator::Equal | Operator::In | Operator::Intersects, Quantifier::Any) => {
            exactly(Wanted::Address(subnets))
        }
        (Operator::Equal | Operator::In | Operator::Intersects, _) if one => {
            exactly(Wanted::Address(subnets))
        }
        (Operator::Equal | Operator::In | Operator::Intersects, Quantifier::One) => {
            inexact(exactly(Wanted::Address(subnets)))
        }
        _ => None,
    }
}

/// A test of an end of the connection, when the field is both ends, or one of which it is not known
/// which it is.
fn at_ends(
    test: &Test,
    ends: &Ends,
    values: Option<Values>,
    negated: bool,
) -> Option<Vec<Vec<Check>>> {
    let mut of_each = Vec::new();
    for fact in ends.facts() {
        let values = values.as_ref().map(|values| Values {
            alternatives: values.alternatives.clone(),
            exact: values.exact,
        });
        of_each.push(plain(*fact, values, negated)?);
    }
    // Both ends must fit where the test is `!=`, or where it is the opposite of one of them does.
    if ends.is_both() && test.needs_all() != negated {
        let [one, two] = <[Vec<Vec<Check>>; 2]>::try_from(of_each).ok()?;
        let pairs = one
            .iter()
            .flat_map(|one| two.iter().map(move |two| [one.clone(), two.clone()].concat()));
        return Some(pairs.collect());
    }
    Some(of_each.into_iter().flatten().collect())
}

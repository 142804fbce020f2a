use std::{borrow::Cow, collections::BTreeSet};

use jiff::{Timestamp, civil::Time};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::{Alert, AlertError, AlertId, Entity, Priority, SCHEMA};

/// Most bytes of what Falco writes for one alert. One that is longer than
/// [`ALERT_BYTES_MAX`](crate::ALERT_BYTES_MAX) is shortened, not refused: who makes a command line long
/// must not make its alert disappear.
pub const FALCO_BYTES_MAX: usize = 1 << 20;

/// The rule of an alert that Falco told as text, where it names none.
pub const TEXT_RULE: &str = "Falco text";

/// What stock Falco cannot say about itself, known to whoever reads its alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FalcoInput {
    /// The node that this Falco watches. Falco's own `hostname` is often the
    /// name of its pod, and an alert of another node must not act on this one.
    pub node: String,
    /// The cluster of that node.
    pub cluster: Option<String>,
}

impl FalcoInput {
    /// Reads one alert of stock Falco, JSON or text, that came `now`, and gives
    /// it an id.
    ///
    /// What begins with `{` is JSON or nothing: a text alert begins with its time.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when it is neither.
    pub fn read_any(&self, bytes: &[u8], now: Timestamp) -> Result<Alert, AlertError> {
        let text = bytes.trim_ascii();
        if text.is_empty() || text.starts_with(b"{") {
            self.read(text)
        } else {
            self.read_text(text, now)
        }
    }

    /// Reads one alert of stock Falco's JSON (`json_output: true`), of whatever
    /// version and with whatever `json_include_*` left out.
    ///
    /// `id`, `node`, `cluster`, `schema` and `entity` in the bytes are ignored:
    /// a writer of Falco alerts does not get to name another node's pod.
    ///
    /// # Errors
    /// When the bytes are too long, are not JSON, or lack `rule`, `priority` or
    /// `time`; the message names the key.
    pub fn read(&self, bytes: &[u8]) -> Result<Alert, AlertError> {
        let falco = parse(&bounded(bytes)?)?;
        if falco.rule.is_empty() {
            return Err(AlertError::Empty { key: "rule" });
        }
        let mut other = falco.other;
        for ours in OURS {
            other.remove(ours);
        }
        let output = match falco.output {
            Some(output) => output,
            // `json_include_output_property: false`; the message may be there alone.
            None => other.get("message").and_then(Value::as_str).unwrap_or(&falco.rule).to_owned(),
        };
        Ok(Alert {
            id: AlertId::new(),
            schema: SCHEMA,
            time: falco.time,
            node: self.node.clone(),
            cluster: self.cluster.clone(),
            hostname: falco.hostname,
            rule: falco.rule,
            priority: falco.priority,
            source: if falco.source.is_empty() { SYSCALL.to_owned() } else { falco.source },
            tags: falco.tags,
            output,
            entity: Entity::from_falco(&falco.output_fields),
            output_fields: falco.output_fields,
            other,
        })
    }

    /// Reads one line of Falco's text (`json_output: false`), such as
    /// `13:53:31.726060287: Critical Something happened (user=root)`. All of it
    /// is the alert's `output`; its rule is [`TEXT_RULE`].
    ///
    /// A time without a date is the last one before `now` that fits: Falco
    /// writes it in its own time zone, of which only the minutes of a quarter
    /// of an hour are certain.
    ///
    /// # Errors
    /// When it is too long, or has no time and priority in front.
    pub fn read_text(&self, bytes: &[u8], now: Timestamp) -> Result<Alert, AlertError> {
        let line = bounded(bytes)?;
        let line = line.trim_ascii_end();
        let (time, priority) = text_prefix(line, now).ok_or(AlertError::NotText)?;
        Ok(Alert {
            id: AlertId::new(),
            schema: SCHEMA,
            time,
            node: self.node.clone(),
            cluster: self.cluster.clone(),
            hostname: String::new(),
            rule: TEXT_RULE.to_owned(),
            priority,
            source: SYSCALL.to_owned(),
            tags: BTreeSet::new(),
            output: line.to_owned(),
            output_fields: Map::new(),
            entity: Entity::default(),
            other: Map::new(),
        })
    }
}

/// Keys that we alone write.
const OURS: [&str; 5] = ["id", "node", "cluster", "schema", "entity"];

/// The source of alerts from a Falco too old to name one.
const SYSCALL: &str = "syscall";

/// Falco's JSON, as `falco -o json_output=true` prints it. Older ones know no
/// `hostname`, `source` and `tags`; each `json_include_*` leaves one out.
#[derive(Deserialize)]
struct FalcoAlert {
    #[serde(default, deserialize_with = "or_null")]
    hostname: String,
    #[serde(default)]
    output: Option<String>,
    #[serde(default, deserialize_with = "or_null")]
    output_fields: Map<String, Value>,
    priority: Priority,
    rule: String,
    #[serde(default, deserialize_with = "or_null")]
    source: String,
    #[serde(default, deserialize_with = "or_null")]
    tags: BTreeSet<String>,
    time: Timestamp,
    #[serde(flatten)]
    other: Map<String, Value>,
}

fn or_null<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The bytes as text. Before 0.44 Falco wrote the bytes of a file's name as
/// they are, and who names a file in bytes that are no UTF-8 must not be able
/// to make an alert unreadable.
fn bounded(bytes: &[u8]) -> Result<Cow<'_, str>, AlertError> {
    if bytes.len() > FALCO_BYTES_MAX {
        return Err(AlertError::TooLong { len: bytes.len(), max: FALCO_BYTES_MAX });
    }
    Ok(String::from_utf8_lossy(bytes))
}

fn parse(text: &str) -> Result<FalcoAlert, AlertError> {
    serde_json::from_str(text).or_else(|error| {
        // For the same reason as above; the first error is the one that counts.
        serde_json::from_str(&repaired(text)).map_err(|_still| AlertError::Json(error))
    })
}

/// Replaces what JSON does not allow inside of a text, and a writer that is not
/// strict lets through: control characters, and halves of surrogate pairs.
fn repaired(text: &str) -> String {
    let mut repaired = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '\\' || c.is_ascii_control()) {
        let (before, from) = rest.split_at(at);
        repaired.push_str(before);
        let len = match from.as_bytes() {
            [b'\\', b'u', ..] => match (unit(from), from.get(6..).and_then(unit)) {
                (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
                (Some(0xD800..=0xDFFF), _) => {
                    repaired.push('\u{FFFD}');
                    rest = from.get(6..).unwrap_or_default();
                    continue;
                }
                _ => 2,
            },
            [b'\\', next, ..] if next.is_ascii() => 2,
            [b'\\', ..] => 1,
            _ => {
                repaired.push(' ');
                rest = from.get(1..).unwrap_or_default();
                continue;
            }
        };
        let (kept, after) = from.split_at_checked(len).unwrap_or((from, ""));
        repaired.push_str(kept);
        rest = after;
    }
    repaired.push_str(rest);
    repaired
}

/// The code unit of `\uXXXX` at the beginning.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// The time and the priority in front of a text alert.
fn text_prefix(line: &str, now: Timestamp) -> Option<(Timestamp, Priority)> {
    let (time, rest) = line.split_once(": ")?;
    let (priority, _message) = rest.split_once(' ')?;
    let priority = priority.parse().ok()?;
    // `time_format_iso_8601: true`
    if let Ok(time) = time.parse() {
        return Some((time, priority));
    }
    // Its own form alone: the parser would also take `13`.
    let digits =
        |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let form = clock.len() == 8 && clock.split(':').all(|part| digits(part, 2));
    if !form || fraction.len() > 9 || !digits(fraction, fraction.len()) {
        return None;
    }
    Some((last_before(time.parse().ok()?, now)?, priority))
}

fn last_before(time: Time, now: Timestamp) -> Option<Timestamp> {
    const SECOND: i128 = 1_000_000_000;
    /// Every time zone is some of these away from UTC.
    const QUARTER: i128 = 15 * 60 * SECOND;
    /// How far Falco's clock may be before ours.
    const AHEAD_MAX: i128 = 60 * SECOND;
    let of_day =
        i128::from(time.hour()) * 3600 + i128::from(time.minute()) * 60 + i128::from(time.second());
    let stated = of_day * SECOND + i128::from(time.subsec_nanosecond());
    let latest = now.as_nanosecond() + AHEAD_MAX;
    Timestamp::from_nanosecond(latest - (latest - stated).rem_euclid(QUARTER)).ok()
}

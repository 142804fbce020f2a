use std::fmt;

use serde_json::{Map, Value};

use super::{
    api::Found,
    wanted::{Kind, Wanted},
};

/// One setting that stands otherwise than it should.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The server's name of the setting: `max_bytes`.
    pub setting: &'static str,
    /// As it stands.
    pub is: Value,
    /// As the layout says.
    pub should: Value,
}

impl Eq for Difference {}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value| readable(self.setting, value);
        write!(f, "{} {} -> {}", self.setting, show(&self.is), show(&self.should))
    }
}

/// Settings of which less keeps less, and how to say what is lost.
const RETENTION: [&str; 4] = ["max_bytes", "max_age", "num_replicas", "max_msgs_per_subject"];
/// The server gives durations in nanoseconds.
const DURATIONS: [&str; 6] = [
    "max_age",
    "duplicate_window",
    "subject_delete_marker_ttl",
    "ack_wait",
    "max_expires",
    "idle_heartbeat",
];
/// What no server changes of a stream that is there.
const FIXED_OF_STREAMS: [&str; 3] = ["storage", "retention", "mirror"];
/// What no server changes of a consumer that is there.
const FIXED_OF_CONSUMERS: [&str; 2] = ["deliver_policy", "ack_policy"];

/// What of `thing` stands otherwise than it should.
pub(super) fn differences(thing: &Wanted, stands: &Map<String, Value>) -> Vec<Difference> {
    let differs = |setting: &'static str| {
        let (is, should) = (value_of(stands, setting), value_of(&thing.config, setting));
        (is != should).then_some(Difference { setting, is, should })
    };
    thing.managed().filter_map(differs).collect()
}

/// The value of a setting; `null` for what is not there, or says as much. The
/// server leaves out what is empty, and gives one filter under another name.
fn value_of(config: &Map<String, Value>, setting: &str) -> Value {
    let value = without_empty(config.get(setting).cloned().unwrap_or(Value::Null));
    let value = match (setting, config.get("filter_subject")) {
        ("filter_subjects", Some(Value::String(one))) if value.is_null() && !one.is_empty() => {
            Value::Array(vec![Value::String(one.clone())])
        }
        _ => value,
    };
    let empty = match &value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Null => true,
    };
    match value {
        _ if empty => Value::Null,
        // Without a bound, however it is said.
        Value::Number(number) if number.as_i64() == Some(-1) => Value::Null,
        // The order means nothing to the server, which has one of its own.
        Value::Array(mut list) if matches!(setting, "subjects" | "filter_subjects" | "sources") => {
            list.sort_by_key(ToString::to_string);
            Value::Array(list)
        }
        value => value,
    }
}

/// The server gives back empty texts inside of a value that were not said.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.into_iter().map(without_empty).collect()),
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                .filter(|(_, value)| !matches!(value, Value::Null) && value != "")
                .map(|(key, value)| (key, without_empty(value)))
                .collect(),
        ),
        value => value,
    }
}

/// Why `differences` cannot be taken over in place, and the cure.
pub(super) fn unchangeable(thing: &Wanted, differences: &[Difference]) -> Option<String> {
    let (fixed, cure): (&[&str], _) = match thing.kind {
        Kind::Consumer => (
            &FIXED_OF_CONSUMERS,
            format!(
                "delete the consumer (`nats consumer rm {} {}`) and run setup again; what it \
                 delivered already comes again",
                thing.stream,
                thing.durable.as_deref().unwrap_or_default()
            ),
        ),
        Kind::Stream | Kind::Bucket => (
            &FIXED_OF_STREAMS,
            format!(
                "save it (`nats stream backup {0} FOLDER`), delete it (`nats stream rm {0}`) and \
                 run setup again",
                thing.stream
            ),
        ),
    };
    let setting = differences.iter().find(|it| fixed.contains(&it.setting))?.setting;
    Some(format!("the server cannot change {setting} of what is there; {cure}"))
}

/// What would be lost by `differences`; `None` when nothing would.
pub(super) fn losses(differences: &[Difference], found: &Found) -> Option<String> {
    // Without a bound there is the most.
    let amount = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
    let shrinks =
        |it: &&Difference| RETENTION.contains(&it.setting) && amount(&it.should) < amount(&it.is);
    let shrinking: Vec<&Difference> = differences.iter().filter(shrinks).collect();
    if shrinking.is_empty() {
        return None;
    }
    let mut losses = Vec::new();
    for it in shrinking {
        losses.push(match it.setting {
            "num_replicas" => "fewer copies would be kept".to_owned(),
            "max_age" => match found.oldest {
                Some(oldest) => {
                    format!("what is older would be deleted, the oldest is of {oldest}")
                }
                None => "it would keep less from now on".to_owned(),
            },
            "max_bytes" if found.bytes > amount(&it.should) => format!(
                "the oldest {} of {} bytes would be deleted",
                found.bytes - amount(&it.should),
                found.bytes
            ),
            _ => "it would keep less from now on".to_owned(),
        });
    }
    losses.dedup();
    Some(format!("{}; --allow-shrink does it", losses.join(", ")))
}

/// A value as people read it.
fn readable(setting: &str, value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Number(number) if DURATIONS.contains(&setting) => {
            number.as_u64().map_or_else(|| number.to_string(), duration)
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn duration(nanoseconds: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    match nanoseconds {
        n if n % (3600 * SECOND) == 0 => format!("{}h", n / (3600 * SECOND)),
        n if n % (60 * SECOND) == 0 => format!("{}m", n / (60 * SECOND)),
        n if n % SECOND == 0 => format!("{}s", n / SECOND),
        n => format!("{n}ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(setting: &'static str, is: Value, should: Value) -> Difference {
        Difference { setting, is, should }
    }

    #[test]
    fn only_less_is_a_loss() {
        let found = Found { bytes: 100, ..Found::default() };
        for (setting, is, should, lost) in [
            ("max_bytes", Value::from(200), Value::from(300), false),
            ("max_bytes", Value::from(200), Value::from(150), true),
            ("max_bytes", Value::Null, Value::from(1), true),
            ("max_age", Value::from(5), Value::Null, false),
            ("num_replicas", Value::from(3), Value::from(1), true),
            ("subjects", Value::from("b"), Value::from("a"), false),
        ] {
            let differences = [difference(setting, is, should)];
            assert_eq!(losses(&differences, &found).is_some(), lost, "{}", differences[0]);
        }
        let loss = losses(&[difference("max_bytes", Value::from(200), Value::from(40))], &found);
        let expected = "the oldest 60 of 100 bytes would be deleted; --allow-shrink does it";
        assert_eq!(loss.as_deref(), Some(expected));
    }

    #[test]
    fn values_are_readable() {
        let hour = Value::from(3_600_000_000_000_u64);
        let shown = difference("max_age", hour, Value::from(90_000_000_000_u64)).to_string();
        assert_eq!(shown, "max_age 1h -> 90s");
        let shown = difference("max_bytes", Value::Null, Value::from(1)).to_string();
        assert_eq!(shown, "max_bytes none -> 1");
    }
}

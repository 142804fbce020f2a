//! A line of a log becomes an alert, or is somebody else's.
//!
//! An alert may be wrapped: by journald (`journalctl`, `journalctl -o json`), by the container
//! runtime (`kubectl logs --timestamps --prefix`, Docker's and CRI's files), by `lanner alerts
//! tail --json`. It is one of Falco's JSON objects or one of its lines of text.

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

/// How many wrappings of JSON in JSON are taken off.
const WRAPPINGS_MAX: usize = 3;

/// The longest name of a rule.
const RULE_BYTES_MAX: usize = 512;

const PRIORITIES: [&str; 9] = [
    "Emergency",
    "Alert",
    "Critical",
    "Error",
    "Warning",
    "Notice",
    "Informational",
    "Info",
    "Debug",
];

/// What tuning needs of an alert.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Alert {
    /// Empty in a line of text, which does not name its rule.
    pub(super) rule: String,
    pub(super) priority: String,
    pub(super) source: String,
    pub(super) time: Option<Timestamp>,
    /// Without time and priority.
    pub(super) message: String,
    /// None in a line of text.
    pub(super) fields: Option<Map<String, Json>>,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Read {
    Alert(Box<Alert>),
    /// Something else that went to the same log.
    Foreign,
}

/// Reads one line.
pub(super) fn read(line: &str) -> Read {
    unwrap(line, 0).map_or(Read::Foreign, |alert| Read::Alert(Box::new(alert)))
}

fn unwrap(line: &str, depth: usize) -> Option<Alert> {
    if depth > WRAPPINGS_MAX {
        return None;
    }
    let brace = line.find('{').unwrap_or(line.len());
    let (before, json) = line.split_at_checked(brace)?;
    // A line of text may quote an attacker, who may write JSON: what comes first counts.
    if text_start(before).is_some() || json.is_empty() {
        return text_alert(line);
    }
    match serde_json::from_str(json.trim_end()) {
        Ok(Json::Object(object)) => object_alert(object, depth),
        _ => None,
    }
}

fn object_alert(mut object: Map<String, Json>, depth: usize) -> Option<Alert> {
    if object.get("rule").is_some_and(Json::is_string) {
        return falco_alert(object);
    }
    // `lanner alerts tail --json`.
    if let Some(Json::Object(inner)) = object.remove("alert") {
        return falco_alert(inner);
    }
    let inner = match (object.remove("MESSAGE"), object.remove("log")) {
        (Some(Json::String(text)), _) | (None, Some(Json::String(text))) => text,
        // journald gives bytes where the text holds control characters.
        (Some(Json::Array(bytes)), _) => {
            let byte = |byte: &Json| u8::try_from(byte.as_u64()?).ok();
            let bytes: Vec<u8> = bytes.iter().map(byte).collect::<Option<_>>()?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => return None,
    };
    unwrap(&inner, depth + 1)
}

fn falco_alert(mut object: Map<String, Json>) -> Option<Alert> {
    let mut text = |key: &str| match object.remove(key) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    let rule = text("rule").filter(|rule| (1..=RULE_BYTES_MAX).contains(&rule.len()))?;
    let (message, output) = (text("message"), text("output"));
    let priority = text("priority").unwrap_or_default();
    let source = text("source").unwrap_or_else(|| "syscall".to_owned());
    let time = text("time").and_then(|time| time.parse().ok());
    let fields = match object.remove("output_fields") {
        Some(Json::Object(fields)) => Some(fields),
        _ => None,
    };
    if message.is_none() && output.is_none() && fields.is_none() {
        return None;
    }
    let output = || output.map(|output| without_prefix(&output).to_owned());
    let message = message.or_else(output).unwrap_or_default();
    Some(Alert { rule, priority, source, time, message, fields })
}

fn text_alert(line: &str) -> Option<Alert> {
    let (priority, message) = text_start(line)?;
    let (priority, message) = (priority.to_owned(), message.trim_end().to_owned());
    Some(Alert { priority, message, ..Alert::default() })
}

fn without_prefix(output: &str) -> &str {
    text_start(output).map_or(output, |(_, message)| message)
}

/// Priority and message of the first `HH:MM:SS.nnnnnnnnn: Priority message` in a line.
fn text_start(line: &str) -> Option<(&str, &str)> {
    line.match_indices(": ").find_map(|(at, colon)| {
        let (before, after) = (line.get(..at)?, line.get(at + colon.len()..)?);
        let priority = PRIORITIES.into_iter().find(|priority| {
            after.strip_prefix(priority).is_some_and(|rest| rest.starts_with(' '))
        })?;
        let message = after.get(priority.len() + 1..)?;
        ends_with_clock(before).then_some((priority, message))
    })
}

/// Whether a text ends with a time of day to the nanosecond, perhaps with `Z` or `+0000` (Falco's
/// `time_format_iso_8601`).
fn ends_with_clock(text: &str) -> bool {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let zone = text.len().checked_sub(5).and_then(|start| text.split_at_checked(start));
    let text = match zone {
        Some((text, zone)) if fits(zone, "+0000") || fits(zone, "-0000") => text,
        _ => text,
    };
    let clock = "00:00:00.000000000";
    let start = text.len().checked_sub(clock.len());
    start.and_then(|start| text.get(start..)).is_some_and(|end| fits(end, clock))
}

/// Whether a text has a digit wherever the shape has one, and the same elsewhere.
fn fits(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, shape)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const JSON: &str = r#"{"hostname":"n","output":"13:45:01.000000001: Warning cat read it (pid=7)","output_fields":{"proc.name":"cat"},"priority":"Warning","rule":"Read","source":"syscall","tags":[],"time":"2026-11-21T13:45:01.000000001Z"}"#;

    fn alert(line: &str) -> Option<Alert> {
        match read(line) {
            Read::Alert(alert) => Some(*alert),
            Read::Foreign => None,
        }
    }

    #[test]
    fn json_is_found_in_every_wrapping() {
        let expected = alert(JSON).unwrap();
        assert_eq!(
            (expected.rule.as_str(), expected.message.as_str()),
            ("Read", "cat read it (pid=7)")
        );
        assert_eq!(expected.priority, "Warning");
        assert_eq!(expected.time.unwrap().to_string(), "2026-11-21T13:45:01.000000001Z");
        let docker = json!({"log": format!("{JSON}\n"), "stream": "stdout"}).to_string();
        for line in [
            format!("{JSON}\r"),
            format!("Nov 21 13:45:01 node-1 falco[812]: {JSON}"),
            format!("2026-11-21T13:45:01+0100 node-1 falco[812]: {JSON}"),
            format!("2026-11-21T13:45:01.123456789Z {JSON}"),
            format!("[pod/falco-x7k2p/falco] 2026-11-21T13:45:01.123456789Z {JSON}"),
            format!("2026-11-21T13:45:01.123456789Z stdout F {JSON}"),
            json!({"MESSAGE": JSON, "_PID": "812"}).to_string(),
            json!({"MESSAGE": JSON.bytes().collect::<Vec<_>>()}).to_string(),
            json!({"MESSAGE": docker}).to_string(),
            format!(r#"{{"subject":"lanner.alerts.x","alert":{JSON}}}"#),
        ] {
            assert_eq!(alert(&line).as_ref(), Some(&expected), "{line}");
        }
    }

    #[test]
    fn lines_of_text_are_alerts_without_fields() {
        for line in [
            "13:45:01.000000001: Warning cat read it (pid=7)",
            "Nov 21 13:45:01 node-1 falco[812]: 13:45:01.000000001: Warning cat read it (pid=7)",
            "[pod/falco-x/falco] 2026-11-21T13:45:01.1Z 13:45:01.000000001: Warning cat read it (pid=7)",
            "2026-11-21T13:45:01.000000001+0000: Warning cat read it (pid=7)",
            "2026-11-21T13:45:01.000000001Z: Warning cat read it (pid=7)\r",
        ] {
            let found = alert(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(found.message, "cat read it (pid=7)", "{line}");
            assert_eq!((found.priority.as_str(), found.rule.as_str()), ("Warning", ""));
            assert_eq!(found.fields, None);
        }
    }

    #[test]
    fn a_quoted_alert_is_no_alert() {
        let line = format!("13:45:01.000000001: Warning sh ran (cmdline=sh -c {JSON}");
        assert_eq!(alert(&line).unwrap().rule, "");
    }

    #[test]
    fn other_lines_are_foreign() {
        let deep = "{\"MESSAGE\":".repeat(100_000);
        let wrapped = (0..9).fold(JSON.to_owned(), |line, _| json!({"log": line}).to_string());
        for line in [
            "",
            "Sat Nov 21 13:45:01 2026: Falco version: 0.44.1",
            "13:45:01: Warning no nanoseconds",
            "13:45:01.000000001: Loud no priority",
            "{\"rule\":\"Read\",\"outp",
            "{\"rule\":\"Read\"}",
            "{\"rule\":7,\"output\":\"x\"}",
            "{\"MESSAGE\":[1,2,999]}",
            "{\"MESSAGE\":null}",
            "é{é",
            deep.as_str(),
            wrapped.as_str(),
        ] {
            assert_eq!(alert(line), None, "{}", line.chars().take(80).collect::<String>());
        }
    }
}

//! Which fields an exception for a group of alerts is made of.

use lanner_engine::{FieldRef, Kind, RecordedEvent, Rule, Shape};
use serde_json::{Map, Value as Json};

use super::{groups::Group, pattern::is_fleeting};

/// Fields that say who did what, in the order in which an exception has them.
const DOING: &[&str] = &[
    "proc.exepath",
    "proc.name",
    "proc.pname",
    "proc.cmdline",
    "fd.name",
    "fs.path.name",
    "ka.user.name",
    "ka.verb",
    "ka.target.resource",
    "ka.target.subresource",
    "ka.target.name",
];

/// Fields that say where, or as which user: alone they would except far too much.
const PLACE: &[&str] =
    &["container.image.repository", "k8s.ns.name", "user.name", "ka.target.namespace"];

/// Falco cuts nothing, but the sensor does, and a cut value is no value to compare with.
const VALUE_BYTES_MAX: usize = 4096;

/// Chooses the fields that are the same all over the group and tell it from others.
///
/// # Errors
/// Why there is no exception that would be narrow enough.
pub(super) fn choose(group: &Group) -> Result<Vec<FieldRef>, String> {
    let constant = |name: &&&str| {
        let seen = group.constant().find(|(field, _)| field == *name).map(|(_, seen)| seen);
        seen.is_some_and(|seen| !is_fleeting(&seen.sample) && !is_empty(&seen.sample))
    };
    let on_host =
        group.constant().any(|(field, seen)| field == "container.id" && seen.sample == "host");
    let mut doing: Vec<&str> = DOING.iter().filter(constant).copied().collect();
    if doing.contains(&"proc.exepath") {
        // A process can call itself what it likes.
        doing.retain(|name| *name != "proc.name");
    }
    let mut names: Vec<&str> = PLACE.iter().filter(constant).copied().collect();
    names.extend(on_host.then_some("container.id"));
    if doing.is_empty() {
        let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        return Err(format!(
            "no lasting field that is the same in all its alerts says who did what ({names} alone \
             would except too much): choose fields with --fields"
        ));
    }
    names.extend(doing);
    Ok(names.iter().filter_map(|name| FieldRef::parse(name).ok()).collect())
}

/// Reads `--fields`.
///
/// # Errors
/// When a name is no field, or an exception cannot compare it with a value.
pub(super) fn read_fields(names: &[String]) -> Result<Vec<FieldRef>, String> {
    let mut fields = Vec::new();
    for name in names {
        let field = FieldRef::parse(name).map_err(|error| error.to_string())?;
        let element = field.arg.is_some() && field.field.shape() == Shape::AnyOf;
        if field.field.shape() != Shape::Scalar && !element {
            return Err(format!("{name} can have several values: an exception needs one"));
        }
        if field.field.kind() == Kind::Time {
            return Err(format!("{name} is a time, which never comes again"));
        }
        // Falco cuts the list of fields at nothing else, but YAML and the condition do.
        let plain = |c: char| c.is_ascii_alphanumeric() || "_./-[]".contains(c);
        if !name.chars().all(plain) {
            return Err(format!("{name} cannot be written as a field of an exception"));
        }
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Ok(fields)
}

/// Whether the rule demands these very values: their exception would silence all of it.
pub(super) fn silences_rule(fields: &[FieldRef], values: &[String], rule: &Rule) -> bool {
    fields.iter().zip(values).all(|(field, value)| rule.demands(field, value))
}

/// The value of a field in an alert, as an exception compares it.
///
/// # Errors
/// Why an exception cannot be made of it.
pub(super) fn value_of(
    field: &FieldRef,
    fields: &Map<String, Json>,
) -> Result<String, &'static str> {
    let name = field.to_string();
    let (text, json) = match fields.get(&name) {
        None | Some(Json::Null) => return Err("has no value"),
        Some(json @ Json::String(text)) => (text.clone(), json),
        Some(json @ (Json::Number(_) | Json::Bool(_))) => (json.to_string(), json),
        Some(Json::Array(_) | Json::Object(_)) => return Err("has several values"),
    };
    if is_empty(&text) {
        return Err("has a value that may stand for none");
    }
    if text.len() > VALUE_BYTES_MAX {
        return Err("has a value too long to be whole");
    }
    if text.contains('\0') || text.contains(char::REPLACEMENT_CHARACTER) {
        return Err("has a value with bytes that are no text");
    }
    let alone = Map::from_iter([(name, json.clone())]);
    if RecordedEvent::from_map(&alone).is_err() {
        return Err("has a value that is not of its kind");
    }
    Ok(text)
}

fn is_empty(text: &str) -> bool {
    text.is_empty() || text == "<NA>"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::noise::{alert::Alert, groups::Groups};

    /// The fields chosen for alerts with these output fields, or the reason why not.
    fn chosen(alerts: &[Json]) -> Result<Vec<String>, String> {
        let mut groups = Groups::default();
        for fields in alerts {
            let fields = fields.as_object().cloned();
            groups.add(&Alert { rule: "R".to_owned(), fields, ..Alert::default() });
        }
        let fields = choose(&groups.ranked()[0])?;
        Ok(fields.iter().map(FieldRef::to_string).collect())
    }

    #[track_caller]
    fn check(alerts: &[Json], expected: &[&str]) {
        assert_eq!(chosen(alerts).unwrap(), expected);
    }

    #[test]
    fn what_is_the_same_and_lasts_is_chosen() {
        let alert = |pid: u32, image: Json, exe: &str, fd: &str| {
            json!({"proc.pid": pid, "container.image.repository": image, "proc.exepath": exe,
                   "proc.name": "x", "fd.name": fd, "evt.time": 1})
        };
        check(
            &[alert(1, json!("app"), "/bin/x", "/a"), alert(2, json!("app"), "/bin/x", "/b")],
            &["container.image.repository", "proc.exepath"],
        );
        check(
            &[alert(1, Json::Null, "/bin/x", "/a"), alert(2, json!("app"), "/bin/y", "/a")],
            &["proc.name", "fd.name"],
        );
        check(&[alert(1, Json::Null, "/bin/x", "/tmp/tmp.aB3dE7fG9h")], &["proc.exepath"]);
        check(&[json!({"container.id": "host", "proc.name": "x"})], &["container.id", "proc.name"]);
        check(&[json!({"container.id": "0123456789ab", "proc.name": "x"})], &["proc.name"]);
    }

    #[test]
    fn what_would_except_too_much_is_refused() {
        for (alerts, reason) in [
            (
                json!({"container.image.repository": "app", "user.name": "root"}),
                "would except too much",
            ),
            (json!({"proc.pid": 7, "proc.name": "<NA>"}), "(nothing alone"),
        ] {
            let refused = chosen(std::slice::from_ref(&alerts)).unwrap_err();
            assert!(refused.contains(reason), "{alerts}: {refused}");
        }
    }

    #[test]
    fn fields_by_hand() {
        let read = |name: &str| read_fields(&[name.to_owned()]);
        assert_eq!(read("proc.aname[2]").unwrap()[0].to_string(), "proc.aname[2]");
        for name in ["proc.nmae", "proc.aname", "evt.time", "fd.ip", "proc.env[a b]"] {
            assert!(read(name).is_err(), "{name}");
        }
    }

    #[test]
    fn values_that_cannot_be_compared_are_refused() {
        let field = FieldRef::parse("proc.name").unwrap();
        let value =
            |json: Json| value_of(&field, json!({ "proc.name": json }).as_object().unwrap());
        assert_eq!(value(json!("a b")), Ok("a b".to_owned()));
        assert_eq!(value(json!(7)), Ok("7".to_owned()));
        for json in [
            Json::Null,
            json!(""),
            json!("<NA>"),
            json!("a\0"),
            json!("a\u{fffd}"),
            json!(["a"]),
            json!("x".repeat(VALUE_BYTES_MAX + 1)),
        ] {
            assert!(value(json.clone()).is_err(), "{json}");
        }
        let port = FieldRef::parse("fd.sport").unwrap();
        assert!(value_of(&port, json!({"fd.sport": "x"}).as_object().unwrap()).is_err());
    }
}

//! An alert that is longer than its way to the bus is wide.

use serde_json::{Map, Value};

/// Set to `true` in the `output_fields` of an alert that was shortened.
pub const SHORTENED: &str = "lanner.shortened";

/// What stands at the end of a text that was cut.
const CUT_MARK: &str = "...";
/// Texts are cut to these lengths in turn, until it fits.
const TEXT_BYTES: [usize; 6] = [4096, 1024, 256, 64, 16, 0];
/// What a consumer cannot do without. They are the last to be cut, and then
/// only those that are texts of a rule's author or of a host.
const NEEDED: [&str; 12] = [
    "id",
    "schema",
    "time",
    "node",
    "cluster",
    "hostname",
    "rule",
    "priority",
    "source",
    "tags",
    "entity",
    "output_fields",
];

/// An alert of at most `len_max` bytes that says as much as it can of this one,
/// and that it is shortened: `"lanner.shortened": true` among its output
/// fields. First `output` and the output fields are cut, then keys that Lanner
/// does not know go, then the output fields and tags. Who and what it is about
/// stays as it is.
///
/// `None` when that is not JSON of an object, or does not fit in any form.
pub fn shorten(json: &[u8], len_max: usize) -> Option<Vec<u8>> {
    let Ok(Value::Object(mut alert)) = serde_json::from_slice(json) else { return None };
    mark(&mut alert);
    let fitting = |alert: &Map<String, Value>| {
        serde_json::to_vec(alert).ok().filter(|bytes| bytes.len() <= len_max)
    };
    for bytes in TEXT_BYTES {
        for key in ["output", "output_fields"] {
            if let Some(value) = alert.get_mut(key) {
                cut(value, bytes);
            }
        }
        if let Some(fits) = fitting(&alert) {
            return Some(fits);
        }
    }
    alert.retain(|key, _| key == "output" || NEEDED.contains(&key.as_str()));
    if let Some(fits) = fitting(&alert) {
        return Some(fits);
    }
    alert.insert("output_fields".to_owned(), Value::Object(Map::new()));
    alert.insert("tags".to_owned(), Value::Array(Vec::new()));
    mark(&mut alert);
    fitting(&alert)
}

fn mark(alert: &mut Map<String, Value>) {
    let fields = alert.entry("output_fields").or_insert_with(|| Value::Object(Map::new()));
    if !fields.is_object() {
        *fields = Value::Object(Map::new());
    }
    if let Value::Object(fields) = fields {
        fields.insert(SHORTENED.to_owned(), Value::Bool(true));
    }
}

/// Cuts every text in `value`.
fn cut(value: &mut Value, bytes: usize) {
    match value {
        Value::String(text) if text.len() > bytes + CUT_MARK.len() => {
            text.truncate(text.floor_char_boundary(bytes));
            text.push_str(CUT_MARK);
        }
        Value::Array(values) => values.iter_mut().for_each(|value| cut(value, bytes)),
        Value::Object(values) => values.values_mut().for_each(|value| cut(value, bytes)),
        _ => {}
    }
}

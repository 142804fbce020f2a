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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::Alert;

    fn alert(output: &str, fields: Vec<(String, String)>, extra: &str) -> Vec<u8> {
        let fields: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        serde_json::json!({
            "id": "0199c5a2-7d3e-7a10-8f4e-2f6d1c0b9a87", "schema": 1,
            "time": "2026-01-02T03:04:05.000000006Z", "node": "n1", "hostname": "n1",
            "rule": "A rule", "priority": "Notice", "source": "syscall", "tags": ["shell"],
            "output": output, "output_fields": fields,
            "entity": {"container_id": "3ad7b26ded6d", "pid": 42}, "of_a_newer_one": extra,
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn long_texts_are_cut_and_the_rest_stays() {
        let fields = vec![
            ("proc.cmdline".to_owned(), "é".repeat(3000)),
            ("proc.name".to_owned(), "sh".to_owned()),
        ];
        let whole = alert(&"x".repeat(5000), fields, "kept");
        let short = Alert::from_json(&shorten(&whole, 4000).unwrap()).unwrap();
        let before = Alert::from_json(&whole).unwrap();
        assert_eq!(
            (short.id, &short.entity, &short.tags),
            (before.id, &before.entity, &before.tags)
        );
        assert_eq!(short.other, before.other);
        assert_eq!(short.output, format!("{}...", "x".repeat(1024)));
        assert_eq!(short.output_fields["proc.name"], "sh");
        assert_eq!(short.output_fields["proc.cmdline"], format!("{}...", "é".repeat(512)));
        assert_eq!(short.output_fields[SHORTENED], true);
    }

    #[test]
    fn what_does_not_fit_in_any_form_is_refused() {
        assert_eq!(shorten(&alert("x", Vec::new(), ""), 100), None);
        assert_eq!(shorten(b"[1]", 100), None);
        assert_eq!(shorten(b"{", 100), None);
    }

    proptest! {
        #[test]
        fn it_fits_and_is_about_the_same(
            output in ".{0,3000}",
            fields in vec(("[a-z.]{1,80}", ".{0,300}"), 0..60),
            extra in ".{0,3000}",
            len_max in 600..6000_usize,
        ) {
            let whole = alert(&output, fields, &extra);
            let before = Alert::from_json(&whole).unwrap();
            let short = shorten(&whole, len_max).unwrap();
            prop_assert!(short.len() <= len_max);
            let short = Alert::from_json(&short).unwrap();
            prop_assert_eq!(&short.output_fields[SHORTENED], true);
            prop_assert_eq!((short.id, short.entity, short.rule), (before.id, before.entity, before.rule));
            prop_assert_eq!((short.time, short.node, short.priority), (before.time, before.node, before.priority));
        }
    }
}

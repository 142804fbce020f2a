//! An alert that is too long arrives all the same.

use lanner_alert::{Alert, AlertError, FalcoInput};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn alert(output: &str, fields: Value, other: Value) -> Alert {
    let mut falco = json!({
        "rule": "r", "priority": "error", "time": "2026-11-21T00:00:00Z", "hostname": "h",
        "tags": ["a", "b"], "output": output, "output_fields": fields,
    });
    if let (Some(falco), Value::Object(other)) = (falco.as_object_mut(), other) {
        falco.extend(other);
    }
    let input = FalcoInput { node: "n".to_owned(), cluster: None };
    input.read(falco.to_string().as_bytes()).unwrap()
}

#[test]
fn one_that_fits_stays_as_it_is() {
    let mut alert = alert("o", json!({"x": "y".repeat(100)}), json!({}));
    let whole = alert.to_json().unwrap();
    assert_eq!(alert.to_json_within(whole.len()).unwrap(), whole);
}

#[test]
fn the_longest_texts_are_cut_and_named() {
    let long = "x".repeat(100_000);
    let fields = json!({"proc.cmdline": long, "proc.name": "sh", "deep": {"list": [long]}, "n": 7});
    let mut alert = alert("short", fields, json!({"message": "é".repeat(50_000)}));
    let entity = alert.entity.clone();
    let json = alert.to_json_within(60_000).unwrap();
    assert!(json.len() <= 60_000);
    let read = Alert::from_json(&json).unwrap();
    assert_eq!(read.other["shortened"], json!(["deep", "proc.cmdline", "message"]));
    assert_eq!((&read.output, &read.entity), (&"short".to_owned(), &entity));
    assert_eq!(
        (&read.output_fields["proc.name"], &read.output_fields["n"]),
        (&json!("sh"), &json!(7))
    );
    let cut = read.output_fields["proc.cmdline"].as_str().unwrap();
    assert!(cut.starts_with("xxx") && cut.ends_with("x[...]") && cut.len() > 1000);
}

#[test]
fn fields_without_number_go_at_last() {
    let fields: Map<String, Value> =
        (0..20_000).map(|n| (format!("field {n}"), json!(n))).collect();
    let mut alert = alert("o", fields.into(), json!({}));
    let read = Alert::from_json(&alert.to_json_within(10_000).unwrap()).unwrap();
    assert_eq!(read.other["shortened"], json!(["output_fields"]));
    assert_eq!((read.rule.as_str(), read.tags.len(), read.output.as_str()), ("r", 2, "o"));
}

#[test]
fn what_says_what_happened_is_never_cut() {
    let mut alert = alert("o", json!({}), json!({}));
    alert.tags = (0..1000).map(|n| format!("tag {n}")).collect();
    let refused = alert.to_json_within(5000);
    assert!(matches!(refused, Err(AlertError::TooLong { max: 5000, .. })));
}

proptest! {
    #[test]
    fn whatever_is_in_it_it_fits(
        output in ".{0,300}",
        fields in proptest::collection::btree_map(".{0,20}", ".{0,300}", 0..20),
        max in 700..3000_usize,
    ) {
        let mut alert = alert(&output, json!(fields), json!({}));
        let json = alert.to_json_within(max).unwrap();
        prop_assert!(json.len() <= max);
        prop_assert_eq!(Alert::from_json(&json).unwrap(), alert);
    }
}

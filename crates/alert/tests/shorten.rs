use lanner_alert::{Alert, SHORTENED, shorten};
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value};

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
    assert_eq!((short.id, &short.entity, &short.tags), (before.id, &before.entity, &before.tags));
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

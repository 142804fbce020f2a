//! Where an alert goes: its subject, its copies, and that a restricted tag
//! keeps it from every other place.

use std::collections::BTreeSet;

use lanner_alert::{
    Alert, FalcoInput, InvalidTemplate, Priority, Routing, SubjectCopy, SubjectRoot,
    SubjectTemplate, Tag,
};
use proptest::prelude::*;

fn alert(rule: &str, tags: &[&str]) -> Alert {
    let text = r#"{"rule":"r","priority":"Critical","output":"o","time":"2026-11-21T00:00:00Z"}"#;
    let input = FalcoInput { node: "n.eu".to_owned(), cluster: None };
    let mut alert = input.read(text.as_bytes()).unwrap();
    alert.rule = rule.to_owned();
    alert.tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    alert
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn routing() -> Routing {
    Routing {
        tag_streams: BTreeSet::from([tag("shell")]),
        restricted_tags: vec![tag("sensitive"), tag("pci-data")],
        subject_template: Some("falco.<priority>.<rule>".parse().unwrap()),
        ..Routing::default()
    }
}

fn subjects(copies: &[SubjectCopy]) -> Vec<(&str, Option<&str>)> {
    copies
        .iter()
        .map(|copy| (copy.subject.as_str(), copy.stored.as_ref().map(Tag::as_str)))
        .collect()
}

#[test]
fn an_alert_has_a_copy_for_each_tag_and_one_by_the_template() {
    let routed = routing().route(&alert("A shell!", &["T1059.004", "shell", "host"]));
    assert_eq!(routed.subject.as_str(), "lanner.alerts.critical.shell.a_shell_.n_eu");
    assert_eq!(routed.restricted, None);
    assert_eq!(
        subjects(&routed.copies),
        [
            ("lanner.tags.shell.critical.a_shell_.n_eu", Some("shell")),
            ("falco.critical.a_shell", None),
            ("lanner.tags.host.critical.a_shell_.n_eu", None),
            ("lanner.tags.t1059_004.critical.a_shell_.n_eu", None),
        ]
    );
}

#[track_caller]
fn check_restricted(tags: &[&str], expected: &str) {
    let routed = routing().route(&alert("r", tags));
    assert_eq!(
        routed.subject.as_str(),
        format!("lanner.restricted.{expected}.alerts.critical.r.n_eu")
    );
    assert_eq!(routed.restricted, Some(tag(expected)));
    assert_eq!(routed.copies, []);
}

#[test]
fn a_restricted_tag_leaves_an_alert_one_place() {
    check_restricted(&["shell", "sensitive"], "sensitive");
    // The first of the settings, not of the alert.
    check_restricted(&["pci-data", "sensitive", "shell"], "sensitive");
    check_restricted(&["a", "b", "pci-data"], "pci_data");
}

#[test]
fn a_tag_does_not_escape_by_how_it_is_written() {
    for near in
        ["SENSITIVE", "Sensitive!", " sensitive ", "sen-si.tive", "sensitive\u{0}", "_sensitive_"]
    {
        check_restricted(&["shell", near], "sensitive");
    }
    for near in ["pci_data", "PCI data", "pcidata"] {
        check_restricted(&[near], "pci_data");
    }
    for other in ["sensitiv", "insensitive", "sensitive2", ""] {
        assert_eq!(routing().route(&alert("r", &[other])).restricted, None, "{other:?}");
    }
}

/// Whoever adds thousands of tags pushes out no restricted one, and no stored one.
#[test]
fn many_tags_hide_none() {
    let mut many = alert("r", &[]);
    many.tags = (0..5000).map(|number| format!("a{number}")).collect();
    many.tags.insert("shell".to_owned());
    let routed = routing().route(&many);
    assert_eq!(routed.copies.len(), 1 + 1 + 32);
    assert_eq!(routed.copies[0].stored, Some(tag("shell")));

    many.tags.insert("sensitive".to_owned());
    assert_eq!(routing().route(&many).copies, []);
}

#[test]
fn a_restricted_subject_is_read_back() {
    let root = SubjectRoot::default();
    let routed = routing().route(&alert("r", &["sensitive"]));
    let parsed = root.parse_alert(routed.subject.as_str()).unwrap();
    assert_eq!(
        (parsed.priority, parsed.tag, parsed.restricted, parsed.rule, parsed.node),
        (Priority::Critical, "sensitive", true, "r", "n_eu")
    );
    let response = root.restricted_response(&tag("sensitive"), "executed", "p.b", "n.eu");
    assert_eq!(response.as_str(), "lanner.restricted.sensitive.responses.executed.p_b.n_eu");
    assert_eq!(root.parse_alert(response.as_str()), None);
    for wrong in [
        "lanner.restricted.alerts.critical.r.n",
        "lanner.restricted.t.alerts.critical.r.n.x",
        "lanner.restricted.t.alerts.urgent.r.n",
        "lannerx.alerts.critical.t.r.n",
    ] {
        assert_eq!(root.parse_alert(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_no_tag_is_refused() {
    for wrong in ["", "!", "___", &"x".repeat(65)] {
        assert!(wrong.parse::<Tag>().is_err(), "{wrong:?}");
    }
}

#[test]
fn a_template_keeps_to_its_place() {
    let form =
        |text: &str| matches!(text.parse::<SubjectTemplate>(), Err(InvalidTemplate::Form { .. }));
    for wrong in [
        "",
        "falco",
        "falco.>",
        "falco.*",
        "$JS.<rule>",
        "_INBOX.<rule>",
        "<priority>.<rule>",
        "falco.<prio>",
        "falco..<rule>",
        "falco.<rule> x",
        "falco.a<rule>",
        "falco.<rule>\r\n",
        "a.b.c.d.e.f.g.h.<rule>",
    ] {
        assert!(form(wrong), "{wrong:?}");
    }
    let constant = "falco.alerts".parse::<SubjectTemplate>();
    assert!(matches!(constant, Err(InvalidTemplate::Constant { .. })));

    let template: SubjectTemplate = "falco.<priority>.<rule>.<node>".parse().unwrap();
    assert_eq!(template.to_string(), "falco.<priority>.<rule>.<node>");
    assert_eq!(template.pattern("n_eu"), "falco.*.*.n_eu");
    assert_eq!(template.subject(&alert("  A b ", &[]), None).as_str(), "falco.critical.a_b.n_eu");
    let below = |template: &str, root: &str| {
        template.parse::<SubjectTemplate>().unwrap().is_below(&root.parse().unwrap())
    };
    assert!(below("lanner.<rule>", "lanner"));
    assert!(below("eu.<priority>.<rule>", "eu.lanner"));
    assert!(!below("eu.falco.<rule>", "eu.lanner"));
    assert!(!below("eu.<rule>", "eu.lanner.x"));
}

proptest! {
    /// Whatever the tags are, an alert with a restricted one has no copy, and an
    /// alert without goes nowhere below `restricted`.
    #[test]
    fn an_alert_is_restricted_or_not(tags in prop::collection::btree_set("(?s).{0,20}|[Ss]ensi[tT]ive[ !_]?", 0..6)) {
        let mut any = alert("r", &[]);
        any.tags = tags;
        let routed = routing().route(&any);
        let below = |subject: &str| subject.starts_with("lanner.restricted.");
        match routed.restricted {
            Some(_) => {
                prop_assert!(below(routed.subject.as_str()));
                prop_assert!(routed.copies.is_empty());
            }
            None => {
                prop_assert!(!below(routed.subject.as_str()));
                prop_assert!(routed.copies.iter().all(|copy| !below(copy.subject.as_str())));
                let names_it = |tag: &String| {
                    let letters: String = tag.chars().filter(char::is_ascii_alphanumeric).collect();
                    letters.eq_ignore_ascii_case("sensitive")
                };
                prop_assert!(!any.tags.iter().any(names_it), "{:?}", any.tags);
            }
        }
        let distinct: BTreeSet<&str> = routed.copies.iter().map(|copy| copy.subject.as_str()).collect();
        prop_assert_eq!(distinct.len(), routed.copies.len());
    }
}

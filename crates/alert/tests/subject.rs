//! Subjects: what they look like, and that nothing in an alert breaks out of them.

use std::collections::BTreeSet;

use lanner_alert::{
    Alert, FLEET, FalcoInput, Priority, RoutingTags, Subject, SubjectRoot, node_of_token,
    node_token, slug,
};
use proptest::prelude::*;

fn alert(rule: &str, node: &str, tags: &[&str]) -> Alert {
    let text = r#"{"rule":"r","priority":"Critical","output":"o","time":"2026-11-21T00:00:00Z"}"#;
    let input = FalcoInput { node: node.to_owned(), cluster: None };
    let mut alert = input.read(text.as_bytes()).unwrap();
    alert.rule = rule.to_owned();
    alert.tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    alert
}

#[track_caller]
fn check(rule: &str, node: &str, tags: &[&str], expected: &str) {
    let subject =
        SubjectRoot::default().alert(&alert(rule, node, tags), &RoutingTags::new(Vec::new()));
    assert_eq!(subject.as_str(), expected);
}

#[test]
fn an_alert_is_keyed_by_priority_tag_rule_and_node() {
    check(
        "Terminal shell in container",
        "node-7.eu.example.com",
        &["T1059.004", "container", "maturity_stable", "mitre_execution", "shell"],
        "lanner.alerts.critical.mitre_execution.terminal_shell_in_container.node-7_eu_example_com",
    );
    check("a.b > *", "n", &[], "lanner.alerts.critical.untagged.a_b_.n");
    check("", "node_7", &["PCI_DSS_11.5.1"], "lanner.alerts.critical.untagged._.node=5F7");
    check("É", "n", &["host"], "lanner.alerts.critical.untagged._.n");
}

#[test]
fn a_tag_has_its_copy() {
    let alert = alert("r", "n", &["T1059.004"]);
    assert_eq!(
        SubjectRoot::default().tag_copy(&alert, "T1059.004").as_str(),
        "lanner.tags.t1059_004.critical.r.n"
    );
}

#[test]
fn the_routing_tag_is_the_preferred_one() {
    let tags: BTreeSet<String> = ["network", "shell"].map(str::to_owned).into();
    let routing = RoutingTags::new(vec!["process".to_owned(), "shell".to_owned()]);
    assert_eq!(routing.of(&tags), "shell");
    assert_eq!(RoutingTags::new(Vec::new()).of(&tags), "network");
}

#[test]
fn nodes_never_share_a_token() {
    let names = ["a.b", "a_b", "a=b", "a-b", "a b", "A.B", "", "=", "_", ".", "a=5Fb", "ä"];
    let tokens: BTreeSet<String> = names.iter().map(|name| node_token(name)).collect();
    assert_eq!(tokens.len(), names.len(), "{tokens:?}");
}

#[test]
fn a_root_keeps_its_place() {
    let root: SubjectRoot = "eu-1.lanner".parse().unwrap();
    let subject = root.alert(&alert("r", "n", &[]), &RoutingTags::default());
    assert_eq!(subject.as_str(), "eu-1.lanner.alerts.critical.untagged.r.n");
    for wrong in ["", ".", "a.", "a..b", ">", "a.*", "a b", "a\r\nPUB x", "$JS.API", "a.b.c.d.e"] {
        assert!(wrong.parse::<SubjectRoot>().is_err(), "{wrong:?}");
    }
}

#[test]
fn no_node_has_the_token_of_the_fleet() {
    for node in [FLEET, ".fleet", "..fleet", "_fleet.", "=5Ffleet"] {
        assert_ne!(node_token(node), FLEET, "{node}");
    }
    // An alert that says to be of it goes where no node may publish.
    let root = SubjectRoot::default();
    let subject = root.alert(&alert("r", FLEET, &[]), &RoutingTags::default());
    assert_eq!(subject.as_str(), "lanner.alerts.critical.untagged.r._fleet");
    assert_eq!((node_token(".fleet").as_str(), node_of_token(FLEET)), ("=2Efleet", None));
}

#[track_caller]
fn assert_tokens(subject: &Subject, count: usize) {
    let tokens: Vec<&str> = subject.as_str().split('.').collect();
    assert_eq!(tokens.len(), count, "{subject}");
    for token in tokens {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'=');
        assert!(!token.is_empty() && token.bytes().all(allowed), "{subject}");
    }
}

proptest! {
    /// Any text as rule, node, tag, status or playbook, control bytes included.
    #[test]
    fn no_text_leaves_its_token(
        rule in "(?s).{0,200}", node in "(?s).{0,200}", tag in "(?s).{0,200}"
    ) {
        let root = SubjectRoot::default();
        let alert = alert(&rule, &node, &[&tag]);
        let subject = root.alert(&alert, &RoutingTags::new(vec![tag.clone()]));
        assert_tokens(&subject, 6);
        assert_tokens(&root.tag_copy(&alert, &tag), 6);
        assert_tokens(&root.response(&rule, &tag, &node), 5);

        let parsed = root.parse_alert(subject.as_str()).unwrap();
        prop_assert_eq!(parsed.priority, Priority::Critical);
        prop_assert_eq!(parsed.tag, slug(&tag));
        prop_assert_eq!(parsed.rule, slug(&rule));
        prop_assert_eq!(parsed.node, node_token(&node));
        prop_assert!(parsed.rule.len() <= 64 && parsed.tag.len() <= 64);
    }

    #[test]
    fn different_nodes_have_different_tokens(a in "(?s).{0,40}", b in "(?s).{0,40}") {
        prop_assert_eq!(a == b, node_token(&a) == node_token(&b));
        // What begins so is nobody's who has a node: `_fleet`.
        prop_assert!(!node_token(&a).starts_with('_'));
        if !a.is_empty() {
            prop_assert_eq!(node_of_token(&node_token(&a)), Some(a));
        }
    }

    #[test]
    fn any_token_can_be_read_back(token in "(?s)[=_A-F0-9a-z.]{0,20}|.{0,40}") {
        let _ = node_of_token(&token);
    }

    #[test]
    fn any_subject_can_be_looked_at(subject in "(?s).{0,200}") {
        let _ = SubjectRoot::default().parse_alert(&subject);
    }
}

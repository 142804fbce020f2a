//! What is told of rule files, with Falco's codes, words and steps, and what rules become of them.

use lanner_engine::{Diagnostic, Options, Severity, SourceFile, load};

fn load_files(texts: &[&str]) -> (lanner_engine::RuleSet, Vec<Diagnostic>) {
    let file = |(index, text): (usize, &&str)| SourceFile {
        name: format!("{index}.yaml"),
        text: (*text).to_owned(),
    };
    load(&texts.iter().enumerate().map(file).collect::<Vec<_>>(), &Options::default())
}

/// A diagnostic in one line: code, message, the last step of its trail.
fn line(told: &Diagnostic) -> String {
    let step = told.context.last().expect("a trail has a step");
    let name =
        if step.item_name.is_empty() { String::new() } else { format!(" {}", step.item_name) };
    let (line, column) = (step.position.line, step.position.column);
    format!("{}: {} ({}{name} {line}:{column})", told.code.as_str(), told.message, step.item_type)
}

/// Loads one file and compares all that is told of it.
#[track_caller]
fn check_told(text: &str, expected: &[&str]) {
    let (_, diagnostics) = load_files(&[text]);
    let told: Vec<_> = diagnostics.iter().map(line).collect();
    assert_eq!(told, expected, "{text}");
}

/// A rule `R`, an item to be changed by the next.
const RULE: &str =
    "- rule: R\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: INFO\n";

/// Lines after [`RULE`], which has five.
#[track_caller]
fn check_change(change: &str, expected: &[&str]) {
    check_told(&format!("{RULE}{change}"), expected);
}

/// An exception of `R`.
#[track_caller]
fn check_exception(exception: &str, expected: &[&str]) {
    check_told(&format!("{RULE}  exceptions:\n  - {exception}\n"), expected);
}

#[test]
fn a_file_is_a_sequence_of_mappings() {
    check_told("", &[]);
    check_told("# nothing\n---\n---\n~\n", &[]);
    let not_a_sequence =
        "LOAD_ERR_YAML_VALIDATE: Rules content is not yaml array of objects (rules content 0:0)";
    check_told("rule: R\n", &[not_a_sequence]);
    check_told(
        "word\n",
        &["LOAD_ERR_YAML_VALIDATE: Rules content is not yaml (rules content 0:0)"],
    );
    let not_a_mapping = "LOAD_ERR_YAML_VALIDATE: Unexpected element type. Each element should be a yaml associative array. (rules content item 0:2)";
    check_told("- word\n- \n- ~\n", &[not_a_mapping]);
    check_told(
        "- extra: 1\n---\n- other: 1\n",
        &[
            "LOAD_UNKNOWN_ITEM: Unknown top level item (rules content item 0:2)",
            "LOAD_UNKNOWN_ITEM: Unknown top level item (rules content item 2:2)",
        ],
    );
    let (_, diagnostics) = load_files(&["- a: [\n"]);
    assert_eq!(diagnostics.len(), 1);
    assert!(line(&diagnostics[0]).starts_with("LOAD_ERR_YAML_PARSE: "), "{diagnostics:?}");
}

#[test]
fn keys_have_values() {
    for (item, message) in [
        ("rule: ", "Mapping for key 'rule' is empty (rule 0:2)"),
        ("rule: ''", "Value must be non-empty (value for rule 0:8)"),
        ("rule: [a]", "Value is not a scalar value (value for rule 0:8)"),
        ("rule: R\n  output: o", "Item has no mapping for key 'condition' (rule R 0:2)"),
        ("rule: R\n  condition: a", "Item has no mapping for key 'output' (rule R 0:2)"),
        ("rule: R\n  tags: [a]", "Item has no mapping for key 'enabled' (rule R 0:2)"),
        ("rule: R\n  enabled: maybe", "Can't decode YAML scalar value (value for enabled 1:11)"),
        ("rule: R\n  enabled:", "Mapping for key 'enabled' is empty (rule R 0:2)"),
        ("rule: R\n  append: 1", "Can't decode YAML scalar value (value for append 1:10)"),
        ("macro: m", "Item has no mapping for key 'condition' (macro m 0:2)"),
        ("macro: m\n  condition:", "Mapping for key 'condition' is empty (macro m 0:2)"),
        ("list: l", "Item has no mapping for key 'items' (list l 0:2)"),
        ("list: l\n  items: a", "Value is not a sequence (value for items 1:9)"),
        ("list: l\n  items:\n  # none\n", "Value is not a sequence (value for items 4:0)"),
        ("list: l\n  items: [a, [b]]", "sequence value is not scalar (list item 1:13)"),
    ] {
        check_told(&format!("- {item}\n"), &[&format!("LOAD_ERR_YAML_VALIDATE: {message}")]);
    }
    for (key, message) in [
        ("priority: loud", "Invalid priority (rule priority 4:12)"),
        ("capture: maybe", "Can't decode YAML scalar value (value for capture 5:11)"),
        (
            "capture_duration: -1",
            "Can't decode YAML scalar value (value for capture_duration 5:20)",
        ),
        ("tags: a", "Value is not a sequence (value for tags 5:8)"),
        ("source: ''", "Value must be non-empty (value for source 5:10)"),
        ("exceptions: a", "Rule exceptions must be a sequence (exceptions 5:14)"),
    ] {
        let text = match key.strip_prefix("priority") {
            Some(_) => RULE.replace("priority: INFO", key),
            None => format!("{RULE}  {key}\n"),
        };
        check_told(&text, &[&format!("LOAD_ERR_YAML_VALIDATE: {message}")]);
    }
}

#[test]
fn keys_that_say_nothing_are_remarked_on() {
    check_change(
        "  color: red\n  exceptions:\n",
        &["LOAD_UNKNOWN_KEY: Unknown key 'color'. The key will be ignored. (rule R 0:2)"],
    );
    check_change(
        "  desc: again\n",
        &["LOAD_DUPLICATE_KEY: Key 'desc' stands twice. The first one counts. (rule R 0:2)"],
    );
    check_change(
        "  capture: yes\n",
        &[
            "LOAD_UNSUPPORTED_CAPTURE: nothing is captured: the rule's 'capture' has no effect (rule R 0:2)",
        ],
    );
    check_change("  capture_duration: 500\n  source: syscall\n  warn_evttypes: No\n", &[]);
    check_told(
        "- list: l l\n  items: []\n  condition: x\n- macro: m-m\n  condition: evt.type=open\n",
        &[
            "LOAD_INVALID_LIST_NAME: List has an invalid name. List names should match a regular expression: ([^()\"'[:space:]=,]+) (list l l 0:2)",
            "LOAD_UNKNOWN_KEY: Unknown key 'condition'. The key will be ignored. (list l l 0:2)",
            "LOAD_INVALID_MACRO_NAME: Macro has an invalid name. Macro names should match a regular expression: ([a-zA-Z]+[a-zA-Z0-9_]*) (macro m-m 3:2)",
            "LOAD_UNUSED_MACRO: Macro not referred to by any other rule/macro (macro m-m 3:2)",
            "LOAD_UNUSED_LIST: List not referred to by any other rule/macro (list l l 0:2)",
        ],
    );
    check_told(
        &RULE.replace("INFO", "INFO\n  source: okta"),
        &["LOAD_UNKNOWN_SOURCE: Unknown source okta, skipping (rule R 0:2)"],
    );
}

#[test]
fn items_that_append_need_one_before_them() {
    let deprecated = "LOAD_DEPRECATED_ITEM: 'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";
    let message = "LOAD_ERR_VALIDATE: List uses 'append' or 'override.items: append' but no list by that name already exists (list l 0:2)";
    check_told(
        "- {list: l, items: [], append: true}",
        &[&format!("{deprecated} (list l 0:2)"), message],
    );
    check_told("- {list: l, items: [], override: {items: append}}", &[message]);
    let message = "LOAD_ERR_VALIDATE: Macro uses 'append' or 'override.condition: append' but no macro by that name already exists (macro m 0:2)";
    check_told("- {macro: m, condition: x, override: {condition: append}}", &[message]);
    let message = "LOAD_ERR_VALIDATE: Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists (rule R 0:2)";
    check_told("- {rule: R, condition: x, override: {condition: append}}", &[message]);
    check_told(
        "- {rule: R, condition: x, append: true}",
        &[&format!("{deprecated} (rule R 0:2)"), message],
    );
    let message = "LOAD_ERR_VALIDATE: An 'override.<key>: replace' to a rule was requested but no rule by that name already exists (rule R 0:2)";
    check_told("- {rule: R, condition: x, override: {condition: replace}}", &[message]);
    let message = "LOAD_ERR_VALIDATE: Rule has 'enabled' key but no rule by that name already exists (rule R 0:2)";
    let enabled = "LOAD_DEPRECATED_ITEM: The standalone 'enabled' key usage is deprecated. The correct approach requires also a 'replace' entry under the 'override' key (i.e. 'enabled: replace'). (rule R 0:2)";
    check_told("- {rule: R, enabled: true}", &[enabled, message]);
    // A replacement of nothing is a definition.
    check_told(
        "- {list: l, items: [], override: {items: replace}}\n- {macro: m, condition: evt.type in (l), override: {condition: replace}}\n",
        &["LOAD_UNUSED_MACRO: Macro not referred to by any other rule/macro (macro m 1:2)"],
    );
    check_change(
        "- {rule: R, append: true}",
        &[
            &format!("{deprecated} (rule R 5:2)"),
            "LOAD_ERR_VALIDATE: Appended rule must have exceptions or condition property (rule R 5:2)",
        ],
    );
    check_change(
        "- {rule: R, condition: x, source: k8s_audit, append: yes}",
        &[
            &format!("{deprecated} (rule R 5:2)"),
            "LOAD_ERR_VALIDATE: Rule has been re-defined with a different source (rule R 5:2)",
        ],
    );
    check_change(
        "- {rule: R, condition: and evt.num>1, append: false, output: o, desc: d, priority: INFO}",
        &[
            "LOAD_ERR_COMPILE_CONDITION: unexpected token after 'and', expecting 'or', 'and' (condition expression 6:28)",
        ],
    );
}

#[test]
fn overrides_say_what_they_change() {
    for (change, message) in [
        (
            "priority: INFO, override: {priority: append}",
            "Key 'priority' cannot be appended to, use 'replace' instead (overrides priority 5:39)",
        ),
        (
            "source: x, override: {source: replace}",
            "Key 'source' cannot be replaced (overrides source 5:34)",
        ),
        (
            "condition: x, override: {condition: add}",
            "Invalid override operation for key 'condition': 'add'. Allowed values are: append replace  (value for condition 5:48)",
        ),
        (
            "enabled: true, override: {enabled: off}",
            "Invalid override operation for key 'enabled': 'off'. Allowed values are: replace  (value for enabled 5:47)",
        ),
        (
            "override: {condition: append}",
            "An append override for 'condition' was specified but 'condition' is not defined (rule R 5:2)",
        ),
        (
            "override: {tags: replace}",
            "An replace override for 'tags' was specified but 'tags' is not defined (rule R 5:2)",
        ),
        (
            "output: x, desc: y, override: {output: append}",
            "Unexpected key 'desc': no corresponding entry under 'override' is defined. (overrides desc 5:29)",
        ),
        (
            "exceptions: [{name: e}], override: {exceptions: replace}",
            "Item has no mapping for key 'fields' (exception e 5:25)",
        ),
    ] {
        check_change(
            &format!("- {{rule: R, {change}}}"),
            &[&format!("LOAD_ERR_YAML_VALIDATE: {message}")],
        );
    }
    let both = "LOAD_ERR_YAML_VALIDATE: Keys 'override' and 'append: true' cannot be used together. Add an 'append' entry (e.g. 'condition: append') under 'override' instead. (rule R 5:2)";
    let deprecated = "LOAD_DEPRECATED_ITEM: 'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead. (rule R 5:2)";
    check_change(
        "- {rule: R, condition: x, append: true, override: {condition: append}}",
        &[deprecated, both],
    );
    check_told(
        "- {list: l, items: [], override: {condition: append}}",
        &[
            "LOAD_ERR_YAML_VALIDATE: Key 'condition' cannot be appended to, use 'replace' instead (overrides condition 0:34)",
        ],
    );
    check_change("- {rule: R, enabled: false, override: {enabled: replace}}", &[]);
}

#[test]
fn exceptions_have_shapes() {
    for (exception, code, message) in [
        ("a", "YAML_VALIDATE", "Rule exception must be a mapping (exception 6:4)"),
        ("{fields: a}", "YAML_VALIDATE", "Item has no mapping for key 'name' (exception 6:4)"),
        ("{name: e}", "YAML_VALIDATE", "Item has no mapping for key 'fields' (exception e 6:4)"),
        (
            "{name: e, fields: []}",
            "VALIDATE",
            "Rule exception item must have fields property with a list of fields (exception e 6:4)",
        ),
        (
            "{name: e, fields: ''}",
            "YAML_VALIDATE",
            "Value must be non-empty (value for fields 6:22)",
        ),
        (
            "{name: e, fields: [a.b, '']}",
            "YAML_VALIDATE",
            "Value must be non-empty (value for 6:28)",
        ),
        (
            "{name: e, fields: proc.name, values: x}",
            "YAML_VALIDATE",
            "Rule exception values must be a sequence (exception values 6:41)",
        ),
        (
            "{name: e, fields: proc.name, values: ['']}",
            "YAML_VALIDATE",
            "Value must be non-empty (value for 6:42)",
        ),
        (
            "{name: e, fields: proc.name, values: [[x]]}",
            "VALIDATE",
            "Expected values array to contain a list of strings (exception e 6:4)",
        ),
        (
            "{name: e, fields: proc.name, comps: [in]}",
            "VALIDATE",
            "Fields and comps must both be strings (exception e 6:4)",
        ),
        (
            "{name: e, fields: proc.name, comps: startswith}",
            "VALIDATE",
            "When fields is a single value, comps must be one of (in, pmatch, intersects) or a modifier operator (e.g. startswith oneof) (exception e 6:4)",
        ),
        (
            "{name: e, fields: [proc.name], comps: in}",
            "VALIDATE",
            "Fields and comps lists must have equal length (exception e 6:4)",
        ),
        (
            "{name: e, fields: [proc.name], comps: [in, in]}",
            "VALIDATE",
            "Fields and comps lists must have equal length (exception e 6:4)",
        ),
        (
            "{name: e, fields: [proc.name], comps: [like]}",
            "VALIDATE",
            "'like' is not a supported comparison operator (exception e 6:4)",
        ),
        (
            "{name: e, fields: [proc.name], comps: [in oneof]}",
            "VALIDATE",
            "'in oneof' is not a supported comparison operator (exception e 6:4)",
        ),
        (
            "{name: e, fields: [proc.name], comps: ['>= oneof']}",
            "VALIDATE",
            "'>= oneof' is not a supported comparison operator (exception e 6:4)",
        ),
        (
            "{name: e, fields: [proc.name], comps: [oneof]}",
            "VALIDATE",
            "'oneof' is not a supported comparison operator (exception e 6:4)",
        ),
        (
            "{name: e, fields: [proc.nmae]}",
            "VALIDATE",
            "'proc.nmae' is not a supported filter field (exception e 6:4)",
        ),
        (
            "{name: e, fields: proc.nmae}",
            "VALIDATE",
            "'proc.nmae' is not a supported filter field (exception e 6:4)",
        ),
        (
            "{name: e, fields: [tolower(proc.nmae)]}",
            "VALIDATE",
            "'tolower(proc.nmae)' is not a supported filter field (exception e 6:4)",
        ),
        (
            "{name: e, fields: [proc.name], values: [a]}",
            "VALIDATE",
            "Fields and values lists must have equal length (exception e 6:4)",
        ),
        (
            "{name: e, fields: [proc.name, fd.name], values: [[a]]}",
            "VALIDATE",
            "Fields and values lists must have equal length (exception e 6:4)",
        ),
    ] {
        check_exception(exception, &[&format!("LOAD_ERR_{code}: {message}")]);
    }
    check_exception(
        "{name: e, fields: proc.name}\n  - {name: e, fields: fd.name}",
        &[
            "LOAD_EXCEPTION_NAME_NOT_UNIQUE: Multiple definitions of exception 'e' in the same rule (exception e 7:4)",
        ],
    );
    let known = "  exceptions: [{name: e, fields: [proc.name], values: [[a]]}]\n- {rule: R, override: {exceptions: append}, exceptions: [";
    for (appended, message) in [
        (
            "{name: e, fields: [fd.name], values: [[a]]}",
            "Can not append exception fields to existing exception, only values (exception e 6:57)",
        ),
        (
            "{name: e, comps: [in], values: [[a]]}",
            "Can not append exception comps to existing exception, only values (exception e 6:57)",
        ),
        (
            "{name: f, values: [[a]]}",
            "Rule exception must have fields property with a list of fields (exception f 6:57)",
        ),
        (
            "{name: f, fields: [fd.name], values: []}",
            "Rule exception must have values property with a list of values (exception f 6:57)",
        ),
    ] {
        check_change(&format!("{known}{appended}]}}"), &[&format!("LOAD_ERR_VALIDATE: {message}")]);
    }
    check_change(
        &format!("{known}{{name: e, value: [a]}}]}}"),
        &[
            "LOAD_APPEND_NO_VALUES: Overriding/appending exception with no values (exception e 6:57)",
        ],
    );
}

#[test]
fn files_ask_for_engines_and_plugins() {
    let engine = "(required_engine_version 0:2)";
    for (version, message) in [
        ("0.99.0", "VALIDATE: Rules require engine version 0.99.0, but engine version is 0.63.0"),
        ("1.0.0", "VALIDATE: Rules require engine version 1.0.0, but engine version is 0.63.0"),
        ("64", "VALIDATE: Rules require engine version 0.64.0, but engine version is 0.63.0"),
        (
            "0.57",
            "YAML_VALIDATE: Unable to parse engine version '0.57' as a semver string. Expected \"x.y.z\" semver format.",
        ),
    ] {
        // Nothing else of such a file counts.
        let text = format!("- required_engine_version: {version}\n- rule: R\n");
        check_told(&text, &[&format!("LOAD_ERR_{message} {engine}")]);
    }
    check_told("- required_engine_version: 15\n- required_engine_version: 0.57.0-rc1\n", &[]);
    for (plugins, message) in [
        (
            "x",
            "YAML_VALIDATE: Value of required_plugin_versions must be a sequence (required plugin versions 0:28)",
        ),
        (
            "[x]",
            "YAML_VALIDATE: Plugin version must be a mapping (required plugin versions entry 0:29)",
        ),
        (
            "[{version: 1.0.0}]",
            "YAML_VALIDATE: Item has no mapping for key 'name' (required plugin versions entry 0:29)",
        ),
        (
            "[{name: json}]",
            "YAML_VALIDATE: Item has no mapping for key 'version' (required plugin versions entry json 0:29)",
        ),
        (
            "[{name: json, version: 1}]",
            "VALIDATE: Invalid required version '1' for plugin 'json' (required plugin versions entry json 0:29)",
        ),
        (
            "[{name: json, version: 0.8.0}]",
            "VALIDATE: Plugin 'json' version '0.7.4' is not compatible with required plugin version '0.8.0' (required plugin versions entry json 0:29)",
        ),
        (
            "[{name: okta, version: 0.11.0}]",
            "VALIDATE: Plugin requirement not satisfied, must load one of: okta (>= 0.11.0) (required plugin versions entry okta 0:29)",
        ),
        (
            "[{name: a, version: 1.0.0, alternatives: [{name: b, version: 2.0.0}]}]",
            "VALIDATE: Plugin requirement not satisfied, must load one of: a (>= 1.0.0), b (>= 2.0.0) (required plugin versions entry a 0:29)",
        ),
        (
            "[{name: a, version: 1.0.0, alternatives: [{name: a, version: 2.0.0}]}]",
            "VALIDATE: Defined multiple alternative version requirements for plugin 'a' (required plugin versions entry a 0:29)",
        ),
        (
            "[{name: a, version: 1.0.0, alternatives: b}]",
            "YAML_VALIDATE: Value of plugin version alternatives must be a sequence (required plugin versions entry a 0:29)",
        ),
        (
            "[{name: a, version: 1.0.0, alternatives: [b]}]",
            "YAML_VALIDATE: Plugin version alternative must be a mapping (required plugin versions alternative 0:70)",
        ),
    ] {
        check_told(
            &format!("- required_plugin_versions: {plugins}\n"),
            &[&format!("LOAD_ERR_{message}")],
        );
    }
    check_told(
        "- required_plugin_versions:\n  - {name: k8saudit-eks, version: 9.0.0, alternatives: [{name: k8saudit, version: 0.7.0}]}\n  - {name: container, version: 0.2.2}\n",
        &[],
    );
}

#[test]
fn conditions_and_outputs_are_told_of_where_falco_does() {
    let rule = |condition: &str, output: &str| {
        RULE.replace("evt.type=open", condition).replace("output: o", &format!("output: {output}"))
    };
    check_told(
        &rule("evt.type=open and evt.dir=<", "'%evt.latency'"),
        &[
            "LOAD_DEPRECATED_ITEM: usage of deprecated field 'evt.latency' has been detected in the rule output (rule output 3:10)",
            "LOAD_DEPRECATED_ITEM: due to the drop of enter events, 'evt.dir = <' always evaluates to true, and 'evt.dir = >' always evaluates to false. The rule expression can be simplified by removing the condition on 'evt.dir' (condition expression 2:13)",
        ],
    );
    check_told(
        &rule("jevt.value[/a] in (x, <NA>) and ka.verb != <NA>", "o")
            .replace("INFO", "INFO\n  source: k8s_audit"),
        &["LOAD_UNSAFE_NA_CHECK:  (condition expression 2:13)"],
    );
    check_told(
        &rule("evt.type=open", "'%container.info'"),
        &[
            "LOAD_DEPRECATED_ITEM: %container.info is deprecated and no more useful, and will be dropped by Falco 1.0.0. The container plugin will automatically add required fields to the output message. (rule R 0:2)",
        ],
    );
    check_told(
        &rule("evt.type=open and nowhere", "o"),
        &[
            "LOAD_ERR_VALIDATE: Undefined macro 'nowhere' used in filter. (condition expression 1:21)",
        ],
    );
    check_told(
        &rule("proc.name=x", "o"),
        &[
            "LOAD_NO_EVTTYPE: Rule matches too many evt.type values. This has a significant performance penalty. (rule R 0:2)",
        ],
    );
    check_told(&rule("proc.name=x and evt.num=0", "o"), &[]);
    // The position counts in the text with the lists in it.
    check_told(
        &format!(
            "- list: l\n  items: [a, b]\n{}",
            rule("evt.type=open and proc.name in (l) and proc.nmae=x", "o")
        ),
        &[
            "LOAD_ERR_COMPILE_CONDITION: filter_check called with nonexistent field proc.nmae (condition expression 5:58)",
        ],
    );
}

/// Loads files without errors and compares the resolved condition of their rule `R`.
#[track_caller]
fn check_resolved(texts: &[&str], condition: &str) {
    let (rules, diagnostics) = load_files(texts);
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error);
    assert_eq!(errors.map(ToString::to_string).collect::<String>(), "", "{texts:?}");
    let rule = rules.rules().find(|rule| rule.name == "R").expect("a rule R");
    assert_eq!(rule.condition_compiled(), condition, "{texts:?}");
}

#[test]
fn exceptions_become_conditions() {
    let open = "evt.type = open";
    for (exception, condition) in [
        ("{fields: proc.name}", ""),
        ("{fields: proc.name, values: []}", ""),
        ("{fields: [proc.name]}", ""),
        ("{fields: proc.name, values: [a, 'b c', 25]}", "proc.name in (a, \"b c\", 25)"),
        (
            "{fields: proc.exepath, comps: pmatch, values: [/usr, /opt]}",
            "proc.exepath pmatch (/usr, /opt)",
        ),
        ("{fields: proc.name, comps: ' startswith  oneof', values: [a]}", "!"),
        (
            "{fields: proc.name, comps: \" startswith oneof\\n\", values: [a, b]}",
            "proc.name startswith oneof (a, b)",
        ),
        ("{fields: [proc.name], values: [[a]]}", "proc.name = a"),
        ("{fields: [proc.name], values: [[a], [b]]}", "(proc.name = a or proc.name = b)"),
        ("{fields: [proc.name], comps: [in], values: [[a]]}", "proc.name in (a)"),
        ("{fields: [proc.name], comps: [in], values: [[(a)]]}", "proc.name in (a)"),
        ("{fields: [proc.name], comps: [in], values: [[[a, 'b c']]]}", "proc.name in (a, \"b c\")"),
        ("{fields: [proc.name], comps: [= oneof], values: [[[a, b]]]}", "proc.name = oneof (a, b)"),
        (
            "{fields: [proc.cmdline], comps: [contains], values: [[curl 127.0.0.1]]}",
            "proc.cmdline contains \"curl 127.0.0.1\"",
        ),
        (
            "{fields: [proc.name, fd.name], comps: [startswith oneof, startswith], values: [[[a, b], /etc/]]}",
            "(proc.name startswith oneof (a, b) and fd.name startswith /etc/)",
        ),
        (
            "{fields: [proc.name, fd.name], values: [[a, b], [c, 'd e']]}",
            "((proc.name = a and fd.name = b) or (proc.name = c and fd.name = \"d e\"))",
        ),
        ("{fields: [tolower(proc.name)], values: [[a]]}", "tolower(proc.name) = a"),
        (
            "{fields: [proc.name], values: [[toupper(proc.pname)]]}",
            "proc.name = toupper(proc.pname)",
        ),
        ("{fields: [proc.name], values: [[proc.pname]]}", "proc.name = proc.pname"),
        ("{fields: [proc.name], values: [['\"x y\"']]}", "proc.name = \"x y\""),
        // The name of a list is replaced, and a comma makes two values: exceptions are text.
        ("{fields: proc.name, values: [l, 'a,b']}", "proc.name in (1, 2, a, b)"),
    ] {
        let text =
            format!("{RULE}  exceptions: [{{name: e, {}]\n", exception.trim_start_matches('{'));
        let text = format!("- list: l\n  items: [1, 2]\n{text}");
        match condition {
            "!" => {
                assert!(load_files(&[&text]).1.iter().any(|one| one.severity == Severity::Error))
            }
            "" => check_resolved(&[&text], open),
            _ => check_resolved(&[&text], &format!("({open} and not {condition})")),
        }
    }
    let either = RULE.replace("evt.type=open", "evt.type=open or evt.type=creat")
        + "  exceptions:\n  - {name: e, fields: proc.name, values: [a]}\n  - {name: f, fields: [fd.num], values: [[3]]}\n";
    check_resolved(
        &[&either],
        "((evt.type = open or evt.type = creat) and not proc.name in (a) and not fd.num = 3)",
    );
    let appended = "- rule: R\n  exceptions:\n  - {name: f, values: [[4]]}\n  - {name: g, fields: fd.name, values: [x]}\n  override: {exceptions: append}\n";
    check_resolved(
        &[&either, appended],
        "((evt.type = open or evt.type = creat) and not proc.name in (a) and not (fd.num = 3 or fd.num = 4) and not fd.name in (x))",
    );
    let replaced = "- rule: R\n  exceptions: [{name: h, fields: fd.num, values: [5]}]\n  override: {exceptions: replace}\n";
    check_resolved(
        &[&either, appended, replaced],
        "((evt.type = open or evt.type = creat) and not fd.num in (5))",
    );
}

#[test]
fn overrides_change_conditions() {
    let rule = |condition: &str| RULE.replace("evt.type=open", condition);
    check_resolved(
        &[
            &rule("evt.type=open or evt.type=creat"),
            "- {rule: R, condition: and fd.num=3, override: {condition: append}}",
        ],
        "(evt.type = open or (evt.type = creat and fd.num = 3))",
    );
    check_resolved(
        &[
            RULE,
            "- {rule: R, condition: fd.num=3, override: {condition: replace}}",
            "- {rule: R, condition: or fd.num=4, append: true}",
        ],
        "(fd.num = 3 or fd.num = 4)",
    );
    check_resolved(&[RULE, &rule("evt.type=creat")], "evt.type = creat");
    // An addition to a macro stands outside of the brackets that the rule's author put around it.
    check_resolved(
        &[
            "- {macro: m, condition: evt.type=open or evt.type=creat}",
            &rule("m and fd.num=3"),
            "- {macro: m, condition: or evt.type=openat, override: {condition: append}}",
        ],
        "((evt.type = open or evt.type = creat or evt.type = openat) and fd.num = 3)",
    );
    check_resolved(
        &[
            "- {list: l, items: [a]}",
            &rule("evt.type=open and proc.name in (l)"),
            "- {list: l, items: [b, c d], override: {items: append}}",
        ],
        "(evt.type = open and proc.name in (a, b, \"c d\"))",
    );
    check_resolved(
        &[
            "- {list: l, items: [a]}",
            &rule("evt.type=open and proc.name in (l)"),
            "- {list: l, items: [b]}",
        ],
        "(evt.type = open and proc.name in (b))",
    );
    check_resolved(
        &["- {list: my list, items: [open, creat]}", &rule("evt.type in (my list)")],
        "evt.type in (open, creat)",
    );
    // Lists in lists: the one redefined last sees all, but a third level is text.
    check_resolved(
        &[
            "- {list: a, items: [1]}\n- {list: b, items: [a, 2]}\n- {list: c, items: [b, 3]}\n",
            &rule("evt.type=open and proc.name in (c)"),
        ],
        "(evt.type = open and proc.name in (a, 2, 3))",
    );
}

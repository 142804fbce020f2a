//! docs/operations.md: its commands, its tables of keys, and every shipped
//! configuration.

use std::{collections::BTreeSet, fs};

use lanner_testkit::product::workspace;

use crate::{
    page::{blocks, text},
    place::Place,
    stage::{Stage, issue_certificates},
};

const PAGE: &str = "operations.md";

/// Each daemon, its heading, and its example with every key.
const DAEMONS: [(&str, &str, &str); 3] = [
    ("lanner-sensor", "## The sensor's keys", "sensor/sensor.yaml"),
    ("lanner-forwarder", "## The forwarder's keys", "bus-forwarder/forwarder.yaml"),
    ("lanner-responder", "## The responder's keys", "responder/responder.yaml"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_page_does_as_it_says() {
    let stage = Stage::start("nats.lanner.svc:4222").await;
    let place = &stage.place;
    let bus =
        "bus:\n  servers: [\"tls://nats.lanner.svc:4222\"]\n  ca_file: /etc/lanner/pki/ca.crt\n";
    for (file, settings) in [
        ("sensor.yaml", "rules_files: [rules]\noutputs: {stdout: {}}\n".to_owned()),
        (
            "forwarder.yaml",
            format!(
                "{bus}  cert_file: /etc/lanner/pki/forwarder.node-1.crt\n  \
                 key_file: /etc/lanner/pki/forwarder.node-1.key\nnode: node-1\ncluster: prod-eu\n\
                 inputs:\n  socket: {{path: /run/lanner/forwarder.sock}}\n  \
                 pipe: {{path: /run/lanner/falco.pipe}}\n\
                 spool: {{dir: /var/lib/lanner/spool}}\n"
            ),
        ),
        (
            "responder.yaml",
            format!(
                "{bus}  cert_file: /etc/lanner/pki/responder.crt\n  \
                 key_file: /etc/lanner/pki/responder.key\nplaybooks: [playbooks]\n\
                 kubeconfig: /etc/lanner/kubeconfig\n"
            ),
        ),
    ] {
        fs::write(place.path(file), place.here(&settings)).unwrap();
    }
    let mut running = Vec::new();
    for block in blocks(PAGE) {
        if place.write(&block) {
            continue;
        }
        match (block.language.as_str(), block.kind.as_str()) {
            ("console", "" | "fails" | "contains") => place.run_all(&block),
            ("console", "stays") => running.push(place.start(&block)),
            _ => panic!("line {}: no test runs this block", block.line),
        }
    }
    assert_eq!(running.len(), 2, "the page has lost its daemons");
    for (running, signal) in running.into_iter().zip(["INT", "TERM"]) {
        let quiet = !running.written().contains("async_nats");
        assert!(quiet, "the NATS client speaks beside us:\n{}", running.written());
        assert_eq!(running.end_with(signal), Some(0));
    }
}

#[test]
fn exit_codes_are_as_shown() {
    let place = Place::new();
    fs::write(place.path("empty.yaml"), "").unwrap();
    for (command, code) in [
        ("lanner-sensor version", 0),
        ("lanner-forwarder version", 0),
        ("lanner-responder version", 0),
        ("lanner-sensor check --config empty.yaml", 1),
        ("lanner-forwarder run --config empty.yaml", 1),
        ("lanner-responder doctor --config empty.yaml", 1),
        ("lanner-sensor run --nope", 2),
        ("lanner-forwarder", 2),
        ("lanner-responder run --log-format xml", 2),
    ] {
        let (ended, printed) = place.run(command);
        assert_eq!(ended, code, "$ {command}\n{printed}");
    }
    let (code, printed) =
        place.run("LANNER_LOG=lanner_bus=loud lanner-sensor run --config empty.yaml");
    assert_eq!(code, 1);
    assert!(printed.starts_with("lanner-sensor: LANNER_LOG: "), "{printed}");
}

/// A program names all keys that it knows where it meets one that it does not.
#[test]
fn the_tables_hold_every_key_and_no_other() {
    let place = Place::new();
    for (daemon, heading, example) in DAEMONS {
        let shown = keys_of_table(heading);
        let sections: BTreeSet<&str> = shown
            .iter()
            .filter_map(|key| key.rsplit_once('.'))
            .map(|(section, _)| section)
            .collect();
        let mut known = BTreeSet::new();
        let outer =
            sections.iter().filter_map(|section| section.split_once('.')).map(|(outer, _)| outer);
        let all: BTreeSet<&str> = sections.iter().copied().chain(outer).chain([""]).collect();
        for section in &all {
            for key in known_keys(&place, daemon, section) {
                let path = if section.is_empty() { key } else { format!("{section}.{key}") };
                if !all.contains(path.as_str()) {
                    known.insert(path);
                }
            }
        }
        assert_eq!(shown, known, "{daemon}");

        let example = fs::read_to_string(workspace().join(example)).unwrap();
        let names: BTreeSet<&str> = known.iter().flat_map(|key| key.split('.')).collect();
        let whole = uncommented(&example, &names);
        for name in names {
            let key = format!("{name}:");
            assert!(whole.contains(&key), "{daemon}'s example lacks {name}");
        }
        fs::write(place.path("whole.yaml"), place.here(&whole)).unwrap();
        let (_, printed) = place.run(&format!("{daemon} check --config whole.yaml"));
        // The files that it names are not there; what it says is understood.
        assert!(!printed.starts_with(&format!("{daemon}: whole.yaml:")), "{printed}");
    }
}

/// The example with the keys that it has in comments.
fn uncommented(example: &str, names: &BTreeSet<&str>) -> String {
    let mut text = String::new();
    for line in example.lines() {
        let key = line.split_once("# ").filter(|(before, after)| {
            let name = after.trim_start().split(':').next();
            before.trim().is_empty() && name.is_some_and(|name| names.contains(name))
        });
        match key {
            Some((before, after)) => text.push_str(&format!("{before}{after}\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

fn keys_of_table(heading: &str) -> BTreeSet<String> {
    let page = text(PAGE);
    let (_, after) = page.split_once(heading).unwrap();
    let section = after.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    cells.flat_map(|cell| cell.split("`, `")).map(|key| key.replace('`', "")).collect()
}

fn known_keys(place: &Place, daemon: &str, section: &str) -> Vec<String> {
    let names = section.split('.').filter(|name| !name.is_empty());
    let (open, close): (String, String) =
        names.map(|name| (format!("{name}: {{"), "}".to_owned())).unzip();
    fs::write(place.path("probe.yaml"), format!("{{{open}nobody_knows: 1{close}}}\n")).unwrap();
    let (code, printed) = place.run(&format!("{daemon} check --config probe.yaml"));
    assert_eq!(code, 1, "{printed}");
    let (_, expected) = printed.split_once("expected ").unwrap_or_else(|| panic!("{printed}"));
    let expected = expected.lines().next().unwrap();
    let expected = expected.strip_prefix("one of ").unwrap_or(expected);
    expected
        .split([',', ' '])
        .map(|key| key.replace('`', ""))
        .filter(|key| !key.is_empty() && key != "or")
        .collect()
}

/// What is shipped loads, with all that it names.
#[test]
fn the_shipped_configurations_are_good() {
    let place = Place::new();
    issue_certificates(&place);
    let folder = |path: &str, from: &str| {
        std::os::unix::fs::symlink(workspace().join(from), place.path(path)).unwrap();
    };
    folder("/etc/lanner/rules", "rules");
    folder("/etc/lanner/rules.d", "rules");
    folder("/etc/lanner/playbooks", "playbooks");
    for (daemon, file) in [
        ("lanner-sensor", "sensor/sensor.yaml"),
        ("lanner-sensor", "deploy/kubernetes/base/config/sensor.yaml"),
        ("lanner-forwarder", "bus-forwarder/forwarder.yaml"),
        ("lanner-forwarder", "deploy/kubernetes/base/config/forwarder.yaml"),
        ("lanner-responder", "responder/responder.yaml"),
        ("lanner-responder", "deploy/kubernetes/base/config/responder.yaml"),
        ("lanner-responder", "deploy/kubernetes/local-enforce/responder.yaml"),
    ] {
        let shipped = fs::read_to_string(workspace().join(file)).unwrap();
        fs::write(place.path("shipped.yaml"), place.here(&shipped)).unwrap();
        let (code, printed) = place.run(&format!("{daemon} check --config shipped.yaml"));
        assert_eq!((code, printed.as_str()), (0, "shipped.yaml: ok\n"), "{file}");
    }
}

//! What the sensor tells the forwarder of itself.

#[path = "support/pipeline.rs"]
mod pipeline;
#[path = "support/record.rs"]
mod record;
#[path = "support/records.rs"]
mod records;

use std::{collections::BTreeSet, time::Duration};

use lanner_alert::{MetricKind, SensorStatus};
use lanner_sensor::{
    decode::Call,
    enrich::{Node, metadata::Containers, procfs::Procfs},
    output::StatusSender,
    pipeline::tell_rules,
};
use tokio::time::timeout;

use crate::{
    pipeline::{Parts, Started, read_rules},
    record::{EXEC, Head, exec_payload, record},
    records::Queued,
};

const DEADLINE: Duration = Duration::from_secs(20);

const RULES: &str = "
- rule: a program starts
  desc: matches what the test does
  condition: evt.type = execve
  output: started=%proc.name
  priority: notice
  tags: [secret, shell]
";

/// The names in the first column of the page's table.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../docs/operations.md");
    let table = page.split("## Metrics of the sensor\n").nth(1).expect("the section");
    table
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `lanner_sensor_"))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| name.split('{').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_it_counts_is_told_and_all_of_it_is_documented() {
    let node = Node::new("n", Procfs::new("/nowhere"), Containers::new(None));
    let (records, source) = Queued::new();
    let mut started = Started::start(Parts::new(RULES, node, vec![Box::new(source)]));
    let payload = exec_payload(b"\x01sh\0", b"\x01", b"\x01\0", b"sh\0", b"");
    for _ in 0..3 {
        records.send(record(&Head::default(), EXEC, Call::Execve.id(), &payload)).unwrap();
    }
    let value = |status: &SensorStatus, name: &str| {
        let family = status.metrics.iter().find(|family| family.name == name).unwrap();
        family.samples.iter().map(|sample| sample.value).sum::<f64>()
    };
    let status = loop {
        timeout(DEADLINE, started.status.changed()).await.expect("nothing new is told").unwrap();
        let json = started.status.borrow_and_update().clone().unwrap();
        let written: SensorStatus = serde_json::from_slice(&json).unwrap();
        let read = SensorStatus::from_json(&json).unwrap();
        assert_eq!(read, written, "the forwarder leaves out a part");
        if value(&read, "rules_matches_total") == 3.0 && value(&read, "alerts_made_total") == 3.0 {
            break read;
        }
    };
    assert_eq!((status.rules, status.events_lost, status.alerts_lost), (1, 0, 0));
    assert_eq!(status.rules_hash.len(), 32);
    assert_eq!(value(&status, "events_read_total"), 3.0);
    assert!(value(&status, "memory_resident_bytes") > 1e6);
    let matches = status.metrics.iter().find(|family| family.name == "rules_matches_total");
    let sample = &matches.unwrap().samples[0];
    assert_eq!(sample.labels["rule"], "a program starts");
    // By these the forwarder knows whether everybody may see it.
    assert_eq!(sample.tags.iter().collect::<Vec<_>>(), ["secret", "shell"]);

    let told: BTreeSet<String> = status.metrics.iter().map(|f| f.name.clone()).collect();
    assert_eq!(told, documented());
    for family in &status.metrics {
        assert!(family.help.ends_with('.') && family.kind != MetricKind::Unknown);
    }
    drop(records);
    started.stop.cancel();
}

#[test]
fn the_hash_is_of_what_rules_do_and_not_of_how_they_are_written() {
    let hash = |rules: &str| {
        let status = StatusSender::default();
        tell_rules(&status, &read_rules(rules));
        let json = status.borrow().clone().unwrap();
        SensorStatus::from_json(&json).unwrap().rules_hash
    };
    let usual = hash(RULES);
    let by_list =
        format!("- list: kinds\n  items: [execve]\n{}", RULES.replace("= execve", "in (kinds)"));
    for same in [
        RULES.replace("matches what", "looks for what"),
        format!("# A comment.\n{RULES}"),
        format!(
            "{RULES}- rule: off\n  desc: d\n  condition: evt.type = open\n  output: o\n  priority: notice\n  enabled: false\n"
        ),
    ] {
        assert_eq!(hash(&same), usual, "{same}");
    }
    for other in [
        RULES.replace("evt.type = execve", "evt.type = execve and proc.name = sh"),
        RULES.replace("notice", "warning"),
        RULES.replace("secret, ", ""),
        RULES.replace("started", "began"),
        by_list,
    ] {
        assert_ne!(hash(&other), usual, "{other}");
    }
}

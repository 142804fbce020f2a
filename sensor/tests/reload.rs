//! Rules and settings that change while the sensor runs.

#[path = "support/reloading.rs"]
mod reloading;

use std::{fs, os::unix::fs::symlink, path::Path};

use lanner_sensor::config::Config;

use crate::reloading::{Sensor, folder, names, rule};

#[tokio::test]
async fn a_changed_file_and_a_new_one_and_a_removed_one() {
    let sensor = Sensor::start("", folder);
    sensor.until_rules_are(&["one"]).await;
    fs::write(sensor.path("rules/a.yaml"), rule("two", "/a")).unwrap();
    sensor.until_rules_are(&["two"]).await;
    fs::write(sensor.path("rules/b.yaml"), rule("three", "/b")).unwrap();
    sensor.until_rules_are(&["two", "three"]).await;
    // As editors do.
    fs::write(sensor.path("new"), rule("four", "/b")).unwrap();
    fs::rename(sensor.path("new"), sensor.path("rules/b.yaml")).unwrap();
    sensor.until_rules_are(&["two", "four"]).await;
    fs::remove_file(sensor.path("rules/a.yaml")).unwrap();
    sensor.until_rules_are(&["four"]).await;
    let followed = sensor.followed.lock().unwrap();
    let expected: [&[&str]; 5] =
        [&["one"], &["two"], &["two", "three"], &["two", "four"], &["four"]];
    assert_eq!(*followed, expected);
    assert!(!sensor.path("alerts").exists());
}

/// `rules -> ..data/rules`, and `..data` is changed at once: kubelet's way.
#[tokio::test]
async fn a_config_map_is_swapped() {
    let version = |at: &Path, name: &str, of: &str| {
        fs::create_dir(at.join(name)).unwrap();
        fs::create_dir(at.join(name).join("rules")).unwrap();
        fs::write(at.join(name).join("rules/a.yaml"), rule(of, "/a")).unwrap();
    };
    let sensor = Sensor::start("", |at| {
        version(at, "..1", "one");
        symlink("..1", at.join("..data")).unwrap();
        symlink("..data/rules", at.join("rules")).unwrap();
    });
    version(sensor.directory.path(), "..2", "two");
    symlink("..2", sensor.path("..new")).unwrap();
    fs::rename(sensor.path("..new"), sensor.path("..data")).unwrap();
    sensor.until_rules_are(&["two"]).await;
}

#[tokio::test]
async fn a_bad_version_raises_one_alert_and_changes_nothing() {
    let sensor = Sensor::start("", folder);
    let bad = rule("two", "/a").replace("evt.type =", "evt.tpye =");
    fs::write(sensor.path("rules/b.yaml"), bad).unwrap();
    let alerts = sensor.alerts(1).await;
    assert_eq!(alerts[0].rule, "Lanner rules reload failed");
    assert_eq!(alerts[0].priority.as_str(), "Critical");
    let place = format!("{}:3:14: ", sensor.path("rules/b.yaml").display());
    assert!(alerts[0].output.contains(&place), "{}", alerts[0].output);
    sensor.until_rules_are(&["one"]).await;
    // The same bad version is told once; the next good one is taken.
    fs::write(sensor.path("rules/b.yaml"), rule("two", "/b")).unwrap();
    sensor.until_rules_are(&["one", "two"]).await;
    assert_eq!(sensor.alerts(1).await.len(), 1);
    // Bytes that are no text, and no file at all.
    fs::write(sensor.path("rules/b.yaml"), b"- rule: \xff\n").unwrap();
    let alerts = sensor.alerts(2).await;
    assert!(alerts[1].output.contains("b.yaml:1:9: the file is not UTF-8"), "{alerts:?}");
    fs::remove_dir_all(sensor.path("rules")).unwrap();
    let alerts = sensor.alerts(3).await;
    assert!(alerts[2].output.contains("cannot read rules"), "{alerts:?}");
    assert_eq!(names(&sensor.rules.borrow()), ["one", "two"]);
    assert_eq!(sensor.followed.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn settings_change_what_rules_are_used() {
    let sensor = Sensor::start("", folder);
    let settings = fs::read_to_string(sensor.path("sensor.yaml")).unwrap();
    let disabled = format!("{settings}rules: [{{ disable: {{ tag: t }} }}]\nnode: other\n");
    fs::write(sensor.path("sensor.yaml"), disabled).unwrap();
    sensor.until_rules_are(&[]).await;
    // A key that is not known.
    fs::write(sensor.path("sensor.yaml"), format!("{settings}rulse: []\n")).unwrap();
    let alerts = sensor.alerts(1).await;
    assert!(alerts[0].output.contains("sensor.yaml:4:1: unknown key `rulse`"), "{alerts:?}");
    sensor.until_rules_are(&[]).await;
    fs::write(sensor.path("sensor.yaml"), settings).unwrap();
    sensor.until_rules_are(&["one"]).await;
}

#[test]
fn what_needs_a_restart_is_known() {
    let config = |yaml: &str| -> Config {
        let yaml = format!("rules_files: [/r]\noutputs: {{ stdout: {{}} }}\n{yaml}");
        lanner_service::config::parse(&yaml, "x".as_ref()).unwrap()
    };
    let old = config("");
    let live = "rule_matching: first\npriority: notice\nrepetition: { enabled: false }\n";
    assert_eq!(old.needs_restart(&config(live)), Vec::<&str>::new());
    let fixed = "node: n\nebpf: { ring_size_bytes: 65536 }\nmetrics: { enabled: true }\n";
    assert_eq!(old.needs_restart(&config(fixed)), ["node", "ebpf", "metrics"]);
}

//! The page says of each feature what it needs, as the program does.

use std::{fs, path::Path};

use lanner_sensor::features;

#[test]
fn the_page_has_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sensor.md");
    let page = fs::read_to_string(page).unwrap();
    let table = features::markdown();
    assert!(page.contains(&table), "docs/sensor.md lacks this table:\n{table}");
}

/// A need that is not met is told once, with all that goes without it.
#[test]
fn each_need_is_one_finding() {
    let config = lanner_service::config::parse(
        "runtimes: { cri_sockets: [], docker_sockets: [] }",
        "x".as_ref(),
    )
    .unwrap();
    let findings = features::findings(&config);
    let names: Vec<_> = findings.iter().map(|finding| finding.subject.as_str()).collect();
    let socket = "socket of a container runtime (runtimes)";
    assert_eq!(names.iter().filter(|name| **name == "CAP_SYS_PTRACE").count(), 1);
    assert_eq!(names.last(), Some(&socket));
    let lacking: Vec<_> = features::lacking(&config).map(|feature| feature.need.name()).collect();
    assert!(lacking.contains(&socket), "no socket is configured: {lacking:?}");
}

//! docs/forwarder.md: the forwarder knows every setting that it shows.

use std::fs;

use crate::{page::blocks, place::Place};

#[test]
fn every_setting_of_the_page_is_known() {
    let place = Place::new();
    let mut seen = 0;
    for block in blocks("forwarder.md") {
        if block.language != "yaml" {
            assert_eq!(block.language, "sh", "line {}: no test looks at this block", block.line);
            continue;
        }
        let named = block.text.lines().any(|line| line == "inputs:");
        let inputs = if named { "" } else { "inputs: {stdin: true}\n" };
        let text = format!(
            "bus: {{servers: [\"nats://localhost\"], insecure_for_tests: true}}\n{inputs}{}",
            block.text
        );
        fs::write(place.path("shown.yaml"), text).unwrap();
        let (_, printed) = place.run("lanner-forwarder check --config shown.yaml");
        // The files that it names are not there; what it says is understood.
        assert!(!printed.contains("shown.yaml:") || printed.contains(": ok"), "{printed}");
        seen += 1;
    }
    assert!(seen >= 4, "the page has lost its settings");
}

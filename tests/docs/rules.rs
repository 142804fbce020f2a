//! docs/rules.md: its files are loaded, its commands run.

use crate::{page::blocks, place::Place};

const PAGE: &str = "rules.md";

#[test]
fn the_page_does_as_it_says() {
    let place = Place::new();
    let mut steps = 0;
    for block in blocks(PAGE) {
        steps += 1;
        if place.write(&block) {
            continue;
        }
        match (block.language.as_str(), block.kind.as_str()) {
            ("console", "" | "fails" | "contains") => place.run_all(&block),
            _ => panic!("line {}: no test runs this block", block.line),
        }
    }
    assert!(steps >= 15, "the page has lost its blocks");
}

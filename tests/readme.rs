//! The README and the guides: what they point at is there, and what they show works.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lanner_bus_forwarder::Config;
use lanner_service::config;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

/// Every page that people read.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for folder in ["docs", "rules", "playbooks", "deploy/kubernetes"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder can be read").flatten();
        pages.extend(
            entries
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|end| end == "md")),
        );
    }
    pages
}

/// The code blocks of a page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    let ends = page.split(&fence).skip(1);
    ends.filter_map(|rest| rest.split_once("```").map(|(block, _)| block.to_owned())).collect()
}

#[test]
fn every_link_points_at_something() {
    let mut links = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page can be read");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().expect("a page lies in a folder").join(target);
            assert!(path.exists(), "{}: {target} is not there", page.display());
            links += 1;
        }
    }
    assert!(links > 8, "only {links} links were found");
}

#[test]
fn the_forwarders_settings_in_the_readme_are_taken() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README can be read");
    let blocks = blocks(&readme, "yaml");
    let forwarder = blocks.iter().find(|block| block.starts_with("# forwarder.yaml"));
    let text = forwarder.expect("the README shows forwarder.yaml");
    let config: Config = config::parse(text, Path::new("README.md")).expect("it is taken");
    assert_eq!(config.inputs.pipe.expect("a pipe").path, Path::new("/run/lanner/falco.pipe"));
}

/// The tests of `xtask` run both; here, that the README names no others.
#[test]
fn the_readme_shows_two_commands() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README can be read");
    let commands = blocks(&readme, "sh").join("\n");
    let commands: Vec<&str> = commands
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(commands, ["cargo xtask demo --once", "cargo xtask test"]);
}

//! What `deny.toml` says of dependencies, without `cargo deny`, which takes
//! longer to build than all of Lanner.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The texts in quotes of a list in `deny.toml`.
fn list(key: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("deny.toml")).unwrap();
    let (_, rest) = text.split_once(&format!("\n{key} = [")).expect("the list is there");
    let (list, _) = rest.split_once("\n]").unwrap_or_else(|| rest.split_once(']').unwrap());
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn nothing_banned_is_locked() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let banned = list("deny");
    assert!(banned.contains(&"openssl-sys".to_owned()), "the list was read: {banned:?}");
    for name in banned {
        assert!(!lock.contains(&format!("\nname = \"{name}\"\n")), "{name} is in Cargo.lock");
    }
}

#[test]
fn everything_comes_from_where_it_may() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let allowed: Vec<_> =
        list("allow-registry").iter().map(|url| format!("source = \"registry+{url}\"")).collect();
    let sources: Vec<_> = lock.lines().filter(|line| line.starts_with("source = ")).collect();
    assert!(!sources.is_empty());
    for source in sources {
        assert!(allowed.iter().any(|allowed| allowed == source), "{source}");
    }
}

#[test]
fn every_license_is_one_we_may_use() {
    let allowed = list("allow");
    for package in packages() {
        if package["source"].is_null() {
            continue;
        }
        let license = package["license"].as_str().unwrap_or("none");
        assert!(satisfied(license, &allowed), "{} has the license {license}", package["name"]);
    }
}

/// Whether one may use what has this SPDX expression: one of alternatives, all
/// that are joined. `/` is an old word for `OR`.
fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (result, rest) = any_of(&words, allowed);
    assert!(rest.is_empty(), "cannot read the license {expression}");
    result
}

fn any_of<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut result, mut words) = all_of(words, allowed);
    while let ["OR", rest @ ..] = words {
        let (next, rest) = all_of(rest, allowed);
        (result, words) = (result | next, rest);
    }
    (result, words)
}

fn all_of<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut result, mut words) = one(words, allowed);
    while let ["AND", rest @ ..] = words {
        let (next, rest) = one(rest, allowed);
        (result, words) = (result & next, rest);
    }
    (result, words)
}

fn one<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let is_allowed = |license: &str| allowed.iter().any(|allowed| allowed == license);
    match words {
        ["(", rest @ ..] => match any_of(rest, allowed) {
            (result, [")", rest @ ..]) => (result, rest),
            (_, rest) => panic!("no closing parenthesis before {rest:?}"),
        },
        [license, "WITH", exception, rest @ ..] => {
            (is_allowed(&format!("{license} WITH {exception}")), rest)
        }
        // `+`: or any later version.
        [license, rest @ ..] => (is_allowed(license.trim_end_matches('+')), rest),
        [] => panic!("a license is missing"),
    }
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT/GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(GPL-3.0 OR MIT) AND BSD-3-Clause", false),
        ("MIT WITH something", false),
    ] {
        assert_eq!(satisfied(expression, &allowed), expected, "{expression}");
    }
}

//! The invariants of docs/architecture.md, held over `cargo metadata` and the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

/// Direct dependencies of each package of the workspace, tests' own included.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let text = |value: &Value| value.as_str().expect("a name is a text").to_owned();
    let packages = metadata["packages"].as_array().expect("packages is a list");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("a list");
            let names = dependencies.iter().map(|dependency| text(&dependency["name"]));
            (text(&package["name"]), names.collect())
        })
        .collect()
}

/// Packages that depend on `name` directly.
fn users_of(name: &str) -> BTreeSet<String> {
    dependencies()
        .into_iter()
        .filter(|(_, dependencies)| dependencies.contains(name))
        .map(|(package, _)| package)
        .collect()
}

#[track_caller]
fn check_users(name: &str, allowed: &[&str]) {
    let allowed: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
    let users = users_of(name);
    let others: Vec<_> = users.difference(&allowed).collect();
    assert!(others.is_empty(), "{name} is used by {others:?}; only {allowed:?} may");
    assert!(!users.is_empty(), "nobody uses {name}: is it still called so?");
}

/// Every file of ours under `folder` that ends in `.ending`.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if name != "target" && name != "dist" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no .{ending} file under {}", folder.display());
    found
}

/// Lines of Rust code, without comments, that hold `needle`, outside of `allowed`.
fn lines_with(folder: &str, needle: &str, allowed: &[&str]) -> Vec<String> {
    let root = root();
    let mut found = Vec::new();
    for path in files(&root.join(folder), "rs") {
        let relative = path.strip_prefix(&root).expect("below the root").display().to_string();
        // This file names what it looks for.
        let exempt = relative == "tests/architecture.rs";
        if exempt || allowed.iter().any(|allowed| relative.starts_with(allowed)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file can be read");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(needle) {
                found.push(format!("{relative}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[track_caller]
fn check_absent(folder: &str, needle: &str, allowed: &[&str]) {
    let found = lines_with(folder, needle, allowed);
    assert!(found.is_empty(), "{needle:?} may stand only in {allowed:?}:\n{}", found.join("\n"));
}

#[test]
fn the_engine_does_no_io_and_reads_no_clock() {
    for needle in [
        "std::fs",
        "std::net::Tcp",
        "std::io",
        "std::process",
        "std::env",
        "Instant::",
        "SystemTime",
        "async fn",
        "tokio",
    ] {
        check_absent("crates/engine/src", needle, &[]);
    }
    let dependencies = dependencies();
    let ours: Vec<_> =
        dependencies["lanner-engine"].iter().filter(|name| name.starts_with("lanner-")).collect();
    assert!(ours.is_empty(), "the engine knows only rules, not {ours:?}");
}

#[test]
fn unsafe_and_aya_live_in_the_ebpf_source_only() {
    check_users("aya", &["lanner-sensor"]);
    check_absent("sensor/src", "aya::", &["sensor/src/source/ebpf"]);
    for needle in ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code"] {
        check_absent(".", needle, &["sensor/src/source/ebpf"]);
    }
}

#[test]
fn only_the_bus_speaks_nats() {
    check_users("async-nats", &["lanner-bus"]);
}

#[test]
fn only_the_responders_actions_and_the_tests_speak_to_kubernetes() {
    check_users("kube", &["lanner-responder", "lanner-tests"]);
    check_absent("responder/src", "kube::", &["responder/src/action"]);
    check_users("rhai", &["lanner-responder"]);
    check_absent("responder/src", "rhai::", &["responder/src/playbook"]);
}

#[test]
fn no_daemon_depends_on_another() {
    let daemons = ["lanner-sensor", "lanner-bus-forwarder", "lanner-responder"];
    let dependencies = dependencies();
    for daemon in daemons {
        for other in daemons {
            assert!(!dependencies[daemon].contains(other), "{daemon} depends on {other}");
        }
    }
    let of_cli: BTreeSet<&str> = dependencies["lanner-cli"]
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with("lanner-"))
        .collect();
    for name in ["lanner-sensor", "lanner-bus-forwarder"] {
        assert!(!of_cli.contains(name), "the tool depends on {name}");
    }
    assert!(!dependencies["lanner-alert"].iter().any(|name| name.starts_with("lanner-")));
}

#[test]
fn every_queue_has_a_bound() {
    for needle in ["unbounded_channel", "mpsc::channel()", "futures::channel::mpsc::unbounded"] {
        check_absent(".", needle, &[]);
    }
}

#[test]
fn no_second_crypto_provider_comes_in() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock can be read");
    for banned in ["openssl-sys", "native-tls", "aws-lc-rs", "serde_yaml"] {
        assert!(!lock.contains(&format!("name = \"{banned}\"\n")), "{banned} is in Cargo.lock");
    }
}

#[test]
fn nobody_keeps_a_junk_drawer() {
    for path in files(&root(), "rs") {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        assert!(
            !["mod", "common", "utils", "util", "helpers", "misc"].contains(&stem),
            "{} is named by nothing that it does",
            path.display()
        );
    }
}

#[test]
fn the_kernel_programs_carry_their_license() {
    for ending in ["c", "h"] {
        for path in files(&root().join("sensor/bpf"), ending) {
            let text = fs::read_to_string(&path).expect("a source file can be read");
            let first = text.lines().next().unwrap_or_default();
            assert!(
                first.contains("SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0"),
                "{} begins with {first:?}",
                path.display()
            );
        }
    }
}

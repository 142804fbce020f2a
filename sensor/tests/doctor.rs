//! What `doctor` says where the kernel cannot do what the sensor needs.

#[path = "support/kernel.rs"]
mod kernel;

use std::{fs, process::Command};

use lanner_testkit::not_run::not_run;

use crate::kernel::can_watch;

/// What is printed, and the exit code; `wrapped` is what the sensor is started with.
fn doctor(wrapped: &[&str]) -> (String, Option<i32>) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("sensor.yaml");
    fs::write(directory.path().join("rules.yaml"), "[]\n").unwrap();
    let yaml = format!(
        "rules_files: [{}/rules.yaml]\noutputs: {{ stdout: {{}} }}\n",
        directory.path().display()
    );
    fs::write(&config, yaml).unwrap();
    let words = [wrapped, &[env!("CARGO_BIN_EXE_lanner-sensor"), "doctor", "--config"]].concat();
    let output = Command::new(words[0]).args(&words[1..]).arg(&config).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (printed + &String::from_utf8_lossy(&output.stderr), output.status.code())
}

const OFFER: &str = "missing  sensor for this kernel: a stock Falco";

#[test]
fn a_kernel_below_the_floor_is_offered_a_stock_falco() {
    let test = "a_kernel_below_the_floor_is_offered_a_stock_falco";
    if !can_watch(test) {
        return;
    }
    // As on a kernel that was built without descriptions of its types.
    let hide = "mount --make-rprivate / && mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    let (printed, code) = doctor(&["unshare", "-m", "/bin/sh", "-c", hide, "sh"]);
    if printed.contains("permission denied") || printed.contains("Operation not permitted") {
        not_run(test, "mounts are refused here");
        return;
    }
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("FATAL    kernel type information"), "{printed}");
    let offer = printed.lines().find(|line| line.starts_with(OFFER)).expect(&printed);
    // Both sides of the pipe, and what the forwarder reads.
    assert_eq!(offer.matches("/run/lanner/falco.pipe").count(), 2, "{offer}");
    assert!(offer.contains("engine.kind=kmod") && offer.contains("json_output=true"), "{offer}");
}

#[test]
fn a_kernel_that_can_is_offered_nothing_else() {
    if !can_watch("a_kernel_that_can_is_offered_nothing_else") {
        return;
    }
    let (printed, code) = doctor(&[]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(!printed.contains(OFFER), "{printed}");
    // Nor is it the kernel's fault that nobody granted anything.
    let (printed, code) = doctor(&["setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("FATAL    CAP_BPF") && !printed.contains(OFFER), "{printed}");
}

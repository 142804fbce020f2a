//! The signal that has the sensor read its rules again. It reaches every sensor in this process, so
//! no other test is in it.

#[path = "support/reloading.rs"]
mod reloading;

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::reloading::{DEADLINE, Sensor, folder, names, rule};

#[tokio::test]
async fn a_hangup_reads_them_again() {
    let sensor = Sensor::start("watch_config_files: false", folder);
    fs::write(sensor.path("rules/a.yaml"), rule("two", "/a")).unwrap();
    let started = Instant::now();
    while names(&sensor.rules.borrow()) != ["two"] {
        assert!(started.elapsed() < DEADLINE, "not read again");
        // It may not listen yet, and the signal would then end this process: see below.
        if catches_hangup() {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::HUP).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether this process catches SIGHUP by now.
fn catches_hangup() -> bool {
    const HUP: u64 = 1;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & HUP != 0
}

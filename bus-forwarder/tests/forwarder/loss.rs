//! A small run of what `cargo xtask loss` does with many alerts.

use std::{path::PathBuf, time::Duration};

use lanner_testkit::{
    loss::{self, Plan, Trouble},
    not_run,
};

async fn check(trouble: Trouble, alerts: u32) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_lanner-forwarder"));
    let plan = Plan { program, alerts, times: 2, stall: Duration::from_secs(1) };
    let report = loss::run(trouble, &plan).await;
    println!("{report}");
    assert!(report.is_good(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_bus_is_killed() {
    check(Trouble::BusKilled, 4000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_forwarder_is_killed() {
    check(Trouble::ForwarderKilled, 4000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_disk_costs_is_counted() {
    if !rustix::process::geteuid().is_root() {
        return not_run("what a full disk costs", "a small file system takes root");
    }
    check(Trouble::DiskFull, 8000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_link_stalls() {
    check(Trouble::LinkStalls, 4000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_certificates_are_rotated() {
    check(Trouble::CertificatesRotated, 4000).await;
}

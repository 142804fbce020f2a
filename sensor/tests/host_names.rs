//! A connection to an address, and a rule that knows its name alone. Needs root and kernel BTF.

#[path = "support/kernel.rs"]
mod kernel;

use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lanner_alert::Alert;
use lanner_sensor::{
    config::Config,
    sensor::{Flags, Sensor},
};
use lanner_service::{CancellationToken, Daemon as _, config};

use crate::kernel::can_watch;

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_about_a_name_sees_a_connection_to_its_address() {
    if !can_watch("a_rule_about_a_name_sees_a_connection_to_its_address") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let rule = |name: &str, condition: &str| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: evt.type = connect and fd.sport = {port} and \
             {condition}\n  output: '%fd.sip.name'\n  priority: critical\n"
        )
    };
    let rules = [
        rule("named", "fd.sip.name in (lanner.invalid, localhost)"),
        rule("remote", "fd.rip.name = localhost"),
        rule("another", "fd.sip.name = lanner.invalid"),
        rule("not another", "fd.sip.name != lanner.invalid"),
        rule("not it", "fd.sip.name != localhost"),
    ];
    fs::write(at.join("rules.yaml"), rules.concat()).unwrap();
    let yaml = format!(
        "rules_files: [{0}/rules.yaml]\noutputs: {{ file: {{ path: {0}/alerts }} }}\n",
        at.display()
    );
    let config: Config = config::parse(&yaml, "sensor.yaml".as_ref()).unwrap();
    let stop = CancellationToken::new();
    let flags = Flags { replay: None, record: None };
    let daemon = tokio::spawn(Sensor::run(config, flags, stop.clone()));
    let alerts = || -> Vec<Alert> {
        let text = fs::read_to_string(at.join("alerts")).unwrap_or_default();
        text.lines().filter_map(|line| Alert::from_json(line.as_bytes()).ok()).collect()
    };
    let until = Instant::now() + DEADLINE;
    // The sensor takes its time to start, and the resolver to answer.
    while !alerts().iter().any(|alert| alert.rule == "named") {
        assert!(!daemon.is_finished(), "the sensor ended: {:?}", daemon.await);
        assert!(Instant::now() < until, "no alert within {DEADLINE:?}");
        Command::new("bash")
            .args(["-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}")])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        listener.accept().unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    daemon.await.unwrap().unwrap();
    let alerts = alerts();
    let named = alerts.iter().find(|alert| alert.rule == "named").unwrap();
    assert_eq!(named.output_fields["fd.sip.name"], "localhost");
    let of_the_last =
        |rule: &str| alerts.iter().any(|alert| alert.rule == rule && alert.time == named.time);
    assert!(of_the_last("remote") && of_the_last("not another"));
    assert!(!of_the_last("not it") && !alerts.iter().any(|alert| alert.rule == "another"));
}

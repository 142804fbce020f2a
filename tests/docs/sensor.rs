//! docs/sensor.md: from recordings, and as root on the kernel.

use std::{fs, os::unix::net::UnixDatagram, process::Command};

use lanner_testkit::{eventually, not_run, product::Binary};
use tempfile::TempDir;

use crate::{
    page::{Block, blocks, text},
    place::{Place, Running, SOON},
};

const PAGE: &str = "sensor.md";

#[test]
fn the_page_does_as_it_says() {
    let place = Place::new();
    let can_watch = can_watch("the_page_does_as_it_says (docs/sensor.md, its parts for root)");
    let mut sensor: Option<Running> = None;
    let mut steps = 0;
    for block in blocks(PAGE) {
        steps += 1;
        if place.write(&block) {
            continue;
        }
        match (block.language.as_str(), block.kind.as_str()) {
            ("console", "") => place.run_all(&block),
            ("console", "outputs") => check_outputs(&place, &block),
            // There is no journald on every machine that runs tests.
            ("console", "journald") => {}
            ("console", kind) if kind.starts_with("root") && !can_watch => {}
            ("console", "root, doctor") => check_doctor(&place, &block),
            ("console", "root, stays") => sensor = Some(place.start(&block)),
            ("console", "root") => {
                let sensor = sensor.as_ref().unwrap();
                eventually("the sensor sees it", SOON * 3, || {
                    place.run_all(&block);
                    let seen = sensor.written().contains("Sensitive file read by cat");
                    seen.then_some(())
                });
            }
            ("console", "root, replay") => {
                assert_eq!(sensor.take().unwrap().end_with("INT"), Some(0));
                place.run_all(&Block { kind: "contains".to_owned(), ..block });
            }
            _ => panic!("line {}: no test runs this block", block.line),
        }
    }
    assert!(steps >= 10, "the page has lost its blocks");
}

/// The other outputs hold the alert, too.
fn check_outputs(place: &Place, block: &Block) {
    let syslog = UnixDatagram::bind(place.path("/run/lanner/syslog")).unwrap();
    syslog.set_read_timeout(Some(SOON)).unwrap();
    // The page's reader of the pipe; it makes the pipe before the sensor runs.
    let fifo = place.path("/run/lanner/alerts.fifo");
    let reader = std::thread::spawn(move || {
        eventually("the pipe is made", SOON, || fifo.exists().then_some(()));
        fs::read_to_string(fifo).unwrap()
    });
    place.run_all(block);
    let mut message = [0; 4096];
    let len = syslog.recv(&mut message).unwrap();
    let message = String::from_utf8_lossy(message.get(..len).unwrap()).into_owned();
    // LOG_USER and LOG_WARNING.
    assert!(message.starts_with("<12>") && message.contains(" lanner-sensor["), "{message}");
    let line = reader.join().unwrap();
    assert!(line.contains("Warning Sensitive file read by cat"), "{line}");
    let bare = line.trim_end();
    assert!(message.ends_with(bare), "{message}");
}

/// What is shown holds, and is what this machine has beside sockets and rules.
fn check_doctor(place: &Place, block: &Block) {
    for shown in block.commands() {
        let (_, printed) = place.run(&shown.command);
        for line in shown.printed {
            let has_all = |said: &str| line.split("...").all(|part| said.contains(part));
            assert!(printed.lines().any(has_all), "{line:?} in\n{printed}");
        }
    }
}

/// The table says what `doctor` says to who has no capability.
#[test]
fn the_table_of_capabilities_is_doctors() {
    let place = Place::new();
    let config = place.path("/etc/lanner/sensor.yaml");
    fs::write(&config, "rules_files: [rules]\noutputs: {stdout: {}}\n").unwrap();
    let mut command = Command::new("setpriv");
    if is_root() {
        command.arg("--bounding-set=-all");
    }
    let output = command
        .arg("--inh-caps=-all")
        .arg(Binary::Sensor.path())
        .args(["doctor", "--config"])
        .arg(&config)
        .current_dir(place.path("/"))
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let told: Vec<(&str, &str)> = printed
        .lines()
        .filter_map(|line| line.split_once("CAP_")?.1.split_once(": "))
        .map(|(name, lack)| (name, lack.split(": run as root").next().unwrap()))
        .collect();
    assert_eq!(told.len(), 4, "{printed}");
    let page = text(PAGE);
    for (name, lack) in told {
        for feature in lack.split("; ") {
            let row = format!("| CAP_{name} | {feature}");
            assert!(page.contains(&row), "the page lacks {row}");
        }
    }
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

/// Whether this machine lets the sensor watch its kernel, as `doctor` says.
fn can_watch(test: &str) -> bool {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("sensor.yaml");
    fs::write(&config, "rules_files: [.]\noutputs: {stdout: {}}\n").unwrap();
    let output = Command::new(Binary::Sensor.path())
        .args(["doctor", "--config"])
        .arg(&config)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    match printed.lines().find(|line| line.starts_with("FATAL")) {
        Some(lack) => {
            not_run(test, lack);
            false
        }
        None => true,
    }
}

//! The sensor is killed and started again while the machine works.

#[path = "support/kernel.rs"]
mod kernel;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lanner_sensor::source::ebpf::loaded_ids;

use crate::kernel::can_watch;

const DEADLINE: Duration = Duration::from_secs(30);

const RULES: &str = "
- rule: marked
  desc: a file of this test
  condition: evt.type in (open, openat) and fd.name endswith lanner-killed-mark
  output: o
  priority: critical
";

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sensor(at: &Path) -> Running {
    let child = Command::new(env!("CARGO_BIN_EXE_lanner-sensor"))
        .args(["run", "--config"])
        .arg(at.join("sensor.yaml"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(at.join("log")).unwrap())
        .spawn();
    Running(child.unwrap())
}

/// Until the sensor told of the file that is opened all the time.
fn until_an_alert(at: &Path, sensor: &mut Running) -> Duration {
    let _ = fs::remove_file(at.join("alerts"));
    let started = Instant::now();
    while fs::metadata(at.join("alerts")).map_or(0, |found| found.len()) == 0 {
        let log = || fs::read_to_string(at.join("log")).unwrap_or_default();
        assert!(started.elapsed() < DEADLINE, "no alert: {}", log());
        assert!(sensor.0.try_wait().unwrap().is_none(), "the sensor ended: {}", log());
        fs::read(at.join("lanner-killed-mark")).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    started.elapsed()
}

/// Ids that `/proc` shows beside the descriptors of a process.
fn ids_of(pid: u32, key: &str) -> BTreeSet<u32> {
    let texts = texts_of(pid).into_iter();
    texts
        .filter_map(|text| {
            text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
        })
        .collect()
}

fn texts_of(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok()).collect()
}

fn pins() -> usize {
    fs::read_dir("/sys/fs/bpf").map_or(0, Iterator::count)
}

#[test]
fn nothing_of_a_killed_sensor_stays_and_the_next_one_works() {
    if !can_watch("nothing_of_a_killed_sensor_stays_and_the_next_one_works") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    fs::write(at.join("rules.yaml"), RULES).unwrap();
    fs::write(at.join("lanner-killed-mark"), "x").unwrap();
    let yaml = format!(
        "rules_files: [{0}/rules.yaml]\noutputs: {{ file: {{ path: {0}/alerts }} }}\n",
        at.display()
    );
    fs::write(at.join("sensor.yaml"), yaml).unwrap();
    let load = Command::new("/bin/sh")
        .args(["-c", "while :; do /bin/cat /etc/passwd; done"])
        .stdout(Stdio::null())
        .spawn();
    let _load = Running(load.unwrap());

    let pins_before = pins();
    for round in 0..3 {
        let mut sensor = sensor(&at);
        let first_alert = until_an_alert(&at, &mut sensor);
        println!("round {round}: first alert after {first_alert:?}");
        let pid = sensor.0.id();
        let (programs, maps) = (ids_of(pid, "prog_id:"), ids_of(pid, "map_id:"));
        let shown = texts_of(pid).join("\n");
        assert!(programs.len() >= 4 && maps.len() >= 4, "{programs:?} {maps:?}");
        let loaded = loaded_ids().unwrap();
        assert!(loaded.programs.is_superset(&programs) && loaded.maps.is_superset(&maps));

        sensor.0.kill().unwrap();
        sensor.0.wait().unwrap();
        let killed = Instant::now();
        // The kernel lets them go when nobody can be in them any more.
        loop {
            let loaded = loaded_ids().unwrap();
            let (programs, maps): (Vec<_>, Vec<_>) = (
                loaded.programs.intersection(&programs).collect(),
                loaded.maps.intersection(&maps).collect(),
            );
            if programs.is_empty() && maps.is_empty() {
                break;
            }
            assert!(killed.elapsed() < DEADLINE, "{programs:?} and {maps:?} stay: {shown}");
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(pins(), pins_before);
    }
}

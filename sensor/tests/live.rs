//! The whole daemon on the running kernel: what is recorded gives the same
//! alerts when it is replayed, and what is not recorded is counted. Rules change
//! while it watches. Needs root and kernel BTF.

#[path = "support/kernel.rs"]
mod kernel;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use lanner_alert::Alert;
use lanner_sensor::{
    config::Config,
    sensor::{Flags, Sensor},
};
use lanner_service::{CancellationToken, Daemon as _, config};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::{Pid, Signal, kill_process},
};
use serde_json::Value;

use crate::kernel::can_watch;

const DEADLINE: Duration = Duration::from_secs(60);

/// Critical, so that repeated alerts are not summed up. `MARK` is a word that no other test has.
const RULES: &str = r"
- rule: marked command
  desc: a command of this test
  condition: evt.type = execve and proc.args contains MARK-command and proc.env[LANNER] = yes
  output: '%evt.num %proc.cmdline by %proc.aname[1] and %proc.aname[2] as %user.name'
  priority: critical
- rule: marked file
  desc: a file of this test, by whatever name it is opened
  condition: evt.type in (open, openat) and fd.name endswith MARK-secret
  output: '%evt.num %fd.name raw=%fd.nameraw by %proc.name'
  priority: critical
";

/// A folder with rules, a secret file and a link to it.
struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
    mark: String,
}

impl Place {
    fn make() -> Self {
        let folder = tempfile::Builder::new().prefix("live").tempdir().unwrap();
        let path = fs::canonicalize(folder.path()).unwrap();
        let mark = path.file_name().unwrap().to_str().unwrap().to_owned();
        fs::write(path.join("rules.yaml"), RULES.replace("MARK", &mark)).unwrap();
        let place = Self { _folder: folder, path, mark };
        fs::write(place.secret(), "x").unwrap();
        symlink(place.secret(), place.path.join("link")).unwrap();
        place
    }

    fn secret(&self) -> PathBuf {
        self.path.join(format!("{}-secret", self.mark))
    }

    /// What is started with it is what the rule looks for.
    fn command_mark(&self) -> String {
        format!("{}-command", self.mark)
    }

    /// A configuration whose alerts go to a file of this name.
    fn config(&self, alerts: &str) -> String {
        format!(
            "rules_files: [{0}/rules.yaml]\noutputs: {{ file: {{ path: {0}/{alerts} }} }}\n",
            self.path.display()
        )
    }

    fn alerts(&self, name: &str) -> Vec<Alert> {
        let text = fs::read_to_string(self.path.join(name)).unwrap_or_default();
        text.lines().filter_map(|line| Alert::from_json(line.as_bytes()).ok()).collect()
    }

    /// Does what the rules look for.
    fn act(&self) {
        Command::new("/bin/sh")
            .args(["-c", "/bin/true $0; cat link", &self.command_mark()])
            .current_dir(&self.path)
            .env("LANNER", "yes")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }

    async fn replay(&self, recording: &str) -> Vec<Alert> {
        let config: Config =
            config::parse(&self.config("replayed.jsonl"), "sensor.yaml".as_ref()).unwrap();
        let flags = Flags { replay: Some(self.path.join(recording)), record: None };
        Sensor::run(config, flags, CancellationToken::new()).await.unwrap();
        self.alerts("replayed.jsonl")
    }
}

/// A sensor whose alerts go to a file of the place, killed on drop.
struct Running<'a> {
    place: &'a Place,
    sensor: Child,
}

/// What it said of itself at its end.
struct Told {
    evaluated: u64,
    lines: Option<u64>,
    not_recorded: u64,
}

impl<'a> Running<'a> {
    fn start(place: &'a Place, to: &Path) -> Self {
        Self::start_with(place, &["--record".as_ref(), to])
    }

    fn start_with(place: &'a Place, flags: &[&Path]) -> Self {
        let metrics = "metrics: { enabled: true, interval: 200ms }\n";
        let config = place.config("live.jsonl") + metrics;
        fs::write(place.path.join("sensor.yaml"), config).unwrap();
        let sensor = Command::new(env!("CARGO_BIN_EXE_lanner-sensor"))
            .args(["run", "--log-format", "json", "--config"])
            .arg(place.path.join("sensor.yaml"))
            .args(flags)
            .stdout(Stdio::null())
            .stderr(File::create(place.path.join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { place, sensor }
    }

    /// The sensor takes its time to start, and to be too slow: the deed is repeated until then.
    fn act_until(&mut self, what: &str, is_enough: impl Fn(&[Alert]) -> bool) {
        let place = self.place;
        self.until(what, is_enough, || place.act());
    }

    fn until(&mut self, what: &str, is_enough: impl Fn(&[Alert]) -> bool, act: impl Fn()) {
        let until = Instant::now() + DEADLINE;
        while !is_enough(&self.place.alerts("live.jsonl")) {
            let ended = self.sensor.try_wait().unwrap();
            assert!(ended.is_none(), "the sensor ended: {}", self.log());
            assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}\n{}", self.log());
            act();
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn ask_to_stop(&self) {
        let id = Pid::from_child(&self.sensor);
        kill_process(id, Signal::TERM).unwrap();
    }

    fn end(mut self) -> Told {
        let status = self.sensor.wait().unwrap();
        assert!(status.success(), "{}", self.log());
        let log = self.log();
        let field = |message: &str, name: &str| {
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut of_message = lines.filter(|line| line["message"] == message);
            of_message.find_map(|line| line[name].as_u64())
        };
        let alerts = self.place.alerts("live.jsonl");
        Told {
            evaluated: field("pipeline stopped", "evaluated").expect(&log),
            lines: field("recording written", "lines"),
            not_recorded: not_recorded(&alerts),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.path.join("log")).unwrap_or_default()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.sensor.kill();
        let _ = self.sensor.wait();
    }
}

/// The sum that the last alert about losses tells.
fn not_recorded(alerts: &[Alert]) -> u64 {
    let of_losses = |alert: &&Alert| alert.rule == "Lanner lost events";
    let Some(last) = alerts.iter().rfind(of_losses) else { return 0 };
    let counts = last.output_fields.iter().filter(|(name, _)| name.ends_with(".not_recorded"));
    counts.map(|(_, count)| count.as_u64().unwrap()).sum()
}

/// What is the same in a replay. Partitions, where there are several, take turns in another way.
fn facts<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> BTreeSet<(String, String, i128)> {
    let ours = alerts.into_iter().filter(|alert| alert.source == "syscall");
    ours.map(|alert| (alert.rule.clone(), alert.output.clone(), alert.time.as_nanosecond()))
        .collect()
}

fn number(alert: &Alert) -> Option<u64> {
    alert.output_fields.get("evt.num")?.as_u64()
}

/// The numbers of the events in a recording.
fn recorded(place: &Place, recording: &str) -> BTreeSet<u64> {
    let text = fs::read_to_string(place.path.join(recording)).unwrap();
    // Inside of a value a quotation mark has a backslash before it.
    let numbers = text.lines().map(|line| line.split_once("\"evt.num\":").unwrap().1);
    numbers.map(|rest| rest.split([',', '}']).next().unwrap().parse().unwrap()).collect()
}

/// Everything is in the recording or counted, and what is in it gives the same alerts.
async fn assert_whole(place: &Place, recording: &str, told: &Told) {
    let recorded = recorded(place, recording);
    assert_eq!(Some(recorded.len() as u64), told.lines);
    assert_eq!(told.evaluated, recorded.len() as u64 + told.not_recorded);
    let live = place.alerts("live.jsonl");
    let kept = live.iter().filter(|alert| number(alert).is_some_and(|it| recorded.contains(&it)));
    assert_eq!(facts(kept), facts(&place.replay(recording).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_gives_the_alerts_of_the_live_run() {
    if !can_watch("a_recording_gives_the_alerts_of_the_live_run") {
        return;
    }
    let place = Place::make();
    let mut recording = Running::start(&place, &place.path.join("events.jsonl"));
    recording.act_until("an alert of each rule", |alerts| {
        let has = |rule: &str| alerts.iter().any(|alert| alert.rule == rule);
        has("marked command") && has("marked file")
    });
    recording.ask_to_stop();
    let told = recording.end();
    assert_whole(&place, "events.jsonl", &told).await;

    let live = place.alerts("live.jsonl");
    let file = live.iter().find(|alert| alert.rule == "marked file").unwrap();
    let secret = place.secret().display().to_string();
    assert_eq!(file.output_fields["fd.name"], secret.as_str(), "by its resolved name");
    assert_eq!(file.output_fields["fd.nameraw"], "link");
    let command = live
        .iter()
        .find(|alert| alert.output.contains(&format!("true {} by sh", place.command_mark())));
    let command = command.expect("the command with its parent");
    assert!(command.entity.boot_id.is_some() && command.entity.start_time.is_some());
}

/// Into a pipe that nobody empties until the end, while files are opened without a pause.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_disk_keeps_out_of_a_recording_is_counted() {
    if !can_watch("what_a_slow_disk_keeps_out_of_a_recording_is_counted") {
        return;
    }
    let place = Place::make();
    let pipe = place.path.join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let (go, may_read) = mpsc::sync_channel(1);
    let (from, to) = (pipe.clone(), place.path.join("events.jsonl"));
    let reader = thread::spawn(move || {
        let mut from = File::open(from).unwrap();
        may_read.recv().unwrap();
        io::copy(&mut from, &mut File::create(to).unwrap()).unwrap();
    });
    let mut recording = Running::start(&place, &pipe);
    let storm = Storm::of(&place.path.join("rules.yaml"));
    recording.act_until("events that are not recorded", |alerts| not_recorded(alerts) > 0);
    drop(storm);
    recording.ask_to_stop();
    go.send(()).unwrap();
    let told = recording.end();
    reader.join().unwrap();
    assert!(told.not_recorded > 0);
    assert_whole(&place, "events.jsonl", &told).await;
}

/// Opens a file over and over until it is dropped.
struct Storm(Child);

impl Storm {
    fn of(file: &Path) -> Self {
        let script = "while :; do : < \"$0\"; done";
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script]).arg(file).env_clear().current_dir("/");
        Self(shell.spawn().unwrap())
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn what_a_full_disk_keeps_out_of_a_recording_is_counted() {
    if !can_watch("what_a_full_disk_keeps_out_of_a_recording_is_counted") {
        return;
    }
    let place = Place::make();
    let mut recording = Running::start(&place, Path::new("/dev/full"));
    recording.act_until("events that are not recorded", |alerts| not_recorded(alerts) > 0);
    recording.ask_to_stop();
    let told = recording.end();
    assert_eq!(told.lines, None);
    assert_eq!(told.evaluated, told.not_recorded);
}

/// Rules in a version of a ConfigMap: `rules.yaml` leads through `..data`, which is changed at once.
fn swap(place: &Place, version: &str, rules: &str) {
    let at = |name: &str| place.path.join(name);
    fs::create_dir(at(version)).unwrap();
    fs::write(at(version).join("rules.yaml"), rules).unwrap();
    symlink(version, at("..new")).unwrap();
    fs::rename(at("..new"), at("..data")).unwrap();
}

fn rule(name: &str, condition: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: critical\n"
    )
}

fn count(alerts: &[Alert], rule: &str) -> usize {
    alerts.iter().filter(|alert| alert.rule == rule).count()
}

#[test]
fn rules_change_while_the_sensor_watches() {
    if !can_watch("rules_change_while_the_sensor_watches") {
        return;
    }
    let place = Place::make();
    let mark = &place.mark;
    let opened =
        rule("opened", &format!("evt.type in (open, openat) and fd.name endswith {mark}-secret"));
    // Another call: nothing of it is reported before this rule is there.
    let removed = rule(
        "removed",
        &format!("evt.type in (unlink, unlinkat) and fs.path.name endswith {mark}-gone"),
    );
    fs::remove_file(place.path.join("rules.yaml")).unwrap();
    symlink("..data/rules.yaml", place.path.join("rules.yaml")).unwrap();
    swap(&place, "..1", &opened);
    let act = || {
        let script = "cat $0-secret; : > $0-gone; rm $0-gone";
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script, mark]).current_dir(&place.path).stdout(Stdio::null());
        assert!(shell.status().unwrap().success());
    };
    let mut sensor = Running::start_with(&place, &[]);
    sensor.until("the rule of the start", |alerts| count(alerts, "opened") > 0, act);

    swap(&place, "..2", &format!("{opened}{removed}"));
    sensor.until("the rule that came", |alerts| count(alerts, "removed") > 0, act);

    let bad = format!("{opened}{}", removed.replace("evt.type in", "evt.tpye in"));
    swap(&place, "..3", &bad);
    const REFUSED: &str = "Lanner rules reload failed";
    sensor.until("the bad version", |alerts| count(alerts, REFUSED) > 0, act);
    let alerts = place.alerts("live.jsonl");
    let told = &alerts.iter().find(|alert| alert.rule == REFUSED).unwrap().output;
    assert!(told.contains(&format!("{}/rules.yaml:8:14: ", place.path.display())), "{told}");
    // Both go on, and the next good version is taken.
    let (opens, removals) = (count(&alerts, "opened"), count(&alerts, "removed"));
    let go_on =
        |alerts: &[Alert]| count(alerts, "opened") > opens && count(alerts, "removed") > removals;
    sensor.until("both rules after the bad version", go_on, act);
    swap(&place, "..4", &opened.replace("opened", "opened again"));
    sensor.until("the good version", |alerts| count(alerts, "opened again") > 0, act);
    assert_eq!(count(&place.alerts("live.jsonl"), REFUSED), 1);
    sensor.ask_to_stop();
    sensor.end();
}

#[test]
fn counters_say_what_the_kernel_withholds() {
    if !can_watch("counters_say_what_the_kernel_withholds") {
        return;
    }
    let place = Place::make();
    let mut sensor = Running::start_with(&place, &[]);
    let count = |alert: &Alert, name: &str| {
        alert.output_fields.get(&format!("lanner.kernel_filter.{name}"))?.as_f64()
    };
    let is_whole = |alert: &Alert| {
        let of_opens = |what: &str| -> f64 {
            let types = ["open", "openat", "openat2", "creat", "open_by_handle_at"];
            types.iter().filter_map(|name| count(alert, &format!("{name}.{what}"))).sum()
        };
        let (seen, passed) = (of_opens("seen"), of_opens("passed"));
        let percent = count(alert, "open.pass_percent");
        assert!(seen == 0.0 || percent == Some((passed * 1000.0 / seen).floor() / 10.0));
        0.0 < passed && passed < seen
    };
    sensor.act_until("a snapshot with counts of the filter", |alerts| alerts.iter().any(is_whole));
    // Of families of which no event was tested there is no share.
    let alerts = place.alerts("live.jsonl");
    let last = alerts.iter().rfind(|alert| is_whole(alert)).unwrap();
    assert_eq!(count(last, "process_control.pass_percent"), None);
    sensor.ask_to_stop();
    sensor.end();
}

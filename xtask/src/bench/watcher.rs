//! A sensor that runs while something is measured, and what it cost.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::run::repository;

/// How a sensor is run. `None` in its place is: not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// Lines of the configuration's `ebpf`.
    pub(super) ebpf: &'static str,
}

/// A running sensor.
pub(super) struct Watcher {
    child: Child,
    log: BufReader<ChildStderr>,
    /// Until it said that it watches.
    pub(super) start_time: Duration,
}

/// What a sensor said at its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    /// Events that came out of the kernel.
    pub(super) events: u64,
    pub(super) alerts: u64,
    pub(super) lost: u64,
}

impl Watcher {
    /// Starts the release build and waits until it watches.
    pub(super) fn start(folder: &Path, setting: Setting, rules: &[String]) -> anyhow::Result<Self> {
        let config = folder.join(format!("{}.yaml", setting.name));
        let alerts = folder.join(format!("{}.jsonl", setting.name));
        let text = format!(
            "node: bench\nrules_files: [{}]\noutputs: {{file: {{path: {}}}}}\nebpf: {{{}}}\nruntimes: {{cri_sockets: []}}\n",
            rules.join(", "),
            alerts.display(),
            setting.ebpf
        );
        fs::write(&config, text).context("cannot write the sensor's configuration")?;
        let program = release_build("lanner-sensor");
        let began = Instant::now();
        let mut child = Command::new(&program)
            .args(["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stderr = child.stderr.take().context("the sensor has no log")?;
        let mut watcher = Self { child, log: BufReader::new(stderr), start_time: Duration::ZERO };
        let lines = watcher.read_until("watching")?;
        watcher.start_time = began.elapsed();
        anyhow::ensure!(
            lines.last().is_some_and(|line| line.contains("watching")),
            "the sensor ended: {}",
            lines.join("\n")
        );
        Ok(watcher)
    }

    /// Processor time that the sensor has used, user and kernel.
    pub(super) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let mut total = 0_u64;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let first = text.split_whitespace().next().unwrap_or_default();
            total += first.parse::<u64>().unwrap_or_default();
        }
        Ok(Duration::from_nanos(total))
    }

    /// Waits until the sensor has nothing more to do.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        const QUIET: Duration = Duration::from_millis(2);
        let mut before = self.cpu_time()?;
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.cpu_time()?;
            if now.saturating_sub(before) < QUIET {
                return Ok(());
            }
            before = now;
        }
        anyhow::bail!("the sensor does not come to rest")
    }

    /// `VmRSS` in MiB.
    pub(super) fn memory_mib(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).unwrap_or("0");
        Ok(kib.parse::<f64>()? / 1024.0)
    }

    /// Ends it, and gives what it counted.
    pub(super) fn stop(self) -> anyhow::Result<Totals> {
        self.stop_and_listen().map(|(totals, _)| totals)
    }

    /// Ends it, and gives what it counted and all its warnings and errors.
    pub(super) fn stop_and_listen(mut self) -> anyhow::Result<(Totals, Vec<String>)> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let lines = self.read_until("\u{0}")?;
        self.child.wait()?;
        let mut totals = Totals::default();
        for line in &lines {
            if line.contains("pipeline stopped") {
                totals.events += number(line, "records=");
                totals.alerts += number(line, "alerts=");
            }
            if let Some((_, rest)) = line.split_once("Lanner lost ") {
                let lost = rest.split_whitespace().next().unwrap_or_default();
                totals.lost += lost.parse::<u64>().unwrap_or_default();
            }
        }
        let is_complaint = |line: &String| line.contains(" WARN ") || line.contains(" ERROR ");
        Ok((totals, lines.into_iter().filter(is_complaint).collect()))
    }

    fn read_until(&mut self, word: &str) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut line = String::new();
        while self.log.read_line(&mut line)? > 0 {
            lines.push(line.trim_end().to_owned());
            if line.contains(word) {
                break;
            }
            line.clear();
        }
        Ok(lines)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Already gone after stop().
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo puts a program.
fn release_build(name: &str) -> PathBuf {
    let elsewhere = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    elsewhere.unwrap_or_else(|| repository().join("target")).join("release").join(name)
}

fn number(line: &str, key: &str) -> u64 {
    let rest = line.split_once(key).map(|(_, rest)| rest).unwrap_or_default();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().unwrap_or_default()
}

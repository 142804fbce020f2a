//! A sensor that runs while something is measured, and what it cost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;

use super::ground::{Ground, release_build};

/// How a sensor is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// Lines of the configuration's `ebpf`.
    pub(super) ebpf: &'static str,
}

impl Setting {
    pub(super) const FILTER_OFF: Self =
        Self { name: "filter-off", ebpf: "syscall_hooks: tp_btf, kernel_filter: false" };
    pub(super) const FILTER_ON: Self = Self { name: "filter-on", ebpf: "syscall_hooks: tp_btf" };
    pub(super) const TRACEPOINTS: Self =
        Self { name: "tracepoints", ebpf: "syscall_hooks: tracepoints" };
}

/// A running sensor.
pub(super) struct Watcher {
    child: Child,
    log: BufReader<ChildStderr>,
    /// When it was started.
    pub(super) began: Timestamp,
    /// Until it said that it watches.
    pub(super) start_time: Duration,
}

/// What a sensor takes of the machine's memory, in MiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// `VmRSS`. It has each ring twice, as that is mapped twice in a row.
    pub(super) resident: f64,
    /// The kernel's: ring buffers.
    pub(super) rings: f64,
    /// The kernel's: all other maps.
    pub(super) maps: f64,
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
    /// Starts the release build with a file for its alerts, and waits until it watches.
    pub(super) fn start(ground: &Ground, setting: Setting) -> anyhow::Result<Self> {
        let alerts = ground.folder().join(format!("{}.jsonl", setting.name));
        let outputs = format!("outputs: {{file: {{path: {}}}}}\n", alerts.display());
        Self::start_with(ground, setting, &outputs, &[])
    }

    /// As [`Self::start`], with lines of the configuration that name other outputs, and with flags
    /// of `run`.
    pub(super) fn start_with(
        ground: &Ground,
        setting: Setting,
        outputs: &str,
        flags: &[&Path],
    ) -> anyhow::Result<Self> {
        let config = ground.folder().join(format!("{}.yaml", setting.name));
        let text = format!(
            "node: bench\nrules_files: [{}]\nebpf: {{{}}}\nruntimes: {{cri_sockets: []}}\n{outputs}",
            ground.rules.join(", "),
            setting.ebpf
        );
        fs::write(&config, text).context("cannot write the sensor's configuration")?;
        let program = release_build("lanner-sensor");
        let began = Timestamp::now();
        let mut child = Command::new(&program)
            .args([Path::new("run"), Path::new("--config"), &config])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stderr = child.stderr.take().context("the sensor has no log")?;
        let log = BufReader::new(stderr);
        let mut watcher = Self { child, log, began, start_time: Duration::ZERO };
        let lines = watcher.read_until(" watching ")?;
        watcher.start_time = Timestamp::now().duration_since(began).unsigned_abs();
        anyhow::ensure!(
            lines.last().is_some_and(|line| line.contains(" watching ")),
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

    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        /// `BPF_MAP_TYPE_RINGBUF`.
        const RING: f64 = 27.0;
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let mut memory = Memory {
            resident: numbered(&status, "VmRSS:").unwrap_or_default() / 1024.0,
            ..Memory::default()
        };
        // Each map once, however many descriptors it has.
        let maps: BTreeMap<String, String> = self
            .descriptors()?
            .into_iter()
            .filter_map(|text| Some((valued(&text, "map_id:")?.to_owned(), text)))
            .collect();
        for text in maps.values() {
            let mib = numbered(text, "memlock:").unwrap_or_default() / f64::from(1 << 20);
            match numbered(text, "map_type:") {
                Some(RING) => memory.rings += mib,
                _ => memory.maps += mib,
            }
        }
        Ok(memory)
    }

    /// The tags of its programs in the kernel.
    pub(super) fn program_tags(&self) -> anyhow::Result<BTreeSet<String>> {
        let descriptors = self.descriptors()?;
        let tags = descriptors.iter().filter_map(|text| valued(text, "prog_tag:"));
        Ok(tags.map(str::to_owned).collect())
    }

    /// What the kernel tells of each of its descriptors.
    fn descriptors(&self) -> anyhow::Result<Vec<String>> {
        let entries = fs::read_dir(format!("/proc/{}/fdinfo", self.child.id()))?;
        Ok(entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok()).collect())
    }

    /// As `kill -9` does; waits until it is gone.
    pub(super) fn kill(self) {
        drop(self);
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

pub(super) fn number(line: &str, key: &str) -> u64 {
    let rest = line.split_once(key).map(|(_, rest)| rest).unwrap_or_default();
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().unwrap_or_default()
}

/// The word behind a key, in a text of a key and a value a line.
fn valued<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next())
}

fn numbered(text: &str, key: &str) -> Option<f64> {
    valued(text, key)?.parse().ok()
}

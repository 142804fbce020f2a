//! The sensor's settings, as written in `sensor.yaml`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use jiff::SignedDuration;
use lanner_engine::Options;
use serde::Deserialize;

use self::rules::{AppendOutputConfig, PriorityName, RuleMatching, SelectionConfig};
use crate::{
    enrich::runtimes::{Api, Socket},
    output::Format,
    source::ebpf::{LoadOptions, ProgramSet, RING_BYTES_DEFAULT, RINGS_MAX, SyscallHooks},
};

mod live;
mod rules;

/// A key we do not know is an error, so a typo cannot silently turn off an output.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// This node's name in alerts; else `$NODE_NAME`, else the host's name, else one made of the
    /// boot's id.
    pub node: Option<String>,

    /// The cluster's name in alerts.
    pub cluster: Option<String>,

    /// Rule files, and folders whose `*.yaml` are read in the order of their
    /// names. Later ones may change what earlier ones say.
    pub rules_files: Vec<PathBuf>,

    /// Turns rules on and off, in order, whatever the files say.
    pub rules: Vec<SelectionConfig>,

    /// Which of several rules that match one event count.
    pub rule_matching: RuleMatching,

    /// The least urgent priority whose rules are loaded.
    pub priority: Option<PriorityName>,

    /// What is added to the outputs of rules.
    pub append_output: Vec<AppendOutputConfig>,

    /// Where alerts go. At least one.
    pub outputs: OutputsConfig,

    /// Keeps one noisy loop from flooding the outputs.
    pub repetition: RepetitionConfig,

    pub metrics: MetricsConfig,

    /// Whether changes of this file and of the rules are taken over while the sensor runs.
    pub watch_config_files: bool,

    pub ebpf: EbpfConfig,

    pub pipeline: PipelineConfig,

    pub runtimes: RuntimesConfig,

    /// The file that this was read from, to be read again.
    #[serde(skip)]
    pub path: Option<PathBuf>,
}

/// One of each kind at most; each that is named is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputsConfig {
    /// The forwarder beside us.
    pub socket: Option<SocketConfig>,
    pub stdout: Option<StdoutConfig>,
    pub file: Option<FileConfig>,
    pub syslog: Option<SyslogConfig>,
    /// A named pipe that somebody else made and reads.
    pub fifo: Option<FileConfig>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketConfig {
    pub path: PathBuf,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StdoutConfig {
    pub format: Format,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    pub path: PathBuf,
    #[serde(default)]
    pub format: Format,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyslogConfig {
    pub path: PathBuf,
    pub format: Format,
}

/// Kernel events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EbpfConfig {
    /// Room for events not read yet: a power of two, at least 64 KiB.
    pub ring_size_bytes: u32,

    /// How system calls are seen.
    pub syscall_hooks: SyscallHooks,

    /// Which of the two sets of programs is used.
    pub programs: ProgramSet,

    /// Whether the kernel withholds events that no rule can match.
    pub kernel_filter: bool,

    /// Which rules look at programs that could not be started.
    pub failed_exec: FailedExec,
}

/// Which rules look at programs that could not be started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedExec {
    /// Those that ask how the call ended.
    #[default]
    Auto,
    /// All that look at programs that are started, as in Falco.
    Always,
    /// None.
    Never,
}

impl EbpfConfig {
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions {
            ring_bytes: self.ring_size_bytes,
            hooks: self.syscall_hooks,
            programs: self.programs,
            // The rules say which, once they are read.
            calls: std::collections::BTreeSet::new(),
            ..LoadOptions::default()
        }
    }
}

/// How many alerts of a kind may go out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepetitionConfig {
    pub enabled: bool,
    /// Of one rule and one container, or on the host one process tree. What is more goes out
    /// as one summary.
    pub alerts_per_minute: u32,
}

/// Counters as an alert and as a log line, with the names of falco.yaml.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    pub enabled: bool,
    pub interval: SignedDuration,
    /// Whether there is an alert, beside the log line.
    pub output_rule: bool,
}

/// The way from the kernel to the rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineConfig {
    /// Threads that evaluate rules, each with a ring of its own and the processes that are
    /// given to it.
    pub partitions: u32,
}

/// Who knows what a container is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimesConfig {
    /// Sockets of containerd and CRI-O. One that is not there is tried again.
    pub cri_sockets: Vec<PathBuf>,

    /// Sockets of Docker and Podman. One that is not there is tried again.
    pub docker_sockets: Vec<PathBuf>,

    /// Whether pods count whose node is itself a container, as kind's are.
    pub nested_kubernetes: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: None,
            cluster: None,
            rules_files: Vec::new(),
            rules: Vec::new(),
            rule_matching: RuleMatching::default(),
            priority: None,
            append_output: Vec::new(),
            outputs: OutputsConfig::default(),
            repetition: RepetitionConfig::default(),
            metrics: MetricsConfig::default(),
            watch_config_files: true,
            ebpf: EbpfConfig::default(),
            pipeline: PipelineConfig::default(),
            runtimes: RuntimesConfig::default(),
            path: None,
        }
    }
}

impl Default for RepetitionConfig {
    fn default() -> Self {
        Self { enabled: true, alerts_per_minute: 30 }
    }
}

impl RepetitionConfig {
    /// 0 for no limit.
    pub fn limit(&self) -> u32 {
        if self.enabled { self.alerts_per_minute } else { 0 }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { enabled: false, interval: SignedDuration::from_hours(1), output_rule: true }
    }
}

impl Default for PipelineConfig {
    /// Half of the processors, as the other half has the work that is watched.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let half = u32::try_from(processors / 2).unwrap_or(u32::MAX);
        Self { partitions: half.clamp(1, PARTITIONS_MAX) }
    }
}

impl Default for SocketConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("/run/lanner/forwarder.sock") }
    }
}

impl Default for SyslogConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("/dev/log"), format: Format::Text }
    }
}

impl Default for EbpfConfig {
    fn default() -> Self {
        Self {
            ring_size_bytes: RING_BYTES_DEFAULT,
            syscall_hooks: SyscallHooks::default(),
            programs: ProgramSet::default(),
            kernel_filter: true,
            failed_exec: FailedExec::default(),
        }
    }
}

impl Default for RuntimesConfig {
    fn default() -> Self {
        let cri = [
            "/run/containerd/containerd.sock",
            "/run/crio/crio.sock",
            "/run/k3s/containerd/containerd.sock",
            // Bottlerocket's.
            "/run/host-containerd/containerd.sock",
        ];
        // Those of users without root are theirs: they could tell anything.
        let docker = ["/run/docker.sock", "/run/podman/podman.sock"];
        Self {
            cri_sockets: cri.map(PathBuf::from).to_vec(),
            docker_sockets: docker.map(PathBuf::from).to_vec(),
            nested_kubernetes: false,
        }
    }
}

/// As many as the kernel side has rings.
const PARTITIONS_MAX: u32 = RINGS_MAX;

/// As Falco has it.
const METRICS_INTERVAL_MIN: SignedDuration = SignedDuration::from_millis(100);

/// The kernel takes a ring of a power of two of whole pages, of any page size.
const RING_BYTES_MIN: u32 = 64 << 10;

impl RuntimesConfig {
    /// In the order in which they are asked: Docker is before containerd, which knows less of
    /// Docker's containers.
    pub fn sockets(&self) -> Vec<Socket> {
        let of = |paths: &[PathBuf], api| -> Vec<Socket> {
            paths.iter().map(|path| Socket { api, path: path.as_path().into() }).collect()
        };
        [of(&self.docker_sockets, Api::Http), of(&self.cri_sockets, Api::Grpc)].concat()
    }
}

impl Config {
    /// What a type cannot express.
    ///
    /// # Errors
    /// Names the key.
    pub fn check(&self) -> anyhow::Result<()> {
        let ring = self.ebpf.ring_size_bytes;
        anyhow::ensure!(
            ring.is_power_of_two() && ring >= RING_BYTES_MIN,
            "ebpf.ring_size_bytes: {ring} is not a power of two of at least {RING_BYTES_MIN}"
        );
        let partitions = self.pipeline.partitions;
        anyhow::ensure!(
            (1..=PARTITIONS_MAX).contains(&partitions),
            "pipeline.partitions: {partitions} is not from 1 to {PARTITIONS_MAX}"
        );
        anyhow::ensure!(
            self.repetition.alerts_per_minute > 0,
            "repetition.alerts_per_minute: 0 would keep everything back; to keep nothing back write \
             `enabled: false`"
        );
        let interval = self.metrics.interval;
        anyhow::ensure!(
            interval >= METRICS_INTERVAL_MIN,
            "metrics.interval: {interval:#} is less than {METRICS_INTERVAL_MIN:#}"
        );
        let OutputsConfig { socket, stdout, file, syslog, fifo } = &self.outputs;
        let has_output = socket.is_some()
            || stdout.is_some()
            || file.is_some()
            || syslog.is_some()
            || fifo.is_some();
        anyhow::ensure!(
            has_output,
            "outputs: name at least one of socket, stdout, file, syslog, fifo (`stdout: {{}}`)"
        );
        anyhow::ensure!(
            !self.rules_files.is_empty(),
            "rules_files: name at least one file or folder"
        );
        Ok(())
    }

    /// The node's name, which is never empty: two nodes without one would be taken for the same.
    pub fn node(&self) -> String {
        let configured = self.node.clone().filter(|name| !name.trim().is_empty());
        let host = || {
            let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
            // As the kernel calls a host that nobody gave a name (CONFIG_DEFAULT_HOSTNAME).
            Some(name).filter(|name| !name.trim().is_empty() && name != "(none)")
        };
        let named = configured.or_else(lanner_service::node_of_environment).or_else(host);
        named.unwrap_or_else(|| {
            let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            format!("unnamed-{}", boot.trim())
        })
    }

    /// How rules are loaded.
    pub fn rule_options(&self) -> Options {
        let failed_exec = match self.ebpf.failed_exec {
            FailedExec::Always => lanner_engine::FailedExec::AllRules,
            FailedExec::Auto | FailedExec::Never => lanner_engine::FailedExec::AskingRules,
        };
        Options {
            failed_exec,
            ..rules::options(&self.rules, self.rule_matching, &self.append_output, self.priority)
        }
    }

    /// The rule files that are there, in order.
    ///
    /// # Errors
    /// When a file or folder cannot be read.
    pub fn rule_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in &self.rules_files {
            let meta = fs::metadata(path)
                .with_context(|| format!("cannot read rules {}", path.display()))?;
            if meta.is_dir() {
                files.extend(yaml_files(path)?);
            } else {
                files.push(path.clone());
            }
        }
        Ok(files)
    }
}

fn yaml_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read rules folder {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"))
        .collect();
    files.sort();
    Ok(files)
}

//! The sensor's settings, as written in `sensor.yaml`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use lanner_engine::Options;
use serde::Deserialize;

use self::rules::{AppendOutputConfig, PriorityName, RuleMatching, SelectionConfig};
use crate::{
    output::Format,
    source::ebpf::{LoadOptions, ProgramSet, RING_BYTES_DEFAULT, SyscallHooks},
};

mod rules;

/// A key we do not know is an error, so a typo cannot silently turn off an output.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// This node's name in alerts; else `$NODE_NAME`, else the host's name.
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

    pub ebpf: EbpfConfig,

    pub runtimes: RuntimesConfig,
}

/// One of each kind at most; each that is named is on.
#[derive(Debug, Default, Deserialize)]
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

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketConfig {
    pub path: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StdoutConfig {
    pub format: Format,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    pub path: PathBuf,
    #[serde(default)]
    pub format: Format,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyslogConfig {
    pub path: PathBuf,
    pub format: Format,
}

/// Kernel events.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EbpfConfig {
    /// Room for events not read yet: a power of two, at least 64 KiB.
    pub ring_size_bytes: u32,

    /// How system calls are seen.
    pub syscall_hooks: SyscallHooks,

    /// Which of the two sets of programs is used.
    pub programs: ProgramSet,
}

impl EbpfConfig {
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions {
            ring_bytes: self.ring_size_bytes,
            hooks: self.syscall_hooks,
            programs: self.programs,
            ..LoadOptions::default()
        }
    }
}

/// Who knows what a container is.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimesConfig {
    /// CRI sockets (containerd, CRI-O). Those that are not there are left out.
    pub cri_sockets: Vec<PathBuf>,
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
        }
    }
}

impl Default for RuntimesConfig {
    fn default() -> Self {
        let known = [
            "/run/containerd/containerd.sock",
            "/run/crio/crio.sock",
            "/run/k3s/containerd/containerd.sock",
        ];
        Self { cri_sockets: known.map(PathBuf::from).to_vec() }
    }
}

/// The kernel takes a ring of a power of two of whole pages, of any page size.
const RING_BYTES_MIN: u32 = 64 << 10;

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

    /// The node's name.
    pub fn node(&self) -> String {
        self.node
            .clone()
            .or_else(lanner_service::node_of_environment)
            .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
    }

    /// How rules are loaded.
    pub fn rule_options(&self) -> Options {
        rules::options(&self.rules, self.rule_matching, &self.append_output, self.priority)
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

//! The whole chain as processes on this host, each with its own certificate.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use lanner_bus::{Identity, layout::Layout};
use tempfile::TempDir;

use crate::{
    SecuredBus,
    bus::small_layout,
    eventually,
    process::Process,
    product::{Binary, workspace},
};

const START_MAX: Duration = Duration::from_secs(30);

/// A bus with mutual TLS, and our daemons around it as they are started.
///
/// Rules and playbooks are those of this repository.
#[derive(Debug)]
pub struct Stack {
    /// The bus.
    pub bus: SecuredBus,
    dir: TempDir,
    node: String,
}

/// What a sensor watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watch {
    /// This host's kernel. Takes root.
    Kernel,
    /// A file of recorded events.
    Recording(PathBuf),
}

impl Stack {
    /// Starts the bus for the forwarder of one node.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(node: &str) -> Self {
        Self::start_with_layout(node, small_layout()).await
    }

    /// As [`Stack::start`], and forwarder and responder know the tags of the layout.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with_layout(node: &str, layout: Layout) -> Self {
        let bus = SecuredBus::start_with_layout(&[node], layout).await;
        let dir = tempfile::tempdir().expect("make a temporary folder");
        Self { bus, dir, node: node.to_owned() }
    }

    /// The node that the chain watches.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The folder of configurations, logs and sockets.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The named pipe of a stock Falco.
    pub fn falco_pipe(&self) -> PathBuf {
        self.dir().join("falco.pipe")
    }

    /// Starts the forwarder; returns once its inputs are there.
    ///
    /// # Panics
    /// When it ends or its inputs do not come.
    pub fn start_forwarder(&self) -> Process {
        let identity = Identity::Forwarder { node: self.node.clone() };
        let config = format!(
            "node: {}\n{}bus:\n{}inputs:\n  socket: {{ path: {} }}\n  pipe: {{ path: {} }}\nspool: {{ dir: {} }}\n\
             metrics: {{ listen: \"127.0.0.1:0\" }}\n",
            self.node,
            self.tag_settings(),
            self.bus.connection_yaml(&identity, "  "),
            self.socket().display(),
            self.falco_pipe().display(),
            self.dir().join("spool").display(),
        );
        let mut forwarder = self.spawn(Binary::Forwarder, &config, &[]);
        eventually("the forwarder listens", START_MAX, || {
            forwarder.assert_running();
            (self.socket().exists() && self.falco_pipe().exists()).then_some(())
        });
        forwarder
    }

    /// Where the forwarder serves its metrics.
    ///
    /// # Panics
    /// When it has not said so.
    pub fn metrics_address(&self) -> SocketAddr {
        let log = fs::read_to_string(self.dir().join(format!("{}.log", Binary::Forwarder.name())));
        let log = log.expect("read the forwarder's log");
        let (_, rest) = log.rsplit_once(" metrics=\"").expect("it says where its metrics are");
        let (address, _) = rest.split_once('"').expect("an address in quotes");
        address.parse().expect("an address")
    }

    /// Starts a sensor that sends to the forwarder; returns once it watches.
    ///
    /// # Panics
    /// When it ends before that.
    pub fn start_sensor(&self, watch: &Watch) -> Process {
        let mut sensor = match watch {
            Watch::Kernel => self.spawn(Binary::Sensor, &self.sensor_config(), &[]),
            Watch::Recording(file) => {
                let file = file.to_string_lossy();
                self.spawn(Binary::Sensor, &self.sensor_config(), &["--replay", &file])
            }
        };
        if *watch == Watch::Kernel {
            eventually("the sensor watches the kernel", START_MAX, || {
                sensor.assert_running();
                sensor.log_tail().contains(" watching ").then_some(())
            });
        }
        sensor
    }

    /// The text of the sensor's configuration.
    pub fn sensor_config(&self) -> String {
        format!(
            "node: {}\nrules_files: [{}]\noutputs:\n  socket: {{ path: {} }}\n",
            self.node,
            workspace().join("rules").display(),
            self.socket().display(),
        )
    }

    /// Starts a responder that acts on the cluster of `kubeconfig`, at most in `mode`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_responder(&self, kubeconfig: &Path, mode: &str) -> Process {
        self.start_responder_with(&workspace().join("playbooks"), kubeconfig, mode)
    }

    /// As [`Stack::start_responder`], with these playbooks.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_responder_with(&self, playbooks: &Path, kubeconfig: &Path, mode: &str) -> Process {
        let restricted = list(self.bus.layout().restricted_tags.keys());
        let config = format!(
            "bus:\n{}restricted_tags: [{restricted}]\nmode: {mode}\nplaybooks: [{}]\nkubeconfig: {}\n",
            self.bus.connection_yaml(&Identity::Responder, "  "),
            playbooks.display(),
            kubeconfig.display(),
        );
        self.spawn(Binary::Responder, &config, &[])
    }

    /// What each daemon logged, for whoever wants to know why.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for binary in [Binary::Sensor, Binary::Forwarder, Binary::Responder] {
            let log = self.dir().join(format!("{}.log", binary.name()));
            let log = fs::read(log).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            text.push_str(&format!("--- {}\n{}\n", binary.name(), log.trim_end()));
        }
        text
    }

    /// What the forwarder has to know of the layout.
    fn tag_settings(&self) -> String {
        let layout = self.bus.layout();
        let mut settings = format!(
            "tag_streams: [{}]\nrestricted_tags: [{}]\n",
            list(layout.tag_streams.keys()),
            list(layout.restricted_tags.keys())
        );
        if let Some(template) = &layout.subject_template {
            settings.push_str(&format!("subject_template: {template}\n"));
        }
        settings
    }

    fn socket(&self) -> PathBuf {
        self.dir().join("forwarder.sock")
    }

    fn spawn(&self, binary: Binary, config: &str, flags: &[&str]) -> Process {
        let file = self.dir().join(format!("{}.yaml", binary.name()));
        fs::write(&file, config).expect("write a configuration");
        let mut args = vec!["run", "--config"];
        let path = file.to_string_lossy();
        args.push(&path);
        args.extend(flags);
        let log = self.dir().join(format!("{}.log", binary.name()));
        Process::spawn(&binary.path(), args, &log)
    }
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// A test that fails tells what the daemons had to say.
impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
    }
}

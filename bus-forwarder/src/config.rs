use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;
use lanner_alert::{Routing, RoutingTags, SubjectRoot, SubjectTemplate, Tag};
use lanner_bus::ConnectionConfig;
use lanner_service::http::HttpConfig;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    BadInputsConfig, RedactionConfig, Redactor, SpoolConfig, decoration::Decoration,
    gateway::Gateway, input::http, metrics,
};

/// The forwarder's settings, as written in `forwarder.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The Kubernetes node, or the host. Unless set: `$NODE_NAME`, or else
    /// this host's name.
    #[serde(default)]
    pub node: Option<String>,

    /// Nodes that we publish for in place of our own.
    #[serde(default)]
    pub gateway: Option<Gateway>,

    /// The cluster of that node, told in alerts that name none.
    #[serde(default)]
    pub cluster: Option<String>,

    /// Fields that every alert gets which has none of that name. `%NAME` is a
    /// variable of the environment.
    #[serde(default)]
    pub custom_fields: BTreeMap<String, String>,

    /// Tags that every alert gets, with values as above.
    #[serde(default)]
    pub custom_tags: Vec<String>,

    /// Secrets that are taken out of alerts.
    #[serde(default)]
    pub redact: RedactionConfig,

    /// The tokens in front of every subject.
    #[serde(default)]
    pub subject_root: SubjectRoot,

    /// Tags that come before others in an alert's subject, the first one first.
    #[serde(default)]
    pub routing_tags: Vec<String>,

    /// Tags whose copies are stored as well, each in the stream that the layout
    /// of the bus has for it.
    #[serde(default)]
    pub tag_streams: BTreeSet<Tag>,

    /// Tags whose alerts go nowhere but to the stream that the layout of the bus
    /// has for them. Of several that an alert has, the first one here counts.
    #[serde(default)]
    pub restricted_tags: Vec<Tag>,

    /// Where one more live copy of each alert without a restricted tag goes, as
    /// Falcosidekick has it: `falco.<priority>.<rule>`.
    #[serde(default)]
    pub subject_template: Option<SubjectTemplate>,

    /// The bus, and our certificate for it.
    pub bus: ConnectionConfig,

    /// Where alerts come from. At least one.
    pub inputs: Inputs,

    /// Where lines are kept that are no alerts. Unless set, they are only counted.
    #[serde(default)]
    pub bad_inputs: Option<BadInputsConfig>,

    /// Where alerts wait until the bus has them.
    #[serde(default)]
    pub spool: SpoolConfig,

    /// How long a stop may take to publish what still waits.
    #[serde(default = "ten")]
    pub stop_seconds_max: u64,

    /// How often the bus is told how this node is. A node that misses three is
    /// called silent.
    #[serde(default = "fifteen")]
    pub heartbeat_seconds: u64,

    /// Where `/metrics`, `/healthz` and `/readyz` are served; nowhere unless set.
    #[serde(default)]
    pub metrics: Option<HttpConfig>,
}

/// Where alerts come from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inputs {
    /// A Unix socket for Lanner's sensor.
    pub socket: Option<SocketInput>,
    /// A named pipe into which Falco writes lines (`file_output`).
    pub pipe: Option<PipeInput>,
    /// Falco's lines on standard input. Its end stops the forwarder if there is
    /// no other input.
    pub stdin: bool,
    /// A listener as Falcosidekick's, for Falco's `http_output`.
    pub http: Option<HttpConfig>,
}

/// The sensor's socket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketInput {
    /// Where the socket is made, with mode 0660.
    pub path: PathBuf,
    /// User ids that may connect. Unless set: root and our own.
    #[serde(default)]
    pub uids: Option<Vec<u32>>,
}

/// Falco's pipe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipeInput {
    /// Where the pipe is made.
    pub path: PathBuf,
    /// Its permissions, in octal: `"0600"`, or `"0620"` where Falco runs under
    /// another user of our group.
    #[serde(default = "owner_only", deserialize_with = "octal")]
    pub mode: u32,
}

impl Config {
    /// Looks at what the types cannot say, and at the files behind the bus.
    ///
    /// # Errors
    /// The message names the key and what to write instead.
    pub fn check(&self) -> anyhow::Result<()> {
        self.bus.validate().context("bus")?;
        self.spool.check()?;
        self.routing().check()?;
        if let Some(gateway) = &self.gateway {
            anyhow::ensure!(!gateway.nodes.is_empty(), "gateway.nodes: name at least one");
            anyhow::ensure!(
                gateway.nodes.iter().all(|node| !node.is_empty() && node.len() <= 253),
                "gateway.nodes: a node's name is 1 to 253 bytes long"
            );
        }
        let Inputs { socket, pipe, stdin, http } = &self.inputs;
        anyhow::ensure!(
            socket.is_some() || pipe.is_some() || *stdin || http.is_some(),
            "inputs: name at least one of socket, pipe, stdin, http"
        );
        for (key, path) in [
            ("inputs.socket.path", socket.as_ref().map(|socket| &socket.path)),
            ("inputs.pipe.path", pipe.as_ref().map(|pipe| &pipe.path)),
            ("bad_inputs.dir", self.bad_inputs.as_ref().map(|bad_inputs| &bad_inputs.dir)),
        ] {
            anyhow::ensure!(
                path.is_none_or(|path| path.is_absolute()),
                "{key}: not an absolute path"
            );
        }
        anyhow::ensure!(
            (1..=300).contains(&self.heartbeat_seconds),
            "heartbeat_seconds: {} is not between 1 and 300",
            self.heartbeat_seconds
        );
        if let Some(metrics) = &self.metrics {
            metrics.check(metrics::LISTEN).context("metrics")?;
        }
        if let Some(http) = http {
            http.check(http::ADDRESS).context("inputs.http")?;
        }
        Decoration::new(self)?;
        Redactor::new(&self.redact)?;
        self.node().map(drop)
    }

    /// The node that all alerts of this forwarder are of.
    ///
    /// # Errors
    /// When neither the file nor the environment nor the host names it.
    pub fn node(&self) -> anyhow::Result<String> {
        let named = self.node.clone().or_else(lanner_service::node_of_environment);
        let node = match named {
            Some(node) => node,
            None => match hostname::get()?.into_string() {
                Ok(node) => node,
                Err(_name) => anyhow::bail!("node: not set, and this host's name is not UTF-8"),
            },
        };
        anyhow::ensure!(!node.is_empty() && node.len() <= 253, "node: not 1 to 253 bytes long");
        anyhow::ensure!(
            !node.starts_with('_'),
            "node: {node} begins with _, as do publishers that are no node"
        );
        Ok(node)
    }

    /// Our certificates, each with what it is for.
    pub(crate) fn certificates(&self) -> Vec<(&'static str, PathBuf)> {
        let metrics = self.metrics.as_ref().and_then(|metrics| metrics.tls.as_ref());
        [
            ("bus", self.bus.cert_file.clone()),
            ("bus_authority", self.bus.ca_file.clone()),
            ("metrics", metrics.map(|tls| tls.cert_file.clone())),
        ]
        .into_iter()
        .filter_map(|(purpose, path)| Some((purpose, path?)))
        .collect()
    }

    /// Where alerts go.
    pub fn routing(&self) -> Routing {
        Routing {
            root: self.subject_root.clone(),
            routing_tags: RoutingTags::new(self.routing_tags.clone()),
            tag_streams: self.tag_streams.clone(),
            restricted_tags: self.restricted_tags.clone(),
            subject_template: self.subject_template.clone(),
            gateway: self.gateway.as_ref().map(|gateway| gateway.name.clone()),
        }
    }

    pub(crate) fn stop_max(&self) -> Duration {
        Duration::from_secs(self.stop_seconds_max)
    }
}

fn ten() -> u64 {
    10
}

fn fifteen() -> u64 {
    15
}

fn owner_only() -> u32 {
    0o600
}

fn octal<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(D::Error::custom("expected permissions in octal, such as \"0620\"")),
    }
}

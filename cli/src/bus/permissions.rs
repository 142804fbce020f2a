use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use lanner_bus::permissions::{Links, ServerConfig};

use super::{LayoutArgs, absolute};

/// What stands in the server's configuration.
#[derive(Debug, Args)]
pub(crate) struct PermissionsArgs {
    /// A node whose forwarder may publish; once for each
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// File with such nodes, one a line; `kubectl get nodes -o name` gives one
    #[arg(long, value_name = "FILE")]
    nodes_file: Option<PathBuf>,
    /// Folder with `ca.crt`, `server.crt` and `server.key`, as the server sees it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Folder in which the server keeps its streams
    #[arg(long, value_name = "DIR", default_value = "/var/lib/nats")]
    store_dir: PathBuf,
    /// Address and port on which the server listens
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:4222")]
    listen: String,
    #[command(flatten)]
    layout: LayoutArgs,
}

impl PermissionsArgs {
    pub(crate) fn server_config(&self) -> anyhow::Result<ServerConfig> {
        let mut nodes = self.nodes.clone();
        if let Some(path) = &self.nodes_file {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            nodes.extend(nodes_in(&text));
        }
        let dir = absolute(&self.dir)?;
        Ok(ServerConfig {
            listen: self.listen.clone(),
            store_dir: absolute(&self.store_dir)?,
            cert_file: dir.join("server.crt"),
            key_file: dir.join("server.key"),
            ca_file: dir.join("ca.crt"),
            layout: self.layout.load()?,
            nodes,
            links: Links::default(),
        })
    }
}

/// One node a line, with or without kubectl's `node/` in front.
fn nodes_in(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .map(|line| line.strip_prefix("node/").unwrap_or(line).to_owned())
        .filter(|node| !node.is_empty())
}

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use lanner_bus::{
    Identity,
    creds::CredsFolder,
    layout::Layout,
    permissions::{HubLink, Links, ServerCluster, ServerConfig},
};

use super::{LayoutArgs, absolute};

/// What stands in the server's configuration.
#[derive(Debug, Args)]
pub(crate) struct PermissionsArgs {
    /// A node whose forwarder may publish; once for each
    #[arg(long = "node", value_name = "NODE", conflicts_with = "creds_dir")]
    nodes: Vec<String>,
    /// File with such nodes, one a line; `kubectl get nodes -o name` gives one
    #[arg(long, value_name = "FILE", conflicts_with = "creds_dir")]
    nodes_file: Option<PathBuf>,
    /// Folder of `lanner bus creds`: who connects is known by credentials, and
    /// nodes are not listed
    #[arg(long, value_name = "DIR")]
    creds_dir: Option<PathBuf>,
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
    #[command(flatten)]
    links: LinkArgs,
}

/// Other servers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several servers")]
struct LinkArgs {
    /// Name of the cluster of servers that keep the same streams
    #[arg(long, value_name = "NAME", requires_all = ["server_name", "routes"])]
    cluster_name: Option<String>,
    /// This server's own name in that cluster
    #[arg(long, value_name = "NAME", requires = "cluster_name")]
    server_name: Option<String>,
    /// Where the servers of the cluster find each other, tls://HOST:PORT with host names
    /// that are in their certificates; once for each, itself too
    #[arg(long = "route", value_name = "URL", requires = "cluster_name")]
    routes: Vec<String>,
    /// Address and port for the other servers of the cluster
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:6222")]
    cluster_listen: String,
    /// Address and port for the clusters that the layout names as `edges`
    #[arg(long, value_name = "ADDRESS", conflicts_with = "hub")]
    edges_listen: Option<String>,
    /// The hub of this cluster, tls://HOST:7422; once for each of its servers
    #[arg(long, value_name = "URL", requires = "hub_dir")]
    hub: Vec<String>,
    /// Folder with the hub's `ca.crt`, and what it issued to this cluster: `cluster.NAME.crt`
    /// and `.key`
    #[arg(long, value_name = "DIR", requires = "hub")]
    hub_dir: Option<PathBuf>,
}

impl LinkArgs {
    fn links(&self, layout: &Layout) -> anyhow::Result<Links> {
        let cluster = self.cluster_name.as_ref().map(|name| ServerCluster {
            name: name.clone(),
            server_name: self.server_name.clone().unwrap_or_default(),
            listen: self.cluster_listen.clone(),
            routes: self.routes.clone(),
        });
        let hub = match (&self.hub_dir, &layout.cluster) {
            (None, _) => None,
            (Some(_), None) => anyhow::bail!(
                "a hub needs to know this cluster: name it as `cluster` in the file of --layout"
            ),
            (Some(dir), Some(cluster)) => {
                let dir = absolute(dir)?;
                let stem = Identity::Cluster(cluster.clone()).file_stem();
                Some(HubLink {
                    urls: self.hub.clone(),
                    ca_file: dir.join("ca.crt"),
                    cert_file: dir.join(format!("{stem}.crt")),
                    key_file: dir.join(format!("{stem}.key")),
                })
            }
        };
        Ok(Links { cluster, edges_listen: self.edges_listen.clone(), hub })
    }
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
        let layout = self.layout.load()?;
        let tokens = match &self.creds_dir {
            None => None,
            Some(dir) => {
                let folder = CredsFolder::open(dir)?;
                folder.update(&layout)?;
                Some(folder.tokens()?)
            }
        };
        let config = ServerConfig {
            listen: self.listen.clone(),
            store_dir: absolute(&self.store_dir)?,
            cert_file: dir.join("server.crt"),
            key_file: dir.join("server.key"),
            ca_file: dir.join("ca.crt"),
            links: self.links.links(&layout)?,
            layout,
            nodes,
            tokens,
        };
        config.check()?;
        Ok(config)
    }
}

/// One node a line, with or without kubectl's `node/` in front.
fn nodes_in(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .map(|line| line.strip_prefix("node/").unwrap_or(line).to_owned())
        .filter(|node| !node.is_empty())
}

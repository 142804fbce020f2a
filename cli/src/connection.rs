//! How a command reaches the bus: the same flags for all of them.

use std::path::PathBuf;

use clap::Args;
use lanner_bus::{Connection, ConnectionConfig};
use serde::Deserialize;

/// How to reach the bus: a daemon's settings, or flags.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ConnectionArgs {
    /// File with the section `bus` of a daemon's settings, such as that daemon's own
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["servers", "ca", "cert", "key", "creds", "insecure_for_tests"]
    )]
    config: Option<PathBuf>,
    /// Address of a server; once for each
    #[arg(long = "server", value_name = "URL")]
    servers: Vec<String>,
    /// Certificate of the authority
    #[arg(long, value_name = "FILE", requires = "servers")]
    ca: Option<PathBuf>,
    /// Our certificate
    #[arg(long, value_name = "FILE", requires = "servers")]
    cert: Option<PathBuf>,
    /// The key of our certificate
    #[arg(long, value_name = "FILE", requires = "servers")]
    key: Option<PathBuf>,
    /// Our credentials, in place of a certificate or beside it
    #[arg(long, value_name = "FILE", requires = "servers")]
    creds: Option<PathBuf>,
    /// Take nats:// addresses on loopback, which are without TLS
    #[arg(long, requires = "servers")]
    insecure_for_tests: bool,
}

/// A daemon's settings, of which we read one section. The others are the
/// daemon's to check, so here an unknown key beside `bus` is none of ours; one
/// inside of it is an error, as in the daemon.
#[derive(Deserialize)]
struct DaemonSettings {
    bus: ConnectionConfig,
}

impl ConnectionArgs {
    /// Connects, and has `work` done on the connection.
    pub(crate) fn on_bus<T>(
        self,
        work: impl AsyncFnOnce(Connection) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        on_bus(&self.resolve()?, work)
    }

    pub(crate) fn resolve(self) -> anyhow::Result<ConnectionConfig> {
        if let Some(path) = self.config {
            return Ok(lanner_service::config::load::<DaemonSettings>(&path)?.bus);
        }
        Ok(ConnectionConfig {
            servers: self.servers,
            ca_file: self.ca,
            cert_file: self.cert,
            key_file: self.key,
            creds_file: self.creds,
            name: None,
            insecure_for_tests: self.insecure_for_tests,
        })
    }
}

/// Connects, and has `work` done on the connection.
pub(crate) fn on_bus<T>(
    config: &ConnectionConfig,
    work: impl AsyncFnOnce(Connection) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    lanner_service::install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { work(Connection::connect(config).await?).await })
}

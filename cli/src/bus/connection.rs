use std::path::PathBuf;

use clap::Args;
use lanner_bus::ConnectionConfig;

/// How to reach the bus.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// Address of a server; once for each
    #[arg(long = "server", value_name = "URL", required = true)]
    servers: Vec<String>,
    /// Certificate of the authority
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our certificate
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The key of our certificate
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl ConnectionArgs {
    pub(crate) fn config(&self) -> ConnectionConfig {
        ConnectionConfig {
            servers: self.servers.clone(),
            ca_file: self.ca.clone(),
            cert_file: self.cert.clone(),
            key_file: self.key.clone(),
            name: None,
        }
    }
}

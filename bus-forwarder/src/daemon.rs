use std::time::Duration;

use anyhow::Context as _;
use lanner_bus::Connection;
use lanner_service::{CancellationToken, Chain, Daemon, Finding, NoFlags};
use tokio::time::timeout;

use crate::{config::Config, forwarder::Forwarder};

const DOCTOR_CONNECT_MAX: Duration = Duration::from_secs(10);

/// `lanner-forwarder`, as [`lanner_service::main`] runs it.
#[derive(Debug)]
pub struct ForwarderDaemon;

impl Daemon for ForwarderDaemon {
    const NAME: &'static str = "lanner-forwarder";
    const ABOUT: &'static str = "Publishes the alerts of this node to the bus";
    const CONFIG_FILE: &'static str = "/etc/lanner/forwarder.yaml";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = Config;
    type Flags = NoFlags;

    fn check(config: &Config) -> anyhow::Result<()> {
        config.check()
    }

    async fn doctor(config: &Config) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.push(match config.check() {
            Ok(()) => Finding::good("configuration and certificates"),
            Err(error) => Finding::fatal("configuration", format!("{error:#}")),
        });
        let inputs = &config.inputs;
        let socket = inputs.socket.as_ref().map(|socket| &socket.path);
        let pipe = inputs.pipe.as_ref().map(|pipe| &pipe.path);
        for path in [socket, pipe].into_iter().flatten() {
            let Some(dir) = path.parent() else { continue };
            let subject = format!("folder {}", dir.display());
            findings.push(match dir.metadata() {
                Ok(found) if found.is_dir() => Finding::good(subject),
                _ => Finding::fatal(subject, "make it, writable for this user"),
            });
        }
        let subject = format!("bus {}", config.bus.servers.join(", "));
        findings.push(match timeout(DOCTOR_CONNECT_MAX, Connection::connect(&config.bus)).await {
            Ok(Ok(_connection)) => Finding::good(subject),
            // Not fatal: alerts wait until it is back.
            Ok(Err(error)) => Finding::missing(subject, Chain(&error).to_string()),
            Err(_elapsed) => Finding::missing(subject, "does not answer"),
        });
        findings
    }

    async fn run(config: Config, _: NoFlags, stop: CancellationToken) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("cannot find our own program")?;
        // What is left waits in the spool for the next start.
        Forwarder::open(config, Some(program))?.run(stop).await.map(drop)
    }
}

//! `lanner bus`: certificates, the server's permissions, and what stands on it.

mod certs;
mod client;
mod creds;
mod dlq;
mod grant;
mod permissions;
mod setup;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use lanner_bus::{Rights, layout::Layout};

use crate::{
    Verdict,
    connection::{self, ConnectionArgs},
    printable::Printable,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a certificate authority, and certificates for the server, roles and nodes
    #[command(subcommand)]
    Certs(certs::Command),
    /// Make identities that are added and revoked while the server runs: signed
    /// tokens, in place of a certificate for each
    #[command(subcommand)]
    Creds(creds::Command),
    /// Print a nats-server configuration: TLS 1.3, and no more for each than it needs
    Permissions(permissions::PermissionsArgs),
    /// Create or update streams, buckets and consumers (as `admin`)
    ///
    /// Says of each what was done, and how it differed. What would keep less than before is
    /// left as it is unless --allow-shrink is given, and then the exit code is 1.
    Setup(setup::SetupArgs),
    /// See alerts that no responder could finish, and send them again (as `admin`)
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Let somebody read alerts with certain tags, or of certain priorities, and
    /// nothing else: keeps the grant in the layout file
    Grant(grant::GrantArgs),
    /// Connect, say who the server takes us for, and try what it must refuse.
    ///
    /// Changes nothing. As `admin`, streams and consumers are compared with the layout too.
    Check {
        #[command(flatten)]
        connection: ConnectionArgs,
        #[command(flatten)]
        layout: LayoutArgs,
    },
}

/// Subjects and sizes, the same for `permissions` and `setup`.
#[derive(Debug, Args)]
pub(crate) struct LayoutArgs {
    /// YAML file with `subject_root`, `replicas`, sizes and ages of `alerts`,
    /// `responses`, `dead_letters`, `plans`, `locks` and `fleet`, `tag_streams`,
    /// `restricted_tags`, `subject_template`, `grants` and `gateways`
    #[arg(long, value_name = "FILE")]
    layout: Option<PathBuf>,
}

impl LayoutArgs {
    fn load(&self) -> anyhow::Result<Layout> {
        match self.layout.as_deref() {
            Some(path) => load_layout(path),
            None => Ok(Layout::default()),
        }
    }
}

fn load_layout(path: &Path) -> anyhow::Result<Layout> {
    let layout: Layout = lanner_service::config::load(path)?;
    layout.check().with_context(|| path.display().to_string())?;
    Ok(layout)
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::Certs(command) => certs::run(command)?,
        Command::Creds(command) => creds::run(command)?,
        Command::Permissions(args) => print!("{}", args.server_config()?.render()),
        Command::Setup(args) => return setup::run(args),
        Command::Dlq(command) => return dlq::run(command),
        Command::Grant(args) => grant::run(args)?,
        Command::Check { connection, layout } => return check(connection, &layout),
    }
    Ok(Verdict::Good)
}

fn check(connection: ConnectionArgs, layout: &LayoutArgs) -> anyhow::Result<Verdict> {
    let (config, layout) = (connection.resolve()?, layout.load()?);
    connection::on_bus(&config, async |bus| {
        let report = lanner_bus::check::check(&config, &bus, &layout).await?;
        print_rights(&report.rights);
        for checked in &report.checked {
            println!("{}", Printable(&checked.to_string()));
        }
        let good = report.checked.iter().all(|checked| checked.good);
        Ok(if good { Verdict::Good } else { Verdict::BadInput })
    })
}

fn print_rights(rights: &Rights) {
    println!("user      {}", rights.user);
    println!("account   {}", rights.account);
    for (deed, subjects) in [("publish", &rights.publish), ("subscribe", &rights.subscribe)] {
        for subject in subjects {
            println!("{deed:<9} {subject}");
        }
    }
}

/// A path as it should stand in a file that is read elsewhere.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    Ok(std::path::absolute(path)?)
}

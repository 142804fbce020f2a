//! `lanner bus creds`: identities that are added and revoked while the server runs.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use lanner_bus::{
    ConnectionConfig,
    creds::{AccountToken, CredsFolder, IssuedCreds},
};

use super::{LayoutArgs, client::Client};
use crate::connection;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an operator, the accounts and the signing keys of all roles in a folder
    Init {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        layout: LayoutArgs,
    },
    /// Issue credentials. The server need not be told; the first ones of a
    /// reader or gateway take a `push`
    Issue {
        #[command(flatten)]
        place: Place,
        /// For how long they are good
        #[arg(long, value_name = "DAYS", default_value_t = 366, value_parser = clap::value_parser!(u32).range(1..=3660))]
        days: u32,
        #[command(subcommand)]
        holder: Client,
    },
    /// Issue credentials anew, each for the same holder and key, and replace them
    Renew {
        #[command(flatten)]
        place: Place,
        /// The credentials
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Take back what was issued to somebody until now: whoever is connected with
    /// it is cut off at once
    Revoke {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        server: ServerArgs,
        #[command(subcommand)]
        holder: Holder,
    },
    /// Tell the server of new permissions, readers and gateways
    Push {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        layout: LayoutArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Folder of the operator; its keys must stay there
    #[arg(long)]
    dir: PathBuf,
}

/// The server that is told, by the folder's own `system.creds`.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Address of a server; once for each
    #[arg(long = "server", value_name = "URL", required = true)]
    servers: Vec<String>,
    /// Certificate of the authority
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
}

/// Whose credentials are taken back.
#[derive(Debug, Subcommand)]
pub(crate) enum Holder {
    #[command(flatten)]
    Client(Client),
    /// Whoever holds these keys
    Key {
        /// Public keys of users; `lanner bus check` prints one
        #[arg(required = true)]
        keys: Vec<String>,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init { place, layout } => {
            let (_, system) = CredsFolder::init(&place.dir, &layout.load()?)?;
            println!("operator     {}", place.dir.join("operator.nk").display());
            tell(&system);
        }
        Command::Issue { place, days, holder } => {
            let mut folder = CredsFolder::open(&place.dir)?;
            for identity in holder.identities() {
                let valid = SignedDuration::from_hours(24 * i64::from(days));
                tell(&folder.issue(&identity, valid)?);
            }
        }
        Command::Renew { place, files } => {
            let folder = CredsFolder::open(&place.dir)?;
            for file in files {
                tell(&folder.renew(&file)?);
            }
        }
        Command::Revoke { place, server, holder } => {
            let folder = CredsFolder::open(&place.dir)?;
            let changed = match holder {
                Holder::Client(client) => folder.revoke(&client.identities(), &[])?,
                Holder::Key { keys } => folder.revoke(&[], &keys)?,
            };
            push(&place, server, &changed).context(
                "revoked in the folder, and not told to every server yet; \
                 `lanner bus creds push` with the same layout tells it again",
            )?;
        }
        Command::Push { place, server, layout } => {
            let accounts = CredsFolder::open(&place.dir)?.update(&layout.load()?)?;
            push(&place, server, &accounts)?;
        }
    }
    Ok(())
}

fn push(place: &Place, server: ServerArgs, accounts: &[AccountToken]) -> anyhow::Result<()> {
    let config = ConnectionConfig {
        servers: server.servers,
        ca_file: Some(server.ca),
        creds_file: Some(place.dir.join("system.creds")),
        ..ConnectionConfig::default()
    };
    connection::on_bus(&config, async |bus| {
        for account in accounts {
            bus.push_account(account).await?;
            println!("account {}", account.name);
        }
        Ok(())
    })
}

fn tell(issued: &IssuedCreds) {
    println!("{}", issued.name);
    println!("  credentials  {}", issued.creds_file.display());
}

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lanner_bus::{
    Identity,
    certs::{Authority, Issued},
    hub::ClusterName,
};

use super::client::Client;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a certificate authority in a folder
    Init {
        #[command(flatten)]
        place: Place,
    },
    /// Issue a certificate, valid for one year
    Issue {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        holder: Holder,
    },
    /// Issue certificates anew, each for the same holder and key, and replace them
    Renew {
        #[command(flatten)]
        place: Place,
        /// The certificates
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Folder of the authority; its key must stay there
    #[arg(long)]
    dir: PathBuf,
}

/// Who is to hold a certificate.
#[derive(Debug, Subcommand)]
pub(crate) enum Holder {
    /// The nats-server
    Server {
        /// A host name or IP address by which clients reach it; once for each
        #[arg(long = "host", value_name = "HOST", required = true)]
        hosts: Vec<String>,
    },
    /// An edge cluster, which connects its server to this one as its hub
    Cluster {
        /// The cluster's name in the layouts of both
        name: ClusterName,
    },
    #[command(flatten)]
    Client(Client),
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init { place } => tell(&Authority::init(&place.dir)?),
        Command::Issue { place, holder } => {
            let authority = Authority::open(&place.dir)?;
            match holder {
                Holder::Server { hosts } => tell(&authority.issue_server(&hosts)?),
                Holder::Cluster { name } => tell(&authority.issue(&Identity::Cluster(name))?),
                Holder::Client(client) => {
                    for identity in client.identities() {
                        tell(&authority.issue(&identity)?);
                    }
                }
            }
        }
        Command::Renew { place, files } => {
            let authority = Authority::open(&place.dir)?;
            for file in files {
                tell(&authority.renew(&file)?);
            }
        }
    }
    Ok(())
}

fn tell(issued: &Issued) {
    println!("{}", issued.name);
    println!("  certificate  {}", issued.cert_file.display());
    if let Some(key_file) = &issued.key_file {
        println!("  key          {}", key_file.display());
    }
}

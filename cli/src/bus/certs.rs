use std::path::PathBuf;

use clap::{Args, Subcommand};
use lanner_bus::{
    Identity,
    certs::{Authority, Issued},
    grant::{Grant, Reader, ReaderName},
    hub::ClusterName,
};

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
    /// Who sets up streams, buckets and consumers
    Admin,
    /// The responders, all together
    Responder,
    /// Readers of alerts, tag copies and outcomes
    Subscriber,
    /// A reader who has a grant; see `lanner bus grant`
    Reader {
        /// Its name
        name: ReaderName,
    },
    /// An edge cluster, which connects its server to this one as its hub
    Cluster {
        /// The cluster's name in the layouts of both
        name: ClusterName,
    },
    /// The forwarder of a node, which may publish as this node alone
    Forwarder {
        /// The node's name, as in its alerts; once for each
        #[arg(long = "node", value_name = "NODE", required = true)]
        nodes: Vec<String>,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init { place } => tell(&Authority::init(&place.dir)?),
        Command::Issue { place, holder } => {
            let authority = Authority::open(&place.dir)?;
            let identities = match holder {
                Holder::Server { hosts } => {
                    tell(&authority.issue_server(&hosts)?);
                    return Ok(());
                }
                Holder::Admin => vec![Identity::Admin],
                Holder::Responder => vec![Identity::Responder],
                Holder::Subscriber => vec![Identity::Subscriber],
                Holder::Reader { name } => {
                    // What it may read is not told by its certificate.
                    vec![Identity::Reader(Reader { name, grant: Grant::default() })]
                }
                Holder::Cluster { name } => vec![Identity::Cluster(name)],
                Holder::Forwarder { nodes } => {
                    nodes.into_iter().map(|node| Identity::Forwarder { node }).collect()
                }
            };
            for identity in identities {
                tell(&authority.issue(&identity)?);
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

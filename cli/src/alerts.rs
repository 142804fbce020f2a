//! `lanner alerts`: what the bus carries, for people and programs.

use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use lanner_alert::{Alert, AlertError, SubjectRoot};
use lanner_bus::{Connection, Seen, SubscribeError};
use serde_json::json;

use crate::{
    Verdict,
    connection::ConnectionArgs,
    printable::{Printable, PrintableJson},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print alerts as they are published, until Ctrl-C
    Tail {
        #[command(flatten)]
        bus: ConnectionArgs,
        #[command(flatten)]
        which: Which,
        /// Print one JSON object a line: `subject` and `alert`
        #[arg(long)]
        json: bool,
    },
}

/// Which alerts.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Those on these subjects only; all unless given
    ///
    /// An alert is on `lanner.alerts.<priority>.<tag>.<rule>.<node>`, and a copy for each of
    /// its tags on `lanner.tags.<tag>.<priority>.<rule>.<node>`. `*` stands for one part,
    /// `>` for all that follow.
    #[arg(long, value_name = "FILTER")]
    subject: Option<String>,
    /// What the subjects of the cluster begin with
    #[arg(long, value_name = "ROOT", default_value = "lanner", conflicts_with = "subject")]
    subject_root: SubjectRoot,
}

impl Which {
    fn filter(self) -> String {
        self.subject.unwrap_or_else(|| format!("{}.alerts.>", self.subject_root.as_str()))
    }
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    let Command::Tail { bus, which, json } = command;
    let filter = which.filter();
    bus.on_bus(async |connection| {
        tokio::select! {
            ended = tail(&connection, &filter, json) => ended,
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        }
    })?;
    Ok(Verdict::Good)
}

async fn tail(connection: &Connection, filter: &str, json: bool) -> anyhow::Result<()> {
    let mut alerts = connection.subscribe(filter).await.map_err(explain)?;
    eprintln!("reading {}, Ctrl-C ends it", Printable(filter));
    while let Some(seen) = alerts.next().await.map_err(explain)? {
        match line(&seen, json) {
            Ok(line) => match writeln!(io::stdout(), "{line}") {
                // Whoever read along (`| head`) has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            },
            // Somebody else's message does not hide the alerts behind it.
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                eprintln!("{}: {}", Printable(&seen.subject), Printable(&error));
            }
        }
    }
    anyhow::bail!("the connection to the bus is closed")
}

fn explain(error: SubscribeError) -> anyhow::Error {
    match error {
        SubscribeError::Refused { .. } => anyhow::anyhow!(
            "{error}; `lanner bus check` shows what this certificate may read, and \
             `lanner bus certs issue --dir DIR subscriber` makes one that may read alerts"
        ),
        error => error.into(),
    }
}

fn line(seen: &Seen, json: bool) -> Result<String, AlertError> {
    let alert = Alert::from_json(&seen.payload)?;
    if json {
        let object = json!({ "subject": seen.subject, "alert": alert }).to_string();
        return Ok(PrintableJson(&object).to_string());
    }
    let text = format!(
        "{} {:<13} {}  node={}{}  {}",
        alert.time.strftime("%Y-%m-%d %H:%M:%S.%3fZ"),
        alert.priority.to_string(),
        alert.rule,
        alert.node,
        pod(&alert),
        alert.output
    );
    Ok(Printable(&text).to_string())
}

fn pod(alert: &Alert) -> String {
    match (&alert.entity.pod_namespace, &alert.entity.pod_name) {
        (Some(namespace), Some(name)) => format!(" pod={namespace}/{name}"),
        _ => String::new(),
    }
}

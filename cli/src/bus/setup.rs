use clap::Args;
use lanner_bus::{Outcome, Setup, Standing};
use serde_json::{Value, json};

use super::LayoutArgs;
use crate::{Verdict, connection::ConnectionArgs};

/// What is to stand on the server, and how far to go for it.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    layout: LayoutArgs,
    /// Change nothing, and say what would be done; exit code 1 if that is anything
    #[arg(long)]
    dry_run: bool,
    /// Also take over what makes a stream or bucket keep less: fewer bytes, hours
    /// or replicas. What is too much then is deleted
    #[arg(long)]
    allow_shrink: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: SetupArgs) -> anyhow::Result<Verdict> {
    let layout = args.layout.load()?;
    let setup = Setup { dry_run: args.dry_run, allow_shrink: args.allow_shrink };
    let standing = args.connection.on_bus(async |bus| Ok(bus.set_up_as(&layout, setup).await?))?;
    for standing in &standing {
        if args.json {
            println!("{}", object(standing));
        } else {
            println!("{standing}");
        }
    }
    let good = |standing: &Standing| {
        if args.dry_run {
            standing.outcome == Outcome::Unchanged
        } else {
            standing.outcome.is_good()
        }
    };
    Ok(if standing.iter().all(good) { Verdict::Good } else { Verdict::BadInput })
}

fn object(standing: &Standing) -> Value {
    let (outcome, differences, reason) = match &standing.outcome {
        Outcome::Unchanged => ("unchanged", [].as_slice(), None),
        Outcome::Created => ("created", [].as_slice(), None),
        Outcome::Changed(differences) => ("changed", differences.as_slice(), None),
        Outcome::Left { differences, reason } => ("left", differences.as_slice(), Some(reason)),
    };
    let differences: Vec<Value> = differences
        .iter()
        .map(|it| json!({ "setting": it.setting, "is": it.is, "should": it.should }))
        .collect();
    json!({
        "kind": standing.kind.to_string(),
        "name": standing.name,
        "outcome": outcome,
        "differences": differences,
        "reason": reason,
    })
}

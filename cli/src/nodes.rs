//! `lanner nodes`: how each node is, by its heartbeats.

mod table;

use std::{collections::HashMap, time::Duration};

use clap::{Args, Subcommand};
use lanner_bus::{Connection, Fleet, FleetError, NodeHealth};
use serde_json::json;

use crate::{Verdict, connection::ConnectionArgs, printable::PrintableJson};

/// A node whose clock is off by more is told: what is acted upon goes by the
/// times of alerts.
const CLOCK_SKEW_SECONDS_MAX: f64 = 5.0;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct NodesArgs {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    bus: ConnectionArgs,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Exit with 1 if a node is silent or degraded
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forget a node that will not come back (as `admin`)
    Forget {
        #[command(flatten)]
        bus: ConnectionArgs,
        /// The node's name
        node: String,
    },
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Ok,
    /// It has told nothing for so long.
    Silent(Duration),
    /// Something is wrong with it: what, in one word each.
    Degraded(Vec<String>),
}

/// A node, judged beside the others.
struct Judged<'f> {
    health: &'f NodeHealth,
    state: State,
    clock_skew_seconds: f64,
    /// Its rules are not those of most nodes.
    rules_differ: bool,
}

pub(crate) fn run(args: NodesArgs) -> anyhow::Result<Verdict> {
    match args.command {
        Some(Command::Forget { bus, node }) => bus.on_bus(async |bus| {
            bus.forget_node(&node).await.map_err(explain)?;
            Ok(Verdict::Good)
        }),
        None => {
            let ListArgs { bus, json, check } = args.list;
            bus.on_bus(async |bus| list(&bus, json, check).await)
        }
    }
}

fn explain(error: FleetError) -> anyhow::Error {
    match error {
        FleetError::Denied { .. } => anyhow::anyhow!(
            "{error}; nodes are read as subscriber, responder or admin, and forgotten as admin"
        ),
        error => error.into(),
    }
}

async fn list(bus: &Connection, json: bool, check: bool) -> anyhow::Result<Verdict> {
    let fleet = bus.fleet().await.map_err(explain)?;
    let nodes = judge(&fleet);
    if json {
        for node in &nodes {
            println!("{}", PrintableJson(&node.to_json(&fleet).to_string()));
        }
    } else if nodes.is_empty() {
        eprintln!("no node has told of itself");
    } else {
        print!("{}", table::of(&nodes));
    }
    if fleet.unreadable > 0 {
        eprintln!("left out {}: under a key that is no node's", fleet.unreadable);
    }
    let all_well = nodes.iter().all(|node| node.state == State::Ok);
    Ok(if check && !all_well { Verdict::BadInput } else { Verdict::Good })
}

fn judge(fleet: &Fleet) -> Vec<Judged<'_>> {
    let usual = usual_rules(fleet);
    let nodes = fleet.nodes.values().map(|health| {
        let clock_skew_seconds = health.clock_skew().as_secs_f64();
        let mut wrong = health.beat.troubles.clone();
        if clock_skew_seconds.abs() > CLOCK_SKEW_SECONDS_MAX {
            wrong.push("clock".to_owned());
        }
        let state = match () {
            () if health.is_silent(fleet.now) => State::Silent(health.age(fleet.now)),
            () if wrong.is_empty() => State::Ok,
            () => State::Degraded(wrong),
        };
        let rules = health.beat.sensor.as_ref().map(|sensor| sensor.rules_hash.as_str());
        Judged {
            health,
            state,
            clock_skew_seconds,
            rules_differ: rules.is_some() && rules != usual,
        }
    });
    let mut nodes: Vec<_> = nodes.collect();
    nodes.sort_by(|a, b| a.health.beat.node.cmp(&b.health.beat.node));
    nodes
}

/// The rules of more than half of the nodes, if there are such.
fn usual_rules(fleet: &Fleet) -> Option<&str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for sensor in fleet.nodes.values().filter_map(|health| health.beat.sensor.as_ref()) {
        *counts.entry(&sensor.rules_hash).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    counts.into_iter().find(|(_, count)| count * 2 > all).map(|(rules, _)| rules)
}

impl Judged<'_> {
    fn to_json(&self, fleet: &Fleet) -> serde_json::Value {
        let (state, troubles) = match &self.state {
            State::Ok => ("ok", &[][..]),
            State::Silent(_) => ("silent", &[][..]),
            State::Degraded(troubles) => ("degraded", &troubles[..]),
        };
        json!({
            "node": self.health.beat.node,
            "state": state,
            "troubles": troubles,
            "age_seconds": self.health.age(fleet.now).as_secs(),
            "clock_skew_seconds": self.clock_skew_seconds,
            "rules_differ": self.rules_differ,
            "heartbeat": self.health.beat,
        })
    }
}

#[cfg(test)]
mod tests;

//! `lanner bus dlq`: alerts that no responder could finish.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use lanner_alert::Alert;
use lanner_bus::{Connection, DeadLetter, KeptMessage};
use serde_json::{Value, json};

use crate::{
    Verdict,
    connection::ConnectionArgs,
    printable::{Printable, PrintableJson},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List dead letters, the oldest first
    List {
        #[command(flatten)]
        bus: ConnectionArgs,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show a dead letter and its alert
    Show {
        #[command(flatten)]
        bus: ConnectionArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The letter's number, as in the list
        id: u64,
    },
    /// Send alerts again, with their ids and subjects, and remove their dead letters
    Replay {
        #[command(flatten)]
        bus: ConnectionArgs,
        /// The letters' numbers, as in the list
        #[arg(required_unless_present = "all", value_name = "ID")]
        ids: Vec<u64>,
        /// All of them, the oldest first
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<Verdict> {
    match command {
        Command::List { bus, json } => bus.on_bus(async |bus| list(&bus, json).await),
        Command::Show { bus, json, id } => bus.on_bus(async |bus| show(&bus, id, json).await),
        Command::Replay { bus, ids, all } => bus.on_bus(async |bus| replay(&bus, &ids, all).await),
    }
}

async fn list(bus: &Connection, json: bool) -> anyhow::Result<Verdict> {
    for letter in bus.dead_letters().await? {
        let kept = bus.message_of(&letter).await?;
        let alert = kept.as_ref().and_then(|kept| Alert::from_json(&kept.payload).ok());
        if json {
            print_json(&object(&letter, kept.as_ref(), alert.as_ref(), false));
            continue;
        }
        let about = match (&alert, &kept) {
            (Some(alert), _) => {
                format!("{} {} node={}", alert.priority.as_str(), alert.rule, alert.node)
            }
            (None, Some(_)) => "not an alert".to_owned(),
            (None, None) => "not kept any more".to_owned(),
        };
        let line = format!("{}  {about}", head(&letter));
        println!("{}", Printable(&line));
    }
    Ok(Verdict::Good)
}

async fn show(bus: &Connection, id: u64, json: bool) -> anyhow::Result<Verdict> {
    let letters = bus.dead_letters().await?;
    let letter = letters.iter().find(|letter| letter.id == id);
    let letter = letter.with_context(|| format!("there is no dead letter {id}"))?;
    let kept = bus.message_of(letter).await?;
    let alert = kept.as_ref().and_then(|kept| Alert::from_json(&kept.payload).ok());
    let object = object(letter, kept.as_ref(), alert.as_ref(), true);
    if json {
        print_json(&object);
        return Ok(Verdict::Good);
    }
    println!("{}", Printable(&head(letter)));
    let Some(kept) = kept else {
        println!("{} does not keep the alert any more", letter.stream);
        return Ok(Verdict::Good);
    };
    println!("subject  {}", Printable(&kept.subject));
    match alert {
        Some(alert) => {
            for line in serde_json::to_string_pretty(&alert)?.lines() {
                println!("{}", Printable(line));
            }
        }
        None => println!("not an alert: {}", Printable(&String::from_utf8_lossy(&kept.payload))),
    }
    Ok(Verdict::Good)
}

async fn replay(bus: &Connection, ids: &[u64], all: bool) -> anyhow::Result<Verdict> {
    let letters = bus.dead_letters().await?;
    let known: BTreeSet<u64> = letters.iter().map(|letter| letter.id).collect();
    for id in ids {
        ensure!(known.contains(id), "there is no dead letter {id}");
    }
    let mut verdict = Verdict::Good;
    for letter in letters.iter().filter(|letter| all || ids.contains(&letter.id)) {
        match bus.message_of(letter).await? {
            Some(kept) => {
                bus.replay(letter, kept).await?;
                println!("{}  sent again", letter.id);
            }
            None => {
                verdict = Verdict::BadInput;
                println!("{}  {} does not keep the alert any more", letter.id, letter.stream);
            }
        }
    }
    Ok(verdict)
}

fn head(letter: &DeadLetter) -> String {
    let DeadLetter { id, time, stream, consumer, sequence, deliveries, reason } = letter;
    let time = time.strftime("%Y-%m-%d %H:%M:%SZ");
    format!("{id}  {time}  {stream} {sequence}  {consumer}  {reason}, deliveries: {deliveries}")
}

fn object(
    letter: &DeadLetter,
    kept: Option<&KeptMessage>,
    alert: Option<&Alert>,
    whole: bool,
) -> Value {
    let mut object = json!({
        "id": letter.id,
        "time": letter.time,
        "stream": letter.stream,
        "consumer": letter.consumer,
        "sequence": letter.sequence,
        "deliveries": letter.deliveries,
        "reason": letter.reason,
        "kept": kept.is_some(),
        "subject": kept.map(|kept| &kept.subject),
    });
    object["alert"] = match alert {
        Some(alert) if whole => json!(alert),
        Some(alert) => json!({
            "id": alert.id,
            "rule": alert.rule,
            "node": alert.node,
            "priority": alert.priority,
        }),
        None => Value::Null,
    };
    object
}

fn print_json(object: &Value) {
    println!("{}", PrintableJson(&object.to_string()));
}

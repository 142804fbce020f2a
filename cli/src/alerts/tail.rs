//! `lanner alerts tail`: what is published from now on, and of what was missed
//! what the stream keeps.

use std::{io, ops::ControlFlow, pin::pin, time::Duration};

use jiff::{SignedDuration, Timestamp};
use lanner_bus::{Interruption, SubscribeError};

use super::{reader::Reader, stored::Stored};
use crate::printable::Printable;

/// A link may be dead for that long before anybody notices, and clocks differ.
const NOTICED_LATE: SignedDuration = SignedDuration::from_secs(60);

/// Prints until Ctrl-C, or until nobody reads along.
pub(super) async fn tail(mut reader: Reader, since: Option<Timestamp>) -> anyhow::Result<()> {
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let ended = tokio::select! {
        ended = follow(&mut reader, since) => ended,
        interrupted = &mut interrupted => Ok(interrupted?),
    };
    reader.tell_remark(true);
    ended
}

async fn follow(reader: &mut Reader, since: Option<Timestamp>) -> anyhow::Result<()> {
    let began = Timestamp::now();
    let mut lost_at = None;
    let mut interruptions = reader.connection.interruptions();
    let subjects = reader.which.live_subjects();
    // First live and then stored: so nothing is missed in between.
    let mut live = reader.connection.subscribe_all(&subjects).await.map_err(explain)?;
    eprintln!("reading {}, Ctrl-C ends it", Printable(&named(&subjects)));
    if let Some(since) = since
        && read_stored(reader, since).await?.is_break()
    {
        return Ok(());
    }
    loop {
        let flow = tokio::select! {
            seen = live.next() => match seen.map_err(explain)? {
                Some(seen) if reader.show(&seen)?.is_break() => ControlFlow::Break(()),
                Some(_) => reader.flush()?,
                None => anyhow::bail!("the connection to the bus is closed"),
            },
            interruption = interruptions.next() => {
                tell(interruption);
                let now = Timestamp::now();
                if interruption == Interruption::Lost {
                    lost_at = Some(now);
                    continue;
                }
                let lost_at = lost_at.take().unwrap_or(now);
                let from = lost_at.checked_sub(NOTICED_LATE).unwrap_or(lost_at).max(began);
                read_missed(reader, from).await?
            }
        };
        if flow.is_break() {
            return Ok(());
        }
        reader.tell_remark(false);
    }
}

pub(super) fn tell(interruption: Interruption) {
    match interruption {
        Interruption::Lost => eprintln!("lost the connection to the bus, trying again"),
        Interruption::Over { lasted } => eprintln!("connected again after {}", seconds(lasted)),
        Interruption::TooSlow => {
            eprintln!("alerts came faster than they were printed, and some were left out");
        }
    }
}

/// Prints what the stream keeps since then. Who may not read it is told what to do.
async fn read_missed(reader: &mut Reader, since: Timestamp) -> io::Result<ControlFlow<()>> {
    match read_stored(reader, since).await {
        Ok(flow) => Ok(flow),
        Err(error) => match error.downcast() {
            // Our own output.
            Ok(error) => Err(error),
            Err(error) => {
                eprintln!(
                    "what was published meanwhile was not seen ({error:#}); \
                     `lanner alerts query --since {since:.0}` shows it to who may read the stream"
                );
                Ok(ControlFlow::Continue(()))
            }
        },
    }
}

async fn read_stored(reader: &mut Reader, since: Timestamp) -> anyhow::Result<ControlFlow<()>> {
    let Some(subject) = reader.which.stored_subject() else {
        anyhow::bail!("the stream does not hold the copies for each tag");
    };
    let mut stored = Stored::since(&reader.connection, since, &subject).await?;
    while let Some(seen) = stored.next().await? {
        if reader.show(&seen)?.is_break() || (!stored.is_at_hand() && reader.flush()?.is_break()) {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(reader.flush()?)
}

fn named(subjects: &[String]) -> String {
    match subjects {
        [first, _, _, _, _, ..] => format!("{first} and {} other subjects", subjects.len() - 1),
        _ => subjects.join(" "),
    }
}

fn seconds(lasted: Duration) -> String {
    match lasted.as_secs() {
        0 => "less than a second".to_owned(),
        seconds => format!("{seconds} s"),
    }
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

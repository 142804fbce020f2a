//! `lanner alerts query`: what the stream keeps of some time.

use anyhow::Context as _;
use jiff::Timestamp;

use super::{reader::Reader, stored::Stored};

/// From when to when, and how many.
pub(super) struct Span {
    pub(super) since: Timestamp,
    pub(super) until: Option<Timestamp>,
    pub(super) limit: u64,
}

pub(super) async fn query(mut reader: Reader, span: &Span) -> anyhow::Result<()> {
    let subject = reader.which.stored_subject().context(
        "--subject: the stream does not hold the copies for each tag; use --tag TAG instead",
    )?;
    let mut stored = Stored::since(&reader.connection, span.since, &subject).await?;
    while reader.printed() < span.limit
        && let Some(seen) = stored.next().await?
    {
        let late = |until| seen.kept.is_some_and(|kept| kept.time > until);
        if span.until.is_some_and(late) {
            break;
        }
        if reader.show(&seen)?.is_break() || (!stored.is_at_hand() && reader.flush()?.is_break()) {
            return Ok(());
        }
    }
    // Whether somebody still reads along does not matter any more.
    let _ = reader.flush()?;
    match reader.printed() {
        0 => eprintln!("the stream keeps no such alert of that time"),
        printed if printed == span.limit => eprintln!("ended after {printed}; there may be more"),
        _ => {}
    }
    reader.tell_remark(true);
    Ok(())
}

//! Streams, buckets and consumers, against the layout. Changes nothing.

use super::Checked;
use crate::{Connection, Outcome, Setup, layout::Layout};

pub(super) async fn check(connection: &Connection, layout: &Layout) -> Vec<Checked> {
    let setup = Setup { dry_run: true, ..Setup::default() };
    match connection.set_up_as(layout, setup).await {
        Ok(standing) => standing
            .iter()
            .map(|standing| match &standing.outcome {
                Outcome::Unchanged => {
                    Checked::good(format!("{} {} stands", standing.kind, standing.name))
                }
                Outcome::Created => Checked::bad(format!(
                    "{} {} is missing: run `lanner bus setup`",
                    standing.kind, standing.name
                )),
                _ => Checked::bad(format!("{standing}: run `lanner bus setup`")),
            })
            .collect(),
        Err(error) => vec![Checked::bad(format!("streams and consumers: {error}"))],
    }
}

//! What is in the stream at the end.

use lanner_alert::Alert;
use lanner_bus::{Connection, Identity, layout};

use super::writer::{NUMBER, PRIORITIES};
use crate::SecuredBus;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) stored: u32,
    pub(super) doubled: u32,
    /// Alerts before which a later one of their priority stands.
    pub(super) disordered: u32,
}

/// Looks at all that is stored.
pub(super) async fn of(bus: &SecuredBus, total: u32) -> Tally {
    let connection = Connection::connect(&bus.connection(&Identity::Subscriber)).await;
    let connection = connection.expect("connect as a subscriber");
    let mut archive = connection.archive(layout::ALERTS).await.expect("the stream of alerts");
    let mut seen = vec![false; usize::try_from(total).expect("a small number")];
    let mut newest = [None; PRIORITIES.len()];
    let mut tally = Tally::default();
    while let Some(message) = archive.next().await.expect("read the stream") {
        let alert = Alert::from_json(&message.payload).expect("an alert");
        let number = alert.output_fields[NUMBER].as_u64().expect("a number");
        let number = usize::try_from(number).expect("a small number");
        tally.stored += u32::from(!seen[number]);
        tally.doubled += u32::from(seen[number]);
        seen[number] = true;
        let newest = &mut newest[number % PRIORITIES.len()];
        tally.disordered += u32::from(newest.is_some_and(|newest| newest > number));
        *newest = (*newest).max(Some(number));
    }
    tally
}

use std::ops::ControlFlow;

use lanner_alert::Alert;
use lanner_bus::{Connection, Seen};

use super::{
    condition::Condition,
    printer::{Printed, Printer},
    recent::Recent,
    which::Which,
};
use crate::printable::Printable;

/// Takes messages from the bus and prints what is looked for, each alert once.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) which: Which,
    condition: Option<Condition>,
    printer: Printer,
    recent: Recent,
    printed: u64,
}

impl Reader {
    pub(super) fn new(
        connection: Connection,
        which: Which,
        condition: Option<Condition>,
        printer: Printer,
    ) -> Self {
        Self { connection, which, condition, printer, recent: Recent::default(), printed: 0 }
    }

    /// Prints the alert in a message, if it is one that is looked for and was
    /// not printed yet. It may stay in memory until [`Reader::flush`].
    pub(super) fn show(&mut self, seen: &Seen) -> Printed {
        let alert = match Alert::from_json(&seen.payload) {
            Ok(alert) => alert,
            // Somebody else's message does not hide the alerts behind it.
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                eprintln!("{}: {}", Printable(&seen.subject), Printable(&error));
                return Ok(ControlFlow::Continue(()));
            }
        };
        let wanted = self.which.takes(&alert)
            && self.condition.as_mut().is_none_or(|condition| condition.holds(&alert))
            && self.recent.is_new(alert.id);
        if !wanted {
            return Ok(ControlFlow::Continue(()));
        }
        self.printed += 1;
        self.printer.print(seen, &alert)
    }

    pub(super) fn flush(&mut self) -> Printed {
        self.printer.flush()
    }

    /// How many were printed.
    pub(super) fn printed(&self) -> u64 {
        self.printed
    }

    /// Tells once of fields in the condition that no alert has.
    pub(super) fn tell_remark(&mut self, end: bool) {
        if let Some(remark) = self.condition.as_mut().and_then(|condition| condition.remark(end)) {
            eprintln!("--where: {remark}");
        }
    }
}

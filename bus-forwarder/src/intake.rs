//! What every input does with what it read: look at it, count it, spool it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lanner_alert::{Alert, AlertError, FalcoInput, Routing};
use lanner_bus::{Message, headers::Headers};
use lanner_service::{CancellationToken, Chain};
use tracing::warn;

use crate::{
    Outgoing, Spool, TagCopy,
    counters::{Counters, Input},
    lines::{Beginning, Line},
    seldom::Seldom,
};

/// Takes alerts on.
#[derive(Debug)]
pub(crate) struct Intake {
    falco: FalcoInput,
    routing: Routing,
    spool: Arc<Spool>,
    counters: Arc<Counters>,
    bad: Seldom,
}

impl Intake {
    pub(crate) fn new(
        falco: FalcoInput,
        routing: Routing,
        spool: Arc<Spool>,
        counters: Arc<Counters>,
    ) -> Self {
        let bad = Seldom::every(Duration::from_secs(10));
        Self { falco, routing, spool, counters, bad }
    }

    /// Returns when these alerts are in the spool, be it a full disk that they
    /// wait for. At `stop` they get one try.
    pub(crate) async fn take_on(
        &self,
        alerts: Vec<Outgoing>,
        stop: &CancellationToken,
    ) -> Result<(), Stopped> {
        if alerts.is_empty() {
            return Ok(());
        }
        tokio::select! {
            biased;
            _appended = self.spool.append_all(alerts) => Ok(()),
            () = stop.cancelled() => Err(Stopped),
        }
    }

    /// An alert of Lanner's sensor, as its frame holds it.
    pub(crate) fn sensor_alert(&self, json: Vec<u8>) -> Option<Outgoing> {
        let alert = match Alert::from_json(&json) {
            Ok(alert) => alert,
            Err(error) => {
                self.unreadable(Input::Socket, &error, &json);
                return None;
            }
        };
        if alert.node != self.falco.node {
            self.counters.foreign();
            if self.bad.now() {
                warn!(
                    node = %Beginning(alert.node.as_bytes()),
                    ours = self.falco.node,
                    "refused an alert of another node; sensor and forwarder must name the same"
                );
            }
            return None;
        }
        // As it came, so that keys we do not know stay as they are.
        Some(self.outgoing(Input::Socket, &alert, json))
    }

    /// A line that Falco wrote.
    pub(crate) fn falco_line(&self, input: Input, line: &Line) -> Option<Outgoing> {
        let line = match line {
            // Falco's own output ends with one, and so does `echo`.
            Line::Whole(line) if line.trim_ascii().is_empty() => return None,
            Line::Whole(line) => line,
            Line::TooLong { beginning, len } => {
                self.unreadable(input, &AlertError::TooLong { len: *len }, beginning);
                return None;
            }
        };
        match self.falco.read(line).and_then(|alert| Ok((alert.to_json()?, alert))) {
            Ok((json, alert)) => Some(self.outgoing(input, &alert, json)),
            Err(error) => {
                self.unreadable(input, &error, line);
                None
            }
        }
    }

    fn unreadable(&self, input: Input, error: &AlertError, bytes: &[u8]) {
        self.counters.unreadable();
        if self.bad.now() {
            let beginning = Beginning(bytes);
            warn!(%input, error = %Chain(error), %beginning, "not an alert, skipped");
        }
    }

    fn outgoing(&self, input: Input, alert: &Alert, json: Vec<u8>) -> Outgoing {
        self.counters.took(input);
        let routed = self.routing.route(alert);
        let copies = routed.copies.into_iter().map(|copy| TagCopy {
            subject: copy.subject.to_string(),
            stored: copy.stored.map(|tag| tag.as_str().to_owned()),
        });
        Outgoing {
            priority: alert.priority,
            message: Message {
                subject: routed.subject.to_string(),
                id: alert.id.to_string(),
                headers: Headers::of_alert(alert),
                payload: Bytes::from(json),
            },
            copies: copies.collect(),
        }
    }
}

/// It was time to stop, and the alerts are not taken on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

//! What every input does with what it read: look at it, count it, queue it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lanner_alert::{Alert, AlertError, FalcoInput, Routing};
use lanner_bus::{Message, headers::Headers};
use lanner_service::Chain;
use tracing::warn;

use crate::{
    counters::{Counters, Input},
    lines::{Beginning, Line},
    queue::{Queue, Waiting},
    seldom::Seldom,
};

/// Takes alerts on.
#[derive(Debug)]
pub(crate) struct Intake {
    falco: FalcoInput,
    routing: Routing,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    bad: Seldom,
    full: Seldom,
}

impl Intake {
    pub(crate) fn new(
        falco: FalcoInput,
        routing: Routing,
        queue: Arc<Queue>,
        counters: Arc<Counters>,
    ) -> Self {
        const PAUSE: Duration = Duration::from_secs(10);
        Self {
            falco,
            routing,
            queue,
            counters,
            bad: Seldom::every(PAUSE),
            full: Seldom::every(PAUSE),
        }
    }

    /// An alert of Lanner's sensor, as its frame holds it.
    pub(crate) fn sensor_alert(&self, json: Vec<u8>) {
        let alert = match Alert::from_json(&json) {
            Ok(alert) => alert,
            Err(error) => return self.unreadable(Input::Socket, &error, &json),
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
            return;
        }
        // As it came, so that keys we do not know stay as they are.
        self.queue(Input::Socket, &alert, json);
    }

    /// A line that Falco wrote.
    pub(crate) fn falco_line(&self, input: Input, line: &Line) {
        let line = match line {
            // Falco's own output ends with one, and so does `echo`.
            Line::Whole(line) if line.trim_ascii().is_empty() => return,
            Line::Whole(line) => line,
            Line::TooLong { beginning, len } => {
                return self.unreadable(
                    input,
                    &AlertError::TooLong { len: *len, max: lanner_alert::FALCO_BYTES_MAX },
                    beginning,
                );
            }
        };
        match self.falco.read(line).and_then(|alert| Ok((alert.to_json()?, alert))) {
            Ok((json, alert)) => self.queue(input, &alert, json),
            Err(error) => self.unreadable(input, &error, line),
        }
    }

    fn unreadable(&self, input: Input, error: &AlertError, bytes: &[u8]) {
        self.counters.unreadable();
        if self.bad.now() {
            let beginning = Beginning(bytes);
            warn!(%input, error = %Chain(error), %beginning, "not an alert, skipped");
        }
    }

    fn queue(&self, input: Input, alert: &Alert, json: Vec<u8>) {
        self.counters.took(input);
        let routed = self.routing.route(alert);
        let pushed = self.queue.push(Waiting {
            priority: alert.priority,
            message: Message {
                subject: routed.subject.to_string(),
                id: alert.id.to_string(),
                headers: Headers::of_alert(alert),
                payload: Bytes::from(json),
            },
            copies: routed.copies.iter().map(|copy| copy.subject.to_string()).collect(),
        });
        for priority in &pushed.dropped {
            self.counters.dropped(*priority);
        }
        if !pushed.dropped.is_empty() && self.full.now() {
            warn!("the queue is full: dropping the least urgent alerts, counted per priority");
        }
    }
}

//! What every input does with what it read: look at it, dress it, take secrets
//! out, say where it goes, and spool it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use lanner_alert::{
    ALERT_BYTES_MAX, Alert, AlertError, FALCO_BYTES_MAX, FalcoInput, Routing, StatusError, shorten,
};
use lanner_bus::{
    Message,
    headers::{GATEWAY, Headers},
};
use lanner_service::{CancellationToken, Chain};
use tracing::warn;

use crate::{
    Outgoing, Spool, TagCopy,
    bad_inputs::BadInputs,
    counters::{Counters, Input},
    decoration::Decoration,
    gateway::Nodes,
    lines::{Beginning, Line},
    redaction::Redactor,
    seldom::Seldom,
};

/// How long after an alert that the full disk did not take we call ourselves full.
const FULL_FOR: Duration = Duration::from_secs(10);

/// What an alert passes on its way into the spool.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) falco: FalcoInput,
    pub(crate) nodes: Nodes,
    pub(crate) decoration: Decoration,
    pub(crate) redactor: Redactor,
    pub(crate) routing: Routing,
    pub(crate) bad_inputs: Option<BadInputs>,
}

/// Takes alerts on.
#[derive(Debug)]
pub(crate) struct Intake {
    way: Way,
    spool: Arc<Spool>,
    counters: Arc<Counters>,
    bad: Seldom,
    full_since: Mutex<Option<Instant>>,
}

impl Intake {
    pub(crate) fn new(way: Way, spool: Arc<Spool>, counters: Arc<Counters>) -> Self {
        let bad = Seldom::every(Duration::from_secs(10));
        Self { way, spool, counters, bad, full_since: Mutex::default() }
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
        match self.spool.append_until(alerts, stop).await {
            Some(_appended) => Ok(()),
            None => Err(Stopped),
        }
    }

    /// Takes on what Falco wrote, for who waits for an answer. Bad lines among
    /// good ones are counted and no error.
    pub(crate) async fn take_or_refuse(
        &self,
        input: Input,
        lines: &[Line],
    ) -> Result<(), NotTaken> {
        let alerts: Vec<Outgoing> =
            lines.iter().filter_map(|line| self.falco_line(input, line)).collect();
        if alerts.is_empty() {
            return Err(NotTaken::Bad);
        }
        let appended = self.spool.append(&alerts).await;
        let mut full_since = self.full_since.lock().unwrap_or_else(PoisonError::into_inner);
        match appended {
            Ok(_appended) => {
                *full_since = None;
                Ok(())
            }
            // Whoever asked is told to come again, and that is all the news there is.
            Err(_full) => {
                *full_since = Some(Instant::now());
                Err(NotTaken::Full)
            }
        }
    }

    /// Whether an alert was refused just now for want of room.
    pub(crate) fn is_full(&self) -> bool {
        let full_since = self.full_since.lock().unwrap_or_else(PoisonError::into_inner);
        full_since.is_some_and(|since| since.elapsed() < FULL_FOR)
    }

    /// An alert of Lanner's sensor, as its frame holds it.
    pub(crate) fn sensor_alert(&self, json: Vec<u8>) -> Option<Outgoing> {
        let alert = match Alert::from_json(&json) {
            Ok(alert) => alert,
            Err(error) => {
                self.unreadable(Input::Socket, &error, &json, json.len());
                return None;
            }
        };
        if !self.way.nodes.has(&alert.node) {
            self.foreign(&alert);
            return None;
        }
        let len = json.len();
        match self.outgoing(Input::Socket, alert, Some(json)) {
            Ok(outgoing) => Some(outgoing),
            Err(error) => {
                self.unreadable(Input::Socket, &error, b"", len);
                None
            }
        }
    }

    /// A line that Falco wrote.
    pub(crate) fn falco_line(&self, input: Input, line: &Line) -> Option<Outgoing> {
        let line = match line {
            // Falco's own output ends with one, and so does `echo`.
            Line::Whole(line) if line.trim_ascii().is_empty() => return None,
            Line::Whole(line) => line,
            Line::TooLong { beginning, len } => {
                let error = AlertError::TooLong { len: *len, max: FALCO_BYTES_MAX };
                self.unreadable(input, &error, beginning, *len);
                return None;
            }
        };
        let mut read = self.way.falco.read_any(line, Timestamp::now());
        if let Ok(alert) = &mut read
            && !self.way.nodes.claim(alert)
        {
            self.foreign(alert);
            return None;
        }
        match read.and_then(|alert| self.outgoing(input, alert, None)) {
            Ok(outgoing) => Some(outgoing),
            Err(error) => {
                self.unreadable(input, &error, line, line.len());
                None
            }
        }
    }

    /// What a sensor told of itself cannot be read; its alerts still can.
    pub(crate) fn unreadable_status(&self, error: &StatusError) {
        self.counters.unreadable_status();
        if self.bad.now() {
            warn!(error = %Chain(error), "passed over what a sensor told of itself");
        }
    }

    fn foreign(&self, alert: &Alert) {
        self.counters.foreign();
        if self.bad.now() {
            warn!(
                node = %Beginning(alert.node.as_bytes()),
                "refused an alert of another node; sensor and forwarder must name the same, \
                 and a gateway lists the nodes that it publishes for"
            );
        }
    }

    fn unreadable(&self, input: Input, error: &AlertError, beginning: &[u8], len: usize) {
        self.counters.unreadable();
        let Way { bad_inputs, redactor, .. } = &self.way;
        if let Some(bad_inputs) = bad_inputs {
            bad_inputs.keep(input, &Chain(error).to_string(), beginning, len, redactor);
        }
        if self.bad.now() {
            let beginning = Beginning(beginning);
            warn!(%input, error = %Chain(error), %beginning, "not an alert, skipped");
        }
    }

    /// The alert as it goes to the bus. `json` is what it was read from, where
    /// that is ours: what nobody changed stays as it came, with keys and an
    /// order that we do not know.
    fn outgoing(
        &self,
        input: Input,
        mut alert: Alert,
        json: Option<Vec<u8>>,
    ) -> Result<Outgoing, AlertError> {
        let written = |alert: &Alert| serde_json::to_vec(alert).map_err(AlertError::Json);
        let decorated = self.way.decoration.apply(&mut alert);
        let mut json = match json {
            Some(json) if !decorated => json,
            _ => written(&alert)?,
        };
        if self.way.redactor.redact(&mut alert, &json) {
            self.counters.redacted();
            json = written(&alert)?;
        }
        if json.len() > ALERT_BYTES_MAX {
            let too_long = AlertError::TooLong { len: json.len(), max: ALERT_BYTES_MAX };
            json = shorten(&json, ALERT_BYTES_MAX).ok_or(too_long)?;
            self.counters.shortened();
        }
        self.counters.took(input);
        let routed = self.way.routing.route(&alert);
        let mut headers = Headers::of_alert(&alert);
        if let Some(gateway) = &self.way.routing.gateway {
            headers.set(GATEWAY, gateway.as_str());
        }
        let copies = routed.copies.into_iter().map(|copy| TagCopy {
            subject: copy.subject.to_string(),
            stored: copy.stored.map(|tag| tag.as_str().to_owned()),
        });
        Ok(Outgoing {
            priority: alert.priority,
            message: Message {
                subject: routed.subject.to_string(),
                id: alert.id.to_string(),
                headers,
                payload: Bytes::from(json),
            },
            copies: copies.collect(),
        })
    }
}

/// It was time to stop, and the alerts are not taken on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Why whoever waits gets no good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// There is no alert in it.
    Bad,
    /// The disk is full: it may be offered again.
    Full,
}

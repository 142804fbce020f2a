use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{Event, ServerError};
use tokio::sync::{broadcast, watch};
use tracing::{debug, info, warn};

/// Refusals that one slow listener may lag behind.
const REFUSALS_MAX: usize = 256;

/// What is known of the connection, from the events of the library below.
#[derive(Clone, Debug)]
pub(super) struct Links {
    servers: Arc<str>,
    state: watch::Sender<State>,
    /// Set from the first failure until the next success: one line each.
    failing: Arc<AtomicBool>,
    refused: broadcast::Sender<Arc<str>>,
    /// How often a subscription lost messages, as nobody took them.
    too_slow: watch::Sender<u64>,
    /// Set with the first refusal, which stands for all in the log.
    told_of_refusal: Arc<AtomicBool>,
}

/// Up or down, and for how often it was up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) up: bool,
    pub(crate) generation: u64,
    /// When it last came up.
    since: Option<Instant>,
}

impl Links {
    pub(super) fn new(servers: String) -> Self {
        Self {
            servers: servers.into(),
            state: watch::Sender::new(State::default()),
            failing: Arc::default(),
            refused: broadcast::Sender::new(REFUSALS_MAX),
            too_slow: watch::Sender::new(0),
            told_of_refusal: Arc::default(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.borrow().up
    }

    /// How long it has been up without a break; `None` while it is down.
    pub(super) fn up_for(&self) -> Option<Duration> {
        let state = self.state.borrow();
        state.since.filter(|_| state.up).map(|since| since.elapsed())
    }

    pub(super) async fn up(&self) {
        // `self` holds the sender, so that waiting cannot fail.
        let _ = self.state.subscribe().wait_for(|state| state.up).await;
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(super) fn refusals(&self) -> broadcast::Receiver<Arc<str>> {
        self.refused.subscribe()
    }

    pub(super) fn lost_by_slowness(&self) -> watch::Receiver<u64> {
        self.too_slow.subscribe()
    }

    /// Returns when the server refuses `subject`. Listens from the call on, not
    /// from the first poll.
    pub(super) fn refusal_of(&self, subject: &str) -> impl Future<Output = ()> + use<> {
        let subject = subject.to_owned();
        let refusal = self.refusal(move |refused| refused == subject);
        async move { drop(refusal.await) }
    }

    /// The first refused subject that `is_ours`, from the call on.
    pub(super) fn refusal<F: Fn(&str) -> bool>(
        &self,
        is_ours: F,
    ) -> impl Future<Output = Arc<str>> + use<F> {
        let mut refused = self.refused.subscribe();
        async move {
            loop {
                match refused.recv().await {
                    Ok(refused) if is_ours(&refused) => return refused,
                    // Missed ones come again: what is refused is tried again.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        }
    }

    pub(super) fn take_in(&self, event: Event) {
        match event {
            Event::Connected => {
                self.failing.store(false, Ordering::Relaxed);
                let mut connections = 0;
                self.state.send_modify(|state| {
                    state.up = true;
                    state.generation += 1;
                    state.since = Some(Instant::now());
                    connections = state.generation;
                });
                if connections == 1 {
                    info!(servers = %self.servers, "connected to the bus");
                } else {
                    info!(servers = %self.servers, connections, "connected to the bus again");
                }
            }
            Event::Disconnected => {
                self.state.send_modify(|state| state.up = false);
                self.failed("lost the connection to the bus", &"disconnected");
            }
            // We gave it up ourselves: there is nobody left to tell.
            Event::Closed => self.state.send_modify(|state| state.up = false),
            Event::ClientError(error) => self.failed("cannot connect to the bus", &error),
            Event::ServerError(ServerError::Other(text)) => {
                if let Some(subject) = refused_subject(&text) {
                    // Nobody listening is fine: not everything refused is waited for.
                    let _ = self.refused.send(subject.into());
                    let subject = without_restricted(subject);
                    if self.told_of_refusal.swap(true, Ordering::Relaxed) {
                        debug!(%subject, "the bus refuses this subject to our certificate");
                    } else {
                        warn!(%subject, "the bus refuses this subject to our certificate, and maybe others");
                    }
                } else {
                    self.failed("the bus reports an error", &text);
                }
            }
            Event::ServerError(error) => self.failed("the bus reports an error", &error),
            Event::SlowConsumer(_) => {
                self.too_slow.send_modify(|count| *count += 1);
                warn!("a subscription is too slow and loses messages");
            }
            Event::LameDuckMode | Event::Draining => debug!("the bus server is about to stop"),
        }
    }

    fn failed(&self, what: &'static str, error: &dyn std::fmt::Display) {
        if self.failing.swap(true, Ordering::Relaxed) {
            debug!(servers = %self.servers, %error, "{what}");
        } else {
            warn!(servers = %self.servers, %error, "{what}, keeps trying");
        }
    }
}

/// The subject in the server's `Permissions Violation for Publish to "..."` and
/// `... for Subscription to "..."`.
fn refused_subject(text: &str) -> Option<&str> {
    let (head, rest) = text.split_once('"')?;
    if !head.to_ascii_lowercase().starts_with("permissions violation for ") {
        return None;
    }
    rest.split_once('"').map(|(subject, _)| subject)
}

/// A subject as a log may show it: that of a restricted alert without its rule.
pub(crate) fn without_restricted(subject: &str) -> &str {
    const MARK: &str = ".restricted.";
    let Some((before, rest)) = subject.split_once(MARK) else { return subject };
    let tag = rest.split('.').next().unwrap_or_default();
    subject.get(..before.len() + MARK.len() + tag.len()).unwrap_or(subject)
}

#[cfg(test)]
mod tests {
    use super::without_restricted;

    #[test]
    fn a_log_shows_no_rule_of_a_restricted_alert() {
        for (subject, shown) in [
            ("lanner.alerts.notice.shell.rule.n", "lanner.alerts.notice.shell.rule.n"),
            ("eu.lanner.restricted.pii.alerts.notice.rule.n", "eu.lanner.restricted.pii"),
            ("lanner.restricted.", "lanner.restricted."),
        ] {
            assert_eq!(without_restricted(subject), shown);
        }
    }
}

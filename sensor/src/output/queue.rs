//! Alerts that wait for one output: in the order of their coming, and when there are
//! too many, the least urgent go first.

use std::{
    array,
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lanner_alert::{Alert, Priority};
use tokio::sync::Notify;

use super::DropCounts;

/// Alerts that wait for one output.
const ALERTS_MAX: usize = 8192;

/// How long an output may take nothing before it is not waited for any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// The end that takes alerts in; it never waits, unless it is asked to. Its drop ends the queue.
pub(super) struct Sender(Arc<Queue>);

/// The output's end.
pub(super) struct Receiver(Arc<Queue>);

struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
    taken: Condvar,
    drops: Arc<DropCounts>,
}

struct Waiting {
    /// By priority, the least urgent first; each alert with its place in the whole order.
    by_priority: [VecDeque<(u64, Arc<Alert>)>; Priority::ALL.len()],
    len: usize,
    next: u64,
    is_closed: bool,
    /// Nothing was taken for so long that nobody waits for it, until something is.
    is_given_up: bool,
}

/// A queue whose losses are counted in `drops`.
pub(super) fn queue(drops: Arc<DropCounts>) -> (Sender, Receiver) {
    let waiting = Waiting {
        by_priority: array::from_fn(|_| VecDeque::new()),
        len: 0,
        next: 0,
        is_closed: false,
        is_given_up: false,
    };
    let queue = Queue {
        waiting: Mutex::new(waiting),
        changed: Notify::new(),
        taken: Condvar::new(),
        drops,
    };
    let queue = Arc::new(queue);
    (Sender(Arc::clone(&queue)), Receiver(queue))
}

impl Sender {
    /// Takes an alert in. If there is no room, the oldest of the least urgent goes, which
    /// may be this one.
    pub(super) fn send(&self, alert: &Arc<Alert>) {
        let lost = self.0.waiting().push(alert);
        if let Some(priority) = lost {
            self.0.drops.add(priority);
        }
        self.0.changed.notify_one();
    }

    /// As [`Sender::send`], but waits for room, and for that as long as the output takes any:
    /// for a replay, which nothing follows.
    pub(super) fn send_patiently(&self, alert: &Arc<Alert>) {
        let mut waiting = self.0.waiting();
        while waiting.len >= ALERTS_MAX && !waiting.is_given_up {
            let before = waiting.len;
            let waited = self.0.taken.wait_timeout(waiting, PATIENCE);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
            waiting.is_given_up = waiting.len >= before;
        }
        drop(waiting);
        self.send(alert);
    }

    /// No more will come; what waits is still given out.
    pub(super) fn close(&self) {
        self.0.waiting().is_closed = true;
        self.0.changed.notify_one();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.close();
    }
}

impl Receiver {
    /// The next alert; `None` when the queue is closed and empty. May be given up and
    /// called again: nothing is lost.
    pub(super) async fn recv(&mut self) -> Option<Arc<Alert>> {
        loop {
            {
                let mut waiting = self.0.waiting();
                if let Some(alert) = waiting.pop() {
                    self.0.taken.notify_one();
                    return Some(alert);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            // A change since then left a permit.
            self.0.changed.notified().await;
        }
    }

    pub(super) fn try_recv(&mut self) -> Option<Arc<Alert>> {
        let alert = self.0.waiting().pop();
        self.0.taken.notify_one();
        alert
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.waiting().is_closed
    }

    pub(super) fn len(&self) -> usize {
        self.0.waiting().len
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The priority of the alert that is lost for it, if one is.
    fn push(&mut self, alert: &Arc<Alert>) -> Option<Priority> {
        let mut lost = None;
        if self.len >= ALERTS_MAX {
            let least = self.by_priority.iter_mut().find(|waiting| !waiting.is_empty());
            match least {
                Some(least)
                    if least.front().is_some_and(|(_, of)| of.priority <= alert.priority) =>
                {
                    lost = least.pop_front().map(|(_, alert)| alert.priority);
                    self.len -= 1;
                }
                _ => return Some(alert.priority),
            }
        }
        if let Some(waiting) = self.by_priority.get_mut(alert.priority as usize) {
            waiting.push_back((self.next, Arc::clone(alert)));
            self.next += 1;
            self.len += 1;
        }
        lost
    }

    fn pop(&mut self) -> Option<Arc<Alert>> {
        let place = |waiting: &VecDeque<(u64, _)>| waiting.front().map(|(place, _)| *place);
        let oldest = self.by_priority.iter_mut().filter(|waiting| !waiting.is_empty());
        let (_, alert) = oldest.min_by_key(|waiting| place(waiting))?.pop_front()?;
        self.len -= 1;
        self.is_given_up = false;
        Some(alert)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lanner_alert::{Alert, AlertId, Entity, Priority, SCHEMA};

    use super::{super::DropCounts, ALERTS_MAX, queue};

    fn alert(priority: Priority, rule: &str) -> Arc<Alert> {
        Arc::new(Alert {
            id: AlertId::new(),
            schema: SCHEMA,
            time: jiff::Timestamp::UNIX_EPOCH,
            node: String::new(),
            cluster: None,
            hostname: String::new(),
            rule: rule.to_owned(),
            priority,
            source: String::new(),
            tags: Default::default(),
            output: String::new(),
            output_fields: Default::default(),
            entity: Entity::default(),
            other: Default::default(),
        })
    }

    #[test]
    fn the_least_urgent_goes_first_and_the_order_stays() {
        let drops = Arc::new(DropCounts::default());
        let (sender, mut receiver) = queue(Arc::clone(&drops));
        sender.send(&alert(Priority::Warning, "first"));
        for _ in 2..ALERTS_MAX {
            sender.send(&alert(Priority::Debug, "noise"));
        }
        sender.send(&alert(Priority::Notice, "last"));
        assert_eq!(drops.total(), 0);
        for _ in 0..ALERTS_MAX - 3 {
            sender.send(&alert(Priority::Critical, "urgent"));
        }
        // One debug alert is left, and an informational one is more urgent.
        sender.send(&alert(Priority::Informational, "more urgent"));
        sender.send(&alert(Priority::Debug, "no room"));
        let lost: Vec<_> = drops.counts().collect();
        assert_eq!(lost, [(Priority::Debug, ALERTS_MAX as u64 - 1)]);
        let mut rules = Vec::new();
        while let Some(alert) = receiver.try_recv() {
            rules.push(alert.rule.clone());
        }
        rules.dedup();
        assert_eq!(rules, ["first", "last", "urgent", "more urgent"]);
        sender.send(&alert(Priority::Debug, "room again"));
        assert_eq!(receiver.len(), 1);
    }

    #[test]
    fn among_equals_the_oldest_goes() {
        let drops = Arc::new(DropCounts::default());
        let (sender, mut receiver) = queue(Arc::clone(&drops));
        for number in 0..=ALERTS_MAX {
            sender.send(&alert(Priority::Error, &number.to_string()));
        }
        assert_eq!(receiver.try_recv().unwrap().rule, "1");
        assert_eq!(drops.total(), 1);
    }

    #[tokio::test]
    async fn what_waits_is_given_out_after_the_end() {
        let (sender, mut receiver) = queue(Arc::default());
        sender.send(&alert(Priority::Error, "waits"));
        drop(sender);
        assert!(receiver.recv().await.is_some());
        assert!(receiver.recv().await.is_none());
    }
}

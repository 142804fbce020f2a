//! The sensors that are connected, and what they last told of themselves.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lanner_alert::SensorStatus;

/// A node has one sensor, and a second one while it is replaced. The socket
/// bounds how many connect.
#[derive(Debug, Default)]
pub(crate) struct Sensors(Mutex<Seats>);

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    /// The newest last. An older sensor, or one that has just come, has told nothing.
    taken: BTreeMap<u64, Option<Arc<SensorStatus>>>,
}

/// A connected sensor, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    sensors: Arc<Sensors>,
    number: u64,
}

impl Sensors {
    pub(crate) fn connect(self: &Arc<Self>) -> Seat {
        let mut seats = self.seats();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, None);
        Seat { sensors: self.clone(), number }
    }

    pub(crate) fn connected(&self) -> usize {
        self.seats().taken.len()
    }

    /// What the newest of those that tell of themselves told.
    pub(crate) fn status(&self) -> Option<Arc<SensorStatus>> {
        self.seats().taken.values().rev().flatten().next().cloned()
    }

    /// A thread that died left what is whole: no change here stops half way.
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    pub(crate) fn told(&self, status: SensorStatus) {
        self.sensors.seats().taken.insert(self.number, Some(Arc::new(status)));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sensors.seats().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use lanner_alert::STATUS_SCHEMA;

    use super::*;

    #[test]
    fn the_newest_that_tells_of_itself_counts_while_it_is_there() {
        let status = |version: &str| SensorStatus {
            schema: STATUS_SCHEMA,
            version: version.to_owned(),
            rules_hash: String::new(),
            rules: 0,
            events_lost: 0,
            alerts_lost: 0,
            metrics: Vec::new(),
        };
        let sensors = Arc::<Sensors>::default();
        let version = || sensors.status().map(|status| status.version.clone());
        let old = sensors.connect();
        assert_eq!((sensors.connected(), version()), (1, None));
        old.told(status("1"));
        let new = sensors.connect();
        assert_eq!((sensors.connected(), version().as_deref()), (2, Some("1")));
        new.told(status("2"));
        old.told(status("1"));
        assert_eq!(version().as_deref(), Some("2"));
        drop(old);
        assert_eq!((sensors.connected(), version().as_deref()), (1, Some("2")));
        drop(new);
        assert_eq!((sensors.connected(), version()), (0, None));
    }
}

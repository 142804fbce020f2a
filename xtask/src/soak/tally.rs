use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use lanner_alert::{Alert, AlertId, Outcome};
use lanner_bus::{Archive, Connection, ConnectionConfig, Seen, layout};

use super::writer::{NUMBER, is_for_playbook};

/// While there is nothing to read, or nobody to read from.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of each alert. Clones share it.
#[derive(Clone)]
pub(super) struct Tally {
    counts: Arc<Mutex<Counts>>,
    rate: u32,
}

struct Counts {
    /// How often each alert is stored, by its number.
    stored: Vec<u32>,
    /// Stored, and not one of ours as it was written.
    strange: u32,
    /// The alerts that a playbook is for.
    asked: HashMap<AlertId, u32>,
    answered: HashSet<AlertId>,
    /// How often each status was told.
    outcomes: HashMap<String, u32>,
}

/// The numbers at the end.
pub(super) struct Report {
    written: u32,
    stored_once: usize,
    stored_again: usize,
    lost: usize,
    strange: u32,
    asked: usize,
    answered: usize,
    outcomes: Vec<(String, u32)>,
}

impl Tally {
    pub(super) fn of(total: u32, rate: u32) -> Self {
        let counts = Counts {
            stored: vec![0; usize::try_from(total).expect("a count of a soak fits")],
            strange: 0,
            asked: HashMap::new(),
            answered: HashSet::new(),
            outcomes: HashMap::new(),
        };
        Self { counts: Arc::new(Mutex::new(counts)), rate }
    }

    /// Reads a stream for ever; goes on where it was when the server is back.
    pub(super) async fn read(self, reader: ConnectionConfig, stream: &str) {
        loop {
            // A server that is away is what this is about.
            let Ok(connection) = Connection::connect(&reader).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let mut archive = connection.archive(stream).await.expect("a stream of ours");
            self.read_on(&mut archive, stream).await;
        }
    }

    async fn read_on(&self, archive: &mut Archive, stream: &str) -> ! {
        loop {
            match archive.next().await {
                Ok(Some(seen)) if stream == layout::ALERTS => self.count_alert(&seen),
                Ok(Some(seen)) => self.count_outcome(&seen),
                Ok(None) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn count_alert(&self, seen: &Seen) {
        let alert = Alert::from_json(&seen.payload).ok();
        let number = alert.as_ref().and_then(|alert| alert.output_fields.get(NUMBER)?.as_u64());
        let number = number.and_then(|number| u32::try_from(number).ok());
        let mut counts = self.counts();
        let known = number.and_then(|number| {
            let index = usize::try_from(number).ok()?;
            *counts.stored.get_mut(index)? += 1;
            Some(number)
        });
        match (known, alert) {
            (Some(number), Some(alert)) if is_for_playbook(number, self.rate) => {
                counts.asked.insert(alert.id, number);
            }
            (Some(_), _) => {}
            (None, _) => counts.strange += 1,
        }
    }

    fn count_outcome(&self, seen: &Seen) {
        let outcome = serde_json::from_slice::<Outcome>(&seen.payload);
        let mut counts = self.counts();
        match outcome {
            Ok(outcome) => {
                counts.answered.extend(outcome.alert);
                *counts.outcomes.entry(outcome.status.to_string()).or_default() += 1;
            }
            Err(_) => counts.strange += 1,
        }
    }

    pub(super) fn is_complete(&self, written: u32) -> bool {
        let report = self.report(written);
        report.lost == 0 && report.answered == report.asked
    }

    pub(super) fn report(&self, written: u32) -> Report {
        let counts = self.counts();
        let with =
            |wanted: fn(u32) -> bool| counts.stored.iter().filter(|count| wanted(**count)).count();
        let mut outcomes: Vec<_> = counts.outcomes.clone().into_iter().collect();
        outcomes.sort();
        Report {
            written,
            stored_once: with(|count| count == 1),
            stored_again: with(|count| count > 1),
            lost: with(|count| count == 0),
            strange: counts.strange,
            asked: counts.asked.len(),
            answered: counts.asked.keys().filter(|id| counts.answered.contains(id)).count(),
            outcomes,
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("nobody panics while counting")
    }
}

impl Report {
    pub(super) fn is_good(&self) -> bool {
        self.lost == 0
            && self.stored_again == 0
            && self.strange == 0
            && self.answered == self.asked
            && self.asked > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, stored_once, stored_again, lost, strange, asked, answered, .. } = self;
        writeln!(f, "alerts written         {written:>8}")?;
        writeln!(f, "  stored once          {stored_once:>8}")?;
        writeln!(f, "  stored twice or more {stored_again:>8}")?;
        writeln!(f, "  lost                 {lost:>8}")?;
        writeln!(f, "strange messages       {strange:>8}")?;
        writeln!(f, "alerts for a playbook  {asked:>8}")?;
        writeln!(f, "  answered             {answered:>8}")?;
        for (status, count) in &self.outcomes {
            writeln!(f, "  outcomes {status:<11} {count:>8}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u32) -> Seen {
        let alert = serde_json::json!({
            "id": AlertId::new(), "schema": 1, "time": "2026-01-02T03:04:05Z", "node": "n",
            "hostname": "n", "rule": "r", "priority": "Notice", "source": "syscall",
            "output": "o", "output_fields": { NUMBER: number },
        });
        Seen { subject: String::new(), payload: alert.to_string().into_bytes(), kept: None }
    }

    #[test]
    fn what_is_missing_or_there_twice_is_told() {
        let tally = Tally::of(4, 4);
        for number in [0, 1, 1, 3, 9] {
            tally.count_alert(&seen(number));
        }
        let report = tally.report(4);
        assert_eq!((report.stored_once, report.stored_again, report.lost), (2, 1, 1));
        assert_eq!((report.strange, report.asked, report.answered), (1, 1, 0));
        assert!(!report.is_good() && !tally.is_complete(4));
    }
}

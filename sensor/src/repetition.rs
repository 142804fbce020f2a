//! Keeps one noisy loop from flooding the outputs.
//!
//! ```text
//! alert ─▶ bucket of (rule, container or process tree) ─┬ has a token ─▶ goes out
//!                                                       └ is empty ────▶ counted ─▶ "12 more like this"
//! ```
//!
//! A bucket holds as many tokens as alerts may come at once, and gets as many a minute. A
//! minute after the first alert that was kept back, one summary of all of them goes out.
//! Nothing is kept back that is critical or worse. Time is that of the events.

use std::collections::HashMap;

use jiff::Timestamp;
use lanner_alert::{Alert, Priority};
use serde_json::{Map, Value as Json};

use crate::{alerts::AlertMaker, enrich::process::ProcessKey};

/// Most buckets; then those that were used the longest time ago go.
const BUCKETS_MAX: usize = 4096;

/// Of the last alert's message, in a summary.
const MESSAGE_CHARS_MAX: usize = 512;

const MINUTE_NS: i64 = 60_000_000_000;

/// Events of different partitions come a little out of order. What goes back further is the clock
/// that somebody set.
const DISORDER_NS_MAX: i64 = 10_000_000_000;

/// Whose alerts have a bucket together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// By its full id.
    Container(String),
    /// On the host: by the process that the tree grew from.
    Tree(ProcessKey),
}

/// The buckets of all rules.
#[derive(Debug)]
pub struct Repetition {
    alerts_per_minute: u32,
    buckets: HashMap<(String, Scope), Bucket>,
    kept_back: u64,
    evicted: u64,
}

#[derive(Debug)]
struct Bucket {
    /// In nanoseconds of time that it took to gain them: an alert costs a share of a minute.
    credit_ns: i64,
    /// When it was last looked at.
    at_ns: i64,
    kept_back: Option<KeptBack>,
}

#[derive(Debug)]
struct KeptBack {
    count: u64,
    first_ns: i64,
    last: Alert,
}

impl Repetition {
    /// `alerts_per_minute` of each bucket; 0 keeps nothing back.
    pub fn new(alerts_per_minute: u32) -> Self {
        Self { alerts_per_minute, buckets: HashMap::new(), kept_back: 0, evicted: 0 }
    }

    /// Takes another limit from now on, as after a reload.
    pub fn limit(&mut self, alerts_per_minute: u32) {
        self.alerts_per_minute = alerts_per_minute;
    }

    /// Gives the alert back if it may go out.
    pub fn admit(&mut self, alert: Alert, scope: impl FnOnce() -> Scope) -> Option<Alert> {
        if self.alerts_per_minute == 0 || alert.priority >= Priority::Critical {
            return Some(alert);
        }
        let cost_ns = MINUTE_NS / i64::from(self.alerts_per_minute);
        let now_ns = time_ns(&alert);
        let key = (alert.rule.clone(), scope());
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket {
            credit_ns: MINUTE_NS,
            at_ns: now_ns,
            kept_back: None,
        });
        bucket.refill(now_ns);
        // While some are kept back, all are: the summary then has the last of them.
        if bucket.kept_back.is_none() && bucket.credit_ns >= cost_ns {
            bucket.credit_ns -= cost_ns;
            return Some(alert);
        }
        self.kept_back += 1;
        match &mut bucket.kept_back {
            Some(kept) => {
                kept.count += 1;
                kept.last = shortened(alert);
            }
            None => {
                let last = shortened(alert);
                bucket.kept_back = Some(KeptBack { count: 1, first_ns: now_ns, last });
            }
        }
        None
    }

    /// The summaries that are due at a time; those of all buckets if it is `None`.
    pub fn due(&mut self, now_ns: Option<i64>, maker: &AlertMaker) -> Vec<Alert> {
        let mut summaries = Vec::new();
        for bucket in self.buckets.values_mut() {
            let is_due = |kept: &mut KeptBack| now_ns.is_none_or(|now_ns| kept.is_due(now_ns));
            summaries.extend(bucket.kept_back.take_if(is_due).map(|kept| kept.summary(maker)));
        }
        if self.buckets.len() > BUCKETS_MAX {
            summaries.extend(self.evict(maker));
        }
        if let Some(now_ns) = now_ns {
            // A full one says no more than a new one.
            self.buckets.retain(|_, bucket| {
                bucket.refill(now_ns);
                bucket.kept_back.is_some() || bucket.credit_ns < MINUTE_NS
            });
        }
        summaries
    }

    /// Whether [`Repetition::due`] should be called before it is time, as there are too many.
    pub fn is_full(&self) -> bool {
        self.buckets.len() > BUCKETS_MAX
    }

    /// Alerts that were kept back so far.
    pub fn kept_back(&self) -> u64 {
        self.kept_back
    }

    /// Buckets that went before their time as there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Half of them go at once, so that this is rare; what they kept back is told.
    fn evict(&mut self, maker: &AlertMaker) -> Vec<Alert> {
        let mut times: Vec<i64> = self.buckets.values().map(|bucket| bucket.at_ns).collect();
        let (_, median, _) = times.select_nth_unstable(BUCKETS_MAX / 2);
        let median = *median;
        let mut summaries = Vec::new();
        let mut too_many = self.buckets.len().saturating_sub(BUCKETS_MAX / 2);
        self.evicted += too_many as u64;
        self.buckets.retain(|_, bucket| {
            let goes = too_many > 0 && bucket.at_ns <= median;
            if goes {
                too_many -= 1;
                summaries.extend(bucket.kept_back.take().map(|kept| kept.summary(maker)));
            }
            !goes
        });
        self.evicted -= too_many as u64;
        summaries
    }
}

impl Bucket {
    fn refill(&mut self, now_ns: i64) {
        let passed = now_ns.saturating_sub(self.at_ns).max(0);
        if passed > 0 || is_set_back(self.at_ns, now_ns) {
            self.at_ns = now_ns;
        }
        self.credit_ns = self.credit_ns.saturating_add(passed).min(MINUTE_NS);
    }
}

/// Else nothing would be gained and told until the clock is where it was.
fn is_set_back(before_ns: i64, now_ns: i64) -> bool {
    before_ns.saturating_sub(now_ns) > DISORDER_NS_MAX
}

impl KeptBack {
    fn is_due(&self, now_ns: i64) -> bool {
        now_ns.saturating_sub(self.first_ns) >= MINUTE_NS || is_set_back(self.first_ns, now_ns)
    }

    fn summary(self, maker: &AlertMaker) -> Alert {
        let Self { count, first_ns, last } = self;
        let first = Timestamp::from_nanosecond(first_ns.into()).unwrap_or_default();
        let message = format!(
            "{count} more like this in the last minute, first at {first}, last at {}: {}",
            last.time,
            without_head(&last),
        );
        let mut fields = Map::new();
        let mut add = |name: &str, value: Json| fields.insert(name.to_owned(), value);
        add("evt.time", time_ns(&last).into());
        add("repetition.count", count.into());
        add("repetition.first", first.to_string().into());
        add("repetition.last", last.time.to_string().into());
        maker.repeated(&last, &message, fields)
    }
}

/// What a summary needs of an alert: thousands of buckets may each keep one.
fn shortened(mut alert: Alert) -> Alert {
    alert.output_fields = Map::new();
    if alert.output.len() > MESSAGE_CHARS_MAX {
        alert.output = alert.output.chars().take(MESSAGE_CHARS_MAX).collect();
    }
    alert
}

/// Its message without time and priority.
fn without_head(alert: &Alert) -> &str {
    let head = format!(": {} ", alert.priority);
    alert.output.split_once(&head).map_or(&alert.output, |(_, message)| message)
}

fn time_ns(alert: &Alert) -> i64 {
    alert.time.as_nanosecond().try_into().unwrap_or(i64::MAX)
}

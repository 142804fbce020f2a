//! What the forwarder counts, under the names that docs/operations.md lists.

use jiff::Timestamp;
use lanner_alert::{MetricFamily, MetricKind, Priority, Sample};
use lanner_bus::certs;
use rustix::time::ClockId;

use crate::{counters::Input, vitals::Vitals};

/// Collects families.
#[derive(Default)]
struct Families(Vec<MetricFamily>);

type Labelled<'a> = (&'a str, &'a str, f64);

impl Families {
    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.add(name, help, MetricKind::Counter, vec![plain(number(value))]);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.add(name, help, MetricKind::Gauge, vec![plain(value)]);
    }

    fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = Labelled<'a>>,
    ) {
        let samples = values.into_iter().map(labelled).collect();
        self.add(name, help, MetricKind::Counter, samples);
    }

    fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = Labelled<'a>>,
    ) {
        let samples = values.into_iter().map(labelled).collect();
        self.add(name, help, MetricKind::Gauge, samples);
    }

    fn add(&mut self, name: &str, help: &str, kind: MetricKind, samples: Vec<Sample>) {
        let (name, help) = (name.to_owned(), help.to_owned());
        self.0.push(MetricFamily { name, help, kind, samples });
    }
}

pub(super) fn of(vitals: &Vitals) -> Vec<MetricFamily> {
    let mut families = Families::default();
    process(&mut families, vitals);
    alerts(&mut families, vitals);
    surroundings(&mut families, vitals);
    families.0
}

fn process(to: &mut Families, vitals: &Vitals) {
    to.gauges(
        "build_info",
        "The version of the forwarder, always 1.",
        [("version", env!("CARGO_PKG_VERSION"), 1.0)],
    );
    to.gauge(
        "start_time_seconds",
        "When the forwarder started, in seconds since 1970.",
        vitals.started.as_duration().as_secs_f64(),
    );
    let cpu = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    let cpu: std::time::Duration = cpu.try_into().unwrap_or_default();
    let help = "Processor time that the forwarder took.";
    to.add("cpu_seconds_total", help, MetricKind::Counter, vec![plain(cpu.as_secs_f64())]);
    if let Some(resident) = resident_bytes() {
        let help = "Memory that the forwarder has.";
        to.gauge("memory_resident_bytes", help, number(resident));
    }
}

fn alerts(to: &mut Families, vitals: &Vitals) {
    let now = vitals.counters.summary();
    let given = Input::ALL.iter().zip(now.taken);
    to.counters(
        "inputs_alerts_total",
        "Alerts that the inputs gave.",
        given.map(|(input, count)| ("input", input.name(), number(count))),
    );
    to.counter("inputs_bad_total", "Lines and frames of inputs that are no alert.", now.unreadable);
    to.counter("alerts_foreign_total", "Alerts of another node, refused.", now.foreign);
    to.counter("alerts_redacted_total", "Alerts that secrets were taken out of.", now.redacted);
    to.counters(
        "alerts_accepted_total",
        "Alerts that were taken on: they are in the spool.",
        by_priority(now.accepted),
    );
    to.counters(
        "alerts_evicted_total",
        "Of those, alerts that went for more urgent ones, as the spool was full.",
        by_priority(now.evicted),
    );
    to.counter("alerts_published_total", "Alerts that were handed to the bus.", now.published);
    to.counter(
        "alerts_acknowledged_total",
        "Of those, alerts that the bus stored, with all their stored copies.",
        now.acknowledged,
    );
    to.counter(
        "messages_duplicate_total",
        "Messages that an earlier attempt had stored already.",
        now.duplicates,
    );
    let help = "Attempts to store a message beyond the first.";
    to.counter("messages_resent_total", help, now.resent);
    to.counter(
        "alerts_refused_total",
        "Alerts that the bus will never take, kept aside.",
        now.refused,
    );
    to.counter(
        "alerts_shortened_total",
        "Alerts that were longer than the bus takes, and went shortened.",
        now.shortened,
    );
    to.counters(
        "copies_total",
        "Live copies of alerts for their tags, sent or not.",
        [("result", "sent", number(now.copies)), ("result", "missed", number(now.copies_missed))],
    );
    to.counter(
        "copies_unstored_total",
        "Copies for a tag of tag_streams for which the bus has no stream.",
        now.copies_unstored,
    );
    let help = "Times that the full disk did not take what was offered.";
    to.counter("spool_full_total", help, now.full);
    let help = "Parts of the spool that were damaged, kept aside.";
    to.counter("spool_damaged_total", help, now.damaged);
}

fn surroundings(to: &mut Families, vitals: &Vitals) {
    let standing = vitals.spool.standing();
    to.gauges("spool_alerts", "Alerts that wait for the bus.", by_priority(standing.waiting));
    to.gauge("spool_bytes", "Bytes of the disk that the spool takes.", number(standing.size_bytes));
    let bound = vitals.spool_config.size_bytes_max.get();
    to.gauge("spool_limit_bytes", "Bytes that it may take.", number(bound));
    to.gauge(
        "spool_oldest_age_seconds",
        "How long the oldest alert in it has waited; 0 when none waits.",
        standing.oldest_age.unwrap_or_default().as_secs_f64(),
    );
    to.gauge("connected", "Whether the bus can be reached.", flag(vitals.is_connected()));
    let now = vitals.counters.summary();
    to.counters(
        "heartbeats_total",
        "Heartbeats, stored by the bus or not.",
        [("result", "stored", number(now.beats)), ("result", "failed", number(now.beats_failed))],
    );
    let sensors = u64::try_from(vitals.sensors.connected()).unwrap_or(u64::MAX);
    to.gauge("sensors_connected", "Sensors on the socket.", number(sensors));
    to.counter(
        "sensor_statuses_bad_total",
        "Times that a sensor told of itself and could not be understood.",
        now.statuses_unreadable,
    );
    let expiries: Vec<(&str, Timestamp)> = vitals
        .certificates
        .iter()
        .filter_map(|(purpose, path)| Some((*purpose, certs::expiry(path).ok()?)))
        .collect();
    to.gauges(
        "certificate_expiry_timestamp_seconds",
        "When a certificate expires, in seconds since 1970.",
        expiries
            .iter()
            .map(|(purpose, expiry)| ("certificate", *purpose, expiry.as_duration().as_secs_f64())),
    );
}

fn by_priority(counts: [u64; Priority::ALL.len()]) -> impl Iterator<Item = Labelled<'static>> {
    let named = Priority::ALL.into_iter().zip(counts);
    named.map(|(priority, count)| ("priority", priority.as_token(), number(count)))
}

fn plain(value: f64) -> Sample {
    Sample { labels: Default::default(), value, tags: Default::default() }
}

fn labelled((name, label, value): Labelled<'_>) -> Sample {
    let labels = [(name.to_owned(), label.to_owned())].into();
    Sample { labels, value, tags: Default::default() }
}

/// Exact below 2^53; beyond, Prometheus has no better number either.
fn number(count: u64) -> f64 {
    count as f64
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(u64::try_from(rustix::param::page_size()).ok()?))
}

//! What the sensor tells the forwarder of itself: version, rules, and its
//! counters as metrics, under the names that docs/operations.md lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use lanner_alert::{MetricFamily, MetricKind, STATUS_SCHEMA, Sample, SensorStatus};
use lanner_engine::RuleSet;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::{Common, Fields, Totals, locked, metrics};
use crate::{decode::Family, output::StatusSender};

const RULES_MATCHES: &str = "rules_matches_total";
/// Rules with a value of their own: those that matched most.
const RULES_MAX: usize = 100;
/// The value of all others together, and of those that are gone.
const OTHER_RULES: &str = "other";

/// Tells a status now and then.
pub(super) struct Teller {
    to: StatusSender,
    every: Duration,
    last: Option<Instant>,
    /// Rules, and what is told of them, which takes a while to find out.
    rules: Option<(Arc<RuleSet>, RulesBrief)>,
}

#[derive(Clone)]
struct RulesBrief {
    hash: String,
    enabled: u64,
}

impl Teller {
    pub(super) fn new(to: StatusSender, every: Duration) -> Self {
        Self { to, every, last: None, rules: None }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.duration_since(last) >= self.every)
    }

    /// `parts` are the values of those that have counters of their own.
    pub(super) fn tell(&mut self, now: Instant, common: &Common, totals: &Totals, parts: &Fields) {
        self.last = Some(now);
        let rules = Arc::clone(&common.rules.borrow());
        let brief = match &self.rules {
            Some((known, brief)) if Arc::ptr_eq(known, &rules) => brief.clone(),
            _ => brief(&rules),
        };
        self.rules = Some((Arc::clone(&rules), brief.clone()));
        let lost = common.alerts.drops().filter(|(output, _)| *output == "socket");
        let status = SensorStatus {
            events_lost: common.losses.counts().map(|(_, _, count)| count).sum(),
            alerts_lost: lost.map(|(_, drops)| drops.total()).sum(),
            metrics: families(&rules, common, totals, parts),
            ..of_rules(brief)
        };
        send(&self.to, status);
    }
}

/// What a sensor tells that evaluates a recording, and counts nothing.
pub fn tell_rules(to: &StatusSender, rules: &RuleSet) {
    send(to, of_rules(brief(rules)));
}

fn send(to: &StatusSender, mut status: SensorStatus) {
    let json = status.to_json().or_else(|_too_long| {
        // Only the names and tags of rules have no bound of their own.
        status.metrics.retain(|family| family.name != RULES_MATCHES);
        status.to_json()
    });
    match json {
        Ok(json) => drop(to.send_replace(Some(json.into()))),
        Err(error) => warn!(%error, "the forwarder is not told how the sensor is"),
    }
}

fn of_rules(brief: RulesBrief) -> SensorStatus {
    SensorStatus {
        schema: STATUS_SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rules_hash: brief.hash,
        rules: brief.enabled,
        events_lost: 0,
        alerts_lost: 0,
        metrics: Vec::new(),
    }
}

/// What the enabled rules look for and say. How their files are laid out does
/// not matter, nor what is said about them.
fn brief(rules: &RuleSet) -> RulesBrief {
    let mut hash = Sha256::new();
    let mut enabled = 0;
    for rule in rules.rules().filter(|rule| rule.enabled) {
        enabled += 1;
        let priority = rule.priority.to_string();
        let (condition, tags) = (rule.condition_compiled(), rule.tags.join(","));
        // A zero byte is in none of them, so that none flows into the next.
        for part in [&rule.name, &priority, &rule.source, &condition, &rule.output, &tags] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    let digest = hash.finalize();
    let hash = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    RulesBrief { hash, enabled }
}

fn families(
    rules: &RuleSet,
    common: &Common,
    totals: &Totals,
    parts: &Fields,
) -> Vec<MetricFamily> {
    let mut families = Families(Vec::new());
    events(&mut families, common, totals);
    alerts(&mut families, common, totals);
    families.counter(
        RULES_MATCHES,
        "Events that a rule matched; the rules that matched less are together in other.",
        matches(rules, &locked(&common.matches)),
    );
    let filtered = |what: &str| -> Vec<Sample> {
        let of_type = parts.iter().filter_map(|(name, value)| {
            let event_type = name.strip_prefix("lanner.kernel_filter.")?.strip_suffix(what)?;
            Some(labelled([("type", event_type)], value.as_u64()?))
        });
        of_type.collect()
    };
    let help = "Events that the kernel filter looked at.";
    families.counter("kernel_filter_seen_total", help, filtered(".seen"));
    let help = "Of those, events that it let pass, as a rule may match them.";
    families.counter("kernel_filter_passed_total", help, filtered(".passed"));
    let node = &common.node;
    let known = [labelled([], node.processes.len() as u64)];
    families.gauge("processes_known", "Processes that the sensor knows.", known);
    let enabled = rules.rules().filter(|rule| rule.enabled).count();
    families.gauge("rules_enabled", "Rules that are evaluated.", [labelled([], enabled as u64)]);
    let build = [labelled([("version", env!("CARGO_PKG_VERSION"))], 1)];
    families.gauge("build_info", "The version of the sensor, always 1.", build);
    let cpu = Sample { value: metrics::cpu_time().as_secs_f64(), ..labelled([], 0) };
    families.counter("cpu_seconds_total", "Processor time that the sensor took.", [cpu]);
    let resident = metrics::resident_kib().map(|kib| labelled([], kib.saturating_mul(1024)));
    families.gauge("memory_resident_bytes", "Memory that the sensor has.", resident);
    families.0
}

fn events(to: &mut Families, common: &Common, totals: &Totals) {
    let read = Family::ALL.into_iter().zip(totals.read);
    to.counter(
        "events_read_total",
        "Events read from the kernel, by family.",
        read.map(|(family, count)| labelled([("family", family.name())], count)),
    );
    to.counter(
        "events_lost_total",
        "Events lost, by family and cause.",
        common.losses.counts().map(|(family, cause, count)| {
            labelled([("family", family), ("cause", cause.name())], count)
        }),
    );
    to.counter(
        "events_evaluated_total",
        "Events that rules looked at.",
        [labelled([], totals.evaluated)],
    );
}

fn alerts(to: &mut Families, common: &Common, totals: &Totals) {
    let help = "Alerts that rules made.";
    to.counter("alerts_made_total", help, [labelled([], totals.alerts)]);
    let kept_back = locked(&common.repetition).kept_back();
    to.counter(
        "alerts_kept_back_total",
        "Repeated alerts that were summed up.",
        [labelled([], kept_back)],
    );
    let lost = common.alerts.drops().flat_map(|(output, drops)| {
        let of_output = move |(priority, count): (lanner_alert::Priority, u64)| {
            labelled([("output", output), ("priority", priority.as_token())], count)
        };
        drops.counts().map(of_output)
    });
    to.counter("alerts_lost_total", "Alerts that an output did not take.", lost);
}

/// The rules that matched most, each with its tags.
fn matches(rules: &RuleSet, counts: &BTreeMap<String, u64>) -> Vec<Sample> {
    let tags: BTreeMap<&str, &[String]> =
        rules.rules().map(|rule| (rule.name.as_str(), &rule.tags[..])).collect();
    let mut known: Vec<(&str, u64, &[String])> = counts
        .iter()
        .filter_map(|(rule, count)| Some((rule.as_str(), *count, *tags.get(rule.as_str())?)))
        .filter(|(rule, _, _)| *rule != OTHER_RULES)
        .collect();
    known.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    known.truncate(RULES_MAX);
    let all: u64 = counts.values().sum();
    let others = all - known.iter().map(|(_, count, _)| count).sum::<u64>();
    let mut samples: Vec<Sample> = known
        .into_iter()
        .map(|(rule, count, tags)| Sample {
            tags: tags.iter().cloned().collect::<BTreeSet<String>>(),
            ..labelled([("rule", rule)], count)
        })
        .collect();
    if others > 0 {
        samples.push(labelled([("rule", OTHER_RULES)], others));
    }
    samples
}

struct Families(Vec<MetricFamily>);

impl Families {
    fn counter(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Sample>) {
        self.add(name, help, MetricKind::Counter, samples);
    }

    fn gauge(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Sample>) {
        self.add(name, help, MetricKind::Gauge, samples);
    }

    fn add(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricKind,
        samples: impl IntoIterator<Item = Sample>,
    ) {
        let (name, help) = (name.to_owned(), help.to_owned());
        self.0.push(MetricFamily { name, help, kind, samples: samples.into_iter().collect() });
    }
}

fn labelled<const N: usize>(labels: [(&str, &str); N], value: u64) -> Sample {
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    // Exact below 2^53; Prometheus has no better number either.
    Sample { labels, value: value as f64, tags: BTreeSet::new() }
}

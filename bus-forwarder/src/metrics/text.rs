use lanner_alert::{MetricFamily, MetricKind, Sample};
use prometheus::{
    TextEncoder,
    proto::{self, LabelPair, Metric, MetricType},
};

/// Families in Prometheus' text format, each name behind its prefix. One
/// without values is left out: the format has no place for it.
pub(super) fn exposition(parts: &[(&str, &[MetricFamily])]) -> Result<String, prometheus::Error> {
    let families: Vec<proto::MetricFamily> = parts
        .iter()
        .flat_map(|(prefix, families)| families.iter().map(move |family| proto(prefix, family)))
        .filter(|family| !family.get_metric().is_empty())
        .collect();
    TextEncoder::new().encode_to_string(&families)
}

fn proto(prefix: &str, family: &MetricFamily) -> proto::MetricFamily {
    let mut to = proto::MetricFamily::default();
    to.set_name(format!("{prefix}{}", family.name));
    to.set_help(family.help.clone());
    to.set_field_type(match family.kind {
        MetricKind::Counter => MetricType::COUNTER,
        MetricKind::Gauge | MetricKind::Unknown => MetricType::GAUGE,
    });
    to.set_metric(family.samples.iter().map(|sample| metric(family.kind, sample)).collect());
    to
}

fn metric(kind: MetricKind, sample: &Sample) -> Metric {
    let labels = sample.labels.iter().map(|(name, value)| {
        let mut label = LabelPair::default();
        label.set_name(name.clone());
        label.set_value(value.clone());
        label
    });
    let mut metric = Metric::from_label(labels.collect());
    match kind {
        MetricKind::Counter => {
            let mut counter = proto::Counter::default();
            counter.set_value(sample.value);
            metric.set_counter(counter);
        }
        MetricKind::Gauge | MetricKind::Unknown => {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(sample.value);
            metric.set_gauge(gauge);
        }
    }
    metric
}

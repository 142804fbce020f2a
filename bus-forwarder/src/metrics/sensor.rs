use std::collections::BTreeMap;

use lanner_alert::{MetricFamily, Routing, Sample};

/// In place of the rules of restricted alerts.
const RESTRICTED: &str = "restricted";

/// What a sensor counts, without the names of rules whose alerts are restricted:
/// their values are one value. Whoever reads metrics is not asked what else they
/// may read.
pub(super) fn for_everybody(families: &[MetricFamily], routing: &Routing) -> Vec<MetricFamily> {
    families.iter().map(|family| without_restricted(family, routing)).collect()
}

fn without_restricted(family: &MetricFamily, routing: &Routing) -> MetricFamily {
    let mut values: BTreeMap<BTreeMap<String, String>, f64> = BTreeMap::new();
    for Sample { labels, value, tags } in &family.samples {
        let mut labels = labels.clone();
        if routing.is_restricted(tags) {
            labels = labels.into_keys().map(|name| (name, RESTRICTED.to_owned())).collect();
        }
        *values.entry(labels).or_default() += value;
    }
    let samples = values
        .into_iter()
        .map(|(labels, value)| Sample { labels, value, tags: Default::default() })
        .collect();
    MetricFamily { samples, ..family.clone() }
}

#[cfg(test)]
mod tests {
    use lanner_alert::MetricKind;

    use super::*;

    #[test]
    fn rules_of_restricted_alerts_have_no_name() {
        let sample = |rule: &str, tags: &[&str], value| Sample {
            labels: [("rule".to_owned(), rule.to_owned())].into(),
            value,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        };
        let family = MetricFamily {
            name: "rules_matches_total".to_owned(),
            help: String::new(),
            kind: MetricKind::Counter,
            samples: vec![
                sample("a", &["shell"], 1.0),
                sample("b", &["shell", "Secret!"], 2.0),
                sample("c", &["secret"], 3.0),
            ],
        };
        let routing =
            Routing { restricted_tags: vec!["secret".parse().unwrap()], ..Routing::default() };
        let shown = for_everybody(&[family], &routing);
        let shown: Vec<(&str, f64)> = shown
            .iter()
            .flat_map(|family| &family.samples)
            .flat_map(|sample| sample.labels.values().map(|rule| (rule.as_str(), sample.value)))
            .collect();
        assert_eq!(shown, [("a", 1.0), ("restricted", 5.0)]);
    }
}

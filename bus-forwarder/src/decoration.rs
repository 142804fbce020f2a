//! What every alert of this forwarder is told to carry beside what its rule says.

use std::{collections::BTreeMap, env};

use anyhow::Context as _;
use lanner_alert::Alert;
use serde_json::Value;

use crate::config::Config;

/// Adds fields, tags, the cluster and the host's name.
#[derive(Debug, Default)]
pub(crate) struct Decoration {
    cluster: Option<String>,
    fields: BTreeMap<String, String>,
    tags: Vec<String>,
}

impl Decoration {
    /// # Errors
    /// When a value names a variable of the environment that is not set.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let fields = config.custom_fields.iter().map(|(name, value)| {
            anyhow::ensure!(!name.is_empty(), "custom_fields: a field without a name");
            let value = resolve(value).with_context(|| format!("custom_fields.{name}"))?;
            Ok((name.clone(), value))
        });
        let tags = config.custom_tags.iter().map(|tag| {
            let tag = resolve(tag).context("custom_tags")?;
            anyhow::ensure!(!tag.is_empty(), "custom_tags: an empty tag");
            Ok(tag)
        });
        Ok(Self {
            cluster: config.cluster.clone(),
            fields: fields.collect::<anyhow::Result<_>>()?,
            tags: tags.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Whether it changed anything. What the alert says itself stays: a field
    /// of its rule, a cluster, the name of its host.
    pub(crate) fn apply(&self, alert: &mut Alert) -> bool {
        let mut changed = false;
        if alert.hostname.is_empty() {
            alert.hostname.clone_from(&alert.node);
            changed = true;
        }
        if let (None, Some(cluster)) = (&alert.cluster, &self.cluster) {
            alert.cluster = Some(cluster.clone());
            changed = true;
        }
        for tag in &self.tags {
            changed |= alert.tags.insert(tag.clone());
        }
        for (name, value) in &self.fields {
            // One that is `null` was asked for and not found: that is an answer.
            if !alert.output_fields.contains_key(name) {
                alert.output_fields.insert(name.clone(), Value::String(value.clone()));
                changed = true;
            }
        }
        changed
    }
}

/// `%NAME` is the variable of the environment, `%%` a percent sign.
fn resolve(value: &str) -> anyhow::Result<String> {
    match value.strip_prefix('%') {
        None => Ok(value.to_owned()),
        Some(rest) if rest.starts_with('%') => Ok(rest.to_owned()),
        Some(name) => env::var(name).with_context(|| {
            format!(
                "%{name} is a variable of the environment, and not set; %% begins a percent sign"
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn a_value_is_itself_or_comes_from_the_environment() {
        assert_eq!(resolve("prod").unwrap(), "prod");
        assert_eq!(resolve("%%x").unwrap(), "%x");
        assert_eq!(resolve("%PATH").unwrap(), std::env::var("PATH").unwrap());
        let error = resolve("%LANNER_NOT_SET").unwrap_err().to_string();
        assert!(error.starts_with("%LANNER_NOT_SET is a variable"), "{error}");
    }
}

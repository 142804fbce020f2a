use std::{collections::BTreeMap, fmt::Debug};

use kube::{
    Api, Resource,
    api::{ObjectMeta, Patch, PatchParams},
};
use lanner_alert::{Target, Undo};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{ActError, Cluster, FIELD_MANAGER, Warrant, failure};

/// Labels to set; `None` takes one away.
type Change = BTreeMap<String, Option<String>>;

impl Cluster {
    pub(super) async fn prepare_label(
        &self,
        warrant: Warrant<'_>,
        target: &Target,
        labels: &BTreeMap<String, String>,
    ) -> Result<Undo, ActError> {
        let now = self.meta(warrant, target).await?.labels.unwrap_or_default();
        let before = labels.keys().map(|key| (key.clone(), now.get(key).cloned())).collect();
        Ok(Undo::Labels { before })
    }

    pub(super) async fn set_labels(
        &self,
        warrant: Warrant<'_>,
        target: &Target,
        labels: &BTreeMap<String, String>,
        dry_run: bool,
    ) -> Result<(), ActError> {
        let change = labels.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let meta = self.meta(warrant, target).await?;
        self.change_labels(target, &meta, change, dry_run).await
    }

    /// Gives the labels their old values, but for those that somebody else has
    /// changed since.
    pub(super) async fn restore_labels(
        &self,
        warrant: Warrant<'_>,
        target: &Target,
        before: &Change,
        ours: &BTreeMap<String, String>,
    ) -> Result<Option<String>, ActError> {
        let meta = match self.meta(warrant, target).await {
            Ok(meta) => meta,
            Err(ActError::Refused(_)) => return Ok(Some(format!("{target} is gone"))),
            Err(error) => return Err(error),
        };
        let now = meta.labels.clone().unwrap_or_default();
        let (still_ours, changed): (Change, Change) =
            before.clone().into_iter().partition(|(key, _)| now.get(key) == ours.get(key));
        if !still_ours.is_empty() {
            self.change_labels(target, &meta, still_ours, false).await?;
        }
        let left: Vec<&str> = changed
            .iter()
            .filter(|(key, value)| now.get(*key) != value.as_ref())
            .map(|(key, _)| key.as_str())
            .collect();
        Ok((!left.is_empty()).then(|| format!("changed since, left alone: {}", left.join(", "))))
    }

    async fn change_labels(
        &self,
        target: &Target,
        meta: &ObjectMeta,
        labels: Change,
        dry_run: bool,
    ) -> Result<(), ActError> {
        // With the uid and the version, the server refuses another object of
        // that name, and one that was changed since it was read.
        let patch = json!({
            "metadata": { "uid": meta.uid, "resourceVersion": meta.resource_version, "labels": labels },
        });
        match target {
            Target::Pod { namespace, name, .. } => {
                patch_metadata(&self.pods(namespace), name, &patch, dry_run).await
            }
            Target::Namespace { name } => {
                patch_metadata(&self.namespaces(), name, &patch, dry_run).await
            }
        }
        .map_err(|error| failure(&format!("label {target}"), error))
    }

    /// The target as it is now, if a pod is still the one that the evidence was about.
    async fn meta(&self, warrant: Warrant<'_>, target: &Target) -> Result<ObjectMeta, ActError> {
        let found = match target {
            Target::Pod { namespace, name, .. } => self
                .pods(namespace)
                .get_metadata_opt(name)
                .await
                .map(|found| found.map(|partial| partial.metadata)),
            Target::Namespace { name } => self
                .namespaces()
                .get_metadata_opt(name)
                .await
                .map(|found| found.map(|partial| partial.metadata)),
        };
        let found = found.map_err(|error| failure(&format!("get {target}"), error))?;
        match found {
            None => Err(ActError::Refused(format!("{target} does not exist"))),
            Some(meta)
                if matches!(target, Target::Pod { .. })
                    && meta.uid.as_deref() != Some(warrant.pod_uid) =>
            {
                Err(ActError::Refused(format!(
                    "{target} is another one now, without the uid {}",
                    warrant.pod_uid
                )))
            }
            Some(meta) => Ok(meta),
        }
    }
}

async fn patch_metadata<K>(
    api: &Api<K>,
    name: &str,
    patch: &serde_json::Value,
    dry_run: bool,
) -> Result<(), kube::Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let params = PatchParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch(name, &params, &Patch::Merge(patch)).await.map(drop)
}

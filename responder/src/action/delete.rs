use kube::api::{DeleteParams, Preconditions};

use super::{ActError, Cluster, Warrant, answer::code, failure};

impl Cluster {
    pub(super) async fn delete_pod(
        &self,
        warrant: Warrant<'_>,
        namespace: &str,
        name: &str,
        grace_seconds: Option<u32>,
        dry_run: bool,
    ) -> Result<Option<String>, ActError> {
        let params = DeleteParams {
            dry_run,
            grace_period_seconds: grace_seconds,
            preconditions: Some(Preconditions {
                uid: Some(warrant.pod_uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.pods(namespace).delete(name, &params).await {
            Ok(_) => Ok(None),
            Err(error) => match code(&error) {
                Some(404) => Ok(Some("it was gone already".to_owned())),
                Some(409) => Err(ActError::Refused(format!(
                    "pod {namespace}/{name} is another one now, without the uid {}",
                    warrant.pod_uid
                ))),
                _ => Err(failure(&format!("delete pod {namespace}/{name}"), error)),
            },
        }
    }

    pub(super) async fn is_deleted(
        &self,
        warrant: Warrant<'_>,
        namespace: &str,
        name: &str,
    ) -> Result<bool, ActError> {
        let found = self.pods(namespace).get_opt(name).await;
        let found =
            found.map_err(|error| failure(&format!("get pod {namespace}/{name}"), error))?;
        Ok(found.is_none_or(|pod| {
            pod.metadata.uid.as_deref() != Some(warrant.pod_uid)
                || pod.metadata.deletion_timestamp.is_some()
        }))
    }
}

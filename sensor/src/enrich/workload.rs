//! What made a pod, as far as the pod itself tells: controllers write labels on their
//! pods and build the pods' names from their own.
//!
//! | controller | label | the pod's name |
//! |---|---|---|
//! | Deployment | `pod-template-hash: H` | `NAME-H-xxxxx` |
//! | StatefulSet | `statefulset.kubernetes.io/pod-name` | `NAME-0` |
//! | DaemonSet | `controller-revision-hash: H` | `NAME-xxxxx` |
//! | Job | `batch.kubernetes.io/job-name: NAME` (`job-name` before 1.27) | `NAME-xxxxx` |
//! | CronJob | the same; its Job is called `NAME-MINUTES` | |
//!
//! Whoever may make pods may write the labels: this is a name to show, not a proof.

use std::collections::BTreeMap;

/// What made a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// As Kubernetes calls it: `Deployment`.
    pub kind: &'static str,
    pub name: String,
    /// The replica set between a deployment and its pods.
    pub replica_set: Option<String>,
}

/// The workload of the pod called `pod`; the pod itself where nothing else made it.
pub fn workload_of(pod: &str, labels: &BTreeMap<String, String>) -> Workload {
    let of = |kind, name: &str| Workload { kind, name: name.to_owned(), replica_set: None };
    let label = |key: &str| labels.get(key).map(String::as_str).filter(|value| !value.is_empty());
    if let Some(hash) = label("pod-template-hash")
        && let Some((set, _)) = pod.rsplit_once('-')
        && let Some(name) = set.strip_suffix(hash).and_then(|name| name.strip_suffix('-'))
        && !name.is_empty()
    {
        return Workload { replica_set: Some(set.to_owned()), ..of("Deployment", name) };
    }
    if label("statefulset.kubernetes.io/pod-name") == Some(pod)
        && let Some((name, _)) = pod.rsplit_once('-')
    {
        return of("StatefulSet", name);
    }
    if let Some(job) = label("batch.kubernetes.io/job-name").or_else(|| label("job-name")) {
        return match job.rsplit_once('-') {
            // Minutes since the epoch: eight digits from 1989 to 2160.
            Some((name, minutes))
                if minutes.len() == 8 && minutes.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                of("CronJob", name)
            }
            _ => of("Job", job),
        };
    }
    if label("controller-revision-hash").is_some()
        && let Some((name, _)) = pod.rsplit_once('-')
    {
        return of("DaemonSet", name);
    }
    of("Pod", pod)
}

#[cfg(test)]
mod tests {
    use super::workload_of;

    #[track_caller]
    fn check(pod: &str, labels: &[(&str, &str)], kind: &str, name: &str, set: Option<&str>) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let found = workload_of(pod, &labels.collect());
        let found = (found.kind, found.name.as_str(), found.replica_set.as_deref());
        assert_eq!(found, (kind, name, set), "pod {pod}");
    }

    #[test]
    fn controllers_write_labels() {
        let hash = ("pod-template-hash", "5d59d67564");
        let set = Some("cart-api-5d59d67564");
        check("cart-api-5d59d67564-x7x2p", &[hash], "Deployment", "cart-api", set);
        check("x-5d59d67564", &[hash], "Pod", "x-5d59d67564", None);
        check("-5d59d67564-x", &[hash], "Pod", "-5d59d67564-x", None);
        let revision = ("controller-revision-hash", "db-7f9c");
        let stateful = ("statefulset.kubernetes.io/pod-name", "db-0");
        check("db-0", &[revision, stateful], "StatefulSet", "db", None);
        check("node-agent-zz8kq", &[revision], "DaemonSet", "node-agent", None);
        let job = ("batch.kubernetes.io/job-name", "backup-once");
        check("backup-once-2x9vd", &[job], "Job", "backup-once", None);
        check(
            "backup-29380000-2x9vd",
            &[("job-name", "backup-29380000")],
            "CronJob",
            "backup",
            None,
        );
        check("alone", &[("app", "x")], "Pod", "alone", None);
        check("alone", &[("pod-template-hash", "")], "Pod", "alone", None);
    }
}

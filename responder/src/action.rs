//! The hands: what the responder reads and changes through the Kubernetes API.
//!
//! ```text
//! evidence   is the alert true?  pod exists, on the alert's node, holds its container, has its uid
//! prepare    may this step touch its target, and how would it be taken back?
//! perform    do it (or let the server only try: dry run)
//! was_done   after a crash: did it happen?
//! undo       take it back
//! ```
//!
//! Promises:
//! - Every change is bound to the uid that the checks saw, so a later pod of the
//!   same name is never hit.
//! - Every change is written as "make it so": doing it twice is doing it once.
//! - Every request carries `lanner/<plan id>` as its user agent, which the API
//!   server's audit log keeps.
//! - What we apply belongs to the field manager [`FIELD_MANAGER`], and an object
//!   that is not ours is not touched.

use std::{path::Path, time::Duration};

use k8s_openapi::api::{
    core::v1::{Namespace, Pod},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use lanner_alert::{Action, Plan, PlanId, Step, Target, Undo};

mod answer;
mod delete;
mod evidence;
mod isolate;
mod label;
mod pod_of_container;
mod policy;
mod protection;
mod user_agent;

pub use self::answer::ActError;
use self::answer::failure;

/// Who we are to the API server's field management.
pub const FIELD_MANAGER: &str = "lanner-responder";

/// Longest wait for an answer. A request that hangs is tried again, and is
/// idempotent.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// A connection to the cluster's API.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    /// The namespace that we run in, where we run in one.
    own_namespace: Option<String>,
}

/// What every step of one plan acts under.
#[derive(Clone, Copy)]
pub struct Warrant<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The uid that the evidence gave the alert's pod.
    pub pod_uid: &'a str,
}

impl Cluster {
    /// Connects by a kubeconfig file, or as the pod that we are.
    ///
    /// # Errors
    /// When there is no such file, or we run in no pod. The API server is not
    /// asked anything yet.
    pub async fn connect(kubeconfig: Option<&Path>) -> anyhow::Result<Self> {
        let mut config = match kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path)?;
                Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
            }
            None => Config::incluster()?,
        };
        config.read_timeout = Some(ANSWER_MAX);
        let own_namespace = kubeconfig.is_none().then(|| config.default_namespace.clone());
        Ok(Self { client: Client::try_from(config)?, own_namespace })
    }

    /// The namespace that we run in, where we run in one.
    pub fn own_namespace(&self) -> Option<&str> {
        self.own_namespace.as_deref()
    }

    /// The server's version, to know that it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn version(&self) -> Result<String, ActError> {
        let version = self.client.apiserver_version().await;
        version
            .map(|version| version.git_version)
            .map_err(|error| failure("ask the version", error))
    }

    /// The same connection, under the name of a plan.
    pub fn for_plan(&self, id: PlanId) -> Self {
        Self {
            client: user_agent::named(&self.client, id),
            own_namespace: self.own_namespace.clone(),
        }
    }

    /// Whether the step may touch its target, and how it would be taken back.
    ///
    /// # Errors
    /// [`ActError::Refused`] with the reason.
    pub async fn prepare(
        &self,
        warrant: Warrant<'_>,
        step: &Step,
    ) -> Result<Option<Undo>, ActError> {
        let Some(target) = &step.target else { return Ok(None) };
        self.check_protection(warrant, target).await?;
        match (&step.action, target) {
            (Action::Label { labels }, _) => {
                self.prepare_label(warrant, target, labels).await.map(Some)
            }
            (Action::Isolate { allow_dns, .. }, Target::Pod { namespace, name, .. }) => {
                self.prepare_isolate_pod(warrant, namespace, name, *allow_dns).await.map(Some)
            }
            (Action::Isolate { .. }, Target::Namespace { name }) => {
                self.prepare_isolate_namespace(warrant, name).await.map(Some)
            }
            (Action::Delete { .. } | Action::Notify { .. }, _) => Ok(None),
        }
    }

    /// Does the step, or lets the server only try it. Gives a remark for people.
    ///
    /// # Errors
    /// When it was not done, or perhaps not.
    pub async fn perform(
        &self,
        warrant: Warrant<'_>,
        step: &Step,
        undo: Option<&Undo>,
        dry_run: bool,
    ) -> Result<Option<String>, ActError> {
        let Some(target) = &step.target else { return Ok(None) };
        let done_before = undo == Some(&Undo::Nothing);
        match (&step.action, target) {
            (Action::Delete { grace_seconds }, Target::Pod { namespace, name, .. }) => {
                self.delete_pod(warrant, namespace, name, *grace_seconds, dry_run).await
            }
            (Action::Label { labels }, _) => {
                self.set_labels(warrant, target, labels, dry_run).await.map(|()| None)
            }
            (Action::Isolate { allow_dns, .. }, Target::Pod { namespace, name, .. }) => {
                let done =
                    self.isolate_pod(warrant, namespace, name, *allow_dns, done_before, dry_run);
                done.await
            }
            (Action::Isolate { .. }, Target::Namespace { .. }) if done_before => {
                Ok(Some(isolate::DONE_BEFORE.to_owned()))
            }
            (Action::Isolate { allow_dns, allow_namespaces }, Target::Namespace { name }) => {
                self.isolate_namespace(warrant, name, *allow_dns, allow_namespaces, dry_run).await
            }
            (Action::Delete { .. }, Target::Namespace { .. }) => {
                Err(ActError::Refused("a namespace is never deleted".to_owned()))
            }
            (Action::Notify { .. }, _) => Ok(None),
        }
    }

    /// Whether a step that was begun did happen.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn was_done(&self, warrant: Warrant<'_>, step: &Step) -> Result<bool, ActError> {
        match (&step.action, &step.target) {
            (Action::Delete { .. }, Some(Target::Pod { namespace, name, .. })) => {
                self.is_deleted(warrant, namespace, name).await
            }
            // The others make it so again, whether it is or not.
            _ => Ok(false),
        }
    }

    /// Takes a step back. Gives a remark for people when there was nothing to do.
    ///
    /// # Errors
    /// When it was not done, or perhaps not.
    pub async fn undo(
        &self,
        warrant: Warrant<'_>,
        step: &Step,
        undo: &Undo,
    ) -> Result<Option<String>, ActError> {
        match (undo, &step.target) {
            (Undo::Labels { before }, Some(target)) => {
                let ours = match &step.action {
                    Action::Label { labels } => labels.clone(),
                    Action::Isolate { allow_dns, .. } => {
                        isolate::labels(warrant.plan.id, *allow_dns)
                    }
                    Action::Delete { .. } | Action::Notify { .. } => return Ok(None),
                };
                self.restore_labels(warrant, target, before, &ours).await
            }
            (Undo::Policy { name }, Some(target)) => {
                self.delete_policy(warrant, target.namespace(), name).await
            }
            (Undo::Nothing, _) => Ok(Some("another plan did it, and undoes it".to_owned())),
            (_, None) => Ok(None),
        }
    }

    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn namespaces(&self) -> Api<Namespace> {
        Api::all(self.client.clone())
    }

    fn policies(&self, namespace: &str) -> Api<NetworkPolicy> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

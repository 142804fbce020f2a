//! `responder.yaml`.

use std::path::PathBuf;

use jiff::SignedDuration;
use lanner_alert::{Mode, SubjectRoot, Tag};
use lanner_bus::ConnectionConfig;
use serde::Deserialize;

/// The responder's settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How to reach the bus.
    pub bus: ConnectionConfig,

    /// The tokens in front of every subject, as in the forwarders' settings.
    #[serde(default)]
    pub subject_root: SubjectRoot,

    /// Tags whose alerts are in streams of their own, as in the forwarders'
    /// settings and in the layout of the bus.
    #[serde(default)]
    pub restricted_tags: Vec<Tag>,

    /// This cluster's name. Alerts of any other are refused. Unset, alerts are
    /// taken whatever cluster they name.
    #[serde(default)]
    pub cluster: Option<String>,

    /// What playbooks may do at most: `observe` or `enforce`. A playbook's own
    /// mode may be less.
    #[serde(default)]
    pub mode: Mode,

    /// Folders of playbooks, or single files.
    pub playbooks: Vec<PathBuf>,

    /// Namespaces that no plan touches, beside `kube-system`, `kube-public`,
    /// `kube-node-lease`, `openshift-*` and the responder's own.
    #[serde(default)]
    pub protected_namespaces: Vec<String>,

    /// What is done about alerts that a gateway published for a node.
    #[serde(default)]
    pub gateways: Gateways,

    /// An alert older than this is not acted upon: who knows what runs there now.
    #[serde(default = "five_minutes")]
    pub alert_age_max: SignedDuration,

    /// How long a plan belongs to a replica that does not say that it is alive;
    /// another one takes it over then.
    #[serde(default = "thirty_seconds")]
    pub lease: SignedDuration,

    /// How to reach the Kubernetes API; unset, as the pod that we run in.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
}

/// What is done about alerts of gateways.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateways {
    /// Whether a plan may do what cannot be taken back.
    pub final_verbs: FinalVerbs,
}

/// Whether verbs that cannot be taken back are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalVerbs {
    /// The plan is refused, and says why.
    #[default]
    Refuse,
    /// As for an alert of the node itself.
    Allow,
}

fn five_minutes() -> SignedDuration {
    SignedDuration::from_mins(5)
}

fn thirty_seconds() -> SignedDuration {
    SignedDuration::from_secs(30)
}

impl Config {
    /// Looks at what the file's shape cannot say.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.playbooks.is_empty(),
            "playbooks: name at least one folder; without playbooks nothing is responded to"
        );
        anyhow::ensure!(
            self.alert_age_max.is_positive(),
            "alert_age_max: {:#} lets no alert through",
            self.alert_age_max
        );
        let lease = self.lease.as_secs();
        anyhow::ensure!(
            (3..=3600).contains(&lease),
            "lease: {:#} is not between 3s and 1h",
            self.lease
        );
        self.bus.validate()?;
        Ok(())
    }
}

//! Carries a stored plan out, step by step, and finishes what another replica
//! began.
//!
//! ```text
//! evidence ─▶ each step: prepare, dry run ─▶ observe? ─▶ observed
//!                                         └▶ enforce: each step: prepare ▶ write "started" ▶ perform ▶ write "done"
//! ```
//!
//! Promises:
//! - Nothing is changed before every step passed its checks and the server's dry run.
//! - Each step's state is stored before and after it; its undo before it.
//! - Every write of the record is compare-and-set: who lost the plan stops.

use std::time::Duration;

use jiff::Timestamp;
use lanner_alert::{Action, Mode, Plan, PlanRecord, Status, StepState};
use tokio::time::{Instant, sleep};
use tracing::info;

use crate::{
    action::{ActError, Cluster, Warrant},
    guard::Guard,
    outcomes::Outcomes,
    plan_store::{PlanStore, Stored},
};

mod steps;
mod undo;

const RETRY_WAIT_MIN: Duration = Duration::from_millis(200);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long to wait for a cluster that does not answer, or not yet as hoped.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For an API server that is away.
    pub unreachable: Duration,
    /// For a pod's status to tell of a container that has just begun.
    pub settling: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { unreachable: Duration::from_secs(120), settling: Duration::from_secs(10) }
    }
}

/// Carries out plans.
pub struct Executor {
    plans: PlanStore,
    cluster: Cluster,
    guard: Guard,
    ceiling: Mode,
    outcomes: Outcomes,
    patience: Patience,
}

/// Work on a plan ends here; whoever takes it next goes on from its record.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the plan's record: {0:#}")]
pub struct Interrupted(anyhow::Error);

/// How a plan ended.
struct Verdict {
    status: Status,
    reason: Option<String>,
}

impl Verdict {
    fn new(status: Status, reason: impl Into<String>) -> Self {
        Self { status, reason: Some(reason.into()) }
    }

    /// Of an error before anything was changed.
    fn of_check(error: &ActError) -> Self {
        match error {
            ActError::Refused(reason) | ActError::NotYet(reason) => {
                Self::new(Status::Refused, reason)
            }
            ActError::Failed(reason) | ActError::Unreachable(reason) => {
                Self::new(Status::Failed, reason)
            }
        }
    }
}

/// A record that we hold the lease of.
struct Held<'a> {
    plans: &'a PlanStore,
    stored: Stored,
}

impl Held<'_> {
    fn record(&self) -> &PlanRecord {
        &self.stored.record
    }

    async fn write(&mut self, change: impl FnOnce(&mut PlanRecord)) -> Result<(), Interrupted> {
        change(&mut self.stored.record);
        self.plans.save(&mut self.stored).await.map_err(Interrupted)
    }

    async fn write_step(
        &mut self,
        index: usize,
        state: StepState,
        note: Option<String>,
    ) -> Result<(), Interrupted> {
        self.write(|record| {
            if let Some(step) = record.steps.get_mut(index) {
                step.state = state;
                step.since = Some(Timestamp::now());
                step.note = note;
            }
        })
        .await
    }
}

impl Executor {
    /// Works on what is in `plans`, through `cluster`, and does at most what `ceiling`
    /// allows.
    pub fn new(
        plans: PlanStore,
        cluster: Cluster,
        guard: Guard,
        ceiling: Mode,
        outcomes: Outcomes,
        patience: Patience,
    ) -> Self {
        Self { plans, cluster, guard, ceiling, outcomes, patience }
    }

    /// Does what is left to do about a plan. The caller holds its lease.
    ///
    /// # Errors
    /// When the record could not be written: the lease was lost, or the bus is away.
    pub async fn finish(&self, stored: Stored, owner: &str) -> Result<(), Interrupted> {
        let mut held = Held { plans: &self.plans, stored };
        // Also a fence: who held the plan before cannot write its record any more.
        held.write(|record| owner.clone_into(&mut record.owner)).await?;
        if held.record().outcome.is_none() {
            let verdict = self.carry_out(&mut held).await?;
            self.conclude(&mut held, verdict).await?;
        }
        if !held.record().told {
            self.tell(&mut held).await?;
        }
        if held.record().undo.is_some() {
            let verdict = self.take_back(&mut held).await?;
            self.conclude(&mut held, verdict).await?;
            self.tell(&mut held).await?;
        }
        Ok(())
    }

    async fn conclude(&self, held: &mut Held<'_>, verdict: Verdict) -> Result<(), Interrupted> {
        let outcome = self.outcomes.of_plan(held.record(), verdict.status, verdict.reason);
        // At once: an undo that is no longer wished for and not told of would be forgotten
        // by whoever takes the plan over.
        held.write(|record| {
            record.outcome = Some(outcome);
            record.told = false;
            record.undo = None;
        })
        .await
    }

    async fn tell(&self, held: &mut Held<'_>) -> Result<(), Interrupted> {
        if let Some(outcome) = &held.record().outcome {
            // Two undos of one plan are two outcomes.
            let id = format!("{}-{}", held.record().plan.id, outcome.time.as_millisecond());
            self.outcomes.tell(&id, outcome).await;
        }
        held.write(|record| record.told = true).await
    }

    async fn carry_out(&self, held: &mut Held<'_>) -> Result<Verdict, Interrupted> {
        let mut plan = held.record().plan.clone();
        if let Some(reason) = &plan.skip {
            return Ok(Verdict::new(Status::Skipped, reason));
        }
        if plan.steps.is_empty() {
            return Ok(Verdict::new(Status::Skipped, "the playbook asked for nothing"));
        }
        // Again: the replica that made the plan may protect less than we do.
        if let Err(reason) = self.guard.check(&plan) {
            return Ok(Verdict::new(Status::Refused, reason));
        }
        // And may do more: who lowers the mode wants nothing more done, old plans included.
        plan.mode = plan.mode.min(self.ceiling);
        let begun =
            |record: &PlanRecord| record.steps.iter().any(|step| step.state != StepState::Pending);
        if plan.mode == Mode::Observe && begun(held.record()) {
            return Ok(Verdict::new(Status::Failed, "stopped half way: the mode is observe now"));
        }
        let cluster = self.cluster.for_plan(plan.id);
        // A plan that only tells has nothing to check.
        let touches = plan.steps.iter().any(|step| step.target.is_some());
        let pod_uid = match held.record().pod_uid.clone() {
            None if touches => match self.check(&cluster, &plan).await {
                Ok(uid) => uid,
                Err(error) => return Ok(Verdict::of_check(&error)),
            },
            known => known.unwrap_or_default(),
        };
        if plan.mode == Mode::Observe {
            return Ok(Verdict::new(Status::Observed, "all checks passed; the mode is observe"));
        }
        if touches && held.record().pod_uid.is_none() {
            held.write(|record| record.pod_uid = Some(pod_uid.clone())).await?;
        }
        let warrant = Warrant { plan: &plan, pod_uid: &pod_uid };
        self.perform_all(&cluster, warrant, held).await
    }

    /// Finds the pod, and has every step checked and tried by the server.
    async fn check(&self, cluster: &Cluster, plan: &Plan) -> Result<String, ActError> {
        let pod_uid = self.patiently(|| cluster.evidence(plan)).await?;
        let warrant = Warrant { plan, pod_uid: &pod_uid };
        // A single delete has nothing to be half done with: it is its own trial.
        let only_deletes = plan.mode == Mode::Enforce && is_single_delete(plan);
        for step in &plan.steps {
            let undo = self.patiently(|| cluster.prepare(warrant, step)).await;
            let undo = undo.map_err(|error| error.at(&step.at))?;
            if only_deletes {
                continue;
            }
            let tried =
                self.patiently(|| cluster.perform(warrant, step, undo.as_ref(), true)).await;
            tried.map_err(|error| error.at(&step.at))?;
        }
        Ok(pod_uid)
    }

    /// Tries again while the cluster is away, and for a little while what it may
    /// come to allow. What is tried must bear being done twice.
    async fn patiently<T, F: Future<Output = Result<T, ActError>>>(
        &self,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, ActError> {
        let began = Instant::now();
        let mut wait = RETRY_WAIT_MIN;
        let mut was_away = false;
        loop {
            let (error, patience) = match attempt().await {
                Err(error @ ActError::Unreachable(_)) => {
                    was_away = true;
                    (error, self.patience.unreachable)
                }
                Err(error @ ActError::NotYet(_)) => (error, self.patience.settling),
                done => {
                    if was_away {
                        info!("the kubernetes api answers again");
                    }
                    return done;
                }
            };
            if began.elapsed() + wait > patience {
                return Err(error);
            }
            info!(%error, "tries again");
            sleep(wait).await;
            wait = (wait * 2).min(RETRY_WAIT_MAX);
        }
    }
}

fn is_single_delete(plan: &Plan) -> bool {
    let mut touching = plan.steps.iter().filter(|step| step.target.is_some());
    let first = touching.next().map(|step| &step.action);
    matches!(first, Some(Action::Delete { .. })) && touching.next().is_none()
}

/// Notifications go to the log in this version.
fn notify(plan: &Plan, action: &Action) {
    if let Action::Notify { channel, text } = action {
        // Debug form: the text may hold what an attacker chose.
        info!(channel, plan = %plan.id, playbook = plan.playbook, ?text, "notification");
    }
}

use lanner_alert::{Status, StepState};

use super::{Executor, Held, Interrupted, Verdict};
use crate::action::Warrant;

impl Executor {
    /// Takes back what was done, the last step first.
    pub(super) async fn take_back(&self, held: &mut Held<'_>) -> Result<Verdict, Interrupted> {
        let plan = held.record().plan.clone();
        let pod_uid = held.record().pod_uid.clone().unwrap_or_default();
        let cluster = self.cluster.for_plan(plan.id);
        let warrant = Warrant { plan: &plan, pod_uid: &pod_uid };
        let by = held.record().undo.as_ref().map(|undo| undo.by.clone()).unwrap_or_default();
        let mut undone = 0;
        let mut kept = Vec::new();
        for (index, step) in plan.steps.iter().enumerate().rev() {
            let recorded = held.record().steps.get(index).cloned().unwrap_or_default();
            // One that failed, or was never heard of again, may have happened.
            let perhaps_done =
                matches!(recorded.state, StepState::Done | StepState::Started | StepState::Failed);
            if !perhaps_done || step.target.is_none() {
                continue;
            }
            let Some(undo) = &recorded.undo else {
                if recorded.state == StepState::Done {
                    kept.push(format!("{}: {} cannot be undone", step.at, step.action.verb()));
                }
                continue;
            };
            match self.patiently(|| cluster.undo(warrant, step, undo)).await {
                Ok(note) => {
                    held.write_step(index, StepState::Undone, note).await?;
                    undone += 1;
                }
                Err(error) => {
                    let reason = format!("undo asked by {by}: {}", error.at(&step.at));
                    return Ok(Verdict::new(Status::Failed, reason));
                }
            }
        }
        let mut reason = format!("asked by {by}; steps taken back: {undone}");
        for kept in kept {
            reason.push_str("; ");
            reason.push_str(&kept);
        }
        Ok(Verdict::new(Status::Undone, reason))
    }
}

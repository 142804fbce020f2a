use jiff::Timestamp;
use lanner_alert::{Action, Status, Step, StepState};

use super::{Executor, Held, Interrupted, Verdict, notify};
use crate::action::{ActError, Cluster, Warrant};

/// What became of one step.
enum Ended {
    Done,
    /// A check said no before the step was begun.
    Refused(String),
    Failed(String),
}

impl Executor {
    pub(super) async fn perform_all(
        &self,
        cluster: &Cluster,
        warrant: Warrant<'_>,
        held: &mut Held<'_>,
    ) -> Result<Verdict, Interrupted> {
        let mut changed = false;
        for (index, step) in warrant.plan.steps.iter().enumerate() {
            match self.perform_one(cluster, warrant, held, index, step).await? {
                Ended::Done => changed |= step.target.is_some(),
                Ended::Refused(reason) if !changed => {
                    return Ok(Verdict::new(Status::Refused, reason));
                }
                Ended::Refused(reason) | Ended::Failed(reason) => {
                    return Ok(Verdict::new(Status::Failed, reason));
                }
            }
        }
        Ok(Verdict { status: Status::Executed, reason: None })
    }

    async fn perform_one(
        &self,
        cluster: &Cluster,
        warrant: Warrant<'_>,
        held: &mut Held<'_>,
        index: usize,
        step: &Step,
    ) -> Result<Ended, Interrupted> {
        let recorded = held.record().steps.get(index).cloned().unwrap_or_default();
        let undo = match recorded.state {
            StepState::Done | StepState::Undone => return Ok(Ended::Done),
            StepState::Failed => {
                return Ok(Ended::Failed(recorded.note.unwrap_or_default()));
            }
            // Begun by a replica that is gone: did it happen?
            StepState::Started => match self.patiently(|| cluster.was_done(warrant, step)).await {
                Ok(true) => {
                    let note = "found done by the replica before this one".to_owned();
                    held.write_step(index, StepState::Done, Some(note)).await?;
                    return Ok(Ended::Done);
                }
                Ok(false) => recorded.undo,
                Err(error) => return fail(held, index, step, error).await,
            },
            StepState::Pending => {
                let undo = match self.patiently(|| cluster.prepare(warrant, step)).await {
                    Ok(undo) => undo,
                    Err(error @ (ActError::Refused(_) | ActError::NotYet(_))) => {
                        let reason = error.at(&step.at).to_string();
                        held.write_step(index, StepState::Failed, Some(reason.clone())).await?;
                        return Ok(Ended::Refused(reason));
                    }
                    Err(error) => return fail(held, index, step, error).await,
                };
                held.write(|record| {
                    if let Some(step) = record.steps.get_mut(index) {
                        step.state = StepState::Started;
                        step.since = Some(Timestamp::now());
                        step.undo.clone_from(&undo);
                    }
                })
                .await?;
                undo
            }
        };
        let attempt = || cluster.perform(warrant, step, undo.as_ref(), false);
        match self.patiently(attempt).await {
            Ok(note) => {
                if matches!(step.action, Action::Notify { .. }) {
                    notify(warrant.plan, &step.action);
                }
                held.write_step(index, StepState::Done, note).await?;
                Ok(Ended::Done)
            }
            Err(error) => fail(held, index, step, error).await,
        }
    }
}

async fn fail(
    held: &mut Held<'_>,
    index: usize,
    step: &Step,
    error: ActError,
) -> Result<Ended, Interrupted> {
    let reason = error.at(&step.at).to_string();
    held.write_step(index, StepState::Failed, Some(reason.clone())).await?;
    Ok(Ended::Failed(reason))
}

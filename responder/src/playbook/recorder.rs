use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lanner_alert::{Action, Place, Step, Target};
use rhai::{EvalAltResult, NativeCallContext};

use super::{AlertFacts, Head, capability::Capability, problem::line_and_column};
use crate::suggest::did_you_mean;

/// Most steps of one plan.
pub(super) const STEPS_MAX: usize = 64;

/// What one run of one playbook writes its steps into.
///
/// Rhai carries it as the run's tag, so two runs never share one.
#[derive(Clone)]
pub(super) struct Recorder(Arc<Mutex<Recording>>);

pub(super) struct Recording {
    file: String,
    needs: BTreeSet<Capability>,
    params: rhai::Map,
    /// The only namespace that this plan may touch.
    pub(super) namespace: Option<String>,
    pub(super) steps: Vec<Step>,
    pub(super) skip: Option<String>,
}

impl Recorder {
    pub(super) fn new(file: &str, head: &Head, facts: &AlertFacts) -> Self {
        Self(Arc::new(Mutex::new(Recording {
            file: file.to_owned(),
            needs: head.needs.clone(),
            params: head.params.clone(),
            namespace: facts.alert().entity.pod_namespace.clone(),
            steps: Vec::new(),
            skip: None,
        })))
    }

    /// The recorder of the run that `context` belongs to.
    pub(super) fn of(context: &NativeCallContext) -> Result<Self, Box<EvalAltResult>> {
        let tag = context.tag().and_then(|tag| tag.read_lock::<Self>().map(|run| run.clone()));
        tag.ok_or_else(|| {
            format!("{} may only be called while `respond` runs", context.fn_name()).into()
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Recording> {
        // Nothing between lock and unlock leaves it half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn finish(self) -> (Vec<Step>, Option<String>) {
        let mut recording = self.lock();
        (std::mem::take(&mut recording.steps), recording.skip.take())
    }

    /// Adds a step and gives its index.
    pub(super) fn record(
        &self,
        context: &NativeCallContext,
        capability: Capability,
        action: Action,
        target: Option<Target>,
    ) -> Result<usize, Box<EvalAltResult>> {
        let mut recording = self.lock();
        if !recording.needs.contains(&capability) {
            return Err(capability.undeclared(action.verb()).into());
        }
        if recording.skip.is_some() {
            return Err("a step after skip(): skip ends a plan".into());
        }
        if recording.steps.len() >= STEPS_MAX {
            return Err(format!("more than {STEPS_MAX} steps in one plan").into());
        }
        let (line, column) = line_and_column(context.call_position()).unwrap_or((1, 1));
        let at = Place { file: recording.file.clone(), line, column };
        let class = action.class();
        recording.steps.push(Step { action, target, class, at });
        Ok(recording.steps.len() - 1)
    }

    /// Lets a method such as `.grace()` change the arguments of its step.
    pub(super) fn change(
        &self,
        index: usize,
        change: impl FnOnce(&mut Step) -> Result<(), String>,
    ) -> Result<(), Box<EvalAltResult>> {
        match self.lock().steps.get_mut(index) {
            Some(step) => change(step).map_err(Into::into),
            None => Err("this step belongs to another run".into()),
        }
    }
}

impl Recording {
    pub(super) fn param(&self, name: &str) -> Result<rhai::Dynamic, String> {
        self.params.get(name).cloned().ok_or_else(|| {
            let known = self.params.keys().map(|key| key.as_str());
            format!("`params` has no `{name}`{}", did_you_mean(name, known))
        })
    }
}

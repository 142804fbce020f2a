//! Tells what was decided: on the bus for whoever listens, and in the log.

use jiff::Timestamp;
use lanner_alert::{
    Alert, Outcome, PLAN_SCHEMA, PlanRecord, Status, StepOutcome, Subject, SubjectRoot, Tag,
};
use lanner_bus::{Message, PublishError, Publisher, headers::Headers};
use tracing::{error, info};

/// Publishes outcomes.
pub struct Outcomes {
    publisher: Publisher,
    root: SubjectRoot,
    responder: String,
}

impl Outcomes {
    /// `responder` names this process.
    pub fn new(publisher: Publisher, root: SubjectRoot, responder: String) -> Self {
        Self { publisher, root, responder }
    }

    /// The outcome of a stored plan.
    pub fn of_plan(&self, record: &PlanRecord, status: Status, reason: Option<String>) -> Outcome {
        let plan = &record.plan;
        let steps = plan
            .steps
            .iter()
            .zip(&record.steps)
            .map(|(step, record)| StepOutcome { step: step.clone(), record: record.clone() });
        Outcome {
            schema: PLAN_SCHEMA,
            status,
            reason,
            time: Timestamp::now(),
            alert: Some(plan.alert),
            alert_time: Some(plan.alert_time),
            rule: Some(plan.rule.clone()),
            node: Some(plan.node.clone()),
            cluster: plan.cluster.clone(),
            restricted: plan.restricted.clone(),
            playbook: Some(plan.playbook.clone()),
            plan: Some(plan.id),
            plan_made: Some(plan.made),
            mode: Some(plan.mode),
            responder: self.responder.clone(),
            steps: steps.collect(),
        }
    }

    /// The outcome of an alert that led to no plan, and was stored under this
    /// restricted tag if any.
    pub fn of_alert(
        &self,
        alert: Option<&Alert>,
        restricted: Option<&Tag>,
        playbook: Option<&str>,
        status: Status,
        reason: String,
    ) -> Outcome {
        Outcome {
            schema: PLAN_SCHEMA,
            status,
            reason: Some(reason),
            time: Timestamp::now(),
            alert: alert.map(|alert| alert.id),
            alert_time: alert.map(|alert| alert.time),
            rule: alert.map(|alert| alert.rule.clone()),
            node: alert.map(|alert| alert.node.clone()),
            cluster: alert.and_then(|alert| alert.cluster.clone()),
            restricted: restricted.cloned(),
            playbook: playbook.map(str::to_owned),
            plan: None,
            plan_made: None,
            mode: None,
            responder: self.responder.clone(),
            steps: Vec::new(),
        }
    }

    /// Returns when the outcome is stored, however long the bus is away. `id`
    /// is the same for the same outcome, so that telling twice is telling once.
    pub async fn tell(&self, id: &str, outcome: &Outcome) {
        log(outcome);
        let subject = self.subject(outcome);
        let payload = match serde_json::to_vec(outcome) {
            Ok(payload) => payload,
            Err(error) => return error!(%error, id, "outcome cannot be written as JSON"),
        };
        let message = Message {
            subject: subject.to_string(),
            id: format!("{id}-{}", outcome.status),
            headers: Headers::default(),
            payload: payload.into(),
        };
        if let Err(error @ (PublishError::Denied { .. } | PublishError::Refused { .. })) =
            self.publisher.publish(&message).await
        {
            // It is in the log and in the plan's record; no retry would help.
            error!(error = %lanner_service::Chain(&error), id, "outcome cannot be published");
        }
    }

    /// Where who may read the alert may read the outcome, and nobody else.
    fn subject(&self, outcome: &Outcome) -> Subject {
        let status = outcome.status.as_token();
        let playbook = outcome.playbook.as_deref().unwrap_or_default();
        let node = outcome.node.as_deref().unwrap_or_default();
        match &outcome.restricted {
            Some(tag) => self.root.restricted_response(tag, status, playbook, node),
            None => self.root.response(status, playbook, node),
        }
    }
}

fn log(outcome: &Outcome) {
    let text = |text: &Option<String>| text.as_deref().unwrap_or("-").to_owned();
    info!(
        status = %outcome.status,
        alert = %outcome.alert.map(|id| id.to_string()).unwrap_or_default(),
        plan = %outcome.plan.map(|id| id.to_string()).unwrap_or_default(),
        playbook = %text(&outcome.playbook),
        // Debug form: what an alert says cannot break the line.
        rule = ?outcome.rule,
        node = ?outcome.node,
        reason = ?outcome.reason,
        "outcome"
    );
}

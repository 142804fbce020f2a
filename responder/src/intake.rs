//! From a message to stored plans.
//!
//! ```text
//! message ─▶ alert ─▶ its own node? ─▶ our cluster? ─▶ each playbook: match ▶ its pod? ▶ young? ▶ plan ▶ guard ▶ news? ▶ store
//!                                                                                     then acknowledge
//! ```
//!
//! Promises:
//! - A message is acknowledged only after every plan about it is stored.
//! - A message that no responder could act upon is terminated, never retried.
//! - Every refusal is an outcome, with its reason.

mod message;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use lanner_alert::{
    Alert, GatewayName, Mode, Plan, PlanId, PlanRecord, Status, SubjectRoot, Tag, node_of_token,
};
use lanner_bus::Delivery;
use lanner_service::Chain;
use tracing::{debug, warn};

use self::message::Poison;
use crate::{
    action::{ActError, Cluster},
    guard::Guard,
    outcomes::Outcomes,
    plan_store::PlanStore,
    playbook::{AlertFacts, Dedup, Playbook, Playbooks, Problem},
    tally::Tally,
};

/// When what we need is away, the message comes again after that, and each time
/// after twice as long: the server gives a message up after a few deliveries, and
/// until then an API server must have had the time to come back.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What alerts are held against.
pub struct Intake {
    /// The tokens in front of every subject.
    pub root: SubjectRoot,
    /// Our cluster's name, if it has one.
    pub cluster: Option<String>,
    /// What playbooks may do at most.
    pub ceiling: Mode,
    /// Older alerts are not acted upon.
    pub alert_age_max: SignedDuration,
    /// Names this process in the plans that it makes.
    pub owner: String,
    /// The playbooks.
    pub playbooks: Playbooks,
    /// Who knows the pods, for an alert that knows only its container.
    pub pods: Cluster,
    /// What no plan may touch.
    pub guard: Guard,
    /// Where plans are stored.
    pub plans: PlanStore,
    /// Where outcomes are told.
    pub outcomes: Outcomes,
    /// What went through.
    pub tally: Arc<Tally>,
}

/// How an alert came.
struct Origin<'a> {
    /// The restricted tag that it was stored under.
    restricted: Option<&'a Tag>,
    /// Who published it for its node.
    gateway: Option<GatewayName>,
}

impl Intake {
    /// Takes one message to its end: acknowledged, terminated, or to come again.
    pub async fn take(self: &Arc<Self>, delivery: &Delivery) {
        self.tally.received.add();
        let answered = match message::read(
            &self.root,
            self.cluster.as_deref(),
            delivery.subject(),
            delivery.payload(),
        ) {
            Err(poison) => {
                self.refuse(delivery, poison).await;
                delivery.term().await
            }
            Ok((alert, gateway)) => match self
                .plan_all(alert, &Origin { restricted: delivery.restricted_tag(), gateway })
                .await
            {
                Ok(()) => delivery.ack().await,
                Err(error) => {
                    warn!(error = %format!("{error:#}"), "plans cannot be stored, takes the alert again");
                    delivery.nak(Some(retry_after(delivery.delivered()))).await
                }
            },
        };
        if let Err(error) = answered {
            // It comes again, and finds its plans stored.
            warn!(error = %Chain(&error), "message not answered");
        }
    }

    async fn refuse(&self, delivery: &Delivery, poison: Poison) {
        self.tally.poison.add();
        warn!(subject = delivery.subject(), reason = poison.reason, "message refused");
        let (alert, tag) = (poison.alert.as_deref(), delivery.restricted_tag());
        let mut outcome = self.outcomes.of_alert(alert, tag, None, Status::Refused, poison.reason);
        // The bus proved the subject's node; what the alert says is only said.
        outcome.node = poison.node.as_deref().and_then(node_of_token);
        self.outcomes.tell(&format!("message-{}", delivery.sequence()), &outcome).await;
    }

    async fn plan_all(self: &Arc<Self>, alert: Alert, origin: &Origin<'_>) -> anyhow::Result<()> {
        let mut facts = AlertFacts::new(alert);
        let answers: Vec<&Playbook> =
            self.playbooks.iter().filter(|playbook| playbook.matches(&facts)).collect();
        // One that is too old is refused anyhow, whomever it is about.
        if !answers.is_empty() && self.wrong_age(facts.alert(), Timestamp::now()).is_none() {
            facts = self.with_pod(facts).await?;
        }
        let facts = Arc::new(facts);
        for &playbook in &answers {
            self.plan_one(playbook, &facts, origin).await.with_context(|| {
                format!("playbook {}, alert {}", playbook.head.name, facts.alert().id)
            })?;
        }
        if answers.is_empty() {
            self.tally.unanswered.add();
            debug!(alert = %facts.alert().id, "no playbook answers");
        }
        Ok(())
    }

    /// The same facts, and the pod of the alert's container where only that is known.
    async fn with_pod(&self, facts: AlertFacts) -> anyhow::Result<AlertFacts> {
        let alert = facts.alert();
        let mut entity = alert.entity.clone();
        match self.pods.complete(&mut entity, &alert.node).await {
            Ok(()) => {}
            // It will say no again. Who tells people still can; who acts finds no pod.
            Err(error @ ActError::Failed(_)) => {
                warn!(alert = %alert.id, %error, "the pod of the alert's container is not told");
            }
            Err(error) => {
                return Err(error).context("cannot find the pod of the alert's container");
            }
        }
        if entity == alert.entity {
            return Ok(facts);
        }
        Ok(AlertFacts::new(Alert { entity, ..alert.clone() }))
    }

    async fn plan_one(
        self: &Arc<Self>,
        playbook: &Playbook,
        facts: &Arc<AlertFacts>,
        origin: &Origin<'_>,
    ) -> anyhow::Result<()> {
        let alert = facts.alert();
        let without_plan = |status, reason| {
            let playbook = Some(playbook.head.name.as_str());
            self.outcomes.of_alert(Some(alert), origin.restricted, playbook, status, reason)
        };
        let name = &playbook.head.name;
        let id = PlanId::of(alert.id, name, &playbook.version);
        if self.plans.get(id).await?.is_some() {
            debug!(plan = %id, "planned before");
            return Ok(());
        }
        let now = Timestamp::now();
        if let Some(reason) = self.wrong_age(alert, now) {
            let outcome = without_plan(Status::Refused, reason);
            self.outcomes.tell(&id.to_string(), &outcome).await;
            return Ok(());
        }
        let plan = match self.run(name.clone(), facts.clone(), now).await {
            Ok(plan) => Plan {
                restricted: origin.restricted.cloned(),
                gateway: origin.gateway.clone(),
                ..plan
            },
            Err(problem) => {
                self.tally.playbook_errors.add();
                let outcome = without_plan(Status::Failed, problem.to_string());
                self.outcomes.tell(&id.to_string(), &outcome).await;
                return Ok(());
            }
        };
        let refusal = self.guard.check(&plan).err();
        // Only a plan that will be tried makes the next one no news: an alert that its
        // playbook skips, fails on or may not act on must not silence the one after it.
        if let Some(dedup) = &playbook.head.dedup
            && refusal.is_none()
            && !plan.steps.is_empty()
            && !self.is_news(dedup, name, facts, id).await?
        {
            self.tally.duplicates.add();
            let reason =
                format!("no news: a plan about the same was made within {:#}", dedup.window);
            let outcome = without_plan(Status::Skipped, reason);
            self.outcomes.tell(&id.to_string(), &outcome).await;
            return Ok(());
        }
        let mut record = PlanRecord::new(plan, self.owner.clone());
        if let Some(reason) = refusal {
            let outcome = self.outcomes.of_plan(&record, Status::Refused, Some(reason));
            record.outcome = Some(outcome);
        }
        self.plans.create(&record).await?;
        self.tally.planned.add();
        Ok(())
    }

    /// A script may compute for as long as its limits let it, and on no thread
    /// that others wait for.
    async fn run(
        self: &Arc<Self>,
        name: String,
        facts: Arc<AlertFacts>,
        now: Timestamp,
    ) -> Result<Plan, Problem> {
        let intake = self.clone();
        let file = name.clone();
        let run = tokio::task::spawn_blocking(move || {
            let playbook = intake.playbooks.get(&name)?;
            Some(intake.playbooks.plan(playbook, &facts, intake.ceiling, now))
        });
        match run.await {
            Ok(Some(planned)) => planned,
            // A panic in there is our mistake, and must not be everybody's end.
            Ok(None) | Err(_) => Err(Problem {
                file,
                at: None,
                message: "the playbook could not be run at all".to_owned(),
            }),
        }
    }

    fn wrong_age(&self, alert: &Alert, now: Timestamp) -> Option<String> {
        let age = now.duration_since(alert.time);
        if age > self.alert_age_max {
            return Some(format!("the alert is {age:#} old, more than {:#}", self.alert_age_max));
        }
        if -age > self.alert_age_max {
            return Some(format!("the alert is {:#} from the future", -age));
        }
        None
    }

    async fn is_news(
        &self,
        dedup: &Dedup,
        playbook: &str,
        facts: &AlertFacts,
        id: PlanId,
    ) -> anyhow::Result<bool> {
        let window = dedup.window.unsigned_abs();
        Ok(self.plans.is_news(&dedup.key(playbook, facts), id, window).await?)
    }
}

fn retry_after(delivered: u32) -> Duration {
    let doublings = delivered.saturating_sub(1).min(8);
    (RETRY_FIRST * 2_u32.pow(doublings)).min(RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::retry_after;

    #[test]
    fn a_message_waits_longer_each_time() {
        // The server delivers a message eight times.
        let waits: Vec<u64> = (1..8).map(|delivered| retry_after(delivered).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(retry_after(u32::MAX), Duration::from_secs(60));
        assert_eq!(retry_after(0), Duration::from_secs(2));
    }
}

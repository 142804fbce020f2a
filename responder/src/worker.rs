//! Finds plans that are not finished, takes their leases, has them carried out.
//!
//! Every replica sees every plan; the lease decides who does it. A plan whose
//! replica died is free when its lease has run out on the server, and is then
//! taken by whoever asks first.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt as _;
use lanner_alert::{PlanId, PlanRecord};
use lanner_service::{CancellationToken, Chain};
use tokio::{
    task::{self, JoinSet},
    time::{MissedTickBehavior, interval, sleep},
};
use tracing::{info, warn};

use crate::{executor::Executor, plan_store::PlanStore, tally::Tally};

/// Plans that one replica carries out at a time. The others wait in the bucket.
const PLANS_AT_ONCE: usize = 16;
const WATCH_RETRY: Duration = Duration::from_secs(1);

/// Works on the plans of the bucket.
pub struct Worker {
    plans: PlanStore,
    executor: Arc<Executor>,
    owner: String,
    lease: Duration,
    tally: Arc<Tally>,
}

/// What is to be done, and what is being done here.
#[derive(Default)]
struct Board {
    /// Not finished, as far as we know. Bounded by the bucket.
    open: BTreeSet<PlanId>,
    /// Of those, the ones that found no room here.
    waiting: BTreeSet<PlanId>,
    /// Carried out by a task of ours.
    here: HashMap<PlanId, task::Id>,
    tasks: JoinSet<PlanId>,
}

impl Worker {
    /// `owner` names this process; a plan is ours for `lease` without a sign of life.
    pub fn new(
        plans: PlanStore,
        executor: Executor,
        owner: String,
        lease: Duration,
        tally: Arc<Tally>,
    ) -> Self {
        Self { plans, executor: Arc::new(executor), owner, lease, tally }
    }

    /// Works until `stop`, and then finishes the plans that are under way here.
    pub async fn run(self, stop: CancellationToken) {
        let worker = Arc::new(self);
        let mut board = Board::default();
        while !stop.is_cancelled() {
            match worker.plans.watch().await {
                Ok(changes) => worker.follow(changes, &mut board, &stop).await,
                Err(error) => warn!(error = %Chain(&error), "plans cannot be watched, tries again"),
            }
            tokio::select! {
                () = sleep(WATCH_RETRY) => {}
                () = stop.cancelled() => {}
            }
        }
        while board.tasks.join_next().await.is_some() {}
    }

    async fn follow(
        self: &Arc<Self>,
        mut changes: impl futures::Stream<Item = Result<PlanRecord, lanner_bus::StoreError>> + Unpin,
        board: &mut Board,
        stop: &CancellationToken,
    ) {
        // Often enough that an expired lease is noticed soon.
        let mut again = interval(self.lease / 3);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                change = changes.next() => match change {
                    Some(Ok(record)) if record.is_finished() => {
                        board.open.remove(&record.plan.id);
                        board.waiting.remove(&record.plan.id);
                    }
                    Some(Ok(record)) => {
                        board.open.insert(record.plan.id);
                        self.start(board, record.plan.id);
                    }
                    Some(Err(error)) => {
                        return warn!(error = %Chain(&error), "watching plans ended, begins anew");
                    }
                    None => return,
                },
                Some(ended) = board.tasks.join_next() => {
                    match ended {
                        Ok(id) => drop(board.here.remove(&id)),
                        // Our mistake. Its lease runs out, and whoever asks then goes on.
                        Err(error) => {
                            warn!(%error, "a plan's task ended");
                            board.here.retain(|_, task| *task != error.id());
                        }
                    }
                    if let Some(next) = board.waiting.pop_first() {
                        self.start(board, next);
                    }
                }
                _ = again.tick() => {
                    let open: Vec<PlanId> = board.open.iter().copied().collect();
                    open.into_iter().for_each(|id| self.start(board, id));
                }
            }
        }
    }

    fn start(self: &Arc<Self>, board: &mut Board, id: PlanId) {
        if board.here.contains_key(&id) {
            return;
        }
        if board.here.len() >= PLANS_AT_ONCE {
            board.waiting.insert(id);
            return;
        }
        board.waiting.remove(&id);
        let worker = self.clone();
        let task = board.tasks.spawn(async move {
            if let Err(error) = worker.work(id).await {
                warn!(plan = %id, error = %format!("{error:#}"), "plan interrupted, goes on later");
            }
            id
        });
        board.here.insert(id, task.id());
    }

    async fn work(&self, id: PlanId) -> anyhow::Result<()> {
        let Some(mut lease) = self.plans.lease(id, &self.owner, self.lease).await? else {
            return Ok(());
        };
        let worked = tokio::select! {
            worked = self.finish(id) => worked,
            () = lease.keep() => {
                warn!(plan = %id, "lease lost, another replica goes on");
                return Ok(());
            }
        };
        lease.release().await;
        worked
    }

    async fn finish(&self, id: PlanId) -> anyhow::Result<()> {
        let Some(stored) = self.plans.get(id).await? else { return Ok(()) };
        if stored.record.is_finished() {
            return Ok(());
        }
        if stored.record.owner != self.owner {
            info!(plan = %id, from = stored.record.owner, "takes a plan over");
        }
        self.executor.finish(stored, &self.owner).await?;
        self.tally.concluded.add();
        Ok(())
    }
}

//! A responder that is killed at its work: another one finishes it, once.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use lanner_alert::{Action, Mode, PlanId, PlanRecord, Status, StepState};
use lanner_responder::{tally::Tally, worker::Worker};
use lanner_service::CancellationToken;
use lanner_testkit::eventually_async;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    pipeline::{DEADLINE, Daemon, Outcomes, alert, publish_alert},
    stage::{Aim, NODE, Stage, delete, plan, said},
};

/// Stands between a responder and the API server, and makes its answers late.
struct SlowProxy {
    address: SocketAddr,
    delay_ms: Arc<AtomicU64>,
}

/// Longer than any test takes.
const NEVER_MS: u64 = 3_600_000;

impl SlowProxy {
    async fn start(upstream: String, delay_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let delay_ms = Arc::new(AtomicU64::new(delay_ms));
        let delay = delay_ms.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.unwrap();
                let (mut from_client, to_client) = client.into_split();
                let (from_server, mut to_server) = server.into_split();
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                });
                tokio::spawn(answer_late(from_server, to_client, delay.clone()));
            }
        });
        Self { address, delay_ms }
    }

    /// A kubeconfig that leads here instead.
    fn kubeconfig(&self, stage: &Stage, dir: &std::path::Path) -> PathBuf {
        let text = stage.api.kubeconfig();
        let port = stage.api.url();
        let text = text.replace(&port, &format!("https://{}", self.address));
        let path = dir.join("kubeconfig");
        fs::write(&path, text).unwrap();
        path
    }
}

async fn answer_late(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    delay_ms: Arc<AtomicU64>,
) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        sleep(Duration::from_millis(delay_ms.load(Ordering::Relaxed))).await;
        if to.write_all(&bytes[..len]).await.is_err() {
            return;
        }
    }
}

/// Deletes of pods that the API server was asked for and did not refuse. Those of
/// a dry run count too: their plans have none, being a single delete.
fn pod_deletes(stage: &Stage) -> u64 {
    let metrics = stage.api.kubectl(&["get", "--raw", "/metrics"]).unwrap();
    let of_pods = |line: &&str| {
        line.starts_with("apiserver_request_total{")
            && ["verb=\"DELETE\"", "resource=\"pods\"", "code=\"200\""]
                .iter()
                .all(|label| line.contains(label))
    };
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    metrics.lines().filter(of_pods).map(count).sum()
}

async fn record_when(
    stage: &Stage,
    id: PlanId,
    what: &str,
    holds: impl Fn(&PlanRecord) -> bool,
) -> PlanRecord {
    eventually_async(what, DEADLINE, async || {
        let stored = stage.plans.get(id).await.unwrap()?;
        holds(&stored.record).then_some(stored.record)
    })
    .await
}

fn plan_of(alert: &lanner_alert::Alert) -> PlanId {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../playbooks");
    let (playbooks, _) = lanner_responder::playbook::Playbooks::load(&[folder]);
    let playbook = playbooks.get("delete-shell-pod").unwrap();
    PlanId::of(alert.id, "delete-shell-pod", &playbook.version)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_plan_is_stored_and_before_it_ran() {
    let stage = Stage::start().await;
    let mut outcomes = Outcomes::listen(&stage.bus).await;
    let uid = stage.pod("shop", "cart", NODE).await;
    let dir = tempfile::tempdir().unwrap();
    let upstream = stage.api.url().replace("https://", "");
    let proxy = SlowProxy::start(upstream, NEVER_MS).await;
    let kubeconfig = proxy.kubeconfig(&stage, dir.path());

    let mut first = Daemon::start(&stage.bus, &kubeconfig, "mode: enforce");
    let alert = alert("cart", &uid);
    let id = plan_of(&alert);
    publish_alert(&stage.bus, &alert).await;
    let stored = record_when(&stage, id, "the plan is stored", |_| true).await;
    first.process.kill();
    assert!(stored.steps.iter().all(|step| step.state == StepState::Pending));
    assert_eq!(pod_deletes(&stage), 0);
    assert_eq!(stage.living("shop", "cart").await, Some(uid));

    let second = Daemon::start(&stage.bus, stage.api.kubeconfig_path(), "mode: enforce");
    let (_, outcome) = outcomes.next().await;
    assert_eq!((outcome.plan, outcome.status), (Some(id), Status::Executed));
    assert_eq!(pod_deletes(&stage), 1);
    assert_eq!(stage.living("shop", "cart").await, None);
    let record = record_when(&stage, id, "the plan is finished", PlanRecord::is_finished).await;
    assert_ne!(record.owner, stored.owner);
    assert!(second.log().contains("takes a plan over"), "{}", second.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_delete_is_under_way() {
    let stage = Stage::start().await;
    let mut outcomes = Outcomes::listen(&stage.bus).await;
    let uid = stage.pod("shop", "cart", NODE).await;
    let dir = tempfile::tempdir().unwrap();
    let upstream = stage.api.url().replace("https://", "");
    // Late enough to see the record between the request and its answer.
    let proxy = SlowProxy::start(upstream, 300).await;
    let kubeconfig = proxy.kubeconfig(&stage, dir.path());

    let mut first = Daemon::start(&stage.bus, &kubeconfig, "mode: enforce");
    let alert = alert("cart", &uid);
    let id = plan_of(&alert);
    publish_alert(&stage.bus, &alert).await;
    record_when(&stage, id, "the step is begun", |record| {
        record.steps[0].state == StepState::Started
    })
    .await;
    // The request goes through, its answer never arrives.
    proxy.delay_ms.store(NEVER_MS, Ordering::Relaxed);
    eventually_async("the pod is deleted", DEADLINE, async || {
        stage.living("shop", "cart").await.is_none().then_some(())
    })
    .await;
    first.process.kill();
    let record = stage.plans.get(id).await.unwrap().unwrap().record;
    assert_eq!(record.steps[0].state, StepState::Started, "it died between deed and record");

    let _second = Daemon::start(&stage.bus, stage.api.kubeconfig_path(), "mode: enforce");
    let (_, outcome) = outcomes.next().await;
    assert_eq!((outcome.plan, outcome.status), (Some(id), Status::Executed));
    let note = outcome.steps[0].record.note.as_deref();
    assert_eq!(note, Some("found done by the replica before this one"));
    assert_eq!(pod_deletes(&stage), 1);
}

/// Somebody pulled the brake after the plan was made.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_to_enforce_is_only_observed_where_the_mode_is_observe() {
    let stage = Stage::start().await;
    let uid = stage.pod("shop", "cart", NODE).await;
    let observing = stage.another_executor(Mode::Observe).await;
    let finished = async |record: PlanRecord| {
        stage.plans.create(&record).await.unwrap();
        let stored = stage.plans.get(record.plan.id).await.unwrap().unwrap();
        observing.finish(stored, "test").await.unwrap();
        said(&stage.plans.get(record.plan.id).await.unwrap().unwrap().record)
    };
    let record =
        || PlanRecord::new(plan("shop", "cart", Some(&uid), vec![delete()]), "test".to_owned());
    assert_eq!(finished(record()).await, "observed: all checks passed; the mode is observe");

    let mut begun = record();
    begun.pod_uid = Some(uid.clone());
    begun.steps[0].state = StepState::Started;
    assert_eq!(finished(begun).await, "failed: stopped half way: the mode is observe now");
    assert_eq!(stage.living("shop", "cart").await, Some(uid));
}

/// More plans than are carried out at a time, and nothing to remind of the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_ends_makes_room_for_the_next() {
    const PLANS: usize = 40;
    let stage = Stage::start().await;
    for _ in 0..PLANS {
        let tell = Action::Notify { channel: "secops".to_owned(), text: "x".to_owned() };
        let plan = plan("shop", "none", None, vec![(tell, Aim::Nothing)]);
        stage.plans.create(&PlanRecord::new(plan, "test".to_owned())).await.unwrap();
    }
    let lease = Duration::from_secs(3600);
    let (executor, tally) = (stage.another_executor(Mode::Enforce).await, Arc::<Tally>::default());
    let worker =
        Worker::new(stage.plans.clone(), executor, "test".to_owned(), lease, tally.clone());
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    eventually_async("every plan is carried out", DEADLINE, async || {
        (tally.concluded.get() == PLANS as u64).then_some(())
    })
    .await;
    stop.cancel();
    working.await.unwrap();
}

/// The server's clock goes on while we cannot reach it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_lost_in_time_when_the_bus_is_away() {
    let mut stage = Stage::start().await;
    let ttl = Duration::from_secs(3);
    let id = plan("shop", "none", None, Vec::new()).id;
    let asked = Instant::now();
    let mut lease = stage.plans.lease(id, "test", ttl).await.unwrap().unwrap();
    stage.bus.server.kill();
    tokio::time::timeout(DEADLINE, lease.keep()).await.expect("it is given up");
    assert!(asked.elapsed() < ttl + Duration::from_secs(1), "after {:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_the_work_and_do_nothing_twice() {
    const ALERTS: usize = 20;
    let stage = Stage::start().await;
    let mut outcomes = Outcomes::listen(&stage.bus).await;
    let kubeconfig = stage.api.kubeconfig_path();
    let _replicas = [(); 2].map(|()| Daemon::start(&stage.bus, kubeconfig, "mode: enforce"));
    let mut alerts = Vec::new();
    for index in 0..ALERTS {
        let name = format!("cart-{index}");
        alerts.push(alert(&name, &stage.pod("shop", &name, NODE).await));
    }
    for alert in &alerts {
        publish_alert(&stage.bus, alert).await;
    }
    let mut told = BTreeSet::new();
    for _ in 0..ALERTS {
        let (_, outcome) = outcomes.next().await;
        assert_eq!((outcome.status, outcome.reason), (Status::Executed, None));
        told.insert(outcome.alert.unwrap());
    }
    assert_eq!(told, alerts.iter().map(|alert| alert.id).collect());
    assert_eq!(pod_deletes(&stage), ALERTS as u64);
}

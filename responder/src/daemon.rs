//! `lanner-responder`: the parts put together.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use lanner_alert::Mode;
use lanner_bus::{Connection, Consumer, Publisher};
use lanner_service::{CancellationToken, Daemon, Finding, NoFlags};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::{
    action::Cluster,
    config::{Config, FinalVerbs},
    executor::{Executor, Patience},
    fleet::FleetWatch,
    guard::Guard,
    intake::Intake,
    outcomes::Outcomes,
    plan_store::PlanStore,
    playbook::{Playbooks, Problem},
    tally::Tally,
    worker::Worker,
};

const STORE_RETRY: Duration = Duration::from_secs(2);
const TALLY_EVERY: Duration = Duration::from_secs(60);
const DOCTOR_WAIT_MAX: Duration = Duration::from_secs(5);

/// The responder as a daemon.
pub struct Responder;

impl Daemon for Responder {
    const NAME: &'static str = "lanner-responder";
    const ABOUT: &'static str = "Answers alerts with playbooks that act on Kubernetes";
    const CONFIG_FILE: &'static str = "/etc/lanner/responder.yaml";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    type Config = Config;
    type Flags = NoFlags;

    fn check(config: &Config) -> anyhow::Result<()> {
        config.check()?;
        let (_, problems) = Playbooks::load(&config.playbooks);
        anyhow::ensure!(problems.is_empty(), "{}", lines(&problems));
        Ok(())
    }

    /// One bad playbook is told and left out; the others answer.
    fn check_to_run(config: &Config) -> anyhow::Result<()> {
        config.check()
    }

    async fn doctor(config: &Config) -> Vec<Finding> {
        let mut findings = playbook_findings(config);
        findings.push(bus_finding(config).await);
        findings.push(cluster_finding(config).await);
        findings
    }

    async fn run(config: Config, _: NoFlags, stop: CancellationToken) -> anyhow::Result<()> {
        let cluster = Cluster::connect(config.kubeconfig.as_deref())
            .await
            .context("cannot set up the connection to the Kubernetes API")?;
        let (playbooks, problems) = Playbooks::load(&config.playbooks);
        for problem in &problems {
            warn!(%problem, "playbook left out");
        }
        tell_what_is_enabled(&config, &playbooks);
        tell_of_cluster(&cluster).await;

        let connection = Connection::open(&config.bus).await?;
        let Some(plans) = open_plans(&connection, &stop).await else { return Ok(()) };
        let owner = owner();
        let outcomes = || {
            let publisher = Publisher::new(connection.clone());
            Outcomes::new(publisher, config.subject_root.clone(), owner.clone())
        };
        let tally = Arc::new(Tally::default());
        let guard = guard(&config, &cluster);
        let patience = Patience::default();
        let executor = Executor::new(
            plans.clone(),
            cluster.clone(),
            guard.clone(),
            config.mode,
            outcomes(),
            patience,
        );
        let lease = config.lease.unsigned_abs();
        let worker = Worker::new(plans.clone(), executor, owner.clone(), lease, tally.clone());
        let intake = Arc::new(Intake {
            root: config.subject_root.clone(),
            cluster: config.cluster.clone(),
            ceiling: config.mode,
            alert_age_max: config.alert_age_max,
            pods: cluster,
            guard,
            outcomes: outcomes(),
            owner,
            playbooks,
            plans,
            tally: tally.clone(),
        });
        let watch = FleetWatch::new(
            connection.clone(),
            config.subject_root.clone(),
            config.cluster.clone(),
        );
        tokio::join!(
            watch.run(stop.clone()),
            worker.run(stop.clone()),
            take_in(intake, connection.alerts_and(&config.restricted_tags), stop.clone()),
            tell_tally(&tally, &stop),
        );
        info!(%tally, "done");
        Ok(())
    }
}

async fn take_in(intake: Arc<Intake>, mut alerts: Consumer, stop: CancellationToken) {
    loop {
        let delivery = tokio::select! {
            delivery = alerts.next() => delivery,
            () = stop.cancelled() => return,
        };
        intake.take(&delivery).await;
    }
}

/// Waits for the buckets: the server may be away, or not set up yet.
async fn open_plans(connection: &Connection, stop: &CancellationToken) -> Option<PlanStore> {
    loop {
        match PlanStore::open(connection).await {
            Ok(plans) => return Some(plans),
            Err(error) => {
                warn!(error = %lanner_service::Chain(&error), "plans cannot be opened, tries again");
            }
        }
        tokio::select! {
            () = sleep(STORE_RETRY) => {}
            () = stop.cancelled() => return None,
        }
    }
}

async fn tell_tally(tally: &Tally, stop: &CancellationToken) {
    let mut told = tally.to_string();
    loop {
        tokio::select! {
            () = sleep(TALLY_EVERY) => {}
            () = stop.cancelled() => return,
        }
        let now = tally.to_string();
        if now != told {
            info!(tally = now, "so far");
            told = now;
        }
    }
}

fn guard(config: &Config, cluster: &Cluster) -> Guard {
    let own = cluster.own_namespace().map(str::to_owned);
    Guard::new(config.protected_namespaces.iter().cloned().chain(own))
        .allowing_final_verbs_to_gateways(config.gateways.final_verbs == FinalVerbs::Allow)
}

/// Names this process: the pod or host, and which process there.
fn owner() -> String {
    let host = hostname::get().map(|name| name.to_string_lossy().into_owned());
    format!("{}-{}", host.unwrap_or_default(), std::process::id())
}

fn tell_what_is_enabled(config: &Config, playbooks: &Playbooks) {
    info!(
        mode = %config.mode,
        cluster = config.cluster.as_deref().unwrap_or("-"),
        subject_root = config.subject_root.as_str(),
        alert_age_max = %format!("{:#}", config.alert_age_max),
        protected = config.protected_namespaces.join(","),
        "settings"
    );
    for playbook in playbooks.iter() {
        let mode: Mode = playbook.head.mode.min(config.mode);
        info!(
            playbook = playbook.head.name,
            file = playbook.file,
            version = playbook.version,
            owner = playbook.head.owner,
            %mode,
            "playbook"
        );
    }
    if playbooks.iter().next().is_none() {
        warn!("no playbook: nothing is responded to");
    }
}

async fn tell_of_cluster(cluster: &Cluster) {
    match timeout(DOCTOR_WAIT_MAX, cluster.version()).await {
        Ok(Ok(version)) => info!(version, "the kubernetes api answers"),
        Ok(Err(error)) => warn!(%error, "the kubernetes api does not answer yet, goes on"),
        Err(_) => warn!("the kubernetes api does not answer yet, goes on"),
    }
}

fn playbook_findings(config: &Config) -> Vec<Finding> {
    let (playbooks, problems) = Playbooks::load(&config.playbooks);
    let good = playbooks.iter().map(|playbook| {
        Finding::good(format!("playbook {} ({})", playbook.head.name, playbook.file))
    });
    let bad = problems.iter().map(|problem| {
        Finding::missing(format!("playbook file {}", problem.file), problem.to_string())
    });
    good.chain(bad).collect()
}

async fn bus_finding(config: &Config) -> Finding {
    let subject = format!("bus {}", config.bus.servers.join(", "));
    let opened = timeout(DOCTOR_WAIT_MAX, async {
        let connection = Connection::connect(&config.bus).await?;
        PlanStore::open(&connection).await?;
        anyhow::Ok(())
    });
    match opened.await {
        Ok(Ok(())) => Finding::good(subject),
        Ok(Err(error)) => Finding::fatal(subject, format!("{error:#}")),
        Err(_) => Finding::fatal(subject, "no answer; is the address right?"),
    }
}

async fn cluster_finding(config: &Config) -> Finding {
    let subject = match &config.kubeconfig {
        Some(path) => format!("kubernetes api by {}", path.display()),
        None => "kubernetes api of this pod".to_owned(),
    };
    let cluster = match Cluster::connect(config.kubeconfig.as_deref()).await {
        Ok(cluster) => cluster,
        Err(error) => return Finding::fatal(subject, format!("{error:#}")),
    };
    match timeout(DOCTOR_WAIT_MAX, cluster.version()).await {
        Ok(Ok(_)) => Finding::good(subject),
        Ok(Err(error)) => Finding::fatal(subject, error.to_string()),
        Err(_) => Finding::fatal(subject, "no answer"),
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

//! The sensor as a daemon: puts source, pipeline and outputs together.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use lanner_alert::Priority;
use lanner_engine::{RuleSet, Scratch, projection::Family};
use lanner_service::{CancellationToken, Chain, Daemon, Finding};
use serde_json::Value as Json;
use tokio::{sync::mpsc, task::JoinHandle};
use tracing::{error, info, warn};

use crate::{
    alerts::AlertMaker,
    config::{Config, FailedExec},
    decode::Call,
    doctor,
    enrich::{
        Node,
        container::Groups,
        metadata::Containers,
        own::Own,
        procfs::Procfs,
        runtimes::{self, Socket},
    },
    event::CONTAINER_EVENT,
    features::{self, Feature},
    message_needs::MessageNeeds,
    output::{AlertSender, LossAlert, Outputs, StatusSender},
    pipeline::{
        Common, EARLY_MAX, Fields, HELD_MAX, LossCounts, Metrics, Pipeline, Recorder, STATUS_EVERY,
        Upkeep, tell_rules,
    },
    reload::{Reloader, Stamps},
    repetition::Repetition,
    rules::{self, LiveRules},
    source::{
        ebpf::{self, LoadError, LoadOptions, Loaded},
        replay,
    },
};

/// Questions to the runtimes, and their answers.
const LOOK_UPS_MAX: usize = 1024;

/// Flags of `run`.
#[derive(Debug, Default, clap::Args)]
pub struct Flags {
    /// Evaluate the recorded events of this file (gzip is understood, `-` is standard input)
    /// and end, without eBPF
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,

    /// Write every event that is evaluated to this file
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
}

/// `lanner-sensor`.
pub struct Sensor;

impl Daemon for Sensor {
    const NAME: &'static str = "lanner-sensor";
    const ABOUT: &'static str = "Kernel events in, alerts out";
    const CONFIG_FILE: &'static str = "/etc/lanner/sensor.yaml";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    type Config = Config;
    type Flags = Flags;

    fn check(config: &Config) -> anyhow::Result<()> {
        config.check()?;
        let (_, diagnostics) = rules::read(&config.rule_files()?, &config.rule_options())?;
        let errors = rules::count_errors(&diagnostics);
        anyhow::ensure!(
            errors == 0,
            "{errors} errors in the rules\n{}",
            diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        );
        Ok(())
    }

    /// One bad rule is told and left out; the others are evaluated.
    fn check_to_run(config: &Config) -> anyhow::Result<()> {
        config.check()
    }

    async fn doctor(config: &Config) -> Vec<Finding> {
        doctor::examine(config).await
    }

    fn loaded_from(config: &mut Config, path: &Path) {
        config.path = Some(path.to_owned());
    }

    async fn run(config: Config, flags: Flags, stop: CancellationToken) -> anyhow::Result<()> {
        let stamps = Stamps::of(&config);
        // The kernel takes its time to check the programs: the rules are read meanwhile.
        let events = match flags.replay.clone() {
            Some(recording) => Events::Recorded(recording),
            None => Events::Live(load_programs(&config)),
        };
        let rules = read_rules(&config)?;
        let maker = AlertMaker::new(&config.node(), config.cluster.as_deref());
        let outputs = Outputs::start(&config.outputs, loss_alert(maker.clone()));
        for (output, _) in outputs.sender().drops() {
            info!(output, "output enabled");
        }
        match events {
            Events::Recorded(recording) => {
                tell_rules(outputs.status(), &rules);
                let alerts = outputs.sender().clone();
                let replay = move || replay_file(&recording, &rules, &maker, &alerts);
                let ended = tokio::task::spawn_blocking(replay).await;
                outputs.finish().await;
                ended?
            }
            Events::Live(loading) => {
                let daemon = Watcher {
                    loading,
                    config,
                    stamps,
                    rules: LiveRules::new(rules),
                    maker,
                    alerts: outputs.sender().clone(),
                    status: outputs.status().clone(),
                };
                let ended = daemon.run(flags, stop).await;
                outputs.finish().await;
                ended
            }
        }
    }
}

/// Where events come from.
enum Events {
    Recorded(PathBuf),
    Live(Loading),
}

/// The kernel's programs, on their way.
type Loading = JoinHandle<Result<Loaded, LoadError>>;

fn load_programs(config: &Config) -> Loading {
    let options = LoadOptions { rings: config.pipeline.partitions, ..config.ebpf.load_options() };
    tokio::task::spawn_blocking(move || ebpf::load(&options))
}

/// Reads the rules and says what is in them.
fn read_rules(config: &Config) -> anyhow::Result<RuleSet> {
    let files = config.rule_files()?;
    let (set, diagnostics) = rules::read(&files, &config.rule_options())?;
    for diagnostic in &diagnostics {
        warn!("{diagnostic}");
    }
    let enabled = set.rules().filter(|rule| rule.enabled).count();
    info!(
        files = files.len(),
        rules = set.rules().count(),
        enabled,
        errors = rules::count_errors(&diagnostics),
        "rules loaded"
    );
    Ok(set)
}

fn loss_alert(maker: AlertMaker) -> LossAlert {
    Box::new(move |message| {
        maker.own("Lanner lost alerts", Priority::Critical, message, Timestamp::now())
    })
}

/// Every alert is given out, however many are alike: whoever replays wants to see them.
fn replay_file(
    recording: &Path,
    rules: &RuleSet,
    maker: &AlertMaker,
    outputs: &AlertSender,
) -> anyhow::Result<()> {
    let (mut events, mut alerts) = (0_u64, 0_u64);
    let mut scratch = Scratch::default();
    let read = replay::read(recording, |replayed| {
        events += 1;
        let about = || (replay::entity(&replayed), false);
        for alert in maker.alerts(rules, &mut scratch, &replayed, about) {
            alerts += 1;
            outputs.send_patiently(&Arc::new(alert));
        }
    });
    let spent = read?;
    let each_ns = |spent: Duration| spent.as_nanos() / u128::from(events.max(1));
    info!(
        events,
        alerts,
        parse_ns_per_event = each_ns(spent.parse),
        evaluate_ns_per_event = each_ns(spent.evaluate),
        "replay finished"
    );
    Ok(())
}

/// The daemon on the kernel.
struct Watcher {
    loading: Loading,
    config: Config,
    stamps: Stamps,
    rules: LiveRules,
    maker: AlertMaker,
    alerts: AlertSender,
    status: StatusSender,
}

impl Watcher {
    async fn run(self, flags: Flags, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { loading, config, stamps, rules, maker, alerts, status } = self;
        let losses = Arc::<LossCounts>::default();
        let record = |path: &Path| Recorder::create(path, Arc::clone(&losses));
        let recorder = flags.record.as_deref().map(record).transpose()?;
        let node_name = config.node();
        let mut loaded = loading
            .await
            .context("the programs' loader has failed")?
            .context("no kernel events (`lanner-sensor doctor` says what is missing)")?;
        info!(
            hooks = loaded.hooks(),
            programs = loaded.program_set(),
            calls = loaded.delivered().count(),
            sees_compat_calls = loaded.sees_compat_calls(),
            "kernel programs attached"
        );
        for (handler, error) in loaded.missing() {
            warn!(handler = handler.name, %error, "the kernel refuses a program; its calls are not seen");
        }
        if let Some(error) = loaded.misses_queued_calls() {
            warn!(%error, "calls made through io_uring are not seen");
        }

        for Feature { name, need, lack } in features::lacking(&config) {
            warn!(feature = name, needs = need.name(), "{lack}");
        }
        let sockets = config.runtimes.sockets();
        list_runtimes(&sockets);
        let (requests, asked) = mpsc::channel(LOOK_UPS_MAX);
        let (answers, answered) = mpsc::channel(LOOK_UPS_MAX);
        let containers = Containers::new((!sockets.is_empty()).then_some(requests));
        let mut node = Node::new(&node_name, Procfs::default(), containers);
        let reading = Groups { nested_kubernetes: config.runtimes.nested_kubernetes };
        node.read_groups(reading);
        node.leave_out(Own::find(reading));
        let node = Arc::new(node);
        let processes = node.add_running().unwrap_or_else(|error| {
            warn!(%error, "cannot read /proc; older processes stay unknown");
            0
        });

        if let Some(places) = loaded.take_places() {
            node.watch_cgroups(move |id, side| places.tell(id, side));
        }

        let repetition = Arc::new(Mutex::new(Repetition::new(config.repetition.limit())));
        let common = Common {
            node,
            maker: maker.clone(),
            rules: rules.watch(),
            alerts: alerts.clone(),
            recorder,
            losses,
            repetition: Arc::clone(&repetition),
            early_max: EARLY_MAX,
            held_max: HELD_MAX,
            matches: Mutex::default(),
        };
        let sources = loaded.take_sources();
        let loaded = Arc::new(Mutex::new(loaded));
        let mut rules = rules;
        let failed_exec = config.ebpf.failed_exec;
        rules.follow(traced_calls(
            Arc::clone(&loaded),
            config.ebpf.kernel_filter,
            flags.record.is_some(),
            failed_exec,
        ));
        let named = Arc::clone(&common.node);
        rules.follow(move |rules| named.host_names.want(rules.host_names()));
        let pipeline = Pipeline::start(common, sources, &stop).context("cannot start a thread")?;
        info!(node = node_name, processes, "watching");
        let follower = tokio::spawn(runtimes::run(sockets, asked, answers, stop.clone()));
        let mut metrics = Metrics::new(&config.metrics);
        metrics.tell(status, STATUS_EVERY);
        metrics.add(pass_counts(Arc::clone(&loaded)));
        let reloader = Reloader { config, stamps, rules, repetition, maker, alerts };
        let reloading = tokio::spawn(reloader.run(stop.clone()));
        let recount = Box::new(move |losses: &LossCounts| {
            loaded.lock().unwrap_or_else(PoisonError::into_inner).recount(losses);
        });
        let reading = pipeline.run(answered, Upkeep { recount, metrics });
        let ended = until_one_ends(reading, reloading, &stop).await;
        follower.abort();
        ended
    }
}

/// Events are read and rules are reloaded until `stop`. If one of the two ends before, so does the
/// other: a sensor that takes over no change looks well and is not, and where the reload died half
/// way, the kernel may withhold already what the rules in use look for. A new start reads it all.
async fn until_one_ends(
    reading: impl Future<Output = io::Result<()>>,
    mut reloading: JoinHandle<anyhow::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let reading = async { reading.await.context("events are not read any more") };
    tokio::pin!(reading);
    tokio::select! {
        ended = &mut reading => {
            reloading.abort();
            ended
        }
        ended = &mut reloading => {
            stop.cancel();
            reading.await?;
            ended.context("the reload of rules died")?.context("rules are not reloaded any more")
        }
    }
}

/// Has the kernel report the calls that rules want, and of these what some rule may match; for a
/// recording, all.
fn traced_calls(
    loaded: Arc<Mutex<Loaded>>,
    has_filter: bool,
    is_recording: bool,
    failed_exec: FailedExec,
) -> impl FnMut(&RuleSet) + Send + 'static {
    move |rules: &RuleSet| {
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        // Programs that were started are told without their system call.
        let is_exec = |call: &Call| matches!(call, Call::Execve | Call::Execveat);
        let wants_failed_exec =
            failed_exec != FailedExec::Never && (is_recording || rules.wants_failed_exec());
        let is_wanted = |call: &Call| match is_exec(call) {
            true => wants_failed_exec,
            false => is_recording || rules.wants(call.name()),
        };
        let calls: BTreeSet<Call> = loaded.delivered().filter(is_wanted).collect();
        let is_reported = |name: &str| {
            // Programs that start are always reported, and containers are no call.
            [Call::Execve.name(), Call::Execveat.name(), CONTAINER_EVENT].contains(&name)
                || loaded.delivered().any(|call| call.name() == name)
        };
        for (rule, event_types) in rules::blind(rules, is_reported) {
            let event_types = event_types.join(", ");
            warn!(rule, event_types, "a rule never fires: none of its events is reported here");
        }
        let messages = match is_recording {
            true => MessageNeeds::default(),
            false => MessageNeeds::of(&rules.projection("syscall"), rules.fields()),
        };
        // Before the calls are seen: else all that happens in between would be reported.
        let filter = loaded.filter();
        let filtered = match has_filter && !is_recording {
            true => filter.install(&rules.projection("syscall")),
            false => filter.remove().map(|()| 0),
        };
        match filtered {
            Ok(0) => {}
            Ok(left_out) => warn!(left_out, "the kernel has no room for some tests of the rules"),
            Err(error) => {
                warn!(error = %Chain(&error), "the kernel does not filter; every event is reported");
            }
        }
        if let Err(error) = loaded.want(&calls).and_then(|()| loaded.want_messages(messages)) {
            error!(error = %Chain(&error), "cannot change which system calls are seen");
        }
        // Loading, reading rules and building the filter took much more than what is kept.
        ebpf::give_back();
    }
}

/// What the kernel tested and what it reported, by the type of the events; and what share that is, by
/// their family.
fn pass_counts(loaded: Arc<Mutex<Loaded>>) -> impl Fn(&mut Fields) + Send + 'static {
    move |fields| {
        let counts = loaded.lock().unwrap_or_else(PoisonError::into_inner).filter().pass_counts();
        let mut add = |of: &str, what: &str, value: Json| {
            fields.insert(format!("lanner.kernel_filter.{of}.{what}"), value)
        };
        for count in &counts {
            add(count.event_type, "seen", count.seen.into());
            add(count.event_type, "passed", count.passed.into());
        }
        for family in Family::ALL {
            let of_family =
                || counts.iter().filter(move |count| Family::of(count.event_type) == Some(family));
            let seen: u64 = of_family().map(|count| count.seen).sum();
            if seen > 0 {
                let passed: u64 = of_family().map(|count| count.passed).sum();
                let per_mille = u128::from(passed) * 1000 / u128::from(seen);
                let percent = f64::from(u32::try_from(per_mille).unwrap_or(u32::MAX)) / 10.0;
                add(&family.as_str().replace(' ', "_"), "pass_percent", percent.into());
            }
        }
    }
}

/// Says which runtimes are there. The others may come later.
fn list_runtimes(sockets: &[Socket]) {
    for socket in sockets.iter().filter(|socket| !socket.path.exists()) {
        info!(socket = %socket.path.display(), "no container runtime at this socket");
    }
}

#[cfg(test)]
mod tests {
    use std::{future, io};

    use lanner_service::{CancellationToken, Chain};

    use super::until_one_ends;

    /// How the sensor ends when its reload ends in this way, and nobody stopped it.
    async fn end(
        reloading: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let reading = async move {
            stopped.cancelled().await;
            Ok(())
        };
        until_one_ends(reading, tokio::spawn(reloading), &stop).await
    }

    #[tokio::test]
    async fn no_sensor_goes_on_without_its_reload() {
        let error = end(async { anyhow::bail!("cannot listen") }).await.unwrap_err();
        let text = Chain(error.as_ref()).to_string();
        assert_eq!(text, "rules are not reloaded any more: cannot listen");
        let error = end(async { panic!("a rule that nobody thought of") }).await.unwrap_err();
        assert!(Chain(error.as_ref()).to_string().starts_with("the reload of rules died: "));
        // As it does when it is told to stop.
        end(async { Ok(()) }).await.unwrap();
    }

    #[tokio::test]
    async fn the_end_of_the_events_ends_the_reload() {
        let reading = future::ready(Err(io::Error::other("gone")));
        let forever = tokio::spawn(future::pending());
        let error = until_one_ends(reading, forever, &CancellationToken::new()).await.unwrap_err();
        assert_eq!(Chain(error.as_ref()).to_string(), "events are not read any more: gone");
    }
}

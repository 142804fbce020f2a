//! Watches one workload with the kernel's filter and without.

#[path = "in_order.rs"]
mod in_order;

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use lanner_engine::{
    Event as _, Field, Options, RuleSet, SourceFile, Value,
    projection::{Family, Projection, ShownFacts},
};
use lanner_sensor::{
    decode::Facts,
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
    event::{Happening, SyscallEvent},
    message_needs::MessageNeeds,
    source::{
        Wake,
        ebpf::{self, LoadOptions, Loaded, ProgramSet, SyscallHooks},
    },
};

use self::in_order::{InOrder, lost};

const EVENTS_A_TURN: usize = 512;

const DEADLINE: Duration = Duration::from_secs(60);

/// Tells the workload's processes from all others.
const MARK: &str = "LANNER_FILTER_TEST";

/// Tells of the workload's end, whatever the other rules.
const ENDED: &str = "- rule: ended\n  desc: x\n  condition: evt.type in (open, openat) and \
                     fd.name endswith /the-end and proc.name=cat\n  output: x\n  priority: INFO\n";

const END: &str = "cat the-end";

pub(crate) fn loaded(mut files: Vec<SourceFile>) -> RuleSet {
    files.push(SourceFile { name: "ended".to_owned(), text: ENDED.to_owned() });
    let (rules, diagnostics) = lanner_engine::load(&files, &Options::default());
    assert!(
        diagnostics.iter().all(|found| found.severity != lanner_engine::Severity::Error),
        "{diagnostics:?}"
    );
    rules
}

fn run(script: &str, at: &Path) {
    let script = script.replace('@', at.to_str().unwrap());
    Command::new("bash")
        .args(["-c", &script])
        .current_dir(at)
        .env(MARK, at)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
}

/// One way to watch, with what came of it.
pub(crate) struct Side {
    reported: InOrder,
    wake: Wake,
    enricher: Enricher,
    loaded: Loaded,
    /// What matched, and how often: rule, process, call, name and result.
    pub(crate) alerts: BTreeMap<String, u32>,
    /// The workload's events that were reported, and how often.
    events: BTreeMap<String, u32>,
    /// Those of them that the projection lets out.
    admitted: HashSet<String>,
    /// Checks of the rules for which the kernel has no room.
    left_out: u32,
    /// Ids of the workload's processes.
    ours: HashSet<u32>,
    has_ended: bool,
}

impl Side {
    fn start(programs: ProgramSet, hooks: SyscallHooks, rules: &RuleSet) -> Self {
        // Without the filter, all that the machine opens meanwhile has to find room.
        let options =
            LoadOptions { programs, hooks, ring_bytes: 64 << 20, ..LoadOptions::default() };
        let mut loaded = ebpf::load(&options)
            .unwrap_or_else(|error| panic!("{}", lanner_service::Chain(&error)));
        assert!(loaded.missing().is_empty(), "{:?}", loaded.missing());
        let needs = MessageNeeds::of(&rules.projection("syscall"), rules.fields());
        loaded.want_messages(needs).unwrap();
        let node = Arc::new(Node::new("here", Procfs::default(), Containers::new(None)));
        let places = loaded.take_places().unwrap();
        node.watch_cgroups(move |id, side| places.tell(id, side));
        node.add_running().unwrap();
        Self {
            reported: InOrder::new(loaded.take_sources()),
            wake: Wake::new().unwrap(),
            enricher: Enricher::new(node),
            loaded,
            alerts: BTreeMap::new(),
            events: BTreeMap::new(),
            admitted: HashSet::new(),
            left_out: 0,
            ours: HashSet::new(),
            has_ended: false,
        }
    }

    /// Takes what is there; `mark` is what the workload's environment holds.
    fn take_all(&mut self, rules: &RuleSet, projection: &Projection, mark: &str) {
        let Self { reported, wake, enricher, alerts, events, admitted, has_ended, ours, .. } = self;
        let passed_ns = reported.read_all();
        // The other side wants its turn.
        for _ in 0..EVENTS_A_TURN {
            let Some(event) = reported.next_until(passed_ns) else { break };
            // Of the rest of the machine only what makes processes is of interest.
            let (tgid, parent) = (event.head.tgid, event.head.ppid);
            let is_exec = matches!(event.facts, Facts::Exec(_));
            match event.facts {
                Facts::Fork(_) if ours.contains(&parent) => {
                    ours.insert(tgid);
                }
                Facts::Fork(_) | Facts::Exec(_) => {}
                _ if !ours.contains(&tgid) => continue,
                _ => {}
            }
            let Some(event) = enricher.take(event, |_| true) else { continue };
            let is_marked = event.get(Field::ProcEnv, Some(MARK)).is_some_and(
                |value| matches!(value, Value::Text(text) if *text == *mark.as_bytes()),
            );
            if is_exec && is_marked {
                ours.insert(tgid);
            }
            if !ours.contains(&tgid) {
                continue;
            }
            if !is_exec && Family::of(event.event_type()).is_some() {
                let shown = describe("", &event);
                if projection.admits(event.event_type(), &ShownFacts::new(&event)) {
                    admitted.insert(shown.clone());
                }
                *events.entry(shown).or_default() += 1;
            }
            for found in rules.evaluate("syscall", &event) {
                *has_ended |= found.rule.name == "ended";
                *alerts.entry(describe(&found.rule.name, &event)).or_default() += 1;
            }
        }
        for source in &mut reported.sources {
            source.wait(wake, Duration::from_millis(1)).unwrap();
        }
    }

    fn lost(&self) -> Option<String> {
        lost(&self.loaded)
    }
}

fn describe(rule: &str, event: &SyscallEvent) -> String {
    let show = |field| match event.get(field, None) {
        Some(Value::Text(text)) => text.escape_ascii().to_string(),
        other => format!("{other:?}"),
    };
    // Among those of a program are names of users, which in a container depend on when they are
    // looked up.
    let arguments = match event.happening {
        Happening::Exec(_) | Happening::ExecFailed { .. } => {
            event.get(Field::EvtArg, Some("filename")).map(|value| format!("{value:?}"))
        }
        _ => Some(show(Field::EvtArgs)),
    };
    format!(
        "{rule}: {} {} {} {} {} {} in {}",
        event.head.tgid,
        event.event_type(),
        show(Field::FdName),
        show(Field::FdNameraw),
        show(Field::EvtRawres),
        arguments.unwrap_or_default(),
        show(Field::ContainerId)
    )
}

static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Watches the workload both ways: without the filter and with it. `meanwhile` runs beside it, again
/// and again.
pub(crate) fn compare(
    at: &Path,
    rules: &RuleSet,
    (programs, hooks): (ProgramSet, SyscallHooks),
    script: &str,
    mut meanwhile: impl FnMut(&mut Loaded),
) -> (Side, Side) {
    // A machine that is watched eight times over is slow.
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let projection = rules.projection("syscall");
    let mut plain = Side::start(programs, hooks, rules);
    let mut filtered = Side::start(programs, hooks, rules);
    filtered.left_out = filtered.loaded.filter().install(&projection).unwrap();

    let (folder, mark) = (at.to_owned(), at.display().to_string());
    // From the first program on, both know that this control group is the host's.
    run("true", at);
    let until = Instant::now() + DEADLINE;
    while plain.ours.is_empty() || filtered.ours.is_empty() {
        assert!(Instant::now() < until, "no program was seen to start within {DEADLINE:?}");
        plain.take_all(rules, &projection, &mark);
        filtered.take_all(rules, &projection, &mark);
    }
    let script = format!("{script}\n{END}");
    let workload = std::thread::spawn(move || run(&script, &folder));
    let until = Instant::now() + DEADLINE;
    while !(plain.has_ended && filtered.has_ended) {
        assert!(
            Instant::now() < until,
            "the workload's end was not seen within {DEADLINE:?}: {} {}; {:?} {:?}",
            plain.has_ended,
            filtered.has_ended,
            plain.lost(),
            filtered.lost()
        );
        plain.take_all(rules, &projection, &mark);
        filtered.take_all(rules, &projection, &mark);
        meanwhile(&mut filtered.loaded);
    }
    workload.join().unwrap();
    // What is missing then is missing for another reason than the filter.
    assert_eq!((plain.lost(), filtered.lost()), (None, None), "without the filter, and with it");
    let missing: Vec<_> = plain
        .alerts
        .iter()
        .filter(|(alert, count)| filtered.alerts.get(*alert) != Some(count))
        .collect();
    let added: Vec<_> = filtered
        .alerts
        .iter()
        .filter(|(alert, count)| plain.alerts.get(*alert) != Some(count))
        .collect();
    assert!(
        missing.is_empty() && added.is_empty(),
        "{hooks:?} {programs:?}: the filter keeps away {missing:#?}, and only with it there is {added:#?}"
    );
    let passed: u64 = filtered.loaded.filter().pass_counts().iter().map(|count| count.passed).sum();
    let seen: u64 = filtered.loaded.filter().pass_counts().iter().map(|count| count.seen).sum();
    assert!(passed < seen, "nothing was kept away: {passed} of {seen}");
    assert!(filtered.reported.count < plain.reported.count);
    (plain, filtered)
}

/// The kernel lets out what the projection says, and nothing else.
#[track_caller]
pub(crate) fn assert_as_projected(plain: &Side, filtered: &Side) {
    let (mut withheld, mut let_out) = (Vec::new(), Vec::new());
    for (event, count) in &plain.events {
        match (plain.admitted.contains(event), filtered.events.get(event)) {
            (true, Some(found)) if found == count => {}
            // Of a socket's relative path the projection says nothing, and the kernel tests the text.
            (true, None) if event.contains(" connect sock") => {}
            (true, _) => withheld.push(event.as_str()),
            (false, Some(_)) if !is_unknown(event) && filtered.left_out == 0 => {
                let_out.push(event.as_str());
            }
            (false, _) => {}
        }
    }
    assert!(
        withheld.is_empty() && let_out.is_empty(),
        "against the projection the kernel keeps away {withheld:#?} and lets out {let_out:#?}"
    );
}

/// What the kernel does not know, and lets pass: which group is a container (nobody was started yet
/// in those that a shell goes through on its way into one), a long path, a command without a name, a
/// socket without a path, and paths of calls that go through directories, which may be links that
/// user space alone follows.
fn is_unknown(event: &str) -> bool {
    let has_path = ["path=", "filename=", "oldpath=", "linkpath="];
    !event.ends_with(" in host")
        || event.contains("/cgroup.procs ")
        || event.contains("yyyyyyyyyyyyyyyyyyyy")
        || event.contains("cmd=999")
        || event.contains(" unlinkat ")
        || event.contains(" connect @")
        || has_path.iter().any(|argument| event.contains(argument))
}

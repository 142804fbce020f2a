//! The kernel's filter keeps nothing away that a rule would have matched: one workload, watched
//! with the filter and without, gives the same alerts. Needs root and kernel BTF.

#[path = "support/kernel.rs"]
mod kernel;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use lanner_engine::{Event as _, Field, Options, RuleSet, SourceFile, Value};
use lanner_sensor::{
    decode::{Facts, decode},
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
    event::SyscallEvent,
    source::{
        Next, Records, Wake,
        ebpf::{self, LoadOptions, Loaded, ProgramSet, SyscallHooks},
    },
};

use crate::kernel::{can_watch, has_tracefs};

const DEADLINE: Duration = Duration::from_secs(60);

/// Tells the workload's processes from all others.
const MARK: &str = "LANNER_FILTER_TEST";

/// One rule for each kind of test that the kernel makes. `@` is the test's folder.
const CONDITIONS: &[(&str, &str)] = &[
    ("is", "fd.name=@/is"),
    ("directory", "fd.directory=@/sub"),
    ("name", "fd.filename=named"),
    ("prefix", "fd.name startswith @/pre"),
    (
        "short prefix and not",
        "fd.name startswith @ and fd.name endswith .keep and not fd.name startswith @/except",
    ),
    ("suffix", "fd.name endswith .a_long_suffix"),
    ("needle", "fd.name contains -needle-"),
    ("two patterns", "fd.name glob '@/*/deep/*'"),
    ("raw", "fd.nameraw contains '../' and fd.name startswith @"),
    ("written", "evt.is_open_write=true and fd.name startswith @"),
    ("created", "evt.is_open_create=true and fd.name startswith @"),
    ("truncated", "evt.arg.flags contains O_TRUNC and fd.name startswith @"),
    ("executable", "evt.is_open_exec=true and fd.name startswith @"),
    ("missing", "evt.res=ENOENT and fd.name startswith @"),
    ("failed", "evt.failed=true and fd.name startswith @"),
    ("process", "proc.name=head and fd.name startswith @"),
    ("other process", "fd.name=@/is and not proc.name in (cat, sh)"),
    ("host", "container.id=host and fd.name=@/is"),
    ("user", "user.uid=0 and fd.name=@/is"),
    ("no user", "user.uid!=0 and fd.name=@/is"),
    ("terminal", "proc.tty=0 and fd.name=@/is"),
    ("capability", "thread.cap_effective contains CAP_KILL and fd.name=@/is"),
    ("directory type", "fd.type=directory and fd.name startswith @"),
    ("file type", "fd.type=file and fd.name startswith @"),
];

const CALLS: &[(&str, &str)] = &[
    (
        "removed",
        "evt.type in (unlink, unlinkat) and (evt.arg.path startswith @/gone or evt.arg.name startswith @/gone)",
    ),
    ("renamed", "evt.type in (rename, renameat, renameat2) and evt.arg.newpath endswith /new_name"),
    ("linked to", "evt.type in (symlink, symlinkat) and evt.arg.target in (/etc/shadow, /etc)"),
    ("made", "evt.type in (mkdir, mkdirat) and evt.arg.path startswith @/made"),
    ("mode", "evt.type in (chmod, fchmod, fchmodat, fchmodat2) and evt.arg.mode contains S_ISUID"),
    ("connected", "evt.type=connect and fd.sport=9 and proc.name=bash"),
    ("ended", "evt.type in (open, openat) and fd.name=@/the-end"),
];

fn rules(folder: &Path) -> RuleSet {
    let folder = folder.to_str().unwrap();
    let opens = CONDITIONS.iter().map(|(name, condition)| {
        (*name, format!("evt.type in (open, openat, openat2, creat) and {condition}"))
    });
    let calls = CALLS.iter().map(|(name, condition)| (*name, (*condition).to_owned()));
    let text: String = opens
        .chain(calls)
        .map(|(name, condition)| {
            let condition = condition.replace('@', folder);
            format!(
                "- rule: {name}\n  desc: x\n  condition: >\n    {condition}\n  output: x\n  \
                 priority: INFO\n"
            )
        })
        .collect();
    let (rules, diagnostics) =
        lanner_engine::load(&[SourceFile { name: "rules".to_owned(), text }], &Options::default());
    assert!(
        diagnostics.iter().all(|found| found.severity != lanner_engine::Severity::Error),
        "{diagnostics:?}"
    );
    rules
}

/// Opens and the like of all sorts, in `@`.
const WORKLOAD: &str = r#"
cat is ./is sub/../is .//is @/is @//is @/./is @/sub/../is @/sub/./../is
cd sub; cat ../is ../sub/x ./x x ../../"$(basename @)"/is; cd ..
cat /proc/self/root@/is /proc/self/cwd/is
ln -sf is link; cat link @/link
ln -sfn @/sub folder; cat folder/x @/folder/x folder/../is
ln -f is hard; cat hard
cat named sub/named pre1 pre2/x keep.keep except.keep x.a_long_suffix in-needle-in
cat a/deep/b missing @/missing missing/../is nothing/../named
echo x > written; echo x >> written; : > truncated; (umask 0; cp /bin/true program)
head -c1 is; head -c1 named
ls . sub @/sub/ sub/ / >/dev/null; find . -name nothing
mkdir -p bound && mount --bind sub bound && cat bound/x bound/named; umount bound
mkdir made_1 @/made_2; rmdir made_1; touch gone_1 gone_2; rm gone_1 @/gone_2
touch old; mv old new_name; rm new_name
ln -sfn /etc/shadow shadow_link; ln -sfn /etc etc_link; ln -sfn /etc/hostname other_link
touch setuid; chmod u+s setuid; chmod 644 setuid
cat $'odd\nname' "$(printf 'x%.0s' $(seq 200))/$(printf 'y%.0s' $(seq 200))"
(exec 3<>/dev/tcp/127.0.0.1/9)
"#;

const END: &str = "cat the-end";

fn prepare(at: &Path) {
    for folder in ["sub", "pre2", "a/deep", "base"] {
        fs::create_dir_all(at.join(folder)).unwrap();
    }
    for file in [
        "is",
        "sub/x",
        "sub/named",
        "named",
        "pre1",
        "pre2/x",
        "keep.keep",
        "except.keep",
        "x.a_long_suffix",
        "in-needle-in",
        "a/deep/b",
        "the-end",
        "odd\nname",
        "truncated",
    ] {
        fs::write(at.join(file), "x").unwrap();
    }
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
struct Side {
    sources: Vec<Box<dyn Records>>,
    wake: Wake,
    enricher: Enricher,
    loaded: Loaded,
    /// What matched, and how often: rule, process, call, name and result.
    alerts: BTreeMap<String, u32>,
    records: u64,
    /// Ids of the workload's processes.
    ours: HashSet<u32>,
    has_ended: bool,
}

impl Side {
    fn start(programs: ProgramSet, hooks: SyscallHooks) -> Self {
        // Without the filter, all that the machine opens meanwhile has to find room.
        let options =
            LoadOptions { programs, hooks, ring_bytes: 64 << 20, ..LoadOptions::default() };
        let mut loaded = ebpf::load(&options)
            .unwrap_or_else(|error| panic!("{}", lanner_service::Chain(&error)));
        assert!(loaded.missing().is_empty(), "{:?}", loaded.missing());
        let node = Arc::new(Node::new("here", Procfs::default(), Containers::new(None)));
        let places = loaded.take_places().unwrap();
        node.watch_cgroups(move |id| places.set_host(id));
        node.add_running().unwrap();
        Self {
            sources: loaded.take_sources(),
            wake: Wake::new().unwrap(),
            enricher: Enricher::new(node),
            loaded,
            alerts: BTreeMap::new(),
            records: 0,
            ours: HashSet::new(),
            has_ended: false,
        }
    }

    /// Takes what is there; `mark` is what the workload's environment holds.
    fn take_all(&mut self, rules: &RuleSet, mark: &str) {
        let Self { sources, wake, enricher, alerts, records, has_ended, ours, .. } = self;
        for source in sources {
            // The rest of the machine makes events, too: the other side wants its turn.
            for _ in 0..1024 {
                let mut take = |record: &[u8]| {
                    *records += 1;
                    let event = decode(record).expect("the kernel side sends whole records");
                    // Of the rest of the machine only what makes processes is of interest.
                    let (tgid, parent) = (event.head.tgid, event.head.ppid);
                    let is_exec = matches!(event.facts, Facts::Exec(_));
                    match event.facts {
                        Facts::Fork(_) if ours.contains(&parent) => {
                            ours.insert(tgid);
                        }
                        Facts::Fork(_) | Facts::Exec(_) => {}
                        _ if !ours.contains(&tgid) => return,
                        _ => {}
                    }
                    let Some(event) = enricher.take(event, |_| true) else { return };
                    let is_marked = event.get(Field::ProcEnv, Some(MARK)).is_some_and(
                        |value| matches!(value, Value::Text(text) if *text == *mark.as_bytes()),
                    );
                    if is_exec && is_marked {
                        ours.insert(tgid);
                    }
                    if !ours.contains(&tgid) {
                        return;
                    }
                    for found in rules.evaluate("syscall", &event) {
                        *has_ended |= found.rule.name == "ended";
                        *alerts.entry(describe(&found.rule.name, &event)).or_default() += 1;
                    }
                };
                if source.next(&mut take) == Next::Empty {
                    source.wait(wake, Duration::from_millis(1)).unwrap();
                    break;
                }
            }
        }
    }
}

fn describe(rule: &str, event: &SyscallEvent) -> String {
    let show = |field| match event.get(field, None) {
        Some(Value::Text(text)) => text.escape_ascii().to_string(),
        other => format!("{other:?}"),
    };
    format!(
        "{rule}: {} {} {} {} {}",
        event.head.tgid,
        event.event_type(),
        show(Field::FdName),
        show(Field::FdNameraw),
        show(Field::EvtRawres)
    )
}

static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Watches the workload both ways, and gives what was found with the filter. `meanwhile` runs
/// beside it, again and again.
fn compare(
    at: &Path,
    rules: &RuleSet,
    (programs, hooks): (ProgramSet, SyscallHooks),
    script: &str,
    mut meanwhile: impl FnMut(&mut Loaded),
) -> (BTreeMap<String, u32>, Side) {
    // A machine that is watched eight times over is slow.
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut plain = Side::start(programs, hooks);
    let mut filtered = Side::start(programs, hooks);
    filtered.loaded.filter().install(&rules.projection("syscall")).unwrap();

    let (folder, mark) = (at.to_owned(), at.display().to_string());
    let script = format!("{script}\n{END}");
    let workload = std::thread::spawn(move || run(&script, &folder));
    let until = Instant::now() + DEADLINE;
    while !(plain.has_ended && filtered.has_ended) {
        assert!(
            Instant::now() < until,
            "the workload's end was not seen within {DEADLINE:?}: {} {}",
            plain.has_ended,
            filtered.has_ended
        );
        plain.take_all(rules, &mark);
        filtered.take_all(rules, &mark);
        meanwhile(&mut filtered.loaded);
    }
    workload.join().unwrap();
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
    assert!(filtered.records < plain.records);
    (plain.alerts, filtered)
}

fn watched(name: &str, hooks: SyscallHooks) -> bool {
    can_watch(name) && (hooks != SyscallHooks::Tracepoints || has_tracefs(name))
}

fn same_alerts(name: &str, programs: ProgramSet, hooks: SyscallHooks) {
    if !watched(name, hooks) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    prepare(&at);
    let (alerts, filtered) = compare(&at, &rules(&at), (programs, hooks), WORKLOAD, |_| {});
    for (rule, _) in CONDITIONS.iter().chain(CALLS).filter(|(rule, _)| *rule != "no user") {
        let start = format!("{rule}: ");
        assert!(alerts.keys().any(|alert| alert.starts_with(&start)), "nothing for {rule}");
    }
    drop(filtered);
}

#[test]
fn the_same_alerts_with_one_program() {
    same_alerts("the_same_alerts_with_one_program", ProgramSet::Full, SyscallHooks::TpBtf);
}

#[test]
fn the_same_alerts_with_the_base_set() {
    same_alerts("the_same_alerts_with_the_base_set", ProgramSet::Base, SyscallHooks::TpBtf);
}

#[test]
fn the_same_alerts_with_tracepoints() {
    same_alerts("the_same_alerts_with_tracepoints", ProgramSet::Full, SyscallHooks::Tracepoints);
}

/// Rules for which the end of a path says that nothing fits, so that the rest of it is not read.
const ENDS: &[(&str, &str)] = &[
    ("is", "fd.name=@/is"),
    ("one of", "fd.name in (@/sub/x, /etc/hostname, /x)"),
    ("directory", "fd.directory=@/sub"),
    ("long directory", "fd.directory=@/a/long-directory/of-names"),
    ("name", "fd.filename=named"),
    ("long name", "fd.filename in (a-name-of-more-than-eight-bytes, the-end)"),
    ("suffix", "fd.name endswith .a_long_suffix"),
    ("suffix over names", "fd.name endswith /a/long-directory/of-names/deep"),
    ("ended", "fd.name endswith /the-end"),
];

const ENDS_WORKLOAD: &str = r#"
mkdir -p a/long-directory/of-names b/long-directory/of-names
ln -sfn @/a/long-directory/of-names plain_link; ln -sfn @/sub/named other
for at in a b; do for name in deep a-name-of-more-than-eight-bytes x named
do echo x > $at/long-directory/of-names/$name; done; done
for at in . @ a @/a b @/b; do cat $at/long-directory/of-names/{deep,x,named,a-name-of-more-than-eight-bytes}; done
cat @/plain_link/{deep,x,nothing} @/other other @/a/../a/long-directory/of-names/x /proc/self/root@/sub/x
mkdir -p bound; mount --bind a/long-directory/of-names bound && cat @/bound/{deep,x} bound/deep; umount bound
"#;

fn same_alerts_by_ends(name: &str, programs: ProgramSet, hooks: SyscallHooks) {
    if !watched(name, hooks) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    prepare(&at);
    let text: String = ENDS
        .iter()
        .map(|(name, condition)| {
            let condition = condition.replace('@', at.to_str().unwrap());
            format!(
                "- rule: {name}\n  desc: x\n  condition: evt.type in (open, openat) and {condition}\n  \
                 output: x\n  priority: INFO\n"
            )
        })
        .collect();
    let (rules, _) =
        lanner_engine::load(&[SourceFile { name: "rules".to_owned(), text }], &Options::default());
    assert_eq!(rules.rules().count(), ENDS.len());
    let script = format!("{WORKLOAD}{ENDS_WORKLOAD}");
    let (alerts, _) = compare(&at, &rules, (programs, hooks), &script, |_| {});
    for (rule, _) in ENDS {
        let start = format!("{rule}: ");
        assert!(alerts.keys().any(|alert| alert.starts_with(&start)), "nothing for {rule}");
    }
}

#[test]
fn the_same_alerts_by_the_ends_of_paths() {
    let name = "the_same_alerts_by_the_ends_of_paths";
    same_alerts_by_ends(name, ProgramSet::Full, SyscallHooks::TpBtf);
}

#[test]
fn the_same_alerts_by_the_ends_of_paths_with_the_base_set() {
    let name = "the_same_alerts_by_the_ends_of_paths_with_the_base_set";
    same_alerts_by_ends(name, ProgramSet::Base, SyscallHooks::TpBtf);
}

#[test]
fn no_event_is_lost_while_the_rules_change() {
    let name = "no_event_is_lost_while_the_rules_change";
    if !can_watch(name) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    prepare(&at);
    let script =
        "for i in $(seq 2000); do read x < is; read x < named; read x < /etc/hostname; done";
    let rules = rules(&at);
    let of_others = lanner_engine::load(
        &[SourceFile {
            name: "others".to_owned(),
            text: format!(
                "- rule: x\n  desc: x\n  condition: evt.type in (open, openat) and fd.name startswith {}\n  \
                 output: x\n  priority: INFO\n",
                at.display()
            ),
        }],
        &Options::default(),
    )
    .0;
    // Both want what the rules of the workload want.
    let both = [rules.projection("syscall"), of_others.projection("syscall")];
    let mut changes = 0_usize;
    let set = (ProgramSet::Full, SyscallHooks::TpBtf);
    let (alerts, _) = compare(&at, &rules, set, script, |loaded| {
        changes += 1;
        loaded.filter().install(&both[changes % 2]).unwrap();
    });
    assert!(changes > 10, "{changes}");
    let opens: u32 =
        alerts.iter().filter(|(alert, _)| alert.starts_with("is: ")).map(|(_, count)| count).sum();
    assert_eq!(opens, 2000);
}

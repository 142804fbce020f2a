//! A ring that nobody reads: cheap events go first, then the others; exec, fork and exit stay as
//! long as there is room. What goes is counted, each one. Needs root and kernel BTF.

#[path = "support/kernel.rs"]
mod kernel;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use lanner_engine::{Options, RuleSet, SourceFile};
use lanner_sensor::{
    decode::{Call, Facts, Family, decode},
    pipeline::{Cause, LossCounts},
    source::{
        Next,
        ebpf::{self, LoadOptions, Loaded, ProgramSet, SyscallHooks},
    },
};

use crate::kernel::{can_watch, has_tracefs};

/// An eighth of it, where only programs that start and end find room, must take those of a whole
/// machine for as long as this test runs.
const RING_BYTES: u32 = 4 << 20;

/// Far more than find room.
const CHEAP: u64 = 40_000;
/// They find room where the cheap ones do not.
const NORMAL: u64 = 50;
/// Far more than find room.
const MORE_NORMAL: u64 = 15_000;
const PROGRAMS: u64 = 20;
/// Each with an environment of 4 KiB: far more than find room.
const LARGE_PROGRAMS: u64 = 400;

const O_ACCMODE: u32 = 3;
const O_TRUNC: u32 = 0o1000;

/// The shell of this test under a name of its own, as the kernel's filter tells it from others.
const SHELL: &str = "lanner-opener";

static ALONE: Mutex<()> = Mutex::new(());

fn rules(at: &Path) -> RuleSet {
    let text = format!(
        "- rule: r\n  desc: d\n  condition: evt.type in (open, openat) and proc.name={SHELL} and \
         fd.name={}/file\n  output: o\n  priority: notice\n",
        at.display()
    );
    let (rules, diagnostics) =
        lanner_engine::load(&[SourceFile { name: "r".to_owned(), text }], &Options::default());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    rules
}

/// Repeats what a shell may say in a line.
fn repeat(at: &Path, times: u64, what: &str) {
    let script = format!("i=0; while [ $i -lt {times} ]; do {what}; i=$((i+1)); done");
    let status = Command::new(at.join(SHELL))
        .args(["-c", &script])
        .current_dir(at)
        .env_clear()
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{what}");
}

fn counted(loaded: &Loaded) -> LossCounts {
    let losses = LossCounts::default();
    loaded.recount(&losses);
    losses
}

fn lost_of(losses: &LossCounts, family: Family) -> u64 {
    Cause::ALL.map(|cause| losses.get(Some(family), cause)).iter().sum()
}

fn check(test: &str, programs: ProgramSet, hooks: SyscallHooks) {
    if !can_watch(test) || (hooks == SyscallHooks::Tracepoints && !has_tracefs(test)) {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    fs::copy("/bin/sh", at.join(SHELL)).unwrap();
    fs::write(at.join("file"), "x").unwrap();
    // No other opens, from the first on: whatever is lost is ours.
    let calls = BTreeSet::new();
    let options =
        LoadOptions { ring_bytes: RING_BYTES, programs, hooks, calls, ..LoadOptions::default() };
    let mut loaded = ebpf::load(&options).unwrap();
    assert_eq!(loaded.filter().install(&rules(&at).projection("syscall")).unwrap(), 0);
    loaded.want(&[Call::Open, Call::Openat].into()).unwrap();
    let open_shed = |loaded: &Loaded| counted(loaded).get(Some(Family::Open), Cause::Shed);

    repeat(&at, CHEAP, ": < file");
    let cheap_shed = open_shed(&loaded);
    assert!(cheap_shed > 0);
    repeat(&at, NORMAL, ": > file");
    repeat(&at, MORE_NORMAL, ": >> file");
    assert!(open_shed(&loaded) > cheap_shed);
    repeat(&at, PROGRAMS, "/bin/true small");
    for family in [Family::Exec, Family::Fork, Family::Exit] {
        assert_eq!(lost_of(&counted(&loaded), family), 0, "{}s have room", family.name());
    }
    let large = "x".repeat(4000);
    repeat(&at, LARGE_PROGRAMS, &format!("ENVIRONMENT={large} /bin/true large"));
    loaded.want(&BTreeSet::new()).unwrap();
    let losses = counted(&loaded);
    assert!(losses.get(Some(Family::Exec), Cause::RingFull) > 0, "no room for anything");
    assert_eq!(losses.of_cause(Cause::NotRun), 0);

    let (mut read, mut opens) = (BTreeMap::<_, u64>::new(), 0);
    let mut take = |record: &[u8]| {
        let event = decode(record).unwrap();
        let what = match &event.facts {
            Facts::Exec(exec) => {
                exec.args.iter().last().map(|last| String::from_utf8_lossy(last).into_owned())
            }
            Facts::Open(open) => {
                opens += 1;
                let how = match open.flags {
                    flags if flags & O_TRUNC != 0 => "normal",
                    flags if flags & O_ACCMODE != 0 => "more normal",
                    _ => "cheap",
                };
                (event.head.comm == SHELL.as_bytes()).then(|| how.to_owned())
            }
            _ => None,
        };
        *read.entry(what.unwrap_or_default()).or_default() += 1;
    };
    for ring in &mut loaded.take_sources() {
        while ring.next(&mut take) == Next::Taken {}
    }
    let read = |what: &str| read.get(what).copied().unwrap_or_default();
    assert_eq!(read("normal"), NORMAL, "cheap ones go first");
    let (cheap, more) = (read("cheap"), read("more normal"));
    assert!(0 < cheap && cheap < CHEAP && 0 < more && more < MORE_NORMAL, "{cheap} {more}");
    let lost = lost_of(&losses, Family::Open);
    // A few of others pass as well: of a file that another thread closed at once nothing is known.
    let passed: u64 = loaded.filter().pass_counts().iter().map(|count| count.passed).sum();
    assert_eq!(opens + lost, passed, "each one is read or counted");
    let made = CHEAP + NORMAL + MORE_NORMAL;
    assert!(made <= passed && cheap + NORMAL + more + lost >= made, "{passed} of {made}");
    assert_eq!(read("small"), PROGRAMS);
    // Of the rest of the machine, too, some may have found no room.
    let full = losses.get(Some(Family::Exec), Cause::RingFull);
    assert!(read("large") < LARGE_PROGRAMS && read("large") + full >= LARGE_PROGRAMS);
}

#[test]
fn with_one_program() {
    check("with_one_program", ProgramSet::Full, SyscallHooks::TpBtf);
}

#[test]
fn with_the_base_set() {
    check("with_the_base_set", ProgramSet::Base, SyscallHooks::TpBtf);
}

#[test]
fn with_tracepoints() {
    check("with_tracepoints", ProgramSet::Full, SyscallHooks::Tracepoints);
}

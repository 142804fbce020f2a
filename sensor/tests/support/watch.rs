//! The running kernel, as a test sees it: what programs do comes out as events.

#![allow(dead_code, unused_macros, reason = "each test uses a part")]

#[path = "in_order.rs"]
mod in_order;

use std::{
    process::{Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lanner_engine::{Event as _, Field, RuleSet, Value};
use lanner_sensor::{
    decode::Call,
    enrich::{Enricher, Node, metadata::Containers, procfs::Procfs},
    event::SyscallEvent,
    message_needs::MessageNeeds,
    source::{
        Wake,
        ebpf::{self, LoadOptions, Loaded, ProgramSet, SyscallHooks},
    },
};

use lanner_testkit::not_run::not_run;

use self::in_order::InOrder;
use crate::kernel::{can_watch, has_tracefs};

/// A way to load the programs. Every test of the kernel side runs in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All that this kernel takes, one program for all system calls.
    Full,
    /// Nothing newer than Linux 5.12.
    Base,
    /// A tracepoint for each system call.
    Tracepoints,
}

impl Mode {
    fn options(self) -> LoadOptions {
        let (programs, hooks) = match self {
            Self::Full => (ProgramSet::Full, SyscallHooks::TpBtf),
            Self::Base => (ProgramSet::Base, SyscallHooks::TpBtf),
            Self::Tracepoints => (ProgramSet::Full, SyscallHooks::Tracepoints),
        };
        // Nobody reads while the programs run, and the whole machine is seen.
        LoadOptions { ring_bytes: 32 << 20, programs, hooks, ..LoadOptions::default() }
    }
}

/// Makes three tests of each `async fn name(watch: Watch)`.
macro_rules! in_each_mode {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn full() {
                let name = concat!(stringify!($name), "::full");
                let Some(watch) = crate::watch::Watch::start(name, crate::watch::Mode::Full) else { return };
                super::$name(watch).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn base() {
                let name = concat!(stringify!($name), "::base");
                let Some(watch) = crate::watch::Watch::start(name, crate::watch::Mode::Base) else { return };
                super::$name(watch).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn tracepoints() {
                let name = concat!(stringify!($name), "::tracepoints");
                let Some(watch) = crate::watch::Watch::start(name, crate::watch::Mode::Tracepoints) else {
                    return;
                };
                super::$name(watch).await;
            }
        })*
    };
}

/// One at a time: tests do the same in each mode, and must not find each other's deeds.
static ALONE: Mutex<()> = Mutex::new(());

const DEADLINE: Duration = Duration::from_secs(20);

/// The kernel's events from its making on.
pub(crate) struct Watch {
    events: InOrder,
    wake: Wake,
    enricher: Enricher,
    loaded: Loaded,
    /// Until all else is gone.
    _alone: MutexGuard<'static, ()>,
}

impl Watch {
    /// `None`, and a loud word, where the kernel does not let us.
    pub(crate) fn start(test: &str, mode: Mode) -> Option<Self> {
        if !can_watch(test) || (mode == Mode::Tracepoints && !has_tracefs(test)) {
            return None;
        }
        // A test that failed left nothing behind.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut loaded = ebpf::load(&mode.options()).unwrap_or_else(|error| {
            panic!("{}", lanner_service::Chain(&error));
        });
        assert!(loaded.missing().is_empty(), "{mode:?}: {:?}", loaded.missing());
        let node = Arc::new(Node::new("here", Procfs::default(), Containers::new(None)));
        node.add_running().unwrap();
        Some(Self {
            events: InOrder::new(loaded.take_sources()),
            wake: Wake::new().unwrap(),
            enricher: Enricher::new(node),
            loaded,
            _alone: alone,
        })
    }

    /// Why calls made through io_uring are not seen, if they are not.
    pub(crate) fn misses_queued_calls(&self) -> Option<&str> {
        self.loaded.misses_queued_calls()
    }

    /// Asks for fewer messages through sockets than all.
    pub(crate) fn want_messages(&mut self, needs: MessageNeeds) {
        self.loaded.want_messages(needs).unwrap();
    }

    /// Only these calls from now on, so that what the rest of the machine does meanwhile does not
    /// fill the ring.
    pub(crate) fn only(&mut self, calls: &[Call]) {
        self.loaded.want(&calls.iter().copied().collect()).unwrap();
    }

    /// Has the kernel withhold what no rule may match.
    pub(crate) fn filter_for(&mut self, rules: &RuleSet) {
        self.loaded.filter().install(&rules.projection("syscall")).unwrap();
    }

    /// Whether the kernel has a tracepoint for the call where one is needed: it has none for calls
    /// that it was built without.
    pub(crate) fn has_tracepoint(&self, test: &str, call: Call) -> bool {
        let folder = "/sys/kernel/tracing/events/syscalls";
        let name = format!("sys_exit_{}", call.name());
        if self.loaded.hooks() == "tp_btf" || std::path::Path::new(folder).join(&name).exists() {
            return true;
        }
        not_run(test, &format!("this kernel has no tracepoint {name}"));
        false
    }

    /// The next event that `is_it` says yes to.
    pub(crate) async fn find(
        &mut self,
        what: &str,
        is_it: impl Fn(&SyscallEvent) -> bool,
    ) -> SyscallEvent {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            let passed_ns = self.events.read_all();
            while let Some(event) = self.events.next_until(passed_ns) {
                let event = self.enricher.take(event, |_| true);
                if let Some(found) = event.filter(&is_it) {
                    return found;
                }
            }
            for source in &mut self.events.sources {
                source.wait(&self.wake, Duration::from_millis(5)).unwrap();
            }
        }
        let lost = in_order::lost(&self.loaded).unwrap_or("nothing was lost".to_owned());
        panic!("no event within {DEADLINE:?}: {what}; {lost}");
    }
}

/// A field of Falco's view, as text.
pub(crate) fn field(event: &SyscallEvent, field: Field, arg: Option<&str>) -> String {
    show(event.get(field, arg))
}

pub(crate) fn show(value: Option<Value<'_>>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::Text(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Some(Value::Ip(address)) => address.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Uint(number)) => number.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::List(values)) => {
            values.iter().map(|value| show(Some(value))).collect::<Vec<_>>().join(",")
        }
    }
}

pub(crate) fn has(event: &SyscallEvent, wanted: Field, text: &str) -> bool {
    show(event.get(wanted, None)) == text || show(event.get_with_other_path(wanted, None)) == text
}

pub(crate) fn run(program: &str, arguments: &[&str], directory: &std::path::Path) {
    Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LANNER_TEST", "yes")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
}

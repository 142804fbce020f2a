use std::{fmt, time::Duration};

use anyhow::Context as _;
use lanner_testkit::{KubeApiserver, Stack, eventually, process::Process};
use rustix::process::{Pid, Signal, kill_process};

/// Between two outages everything runs for so long.
const CALM: Duration = Duration::from_secs(8);
/// How long a part stays away.
const AWAY: Duration = Duration::from_secs(2);
/// A forwarder may take ten seconds to publish what waits.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Takes one part away at a time, in turns, and brings it back.
pub(super) struct Outages {
    forwarder: Option<Process>,
    responder: Option<Process>,
    stack: Stack,
    apiserver: KubeApiserver,
    turn: Part,
    /// Forwarder, bus, responder.
    counts: [u32; 3],
}

#[derive(Clone, Copy)]
enum Part {
    Forwarder,
    Bus,
    Responder,
}

impl Outages {
    /// Starts all parts.
    pub(super) fn begin(stack: Stack, apiserver: KubeApiserver) -> Self {
        let forwarder = Some(stack.start_forwarder());
        let responder = Some(stack.start_responder(apiserver.kubeconfig_path(), "enforce"));
        Self { forwarder, responder, stack, apiserver, turn: Part::Forwarder, counts: [0; 3] }
    }

    /// Waits, takes the next part away, waits, and brings it back.
    ///
    /// When this is dropped in between, [`Outages::mend`] brings it back.
    pub(super) async fn next(&mut self) -> anyhow::Result<()> {
        tokio::time::sleep(CALM).await;
        let [forwarder, bus, responder] = &mut self.counts;
        self.turn = match self.turn {
            Part::Forwarder => {
                *forwarder += 1;
                println!("  the forwarder is stopped");
                if let Some(process) = self.forwarder.take() {
                    stop(process)?;
                }
                Part::Bus
            }
            Part::Bus => {
                *bus += 1;
                println!("  nats-server is killed");
                self.stack.bus.server.kill();
                Part::Responder
            }
            Part::Responder => {
                *responder += 1;
                println!("  the responder is killed");
                self.responder = None;
                Part::Forwarder
            }
        };
        tokio::time::sleep(AWAY).await;
        self.mend()
    }

    /// Brings back what is away.
    pub(super) fn mend(&mut self) -> anyhow::Result<()> {
        if !self.stack.bus.server.is_running() {
            self.stack.bus.server.restart();
        }
        if self.forwarder.is_none() {
            self.forwarder = Some(self.stack.start_forwarder());
        }
        if self.responder.is_none() {
            let kubeconfig = self.apiserver.kubeconfig_path();
            self.responder = Some(self.stack.start_responder(kubeconfig, "enforce"));
        }
        for process in [&mut self.forwarder, &mut self.responder].into_iter().flatten() {
            let ended = process.exit_status();
            anyhow::ensure!(ended.is_none(), "{} ended by itself", process.name());
        }
        Ok(())
    }

    pub(super) fn logs(&self) -> String {
        self.stack.logs()
    }
}

/// Asks it to end, as systemd and kubelet do, and waits until it has.
fn stop(mut process: Process) -> anyhow::Result<()> {
    let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    kill_process(id.context("a process has an id")?, Signal::TERM)?;
    let status = eventually("the forwarder ends", STOP_MAX, || process.exit_status());
    anyhow::ensure!(status.success(), "the forwarder ended with {status}");
    Ok(())
}

impl fmt::Display for Outages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [forwarder, bus, responder] = self.counts;
        write!(
            f,
            "outages: forwarder stopped {forwarder}, nats-server killed {bus}, responder killed {responder}"
        )
    }
}

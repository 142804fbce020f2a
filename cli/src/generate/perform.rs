//! Runs actions, and says what became of each.

use std::{fs, path::Path, process::Stdio, thread, time::Duration};

use anyhow::Context as _;
use jiff::Timestamp;
use rustix::thread::{CapabilitySet, capabilities};
use serde::Serialize;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    time::timeout,
};

use super::{
    Chosen,
    action::{Action, Need, Place},
    container::Groups,
    processes::{self, NOBODY},
    run_folder::{Leaves, RunFolder, random_hex},
    told::{Facts, Orders, Report, comm, own_name, user_name},
};

/// The longest that an action may take.
const ACTION_MAX: Duration = Duration::from_secs(30);
/// How long a killed process may take to end.
const KILL_MAX: Duration = Duration::from_secs(2);
const COMPLAINT_BYTES_MAX: u64 = 4096;

/// Capabilities that no container has but a privileged one.
const OF_PRIVILEGED: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SYS_MODULE)
    .union(CapabilitySet::SYS_RAWIO)
    .union(CapabilitySet::SYS_BOOT);

/// Where we are.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// Whether process ids are those of the sensor. If not, this is a container.
    pub(super) host_pids: bool,
    /// The container that we are in, if its control groups' names show it to us.
    pub(super) container: Option<String>,
    /// The pod that we are in.
    pub(super) pod: Option<Pod>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Surroundings {
    pub(super) fn find() -> Self {
        // PROC_PID_INIT_INO of include/linux/proc_ns.h: the first namespace has
        // had this number since Linux 3.8.
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let host_pids = namespace == Path::new("pid:[4026531836]");
        if host_pids {
            return Self { host_pids, container: None, pod: None };
        }
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self { host_pids, container: container_id(&groups), pod: Pod::ours() }
    }
}

/// The 64 digits by which the runtime called the innermost group: `.../cri-containerd-ID.scope`.
fn container_id(groups: &str) -> Option<String> {
    let mut texts = groups.rsplit(|c: char| !c.is_ascii_hexdigit());
    texts.find(|text| text.len() == 64).map(str::to_owned)
}

impl Pod {
    /// As the downward API says where the pod's author asked it to, or else by
    /// what every pod has: its service account's folder, and its host name.
    fn ours() -> Option<Self> {
        let given = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let namespace = given("POD_NAMESPACE").or_else(|| {
            let file = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
            Some(fs::read_to_string(file).ok()?.trim().to_owned())
        })?;
        let name = given("POD_NAME")
            .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
        Some(Self { namespace, name })
    }
}

/// One action, and what became of it.
pub(super) struct Performed {
    pub(super) action: &'static Action,
    /// One of them should notice.
    pub(super) rules: Vec<&'static str>,
    pub(super) token: String,
    pub(super) ended: Ended,
}

pub(super) enum Ended {
    Acted(Box<Deed>),
    /// It lacks something here.
    NotRun(String),
    /// It should have worked.
    Failed(String),
}

/// What was done, to be compared with what an alert says of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Deed {
    #[serde(serialize_with = "as_text")]
    pub(super) begun: Timestamp,
    /// As the sensor sees it; not known in a container.
    pub(super) pid: Option<i32>,
    pub(super) parent: String,
    /// 64 digits of the container that we made, or are in and know.
    pub(super) container: Option<String>,
    /// Whether it happened on the host itself.
    pub(super) on_host: bool,
    pub(super) pod: Option<Pod>,
    #[serde(flatten)]
    pub(super) facts: Facts,
}

fn as_text<S: serde::Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(time)
}

/// Runs actions one after the other.
pub(super) struct Performer {
    run_folder: RunFolder,
    surroundings: Surroundings,
    /// What all tokens of this run begin with.
    run: String,
}

impl Performer {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            run_folder: RunFolder::make()?,
            surroundings: Surroundings::find(),
            run: format!("lg{}", random_hex::<4>()?),
        })
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    pub(super) async fn perform(&self, index: usize, chosen: &Chosen) -> Performed {
        let Chosen { action, rules } = chosen.clone();
        // Of one length, so that none begins as another does.
        let token = format!("{}x{index:03}", self.run);
        let ended = match missing(action, &self.surroundings) {
            Some(need) => Ended::NotRun(need),
            None => match self.act(action, &token).await {
                Ok(ended) => ended,
                Err(error) => Ended::Failed(format!("{error:#}")),
            },
        };
        Performed { action, rules, token, ended }
    }

    async fn act(&self, action: &Action, token: &str) -> anyhow::Result<Ended> {
        let makes_container = action.place != Place::Host && self.surroundings.host_pids;
        let processes = processes::of_action(action, makes_container);
        let leaves = action.leaves.iter().map(|path| path.replace("<token>", token).into());
        // Dropped last: by then nobody can make them again.
        let _leaves = Leaves(leaves.collect());
        let groups = if makes_container { Some(Groups::make(random_hex::<32>()?)?) } else { None };
        let orders = Orders {
            action: action.name.to_owned(),
            index: 0,
            token: token.to_owned(),
            run_folder: self.run_folder.path().to_owned(),
            groups: groups.as_ref().map(|groups| groups.paths().to_owned()),
        };
        let folder = self.run_folder.folder(token, &processes)?;
        let first = processes.first().context("an action has a process")?;
        let command = processes::command(&orders, first, 0, &folder.join(first.program))?;

        let begun = Timestamp::now();
        let complaint = run(Command::from(command)).await?;
        let made = groups.as_ref().map(|groups| groups.id().to_owned());
        let container = made.or_else(|| self.surroundings.container.clone());
        // Its last process may still be ending, which is no reason to hold up alerts.
        tokio::task::spawn_blocking(move || drop(groups)).await.context("cannot clean up")?;

        let mut reports = self.run_folder.reports()?.into_iter();
        let Some((pid, report)) = reports.next() else {
            anyhow::bail!("nothing happened: {}", complaint.trim());
        };
        Ok(match report {
            Report::Failed { why, refused: true } => Ended::NotRun(why),
            Report::Failed { why, refused: false } => Ended::Failed(why),
            Report::Acted(facts) => Ended::Acted(Box::new(Deed {
                begun,
                pid: self.surroundings.host_pids.then_some(pid),
                parent: processes::parent(&processes)
                    .map_or_else(own_name, |process| comm(process.program)),
                container,
                on_host: action.place == Place::Host && self.surroundings.host_pids,
                pod: self.surroundings.pod.clone(),
                facts,
            })),
        })
    }
}

/// Runs it to its end; gives what it wrote to its standard error.
async fn run(mut command: Command) -> anyhow::Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().context("cannot start a process")?);
    let errors = running.0.stderr.take().context("no standard error")?;
    let mut text = Vec::new();
    let ended = timeout(ACTION_MAX, async {
        errors.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text).await?;
        running.0.wait().await
    });
    match ended.await {
        Ok(ended) => ended.context("cannot wait for a process")?,
        Err(_late) => anyhow::bail!("it did not end within {ACTION_MAX:?}"),
    };
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The first process, and with it all others, ended on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = self.0.start_kill();
        let pause = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        while matches!(self.0.try_wait(), Ok(None)) && waited < KILL_MAX {
            thread::sleep(pause);
            waited += pause;
        }
    }
}

/// What the action needs and we have not.
fn missing(action: &Action, surroundings: &Surroundings) -> Option<String> {
    let mut needs = action.needs.to_vec();
    if action.place != Place::Host && surroundings.host_pids {
        needs.extend([Need::Root, Need::Capability("SYS_ADMIN")]);
    }
    let lacks = needs.iter().find(|need| !need.is_met(surroundings))?;
    Some(format!("needs {lacks}"))
}

impl Need {
    fn is_met(&self, surroundings: &Surroundings) -> bool {
        match self {
            Self::Host => surroundings.host_pids,
            Self::Root => rustix::process::geteuid().is_root(),
            Self::Capability(name) => {
                let flag = CapabilitySet::from_name(name);
                let held = capabilities(None).map(|sets| sets.effective);
                flag.is_some_and(|flag| held.is_ok_and(|held| held.contains(flag)))
            }
            Self::PrivilegedContainer => {
                let held = capabilities(None).map(|sets| sets.effective);
                !surroundings.host_pids && held.is_ok_and(|held| held.contains(OF_PRIVILEGED))
            }
            Self::Amd64 => cfg!(target_arch = "x86_64"),
            Self::File(path) => Path::new(path).exists(),
            Self::Nobody => user_name(NOBODY).is_some(),
            // Without the kernel's audit part nobody is ever known to have logged in.
            Self::OtherLogin => {
                fs::read_to_string("/proc/self/loginuid").is_ok_and(|uid| uid.trim() != "0")
            }
        }
    }
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Host => f.write_str("the host itself"),
            Self::Capability(name) => write!(f, "CAP_{name}"),
            Self::PrivilegedContainer => f.write_str("a privileged container"),
            Self::Amd64 => f.write_str("an x86-64 processor"),
            Self::File(path) => f.write_str(path),
            Self::Nobody => f.write_str("a user called nobody"),
            Self::OtherLogin => f.write_str("a session in which nobody logged in as root"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::container_id;

    #[test]
    fn the_innermost_group_names_our_container() {
        let [node, ours] = ["1a".repeat(32), "2b".repeat(32)];
        for (groups, found) in [
            (
                format!("4:pids:/docker/{node}/kubepods/poda1/cri-containerd-{ours}.scope\n"),
                Some(&ours),
            ),
            (format!("0::/kubepods.slice/crio-{ours}.scope/init\n"), Some(&ours)),
            ("0::/\n".to_owned(), None),
            (format!("0::/{ours}0\n"), None),
        ] {
            assert_eq!(container_id(&groups).as_ref(), found, "{groups}");
        }
    }
}

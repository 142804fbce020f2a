//! The local cluster: pods run in it, and nothing stays of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lanner_testkit::{eventually, not_run};

use crate::{DEADLINE, Xtask, one_at_a_time, output};

/// Its sleep is one that nobody else on this machine has.
const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: "lanner.local/busybox:1", command: [sleep, "86397.25"]}
---
apiVersion: v1
kind: Pod
metadata: {name: tool}
spec:
  restartPolicy: Never
  containers:
  - {name: main, image: "lanner.local/lanner:dev", imagePullPolicy: Never, args: [--version]}
"#;

/// The processes with this command line, whatever they run in.
fn processes(command_line: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&text).replace('\0', " ").contains(command_line)
    })
    .collect()
}

/// What the machine knows a running cluster by: all must be gone with it.
struct Traces {
    dir: PathBuf,
    cgroup: String,
    link: String,
}

impl Traces {
    fn of(xtask: &Xtask) -> Self {
        let status = xtask.cluster(&["status"]).unwrap();
        let after = |words: &str| {
            let rest = status.split(words).nth(1).unwrap();
            rest.split([',', '\n']).next().unwrap().to_owned()
        };
        let dir = xtask.dir.clone();
        let traces = Self { dir, cgroup: after("cgroup "), link: after("network link ") };
        assert!(traces.link().exists() && traces.cgroups().any(|cgroup| cgroup.exists()));
        traces
    }

    fn link(&self) -> PathBuf {
        Path::new("/sys/class/net").join(&self.link)
    }

    fn cgroups(&self) -> impl Iterator<Item = PathBuf> {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let mounts: Vec<String> = mounts.lines().map(str::to_owned).collect();
        mounts.into_iter().filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (dir, kind) = (fields.next()?, fields.next()?);
            kind.starts_with("cgroup").then(|| Path::new(dir).join(&self.cgroup))
        })
    }

    #[track_caller]
    fn assert_gone(&self) {
        assert!(!self.dir.exists(), "{} is there", self.dir.display());
        assert!(!self.link().exists(), "the network link is there");
        let cgroups: Vec<_> = self.cgroups().filter(|cgroup| cgroup.exists()).collect();
        assert!(cgroups.is_empty(), "{cgroups:?} are there");
        assert_eq!(processes(&self.dir.display().to_string()), Vec::<u32>::new(), "processes run");
        assert_eq!(processes("sleep 86397.25"), Vec::<u32>::new(), "a pod's process runs");
    }
}

#[test]
fn pods_run_and_nothing_stays() {
    if !rustix::process::geteuid().is_root() {
        not_run("the local cluster", "it needs root");
        return;
    }
    let _alone = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let xtask = Xtask { dir: folder.path().join("cluster") };
    xtask.cluster(&["up"]).unwrap();
    xtask.cluster(&["up"]).expect("a second time changes nothing");
    let traces = Traces::of(&xtask);

    let image = folder.path().join("image.tar");
    xtask.run(&["image", "--profile", "dev", "--out", image.to_str().unwrap()]).unwrap();
    xtask.cluster(&["load", image.to_str().unwrap()]).unwrap();

    let pods = folder.path().join("pods.yaml");
    fs::write(&pods, PODS).unwrap();
    xtask.kubectl(&["apply", "-f", pods.to_str().unwrap()]).unwrap();
    xtask.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "pod/shop"]).unwrap();
    let users = xtask.kubectl(&["exec", "shop", "--", "sh", "-c", "cat /etc/shadow"]).unwrap();
    assert!(users.starts_with("root:"), "{users}");
    let succeeded = "--for=jsonpath={.status.phase}=Succeeded";
    xtask.kubectl(&["wait", succeeded, "--timeout=60s", "pod/tool"]).unwrap();

    assert_eq!(processes("sleep 86397.25").len(), 1);
    xtask.kubectl(&["delete", "pod", "shop"]).unwrap();
    eventually("the deleted pod's process is gone", DEADLINE, || {
        processes("sleep 86397.25").is_empty().then_some(())
    });
    xtask.cluster(&["down"]).unwrap();
    traces.assert_gone();

    // Again, and this time it is killed with a pod on it.
    xtask.cluster(&["up"]).unwrap();
    let pod = PODS.split("---").next().unwrap();
    fs::write(&pods, pod).unwrap();
    xtask.kubectl(&["apply", "-f", pods.to_str().unwrap()]).unwrap();
    xtask.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "pod/shop"]).unwrap();
    let own = format!("cluster-supervisor --dir {}", xtask.dir.display());
    let [supervisor] = processes(&own)[..] else { panic!("one supervisor runs") };
    output(Command::new("kill").args(["-9", &supervisor.to_string()])).unwrap();
    eventually("the supervisor is gone", DEADLINE, || processes(&own).is_empty().then_some(()));
    assert_eq!(processes("sleep 86397.25").len(), 1, "its pod lives on");
    xtask.cluster(&["status"]).unwrap_err();
    xtask.cluster(&["down"]).unwrap();
    traces.assert_gone();
    // Whoever starts it is killed half way: it goes by itself.
    let mut up = Command::new(env!("CARGO_BIN_EXE_lanner-xtask"))
        .args(["cluster", "up", "--dir", xtask.dir.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("containerd starts", DEADLINE, || {
        xtask.dir.join("containerd.log").exists().then_some(())
    });
    up.kill().unwrap();
    up.wait().unwrap();
    eventually("the supervisor is gone", DEADLINE, || processes(&own).is_empty().then_some(()));
    fs::remove_dir_all(&xtask.dir).unwrap();
    traces.assert_gone();
}

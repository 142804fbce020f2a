//! Hundreds of real control groups that look like containers', each gone before its events are read.
//! Needs root, kernel BTF and a file system of control groups.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lanner_engine::Field;
use lanner_sensor::{
    decode::Call,
    enrich::{container::Groups, procfs::Procfs},
};
use lanner_testkit::not_run::not_run;

use crate::watch::{Watch, field, has};

in_each_mode!(
    containers_that_are_gone_have_their_events,
    the_number_of_a_group_is_that_of_its_directory,
);

const COUNT: usize = 300;

/// Where groups can be made that are the deepest of their processes.
fn own_group() -> Option<PathBuf> {
    let lines = fs::read_to_string("/proc/self/cgroup").ok()?;
    if Groups::default().container_of_proc(&lines).is_some_and(|found| found.is_certain) {
        return None;
    }
    let path = |controllers: &str| {
        let line = lines.lines().find(|line| line.split(':').nth(1) == Some(controllers))?;
        line.splitn(3, ':').nth(2)
    };
    let mount = Path::new("/sys/fs/cgroup");
    let (mount, path) = match mount.join("cgroup.controllers").exists() {
        true => (mount.to_owned(), path("")?),
        false => (mount.join("memory"), path("memory")?),
    };
    Some(mount.join(path.trim_start_matches('/')))
}

const DEADLINE: Duration = Duration::from_secs(20);

/// Gone with this value.
struct Group(PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        let until = Instant::now() + DEADLINE;
        // A process that ended is in it for a moment.
        while fs::remove_dir(&self.0).is_err() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// In its group a shell that starts no program opens a file.
const SCRIPT: &str = r#"echo $$ > "$1/cgroup.procs" && exec /bin/sh -c '( : < "$0" ); :' "$2""#;

async fn containers_that_are_gone_have_their_events(mut watch: Watch) {
    let test = "containers_that_are_gone_have_their_events";
    let Some(own) = own_group() else {
        return not_run(test, "this test runs in a container, and what is below it is that");
    };
    let docker = Group(own.join("docker"));
    if let Err(error) = fs::create_dir_all(&docker.0) {
        return not_run(test, &format!("cannot make control groups: {error}"));
    }
    watch.only(&[Call::Open, Call::Openat]);
    let directory = tempfile::tempdir().unwrap();
    let mark = fs::canonicalize(directory.path()).unwrap();
    let ids: Vec<_> = (0..COUNT).map(|number| format!("{:064x}", 0xc0_0000 + number)).collect();
    for id in &ids {
        let group = Group(docker.0.join(id));
        fs::create_dir(&group.0).unwrap();
        let file = mark.join(id);
        fs::write(&file, "x").unwrap();
        let ended = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "sh"])
            .args([&group.0, &file])
            .stdout(Stdio::null())
            .status();
        assert!(ended.unwrap().success());
    }
    assert!(ids.iter().all(|id| !docker.0.join(id).exists()), "each group is gone");

    // By file and type of the event: the container.
    let found = RefCell::new(BTreeMap::new());
    let is_last = |event: &lanner_sensor::event::SyscallEvent| {
        let id = match field(event, Field::EvtType, None).as_str() {
            "execve" => field(event, Field::ProcArgs, None).rsplit('/').next().map(str::to_owned),
            _ => field(event, Field::FdName, None)
                .strip_prefix(&format!("{}/", mark.display()))
                .map(str::to_owned),
        };
        let is_exec = field(event, Field::EvtType, None) == "execve";
        let is_before = is_exec && field(event, Field::ProcArgs, None).contains("cgroup.procs");
        if let Some(id) = id.filter(|id| !is_before && ids.contains(id)) {
            let container = field(event, Field::ContainerFullId, None);
            found.borrow_mut().insert((id, is_exec), container);
        }
        found.borrow().len() == 2 * COUNT
    };
    watch.find("both events of each container", is_last).await;
    for ((id, is_exec), container) in found.into_inner() {
        assert_eq!(container, id, "is_exec={is_exec}");
    }
}

/// So `/proc` can be trusted, of a process that is where it was.
async fn the_number_of_a_group_is_that_of_its_directory(mut watch: Watch) {
    let test = "the_number_of_a_group_is_that_of_its_directory";
    if own_group().is_none_or(|own| !own.is_dir()) {
        return not_run(test, "the file system of control groups is not that of our group");
    }
    watch.only(&[Call::Open, Call::Openat]);
    let directory = tempfile::tempdir().unwrap();
    let file = fs::canonicalize(directory.path()).unwrap().join("mark");
    fs::write(&file, "x").unwrap();
    let mut child = Command::new("/bin/sh")
        .args(["-c", ": < \"$0\"; read line"])
        .arg(&file)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let name = file.display().to_string();
    let event = watch.find("the shell's file", |event| has(event, Field::FdName, &name)).await;
    let procfs = Procfs::default();
    let lines = procfs.cgroup_of(child.id()).unwrap();
    let number = event.head.cgroup_id;
    assert!(procfs.has_group(&lines, number), "{number} {lines}");
    assert!(!procfs.has_group(&lines, number + 1));
    drop(child.stdin.take());
    child.wait().unwrap();
}

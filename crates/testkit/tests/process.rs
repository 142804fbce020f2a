//! A process goes when its owner goes, however the owner goes.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use lanner_testkit::{eventually, process::Process};

const PATH_OF_ID: &str = "LANNER_TEST_PATH_OF_ID";
const DEADLINE: Duration = Duration::from_secs(10);

fn is_running(id: &str) -> bool {
    // A zombie has no memory any more, so its command line is empty.
    fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Plays both parts: started again with `PATH_OF_ID` it is the owner.
#[test]
fn a_killed_owner_takes_its_processes_along() {
    if let Some(path) = env::var_os(PATH_OF_ID) {
        let dir = Path::new(&path).parent().unwrap();
        let process = Process::spawn(Path::new("sleep"), ["600"], &dir.join("log"));
        fs::write(dir.join("id.new"), process.id().to_string()).unwrap();
        fs::rename(dir.join("id.new"), &path).unwrap();
        loop {
            thread::park();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("id");
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_killed_owner_takes_its_processes_along"])
        .env(PATH_OF_ID, &path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let id =
        eventually("the owner starts its process", DEADLINE, || fs::read_to_string(&path).ok());
    assert!(is_running(&id));

    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the process is gone", DEADLINE, || (!is_running(&id)).then_some(()));
}

#[test]
fn a_dropped_process_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::spawn(Path::new("sleep"), ["600"], &dir.path().join("log"));
    let id = process.id().to_string();
    eventually("it runs", DEADLINE, || is_running(&id).then_some(()));
    drop(process);
    assert!(!is_running(&id));
}

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use lanner_alert::Priority;
use lanner_bus::Consumer;
use lanner_bus_forwarder::Forwarder;
use lanner_testkit::eventually;

use crate::{
    program::Program,
    rig::{NODE, Rig, SOON, falco_line, next_alert},
};

/// A process that writes lines into the pipe as Falco does: it dies of SIGPIPE
/// like any other, and says when a line is written.
struct Writer {
    child: Child,
    lines: ChildStdin,
    written: BufReader<ChildStdout>,
}

/// Falco with `keep_alive: true`: opens once.
const KEEPS_OPEN: &str =
    r#"exec 3>"$1"; while IFS= read -r line; do printf '%s\n' "$line" >&3; echo written; done"#;
/// Falco with `keep_alive: false`: opens for each alert.
const OPENS_EACH_TIME: &str =
    r#"while IFS= read -r line; do printf '%s\n' "$line" >>"$1"; echo written; done"#;

impl Writer {
    fn start(script: &str, pipe: &Path) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(pipe)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, written) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, lines, written: BufReader::new(written) }
    }

    fn write(&mut self, rule: &str) {
        self.line(&falco_line(rule, Priority::Notice));
    }

    fn line(&mut self, line: &str) {
        writeln!(self.lines, "{line}").unwrap();
        let mut answer = String::new();
        self.written.read_line(&mut answer).unwrap();
        assert_eq!(answer, "written\n", "the writer died: {:?}", self.child.try_wait());
    }

    fn finish(self) {
        let Self { mut child, lines, written: _ } = self;
        drop(lines);
        assert!(child.wait().unwrap().success());
    }
}

fn input(rig: &Rig) -> String {
    format!("  pipe: {{path: {}, mode: \"0620\"}}\n", rig.pipe().display())
}

fn wait_for_pipe(rig: &Rig) {
    eventually("the pipe is made", SOON, || {
        let made = fs::symlink_metadata(rig.pipe()).ok()?;
        (made.file_type().is_fifo() && made.permissions().mode() & 0o777 == 0o620).then_some(())
    });
}

async fn expect(alerts: &mut Consumer, rules: &[&str]) {
    for rule in rules {
        let alert = next_alert(alerts).await;
        assert_eq!((alert.rule.as_str(), alert.node.as_str()), (*rule, NODE));
    }
}

/// How many keepers of this pipe there are.
fn keepers(pipe: &Path) -> usize {
    let is_keeper = |entry: &fs::DirEntry| {
        let Ok(arguments) = fs::read(entry.path().join("cmdline")) else { return false };
        let arguments: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
        arguments.get(1..3) == Some(&[b"keep-pipe", pipe.as_os_str().as_encoded_bytes()])
    };
    fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(is_keeper).count()
}

async fn survives_kill_9(script: &str) {
    let rig = Rig::new().await;
    let mut alerts = rig.responder().await.alerts();
    let mut program = Program::run(&rig, &input(&rig), "");
    wait_for_pipe(&rig);
    eventually("the keeper is there", SOON, || (keepers(&rig.pipe()) == 1).then_some(()));
    let mut writer = Writer::start(script, &rig.pipe());
    writer.write("before");
    expect(&mut alerts, &["before"]).await;

    program.kill_9();
    writer.write("while it was dead");
    writer.line("{garbage");
    writer.write("still dead");
    let mut program = Program::run(&rig, &input(&rig), "");
    expect(&mut alerts, &["while it was dead", "still dead"]).await;
    writer.write("alive again");
    expect(&mut alerts, &["alive again"]).await;
    eventually("one keeper is left", SOON, || (keepers(&rig.pipe()) == 1).then_some(()));

    let status = program.terminate();
    assert!(status.success(), "{}", program.log());
    writer.write("after an orderly stop");
    let _program = Program::run(&rig, &input(&rig), "");
    expect(&mut alerts, &["after an orderly stop"]).await;
    writer.finish();

    fs::remove_file(rig.pipe()).unwrap();
    eventually("the keeper ends", SOON, || (keepers(&rig.pipe()) == 0).then_some(()));
}

#[tokio::test]
async fn a_writer_that_keeps_the_pipe_open_survives_kill_9_and_restart() {
    survives_kill_9(KEEPS_OPEN).await;
}

#[tokio::test]
async fn a_writer_that_opens_the_pipe_each_time_survives_kill_9_and_restart() {
    survives_kill_9(OPENS_EACH_TIME).await;
}

#[tokio::test]
async fn it_writes_into_no_file_and_follows_no_link() {
    let rig = Rig::new().await;
    let refusal = || {
        let opened = Forwarder::open(rig.config(&input(&rig), ""), None);
        format!("{:#}", opened.err().expect("it opened"))
    };
    fs::write(rig.pipe(), "somebody's file").unwrap();
    assert!(refusal().ends_with("it is no pipe"), "{}", refusal());
    assert_eq!(fs::read(rig.pipe()).unwrap(), b"somebody's file");

    let elsewhere = rig.dir.path().join("elsewhere");
    fs::rename(rig.pipe(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, rig.pipe()).unwrap();
    assert!(refusal().contains("symbolic links"), "{}", refusal());
}

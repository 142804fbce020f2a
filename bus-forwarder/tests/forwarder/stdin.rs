use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use lanner_alert::Priority;

use crate::{
    program::{PROGRAM, Program, write_config},
    rig::{NODE, Rig, alert, falco_line, next_alert},
};

fn run_with(rig: &Rig, input: &[u8]) -> Output {
    let config = write_config(rig, "  stdin: true\n", "");
    // The same file for all nodes: the environment names each.
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace(&format!("node: {NODE}\n"), "")).unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["run", "--config"])
        .arg(config)
        .env("NODE_NAME", NODE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn falcos_lines_are_published_to_their_end_and_garbage_between_them_is_told() {
    let rig = Rig::new().await;
    let mut input = Vec::new();
    input.extend(falco_line("first", Priority::Notice).bytes());
    input.extend(b"\n\n\x1b[2J{not json\n");
    input.extend(vec![b'x'; 3 << 20]);
    input.push(b'\n');
    // Another node's pod cannot be named by who writes here.
    let forged = falco_line("second", Priority::Notice).replacen(
        '{',
        "{\"node\":\"n2\",\"id\":\"x\",\"entity\":{\"node\":\"n2\",\"pod_name\":\"victim\"},",
        1,
    );
    input.extend(forged.bytes());
    let output = run_with(&rig, &input);
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    assert!(log.contains("stdin=2") && log.contains("unreadable=2"), "{log}");
    assert!(log.contains(r"\x1b[2J{not json") && !log.contains('\x1b'), "{log}");

    let mut alerts = rig.responder().await.alerts();
    for rule in ["first", "second"] {
        let alert = next_alert(&mut alerts).await;
        assert_eq!((alert.rule.as_str(), alert.node.as_str()), (rule, NODE));
        assert_eq!(alert.cluster.as_deref(), Some("test"));
        assert_eq!(alert.entity.pod_name, None);
    }
}

#[tokio::test]
async fn the_program_checks_and_doctors() {
    let rig = Rig::new().await;
    let config = write_config(&rig, &rig.socket_input(), "");
    let run = |subcommand: &str| {
        let output =
            Command::new(PROGRAM).args([subcommand, "--config"]).arg(&config).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run("check"), (Some(0), format!("{}: ok\n", config.display())));
    let (code, text) = run("doctor");
    assert_eq!(code, Some(0));
    assert!(text.lines().all(|line| line.starts_with("ok ")), "{text}");
}

#[tokio::test]
async fn a_stop_publishes_what_waits_and_a_stop_without_a_bus_tells_what_it_leaves() {
    let mut rig = Rig::new().await;
    let mut program = Program::run(&rig, &rig.socket_input(), "stop_seconds_max: 1\n");
    lanner_testkit::eventually("it listens", crate::rig::SOON, || {
        rig.socket().exists().then_some(())
    });
    let mut sensor = rig.sensor().await;
    for n in 0..50 {
        sensor.send(alert(&format!("rule {n}"), Priority::Notice)).await;
    }
    sensor.acknowledged().await;
    let status = program.terminate();
    assert_eq!(status.code(), Some(0), "{}", program.log());
    assert_eq!(rig.stored(50).await.len(), 50);

    let mut program = Program::run(&rig, &rig.socket_input(), "stop_seconds_max: 1\n");
    lanner_testkit::eventually("it listens", crate::rig::SOON, || {
        rig.socket().exists().then_some(())
    });
    rig.bus.server.kill();
    let mut sensor = rig.sensor().await;
    sensor.send(alert("left", Priority::Notice)).await;
    sensor.acknowledged().await;
    let status = program.terminate();
    assert_eq!(status.code(), Some(0), "{}", program.log());
    assert!(program.log().contains("they wait in the spool waiting=notice 1"), "{}", program.log());
}

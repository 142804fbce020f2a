//! Real system calls, seen through the real kernel programs, decoded and
//! enriched. Needs root (or CAP_BPF and CAP_PERFMON) and kernel BTF.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{fs, net::TcpListener, os::unix::fs::symlink};

use lanner_engine::{Event as _, Field};

use crate::watch::{Watch, field, has, run, show};

in_each_mode!(
    exec_with_arguments_environment_and_parent,
    open_through_a_link_has_both_names,
    a_created_file_and_a_missing_one,
    connect_has_both_ends,
    a_connection_that_is_refused_has_its_target,
);

async fn exec_with_arguments_environment_and_parent(mut watch: Watch) {
    let directory = tempfile::tempdir().unwrap();
    run("/bin/sh", &["-c", "/bin/ls lanner-marker-1; true"], directory.path());
    let event = watch
        .find("exec of ls", |event| has(event, Field::ProcCmdline, "ls lanner-marker-1"))
        .await;
    let of = |name| field(&event, name, None);
    assert_eq!(of(Field::EvtType), "execve");
    assert_eq!(of(Field::ProcName), "ls");
    assert_eq!(of(Field::ProcExe), "/bin/ls");
    assert_eq!(of(Field::ProcExepath), fs::canonicalize("/bin/ls").unwrap().to_str().unwrap());
    assert_eq!(of(Field::ProcArgs), "lanner-marker-1");
    assert_eq!(field(&event, Field::ProcEnv, Some("LANNER_TEST")), "yes");
    let canonical = fs::canonicalize(directory.path()).unwrap();
    assert_eq!(of(Field::ProcCwd), format!("{}/", canonical.display()));
    assert_eq!(of(Field::ProcPname), "sh");
    assert_eq!(of(Field::ProcPcmdline), "sh -c /bin/ls lanner-marker-1; true");
    assert_eq!(of(Field::UserName), "root");
    assert_eq!(of(Field::ProcIsExeFromMemfd), "false");
    assert_eq!(field(&event, Field::ProcApid, Some("2")), std::process::id().to_string());
    let entity = event.entity();
    assert_eq!(entity.pid.map(|pid| pid.to_string()), Some(of(Field::ProcPid)));
    assert!(entity.boot_id.is_some());
}

async fn open_through_a_link_has_both_names(mut watch: Watch) {
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    fs::create_dir(real.join("sub")).unwrap();
    fs::write(real.join("secret"), "x").unwrap();
    symlink(real.join("secret"), real.join("sub/link")).unwrap();
    // Relative, with dots, and through the link.
    run("/bin/cat", &["./sub/../sub/link"], &real);
    let event = watch
        .find("open of the link", |event| has(event, Field::FdNameraw, "./sub/../sub/link"))
        .await;
    let (link, secret) = (real.join("sub/link"), real.join("secret"));
    assert!(event.has_other_path());
    assert_eq!(field(&event, Field::FdName, None), link.display().to_string());
    assert_eq!(field(&event, Field::FdNameResolved, None), secret.display().to_string());
    let other = |field| show(event.get_with_other_path(field, None));
    assert_eq!(other(Field::FdName), secret.display().to_string());
    assert_eq!(other(Field::FdDirectory), real.display().to_string());
    assert_eq!(field(&event, Field::FdTypechar, None), "f");
    assert_eq!(field(&event, Field::EvtIsOpenRead, None), "true");
    assert_eq!(field(&event, Field::EvtIsOpenWrite, None), "false");
    assert_eq!(field(&event, Field::EvtRes, None), "SUCCESS");
    assert_eq!(field(&event, Field::ProcName, None), "cat");
}

async fn a_created_file_and_a_missing_one(mut watch: Watch) {
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    run("/bin/sh", &["-c", "echo x > made; cat missing"], &real);
    let made = real.join("made").display().to_string();
    let event = watch.find("the made file", |event| has(event, Field::FdName, &made)).await;
    assert_eq!(field(&event, Field::EvtIsOpenWrite, None), "true");
    assert_eq!(field(&event, Field::EvtIsOpenCreate, None), "true");
    assert_eq!(field(&event, Field::EvtArg, Some("flags")), "O_TRUNC|O_CREAT|O_WRONLY|O_F_CREATED");
    let missing = real.join("missing").display().to_string();
    let event = watch.find("the missing file", |event| has(event, Field::FdName, &missing)).await;
    assert_eq!(field(&event, Field::EvtRes, None), "ENOENT");
    assert_eq!(field(&event, Field::FdNum, None), "-1");
    assert_eq!(field(&event, Field::FdTypechar, None), "f");
}

async fn connect_has_both_ends(mut watch: Watch) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Not from this process: the sensor does not look at itself.
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    run("/bin/bash", &["-c", &script], std::path::Path::new("/"));
    let (_, peer) = listener.accept().unwrap();
    let event =
        watch.find("the connection", |event| has(event, Field::FdSport, &port.to_string())).await;
    let of = |name| field(&event, name, None);
    assert_eq!(of(Field::EvtType), "connect");
    assert_eq!(of(Field::FdName), format!("127.0.0.1:{}->127.0.0.1:{port}", peer.port()));
    assert_eq!(of(Field::FdTypechar), "4");
    assert_eq!(of(Field::FdL4proto), "tcp");
    assert_eq!(of(Field::FdIp), "127.0.0.1,127.0.0.1");
    assert_eq!(of(Field::ProcName), "bash");
}

async fn a_connection_that_is_refused_has_its_target(mut watch: Watch) {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    run("/bin/bash", &["-c", &script], std::path::Path::new("/"));
    let event = watch
        .find("the refused connection", |event| has(event, Field::FdSport, &port.to_string()))
        .await;
    assert_eq!(field(&event, Field::EvtRes, None), "ECONNREFUSED");
    assert_eq!(field(&event, Field::FdSip, None), "127.0.0.1");
}

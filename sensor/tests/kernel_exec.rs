//! What the kernel tells of a program as it starts, against what the program itself and the file
//! system say. Needs root (or CAP_BPF and CAP_PERFMON), kernel BTF and python3.

#[path = "support/kernel.rs"]
mod kernel;
#[macro_use]
#[path = "support/watch.rs"]
mod watch;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use lanner_engine::Field;
use lanner_sensor::event::SyscallEvent;
use lanner_testkit::not_run::not_run;

use crate::watch::{Watch, field, run};

in_each_mode!(
    terminal_session_and_group,
    the_user_who_logged_in,
    inode_and_times_of_the_program,
    layers_of_an_overlay,
);

/// The start of the program that was given `marker` as its last argument.
async fn start_of(watch: &mut Watch, marker: &str) -> SyscallEvent {
    watch
        .find(marker, |event| {
            event.event_type() == "execve"
                && field(event, Field::ProcName, None) != "python3"
                && field(event, Field::ProcArgs, None).ends_with(marker)
        })
        .await
}

/// What the program's starter gave it as its arguments, but for the marker.
fn told(event: &SyscallEvent) -> Vec<String> {
    let args = field(event, Field::ProcArgs, None);
    args.split(' ').map(str::to_owned).collect()
}

fn python(script: &str) {
    run("python3", &["-c", &format!("import os, pty\n{script}")], Path::new("/"));
}

async fn terminal_session_and_group(mut watch: Watch) {
    watch.only(&[]);
    python(
        "pid, terminal = pty.fork()\nif pid == 0: os.execv('/bin/true', ['true', str(os.fstat(0).st_rdev), str(os.getpid()), 'marker-terminal'])\ntry:\n  while os.read(terminal, 100): pass\nexcept OSError: pass\nos.wait()",
    );
    let event = start_of(&mut watch, "marker-terminal").await;
    let told = told(&event);
    assert_ne!(told[0], "0");
    for (name, expected) in [
        (Field::ProcTty, told[0].as_str()),
        (Field::ProcSid, &told[1]),
        (Field::ProcVpgid, &told[1]),
        (Field::ProcIsSidLeader, "true"),
        (Field::ProcIsVpgidLeader, "true"),
    ] {
        assert_eq!(field(&event, name, None), expected, "{name}");
    }
    // A child of it is in its session, leads nothing, and without the terminal has none.
    python(
        "os.setsid()\nif os.fork() == 0: os.execv('/bin/true', ['true', str(os.getsid(0)), 'marker-child'])\nos.wait()",
    );
    let event = start_of(&mut watch, "marker-child").await;
    for (name, expected) in [
        (Field::ProcTty, "0"),
        (Field::ProcSid, self::told(&event)[0].as_str()),
        (Field::ProcIsSidLeader, "false"),
        (Field::ProcIsVpgidLeader, "false"),
    ] {
        assert_eq!(field(&event, name, None), expected, "{name}");
    }
}

async fn the_user_who_logged_in(mut watch: Watch) {
    watch.only(&[]);
    // It may be set once, where the kernel keeps it at all, and stays whoever the user becomes.
    python(
        "def start(marker):\n  if os.fork() == 0:\n    os.setgid(65534); os.setuid(65534)\n    try: who = open('/proc/self/loginuid').read()\n    except OSError: who = '4294967295'\n    os.execv('/bin/true', ['true', who, marker])\n  os.wait()\nstart('marker-before')\ntry: open('/proc/self/loginuid', 'w').write('4242')\nexcept OSError: pass\nstart('marker-after')",
    );
    for marker in ["marker-before", "marker-after"] {
        let event = start_of(&mut watch, marker).await;
        let known = told(&event)[0].clone();
        let expected = if known == "4294967295" { "-1".to_owned() } else { known };
        assert_eq!(field(&event, Field::UserLoginuid, None), expected, "{marker}");
        assert_eq!(field(&event, Field::UserUid, None), "65534");
        assert_eq!(field(&event, Field::GroupGid, None), "65534");
    }
}

async fn inode_and_times_of_the_program(mut watch: Watch) {
    watch.only(&[]);
    let directory = tempfile::tempdir().unwrap();
    let program = fs::canonicalize(directory.path()).unwrap().join("program");
    fs::copy("/bin/true", &program).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    fs::File::options().write(true).open(&program).unwrap().set_modified(modified).unwrap();
    run(program.to_str().unwrap(), &["marker-inode"], Path::new("/"));
    let event = start_of(&mut watch, "marker-inode").await;
    let file = fs::metadata(&program).unwrap();
    let changed = file.ctime() * 1_000_000_000 + file.ctime_nsec();
    for (name, expected) in [
        (Field::ProcExeIno, file.ino().to_string()),
        (Field::ProcExeInoMtime, "1234567890123456789".to_owned()),
        (Field::ProcExeInoCtime, changed.to_string()),
        (Field::ProcExepath, program.display().to_string()),
    ] {
        assert_eq!(field(&event, name, None), expected, "{name}");
    }
}

async fn layers_of_an_overlay(mut watch: Watch) {
    watch.only(&[]);
    let directory = tempfile::tempdir().unwrap();
    let real = fs::canonicalize(directory.path()).unwrap();
    for folder in ["lower", "upper", "work", "merged"] {
        fs::create_dir(real.join(folder)).unwrap();
    }
    for name in ["image", "changed"] {
        fs::copy("/bin/true", real.join("lower").join(name)).unwrap();
    }
    let script = "set -e
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
cp /bin/true merged/added
touch mounts-worked
chmod u+s merged/changed
for name in image changed added; do merged/$name \"layer-of-$name\"; done";
    run("unshare", &["-m", "/bin/sh", "-c", script], &real);
    if !real.join("mounts-worked").exists() {
        not_run("layers_of_an_overlay", "mounts are refused here");
        return;
    }
    for (name, is_upper) in [("image", false), ("changed", true), ("added", true)] {
        let event = start_of(&mut watch, &format!("layer-of-{name}")).await;
        let layers = [Field::ProcIsExeUpperLayer, Field::ProcIsExeLowerLayer]
            .map(|layer| field(&event, layer, None));
        assert_eq!(layers, [is_upper, !is_upper].map(|is| is.to_string()), "{name}");
    }
}

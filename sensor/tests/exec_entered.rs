//! Containers of a real containerd on the running kernel: who came with them, and who
//! came in later. Needs root, kernel BTF, and what `support/containerd.rs` names.

#[path = "support/containerd.rs"]
mod containerd;
#[path = "support/kernel.rs"]
mod kernel;
#[path = "support/watch.rs"]
mod watch;

use lanner_engine::Field;

use crate::{
    containerd::Containerd,
    watch::{Mode, Watch, field, has},
};

#[tokio::test(flavor = "multi_thread")]
async fn who_came_in_by_exec() {
    let Some(containerd) = Containerd::start("who_came_in_by_exec") else { return };
    containerd.run("older");
    let Some(mut watch) = Watch::start("who_came_in_by_exec", Mode::Full) else { return };

    // Into a container that was there before us, and one that starts now.
    containerd.run("newer");
    let first = watch.find("the first process", |event| {
        has(event, Field::ContainerFullId, "newer") && has(event, Field::ProcName, "sleep")
    });
    let first = first.await;
    assert_eq!(field(&first, Field::ProcVpid, None), "1");
    assert_eq!(field(&first, Field::ProcExecEntered, None), "false");
    assert_eq!(field(&first, Field::ProcExecSession, None), "none");
    assert_eq!(field(&first, Field::ContainerType, None), "containerd");

    for name in ["older", "newer"] {
        containerd.exec(name, &["/bin/sh", "-c", "/bin/cat /etc/passwd; true"]);
        let mut sessions = Vec::new();
        for program in ["sh", "cat"] {
            let event = watch.find(program, |event| {
                event.event_type() == "execve"
                    && has(event, Field::ContainerFullId, name)
                    && has(event, Field::ProcName, program)
            });
            let event = event.await;
            assert_eq!(field(&event, Field::ProcExecEntered, None), "true", "{name} {program}");
            sessions.push(field(&event, Field::ProcExecSession, None));
        }
        assert_eq!(sessions[0], sessions[1]);
        assert!(sessions[0].starts_with(&format!("{name}-")), "{sessions:?}");
    }
}

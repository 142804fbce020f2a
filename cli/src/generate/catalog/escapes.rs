//! Ways out of a container, and into the kernel.

use std::{
    fs::{self, File},
    os::fd::AsFd as _,
};

use anyhow::Context as _;
use nix::sched::CloneFlags;
use rustix::{
    io::Errno,
    system::init_module,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::shadow::become_calls;
use crate::generate::{
    action::{ACTION, Action, Need, PROCESS, Place, Process},
    processes::become_nobody,
    system_calls::{self, Argument, Call, Gate},
    told::Doer,
};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        name: "write-release-agent",
        does: "opens a file of its own called release_agent for writing, in a container",
        harmless: "the file is not the kernel's, and goes with its folder",
        rules: &["Detect release_agent File Container Escapes"],
        falco: &["Detect release_agent File Container Escapes"],
        mitre: "T1611",
        event: "openat",
        needs: &[Need::Root, Need::Capability("SYS_ADMIN")],
        place: Place::Container,
        act: |doer| {
            let file = doer.own("release_agent");
            File::create_new(&file).context("cannot make a file")?;
            doer.expect_path("fd.name", &file);
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "read-disk",
        does: "opens a file of its own called as a disk is, in a container",
        harmless: "the file is empty, in the container's memory, and removed at once",
        rules: &["Privileged Container Device Access"],
        falco: &["Privileged Container Device Access"],
        mitre: "T1611",
        event: "openat",
        needs: &[Need::Root],
        place: Place::Container,
        act: |doer| {
            let disk = format!("/dev/sdz-{}", doer.token());
            File::create_new(&disk).context("cannot make a file")?;
            File::open(&disk).context("cannot open the file")?;
            fs::remove_file(&disk).context("cannot remove the file")?;
            doer.expect("fd.name", disk);
            Ok(())
        },
        leaves: &["/dev/sdz-<token>"],
        ..ACTION
    },
    Action {
        name: "mount-in-container",
        does: "runs mount in a container",
        harmless: "our own program has that name, and ends at once",
        falco: &["Mount Launched in Privileged Container"],
        mitre: "T1611",
        needs: &[Need::PrivilegedContainer],
        place: Place::Container,
        processes: &[Process { program: "mount", args: &["/dev/sda1", "/<token>"], ..PROCESS }],
        ..ACTION
    },
    Action {
        name: "start-container",
        does: "starts a container as root with all capabilities",
        harmless: "it is of our own program alone, which ends at once",
        falco: &["Launch Excessively Capable Container", "Container Run as Root User"],
        mitre: "T1610",
        needs: &[Need::Host],
        place: Place::ContainerEntry,
        processes: &[Process { program: "application", ..PROCESS }],
        ..ACTION
    },
    Action {
        name: "read-host-files",
        does: "opens a file below /host in a container",
        harmless: "the file is new, in the container's memory, and removed at once",
        falco: &["Container Access to Host Sensitive Paths"],
        mitre: "T1611",
        event: "openat",
        needs: &[Need::Root],
        place: Place::Container,
        act: |doer| {
            let folder = format!("/host/lanner-generate-{}", doer.token());
            let file = format!("{folder}/file");
            fs::create_dir_all(&folder).context("cannot make a folder")?;
            File::create_new(&file).context("cannot make a file")?;
            fs::remove_dir_all(&folder).context("cannot remove the folder")?;
            // It stays where it is somebody's.
            let _ = fs::remove_dir("/host");
            doer.expect("fd.name", file);
            Ok(())
        },
        leaves: &["/host/lanner-generate-<token>"],
        ..ACTION
    },
    Action {
        name: "change-namespace",
        does: "goes into the UTS namespace that it is in already",
        harmless: "nothing changes",
        rules: &["Change thread namespace"],
        falco: &["Change thread namespace"],
        mitre: "T1611",
        event: "setns",
        needs: &[Need::Root, Need::Capability("SYS_ADMIN")],
        act: |doer| {
            let own = File::open("/proc/self/ns/uts").context("cannot open a namespace")?;
            let kind = Some(LinkNameSpaceType::HostNameAndNISDomainName);
            move_into_link_name_space(own.as_fd(), kind).context("cannot change the namespace")?;
            doer.expect("evt.type", "setns");
            doer.expect("evt.arg.nstype", "CLONE_NEWUTS");
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "make-user-namespace",
        does: "becomes nobody in a container and makes a user namespace",
        harmless: "the process ends at once, and the namespace with it",
        rules: &["Change namespace privileges via unshare"],
        falco: &["Change namespace privileges via unshare"],
        mitre: "T1611",
        event: "unshare",
        needs: &[Need::Root],
        place: Place::Container,
        act: |doer| {
            as_nobody(doer)?;
            let result = match nix::sched::unshare(CloneFlags::CLONE_NEWUSER) {
                Ok(()) => "SUCCESS",
                // Many systems do not let them; the rule sees the attempt.
                Err(nix::errno::Errno::EPERM) => "EPERM",
                Err(nix::errno::Errno::ENOSPC) => "ENOSPC",
                Err(error) => return Err(error).context("cannot make a user namespace"),
            };
            doer.expect("evt.res", result);
            doer.expect("evt.arg.flags", "CLONE_NEWUSER");
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "set-user-id",
        does: "becomes nobody and asks to be root again",
        harmless: "the kernel refuses",
        rules: &["Non sudo setuid"],
        falco: &["Non sudo setuid"],
        mitre: "T1548.001",
        event: "setuid",
        needs: &[Need::Root],
        act: |doer| {
            as_nobody(doer)?;
            let root = rustix::thread::Uid::ROOT;
            match rustix::thread::set_thread_uid(root) {
                Err(Errno::PERM) => {}
                Ok(()) => anyhow::bail!("nobody became root: this system is broken"),
                Err(error) => return Err(error).context("cannot ask"),
            }
            doer.expect("evt.arg.uid", "root");
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "load-kernel-module",
        does: "asks the kernel, in a container, to load eight zeros as a module",
        harmless: "the kernel refuses what is no module",
        rules: &["Linux Kernel Module Injection Detected"],
        falco: &["Linux Kernel Module Injection Detected"],
        mitre: "T1547.006",
        event: "init_module",
        needs: &[Need::Root, Need::Capability("SYS_MODULE")],
        place: Place::Container,
        act: load_no_module,
        ..ACTION
    },
    Action {
        name: "load-kernel-module-on-host",
        does: "asks the kernel to load eight zeros as a module",
        harmless: "the kernel refuses what is no module",
        rules: &["Kernel module loaded by unexpected program"],
        mitre: "T1547.006",
        event: "init_module",
        needs: &[Need::Host, Need::Root, Need::Capability("SYS_MODULE")],
        act: load_no_module,
        ..ACTION
    },
    Action {
        name: "change-kernel-helper",
        does: "opens /proc/sys/kernel/core_pattern for writing in a container",
        harmless: "nothing is written",
        rules: &["Kernel helper changed from container"],
        mitre: "T1611",
        event: "openat",
        needs: &[Need::Root],
        place: Place::Container,
        act: |doer| {
            const HELPER: &str = "/proc/sys/kernel/core_pattern";
            File::options().write(true).open(HELPER).context("cannot open it")?;
            doer.expect("fd.name", HELPER);
            Ok(())
        },
        ..ACTION
    },
    Action {
        name: "reach-bpf-program",
        does: "asks the kernel for a BPF program by a number that none has",
        harmless: "there is no such program",
        rules: &["Loaded BPF code reached by another program"],
        mitre: "T1562.001",
        event: "bpf",
        needs: &[Need::Root, Need::Amd64],
        act: |doer| {
            const BPF_PROG_GET_FD_BY_ID: u32 = 13;
            let mut attributes = vec![0; 128];
            if let Some(id) = attributes.first_chunk_mut() {
                *id = i32::MAX.to_le_bytes();
            }
            doer.expect("evt.arg.cmd", "BPF_PROG_GET_FD_BY_ID");
            call_bpf(doer, BPF_PROG_GET_FD_BY_ID, attributes)
        },
        ..ACTION
    },
    Action {
        name: "load-bpf-program",
        does: "asks the kernel to load a BPF program without an instruction",
        harmless: "the kernel refuses what is no program",
        rules: &["BPF Program Not Profiled"],
        falco: &["BPF Program Not Profiled"],
        mitre: "T1014",
        event: "bpf",
        needs: &[Need::Root, Need::Amd64],
        act: |doer| {
            const BPF_PROG_LOAD: u32 = 5;
            call_bpf(doer, BPF_PROG_LOAD, vec![0; 128])
        },
        ..ACTION
    },
    Action {
        name: "handle-page-faults",
        does: "becomes nobody and asks to handle its own page faults",
        harmless: "no memory is given to it, and the process ends at once",
        rules: &["Unprivileged Delegation of Page Faults Handling to a Userspace Process"],
        falco: &["Unprivileged Delegation of Page Faults Handling to a Userspace Process"],
        mitre: "T1068",
        event: "userfaultfd",
        needs: &[Need::Root, Need::Amd64],
        act: |doer| {
            const USERFAULTFD: u32 = 323;
            const UFFD_USER_MODE_ONLY: u32 = 1;
            let arguments =
                [Argument::Number(UFFD_USER_MODE_ONLY), Argument::Number(0), Argument::Number(0)];
            let call = Call { gate: Gate::Syscall, number: USERFAULTFD, arguments };
            doer.expect("evt.type", "userfaultfd");
            doer.expect("evt.arg.flags", UFFD_USER_MODE_ONLY.to_string());
            // Written by root, run by nobody.
            let file = doer.own("faults");
            system_calls::write(&file, &[call])?;
            as_nobody(doer)?;
            become_calls(doer, &file)
        },
        ..ACTION
    },
];

fn load_no_module(doer: &mut Doer) -> anyhow::Result<()> {
    let result = match init_module(&[0; 8], c"") {
        Err(Errno::NOEXEC) => "ENOEXEC",
        Err(Errno::PERM) => "EPERM",
        Ok(()) => anyhow::bail!("the kernel took eight zeros for a module"),
        Err(error) => return Err(error).context("cannot ask"),
    };
    doer.expect("evt.res", result);
    Ok(())
}

/// `bpf(command, attributes, their length)`.
fn call_bpf(doer: &mut Doer, command: u32, attributes: Vec<u8>) -> anyhow::Result<()> {
    const BPF: u32 = 321;
    let len = u32::try_from(attributes.len()).context("a short array")?;
    let arguments = [Argument::Number(command), Argument::Bytes(attributes), Argument::Number(len)];
    let file = doer.own("loader");
    system_calls::write(&file, &[Call { gate: Gate::Syscall, number: BPF, arguments }])?;
    become_calls(doer, &file)
}

fn as_nobody(doer: &mut Doer) -> anyhow::Result<()> {
    become_nobody()?;
    doer.look_up_user();
    Ok(())
}

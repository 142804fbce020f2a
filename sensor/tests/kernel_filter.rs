//! The kernel's filter keeps nothing away that a rule would have matched: one workload, watched
//! with the filter and without, gives the same alerts. And it keeps away all that the projection
//! says, which `lanner rules describe` shows. Needs root, kernel BTF and python3.

#[path = "support/both_ways.rs"]
mod both_ways;
#[path = "support/container_group.rs"]
mod container_group;
#[path = "support/kernel.rs"]
mod kernel;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use lanner_engine::{Options, RuleSet, SourceFile};
use lanner_sensor::source::ebpf::{ProgramSet, SyscallHooks};
use lanner_testkit::{not_run::not_run, official_rules};

use crate::{
    both_ways::{assert_as_projected, compare, loaded},
    container_group::ContainerGroup,
    kernel::{can_watch, has_tracefs},
};

/// One rule for each kind of test that the kernel makes. `@` is the test's folder.
const CONDITIONS: &[(&str, &str)] = &[
    ("is", "fd.name=@/is"),
    ("directory", "fd.directory=@/sub"),
    ("name", "fd.filename=named"),
    ("prefix", "fd.name startswith @/pre"),
    (
        "short prefix and not",
        "fd.name startswith @ and fd.name endswith .keep and not fd.name startswith @/except",
    ),
    ("suffix", "fd.name endswith .a_long_suffix"),
    ("needle", "fd.name contains -needle-"),
    ("two patterns", "fd.name glob '@/*/deep/*'"),
    ("raw", "fd.nameraw contains '../' and fd.name startswith @"),
    ("written", "evt.is_open_write=true and fd.name startswith @"),
    ("created", "evt.is_open_create=true and fd.name startswith @"),
    ("truncated", "evt.arg.flags contains O_TRUNC and fd.name startswith @"),
    ("executable", "evt.is_open_exec=true and fd.name startswith @"),
    ("missing", "evt.res=ENOENT and fd.name startswith @"),
    ("failed", "evt.failed=true and fd.name startswith @"),
    ("process", "proc.name=head and fd.name startswith @"),
    ("other process", "fd.name=@/is and not proc.name in (cat, sh)"),
    ("host", "container.id=host and fd.name=@/is"),
    ("container", "container.id!=host and fd.name=@/is"),
    ("anything in a container", "container.id!=host and fd.name startswith @"),
    (
        "written in a container",
        "container.id!=host and evt.is_open_write=true and fd.name startswith @",
    ),
    ("process in a container", "container.id!=host and proc.name=head and fd.name startswith @"),
    ("user", "user.uid=0 and fd.name=@/is"),
    ("no user", "user.uid!=0 and fd.name=@/is"),
    ("terminal", "proc.tty=0 and fd.name=@/is"),
    ("capability", "thread.cap_effective contains CAP_KILL and fd.name=@/is"),
    ("directory type", "fd.type=directory and fd.name startswith @"),
    ("file type", "fd.type=file and fd.name startswith @"),
];

const CALLS: &[(&str, &str)] = &[
    (
        "removed",
        "evt.type in (unlink, unlinkat) and (evt.arg.path startswith @/gone or evt.arg.name startswith @/gone)",
    ),
    ("renamed", "evt.type in (rename, renameat, renameat2) and evt.arg.newpath endswith /new_name"),
    ("linked to", "evt.type in (symlink, symlinkat) and evt.arg.target in (/etc/shadow, /etc)"),
    ("made", "evt.type in (mkdir, mkdirat) and evt.arg.path startswith @/made"),
    ("mode", "evt.type in (chmod, fchmod, fchmodat, fchmodat2) and evt.arg.mode contains S_ISUID"),
    ("connected", "evt.type=connect and fd.sport=9 and proc.name=bash"),
    ("to a network", "evt.type=connect and fd.snet in ('127.7.0.0/16')"),
    ("to ipv6", "evt.type=connect and fd.typechar=6 and fd.sport=7"),
    ("to a path", "evt.type=connect and fd.name=@/sock"),
    ("accepted", "evt.type in (accept, accept4) and fd.l4proto=tcp and fd.cip=127.0.0.4"),
    ("listens", "evt.type=listen and fd.sip=127.7.7.7 and fd.sport>0"),
    (
        "datagram",
        "evt.type in (sendto, sendmsg) and fd.sip=127.7.7.8 and fd.l4proto=udp and \
         fd.name_changed=true",
    ),
    ("received", "evt.type in (recvfrom, recvmsg) and fd.cip=127.7.7.9 and fd.name_changed=true"),
    ("raw socket", "evt.type=socket and evt.arg.domain contains AF_PACKET"),
    (
        "socket as input",
        "evt.type in (dup, dup2, dup3) and evt.rawres in (0, 1, 2) and fd.type in (ipv4, ipv6)",
    ),
    ("signal", "evt.type in (kill, tgkill) and evt.arg.sig in (SIGUSR2, SIGWINCH)"),
    ("traced", "evt.type=ptrace and evt.arg.request=PTRACE_TRACEME"),
    ("left", "evt.type=unshare and evt.arg.flags contains CLONE_NEWUTS"),
    ("entered", "evt.type=setns and evt.arg.nstype contains CLONE_NEWUTS"),
    ("program", "evt.type=bpf and evt.arg.cmd=BPF_PROG_LOAD"),
    ("module", "evt.type=init_module and thread.cap_effective contains CAP_SYS_MODULE"),
    (
        "removed on the host",
        "evt.type in (unlink, unlinkat) and container.id=host and fs.path.name startswith @",
    ),
    ("removed in a container", "evt.type in (unlink, unlinkat) and container.id!=host"),
    ("made in a container", "evt.type in (mkdir, mkdirat) and container.id!=host"),
    ("connected in a container", "evt.type=connect and container.id!=host and fd.sport=9"),
    ("signal in a container", "evt.type=kill and container.id!=host and evt.arg.sig=SIGCONT"),
    ("signal on the host", "evt.type=kill and container.id=host and evt.arg.sig=SIGCONT"),
    ("left a container", "evt.type=unshare and container.id!=host"),
    ("not started in a container", "evt.type=execve and container.id!=host and evt.failed=true"),
    ("not started", "evt.type in (execve, execveat) and evt.res=EACCES"),
];

fn rules(folder: &Path) -> RuleSet {
    let folder = folder.to_str().unwrap();
    let opens = CONDITIONS.iter().map(|(name, condition)| {
        (*name, format!("evt.type in (open, openat, openat2, creat) and {condition}"))
    });
    let calls = CALLS.iter().map(|(name, condition)| (*name, (*condition).to_owned()));
    let text: String = opens
        .chain(calls)
        .map(|(name, condition)| {
            let condition = condition.replace('@', folder);
            format!(
                "- rule: {name}\n  desc: x\n  condition: >\n    {condition}\n  output: x\n  \
                 priority: INFO\n"
            )
        })
        .collect();
    loaded(vec![SourceFile { name: "rules".to_owned(), text }])
}

/// Opens and the like of all sorts, in `@`.
const WORKLOAD: &str = r#"
cat is ./is sub/../is .//is @/is @//is @/./is @/sub/../is @/sub/./../is
cd sub; cat ../is ../sub/x ./x x ../../"$(basename @)"/is; cd ..
cat /proc/self/root@/is /proc/self/cwd/is
ln -sf is link; cat link @/link
ln -sfn @/sub folder; cat folder/x @/folder/x folder/../is
ln -f is hard; cat hard
cat named sub/named pre1 pre2/x keep.keep except.keep x.a_long_suffix in-needle-in
cat a/deep/b missing @/missing missing/../is nothing/../named
echo x > written; echo x >> written; : > truncated; (umask 0; cp /bin/true program)
head -c1 is; head -c1 named
ls . sub @/sub/ sub/ / >/dev/null; find . -name nothing
mkdir -p bound && mount --bind sub bound && cat bound/x bound/named; umount bound
mkdir made_1 @/made_2; rmdir made_1; touch gone_1 gone_2; rm gone_1 @/gone_2
touch old; mv old new_name; rm new_name
ln -sfn /etc/shadow shadow_link; ln -sfn /etc etc_link; ln -sfn /etc/hostname other_link
touch setuid; chmod u+s setuid; chmod 644 setuid
cat $'odd\nname' "$(printf 'x%.0s' $(seq 200))/$(printf 'y%.0s' $(seq 200))"
(exec 3<>/dev/tcp/127.0.0.1/9)
"#;

/// Connections, messages, and what a process does to itself and to others. For each kind there is
/// one that a rule wants and one that none does.
const CALLS_OF_PYTHON: &str = r#"
python3 - <<'END'
from socket import *
import ctypes, os, signal
libc = ctypes.CDLL(None)
def attempt(what, *args):
    try: return what(*args)
    except OSError: return None
server = socket(); server.bind(('127.7.7.7', 0)); server.listen()
port = server.getsockname()[1]
client = socket(); client.bind(('127.0.0.4', 0)); client.connect(('127.7.7.7', port)); server.accept()
mapped = socket(AF_INET6); mapped.connect(('::ffff:127.7.7.7', port)); server.accept()
other = socket(); other.bind(('127.0.0.1', 0)); other.listen()
socket().connect(other.getsockname()); other.accept()
later = socket(); later.setblocking(False); attempt(later.connect, ('127.7.7.9', 9))
for address in [('127.0.0.2', 9), ('127.7.1.1', 9)]: attempt(socket().connect, address)
for where in [('::1', 7), ('::1', 8)]: attempt(socket(AF_INET6).connect, where)
path = os.getcwd() + '/sock'
bound = socket(AF_UNIX); bound.bind(path); bound.listen()
os.symlink('sock', 'sock_link')
for name in [path, 'sock', 'sock_link', '/nowhere', '\0hidden']: attempt(socket(AF_UNIX).connect, name)
plain = socket(AF_INET, SOCK_DGRAM)
for to in ['127.7.7.8', '127.7.7.8', '127.0.0.3', '127.7.7.8']: plain.sendto(b'x', (to, 9))
plain.sendmsg([b'x'], [], 0, ('127.7.7.8', 10))
told = socket(AF_INET, SOCK_DGRAM); told.connect(('127.7.7.8', 9)); told.sendto(b'x', ('127.7.7.8', 9))
both = socket(AF_INET6, SOCK_DGRAM); attempt(both.sendto, b'x', ('::ffff:127.7.7.8', 9))
taker = socket(AF_INET, SOCK_DGRAM); taker.bind(('127.7.7.10', 0))
for ip in ['127.7.7.9', '127.0.0.5']:
    giver = socket(AF_INET, SOCK_DGRAM); giver.bind((ip, 0))
    for _ in range(2): giver.sendto(b'x', taker.getsockname())
taker.recvfrom(9); taker.recvmsg(9); taker.recvfrom(9); taker.recvmsg(9)
spoken = socket(AF_INET, SOCK_DGRAM); spoken.bind(('127.7.7.8', 0))
plain.sendto(b'x', spoken.getsockname()); _, whom = spoken.recvfrom(9); spoken.connect(whom)
attempt(socket, AF_PACKET, SOCK_RAW); socket(AF_NETLINK, SOCK_RAW); attempt(socket, 44, SOCK_RAW)
quiet = os.open('/dev/null', os.O_RDWR); file = os.open('is', os.O_RDONLY); end, _ = os.pipe()
if os.fork() == 0:
    for fd in [client.fileno(), mapped.fileno(), bound.fileno(), quiet, file, end]: os.dup2(fd, 0)
    os.dup2(client.fileno(), 99); os.dup(client.fileno()); attempt(os.dup2, 98, 0)
    os._exit(0)
os.wait()
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
for number in [signal.SIGUSR2, signal.SIGCONT]: os.kill(os.getpid(), number)
for number in [signal.SIGWINCH, signal.SIGCHLD, 0]: libc.syscall(234, os.getpid(), os.getpid(), number)
if os.fork() == 0:
    libc.ptrace(17, 0x7ffffff, None, None); libc.ptrace(0, 0, None, None)
    libc.unshare(0x200); libc.unshare(0x04000000)
    space = os.open('/proc/self/ns/uts', os.O_RDONLY)
    libc.setns(space, 0); libc.setns(space, 0x04000000)
    os._exit(0)
os.wait()
for command in [0, 5, 999]: libc.syscall(321, command, None, 0)
libc.syscall(175, b'x', 1, b'')
for program in ['/etc/passwd', '/no/such']: attempt(os.execv, program, ['x'])
END
"#;

/// What is done in a container is not done on the host, and the other way round.
fn in_container(group: &ContainerGroup) -> String {
    format!(
        r#"
( {}
exec unshare --fork --pid --mount --mount-proc bash -c '
cat is @/is ./sub/../is @/link /proc/self/root@/is @/missing; head -c1 is; head -c1 named
echo x > written_inside; touch gone_inside; rm gone_inside; mkdir made_inside; ln -s /etc/shadow inside_link
(exec 3<>/dev/tcp/127.0.0.1/9); kill -CONT $$; unshare --uts true; ./no-such-program
cat /etc/shadow inside_link; cp /bin/true /dev/shm/lanner-inside; /dev/shm/lanner-inside; rm -f /dev/shm/lanner-inside
touch /etc/lanner-filter-test /usr/bin/lanner-filter-test; rm -f /etc/lanner-filter-test /usr/bin/lanner-filter-test
python3 -c "import socket; socket.socket(17, 3)"
mount -t tmpfs none sub; nsenter --target 1 --uts true; chmod u+s written_inside' )
(cat is @/is; head -c1 is; touch gone_after; rm gone_after)
"#,
        group.enter()
    )
}

fn prepare(at: &Path) {
    for folder in ["sub", "pre2", "a/deep", "base"] {
        fs::create_dir_all(at.join(folder)).unwrap();
    }
    for file in [
        "is",
        "sub/x",
        "sub/named",
        "named",
        "pre1",
        "pre2/x",
        "keep.keep",
        "except.keep",
        "x.a_long_suffix",
        "in-needle-in",
        "a/deep/b",
        "the-end",
        "odd\nname",
        "truncated",
    ] {
        fs::write(at.join(file), "x").unwrap();
    }
}

fn watched(name: &str, hooks: SyscallHooks) -> bool {
    can_watch(name) && (hooks != SyscallHooks::Tracepoints || has_tracefs(name))
}

fn same_alerts(name: &str, programs: ProgramSet, hooks: SyscallHooks) {
    if !watched(name, hooks) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    prepare(&at);
    let group = ContainerGroup::make();
    let script = format!("{WORKLOAD}{CALLS_OF_PYTHON}{}", in_container(&group));
    let (plain, filtered) = compare(&at, &rules(&at), (programs, hooks), &script, |_| {});
    assert_as_projected(&plain, &filtered);
    let is_there = |rule: &str| match rule {
        "no user" => false,
        // A kernel without modules has no such tracepoint.
        "module" if hooks == SyscallHooks::Tracepoints => {
            Path::new("/sys/kernel/tracing/events/syscalls/sys_exit_init_module").exists()
        }
        _ => true,
    };
    for (rule, _) in CONDITIONS.iter().chain(CALLS).filter(|(rule, _)| is_there(rule)) {
        let start = format!("{rule}: ");
        let has_one = plain.alerts.keys().any(|alert| alert.starts_with(&start));
        assert!(has_one, "nothing for {rule}");
    }
}

#[test]
fn the_same_alerts_with_one_program() {
    same_alerts("the_same_alerts_with_one_program", ProgramSet::Full, SyscallHooks::TpBtf);
}

#[test]
fn the_same_alerts_with_the_base_set() {
    same_alerts("the_same_alerts_with_the_base_set", ProgramSet::Base, SyscallHooks::TpBtf);
}

#[test]
fn the_same_alerts_with_tracepoints() {
    same_alerts("the_same_alerts_with_tracepoints", ProgramSet::Full, SyscallHooks::Tracepoints);
}

/// What real rules look for, in many ways of saying a path, in a root and in namespaces of one's own,
/// by 32-bit calls where the machine has them.
const THREATS: &str = r#"
cat /etc/shadow /etc/sudoers; (cd /etc; cat shadow ../etc/shadow ./pam.d/other)
cat /proc/self/root/etc/shadow /proc/1/environ; head -c1 /etc/shadow
ln -s /etc/shadow shadow_link; cat shadow_link; ln /etc/shadow shadow_hard; rm -f shadow_hard
find / -maxdepth 1 -name id_rsa; grep -r nothing /root/.ssh
touch /etc/lanner-filter-test; chmod u+s /etc/lanner-filter-test; rm -f /etc/lanner-filter-test
cp /bin/true /dev/shm/lanner-filter-test; /dev/shm/lanner-filter-test; rm -f /dev/shm/lanner-filter-test
mkdir -p jail/etc; echo x > jail/etc/shadow
python3 -c 'import os
os.chroot("jail"); os.chdir("/"); open("etc/shadow").read(); open("/etc/../etc/shadow").read()'
unshare --fork --pid --mount --uts --mount-proc sh -c 'cat /etc/shadow; mount -t tmpfs none sub; cat sub/x'
nsenter --target $$ --uts true
if [ -x calls ]; then ./calls; fi
"#;

/// A program of 64 bits that makes 32-bit calls: `open("/etc/shadow")` and `mkdir("/etc/x/y")`.
#[cfg(target_arch = "x86_64")]
fn build_calls_of_32_bits(at: &Path) -> bool {
    const SOURCE: &str = r#"
        .globl _start
        _start:
            mov $5, %eax
            lea path(%rip), %rbx
            xor %ecx, %ecx
            xor %edx, %edx
            int $0x80
            mov $39, %eax
            lea folder(%rip), %rbx
            mov $0x1c0, %ecx
            int $0x80
            mov $1, %eax
            xor %ebx, %ebx
            int $0x80
        path: .asciz "/etc/shadow"
        folder: .asciz "/etc/x/y"
    "#;
    fs::write(at.join("calls.s"), SOURCE).unwrap();
    // Addresses must fit into 32 bits.
    let built = Command::new("gcc")
        .args(["-nostdlib", "-static", "-no-pie", "-o", "calls", "calls.s"])
        .current_dir(at)
        .status();
    built.is_ok_and(|status| status.success())
}

#[cfg(not(target_arch = "x86_64"))]
fn build_calls_of_32_bits(_at: &Path) -> bool {
    false
}

fn real_rules(name: &str, files: &[std::path::PathBuf], expected: &[&str]) {
    if !can_watch(name) {
        return;
    }
    let files = files.iter().map(|path| SourceFile {
        name: path.display().to_string(),
        text: fs::read_to_string(path).unwrap(),
    });
    let rules = loaded(files.collect());
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    prepare(&at);
    if !build_calls_of_32_bits(&at) {
        not_run(name, "no gcc, or no such calls here: 32-bit calls are left out");
    }
    let group = ContainerGroup::make();
    let script = format!("{WORKLOAD}{CALLS_OF_PYTHON}{THREATS}{}", in_container(&group));
    let mode = (ProgramSet::Full, SyscallHooks::TpBtf);
    let (plain, filtered) = compare(&at, &rules, mode, &script, |_| {});
    let fired: BTreeSet<&str> =
        plain.alerts.keys().filter_map(|alert| Some(alert.split_once(": ")?.0)).collect();
    let missing: Vec<_> = expected.iter().filter(|rule| !fired.contains(**rule)).collect();
    assert!(missing.is_empty(), "nothing for {missing:?}; there are {fired:#?}");
    let in_both = |rule: &str| {
        let of_rule = || plain.alerts.keys().filter(|alert| alert.starts_with(rule));
        of_rule().any(|alert| alert.ends_with(" in host"))
            && of_rule().any(|alert| !alert.ends_with(" in host"))
    };
    assert!(in_both("Read sensitive file untrusted") && in_both("Execution from /dev/shm"));
    assert_as_projected(&plain, &filtered);
}

/// Of those that the official rules have, too.
const FIRED: [&str; 7] = [
    "Read sensitive file untrusted",
    "Execution from /dev/shm",
    "Create Symlink Over Sensitive Files",
    "Create Hardlink Over Sensitive Files",
    "PTRACE anti-debug attempt",
    "Search Private Keys or Passwords",
    "Packet socket created in container",
];

#[test]
fn the_same_alerts_of_our_rules() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let own = ["Write below etc", "Write below binary dir", "Set Setuid or Setgid bit"];
    real_rules("the_same_alerts_of_our_rules", &files, &[&FIRED[..], &own].concat());
}

#[test]
fn the_same_alerts_of_the_official_rules() {
    let name = "the_same_alerts_of_the_official_rules";
    let Some(path) = official_rules::file(name, official_rules::STABLE) else { return };
    real_rules(name, &[path], &FIRED);
}

/// Rules for which the end of a path says that nothing fits, so that the rest of it is not read.
const ENDS: &[(&str, &str)] = &[
    ("is", "fd.name=@/is"),
    ("one of", "fd.name in (@/sub/x, /etc/hostname, /x)"),
    ("directory", "fd.directory=@/sub"),
    ("long directory", "fd.directory=@/a/long-directory/of-names"),
    ("name", "fd.filename=named"),
    ("long name", "fd.filename in (a-name-of-more-than-eight-bytes, the-end)"),
    ("suffix", "fd.name endswith .a_long_suffix"),
    ("suffix over names", "fd.name endswith /a/long-directory/of-names/deep"),
    ("ended", "fd.name endswith /the-end"),
];

const ENDS_WORKLOAD: &str = r#"
mkdir -p a/long-directory/of-names b/long-directory/of-names
ln -sfn @/a/long-directory/of-names plain_link; ln -sfn @/sub/named other
for at in a b; do for name in deep a-name-of-more-than-eight-bytes x named
do echo x > $at/long-directory/of-names/$name; done; done
for at in . @ a @/a b @/b; do cat $at/long-directory/of-names/{deep,x,named,a-name-of-more-than-eight-bytes}; done
cat @/plain_link/{deep,x,nothing} @/other other @/a/../a/long-directory/of-names/x /proc/self/root@/sub/x
mkdir -p bound; mount --bind a/long-directory/of-names bound && cat @/bound/{deep,x} bound/deep; umount bound
"#;

fn same_alerts_by_ends(name: &str, programs: ProgramSet, hooks: SyscallHooks) {
    if !watched(name, hooks) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    prepare(&at);
    let text: String = ENDS
        .iter()
        .map(|(name, condition)| {
            let condition = condition.replace('@', at.to_str().unwrap());
            format!(
                "- rule: {name}\n  desc: x\n  condition: evt.type in (open, openat) and {condition}\n  \
                 output: x\n  priority: INFO\n"
            )
        })
        .collect();
    let (rules, _) =
        lanner_engine::load(&[SourceFile { name: "rules".to_owned(), text }], &Options::default());
    assert_eq!(rules.rules().count(), ENDS.len());
    let script = format!("{WORKLOAD}{ENDS_WORKLOAD}");
    let (plain, _) = compare(&at, &rules, (programs, hooks), &script, |_| {});
    for (rule, _) in ENDS {
        let start = format!("{rule}: ");
        let has_one = plain.alerts.keys().any(|alert| alert.starts_with(&start));
        assert!(has_one, "nothing for {rule}");
    }
}

#[test]
fn the_same_alerts_by_the_ends_of_paths() {
    let name = "the_same_alerts_by_the_ends_of_paths";
    same_alerts_by_ends(name, ProgramSet::Full, SyscallHooks::TpBtf);
}

#[test]
fn the_same_alerts_by_the_ends_of_paths_with_the_base_set() {
    let name = "the_same_alerts_by_the_ends_of_paths_with_the_base_set";
    same_alerts_by_ends(name, ProgramSet::Base, SyscallHooks::TpBtf);
}

#[test]
fn no_event_is_lost_while_the_rules_change() {
    let name = "no_event_is_lost_while_the_rules_change";
    if !can_watch(name) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(directory.path()).unwrap();
    prepare(&at);
    let script =
        "for i in $(seq 2000); do read x < is; read x < named; read x < /etc/hostname; done";
    let rules = rules(&at);
    let of_others = lanner_engine::load(
        &[SourceFile {
            name: "others".to_owned(),
            text: format!(
                "- rule: x\n  desc: x\n  condition: evt.type in (open, openat) and fd.name startswith {}\n  \
                 output: x\n  priority: INFO\n",
                at.display()
            ),
        }],
        &Options::default(),
    )
    .0;
    // Both want what the rules of the workload want.
    let both = [rules.projection("syscall"), of_others.projection("syscall")];
    let mut changes = 0_usize;
    let mode = (ProgramSet::Full, SyscallHooks::TpBtf);
    let (plain, _) = compare(&at, &rules, mode, script, |loaded| {
        changes += 1;
        loaded.filter().install(&both[changes % 2]).unwrap();
    });
    assert!(changes > 10, "{changes}");
    let opens: u32 =
        plain.alerts.iter().filter(|(alert, _)| alert.starts_with("is: ")).map(|(_, n)| n).sum();
    assert_eq!(opens, 2000);
}

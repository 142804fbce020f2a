//! What kind of thing an event is, by its type: for `evt.category`, `evt.is_io` and the like.

/// Where Falco sorts a type of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    /// Says so itself.
    Named(&'static str),
    /// A read, a write or another use of a descriptor: what the descriptor is decides.
    ByDescriptor,
}

/// The category of that type of event.
#[rustfmt::skip]
pub(crate) fn category(event_type: &str) -> Category {
    Category::Named(match event_type {
        "pread" | "preadv" | "read" | "readv" | "recv" | "recvfrom" | "recvmmsg" | "recvmsg"
        | "pwrite" | "pwritev" | "send" | "sendfile" | "sendmmsg" | "sendmsg" | "sendto" | "write"
        | "writev" | "close" | "close_range" | "dup" | "dup2" | "dup3" | "fcntl" | "io_uring_enter"
        | "io_uring_register" | "io_uring_setup" | "ioctl" | "splice" => {
            return Category::ByDescriptor;
        }
        "access" | "chdir" | "chmod" | "chown" | "copy_file_range" | "creat" | "fchdir" | "fchmod"
        | "fchmodat" | "fchown" | "fchownat" | "flock" | "fstat" | "fstat64" | "getcwd" | "getdents"
        | "getdents64" | "lchown" | "link" | "linkat" | "llseek" | "lseek" | "lstat" | "lstat64"
        | "mkdir" | "mkdirat" | "mount" | "newfstatat" | "open" | "open_by_handle_at" | "openat"
        | "openat2" | "rename" | "renameat" | "renameat2" | "rmdir" | "stat" | "stat64" | "symlink"
        | "symlinkat" | "task_file_anon_inode" | "task_file_directory" | "task_file_memfd"
        | "task_file_pipe" | "task_file_regular" | "task_file_socket_inet"
        | "task_file_socket_inet6" | "task_file_socket_netlink" | "task_file_socket_unix" | "umount"
        | "umount2" | "unlink" | "unlinkat" | "userfaultfd" => "file",
        "accept" | "accept4" | "bind" | "connect" | "getpeername" | "getsockname" | "getsockopt"
        | "listen" | "setsockopt" | "shutdown" | "socket" => "net",
        "eventfd" | "eventfd2" | "futex" | "inotify_init" | "inotify_init1" | "pipe" | "pipe2"
        | "process_vm_readv" | "process_vm_writev" | "socketpair" => "IPC",
        "brk" | "memfd_create" | "mlock" | "mlock2" | "mlockall" | "mmap" | "mmap2" | "mprotect"
        | "munlock" | "munlockall" | "munmap" => "memory",
        "capset" | "chroot" | "clone" | "clone3" | "container" | "execve" | "execveat" | "fork"
        | "getrlimit" | "groupadded" | "groupdeleted" | "pidfd_getfd" | "pidfd_open" | "prctl"
        | "prlimit" | "procexit" | "ptrace" | "semctl" | "semget" | "semop" | "setns" | "setpgid"
        | "setrlimit" | "setsid" | "task" | "unshare" | "useradded" | "userdeleted" | "vfork" => {
            "process"
        }
        "nanosleep" => "sleep",
        "cpu_hotplug" | "fsconfig" => "system",
        "kill" | "signaldeliver" | "signalfd" | "signalfd4" | "tgkill" | "tkill" => "signal",
        "getegid" | "geteuid" | "getgid" | "getresgid" | "getresuid" | "getuid" | "quotactl"
        | "setgid" | "setregid" | "setresgid" | "setresuid" | "setreuid" | "setuid" => "user",
        "timerfd_create" => "time",
        "epoll_create" | "epoll_create1" | "epoll_wait" | "poll" | "ppoll" | "select" => "wait",
        "switch" => "scheduler",
        "drop" | "infra" | "k8s" | "mesos" | "procinfo" | "scapevent" => "internal",
        "NA" => "unknown",
        // Calls that Falco has no arguments of, and those that fit nowhere.
        _ => "other",
    })
}

/// Whether it takes data out of a descriptor.
pub(crate) fn reads(event_type: &str) -> bool {
    matches!(
        event_type,
        "copy_file_range"
            | "finit_module"
            | "pread"
            | "preadv"
            | "read"
            | "readv"
            | "recv"
            | "recvfrom"
            | "recvmmsg"
            | "recvmsg"
    )
}

/// Whether it puts data into a descriptor.
pub(crate) fn writes(event_type: &str) -> bool {
    matches!(
        event_type,
        "copy_file_range"
            | "pwrite"
            | "pwritev"
            | "send"
            | "sendmmsg"
            | "sendmsg"
            | "sendto"
            | "write"
            | "writev"
    )
}

/// Whether it makes the thread wait.
pub(crate) fn waits(event_type: &str) -> bool {
    matches!(event_type, "epoll_wait" | "nanosleep" | "poll" | "ppoll" | "select")
}

/// Whether it is a system call at all.
pub(crate) fn is_system_call(event_type: &str) -> bool {
    let is_other = matches!(
        event_type,
        "NA" | "asyncevent"
            | "container"
            | "cpu_hotplug"
            | "drop"
            | "groupadded"
            | "groupdeleted"
            | "infra"
            | "k8s"
            | "mesos"
            | "notification"
            | "page_fault"
            | "pluginevent"
            | "procexit"
            | "procinfo"
            | "scapevent"
            | "signaldeliver"
            | "switch"
            | "task"
            | "tracer"
            | "useradded"
            | "userdeleted"
    );
    !is_other && !event_type.starts_with("task_file_")
}

#[cfg(test)]
mod tests {
    use super::{Category, category, is_system_call, reads, waits, writes};
    use crate::event_names;

    #[test]
    fn every_type_that_is_sorted_is_a_type() {
        // A misspelt name above would sort nothing.
        let source = include_str!("event_categories.rs");
        let (code, _) = source.split_once("#[cfg(test)]").unwrap();
        let texts = code.split('"').skip(1).step_by(2);
        let categories = ["file", "net", "memory", "process", "sleep", "system", "signal", "user"];
        let categories = categories.into_iter().chain(["time", "wait", "scheduler", "internal"]);
        let categories = categories.chain(["unknown", "other", "IPC", "task_file_"]);
        let categories: Vec<&str> = categories.collect();
        for text in texts.filter(|text| !categories.contains(text)) {
            assert!(event_names::is_known(text), "{text}");
        }
    }

    #[test]
    fn types_are_sorted() {
        assert_eq!(category("openat"), Category::Named("file"));
        assert_eq!(category("write"), Category::ByDescriptor);
        assert_eq!(category("sysinfo"), Category::Named("other"));
        assert!(reads("copy_file_range") && writes("copy_file_range") && waits("poll"));
        assert!(!writes("sendfile") && !reads("openat"));
        assert!(is_system_call("openat") && !is_system_call("task_file_pipe"));
    }
}

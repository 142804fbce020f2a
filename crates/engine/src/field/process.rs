//! Who did it: the process, its thread, its ancestors.
//!
//! One row a field; the columns are those of [`Info`](super::Info).

macro_rules! process_fields {
    ([$next:ident $($later:ident)*] $($rows:tt)*) => {
        $next! {
            [$($later)*] $($rows)*

            ProcExe "proc.exe" Text Scalar None Syscall [] "First argument (argv[0])";
            ProcPexe "proc.pexe" Text Scalar None Syscall [] "First argument of the parent";
            ProcAexe "proc.aexe" Text AnyOf OptionalIndex Syscall [LeftOnly NoTransformer] "First argument of an ancestor: [1] the parent; without index any ancestor";
            ProcExepath "proc.exepath" Path Scalar None Syscall [] "Resolved path of the executable";
            ProcPexepath "proc.pexepath" Path Scalar None Syscall [] "Resolved path of the parent's executable";
            ProcAexepath "proc.aexepath" Path AnyOf OptionalIndex Syscall [LeftOnly NoTransformer] "Executable of an ancestor: [1] the parent; without index any ancestor";
            ProcName "proc.name" Text Scalar None Syscall [] "Name of the process, at most 15 bytes";
            ProcPname "proc.pname" Text Scalar None Syscall [] "Name of the parent";
            ProcAname "proc.aname" Text AnyOf OptionalIndex Syscall [LeftOnly NoTransformer] "Name of an ancestor: [1] the parent; without index any ancestor";
            ProcArgs "proc.args" Text Scalar OptionalIndex Syscall [] "Arguments after the first, joined by blanks; [0] is the first of them";
            ProcAargs "proc.aargs" Text AnyOf OptionalIndex Nobody [] "Arguments of an ancestor: [1] the parent; without index any ancestor";
            ProcCmdline "proc.cmdline" Text Scalar None Syscall [] "Name and arguments";
            ProcPcmdline "proc.pcmdline" Text Scalar None Syscall [] "Name and arguments of the parent";
            ProcAcmdline "proc.acmdline" Text AnyOf OptionalIndex Syscall [LeftOnly NoTransformer] "Command line of an ancestor: [1] the parent; without index any ancestor";
            ProcCmdnargs "proc.cmdnargs" Uint Scalar None Syscall [] "Number of arguments after the first";
            ProcCmdlenargs "proc.cmdlenargs" Uint Scalar None Nobody [] "Length of the arguments after the first, without the blanks between them";
            ProcExeline "proc.exeline" Text Scalar None Syscall [] "First argument and the others";
            ProcEnv "proc.env" Text Scalar OptionalKey Syscall [] "Environment, or one variable of it";
            ProcAenv "proc.aenv" Text AnyOf OptionalKeyOrIndex Nobody [LeftOnly NoTransformer] "Environment of an ancestor: [2] the grandparent's, [NAME] that variable of the nearest that has it";
            ProcCwd "proc.cwd" Text Scalar None Syscall [] "Working directory, ending in a slash";
            ProcLoginshellid "proc.loginshellid" Int Scalar None Nobody [] "Process id of the oldest shell among the ancestors";
            ProcTty "proc.tty" Uint Scalar None Syscall [] "Device number of the controlling terminal, 0 without one";
            ProcPid "proc.pid" Int Scalar None Syscall [] "Process id in the host's namespace";
            ProcPpid "proc.ppid" Int Scalar None Syscall [] "Process id of the parent";
            ProcApid "proc.apid" Int AnyOf OptionalIndex Syscall [LeftOnly NoTransformer] "Process id of an ancestor: [1] the parent; without index any ancestor";
            ProcVpid "proc.vpid" Int Scalar None Syscall [] "Process id in its innermost namespace";
            ProcPvpid "proc.pvpid" Int Scalar None Nobody [] "Process id of the parent in its innermost namespace";
            ProcSid "proc.sid" Int Scalar None Syscall [] "Session id";
            ProcSname "proc.sname" Text Scalar None Syscall [] "Name of the session leader";
            ProcSidExe "proc.sid.exe" Text Scalar None Nobody [] "First argument of the session leader";
            ProcSidExepath "proc.sid.exepath" Path Scalar None Nobody [] "Resolved path of the session leader's executable";
            ProcVpgid "proc.vpgid" Int Scalar None Syscall [] "Process group in the innermost namespace";
            ProcVpgidName "proc.vpgid.name" Text Scalar None Nobody [] "Name of the leader of the process group in the innermost namespace";
            ProcVpgidExe "proc.vpgid.exe" Text Scalar None Nobody [] "First argument of the leader of the process group in the innermost namespace";
            ProcVpgidExepath "proc.vpgid.exepath" Path Scalar None Nobody [] "Executable of the leader of the process group in the innermost namespace";
            ProcPgid "proc.pgid" Int Scalar None Nobody [] "Process group in the host's namespace";
            ProcPgidName "proc.pgid.name" Text Scalar None Nobody [] "Name of the leader of the process group";
            ProcPgidExe "proc.pgid.exe" Text Scalar None Nobody [] "First argument of the leader of the process group";
            ProcPgidExepath "proc.pgid.exepath" Path Scalar None Nobody [] "Executable of the leader of the process group";
            ProcDuration "proc.duration" Uint Scalar None Syscall [] "Nanoseconds since the process started";
            ProcPpidDuration "proc.ppid.duration" Uint Scalar None Nobody [] "Nanoseconds since the parent started";
            ProcPidTs "proc.pid.ts" Time Scalar None Syscall [] "When the process started";
            ProcPpidTs "proc.ppid.ts" Time Scalar None Nobody [] "When the parent started";
            ProcIsExeWritable "proc.is_exe_writable" Bool Scalar None Syscall [] "Whether the process may write its own executable";
            ProcIsExeUpperLayer "proc.is_exe_upper_layer" Bool Scalar None Syscall [] "Whether the executable is in the writable layer of an overlay file system";
            ProcIsExeLowerLayer "proc.is_exe_lower_layer" Bool Scalar None Syscall [] "Whether the executable is in a read-only layer of an overlay file system";
            ProcIsExeFromMemfd "proc.is_exe_from_memfd" Bool Scalar None Syscall [] "Whether the executable lives in memory only (memfd_create)";
            ProcIsSidLeader "proc.is_sid_leader" Bool Scalar None Syscall [] "Whether the process leads its session";
            ProcIsVpgidLeader "proc.is_vpgid_leader" Bool Scalar None Syscall [] "Whether the process leads its process group, by the ids of its innermost namespace";
            ProcIsPgidLeader "proc.is_pgid_leader" Bool Scalar None Nobody [] "Whether the process leads its process group, by the host's ids";
            ProcExeIno "proc.exe_ino" Uint Scalar None Syscall [] "Inode of the executable";
            ProcExeInoCtime "proc.exe_ino.ctime" Time Scalar None Syscall [] "Last status change of the executable";
            ProcExeInoMtime "proc.exe_ino.mtime" Time Scalar None Syscall [] "Last modification of the executable";
            ProcExeInoCtimeDurationProcStart "proc.exe_ino.ctime_duration_proc_start" Uint Scalar None Syscall [] "Nanoseconds from the executable's status change to the start of the process";
            ProcExeInoCtimeDurationPidnsStart "proc.exe_ino.ctime_duration_pidns_start" Uint Scalar None Nobody [] "Nanoseconds from the start of the process namespace to the executable's status change";
            ProcPidnsInitStartTs "proc.pidns_init_start_ts" Uint Scalar None Nobody [] "When the first process of the process namespace started";
            ProcIsContainerHealthcheck "proc.is_container_healthcheck" Bool Scalar None Nobody [Deprecated] "Whether the process is a health check of the container";
            ProcIsContainerLivenessProbe "proc.is_container_liveness_probe" Bool Scalar None Nobody [Deprecated] "Whether the process is a liveness probe of the container";
            ProcIsContainerReadinessProbe "proc.is_container_readiness_probe" Bool Scalar None Nobody [Deprecated] "Whether the process is a readiness probe of the container";
            ProcFdopencount "proc.fdopencount" Uint Scalar None Nobody [] "Number of open descriptors";
            ProcFdlimit "proc.fdlimit" Int Scalar None Nobody [] "How many descriptors the process may have open";
            ProcFdusage "proc.fdusage" Int Scalar None Nobody [] "Share of the allowed descriptors that are open";
            ProcVmsize "proc.vmsize" Uint Scalar None Nobody [] "Virtual memory in KiB";
            ProcVmrss "proc.vmrss" Uint Scalar None Nobody [] "Resident memory in KiB";
            ProcVmswap "proc.vmswap" Uint Scalar None Nobody [] "Swapped memory in KiB";
            ProcNthreads "proc.nthreads" Uint Scalar None Nobody [] "Number of living threads, the first among them";
            ProcNchilds "proc.nchilds" Uint Scalar None Nobody [] "Number of living threads without the first";
            ProcStdinType "proc.stdin.type" Text Scalar None Nobody [] "Type of descriptor 0";
            ProcStdoutType "proc.stdout.type" Text Scalar None Nobody [] "Type of descriptor 1";
            ProcStderrType "proc.stderr.type" Text Scalar None Nobody [] "Type of descriptor 2";
            ProcStdinName "proc.stdin.name" Text Scalar None Nobody [] "Name of descriptor 0";
            ProcStdoutName "proc.stdout.name" Text Scalar None Nobody [] "Name of descriptor 1";
            ProcStderrName "proc.stderr.name" Text Scalar None Nobody [] "Name of descriptor 2";
            ProcExecEntered "proc.exec_entered" Bool Scalar None Syscall [Own] "Whether the process came into a running container by the runtime's exec";
            ProcExecSession "proc.exec_session" Text Scalar None Syscall [Own] "Id shared by all processes of one such exec";
            ThreadCapPermitted "thread.cap_permitted" Text Scalar None Syscall [] "Permitted capabilities, separated by blanks";
            ThreadCapInheritable "thread.cap_inheritable" Text Scalar None Nobody [] "Inheritable capabilities, separated by blanks";
            ThreadCapEffective "thread.cap_effective" Text Scalar None Syscall [] "Effective capabilities, separated by blanks";
            ThreadPfmajor "thread.pfmajor" Uint Scalar None Nobody [] "Major page faults since the thread started";
            ThreadPfminor "thread.pfminor" Uint Scalar None Nobody [] "Minor page faults since the thread started";
            ThreadTid "thread.tid" Int Scalar None Syscall [] "Thread id in the host's namespace";
            ThreadIsmain "thread.ismain" Bool Scalar None Nobody [] "Whether the thread is the first of its process";
            ThreadVtid "thread.vtid" Int Scalar None Nobody [] "Thread id in its innermost namespace";
            ThreadNametid "thread.nametid" Text Scalar None Nobody [Hidden] "Name of the process and thread id";
            ThreadExectime "thread.exectime" Uint Scalar None Nobody [] "Nanoseconds that the thread ran before it gave the CPU away";
            ThreadTotexectime "thread.totexectime" Uint Scalar None Nobody [] "Nanoseconds that the thread ran altogether";
            ThreadCgroups "thread.cgroups" Text Scalar None Nobody [] "All control groups of the thread";
            ThreadCgroup "thread.cgroup" Text Scalar RequiredName Nobody [] "Control group of the thread for one subsystem (thread.cgroup.cpuacct)";
            ThreadCpu "thread.cpu" Int Scalar None Nobody [] "CPU used in the last second";
            ThreadCpuUser "thread.cpu.user" Int Scalar None Nobody [] "CPU used in the last second outside of the kernel";
            ThreadCpuSystem "thread.cpu.system" Int Scalar None Nobody [] "CPU used in the last second inside of the kernel";
            ThreadVmsize "thread.vmsize" Uint Scalar None Nobody [] "Virtual memory in KiB, 0 for all threads but the first";
            ThreadVmrss "thread.vmrss" Uint Scalar None Nobody [] "Resident memory in KiB, 0 for all threads but the first";
            ThreadVmsizeB "thread.vmsize.b" Uint Scalar None Nobody [Hidden] "Virtual memory in bytes";
            ThreadVmrssB "thread.vmrss.b" Uint Scalar None Nobody [Hidden] "Resident memory in bytes";
        }
    };
}

pub(super) use process_fields;

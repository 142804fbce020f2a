//! What happened: the event itself, whatever its source.
//!
//! One row a field; the columns are those of [`Info`](super::Info).

macro_rules! event_fields {
    ([$next:ident $($later:ident)*] $($rows:tt)*) => {
        $next! {
            [$($later)*] $($rows)*

            EvtNum "evt.num" Uint Scalar None Both [] "Number of the event, counted from 1 by the source";
            EvtTime "evt.time" Time Scalar None Engine [] "Time of the event: hours, minutes, seconds, nanoseconds (UTC)";
            EvtTimeS "evt.time.s" Time Scalar None Engine [] "Time of the event without nanoseconds (UTC)";
            EvtTimeIso8601 "evt.time.iso8601" Time Scalar None Engine [] "Date and time of the event in ISO 8601 (UTC)";
            EvtDatetime "evt.datetime" Time Scalar None Engine [] "Date and time of the event (UTC)";
            EvtDatetimeS "evt.datetime.s" Time Scalar None Engine [] "Date and time of the event without nanoseconds (UTC)";
            EvtRawtime "evt.rawtime" Time Scalar None Engine [] "Time of the event in nanoseconds since the Unix epoch";
            EvtRawtimeS "evt.rawtime.s" Time Scalar None Engine [] "Time of the event in whole seconds since the Unix epoch";
            EvtRawtimeNs "evt.rawtime.ns" Time Scalar None Engine [] "Nanoseconds of the event's time after its last whole second";
            EvtReltime "evt.reltime" Uint Scalar None Nobody [] "Nanoseconds since the first event";
            EvtReltimeS "evt.reltime.s" Uint Scalar None Nobody [] "Whole seconds since the first event";
            EvtReltimeNs "evt.reltime.ns" Uint Scalar None Nobody [] "Nanoseconds of evt.reltime after its last whole second";
            EvtPluginname "evt.pluginname" Text Scalar None Audit [] "Name of the plugin that makes such events for Falco: k8saudit";
            EvtPlugininfo "evt.plugininfo" Text Scalar None Audit [] "The event in one line; for an audit event its JSON";
            EvtSource "evt.source" Text Scalar None Both [] "Source of the event: syscall or k8s_audit";
            EvtIsAsync "evt.is_async" Bool Scalar None Engine [] "Whether the event came from another thread of the sensor; always false here";
            EvtAsynctype "evt.asynctype" Text Scalar None Nobody [] "Kind of an asynchronous event";
            EvtHostname "evt.hostname" Text Scalar None Syscall [] "Name of the host or node";
            EvtLatency "evt.latency" Uint Scalar None Engine [Deprecated] "Time between the start and the end of a call; always 0, as only the end is an event";
            EvtLatencyS "evt.latency.s" Uint Scalar None Engine [Deprecated] "Seconds of evt.latency; always 0";
            EvtLatencyNs "evt.latency.ns" Uint Scalar None Engine [Deprecated] "Nanoseconds of evt.latency; always 0";
            EvtLatencyQuantized "evt.latency.quantized" Uint Scalar None Engine [Deprecated Hidden] "Magnitude of evt.latency; always 0";
            EvtLatencyHuman "evt.latency.human" Text Scalar None Engine [Deprecated] "evt.latency as people write it; always 0ns";
            EvtDeltatime "evt.deltatime" Uint Scalar None Nobody [] "Nanoseconds since the event before";
            EvtDeltatimeS "evt.deltatime.s" Uint Scalar None Nobody [] "Whole seconds since the event before";
            EvtDeltatimeNs "evt.deltatime.ns" Uint Scalar None Nobody [] "Nanoseconds of evt.deltatime after its last whole second";
            EvtAround "evt.around" Uint Scalar RequiredKeyOrIndex Nobody [ConditionOnly LeftOnly NoTransformer] "Whether the event is within so many milliseconds of a time (evt.around[TIME]=500)";
            EvtOutputtime "evt.outputtime" Text Scalar None Nobody [OutputOnly] "Time of the event in the format asked for on the command line";
            EvtDir "evt.dir" Text Scalar None Engine [Deprecated] "Always '<', as only the end of a call is an event";
            EvtType "evt.type" Text Scalar None Engine [] "Type of the event, for system calls their name";
            EvtTypeIs "evt.type.is" Uint Scalar RequiredName Engine [] "1 if the event has the type named after the dot (evt.type.is.open), else 0";
            SyscallType "syscall.type" Text Scalar None Engine [] "Name of the system call; missing for events that are no system call";
            EvtCategory "evt.category" Text Scalar None Engine [] "Category of the event: file, net, IPC, memory, process, user, ...; reads and writes by what they go to";
            EvtCpu "evt.cpu" Int Scalar None Nobody [] "CPU that the event happened on";
            EvtArgs "evt.args" Text Scalar None Syscall [] "All arguments as name=value pairs, a number with what it stands for: res=-2(ENOENT)";
            EvtArg "evt.arg" Text Scalar RequiredNameOrIndex Syscall [] "One argument by its name (evt.arg.flags) or index (evt.arg[1]), as text";
            EvtRawarg "evt.rawarg" Text Scalar RequiredName Syscall [LeftOnly NoTransformer] "One argument by its name, as the number or bytes that it is (evt.rawarg.res)";
            EvtInfo "evt.info" Text Scalar None Engine [] "The same as evt.args";
            EvtBuffer "evt.buffer" Bytes Scalar None Syscall [] "Data read or written, cut to the capture length";
            EvtBuflen "evt.buflen" Uint Scalar None Syscall [] "Bytes of data read or written";
            EvtRes "evt.res" Text Scalar None Syscall [] "SUCCESS, or the name of the error, e.g. ENOENT";
            EvtRawres "evt.rawres" Int Scalar None Syscall [] "Return value as a number";
            EvtFailed "evt.failed" Bool Scalar None Syscall [] "Whether the call failed";
            EvtIsIo "evt.is_io" Bool Scalar None Engine [] "Whether the event reads or writes a descriptor";
            EvtIsIoRead "evt.is_io_read" Bool Scalar None Engine [] "Whether the event reads from a descriptor";
            EvtIsIoWrite "evt.is_io_write" Bool Scalar None Engine [] "Whether the event writes to a descriptor";
            EvtIoDir "evt.io_dir" Text Scalar None Engine [] "read or write; missing for events that do neither";
            EvtIsWait "evt.is_wait" Bool Scalar None Engine [] "Whether the event makes the thread wait, as poll does";
            EvtWaitLatency "evt.wait_latency" Uint Scalar None Engine [Deprecated] "Time spent waiting; always 0";
            EvtIsSyslog "evt.is_syslog" Bool Scalar None Engine [] "Whether the event writes to /dev/log";
            EvtCount "evt.count" Uint Scalar None Engine [] "Always 1";
            EvtCountError "evt.count.error" Uint Scalar None Engine [] "1 if the call failed, else 0";
            EvtCountErrorFile "evt.count.error.file" Uint Scalar None Engine [] "As evt.count.error, for calls on files only";
            EvtCountErrorNet "evt.count.error.net" Uint Scalar None Engine [] "As evt.count.error, for calls on sockets only";
            EvtCountErrorMemory "evt.count.error.memory" Uint Scalar None Engine [] "As evt.count.error, for calls on memory only";
            EvtCountErrorOther "evt.count.error.other" Uint Scalar None Engine [] "As evt.count.error, for all other calls";
            EvtCountExit "evt.count.exit" Uint Scalar None Engine [] "Always 1, as only the end of a call is an event";
            EvtCountProcinfo "evt.count.procinfo" Uint Scalar None Nobody [Hidden] "1 for a summary of a process";
            EvtCountThreadinfo "evt.count.threadinfo" Uint Scalar None Nobody [Hidden] "1 for a summary of a thread";
            EvtAbspath "evt.abspath" Text Scalar None Syscall [] "Absolute path of the argument of calls such as renameat, the source if there are two";
            EvtAbspathSrc "evt.abspath.src" Text Scalar None Syscall [] "Absolute path of the source of calls such as renameat";
            EvtAbspathDst "evt.abspath.dst" Text Scalar None Syscall [] "Absolute path of the destination of calls such as renameat";
            EvtBuflenIn "evt.buflen.in" Uint Scalar None Nobody [Hidden] "Bytes read";
            EvtBuflenOut "evt.buflen.out" Uint Scalar None Nobody [Hidden] "Bytes written";
            EvtBuflenFile "evt.buflen.file" Uint Scalar None Nobody [Hidden] "Bytes read from or written to a file";
            EvtBuflenFileIn "evt.buflen.file.in" Uint Scalar None Nobody [Hidden] "Bytes read from a file";
            EvtBuflenFileOut "evt.buflen.file.out" Uint Scalar None Nobody [Hidden] "Bytes written to a file";
            EvtBuflenNet "evt.buflen.net" Uint Scalar None Nobody [Hidden] "Bytes received from or sent to a socket";
            EvtBuflenNetIn "evt.buflen.net.in" Uint Scalar None Nobody [Hidden] "Bytes received from a socket";
            EvtBuflenNetOut "evt.buflen.net.out" Uint Scalar None Nobody [Hidden] "Bytes sent to a socket";
            EvtIoUring "evt.io_uring" Bool Scalar None Syscall [Own] "Whether the call was put into a ring of io_uring; it is told before it is done, as if it had succeeded";
            EvtIsOpenRead "evt.is_open_read" Bool Scalar None Syscall [] "Whether a file was opened for reading";
            EvtIsOpenWrite "evt.is_open_write" Bool Scalar None Syscall [] "Whether a file was opened for writing";
            EvtInfraDockerName "evt.infra.docker.name" Text Scalar None Nobody [Hidden] "Name of a Docker event";
            EvtInfraDockerContainerId "evt.infra.docker.container.id" Text Scalar None Nobody [Hidden] "Container of a Docker event";
            EvtInfraDockerContainerName "evt.infra.docker.container.name" Text Scalar None Nobody [Hidden] "Container's name of a Docker event";
            EvtInfraDockerContainerImage "evt.infra.docker.container.image" Text Scalar None Nobody [Hidden] "Container's image of a Docker event";
            EvtIsOpenExec "evt.is_open_exec" Bool Scalar None Syscall [] "Whether a file was created with an execute bit";
            EvtIsOpenCreate "evt.is_open_create" Bool Scalar None Syscall [] "Whether opening created the file";
            UtilCnt "util.cnt" Uint Scalar None Nobody [] "A counter that goes up with each use";
        }
    };
}

pub(super) use event_fields;

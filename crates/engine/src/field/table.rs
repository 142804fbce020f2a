//! Every field a condition or an output may name.
//!
//! One row a field: variant, name, kind, shape, argument, description. Everything else about
//! fields (lookup, types, `lanner rules fields`) is derived from these rows.

use super::{ArgumentRule, Info, Kind, Shape};

macro_rules! fields {
    ($( $variant:ident $name:literal $kind:ident $shape:ident $argument:ident $description:literal; )*) => {
        /// A field that a condition or an output may name.
        ///
        /// The variant is the dotted name in camel case: `proc.exe_ino.ctime` is `ProcExeInoCtime`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $( #[doc = $description] $variant, )*
        }

        impl Field {
            const ALL: &[Self] = &[$( Self::$variant, )*];

            pub(super) fn info(self) -> Info {
                match self {
                    $( Self::$variant => Info {
                        name: $name,
                        kind: Kind::$kind,
                        shape: Shape::$shape,
                        argument: ArgumentRule::$argument,
                        description: $description,
                    }, )*
                }
            }

            /// Every field, in the order of the reference page.
            pub fn all() -> &'static [Self] {
                Self::ALL
            }

            /// The field of that exact name, without an argument.
            pub fn by_name(name: &str) -> Option<Self> {
                match name {
                    $( $name => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }
    };
}

fields! {
    EvtNum "evt.num" Uint Scalar None "Number of the event, counted from 1 by the source";
    EvtTime "evt.time" Time Scalar None "Time of the event: hours, minutes, seconds, nanoseconds (UTC)";
    EvtTimeS "evt.time.s" Time Scalar None "Time of the event without nanoseconds (UTC)";
    EvtTimeIso8601 "evt.time.iso8601" Time Scalar None "Date and time of the event in ISO 8601 (UTC)";
    EvtDatetime "evt.datetime" Time Scalar None "Date and time of the event (UTC)";
    EvtRawtime "evt.rawtime" Time Scalar None "Time of the event in nanoseconds since the Unix epoch";
    EvtHostname "evt.hostname" Text Scalar None "Name of the host or node";
    EvtSource "evt.source" Text Scalar None "Source of the event: syscall or k8s_audit";
    EvtType "evt.type" Text Scalar None "Type of the event, for system calls their name";
    EvtDir "evt.dir" Text Scalar None "Deprecated: always '<', as only the end of a call is an event";
    EvtCpu "evt.cpu" Int Scalar None "CPU that the event happened on";
    EvtArgs "evt.args" Text Scalar None "All arguments as name=value pairs";
    EvtArg "evt.arg" Text Scalar RequiredNameOrIndex "One argument by its name (evt.arg.flags) or index (evt.arg[1]), as text";
    EvtRes "evt.res" Text Scalar None "SUCCESS, or the name of the error, e.g. ENOENT";
    EvtRawres "evt.rawres" Int Scalar None "Return value as a number";
    EvtFailed "evt.failed" Bool Scalar None "Whether the call failed";
    EvtBuffer "evt.buffer" Bytes Scalar None "Data read or written, cut to the capture length";
    EvtIsOpenRead "evt.is_open_read" Bool Scalar None "Whether a file was opened for reading";
    EvtIsOpenWrite "evt.is_open_write" Bool Scalar None "Whether a file was opened for writing";
    EvtIsOpenExec "evt.is_open_exec" Bool Scalar None "Whether a file was created with an execute bit";
    EvtIsOpenCreate "evt.is_open_create" Bool Scalar None "Whether opening created the file";

    ProcPid "proc.pid" Int Scalar None "Process id in the host's namespace";
    ProcVpid "proc.vpid" Int Scalar None "Process id in its innermost namespace";
    ProcName "proc.name" Text Scalar None "Name of the process, at most 15 bytes";
    ProcExe "proc.exe" Text Scalar None "First argument (argv[0])";
    ProcExepath "proc.exepath" Path Scalar None "Resolved path of the executable";
    ProcArgs "proc.args" Text Scalar OptionalIndex "Arguments after the first, joined by blanks; [0] is the first of them";
    ProcNargs "proc.nargs" Uint Scalar None "Number of arguments after the first";
    ProcCmdline "proc.cmdline" Text Scalar None "Name and arguments";
    ProcExeline "proc.exeline" Text Scalar None "First argument and the others";
    ProcEnv "proc.env" Text Scalar OptionalKey "Environment, or one variable of it";
    ProcCwd "proc.cwd" Text Scalar None "Working directory, ending in a slash";
    ProcTty "proc.tty" Uint Scalar None "Device number of the controlling terminal, 0 without one";
    ProcPpid "proc.ppid" Int Scalar None "Process id of the parent";
    ProcPname "proc.pname" Text Scalar None "Name of the parent";
    ProcPexe "proc.pexe" Text Scalar None "First argument of the parent";
    ProcPexepath "proc.pexepath" Path Scalar None "Resolved path of the parent's executable";
    ProcPcmdline "proc.pcmdline" Text Scalar None "Name and arguments of the parent";
    ProcApid "proc.apid" Int AnyOf OptionalIndex "Process id of an ancestor: [1] the parent; without index any ancestor";
    ProcAname "proc.aname" Text AnyOf OptionalIndex "Name of an ancestor: [1] the parent; without index any ancestor";
    ProcAexe "proc.aexe" Text AnyOf OptionalIndex "First argument of an ancestor: [1] the parent; without index any ancestor";
    ProcAexepath "proc.aexepath" Path AnyOf OptionalIndex "Executable of an ancestor: [1] the parent; without index any ancestor";
    ProcAcmdline "proc.acmdline" Text AnyOf OptionalIndex "Command line of an ancestor: [1] the parent; without index any ancestor";
    ProcSid "proc.sid" Int Scalar None "Session id";
    ProcSname "proc.sname" Text Scalar None "Name of the session leader";
    ProcVpgid "proc.vpgid" Int Scalar None "Process group in the innermost namespace";
    ProcIsSidLeader "proc.is_sid_leader" Bool Scalar None "Whether the process leads its session";
    ProcIsVpgidLeader "proc.is_vpgid_leader" Bool Scalar None "Whether the process leads its process group";
    ProcDuration "proc.duration" Uint Scalar None "Nanoseconds since the process started";
    ProcPidTs "proc.pid.ts" Time Scalar None "When the process started";
    ProcIsExeWritable "proc.is_exe_writable" Bool Scalar None "Whether the process may write its own executable";
    ProcIsExeUpperLayer "proc.is_exe_upper_layer" Bool Scalar None "Whether the executable is in the writable layer of an overlay file system";
    ProcIsExeLowerLayer "proc.is_exe_lower_layer" Bool Scalar None "Whether the executable is in a read-only layer of an overlay file system";
    ProcIsExeFromMemfd "proc.is_exe_from_memfd" Bool Scalar None "Whether the executable lives in memory only (memfd_create)";
    ProcExeIno "proc.exe_ino" Uint Scalar None "Inode of the executable";
    ProcExeInoCtime "proc.exe_ino.ctime" Time Scalar None "Last status change of the executable";
    ProcExeInoMtime "proc.exe_ino.mtime" Time Scalar None "Last modification of the executable";
    ProcExeInoCtimeDurationProcStart "proc.exe_ino.ctime_duration_proc_start" Uint Scalar None "Nanoseconds from the executable's status change to the start of the process";
    ThreadTid "thread.tid" Int Scalar None "Thread id in the host's namespace";
    ThreadCapPermitted "thread.cap_permitted" Text Scalar None "Permitted capabilities, separated by blanks";
    ThreadCapEffective "thread.cap_effective" Text Scalar None "Effective capabilities, separated by blanks";
    ThreadCapInheritable "thread.cap_inheritable" Text Scalar None "Inheritable capabilities, separated by blanks";

    UserUid "user.uid" Uint Scalar None "Effective user id";
    UserName "user.name" Text Scalar None "Name of the effective user";
    UserLoginuid "user.loginuid" Int Scalar None "User id at login, -1 when there was none";
    UserLoginname "user.loginname" Text Scalar None "Name of the user at login";
    GroupGid "group.gid" Uint Scalar None "Effective group id";
    GroupName "group.name" Text Scalar None "Name of the effective group";

    FdNum "fd.num" Int Scalar None "Descriptor number, negative when the call failed";
    FdType "fd.type" Text Scalar None "Type of the descriptor: file, directory, ipv4, ipv6, unix, pipe, ...";
    FdTypechar "fd.typechar" Text Scalar None "Type of the descriptor as one character: f, d, 4, 6, u, p, ...";
    FdName "fd.name" Path Scalar None "Full path of a file, or client->server of a connection";
    FdNameraw "fd.nameraw" Text Scalar None "Path as the program gave it";
    FdDirectory "fd.directory" Path Scalar None "Path up to the last slash";
    FdFilename "fd.filename" Path Scalar None "Path after the last slash";
    FdIno "fd.ino" Uint Scalar None "Inode";
    FdDev "fd.dev" Uint Scalar None "Device";
    FdIp "fd.ip" Ip EitherEnd None "Address of either end";
    FdCip "fd.cip" Ip Scalar None "Address of the client";
    FdSip "fd.sip" Ip Scalar None "Address of the server";
    FdLip "fd.lip" Ip Scalar None "Local address";
    FdRip "fd.rip" Ip Scalar None "Remote address";
    FdCipName "fd.cip.name" Text Scalar None "Host name of the client";
    FdSipName "fd.sip.name" Text Scalar None "Host name of the server";
    FdLipName "fd.lip.name" Text Scalar None "Local host name";
    FdRipName "fd.rip.name" Text Scalar None "Remote host name";
    FdNet "fd.net" Net EitherEnd None "Network that either end is in";
    FdCnet "fd.cnet" Net Scalar None "Network that the client is in";
    FdSnet "fd.snet" Net Scalar None "Network that the server is in";
    FdLnet "fd.lnet" Net Scalar None "Network that the local address is in";
    FdRnet "fd.rnet" Net Scalar None "Network that the remote address is in";
    FdPort "fd.port" Port EitherEnd None "Port of either end";
    FdCport "fd.cport" Port Scalar None "Port of the client";
    FdSport "fd.sport" Port Scalar None "Port of the server";
    FdLport "fd.lport" Port Scalar None "Local port";
    FdRport "fd.rport" Port Scalar None "Remote port";
    FdL4proto "fd.l4proto" Text Scalar None "Transport: tcp, udp, icmp or raw";
    FdSockfamily "fd.sockfamily" Text Scalar None "ip or unix";
    FdIsServer "fd.is_server" Bool Scalar None "Whether the process is the server of the connection";
    FdConnected "fd.connected" Bool Scalar None "Whether the socket is connected";
    FdNameChanged "fd.name_changed" Bool Scalar None "Whether the event changed the addresses of the socket";

    ContainerId "container.id" Text Scalar None "First 12 digits of the container's id, or host";
    ContainerFullId "container.full_id" Text Scalar None "The container's whole id";
    ContainerName "container.name" Text Scalar None "Name of the container";
    ContainerType "container.type" Text Scalar None "Runtime that made the container";
    ContainerImage "container.image" Text Scalar None "Image with its tag or digest";
    ContainerImageId "container.image.id" Text Scalar None "Id of the image";
    ContainerImageRepository "container.image.repository" Text Scalar None "Repository of the image";
    ContainerImageTag "container.image.tag" Text Scalar None "Tag of the image";
    ContainerImageDigest "container.image.digest" Text Scalar None "Digest of the image";
    ContainerPrivileged "container.privileged" Bool Scalar None "Whether the container is privileged";
    ContainerHostPid "container.host_pid" Bool Scalar None "Whether the container shares the host's processes";
    ContainerHostNetwork "container.host_network" Bool Scalar None "Whether the container shares the host's network";
    ContainerHostIpc "container.host_ipc" Bool Scalar None "Whether the container shares the host's IPC";
    ContainerMounts "container.mounts" Text Scalar None "All mounts, separated by blanks";
    ContainerMountSource "container.mount.source" Text Scalar RequiredKey "Source of the mount at that destination";
    ContainerMountDest "container.mount.dest" Text Scalar RequiredKey "Destination of the mount from that source";
    ContainerMountMode "container.mount.mode" Text Scalar RequiredKey "Mode of the mount from that source";
    ContainerMountRdwr "container.mount.rdwr" Text Scalar RequiredKey "Whether the mount from that source is writable";
    ContainerLabel "container.label" Text Scalar RequiredKey "A label of the container";
    ContainerLabels "container.labels" Text Scalar None "All labels of the container";
    ContainerIp "container.ip" Text Scalar None "Address of the container";
    ContainerStartTs "container.start_ts" Time Scalar None "When the container started";
    ContainerDuration "container.duration" Uint Scalar None "Nanoseconds since the container started";

    K8sNsName "k8s.ns.name" Text Scalar None "Kubernetes namespace";
    K8sPodName "k8s.pod.name" Text Scalar None "Kubernetes pod";
    K8sPodUid "k8s.pod.uid" Text Scalar None "UID of the Kubernetes pod";
    K8sPodLabel "k8s.pod.label" Text Scalar RequiredKey "A label of the Kubernetes pod";
    K8sPodLabels "k8s.pod.labels" Text Scalar None "All labels of the Kubernetes pod";
    K8sPodIp "k8s.pod.ip" Text Scalar None "Address of the Kubernetes pod";
    K8sPodSandboxId "k8s.pod.sandbox_id" Text Scalar None "First 12 digits of the id of the pod's sandbox";

    JevtValue "jevt.value" Text Scalar RequiredKey "Value at a JSON pointer of the event";
    JevtObj "jevt.obj" Text Scalar None "The whole JSON event";
    JevtTime "jevt.time" Time Scalar None "Time of the JSON event (UTC)";
    JevtRawtime "jevt.rawtime" Time Scalar None "Time of the JSON event in nanoseconds since the Unix epoch";

    KaAuditid "ka.auditid" Text Scalar None "Id of the audit event";
    KaStage "ka.stage" Text Scalar None "Stage of the request";
    KaAuthDecision "ka.auth.decision" Text Scalar None "Decision of the authorization";
    KaAuthReason "ka.auth.reason" Text Scalar None "Reason of the authorization";
    KaUserName "ka.user.name" Text Scalar None "Who asked";
    KaUserGroups "ka.user.groups" Text List None "Groups of who asked";
    KaImpuserName "ka.impuser.name" Text Scalar None "Who was impersonated";
    KaVerb "ka.verb" Text Scalar None "What was asked for";
    KaUri "ka.uri" Text Scalar None "URI of the request";
    KaUriParam "ka.uri.param" Text Scalar RequiredKey "A query parameter of the URI";
    KaTargetName "ka.target.name" Text Scalar None "Name of the object";
    KaTargetNamespace "ka.target.namespace" Text Scalar None "Namespace of the object";
    KaTargetResource "ka.target.resource" Text Scalar None "Resource of the object";
    KaTargetSubresource "ka.target.subresource" Text Scalar None "Subresource of the object";
    KaReqBindingRole "ka.req.binding.role" Text Scalar None "Role that a binding gives";
    KaReqBindingSubjects "ka.req.binding.subjects" Text List None "Subjects of a binding";
    KaReqConfigmapName "ka.req.configmap.name" Text Scalar None "Name of a config map";
    KaReqConfigmapObj "ka.req.configmap.obj" Text Scalar None "Data of a config map";
    KaReqPodContainersImage "ka.req.pod.containers.image" Text List OptionalIndex "Images of a pod's containers";
    KaReqPodContainersImageRepository "ka.req.pod.containers.image.repository" Text List OptionalIndex "Repositories of the images of a pod's containers";
    KaReqPodContainersPrivileged "ka.req.pod.containers.privileged" Text List OptionalIndex "Whether a pod's containers are privileged";
    KaReqPodEphemeralContainersImage "ka.req.pod.ephemeralContainers.image" Text List OptionalIndex "Images of a pod's ephemeral containers";
    KaReqPodEphemeralContainersPrivileged "ka.req.pod.ephemeralContainers.privileged" Text List OptionalIndex "Whether a pod's ephemeral containers are privileged";
    KaReqPodInitContainersImage "ka.req.pod.initContainers.image" Text List OptionalIndex "Images of a pod's init containers";
    KaReqPodInitContainersPrivileged "ka.req.pod.initContainers.privileged" Text List OptionalIndex "Whether a pod's init containers are privileged";
    KaReqPodHostIpc "ka.req.pod.host_ipc" Text Scalar None "Whether a pod shares the host's IPC";
    KaReqPodHostNetwork "ka.req.pod.host_network" Text Scalar None "Whether a pod shares the host's network";
    KaReqPodHostPid "ka.req.pod.host_pid" Text Scalar None "Whether a pod shares the host's processes";
    KaReqPodVolumesHostpath "ka.req.pod.volumes.hostpath" Text List OptionalIndex "Host paths that a pod mounts";
    KaReqRoleRules "ka.req.role.rules" Text List None "Rules of a role";
    KaReqRoleRulesResources "ka.req.role.rules.resources" Text List OptionalIndex "Resources of a role's rules";
    KaReqRoleRulesVerbs "ka.req.role.rules.verbs" Text List OptionalIndex "Verbs of a role's rules";
    KaReqServicePorts "ka.req.service.ports" Text List OptionalIndex "Ports of a service";
    KaReqServiceType "ka.req.service.type" Text Scalar None "Type of a service";
    KaRespName "ka.resp.name" Text Scalar None "Name of the object in the response";
    KaResponseCode "ka.response.code" Text Scalar None "Status code of the response";
    KaResponseReason "ka.response.reason" Text Scalar None "Reason in the response";
    KaUseragent "ka.useragent" Text Scalar None "User agent of who asked";
    KaSourceips "ka.sourceips" Text List OptionalIndex "Addresses of who asked";
}

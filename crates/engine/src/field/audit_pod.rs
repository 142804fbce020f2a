//! What a pod that was asked for would be.
//!
//! One row a field; the columns are those of [`Info`](super::Info).

macro_rules! audit_pod_fields {
    ([$next:ident $($later:ident)*] $($rows:tt)*) => {
        $next! {
            [$($later)*] $($rows)*

            KaReqContainerImage "ka.req.container.image" Text Scalar None Audit [Deprecated] "Image of the first container";
            KaReqContainerImageRepository "ka.req.container.image.repository" Text Scalar None Audit [Deprecated] "Repository of the first container's image";
            KaReqContainerHostNetwork "ka.req.container.host_network" Text Scalar None Audit [Deprecated] "The same as ka.req.pod.host_network";
            KaReqContainerPrivileged "ka.req.container.privileged" Text Scalar None Audit [Deprecated] "Whether a container is privileged";
            KaReqVolumeHostpath "ka.req.volume.hostpath" Text Scalar RequiredKey Audit [Deprecated] "Whether a volume is that path of the host, or below it where the argument ends in *";
            KaReqPodHostIpc "ka.req.pod.host_ipc" Text Scalar None Audit [] "Whether a pod shares the host's IPC";
            KaReqPodHostNetwork "ka.req.pod.host_network" Text Scalar None Audit [] "Whether a pod shares the host's network";
            KaReqPodHostPid "ka.req.pod.host_pid" Text Scalar None Audit [] "Whether a pod shares the host's processes";
            KaReqPodRunAsUser "ka.req.pod.run_as_user" Text Scalar None Audit [] "User id of a pod";
            KaReqPodRunAsGroup "ka.req.pod.run_as_group" Text Scalar None Audit [] "Group id of a pod";
            KaReqPodFsGroup "ka.req.pod.fs_group" Text Scalar None Audit [] "Group id of a pod's volumes";
            KaReqPodSupplementalGroups "ka.req.pod.supplemental_groups" Text List None Audit [] "Further group ids of a pod";
            KaReqPodVolumesHostpath "ka.req.pod.volumes.hostpath" Text List OptionalIndex Audit [] "Paths of the host that a pod mounts";
            KaReqPodVolumesFlexvolumeDriver "ka.req.pod.volumes.flexvolume_driver" Text List OptionalIndex Audit [] "Flexvolume drivers of a pod's volumes";
            KaReqPodVolumesVolumeType "ka.req.pod.volumes.volume_type" Text List OptionalIndex Audit [] "Types of a pod's volumes";
            KaReqPodContainersName "ka.req.pod.containers.name" Text List OptionalIndex Audit [] "Names of a pod's containers";
            KaReqPodContainersImage "ka.req.pod.containers.image" Text List OptionalIndex Audit [] "Images of a pod's containers";
            KaReqPodContainersImageRepository "ka.req.pod.containers.image.repository" Text List OptionalIndex Audit [] "Repositories of the images of a pod's containers";
            KaReqPodContainersCommand "ka.req.pod.containers.command" Text List OptionalIndex Audit [] "Commands of a pod's containers";
            KaReqPodContainersArgs "ka.req.pod.containers.args" Text List OptionalIndex Audit [] "Arguments of a pod's containers";
            KaReqPodContainersPrivileged "ka.req.pod.containers.privileged" Text List OptionalIndex Audit [] "Whether a pod's containers are privileged";
            KaReqPodContainersAllowPrivilegeEscalation "ka.req.pod.containers.allow_privilege_escalation" Text List OptionalIndex Audit [] "Whether processes of a pod's containers may gain privileges";
            KaReqPodContainersReadOnlyFs "ka.req.pod.containers.read_only_fs" Text List OptionalIndex Audit [] "Whether the file systems of a pod's containers are read-only";
            KaReqPodContainersRunAsUser "ka.req.pod.containers.run_as_user" Text List OptionalIndex Audit [] "User ids of a pod's containers";
            KaReqPodContainersEffRunAsUser "ka.req.pod.containers.eff_run_as_user" Text List OptionalIndex Audit [] "User ids that a pod's containers will start with";
            KaReqPodContainersRunAsGroup "ka.req.pod.containers.run_as_group" Text List OptionalIndex Audit [] "Group ids of a pod's containers";
            KaReqPodContainersEffRunAsGroup "ka.req.pod.containers.eff_run_as_group" Text List OptionalIndex Audit [] "Group ids that a pod's containers will start with";
            KaReqPodContainersProcMount "ka.req.pod.containers.proc_mount" Text List OptionalIndex Audit [] "How /proc is mounted in a pod's containers";
            KaReqPodContainersAddCapabilities "ka.req.pod.containers.add_capabilities" Text List OptionalIndex Audit [] "Capabilities added to a pod's containers";
            KaReqPodContainersHostPort "ka.req.pod.containers.host_port" Text List OptionalIndex Audit [] "Ports of the host that a pod's containers take";
            KaReqPodInitContainersName "ka.req.pod.initContainers.name" Text List OptionalIndex Audit [] "Names of a pod's init containers";
            KaReqPodInitContainersImage "ka.req.pod.initContainers.image" Text List OptionalIndex Audit [] "Images of a pod's init containers";
            KaReqPodInitContainersImageRepository "ka.req.pod.initContainers.image.repository" Text List OptionalIndex Audit [] "Repositories of the images of a pod's init containers";
            KaReqPodInitContainersCommand "ka.req.pod.initContainers.command" Text List OptionalIndex Audit [] "Commands of a pod's init containers";
            KaReqPodInitContainersArgs "ka.req.pod.initContainers.args" Text List OptionalIndex Audit [] "Arguments of a pod's init containers";
            KaReqPodInitContainersPrivileged "ka.req.pod.initContainers.privileged" Text List OptionalIndex Audit [] "Whether a pod's init containers are privileged";
            KaReqPodInitContainersAllowPrivilegeEscalation "ka.req.pod.initContainers.allow_privilege_escalation" Text List OptionalIndex Audit [] "Whether processes of a pod's init containers may gain privileges";
            KaReqPodInitContainersReadOnlyFs "ka.req.pod.initContainers.read_only_fs" Text List OptionalIndex Audit [] "Whether the file systems of a pod's init containers are read-only";
            KaReqPodInitContainersRunAsUser "ka.req.pod.initContainers.run_as_user" Text List OptionalIndex Audit [] "User ids of a pod's init containers";
            KaReqPodInitContainersEffRunAsUser "ka.req.pod.initContainers.eff_run_as_user" Text List OptionalIndex Audit [] "User ids that a pod's init containers will start with";
            KaReqPodInitContainersRunAsGroup "ka.req.pod.initContainers.run_as_group" Text List OptionalIndex Audit [] "Group ids of a pod's init containers";
            KaReqPodInitContainersEffRunAsGroup "ka.req.pod.initContainers.eff_run_as_group" Text List OptionalIndex Audit [] "Group ids that a pod's init containers will start with";
            KaReqPodInitContainersProcMount "ka.req.pod.initContainers.proc_mount" Text List OptionalIndex Audit [] "How /proc is mounted in a pod's init containers";
            KaReqPodInitContainersAddCapabilities "ka.req.pod.initContainers.add_capabilities" Text List OptionalIndex Audit [] "Capabilities added to a pod's init containers";
            KaReqPodInitContainersHostPort "ka.req.pod.initContainers.host_port" Text List OptionalIndex Audit [] "Ports of the host that a pod's init containers take";
            KaReqPodEphemeralContainersName "ka.req.pod.ephemeralContainers.name" Text List OptionalIndex Audit [] "Names of a pod's ephemeral containers";
            KaReqPodEphemeralContainersImage "ka.req.pod.ephemeralContainers.image" Text List OptionalIndex Audit [] "Images of a pod's ephemeral containers";
            KaReqPodEphemeralContainersImageRepository "ka.req.pod.ephemeralContainers.image.repository" Text List OptionalIndex Audit [] "Repositories of the images of a pod's ephemeral containers";
            KaReqPodEphemeralContainersCommand "ka.req.pod.ephemeralContainers.command" Text List OptionalIndex Audit [] "Commands of a pod's ephemeral containers";
            KaReqPodEphemeralContainersArgs "ka.req.pod.ephemeralContainers.args" Text List OptionalIndex Audit [] "Arguments of a pod's ephemeral containers";
            KaReqPodEphemeralContainersPrivileged "ka.req.pod.ephemeralContainers.privileged" Text List OptionalIndex Audit [] "Whether a pod's ephemeral containers are privileged";
            KaReqPodEphemeralContainersAllowPrivilegeEscalation "ka.req.pod.ephemeralContainers.allow_privilege_escalation" Text List OptionalIndex Audit [] "Whether processes of a pod's ephemeral containers may gain privileges";
            KaReqPodEphemeralContainersReadOnlyFs "ka.req.pod.ephemeralContainers.read_only_fs" Text List OptionalIndex Audit [] "Whether the file systems of a pod's ephemeral containers are read-only";
            KaReqPodEphemeralContainersRunAsUser "ka.req.pod.ephemeralContainers.run_as_user" Text List OptionalIndex Audit [] "User ids of a pod's ephemeral containers";
            KaReqPodEphemeralContainersEffRunAsUser "ka.req.pod.ephemeralContainers.eff_run_as_user" Text List OptionalIndex Audit [] "User ids that a pod's ephemeral containers will start with";
            KaReqPodEphemeralContainersRunAsGroup "ka.req.pod.ephemeralContainers.run_as_group" Text List OptionalIndex Audit [] "Group ids of a pod's ephemeral containers";
            KaReqPodEphemeralContainersEffRunAsGroup "ka.req.pod.ephemeralContainers.eff_run_as_group" Text List OptionalIndex Audit [] "Group ids that a pod's ephemeral containers will start with";
            KaReqPodEphemeralContainersProcMount "ka.req.pod.ephemeralContainers.proc_mount" Text List OptionalIndex Audit [] "How /proc is mounted in a pod's ephemeral containers";
            KaReqPodEphemeralContainersAddCapabilities "ka.req.pod.ephemeralContainers.add_capabilities" Text List OptionalIndex Audit [] "Capabilities added to a pod's ephemeral containers";
        }
    };
}

pub(super) use audit_pod_fields;

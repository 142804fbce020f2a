//! Where: the container, as its runtime describes it.
//!
//! One row a field; the columns are those of [`Info`](super::Info).

macro_rules! container_fields {
    ([$next:ident $($later:ident)*] $($rows:tt)*) => {
        $next! {
            [$($later)*] $($rows)*

            ContainerId "container.id" Text Scalar None Syscall [] "First 12 digits of the container's id, or host";
            ContainerFullId "container.full_id" Text Scalar None Syscall [] "The container's whole id";
            ContainerName "container.name" Text Scalar None Syscall [] "Name of the container";
            ContainerImage "container.image" Text Scalar None Syscall [] "Image with its tag or digest";
            ContainerImageId "container.image.id" Text Scalar None Syscall [] "Id of the image";
            ContainerType "container.type" Text Scalar None Syscall [] "Runtime that made the container";
            ContainerPrivileged "container.privileged" Bool Scalar None Syscall [] "Whether the container is privileged";
            ContainerMounts "container.mounts" Text Scalar None Syscall [] "All mounts, each as source:destination:mode:writable:propagation";
            ContainerMount "container.mount" Text Scalar RequiredKeyOrIndex Syscall [] "One mount by its number or source, as in container.mounts";
            ContainerMountSource "container.mount.source" Text Scalar RequiredKeyOrIndex Syscall [] "Source of the mount at that destination";
            ContainerMountDest "container.mount.dest" Text Scalar RequiredKeyOrIndex Syscall [] "Destination of the mount from that source";
            ContainerMountMode "container.mount.mode" Text Scalar RequiredKeyOrIndex Syscall [] "Mode of the mount from that source";
            ContainerMountRdwr "container.mount.rdwr" Text Scalar RequiredKeyOrIndex Syscall [] "Whether the mount from that source is writable";
            ContainerMountPropagation "container.mount.propagation" Text Scalar RequiredKeyOrIndex Syscall [] "Propagation of the mount from that source";
            ContainerImageRepository "container.image.repository" Text Scalar None Syscall [] "Repository of the image";
            ContainerImageTag "container.image.tag" Text Scalar None Syscall [] "Tag of the image";
            ContainerImageDigest "container.image.digest" Text Scalar None Syscall [] "Digest of the image";
            ContainerHealthcheck "container.healthcheck" Text Scalar None Nobody [Deprecated] "Health check of the container";
            ContainerLivenessProbe "container.liveness_probe" Text Scalar None Nobody [Deprecated] "Liveness probe of the container";
            ContainerReadinessProbe "container.readiness_probe" Text Scalar None Nobody [Deprecated] "Readiness probe of the container";
            ContainerStartTs "container.start_ts" Time Scalar None Syscall [] "When the container started";
            ContainerDuration "container.duration" Uint Scalar None Syscall [] "Nanoseconds since the container started";
            ContainerIp "container.ip" Text Scalar None Syscall [] "Address of the container";
            ContainerCniJson "container.cni.json" Text Scalar None Nobody [] "Result of the network plugin as JSON";
            ContainerHostPid "container.host_pid" Bool Scalar None Syscall [] "Whether the container shares the host's processes";
            ContainerHostNetwork "container.host_network" Bool Scalar None Syscall [] "Whether the container shares the host's network";
            ContainerHostIpc "container.host_ipc" Bool Scalar None Syscall [] "Whether the container shares the host's IPC";
            ContainerLabel "container.label" Text Scalar RequiredKey Syscall [] "A label of the container";
            ContainerLabels "container.labels" Text Scalar None Syscall [] "All labels of the container";
        }
    };
}

pub(super) use container_fields;

//! Where: the pod, as the container runtime knows it, and its owners.
//!
//! One row a field; the columns are those of [`Info`](super::Info).

macro_rules! kubernetes_fields {
    ([$next:ident $($later:ident)*] $($rows:tt)*) => {
        $next! {
            [$($later)*] $($rows)*

            K8sPodName "k8s.pod.name" Text Scalar None Syscall [] "Kubernetes pod";
            K8sNsName "k8s.ns.name" Text Scalar None Syscall [] "Kubernetes namespace";
            K8sPodId "k8s.pod.id" Text Scalar None Nobody [] "Old name of k8s.pod.uid";
            K8sPodUid "k8s.pod.uid" Text Scalar None Syscall [] "UID of the Kubernetes pod";
            K8sPodSandboxId "k8s.pod.sandbox_id" Text Scalar None Syscall [] "First 12 digits of the id of the pod's sandbox";
            K8sPodFullSandboxId "k8s.pod.full_sandbox_id" Text Scalar None Syscall [] "Whole id of the pod's sandbox";
            K8sPodLabel "k8s.pod.label" Text Scalar RequiredKey Syscall [] "A label of the Kubernetes pod";
            K8sPodLabels "k8s.pod.labels" Text Scalar None Syscall [] "All labels of the Kubernetes pod";
            K8sPodIp "k8s.pod.ip" Text Scalar None Syscall [] "Address of the Kubernetes pod";
            K8sPodCniJson "k8s.pod.cni.json" Text Scalar None Nobody [] "Result of the network plugin as JSON";
            K8sRcName "k8s.rc.name" Text Scalar None Nobody [Deprecated] "Name of the replication controller";
            K8sRcId "k8s.rc.id" Text Scalar None Nobody [Deprecated] "Id of the replication controller";
            K8sRcLabel "k8s.rc.label" Text Scalar RequiredKey Nobody [Deprecated] "A label of the replication controller";
            K8sRcLabels "k8s.rc.labels" Text Scalar None Nobody [Deprecated] "All labels of the replication controller";
            K8sSvcName "k8s.svc.name" Text Scalar None Nobody [Deprecated] "Name of the service";
            K8sSvcId "k8s.svc.id" Text Scalar None Nobody [Deprecated] "Id of the service";
            K8sSvcLabel "k8s.svc.label" Text Scalar RequiredKey Nobody [Deprecated] "A label of the service";
            K8sSvcLabels "k8s.svc.labels" Text Scalar None Nobody [Deprecated] "All labels of the service";
            K8sNsId "k8s.ns.id" Text Scalar None Nobody [Deprecated] "Id of the namespace";
            K8sNsLabel "k8s.ns.label" Text Scalar RequiredKey Nobody [Deprecated] "A label of the namespace";
            K8sNsLabels "k8s.ns.labels" Text Scalar None Nobody [Deprecated] "All labels of the namespace";
            K8sRsName "k8s.rs.name" Text Scalar None Syscall [Deprecated] "Name of the replica set";
            K8sRsId "k8s.rs.id" Text Scalar None Nobody [Deprecated] "Id of the replica set";
            K8sRsLabel "k8s.rs.label" Text Scalar RequiredKey Nobody [Deprecated] "A label of the replica set";
            K8sRsLabels "k8s.rs.labels" Text Scalar None Nobody [Deprecated] "All labels of the replica set";
            K8sDeploymentName "k8s.deployment.name" Text Scalar None Syscall [Deprecated] "Name of the deployment";
            K8sDeploymentId "k8s.deployment.id" Text Scalar None Nobody [Deprecated] "Id of the deployment";
            K8sDeploymentLabel "k8s.deployment.label" Text Scalar RequiredKey Nobody [Deprecated] "A label of the deployment";
            K8sDeploymentLabels "k8s.deployment.labels" Text Scalar None Nobody [Deprecated] "All labels of the deployment";
            K8sWorkloadKind "k8s.workload.kind" Text Scalar None Syscall [Own] "What made the pod, by its labels: Deployment, StatefulSet, DaemonSet, Job, CronJob, or Pod";
            K8sWorkloadName "k8s.workload.name" Text Scalar None Syscall [Own] "Name of what made the pod, by its labels";
            K8smetaPodName "k8smeta.pod.name" Text Scalar None Nobody [] "Pod, as the API server knows it";
            K8smetaPodUid "k8smeta.pod.uid" Text Scalar None Nobody [] "UID of the pod";
            K8smetaPodLabel "k8smeta.pod.label" Text Scalar RequiredKey Nobody [] "A label of the pod";
            K8smetaPodLabels "k8smeta.pod.labels" Text List None Nobody [] "All labels of the pod";
            K8smetaPodIp "k8smeta.pod.ip" Text Scalar None Nobody [] "Address of the pod";
            K8smetaNsName "k8smeta.ns.name" Text Scalar None Nobody [] "Namespace of the pod";
            K8smetaNsUid "k8smeta.ns.uid" Text Scalar None Nobody [] "UID of the namespace";
            K8smetaNsLabel "k8smeta.ns.label" Text Scalar RequiredKey Nobody [] "A label of the namespace";
            K8smetaNsLabels "k8smeta.ns.labels" Text List None Nobody [] "All labels of the namespace";
            K8smetaDeploymentName "k8smeta.deployment.name" Text Scalar None Nobody [] "Deployment of the pod";
            K8smetaDeploymentUid "k8smeta.deployment.uid" Text Scalar None Nobody [] "UID of the deployment";
            K8smetaDeploymentLabel "k8smeta.deployment.label" Text Scalar RequiredKey Nobody [] "A label of the deployment";
            K8smetaDeploymentLabels "k8smeta.deployment.labels" Text List None Nobody [] "All labels of the deployment";
            K8smetaSvcName "k8smeta.svc.name" Text List None Nobody [] "Services that lead to the pod";
            K8smetaSvcUid "k8smeta.svc.uid" Text List None Nobody [] "UIDs of the services";
            K8smetaSvcLabel "k8smeta.svc.label" Text List RequiredKey Nobody [] "A label of each service";
            K8smetaSvcLabels "k8smeta.svc.labels" Text List None Nobody [] "All labels of the services";
            K8smetaRsName "k8smeta.rs.name" Text Scalar None Nobody [] "Replica set of the pod";
            K8smetaRsUid "k8smeta.rs.uid" Text Scalar None Nobody [] "UID of the replica set";
            K8smetaRsLabel "k8smeta.rs.label" Text Scalar RequiredKey Nobody [] "A label of the replica set";
            K8smetaRsLabels "k8smeta.rs.labels" Text List None Nobody [] "All labels of the replica set";
            K8smetaRcName "k8smeta.rc.name" Text Scalar None Nobody [] "Replication controller of the pod";
            K8smetaRcUid "k8smeta.rc.uid" Text Scalar None Nobody [] "UID of the replication controller";
            K8smetaRcLabel "k8smeta.rc.label" Text Scalar RequiredKey Nobody [] "A label of the replication controller";
            K8smetaRcLabels "k8smeta.rc.labels" Text List None Nobody [] "All labels of the replication controller";
        }
    };
}

pub(super) use kubernetes_fields;

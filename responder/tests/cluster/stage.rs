//! Servers, pods, and plans to try on them.

use std::{fs, path::PathBuf, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{Namespace, Pod},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use lanner_alert::{
    Action, AlertId, Entity, Mode, Outcome, PLAN_SCHEMA, Place, Plan, PlanId, PlanRecord, Priority,
    Step, SubjectRoot, Target,
};
use lanner_bus::{Connection, Identity, Publisher};
use lanner_responder::{
    action::Cluster,
    executor::{Executor, Patience},
    guard::Guard,
    outcomes::Outcomes,
    plan_store::PlanStore,
};
use lanner_testkit::{KubeApiserver, bus::SecuredBus};
use serde_json::json;

pub(crate) const NODE: &str = "node-1";
pub(crate) const CONTAINER: &str =
    "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
const OWNER: &str = "test";

pub(crate) struct Stage {
    pub(crate) api: KubeApiserver,
    pub(crate) bus: SecuredBus,
    pub(crate) client: Client,
    pub(crate) plans: PlanStore,
    executor: Executor,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        // Boxed: with two servers in it, it is too large for a test's stack frame.
        Box::pin(Self::set()).await
    }

    async fn set() -> Self {
        lanner_service::install_crypto();
        let api = tokio::task::spawn_blocking(KubeApiserver::start).await.unwrap();
        let bus = SecuredBus::start(&[NODE, "node-2"]).await;
        let connection = Connection::connect(&bus.connection(&Identity::Responder)).await.unwrap();
        let plans = PlanStore::open(&connection).await.unwrap();
        let executor = executor(&api, connection, plans.clone(), Mode::Enforce).await;
        let stage = Self { client: client_of(&api).await, api, bus, plans, executor };
        stage.namespace("shop", json!({})).await;
        stage
    }

    /// The kubeconfig of the service account that `deploy/` gives the responder, with
    /// the rights that it gives it.
    pub(crate) async fn shipped_rights(&self) -> PathBuf {
        self.namespace("lanner", json!({})).await;
        let role =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kubernetes/base/responder-rbac.yaml");
        self.api.apply(&fs::read_to_string(role).unwrap()).unwrap();
        self.api.kubectl(&["-n", "lanner", "create", "sa", "lanner-responder"]).unwrap();
        self.api.kubeconfig_of_service_account("lanner", "lanner-responder")
    }

    pub(crate) async fn namespace(&self, name: &str, labels: serde_json::Value) {
        let namespace = json!({ "metadata": { "name": name, "labels": labels } });
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &namespace).await.unwrap();
    }

    /// A pod of `node` whose container runs; gives its uid.
    pub(crate) async fn pod(&self, namespace: &str, name: &str, node: &str) -> String {
        self.pod_with(namespace, name, node, json!({})).await
    }

    /// As [`Stage::pod`], with `changes` merged into the pod.
    pub(crate) async fn pod_with(
        &self,
        namespace: &str,
        name: &str,
        node: &str,
        changes: serde_json::Value,
    ) -> String {
        let mut pod = json!({
            "metadata": { "name": name },
            "spec": {
                "nodeName": node,
                "automountServiceAccountToken": false,
                "containers": [{ "name": "app", "image": "app:1" }],
            },
        });
        merge(&mut pod, changes);
        let api = self.pods(namespace);
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let created = api.create(&PostParams::default(), &pod).await.unwrap();
        let status = json!({ "status": {
            "phase": "Running",
            "containerStatuses": [{
                "name": "app", "image": "app:1", "imageID": "", "ready": true, "restartCount": 0,
                "containerID": format!("containerd://{CONTAINER}"),
            }],
        }});
        let params = PatchParams::default();
        api.patch_status(name, &params, &Patch::Merge(status)).await.unwrap();
        created.metadata.uid.unwrap()
    }

    pub(crate) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(crate) fn policies(&self, namespace: &str) -> Api<NetworkPolicy> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The uid of a pod that is there and is not being deleted.
    pub(crate) async fn living(&self, namespace: &str, name: &str) -> Option<String> {
        let pod = self.pods(namespace).get_opt(name).await.unwrap()?;
        pod.metadata.deletion_timestamp.is_none().then_some(pod.metadata.uid?)
    }

    /// Another executor on the same servers.
    pub(crate) async fn another_executor(&self, ceiling: Mode) -> Executor {
        let responder = self.bus.connection(&Identity::Responder);
        let connection = Connection::connect(&responder).await.unwrap();
        executor(&self.api, connection, self.plans.clone(), ceiling).await
    }

    /// Stores the plan and carries it out; gives what its record says then.
    pub(crate) async fn carry_out(&self, plan: Plan) -> PlanRecord {
        let id = plan.id;
        let record = PlanRecord::new(plan, OWNER.to_owned());
        assert!(self.plans.create(&record).await.unwrap(), "the plan is new");
        self.finish(id).await
    }

    pub(crate) async fn finish(&self, id: PlanId) -> PlanRecord {
        let lease = self.plans.lease(id, OWNER, Duration::from_secs(30)).await.unwrap();
        let lease = lease.expect("nobody else has the plan");
        let stored = self.plans.get(id).await.unwrap().unwrap();
        self.executor.finish(stored, OWNER).await.unwrap();
        lease.release().await;
        let record = self.plans.get(id).await.unwrap().unwrap().record;
        assert!(record.is_finished());
        record
    }

    /// Carries the plan out and gives `status: reason`.
    pub(crate) async fn outcome(&self, plan: Plan) -> String {
        said(&self.carry_out(plan).await)
    }

    pub(crate) async fn undo(&self, id: PlanId) -> PlanRecord {
        let mut stored = self.plans.get(id).await.unwrap().unwrap();
        self.plans.ask_undo(&mut stored, "tester").await.unwrap();
        self.finish(id).await
    }
}

async fn executor(
    api: &KubeApiserver,
    connection: Connection,
    plans: PlanStore,
    ceiling: Mode,
) -> Executor {
    let cluster = Cluster::connect(Some(api.kubeconfig_path())).await.unwrap();
    let outcomes =
        Outcomes::new(Publisher::new(connection), SubjectRoot::default(), OWNER.to_owned());
    let patience =
        Patience { unreachable: Duration::from_secs(10), settling: Duration::from_millis(500) };
    Executor::new(plans, cluster, Guard::default(), ceiling, outcomes, patience)
}

pub(crate) async fn client_of(api: &KubeApiserver) -> Client {
    let kubeconfig = Kubeconfig::read_from(api.kubeconfig_path()).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    Client::try_from(config).unwrap()
}

pub(crate) fn said(record: &PlanRecord) -> String {
    let Outcome { status, reason, .. } = record.outcome.as_ref().unwrap();
    match reason {
        Some(reason) => format!("{status}: {reason}"),
        None => status.to_string(),
    }
}

/// An alert's plan about a pod on [`NODE`], in mode enforce.
pub(crate) fn plan(
    namespace: &str,
    pod: &str,
    uid: Option<&str>,
    actions: Vec<(Action, Aim)>,
) -> Plan {
    let alert = AlertId::new();
    let steps = (1..).zip(actions).map(|(line, (action, aim))| Step {
        class: action.class(),
        target: match aim {
            Aim::Pod => Some(Target::Pod {
                namespace: namespace.to_owned(),
                name: pod.to_owned(),
                uid: uid.map(str::to_owned),
            }),
            Aim::Namespace => Some(Target::Namespace { name: namespace.to_owned() }),
            Aim::Nothing => None,
        },
        action,
        at: Place { file: "p.rhai".to_owned(), line, column: 1 },
    });
    Plan {
        schema: PLAN_SCHEMA,
        id: PlanId::of(alert, "p", "v"),
        alert,
        alert_time: Timestamp::now(),
        rule: "r".to_owned(),
        priority: Priority::Critical,
        node: NODE.to_owned(),
        cluster: None,
        restricted: None,
        gateway: None,
        entity: Entity {
            pod_namespace: Some(namespace.to_owned()),
            pod_name: Some(pod.to_owned()),
            pod_uid: uid.map(str::to_owned),
            container_id: Some(CONTAINER.to_owned()),
            ..Entity::default()
        },
        playbook: "p".to_owned(),
        version: "v".to_owned(),
        mode: Mode::Enforce,
        made: Timestamp::now(),
        pods_max: None,
        steps: steps.collect(),
        skip: None,
    }
}

#[derive(Clone)]
pub(crate) enum Aim {
    Pod,
    Namespace,
    Nothing,
}

pub(crate) fn delete() -> (Action, Aim) {
    (Action::Delete { grace_seconds: Some(0) }, Aim::Pod)
}

fn merge(into: &mut serde_json::Value, from: serde_json::Value) {
    match (into, from) {
        (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

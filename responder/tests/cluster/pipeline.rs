//! The daemon itself, from a message on the bus to an outcome on the bus.

use std::{fs, path::PathBuf, time::Duration};

use jiff::Timestamp;
use lanner_alert::{
    Alert, AlertId, Entity, Outcome, Priority, RoutingTags, SCHEMA, Status, SubjectRoot,
};
use lanner_bus::{Connection, Identity, Message, Publisher, Subscription, headers::Headers};
use lanner_testkit::{bus::SecuredBus, eventually_async, process::Process};
use tempfile::TempDir;

use crate::stage::{CONTAINER, NODE, Stage};

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A playbook that does not act on each alert that it answers.
const CAREFUL: &str = r#"
playbook(#{
    name: "careful", owner: "tests", when: #{ rules: ["Careful"] }, mode: "enforce",
    needs: ["pods:label"], dedup: #{ key: ["k8s.pod.name"], window: "10m" },
});
fn respond(alert) {
    if alert.output == "harmless" { skip("harmless"); return; }
    if alert.output == "broken" { throw "broken"; }
    label(alert.pod, #{ "seen": "yes" });
}
"#;

/// A responder process with its settings.
pub(crate) struct Daemon {
    pub(crate) process: Process,
    dir: TempDir,
}

impl Daemon {
    /// Starts one with the shipped playbooks. `extra` goes into its settings.
    pub(crate) fn start(bus: &SecuredBus, kubeconfig: &std::path::Path, extra: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let playbooks = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../playbooks");
        let config = format!(
            "bus:\n{}playbooks: [{}, {}]\nkubeconfig: {}\nlease: 3s\n{extra}\n",
            bus.connection_yaml(&Identity::Responder, "  "),
            playbooks.display(),
            dir.path().join("own").display(),
            kubeconfig.display()
        );
        fs::create_dir(dir.path().join("own")).unwrap();
        fs::write(dir.path().join("own/bad.rhai"), "playbook(#{ nmae: 1 });").unwrap();
        fs::write(dir.path().join("own/careful.rhai"), CAREFUL).unwrap();
        let path = dir.path().join("responder.yaml");
        fs::write(&path, config).unwrap();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_lanner-responder"));
        let args = ["run", "--config", path.to_str().unwrap()];
        let process = Process::spawn(&binary, args, &dir.path().join("log"));
        Self { process, dir }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

pub(crate) fn alert(pod: &str, uid: &str) -> Alert {
    Alert {
        id: AlertId::new(),
        schema: SCHEMA,
        time: Timestamp::now(),
        node: NODE.to_owned(),
        cluster: None,
        hostname: NODE.to_owned(),
        rule: "Terminal shell in container".to_owned(),
        priority: Priority::Notice,
        source: "syscall".to_owned(),
        tags: ["shell".to_owned()].into(),
        output: "a shell".to_owned(),
        output_fields: serde_json::Map::new(),
        entity: Entity {
            pod_namespace: Some("shop".to_owned()),
            pod_name: Some(pod.to_owned()),
            pod_uid: Some(uid.to_owned()),
            container_id: Some(CONTAINER.to_owned()),
            ..Entity::default()
        },
        other: serde_json::Map::new(),
    }
}

/// Publishes as the forwarder of `node` does.
pub(crate) async fn publish(
    bus: &SecuredBus,
    node: &str,
    subject: &str,
    id: &str,
    payload: Vec<u8>,
) {
    let identity = Identity::Forwarder { node: node.to_owned() };
    let connection = Connection::connect(&bus.connection(&identity)).await.unwrap();
    let message = Message {
        subject: subject.to_owned(),
        id: id.to_owned(),
        headers: Headers::default(),
        payload: payload.into(),
    };
    Publisher::new(connection).publish(&message).await.unwrap();
}

pub(crate) async fn publish_alert(bus: &SecuredBus, alert: &Alert) {
    let subject = SubjectRoot::default().alert(alert, &RoutingTags::default());
    let (id, json) = (alert.id.to_string(), alert.to_json().unwrap());
    publish(bus, &alert.node, subject.as_str(), &id, json).await;
}

/// What the responders say, as anybody with the subscriber's certificate hears it.
pub(crate) struct Outcomes(Subscription);

impl Outcomes {
    pub(crate) async fn listen(bus: &SecuredBus) -> Self {
        let connection = Connection::connect(&bus.connection(&Identity::Subscriber)).await.unwrap();
        Self(connection.subscribe("lanner.responses.>").await.unwrap())
    }

    /// The next outcome, with its subject.
    pub(crate) async fn next(&mut self) -> (String, Outcome) {
        let heard = tokio::time::timeout(DEADLINE, self.0.next()).await;
        let heard = heard.expect("an outcome within the deadline").unwrap().unwrap();
        (heard.subject, serde_json::from_slice(&heard.payload).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_alert_to_an_outcome() {
    let stage = Stage::start().await;
    let mut outcomes = Outcomes::listen(&stage.bus).await;
    let daemon = Daemon::start(&stage.bus, &stage.shipped_rights().await, "mode: enforce");
    let uid = stage.pod("shop", "cart", NODE).await;

    let first = alert("cart", &uid);
    publish_alert(&stage.bus, &first).await;
    let (subject, outcome) = outcomes.next().await;
    assert_eq!(subject, "lanner.responses.executed.delete_shell_pod.node-1");
    assert_eq!((outcome.alert, outcome.status), (Some(first.id), Status::Executed));
    let at: Vec<String> = outcome.steps.iter().map(|step| step.step.at.to_string()).collect();
    assert_eq!(at, ["delete-shell-pod.rhai:20:5", "delete-shell-pod.rhai:24:5"]);
    assert_eq!(stage.living("shop", "cart").await, None);

    // The same alert again, past the server's own look at the message's id: it
    // is the plan's id that tells.
    let victim = stage.pod("shop", "other", NODE).await;
    let subject = SubjectRoot::default().alert(&first, &RoutingTags::default());
    publish(&stage.bus, NODE, subject.as_str(), "another id", first.to_json().unwrap()).await;

    // Each of these leads to exactly one outcome; one of the copy would come between.
    let mut old = alert("other", &victim);
    old.time = Timestamp::now() - jiff::SignedDuration::from_mins(6);
    publish_alert(&stage.bus, &old).await;
    let (subject, outcome) = outcomes.next().await;
    assert_eq!(subject, "lanner.responses.refused.delete_shell_pod.node-1");
    let reason = outcome.reason.unwrap();
    assert!(reason.starts_with("the alert is 6m") && reason.contains("more than 5m"), "{reason}");

    let mut of_cluster = alert("coredns", "0");
    of_cluster.entity.pod_namespace = Some("kube-system".to_owned());
    publish_alert(&stage.bus, &of_cluster).await;
    let (_, outcome) = outcomes.next().await;
    assert_eq!(
        outcome.reason.as_deref(),
        Some("delete-shell-pod.rhai:20:5: namespace kube-system is protected")
    );

    let mut on_host = alert("other", &victim);
    on_host.entity.pod_name = None;
    on_host.entity.container_id = None;
    publish_alert(&stage.bus, &on_host).await;
    let (subject, outcome) = outcomes.next().await;
    assert_eq!(subject, "lanner.responses.skipped.delete_shell_pod.node-1");
    assert_eq!(outcome.reason.as_deref(), Some("the alert is about no pod"));

    assert_eq!(stage.living("shop", "other").await, Some(victim));
    let log = daemon.log();
    assert!(log.contains("bad.rhai:1:13: unknown key `nmae`; did you mean `name`?"), "{log}");
    assert!(log.contains("the kubernetes api answers"), "{log}");
    assert!(log.contains("notification"), "{log}");
}

/// The runtime told the sensor nothing: the kernel's container id is enough.
#[tokio::test(flavor = "multi_thread")]
async fn an_alert_without_a_pod_finds_it_by_its_container_on_its_node() {
    let stage = Stage::start().await;
    let mut outcomes = Outcomes::listen(&stage.bus).await;
    let _daemon = Daemon::start(&stage.bus, stage.api.kubeconfig_path(), "mode: enforce");
    let elsewhere = stage.pod("shop", "elsewhere", "node-2").await;

    let mut nameless = alert("none", "none");
    nameless.entity.pod_namespace = None;
    nameless.entity.pod_name = None;
    nameless.entity.pod_uid = None;
    publish_alert(&stage.bus, &nameless).await;
    let (_, outcome) = outcomes.next().await;
    assert_eq!(outcome.reason.as_deref(), Some("the alert is about no pod"));
    assert_eq!(stage.living("shop", "elsewhere").await, Some(elsewhere));

    stage.pod("shop", "cart", NODE).await;
    nameless.id = lanner_alert::AlertId::new();
    publish_alert(&stage.bus, &nameless).await;
    let (_, outcome) = outcomes.next().await;
    assert_eq!(outcome.status, Status::Executed, "{outcome:?}");
    assert_eq!(stage.living("shop", "cart").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_cannot_speak_for_another() {
    let stage = Stage::start().await;
    let mut outcomes = Outcomes::listen(&stage.bus).await;
    let _daemon = Daemon::start(&stage.bus, &stage.shipped_rights().await, "mode: enforce");
    let uid = stage.pod("shop", "cart", NODE).await;

    // The bus lets node-2 publish under its own name only; what it puts into the
    // alert is another matter.
    let victim = alert("cart", &uid);
    let mut own_name = victim.clone();
    own_name.node = "node-2".to_owned();
    let subject = SubjectRoot::default().alert(&own_name, &RoutingTags::default());
    publish(&stage.bus, "node-2", subject.as_str(), "a", victim.to_json().unwrap()).await;
    let (subject, outcome) = outcomes.next().await;
    assert_eq!(subject, "lanner.responses.refused._.node-2");
    assert_eq!(
        outcome.reason.as_deref(),
        Some(r#"the alert names node "node-1", its subject another one: node-2"#)
    );

    // As itself, about a pod of another node.
    publish_alert(&stage.bus, &own_name).await;
    let (_, outcome) = outcomes.next().await;
    assert_eq!(
        outcome.reason.as_deref(),
        Some("pod shop/cart runs on node-1, the alert came from node-2")
    );

    // Not an alert at all: gone after one delivery.
    let subject = SubjectRoot::default().alert(&victim, &RoutingTags::default());
    publish(&stage.bus, NODE, subject.as_str(), "b", b"{\"rule\": 1}".to_vec()).await;
    let (subject, outcome) = outcomes.next().await;
    assert_eq!(subject, "lanner.responses.refused._.node-1");
    assert!(outcome.reason.unwrap().starts_with("not an alert: "));
    assert_eq!(stage.living("shop", "cart").await, Some(uid));
}

/// What makes an alert no news is a plan that is tried, and of its own node.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_an_alert_no_news_without_cause() {
    let stage = Stage::start().await;
    let mut outcomes = Outcomes::listen(&stage.bus).await;
    let _daemon = Daemon::start(&stage.bus, stage.api.kubeconfig_path(), "mode: enforce");
    let uid = stage.pod("shop", "cart", NODE).await;
    let says = |node: &str, output: &str| {
        let mut alert = alert("cart", &uid);
        alert.rule = "Careful".to_owned();
        alert.node = node.to_owned();
        alert.output = output.to_owned();
        alert
    };
    for (node, output, status) in [
        ("node-2", "a lie", Status::Refused),
        (NODE, "harmless", Status::Skipped),
        (NODE, "broken", Status::Failed),
        (NODE, "true", Status::Executed),
        (NODE, "true", Status::Skipped),
    ] {
        publish_alert(&stage.bus, &says(node, output)).await;
        let (_, outcome) = outcomes.next().await;
        assert_eq!(outcome.status, status, "{output:?} of {node}: {:?}", outcome.reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_mode_observes() {
    let stage = Stage::start().await;
    let mut outcomes = Outcomes::listen(&stage.bus).await;
    let _daemon = Daemon::start(&stage.bus, &stage.shipped_rights().await, "cluster: eu-1");
    let uid = stage.pod("shop", "cart", NODE).await;

    publish_alert(&stage.bus, &alert("cart", &uid)).await;
    let (_, outcome) = outcomes.next().await;
    assert_eq!(outcome.reason.as_deref(), Some("the alert is of cluster None, not of eu-1"));

    let mut ours = alert("cart", &uid);
    ours.cluster = Some("eu-1".to_owned());
    publish_alert(&stage.bus, &ours).await;
    let (subject, outcome) = outcomes.next().await;
    assert_eq!(subject, "lanner.responses.observed.delete_shell_pod.node-1");
    assert_eq!(outcome.steps.len(), 2);
    assert_eq!(stage.living("shop", "cart").await, Some(uid));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_playbooks_isolate_and_connect_again() {
    let stage = Stage::start().await;
    let mut outcomes = Outcomes::listen(&stage.bus).await;
    let _daemon = Daemon::start(&stage.bus, &stage.shipped_rights().await, "mode: enforce");
    let uid = stage.pod("shop", "cart", NODE).await;
    let suspect = || {
        let mut alert = alert("cart", &uid);
        alert.rule = "Drop and execute new binary in container".to_owned();
        alert
    };
    publish_alert(&stage.bus, &suspect()).await;
    let (subject, outcome) = outcomes.next().await;
    assert_eq!(outcome.reason, None);
    assert_eq!(subject, "lanner.responses.executed.isolate_suspect.node-1");

    publish_alert(&stage.bus, &suspect()).await;
    let (subject, outcome) = outcomes.next().await;
    assert_eq!(subject, "lanner.responses.skipped.isolate_suspect.node-1");
    let reason = outcome.reason.unwrap();
    assert_eq!(reason, "no news: a plan about the same was made within 10m");
    assert_eq!(stage.plans.list().await.unwrap().len(), 1);

    let mut lateral = alert("cart", &uid);
    lateral.rule = "Contact K8S API Server From Container".to_owned();
    lateral.tags = ["network".to_owned(), "k8s".to_owned()].into();
    publish_alert(&stage.bus, &lateral).await;
    let (subject, outcome) = outcomes.next().await;
    assert_eq!(outcome.reason, None);
    assert_eq!(subject, "lanner.responses.executed.isolate_namespace.node-1");
    stage.policies("shop").get("lanner-isolated-namespace").await.unwrap();

    // And back again, by the same hands.
    let record = outcome.plan.unwrap();
    let mut stored = eventually_async("the plan is finished", DEADLINE, async || {
        stage.plans.get(record).await.unwrap().filter(|stored| stored.record.is_finished())
    })
    .await;
    stage.plans.ask_undo(&mut stored, "tester").await.unwrap();
    let (subject, _) = outcomes.next().await;
    assert_eq!(subject, "lanner.responses.undone.isolate_namespace.node-1");
    assert!(stage.policies("shop").get_opt("lanner-isolated-namespace").await.unwrap().is_none());
}

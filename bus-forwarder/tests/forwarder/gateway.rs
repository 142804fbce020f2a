//! A forwarder that publishes for several nodes.

use std::{fs::OpenOptions, io::Write as _};

use lanner_alert::{Alert, Priority};
use lanner_bus::{
    Connection, Identity,
    gateway::{Gateway, GatewayNodes},
};
use lanner_testkit::{Admission, SecuredBus, eventually_async, small_layout};
use tokio::time::timeout;

use crate::rig::{Rig, SOON, alert_of, falco_line};

#[tokio::test(flavor = "multi_thread")]
async fn alerts_of_its_nodes_are_published_with_its_mark_and_others_are_refused() {
    let mut layout = small_layout();
    let gateway = Gateway { name: "edge".parse().unwrap(), nodes: vec!["s1".into(), "s.2".into()] };
    layout.gateways.insert(gateway.name.clone(), GatewayNodes { nodes: gateway.nodes.clone() });
    let rig = Rig {
        bus: SecuredBus::start_as(Admission::Credentials, &[], layout).await,
        dir: tempfile::tempdir().unwrap(),
    };
    let inputs = format!("{}  pipe: {{path: {}}}\n", rig.socket_input(), rig.pipe().display());
    let running = rig.start_as(
        &Identity::Gateway(gateway),
        &inputs,
        "gateway: {name: edge, nodes: [s1, s.2]}\n",
    );
    eventually_async("the pipe is there", SOON, async || rig.pipe().exists().then_some(())).await;
    let mut pipe = OpenOptions::new().write(true).open(rig.pipe()).unwrap();
    for hostname in ["s1", "stranger", "s1=via=edge", "*"] {
        let line = falco_line(hostname, Priority::Critical).replace("falco-x7k2p", hostname);
        writeln!(pipe, "{line}").unwrap();
    }
    let mut sensor = rig.sensor().await;
    sensor.send(alert_of("s.2", "from a sensor", Priority::Notice)).await;
    sensor.send(alert_of("stranger", "from nobody", Priority::Notice)).await;
    running
        .until("all are taken or refused", |summary| {
            summary.foreign == 4 && summary.taken.iter().sum::<u64>() == 2
        })
        .await;

    let responder = Connection::connect(&rig.bus.connection(&Identity::Responder)).await.unwrap();
    let mut alerts = responder.alerts();
    let mut subjects = Vec::new();
    for _ in 0..2 {
        let delivery = timeout(SOON, alerts.next()).await.expect("no alert");
        let alert = Alert::from_json(delivery.payload()).unwrap();
        assert_eq!(delivery.header("Lanner-Gateway"), Some("edge"));
        subjects.push((delivery.subject().to_owned(), alert.node));
        delivery.ack().await.unwrap();
    }
    subjects.sort();
    assert_eq!(
        subjects,
        [
            ("lanner.alerts.critical.shell.s1.s1=via=edge".to_owned(), "s1".to_owned()),
            ("lanner.alerts.notice.shell.from_a_sensor.s_2=via=edge".to_owned(), "s.2".to_owned()),
        ]
    );
    assert_eq!(running.stop().await, 0);
}

//! Fields and tags of this forwarder's own, and secrets that go: what arrives.

use lanner_alert::{Alert, Priority};
use lanner_testkit::http::Client;
use serde_json::json;

use crate::{
    http::HTTP,
    rig::{NODE, Rig, alert, falco_line, next_alert},
};

const REST: &str = "custom_fields: {env: prod, proc.name: never, home: \"%HOME\"}\ncustom_tags: [team_a, container]\n";

#[tokio::test]
async fn alerts_of_sensor_and_falco_get_the_same() {
    let rig = Rig::new().await;
    let running = rig.start_with(&format!("{HTTP}{}", rig.socket_input()), REST);
    let mut sensor = rig.sensor().await;
    // One of the sensor that names neither cluster nor host, and has a key that nobody knows.
    let mut unknown: serde_json::Value =
        serde_json::from_slice(&alert("sensor", Priority::Notice)).unwrap();
    unknown["hostname"] = "".into();
    unknown.as_object_mut().unwrap().remove("cluster");
    unknown["of_tomorrow"] = json!({"a": [1]});
    sensor.send(unknown.to_string().into_bytes()).await;
    sensor.acknowledged().await;
    let mut alerts = rig.responder().await.alerts();
    let check = |alert: &Alert| {
        assert_eq!(alert.cluster.as_deref(), Some("test"));
        assert_eq!(alert.output_fields["env"], "prod");
        assert_eq!(alert.output_fields["home"], std::env::var("HOME").unwrap());
        assert_eq!(alert.output_fields["proc.name"], "sh", "the rule's own field wins");
        let tags: Vec<&str> = alert.tags.iter().map(String::as_str).collect();
        assert_eq!(tags, ["container", "maturity_stable", "shell", "team_a"]);
    };
    let seen = next_alert(&mut alerts).await;
    check(&seen);
    assert_eq!((seen.hostname.as_str(), &seen.other["of_tomorrow"]), (NODE, &json!({"a": [1]})));

    let client = Client::plain(running.http());
    client.post("/", falco_line("falco", Priority::Notice)).await.unwrap();
    let seen = next_alert(&mut alerts).await;
    check(&seen);
    assert_eq!(seen.hostname, "falco-x7k2p");
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn secrets_reach_neither_the_spool_nor_the_bus_and_the_rest_stays_as_it_came() {
    let mut rig = Rig::new().await;
    rig.bus.server.kill();
    let running = rig.start("");
    let mut sensor = rig.sensor().await;
    let mut secret: serde_json::Value =
        serde_json::from_slice(&alert("secret", Priority::Notice)).unwrap();
    secret["output"] = "mysql -phunter2".into();
    secret["output_fields"]["proc.cmdline"] = "mysql -phunter2".into();
    secret["entity"] = json!({"exe_path": "/opt/--password=hunter3"});
    sensor.send(secret.to_string().into_bytes()).await;
    // Not in the order that we write, with a space: passed on as it came.
    let plain: serde_json::Value =
        serde_json::from_slice(&alert("plain", Priority::Debug)).unwrap();
    let plain = format!(" {plain}");
    sensor.send(plain.clone().into_bytes()).await;
    sensor.acknowledged().await;

    let held = |needle: &str| {
        let files = std::fs::read_dir(rig.spool()).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.is_file());
        files.into_iter().any(|path| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        })
    };
    assert!(held("mysql -p[redacted]") && !held("hunter2"));
    assert!(held(&plain));
    assert_eq!(running.counters.summary().redacted, 1);

    rig.bus.server.restart();
    let mut alerts = rig.responder().await.alerts();
    let seen = next_alert(&mut alerts).await;
    assert_eq!(seen.output, "mysql -p[redacted]");
    assert_eq!(seen.output_fields["lanner.redacted"], json!(["proc.cmdline", "output"]));
    assert_eq!(seen.entity.exe_path.as_deref(), Some("/opt/--password=hunter3"));
    assert_eq!(next_alert(&mut alerts).await.rule, "plain");
    assert_eq!(running.stop().await, 0);
}

#[tokio::test]
async fn an_alert_that_is_too_long_arrives_shortened() {
    let rig = Rig::new().await;
    let running = rig.start_with(HTTP, "");
    let mut long: serde_json::Value =
        serde_json::from_str(&falco_line("long", Priority::Notice)).unwrap();
    long["output_fields"]["proc.cmdline"] = "x".repeat(900_000).into();
    let client = Client::plain(running.http());
    assert_eq!(client.post("/", long.to_string()).await.unwrap().status, 200);
    let seen = next_alert(&mut rig.responder().await.alerts()).await;
    assert_eq!(
        (seen.rule.as_str(), &seen.output_fields[lanner_alert::SHORTENED]),
        ("long", &json!(true))
    );
    assert_eq!(running.counters.summary().shortened, 1);
    assert_eq!(running.stop().await, 0);
}

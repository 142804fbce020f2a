//! Metrics and health over HTTP, of a forwarder that works and of one that
//! something is broken around.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use lanner_alert::Priority;
use lanner_testkit::{
    eventually_async,
    http::{Authority, Client},
};

use crate::{
    heartbeat::status,
    rig::{Rig, SOON, alert},
};

const LISTEN: &str = "metrics: {listen: \"127.0.0.1:0\"}\n";

async fn get(address: Option<SocketAddr>, path: &str) -> (u16, String) {
    let answer = Client::plain(address.unwrap()).get(path).await.unwrap();
    (answer.status.as_u16(), answer.body)
}

/// The values of a page by metric and labels, read strictly: help and type
/// before the values of each metric, each metric and each value once, names
/// of one alphabet, counters and only they with `_total`, a line feed at the end.
fn parse(page: &str) -> BTreeMap<String, f64> {
    assert!(page.ends_with('\n'));
    let mut values = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let (mut helped, mut name, mut is_counter) = (None, "", false);
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (of, text) = help.split_once(' ').expect("a help text");
            assert!(text.ends_with('.'), "{line}: a sentence");
            helped = Some(of);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (of, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(helped, Some(of), "{line}: no help before it");
            assert!(seen.insert(of), "{line}: twice");
            assert!(of.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            (name, is_counter) = (of, kind == "counter");
            assert_eq!(is_counter, of.ends_with("_total"), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let rest = series.strip_prefix(name).expect("of the metric before it");
            assert!(rest.is_empty() || rest.starts_with('{') && rest.ends_with('}'), "{line}");
            let value: f64 = value.parse().expect("a number");
            assert!(!is_counter || value >= 0.0, "{line}");
            assert!(values.insert(series.to_owned(), value).is_none(), "{line}: twice");
        }
    }
    values
}

/// The names in the first column of the page's table of metrics.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../../docs/operations.md");
    let table = page.split("## Metrics of the forwarder\n").nth(1).expect("the section");
    table
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `lanner_forwarder_"))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| format!("lanner_forwarder_{}", name.split('{').next().unwrap()))
        .collect()
}

#[tokio::test]
async fn what_is_counted_is_shown_and_all_of_it_is_documented() {
    let rig = Rig::new().await;
    let running = rig.start(LISTEN);
    let mut sensor = rig.sensor().await;
    sensor.tell(&status()).await;
    sensor.send(alert("one", Priority::Notice)).await;
    sensor.send(b"none".to_vec()).await;
    sensor.acknowledged().await;
    running.until("it is stored", |now| now.acknowledged == 1).await;

    let answer = Client::plain(running.metrics.unwrap()).get("/metrics").await.unwrap();
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let values = parse(&answer.body);
    for (series, value) in [
        ("lanner_forwarder_inputs_alerts_total{input=\"socket\"}", 1.0),
        ("lanner_forwarder_alerts_accepted_total{priority=\"notice\"}", 1.0),
        ("lanner_forwarder_alerts_acknowledged_total", 1.0),
        ("lanner_forwarder_alerts_evicted_total{priority=\"emergency\"}", 0.0),
        ("lanner_forwarder_connected", 1.0),
        ("lanner_forwarder_sensors_connected", 1.0),
        ("lanner_sensor_alerts_made_total{rule=\"a \\\"rule\\\" \\\\ with all\"}", 3.0),
    ] {
        assert_eq!(values.get(series), Some(&value), "{series} in\n{}", answer.body);
    }
    // Within a year, which is how long it is good for.
    let expiry =
        values["lanner_forwarder_certificate_expiry_timestamp_seconds{certificate=\"bus\"}"];
    let day = 86_400.0;
    let now = values["lanner_forwarder_start_time_seconds"];
    assert!((now + 364.0 * day..now + 367.0 * day).contains(&expiry), "{expiry}");

    let shown: BTreeSet<String> = values
        .keys()
        .map(|series| series.split('{').next().unwrap().to_owned())
        .filter(|name| name.starts_with("lanner_forwarder_"))
        .collect();
    assert_eq!(shown, documented());

    drop(sensor);
    eventually_async("a sensor that is gone is not shown any more", SOON, async || {
        let (_, page) = get(running.metrics, "/metrics").await;
        (!page.contains("lanner_sensor_")).then_some(())
    })
    .await;
    assert_eq!(get(running.metrics, "/elsewhere").await.0, 404);
    running.stop().await;
}

#[tokio::test]
async fn it_is_ready_while_there_is_room_and_again_when_the_bus_is_back() {
    let mut rig = Rig::new().await;
    let spool = format!("spool: {{dir: {}, size_bytes_max: 1048576}}\n", rig.spool().display());
    let running = rig.start(&format!("{spool}{LISTEN}"));
    let ready = async || get(running.metrics, "/readyz").await;
    let ok = (200, "ok\n".to_owned());
    assert_eq!(ready().await, ok);

    rig.bus.server.kill();
    let mut sensor = rig.sensor().await;
    sensor.send(alert("waits", Priority::Notice)).await;
    sensor.acknowledged().await;
    assert_eq!(ready().await, ok, "there is room");
    for _ in 0..3000 {
        sensor.send(alert("is too much", Priority::Notice)).await;
    }
    sensor.acknowledged().await;
    let (status, why) = eventually_async("it is full", SOON, async || {
        let told = ready().await;
        (told != ok).then_some(told)
    })
    .await;
    assert_eq!((status, why.as_str()), (503, "the bus is away and the spool is full\n"));
    // A new start would not mend that.
    assert_eq!(get(running.metrics, "/healthz").await, ok);
    let values = parse(&get(running.metrics, "/metrics").await.1);
    assert_eq!(values["lanner_forwarder_connected"], 0.0);
    assert!(values["lanner_forwarder_spool_alerts{priority=\"notice\"}"] > 100.0);
    assert!(values["lanner_forwarder_spool_oldest_age_seconds"] > 0.0);
    assert!(values["lanner_forwarder_alerts_evicted_total{priority=\"notice\"}"] >= 1.0);

    rig.bus.server.restart();
    eventually_async("it is ready again", SOON, async || (ready().await == ok).then_some(())).await;
    running.stop().await;
}

#[tokio::test]
async fn without_its_spools_folder_it_is_not_ready_and_a_new_start_would_not_help() {
    let rig = Rig::new().await;
    let running = rig.start(LISTEN);
    let away = rig.dir.path().join("away");
    std::fs::rename(rig.spool(), &away).unwrap();
    let (status, why) = get(running.metrics, "/readyz").await;
    let expected = format!("the spool cannot be written: {}: No such file", rig.spool().display());
    assert!(status == 503 && why.starts_with(&expected), "{status} {why}");
    assert_eq!(get(running.metrics, "/healthz").await.0, 200);
    std::fs::rename(&away, rig.spool()).unwrap();
    assert_eq!(get(running.metrics, "/readyz").await.0, 200);
    running.stop().await;
}

#[tokio::test]
async fn beyond_loopback_it_asks_for_tls_and_if_told_for_a_certificate() {
    let rig = Rig::new().await;
    let config = rig.config(&rig.socket_input(), "metrics: {listen: \"0.0.0.0:0\"}\n");
    let error = format!("{:#}", config.check().unwrap_err());
    assert!(error.starts_with("metrics: listen: 0.0.0.0:0 is not loopback"), "{error}");

    let authority = Authority::create(&rig.dir.path().join("metrics")).unwrap();
    let (server, prometheus) =
        (authority.issue("server").unwrap(), authority.issue("prometheus").unwrap());
    let running = rig.start(&format!(
        "metrics: {{listen: \"127.0.0.1:0\", tls: {{cert_file: {}, key_file: {}, client_ca_file: {}}}}}\n",
        server.cert_file.display(),
        server.key_file.display(),
        authority.ca_file().display(),
    ));
    let address = running.metrics.unwrap();
    let client = |own| Client::tls(address, &authority.ca_file(), own).unwrap();
    let answer = client(Some(&prometheus)).get("/metrics").await.unwrap();
    assert!(parse(&answer.body).contains_key(
        "lanner_forwarder_certificate_expiry_timestamp_seconds{certificate=\"metrics\"}"
    ));
    client(None).get("/metrics").await.expect_err("nobody without a certificate");
    Client::plain(address).get("/metrics").await.expect_err("nor in plain text");
    running.stop().await;
}

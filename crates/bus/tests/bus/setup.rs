use std::num::{NonZeroU32, NonZeroU64};

use async_nats::jetstream::{self, stream::Compression};
use lanner_bus::{
    Connection, Identity, Outcome, Setup, Standing,
    layout::{Bounds, Layout},
};
use lanner_testkit::SecuredBus;

use crate::access::Bare;

const SHRINK: Setup = Setup { dry_run: false, allow_shrink: true };
const DRY: Setup = Setup { dry_run: true, allow_shrink: false };

async fn admin_of(bus: &SecuredBus) -> Connection {
    Connection::connect(&bus.connection(&Identity::Admin)).await.unwrap()
}

fn lines(standing: &[Standing]) -> Vec<String> {
    standing.iter().map(ToString::to_string).collect()
}

/// What is said of those that are not unchanged.
fn news(standing: &[Standing]) -> Vec<String> {
    let changed = standing.iter().filter(|it| it.outcome != Outcome::Unchanged);
    changed.map(ToString::to_string).collect()
}

#[tokio::test]
async fn setting_up_twice_changes_nothing() {
    let bus = SecuredBus::start_empty(&[]);
    let admin = admin_of(&bus).await;

    let created = [
        "stream LANNER_ALERTS: created",
        "stream LANNER_RESPONSES: created",
        "stream LANNER_DLQ: created",
        "stream KV_LANNER_FLEET: created",
        "bucket LANNER_PLANS: created",
        "bucket LANNER_LOCKS: created",
        "consumer responder of LANNER_ALERTS: created",
    ];
    let unchanged = created.map(|line| line.replace("created", "unchanged"));
    // Twice, as nothing is done.
    for _ in 0..2 {
        assert_eq!(lines(&admin.set_up_as(bus.layout(), DRY).await.unwrap()), created);
    }
    assert_eq!(lines(&admin.set_up(bus.layout()).await.unwrap()), created);
    assert_eq!(lines(&admin.set_up(bus.layout()).await.unwrap()), unchanged);
    assert_eq!(lines(&admin.set_up_as(bus.layout(), DRY).await.unwrap()), unchanged);
}

#[tokio::test]
async fn what_would_keep_less_is_left_as_it_is_unless_that_is_wanted() {
    let bus = SecuredBus::start(&[]).await;
    let admin = admin_of(&bus).await;
    let mut less = bus.layout().clone();
    less.alerts.age_hours_max = NonZeroU32::new(24).unwrap();
    less.alerts.size_bytes_max = NonZeroU64::new(32 << 20).unwrap();
    less.plans.age_hours_max = NonZeroU32::new(1).unwrap();
    less.locks.age_hours_max = NonZeroU32::new(240).unwrap();

    let left = [
        "stream LANNER_ALERTS: left as it is, not max_bytes 67108864 -> 33554432, max_age 168h -> 24h: \
         it would keep less from now on; --allow-shrink does it",
        "bucket LANNER_PLANS: left as it is, not max_age 720h -> 1h: \
         it would keep less from now on; --allow-shrink does it",
        "bucket LANNER_LOCKS: max_age 168h -> 240h",
    ];
    // One that is left does not keep the others from being changed.
    let told = news(&admin.set_up_as(&less, Setup::default()).await.unwrap());
    assert_eq!(told, left);

    let error = admin.set_up(&less).await.unwrap_err().to_string();
    assert!(error.starts_with("stream LANNER_ALERTS: left as it is"), "{error}");

    let told = news(&admin.set_up_as(&less, SHRINK).await.unwrap());
    assert_eq!(
        told[0],
        "stream LANNER_ALERTS: max_bytes 67108864 -> 33554432, max_age 168h -> 24h"
    );
    assert_eq!(news(&admin.set_up(&less).await.unwrap()), [""; 0]);
}

#[tokio::test]
async fn what_an_operator_set_stays() {
    let bus = SecuredBus::start(&[]).await;
    let admin = admin_of(&bus).await;
    let bare = Bare::holding(&bus, &Identity::Admin).await;
    let context = jetstream::new(bare.client.clone());
    let mut stream = context.get_stream("LANNER_ALERTS").await.unwrap();
    let mut config = stream.info().await.unwrap().config.clone();
    config.compression = Some(Compression::S2);
    config.metadata.insert("team".to_owned(), "secops".to_owned());
    config.max_messages = 1_000_000;
    // Ours, and changed by somebody.
    config.description = Some("mine".to_owned());
    config.max_bytes /= 2;
    context.update_stream(config).await.unwrap();

    let told = news(&admin.set_up(bus.layout()).await.unwrap());
    let expected = "stream LANNER_ALERTS: description mine -> alerts, each once, \
                    max_bytes 33554432 -> 67108864";
    assert_eq!(told, [expected]);
    let config = stream.info().await.unwrap().config.clone();
    assert_eq!(config.compression, Some(Compression::S2));
    assert_eq!(config.metadata.get("team").map(String::as_str), Some("secops"));
    assert_eq!((config.max_messages, config.max_bytes), (1_000_000, 67_108_864));
}

#[tokio::test]
async fn what_cannot_be_changed_in_place_is_told_with_the_cure() {
    let bus = SecuredBus::start_empty(&[]);
    let bare = Bare::holding(&bus, &Identity::Admin).await;
    let context = jetstream::new(bare.client.clone());
    let in_memory = jetstream::stream::Config {
        name: "LANNER_RESPONSES".to_owned(),
        subjects: vec!["lanner.responses.>".to_owned()],
        storage: jetstream::stream::StorageType::Memory,
        ..Default::default()
    };
    context.create_stream(in_memory).await.unwrap();

    let told = admin_of(&bus).await.set_up_as(bus.layout(), Setup::default()).await.unwrap();
    let told = lines(&told);
    assert!(
        told[1].ends_with(
            "the server cannot change storage of what is there; save it (`nats stream backup \
             LANNER_RESPONSES FOLDER`), delete it (`nats stream rm LANNER_RESPONSES`) and run \
             setup again"
        ),
        "{}",
        told[1]
    );
    assert_eq!(told[2], "stream LANNER_DLQ: created");
}

#[tokio::test]
async fn what_does_not_fit_is_told_before_and_the_others_are_made() {
    let bus = SecuredBus::start_empty(&[]);
    let admin = admin_of(&bus).await;

    for setup in [DRY, Setup::default()] {
        let told = lines(&admin.set_up_as(&Layout::default(), setup).await.unwrap());
        let expected = "stream LANNER_ALERTS: not created: it needs 1073741824 bytes";
        assert!(told[0].starts_with(expected), "{}", told[0]);
        assert!(told[0].contains("lanner bus permissions --layout"), "{}", told[0]);
        assert_eq!(told[2], "stream LANNER_DLQ: created");
    }
}

#[tokio::test]
async fn more_replicas_than_servers_are_refused_with_the_reason() {
    let bus = SecuredBus::start_empty(&[]);
    let mut layout = bus.layout().clone();
    layout.replicas = NonZeroU32::new(3).unwrap();
    let small = Bounds { size_bytes_max: NonZeroU64::new(1 << 20).unwrap(), ..layout.alerts };
    layout.alerts = small;
    let told = admin_of(&bus).await.set_up_as(&layout, Setup::default()).await.unwrap();
    let told = lines(&told);
    assert!(told[0].contains("replicas > 1 not supported in non-clustered mode"), "{}", told[0]);
}

#[tokio::test]
async fn whoever_is_not_the_admin_is_told_so_at_once() {
    let bus = SecuredBus::start_empty(&[]);
    let reader = Connection::connect(&bus.connection(&Identity::Subscriber)).await.unwrap();
    let error = reader.set_up(bus.layout()).await.unwrap_err();
    assert!(error.to_string().ends_with("to our certificate; connect as the admin"), "{error}");
}

use std::num::NonZeroU32;

use lanner_bus::{Connection, Identity, layout::Layout};
use lanner_testkit::SecuredBus;

#[tokio::test]
async fn setting_up_twice_changes_nothing_and_a_change_is_taken_over() {
    let bus = SecuredBus::start_empty(&[]);
    let admin = Connection::connect(&bus.connection(&Identity::Admin)).await.unwrap();

    let first = admin.set_up(bus.layout()).await.unwrap();
    let names: Vec<String> = first.iter().map(|s| format!("{} {}", s.kind, s.name)).collect();
    assert_eq!(
        names,
        [
            "stream LANNER_ALERTS",
            "stream LANNER_RESPONSES",
            "stream LANNER_DLQ",
            "stream KV_LANNER_FLEET",
            "bucket LANNER_PLANS",
            "bucket LANNER_LOCKS",
            "consumer responder"
        ]
    );
    assert_eq!(admin.set_up(bus.layout()).await.unwrap(), first);

    let mut shorter = bus.layout().clone();
    shorter.alerts.age_hours_max = NonZeroU32::new(24).unwrap();
    assert_eq!(admin.set_up(&shorter).await.unwrap(), first);
}

#[tokio::test]
async fn what_does_not_fit_the_server_is_refused_with_the_reason() {
    let bus = SecuredBus::start_empty(&[]);
    let admin = Connection::connect(&bus.connection(&Identity::Admin)).await.unwrap();

    let error = admin.set_up(&Layout::default()).await.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.to_string(), "cannot create or update stream LANNER_ALERTS");
    assert!(reason.contains("insufficient storage resources"), "{reason}");
}

#[tokio::test]
async fn whoever_is_not_the_admin_is_told_so_at_once() {
    let bus = SecuredBus::start_empty(&[]);
    let reader = Connection::connect(&bus.connection(&Identity::Subscriber)).await.unwrap();
    let error = reader.set_up(bus.layout()).await.unwrap_err();
    assert!(error.to_string().ends_with("to our certificate; connect as the admin"), "{error}");
}

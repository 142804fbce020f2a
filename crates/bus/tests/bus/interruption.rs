//! What a reader of live messages has to know.

use lanner_bus::{Connection, Identity, Interruption};
use lanner_testkit::SecuredBus;

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_when_it_begins_and_when_it_is_over() {
    let mut bus = SecuredBus::start(&[]).await;
    let reader = Connection::connect(&bus.connection(&Identity::Subscriber)).await.unwrap();
    let mut interruptions = reader.interruptions();
    for _ in 0..2 {
        bus.server.kill();
        assert_eq!(interruptions.next().await, Interruption::Lost);
        bus.server.restart();
        assert!(matches!(interruptions.next().await, Interruption::Over { .. }));
    }
}

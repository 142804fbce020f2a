//! An edge cluster whose link to the hub is cut for a while: everything that it
//! stored meanwhile has to arrive there.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use lanner_bus::{Connection, Identity, Message, Publisher, headers::Headers, layout::ALERTS};
use lanner_testkit::HubAndEdges;
use tokio::time::{MissedTickBehavior, interval};

const NODE: &str = "node-1";
const SUBJECT: &str = "lanner.alerts.notice.shell.rule.node-1";
/// Alerts a second, before, while and after the link is cut.
const RATE: u32 = 100;
const BEFORE_AND_AFTER: Duration = Duration::from_secs(5);
const SETTLE_MAX: Duration = Duration::from_secs(60);
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// The numbers at the end.
pub(super) struct Report {
    cut: Duration,
    published: usize,
    at_hub: usize,
    doubled: usize,
    in_order: bool,
    settled: Duration,
}

impl Report {
    pub(super) fn is_good(&self) -> bool {
        self.at_hub == self.published && self.doubled == 0 && self.in_order
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cut, published, at_hub, doubled, in_order, settled } = self;
        write!(
            f,
            "leaf link cut for {cut:?}: {published} stored at the edge, {at_hub} at the hub, {doubled} twice, \
             {}; settled {settled:.1?} after the link was back and the last was stored",
            if *in_order { "in order" } else { "NOT in order" }
        )
    }
}

pub(super) async fn run(cut: Duration) -> anyhow::Result<Report> {
    let world = HubAndEdges::start(&["eu-1"], &[NODE]).await;
    let edge = world.edges.first().context("no edge")?;
    let forwarder = Identity::Forwarder { node: NODE.to_owned() };
    let connection = Connection::connect(&edge.bus.connection(&forwarder)).await?;
    let publisher = Publisher::new(connection);

    let mut published = 0;
    publish(&publisher, &mut published, BEFORE_AND_AFTER).await?;
    edge.link.cut();
    publish(&publisher, &mut published, cut).await?;
    edge.link.mend();
    publish(&publisher, &mut published, BEFORE_AND_AFTER).await?;

    let settling = Instant::now();
    let reader = Connection::connect(&world.hub.connection(&Identity::Subscriber)).await?;
    let mut archive = reader.archive(&edge.name.stream_at_hub(ALERTS)).await?;
    let mut found: Vec<u32> = Vec::new();
    while found.len() < published && settling.elapsed() < SETTLE_MAX {
        match archive.next().await? {
            Some(seen) => found.push(String::from_utf8(seen.payload)?.parse()?),
            None => tokio::time::sleep(LOOK_PAUSE).await,
        }
    }
    let settled = settling.elapsed();
    // What should not come gets the time to.
    tokio::time::sleep(Duration::from_secs(2)).await;
    while let Some(seen) = archive.next().await? {
        found.push(String::from_utf8(seen.payload)?.parse()?);
    }
    let distinct: BTreeSet<u32> = found.iter().copied().collect();
    Ok(Report {
        cut,
        published,
        at_hub: distinct.len(),
        doubled: found.len() - distinct.len(),
        in_order: found.is_sorted(),
        settled,
    })
}

/// Publishes at [`RATE`] for `during`; each is stored at the edge when it returns.
async fn publish(
    publisher: &Publisher,
    published: &mut usize,
    during: Duration,
) -> anyhow::Result<()> {
    let mut beats = interval(Duration::from_secs(1) / RATE);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    while began.elapsed() < during {
        beats.tick().await;
        let message = Message {
            subject: SUBJECT.to_owned(),
            id: format!("id-{published}"),
            headers: Headers::default(),
            payload: Bytes::from(published.to_string()),
        };
        publisher.publish(&message).await?;
        *published += 1;
    }
    Ok(())
}

//! How long one alert takes at a steady rate.
//!
//! The live copy for its tag goes out once the alert is acknowledged: when a subscriber has that,
//! the alert has been stored for at least as long.

use std::{
    io::{Read as _, Write as _},
    sync::mpsc::sync_channel,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use lanner_alert::{
    Alert,
    frame::{self, Frame},
};
use lanner_bus::{Connection, Identity};

use super::{
    super::ground::{Promises, percentile},
    Stage, alert, storm,
};

const RATE: u32 = 1000;
const SECONDS: u32 = 10;
const AIM_MS: f64 = 5.0;
const MEDIAN_MAX_MS: f64 = 50.0;
const ARRIVAL_MAX: Duration = Duration::from_secs(20);

pub(super) fn measure(stage: &Stage, promises: &mut Promises) -> anyhow::Result<()> {
    let total = RATE * SECONDS;
    let (tell, arrivals) = sync_channel(usize::try_from(total)?);
    let subscriber = stage.bus.connection(&Identity::Subscriber);
    let mut subscription = stage.runtime.block_on(async {
        let connection = Connection::connect(&subscriber).await?;
        anyhow::Ok(connection.subscribe("lanner.tags.bench.>").await?)
    })?;
    stage.runtime.spawn(async move {
        while let Ok(Some(seen)) = subscription.next().await {
            let at = Instant::now();
            let number = Alert::from_json(&seen.payload)
                .ok()
                .and_then(|alert| alert.output_fields.get("bench.number")?.as_u64());
            if tell.send((number, at)).is_err() {
                return;
            }
        }
    });
    let _process = stage.start_forwarder()?;
    let mut stream = storm::connect(stage)?;
    let mut acknowledgements = stream.try_clone()?;
    // Only to be read.
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while acknowledgements.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    let mut sent = Vec::new();
    let began = Instant::now();
    for number in 0..total {
        let mut bytes = Vec::new();
        let json = alert(number, &["bench"]);
        frame::encode(&Frame::Alert { sequence: u64::from(number) + 1, json }, &mut bytes)?;
        let due = began + Duration::from_secs(1) / RATE * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        sent.push(Instant::now());
        stream.write_all(&bytes).context("cannot write to the socket")?;
    }
    let mut took_ms = Vec::new();
    for _ in 0..total {
        let (number, at) = arrivals.recv_timeout(ARRIVAL_MAX).context("an alert did not come")?;
        let number = usize::try_from(number.context("an alert without a number")?)?;
        let sent = sent.get(number).context("an alert of another run")?;
        took_ms.push(at.duration_since(*sent).as_secs_f64() * 1000.0);
    }
    let [median, p99, most] = [50, 99, 100].map(|percent| percentile(&took_ms, percent));
    println!(
        "{RATE} alerts/s for {SECONDS} s, socket to acknowledged: p50 {median:.2} ms, p99 {p99:.2} ms (aim: {AIM_MS}), most {most:.2} ms"
    );
    promises.hold(median <= MEDIAN_MAX_MS, || format!("an alert takes {median:.1} ms"));
    Ok(())
}

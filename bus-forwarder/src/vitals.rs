//! How this forwarder and the sensor beside it are: what heartbeats, metrics
//! and health are made of.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use lanner_alert::{
    Drops, HEARTBEAT_SCHEMA, Heartbeat, Routing, SensorBrief, SensorStatus, SpoolBrief,
};
use lanner_bus::Connection;

use crate::{
    Spool, SpoolConfig,
    counters::{Counters, Summary},
    pulse::Pulse,
    sensors::Sensors,
};

/// A sensor may take so long to load the kernel's programs, and its rules.
const SENSOR_START_MAX: Duration = Duration::from_secs(60);
/// A loss is told for so long after the last one.
const LOSS_TOLD_FOR: Duration = Duration::from_secs(5 * 60);
/// Alerts that wait longer than this are late, not only on their way.
const SPOOL_BEHIND_SECONDS: u64 = 60;
/// The spool is full when no more than one part of so many is free.
const ROOM_SHARE: u64 = 8;

/// What is known of this node.
#[derive(Debug)]
pub(crate) struct Vitals {
    pub(crate) node: String,
    pub(crate) cluster: Option<String>,
    pub(crate) heartbeat: Duration,
    /// Whether there should be a sensor.
    pub(crate) wants_sensor: bool,
    pub(crate) routing: Routing,
    pub(crate) counters: Arc<Counters>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) spool_config: SpoolConfig,
    pub(crate) sensors: Arc<Sensors>,
    /// Our certificates, each with what it is for.
    pub(crate) certificates: Vec<(&'static str, PathBuf)>,
    pub(crate) pump: Pulse,
    pub(crate) beating: Pulse,
    pub(crate) started: Timestamp,
    pub(crate) up_since: Instant,
    pub(crate) connection: OnceLock<Connection>,
    pub(crate) losses: Mutex<Losses>,
}

/// Which losses are fresh.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    events: Growth,
    alerts: Growth,
}

/// A count that is looked at now and then.
#[derive(Debug, Default)]
struct Growth {
    seen: u64,
    grew: Option<Instant>,
}

impl Growth {
    /// Whether it grew not long ago. It begins anew when its process does.
    fn is_fresh(&mut self, count: u64, now: Instant) -> bool {
        if count > self.seen {
            self.grew = Some(now);
        }
        self.seen = count;
        self.grew.is_some_and(|grew| now.duration_since(grew) < LOSS_TOLD_FOR)
    }
}

impl Vitals {
    /// Whether the bus can be reached just now.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.get().is_some_and(Connection::is_connected)
    }

    /// The loops that hang. A new start mends that; a bus or a disk that is away
    /// it does not.
    pub(crate) fn hanging(&self) -> Vec<String> {
        let hanging = [&self.pump, &self.beating].into_iter().filter_map(Pulse::hanging);
        hanging.map(|name| format!("{name} hangs")).collect()
    }

    /// Why no alert should be brought here just now. Writes to the disk, and
    /// so may block.
    pub(crate) fn unready(&self) -> Vec<String> {
        let mut why = self.hanging();
        if let Err(error) = self.try_disk() {
            let dir = self.spool_config.dir.display();
            why.push(format!("the spool cannot be written: {dir}: {error}"));
        }
        let bound = self.spool_config.size_bytes_max.get();
        let room = bound.saturating_sub(self.spool.standing().size_bytes);
        // What goes for new alerts goes by segments: it is never quite full.
        if !self.is_connected() && room <= bound / ROOM_SHARE {
            why.push("the bus is away and the spool is full".to_owned());
        }
        why
    }

    /// Whether the spool's folder takes a file: what is open already can be
    /// written long after it has gone.
    fn try_disk(&self) -> io::Result<()> {
        let path = self.spool_config.dir.join(".probe");
        fs::write(&path, b"ready?")?;
        fs::remove_file(&path)
    }

    /// Bytes that wait, and for how long the oldest has.
    fn spool_brief(&self) -> SpoolBrief {
        let standing = self.spool.standing();
        // An empty segment is no alert.
        let size_bytes = if standing.alerts() == 0 { 0 } else { standing.size_bytes };
        SpoolBrief { size_bytes, oldest_age_seconds: standing.oldest_age.map(|age| age.as_secs()) }
    }

    /// What to tell of this node now.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        let status = self.sensors.status();
        let drops = drops(&self.counters.summary(), status.as_deref());
        let spool = self.spool_brief();
        Heartbeat {
            schema: HEARTBEAT_SCHEMA,
            node: self.node.clone(),
            cluster: self.cluster.clone(),
            time: Timestamp::now(),
            interval_seconds: u32::try_from(self.heartbeat.as_secs()).unwrap_or(u32::MAX),
            forwarder_version: env!("CARGO_PKG_VERSION").to_owned(),
            sensor: status.map(|status| SensorBrief {
                version: status.version.clone(),
                rules_hash: status.rules_hash.clone(),
                rules: status.rules,
            }),
            drops,
            spool,
            troubles: self.troubles(drops, spool, Instant::now()),
        }
    }

    fn troubles(&self, drops: Drops, spool: SpoolBrief, now: Instant) -> Vec<String> {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let alerts = drops.sensor_alerts.saturating_add(drops.forwarder_alerts);
        let sensor_away = self.wants_sensor
            && self.sensors.connected() == 0
            && now.duration_since(self.up_since) > SENSOR_START_MAX;
        let behind = spool.oldest_age_seconds.is_some_and(|age| age > SPOOL_BEHIND_SECONDS);
        [
            ("sensor-away", sensor_away),
            ("losing-events", losses.events.is_fresh(drops.events, now)),
            ("losing-alerts", losses.alerts.is_fresh(alerts, now)),
            ("spool-behind", behind),
        ]
        .into_iter()
        .filter(|(_, is_so)| *is_so)
        .map(|(trouble, _)| trouble.to_owned())
        .collect()
    }
}

fn drops(summary: &Summary, sensor: Option<&SensorStatus>) -> Drops {
    Drops {
        events: sensor.map_or(0, |status| status.events_lost),
        sensor_alerts: sensor.map_or(0, |status| status.alerts_lost),
        forwarder_alerts: summary.evicted.iter().sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_for_a_while() {
        let (mut growth, start) = (Growth::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!growth.is_fresh(0, start));
        assert!(growth.is_fresh(3, after(1)));
        assert!(growth.is_fresh(3, after(200)));
        assert!(!growth.is_fresh(3, after(302)));
        // Who counts has started anew, and lost something since.
        assert!(!growth.is_fresh(0, after(303)));
        assert!(growth.is_fresh(1, after(304)));
    }
}

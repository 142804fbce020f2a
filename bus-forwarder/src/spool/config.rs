use std::{
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use serde::Deserialize;

/// Less than a few of the longest alerts of each priority is no spool.
const SIZE_BYTES_MIN: u64 = 1 << 20;
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
const SEGMENT_BYTES_MAX: u64 = 4 << 20;

/// Where alerts wait until the bus has them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolConfig {
    /// A folder of this forwarder alone. Made with mode 0700 if it is not there.
    pub dir: PathBuf,
    /// Most bytes in it. When it is full, the oldest alerts of the least urgent
    /// priority are dropped and counted.
    pub size_bytes_max: NonZeroU64,
    /// What an alert that was taken on survives.
    pub durability: Durability,
    /// With `durability: fast`, how often the disk is made to have what still
    /// waits.
    pub sync_interval_seconds: NonZeroU32,
}

/// What an alert that was taken on survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// The forwarder's end, however it ends; a power cut after two intervals of
    /// syncing.
    Fast,
    /// A power cut, too: it is taken on once the disk has it.
    PowerSafe,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("/var/lib/lanner/spool"),
            size_bytes_max: NonZeroU64::new(256 << 20).expect("256 MiB is not zero"),
            durability: Durability::Fast,
            sync_interval_seconds: NonZeroU32::MIN,
        }
    }
}

impl SpoolConfig {
    /// # Errors
    /// The message names the key and what to write instead.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.dir.is_absolute(), "spool.dir: not an absolute path");
        anyhow::ensure!(
            self.size_bytes_max.get() >= SIZE_BYTES_MIN,
            "spool.size_bytes_max: less than {SIZE_BYTES_MIN}"
        );
        Ok(())
    }

    /// Alerts are dropped by as many bytes at once.
    pub(super) fn segment_bytes(&self) -> u64 {
        (self.size_bytes_max.get() / 64).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
    }

    pub(super) fn sync_interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.sync_interval_seconds.get()))
    }
}

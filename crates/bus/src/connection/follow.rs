//! Follows the files of a connection: a new certificate, authority or
//! credential is used within seconds, by connecting anew.
//!
//! What was published and not acknowledged meanwhile is sent again, as after any
//! lost connection. Files that do not make sense together yet (one is written,
//! the other not) change nothing.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_nats::Client;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::{ConnectionConfig, tls::Current};
use crate::{Cause, InvalidConnection, credentials::Credentials};

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_secs(2);

/// The credentials of now.
#[derive(Clone, Debug)]
pub(super) struct Shown(Arc<RwLock<Option<Arc<Credentials>>>>);

impl Shown {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self(Arc::new(RwLock::new(credentials.map(Arc::new))))
    }

    pub(super) fn get(&self) -> Option<Arc<Credentials>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, credentials: Option<Credentials>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = credentials.map(Arc::new);
    }
}

/// What a connection shows to the server.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) tls: Current,
    pub(super) shown: Shown,
}

/// Ends with the last clone of its connection.
#[derive(Debug)]
pub(super) struct Follower(AbortHandle);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Follower {
    /// `seen` is how the files looked before they were read.
    pub(super) fn start(
        config: ConnectionConfig,
        proof: Proof,
        mut seen: Vec<Look>,
        client: Client,
    ) -> Self {
        let task = tokio::spawn(async move {
            let mut told = false;
            loop {
                tokio::time::sleep(PAUSE).await;
                let now = look(&config);
                if now == seen {
                    continue;
                }
                match config.load() {
                    Ok(loaded) => {
                        proof.tls.replace(loaded.material);
                        proof.shown.replace(loaded.credentials);
                        (seen, told) = (now, false);
                        info!("certificates or credentials changed: connects to the bus anew");
                        if let Err(error) = client.force_reconnect().await {
                            // The connection is being closed; nothing is to be renewed.
                            info!(%error, "no connection to renew");
                        }
                    }
                    // Looked at again at the next turn, whether they change or not.
                    Err(error) if !told => {
                        told = true;
                        tell(&error);
                    }
                    Err(_) => {}
                }
            }
        });
        Self(task.abort_handle())
    }
}

fn tell(error: &InvalidConnection) {
    warn!(
        error = %Cause::of(error),
        "certificates or credentials changed and are not usable together yet: goes on with the old ones"
    );
}

/// Enough of a file to see that it is another one. Links are followed: a
/// mounted Kubernetes secret is changed by pointing a link elsewhere.
pub(super) type Look = Option<(u64, u64, i64, i64, u64)>;

pub(super) fn look(config: &ConnectionConfig) -> Vec<Look> {
    let look_at = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.dev(), file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
    };
    [&config.ca_file, &config.cert_file, &config.key_file, &config.creds_file]
        .into_iter()
        .map(|path: &Option<PathBuf>| path.as_deref().and_then(look_at))
        .collect()
}

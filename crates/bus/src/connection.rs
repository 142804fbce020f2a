//! One connection to the bus, kept for as long as the process lives.

mod config;
mod follow;
mod link;
mod tls;

use std::{sync::Arc, time::Duration};

use async_nats::{Auth, AuthError, Client, ConnectOptions, jetstream};
use tokio::{
    sync::{broadcast, watch},
    time::timeout,
};
use tracing::{info, warn};

pub(crate) use self::config::host_and_port;
pub use self::config::{ConnectionConfig, InvalidConnection};
pub(crate) use self::link::{State, without_restricted};
use self::{
    follow::{Follower, Look, Proof, Shown, look},
    link::Links,
    tls::Current,
};
use crate::{Cause, headers::Headers};

/// How long one attempt to connect may take.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a live publish may wait for room in the connection's queue.
const LIVE_PUBLISH_MAX: Duration = Duration::from_secs(1);

/// A connection to the bus. Clones share it.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    links: Links,
    /// Follows the files for as long as there is a clone of us.
    _follower: Option<Arc<Follower>>,
}

/// What it takes to connect.
struct Prepared {
    options: ConnectOptions,
    links: Links,
    proof: Option<(Proof, Vec<Look>)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The settings cannot work; trying again does not help.
    #[error(transparent)]
    Invalid(#[from] InvalidConnection),
    /// The server was not reached, or did not let us in.
    #[error("cannot connect to {servers}")]
    Refused {
        /// The addresses that were tried.
        servers: String,
        /// What the last of them answered.
        source: Cause,
    },
}

/// Why a message was not handed to the server.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// Nobody would have got it.
    #[error("not connected to the bus")]
    NotConnected,
    /// The server cannot keep up.
    #[error("the connection's queue is full")]
    Busy,
    /// The message cannot be sent at all.
    #[error("cannot publish to {subject}")]
    Refused {
        /// Where it was to go.
        subject: String,
        /// Why not.
        source: Cause,
    },
}

impl Connection {
    /// Connects, or says why not.
    ///
    /// # Errors
    /// When the settings are wrong or the server cannot be reached now. Once
    /// connected, a lost connection is made anew for ever.
    pub async fn connect(config: &ConnectionConfig) -> Result<Self, ConnectError> {
        let connection = Self::attempt(config, prepare(config)?).await?;
        // The library tells of it a little later. If the connection is lost
        // before that, nobody has to know: it is made anew.
        let _ = timeout(CONNECT_MAX, connection.connected()).await;
        Ok(connection)
    }

    /// Connects, and keeps trying while the server is away: for a daemon, which
    /// has to outlive the server's restart and may start before it.
    ///
    /// # Errors
    /// When the settings are wrong; that, no retry mends.
    pub async fn open(config: &ConnectionConfig) -> Result<Self, ConnectError> {
        match Self::connect(config).await {
            Ok(connection) => Ok(connection),
            Err(error @ ConnectError::Invalid(_)) => Err(error),
            Err(ConnectError::Refused { servers, source }) => {
                warn!(%servers, error = %source, "cannot connect to the bus yet, keeps trying");
                let mut prepared = prepare(config)?;
                prepared.options = prepared.options.retry_on_initial_connect();
                Self::attempt(config, prepared).await
            }
        }
    }

    async fn attempt(config: &ConnectionConfig, prepared: Prepared) -> Result<Self, ConnectError> {
        let Prepared { options, links, proof } = prepared;
        let client = options.connect(config.servers.as_slice()).await.map_err(|error| {
            ConnectError::Refused { servers: config.servers.join(", "), source: Cause::of(&error) }
        })?;
        let jetstream = jetstream::new(client.clone());
        let follower = proof.map(|(proof, seen)| {
            Arc::new(Follower::start(config.clone(), proof, seen, client.clone()))
        });
        Ok(Self { client, jetstream, links, _follower: follower })
    }

    /// Whether the server can be reached just now.
    pub fn is_connected(&self) -> bool {
        self.links.is_up()
    }

    /// For how long it could be reached without a break; `None` if it cannot.
    pub fn connected_for(&self) -> Option<Duration> {
        self.links.up_for()
    }

    /// Returns once the server can be reached.
    pub async fn connected(&self) {
        self.links.up().await;
    }

    /// Counts the connections: another number means that what was under way on
    /// the one before may be lost.
    pub(crate) fn generation(&self) -> watch::Receiver<State> {
        self.links.state()
    }

    /// The subjects that the server refuses to us, from the call on.
    pub(crate) fn refusals(&self) -> broadcast::Receiver<Arc<str>> {
        self.links.refusals()
    }

    /// Returns when the server refuses `subject` to us.
    pub(crate) fn refusal_of(&self, subject: &str) -> impl Future<Output = ()> + use<> {
        self.links.refusal_of(subject)
    }

    /// Returns the first subject that `is_ours` and that the server refuses to us.
    pub(crate) fn refusal<F: Fn(&str) -> bool>(
        &self,
        is_ours: F,
    ) -> impl Future<Output = Arc<str>> + use<F> {
        self.links.refusal(is_ours)
    }

    /// Counts how often a subscription of ours lost messages.
    pub(crate) fn lost_by_slowness(&self) -> watch::Receiver<u64> {
        self.links.lost_by_slowness()
    }

    /// Returns the first subject of JetStream's own that the server refuses to us.
    pub(crate) async fn refusal_of_jetstream(&self) -> String {
        self.links.refusal(|subject| subject.starts_with("$JS.")).await.to_string()
    }

    /// Publishes to whoever listens now; nothing is stored, nothing acknowledged.
    ///
    /// # Errors
    /// When there is no connection, or it has been too busy for a second.
    pub async fn publish_live(
        &self,
        subject: &str,
        headers: Headers,
        payload: bytes::Bytes,
    ) -> Result<(), LiveError> {
        if !self.is_connected() {
            return Err(LiveError::NotConnected);
        }
        let publish =
            self.client.publish_with_headers(subject.to_owned(), headers.into_map(), payload);
        match timeout(LIVE_PUBLISH_MAX, publish).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(LiveError::Refused { subject: subject.to_owned(), source: Cause::of(&error) })
            }
            Err(_) => Err(LiveError::Busy),
        }
    }

    /// Sends what is still queued, for at most `within`.
    pub async fn close(&self, within: Duration) {
        if self.is_connected() && !matches!(timeout(within, self.client.flush()).await, Ok(Ok(())))
        {
            info!("the bus did not take everything before the end");
        }
    }
}

fn prepare(config: &ConnectionConfig) -> Result<Prepared, ConnectError> {
    // Before they are read: a change in between is seen.
    let seen = look(config);
    let checked = config.check()?;
    let links = Links::new(config.servers.join(", "));
    let events = links.clone();
    let shown = Shown::new(None);
    let mut options = match checked.loaded.as_ref().and_then(|loaded| loaded.credentials.as_ref()) {
        None => ConnectOptions::new(),
        Some(_) => {
            let shown = shown.clone();
            ConnectOptions::with_auth_callback(move |nonce| {
                let auth = sign(&shown, &nonce);
                async move { auth }
            })
        }
    };
    options = options
        .name(&checked.name)
        .custom_inbox_prefix(checked.inbox_prefix)
        .connection_timeout(CONNECT_MAX)
        .ping_interval(Duration::from_secs(10))
        .max_reconnects(None)
        .event_callback(move |event| {
            let events = events.clone();
            async move { events.take_in(event) }
        });
    let Some(loaded) = checked.loaded else {
        return Ok(Prepared { options, links, proof: None });
    };
    let tls = Current::new(loaded.material);
    shown.replace(loaded.credentials);
    let client_config = tls.client_config().map_err(InvalidConnection::Tls)?;
    options = options.require_tls(true).tls_first().tls_client_config(client_config);
    Ok(Prepared { options, links, proof: Some((Proof { tls, shown }, seen)) })
}

/// Proves who we are, by the credentials of now.
fn sign(shown: &Shown, nonce: &[u8]) -> Result<Auth, AuthError> {
    let credentials = shown.get().ok_or_else(|| AuthError::new("no credentials"))?;
    let mut auth = Auth::new();
    auth.signature = Some(credentials.sign(nonce).map_err(AuthError::new)?);
    auth.jwt = Some(credentials.token.clone());
    Ok(auth)
}

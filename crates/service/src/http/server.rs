use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{StatusCode, header::CONTENT_LENGTH},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    config::HttpConfig,
    idle::{Idle, Place, Room},
    tls::Certificates,
};

/// After an error of the listener itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a stop waits for requests that are under way.
const STOP_MAX: Duration = Duration::from_secs(5);
/// How much of a request's head is held; hyper's least is 8 KiB.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// What a peer may make the server hold or wait for.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Open at a time.
    pub connections_max: usize,
    /// For the TLS handshake.
    pub handshake_max: Duration,
    /// For the head of a request, and between two requests.
    pub head_max: Duration,
    /// From a request's head to its answer, its body included.
    pub request_max: Duration,
    /// Of one request's body.
    pub body_bytes_max: usize,
    /// Of a connection, however busy it is: its peer then makes another.
    pub age_max: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            handshake_max: Duration::from_secs(10),
            head_max: Duration::from_secs(15),
            request_max: Duration::from_secs(10),
            body_bytes_max: 64 << 10,
            age_max: Duration::from_secs(600),
        }
    }
}

/// What a server did since it started.
#[derive(Debug, Default)]
pub struct HttpCounters {
    connections: AtomicU64,
    made_room: AtomicU64,
    handshakes_failed: AtomicU64,
    broken: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpSummary {
    /// Accepted.
    pub connections: u64,
    /// Closed because others needed the room.
    pub made_room: u64,
    /// No TLS, too slow, or without a certificate that we take.
    pub handshakes_failed: u64,
    /// Ended in the middle of a request: too slow, not HTTP, or gone.
    pub broken: u64,
}

impl HttpCounters {
    /// The counters now.
    pub fn summary(&self) -> HttpSummary {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HttpSummary {
            connections: get(&self.connections),
            made_room: get(&self.made_room),
            handshakes_failed: get(&self.handshakes_failed),
            broken: get(&self.broken),
        }
    }
}

/// A listening server, not yet serving.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    certificates: Option<Arc<Certificates>>,
    limits: HttpLimits,
    counters: Arc<HttpCounters>,
}

impl HttpServer {
    /// Listens. `default` is the address unless `config` names one.
    ///
    /// To be called within a Tokio runtime.
    ///
    /// # Errors
    /// As [`HttpConfig::check`], or when the address cannot be listened at.
    pub fn bind(
        config: &HttpConfig,
        default: SocketAddr,
        limits: HttpLimits,
    ) -> anyhow::Result<Self> {
        config.check(default)?;
        let certificates = config.tls.as_ref().map(Certificates::read).transpose()?.map(Arc::new);
        let address = config.address(default);
        let listener = std::net::TcpListener::bind(address)
            .and_then(|listener| {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            })
            .with_context(|| format!("listen: cannot listen at {address}"))?;
        Ok(Self { listener, certificates, limits, counters: Arc::default() })
    }

    /// Where it listens; tells the port that port 0 became.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What it does, while it serves.
    pub fn counters(&self) -> Arc<HttpCounters> {
        self.counters.clone()
    }

    /// Answers with `router` until `stop`, and then what is under way.
    pub async fn run(self, router: Router, stop: CancellationToken) {
        let Self { listener, certificates, limits, counters } = self;
        let room = Arc::new(Semaphore::new(limits.connections_max));
        let idle = Arc::new(Idle::default());
        let router = router
            .layer(DefaultBodyLimit::max(limits.body_bytes_max))
            .layer(middleware::from_fn(move |request, next| bounded(limits, request, next)));
        let mut connections = JoinSet::new();
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _peer)) => stream,
                    Err(error) => {
                        debug!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                Some(_done) = connections.join_next() => continue,
                () = stop.cancelled() => break,
            };
            add(&counters.connections);
            let Some(room) = find_room(&room, &idle, &counters).await else { break };
            let connection = Connection {
                router: router.clone(),
                place: Arc::new(idle.enter()),
                limits,
                counters: counters.clone(),
                stop: stop.clone(),
                _room: room,
            };
            connections.spawn(connection.serve(stream, certificates.clone()));
        }
        drop(listener);
        let finish = async { while connections.join_next().await.is_some() {} };
        if timeout(STOP_MAX, finish).await.is_err() {
            warn!(connections = connections.len(), "HTTP requests under way were cut off");
        }
    }
}

/// Room for one more connection; `None` only when the server is gone.
async fn find_room(
    room: &Arc<Semaphore>,
    idle: &Idle,
    counters: &HttpCounters,
) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(room) = room.clone().try_acquire_owned() {
            return Some(room);
        }
        match idle.make_room(Instant::now()) {
            Room::Told => add(&counters.made_room),
            Room::Soon(rest) => match timeout(rest, room.clone().acquire_owned()).await {
                Ok(room) => return room.ok(),
                Err(_elapsed) => continue,
            },
            Room::Nobody => {}
        }
        // Who was told to go gives its room back as soon as its task runs.
        return room.clone().acquire_owned().await.ok();
    }
}

/// One accepted connection.
struct Connection {
    router: Router,
    place: Arc<Place>,
    limits: HttpLimits,
    counters: Arc<HttpCounters>,
    stop: CancellationToken,
    _room: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream, certificates: Option<Arc<Certificates>>) {
        // Answers are small: waiting to fill a packet only delays them. Where
        // it cannot be set, they are late.
        let _ = stream.set_nodelay(true);
        let go = self.place.go.clone();
        let work = async {
            match certificates {
                None => self.answer(stream).await,
                Some(certificates) => {
                    let handshake = certificates.acceptor().accept(stream);
                    match timeout(self.limits.handshake_max, handshake).await {
                        Ok(Ok(stream)) => self.answer(stream).await,
                        Ok(Err(error)) => {
                            debug!(%error, "a TLS handshake failed");
                            add(&self.counters.handshakes_failed);
                        }
                        Err(_elapsed) => add(&self.counters.handshakes_failed),
                    }
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = go.cancelled() => {}
        }
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) {
        let place = self.place.clone();
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |request| {
            let (answer, place) = (router.call(request), place.clone());
            async move {
                let answer = answer.await;
                place.did();
                answer
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.head_max)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = async {
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = sleep(self.limits.age_max) => {}
                }
            } => {
                connection.as_mut().graceful_shutdown();
                match timeout(STOP_MAX, connection).await {
                    Ok(ended) => ended,
                    Err(_elapsed) => return add(&self.counters.broken),
                }
            }
        };
        if let Err(error) = ended {
            debug!(%error, "an HTTP connection broke");
            add(&self.counters.broken);
        }
    }
}

/// Answers, or says that the request is too long or too slow.
async fn bounded(limits: HttpLimits, request: Request, next: Next) -> Response {
    let said = request.headers().get(CONTENT_LENGTH).and_then(|said| said.to_str().ok());
    // Who says it beforehand need not send it.
    if said.and_then(|said| said.parse::<usize>().ok()).is_some_and(|n| n > limits.body_bytes_max) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    match timeout(limits.request_max, next.run(request)).await {
        Ok(answer) => answer,
        Err(_elapsed) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

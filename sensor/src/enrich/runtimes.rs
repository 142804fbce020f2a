//! Asks the container runtimes what a container is, and hears from them which ones
//! there are.
//!
//! ```text
//! kernel: an id never seen ─▶ requests ─▶ budget ─▶ all runtimes, until one knows ─┐
//! runtime: a container started (list, event stream) ─▶ that runtime ───────────────┴▶ answers
//! ```
//!
//! What a runtime tells of itself arrives before the container's first process, or
//! soon after: the kernel's questions are for what it does not tell. Whoever makes
//! control groups by the thousand asks thousands of questions; what is asked of the
//! runtimes for the kernel's sake is bounded, and what they tell us is not touched.

mod budget;
mod socket;

use std::{collections::HashSet, sync::Arc, time::Instant};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Duration, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use self::socket::{Api, Socket, Spoken};
use self::{budget::Budget, socket::Runtime};
use super::metadata::{Answer, ContainerInfo};

/// Longest that one question may take, with all that follows from it.
const LOOK_UP_MAX: Duration = Duration::from_secs(2);

/// Questions asked at the same time.
const AT_ONCE_MAX: usize = 8;

/// A container's processes may run before its runtime tells of it.
const TRIES: usize = 4;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(75);

/// What runtimes told of and was not asked about yet; then their streams wait.
const TOLD_MAX: usize = 256;

/// How soon a socket that was not there, or went away, is tried again.
const CONNECT_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How long a runtime has to say that it has no events.
const SUBSCRIBED_AFTER: Duration = Duration::from_millis(250);

/// How often a runtime without events is asked for what it has.
const LIST_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Most containers that are taken from one list.
const LISTED_MAX: usize = 4096;

/// Why a runtime gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It does not have this service at all.
    #[error("not offered")]
    Unsupported,
    #[error("{0}")]
    Failed(String),
}

/// Answers `requests` until `stop`, or until nobody can ask any more. Each request gets its
/// answer, if only that nobody knows; what runtimes tell of themselves is answered unasked.
pub async fn run(
    sockets: Vec<Socket>,
    mut requests: mpsc::Receiver<String>,
    answers: mpsc::Sender<Answer>,
    stop: CancellationToken,
) {
    let runtimes: Arc<[Arc<Runtime>]> =
        sockets.into_iter().map(|socket| Arc::new(Runtime::new(socket))).collect();
    let permits = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let (tell, mut told) = mpsc::channel(TOLD_MAX);
    // All of them end with this function.
    let mut followers = JoinSet::new();
    for runtime in runtimes.iter() {
        followers.spawn(follow(Arc::clone(runtime), tell.clone()));
    }
    drop(tell);
    let mut budget = Budget::new(Instant::now());
    loop {
        let (asked, id, tries) = tokio::select! {
            () = stop.cancelled() => return,
            Some((runtime, id)) = told.recv() => (Some(runtime), id, 1),
            id = requests.recv() => match id {
                None => return,
                Some(id) if budget.take(Instant::now()) => {
                    // Where many wait nobody waits for one that may not exist.
                    (None, id, if requests.is_empty() { TRIES } else { 1 })
                }
                Some(id) => {
                    if answers.send((id, None)).await.is_err() {
                        return;
                    }
                    continue;
                }
            },
        };
        // Closed never: nobody closes it.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let (runtimes, answers) = (Arc::clone(&runtimes), answers.clone());
        tokio::spawn(async move {
            let answer = match &asked {
                Some(runtime) => look_up(std::slice::from_ref(runtime), &id, tries).await,
                None => look_up(&runtimes, &id, tries).await,
            };
            if asked.is_none() || answer.is_some() {
                // Nobody takes answers once the sensor stops.
                let _ = answers.send((id, answer)).await;
            }
            drop(permit);
        });
    }
}

/// Says who answers at a socket and what it offers, for `doctor`.
///
/// # Errors
/// When nobody answers.
pub async fn examine(socket: &Socket) -> Result<Spoken, Problem> {
    let runtime = Runtime::new(socket.clone());
    match timeout(LOOK_UP_MAX, runtime.examine()).await {
        Ok(spoken) => spoken,
        Err(_elapsed) => Err(Problem::Failed("no answer in time".to_owned())),
    }
}

async fn look_up(runtimes: &[Arc<Runtime>], id: &str, tries: usize) -> Option<ContainerInfo> {
    // One that is started later than we are is there from then on.
    let there: Vec<_> = runtimes.iter().filter(|runtime| runtime.is_there()).collect();
    let ask = async {
        for attempt in 0..tries {
            if attempt > 0 {
                sleep(TRY_AGAIN_AFTER).await;
            }
            for runtime in &there {
                if let Some(info) = runtime.ask(id).await {
                    return Some(info.bounded());
                }
            }
        }
        None
    };
    if there.is_empty() {
        return None;
    }
    timeout(LOOK_UP_MAX, ask).await.ok().flatten()
}

/// Tells of the containers that a runtime has, and then of each that it starts; begins
/// again whenever it was away.
async fn follow(runtime: Arc<Runtime>, tell: mpsc::Sender<(Arc<Runtime>, String)>) {
    let mut has_told_of_lack = false;
    let mut listed = HashSet::new();
    loop {
        if !runtime.is_there() {
            sleep(CONNECT_AGAIN_AFTER).await;
            continue;
        }
        // The stream first: what starts in between is in both, and not in neither. A gRPC
        // server answers with its first event, so no answer is a good sign.
        let mut stream = std::pin::pin!(runtime.events());
        let answered = timeout(SUBSCRIBED_AFTER, &mut stream).await;
        if let Ok(Ok(running)) = timeout(LOOK_UP_MAX, runtime.running()).await {
            let running: HashSet<String> = running.into_iter().take(LISTED_MAX).collect();
            for id in running.difference(&listed) {
                if tell.send((Arc::clone(&runtime), id.clone())).await.is_err() {
                    return;
                }
            }
            listed = running;
        }
        let stream = match answered {
            Ok(stream) => stream,
            Err(_elapsed) => stream.await,
        };
        match stream {
            Ok(mut stream) => {
                while let Some(id) = stream.next().await {
                    if tell.send((Arc::clone(&runtime), id)).await.is_err() {
                        return;
                    }
                }
                sleep(CONNECT_AGAIN_AFTER).await;
            }
            Err(Problem::Unsupported) => {
                if !has_told_of_lack {
                    warn!(
                        socket = %runtime.socket.path.display(),
                        "container runtime has no events; containers are known after their first process"
                    );
                    has_told_of_lack = true;
                }
                sleep(LIST_AGAIN_AFTER).await;
            }
            Err(Problem::Failed(_)) => sleep(CONNECT_AGAIN_AFTER).await,
        }
    }
}

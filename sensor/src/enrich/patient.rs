//! Reads that another process can make last for ever.
//!
//! A passwd file may be on a FUSE mount of whoever is in the container, and the
//! arguments of a process may be mapped from one: who reads them waits for that
//! process. So such reads have a thread of their own, and we do not wait long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing::warn;

/// Far longer than such a read takes when nobody is evil.
const WAIT_MAX: Duration = Duration::from_millis(250);

/// Threads that may be stuck at one time; then nothing is read any more.
const STUCK_MAX: usize = 4;

/// Counts a thread for as long as it lives, however it ends.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asks a thread, and leaves it alone when it does not answer.
pub(super) struct Patient<Q, A> {
    name: &'static str,
    read: fn(Q) -> A,
    thread: Option<(SyncSender<Q>, Receiver<A>)>,
    /// Threads that have not ended. All but the one that we ask are stuck.
    alive: Arc<AtomicUsize>,
}

impl<Q: Send + 'static, A: Send + 'static> Patient<Q, A> {
    /// `name` is for the log.
    pub(super) fn new(name: &'static str, read: fn(Q) -> A) -> Self {
        Self { name, read, thread: None, alive: Arc::default() }
    }

    /// The answer, unless it takes too long.
    pub(super) fn ask(&mut self, question: Q) -> Option<A> {
        let (questions, answers) = match self.thread.take() {
            Some(thread) => thread,
            None if self.alive.load(Ordering::Relaxed) >= STUCK_MAX => return None,
            None => self.start()?,
        };
        questions.send(question).ok()?;
        match answers.recv_timeout(WAIT_MAX) {
            Ok(answer) => {
                self.thread = Some((questions, answers));
                Some(answer)
            }
            Err(RecvTimeoutError::Timeout) => {
                warn!(read = self.name, "a read hangs; somebody may want to stop the sensor");
                None
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    fn start(&self) -> Option<(SyncSender<Q>, Receiver<A>)> {
        let (questions, asked) = sync_channel::<Q>(1);
        let (answered, answers) = sync_channel(1);
        self.alive.fetch_add(1, Ordering::Relaxed);
        let (read, alive) = (self.read, Alive(Arc::clone(&self.alive)));
        let run = move || {
            let _alive = alive;
            for question in asked {
                if answered.send(read(question)).is_err() {
                    // Nobody waited, and now it is done after all.
                    return;
                }
            }
        };
        match thread::Builder::new().name(self.name.to_owned()).spawn(run) {
            Ok(_) => Some((questions, answers)),
            Err(error) => {
                warn!(read = self.name, %error, "cannot start a thread");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{Receiver, sync_channel},
        time::{Duration, Instant},
    };

    use super::{Patient, STUCK_MAX};

    #[test]
    fn a_read_that_hangs_costs_a_moment_and_comes_back() {
        // Waits until the other end of the question is gone.
        let mut patient = Patient::new("test", |until: Receiver<()>| until.recv().is_err());
        let quick = || sync_channel::<()>(1).1;
        assert_eq!(patient.ask(quick()), Some(true));
        let mut held = Vec::new();
        for _ in 0..STUCK_MAX {
            let (hold, until) = sync_channel(1);
            held.push(hold);
            assert_eq!(patient.ask(until), None);
        }
        assert_eq!(patient.ask(quick()), None, "too many hang");
        drop(held);
        let deadline = Instant::now() + Duration::from_secs(10);
        while patient.ask(quick()).is_none() {
            assert!(Instant::now() < deadline, "it never came back");
            std::thread::yield_now();
        }
    }
}

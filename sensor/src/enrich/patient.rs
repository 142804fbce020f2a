//! Reads that another process can make last for ever.
//!
//! A passwd file may be on a FUSE mount of whoever is in the container, and the
//! arguments of a process may be mapped from one: who reads them waits for that
//! process. So such reads have a thread of their own, and we do not wait long: not
//! for one of them, and not for many in a row, however short each is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::warn;

/// Far longer than such a read takes when nobody is evil.
const WAIT_MAX: Duration = Duration::from_millis(250);

/// Most that is waited in [`WINDOW`], by all who ask together: they wait for one another.
const WAIT_IN_WINDOW_MAX: Duration = WAIT_MAX;
const WINDOW: Duration = Duration::from_secs(10);

/// A read that takes no longer is not counted: an ordinary one takes a tenth of it.
const ORDINARY: Duration = Duration::from_millis(2);

/// Threads that may be stuck at one time; then nothing is read any more.
const STUCK_MAX: usize = 8;

/// What was waited of late.
struct Budget {
    since: Instant,
    waited: Duration,
    max: Duration,
}

impl Budget {
    fn new(max: Duration, now: Instant) -> Self {
        Self { since: now, waited: Duration::ZERO, max }
    }

    /// How long may be waited now, at most.
    fn left(&mut self, now: Instant) -> Duration {
        if now.duration_since(self.since) >= WINDOW {
            (self.since, self.waited) = (now, Duration::ZERO);
        }
        self.max.saturating_sub(self.waited).min(WAIT_MAX)
    }

    fn spend(&mut self, waited: Duration) {
        if waited > ORDINARY {
            self.waited = self.waited.saturating_add(waited);
        }
    }
}

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
    budget: Budget,
    unanswered: u64,
}

impl<Q: Send + 'static, A: Send + 'static> Patient<Q, A> {
    /// `name` is for the log.
    pub(super) fn new(name: &'static str, read: fn(Q) -> A) -> Self {
        let budget = Budget::new(WAIT_IN_WINDOW_MAX, Instant::now());
        Self { name, read, thread: None, alive: Arc::default(), budget, unanswered: 0 }
    }

    /// The same where nobody waits but who asks: each question may take its time.
    pub(super) fn without_budget(mut self) -> Self {
        self.budget.max = Duration::MAX;
        self
    }

    /// The answer, unless it takes too long or too much was waited before.
    pub(super) fn ask(&mut self, question: Q) -> Option<A> {
        let answer = self.try_ask(question);
        self.unanswered += u64::from(answer.is_none());
        answer
    }

    /// Whether nothing is asked at this moment, as too much was waited.
    pub(super) fn is_spent(&mut self) -> bool {
        self.budget.left(Instant::now()).is_zero()
    }

    /// Whether a thread still waits for an answer that we gave up.
    pub(super) fn is_stuck(&self) -> bool {
        self.alive.load(Ordering::Relaxed) > usize::from(self.thread.is_some())
    }

    /// Questions that had no answer.
    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered
    }

    fn try_ask(&mut self, question: Q) -> Option<A> {
        let asked_at = Instant::now();
        let wait_max = self.budget.left(asked_at);
        if wait_max.is_zero() {
            return None;
        }
        let (questions, answers) = match self.thread.take() {
            Some(thread) => thread,
            None if self.alive.load(Ordering::Relaxed) >= STUCK_MAX => return None,
            None => self.start()?,
        };
        questions.send(question).ok()?;
        let answer = answers.recv_timeout(wait_max);
        self.budget.spend(asked_at.elapsed());
        match answer {
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
        thread::sleep,
        time::{Duration, Instant},
    };

    use super::{Budget, ORDINARY, Patient, STUCK_MAX, WAIT_IN_WINDOW_MAX, WINDOW};

    #[test]
    fn a_read_that_hangs_costs_a_moment_and_comes_back() {
        // Waits until the other end of the question is gone.
        let patient = Patient::new("test", |until: Receiver<()>| until.recv().is_err());
        let mut patient = patient.without_budget();
        let quick = || sync_channel::<()>(1).1;
        assert_eq!(patient.ask(quick()), Some(true));
        let mut held = Vec::new();
        for _ in 0..STUCK_MAX {
            let (hold, until) = sync_channel(1);
            held.push(hold);
            assert_eq!(patient.ask(until), None);
        }
        assert_eq!(patient.ask(quick()), None, "too many hang");
        assert_eq!(patient.unanswered(), 1 + STUCK_MAX as u64);
        drop(held);
        let deadline = Instant::now() + Duration::from_secs(10);
        while patient.ask(quick()).is_none() {
            assert!(Instant::now() < deadline, "it never came back");
            std::thread::yield_now();
        }
    }

    /// None of them hangs, and together they would stop everything.
    #[test]
    fn slow_answers_in_a_row_are_not_waited_for() {
        let mut patient = Patient::new("test", sleep);
        let slow = WAIT_IN_WINDOW_MAX * 4 / 5;
        let answered = (0..20).filter(|_| patient.ask(slow).is_some()).count();
        // The second one is given up.
        assert!(answered <= 1, "{answered} answers were waited for");
        assert_eq!(patient.unanswered(), 20 - answered as u64);
    }

    #[test]
    fn what_was_waited_is_forgotten_in_time() {
        let now = Instant::now();
        let mut budget = Budget::new(WAIT_IN_WINDOW_MAX, now);
        for _ in 0..10_000 {
            budget.spend(ORDINARY);
        }
        assert_eq!(budget.left(now), WAIT_IN_WINDOW_MAX, "ordinary reads cost nothing");
        budget.spend(WAIT_IN_WINDOW_MAX / 2);
        assert_eq!(budget.left(now), WAIT_IN_WINDOW_MAX / 2);
        budget.spend(WAIT_IN_WINDOW_MAX);
        assert_eq!(budget.left(now + WINDOW / 2), Duration::ZERO);
        assert_eq!(budget.left(now + WINDOW), WAIT_IN_WINDOW_MAX);
    }
}

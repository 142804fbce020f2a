//! Which connection has done nothing for longest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// Nobody has to go sooner after their last deed: a crowd that comes at once must
/// not push out who came just before it and has not been heard yet.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// All connections, in the order of their last deed.
#[derive(Debug, Default)]
pub(super) struct Idle {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    deeds: u64,
    by_last_deed: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// Whether somebody goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// The one that is idle for longest was told to.
    Told,
    /// In so long somebody can be told.
    Soon(Duration),
    /// All have been told already.
    Nobody,
}

/// One connection's place among them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    idle: Arc<Idle>,
    last_deed: Mutex<u64>,
    /// Cancelled when the connection has to make room.
    pub(super) go: CancellationToken,
}

impl Idle {
    /// To connect is a deed.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let go = CancellationToken::new();
        let last_deed = self.held().put(go.clone());
        Place { idle: self.clone(), last_deed: Mutex::new(last_deed), go }
    }

    /// Tells the one that is idle for longest to go, if it is idle for long enough.
    pub(super) fn make_room(&self, now: Instant) -> Room {
        let mut held = self.held();
        let Some(longest) = held.by_last_deed.first_entry() else { return Room::Nobody };
        let (since, _) = longest.get();
        match PATIENCE.checked_sub(now.saturating_duration_since(*since)) {
            Some(rest) if !rest.is_zero() => Room::Soon(rest),
            _ => {
                longest.remove().1.cancel();
                Room::Told
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn put(&mut self, go: CancellationToken) -> u64 {
        self.deeds += 1;
        self.by_last_deed.insert(self.deeds, (Instant::now(), go));
        self.deeds
    }
}

impl Place {
    /// The connection has brought a whole request.
    pub(super) fn did(&self) {
        let mut last_deed = self.last_deed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.idle.held();
        // Unless it has been told to go meanwhile.
        if held.by_last_deed.remove(&last_deed).is_some() {
            *last_deed = held.put(self.go.clone());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let last_deed = self.last_deed.lock().unwrap_or_else(PoisonError::into_inner);
        self.idle.held().by_last_deed.remove(&last_deed);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use super::{Idle, PATIENCE, Room};

    #[test]
    fn the_longest_idle_makes_room() {
        let idle = Arc::new(Idle::default());
        let [first, second, third] = [idle.enter(), idle.enter(), idle.enter()];
        first.did();
        drop(third);
        let later = Instant::now() + PATIENCE;
        assert_eq!(idle.make_room(later), Room::Told);
        assert!(second.go.is_cancelled() && !first.go.is_cancelled());
        second.did();
        assert_eq!(idle.make_room(later), Room::Told);
        assert!(first.go.is_cancelled());
        assert_eq!(idle.make_room(later), Room::Nobody);
    }

    #[test]
    fn who_came_just_now_need_not_go() {
        let idle = Arc::new(Idle::default());
        let before = Instant::now();
        let place = idle.enter();
        let Room::Soon(rest) = idle.make_room(before) else { panic!("it was told to go") };
        assert!(rest <= PATIENCE && !place.go.is_cancelled());
    }
}

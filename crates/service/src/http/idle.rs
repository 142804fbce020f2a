//! Which connection has done nothing for longest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// All connections, in the order of their last deed.
#[derive(Debug, Default)]
pub(super) struct Idle {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    deeds: u64,
    by_last_deed: BTreeMap<u64, CancellationToken>,
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

    /// Tells the one that is idle for longest to go; whether there was one.
    pub(super) fn make_room(&self) -> bool {
        let longest = self.held().by_last_deed.pop_first();
        longest.map(|(_, go)| go.cancel()).is_some()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn put(&mut self, go: CancellationToken) -> u64 {
        self.deeds += 1;
        self.by_last_deed.insert(self.deeds, go);
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
    use std::sync::Arc;

    use super::Idle;

    #[test]
    fn the_longest_idle_makes_room() {
        let idle = Arc::new(Idle::default());
        let [first, second, third] = [idle.enter(), idle.enter(), idle.enter()];
        first.did();
        drop(third);
        assert!(idle.make_room());
        assert!(second.go.is_cancelled() && !first.go.is_cancelled());
        second.did();
        assert!(idle.make_room() && first.go.is_cancelled());
        assert!(!idle.make_room(), "nobody is left");
    }
}

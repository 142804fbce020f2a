//! What an image takes, for as long as any process has it.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Counted once, however many were forked from the one that brought it.
#[derive(Debug, Default)]
pub struct Charge(OnceLock<Charged>);

#[derive(Debug)]
struct Charged {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Charge {
    /// Counts the bytes in `total` from now on, unless they are already.
    pub(super) fn count(&self, bytes: usize, total: &Arc<AtomicUsize>) {
        self.0.get_or_init(|| {
            total.fetch_add(bytes, Relaxed);
            Charged { bytes, total: Arc::clone(total) }
        });
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Relaxed);
    }
}

/// A copy is another image, which nobody has counted.
impl Clone for Charge {
    fn clone(&self) -> Self {
        Self::default()
    }
}

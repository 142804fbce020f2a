//! Records of a test in place of the kernel's.

use std::{
    io,
    sync::mpsc::{Receiver, TryRecvError, channel},
    time::Duration,
};

use lanner_sensor::source::{Next, Records, Wake};

/// The test's end; when it is dropped, the source ends.
pub(crate) type Sender = std::sync::mpsc::Sender<Vec<u8>>;

/// The partition's end.
pub(crate) struct Queued(Receiver<Vec<u8>>);

impl Queued {
    pub(crate) fn new() -> (Sender, Self) {
        let (sender, records) = channel();
        (sender, Self(records))
    }
}

impl Records for Queued {
    fn next(&mut self, take: &mut dyn FnMut(&[u8])) -> Next {
        match self.0.try_recv() {
            Ok(record) => {
                take(&record);
                Next::Taken
            }
            Err(TryRecvError::Empty) => Next::Empty,
            Err(TryRecvError::Disconnected) => Next::Ended,
        }
    }

    /// A test may send anything at any time.
    fn is_drained(&self) -> bool {
        false
    }

    /// There is no descriptor for a queue: it is looked at every few milliseconds.
    fn wait(&mut self, wake: &Wake, time: Duration) -> io::Result<()> {
        wake.wait(None::<&std::os::fd::OwnedFd>, time.min(Duration::from_millis(2)))
    }
}

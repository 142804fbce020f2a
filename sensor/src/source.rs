//! Where events come from.

pub mod ebpf;
pub mod replay;

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};

/// One partition's records: all events of a process, in their order.
pub trait Records: Send {
    /// Gives the next record to `take`, if there is one.
    fn next(&mut self, take: &mut dyn FnMut(&[u8])) -> Next;

    /// Whether what came before the last `next` that said [`Next::Empty`] is all taken: a record
    /// that is still being written holds up those behind it.
    fn is_drained(&self) -> bool;

    /// Returns when there may be records, when `wake` is woken or when `time` is over.
    ///
    /// # Errors
    /// When it cannot be waited for them.
    fn wait(&mut self, wake: &Wake, time: Duration) -> io::Result<()>;
}

/// What came of asking for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Taken,
    /// None now.
    Empty,
    /// There will be none any more.
    Ended,
}

/// Wakes a partition that waits for records.
#[derive(Clone, Debug)]
pub struct Wake(Arc<OwnedFd>);

impl Wake {
    /// # Errors
    /// When there are too many open files.
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(Arc::new(rustix::event::eventfd(0, flags)?)))
    }

    pub fn wake(&self) {
        // An error means that its count is full: it is woken already.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Waits until it is woken, `other` can be read, or `time` is over.
    ///
    /// # Errors
    /// When the kernel has no memory for it.
    pub fn wait(&self, other: Option<&impl std::os::fd::AsFd>, time: Duration) -> io::Result<()> {
        let mut fds = vec![PollFd::new(&*self.0, PollFlags::IN)];
        fds.extend(other.map(|other| PollFd::new(other, PollFlags::IN)));
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        match rustix::event::poll(&mut fds, Some(&time)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_woken = fds.first().is_some_and(|own| own.revents().contains(PollFlags::IN));
        if is_woken {
            // Nothing to read means that somebody was faster: also good.
            let _ = rustix::io::read(&*self.0, &mut [0_u8; 8]);
        }
        Ok(())
    }
}

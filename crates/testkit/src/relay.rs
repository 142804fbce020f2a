//! A link between two programs that a test can cut and mend.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Listens on a loopback port, and hands each connection on to another one.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    is_cut: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// A relay to a loopback port.
    ///
    /// # Panics
    /// When no port is free.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a loopback port");
        let port = listener.local_addr().expect("address of a bound socket").port();
        let shared = Arc::new(Shared::default());
        let accepting = shared.clone();
        // Ends with the process: a relay is for one test.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // An error is a target that is away: so is this connection then.
                let _ = accepting.hand_on(stream, target);
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends what goes through it, and lets nothing through.
    pub fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::SeqCst);
        self.shared.end_all();
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.shared.is_cut.store(false, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    fn hand_on(self: &Arc<Self>, from: TcpStream, target: u16) -> io::Result<()> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Ok(());
        }
        let to = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.extend([from.try_clone()?, to.try_clone()?]);
        drop(streams);
        for (mut from, mut to) in [(from.try_clone()?, to.try_clone()?), (to, from)] {
            thread::spawn(move || {
                // However it ends, both ends see that.
                let _ = copy(&mut from, &mut to);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        // Cut in between: it was not among those that were ended.
        if self.is_cut.load(Ordering::SeqCst) {
            self.end_all();
        }
        Ok(())
    }

    fn end_all(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in streams.drain(..) {
            // Ended already otherwise.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn copy(from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
    let mut bytes = [0; 16 << 10];
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(()),
            read => to.write_all(&bytes[..read])?,
        }
    }
}

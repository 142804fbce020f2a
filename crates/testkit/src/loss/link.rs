//! A link that stalls: bytes stop, and the connection stays.

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    task::AbortHandle,
};

/// Forwards a loopback port to another, gone on drop.
#[derive(Debug)]
pub(super) struct Link {
    port: u16,
    stalled: watch::Sender<bool>,
    accepting: AbortHandle,
}

impl Link {
    pub(super) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind a port");
        let port = listener.local_addr().expect("address of a bound socket").port();
        let (stalled, state) = watch::channel(false);
        let accept = async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else {
                    continue;
                };
                let (client_in, client_out) = client.into_split();
                let (server_in, server_out) = server.into_split();
                tokio::spawn(forward(client_in, server_out, state.clone()));
                tokio::spawn(forward(server_in, client_out, state.clone()));
            }
        };
        Self { port, stalled, accepting: tokio::spawn(accept).abort_handle() }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Until one side has ended; dropping the other tells it.
async fn forward(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut stalled: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if stalled.wait_for(|stalled| !stalled).await.is_err()
            || to.write_all(&bytes[..read]).await.is_err()
        {
            return;
        }
    }
}

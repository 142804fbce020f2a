//! A sensor's side of the socket: what is not acknowledged is sent again.

use std::{collections::VecDeque, io, path::PathBuf, time::Duration};

use lanner_alert::{
    AlertId, Priority,
    frame::{self, Decoder, Frame},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::watch,
    time::sleep,
};

/// Most alerts that wait for their acknowledgement.
const UNACKNOWLEDGED_MAX: usize = 512;
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// The field that numbers the alerts, from 0.
pub(super) const NUMBER: &str = "loss.number";

/// The priorities of the alerts, in turns.
pub(super) const PRIORITIES: [Priority; 3] =
    [Priority::Notice, Priority::Critical, Priority::Debug];

pub(super) struct Writer {
    pub(super) node: String,
    pub(super) socket: PathBuf,
    pub(super) total: u32,
    /// Tells how many are acknowledged.
    pub(super) acknowledged: watch::Sender<u32>,
}

impl Writer {
    /// Returns when all are acknowledged.
    pub(super) async fn run(self) {
        // What is not acknowledged: sent, and sent again with the same id.
        let mut held = VecDeque::new();
        let mut made = 0;
        while *self.acknowledged.borrow() < self.total {
            // A forwarder that is killed breaks off anywhere.
            if self.connection(&mut held, &mut made).await.is_err() {
                sleep(RECONNECT_PAUSE).await;
            }
        }
    }

    async fn connection(&self, held: &mut VecDeque<Vec<u8>>, made: &mut u32) -> io::Result<()> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 64 << 10];
        let (mut sent, mut acknowledged) = (0_u64, 0_u64);
        let mut bytes = encoded(&frame::HELLO);
        loop {
            while held.len() < UNACKNOWLEDGED_MAX && *made < self.total {
                held.push_back(self.alert(*made));
                *made += 1;
            }
            let under_way = usize::try_from(sent - acknowledged).expect("a small number");
            for json in held.iter().skip(under_way) {
                sent += 1;
                bytes.extend(encoded(&Frame::Alert { sequence: sent, json: json.clone() }));
            }
            stream.write_all(&bytes).await?;
            bytes.clear();
            match stream.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => decoder.push(&buffer[..read]),
            }
            while let Some(frame) = decoder.next_frame().map_err(io::Error::other)? {
                let Frame::Ack { sequence } = frame else { continue };
                let newly = usize::try_from(sequence - acknowledged).expect("a small number");
                held.drain(..newly);
                acknowledged = sequence;
                let newly = u32::try_from(newly).expect("a small number");
                self.acknowledged.send_modify(|count| *count += newly);
            }
            if *self.acknowledged.borrow() == self.total {
                return Ok(());
            }
        }
    }

    fn alert(&self, number: u32) -> Vec<u8> {
        let turn = usize::try_from(number).expect("a small number") % PRIORITIES.len();
        serde_json::json!({
            "id": AlertId::new(), "schema": 1, "time": "2026-01-02T03:04:05.000000006Z",
            "node": self.node, "hostname": self.node, "rule": "Loss", "source": "syscall",
            "priority": PRIORITIES[turn].as_str(),
            "output": "One of many alerts that have to arrive, each once and in its order",
            "output_fields": {
                NUMBER: number, "proc.cmdline": "sh -c 'cat /etc/shadow | sort | uniq -c'",
                "proc.name": "sh", "fd.name": "/etc/shadow", "user.name": "www-data",
            },
        })
        .to_string()
        .into_bytes()
    }
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(frame, &mut bytes).expect("an alert of a test is short");
    bytes
}

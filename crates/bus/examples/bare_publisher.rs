//! What `cargo xtask bench forwarder` measures against: `async-nats` itself,
//! with the same window, messages and server, and nothing around it.
//!
//! `bare_publisher SERVER CA CERT KEY INBOX_PREFIX SUBJECT PAYLOAD_FILE COUNT` prints the
//! seconds from the first message to the last acknowledgement.

use std::{collections::VecDeque, env, error::Error, fs, time::Instant};

use async_nats::{ConnectOptions, HeaderMap, jetstream};
use lanner_bus::WINDOW;

/// As long as an alert's.
const HEADERS: [(&str, &str); 5] = [
    ("Lanner-Tags", ""),
    ("Lanner-Rule", "Bench"),
    ("Lanner-Node", "bench"),
    ("Lanner-Source", "syscall"),
    ("Lanner-Schema", "1"),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [server, ca, cert, key, inbox_prefix, subject, payload, count] = arguments.as_slice()
    else {
        return Err("SERVER CA CERT KEY INBOX_PREFIX SUBJECT PAYLOAD_FILE COUNT".into());
    };
    let payload: bytes::Bytes = fs::read(payload)?.into();
    let count: u64 = count.parse()?;
    let client = ConnectOptions::new()
        .require_tls(true)
        .tls_first()
        .custom_inbox_prefix(inbox_prefix)
        .add_root_certificates(ca.into())
        .add_client_certificate(cert.into(), key.into())
        .connect(server)
        .await?;
    let context = jetstream::new(client);
    // Ids that no run before has used.
    let run = std::time::UNIX_EPOCH.elapsed()?.as_nanos();
    let began = Instant::now();
    let mut under_way = VecDeque::with_capacity(WINDOW);
    for number in 0..count {
        if under_way.len() == WINDOW
            && let Some(oldest) = under_way.pop_front()
        {
            acknowledged(oldest).await?;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in HEADERS {
            headers.insert(name, value);
        }
        headers.insert("Nats-Msg-Id", format!("{run:020}-{number:015}"));
        let publish = context.publish_with_headers(subject.clone(), headers, payload.clone());
        under_way.push_back(publish.await?);
    }
    for oldest in under_way {
        acknowledged(oldest).await?;
    }
    println!("{}", began.elapsed().as_secs_f64());
    Ok(())
}

async fn acknowledged(publish: jetstream::context::PublishAckFuture) -> Result<(), Box<dyn Error>> {
    match publish.await?.duplicate {
        false => Ok(()),
        true => Err("stored before".into()),
    }
}

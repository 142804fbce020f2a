//! A partition that dies or cannot read any more: the sensor would be blind for its share, so it
//! ends, and is started again by whoever looks after it.

#[path = "support/pipeline.rs"]
mod pipeline;
#[path = "support/record.rs"]
mod record;
#[path = "support/records.rs"]
mod records;

use std::{io, time::Duration};

use lanner_sensor::{
    decode::Call,
    enrich::{Node, metadata::Containers, procfs::Procfs},
    source::{Next, Records, Wake},
};

use crate::{
    pipeline::{Parts, Started},
    record::{EXEC, Head, exec_payload, record},
    records::Queued,
};

const RULES: &str = "
- rule: exec
  desc: every program
  condition: evt.type = execve
  output: o
  priority: notice
";

/// Records that come to a bad end, in one of two ways.
enum Broken {
    Panics,
    Fails,
}

impl Records for Broken {
    fn next(&mut self, _take: &mut dyn FnMut(&[u8])) -> Next {
        match self {
            Self::Panics => panic!("as a mistake of ours does"),
            Self::Fails => Next::Empty,
        }
    }

    fn is_drained(&self) -> bool {
        true
    }

    fn wait(&mut self, _wake: &Wake, _time: Duration) -> io::Result<()> {
        Err(io::Error::other("no memory"))
    }
}

/// The second of two partitions breaks. What the first one has by then is still told.
async fn assert_ends(broken: Broken, expected: &str) {
    let (sender, source) = Queued::new();
    let payload = exec_payload(b"\x01x\0", b"\x01", b"\x01", b"x\0", b"");
    sender.send(record(&Head::default(), EXEC, Call::Execve.id(), &payload)).unwrap();
    let node = Node::new("n", Procfs::new("/nowhere"), Containers::new(None));
    let sources: Vec<Box<dyn Records>> = vec![Box::new(source), Box::new(broken)];
    let started = Started::start(Parts::new(RULES, node, sources));
    let stop = started.stop.clone();
    // Nobody stops it, and the first source does not end: `sender` is still there.
    let (ended, alerts) = started.finish().await;
    assert_eq!(ended.unwrap_err().to_string(), expected);
    assert_eq!(alerts.len(), 1);
    assert!(stop.is_cancelled(), "all else ends too");
    drop(sender);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_panics_ends_the_sensor() {
    assert_ends(Broken::Panics, "partition 1 ended: it died").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_read_ends_the_sensor() {
    assert_ends(Broken::Fails, "partition 1 ended: no memory").await;
}

//! `lanner alerts tail --consumer`: what durable consumers hold, and what comes.

use std::{pin::pin, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use lanner_bus::{AckError, Delivery, Durable, DurableError, Interruption, Seen};

use super::{reader::Reader, tail::tell};

/// Acknowledgements under way: a far server takes its time to answer each.
const ACKS_MAX: usize = 256;
/// How long those get to arrive after Ctrl-C.
const LAST_ACKS_MAX: Duration = Duration::from_secs(3);

type Acks = FuturesUnordered<BoxFuture<'static, Result<(), AckError>>>;

/// Prints until Ctrl-C, or until nobody reads along.
pub(super) async fn tail(mut reader: Reader, consumers: &[Durable]) -> anyhow::Result<()> {
    let mut acks = Acks::new();
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let ended = tokio::select! {
        ended = follow(&mut reader, consumers, &mut acks) => ended,
        interrupted = &mut interrupted => Ok(interrupted?),
    };
    // What does not arrive comes again, which does no harm.
    let last = async { while acks.next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_ACKS_MAX, last).await;
    ended
}

async fn follow(reader: &mut Reader, consumers: &[Durable], acks: &mut Acks) -> anyhow::Result<()> {
    let mut interruptions = reader.connection.interruptions();
    let mut deliveries = match reader.connection.consume(consumers).await {
        Err(error @ DurableError::Refused { .. }) => {
            return Err(error).context("`lanner bus check` shows what this certificate may do");
        }
        deliveries => deliveries?,
    };
    let names: Vec<String> = consumers.iter().map(Durable::to_string).collect();
    eprintln!("reading {}, Ctrl-C ends it", names.join(" "));
    loop {
        tokio::select! {
            delivery = deliveries.next(), if acks.len() < ACKS_MAX => {
                let seen = Seen {
                    subject: delivery.subject().to_owned(),
                    payload: delivery.payload().to_vec(),
                    kept: None,
                };
                // First the line, then the acknowledgement.
                if reader.show(&seen)?.is_break() || reader.flush()?.is_break() {
                    return Ok(());
                }
                acks.push(Box::pin(acknowledge(delivery)));
            }
            Some(acknowledged) = acks.next() => {
                if let Err(error) = acknowledged {
                    eprintln!("{:#}", anyhow::Error::from(error));
                }
            }
            interruption = interruptions.next() => match interruption {
                // Of a subscription, and none is read here.
                Interruption::TooSlow => {}
                interruption => tell(interruption),
            },
        }
    }
}

async fn acknowledge(delivery: Delivery) -> Result<(), AckError> {
    delivery.ack().await
}

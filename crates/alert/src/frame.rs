//! The frames on the Unix socket between sensor and forwarder.
//!
//! ```text
//! u32 length of what follows, big endian │ u8 kind │ body
//!                                          1 hello   u16 oldest version, u16 newest, big endian
//!                                          2 alert   u64 sequence, big endian; JSON
//!                                          3 ack     u64 sequence, big endian
//!                                          4 status  JSON; since version 2
//! ```
//!
//! Both sides begin with `hello`, and speak the newest version that both know
//! ([`agreed`]). A peer of version 1 reads the first number and no further, and
//! sends no second one: sensor and forwarder may be upgraded in any order.
//!
//! The sensor numbers its alerts from 1 on each
//! connection; an `ack` tells that the forwarder has taken on this alert and
//! all before it. What was not acknowledged is sent again on the next
//! connection, and is known there by the alert's id.
//!
//! Pure: bytes in, frames out. Whoever owns the socket moves the bytes.

/// The newest version of this protocol that this build speaks.
pub const VERSION: u16 = 2;

/// The oldest version that this build speaks.
pub const VERSION_OLDEST: u16 = 1;

/// The version that brought [`Frame::Status`].
pub const STATUS_SINCE: u16 = 2;

/// What this build begins with.
pub const HELLO: Frame = Frame::Hello { oldest: VERSION_OLDEST, newest: VERSION };

/// Most bytes after the length: an alert with its sequence, and room to grow.
pub const FRAME_BYTES_MAX: usize = crate::ALERT_BYTES_MAX + 64;

const LENGTH_BYTES: usize = 4;

/// One message on the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The first frame in each direction.
    Hello {
        /// See [`VERSION_OLDEST`].
        oldest: u16,
        /// See [`VERSION`].
        newest: u16,
    },
    /// Sensor to forwarder.
    Alert {
        /// Counts from 1 on each connection.
        sequence: u64,
        /// The alert's JSON. Not parsed here: the forwarder may carry what it
        /// does not understand.
        json: Vec<u8>,
    },
    /// Forwarder to sensor: this alert and all before it are taken on.
    Ack {
        /// Of the newest alert that is taken on.
        sequence: u64,
    },
    /// Sensor to forwarder, now and then: a [`SensorStatus`](crate::SensorStatus).
    /// Not acknowledged; the next one takes its place.
    Status {
        /// Not parsed here.
        json: Vec<u8>,
    },
}

/// The version to speak with a peer that began with `hello`: the newest that
/// both know; `None` when there is none, or it began with something else.
pub fn agreed(hello: &Frame) -> Option<u16> {
    let Frame::Hello { oldest, newest } = *hello else { return None };
    let version = newest.min(VERSION);
    (version >= oldest.max(VERSION_OLDEST)).then_some(version)
}

/// Why bytes are not frames. The connection is of no use after one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than [`FRAME_BYTES_MAX`].
    #[error("frame of {len} bytes is longer than {FRAME_BYTES_MAX}")]
    TooLong {
        /// Bytes that it claims.
        len: usize,
    },
    /// A kind that this build does not know, or a body that does not fit it.
    #[error("malformed frame of kind {kind}")]
    Malformed {
        /// The kind's number; 0 when there was none.
        kind: u8,
    },
}

/// Appends `frame` to `out`.
///
/// # Errors
/// [`FrameError::TooLong`], and `out` is as it was.
pub fn encode(frame: &Frame, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let (kind, number, json): (u8, &[u8], &[u8]) = match frame {
        Frame::Hello { oldest, newest } => (1, &oldest.to_be_bytes(), &newest.to_be_bytes()),
        Frame::Alert { sequence, json } => (2, &sequence.to_be_bytes(), json),
        Frame::Ack { sequence } => (3, &sequence.to_be_bytes(), &[]),
        Frame::Status { json } => (4, &[], json),
    };
    let len = 1 + number.len() + json.len();
    let Some(head) = u32::try_from(len).ok().filter(|_| len <= FRAME_BYTES_MAX) else {
        return Err(FrameError::TooLong { len });
    };
    out.reserve(LENGTH_BYTES + len);
    out.extend_from_slice(&head.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(number);
    out.extend_from_slice(json);
    Ok(())
}

/// Turns a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Bytes at the front that were already given out.
    taken: usize,
}

impl Decoder {
    /// Takes in what was read from the socket.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more bytes are pushed.
    ///
    /// # Errors
    /// When the peer does not speak this protocol.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let held = self.bytes.get(self.taken..).unwrap_or_default();
        let Some((head, rest)) = held.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        // Where usize is narrower than u32, what does not fit is too long anyway.
        let len = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if len > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { len });
        }
        let Some(content) = rest.get(..len) else { return Ok(None) };
        let frame = parse(content)?;
        self.taken += LENGTH_BYTES + len;
        Ok(Some(frame))
    }
}

fn parse(content: &[u8]) -> Result<Frame, FrameError> {
    let Some((&kind, body)) = content.split_first() else {
        return Err(FrameError::Malformed { kind: 0 });
    };
    let frame = match kind {
        1 => body.split_first_chunk().map(|(oldest, rest)| {
            let oldest = u16::from_be_bytes(*oldest);
            let newest = rest.first_chunk().map_or(oldest, |newest| u16::from_be_bytes(*newest));
            Frame::Hello { oldest, newest }
        }),
        2 => body.split_first_chunk().map(|(sequence, json)| Frame::Alert {
            sequence: u64::from_be_bytes(*sequence),
            json: json.to_vec(),
        }),
        3 => body
            .split_first_chunk()
            .map(|(sequence, _)| Frame::Ack { sequence: u64::from_be_bytes(*sequence) }),
        4 => Some(Frame::Status { json: body.to_vec() }),
        _ => None,
    };
    frame.ok_or(FrameError::Malformed { kind })
}

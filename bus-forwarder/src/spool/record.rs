//! One record of a segment, as bytes.
//!
//! ```text
//! u32 mark │ u32 length of the body │ u32 CRC of length and body │ body
//! body: u64 taken on, in milliseconds since 1970
//!       text subject │ text id
//!       u16 headers: text name, text value
//!       u16 copies:  text subject, u8 stored?, text tag
//!       the rest: payload                    (text: u16 length, UTF-8; all little endian)
//! ```
//!
//! The mark is what a reader looks for behind damaged bytes. A payload cannot
//! hold a record of its own: a length has a zero byte, and no JSON does.
//!
//! Pure: bytes in, records out, whatever the bytes.

use bytes::Bytes;
use lanner_alert::Priority;
use lanner_bus::{Message, headers::Headers};

use crate::{Outgoing, TagCopy};

/// Bytes in front of a record's body.
pub const HEAD_BYTES: usize = 12;
/// Most bytes of a body: an alert, its headers and the subjects of its copies, several times over.
pub const BODY_BYTES_MAX: usize = 1 << 20;

const MARK: [u8; 4] = *b"LNr\xa1";

/// A record that cannot be written: longer than [`BODY_BYTES_MAX`], or with a
/// text that is far beyond what a subject or header may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the alert is too long for the spool")]
pub struct TooLong;

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record, whole.
    Whole {
        /// What [`decode`] reads.
        body: &'a [u8],
    },
    /// Maybe a record, if there are as many bytes as `needed`.
    Partial {
        /// At least one more than there are.
        needed: usize,
    },
    /// No record; the next may be behind as many bytes as [`skip`] says.
    Damaged,
}

/// Appends a record to `out`.
///
/// # Errors
/// [`TooLong`], and `out` is as it was.
pub fn encode(outgoing: &Outgoing, taken_ms: u64, out: &mut Vec<u8>) -> Result<(), TooLong> {
    let start = out.len();
    let written = write(outgoing, taken_ms, out);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write(outgoing: &Outgoing, taken_ms: u64, out: &mut Vec<u8>) -> Result<(), TooLong> {
    let Outgoing { message: Message { subject, id, headers, payload }, copies, .. } = outgoing;
    let start = out.len();
    out.reserve(HEAD_BYTES + 512 + payload.len());
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&[0; HEAD_BYTES - MARK.len()]);
    out.extend_from_slice(&taken_ms.to_le_bytes());
    put_text(subject, out)?;
    put_text(id, out)?;
    put_count(headers.iter().count(), out)?;
    for (name, value) in headers.iter() {
        put_text(name, out)?;
        put_text(value, out)?;
    }
    put_count(copies.len(), out)?;
    for TagCopy { subject, stored } in copies {
        put_text(subject, out)?;
        out.push(u8::from(stored.is_some()));
        put_text(stored.as_deref().unwrap_or_default(), out)?;
    }
    out.extend_from_slice(payload);

    let len = out.len() - start - HEAD_BYTES;
    let head = u32::try_from(len).ok().filter(|_| len <= BODY_BYTES_MAX).ok_or(TooLong)?;
    let head = head.to_le_bytes();
    let sum = checksum(head, out.get(start + HEAD_BYTES..).unwrap_or_default()).to_le_bytes();
    let room = out.iter_mut().skip(start + MARK.len());
    room.zip(head.into_iter().chain(sum)).for_each(|(room, byte)| *room = byte);
    Ok(())
}

/// What `bytes` begin with.
pub fn find(bytes: &[u8]) -> Found<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        let begun = MARK.iter().zip(bytes).all(|(mark, byte)| mark == byte);
        return if begun { Found::Partial { needed: HEAD_BYTES } } else { Found::Damaged };
    };
    let [m0, m1, m2, m3, l0, l1, l2, l3, sum @ ..] = *head;
    let len = u32::from_le_bytes([l0, l1, l2, l3]);
    // Where usize is narrower than u32, what does not fit is too long anyway.
    let body_bytes = usize::try_from(len).unwrap_or(usize::MAX);
    if [m0, m1, m2, m3] != MARK || body_bytes > BODY_BYTES_MAX {
        return Found::Damaged;
    }
    match rest.get(..body_bytes) {
        None => Found::Partial { needed: HEAD_BYTES + body_bytes },
        Some(body) if checksum(len.to_le_bytes(), body) == u32::from_le_bytes(sum) => {
            Found::Whole { body }
        }
        Some(_) => Found::Damaged,
    }
}

/// How many bytes at the start of `bytes`, at least one, the next record cannot begin in.
pub fn skip(bytes: &[u8]) -> usize {
    let begins = |at: &usize| {
        let rest = bytes.get(*at..).unwrap_or_default();
        MARK.iter().zip(rest).all(|(mark, byte)| mark == byte)
    };
    (1..bytes.len()).find(begins).unwrap_or(bytes.len()).max(1)
}

/// The alert in a record's body, and when it was taken on, in milliseconds since 1970.
pub fn decode(body: &[u8], priority: Priority) -> Option<(Outgoing, u64)> {
    let mut rest = body;
    let taken_ms = u64::from_le_bytes(take(&mut rest)?);
    let (subject, id) = (take_text(&mut rest)?.to_owned(), take_text(&mut rest)?.to_owned());
    let mut headers = Headers::default();
    for _ in 0..u16::from_le_bytes(take(&mut rest)?) {
        let (name, value) = (take_text(&mut rest)?, take_text(&mut rest)?);
        headers.restore(name, value)?;
    }
    let count = u16::from_le_bytes(take(&mut rest)?);
    // Not room for as many as it claims: each one has to be there.
    let mut copies = Vec::new();
    for _ in 0..count {
        let subject = take_text(&mut rest)?.to_owned();
        let [stored] = take(&mut rest)?;
        let tag = take_text(&mut rest)?;
        copies.push(TagCopy { subject, stored: (stored != 0).then(|| tag.to_owned()) });
    }
    let payload = Bytes::copy_from_slice(rest);
    let message = Message { subject, id, headers, payload };
    Some((Outgoing { priority, message, copies }, taken_ms))
}

/// When the alert in a record's body was taken on.
pub(super) fn taken_ms(body: &[u8]) -> Option<u64> {
    body.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn checksum(len: [u8; 4], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len);
    hasher.update(body);
    hasher.finalize()
}

fn put_text(text: &str, out: &mut Vec<u8>) -> Result<(), TooLong> {
    put_count(text.len(), out)?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn put_count(count: usize, out: &mut Vec<u8>) -> Result<(), TooLong> {
    match u16::try_from(count) {
        Ok(count) => out.extend_from_slice(&count.to_le_bytes()),
        Err(_) => return Err(TooLong),
    }
    Ok(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::from(u16::from_le_bytes(take(rest)?));
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    std::str::from_utf8(taken).ok()
}

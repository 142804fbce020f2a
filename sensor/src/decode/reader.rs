//! Takes numbers and slices off the front of bytes; never past their end.

use super::Problem;

pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Named in the error when the bytes end too soon.
    part: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], part: &'static str) -> Self {
        Self { rest: bytes, part }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Problem> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(Problem::Short { part: self.part });
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn section(&mut self, len: u16) -> Result<&'a [u8], Problem> {
        self.take(usize::from(len))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Problem> {
        self.array().map(u64::from_ne_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, Problem> {
        self.array().map(i64::from_ne_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Problem> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Problem> {
        self.array().map(i32::from_ne_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Problem> {
        self.array().map(u16::from_ne_bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else {
            return Err(Problem::Short { part: self.part });
        };
        self.rest = rest;
        Ok(*taken)
    }
}

/// The bytes before the first NUL, or all of them.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

//! A cursor over untrusted bytes: what is not there is an error, whatever length was claimed.

use crate::checkpoint::stored::ParseResult;

/// Bytes, and how far they have been read.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next bytes, exactly as many.
    pub fn take(&mut self, count: u64) -> ParseResult<&'a [u8]> {
        let (head, rest) = usize::try_from(count)
            .ok()
            .and_then(|count| self.rest.split_at_checked(count))
            .ok_or("the file is truncated")?;
        self.rest = rest;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> ParseResult<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or("the file is truncated")?;
        self.rest = rest;
        Ok(*head)
    }

    pub fn u8(&mut self) -> ParseResult<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The bytes up to the next newline, without it.
    pub fn line(&mut self) -> ParseResult<&'a [u8]> {
        let end = self.rest.iter().position(|&b| b == b'\n').ok_or("the file is truncated")?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(line)
    }
}

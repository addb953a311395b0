//! Bytes of a payload, read from the front.

/// The reason that a payload is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It is cut or contradicts itself, or its type is unknown.
    Format,
    /// It would be larger than allowed.
    TooLarge,
}

/// Bytes that are read from the front.
#[derive(Debug)]
pub(super) struct Input<'b> {
    rest: &'b [u8],
}

impl<'b> Input<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Input<'b> {
        Input { rest: bytes }
    }

    /// Number of bytes left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'b [u8], Bad> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Bad::Format)?;
        self.rest = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Bad::Format)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Bad> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Bad> {
        self.chunk().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Bad> {
        self.chunk().map(u32::from_le_bytes)
    }

    pub(super) fn u32_big(&mut self) -> Result<u32, Bad> {
        self.chunk().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Bad> {
        self.chunk().map(u64::from_le_bytes)
    }

    pub(super) fn u64_big(&mut self) -> Result<u64, Bad> {
        self.chunk().map(u64::from_be_bytes)
    }

    /// A number with a sign of `width` bytes, at most eight.
    pub(super) fn signed(&mut self, width: usize) -> Result<i64, Bad> {
        let mut bytes = [0; 8];
        bytes[8 - width..].copy_from_slice(self.take(width)?);
        Ok(i64::from_le_bytes(bytes) >> (64 - 8 * width))
    }
}

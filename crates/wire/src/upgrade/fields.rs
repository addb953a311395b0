//! Fields of a message: a tag, a length, bytes. The last one of a tag counts.

/// Longest message, bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Longest text or run of bytes in a field.
pub const FIELD_BYTES_MAX: usize = 16 << 10;

/// The reason a message cannot be decoded or encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The message exceeds [`MESSAGE_BYTES_MAX`], or a field [`FIELD_BYTES_MAX`].
    TooLong,
    /// It ends within its kind or within a field.
    Truncated,
    /// A field with this tag has the wrong type, or is not valid text.
    Field(u16),
    /// A required field is missing.
    Missing(u16),
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Malformed::TooLong => f.write_str("message of an upgrade is too long"),
            Malformed::Truncated => f.write_str("message of an upgrade ends early"),
            Malformed::Field(tag) => write!(f, "message of an upgrade: field {tag} is malformed"),
            Malformed::Missing(tag) => write!(f, "message of an upgrade: field {tag} is missing"),
        }
    }
}

impl std::error::Error for Malformed {}

/// A message being written.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// True if a field exceeded the maximum length.
    too_long: bool,
}

impl Writer {
    pub(super) fn new(kind: u16) -> Writer {
        Writer { bytes: kind.to_be_bytes().to_vec(), too_long: false }
    }

    pub(super) fn bytes(mut self, tag: u16, content: &[u8]) -> Writer {
        match u32::try_from(content.len()) {
            Ok(length) if content.len() <= FIELD_BYTES_MAX => {
                self.bytes.extend_from_slice(&tag.to_be_bytes());
                self.bytes.extend_from_slice(&length.to_be_bytes());
                self.bytes.extend_from_slice(content);
            }
            _ => self.too_long = true,
        }
        self
    }

    pub(super) fn number(self, tag: u16, number: u64) -> Writer {
        self.bytes(tag, &number.to_be_bytes())
    }

    /// Writes a flag only if it is set.
    pub(super) fn flag(self, tag: u16, flag: bool) -> Writer {
        if flag { self.bytes(tag, &[]) } else { self }
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, Malformed> {
        if self.too_long || self.bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        Ok(self.bytes)
    }
}

/// The fields of a decoded message; all lie within it.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    fields: Vec<(u16, &'a [u8])>,
}

impl<'a> Fields<'a> {
    /// The kind of a message, and its fields.
    pub(super) fn read(bytes: &'a [u8]) -> Result<(u16, Fields<'a>), Malformed> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let (kind, mut rest) = bytes.split_first_chunk().ok_or(Malformed::Truncated)?;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (tag, after) = rest.split_first_chunk().ok_or(Malformed::Truncated)?;
            let (length, after) = after.split_first_chunk().ok_or(Malformed::Truncated)?;
            let length = u32::from_be_bytes(*length) as usize;
            if length > FIELD_BYTES_MAX {
                return Err(Malformed::TooLong);
            }
            let (content, after) = after.split_at_checked(length).ok_or(Malformed::Truncated)?;
            fields.push((u16::from_be_bytes(*tag), content));
            rest = after;
        }
        Ok((u16::from_be_bytes(*kind), Fields { fields }))
    }

    pub(super) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.fields.iter().rev().find(|(known, _)| *known == tag).map(|(_, content)| *content)
    }

    pub(super) fn number(&self, tag: u16) -> Result<Option<u64>, Malformed> {
        let Some(content) = self.bytes(tag) else { return Ok(None) };
        let number = content.try_into().map_err(|_| Malformed::Field(tag))?;
        Ok(Some(u64::from_be_bytes(number)))
    }

    pub(super) fn flag(&self, tag: u16) -> Result<bool, Malformed> {
        match self.bytes(tag) {
            None => Ok(false),
            Some([]) => Ok(true),
            Some(_) => Err(Malformed::Field(tag)),
        }
    }

    pub(super) fn text(&self, tag: u16) -> Result<Option<String>, Malformed> {
        let Some(content) = self.bytes(tag) else { return Ok(None) };
        let text = std::str::from_utf8(content).map_err(|_| Malformed::Field(tag))?;
        Ok(Some(text.to_owned()))
    }
}

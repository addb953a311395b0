//! A minimal DER reader for certificates and keys: walks from outside in, builds nothing.

pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
/// The version of a certificate, and the curve of a bare EC key.
pub(crate) const CONTEXT_0: u8 = 0xa0;

/// The remaining elements of a constructed value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Der<'a>(pub(crate) &'a [u8]);

impl<'a> Der<'a> {
    /// The tag of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and its content.
    pub(crate) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match usize::from(*first) {
            short @ 0..=0x7f => (short, rest),
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next element, if it has this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Der<'a>> {
        if self.peek() != Some(tag) {
            return None;
        }
        self.next().map(|(_, content)| Der(content))
    }

    /// The next element with its tag and length, if it has this tag.
    pub(crate) fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.enter(tag)?;
        before.get(..before.len() - self.0.len())
    }
}

/// Fields of a certificate from the subject on.
///
/// ```text
/// Certificate ▸ tbsCertificate ▸ [0] version? · serial · algorithm · issuer · validity · subject · subjectPublicKeyInfo · ...
/// ```
pub(crate) fn from_subject(certificate: &[u8]) -> Option<Der<'_>> {
    let mut fields = from_validity(certificate)?;
    fields.enter(SEQUENCE)?;
    Some(fields)
}

/// Fields of a certificate from the validity on.
pub(crate) fn from_validity(certificate: &[u8]) -> Option<Der<'_>> {
    let mut fields = Der(certificate).enter(SEQUENCE)?.enter(SEQUENCE)?;
    if fields.peek() == Some(CONTEXT_0) {
        fields.next()?;
    }
    fields.enter(INTEGER)?;
    for _algorithm_issuer in 0..2 {
        fields.enter(SEQUENCE)?;
    }
    Some(fields)
}

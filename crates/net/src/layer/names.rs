//! Names in a certificate, by a short walk through its DER.
//!
//! ```text
//! subject ▸ SET ▸ SEQUENCE ▸ OID 2.5.4.3 · string                                          the common name
//! [3] extensions ▸ SEQUENCE ▸ SEQUENCE ▸ OID 2.5.29.17 · critical? · OCTET STRING ▸ SEQUENCE ▸ [1] email | [2] DNS | [6] URI
//! ```
//! rustls has parsed the certificate and, if the policy requires it, verified it; this only has to find the
//! text, and to find nothing in anything malformed.

use crate::der::{self, OCTET_STRING, OID, SEQUENCE, SET};

const BOOLEAN: u8 = 0x01;
const BMP_STRING: u8 = 0x1e;
/// The extensions of a certificate.
const CONTEXT_3: u8 = 0xa3;
/// Kinds of alternative names.
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The subject's common name; the last one if there are several.
pub(super) fn common_name(certificate: &[u8]) -> Option<String> {
    let mut subject = der::from_subject(certificate)?.enter(SEQUENCE)?;
    let mut found = None;
    while let Some(mut set) = subject.enter(SET) {
        while let Some(mut attribute) = set.enter(SEQUENCE) {
            if attribute.enter(OID)?.0 == COMMON_NAME {
                let (kind, text) = attribute.next()?;
                found = Some(decode(kind, text));
            }
        }
    }
    found
}

/// Most names reported per certificate.
const NAMES_MAX: usize = 64;

/// All names of a certificate's owner: the common name, then the textual alternative names of the subject
/// (DNS, URI, email). No duplicates; the first [`NAMES_MAX`] of them.
pub(crate) fn names(certificate: &[u8]) -> Vec<String> {
    let mut names = Vec::from_iter(common_name(certificate));
    let alternative = alternative_names(certificate).unwrap_or_default();
    for name in alternative {
        if names.len() < NAMES_MAX && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn alternative_names(certificate: &[u8]) -> Option<Vec<String>> {
    let mut fields = der::from_subject(certificate)?;
    while fields.peek()? != CONTEXT_3 {
        fields.next()?;
    }
    let mut extensions = fields.enter(CONTEXT_3)?.enter(SEQUENCE)?;
    while let Some(mut extension) = extensions.enter(SEQUENCE) {
        if extension.enter(OID)?.0 != ALTERNATIVE_NAME {
            continue;
        }
        if extension.peek()? == BOOLEAN {
            extension.next()?;
        }
        let mut found = Vec::new();
        let mut general = extension.enter(OCTET_STRING)?.enter(SEQUENCE)?;
        while let Some((kind, text)) = general.next() {
            if matches!(kind, EMAIL | DNS | URI) && found.len() < NAMES_MAX {
                found.push(String::from_utf8_lossy(text).into_owned());
            }
        }
        return Some(found);
    }
    None
}

/// Decodes a string: most types are UTF-8 or a subset of it; `BMPString` is UTF-16.
fn decode(kind: u8, text: &[u8]) -> String {
    if kind == BMP_STRING {
        let units: Vec<u16> =
            text.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    } else {
        String::from_utf8_lossy(text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::{CONTEXT_0 as VERSION, INTEGER};

    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = content.len();
        let head = if length < 0x80 {
            vec![tag, length as u8]
        } else {
            vec![tag, 0x82, (length >> 8) as u8, length as u8]
        };
        [head, content].concat()
    }

    fn attribute(oid: &[u8], kind: u8, text: &[u8]) -> Vec<u8> {
        element(SET, &[&element(SEQUENCE, &[&element(OID, &[oid]), &element(kind, &[text])])])
    }

    fn certificate(version: bool, subject: &[&[u8]]) -> Vec<u8> {
        let version = if version { element(VERSION, &[&[2, 1, 2]]) } else { Vec::new() };
        let issuer = element(SEQUENCE, &[&attribute(COMMON_NAME, 0x0c, b"issuer")]);
        let fields: [&[u8]; 6] = [
            &version,
            &element(INTEGER, &[&[1]]),
            &element(SEQUENCE, &[&[0; 200]]),
            &issuer,
            &element(SEQUENCE, &[]),
            &element(SEQUENCE, subject),
        ];
        element(SEQUENCE, &[&element(SEQUENCE, &fields), &element(SEQUENCE, &[])])
    }

    #[test]
    fn found() {
        let name = |subject: &[&[u8]]| common_name(&certificate(true, subject));
        let organization = attribute(&[0x55, 0x04, 0x0a], 0x0c, b"org");
        assert_eq!(name(&[&organization, &attribute(COMMON_NAME, 0x0c, "é".as_bytes())]), Some("é".into()));
        assert_eq!(
            name(&[&attribute(COMMON_NAME, 0x13, b"a"), &attribute(COMMON_NAME, 0x13, b"b")]),
            Some("b".into())
        );
        assert_eq!(name(&[&attribute(COMMON_NAME, BMP_STRING, b"\0h\0i")]), Some("hi".into()));
        assert_eq!(name(&[&organization]), None);
        assert_eq!(name(&[]), None);
        assert_eq!(
            common_name(&certificate(false, &[&attribute(COMMON_NAME, 0x0c, b"v1")])),
            Some("v1".into())
        );
    }

    #[test]
    fn alternative_names_follow_the_common_name() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters =
            rcgen::CertificateParams::new(["app-1.internal".into(), "10.0.0.1".into()]).unwrap();
        let uri = "spiffe://internal/app".try_into().unwrap();
        parameters.subject_alt_names.push(rcgen::SanType::URI(uri));
        parameters.subject_alt_names.push(rcgen::SanType::Rfc822Name("a@internal".try_into().unwrap()));
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "app-1");
        let certificate = parameters.self_signed(&key).unwrap();
        assert_eq!(
            names(certificate.der()),
            ["app-1", "app-1.internal", "spiffe://internal/app", "a@internal"],
            "an address is no name"
        );
        for at in 0..certificate.der().len() {
            let _ = names(&certificate.der()[..at]);
            let mut changed = certificate.der().to_vec();
            changed[at] ^= 0x55;
            let _ = names(&changed);
        }
    }

    #[test]
    fn cut_or_changed_anywhere_never_panics() {
        let whole = certificate(true, &[&attribute(COMMON_NAME, 0x0c, b"name")]);
        for at in 0..whole.len() {
            assert_eq!(common_name(&whole[..at]), None);
            for value in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = common_name(&changed);
            }
        }
    }
}

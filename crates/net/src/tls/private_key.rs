//! Kinds of private keys, to explain why one is unusable.

use rustls::pki_types::PrivateKeyDer;

use crate::der::{CONTEXT_0, Der, INTEGER, OCTET_STRING, OID, SEQUENCE};

/// Kinds of keys by object identifier.
const KINDS: &[(&[u8], &str)] = &[
    (&[0x2b, 0x65, 0x70], "Ed25519"),
    (&[0x2b, 0x65, 0x71], "Ed448"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "DSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a], "RSASSA-PSS"),
];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const CURVES: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "P-256"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x21], "P-224"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "secp256k1"),
];

/// Explains why a rejected key is unusable, and which keys work.
pub(super) fn fault(key: &PrivateKeyDer<'_>) -> String {
    match kind(key) {
        Some((kind, false)) => format!(
            "tls: {kind} cannot be used: make a key and its certificate anew, with RSA of 2048 to 4096 bits, EC on P-256 or \
             P-384, or Ed25519"
        ),
        _ => "tls: failed to parse private key".into(),
    }
}

/// The name of a key's kind, and true if such keys can be used.
fn kind(key: &PrivateKeyDer<'_>) -> Option<(String, bool)> {
    match key {
        PrivateKeyDer::Pkcs1(der) => rsa(der.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(der) => {
            let mut fields = Der(der.secret_sec1_der()).enter(SEQUENCE)?;
            fields.enter(INTEGER)?;
            fields.enter(OCTET_STRING)?;
            Some(ec(fields.enter(CONTEXT_0)?.enter(OID)?.0))
        }
        PrivateKeyDer::Pkcs8(der) => {
            let mut fields = Der(der.secret_pkcs8_der()).enter(SEQUENCE)?;
            fields.enter(INTEGER)?;
            let mut algorithm = fields.enter(SEQUENCE)?;
            match algorithm.enter(OID)?.0 {
                RSA => rsa(fields.enter(OCTET_STRING)?.0),
                EC => Some(ec(algorithm.enter(OID)?.0)),
                other => Some(match KINDS.iter().find(|(oid, _)| *oid == other) {
                    Some((_, name)) => (format!("a key for {name}"), *name == "Ed25519"),
                    None => ("a key of an unknown kind".into(), false),
                }),
            }
        }
        _ => None,
    }
}

/// Kind of an `RSAPrivateKey`: version, modulus, and more.
fn rsa(der: &[u8]) -> Option<(String, bool)> {
    let mut fields = Der(der).enter(SEQUENCE)?;
    fields.enter(INTEGER)?;
    let modulus = fields.enter(INTEGER)?.0;
    let leading = modulus.iter().take_while(|byte| **byte == 0).count();
    let rest = &modulus[leading..];
    let bits = rest.len() * 8 - rest.first().map_or(0, |byte| byte.leading_zeros() as usize);
    Some((format!("an RSA key of {bits} bits"), (2048..=4096).contains(&bits)))
}

fn ec(curve: &[u8]) -> (String, bool) {
    match CURVES.iter().find(|(oid, _)| *oid == curve) {
        Some((_, name)) => (format!("an EC key on {name}"), ["P-256", "P-384"].contains(name)),
        None => ("an EC key on an unknown curve".into(), false),
    }
}

//! Checks of TLS files before anything starts: they are readable, and hold what they should.
//!
//! Errors are nsqd's, that is Go's, preceded by the file name, which Go omits. Errors that only show in use
//! (does the key match the certificate?) are left to the code that builds the TLS configuration.

use std::path::Path;

use rustls_pki_types::pem::{PemObject, SectionKind};

use super::machine;

/// Expected content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// `tls-cert`: a certificate and its chain.
    Certificate,
    /// `tls-key`: its private key, not encrypted.
    Key,
    /// `tls-root-ca-file`: certificates of authorities.
    Authorities,
}

/// Checks that the file at `path` is fit for its purpose.
///
/// # Errors
/// The file, and the reason.
pub fn check(path: &Path, holds: Holds) -> Result<(), String> {
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| format!("open {shown}: {}", machine::error_text(&error)))?;
    fault(&bytes, holds).map_or(Ok(()), |why| Err(format!("{shown}: {why}")))
}

/// The reason these PEM bytes are unusable.
fn fault(bytes: &[u8], holds: Holds) -> Option<&'static str> {
    let mut found: Vec<SectionKind> = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        match section {
            Ok((kind, _)) => found.push(kind),
            Err(_) => return Some("tls: malformed PEM data"),
        }
    }
    let certificate = found.contains(&SectionKind::Certificate);
    let key = found.iter().any(|kind| {
        matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
    });
    match holds {
        Holds::Certificate if certificate => None,
        Holds::Certificate if key => Some(
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs \
             may have been switched",
        ),
        Holds::Certificate => Some("tls: failed to find any PEM data in certificate input"),
        Holds::Key if key => None,
        Holds::Key if certificate => {
            Some("tls: found a certificate rather than a key in the PEM for the private key")
        }
        Holds::Key => Some("tls: failed to find any PEM data in key input"),
        Holds::Authorities if certificate => None,
        Holds::Authorities => Some("failed to append certificate to pool"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEYS: [&str; 3] = [
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n",
    ];

    #[test]
    fn what_is_in_a_file() {
        use Holds::{Authorities, Certificate, Key};
        let both = format!("some text\n{CERTIFICATE}{}", KEYS[0]);
        let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
        let no_pem = "failed to find any PEM data in";
        for (text, holds, why) in [
            (CERTIFICATE, Certificate, None),
            (CERTIFICATE, Authorities, None),
            (CERTIFICATE, Key, Some("found a certificate rather than a key")),
            (KEYS[0], Key, None),
            (KEYS[1], Key, None),
            (KEYS[2], Key, None),
            (KEYS[1], Certificate, Some("PEM inputs may have been switched")),
            (KEYS[2], Authorities, Some("failed to append certificate to pool")),
            (&both, Certificate, None),
            (&both, Key, None),
            (&both, Authorities, None),
            ("", Certificate, Some(no_pem)),
            ("", Key, Some(no_pem)),
            ("", Authorities, Some("failed to append")),
            ("junk\n", Certificate, Some("certificate input")),
            ("junk\n", Key, Some("key input")),
            ("\u{0}\u{1}", Key, Some(no_pem)),
            (request, Certificate, Some(no_pem)),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", Certificate, Some("malformed PEM")),
            (
                "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
                Authorities,
                Some("malformed PEM"),
            ),
        ] {
            let got = fault(text.as_bytes(), holds);
            let fits = got.map_or(why.is_none(), |got| why.is_some_and(|why| got.contains(why)));
            assert!(fits, "{text:?} as {holds:?}: {got:?}");
        }
    }

    #[test]
    fn the_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.pem");
        let shown = path.display().to_string();
        assert_eq!(check(&path, Holds::Certificate), Err(format!("open {shown}: no such file or directory")));
        std::fs::write(&path, "junk").unwrap();
        assert_eq!(
            check(&path, Holds::Key),
            Err(format!("{shown}: tls: failed to find any PEM data in key input"))
        );
        std::fs::write(&path, CERTIFICATE).unwrap();
        assert_eq!(check(&path, Holds::Certificate), Ok(()));
    }
}

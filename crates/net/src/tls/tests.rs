//! Unusual certificates and keys: version 1 works, unusable ones get an accurate error.
//!
//! The files were made with openssl as users do it: `openssl x509 -req` without an extension file for
//! version 1.

use std::io::{Read, Write};

use super::*;

const V1: (&str, &str) = (include_str!("../../tests/tls/v1.pem"), include_str!("../../tests/tls/v1.key"));

/// A client presenting this chain and signing with this key, even if they do not match.
fn client(
    version: &'static SupportedProtocolVersion,
    shown: Option<(&str, &str)>,
) -> rustls::ClientConnection {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate::new(provider())));
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = certificates(chain.as_bytes(), "chain").unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            let key = provider().key_provider.load_private_key(key).unwrap();
            let identity = SingleCertAndKey::from(CertifiedKey::new(chain, key));
            builder.with_client_cert_resolver(Arc::new(identity))
        }
    };
    rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

/// Exchanges bytes in memory until neither end has output; returns the server's error, if any.
fn handshake(server: &Arc<ServerConfig>, mut client: rustls::ClientConnection) -> Result<(), rustls::Error> {
    let mut server = rustls::ServerConnection::new(Arc::clone(server)).unwrap();
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        wire.clear();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets()?;
    }
    // In TLS 1.3 the server finishes a moment later.
    client.writer().write_all(b"hello").unwrap();
    wire.clear();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut &wire[..]).unwrap();
    server.process_new_packets()?;
    let mut got = [0; 5];
    server.reader().read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
    Ok(())
}

fn server(pair: (&str, &str), policy: ClientAuth) -> Result<Arc<ServerConfig>, Error> {
    server_config(pair.0.as_bytes(), pair.1.as_bytes(), None, policy, MinVersion::Tls12)
}

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

#[test]
fn certificates_of_version_1_are_served_and_taken_from_clients() {
    let config = server(V1, ClientAuth::Require).unwrap();
    for version in VERSIONS {
        assert_eq!(handshake(&config, client(version, Some(V1))), Ok(()));
        assert!(handshake(&config, client(version, None)).is_err(), "a certificate is required");
    }
}

#[test]
fn a_server_may_be_its_own_authority() {
    let made = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![String::from("localhost")]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let (own, other) = (made(), made());
    let config = server((&own.0, &own.1), ClientAuth::None).unwrap();
    let shake = |trusted: &str, name: &'static str| {
        let client = client_config(trusted.as_bytes(), None, MinVersion::Tls12).unwrap();
        handshake(&config, rustls::ClientConnection::new(client, name.try_into().unwrap()).unwrap())
    };
    assert_eq!(shake(&own.0, "localhost"), Ok(()));
    assert!(shake(&own.0, "other.example").is_err(), "the name is looked at");
    assert!(shake(&other.0, "localhost").is_err(), "so is who is trusted");
}

#[test]
fn whoever_shows_a_certificate_must_hold_its_key() {
    let config = server(V1, ClientAuth::Require).unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    for version in VERSIONS {
        let stolen = client(version, Some((V1.0, &other.serialize_pem())));
        let error = handshake(&config, stolen).unwrap_err();
        assert_eq!(error, rustls::Error::InvalidCertificate(rustls::CertificateError::BadSignature));
    }
    assert!(matches!(server((V1.0, &other.serialize_pem()), ClientAuth::None), Err(Error::Mismatch)));
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let make = "make a key and its certificate anew, with RSA of 2048 to 4096 bits, EC on P-256 or P-384, or Ed25519";
    let v1_broken = V1.1.replacen("MIGH", "MIGG", 1);
    for (certificate, key, why) in [
        (
            include_str!("../../tests/tls/rsa1024.pem"),
            include_str!("../../tests/tls/rsa1024.key"),
            format!("an RSA key of 1024 bits cannot be used: {make}"),
        ),
        (
            include_str!("../../tests/tls/rsa1024.pem"),
            include_str!("../../tests/tls/rsa1024.pkcs1.key"),
            format!("an RSA key of 1024 bits cannot be used: {make}"),
        ),
        (
            include_str!("../../tests/tls/p521.pem"),
            include_str!("../../tests/tls/p521.key"),
            format!("an EC key on P-521 cannot be used: {make}"),
        ),
        (
            include_str!("../../tests/tls/p521.pem"),
            include_str!("../../tests/tls/p521.sec1.key"),
            format!("an EC key on P-521 cannot be used: {make}"),
        ),
        (V1.0, include_str!("../../tests/tls/ed448.key"), format!("a key for Ed448 cannot be used: {make}")),
        (V1.0, &*v1_broken, "failed to parse private key".into()),
    ] {
        let error = server((certificate, key), ClientAuth::None).unwrap_err();
        assert!(matches!(error, Error::BadKey(_)), "{error:?}");
        assert_eq!(error.to_string(), format!("tls: {why}"));
    }
}

#[test]
fn bytes_that_are_no_certificate_or_key_never_panic() {
    let whole = certificates(V1.0.as_bytes(), "chain").unwrap().remove(0);
    for at in 0..whole.len() {
        let cut = CertificateDer::from(whole[..at].to_vec());
        assert!(PublicKey::of(&cut).is_none());
        for value in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
            let mut changed = whole.to_vec();
            changed[at] = value;
            let _ = PublicKey::of(&CertificateDer::from(changed));
        }
    }
    for pem in [include_str!("../../tests/tls/rsa1024.key"), include_str!("../../tests/tls/p521.key")] {
        let whole = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap().secret_der().to_vec();
        for at in 0..whole.len() {
            for value in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                changed.truncate(whole.len() - usize::from(value == 0xff));
                let _ = private_key::fault(&PrivateKeyDer::Pkcs8(changed.into()));
            }
        }
    }
}

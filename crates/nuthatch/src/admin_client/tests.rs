use std::net::TcpListener;
use std::thread;

use rustls::ServerConnection;
use tempfile::TempDir;

use super::*;

const ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nok\n";
/// Answer of a port with TLS to a client in plain text.
const EXPLAINED: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Certificates of an authority: a server's for `localhost` and a client's; and another authority's server.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Files {
        let files = Files { directory: tempfile::tempdir().unwrap() };
        for (authority, names) in [("ca", &["server", "client"][..]), ("other-ca", &["other"])] {
            let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
            parameters.distinguished_name.push(rcgen::DnType::CommonName, authority);
            parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let key = rcgen::KeyPair::generate().unwrap();
            let pem = parameters.self_signed(&key).unwrap().pem();
            files.write(&format!("{authority}.pem"), &pem);
            let issuer = rcgen::Issuer::new(parameters, key);
            for name in names {
                let key = rcgen::KeyPair::generate().unwrap();
                let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
                files.write(&format!("{name}.pem"), &leaf.signed_by(&key, &issuer).unwrap().pem());
                files.write(&format!("{name}.key"), &key.serialize_pem());
            }
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The port of a server that answers one client, over TLS with this certificate, or plain.
    fn serve(&self, tls: Option<(&str, tls::ClientAuth)>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = tls.map(|(name, policy)| {
            let (cert, key) = (self.read(&format!("{name}.pem")), self.read(&format!("{name}.key")));
            tls::server_config(&cert, &key, Some(&self.read("ca.pem")), policy, MinVersion::Tls12).unwrap()
        });
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            match config {
                None => answer(stream, ANSWER),
                Some(config) => {
                    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                    answer(&mut stream, ANSWER);
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        });
        port
    }
}

/// Reads a request's head, or what is none, and answers it; a client that fails the handshake gets its alert.
fn answer(mut stream: impl Read + Write, answer: &[u8]) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.first().is_none_or(u8::is_ascii_uppercase) {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let _ = stream.write_all(answer);
}

fn given(address: String, trust: AdminTrust) -> AdminAddress {
    AdminAddress { address: Some(address), trust, configured: None }
}

fn said(admin: &AdminAddress) -> String {
    match admin.get("/live") {
        Ok(Answer { code, body }) => format!("{code} {}", body.trim_end()),
        Err(reason) => reason,
    }
}

#[test]
fn the_admin_port_is_verified() {
    use tls::ClientAuth::{None as NoCertificate, RequireVerify};
    let files = Files::new();
    let ca = |name: &str| AdminTrust { ca: Some(files.path(name)), ..AdminTrust::default() };
    let named = |name: &str| AdminTrust { server_name: Some(name.into()), ..ca("ca.pem") };
    let own = |name: &str| AdminTrust {
        cert: Some(files.path(&format!("{name}.pem"))),
        key: Some(files.path(&format!("{name}.key"))),
        ..named("localhost")
    };
    for (server, trust, scheme, expected) in [
        (None, AdminTrust::default(), "", "200 ok"),
        (None, AdminTrust::default(), "http://", "200 ok"),
        (None, ca("ca.pem"), "https://", "it speaks plain text, not TLS"),
        (Some(("server", NoCertificate)), named("localhost"), "https://", "200 ok"),
        (Some(("server", NoCertificate)), named("localhost"), "", "200 ok"),
        (Some(("server", NoCertificate)), ca("ca.pem"), "https://", "another name: use --server-name NAME"),
        (Some(("server", NoCertificate)), named("other"), "https://", "another name"),
        (Some(("server", NoCertificate)), ca("other-ca.pem"), "https://", "not trusted here: use --ca FILE"),
        (Some(("server", NoCertificate)), ca("none.pem"), "https://", "none.pem: No such file"),
        (Some(("server", RequireVerify)), own("client"), "https://", "200 ok"),
        (Some(("server", RequireVerify)), named("localhost"), "https://", "use --cert FILE --key FILE"),
        (Some(("server", RequireVerify)), own("other"), "https://", "unknown_ca"),
    ] {
        let port = files.serve(server);
        let said = said(&given(format!("{scheme}127.0.0.1:{port}"), trust.clone()));
        assert!(said.contains(expected), "{server:?} {scheme} {trust:?}: {said}");
    }
}

#[test]
fn the_admin_port_of_a_configuration_shows_the_configured_certificate() {
    let files = Files::new();
    for (configured, shown, trust, expected) in [
        ("server", "server", AdminTrust::default(), "200 ok"),
        ("server", "client", AdminTrust::default(), "another one than the configured file has"),
        ("other", "other", AdminTrust::default(), "200 ok"),
        (
            "server",
            "client",
            AdminTrust {
                ca: Some(files.path("ca.pem")),
                server_name: Some("localhost".into()),
                ..AdminTrust::default()
            },
            "200 ok",
        ),
    ] {
        let port = files.serve(Some((shown, tls::ClientAuth::None)));
        let text = format!(
            "[admin]\nlisten = \"127.0.0.1:{port}\"\ntls = {{ cert = \"{0}.pem\", key = \"{0}.key\" }}",
            files.path(configured).display()
        );
        let config = config::native::check(&text, 1).config.expect("a good file");
        let said = said(&AdminAddress::of(config.admin.as_ref().unwrap(), &trust));
        assert!(said.contains(expected), "{configured} {shown}: {said}");
    }
    let plain = format!("[admin]\nlisten = \"127.0.0.1:{}\"", files.serve(None));
    let config = config::native::check(&plain, 1).config.expect("a good file");
    let trust = AdminTrust { ca: Some(files.path("ca.pem")), ..AdminTrust::default() };
    let admin = AdminAddress::default().or_of(config.admin.as_ref());
    assert_eq!(said(&AdminAddress { trust, ..admin }), "200 ok", "authorities for others change nothing");
}

#[test]
fn a_plain_request_to_a_port_with_tls_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || answer(listener.accept().unwrap().0, EXPLAINED));
    let said = said(&given(format!("127.0.0.1:{port}"), AdminTrust::default()));
    assert_eq!(
        said,
        format!("the admin port at 127.0.0.1:{port} speaks TLS: write https://127.0.0.1:{port}")
    );
}

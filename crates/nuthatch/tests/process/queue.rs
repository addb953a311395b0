//! The process under nsqd's face: its directory, its exit, and its requests to other services.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use crate::support::{PATIENCE, Running, called, free_port, run, text, wait_for};

fn connect(port: u16) -> TcpStream {
    let stream = wait_for("a connection", || TcpStream::connect(("127.0.0.1", port)).ok());
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// nsqd in this directory, on these ports (0: no HTTP).
fn nsqd(directory: &Path, tcp: u16, http: u16, more: &[&str]) -> Command {
    let mut command = called("nsqd");
    let http = if http == 0 { String::new() } else { format!("127.0.0.1:{http}") };
    let addresses = [format!("--tcp-address=127.0.0.1:{tcp}"), format!("--http-address={http}")];
    command.args(addresses).args(more).current_dir(directory);
    command
}

/// Everything an HTTP server sends until it closes the connection.
fn request(port: u16, request: &str) -> String {
    let mut stream = connect(port);
    write!(stream, "{request} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// nsqd's answer to `input`, up to one frame.
fn frame(port: u16, input: &[u8]) -> String {
    let mut stream = connect(port);
    stream.write_all(input).expect("sent");
    let mut head = [0; 8];
    stream.read_exact(&mut head).expect("a frame");
    let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let mut data = vec![0; size - 4];
    stream.read_exact(&mut data).expect("its data");
    text(&data)
}

#[test]
fn the_queue_under_nsqds_face() {
    let port = free_port();
    let directory = tempfile::tempdir().expect("a directory");
    let address = format!("--tcp-address=127.0.0.1:{port}");
    let arguments = [&*address, "--http-address=", "--data-path=."];
    let mut command = called("nsqd");
    command.args(arguments).current_dir(directory.path());
    let running = Running::start(&mut command);
    assert_eq!(frame(port, b"  V2PUB t\n\0\0\0\x05hello"), "OK");

    let second = run("nsqd", &["--tcp-address=127.0.0.1:0", "--http-address="], directory.path());
    assert_eq!(second.status.code(), Some(1));
    let stderr = text(&second.stderr);
    assert!(
        stderr.contains("FATAL: failed to instantiate nsqd - failed to lock data-path: cannot flock"),
        "{stderr}"
    );

    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
    let running = Running::start(&mut command);
    assert_eq!(frame(port, b"  V2SUB t c\n"), "OK");
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn a_stop_answers_what_was_asked_over_http() {
    let (tcp, http) = (free_port(), free_port());
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = nsqd(directory.path(), tcp, http, &[]);
    let running = Running::start(&mut command);
    let mut stream = connect(http);
    let head = "POST /pub?topic=t HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).expect("leave to send");
    assert_eq!(text(&go_on), "HTTP/1.1 100 Continue\r\n\r\n");
    running.signal("TERM");
    wait_for("closed listeners", || match TcpStream::connect(("127.0.0.1", http)) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Some(()),
        _ => None,
    });
    stream.write_all(b"hello").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nOK"), "{answer}");
    assert_eq!(running.end(), Some(0));

    let _running = Running::start(&mut command);
    let stats = request(http, "GET /stats?format=json&topic=t");
    assert!(stats.contains(r#""depth":1,"#), "{stats}");
}

#[test]
fn every_line_of_the_log_has_nsqds_form() {
    let (tcp, http) = (free_port(), free_port());
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("log");
    let running = Running::logging(&mut nsqd(directory.path(), tcp, http, &["--log-prefix=[mine] "]), &log);
    assert!(request(http, "GET /ping").ends_with("\r\n\r\nOK"));
    assert_eq!(frame(tcp, b"  V2SUB t c\n"), "OK");
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
    let log = std::fs::read_to_string(log).expect("a log");
    let form = regex::Regex::new(r"^\[mine\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} (INFO|WARNING|ERROR): \S")
        .expect("valid");
    for line in log.lines() {
        assert!(form.is_match(line), "{line}");
    }
    for text in [
        " INFO: ID: ",
        " INFO: TCP: listening on ",
        " INFO: 200 GET /ping (127.0.0.1:",
        " INFO: created topic=t",
    ] {
        assert!(log.contains(text), "no {text} in {log}");
    }
}

#[test]
fn clients_are_verified_by_the_systems_authorities_if_no_others_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let pair = |name: &str| {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        std::fs::write(directory.path().join(format!("{name}.pem")), &certificate).expect("written");
        std::fs::write(directory.path().join(format!("{name}.key")), &key).expect("written");
        (certificate, key)
    };
    let (server, client, stranger) = (pair("server"), pair("client"), pair("stranger"));
    let https = free_port();
    let address = format!("--https-address=127.0.0.1:{https}");
    let more = [
        &*address,
        "--tls-cert=server.pem",
        "--tls-key=server.key",
        "--tls-client-auth-policy=require-verify",
    ];
    let mut command = nsqd(directory.path(), free_port(), free_port(), &more);
    let _running = Running::start(command.env("SSL_CERT_FILE", directory.path().join("client.pem")));
    for (identity, welcome) in [(Some(&client), true), (Some(&stranger), false), (None, false)] {
        let identity = identity.map(|(certificate, key)| (certificate.as_bytes(), key.as_bytes()));
        let config = net::tls::client_config(server.0.as_bytes(), identity, net::tls::MinVersion::Tls12);
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        let connection = rustls::ClientConnection::new(config.expect("usable"), name).expect("a connection");
        let mut stream = rustls::StreamOwned::new(connection, connect(https));
        let mut answer = Vec::new();
        let asked = stream.write_all(b"GET /ping HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let _ = asked.and_then(|()| stream.read_to_end(&mut answer));
        assert_eq!(text(&answer).starts_with("HTTP/1.1 200 OK"), welcome, "{}", text(&answer));
    }
}

/// A certificate for localhost in PEM, and a TLS server that answers every request with this body.
fn secure_server(body: &'static str) -> (String, u16) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = rustls::StreamOwned::new(connection, socket.expect("a socket"));
            let mut head = Vec::new();
            let mut byte = [0];
            // A handshake aborted by the other side ends the exchange.
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    (signed.cert.pem(), port)
}

#[test]
fn an_authorization_server_is_asked_over_tls() {
    let everything = r#"{"ttl":60,"identity":"me","identity_url":"","authorizations":[{"topic":".*","channels":[".*"],"permissions":["subscribe","publish"]}]}"#;
    let (certificate, port) = secure_server(everything);
    let (other, _) = secure_server("");
    let granted = r#"{"identity":"me","identity_url":"","permission_count":1}"#;
    for (trusted, expected) in [(certificate, granted), (other, "E_AUTH_FAILED AUTH failed")] {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.pem"), trusted).expect("written");
        let tcp = free_port();
        let server = format!("--auth-http-address=https://localhost:{port}/auth");
        let more = [&*server, "--tls-root-ca-file=ca.pem"];
        let running = Running::start(&mut nsqd(directory.path(), tcp, 0, &more));
        assert_eq!(frame(tcp, b"  V2AUTH\n\0\0\0\x06secret"), expected);
        running.signal("TERM");
        assert_eq!(running.end(), Some(0));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let server = format!("--auth-http-address=https://localhost:{port}/auth");
    let bad = run(
        "nsqd",
        &["--tcp-address=127.0.0.1:0", "--http-address=", &server, "--tls-root-ca-file=x"],
        directory.path(),
    );
    assert_eq!(bad.status.code(), Some(1));
    let expected = "FATAL: failed to instantiate nsqd - failed to build client TLS config - open x: no such file or directory";
    assert!(text(&bad.stderr).contains(expected), "{}", text(&bad.stderr));
}

#[test]
fn files_of_tls_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, content: &str| {
        std::fs::write(directory.path().join(name), content).expect("written");
    };
    let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (one, other) = (pair(), pair());
    write("c.pem", &one.cert.pem());
    write("k.pem", &one.signing_key.serialize_pem());
    write("other.pem", &other.signing_key.serialize_pem());
    write("junk.pem", "junk");
    write("hollow.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let no_pem = "tls: failed to find any PEM data in";
    let fixture = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../net/tests/tls").join(name);
        std::fs::copy(path, directory.path().join(name)).expect("a copy");
    };
    for name in ["rsa1024.pem", "rsa1024.key", "p521.pem", "p521.key"] {
        fixture(name);
    }
    let unusable = "cannot be used: make a key and its certificate anew";
    for (cert, key, ca, complaint) in [
        (
            "rsa1024.pem",
            "rsa1024.key",
            "c.pem",
            format!("TLS config - rsa1024.key: tls: an RSA key of 1024 bits {unusable}"),
        ),
        (
            "p521.pem",
            "p521.key",
            "c.pem",
            format!("TLS config - p521.key: tls: an EC key on P-521 {unusable}"),
        ),
        ("junk.pem", "k.pem", "c.pem", format!("TLS config - junk.pem: {no_pem} certificate input")),
        ("c.pem", "junk.pem", "c.pem", format!("TLS config - junk.pem: {no_pem} key input")),
        ("c.pem", "k.pem", "junk.pem", "TLS config - junk.pem: failed to append certificate to pool".into()),
        ("c.pem", "other.pem", "c.pem", "other.pem: tls: private key does not match public key".into()),
        ("hollow.pem", "k.pem", "c.pem", "TLS config - hollow.pem: ".into()),
        ("c.pem", "k.pem", "hollow.pem", "client TLS config - hollow.pem: ".into()),
    ] {
        let flags =
            [format!("--tls-cert={cert}"), format!("--tls-key={key}"), format!("--tls-root-ca-file={ca}")];
        let started = run("nsqd", &flags.each_ref().map(|flag| &**flag), directory.path());
        assert_eq!(started.status.code(), Some(1), "{complaint}");
        let said = text(&started.stderr);
        assert!(said.lines().count() == 1 && said.contains(&complaint), "no {complaint} in {said}");

        let file =
            format!("[queue]\ntls_cert = \"{cert}\"\ntls_key = \"{key}\"\ntls_root_ca_file = \"{ca}\"\n");
        write("n.toml", &file);
        let checked = run("nuthatch", &["check", "-c", "n.toml"], directory.path());
        assert_eq!(checked.status.code(), Some(1), "{complaint}");
        let said = text(&checked.stdout);
        assert!(said.contains(&complaint) && said.contains("n.toml: 1 error,"), "no {complaint} in {said}");
    }
}

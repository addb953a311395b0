//! Answers to clients that do not speak HTTP, or not to this port.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::daemon::{Daemon, settings};

/// All answers to these bytes until the connection is closed.
fn said(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    let _ = stream.shutdown(Shutdown::Write);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn bad_heads_are_answered_in_gos_words() {
    let daemon = Daemon::start(settings(&[]), None);
    let plain = |status: &str, body: &str| {
        let headers = "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n";
        format!("HTTP/1.1 {status}\r\n{headers}\r\n{body}")
    };
    let bad = plain("400 Bad Request", "400 Bad Request");
    let headers: String = (0..200).map(|n| format!("A{n}: b\r\n")).collect();
    let many = format!("GET /ping HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
    let too_large = "431 Request Header Fields Too Large";
    for (request, answer) in [
        ("junk\r\n\r\n", &bad),
        ("GET /ping\r\n\r\n", &bad),
        ("GET  /ping HTTP/1.1\r\nHost: h\r\n\r\n", &bad),
        ("GET /ping HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", &bad),
        ("GET /ping HTTP/1.1\r\nHost: h\r\nA: \u{1}\r\n\r\n", &bad),
        ("POST /pub?topic=t HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", &bad),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", &bad),
        (&many, &plain(too_large, too_large)),
    ] {
        assert_eq!(said(daemon.http, request.as_bytes()), *answer, "{request:?}");
    }
    let missing = "400 Bad Request: missing required Host header";
    for (request, words) in [
        ("GET /ping HTTP/1.1\r\n\r\n", missing),
        ("GET /ping HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", "400 Bad Request"),
        ("GET ping HTTP/1.1\r\nHost: h\r\n\r\n", "400 Bad Request"),
        ("GET /ping%zz HTTP/1.1\r\nHost: h\r\n\r\n", "400 Bad Request"),
    ] {
        let answer = said(daemon.http, request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"),
            "{head}"
        );
        assert!(head.contains("Connection: close"), "{head}");
        assert_eq!(body, words, "{request:?}");
    }
    // The request before the junk is answered, the one after it is not.
    let answer = said(
        daemon.http,
        b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\njunk\r\n\r\nGET /ping HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(&format!("\r\n\r\nOK{bad}")),
        "{answer}"
    );
    assert!(said(daemon.http, b"GET /ping HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 OK\r\n"));
}

#[test]
fn plain_http_on_the_port_of_https_is_told_so() {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let (none, oldest) = (net::tls::ClientAuth::None, net::tls::MinVersion::Tls12);
    let tls = net::tls::server_config(certificate.as_bytes(), key.as_bytes(), None, none, oldest).unwrap();
    let daemon = Daemon::start(settings(&[]), Some(tls));
    let answer = said(daemon.https.unwrap(), b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n");
    let words = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    assert_eq!(answer, words, "and no alert before it");
}

#[test]
fn options_are_shown_as_they_have_become() {
    let daemon = Daemon::start(settings(&["--broadcast-tcp-port=77"]), None);
    let port = daemon.http.port();
    let shown = |key: &str| daemon.request("GET", &format!("/config/{key}"), b"").text();
    assert_eq!(shown("broadcast_tcp_port"), "77");
    assert_eq!(shown("broadcast_http_port"), port.to_string());
    assert_eq!(shown("statsd_prefix"), format!("nsq.127_0_0_1_{port}."));
}

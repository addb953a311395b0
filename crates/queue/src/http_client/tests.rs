use super::stub::{Stub, answer};
use super::*;

/// Runs on one thread, as the control thread does.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn ask(answers: Vec<Vec<u8>>) -> Result<Bytes, HttpError> {
    run(async {
        let stub = Stub::new(answers, None).await;
        HttpClient::default().get(&format!("http://{}/x?y=1", stub.address)).await
    })
}

#[test]
fn what_is_asked() {
    run(async {
        let stub = Stub::new(vec![answer(200, "yes")], None).await;
        let client = HttpClient::default();
        let url = format!("http://user:secret@{}/auth?a=b", stub.address);
        assert_eq!(client.get(&url).await, Ok(Bytes::from("yes")));
        assert_eq!(
            client.post_json(&format!("http://{}", stub.address), b"{}".to_vec()).await,
            Ok(Bytes::from("yes"))
        );
        let [get, post] = &stub.requests()[..] else { panic!("two requests") };
        assert_eq!(get.line, "GET /auth?a=b HTTP/1.1");
        assert_eq!(get.header("accept"), Some(ACCEPT_NSQ));
        assert_eq!(get.header("host"), Some(stub.address.to_string().as_str()));
        assert_eq!((post.line.as_str(), post.body.as_str()), ("POST / HTTP/1.1", "{}"));
        assert_eq!(post.header("content-type"), Some("application/json"));
    });
}

#[test]
fn answers_of_all_framings() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let to_the_end = "HTTP/1.0 200 OK\r\n\r\nabcde";
    for wire in [answer(200, "abcde"), chunked.into(), to_the_end.into()] {
        assert_eq!(ask(vec![wire]), Ok(Bytes::from("abcde")));
    }
}

#[test]
fn answers_that_are_none() {
    assert_eq!(ask(vec![answer(404, "{}")]), Err(HttpError::Status(404)));
    assert_eq!(ask(vec![answer(301, "")]), Err(HttpError::Status(301)));
    for wire in ["", "junk\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 200 OK\r\n"]
    {
        assert!(matches!(ask(vec![wire.into()]), Err(HttpError::Request(_))), "{wire}");
    }
    let endless = answer(200, &"x".repeat(BODY_BYTES_MAX + 1));
    assert!(matches!(ask(vec![endless]), Err(HttpError::Request(_))));
    let large = answer(200, &"x".repeat(BODY_BYTES_MAX));
    assert_eq!(ask(vec![large]).map(|body| body.len()), Ok(BODY_BYTES_MAX));
}

#[test]
fn addresses_that_are_none() {
    for url in ["", "127.0.0.1:80/x", "ftp://127.0.0.1/", "http://", "http:///x", "http://a b/"] {
        assert_eq!(run(HttpClient::default().get(url)), Err(HttpError::Address), "{url}");
    }
    let refused = run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        HttpClient::default().get(&format!("http://{address}/")).await
    });
    assert!(matches!(refused, Err(HttpError::Connect(_))));
    assert!(matches!(run(HttpClient::default().get("https://127.0.0.1:1/")), Err(HttpError::Connect(_))));
}

#[test]
fn a_server_that_never_answers() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = HttpClient { request_timeout: Duration::from_millis(50), ..HttpClient::default() };
        let url = format!("http://{}/", listener.local_addr().unwrap());
        assert_eq!(client.get(&url).await, Err(HttpError::Timeout));
    });
}

#[test]
fn over_tls() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![String::from("localhost")]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let server = net::tls::server_config(
        certificate.as_bytes(),
        key.serialize_pem().as_bytes(),
        None,
        net::tls::ClientAuth::None,
        net::tls::MinVersion::Tls12,
    );
    let trusting =
        net::tls::client_config(certificate.as_bytes(), None, net::tls::MinVersion::Tls12).unwrap();
    run(async {
        let stub = Stub::new(vec![answer(200, "safe")], Some(server.unwrap())).await;
        let client = HttpClient { tls: Some(trusting), ..HttpClient::default() };
        let port = stub.address.port();
        assert_eq!(client.get(&format!("https://localhost:{port}/")).await, Ok(Bytes::from("safe")));
        let wrong_name = client.get(&format!("https://127.0.0.1:{port}/")).await;
        assert!(matches!(wrong_name, Err(HttpError::Connect(_))), "{wrong_name:?}");
    });
}

#[test]
fn secrets_of_an_address_are_not_shown() {
    for (url, shown) in [
        ("h:4180", "h:4180"),
        ("joe:p@ss@h:4180", "***@h:4180"),
        ("https://joe:pass@h/auth", "https://***@h/auth"),
        ("https://h/a@b?token=x@y", "https://h/a@b?***"),
        ("https://[::1]:1?x", "https://[::1]:1?***"),
        ("http://h/auth", "http://h/auth"),
        ("", ""),
    ] {
        assert_eq!(without_secrets(url), shown);
    }
}

use super::stub::{Stub, answer};
use super::*;

/// Runs on one thread, as the control thread does.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn ask(answers: Vec<Vec<u8>>) -> Result<Bytes, ClientError> {
    run(async {
        let stub = Stub::new(answers, None).await;
        Client::default().get(&format!("http://{}/x?y=1", stub.address)).await
    })
}

#[test]
fn what_is_asked() {
    run(async {
        let stub = Stub::new(vec![answer(200, "yes")], None).await;
        let client = Client::default();
        let url = format!("http://user:secret@{}/auth?a=b", stub.address);
        assert_eq!(client.get(&url).await, Ok(Bytes::from("yes")));
        assert_eq!(
            client.post_json(&format!("http://{}", stub.address), b"{}".to_vec()).await,
            Ok(Bytes::from("yes"))
        );
        let [get, post] = &stub.requests()[..] else { panic!("two requests") };
        assert_eq!(get.line, "GET /auth?a=b HTTP/1.1");
        assert_eq!(get.header("accept"), ACCEPT_NSQ.to_str().ok());
        assert_eq!(get.header("host"), Some(stub.address.to_string().as_str()));
        assert_eq!(get.header("authorization"), None);
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
    assert_eq!(ask(vec![answer(404, "{}")]), Err(ClientError::Status(404)));
    assert_eq!(ask(vec![answer(301, "")]), Err(ClientError::Status(301)));
    for wire in ["", "junk\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "HTTP/1.1 200 OK\r\n"]
    {
        assert!(matches!(ask(vec![wire.into()]), Err(ClientError::Request(_))), "{wire}");
    }
    let bytes_max = Limits::default().body_bytes_max;
    assert_eq!(ask(vec![answer(200, &"x".repeat(bytes_max + 1))]), Err(ClientError::TooLarge(bytes_max)));
    let large = answer(200, &"x".repeat(bytes_max));
    assert_eq!(ask(vec![large]).map(|body| body.len()), Ok(bytes_max));
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(4 * HEAD_BYTES_MAX));
    assert!(matches!(ask(vec![head.into()]), Err(ClientError::Request(_))));
}

#[test]
fn addresses_that_are_none() {
    for url in ["", "127.0.0.1:80/x", "ftp://127.0.0.1/", "http://", "http:///x", "http://a b/"] {
        assert_eq!(run(Client::default().get(url)), Err(ClientError::Address), "{url}");
    }
    let refused = run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        Client::default().get(&format!("http://{address}/")).await
    });
    assert!(matches!(refused, Err(ClientError::Connect(_))));
    assert!(matches!(run(Client::default().get("https://127.0.0.1:1/")), Err(ClientError::Connect(_))));
}

#[test]
fn a_server_that_never_answers() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client =
            Client::new(Limits { request_timeout: Duration::from_millis(50), ..Limits::default() }, None);
        let url = format!("http://{}/", listener.local_addr().unwrap());
        assert_eq!(client.get(&url).await, Err(ClientError::Timeout));
    });
}

#[test]
fn over_tls() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![String::from("localhost")]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let trusting = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.serialize_der().try_into().unwrap());
    run(async {
        let stub = Stub::new(vec![answer(200, "safe")], Some(Arc::new(server.unwrap()))).await;
        let client = Client::new(Limits::default(), Some(Arc::new(trusting)));
        let port = stub.address.port();
        assert_eq!(client.get(&format!("https://localhost:{port}/")).await, Ok(Bytes::from("safe")));
        let wrong_name = client.get(&format!("https://127.0.0.1:{port}/")).await;
        assert!(matches!(wrong_name, Err(ClientError::Connect(_))), "{wrong_name:?}");
    });
}

#[test]
fn credentials_are_sent_if_the_call_says_so() {
    run(async {
        let stub = Stub::new(vec![answer(404, "no")], None).await;
        let call = Call::get(format!("http://joe:pass@{}/", stub.address)).with_credentials();
        let reply = Client::default().send(call).await.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (404, &b"no"[..]));
        assert_eq!(stub.requests()[0].header("authorization"), Some("Basic am9lOnBhc3M="));
        assert_eq!(stub.requests()[0].header("accept"), None);
    });
}

/// Serves every connection until its client closes it, and counts them.
async fn lasting(connections: Arc<std::sync::atomic::AtomicUsize>) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while socket.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await;
                }
            });
        }
    });
    address
}

#[test]
fn requests_share_a_connection() {
    run(async {
        let connections = Arc::default();
        let url = format!("http://{}/", lasting(Arc::clone(&connections)).await);
        let client = Client::default();
        for _ in 0..10 {
            assert_eq!(client.clone().get(&url).await, Ok(Bytes::from("OK")));
        }
        assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
    });
}

#[test]
fn bodies_have_a_limit_together() {
    run(async {
        let half = TOTAL_BYTES_MAX / 2;
        let stub = Stub::new(vec![answer(200, "abc")], None).await;
        let client = Client::default();
        let url = format!("http://{}/", stub.address);
        let mut others = client.account.open(&stub.address.to_string());
        others.grow_to(half - 2).unwrap();
        assert_eq!(client.get(&url).await, Err(ClientError::Busy));
        drop(others);
        assert_eq!(client.get(&url).await, Ok(Bytes::from("abc")));
    });
}

#[test]
fn only_the_status_is_looked_at() {
    let cut = "HTTP/1.1 204 No Content\r\n\r\n";
    let endless = format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}", "x".repeat(1 << 20));
    let large = String::from_utf8(answer(202, &"x".repeat(Limits::default().body_bytes_max + 1))).unwrap();
    for (wire, status) in [(cut, 204), (&endless, 200), (&large, 202)] {
        run(async {
            let stub = Stub::new(vec![wire.into()], None).await;
            let limits = Limits { request_timeout: Duration::from_secs(2), ..Limits::default() };
            let client = Client::keeping(limits, None, 1);
            let call =
                Call::post_bytes(format!("http://{}/x", stub.address), "body").bearer("s").bearer("\n");
            assert_eq!(client.status(call).await.map(|status| status.as_u16()), Ok(status));
            let asked = &stub.requests()[0];
            assert_eq!((asked.body.as_str(), asked.header("content-type")), ("body", None));
            assert_eq!(asked.header("authorization"), Some("Bearer s"));
        });
    }
    run(async {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let limits = Limits { request_timeout: Duration::from_millis(50), ..Limits::default() };
        let call = Call::get(format!("http://{}/", silent.local_addr().unwrap()));
        assert_eq!(Client::new(limits, None).status(call).await, Err(ClientError::Timeout));
    });
}

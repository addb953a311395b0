use super::*;
use ::http::client::stub::{Stub, answer};

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn body(authorizations: &str) -> String {
    format!(
        r#"{{"ttl": 3600, "identity": "me", "identity_url": "http://x.example", "authorizations": {authorizations}}}"#
    )
}

const ALL: &str = r#"[{"topic": ".*", "channels": [".*"], "permissions": ["subscribe", "publish"]}]"#;

fn request() -> AuthRequest {
    AuthRequest {
        remote_ip: "127.0.0.1".into(),
        secret: b"s3 &cret".to_vec().into(),
        ..AuthRequest::default()
    }
}

#[test]
fn permissions() {
    // authorizations; topic and channel (none: to publish); allowed
    let cases: [(&str, &str, Option<&str>, bool); 16] = [
        (ALL, "t", None, true),
        (ALL, "t", Some("c"), true),
        (r#"[{"topic":"^t$","channels":[".*"],"permissions":["publish"]}]"#, "t", None, true),
        (r#"[{"topic":"^t$","channels":[".*"],"permissions":["publish"]}]"#, "t", Some("c"), false),
        (r#"[{"topic":"^t$","channels":["^c$"],"permissions":["subscribe"]}]"#, "t", Some("c"), true),
        (r#"[{"topic":"^t$","channels":["^c$"],"permissions":["subscribe"]}]"#, "t", Some("cc"), false),
        (r#"[{"topic":"^t$","channels":["^c$"],"permissions":["subscribe"]}]"#, "t2", Some("c"), false),
        (r#"[{"topic":"^t$","channels":["^c$"],"permissions":["subscribe"]}]"#, "t", None, false),
        (r#"[{"topic":"ok","channels":[".*"],"permissions":["publish"]}]"#, "xx_ok_yy", None, true),
        (r#"[{"topic":"ok","channels":[".*"],"permissions":["publish"]}]"#, "xx", None, false),
        (r#"[{"topic":".*","channels":["^c$"],"permissions":["subscribe","publish"]}]"#, "t", None, false),
        (r#"[{"topic":".*","channels":[],"permissions":["publish"]}]"#, "t", None, false),
        (r#"[{"topic":".*","channels":["^$"],"permissions":["publish"]}]"#, "t", None, true),
        (
            r#"[{"topic":"a","channels":["x"],"permissions":["subscribe"]},{"topic":"b","channels":["y"],"permissions":["subscribe"]}]"#,
            "b",
            Some("y"),
            true,
        ),
        (
            r#"[{"topic":"a","channels":["x"],"permissions":["subscribe"]},{"topic":"b","channels":["y"],"permissions":["subscribe"]}]"#,
            "a",
            Some("y"),
            false,
        ),
        (r#"[{"topic":null,"channels":[""],"permissions":["subscribe"],"more":1}]"#, "a", Some("y"), true),
    ];
    for (authorizations, topic, channel, allowed) in cases {
        let rights = Rights::parse(body(authorizations).as_bytes()).unwrap();
        let access = if channel.is_some() { Access::Subscribe } else { Access::Publish };
        let got = rights.allows(access, topic, channel.unwrap_or_default());
        assert_eq!(got, allowed, "{authorizations} {topic} {channel:?}");
    }
}

#[test]
fn answers_without_authority() {
    let nothing = Rights::parse(body("[]").as_bytes()).unwrap();
    assert_eq!(nothing.permission_count(), 0);
    assert!(!nothing.allows(Access::Publish, "t", "") && !nothing.allows(Access::Subscribe, "t", "c"));
    assert_eq!(Rights::parse(body("null").as_bytes()).unwrap().permission_count(), 0);
    let huge = r#"[{"topic":"(((a{100}){100}){100}){100}","channels":[],"permissions":[]}]"#;
    for (text, expected) in [
        ("junk".to_owned(), "invalid response"),
        ("[]".to_owned(), "invalid response"),
        (r#"{"ttl":"5"}"#.to_owned(), "invalid response"),
        ("{}".to_owned(), "invalid ttl 0"),
        (r#"{"ttl":-1,"authorizations":[]}"#.to_owned(), "invalid ttl -1"),
        (body(r#"[{"topic":"t","channels":[],"permissions":["admin"]}]"#), "unknown permission admin"),
        (body(r#"[{"topic":"(","channels":[],"permissions":[]}]"#), "invalid regular expression"),
        (body(r#"[{"topic":"t","channels":["["],"permissions":[]}]"#), "invalid regular expression"),
        (body(huge), "invalid regular expression"),
    ] {
        let error = Rights::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn keys_are_found_whatever_their_case() {
    let text = r#"{"TTL":5,"Identity":"me","authorizations":[{"Topic":"t","Channels":["c"],"PERMISSIONS":["subscribe"]}]}"#;
    let rights = Rights::parse(text.as_bytes()).unwrap();
    assert_eq!((rights.ttl(), rights.identity()), (Duration::from_secs(5), "me"));
    assert!(rights.allows(Access::Subscribe, "t", "c"));
}

#[test]
fn both_methods_ask_as_nsqd_does() {
    run(async {
        let stub = Stub::new(vec![answer(200, &body(ALL))], None).await;
        let address = stub.address.to_string();
        for method in [Method::Get, Method::Post] {
            let servers = vec![address.clone()];
            let authenticator = Authenticator { servers, method, http: Client::default() };
            let rights = authenticator.query(&request()).await.unwrap();
            assert_eq!((rights.ttl(), rights.identity()), (Duration::from_hours(1), "me"));
            assert_eq!((rights.identity_url(), rights.permission_count()), ("http://x.example", 1));
        }
        let verbatim = vec![format!("http://{address}/else")];
        let authenticator = Authenticator { servers: verbatim, method: Method::Get, http: Client::default() };
        let query = AuthQuery {
            remote_ip: "10.0.0.1".into(),
            tls: true,
            common_name: "cn".into(),
            secret: b"x".to_vec().into(),
        };
        assert!(authenticator.answer(query).await.unwrap().allows(Access::Publish, "t", ""));
        let [get, post, other] = &stub.requests()[..] else { panic!("three requests") };
        assert_eq!(
            get.line,
            "GET /auth?common_name=&remote_ip=127.0.0.1&secret=s3+%26cret&tls=false HTTP/1.1"
        );
        assert_eq!(get.header("accept"), Some("application/vnd.nsq; version=1.0"));
        assert_eq!(post.line, "POST /auth HTTP/1.1");
        let json =
            r#"{"common_name":[""],"remote_ip":["127.0.0.1"],"secret":["s3 \u0026cret"],"tls":["false"]}"#;
        assert_eq!(post.body, json);
        assert_eq!(other.line, "GET /else?common_name=cn&remote_ip=10.0.0.1&secret=x&tls=true HTTP/1.1");
    });
}

#[test]
fn the_next_server_is_asked_when_one_fails() {
    run(async {
        let bad = Stub::new(vec![answer(500, "")], None).await;
        let good = Stub::new(vec![answer(200, &body(ALL))], None).await;
        let servers = vec![bad.address.to_string(), good.address.to_string()];
        let authenticator = Authenticator { servers, method: Method::Get, http: Client::default() };
        for n in 1..=20 {
            assert!(authenticator.query(&request()).await.unwrap().allows(Access::Publish, "t", ""));
            assert_eq!(good.requests().len(), n);
        }
        let servers = vec![bad.address.to_string(); 3];
        let before = bad.requests().len();
        let authenticator = Authenticator { servers, ..authenticator };
        let error = authenticator.query(&request()).await.unwrap_err();
        assert!(matches!(error, AuthError::Http(ClientError::Status(500))), "{error}");
        assert_eq!(bad.requests().len() - before, 3, "each once");
        let authenticator = Authenticator { servers: Vec::new(), ..authenticator };
        assert!(matches!(authenticator.query(&request()).await, Err(AuthError::NoServer)));
    });
}

//! Test: what holds a secret shows nothing of it in the message of a panic, nor does a panic that unwinds
//! through it.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use access::Book;
use net::tls;
use proxy::{Generation, PoolTls, Settings};
use queue::QueueOptions;
use queue::authority::AuthQuery;
use wire::nsq::Command;
use wire::nsq::auth::{Secret, SecretBytes};

use crate::users::ProcessUsers;

const PASSWORD: &str = "open-sesame";
/// SHA-256 of it.
const SHA256: &str = "d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";
/// "password", of the reference implementation.
const ARGON2: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

fn configuration() -> config::checked::Config {
    let text = format!(
        r#"
[pool.p]
listen = "127.0.0.1:1"
tls = {{ cert = "tls.pem", key = "tls.key" }}
server_tls = {{ ca = "tls.pem", cert = "tls.pem", key = "tls.key" }}
auth = "{PASSWORD}"
servers = [{{ address = "127.0.0.1:2", password = "{PASSWORD}" }}]
[queue]
tcp = "127.0.0.1:3"
auth_http_addresses = ["http://name:{PASSWORD}@127.0.0.1:4/path"]
[user.quick]
password_sha256 = ["{SHA256}"]
pools = ["p"]
publish = ["*"]
[user.slow]
password_argon2 = ["{ARGON2}"]
admin = "operate"
"#
    );
    let report = config::native::check(&text, 1);
    report.config.unwrap_or_else(|| panic!("{:?}", report.faults))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Forms in which a message may show bytes, without white space.
fn forms(secret: &[u8]) -> Vec<String> {
    let decimal: Vec<String> = secret.iter().map(u8::to_string).collect();
    let text = String::from_utf8_lossy(secret).into_owned();
    vec![text, decimal.join(","), hex(secret), hex(secret).to_uppercase(), http::base64::encode(secret)]
}

/// The message of a panic that shows a value in both of its forms.
fn message(value: &dyn Debug) -> String {
    let panicked = catch_unwind(AssertUnwindSafe(|| panic!("unexpected: {value:?} {value:#?}")));
    let payload = panicked.expect_err("it panics");
    let text = payload.downcast_ref::<String>().expect("a text");
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// A certificate, its private key, both PEM, and the secret number of the key.
fn identity() -> (String, String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let der = made.signing_key.serialize_der();
    // An octet string of 32 bytes.
    let at = der.windows(2).position(|head| head == [0x04, 0x20]).expect("a private key") + 2;
    (made.cert.pem(), made.signing_key.serialize_pem(), der[at..at + 32].to_vec())
}

#[test]
fn no_panic_shows_a_secret() {
    let config = configuration();
    let users = ProcessUsers::new(&config).unwrap();
    let book: &Book = users.book();
    let (cert, key, number) = identity();
    let own = Some((cert.as_bytes(), key.as_bytes()));
    let version = tls::MinVersion::Tls12;
    let server =
        tls::server_config(cert.as_bytes(), key.as_bytes(), None, tls::ClientAuth::None, version).unwrap();
    let client = tls::client_config(cert.as_bytes(), own, version).unwrap();
    let pool_tls = PoolTls { clients: Some(server.clone()), servers: Some(client.clone()), contents: 0 };
    let settings =
        Settings { tls: [("p".to_owned(), pool_tls)].into(), ..Settings::of(&config, book.clone()) };
    let options = QueueOptions {
        tls: Some(server.clone()),
        users: book.clone(),
        ..QueueOptions::from(config.queue.clone().expect("a queue"))
    };
    let request = format!("*3\r\n$4\r\nAUTH\r\n$5\r\nquick\r\n${}\r\n{PASSWORD}\r\n", PASSWORD.len());
    let query = AuthQuery {
        remote_ip: "127.0.0.1".into(),
        tls: false,
        common_name: String::new(),
        secret: Secret::from(PASSWORD.as_bytes().to_vec()),
    };
    let arguments = wire::redis::Args::of(request.as_bytes()).expect("a request");
    let values: Vec<(&str, Box<dyn Debug + '_>)> = vec![
        ("configuration", Box::new(config.clone())),
        ("settings of pools", Box::new(settings.clone())),
        ("generation", Box::new(Generation::first(1, settings))),
        ("options of the queue", Box::new(options)),
        ("users", Box::new(users.clone())),
        ("book", Box::new((book.clone(), book.users().cloned().collect::<Vec<_>>()))),
        ("specs", Box::new(book.specs().to_vec())),
        ("login", Box::new(book.login(b"quick", PASSWORD.as_bytes()))),
        ("slow login", Box::new(book.login(b"slow", PASSWORD.as_bytes()))),
        ("TLS of a server", Box::new(server)),
        ("TLS of a client", Box::new(client)),
        ("AUTH of Redis", Box::new((arguments, arguments.clone().nth(2)))),
        ("AUTH of NSQ", Box::new(Command::Auth { secret: SecretBytes(PASSWORD.as_bytes()) })),
        ("question to an authorization server", Box::new(query)),
    ];
    let digest: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&SHA256[at..at + 2], 16).unwrap()).collect();
    let hash = ARGON2.rsplit('$').next().expect("a hash");
    let secrets = [PASSWORD.as_bytes(), &digest, hash.as_bytes(), &number];
    for (name, value) in &values {
        let said = message(value);
        for form in secrets.iter().flat_map(|secret| forms(secret)) {
            assert!(!said.contains(&form), "{name} shows {form}: {said}");
        }
    }
}

#[test]
fn the_search_finds_what_is_shown() {
    let secret = b"open-sesame".to_vec();
    for value in [&secret as &dyn Debug, &PASSWORD, &hex(&secret), &Arc::new([1u8, 2, 3])] {
        let found = forms(&secret).iter().any(|form| message(value).contains(form));
        assert_eq!(found, !format!("{value:?}").starts_with("[1, 2"), "{value:?}");
    }
}

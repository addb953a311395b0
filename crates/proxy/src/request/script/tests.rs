use net::{App, ConnId};
use sha1::Digest;

use crate::detour::scripted::Cluster;
use crate::testing::{World, lines, reply, send};

const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\"]\n";
/// The SHA-1 of `return 1`.
const SHA: &str = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
const LOAD: &str = "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$8\r\nreturn 1\r\n";
const NOSCRIPT: &str = "-NOSCRIPT No matching script. Please use EVAL.\r\n";

fn evalsha(key: &str) -> String {
    format!("EVALSHA {SHA} 1 {key}")
}

/// `EVAL` of `return 1`.
fn eval(key: &str) -> String {
    format!("*4\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n1\r\n${}\r\n{key}\r\n", key.len())
}

fn text(requests: &[&str]) -> String {
    String::from_utf8(lines(requests)).unwrap()
}

/// A world whose client has loaded the script, the client, and its server.
fn loaded() -> (World, ConnId, ConnId) {
    let mut w = World::new(POOL);
    let client = w.ask(LOAD);
    let server = w.server(0);
    reply(&mut w, server, &format!("$40\r\n{SHA}\r\n"));
    (w, client, server)
}

fn loads(w: &World) -> u64 {
    w.proxy.pools.values().map(|pool| pool.stats.scripts_loaded.get()).sum()
}

#[test]
fn a_script_goes_ahead_once_per_life_of_a_server() {
    let (mut w, client, server) = loaded();
    send(&mut w, client, &[&evalsha("k"), "GET a", &evalsha("l")]);
    let rest = text(&[&evalsha("k"), "GET a", &evalsha("l")]);
    assert_eq!(w.sent(server), format!("{LOAD}{LOAD}{rest}"), "the first came from the client");
    reply(&mut w, server, &format!("$40\r\n{SHA}\r\n:1\r\n$1\r\na\r\n:2\r\n"));
    assert_eq!(w.sent(client), format!("$40\r\n{SHA}\r\n:1\r\n$1\r\na\r\n:2\r\n"));
    w.proxy.ended(&mut w.io, server);
    send(&mut w, client, &[&evalsha("k")]);
    let next = w.server(1);
    assert_eq!(w.sent(next), format!("{LOAD}{}", text(&[&evalsha("k")])));
    assert_eq!(loads(&w), 2);
    reply(&mut w, next, "-NOPERM this user has no permissions\r\n:3\r\n");
    assert!(w.sent(client).ends_with(":3\r\n"), "a server that takes none may know it all the same");
}

#[test]
fn a_script_that_was_run_is_known_and_one_that_nobody_sent_is_not() {
    let mut w = World::new(POOL);
    let client = w.ask(eval("k"));
    let server = w.server(0);
    reply(&mut w, server, ":1\r\n");
    let unknown = "EVALSHA 0000000000000000000000000000000000000000 1 k";
    send(&mut w, client, &[&evalsha("k"), unknown]);
    assert_eq!(w.sent(server), format!("{}{LOAD}{}", eval("k"), text(&[&evalsha("k"), unknown])));
    reply(&mut w, server, &format!("$40\r\n{SHA}\r\n:1\r\n{NOSCRIPT}"));
    assert_eq!(w.sent(client), format!(":1\r\n:1\r\n{NOSCRIPT}"));
}

#[test]
fn a_server_that_forgot_a_script_gets_its_text_unless_later_requests_would_be_overtaken() {
    let (mut w, client, server) = loaded();
    send(&mut w, client, &[&evalsha("k")]);
    reply(&mut w, server, &format!("$40\r\n{SHA}\r\n{NOSCRIPT}"));
    assert!(w.sent(server).ends_with(&eval("k")));
    assert!(!w.sent(client).contains("NOSCRIPT"));
    reply(&mut w, server, ":1\r\n");
    assert!(w.sent(client).ends_with(":1\r\n"));
    let (said, sent) = (w.sent(client).len(), w.sent(server).len());
    send(&mut w, client, &[&evalsha("k"), "GET a"]);
    let requests = text(&[&evalsha("k"), "GET a"]);
    assert_eq!(w.sent(server)[sent..], format!("{LOAD}{requests}"));
    reply(&mut w, server, &format!("$40\r\n{SHA}\r\n{NOSCRIPT}$1\r\na\r\n"));
    assert_eq!(w.sent(client)[said..], format!("{NOSCRIPT}$1\r\na\r\n"), "in order");
    assert!(w.sent(server).ends_with(&requests));
    assert!(w.proxy.clients().all(|client| client.waiting() == 0));
}

#[test]
fn scripts_that_were_removed_are_not_brought_back() {
    let (mut w, client, server) = loaded();
    send(&mut w, client, &["SCRIPT FLUSH", &evalsha("k")]);
    reply(&mut w, server, &format!("+OK\r\n{NOSCRIPT}"));
    assert!(w.sent(client).ends_with(&format!("+OK\r\n{NOSCRIPT}")));
    assert_eq!(loads(&w), 0);
}

#[test]
fn a_transaction_brings_its_scripts() {
    let (mut w, client, server) = loaded();
    let sent = w.sent(server).len();
    send(&mut w, client, &["MULTI", &evalsha("k"), "GET k", "EXEC"]);
    let rest = text(&["MULTI", &evalsha("k"), "GET k", "EXEC"]);
    assert_eq!(w.sent(server)[sent..], format!("{LOAD}{rest}"));
}

#[test]
fn a_new_owner_of_a_slot_gets_the_script() {
    let mut c = Cluster::new();
    let client = c.ask(&["SCRIPT LOAD return1"]);
    for port in [1, 2] {
        c.at(port, &["SCRIPT LOAD return1"], "$1\r\nx\r\n");
    }
    let sha: String = sha1::Sha1::digest("return1").iter().map(|byte| format!("{byte:02x}")).collect();
    let ask = format!("EVALSHA {sha} 1 foo");
    c.more(client, &[&ask]);
    c.at(2, &["SCRIPT LOAD return1", &ask], "$1\r\nx\r\n-MOVED 12182 127.0.0.1:1\r\n");
    c.at(1, &["SCRIPT LOAD return1", &ask], "$1\r\nx\r\n:7\r\n");
    assert!(c.w.sent(client).ends_with(":7\r\n"), "{}", c.w.sent(client));
}

//! Masters that Sentinels name: first address, another one, and the role that each connection has to show.

use net::{Address, App, ConnId};

use crate::generation::Settings;
use crate::testing::{World, settings};

const POOL: &str = "[pool.s]\nlisten = \"127.0.0.1:1\"\ntopology = \"sentinel\"\nsentinels = [\"a:1\"]\n\
                    masters = [\"m\"]\n";
const ROLE: &str = "*1\r\n$4\r\nROLE\r\n";
const GET: &str = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
const SET: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
const MASTER: &[u8] = b"*3\r\n$6\r\nmaster\r\n:14\r\n*0\r\n";
const REPLICA: &[u8] = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:7\r\n$9\r\nconnected\r\n:14\r\n";
const READONLY: &str = "-READONLY You can't write against a read only replica.\r\n";
const REPLACED: &str =
    "-ERR the master was replaced by another, and the request may or may not have been executed\r\n";
const DEMOTED: &str = "-ERR the server is not a master, and the Sentinels are asked for another\r\n";

fn named(port: u16) -> Settings {
    let mut settings = settings(POOL);
    settings.named.masters.insert(("s".into(), "m".into()), ("10.0.0.1".into(), port));
    settings
}

/// A world whose master has port 1.
fn world() -> World {
    let mut w = World::new(POOL);
    w.reload(named(1));
    w
}

fn doubts(w: &World) -> usize {
    w.told.doubts.lock().expect("doubts").len()
}

fn port(w: &World, conn: ConnId) -> u16 {
    let found = w.io.connects.iter().find(|(id, _)| *id == conn);
    match found {
        Some((_, Address::Tcp { port, .. })) => *port,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_request_goes_anywhere_before_a_sentinel_has_named_the_master() {
    let mut w = World::new(POOL);
    let client = w.ask(GET);
    assert_eq!(w.sent(client), "-ERR no Sentinel has named the master yet\r\n");
    assert!(w.io.connects.is_empty());
    w.reload(named(1));
    w.receive(client, GET.as_bytes());
    let server = w.server(0);
    assert_eq!((port(&w, server), w.sent(server).as_str()), (1, ROLE));
    w.receive(server, MASTER);
    assert_eq!(w.sent(server), format!("{ROLE}{GET}"));
    w.receive(server, b"$1\r\nv\r\n");
    assert!(w.sent(client).ends_with("\r\n$1\r\nv\r\n"));
}

#[test]
fn nothing_is_sent_to_a_server_that_is_no_master() {
    for reply in [REPLICA, b"*1\r\n$8\r\nsentinel\r\n", b"+master\r\n", b"-NOPERM no role\r\n"] {
        let mut w = world();
        let client = w.ask(SET);
        let server = w.server(0);
        w.receive(server, reply);
        assert_eq!((w.sent(server).as_str(), w.sent(client).as_str()), (ROLE, DEMOTED));
        assert!(w.io.closed.contains(&server));
        assert!(doubts(&w) >= 1);
    }
}

#[test]
fn another_address_replaces_the_connections_and_nothing_else() {
    let mut w = world();
    let (reader, writer, later) = (w.ask(GET), w.ask(SET), w.ask(GET));
    let old = w.server(0);
    w.receive(old, MASTER);
    w.receive(old, b"$1\r\na\r\n");
    assert_eq!(w.sent(reader), "$1\r\na\r\n");
    w.reload(named(2));
    assert!(w.io.closed.contains(&old));
    // The write may have been executed; the read is sent again.
    assert_eq!((w.sent(writer).as_str(), w.sent(later).as_str()), (REPLACED, ""));
    let new = w.server(1);
    assert_eq!(port(&w, new), 2);
    w.receive(new, &[MASTER, b"$1\r\nb\r\n"].concat());
    assert_eq!(w.sent(later), "$1\r\nb\r\n");
    let stats = w.proxy.servers.values().next().expect("a server").stats.clone();
    assert_eq!((stats.master_changes.get(), stats.requests.get(), stats.retries.get()), (1, 4, 1));
    assert_eq!((stats.server_connections.get(), stats.server_err.get()), (1, 0));
    // The same address again changes nothing.
    w.reload(named(2));
    assert!(!w.io.closed.contains(&new));
}

#[test]
fn a_master_that_was_out_of_reach_is_tried_at_once_at_its_new_address() {
    let mut w = world();
    let client = w.ask(SET);
    let old = w.io.connects[0].0;
    for n in 1..6 {
        w.proxy.failed(&mut w.io, old, net::Fault::Refused);
        w.receive(client, SET.as_bytes());
        assert!(w.io.connects.len() <= n + 1);
    }
    w.reload(named(2));
    let before = w.io.connects.len();
    w.receive(client, SET.as_bytes());
    assert_eq!(w.io.connects.len(), before + 1, "no wait that the old address has earned");
}

#[test]
fn a_write_that_a_replica_declines_makes_it_show_its_role() {
    let mut w = world();
    let client = w.ask(SET);
    let server = w.server(0);
    w.receive(server, MASTER);
    w.receive(server, READONLY.as_bytes());
    assert_eq!(w.sent(client), READONLY, "it was not executed, which the client has to know");
    assert_eq!((w.sent(server), doubts(&w)), (format!("{ROLE}{SET}{ROLE}"), 1));
    // What comes meanwhile waits, and does not reach a replica.
    let other = w.ask(SET);
    assert_eq!(w.sent(server), format!("{ROLE}{SET}{ROLE}"));
    w.receive(server, REPLICA);
    assert_eq!(w.sent(other), DEMOTED);
    assert!(w.io.closed.contains(&server));
}

#[test]
fn an_error_that_a_script_makes_up_is_no_more_than_a_doubt() {
    let mut w = world();
    let client = w.ask(SET);
    let server = w.server(0);
    w.receive(server, MASTER);
    w.receive(server, READONLY.as_bytes());
    w.receive(server, MASTER);
    for _ in 0..100 {
        w.receive(client, SET.as_bytes());
        w.receive(server, READONLY.as_bytes());
    }
    w.receive(client, SET.as_bytes());
    w.receive(server, b"+OK\r\n");
    assert!(w.sent(client).ends_with("replica.\r\n+OK\r\n"));
    assert_eq!((doubts(&w), w.io.connects.len()), (1, 1));
}

#[test]
fn what_has_not_left_for_the_old_master_goes_to_the_new_one() {
    let mut w = world();
    let (writer, reader) = (w.ask(SET), w.ask(GET));
    let old = w.server(0);
    assert_eq!(w.sent(old), ROLE, "no request before the role is known");
    w.reload(named(2));
    assert!(w.io.closed.contains(&old));
    let new = w.server(1);
    assert_eq!((port(&w, new), w.sent(new).as_str()), (2, ROLE));
    w.receive(new, MASTER);
    assert_eq!(w.sent(new), format!("{ROLE}{SET}{GET}"));
    w.receive(new, b"+OK\r\n$1\r\nv\r\n");
    assert_eq!((w.sent(writer).as_str(), w.sent(reader).as_str()), ("+OK\r\n", "$1\r\nv\r\n"));
    let census = w.proxy.census();
    assert_eq!(census.held, census.held_counted);
}

/// Each was counted as sent, and got the error of one that may have been executed.
#[test]
fn requests_behind_a_full_socket_go_to_the_next_master() {
    const MULTI: &str = "*1\r\n$5\r\nMULTI\r\n";
    const EXEC: &str = "*1\r\n$4\r\nEXEC\r\n";
    let piece = [MULTI, SET, EXEC].concat();
    // Bytes that have not left, from the end: whole requests, part of one, the beginning and the middle of a
    // transaction. What has left in part cannot have been executed either; of a transaction whose beginning
    // has left, the rest must not be.
    let cases = [
        (piece.len() + SET.len(), 1, vec!["+OK\r\n", "*1\r\n+OK\r\n"]),
        (piece.len() + SET.len() - 1, 1, vec!["+OK\r\n", "*1\r\n+OK\r\n"]),
        (piece.len() + 1, 1, vec!["+OK\r\n", "*1\r\n+OK\r\n"]),
        (piece.len() - 1, 2, vec!["*1\r\n+OK\r\n"]),
        (EXEC.len() + SET.len(), 3, vec![]),
        (EXEC.len() + SET.len() - 1, 3, vec![]),
        (1, 3, vec![]),
    ];
    for (unsent, lost, replies) in cases {
        let mut w = world();
        let clients = [w.ask(SET), w.ask(SET), w.ask(&piece)];
        let old = w.server(0);
        w.receive(old, MASTER);
        w.io.unsent.insert(old, unsent);
        w.reload(named(2));
        let again = [SET, SET, piece.as_str()][lost..].concat();
        if !again.is_empty() {
            let new = w.server(1);
            w.receive(new, MASTER);
            assert_eq!(w.sent(new), format!("{ROLE}{again}"), "{unsent}");
            let answers = "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n";
            let skip = if again.starts_with(MULTI) { "+OK\r\n".len() } else { 0 };
            w.receive(new, &answers.as_bytes()[skip..]);
        }
        let heard: Vec<String> = clients.iter().map(|client| w.sent(*client)).collect();
        assert_eq!(heard.iter().filter(|text| text.contains("replaced")).count(), lost, "{heard:?}");
        for (client, reply) in heard[lost..].iter().zip(replies) {
            assert!(client.ends_with(reply), "{unsent}: {client}");
        }
    }
}

use net::{App, ConnId, Fault};

use crate::testing::{World, lines};

const TWO: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nhash = \"fnv1a_64\"\ndistribution = \"modula\"\n\
                   servers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\ntimeout = \"1s\"\n";
const QUEUED: &str = "+QUEUED\r\n";
const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.\r\n";

/// Keys `a` and `b` live on different servers.
fn world() -> (World, ConnId) {
    let mut w = World::new(TWO);
    let client = w.accept(0);
    (w, client)
}

#[test]
fn a_transaction_goes_out_in_one_piece_at_exec() {
    for cut in [usize::MAX, 30, 1] {
        let (mut w, client) = world();
        w.receive_in_pieces(client, &lines(&["MULTI", "SET a 1", "PING", "GET a"]), cut);
        assert_eq!(w.sent(client), format!("+OK\r\n{}", QUEUED.repeat(3)));
        assert!(w.io.connects.is_empty(), "nothing is sent before EXEC");
        let other = w.ask(lines(&["GET a"]));
        w.receive_in_pieces(client, &lines(&["EXEC", "GET a"]), cut);
        let server = w.server(0);
        let unit = lines(&["GET a", "MULTI", "SET a 1", "PING", "GET a", "EXEC", "GET a"]);
        assert_eq!(w.sent(server).to_lowercase(), String::from_utf8(unit).unwrap().to_lowercase());
        let array = "*3\r\n+OK\r\n+PONG\r\n$1\r\n1\r\n";
        w.receive(server, format!("$1\r\n0\r\n+OK\r\n{}{array}$1\r\n1\r\n", QUEUED.repeat(3)).as_bytes());
        assert_eq!(w.sent(other), "$1\r\n0\r\n");
        assert_eq!(w.sent(client), format!("+OK\r\n{}{array}$1\r\n1\r\n", QUEUED.repeat(3)));
        assert_eq!(w.proxy.gathers.open_count(), 0);
        let census = w.proxy.census();
        assert_eq!(census.held, census.held_counted);
    }
}

#[test]
fn the_answer_to_a_transaction_that_came_whole_leaves_in_one_piece() {
    let replied = "+OK\r\n+QUEUED\r\n".len();
    // Bytes before those of its own replies, if these have not left.
    for (unsent, is_held) in [(0, false), (replied - 1, true), (replied, true), (replied + 1, false)] {
        let (mut w, client) = world();
        w.receive(client, &lines(&["MULTI", "SET a 1"]));
        w.io.unsent.insert(client, unsent);
        assert!(w.io.held.is_empty(), "it may wait for these before it sends the rest");
        w.receive(client, &lines(&["EXEC"]));
        assert_eq!(w.io.held, if is_held { vec![client] } else { vec![] }, "{unsent}");
    }
}

/// Requests, and the answers; nothing reaches a server.
#[test]
fn what_is_answered_here() {
    let cross = "-CROSSSLOT the keys of 'get' live on different servers: set hash_tag: \"{}\" for the pool and give them the \
                 same tag, as in {tag}a {tag}b\r\n";
    let cases: &[(&[&str], &str)] = &[
        (&["EXEC"], "-ERR EXEC without MULTI\r\n"),
        (&["DISCARD"], "-ERR DISCARD without MULTI\r\n"),
        (&["UNWATCH"], "+OK\r\n"),
        (&["MULTI", "EXEC"], "+OK\r\n*0\r\n"),
        (&["MULTI", "MULTI", "EXEC"], "+OK\r\n-ERR MULTI calls can not be nested\r\n*0\r\n"),
        (&["MULTI", "WATCH a", "EXEC"], "+OK\r\n-ERR WATCH inside MULTI is not allowed\r\n*0\r\n"),
        (&["MULTI", "SET a 1", "DISCARD", "EXEC"], "+OK\r\n+QUEUED\r\n+OK\r\n-ERR EXEC without MULTI\r\n"),
        (&["MULTI", "SET a 1", "RESET", "EXEC"], "+OK\r\n+QUEUED\r\n+RESET\r\n-ERR EXEC without MULTI\r\n"),
        (&["MULTI", "GET a", "GET b", "EXEC"], &format!("+OK\r\n{QUEUED}{cross}{ABORTED}")),
        (&["MULTI", "MGET a b", "EXEC"], &format!("+OK\r\n{}{ABORTED}", cross.replace("'get'", "'mget'"))),
        (
            &["MULTI", "GET", "SET a 1", "EXEC"],
            &format!("+OK\r\n-ERR wrong number of arguments for 'get' command\r\n{QUEUED}{ABORTED}"),
        ),
        (
            &["MULTI", "SAVE", "SHUTDOWN", "EXEC"],
            &format!("+OK\r\n{}{ABORTED}", "-ERR Command not allowed inside a transaction\r\n".repeat(2)),
        ),
        (
            &["MULTI", "SUBSCRIBE c", "EXEC", "PING"],
            &format!(
                "+OK\r\n-ERR 'subscribe' cannot be part of a transaction here: it is about the client's connection, which servers \
                 do not see\r\n{ABORTED}+PONG\r\n"
            ),
        ),
        (
            &["MULTI", "CLIENT SETNAME x", "EXEC"],
            &format!(
                "+OK\r\n-ERR 'client|setname' cannot be part of a transaction here: it is about the client's connection, which \
                 servers do not see\r\n{ABORTED}"
            ),
        ),
        (
            &["MULTI", "DBSIZE", "EXEC"],
            &format!(
                "+OK\r\n-ERR 'dbsize' cannot be part of a transaction: it is about all servers, and a transaction is for one\r\n\
                 {ABORTED}"
            ),
        ),
        (
            &["MULTI", "FLUSHALL", "EXEC"],
            &format!(
                "+OK\r\n-ERR 'flushall' is not allowed in this pool: it empties all servers; if it is meant, set allow = [\"flush\"] \
                 of the pool\r\n{ABORTED}"
            ),
        ),
    ];
    for (requests, answer) in cases {
        for cut in [usize::MAX, 1] {
            let (mut w, client) = world();
            w.receive_in_pieces(client, &lines(requests), cut);
            assert_eq!(w.sent(client), *answer, "{requests:?}");
            assert!(w.io.connects.is_empty(), "{requests:?}");
            assert!(w.proxy.clients().all(|client| client.session.state.is_none()), "{requests:?}");
            let census = w.proxy.census();
            assert_eq!(census.held, census.held_counted);
        }
    }
}

/// Replies of the server to MULTI, SET, EXEC, and that of the client to EXEC.
#[test]
fn what_the_server_finds_wrong() {
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    let cases = [
        (
            format!("+OK\r\n{oom}{ABORTED}"),
            format!("-EXECABORT Transaction discarded because of: {}", &oom[1..]),
        ),
        (format!("+OK\r\n{QUEUED}-READONLY x\r\n"), "-READONLY x\r\n".to_owned()),
        (format!("+OK\r\n{QUEUED}*1\r\n-ERR x\r\n"), "*1\r\n-ERR x\r\n".to_owned()),
        (format!("+OK\r\n{QUEUED}*-1\r\n"), "*-1\r\n".to_owned()),
    ];
    for (says, told) in cases {
        let (mut w, client) = world();
        w.receive(client, &lines(&["MULTI", "SET a 1", "EXEC"]));
        let server = w.server(0);
        w.receive(server, says.as_bytes());
        assert_eq!(w.sent(client), format!("+OK\r\n{QUEUED}{told}"));
        assert!(!w.io.closed.contains(&server));
    }
}

#[test]
fn a_lost_connection_leaves_no_half_and_no_repetition() {
    let unknown = " (the transaction may have been executed)\r\n";
    // Replies before the loss; the client is told.
    for (replies, told) in [
        ("", format!("-ERR Connection reset by peer{unknown}")),
        ("+OK\r\n+QUEUED\r\n", format!("-ERR Connection reset by peer{unknown}")),
        ("+OK\r\n-OOM x\r\n", "-EXECABORT Transaction discarded because of: OOM x\r\n".to_owned()),
    ] {
        let (mut w, client) = world();
        w.receive(client, &lines(&["MULTI", "GET a", "EXEC"]));
        let server = w.server(0);
        w.receive(server, replies.as_bytes());
        w.proxy.failed(&mut w.io, server, Fault::Reset);
        assert_eq!(w.sent(client), format!("+OK\r\n{QUEUED}{told}"));
        assert_eq!(w.io.connects.len(), 1, "it is not sent again");
    }
    let (mut w, client) = world();
    w.receive(client, &lines(&["MULTI", "GET a", "EXEC"]));
    let conn = w.io.connects[0].0;
    w.proxy.failed(&mut w.io, conn, Fault::Refused);
    assert_eq!(w.sent(client), format!("+OK\r\n{QUEUED}-ERR Connection refused\r\n"));
}

#[test]
fn a_timeout_harms_nobody_else_on_the_connection() {
    let (mut w, client) = world();
    w.receive(client, &lines(&["MULTI", "SET a 1", "EXEC"]));
    let server = w.server(0);
    w.pass_time(std::time::Duration::from_millis(1001));
    let late = "-ERR Connection timed out (the transaction may have been executed)\r\n";
    assert_eq!(w.sent(client), format!("+OK\r\n{QUEUED}{late}"));
    let other = w.ask(lines(&["GET a"]));
    w.receive(server, b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n$1\r\n1\r\n");
    assert_eq!(w.sent(other), "$1\r\n1\r\n");
}

#[test]
fn a_transaction_on_the_embedded_cache() {
    let mut w = World::new("[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\n");
    let client =
        w.ask(lines(&["MULTI", "SET a 1", "INCR a", "INCR a x", "EXEC", "MULTI", "INCR a", "GET a", "EXEC"]));
    let arity = "-ERR wrong number of arguments for 'incr' command\r\n";
    let expected =
        format!("+OK\r\n{QUEUED}{QUEUED}{arity}{ABORTED}+OK\r\n{QUEUED}{QUEUED}*2\r\n:1\r\n$1\r\n1\r\n");
    assert_eq!(w.sent(client), expected);
}

#[test]
fn a_transaction_has_limits_and_its_memory_is_counted() {
    let mut w = World::new(&format!("{TWO}server_queue_max = 3\nrequest_bytes_max = 4096\n"));
    let queue = "-ERR the transaction is too large (server_queue_max of the pool)\r\n";
    let client = w.ask(lines(&["MULTI", "GET a", "GET a", "GET a", "GET a", "EXEC"]));
    assert_eq!(w.sent(client), format!("+OK\r\n{}{queue}{ABORTED}", QUEUED.repeat(3)));
    let long = format!("SET a {}", "x".repeat(3000));
    let client = w.ask(lines(&["MULTI", &long]));
    let census = w.proxy.census();
    assert!(census.held >= 3000 && census.held == census.held_counted, "{census:?}");
    w.receive(client, &lines(&[&long, "EXEC"]));
    let bytes = "-ERR the transaction is too large (request_bytes_max of the pool)\r\n";
    assert_eq!(w.sent(client), format!("+OK\r\n{QUEUED}{bytes}{ABORTED}"));
    let client = w.ask(lines(&["MULTI", &long]));
    w.proxy.failed(&mut w.io, client, Fault::Reset);
    let census = w.proxy.census();
    assert!(census.held < 3000 && census.held == census.held_counted, "{census:?}");
}

/// Requests refused for a limit inside a transaction, which ends: nothing of it is executed, and what comes
/// after it is no part of it.
#[test]
fn a_limit_within_a_transaction_ends_it_as_a_whole() {
    let over = "ERR too many requests: limit_requests of this pool is reached, try again later\r\n";
    let cases: &[(u32, &[&str], String)] = &[
        (2, &["MULTI", "GET a", "GET a"], format!("+OK\r\n{QUEUED}-{over}")),
        (
            2,
            &["MULTI", "GET a", "EXEC"],
            format!("+OK\r\n{QUEUED}-EXECABORT Transaction discarded because of: {over}"),
        ),
        (
            1,
            &["WATCH a", "MULTI", "GET a", "EXEC"],
            format!("+OK\r\n-{over}-ERR not executed, since the MULTI before it was refused\r\n{ABORTED}"),
        ),
    ];
    for (burst, requests, answer) in cases {
        let limit = format!("limit_requests = \"1/s burst {burst}\"\n");
        let mut w = World::new(&TWO.replace("timeout", &format!("{limit}timeout")));
        let client = w.accept(0);
        for request in *requests {
            w.receive(client, &lines(&[request]));
            if *request == "WATCH a" {
                let private = w.server(0);
                w.receive(private, b"+OK\r\n");
            }
        }
        assert_eq!(w.sent(client), *answer, "{requests:?}");
        let sent: Vec<String> = w.io.connects.iter().map(|(id, _)| w.sent(*id)).collect();
        assert!(sent.iter().all(|sent| !sent.contains("EXEC")), "{sent:?}");
        assert_eq!(w.io.closed.contains(&client), *burst == 1, "its MULTI was refused");
        if *burst > 1 {
            w.pass_time(std::time::Duration::from_secs(1));
            w.receive(client, &lines(&["EXEC"]));
            let last = if requests.ends_with(&["GET a"]) { ABORTED } else { "-ERR EXEC without MULTI\r\n" };
            assert_eq!(w.sent(client)[answer.len()..], *last, "{requests:?}");
        }
    }
}

#[test]
fn a_refused_watch_closes_its_client_since_exec_would_not_look() {
    let mut w = World::new(&format!("{TWO}private_connections = 0\n"));
    let client = w.accept(0);
    w.receive(client, &lines(&["WATCH a"]));
    w.pass_time(std::time::Duration::from_millis(1001));
    w.receive(client, &lines(&["WATCH a", "MULTI", "SET a 1", "EXEC"]));
    assert!(w.sent(client).starts_with("-ERR all connections to this server for single clients are in use"));
    assert_eq!(w.sent(client).matches("\r\n").count(), 1, "{}", w.sent(client));
    assert!(w.io.closed.contains(&client));
}

#[test]
fn a_transaction_whose_server_was_ejected_meanwhile_is_not_sent_there() {
    let mut w = World::new(&TWO.replace(
        "timeout",
        "auto_eject_hosts = true\nserver_failure_limit = 1\nserver_retry_timeout = \"1s\"\ntimeout",
    ));
    let client = w.accept(0);
    w.receive(client, &lines(&["MULTI", "SET a 1"]));
    w.ask(lines(&["GET a"]));
    let server = w.server(0);
    w.proxy.failed(&mut w.io, server, Fault::Reset);
    let connects = w.io.connects.len();
    w.receive(client, &lines(&["EXEC"]));
    let error = "-EXECABORT Transaction discarded because of: no server is left for it\r\n";
    assert_eq!(w.sent(client), format!("+OK\r\n{QUEUED}{error}"));
    assert_eq!(w.io.connects.len(), connects);
}

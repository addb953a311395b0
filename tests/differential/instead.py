"""What nuthatch answers where it differs from nutcracker on purpose: a row for each category of docs/compat-twemproxy.md.

    instead.py [--short] [NAME...]

A row is a name, the pool's keys, the servers behind it, and a conversation of (connection, bytes sent, bytes wanted).
`CLOSED` at the end of what is wanted means that the connection is closed then; without it, it stays, and the next
exchange shows that. Servers are real ones, or play a part: `Says` gives prepared answers.
"""

import argparse
import re
import socket
import sys
import threading

import _stage
from _stage import Difference, kit
from redis_streams import encode

CLOSED = object()
# Then `a` and `b` live apart on two servers.
KEYS = {"distribution": "modula", "hash": "fnv1a_64"}


class Says:
    """A server that answers each request line or array with the next of its answers, and the last one again and again."""

    def __init__(self, *answers, protocol="redis"):
        self.answers, self.protocol, self.asked = list(answers), protocol, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.requests = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        data = b""
        with peer:
            while more := peer.recv(65536):
                data += more
                while (end := self.request_end(data)) is not None:
                    self.requests.append(data[:end])
                    data = data[end:]
                    answer = self.answers[min(self.asked, len(self.answers) - 1)]
                    self.asked += 1
                    if answer is not None:
                        peer.sendall(answer)

    def request_end(self, data):
        if self.protocol == "redis":
            return _stage.redis_reply_end(data)
        end = data.find(b"\r\n") + 2
        words = data[:end].split()
        if words and words[0] in (b"set", b"cas", b"ms"):
            end += int(words[2 if words[0] == b"ms" else 4]) + 2
        return end if 2 <= end <= len(data) else None

    def stop(self):
        self.listener.close()


class Down:
    """Nobody listens here, and nobody else can: the port is taken."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def stop(self):
        self.socket.close()


# Of the script "return 1".
SHA = b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
REAL = object()
SECRET = object()


def r(*words):
    return encode(*words)


# Requests that are refused, and that what comes behind them depends on.
DEPENDED_ON = [
    ("WATCH",), ("SELECT", 1), ("SUBSCRIBE",), ("PSUBSCRIBE",), ("SSUBSCRIBE",), ("MONITOR",), ("SYNC",),
    ("CLIENT", "TRACKING", "ON"), ("ASKING",), ("SCRIPT", "DEBUG", "YES"), ("SELECT", "x"), ("RESET", "x"),
]

REDIS = [
    ("unknown commands are answered", {}, [REAL], [
        ("a", r("SET", "k", "v") + r("SHUTDOWN") + r("GET", "k"),
         b"+OK\r\n", rb"-ERR unknown command 'shutdown', unsupported by this proxy: [^\r]*\r\n", b"$1\r\nv\r\n"),
        ("a", r("GETX", "k"), b"-ERR unknown command 'GETX', with args beginning with: 'k' \r\n"),
        ("a", r("") + r("OBJECT", "x"), b"-ERR unknown command '', with args beginning with: \r\n",
         b"-ERR unknown subcommand 'x'. Try OBJECT HELP.\r\n"),
        ("a", r("PING"), b"+PONG\r\n"),
    ]),
    ("refusals that close", {}, [REAL], [
        *[(f"a{n}", r("INCR", "n") + r(*words) + r("INCR", "n") + r("EXEC"), b":%d\r\n" % (n + 1), rb"-ERR [^\r]*\r\n", CLOSED)
          for n, words in enumerate(DEPENDED_ON)],
        ("direct", r("GET", "n"), b"$2\r\n%d\r\n" % len(DEPENDED_ON)),
    ]),
    ("a refused transaction is refused as a whole", {}, [REAL], [
        ("a", r("MULTI", "x") + r("INCR", "n") + r("EXEC") + r("INCR", "n"), rb"-ERR wrong number[^\r]*\r\n",
         b"-ERR not executed, since the MULTI before it was refused\r\n",
         b"-EXECABORT Transaction discarded because of previous errors.\r\n", CLOSED),
        ("b", r("MULTI", "x") + r("INCR", "n") + r("DISCARD"), rb"-ERR wrong number[^\r]*\r\n",
         b"-ERR not executed, since the MULTI before it was refused\r\n+OK\r\n", CLOSED),
        ("c", r("MULTI", "x"), rb"-ERR wrong number[^\r]*\r\n", CLOSED),
        ("direct", r("GET", "n"), b"$-1\r\n"),
    ]),
    ("a transaction is executed as one", {}, [REAL], [
        ("a", r("MULTI") + r("INCR", "n") + r("GET", "n"), b"+OK\r\n+QUEUED\r\n+QUEUED\r\n"),
        ("direct", r("SET", "n", 6), b"+OK\r\n"),
        ("a", r("EXEC") + r("GET", "n"), b"*2\r\n:7\r\n$1\r\n7\r\n$1\r\n7\r\n"),
        ("a", r("MULTI") + r("INCR") + r("EXEC"), b"+OK\r\n", b"-ERR wrong number of arguments for 'incr' command\r\n",
         b"-EXECABORT Transaction discarded because of previous errors.\r\n"),
    ]),
    ("refusals that close, before the password", {"redis_auth": "sekret"}, [SECRET], [
        ("a", r("WATCH", "n") + r("AUTH", "sekret") + r("INCR", "n"), b"-NOAUTH Authentication required\r\n", CLOSED),
        ("direct", r("AUTH", "sekret") + r("GET", "n"), b"+OK\r\n", b"$-1\r\n"),
    ]),
    ("the user default needs no password where there is none", {}, [REAL], [
        ("a", r("AUTH", "default", "x") + r("AUTH", "default", "") + r("AUTH", "x") + r("AUTH", "other", "x"), b"+OK\r\n" * 2,
         b"-ERR Client sent AUTH, but no password is set\r\n",
         b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
        ("b", r("HELLO", 3, "AUTH", "other", "x"), b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
        ("b", r("HELLO", 2, "AUTH", "default", "x"), rb"\*14\r\n.*\*0\r\n"),
    ]),
    ("a user and a password", {"redis_auth": "sekret"}, [SECRET], [
        ("a", r("AUTH", "other", "sekret") + r("GET", "k"),
         b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", b"-NOAUTH Authentication required\r\n"),
        ("a", r("AUTH", "default", "x") + r("AUTH", "default", "sekret") + r("GET", "k"),
         b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", b"+OK\r\n", b"$-1\r\n"),
        ("a", r("SELECT", 1), rb"-ERR DB index is out of range: [^\r]* database 0 only, not 1 [^\r]*\r\n", CLOSED),
    ]),
    *[(f"{words[0]} is refused and the client stays", {}, [REAL], [
        ("a", r(*words) + r("PING"), rb"-ERR [^\r]*\r\n", b"+PONG\r\n"),
    ]) for words in [("EXEC",), ("DISCARD",), ("READONLY",), ("FLUSHALL",), ("DEBUG", "SLEEP", 0), ("AUTH", "x")]],
    ("wrong numbers of arguments are answered", {}, [REAL], [
        ("a", r("GET") + r("MSET", "k") + r("LINSERT", "l", "BEFORE", "p") + r("PING"),
         b"-ERR wrong number of arguments for 'get' command\r\n", b"-ERR wrong number of arguments for 'mset' command\r\n",
         b"-ERR wrong number of arguments for 'linsert' command\r\n", b"+PONG\r\n"),
        ("a", r("EVAL", "return 1", 2, "k"), b"-ERR Number of keys can't be greater than number of args\r\n"),
        ("a", r("EVAL", "return 1", 0), b":1\r\n"),
    ]),
    ("commands that modern clients send are answered here", {}, [REAL], [
        ("a", r("SELECT", 0) + r("ECHO", "x") + r("PING", "y"), b"+OK\r\n", b"$1\r\nx\r\n", b"$1\r\ny\r\n"),
        ("a", r("CLIENT", "SETNAME", "me") + r("CLIENT", "GETNAME"), b"+OK\r\n", b"$2\r\nme\r\n"),
        ("a", r("INFO", "server") + r("INFO", "nosuch"), rb"\$\d+\r\n# Server\r\nredis_version:[^#]*\r\n", b"$0\r\n\r\n"),
        ("a", r("HELLO", 3), rb"%\d[^*]*?(?:\$\d+\r\n[^\r]*\r\n|:\d+\r\n)*\*0\r\n"),
    ]),
    ("more commands are forwarded", {}, [REAL], [
        ("a", r("XADD", "x", "1-1", "f", "v") + r("EXPIRE", "x", 100, "NX") + r("OBJECT", "REFCOUNT", "x"),
         b"$3\r\n1-1\r\n", b":1\r\n", b":1\r\n"),
    ]),
    ("QUIT is answered", {}, [REAL], [
        ("a", r("SET", "k", "v") + r("QUIT") + r("GET", "k"), b"+OK\r\n", b"+OK\r\n", CLOSED),
    ]),
    ("QUIT is answered without a password too", {"redis_auth": "sekret"}, [SECRET], [
        ("a", r("KEYS", "*") + r("GET", "k") + r("QUIT"), b"-NOAUTH Authentication required\r\n" * 2, b"+OK\r\n", CLOSED),
    ]),
    ("malformed framing is answered after everything that is owed", {}, [REAL], [
        ("a", r("SET", "k", "v") + r("GET", "k") + b"*1\r\n+PING\r\n",
         b"+OK\r\n", b"$1\r\nv\r\n", b"-ERR Protocol error: expected '$', got '+'\r\n", CLOSED),
        ("b", b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n", CLOSED),
        ("c", b"*1\r\n$4\r\nPINGX\r\n", b"-ERR Protocol error: expected CRLF after bulk\r\n", CLOSED),
        ("d", b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
        ("e", r("GET", "k"), b"$1\r\nv\r\n"),
    ]),
    ("malformed lengths never reach a server", {}, [Says(b"+OK\r\n")], [
        ("good", r("SET", "k", 1), b"+OK\r\n"),
        ("a", b"*02\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"-ERR Protocol error: invalid multibulk length\r\n", CLOSED),
        ("b", b"*2\r\n$03\r\nGET\r\n$1\r\nk\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
        ("c", b"*2\r\n$3\r\nGET\r\n$4294967297\r\nk\r\n", b"-ERR Protocol error: invalid bulk length\r\n", CLOSED),
        ("good", r("SET", "k", 2), b"+OK\r\n"),
        ("seen", [r("SET", "k", 1), r("SET", "k", 2)]),
    ]),
    ("inline commands", {}, [REAL], [
        ("a", b"SET k 'a b'\r\nGET k\njunk\r\nPING\r\n",
         b"+OK\r\n", b"$3\r\na b\r\n", b"-ERR unknown command 'junk', with args beginning with: \r\n", b"+PONG\r\n"),
    ]),
    ("empty requests are skipped", {}, [REAL], [("a", b"\r\n*0\r\n\n*-1\r\n" + r("PING"), b"+PONG\r\n")]),
    ("keys on several servers are refused", {"hash_tag": '"{}"'}, [REAL, REAL], [
        ("a", r("SADD", "a", 1) + r("SADD", "b", 2), b":1\r\n", b":1\r\n"),
        ("a", r("SUNION", "a", "b") + r("PING"), rb"-CROSSSLOT [^\r]*hash tag[^\r]*\r\n", b"+PONG\r\n"),
        ("a", r("SADD", "{t}a", 1) + r("SADD", "{t}b", 2) + r("SINTER", "{t}a", "{t}b"), b":1\r\n", b":1\r\n", b"*0\r\n"),
        ("a", r("ZADD", "{t}z", 1, "m") + r("ZDIFF", 1, "{t}z"), b":1\r\n", b"*1\r\n$1\r\nm\r\n"),
    ]),
    ("EXISTS counts over all servers", {}, [REAL, REAL], [
        ("a", r("MSET", "a", 1, "b", 2) + r("EXISTS", "a", "b", "c", "a"), b"+OK\r\n", b":3\r\n"),
    ]),
    ("scripts are loaded on every server", {}, [REAL, REAL], [
        ("a", r("SCRIPT", "FLUSH") + r("SCRIPT", "LOAD", "return 1"), b"+OK\r\n", b"$40\r\n" + SHA + b"\r\n"),
        ("direct", r("SCRIPT", "EXISTS", SHA), b"*1\r\n:1\r\n"),
        ("a", r("EVALSHA", SHA, 1, "a") + r("EVALSHA", SHA, 1, "b"), b":1\r\n" * 2),
        ("direct", r("SCRIPT", "FLUSH"), b"+OK\r\n"),
        ("a", r("SCRIPT", "EXISTS", SHA, SHA) + r("MSET", "a", 1, "b", 2) + r("DBSIZE"), b"*2\r\n:0\r\n:0\r\n", b"+OK\r\n", b":2\r\n"),
        ("a", r("SCRIPT", "LOAD", "x y") + r("PING"), rb"-ERR [^\r]*compiling[^\r]* \(server [^\r]*\)\r\n", b"+PONG\r\n"),
    ]),
    ("a part's error is passed on", {}, [Says(b"-READONLY no\r\n"), Says(b"-READONLY no\r\n")], [
        ("a", r("MGET", "a", "b") + r("DEL", "a", "b") + r("MSET", "a", 1, "b", 2) + r("PING"),
         b"-READONLY no\r\n" * 3, b"+PONG\r\n"),
    ]),
    *[(f"{word} is passed on and ends nothing", {}, [Says(b"$1\r\n1\r\n", b"-%s x\r\n" % word.encode(), b"$1\r\n3\r\n")], [
        ("a", r("GET", "a") + r("GET", "b") + r("GET", "c"), b"$1\r\n1\r\n", b"-%s x\r\n" % word.encode(), b"$1\r\n3\r\n"),
    ]) for word in ("OOM", "BUSY", "LOADING", "READONLY", "NOAUTH")],
    ("a database that does not exist is an error", {"redis_db": 99}, [REAL], [
        ("a", r("SET", "k", "v") + r("PING"), rb"-ERR [^\r]*database\r\n", b"+PONG\r\n"),
        ("direct", r("SELECT", 0) + r("GET", "k"), b"+OK\r\n", b"$-1\r\n"),
    ]),
    ("password, then database", {"redis_auth": "sekret", "redis_db": 3}, [SECRET], [
        ("a", r("AUTH", "sekret") + r("SET", "k", "v"), b"+OK\r\n", b"+OK\r\n"),
        ("direct", r("AUTH", "sekret") + r("GET", "k") + r("SELECT", 3) + r("GET", "k"),
         b"+OK\r\n", b"$-1\r\n", b"+OK\r\n", b"$1\r\nv\r\n"),
    ]),
    ("keys have no limit from a buffer", {}, [REAL], [
        ("a", r("SET", "k" * 20000, "v") + r("GET", "k" * 20000), b"+OK\r\n", b"$1\r\nv\r\n"),
    ]),
    ("an MGET that fails keeps its client", {}, [Down(), Down()], [
        ("a", r("PING") + r("MGET", "a", "b") + r("PING"), b"+PONG\r\n", b"-ERR Connection refused\r\n", b"+PONG\r\n"),
    ]),
    ("an MGET that times out keeps its client", {"timeout": 200}, [Says(None), Says(None)], [
        ("a", r("MGET", "a", "b") + r("PING"), b"-ERR Connection timed out\r\n", b"+PONG\r\n"),
    ]),
    ("an MGET part that is no array is an error", {}, [Says(b"*-1\r\n"), Says(b"+OK\r\n")], [
        ("a", r("MGET", "a", "b") + r("DEL", "a", "b") + r("PING"), b"-ERR Invalid argument\r\n" * 2, b"+PONG\r\n"),
    ]),
    ("a slow request fails alone", {"timeout": 300}, [Says(None, b"$1\r\n2\r\n")], [
        ("a", r("GET", "slow"), b"-ERR Connection timed out\r\n"),
        ("a", r("PING"), b"+PONG\r\n"),
    ]),
]

MEMCACHE = [
    ("blocks come in the request's order", {}, [REAL, REAL], [
        ("a", b"set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\nset d 0 0 1\r\n3\r\n", b"STORED\r\n" * 3),
        ("a", b"get d none b nope a d\r\n", b"VALUE d 0 1\r\n3\r\nVALUE b 0 1\r\n2\r\nVALUE a 0 1\r\n1\r\nVALUE d 0 1\r\n3\r\nEND\r\n"),
        ("a", b"get none b a\r\n", b"VALUE b 0 1\r\n2\r\nVALUE a 0 1\r\n1\r\nEND\r\n"),
    ]),
    ("bad commands are answered as memcached does", {}, [REAL], [
        ("a", b"foo\r\nGET k\r\nget\r\nset k\r\nincr k\r\nincr k x\r\nversion\r\n", b"ERROR\r\n" * 5,
         b"CLIENT_ERROR invalid numeric delta argument\r\n", b"VERSION 1.6", rb"[^\r]*\r\n"),
        ("a", b"get " + b"k" * 251 + b"\r\nmn\r\n", b"CLIENT_ERROR bad command line format\r\n", b"MN\r\n"),
        ("a", b"delete k junk\r\nmn\r\n", b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n", b"MN\r\n"),
        ("a", b"shutdown\r\nmn\r\n", rb"CLIENT_ERROR [^\r]*\r\n", b"MN\r\n"),
    ]),
    ("refusals that close", {}, [REAL], [
        ("a", b"set n 0 0 1\r\n1\r\nwatch fetchers\r\nincr n 1\r\n", b"STORED\r\n", rb"CLIENT_ERROR [^\r]*\r\n", CLOSED),
        ("b", b"get n\r\nslabs automove 1 noreply\r\nmn\r\n", b"VALUE n 0 1\r\n1\r\nEND\r\n", b"MN\r\n"),
    ]),
    ("a refused storage line takes its data block along", {}, [REAL], [
        ("a", b"set k x 0 11\r\nflush_all\r\n\r\nmn\r\n", b"CLIENT_ERROR bad command line format\r\n", b"MN\r\n"),
    ]),
    ("what cannot be read on is answered and closed", {}, [REAL], [
        ("a", b"set k 0 0 x\r\n", b"CLIENT_ERROR bad command line format\r\n", CLOSED),
        ("b", b"set k 0 0 3\r\nabcdef\r\n", b"CLIENT_ERROR bad data chunk\r\n", CLOSED),
        ("c", b"\x80\0\0\0\0\0\0\0\0\0\0\0", b"CLIENT_ERROR the binary protocol is not supported\r\n", CLOSED),
        ("d", b"get k\r\n", b"END\r\n"),
    ]),
    ("more commands are served", {}, [REAL, REAL], [
        ("a", b"set k 7 -1 1\r\nx\r\nget k\r\n", b"STORED\r\n", b"END\r\n"),
        ("a", b"set k 7 0 1\r\nx\r\ngat 100 k\r\nmg k v f\r\n", b"STORED\r\n", b"VALUE k 7 1\r\nx\r\nEND\r\n", b"VA 1 f7\r\nx\r\n"),
        ("a", b"delete k 0\r\nms k 1 T0 q\r\ny\r\nmg k v q\r\nmn\r\n", b"DELETED\r\n", b"VA 1\r\ny\r\n", b"MN\r\n"),
        ("a", b"get k\nflush_all\r\nget k\r\nverbosity 1\r\n", b"VALUE k 0 1\r\ny\r\nEND\r\n", b"OK\r\n", b"END\r\n", b"OK\r\n"),
    ]),
    ("a multi-get that fails keeps its client", {}, [Down(), Down()], [
        ("a", b"get a b\r\nmn\r\n", b"SERVER_ERROR Connection refused\r\n", b"MN\r\n"),
    ]),
    ("a multi-get that times out keeps its client", {"timeout": 200}, [Says(None, protocol="memcache")], [
        ("a", b"get a b\r\nmn\r\n", b"SERVER_ERROR Connection timed out\r\n", b"MN\r\n"),
    ]),
    ("a reply that its command cannot have is nobody's", {}, [Says(b"STORED\r\n", protocol="memcache")], [
        ("a", b"get k\r\nmn\r\n", b"SERVER_ERROR Invalid argument\r\n", b"MN\r\n"),
    ]),
    ("a malformed reply fails at once", {"timeout": 15000}, [Says(b"VALUE k\r\n", protocol="memcache")], [
        ("a", b"get k\r\nmn\r\n", b"SERVER_ERROR Invalid argument\r\n", b"MN\r\n"),
    ]),
    ("an error to noreply is given to nobody", {}, [REAL], [
        ("b", b"set k 0 0 1\r\nv\r\n", b"STORED\r\n"),
        ("a", b"cas k 0 0 1 99999999999999999999999 noreply\r\nx\r\nget k\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n"),
        ("b", b"get k\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n"),
        ("a", b"incr k 1 noreply\r\nappend none 0 0 1 noreply\r\nx\r\nget k\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n"),
        ("b", b"get none k\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n"),
    ]),
    ("a server that answers twice shifts nobody's replies", {},
     [Says(b"STORED\r\nVALUE secret 0 6\r\nsecret\r\nEND\r\n", b"END\r\n", protocol="memcache")], [
        ("a", b"set k 0 0 1\r\nv\r\n", b"STORED\r\n"),
        ("b", b"get other\r\n", rb"(?:END|SERVER_ERROR [^\r]*)\r\n"),
    ]),
]


def take(wire, name, wanted):
    """Reads until what has come matches what is wanted: bytes exactly, raw patterns (those with a backslash) as patterns."""
    closed = wanted and wanted[-1] is CLOSED
    pieces = [piece for piece in wanted if piece is not CLOSED]
    pattern = re.compile(b"".join(p if b"\\" in p or b"[^" in p else re.escape(p) for p in pieces), re.S)
    got = b""
    while not pattern.fullmatch(got):
        try:
            more = wire.socket.recv(65536)
        except (TimeoutError, ConnectionResetError) as error:
            raise Difference(f"{name}: wanted {pieces!r:.600}, got {got!r:.600} and {error}") from None
        if not more:
            raise Difference(f"{name}: wanted {pieces!r:.600}, got {got!r:.600} and a close")
        got += more
        longest = 20000 + sum(map(len, pieces))
        if len(got) > longest or (b"\\" not in b"".join(pieces) and not b"".join(pieces).startswith(got[: len(b"".join(pieces))])):
            raise Difference(f"{name}: wanted {pieces!r:.600}, got {got!r:.600}")
    if closed:
        try:
            wire.expect_closed()
        except (AssertionError, TimeoutError) as error:
            raise Difference(f"{name}: wanted a close after {got!r:.300}: {error!r}") from None


def started(stack, path, protocol, part, number):
    if part is REAL or part is SECRET:
        options = ["--requirepass", "sekret"] if part is SECRET else []
        start = kit.start_redis if protocol == "redis" else kit.start_memcached
        return stack.keep(start(f"s{number}", path, *options))
    return part


def play(protocol, number, row):
    name, keys, parts, steps = row
    with kit.Stack() as stack:
        path = stack.path
        servers = [started(stack, path, protocol, part, n) for n, part in enumerate(parts)]
        face = [kit.BINARY, "nutcracker"]
        proxy = stack.keep_proxy(_stage.start_pool(path, face, protocol, servers, **KEYS, **keys))
        wires = {}
        for who, sent, *wanted in steps:
            if who == "seen":
                if servers[0].requests != sent:
                    raise Difference(f"{name}: the server saw {servers[0].requests!r}")
                continue
            port = servers[0].port if who == "direct" else proxy.port
            wire = wires.get(who) or wires.setdefault(who, stack.enter_context(kit.Wire(port)))
            wire.send(sent)
            take(wire, name, wanted)
        stack.check_alive()


def returns_after_a_probe():
    """An ejected server gets no request until it has answered a probe."""
    name = "an ejected server returns after a probe"
    keys = {**KEYS, "auto_eject_hosts": "true", "server_failure_limit": 1, "server_retry_timeout": 200}
    with kit.Stack() as stack:
        servers = [stack.keep(kit.start_redis("s1", stack.path)), Down()]
        face = [kit.BINARY, "nutcracker"]
        proxy = stack.keep_proxy(_stage.start_pool(stack.path, face, "redis", servers, **keys))
        with kit.Wire(proxy.port) as wire:
            words = [f"k{n}" for n in range(40)]
            wire.send(b"".join(r("GET", word) for word in words))
            errors = sum(reply.startswith(b"-") for reply in replies(wire, len(words)))
            if not errors:
                raise Difference(f"{name}: no key of the dead server")
            # Several retry times long nothing fails any more, since the server answers no probe.
            for _ in range(200):
                wire.send(b"".join(r("GET", word) for word in words))
                got = replies(wire, len(words))
                if any(reply != b"$-1\r\n" for reply in got):
                    raise Difference(f"{name}: {got!r:.300}")
                threading.Event().wait(0.005)


def replies(wire, count):
    data = b""
    while len(found := _stage.replies_of("redis", data)[0]) < count:
        more = wire.socket.recv(65536)
        if not more:
            raise Difference(f"closed after {found!r:.300}")
        data += more
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="the same: there is only one form")
    parser.add_argument("names", nargs="*", help="only rows whose names have one of these words")
    asked = parser.parse_args()
    _stage.skip_without("redis-server", "memcached")
    rows = [("redis", row) for row in REDIS] + [("memcache", row) for row in MEMCACHE]
    rows = [(p, row) for p, row in rows if not asked.names or any(word in row[0] for word in asked.names)]
    failed = 0
    for number, (protocol, row) in enumerate(rows):
        try:
            play(protocol, number, row)
        except (Difference, AssertionError) as difference:
            failed += 1
            print(f"FAILED {protocol}: {difference}")
    if not asked.names:
        try:
            returns_after_a_probe()
        except Difference as difference:
            failed += 1
            print(f"FAILED redis: {difference}")
    print(f"instead: {len(rows)} rows, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

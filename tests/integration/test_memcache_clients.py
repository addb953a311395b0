"""memcached clients as people use them: pymemcache, python-memcached and Node's memcached, and bare connections for what
they do not send, through the binary as nutcracker with three real servers behind it, and over the embedded cache."""

import contextlib
import os
import random

import pytest

import kit

pymemcache = pytest.importorskip("pymemcache")
memcache = pytest.importorskip("memcache")

from pymemcache import exceptions, serde  # noqa: E402 (after the skip)
from pymemcache.client.base import Client  # noqa: E402

pytestmark = pytest.mark.needs("memcached")


@pytest.fixture(scope="module")
def servers(stack):
    return [stack.keep(kit.start_memcached(f"m{n}", stack.path)) for n in range(3)]


@pytest.fixture(scope="module")
def sharded(stack, servers):
    """Three servers behind a nutcracker.yml."""
    return stack.keep_proxy(kit.start_nutcracker(stack.path, servers, hash="murmur"))


@pytest.fixture(scope="module")
def embedded(stack):
    """The embedded cache."""
    return stack.keep_proxy(kit.start_native(stack.path, "memcache", []))


@pytest.fixture(params=["sharded", "embedded"])
def proxy(request):
    """Either; they must be alike."""
    if kit.IS_ORIGINAL and request.param == "embedded":
        pytest.skip("nutcracker has no embedded cache")
    return request.getfixturevalue(request.param)


@pytest.fixture
def prefix(request):
    """Keys of one test do not meet those of another."""
    return f"{request.node.name}:"


@pytest.fixture
def client(proxy):
    with connect(proxy) as client:
        yield client


@pytest.fixture
def wire(proxy):
    with kit.Wire(proxy.port) as wire:
        yield wire


def connect(proxy, **options):
    """A client that is closed at the end of a `with`. Without no_delay what follows a noreply waits 40 ms for its ACK."""
    patience = {"timeout": kit.ANSWER_SECONDS, "connect_timeout": kit.ANSWER_SECONDS}
    return contextlib.closing(Client(("127.0.0.1", proxy.port), **patience, no_delay=True, **options))


# pymemcache


@pytest.mark.original
def test_pymemcache_sets_and_gets(client, prefix):
    assert client.set(prefix + "k", b"value", noreply=False) is True
    assert client.get(prefix + "k") == b"value"
    assert client.get(prefix + "none") is None
    assert client.get(prefix + "none", "default") == "default"
    assert client.set(prefix + "empty", b"", noreply=False) is True
    assert client.get(prefix + "empty") == b""
    assert client.add(prefix + "k", b"x", noreply=False) is False
    assert client.replace(prefix + "none", b"x", noreply=False) is False
    assert client.append(prefix + "k", b"!", noreply=False) is True
    assert client.prepend(prefix + "k", b"a ", noreply=False) is True
    assert client.get(prefix + "k") == b"a value!"
    assert client.delete(prefix + "k", noreply=False) is True
    assert client.delete(prefix + "k", noreply=False) is False


@pytest.mark.original
def test_pymemcache_noreply_is_its_default(client, prefix):
    """What is asked next sees what was told before, and nothing shifts."""
    for n in range(500):
        client.set(f"{prefix}{n % 50}", f"value {n}")
        assert client.get(f"{prefix}{n % 50}") == b"value %d" % n
        if n % 7 == 0:
            client.delete(f"{prefix}{n % 50}")
            assert client.get(f"{prefix}{n % 50}") is None
    client.delete_many([f"{prefix}{n}" for n in range(50)])
    assert client.get_many([f"{prefix}{n}" for n in range(50)]) == {}


@pytest.mark.original
def test_pymemcache_cas(client, prefix):
    client.set(prefix + "k", b"1")
    value, cas = client.gets(prefix + "k")
    assert value == b"1"
    assert client.cas(prefix + "k", b"2", cas, noreply=False) is True
    assert client.cas(prefix + "k", b"3", cas, noreply=False) is False
    assert client.cas(prefix + "none", b"3", cas, noreply=False) is None
    assert client.get(prefix + "k") == b"2"


@pytest.mark.original
def test_pymemcache_counters(client, prefix):
    client.set(prefix + "n", b"10")
    assert client.incr(prefix + "n", 5) == 15
    assert client.decr(prefix + "n", 20) == 0
    assert client.incr(prefix + "none", 1) is None
    client.set(prefix + "text", b"x")
    with pytest.raises(exceptions.MemcacheClientError, match="non-numeric"):
        client.incr(prefix + "text", 1)
    assert client.incr(prefix + "n", 1) == 1


@pytest.mark.original
def test_pymemcache_many_keys_at_once(client, prefix):
    values = {f"{prefix}{n}": b"value %d" % n for n in range(1000)}
    assert client.set_many(values, noreply=False) == []
    keys = [key for n in range(1000) for key in (f"{prefix}{n}", f"{prefix}none{n}")]
    assert client.get_many(keys) == values
    assert {key: value for key, (value, _) in client.gets_many(keys).items()} == values
    assert client.delete_many(list(values), noreply=False) is True
    assert client.get_many(keys) == {}


@pytest.mark.original
def test_pymemcache_touch(client, prefix):
    client.set(prefix + "k", b"1")
    assert client.touch(prefix + "k", 100, noreply=False) is True
    assert client.touch(prefix + "none", 100, noreply=False) is False


@pytest.mark.original
def test_pymemcache_flags_carry_types(proxy, prefix):
    with connect(proxy, serde=serde.pickle_serde) as client:
        for value in ("grüße", 5, 1.5, {"a": [1, None]}, b"bytes"):
            client.set(prefix + "k", value)
            assert client.get(prefix + "k") == value


@pytest.mark.original
def test_pymemcache_large_values(client, prefix):
    value = random.Random(1).randbytes(1_000_000)
    assert client.set(prefix + "k", value, noreply=False) is True
    assert client.get(prefix + "k") == value
    assert client.get_many([prefix + "k", prefix + "none"]) == {prefix + "k": value}


def test_pymemcache_a_value_too_large_is_refused_and_the_connection_lives(sharded, prefix):
    with connect(sharded) as client:
        with pytest.raises(exceptions.MemcacheServerError, match="too large"):
            client.set(prefix + "k", b"x" * 3_000_000, noreply=False)
        assert client.set(prefix + "k", b"small", noreply=False) is True
        client.set(prefix + "k", b"x" * 3_000_000)
        assert client.get(prefix + "k") in (None, b"small")


def test_pymemcache_administration(client, prefix):
    client.set(prefix + "k", b"1")
    assert client.version().split(b".")[0].isdigit()
    assert b"curr_items" in client.stats()
    assert client.flush_all(noreply=False) is True
    assert client.get(prefix + "k") is None
    client.flush_all()
    assert client.get(prefix + "k") is None
    with pytest.raises(exceptions.MemcacheError):
        client.cache_memlimit(64)


def test_flush_all_reaches_every_server(servers, sharded, prefix):
    with connect(sharded) as client:
        client.set_many({f"{prefix}{n}": b"x" for n in range(100)})
        client.get(prefix)  # all of them are in: a request to each server comes after them
        client.get_many([f"{prefix}{n}" for n in range(100)])
        assert client.flush_all(noreply=False) is True
    for server in servers:
        with connect(server) as direct:
            assert direct.get_many([f"{prefix}{n}" for n in range(100)]) == {}


@pytest.mark.original
def test_keys_are_spread_over_the_servers(servers, sharded, prefix):
    """Every key is on exactly one server, and all three have some."""
    keys = [f"{prefix}{n}" for n in range(300)]
    with connect(sharded) as client:
        assert client.set_many({key: b"x" for key in keys}, noreply=False) == []
    found = []
    for server in servers:
        with connect(server) as direct:
            found.append(set(direct.get_many(keys)))
    assert sum(map(len, found)) == 300 and all(found)


@pytest.mark.original
def test_pymemcache_in_many_threads(proxy, prefix):
    """Each thread sees its own values only, with and without noreply."""

    def work(thread):
        with connect(proxy) as client:
            for n in range(200):
                key = f"{prefix}{thread}:{n % 5}"
                client.set(key, f"{key}={n}", noreply=n % 2 == 0)
                assert client.get(key) == f"{key}={n}".encode()

    kit.in_threads(8, work)


# python-memcached


@pytest.fixture
def python_memcached(proxy):
    client = memcache.Client([f"127.0.0.1:{proxy.port}"], socket_timeout=kit.ANSWER_SECONDS, cache_cas=True)
    yield client
    client.disconnect_all()


@pytest.mark.original
def test_python_memcached(python_memcached, prefix):
    client = python_memcached
    for value in ("text", 5, 10**30, {"a": 1}, "x" * 5000):
        assert client.set(prefix + "k", value)
        assert client.get(prefix + "k") == value
    assert client.set(prefix + "packed", "y" * 5000, min_compress_len=100)
    assert client.get(prefix + "packed") == "y" * 5000
    assert client.set(prefix + "n", 1) and client.incr(prefix + "n") == 2 and client.decr(prefix + "n") == 1
    assert client.gets(prefix + "n") == "1" or client.gets(prefix + "n") == 1
    assert client.cas(prefix + "n", 7)
    assert client.touch(prefix + "n", 100)
    assert client.delete(prefix + "n")
    assert client.get(prefix + "n") is None


@pytest.mark.original
def test_python_memcached_many_keys_at_once(python_memcached, prefix):
    values = {str(n): f"value {n}" for n in range(300)}
    assert python_memcached.set_multi(values, key_prefix=prefix) == []
    assert python_memcached.get_multi([*values, "none"], key_prefix=prefix) == values
    assert python_memcached.delete_multi(list(values), key_prefix=prefix)
    assert python_memcached.get_multi(list(values), key_prefix=prefix) == {}


def test_python_memcached_statistics(python_memcached):
    [(_, stats)] = python_memcached.get_stats()
    assert int(stats["curr_items"]) >= 0
    python_memcached.flush_all()
    assert python_memcached.set("after", 1)


# Node's memcached


@pytest.mark.needs("node")
def test_node_memcached(proxy, prefix):
    if not os.path.isdir(os.path.join(kit.NODE_MODULES, "memcached")):
        pytest.skip("the JavaScript client memcached is not installed")
    assert kit.node("memcached.js", proxy.port, prefix).strip() == "ok"


# bare connections: as memcached 1.6.18 answers


@pytest.mark.parametrize(
    "request_line, reply",
    [
        (b"GET k\r\n", b"ERROR\r\n"),
        (b"\r\n", b"ERROR\r\n"),
        (b"get\r\n", b"ERROR\r\n"),
        (b"get " + b"k" * 251 + b"\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"get " + b"k" * 250 + b"\r\n", b"END\r\n"),
        (b"get none\n", b"END\r\n"),
        (b"set k 0 -1 1\r\nx\r\n", b"STORED\r\n"),
        (b"set k 4294967295 0 1\r\nx\r\n", b"STORED\r\n"),
        (b"delete none 0\r\n", b"NOT_FOUND\r\n"),
        (b"delete none 5\r\n", b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"),
        (b"incr none x\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n"),
        (b"touch none x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
        (b"gat 0 none\r\n", b"END\r\n"),
        (b"gat 0\r\n", b"END\r\n"),
        (b"verbosity 0\r\n", b"OK\r\n"),
        (b"mn\r\n", b"MN\r\n"),
        (b"mg none v\r\n", b"EN\r\n"),
        (b"mg none k O77\r\n", b"EN knone O77\r\n"),
        (b"mg k y\r\n", b"CLIENT_ERROR invalid flag\r\n"),
        (b"md none\r\n", b"NF\r\n"),
        (b"ma none\r\n", b"NF\r\n"),
        (b"set " + b"k" * 251 + b" 0 0 9\r\nflush_all\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    ],
)
def test_lines_are_answered_and_the_connection_lives(wire, request_line, reply):
    wire.ask(request_line, reply)
    wire.ask(b"get none\r\n", b"END\r\n")


@pytest.mark.parametrize(
    "request_bytes, reply",
    [
        (b"set k 0 0 3\r\nabcdef\r\n", b"CLIENT_ERROR bad data chunk\r\n"),
        (b"set k 0 0 x\r\nabc\r\n", b"CLIENT_ERROR bad command line format\r\n"),
        (b"set  0 0 9\r\nflush_all\r\n", b"ERROR\r\n"),
        (b"x" * 3000, b"CLIENT_ERROR line too long\r\n"),
    ],
)
def test_when_the_next_request_cannot_be_found_it_closes_after_the_answer(wire, prefix, request_bytes, reply):
    wire.ask(b"get none\r\n" + request_bytes + b"get none\r\n", b"END\r\n" + reply)
    wire.expect_closed()


@pytest.mark.original
def test_blocks_come_in_the_order_of_the_request(wire, prefix):
    keys = [f"{prefix}{n}".encode() for n in range(20)]
    for key in keys:
        wire.ask(b"set %s 3 0 2\r\n\r\n\r\n" % key, b"STORED\r\n")
    expected = b"".join(b"VALUE %s 3 2\r\n\r\n\r\n" % key for key in keys)
    wire.ask(b"get " + b" ".join(keys) + b"\r\n", expected + b"END\r\n")


def test_blocks_come_in_the_order_of_the_request_with_misses_and_repetitions(wire, prefix):
    hits = [f"{prefix}{n}".encode() for n in range(0, 40, 2)]
    for key in hits:
        wire.ask(b"set %s 0 0 1\r\nx\r\n" % key, b"STORED\r\n")
    order = [f"{prefix}{n}".encode() for n in range(40)] * 2
    random.Random(3).shuffle(order)
    expected = b"".join(b"VALUE %s 0 1\r\nx\r\n" % key for key in order if key in hits)
    wire.ask(b"get " + b" ".join(order) + b"\r\n", expected + b"END\r\n")


def test_meta_commands(wire, prefix):
    key = prefix.encode() + b"k"
    wire.ask(b"ms %s 5 F7 k O1\r\nhello\r\n" % key, b"HD k%s O1\r\n" % key)
    wire.ask(b"mg %s v f k\r\n" % key, b"VA 5 f7 k%s\r\nhello\r\n" % key)
    wire.ask(b"mg %s s t\r\n" % key, b"HD s5 t-1\r\n")
    wire.ask(b"ms %s 1 ME\r\nx\r\n" % key, b"NS\r\n")
    wire.ask(b"ms %s 1 MA\r\n!\r\n" % key, b"HD\r\n")
    wire.ask(b"get %s\r\n" % key, b"VALUE %s 7 6\r\nhello!\r\nEND\r\n" % key)
    wire.ask(b"md %s q\r\nmn\r\n" % key, b"MN\r\n")
    wire.ask(b"ma %s N0 J13 v\r\n" % key, b"VA 2\r\n13\r\n")
    wire.ask(b"ma %s MD D3 v\r\n" % key, b"VA 2\r\n10\r\n")
    wire.ask(b"mg %s C1 v\r\n" % key, b"VA 2\r\n10\r\n")


def test_meta_quiet_mode(wire, prefix):
    """As a client library gets many keys: quiet misses, opaque to tell them apart, `mn` at the end."""
    keys = [f"{prefix}{n}".encode() for n in range(30)]
    sets = b"".join(b"ms %s 1 q\r\n%d\r\n" % (key, n % 10) for n, key in enumerate(keys) if n % 3)
    wire.ask(sets + b"mn\r\n", b"MN\r\n")
    gets = b"".join(b"mg %s v q O%d\r\n" % (key, n) for n, key in enumerate(keys))
    expected = b"".join(b"VA 1 O%d\r\n%d\r\n" % (n, n % 10) for n in range(30) if n % 3)
    wire.ask(gets + b"mn\r\n", expected + b"MN\r\n")
    wire.ask(b"md %s q\r\nmd %s q\r\nmn\r\n" % (keys[1], keys[1]), b"NF\r\nMN\r\n")


def test_binary_keys_live_where_their_text_form_does(wire):
    """`dGV4dA==` is `text`."""
    wire.ask(b"set text 0 0 1\r\nx\r\n", b"STORED\r\n")
    wire.ask(b"mg dGV4dA== b v\r\n", b"VA 1\r\nx\r\n")


# what shifted replies between clients of nutcracker


def test_a_server_that_answers_noreply_shifts_nothing(wire, proxy, prefix):
    """memcached answers this cas although it says noreply: its data block becomes a command."""
    key = prefix.encode() + b"k"
    wire.ask(b"set %s 0 0 1\r\nx\r\n" % key, b"STORED\r\n")
    with kit.Wire(proxy.port) as other:
        for attack in (
            b"cas %s 0 0 1 99999999999999999999 noreply\r\n2\r\n" % key,
            b"set %s 0 x 1 noreply\r\n2\r\n" % key,
            b"incr %s 1 2 noreply\r\n" % key,
            b"delete %s 0 0 noreply\r\n" % key,
            b"touch %s x noreply\r\n" % key,
            b"set %s 0 0 3000000 noreply\r\n%s\r\n" % (prefix.encode() + b"large", b"x" * 3_000_000),
        ):
            wire.send(attack)
            for _ in range(20):
                other.ask(b"get %s\r\n" % key, b"VALUE %s 0 1\r\nx\r\nEND\r\n" % key)


def test_noreply_in_a_pipeline(wire, prefix):
    key = prefix.encode() + b"k"
    wire.ask(
        b"set %s 0 0 1 noreply\r\n1\r\nget %s\r\nincr %s 1 noreply\r\ngets none %s\r\ndelete %s noreply\r\nget %s\r\n"
        % ((key,) * 3 + (prefix.encode() + b"other",) + (key,) * 2),
        b"VALUE %s 0 1\r\n1\r\nEND\r\nEND\r\nEND\r\n" % key,
    )


def test_a_server_that_dies_costs_only_its_own_keys(stack, prefix):
    """A part of a multi-get fails: one error line in its place, and the client stays."""
    mine = [kit.start_memcached(f"mine{n}", stack.path) for n in range(2)]
    proxy = kit.start_nutcracker(stack.path, mine, hash="murmur", timeout=5000)
    try:
        with kit.Wire(proxy.port) as wire:
            keys = [f"{prefix}{n}".encode() for n in range(20)]
            for key in keys:
                wire.ask(b"set %s 0 0 1\r\nx\r\n" % key, b"STORED\r\n")
            mine[0].kill()
            wire.send(b"get " + b" ".join(keys) + b"\r\nmn\r\n")
            answer = b""
            while not answer.endswith(b"MN\r\n"):
                more = wire.socket.recv(65536)
                assert more, answer
                answer += more
            assert answer.startswith(b"SERVER_ERROR ") and answer.count(b"\r\n") == 2
            with connect(mine[1]) as direct:
                alive = direct.get_many(keys)
            for key in alive:
                wire.ask(b"get %s\r\n" % key, b"VALUE %s 0 1\r\nx\r\nEND\r\n" % key)
    finally:
        assert proxy.stop() == 0 or kit.IS_ORIGINAL
        mine[1].stop()

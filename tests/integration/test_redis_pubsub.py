"""Many subscribers over one subscription: a server that dies and comes back, a subscriber that does not read, and the number of
connections that a server sees."""

import time

import pytest

import kit

redis = pytest.importorskip("redis")
pytestmark = pytest.mark.needs("redis-server")

SUBSCRIBERS, CHANNELS = 1000, 100
# From the server's return to the first message, on a machine with room.
BACK_SECONDS = 1.0


def command(*words):
    words = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Subscriber(kit.Wire):
    """A client of one channel, in RESP2 or RESP3."""

    def __init__(self, port, channel, resp3):
        super().__init__(port)
        self.channel, self.head, self.seen = channel, b">" if resp3 else b"*", b""
        if resp3:
            self.send(command("HELLO", 3))
        self.send(command("SUBSCRIBE", channel))
        ack = self.head + command("subscribe", channel, 1)[1:].replace(b"$1\r\n1\r\n", b":1\r\n")
        while not self.seen.endswith(ack):
            self.seen += self.socket.recv(4096)
        self.seen = b""

    def message(self, text):
        return self.head + command("message", self.channel, text)[1:]

    def received(self):
        while self.has_answer():
            data = self.socket.recv(1 << 16)
            assert data, "closed"
            self.seen += data
        return self.seen


@pytest.fixture
def pool(stack, tmp_path):
    server = kit.start_redis("r", tmp_path)
    proxy = stack.keep_proxy(kit.start_native(tmp_path, "redis", [server], timeout='"1s"'))
    yield server, proxy
    server.kill()


def connections(server):
    with kit.Wire(server.port) as wire:
        wire.send(command("INFO", "clients"))
        size = int(wire.line()[1:])
        return int(wire.exactly(size + 2).split(b"connected_clients:")[1].split(b"\r\n")[0]) - 1


def test_a_server_dies_and_comes_back(stack, pool, tmp_path):
    server, proxy = pool
    subscribers = [Subscriber(proxy.port, f"c{n % CHANNELS}", n % 2 == 0) for n in range(SUBSCRIBERS)]
    assert connections(server) <= 3
    publisher = kit.Wire(proxy.port)

    def publish(text):
        """True if each channel has all its subscribers."""
        publisher.send(b"".join(command("PUBLISH", f"c{n}", text) for n in range(CHANNELS)))
        return {publisher.line() for _ in range(CHANNELS)} == {b":%d\r\n" % (SUBSCRIBERS // CHANNELS)}

    for n in range(10):
        assert publish(n)
    wanted = {id(s): b"".join(s.message(n) for n in range(10)) for s in subscribers}
    kit.until(lambda: all(s.received() == wanted[id(s)] for s in subscribers), "ten messages each, in order")
    server.kill()
    kit.until(lambda: not publish("lost"), "publishing fails")
    argv = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--port", server.port]
    again = stack.keep(kit.Program("again", argv, [server.port], tmp_path))
    others = kit.Others(proxy.process.pid, again.process.pid)
    assert again.is_ready()
    began = time.monotonic()
    kit.until(lambda: publish("back"), "all are subscribed again")
    took = time.monotonic() - began
    # One of them was heard by all; those before it by some.
    for s in subscribers:
        kit.until(lambda s=s: s.received().endswith(s.message("back")), "the message after the return")
        assert s.seen.startswith(wanted[id(s)])
        rest = s.seen[len(wanted[id(s)]):].replace(s.message("back"), b"")
        assert rest == b"", rest
    print(f"subscribed again {took:.2f} s after the server was back")
    assert took < BACK_SECONDS or not others.leave_room()
    for s in subscribers:
        s.socket.close()


def test_a_subscriber_that_does_not_read(pool):
    _, proxy = pool
    reader, sleeper = Subscriber(proxy.port, "c", True), Subscriber(proxy.port, "c", False)
    sleeper.socket.setsockopt(kit.socket.SOL_SOCKET, kit.socket.SO_RCVBUF, 4096)
    text = "x" * (1 << 20)
    with kit.Wire(proxy.port) as publisher:
        for _ in range(60):
            publisher.send(command("PUBLISH", "c", text))
            count = publisher.line()
            reader.expect(reader.message(text))
            if count == b":1\r\n":
                break
        assert count == b":1\r\n", "it is closed at its limit"
        publisher.ask(command("PING"), b"+PONG\r\n")
    assert not reader.has_answer()


@pytest.mark.parametrize("off", ["OFF", "SKIP"])
@pytest.mark.parametrize("version", [2, 3])
def test_acknowledgements_come_where_replies_are_not_wanted(pool, version, off):
    server, proxy = pool
    silent = ("CLIENT", "REPLY", off)
    ends = [("CLIENT", "REPLY", "ON"), ("PING", "end")]
    cases = [
        [silent, ("SUBSCRIBE", "c", "d"), silent, ("UNSUBSCRIBE", "c"), silent, ("UNSUBSCRIBE",)],
        [silent, ("PSUBSCRIBE", "p*"), silent, ("PING", "x"), ("PUNSUBSCRIBE",)],
        [silent, ("SSUBSCRIBE", "s"), silent, ("SUNSUBSCRIBE", "s"), ("PING", "x")],
        [silent, ("SUBSCRIBE", "c"), silent, ("RESET",), ("PING", "x")],
    ]

    def told(port, requests):
        with kit.Wire(port) as wire:
            wire.send(b"".join(command(*words) for words in [("HELLO", version), ("PING", "begin"), *requests, *ends]))
            got = b""
            while not got.endswith(b"$3\r\nend\r\n"):
                data = wire.socket.recv(4096)
                assert data, got
                got += data
            return got.split(b"$5\r\nbegin\r\n")[1]

    for requests in cases:
        assert told(proxy.port, requests) == told(server.port, requests), requests


@pytest.fixture
def cache(stack, tmp_path):
    return stack.keep(kit.start_native(tmp_path, "redis", [], allow='["admin"]'))


def test_the_embedded_cache_tells_of_its_keys(cache):
    with redis.Redis(port=cache.port, decode_responses=True) as r, r.pubsub() as events:
        assert r.config_get("notify-keyspace-events") == {"notify-keyspace-events": ""}
        r.config_set("notify-keyspace-events", "KEA")
        assert r.config_get("notify-keyspace-events") == {"notify-keyspace-events": "AKE"}
        events.psubscribe("__key*__:*")
        assert events.get_message(timeout=10)["type"] == "psubscribe"

        def told():
            message = events.get_message(timeout=10)
            return message["channel"].removeprefix("__"), message["data"]

        r.set("k", "v", px=150)
        assert [told() for _ in range(4)] == [("keyspace@0__:k", "set"), ("keyevent@0__:set", "k"), ("keyspace@0__:k", "expire"),
                                              ("keyevent@0__:expire", "k")]
        # Nobody asks for it: its end is told all the same.
        assert [told(), told()] == [("keyspace@0__:k", "expired"), ("keyevent@0__:expired", "k")]
        with r.pipeline() as pipe:
            pipe.rpush("list", "a").lpop("list").execute()
        r.eval("redis.call('HSET', KEYS[1], 'f', 1)", 1, "hash")
        seen = [told() for _ in range(8)][1::2]
        assert seen == [("keyevent@0__:rpush", "list"), ("keyevent@0__:lpop", "list"), ("keyevent@0__:del", "list"), ("keyevent@0__:hset", "hash")]


def test_values_go_from_a_server_to_the_embedded_cache_and_back(stack, cache, tmp_path):
    server = stack.keep(kit.start_redis("r", tmp_path))
    with redis.Redis(port=server.port) as there, redis.Redis(port=cache.port) as here:
        there.rpush("list", *range(1000), "x" * 100_000)
        there.xadd("stream", {"f": "v"})
        there.zadd("zset", {"a": 1.5, "b": -2})
        for key in "list", "stream", "zset":
            here.restore(key, 0, there.dump(key))
            there.restore(key + "2", 60_000, here.dump(key))
        for program, suffix in (here, ""), (there, "2"):
            assert program.lrange("list" + suffix, 0, -1) == there.lrange("list", 0, -1)
            assert program.xrange("stream" + suffix) == there.xrange("stream")
            assert program.zrange("zset" + suffix, 0, -1, withscores=True) == there.zrange("zset", 0, -1, withscores=True)
        with pytest.raises(redis.ResponseError, match="DUMP payload version or checksum are wrong"):
            here.restore("other", 0, there.dump("list")[:-1] + b"?")

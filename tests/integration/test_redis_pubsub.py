"""Many subscribers over one subscription: a server that dies and comes back, a subscriber that does not read, and the number of
connections that a server sees."""

import time

import pytest

import kit

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

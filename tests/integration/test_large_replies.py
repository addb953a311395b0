"""Replies that are larger than the memory budget: passed on while they come, to whoever takes them.

A server's connection is shared, so a client that does not take such a reply holds up the others; it is closed when it has done
so for as long as a request may take, and a second for every 10 MiB that it has got.
"""

import contextlib
import hashlib
import socket
import threading
import time

import pytest

import kit
from test_limits import bulk, memory_mb, start

pytestmark = pytest.mark.needs("redis-server")

BUDGET_MB = 64
SLACK_MB = 16
LARGE = 300_000_000
PIECE = 1_000_000
# Where a client is to be closed for taking nothing, and elsewhere: far more than a busy machine needs to begin such a reply.
TIMEOUT = 2
PATIENCE = 60


@pytest.fixture(scope="module")
def server(stack):
    """It has a value and a list of more than 300 MB, and holds what the proxy does not read."""
    server = stack.keep(kit.start_redis("large", stack.path, "--client-output-buffer-limit", "normal 0 0 0"))
    with kit.Wire(server.port) as wire:
        wire.ask(bulk(b"SETRANGE", b"value", b"%d" % (LARGE - 1), b"x"), b":%d\r\n" % LARGE)
        element = bytes(range(250)) * (PIECE // 250)
        for n in range(LARGE // PIECE):
            wire.ask(bulk(b"RPUSH", b"list", element), b":%d\r\n" % (n + 1))
        wire.ask(bulk(b"SET", b"small", b"v"), b"+OK\r\n")
    return server


@pytest.fixture
def proxy(request, server, tmp_path):
    """With `PATIENCE`, or the timeout that the test names."""
    timeout = getattr(request, "param", PATIENCE)
    proxy = start(tmp_path, [server], top=f'memory_budget = "{BUDGET_MB}MiB"', pool=f'timeout = "{timeout}s"')
    yield proxy
    assert proxy.stop() == 0


hasty = pytest.mark.parametrize("proxy", [TIMEOUT], indirect=True, ids=["hasty"])


def asked_small(wire):
    """The value, or that it took too long."""
    wire.send(bulk(b"GET", b"small"))
    line = wire.line()
    if line == b"$1\r\n":
        wire.expect(b"v\r\n")
        return True
    assert line == b"-ERR Connection timed out\r\n", line
    return False


def digest(port, request, pause=0.0):
    """Asks, then PING behind it, and reads both replies."""
    sha, count, tail = hashlib.sha1(), 0, b""
    with kit.Wire(port) as wire:
        wire.send(request + bulk(b"PING"))
        while not tail.endswith(b"+PONG\r\n"):
            more = wire.socket.recv(1 << 20)
            assert more, f"closed after {count} bytes"
            sha.update(more)
            count, tail = count + len(more), (tail + more)[-7:]
            if pause:
                time.sleep(pause)
    return count, sha.hexdigest()


@pytest.mark.parametrize("request_", [bulk(b"GET", b"value"), bulk(b"LRANGE", b"list", b"0", b"-1")], ids=["value", "list"])
def test_a_client_that_reads_gets_all_of_it(server, proxy, request_):
    direct = digest(server.port, request_)
    assert direct[0] > LARGE
    before = memory_mb(proxy.process.pid, "VmRSS")
    assert digest(proxy.port, request_) == direct
    peak = memory_mb(proxy.process.pid, "VmHWM") - before
    print(f"peak {peak:.1f} MB for {direct[0] / 1e6:.0f} MB")
    assert peak <= BUDGET_MB + SLACK_MB


def test_several_at_once(server, proxy):
    direct = digest(server.port, bulk(b"GET", b"value"))
    before = memory_mb(proxy.process.pid, "VmRSS")

    def work(_):
        with contextlib.suppress(AssertionError, ConnectionResetError):
            assert digest(proxy.port, bulk(b"GET", b"value")) == direct

    assert digest(proxy.port, bulk(b"GET", b"value")) == direct
    kit.in_threads(3, work)
    assert memory_mb(proxy.process.pid, "VmHWM") - before <= BUDGET_MB + SLACK_MB


@hasty
def test_a_client_that_does_not_read_is_closed_and_the_others_are_served(server, proxy):
    pid = proxy.process.pid
    before = memory_mb(pid, "VmRSS")
    others = kit.Others(pid, server.process.pid)
    with socket.socket() as lazy, kit.Wire(proxy.port) as other:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        lazy.connect(("127.0.0.1", proxy.port))
        kit.until(lambda: asked_small(other), "a reply")
        lazy.sendall(bulk(b"GET", b"value"))
        asked, slowest = time.monotonic(), 0.0
        while time.monotonic() - asked < 3 * TIMEOUT or "does not read" not in proxy.output():
            assert time.monotonic() - asked < kit.ANSWER_SECONDS
            begun = time.monotonic()
            asked_small(other)
            slowest = max(slowest, time.monotonic() - begun)
        print(f"slowest {slowest * 1000:.0f} ms, peak {memory_mb(pid, 'VmHWM') - before:.1f} MB")
        assert slowest <= TIMEOUT + 1 or not others.leave_room()
        kit.until(lambda: asked_small(other), "a reply")
        with pytest.raises((ConnectionResetError, AssertionError)):
            lazy.settimeout(kit.ANSWER_SECONDS)
            while lazy.recv(1 << 20):
                pass
            raise AssertionError("closed")
    assert memory_mb(pid, "VmHWM") - before <= BUDGET_MB + SLACK_MB
    assert "does not read its replies" in proxy.output()


@hasty
def test_a_client_that_goes_away_in_the_middle(proxy):
    """What is left of its reply is thrown away, as fast as the server sends it; that may take longer than a request may."""
    for _ in range(3):
        with kit.Wire(proxy.port) as wire:
            wire.send(bulk(b"GET", b"value"))
            assert wire.socket.recv(1000)
    with kit.Wire(proxy.port) as wire:
        kit.until(lambda: asked_small(wire), "a reply")


def test_a_server_that_goes_away_in_the_middle(tmp_path):
    """Its client is closed: an error has no place within a value."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        class Server:
            port = listener.getsockname()[1]

        def serve():
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"$%d\r\n" % LARGE + b"x" * 10_000_000)

        thread = threading.Thread(target=serve)
        thread.start()
        proxy = start(tmp_path, [Server], top=f'memory_budget = "{BUDGET_MB}MiB"')
        try:
            with kit.Wire(proxy.port) as wire:
                wire.send(bulk(b"GET", b"value"))
                got = b""
                with contextlib.suppress(ConnectionResetError):
                    while more := wire.socket.recv(1 << 20):
                        got += more
                assert got.startswith(b"$%d\r\nxxx" % LARGE) and b"ERR" not in got
            kit.until(lambda: "in the middle of a large reply" in proxy.output(), "a word in the log")
        finally:
            thread.join()
            assert proxy.stop() == 0

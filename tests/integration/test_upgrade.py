"""The binary replaced ten times in a row while real clients use it: nobody notices, nothing is lost, nothing is left behind.

A client that reconnects would notice: redis-py is told not to, and CLIENT ID says at the end that it has not.
"""

import asyncio
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

import kit

redis = pytest.importorskip("redis")
pymemcache = pytest.importorskip("pymemcache")

UPGRADES = 10


class Daemon:
    """The binary, in a file of its own. `process` is the one that serves now; it is another one after each upgrade."""

    def __init__(self, directory, lines, *ports):
        directory.mkdir()
        self.directory = directory
        self.binary = directory / "nuthatch"
        shutil.copy(kit.BINARY, self.binary)
        self.conf = directory / "nuthatch.toml"
        self.admin = kit.free_port()
        self.log = directory / "log"
        ours = ["threads = 2", "[admin]", f'listen = "127.0.0.1:{self.admin}"', "[log]", f'file = "{self.log}"']
        self.conf.write_text("\n".join([*ours, *lines]) + "\n")
        self.first = subprocess.Popen(
            [self.binary, "run", "-c", self.conf], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self.process = self.first.pid
        self.ended = 0
        kit.until(lambda: all(map(kit.accepts, [self.admin, *ports])), "the daemon to listen")

    def upgrade(self):
        """Puts the same binary in its own place, as a package does, and lets it take over."""
        new = self.directory / "new"
        shutil.copy(kit.BINARY, new)
        new.rename(self.binary)
        done = subprocess.run(
            [kit.BINARY, "upgrade", "--pid", str(self.process)], capture_output=True, text=True, timeout=kit.STOP_SECONDS
        )
        assert done.returncode == 0, f"{done.stderr}\n{self.log.read_text()[-3000:]}"
        before = self.process
        found = re.fullmatch(r"process (\d+) \(.*\) has taken over from (\d+) \(.*\) in (\d+) ms\n", done.stdout)
        assert found and int(found[2]) == before, done.stdout
        self.process = int(found[1])
        return int(found[3])

    def wait_for_the_old(self):
        """Waits until the process that was replaced last has ended."""
        self.ended += 1
        kit.until(lambda: self.log.read_text().count("faces::run: stopped") >= self.ended, self.log.read_text)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process}/fd"))

    def resident(self):
        """Resident memory, KiB."""
        return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process}/status").read_text())[1])

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGTERM)
        kit.until(lambda: not os.path.exists(f"/proc/{self.process}") or self.first.poll() is not None, "the end")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.first.wait(1)
        log = self.log.read_text()
        assert "panicked" not in log, log


class Crowd:
    """Threads that work until they are told to stop, each from `work(stopped)`. The first thing that goes wrong is told."""

    def __init__(self):
        self.stopped = threading.Event()
        self.threads, self.wrong, self.done = [], [], {}

    def add(self, work, name):
        def run():
            try:
                while not self.stopped.is_set():
                    work()
                    self.done[name] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                self.wrong.append(f"{name}: {error!r} after {self.done[name]}")

        self.done[name] = 0
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def goes_on(self, rounds):
        """Waits until each of them has done so many rounds more."""
        least = {name: done + rounds for name, done in self.done.items()}
        kit.until(lambda: self.wrong or all(self.done[name] >= n for name, n in least.items()), lambda: str(self.done))
        assert not self.wrong, self.wrong

    def end(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(kit.ANSWER_SECONDS)
        assert not self.wrong, self.wrong
        assert all(self.done.values()), self.done


def steadfast(port, **options):
    """redis-py on one connection, which it never opens again."""
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    client = redis.Redis(
        port=port, single_connection_client=True, retry=retry, socket_timeout=kit.ANSWER_SECONDS, **options
    )
    client.ping()
    return client


def pipelining(port, seed):
    """A raw client that sends sixteen requests at once, reads all replies, and compares them."""
    stream = socket.create_connection(("127.0.0.1", port), timeout=kit.ANSWER_SECONDS)
    replies = stream.makefile("rb")
    dice = random.Random(seed)

    def work():
        values = [str(dice.random()) for _ in range(8)]
        requests = b""
        for n, value in enumerate(values):
            requests += f"*3\r\n$3\r\nSET\r\n${len(f'{seed}:{n}')}\r\n{seed}:{n}\r\n${len(value)}\r\n{value}\r\n".encode()
            requests += f"*2\r\n$3\r\nGET\r\n${len(f'{seed}:{n}')}\r\n{seed}:{n}\r\n".encode()
        stream.sendall(requests)
        for value in values:
            assert replies.readline() == b"+OK\r\n"
            assert replies.readline() == f"${len(value)}\r\n".encode()
            assert replies.readline() == f"{value}\r\n".encode()

    return work


def busy(client, prefix):
    """Writes and reads of redis-py, whose answers are known."""
    count = iter(range(1 << 60))

    def work():
        n = next(count)
        client.set(f"{prefix}{n % 50}", n)
        assert client.get(f"{prefix}{n % 50}") == str(n).encode()
        assert client.mget([f"{prefix}{k}" for k in range(3)])[n % 3 if n < 3 else 0] is not None

    return work


def pool(name, protocol, port, servers):
    listed = ", ".join(f'"127.0.0.1:{server.port}:1 {server.name}"' for server in servers)
    return [f"[pool.{name}]", f'listen = "127.0.0.1:{port}"', f'protocol = "{protocol}"', f"servers = [{listed}]"]


@pytest.mark.needs("redis-server", "memcached")
def test_clients_of_pools_notice_nothing(stack):
    stores = [stack.keep(kit.start_redis(f"r{n}", stack.path)) for n in range(2)]
    caches = [stack.keep(kit.start_memcached(f"m{n}", stack.path)) for n in range(2)]
    ports = [kit.free_port(), kit.free_port()]
    daemon = Daemon(stack.path / "pools", [*pool("redis", "redis", ports[0], stores), *pool("memcache", "memcache", ports[1], caches)], *ports)
    stack.callback(daemon.stop)

    idle = [steadfast(ports[0], client_name=f"idle{n}", protocol=2 + n % 2) for n in range(40)]
    ids = [client.client_id() for client in idle]
    quiet = [pymemcache.Client(("127.0.0.1", ports[1]), timeout=kit.ANSWER_SECONDS) for _ in range(20)]
    for n, client in enumerate(quiet):
        client.set(f"quiet{n}", str(n))
    sockets = [client.sock for client in quiet]

    crowd = Crowd()
    for n in range(4):
        crowd.add(busy(steadfast(ports[0]), f"busy{n}:"), f"redis-py {n}")
        crowd.add(pipelining(ports[0], n), f"pipelining {n}")
    for n in range(4):
        client = pymemcache.Client(("127.0.0.1", ports[1]), timeout=kit.ANSWER_SECONDS, no_delay=True)
        count = iter(range(1 << 60))

        def work(client=client, count=count, n=n):
            value = str(next(count))
            client.set(f"busy{n}", value)
            assert client.get(f"busy{n}") == value.encode()

        crowd.add(work, f"memcached {n}")
    benchmark = None
    if not kit.missing("redis-benchmark"):
        options = ["-c", "20", "-P", "16", "-n", "20000000", "-t", "set,get", "-q"]
        words = ["redis-benchmark", "-p", str(ports[0]), *options]
        benchmark = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        stack.callback(benchmark.kill)

    took, sizes = [], []
    for _ in range(UPGRADES):
        took.append(daemon.upgrade())
        for client in random.sample(idle, 10):
            assert client.ping()
        crowd.goes_on(10)
        daemon.wait_for_the_old()
        sizes.append((daemon.descriptors(), daemon.resident()))
    assert benchmark is None or benchmark.poll() is None or benchmark.returncode == 0, benchmark.stderr.read()
    print(f"took {took} ms; descriptors and resident KiB {sizes}")
    crowd.end()
    print(f"rounds: {crowd.done}")

    assert [client.client_id() for client in idle] == ids, "the same connections as at the beginning"
    assert [client.client_getname() for client in idle] == [client_name(client) for client in idle]
    for n, (client, before) in enumerate(zip(quiet, sockets)):
        assert client.get(f"quiet{n}") == str(n).encode() and client.sock is before
    if benchmark is not None:
        benchmark.terminate()
        errors = benchmark.stderr.read()
        assert "rror" not in errors and "closed" not in errors, errors
    assert sizes[-1][0] <= sizes[0][0] + 8, f"descriptors: {sizes}"
    assert sizes[-1][1] <= sizes[0][1] * 1.5, f"resident KiB: {sizes}"


def client_name(client):
    name = client.connection_pool.connection_kwargs["client_name"]
    return name.encode() if isinstance(client.client_getname(), bytes) else name


class Nsq:
    """A connection of NSQ V2, as bare as can be."""

    def __init__(self, port):
        self.stream = socket.create_connection(("127.0.0.1", port), timeout=kit.ANSWER_SECONDS)
        self.frames = self.stream.makefile("rb")
        self.stream.sendall(b"  V2")

    def frame(self):
        """Type and data of the next frame; heartbeats are answered. EOFError once the daemon has closed."""
        while True:
            head = self.frames.read(8)
            if len(head) < 8:
                raise EOFError
            size, kind = struct.unpack(">ii", head)
            data = self.frames.read(size - 4)
            if len(data) < size - 4:
                raise EOFError
            if (kind, data) != (0, b"_heartbeat_"):
                return kind, data
            self.stream.sendall(b"NOP\n")

    def publish(self, topic, body):
        self.stream.sendall(f"PUB {topic}\n".encode() + struct.pack(">i", len(body)) + body)
        assert self.frame() == (0, b"OK")

    def close(self):
        self.frames.close()
        self.stream.close()


GONE = (EOFError, ConnectionResetError, BrokenPipeError)


class Producer:
    """Publishes numbered messages. One whose answer does not come is published again; connecting must never be refused."""

    def __init__(self, port, name):
        self.port, self.name, self.accepted, self.connects = port, name, 0, 0
        self.nsq = None

    def __call__(self):
        if self.nsq is None:
            self.nsq = Nsq(self.port)
            self.connects += 1
        try:
            self.nsq.publish("t", f"{self.name}:{self.accepted}".encode())
            self.accepted += 1
        except GONE:
            self.nsq.close()
            self.nsq = None


class Consumer:
    """Finishes what it gets, and remembers it. Attempts beyond the first are counted."""

    def __init__(self, port):
        self.port, self.seen, self.again = port, set(), 0
        self.nsq = None

    def __call__(self):
        try:
            if self.nsq is None:
                self.nsq = Nsq(self.port)
                self.nsq.stream.sendall(b"SUB t c\nRDY 50\n")
                self.nsq.stream.settimeout(1)
            kind, data = self.nsq.frame()
            if kind == 2:
                self.again += struct.unpack(">H", data[8:10])[0] > 1
                self.seen.add(data[26:].decode())
                self.nsq.stream.sendall(b"FIN " + data[10:26] + b"\n")
        except TimeoutError:
            # Half a frame may be read: begin anew.
            self.nsq.close()
            self.nsq = None
        except GONE:
            self.nsq.close()
            self.nsq = None


def test_producers_and_consumers_lose_nothing(stack):
    tcp, http = kit.free_port(), kit.free_port()
    lines = ["[queue]", f'tcp = "127.0.0.1:{tcp}"', f'http = "127.0.0.1:{http}"', f'data_path = "{stack.path / "data"}"']
    daemon = Daemon(stack.path / "queue", lines, tcp, http)
    stack.callback(daemon.stop)
    crowd = Crowd()
    producers = [Producer(tcp, f"p{n}") for n in range(4)]
    consumers = [Consumer(tcp) for _ in range(3)]
    for n, worker in enumerate([*producers, *consumers]):
        crowd.add(worker, f"worker {n}")
    requests = iter(range(1 << 60))
    published = []

    def over_http():
        body = f"http:{next(requests)}"
        # A connection that the old process accepted and had no request of is closed, as any idle one may be.
        with contextlib.suppress(*GONE, kit.http.client.RemoteDisconnected, kit.http.client.BadStatusLine):
            status, _ = kit.fetch(http, "/pub?topic=t", "POST", body)
            assert status == 200
            published.append(body)

    crowd.add(over_http, "http")
    sizes = []
    for _ in range(UPGRADES):
        daemon.upgrade()
        crowd.goes_on(20)
        daemon.wait_for_the_old()
        sizes.append((daemon.descriptors(), daemon.resident()))
    expected = lambda: {f"{p.name}:{n}" for p in producers for n in range(p.accepted)} | set(published)
    for producer in producers:
        assert producer.connects <= UPGRADES + 1, f"{producer.connects} connections"
    seen = lambda: set().union(*(consumer.seen for consumer in consumers))
    crowd.end()
    for consumer in consumers:
        # What it has and does not read goes back.
        if consumer.nsq:
            consumer.nsq.close()
    rest = Consumer(tcp)
    kit.until(lambda: (rest(), not (expected() - seen() - rest.seen))[1], lambda: f"{len(expected() - seen())} missing")
    print(f"accepted {len(expected())}, delivered again {sum(c.again for c in consumers)}, sizes {sizes}")
    assert sizes[-1][0] <= sizes[0][0] + 8, f"descriptors: {sizes}"
    stats = kit.fetch(http, "/stats?format=json&topic=t")[1]
    assert stats["topics"][0]["channels"][0]["depth"] == 0


def test_pynsq_loses_nothing(stack):
    """A writer publishes numbers one after the other, again where it is not answered; a reader gets all of them."""
    nsq = pytest.importorskip("nsq")
    tcp, http = kit.free_port(), kit.free_port()
    lines = ["[queue]", f'tcp = "127.0.0.1:{tcp}"', f'http = "127.0.0.1:{http}"', f'data_path = "{stack.path / "pynsq-data"}"']
    daemon = Daemon(stack.path / "pynsq", lines, tcp)
    stack.callback(daemon.stop)
    address, accepted, got = f"127.0.0.1:{tcp}", [], set()

    async def until(condition):
        async with asyncio.timeout(kit.ANSWER_SECONDS):
            while not condition():
                await asyncio.sleep(0.01)

    async def publish(writer):
        while True:
            await until(lambda: writer.conns)
            answer = asyncio.get_running_loop().create_future()
            body = b"%d" % len(accepted)
            writer.pub("t", body, callback=lambda _, data: answer.done() or answer.set_result(data))
            if await answer == b"OK":
                accepted.append(body)
            else:
                # The answer was there at once if its connection is closed and it does not know yet.
                await asyncio.sleep(0.01)

    async def scenario():
        writer = nsq.Writer([address], reconnect_interval=0.05)
        options = {"topic": "t", "channel": "c", "nsqd_tcp_addresses": [address], "max_in_flight": 20}
        reader = nsq.Reader(message_handler=lambda message: got.add(message.body) or True, **options)
        publishing = asyncio.create_task(publish(writer))
        for _ in range(3):
            await until(lambda: got)
            await asyncio.to_thread(daemon.upgrade)
            # It would come back by itself, after 15 seconds.
            await until(lambda: not reader.conns)
            reader.connection_attempts.clear()
            reader.connect_to_nsqd("127.0.0.1", tcp)
            count = len(accepted)
            await until(lambda: publishing.done() or {*accepted[count:]} & got)
        assert not publishing.done(), publishing.exception()
        publishing.cancel()
        await until(lambda: {*accepted} <= got)
        for conn in list(writer.conns.values()):
            conn.close()
        reader.close()

    asyncio.run(scenario())
    print(f"{len(accepted)} messages")

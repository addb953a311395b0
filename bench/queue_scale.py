#!/usr/bin/env python3
"""What ten thousand topics and ten thousand idle consumers cost Nuthatch's queue, and how late its timers fire then.

    python3 bench/queue_scale.py [--binary PATH] [--topics N] [--rounds N]

Each topic has one channel, each channel one consumer on a connection of its own with RDY 1. In each round, every
hundredth topic gets one message deferred by 500 ms (DPUB); it is late by the time from then to its arrival here. The
moment of sending is taken before the request leaves, and that of arrival in this script, so lateness has the
script's own share in it and is never shown too small. Start-up is from the start of the process to the first answer
of `/ping`, on a data directory with all the topics in it.
"""
import argparse
import http.client
import selectors
import struct

from benchlib import *

DELAY_S = 0.5
DEFERRED = 100
PATIENCE_S = 60
HEARTBEAT = b"_heartbeat_"
RESPONSE, ERROR, MESSAGE = 0, 1, 2


class Daemon:
    """The binary as nsqd over one data directory, started as often as wanted."""

    def __init__(self, stage, binary):
        self.stage, self.binary = stage, binary
        self.data = tempfile.mkdtemp(dir=stage.directory)
        self.port = self.http = self.process = None

    def start(self):
        """-> seconds to the first answer of /ping"""
        self.port, self.http = free_port(), free_port()
        start = time.monotonic()
        self.process = self.stage.start([
            self.binary, "nsqd", "--data-path=" + self.data, "--tcp-address=127.0.0.1:%d" % self.port,
            "--http-address=127.0.0.1:%d" % self.http])
        while time.monotonic() - start < PATIENCE_S and self.process.is_running():
            with contextlib.suppress(OSError):
                self.ask(http.client.HTTPConnection("127.0.0.1", self.http, timeout=10), "GET", "/ping")
                return time.monotonic() - start
            time.sleep(0.002)
        raise Unavailable(self.binary + " did not start")

    def stop(self):
        """-> seconds from SIGTERM to the end"""
        start = time.monotonic()
        self.process.popen.terminate()
        if self.process.popen.wait(PATIENCE_S) != 0:
            raise RuntimeError("the daemon ended with %d" % self.process.popen.returncode)
        return time.monotonic() - start

    @staticmethod
    def ask(connection, method, path):
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError("%s: %d %s" % (path, answer.status, body[:200]))
        return body

    def create(self, count):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=PATIENCE_S)
        for n in range(count):
            self.ask(connection, "POST", "/topic/create?topic=t%d" % n)
            self.ask(connection, "POST", "/channel/create?topic=t%d&channel=c" % n)

    def channels(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=PATIENCE_S)
        topics = json.loads(self.ask(connection, "GET", "/stats?format=json"))["topics"]
        return sum(len(topic["channels"]) for topic in topics)


class Connection:
    """A connection to the daemon: whole frames in, commands out."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(b"  V2")
        self.buffer = b""

    def frames(self):
        """What has arrived, (kind, body) each, after one read. Heartbeats are answered and left out."""
        got = self.socket.recv(65536)
        if not got:
            raise RuntimeError("the daemon closed a connection")
        self.buffer += got
        found = []
        while len(self.buffer) >= 8:
            size, kind = struct.unpack(">II", self.buffer[:8])
            if len(self.buffer) < 4 + size:
                break
            body, self.buffer = self.buffer[8:4 + size], self.buffer[4 + size:]
            if kind == ERROR:
                raise RuntimeError("the daemon says " + body.decode(errors="replace"))
            if kind == RESPONSE and body == HEARTBEAT:
                self.socket.sendall(b"NOP\n")
            else:
                found.append((kind, body))
        return found

    def await_ok(self):
        found = []
        while not found:
            found = self.frames()
        if found != [(RESPONSE, b"OK")]:
            raise RuntimeError("no OK but %r" % found[:1])


def consumers(port, count, topics):
    """So many consumers, one after another on each topic, ready for one message each."""
    poll, every = selectors.DefaultSelector(), []
    for n in range(count):
        connection = Connection(port)
        connection.socket.sendall(b"SUB t%d c\n" % (n % topics))
        connection.await_ok()
        connection.socket.sendall(b"RDY 1\n")
        poll.register(connection.socket, selectors.EVENT_READ, connection)
        every.append(connection)
    return poll, every


def deferred(port, poll, topics):
    """One round of deferred messages. -> how late each arrived, in ms; below zero would be too early"""
    writer = Connection(port)
    poll.register(writer.socket, selectors.EVENT_READ, writer)
    chosen = range(0, topics, max(1, topics // DEFERRED))
    sent = {}
    for n in chosen:
        body = b"%d" % n
        sent[body] = time.monotonic()
        writer.socket.sendall(b"DPUB t%d %d\n" % (n, DELAY_S * 1000) + struct.pack(">I", len(body)) + body)
    late, confirmed, end = [], 0, time.monotonic() + PATIENCE_S
    while (sent or confirmed < len(chosen)) and time.monotonic() < end:
        for key, _ in poll.select(1):
            now = time.monotonic()
            for kind, body in key.data.frames():
                if kind == RESPONSE:
                    confirmed += 1
                    continue
                late.append((now - sent.pop(body[26:]) - DELAY_S) * 1000)
                key.data.socket.sendall(b"FIN " + body[10:26] + b"\n")
    if sent:
        raise RuntimeError("%d of %d messages did not arrive" % (len(sent), len(chosen)))
    poll.unregister(writer.socket)
    writer.socket.close()
    return late


def idle(process, poll, seconds):
    """CPU of the daemon while nothing but heartbeats happens, in percent of a core."""
    before, start = process.cpu_s(), time.monotonic()
    while time.monotonic() < start + seconds:
        for key, _ in poll.select(0.5):
            key.data.frames()
    return (process.cpu_s() - before) / (time.monotonic() - start) * 100


def run(binary, topics, rounds):
    rows = []

    def row(what, value, unit):
        rows.append((what, value, unit))
        print("%s: %s %s" % (what, value, unit), file=sys.stderr, flush=True)

    with Stage() as stage:
        daemon = Daemon(stage, binary)
        row("start-up, nothing there", "%.0f" % (daemon.start() * 1000), "ms")
        bare = daemon.process.memory_mb()
        row("RSS, nothing there", "%.1f" % bare, "MB")
        start = time.monotonic()
        daemon.create(topics)
        row("%d topics and channels made over HTTP, in order" % topics, "%.1f" % (time.monotonic() - start), "s")
        full = daemon.process.memory_mb()
        row("RSS with them", "%.1f" % full, "MB")
        row("so per topic with its channel", "%.1f" % ((full - bare) * 1000 / topics), "kB")
        row("stop", "%.0f" % (daemon.stop() * 1000), "ms")
        row("start-up with them", "%.0f" % (daemon.start() * 1000), "ms")
        row("RSS then", "%.1f" % daemon.process.memory_mb(), "MB")
        poll, every = consumers(daemon.port, topics, topics)
        row("RSS with %d idle consumers too, one on each" % topics, "%.1f" % daemon.process.memory_mb(), "MB")
        row("CPU with all idle", "%.2f" % idle(daemon.process, poll, 10), "% of a core")
        late = [ms for _ in range(rounds) for ms in deferred(daemon.port, poll, topics)]
        row("%d messages deferred by 500 ms: late, median" % len(late), "%.1f" % median(late), "ms")
        row("late, at most", "%.1f" % max(late), "ms")
        row("late, at least (below 0: too early)", "%.1f" % min(late), "ms")
        if daemon.channels() != topics:
            raise RuntimeError("%d channels after the restart" % daemon.channels())
        close(every)
        daemon.process.stop()
        row("%d idle consumers on one topic, on a daemon without others: RSS per connection" % topics,
            "%.1f" % per_connection(stage, binary, topics), "kB")
    return rows


def close(every):
    for connection in every:
        connection.socket.close()


def per_connection(stage, binary, count):
    """RSS for each of so many idle consumers, in kB, where nothing that was freed before could serve them."""
    daemon = Daemon(stage, binary)
    daemon.start()
    daemon.create(1)
    before = daemon.process.memory_mb()
    _, every = consumers(daemon.port, count, 1)
    after = daemon.process.memory_mb()
    close(every)
    return (after - before) * 1000 / count


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=NUTHATCH, help="default: %(default)s")
    options.add_argument("--topics", type=int, default=10000, help="topics and consumers (default: %(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="rounds of deferred messages (default: %(default)s)")
    chosen = options.parse_args()
    raise_file_limit()
    print("%s; commit %s; %s\n" % (datetime.date.today().isoformat(), commit(), machine()))
    print(table(("what", "figure", "unit"), run(chosen.binary, chosen.topics, chosen.rounds)))


if __name__ == "__main__":
    main()

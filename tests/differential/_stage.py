"""What the differential tests share: lanes to send bytes through, framing of replies, and the report of a difference.

A lane is a proxy (or nothing) before servers of its own: Debian's nutcracker, the binary under test, or one server
asked directly. The same bytes go through every lane; a lane's servers start empty, so that equal streams meet equal
state. Nothing sleeps: a conversation ends when so many replies have come, or when the other side closes.

A case follows from a seed and its number. The short form plays the same cases every time (see `SHORT`), so that it fails only
where something has changed; longer runs take a new seed each, which they print.
"""

import argparse
import itertools
import os
import random
import shutil
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import kit  # noqa: E402

ORIGINAL = shutil.which("nutcracker") or "/usr/sbin/nutcracker"


class Difference(Exception):
    """The lanes disagree, and no rule says that they may."""


class Lane:
    """A way to servers: `port` is where clients connect."""

    def __init__(self, name, port, servers):
        self.name, self.port, self.servers = name, port, servers


def pool(stack, name, face, protocol, servers, **keys):
    """Starts a proxy with one pool over so many fresh servers, named s1 and so on."""
    path = stack.path / name
    path.mkdir(exist_ok=True)
    start = kit.start_redis if protocol == "redis" else kit.start_memcached
    backends = [stack.keep(start(f"s{n + 1}", path)) for n in range(servers)]
    return Lane(name, stack.keep(start_pool(path, face, protocol, backends, **keys)).port, backends)


def start_pool(path, face, protocol, backends, **keys):
    """Starts a proxy as nutcracker over servers that run."""

    def argv(port, stats):
        lines = ["alpha:", f"  listen: 127.0.0.1:{port}", f"  redis: {'true' if protocol == 'redis' else 'false'}"]
        lines += [f"  {key}: {value}" for key, value in keys.items()]
        lines += ["  servers:"] + [f"    - 127.0.0.1:{backend.port}:1 s{n + 1}" for n, backend in enumerate(backends)]
        conf = path / "nutcracker.yml"
        conf.write_text("\n".join(lines) + "\n")
        return [*face, "-c", conf, "-o", "", "-a", "127.0.0.1", "-s", stats, "-i", "100", "-p", path / "proxy.pid"]

    program = kit.start("proxy", 2, argv, path)
    # It accepts clients a moment before it heeds signals; once the statistics are served it does both.
    with kit.Wire(program.ports[1]) as wire:
        while wire.socket.recv(65536):
            pass
    return program


class Victim:
    """A nutcracker of its own for bytes that may put its server connection out of step: then it is started afresh."""

    def __init__(self, stack, protocol, **keys):
        self.path = stack.path / "victim"
        self.path.mkdir()
        self.protocol, self.keys = protocol, keys
        start = kit.start_redis if protocol == "redis" else kit.start_memcached
        self.server = stack.keep(start("s1", self.path))
        self.proxy = None
        self.refresh()
        stack.callback(lambda: self.proxy.kill())

    def sound(self):
        """Its lane, with a nutcracker that runs: the last bytes may have ended it."""
        if self.proxy.process.poll() is not None:
            self.refresh()
        return self.lane

    def refresh(self):
        if self.proxy:
            self.proxy.kill()
        self.proxy = start_pool(self.path, [ORIGINAL], self.protocol, [self.server], **self.keys)
        self.lane = Lane("nutcracker", self.proxy.port, [self.server])


def original(stack, protocol, servers, **keys):
    return pool(stack, "nutcracker", [ORIGINAL], protocol, servers, **keys)


def ours(stack, protocol, servers, **keys):
    return pool(stack, "nuthatch", [kit.BINARY, "nutcracker"], protocol, servers, **keys)


def plain(stack, protocol):
    """One server, asked without a proxy."""
    path = stack.path / "plain"
    path.mkdir()
    start = kit.start_redis if protocol == "redis" else kit.start_memcached
    server = stack.keep(start("plain", path))
    return Lane("plain", server.port, [server])


def flush(lane, protocol):
    for server in lane.servers:
        with kit.Wire(server.port) as wire:
            if protocol == "redis":
                wire.ask(b"FLUSHALL\r\n", b"+OK\r\n")
            else:
                wire.ask(b"flush_all\r\n", b"OK\r\n")


# -- replies ---------------------------------------------------------------------------------------------------------


def redis_reply_end(data, start=0):
    """End of the RESP2 or RESP3 reply at `start`, or None if it is not whole."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, line, end = data[start : start + 1], data[start + 1 : line_end], line_end + 2
    if kind in b"$=!":
        end += int(line) + 2 if int(line) >= 0 else 0
        return end if len(data) >= end else None
    if kind in b"*~>%":
        for _ in range(max(int(line), 0) * (2 if kind == b"%" else 1)):
            end = redis_reply_end(data, end)
            if end is None:
                return None
    return end


def memcache_reply_end(data, start=0):
    """End of the text or meta reply at `start`, or None if it is not whole. STAT lines are one reply."""
    while True:
        line_end = data.find(b"\r\n", start)
        if line_end < 0:
            return None
        words, start = data[start:line_end].split(b" "), line_end + 2
        if words[0] in (b"VALUE", b"VA"):
            start += int(words[3 if words[0] == b"VALUE" else 1]) + 2
            if start > len(data):
                return None
        if words[0] not in (b"VALUE", b"STAT"):
            return start


REPLY_END = {"redis": redis_reply_end, "memcache": memcache_reply_end}


def replies_of(protocol, data):
    """The whole replies in `data`, and what is left."""
    found, start = [], 0
    while (end := REPLY_END[protocol](data, start)) is not None:
        found.append(data[start:end])
        start = end
    return found, data[start:]


# -- conversations ---------------------------------------------------------------------------------------------------


def cuts(rng, length, how):
    """Where to cut a stream of so many bytes: at every byte, at random places, or nowhere."""
    if how == "byte":
        return list(range(1, length))
    if how == "random" and length > 1:
        return sorted(rng.sample(range(1, length), min(length - 1, rng.randint(1, 12))))
    return []


class Conversation:
    """A connection through a lane. Sending and receiving go on at the same time, as in any real client."""

    def __init__(self, lane, protocol):
        self.lane, self.protocol = lane, protocol
        self.socket = socket.create_connection(("127.0.0.1", lane.port), timeout=kit.ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sender = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        if self.sender:
            self.sender.join()

    def send(self, data, at=(), finish=False):
        """Sends in pieces cut at these places, and then closes the sending side if that is wanted."""
        bounds = [0, *at, len(data)]

        def work():
            try:
                for start, end in zip(bounds, bounds[1:]):
                    self.socket.sendall(data[start:end])
                if finish:
                    self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the other side closed: what is received tells

        if self.sender:
            self.sender.join()
        self.sender = threading.Thread(target=work)
        self.sender.start()

    def take(self, count):
        """The next `count` replies, or fewer if the other side closes, and whether it did."""
        found = []
        while True:
            more, self.received = replies_of(self.protocol, self.received)
            found += more
            if len(found) >= count:
                self.received = b"".join(found[count:]) + self.received
                return found[:count], False
            try:
                data = self.socket.recv(262144)
            except ConnectionResetError:
                data = b""
            except TimeoutError:
                raise Difference(f"{self.lane.name}: {len(found)} of {count} replies, then silence") from None
            if not data:
                return found, True
            self.received += data

    def rest(self, quiet=None):
        """Everything until the other side closes, as replies and what is left.

        With `quiet`, also until nothing came for so many seconds: nutcracker reads a socket once for each event, so
        that an end of stream that arrives with the last bytes is never seen.
        """
        while True:
            self.socket.settimeout(quiet or kit.ANSWER_SECONDS)
            try:
                data = self.socket.recv(262144)
            except ConnectionResetError:
                data = b""
            except TimeoutError:
                if quiet:
                    return replies_of(self.protocol, self.received)
                raise Difference(f"{self.lane.name}: not closed after {self.received[-200:]!r}") from None
            if not data:
                return replies_of(self.protocol, self.received)
            self.received += data


# -- running ---------------------------------------------------------------------------------------------------------


# What the short form plays: seeds, each with its part of the cases. A case's number is in its keys, so no two have the same.
SHORT = {
    "redis": [(1, range(0, 49)), (2, range(49, 98)), (3, range(98, 147))],
    "memcache": [(1, range(0, 700)), (2, range(700, 1400)), (3, range(1400, 2100))],
}
# How long the judges of a case may be silent before it counts as their end, as a multiple: first, and when they seem to disagree.
PATIENCE = (1, 20)


def patiently(judge, protocol, judges):
    """`judge(patience)`, and once more with more patience and the judges' servers empty if that finds a difference: on a busy machine
    an answer may come later than the silence after which it is no longer waited for. What we have answered is not asked again."""
    try:
        judge(PATIENCE[0])
    except Difference:
        for lane in judges:
            flush(lane, protocol)
        judge(PATIENCE[1])


def options(what):
    """The command line: `--short` for continuous integration, `--minutes N`, or one case by its seed."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--short", action="store_true", help="always the same cases, some twenty seconds (the default)")
    parser.add_argument("--minutes", type=float, help="go on for so long, with a new seed")
    parser.add_argument("--seed", type=int, help="the seed that a failure printed")
    parser.add_argument("--case", type=int, help="this case alone")
    return parser.parse_args()


def planned(asked, short):
    """The cases to play, each a seed and a number, without an end if time is what ends them."""
    if asked.seed is None and asked.minutes is None and asked.case is None:
        return [(seed, number) for seed, numbers in short for number in numbers]
    seed = asked.seed if asked.seed is not None else int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    return ((seed, number) for number in ([asked.case] if asked.case is not None else itertools.count()))


def run(name, asked, short, case, stack):
    """Runs `case(rng, number)` as asked. A difference prints the line that repeats it and ends with status 1."""
    end = time.monotonic() + 60 * (asked.minutes or 1) if asked.minutes or asked.seed is not None else None
    done = 0
    for seed, number in planned(asked, short):
        if end is not None and time.monotonic() > end:
            break
        try:
            case(random.Random(f"{seed}:{number}"), number)
        except (Difference, OSError) as difference:
            what = difference if isinstance(difference, Difference) else f"{type(difference).__name__}: {difference}"
            print(f"FAILED: {what}\n  again: python3 {sys.argv[0]} --seed {seed} --case {number}")
            for program in stack.programs:
                said = program.output()[-1000:] if program.name == "proxy" else ""
                print(f"  {program.name} on {program.ports}: exit status {program.process.poll()} {said}")
            return 1
        done += 1
    print(f"{name}: {done} cases agree")
    return 0


def streams(what, protocol, server, cases, damaged, settings):
    """The whole of a comparison of streams: `cases` in turn, against nutcracker and a plain `server`; the one that is `damaged`
    gets a `Victim` in nutcracker's place."""
    asked = options(what)
    skip_without("nutcracker", server)
    with kit.Stack() as stack:
        sharded = [original(stack, protocol, 2, **settings), ours(stack, protocol, 2, **settings)]
        alone = [Victim(stack, protocol), sharded[1], plain(stack, protocol)]

        def case(rng, number):
            kind = cases[number % len(cases)]
            kind(alone if kind is damaged else [*sharded, alone[2]], rng, number)
            stack.check_alive()

        return run(f"{server.removesuffix('-server')} streams", asked, SHORT[protocol], case, stack)


def skip_without(*programs):
    """Ends with a message if a program that the comparison needs is not installed."""
    missing = kit.missing(*programs)
    if missing:
        print(f"SKIPPED: {missing} is not installed")
        sys.exit(0)

"""Load through the proxy while its servers are killed, paused and replaced; nothing may be misordered, lost or crossed.

    proxy_faults.py [--short | --minutes N] [--seed S]

Clients of a Redis pool and of a memcached pool pipeline reads and writes without pause. Every value carries its key, who
wrote it and when, so that a reply that belongs to another key, another client, another place in the line or another
time is seen at once. Each pipeline has requests that the proxy answers itself, with words of their own, as marks. A
fault may turn a reply into an error, which is counted by its words; it may never close a client, leave a request without
an answer, or give it somebody else's. The first offence ends the run with status 1.
"""

import argparse
import collections
import os
import random
import re
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "differential"))

import kit  # noqa: E402
from _stage import Conversation, Difference, Lane  # noqa: E402

CLIENTS = {"redis": 6, "memcache": 4}
SERVERS = 3
KEYS_OF_A_CLIENT = 40
# What a client may be told. Anything else is an offence.
ALLOWED = re.compile(
    rb"(-ERR|SERVER_ERROR) (Connection refused|Connection reset by peer|Connection timed out|unknown|Broken pipe)\r\n"
    rb"|-LOADING .*\r\n"
)
RECOVERY_SECONDS = 60


class Offence(Exception):
    """The proxy has done what it may not do."""


class Farm:
    """The servers of one pool, each on a port that it keeps."""

    def __init__(self, protocol, path):
        self.protocol, self.path = protocol, path
        path.mkdir()
        start = kit.start_redis if protocol == "redis" else kit.start_memcached
        self.programs = [start(f"s{n}", path) for n in range(SERVERS)]
        self.ports = [program.port for program in self.programs]

    def argv(self, n):
        if self.protocol == "redis":
            return ["redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", self.ports[n]]
        return ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-U", "0", "-p", self.ports[n]]

    def start_again(self, n):
        """A new, empty server in the place of the old one. Its predecessor's connections may hold the port for a moment."""

        def started():
            program = kit.Program(f"s{n}", self.argv(n), [self.ports[n]], self.path)
            if program.is_ready():
                self.programs[n] = program
                return True
            return False

        kit.until(started, lambda: f"s{n} on port {self.ports[n]}:\n{(self.path / f's{n}.log').read_text(errors='replace')}")

    def stop(self):
        for program in self.programs:
            program.signal(signal.SIGCONT)
            program.kill()


class Chaos(threading.Thread):
    """Does something to a server of a farm, again and again, and undoes it."""

    def __init__(self, farms, rng, over, counts):
        super().__init__()
        self.farms, self.rng, self.over, self.counts = farms, rng, over, counts
        self.fault = None

    def run(self):
        try:
            while not self.over.is_set():
                self.one()
        except AssertionError as fault:
            self.fault = fault

    def one(self):
        farm, n = self.rng.choice(self.farms), self.rng.randrange(SERVERS)
        what = self.rng.choice(["killed", "paused", "replaced"])
        program = farm.programs[n]
        if what == "paused":
            program.signal(signal.SIGSTOP)
            self.over.wait(self.rng.choice([0.05, 0.6, 1.5]))
            program.signal(signal.SIGCONT)
        elif what == "killed":
            program.kill()
            self.over.wait(self.rng.choice([0, 0.2, 1.5]))
            farm.start_again(n)
        else:
            program.stop()
            farm.start_again(n)
        self.counts[what] += 1
        self.over.wait(self.rng.choice([0, 0.3, 1]))


# -- what is asked, in the words of each protocol ------------------------------------------------------------------------


def bulk(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def redis_values(keys, reply):
    """The values in the reply to a GET or MGET, None for a miss; or None if it is no such reply."""
    if len(keys) > 1:
        head = b"*%d\r\n" % len(keys)
        if not reply.startswith(head):
            return None
        reply = reply[len(head) :]
    values = []
    for _ in keys:
        if reply.startswith(b"$-1\r\n"):
            values.append(None)
            reply = reply[5:]
            continue
        match = re.match(rb"\$(\d+)\r\n", reply)
        if not match:
            return None
        end = match.end() + int(match[1])
        values.append(reply[match.end() : end])
        reply = reply[end + 2 :]
    return None if reply else values


def memcache_values(keys, reply):
    found, at = {}, 0
    while reply.startswith(b"VALUE ", at):
        line_end = reply.find(b"\r\n", at)
        _, key, _, length = reply[at:line_end].split(b" ")
        if key in found:
            return None
        found[key] = reply[line_end + 2 : line_end + 2 + int(length)]
        at = line_end + 2 + int(length) + 2
    if reply[at:] != b"END\r\n" or list(found) != [key for key in keys if key in found]:
        return None
    return [found.get(key) for key in keys]


class Redis:
    get = staticmethod(lambda keys: bulk(b"GET", *keys) if len(keys) == 1 else bulk(b"MGET", *keys))
    set = staticmethod(lambda key, value: bulk(b"SET", key, value))
    values = staticmethod(redis_values)
    stored = b"+OK\r\n"
    mark = staticmethod(lambda word: (bulk(b"ECHO", word), b"$%d\r\n%s\r\n" % (len(word), word)))


class Memcache:
    get = staticmethod(lambda keys: b"get " + b" ".join(keys) + b"\r\n")
    set = staticmethod(lambda key, value: b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value))
    values = staticmethod(memcache_values)
    stored = b"STORED\r\n"
    mark = staticmethod(lambda word: (b"mn\r\n", b"MN\r\n"))


SPEAKERS = {"redis": Redis, "memcache": Memcache}


# -- a client ------------------------------------------------------------------------------------------------------------


class Client(threading.Thread):
    """Pipelines until it is over, and checks every reply."""

    def __init__(self, lane, protocol, number, peers, seed, over, counts):
        super().__init__()
        self.lane, self.protocol, self.speak = lane, protocol, SPEAKERS[protocol]
        self.number, self.peers, self.over, self.counts = number, peers, over, counts
        self.rng = random.Random(f"{seed}:{protocol}:{number}")
        self.written = collections.Counter()
        self.offence = None

    def key(self, owner=None):
        return b"c%d:%d" % (self.number if owner is None else owner, self.rng.randrange(KEYS_OF_A_CLIENT))

    def run(self):
        try:
            with Conversation(self.lane, self.protocol) as talk:
                while not self.over.is_set():
                    self.round(talk)
                self.recover(talk)
        except (Offence, Difference, OSError, ValueError) as offence:
            self.offence = offence
            self.over.set()

    def write(self):
        key = self.key()
        self.written[key] += 1
        padding = b"x" * self.rng.choice([0, 5, 100, 100, 3000, 20000])
        return self.speak.set(key, b"%s|%d|%s" % (key, self.written[key], padding)), self.check_stored

    def read(self):
        owner = self.number if self.rng.random() < 0.7 else self.rng.randrange(len(self.peers))
        keys = list(dict.fromkeys(self.key(owner) for _ in range(self.rng.choice([1, 1, 1, 2, 10]))))
        upper = {key: self.peers[owner].written[key] for key in keys} if owner == self.number else None
        return self.speak.get(keys), lambda reply: self.check_values(keys, upper, reply)

    def mark(self):
        word = b"%d.%d" % (self.number, self.rng.randrange(10**9))
        request, reply = self.speak.mark(word)
        return request, lambda got: got == reply or self.offend(f"asked for {reply!r}, got {got!r:.200}")

    def round(self, talk):
        kinds = self.rng.choices([self.write, self.read, self.mark], [4, 6, 1], k=self.rng.choice([1, 4, 16, 64]))
        asked = [kind() for kind in kinds] + [self.mark()]
        talk.send(b"".join(request for request, _ in asked))
        replies, closed = talk.take(len(asked))
        if closed:
            raise Offence(f"closed after {len(replies)} of {len(asked)} replies")
        for (_, check), reply in zip(asked, replies):
            self.counts["replies"] += 1
            if ALLOWED.fullmatch(reply):
                self.counts[reply.strip().decode()] += 1
            else:
                check(reply)

    def check_stored(self, reply):
        if reply != self.speak.stored:
            self.offend(f"a write was answered {reply!r:.200}")

    def check_values(self, keys, upper, reply):
        values = self.speak.values(keys, reply)
        if values is None:
            self.offend(f"a read of {keys} was answered {reply!r:.200}")
        for key, value in zip(keys, values):
            if value is None:
                self.counts["misses"] += 1
                continue
            owner, number, padding = value.split(b"|")
            if owner != key or padding.strip(b"x") or (upper is not None and int(number) > upper[key]):
                self.offend(f"{key} has {value!r:.200}; written {upper and upper[key]}")
            self.counts["hits"] += 1

    def offend(self, what):
        raise Offence(f"client {self.number} ({self.protocol}): {what}")

    def recover(self, talk):
        """When all servers are well, every key can be written and read again, on this same connection."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        for n in range(KEYS_OF_A_CLIENT):
            key = b"c%d:%d" % (self.number, n)
            while True:
                talk.send(self.speak.set(key, key + b"|0|") + self.speak.get([key]))
                (stored, got), _ = talk.take(2)
                if stored == self.speak.stored and self.speak.values([key], got) == [key + b"|0|"]:
                    break
                if time.monotonic() > deadline:
                    self.offend(f"{key} does not come back: {stored!r} {got!r:.100}")


def rss_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def start_proxy(path, farms):
    def argv(*ports):
        lines = []
        for farm, port in zip(farms, ports):
            lines += [f"{farm.protocol}:", f"  listen: 127.0.0.1:{port}", f"  redis: {str(farm.protocol == 'redis').lower()}"]
            lines += ["  timeout: 400", "  auto_eject_hosts: true", "  server_failure_limit: 2", "  server_retry_timeout: 300"]
            lines += ["  servers:"] + [f"    - 127.0.0.1:{port}:1 s{n}" for n, port in enumerate(farm.ports)]
        conf = path / "nutcracker.yml"
        conf.write_text("\n".join(lines) + "\n")
        return [kit.BINARY, "nutcracker", "-c", conf, "-o", "", "-a", "127.0.0.1", "-s", ports[-1], "-p", path / "pid"]

    return kit.start("proxy", len(farms) + 1, argv, path)


def soak(stack, seconds, seed):
    farms = []
    for protocol in CLIENTS:
        farms.append(Farm(protocol, stack.path / protocol))
        stack.callback(farms[-1].stop)
    proxy = stack.keep_proxy(start_proxy(stack.path, farms))
    rss_before = rss_mb(proxy.process.pid)
    over, quiet = threading.Event(), threading.Event()
    counts, faults = {protocol: collections.Counter() for protocol in CLIENTS}, collections.Counter()
    clients = []
    for farm, port in zip(farms, proxy.ports):
        peers = []
        for number in range(CLIENTS[farm.protocol]):
            lane = Lane("nuthatch", port, farm.ports)
            peers.append(Client(lane, farm.protocol, number, peers, seed, over, counts[farm.protocol]))
        clients += peers
    chaos = Chaos(farms, random.Random(seed), quiet, faults)
    # All peers are known before any of them reads another's keys.
    for thread in [*clients, chaos]:
        thread.start()
    over.wait(seconds)
    quiet.set()
    chaos.join()
    over.set()
    for client in clients:
        client.join()
    print(f"  faults: {dict(faults)}; RSS {rss_before:.1f} MB before, {rss_mb(proxy.process.pid):.1f} MB after")
    for protocol, count in counts.items():
        print(f"  {protocol}: {dict(sorted(count.items()))}")
    assert proxy.process.poll() is None, "the proxy has ended"
    if chaos.fault:
        raise chaos.fault
    for client in clients:
        if client.offence:
            raise client.offence
    for protocol, count in counts.items():
        if not count["hits"] or not count["replies"]:
            raise Offence(f"{protocol}: nothing was read back, so nothing was checked")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="20 seconds (the default)")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    asked = parser.parse_args()
    missing = kit.missing("redis-server", "memcached")
    if missing:
        print(f"SKIPPED: {missing} is not installed")
        return 0
    seconds = asked.minutes * 60 if asked.minutes else 20
    print(f"soak: seed {asked.seed}, {seconds:.0f} s")
    try:
        with kit.Stack() as stack:
            soak(stack, seconds, asked.seed)
    except (Offence, Difference) as offence:
        print(f"FAILED: {offence}\n  again: python3 {sys.argv[0]} --seed {asked.seed} (faults are timed by the clock)")
        return 1
    print("soak: nothing misordered, lost or crossed")
    return 0


if __name__ == "__main__":
    sys.exit(main())

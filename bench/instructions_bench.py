#!/usr/bin/env python3
"""Instructions in user space per request, counted by callgrind: the yardstick that noise cannot move.

One nuthatch runs under valgrind with one cache shard; this program is its client and its servers at once, in lock step,
so that every turn of the loop finds the same; a second one has users. No request is slow enough for the slow log, whatever
else the machine does. Each case is warmed up, then counted in three spells, of which the least stands. The counts of the
whole process are compared with bench/instructions.json; one that has grown by more than 3 % is a failure, unless the
compiler or the processor's features are not those of the baseline: then it is only shown.

`--write` makes what is counted the baseline.
"""
import hashlib
import itertools
import re
import select
import struct
import sys

from benchlib import *

BASELINES = os.path.join(ROOT, "bench", "instructions.json")
LIMIT = 1.03
SPELLS = 3
VALUE = b"v" * 100
BODY = b"b" * 200


# --- peers --------------------------------------------------------------------------------------------------------

def read_exactly(conn, size):
    parts = bytearray()
    while len(parts) < size:
        got = conn.recv(size - len(parts))
        if not got:
            raise RuntimeError("the daemon closed a connection after %r" % bytes(parts[-200:]))
        parts += got
    return bytes(parts)


class Servers:
    """Cache servers that answer nothing before every key they wait for has been asked."""

    def __init__(self, count):
        self.listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        self.ports = [listener.getsockname()[1] for listener in self.listeners]
        self.pending = {}

    def answer(self, keys, parse):
        """Takes requests until they name `keys` keys, then answers each server connection with one write."""
        replies = {}
        while keys > 0:
            for ready in select.select(self.listeners + list(self.pending), [], [], 60)[0] or [None]:
                if ready is None:
                    raise RuntimeError("no request came within a minute")
                if ready in self.listeners:
                    conn = ready.accept()[0]
                    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.pending[conn] = b""
                    continue
                got = ready.recv(65536)
                if not got:
                    ready.close()
                    del self.pending[ready]
                    continue
                reply, asked, rest = parse(self.pending[ready] + got)
                self.pending[ready] = rest
                replies[ready] = replies.get(ready, b"") + reply
                keys -= asked
        for conn, reply in replies.items():
            conn.sendall(reply)


REDIS_HEAD = re.compile(rb"\*(\d+)\r\n\$\d+\r\n([A-Z]+)\r\n")
BULK = b"$%d\r\n%s\r\n" % (len(VALUE), VALUE)


def parse_redis(data):
    """Replies to the whole requests in `data`, the number of their keys, and the bytes that remain."""
    reply, keys, at = b"", 0, 0
    while (head := REDIS_HEAD.match(data, at)) is not None:
        end = head.end()
        count = int(head[1]) - 1
        for _ in range(count):
            line = data.find(b"\r\n", end)
            if line < 0 or len(data) < line + 4 + int(data[end + 1:line]):
                return reply, keys, data[at:]
            end = line + 4 + int(data[end + 1:line])
        at = end
        if head[2] == b"MGET":
            reply, keys = reply + b"*%d\r\n" % count + BULK * count, keys + count
        else:
            reply, keys = reply + (BULK if head[2] == b"GET" else b"+OK\r\n"), keys + 1
    return reply, keys, data[at:]


def parse_memcached(data):
    """As parse_redis, for gets of one key."""
    reply, keys = b"", 0
    *lines, rest = data.split(b"\r\n")
    for line in lines:
        reply += b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (line.split()[1], len(VALUE), VALUE)
        keys += 1
    return reply, keys, rest


# --- the daemon ----------------------------------------------------------------------------------------------------

CONFIGURATION = """
threads = 1
coalesce = "off"
[pool.redis]
protocol = "redis"
listen = "127.0.0.1:{redis}"
servers = [{redis_servers}]
timeout = "60s"
slowlog_threshold = "60s"
[pool.memcached]
protocol = "memcache"
listen = "127.0.0.1:{memcached}"
servers = ["127.0.0.1:{memcached_server}:1 m"]
timeout = "60s"
slowlog_threshold = "60s"
[queue]
tcp = "127.0.0.1:{queue}"
http = "127.0.0.1:{http}"
data_path = "{data}"
"""


USERS = """
[user.bench]
password_sha256 = "{secret}"
pools = ["redis"]
keys = ["key:*"]
commands = ["+@all"]
publish = ["bench*"]
consume = ["*"]
"""
SECRET = b"secret"


class Daemon:
    """Nuthatch under callgrind; `users`: its clients have to log in."""

    def __init__(self, stage, binary, users=False):
        self.redis, self.memcached = Servers(2), Servers(1)
        self.ports = {name: free_port() for name in ("redis", "memcached", "queue", "http")}
        servers = ", ".join('"127.0.0.1:%d:1 s%d"' % (port, i) for i, port in enumerate(self.redis.ports))
        self.directory = tempfile.mkdtemp(dir=stage.directory)
        text = CONFIGURATION + (USERS if users else "")
        config = stage.write("users.toml" if users else "nuthatch.toml", text.format(
            redis_servers=servers, memcached_server=self.memcached.ports[0], data=self.directory,
            secret=hashlib.sha256(SECRET).hexdigest(), **self.ports))
        self.dumps = 0
        command = [find("valgrind"), "--tool=callgrind", "--callgrind-out-file=" + os.path.join(self.directory, "counts"),
                   binary, "run", "-c", config]
        self.process = Process(command, directory=self.directory)
        stage.callback(self.process.stop)
        end = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.ports["queue"])).close()
                return
            if time.monotonic() > end or not self.process.is_running():
                with open(self.process.output, errors="replace") as output_:
                    raise RuntimeError("the daemon did not start: " + output_.read()[-1000:])
            time.sleep(0.05)

    def connect(self, name):
        conn = socket.create_connection(("127.0.0.1", self.ports[name]), timeout=60)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return conn

    def _ask(self, command):
        output([find("vgdb"), "--pid=%d" % self.process.popen.pid, command], timeout=60)

    def zero(self):
        self._ask("zero")

    def counted(self):
        """Instructions of all threads since the last `zero`."""
        self._ask("dump")
        self.dumps += 1
        with open(os.path.join(self.directory, "counts.%d" % self.dumps)) as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("totals:"))


# --- cases ---------------------------------------------------------------------------------------------------------

def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def key(n):
    return b"key:%012d" % (n % 10000)


def redis(pipeline, make, keys=1, reply=BULK, login=False):
    """Batches of `pipeline` requests over one connection."""
    def prepare(daemon):
        conn, at = daemon.connect("redis"), 0
        if login:
            conn.sendall(command(b"AUTH", b"bench", SECRET))
            read_exactly(conn, len(b"+OK\r\n"))
        # A client and a server without a reply yet are not trusted with a whole pipeline: single requests come first.
        for size in itertools.chain([1] * 20, itertools.repeat(pipeline)):
            conn.sendall(b"".join(make(at + n) for n in range(size)))
            at += size
            daemon.redis.answer(size * keys, parse_redis)
            read_exactly(conn, len(reply) * size)
            yield size
    return prepare


def mget(n):
    return command(b"MGET", *(key(n * 10 + i) for i in range(10)))


def memcached(daemon):
    conn, at = daemon.connect("memcached"), 0
    while True:
        conn.sendall(b"get %s\r\n" % key(at))
        daemon.memcached.answer(1, parse_memcached)
        read_exactly(conn, len(b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key(at), len(VALUE), VALUE)))
        at += 1
        yield 1


OK = b"\0\0\0\x06\0\0\0\0OK"
BATCH = 100
DELIVERY = "delivery and FIN of 200 B, 100 at a time"


def publish(daemon, topic=b"bench", login=False):
    conn = daemon.connect("queue")
    conn.sendall(b"  V2")
    if login:
        secret = b"bench:" + SECRET
        conn.sendall(b"AUTH\n" + struct.pack(">I", len(secret)) + secret)
        size = struct.unpack(">I", read_exactly(conn, 4))[0]
        if b"identity" not in read_exactly(conn, size):
            raise RuntimeError("the login was refused")
    batch = b"".join(b"PUB %s\n" % topic + struct.pack(">I", len(BODY)) + BODY for _ in range(BATCH))
    while True:
        conn.sendall(batch)
        if read_exactly(conn, len(OK) * BATCH) != OK * BATCH:
            raise RuntimeError("a publication was refused")
        yield BATCH


def deliver(daemon):
    conn = daemon.connect("queue")
    conn.sendall(b"  V2SUB delivered ch\n")
    read_exactly(conn, len(OK))
    publisher = publish(daemon, b"delivered")
    # Twice as many as are delivered: near the end of a backlog everything has been read ahead, and a message costs less.
    for _ in range(2 * (CASES[DELIVERY][1] + CASES[DELIVERY][2] * SPELLS)):
        next(publisher)
    size = 4 + 4 + 8 + 2 + 16 + len(BODY)
    conn.sendall(b"RDY %d\n" % BATCH)
    while True:
        messages = read_exactly(conn, size * BATCH)
        ids = [messages[at + 18:at + 34] for at in range(0, len(messages), size)]
        conn.sendall(b"".join(b"FIN %s\n" % id_ for id_ in ids))
        yield BATCH


# name: (what plays it, batches to warm up, batches in a spell)
CASES = {
    "redis GET, one at a time": (redis(1, lambda n: command(b"GET", key(n))), 200, 1000),
    "redis GET, 64 at a time": (redis(64, lambda n: command(b"GET", key(n))), 30, 30),
    "redis SET, one at a time": (redis(1, lambda n: command(b"SET", key(n), VALUE), reply=b"+OK\r\n"), 200, 1000),
    "redis SET, 64 at a time": (redis(64, lambda n: command(b"SET", key(n), VALUE), reply=b"+OK\r\n"), 30, 30),
    "redis MGET of 10": (redis(1, mget, keys=10, reply=b"*10\r\n" + BULK * 10), 200, 500),
    "memcached get": (memcached, 200, 1000),
    "PUB of 200 B, 100 at a time": (publish, 3, 30),
    DELIVERY: (deliver, 10, 20),
    "redis GET of a user, one at a time": (redis(1, lambda n: command(b"GET", key(n)), login=True), 200, 1000),
    "redis GET of a user, 64 at a time": (redis(64, lambda n: command(b"GET", key(n)), login=True), 30, 30),
    "PUB of a user, 200 B, 100 at a time": (lambda daemon: publish(daemon, login=True), 3, 30),
}


def measure(daemon, case):
    """Instructions per request: the least of the spells."""
    prepare, warm, batches = CASES[case]
    plays = prepare(daemon)
    for _ in range(warm):
        next(plays)
    counts = []
    for _ in range(SPELLS):
        daemon.zero()
        requests = sum(next(plays) for _ in range(batches))
        counts.append(daemon.counted() / requests)
    return min(counts), max(counts)


def circumstances():
    """What a count depends on besides our code."""
    with open("/proc/cpuinfo") as f:
        flags = set(re.search(r"flags\s*:\s*(.*)", f.read()).group(1).split())
    return {"rustc": first_line(["rustc", "--version"]), "avx2": "avx2" in flags, "machine": platform.machine()}


def main():
    parser = argparse.ArgumentParser(prog="cargo xtask bench instructions", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make the counts the new baseline")
    parser.add_argument("--binary", default=os.environ.get("NUTHATCH_BIN", NUTHATCH))
    parser.add_argument("case", nargs="*", help="parts of names; all without one")
    options = parser.parse_args()
    chosen = [case for case in CASES if not options.case or any(part in case for part in options.case)]
    baseline = {"per request": {}}
    if os.path.exists(BASELINES):
        with open(BASELINES) as f:
            baseline = json.load(f)
    counts, grown, rows = {}, [], []
    with Stage() as stage:
        daemons = {}
        for case in chosen:
            users = "of a user" in case
            if users not in daemons:
                daemons[users] = Daemon(stage, options.binary, users)
            daemon = daemons[users]
            least, most = measure(daemon, case)
            before = baseline["per request"].get(case)
            counts[case] = round(least)
            change = "%+.1f %%" % (100 * (least / before - 1)) if before else "new"
            if before and least > before * LIMIT:
                grown.append(case)
            rows.append([case, counts[case], before or "–", change, "%.1f %%" % (100 * (most / least - 1))])
    print(table(["instructions per request", "now", "baseline", "change", "spread"], rows))
    if options.write:
        merged = {**baseline["per request"], **counts}
        with open(BASELINES, "w") as f:
            json.dump({"circumstances": circumstances(), "per request": merged}, f, indent=1)
            f.write("\n")
    elif grown and baseline.get("circumstances") != circumstances():
        print("grown, but compared with a baseline of %s, not %s: not a failure" % (
            baseline.get("circumstances"), circumstances()))
    elif grown:
        sys.exit("more than %.0f %% more instructions: %s" % (100 * (LIMIT - 1), ", ".join(grown)))


if __name__ == "__main__":
    main()

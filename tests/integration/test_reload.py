"""A hundred reloads in a row while clients use the pools: no error, no connection closed, no reply crossed, nothing left behind.

Servers are added, removed, renamed, moved and reweighted; every option that a reload can change is changed once; every fifth file is bad.
Values carry their key, so that a reply which went astray is seen. Options are read from docs/config.md: one that has no value here fails
the test.
"""

import asyncio
import base64
import hashlib
import itertools
import json
import os
import re
import signal
import socket
import ssl
import subprocess

import pytest

import kit

RELOADS, BAD_EVERY = 100, 5
BUSY, IDLE = 50, 500
SECTIONS = {
    "Top of the file": "",
    "`[log]`": "log",
    "`[stats]`": "stats",
    "`[admin]`": "admin",
    "`[local]`": "local",
    "`[pool.NAME]`": "pool",
    "`servers = [{ ... }]`": "server",
    "`listen = [{ ... }]`": "listener",
    "`tls = { ... }`": "tls",
    "`server_tls = { ... }`": "server_tls",
    "`[queue]`": "queue",
    "`[[queue.topic]]`": "topic",
    "`[engine]`": "engine",
    "`[lookup]`": "lookup",
    "`[user.NAME]`": "user",
}
# Options that have no value below, each with its reason.
LEFT = {
    "admin.listen": "has a test of its own",
    "admin.tls": "has a test of its own",
    "tls.key": "goes with its certificate",
    "server_tls.key": "goes with its certificate",
    "user.admin": "has a test of its own",
    "user.publish": "has a test of its own",
    "user.consume": "has a test of its own",
    "server.address": "the servers of the busy pool move",
    "server.weight": "the servers of the busy pool change theirs",
    "server.name": "the servers of the busy pool change theirs",
    "pool.servers": "the servers of the busy pool come and go",
    "pool.topology": "the servers of the busy pool are no cluster",
    "pool.read_from": "the busy pool has no replicas; test_redis_cluster.py and the process tests change it",
    "pool.zone": "the busy pool has no replicas; the process tests change it",
    "pool.zones": "the busy pool has no replicas; the process tests change it",
    "pool.hedge_after": "the busy pool has no replicas; test_cluster_views.py and the process tests change it",
    "pool.replica_lag_max": "the busy pool has no replicas; the process tests change it",
    "pool.pretend_cluster_peers": "goes with pretend_cluster; the process tests change it",
    "pool.sentinels": "the busy pool has no Sentinels; test_sentinel.py and the process tests change it",
    "pool.masters": "the busy pool has no Sentinels; test_sentinel.py and the process tests change it",
    "pool.sentinel_user": "the busy pool has no Sentinels; test_sentinel.py and the process tests change it",
    "pool.sentinel_password": "the busy pool has no Sentinels; test_sentinel.py and the process tests change it",
    "pool.sentinel_password_file": "the busy pool has no Sentinels; test_sentinel.py and the process tests change it",
    "pool.sentinel_tls": "the busy pool has no Sentinels; test_sentinel.py and the process tests change it",
    "queue.tls_key": "goes with its certificate",
    "queue.storage": "no engine runs here; test_engine.py and the process tests change it",
    "queue.topic": "no engine runs here; test_engine.py and the process tests change it",
    "topic.match": "no engine runs here; test_engine.py and the process tests change it",
    "topic.storage": "no engine runs here; test_engine.py and the process tests change it",
    "topic.accept": "no engine runs here; test_engine.py and the process tests change it",
}
# Another value of each option that no default for its kind fits.
VALUES = {
    ".coalesce": "off",
    ".memory_budget": "900MiB",
    "log.level": "debug",
    "admin.http_names": ["admin.example"],
    "pool.protocol": "memcache",
    "pool.hash": "murmur",
    "pool.distribution": "modula",
    "pool.hash_tag": "{}",
    "pool.client_connections": 5000,
    "pool.limit_requests": "1000000/s",
    "pool.allow": ["flush"],
    "pool.auth": "a secret",
    "pool.db": 1,
    "pool.tls": {},
    "pool.server_tls": True,
    "tls.client_auth": "optional",
    "tls.client_names": ["*.example"],
    "tls.min_version": "tls1.3",
    "server_tls.server_name": "redis.example",
    "server_tls.min_version": "tls1.3",
    "pool.keepalive": "20s",
    "pool.unsupported": "close",
    "pool.request_bytes_max": "1MiB",
    "pool.client_output_soft_bytes": "2MiB",
    "pool.client_output_hard_bytes": "900MiB",
    "server.password": "a secret",
    "queue.durability": "fsync",
    "queue.channels_from": "beginning",
    "queue.journal_cache": "2MiB",
    "admin.http_names": ["admin.example"],
    "queue.http_names": ["queue.example"],
    "queue.max_memory": "900MiB",
    "queue.max_msg_timeout": "20m",
    "queue.max_req_timeout": "2h",
    "queue.max_msg_size": "2MiB",
    "queue.max_body_size": "6MiB",
    "queue.output_buffer_timeout": "300ms",
    "queue.max_output_buffer_size": "128KiB",
    "queue.max_deflate_level": 5,
    "queue.broadcast_address": "127.0.0.2",
    "queue.nsqlookupd_tcp_addresses": ["127.0.0.1:1"],
    "queue.topology_region": "a region",
    "queue.topology_zone": "a zone",
    "queue.enable_experiment": ["topology-aware-consumption"],
    "queue.auth_http_addresses": ["127.0.0.1:1"],
    "queue.auth_http_request_method": "post",
    "queue.tls_client_auth_policy": "require",
    "queue.tls_required": "tcp-https",
    "queue.tls_min_version": "tls1.3",
    "stats.statsd_address": "127.0.0.1:9",
    "stats.statsd_prefix": "other.%s",
    "queue.statsd_address": "127.0.0.1:9",
    "queue.statsd_prefix": "other.%s",
    "queue.statsd_udp_packet_size": 600,
    "lookup.broadcast_address": "127.0.0.2",
    "lookup.http_names": ["lookup.example"],
    "user.password_sha256": ["5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"],
    "user.password_argon2": ["$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Ng"],
    "user.certificate": ["*.example"],
    "user.pools": ["spare"],
    "user.keys": ["app:*"],
    "user.commands": ["+get"],
    "user.channels": ["news.*"],
    "user.limit_requests": "100/s",
}
# Options that clients of a busy pool would notice: they are changed on the spare one only.
NOTICED = {"pool.protocol", "pool.auth", "pool.auth_file", "pool.listen", "pool.tls", "pool.server_tls"}
BAD = [
    ("[pool.more", "expected"),
    ("[pool.more]\nservers = [\"local\"]", "listen"),
    ("[pool.more]\nlisten = \"127.0.0.1:{taken}\"\nservers = [\"local\"]", "in use"),
    ("[pool.more]\nlisten = \"127.0.0.1:{free}\"\nservers = [\"local\"]\ncolour = 1", "colour"),
    ("[pool.more]\nlisten = \"127.0.0.1:{free}\"\nservers = [\"local\"]\nauth_file = \"/no/such\"", "/no/such"),
]


def options():
    """Options that a reload changes: SECTION.NAME and their type in words."""
    section, found = "", {}
    for line in (kit.ROOT / "docs/config.md").read_text().splitlines():
        if line.startswith("## "):
            assert line[3:] in SECTIONS, f"a section without a place here: {line}"
            section = SECTIONS[line[3:]]
        row = re.match(r"\| `(\w+)` \| (.*?) \| (.*?) \| (live|new connections) \| ", line)
        if row:
            found[f"{section}.{row[1]}"] = (row[2], row[3].strip("`"))
    return found


def value(name, kind, default, directory):
    """Another value of an option than its default, by its type if it has none of its own."""
    if name in VALUES:
        return VALUES[name]
    if kind.startswith("a duration"):
        return "7s" if default != "7s" else "8s"
    if kind.startswith("a whole number"):
        return int(default) + 1 if default.isdigit() else 1000
    size = re.fullmatch(r"(\d+)([KMG]iB)", default)
    if kind.startswith("a size") and size:
        return f"{int(size[1]) * 2}{size[2]}"
    if kind.startswith("one of "):
        return next(name for name in re.findall(r'"(.+?)"', kind) if name != default)
    if kind.startswith("a list of numbers"):
        return [0.99]
    if kind == "true or false":
        return default != "true"
    if kind.startswith("an address"):
        return f"127.0.0.1:{kit.free_port()}"
    if name.endswith(("auth_file", "password_file")):
        return str(directory / "secret")
    if name == "log.file":
        return str(directory / "other.log")
    if name.endswith(("tls_cert", "tls_root_ca_file", "tls.cert", "tls.ca", "tls.client_ca")):
        return str(directory / "cert.pem")
    return None


class Scene:
    """The daemon and its file."""

    def __init__(self, stack):
        self.directory = stack.path
        self.conf, self.log = stack.path / "nuthatch.toml", stack.path / "log"
        self.redis = [stack.keep(kit.start_redis(f"r{n}", stack.path)) for n in range(5)]
        self.ports = {name: kit.free_port() for name in ("admin", "stats", "busy", "spare", "queue", "queue-http", "lookup", "lookup-http")}
        (stack.path / "secret").write_text("a secret\n")
        (stack.path / "secret").chmod(0o600)
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        made += ["-addext", "subjectAltName=DNS:localhost"]
        subprocess.run([*made, "-keyout", "key.pem", "-out", "cert.pem"], cwd=stack.path, check=True, capture_output=True)
        self.write(self.servers(0), {})
        argv = lambda *_: [kit.BINARY, "run", "-c", self.conf]
        self.program = stack.keep_proxy(kit.Program("reloaded", argv(), list(self.ports.values()), stack.path))
        assert self.program.is_ready(), self.program.output()
        self.generation, self.signals = 1, 0

    def servers(self, step):
        """Servers of the busy pool: one more, one less, one with another name, one with another weight, one at another place."""
        ports = [server.port for server in self.redis]
        named = {"a": (ports[0], 1), "b": (ports[1], 1), "c": (ports[2], 1)}
        match step % 6:
            case 1:
                named["d"] = (ports[3], 1)
            case 2:
                del named["b"]
            case 3:
                named["renamed"] = named.pop("c")
            case 4:
                named["a"] = (ports[0], 3)
            case 5:
                named["b"] = (ports[4], 1)
        return [f"127.0.0.1:{port}:{weight} {name}" for name, (port, weight) in named.items()]

    def write(self, servers, changed, more=""):
        """Writes the file: what is always there, and options that are changed."""
        address = lambda name: f"127.0.0.1:{self.ports[name]}"
        files = {"cert": str(self.directory / "cert.pem"), "key": str(self.directory / "key.pem")}
        spare = {"address": f"127.0.0.1:{self.redis[4].port}", "name": "spare"}
        of = {
            "": {"threads": 2},
            "log": {"file": str(self.log)},
            "stats": {"listen": address("stats")},
            "admin": {"listen": address("admin")},
            "pool.busy": {"listen": address("busy"), "servers": servers},
            "pool.spare": {"listen": address("spare"), "servers": [spare]},
            "queue": {
                "tcp": address("queue"),
                "http": address("queue-http"),
                "https": "127.0.0.1:0",
                "data_path": str(self.directory / "data"),
            },
            "lookup": {"tcp": address("lookup"), "http": address("lookup-http")},
            "user.someone": {"password_sha256": ["0" * 64]},
        }
        for name, new in changed.items():
            section, option = name.split(".")
            if section == "server":
                spare[option] = new
            elif section == "listener":
                listener = {"address": address("spare"), "tls": True, option: new}
                of["pool.spare"] |= {"listen": [listener], "tls": files}
            elif section == "tls":
                of["pool.spare"]["tls"] = files | {"client_ca": files["cert"], option: new}
            elif section == "server_tls":
                of["pool.spare"]["server_tls"] = files | {option: new}
            elif section == "pool":
                of["pool.spare"][option] = new
                if name not in NOTICED:
                    of["pool.busy"][option] = new
            else:
                of["user.someone" if section == "user" else section][option] = new
            if name == "pool.listen":
                of["pool.busy"][option] = [address("busy"), f"127.0.0.1:{kit.free_port()}"]
            if name == "pool.tls":
                of["pool.spare"]["tls"] = files
            if name.startswith("queue.tls"):
                of["queue"] |= {f"tls_{name}": path for name, path in files.items()}
        text = "".join(toml(section, options) for section, options in of.items()) + more
        temporary = self.conf.with_suffix(".new")
        temporary.write_text(text)
        temporary.rename(self.conf)

    def reload(self):
        """Reloads over HTTP. Gives the outcome."""
        return kit.fetch(self.ports["admin"], "/api/reload", "POST")[1]

    def hang_up(self):
        """Reloads by SIGHUP. Gives an outcome as `reload` does, from the log."""
        before = len(self.log.read_text())
        self.program.signal(signal.SIGHUP)
        # The log may not have all of the reload before this one yet.
        outcome = r"\(SIGHUP\) received.*?(configuration reloaded[^\n]*|reload failed: [^\n]*)\n"
        said = lambda: re.search(outcome, self.log.read_text()[before:], re.S)
        found = kit.until(said, "the reload")[1]
        self.signals += 1
        number = re.search(r"generation=(\d+)", found)
        return {"ok": found.startswith("configuration"), "generation": int(number[1]), "error": self.log.read_text()[before:]}


def toml(section, values):
    """A section of a file."""
    lines = [f"[{section}]"] if section else []
    for name, new in values.items():
        lines.append(f"{name} = {toml_value(new)}")
    return "\n".join(lines) + "\n"


def toml_value(new):
    match new:
        case dict():
            return "{" + ", ".join(f"{key} = {toml_value(of)}" for key, of in new.items()) + "}"
        case list():
            return f"[{', '.join(map(toml_value, new))}]"
    return json.dumps(new)


class Crowd:
    """Clients of a pool, in one loop: some that pipeline all the time, and some that are only there."""

    def __init__(self, port):
        self.port, self.stopped, self.rounds = port, False, 0
        self.wrong = []

    async def begin(self):
        self.idle = [await asyncio.open_connection("127.0.0.1", self.port) for _ in range(IDLE)]
        for client in self.idle:
            await self.ping(client)
        self.tasks = [asyncio.create_task(self.busy(n)) for n in range(BUSY)]

    async def ping(self, client):
        reader, writer = client
        writer.write(b"PING\r\n")
        assert await reader.readline() == b"+PONG\r\n"

    async def busy(self, client):
        """Sends requests together, reads their replies, and compares. An error, a closed connection or a strange value ends it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for n in itertools.count():
            if self.stopped:
                break
            keys = [f"{client}:{n % 7}:{k}" for k in range(8)]
            for key in keys:
                writer.write(request("SET", key, f"{key}={n}") + request("GET", key))
            writer.write(request("MGET", *keys) + request("DEL", keys[0], keys[1]))
            for key in keys:
                self.expect((await self.reply(reader)) == b"OK", "SET", key)
                self.expect(belongs(await self.reply(reader), key), "GET", key)
            found = await self.reply(reader)
            self.expect(len(found) == len(keys) and all(map(belongs, found, keys)), "MGET", found)
            self.expect(await self.reply(reader) in (0, 1, 2), "DEL", keys[0])
            self.rounds += 1
        writer.close()

    def expect(self, holds, *what):
        if not holds:
            self.wrong.append(what)

    async def reply(self, reader):
        line = await reader.readline()
        if not line:
            raise EOFError("a connection was closed")
        kind, rest = line[:1], line[1:-2]
        match kind:
            case b"+":
                return rest
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else (await reader.readexactly(int(rest) + 2))[:-2]
            case b"*":
                return [await self.reply(reader) for _ in range(int(rest))]
        self.wrong.append((line,))
        return None

    def check(self):
        ended = [task.exception() for task in self.tasks if task.done() and task.exception()]
        assert not ended and not self.wrong, (ended, self.wrong[:10])

    async def goes_on(self, rounds):
        """Waits for so many rounds more."""
        end = self.rounds + rounds
        async with asyncio.timeout(kit.ANSWER_SECONDS):
            while self.rounds < end and not self.wrong and not any(task.done() for task in self.tasks):
                await asyncio.sleep(0.002)
        self.check()

    async def end(self):
        self.stopped = True
        await asyncio.wait(self.tasks)
        self.check()
        for client in self.idle:
            await self.ping(client)
        for _, writer in self.idle:
            writer.close()


def request(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)


def belongs(found, key):
    """A value that was written under this key, or none: a key whose server has changed is not there."""
    return found is None or (isinstance(found, bytes) and found.startswith(f"{key}=".encode()))


@pytest.fixture(scope="module")
def scene(stack):
    return Scene(stack)


@pytest.mark.needs("redis-server", "openssl")
def test_a_hundred_reloads(scene):
    known = options()
    missing = [
        name for name, of in known.items() if name not in LEFT and value(name, *of, scene.directory) is None
    ]
    assert not missing, f"no other value here, in VALUES, and no reason in LEFT: {missing}"
    changes = [name for name in known if name not in LEFT]
    # Neighbours in one reload are of different sections: some options of one section exclude each other.
    good = RELOADS - RELOADS // BAD_EVERY
    together = [changes[n::good] for n in range(good)]
    assert all(len({name.split(".")[0] for name in names}) == len(names) for names in together), together
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()

    async def scenario():
        crowd = Crowd(scene.ports["busy"])
        await crowd.begin()
        await crowd.goes_on(100)
        remaining, bad, changed, sizes, before = iter(together), itertools.cycle(BAD), {}, [], {}
        for n in range(RELOADS):
            is_bad = n % BAD_EVERY == BAD_EVERY - 1
            if is_bad:
                text, reason = next(bad)
                numbers = {"taken": taken.getsockname()[1], "free": kit.free_port()}
                scene.write(scene.servers(n), {}, text.format(**numbers))
            else:
                before, changed = changed, {name: value(name, *known[name], scene.directory) for name in next(remaining)}
                scene.write(scene.servers(n), changed)
            # The log cannot be read for the outcome while its options are others.
            hides = any(name.startswith("log.") for name in [*before, *changed])
            by_signal = n % 2 == 1 and not hides
            outcome = await asyncio.to_thread(scene.hang_up if by_signal else scene.reload)
            scene.generation += not is_bad
            assert outcome["ok"] is not is_bad, f"{n} {changed}: {outcome}"
            assert outcome["generation"] == scene.generation, (n, changed, outcome)
            assert not is_bad or reason in outcome["error"], outcome
            await crowd.goes_on(5)
            if n in (10, RELOADS - 1):
                scene.write(scene.servers(0), {})
                outcome = await asyncio.to_thread(scene.reload)
                assert outcome["ok"], outcome
                scene.generation = outcome["generation"]
                await crowd.goes_on(BUSY * 2)
                sizes.append((len(os.listdir(f"/proc/{scene.program.process.pid}/fd")), kit.resident_kib(scene.program.process.pid)))
        await crowd.end()
        print(f"{crowd.rounds} rounds of 18 requests, {scene.signals} reloads by signal; descriptors and resident KiB {sizes}")
        (descriptors, resident), last = sizes
        assert last[0] <= descriptors + 2, f"descriptors: {sizes}"
        assert last[1] <= resident * 1.15 + 2048, f"resident KiB: {sizes}"

    asyncio.run(scenario())
    taken.close()
    configuration = kit.fetch(scene.ports["admin"], "/api/status")[1]["configuration"]
    assert configuration["generation"] == scene.generation and not configuration["needs_restart"], configuration


@pytest.mark.needs("redis-server", "openssl")
def test_the_admin_port_moves(scene):
    old, scene.ports["admin"] = scene.ports["admin"], kit.free_port()
    scene.write(scene.servers(0), {})
    status, outcome = kit.fetch(old, "/api/reload", "POST")
    assert status == 200 and outcome["ok"], outcome
    assert kit.fetch(scene.ports["admin"], "/health")[0] in (200, 503)
    kit.until(lambda: not kit.accepts(old), "the old port to close")


@pytest.mark.needs("redis-server", "openssl")
def test_the_admin_port_begins_and_ends_tls(scene):
    port, cert = scene.ports["admin"], scene.directory / "cert.pem"
    scene.write(scene.servers(0), {"admin.tls": {"cert": str(cert), "key": str(scene.directory / "key.pem")}})
    assert scene.reload()["ok"]
    context = ssl.create_default_context(cafile=cert)
    assert kit.fetch(port, "/api/status", tls=context)[0] == 200
    assert kit.fetch(port, "/live", raw=True) == (400, b"Client sent an HTTP request to an HTTPS server.\n")
    command = lambda *words: subprocess.run([kit.BINARY, *map(str, words)], capture_output=True, text=True, timeout=kit.ANSWER_SECONDS)
    plain = command("health", "live", "--address", f"127.0.0.1:{port}")
    assert plain.returncode == 3 and f"write https://127.0.0.1:{port}" in plain.stderr, plain
    unknown = command("health", "live", "--address", f"https://localhost:{port}")
    assert unknown.returncode == 3 and "not trusted here" in unknown.stderr, unknown
    there = ["--address", f"https://localhost:{port}", "--ca", cert]
    assert command("health", "live", *there).stdout == "ok\n"
    against = command("check", "--against-running", "-c", scene.conf)
    assert "nothing changes" in against.stdout, against
    doctor = command("doctor", "-c", scene.conf, "--compare", f"https://localhost:{port}", "--ca", cert)
    assert "serves it" in doctor.stdout and "are not known" not in doctor.stdout, doctor
    level = command("log-level", "debug", *there)
    assert "debug" in level.stdout, level
    assert command("log-level", "info", *there).returncode == 0
    for change in ("drain", "return"):
        assert command("server", change, "spare", "spare", *there).returncode == 0
    scene.write(scene.servers(0), {})
    reloaded = command("reload", *there)
    assert reloaded.returncode == 0 and "admin" in reloaded.stdout, reloaded
    assert kit.fetch(port, "/live") == (200, "ok\n")


@pytest.mark.needs("redis-server", "openssl")
def test_ports_begin_and_cease_to_ask_for_logins(scene):
    admin, http, tcp = (scene.ports[name] for name in ("admin", "queue-http", "queue"))
    login = {"Authorization": "Basic " + base64.b64encode(b"someone:sesame").decode()}
    digest = {"user.password_sha256": [hashlib.sha256(b"sesame").hexdigest()]}

    def publish(secret=None):
        """The answer to a publication over TCP, after AUTH if there is a secret."""
        with kit.Wire(tcp) as wire:
            wire.send(b"  V2")
            if secret:
                wire.send(b"AUTH\n" + len(secret).to_bytes(4, "big") + secret)
                wire.frame()
            wire.send(b"PUB t\n\0\0\0\x01m")
            return wire.frame()[1]

    def takes(changed, headers):
        scene.write(scene.servers(0), changed)
        status, outcome = kit.fetch(admin, "/api/reload", "POST", headers=headers)
        assert status == 200 and outcome["ok"], outcome

    post = lambda headers=None: kit.fetch(http, "/pub?topic=t", "POST", "m", headers)[0]
    takes(digest | {"user.admin": "operate"}, {})
    assert kit.fetch(admin, "/api/status")[0] == 401 and kit.fetch(admin, "/live")[0] == 200
    assert kit.fetch(admin, "/api/reload", "POST")[0] == 401, "a reload needs the login as well"
    assert (post(), publish()) == (200, b"OK"), "topics are open"
    takes(digest | {"user.admin": "view"}, login)
    assert kit.fetch(admin, "/api/reload", "POST", headers=login)[0] == 403
    scene.write(scene.servers(0), digest | {"user.publish": ["t"], "user.consume": ["t:c"]})
    assert scene.hang_up()["ok"], "a signal asks nobody"
    assert kit.fetch(admin, "/api/status")[0] == 200, "no user has a right to it"
    assert (post(), post(login)) == (401, 200)
    assert publish().startswith(b"E_AUTH_FIRST") and publish(b"someone:sesame") == b"OK"
    takes(digest | {"user.publish": ["other"], "user.consume": ["t:c"]}, {})
    assert post(login) == 403 and publish(b"someone:sesame").startswith(b"E_UNAUTHORIZED")
    takes({}, {})
    assert (post(), publish()) == (200, b"OK")

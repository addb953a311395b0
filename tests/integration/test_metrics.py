"""The statistics of /metrics move when what they count happens. (The simulation sees to it that each of them can move, but for
those that need a real process: crates/sim/tests/seeds.rs.)"""

import contextlib
import json
import re
import socket
import subprocess
import urllib.request

import kit
import pytest
from test_limits import DESCRIPTORS, bulk, has_run_out


def metrics(port):
    """Every sample, by name and labels as they stand on the page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=kit.ANSWER_SECONDS) as page:
        lines = page.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def start(path, before=(), top="", **pools):
    """The binary with an admin port and pools over the embedded cache; `ports` are those of admin, then of the pools."""

    def argv(admin, *ports):
        lines = [top, "[admin]", f'listen = "127.0.0.1:{admin}"']
        for (name, options), port in zip(pools.items(), ports, strict=True):
            lines += [f"[pool.{name}]", f'listen = "127.0.0.1:{port}"', 'servers = ["local"]', options]
        conf = path / "nuthatch.toml"
        conf.write_text("\n".join(lines) + "\n")
        return [*before, kit.BINARY, "run", "-c", conf]

    return kit.start("nuthatch", 1 + len(pools), argv, path)


def moved(before, after, row, labels=""):
    """How far a sample has moved, or all of a family if no labels are given."""
    name = row + labels
    return sum(after[key] - before.get(key, 0) for key in after if key == name or (not labels and key.startswith(name + "{")))


def until_moved(port, before, row, labels=""):
    """Gauges and the counts of a turn follow within a moment."""
    kit.until(lambda: moved(before, metrics(port), row, labels), f"{row}{labels} to move")


def settled(port, *pools):
    """Every sample once the connections that found the pools' ports ready have come and gone."""
    now = {}

    def values(row):
        return [now[f'nuthatch_pool_{row}{{pool="{pool}"}}'] for pool in pools]

    def are_gone():
        now.update(metrics(port))
        return all(values("client_accepts_total")) and not any(values("client_connections"))

    kit.until(are_gone, lambda: f"accepted {values('client_accepts_total')}, there {values('client_connections')}")
    return now


def test_rows_move_with_what_they_count(tmp_path):
    program = start(
        tmp_path,
        plain="",
        secret='auth = "sesame"',
        small='protocol = "memcache"\nrequest_bytes_max = "1KiB"',
        short='request_bytes_max = "1KiB"',
        limited='limit_requests = "1/h"',
        named='[user.u]\ncertificate = "u"\npools = "named"\nkeys = "*"\ncommands = "+@all"',
    )
    admin, plain, secret, small, short, limited, named = program.ports
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(program.stop)
        before = settled(admin, "plain", "secret", "small", "short", "limited", "named")
        with kit.Wire(plain) as wire:
            wire.ask(bulk(b"SET", b"k", b"v"), b"+OK\r\n")
            wire.ask(bulk(b"GET", b"k") * 3, b"$1\r\nv\r\n" * 3)
            wire.ask(b"PING\r\n", b"+PONG\r\n")
            wire.ask(bulk(b"FCALL", b"f", b"0"), b"-ERR the embedded cache does not serve 'FCALL', which needs a redis server "
                     b"(set servers = [...])\r\n")
            now = metrics(admin)
            assert moved(before, now, "nuthatch_pool_client_connections", '{pool="plain"}') == 1
        with kit.Wire(secret) as wire:
            wire.ask(bulk(b"GET", b"k"), b"-NOAUTH Authentication required\r\n")
        with kit.Wire(small) as wire:
            wire.send(b"set k 0 0 2000\r\n" + b"x" * 2000 + b"\r\n")
            wire.expect(b"SERVER_ERROR object too large for cache\r\n")
        with kit.Wire(short) as wire:
            wire.send(bulk(b"SET", b"k", b"x" * 2000))
            wire.expect(b"-ERR Protocol error")
        with kit.Wire(limited) as wire:
            wire.ask(b"PING\r\nPING\r\n", b"+PONG\r\n-ERR too many requests: limit_requests of this pool is reached, try again "
                     b"later\r\n")
        with kit.Wire(named) as wire:
            wire.ask(b"AUTH u x\r\n", b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
        expected = {
            ("pool_limited_total", "limited"): 1,
            ("pool_login_failures_total", "named"): 1,
            ("pool_client_requests_total", "plain"): 6,
            ("pool_client_replies_total", "plain"): 6,
            ("pool_answered_here_total", "plain"): 1,
            ("pool_client_accepts_total", "plain"): 1,
            ("pool_denied_total", "secret"): 1,
            ("pool_client_replies_total", "secret"): 1,
            ("pool_oversized_total", "small"): 1,
            ("pool_oversized_total", "short"): 1,
            ("pool_request_duration_seconds_count", "plain"): 5,
        }
        wanted = {f'nuthatch_{row}{{pool="{pool}"}}': count for (row, pool), count in expected.items()}
        for row, count in {"requests_total": 5, "responses_total": 5, "error_replies_total": 1}.items():
            wanted[f'nuthatch_server_{row}{{pool="plain",server="local"}}'] = count
        for of, count in {"read": 3, "write": 1, "other": 1}.items():
            wanted[f'nuthatch_server_response_duration_seconds_count{{pool="plain",server="local",class="{of}"}}'] = count
        after = {}

        def found():
            after.update(metrics(admin))
            return {name: moved(before, after, name) for name in wanted}

        # A client may have its reply a moment before all of it is counted.
        kit.until(lambda: all(found()[name] >= count for name, count in wanted.items()), lambda: f"{wanted}, not {found()}")
        assert found() == wanted
        assert moved(before, after, "nuthatch_shard_turns_total") > 0
        # Rounds are counted ten times a second.
        until_moved(admin, before, "nuthatch_shard_rounds_total")
        until_moved(admin, before, "nuthatch_shard_round_events_total")
        assert not [name for name in after if "connections" in name and name.startswith("nuthatch_shard")]
        # A request of which only a part has come is memory.
        with kit.Wire(plain) as wire:
            wire.send(bulk(b"SET", b"k", b"x" * 50_000)[:-10])
            until_moved(admin, before, "nuthatch_shard_memory_bytes")
            until_moved(admin, before, "nuthatch_pool_memory_bytes", '{pool="plain"}')


def test_statsd_of_pools(tmp_path):
    """Counters as differences, gauges and latencies of pools and servers come to a receiver of UDP, in packets of the size set."""
    with contextlib.ExitStack() as cleanup:
        receiver = cleanup.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(kit.ANSWER_SECONDS)
        options = {"listen": f"127.0.0.1:{kit.free_port()}", "statsd_address": f"127.0.0.1:{receiver.getsockname()[1]}"}
        options |= {"statsd_prefix": "nut.%s", "statsd_interval": "1s", "statsd_udp_packet_size": 400}
        top = "[stats]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
        program = start(tmp_path, top=top, plain="")
        cleanup.callback(program.stop)
        lines = []

        def receive():
            packet = receiver.recv(1 << 16)
            assert len(packet) <= 400 and packet.endswith(b"\n"), packet
            lines.extend(re.fullmatch(r"nut\.[\w-]+\.(pool\..*):(-?\d+)\|([cg])", line).groups() for line in packet.decode().splitlines())

        def sum_of(key):
            return sum(int(value) for name, value, kind in lines if (name, kind) == (key, "c"))

        def has(key, kind):
            return any((name, type) == (key, kind) for name, _, type in lines)

        def came():
            receive()
            return sum_of("pool.plain.client_requests") >= 3 and has("pool.plain.server.local.ejected", "g")

        with kit.Wire(program.ports[1]) as wire:
            wire.ask(bulk(b"SET", b"k", b"v") + bulk(b"GET", b"k") * 2, b"+OK\r\n" + b"$1\r\nv\r\n" * 2)
            kit.until(came, "three requests")
            for key, kind in [("latency_us_p99", "g"), ("client_connections", "g"), ("server.local.requests", "c")]:
                assert has(f"pool.plain.{key}", kind), (key, lines)
            # A push without requests has their counters as nothing, and no latency.
            lines.clear()
            kit.until(lambda: receive() or has("pool.plain.client_requests", "c"), "another push")
        assert sum_of("pool.plain.client_requests") == 0, lines


def test_a_lack_of_descriptors_is_counted(tmp_path):
    before = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"]
    program = start(tmp_path, before, top="threads = 1", plain="")
    admin, port = program.ports
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(program.stop)
        counted = metrics(admin)
        wires = [cleanup.enter_context(kit.Wire(port)) for _ in range(DESCRIPTORS + 5)]
        wires[0].ask(b"PING\r\n", b"+PONG\r\n")
        kit.until(lambda: has_run_out(program), "a lack of descriptors")
        # /metrics needs a descriptor too.
        for wire in wires:
            wire.socket.close()
        until_moved(admin, counted, "nuthatch_shard_accept_pauses_total")


needs_promtool = pytest.mark.needs("promtool")


@pytest.fixture(scope="module")
def daemon():
    """A process with a pool, a queue, a topic and a channel; its admin port."""
    with kit.Stack() as stack:
        pool, admin, tcp, http = (kit.free_port() for _ in range(4))
        text = (
            f'[admin]\nlisten = "127.0.0.1:{admin}"\n[pool.p]\nlisten = "127.0.0.1:{pool}"\nservers = ["local"]\n'
            f'[queue]\ntcp = "127.0.0.1:{tcp}"\nhttp = "127.0.0.1:{http}"\ndata_path = "{stack.path}"\n'
        )
        kit.start_configured(stack, "metrics", text, [pool, admin, tcp, http])
        kit.fetch(http, "/topic/create?topic=t", "POST")
        kit.fetch(http, "/channel/create?topic=t&channel=c", "POST")
        kit.until(lambda: "nuthatch_channel_depth{" in kit.fetch(admin, "/metrics")[1], "the channel has its rows")
        yield admin


def promtool(*words, text=""):
    """What promtool finds."""
    done = subprocess.run(["promtool", *words], input=text, capture_output=True, text=True, timeout=kit.ANSWER_SECONDS)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return done.stderr.splitlines()


@needs_promtool
def test_promtool_finds_nothing(daemon):
    assert promtool("check", "metrics", text=kit.fetch(daemon, "/metrics")[1]) == []


def test_openmetrics_where_it_is_asked_for(daemon):
    accept = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3"}
    text = kit.fetch(daemon, "/metrics", headers=accept)[1]
    assert text.endswith("\n# EOF\n") and "# TYPE nuthatch_pool_client_requests counter\n" in text
    assert 'nuthatch_pool_client_requests_total{pool="p"} 0\n' in text
    plain = kit.fetch(daemon, "/metrics")[1]
    assert "# EOF" not in plain and "# TYPE nuthatch_pool_client_requests_total counter\n" in plain


CONTRIB = kit.ROOT / "contrib"
# They are there only when something happened.
AT_TIMES = {"nuthatch_certificate_expiry_time_seconds", "nuthatch_server_response_duration_seconds_bucket"}


@needs_promtool
def test_alert_rules():
    assert promtool("check", "rules", str(CONTRIB / "prometheus/alerts.yml")) == []


@pytest.mark.parametrize("path", ["prometheus/alerts.yml", "grafana/overview.json", "grafana/cache.json", "grafana/queue.json"])
def test_dashboards_and_alerts_name_metrics_that_there_are(daemon, path):
    text = (CONTRIB / path).read_text()
    there = {re.sub(r"[{ ].*", "", line) for line in kit.fetch(daemon, "/metrics")[1].splitlines() if not line.startswith("#")}
    named = {*re.findall(r"\b(?:nuthatch|process)_[a-z0-9_]+", text)} - AT_TIMES
    assert named and named <= there, named - there
    if path.endswith(".json"):
        panels = json.loads(text)["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels) > 4

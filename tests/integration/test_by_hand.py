"""Changes by hand while the process runs: servers ejected, drained and returned, weights, the level of the log; by HTTP and by command."""

import contextlib
import hashlib
import re
import subprocess
import urllib.parse

import pytest

import kit

redis = pytest.importorskip("redis")

# Keys in a row would be close together on the ring.
KEYS = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(300)]


class Scene:
    """A pool `p` over three redis-servers a, b and c, which is tried with keys whose places are known."""

    def __init__(self, stack):
        self.conf, self.log = stack.path / "nuthatch.toml", stack.path / "log"
        self.servers = {name: stack.keep(kit.start_redis(name, stack.path)) for name in "abc"}
        self.at = {name: redis.Redis(port=server.port) for name, server in self.servers.items()}
        self.port, self.admin = kit.free_port(), kit.free_port()
        self.write()
        self.program = stack.keep_proxy(
            kit.Program("nuthatch", [kit.BINARY, "run", "-c", self.conf], [self.port, self.admin], stack.path)
        )
        assert self.program.is_ready(), self.program.output()
        self.client = redis.Redis(port=self.port, single_connection_client=True)

    def write(self, more="", weights=(), level="info"):
        listed = [f"127.0.0.1:{server.port}:{dict(weights).get(name, 1)} {name}" for name, server in self.servers.items()]
        self.conf.write_text(
            f'threads = 2\n[log]\nfile = "{self.log}"\nlevel = "{level}"\n[admin]\nlisten = "127.0.0.1:{self.admin}"\n'
            f'[pool.p]\nlisten = "127.0.0.1:{self.port}"\nservers = {listed}\n{more}\n'
        )

    def reload(self):
        status, outcome = kit.fetch(self.admin, "/api/reload", "POST")
        assert status == 200 and outcome["ok"], outcome
        return outcome

    def ask(self, change, server, pool="p", **more):
        """A change by HTTP: status and outcome."""
        query = urllib.parse.urlencode({"pool": pool, "server": server, **more})
        return kit.fetch(self.admin, f"/api/server/{change}?{query}", "POST")

    def change(self, *words):
        done = self.command("server", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def command(self, *words):
        argv = [kit.BINARY, *words, "--address", f"127.0.0.1:{self.admin}"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=kit.ANSWER_SECONDS)

    def by_hand(self):
        """The overrides, which /metrics counts."""
        shown = lambda: kit.fetch(self.admin, "/api/status")[1]["configuration"]["by_hand"]
        counted = lambda: kit.fetch(self.admin, "/metrics")[1]
        # Both are of a sample that may be a second old.
        number = lambda: int(counted().split("\nnuthatch_config_by_hand ")[1].split("\n")[0])
        kit.until(lambda: len(shown()) == number(), "the same number twice")
        return shown()

    def shares(self):
        """Keys that each server has got, of those that are written now."""
        for store in self.at.values():
            store.flushall()
        for key in KEYS:
            self.client.set(key, 1)
        return {name: store.dbsize() for name, store in self.at.items()}

    def connections(self, name):
        """Connections of the proxy to a server; ours is one."""
        return len(self.at[name].client_list()) - 1


@pytest.fixture(scope="module")
def scene(stack):
    return Scene(stack)


pytestmark = pytest.mark.needs("redis-server")


def test_eject_and_return(scene):
    before = scene.shares()
    assert all(before.values()), before
    assert scene.change("eject", "p", "b") == "pool p: server b ejected\n"
    after = scene.shares()
    assert after["b"] == 0 and after["a"] > before["a"] and after["c"] > before["c"], (before, after)
    assert scene.connections("b") > 0, "its connections stay"
    assert scene.by_hand() == ["pool p: server b ejected"]
    # A server may count as slow for a moment.
    page = lambda: kit.fetch(scene.admin, "/")[1] + kit.fetch(scene.admin, "/pools/p")[1]
    for shown in ["changed by hand: pool p: server b ejected", "(up|slow); by hand: ejected<"]:
        kit.until(lambda: re.search(shown, page()), lambda: f"{shown} in\n{re.sub('<(style|script).*?</.*?>', '', page(), flags=re.S)}")
    metric = 'nuthatch_server_by_hand_info{pool="p",server="b",change="ejected"} 1\n'
    assert metric in kit.fetch(scene.admin, "/metrics")[1]
    servers = kit.fetch(scene.admin, "/api/status")[1]["pools"][0]["servers"]
    assert [server["by_hand"] for server in servers] == [None, "ejected", None]
    assert scene.change("return", "p", "b") == "pool p: server b returned\n"
    assert scene.shares() == before
    assert scene.by_hand() == []


def test_drain_and_return(scene):
    before = scene.shares()
    status, outcome = scene.ask("drain", "b")
    assert status == 200 and outcome["changes"] == ["pool p: server b drained"], outcome
    kit.until(lambda: scene.connections("b") == 0, "its connections to be closed")
    assert scene.shares()["b"] == 0 and scene.connections("b") == 0
    assert scene.by_hand() == ["pool p: server b drained"]
    scene.ask("return", "b")
    assert scene.shares() == before


def test_weight(scene):
    before = scene.shares()
    assert scene.change("weight", "p", "a", "5") == "pool p: server a weight 5\n"
    after = scene.shares()
    assert after["a"] > before["a"] * 1.4, (before, after)
    assert scene.by_hand() == ["pool p: server a weight 5 instead of 1"]
    assert scene.change("weight", "p", "a") == "pool p: server a weight as configured\n"
    assert scene.shares() == before


def test_overrides_outlast_a_reload_until_their_row_changes(scene):
    scene.change("eject", "p", "b")
    scene.change("weight", "p", "a", "5")
    shares = scene.shares()
    scene.write(more='timeout = "3s"')
    assert scene.reload()["warnings"] == []
    assert scene.shares() == shares
    scene.write(weights={"b": 2})
    warnings = scene.reload()["warnings"]
    assert warnings == ["no longer by hand: pool p: server b ejected"]
    assert scene.shares()["b"] > 0
    assert scene.by_hand() == ["pool p: server a weight 5 instead of 1"]
    scene.change("weight", "p", "a")
    scene.write()
    scene.reload()
    assert scene.by_hand() == []


def test_a_server_that_failed_returns_without_a_probe(scene, stack):
    scene.write(more='auto_eject_hosts = true\nserver_failure_limit = 1\nserver_retry_timeout = "1h"\ntimeout = "500ms"')
    scene.reload()
    scene.shares()
    dead = scene.servers["c"]
    stack.programs.remove(dead)
    dead.kill()

    def ejected():
        for key in KEYS:
            with contextlib.suppress(redis.RedisError):
                scene.client.set(key, 1)
        return "server ejected" in scene.log.read_text()

    kit.until(ejected, "the ejection")
    argv = dead.process.args
    scene.servers["c"] = stack.keep(kit.Program("c2", argv, [dead.port], stack.path))
    assert scene.servers["c"].is_ready(), scene.servers["c"].output()
    assert scene.shares()["c"] == 0, "it is out for an hour"
    assert scene.change("return", "p", "c") == "pool p: server c returned\n"
    kit.until(lambda: scene.shares()["c"] > 0, "its keys")


def test_the_last_server_of_a_pool(scene):
    scene.write()
    scene.reload()
    for name in "ab":
        scene.change("eject", "p", name)
    status, outcome = scene.ask("eject", "c")
    assert status == 200 and "no server is left in the ring" in outcome["warnings"][0], outcome
    with pytest.raises(redis.RedisError):
        scene.client.set("k", 1)
    for name in "abc":
        scene.change("return", "p", name)
    assert scene.by_hand() == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("server", "eject", "q", "a"), 'there is no pool "q"; the pools are: p'),
        (("server", "drain", "p", "z"), 'pool p has no server "z"; its servers are: a, b, c'),
        (("log-level", "loud"), 'there is no level "loud": debug, info, warn, error, fatal'),
    ],
)
def test_what_is_not_there(scene, words, error):
    done = scene.command(*words)
    assert done.returncode == 1 and error in done.stderr, done.stderr
    assert scene.by_hand() == []


def test_the_level_of_the_log(scene):
    assert scene.command("log-level", "debug").stdout == "log level debug\n"
    assert scene.by_hand() == ["log level debug instead of info"]
    scene.write(more='timeout = "4s"')
    scene.reload()
    assert scene.by_hand() == ["log level debug instead of info"]
    scene.write(level="warn")
    assert scene.reload()["warnings"] == ["no longer by hand: log level debug instead of info"]
    scene.change("eject", "p", "b")
    status, outcome = kit.fetch(scene.admin, "/api/log/level?level=info", "POST")
    scene.change("return", "p", "b")
    # Lines are written some time after they were logged, in their order.
    said = lambda: [line.split("by hand: ")[1] for line in scene.log.read_text().splitlines() if "by hand: " in line]
    kit.until(lambda: said()[-1].startswith("pool p: server b returned"), "the log of the last change")
    assert said()[-2].startswith("log level info"), "nothing below warn was logged before"
    assert "pool p: server b ejected" not in said()[-3], said()
    assert status == 200 and outcome["changes"] == ["log level info"]

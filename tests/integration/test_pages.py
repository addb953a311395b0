"""The pages in a browser: each is opened at the width of a phone and of a desk, light and dark, with and without a script, and
every action is done with a click. No error on the console, nothing against the policy, no serious finding of axe-core, nothing
wider than the screen.

With NUTHATCH_SCREENSHOTS=DIRECTORY each page is also drawn there, to be looked at."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import threading
import urllib.parse
from pathlib import Path

import kit
import pytest

pytest.importorskip("tornado")
from browser import AXE, CHROMIUM, Browser  # noqa: E402

redis = pytest.importorskip("redis")
import redis_cluster  # noqa: E402

pytestmark = [
    pytest.mark.needs("redis-server"),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed"),
]

DRAWN = os.environ.get("NUTHATCH_SCREENSHOTS")
SCREENS = [(360, False), (360, True), (1440, False), (1440, True)] + [(390, False), (390, True)] * bool(DRAWN)


class Consumer:
    """Takes messages and never finishes one."""

    def __init__(self, port, topic, channel, ready):
        self.socket = socket.create_connection(("127.0.0.1", port))
        identity = json.dumps({"client_id": "worker-1", "hostname": "worker-1", "user_agent": "test/1.0", "feature_negotiation": True, "msg_timeout": 900_000}).encode()
        self.socket.sendall(b"  V2IDENTIFY\n" + len(identity).to_bytes(4, "big") + identity + f"SUB {topic} {channel}\nRDY {ready}\n".encode())

        threading.Thread(target=self.answer, daemon=True).start()

    def answer(self):
        """Answers heartbeats until it is closed."""
        with contextlib.suppress(OSError):
            while received := self.socket.recv(1 << 16):
                if b"_heartbeat_" in received:
                    self.socket.sendall(b"NOP\n")

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Scene:
    """A process with all there is: a pool over three servers of which one has failed, a cache of its own, topics and channels
    with a consumer, and some traffic."""

    def __init__(self, stack):
        self.stack = stack
        self.servers = {name: stack.keep(kit.start_redis(name, stack.path)) for name in "abc"}
        self.pool, self.local, self.admin, self.tcp, self.http = (kit.free_port() for _ in range(5))
        listed = [f"127.0.0.1:{server.port}:1 {name}" for name, server in self.servers.items()]
        self.conf = stack.path / "nuthatch.toml"
        self.conf.write_text(
            f'threads = 1\n[admin]\nlisten = "127.0.0.1:{self.admin}"\n'
            f'[pool.sessions]\nlisten = "127.0.0.1:{self.pool}"\nservers = {json.dumps(listed)}\nauto_eject_hosts = true\n'
            f"server_failure_limit = 1\nserver_retry_timeout = 30000\nhot_keys = true\n"
            f'[pool.local]\nlisten = "127.0.0.1:{self.local}"\nservers = ["local"]\n'
            f'[queue]\ntcp = "127.0.0.1:{self.tcp}"\nhttp = "127.0.0.1:{self.http}"\ndata_path = "{stack.path / "data"}"\n'
        )
        ports = [self.pool, self.local, self.admin, self.tcp, self.http]
        self.program = kit.Program("nuthatch", [kit.BINARY, "run", "-c", self.conf], ports, stack.path)
        assert self.program.is_ready(), self.program.output()
        stack.keep_proxy(self.program)
        self.traffic(200)
        self.fail("c")
        for topic, channel in [("orders", "billing"), ("orders", "mail"), ("clicks", "archive")]:
            self.tell(f"/topic/create?topic={topic}")
            self.tell(f"/channel/create?topic={topic}&channel={channel}")
        self.tell("/mpub?topic=orders", "\n".join(f'{{"order":{n},"total":{n * 7}.50}}' for n in range(1, 31)))
        self.tell("/channel/pause?topic=clicks&channel=archive")
        self.tell("/mpub?topic=clicks", "a\nb")
        self.consumer = Consumer(self.tcp, "orders", "billing", ready=5)
        stack.callback(self.consumer.close)

    def traffic(self, count):
        with contextlib.closing(redis.Redis(port=self.pool)) as client:
            for number in range(count):
                with contextlib.suppress(redis.RedisError):
                    client.set(f"session:{number}", "x" * number)
                    client.get(f"session:{number}")

    def fail(self, name):
        server = self.servers[name]
        server.kill()
        server.stop = lambda: 0
        self.stack.programs.remove(server)

        def ejected():
            self.traffic(100)
            pools = kit.fetch(self.admin, "/api/status")[1]["pools"]
            return any(server["state"] == "ejected" for pool in pools for server in pool["servers"])

        kit.until(ejected, f"server {name} is ejected")

    def tell(self, path, body=""):
        status, text = kit.fetch(self.http, path, "POST", body)
        assert status == 200, (path, text)

    def channel(self, topic, channel):
        stats = kit.fetch(self.http, f"/stats?format=json&topic={topic}&channel={channel}")[1]
        return stats["topics"][0]["channels"][0]

    def page(self, path):
        return kit.fetch(self.admin, path)[1]

    def url(self, path):
        return f"http://127.0.0.1:{self.admin}{path}"


@pytest.fixture(scope="module")
def scene(stack):
    return Scene(stack)


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


def look(browser, url, name, screens=SCREENS):
    """Opens a page on every screen and finds no fault."""
    for width, dark in screens:
        browser.screen(width, dark=dark)
        browser.open(url)
        beyond = browser.width_beyond()
        assert beyond <= 0, f"{name} is {beyond} pixels wider than a screen of {width}"
        if (width, dark) in ((360, False), (1440, True)):
            assert (found := browser.axe()) == [], f"{name}, {width} pixels, {'dark' if dark else 'light'}: {found}"
        assert browser.faults == [], f"{name}: {browser.faults}"
        if DRAWN and width != 360:
            browser.screenshot(Path(DRAWN) / f"{name}-{width}-{'dark' if dark else 'light'}.png")


PAGES = {
    "overview": "/",
    "pools": "/pools",
    "pool": "/pools/sessions",
    "server": "/pools/sessions/a",
    "server-ejected": "/pools/sessions/c",
    "slowlog": "/slowlog/sessions",
    "keys": "/keys/sessions",
    "topics": "/topics",
    "topic": "/topics/orders",
    "channel": "/topics/orders/billing",
    "channel-lonely": "/topics/orders/mail",
    "messages": "/messages/orders/mail",
    "settings": "/settings/orders",
    "counter": "/counter",
    "events": "/events",
    "configuration": "/configuration",
    "runbook": "/runbook",
}


@pytest.mark.parametrize("name", PAGES)
def test_page(scene, browser, name):
    look(browser, scene.url(PAGES[name]), name)


@pytest.mark.parametrize("name", PAGES)
def test_page_without_a_script(scene, browser, name):
    """Everything can be read where scripts are off."""
    browser.screen(1440)
    browser.scripts(False)
    try:
        browser.open(scene.url(PAGES[name]))
    finally:
        browser.scripts(True)
    assert browser.text().strip() and browser.faults == []


def test_pages_refresh_themselves(scene, browser):
    """What changes is seen without a click; the scroll position and an open fold stay."""
    browser.screen(1440)
    browser.open(scene.url("/pools/sessions/a"))
    before = browser.run("document.getElementById('traffic').innerText")
    scene.traffic(50)
    kit.until(lambda: browser.run("document.getElementById('traffic').innerText") != before, "the page shows the traffic")
    assert browser.faults == []


def test_actions_on_a_server(scene, browser):
    browser.screen(1440)
    browser.open(scene.url("/pools/sessions/a"))
    for words, fields, said in [
        ("Eject", {}, "Ejected:"),
        ("Return", {}, "Returned:"),
        ("Drain", {}, "Draining:"),
        ("Return", {}, "Returned:"),
        ("Set the weight", {"weight": "3"}, "weight is set"),
        ("Set the weight", {"weight": ""}, "weight is set"),
    ]:
        browser.submit(words, **fields)
        assert said in browser.text(), browser.text()
        assert browser.faults == []
    kit.until(lambda: "sessions" in scene.page("/events"), "events name the pool")


def do(browser, url, words, said, **fields):
    """Opens a page, does what the button with these words does, and finds it said."""
    browser.open(url)
    browser.submit(words, **fields)
    assert said in browser.text(), browser.text()
    assert browser.faults == []


def test_actions_on_topics_and_channels(scene, browser):
    browser.screen(1440)
    topics = scene.url("/topics")
    do(browser, topics, "Create", "Created.", topic="made", channel="first")
    topic, channel = scene.url("/topics/made"), scene.url("/topics/made/first")
    do(browser, topic, "Add a channel", "Created.", channel="second")
    do(browser, topic, "Publish a message", "Published.", body="<b>hello</b> & more")
    do(browser, topic, "Publish a message", "Published.", body="later", defer_ms="3600000")
    assert (scene.channel("made", "first")["depth"], scene.channel("made", "second")["deferred_count"]) == (1, 1)
    browser.open(scene.url("/messages/made/first"))
    assert "<b>hello</b> & more" in browser.text() and browser.faults == []
    browser.open(scene.url("/messages/made/first?what=deferred"))
    assert "later" in browser.text()
    do(browser, channel, "Pause", "Paused.")
    assert scene.channel("made", "first")["paused"]
    do(browser, channel, "Unpause", "Unpaused.")
    do(browser, topic, "Pause", "Paused.")
    do(browser, topic, "Unpause", "Unpaused.")
    browser.open(channel)
    assert "Discards 2 waiting messages" in browser.run("document.querySelector('main').textContent")
    do(browser, channel, "Move", "Moved.", to="end")
    do(browser, topic, "Publish a message", "Published.", body="again")
    do(browser, channel, "Empty", "Emptied.")
    assert scene.channel("made", "first")["depth"] == 0
    do(browser, channel, "Bring back dead letters", "Dead letters are back", count="")
    do(browser, channel, "Bring back dead letters", "Dead letters are back", since="2026-01-31T12:00:00Z", until="2026-01-31T13:00:00+00:00")
    do(browser, scene.url("/settings/made"), "Save", "Saved.", ttl_seconds="60", at_limit="drop-oldest", bytes_max="1000000")
    do(browser, scene.url("/settings/made/first"), "Save", "Saved.", max_attempts="5")
    settings = kit.fetch(scene.http, "/topic/settings?topic=made")[1]
    assert (settings["ttl_seconds"], settings["at_limit"], settings["bytes_max"]) == (60, "drop-oldest", 1000000)
    assert kit.fetch(scene.http, "/channel/settings?topic=made&channel=first")[1]["max_attempts"] == 5
    browser.open(scene.url("/settings/made"))
    assert browser.run("document.querySelector('[name=at_limit]').value") == "drop-oldest"
    do(browser, channel, "Delete", "Deleted.")
    do(browser, topic, "Empty", "Emptied.")
    do(browser, topic, "Delete", "Deleted.")
    kit.until(lambda: "delete topic" in scene.page("/events"), "events have the change")
    assert "made" not in [topic["topic_name"] for topic in kit.fetch(scene.http, "/stats?format=json")[1]["topics"]]


def test_dead_letters_of_a_time_come_back(scene, browser):
    """Three clicks from the overview: topics, the channel's topic, the channel; and its form."""
    for path in ["/topic/create?topic=dies", "/channel/create?topic=dies&channel=c"]:
        scene.tell(path)
    kit.fetch(scene.http, "/channel/settings?topic=dies&channel=c", "PUT", '{"max_attempts":1}')
    scene.tell("/mpub?topic=dies", "a\nb")
    consumer = Consumer(scene.tcp, "dies", "c", ready=2)
    kit.until(lambda: scene.channel("dies", "c")["in_flight_count"] == 2, "they are delivered")
    consumer.close()

    def dead():
        return kit.fetch(scene.http, "/channel/peek?topic=dies&channel=c&what=dead")[1]["messages"]

    kit.until(lambda: len(dead()) == 2, "they are dead")
    browser.screen(1440)
    channel = scene.url("/topics/dies/c")
    do(browser, channel, "Bring back dead letters", "Dead letters are back", until="2020-01-01T00:00:00Z")
    assert scene.channel("dies", "c")["depth"] == 0 and len(dead()) == 2
    do(browser, channel, "Bring back dead letters", "Dead letters are back", since="2020-01-01T00:00:00Z")
    assert scene.channel("dies", "c")["depth"] == 2 and dead() == []
    scene.tell("/topic/delete?topic=dies")


def test_dead_letters_of_an_hour_come_back_in_three_clicks(scene, browser):
    """Overview, Topics, the topic, its channel; there they are looked at, and those of the last hour come back."""
    for path in ["/topic/create?topic=hourly", "/channel/create?topic=hourly&channel=mail"]:
        scene.tell(path)
    kit.fetch(scene.http, "/channel/settings?topic=hourly&channel=mail", "PUT", '{"max_attempts":1}')
    scene.tell("/mpub?topic=hourly", "a\nb\nc")
    consumer = Consumer(scene.tcp, "hourly", "mail", ready=3)
    kit.until(lambda: scene.channel("hourly", "mail")["in_flight_count"] == 3, "they are delivered")
    consumer.close()
    dead = lambda: kit.fetch(scene.http, "/channel/peek?topic=hourly&channel=mail&what=dead")[1]["messages"]
    kit.until(lambda: len(dead()) == 3, "they are dead")
    kit.until(lambda: "hourly" in scene.page("/topics"), "the topic is listed")
    browser.screen(1440)
    browser.open(scene.url("/"))
    browser.click("nav a", "Topics")
    browser.click("main a", "hourly")
    browser.click("#channels a", "mail")
    assert "3 dead letters" in browser.run("document.getElementById('state').innerText")
    browser.submit("Bring back dead letters", last_hour=True)
    assert "Dead letters are back" in browser.text() and browser.faults == []
    assert scene.channel("hourly", "mail")["depth"] == 3 and dead() == []
    scene.tell("/topic/delete?topic=hourly")


def test_a_consumer_that_never_finishes_is_found_in_three_clicks(scene, browser):
    """Overview, Topics, the topic, its channel: the consumer is marked, and how long it holds a message is said."""
    for path in ["/topic/create?topic=stuck", "/channel/create?topic=stuck&channel=slow"]:
        scene.tell(path)
    scene.tell("/mpub?topic=stuck", "a\nb")
    consumer = Consumer(scene.tcp, "stuck", "slow", ready=2)
    try:
        kit.until(lambda: scene.channel("stuck", "slow")["in_flight_count"] == 2, "it has messages")
        kit.until(lambda: "stuck" in scene.page("/topics"), "the topic is listed")
        browser.screen(1440)
        browser.open(scene.url("/"))
        browser.click("nav a", "Topics")
        browser.click("main a", "stuck")
        browser.click("#channels a", "slow")
        row = browser.run("document.querySelector('#consumers tbody tr').innerText")
        assert "worker-1" in row and "takes and never finishes" in row and " s" in row, row
        assert browser.faults == []
    finally:
        consumer.close()
        scene.tell("/topic/delete?topic=stuck")
    assert "nobody consumes" in scene.page("/topics/orders")


BUSY = "local now = function() local t = redis.call('TIME') return t[1] * 1e6 + t[2] end local ends = now() + 30000 repeat until now() > ends"


def test_the_slow_server_is_found_in_three_clicks(scene, browser):
    """Overview, its trouble: the response time stands apart from the queue time; and the slow log has the requests."""

    def is_slow():
        with contextlib.closing(redis.Redis(port=scene.servers["b"].port)) as direct:
            busy = threading.Thread(target=lambda: [direct.eval(BUSY, 0) for _ in range(20)])
            busy.start()
            while busy.is_alive():
                scene.traffic(20)
        pools = kit.fetch(scene.admin, "/api/status")[1]["pools"]
        return any(server["slow"] for pool in pools for server in pool["servers"] if server["name"] == "b")

    kit.until(is_slow, "b is slow")
    browser.screen(1440)
    browser.open(scene.url("/"))
    browser.click("main a", "server b")
    assert browser.run("location.pathname") == "/pools/sessions/b", browser.run("location.href")
    assert "slow" in browser.run("document.getElementById('state').innerText")
    times = browser.run("document.getElementById('latency').innerText")
    assert "queue" in times and "server, read" in times, times
    browser.open(scene.url("/pools/sessions"))
    browser.click("main a", "Slow log")
    rows = browser.run("[...document.querySelectorAll('#slowlog tbody tr')].map((it) => it.innerText)")
    assert any("session:" in row for row in rows), rows
    with contextlib.closing(redis.Redis(port=scene.pool)) as client:
        entries = client.slowlog_get(5)
        assert entries and entries[0]["duration"] >= 10_000 and b"session:" in entries[0]["command"], entries
        assert client.slowlog_len() >= len(entries) and client.slowlog_reset() and client.slowlog_len() == 0
    assert browser.faults == []


def test_who_publishes_too_much_is_found_in_three_clicks(scene, browser):
    """Overview, Topics, topic: the busiest publishers with their addresses, over TCP and over HTTP."""
    publishers = {name: socket.create_connection(("127.0.0.1", scene.tcp)) for name in ("quiet", "loud")}
    try:
        for name, publisher in publishers.items():
            identity = json.dumps({"client_id": name, "hostname": name, "user_agent": "test/1.0"}).encode()
            publisher.sendall(b"  V2IDENTIFY\n" + len(identity).to_bytes(4, "big") + identity)
            for _ in range(200 if name == "loud" else 1):
                publisher.sendall(b"PUB flood\n\0\0\0\1x")
        kit.fetch(scene.http, "/mpub?topic=flood", "POST", "a\nb\nc", {"User-Agent": "cron/1.0"})
        kit.until(lambda: ">loud" in scene.page("/topics/flood") and ">quiet" in scene.page("/topics/flood"), "both are known")
        kit.until(lambda: "flood" in scene.page("/topics"), "the topic is listed")
        browser.screen(1440)
        browser.open(scene.url("/"))
        browser.click("nav a", "Topics")
        browser.click("main a", "flood")
        rows = browser.run("[...document.querySelectorAll('#publishers tbody tr')].map((it) => it.innerText)")
        assert "loud" in rows[0] and "200" in rows[0] and any("quiet" in row for row in rows), rows
        assert any("127.0.0.1 HTTP" in row and "cron/1.0" in row and "\t3\t" in row for row in rows), rows
        assert browser.faults == []
    finally:
        for publisher in publishers.values():
            publisher.close()
        kit.fetch(scene.http, "/topic/delete?topic=flood", "POST")


def test_why_a_hit_rate_fell_is_found_in_three_clicks(scene, browser):
    """Overview, pool: the hit rate, an hour of it, and beside it the ejection that moved the keys; then hot keys."""
    with contextlib.closing(redis.Redis(port=scene.pool)) as client:
        for number in range(400):
            with contextlib.suppress(redis.RedisError):
                client.get("hot" if number % 2 else f"missing:{number}")
    status = lambda: next(pool for pool in kit.fetch(scene.admin, "/api/status")[1]["pools"] if pool["name"] == "sessions")
    kit.until(lambda: status()["hit_percent"] is not None, "reads were counted")
    browser.screen(1440)
    browser.open(scene.url("/"))
    browser.click("#pools a", "sessions")
    assert "Hit rate" in browser.run("document.getElementById('charts').innerText")
    lately = browser.run("document.getElementById('events').innerText")
    assert "server c" in lately and "eject" in lately, lately

    def is_hot():
        with contextlib.closing(redis.Redis(port=scene.pool)) as client:
            for _ in range(200):
                client.get("hot")
        return kit.fetch(scene.admin, "/api/keys/sessions")[1]["keys"][:1] and "hot" in scene.page("/keys/sessions").split("</thead>")[1]

    kit.until(is_hot, "the hot key is seen")
    browser.click("main a", "Hot keys")
    assert "hot" in browser.run("document.getElementById('keys').innerText")
    assert browser.faults == []


def test_what_another_site_may_not(scene):
    """Changes only by POST, and not for pages of other sites or under a foreign name; nor are pages shown to such."""
    form = "change=empty&topic=orders&channel=mail"
    own = f"127.0.0.1:{scene.admin}"
    browser = {"Accept-Language": "en", "Content-Type": "application/x-www-form-urlencoded"}
    before = scene.channel("orders", "mail")["depth"]
    for path, body in [("/action", form), ("/change", "change=reload"), ("/api/reload", "")]:
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": f"http://{own}"},
            {"Host": "evil.example", "Origin": "http://evil.example"},
            {"X-Forwarded-For": "10.0.0.1"},
        ):
            assert kit.fetch(scene.admin, path, "POST", body, {**browser, **headers})[0] == 403, (path, headers)
        assert kit.fetch(scene.admin, path)[0] in (404, 405), path
    assert scene.channel("orders", "mail")["depth"] == before
    rebound = {**browser, "Host": "evil.example"}
    for port, path in [(scene.admin, "/"), (scene.admin, "/topics"), (scene.admin, "/metrics"), (scene.http, "/stats")]:
        assert kit.fetch(port, path, headers=rebound)[0] == 403, path
        assert kit.fetch(port, path, headers={**browser, "Host": own})[0] == 200, path
        assert kit.fetch(port, path, headers={"Host": "nuthatch.example.com"})[0] == 200, "a scraper under our own name"


def test_configuration(scene, browser):
    """The difference between file and process is shown before a reload, which then takes it away."""
    browser.screen(1440)
    text = scene.conf.read_text()
    browser.open(scene.url("/configuration"))
    scene.conf.write_text(text.replace("server_retry_timeout = 30000", "server_retry_timeout = 31000"))
    kit.until(lambda: "31s" in scene.page("/configuration"), "the difference is shown")
    browser.open(scene.url("/configuration"))
    browser.submit("Reload")
    assert "The configuration is in force." in browser.text()
    browser.submit("Set the log level", level="debug")
    assert "The log level is set." in browser.text()
    browser.submit("Set the log level", level="info")
    assert browser.faults == []
    scene.conf.write_text(text.replace("threads", "no_such_option"))
    browser.open(scene.url("/configuration"))
    browser.call("Page.enable")
    browser.submit("Reload")
    assert "Nothing was changed" in browser.text()
    scene.conf.write_text(text)
    assert kit.fetch(scene.admin, "/api/reload", "POST")[0] == 200


class Topologies:
    """A pool over a Redis Cluster, one of whose masters has failed, and one whose master two Sentinels name, of which one is silent;
    both read from replicas."""

    def __init__(self, stack):
        stack_path = stack.path / "topologies"
        stack_path.mkdir()
        self.cluster = redis_cluster.Cluster(stack, "topologies/cluster")
        master = stack.keep(kit.start_redis("watched", stack_path, "--repl-diskless-sync-delay", "0"))
        stack.keep(kit.start_redis("follows", stack_path, "--replicaof", "127.0.0.1", str(master.port)))
        sentinel = self.start_sentinel(stack, stack_path, master.port)
        self.pools = [kit.free_port(), kit.free_port()]
        self.admin = kit.free_port()
        seeds = [f"127.0.0.1:{node.port}" for node in self.cluster.nodes[:3]]
        conf = stack_path / "nuthatch.toml"
        conf.write_text(
            f'threads = 1\n[admin]\nlisten = "127.0.0.1:{self.admin}"\n'
            f'[pool.slots]\nlisten = "127.0.0.1:{self.pools[0]}"\ntopology = "cluster"\nservers = {json.dumps(seeds)}\nread_from = "prefer_replica"\n'
            f'[pool.watched]\nlisten = "127.0.0.1:{self.pools[1]}"\ntopology = "sentinel"\nmasters = ["m"]\nread_from = "prefer_replica"\n'
            f'sentinels = ["127.0.0.1:{sentinel.port}", "127.0.0.1:{kit.free_port()}"]\n'
        )
        self.program = kit.Program("topologies", [kit.BINARY, "run", "-c", conf], [*self.pools, self.admin], stack_path)
        assert self.program.is_ready(), self.program.output()
        stack.keep_proxy(self.program)
        for port in self.pools:
            kit.until(lambda: self.use(port), "the pool answers")

    @staticmethod
    def start_sentinel(stack, path, master):
        conf = path / "sentinel.conf"

        def argv(own):
            conf.write_text(f"port {own}\nbind 127.0.0.1\ndir {path}\nsentinel monitor m 127.0.0.1 {master} 1\n")
            return ["redis-server", conf, "--sentinel"]

        return stack.keep(kit.start("sentinel", 1, argv, path))

    @staticmethod
    def use(port):
        """Some traffic; true if all of it succeeds."""
        with contextlib.closing(redis.Redis(port=port, socket_timeout=5)) as client, contextlib.suppress(redis.RedisError):
            return all(client.set(f"key:{number}", "x") and client.get(f"key:{number}") for number in range(200))

    def url(self, path):
        return f"http://127.0.0.1:{self.admin}{path}"


def test_pages_of_topologies(stack, browser):
    """A cluster with a failed master, and Sentinels of which one is silent, on every screen."""
    scene = Topologies(stack)
    look(browser, scene.url("/pools/slots"), "pool-cluster")
    look(browser, scene.url("/pools/watched"), "pool-sentinels")
    scene.cluster.nodes[1].program.kill()
    kit.until(lambda: (scene.use(scene.pools[0]), "badge critical" in kit.fetch(scene.admin, "/pools/slots")[1])[1], "the failed node is shown")
    look(browser, scene.url("/pools/slots"), "pool-cluster-failed")
    look(browser, scene.url("/"), "overview-topologies")
    browser.screen(1440)
    browser.open(scene.url("/pools/watched"))
    sentinels = browser.run("document.getElementById('topology').innerText")
    assert "answers" in sentinels and "silent" in sentinels and "1 of 2 answer" in sentinels, sentinels
    assert browser.faults == []


class Fleet:
    """A lookup, two queues and an nsqadmin."""

    def __init__(self, stack):
        path = stack.path
        self.lookup = stack.keep_proxy(kit.start_nsqlookupd(path))
        peer = f"--lookupd-tcp-address=127.0.0.1:{self.lookup.ports[0]}"
        self.queues = [
            stack.keep_proxy(kit.start_nsqd(path, "--broadcast-address=127.0.0.1", peer, name=f"queue{number}")) for number in range(2)
        ]
        source = f"--lookupd-http-address=127.0.0.1:{self.lookup.ports[1]}"
        self.admin = stack.keep_proxy(kit.start_nsqadmin(path, source, "--http-client-request-timeout=1s"))
        for queue in self.queues:
            kit.fetch(queue.ports[1], "/topic/create?topic=orders", "POST")
            kit.fetch(queue.ports[1], "/channel/create?topic=orders&channel=billing", "POST")
            kit.fetch(queue.ports[1], "/mpub?topic=orders", "POST", "a\nb\nc")
        lookup = self.lookup.ports[1]
        kit.until(lambda: len(kit.fetch(lookup, "/lookup?topic=orders")[1].get("producers", [])) == 2, "the lookup knows both")
        kit.fetch(lookup, "/topic/create?topic=idle", "POST")

    def url(self, path):
        return f"http://127.0.0.1:{self.admin.port}{path}"

    def node(self, number):
        return f"127.0.0.1:{self.queues[number].ports[1]}"

    def channels(self):
        """The channel on each queue."""
        path = "/stats?format=json&topic=orders&channel=billing"
        return [kit.fetch(queue.ports[1], path)[1]["topics"][0]["channels"][0] for queue in self.queues]


@pytest.fixture(scope="module")
def fleet(stack):
    return Fleet(stack)


def drawn_sparks(browser):
    """Number of pools whose last hour is drawn in the list."""
    return browser.run("document.querySelectorAll('#pools tbody svg.spark path.line').length")


def test_pages_of_a_fleet(fleet, browser):
    pages = {
        "topics": "/",
        "topic": "/topics/orders",
        "channel": "/topics/orders/billing",
        "nodes": "/nodes",
        "node": f"/nodes/{fleet.node(0)}",
        "counter": "/counter",
        "lookup": "/lookup",
        "messages": "/messages/orders/billing",
    }
    for name, path in pages.items():
        look(browser, fleet.url(path), f"fleet-{name}", [(360, False), (1440, True)] + [(390, True), (1440, False)] * bool(DRAWN))
    browser.open(fleet.url("/lookup"))
    assert "idle" in browser.text()


def test_actions_over_a_fleet(fleet, browser):
    """Each reaches every queue; what one did not take is shown by daemon."""
    browser.screen(1440)
    channel = fleet.url("/topics/orders/billing")
    do(browser, channel, "Pause", "Paused.")
    assert [found["paused"] for found in fleet.channels()] == [True, True]
    do(browser, channel, "Unpause", "Unpaused.")
    do(browser, fleet.url("/settings/orders/billing"), "Save", "Saved.", max_attempts="4")
    settings = [kit.fetch(queue.ports[1], "/channel/settings?topic=orders&channel=billing")[1] for queue in fleet.queues]
    assert [one["max_attempts"] for one in settings] == [4, 4]
    browser.open(channel)
    assert "Discards 6 waiting messages" in browser.run("document.querySelector('main').textContent")
    do(browser, channel, "Empty", "Emptied.")
    assert [found["depth"] for found in fleet.channels()] == [0, 0]
    do(browser, fleet.url("/topics/orders"), "Publish a message", "Published.", body="one")
    do(browser, fleet.url("/topics"), "Create", "Created.", topic="made", channel="c")
    do(browser, fleet.url("/lookup"), "Delete", "Deleted.")
    browser.open(channel)
    fleet.queues[1].signal(signal.SIGSTOP)
    try:
        browser.submit("Pause")
    finally:
        fleet.queues[1].signal(signal.SIGCONT)
    text = browser.text()
    assert "Not everybody took it" in text and "failed" in text and "done" in text and fleet.node(1) in text, text
    assert browser.faults == []
    do(browser, fleet.url(f"/nodes/{fleet.node(1)}"), "Tombstone", "Tombstoned.")
    kit.until(lambda: len(kit.fetch(fleet.lookup.ports[1], "/lookup?topic=orders")[1]["producers"]) == 1, "one is hidden")


def test_pools_of_a_fleet(stack, browser):
    """The nuthatches of a fleet show their pools beside their topics, on the same pages; a plain nsqd has none, and one that does
    not answer is named."""
    path = stack.path / "pools"
    path.mkdir()
    lookup = stack.keep_proxy(kit.start_nsqlookupd(path))
    server = stack.keep(kit.start_redis("fleet-a", path))
    gone = kit.free_port()

    def node(name):
        pool = kit.free_port()

        def argv(tcp, http):
            conf = path / f"{name}.toml"
            listed = json.dumps([f"127.0.0.1:{server.port}:1 a", f"127.0.0.1:{gone}:1 b"])
            conf.write_text(
                f'threads = 1\n[pool.{name}-cache]\nlisten = "127.0.0.1:{pool}"\nservers = {listed}\nauto_eject_hosts = true\n'
                f'server_failure_limit = 1\n[queue]\ntcp = "127.0.0.1:{tcp}"\nhttp = "127.0.0.1:{http}"\ndata_path = "{path / name}"\n'
                f'broadcast_address = "127.0.0.1"\nnsqlookupd_tcp_addresses = ["127.0.0.1:{lookup.ports[0]}"]\n'
            )
            return [kit.BINARY, "run", "-c", conf]

        return stack.keep_proxy(kit.start(name, 2, argv, path)), pool

    (one, pool), (two, _) = node("one"), node("two")
    stack.keep_proxy(kit.start_nsqd(path, "--broadcast-address=127.0.0.1", f"--lookupd-tcp-address=127.0.0.1:{lookup.ports[0]}", name="plain"))
    source = f"--lookupd-http-address=127.0.0.1:{lookup.ports[1]}"
    admin = stack.keep_proxy(kit.start_nsqadmin(path, source, "--http-client-request-timeout=1s"))
    kit.until(lambda: len(kit.fetch(lookup.ports[1], "/nodes")[1]["producers"]) == 3, "all are registered")

    def ejected():
        with contextlib.closing(redis.Redis(port=pool)) as client:
            for number in range(20):
                with contextlib.suppress(redis.RedisError):
                    client.set(f"key:{number}", "x")
        return kit.fetch(one.ports[1], "/pools")[1]["pools"][0]["state"] == "degraded"

    kit.until(ejected, "a server is ejected")
    url = lambda path: f"http://127.0.0.1:{admin.port}{path}"
    address = f"127.0.0.1:{one.ports[1]}"
    for name, page in [
        ("pools", "/pools"),
        ("pool", f"/pools/{address}/one-cache"),
        ("pool-server", f"/pools/{address}/one-cache/b"),
        ("node-pools", f"/nodes/{address}"),
    ]:
        look(browser, url(page), f"fleet-{name}", [(360, False), (1440, True)] + [(390, True), (1440, False)] * bool(DRAWN))
    browser.screen(1440)
    browser.open(url("/"))
    browser.click("nav a", "Pools")
    kit.until(lambda: (browser.open(url("/pools")), drawn_sparks(browser))[1], "the last hour has begun")
    rows = browser.run("[...document.querySelectorAll('#pools tbody tr')].map((it) => it.innerText)")
    assert len(rows) == 2 and any("one-cache" in row and "degraded" in row and "1 of 2" in row for row in rows), rows
    browser.open(url("/pools?q=two&sort=requests&order=desc"))
    assert browser.run("document.querySelectorAll('#pools tbody tr').length") == 1
    browser.open(url("/pools"))
    browser.click("main a", "one-cache")
    assert "ejected" in browser.run("document.getElementById('servers').innerText")
    browser.click("#servers a", "b")
    assert "ejected since" in browser.text() and browser.faults == []
    browser.open(url(f"/nodes/127.0.0.1:{gone}"))
    assert "Nobody knows this node" in browser.text(), "no other host is asked"
    two.signal(signal.SIGSTOP)
    try:
        page = kit.until(lambda: "WARNING" in (page := kit.fetch(admin.port, "/pools")[1]) and page, "one is missed")
    finally:
        two.signal(signal.SIGCONT)
    assert "one-cache" in page and "two-cache" not in page
    assert f"pools of 127.0.0.1:{two.ports[1]}" in page, "who did not answer is named"


class Proxies:
    """A nuthatch with a queue and two without, with the same pool over the same servers; and an nsqadmin that knows the admin ports
    of all of them, and the queue of the first."""

    def __init__(self, stack):
        path = stack.path / "proxies"
        path.mkdir()
        self.servers = {name: stack.keep(kit.start_redis(f"proxied-{name}", path)) for name in "ab"}
        listed = json.dumps([f"127.0.0.1:{server.port}:1 {name}" for name, server in self.servers.items()])
        self.programs = {}
        for name in ("one", "two", "three"):

            def argv(pool, admin, tcp=0, http=0, name=name):
                conf = path / f"{name}.toml"
                queue = f'[queue]\ntcp = "127.0.0.1:{tcp}"\nhttp = "127.0.0.1:{http}"\ndata_path = "{path / name}"\nbroadcast_address = "127.0.0.1"\n'
                conf.write_text(
                    f'threads = 1\n[admin]\nlisten = "127.0.0.1:{admin}"\n[pool.cache]\nlisten = "127.0.0.1:{pool}"\nservers = {listed}\n'
                    f'hot_keys = true\nslowlog_threshold = "1ms"\nserver_retry_timeout = 31000\n' + (queue if name == "one" else "")
                )
                return [kit.BINARY, "run", "-c", conf]

            self.programs[name] = stack.keep_proxy(kit.start(name, 4, argv, path) if name == "one" else kit.start(name, 2, argv, path))
        self.admins = {name: program.ports[1] for name, program in self.programs.items()}
        self.queue = f"127.0.0.1:{self.programs['one'].ports[3]}"
        listed = ",".join(f"127.0.0.1:{port}" for port in self.admins.values())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NUTHATCH_FLEET_ADMINS", listed)
            self.admin = stack.keep_proxy(
                kit.start_nsqadmin(path, f"--nsqd-http-address={self.queue}", "--http-client-request-timeout=1s", name="admin-of-proxies")
            )

    def url(self, path):
        return f"http://127.0.0.1:{self.admin.port}{path}"

    def node(self, name):
        return self.queue if name == "one" else f"127.0.0.1:{self.admins[name]}"

    def by_hand(self, server="b"):
        """What was done to the server by hand at each node."""
        pools = [kit.fetch(port, "/api/status")[1]["pools"][0] for port in self.admins.values()]
        return [found["by_hand"] for pool in pools for found in pool["servers"] if found["name"] == server]

    def use(self, name):
        """Some traffic, while a server is busy: a part of it is slow."""
        with contextlib.closing(redis.Redis(port=self.programs[name].ports[0])) as client:
            with contextlib.closing(redis.Redis(port=self.servers["a"].port)) as direct:
                busy = threading.Thread(target=direct.eval, args=(BUSY, 0))
                busy.start()
                while busy.is_alive():
                    client.mget([f"key:{number}" for number in range(20)])
            for number in range(200):
                client.set(f"key:{number % 7}", "x" * 5000)
                client.get("key:1")


@pytest.fixture(scope="module")
def proxies(stack):
    return Proxies(stack)


def test_a_process_is_in_the_fleet_once(proxies, browser):
    """With a queue or without; one whose queue and admin port are both known is listed once, by its queue."""
    browser.screen(1440)
    browser.open(proxies.url("/pools"))
    rows = browser.run("[...document.querySelectorAll('#pools tbody tr td:first-child')].map((it) => it.innerText.split(' ')[0])")
    assert sorted(rows) == sorted(proxies.node(name) for name in proxies.admins), rows
    browser.open(proxies.url("/nodes"))
    alone = browser.run("document.getElementById('proxies').innerText")
    assert proxies.node("two") in alone and proxies.node("one") not in alone, alone
    browser.click("#proxies a", proxies.node("two"))
    assert "without a queue" in browser.text() and "cache" in browser.text() and browser.faults == []


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_pool_of_the_fleet_has_what_its_own_process_shows(proxies, browser, name):
    """Settings with their origin, the last hour, slow log, hot keys and big replies: the same pages from another source."""
    node = proxies.node(name)

    def is_hot():
        proxies.use(name)
        admin = proxies.admins[name]
        return kit.fetch(admin, "/api/keys/cache")[1]["keys"] and kit.fetch(admin, "/api/slowlog/cache")[1]

    kit.until(is_hot, "a hot key and a slow request are seen")
    for page, path in [("pool", f"/pools/{node}/cache"), ("server", f"/pools/{node}/cache/a"), ("slowlog", f"/slowlog/{node}/cache"), ("keys", f"/keys/{node}/cache")]:
        look(browser, proxies.url(path), f"proxied-{name}-{page}", [(360, False), (1440, True)] + [(390, True), (1440, False)] * bool(DRAWN))
    browser.screen(1440)
    browser.open(proxies.url(f"/pools/{node}/cache"))
    settings = browser.run("document.getElementById('settings').innerText")
    assert "server_retry_timeout" in settings and "31s" in settings and f"{name}.toml:" in settings, settings
    assert "Hit rate" in browser.run("document.getElementById('charts').innerText")
    assert "p99" in browser.run("document.getElementById('servers').innerText") and "All counters" in browser.text()
    drawn = lambda: browser.run("[...document.querySelectorAll('#charts path.line')].some((it) => it.getAttribute('d'))")
    kit.until(lambda: (browser.open(proxies.url(f"/pools/{node}/cache")), drawn())[1], "the last hour has begun")
    browser.click("main a", "Slow log")
    assert "key:" in browser.run("document.getElementById('slowlog').innerText")
    browser.click("#slowlog a", "a")
    assert browser.run("location.pathname").endswith("/cache/a")
    kit.until(lambda: (proxies.use(name), "<code>key:1</code>" in kit.fetch(proxies.admin.port, f"/keys/{node}/cache")[1])[1], "the hot key is shown")
    browser.open(proxies.url(f"/keys/{node}/cache"))
    assert "key:1" in browser.run("document.getElementById('keys').innerText")
    assert "KiB" in browser.run("document.getElementById('replies').innerText")
    assert browser.faults == []


def test_a_server_is_ejected_at_one_node_or_at_all(proxies, browser):
    """With a result of each node; what one did not take is said."""
    browser.screen(1440)
    server = lambda name: proxies.url(f"/pools/{proxies.node(name)}/cache/b")
    do(browser, server("two"), "Eject", "Ejected:")
    assert proxies.by_hand() == [None, "ejected", None]
    do(browser, server("two"), "Return", "Returned:")
    do(browser, server("one"), "Drain", "Draining:", everywhere=True)
    assert proxies.by_hand() == ["drained"] * 3
    do(browser, server("three"), "Return", "Returned:", everywhere=True)
    do(browser, server("one"), "Set the weight", "weight is set", weight="3", everywhere=True)
    assert proxies.by_hand() == ["weight 3 instead of 1"] * 3
    assert "weight 3" in browser.run("document.getElementById('state').innerText")
    proxies.programs["three"].signal(signal.SIGSTOP)
    try:
        browser.open(server("one"))
        browser.submit("Set the weight", weight="", everywhere=True)
    finally:
        proxies.programs["three"].signal(signal.SIGCONT)
    text = browser.text()
    assert "Not everybody took it" in text and proxies.node("two") in text and "pools of 127.0.0.1" in text, text
    do(browser, server("one"), "Set the weight", "weight is set", weight="", everywhere=True)
    assert proxies.by_hand() == [None] * 3
    events = kit.fetch(proxies.admins["three"], "/api/status")[1]["events"]
    found = [event["text"] for event in events if event["subject"] == "pool cache, server b"]
    assert "by hand: drained, by 127.0.0.1" in found, events
    assert "eject_server" in proxies.admin.output() and "pool cache, server b" in proxies.admin.output(), "an audit line of nsqadmin"


def test_log_levels_of_a_fleet(proxies, browser):
    """Of queues by their HTTP API, of the others at their admin ports."""
    browser.screen(1440)
    shown = lambda name: "log level debug" in kit.fetch(proxies.admins[name], "/configuration")[1]
    do(browser, proxies.url("/nodes"), "Set the log level", "The log level is set.", level="debug")
    assert kit.fetch(int(proxies.queue.split(":")[1]), "/config/log_level")[1] == 1, "DEBUG, as nsqd says it"
    assert shown("two") and shown("three")
    do(browser, proxies.url(f"/nodes/{proxies.node('two')}"), "Set the log level", "The log level is set.", level="info")
    assert not shown("two") and shown("three")
    do(browser, proxies.url("/nodes"), "Set the log level", "The log level is set.", level="info")


def test_nsqadmin_lends_nobody_its_place_on_this_machine(proxies):
    """An admin port without users lets clients of this machine change something: not what a stranger sends through nsqadmin."""
    form = f"change=eject&node={proxies.node('two')}&pool=cache&server=b"
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        status, page = kit.fetch(proxies.admin.port, "/action", "POST", form, {header: "10.0.0.1"})
        assert status == 200 and "only a client on this machine may change something" in page, (header, page)
    assert proxies.by_hand() == [None] * 3
    for bad in ("change=eject&node=10.9.9.9:1&pool=cache&server=b", f"change=weight&node={proxies.node('two')}&pool=cache&server=b&weight=x"):
        kit.fetch(proxies.admin.port, "/action", "POST", bad)
    assert proxies.by_hand() == [None] * 3


BINARY_KEYS = {r"\x00\xff\n\\": b"\x00\xff\n\\", r"{\xc3(}\"": b'{\xc3(}"'}


@pytest.mark.parametrize("text", ["session:1", "{user:7}:x", "naïve", "<b>&", *BINARY_KEYS])
def test_the_server_of_a_key(scene, browser, text):
    """The page names the server that has the key: there the proxy has put it. Bytes that are no text are typed as redis-cli
    prints them."""
    key = BINARY_KEYS.get(text, text.encode())
    with contextlib.closing(redis.Redis(port=scene.pool)) as client:
        kit.until(lambda: not [client.set(key, "here") for _ in range(1)] == [None], "it is set")
    browser.screen(1440)
    browser.open(scene.url("/pools/sessions"))
    browser.run(f"document.getElementById('key').value = {json.dumps(text)}")
    browser.click("#whereabouts button", "Find")
    told = browser.run("document.querySelector('#home b').innerText")
    having = [name for name, server in scene.servers.items() if name != "c" and redis.Redis(port=server.port).get(key)]
    assert having == [told], (told, having)
    shown = browser.run("document.querySelector('#home code').innerText")
    assert shown == text.replace(r"\"", '"') and browser.faults == []
    browser.open(scene.url(f"/pools/sessions?key={urllib.parse.quote(shown)}"))
    assert browser.run("document.querySelector('#home b').innerText") == told, "what is shown can be typed"


def test_a_key_of_a_server_that_is_out_says_where_it_belongs(scene, browser):
    """While c is ejected its keys are served by another, and the page says which they belong to."""
    browser.screen(1440)
    for number in range(100):
        browser.open(scene.url(f"/pools/sessions?key=session:{number}"))
        told = browser.run("document.getElementById('home').innerText")
        if "While c is in the ring, it is served by that one" in told:
            break
    else:
        pytest.fail("no key of c among a hundred")
    assert browser.faults == []


def test_settings_have_their_origin(scene, browser):
    """Each setting in force with the place where it was set: of a pool, of a topic and a channel, of the whole process."""

    def origin(section, option):
        rows = browser.run(f"[...document.querySelectorAll('#{section} tbody tr')].map((it) => [...it.children].map((cell) => cell.textContent))")
        found = [row[1:3] for row in rows if row[0] == option]
        assert found, (option, rows)
        return found[0]

    line = 1 + next(number for number, text in enumerate(scene.conf.read_text().splitlines()) if text.startswith("server_retry_timeout"))
    browser.screen(1440)
    browser.open(scene.url("/pools/sessions"))
    assert origin("settings", "server_retry_timeout") == ["30s", f"nuthatch.toml:{line}"]
    assert origin("settings", "backlog")[1] == "default"
    browser.open(scene.url("/configuration"))
    assert origin("settings", "threads") == ["1", "nuthatch.toml:1"]
    scene.tell("/topic/create?topic=set")
    scene.tell("/channel/create?topic=set&channel=c")
    kit.fetch(scene.http, "/topic/settings?topic=set", "PUT", '{"ttl_seconds":60}')
    kit.fetch(scene.http, "/channel/settings?topic=set&channel=c", "PUT", '{"max_attempts":3}')
    browser.open(scene.url("/topics/set"))
    assert origin("settings", "Expire after (s)") == ["60", "set for this topic while it ran"]
    assert origin("settings", "Most bytes") == ["no limit of its own", "default"]
    assert origin("settings", "Durability")[1] == "[queue], default"
    browser.open(scene.url("/topics/set/c"))
    assert origin("settings", "Most attempts") == ["3", "set for this channel while it ran"]
    assert origin("settings", "msg_timeout") == ["1m", "[queue], default"]
    assert browser.faults == []
    scene.tell("/topic/delete?topic=set")


def test_settings_of_the_faces_have_their_origin(stack):
    """Under nsqd's name a setting comes from a flag or from a line of its file; under nutcracker's from its file."""
    path = stack.path / "faces"
    path.mkdir()
    admin = kit.free_port()

    def origins(program, page):
        text = kit.until(lambda: (answer := kit.fetch(admin, page)) and answer[0] == 200 and answer[1], "the page is there")
        rows = re.findall(r'<th scope="row"><code>(\w+)</code></th><td>([^<]*)</td><td>([^<]*)</td>', text)
        return {name: (value, origin) for name, value, origin in rows}

    (path / "nsqd.cfg").write_text('# ours\nmax_rdy_count = 77\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUTHATCH_ADMIN", f"127.0.0.1:{admin}")
        nsqd = stack.keep_proxy(kit.start_nsqd(path, "--mem-queue-size=55", f"--config={path / 'nsqd.cfg'}", name="faced"))
        found = origins(nsqd, "/configuration")
        assert found["mem_queue_size"] == ("55", "flag -mem-queue-size") and found["max_rdy_count"] == ("77", "nsqd.cfg:2"), found
        assert found["sync_every"][1] == "default"


def test_growth_and_the_time_until_full(scene, browser):
    """A topic that grows says how fast, and when it reaches its limit: on its page, its channel's, and the overview."""
    scene.tell("/topic/create?topic=grows")
    scene.tell("/channel/create?topic=grows&channel=c")
    kit.fetch(scene.http, "/topic/settings?topic=grows", "PUT", '{"bytes_max":20000000}')

    def told():
        scene.tell("/pub?topic=grows", "x" * 200)
        return "full in" in scene.page("/topics/grows")

    kit.until(told, "a minute of growth is known", seconds=150)
    page = scene.page("/topics/grows")
    assert "grows " in page and "of 19 MiB" in page, page
    assert "full in" in scene.page("/topics/grows/c")
    assert "full in" in scene.page("/")
    scene.tell("/topic/delete?topic=grows")


def test_ten_thousand_topics(scene, browser):
    """The list is cut, sorted and filtered on the server; overview and metrics still answer."""
    connection = http.client.HTTPConnection("127.0.0.1", scene.http, timeout=kit.ANSWER_SECONDS)
    ask = lambda path: (connection.request("POST", path), connection.getresponse().read())
    try:
        for number in range(10_000):
            ask(f"/topic/create?topic=many-{number:05}")
        ask("/pub?topic=many-07777")
        look(browser, scene.url("/topics"), "topics-10000", [(360, False), (1440, True)])
        browser.screen(1440)
        kit.until(lambda: "10,00" in scene.page("/topics"), "all are counted")
        assert browser.run("document.querySelectorAll('#topics tbody tr').length") == 100
        browser.open(scene.url("/topics?sort=name&order=desc"))
        assert "many-09999" in browser.text() and "many-09000" not in browser.text()
        browser.open(scene.url("/topics?q=MANY-0777&sort=name"))
        assert browser.run("document.querySelectorAll('#topics tbody tr').length") == 10
        assert browser.faults == []
        look(browser, scene.url("/"), "overview-10000", [(360, False), (1440, False)])
        assert scene.page("/metrics").count("\nnuthatch_topic_messages_total{") > 10_000
    finally:
        connection.close()

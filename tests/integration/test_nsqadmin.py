"""nsqadmin over a fleet: what it gathers, what it changes, who may, and upstreams that fail in every way."""

import concurrent.futures
import contextlib
import gzip
import json
import signal
import socket
import subprocess
import threading
import time

import kit
import pytest

QUICK = ("--http-client-connect-timeout=500ms", "--http-client-request-timeout=1s")


class Fleet(kit.Stack):
    """Lookups, queues that register with all of them, and an nsqadmin that knows the lookups."""

    def __init__(self, lookups, queues, *options):
        super().__init__()
        self.lookups = [
            self.keep_proxy(kit.start_nsqlookupd(self.path, name=f"lookup{n}")) for n in range(lookups)
        ]
        peers = [f"--lookupd-tcp-address=127.0.0.1:{lookup.ports[0]}" for lookup in self.lookups]
        self.queues = [
            self.keep_proxy(kit.start_nsqd(self.path, "--broadcast-address=127.0.0.1", *peers, name=f"queue{n}"))
            for n in range(queues)
        ]
        sources = [f"--lookupd-http-address=127.0.0.1:{lookup.ports[1]}" for lookup in self.lookups]
        self.admin = self.keep_proxy(kit.start_nsqadmin(self.path, *sources, *QUICK, *options))
        self.stopped = []
        kit.until(lambda: all(len(self.known_by(lookup)) == queues for lookup in self.lookups), "all registered")

    def known_by(self, lookup):
        return kit.fetch(lookup.ports[1], "/nodes")[1]["producers"]

    def lose(self, program):
        program.kill()
        program.stop = lambda: 0

    @contextlib.contextmanager
    def silent(self, program):
        """Keeps its connections and answers nothing."""
        program.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            program.signal(signal.SIGCONT)

    def ask(self, path, method="GET", body=None, headers=None):
        return kit.fetch(self.admin.port, path, method, body, headers)

    def publish(self, queue, topic, *bodies):
        status, text = kit.fetch(queue.ports[1], f"/mpub?topic={topic}", "POST", "\n".join(bodies))
        assert (status, text) == (200, "OK")

    def stats(self, queue, topic):
        topics = kit.fetch(queue.ports[1], f"/stats?format=json&topic={topic}")[1]["topics"] or []
        return topics[0] if topics else None


def test_what_is_gathered():
    """Two lookups and three queues, all alive: sums, and each queue once."""
    with Fleet(2, 3) as fleet:
        for number, queue in enumerate(fleet.queues):
            fleet.publish(queue, "orders", *["x"] * (number + 1))
            kit.fetch(queue.ports[1], "/channel/create?topic=orders&channel=billing", "POST")
        kit.until(lambda: fleet.ask("/api/topics")[1] == {"topics": ["orders"], "message": ""}, "the topic is known")
        assert fleet.ask("/api/topics?inactive=true") == (200, {"topics": {}, "message": ""})
        topic = fleet.ask("/api/topics/orders")[1]
        assert (topic["message_count"], len(topic["nodes"]), topic["node"]) == (6, 3, "*")
        channel = fleet.ask("/api/topics/orders/billing")[1]
        assert (channel["depth"], len(channel["nodes"]), channel["client_count"]) == (6, 3, 0)
        nodes = fleet.ask("/api/nodes")[1]["nodes"]
        assert [len(node["remote_addresses"]) for node in nodes] == [2, 2, 2]
        counts = fleet.ask("/api/counter")[1]["stats"]
        assert sorted(count["message_count"] for count in counts.values()) == [1, 2, 3]
        address = f"127.0.0.1:{fleet.queues[2].ports[1]}"
        node = fleet.ask(f"/api/nodes/{address}")[1]
        assert (node["node"], node["total_messages"]) == (address, 3)


def test_one_dead_lookup_and_one_silent_queue_cost_a_warning():
    """Everything that can be shown is shown, within the deadlines."""
    with Fleet(2, 3) as fleet:
        for queue in fleet.queues:
            fleet.publish(queue, "orders", "x")
            kit.fetch(queue.ports[1], "/channel/create?topic=orders&channel=billing", "POST")
        kit.until(lambda: len(fleet.ask("/api/topics/orders")[1].get("nodes") or []) == 3, "all three have the topic")
        dead, silent = fleet.lookups[0], fleet.queues[1]
        fleet.lose(dead)
        lookup, queue = f"127.0.0.1:{dead.ports[1]}", f"127.0.0.1:{silent.ports[1]}"
        with fleet.silent(silent):
            begun = time.monotonic()
            paths = ["/api/topics", "/api/nodes", "/api/counter", "/api/topics/orders", "/api/topics/orders/billing"]
            with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
                answers = dict(zip(paths, pool.map(fleet.ask, paths)))
            assert time.monotonic() - begun < 20, "all are asked at once, each has a deadline"
            for path, (status, answer) in answers.items():
                assert status == 200 and answer["message"].startswith("WARNING: "), (path, answer)
                assert lookup in answer["message"], (path, answer["message"])
            for path in paths[2:]:
                assert queue in answers[path][1]["message"], path
            assert len(answers["/api/nodes"][1]["nodes"]) == 3
            assert answers["/api/topics/orders"][1]["message_count"] == 2
            assert len(answers["/api/counter"][1]["stats"]) == 2
            status, answer = fleet.ask("/api/topics/orders", "POST", {"action": "pause"})
            assert status == 200 and queue in answer["message"], answer
            status, page = fleet.ask("/topics/orders")
            assert status == 200 and "WARNING" in page and "127.0.0.1" in page
        for queue in (fleet.queues[0], fleet.queues[2]):
            assert fleet.stats(queue, "orders")["paused"]
        fleet.lose(fleet.lookups[1])
        status, answer = fleet.ask("/api/topics")
        assert status == 502 and answer["message"].startswith("UPSTREAM_ERROR: failed to query any nsqlookupd: ")


def test_changes():
    """Each change reaches every queue that it is about, and the lookups."""
    with Fleet(2, 3) as fleet:
        done = (200, {"message": ""})
        assert fleet.ask("/api/topics", "POST", {"topic": "made", "channel": "c"}) == done
        for lookup in fleet.lookups:
            assert kit.fetch(lookup.ports[1], "/channels?topic=made") == (200, {"channels": ["c"]})
        assert fleet.ask("/api/topics?inactive=true")[1]["topics"] == {"made": ["c"]}
        assert fleet.ask("/api/topics/made/c", "DELETE")[0] in (200, 502)
        for queue in fleet.queues[:2]:
            fleet.publish(queue, "orders", "a", "b")
        kit.until(lambda: len(fleet.ask("/api/topics/orders")[1].get("nodes") or []) == 2, "two have the topic")
        assert fleet.ask("/api/topics", "POST", {"topic": "orders", "channel": "billing"}) == done
        kit.until(lambda: fleet.ask("/api/topics/orders/billing")[1].get("depth") == 4, "messages are in the channel")

        def paused():
            topics = [fleet.stats(queue, "orders") for queue in fleet.queues[:2]]
            return [(topic["paused"], topic["channels"][0]["paused"]) for topic in topics]

        for path, action, state in [
            ("/api/topics/orders", "pause", (True, False)),
            ("/api/topics/orders/billing", "pause", (True, True)),
            ("/api/topics/orders", "unpause", (False, True)),
            ("/api/topics/orders/billing", "unpause", (False, False)),
        ]:
            assert fleet.ask(path, "POST", {"action": action}) == done
            assert paused() == [state, state], (path, action)
        assert fleet.ask("/api/topics/orders/billing", "POST", {"action": "empty"}) == done
        assert fleet.ask("/api/topics/orders/billing")[1]["depth"] == 0
        assert fleet.ask("/api/topics/orders/nosuch", "POST", {"action": "pause"})[1]["message"].count("CHANNEL_NOT_FOUND") == 2
        assert fleet.ask("/api/topics/orders", "POST", {"action": "PAUSE"}) == (400, {"message": "INVALID_ACTION"})
        # A topic is taken from one queue: hidden, then deleted.
        first = f"127.0.0.1:{fleet.queues[0].ports[1]}"
        assert fleet.ask(f"/api/nodes/{first}", "DELETE", {"topic": "orders"}) == done
        assert fleet.stats(fleet.queues[0], "orders") is None and fleet.stats(fleet.queues[1], "orders")
        for lookup in fleet.lookups:
            producers = kit.fetch(lookup.ports[1], "/lookup?topic=orders")[1]["producers"]
            assert [node["http_port"] for node in producers] == [fleet.queues[1].ports[1]]
        assert fleet.ask("/api/topics/orders/billing", "DELETE") == done
        assert fleet.stats(fleet.queues[1], "orders")["channels"] == []
        assert fleet.ask("/api/topics/orders", "DELETE") == done
        assert fleet.stats(fleet.queues[1], "orders") is None
        assert "orders" not in (fleet.ask("/api/topics")[1]["topics"] or [])


def test_admin_users():
    """Only they change something; everybody reads."""
    with Fleet(1, 1, "--admin-user=root", "--admin-user=ops", "--acl-http-header=X-User") as fleet:
        address = f"127.0.0.1:{fleet.queues[0].ports[1]}"
        refused = (403, {"message": "FORBIDDEN"})
        for headers in ({}, {"X-User": "joe"}, {"X-User": ""}, {"X-Forwarded-User": "root"}, {"X-User": "Root"}):
            for method, path, body in [
                ("POST", "/api/topics", {"topic": "t"}),
                ("POST", "/api/topics/t", {"action": "pause"}),
                ("POST", "/api/topics/t/c", {"action": "pause"}),
                ("DELETE", "/api/topics/t", None),
                ("DELETE", "/api/topics/t/c", None),
                ("DELETE", f"/api/nodes/{address}", {"topic": "t"}),
            ]:
                assert fleet.ask(path, method, body, headers) == refused, (method, path, headers)
            assert fleet.ask("/action", "POST", "change=create&topic=t", headers)[0] == 403
            assert fleet.ask("/api/topics", headers=headers)[0] == 200
        assert fleet.ask("/api/topics", "POST", {"topic": "t"}, {"X-User": "ops"}) == (200, {"message": ""})


class Sink:
    """A server of its own making: each connection is given to `serve`."""

    def __init__(self, serve):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.requests, self.serve = [], serve
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        with client, contextlib.suppress(OSError, ValueError):
            stream = client.makefile("rb")
            while line := stream.readline():
                headers = {}
                while (header := stream.readline().strip()) != b"":
                    name, _, value = header.partition(b":")
                    headers[name.lower()] = value.strip()
                body = stream.read(int(headers.get(b"content-length", 0)))
                self.requests.append((line.decode().split()[1], body))
                if not self.serve(client, line.decode().split()[1]):
                    return

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def say(body, status="200 OK"):
    """Answers everything with this."""
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    body = body.encode() if isinstance(body, str) else body

    def serve(client, _):
        client.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body))
        return True

    return serve


def stall(client, _):
    time.sleep(3600)


def hang_up(client, _):
    return False


def junk(client, _):
    client.sendall(b"\x00\xff" * 5000 + b"\r\n\r\n")
    return False


def endless_body(client, _):
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        client.sendall(b'{"topics":[' + b'"aaaaaaaa",' * 10000)


def endless_head(client, _):
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        client.sendall(b"X-Filler: " + b"a" * 1000 + b"\r\n")


@pytest.mark.parametrize(
    "serve", [stall, hang_up, junk, endless_body, endless_head, say("no", "500 No"), None], ids=lambda s: getattr(s, "__name__", "gone")
)
def test_notifications_hold_up_nobody(serve):
    """Whatever becomes of them, changes are made at once and nsqadmin goes on."""
    with Sink(serve or hang_up) as sink:
        if serve is None:
            sink.close()
        with Fleet(1, 1, f"--notification-http-endpoint=http://127.0.0.1:{sink.port}/hook") as fleet:
            begun = time.monotonic()
            for number in range(20):
                assert fleet.ask("/api/topics", "POST", {"topic": f"t{number}"}) == (200, {"message": ""})
            assert time.monotonic() - begun < 20
            assert len(fleet.ask("/api/topics")[1]["topics"]) == 20


def test_what_is_notified():
    """In order, with who and from where; a user of Basic authorization is named."""
    with Sink(say("")) as sink, Fleet(1, 1, f"--notification-http-endpoint=http://127.0.0.1:{sink.port}/hook?x=1") as fleet:
        headers = {"User-Agent": "test/1", "Authorization": "Basic am9lOnBhc3M=", "X-Scheme": "https"}
        assert fleet.ask("/api/topics", "POST", {"topic": "t", "channel": "c"}, headers)[0] == 200
        fleet.publish(fleet.queues[0], "t", "x")
        kit.until(lambda: fleet.ask("/api/topics/t")[0] == 200, "the queue has the topic")
        assert fleet.ask("/api/topics/t/c", "POST", {"action": "pause"}, headers)[0] == 200
        node = f"127.0.0.1:{fleet.queues[0].ports[1]}"
        assert fleet.ask(f"/api/nodes/{node}", "DELETE", {"topic": "t"}, headers)[0] == 200
        kit.until(lambda: len(sink.requests) == 4, "all are notified")
        notices = [json.loads(body) for _, body in sink.requests]
        assert [notice["action"] for notice in notices] == [
            "create_topic",
            "create_channel",
            "pause_channel",
            "tombstone_topic_producer",
        ]
        assert {path for path, _ in sink.requests} == {"/hook?x=1"}
        first, second, _, last = notices
        assert "channel" not in first and second["channel"] == "c" and last["node"] == node
        assert (first["user"], first["user_agent"]) == ("joe", "test/1")
        assert first["url"] == f"https://127.0.0.1:{fleet.admin.port}/api/topics"
        assert first["remote_ip"].startswith("127.0.0.1:") and abs(first["timestamp"] - time.time()) < 60


def test_a_base_path():
    """Everything is below it and nothing beside it, links and forms included."""
    with Fleet(1, 1, "--base-path=sub/admin/") as fleet:
        fleet.publish(fleet.queues[0], "t", "x")
        kit.until(lambda: fleet.ask("/sub/admin/api/topics")[1]["topics"] == ["t"], "the topic is known")
        for path in ("/ping", "/", "/topics", "/api/topics", "/config/log_level"):
            assert fleet.ask(path)[0] == 404, path
            assert fleet.ask(f"/sub/admin{path.rstrip('/')}")[0] == 200, path
        page = fleet.ask("/sub/admin")[1]
        assert 'href="/sub/admin/topics/t"' in page and 'action="/sub/admin/action"' in page
        assert 'href="/topics' not in page and 'action="/action"' not in page
        assert fleet.ask("/sub/admin/config/base_path") == (200, "/sub/admin")


HOSTILE = {
    "stall": stall,
    "hang_up": hang_up,
    "junk": junk,
    "endless_body": endless_body,
    "endless_head": endless_head,
    "not_json": say("<html>"),
    "wrong_types": say({"topics": {"a": 1}, "producers": "no", "version": 5}),
    "nulls": say({"topics": None, "producers": None}),
    "empty": say(""),
    "deep": say("[" * 100_000),
    "fails": say("no", "503 Busy"),
    "forbids": say({"https_port": 99999}, "403 Forbidden"),
    "forbids_again": say({"https_port": 1}, "403 Forbidden"),
    "redirects": say("", "302 Found\r\nLocation: http://127.0.0.1:1/"),
    "lies": say(
        {
            "topics": [{"topic_name": "t", "depth": 9223372036854775807, "channels": [{"channel_name": "c"}]}] * 3,
            "producers": [
                {"broadcast_address": "evil/..?x=#@y", "http_port": -1, "tcp_port": 0, "topics": ["t"], "tombstones": []},
                {"broadcast_address": "127.0.0.1", "http_port": 99999999, "topics": ["t", "u"], "tombstones": [True]},
                {"broadcast_address": "\r\nX: y", "http_port": 1, "version": "9.9.9"},
            ],
        }
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_upstreams(name):
    """One among good ones is a warning at most; alone it is an error or an empty answer; nsqadmin goes on."""
    paths = ["/api/topics", "/api/topics?inactive=true", "/api/nodes", "/api/counter", "/api/topics/t", "/api/topics/t/c"]
    with Sink(HOSTILE[name]) as sink, Fleet(1, 1, f"--lookupd-http-address=127.0.0.1:{sink.port}") as fleet:
        fleet.publish(fleet.queues[0], "t", "x")
        kit.fetch(fleet.queues[0].ports[1], "/channel/create?topic=t&channel=c", "POST")
        lookup = fleet.lookups[0].ports[1]
        kit.until(lambda: kit.fetch(lookup, "/channels?topic=t")[1] == {"channels": ["c"]}, "the channel is known")
        with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
            for path, (status, answer) in zip(paths, pool.map(fleet.ask, paths)):
                assert status == 200, (path, answer)
        assert fleet.ask("/api/topics/t")[1]["message_count"] == 1
        for body in ({"action": "pause"}, {"action": "unpause"}):
            assert fleet.ask("/api/topics/t", "POST", body)[0] == 200
        alone = fleet.keep_proxy(kit.start_nsqadmin(fleet.path, f"--nsqd-http-address=127.0.0.1:{sink.port}", *QUICK, name="alone"))
        with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
            for path, (status, answer) in zip(paths, pool.map(lambda path: kit.fetch(alone.port, path), paths)):
                assert status in (200, 500, 502), (path, status, answer)
        for path in ("/", "/nodes", "/counter", "/lookup", "/topics/t", "/topics/t/c", f"/nodes/127.0.0.1:{sink.port}"):
            assert kit.fetch(alone.port, path)[0] == 200, path
        assert kit.fetch(alone.port, "/ping") == (200, "OK")


def test_pages():
    """They need no script; names from outside are text; forms work, and not for other sites."""
    name = '<script>alert("1")</script>&\u202e\''
    lies = {"topics": [{"topic_name": name, "channels": [{"channel_name": name, "clients": [{"client_id": name}]}]}], "version": name}
    with Sink(say(lies)) as sink, kit.Stack() as stack:
        admin = stack.keep_proxy(kit.start_nsqadmin(stack.path, f"--nsqd-http-address=127.0.0.1:{sink.port}", *QUICK))
        node = f"/nodes/127.0.0.1:{sink.port}"
        for path in ("/", "/nodes", node, "/counter", "/lookup", "/topics/x", "/topics/x/y", "/topics/%3Cscript%3E"):
            status, page = kit.fetch(admin.port, path)
            inline = page.replace('<script src="/static/script.js?v=', "")
            assert status == 200 and "<script" not in inline and "\u202e" not in page and "onerror" not in page, path
            assert page.startswith("<!DOCTYPE html>")
        assert "&lt;script&gt;" in kit.fetch(admin.port, "/")[1]
    with Fleet(1, 1) as fleet:
        own = {"Origin": f"http://127.0.0.1:{fleet.admin.port}", "Sec-Fetch-Site": "same-origin"}
        form = "change=create&topic=orders&channel=billing"
        for foreign in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {**own, "Host": "evil.example"}):
            assert fleet.ask("/action", "POST", form, foreign)[0] == 403, foreign
            assert fleet.ask("/api/topics", "POST", {"topic": "t"}, foreign)[0] == 403, foreign
        assert fleet.ask("/api/topics")[1]["topics"] is None
        assert fleet.ask("/action", "POST", form, own) == (303, "")
        assert fleet.ask("/api/topics")[1]["topics"] == ["orders"]
        fleet.publish(fleet.queues[0], "orders", "x")
        kit.until(lambda: "Unpause" in page_after("pause", fleet, own), "the page shows that the topic is paused")
        for bad in ("", "change=zap&topic=orders", "change=create&topic=b!d", "change=create&topic=t&channel=b!d"):
            assert fleet.ask("/action", "POST", bad, own)[0] == 400, bad
        assert fleet.ask("/action", "POST", "change=delete&topic=orders", own)[0] == 303
        assert fleet.ask("/api/topics")[1]["topics"] is None


def page_after(change, fleet, headers):
    fleet.ask("/action", "POST", f"change={change}&topic=orders", headers)
    return fleet.ask("/topics/orders")[1]


def test_settings_and_compression():
    """/config reads everything and changes two things; large answers are compressed for who asks."""
    with Fleet(1, 1, "--notification-http-endpoint=http://joe:secret@127.0.0.1:1/x?token=secret") as fleet:
        lookup = f"127.0.0.1:{fleet.lookups[0].ports[1]}"
        assert fleet.ask("/config/nsqlookupd_http_addresses") == (200, [lookup])
        assert "secret" not in fleet.ask("/config/notification_http_endpoint")[1]
        assert fleet.ask("/config/nsqlookupd_http_addresses", "PUT", ["127.0.0.1:1"]) == (200, ["127.0.0.1:1"])
        assert fleet.ask("/api/topics")[0] == 502
        assert fleet.ask("/config/nsqlookupd_http_addresses", "PUT", [lookup]) == (200, [lookup])
        for number in range(200):
            fleet.ask("/api/topics", "POST", {"topic": f"topic-number-{number}"})
        plain = kit.fetch(fleet.admin.port, "/api/topics", raw=True)
        packed = kit.fetch(fleet.admin.port, "/api/topics", headers={"Accept-Encoding": "gzip"}, raw=True)
        assert len(packed[1]) < len(plain[1]) and gzip.decompress(packed[1]) == plain[1]


def test_queues_that_require_tls():
    """They are asked again over HTTPS, and verified by the given authority unless that is forgone."""
    if kit.missing("openssl"):
        pytest.skip("openssl is not installed")
    with kit.Stack() as stack:
        cert, key = stack.path / "cert.pem", stack.path / "key.pem"
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=queue"]
        made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]
        subprocess.run(made, check=True, capture_output=True)
        options = [f"--tls-cert={cert}", f"--tls-key={key}", "--tls-required=true", "--broadcast-address=127.0.0.1"]
        queue = stack.keep_proxy(kit.start_nsqd(stack.path, *options))
        assert kit.fetch(queue.ports[1], "/ping")[0] == 403
        address = f"--nsqd-http-address=127.0.0.1:{queue.ports[1]}"
        for number, (options, status) in enumerate(
            [([f"--http-client-tls-root-ca-file={cert}"], 200), (["--http-client-tls-insecure-skip-verify"], 200), ([], 502)]
        ):
            admin = stack.keep_proxy(kit.start_nsqadmin(stack.path, address, *QUICK, *options, name=f"admin{number}"))
            answer = kit.fetch(admin.port, "/api/topics")
            assert answer[0] == status, (options, answer)
            assert status == 200 or "tls" in answer[1]["message"], answer


def test_graphite():
    """A rate for the API, graphs on pages, and graphite behind nsqadmin, whatever it answers."""
    points = [{"target": "x", "datapoints": [[120, 1]]}]
    with Sink(say(points)) as sink:
        url = f"http://joe:pass@127.0.0.1:{sink.port}"
        with Fleet(1, 1, f"--graphite-url={url}", "--proxy-graphite", "--base-path=/sub") as fleet:
            fleet.publish(fleet.queues[0], "t", "x")
            kit.until(lambda: fleet.ask("/sub/api/topics/t")[0] == 200, "the topic is known")
            assert fleet.ask("/sub/api/graphite?metric=rate&target=a%20b%26c") == (200, {"rate": "2.00"})
            assert sink.requests[-1][0] == "/render?format=json&from=-120sec&target=a+b%26c&until=-60sec"
            assert fleet.ask("/sub/render?target=x&width=1") == (200, json.dumps(points))
            assert sink.requests[-1][0] == "/render?target=x&width=1"
            page = fleet.ask("/sub/topics/t")[1]
            assert 'src="/sub/render?' in page and "stats.gauges.nsq.%2A.topic.t.depth" in page and "pass" not in page
    for serve in (say([]), say([{"target": "x", "datapoints": []}]), say("junk"), say("", "500 No"), hang_up, stall, endless_body):
        with Sink(serve) as sink, Fleet(1, 1, f"--graphite-url=http://127.0.0.1:{sink.port}", "--proxy-graphite") as fleet:
            assert fleet.ask("/api/graphite?metric=rate&target=t") == (500, {"message": "INTERNAL_ERROR"})
            assert fleet.ask("/render?target=t")[0] in (200, 500, 502)
            assert fleet.ask("/ping") == (200, "OK")

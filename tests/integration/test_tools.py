"""The tools by hand: every example of docs/tools.md is run, and what they promise beside it."""

import contextlib
import http.server
import json
import os
import re
import signal
import subprocess
import threading
import urllib.parse
import urllib.request

import kit
import pytest

PAGE = kit.ROOT / "docs/tools.md"
ORDERS = [{"id": n, "kind": "book" if n % 2 else "pen", "user": {"name": "ada" if n % 3 else "bob"}} for n in range(40)]
SECONDS = 60


def examples():
    """Each command of the page, with the heading it stands under."""
    heading, inside = "", False
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("```"):
            inside = line == "```sh"
        elif inside:
            yield heading, line


class Node(kit.Stack):
    """A queue that a lookup knows."""

    def __init__(self):
        super().__init__()
        self.lookup = self.keep(kit.start_nsqlookupd(self.path))
        lookup = f"--lookupd-tcp-address=127.0.0.1:{self.lookup.port}"
        self.nsqd = self.keep(kit.start_nsqd(self.path, lookup, "--broadcast-address=127.0.0.1"))
        bin_path = self.path / "bin"
        bin_path.mkdir()
        (bin_path / "nuthatch").symlink_to(kit.BINARY)
        self.environment = {**os.environ, "PATH": f"{bin_path}:{os.environ['PATH']}", "TZ": "UTC"}
        self.environment["NUTHATCH_HTTP"] = f"127.0.0.1:{self.nsqd.ports[1]}"

    def post(self, path, body=b"", method="POST"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.nsqd.ports[1]}{path}", method=method, data=body)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.read()

    def publish(self, topic, messages):
        self.post(f"/mpub?topic={topic}", "\n".join(messages).encode())

    def topic(self, name):
        stats = json.loads(self.post("/stats?format=json", None, "GET"))
        return next((known for known in stats["topics"] if known["topic_name"] == name), {"channels": [], "message_count": 0})

    def channels(self, topic):
        return {channel["channel_name"]: channel for channel in self.topic(topic)["channels"]}

    def known(self, topic):
        """True once the lookup knows the topic."""
        url = f"http://127.0.0.1:{self.lookup.ports[1]}/lookup?topic={topic}"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return bool(json.load(answer)["producers"])
        return False

    def here(self, command):
        """A command of the page, with the ports of this node."""
        ports = {4150: self.nsqd.ports[0], 4151: self.nsqd.ports[1], 4161: self.lookup.ports[1]}
        return re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:{ports.get(int(found[1]), found[1])}", command)

    def start(self, command):
        return subprocess.Popen(
            self.here(f"exec {command}"),
            shell=True,
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, command, during=lambda: None):
        """Runs a command to its end; `during` it something else happens. Its status and what it printed."""
        process = self.start(command)
        try:
            during()
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        return process.returncode, out, err

    def subscribed(self, topic):
        return sum(channel["client_count"] for channel in self.channels(topic).values())


@pytest.fixture
def node():
    with Node() as node:
        yield node
        node.check_alive()


def orders():
    return [json.dumps(order) for order in ORDERS]


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("heading,command", list(examples()))
def test_an_example_of_the_page(node, heading, command):
    node.post("/topic/create?topic=orders")
    node.post("/topic/create?topic=mails")
    for channel in ("archive", "nsq_to_file"):
        node.post(f"/channel/create?topic=orders&channel={channel}")
    node.post("/topic/settings?topic=orders", b'{"retention_seconds": 3600}', "PUT")
    node.publish("orders", orders())
    kit.until(lambda: node.known("orders") and node.known("mails"), "the lookup to know")
    if heading == "nsq_to_file":
        return archive(node, command)
    if heading in ("nsq_to_nsq", "nsq_to_http"):
        return relay(node, command)
    if heading == "to_nsq":
        (node.path / "numbers").write_text("".join(f"{number}\n" for number in range(100)))

    def during():
        # What tails without --from shows is published from then on.
        if heading == "nsq_tail" and "--from" not in command:
            topics = re.findall(r"--topic=(\w+)", command)
            kit.until(lambda: all(node.subscribed(topic) for topic in topics), "the tail to subscribe")
            for topic in topics:
                node.publish(topic, orders())

    status, out, err = node.run(command, during)
    assert (status, bool(out)) == (0, heading != "to_nsq"), err
    if heading == "to_nsq":
        added = 3 if "a,b,c" in command else 100
        assert node.channels("orders")["archive"]["depth"] == len(ORDERS) + added
    if "--json" in command:
        json.loads(out)
    if heading == "nsq_stat":
        assert len(out.splitlines()) == 2 + int(re.search(r"--count=(\d+)", command)[1])
        assert out.splitlines()[-1].split()[3] == "40"
    if heading == "nsq_tail":
        assert len(out.splitlines()) == int(command.split()[-1])
    if "--field" in command and "--match" not in command and "=id" not in command:
        assert all(order["kind"] == "book" and order["user"]["name"] == "ada" for order in lines(out))


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes everything, and remembers it."""

    def take(self, body):
        self.server.taken.append(json.loads(body)["id"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):  # noqa: N802
        assert (self.path, self.headers["Content-Type"]) == ("/orders", "application/json")
        self.take(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self):  # noqa: N802
        assert self.headers["X-From"] == "archive"
        self.take(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["body"][0])

    def log_message(self, *_):
        pass


def relay(node, command):
    """An example that passes messages on: stopped when all have arrived; then none is left."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink) as sink:
        sink.taken = []
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        process = node.start(command.replace(":8080", f":{sink.server_port}"))
        channel = command.split()[1]
        copied = lambda: node.topic("mails")["message_count"]  # noqa: E731
        try:
            kit.until(lambda: node.subscribed("orders"), "the tool to subscribe")
            node.publish("orders", orders())
            if channel == "nsq_to_http":
                kit.until(lambda: sorted(sink.taken) == list(range(40)), "all requests")
            else:
                kit.until(lambda: copied() == 40, "all copies")
            left = lambda: node.channels("orders")[channel]  # noqa: E731
            kit.until(lambda: left()["depth"] + left()["in_flight_count"] == 0, "the messages to be finished")
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
            sink.shutdown()
    assert process.returncode == 0, err


def archive(node, command):
    """An example of nsq_to_file: stopped when everything is written, and every message is in its files."""
    process = node.start(command)
    try:
        written = lambda: node.channels("orders").get("nsq_to_file", {"depth": 1})  # noqa: E731
        kit.until(lambda: written()["depth"] == 0, "the messages to be delivered")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert written()["in_flight_count"] == 0
    assert sorted(order["id"] for order in written_orders(node)) == list(range(40))


def written_orders(node):
    reader = {".gz": "zcat", ".zst": "zstd -dcq"}
    for path in (node.path / "archive").iterdir():
        assert re.fullmatch(r"orders\.\w+(-000000)?\.\d{4}-\d\d-\d\d_\d\d\.log(\.gz|\.zst)?", path.name), path
        command = [*reader.get(path.suffix, "cat").split(), str(path)]
        if kit.missing(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        for line in subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines():
            record = json.loads(line)
            yield json.loads(record["body"]) if "attempts" in record else record


TAIL = "nuthatch nsq_tail --nsqd-tcp-address=127.0.0.1:4150"


def test_the_last_message_of_a_tail_is_finished_and_the_others_go_back(node):
    node.post("/topic/create?topic=orders")
    node.post("/channel/create?topic=orders&channel=c")
    node.publish("orders", orders())
    status, out, err = node.run(f"{TAIL} --topic=orders --channel=c -n 7")
    assert (status, len(lines(out))) == (0, 7), err
    left = node.channels("orders")["c"]
    assert (left["depth"], left["in_flight_count"], left["deferred_count"]) == (33, 0, 0)


def test_a_tail_whose_reader_goes_away_ends_without_an_error(node):
    node.publish("orders", orders())
    process = node.start(f"{TAIL} --topic=orders --channel=c | head -1")
    # it notices with the next line that it prints
    kit.until(lambda: node.publish("orders", orders()) or process.poll() is not None, "the tail to end")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, len(out.splitlines())) == (0, 1)
    assert "ERROR" not in err


def test_a_signal_ends_a_tail(node):
    node.post("/topic/create?topic=orders")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        stop = lambda number=number: (  # noqa: E731
            kit.until(lambda: node.subscribed("orders"), "the tail to subscribe"),
            process.send_signal(number),
        )
        process = node.start(f"{TAIL} --topic=orders")
        stop()
        process.communicate(timeout=SECONDS)
        assert process.returncode == 0


def test_nobody_there_is_told(node):
    status, out, err = node.run("nuthatch nsq_tail --topic=t --nsqd-tcp-address=localhost:1")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].endswith("dial tcp localhost:1: connect: connection refused")


TO_FILE = "nuthatch nsq_to_file --nsqd-tcp-address=127.0.0.1:4150 --output-dir=archive --filename-format='<TOPIC><REV>.log'"


def test_a_hang_up_closes_the_files(node):
    node.publish("orders", orders())
    process = node.start(f"{TO_FILE} --topic=orders --work-dir=unfinished --sync-interval=100ms")
    archive_path = node.path / "archive"
    names = lambda: sorted(path.name for path in archive_path.glob("*"))  # noqa: E731
    depth = lambda: node.channels("orders").get("nsq_to_file", {"depth": 1, "in_flight_count": 0})  # noqa: E731
    idle = lambda: depth()["depth"] == depth()["in_flight_count"] == 0  # noqa: E731
    try:
        kit.until(idle, "the messages to be finished")
        assert names() == []
        process.send_signal(signal.SIGHUP)
        kit.until(lambda: names() == ["orders-000000.log"], "the file to be moved")
        # the original never finishes what comes after
        node.publish("orders", orders())
        kit.until(idle, "the messages to be finished")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert names() == ["orders-000000.log", "orders-000001.log"]
    assert list((node.path / "unfinished").iterdir()) == []


def test_a_broken_disk_ends_it_and_finishes_nothing(node):
    node.publish("orders", orders())
    (node.path / "archive").mkdir()
    (node.path / "archive/orders.log").mkdir()
    status, _, err = node.run(f"{TO_FILE} --topic=orders")
    assert status == 1
    assert err.splitlines()[-1].endswith("FATAL: [orders] unable to open archive/orders.log: is a directory")
    kit.until(lambda: node.channels("orders")["nsq_to_file"]["depth"] == 40, "the messages to go back")


def test_new_topics_are_found_by_their_pattern(node):
    node.publish("orders-1", orders())
    kit.until(lambda: node.known("orders-1"), "the lookup to know")
    lookup = "nuthatch nsq_to_file --lookupd-http-address=127.0.0.1:4161 --output-dir=archive"
    process = node.start(f"{lookup} --topic-pattern=^orders --topic-refresh=100ms --filename-format='<TOPIC>' --sync-interval=50ms")
    done = lambda topic: node.channels(topic).get("nsq_to_file", {}).get("message_count") == 40  # noqa: E731
    try:
        kit.until(lambda: done("orders-1"), "the topic to be written")
        node.publish("orders-2", orders())
        node.publish("mails", orders())
        kit.until(lambda: done("orders-2"), "the new topic to be written")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert sorted(path.name for path in (node.path / "archive").iterdir()) == ["orders-1", "orders-2"]


def test_what_an_operator_does_is_seen(node):
    node.post("/topic/create?topic=orders")
    node.post("/channel/create?topic=orders&channel=mail")
    node.publish("orders", orders())
    channel = lambda: node.run("nuthatch channels orders")[1].splitlines()[-1].split()  # noqa: E731
    kit.until(lambda: channel()[2] == "40", "the messages to be there")
    assert channel() == ["orders", "mail", "40", "0", "0", "0", "0", "40", "0"]
    for command, said in [
        ("pause orders mail", "channel orders/mail paused"),
        ("peek orders mail -n 1", None),
        ("seek orders mail end", "orders/mail will read 0 messages"),
        ("delete orders", "topic orders deleted"),
    ]:
        status, out, err = node.run(f"nuthatch {command}")
        assert (status, err) == (0, "")
        if said:
            assert out == said + "\n"
        else:
            heading, message = out.splitlines()
            assert heading.split() == ["ID", "PUBLISHED", "ATTEMPTS", "BODY"]
            assert json.loads(message.split(None, 4)[4]) == ORDERS[0]
        if command.startswith("pause"):
            assert channel()[-1] == "paused"
    assert node.run("nuthatch topics")[1] == "no topics\n"


def test_exit_statuses_of_an_operator_s_commands(node):
    status, out, err = node.run("nuthatch pause nosuch")
    assert (status, out) == (1, "")
    assert err == "nuthatch: there is no such topic; `nuthatch topics` lists them (TOPIC_NOT_FOUND)\n"
    assert node.run("nuthatch pause")[0] == 2
    status, out, err = node.run("nuthatch topics --address=localhost:1")
    assert (status, out) == (3, "")
    assert err.startswith("nuthatch: no queue answers at http://localhost:1 (")

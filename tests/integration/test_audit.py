"""The record of changes: whoever changes something, and from where, is in the events of the process and in their file."""

import base64
import hashlib
import json
import os
import re
import signal
import socket
import subprocess

import pytest

import kit


class Scene:
    """A process with a cache of its own and a queue, whose events are kept beside its messages."""

    def __init__(self, stack, name):
        self.stack, self.home = stack, stack.path / name
        self.home.mkdir()
        self.conf, self.file = self.home / "nuthatch.toml", self.home / "data/events.jsonl"
        self.admin, self.pool, self.tcp, self.http = self.ports = [kit.free_port() for _ in range(4)]
        self.write("400ms")
        self.start()

    def write(self, timeout, watch="false", more=""):
        self.conf.write_text(
            f'threads = 1\nwatch_config = {watch}\n[admin]\nlisten = "127.0.0.1:{self.admin}"\n'
            f'[pool.cache]\nlisten = "127.0.0.1:{self.pool}"\nservers = ["local"]\ntimeout = "{timeout}"\n'
            f'[queue]\ntcp = "127.0.0.1:{self.tcp}"\nhttp = "127.0.0.1:{self.http}"\ndata_path = "{self.home / "data"}"\n{more}'
        )

    def start(self):
        (self.home / "data").mkdir(exist_ok=True)
        self.program = kit.Program("audited", [kit.BINARY, "run", "-c", self.conf], self.ports, self.home)
        assert self.program.is_ready(), self.program.output()
        self.stack.keep_proxy(self.program)

    def events(self):
        """Subjects and texts, the newest first."""
        return [(event["subject"], event["text"]) for event in kit.fetch(self.admin, "/api/status")[1]["events"]]

    def told(self, subject, text):
        """Waits for an event whose text matches."""
        matches = lambda: [found for found in self.events() if found[0] == subject and re.fullmatch(text, found[1])]
        return kit.until(matches, lambda: f"{subject}: {text} in {self.events()}")

    def kept(self):
        """The texts in the file."""
        return [json.loads(line)["text"] for line in self.file.read_text().splitlines()]


@pytest.fixture
def scene(stack, request):
    return Scene(stack, request.node.name)


def from_here(name):
    """The author of a signal that this test sends."""
    return rf"by signal {name} from process {os.getpid()} \([^)]+\) of user {os.getuid()}"


def test_a_signal_names_its_sender(scene):
    scene.told("process", r"started: nuthatch .*, process \d+")
    for number, said in [(signal.SIGHUP, "reload asked for"), (signal.SIGUSR1, "reload asked for"), (signal.SIGTTIN, "log level debug"), (signal.SIGTTOU, "log level info")]:
        scene.program.signal(number)
        scene.told("configuration", f"{said}, {from_here(number.name)}")
    done = subprocess.run([kit.BINARY, "reload", "--pid", str(scene.program.process.pid)], capture_output=True, text=True, timeout=kit.ANSWER_SECONDS)
    assert done.returncode == 0, done.stderr
    scene.told("configuration", r"reload asked for, by signal SIGUSR1 from process \d+ \(nuthatch\) of user \d+")
    assert "SIGHUP" in kit.fetch(scene.admin, "/events")[1]


def test_a_file_that_is_watched_is_an_author(scene):
    scene.write("400ms", watch="true")
    assert kit.fetch(scene.admin, "/api/reload", "POST")[0] == 200
    scene.told("configuration", "reload asked for, by 127.0.0.1")
    scene.write("500ms", watch="true")
    scene.told("configuration", "reload asked for, by watch_config, since its file has changed")


def test_a_stop_is_in_the_file(scene):
    scene.program.signal(signal.SIGTERM)
    scene.program.process.wait(kit.STOP_SECONDS)
    scene.stack.programs.remove(scene.program)
    assert re.fullmatch(f"stop asked for, {from_here('SIGTERM')}", scene.kept()[-1]), scene.kept()
    scene.start()
    scene.told("process", f"stop asked for, {from_here('SIGTERM')}")
    assert len([text for _, text in scene.events() if text.startswith("started: ")]) == 2


def test_an_upgrade_has_an_author(scene):
    done = subprocess.run([kit.BINARY, "upgrade", "--pid", str(scene.program.process.pid)], capture_output=True, text=True, timeout=kit.STOP_SECONDS)
    successor = re.match(r"process (\d+) ", done.stdout)
    assert done.returncode == 0 and successor, done.stderr
    try:
        scene.told("process", rf"started: nuthatch .*, process {successor[1]}")
        scene.told("process", r"upgrade asked for, by signal SIGUSR2 from process \d+ \(nuthatch\) of user \d+")
    finally:
        scene.stack.programs.remove(scene.program)
        os.kill(int(successor[1]), signal.SIGTERM)
        kit.until(lambda: not kit.accepts(scene.admin), "the successor has stopped")


def test_changes_over_the_queues_http_api(scene):
    tell = lambda method, path, body="": kit.fetch(scene.http, path, method, body)[0]
    for path in ["/topic/create?topic=t", "/channel/create?topic=t&channel=c", "/pub?topic=t"]:
        assert tell("POST", path, "x") == 200
    for method, path, body, subject, text in [
        ("POST", "/channel/pause?topic=t&channel=c", "", "topic t, channel c", "pause channel"),
        ("POST", "/channel/empty?topic=t&channel=c", "", "topic t, channel c", "empty channel"),
        ("PUT", "/topic/settings?topic=t", '{"ttl_seconds":60}', "topic t", "configure topic"),
        ("PUT", "/config/log_level", "info", "queue", "set log_level"),
        ("POST", "/topic/delete?topic=t", "", "topic t", "delete topic"),
    ]:
        assert tell(method, path, body) == 200, path
        scene.told(subject, f"{text}, by 127.0.0.1")
    assert tell("POST", "/topic/delete?topic=none") == 404
    assert tell("POST", "/topic/pause?topic=none") == 404
    scene.program.signal(signal.SIGHUP)
    scene.told("configuration", f"reload asked for, {from_here('SIGHUP')}")
    others = [text for subject, text in scene.events() if "none" in subject or "create" in text or "pub" in text]
    assert others == [], "neither what was refused, nor what programs do"


def test_changes_over_the_lookups_http_api(scene):
    tcp, http = kit.free_port(), kit.free_port()
    scene.write("400ms", more=f'[lookup]\ntcp = "127.0.0.1:{tcp}"\nhttp = "127.0.0.1:{http}"\n')
    assert scene.program.stop() == 0
    scene.stack.programs.remove(scene.program)
    scene.ports += [tcp, http]
    scene.start()
    for path, subject, text in [
        ("/topic/create?topic=t", None, None),
        ("/channel/create?topic=t&channel=c", None, None),
        ("/topic/tombstone?topic=t&node=host:4151", "lookup, topic t", "tombstone topic of host:4151"),
        ("/channel/delete?topic=t&channel=c", "lookup, topic t, channel c", "delete channel"),
        ("/topic/delete?topic=t", "lookup, topic t", "delete topic"),
    ]:
        assert kit.fetch(http, path, "POST")[0] == 200, path
        if subject:
            scene.told(subject, f"{text}, by 127.0.0.1")
    assert not [text for subject, text in scene.events() if "create" in text]


def test_failed_logins(scene):
    """Over HTTP and to the queue; what is typed as the name of nobody is not shown."""
    password = hashlib.sha256(b"secret").hexdigest()
    scene.write("400ms", more=f'[user.app]\npassword_sha256 = "{password}"\npublish = ["*"]\n')
    assert kit.fetch(scene.admin, "/api/reload", "POST")[0] == 200
    basic = lambda name: {"Authorization": "Basic " + base64.b64encode(f"{name}:wrong".encode()).decode()}
    assert kit.fetch(scene.http, "/pub?topic=t", "POST", "x", basic("app"))[0] == 401
    scene.told("HTTP", r"a login as app from 127\.0\.0\.1 failed")
    with socket.create_connection(("127.0.0.1", scene.tcp)) as client:
        secret = b"hunter2:wrong"
        client.sendall(b"  V2IDENTIFY\n\0\0\0\2{}AUTH\n" + len(secret).to_bytes(4, "big") + secret)
        scene.told("queue", r"a login as \(unknown\) from 127\.0\.0\.1 failed")
    assert "hunter2" not in str(scene.events())

"""Servers of NATS with JetStream, alone or as a cluster, for topics on an engine.

`NATS_SERVER` is the program (default: nats-server, as the distribution has it)."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import kit

SERVER = os.environ.get("NATS_SERVER", "nats-server")
# The one of requirements.txt: that of the distribution may be too old to lose nothing.
RECENT = Path(sys.prefix) / "bin" / "nats-server"


def version():
    """Its version, as (2, 9, 10)."""
    told = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in re.search(r"v(\d+)\.(\d+)\.(\d+)", told).groups())


def ask(port, subject, request=b""):
    """The answer to a request of JetStream's API, such as `STREAM.INFO.name`."""
    return put(port, f"$JS.API.{subject}", request)


def put(port, subject, value):
    """The answer to a message, such as that a stream has stored it."""
    with socket.create_connection(("127.0.0.1", port), timeout=kit.ANSWER_SECONDS) as server, server.makefile("rb") as answers:
        server.sendall(
            b'CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB %s answer %d\r\n%s\r\n' % (subject.encode(), len(value), value)
        )
        for line in answers:
            words = line.split()
            if words[0] == b"MSG":
                return json.loads(answers.read(int(words[-1])))
            assert words[0] != b"-ERR", line
    raise AssertionError(f"NATS does not answer {subject}")


def start_nats(stack, name="nats", ports=None, configuration=""):
    """One server; at its port again, with what it had stored, if it is given."""
    file = stack.path / f"{name}.conf"
    file.write_text(configuration)

    def argv(port):
        return [SERVER, "-c", file, "-js", "-a", "127.0.0.1", "-p", port, "-sd", stack.path / name]

    if ports is None:
        return kit.start(name, 1, argv, stack.path)
    server = kit.Program(name, argv(*ports), ports, stack.path)
    assert server.is_ready(), server.output()
    return server


class Cluster:
    """Three servers that keep each message three times. Each can be killed and started again."""

    def __init__(self, stack, *options):
        self.stack, self.nodes, self.options = stack, {}, options
        self.ports = {f"nats{n}": (kit.free_port(), kit.free_port()) for n in range(3)}
        for name in self.ports:
            self.start(name)

    def start(self, name):
        """Starts a server, with what it had stored."""
        port, route = self.ports[name]
        routes = ",".join(f"nats://127.0.0.1:{other}" for _, other in self.ports.values())
        argv = [
            SERVER, "-js", "-n", name, "-a", "127.0.0.1", "-p", port, "-sd", self.stack.path / name,
            "-cluster_name", "tests", "-cluster", f"nats://127.0.0.1:{route}", "-routes", routes, *self.options,
        ]
        self.nodes[name] = kit.Program(name, argv, [port], self.stack.path)
        assert self.nodes[name].is_ready(), self.nodes[name].output()

    def addresses(self):
        return [f"127.0.0.1:{port}" for port, _ in self.ports.values()]

    def stop(self):
        for node in self.nodes.values():
            node.kill()


class Link:
    """A way to a server. It can be cut: then nothing goes through, and nothing is refused. It can lose a command of the client."""

    def __init__(self, target):
        self.target, self.open = target, threading.Event()
        self.open.set()
        # The next bytes of a client that match are left out, once.
        self.losing = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        self.open.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            return client.close()
        for ends in ((client, server, True), (server, client, False)):
            threading.Thread(target=self.pass_on, args=ends, daemon=True).start()

    def pass_on(self, source, sink, sink_is_server):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                if sink_is_server and self.losing:
                    data, count = self.losing.subn(b"", data, count=1)
                    self.losing = None if count else self.losing
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def start_node(stack, name, servers, replicas=1, ports=None, topics=("*",), accept="engine", engine="", queue=""):
    """A nuthatch whose topics are on the engine: `topics` are globs, or globs with the way to accept. Its ports are TCP and HTTP."""
    topics = topics if isinstance(topics, dict) else dict.fromkeys(topics, accept)
    listed = ", ".join(f'"{server}"' for server in servers)
    rules = "".join(f'[[queue.topic]]\nmatch = "{glob}"\nstorage = "engine"\naccept = "{how}"\n' for glob, how in topics.items())

    def argv(tcp, http):
        file = stack.path / f"{name}.toml"
        file.write_text(
            f"""
[queue]
tcp = "127.0.0.1:{tcp}"
http = "127.0.0.1:{http}"
data_path = "{stack.path / name}"
{queue}
{rules}
[engine]
servers = [{listed}]
replicas = {replicas}
{engine}
"""
        )
        return [kit.BINARY, "run", "-c", file]

    (stack.path / name).mkdir(exist_ok=True)
    if ports is None:
        return kit.start(name, 2, argv, stack.path)
    program = kit.Program(name, argv(*ports), ports, stack.path)
    assert program.is_ready(), program.output()
    return program

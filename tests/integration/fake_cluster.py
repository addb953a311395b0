"""Nodes of a Redis Cluster that a test writes: each says about the cluster, and answers requests, what the test wants."""

import socket
import threading


def bulk(text):
    data = text.encode() if isinstance(text, str) else text
    return b"$%d\r\n%b\r\n" % (len(data), data)


def array(*elements):
    return b"*%d\r\n%b" % (len(elements), b"".join(elements))


def number(value):
    return b":%d\r\n" % value


def reply(reader):
    """The next reply that is no array, as it comes."""
    line = reader.readline()
    if not line.startswith(b"$") or line.startswith(b"$-"):
        return line
    return line + reader.read(int(line[1:]) + 2)


def shard(ranges, nodes):
    """One shard of CLUSTER SHARDS. `nodes` are (port, id, role, health)."""
    def told(port, own, role, health):
        return array(
            bulk("id"), bulk(own), bulk("port"), number(port), bulk("ip"), bulk("127.0.0.1"), bulk("endpoint"), bulk("127.0.0.1"),
            bulk("role"), bulk(role), bulk("replication-offset"), number(1), bulk("health"), bulk(health),
        )

    slots = [number(slot) for pair in ranges for slot in pair]
    return array(bulk("slots"), array(*slots), bulk("nodes"), array(*(told(*node) for node in nodes)))


class FakeNode:
    """A node. `shards` is its reply to CLUSTER SHARDS, `slots` that to CLUSTER SLOTS, `answer(words)` those to other requests."""

    UNKNOWN = b"-ERR unknown subcommand\r\n"

    def __init__(self, stack):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.shards, self.slots, self.epoch = self.UNKNOWN, self.UNKNOWN, 1
        self.answer = lambda words: b"+OK\r\n"
        self.asked, self.connections, self.lock = [], [], threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()
        stack.callback(self.end)

    def end(self):
        self.socket.close()
        for connection in self.connections:
            connection.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        reader = connection.makefile("rb")
        try:
            while line := reader.readline():
                words = []
                for _ in range(int(line[1:])):
                    length = int(reader.readline()[1:])
                    words.append(reader.read(length + 2)[:-2])
                connection.sendall(self.reply([word.decode("latin1") for word in words]))
        except (OSError, ValueError):
            pass

    def reply(self, words):
        question = " ".join(words[:2]).upper()
        if question == "CLUSTER INFO":
            return bulk(f"cluster_state:ok\r\ncluster_current_epoch:{self.epoch}\r\n")
        if question in ("CLUSTER SHARDS", "CLUSTER SLOTS"):
            with self.lock:
                self.asked.append(question)
            return self.shards if question.endswith("SHARDS") else self.slots
        return self.answer(words)

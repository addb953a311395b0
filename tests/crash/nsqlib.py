"""A small NSQ client over a bare socket, for tests that must know exactly what was sent and what was answered."""

import json
import socket
import struct

RESPONSE, ERROR, MESSAGE = 0, 1, 2
ANSWER_SECONDS = 60


def sized(body):
    return struct.pack(">I", len(body)) + body


def pub(topic, body):
    return b"PUB %s\n%s" % (topic, sized(body))


def mpub(topic, bodies):
    joined = struct.pack(">I", len(bodies)) + b"".join(sized(body) for body in bodies)
    return b"MPUB %s\n%s" % (topic, sized(joined))


def dpub(topic, delay_ms, body):
    return b"DPUB %s %d\n%s" % (topic, delay_ms, sized(body))


class Message:
    """A delivery."""

    __slots__ = ("timestamp", "attempts", "id", "body")

    def __init__(self, data):
        self.timestamp, self.attempts = struct.unpack_from(">qH", data)
        self.id, self.body = data[10:26], data[26:]


class Connection:
    """One connection. Anything that ends it raises `OSError`."""

    def __init__(self, port, **identify):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.send(b"  V2")
        if identify:
            self.send(b"IDENTIFY\n" + sized(json.dumps(identify).encode()))
            kind, data = self.frame()
            if kind != RESPONSE:
                raise OSError(f"IDENTIFY: {data!r}")

    def close(self):
        self.socket.close()

    def send(self, data):
        # Whoever waits only a moment for frames would wait no longer for room.
        self.socket.settimeout(ANSWER_SECONDS)
        self.socket.sendall(data)

    def subscribe(self, topic, channel, ready):
        self.send(b"SUB %s %s\n" % (topic, channel))
        kind, data = self.frame()
        if (kind, data) != (RESPONSE, b"OK"):
            raise OSError(f"SUB: {data!r}")
        self.send(b"RDY %d\n" % ready)

    def _take(self):
        """The next frame of the buffer, if one is there whole. Heartbeats are answered and passed over."""
        while len(self.buffer) >= 8:
            size, kind = struct.unpack_from(">Ii", self.buffer)
            if len(self.buffer) < 4 + size:
                return None
            data = bytes(self.buffer[8 : 4 + size])
            del self.buffer[: 4 + size]
            if (kind, data) != (RESPONSE, b"_heartbeat_"):
                return kind, data
            self.send(b"NOP\n")
        return None

    def _fill(self, timeout):
        self.socket.settimeout(timeout)
        more = self.socket.recv(1 << 18)
        if not more:
            raise OSError("closed")
        self.buffer += more

    def frame(self, timeout=ANSWER_SECONDS):
        """The next frame."""
        while (frame := self._take()) is None:
            self._fill(timeout)
        return frame

    def frames(self, timeout):
        """Every frame that is there, waiting for the first; none if none comes in time."""
        found = []
        if (frame := self._take()) is None:
            try:
                self._fill(timeout)
            except TimeoutError:
                return found
            frame = self._take()
        while frame is not None:
            found.append(frame)
            frame = self._take()
        return found

    def answers(self, count):
        """Reads `count` answers, each OK."""
        for _ in range(count):
            kind, data = self.frame()
            if (kind, data) != (RESPONSE, b"OK"):
                raise OSError(f"refused: {data!r}")

"""Small clients of the queues that are compared, made for load and nothing else.

Each client function runs in a process of its own and takes the port first. A writer returns when every message was
confirmed; a reader when `left`, which all readers share, has come down to zero, with every message confirmed as
finished. Bodies are all alike, so that building requests costs next to nothing.
"""
import contextlib
import json
import multiprocessing
import os
import socket
import struct
import time

BODY_BYTES = 200
BODY = b"x" * BODY_BYTES
PATIENCE_S = 60
FORK = multiprocessing.get_context("fork")


def together(jobs):
    """Runs (function, arguments...) each in a process; fails if one fails."""
    processes = [FORK.Process(target=job[0], args=job[1:], daemon=True) for job in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(900)
    bad = [p.exitcode for p in processes if p.exitcode != 0]
    if bad:
        raise RuntimeError("%d of %d clients failed" % (len(bad), len(processes)))


def counter(value):
    """A number that readers take from together."""
    return FORK.Value("q", value)


def take(left, n):
    """Takes n from the shared number and tells whether something is left."""
    with left.get_lock():
        left.value -= n
        return left.value > 0


class Stream:
    """A connection with a buffer to take lines and exact lengths from."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError("the server closed the connection")
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def exactly(self, n):
        while len(self.buffer) < n:
            self.more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data


# --- NSQ ---------------------------------------------------------------------------------------------------------

def nsq_open(port, heartbeat_ms=-1):
    """Without heartbeats for writers; who subscribes must have them, and a run is shorter than the longest interval."""
    stream = Stream(port)
    body = json.dumps({"heartbeat_interval": heartbeat_ms, "feature_negotiation": False}).encode()
    stream.send(b"  V2IDENTIFY\n" + struct.pack(">I", len(body)) + body)
    nsq_ok(stream, 1)
    return stream


def nsq_ok(stream, count):
    """Reads so many frames, each of which must be the response OK."""
    data = stream.exactly(10 * count)
    if data != b"\0\0\0\x06\0\0\0\0OK" * count:
        raise RuntimeError("expected OK, got %r" % data[:200])


def nsq_mpub(port, topic, count, batch):
    stream = nsq_open(port)
    message = struct.pack(">I", BODY_BYTES) + BODY
    body = struct.pack(">I", batch) + message * batch
    request = b"MPUB %s\n" % topic + struct.pack(">I", len(body)) + body
    for _ in range(count // batch):
        stream.send(request)
        nsq_ok(stream, 1)


def nsq_pub(port, topic, count):
    stream = nsq_open(port)
    request = b"PUB %s\n" % topic + struct.pack(">I", BODY_BYTES) + BODY
    for _ in range(count):
        stream.send(request)
        nsq_ok(stream, 1)


def nsq_read(port, topic, channel, left, ready=2500):
    stream = nsq_open(port, heartbeat_ms=60000)
    stream.send(b"SUB %s %s\n" % (topic, channel))
    nsq_ok(stream, 1)
    stream.send(b"RDY %d\n" % ready)
    stream.socket.settimeout(0.5)
    idle_since = time.monotonic()
    while left.value > 0:
        try:
            stream.more()
        except TimeoutError:
            if time.monotonic() - idle_since > PATIENCE_S:
                raise
            continue
        idle_since = time.monotonic()
        done, at, buffer = [], 0, stream.buffer
        while len(buffer) - at >= 8:
            size, kind = struct.unpack_from(">Ii", buffer, at)
            if len(buffer) - at < 4 + size:
                break
            if kind != 2:
                raise RuntimeError("unexpected frame %r" % buffer[at:at + 100])
            done.append(b"FIN " + buffer[at + 18:at + 34] + b"\n")
            at += 4 + size
        stream.buffer = buffer[at:]
        stream.send(b"".join(done))
        if not take(left, len(done)):
            break
    # CLS is answered after the FINs before it were handled.
    stream.socket.settimeout(PATIENCE_S)
    stream.send(b"CLS\n")
    while b"CLOSE_WAIT" not in stream.buffer:
        stream.more()


# --- NATS JetStream ----------------------------------------------------------------------------------------------

def nats_open(port):
    stream = Stream(port)
    stream.line()                                               # INFO
    stream.send(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\nPING\r\n')
    if stream.line() != b"PONG":
        raise RuntimeError("no PONG")
    return stream


def nats_message(stream):
    """-> (reply subject, body) of the next message; None, b"" for what has only a status (no messages)."""
    while True:
        words = stream.line().split()
        if words[0] == b"PING":
            stream.send(b"PONG\r\n")
            continue
        if words[0] == b"-ERR":
            raise RuntimeError("nats: %r" % b" ".join(words))
        body = stream.exactly(int(words[-1]) + 2)[:-2]
        if words[0] == b"HMSG" and len(words) < 6:
            return None, b""
        is_reply = len(words) == (5 if words[0] == b"MSG" else 6)
        return (words[3] if is_reply else None), body


def nats_request(stream, subject, body):
    inbox = b"_INBOX.%d.%d" % (os.getpid(), time.monotonic_ns())
    stream.send(b"SUB %s 1\r\nPUB %s %s %d\r\n%s\r\n" % (inbox, subject, inbox, len(body), body))
    answer = json.loads(nats_message(stream)[1])
    stream.send(b"UNSUB 1\r\n")
    if "error" in answer:
        raise RuntimeError("nats: %s" % answer["error"])
    return answer


def nats_prepare(port, topic, channels):
    stream = nats_open(port)
    name = topic.decode()
    nats_request(stream, b"$JS.API.STREAM.CREATE." + topic, json.dumps(
        {"name": name, "subjects": [name], "storage": "file", "retention": "limits", "num_replicas": 1}).encode())
    for channel in channels:
        config = {"durable_name": channel.decode(), "ack_policy": "explicit", "max_ack_pending": 20000,
                  "deliver_policy": "all"}
        nats_request(stream, b"$JS.API.CONSUMER.DURABLE.CREATE.%s.%s" % (topic, channel),
                     json.dumps({"stream_name": name, "config": config}).encode())


def nats_write(port, topic, count, batch):
    """Publishes with `batch` confirmations outstanding."""
    stream = nats_open(port)
    inbox = b"_INBOX.w%d" % os.getpid()
    stream.send(b"SUB %s 1\r\n" % inbox)
    request = b"PUB %s %s %d\r\n%s\r\n" % (topic, inbox, BODY_BYTES, BODY) * batch
    for _ in range(count // batch):
        stream.send(request)
        for _ in range(batch):
            if b'"error"' in nats_message(stream)[1]:
                raise RuntimeError("nats refused a message")


def nats_read(port, topic, channel, left, batch=2500):
    stream = nats_open(port)
    inbox = b"_INBOX.r%d" % os.getpid()
    stream.send(b"SUB %s 1\r\n" % inbox)
    ask = json.dumps({"batch": batch, "no_wait": True}).encode()
    stream.socket.settimeout(1)                                 # a batch that ran dry need not be said to have
    while left.value > 0:
        stream.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.%s.%s %s %d\r\n%s\r\n" % (topic, channel, inbox, len(ask), ask))
        got, acks = 0, []
        while got < batch:
            try:
                reply, _ = nats_message(stream)
            except TimeoutError:
                break
            if reply is None:
                break
            got += 1
            acks.append(b"PUB %s 4\r\n+ACK\r\n" % reply)
            if len(acks) == 100:
                stream.send(b"".join(acks))
                acks = []
        stream.send(b"".join(acks))
        take(left, got)
    stream.send(b"PING\r\n")
    with contextlib.suppress(TimeoutError):
        while stream.line() != b"PONG":
            pass


# --- beanstalkd --------------------------------------------------------------------------------------------------

def beanstalk_write(port, topic, count, batch):
    stream = Stream(port)
    stream.send(b"use %s\r\n" % topic)
    stream.line()
    request = b"put 0 0 600 %d\r\n%s\r\n" % (BODY_BYTES, BODY) * batch
    for _ in range(count // batch):
        stream.send(request)
        for _ in range(batch):
            if not stream.line().startswith(b"INSERTED"):
                raise RuntimeError("beanstalkd refused a job")


def beanstalk_read(port, topic, _channel, left, batch=200):
    stream = Stream(port)
    stream.send(b"watch %s\r\nignore default\r\n" % topic)
    stream.line(), stream.line()
    reserve = b"reserve-with-timeout 0\r\n" * batch
    while left.value > 0:
        stream.send(reserve)
        deletes = []
        for _ in range(batch):
            words = stream.line().split(b" ")
            if words[0] == b"RESERVED":
                stream.exactly(int(words[2]) + 2)
                deletes.append(b"delete %s\r\n" % words[1])
        stream.send(b"".join(deletes))
        for _ in deletes:
            if stream.line() != b"DELETED":
                raise RuntimeError("beanstalkd did not delete a job")
        take(left, len(deletes))
        if not deletes:
            time.sleep(0.01)

#!/usr/bin/env python3
"""Topics on an engine: nuthatch (one thread beside the engine's) against a program with async-nats alone that does the same work.

Over one nats-server (R1) and over three (R3), a publisher keeps 500 publications of 200 bytes on their way, and a consumer takes and
finishes each message. nuthatch's clients are Python and not counted; the program with async-nats is its own client. CPU is that of
nuthatch, or of the program. `two threads` is the least program with async-nats whose consumers are on a thread of their own, as nuthatch's are,
and serve nobody; it publishes like the other. A ratio is taken within a round, and the median of the rounds is shown. Then the same with store and
forward: the publication is answered by the local journal, and the CPU until everything is forwarded is beside that of a local topic.
--idle N adds the memory and the start of a node with N topics of two channels each.
"""
import json
import sys
import urllib.request

import queue_clients as clients
from benchlib import *

PROGRAM = os.path.join(TARGET, "release", "examples", "jetstream_load")
SERVER = os.environ.get("NATS_SERVER", "nats-server")
BODY_BYTES, IN_FLIGHT = clients.BODY_BYTES, 500


class Engine:
    """So many nats-servers."""

    def __init__(self, stage, replicas):
        self.replicas, self.ports = replicas, [free_port() for _ in range(replicas)]
        routes = [free_port() for _ in range(replicas)]
        for number, (port, route) in enumerate(zip(self.ports, routes)):
            command = [find(SERVER), "-js", "-n", "nats%d" % number, "-a", "127.0.0.1", "-p", str(port),
                       "-sd", os.path.join(stage.directory, "nats%d" % number)]
            if replicas > 1:
                command += ["-cluster_name", "bench", "-cluster", "nats://127.0.0.1:%d" % route,
                            "-routes", ",".join("nats://127.0.0.1:%d" % at for at in routes)]
            stage.start(command, port)

    def create(self, subject, config):
        """A stream or a consumer; asked until the servers have found each other."""
        for _ in range(600):
            with contextlib.suppress(OSError, RuntimeError):
                return self.ask(subject, config)
            time.sleep(0.1)
        raise RuntimeError("JetStream does not come up: " + subject)

    def ask(self, subject, config):
        with socket.create_connection(("127.0.0.1", self.ports[0]), timeout=5) as server, server.makefile("rb") as answers:
            body = json.dumps(config).encode()
            server.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB $JS.API.%s answer %d\r\n%s\r\n'
                           % (subject.encode(), len(body), body))
            for line in answers:
                if line.startswith(b"MSG"):
                    answer = json.loads(answers.read(int(line.split()[-1])))
                    if "error" in answer:
                        raise RuntimeError("%s: %s" % (subject, answer["error"]))
                    return answer
        raise OSError("closed")


def start_nuthatch(stage, engine, name):
    """A nuthatch whose topics are on the engine, answered by it or here, or local."""
    port, http = free_port(), free_port()
    data = os.path.join(stage.directory, name)
    os.makedirs(data, exist_ok=True)
    servers = ", ".join('"127.0.0.1:%d"' % at for at in engine.ports)
    rules = "".join('[[queue.topic]]\nmatch = "%s*"\nstorage = "engine"\naccept = "%s"\n' % (how, how) for how in ("engine", "local"))
    conf = stage.write(name + ".toml", 'threads = 1\n[queue]\ntcp = "127.0.0.1:%d"\nhttp = "127.0.0.1:%d"\ndata_path = "%s"\n%s'
                       '[engine]\nservers = [%s]\nreplicas = %d\n' % (port, http, data, rules, servers, engine.replicas))
    process = stage.start([NUTHATCH, "run", "-c", conf], port)
    process.http = http
    return process


def post(node, path):
    """A request that is made again while the engine comes up."""
    for _ in range(600):
        with contextlib.suppress(OSError):
            request = urllib.request.Request("http://127.0.0.1:%d%s" % (node.http, path), data=b"", method="POST")
            return urllib.request.urlopen(request, timeout=20).read()
        time.sleep(0.1)
    raise RuntimeError("no answer to " + path)


def stats(node, topic=""):
    address = "http://127.0.0.1:%d/stats?format=json&topic=%s" % (node.http, topic)
    return json.load(urllib.request.urlopen(address, timeout=60))


def window_pub(port, topic, count):
    """Publishes with a window of publications that are not answered."""
    stream = clients.nsq_open(port)
    request = b"PUB %s\n" % topic + BODY_BYTES.to_bytes(4, "big") + clients.BODY
    sent = answered = 0
    while answered < count:
        room = min(IN_FLIGHT - (sent - answered), count - sent)
        if room:
            stream.send(request * room)
            sent += room
        if len(stream.buffer) < 10:
            stream.more()
        done = len(stream.buffer) // 10
        clients.nsq_ok(stream, done)
        answered += done


def measured(node, count, jobs, until=None):
    """CPU microseconds of the node per message, and messages per second."""
    before, start = node.cpu_s(), time.monotonic()
    clients.together(jobs)
    seconds = time.monotonic() - start
    if until:
        until()
    return {"cpu_us": (node.cpu_s() - before) * 1e6 / count, "rate": count / seconds}


def through_nuthatch(stage, engine, how, count, round_number):
    """Publishing and consuming, through one nuthatch."""
    node = start_nuthatch(stage, engine, "node-%s-%d" % (how, round_number))
    topic = b"%s%d" % (how.encode(), round_number)
    post(node, "/topic/create?topic=%s" % topic.decode())
    post(node, "/channel/create?topic=%s&channel=c" % topic.decode())

    def until_forwarded():
        end = time.monotonic() + 120
        while time.monotonic() < end:
            waiting = stats(node, topic.decode() + ".forward")["topics"]
            if not waiting or all(c["depth"] + c["in_flight_count"] == 0 for t in waiting for c in t["channels"]):
                return
            time.sleep(0.05)
        raise RuntimeError("not everything is forwarded")
    until = until_forwarded if how == "local" else None
    # Once to warm up, as the program's connection is.
    clients.together([(window_pub, node.port, topic, IN_FLIGHT)])
    result = {"publish": measured(node, count, [(window_pub, node.port, topic, count)], until)}
    left = clients.counter(count + IN_FLIGHT)
    jobs = [(clients.nsq_read, node.port, topic, b"c", left, IN_FLIGHT)]
    result["consume"] = measured(node, count + IN_FLIGHT, jobs)
    node.stop()
    return result


def through_program(engine, count, round_number, consume="consume"):
    """The same with async-nats alone."""
    stream = "%s%d" % (consume, round_number)
    config = {"name": stream, "subjects": ["s." + stream], "retention": "interest", "storage": "file", "num_replicas": engine.replicas,
              "max_msgs": -1, "max_bytes": -1, "max_consumers": -1, "duplicate_window": 120 * 10**9}
    engine.create("STREAM.CREATE." + stream, config)
    durable = {"durable_name": "c", "ack_policy": "explicit", "ack_wait": 30 * 10**9, "max_ack_pending": -1,
               "deliver_policy": "all", "replay_policy": "instant"}
    engine.create("CONSUMER.DURABLE.CREATE.%s.c" % stream, {"stream_name": stream, "config": durable})
    at = "127.0.0.1:%d" % engine.ports[0]
    result = {}
    for work, arguments in (("publish", ["s." + stream, count, IN_FLIGHT, BODY_BYTES]), (consume, ["c", count, IN_FLIGHT])):
        command = [PROGRAM, work, at, stream, *map(str, arguments)]
        program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        program.stdout.readline()
        answer, _ = program.communicate("\n", timeout=900)
        seconds, cpu = map(float, answer.split())
        result[{consume: "consume"}.get(work, work)] = {"cpu_us": cpu * 1e6 / count, "rate": count / seconds}
    return result


def run(replicas, count, rounds):
    results = {"async-nats": [], "two threads": [], "nuthatch": [], "store and forward": [], "local topic": []}
    for number in range(rounds):
        with Stage() as stage:
            engine = Engine(stage, replicas)
            results["async-nats"].append(through_program(engine, count, number))
            results["two threads"].append(through_program(engine, count, number, "relay"))
            for name, how in (("nuthatch", "engine"), ("store and forward", "local"), ("local topic", "beside")):
                results[name].append(through_nuthatch(stage, engine, how, count, number))
    return results


def rows_of(replicas, results):
    rows = []
    for name, runs in results.items():
        for work in ("publish", "consume"):
            def middle(key, runs=runs, work=work):
                return median([run[work][key] for run in runs])
            of = {key: median([a[work][key] / b[work][key] for a, b in zip(runs, results["async-nats"])]) for key in ("cpu_us", "rate")}
            verdict = ""
            if name == "nuthatch":
                verdict = "yes" if of["cpu_us"] <= 1.3 and of["rate"] >= 0.8 else "NO"
            rows.append(["R%d" % replicas, work, name, show(middle("cpu_us")), show(middle("rate"), 0), show(of["cpu_us"]),
                         show(of["rate"]), verdict])
    return rows


def idle(topics):
    """Memory and start of a node with so many topics of two channels on one nats-server."""
    with Stage() as stage:
        engine = Engine(stage, 1)
        node = start_nuthatch(stage, engine, "idle")
        post(node, "/topic/create?topic=engine0")
        empty = node.memory_mb()
        for number in range(topics):
            for channel in ("a", "b"):
                post(node, "/topic/create?topic=engine%d" % number)
                post(node, "/channel/create?topic=engine%d&channel=%s" % (number, channel))
        node.stop()
        began = time.monotonic()
        node = start_nuthatch(stage, engine, "idle")
        while sum(len(topic["channels"]) == 2 for topic in stats(node)["topics"] or []) < topics:
            time.sleep(0.05)
        took = time.monotonic() - began
        time.sleep(10)
        before = node.cpu_s()
        time.sleep(10)
        return {"topics": topics, "empty_mb": empty, "mb": node.memory_mb(), "start_s": took, "cpu": (node.cpu_s() - before) / 10}


HEAD = ["replicas", "work", "program", "CPU µs per message", "messages per s", "CPU of async-nats", "rate of async-nats",
        "≤ 1.3 and ≥ 0.8"]


def main():
    parser = command_line("engine", __doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one round")
    parser.add_argument("--messages", type=int, default=200_000, help="messages of a step (%(default)s)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (3)")
    parser.add_argument("--replicas", default="1,3", help="numbers of servers (%(default)s)")
    parser.add_argument("--idle", type=int, default=0, help="topics of the idle node (%(default)s: not measured)")
    options = parser.parse_args()
    count = options.messages // (10 if options.quick else 1)
    rounds = options.rounds or (1 if options.quick else 3)
    raw, rows = {}, []
    for replicas in map(int, options.replicas.split(",")):
        print("R%d ..." % replicas, file=sys.stderr, flush=True)
        raw[replicas] = run(replicas, count, rounds)
        rows += rows_of(replicas, raw[replicas])
    text = heading([first_line([NUTHATCH, "--version"]), first_line([find(SERVER), "--version"])]) + "\n\n" + table(HEAD, rows)
    if options.idle:
        raw["idle"] = found = idle(options.idle)
        text += "\n\n%d idle topics with two channels each: %.0f MB (%.0f MB with none), all served %.1f s after the start, %.3f cores." % (
            found["topics"], found["mb"], found["empty_mb"], found["start_s"], found["cpu"])
    publish("engine", text, options)
    print("raw results: " + keep("engine", raw), file=sys.stderr)


if __name__ == "__main__":
    main()

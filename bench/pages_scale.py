#!/usr/bin/env python3
"""What /metrics and the pages of the admin port cost with ten thousand topics: time to the last byte, size, memory.

    python3 bench/pages_scale.py [--write] [--binary PATH] [--topics N] [--rounds N]

Each topic has one channel and one message in it. Every request is made on a connection of its own, two seconds after
the one before, so that each has to gather the figures anew (they are kept for a second or two). Rows are the median and
the slowest of the rounds; CPU is that of the daemon, all threads, in the median. RSS is that of the daemon, before the first request and after the last.
"""
import http.client

from benchlib import *

PATIENCE_S = 60
# The time that /metrics may take with ten thousand topics.
METRICS_MS = 200
PATHS = [
    ("/metrics", "/metrics"),
    ("/topics, the first page of 100", "/topics"),
    ("/topics by messages per second", "/topics?sort=in&order=desc"),
    ("/topics, filtered", "/topics?q=t77"),
    ("a topic", "/topics/t7"),
    ("the overview", "/"),
    ("/api/status", "/api/status"),
]


def ask(port, method, path, body=None):
    """-> the body, and seconds to its last byte"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    begun = time.monotonic()
    connection.request(method, path, body)
    answer = connection.getresponse()
    read = answer.read()
    took = time.monotonic() - begun
    connection.close()
    if answer.status != 200:
        raise RuntimeError("%s: %d %s" % (path, answer.status, read[:200]))
    return read, took


def fill(port, topics):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    for n in range(topics):
        for path, body in [("/topic/create?topic=t%d", None), ("/channel/create?topic=t%d&channel=c", None), ("/pub?topic=t%d", b"x")]:
            connection.request("POST", path % n, body)
            answer = connection.getresponse()
            if answer.read() and answer.status != 200:
                raise RuntimeError("%s: %d" % (path % n, answer.status))


def run(binary, topics, rounds):
    rows = []
    with Stage() as stage:
        admin, api = free_port(), free_port()
        conf = os.path.join(stage.directory, "nuthatch.toml")
        with open(conf, "w") as file:
            file.write('[admin]\nlisten = "127.0.0.1:%d"\n[queue]\ntcp = "127.0.0.1:%d"\nhttp = "127.0.0.1:%d"\ndata_path = "%s"\n'
                       % (admin, free_port(), api, os.path.join(stage.directory, "data")))
        os.mkdir(os.path.join(stage.directory, "data"), 0o700)
        process = stage.start([binary, "run", "-c", conf])
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                ask(admin, "GET", "/startup")
                break
            time.sleep(0.01)
        fill(api, topics)
        # The last hour has begun then.
        time.sleep(15)
        before = process.memory_mb()
        for what, path in PATHS:
            times, cpu, size = [], [], 0
            for _ in range(rounds):
                time.sleep(2.1)
                used = process.cpu_s()
                body, took = ask(admin, "GET", path)
                cpu.append((process.cpu_s() - used) * 1000)
                times.append(took * 1000)
                size = len(body)
            rows.append((what, "%.0f" % median(times), "%.0f" % max(times), "%.0f" % median(cpu), "%.0f" % (size / 1000)))
            print(rows[-1], file=sys.stderr, flush=True)
        rows.append(("RSS before the first of them, MB", "%.1f" % before, "", "", ""))
        rows.append(("RSS after the last, MB", "%.1f" % process.memory_mb(), "", "", ""))
    return rows


def main():
    options = command_line("pages_scale", __doc__)
    options.add_argument("--binary", default=NUTHATCH, help="default: %(default)s")
    options.add_argument("--topics", type=int, default=10000, help="default: %(default)s")
    options.add_argument("--rounds", type=int, default=10, help="requests for each row (default: %(default)s)")
    chosen = options.parse_args()
    rows = run(chosen.binary, chosen.topics, chosen.rounds)
    where = "%s; commit %s; %s. %d rounds. Load %.1f." % (
        datetime.date.today().isoformat(), commit(), machine(), chosen.rounds, os.getloadavg()[0])
    metrics = float(rows[0][1])
    verdict = "`/metrics` has %d ms; the aim is less than %d." % (metrics, METRICS_MS)
    publish("pages_scale", "\n\n".join([where, table(("what", "median ms", "slowest ms", "CPU ms", "size kB"), rows), verdict]), chosen)
    if metrics >= METRICS_MS:
        sys.exit("/metrics takes too long")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""How long a reload of a large configuration takes, and what clients feel of it.

Fifty pools of twenty servers. First, reloads of several kinds, one after the other: the time until the last shard has acknowledged, which the
process measures, and from the sending of SIGHUP until the log has the list of changes. Then steady load on one of the pools: rounds without reloads and rounds with ten of them within
two seconds, each of which adds a server to this pool or takes it away again; counted are the requests of these two seconds.
"""
import os
import re
import signal
import time

from benchlib import *
import proxy_bench
import steady

POOLS, SERVERS = 50, 20
# Reloads in a round, and the stretch that they are spread over.
RELOADS, STRETCH_S = 10, 2
PATIENCE_S = 10


class Daemon:
    """The process, its file, and its log."""

    def __init__(self, stage, backends):
        self.backends, self.ports = backends, []
        while len(self.ports) < POOLS:
            self.ports += {free_port()} - {*self.ports}
        self.conf = stage.write("nuthatch.toml", "")
        self.log = os.path.join(os.path.dirname(self.conf), "log")
        self.write()
        self.process = stage.start([NUTHATCH, "run", "-c", self.conf], self.ports[0])

    def write(self, servers=SERVERS, pools=POOLS, timeout="5s"):
        """Writes the file. The first so many pools have so many servers, the others as many as ever."""
        text = 'threads = 2\n[log]\nfile = "%s"\n' % self.log
        for n, port in enumerate(self.ports):
            count = servers if n < pools else SERVERS
            names = ", ".join('"127.0.0.1:%d:1 s%d"' % (self.backends[k % len(self.backends)], k) for k in range(count))
            text += '[pool.p%d]\nlisten = "127.0.0.1:%d"\ntimeout = "%s"\nservers = [%s]\n' % (n, port, timeout, names)
        with open(self.conf + ".new", "w") as f:
            f.write(text)
        os.rename(self.conf + ".new", self.conf)

    def reload(self):
        """Reloads. Gives the milliseconds until the last acknowledgement, and until the log tells of it."""
        with open(self.log) as f:
            f.seek(0, os.SEEK_END)
            begun = time.time()
            self.process.popen.send_signal(signal.SIGHUP)
            said = ""
            while time.time() < begun + PATIENCE_S:
                said += f.read()
                done = re.search(r"^(\S+)Z .*configuration reloaded.* took_us=(\d+).*\n", said, re.M)
                if done:
                    ended = datetime.datetime.fromisoformat(done.group(1)).replace(tzinfo=datetime.timezone.utc)
                    return int(done.group(2)) / 1000, (ended.timestamp() - begun) * 1000
                time.sleep(0.001)
        raise Unavailable("no reload: " + said[-500:])


def kinds():
    """Kinds of reload: what is written, in turns."""
    return {
        "nothing": [{}, {}],
        "one server of one pool comes or goes": [{"servers": SERVERS + 1, "pools": 1}, {}],
        "a server of every pool comes or goes": [{"servers": SERVERS + 1}, {}],
        "an option of every pool": [{"timeout": "4s"}, {}],
    }


def durations(daemon, rounds):
    """Rows: the time of each kind of reload."""
    rows = []
    for kind, turns in kinds().items():
        took, told = [], []
        for n in range(rounds):
            daemon.write(**turns[n % len(turns)])
            for kept, figure in zip((took, told), daemon.reload()):
                kept.append(figure)
        daemon.write()
        daemon.reload()
        rows.append([kind, show(median(took), 1), show(max(took), 1), show(median(told), 0)])
    return rows


def main():
    parser = command_line("reload", __doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds with and without reloads (%(default)s)")
    parser.add_argument("--reloads", type=int, default=20, help="reloads of each kind (%(default)s)")
    parser.add_argument("--seconds", type=float, default=6, help="length of a round (%(default)s)")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    raise_file_limit()
    without, during = steady.Row("none"), steady.Row("%d in %d s" % (RELOADS, STRETCH_S))
    with Stage() as stage:
        servers = proxy_bench.start_servers(stage, "redis")
        for server in servers:
            proxy_bench.fill("redis", server.port, 100)
        daemon = Daemon(stage, [server.port for server in servers])
        rows = durations(daemon, options.reloads)
        for n in range(2 * options.rounds):
            row = during if n % 2 else without
            clients = steady.Steady(stage, daemon.ports[0], options.seconds)
            time.sleep((options.seconds - STRETCH_S) / 2)
            begun = time.time()
            for k in range(RELOADS if row is during else 0):
                time.sleep(max(0, begun + k * STRETCH_S / RELOADS - time.time()))
                daemon.write(**kinds()["one server of one pool comes or goes"][k % 2])
                daemon.reload()
            counts, samples = clients.end()
            row.add(counts, [latency for at, latency in samples if begun <= at <= begun + STRETCH_S])
    text = "%s\n\nLoad of the machine before: %.1f. %d pools of %d servers, two shards.\n\n%s\n\n%s\n\n%s" % (
        heading(proxy_bench.versions("nuthatch", "redis")), load, POOLS, SERVERS,
        table(["what changes", "to the last acknowledgement, ms", "longest, ms", "from SIGHUP to the list in the log, ms"], rows),
        "%s Reloads add a server to their pool, or take it away again." % steady.setting(),
        steady.text("reloads", [without, during]))
    publish("reload", text, options)


if __name__ == "__main__":
    main()

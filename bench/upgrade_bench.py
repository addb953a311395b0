#!/usr/bin/env python3
"""What clients feel when the binary is replaced: latency through the proxy around an upgrade, and without one.

Rounds take turns: one with nothing, one with an upgrade in its middle. Counted are the requests from a second before the signal to a
second after it, and the same stretch of the rounds without. Errors and closed connections are those of whole rounds, idle clients
included.
"""
import os
import re
import signal
import time

from benchlib import *
import proxy_bench
import steady

AROUND_S = 1


class Daemon:
    """The process that serves; another one after each upgrade."""

    def __init__(self, stage, port, conf):
        self.process = stage.start([NUTHATCH, "run", "-c", conf], port).popen.pid
        stage.callback(lambda: os.kill(self.process, signal.SIGTERM))

    def upgrade(self):
        """Gives the milliseconds until the new process serves, and the seconds until the old one has ended."""
        begun, old = time.monotonic(), self.process
        said = output([NUTHATCH, "upgrade", "--pid", str(old)])
        found = re.search(r"process (\d+) .* in (\d+) ms", said)
        if found is None:
            raise Unavailable("no upgrade: " + said)
        self.process = int(found.group(1))
        while is_alive(old):
            time.sleep(0.01)
        return int(found.group(2)), time.monotonic() - begun


def is_alive(process):
    """False once it has ended, also if nobody has asked for its status."""
    try:
        with open("/proc/%d/stat" % process) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def main():
    parser = command_line("upgrade", __doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each kind (%(default)s)")
    parser.add_argument("--seconds", type=float, default=6, help="length of each (%(default)s)")
    options = parser.parse_args()
    without, around = steady.Row("none"), steady.Row("one upgrade")
    took, ended = [], []
    load = os.getloadavg()[0]
    raise_file_limit()
    with Stage() as stage:
        server = proxy_bench.start_servers(stage, "redis")[0]
        proxy_bench.fill("redis", server.port, 100)
        port = free_port()
        conf = stage.write("nuthatch.toml", 'threads = 2\n[pool.a]\nlisten = "127.0.0.1:%d"\nservers = ["127.0.0.1:%d:1"]\n'
                           % (port, server.port))
        daemon = Daemon(stage, port, conf)
        for n in range(2 * options.rounds):
            row = around if n % 2 else without
            clients = steady.Steady(stage, port, options.seconds)
            time.sleep(options.seconds / 2)
            middle = time.time()
            if row is around:
                for kept, figure in zip((took, ended), daemon.upgrade()):
                    kept.append(figure)
            counts, samples = clients.end()
            row.add(counts, [latency for at, latency in samples if abs(at - middle) <= AROUND_S])
    text = "%s\n\nLoad of the machine before: %.1f. %s Counted are the requests from a second before the signal to a second after.\n\n%s" % (
        heading(proxy_bench.versions("nuthatch", "redis")), load, steady.setting(), steady.text("upgrades", [without, around]))
    text += "\n\nFrom the signal until the new process serves: %d ms (median of %d; %d to %d); until the old one, with nothing left " \
        "to do, has ended: %.1f s (longest %.1f s)." % (median(took), len(took), min(took), max(took), median(ended), max(ended))
    publish("upgrade", text, options)


if __name__ == "__main__":
    main()

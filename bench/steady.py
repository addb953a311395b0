"""Steady load on a pool while something is done to the proxy, and what clients felt of it: `upgrade_bench.py`, `reload_bench.py`.

The load is `steady` (bench/loadgen/src/bin/steady.rs): active clients that ask at a steady pace, and idle ones that are only there.
"""
import json
import os
import subprocess
import time

from benchlib import Unavailable, median, show, table

STEADY = os.path.join(os.environ.get("CARGO_TARGET_DIR") or os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "target"), "release", "steady")
CLIENTS, IDLE, INTERVAL_US = 50, 500, 4000
# Shares of requests that are shown, and what they are called.
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "longest": 1}


class Steady:
    """The load, from `ready` to its end."""

    def __init__(self, stage, port, seconds):
        self.samples = stage.write("samples", "")
        command = [STEADY, "--target", "127.0.0.1:%d" % port, "--samples", self.samples, "--seconds", str(seconds),
                   "--clients", str(CLIENTS), "--idle", str(IDLE), "--interval-us", str(INTERVAL_US)]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        stage.callback(self.popen.kill)
        if self.popen.stdout.readline() != "ready\n":
            raise Unavailable("the load does not start: " + self.popen.stderr.read())
        self.begun = time.time()

    def end(self):
        """Waits for the end. Gives the counts, and the latencies: pairs of the time in seconds since the epoch and microseconds."""
        said, errors = self.popen.communicate()
        if self.popen.returncode != 0:
            raise Unavailable("the load ended: " + errors)
        with open(self.samples) as f:
            pairs = [line.split() for line in f]
        return json.loads(said), [(int(at) / 1e6, int(latency)) for at, latency in pairs]


def quantiles(latencies):
    """The figures of QUANTILES, in microseconds."""
    ordered = sorted(latencies)
    return [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in QUANTILES.values()]


class Row:
    """A row of the table: rounds of one kind."""

    def __init__(self, name):
        self.name, self.rounds, self.requests, self.errors, self.closed = name, [], 0, 0, 0

    def add(self, counts, latencies):
        self.rounds.append(quantiles(latencies))
        self.requests += len(latencies)
        self.errors += counts["errors"]
        self.closed += counts["closed"]

    def cells(self):
        """Medians over the rounds; of the longest, the longest."""
        figures = [median(column) for column in zip(*self.rounds)]
        figures[-1] = max(figures[-1] for figures in self.rounds)
        return [self.name, self.requests, *(show(figure, 0) for figure in figures), self.errors, self.closed]


def text(what, rows):
    """The table."""
    head = [what, "requests", *("%s, µs" % name for name in QUANTILES), "errors", "connections closed"]
    return table(head, [row.cells() for row in rows])


def setting():
    """The load in a sentence."""
    return "%d clients ask every %g ms on connections that they keep, %d others are idle. Quantiles are medians of the rounds." % (
        CLIENTS, INTERVAL_US / 1000, IDLE)

#!/usr/bin/env python3
"""One message at a time: writers that each wait for the confirmation of every message, 200 bytes.

The figure is CPU microseconds of the daemon per message, by the number of writers. `floor` is no queue: it appends what
comes to a file and says OK, so it costs what the kernel asks for the least that a durable queue must do. What a daemon
costs above it is its own.
"""
import sys

from benchlib import *
import queue_bench
import queue_clients as clients

FLOOR = os.path.join(TARGET, "release", "floor")


class Floor:
    single = clients.nsq_pub

    def start(self, stage):
        if not os.path.exists(FLOOR):
            raise Unavailable("there is no " + FLOOR)
        port = free_port()
        return stage.start([FLOOR, "queue", str(port), os.path.join(stage.directory, "floor-%d" % port)], port)

    def prepare(self, port, channels):
        pass


CONTENDERS = {"floor": Floor(), **queue_bench.CONTENDERS}


def run(contender, writers, count):
    with Stage() as stage:
        process = contender.start(stage)
        contender.prepare(process.port, [b"channel"])
        job = (type(contender).single, process.port, queue_bench.TOPIC, count // writers)
        return queue_bench.measured(process, count // writers * writers, [job] * writers)["cpu_s_per_million"]


def main():
    parser = command_line("single", __doc__)
    parser.add_argument("--messages", type=int, default=60_000, help="messages of each run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (%(default)s)")
    parser.add_argument("--writers", default="1,2,8,32", help="numbers of writers (%(default)s)")
    parser.add_argument("--only", default="", help="regular expression on the contender")
    options = parser.parse_args()
    numbers = [int(n) for n in options.writers.split(",")]
    names = [name for name in CONTENDERS if re.search(options.only, name)]
    runs = {(name, n): [] for name in names for n in numbers}
    for _ in range(options.rounds):
        for name, n in runs:
            print("%s, %d writers ..." % (name, n), file=sys.stderr, flush=True)
            try:
                # A file system takes its time for every fsync.
                count = options.messages // (10 if "fsync" in name else 1)
                runs[name, n].append(run(CONTENDERS[name], n, count))
            except Unavailable as why:
                print("  SKIPPED: %s" % why, file=sys.stderr)
    rows = [[name] + [show(median(runs[name, n])) for n in numbers] for name in names]
    text = heading(queue_bench.versions()) + "\n\n" + table(["writers:", *map(str, numbers)], rows)
    publish("single", text, options)


if __name__ == "__main__":
    main()

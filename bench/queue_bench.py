#!/usr/bin/env python3
"""Nuthatch's queue beside NATS JetStream (file storage) and beanstalkd (binlog), on the same work.

Messages of 200 bytes. `batch`: two writers, 200 messages at a time (MPUB; for the others 200 requests in one write).
`single`: two writers, each waits for every message's confirmation. `consume`: two readers per channel take and finish
everything that `batch` wrote (RDY 2500, FIN as many as arrived together).

The figures are CPU seconds of the daemon per million messages (per million deliveries for `consume`), to the moment
when it is quiet again, and its resident memory with the whole backlog. Wall rates depend on the clients and are shown
for orientation only. beanstalkd has no channels, so it is left out of the rows with several.
"""
import sys
import urllib.request

from benchlib import *
import queue_clients as clients

TOPIC = b"bench"


# --- contenders --------------------------------------------------------------------------------------------------

class Nuthatch:
    can_fan_out = True
    write, single, read = clients.nsq_mpub, clients.nsq_pub, clients.nsq_read

    def __init__(self, durability, threads=1):
        self.durability, self.threads = durability, threads

    def start(self, stage):
        if not os.path.exists(NUTHATCH):
            raise Unavailable("there is no " + NUTHATCH)
        port, self.http = free_port(), free_port()
        data = os.path.join(stage.directory, "data-%d" % port)
        os.mkdir(data)
        conf = stage.write("nuthatch.toml", 'threads = %d\n[queue]\ntcp = "127.0.0.1:%d"\nhttp = "127.0.0.1:%d"\n'
                           'data_path = "%s"\ndurability = "%s"\n' % (self.threads, port, self.http, data,
                                                                      self.durability))
        return stage.start([NUTHATCH, "run", "-c", conf], port)

    def prepare(self, port, channels):
        for path in ["topic/create?topic=bench"] + [
                "channel/create?topic=bench&channel=" + c.decode() for c in channels]:
            request = urllib.request.Request("http://127.0.0.1:%d/%s" % (self.http, path), data=b"", method="POST")
            urllib.request.urlopen(request, timeout=10).read()


class Nats:
    can_fan_out = True
    write, read = clients.nats_write, clients.nats_read

    @staticmethod
    def single(port, topic, count):
        clients.nats_write(port, topic, count, 1)

    def start(self, stage):
        port = free_port()
        data = os.path.join(stage.directory, "nats-%d" % port)
        return stage.start([find("nats-server"), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", data], port)

    def prepare(self, port, channels):
        clients.nats_prepare(port, TOPIC, channels)


class Beanstalkd:
    can_fan_out = False
    write, read = clients.beanstalk_write, clients.beanstalk_read

    @staticmethod
    def single(port, topic, count):
        clients.beanstalk_write(port, topic, count, 1)

    def start(self, stage):
        port = free_port()
        data = os.path.join(stage.directory, "beanstalkd-%d" % port)
        os.mkdir(data)
        return stage.start([find("beanstalkd"), "-l", "127.0.0.1", "-p", str(port), "-b", data], port)

    def prepare(self, port, channels):
        pass


CONTENDERS = {
    "nuthatch memory": Nuthatch("memory"),
    "nuthatch os": Nuthatch("os"),
    "nuthatch fsync": Nuthatch("fsync"),
    "nats-server": Nats(),
    "beanstalkd": Beanstalkd(),
}


# --- measuring ---------------------------------------------------------------------------------------------------

def until_quiet(process):
    """CPU seconds once less than a hundredth of a core is used, waited for at most 10 s."""
    last, end = process.cpu_s(), time.monotonic() + 10
    while time.monotonic() < end:
        time.sleep(0.2)
        now = process.cpu_s()
        if now - last < 0.002:
            break
        last = now
    return process.cpu_s()


def measured(process, count, jobs):
    """Runs the jobs. -> CPU seconds of the daemon per million, and messages per second."""
    before, start = process.cpu_s(), time.monotonic()
    clients.together(jobs)
    seconds = time.monotonic() - start
    cpu = until_quiet(process) - before
    if not process.is_running():
        raise RuntimeError("the daemon ended")
    return {"cpu_s_per_million": cpu * 1e6 / count, "rate": count / seconds}


def run(contender, channels, count, writers=2, readers=2):
    """One contender from its start: batch, consume, single. -> figures"""
    names = [b"channel%d" % i for i in range(channels)]
    with Stage() as stage:
        process = contender.start(stage)
        contender.prepare(process.port, names)
        result = {"start_mb": process.memory_mb()}
        kind = type(contender)
        each = count // writers // 200 * 200
        jobs = [(kind.write, process.port, TOPIC, each, 200)] * writers
        result["batch"] = measured(process, each * writers, jobs)
        result["backlog_mb"] = process.memory_mb()
        jobs = []
        for name in names:
            left = clients.counter(each * writers)
            jobs += [(kind.read, process.port, TOPIC, name, left)] * readers
        result["consume"] = measured(process, each * writers * channels, jobs)
        each = max(count // 20, 500)
        result["single"] = measured(process, each * writers, [(kind.single, process.port, TOPIC, each)] * writers)
        result["peak_mb"] = process.memory_mb("VmHWM")
        return result


HEAD = ["contender", "channels", "batch: CPU s per million", "consume", "single", "batch: messages/s", "consume",
        "single", "RSS MB: start / backlog / peak"]


def row_of(name, channels, runs):
    def middle(step, key):
        return median([run[step][key] for run in runs])
    cpu = [show(middle(step, "cpu_s_per_million")) for step in ("batch", "consume", "single")]
    rates = [show(middle(step, "rate"), 0) for step in ("batch", "consume", "single")]
    memory = " / ".join("%.0f" % median([run[key] for run in runs]) for key in ("start_mb", "backlog_mb", "peak_mb"))
    return [name, channels, *cpu, *rates, memory]


def versions():
    ours = [first_line([NUTHATCH, "--version"])] if os.path.exists(NUTHATCH) else []
    return ours + [first_line(["/usr/sbin/nats-server", "--version"]), first_line(["/usr/bin/beanstalkd", "-v"])]


def main():
    parser = command_line("queue", __doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages, one round")
    parser.add_argument("--messages", type=int, default=1_000_000, help="messages of batch (%(default)s)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (3)")
    parser.add_argument("--only", default="", help="regular expression on NAME-CHANNELS")
    parser.add_argument("--channels", default="1,8", help="numbers of channels (%(default)s)")
    parser.add_argument("--list", action="store_true", help="name the cases")
    options = parser.parse_args()
    count = options.messages // (10 if options.quick else 1)
    rounds = options.rounds or (1 if options.quick else 3)
    cases = [(name, int(n)) for n in options.channels.split(",") for name in CONTENDERS
             if re.search(options.only, "%s-%s" % (name, n)) and (int(n) == 1 or CONTENDERS[name].can_fan_out)]
    if options.list:
        print("\n".join("%s-%d" % case for case in cases))
        return
    runs = {case: [] for case in cases}
    for _ in range(rounds):
        for name, channels in cases:
            print("%s, %d channels ..." % (name, channels), file=sys.stderr, flush=True)
            try:
                # The more channels, the fewer messages, so that reading takes about as long.
                runs[name, channels].append(run(CONTENDERS[name], channels, count // max(1, channels // 2)))
            except Unavailable as why:
                print("  SKIPPED: %s" % why, file=sys.stderr)
    rows = [row_of(name, channels, done) for (name, channels), done in runs.items() if done]
    text = heading(versions()) + "\n\n" + table(HEAD, rows)
    publish("queue", text, options)
    print("raw results: " + keep("queue", {"%s-%d" % case: done for case, done in runs.items()}), file=sys.stderr)


if __name__ == "__main__":
    main()

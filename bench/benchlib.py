"""What the benches share: processes, their CPU time and memory, load, tables.

CPU time is the sum of the on-CPU nanoseconds of every thread of a process (/proc/PID/task/*/schedstat), which is
utime+stime without the rounding to clock ticks; where the kernel does not tell, utime+stime it is.
"""
import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
LOADGEN = os.path.join(TARGET, "release", "loadgen")
NUTHATCH = os.path.join(TARGET, "release", "nuthatch")


class Unavailable(Exception):
    """A program is not there, or did not start."""


def find(program):
    """The path of a program, looked for where Debian keeps daemons too."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise Unavailable(program + " is not installed")
    return path


def free_port():
    """A port that nobody listens on now. Another process could take it before we use it; on a bench that is fine."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def raise_file_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Process:
    """A daemon that was started, in a directory of its own, and its figures."""

    def __init__(self, command, port=None, directory=None, ready=None):
        self.directory = directory or tempfile.mkdtemp(prefix="nuthatch-bench-")
        self.output = os.path.join(self.directory, "output-%d" % (port or 0))
        with open(self.output, "wb") as output:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                          cwd=self.directory)
        self.port = port
        if port is not None:
            self._await_port(command)

    def _await_port(self, command):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if self.popen.poll() is not None:
                break
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.02)
        with open(self.output, errors="replace") as output:
            said = output.read()[-500:]
        self.stop()
        raise Unavailable("%s did not start: %s" % (" ".join(command), said.strip()))

    def cpu_s(self):
        """CPU seconds of all threads since the start. Threads that have ended are not in it."""
        base = "/proc/%d/task" % self.popen.pid
        total = 0
        try:
            for task in os.listdir(base):
                with open("%s/%s/schedstat" % (base, task)) as f:
                    total += int(f.read().split()[0])
            return total / 1e9
        except OSError:
            with open("/proc/%d/stat" % self.popen.pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def waits(self):
        """Times that a thread had to wait: for something to do, or until the end of a sleep."""
        base = "/proc/%d/task" % self.popen.pid
        count = 0
        for task in os.listdir(base):
            with open("%s/%s/status" % (base, task)) as f:
                count += int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", f.read()).group(1))
        return count

    def memory_mb(self, key="VmRSS"):
        """Resident memory in MB (10^6 bytes); VmHWM for its peak."""
        with open("/proc/%d/status" % self.popen.pid) as f:
            return int(re.search(key + r":\s+(\d+) kB", f.read()).group(1)) * 1024 / 1e6

    def is_running(self):
        return self.popen.poll() is None

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Stage(contextlib.ExitStack):
    """Starts daemons and stops them all at the end; has a scratch directory."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="nuthatch-bench-")
        self.callback(shutil.rmtree, self.directory, ignore_errors=True)

    def start(self, command, port=None, directory=None):
        process = Process(command, port, directory or tempfile.mkdtemp(dir=self.directory))
        self.callback(process.stop)
        return process

    def write(self, name, text):
        path = os.path.join(tempfile.mkdtemp(dir=self.directory), name)
        with open(path, "w") as f:
            f.write(text)
        return path


def output(command, timeout=600):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(map(str, command)), (done.stderr or done.stdout).strip()[-500:]))
    return done.stdout


def first_line(command):
    """The first line that a program prints, on whichever stream."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
        return ((done.stdout + done.stderr).strip().splitlines() or ["?"])[0]
    except (OSError, subprocess.TimeoutExpired):
        return "not installed"


def machine():
    """The machine in one line."""
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*:\s*(.*)", f.read())
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s+(\d+)", f.read()).group(1)) // (1 << 20)
    return "%d cores of %s, %d GB, Linux %s" % (
        os.cpu_count(), model.group(1).strip() if model else platform.machine(), memory, platform.release())


def commit():
    try:
        name = output(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).strip()
        return name + ("+" if output(["git", "-C", ROOT, "status", "--porcelain", "-uno"]).strip() else "")
    except (OSError, RuntimeError):
        return "unknown"


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def show(value, digits=2):
    """A number for a table; a dash for none."""
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return "%.0fk" % (value / 1000) if abs(value) >= 100000 else "%.1fk" % (value / 1000)
    return "%.*f" % (digits, value)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def replace_section(path, name, text):
    """Puts text between the marks of a section of a page; adds the section at the end if it is not there."""
    start, end = "<!-- bench: %s -->" % name, "<!-- end: %s -->" % name
    page = ""
    if os.path.exists(path):
        with open(path) as f:
            page = f.read()
    section = "%s\n%s\n%s" % (start, text.strip(), end)
    if start in page and end in page:
        page = page[:page.index(start)] + section + page[page.index(end) + len(end):]
    else:
        page = page.rstrip() + "\n\n" + section + "\n"
    with open(path, "w") as f:
        f.write(page)


def heading(versions):
    """Where and when, for above a table."""
    today = datetime.date.today().isoformat()
    command = "cargo xtask bench %s %s" % (os.path.basename(sys.argv[0]).replace("_bench.py", ""), " ".join(sys.argv[1:]))
    return "%s; commit %s; %s.\n\nVersions: %s.\n\nCommand: `%s`." % (
        today, commit(), machine(), "; ".join(versions), command.strip())


def command_line(name, description):
    """The parser of `cargo xtask bench NAME`, with what every bench takes."""
    parser = argparse.ArgumentParser(prog="cargo xtask bench " + name, description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put what is printed into docs/performance.md")
    return parser


def add_case_options(parser, quick, rounds, idle):
    """The options of a bench that plays cases in interleaved rounds, the last of which is `idle`."""
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--rounds", type=int, help="interleaved rounds (%d)" % rounds)
    parser.add_argument("--only", default="", help="regular expression on names of cases")
    parser.add_argument("--idle", type=int, default=idle, help="idle clients of the case idle (%(default)s)")
    parser.add_argument("--list", action="store_true", help="name the cases")


def choose(cases, options):
    """The cases that the options name; with --list their names are printed, and nothing else happens."""
    chosen = [case for case in cases if re.search(options.only, case.name)]
    if options.list:
        print("\n".join([case.name for case in chosen] + ["idle"]))
        sys.exit()
    return chosen


def play(cases, run, rows_of):
    """What `run` finds for each case, by its name, and the rows of the table, which are also shown as they come."""
    raw, rows = {}, []
    for case in cases:
        print("%s ..." % case.name, file=sys.stderr, flush=True)
        raw[case.name] = run(case)
        new = rows_of(case, raw[case.name])
        for row in new:
            print("  " + "  ".join(row[1:]), file=sys.stderr, flush=True)
        rows += new
    return raw, rows


def publish(name, text, options):
    """Prints what was found and, if asked to, puts it into its section of the page."""
    print(text)
    if options.write:
        replace_section(os.path.join(ROOT, "docs", "performance.md"), name, text)


def keep(name, data):
    """Keeps raw results below the target directory."""
    directory = os.path.join(TARGET, "bench")
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "%s-%s.json" % (name, datetime.datetime.now().strftime("%Y%m%d-%H%M%S")))
    with open(path, "w") as f:
        json.dump(data, f, indent=1)
    return path

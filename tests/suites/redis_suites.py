#!/usr/bin/env python3
"""The suites of redis-py and of Redis itself against a redis-server and through the binary: a pool with that server, or the embedded cache.

    NUTHATCH_BIN=… python3 tests/suites/redis_suites.py [python|asyncio|tcl]… [--require PERCENT] [--embedded] [--sources DIRECTORY]

A test counts if it passes directly; it is kept if it passes through the proxy as well, or, with --embedded,
on the embedded cache. Those that are lost are listed. Each suite, and each of Redis' units, has servers that nobody has used. redis-py's
tests come from PyPI's source archive of the version that is installed, Redis' from Debian's (`apt-get source`, or the directory named
by --sources, where both are kept). A suite that cannot be fetched is skipped, which is said. The pool has allow = ["flush", "admin"] and 16 databases, as
the set-up of both suites needs. A unit of Redis' goes on after a test that ends with an error (--durable).
"""

import argparse
import collections
import os
import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import kit  # noqa: E402

PYTHON = ["commands", "pipeline", "pubsub", "lock", "scripting", "function", "connection_pool", "monitor", "encoding", "connection"]
ASYNCIO = ["commands", "pipeline", "pubsub", "lock", "scripting", "connection_pool", "monitor", "encoding", "connection"]
TCL = ["type/string", "type/incr", "type/list", "type/hash", "type/set", "type/zset", "type/stream", "type/stream-cgroups", "keyspace",
       "expire", "scan", "multi", "pubsub", "pubsubshard", "scripting", "functions", "bitops", "bitfield", "hyperloglog", "geo", "sort",
       "introspection", "introspection-2", "other", "protocol"]
# Redis' own marks of tests that need another server than the one that they are pointed at.
TAGS = ["-needs:debug", "-needs:repl", "-large-memory", "-needs:config-maxmemory"]
# Tests of redis-py that leave a server with a password or without memory if they fail half-way: they have servers of their own.
HARMFUL = ["test_auth", "test_config_set"]
MARKS = "not redismod and not onlycluster and not ssl and not cp_integration"
# Tests of Redis' that a run through the proxy does not survive: they count as lost. While a script runs, a proxy's clients wait behind
# it, where a server tells its own that it is BUSY: these tests wait for that word, and leave the script running. Others read without end
# what a MONITOR here does not see: commands inside scripts.
HANGING = {
    "multi": ["EXEC and script timeout", "just EXEC and script timeout"],
    "scripting": ["/^Timedout (read-only scripts|script does not cause)"],
    "functions": ["/^FUNCTION - test (function kill$|script kill not working|function kill not working)"],
    "introspection": ["/^MONITOR can log commands issued by"],
}
# Python and libraries of the suite, in an environment of its own below the directory of the sources.
NEEDED = ["pytest", "pytest-asyncio", "pytest-timeout", "numpy", "mock"]


class Skipped(Exception):
    """A suite cannot be run here."""


def run(command, **options):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600, **options)
    except (OSError, subprocess.SubprocessError) as e:
        said = getattr(e, "stderr", None) or e
        raise Skipped(f"{' '.join(map(str, command))[:80]}: {str(said).strip()[-300:]}") from e


def redis_py(sources):
    """The directory of redis-py's source and a Python that can run its tests."""
    python = sources / "venv" / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", sources / "venv"])
    if subprocess.run([python, "-c", "import pytest_asyncio, pytest_timeout, redis"], capture_output=True, check=False).returncode:
        run([python, "-m", "pip", "install", "-q", "redis==8.*", *NEEDED])
    version = run([python, "-c", "import redis; print(redis.__version__)"]).stdout.strip()
    if not (sources / f"redis-{version}" / "tests").is_dir():
        run([python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", f"redis=={version}"], cwd=sources)
        run(["tar", "xf", f"redis-{version}.tar.gz"], cwd=sources)
    return sources / f"redis-{version}", python


def redis(sources):
    """The directory of Redis' source."""
    found = sorted(path.parent for path in sources.glob("redis-*/runtest"))
    if not found:
        run(["apt-get", "source", "--download-only", "redis"], cwd=sources)
        for archive in sources.glob("redis_*.orig.tar.gz"):
            run(["tar", "xf", archive], cwd=sources)
        found = sorted(path.parent for path in sources.glob("redis-*/runtest"))
    if not found:
        raise Skipped("no source of Redis")
    run(["tclsh"], input="exit")
    return found[-1]


def pytest_results(sources, files, target):
    """{test: passed} of redis-py's tests, each file against a target that nobody has used."""
    directory, python = redis_py(sources)
    results = {}
    for file in files:
        if not (directory / file).exists():
            continue
        for chosen in (f"not ({' or '.join(HARMFUL)})", *HARMFUL):
            results |= pytest_run(directory, python, ["-k", chosen, "--redis-url", f"redis://127.0.0.1:{target.fresh()}/0", file])
    return results


def pytest_run(directory, python, arguments):
    """{test: passed} of a run of pytest."""
    results = {}
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [python, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "--timeout", "30", "-m", MARKS, f"--junitxml={report.name}",
                   *arguments]
        subprocess.run(command, cwd=directory, capture_output=True, timeout=1800, check=False)
        for case in xml.etree.ElementTree.parse(report.name).iter("testcase"):
            kinds = {child.tag for child in case}
            if "skipped" not in kinds:
                name = f"{case.get('classname', '')}::{case.get('name')}"
                results[name] = not kinds & {"failure", "error"} and results.get(name, True)
    return results


def tcl_results(sources, units, target):
    """{test: passed} of Redis' units, each against a target that nobody has used. A test that is there twice has to pass twice."""
    directory, results = redis(sources), {}
    for unit in units:
        port = target.fresh()
        skipped = [] if target.kind == "direct" else HANGING.get(unit, [])
        command = ["./runtest", "--host", "127.0.0.1", "--port", str(port), "--singledb", "--durable", "--ignore-encoding", "--ignore-digest",
                   "--tags", " ".join(TAGS), "--single", f"unit/{unit}", *(word for name in skipped for word in ("--skiptest", name))]
        with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as running:
            try:
                said, _ = running.communicate(timeout=240)
            except subprocess.TimeoutExpired:
                # Its helpers hold a port that the next unit needs.
                os.killpg(running.pid, signal.SIGKILL)
                said, _ = running.communicate()
        text = re.sub(r"\x1b\[[0-9;]*m", "", said.decode(errors="replace"))
        for verdict, name in re.findall(r"^\[(ok|err)\]: (.*?)(?: \(\d+ ms\))?(?: in tests/.*)?$", text, re.M):
            results[f"{unit}: {name}"] = verdict == "ok" and results.get(f"{unit}: {name}", True)
        if "The End" not in text:
            print(f"  {unit} broke off ({target.kind}), after: {text.strip().splitlines()[-1:]}")
    return results


SUITES = {
    "python": lambda sources, target: pytest_results(sources, [f"tests/test_{name}.py" for name in PYTHON], target),
    "asyncio": lambda sources, target: pytest_results(sources, [f"tests/test_asyncio/test_{name}.py" for name in ASYNCIO], target),
    "tcl": lambda sources, target: tcl_results(sources, TCL, target),
}


class Target:
    """Servers, or programs in front of them, that nobody has used: one at a time."""

    def __init__(self, path, kind):
        self.path, self.kind, self.count, self.running, self.servers = path, kind, 0, None, []

    def fresh(self):
        self.stop()
        self.count += 1
        path = self.path / f"{self.kind}{self.count}"
        path.mkdir()
        self.running = kit.Stack()
        stack = self.running.__enter__()
        servers = [] if self.kind == "embedded" else [stack.keep(kit.start_redis("s", path))]
        self.servers = servers
        if self.kind == "direct":
            return servers[0].port
        # The embedded cache has one database.
        databases = {"databases": 16} if servers else {}
        return stack.keep(kit.start_native(path, "redis", servers, allow='["flush", "admin"]', **databases)).port

    def stop(self):
        # One that runs an endless script does not stop when it is asked to.
        for server in self.servers:
            server.kill()
        self.servers = []
        if self.running:
            self.running.__exit__(None, None, None)
        self.running = None


def by_group(names):
    """How many of these tests there are in each file or unit."""
    return collections.Counter(name.split(":")[0] for name in names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", default=list(SUITES), help=f"of {', '.join(SUITES)}")
    parser.add_argument("--require", type=float, default=0, help="least share of what passes directly, in percent")
    parser.add_argument("--embedded", action="store_true", help="the embedded cache in the place of the proxy")
    parser.add_argument("--only", action="append", help="of redis-py's files or Redis' units, those that end so")
    parser.add_argument("--sources", type=Path, default=Path(tempfile.gettempdir()) / "redis-suites")
    options = parser.parse_args()
    options.sources.mkdir(parents=True, exist_ok=True)
    if options.only:
        for names in (PYTHON, ASYNCIO, TCL):
            names[:] = [name for name in names if any(name.endswith(wanted) for wanted in options.only)]
    failed = False
    kind = "embedded" if options.embedded else "proxy"
    with kit.Stack() as stack:
        targets = [Target(Path(stack.path), "direct"), Target(Path(stack.path), kind)]
        for suite in options.suites:
            try:
                direct, through = [SUITES[suite](options.sources, target) for target in targets]
            except Skipped as e:
                print(f"{suite}: skipped: {e}", flush=True)
                continue
            finally:
                for target in targets:
                    target.stop()
            counted = sorted(name for name, passed in direct.items() if passed)
            lost = [name for name in counted if not through.get(name)]
            share = 100 * (len(counted) - len(lost)) / max(len(counted), 1)
            where = "on the embedded cache" if options.embedded else "through the proxy"
            print(f"{suite}: {len(counted)} pass directly, {len(counted) - len(lost)} of them {where} ({share:.1f} %)")
            all_by_group, lost_by_group = by_group(counted), by_group(lost)
            for group, count in all_by_group.items():
                print(f"  {group}: {count - lost_by_group[group]} of {count}")
            for name in lost:
                print(f"    {'failed' if name in through else 'not run'}  {name}")
            sys.stdout.flush()
            failed |= share < options.require
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

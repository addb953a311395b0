"""The Debian package under a systemd of its own: the unit with all its sandboxing, sockets that systemd binds, restarts.

    python3 tests/packages/systemd.py PACKAGE.deb

systemd is the first process of a namespace, over a root to throw away; it needs a cgroup that may be written."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from _machine import ask, enter, mount, overlay

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SYSTEMD = "/lib/systemd/systemd"
PATIENCE = 60
# systemctl does nothing in a root of its own, unless it is told that this is meant.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_IGNORE_CHROOT": "1", "DEBIAN_FRONTEND": "noninteractive"}
RESTARTS, UPGRADES = 5, 5
PING, READY = b"GET /ping HTTP/1.0\r\n\r\n", b"GET /ready HTTP/1.0\r\n\r\n"
SET = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"


def cgroup_root():
    """Where the unified hierarchy is mounted; None if it is nowhere."""
    for line in open("/proc/mounts"):
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return where
    return None


class Machine:
    def __init__(self, root):
        self.root = root
        self.init = None
        self.console = tempfile.TemporaryFile()

    def inside(self, *command):
        """A command on the machine; once it is up, among its processes: systemd knows no others."""
        if self.init:
            return ["nsenter", "--target", self.init, "--pid", "--mount", "--root", "--wd", *command]
        return ["chroot", self.root, *command]

    def run(self, *command, status=0):
        done = subprocess.run(self.inside(*command), capture_output=True, text=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT, timeout=PATIENCE)
        said = (done.stdout + done.stderr).strip()
        assert status is None or done.returncode == status, f"{command}: {done.returncode}: {said}\n{self.journal()}"
        return said

    def boot(self):
        """Starts systemd, and waits until the machine is up."""
        for kind, where in (("sysfs", "sys"), ("cgroup2", "sys/fs/cgroup")):
            os.makedirs(f"{self.root}/{where}", exist_ok=True)
            mount("-t", kind, kind, f"{self.root}/{where}")
        with open(f"{self.root}/etc/machine-id", "w") as file:
            file.write("0" * 31 + "1\n")
        # Not chroot: below one there are no user namespaces, which the unit asks for.
        init = f"""
            mount -t proc proc {self.root}/proc && cd {self.root} && mkdir -p old-root && pivot_root . old-root &&
            umount -l /old-root && exec {SYSTEMD} --system --unit=basic.target --log-target=console"""
        self.process = subprocess.Popen(
            ["unshare", "--pid", "--mount", "--ipc", "--uts", "--fork", "--kill-child", "sh", "-c", init],
            env={"container": "nuthatch-test", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=self.console,
            stderr=self.console,
        )
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        self.init = self.until(lambda: open(children).read().strip(), "its first process")
        self.until(lambda: self.run("systemctl", "is-active", "basic.target", status=None) == "active", "the machine to be up")

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert self.process.poll() is None, f"systemd has ended: {self.said()}"
            assert time.monotonic() < end, f"waited in vain for {what}\n{self.journal()}\n{self.said()}"
            time.sleep(0.05)
        return found

    def said(self):
        self.console.seek(0)
        return self.console.read().decode(errors="replace")[-3000:]

    def journal(self):
        status = self.inside("systemctl", "--no-pager", "--full", "status", "nuthatch.service", "nuthatch.socket")
        commands = [status, self.inside("journalctl", "--no-pager", "-n", "40")]
        ended = [subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT) for command in commands]
        return "\n".join(done.stdout + done.stderr for done in ended)

    def shows(self, name, unit="nuthatch.service"):
        return self.run("systemctl", "show", "--value", "-p", name, unit)

    def off(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def own_cgroup():
    """A cgroup for everything that is started here."""
    root = cgroup_root()
    directory = os.path.join(root, f"nuthatch-test-{os.getpid()}-{time.time_ns()}")
    os.mkdir(directory)
    mine = next(line for line in open("/proc/self/cgroup") if line.startswith("0::"))[3:].strip()
    with open(f"{directory}/cgroup.procs", "w") as file:
        file.write("0")
    try:
        yield
    finally:
        with open(root + mine.rstrip("/") + "/cgroup.procs", "w") as file:
            file.write("0")
        end = time.monotonic() + PATIENCE
        for path, _, _ in os.walk(directory, topdown=False):
            while time.monotonic() < end:
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                    break
                time.sleep(0.05)


def activated(machine):
    """systemd listens, and starts the service for the first client."""
    machine.run("systemctl", "start", "nuthatch.socket")
    assert machine.shows("ActiveState") == "inactive"
    assert ask(22121, SET) == "+OK\r\n"
    # It may serve before systemd has read that it is ready.
    machine.until(lambda: machine.shows("ActiveState") == "active", "the service to be active")
    assert machine.shows("Type") == "notify"
    assert ask(4151, b"POST /pub?topic=orders HTTP/1.0\r\nContent-Length: 1\r\n\r\nx").endswith("OK")
    unused = [line for line in machine.journal().splitlines() if "inherited socket closed" in line]
    assert not unused, unused


def restarted(machine):
    """Every client is answered while the service restarts: by the old process, or by the new one, for which it waits."""
    machine.run("systemctl", "reload", "nuthatch")
    asked = 0
    for _ in range(RESTARTS):
        # Too many starts in ten seconds are a failure otherwise.
        machine.run("systemctl", "reset-failed", "nuthatch.service", status=None)
        restart = subprocess.Popen(machine.inside("systemctl", "restart", "nuthatch"), env=ENVIRONMENT)
        while restart.poll() is None:
            for port, request, answer in ((22121, SET, "+OK\r\n"), (4151, PING, "OK"), (22220, READY, "")):
                said = ask(port, request)
                assert said and said.endswith(answer), (port, said)
                asked += 1
        assert restart.returncode == 0, machine.journal()
    assert asked >= 3 * RESTARTS, asked
    assert '"depth":1' in ask(4151, b"GET /stats?format=json HTTP/1.0\r\n\r\n")


def survived(machine):
    """Killed, it is started again; replaced by its successor, it stays the same service."""
    machine.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", "nuthatch")
    machine.until(lambda: machine.shows("NRestarts") == "1" and machine.shows("ActiveState") == "active", "the restart")
    assert ask(22121, SET) == "+OK\r\n"
    upgraded(machine)
    assert machine.shows("ActiveState") == "active" and machine.shows("NRestarts") == "1"
    assert ask(22121, SET) == "+OK\r\n"


def upgraded(machine):
    """Replaces the binary, and waits until the old process has gone."""
    before = machine.shows("MainPID")
    machine.run("nuthatch", "upgrade")
    machine.until(lambda: machine.shows("MainPID") not in ("0", before), "the successor as main process")
    machine.until(lambda: not machine.run("ps", "-o", "pid=", "-p", before, status=None), "the end of the old process")


def stopped_after_upgrade(machine):
    """The successor's end is waited for: systemd kills a main process that is not its own child right after SIGTERM."""
    for _ in range(UPGRADES):
        machine.run("systemctl", "reset-failed", "nuthatch.service", status=None)
        machine.run("systemctl", "start", "nuthatch.service")
        upgraded(machine)
        machine.run("systemctl", "stop", "nuthatch.service")
        assert machine.shows("Result") == "success", machine.journal()
    assert ask(22121, SET) == "+OK\r\n"


def stopped(machine):
    machine.run("systemctl", "restart", "nuthatch")
    machine.run("systemctl", "stop", "nuthatch.socket", "nuthatch.service")
    assert (machine.shows("ActiveState"), machine.shows("Result")) == ("inactive", "success"), machine.journal()
    exposure = machine.run("systemd-analyze", "security", "--no-pager", "nuthatch.service", status=None)
    level = re.search(r"exposure level for nuthatch.service: ([\d.]+)", exposure)
    assert level is None or float(level.group(1)) <= 2.0, exposure


def page_dropin(page):
    """What a page has one write with `systemctl edit`."""
    with open(os.path.join(ROOT, "docs", page)) as file:
        return re.search(r"^```ini\n(.*?)^```", file.read(), re.S | re.M).group(1)


def migrated(machine):
    """The unit with the lines that the pages on moving from twemproxy and from NSQ put beside it."""
    etc, dropin = f"{machine.root}/etc", f"{machine.root}/etc/systemd/system/nuthatch.service.d"
    os.makedirs(f"{etc}/nutcracker", exist_ok=True)
    os.makedirs(dropin)
    shutil.copyfile(f"{ROOT}/examples/nutcracker.yml", f"{etc}/nutcracker/nutcracker.yml")
    with open(f"{etc}/nsqd.cfg", "w") as file:
        file.write('tcp_address = "127.0.0.1:4150"\nhttp_address = "127.0.0.1:4151"\n')
    os.makedirs(f"{machine.root}/var/lib/nsqd")
    machine.run("chown", "-R", "nuthatch:", "/var/lib/nsqd")
    ping = (22121, b"*1\r\n$4\r\nPING\r\n", "+PONG\r\n")
    publish = (4151, b"POST /pub?topic=orders HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", "OK")
    for page, (port, request, answer) in (("from-twemproxy.md", ping), ("from-nsq.md", publish)):
        with open(f"{dropin}/override.conf", "w") as file:
            file.write(page_dropin(page))
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", "nuthatch")
        assert ask(port, request).endswith(answer), page
        machine.run("systemctl", "reload", "nuthatch")
        upgraded(machine)
        assert ask(port, request).endswith(answer), page
        machine.run("systemctl", "stop", "nuthatch")
        assert machine.shows("Result") == "success", machine.journal()
    assert os.path.exists(f"{machine.root}/var/lib/nsqd/topics")


def main():
    package = os.path.abspath(sys.argv[1])
    for needed, what in ((shutil.which("systemctl") and os.path.exists(SYSTEMD), "systemd"), (cgroup_root(), "a cgroup of version 2")):
        if not needed:
            print(f"SKIPPED: units under systemd: there is no {what}")
            return
    enter("--cgroup")
    # Of the processes in this namespace, whose numbers `nsenter` goes by.
    mount("-t", "proc", "proc", "/proc")
    with own_cgroup():
        machine = Machine(overlay())
        shutil.copyfile(package, f"{machine.root}/tmp/nuthatch.deb")
        machine.run("dpkg", "-i", "/tmp/nuthatch.deb")
        machine.run("systemctl", "disable", "nuthatch.service")
        machine.run("cp", "/usr/share/doc/nuthatch/examples/nuthatch.socket", "/etc/systemd/system/")
        try:
            machine.boot()
            for step in (activated, restarted, survived, stopped_after_upgrade, stopped, migrated):
                step(machine)
                print(f"ok {step.__name__}", flush=True)
        except Exception:
            print(machine.journal(), machine.said(), sep="\n", flush=True)
            raise
        finally:
            machine.off()


if __name__ == "__main__":
    main()
